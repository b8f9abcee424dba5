//! What is asked of the shards about rows of broadcasts: what becomes of some, and of how many
//! nobody knows at the end.

use super::EngineHandle;
use crate::io::figures::ControlError;
use crate::io::mailbox::ShardMessage;
use crate::io::orders::BroadcastMessage;
use crate::shard::RowsForeseen;
use crossbeam::channel::bounded;
use host::clock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::ownership::shard_of;

/// Phones that a shard is asked about in one message: some tenths of a millisecond of its turn.
const FORESEEN_AT_ONCE: usize = 1_024;

/// Nobody waits longer for what is only foreseen.
const FORESEEN_WITHIN: Duration = Duration::from_secs(2);

impl EngineHandle {
    /// Of an engine that has drained: rows of broadcasts that were still under way.
    pub fn rows_in_doubt(&self) -> u64 {
        let shards = self.ports.shards.iter();
        shards.map(|status| status.rows_in_doubt.load(Ordering::Relaxed)).sum()
    }

    /// What becomes of rows to these phones, and of how many nobody answered.
    pub(super) fn foresee_rows(
        &self,
        xpid: Xpid,
        class: Class,
        msns: &[Msn],
    ) -> Result<(RowsForeseen, u64), ControlError> {
        let shards = self.ports.shards.len();
        let mut of_shards = vec![Vec::new(); shards];
        msns.iter().for_each(|msn| of_shards[shard_of(*msn, shards)].push(*msn));
        let (mut found, mut unanswered) = (RowsForeseen::default(), 0);
        let mut stands = vec![false; shards];
        let deadline = clock::instant() + FORESEEN_WITHIN;
        let rounds = of_shards.iter().map(Vec::len).max().unwrap_or_default();
        // All shards at once, and of each some phones after the other.
        for from in (0..rounds).step_by(FORESEEN_AT_ONCE) {
            let mut asked = Vec::new();
            for (shard, msns) in of_shards.iter().enumerate().filter(|(shard, _)| !stands[*shard]) {
                let to = msns.len().min(from + FORESEEN_AT_ONCE);
                let some = msns.get(from..to).filter(|some| !some.is_empty());
                let Some(msns) = some.map(<[Msn]>::to_vec) else { continue };
                let (reply, taken) = bounded(1);
                let message = BroadcastMessage::Foresee { xpid, class, msns, reply };
                let message = ShardMessage::Broadcast(message);
                asked.push((shard, self.ports.send_by(shard, message, deadline).map(|()| taken)));
            }
            for (shard, asked) in asked {
                match asked.and_then(|taken| self.taken_by(&taken, deadline)) {
                    Ok(of_shard) => found.add(&of_shard),
                    Err(ControlError::Stopping) => return Err(ControlError::Stopping),
                    Err(_) => {
                        stands[shard] = true;
                        unanswered += (of_shards[shard].len() - from) as u64;
                    }
                }
            }
        }
        Ok((found, unanswered))
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
