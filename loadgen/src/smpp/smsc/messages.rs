//! The messages that an SMSC has taken and whose receipts are not acknowledged.

use super::{Ids, ReceiptForm};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write as _;
use wire::smpp::address::Address;
use wire::smpp::coding::EsmClass;
use wire::smpp::id::IdForm;
use wire::smpp::limits::{ADDRESS_OCTETS_MAX, RECEIPT_TEXT_OCTETS_MAX};
use wire::smpp::pdu::Message;
use wire::smpp::receipt::{MessageState, ReceiptText};
use wire::smpp::tlv::{Tag, TlvWriter};

/// Octets of the longest id: 20 digits.
pub(super) const ID_OCTETS_MAX: usize = 20;
/// Digits of a number that is written as text.
const TEXT_DIGITS: usize = 10;
/// What a message was delivered with, and what it was not.
const NO_ERROR: [u8; 3] = *b"000";
const SOME_ERROR: [u8; 3] = *b"001";

/// An id as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenId {
    octets: [u8; ID_OCTETS_MAX],
    length: u8,
}

impl WrittenId {
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    fn of(number: u64, form: IdForm) -> Self {
        let mut octets = [0; ID_OCTETS_MAX];
        let mut rest = &mut octets[..];
        // Twenty octets hold every number of 64 bits.
        let _ = match form {
            IdForm::Text => write!(rest, "{number:0TEXT_DIGITS$}"),
            IdForm::Hex => write!(rest, "{number:08X}"),
            IdForm::Decimal => write!(rest, "{number}"),
        };
        let length = (ID_OCTETS_MAX - rest.len()) as u8;
        Self { octets, length }
    }
}

impl Ids {
    /// The id of message `number` in an answer.
    pub(super) fn in_answer(&self, number: u64) -> WrittenId {
        WrittenId::of(number, self.response)
    }

    /// The same in a receipt.
    pub(super) fn in_receipt(&self, number: u64) -> WrittenId {
        match self.receipt {
            IdForm::Text => self.in_answer(number),
            form => WrittenId::of(number, form),
        }
    }

    /// The message that an id of an answer names.
    pub(super) fn number_of(&self, id: &[u8]) -> Option<u64> {
        let base = if self.response == IdForm::Hex { 16 } else { 10 };
        u64::from_str_radix(std::str::from_utf8(id).ok()?, base).ok()
    }
}

/// An address with room of its own.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    ton: u8,
    npi: u8,
    length: u8,
    digits: [u8; ADDRESS_OCTETS_MAX],
}

impl Kept {
    fn of(address: &Address<'_>) -> Self {
        let length = address.digits.len().min(ADDRESS_OCTETS_MAX - 1);
        let mut kept =
            Self { ton: address.ton, npi: address.npi, length: length as u8, ..Self::default() };
        kept.digits[..length].copy_from_slice(&address.digits[..length]);
        kept
    }

    fn address(&self) -> Address<'_> {
        Address { ton: self.ton, npi: self.npi, digits: &self.digits[..usize::from(self.length)] }
    }
}

/// A message that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) account: usize,
    pub(super) state: MessageState,
    pub(super) submitted_unix_ms: u64,
    /// Whether its receipt was sent before.
    pub(super) was_sent: bool,
    /// Whether its receipt goes out a second time.
    pub(super) doubled: bool,
    /// Whether its receipt stands in its account's line, or is on its way.
    pub(super) in_line: bool,
    source: Kept,
    destination: Kept,
    reference: Option<u16>,
}

impl Taken {
    pub(super) fn of(message: &Message<'_>, number: u64, account: usize, unix_ms: u64) -> Self {
        let reference = message.tlvs.number(Tag::USER_MESSAGE_REFERENCE);
        Self {
            number,
            account,
            state: MessageState::Delivered,
            submitted_unix_ms: unix_ms,
            was_sent: false,
            doubled: false,
            in_line: false,
            source: Kept::of(&message.source),
            destination: Kept::of(&message.destination),
            reference: reference.and_then(|number| u16::try_from(number).ok()),
        }
    }

    /// Gives its receipt to `with`.
    pub(super) fn with_receipt<T>(
        &self,
        ids: &Ids,
        form: ReceiptForm,
        unix_ms: u64,
        with: impl FnOnce(&Message<'_>) -> T,
    ) -> T {
        let id = ids.in_receipt(self.number);
        let is_delivered = self.state == MessageState::Delivered;
        let receipt = ReceiptText {
            id: id.octets(),
            submitted: 1,
            delivered: u16::from(is_delivered),
            submit_ms: self.submitted_unix_ms,
            done_ms: unix_ms,
            zone_minutes: 0,
            state: self.state,
            error: if is_delivered { NO_ERROR } else { SOME_ERROR },
            text: b"",
        };
        let (mut text, mut space) = ([0; RECEIPT_TEXT_OCTETS_MAX], [0; 64]);
        let octets = if form == ReceiptForm::Tlv { Some(0) } else { receipt.write(&mut text) };
        let mut tlvs = TlvWriter::new(&mut space);
        if form != ReceiptForm::Text {
            tlvs.text(Tag::RECEIPTED_MESSAGE_ID, id.octets());
            tlvs.octet(Tag::MESSAGE_STATE, self.state.number());
        }
        if let Some(reference) = self.reference {
            tlvs.short(Tag::USER_MESSAGE_REFERENCE, reference);
        }
        let message = Message {
            source: self.destination.address(),
            destination: self.source.address(),
            esm_class: EsmClass::RECEIPT,
            short_message: &text[..octets.unwrap_or_default()],
            tlvs: tlvs.finish().unwrap_or_default(),
            ..Message::default()
        };
        with(&message)
    }
}

/// Where a message is kept.
pub(super) type Slot = u32;

/// The receipt of the message of this number, in this slot, is due at this time.
type Due = (u64, u64, Slot);

/// All of them, and when their receipts are due.
#[derive(Default)]
pub(super) struct Messages {
    slots: Vec<Option<Taken>>,
    free: Vec<Slot>,
    due: BinaryHeap<Reverse<Due>>,
}

impl Messages {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, taken: Taken) -> Slot {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(taken);
                slot
            }
            None => {
                self.slots.push(Some(taken));
                (self.slots.len() - 1) as Slot
            }
        }
    }

    pub(super) fn get(&mut self, slot: Slot) -> Option<&mut Taken> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Taken> {
        let taken = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(taken)
    }

    /// The one with this number.
    pub(super) fn find(&self, number: u64) -> Option<Slot> {
        let at = self
            .slots
            .iter()
            .position(|taken| taken.is_some_and(|taken| taken.number == number))?;
        Some(at as Slot)
    }

    /// The receipt of the one in `slot` is due then.
    pub(super) fn schedule(&mut self, slot: Slot, due_ms: u64) {
        if let Some(number) = self.get(slot).map(|taken| taken.number) {
            self.due.push(Reverse((due_ms, number, slot)));
        }
    }

    /// One whose receipt is due and that stands in no line yet.
    pub(super) fn next_due(&mut self, now_ms: u64) -> Option<Slot> {
        while let Some(&Reverse((due_ms, number, slot))) = self.due.peek() {
            if due_ms > now_ms {
                break;
            }
            self.due.pop();
            // It may be gone, and another one in its place.
            if self.get(slot).is_some_and(|taken| taken.number == number && !taken.in_line) {
                return Some(slot);
            }
        }
        None
    }

    /// When the next one is.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((due_ms, ..))| *due_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_in_its_form_and_found_again() {
        let ids = |response, receipt| Ids { response, receipt, first: 1 };
        for (response, receipt, answer, told) in [
            (IdForm::Text, IdForm::Text, "0000048879", "0000048879"),
            (IdForm::Hex, IdForm::Decimal, "0000BEEF", "48879"),
            (IdForm::Decimal, IdForm::Hex, "48879", "0000BEEF"),
            (IdForm::Hex, IdForm::Text, "0000BEEF", "0000BEEF"),
        ] {
            let ids = ids(response, receipt);
            assert_eq!(ids.in_answer(48_879).octets(), answer.as_bytes());
            assert_eq!(ids.in_receipt(48_879).octets(), told.as_bytes());
            assert_eq!(ids.number_of(answer.as_bytes()), Some(48_879));
        }
        let longest = WrittenId::of(u64::MAX, IdForm::Decimal);
        assert_eq!(longest.octets(), b"18446744073709551615");
    }
}
