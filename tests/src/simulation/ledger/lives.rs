//! The rules of what an end of the engine may take away, and what a start finds.

use super::{Checked, Entry, EntryIndex, Ledger, REMEMBERED_MS, TICK_MS, holds_of, remove, rule};
use crate::simulation::number_map::NumberMap;
use crate::simulation::observer::{Hold, Noted, What};
use hayauma::smsc::retry;

impl Ledger {
    /// The engine's own time begins anew at the wall clock.
    pub(in crate::simulation) fn restarted(&mut self, wall_ms: u64) {
        for entry in &mut self.entries {
            entry.expires_ms = entry.expires_real_ms;
            if let Some(end) = &mut entry.end {
                end.ended_ms = end.ended_real_ms.min(wall_ms);
                // What is forgotten does not come back with a clock that is set back.
                entry.forgotten |= wall_ms >= end.ended_ms + REMEMBERED_MS;
            }
        }
        self.answered_alerts.retain(|_, (center_ms, real_ms)| {
            *center_ms = (*real_ms).min(wall_ms);
            wall_ms < *center_ms + REMEMBERED_MS
        });
    }

    /// The engine is back, and what its journal says of holds goes on.
    pub(in crate::simulation) fn recovered(
        &mut self,
        number: usize,
        wall_ms: u64,
        records: &[Noted],
    ) {
        let now_ms = self.now_ms;
        let mut holds: NumberMap<EntryIndex, (Hold, bool)> = NumberMap::default();
        for noted in records {
            match noted.what {
                What::Held(hold) => {
                    holds.insert(noted.entry, (hold, true));
                }
                What::Progress { begun: true } => {
                    holds.entry(noted.entry).and_modify(|(_, waits)| *waits = false);
                    self.entry(noted.entry).begun_recorded = true;
                }
                // A copy names the moment by the clock as it was set when the copy was made.
                What::Ended(ending) => {
                    if let Some(end) = &mut self.entry(noted.entry).end {
                        end.ended_real_ms = ending.ended_ms;
                        end.ended_ms = ending.ended_ms.min(wall_ms);
                    }
                }
                _ => {}
            }
        }
        for line in 0..self.open.len() {
            self.head_since_ms[line] = now_ms;
            for at in 0..self.open[line].len() {
                let index = self.open[line][at];
                let entry = self.entry(index);
                if usize::from(entry.shard) == number {
                    entry.ready_ms = now_ms;
                    let waits = entry.goes_on(holds.get(&index), now_ms, wall_ms);
                    self.entry(index).in_doubt |= !waits;
                }
            }
        }
        self.full[number] = false;
    }

    /// Records of the last life that are lost, latest first.
    pub(in crate::simulation) fn lost(&mut self, lost: &[Noted]) -> Checked {
        self.counts.records_lost += lost.len() as u64;
        lost.iter().try_for_each(|noted| self.undo(noted))
    }

    /// The engine died: what it was told is gone.
    pub(in crate::simulation) fn crashed(&mut self) {
        self.counts.crashes += 1;
        self.incarnation += 1;
    }

    /// What the engine had been told of what it now finds open is gone.
    pub(in crate::simulation) fn forget_what_was_told(&mut self) {
        for entry in &mut self.entries {
            entry.notify_not_before_ms = 0;
        }
        for line in 0..self.open.len() {
            for at in 0..self.open[line].len() {
                let index = self.open[line][at];
                self.entry(index).forget_what_was_told();
            }
        }
    }

    fn undo(&mut self, noted: &Noted) -> Checked {
        let index = noted.entry;
        if let What::AlertCancel = noted.what {
            return Ok(());
        }
        let entry = self.entry(index);
        let line = entry.line as usize;
        match noted.what {
            What::Accepted { .. } => {
                rule!(!entry.answered, "push {index} was answered 0000 and is lost in a crash");
                rule!(
                    entry.billed_accepted.is_none(),
                    "push {index} was billed and is lost in a crash"
                );
                entry.push_id = None;
                remove(&mut self.open[line], index);
                self.counts.accepted -= 1;
            }
            What::Cancel => {
                rule!(
                    !entry.cancel_answered || entry.alert_cancel_answered,
                    "the cancel of push {index} was answered and is lost in a crash"
                );
                entry.cancel_accepted = false;
            }
            What::Ended(_) => {
                let told = entry.complete_received + entry.cancellation_received;
                rule!(told == 0, "push {index} was notified of and its end is lost in a crash");
                rule!(
                    entry.billed_end.is_none(),
                    "the end of push {index} was billed and is lost in a crash"
                );
                entry.end = None;
                entry.owed = false;
                remove(&mut self.owing[line], index);
                self.open[line].push(index);
                // The next one may have been attempted behind this end, of which no record is left.
                for at in 0..self.open[line].len() {
                    let behind = self.open[line][at];
                    self.entry(behind).unknowable |= behind != index;
                }
            }
            What::Parked | What::Finished { .. } => {
                entry.owed = true;
                entry.parked = false;
                remove(&mut self.owing[line], index);
                self.owing[line].push(index);
            }
            What::Progress { .. } | What::Held(_) | What::Key | What::AlertCancel => {}
        }
        Ok(())
    }
}

impl Entry {
    /// The engine is back and has read this hold, which a begun attempt may have ended: whether the
    /// push waits on.
    fn goes_on(&mut self, hold: Option<&(Hold, bool)>, now_ms: u64, wall_ms: u64) -> bool {
        let Some(&(hold, waits)) = hold else { return self.single_attempt && !self.begun_recorded };
        self.holds = holds_of(hold.holds);
        self.code_held = Some(hold.code);
        let left_ms = hold.next_ms.saturating_sub(wall_ms);
        let waited_ms = hold.next_ms.saturating_sub(hold.at_ms);
        if !waits {
            return false;
        }
        if left_ms == 0 {
            self.due_by_ms = now_ms + retry::overdue_jitter_ms(waited_ms, u64::MAX) + TICK_MS;
            return false;
        }
        self.not_before_ms = now_ms + left_ms.min(waited_ms);
        self.due_by_ms = self.not_before_ms + TICK_MS;
        // Before a clock was set back behind the hold its time may have come.
        left_ms <= waited_ms || self.single_attempt
    }
}
