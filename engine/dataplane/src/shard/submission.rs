//! The SMS-SUBMITs of a push on their way from the gateway to the message center, and its answer to
//! each.

use wire::sms::limits::{TIME_OCTETS, TPDU_OCTETS_MAX};
use wire::sms::relay;
use wire::terms::code::Code;

/// The message center takes every SMS-SUBMIT and answers it with an SMS-SUBMIT-REPORT whose
/// TP-SCTS, `scts`, names the push's acceptance; the gateway reads each answer.
///
/// # Errors
/// 9001 when the two do not understand each other, which is a bug: nothing is stored then.
pub(super) fn submit(submits: &[u8], segments: u8, scts: [u8; TIME_OCTETS]) -> Result<(), Code> {
    let mut report = [0u8; TPDU_OCTETS_MAX];
    let mut answered = 0;
    for submit in relay::submits(submits) {
        relay::check_submit(submit).map_err(|_| Code::INTERNAL)?;
        let octets = relay::submit_report_ack(&scts, &mut report);
        if relay::read_submit_report(&report[..octets]) != Ok(scts) {
            return Err(Code::INTERNAL);
        }
        answered += 1;
    }
    if answered == segments { Ok(()) } else { Err(Code::INTERNAL) }
}
