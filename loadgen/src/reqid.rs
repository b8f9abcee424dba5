//! Request ids that name the run and the push, so that an answer or a notification leads to its
//! push by arithmetic.
//!
//! `h`, eight characters for the run, a full stop and thirteen digits: 23 octets, the longest a
//! reqid may be, so that every answer has the same length.

use wire::terms::ids::REQID_OCTETS_MAX;

/// Octets of every reqid of a run.
pub const REQID_OCTETS: usize = REQID_OCTETS_MAX;
const RUN_CHARACTERS: usize = 8;
const PREFIX_OCTETS: usize = 1 + RUN_CHARACTERS + 1;
const INDEX_DIGITS: usize = REQID_OCTETS - PREFIX_OCTETS;
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// What tells the pushes of this run from those of every other run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunId {
    prefix: [u8; PREFIX_OCTETS],
}

impl RunId {
    /// The run with this number; numbers wrap at 36^8.
    pub fn from_number(mut number: u64) -> Self {
        let mut prefix = [b'h'; PREFIX_OCTETS];
        for character in prefix[1..=RUN_CHARACTERS].iter_mut().rev() {
            *character = BASE36[(number % 36) as usize];
            number /= 36;
        }
        prefix[PREFIX_OCTETS - 1] = b'.';
        Self { prefix }
    }

    /// A run that no run of the last ninety years was given: numbered by the Unix time in
    /// milliseconds.
    pub fn from_time() -> Self {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self::from_number(now.as_millis() as u64)
    }

    /// The eight characters.
    pub fn characters(&self) -> &str {
        std::str::from_utf8(&self.prefix[1..=RUN_CHARACTERS]).unwrap_or_default()
    }

    /// Writes the reqid of push `index` (below 10^13) over `target`.
    pub fn write(&self, mut index: u64, target: &mut [u8; REQID_OCTETS]) {
        target[..PREFIX_OCTETS].copy_from_slice(&self.prefix);
        for digit in target[PREFIX_OCTETS..].iter_mut().rev() {
            *digit = b'0' + (index % 10) as u8;
            index /= 10;
        }
    }

    /// The push that `reqid` names; `None` if it is not of this run.
    pub fn index_of(&self, reqid: &[u8]) -> Option<u64> {
        let digits = reqid.strip_prefix(&self.prefix)?;
        if digits.len() != INDEX_DIGITS {
            return None;
        }
        digits.iter().try_fold(0u64, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::terms::ids::Reqid;

    #[test]
    fn a_reqid_is_legal_and_leads_back_to_its_push() {
        let run = RunId::from_number(1_795_000_000_000);
        for index in [0, 1, 999_999, 9_999_999_999_999] {
            let mut reqid = [0; REQID_OCTETS];
            run.write(index, &mut reqid);
            assert!(Reqid::parse(&reqid).is_some());
            assert_eq!(run.index_of(&reqid), Some(index));
        }
    }

    #[test]
    fn a_reqid_of_another_run_or_form_is_nobodys() {
        let run = RunId::from_number(35);
        assert_eq!(run.characters(), "0000000z");
        let mut reqid = [0; REQID_OCTETS];
        RunId::from_number(36).write(5, &mut reqid);
        assert_eq!(run.index_of(&reqid), None);
        run.write(5, &mut reqid);
        assert_eq!(run.index_of(&reqid[..22]), None);
        reqid[20] = b'x';
        assert_eq!(run.index_of(&reqid), None);
        assert_eq!(run.index_of(b""), None);
    }
}
