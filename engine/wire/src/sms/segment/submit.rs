//! The segments of a plan as SMS-SUBMITs (3GPP TS 23.040, 9.2.2.2).

use super::write::{EncodeError, Prefix, write_segments};
use super::{Content, Plan, PlanOptions};
use crate::sms::address;
use crate::sms::tpdu::first_octet;

/// What the SMS-SUBMITs of one push have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubmitTemplate<'a> {
    /// TP-DA (TS 23.040, 9.2.3.8): decimal digits of a national number, 1 to 20.
    pub destination: &'a [u8],
    /// TP-MR of the first segment; each further one adds one, modulo 256.
    pub first_message_reference: u8,
    /// The reference in the concatenation element, the same in every segment.
    pub concatenation_reference: u8,
    /// TP-PID (TS 23.040, 9.2.3.9).
    pub protocol_identifier: u8,
    /// TP-VP in its relative form (9.2.3.12.1), if there shall be one.
    pub validity_relative: Option<u8>,
    /// TP-SRR (TS 23.040, 9.2.3.5).
    pub status_report_requested: bool,
    /// TP-RD (TS 23.040, 9.2.3.25).
    pub reject_duplicates: bool,
}

/// Writes, for every segment, one length octet and the SMS-SUBMIT, and returns the octets written.
///
/// `content` and `options` must be those that `plan` was made from. A buffer of
/// [`SUBMITS_OCTETS_MAX`](super::SUBMITS_OCTETS_MAX) octets suffices for every plan of the
/// gateway's.
///
/// # Errors
/// The destination is not 1 to 20 digits, or `out` is too small.
pub fn encode_submits(
    plan: &Plan,
    content: Content<'_>,
    options: &PlanOptions<'_>,
    template: &SubmitTemplate<'_>,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let mut prefix = prefix_of(plan, template)?;
    let adapt = |prefix: &mut Prefix, number: u8| {
        //= TS 23.040 9.2.3.6 next
        prefix.set(1, template.first_message_reference.wrapping_add(number));
    };
    write_segments(
        plan,
        content,
        options,
        template.concatenation_reference,
        &mut prefix,
        adapt,
        out,
    )
}

fn prefix_of(plan: &Plan, template: &SubmitTemplate<'_>) -> Result<Prefix, EncodeError> {
    let mut first = first_octet::SUBMIT;
    if template.reject_duplicates {
        first |= first_octet::REJECT_DUPLICATES;
    }
    if template.validity_relative.is_some() {
        first |= first_octet::VALIDITY_RELATIVE;
    }
    //= TS 23.040 9.2.3.5
    if template.status_report_requested {
        first |= first_octet::STATUS_REPORT;
    }
    if plan.header_octets() > 0 {
        first |= first_octet::HEADER;
    }
    let mut prefix = Prefix::new();
    prefix.push(&[first, template.first_message_reference]);
    if template.destination.is_empty() {
        return Err(EncodeError::BadDestination);
    }
    //= TS 23.040 9.2.3.8
    let address = address::write_decimal(template.destination, prefix.rest());
    prefix.advance(address.ok_or(EncodeError::BadDestination)?);
    prefix.push(&[template.protocol_identifier, plan.dcs()]);
    if let Some(validity) = template.validity_relative {
        prefix.push(&[validity]);
    }
    Ok(prefix)
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
        let length =
            encode_submits(&plan, content, options, &template(), &mut out).expect("encodes");
        let mut exact = vec![0xbb; length];
        assert_eq!(encode_submits(&plan, content, options, &template(), &mut exact), Ok(length));
        assert_eq!(exact, &out[..length]);
        let short = encode_submits(&plan, content, options, &template(), &mut exact[..length - 1]);
        assert_eq!(short, Err(EncodeError::NoRoom { available: length - 1 }));
        crate::sms::relay::submits(&out[..length]).map(<[u8]>::to_vec).collect()
    }

    //= TS 23.040 9.2.2.2
    //= TS 23.040 9.2.3.5
    //= TS 23.040 9.2.3.8
    #[test]
    fn a_short_text_is_one_submit_without_a_header() {
        let submits = encode(Content::Text("hellohello"), &PlanOptions::default());
        let expected = [
            &[0x31, 255, 11, 0x81, 0x90, 0x10, 0x32, 0x54, 0x76, 0xf8, 0, 0, 59, 10][..],
            &[0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37],
        ];
        assert_eq!(submits, [expected.concat()]);
    }

    //= TS 23.040 9.2.3.6 next
    //= TS 23.040 9.2.3.16 header
    //= TS 23.040 9.2.3.24.1 element
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
        let options = PlanOptions {
            client_udh: &[6, 5, 4, 0x0b, 0x84, 0x23, 0xf0],
            ..PlanOptions::default()
        };
        let submits = encode(Content::Octets(&[0x5a; 200]), &options);
        assert_eq!(submits.len(), 2);
        assert_eq!(submits[1][11], 0x04);
        assert_eq!(&submits[1][13..26], [12 + 72, 11, 0, 3, 7, 2, 2, 5, 4, 0x0b, 0x84, 0x23, 0xf0]);
    }
}
