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

/// Parked pushes that are looked at in one turn; those of other clients cost no reading.
const PARKED_LOOKED_AT_MAX: usize = 1 << 16;

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

/// A part of what is parked.
#[derive(Clone, Default, Debug)]
pub struct ParkedPage {
    /// Oldest push first.
    pub parked: Vec<ParkedNotification>,
    /// The push from which the next part goes on; `None`: this was the last.
    pub next: Option<u64>,
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
    /// Walks all there is: not for a shard that serves.
    pub fn parked(&self, xpid: Option<Xpid>, most: usize) -> Vec<ParkedNotification> {
        let (mut parked, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from.filter(|_| parked.len() < most) {
            let page = self.parked_page(xpid, at, most - parked.len());
            parked.extend(page.parked);
            from = page.next;
        }
        parked
    }

    /// As [`Shard::parked`], from the push of this number on, and no more than a turn has time for:
    /// a record of the journal may have to be read for each.
    pub fn parked_page(&self, xpid: Option<Xpid>, from: u64, most: usize) -> ParkedPage {
        let mut page = ParkedPage::default();
        let mut read = 0;
        for (looked_at, push) in self.core.parked(from).enumerate() {
            if looked_at >= PARKED_LOOKED_AT_MAX || read >= most {
                page.next = Some(push.push_id);
                break;
            }
            if xpid.is_some_and(|xpid| !self.core.may_be_of(push, xpid.value())) {
                continue;
            }
            read += 1;
            let accepted = self.journal.accepted(Position::from_bits(push.position));
            let of = xpid_of(&accepted);
            if xpid.is_some_and(|xpid| xpid != of) {
                continue;
            }
            page.parked.push(ParkedNotification {
                shard: self.number,
                push_id: push.push_id,
                msn: push.msn(),
                xpid: of,
                reqid: Reqid::parse(accepted.reqid()),
                code: push.code,
                ended_ms: self.pace.real(push.ended_ms()).ms(),
                complete: push.has(ended_flag::COMPLETE_PARKED),
                cancellation: push.has(ended_flag::CANCELLATION_PARKED),
                why: None,
            });
        }
        page
    }

    /// Does this with what [`Shard::parked_page`] lists; gives what it was done with. What is sent
    /// again and fails once more is parked again; what is discarded is finished by a record, so
    /// that no start brings it back.
    pub fn act_on_parked(
        &mut self,
        action: ParkedAction,
        xpid: Option<Xpid>,
        (from, most): (u64, usize),
        now_ms: WallMs,
    ) -> ParkedPage {
        let mut page = self.parked_page(xpid, from, most);
        match action {
            ParkedAction::List => return page,
            ParkedAction::Replay => page.parked.retain(|parked| self.core.replay(parked.push_id)),
            ParkedAction::Discard => page.parked.retain(|parked| self.core.discard(parked.push_id)),
        }
        self.carry_out_effects(now_ms);
        page
    }

    /// The last words of a shard that ends: what was parked and not yet told.
    pub fn tell_parked(&mut self) {
        self.parked_news.tell_now(self.number);
    }
}
