//! Starts at a time: ordered like any other, and carried out when it is time.
//!
//! **Invariants:** what is ordered is the dry run that held then, with the lists as they were; a
//! start that is missed by more than its manifest allows is not made up for.

use super::desk::BroadcastDesk;
use super::documents::{ScheduleDocument, Stage};
use super::due::is_too_late;
use host::clock;

/// How a broadcast ended that was not started in its time.
const MISSED: &str = "missed";

impl BroadcastDesk {
    /// Starts what is due, and ends what was missed.
    pub(super) fn start_due(&self) {
        let now_ms = clock::unix_ms();
        let due: Vec<(String, ScheduleDocument, bool)> = {
            let standing = self.standing();
            let documents = standing.broadcasts.values().map(|entry| &entry.document);
            let due = documents.filter_map(|document| {
                let due = document.scheduled.as_ref()?;
                let is_due = document.stage == Stage::Scheduled && due.due_ms <= now_ms;
                let is_missed = is_too_late(&document.manifest, due.due_ms, now_ms);
                is_due.then(|| (document.broadcast.clone(), due.clone(), is_missed))
            });
            due.collect()
        };
        for (broadcast, due, is_missed) in due {
            let done = if is_missed {
                tracing::error!(broadcast, "a start was missed, and is not made up for");
                self.end_unstarted(&broadcast, MISSED)
            } else {
                self.start(&broadcast, &due.digest, due.recipients, &due.by).map(drop)
            };
            if let Err(refusal) = done {
                self.note_trouble(&broadcast, refusal.sentence);
            }
        }
    }

    /// What keeps a start from being carried out is told once.
    fn note_trouble(&self, broadcast: &str, sentence: String) {
        let mut standing = self.standing();
        let Ok(entry) = standing.entry(broadcast) else { return };
        let Some(due) = &mut entry.document.scheduled else { return };
        if due.trouble.as_ref() != Some(&sentence) {
            tracing::error!(broadcast, error = sentence, "a start is due and is tried again");
            due.trouble = Some(sentence);
        }
    }
}
