//! Alerts that were cancelled as a whole: closed for a day, so that no push of theirs is attempted
//! for the first time once the cancel is answered, in whichever shard and however many pushes there
//! are.
//!
//! Closing costs the same for one push and for a million: the pushes are withdrawn turn by turn,
//! and whatever comes up before its turn (an attempt, an outcome, an expiry) finds its alert
//! closed. A push that comes later is refused.
//!
//! Places are shared among the XPIDs by what is free: none takes one more while it has as many as
//! are left. So an XPID that takes all it gets leaves as many places as it has to the others. An
//! alert of which pushes waited in other shards only may take a place of one half. An XPID at its
//! share opens its own oldest alert of that kind again, early; where it has none, its cancel is
//! refused.
//!
//! Invariants:
//! * no cancel of an XPID opens another XPID's alert, or refuses its cancel, while that XPID has
//!   fewer places;
//! * no alert opens again before the pushes that its cancel found are withdrawn.
//!
//! Never here: the pushes themselves, the journal.

use crate::smsc::keys::{FingerprintMap, KEY_RETENTION_MS};
use std::collections::{BTreeMap, HashMap, VecDeque};
use wire::terms::time::{CenterMs, WallMs};

/// Alerts that may be closed at once in one shard.
pub const CLOSED_ALERTS_MAX: usize = 65_536;
/// As many of them may be alerts of which no push waited when they were cancelled.
pub const CLOSED_EMPTY_MAX: usize = CLOSED_ALERTS_MAX / 2;

/// How long a cancelled alert stays closed, in milliseconds.
pub const CLOSED_RETENTION_MS: u64 = KEY_RETENTION_MS;

/// The cancel of a whole alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClosedAlert {
    /// Sequence of the cancel's first record: pushes of a lower number are withdrawn.
    pub sequence: u64,
    /// When it was cancelled.
    pub at_ms: CenterMs,
    /// What the wall clock showed when its record was written, by which a start reckons.
    pub recorded_ms: WallMs,
    /// Whose places it counts against: any fold of the svcid.
    pub share: u16,
    /// Whether pushes of the alert waited when it was cancelled, the first time.
    pub found: bool,
    /// Whether the push client is told of each withdrawn push.
    pub told: bool,
}

impl ClosedAlert {
    /// Its place among the closed ones, by age.
    fn age(&self) -> (CenterMs, u64) {
        (self.at_ms, self.sequence)
    }
}

/// An alert whose pushes are being withdrawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Withdrawing {
    pub(super) alert: u64,
    /// How many of the members, counted from the first, are still to be looked at.
    pub(super) left: usize,
    /// When it was cancelled.
    at_ms: CenterMs,
}

/// The places that one XPID has.
#[derive(Clone, Copy, Default)]
struct Places {
    found: usize,
    empty: usize,
}

/// The closed alerts of one shard.
#[derive(Default)]
pub struct ClosedAlerts {
    closed: FingerprintMap<ClosedAlert>,
    by_age: BTreeMap<(CenterMs, u64), u64>,
    /// Those of which no push waited, by XPID and age.
    empty: BTreeMap<(u16, (CenterMs, u64)), u64>,
    places: HashMap<u16, Places>,
    pub(super) withdrawing: VecDeque<Withdrawing>,
    /// Alerts opened again before their day was over, because their XPID cancelled so many of which
    /// no push waited.
    pub opened_early: u64,
}

impl ClosedAlerts {
    /// Whether no alert is closed.
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty()
    }

    /// Alerts that are closed.
    pub fn len(&self) -> usize {
        self.closed.len()
    }

    /// The cancel of this alert, while it is closed.
    pub fn find(&self, alert: u64) -> Option<ClosedAlert> {
        self.closed.get(&alert).copied()
    }

    /// Makes a place for the cancel of one more alert of this XPID; `found` says whether pushes of
    /// it wait. `false` when the XPID has its share already.
    pub fn make_room(&mut self, share: u16, found: bool) -> bool {
        let places = self.places.get(&share).copied().unwrap_or_default();
        let free = CLOSED_ALERTS_MAX.saturating_sub(self.closed.len());
        let all_free = places.found + places.empty < free;
        let empty_free = places.empty < CLOSED_EMPTY_MAX.saturating_sub(self.empty.len());
        if all_free && (found || empty_free) {
            return true;
        }
        // Its own cancels of nothing stand back behind what it asks for now.
        self.open_oldest_empty(share)
    }

    fn open_oldest_empty(&mut self, share: u16) -> bool {
        let of_share = (share, (CenterMs::ZERO, 0))..=(share, (CenterMs::NEVER, u64::MAX));
        let Some((_, &alert)) = self.empty.range(of_share).next() else { return false };
        self.open(alert);
        self.opened_early += 1;
        true
    }

    /// Closes the alert; an older cancel of it is forgotten.
    pub fn close(&mut self, alert: u64, cancel: ClosedAlert) {
        if self.find(alert).is_some_and(|known| known.sequence >= cancel.sequence) {
            return;
        }
        self.open(alert);
        self.closed.insert(alert, cancel);
        self.by_age.insert(cancel.age(), alert);
        let places = self.places.entry(cancel.share).or_default();
        if cancel.found {
            places.found += 1;
        } else {
            places.empty += 1;
            self.empty.insert((cancel.share, cancel.age()), alert);
        }
    }

    /// The first `members` pushes of the alert are to be withdrawn.
    pub(super) fn begin_withdrawing(&mut self, alert: u64, members: usize, at_ms: CenterMs) {
        if members > 0 {
            self.withdrawing.push_back(Withdrawing { alert, left: members, at_ms });
        }
    }

    fn open(&mut self, alert: u64) {
        let Some(cancel) = self.closed.remove(&alert) else { return };
        self.by_age.remove(&cancel.age());
        let Some(places) = self.places.get_mut(&cancel.share) else {
            unreachable!("a closed alert counts against a share")
        };
        if cancel.found {
            places.found -= 1;
        } else {
            places.empty -= 1;
            self.empty.remove(&(cancel.share, cancel.age()));
        }
        if places.found + places.empty == 0 {
            self.places.remove(&cancel.share);
        }
    }

    /// Opens at most `budget` alerts whose day is over and whose pushes are withdrawn.
    pub fn forget_expired(&mut self, now_ms: CenterMs, budget: usize) {
        for _ in 0..budget {
            let Some((&(at_ms, _), &alert)) = self.by_age.first_key_value() else { return };
            // They are withdrawn in the order in which they were closed.
            let is_withdrawn = self.withdrawing.front().is_none_or(|first| at_ms < first.at_ms);
            if now_ms < at_ms.saturating_add(CLOSED_RETENTION_MS) || !is_withdrawn {
                return;
            }
            self.open(alert);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> CenterMs {
        CenterMs::new(ms)
    }

    fn cancel(sequence: u64, at_ms: CenterMs) -> ClosedAlert {
        let recorded_ms = WallMs::ZERO;
        ClosedAlert { sequence, at_ms, recorded_ms, share: 1, found: false, told: true }
    }

    #[test]
    fn an_alert_stays_closed_for_a_day_after_its_last_cancel() {
        let mut alerts = ClosedAlerts::default();
        let (first, second) = (cancel(5, at(1_000)), cancel(9, at(5_000)));
        alerts.close(7, second);
        alerts.close(7, first);
        assert_eq!(
            alerts.find(7),
            Some(second),
            "cleaning may have brought the older cancel behind the newer one"
        );
        alerts.forget_expired(at(1_000 + CLOSED_RETENTION_MS), 10);
        assert_eq!(alerts.find(7), Some(second));
        alerts.forget_expired(at(5_000 + CLOSED_RETENTION_MS), 10);
        assert!(alerts.is_empty() && alerts.places.is_empty() && alerts.empty.is_empty());
    }

    #[test]
    fn an_alert_whose_pushes_are_being_withdrawn_stays_closed_until_they_are() {
        let mut alerts = ClosedAlerts::default();
        alerts.close(6, cancel(4, at(900)));
        alerts.close(7, cancel(5, at(1_000)));
        alerts.begin_withdrawing(7, 3, at(1_000));
        alerts.forget_expired(at(1_000 + 2 * CLOSED_RETENTION_MS), 10);
        assert!(alerts.find(6).is_none() && alerts.find(7).is_some());
        alerts.withdrawing.clear();
        alerts.forget_expired(at(1_000 + 2 * CLOSED_RETENTION_MS), 10);
        assert!(alerts.is_empty());
    }

    /// Cancels `count` alerts of one XPID, as far as it gets.
    fn flood(alerts: &mut ClosedAlerts, share: u16, found: bool, count: u64) -> u64 {
        let mut taken = 0;
        for number in 0..count {
            let sequence = u64::from(share) << 32 | u64::from(found) << 31 | number;
            if alerts.make_room(share, found) {
                let cancel = cancel(sequence, at(1_000 + number));
                alerts.close(sequence, ClosedAlert { share, found, ..cancel });
                taken += 1;
            }
        }
        taken
    }

    #[test]
    fn cancels_of_nothing_open_only_alerts_of_their_own_xpid() {
        let mut alerts = ClosedAlerts::default();
        assert_eq!(flood(&mut alerts, 2, false, 10), 10);
        assert_eq!(flood(&mut alerts, 1, false, 70_000), 70_000, "none is refused");
        assert!(alerts.len() <= CLOSED_EMPTY_MAX && alerts.opened_early > 0);
        assert!((0..10).all(|number| alerts.find(2 << 32 | number).is_some()));
        assert!(alerts.find(1 << 32).is_none() && alerts.find(1 << 32 | 69_999).is_some());
        for share in 2..40 {
            assert!(alerts.make_room(share, false) && alerts.make_room(share, true));
        }
    }

    #[test]
    fn each_of_many_xpids_that_take_all_they_get_leaves_places_for_the_next() {
        let mut alerts = ClosedAlerts::default();
        let mut before = usize::MAX;
        for share in 1..=8 {
            let taken = flood(&mut alerts, share, true, 70_000) as usize;
            assert!(taken > 64 && taken < before, "{taken} of XPID {share}");
            assert!(!alerts.make_room(share, true));
            before = taken;
        }
        assert!(alerts.len() < CLOSED_ALERTS_MAX);
    }

    #[test]
    fn an_xpid_at_its_share_of_cancels_of_nothing_still_cancels_what_waits() {
        let mut alerts = ClosedAlerts::default();
        flood(&mut alerts, 1, false, 70_000);
        assert!(alerts.make_room(1, true));
    }
}
