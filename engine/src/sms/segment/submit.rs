//! The segments of a plan as SMS-SUBMITs (3GPP TS 23.040, 9.2.2.2).

use super::{Content, Fragments, Plan, PlanOptions};
use crate::sms::address;
use crate::sms::limits::{ADDRESS_OCTETS_MAX, USER_DATA_OCTETS_MAX};
use crate::sms::tpdu::first_octet;

/// What the SMS-SUBMITs of one push have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubmitTemplate<'a> {
    /// TP-DA: decimal digits of a national number, 1 to 20.
    pub destination: &'a [u8],
    /// TP-MR of the first segment; each further one adds one, modulo 256.
    pub first_message_reference: u8,
    /// The reference in the concatenation element, the same in every segment.
    pub concatenation_reference: u8,
    /// TP-PID.
    pub protocol_identifier: u8,
    /// TP-VP in its relative form (9.2.3.12.1), if there shall be one.
    pub validity_relative: Option<u8>,
    /// TP-SRR.
    pub status_report_requested: bool,
    /// TP-RD.
    pub reject_duplicates: bool,
}

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

/// TP-MTI, TP-MR, TP-DA, TP-PID, TP-DCS, TP-VP in relative form.
const PREFIX_OCTETS_MAX: usize = 2 + ADDRESS_OCTETS_MAX + 3;

/// Writes, for every segment, one length octet and the SMS-SUBMIT, and returns the octets written.
///
/// `content` and `options` must be those that `plan` was made from. A buffer of
/// [`SUBMITS_OCTETS_MAX`](super::SUBMITS_OCTETS_MAX) octets suffices for every plan of the gateway's.
pub fn encode_submits(
    plan: &Plan,
    content: Content<'_>,
    options: &PlanOptions<'_>,
    template: &SubmitTemplate<'_>,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let (mut prefix, prefix_octets) = prefix_of(plan, template)?;
    let mut fragments = Fragments::new(plan, content, options, template.concatenation_reference.into());
    let mut written = 0;
    for number in 0..plan.segments() {
        prefix[1] = template.first_message_reference.wrapping_add(number);
        let available = out.len();
        let space = &mut out[written..];
        let user_data_at = 1 + prefix_octets + 1;
        let Some((front, user_data)) = space.split_at_mut_checked(user_data_at) else {
            return Err(EncodeError::NoRoom { available });
        };
        let fragment = match user_data.first_chunk_mut::<USER_DATA_OCTETS_MAX>() {
            Some(whole) => fragments.write_next(whole),
            // Near the end of a tight buffer the segment may be shorter than the largest one.
            None => {
                let mut whole = [0; USER_DATA_OCTETS_MAX];
                let fragment = fragments.write_next(&mut whole);
                let octets = fragment.map_or(0, |fragment| usize::from(fragment.octets));
                let target = user_data.get_mut(..octets).ok_or(EncodeError::NoRoom { available })?;
                target.copy_from_slice(&whole[..octets]);
                fragment
            }
        };
        let fragment = fragment.unwrap_or_else(|| unreachable!("a plan has as many fragments as segments"));
        front[0] = (prefix_octets + 1) as u8 + fragment.octets;
        front[1..1 + prefix_octets].copy_from_slice(&prefix[..prefix_octets]);
        front[1 + prefix_octets] = fragment.user_data_length;
        written += user_data_at + usize::from(fragment.octets);
    }
    Ok(written)
}

fn prefix_of(
    plan: &Plan,
    template: &SubmitTemplate<'_>,
) -> Result<([u8; PREFIX_OCTETS_MAX], usize), EncodeError> {
    let mut prefix = [0; PREFIX_OCTETS_MAX];
    let mut first = first_octet::SUBMIT;
    if template.reject_duplicates {
        first |= first_octet::REJECT_DUPLICATES;
    }
    if template.validity_relative.is_some() {
        first |= first_octet::VALIDITY_RELATIVE;
    }
    if template.status_report_requested {
        first |= first_octet::STATUS_REPORT;
    }
    if plan.header_octets() > 0 {
        first |= first_octet::HEADER;
    }
    prefix[0] = first;
    let digits = template.destination;
    let address = (!digits.is_empty()).then(|| address::write_decimal(digits, &mut prefix[2..])).flatten();
    let mut at = 2 + address.ok_or(EncodeError::BadDestination)?;
    prefix[at] = template.protocol_identifier;
    prefix[at + 1] = plan.dcs();
    at += 2;
    if let Some(validity) = template.validity_relative {
        prefix[at] = validity;
        at += 1;
    }
    Ok((prefix, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::segment::{SUBMITS_OCTETS_MAX, plan};

    fn template() -> SubmitTemplate<'static> {
        SubmitTemplate {
            destination: b"09012345678",
            first_message_reference: 255,
            concatenation_reference: 7,
            protocol_identifier: 0,
            validity_relative: Some(59),
            status_report_requested: true,
            reject_duplicates: false,
        }
    }

    fn encode(content: Content<'_>, options: &PlanOptions<'_>) -> Vec<Vec<u8>> {
        let plan = plan(content, options).expect("a plan");
        let mut out = [0xaa; SUBMITS_OCTETS_MAX];
        let length = encode_submits(&plan, content, options, &template(), &mut out).expect("encodes");
        let mut exact = vec![0xbb; length];
        assert_eq!(encode_submits(&plan, content, options, &template(), &mut exact), Ok(length));
        assert_eq!(exact, &out[..length]);
        let short = encode_submits(&plan, content, options, &template(), &mut exact[..length - 1]);
        assert_eq!(short, Err(EncodeError::NoRoom { available: length - 1 }));
        crate::sms::relay::submits(&out[..length]).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn a_short_text_is_one_submit_without_a_header() {
        let submits = encode(Content::Text("hellohello"), &PlanOptions::default());
        let expected = [
            &[0x31, 255, 11, 0x81, 0x90, 0x10, 0x32, 0x54, 0x76, 0xf8, 0, 0, 59, 10][..],
            &[0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37],
        ];
        assert_eq!(submits, [expected.concat()]);
    }

    #[test]
    fn segments_share_their_reference_and_count_up_their_message_references() {
        let text = "x".repeat(307);
        let submits = encode(Content::Text(&text), &PlanOptions::default());
        assert_eq!(submits.len(), 3);
        for (number, submit) in submits.iter().enumerate() {
            assert_eq!(submit[0], 0x71);
            assert_eq!(submit[1], 255u8.wrapping_add(number as u8));
            assert_eq!(&submit[14..20], [5, 0, 3, 7, 3, number as u8 + 1]);
        }
        assert_eq!([submits[0][13], submits[1][13], submits[2][13]], [160, 160, 8]);
    }

    #[test]
    fn a_clients_header_stands_behind_the_concatenation_element() {
        let options =
            PlanOptions { client_udh: &[6, 5, 4, 0x0b, 0x84, 0x23, 0xf0], ..PlanOptions::default() };
        let submits = encode(Content::Octets(&[0x5a; 200]), &options);
        assert_eq!(submits.len(), 2);
        assert_eq!(submits[1][11], 0x04);
        assert_eq!(&submits[1][13..26], [12 + 72, 11, 0, 3, 7, 2, 2, 5, 4, 0x0b, 0x84, 0x23, 0xf0]);
    }
}
