//! Notifications that were given up after 24 hours (6101): the operator lists and replays them.

use super::Shard;
use super::endings::xpid_of;
use crate::ids::{Msn, Reqid, Xpid};
use crate::journal::Position;
use crate::push::code::Code;
use crate::smsc::pushes::flag;

/// A push with a parked notification.
#[derive(Clone, Copy, Debug)]
pub struct ParkedNotification {
    /// The shard that keeps it.
    pub shard: usize,
    /// The push's number, unique within the shard.
    pub push_id: u64,
    /// The destination.
    pub msn: Msn,
    /// Whose push it is.
    pub xpid: Xpid,
    /// The client's reqid.
    pub reqid: Option<Reqid>,
    /// The final code.
    pub code: Code,
    /// When the push ended, Unix milliseconds.
    pub ended_ms: u64,
    /// The delivery complete notification (E5) is parked.
    pub complete: bool,
    /// The cancellation delivery notification (E7) is parked.
    pub cancellation: bool,
}

impl Shard {
    /// What is parked, oldest push first: at most `most` of it, only `xpid`'s if one is named.
    pub fn parked(&self, xpid: Option<Xpid>, most: usize) -> Vec<ParkedNotification> {
        let all = self.core.parked(0).map(|index| {
            let push = self.core.push(index);
            let accepted = self.journal.accepted(Position::from_bits(push.position));
            ParkedNotification {
                shard: self.number,
                push_id: push.push_id,
                msn: push.msn(),
                xpid: xpid_of(accepted),
                reqid: Reqid::parse(accepted.reqid()),
                code: push.code,
                ended_ms: self.pace.real(push.ended_ms()),
                complete: push.has(flag::COMPLETE_PARKED),
                cancellation: push.has(flag::CANCELLATION_PARKED),
            }
        });
        all.filter(|parked| xpid.is_none_or(|xpid| parked.xpid == xpid)).take(most).collect()
    }

    /// Sends what [`Shard::parked`] lists again; returns it. One more failure parks it again.
    pub fn replay_parked(&mut self, xpid: Option<Xpid>, most: usize, now_ms: u64) -> Vec<ParkedNotification> {
        let mut parked = self.parked(xpid, most);
        parked.retain(|parked| self.core.replay(parked.push_id));
        self.carry_out_effects(now_ms);
        parked
    }
}
