//! What is over goes after a while: drafts that nobody touches, what was never started, the rows of
//! what was, versions of lists that nothing stands on. The directory and the memory of an engine
//! that runs for years have a bound.
//!
//! **Invariants:** nothing goes that was not over for the days that the operator set; the report of
//! what was started stays when its rows go.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;
use std::{fs, io};

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, Stage};
use super::now::Now;
use super::refusal::{BroadcastRefusal, STATE, refused};
use super::sight::XpidSight;
use super::versions::of_version_word;
use wire::terms::time::WallMs;

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
    /// oldest draft goes for it. Beyond the bounds there are `more` places for some drafts.
    pub(super) fn make_place(&self, by: &str, more: usize) -> Result<(), BroadcastRefusal> {
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
        if of_one >= DRAFTS_OF_ONE_MAX + more {
            let sentence = format!("{by} has {DRAFTS_OF_ONE_MAX} drafts: cancel or start some");
            return Err(refused(STATE, sentence));
        }
        if of_people >= DRAFTS_MAX + more {
            let sentence = format!("there are {DRAFTS_MAX} drafts: cancel or start some");
            return Err(refused(STATE, sentence));
        }
        Ok(())
    }

    /// Lets go of what is old enough; not more often than each minute. What is old by the clock of
    /// the wall alone stays: it has to be so for a day of the clock that makes no steps.
    pub(super) fn retire(&self, now: Now) {
        {
            let mut standing = self.standing();
            if now.steady < standing.next_retiring {
                return;
            }
            standing.next_retiring = now.steady + LOOK_MS;
        }
        let aged = self.aged(now.wall_ms);
        let due: Vec<String> = {
            let mut standing = self.standing();
            standing.aged.retain(|broadcast, _| aged.contains(broadcast));
            for broadcast in aged {
                standing.aged.entry(broadcast).or_insert(now.steady);
            }
            let since = standing.aged.iter();
            let due = since.filter(|(_, since)| now.steady.since(**since) >= DAY_MS);
            due.map(|(broadcast, _)| broadcast.clone()).collect()
        };
        for broadcast in &due {
            match self.let_go(broadcast, now.wall_ms) {
                Ok(()) => tracing::info!(
                    broadcast,
                    "what is left of an old broadcast, or a list's old version, went"
                ),
                Err(refusal) => {
                    let error = refusal.sentence;
                    tracing::warn!(
                        broadcast,
                        error,
                        "an old broadcast does not go: in a day again"
                    );
                    self.standing().aged.insert(broadcast.clone(), now.steady);
                }
            }
        }
        self.retire_unstarted();
    }

    fn let_go(&self, broadcast: &str, now_ms: WallMs) -> Result<(), BroadcastRefusal> {
        if let Some((list, version)) = of_version_word(broadcast) {
            self.retire_versions(list, &[version]);
            return Ok(());
        }
        if self.list(broadcast).is_ok_and(|list| list.is_of_one) {
            return self.remove_list_at(broadcast, &XpidSight::whole(), now_ms).map(drop);
        }
        let document = self.standing().entry(broadcast)?.document.clone();
        match document.stage {
            Stage::Ended if document.started.is_some() => self.retire_rows(&document),
            Stage::Ended => self.remove(broadcast),
            _ => self.end_unstarted(broadcast, LEFT),
        }
    }

    /// What is old by the clock of the wall.
    fn aged(&self, now_ms: WallMs) -> BTreeSet<String> {
        let age_ms = |at_ms: WallMs| now_ms.since(at_ms);
        let kept_ms = u64::from(self.kept_days) * DAY_MS;
        let (mut aged, mut drafts) = (BTreeSet::new(), Vec::new());
        for (broadcast, entry) in &self.standing().broadcasts {
            let document = &entry.document;
            let ended_ms = document.ended.as_ref().map_or(now_ms, |end| end.at_ms);
            let is_aged = match document.stage {
                Stage::Draft | Stage::Checked | Stage::Approved => {
                    drafts.push(broadcast.clone());
                    false
                }
                Stage::Scheduled | Stage::Started => false,
                Stage::Ended if document.started.is_none() => age_ms(ended_ms) > UNSTARTED_KEPT_MS,
                Stage::Ended => !document.rows_are_gone && age_ms(ended_ms) > kept_ms,
            };
            if is_aged {
                aged.insert(broadcast.clone());
            }
        }
        // Nobody waits for the desk while the device is asked.
        let is_left = |broadcast: &String| {
            let changed = fs::metadata(self.shelf.broadcast_document(broadcast));
            let changed = changed.and_then(|found| found.modified()).ok();
            let since = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let since = since.map(|at| WallMs::new(at.as_millis() as u64));
            since.is_some_and(|at_ms| age_ms(at_ms) > UNSTARTED_KEPT_MS)
        };
        aged.extend(drafts.into_iter().filter(is_left));
        aged.extend(self.old_versions(now_ms));
        aged.extend(self.lists_over(now_ms));
        aged
    }

    /// At a start: what a crash has left of what went.
    pub(super) fn sweep_gone(&self) {
        let standing = self.standing();
        for entry in standing.broadcasts.values() {
            let document = &entry.document;
            let broadcast = &document.broadcast;
            if document.rows_are_gone {
                self.remove_rows(document);
            }
            if document.stage != Stage::Started {
                let _ = fs::remove_file(self.shelf.outcomes_room(broadcast));
            }
            // A dry run writes its file before the document names it.
            self.shelf.remove_other_recipients(document);
        }
    }

    /// What cannot be removed now is tried at the next start.
    fn remove_rows(&self, document: &BroadcastDocument) {
        let broadcast = &document.broadcast;
        let recipients = document.check.as_ref().map(|check| &check.file);
        let recipients = recipients.map(|file| self.shelf.broadcast(broadcast).join(file));
        for file in recipients.into_iter().chain([self.shelf.outcomes(broadcast)]) {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(broadcast, %error, "a file of an old broadcast stays for now");
                }
                _ => {}
            }
        }
    }

    /// The report is kept, and the rows go.
    fn retire_rows(&self, document: &BroadcastDocument) -> Result<(), BroadcastRefusal> {
        let broadcast = &document.broadcast;
        let report = self.report(broadcast)?;
        self.shelf.keep_report(broadcast, &report)?;
        self.alter(broadcast, |document| {
            document.rows_are_gone = true;
            if let Some(check) = &mut document.check {
                check.addressed.texts = Vec::new();
            }
            Ok(())
        })?;
        self.standing().entry(broadcast)?.watched.tally = None;
        self.remove_rows(document);
        Ok(())
    }

    /// Of those that ended before they were started the oldest go, where there are too many.
    fn retire_unstarted(&self) {
        let mut ended: Vec<(WallMs, String)> = {
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
        let entry = {
            let mut standing = self.standing();
            if standing.entry(broadcast)?.document.started.is_some() {
                return Err(refused(STATE, "the broadcast was started"));
            }
            standing.broadcasts.remove(broadcast)
        };
        // Nobody waits for the desk while the device works.
        let removed = self.shelf.remove(&self.shelf.broadcast(broadcast));
        if removed.is_err()
            && let Some(entry) = entry
        {
            self.standing().broadcasts.insert(broadcast.to_owned(), entry);
        }
        Ok(removed?)
    }
}
