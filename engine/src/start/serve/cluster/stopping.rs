//! The planned stop of a node: it gives away what it has, then its threads drain, and at last its
//! name goes from among the others.
//!
//! Invariants: the node serves what it has until somebody else has it; a stop waits for nobody who
//! would not take anything, and no longer than it may.

use crate::cluster::keeper::Keeper;
use crate::cluster::ports::Liveness;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use wire::terms::time::SteadyMs;

/// So long it is waited for that the others see this node go.
const GONE_MS: u64 = 1_000;

/// What the engine and its node say to each other of a stop.
#[derive(Default)]
pub(super) struct StopWords {
    /// The node is to give away what it has.
    pub(super) gives_away: AtomicBool,
    /// The threads have drained.
    pub(super) ends: AtomicBool,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Serving,
    GivingAway(SteadyMs),
    Draining,
    Leaving(SteadyMs),
}

/// The stop of one node.
pub(super) struct Stop {
    stage: Stage,
    /// The longest that partitions are given away, in milliseconds.
    patience_ms: u64,
    drain_threads: Box<dyn Fn() + Send>,
}

impl Stop {
    /// A node that serves. `drain_threads` has its threads drain and end.
    pub(super) fn new(patience_ms: u64, drain_threads: impl Fn() + Send + 'static) -> Self {
        Self { stage: Stage::Serving, patience_ms, drain_threads: Box::new(drain_threads) }
    }

    /// Does what is due; breaks when it is over.
    pub(super) fn go_on(
        &mut self,
        now: SteadyMs,
        words: &StopWords,
        keeper: &mut Keeper,
        nodes: &mut impl Liveness,
    ) -> ControlFlow<()> {
        let ends = words.ends.load(Ordering::Acquire);
        match self.stage {
            Stage::Serving if words.gives_away.load(Ordering::Acquire) => {
                tracing::info!("the node gives its partitions away");
                keeper.drain();
                self.stage = Stage::GivingAway(now);
            }
            Stage::GivingAway(since) if !ends => {
                let is_late = now.since(since) >= self.patience_ms;
                if keeper.is_drained() || is_late || !keeper.awaits_takers(now) {
                    self.tell(keeper);
                    (self.drain_threads)();
                    self.stage = Stage::Draining;
                }
            }
            Stage::Draining if ends && keeper.is_drained() => {
                keeper.depart(nodes);
                self.stage = Stage::Leaving(now);
            }
            Stage::Leaving(since) if keeper.has_departed() || now.since(since) >= GONE_MS => {
                return ControlFlow::Break(());
            }
            Stage::Leaving(_) => {}
            // It was not asked to give anything away, or was told twice to end.
            _ if ends => return ControlFlow::Break(()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn tell(&self, keeper: &Keeper) {
        if keeper.is_drained() {
            tracing::info!("nothing is left at this node: it drains");
        } else {
            tracing::warn!(
                "partitions are left that no other node has taken: they wait in their logs"
            );
        }
    }
}

#[cfg(test)]
mod tests;
