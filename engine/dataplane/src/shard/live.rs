//! What a running shard knows of the pushes to one phone beside what its journal says: where each
//! stands at this moment, and when it will be tried or told again.

use super::Shard;
use super::waiting::Standing;
use crate::billing::Log;
use crate::smsc::core::NotificationKind;
use crate::smsc::ended::{EndedPush, ended_flag};
use crate::smsc::pushes::{PushIndex, flag};
use wire::terms::ids::Msn;
use wire::terms::time::WallMs;

/// A live push at one moment.
#[derive(Clone, Copy, Debug)]
pub struct LivePush {
    /// The shard that keeps it.
    pub shard: usize,
    /// The push's number, unique within the shard.
    pub push_id: u64,
    /// Where it stands.
    pub standing: Standing,
    /// Pushes to the same phone that come before it.
    pub ahead: usize,
    /// Attempts in which something was sent.
    pub attempts: u8,
    /// One bit per segment that arrived.
    pub delivered_mask: u16,
    /// When it expires; `None` once it has ended.
    pub expires_ms: Option<WallMs>,
    /// When it is attempted again, or its notification sent again, unless something else comes
    /// first.
    pub next_ms: Option<WallMs>,
    /// A cancel was accepted.
    pub cancel_accepted: bool,
    /// The notification that is due.
    pub notification: Option<NotificationKind>,
    /// Tries of that notification that failed.
    pub tries: u8,
    /// Whether it has been handed to the push client and not been answered yet.
    pub under_way: bool,
}

impl<L: Log> Shard<L> {
    /// At most `most` live pushes to `msn`: those that wait, in their order, then those whose
    /// notifications are due, of the XPIDs that have a contract with it.
    pub fn live_pushes(&self, msn: Msn, most: usize) -> Vec<LivePush> {
        let waiting = self.core.waiting(msn).enumerate().take(most);
        let mut found: Vec<LivePush> =
            waiting.map(|(ahead, index)| self.live_waiting(index, ahead)).collect();
        let mut xpids = Vec::new();
        self.contracts.xpids_of(msn, &mut xpids);
        for xpid in xpids {
            let ended = self.core.ended_of(msn, xpid.value(), most - found.len());
            found.extend(ended.map(|push| self.live_ended(push)));
        }
        found
    }

    fn live_waiting(&self, index: PushIndex, ahead: usize) -> LivePush {
        let push = self.core.push(index);
        let standing = Standing::of(push);
        let due_ms = self.core.due_ms(index).filter(|_| standing.is_held());
        LivePush {
            shard: self.number,
            push_id: push.push_id,
            standing,
            ahead,
            attempts: push.attempts(),
            delivered_mask: push.delivered_mask,
            expires_ms: Some(self.pace.real(push.expires_ms())),
            next_ms: due_ms.map(|due_ms| self.pace.real(due_ms)),
            cancel_accepted: push.has(flag::CANCEL_ACCEPTED),
            notification: None,
            tries: 0,
            under_way: false,
        }
    }

    fn live_ended(&self, push: &EndedPush) -> LivePush {
        LivePush {
            shard: self.number,
            push_id: push.push_id,
            standing: Standing::of_ended(push),
            ahead: 0,
            attempts: 0,
            delivered_mask: push.delivered_mask,
            expires_ms: None,
            next_ms: self.core.resend_ms(push.push_id).map(|due_ms| self.pace.real(due_ms)),
            cancel_accepted: push.has(ended_flag::CANCEL_ACCEPTED),
            notification: push.due(),
            tries: push.tries,
            under_way: push.has(ended_flag::NOTIFYING),
        }
    }
}
