//! What became of a row, in 32 bits: the outcome, segments, attempts, and seconds since the start.

use serde::{Deserialize, Serialize};

use super::life::End;

/// What kind of outcome it is; a broadcast's rows are always the sum of all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// Its turn has not come.
    Waiting,
    /// An attempt is under way.
    InFlight,
    /// It is tried again later.
    Held,
    /// A carrier has it.
    HandedOver,
    /// It arrived.
    Delivered,
    /// Some of its segments arrived.
    Partial,
    /// A right or a contract lacks.
    Refused,
    /// It did not arrive.
    Failed,
    /// Its time was over.
    Expired,
    /// It was withdrawn.
    Cancelled,
    /// A newer text takes its place.
    Replaced,
    /// It was never to be sent: 7001 to 7003, 7005.
    Skipped,
    /// It may have arrived, nobody said so, and it is not sent again: 7004, or 6013 where a carrier
    /// has it and sent no receipt.
    InDoubt,
}

/// Kinds of outcomes.
pub const OUTCOMES: [Outcome; 13] = [
    Outcome::Waiting,
    Outcome::InFlight,
    Outcome::Held,
    Outcome::HandedOver,
    Outcome::Delivered,
    Outcome::Partial,
    Outcome::Refused,
    Outcome::Failed,
    Outcome::Expired,
    Outcome::Cancelled,
    Outcome::Replaced,
    Outcome::Skipped,
    Outcome::InDoubt,
];

impl Outcome {
    /// Whether nothing happens to the row any more.
    pub fn is_final(self) -> bool {
        self >= Self::Delivered
    }

    /// Whether the phone has the text, or some of it, or may have.
    pub fn may_have_arrived(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Partial | Self::HandedOver | Self::InFlight | Self::InDoubt
        )
    }

    /// Whether a row's word may change from this to `next`: a table.
    pub fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (_, Self::Waiting) => false,
            // A right may be gone or the time over before the first attempt; and of what a crash
            // left in doubt a late report may come before it is attempted again, or a record may
            // say that a carrier has it.
            (Self::Waiting, _) => true,
            (Self::InFlight, Self::InFlight) => false,
            (Self::InFlight, _) => true,
            // A late report ends what is held, and a carrier may have taken what was in doubt.
            (Self::Held, _) => true,
            // A late receipt is an outcome, and a carrier may give a row back.
            (Self::HandedOver, Self::InFlight | Self::HandedOver) => false,
            (Self::HandedOver, _) => true,
            (from, _) => {
                debug_assert!(from.is_final(), "the table names every state");
                false
            }
        }
    }

    /// Its name, as results and reports have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::InFlight => "in_flight",
            Self::Held => "held",
            Self::HandedOver => "handed_over",
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::Skipped => "skipped",
            Self::InDoubt => "in_doubt",
        }
    }

    /// The outcome of this name.
    pub fn parse(word: &str) -> Option<Self> {
        OUTCOMES.into_iter().find(|outcome| outcome.word() == word)
    }
}

impl From<End> for Outcome {
    /// What rows that never began become.
    fn from(end: End) -> Self {
        match end {
            End::Cancelled => Self::Cancelled,
            End::Expired => Self::Expired,
            End::Replaced => Self::Replaced,
        }
    }
}

/// No text for the row's language.
pub const NO_TEXT: u16 = 7001;
/// On a list of those who want none.
pub const SUPPRESSED: u16 = 7002;
/// It had this text already.
pub const HAD_IT: u16 = 7003;
/// It may have arrived and is not sent again.
pub const LEFT_IN_DOUBT: u16 = 7004;
/// The other broadcast, of whose rows it is for some, did not come to such an end with it.
pub const NOT_MEANT: u16 = 7005;

/// What the first bits of a word can be: outcomes with their codes, 0 where there is none. The
/// places are part of the format and never change; new ones come behind.
const REASONS: &[(Outcome, u16)] = &[
    (Outcome::Waiting, 0),
    (Outcome::InFlight, 0),
    (Outcome::Held, 0),
    (Outcome::HandedOver, 0),
    (Outcome::Delivered, 0),
    (Outcome::Partial, 6011),
    (Outcome::Refused, 0),
    (Outcome::Failed, 0),
    (Outcome::Expired, 6001),
    (Outcome::Cancelled, 0),
    (Outcome::Replaced, 11),
    (Outcome::Skipped, 0),
    (Outcome::InDoubt, LEFT_IN_DOUBT),
    (Outcome::Held, 6006),
    (Outcome::Held, 6007),
    (Outcome::Held, 6008),
    (Outcome::Held, 6005),
    (Outcome::Held, 5004),
    (Outcome::Refused, 2005),
    (Outcome::Refused, 2006),
    (Outcome::Refused, 5001),
    (Outcome::Refused, 5002),
    (Outcome::Refused, 5003),
    (Outcome::Refused, 5004),
    (Outcome::Refused, 5005),
    (Outcome::Failed, 6002),
    (Outcome::Failed, 6003),
    (Outcome::Failed, 6004),
    (Outcome::Failed, 6005),
    (Outcome::Failed, 6009),
    (Outcome::Failed, 6012),
    (Outcome::Failed, 6013),
    (Outcome::Failed, 6006),
    (Outcome::Failed, 6007),
    (Outcome::Failed, 6008),
    (Outcome::Expired, 6006),
    (Outcome::Expired, 6007),
    (Outcome::Expired, 6008),
    (Outcome::Expired, 6005),
    (Outcome::Expired, 5004),
    (Outcome::Cancelled, 12),
    (Outcome::Skipped, NO_TEXT),
    (Outcome::Skipped, SUPPRESSED),
    (Outcome::Skipped, HAD_IT),
    (Outcome::Skipped, NOT_MEANT),
    (Outcome::InDoubt, 6013),
    (Outcome::Failed, 6010),
    (Outcome::Failed, 6001),
    (Outcome::Failed, 11),
];

/// The place of an outcome with its code; a code that has none is not kept.
fn reason_of(outcome: Outcome, code: u16) -> u32 {
    let found = REASONS.iter().position(|reason| *reason == (outcome, code));
    found.unwrap_or(outcome as usize) as u32
}

const OUTCOME_BITS: u32 = 6;
const SEGMENT_BITS: u32 = 4;
const ATTEMPT_BITS: u32 = 4;
const SECOND_BITS: u32 = 18;
const _: () = assert!(OUTCOME_BITS + SEGMENT_BITS + ATTEMPT_BITS + SECOND_BITS == 32);
const _: () = assert!(REASONS.len() <= 1 << OUTCOME_BITS);
/// 72 hours, the longest that a broadcast lasts, fit into a word's seconds: just.
const SECONDS_MAX: u32 = (1 << SECOND_BITS) - 1;
const _: () = assert!(SECONDS_MAX >= 72 * 3600);

/// A row's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowWord {
    /// What became of it.
    pub outcome: Outcome,
    /// The code that goes with it; 0 where there is none.
    pub code: u16,
    /// Segments that arrived, at most 10.
    pub segments: u8,
    /// Attempts; beyond 15 they count as 15.
    pub attempts: u8,
    /// When it became so, in seconds since the start; the last that fits, beyond.
    pub seconds: u32,
}

impl RowWord {
    /// A row whose turn has not come.
    pub const WAITING: Self =
        Self { outcome: Outcome::Waiting, code: 0, segments: 0, attempts: 0, seconds: 0 };

    /// As it is kept.
    pub fn to_bits(self) -> u32 {
        let outcome = reason_of(self.outcome, self.code);
        let segments = u32::from(self.segments.min(15)) << OUTCOME_BITS;
        let attempts = u32::from(self.attempts.min(15)) << (OUTCOME_BITS + SEGMENT_BITS);
        let seconds = self.seconds.min(SECONDS_MAX) << (OUTCOME_BITS + SEGMENT_BITS + ATTEMPT_BITS);
        outcome | segments | attempts | seconds
    }

    /// `None` where nothing ever wrote it.
    pub fn from_bits(bits: u32) -> Option<Self> {
        let take = |from: u32, count: u32| bits >> from & ((1 << count) - 1);
        let &(outcome, code) = REASONS.get(take(0, OUTCOME_BITS) as usize)?;
        Some(Self {
            outcome,
            code,
            segments: take(OUTCOME_BITS, SEGMENT_BITS) as u8,
            attempts: take(OUTCOME_BITS + SEGMENT_BITS, ATTEMPT_BITS) as u8,
            seconds: bits >> (OUTCOME_BITS + SEGMENT_BITS + ATTEMPT_BITS),
        })
    }

    /// The word with another outcome.
    ///
    /// # Panics
    /// Where the table does not allow it: whoever asks has a bug.
    pub fn becoming(self, outcome: Outcome, seconds: u32) -> Self {
        assert!(self.outcome.may_become(outcome), "{:?} never becomes {outcome:?}", self.outcome);
        let attempts = self.attempts.saturating_add(u8::from(outcome == Outcome::InFlight)).min(15);
        // What a carrier has was attempted, in whatever order that is heard of.
        let attempts = attempts.max(u8::from(outcome == Outcome::HandedOver));
        Self { outcome, code: REASONS[outcome as usize].1, attempts, seconds, ..self }
    }
}

/// Rows by outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts([u32; OUTCOMES.len()]);

impl Counts {
    /// All rows wait.
    pub fn waiting(rows: u32) -> Self {
        let mut counts = Self::default();
        counts.0[Outcome::Waiting as usize] = rows;
        counts
    }

    /// Rows of one outcome.
    pub fn of(&self, outcome: Outcome) -> u32 {
        self.0[outcome as usize]
    }

    /// All rows: the number that a broadcast was targeted at.
    pub fn sum(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Rows that have not ended.
    pub fn open(&self) -> u32 {
        let open = OUTCOMES.into_iter().filter(|outcome| !outcome.is_final());
        open.map(|outcome| self.of(outcome)).sum()
    }

    /// Moves rows from one outcome to another.
    ///
    /// # Panics
    /// Where there are not so many.
    pub fn shift(&mut self, from: Outcome, to: Outcome, rows: u32) {
        let left = self.0[from as usize].checked_sub(rows);
        assert!(left.is_some(), "{rows} of {} rows that are {from:?}", self.of(from));
        self.0[from as usize] = left.unwrap_or_default();
        self.0[to as usize] += rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_was_written() {
        for &(outcome, code) in REASONS {
            for (segments, attempts, seconds) in
                [(0, 0, 0), (10, 3, 259_200), (15, 15, SECONDS_MAX)]
            {
                let word = RowWord { outcome, code, segments, attempts, seconds };
                assert_eq!(RowWord::from_bits(word.to_bits()), Some(word));
            }
        }
        for (place, outcome) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(REASONS[place].0, outcome, "the first places are the outcomes' own");
            assert_eq!(Outcome::parse(outcome.word()), Some(outcome));
        }
        assert_eq!(RowWord::WAITING.to_bits(), 0, "a new file of zeros is rows that wait");
        assert_eq!(RowWord::from_bits(63), None);
        let long = RowWord { seconds: u32::MAX, attempts: 200, ..RowWord::WAITING };
        let read = RowWord::from_bits(long.to_bits()).expect("a word");
        assert_eq!((read.seconds, read.attempts), (SECONDS_MAX, 15));
    }

    #[test]
    fn what_is_final_stays_and_what_is_open_can_end_every_way() {
        for from in OUTCOMES {
            for to in OUTCOMES {
                let may = from.may_become(to);
                assert!(!(may && from.is_final()), "{from:?} {to:?}");
                let is_plain_end =
                    to.is_final() && !matches!(to, Outcome::Delivered | Outcome::Partial);
                assert!(from.is_final() || !is_plain_end || may, "{from:?} {to:?}");
            }
            let arrives = from.may_become(Outcome::Delivered);
            assert_eq!(arrives, !from.is_final(), "{from:?}");
        }
    }
}
