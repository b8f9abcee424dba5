//! What a carrier's statuses and error codes mean, where it means something else by them than the
//! specification: as its operator's manual says, and ours repeat.

use crate::smsc::outcome::Failure;
use wire::smpp::receipt::Receipt;
use wire::smpp::status::{Consequence, Status};
use wire::terms::code::Code;

/// What an answer means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerRule {
    /// Out of order for a while: tried again by the schedule.
    Retry,
    /// Too fast: the push goes back to the front, and the carrier rests.
    Return,
    /// Refused for good.
    Final,
    /// What the core network would have said with this code.
    Fails(Failure),
}

impl AnswerRule {
    /// `retry`, `return`, `final`, or a code that an attempt can end with, such as 6002.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "retry" => Self::Retry,
            "return" => Self::Return,
            "final" => Self::Final,
            code => {
                let code = Code::parse(code.as_bytes())?;
                let failures = [
                    Failure::Unknown,
                    Failure::Barred,
                    Failure::Illegal,
                    Failure::Rejected,
                    Failure::Absent,
                    Failure::MemoryFull,
                    Failure::Busy,
                ];
                Self::Fails(failures.into_iter().find(|failure| failure.final_code() == code)?)
            }
        })
    }

    fn consequence(self) -> (Consequence, Option<Failure>) {
        match self {
            Self::Retry => (Consequence::SystemFailure, None),
            Self::Return => (Consequence::SlowDown, None),
            Self::Final => (Consequence::Final, None),
            Self::Fails(failure) => (Consequence::Final, Some(failure)),
        }
    }
}

/// The number of a status as operators write it: `69`, `0x45` or `45h`.
pub fn parse_status(text: &str) -> Option<Status> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_suffix('h'));
    let number = match hex {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => text.parse().ok()?,
    };
    // What says that all is well means nothing else.
    (number != 0).then_some(Status(number))
}

/// One carrier's own meanings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Meanings {
    /// Of command_status in answers.
    pub statuses: Vec<(Status, AnswerRule)>,
    /// Of `err` in receipts that say that an SMS could not be delivered.
    pub errors: Vec<(String, Code)>,
}

impl Meanings {
    /// What an answer means, and the failure where the carrier's own meaning names one.
    pub(super) fn of_answer(&self, status: Status) -> (Consequence, Option<Failure>) {
        let own = self.statuses.iter().find(|(known, _)| *known == status);
        own.map_or_else(|| (status.consequence(), None), |(_, rule)| rule.consequence())
    }

    /// The code of an SMS that could not be delivered.
    pub(super) fn of_error(&self, receipt: &Receipt<'_>) -> Code {
        let says = |known: &str| {
            let as_text = receipt.error.is_some_and(|text| known.as_bytes() == text);
            let as_number = receipt
                .network_error
                .is_some_and(|error| known.parse().is_ok_and(|number: u16| number == error.code));
            as_text || as_number
        };
        let own = self.errors.iter().find(|(known, _)| says(known));
        own.map_or(Code::CARRIER_FAILED, |&(_, code)| code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::smpp::coding::EsmClass;
    use wire::smpp::pdu::Message;
    use wire::smpp::tlv::{Tag, TlvWriter};

    #[test]
    fn a_carriers_own_meaning_of_a_status_comes_before_the_specifications() {
        let statuses = vec![
            (Status(0x45), AnswerRule::parse("retry").expect("a rule")),
            (Status(0x421), AnswerRule::parse("6002").expect("a rule")),
        ];
        let meanings = Meanings { statuses, ..Meanings::default() };
        let of = |status| meanings.of_answer(Status(status));
        assert_eq!(of(0x45), (Consequence::SystemFailure, None));
        assert_eq!(of(0x421), (Consequence::Final, Some(Failure::Unknown)));
        assert_eq!(of(0x0B), (Consequence::UnknownNumber, None));
        for word in ["", "never", "0000", "4001", "6013"] {
            assert_eq!(AnswerRule::parse(word), None, "{word}");
        }
        let numbers = ["0x45", "45h", "69", "0", "0x", "x"].map(parse_status);
        let known = Some(Status(0x45));
        assert_eq!(numbers, [known, known, known, None, None, None]);
    }

    #[test]
    fn an_error_of_a_receipt_is_read_from_its_text_or_its_parameter() {
        let errors = vec![("027".to_owned(), Code::EXPIRED_ABSENT)];
        let meanings = Meanings { errors, ..Meanings::default() };
        let of = |text: &[u8], code: u16| {
            let mut space = [0; 16];
            let mut tlvs = TlvWriter::new(&mut space);
            tlvs.octets(Tag::NETWORK_ERROR_CODE, &[3, (code >> 8) as u8, code as u8]);
            let message = Message {
                esm_class: EsmClass::RECEIPT,
                short_message: text,
                tlvs: tlvs.finish().expect("room"),
                ..Message::default()
            };
            meanings.of_error(&Receipt::of_message(&message).expect("a receipt"))
        };
        assert_eq!(of(b"id:1 stat:UNDELIV err:027 text:", 1), Code::EXPIRED_ABSENT);
        assert_eq!(of(b"id:1 stat:UNDELIV err:001 text:", 27), Code::EXPIRED_ABSENT);
        assert_eq!(of(b"id:1 stat:UNDELIV err:001 text:", 1), Code::CARRIER_FAILED);
    }
}
