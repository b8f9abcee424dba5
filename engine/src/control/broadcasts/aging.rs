//! What is over goes after a while: drafts that nobody touches, what was never started, the rows of
//! what was. The directory and the memory of an engine that runs for years have a bound.
//!
//! **Invariants:** nothing goes that was not over for the days that the operator set; the report of
//! what was started stays when its rows go.

use std::fs;
use std::time::UNIX_EPOCH;

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, Stage};
use super::refusal::{BroadcastRefusal, STATE, refused};

/// How often it is looked for, in milliseconds.
const LOOK_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// So long a draft waits for somebody to go on with it, and so long what was never started is
/// shown, in milliseconds.
const UNSTARTED_KEPT_MS: u64 = 30 * DAY_MS;
/// Drafts of people.
const DRAFTS_MAX: usize = 1_000;
/// Drafts of one author.
const DRAFTS_OF_ONE_MAX: usize = 200;
/// Those that ended before they were started and are still shown; beyond that the oldest go.
const UNSTARTED_SHOWN_MAX: usize = 1_000;
/// How a draft ended that nobody went on with.
const LEFT: &str = "left";
/// What the author of a warning's draft is called, with its source's name behind.
pub(super) const SOURCE: &str = "source ";

/// Somebody may still start it.
fn is_draft(document: &BroadcastDocument) -> bool {
    matches!(document.stage, Stage::Draft | Stage::Checked | Stage::Approved)
}

impl BroadcastDesk {
    /// Makes a place for another draft of an author. A source's newest warning has one always: its
    /// oldest draft goes for it.
    pub(super) fn make_place(&self, by: &str) -> Result<(), BroadcastRefusal> {
        let is_source = by.starts_with(SOURCE);
        let (of_one, of_people, oldest) = {
            let standing = self.standing();
            let documents = standing.broadcasts.values().map(|entry| &entry.document);
            let drafts: Vec<&BroadcastDocument> =
                documents.filter(|document| is_draft(document)).collect();
            let own = drafts.iter().filter(|draft| draft.author == by);
            let oldest = own.clone().map(|draft| draft.broadcast.clone()).next();
            let of_people = drafts.iter().filter(|draft| !draft.author.starts_with(SOURCE));
            (own.count(), of_people.count(), oldest)
        };
        match oldest {
            Some(oldest) if is_source && of_one >= DRAFTS_OF_ONE_MAX => {
                tracing::warn!(broadcast = oldest, by, "the oldest draft of a source goes");
                return self.end_unstarted(&oldest, LEFT);
            }
            _ if is_source => return Ok(()),
            _ => {}
        }
        if of_one >= DRAFTS_OF_ONE_MAX {
            let sentence = format!("{by} has {DRAFTS_OF_ONE_MAX} drafts: cancel or start some");
            return Err(refused(STATE, sentence));
        }
        if of_people >= DRAFTS_MAX {
            let sentence = format!("there are {DRAFTS_MAX} drafts: cancel or start some");
            return Err(refused(STATE, sentence));
        }
        Ok(())
    }

    /// Lets go of what is old enough; not more often than each minute.
    pub(super) fn retire(&self, now_ms: u64) {
        {
            let mut standing = self.standing();
            if now_ms < standing.next_retiring_ms {
                return;
            }
            standing.next_retiring_ms = now_ms + LOOK_MS;
        }
        let documents: Vec<BroadcastDocument> = {
            let standing = self.standing();
            let documents = standing.broadcasts.values().map(|entry| &entry.document);
            documents.filter(|document| self.is_aged(document, now_ms)).cloned().collect()
        };
        for document in documents {
            let broadcast = &document.broadcast;
            let gone = match document.stage {
                Stage::Ended if document.started.is_some() => self.retire_rows(&document),
                Stage::Ended => self.remove(broadcast),
                _ => self.end_unstarted(broadcast, LEFT),
            };
            match gone {
                Ok(()) => tracing::info!(broadcast, "what is left of an old broadcast went"),
                Err(refusal) => {
                    let error = refusal.sentence;
                    tracing::warn!(broadcast, error, "an old broadcast does not go yet");
                }
            }
        }
        self.retire_unstarted();
    }

    fn is_aged(&self, document: &BroadcastDocument, now_ms: u64) -> bool {
        let age_ms = |at_ms: u64| now_ms.saturating_sub(at_ms);
        let ended_ms = document.ended.as_ref().map_or(now_ms, |end| end.at_ms);
        match document.stage {
            Stage::Draft | Stage::Checked | Stage::Approved => {
                let changed = fs::metadata(self.shelf.broadcast_document(&document.broadcast));
                let changed = changed.and_then(|found| found.modified()).ok();
                let since = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                since.is_some_and(|at| age_ms(at.as_millis() as u64) > UNSTARTED_KEPT_MS)
            }
            Stage::Scheduled | Stage::Started => false,
            Stage::Ended if document.started.is_none() => age_ms(ended_ms) > UNSTARTED_KEPT_MS,
            Stage::Ended => {
                let kept_ms = u64::from(self.kept_days) * DAY_MS;
                !document.rows_are_gone && age_ms(ended_ms) > kept_ms
            }
        }
    }

    /// The report is kept, and the rows go.
    fn retire_rows(&self, document: &BroadcastDocument) -> Result<(), BroadcastRefusal> {
        let broadcast = &document.broadcast;
        let report = self.report(broadcast)?;
        self.shelf.keep_report(broadcast, &report)?;
        let file = document.check.as_ref().map(|check| check.file.clone());
        self.alter(broadcast, |document| {
            document.rows_are_gone = true;
            if let Some(check) = &mut document.check {
                check.addressed.texts = Vec::new();
            }
            Ok(())
        })?;
        self.standing().entry(broadcast)?.watched.tally = None;
        let folder = self.shelf.broadcast(broadcast);
        let files = [Some(self.shelf.outcomes(broadcast)), file.map(|file| folder.join(file))];
        for file in files.into_iter().flatten() {
            fs::remove_file(file)?;
        }
        Ok(())
    }

    /// Of those that ended before they were started the oldest go, where there are too many.
    fn retire_unstarted(&self) {
        let mut ended: Vec<(u64, String)> = {
            let standing = self.standing();
            let documents = standing.broadcasts.values().map(|entry| &entry.document);
            let unstarted = documents.filter(|document| document.started.is_none());
            let ended = unstarted.filter_map(|document| {
                Some((document.ended.as_ref()?.at_ms, document.broadcast.clone()))
            });
            ended.collect()
        };
        ended.sort_unstable();
        let too_many = ended.len().saturating_sub(UNSTARTED_SHOWN_MAX);
        for (_, broadcast) in &ended[..too_many] {
            if let Err(refusal) = self.remove(broadcast) {
                let error = refusal.sentence;
                tracing::warn!(broadcast, error, "an old broadcast does not go yet");
            }
        }
    }

    /// Nothing of it is left.
    fn remove(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let mut standing = self.standing();
        if standing.entry(broadcast)?.document.started.is_some() {
            return Err(refused(STATE, "the broadcast was started"));
        }
        fs::remove_dir_all(self.shelf.broadcast(broadcast))?;
        standing.broadcasts.remove(broadcast);
        Ok(())
    }
}
