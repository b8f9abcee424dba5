//! The desk of broadcasts: lists and broadcasts as they stand, and what may be done with them.
//!
//! All of it blocks and runs beside the shards. What is decided is written down before it is told:
//! a start that a crash cuts off is told again at the next.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use super::acts::Acts;
use super::documents::{
    Approval, BroadcastDocument, CheckDocument, EndDocument, ListDocument, ScheduleDocument, Stage,
    StartDocument,
};
use super::due::due_later;
use super::loaded::loaded;
use super::reach::ReachCurve;
use super::refusal::{
    APPROVAL, BroadcastRefusal, CHECK_OUTDATED, NOT_EXPECTED, NOT_HIGHER, STATE, TOO_MANY_LIVE,
    refused, unknown,
};
use super::shelf::{Shelf, new_identifier};
use super::watched::Watched;
use crate::broadcast::areas::AreaCatalogue;
use crate::broadcast::life::End;
use crate::broadcast::limits::{LIFETIME_SECONDS_MAX, LIVE_MAX};
use crate::broadcast::manifest::{DuplicateAction, Manifest, Schedule};
use crate::broadcast::recipients::Recipients;
use crate::broadcast::running::{RunningBroadcast, RunningPace, RunningTerms};
use crate::broadcast::slice::Order;
use crate::broadcast::templates::TemplateDocument;
use crate::control::engine::Engine;
use crate::control::webhooks::Webhooks;
use crate::shard::SliceFigures;
use crate::testing::kill_points::{KillPoint, kill_point};
use host::clock;
use wire::terms::ids::Xpid;
use wire::terms::rfc3339::parse_rfc3339;

/// A dry run holds for so long.
pub(super) const CHECK_HOLDS_MS: u64 = 15 * 60 * 1_000;

/// A broadcast, and what is known of it while it runs.
pub(super) struct Entry {
    pub(super) document: BroadcastDocument,
    pub(super) running: Option<Arc<RunningBroadcast>>,
    /// Where it stands in each shard, as of the last look.
    pub(super) figures: Vec<SliceFigures>,
    pub(super) watched: Watched,
}

impl Entry {
    pub(super) fn of(document: BroadcastDocument) -> Self {
        Self { document, running: None, figures: Vec::new(), watched: Watched::default() }
    }
}

/// Everything there is.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) lists: BTreeMap<String, ListDocument>,
    pub(super) broadcasts: BTreeMap<String, Entry>,
    pub(super) templates: BTreeMap<String, TemplateDocument>,
}

impl Standing {
    pub(super) fn entry(&mut self, broadcast: &str) -> Result<&mut Entry, BroadcastRefusal> {
        self.broadcasts.get_mut(broadcast).ok_or_else(|| unknown("broadcast"))
    }

    fn started(&self) -> impl Iterator<Item = (&BroadcastDocument, &StartDocument)> {
        let documents = self.broadcasts.values().map(|entry| &entry.document);
        documents.filter_map(|document| document.started.as_ref().map(|start| (document, start)))
    }

    /// What runs of a broadcast's chain with a lower alertseq, and the one that takes its place.
    fn lower_of(&self, document: &BroadcastDocument) -> Vec<(u32, u8)> {
        let own = document.manifest.alertseq.unwrap_or_default();
        let lower = self.chain(&document.manifest).filter(|(other, _)| {
            other.stage == Stage::Started && other.manifest.alertseq.unwrap_or_default() < own
        });
        lower.map(|(_, start)| (start.ordinal, own)).collect()
    }

    /// Broadcasts of a chain that were started, with their alertseqs.
    fn chain<'a>(
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

/// The desk.
pub struct BroadcastDesk {
    pub(super) shelf: Shelf,
    pub(super) acts: Acts,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) catalogue: RwLock<Arc<AreaCatalogue>>,
    /// The turns of sources whose warnings are being taken.
    pub(super) turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub(super) webhooks: OnceLock<Webhooks>,
    standing: Mutex<Standing>,
}

impl BroadcastDesk {
    /// Reads what there is in the data directory, tells the shards of what was started, and that
    /// this is all.
    ///
    /// # Errors
    /// A document that cannot be read.
    pub fn open(data_dir: &Path, engine: Arc<dyn Engine>) -> io::Result<Arc<Self>> {
        let shelf = Shelf::new(data_dir);
        shelf.sweep();
        let mut standing = Standing::default();
        for list in shelf.lists::<ListDocument>()? {
            standing.lists.insert(list.list.clone(), list);
        }
        for document in shelf.broadcasts::<BroadcastDocument>()? {
            standing.broadcasts.insert(document.broadcast.clone(), Entry::of(document));
        }
        for template in shelf.all_templates::<TemplateDocument>()? {
            standing.templates.insert(template.template.clone(), template);
        }
        let catalogue = RwLock::new(Arc::new(loaded(&shelf)));
        let desk = Arc::new(Self {
            shelf,
            acts: Acts::new(data_dir),
            engine,
            catalogue,
            turns: Mutex::default(),
            webhooks: OnceLock::new(),
            standing: Mutex::new(standing),
        });
        desk.publish_suppression();
        desk.remember_past();
        desk.tell_again();
        Ok(desk)
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the shards of what was started before this start of the engine. Of a chain the older
    /// ones first, and that the newer one began, before that has its turns: a crash may have come
    /// between the two.
    fn tell_again(&self) {
        let mut all_told = true;
        let mut standing = self.standing();
        let mut started: Vec<(u8, String)> = Vec::new();
        for (broadcast, entry) in &standing.broadcasts {
            if entry.document.stage == Stage::Started {
                let alertseq = entry.document.manifest.alertseq.unwrap_or_default();
                started.push((alertseq, broadcast.clone()));
            }
        }
        started.sort();
        for (_, broadcast) in started {
            let lower = standing.broadcasts.get(&broadcast).map(|entry| &entry.document);
            let lower = lower.map_or(Vec::new(), |document| standing.lower_of(document));
            all_told &= self.tell_of_newer(&lower).is_ok();
            let Ok(entry) = standing.entry(&broadcast) else { continue };
            let broadcast = entry.document.broadcast.clone();
            match self.running(&entry.document) {
                Ok(running) => {
                    let told = self.engine.start_broadcast(&running);
                    all_told &= told.is_ok();
                    entry.running = Some(running);
                    entry.watched.is_resumed = true;
                }
                Err(refusal) => {
                    all_told = false;
                    let error = refusal.sentence;
                    tracing::error!(broadcast, error, "a started broadcast does not go on");
                }
            }
        }
        // What nobody could judge stays in the journals.
        if all_told {
            self.engine.all_broadcasts_told();
        }
    }

    /// Those of a chain that are lower hear of one that began.
    fn tell_of_newer(&self, lower: &[(u32, u8)]) -> Result<(), BroadcastRefusal> {
        for (ordinal, alertseq) in lower {
            self.engine.order_broadcast(*ordinal, Order::Chain { alertseq: *alertseq })?;
        }
        Ok(())
    }

    /// A started broadcast as the shards take it.
    pub(super) fn running(
        &self,
        document: &BroadcastDocument,
    ) -> Result<Arc<RunningBroadcast>, BroadcastRefusal> {
        let (Some(check), Some(start)) = (&document.check, &document.started) else {
            return Err(refused(STATE, "the broadcast was never started"));
        };
        let file =
            std::fs::File::open(self.shelf.broadcast(&document.broadcast).join(&check.file))?;
        let recipients =
            Recipients::open(&file).map_err(|error| super::refusal::disk(error.to_string()))?;
        let manifest = &document.manifest;
        let wrong = || refused(STATE, "the manifest is not the one that was checked");
        let pace = RunningPace {
            per_second: manifest.pace.per_second,
            ramp_seconds: manifest.pace.ramp_seconds,
            weight: manifest.pace.weight,
        };
        let terms = RunningTerms {
            ordinal: start.ordinal,
            xpid: Xpid::parse(manifest.xpid.as_bytes()).ok_or_else(wrong)?,
            class: manifest.class().ok_or_else(wrong)?,
            sender: manifest.sender.clone(),
            started_ms: start.at_ms,
            hold_ms: manifest.hold_seconds * 1_000,
            deadline_ms: start.deadline_ms,
            alertseq: manifest.alertseq.unwrap_or_default(),
            on_doubt: manifest.on_doubt(),
            pace,
            once: manifest.retry.schedule == Schedule::Once,
            reqid: manifest.reqid.clone(),
            alertid: manifest.alertid.clone(),
            ignores_suppression: manifest.suppression.is_some(),
            skips_had_within_ms: (manifest.duplicates.action == DuplicateAction::Skip)
                .then_some(manifest.duplicates.window_seconds.saturating_mul(1_000)),
        };
        let texts: Vec<String> =
            check.addressed.texts.iter().map(|text| text.text.clone()).collect();
        RunningBroadcast::new(terms, recipients, &texts).map(Arc::new).ok_or_else(wrong)
    }

    /// What lines of the audit name it by: itself, and the lists that it stands on.
    pub(super) fn names_of(&self, broadcast: &str) -> Result<Vec<String>, BroadcastRefusal> {
        let mut standing = self.standing();
        let document = &standing.entry(broadcast)?.document;
        let legs = document.manifest.legs.iter().map(|leg| &leg.audience);
        let lists = legs.flat_map(|audience| audience.except.iter().chain([&audience.list]));
        Ok([&document.broadcast].into_iter().chain(lists).cloned().collect())
    }

    /// The identifier of a broadcast that is to be: the audit names it before it is there.
    pub(super) fn next_identifier() -> String {
        new_identifier("bc")
    }

    /// A new draft of this identifier.
    pub(super) fn create(
        &self,
        broadcast: String,
        manifest: Manifest,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let document = BroadcastDocument {
            broadcast,
            stage: Stage::Draft,
            author: by.to_owned(),
            changed_by: Vec::new(),
            manifest: manifest.checked()?,
            check: None,
            approvals: Vec::new(),
            scheduled: None,
            started: None,
            ended: None,
            told: Vec::new(),
        };
        self.shelf.begin_broadcast(&document.broadcast, &document)?;
        let entry = Entry::of(document.clone());
        self.standing().broadcasts.insert(document.broadcast.clone(), entry);
        Ok(document)
    }

    /// Changes a draft: its dry run and its approvals are outdated then.
    pub(super) fn change(
        &self,
        broadcast: &str,
        manifest: Manifest,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let manifest = manifest.checked()?;
        self.alter(broadcast, |document| {
            check_stage(document, &[Stage::Draft, Stage::Checked, Stage::Approved])?;
            document.manifest = manifest;
            document.stage = Stage::Draft;
            document.check = None;
            document.approvals.clear();
            if document.author != by && !document.changed_by.iter().any(|other| other == by) {
                document.changed_by.push(by.to_owned());
            }
            Ok(())
        })
    }

    /// The dry run was approved, by somebody who neither wrote nor changed it.
    pub(super) fn approve(
        &self,
        broadcast: &str,
        digest: &str,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let now_ms = clock::unix_ms();
        self.alter(broadcast, |document| {
            check_stage(document, &[Stage::Checked, Stage::Approved])?;
            holding_check(document, digest, now_ms)?;
            if document.author == by || document.changed_by.iter().any(|other| other == by) {
                let sentence = "whoever wrote or changed a broadcast does not approve it: ask \
                                somebody else";
                return Err(refused(APPROVAL, sentence));
            }
            let digest = digest.to_owned();
            document.approvals.push(Approval { by: by.to_owned(), digest, at_ms: now_ms });
            document.stage = Stage::Approved;
            Ok(())
        })
    }

    /// It is a draft again.
    pub(super) fn reject(
        &self,
        broadcast: &str,
        digest: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        self.alter(broadcast, |document| {
            check_stage(document, &[Stage::Checked, Stage::Approved])?;
            holding_check(document, digest, clock::unix_ms())?;
            document.stage = Stage::Draft;
            document.check = None;
            document.approvals.clear();
            Ok(())
        })
    }

    /// Starts it: returns when every shard has that durable. A start that is repeated gets the same
    /// answer.
    pub(super) fn start(
        &self,
        broadcast: &str,
        digest: &str,
        recipients: u64,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let mut standing = self.standing();
        let now_ms = clock::unix_ms();
        let document = standing.entry(broadcast)?.document.clone();
        if document.started.is_some() {
            let same = document.check.as_ref().is_some_and(|check| check.digest == digest);
            if !same {
                return Err(refused(STATE, "the broadcast was started already"));
            }
            if document.stage == Stage::Ended {
                return Ok(document);
            }
            // The answer says that every shard has it, whatever became of the one before.
            let lower = standing.lower_of(&document);
            let running = standing.entry(broadcast)?.running.clone();
            self.tell_of_newer(&lower)?;
            running.iter().try_for_each(|running| self.engine.start_broadcast(running))?;
            return Ok(document);
        }
        may_start(&standing, &document, digest, recipients, now_ms)?;
        if let Some(due_ms) = due_later(&document.manifest, now_ms)? {
            return self.schedule(&mut standing, document, (due_ms, recipients), by);
        }
        let highest = standing.started().map(|(_, start)| start.ordinal).max();
        let start = StartDocument {
            ordinal: highest.map_or(1, |highest| highest + 1),
            by: by.to_owned(),
            at_ms: now_ms,
            deadline_ms: deadline_of(&document.manifest, now_ms),
        };
        let document =
            BroadcastDocument { stage: Stage::Started, started: Some(start), ..document };
        let running = self.running(&document)?;
        // This rename decides the start.
        self.shelf.keep_broadcast(broadcast, &document)?;
        kill_point(KillPoint::RowsKept);
        let entry = standing.entry(broadcast)?;
        entry.document = document.clone();
        entry.running = Some(Arc::clone(&running));
        // The older ones of its chain hear of it before it begins.
        self.tell_of_newer(&standing.lower_of(&document))?;
        self.engine.start_broadcast(&running)?;
        Ok(document)
    }

    /// Keeps an order to start for its time. One that is repeated changes nothing.
    fn schedule(
        &self,
        standing: &mut Standing,
        document: BroadcastDocument,
        (due_ms, recipients): (u64, u64),
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        if document.stage == Stage::Scheduled {
            return Ok(document);
        }
        let digest = document.check.as_ref().map(|check| check.digest.clone());
        let scheduled = ScheduleDocument {
            due_ms,
            by: by.to_owned(),
            ordered_ms: clock::unix_ms(),
            digest: digest.unwrap_or_default(),
            recipients,
            trouble: None,
        };
        let stage = Stage::Scheduled;
        let document = BroadcastDocument { stage, scheduled: Some(scheduled), ..document };
        self.shelf.keep_broadcast(&document.broadcast, &document)?;
        standing.entry(&document.broadcast)?.document = document.clone();
        Ok(document)
    }

    /// Pauses, resumes or ends what was started; returns when every shard has that durable.
    pub(super) fn order(&self, broadcast: &str, order: Order) -> Result<(), BroadcastRefusal> {
        let ordinal = {
            let mut standing = self.standing();
            let document = &standing.entry(broadcast)?.document;
            match (&document.started, document.stage, order) {
                (Some(start), Stage::Started, _) => start.ordinal,
                // Whoever stops it is never refused; what never began is over at once.
                (None, _, Order::End(End::Cancelled)) => {
                    drop(standing);
                    return self.end_unstarted(broadcast, "cancelled");
                }
                (Some(_), _, Order::End(_)) => return Ok(()),
                _ => return Err(refused(STATE, "the broadcast is not running")),
            }
        };
        self.engine.order_broadcast(ordinal, order)?;
        Ok(())
    }

    /// What was never started is over: it stays to be looked at.
    pub(super) fn end_unstarted(
        &self,
        broadcast: &str,
        life: &str,
    ) -> Result<(), BroadcastRefusal> {
        let ended = self.alter(broadcast, |document| {
            document.stage = Stage::Ended;
            document.ended.get_or_insert_with(|| EndDocument {
                at_ms: clock::unix_ms(),
                life: life.to_owned(),
                outcomes: BTreeMap::new(),
                codes: BTreeMap::new(),
                doubts: 0,
                reach: ReachCurve::default(),
            });
            Ok(())
        });
        ended.map(drop)
    }

    /// Changes a document and keeps it.
    pub(super) fn alter(
        &self,
        broadcast: &str,
        change: impl FnOnce(&mut BroadcastDocument) -> Result<(), BroadcastRefusal>,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let mut standing = self.standing();
        let entry = standing.entry(broadcast)?;
        let mut document = entry.document.clone();
        change(&mut document)?;
        self.shelf.keep_broadcast(broadcast, &document)?;
        entry.document = document.clone();
        Ok(document)
    }
}

/// The broadcasts that are under way in a data directory.
///
/// # Errors
/// A document that cannot be read.
pub fn live_broadcasts(data_dir: &Path) -> io::Result<Vec<String>> {
    let documents = Shelf::new(data_dir).broadcasts::<BroadcastDocument>()?;
    let live = documents.into_iter().filter(|document| document.stage == Stage::Started);
    Ok(live.map(|document| document.broadcast).collect())
}

fn check_stage(document: &BroadcastDocument, stages: &[Stage]) -> Result<(), BroadcastRefusal> {
    if stages.contains(&document.stage) {
        return Ok(());
    }
    let stage = format!("{:?}", document.stage).to_lowercase();
    Err(refused(STATE, format!("the broadcast is {stage}: this cannot be done with it any more")))
}

/// The dry run of this digest, if it holds.
fn holding_check<'a>(
    document: &'a BroadcastDocument,
    digest: &str,
    now_ms: u64,
) -> Result<&'a CheckDocument, BroadcastRefusal> {
    let check = document.check.as_ref().filter(|check| check.digest == digest);
    let check = check.ok_or_else(|| {
        refused(CHECK_OUTDATED, "there is no dry run of this digest: check the broadcast again")
    })?;
    if now_ms.saturating_sub(check.at_ms) > CHECK_HOLDS_MS {
        let sentence = "the dry run is older than 15 minutes: check the broadcast again";
        return Err(refused(CHECK_OUTDATED, sentence));
    }
    Ok(check)
}

fn may_start(
    standing: &Standing,
    document: &BroadcastDocument,
    digest: &str,
    recipients: u64,
    now_ms: u64,
) -> Result<(), BroadcastRefusal> {
    check_stage(document, &[Stage::Checked, Stage::Approved, Stage::Scheduled])?;
    // What was ordered for a time is the dry run that held then.
    let ordered_ms = document.scheduled.as_ref().map_or(now_ms, |due| due.ordered_ms);
    let check = holding_check(document, digest, ordered_ms)?;
    let is_approved = document.approvals.iter().any(|approval| approval.digest == digest);
    if check.needs_approval && !is_approved {
        let sentence = "somebody who neither wrote nor changed it has to approve it first";
        return Err(refused(APPROVAL, sentence));
    }
    let found = check.addressed.targeted;
    if found != recipients {
        let sentence = format!("the dry run found {found} recipients: repeat that number");
        return Err(refused(NOT_EXPECTED, sentence));
    }
    let expect = &document.manifest.expect;
    if let Some([least, most]) = expect.recipients
        && !(least..=most).contains(&found)
    {
        let sentence = format!("{found} recipients were found, and {least} to {most} are expected");
        return Err(refused(NOT_EXPECTED, sentence));
    }
    let segments = check.addressed.texts.iter().map(|text| text.segments).max().unwrap_or(0);
    if expect.segments_max.is_some_and(|most| segments > most) {
        let sentence = format!("a text takes {segments} short messages, more than is expected");
        return Err(refused(NOT_EXPECTED, sentence));
    }
    let live = standing.started().filter(|(other, _)| other.stage == Stage::Started).count();
    if live >= LIVE_MAX {
        return Err(refused(TOO_MANY_LIVE, format!("{LIVE_MAX} broadcasts are live: end one")));
    }
    let highest =
        standing.chain(&document.manifest).map(|(other, _)| other.manifest.alertseq).max();
    if highest.is_some_and(|highest| document.manifest.alertseq <= highest) {
        let sentence = "the chain has this alertseq, or a higher one: count on from it";
        return Err(refused(NOT_HIGHER, sentence));
    }
    Ok(())
}

/// No attempt from then on, Unix milliseconds.
fn deadline_of(manifest: &Manifest, now_ms: u64) -> u64 {
    let most = now_ms + LIFETIME_SECONDS_MAX * 1_000;
    let named = manifest.deadline.as_deref().and_then(parse_rfc3339);
    let own = manifest.lifetime.map(|seconds| now_ms + seconds * 1_000);
    named.map(|at| at.ms()).or(own).unwrap_or(most).min(most)
}
