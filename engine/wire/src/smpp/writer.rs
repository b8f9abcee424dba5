//! Writes a PDU's fields into the caller's buffer.

use super::command::Command;
use super::error::{Fault, Field, PduError};
use super::limits::HEADER_OCTETS;
use super::status::Status;
use super::words::first_zero;

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
