//! A recipients' file as rows, in whatever pieces it comes.
//!
//! There are two ways, and they agree: lines of the canonical form (a number, then perhaps area and
//! language, all as this program would write them) are read where they lie; all others are cut and
//! parsed by the rules of CSV. A line that the fast way does not take at once goes the other way.

use csv_core::ReadRecordResult;
use memchr::memchr;
use wire::terms::ids::{MSN_DIGITS, Msn};
use wire::terms::municipality::{MUNICIPALITY_DIGITS, Municipality};

use super::account::{Account, Refusal};
use super::attributes::{Area, Attributes, Set};
use super::columns::{Columns, HeaderError};
use super::encoding::{Charset, Transcoder};
use super::json_line::JsonLine;
use super::number;
use super::records::{Cut, Records};
use crate::broadcast::limits::{
    LANGUAGE_OCTETS_MAX, LANGUAGES_MAX, LINE_OCTETS_MAX, PARAMETER_COLUMNS_MAX,
};

/// Fields of a record that are looked at.
const FIELDS_MAX: usize = 256;
/// Municipalities' numbers lie below.
const MUNICIPALITIES: usize = 48_000;
/// A line of more octets is none: what goes on so goes on for ever.
const ENDLESS_OCTETS: usize = 1 << 20;
/// A number of [`Row::attributes`] that deletes the row.
pub(super) const DELETED: u32 = u32::MAX;

/// How a file is read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReaderOptions {
    /// What it is in, where it does not say.
    pub charset: Charset,
    /// Names of the list's parameters.
    pub parameters: Vec<String>,
    /// A leading zero that was lost is put back.
    pub puts_zero_back: bool,
    /// It changes a list: it may delete, and what it does not say stays.
    pub is_delta: bool,
    /// Every line goes the general way; for tests.
    pub goes_general_way: bool,
}

/// Why a file cannot be read further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its first line.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Its first line is longer than any may be.
    #[error(
        "line 1 is longer than {LINE_OCTETS_MAX} octets: leave out the columns that the list does \
         not need, or the values of its first line"
    )]
    FirstTooLong,
    /// Too many parameters are named.
    #[error("a list has at most {PARAMETER_COLUMNS_MAX} columns of parameters: name fewer")]
    Parameters,
    /// Deltas in CSV.
    #[error("a change of a list is NDJSON: begin each line with {{\"op\":\"put\" or \"delete\"")]
    DeltaInCsv,
    /// A line without an end.
    #[error("line {0} has no end within a mebibyte: this is no list, name a file of lines")]
    Endless(u64),
    /// Too many lines.
    #[error("the file has more lines than can be counted: split it")]
    Lines,
}

/// A line that names a recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) line: u32,
    pub(super) msn: Msn,
    /// The number of a set in [`Attributes`], or [`DELETED`].
    pub(super) attributes: u32,
}

/// What kind of file it is.
enum Form {
    /// The first line has not come.
    Unknown,
    Csv(Columns),
    Json,
}

/// Reads a file.
pub(super) struct ListReader {
    transcoder: Transcoder,
    lines: Lines,
}

/// Everything behind the encoding.
struct Lines {
    options: ReaderOptions,
    records: Records,
    form: Form,
    attributes: Attributes,
    account: Account,
    parser: csv_core::Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    /// For each language, each municipality's number of attributes plus one; 0: not met.
    known: Vec<Vec<u32>>,
    /// Octets of the line that has not ended.
    endless: usize,
    error: Option<ReadError>,
}

impl ListReader {
    pub(super) fn new(options: ReaderOptions) -> Result<Self, ReadError> {
        if options.parameters.len() > PARAMETER_COLUMNS_MAX {
            return Err(ReadError::Parameters);
        }
        let mut records = Records::new();
        // Until the header has told the separator, quotes mean nothing.
        records.set_separator(0);
        let lines = Lines {
            records,
            form: Form::Unknown,
            attributes: Attributes::new(),
            account: Account::default(),
            parser: csv_core::Reader::new(),
            fields: vec![0; LINE_OCTETS_MAX + 2],
            ends: vec![0; FIELDS_MAX],
            known: vec![Vec::new(); LANGUAGES_MAX + 1],
            endless: 0,
            error: None,
            options,
        };
        Ok(Self { transcoder: Transcoder::new(lines.options.charset), lines })
    }

    /// Takes octets of the file; the rows go to `sink`.
    pub(super) fn feed(
        &mut self,
        octets: &[u8],
        sink: &mut impl FnMut(Row),
    ) -> Result<(), ReadError> {
        let lines = &mut self.lines;
        self.transcoder.feed(octets, false, |text| lines.feed(text, sink));
        lines.error.take().map_or(Ok(()), Err)
    }

    /// Nothing follows: what is left is read, and the account so far is given.
    pub(super) fn finish(
        mut self,
        sink: &mut impl FnMut(Row),
    ) -> Result<(Account, Attributes), ReadError> {
        let lines = &mut self.lines;
        self.transcoder.feed(&[], true, |text| lines.feed(text, sink));
        while let Some((line, cut)) = lines.records.finish() {
            lines.handle(line, cut, sink);
            lines.feed(&[], sink);
        }
        if matches!(lines.form, Form::Unknown) && lines.error.is_none() {
            lines.error = Some(HeaderError::NoNumbers(String::new()).into());
        }
        lines.account.lines = lines.records.lines();
        match self.lines.error {
            Some(error) => Err(error),
            None => Ok((self.lines.account, self.lines.attributes)),
        }
    }
}

impl Lines {
    fn feed(&mut self, text: &[u8], sink: &mut impl FnMut(Row)) {
        let mut at = 0;
        while self.error.is_none() {
            at += self.records.skip_line_feed(&text[at..]);
            if self.records.is_at_start() {
                at += self.read_canonical(&text[at..], sink);
            }
            let (taken, cut) = self.records.next(&text[at..]);
            at += taken;
            self.endless += taken;
            let Some((line, cut)) = cut else {
                if self.endless > ENDLESS_OCTETS {
                    self.error = Some(ReadError::Endless(self.records.line()));
                }
                return;
            };
            self.endless = 0;
            self.handle(line, cut, sink);
        }
    }

    /// Reads lines of the canonical form that are whole; gives the octets taken.
    fn read_canonical(&mut self, text: &[u8], sink: &mut impl FnMut(Row)) -> usize {
        let Form::Csv(columns) = &self.form else { return 0 };
        if self.options.goes_general_way || !columns.is_canonical() {
            return 0;
        }
        let shape = Shape {
            separator: columns.separator,
            has_area: columns.area.is_some(),
            has_language: columns.language.is_some(),
        };
        let (mut at, mut lines) = (0, 0);
        let first = self.records.line();
        while let Some((msn, area, language, length)) = shape.read(&text[at..], &self.attributes) {
            let known = &mut self.known[usize::from(language)];
            if known.is_empty() {
                known.resize(MUNICIPALITIES, 0);
            }
            let number = &mut known[area.0 as usize];
            if *number == 0 {
                let set = Set { area, language, parameters: 0 };
                // The other path says why.
                let Ok(new) = self.attributes.number(set) else { break };
                *number = 1 + new;
            }
            let Ok(line) = u32::try_from(first + lines) else { break };
            sink(Row { line, msn, attributes: *number - 1 });
            at += length;
            lines += 1;
        }
        self.account.records += lines;
        self.records.pass_lines(lines);
        at
    }

    fn handle(&mut self, line: u64, cut: Cut, sink: &mut impl FnMut(Row)) {
        if matches!(self.form, Form::Unknown) {
            if matches!(cut, Cut::TooLong) {
                self.error = Some(ReadError::FirstTooLong);
            } else if let Err(error) = self.begin(sink) {
                self.error = Some(error);
            }
            return;
        }
        let row = match cut {
            Cut::Blank => {
                self.account.blank += 1;
                return;
            }
            Cut::TooLong => Err(Refusal::TooLong),
            Cut::OpenQuote => Err(Refusal::OpenQuote),
            Cut::Record => self.read_record(),
        };
        self.account.records += 1;
        match (row, u32::try_from(line)) {
            (Ok((msn, attributes)), Ok(line)) => sink(Row { line, msn, attributes }),
            (Ok(_), Err(_)) => self.error = Some(ReadError::Lines),
            (Err(refusal), _) => self.account.refuse(line, refusal, self.records.record()),
        }
    }

    /// The first line tells what kind of file it is.
    fn begin(&mut self, sink: &mut impl FnMut(Row)) -> Result<(), ReadError> {
        let first = String::from_utf8_lossy(self.records.record()).into_owned();
        if first.trim_start().starts_with('{') {
            self.form = Form::Json;
            self.handle(1, Cut::Record, sink);
            return Ok(());
        }
        if self.options.is_delta {
            return Err(ReadError::DeltaInCsv);
        }
        let mut columns = Columns::read(&first, &self.options.parameters)?;
        self.records.set_separator(columns.separator);
        self.parser = csv_core::ReaderBuilder::new().delimiter(columns.separator).build();
        self.account.ignore_columns(std::mem::take(&mut columns.ignored));
        self.form = Form::Csv(columns);
        Ok(())
    }

    fn read_record(&mut self) -> Result<(Msn, u32), Refusal> {
        let record = std::str::from_utf8(self.records.record()).map_err(|_| Refusal::Encoding)?;
        // What decoding puts where octets mean nothing.
        if record.contains('\u{fffd}') {
            return Err(Refusal::Encoding);
        }
        match &self.form {
            Form::Json => read_json(record, &self.options, &mut self.attributes, &mut self.account),
            Form::Csv(columns) => {
                let fields = split(&mut self.parser, record, &mut self.fields, &mut self.ends)?;
                if (columns.count..fields.count()).any(|at| !fields.get(at).trim().is_empty()) {
                    return Err(Refusal::Fields);
                }
                read_fields(
                    columns,
                    &fields,
                    &self.options,
                    &mut self.attributes,
                    &mut self.account,
                )
            }
            Form::Unknown => unreachable!("the first line has told the form"),
        }
    }
}

/// What a canonical line looks like.
#[derive(Clone, Copy)]
struct Shape {
    separator: u8,
    has_area: bool,
    has_language: bool,
}

impl Shape {
    /// The line that `text` begins with: its msn, area, language, and its length with its end.
    #[inline]
    fn read(self, text: &[u8], attributes: &Attributes) -> Option<(Msn, Area, u8, usize)> {
        let msn = Msn::parse(text.get(..MSN_DIGITS)?)?;
        let mut at = MSN_DIGITS;
        let mut area = Area::UNKNOWN;
        if self.has_area {
            let code = text.get(at + 1..at + 1 + MUNICIPALITY_DIGITS)?;
            if text[at] != self.separator {
                return None;
            }
            area = Area::municipality(Municipality::parse(code)?);
            at += 1 + MUNICIPALITY_DIGITS;
        }
        let mut language = 0;
        if self.has_language {
            if *text.get(at)? != self.separator {
                return None;
            }
            let rest = &text[at + 1..text.len().min(at + LANGUAGE_OCTETS_MAX + 3)];
            let end = memchr(b'\n', rest)?;
            let tag = rest[..end].strip_suffix(b"\r").unwrap_or_else(|| &rest[..end]);
            let known = attributes.languages.all();
            language = 1 + known.iter().position(|known| known.as_bytes() == tag)? as u8;
            return Some((msn, area, language, at + 1 + end + 1));
        }
        match text.get(at..)? {
            [b'\n', ..] => Some((msn, area, language, at + 1)),
            [b'\r', b'\n', ..] => Some((msn, area, language, at + 2)),
            _ => None,
        }
    }
}

/// The fields of one record.
struct Fields<'a> {
    octets: &'a [u8],
    ends: &'a [usize],
}

impl Fields<'_> {
    fn count(&self) -> usize {
        self.ends.len()
    }

    /// The field; empty where there is none.
    fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let range = start.zip(self.ends.get(at).copied());
        // A record of UTF-8 is cut at signs of ASCII.
        range
            .and_then(|(start, end)| std::str::from_utf8(&self.octets[start..end]).ok())
            .unwrap_or_default()
    }
}

/// Parses a record by the rules of CSV.
fn split<'a>(
    parser: &mut csv_core::Reader,
    record: &str,
    octets: &'a mut [u8],
    ends: &'a mut [usize],
) -> Result<Fields<'a>, Refusal> {
    parser.reset();
    let (mut rest, mut written, mut fields) = (record.as_bytes(), 0, 0);
    loop {
        let (result, read, more, ended) =
            parser.read_record(rest, &mut octets[written..], &mut ends[fields..]);
        rest = &rest[read..];
        written += more;
        fields += ended;
        match result {
            // No octets at all say that the record is at its end.
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record | ReadRecordResult::End => break,
            ReadRecordResult::OutputFull => return Err(Refusal::TooLong),
            ReadRecordResult::OutputEndsFull => return Err(Refusal::Fields),
        }
    }
    if !rest.is_empty() {
        return Err(Refusal::OpenQuote);
    }
    Ok(Fields { octets: &octets[..written], ends: &ends[..fields] })
}

fn read_fields(
    columns: &Columns,
    fields: &Fields<'_>,
    options: &ReaderOptions,
    attributes: &mut Attributes,
    account: &mut Account,
) -> Result<(Msn, u32), Refusal> {
    let (msn, spelling) = number::read(fields.get(columns.msn), options.puts_zero_back)?;
    let field = |at: Option<usize>| at.map_or("", |at| fields.get(at));
    let set = Set {
        area: attributes.area(field(columns.area))?,
        language: attributes.language(field(columns.language))?,
        parameters: attributes.parameters(columns.parameters.iter().map(|&at| field(at)))?,
    };
    let number = attributes.number(set)?;
    account.spell(spelling);
    Ok((msn, number))
}

fn read_json(
    record: &str,
    options: &ReaderOptions,
    attributes: &mut Attributes,
    account: &mut Account,
) -> Result<(Msn, u32), Refusal> {
    let line = JsonLine::read(record.as_bytes()).ok_or(Refusal::Json)?;
    let (msn, spelling) = number::read(&line.msn, options.puts_zero_back)?;
    if line.is_deletion() {
        if !options.is_delta {
            return Err(Refusal::Deletion);
        }
        account.spell(spelling);
        return Ok((msn, DELETED));
    }
    let mut set = Set::ABSENT;
    if let Some(area) = &line.area {
        set.area = attributes.area(area)?;
    }
    if let Some(language) = &line.lang {
        set.language = attributes.language(language)?;
    }
    if let Some(values) = &line.params {
        let value = |name: &String| values.get(name).map_or("", String::as_str);
        set.parameters = attributes.parameters(options.parameters.iter().map(value))?;
        let others = values.keys().filter(|name| !options.parameters.contains(name));
        account.ignore_columns(others.map(|name| format!("params.{name}")));
    }
    let set = if options.is_delta { set } else { set.settled() };
    let number = attributes.number(set)?;
    account.spell(spelling);
    Ok((msn, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_is_given_up() {
        for first in ["", "msn\n"] {
            let mut reader = ListReader::new(ReaderOptions::default()).expect("a reader");
            let mut sink = |_: Row| {};
            reader.feed(first.as_bytes(), &mut sink).expect("its first line");
            let zeros = [0; 1 << 16];
            let ends = (0..100).position(|_| reader.feed(&zeros, &mut sink).is_err());
            assert!(ends.is_some_and(|pieces| pieces <= 17), "{ends:?}");
        }
    }

    #[test]
    fn a_long_line_that_ends_is_refused_by_itself() {
        let mut reader = ListReader::new(ReaderOptions::default()).expect("a reader");
        let mut rows = 0;
        let mut sink = |_: Row| rows += 1;
        let long = "9".repeat(1 << 19);
        let text = format!("msn\n{long}\n{long}\n{long}\n09000000001\n");
        for piece in text.as_bytes().chunks(1 << 16) {
            reader.feed(piece, &mut sink).expect("each of them ends");
        }
        reader.finish(&mut sink).expect("an account");
        assert_eq!(rows, 1);
    }
}
