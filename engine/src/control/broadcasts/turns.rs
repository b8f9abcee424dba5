//! Whose turn it is to tell the shards of a broadcast, and what they may not have heard of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use wire::terms::time::SteadyMs;

/// Whose turn it is to tell the shards of a broadcast.
#[derive(Debug, Default)]
pub(super) struct Turns {
    starts: Mutex<()>,
    orders: Mutex<()>,
    paces: Mutex<()>,
}

impl Turns {
    /// To tell of the start, or to have the shards forget it.
    pub(super) fn start(&self) -> MutexGuard<'_, ()> {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To tell of an order. Whoever has the other turn may wait for this one, never the other way.
    pub(super) fn order(&self) -> MutexGuard<'_, ()> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To tell of another pace: nobody else's turn waits for this one.
    pub(super) fn pace(&self) -> MutexGuard<'_, ()> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is tried again after a while, each time a longer one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Retry {
    /// Not before.
    due: SteadyMs,
    pause_ms: u64,
}

impl Retry {
    /// The pause behind the first failure, in milliseconds.
    const FIRST_MS: u64 = 10_000;
    /// The longest.
    const LONGEST_MS: u64 = 300_000;

    /// It failed at this time, after what failed before.
    pub(super) fn after(before: Option<Self>, now: SteadyMs) -> Self {
        let pause_ms = before.map_or(Self::FIRST_MS, |before| before.pause_ms * 2);
        let pause_ms = pause_ms.min(Self::LONGEST_MS);
        Self { due: now + pause_ms, pause_ms }
    }

    /// Whether it is time to try it again.
    pub(super) fn is_due(&self, now: SteadyMs) -> bool {
        self.due <= now
    }
}

/// What some shard may not have heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Untold {
    /// When it is told again.
    pub(super) retry: Retry,
    /// Why it was not.
    pub(super) why: String,
}
