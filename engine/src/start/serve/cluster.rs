//! The node of a cluster: it owns the partitions that the keeper gives it, and lets them go when
//! somebody else has them.
//!
//! The keeper works on the thread of NATS, as the guest of that thread (`guest`). A partition that
//! it takes over is read from its log into a file meanwhile (`spool`); once it is owned, a journal
//! is made of that (`rebuild`), and the shard is opened and brought to its thread by one of a few
//! workers (`moving`). From then on each commit of the journal goes to the log besides.
//!
//! **Never here:** who owns a partition: that is the keeper's. **Invariants:** nothing of a local
//! journal outlives an owner: what counts stands in the log; a node that cannot serve a partition
//! which it owns ends, so that another one takes it.

pub(super) mod books;
mod contracts;
mod guest;
mod membership;
mod moving;
mod rebuild;
mod registry;
mod spool;
mod stopping;

pub(super) use membership::{MEMBER_FILE, Member};

use super::opening::Opening;
use crate::nats::{NatsWake, host};
use ::host::fatal::{Fatal, FatalReason};
use guest::NodeGuest;
use moving::{Mover, Movers};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use stopping::{Stop, StopWords};

/// A running node.
pub(super) struct Node {
    words: Arc<StopWords>,
    wake: NatsWake,
    thread: JoinHandle<()>,
}

impl Node {
    /// Starts it: from now on partitions come and go.
    ///
    /// # Errors
    /// When the system has no room for its threads.
    pub(super) fn start(member: Member, opening: Opening) -> Result<Self, Fatal> {
        let (wake, words) = (NatsWake::default(), Arc::new(StopWords::default()));
        let lacks = |error: std::io::Error| {
            let cause = format!("the threads of the cluster's node cannot start ({error})");
            Fatal::new(FatalReason::HostUnfit, cause)
        };
        let (nats, woken, heard) = (member.nats(), wake.clone(), Arc::clone(&words));
        let stop = stop_of(&opening, &wake, &words);
        let figures = opening.handle.figures_of_node();
        let books = member.books_keeper(&wake)?;
        let ports = opening.ports.clone();
        let data_dir = opening.config.data_dir.clone();
        let cpus = opening.config.cpus.clone();
        let movers = Movers::start(&Arc::new(Mover::new(opening)), wake.clone()).map_err(lacks)?;
        let thread = std::thread::Builder::new().name("nats".to_owned()).spawn(move || {
            ::host::cpus::leave_cpus(&cpus);
            let stop = (stop, heard, figures);
            let helpers = (movers, books);
            let mut guest = NodeGuest::new(&member, (ports, data_dir), helpers, &woken, stop);
            if let Err(error) = host(&nats, &woken, &mut guest) {
                Fatal::new(FatalReason::Configuration, error.to_string()).end_process();
            }
        });
        Ok(Self { words, wake, thread: thread.map_err(lacks)? })
    }

    /// Ends it, once the threads have drained.
    pub(super) fn end(self) {
        self.words.ends.store(true, Ordering::Release);
        self.wake.wake();
        let _ = self.thread.join();
    }
}

/// A stop of the engine begins with what the node has: others take it.
fn stop_of(opening: &Opening, wake: &NatsWake, words: &Arc<StopWords>) -> Stop {
    let (asked, wake) = (Arc::clone(words), wake.clone());
    opening.handle.give_away_first(move || {
        asked.gives_away.store(true, Ordering::Release);
        wake.wake();
    });
    let handle = Arc::clone(&opening.handle);
    Stop::new(opening.config.drain_timeout_ms, move || handle.drain())
}
