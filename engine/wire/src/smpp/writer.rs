//! Writes a PDU's fields into the caller's buffer.

use super::command::Command;
use super::error::{Fault, Field, PduError};
use super::limits::HEADER_OCTETS;
use super::status::Status;
use super::words::{first_zero, zeros_of};

/// A PDU on its way into a buffer.
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    /// Begins behind the header, which [`Writer::finish`] writes.
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: HEADER_OCTETS }
    }

    /// The part before a message's text, written at once by `write`; `false` where that cannot be,
    /// and nothing has been written.
    #[inline(always)]
    pub(super) fn head(&mut self, write: impl FnOnce(&mut Head<'_>)) -> bool {
        debug_assert_eq!(self.at, HEADER_OCTETS, "it is the first part");
        let Some(mut head) = Head::new(self.out) else { return false };
        write(&mut head);
        match head.finish() {
            Some(at) => {
                self.at = at;
                true
            }
            None => false,
        }
    }

    fn error(&self, field: Field, fault: Fault) -> PduError {
        PduError { field, offset: self.at as u16, fault }
    }

    /// Octets as they are.
    #[inline]
    pub(super) fn octets<const N: usize>(
        &mut self,
        field: Field,
        octets: [u8; N],
    ) -> Result<(), PduError> {
        match self.out.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            Some(target) => *target = octets,
            None => return Err(self.error(field, Fault::NoRoom)),
        }
        self.at += N;
        Ok(())
    }

    /// A C-octet string of at most `max` octets with its NUL.
    #[inline]
    pub(super) fn text(&mut self, field: Field, text: &[u8], max: usize) -> Result<(), PduError> {
        if text.is_empty() {
            return self.octets(field, [0]);
        }
        if text.len() >= max || first_zero(text).is_some() {
            return Err(self.error(field, Fault::TooLong { max: max as u16 }));
        }
        self.bytes(field, text)?;
        self.octets(field, [0])
    }

    /// Octets of any number.
    #[inline]
    pub(super) fn bytes(&mut self, field: Field, octets: &[u8]) -> Result<(), PduError> {
        let end = self.at + octets.len();
        match self.out.get_mut(self.at..end) {
            Some(target) => target.copy_from_slice(octets),
            None => return Err(self.error(field, Fault::NoRoom)),
        }
        self.at = end;
        Ok(())
    }

    /// The same where they are few: as words that overlap, which costs less than a call of the
    /// library's copy.
    #[inline]
    pub(super) fn few(&mut self, field: Field, octets: &[u8]) -> Result<(), PduError> {
        let length = octets.len();
        if let Some(target) = self.out.get_mut(self.at..self.at + length)
            && let (Some(first), Some(last)) = (octets.first_chunk::<4>(), octets.last_chunk::<4>())
            && length <= WORD
            && let Some(place) = target.first_chunk_mut()
        {
            *place = *first;
            if let Some(place) = target.last_chunk_mut() {
                *place = *last;
            }
            self.at += length;
            return Ok(());
        }
        self.bytes(field, octets)
    }

    /// A message with its length before it.
    #[inline]
    pub(super) fn message(&mut self, message: &[u8], max: usize) -> Result<(), PduError> {
        if message.len() > max {
            return Err(self.error(Field::ShortMessage, Fault::TooLong { max: max as u16 }));
        }
        self.octets(Field::SmLength, [message.len() as u8])?;
        self.bytes(Field::ShortMessage, message)
    }

    /// Writes the header and gives the octets of the whole PDU (SMPP 3.4, 3.2).
    #[inline]
    pub(super) fn finish(
        self,
        command: Command,
        status: Status,
        sequence: u32,
    ) -> Result<usize, PduError> {
        let Self { out, at } = self;
        let Some(header) = out.first_chunk_mut::<HEADER_OCTETS>() else {
            return Err(PduError { field: Field::Header, offset: 0, fault: Fault::NoRoom });
        };
        header[0..4].copy_from_slice(&(at as u32).to_be_bytes());
        header[4..8].copy_from_slice(&command.0.to_be_bytes());
        header[8..12].copy_from_slice(&status.0.to_be_bytes());
        header[12..16].copy_from_slice(&sequence.to_be_bytes());
        Ok(at)
    }
}

/// Octets of a message's PDU before its text: header, service type, two addresses, two times and
/// twelve single octets, and what is written beyond them for a moment.
const HEAD_OCTETS: usize = 128 + WORD;
/// Every place in a head is below this, a power of two.
const HEAD_PLACES: usize = 128;
const WORD: usize = 8;

/// The part of a message's PDU before its text, written where there is room for the longest: no
/// octet needs to be asked whether it has a place. Texts are copied as words that overlap, for a
/// call of the library's copy costs more than the few octets.
pub(super) struct Head<'a> {
    out: &'a mut [u8; HEAD_OCTETS],
    at: usize,
    /// Not zero once a text had a zero, or was longer than its field.
    wrong: u64,
}

impl<'a> Head<'a> {
    /// Begins behind the header; `None` where the buffer is too short for any message.
    #[inline(always)]
    pub(super) fn new(out: &'a mut [u8]) -> Option<Self> {
        Some(Self { out: out.first_chunk_mut()?, at: HEADER_OCTETS, wrong: 0 })
    }

    #[inline(always)]
    pub(super) fn octets<const N: usize>(&mut self, octets: [u8; N]) {
        self.put(self.at, octets);
        self.at += N;
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, at: usize, octets: [u8; N]) {
        const { assert!(N <= WORD) };
        debug_assert!(at < HEAD_PLACES, "texts within their bounds leave room");
        let at = at & (HEAD_PLACES - 1);
        self.out[at..at + N].copy_from_slice(&octets);
    }

    /// A C-octet string of at most `max` octets with its NUL, 24 at most.
    #[inline(always)]
    pub(super) fn text(&mut self, text: &[u8], max: usize) {
        let length = text.len();
        if length >= max || max > 3 * WORD {
            self.wrong = 1;
            return;
        }
        let at = self.at;
        if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            self.word(at, *first);
            if max > 2 * WORD + 1
                && length > 2 * WORD
                && let Some(middle) = text[8..].first_chunk::<8>()
            {
                self.word(at + 8, *middle);
            }
            self.word(at + length - 8, *last);
        } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>())
        {
            let both =
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
            self.wrong |= zeros_of(both);
            self.put(at, *first);
            self.put(at + length - 4, *last);
        } else {
            for octet in text.iter().take(3) {
                self.wrong |= u64::from(*octet == 0);
                self.octets([*octet]);
            }
            self.octets([0]);
            return;
        }
        self.put(at + length, [0]);
        self.at = at + length + 1;
    }

    #[inline(always)]
    fn word(&mut self, at: usize, word: [u8; WORD]) {
        self.wrong |= zeros_of(u64::from_le_bytes(word));
        self.put(at, word);
    }

    /// How far it is; `None` where a text was none.
    #[inline(always)]
    pub(super) fn finish(self) -> Option<usize> {
        (self.wrong == 0).then_some(self.at)
    }
}
