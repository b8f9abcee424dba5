//! What carriers have of pushes: which segments each took, and which of those will not arrive.
//!
//! Never here: what becomes of a push; `handing_over` decides that.

use crate::smsc::pushes::PushIndex;
use std::collections::{HashMap, VecDeque};
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
#[derive(Clone, Copy, Default, Debug)]
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
}

/// The pushes of which carriers have segments.
pub(super) struct Handings {
    entries: HashMap<PushIndex, Handing>,
    /// Pushes in the order in which they were handed over, and some that have ended since.
    pub(super) order: VecDeque<(PushIndex, u64)>,
    /// Pushes that are handed over.
    pub(super) handed: usize,
    /// How many may be.
    pub(super) handed_max: usize,
    /// Whether there are carriers that can be asked.
    pub(super) asks: bool,
}

impl Handings {
    /// At most so many pushes are handed over at a time.
    pub(super) fn new(handed_max: usize) -> Self {
        let handed_max = handed_max.max(1);
        Self { entries: HashMap::new(), order: VecDeque::new(), handed: 0, handed_max, asks: false }
    }

    /// Whether a carrier has or had anything of the push.
    #[inline]
    pub(super) fn has(&self, index: PushIndex) -> bool {
        !self.entries.is_empty() && self.entries.contains_key(&index)
    }

    /// What carriers have of the push.
    pub(super) fn get(&self, index: PushIndex) -> Handing {
        if self.entries.is_empty() {
            return Handing::default();
        }
        self.entries.get(&index).copied().unwrap_or_default()
    }

    /// The segments that are not to be sent: taken, or failed.
    pub(super) fn settled_mask(&self, index: PushIndex) -> u16 {
        let handing = self.get(index);
        handing.taken_mask | handing.failed_mask
    }

    /// A carrier took these segments.
    pub(super) fn take(&mut self, index: PushIndex, taken_mask: u16) {
        self.entries.entry(index).or_default().taken_mask |= taken_mask;
    }

    /// These segments will not arrive.
    pub(super) fn fail(&mut self, index: PushIndex, failed_mask: u16, code: Code) {
        if failed_mask != 0 {
            let handing = self.entries.entry(index).or_default();
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
        let handing = self.entries.entry(index).or_default();
        handing.taken_mask |= taken;
        handing.failed_mask |= failed;
        handing.code = code.or(handing.code);
    }

    /// These segments go by another carrier than this one, which could not deliver them.
    pub(super) fn send_elsewhere(&mut self, index: PushIndex, mask: u16, carrier: u8) {
        let handing = self.entries.entry(index).or_default();
        handing.taken_mask &= !mask;
        handing.failed_mask &= !mask;
        handing.code = handing.code.filter(|_| handing.failed_mask != 0);
        (handing.avoided, handing.asked) = (carrier, false);
    }

    /// Its carriers are asked; whether they have not been before.
    pub(super) fn ask(&mut self, index: PushIndex) -> bool {
        !std::mem::replace(&mut self.entries.entry(index).or_default().asked, true)
    }

    /// The push has left the slab.
    #[inline]
    pub(super) fn forget(&mut self, index: PushIndex) {
        if !self.entries.is_empty() {
            self.entries.remove(&index);
        }
    }

    /// A push is handed over.
    pub(super) fn enter(&mut self, index: PushIndex, push_id: u64) {
        self.handed += 1;
        self.order.push_back((index, push_id));
    }

    /// A push that was handed over has ended.
    pub(super) fn leave(&mut self) {
        self.handed -= 1;
    }
}
