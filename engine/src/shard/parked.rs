//! Notifications that were given up (6101): after 24 hours, or because the push client answered 410
//! Gone. The operator lists them, has them sent again or discards them.
//!
//! The log gets a sum of them now and then, never a line for each: thousands may be parked in one
//! turn.

use super::Shard;
use super::endings::xpid_of;
use crate::billing::Log;
use crate::journal::Position;
use crate::smsc::ended::ended_flag;
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Reqid, Xpid};
use wire::terms::time::WallMs;

/// From one line about an XPID's parked notifications to the next.
const TOLD_INTERVAL_MS: u64 = 10_000;
/// XPIDs that are told apart in that time; the notifications of others are one sum.
const XPIDS_TOLD_MAX: usize = 32;

/// What is to become of parked notifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParkedAction {
    /// They are only listed.
    List,
    /// They are sent again.
    Replay,
    /// They are let go, for good.
    Discard,
}

/// What was parked since the log was last told.
#[derive(Default)]
pub(super) struct ParkedNews {
    by_xpid: Vec<(Xpid, ParkedCount)>,
    others: ParkedCount,
    told_ms: WallMs,
}

/// Notifications parked.
#[derive(Clone, Copy, Default)]
struct ParkedCount {
    parked: u64,
    /// Of these, the ones that were answered 410, or may not go.
    gone: u64,
}

impl ParkedNews {
    /// A notification of this XPID is parked.
    pub(super) fn note(&mut self, xpid: Xpid) {
        self.count(xpid).parked += 1;
    }

    /// A notification of this XPID was answered 410 or may not go, and will be parked.
    pub(super) fn note_gone(&mut self, xpid: Xpid) {
        self.count(xpid).gone += 1;
    }

    fn count(&mut self, xpid: Xpid) -> &mut ParkedCount {
        let at = match self.by_xpid.iter().position(|(known, _)| *known == xpid) {
            Some(at) => at,
            None if self.by_xpid.len() < XPIDS_TOLD_MAX => {
                self.by_xpid.push((xpid, ParkedCount::default()));
                self.by_xpid.len() - 1
            }
            None => return &mut self.others,
        };
        &mut self.by_xpid[at].1
    }

    /// Tells the log, if there is something to tell and the last lines are some time ago.
    pub(super) fn tell(&mut self, shard: usize, now_ms: WallMs) {
        // A wall clock that was set back delays no line.
        if !self.by_xpid.is_empty() && now_ms.abs_diff(self.told_ms) >= TOLD_INTERVAL_MS {
            self.told_ms = now_ms;
            self.tell_now(shard);
        }
    }

    fn tell_now(&mut self, shard: usize) {
        const WHY: &str = "notifications parked (6101): the push client answered 410 Gone, its \
            URL leads where none may go, or it took none for 24 hours; hayauma notify lists, \
            replays or discards them";
        for (xpid, ParkedCount { parked, gone }) in self.by_xpid.drain(..) {
            tracing::warn!(shard, %xpid, parked, gone, "{WHY}");
        }
        let ParkedCount { parked, gone } = std::mem::take(&mut self.others);
        if parked > 0 {
            tracing::warn!(shard, xpid = "others", parked, gone, "{WHY}");
        }
    }
}

/// A push with a parked notification.
#[derive(Clone, Debug)]
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
    /// What stands in the way of its client's notifications at this moment; the shard does not
    /// know.
    pub why: Option<String>,
}

impl<L: Log> Shard<L> {
    /// What is parked, oldest push first: at most `most` of it, only `xpid`'s if one is named.
    pub fn parked(&self, xpid: Option<Xpid>, most: usize) -> Vec<ParkedNotification> {
        let all = self.core.parked(0).map(|push| {
            let accepted = self.journal.accepted(Position::from_bits(push.position));
            ParkedNotification {
                shard: self.number,
                push_id: push.push_id,
                msn: push.msn(),
                xpid: xpid_of(&accepted),
                reqid: Reqid::parse(accepted.reqid()),
                code: push.code,
                ended_ms: self.pace.real(push.ended_ms()).ms(),
                complete: push.has(ended_flag::COMPLETE_PARKED),
                cancellation: push.has(ended_flag::CANCELLATION_PARKED),
                why: None,
            }
        });
        all.filter(|parked| xpid.is_none_or(|xpid| parked.xpid == xpid)).take(most).collect()
    }

    /// Does this with what [`Shard::parked`] lists; returns it. What is sent again and fails once
    /// more is parked again; what is discarded is finished by a record, so that no start brings it
    /// back.
    pub fn act_on_parked(
        &mut self,
        action: ParkedAction,
        xpid: Option<Xpid>,
        most: usize,
        now_ms: WallMs,
    ) -> Vec<ParkedNotification> {
        let mut parked = self.parked(xpid, most);
        match action {
            ParkedAction::List => return parked,
            ParkedAction::Replay => parked.retain(|parked| self.core.replay(parked.push_id)),
            ParkedAction::Discard => parked.retain(|parked| self.core.discard(parked.push_id)),
        }
        self.carry_out_effects(now_ms);
        parked
    }

    /// The last words of a shard that ends: what was parked and not yet told.
    pub fn tell_parked(&mut self) {
        self.parked_news.tell_now(self.number);
    }
}
