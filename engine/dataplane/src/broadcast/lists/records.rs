//! Cuts a file into records: lines, and lines that quotes hold together (RFC 4180), each with the
//! number of its first line.
//!
//! Lines end in LF, CRLF or CR. A quote opens only at the beginning of a field. Where one does not
//! end within the bound, its line counts alone and what follows is cut anew: one stray quote spoils
//! one line and not the file.

use crate::broadcast::limits::LINE_OCTETS_MAX;

/// What was cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// A record: [`Records::record`] has it.
    Record,
    /// A line with nothing but blanks.
    Blank,
    /// A line that is longer than any may be.
    TooLong,
    /// A line with a quote that does not end.
    OpenQuote,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote within quotes: it ends them, or is doubled.
    QuoteInQuotes,
    /// Within a line that is too long.
    Skipping,
}

/// Cuts records out of pieces of a file.
pub(super) struct Records {
    /// 0 where quotes mean nothing.
    separator: u8,
    record: Vec<u8>,
    /// The record was handed out: the next octet begins another.
    is_done: bool,
    mode: Mode,
    /// A CR has just ended a line: an LF right behind belongs to it.
    behind_cr: bool,
    /// Octets that an open quote had swallowed, to be cut anew.
    back: Vec<u8>,
    back_at: usize,
    line: u64,
    /// Line ends within the record.
    inner_lines: u64,
}

impl Records {
    pub(super) fn new() -> Self {
        Self {
            separator: b',',
            record: Vec::with_capacity(LINE_OCTETS_MAX + 2),
            is_done: false,
            mode: Mode::FieldStart,
            behind_cr: false,
            back: Vec::new(),
            back_at: 0,
            line: 1,
            inner_lines: 0,
        }
    }

    /// The separator that the header has told, or 0 where quotes mean nothing.
    pub(super) fn set_separator(&mut self, separator: u8) {
        self.separator = separator;
    }

    /// The record that was cut last, without its line end.
    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }

    /// Lines that were cut so far.
    pub(super) fn lines(&self) -> u64 {
        self.line - 1
    }

    /// The number of the next record's first line.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Whether the next octet begins a record, so that somebody else may cut it.
    pub(super) fn is_at_start(&self) -> bool {
        (self.record.is_empty() || self.is_done)
            && self.mode == Mode::FieldStart
            && !self.behind_cr
            && self.back.is_empty()
    }

    /// Counts lines that somebody else has cut.
    pub(super) fn pass_lines(&mut self, count: u64) {
        assert!(self.is_at_start(), "lines are passed between records");
        self.line += count;
    }

    /// Takes the LF of a CRLF whose CR ended the last record: the octets taken.
    pub(super) fn skip_line_feed(&mut self, octets: &[u8]) -> usize {
        let is_between = self.behind_cr && self.mode == Mode::FieldStart && self.back.is_empty();
        match octets.first() {
            Some(octet) if is_between => {
                self.behind_cr = false;
                usize::from(*octet == b'\n')
            }
            _ => 0,
        }
    }

    /// Cuts up to the end of the next record: the octets taken, and its first line's number.
    pub(super) fn next(&mut self, octets: &[u8]) -> (usize, Option<(u64, Cut)>) {
        while let Some(&octet) = self.back.get(self.back_at) {
            self.back_at += 1;
            if let Some(cut) = self.take(octet) {
                return (0, Some(cut));
            }
        }
        self.back.clear();
        self.back_at = 0;
        for (at, &octet) in octets.iter().enumerate() {
            if let Some(cut) = self.take(octet) {
                return (at + 1, Some(cut));
            }
        }
        (octets.len(), None)
    }

    /// Cuts what is left when nothing follows; to be asked until there is none, and after each
    /// answer [`Self::next`] with no octets.
    pub(super) fn finish(&mut self) -> Option<(u64, Cut)> {
        if self.is_done || (self.record.is_empty() && self.mode != Mode::Skipping) {
            return None;
        }
        let is_open = self.mode == Mode::Quoted;
        Some(if is_open { self.give_up_quote() } else { self.end() })
    }

    fn take(&mut self, octet: u8) -> Option<(u64, Cut)> {
        if std::mem::take(&mut self.is_done) {
            self.record.clear();
        }
        let is_pair = std::mem::replace(&mut self.behind_cr, octet == b'\r') && octet == b'\n';
        let is_end = matches!(octet, b'\n' | b'\r');
        self.mode = match (self.mode, octet) {
            (Mode::Quoted, b'"') => Mode::QuoteInQuotes,
            (Mode::Quoted, _) => {
                self.inner_lines += u64::from(is_end && !is_pair);
                Mode::Quoted
            }
            _ if is_pair => return None,
            (Mode::FieldStart, b'"') if self.separator != 0 => Mode::Quoted,
            (Mode::QuoteInQuotes, b'"') => Mode::Quoted,
            _ if is_end => return Some(self.end()),
            (Mode::Skipping, _) => return None,
            (_, octet) if octet == self.separator => Mode::FieldStart,
            _ => Mode::Plain,
        };
        self.record.push(octet);
        if self.record.len() <= LINE_OCTETS_MAX {
            return None;
        }
        if self.mode == Mode::Quoted && self.inner_lines > 0 {
            return Some(self.give_up_quote());
        }
        self.record.clear();
        self.mode = Mode::Skipping;
        None
    }

    fn end(&mut self) -> (u64, Cut) {
        let is_blank = self.record.trim_ascii().is_empty();
        let cut = match self.mode {
            Mode::Skipping => Cut::TooLong,
            _ if is_blank => Cut::Blank,
            _ => Cut::Record,
        };
        let line = self.line;
        self.line += 1 + std::mem::take(&mut self.inner_lines);
        self.mode = Mode::FieldStart;
        self.is_done = true;
        (line, cut)
    }

    /// The record's first line alone is spoilt; what stands behind it is cut anew.
    fn give_up_quote(&mut self) -> (u64, Cut) {
        let end = self.record.iter().position(|octet| matches!(octet, b'\n' | b'\r'));
        if let Some(end) = end {
            let pair = usize::from(self.record[end..].starts_with(b"\r\n"));
            let mut back = self.record.split_off(end + 1 + pair);
            back.extend_from_slice(&self.back[self.back_at..]);
            (self.back, self.back_at) = (back, 0);
            self.behind_cr = self.back.is_empty() && self.record.ends_with(b"\r");
            self.record.truncate(end);
        }
        let line = self.line;
        self.line += 1;
        self.inner_lines = 0;
        self.mode = Mode::FieldStart;
        self.is_done = true;
        (line, Cut::OpenQuote)
    }
}
