//! Receipts: how a message ended, told in a deliver_sm or data_sm of its own (SMPP 3.4, 5.2.12,
//! 5.2.28, 5.3.2.12 and appendix B).
//!
//! Appendix B gives the text as an example, and every SMSC writes one of its own. What is read:
//! names in any order and case, blanks around colons, fields that are missing or empty, dates of
//! 10, 12 and 14 digits or zeros, errors of up to eight characters, and words for the state that
//! appendix B does not have. TLVs come before the text.

use std::fmt;

use super::coding::EsmClass;
use super::limits::{RECEIPT_ERROR_OCTETS_MAX, RECEIPT_REPEATED_OCTETS_MAX};
use super::pdu::{Data, Message};
use super::time::{parse_receipt_date, receipt_date};
use super::tlv::{Tag, Tlvs};
use super::words::first_blank;
use crate::terms::calendar::Civil;

/// What became of a message (SMPP 3.4, 5.2.28; 5.0, 4.7.15).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum MessageState {
    /// Waits for its time (5.0).
    Scheduled = 0,
    /// On its way.
    Enroute = 1,
    /// Delivered.
    Delivered = 2,
    /// Its validity ended.
    Expired = 3,
    /// Cancelled.
    Deleted = 4,
    /// Cannot be delivered.
    Undeliverable = 5,
    /// Taken care of by somebody who reads messages for the phone.
    Accepted = 6,
    /// Nobody knows.
    Unknown = 7,
    /// Refused.
    Rejected = 8,
    /// Left out (5.0).
    Skipped = 9,
}

impl MessageState {
    const ALL: [Self; 10] = [
        Self::Scheduled,
        Self::Enroute,
        Self::Delivered,
        Self::Expired,
        Self::Deleted,
        Self::Undeliverable,
        Self::Accepted,
        Self::Unknown,
        Self::Rejected,
        Self::Skipped,
    ];

    /// The state of this number; `None` for numbers that none has.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The number in message_state.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The word in a receipt's text, seven letters (appendix B).
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDLD",
            Self::Enroute => "ENROUTE",
            Self::Delivered => "DELIVRD",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIV",
            Self::Accepted => "ACCEPTD",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTD",
            Self::Skipped => "SKIPPED",
        }
    }

    /// The state of a word, in any case: those of appendix B, and others that SMSCs write.
    pub fn from_word(word: &[u8]) -> Option<Self> {
        if word == b"DELIVRD" {
            return Some(Self::Delivered);
        }
        let is = |other: &str| other.as_bytes().eq_ignore_ascii_case(word);
        let known = Self::ALL.into_iter().find(|state| is(state.word()));
        known.or_else(|| DIALECT.iter().find(|(other, _)| is(other)).map(|&(_, state)| state))
    }

    /// Whether nothing more becomes of the message.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Enroute | Self::Accepted)
    }
}

/// Words beside those of appendix B.
const DIALECT: [(&str, MessageState); 11] = [
    ("FAILED", MessageState::Undeliverable),
    ("BUFFERD", MessageState::Enroute),
    ("BUFFERED", MessageState::Enroute),
    ("DELIVERED", MessageState::Delivered),
    ("UNDELIVERABLE", MessageState::Undeliverable),
    ("UNDELIVERED", MessageState::Undeliverable),
    ("UNDELIVRD", MessageState::Undeliverable),
    ("ACCEPTED", MessageState::Accepted),
    ("REJECTED", MessageState::Rejected),
    ("SCHEDULED", MessageState::Scheduled),
    ("EN_ROUTE", MessageState::Enroute),
];

/// The error of the network beyond the SMSC (SMPP 3.4, 5.3.2.31).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetworkError {
    /// 1 ANSI-136, 2 IS-95, 3 GSM.
    pub network: u8,
    /// Its code there.
    pub code: u16,
}

/// A receipt that was read. It borrows from its PDU.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// The message it is about, as the SMSC writes it, 1 octet or more; from receipted_message_id
    /// or the text.
    pub id: Option<&'a [u8]>,
    /// What became of it; from message_state or the text.
    pub state: Option<MessageState>,
    /// The word for the state in the text, where there is one that is not known.
    pub unknown_word: Option<&'a [u8]>,
    /// `err` of the text: 1 to 8 characters.
    pub error: Option<&'a [u8]>,
    /// network_error_code.
    pub network_error: Option<NetworkError>,
    /// The number that the submit_sm carried, where the SMSC repeats it.
    pub user_message_reference: Option<u16>,
    /// Whether the message goes on: bits 5 to 2 of esm_class are 1000.
    pub is_intermediate: bool,
    submitted: Option<&'a [u8]>,
    delivered: Option<&'a [u8]>,
    submit_date: Option<&'a [u8]>,
    done_date: Option<&'a [u8]>,
    /// What the text repeats of the message.
    pub text: Option<&'a [u8]>,
}

impl<'a> Receipt<'a> {
    /// Reads the receipt in a deliver_sm; `None` where its esm_class says that it is none.
    pub fn of_message(message: &Message<'a>) -> Option<Self> {
        let text = match message.short_message {
            [] => message.tlvs.find(Tag::MESSAGE_PAYLOAD).map_or(&[][..], |payload| payload.value),
            text => text,
        };
        Self::read(message.esm_class, text, message.tlvs)
    }

    /// The same in a data_sm.
    pub fn of_data(data: &Data<'a>) -> Option<Self> {
        Self::read(data.esm_class, data.content(), data.tlvs)
    }

    /// Parts that were sent, of `sub`: up to nine digits.
    pub fn submitted(&self) -> Option<u32> {
        self.submitted.and_then(number)
    }

    /// Parts that arrived, of `dlvrd`: up to nine digits.
    pub fn delivered(&self) -> Option<u32> {
        self.delivered.and_then(number)
    }

    /// When the message was submitted, in a zone that the SMSC keeps to itself.
    pub fn submit_date(&self) -> Option<Civil> {
        self.submit_date.and_then(parse_receipt_date)
    }

    /// When it ended, likewise.
    pub fn done_date(&self) -> Option<Civil> {
        self.done_date.and_then(parse_receipt_date)
    }

    fn read(class: EsmClass, content: &'a [u8], tlvs: Tlvs<'a>) -> Option<Self> {
        if !class.is_receipt() {
            return None;
        }
        let header = if class.has_header() {
            content.first().map_or(0, |&length| 1 + usize::from(length))
        } else {
            0
        };
        let fields = TextFields::read(content.get(header..).unwrap_or_default());
        let mut receipt = Self {
            id: fields.value(Name::Id),
            state: None,
            unknown_word: fields.value(Name::Stat),
            error: fields
                .value(Name::Error)
                .filter(|error| error.len() <= RECEIPT_ERROR_OCTETS_MAX),
            network_error: None,
            user_message_reference: None,
            is_intermediate: class.is_intermediate(),
            submitted: fields.value(Name::Submitted),
            delivered: fields.value(Name::Delivered),
            submit_date: fields.value(Name::SubmitDate),
            done_date: fields.value(Name::DoneDate),
            text: fields.values[Name::Text as usize],
        };
        receipt.state = receipt.unknown_word.and_then(MessageState::from_word);
        receipt.unknown_word = receipt.unknown_word.filter(|_| receipt.state.is_none());
        receipt.take(tlvs);
        Some(receipt)
    }

    /// What TLVs say comes before the text.
    fn take(&mut self, tlvs: Tlvs<'a>) {
        for tlv in tlvs.iter() {
            match tlv.tag {
                Tag::RECEIPTED_MESSAGE_ID => {
                    self.id = Some(tlv.text()).filter(|id| !id.is_empty()).or(self.id);
                }
                Tag::MESSAGE_STATE => {
                    self.state = tlv.number().and_then(MessageState::from_number).or(self.state);
                }
                Tag::NETWORK_ERROR_CODE => {
                    if let &[network, high, low] = tlv.value {
                        let code = u16::from_be_bytes([high, low]);
                        self.network_error = Some(NetworkError { network, code });
                    }
                }
                Tag::USER_MESSAGE_REFERENCE => {
                    self.user_message_reference =
                        tlv.number().and_then(|number| number.try_into().ok());
                }
                _ => {}
            }
        }
    }
}

impl fmt::Debug for Receipt<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |octets: Option<&[u8]>| octets.map(|octets| octets.escape_ascii().to_string());
        formatter
            .debug_struct("Receipt")
            .field("id", &shown(self.id))
            .field("state", &self.state)
            .field("error", &shown(self.error))
            .field("is_intermediate", &self.is_intermediate)
            .finish_non_exhaustive()
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    let legal = digits.len() <= 9 && digits.iter().all(u8::is_ascii_digit);
    legal.then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// The names in a receipt's text.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Name {
    Id,
    Submitted,
    Delivered,
    SubmitDate,
    DoneDate,
    Stat,
    Error,
    Text,
}

/// The values in a receipt's text, by name; the first of each counts.
struct TextFields<'a> {
    values: [Option<&'a [u8]>; 8],
}

impl<'a> TextFields<'a> {
    #[inline]
    fn read(text: &'a [u8]) -> Self {
        Self::read_in_order(text).unwrap_or_else(|| Self::read_any(text))
    }

    /// A text as appendix B shows it, which most SMSCs write: all names, in its order, one blank
    /// between. `None` of any other.
    #[inline]
    fn read_in_order(text: &'a [u8]) -> Option<Self> {
        let mut rest = text;
        let id = value_of(&mut rest, b"id:")?;
        let submitted = value_of(&mut rest, b" sub:")?;
        let delivered = value_of(&mut rest, b" dlvrd:")?;
        let submit_date = value_of(&mut rest, b" submit date:")?;
        let done_date = value_of(&mut rest, b" done date:")?;
        let stat = value_of(&mut rest, b" stat:")?;
        let error = value_of(&mut rest, b" err:")?;
        let repeated = rest.strip_prefix(b" text:")?;
        // As `Name` counts them.
        let values =
            [id, submitted, delivered, submit_date, done_date, stat, error, repeated].map(Some);
        Some(Self { values })
    }

    fn read_any(text: &'a [u8]) -> Self {
        let mut fields = Self { values: [None; 8] };
        let mut at = 0;
        while let Some(&octet) = text.get(at) {
            if is_blank(octet) {
                at += 1;
                continue;
            }
            let Some((name, behind)) = name_at(text, at) else {
                at = word_end(text, at);
                continue;
            };
            if name == Name::Text {
                let is_first = fields.values.iter().all(Option::is_none);
                let value = &mut fields.values[Name::Text as usize];
                *value = value.or(Some(&text[behind..]));
                // The message that is repeated there may hold anything, names of ours too, and
                // stands last. Only where it comes before everything else are the others looked
                // for in it.
                if !is_first {
                    break;
                }
                at = behind;
                continue;
            }
            let value;
            (value, at) = value_at(text, behind);
            let field = &mut fields.values[name as usize];
            *field = field.or(Some(value));
        }
        fields
    }

    fn value(&self, name: Name) -> Option<&'a [u8]> {
        self.values[name as usize].filter(|value| !value.is_empty())
    }
}

/// The value behind this name, with which `rest` begins, up to the blank behind it, with which
/// `rest` goes on. `None` of another name, and where there is no value.
#[inline]
fn value_of<'a, const N: usize>(rest: &mut &'a [u8], name: &[u8; N]) -> Option<&'a [u8]> {
    let (first, behind) = rest.split_first_chunk::<N>()?;
    let length = first_blank(behind).filter(|&length| length > 0 && first == name)?;
    let (value, left) = behind.split_at(length);
    *rest = left;
    Some(value)
}

/// The value that begins at `at`, or behind blanks there, and where it ends. Where a name follows
/// the blanks there is no value.
#[inline]
fn value_at(text: &[u8], at: usize) -> (&[u8], usize) {
    let start = match text.get(at) {
        Some(&octet) if is_blank(octet) => {
            let start = blanks_end(text, at);
            if name_at(text, start).is_some() {
                return (&[], start);
            }
            start
        }
        _ => at,
    };
    let end = word_end(text, start);
    (&text[start..end], end)
}

/// The name that begins at `at`, and where its value begins.
#[inline]
fn name_at(text: &[u8], at: usize) -> Option<(Name, usize)> {
    let rest = text.get(at..)?;
    let (name, octets) = match rest.first()? {
        b'i' if rest.starts_with(b"id:") => (Name::Id, 3),
        b's' if rest.starts_with(b"sub:") => (Name::Submitted, 4),
        b'd' if rest.starts_with(b"dlvrd:") => (Name::Delivered, 6),
        b's' if rest.starts_with(b"submit date:") => (Name::SubmitDate, 12),
        b'd' if rest.starts_with(b"done date:") => (Name::DoneDate, 10),
        b's' if rest.starts_with(b"stat:") => (Name::Stat, 5),
        b'e' if rest.starts_with(b"err:") => (Name::Error, 4),
        b't' if rest.starts_with(b"text:") => (Name::Text, 5),
        _ => return name_otherwise(text, at),
    };
    Some((name, at + octets))
}

/// The same for names in another case, or with blanks before the colon.
fn name_otherwise(text: &[u8], at: usize) -> Option<(Name, usize)> {
    let is = |word: &[u8], at: usize| {
        text.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    let dated = |word: &[u8]| {
        let behind = at + word.len();
        let gap = usize::from(matches!(text.get(behind), Some(b' ' | b'_')));
        (is(word, at) && is(b"date", behind + gap)).then_some(behind + gap + 4)
    };
    let plain = |word: &[u8]| is(word, at).then_some(at + word.len());
    let (name, end) = match text.get(at)? | 0x20 {
        b'i' => (Name::Id, plain(b"id")?),
        b's' => match (plain(b"stat"), dated(b"submit")) {
            (Some(end), _) => (Name::Stat, end),
            (None, Some(end)) => (Name::SubmitDate, end),
            (None, None) => (Name::Submitted, plain(b"sub")?),
        },
        b'd' => match dated(b"done") {
            Some(end) => (Name::DoneDate, end),
            None => (Name::Delivered, plain(b"dlvrd")?),
        },
        b'e' => (Name::Error, plain(b"err")?),
        b't' => (Name::Text, plain(b"text")?),
        _ => return None,
    };
    let end = blanks_end(text, end);
    (text.get(end) == Some(&b':')).then_some((name, end + 1))
}

#[inline]
fn blanks_end(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|octet| is_blank(*octet)) {
        at += 1;
    }
    at
}

#[inline]
fn word_end(text: &[u8], at: usize) -> usize {
    first_blank(&text[at..]).map_or(text.len(), |length| at + length)
}

#[inline]
fn is_blank(octet: u8) -> bool {
    octet <= b' '
}

/// What the text of a receipt that is sent says.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptText<'a> {
    /// The message: digits or letters without blanks, 1 to 64 octets.
    pub id: &'a [u8],
    /// Parts that were sent, up to 999.
    pub submitted: u16,
    /// Parts that arrived, up to 999.
    pub delivered: u16,
    /// When it was submitted, Unix milliseconds.
    pub submit_ms: u64,
    /// When it ended, Unix milliseconds.
    pub done_ms: u64,
    /// The zone of both dates, in minutes east of universal time.
    pub zone_minutes: i32,
    /// What became of it.
    pub state: MessageState,
    /// Three characters.
    pub error: [u8; 3],
    /// Of the message: its first 20 octets are repeated.
    pub text: &'a [u8],
}

impl ReceiptText<'_> {
    /// Writes it as appendix B shows it and gives the octets; `None` where `out` has no room. `out`
    /// of [`super::limits::RECEIPT_TEXT_OCTETS_MAX`] octets has room for ids of 64.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let repeated = &self.text[..self.text.len().min(RECEIPT_REPEATED_OCTETS_MAX)];
        let pieces: [&[u8]; 16] = [
            b"id:",
            self.id,
            b" sub:",
            &three_digits(self.submitted),
            b" dlvrd:",
            &three_digits(self.delivered),
            b" submit date:",
            &receipt_date(self.submit_ms, self.zone_minutes),
            b" done date:",
            &receipt_date(self.done_ms, self.zone_minutes),
            b" stat:",
            self.state.word().as_bytes(),
            b" err:",
            &self.error,
            b" text:",
            repeated,
        ];
        let mut at = 0;
        for piece in pieces {
            out.get_mut(at..at + piece.len())?.copy_from_slice(piece);
            at += piece.len();
        }
        Some(at)
    }
}

fn three_digits(number: u16) -> [u8; 3] {
    let number = number.min(999);
    [number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// Values as SMSCs write them, and as they should not.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![8 => "[0-9A-Za-z]{1,20}", 1 => "[ -~]{0,9}", 1 => "(|text:|id:|[\t\n ]*)"]
    }

    const NAMES: [&str; 8] =
        ["id:", " sub:", " dlvrd:", " submit date:", " done date:", " stat:", " err:", " text:"];

    fn name(known: &'static str) -> impl Strategy<Value = String> {
        let other = prop_oneof![
            Just(known.to_ascii_uppercase()),
            Just(String::new()),
            (0..NAMES.len()).prop_map(|n| NAMES[n].to_owned()),
        ];
        prop_oneof![20 => Just(known.to_owned()), 1 => other]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn the_order_of_appendix_b_is_read_as_any_other_is(
            values in vec(value(), 8),
            names in NAMES.map(name),
        ) {
            let text: String =
                names.iter().zip(&values).flat_map(|(name, value)| [&name[..], value]).collect();
            let read = TextFields::read_in_order(text.as_bytes());
            let any = TextFields::read_any(text.as_bytes());
            prop_assert!(read.is_none_or(|read| read.values == any.values), "{}", text);
        }
    }

    #[test]
    fn a_text_as_appendix_b_shows_it_is_read_in_its_order() {
        let text = b"id:1 sub:001 dlvrd:001 submit date:2611222234 done date:2611222235 \
            stat:DELIVRD err:000 text:stat:REJECTD";
        let read = TextFields::read_in_order(text).expect("the order of appendix B");
        assert_eq!(read.value(Name::Stat), Some(&b"DELIVRD"[..]));
        assert_eq!(read.values[Name::Text as usize], Some(&b"stat:REJECTD"[..]));
    }
}
