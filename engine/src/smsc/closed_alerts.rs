//! Alerts that were cancelled as a whole: closed for a day, so that no push of theirs is attempted for the first time
//! once the cancel is answered, in whichever shard and however many pushes there are.
//!
//! Closing costs the same for one push and for a million: the pushes are withdrawn turn by turn, and whatever comes up
//! before its turn (an attempt, an outcome, an expiry) finds its alert closed. A push that comes later is refused.
//!
//! Never here: the pushes themselves, the journal.

use crate::smsc::keys::{FingerprintMap, KEY_RETENTION_MS};
use std::collections::VecDeque;

/// Alerts that may be closed at once in one shard; the cancel of one more is refused.
pub const CLOSED_ALERTS_MAX: usize = 65_536;

/// How long a cancelled alert stays closed, in milliseconds.
pub const CLOSED_RETENTION_MS: u64 = KEY_RETENTION_MS;

/// The cancel of a whole alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClosedAlert {
    /// Sequence of the cancel's first record: pushes of a lower number are withdrawn.
    pub sequence: u64,
    /// When it was cancelled, Unix milliseconds.
    pub at_ms: u64,
}

/// The closed alerts of one shard.
#[derive(Default)]
pub struct ClosedAlerts {
    closed: FingerprintMap<ClosedAlert>,
    /// In the order in which they were closed.
    order: VecDeque<(u64, ClosedAlert)>,
    /// Alerts whose pushes are being withdrawn, and how many of the members, counted from the first, are still to be
    /// looked at.
    pub(super) withdrawing: VecDeque<(u64, usize)>,
}

impl ClosedAlerts {
    /// Whether no alert is closed.
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty()
    }

    /// Whether one more alert may be closed.
    pub fn has_room(&self) -> bool {
        self.order.len() < CLOSED_ALERTS_MAX
    }

    /// The cancel of this alert, while it is closed.
    pub fn find(&self, alert: u64) -> Option<ClosedAlert> {
        self.closed.get(&alert).copied()
    }

    /// Closes the alert; an older cancel of it is forgotten.
    pub fn close(&mut self, alert: u64, cancel: ClosedAlert) {
        if self.find(alert).is_none_or(|known| known.sequence < cancel.sequence) {
            self.closed.insert(alert, cancel);
            self.order.push_back((alert, cancel));
        }
    }

    /// Opens at most `budget` alerts whose day is over.
    pub fn forget_expired(&mut self, now_ms: u64, budget: usize) {
        for _ in 0..budget {
            let Some(&(alert, cancel)) = self.order.front() else { return };
            if now_ms < cancel.at_ms + CLOSED_RETENTION_MS {
                return;
            }
            self.order.pop_front();
            if self.find(alert) == Some(cancel) {
                self.closed.remove(&alert);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_stays_closed_for_a_day_after_its_last_cancel() {
        let mut alerts = ClosedAlerts::default();
        let (first, second) =
            (ClosedAlert { sequence: 5, at_ms: 1_000 }, ClosedAlert { sequence: 9, at_ms: 5_000 });
        alerts.close(7, second);
        alerts.close(7, first);
        assert_eq!(
            alerts.find(7),
            Some(second),
            "cleaning may have brought the older cancel behind the newer one"
        );
        alerts.forget_expired(1_000 + CLOSED_RETENTION_MS, 10);
        assert_eq!(alerts.find(7), Some(second));
        alerts.forget_expired(5_000 + CLOSED_RETENTION_MS, 10);
        assert!(alerts.is_empty() && alerts.has_room());
    }
}
