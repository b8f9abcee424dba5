//! What the log is told of parked notifications: a sum for each client now and then, never a line
//! for each notification. Thousands may be parked in one turn.
//!
//! A shard notes them, and its thread gathers the notes of all its shards: however many these are,
//! a client has one line.

use wire::terms::ids::Xpid;
use wire::terms::time::WallMs;

/// From one line about an XPID's parked notifications to the next.
const TOLD_INTERVAL_MS: u64 = 10_000;
/// XPIDs that are told apart in that time; the notifications of others are one sum.
const XPIDS_TOLD_MAX: usize = 32;

/// What was parked since it was last told.
#[derive(Default, Debug)]
pub struct ParkedNews {
    by_xpid: Vec<(Xpid, ParkedCount)>,
    others: ParkedCount,
    told_ms: WallMs,
}

/// Notifications parked.
#[derive(Clone, Copy, Default, Debug)]
struct ParkedCount {
    parked: u64,
    /// Of these, the ones that were answered 410, or may not go.
    gone: u64,
}

impl ParkedCount {
    fn add(&mut self, more: Self) {
        self.parked += more.parked;
        self.gone += more.gone;
    }
}

impl ParkedNews {
    /// Whether there is nothing to tell.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // Others are counted only once these are many.
        self.by_xpid.is_empty()
    }

    /// A notification of this XPID is parked.
    pub(in crate::shard) fn note(&mut self, xpid: Xpid) {
        self.count(xpid).parked += 1;
    }

    /// A notification of this XPID was answered 410 or may not go, and will be parked.
    pub(in crate::shard) fn note_gone(&mut self, xpid: Xpid) {
        self.count(xpid).gone += 1;
    }

    /// Takes what a shard has noted.
    pub(super) fn take_from(&mut self, shard: &mut Self) {
        for (xpid, count) in shard.by_xpid.drain(..) {
            self.count(xpid).add(count);
        }
        self.others.add(std::mem::take(&mut shard.others));
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
    #[inline]
    pub fn tell(&mut self, now_ms: WallMs) {
        // A wall clock that was set back delays no line.
        if !self.is_empty() && now_ms.abs_diff(self.told_ms) >= TOLD_INTERVAL_MS {
            self.told_ms = now_ms;
            self.tell_now();
        }
    }

    /// Tells the log whatever there is to tell: the last words of a thread.
    pub fn tell_now(&mut self) {
        const WHY: &str = "notifications parked (6101): the push client answered 410 Gone, its \
            URL leads where none may go, or it took none for 24 hours; hayauma notify lists, \
            replays or discards them";
        for (xpid, ParkedCount { parked, gone }) in self.by_xpid.drain(..) {
            tracing::warn!(%xpid, parked, gone, "{WHY}");
        }
        let ParkedCount { parked, gone } = std::mem::take(&mut self.others);
        if parked > 0 {
            tracing::warn!(xpid = "others", parked, gone, "{WHY}");
        }
    }
}
