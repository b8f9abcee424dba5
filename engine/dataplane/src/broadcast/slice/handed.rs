//! What carriers have of rows that go on: which segments each took under which id, and which of
//! those will not arrive.
//!
//! **Invariants:** what a carrier took is written down before or with the outcome that follows from
//! it; a record says all that is known of a row, so that the newest of a row counts alone; a row
//! that carriers have whole is handed over after a crash too, and in no doubt.

use super::{Outcome, RowMutation, RowWord, Slice, SliceRecord};

/// Octets that the entries of one record take at most.
pub const HANDED_OCTETS_MAX: usize = 3_800;
/// Octets of an entry beside its segments, and of a segment beside its id.
pub(super) const ENTRY_OCTETS: usize = 16;
pub(super) const SEGMENT_OCTETS: usize = 3;
/// Octets beside an entry where a record has no other: the record's own, and a mark's.
const RECEIPT_OCTETS: usize = 96;

/// What a carrier calls a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HandedSegment {
    /// The segment, from 0.
    pub segment: u8,
    /// The carrier's number.
    pub carrier: u8,
    /// Its id.
    pub id: Box<[u8]>,
}

/// What carriers have of one row.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RowHanding {
    /// Nothing of it is left to send: its receipts decide.
    pub is_over: bool,
    /// Its text went in UCS-2, though it takes less otherwise.
    pub recoded: bool,
    /// Its segments.
    pub segments: u8,
    /// Attempts so far; beyond 15 they count as 15.
    pub attempts: u8,
    /// One bit for each segment that will not arrive.
    pub failed_mask: u16,
    /// The code of those; 0 where there are none.
    pub code: u16,
    /// The carrier that could not deliver it, so that it goes by another; 0: none.
    pub avoided: u8,
    /// The segments that were taken, each once.
    pub taken: Vec<HandedSegment>,
}

impl RowHanding {
    /// One bit for each segment that a carrier took.
    pub fn taken_mask(&self) -> u16 {
        self.taken.iter().fold(0, |mask, segment| mask | 1 << segment.segment)
    }

    /// A carrier took these segments; `ids` has each one's behind an octet that says its length.
    pub fn take(&mut self, carrier: u8, taken_mask: u16, ids: &[u8]) {
        let mut rest = ids;
        for segment in (0..u16::BITS as u8).filter(|segment| taken_mask >> segment & 1 == 1) {
            let Some((&length, behind)) = rest.split_first() else { return };
            let Some((id, behind)) = behind.split_at_checked(usize::from(length)) else { return };
            self.taken.retain(|other| other.segment != segment);
            self.taken.push(HandedSegment { segment, carrier, id: id.into() });
            rest = behind;
        }
    }

    /// Octets that it takes in a record.
    pub(super) fn octets(&self) -> usize {
        let segments = self.taken.iter().map(|segment| SEGMENT_OCTETS + segment.id.len());
        ENTRY_OCTETS + segments.sum::<usize>()
    }

    /// Octets of all that is still written of it before the record of its end: each receipt but the
    /// last one says more of it, and may be a record of its own.
    fn octets_of_receipts(&self) -> u64 {
        let awaited = (self.taken_mask() & !self.failed_mask).count_ones();
        u64::from(awaited.saturating_sub(1)) * (self.octets() + RECEIPT_OCTETS) as u64
    }
}

impl Slice {
    /// What carriers have of a row that goes on.
    pub fn handing(&self, row: u32) -> Option<&RowHanding> {
        self.handings.get(&row)
    }

    /// Whether a carrier took some of it.
    pub(super) fn is_at_carrier(&self, row: u32) -> bool {
        self.handings.get(&row).is_some_and(|handing| !handing.taken.is_empty())
    }

    /// So much carriers have of a row: what is new of it is written down.
    pub fn hand(&mut self, row: u32, handing: RowHanding) {
        let octets = handing.octets_of_receipts();
        let known = self.handings.get(&row);
        if known == Some(&handing) {
            return;
        }
        self.handed_octets -= known.map_or(0, RowHanding::octets_of_receipts);
        self.handed_octets += octets;
        self.handings.insert(row, handing);
        self.newly_handed.push(row);
    }

    /// Carriers have nothing of a row that has ended.
    pub(super) fn forget_handing(&mut self, row: u32) {
        let known = self.handings.remove(&row);
        self.handed_octets -= known.map_or(0, |handing| handing.octets_of_receipts());
    }

    /// Octets of the journal that receipts of what carriers have may take, beside those of the
    /// rows' ends.
    pub fn octets_of_receipts(&self) -> u64 {
        self.handed_octets
    }

    /// Rows that carriers have and whose receipts are awaited.
    pub fn handed_over(&self) -> u32 {
        self.handed_over
    }

    /// The rows of which carriers have something.
    pub fn all_handings(&self) -> impl Iterator<Item = u32> + '_ {
        self.handings.keys().copied()
    }

    /// The places of those that are handed over, in order.
    pub fn all_handed_over(&self) -> impl Iterator<Item = u32> + '_ {
        let is_handed = |row: &u32| self.word(*row).outcome == Outcome::HandedOver;
        (0..self.words.len() as u32).filter(is_handed)
    }

    /// The next record of what carriers have, if there is any.
    pub(super) fn poll_handed(&mut self) -> Option<SliceRecord> {
        let (mut entries, mut octets) = (Vec::new(), 0);
        while let Some(row) = self.newly_handed.last().copied() {
            if let Some(handing) = self.handings.get(&row) {
                octets += handing.octets();
                if octets > HANDED_OCTETS_MAX {
                    break;
                }
                entries.push((row, handing.clone()));
            }
            self.newly_handed.pop();
        }
        (!entries.is_empty()).then_some(SliceRecord::Handed(entries))
    }

    /// What such a record still says.
    pub(super) fn handed_again(&self, entries: &[(u32, RowHanding)]) -> Vec<SliceRecord> {
        let is_last = |(row, said): &&(u32, RowHanding)| self.handings.get(row) == Some(said);
        let entries: Vec<(u32, RowHanding)> = entries.iter().filter(is_last).cloned().collect();
        if entries.is_empty() { Vec::new() } else { vec![SliceRecord::Handed(entries)] }
    }

    pub(super) fn replay_handed(&mut self, entries: &[(u32, RowHanding)]) {
        let rows = self.words.len() as u32;
        for (row, handing) in entries.iter().filter(|(row, _)| *row < rows) {
            self.handings.insert(*row, handing.clone());
        }
    }

    /// All is read: what carriers have is of rows that go on. Those that they have whole are handed
    /// over, whether or not a record says so.
    pub(super) fn restore_handed(&mut self, seconds: u32) {
        let mut handings = std::mem::take(&mut self.handings);
        if self.mutation == RowMutation::ForgetHanded {
            return;
        }
        handings.retain(|row, _| !self.word(*row).outcome.is_final());
        self.handed_octets = handings.values().map(RowHanding::octets_of_receipts).sum();
        let is_unsaid =
            |row: &u32| matches!(self.word(*row).outcome, Outcome::Waiting | Outcome::Held);
        let over = handings.iter().filter(|(_, handing)| handing.is_over);
        let unsaid: Vec<u32> = over.map(|(row, _)| *row).filter(is_unsaid).collect();
        for (row, handing) in &handings {
            // What carriers took some of has begun.
            let word = self.word(*row);
            let attempts = word.attempts.max(handing.attempts);
            self.set_word(*row, RowWord { attempts, ..word });
        }
        self.handings = handings;
        for row in unsaid {
            self.change(row, Outcome::HandedOver, seconds);
        }
    }

    /// All is read, and what may have been under way is known: a row of which a record says that it
    /// goes on, and none that it is held, was about to go by another carrier. Nothing of it is out.
    pub(super) fn go_on_elsewhere(&mut self, seconds: u32) {
        let goes_on = |row: &u32| {
            let handing = self.handings.get(row);
            self.word(*row).outcome == Outcome::HandedOver
                && handing.is_some_and(|handing| !handing.is_over)
        };
        let rows: Vec<u32> = self.handings.keys().copied().filter(goes_on).collect();
        for row in rows {
            self.change(row, Outcome::Held, seconds);
        }
    }

    /// An attempt came to nothing, and the row keeps its place: it is as if it had not begun. One
    /// that was attempted before is held with this code, and due, as its newest record may say. One
    /// of which a carrier took some has begun, and does not come back so.
    ///
    /// # Panics
    /// When no attempt of it is under way.
    pub fn returned(&mut self, row: u32, code: u16) -> Outcome {
        let word = self.word(row);
        assert_eq!(word.outcome, Outcome::InFlight, "only an attempt comes to nothing");
        let attempts = word.attempts.saturating_sub(1);
        let outcome = if attempts == 0 { Outcome::Waiting } else { Outcome::Held };
        let code = if attempts == 0 { 0 } else { code };
        self.under_way -= 1;
        self.set_word(row, RowWord { outcome, code, attempts, seconds: 0, ..word });
        self.note_shift(row, Outcome::InFlight, outcome);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::claims::RunSlice;
    use crate::broadcast::slice::{OnDoubt, Order, Plan, Turn, codec};

    fn plan(on_doubt: OnDoubt) -> Plan {
        let runs = vec![RunSlice { first: 0, rows: 10, wave: 0 }];
        Plan { runs, alertseq: 0, on_doubt, mutation: RowMutation::None }
    }

    /// Appends all that is wanted; the records.
    fn flush(slice: &mut Slice, sequence: &mut u64) -> Vec<SliceRecord> {
        let mut records = Vec::new();
        while let Some(record) = slice.poll_record() {
            *sequence += 1;
            slice.appended(*sequence);
            records.push(record);
        }
        slice.durable(*sequence);
        records
    }

    fn handing(segments: u8, is_over: bool, ids: &[u8]) -> RowHanding {
        let mut handing = RowHanding { is_over, segments, attempts: 1, ..RowHanding::default() };
        handing.take(2, (1 << (ids.len() / 2)) - 1, ids);
        handing
    }

    /// Three rows at a carrier: the first whole, the second in part, the third not at all.
    fn with_three_rows() -> (Slice, Vec<SliceRecord>, u64) {
        let (mut slice, mut sequence) = (Slice::new(plan(OnDoubt::Again)), 0);
        slice.order(Order::Start);
        slice.claim(3);
        let mut records = flush(&mut slice, &mut sequence);
        for row in 0..3 {
            assert_eq!(slice.take_ready(1), Some(row));
            assert_eq!(slice.begin(row, 1), Turn::Attempt);
        }
        slice.hand(0, handing(1, true, b"\x01a"));
        slice.ended(0, Outcome::HandedOver, 0, 2);
        slice.hand(1, handing(2, false, b"\x01b"));
        records.extend(flush(&mut slice, &mut sequence));
        (slice, records, sequence)
    }

    #[test]
    fn what_a_carrier_took_stands_before_the_outcome_and_is_found_after_a_crash() {
        let (slice, records, _) = with_three_rows();
        let at =
            |wanted: fn(&SliceRecord) -> bool| records.iter().position(wanted).expect("a record");
        let handed = at(|record| matches!(record, SliceRecord::Handed(_)));
        assert!(handed < at(|record| matches!(record, SliceRecord::Outcomes(_))));
        assert_eq!((slice.handed_over(), slice.counts().of(Outcome::HandedOver)), (1, 1));
        // Whether or not the outcome came into the journal, the first is handed over.
        for until in [handed + 1, records.len()] {
            let again = Slice::recover(plan(OnDoubt::Again), None, &records[..until], 5);
            let outcomes = [0, 1, 2].map(|row| again.word(row).outcome);
            assert_eq!(outcomes, [Outcome::HandedOver, Outcome::Waiting, Outcome::Waiting]);
            assert_eq!((again.doubts(), again.handed_over()), (2, 1), "{until}");
            assert_eq!(again.handing(0), slice.handing(0));
            assert_eq!(again.handing(1).map(RowHanding::taken_mask), Some(1));
            assert_eq!(again.handing(2), None);
        }
        let left = Slice::recover(plan(OnDoubt::Leave), None, &records, 5);
        let outcomes = [0, 1, 2].map(|row| left.word(row).outcome);
        assert_eq!(outcomes, [Outcome::HandedOver, Outcome::InDoubt, Outcome::InDoubt]);
    }

    #[test]
    fn what_ended_is_at_no_carrier_any_more_and_is_not_said_again() {
        let (mut slice, mut records, mut sequence) = with_three_rows();
        let handed = records.iter().find(|record| matches!(record, SliceRecord::Handed(_)));
        let handed = handed.expect("a record").clone();
        assert_eq!(slice.said_again(&handed), std::slice::from_ref(&handed));
        slice.ended(0, Outcome::Delivered, 1, 9);
        records.extend(flush(&mut slice, &mut sequence));
        let [SliceRecord::Handed(left)] = &slice.said_again(&handed)[..] else {
            panic!("one is left")
        };
        assert_eq!(left.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1]);
        let again = Slice::recover(plan(OnDoubt::Again), None, &records, 5);
        assert_eq!((again.word(0).outcome, again.handing(0)), (Outcome::Delivered, None));
    }

    #[test]
    fn a_row_that_comes_back_has_not_begun_or_is_held_as_before() {
        let (mut slice, _, mut sequence) = with_three_rows();
        assert_eq!(slice.returned(2, 6001), Outcome::Waiting);
        assert!(slice.is_under_way(), "the second is");
        flush(&mut slice, &mut sequence);
        assert_eq!(slice.begin(2, 3), Turn::Attempt);
        slice.ended_with(2, (Outcome::Held, Some(6008)), 0, 4);
        assert_eq!(slice.retry(2, 4), Turn::Attempt);
        assert_eq!(slice.word(2).attempts, 2);
        assert_eq!(slice.returned(2, 6008), Outcome::Held);
        assert_eq!((slice.word(2).attempts, slice.word(2).code), (1, 6008));
        assert_eq!(slice.retry(2, 5), Turn::Attempt);
        slice.ended(2, Outcome::Delivered, 1, 6);
        slice.ended(1, Outcome::Delivered, 2, 6);
        flush(&mut slice, &mut sequence);
        let counts = slice.counts();
        let found =
            [Outcome::Delivered, Outcome::HandedOver, Outcome::Waiting].map(|o| counts.of(o));
        assert_eq!((found, counts.sum()), ([2, 1, 7], 10));
    }

    #[test]
    fn what_carriers_took_a_part_of_has_begun_and_is_billed_however_it_ends() {
        let (mut slice, mut records, mut sequence) = with_three_rows();
        // The rest of the second comes back, and nobody writes what follows.
        let again = Slice::recover(plan(OnDoubt::Again), None, &records, 5);
        assert_eq!((again.word(1).outcome, again.word(1).attempts), (Outcome::Waiting, 1));
        assert_eq!(again.word(2).attempts, 0, "nobody has any of it");
        // A carrier says late that it has what is in doubt, and that has not begun here.
        let mut late = again;
        late.hand(2, handing(1, true, b"\x01c"));
        assert_eq!(late.take_ready(6), Some(1));
        late.ended(2, Outcome::HandedOver, 0, 6);
        assert_eq!(late.word(2).attempts, 1, "what a carrier has was attempted");
        slice.ended_with(1, (Outcome::Held, Some(0)), 0, 6);
        records.extend(flush(&mut slice, &mut sequence));
        let held = Slice::recover(plan(OnDoubt::Again), None, &records, 5);
        assert_eq!((held.word(1).outcome, held.word(1).attempts), (Outcome::Held, 1));
    }

    #[test]
    fn what_was_about_to_go_elsewhere_goes_on_wherever_a_crash_cuts_its_records() {
        let (mut slice, mut records, mut sequence) = with_three_rows();
        let before = records.len();
        slice.hand(0, RowHanding { avoided: 2, is_over: false, ..handing(1, false, b"") });
        slice.ended_with(0, (Outcome::Held, Some(6012)), 0, 9);
        records.extend(flush(&mut slice, &mut sequence));
        for until in before..=records.len() {
            for on_doubt in [OnDoubt::Again, OnDoubt::Leave] {
                let again = Slice::recover(plan(on_doubt), None, &records[..until], 5);
                let outcome = if until == before { Outcome::HandedOver } else { Outcome::Held };
                assert_eq!(again.word(0).outcome, outcome, "{until} {on_doubt:?}");
                assert_eq!(again.handed_over(), u32::from(until == before));
                let handing = again.handing(0).expect("it goes on");
                assert_eq!(handing.avoided, if until == before { 0 } else { 2 });
            }
        }
    }

    #[test]
    fn receipts_take_no_more_of_the_journal_than_is_kept_for_them() {
        for (segments, length) in [(1u8, 10usize), (2, 10), (2, 65), (10, 4), (10, 65)] {
            let (mut slice, _, mut sequence) = with_three_rows();
            let id = [&[length as u8][..], &vec![7; length]].concat();
            let mut whole = RowHanding { is_over: true, segments, ..RowHanding::default() };
            whole.take(2, (1 << segments) - 1, &id.repeat(usize::from(segments)));
            let others = slice.octets_of_receipts();
            slice.hand(2, whole.clone());
            slice.ended(2, Outcome::HandedOver, 0, 2);
            flush(&mut slice, &mut sequence);
            // Each second one says that its segment will not arrive.
            for segment in 0..segments - 1 {
                let kept = slice.octets_of_receipts() - others;
                slice.note_mark(2, 1 << segment & 0x155);
                whole.failed_mask |= 1 << segment & 0x2AA;
                slice.hand(2, whole.clone());
                let written: usize = flush(&mut slice, &mut sequence).iter().map(frame).sum();
                let left = slice.octets_of_receipts() - others;
                let all = u64::from(segments - 1 - segment) * frame_of(&whole) as u64;
                assert!(kept >= all && written <= frame_of(&whole), "{segments} {length}");
                assert!(left <= kept);
            }
            slice.ended(2, Outcome::Partial, 1, 3);
            assert_eq!(slice.octets_of_receipts(), others);
        }
    }

    /// Octets of a record in the journal, more or less.
    fn frame(record: &SliceRecord) -> usize {
        let mut octets = Vec::new();
        codec::write(record, &codec::RecordBooks::default(), &mut octets);
        octets.len() + 40
    }

    fn frame_of(handing: &RowHanding) -> usize {
        frame(&SliceRecord::Handed(vec![(0, handing.clone())])) + 8
    }

    #[test]
    fn a_record_holds_as_much_as_it_may_and_the_rest_follows() {
        let (mut slice, mut sequence) = (Slice::new(plan(OnDoubt::Again)), 0);
        let long = [&[65][..], &[7; 65]].concat().repeat(10);
        for row in 0..10 {
            let mut handing = RowHanding { segments: 10, ..RowHanding::default() };
            handing.take(1, 0x3FF, &long);
            slice.hand(row, handing);
        }
        let records = flush(&mut slice, &mut sequence);
        let count = |record: &SliceRecord| match record {
            SliceRecord::Handed(entries) => entries.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(records.iter().map(count).collect::<Vec<_>>(), [5, 5]);
    }
}
