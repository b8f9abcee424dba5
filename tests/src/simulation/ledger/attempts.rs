//! The rules of attempts: when one may begin, what it may carry, and what follows from how it went.

use super::{Checked, EntryIndex, Ledger, REMEMBERED_MS, TICK_MS, holds_of, rule};
use crate::simulation::network::cause_of;
use crate::simulation::observer::Hold;
use hayauma::smsc::outcome::AttemptResult;
use hayauma::smsc::retry::{self, Cause};
use wire::terms::code::Code;
use wire::terms::ids::Class;

impl Ledger {
    /// What the message center has recorded of a hold.
    pub(in crate::simulation) fn held(&mut self, index: EntryIndex, hold: &Hold) -> Checked {
        let entry = self.at(index);
        rule!(
            holds_of(hold.holds) == entry.holds.map(|count| count.min(15)),
            "push {index} is recorded as held {:?}, and it is {entry:?}",
            holds_of(hold.holds)
        );
        rule!(
            hold.in_doubt || entry.unknowable || entry.received_mask & !hold.delivered_mask == 0,
            "push {index} is recorded as held and in no doubt: {entry:?}"
        );
        Ok(())
    }

    /// An attempt starts; `sent` are the segments to go out.
    pub(in crate::simulation) fn attempted(
        &mut self,
        index: EntryIndex,
        durable: u64,
        sent: u16,
        wall_ms: u64,
        now_ms: u64,
    ) -> Checked {
        self.counts.attempts += 1;
        let entry = self.at(index);
        let rank = entry.rank();
        rule!(
            entry.push_id.is_some_and(|id| id < durable),
            "push {index} was attempted before it was durable"
        );
        rule!(entry.end.is_none(), "push {index} was attempted after its end {:?}", entry.end);
        rule!(!entry.in_flight, "push {index} was attempted while an attempt was under way");
        rule!(wall_ms < entry.expires_ms, "push {index} was attempted after its expiry");
        rule!(!entry.cancel_accepted, "push {index} was attempted after its cancel was accepted");
        let answered = entry.alert.and_then(|(alert, _)| self.answered_alerts.get(&alert));
        let closed = answered.is_some_and(|&(at_ms, _)| wall_ms < at_ms + REMEMBERED_MS);
        rule!(
            !closed && !entry.alert_cancel_answered,
            "push {index} was attempted after the cancel of its whole alert was answered"
        );
        rule!(
            sent != 0 && sent & entry.reported_mask == 0,
            "push {index}: reported segments are sent again"
        );
        rule!(
            now_ms >= entry.not_before_ms,
            "push {index} was attempted before its retry time, {now_ms}: {entry:?}"
        );
        let late_from_ms = self.late_from_ms(entry);
        rule!(
            self.full[usize::from(entry.shard)] || self.rows_are_live || now_ms <= late_from_ms,
            "push {index} was attempted at {now_ms}, late since {late_from_ms}: {entry:?}"
        );
        rule!(
            !(entry.single_attempt && entry.attempts_begun > 0),
            "push {index} has a lifetime of one attempt"
        );
        for &other in &self.open[entry.line as usize] {
            let before = self.at(other);
            rule!(
                other == index || before.rank() > rank,
                "push {index} was attempted before push {other}: {before:?}"
            );
            rule!(!before.in_flight, "push {index} was attempted beside push {other} of its msn");
        }
        if let Some((alert, sequence)) = entry.alert {
            for &other in &self.of_alert[alert as usize] {
                let other = self.at(other);
                let higher = other.alert.is_some_and(|(_, other)| other > sequence);
                let taken = other.push_id > entry.push_id && other.line == entry.line;
                rule!(
                    !(higher && taken),
                    "push {index} was attempted after a higher alertseq was accepted"
                );
            }
        }
        self.entry(index).in_flight = true;
        self.entry(index).attempts_begun += 1;
        Ok(())
    }

    /// A terminal takes segments.
    pub(in crate::simulation) fn received(&mut self, index: EntryIndex, mask: u16) -> Checked {
        let entry = self.entry(index);
        let repeated = (entry.received_mask & mask).count_ones();
        entry.received_mask |= mask;
        if entry.cancel_answered && mask != 0 {
            entry.received_after_cancel = true;
            let withdrawn = entry.cancellation_code == Some(Code::ACCEPTED);
            rule!(!withdrawn, "push {index} was delivered after E7 called it withdrawn");
        }
        self.counts.segments_received += u64::from(mask.count_ones());
        self.counts.segments_repeated += u64::from(repeated);
        Ok(())
    }

    /// The message center is told how an attempt went, at a true time of `now_ms`.
    pub(in crate::simulation) fn settled(
        &mut self,
        index: EntryIndex,
        result: AttemptResult,
        mask: u16,
        unanswered: u16,
        now_ms: u64,
    ) {
        let class = self.at(index).class;
        let line = self.at(index).line as usize;
        self.head_since_ms[line] = now_ms;
        let entry = self.entry(index);
        entry.in_flight = false;
        entry.reported_mask |= mask;
        entry.unanswered |= unanswered & !entry.reported_mask != 0;
        entry.last_result = Some(result);
        entry.settled_attempts += 1;
        let cause = match result {
            AttemptResult::Delivered if entry.reported_mask != entry.full_mask() => {
                Cause::SystemFailure
            }
            _ => match cause_of(result) {
                Some(cause) => cause,
                None => return,
            },
        };
        entry.holds[cause as usize] += 1;
        let by_hlr = std::mem::take(&mut entry.alerted_by_hlr) && cause.awaits_alert();
        let released = std::mem::take(&mut entry.alerted) && cause.awaits_alert();
        let most_ms =
            retry::next_retry_ms(cause, entry.holds[cause as usize], class, u64::MAX).unwrap_or(0);
        let most_ms = if by_hlr { retry::ALERT_JITTER_MS_MAX } else { most_ms };
        entry.due_by_ms = now_ms + most_ms + TICK_MS;
        if released {
            return;
        }
        // The earliest that the schedule's jitter allows.
        let delay_ms =
            retry::next_retry_ms(cause, entry.holds[cause as usize], class, 0).unwrap_or(0);
        entry.not_before_ms = now_ms + delay_ms;
    }

    /// The HLR says that the line is back: what is held of it is tried within two seconds.
    pub(in crate::simulation) fn alerted(&mut self, line: u32) {
        self.released(line);
        let due_by_ms = self.now_ms + retry::ALERT_JITTER_MS_MAX + TICK_MS;
        // Every emergency, and the first of the others.
        let mut first = None;
        for at in 0..self.open[line as usize].len() {
            let index = self.open[line as usize][at];
            let entry = self.at(index);
            let rank = entry.rank();
            if entry.class == Class::Emergency {
                self.entry(index).is_alerted(due_by_ms);
            } else if first.is_none_or(|(known, _)| rank < known) {
                first = Some((rank, index));
            }
        }
        if let Some((_, index)) = first {
            self.entry(index).is_alerted(due_by_ms);
        }
    }

    /// The line came back, or something was delivered to it: its pushes may be tried at once.
    pub(in crate::simulation) fn released(&mut self, line: u32) {
        for at in 0..self.open[line as usize].len() {
            let index = self.open[line as usize][at];
            let entry = self.entry(index);
            entry.not_before_ms = 0;
            entry.alerted = entry.in_flight;
        }
    }

    /// A retry time that a record names and that had come is still to come by such a clock: should
    /// the engine die before the attempt is recorded, its start takes the push for one that waited.
    pub(in crate::simulation) fn clock_set_back(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.is_open()) {
            entry.unknowable |= entry.attempts_begun > 0;
        }
    }

    /// The clock was set: no retry time can be told any more.
    pub(in crate::simulation) fn release_all(&mut self) {
        for entry in &mut self.entries {
            entry.not_before_ms = 0;
            entry.notify_not_before_ms = 0;
        }
    }
}
