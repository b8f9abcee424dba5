//! The rules of what push clients are told.

use super::{Checked, EntryIndex, Ledger, RESEND_DELAY_MS_MAX, Violation, remove, rule};
use hayauma::smsc::core::NotificationKind;
use hayauma::smsc::notification_schedule::RESEND_MS_MAX;
use hayauma::smsc::state::State;
use wire::terms::code::Code;

impl Ledger {
    /// A notification is to be sent.
    pub(in crate::simulation) fn notifies(
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
    pub(in crate::simulation) fn notified(
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
    pub(in crate::simulation) fn notification_failed(
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
    pub(in crate::simulation) fn may_notify(&mut self, index: EntryIndex) {
        self.entry(index).notify_not_before_ms = 0;
    }

    /// A notification is parked: not before a day has passed, less the longest delay between two
    /// tries.
    pub(in crate::simulation) fn parks(&mut self, index: EntryIndex) -> Checked {
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
    pub(in crate::simulation) fn settled_notifications(&mut self, index: EntryIndex, parked: bool) {
        let entry = self.entry(index);
        entry.parked = parked;
        entry.ever_parked |= entry.parked;
        if !entry.parked {
            entry.owed = false;
            let line = entry.line as usize;
            remove(&mut self.owing[line], index);
        }
    }
}
