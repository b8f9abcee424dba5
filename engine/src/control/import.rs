//! Importing contracts: a CSV of `msn,xpid` lines becomes batches of rows, and each line is
//! accounted for.
//!
//! No I/O: octets come in by [`ContractImport::feed`] as they arrive, batches go out by
//! [`ContractImport::take_batch`], the store's word on each batch comes back by
//! [`ContractImport::record`]; at the end [`ContractImport::finish`], the last batch, and
//! [`ContractImport::totals`]. Lines are cut here and not by a CSV reader, so that a refused line
//! is named by its true number whatever stands in it; a field may be quoted but can hold no comma
//! and no line end. At any time at most one batch and one unfinished line are kept.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::limits::{AUDIT_XPIDS_SHOWN_MAX, IMPORT_BATCH_ROWS_MAX, IMPORT_LINE_OCTETS_MAX};
use super::store::{Contract, ContractOutcome};
use crate::gateway::limits::XPIDS_PER_MSN_MAX;
use wire::terms::ids::{Msn, Xpid};

/// What an import has done so far; every line that is not blank and not the header is in exactly
/// one of the three.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportTotals {
    /// Contracts that are new.
    pub imported: u64,
    /// Contracts that were there already, in the store or on an earlier line.
    pub already_there: u64,
    /// Lines refused.
    pub refused: u64,
}

/// What an import did, as the audit shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct ImportSum {
    /// Contracts that are new.
    pub imported: u64,
    /// Contracts that were there already.
    pub already_there: u64,
    /// Lines refused.
    pub refused: u64,
    /// How many XPIDs have new ones.
    pub xpids: usize,
    /// How many of them, for the first of these XPIDs.
    pub new_of: BTreeMap<String, u64>,
}

/// A refused line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedContract {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Why.
    pub refusal: ContractRefusal,
}

/// Why a line was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ContractRefusal {
    /// Not two columns.
    Columns(usize),
    /// Longer than any line of two numbers.
    TooLong,
    /// In UTF-16, as some spreadsheets save "Unicode text".
    Utf16,
    /// Columns with something else than a comma between them: its name.
    Separator(&'static str),
    /// A line end that is CR alone.
    LoneCarriageReturn,
    /// The line `sep=` by which a spreadsheet is told the separator.
    SeparatorLine,
    /// A field written as a formula, `="…"`.
    Formula,
    /// The first column is no msn.
    Msn(String),
    /// The second column is no XPID.
    Xpid(String),
    /// The XPID is not registered.
    NotRegistered(Xpid),
    /// The msn has all the XPIDs it may have.
    TooManyXpids(Msn),
}

impl fmt::Display for ContractRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns(found) => write!(formatter, "{found} columns instead of msn,xpid"),
            Self::TooLong => write!(formatter, "longer than {IMPORT_LINE_OCTETS_MAX} octets"),
            Self::Utf16 => write!(formatter, "the file is in UTF-16: save it as CSV in UTF-8"),
            Self::Separator(name) => {
                write!(formatter, "{name} between the columns: save the file with commas")
            }
            Self::LoneCarriageReturn => {
                write!(formatter, "lines end in CR alone: save the file with LF or CRLF")
            }
            Self::SeparatorLine => write!(formatter, "a spreadsheet's sep= line: take it out"),
            Self::Formula => {
                write!(formatter, "a field is the formula =\"…\": save the numbers as plain text")
            }
            Self::Msn(text) => write!(formatter, "{text:?} is not an msn (11 digits, the first 0)"),
            Self::Xpid(text) => write!(formatter, "{text:?} is not an XPID (11 digits)"),
            Self::NotRegistered(xpid) => write!(formatter, "XPID {xpid} is not registered"),
            Self::TooManyXpids(msn) => {
                write!(formatter, "msn {msn} has {XPIDS_PER_MSN_MAX} XPIDs already")
            }
        }
    }
}

/// Lines that were read and wait for the store.
#[derive(Debug, Default)]
pub struct ImportBatch {
    lines: Vec<(u64, Result<Contract, ContractRefusal>)>,
}

impl ImportBatch {
    /// The rows to add, in the order of their lines.
    pub fn rows(&self) -> Vec<Contract> {
        self.lines.iter().filter_map(|(_, row)| row.as_ref().ok().copied()).collect()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// An import in progress.
#[derive(Debug)]
pub struct ContractImport {
    unfinished: Vec<u8>,
    unfinished_too_long: bool,
    /// The line that is too long holds a CR: it is many lines of another kind.
    unfinished_has_cr: bool,
    line: u64,
    batch: ImportBatch,
    totals: ImportTotals,
    /// How many new contracts each XPID has of it.
    new_of: BTreeMap<Xpid, u64>,
}

impl ContractImport {
    /// An import whose first line has this number; a header is looked for on line 1 only.
    pub fn new(first_line: u64) -> Self {
        Self {
            unfinished: Vec::new(),
            unfinished_too_long: false,
            unfinished_has_cr: false,
            line: first_line.max(1),
            batch: ImportBatch::default(),
            totals: ImportTotals::default(),
            new_of: BTreeMap::new(),
        }
    }

    /// Takes the next octets of the file, cut anywhere.
    pub fn feed(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
            if self.unfinished.is_empty() && !self.unfinished_too_long {
                self.take_line(&rest[..end]);
            } else {
                self.keep_unfinished(&rest[..end]);
                self.finish();
            }
            rest = &rest[end + 1..];
        }
        self.keep_unfinished(rest);
    }

    /// Takes what was fed last as a line of its own, if the file did not end with a line end.
    pub fn finish(&mut self) {
        if self.unfinished_too_long {
            self.unfinished_too_long = false;
            let has_cr = std::mem::take(&mut self.unfinished_has_cr);
            self.refuse(if has_cr {
                ContractRefusal::LoneCarriageReturn
            } else {
                ContractRefusal::TooLong
            });
        } else if !self.unfinished.is_empty() {
            let line = std::mem::take(&mut self.unfinished);
            self.take_line(&line);
        }
    }

    /// Whether enough lines wait for one transaction.
    pub fn has_full_batch(&self) -> bool {
        self.lines_waiting() >= IMPORT_BATCH_ROWS_MAX
    }

    /// How many lines wait.
    pub fn lines_waiting(&self) -> usize {
        self.batch.lines.len()
    }

    /// The lines that wait.
    pub fn take_batch(&mut self) -> ImportBatch {
        std::mem::take(&mut self.batch)
    }

    /// Counts a batch: `outcomes` is what the store said of [`ImportBatch::rows`], in that order;
    /// `each_refused` is called with every refused line, in the order of the file.
    pub fn record(
        &mut self,
        batch: ImportBatch,
        outcomes: &[ContractOutcome],
        mut each_refused: impl FnMut(RefusedContract),
    ) {
        let mut outcomes = outcomes.iter();
        for (line, row) in batch.lines {
            let refusal = match row {
                Err(refusal) => Some(refusal),
                Ok((msn, xpid)) => match outcomes.next() {
                    Some(ContractOutcome::Added) => {
                        self.totals.imported += 1;
                        *self.new_of.entry(xpid).or_default() += 1;
                        None
                    }
                    Some(ContractOutcome::AlreadyThere) => {
                        self.totals.already_there += 1;
                        None
                    }
                    Some(ContractOutcome::TooManyXpids) => Some(ContractRefusal::TooManyXpids(msn)),
                    Some(ContractOutcome::NotRegistered) => {
                        Some(ContractRefusal::NotRegistered(xpid))
                    }
                    None => unreachable!("the store answers for every row"),
                },
            };
            if let Some(refusal) = refusal {
                self.totals.refused += 1;
                each_refused(RefusedContract { line, refusal });
            }
        }
    }

    /// What has been recorded so far.
    pub fn totals(&self) -> ImportTotals {
        self.totals
    }

    /// The same with the XPIDs whose contracts they are.
    pub fn sum(&self) -> ImportSum {
        let ImportTotals { imported, already_there, refused } = self.totals;
        let shown = self.new_of.iter().take(AUDIT_XPIDS_SHOWN_MAX);
        let new_of = shown.map(|(xpid, count)| (xpid.to_string(), *count)).collect();
        ImportSum { imported, already_there, refused, xpids: self.new_of.len(), new_of }
    }

    /// The number of the next line.
    pub fn next_line(&self) -> u64 {
        self.line
    }

    fn keep_unfinished(&mut self, octets: &[u8]) {
        if self.unfinished_too_long || self.unfinished.len() + octets.len() > IMPORT_LINE_OCTETS_MAX
        {
            self.unfinished_too_long = true;
            self.unfinished_has_cr |= has_inner_cr(&self.unfinished) || has_inner_cr(octets);
            self.unfinished.clear();
        }
        if !self.unfinished_too_long {
            self.unfinished.extend_from_slice(octets);
        }
    }

    fn take_line(&mut self, octets: &[u8]) {
        if octets.len() > IMPORT_LINE_OCTETS_MAX {
            let refusal = if has_inner_cr(octets) {
                ContractRefusal::LoneCarriageReturn
            } else {
                ContractRefusal::TooLong
            };
            return self.refuse(refusal);
        }
        let octets = match (self.line, octets.strip_prefix(b"\xef\xbb\xbf")) {
            (1, Some(without_mark)) => without_mark,
            _ => octets,
        };
        let is_blank = octets.trim_ascii().is_empty();
        if is_blank || (self.line == 1 && is_header(octets) && foreign_form(octets).is_none()) {
            self.line += 1;
            return;
        }
        self.batch.lines.push((self.line, read_row(octets)));
        self.line += 1;
    }

    fn refuse(&mut self, refusal: ContractRefusal) {
        self.batch.lines.push((self.line, Err(refusal)));
        self.line += 1;
    }
}

/// What a file is that is no CSV of `msn,xpid` in UTF-8, as far as one of its lines tells.
fn foreign_form(line: &[u8]) -> Option<ContractRefusal> {
    let trimmed = line.trim_ascii();
    if line.contains(&0) || line.starts_with(b"\xff\xfe") || line.starts_with(b"\xfe\xff") {
        return Some(ContractRefusal::Utf16);
    }
    if has_inner_cr(line) {
        return Some(ContractRefusal::LoneCarriageReturn);
    }
    if trimmed.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case(b"sep=")) {
        return Some(ContractRefusal::SeparatorLine);
    }
    if trimmed
        .split(|octet| matches!(octet, b',' | b';' | b'\t'))
        .any(|field| field.trim_ascii().starts_with(b"="))
    {
        return Some(ContractRefusal::Formula);
    }
    let has_comma = trimmed.contains(&b',');
    let separators = [(b';', "semicolons"), (b'\t', "tabs")];
    let other = separators.iter().find(|(octet, _)| !has_comma && trimmed.contains(octet));
    other.map(|(_, name)| ContractRefusal::Separator(name))
}

/// Whether a CR stands anywhere but at the end.
fn has_inner_cr(line: &[u8]) -> bool {
    line.split_last().is_some_and(|(_, before)| before.contains(&b'\r'))
}

fn read_row(line: &[u8]) -> Result<Contract, ContractRefusal> {
    read_plain_row(line).map_err(|refusal| foreign_form(line).unwrap_or(refusal))
}

fn read_plain_row(line: &[u8]) -> Result<Contract, ContractRefusal> {
    let mut columns = line.split(|octet| *octet == b',');
    let (Some(msn), Some(xpid), None) = (columns.next(), columns.next(), columns.next()) else {
        return Err(ContractRefusal::Columns(line.split(|octet| *octet == b',').count()));
    };
    let (msn, xpid) = (field(msn), field(xpid));
    // 00000000000 stands for "all msns" in a cancellation and is nobody's number.
    let msn = Msn::parse(msn)
        .filter(|msn| *msn != Msn::ALL)
        .ok_or_else(|| ContractRefusal::Msn(shown(msn)))?;
    let xpid = Xpid::parse(xpid).ok_or_else(|| ContractRefusal::Xpid(shown(xpid)))?;
    Ok((msn, xpid))
}

fn is_header(line: &[u8]) -> bool {
    let mut columns =
        line.split(|octet| *octet == b',').map(|column| field(column).to_ascii_lowercase());
    let (first, second) = (columns.next(), columns.next());
    first.as_deref() == Some(b"msn") && matches!(second.as_deref(), Some(b"xpid" | b"svcid"))
}

/// The field without blanks and quotes round it.
fn field(column: &[u8]) -> &[u8] {
    let column = column.trim_ascii();
    column
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .map_or(column, <[u8]>::trim_ascii)
}

/// Enough of a wrong field to find it by.
fn shown(field: &[u8]) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 24;
    String::from_utf8_lossy(field).chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the file in pieces of `piece` octets; every row that is in order counts as added.
    fn import(text: &[u8], piece: usize) -> (ImportTotals, Vec<(u64, String)>, Vec<Contract>) {
        let mut import = ContractImport::new(1);
        text.chunks(piece).for_each(|octets| import.feed(octets));
        import.finish();
        let batch = import.take_batch();
        let rows = batch.rows();
        let mut refused = Vec::new();
        import.record(batch, &vec![ContractOutcome::Added; rows.len()], |line| {
            refused.push((line.line, line.refusal.to_string()));
        });
        (import.totals(), refused, rows)
    }

    #[test]
    fn each_line_is_a_row_or_named_with_its_number_wherever_the_pieces_are_cut() {
        let text = b"\xef\xbb\xbfMSN, svcid\r\n09012345678,00100000001\r\n\
            \r\n \"09000000000\" , \"00100000002\" \n9012345678,00100000001\n09012345678,001\n\
            09012345678\n09012345678,00100000001,x\n00000000000,00100000001\n,\n\
            09000000001,00100000001";
        for piece in [1, 2, 3, 7, 16, 1_000] {
            let (totals, refused, rows) = import(text, piece);
            assert_eq!(
                totals,
                ImportTotals { imported: 3, already_there: 0, refused: 6 },
                "piece {piece}"
            );
            let lines: Vec<u64> = refused.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [5, 6, 7, 8, 9, 10]);
            assert_eq!(refused[0].1, "\"9012345678\" is not an msn (11 digits, the first 0)");
            assert_eq!(refused[1].1, "\"001\" is not an XPID (11 digits)");
            assert_eq!(refused[2].1, "1 columns instead of msn,xpid");
            assert_eq!(rows[1].0.to_string(), "09000000000");
        }
    }

    #[test]
    fn a_file_that_a_spreadsheet_saved_otherwise_is_refused_with_the_cause() {
        let utf16 = |big: bool, text: &str| -> Vec<u8> {
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            units
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect()
        };
        let rows = "msn,xpid\r\n09000000001,00100000001\r\n09000000002,00100000001\r\n";
        let lone = rows.replace("\r\n", "\r");
        let formulas = "=\"09000000001\",=\"00100000001\"\n09000000002 , =\"00100000001\"\n";
        for (file, cause) in [
            (utf16(false, rows), "UTF-16"),
            (utf16(true, rows), "UTF-16"),
            (utf16(false, &rows.replace(',', "\t")), "UTF-16"),
            (rows.replace(',', ";").into_bytes(), "semicolons"),
            (rows.replace(',', "\t").into_bytes(), "tabs"),
            (lone.clone().into_bytes(), "CR alone"),
            (lone.repeat(1_000).into_bytes(), "CR alone"),
            (formulas.as_bytes().to_vec(), "formula"),
            (formulas.replace(',', ";").into_bytes(), "formula"),
        ] {
            for piece in [7, 5_000, file.len()] {
                let (totals, refused, _) = import(&file, piece);
                assert_eq!(totals.imported, 0, "{cause}, pieces of {piece}");
                assert!(!refused.is_empty(), "{cause}");
                for (line, reason) in &refused {
                    assert!(
                        reason.contains(cause),
                        "{cause}, pieces of {piece}, line {line}: {reason}"
                    );
                }
            }
        }
        for separator in ["sep=,", "sep=;\r", "SEP=,", "\u{feff}sep=,"] {
            let (totals, refused, _) =
                import(format!("{separator}\n09000000001,00100000001\n").as_bytes(), 64);
            assert_eq!((totals.imported, refused.len()), (1, 1), "{separator:?}");
            assert!(refused[0].1.contains("sep="), "{refused:?}");
        }
    }

    #[test]
    fn a_header_is_a_header_on_line_one_only() {
        let (totals, refused, _) = import(b"09000000001,00100000001\nmsn,xpid\n", 64);
        assert_eq!((totals.imported, totals.refused), (1, 1));
        assert_eq!(refused[0].0, 2);
    }

    #[test]
    fn an_endless_line_is_refused_once_and_not_kept() {
        let mut text = vec![b'7'; 3 * IMPORT_LINE_OCTETS_MAX];
        text.extend_from_slice(b"\n09000000001,00100000001\n");
        for piece in [100, IMPORT_LINE_OCTETS_MAX, text.len()] {
            let (totals, refused, _) = import(&text, piece);
            assert_eq!((totals.imported, totals.refused), (1, 1), "piece {piece}");
            assert_eq!(refused[0].0, 1);
        }
    }

    #[test]
    fn the_stores_word_decides_over_rows_in_order() {
        let mut import = ContractImport::new(10);
        import.feed(
            b"09000000001,00100000001\nbad\n09000000002,00100000001\n\
              09000000003,00100000001\n09000000004,00100000009\n",
        );
        let batch = import.take_batch();
        let outcomes = [
            ContractOutcome::Added,
            ContractOutcome::AlreadyThere,
            ContractOutcome::TooManyXpids,
            ContractOutcome::NotRegistered,
        ];
        let mut refused = Vec::new();
        import.record(batch, &outcomes, |line| refused.push((line.line, line.refusal)));
        assert_eq!(import.totals(), ImportTotals { imported: 1, already_there: 1, refused: 3 });
        assert_eq!(refused[0], (11, ContractRefusal::Columns(1)));
        assert!(matches!(refused[1], (13, ContractRefusal::TooManyXpids(_))));
        assert!(matches!(refused[2], (14, ContractRefusal::NotRegistered(_))));
        assert_eq!(import.next_line(), 15);
    }
}
