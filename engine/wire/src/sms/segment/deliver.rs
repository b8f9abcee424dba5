//! The segments of a plan as SMS-DELIVERs (3GPP TS 23.040, 9.2.2.1).

use super::write::{EncodeError, Prefix, write_segments};
use super::{Content, Plan, PlanOptions};
use crate::sms::limits::TIME_OCTETS;
use crate::sms::relay::OriginatingAddress;
use crate::sms::tpdu::first_octet;

/// What the SMS-DELIVERs of one message have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeliverTemplate<'a> {
    /// TP-OA (TS 23.040, 9.2.3.7).
    pub originating: &'a OriginatingAddress,
    /// TP-SCTS as it stands on the wire (TS 23.040, 9.2.3.11).
    pub scts: [u8; TIME_OCTETS],
    /// The reference in the concatenation element, the same in every segment.
    pub concatenation_reference: u8,
    /// TP-PID (TS 23.040, 9.2.3.9).
    pub protocol_identifier: u8,
    /// TP-SRI (TS 23.040, 9.2.3.4).
    pub status_report_indication: bool,
    /// TP-MMS (TS 23.040, 9.2.3.2) of the last segment; all others have more messages behind them.
    pub more_messages: bool,
}

/// Writes, for every segment, one length octet and the SMS-DELIVER, and returns the octets written.
///
/// `content` and `options` must be those that `plan` was made from. A buffer of
/// [`SUBMITS_OCTETS_MAX`](super::SUBMITS_OCTETS_MAX) octets suffices for every plan of the
/// gateway's.
///
/// # Errors
/// `out` is too small.
pub fn encode_delivers(
    plan: &Plan,
    content: Content<'_>,
    options: &PlanOptions<'_>,
    template: &DeliverTemplate<'_>,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let mut first = first_octet::DELIVER;
    if template.status_report_indication {
        first |= first_octet::STATUS_REPORT;
    }
    if plan.header_octets() > 0 {
        first |= first_octet::HEADER;
    }
    let mut prefix = Prefix::new();
    prefix.push(&[first]);
    prefix.push(template.originating.address().as_octets());
    prefix.push(&[template.protocol_identifier, plan.dcs()]);
    prefix.push(&template.scts);
    let adapt = |prefix: &mut Prefix, number: u8| {
        //= TS 23.040 3.2.4
        if number + 1 == plan.segments() && !template.more_messages {
            prefix.set(0, first | first_octet::NO_MORE_MESSAGES);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::relay::{deliver_from_submit, submits};
    use crate::sms::segment::{SUBMITS_OCTETS_MAX, SubmitTemplate, encode_submits, plan};

    //= TS 23.040 3.2.4
    #[test]
    fn delivers_are_those_that_the_submits_would_be_relayed_as() {
        let originating = OriginatingAddress::parse("Hayauma").expect("legal");
        let scts = [0x62, 0x11, 0x22, 0x31, 0x43, 0x03, 0x63];
        let options = PlanOptions::default();
        for text in ["hello", &"Grüße {}".repeat(60), &"漢字か\u{3099}".repeat(60)] {
            let content = Content::Text(text);
            let plan = plan(content, &options).expect("a plan");
            let (mut submits_out, mut delivers_out) =
                ([0; SUBMITS_OCTETS_MAX], [0; SUBMITS_OCTETS_MAX]);
            let submit = SubmitTemplate {
                destination: b"09012345678",
                first_message_reference: 1,
                concatenation_reference: 77,
                protocol_identifier: 0x41,
                validity_relative: None,
                status_report_requested: true,
                reject_duplicates: false,
            };
            let deliver = DeliverTemplate {
                originating: &originating,
                scts,
                concatenation_reference: 77,
                protocol_identifier: 0x41,
                status_report_indication: true,
                more_messages: false,
            };
            let submitted =
                encode_submits(&plan, content, &options, &submit, &mut submits_out).expect("fits");
            let delivered = encode_delivers(&plan, content, &options, &deliver, &mut delivers_out)
                .expect("fits");
            let relayed: Vec<Vec<u8>> = submits(&submits_out[..submitted])
                .enumerate()
                .map(|(number, submit)| {
                    let mut out = [0; 164];
                    let more = number + 1 < usize::from(plan.segments());
                    let length = deliver_from_submit(submit, &originating, &scts, more, &mut out)
                        .expect("fits");
                    out[..length].to_vec()
                })
                .collect();
            assert!(
                submits(&delivers_out[..delivered]).eq(relayed.iter().map(Vec::as_slice)),
                "{text}"
            );
        }
    }
}
