//! What a journal has of broadcasts of which nobody has told since the start: what all their
//! records say together, four octets a row, until they are told or known to be over.
//!
//! **Invariants:** read in any order that cleaning leaves, the records lead to the same state; what
//! cleaning moves says no less than all that was read, and nothing that is overtaken.

use crate::broadcast::claims::Piece;
use crate::broadcast::life::Life;
use crate::broadcast::limits::LIST_ROWS_MAX;
use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::slice::codec::{self, RecordBooks};
use crate::broadcast::slice::{
    OUTCOMES_OF_A_RECORD_MAX, Order, Plan, RowHanding, Slice, SliceRecord,
};
use crate::journal::{BroadcastNote, Journal, Position, SegmentId};
use std::collections::BTreeMap;
use wire::terms::time::WallMs;

/// No attempt takes longer, from its time until a record says what came of it, in seconds.
const ATTEMPT_SECONDS_MAX: u32 = 120;

/// What a journal has of a broadcast of which nobody has told yet.
pub(in crate::shard) struct UntoldNotes {
    life: Life,
    /// By run, the piece that its claims end with.
    claims: BTreeMap<u32, Piece>,
    /// By row, as [`RowWord::to_bits`] has it.
    words: Vec<u32>,
    /// One bit for each row that the books know of.
    accepted: Vec<u64>,
    marks: BTreeMap<u32, u16>,
    /// What carriers have of rows that go on.
    handings: BTreeMap<u32, RowHanding>,
    doubts: u32,
    /// How many waves have their turns.
    waves_open: u8,
    /// The last record says that nothing was under way.
    rests: bool,
    /// When the latest record was written, Unix milliseconds.
    pub(super) newest_ms: WallMs,
    /// Where the last one lies that says so: those before it are overtaken.
    last_rest: Option<Position>,
    /// Records with outcomes that were numbered.
    records: u32,
    /// Where the records lie.
    positions: Vec<Position>,
    /// Octets by segment, once they are counted.
    pub(super) needed: BTreeMap<SegmentId, u64>,
}

impl Default for UntoldNotes {
    fn default() -> Self {
        Self {
            life: Life::Holding,
            claims: BTreeMap::new(),
            words: Vec::new(),
            accepted: Vec::new(),
            marks: BTreeMap::new(),
            handings: BTreeMap::new(),
            doubts: 0,
            waves_open: 1,
            rests: false,
            newest_ms: WallMs::ZERO,
            last_rest: None,
            records: 0,
            positions: Vec::new(),
            needed: BTreeMap::new(),
        }
    }
}

impl UntoldNotes {
    /// Takes a record as the journal is read; `false` where it says something impossible.
    pub(in crate::shard) fn take(&mut self, position: Position, note: &BroadcastNote<'_>) -> bool {
        let Some((record, books)) = codec::read(note.octets) else { return false };
        self.merge(&record, &books);
        self.newest_ms = self.newest_ms.max(WallMs::new(note.at_ms));
        self.note_rest(position, &record);
        self.positions.push(position);
        true
    }

    fn merge(&mut self, record: &SliceRecord, books: &RecordBooks) {
        self.rests = *record == SliceRecord::Rests;
        match record {
            // Only what was obeyed stands in a record.
            SliceRecord::Order(Order::Wave { open }) => {
                self.waves_open = self.waves_open.max(*open)
            }
            SliceRecord::Order(order) => {
                let life = order.step().and_then(|step| self.life.after(step).ok());
                self.life = life.unwrap_or(self.life);
            }
            SliceRecord::Stands(life) => self.life = *life,
            SliceRecord::Claimed(pieces) => {
                for piece in pieces {
                    let known = self.claims.entry(piece.run).or_insert(*piece);
                    if known.first < piece.first {
                        *known = *piece;
                    }
                }
            }
            SliceRecord::Outcomes(entries) => {
                self.records = self.records.max(books.number.wrapping_add(1));
                for (row, word) in entries.iter().filter(|(row, _)| *row < LIST_ROWS_MAX) {
                    self.note_outcome(*row as usize, *word);
                }
            }
            SliceRecord::Marks(entries) => {
                for (row, mark) in entries {
                    *self.marks.entry(*row).or_default() |= mark;
                }
            }
            SliceRecord::Handed(entries) => {
                let goes_on = |row: &u32| !self.word(*row as usize).outcome.is_final();
                let entries = entries.iter().filter(|(row, _)| goes_on(row)).cloned();
                let entries: Vec<(u32, RowHanding)> = entries.collect();
                self.handings.extend(entries);
            }
            SliceRecord::Doubts { total } => self.doubts = self.doubts.max(*total),
            SliceRecord::Rests => {}
        }
    }

    /// A record stands behind all others from now on.
    pub(super) fn note_rest(&mut self, position: Position, record: &SliceRecord) {
        if *record == SliceRecord::Rests {
            self.last_rest = Some(position);
        }
    }

    /// Whether a record is the last that says that nothing was under way.
    pub(super) fn is_last_rest(&self, position: Position) -> bool {
        self.last_rest == Some(position)
    }

    fn note_outcome(&mut self, row: usize, word: RowWord) {
        if self.words.len() <= row {
            self.words.resize(row + 1, RowWord::WAITING.to_bits());
            self.accepted.resize((row + 1).div_ceil(64), 0);
        }
        if is_billed(word) {
            self.accepted[row / 64] |= 1 << (row % 64);
        }
        // The last one counts, and an end stays.
        if !self.word(row).outcome.is_final() {
            self.words[row] = word.to_bits();
        }
        if word.outcome.is_final() {
            self.handings.remove(&(row as u32));
        }
    }

    fn word(&self, row: usize) -> RowWord {
        let word = self.words.get(row).copied().and_then(RowWord::from_bits);
        word.unwrap_or(RowWord::WAITING)
    }

    /// Whether carriers have rows of it whose receipts may come.
    pub(super) fn has_handed(&self) -> bool {
        !self.handings.is_empty()
    }

    /// The number of the last record with outcomes.
    pub(super) fn last_record(&self) -> u32 {
        self.records.saturating_sub(1)
    }

    /// The journal is read: its segments stay as long as this is needed.
    pub(in crate::shard) fn hold(&mut self, journal: &mut Journal) {
        for position in std::mem::take(&mut self.positions) {
            journal.need_broadcast(position);
            *self.needed.entry(position.segment()).or_default() += journal.note_octets(position);
        }
    }

    /// What a record that cleaning moves is appended as, behind all others.
    pub(super) fn said_again(&self, record: &SliceRecord, is_last_rest: bool) -> Vec<SliceRecord> {
        let mut again = match record {
            SliceRecord::Order(Order::Wave { .. }) => vec![self.waves()],
            SliceRecord::Order(_) | SliceRecord::Stands(_) => vec![SliceRecord::Stands(self.life)],
            SliceRecord::Doubts { .. } => vec![SliceRecord::Doubts { total: self.doubts }],
            SliceRecord::Claimed(pieces) => {
                let is_last = |piece: &&Piece| self.claims.get(&piece.run) == Some(*piece);
                let pieces: Vec<Piece> = pieces.iter().filter(is_last).copied().collect();
                if pieces.is_empty() { Vec::new() } else { vec![SliceRecord::Claimed(pieces)] }
            }
            SliceRecord::Outcomes(entries) => {
                let is_last = |(row, said): &&(u32, RowWord)| self.word(*row as usize) == *said;
                let entries: Vec<(u32, RowWord)> =
                    entries.iter().filter(is_last).copied().collect();
                if entries.is_empty() { Vec::new() } else { vec![SliceRecord::Outcomes(entries)] }
            }
            SliceRecord::Marks(entries) => {
                let all = |(row, _): &(u32, u16)| Some((*row, *self.marks.get(row)?));
                vec![SliceRecord::Marks(entries.iter().filter_map(all).collect())]
            }
            SliceRecord::Handed(entries) => {
                let is_last =
                    |(row, said): &&(u32, RowHanding)| self.handings.get(row) == Some(said);
                let entries: Vec<_> = entries.iter().filter(is_last).cloned().collect();
                if entries.is_empty() { Vec::new() } else { vec![SliceRecord::Handed(entries)] }
            }
            // One of many is enough.
            SliceRecord::Rests if self.rests && is_last_rest => return vec![SliceRecord::Rests],
            SliceRecord::Rests => Vec::new(),
        };
        if self.rests && !again.is_empty() {
            // It stays the last word.
            again.push(SliceRecord::Rests);
        }
        again
    }

    /// The slice as it was, the number of its records with outcomes, and what the books know of.
    pub(super) fn recover(
        mut self,
        plan: Plan,
        seconds: u32,
    ) -> (BTreeMap<SegmentId, u64>, u32, Slice, Vec<u64>) {
        let rows: u32 = plan.runs.iter().map(|run| run.rows).sum();
        let mut accepted = std::mem::take(&mut self.accepted);
        accepted.resize((rows as usize).div_ceil(64), 0);
        let (needed, records) = (std::mem::take(&mut self.needed), self.records);
        let slice = Slice::recover(plan, None, self.records(), seconds);
        (needed, records, slice, accepted)
    }

    /// Up to when what was due may have been under way at the end, where the last record was
    /// written at `newest` and nobody can say how much later the end came. Whatever was due first
    /// behind it was attempted then, and a record would say what came of that.
    pub(super) fn may_have_begun_by(&self, newest: u32) -> u32 {
        let words = self.words.iter().filter_map(|bits| RowWord::from_bits(*bits));
        let held = words.filter(|word| word.outcome == Outcome::Held && word.seconds > newest);
        held.map(|word| word.seconds).min().unwrap_or(newest).saturating_add(ATTEMPT_SECONDS_MAX)
    }

    fn waves(&self) -> SliceRecord {
        SliceRecord::Order(Order::Wave { open: self.waves_open })
    }

    /// All of it as records, as few as there can be.
    fn records(&self) -> impl Iterator<Item = SliceRecord> + '_ {
        let front = [
            SliceRecord::Stands(self.life),
            self.waves(),
            SliceRecord::Claimed(self.claims.values().copied().collect()),
            SliceRecord::Marks(self.marks.iter().map(|(row, mark)| (*row, *mark)).collect()),
            SliceRecord::Doubts { total: self.doubts },
            SliceRecord::Handed(self.handings.iter().map(|(row, of)| (*row, of.clone())).collect()),
        ];
        let chunks = self.words.chunks(OUTCOMES_OF_A_RECORD_MAX).enumerate();
        let outcomes = chunks.map(|(chunk, words)| {
            let first = chunk * OUTCOMES_OF_A_RECORD_MAX;
            let words = words.iter().enumerate().filter_map(|(at, bits)| {
                let word = RowWord::from_bits(*bits)?;
                (word.outcome != Outcome::Waiting).then_some(((first + at) as u32, word))
            });
            SliceRecord::Outcomes(words.collect())
        });
        front.into_iter().chain(outcomes).chain(self.rests.then_some(SliceRecord::Rests))
    }
}

/// Whether the books get a row with this word: it was a push.
pub fn is_billed(word: RowWord) -> bool {
    match word.outcome {
        Outcome::Skipped | Outcome::Waiting | Outcome::InFlight => false,
        // It never began.
        Outcome::Cancelled
        | Outcome::Expired
        | Outcome::Replaced
        | Outcome::Failed
        | Outcome::Refused => word.attempts > 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::claims::RunSlice;
    use crate::broadcast::life::End;
    use crate::broadcast::mutation::RowMutation;
    use crate::broadcast::slice::{MAY_HAVE_IT, OnDoubt, WITHDRAWN};

    fn plan() -> Plan {
        let runs = vec![RunSlice { first: 0, rows: 100, wave: 0 }];
        Plan { runs, alertseq: 0, on_doubt: OnDoubt::Again, mutation: RowMutation::None }
    }

    fn word(outcome: Outcome, seconds: u32) -> RowWord {
        RowWord::WAITING.becoming(outcome, seconds)
    }

    fn piece(first: u32) -> Piece {
        Piece { run: 0, first, rows: 32 }
    }

    /// A carrier has a row whole, under this id.
    fn handed(row: u32, id: &[u8]) -> SliceRecord {
        let mut handing = RowHanding { is_over: true, segments: 1, ..RowHanding::default() };
        handing.take(2, 1, id);
        SliceRecord::Handed(vec![(row, handing)])
    }

    fn read(records: &[SliceRecord]) -> UntoldNotes {
        let mut notes = UntoldNotes::default();
        for (number, record) in (0..).zip(records) {
            let books = RecordBooks { number, ..RecordBooks::default() };
            notes.merge(record, &books);
        }
        notes
    }

    /// Life, words, marks with what carriers have, rows claimed and in doubt, open waves.
    type Recovered = (Life, Vec<u32>, Vec<(u16, Option<RowHanding>)>, u32, u32, u8);

    /// What a start makes of these records.
    fn recovered(records: &[SliceRecord]) -> Recovered {
        let (_, _, slice, _) = read(records).recover(plan(), 50);
        let marks = (0..100).map(|row| (slice.mark(row), slice.handing(row).cloned())).collect();
        let (life, words, open) = (slice.life(), slice.words().to_vec(), slice.wave().open);
        (life, words, marks, slice.claimed(), slice.doubts(), open)
    }

    fn history() -> Vec<SliceRecord> {
        vec![
            SliceRecord::Stands(Life::Holding),
            SliceRecord::Order(Order::Start),
            SliceRecord::Claimed(vec![piece(0)]),
            SliceRecord::Outcomes(vec![
                (0, word(Outcome::InFlight, 1).becoming(Outcome::Delivered, 1)),
                (1, word(Outcome::InFlight, 1).becoming(Outcome::Held, 90)),
                (2, word(Outcome::InFlight, 1).becoming(Outcome::Held, 90)),
            ]),
            SliceRecord::Claimed(vec![piece(32)]),
            SliceRecord::Marks(vec![(1, WITHDRAWN), (2, MAY_HAVE_IT)]),
            SliceRecord::Outcomes(vec![(
                2,
                word(Outcome::InFlight, 1)
                    .becoming(Outcome::Held, 90)
                    .becoming(Outcome::InFlight, 91)
                    .becoming(Outcome::Delivered, 92),
            )]),
            handed(3, b"\x01a"),
            handed(4, b"\x02bb"),
            SliceRecord::Outcomes(vec![(
                4,
                word(Outcome::InFlight, 1).becoming(Outcome::Delivered, 1),
            )]),
            SliceRecord::Doubts { total: 3 },
            SliceRecord::Order(Order::Wave { open: 2 }),
            SliceRecord::Order(Order::Pause),
            SliceRecord::Order(Order::End(End::Cancelled)),
            SliceRecord::Rests,
        ]
    }

    #[test]
    fn all_records_together_lead_to_what_they_lead_to_one_by_one() {
        let records = history();
        for until in 1..=records.len() {
            let some = &records[..until];
            let slice = Slice::recover(plan(), None, some, 50);
            let (life, words, _, claimed, doubts, open) = recovered(some);
            assert_eq!((life, claimed, doubts), (slice.life(), slice.claimed(), slice.doubts()));
            assert_eq!(open, slice.wave().open);
            assert_eq!(words, slice.words(), "the first {until}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_leaves_in_doubt_what_was_due_first_and_not_what_is_due_hours_on() {
        let held = |seconds| word(Outcome::InFlight, 1).becoming(Outcome::Held, seconds);
        let due = [(0, held(40)), (1, held(5_000)), (2, held(5_100)), (3, held(9_000))];
        let mut records =
            vec![SliceRecord::Order(Order::Start), SliceRecord::Claimed(vec![piece(0)])];
        records.push(SliceRecord::Outcomes(due.to_vec()));
        records.extend((4..32).map(|row| {
            SliceRecord::Outcomes(vec![(
                row,
                word(Outcome::InFlight, 1).becoming(Outcome::Failed, 2),
            )])
        }));
        let notes = read(&records);
        let by = notes.may_have_begun_by(50);
        assert!((5_000..5_900).contains(&by), "{by}");
        let plan = Plan { on_doubt: OnDoubt::Leave, ..plan() };
        let (_, _, slice, _) = notes.recover(plan, by);
        let is_left = |row| slice.word(row).outcome == Outcome::InDoubt;
        assert_eq!([0, 1, 2, 3].map(is_left), [true, true, true, false]);
        assert_eq!(read(&records[..2]).may_have_begun_by(50), 50 + ATTEMPT_SECONDS_MAX);
    }

    #[test]
    fn what_cleaning_moves_before_anybody_has_told_says_the_same() {
        let whole = recovered(&history());
        // The oldest goes, and stands behind all others in what is needed of it; again and again.
        let mut records = history();
        let most = 2 * records.len();
        for round in 0..30 * records.len() {
            let notes = read(&records);
            let oldest = records.remove(0);
            let is_last_rest =
                oldest == SliceRecord::Rests && !records.contains(&SliceRecord::Rests);
            records.extend(notes.said_again(&oldest, is_last_rest));
            assert_eq!(recovered(&records), whole, "round {round}: {records:?}");
            assert!(records.len() <= most, "round {round}: {} records", records.len());
        }
        assert_eq!(records.last(), Some(&SliceRecord::Rests));
    }
}
