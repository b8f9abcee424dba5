//! What became of every line of a recipients' file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::number::{NotAnMsn, Spelling};
use super::refused::RefusedLines;
use crate::broadcast::limits::{
    CONFLICTS_NAMED_MAX, IGNORED_COLUMNS_NAMED_MAX, REFUSED_LINES_FREE, REFUSED_LINES_NAMED_MAX,
    REFUSED_PERCENT_MAX,
};

/// Why a line is no row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Refusal {
    /// Its number is no msn.
    #[error("{0}")]
    Number(#[from] NotAnMsn),
    /// More fields than the header names.
    #[error("it has more fields than the header")]
    Fields,
    /// Too long.
    #[error("it is longer than any line may be")]
    TooLong,
    /// A quote is open.
    #[error("a quote does not end")]
    OpenQuote,
    /// Not in the file's encoding.
    #[error("it is not in the file's encoding")]
    Encoding,
    /// Not an object of JSON, or not with these fields.
    #[error("it is no recipient in JSON")]
    Json,
    /// A deletion where a whole list is sent.
    #[error("it deletes, and this is a whole list")]
    Deletion,
    /// No further language has room.
    #[error("the list has as many languages as it may have")]
    Languages,
    /// No further area or set of parameters has room.
    #[error("the list has as many areas or parameters as it may have")]
    Attributes,
}

impl Refusal {
    /// A name for a table and for JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number(NotAnMsn::Empty) => "empty",
            Self::Number(NotAnMsn::NoNumber) => "no_number",
            Self::Number(NotAnMsn::FixedLine) => "fixed_line",
            Self::Number(NotAnMsn::ShortCode) => "short_code",
            Self::Number(NotAnMsn::Foreign) => "foreign",
            Self::Number(NotAnMsn::TooShort) => "too_short",
            Self::Number(NotAnMsn::TooLong) => "too_long",
            Self::Number(NotAnMsn::DigitsLost) => "digits_lost",
            Self::Number(NotAnMsn::ZeroLost) => "zero_lost",
            Self::Fields => "fields",
            Self::TooLong => "line_too_long",
            Self::OpenQuote => "open_quote",
            Self::Encoding => "encoding",
            Self::Json => "json",
            Self::Deletion => "deletion",
            Self::Languages => "languages",
            Self::Attributes => "attributes",
        }
    }
}

/// A refused line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RefusedLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// [`Refusal::name`].
    pub reason: &'static str,
    /// The reason as a sentence.
    pub sentence: String,
    /// Enough of the line to find it by.
    pub text: String,
}

/// Two lines of one msn that say different things; the later counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Conflict {
    /// The line that counts.
    pub line: u32,
    /// The one before.
    pub earlier: u32,
    /// The msn, as a number without its leading zero.
    #[serde(serialize_with = "msn_text")]
    pub msn: u64,
}

fn msn_text<S: serde::Serializer>(msn: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{msn:011}"))
}

/// What became of every line.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Account {
    /// Lines of the file.
    pub lines: u64,
    /// Records: lines, or lines that quotes hold together, other than header and blank ones.
    pub records: u64,
    /// Blank lines.
    pub blank: u64,
    /// Recipients.
    pub rows: u64,
    /// Records of an msn that a later one has too.
    pub duplicates: u64,
    /// Those of them that say something else than the next.
    pub conflicts: u64,
    /// The first of them.
    pub conflicts_named: Vec<Conflict>,
    /// Numbers whose leading zero was put back.
    pub repaired: u64,
    /// How often each way of writing was taken off.
    pub spellings: BTreeMap<&'static str, u64>,
    /// Refused records by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub refused_named: Vec<RefusedLine>,
    /// As many of them as are kept.
    #[serde(skip)]
    pub refused_lines: RefusedLines,
    /// Recipients by area.
    pub areas: BTreeMap<String, u64>,
    /// Recipients by language.
    pub languages: BTreeMap<String, u64>,
    /// Columns that are not read.
    pub ignored_columns: Vec<String>,
}

impl Account {
    /// Records that are no row.
    pub fn refused_count(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Whether too many lines are refused for the list to be used as it is: more than were taken,
    /// or more than one in a hundred and more than ten.
    pub fn is_refused(&self) -> bool {
        let refused = self.refused_count();
        // A short file in another encoding has fewer than ten lines, and none of them is a row.
        if refused > self.records.saturating_sub(refused) {
            return true;
        }
        refused > REFUSED_LINES_FREE && refused * 100 > self.records * REFUSED_PERCENT_MAX
    }

    /// Whether every record is accounted for, once.
    pub fn adds_up(&self) -> bool {
        let by_area: u64 = self.areas.values().sum();
        let by_language: u64 = self.languages.values().sum();
        self.records == self.rows + self.duplicates + self.refused_count()
            && (by_area, by_language) == (self.rows, self.rows)
    }

    pub(super) fn refuse(&mut self, line: u64, refusal: Refusal, text: &[u8]) {
        const SHOWN_CHARACTERS_MAX: usize = 40;
        *self.refused.entry(refusal.name()).or_default() += 1;
        self.refused_lines.put(line, (refusal.name(), &refusal.to_string()), text);
        if self.refused_named.len() < REFUSED_LINES_NAMED_MAX {
            let shown = &text[..text.len().min(4 * SHOWN_CHARACTERS_MAX)];
            self.refused_named.push(RefusedLine {
                line,
                reason: refusal.name(),
                sentence: refusal.to_string(),
                text: String::from_utf8_lossy(shown).chars().take(SHOWN_CHARACTERS_MAX).collect(),
            });
        }
    }

    pub(super) fn spell(&mut self, spelling: Spelling) {
        for (kind, name) in Spelling::ALL {
            if spelling.has(kind) {
                *self.spellings.entry(name).or_default() += 1;
            }
        }
        self.repaired += u64::from(spelling.has(Spelling::ZERO_PUT_BACK));
    }

    pub(super) fn ignore_columns(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            let has_room = self.ignored_columns.len() < IGNORED_COLUMNS_NAMED_MAX;
            if has_room && !self.ignored_columns.contains(&name) {
                self.ignored_columns.push(name);
            }
        }
    }

    /// The first conflicts of the file are named, in whatever order they are found.
    pub(super) fn conflict(&mut self, conflict: Conflict) {
        self.conflicts += 1;
        let at = self.conflicts_named.partition_point(|known| *known < conflict);
        if at < CONFLICTS_NAMED_MAX {
            self.conflicts_named.insert(at, conflict);
            self.conflicts_named.truncate(CONFLICTS_NAMED_MAX);
        }
    }
}
