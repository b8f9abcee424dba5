//! How long the wave of a broadcast that opened last has run.
//!
//! **Invariant:** what it was paused for, or nobody saw it run, is no part of that.

use super::turns::Retry;
use wire::terms::time::SteadyMs;

/// How long the last wave that is open has run, as far as this start of the engine has seen it.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct WaveClock {
    open: u8,
    pub(super) ran_ms: u64,
    /// When it was seen running last.
    seen: Option<SteadyMs>,
    /// What could not be done with waves is tried again.
    pub(super) retry: Option<Retry>,
}

impl WaveClock {
    /// So many waves are open, and it runs or it does not.
    pub(super) fn look(&mut self, open: u8, runs: bool, now: SteadyMs) {
        if open != self.open {
            *self = Self { open, retry: self.retry, ..Self::default() };
        }
        let since_ms = self.seen.map_or(0, |seen| now.since(seen));
        self.ran_ms += since_ms;
        self.seen = runs.then_some(now);
    }
}
