//! Notifications that were given up (6101): after 24 hours, or because the push client answered 410
//! Gone. The operator lists them, has them sent again or discards them.

mod news;

use super::Shard;
use super::endings::xpid_of;
use crate::billing::Log;
use crate::journal::Position;
use crate::smsc::ended::ended_flag;
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Reqid, Xpid};
use wire::terms::time::WallMs;

pub use news::ParkedNews;

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

    /// Hands over what was parked since the last time, which is told by whoever has the shard.
    #[inline]
    pub fn pass_parked_news(&mut self, to: &mut ParkedNews) {
        if !self.parked_news.is_empty() {
            to.take_from(&mut self.parked_news);
        }
    }
}
