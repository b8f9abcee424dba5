//! Looking at a journal without touching it: of a stopped engine, or of one that is appending this
//! very moment.
//!
//! Segments are read into memory of the process one by one, never mapped, so that nothing which a
//! running engine does to its files can disturb the reader. What was being written meanwhile looks
//! like a torn end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::factory::parse_segment_name;
use super::frame::{RecordKind, read_u32};
use super::limits::{
    COMMIT_FILES_MAX, FRAME_ALIGNMENT_OCTETS, FRAME_HEADER_OCTETS, HEADER_PAGE_OCTETS,
    SEGMENT_OCTETS_MAX,
};
use super::log::Position;
use super::memory::Memory;
use super::record::Record;
use super::recovery::{Content, Fault, Owner, Sighting, Taken, find_frame, walk};
use super::replay::{Damage, TornTail};
use super::segment::{PageSight, SegmentHeader};
use crate::journal::error::JournalError;

/// A segment, as a survey found it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentSurvey {
    /// Its file.
    pub file: PathBuf,
    /// Its number.
    pub id: u32,
    /// The shard it says it belongs to.
    pub shard: u16,
    /// Octets of the file.
    pub octets: u64,
    /// Octets up to the end of the last record.
    pub used_octets: u64,
    /// The first sequence in it.
    pub first_sequence: u64,
    /// The sequence behind the last one in it.
    pub end_sequence: u64,
    /// Records of each kind, in the order of [`RecordKind::ALL`].
    pub kinds: [u64; RecordKind::ALL.len()],
    /// Ranges that were found damaged before, reported and sealed.
    pub sealed: u64,
}

/// What a survey found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Survey {
    /// Segments with records, oldest first.
    pub segments: Vec<SegmentSurvey>,
    /// Segments that are ready and not in use yet.
    pub spares: u64,
    /// Records missing that had been durable: damage.
    pub damages: Vec<Damage>,
    /// Records missing of which nothing says that they had been durable: what the loss of power
    /// leaves.
    pub gaps: Vec<Damage>,
    /// The end, where it is torn.
    pub torn: Option<TornTail>,
}

impl Survey {
    /// Records of one kind in all segments.
    pub fn count(&self, kind: RecordKind) -> u64 {
        self.segments.iter().map(|segment| segment.kinds[usize::from(kind.number()) - 1]).sum()
    }

    /// Records in all segments.
    pub fn records(&self) -> u64 {
        self.segments.iter().flat_map(|segment| segment.kinds).sum()
    }
}

/// Reads the journal in `directory` and hands every intact record to `view`, in the order of
/// appending.
///
/// # Errors
/// When a file cannot be read, or was written by another version.
pub fn survey(
    directory: &Path,
    view: &mut dyn FnMut(Position, u64, Record<'_>),
) -> Result<Survey, JournalError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(io_error(directory))? {
        let path = entry.map_err(io_error(directory))?.path();
        if let Some(id) =
            path.file_name().and_then(|name| name.to_str()).and_then(parse_segment_name)
        {
            files.push((id, path));
        }
    }
    files.sort();
    let mut surveyor =
        Surveyor { survey: Survey::default(), faults: Vec::new(), expected: None, view };
    let mut headers = Vec::new();
    let mut unused = 0;
    for (id, path) in files {
        match surveyor.sight(id, &path, unused < COMMIT_FILES_MAX)? {
            Some(header) => {
                unused = 0;
                headers.push((path, header));
            }
            None => {
                unused += 1;
                surveyor.survey.spares += 1;
            }
        }
    }
    for (place, (path, header)) in headers.iter().enumerate() {
        let continued_at = headers.get(place + 1).map(|(_, next)| next.previous_end);
        surveyor.walk(path, header, continued_at)?;
    }
    let Surveyor { mut survey, faults, .. } = surveyor;
    for Missing { damage, was_durable } in faults {
        if was_durable { survey.damages.push(damage) } else { survey.gaps.push(damage) }
    }
    Ok(survey)
}

/// Whether there are segments in `directory`, which may be missing.
///
/// # Errors
/// When it cannot be read.
pub fn has_segments(directory: &Path) -> io::Result<bool> {
    Ok(!segment_files(directory)?.is_empty())
}

/// The highest sequence that a segment in `directory` begins with, as far as headers tell; `None`
/// where none does.
///
/// # Errors
/// When a file cannot be read.
pub fn first_sequence_max(directory: &Path) -> io::Result<Option<u64>> {
    let mut highest = None;
    for path in segment_files(directory)? {
        let mut page = Vec::with_capacity(HEADER_PAGE_OCTETS);
        File::open(&path)?.take(HEADER_PAGE_OCTETS as u64).read_to_end(&mut page)?;
        if let PageSight::Readable(header) = SegmentHeader::sight(&page) {
            highest = highest.max(Some(header.first_sequence));
        }
    }
    Ok(highest)
}

fn segment_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().and_then(parse_segment_name).is_some() {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// A fault, and whether a record behind it said that what is missing had been durable.
struct Missing {
    damage: Damage,
    was_durable: bool,
}

struct Surveyor<'a> {
    survey: Survey,
    faults: Vec<Missing>,
    expected: Option<u64>,
    view: &'a mut dyn FnMut(Position, u64, Record<'_>),
}

impl Surveyor<'_> {
    /// The header of a segment in use, made up from its frames where it is lost; `None` for a
    /// spare, and for a file that the running engine has put aside meanwhile. Where the header page
    /// is zero, frames are looked for only if they `may_be` there.
    fn sight(
        &mut self,
        id: u32,
        path: &Path,
        may_be: bool,
    ) -> Result<Option<SegmentHeader>, JournalError> {
        let Some(page) = read(path, HEADER_PAGE_OCTETS as u64)? else { return Ok(None) };
        match SegmentHeader::sight(page.octets()) {
            PageSight::Readable(header) if header.id == id => return Ok(Some(header)),
            PageSight::OtherVersion(version) => {
                return Err(JournalError::Version { path: path.to_path_buf(), version });
            }
            PageSight::Zero if !may_be => return Ok(None),
            PageSight::Zero | PageSight::Readable(_) | PageSight::Unreadable => {}
        }
        let Some(memory) = read(path, u64::from(SEGMENT_OCTETS_MAX))? else { return Ok(None) };
        let octets = memory.octets();
        let found = shards_named(octets, id)
            .into_iter()
            .map(|shard| Owner { shard, segment: id, epoch: None })
            .find_map(|owner| {
                find_frame(octets, HEADER_PAGE_OCTETS, &owner, 0).map(|found| (owner, found))
            });
        Ok(found.map(|(owner, (at, due))| {
            let fault = Fault {
                offset: 0,
                octets: HEADER_PAGE_OCTETS,
                sequence: due,
                missing: 0,
                case: "header page",
            };
            self.faults.push(Missing { damage: describe(path, &fault), was_durable: true });
            SegmentHeader {
                shard: owner.shard,
                id,
                octets: octets.len() as u32,
                epoch: read_u32(octets, at + 12),
                first_sequence: due,
                previous_end: due,
                sequence_floor: 0,
            }
        }))
    }

    fn walk(
        &mut self,
        path: &Path,
        header: &SegmentHeader,
        continued_at: Option<u64>,
    ) -> Result<(), JournalError> {
        let Some(memory) = read(path, u64::from(SEGMENT_OCTETS_MAX))? else { return Ok(()) };
        let mut expected = match self.expected {
            Some(expected) if expected != header.previous_end => expected,
            _ => header.first_sequence,
        };
        let mut segment = SegmentSurvey {
            file: path.to_path_buf(),
            id: header.id,
            shard: header.shard,
            octets: memory.octets().len() as u64,
            used_octets: 0,
            first_sequence: header.first_sequence,
            end_sequence: 0,
            kinds: [0; RecordKind::ALL.len()],
            sealed: 0,
        };
        let owner = Owner { shard: header.shard, segment: header.id, epoch: Some(header.epoch) };
        let Self { faults, view, .. } = self;
        let end = walk(memory.octets(), owner, &mut expected, continued_at, &mut |sighting| {
            match sighting {
                Sighting::Fault(fault) => {
                    faults.push(Missing { damage: describe(path, &fault), was_durable: false });
                }
                Sighting::Frame(Taken { content: Content::Sealed(_), .. }) => segment.sealed += 1,
                Sighting::Frame(Taken { offset, header: frame, content }) => {
                    segment.kinds[usize::from(frame.kind) - 1] += 1;
                    for missing in faults.iter_mut() {
                        missing.was_durable |= frame.durable_below() > missing.damage.sequence;
                    }
                    if let Content::Record(record) = content {
                        view(
                            Position { segment: header.id, offset: offset as u32 },
                            frame.sequence,
                            record,
                        );
                    }
                }
            }
            ControlFlow::Continue(())
        });
        self.survey.torn = end.torn.then(|| TornTail {
            file: path.to_path_buf(),
            offset: end.tail as u64,
            dropped_records: false,
        });
        (segment.used_octets, segment.end_sequence) = (end.tail as u64, expected);
        self.survey.segments.push(segment);
        self.expected = Some(expected);
        Ok(())
    }
}

/// The shards that frames of this segment's number name, if they are frames.
fn shards_named(octets: &[u8], id: u32) -> BTreeSet<u16> {
    (HEADER_PAGE_OCTETS..octets.len().saturating_sub(FRAME_HEADER_OCTETS - 1))
        .step_by(FRAME_ALIGNMENT_OCTETS)
        .filter(|&at| read_u32(octets, at + 8) == id)
        .map(|at| u16::from_le_bytes([octets[at + 6], octets[at + 7]]))
        .collect()
}

fn describe(path: &Path, fault: &Fault) -> Damage {
    Damage {
        file: path.to_path_buf(),
        offset: fault.offset as u64,
        octets: fault.octets as u64,
        sequence: fault.sequence,
        records_missing: fault.missing,
        case: fault.case,
    }
}

/// Up to `octets_max` octets of a file, filled up with zeros to a whole frame's alignment; `None`
/// if it is gone.
fn read(path: &Path, octets_max: u64) -> Result<Option<Memory>, JournalError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path)(error)),
    };
    let mut octets = Vec::new();
    file.take(octets_max).read_to_end(&mut octets).map_err(io_error(path))?;
    let length = octets.len().next_multiple_of(FRAME_ALIGNMENT_OCTETS).max(HEADER_PAGE_OCTETS);
    Ok(Some(Memory::copied_from(&octets, length)))
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError::Io { path: path.clone(), source }
}
