//! The desk of broadcasts: lists and broadcasts as they stand, and what may be done with them.
//!
//! All of it blocks and runs beside the shards. What is decided is written down before it is told:
//! a start that a crash cuts off is told again at the next.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use super::acts::Acts;
use super::answered::Answered;
use super::documents::{Approval, BroadcastDocument, CheckDocument, Stage, StartDocument};
use super::loaded::loaded;
use super::now::Now;
use super::opted_out::OptedOut;
use super::places::Places;
use super::refusal::{APPROVAL, BroadcastRefusal, CHECK_OUTDATED, STATE, broken, refused};
use super::refused_warnings::RefusedWarnings;
use super::shelf::{Shelf, new_identifier};
use super::standing::{Entry, Standing};
use super::takes_back::TakesBack;
use crate::broadcast::areas::AreaCatalogue;
use crate::broadcast::audience::AddressedText;
use crate::broadcast::limits::{
    CHECKS_MAX, CHECKS_OF_ONE_MAX, IMPORTS_MAX, READINGS_MAX, SEARCHES_MAX, SEARCHES_OF_ONE_MAX,
};
use crate::broadcast::manifest::{DuplicateAction, Manifest, Schedule};
use crate::broadcast::recipients::Recipients;
use crate::broadcast::running::{RunningBroadcast, RunningTerms};
use crate::broadcast::suppression::OptOuts;
use crate::control::engine::Engine;
use crate::control::now::wall_now;
use crate::control::webhooks::Webhooks;
use crate::gateway::broadcasting::People;
use crate::io::figures::ControlError;
use tokio::sync::Semaphore;
use wire::terms::ids::Xpid;
use wire::terms::time::{SteadyMs, WallMs};

/// So many more drafts may be there that follow what was started.
const FOLLOWERS_MORE: usize = 100;
/// A dry run holds for so long.
pub(super) const CHECK_HOLDS_MS: u64 = 15 * 60 * 1_000;

/// The desk.
pub struct BroadcastDesk {
    pub(super) shelf: Shelf,
    pub(super) acts: Acts,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) catalogue: RwLock<Arc<AreaCatalogue>>,
    /// The turns of sources whose warnings are being taken.
    pub(super) turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Warnings that were refused lately.
    pub(super) refused_warnings: RefusedWarnings,
    pub(super) webhooks: OnceLock<Webhooks>,
    /// What was answered to requests that may be sent again.
    pub(super) answered: Answered,
    /// Places of lists that are being taken in.
    pub(super) imports: Arc<Semaphore>,
    /// Places of dry runs.
    pub(super) checks: Arc<Places>,
    /// Places of rows that are looked for in broadcasts that are over.
    pub(super) searches: Arc<Places>,
    /// Places of tables of results that are being read.
    pub(super) readings: Arc<Semaphore>,
    /// How long rows are kept when their broadcast is over.
    pub(super) kept_days: u32,
    /// What the shards were told of those who want no broadcasts.
    pub(super) suppression: Mutex<OptedOut>,
    /// The last of that.
    pub(super) opted_out: Mutex<Arc<OptOuts>>,
    /// Whose turn it is to write files without a phone.
    pub(super) forgetting: Mutex<()>,
    /// When a shard did not say last where its parts stand; `None`: all have said since.
    pub(super) figures_failed: Mutex<Option<SteadyMs>>,
    standing: Mutex<Standing>,
}

impl BroadcastDesk {
    /// Reads what there is in the data directory, tells the shards of what was started, and that
    /// this is all. Rows of broadcasts that are over are kept for so many days.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn open(data_dir: &Path, engine: Arc<dyn Engine>, kept_days: u32) -> io::Result<Arc<Self>> {
        let shelf = Shelf::new(data_dir);
        shelf.sweep();
        let mut standing = Standing::read(&shelf)?;
        let highest = match engine.highest_broadcast() {
            // Of a cluster's node nobody starts broadcasts.
            Err(ControlError::Elsewhere(_)) => 0,
            highest => highest.map_err(|error| {
                io::Error::other(format!("a shard does not say what its journal has: {error}"))
            })?,
        };
        // A restored copy may lack a broadcast of which the journals have something.
        standing.next_ordinal = standing.next_ordinal.max(highest + 1);
        let catalogue = RwLock::new(Arc::new(loaded(&shelf)));
        let answered = Answered::open(&shelf.answers(), Now::read())?;
        let desk = Arc::new(Self {
            shelf,
            acts: Acts::new(data_dir),
            engine,
            catalogue,
            turns: Mutex::default(),
            refused_warnings: RefusedWarnings::default(),
            webhooks: OnceLock::new(),
            answered,
            imports: Arc::new(Semaphore::new(IMPORTS_MAX)),
            checks: Places::new(CHECKS_MAX, CHECKS_OF_ONE_MAX),
            searches: Places::new(SEARCHES_MAX, SEARCHES_OF_ONE_MAX),
            readings: Arc::new(Semaphore::new(READINGS_MAX)),
            kept_days,
            suppression: Mutex::default(),
            forgetting: Mutex::default(),
            figures_failed: Mutex::default(),
            opted_out: Mutex::default(),
            standing: Mutex::new(standing),
        });
        desk.sweep_gone();
        desk.settle_forgotten();
        desk.publish_suppression(Now::read().steady);
        desk.remove_unfilled_lists();
        desk.note_all_told();
        desk.remember_past();
        desk.tell_again();
        Ok(desk)
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A started broadcast as the shards take it.
    pub(super) fn running(
        &self,
        document: &BroadcastDocument,
    ) -> Result<Arc<RunningBroadcast>, BroadcastRefusal> {
        let Some(start) = &document.started else {
            return Err(refused(STATE, "the broadcast was never started"));
        };
        self.running_of(document, start).map(Arc::new)
    }

    /// The same with a start that may be about to be decided.
    pub(super) fn running_of(
        &self,
        document: &BroadcastDocument,
        start: &StartDocument,
    ) -> Result<RunningBroadcast, BroadcastRefusal> {
        let Some(check) = &document.check else {
            return Err(refused(CHECK_OUTDATED, "there is no dry run of it: check it"));
        };
        let file =
            std::fs::File::open(self.shelf.broadcast(&document.broadcast).join(&check.file))?;
        let recipients = Recipients::open(&file).map_err(|error| broken(error.to_string()))?;
        let manifest = &document.manifest;
        let wrong = wrong_manifest;
        let terms = RunningTerms {
            ordinal: start.ordinal,
            xpid: Xpid::parse(manifest.xpid.as_bytes()).ok_or_else(wrong)?,
            class: manifest.class().ok_or_else(wrong)?,
            kind: manifest.kind(),
            sender: manifest.sender.clone(),
            started_ms: start.at_ms,
            hold_ms: manifest.hold_seconds * 1_000,
            deadline_ms: document.deadline_now().unwrap_or(start.deadline_ms),
            alertseq: manifest.alertseq.unwrap_or_default(),
            on_doubt: manifest.on_doubt(),
            pace: document.pace_now(),
            once: manifest.retry.schedule == Schedule::Once,
            reqid: manifest.reqid.clone(),
            alertid: manifest.alertid.clone(),
            ignores_suppression: manifest.ignores_suppression(),
            skips_had_within_ms: (manifest.duplicates.action == DuplicateAction::Skip)
                .then_some(manifest.duplicates.window_seconds.saturating_mul(1_000)),
            takes_back: document.taken_back().is_some(),
            of: check.of.clone(),
        };
        RunningBroadcast::new(terms, recipients, &texts_of(document)).ok_or_else(wrong)
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
        self.make_place(by, 0)?;
        self.create_in_place(broadcast, manifest, (by, TakesBack::Nothing))
    }

    /// The same of what follows a started broadcast: whoever has written too many drafts can still
    /// take back what was sent.
    pub(super) fn create_follower(
        &self,
        broadcast: String,
        manifest: Manifest,
        (by, takes_back): (&str, TakesBack),
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        self.make_place(by, FOLLOWERS_MORE)?;
        self.create_in_place(broadcast, manifest, (by, takes_back))
    }

    /// The same, whatever there is.
    pub(super) fn create_in_place(
        &self,
        broadcast: String,
        manifest: Manifest,
        (by, takes_back): (&str, TakesBack),
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let document = BroadcastDocument {
            broadcast,
            stage: Stage::Draft,
            author: by.to_owned(),
            changed_by: Vec::new(),
            rejected_by: Vec::new(),
            manifest: manifest.checked()?,
            check: None,
            approvals: Vec::new(),
            scheduled: None,
            started: None,
            ordered: None,
            pace: None,
            paces: Vec::new(),
            forgotten: 0,
            waves: Vec::new(),
            takes_back,
            retracting: None,
            ended: None,
            rows_are_gone: false,
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
        let mut standing = self.standing();
        takes_none_back(&standing, broadcast)?;
        self.alter_in(&mut standing, broadcast, |document| {
            check_stage(document, &[Stage::Draft, Stage::Checked, Stage::Approved])?;
            let manifests = (&document.manifest, &manifest);
            document.takes_back = document.takes_back.clone().changed_to(manifests);
            document.manifest = manifest;
            document.stage = Stage::Draft;
            document.check = None;
            document.rejected_by.clear();
            document.approvals.clear();
            if document.author != by && !document.changed_by.iter().any(|other| other == by) {
                document.changed_by.push(by.to_owned());
            }
            Ok(())
        })
    }

    /// See [`Entry::check_now_ms`].
    pub(super) fn check_now_ms(&self, broadcast: &str) -> Result<WallMs, BroadcastRefusal> {
        Ok(self.standing().entry(broadcast)?.check_now_ms(Now::read()))
    }

    /// The dry run was approved; by somebody who neither wrote nor changed it, unless its
    /// registration says that one is enough.
    pub(super) fn approve(
        &self,
        broadcast: &str,
        digest: &str,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let (now_ms, check_now_ms) = (wall_now(), self.check_now_ms(broadcast)?);
        self.alter(broadcast, |document| {
            check_stage(document, &[Stage::Checked, Stage::Approved])?;
            let check = holding_check(document, digest, check_now_ms)?;
            let is_of_two = check.people != People::One;
            let is_own =
                document.author == by || document.changed_by.iter().any(|other| other == by);
            if is_of_two && is_own {
                let sentence = "whoever wrote or changed a broadcast does not approve it: ask \
                                somebody else";
                return Err(refused(APPROVAL, sentence));
            }
            // One that is repeated says nothing new.
            if !document.approvals.iter().any(|known| known.by == by && known.digest == digest) {
                let digest = digest.to_owned();
                document.approvals.push(Approval { by: by.to_owned(), digest, at_ms: now_ms });
            }
            document.stage = Stage::Approved;
            Ok(())
        })
    }

    /// It is a draft again.
    pub(super) fn reject(
        &self,
        broadcast: &str,
        digest: &str,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let check_now_ms = self.check_now_ms(broadcast)?;
        let mut standing = self.standing();
        takes_none_back(&standing, broadcast)?;
        self.alter_in(&mut standing, broadcast, |document| {
            check_stage(document, &[Stage::Checked, Stage::Approved])?;
            holding_check(document, digest, check_now_ms)?;
            document.stage = Stage::Draft;
            document.check = None;
            document.approvals.clear();
            document.rejected_by.push(by.to_owned());
            Ok(())
        })
    }

    /// Changes a document and keeps it.
    pub(super) fn alter(
        &self,
        broadcast: &str,
        change: impl FnOnce(&mut BroadcastDocument) -> Result<(), BroadcastRefusal>,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        self.alter_in(&mut self.standing(), broadcast, change)
    }

    /// As [`Self::alter`], where nothing else may come between this and what was looked at.
    pub(super) fn alter_in(
        &self,
        standing: &mut Standing,
        broadcast: &str,
        change: impl FnOnce(&mut BroadcastDocument) -> Result<(), BroadcastRefusal>,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let entry = standing.entry(broadcast)?;
        let mut document = entry.document.clone();
        change(&mut document)?;
        self.shelf.keep_broadcast(broadcast, &document)?;
        entry.document = document.clone();
        Ok(document)
    }
}

/// What holds the place of a text that each row has with values of its own: nobody gets it.
const IN_ITS_PLACE: &str = "-";

/// The texts of its dry run, by their numbers.
pub(super) fn texts_of(document: &BroadcastDocument) -> Vec<String> {
    let texts = document.check.iter().flat_map(|check| &check.addressed.texts);
    let ready = |text: &AddressedText| match text.is_own {
        true => IN_ITS_PLACE.to_owned(),
        false => text.text.clone(),
    };
    texts.map(ready).collect()
}

pub(super) fn wrong_manifest() -> BroadcastRefusal {
    refused(STATE, "the manifest is not the one that was checked")
}

/// The broadcasts that are under way in a data directory.
///
/// # Errors
/// A document that cannot be read.
pub fn live_broadcasts(data_dir: &Path) -> io::Result<Vec<String>> {
    let documents = Shelf::new(data_dir).broadcasts()?.whole()?;
    let live = documents.into_iter().filter(|document| document.stage == Stage::Started);
    Ok(live.map(|document| document.broadcast).collect())
}

pub(super) fn check_stage(
    document: &BroadcastDocument,
    stages: &[Stage],
) -> Result<(), BroadcastRefusal> {
    if stages.contains(&document.stage) {
        return Ok(());
    }
    let stage = format!("{:?}", document.stage).to_lowercase();
    if document.stage == Stage::Draft {
        let sentence = format!(
            "it has no dry run that holds: hayauma broadcast check {}, then approve and start it",
            document.broadcast
        );
        return Err(refused(STATE, sentence));
    }
    Err(refused(STATE, format!("the broadcast is {stage}: this cannot be done with it any more")))
}

/// The dry run of this digest, if it holds.
pub(super) fn holding_check<'a>(
    document: &'a BroadcastDocument,
    digest: &str,
    now_ms: WallMs,
) -> Result<&'a CheckDocument, BroadcastRefusal> {
    let check = document.check.as_ref().filter(|check| check.digest == digest);
    let check = check.ok_or_else(|| {
        refused(CHECK_OUTDATED, "there is no dry run of this digest: check the broadcast again")
    })?;
    if now_ms.since(check.at_ms) > CHECK_HOLDS_MS {
        let sentence = "the dry run is older than 15 minutes: check the broadcast again";
        return Err(refused(CHECK_OUTDATED, sentence));
    }
    Ok(check)
}

/// Refuses to alter what takes another broadcast back: that was agreed to together with the other.
pub(super) fn takes_none_back(
    standing: &Standing,
    broadcast: &str,
) -> Result<(), BroadcastRefusal> {
    let retracting = standing.broadcasts.values().filter_map(|entry| {
        let known = entry.document.retracting.as_ref()?;
        (!known.is_done).then_some(known.broadcast.as_deref())
    });
    if retracting.flatten().any(|known| known == broadcast) {
        let sentence = "it takes another broadcast back and was agreed to with that: cancel it, \
                        and write another with `broadcast retract`";
        return Err(refused(STATE, sentence));
    }
    Ok(())
}
