//! The lines of a recipients' file that are no rows, as a table that somebody mends them by.
//!
//! **Invariants:** at most [`REFUSED_OCTETS_MAX`] octets; what found no room is counted in its last
//! line.

use std::fmt::Write as _;

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

#[cfg(test)]
mod tests {
    use super::*;

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
