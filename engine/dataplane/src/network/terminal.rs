//! The simulated terminal: reads an SMS-DELIVER as a terminal would and answers it.
//!
//! It keeps nothing: whether it has memory left or is switched off is the simulation's to say.

use crate::network::line_states::Terminal;
use crate::smsc::outcome::Failure;
use wire::sms::address::Address;
use wire::sms::coding_scheme::CodingScheme;
use wire::sms::header::Header;
use wire::sms::limits::{TIME_OCTETS, USER_DATA_OCTETS_MAX};
use wire::sms::tpdu::first_octet;
use wire::terms::domain::Domain;

/// TP-FCS "TPDU not supported".
pub(crate) const CAUSE_TPDU_NOT_SUPPORTED: u8 = 0xb0;
/// TP-FCS "(U)SIM SMS storage full".
pub(crate) const CAUSE_SIM_STORAGE_FULL: u8 = 0xd0;
/// TP-FCS "memory capacity exceeded".
pub(crate) const CAUSE_MEMORY_EXCEEDED: u8 = 0xd3;
/// TP-FCS "unspecified TP-PID error".
pub(crate) const CAUSE_PID_ERROR: u8 = 0x8f;

/// What becomes of one SMS-DELIVER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TerminalAnswer {
    /// SMS-DELIVER-REPORT in an RP-ACK.
    Acknowledged,
    /// SMS-DELIVER-REPORT in an RP-ERROR, with this TP-FCS.
    Error(u8),
    /// No report: the serving network answers in the terminal's place.
    None(Failure),
}

/// The answer of a terminal that behaves as `behaviour` says to a `tpdu` that comes by `domain`.
pub(crate) fn answer(behaviour: Terminal, domain: Domain, tpdu: &[u8]) -> TerminalAnswer {
    match behaviour {
        Terminal::Accepts => {}
        Terminal::PsFailure if domain == Domain::Cs => {}
        Terminal::PsFailure | Terminal::SystemFailure => {
            return TerminalAnswer::None(Failure::SystemFailure);
        }
        Terminal::Busy => return TerminalAnswer::None(Failure::Busy),
        Terminal::Illegal => return TerminalAnswer::None(Failure::Illegal),
        Terminal::NotEquipped => return TerminalAnswer::None(Failure::NotEquipped),
        Terminal::Absent => return TerminalAnswer::None(Failure::Absent),
        Terminal::ProtocolError => return TerminalAnswer::Error(CAUSE_PID_ERROR),
        Terminal::MemoryFull => return TerminalAnswer::Error(CAUSE_MEMORY_EXCEEDED),
        Terminal::SimFull => return TerminalAnswer::Error(CAUSE_SIM_STORAGE_FULL),
    }
    if is_deliver(tpdu) {
        TerminalAnswer::Acknowledged
    } else {
        TerminalAnswer::Error(CAUSE_TPDU_NOT_SUPPORTED)
    }
}

/// Whether `tpdu` is an SMS-DELIVER (TS 23.040 9.2.2.1) whose lengths and time stamp hold together.
fn is_deliver(tpdu: &[u8]) -> bool {
    parse_deliver(tpdu).is_some()
}

fn parse_deliver(tpdu: &[u8]) -> Option<()> {
    let (&[first, semi_octets, _], rest) = tpdu.split_first_chunk::<3>()?;
    let value_octets = usize::from(semi_octets).div_ceil(2);
    let rest = rest.get(value_octets..)?;
    let address = Address::decode(&tpdu[1..3 + value_octets]);
    let (&[_protocol_identifier, coding_scheme], rest) = rest.split_first_chunk::<2>()?;
    let (time_stamp, rest) = rest.split_first_chunk::<TIME_OCTETS>()?;
    let (&length, user_data) = rest.split_first()?;
    let octets = CodingScheme(coding_scheme).user_data_octets(length);
    let is_sound = first & first_octet::TYPE_MASK == first_octet::DELIVER
        && address.is_ok()
        && is_time_stamp(time_stamp)
        && octets <= USER_DATA_OCTETS_MAX
        && user_data.len() == octets
        && (first & first_octet::HEADER == 0 || Header::read(user_data).0.is_ok());
    is_sound.then_some(())
}

/// Swapped decimal digits in the ranges of a calendar.
fn is_time_stamp(octets: &[u8; 7]) -> bool {
    let number = |octet: u8| {
        let (tens, ones) = (octet & 0x0f, octet >> 4);
        (tens < 10 && ones < 10).then(|| tens * 10 + ones)
    };
    let within =
        |octet: u8, from: u8, to: u8| number(octet).is_some_and(|n| (from..=to).contains(&n));
    let [year, month, day, hour, minute, second, zone] = *octets;
    within(year, 0, 99)
        && within(month, 1, 12)
        && within(day, 1, 31)
        && within(hour, 0, 23)
        && within(minute, 0, 59)
        && within(second, 0, 59)
        && within(zone & !0x08, 0, 79)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests::deliver;

    #[test]
    fn a_good_deliver_is_acknowledged_in_each_alphabet() {
        for (first, coding_scheme, length, user_data) in [
            (0x04, 0x00, 5u8, &[0u8; 5][..]),
            (0x04, 0x00, 160, &[0; 140]),
            (0x04, 0x04, 140, &[0; 140]),
            (0x04, 0x08, 4, &[0x30, 0x42, 0x30, 0x44]),
            (0x44, 0x04, 8, &[5, 0, 3, 1, 2, 1, 0xaa, 0xbb]),
            (0x04, 0xf5, 1, &[0xff]),
        ] {
            let tpdu = deliver(first, coding_scheme, length, user_data);
            assert_eq!(
                answer(Terminal::Accepts, Domain::Ps, &tpdu),
                TerminalAnswer::Acknowledged,
                "{tpdu:02x?}"
            );
        }
    }

    #[test]
    fn a_wrong_tpdu_is_answered_with_a_protocol_cause() {
        let good = deliver(0x04, 0x04, 3, &[1, 2, 3]);
        let mut wrong: Vec<Vec<u8>> =
            (0..good.len()).map(|octets| good[..octets].to_vec()).collect();
        wrong.push([&good[..], &[0]].concat());
        wrong.push(deliver(0x05, 0x04, 3, &[1, 2, 3]));
        wrong.push(deliver(0x44, 0x04, 3, &[5, 0, 3]));
        wrong.push(deliver(0x44, 0x04, 3, &[1, 0, 3]));
        wrong.push(deliver(0x04, 0x04, 141, &[0; 141]));
        wrong.push(deliver(0x04, 0x00, 161, &[0; 141]));
        let mut bad_month = good.clone();
        bad_month[8] = 0x31;
        wrong.push(bad_month);
        for tpdu in wrong {
            let answer = answer(Terminal::Accepts, Domain::Cs, &tpdu);
            assert_eq!(answer, TerminalAnswer::Error(CAUSE_TPDU_NOT_SUPPORTED), "{tpdu:02x?}");
            assert_eq!(Failure::from_cause(CAUSE_TPDU_NOT_SUPPORTED), Some(Failure::ProtocolError));
        }
    }
}
