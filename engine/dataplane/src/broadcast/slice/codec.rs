//! A slice's records as octets, and back; all numbers are little-endian.
//!
//! ```text
//! order      1, step (1), alertseq or waves (1)
//! claimed    2, count (2); of each piece its run, first row, rows (4 each)
//! outcomes   3, number (4), XPID (8), class (1), count of lines (1), count of entries (2);
//!            lines: kind, state, segments, delivered (1 each), code, how often (2 each);
//!            entries: row (4), word (4)
//! doubts     4, in all (4)
//! stands     5, life (1)
//! marks      6, count (2); of each its row (4), mark (2)
//! rests      7
//! handed     8, count (2); of each its row (4), flags, segments, attempts (1 each), failed
//!            mask, code (2 each), avoided carrier, count of segments (1 each); of each of
//!            those: segment, carrier, length of the id (1 each), the id
//! ```
//!
//! The lines are what the books get for the record, so that its events are the same whoever reads
//! it. A record that cleaning appends again has none.

use super::super::claims::Piece;
use super::super::life::{End, Life};
use super::super::outcomes::RowWord;
use super::{
    HANDED_OCTETS_MAX, HandedSegment, MARKS_OF_A_RECORD_MAX, OUTCOMES_OF_A_RECORD_MAX, Order,
    PIECES_OF_A_RECORD_MAX, RowHanding, SliceRecord,
};

/// Octets that a record takes at most.
pub const RECORD_OCTETS_MAX: usize = 3_900;
/// Lines for the books that a record has at most.
pub const LINES_MAX: usize = 64;

const LINE_OCTETS: usize = 8;
const OUTCOME_OCTETS: usize = 8;
const PIECE_OCTETS: usize = 12;
const MARK_OCTETS: usize = 6;
const _: () = assert!(
    17 + LINES_MAX * LINE_OCTETS + OUTCOMES_OF_A_RECORD_MAX * OUTCOME_OCTETS <= RECORD_OCTETS_MAX
);
const _: () = assert!(3 + PIECES_OF_A_RECORD_MAX * PIECE_OCTETS <= RECORD_OCTETS_MAX);
const _: () = assert!(3 + MARKS_OF_A_RECORD_MAX * MARK_OCTETS <= RECORD_OCTETS_MAX);
const _: () = assert!(3 + HANDED_OCTETS_MAX <= RECORD_OCTETS_MAX);
const _: () = assert!(LINES_MAX <= u8::MAX as usize && OUTCOMES_OF_A_RECORD_MAX < 1 << 16);

/// What the books get of many rows at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct BookLine {
    /// Rows that ended, not rows that were accepted.
    pub is_final: bool,
    /// Of control SMS, not of texts.
    pub is_control: bool,
    /// The message center's number of the final state; 0 of rows that were accepted.
    pub state: u8,
    /// Segments of each.
    pub segments: u8,
    /// Segments of each that arrived.
    pub delivered: u8,
    /// The final code.
    pub code: u16,
    /// How many rows.
    pub rows: u16,
}

/// What stands beside outcomes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordBooks {
    /// Which of the slice's records with outcomes it is.
    pub number: u32,
    /// Whose rows they are.
    pub xpid: u64,
    /// The class's number.
    pub class: u8,
    /// What the books get.
    pub lines: Vec<BookLine>,
}

/// Writes a record behind what `octets` holds; `books` go with outcomes.
pub fn write(record: &SliceRecord, books: &RecordBooks, octets: &mut Vec<u8>) {
    match record {
        SliceRecord::Order(order) => octets.extend_from_slice(&{
            let (step, alertseq) = number_of_order(*order);
            [1, step, alertseq]
        }),
        SliceRecord::Claimed(pieces) => {
            octets.push(2);
            octets.extend_from_slice(&(pieces.len() as u16).to_le_bytes());
            for piece in pieces {
                for number in [piece.run, piece.first, piece.rows] {
                    octets.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        SliceRecord::Outcomes(entries) => {
            octets.push(3);
            octets.extend_from_slice(&books.number.to_le_bytes());
            octets.extend_from_slice(&books.xpid.to_le_bytes());
            octets.extend_from_slice(&[books.class, books.lines.len() as u8]);
            octets.extend_from_slice(&(entries.len() as u16).to_le_bytes());
            for line in &books.lines {
                let kind = u8::from(line.is_final) | u8::from(line.is_control) << 1;
                octets.extend_from_slice(&[kind, line.state, line.segments, line.delivered]);
                octets.extend_from_slice(&line.code.to_le_bytes());
                octets.extend_from_slice(&line.rows.to_le_bytes());
            }
            for (row, word) in entries {
                octets.extend_from_slice(&row.to_le_bytes());
                octets.extend_from_slice(&word.to_bits().to_le_bytes());
            }
        }
        SliceRecord::Doubts { total } => {
            octets.push(4);
            octets.extend_from_slice(&total.to_le_bytes());
        }
        SliceRecord::Stands(life) => octets.extend_from_slice(&[5, number_of_life(*life)]),
        SliceRecord::Marks(entries) => {
            octets.push(6);
            octets.extend_from_slice(&(entries.len() as u16).to_le_bytes());
            for (row, mark) in entries {
                octets.extend_from_slice(&row.to_le_bytes());
                octets.extend_from_slice(&mark.to_le_bytes());
            }
        }
        SliceRecord::Rests => octets.push(7),
        SliceRecord::Handed(entries) => {
            octets.push(8);
            octets.extend_from_slice(&(entries.len() as u16).to_le_bytes());
            entries.iter().for_each(|(row, handing)| write_handing(*row, handing, octets));
        }
    }
    assert!(octets.len() <= RECORD_OCTETS_MAX, "a record is cut before it is written");
}

/// Reads a record and what stands beside it; `None` where nothing ever wrote it.
pub fn read(octets: &[u8]) -> Option<(SliceRecord, RecordBooks)> {
    let mut reader = Octets(octets);
    let mut books = RecordBooks::default();
    let record = match reader.octet()? {
        1 => SliceRecord::Order(order_of_number(reader.octet()?, reader.octet()?)?),
        2 => {
            let count = reader.short()?;
            let piece = |reader: &mut Octets<'_>| -> Option<Piece> {
                let (run, first, rows) = (reader.number()?, reader.number()?, reader.number()?);
                Some(Piece { run, first, rows })
            };
            SliceRecord::Claimed((0..count).map(|_| piece(&mut reader)).collect::<Option<_>>()?)
        }
        3 => {
            let entries = reader.books(&mut books)?;
            let entry = |reader: &mut Octets<'_>| -> Option<(u32, RowWord)> {
                Some((reader.number()?, RowWord::from_bits(reader.number()?)?))
            };
            SliceRecord::Outcomes((0..entries).map(|_| entry(&mut reader)).collect::<Option<_>>()?)
        }
        4 => SliceRecord::Doubts { total: reader.number()? },
        5 => SliceRecord::Stands(life_of_number(reader.octet()?)?),
        6 => {
            let count = reader.short()?;
            let entry = |reader: &mut Octets<'_>| -> Option<(u32, u16)> {
                Some((reader.number()?, reader.short()?))
            };
            SliceRecord::Marks((0..count).map(|_| entry(&mut reader)).collect::<Option<_>>()?)
        }
        7 => SliceRecord::Rests,
        8 => {
            let count = reader.short()?;
            SliceRecord::Handed((0..count).map(|_| handing(&mut reader)).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    reader.0.is_empty().then_some((record, books))
}

/// What the books get alone, for whoever needs no more of a record; `None` where it is nothing.
pub fn read_books(octets: &[u8]) -> Option<RecordBooks> {
    let mut reader = Octets(octets);
    let mut books = RecordBooks::default();
    if reader.octet()? != 3 {
        return None;
    }
    reader.books(&mut books)?;
    (!books.lines.is_empty()).then_some(books)
}

fn write_handing(row: u32, handing: &RowHanding, octets: &mut Vec<u8>) {
    let before = octets.len();
    octets.extend_from_slice(&row.to_le_bytes());
    let flags = u8::from(handing.is_over) | u8::from(handing.recoded) << 1;
    octets.extend_from_slice(&[flags, handing.segments, handing.attempts]);
    octets.extend_from_slice(&handing.failed_mask.to_le_bytes());
    octets.extend_from_slice(&handing.code.to_le_bytes());
    octets.extend_from_slice(&[handing.avoided, handing.taken.len() as u8]);
    for HandedSegment { segment, carrier, id } in &handing.taken {
        octets.extend_from_slice(&[*segment, *carrier, id.len() as u8]);
        octets.extend_from_slice(id);
    }
    debug_assert!(octets.len() - before <= handing.octets(), "records are cut by that");
}

fn handing(reader: &mut Octets<'_>) -> Option<(u32, RowHanding)> {
    let row = reader.number()?;
    let flags = reader.octet()?;
    let (is_over, recoded) = (flags & 1 == 1, flags & 2 == 2);
    let (segments, attempts) = (reader.octet()?, reader.octet()?);
    let (failed_mask, code) = (reader.short()?, reader.short()?);
    let (avoided, count) = (reader.octet()?, reader.octet()?);
    let taken = (0..count).map(|_| handed_segment(reader)).collect::<Option<_>>()?;
    let handing =
        RowHanding { is_over, recoded, segments, attempts, failed_mask, code, avoided, taken };
    Some((row, handing))
}

fn handed_segment(reader: &mut Octets<'_>) -> Option<HandedSegment> {
    let (segment, carrier, length) = (reader.octet()?, reader.octet()?, reader.octet()?);
    let (id, behind) = reader.0.split_at_checked(usize::from(length))?;
    reader.0 = behind;
    (segment < 10).then(|| HandedSegment { segment, carrier, id: id.into() })
}

fn line(reader: &mut Octets<'_>) -> Option<BookLine> {
    let kind = reader.octet()?;
    Some(BookLine {
        is_final: kind & 1 == 1,
        is_control: kind & 2 == 2,
        state: reader.octet()?,
        segments: reader.octet()?,
        delivered: reader.octet()?,
        code: reader.short()?,
        rows: reader.short()?,
    })
}

struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn octet(&mut self) -> Option<u8> {
        let (&octet, behind) = self.0.split_first()?;
        self.0 = behind;
        Some(octet)
    }

    fn short(&mut self) -> Option<u16> {
        let (octets, behind) = self.0.split_first_chunk()?;
        self.0 = behind;
        Some(u16::from_le_bytes(*octets))
    }

    fn long(&mut self) -> Option<u64> {
        let (octets, behind) = self.0.split_first_chunk()?;
        self.0 = behind;
        Some(u64::from_le_bytes(*octets))
    }

    /// Reads what stands in front of outcomes; how many of these there are.
    fn books(&mut self, books: &mut RecordBooks) -> Option<u16> {
        (books.number, books.xpid, books.class) = (self.number()?, self.long()?, self.octet()?);
        let (lines, entries) = (self.octet()?, self.short()?);
        books.lines = (0..lines).map(|_| line(self)).collect::<Option<_>>()?;
        Some(entries)
    }

    fn number(&mut self) -> Option<u32> {
        let (octets, behind) = self.0.split_first_chunk()?;
        self.0 = behind;
        Some(u32::from_le_bytes(*octets))
    }
}

const ENDS: [End; 3] = [End::Cancelled, End::Expired, End::Replaced];

fn number_of_end(end: End) -> u8 {
    match end {
        End::Cancelled => 0,
        End::Expired => 1,
        End::Replaced => 2,
    }
}

fn number_of_order(order: Order) -> (u8, u8) {
    match order {
        Order::Start => (1, 0),
        Order::Pause => (2, 0),
        Order::Resume => (3, 0),
        Order::End(end) => (4 + number_of_end(end), 0),
        Order::Chain { alertseq } => (7, alertseq),
        Order::Wave { open } => (8, open),
    }
}

fn order_of_number(step: u8, alertseq: u8) -> Option<Order> {
    Some(match step {
        1 => Order::Start,
        2 => Order::Pause,
        3 => Order::Resume,
        4..=6 => Order::End(ENDS[usize::from(step - 4)]),
        7 => Order::Chain { alertseq },
        8 => Order::Wave { open: alertseq },
        _ => return None,
    })
}

fn number_of_life(life: Life) -> u8 {
    match life {
        Life::Draft => 0,
        Life::Checked => 1,
        Life::Approved => 2,
        Life::Holding => 3,
        Life::Running => 4,
        Life::Paused => 5,
        Life::Finished => 6,
        Life::Closing(end) => 10 + number_of_end(end),
        Life::Ended(end) => 20 + number_of_end(end),
    }
}

fn life_of_number(number: u8) -> Option<Life> {
    Some(match number {
        3 => Life::Holding,
        4 => Life::Running,
        5 => Life::Paused,
        6 => Life::Finished,
        10..=12 => Life::Closing(ENDS[usize::from(number - 10)]),
        20..=22 => Life::Ended(ENDS[usize::from(number - 20)]),
        // A slice is never a draft.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::outcomes::Outcome;

    #[test]
    fn every_record_is_read_as_it_was_written() {
        let word = RowWord { outcome: Outcome::Delivered, segments: 2, ..RowWord::WAITING };
        let control = BookLine { is_control: true, ..BookLine::default() };
        let line =
            BookLine { is_final: true, state: 4, segments: 2, delivered: 2, rows: 400, ..control };
        let full =
            RecordBooks { number: 7, xpid: 100_000_001, class: 3, lines: vec![line; LINES_MAX] };
        let piece = Piece { run: 3, first: 70_000, rows: 32 };
        let none = RecordBooks::default();
        let (segments, attempts, failed_mask, code) = (3, 2, 0b100, 6012);
        let mut handed = RowHanding { segments, attempts, failed_mask, code, ..Default::default() };
        (handed.is_over, handed.recoded, handed.avoided) = (true, true, 7);
        handed.take(2, 0b11, b"\x04AB12\x00");
        let mut records = vec![
            (SliceRecord::Claimed(vec![piece; PIECES_OF_A_RECORD_MAX]), none.clone()),
            (SliceRecord::Outcomes(vec![(9, word); OUTCOMES_OF_A_RECORD_MAX]), full),
            (SliceRecord::Doubts { total: 5 }, none.clone()),
            (SliceRecord::Marks(vec![(9, 0x8003); MARKS_OF_A_RECORD_MAX]), none.clone()),
            (SliceRecord::Rests, none.clone()),
            (SliceRecord::Handed(vec![(9, handed), (10, RowHanding::default())]), none.clone()),
        ];
        let orders = [Order::Start, Order::Pause, Order::Resume, Order::Chain { alertseq: 99 }];
        let orders = orders.into_iter().chain([Order::Wave { open: 16 }]);
        let orders = orders.chain(ENDS.map(Order::End));
        records.extend(orders.map(|order| (SliceRecord::Order(order), none.clone())));
        let lives = [Life::Holding, Life::Running, Life::Paused, Life::Finished];
        let lives = lives.into_iter().chain(ENDS.map(Life::Closing)).chain(ENDS.map(Life::Ended));
        records.extend(lives.map(|life| (SliceRecord::Stands(life), none.clone())));
        for (record, books) in records {
            let mut octets = Vec::new();
            write(&record, &books, &mut octets);
            assert_eq!(read(&octets), Some((record, books)));
            for cut in 0..octets.len().min(40) {
                assert_eq!(read(&octets[..cut]), None, "{cut} octets of {octets:?}");
            }
        }
        assert_eq!(read(&[9]), None);
        assert_eq!(read(&[5, 0]), None);
    }
}
