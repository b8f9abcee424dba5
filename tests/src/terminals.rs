//! The terminals' book: which segments arrived at the simulated terminals, kept outside of the
//! engine, so that an SMS that a phone got twice is seen however often the engine died.
//!
//! The engine writes it in builds with debug assertions (`hayauma::testing::kill_points`): a line
//! `A shard push mask` when an attempt comes back with segments that the terminal took, a line `R
//! shard push mask` when its journal says so. A push's number is its own in a whole data directory.
//! A push whose `A` has no `R` had its report in flight when the engine died: only such a push may
//! be delivered again. A death may tear the line that is being written; the next life marks the
//! torn line by a `~` and begins another. What a torn line would have said nobody knows: it counts
//! as never written.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// What ends a line that a death tore.
const TORN: char = '~';

/// What the book says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terminals {
    /// Pushes of which something arrived.
    pub pushes: u64,
    /// Segments that arrived, repeats not counted.
    pub segments: u64,
    /// Segments that arrived again, of pushes whose report was in flight at a death of the engine.
    pub repeated_in_flight: u64,
    /// The number of each push that was delivered again although its report had been recorded.
    pub repeated: Vec<u64>,
}

#[derive(Default)]
struct Seen {
    arrived: u16,
    recorded: u16,
}

impl Terminals {
    /// Reads the book; one that was never begun is empty.
    ///
    /// # Panics
    /// When it holds anything but lines of its own and what deaths tore.
    pub fn read(path: &Path) -> Self {
        let mut pushes: HashMap<u64, Seen> = HashMap::new();
        let mut book = Self::default();
        let Ok(file) = File::open(path) else { return book };
        // Line by line: the book of ten million rows is half a gigabyte.
        let (mut file, mut text) = (BufReader::new(file), String::new());
        while file.read_line(&mut text).expect("a readable book") > 0 {
            let taken = std::mem::take(&mut text);
            // The last may have no end.
            let Some(line) = taken.strip_suffix('\n').filter(|line| !line.ends_with(TORN)) else {
                continue;
            };
            let (what, push, mask) =
                parse(line).unwrap_or_else(|| panic!("{line:?} in the terminals' book"));
            let seen = pushes.entry(push).or_default();
            if what == "R" {
                seen.recorded |= mask;
                continue;
            }
            if mask & seen.recorded != 0 {
                book.repeated.push(push);
            }
            book.repeated_in_flight +=
                u64::from((mask & seen.arrived & !seen.recorded).count_ones());
            seen.arrived |= mask;
        }
        book.pushes = pushes.len() as u64;
        book.segments = pushes.values().map(|seen| u64::from(seen.arrived.count_ones())).sum();
        book
    }
}

fn parse(line: &str) -> Option<(&str, u64, u16)> {
    let mut fields = line.split(' ');
    let what = fields.next().filter(|what| ["A", "R"].contains(what))?;
    let _shard: u16 = fields.next()?.parse().ok()?;
    let push = fields.next()?.parse().ok()?;
    let mask = fields.next()?.parse().ok()?;
    fields.next().is_none().then_some((what, push, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_told_apart_by_whether_its_report_was_recorded() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(&file, "A 0 7 3\nR 0 7 3\nA 1 8 1\nA 1 8 3\nR 1 8 3\nA 1 7 2\n")
            .expect("writable");
        let book = Terminals::read(file.path());
        assert_eq!((book.pushes, book.segments, book.repeated_in_flight), (2, 4, 1));
        assert_eq!(book.repeated, [7]);
    }
    #[test]
    fn what_a_death_tore_counts_as_never_written() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        // A mark that lacks its last digit is not what was meant.
        std::fs::write(&file, "A 0 7 3\nA 0 8 102~\nA~\nA 0 8 1023\nR 0 7 3\nA 0 9 10")
            .expect("writable");
        let book = Terminals::read(file.path());
        assert_eq!((book.pushes, book.segments, book.repeated_in_flight), (2, 12, 0));
        assert_eq!(book.repeated, [0; 0]);
    }
}
