//! What is asked of the shards about rows of broadcasts: what becomes of some, and of how many
//! nobody knows at the end.

use super::EngineHandle;
use crate::io::figures::ControlError;
use crate::io::mailbox::ShardMessage;
use crate::io::orders::BroadcastMessage;
use crossbeam::channel::bounded;
use host::clock;
use std::sync::atomic::Ordering;
use std::time::Instant;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::ownership::shard_of;

/// Phones that a shard is asked about in one message: some tenths of a millisecond of its turn.
const FORESEEN_AT_ONCE: usize = 1_024;

impl EngineHandle {
    /// Of an engine that has drained: rows of broadcasts that were still under way.
    pub fn rows_in_doubt(&self) -> u64 {
        let shards = self.ports.shards.iter();
        shards.map(|status| status.rows_in_doubt.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn foresee_rows(
        &self,
        xpid: Xpid,
        class: Class,
        msns: &[Msn],
    ) -> Result<(u64, u64), ControlError> {
        let shards = self.ports.shards.len();
        let mut of_shards = vec![Vec::new(); shards];
        msns.iter().for_each(|msn| of_shards[shard_of(*msn, shards)].push(*msn));
        let (mut uncontracted, mut by_carrier) = (0, 0);
        for (shard, msns) in of_shards.iter().enumerate() {
            for some in msns.chunks(FORESEEN_AT_ONCE) {
                let (reply, taken) = bounded(1);
                let msns = some.to_vec();
                let message = BroadcastMessage::Foresee { xpid, class, msns, reply };
                self.ports.send(shard, ShardMessage::Broadcast(message))?;
                let (without, routed) = self.taken(&taken)?;
                (uncontracted, by_carrier) = (uncontracted + without, by_carrier + routed);
            }
        }
        Ok((uncontracted, by_carrier))
    }

    /// Sends every shard a message, whichever of them does not take it: those whose mailboxes are
    /// full keep nobody else waiting. What became of each, in the order of the shards.
    pub(super) fn send_each<T>(
        &self,
        deadline: Instant,
        message: impl Fn() -> (BroadcastMessage, T),
    ) -> Vec<Result<T, ControlError>> {
        let send = |shard: usize, deadline: Instant| {
            let (message, with) = message();
            let message = ShardMessage::Broadcast(message);
            self.ports.send_by(shard, message, deadline).map(|()| with)
        };
        let shards = 0..self.ports.shards.len();
        let mut sent: Vec<_> = shards.map(|shard| send(shard, clock::instant())).collect();
        for (shard, sent) in sent.iter_mut().enumerate().filter(|(_, sent)| sent.is_err()) {
            *sent = send(shard, deadline);
        }
        sent
    }

    /// Tells every shard what nobody answers.
    pub(super) fn tell_each(
        &self,
        message: impl Fn() -> BroadcastMessage,
    ) -> Result<(), ControlError> {
        let deadline = clock::instant() + self.patience;
        self.send_each(deadline, || (message(), ())).into_iter().collect()
    }
}
