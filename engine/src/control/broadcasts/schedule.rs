//! Starts at a time: ordered like any other, and carried out when it is time.
//!
//! **Invariants:** what is ordered is the dry run that held then, with the lists as they were; a
//! start that is missed by more than its manifest allows is not made up for.

use super::desk::BroadcastDesk;
use super::documents::{ScheduleDocument, Stage};
use super::due::is_too_late;
use super::now::Now;
use super::turns::Retry;
use wire::terms::time::SteadyMs;

/// How a broadcast ended that was not started in its time.
const MISSED: &str = "missed";

impl BroadcastDesk {
    /// Starts what is due, and ends what was missed. A start that cannot be carried out is tried
    /// again later: what each try reads and makes, others may need the device for.
    pub(super) fn start_due(&self, now: Now) {
        let now_ms = now.wall_ms;
        let due: Vec<(String, ScheduleDocument, bool)> = {
            let standing = self.standing();
            let due = standing.broadcasts.values().filter_map(|entry| {
                let document = &entry.document;
                let due = document.scheduled.as_ref()?;
                let is_missed = is_too_late(&document.manifest, due.due_ms, now_ms);
                let waits = entry.unstarted.is_some_and(|retry| !retry.is_due(now.steady));
                let is_due = document.stage == Stage::Scheduled && due.due_ms <= now_ms && !waits;
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
                self.note_trouble(&broadcast, refusal.sentence, now.steady);
            }
        }
    }

    /// What keeps a start from being carried out is told once.
    fn note_trouble(&self, broadcast: &str, sentence: String, now: SteadyMs) {
        let mut standing = self.standing();
        let Ok(entry) = standing.entry(broadcast) else { return };
        entry.unstarted = Some(Retry::after(entry.unstarted, now));
        let Some(due) = &mut entry.document.scheduled else { return };
        if due.trouble.as_ref() != Some(&sentence) {
            tracing::error!(broadcast, error = sentence, "a start is due and is tried again");
            due.trouble = Some(sentence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::documents::Stage;
    use super::super::now::Now;
    use super::super::tests::{Bench, rfc3339};

    #[test]
    fn a_start_that_cannot_be_carried_out_is_tried_less_and_less_and_burns_no_number() {
        let bench = Bench::new(1, 100);
        let now = Now::read();
        let now_ms = now.wall_ms;
        let begin = rfc3339(now_ms + 3_600_000);
        let more = format!(r#""start":"{begin}","too_late_after":86400,"#);
        let broadcast = bench.started("a", &more);
        let file = {
            // As it is when that time has come.
            let mut standing = bench.desk.standing();
            let document = &mut standing.entry(&broadcast).expect("there").document;
            assert_eq!(document.stage, Stage::Scheduled);
            document.manifest.start = rfc3339(now_ms - 1_000);
            document.scheduled.as_mut().expect("scheduled").due_ms = now_ms - 1_000;
            document.check.as_ref().expect("a dry run").file.clone()
        };
        let file = bench.directory.path().join("broadcasts").join(&broadcast).join(file);
        let hidden = file.with_extension("hidden");
        std::fs::rename(&file, &hidden).expect("moved");
        let state = || {
            let mut standing = bench.desk.standing();
            let next = standing.next_ordinal;
            let entry = standing.entry(&broadcast).expect("there");
            (next, entry.document.stage, entry.unstarted.is_some())
        };
        let (next, ..) = state();
        for later_ms in [0, 200, 5_000, 9_999] {
            bench.desk.start_due(now.later(later_ms));
        }
        assert_eq!(state(), (next, Stage::Scheduled, true));
        bench.desk.start_due(now.later(10_000));
        assert_eq!(state(), (next, Stage::Scheduled, true));
        std::fs::rename(&hidden, &file).expect("moved back");
        bench.desk.start_due(now.later(30_000));
        assert_eq!((state().0, state().1), (next + 1, Stage::Started));
    }
}
