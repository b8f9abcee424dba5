//! What is seen of a run while it is under way: the latencies of the last second, gathered from the
//! senders.
//!
//! A sender hands each interval over once it has ended, so that watching costs it nothing per push.

use crate::latency::{Counted, Latencies};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Intervals that make a second.
pub(crate) const INTERVALS_SHOWN: usize = (1_000_000_000 / crate::limits::INTERVAL_NS) as usize;
/// Intervals that are kept.
const INTERVALS_KEPT: usize = 2 * INTERVALS_SHOWN;

/// One moment of a run.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Since the start of the load.
    pub at_s: f64,
    /// Open loop: pushes that fell due in the last second.
    pub target_per_s: Option<f64>,
    /// Requests sent and not answered.
    pub in_flight: u64,
    /// Pushes sent and not yet notified; 0 where no notifications were asked for.
    pub outstanding: u64,
    /// The last second's answer times.
    pub answers: Latencies,
    /// The last second's times to notification.
    pub notifications: Latencies,
    /// Answers by the thousands of their codes: index 1 counts 1xxx; index 0 counts accepted.
    pub classes: [u64; 10],
    /// Answers without a push response.
    pub http_errors: u64,
    /// Connections lost.
    pub connections_lost: u64,
}

/// Where senders leave their intervals.
#[derive(Default)]
pub(crate) struct Board(Mutex<BTreeMap<u64, Latencies>>);

impl Board {
    /// A sender's interval has ended.
    pub(crate) fn add(&self, number: u64, counts: &[Counted]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(number).or_default().add_counts(counts);
        while all.len() > INTERVALS_KEPT {
            all.pop_first();
        }
    }

    /// The last second's latencies.
    pub(crate) fn last_second(&self) -> Latencies {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = Latencies::default();
        all.values().rev().take(INTERVALS_SHOWN).for_each(|latencies| sum.add(latencies));
        sum
    }
}
