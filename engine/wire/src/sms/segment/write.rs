//! A plan's segments as TPDUs, one behind the other.

use super::{Content, Fragments, Plan, PlanOptions};
use crate::sms::limits::{ADDRESS_OCTETS_MAX, TIME_OCTETS, USER_DATA_OCTETS_MAX};

/// Why segments could not be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// The destination is not 1 to 20 decimal digits.
    #[error("the destination is not 1 to 20 decimal digits")]
    BadDestination,
    /// The buffer is too small.
    #[error("the output buffer of {available} octets is too small")]
    NoRoom {
        /// Octets that the buffer holds.
        available: usize,
    },
}

/// What stands before TP-UDL, at its longest: an SMS-DELIVER's first octet, address, TP-PID, TP-DCS
/// and TP-SCTS.
const PREFIX_OCTETS_MAX: usize = 1 + ADDRESS_OCTETS_MAX + 2 + TIME_OCTETS;

/// What stands before TP-UDL and is the same, but for an octet or two, in every segment.
pub(super) struct Prefix {
    octets: [u8; PREFIX_OCTETS_MAX],
    length: usize,
}

impl Prefix {
    pub(super) fn new() -> Self {
        Self { octets: [0; PREFIX_OCTETS_MAX], length: 0 }
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.rest()[..octets.len()].copy_from_slice(octets);
        self.length += octets.len();
    }

    /// The octets that are not used yet; [`Self::advance`] says how many now are.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        &mut self.octets[self.length..]
    }

    pub(super) fn advance(&mut self, octets: usize) {
        self.length += octets;
    }

    pub(super) fn set(&mut self, at: usize, octet: u8) {
        self.octets[at] = octet;
    }
}

/// Writes, for every segment, one length octet, the prefix, TP-UDL and TP-UD, and returns the
/// octets written. `adapt` makes the prefix fit the segment with the number it is given, from 0.
pub(super) fn write_segments(
    plan: &Plan,
    content: Content<'_>,
    options: &PlanOptions<'_>,
    concatenation_reference: u8,
    prefix: &mut Prefix,
    adapt: impl Fn(&mut Prefix, u8),
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let available = out.len();
    let mut fragments = Fragments::new(plan, content, options, concatenation_reference.into());
    let mut written = 0;
    for number in 0..plan.segments() {
        adapt(prefix, number);
        let before = &prefix.octets[..prefix.length];
        let user_data_at = 1 + before.len() + 1;
        let Some((front, user_data)) = out[written..].split_at_mut_checked(user_data_at) else {
            return Err(EncodeError::NoRoom { available });
        };
        let fragment = match user_data.first_chunk_mut::<USER_DATA_OCTETS_MAX>() {
            Some(whole) => fragments.write_next(whole),
            // Near the end of a tight buffer the segment may be shorter than the largest one.
            None => {
                let mut whole = [0; USER_DATA_OCTETS_MAX];
                let fragment = fragments.write_next(&mut whole);
                let octets = fragment.map_or(0, |fragment| usize::from(fragment.octets));
                let target =
                    user_data.get_mut(..octets).ok_or(EncodeError::NoRoom { available })?;
                target.copy_from_slice(&whole[..octets]);
                fragment
            }
        };
        let fragment =
            fragment.unwrap_or_else(|| unreachable!("a plan has as many fragments as segments"));
        front[0] = (before.len() + 1) as u8 + fragment.octets;
        front[1..1 + before.len()].copy_from_slice(before);
        front[1 + before.len()] = fragment.user_data_length;
        written += user_data_at + usize::from(fragment.octets);
    }
    Ok(written)
}
