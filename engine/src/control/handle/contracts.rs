//! Contracts told to their shards, and those that a shard has not taken: it is told them again, in
//! their order, until it does.
//!
//! Invariant: what is owed to a shard goes before what comes later, so that the last word about a
//! contract is the store's.

use super::EngineHandle;
use crate::io::figures::ControlError;
use crate::io::mailbox::{Done, ShardMessage, ThreadMessage};
use crossbeam::channel::bounded;
use std::collections::VecDeque;
use std::sync::TryLockError;
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
}

impl Change {
    fn message(&self, done: Done) -> ShardMessage {
        let rows = self.rows.clone();
        match self.change {
            ContractsChange::Add => ShardMessage::AddContracts { rows, done },
            ContractsChange::Remove => ShardMessage::RemoveContracts { rows, done },
        }
    }
}

/// What each shard has not taken, the oldest first.
#[derive(Default)]
pub(super) struct OwedContracts(Vec<VecDeque<Change>>);

impl OwedContracts {
    fn of(&mut self, shard: usize) -> &mut VecDeque<Change> {
        if self.0.len() <= shard {
            self.0.resize_with(shard + 1, VecDeque::new);
        }
        &mut self.0[shard]
    }

    fn note(&mut self, shard: usize, change: Change) {
        let owed = self.of(shard);
        if owed.len() < OWED_MAX {
            owed.push_back(change);
        } else {
            tracing::error!(
                shard,
                "the shard takes no contracts, and no more can be kept for it: it has what the \
                 registry says again after a restart"
            );
        }
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
        let mut told = Ok(());
        for (shard, slice) in slices.into_iter().enumerate() {
            for rows in slice.chunks(CONTRACTS_PER_MESSAGE) {
                let change = Change { change, rows: rows.to_vec() };
                self.pay(shard, &mut owed);
                let sent = if owed.of(shard).is_empty() {
                    self.tell_contracts(shard, &change)
                } else {
                    Err(ControlError::Stopping)
                };
                if sent.is_err() {
                    owed.note(shard, change);
                    told = sent;
                }
            }
        }
        if told.is_err() {
            self.names.publish_again();
        }
        told
    }

    fn tell_contracts(&self, shard: usize, change: &Change) -> Result<(), ControlError> {
        let (done, taken) = bounded(1);
        match self.ports.send(shard, change.message(Done(done))) {
            // Of a cluster's node: who opens it reads the store.
            Err(ControlError::Elsewhere(_)) if self.ports.is_node() => return Ok(()),
            sent => sent?,
        }
        self.wait(&taken, 1)
    }

    /// Puts what is owed into the mailbox of the shard's thread, as far as it has room.
    fn pay(&self, shard: usize, owed: &mut OwedContracts) {
        let owed = owed.of(shard);
        let Some(port) = self.ports.of_shard(shard).filter(|_| !owed.is_empty()) else { return };
        // Nobody waits for it: what has a place in the mailbox is taken in its turn.
        let (done, _) = bounded(1);
        while let Some(change) = owed.front() {
            let message = ThreadMessage::To(shard, change.message(Done(done.clone())));
            if port.sender.try_send(message).is_err() {
                break;
            }
            owed.pop_front();
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
            self.pay(shard, &mut owed);
        }
        owed.0.iter().all(VecDeque::is_empty)
    }
}
