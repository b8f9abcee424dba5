//! Writes a TPDU field by field.

use crate::sms::error::{Fault, Field, TpduError, clamp};
use crate::sms::limits::TPDU_OCTETS_MAX;
use crate::sms::user_data::UserData;

/// Counts what it is given even where it no longer fits, so that the error can say how much room is
/// needed.
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    position: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, position: 0 }
    }

    pub(super) fn octet(&mut self, octet: u8) {
        self.octets(&[octet]);
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        let end = self.position + octets.len();
        if let Some(target) = self.out.get_mut(self.position..end) {
            target.copy_from_slice(octets);
        }
        self.position = end;
    }

    /// TP-UDL and TP-UD.
    pub(super) fn user_data(
        &mut self,
        user_data: &UserData<'_>,
        octets_max: usize,
    ) -> Result<(), TpduError> {
        user_data.check(self.position, octets_max)?;
        self.octet(user_data.length);
        self.octets(user_data.octets);
        Ok(())
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The octets written, if they all fitted and are no more than a TPDU may have.
    pub(super) fn finish(self) -> Result<usize, TpduError> {
        if self.position > TPDU_OCTETS_MAX {
            let fault =
                Fault::TooLarge { value: clamp(self.position), max: clamp(TPDU_OCTETS_MAX) };
            return Err(TpduError::new(Field::End, TPDU_OCTETS_MAX, fault));
        }
        if self.position > self.out.len() {
            return Err(TpduError::no_room(self.position, self.out.len()));
        }
        Ok(self.position)
    }
}

/// `bit` where `condition` holds, else nothing.
pub(super) const fn flag(condition: bool, bit: u8) -> u8 {
    if condition { bit } else { 0 }
}
