//! Reads a PDU's fields one by one and never beyond its end.

use super::error::{Fault, Field, PduError};
use super::oddities::Oddities;
use super::words::first_zero;

/// A place in a PDU. Offsets in errors count from the PDU's first octet.
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
    /// What was read around so far.
    pub(super) oddities: Oddities,
}

impl<'a> Reader<'a> {
    /// Reads `octets`, a whole PDU of at most 64 KiB, from octet `at` on.
    #[inline]
    pub(super) fn new(octets: &'a [u8], at: usize) -> Self {
        Self { octets, at: at.min(octets.len()), oddities: Oddities::NONE }
    }

    /// What has not been read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.octets[self.at..]
    }

    /// An error in `field`, which begins where the reader stands.
    pub(super) fn error(&self, field: Field, fault: Fault) -> PduError {
        PduError { field, offset: self.at as u16, fault }
    }

    /// One octet.
    #[inline]
    pub(super) fn octet(&mut self, field: Field) -> Result<u8, PduError> {
        match self.octets.get(self.at) {
            Some(&octet) => {
                self.at += 1;
                Ok(octet)
            }
            None => Err(self.error(field, Fault::Truncated)),
        }
    }

    /// `count` octets, or all there are where there are fewer.
    #[inline]
    pub(super) fn octets_up_to(&mut self, count: usize) -> &'a [u8] {
        let end = (self.at + count).min(self.octets.len());
        let taken = &self.octets[self.at..end];
        self.at = end;
        taken
    }

    /// A C-octet string of at most `max` octets with its NUL, which is left out (SMPP 3.4, 3.1).
    #[inline]
    pub(super) fn text(&mut self, field: Field, max: usize) -> Result<&'a [u8], PduError> {
        let rest = &self.octets[self.at..];
        if let Some(0) = rest.first() {
            self.at += 1;
            return Ok(&[]);
        }
        let within = &rest[..rest.len().min(max)];
        match first_zero(within) {
            Some(length) => {
                self.at += length + 1;
                Ok(&within[..length])
            }
            None if rest.len() < max => Err(self.error(field, Fault::Truncated)),
            None => Err(self.error(field, Fault::Unterminated { max: max as u16 })),
        }
    }

    /// The same where the text is the last of the PDU: one that the PDU's end cuts off is taken as
    /// it is.
    #[inline]
    pub(super) fn last_text(&mut self, field: Field, max: usize) -> Result<&'a [u8], PduError> {
        match self.text(field, max) {
            Err(PduError { fault: Fault::Truncated, .. }) => {
                self.oddities = self.oddities.with(Oddities::UNTERMINATED);
                Ok(self.octets_up_to(max))
            }
            read => read,
        }
    }

    /// The end of a PDU that has no optional part: one octet more is read around, and so is an
    /// optional part that nobody asked for, if it is one.
    pub(super) fn end(&mut self) {
        let oddity = match self.rest().len() {
            0 => return,
            1 => Oddities::SURPLUS_OCTET,
            _ => Oddities::NEEDLESS_BODY,
        };
        self.oddities = self.oddities.with(oddity);
        self.at = self.octets.len();
    }
}
