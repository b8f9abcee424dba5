//! What the desk has: each broadcast, list and template as it stands.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::beside::Answers;
use super::documents::{BroadcastDocument, StartDocument, WantedLife};
use super::list_documents::ListDocument;
use super::now::{Age, Now};
use super::refusal::{BroadcastRefusal, broken, unknown};
use super::shelf::Shelf;
use super::turns::{Retry, Turns, Untold};
use super::watched::Watched;
use super::wave_clock::WaveClock;
use crate::broadcast::manifest::Manifest;
use crate::broadcast::running::RunningBroadcast;
use crate::broadcast::templates::TemplateDocument;
use crate::shard::SliceFigures;
use wire::terms::time::{SteadyMs, WallMs};

/// What to do about a document that cannot be read.
pub(super) const DAMAGED_REMEDY: &str =
    "put it back from a backup and start the engine anew, or move its folder away";

/// A broadcast, and what is known of it while it runs.
pub(super) struct Entry {
    pub(super) document: BroadcastDocument,
    pub(super) running: Option<Arc<RunningBroadcast>>,
    /// Where it stands in each shard, as of the last look.
    pub(super) figures: Vec<SliceFigures>,
    pub(super) watched: Watched,
    /// Answers to single pushes when it was started, if that was in this life of the engine.
    pub(super) answers_before: Option<Answers>,
    /// Whose turn it is to tell the shards.
    pub(super) turns: Arc<Turns>,
    /// A shard may not have heard all of it.
    pub(super) untold: Option<Untold>,
    /// How often that was noted: what is told does not cover what was noted meanwhile.
    pub(super) untold_notes: u64,
    /// How many orders there were in this life of the engine, and where the last one leads.
    pub(super) orders: u64,
    pub(super) wanted: Option<WantedLife>,
    /// An order that holds could not be kept yet.
    pub(super) unkept_order: Option<Retry>,
    /// It is over, and that could not be kept yet.
    pub(super) unkept: Option<Retry>,
    /// It is to be taken back, and that could not be done yet.
    pub(super) unretracted: Option<Retry>,
    /// How long its last wave has run.
    pub(super) wave_clock: WaveClock,
    /// Its start is due, and could not be carried out yet.
    pub(super) unstarted: Option<Retry>,
    pub(super) ages: Ages,
}

impl Entry {
    pub(super) fn of(document: BroadcastDocument) -> Self {
        Self {
            document,
            running: None,
            figures: Vec::new(),
            watched: Watched::default(),
            answers_before: None,
            turns: Arc::default(),
            untold: None,
            untold_notes: 0,
            orders: 0,
            wanted: None,
            unkept_order: None,
            unkept: None,
            unretracted: None,
            wave_clock: WaveClock::default(),
            unstarted: None,
            ages: Ages::default(),
        }
    }

    /// Now, as the time of its dry run is told: what the wall's clock shows if nobody sets it.
    pub(super) fn check_now_ms(&mut self, now: Now) -> WallMs {
        let check = self.document.check.as_ref();
        check.map_or(now.wall_ms, |check| check.at_ms + self.ages.check.since(check.at_ms, now))
    }

    /// A shard may not have heard of something: it is told again, later each time.
    pub(super) fn note_untold(&mut self, why: String) {
        let before = self.untold.take().map(|untold| untold.retry);
        self.untold = Some(Untold { retry: Retry::after(before, Now::read().steady), why });
        self.untold_notes += 1;
    }

    /// Whether it can only end any more: somebody or something has ended it, or all is sent.
    pub(super) fn is_at_its_end(&self) -> bool {
        let ordered = self.document.ordered.as_ref().map(|ordered| ordered.life);
        let mut wanted = [self.wanted, ordered].into_iter();
        let figures = &self.figures;
        wanted.any(|wanted| wanted == Some(WantedLife::Cancelled))
            || figures.iter().any(|figures| figures.life.end().is_some())
            || !figures.is_empty() && figures.iter().all(|figures| figures.life.is_over())
    }

    /// An order leads there; an end stays one.
    pub(super) fn wants(&mut self, life: WantedLife) {
        self.orders += 1;
        if self.wanted != Some(WantedLife::Cancelled) {
            self.wanted = Some(life);
        }
    }
}

/// How long ago things of a broadcast were.
#[derive(Default)]
pub(super) struct Ages {
    /// Its dry run.
    check: Age,
    /// Its start.
    pub(super) start: Age,
    /// That it is to be taken back.
    pub(super) retracting: Age,
    /// Its end.
    pub(super) end: Age,
}

/// Everything there is.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) lists: BTreeMap<String, ListDocument>,
    pub(super) broadcasts: BTreeMap<String, Entry>,
    pub(super) templates: BTreeMap<String, TemplateDocument>,
    /// The ordinals that were given are below.
    pub(super) next_ordinal: u32,
    /// Why nobody knows which were given.
    ordinals_lost: Option<String>,
    /// What was started before this start of the engine and is not over; once the shards know it.
    pub(super) may_follow: Option<Vec<u32>>,
    /// Broadcasts whose documents cannot be read, and why.
    pub(super) damaged: BTreeMap<String, String>,
    /// Likewise lists.
    pub(super) damaged_lists: BTreeMap<String, String>,
    /// What is old by the clock of the wall, and since when by the one that makes no steps.
    pub(super) aged: BTreeMap<String, SteadyMs>,
    /// When somebody looks again for what may go.
    pub(super) next_retiring: SteadyMs,
}

impl Standing {
    /// What there is in the data directory. A document that cannot be read is told, and keeps
    /// nothing else from going on.
    pub(super) fn read(shelf: &Shelf) -> io::Result<Self> {
        let (next_ordinal, lost) = match shelf.next_ordinal() {
            Ok(next) => (next, None),
            Err(error) => (0, Some(error.to_string())),
        };
        let mut standing = Self { next_ordinal: next_ordinal.max(1), ..Self::default() };
        let lists = shelf.lists()?;
        standing.damaged_lists = lists.damaged;
        for list in lists.documents {
            standing.lists.insert(list.list.clone(), list);
        }
        let broadcasts = shelf.broadcasts()?;
        standing.damaged = broadcasts.damaged;
        for document in broadcasts.documents {
            let ordinal = document.started.as_ref().map_or(0, |start| start.ordinal);
            standing.next_ordinal = standing.next_ordinal.max(ordinal + 1);
            standing.broadcasts.insert(document.broadcast.clone(), Entry::of(document));
        }
        standing.note_lost_ordinals(lost);
        let (templates, damaged) = shelf.all_templates::<TemplateDocument>()?;
        for template in templates {
            standing.templates.insert(template.template.clone(), template);
        }
        let all = standing.damaged.values().chain(standing.damaged_lists.values()).chain(&damaged);
        for error in all {
            tracing::error!(error, "a document is damaged: {DAMAGED_REMEDY}");
        }
        Ok(standing)
    }

    /// Which ordinals were given follows from the documents and the journals, where all of them can
    /// be read. Where not, nothing is started: an ordinal that is given twice is two broadcasts.
    fn note_lost_ordinals(&mut self, lost: Option<String>) {
        let Some(error) = lost else { return };
        if self.damaged.is_empty() {
            tracing::warn!(
                error,
                "which broadcasts had which numbers is taken from their documents"
            );
            return;
        }
        tracing::error!(error, "no broadcast is started: {DAMAGED_REMEDY}");
        self.ordinals_lost = Some(error);
    }

    /// The number of the next start.
    ///
    /// # Errors
    /// Nobody knows which were given.
    pub(super) fn free_ordinal(&self) -> Result<u32, BroadcastRefusal> {
        match &self.ordinals_lost {
            None => Ok(self.next_ordinal),
            Some(why) => {
                let sentence = format!(
                    "nobody knows which numbers broadcasts have ({why}), and some documents are \
                     damaged: {DAMAGED_REMEDY}"
                );
                Err(broken(sentence))
            }
        }
    }

    pub(super) fn entry(&mut self, broadcast: &str) -> Result<&mut Entry, BroadcastRefusal> {
        if let Some(why) = self.damaged.get(broadcast) {
            let sentence = format!("its document is damaged ({why}): {DAMAGED_REMEDY}");
            return Err(broken(sentence));
        }
        self.broadcasts.get_mut(broadcast).ok_or_else(|| unknown("broadcast"))
    }

    pub(super) fn started(&self) -> impl Iterator<Item = (&BroadcastDocument, &StartDocument)> {
        let documents = self.broadcasts.values().map(|entry| &entry.document);
        documents.filter_map(|document| document.started.as_ref().map(|start| (document, start)))
    }

    /// Broadcasts of a chain that were started, with their alertseqs.
    pub(super) fn chain<'a>(
        &'a self,
        manifest: &'a Manifest,
    ) -> impl Iterator<Item = (&'a BroadcastDocument, &'a StartDocument)> {
        self.started().filter(|(document, _)| {
            let other = &document.manifest;
            manifest.alertid.is_some()
                && other.alertid == manifest.alertid
                && other.xpid == manifest.xpid
        })
    }
}
