//! What is true of every push, kept beside the message center and never read by it, with the rules
//! that must hold.

mod attempts;
mod billed;
mod lives;
mod telling;

pub use super::counts::Counts;
pub(super) use super::entry::{End, Entry};
use super::network::cause_of;
use super::observer::Ending;
use hayauma::smsc::outcome::{AttemptResult, Failure};
use hayauma::smsc::retry::Cause;
use hayauma::smsc::state::State;
use std::collections::{HashMap, HashSet};
use wire::terms::code::Code;

/// A push of the simulation, in the order in which the clients made them up.
pub(super) type EntryIndex = u32;

/// A rule that was broken.
#[derive(Debug)]
pub struct Violation(pub String);

/// A rule's verdict.
pub(super) type Checked = Result<(), Violation>;

macro_rules! rule {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err($crate::simulation::ledger::Violation(format!($($what)*)));
        }
    };
}
pub(super) use rule;

/// The resolution of the timers.
const TICK_MS: u64 = 16;
/// An attempt that was due for longer than this, with room for it, is late.
const LATE_MS_MIN: u64 = 1_000;
/// Half an hour and its jitter.
const RESEND_DELAY_MS_MAX: u64 = 36 * 60_000;

/// A key and an alert are remembered for at least this long after their push's end, should the
/// clock have been set by hours meanwhile.
pub(super) const REMEMBERED_MS: u64 = 12 * 3_600_000;

/// Every push and the rules.
#[derive(Default, Debug)]
pub(super) struct Ledger {
    pub(super) entries: Vec<Entry>,
    /// Open pushes of each line.
    pub(super) open: Vec<Vec<EntryIndex>>,
    /// Ended pushes of each line whose notifications are owed.
    pub(super) owing: Vec<Vec<EntryIndex>>,
    /// Pushes of each alert, by the alert's number.
    pub(super) of_alert: Vec<Vec<EntryIndex>>,
    /// Alerts whose cancel some shard has taken.
    cancelled_alerts: HashSet<u32>,
    /// When the cancel of an alert was answered last, in the engine's own time of this life and by
    /// the wall clock.
    answered_alerts: HashMap<u32, (u64, u64)>,
    pub(super) counts: Counts,
    /// True time.
    pub(super) now_ms: u64,
    /// What the engine's own time is.
    pub(super) wall_ms: u64,
    /// Since when each line's first push has been its first.
    pub(super) head_since_ms: Vec<u64>,
    /// Shards that have as many attempts under way as they may.
    pub(super) full: Vec<bool>,
    /// Rows of broadcasts take turns with the pushes: nothing of these is late.
    pub(super) rows_are_live: bool,
    ends: u64,
    incarnation: u32,
}

fn remove(list: &mut Vec<EntryIndex>, index: EntryIndex) {
    list.retain(|&other| other != index);
}

impl Ledger {
    pub(super) fn entry(&mut self, index: EntryIndex) -> &mut Entry {
        &mut self.entries[index as usize]
    }

    pub(super) fn at(&self, index: EntryIndex) -> &Entry {
        &self.entries[index as usize]
    }

    /// A shard takes the cancel of a whole alert; whether it is the first one that may close it.
    pub(super) fn alert_cancel_requested(&mut self, alert: u32) -> bool {
        self.cancelled_alerts.insert(alert)
    }

    /// That cancel found no push of the alert, and left it as it was.
    pub(super) fn alert_left_alone(&mut self, alert: u32) {
        self.cancelled_alerts.remove(&alert);
    }

    /// Every shard has made the cancel of the alert durable: from now on no push of it is
    /// attempted.
    pub(super) fn alert_cancel_answered(&mut self, alert: u32, at_ms: (u64, u64)) {
        self.answered_alerts.insert(alert, at_ms);
        for at in 0..self.of_alert[alert as usize].len() {
            let index = self.of_alert[alert as usize][at];
            let entry = self.entry(index);
            if entry.is_open() {
                entry.cancel_answered = true;
                entry.alert_cancel_answered = true;
            }
        }
    }

    /// Whether some shard has taken the cancel of the push's whole alert.
    pub(super) fn is_alert_cancelled(&self, index: EntryIndex) -> bool {
        self.at(index).alert.is_some_and(|(alert, _)| self.cancelled_alerts.contains(&alert))
    }

    /// The message center takes the push.
    pub(super) fn accepted(
        &mut self,
        index: EntryIndex,
        push_id: u64,
        expires_ms: (u64, u64),
    ) -> Checked {
        let wall_ms = self.wall_ms;
        let alert = self.at(index).alert;
        let entry = self.entry(index);
        rule!(entry.push_id.is_none(), "push {index} was accepted twice");
        rule!(
            !entry.answered,
            "push {index} was accepted again after it had been answered 0000: it was lost"
        );
        entry.push_id = Some(push_id);
        (entry.expires_ms, entry.expires_real_ms) = expires_ms;
        let line = entry.line as usize;
        self.open[line].push(index);
        self.counts.accepted += 1;
        if let Some((alert, sequence)) = alert {
            let higher = self.of_alert[alert as usize].iter().find(|&&other| {
                let other = self.at(other);
                other.push_id.is_some_and(|id| id != push_id)
                    && other.line as usize == line
                    && other.is_remembered(wall_ms)
                    && other.alert.is_some_and(|(_, other)| other >= sequence)
            });
            rule!(
                higher.is_none(),
                "push {index} was accepted although its alert had gone as far: {higher:?}"
            );
        }
        Ok(())
    }

    /// From when on the push's attempt is late.
    fn late_from_ms(&self, entry: &Entry) -> u64 {
        let ready_ms =
            entry.ready_ms.max(self.head_since_ms[entry.line as usize]).max(entry.due_by_ms);
        // Where many timers come at once, a turn takes only some of them.
        ready_ms.saturating_add(LATE_MS_MIN + self.entries.len() as u64 / 2)
    }

    /// Whether no other push of its line comes before it or is under way.
    fn is_first(&self, entry: &Entry) -> bool {
        let mut open = self.open[entry.line as usize].iter().map(|&other| self.at(other));
        open.all(|other| other.rank() >= entry.rank() && !other.in_flight)
    }

    /// The push ends.
    pub(super) fn ended(&mut self, index: EntryIndex, ending: &Ending, center_ms: u64) -> Checked {
        self.ends += 1;
        let wall_ms = self.wall_ms;
        let end = End {
            state: ending.state,
            code: ending.code,
            delivered_mask: ending.delivered_mask,
            ended_ms: center_ms,
            ended_real_ms: ending.ended_ms,
            order: self.ends,
            incarnation: self.incarnation,
        };
        self.check_end(index, &end, wall_ms)?;
        let entry = self.entry(index);
        entry.end = Some(end);
        entry.owed = entry.is_notification_due();
        entry.notify_not_before_ms = 0;
        let (line, owed) = (entry.line as usize, entry.owed);
        remove(&mut self.open[line], index);
        self.head_since_ms[line] = self.now_ms;
        if owed {
            self.owing[line].push(index);
        }
        Ok(())
    }

    /// The verdict must follow from what the message center was told.
    fn check_end(&self, index: EntryIndex, end: &End, wall_ms: u64) -> Checked {
        let entry = self.at(index);
        let full = entry.full_mask();
        rule!(entry.end.is_none(), "push {index} ended twice: {:?} and {end:?}", entry.end);
        rule!(!entry.in_flight, "push {index} ended as {:?} with an attempt under way", end.state);
        rule!(
            end.delivered_mask & !entry.received_mask == 0,
            "push {index} counts segments that no terminal has"
        );
        let told = entry.reported_mask & !end.delivered_mask;
        rule!(
            told == 0,
            "push {index} ended as {end:?} although segments {told:b} were reported delivered"
        );
        let complete = end.delivered_mask == full;
        rule!(
            complete == (end.state == State::Delivered),
            "push {index}: {end:?} does not fit its segments"
        );
        let right = match end.state {
            State::Delivered => end.code == Code::ACCEPTED,
            State::Partial => end.code == Code::PARTIAL && end.delivered_mask != 0,
            State::Refused => entry.last_result == Some(AttemptResult::Refused(end.code)),
            State::Failed => self.failure_is_right(entry, end.code),
            State::Expired if entry.single_attempt && entry.begun_recorded => {
                end.code == Code::EXPIRED_BUSY
            }
            State::Expired => {
                let late_from_ms = self.late_from_ms(entry);
                let is_late = self.is_first(entry) && self.now_ms > late_from_ms;
                rule!(
                    !is_late || self.full[usize::from(entry.shard)] || self.rows_are_live,
                    "push {index} expired unattempted, late since {late_from_ms}: {entry:?}"
                );
                wall_ms >= entry.expires_ms && end.code == entry.code_at_expiry()
            }
            State::Cancelled => {
                let in_part =
                    end.delivered_mask != 0 || entry.unanswered || entry.received_mask != 0;
                let right = match end.code {
                    Code::ACCEPTED => !in_part || entry.unknowable,
                    Code::CANCELLED_IN_PART => in_part || entry.in_doubt,
                    _ => false,
                };
                entry.cancel_accepted && right
            }
            State::Replaced => end.code == Code::REPLACED && self.is_outdated(entry),
            _ => false,
        };
        rule!(right, "push {index} ended as {end:?}, which does not follow from {entry:?}");
        rule!(
            entry.cancel_accepted || !entry.alert_cancel_answered,
            "push {index} ended as {end:?}: the cancel of its alert was answered and passed over"
        );
        let undelivered = !matches!(end.state, State::Delivered | State::Cancelled);
        rule!(
            !(undelivered && entry.cancel_accepted),
            "push {index}: its accepted cancel was passed over"
        );
        Ok(())
    }

    fn failure_is_right(&self, entry: &Entry, code: Code) -> bool {
        if code == Code::SINGLE_TRY_FAILED {
            return entry.single_attempt && entry.settled_attempts == 1;
        }
        match entry.last_result {
            Some(AttemptResult::Failed(Failure::ProtocolError)) => {
                code == Code::PROTOCOL_ERROR && entry.holds[Cause::ProtocolError as usize] == 4
            }
            Some(AttemptResult::Failed(failure)) => {
                failure.is_final() && failure.final_code() == code
            }
            _ => false,
        }
    }

    fn is_outdated(&self, entry: &Entry) -> bool {
        entry.alert.is_some_and(|(alert, sequence)| {
            self.of_alert[alert as usize].iter().map(|&other| self.at(other)).any(|other| {
                other.line == entry.line
                    && other.push_id.is_some()
                    && other.alert.is_some_and(|(_, other)| other > sequence)
            })
        })
    }

    /// A push that has not come to its end. What is parked waits for the operator.
    pub(super) fn unfinished(&self) -> Option<(usize, &Entry)> {
        let is_finished = |entry: &Entry| {
            entry.push_id.is_none() || entry.end.is_some() && (!entry.owed || entry.parked)
        };
        self.entries.iter().enumerate().find(|(_, entry)| !is_finished(entry))
    }

    /// Everything must have come to its end.
    pub(super) fn check_finished(&mut self) -> Checked {
        for (index, entry) in self.entries.iter().enumerate() {
            rule!(
                entry.push_id.is_some() || !entry.answered,
                "push {index} was answered 0000 and is unknown"
            );
            if entry.push_id.is_none() {
                continue;
            }
            let Some(end) = entry.end else {
                return Err(Violation(format!("push {index} never ended: {entry:?}")));
            };
            rule!(!entry.in_flight, "push {index} is still in flight");
            let is_billed = entry.billed_accepted.is_some() && entry.billed_end.is_some();
            rule!(is_billed, "push {index} is not billed: {entry:?}");
            if entry.let_go {
                self.counts.ended[usize::from(end.state.number())] += 1;
                continue;
            }
            let due = entry.wants_notification && end.state != State::Cancelled;
            rule!(!due || entry.complete_received > 0, "push {index} has had no E5: {entry:?}");
            rule!(
                !entry.cancel_accepted || entry.cancellation_received > 0,
                "push {index} has had no E7: {entry:?}"
            );
            self.counts.ended[usize::from(end.state.number())] += 1;
        }
        let ended: u64 = self.counts.ended.iter().sum();
        rule!(ended == self.counts.accepted, "{} accepted and {ended} ended", self.counts.accepted);
        Ok(())
    }
}

impl Entry {
    /// Whether the message center knows the push, ended or not.
    pub(super) fn is_remembered(&self, center_ms: u64) -> bool {
        let is_young = |end: End| center_ms < end.ended_ms + REMEMBERED_MS;
        !self.forgotten && self.end.is_none_or(is_young)
    }

    fn code_at_expiry(&self) -> Code {
        match self.last_result {
            None => self.code_held.unwrap_or(Code::EXPIRED),
            Some(result) => cause_of(result).unwrap_or(Cause::SystemFailure).code_at_expiry(),
        }
    }
}

/// The counts in a Held record, one for each cause.
fn holds_of(holds: [u8; 3]) -> [u32; 6] {
    let [a, b, c] = holds;
    let packed = u32::from_le_bytes([a, b, c, 0]);
    std::array::from_fn(|cause| packed >> (4 * cause) & 15)
}
