//! What carriers have of pushes: which segments each took, and which of those will not arrive.
//!
//! Those that are handed over stand in lists, one for each push client, so that whoever has most of
//! them is found, and the oldest of those.
//!
//! Never here: what becomes of a push; `handing_over` decides that.

use crate::smsc::by_push::ByPush;
use crate::smsc::clients::ByClient;
use crate::smsc::pushes::{NONE, PushIndex};
use crate::smsc::shares::Shares;
use wire::terms::code::Code;

/// How long after a push's expiry its receipts are awaited.
pub const RECEIPT_GRACE_MS: u64 = 60 * 60 * 1000;
/// How long an answer is awaited by a carrier that is asked at last what became of a push.
pub const ASKED_MS: u64 = 5 * 60 * 1000;

/// What a receipt says of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receipt {
    /// It arrived.
    Delivered,
    /// It will not, and this is the code.
    Failed(Code),
}

/// What carriers have of one push.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handing {
    /// One bit per segment that a carrier took.
    pub(super) taken_mask: u16,
    /// One bit per segment that will not arrive.
    pub(super) failed_mask: u16,
    /// The code of those that failed last.
    pub(super) code: Option<Code>,
    /// The carrier that could not deliver it, so that it goes by another; 0: none.
    pub(super) avoided: u8,
    /// Its carriers have been asked what became of it, since no receipt came.
    pub(super) asked: bool,
    /// While it is handed over: its client's pushes that were before and after it.
    previous: PushIndex,
    next: PushIndex,
}

impl Default for Handing {
    fn default() -> Self {
        Self {
            taken_mask: 0,
            failed_mask: 0,
            code: None,
            avoided: 0,
            asked: false,
            previous: NONE,
            next: NONE,
        }
    }
}

/// The pushes of one client that are handed over, in the order in which they were.
#[derive(Clone, Copy)]
struct List {
    oldest: PushIndex,
    newest: PushIndex,
}

impl List {
    const EMPTY: Self = Self { oldest: NONE, newest: NONE };
}

/// The pushes of which carriers have segments.
pub(super) struct Handings {
    entries: ByPush<Handing>,
    /// Those that are handed over, by client, and how many each has.
    lists: ByClient<List>,
    shares: Shares,
    /// How many may be handed over.
    handed_max: usize,
    /// Whether there are carriers that can be asked.
    pub(super) asks: bool,
}

impl Handings {
    /// At most so many pushes are handed over at a time.
    pub(super) fn new(handed_max: usize) -> Self {
        Self {
            entries: ByPush::default(),
            lists: ByClient::default(),
            shares: Shares::default(),
            handed_max: handed_max.max(1),
            asks: false,
        }
    }

    /// Whether a carrier has or had anything of the push.
    #[inline]
    pub(super) fn has(&self, index: PushIndex) -> bool {
        !self.entries.is_empty() && self.entries.get(index).is_some()
    }

    /// What carriers have of the push.
    pub(super) fn get(&self, index: PushIndex) -> Handing {
        if self.entries.is_empty() {
            return Handing::default();
        }
        self.entries.get(index).copied().unwrap_or_default()
    }

    /// The segments that are not to be sent: taken, or failed.
    pub(super) fn settled_mask(&self, index: PushIndex) -> u16 {
        let handing = self.get(index);
        handing.taken_mask | handing.failed_mask
    }

    /// A carrier took these segments.
    pub(super) fn take(&mut self, index: PushIndex, taken_mask: u16) {
        self.entries.entry(index).taken_mask |= taken_mask;
    }

    /// These segments will not arrive.
    pub(super) fn fail(&mut self, index: PushIndex, failed_mask: u16, code: Code) {
        if failed_mask != 0 {
            let handing = self.entries.entry(index);
            handing.failed_mask |= failed_mask;
            handing.code = Some(code);
        }
    }

    /// What a record says, beside those before it.
    pub(super) fn restore(
        &mut self,
        index: PushIndex,
        taken: u16,
        failed: u16,
        code: Option<Code>,
    ) {
        let handing = self.entries.entry(index);
        handing.taken_mask |= taken;
        handing.failed_mask |= failed;
        handing.code = code.or(handing.code);
    }

    /// These segments go by another carrier than this one, which could not deliver them.
    pub(super) fn send_elsewhere(&mut self, index: PushIndex, mask: u16, carrier: u8) {
        let handing = self.entries.entry(index);
        handing.taken_mask &= !mask;
        handing.failed_mask &= !mask;
        handing.code = handing.code.filter(|_| handing.failed_mask != 0);
        (handing.avoided, handing.asked) = (carrier, false);
    }

    /// It goes by another carrier than this one, as was known before this start; 0: none.
    pub(super) fn avoid(&mut self, index: PushIndex, carrier: u8) {
        self.entries.entry(index).avoided = carrier;
    }

    /// Its carriers are asked; whether they have not been before.
    pub(super) fn ask(&mut self, index: PushIndex) -> bool {
        !std::mem::replace(&mut self.entries.entry(index).asked, true)
    }

    /// The push has left the slab.
    #[inline]
    pub(super) fn forget(&mut self, index: PushIndex) {
        if !self.entries.is_empty() {
            self.entries.remove(index);
        }
    }

    /// Pushes that are handed over.
    pub(super) fn handed(&self) -> usize {
        self.shares.total()
    }

    /// A push of this client is handed over.
    pub(super) fn enter(&mut self, index: PushIndex, client: u16) {
        self.lists.reach(client, List::EMPTY);
        let before = std::mem::replace(&mut self.lists[client].newest, index);
        let handing = self.entries.entry(index);
        (handing.previous, handing.next) = (before, NONE);
        self.join(client, before, index);
        self.shares.add(client);
    }

    /// A push that was handed over has ended, or goes on.
    pub(super) fn leave(&mut self, index: PushIndex, client: u16) {
        let Handing { previous, next, .. } = self.get(index);
        self.join(client, previous, next);
        match self.entries.get_mut(next) {
            Some(handing) => handing.previous = previous,
            None => self.lists[client].newest = previous,
        }
        self.shares.take(client);
    }

    /// Behind the one stands the other from now on; behind nobody: it is the oldest.
    fn join(&mut self, client: u16, previous: PushIndex, next: PushIndex) {
        match self.entries.get_mut(previous) {
            Some(handing) => handing.next = next,
            None => self.lists[client].oldest = next,
        }
    }

    /// Where too many are handed over: the push that goes so that this client has one more, the
    /// oldest of whoever has most.
    pub(super) fn goes_for(&self, client: u16) -> Option<PushIndex> {
        if self.shares.total() <= self.handed_max {
            return None;
        }
        let oldest = self.lists[self.shares.gives_up(client)?].oldest;
        assert_ne!(oldest, NONE, "whoever has most has one");
        Some(oldest)
    }
}
