//! Alerts: pushes that belong together, where a higher alertseq takes the place of an undelivered lower one.
//!
//! Only pushes that carry an alertid are kept here. Per msn and alert the highest accepted sequence is
//! remembered as long as the alert has live pushes or its table's bound allows.

use crate::smsc::keys::FingerprintMap;
use crate::smsc::pushes::PushIndex;
use std::collections::{HashMap, VecDeque};

/// (msn, alert) pairs remembered at most; beyond it the oldest are forgotten.
pub const ALERT_KEYS_MAX: usize = 16 * 1024 * 1024;

/// Which alert a push belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlertIdentity {
    /// Fingerprint of (svcid, msn, alertid).
    pub key: u64,
    /// Fingerprint of (svcid, alertid).
    pub alert: u64,
    /// alertseq, 0 to 99.
    pub sequence: u8,
}

struct Latest {
    sequence: u8,
    index: Option<PushIndex>,
}

/// The alerts of one shard.
#[derive(Default)]
pub struct Alerts {
    latest: FingerprintMap<Latest>,
    order: VecDeque<u64>,
    members: FingerprintMap<Vec<PushIndex>>,
    /// A live push's alert and its place among the alert's members, so that leaving costs O(1) however many
    /// phones the alert goes to.
    of_push: HashMap<PushIndex, (AlertIdentity, usize)>,
}

impl Alerts {
    /// Whether this sequence or a higher one was accepted for the msn.
    pub fn knows(&self, alert: &AlertIdentity) -> bool {
        self.latest.get(&alert.key).is_some_and(|latest| latest.sequence >= alert.sequence)
    }

    /// Enters a push of a sequence that is not known yet; returns the live push with a lower one.
    pub fn enter(&mut self, index: PushIndex, alert: AlertIdentity) -> Option<PushIndex> {
        let members = self.members.entry(alert.alert).or_default();
        self.of_push.insert(index, (alert, members.len()));
        members.push(index);
        self.remember(alert.key, alert.sequence, Some(index))
    }

    /// Remembers that this sequence was accepted for the (svcid, msn, alertid) behind `key`; at recovery there may
    /// be no live push of it any more. Returns the live push of a lower one.
    pub fn remember(&mut self, key: u64, sequence: u8, index: Option<PushIndex>) -> Option<PushIndex> {
        let latest = Latest { sequence, index };
        if let Some(known) = self.latest.get_mut(&key) {
            if known.sequence > sequence || (known.sequence == sequence && known.index.is_some()) {
                return None;
            }
            let lower = known.sequence < sequence;
            return std::mem::replace(known, latest).index.filter(|_| lower);
        }
        self.latest.insert(key, latest);
        self.order.push_back(key);
        if self.order.len() > ALERT_KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.latest.remove(&oldest);
        }
        None
    }

    /// Whether a higher sequence than this push's was accepted for its msn.
    pub fn is_outdated(&self, index: PushIndex) -> bool {
        self.of_push.get(&index).is_some_and(|(alert, _)| {
            self.latest.get(&alert.key).is_some_and(|latest| latest.sequence > alert.sequence)
        })
    }

    /// The push leaves the slab.
    pub fn leave(&mut self, index: PushIndex) {
        let Some((alert, at)) = self.of_push.remove(&index) else { return };
        if let Some(members) = self.members.get_mut(&alert.alert) {
            members.swap_remove(at);
            if let Some(moved) = members.get(at).and_then(|moved| self.of_push.get_mut(moved)) {
                moved.1 = at;
            }
            if members.is_empty() {
                self.members.remove(&alert.alert);
            }
        }
        if let Some(latest) = self.latest.get_mut(&alert.key)
            && latest.index == Some(index)
        {
            latest.index = None;
        }
    }

    /// The live pushes of an alert.
    pub fn members(&self, alert: u64) -> Vec<PushIndex> {
        self.members.get(&alert).cloned().unwrap_or_default()
    }
}
