//! That an attempt did not deliver and the push waits for its next one, in a body without room to
//! spare: what was added later stands above the times.

use rkyv::{Archive, Serialize};

/// An attempt did not deliver, and the push waits for its next one. Of a push that waits the newest
/// one counts: a start takes from it when the push is tried next and how often it was held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The push.
    pub push_id: u64,
    /// When the attempt ended, Unix milliseconds.
    pub at_ms: u64,
    /// When the next one is due unless an alert comes first, Unix milliseconds.
    pub next_ms: u64,
    /// Bit n: segment n has arrived.
    pub delivered_mask: u16,
    /// Attempts made so far in which something was sent.
    pub attempts: u16,
    /// The code that expiry would carry now.
    pub code: u16,
    /// The number of what holds it.
    pub reason: u8,
    /// The domain that the attempt went through last: 0 none, 1 circuit-switched, 2
    /// packet-switched.
    pub domain: u8,
    /// How often it was held for each cause, four bits each in the order of the message center's
    /// numbers; saturating.
    pub holds: [u8; 3],
    /// A segment may have arrived of which nobody said so.
    pub in_doubt: bool,
}

/// The body of a Held record. Times take 48 bits; what stands above them was zero in records from
/// before it was kept.
#[derive(Archive, Serialize)]
#[rkyv(archived = ArchivedHeld, resolver = HeldResolver)]
pub struct HeldBody {
    pub(in crate::journal) push_id: u64,
    /// Above the time the first two octets of the holds.
    at: u64,
    /// Above the time the third octet of the holds, and above that the in-doubt bit.
    next: u64,
    delivered_mask: u16,
    attempts: u16,
    code: u16,
    reason: u8,
    domain: u8,
}

/// Bits of a time in a Held record.
const HELD_TIME_BITS: u32 = 48;
const HELD_TIME_MASK: u64 = (1 << HELD_TIME_BITS) - 1;

impl Held {
    pub(in crate::journal) fn body(&self) -> HeldBody {
        let [first, second, third] = self.holds;
        HeldBody {
            push_id: self.push_id,
            at: self.at_ms & HELD_TIME_MASK
                | u64::from(u16::from_le_bytes([first, second])) << HELD_TIME_BITS,
            next: self.next_ms & HELD_TIME_MASK
                | u64::from(u16::from_le_bytes([third, u8::from(self.in_doubt)])) << HELD_TIME_BITS,
            delivered_mask: self.delivered_mask,
            attempts: self.attempts,
            code: self.code,
            reason: self.reason,
            domain: self.domain,
        }
    }
}

impl ArchivedHeld {
    /// The values.
    pub fn to_native(&self) -> Held {
        let (at, next) = (self.at.to_native(), self.next.to_native());
        let [first, second] = ((at >> HELD_TIME_BITS) as u16).to_le_bytes();
        let [third, flags] = ((next >> HELD_TIME_BITS) as u16).to_le_bytes();
        Held {
            push_id: self.push_id.to_native(),
            at_ms: at & HELD_TIME_MASK,
            next_ms: next & HELD_TIME_MASK,
            delivered_mask: self.delivered_mask.to_native(),
            attempts: self.attempts.to_native(),
            code: self.code.to_native(),
            reason: self.reason,
            domain: self.domain,
            holds: [first, second, third],
            in_doubt: flags & 1 != 0,
        }
    }
}
