//! The message center's fast path: one TPDU made from another without decoding its text.
//!
//! An SMS-DELIVER and an SMS-STATUS-REPORT differ from the SMS-SUBMIT they answer to in what stands
//! before the user data; that is copied as it is. Nothing here allocates.

use super::address::{Address, AddressError, Digits};
use super::coding_scheme::CodingScheme;
use super::error::{Fault, Field, Reader, TpduError, clamp};
use super::limits::{TIME_OCTETS, USER_DATA_OCTETS_MAX};
use super::time;
use super::tpdu::first_octet;

/// Walks SMS-SUBMITs that each stand behind a length octet, as `segment::encode_submits` writes
/// them. Stops at the first length that runs past the end.
pub fn submits(buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        let (&length, behind) = rest.split_first()?;
        let (submit, behind) = behind.split_at_checked(usize::from(length))?;
        rest = behind;
        Some(submit)
    })
}

/// TP-Originating-Address (TS 23.040, 9.2.3.7) as it stands on the wire; made once for each
/// registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
//= TS 23.040 9.2.3.7
pub struct OriginatingAddress(Address);

impl OriginatingAddress {
    /// Decimal digits, up to 20, of which a leading `+` makes an international number; or up to 11
    /// characters of the GSM 7-bit default alphabet.
    ///
    /// # Errors
    /// What [`Address::parse`] refuses.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        Address::parse(text).map(Self)
    }

    /// Decimal digits as they are dialled: type unknown, ISDN plan.
    ///
    /// # Errors
    /// What [`Address::numeric`] refuses.
    pub fn from_digits(digits: &[u8]) -> Result<Self, AddressError> {
        Address::numeric(super::address::TYPE_UNKNOWN_ISDN, digits).map(Self)
    }

    /// Text, whatever it is made of.
    ///
    /// # Errors
    /// What [`Address::alphanumeric`] refuses.
    pub fn from_text(text: &str) -> Result<Self, AddressError> {
        Address::alphanumeric(text).map(Self)
    }

    /// The address itself.
    pub fn address(&self) -> &Address {
        &self.0
    }
}

/// Writes the SMS-DELIVER (TS 23.040, 9.2.2.1) for an SMS-SUBMIT and returns its octets.
///
/// TP-PID, TP-DCS, TP-UDHI, TP-RP and the user data are the SUBMIT's; TP-SRI is set when it asked
/// for a status report. `scts` is TP-SCTS as it stands on the wire.
///
/// # Errors
/// `submit` is no whole SMS-SUBMIT, or `out` is too small.
/// [`DELIVER_OCTETS_MAX`](super::limits::DELIVER_OCTETS_MAX) always suffice.
pub fn deliver_from_submit(
    submit: &[u8],
    originating: &OriginatingAddress,
    scts: &[u8; TIME_OCTETS],
    more_messages: bool,
    out: &mut [u8],
) -> Result<usize, TpduError> {
    let submit = SubmitView::read(submit)?;
    //= TS 23.040 9.2.3.4
    //= TS 23.040 9.2.3.17
    let kept = first_octet::STATUS_REPORT | first_octet::HEADER | first_octet::REPLY_PATH;
    let mut first = first_octet::DELIVER | submit.first_octet & kept;
    //= TS 23.040 9.2.3.2
    if !more_messages {
        first |= first_octet::NO_MORE_MESSAGES;
    }
    let address = originating.0.as_octets();
    let length = 1 + address.len() + 2 + TIME_OCTETS + 1 + submit.user_data.len();
    let available = out.len();
    let Some(out) = out.get_mut(..length) else {
        return Err(TpduError::no_room(length, available));
    };
    out[0] = first;
    let rest = put(&mut out[1..], address);
    //= TS 23.040 9.2.3.9
    let rest = put(rest, &[submit.protocol_identifier, submit.coding_scheme]);
    let rest = put(rest, scts);
    let rest = put(rest, &[submit.user_data_length]);
    rest.copy_from_slice(submit.user_data);
    Ok(length)
}

/// Writes the SMS-SUBMIT-REPORT (TS 23.040, 9.2.2.2a) that an RP-ACK carries and returns its
/// octets: no optional parameters.
///
/// # Panics
/// When `out` holds fewer than 9 octets.
pub fn submit_report_ack(scts: &[u8; TIME_OCTETS], out: &mut [u8]) -> usize {
    out[..2].copy_from_slice(&[first_octet::SUBMIT, 0]);
    out[2..2 + TIME_OCTETS].copy_from_slice(scts);
    2 + TIME_OCTETS
}

/// Reads the SMS-SUBMIT-REPORT (TS 23.040, 9.2.2.2a) of an RP-ACK as far as the gateway acts on
/// it: TP-SCTS. Optional parameters behind it are not looked at.
///
/// # Errors
/// When it is another type of TPDU, or ends within TP-SCTS.
pub fn read_submit_report(tpdu: &[u8]) -> Result<[u8; TIME_OCTETS], TpduError> {
    let mut reader = Reader::new(tpdu);
    expect_type(&mut reader, first_octet::SUBMIT)?;
    reader.octet(Field::ParameterIndicator)?;
    reader.array(Field::ServiceCentreTimeStamp)
}

/// Reads an SMS-SUBMIT (TS 23.040, 9.2.2.2) as far as the message center acts on it: what passes
/// becomes an SMS-DELIVER and an SMS-STATUS-REPORT.
///
/// # Errors
/// When it is another type of TPDU, or ends before what its lengths announce.
pub fn check_submit(tpdu: &[u8]) -> Result<(), TpduError> {
    SubmitView::read(tpdu).map(drop)
}

/// Writes the SMS-DELIVER-REPORT (TS 23.040, 9.2.2.1a) that an RP-ACK carries and returns its
/// octets: no optional parameters.
///
/// # Panics
/// When `out` holds fewer than 2 octets.
pub fn deliver_report_ack(out: &mut [u8]) -> usize {
    out[..2].copy_from_slice(&[first_octet::DELIVER, 0]);
    2
}

/// Writes the SMS-DELIVER-REPORT (TS 23.040, 9.2.2.1a) that an RP-ERROR carries, with TP-FCS
/// `cause`, 80 or above, and returns its octets.
///
/// # Panics
/// When `out` holds fewer than 3 octets.
pub fn deliver_report_error(cause: u8, out: &mut [u8]) -> usize {
    out[..3].copy_from_slice(&[first_octet::DELIVER, cause, 0]);
    3
}

/// Reads an SMS-DELIVER-REPORT as far as the message center acts on it: TP-FCS when it came in an
/// RP-ERROR.
///
/// # Errors
/// Another type, or an end before TP-PI.
pub fn read_deliver_report(tpdu: &[u8], in_rp_error: bool) -> Result<Option<u8>, TpduError> {
    let mut reader = Reader::new(tpdu);
    expect_type(&mut reader, first_octet::DELIVER)?;
    //= TS 23.040 9.2.3.22 error
    let cause = if in_rp_error { Some(reader.octet(Field::FailureCause)?) } else { None };
    reader.octet(Field::ParameterIndicator)?;
    Ok(cause)
}

/// Writes the SMS-STATUS-REPORT (TS 23.040, 9.2.2.3) for an SMS-SUBMIT and returns its octets:
/// TP-MR and recipient are the SUBMIT's, `scts` the time stamp the service centre gave it,
/// `discharge` TP-DT, `status` TP-ST.
///
/// # Errors
/// `submit` is no whole SMS-SUBMIT, or `out` is too small.
pub fn status_report(
    submit: &[u8],
    scts: &[u8; TIME_OCTETS],
    discharge: &[u8; TIME_OCTETS],
    status: u8,
    out: &mut [u8],
) -> Result<usize, TpduError> {
    let submit = SubmitView::read(submit)?;
    //= TS 23.040 9.2.3.6 report
    write_status_report(submit.message_reference, submit.destination, scts, discharge, status, out)
}

/// Writes the SMS-STATUS-REPORT for an SMS-SUBMIT of which only TP-MR and recipient are known, and
/// returns its octets.
///
/// # Errors
/// `out` is too small; 29 octets always suffice.
pub fn status_report_for(
    message_reference: u8,
    recipient: &Address,
    scts: &[u8; TIME_OCTETS],
    discharge: &[u8; TIME_OCTETS],
    status: u8,
    out: &mut [u8],
) -> Result<usize, TpduError> {
    write_status_report(message_reference, recipient.as_octets(), scts, discharge, status, out)
}

fn write_status_report(
    message_reference: u8,
    recipient: &[u8],
    scts: &[u8; TIME_OCTETS],
    discharge: &[u8; TIME_OCTETS],
    status: u8,
    out: &mut [u8],
) -> Result<usize, TpduError> {
    let length = 2 + recipient.len() + 2 * TIME_OCTETS + 1;
    let available = out.len();
    let Some(out) = out.get_mut(..length) else {
        return Err(TpduError::no_room(length, available));
    };
    let first = first_octet::STATUS_REPORT_TYPE | first_octet::NO_MORE_MESSAGES;
    let rest = put(out, &[first, message_reference]);
    //= TS 23.040 9.2.3.14
    let rest = put(rest, recipient);
    let rest = put(rest, scts);
    let rest = put(rest, discharge);
    rest[0] = status;
    Ok(length)
}

/// What an SMS-STATUS-REPORT says, as far as the message center and the gateway act on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusReportView {
    /// TP-MR of the SMS-SUBMIT (TS 23.040, 9.2.3.6).
    pub message_reference: u8,
    /// TP-RA (TS 23.040, 9.2.3.14).
    pub recipient: Address,
    /// TP-SCTS of the SMS-SUBMIT (TS 23.040, 9.2.3.11).
    pub scts: [u8; TIME_OCTETS],
    /// TP-DT (TS 23.040, 9.2.3.13).
    pub discharge: [u8; TIME_OCTETS],
    /// TP-ST (TS 23.040, 9.2.3.15).
    pub status: u8,
}

impl StatusReportView {
    /// The recipient's digits.
    pub fn recipient_digits(&self) -> Digits {
        self.recipient.digits()
    }
}

/// Reads an SMS-STATUS-REPORT; optional parameters behind TP-ST are not looked at.
///
/// # Errors
/// Another type, an address of more than 20 semi-octets, or an end before TP-ST.
pub fn read_status_report(tpdu: &[u8]) -> Result<StatusReportView, TpduError> {
    let mut reader = Reader::new(tpdu);
    expect_type(&mut reader, first_octet::STATUS_REPORT_TYPE)?;
    Ok(StatusReportView {
        message_reference: reader.octet(Field::MessageReference)?,
        recipient: Address::of_field(reader.address(Field::RecipientAddress)?),
        scts: reader.array(Field::ServiceCentreTimeStamp)?,
        discharge: reader.array(Field::DischargeTime)?,
        status: reader.octet(Field::Status)?,
    })
}

/// TP-SCTS for a moment of Japan Standard Time, nine hours east: calendar fields as a wall clock
/// shows them, of the year only the last two digits.
//= TS 23.040 9.2.3.11 local
pub const fn scts_jst(
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
) -> [u8; TIME_OCTETS] {
    [
        time::swapped_digits((year % 100) as u8),
        time::swapped_digits(month),
        time::swapped_digits(day),
        time::swapped_digits(hour),
        time::swapped_digits(minute),
        time::swapped_digits(second),
        time::JST_ZONE,
    ]
}

/// The parts of an SMS-SUBMIT that other TPDUs are made of.
struct SubmitView<'a> {
    first_octet: u8,
    message_reference: u8,
    /// The whole address field.
    destination: &'a [u8],
    protocol_identifier: u8,
    coding_scheme: u8,
    user_data_length: u8,
    user_data: &'a [u8],
}

impl<'a> SubmitView<'a> {
    fn read(tpdu: &'a [u8]) -> Result<Self, TpduError> {
        let mut reader = Reader::new(tpdu);
        let first_octet = expect_type(&mut reader, first_octet::SUBMIT)?;
        let message_reference = reader.octet(Field::MessageReference)?;
        let destination = reader.address(Field::DestinationAddress)?;
        let protocol_identifier = reader.octet(Field::ProtocolIdentifier)?;
        let coding_scheme = reader.octet(Field::CodingScheme)?;
        //= TS 23.040 9.2.3.12
        let validity_octets = match first_octet & first_octet::VALIDITY_MASK {
            0 => 0,
            first_octet::VALIDITY_RELATIVE => 1,
            _ => TIME_OCTETS,
        };
        reader.take(Field::ValidityPeriod, validity_octets)?;
        let user_data_length = reader.octet(Field::UserDataLength)?;
        let octets = CodingScheme(coding_scheme).user_data_octets(user_data_length);
        if octets > USER_DATA_OCTETS_MAX {
            let (value, max) = (clamp(octets), clamp(USER_DATA_OCTETS_MAX));
            return Err(TpduError::new(
                Field::UserDataLength,
                reader.position() - 1,
                Fault::TooLarge { value, max },
            ));
        }
        let user_data = reader.take(Field::UserData, octets)?;
        reader.finish()?;
        Ok(Self {
            first_octet,
            message_reference,
            destination,
            protocol_identifier,
            coding_scheme,
            user_data_length,
            user_data,
        })
    }
}

fn expect_type(reader: &mut Reader<'_>, expected: u8) -> Result<u8, TpduError> {
    let first = reader.octet(Field::FirstOctet)?;
    let found = first & first_octet::TYPE_MASK;
    if found != expected {
        return Err(TpduError::new(Field::FirstOctet, 0, Fault::WrongType { found, expected }));
    }
    Ok(first)
}

fn put<'a>(out: &'a mut [u8], octets: &[u8]) -> &'a mut [u8] {
    let (target, rest) = out.split_at_mut(octets.len());
    target.copy_from_slice(octets);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBMIT: [u8; 23] = [
        0xb1, 0x42, 11, 0x81, 0x90, 0x10, 0x32, 0x54, 0x76, 0xf8, 0x39, 0, 59, 10, 0xe8, 0x32,
        0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37,
    ];

    //= TS 23.040 9.2.3.2
    //= TS 23.040 9.2.3.4
    //= TS 23.040 9.2.3.7
    //= TS 23.040 9.2.3.11 local
    //= TS 23.040 9.2.3.17
    #[test]
    fn a_deliver_keeps_what_the_submit_said_about_its_content() {
        let scts = scts_jst(2026, 11, 22, 13, 34, 30);
        assert_eq!(scts, [0x62, 0x11, 0x22, 0x31, 0x43, 0x03, 0x63]);
        let originating = OriginatingAddress::parse("Hayauma").expect("legal");
        let mut out = [0; 163];
        let length =
            deliver_from_submit(&SUBMIT, &originating, &scts, false, &mut out).expect("relays");
        let expected = [
            &[0xa4, 13, 0xd0, 0xc8, 0x70, 0x3e, 0x5c, 0x6f, 0x87, 0x01, 0x39, 0][..],
            &scts,
            &SUBMIT[13..],
        ];
        assert_eq!(&out[..length], expected.concat());
        let tight =
            deliver_from_submit(&SUBMIT, &originating, &scts, false, &mut out[..length - 1]);
        assert!(matches!(tight, Err(TpduError { fault: Fault::NoRoom { .. }, .. })));
    }

    #[test]
    fn a_submit_that_is_cut_short_or_too_long_is_refused_with_the_place() {
        let originating = OriginatingAddress::parse("09012345678").expect("legal");
        let mut out = [0; 200];
        for length in 0..SUBMIT.len() {
            let relayed =
                deliver_from_submit(&SUBMIT[..length], &originating, &[0; 7], true, &mut out);
            assert!(
                matches!(relayed, Err(TpduError { fault: Fault::Truncated { .. }, .. })),
                "{length}"
            );
            assert!(check_submit(&SUBMIT[..length]).is_err());
        }
        assert_eq!(check_submit(&SUBMIT), Ok(()));
        let longer = [&SUBMIT[..], &[0]].concat();
        let relayed = deliver_from_submit(&longer, &originating, &[0; 7], true, &mut out);
        let fault = Fault::Trailing { octets: 1 };
        assert_eq!(relayed, Err(TpduError { field: Field::End, octet: 23, fault }));
    }

    //= TS 23.040 9.2.3.6 report
    //= TS 23.040 9.2.3.13
    //= TS 23.040 9.2.3.14
    #[test]
    fn a_status_report_reads_back() {
        let (scts, discharge) = (scts_jst(2026, 1, 2, 3, 4, 5), scts_jst(2026, 1, 2, 3, 4, 6));
        let mut out = [0; 64];
        let length = status_report(&SUBMIT, &scts, &discharge, 0x46, &mut out).expect("writes");
        let view = read_status_report(&out[..length]).expect("reads");
        assert_eq!((view.message_reference, view.status), (0x42, 0x46));
        assert_eq!(view.recipient_digits().as_str(), "09012345678");
        assert_eq!((view.scts, view.discharge), (scts, discharge));
        let recipient = Address::parse("09012345678").expect("legal");
        let mut same = [0; 64];
        let written = status_report_for(0x42, &recipient, &scts, &discharge, 0x46, &mut same)
            .expect("writes");
        assert_eq!(same[..written], out[..length], "without the SUBMIT at hand");
    }

    //= TS 23.040 9.2.3.22 error
    #[test]
    fn delivery_reports_say_why() {
        let mut out = [0; 9];
        let length = deliver_report_error(0xd3, &mut out);
        assert_eq!(read_deliver_report(&out[..length], true), Ok(Some(0xd3)));
        let length = deliver_report_ack(&mut out);
        assert_eq!(read_deliver_report(&out[..length], false), Ok(None));
        assert!(read_deliver_report(&[1, 0], false).is_err());
        assert_eq!(submit_report_ack(&[1, 2, 3, 4, 5, 6, 7], &mut out), 9);
        assert_eq!(out, [1, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(read_submit_report(&out), Ok([1, 2, 3, 4, 5, 6, 7]));
        assert!(read_submit_report(&out[..8]).is_err() && read_submit_report(&[0; 9]).is_err());
    }

    #[test]
    fn length_prefixed_submits_end_where_a_length_lies() {
        let walked: Vec<&[u8]> = submits(&[2, 1, 2, 1, 3, 9, 1]).collect();
        assert_eq!(walked, [&[1u8, 2][..], &[3]]);
    }
}
