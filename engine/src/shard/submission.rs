//! The SMS-SUBMITs of a push on their way from the gateway to the message center, and its answer to each.

use super::records;
use wire::sms::limits::TPDU_OCTETS_MAX;
use wire::sms::relay;
use wire::sms::tpdu::{ReportContext, Submit, SubmitReport};
use wire::terms::code::Code;

/// The message center takes every SMS-SUBMIT and answers it with an SMS-SUBMIT-REPORT whose TP-SCTS names the push's
/// acceptance; the gateway reads each answer.
///
/// # Errors
/// 9001 when the two do not understand each other, which is a bug: nothing is stored then.
pub(super) fn submit(submits: &[u8], segments: u8, now_ms: u64) -> Result<(), Code> {
    let scts = records::scts(now_ms);
    let mut report = [0u8; TPDU_OCTETS_MAX];
    let mut answered = 0;
    for submit in relay::submits(submits) {
        Submit::decode(submit).map_err(|_| Code::INTERNAL)?;
        let octets = relay::submit_report_ack(&scts, &mut report);
        let answer = SubmitReport::decode(&report[..octets], ReportContext::Acknowledgement)
            .map_err(|_| Code::INTERNAL)?;
        if answer.service_centre_time_stamp.0 != scts {
            return Err(Code::INTERNAL);
        }
        answered += 1;
    }
    if answered == segments { Ok(()) } else { Err(Code::INTERNAL) }
}
