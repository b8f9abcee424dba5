//! An Accepted record as values, taken from where its fields stand.
//!
//! Recovery validates a body once, as an archive. A push's record is read several times after that,
//! each time for a few of its fields: reading is inlined, and fields that nobody asks for cost
//! nothing. Pure: octets in, values out.
//!
//! Never does: trusting the octets. Whatever they are, what comes out lies within them, or nothing
//! comes out.

use std::mem::offset_of;

use super::record::{Accepted, ArchivedAccepted};

/// Octets of the fixed part, with which a body ends.
const FIXED_OCTETS: usize = size_of::<ArchivedAccepted<'static>>();

/// Where a field stands in the fixed part.
macro_rules! place_of {
    ($field:ident) => {
        offset_of!(ArchivedAccepted<'static>, $field)
    };
}

impl<'a> Accepted<'a> {
    /// Reads a body; `None` where it is too short, or a length in it reaches beyond it. What stands
    /// in a body that is an archive reads as the archive does.
    #[inline(always)]
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let (borrowed, fixed) = body.split_last_chunk::<FIXED_OCTETS>()?;
        let pointed = |place| pointed(borrowed, fixed, place);
        let reqid_length = fixed[place_of!(reqid_length)];
        if !(1..=23).contains(&reqid_length) {
            return None;
        }
        Some(Self {
            push_id: read_u64(fixed, place_of!(push_id)),
            key_fingerprint: read_u64(fixed, place_of!(key_fingerprint)),
            content_digest: read_u64(fixed, place_of!(content_digest)),
            msn: read_u64(fixed, place_of!(msn)),
            xpid: read_u64(fixed, place_of!(xpid)),
            accepted_ms: read_u64(fixed, place_of!(accepted_ms)),
            expires_ms: read_u64(fixed, place_of!(expires_ms)),
            alert_key_fingerprint: read_u64(fixed, place_of!(alert_key_fingerprint)),
            alert_fingerprint: read_u64(fixed, place_of!(alert_fingerprint)),
            reqid: number(fixed, place_of!(reqid)),
            reqid_length,
            class: fixed[place_of!(class)],
            kind: fixed[place_of!(kind)],
            wants_notification: fixed[place_of!(wants_notification)] != 0,
            single_attempt: fixed[place_of!(single_attempt)] != 0,
            segments: fixed[place_of!(segments)],
            message_reference: fixed[place_of!(message_reference)],
            concatenation_reference: fixed[place_of!(concatenation_reference)],
            svcinst: fixed[place_of!(svcinst)],
            sender_index: fixed[place_of!(sender_index)],
            alert_sequence: fixed[place_of!(alert_sequence)],
            door: read_u32(fixed, place_of!(door)),
            sender: pointed(place_of!(sender))?,
            alert_id: pointed(place_of!(alert_id))?,
            submits: pointed(place_of!(submits))?,
        })
    }

    /// The client's reqid.
    pub fn reqid(&self) -> &[u8] {
        &self.reqid[..usize::from(self.reqid_length)]
    }
}

#[inline(always)]
fn number<const OCTETS: usize>(fixed: &[u8; FIXED_OCTETS], place: usize) -> [u8; OCTETS] {
    let mut octets = [0; OCTETS];
    octets.copy_from_slice(&fixed[place..place + OCTETS]);
    octets
}

#[inline(always)]
fn read_u32(fixed: &[u8; FIXED_OCTETS], place: usize) -> u32 {
    u32::from_le_bytes(number(fixed, place))
}

#[inline(always)]
fn read_u64(fixed: &[u8; FIXED_OCTETS], place: usize) -> u64 {
    u64::from_le_bytes(number(fixed, place))
}

/// The octets in front of the fixed part that the pointer at `place` names: how far they are from
/// it, and how many.
#[inline(always)]
fn pointed<'a>(borrowed: &'a [u8], fixed: &[u8; FIXED_OCTETS], place: usize) -> Option<&'a [u8]> {
    let distance = read_u32(fixed, place).cast_signed() as isize;
    let from = (borrowed.len() + place).checked_add_signed(distance)?;
    borrowed.get(from..)?.get(..read_u32(fixed, place + 4) as usize)
}

#[cfg(test)]
mod tests {
    use super::super::body::Body;
    use super::super::frame::RecordKind;
    use super::super::memory::Memory;
    use super::super::record::Record;
    use super::*;
    use proptest::prelude::*;

    fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..=most)
    }

    /// A body in memory that begins at a multiple of 16, as in a segment.
    fn body_of(accepted: &Accepted<'_>) -> (Memory, usize) {
        let body = accepted.body();
        let mut memory = Memory::copied_from(&[], body.body_octets_max().next_multiple_of(16));
        let octets = body.body_octets_max();
        let written = body.write(&mut memory.octets_mut()[..octets]);
        (memory, written)
    }

    fn as_archive(body: &[u8]) -> Option<Accepted<'_>> {
        match Record::read(RecordKind::Accepted, body) {
            Some(Record::Accepted(archived)) => Some(archived.to_native()),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn a_body_reads_as_what_was_written_and_as_the_archive_does(
            numbers in any::<[u64; 9]>(),
            small in any::<[u8; 8]>(),
            flags in any::<[bool; 2]>(),
            door in any::<u32>(),
            reqid in any::<[u8; 23]>(),
            reqid_length in 1..=23u8,
            sender in octets(11),
            alert_id in octets(32),
            submits in octets(1_800),
            (damaged_at, damage) in (any::<prop::sample::Index>(), any::<u8>()),
        ) {
            let [
                push_id, key_fingerprint, content_digest, msn, xpid, accepted_ms, expires_ms, ..
            ] = numbers;
            let [
                class, kind, segments, message_reference, concatenation_reference, svcinst, ..
            ] = small;
            let accepted = Accepted {
                push_id,
                key_fingerprint,
                content_digest,
                msn,
                xpid,
                accepted_ms,
                expires_ms,
                alert_key_fingerprint: numbers[7],
                alert_fingerprint: numbers[8],
                reqid,
                reqid_length,
                class,
                kind,
                wants_notification: flags[0],
                single_attempt: flags[1],
                segments,
                message_reference,
                concatenation_reference,
                svcinst,
                sender_index: small[6],
                alert_sequence: small[7],
                door,
                sender: &sender,
                alert_id: &alert_id,
                submits: &submits,
            };
            let (mut memory, length) = body_of(&accepted);
            prop_assert_eq!(Accepted::read(&memory.octets()[..length]), Some(accepted));
            // With any octet changed: what is still an archive reads alike, and nothing else is
            // worse than unread.
            memory.octets_mut()[damaged_at.index(length)] = damage;
            let damaged = &memory.octets()[..length];
            let read = Accepted::read(damaged);
            if let Some(archive) = as_archive(damaged) {
                prop_assert_eq!(read, Some(archive));
            }
            for shorter in 0..length {
                let _ = Accepted::read(&damaged[..shorter]);
                let _ = Accepted::read(&damaged[shorter..]);
            }
        }
    }
}
