//! Contracts told to their shards, and those that a shard has not taken: it is told them again, in
//! their order, until it does.
//!
//! Invariants: what is owed to a shard goes before what comes later, so that the last word about a
//! contract is the store's; a shard that does not answer is waited for once, and keeps none of the
//! others waiting.

use super::EngineHandle;
use crate::io::figures::ControlError;
use crate::io::mailbox::{Done, ShardMessage, ThreadMessage};
use crossbeam::channel::{Receiver, TryRecvError, bounded};
use host::clock;
use std::collections::VecDeque;
use std::sync::TryLockError;
use std::time::Instant;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::ownership::shard_of;

/// Contracts sent to a shard in one message, which it takes in one turn: in less than a millisecond
/// while its table grows.
const CONTRACTS_PER_MESSAGE: usize = 1_024;
/// Messages that are owed to one shard at most; beyond that it has what the next start reads.
const OWED_MAX: usize = 4_096;

/// Whether contracts come or go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ContractsChange {
    Add,
    Remove,
}

/// Some contracts of one shard's, and what is to be done with them.
struct Change {
    change: ContractsChange,
    rows: Vec<(Msn, Xpid)>,
    done: Done,
}

impl Change {
    fn message(&self) -> ShardMessage {
        let (rows, done) = (self.rows.clone(), self.done.clone());
        match self.change {
            ContractsChange::Add => ShardMessage::AddContracts { rows, done },
            ContractsChange::Remove => ShardMessage::RemoveContracts { rows, done },
        }
    }
}

/// How many answers a shard has still to give, and where they come.
struct Awaited {
    taken: Receiver<()>,
    answers: usize,
}

/// What one shard has not taken.
#[derive(Default)]
struct OwedToShard {
    /// What did not go into its mailbox, the oldest first.
    changes: VecDeque<Change>,
    /// What was waited for in vain.
    unanswered: Option<Awaited>,
    /// Of a cluster's node: the shard is on its way to its thread, and may have read the store
    /// before.
    is_coming: bool,
}

impl OwedToShard {
    /// Whether it has not answered what was waited for before.
    fn is_silent(&mut self) -> bool {
        let Some(Awaited { taken, answers }) = &mut self.unanswered else { return false };
        while *answers > 0 {
            match taken.try_recv() {
                Ok(()) => *answers -= 1,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => break,
            }
        }
        self.unanswered = None;
        false
    }

    /// Whether there is room to remember it.
    fn note(&mut self, change: Change) -> bool {
        let has_room = self.changes.len() < OWED_MAX;
        if has_room {
            self.changes.push_back(change);
        }
        has_room
    }
}

/// What each shard has not taken.
#[derive(Default)]
pub(super) struct OwedContracts(Vec<OwedToShard>);

impl OwedContracts {
    fn of(&mut self, shard: usize) -> &mut OwedToShard {
        if self.0.len() <= shard {
            self.0.resize_with(shard + 1, OwedToShard::default);
        }
        &mut self.0[shard]
    }
}

impl EngineHandle {
    /// Tells every shard of its rows, whichever of them does not take them, and waits until those
    /// have them that do.
    pub(super) fn send_contracts(
        &self,
        rows: &[(Msn, Xpid)],
        change: ContractsChange,
    ) -> Result<(), ControlError> {
        let shards = self.ports.shards.len();
        let mut slices: Vec<Vec<(Msn, Xpid)>> = (0..shards).map(|_| Vec::new()).collect();
        for &row in rows {
            slices[shard_of(row.0, shards)].push(row);
        }
        let mut owed = self.owed_contracts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let deadline = clock::instant() + self.patience;
        let (mut told, mut awaited) = (Ok(()), Vec::new());
        for (shard, slice) in slices.iter().enumerate().filter(|(_, slice)| !slice.is_empty()) {
            if !self.owe(shard, slice, change, &mut owed, &mut awaited) {
                told = Err(ControlError::NoRoom(
                    "it takes nothing, and more is owed to it than is kept".to_owned(),
                ));
            }
            self.pay(shard, &mut owed, clock::instant());
        }
        // Those whose mailboxes are full keep nobody else waiting, and those that were silent
        // before are not waited for again.
        for (shard, awaited) in awaited {
            let of_shard = owed.of(shard);
            let waited = if of_shard.is_silent() {
                Err(self.no_answer())
            } else {
                self.pay(shard, &mut owed, deadline);
                let mut answers = 0..awaited.answers;
                answers.try_for_each(|_| self.taken_by(&awaited.taken, deadline))
            };
            if waited.is_err() && !self.is_elsewhere(shard) {
                owed.of(shard).unanswered = Some(awaited);
                let waited = waited.map_err(ControlError::of_what_is_kept);
                told = told.and(waited);
            }
        }
        if told.is_err() {
            self.names.publish_again();
        }
        told
    }

    /// Has the shard owed these rows, and its answers awaited; whether there was room for all.
    fn owe(
        &self,
        shard: usize,
        rows: &[(Msn, Xpid)],
        change: ContractsChange,
        owed: &mut OwedContracts,
        awaited: &mut Vec<(usize, Awaited)>,
    ) -> bool {
        let is_elsewhere = self.is_elsewhere(shard);
        if is_elsewhere && !owed.of(shard).is_coming {
            return true;
        }
        let (done, taken) = bounded(rows.len().div_ceil(CONTRACTS_PER_MESSAGE));
        let (mut answers, mut has_room) = (0, true);
        for rows in rows.chunks(CONTRACTS_PER_MESSAGE) {
            let change = Change { change, rows: rows.to_vec(), done: Done(done.clone()) };
            if owed.of(shard).note(change) {
                answers += 1;
            } else {
                has_room = false;
            }
        }
        if !has_room {
            tracing::error!(
                shard,
                "the shard takes no contracts, and no more can be kept for it: it has what the \
                 registry says again after a restart"
            );
        }
        // One that comes takes them when it is there.
        if !is_elsewhere {
            awaited.push((shard, Awaited { taken, answers }));
        }
        has_room
    }

    /// Of a cluster's node: from now on a shard that is on its way to its thread is owed what
    /// changes, for whoever opens it reads the store before it is there.
    pub fn expect_shard(&self, shard: usize) {
        let mut owed = self.owed_contracts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        owed.of(shard).is_coming = true;
    }

    /// It is there, or does not come after all.
    pub fn pay_shard(&self, shard: usize) {
        let mut owed = self.owed_contracts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        owed.of(shard).is_coming = false;
        self.pay(shard, &mut owed, clock::instant() + self.patience);
    }

    /// Of a cluster's node: who opens the shard reads the store.
    fn is_elsewhere(&self, shard: usize) -> bool {
        self.ports.is_node() && !self.ports.holds(shard)
    }

    /// Puts what is owed into the mailbox of the shard's thread, waiting until then for room.
    fn pay(&self, shard: usize, owed: &mut OwedContracts, deadline: Instant) {
        let owed = owed.of(shard);
        if self.is_elsewhere(shard) && !owed.is_coming {
            *owed = OwedToShard::default();
        }
        let Some(port) = self.ports.of_shard(shard).filter(|_| !owed.changes.is_empty()) else {
            return;
        };
        while let Some(change) = owed.changes.front() {
            let message = ThreadMessage::To(shard, change.message());
            if port.sender.send_deadline(message, deadline).is_err() {
                break;
            }
            owed.changes.pop_front();
        }
        port.wake();
    }

    /// Whether nothing is owed to any shard, now that it was tried.
    pub(super) fn pay_contracts(&self) -> bool {
        let mut owed = match self.owed_contracts.try_lock() {
            Ok(owed) => owed,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody is telling them.
            Err(TryLockError::WouldBlock) => return false,
        };
        for shard in 0..owed.0.len() {
            self.pay(shard, &mut owed, clock::instant());
        }
        owed.0.iter().all(|owed| owed.changes.is_empty())
    }
}
