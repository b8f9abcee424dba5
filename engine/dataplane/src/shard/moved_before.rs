//! What cleaning had moved out of the journal's oldest segment before this start.
//!
//! A crash ends cleaning at any record. The walk begins anew at the next start: keys and alert
//! cancels that stand in a later segment too are dead in the oldest one. Otherwise each start would
//! append them once more, and starts that follow each other would use the reserve up.
//!
//! Bounded by the records of one segment. Never here: what became of pushes that live; where such a
//! push stands the recovery says.

use crate::journal::{Position, Record, SegmentId};
use std::collections::HashSet;

/// Marks the number of an alert's cancel: no sequence has this bit.
const OF_ALERT: u64 = 1 << 63;

/// What needs not be moved again, until the segment is given back.
#[derive(Default)]
pub(super) struct MovedBefore {
    segment: Option<SegmentId>,
    numbers: HashSet<u64>,
}

impl MovedBefore {
    /// Whether the end of this push, which stands at `position`, stands in a later segment too.
    pub(super) fn has_key(&self, position: Position, push_id: u64) -> bool {
        self.has(position, push_id)
    }

    /// As [`Self::has_key`], of the cancel of a whole alert by its first record's sequence.
    pub(super) fn has_alert(&self, position: Position, sequence: u64) -> bool {
        self.has(position, sequence | OF_ALERT)
    }

    fn has(&self, position: Position, number: u64) -> bool {
        !self.numbers.is_empty()
            && self.segment == Some(position.segment())
            && self.numbers.contains(&number)
    }
}

/// The records of a journal as they are read at a start.
#[derive(Default)]
pub(super) struct Moves {
    /// The oldest segment.
    oldest: Option<SegmentId>,
    /// Whose ends and cancels stand in it.
    there: HashSet<u64>,
    /// Those of them that stand in a later segment too.
    moved: HashSet<u64>,
}

impl Moves {
    /// The next record.
    pub(super) fn look(&mut self, position: Position, record: &Record<'_>) {
        let Some(number) = number_of(record) else { return };
        let segment = position.segment();
        if *self.oldest.get_or_insert(segment) == segment {
            self.there.insert(number);
        } else if self.there.contains(&number) {
            self.moved.insert(number);
        }
    }

    /// All records were read.
    pub(super) fn finish(self) -> MovedBefore {
        MovedBefore { segment: self.oldest, numbers: self.moved }
    }
}

/// What names a record that cleaning moves by itself; `None` of all others.
fn number_of(record: &Record<'_>) -> Option<u64> {
    match record {
        Record::Ended(ended) => Some(ended.push_id.to_native()),
        Record::Key(key) => Some(key.push_id.to_native()),
        Record::CancelAccepted(cancel) => {
            cancel.whole_alert().map(|alert| alert.sequence | OF_ALERT)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, JournalConfig, Key, SEGMENT_OCTETS_MIN, SegmentFactory};
    use std::path::Path;

    fn key(push_id: u64) -> Key {
        Key {
            fingerprint: push_id * 31,
            content_digest: 1,
            alert_key_fingerprint: 0,
            push_id,
            ended_ms: 1_800_000_000_000,
            code: 0,
            state: 4,
            segments: 1,
            alert_sequence: 0,
        }
    }

    /// Opens the journal; what had been moved, and where the records stand.
    fn open(directory: &Path, factory: &SegmentFactory) -> (Journal, MovedBefore, Vec<Position>) {
        let budget_octets = 16 * u64::from(SEGMENT_OCTETS_MIN);
        let config = JournalConfig {
            segment_octets: SEGMENT_OCTETS_MIN,
            ..JournalConfig::new(0, budget_octets)
        };
        let (mut moves, mut places) = (Moves::default(), Vec::new());
        let opened = Journal::open(directory, config, factory, &mut |position, _, record| {
            moves.look(position, &record);
            if let Record::Key(_) = record {
                places.push(position);
            }
        });
        let (journal, _) = opened.unwrap_or_else(|error| panic!("{error}"));
        (journal, moves.finish(), places)
    }

    #[test]
    fn keys_that_stand_in_a_later_segment_too_were_moved_before() {
        let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let factory = SegmentFactory::start().unwrap_or_else(|error| panic!("{error}"));
        let (mut journal, ..) = open(place.path(), &factory);
        let mut append = |push_id| {
            let appended = journal.append_key(&key(push_id));
            appended.unwrap_or_else(|error| panic!("{error}")).0
        };
        let oldest = append(1).segment();
        // Twice in the same segment is not moved out of it.
        append(1);
        let mut last = 1;
        while append(last + 1).segment() == oldest {
            last += 1;
        }
        for push_id in (2..last).step_by(2) {
            append(push_id);
        }
        journal.commit_blocking().unwrap_or_else(|error| panic!("{error}"));
        drop(journal);
        let (_, moved_before, places) = open(place.path(), &factory);
        for push_id in 1..=last {
            let is_moved = push_id % 2 == 0 && push_id < last;
            assert_eq!(moved_before.has_key(places[0], push_id), is_moved, "{push_id}");
        }
        let behind = places[places.len() - 1];
        assert!(!moved_before.has_key(behind, 2), "it is needed where it stands now");
    }
}
