//! What is true of every push, kept beside the message center and never read by it, with the rules
//! that must hold.

pub use super::counts::Counts;
pub(super) use super::entry::{End, Entry};
use super::network::cause_of;
use super::observer::{Ending, Hold, Noted, What};
use hayauma::billing::{Event, EventKind};
use hayauma::smsc::core::NotificationKind;
use hayauma::smsc::notification_schedule::RESEND_MS_MAX;
use hayauma::smsc::outcome::{AttemptResult, Failure};
use hayauma::smsc::retry::{self, Cause};
use hayauma::smsc::state::State;
use std::collections::{HashMap, HashSet};
use wire::terms::code::Code;
use wire::terms::ids::Class;

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

    /// The push's acceptance is entered in the books.
    pub(super) fn accepted_billed(&mut self, index: EntryIndex) -> Checked {
        let incarnation = self.incarnation;
        rule!(
            (index as usize) < self.entries.len(),
            "the acceptance of a push that nobody made up is billed"
        );
        let entry = self.entry(index);
        let before = entry.billed_accepted.replace(incarnation);
        rule!(
            before.is_none(),
            "the acceptance of push {index} is billed twice, first in life {before:?}"
        );
        Ok(())
    }

    /// The push's end is entered in the books.
    pub(super) fn end_billed(&mut self, index: EntryIndex, event: &Event) -> Checked {
        let incarnation = self.incarnation;
        rule!(
            (index as usize) < self.entries.len(),
            "the end of a push that nobody made up is billed"
        );
        let entry = self.entry(index);
        rule!(
            entry.billed_accepted.is_some(),
            "the end of push {index} is billed before its acceptance"
        );
        let end = entry.end;
        rule!(
            end.is_some_and(
                |end| end.code.number() == event.code && end.state.number() == event.state
            ),
            "the end of push {index} is billed as {event:?}: {end:?}"
        );
        let before = entry.billed_end.replace(incarnation);
        rule!(
            before.is_none(),
            "the end of push {index} is billed twice, first in life {before:?}"
        );
        Ok(())
    }

    /// An event was not on the device when power was lost.
    pub(super) fn event_lost(&mut self, index: EntryIndex, event: &Event) {
        let entry = self.entry(index);
        match event.kind {
            EventKind::Accepted => entry.billed_accepted = None,
            EventKind::Final => entry.billed_end = None,
            EventKind::Rejected
            | EventKind::Replayed
            | EventKind::AcceptedMany
            | EventKind::FinalMany => {}
        }
    }

    /// The engine's own time begins anew at the wall clock.
    pub(super) fn restarted(&mut self, wall_ms: u64) {
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
    pub(super) fn recovered(&mut self, number: usize, wall_ms: u64, records: &[Noted]) {
        let now_ms = self.now_ms;
        let mut holds: HashMap<EntryIndex, (Hold, bool)> = HashMap::new();
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

    /// What the message center has recorded of a hold.
    pub(super) fn held(&mut self, index: EntryIndex, hold: &Hold) -> Checked {
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
    pub(super) fn attempted(
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
            self.full[usize::from(entry.shard)] || now_ms <= late_from_ms,
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
    pub(super) fn received(&mut self, index: EntryIndex, mask: u16) -> Checked {
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
    pub(super) fn settled(
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
    pub(super) fn alerted(&mut self, line: u32) {
        self.released(line);
        let due_by_ms = self.now_ms + retry::ALERT_JITTER_MS_MAX + TICK_MS;
        let mut open = self.open[line as usize].clone();
        open.sort_unstable_by_key(|&index| self.at(index).rank());
        for index in open {
            let entry = self.entry(index);
            entry.alerted_by_hlr = entry.in_flight;
            if !entry.in_flight {
                entry.due_by_ms = entry.due_by_ms.min(due_by_ms);
            }
            if entry.class != Class::Emergency {
                return;
            }
        }
    }

    /// The line came back, or something was delivered to it: its pushes may be tried at once.
    pub(super) fn released(&mut self, line: u32) {
        for at in 0..self.open[line as usize].len() {
            let index = self.open[line as usize][at];
            let entry = self.entry(index);
            entry.not_before_ms = 0;
            entry.alerted = entry.in_flight;
        }
    }

    /// A retry time that a record names and that had come is still to come by such a clock: should
    /// the engine die before the attempt is recorded, its start takes the push for one that waited.
    pub(super) fn clock_set_back(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.is_open()) {
            entry.unknowable |= entry.attempts_begun > 0;
        }
    }

    /// The clock was set: no retry time can be told any more.
    pub(super) fn release_all(&mut self) {
        for entry in &mut self.entries {
            entry.not_before_ms = 0;
            entry.notify_not_before_ms = 0;
        }
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
                    !is_late || self.full[usize::from(entry.shard)],
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

    /// A notification is to be sent.
    pub(super) fn notifies(
        &self,
        index: EntryIndex,
        kind: NotificationKind,
        durable_end: bool,
    ) -> Checked {
        let entry = self.at(index);
        let Some(end) = entry.end else {
            return Err(Violation(format!("push {index} is notified before its end")));
        };
        rule!(durable_end, "push {index} is notified before its end is durable");
        rule!(entry.owed || entry.parked, "push {index} is notified of although nothing is owed");
        rule!(
            self.now_ms >= entry.notify_not_before_ms,
            "push {index} is notified of before {}: {entry:?}",
            entry.notify_not_before_ms
        );
        match kind {
            NotificationKind::Complete => {
                rule!(
                    end.state != State::Cancelled && entry.wants_notification,
                    "push {index}: an E5 not due"
                );
            }
            NotificationKind::Cancellation => {
                rule!(entry.cancel_accepted, "push {index}: an E7 without a cancel");
            }
        }
        for &other in &self.owing[entry.line as usize] {
            let before = self.at(other);
            let Some(earlier) = before.end else { continue };
            let first = other != index
                && before.client == entry.client
                && before.owed
                && !before.ever_parked
                && earlier.order < end.order;
            rule!(
                !first || entry.ever_parked,
                "push {index} is notified of before push {other} of its msn"
            );
        }
        Ok(())
    }

    /// A push client takes a notification.
    pub(super) fn notified(
        &mut self,
        index: EntryIndex,
        kind: NotificationKind,
        code: Code,
    ) -> Checked {
        self.counts.notifications += 1;
        let entry = self.entry(index);
        let Some(end) = entry.end else {
            return Err(Violation(format!("push {index} was notified before its end")));
        };
        match kind {
            NotificationKind::Complete => {
                let known = entry.complete_code.get_or_insert(code);
                rule!(
                    *known == code && code == end.code,
                    "push {index}: E5 says {code}, then {known}: {end:?}"
                );
                entry.complete_received = entry.complete_received.saturating_add(1);
            }
            NotificationKind::Cancellation => {
                let known = entry.cancellation_code.get_or_insert(code);
                let right = match end.state {
                    State::Cancelled => code == end.code,
                    State::Delivered => code == Code::ALREADY_DELIVERED,
                    _ => code == Code::ALREADY_ENDED,
                };
                rule!(
                    *known == code && right,
                    "push {index}: E7 says {code}, then {known}: {end:?}"
                );
                entry.cancellation_received = entry.cancellation_received.saturating_add(1);
                let withdrawn = code == Code::ACCEPTED;
                let late = withdrawn && entry.received_after_cancel;
                rule!(
                    !late,
                    "push {index}: E7 calls it withdrawn, and it was delivered after the cancel's \
                     answer"
                );
                let arrived = withdrawn && entry.received_mask != 0 && !entry.unknowable;
                rule!(!arrived, "push {index}: E7 calls it withdrawn, and a terminal has it");
                let told =
                    entry.complete_received > 0 || !entry.wants_notification || entry.ever_parked;
                rule!(end.state == State::Cancelled || told, "push {index}: E7 came before E5");
            }
        }
        Ok(())
    }

    /// A notification was not acknowledged.
    pub(super) fn notification_failed(
        &mut self,
        index: EntryIndex,
        retry_after_seconds: Option<u32>,
    ) {
        let now_ms = self.now_ms;
        let entry = self.entry(index);
        let asked_ms = retry_after_seconds.map_or(0, |seconds| u64::from(seconds) * 1_000);
        // The first delay is a second less its jitter; one last try is made when the day ends.
        let ends_ms = entry.end.map_or(0, |end| end.ended_ms + RESEND_MS_MAX);
        let left_ms = ends_ms.saturating_sub(self.wall_ms);
        let entry = self.entry(index);
        entry.notify_not_before_ms = now_ms + asked_ms.max(800).min(left_ms);
    }

    /// A notification was acknowledged, or its push is sent again by the operator.
    pub(super) fn may_notify(&mut self, index: EntryIndex) {
        self.entry(index).notify_not_before_ms = 0;
    }

    /// A notification is parked: not before a day has passed, less the longest delay between two
    /// tries.
    pub(super) fn parks(&mut self, index: EntryIndex) -> Checked {
        let wall_ms = self.wall_ms;
        let entry = self.at(index);
        let since_ms = entry.end.map_or(0, |end| wall_ms.saturating_sub(end.ended_ms));
        rule!(
            entry.replayed || since_ms + RESEND_DELAY_MS_MAX >= RESEND_MS_MAX,
            "a notification of push {index} is parked {since_ms} ms after its end"
        );
        self.may_notify(index);
        Ok(())
    }

    /// Nothing is owed for the push any more, or what is owed is parked.
    pub(super) fn settled_notifications(&mut self, index: EntryIndex, parked: bool) {
        let entry = self.entry(index);
        entry.parked = parked;
        entry.ever_parked |= entry.parked;
        if !entry.parked {
            entry.owed = false;
            let line = entry.line as usize;
            remove(&mut self.owing[line], index);
        }
    }

    /// Records of the last life that are lost, latest first.
    pub(super) fn lost(&mut self, lost: &[Noted]) -> Checked {
        self.counts.records_lost += lost.len() as u64;
        lost.iter().try_for_each(|noted| self.undo(noted))
    }

    /// The engine died: what it was told is gone.
    pub(super) fn crashed(&mut self) {
        self.counts.crashes += 1;
        self.incarnation += 1;
    }

    /// What the engine had been told of what it now finds open is gone.
    pub(super) fn forget_what_was_told(&mut self) {
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
