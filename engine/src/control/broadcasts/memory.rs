//! What the shards are to know beside what runs: broadcasts that are over and that requests may
//! still mean, and who wants none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, Stage};
use super::list_documents::ListDocument;
use super::opted_out::OptedOut;
use super::refusal::{BroadcastRefusal, LIST_NOT_READY, disk, refused};
use super::standing::DAMAGED_REMEDY;
use super::turns::Retry;
use crate::broadcast::lists::view::ListView;
use crate::broadcast::manifest::Manifest;
use crate::broadcast::past::{PastBroadcast, REMEMBERED_MS};
use crate::broadcast::suppression::OptOuts;
use crate::control::now::wall_now;
use host::mapped::Mapped;
use wire::terms::ids::Msn;
use wire::terms::time::{SteadyMs, WallMs};

/// The purpose of a list of those who want no broadcasts.
pub(super) const SUPPRESSION: &str = "suppression";

impl BroadcastDesk {
    /// A broadcast that is over, as the shards remember it, so long at least; `None` where that is
    /// too long ago, or it never began.
    fn past_of(
        &self,
        document: &BroadcastDocument,
        wanted_ms: WallMs,
    ) -> Result<Option<Arc<PastBroadcast>>, BroadcastRefusal> {
        let Some(end) = document.ended.as_ref().filter(|_| document.started.is_some()) else {
            return Ok(None);
        };
        let until_ms = end.at_ms.saturating_add(REMEMBERED_MS);
        if until_ms.max(wanted_ms) <= wall_now() {
            return Ok(None);
        }
        let running = self.running(document)?;
        let words = Mapped::open(&File::open(self.shelf.outcomes(&document.broadcast))?)?;
        let past = PastBroadcast::new(running, words, until_ms);
        Ok(past.map(|past| Arc::new(past.for_longer(wanted_ms))))
    }

    /// At a start: the shards hear of what ended lately.
    pub(super) fn remember_past(&self) {
        let ended: Vec<BroadcastDocument> = {
            let standing = self.standing();
            let documents = standing.broadcasts.values().map(|entry| &entry.document);
            documents.filter(|document| document.stage == Stage::Ended).cloned().collect()
        };
        for document in &ended {
            // What runs and is of its rows asks for longer when it is told.
            let (_, told) = self.remember(document, WallMs::ZERO);
            self.note_untold(&document.broadcast, told.err());
        }
    }

    /// Until when rows of a broadcast may be asked for, because what runs is of them; zero:
    /// nothing is.
    pub(super) fn asked_for_until_ms(&self, document: &BroadcastDocument) -> WallMs {
        let Some(own) = &document.started else { return WallMs::ZERO };
        let standing = self.standing();
        let live = standing
            .started()
            .filter(|(other, _)| other.stage == Stage::Started && is_of(other, own.ordinal));
        live.filter_map(|(other, _)| other.deadline_now()).max().unwrap_or_default()
    }

    /// What a broadcast is of is remembered for as long as it runs, however long it is over.
    ///
    /// # Errors
    /// What became of the other's rows cannot be read, or some shard did not take it.
    pub(super) fn remember_for(
        &self,
        document: &BroadcastDocument,
    ) -> Result<(), BroadcastRefusal> {
        if document.started.is_none() {
            return Ok(());
        }
        let over: Vec<BroadcastDocument> = {
            let standing = self.standing();
            let over = standing.started().filter(|(other, known)| {
                other.stage == Stage::Ended && is_of(document, known.ordinal)
            });
            over.map(|(other, _)| other.clone()).collect()
        };
        let until_ms = document.deadline_now().unwrap_or_default();
        over.iter().try_for_each(|other| self.remember(other, until_ms).1)
    }

    /// The shards hear of one that is over, and that rows of it are asked for so long at least:
    /// whether they are to remember it, and whether all do. They do not where some shard did not
    /// take it, or where rows are asked for and cannot be read.
    pub(super) fn remember(
        &self,
        document: &BroadcastDocument,
        wanted_ms: WallMs,
    ) -> (bool, Result<(), BroadcastRefusal>) {
        match self.past_of(document, wanted_ms) {
            Ok(Some(past)) => {
                let taken = self.engine.remember_broadcast(&past);
                (true, taken.map_err(BroadcastRefusal::from))
            }
            Ok(None) => (false, Ok(())),
            Err(refusal) if wanted_ms > wall_now() => {
                let (broadcast, why) = (&document.broadcast, refusal.sentence);
                let sentence = format!("what became of the rows of {broadcast} is needed: {why}");
                (true, Err(BroadcastRefusal { sentence, ..refusal }))
            }
            Err(refusal) => {
                let (broadcast, error) = (&document.broadcast, refusal.sentence);
                tracing::warn!(broadcast, error, "requests do not find its rows any more");
                (false, Ok(()))
            }
        }
    }

    fn suppression(&self) -> MutexGuard<'_, OptedOut> {
        self.suppression.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest usable versions of all suppression lists. Where none is usable the newest counts:
    /// who was understood wants none.
    fn suppressing(&self) -> Vec<(String, u32)> {
        let standing = self.standing();
        let lists = standing.lists.values().filter(|list| list.purpose == SUPPRESSION);
        lists.filter_map(newest_suppressing).collect()
    }

    /// Suppression lists that cannot be read, and why.
    pub(super) fn unread_suppression(&self) -> BTreeMap<String, String> {
        self.suppression().unread.clone()
    }

    /// The shards hear of those who want no broadcasts, if that has changed since. A list that
    /// cannot be read takes nobody away of whom they have heard before.
    pub(super) fn publish_suppression(&self, now: SteadyMs) {
        // Held until the shards have it: of two that publish the later one is told last.
        let mut told = self.suppression();
        let files = self.suppressing();
        let is_new = told.files.as_ref() != Some(&files);
        if !is_new && told.retry.is_none() {
            return;
        }
        let (mut msns, mut unread) = (Vec::new(), BTreeMap::new());
        for (list, version) in &files {
            let read = File::open(self.shelf.version(list, *version))
                .and_then(|file| Mapped::open(&file))
                .map_err(BroadcastRefusal::from)
                .and_then(|octets| read_msns(&octets, &mut msns));
            if let Err(refusal) = read {
                unread.insert(list.clone(), refusal.sentence);
            }
        }
        for (list, error) in unread.iter().filter(|(list, _)| !told.unread.contains_key(*list)) {
            tracing::error!(list, error, "a suppression list cannot be read: who it had stays");
        }
        let is_whole = unread.is_empty();
        let known = Arc::clone(&told.known);
        let before = known.msns().filter(|_| !is_whole);
        let all = Arc::new(OptOuts::of(msns.into_iter().chain(before), known.number() + 1));
        let names: BTreeSet<String> = files.iter().map(|(list, _)| list.clone()).collect();
        told.counted.retain(|list| names.contains(list));
        let read = names.into_iter().filter(|list| !unread.contains_key(list));
        told.counted.extend(read);
        (told.files, told.unread) = (Some(files), unread);
        // A start that is told from here on brings them along.
        *self.latest_opted_out() = Arc::clone(&all);
        let taken = self.engine.suppress(&all);
        told.known = Arc::clone(&all);
        let is_done = is_whole && taken.is_ok();
        told.retry = (!is_done).then(|| Retry::after(told.retry, now));
    }

    /// As [`Self::publish_suppression`], where a version is another than it was.
    pub(super) fn read_suppression_anew(&self, now: SteadyMs) {
        self.suppression().files = None;
        self.publish_suppression(now);
    }

    fn latest_opted_out(&self) -> MutexGuard<'_, Arc<OptOuts>> {
        self.opted_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who wants no broadcasts, as far as that is known: nobody waits for a shard here.
    pub(super) fn wanting_none(&self) -> Arc<OptOuts> {
        Arc::clone(&self.latest_opted_out())
    }

    /// Takes those away who want no broadcasts.
    pub(super) fn retain_unsuppressed(&self, msns: &mut Vec<Msn>) {
        let known = Arc::clone(&self.suppression().known);
        msns.retain(|msn| !known.contains(*msn));
    }

    /// Reads and tells once more what could not be, when it is time for that.
    pub(super) fn publish_suppression_again(&self, now: SteadyMs) {
        let retry = self.suppression().retry;
        if retry.is_some_and(|retry| retry.is_due(now)) {
            self.publish_suppression(now);
        }
    }

    /// What is sent to nobody who opted out has to know who did.
    ///
    /// # Errors
    /// A suppression list could not be read since the start of the engine.
    pub(super) fn heeds_suppression(&self, manifest: &Manifest) -> Result<(), BroadcastRefusal> {
        if manifest.ignores_suppression() {
            return Ok(());
        }
        match self.unknown_suppression() {
            None => Ok(()),
            Some(sentence) => Err(refused(LIST_NOT_READY, sentence)),
        }
    }

    /// Why nobody knows who wants no broadcasts; `None`: they are known.
    fn unknown_suppression(&self) -> Option<String> {
        {
            // Whether it is of that purpose, nobody can say.
            let standing = self.standing();
            if let Some((list, why)) = standing.damaged_lists.first_key_value() {
                return Some(format!(
                    "the list {list} may be a suppression list and its document is damaged \
                     ({why}): {DAMAGED_REMEDY}"
                ));
            }
        }
        let told = self.suppression();
        let (list, why) = told.unread.iter().find(|(list, _)| !told.counted.contains(*list))?;
        Some(format!("the suppression list {list} cannot be read, so nobody is sent to: {why}"))
    }
}

/// Whether a broadcast is of rows of the one with this ordinal.
fn is_of(document: &BroadcastDocument, ordinal: u32) -> bool {
    let of = document.check.iter().flat_map(|check| &check.of).flatten();
    of.into_iter().any(|of| of.ordinal == ordinal)
}

/// The version of a suppression list that counts.
pub(super) fn newest_suppressing(list: &ListDocument) -> Option<(String, u32)> {
    let version = list.newest().or_else(|| list.versions.last())?;
    Some((list.list.clone(), version.version))
}

fn read_msns(octets: &Mapped, msns: &mut Vec<Msn>) -> Result<(), BroadcastRefusal> {
    let damaged = |error: &dyn std::fmt::Display| disk(error.to_string());
    let view = ListView::open(octets.as_ref()).map_err(|error| damaged(&error))?;
    view.verify().map_err(|error| damaged(&error))?;
    for row in 0..view.rows() {
        let row = view.plain(row).ok_or_else(|| damaged(&"a row of it is damaged"))?;
        msns.push(row.0);
    }
    Ok(())
}
