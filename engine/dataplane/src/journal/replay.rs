//! Handing out what the segments hold, and dealing with what is damaged in them.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::factory::segment_name;
use super::frame::{RecordKind, frame_octets};
use super::limits::{
    DAMAGES_LISTED_MAX, FRAME_ALIGNMENT_OCTETS, FRAME_HEADER_OCTETS, HEADER_PAGE_OCTETS,
};
use super::log::{Journal, Position};
use super::record::Record;
use super::recovery::{
    Content, End, Fault, Sighting, Taken, durability_claimed, highest_sequence, walk,
};
use super::segment::Segment;
use crate::journal::error::JournalError;
use crate::testing::kill_points::{KillPoint, kill_point};

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecoveryReport {
    /// Segments with records.
    pub segments: u64,
    /// Records recovered.
    pub records: u64,
    /// Octets of their frames.
    pub octets: u64,
    /// How many of each kind, in the order of [`RecordKind::ALL`].
    pub kinds: [u64; RecordKind::ALL.len()],
    /// The write that a crash cut short, if one did: normal.
    pub torn: Option<TornTail>,
    /// Damaged ranges in the order of the files, the first [`DAMAGES_LISTED_MAX`] of them.
    pub damages: Vec<Damage>,
    /// How many damaged ranges there are in all.
    pub damages_in_all: u64,
    /// Records missing in them.
    pub records_missing: u64,
    /// Ranges that an earlier opening found damaged, reported and sealed.
    pub sealed: u64,
}

impl RecoveryReport {
    /// Whether something that was durable is missing; what was lost unsynced in a crash does not
    /// count.
    pub fn lost_durable_records(&self) -> bool {
        self.records_missing > 0
    }

    /// How many records of `kind` were recovered.
    pub fn count(&self, kind: RecordKind) -> u64 {
        self.kinds[usize::from(kind.number()) - 1]
    }
}

/// Where the journal ends because power went: a write was cut short, or its pages did not all reach
/// the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The segment's file.
    pub file: PathBuf,
    /// Where the unfinished frame begins.
    pub offset: u64,
    /// Whether intact records stood behind it. None of them was durable, so none was acknowledged;
    /// they are dropped, so that what is recovered is what had been appended up to one moment.
    pub dropped_records: bool,
}

/// A damaged range of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The segment's file.
    pub file: PathBuf,
    /// Where the range begins.
    pub offset: u64,
    /// Its octets; 0 where records are missing between two intact ones.
    pub octets: u64,
    /// The first missing sequence.
    pub sequence: u64,
    /// How many records are missing. They had been durable: it was no crash that took them.
    pub records_missing: u64,
    /// The row of the recovery table (FORMAT.md) that it met.
    pub case: &'static str,
}

/// What the walk through the segments gathers.
struct Gathered<'a> {
    report: RecoveryReport,
    faults: Vec<(u32, Fault)>,
    /// The last segment that was cleaned and may be there all the same, and the sequence of the
    /// record that says so.
    cleaned: Option<(u32, u64)>,
    /// Whether the run of the engine that wrote what is being read made no syncs.
    without_syncs: bool,
    /// The journal ends at a fault: what stands behind it was never durable.
    is_cut: bool,
    replay: &'a mut dyn FnMut(Position, u64, Record<'_>),
}

impl Journal {
    /// Hands out the records of all segments and takes the segments into use.
    ///
    /// Where records are missing, what stands behind them decides. If a later record says that they
    /// had been durable, they are damage, and everything else is kept. If none says so, they were
    /// on their way to the device when power went, and the journal ends there: what is recovered is
    /// everything appended up to one moment. A run without syncs acknowledged what no sync had
    /// covered: of it, everything that can be read is kept.
    pub(super) fn replay(
        &mut self,
        mut begun: Vec<Segment>,
        faults: Vec<(u32, Fault)>,
        replay: &mut dyn FnMut(Position, u64, Record<'_>),
    ) -> Result<RecoveryReport, JournalError> {
        let report = RecoveryReport::default();
        let mut gathered =
            Gathered { report, faults, cleaned: None, without_syncs: false, is_cut: false, replay };
        let mut expected =
            begun.first().map_or(self.config.first_sequence, |first| first.header.first_sequence);
        let mut torn = false;
        let mut used = 0;
        while used < begun.len() && !gathered.is_cut {
            let walked = gathered.walk_segment(&begun[used..], &mut expected);
            let segment = &mut begun[used];
            torn = walked.end.torn;
            segment.set_tail(walked.end.tail);
            (segment.keys, segment.keys_ended_ms_max) = (walked.keys, walked.keys_ended_ms_max);
            used += 1;
        }
        self.previous_end = expected;
        self.next_sequence = begun
            .iter()
            .skip(used.saturating_sub(1))
            .map(|segment| {
                highest_sequence(segment.memory.octets(), &segment.owner(), expected) + 1
            })
            .chain(begun.iter().map(|segment| segment.header.sequence_floor))
            .fold(expected, u64::max);
        if begun.len() > used
            && let Some(last) = used.checked_sub(1).and_then(|last| begun.get_mut(last))
        {
            // The numbers in what is dropped were given: a start that dies in here must leave that
            // written.
            last.header.sequence_floor = self.next_sequence;
            last.rewrite_header_page();
            let path = self.directory.join(segment_name(last.header.id));
            self.storage.sync(last).map_err(|source| JournalError::Io { path, source })?;
        }
        // The newest first: a crash in between leaves less of what follows the gap, never something
        // else.
        while begun.len() > used {
            if let Some(dropped) = begun.pop() {
                let path = self.directory.join(segment_name(dropped.header.id));
                self.storage
                    .discard(dropped)
                    .map_err(|source| JournalError::Io { path, source })?;
            }
        }
        self.segments = begun.into();
        let Gathered { mut report, faults, cleaned, is_cut, .. } = gathered;
        self.mend(&mut report, faults)?;
        self.note_cleaned(cleaned);
        if let Some(last) = self.segments.back().filter(|_| torn) {
            let file = self.directory.join(segment_name(last.header.id));
            report.torn =
                Some(TornTail { file, offset: last.tail as u64, dropped_records: is_cut });
        }
        Ok(report)
    }

    fn mend(
        &mut self,
        report: &mut RecoveryReport,
        mut faults: Vec<(u32, Fault)>,
    ) -> Result<(), JournalError> {
        faults.sort_by_key(|(id, fault)| (*id, fault.offset));
        for (id, fault) in &faults {
            self.seal(*id, fault)?;
            report.damages_in_all += 1;
            report.records_missing += fault.missing;
            if report.damages.len() < DAMAGES_LISTED_MAX {
                report.damages.push(Damage {
                    file: self.directory.join(segment_name(*id)),
                    offset: fault.offset as u64,
                    octets: fault.octets as u64,
                    sequence: fault.sequence,
                    records_missing: fault.missing,
                    case: fault.case,
                });
            }
        }
        Ok(())
    }

    /// A crash came between cleaning a segment and putting its file aside: what was to be kept
    /// stands further on.
    fn note_cleaned(&mut self, cleaned: Option<(u32, u64)>) {
        let Some((last, sequence)) = cleaned else { return };
        for segment in self.segments.iter_mut().take_while(|segment| segment.header.id <= last) {
            segment.cleaned = Some(sequence + 1);
        }
    }

    /// Mends a damaged range, so that it is reported once: it is copied aside and a frame is laid
    /// over it, or, where it reaches to the end of its segment, the next segment's header is made
    /// to begin where this one ends.
    fn seal(&mut self, id: u32, fault: &Fault) -> Result<(), JournalError> {
        let Some(index) = self.segment_index(id) else { return Ok(()) };
        if fault.offset < HEADER_PAGE_OCTETS {
            return Ok(());
        }
        let range = fault.offset..fault.offset + fault.octets;
        if fault.octets > 0 {
            let path = self.directory.join(segment_name(id));
            self.storage
                .quarantine(id, fault.offset, &self.segments[index].memory.octets()[range.clone()])
                .map_err(|source| JournalError::Io { path, source })?;
        }
        let reaches_end = range.end == self.segments[index].memory.octets().len();
        if let Some(next) = self.segments.get_mut(index + 1).filter(|_| reaches_end) {
            next.header.previous_end = fault.sequence;
            next.rewrite_header_page();
        } else if fault.octets >= FRAME_HEADER_OCTETS + FRAME_ALIGNMENT_OCTETS {
            let segment = &mut self.segments[index];
            segment.seal(fault.offset, fault.octets, fault.sequence, fault.missing);
            segment.set_tail(segment.tail.max(range.end));
        }
        Ok(())
    }
}

/// A segment that was walked through.
struct Walked {
    end: End,
    keys: u32,
    keys_ended_ms_max: u64,
}

impl Gathered<'_> {
    /// Walks through the first of `segments`; the others are those behind it.
    fn walk_segment(&mut self, segments: &[Segment], expected: &mut u64) -> Walked {
        let (segment, behind) = (&segments[0], &segments[1..]);
        let (id, octets) = (segment.header.id, segment.memory.octets());
        if segment.header.previous_end == *expected {
            *expected = segment.header.first_sequence;
        }
        let continued_at = behind.first().map(|next| next.header.previous_end);
        let (mut keys, mut keys_ended_ms_max) = (0, 0);
        let end = walk(octets, segment.owner(), expected, continued_at, &mut |sighting| {
            match sighting {
                Sighting::Fault(fault) => {
                    if !self.without_syncs && !was_durable(segments, &fault) {
                        self.is_cut = true;
                        return ControlFlow::Break(());
                    }
                    self.faults.push((id, fault));
                }
                Sighting::Frame(taken) => {
                    if let Content::Record(record) = taken.content
                        && let Some(ended_ms) = ended_ms(&record)
                    {
                        keys += 1;
                        keys_ended_ms_max = ended_ms.max(keys_ended_ms_max);
                    }
                    self.take(id, &taken);
                }
            }
            ControlFlow::Continue(())
        });
        self.report.segments += 1;
        Walked { end, keys, keys_ended_ms_max }
    }

    fn take(&mut self, id: u32, taken: &Taken<'_>) {
        if let Content::Sealed(_) = taken.content {
            self.report.sealed += 1;
            return;
        }
        let header = &taken.header;
        let position = Position { segment: id, offset: taken.offset as u32 };
        self.report.records += 1;
        self.report.octets += frame_octets(header.length as usize) as u64;
        self.report.kinds[usize::from(header.kind) - 1] += 1;
        match taken.content {
            Content::Record(record) => {
                if let Record::Opened(opened) = record {
                    self.without_syncs = opened.without_syncs;
                }
                kill_point(KillPoint::RecoverRecord);
                (self.replay)(position, header.sequence, record);
            }
            Content::Cleaned(segment) => {
                self.cleaned = Some((segment, header.sequence));
                (self.replay)(position, header.sequence, Record::Cleaned(segment));
            }
            Content::Sealed(_) => {}
        }
    }
}

/// Whether a record behind the fault, in the first of `segments` or in those behind it, says that
/// what is missing there had been durable.
fn was_durable(segments: &[Segment], fault: &Fault) -> bool {
    segments.iter().enumerate().any(|(place, segment)| {
        let from = if place == 0 { fault.offset + fault.octets } else { HEADER_PAGE_OCTETS };
        durability_claimed(segment.memory.octets(), from, &segment.owner(), fault.sequence)
    })
}

fn ended_ms(record: &Record<'_>) -> Option<u64> {
    match record {
        Record::Ended(ended) => Some(ended.ended_ms.to_native()),
        Record::Key(key) => Some(key.ended_ms.to_native()),
        _ => None,
    }
}
