//! That a carrier has taken segments of a push, with the ids it gave them.

use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// A carrier has taken segments of a push, or has said of some what became of them. The records of
/// a push add up. One that names a carrier and has no ids says the contrary: that carrier could not
/// deliver, and the segments of `failed_mask` go by another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handed<'a> {
    /// The push.
    pub push_id: u64,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Bit n: the carrier took segment n under an id that stands here.
    pub taken_mask: u16,
    /// Bit n: segment n will not arrive.
    pub failed_mask: u16,
    /// Bit n: segment n has arrived.
    pub delivered_mask: u16,
    /// Attempts made so far.
    pub attempts: u16,
    /// The code of the segments that will not arrive; 0 where there are none.
    pub code: u16,
    /// The carrier's number; 0 where receipts alone are told of.
    pub carrier: u8,
    /// A segment may have arrived of which nobody said so.
    pub in_doubt: bool,
    /// The carrier's ids of the segments taken, in their order, each behind an octet that says its
    /// length.
    pub ids: &'a [u8],
}

impl Handed<'_> {
    /// Whether it says that segments go by another carrier.
    pub fn goes_elsewhere(&self) -> bool {
        self.carrier != 0 && self.taken_mask == 0
    }
}

/// The body of a Handed record: what [`Handed`] says.
#[derive(Archive, Serialize)]
#[rkyv(archived = ArchivedHanded, resolver = HandedResolver)]
pub struct HandedBody<'a> {
    pub(in crate::journal) push_id: u64,
    at_ms: u64,
    taken_mask: u16,
    failed_mask: u16,
    delivered_mask: u16,
    attempts: u16,
    code: u16,
    carrier: u8,
    in_doubt: bool,
    #[rkyv(with = InlineAsBox)]
    ids: &'a [u8],
}

impl HandedBody<'_> {
    pub(in crate::journal) fn ids_octets(&self) -> usize {
        self.ids.len()
    }
}

impl<'a> Handed<'a> {
    pub(in crate::journal) fn body(&self) -> HandedBody<'a> {
        HandedBody {
            push_id: self.push_id,
            at_ms: self.at_ms,
            taken_mask: self.taken_mask,
            failed_mask: self.failed_mask,
            delivered_mask: self.delivered_mask,
            attempts: self.attempts,
            code: self.code,
            carrier: self.carrier,
            in_doubt: self.in_doubt,
            ids: self.ids,
        }
    }
}

impl ArchivedHanded<'_> {
    /// The values.
    pub fn to_native(&self) -> Handed<'_> {
        Handed {
            push_id: self.push_id.to_native(),
            at_ms: self.at_ms.to_native(),
            taken_mask: self.taken_mask.to_native(),
            failed_mask: self.failed_mask.to_native(),
            delivered_mask: self.delivered_mask.to_native(),
            attempts: self.attempts.to_native(),
            code: self.code.to_native(),
            carrier: self.carrier,
            in_doubt: self.in_doubt,
            ids: &self.ids,
        }
    }
}
