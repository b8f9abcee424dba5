//! Opening a journal: finding its segments, recovering their records, going on behind the last one.

use crate::journal::error::JournalError;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::append::AppendError;
use super::factory::{SegmentFactory, segment_name};
use super::limits::{
    BUDGET_SEGMENTS_MIN, CHUNK_OCTETS, CHUNKS_READY, COMMIT_FILES_MAX, FIRST_SEGMENT_WAIT_MS,
    HEADER_PAGE_OCTETS, SEGMENT_GRANULE_OCTETS, SEGMENT_OCTETS_MAX, SEGMENT_OCTETS_MIN,
    SEQUENCE_JUMP_AT_OPEN,
};
use super::log::{Journal, JournalConfig, Position};
use super::memory::Memory;
use super::record::{Opened, Record};
use super::recovery::{Fault, Owner, find_frame};
use super::replay::RecoveryReport;
use super::segment::{PageSight, Segment, SegmentHeader};
use super::stage::ChunkPool;
use super::storage::{Found, Prepared, Storage};
use crate::testing::kill_points::{KillPoint, kill_point};
use wire::terms::time::EvenMs;

/// Both copies of a segment's header cannot be read.
const LOST_HEADER_PAGE: Fault =
    Fault { offset: 0, octets: HEADER_PAGE_OCTETS, sequence: 0, missing: 0, case: "header page" };

impl Journal {
    /// Opens the journal in `directory`, which is made if it is missing, and hands every intact
    /// record to `replay` in the order of appending. Afterwards nothing is held: the caller holds
    /// ([`Journal::hold`]) each push that lives. Reads the whole journal, and waits for the factory
    /// where a fresh segment is needed.
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
        Self::open_on(directory, config, Box::new(factory.storage(directory)), replay)
    }

    /// As [`Self::open`], on any storage and with segments of any size; `directory` is what the
    /// storage is called.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(
        directory: &Path,
        config: JournalConfig,
        mut storage: Box<dyn Storage>,
        replay: &mut dyn FnMut(Position, u64, Record<'_>),
    ) -> Result<(Self, RecoveryReport), JournalError> {
        let found = storage.find()?;
        Self::recover(directory, config, storage, found, replay)
    }

    /// Recovers from the segments `found`, in any order.
    pub(super) fn recover(
        directory: &Path,
        config: JournalConfig,
        storage: Box<dyn Storage>,
        mut found: Vec<Found>,
        replay: &mut dyn FnMut(Position, u64, Record<'_>),
    ) -> Result<(Self, RecoveryReport), JournalError> {
        kill_point(KillPoint::RecoverMapped);
        found.sort_by_key(|segment| segment.id);
        let mut journal = Self {
            config,
            directory: directory.to_path_buf(),
            storage,
            segments: Default::default(),
            quiet_since: (0, EvenMs::ZERO),
            spares: Default::default(),
            ordered: 0,
            lent: None,
            next_segment: found.last().map_or(1, |last| last.id + 1),
            trouble: None,
            retry_at_ms: EvenMs::ZERO,
            makes_room: false,
            next_sequence: 1,
            previous_end: 1,
            written: 1,
            durable: 1,
            begun: 1,
            committing: false,
            dirty_from: 0,
            live_pushes: 0,
            live_segments: 0,
            live_octets: 0,
            row_octets: 0,
            scratch: Memory::copied_from(&[], super::limits::BODY_OCTETS_MAX),
            pool: ChunkPool::with_ready(chunks_ready(&config)),
        };
        let mut faults = Vec::new();
        let begun = journal.sort_out(found, &mut faults)?;
        journal.put_aside_low_spares(begun.last().map_or(0, |last| last.header.id));
        let report = journal.replay(begun, faults, replay)?;
        kill_point(KillPoint::RecoverMended);
        journal.go_on()?;
        Ok((journal, report))
    }

    /// Reads the header pages; what was never taken into use stays a spare, or goes back to the
    /// factory.
    fn sort_out(
        &mut self,
        found: Vec<Found>,
        faults: &mut Vec<(u32, Fault)>,
    ) -> Result<Vec<Segment>, JournalError> {
        let mut begun = Vec::with_capacity(found.len());
        let mut unused = 0;
        for Found { id, memory, file } in found {
            let path = self.directory.join(segment_name(id));
            match SegmentHeader::sight(memory.octets()) {
                PageSight::OtherVersion(version) => {
                    return Err(JournalError::Version { path, version });
                }
                PageSight::Readable(header) if header.id == id => {
                    if header.shard != self.config.shard {
                        let (found, expected) = (header.shard, self.config.shard);
                        return Err(JournalError::OtherShard { path, found, expected });
                    }
                    unused = 0;
                    begun.push(Segment::new(header, memory, file));
                }
                // Frames without a header page are what the loss of power leaves of the commit that
                // was under way, and one commit writes to so many files: behind as many unused ones
                // no file needs to be read.
                PageSight::Zero if unused >= COMMIT_FILES_MAX => {
                    self.keep_spare(Found { id, memory, file })
                }
                sight => match self.header_from_frames(id, &memory) {
                    Some(header) => {
                        if sight != PageSight::Zero {
                            let page = &memory.octets()[..HEADER_PAGE_OCTETS];
                            self.storage
                                .quarantine(id, 0, page)
                                .map_err(|source| JournalError::Io { path, source })?;
                            faults.push((id, LOST_HEADER_PAGE));
                        }
                        let mut segment = Segment::new(header, memory, file);
                        segment.rewrite_header_page();
                        unused = 0;
                        begun.push(segment);
                    }
                    None if sight == PageSight::Zero => {
                        unused += 1;
                        self.keep_spare(Found { id, memory, file });
                    }
                    None => {
                        let octets = memory.octets().len();
                        drop((memory, file));
                        faults.push((id, self.put_aside(id, path, octets)?));
                    }
                },
            }
        }
        Ok(begun)
    }

    /// Nothing was written here: it is ready for use, or, where segments have another size now,
    /// goes back to the factory.
    fn keep_spare(&mut self, Found { id, memory, file }: Found) {
        if memory.length() == self.config.segment_octets as usize {
            self.spares.push_back(Prepared { id, memory, file, warm: false });
        } else {
            drop((memory, file));
            self.storage.adopt(id);
        }
    }

    /// Something was written here and nothing of it can be read: it is kept under another name,
    /// never written over.
    fn put_aside(&mut self, id: u32, path: PathBuf, octets: usize) -> Result<Fault, JournalError> {
        self.storage.put_aside(id).map_err(|source| JournalError::Io { path, source })?;
        Ok(Fault { offset: 0, octets, sequence: 0, missing: 0, case: "whole segment" })
    }

    /// Segments are read in the order of their numbers: a spare below the last one in use can never
    /// be used under its name.
    fn put_aside_low_spares(&mut self, last_in_use: u32) {
        while self.spares.front().is_some_and(|spare| spare.id < last_in_use) {
            let low = self.spares.pop_front().map(|spare| spare.id);
            if let Some(id) = low {
                self.storage.adopt(id);
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
        Some(SegmentHeader {
            shard,
            id,
            octets,
            epoch,
            first_sequence: due,
            previous_end: due,
            sequence_floor: 0,
        })
    }

    /// Goes on behind the last record. What a torn end left there needs no clearing: none of it
    /// reads as a record of ours, and the end mark goes in front of it. The first record of the new
    /// run says where the one before ended.
    fn go_on(&mut self) -> Result<(), JournalError> {
        let previous_end = self.previous_end;
        let fresh = self.segments.is_empty();
        if !fresh {
            self.next_sequence =
                (self.next_sequence + SEQUENCE_JUMP_AT_OPEN).max(self.config.first_sequence);
        }
        let wait = Duration::from_millis(FIRST_SEGMENT_WAIT_MS);
        if fresh || !self.active().has_room_for(size_of::<super::record::ArchivedOpened>()) {
            self.wait_for_spares(wait);
            let Some(spare) = self.spares.pop_front() else {
                let directory = self.directory.clone();
                let reason = match &self.trouble {
                    Some(trouble) => trouble.reason.clone(),
                    None if self.ordered == 0 => {
                        "the budget is used up; raise --queue-bytes".into()
                    }
                    None => "the device takes too long to write one".into(),
                };
                return Err(JournalError::NoSegment { directory, reason });
            };
            self.begin_segment(spare, previous_end);
        }
        self.wait_for_spares(wait);
        if !self.config.without_syncs {
            // What the run before had written and not synced counts as durable from here on.
            self.sync_all()?;
        }
        self.begun = self.next_sequence;
        let opened = Opened { previous_end, without_syncs: self.config.without_syncs };
        match self.append(&opened, wait) {
            Ok(_) => {}
            Err(AppendError::Full | AppendError::NoSpare) => {
                unreachable!("room for the record was made above")
            }
        }
        kill_point(KillPoint::RecoverGone);
        // Before any number of this run is known outside: a later run that finds nothing else of it
        // jumps again.
        let Some(active) = self.segments.back() else {
            unreachable!("a journal always has an active segment")
        };
        self.dirty_from = active.header.id;
        let path = self.directory.join(segment_name(active.header.id));
        self.commit_blocking().map_err(|source| JournalError::Io { path, source })
    }

    fn sync_all(&mut self) -> Result<(), JournalError> {
        for segment in &self.segments {
            let path = self.directory.join(segment_name(segment.header.id));
            self.storage.sync(segment).map_err(|source| JournalError::Io { path, source })?;
        }
        Ok(())
    }
}

/// Chunks that are there before anything is appended: no more than four segments take.
fn chunks_ready(config: &JournalConfig) -> usize {
    (4 * config.segment_octets as usize / CHUNK_OCTETS).clamp(1, CHUNKS_READY)
}

/// Whether a journal in files can have these sizes.
///
/// # Errors
/// [`JournalError::Config`].
pub fn check(config: &JournalConfig) -> Result<(), JournalError> {
    let octets = config.segment_octets;
    if !(SEGMENT_OCTETS_MIN..=SEGMENT_OCTETS_MAX).contains(&octets)
        || !octets.is_multiple_of(SEGMENT_GRANULE_OCTETS)
    {
        return Err(JournalError::Config(format!(
            "a journal segment of {octets} octets cannot be; choose a multiple \
             of {SEGMENT_GRANULE_OCTETS} from {SEGMENT_OCTETS_MIN} to {SEGMENT_OCTETS_MAX}"
        )));
    }
    if config.segments_max() < BUDGET_SEGMENTS_MIN {
        return Err(JournalError::Config(format!(
            "--queue-bytes gives each shard {} octets, which is less than {BUDGET_SEGMENTS_MIN} \
             segments of {octets}; raise it",
            config.budget_octets
        )));
    }
    Ok(())
}
