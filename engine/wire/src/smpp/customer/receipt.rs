//! The end of a push as a deliver_sm.

use std::fmt;

use super::super::address::{Country, DestinationForm, destination, npi, source, ton};
use super::super::coding::{Alphabet, EsmClass, read_text, write_text};
use super::super::id::OwnId;
use super::super::limits::{RECEIPT_REPEATED_OCTETS_MAX, RECEIPT_TEXT_OCTETS_MAX};
use super::super::pdu::Message;
use super::super::receipt::ReceiptText;
use super::super::tlv::{Tag, TlvWriter};
use super::outcome::{error_of, state_of};
use crate::push::limits::SENDER_OCTETS_MAX;
use crate::sms::septets::unpack;
use crate::sms::tpdu::Submit;
use crate::sms::user_data::Payload;
use crate::terms::code::Code;
use crate::terms::ids::Msn;

/// Octets of a receipt with everything that may be in it: enough for the PDU.
pub const RECEIPT_OCTETS_MAX: usize = 384;
/// Octets of a receipt's TLVs: an id of 19 digits with its NUL, a state, a reference.
const TLVS_OCTETS_MAX: usize = 40;

/// The septet before one of the extension table (TS 23.038, 6.2.1.1).
const ESCAPE: u8 = 0x1B;

/// An originating address: digits or letters, 1 to 11 octets; empty where a record lacks one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sender {
    octets: [u8; SENDER_OCTETS_MAX],
    length: u8,
}

impl Sender {
    /// `None` where it is too long.
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut octets = [0; SENDER_OCTETS_MAX];
        octets.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { octets, length: text.len() as u8 })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// The first characters of a push's text, in octets of data_coding 0 as its customer writes them;
/// empty where they are not to be repeated, or are no text of that coding.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Repeated {
    octets: [u8; RECEIPT_REPEATED_OCTETS_MAX],
    length: u8,
}

impl Repeated {
    /// Of a push's first SMS-SUBMIT.
    pub fn of_submit(submit: &[u8], alphabet: Alphabet) -> Self {
        let mut septets = [0; RECEIPT_REPEATED_OCTETS_MAX];
        let payload = Submit::decode(submit).map(|submit| submit.user_data.payload());
        let Ok(Payload::Septets { octets, first, count, .. }) = payload else {
            return Self::default();
        };
        let mut count = usize::from(count).min(septets.len());
        unpack(octets, usize::from(first), &mut septets[..count]);
        // Half a character is none.
        count -= usize::from(septets[..count].last() == Some(&ESCAPE));
        if alphabet == Alphabet::Gsm {
            return Self { octets: septets, length: count as u8 };
        }
        let (mut text, mut octets) = (String::new(), [0; RECEIPT_REPEATED_OCTETS_MAX]);
        read_text(&septets[..count], Alphabet::Gsm, &mut text);
        let length = write_text(&text, alphabet, &mut octets).unwrap_or_default();
        Self { octets, length: length as u8 }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

impl fmt::Debug for Repeated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text is nobody's to read.
        formatter.debug_struct("Repeated").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The end of a push, as its customer is told it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// The push's key, which its message_id is made of.
    pub key: u64,
    /// Its destination.
    pub msn: Msn,
    /// Whether the customer named it as it is dialled within the country.
    pub is_national: bool,
    /// Its originating address.
    pub sender: Sender,
    /// SMS of it.
    pub segments: u8,
    /// Of these those that arrived.
    pub delivered: u8,
    /// When it was accepted, Unix milliseconds.
    pub accepted_ms: u64,
    /// When it ended, Unix milliseconds.
    pub ended_ms: u64,
    /// How.
    pub code: Code,
    /// Whether it was cancelled: code 0000 then means that it was withdrawn.
    pub cancelled: bool,
    /// What the submit_sm had as its user_message_reference.
    pub reference: Option<u16>,
    /// What is repeated of its text.
    pub text: Repeated,
}

impl Told {
    /// Whether it was delivered.
    pub fn is_delivered(&self) -> bool {
        self.code == Code::ACCEPTED && !self.cancelled
    }
}

/// Has `write` take the deliver_sm that tells of a push; the dates are in a zone so many minutes
/// east of universal time.
pub fn write_receipt<T>(
    told: &Told,
    country: Country,
    zone_minutes: i32,
    write: impl FnOnce(&Message<'_>) -> T,
) -> T {
    use super::super::receipt::MessageState::Deleted;
    let id = OwnId::new(told.key);
    let state = if told.cancelled { Deleted } else { state_of(told.code) };
    let text = ReceiptText {
        id: id.digits(),
        submitted: u16::from(told.segments),
        delivered: u16::from(told.delivered),
        submit_ms: told.accepted_ms,
        done_ms: told.ended_ms,
        zone_minutes,
        state,
        error: error_of(told.code),
        text: told.text.as_bytes(),
    };
    let mut octets = [0; RECEIPT_TEXT_OCTETS_MAX];
    let written = text.write(&mut octets).unwrap_or_default();
    let mut space = [0; TLVS_OCTETS_MAX];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.text(Tag::RECEIPTED_MESSAGE_ID, id.digits()).octet(Tag::MESSAGE_STATE, state.number());
    if let Some(reference) = told.reference {
        tlvs.short(Tag::USER_MESSAGE_REFERENCE, reference);
    }
    let form = match told.is_national {
        true => DestinationForm::National,
        false => DestinationForm::International,
    };
    // The addresses are those of the submit_sm, the other way round.
    let phone = destination(told.msn, country, form);
    let sender = source(told.sender.as_bytes(), country, ton::UNKNOWN, npi::UNKNOWN);
    let sender = sender.as_ref().map(|sender| sender.as_address()).unwrap_or_default();
    write(&Message {
        source: phone.as_address(),
        destination: sender,
        esm_class: EsmClass::RECEIPT,
        short_message: &octets[..written],
        tlvs: tlvs.finish().unwrap_or_default(),
        ..Message::default()
    })
}
