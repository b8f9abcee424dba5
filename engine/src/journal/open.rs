//! Opening a journal: finding its segments, recovering their records, going on behind the last one.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::append::AppendError;
use super::factory::{Prepared, SegmentFactory, Supply, parse_segment_name, segment_name, sync_directory};
use super::frame::Kind;
use super::limits::{
    BUDGET_SEGMENTS_MIN, DAMAGES_LISTED_MAX, FIRST_SEGMENT_WAIT_MS, HEADER_PAGE_OCTETS,
    SEGMENT_GRANULE_OCTETS, SEGMENT_OCTETS_MAX, SEGMENT_OCTETS_MIN, SEQUENCE_JUMP_AT_OPEN,
};
use super::log::{Journal, JournalConfig, Position};
use super::memory::Memory;
use super::record::{Opened, Record};
use super::recovery::{Fault, Owner, find_frame, walk};
use super::segment::{PageSight, Segment, SegmentHeader, VERSION};

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory cannot be read or written.
    #[error("cannot open the journal: {}: {source}", path.display())]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// A segment was written by another version.
    #[error("{} has format version {version}, this engine reads {VERSION}; use the engine that wrote it", path.display())]
    Version {
        /// The segment's file.
        path: PathBuf,
        /// The version it says.
        version: u16,
    },
    /// A segment of another shard lies here.
    #[error("{} belongs to shard {found}, not {expected}; put it back where it came from", path.display())]
    OtherShard {
        /// The segment's file.
        path: PathBuf,
        /// The shard it says.
        found: u16,
        /// The shard that was opened.
        expected: u16,
    },
    /// No segment could be made to append to.
    #[error("cannot begin a journal segment in {}: {reason}", directory.display())]
    NoSegment {
        /// The journal's directory.
        directory: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecoveryReport {
    /// Segments with records.
    pub segments: u64,
    /// Records recovered.
    pub records: u64,
    /// Octets of their frames.
    pub octets: u64,
    /// How many of each kind, in the order of [`Kind::ALL`].
    pub kinds: [u64; Kind::ALL.len()],
    /// The write that a crash cut short, if one did: normal.
    pub torn: Option<TornTail>,
    /// Damaged ranges in the order of the files, the first [`DAMAGES_LISTED_MAX`] of them.
    pub damages: Vec<Damage>,
    /// How many damaged ranges there are in all.
    pub damages_in_all: u64,
    /// Records missing in them.
    pub records_missing: u64,
}

impl RecoveryReport {
    /// Whether something that was durable is missing; what was lost unsynced in a crash does not count.
    pub fn lost_durable_records(&self) -> bool {
        self.damages.iter().any(|damage| damage.was_durable)
    }

    /// How many records of `kind` were recovered.
    pub fn count(&self, kind: Kind) -> u64 {
        self.kinds[usize::from(kind.number()) - 1]
    }
}

/// Where the last write was cut short.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The segment's file.
    pub file: PathBuf,
    /// Where the unfinished frame begins.
    pub offset: u64,
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
    /// How many records are missing.
    pub records_missing: u64,
    /// Whether the first of them is known to have been durable, so that more than an unsynced write was lost.
    pub was_durable: bool,
    /// The row of the recovery table (FORMAT.md) that it met.
    pub case: &'static str,
}

/// A segment as it lies on disk, before its frames are read.
pub(super) struct Found {
    pub(super) id: u32,
    pub(super) memory: Memory,
    pub(super) file: Option<fs::File>,
}

impl Journal {
    /// Opens the journal in `directory`, which is made if it is missing, and hands every intact record to `replay` in
    /// the order of appending. Afterwards nothing is held: the caller holds ([`Journal::hold`]) each push that lives.
    /// Reads the whole journal, and waits for the factory where a fresh segment is needed.
    ///
    /// # Errors
    /// See [`JournalError`]. Damaged records are no error: the report tells them.
    pub fn open(
        directory: &Path,
        config: JournalConfig,
        factory: &SegmentFactory,
        replay: &mut dyn FnMut(Position, u64, Record<'_>),
    ) -> Result<(Self, RecoveryReport), JournalError> {
        check(&config)?;
        let io_error = |path: &Path| {
            let path = path.to_path_buf();
            move |source| JournalError::Io { path, source }
        };
        if !directory.is_dir() {
            fs::create_dir_all(directory).map_err(io_error(directory))?;
            if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                sync_directory(parent).map_err(io_error(parent))?;
            }
        }
        let mut supply = factory.supply(directory);
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).map_err(io_error(directory))? {
            let path = entry.map_err(io_error(directory))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(".tmp") && (name.starts_with("free-") || name.starts_with("fresh-")) {
                supply.adopt(path);
            } else if let Some(id) = parse_segment_name(name) {
                let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io_error(&path))?;
                let octets = file.metadata().map_err(io_error(&path))?.len();
                let granule = u64::from(SEGMENT_GRANULE_OCTETS);
                if octets < 2 * granule
                    || !octets.is_multiple_of(granule)
                    || octets > u64::from(SEGMENT_OCTETS_MAX)
                {
                    tracing::warn!(file = %path.display(), octets, "not the size of a segment: put aside");
                    let aside = path.with_extension("damaged");
                    fs::rename(&path, &aside).map_err(io_error(&path))?;
                    continue;
                }
                let memory = Memory::map(&file).map_err(io_error(&path))?;
                found.push(Found { id, memory, file: Some(file) });
            }
        }
        Self::recover(directory, config, Box::new(supply), found, replay)
    }

    /// Recovers from the segments `found`, in any order.
    pub(super) fn recover(
        directory: &Path,
        config: JournalConfig,
        supply: Box<dyn Supply>,
        mut found: Vec<Found>,
        replay: &mut dyn FnMut(Position, u64, Record<'_>),
    ) -> Result<(Self, RecoveryReport), JournalError> {
        found.sort_by_key(|segment| segment.id);
        let mut journal = Self {
            config,
            directory: directory.to_path_buf(),
            supply,
            segments: Default::default(),
            spares: Default::default(),
            ordered: 0,
            next_segment: found.last().map_or(1, |last| last.id + 1),
            trouble: None,
            retry_at_ms: 0,
            next_sequence: 1,
            durable: 1,
            begun: 1,
            committing: false,
            dirty_from: 0,
            live_pushes: 0,
            live_octets: 0,
            scratch: Vec::with_capacity(super::limits::BODY_OCTETS_MAX),
        };
        let mut faults = Vec::new();
        let begun = journal.sort_out(found, &mut faults)?;
        journal.put_aside_low_spares(begun.last().map_or(0, |last| last.header.id));
        let (report, torn) = journal.replay(begun, faults, replay);
        journal.go_on(torn)?;
        Ok((journal, report))
    }

    /// Reads the header pages; what was never taken into use goes back to the factory.
    fn sort_out(
        &mut self,
        found: Vec<Found>,
        faults: &mut Vec<(u32, Fault)>,
    ) -> Result<Vec<Segment>, JournalError> {
        let mut begun = Vec::with_capacity(found.len());
        for Found { id, memory, file } in found {
            let path = self.directory.join(segment_name(id));
            match SegmentHeader::sight(memory.octets()) {
                PageSight::OtherVersion(version) => return Err(JournalError::Version { path, version }),
                PageSight::Readable(header) if header.id == id => {
                    if header.shard != self.config.shard {
                        let (found, expected) = (header.shard, self.config.shard);
                        return Err(JournalError::OtherShard { path, found, expected });
                    }
                    begun.push(Segment::new(header, HEADER_PAGE_OCTETS, memory, file));
                }
                sight => match self.header_from_frames(id, &memory) {
                    Some(header) => {
                        if sight != PageSight::Zero {
                            let page = Fault {
                                offset: 0,
                                octets: HEADER_PAGE_OCTETS,
                                sequence: 0,
                                missing: 0,
                                case: "header page",
                            };
                            faults.push((id, page));
                        }
                        begun.push(Segment::new(header, HEADER_PAGE_OCTETS, memory, file));
                    }
                    None if sight == PageSight::Zero
                        && memory.octets().len() == self.config.segment_octets as usize =>
                    {
                        self.spares.push_back(Prepared { id, memory, file });
                    }
                    None if sight == PageSight::Zero => {
                        drop((memory, file));
                        self.supply.adopt(path);
                    }
                    None => {
                        let octets = memory.octets().len();
                        drop((memory, file));
                        faults.push((id, self.put_aside(&path, octets)?));
                    }
                },
            }
        }
        Ok(begun)
    }

    /// Something was written here and nothing of it can be read: it is kept under another name, never written over.
    fn put_aside(&self, path: &Path, octets: usize) -> Result<Fault, JournalError> {
        if path.exists() {
            let aside = path.with_extension("damaged");
            fs::rename(path, &aside).map_err(|source| JournalError::Io { path: path.to_path_buf(), source })?;
        }
        Ok(Fault { offset: 0, octets, sequence: 0, missing: 0, case: "whole segment" })
    }

    /// Segments are read in the order of their numbers: a spare below the last one in use can never be used under its
    /// name.
    fn put_aside_low_spares(&mut self, last_in_use: u32) {
        while self.spares.front().is_some_and(|spare| spare.id < last_in_use) {
            let low = self.spares.pop_front().map(|spare| self.directory.join(segment_name(spare.id)));
            if let Some(path) = low {
                self.supply.adopt(path);
            }
        }
    }

    /// A segment's header as its first intact frame tells it, if it has one.
    fn header_from_frames(&self, id: u32, memory: &Memory) -> Option<SegmentHeader> {
        let octets = memory.octets();
        let owner = Owner { shard: self.config.shard, segment: id, epoch: None };
        let (at, due) = find_frame(octets, HEADER_PAGE_OCTETS, &owner, 0)?;
        let epoch = super::frame::read_u32(octets, at + 12);
        let (shard, octets) = (self.config.shard, octets.len() as u32);
        Some(SegmentHeader { shard, id, octets, epoch, first_sequence: due, previous_end: due })
    }

    /// Hands out the records of all segments and takes the segments into use. Returns the report and whether the end
    /// is torn.
    fn replay(
        &mut self,
        begun: Vec<Segment>,
        mut faults: Vec<(u32, Fault)>,
        replay: &mut dyn FnMut(Position, u64, Record<'_>),
    ) -> (RecoveryReport, bool) {
        let mut report = RecoveryReport::default();
        let mut durable_below = 0;
        let mut torn = false;
        let mut expected = begun.first().map_or(1, |first| first.header.first_sequence);
        let continued: Vec<Option<u64>> =
            begun.iter().skip(1).map(|next| Some(next.header.previous_end)).chain([None]).collect();
        for (mut segment, continued_at) in begun.into_iter().zip(continued) {
            let id = segment.header.id;
            if segment.header.previous_end == expected {
                expected = segment.header.first_sequence;
            }
            let owner = Owner { shard: self.config.shard, segment: id, epoch: Some(segment.header.epoch) };
            let (mut keys, mut keys_ended_ms_max) = (0, 0);
            let end = walk(
                segment.memory.octets(),
                owner,
                &mut expected,
                continued_at,
                &mut |taken| {
                    report.records += 1;
                    report.octets += super::frame::frame_octets(taken.header.length as usize) as u64;
                    report.kinds[usize::from(taken.header.kind) - 1] += 1;
                    durable_below = durable_below.max(taken.header.durable_below());
                    if let Some(ended_ms) = ended_ms(&taken.record) {
                        keys += 1;
                        keys_ended_ms_max = ended_ms.max(keys_ended_ms_max);
                    }
                    let position = Position { segment: id, offset: taken.offset as u32 };
                    replay(position, taken.header.sequence, taken.record);
                },
                &mut |fault| faults.push((id, fault)),
            );
            segment.tail = end.tail;
            (segment.keys, segment.keys_ended_ms_max) = (keys, keys_ended_ms_max);
            torn = end.torn;
            report.segments += 1;
            self.segments.push_back(segment);
        }
        self.next_sequence = expected;
        self.note_faults(&mut report, faults, durable_below);
        if let Some(last) = self.segments.back().filter(|_| torn) {
            let file = self.directory.join(segment_name(last.header.id));
            report.torn = Some(TornTail { file, offset: last.tail as u64 });
        }
        (report, torn)
    }

    fn note_faults(&self, report: &mut RecoveryReport, mut faults: Vec<(u32, Fault)>, durable_below: u64) {
        faults.sort_by_key(|(id, fault)| (*id, fault.offset));
        report.damages_in_all = faults.len() as u64;
        for (id, fault) in faults {
            report.records_missing += fault.missing;
            if report.damages.len() < DAMAGES_LISTED_MAX {
                report.damages.push(Damage {
                    file: self.directory.join(segment_name(id)),
                    offset: fault.offset as u64,
                    octets: fault.octets as u64,
                    sequence: fault.sequence,
                    records_missing: fault.missing,
                    was_durable: fault.missing > 0 && fault.sequence < durable_below,
                    case: fault.case,
                });
            }
        }
    }

    /// Goes on behind the last record: in its segment when that ended cleanly, in a fresh one otherwise. The first
    /// record of the new run says where the one before ended.
    fn go_on(&mut self, torn: bool) -> Result<(), JournalError> {
        let previous_end = self.next_sequence;
        let fresh = self.segments.is_empty();
        if !fresh {
            self.next_sequence += SEQUENCE_JUMP_AT_OPEN;
        }
        let wait = Duration::from_millis(FIRST_SEGMENT_WAIT_MS);
        if fresh || torn || !self.active().has_room_for(size_of::<super::record::ArchivedOpened>()) {
            self.wait_for_spares(wait);
            let Some(spare) = self.spares.pop_front() else {
                let directory = self.directory.clone();
                let reason = match &self.trouble {
                    Some(trouble) => trouble.reason.clone(),
                    None if self.ordered == 0 => "the budget is used up; raise --queue-bytes".into(),
                    None => "the device takes too long to write one".into(),
                };
                return Err(JournalError::NoSegment { directory, reason });
            };
            self.begin_segment(spare, previous_end);
        }
        self.dirty_from = self.segments.front().map_or(0, |first| first.header.id);
        self.wait_for_spares(wait);
        match self.append(&Opened { previous_end }, wait) {
            Ok(_) => Ok(()),
            Err(AppendError::Full | AppendError::NoSpare) => {
                unreachable!("room for the record was made above")
            }
        }
    }
}

fn ended_ms(record: &Record<'_>) -> Option<u64> {
    match record {
        Record::Ended(ended) => Some(ended.ended_ms.to_native()),
        Record::Key(key) => Some(key.ended_ms.to_native()),
        _ => None,
    }
}

fn check(config: &JournalConfig) -> Result<(), JournalError> {
    let octets = config.segment_octets;
    if !(SEGMENT_OCTETS_MIN..=SEGMENT_OCTETS_MAX).contains(&octets)
        || !octets.is_multiple_of(SEGMENT_GRANULE_OCTETS)
    {
        return Err(JournalError::Config(format!(
            "a journal segment of {octets} octets cannot be; choose a multiple of {SEGMENT_GRANULE_OCTETS} from \
             {SEGMENT_OCTETS_MIN} to {SEGMENT_OCTETS_MAX}"
        )));
    }
    if config.segments_max() < BUDGET_SEGMENTS_MIN {
        return Err(JournalError::Config(format!(
            "--queue-bytes gives each shard {} octets, which is less than {BUDGET_SEGMENTS_MIN} segments of {octets}; \
             raise it",
            config.budget_octets
        )));
    }
    Ok(())
}
