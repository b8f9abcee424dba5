//! The lines of a recipients' file that are no rows, as a table that somebody mends them by.
//!
//! **Invariants:** at most [`REFUSED_OCTETS_MAX`] octets; what found no room is counted in its last
//! line.

use std::fmt::Write as _;

use wire::terms::ids::Msn;

use crate::broadcast::csv_field::csv_field;
use crate::broadcast::limits::{LINE_OCTETS_MAX, REFUSED_OCTETS_MAX};

const HEADER: &str = "line,reason,sentence,text\n";

/// Refused lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RefusedLines {
    text: String,
    left_out: u64,
}

impl RefusedLines {
    /// A line with why it is none, as a word and as a sentence.
    pub(super) fn put(&mut self, line: u64, (reason, sentence): (&str, &str), octets: &[u8]) {
        let octets = &octets[..octets.len().min(LINE_OCTETS_MAX)];
        if self.text.len() + octets.len() > REFUSED_OCTETS_MAX {
            self.left_out += 1;
            return;
        }
        let shown = String::from_utf8_lossy(octets);
        let (sentence, shown) = (csv_field(sentence), csv_field(&shown));
        // Into a text that cannot fail.
        let _ = writeln!(self.text, "{line},{reason},{sentence},{shown}");
    }

    /// The table, in CSV.
    pub fn table(&self) -> String {
        let mut table = format!("{HEADER}{}", self.text);
        if self.left_out > 0 {
            let _ = writeln!(table, ",more,{} lines found no room in this table,", self.left_out);
        }
        table
    }
}

/// A table without the lines that have this number, however it is written there; `None` where none
/// has it.
pub fn without_number(table: &str, msn: Msn) -> Option<String> {
    let number = msn.to_string();
    // Where a spreadsheet took the zero, and as it stands behind Japan's prefix.
    let bare = &number[1..];
    let forms = ["", "0", "81", "810", "0081", "00810"].map(|front| format!("{front}{bare}"));
    let kept: String = records(table).filter(|record| !has_one_of(record, &forms)).collect();
    (kept.len() < table.len()).then_some(kept)
}

/// The longest of the forms, in digits.
const FORM_DIGITS_MAX: usize = "00810".len() + 10;

/// Whether what was refused has a number of these forms, in one piece or in several.
fn has_one_of(record: &str, forms: &[String]) -> bool {
    let digits = digits_of(text_of(record));
    digits.split('|').any(|number| {
        let pieces: Vec<&str> = number.split_ascii_whitespace().collect();
        (0..pieces.len()).any(|first| {
            let mut joined = String::new();
            pieces[first..].iter().take(FORM_DIGITS_MAX).any(|piece| {
                joined += &piece[..piece.len().min(FORM_DIGITS_MAX + 1)];
                forms.contains(&joined)
            })
        })
    })
}

/// The last field of a record: what stood in the file. The other three are this program's own.
fn text_of(record: &str) -> &str {
    let mut is_within = false;
    let mut ends = record.match_indices(['"', ',']).filter(|(_, found)| {
        is_within ^= *found == "\"";
        *found == "," && !is_within
    });
    ends.nth(2).map_or("", |(at, _)| &record[at + 1..])
}

/// The digits of a text: a blank is where people write something between those of one number, and
/// what ends a field or begins a word stands as a mark.
fn digits_of(text: &str) -> String {
    let digit = |one: char| match one {
        '0'..='9' => one,
        '０'..='９' => char::from_digit(one as u32 - '０' as u32, 10).unwrap_or('|'),
        'ー' => ' ',
        _ if one.is_alphanumeric() || matches!(one, ',' | ';' | '"' | '\t' | '\n') => '|',
        _ => ' ',
    };
    text.chars().map(digit).collect()
}

/// The records of a table, each with its end: a field in quotes may hold ends of lines.
fn records(table: &str) -> impl Iterator<Item = &str> {
    let mut is_within = false;
    table.split_inclusive(move |one| {
        is_within ^= one == '"';
        one == '\n' && !is_within
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_out_however_it_is_written_and_no_other_line_with_it() {
        let phone = |number: u64| Msn::from_value(9_000_000_000 + number).expect("an msn");
        let mut lines = RefusedLines::default();
        let mut put = |line: u64, text: &str| {
            lines.put(line, ("fields", "it has more fields"), text.as_bytes());
        };
        let written = [
            "09000000007,x,y,z",
            "090-0000-0007,x,y,z",
            "+81 (0)90 0000 0007,x,y,z",
            "０９００００００００７,x",
            "9000000007,x",
            "x 819000000007 1",
            "090ー0000ー0007",
            "09000000008 09000000007",
            "x,\"two\nlines\",090 0000 0007,\"two\nmore\"",
        ];
        (0..).zip(written).for_each(|(line, text)| put(line, text));
        put(90, "0000007 is none,x");
        put(91, "x,\"two\nlines\",09000000008");
        let table = lines.table();
        let kept = without_number(&table, phone(7)).expect("it was there");
        let rest: Vec<&str> = records(&kept).map(|record| &record[..3]).collect();
        assert_eq!(rest, ["lin", "90,", "91,"], "{kept}");
        assert!(table.ends_with(kept.strip_prefix(HEADER).expect("a header")));
        assert_eq!(without_number(&kept, phone(7)), None);
    }

    #[test]
    fn the_number_of_a_line_and_parts_of_other_numbers_are_not_the_number() {
        let mut lines = RefusedLines::default();
        let texts = ["0900000120", "00000000120,x", "120 0000,x", "1,200000000012345"];
        (10..).zip(texts).for_each(|(line, text)| {
            lines.put(line, ("number", "00000000012, it says, is none"), text.as_bytes());
        });
        let twelve = Msn::from_value(12).expect("an msn");
        assert_eq!(without_number(&lines.table(), twelve), None);
        lines.put(14, ("number", "it is none"), b"0000000012");
        let kept = without_number(&lines.table(), twelve).expect("it was there");
        assert_eq!(kept.lines().count(), 5, "{kept}");
    }

    #[test]
    fn every_refused_line_stands_in_the_table_or_is_counted() {
        let mut lines = RefusedLines::default();
        assert_eq!(lines.table(), HEADER);
        lines.put(7, ("json", "it is no recipient"), b"=a,\"b");
        assert!(lines.table().ends_with("7,json,it is no recipient,\"'=a,\"\"b\"\n"));
        let long = vec![b'x'; 2 * LINE_OCTETS_MAX];
        let most = REFUSED_OCTETS_MAX / LINE_OCTETS_MAX + 10;
        (0..most as u64).for_each(|line| lines.put(line, ("line_too_long", "it is"), &long));
        let table = lines.table();
        let kept = table.lines().filter(|line| line.contains("line_too_long")).count();
        let last = table.lines().last().expect("a line");
        assert!(last.starts_with(&format!(",more,{} lines", most - kept)), "{last}");
        assert!(table.len() < REFUSED_OCTETS_MAX + 2 * LINE_OCTETS_MAX);
    }
}
