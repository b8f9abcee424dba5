//! Copying a journal while an engine may be appending to it, and cleaning it, this very moment.
//!
//! The engine is not asked. A segment that is full does not change any more until it is retired,
//! and segments are retired oldest first, once what matters in them stands, durable, in a newer
//! one. So: full segments are copied oldest first, each counting only if it was still in place
//! afterwards; the one that was the newest when [`JournalCopy::finish`] began is copied last, up to
//! the last record that was whole when it was read. What results is the journal as it stood at one
//! moment, with nothing retired since the copy began.
//!
//! The copy never runs after an engine that appends faster than it copies: what comes behind that
//! segment is not of that moment.
//!
//! Invariants: whatever was appended before [`JournalCopy::begin`] is in the copy, but for what was
//! dead by then; a record that is in it has all before it there too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::factory::{parse_segment_name, segment_name};
use super::limits::{FRAME_ALIGNMENT_OCTETS, HEADER_PAGE_OCTETS, SEGMENT_OCTETS_MAX};
use super::memory::Memory;
use super::recovery::{Owner, Sighting, walk};
use super::segment::{PageSight, SegmentHeader};
use host::directory::sync_directory;

/// Why a journal could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{} cannot be copied ({source}); check the device and free some space", path.display())]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Segments came and went faster than they could be copied.
    #[error(
        "the journal in {} changes faster than it can be copied; try again when the engine has \
         less to do",
        directory.display()
    )]
    TooFast {
        /// The journal's directory.
        directory: PathBuf,
    },
}

/// A copy under way.
#[derive(Debug)]
pub struct JournalCopy {
    source: PathBuf,
    target: PathBuf,
    /// Full segments that are copied, and the octets of each.
    copied: BTreeMap<u32, u64>,
    /// The segment behind the last one that is copied.
    due: Option<u32>,
}

/// A segment in use, as it stands in the directory: its number and its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct StandingSegment {
    id: u32,
    inode: u64,
}

impl JournalCopy {
    /// Copies the full segments of the journal in `source` to the fresh directory `target`.
    ///
    /// # Errors
    /// See [`BackupError`]; after [`BackupError::TooFast`] a copy into another directory may
    /// succeed.
    pub fn begin(source: &Path, target: &Path) -> Result<Self, BackupError> {
        fs::create_dir_all(target).map_err(failed(target))?;
        let (source, target) = (source.to_path_buf(), target.to_path_buf());
        let mut copy = Self { source, target, copied: BTreeMap::new(), due: None };
        let newest = copy.standing()?.last().map_or(0, |newest| newest.id);
        copy.copy_below(newest)?;
        Ok(copy)
    }

    /// Copies what has filled up since and the newest segment as far as it goes; everything is
    /// synced. Returns the octets of all files.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn finish(mut self) -> Result<u64, BackupError> {
        let Some(last) = self.standing()?.last().map(|newest| newest.id) else {
            return self.sync();
        };
        loop {
            let newest = self.copy_below(last)?.last().copied();
            match newest.filter(|newest| newest.id == last) {
                Some(newest) if self.copy_newest(newest)? => return self.sync(),
                // It is being taken into use this very moment.
                Some(_) => {}
                None => {
                    // It has filled up meanwhile, and its end is as good a moment.
                    self.copy_below(last + 1)?;
                    return self.sync();
                }
            }
        }
    }

    /// Copies the full segments with numbers below `end` behind those that are copied; which ones
    /// stood there at the end.
    fn copy_below(&mut self, end: u32) -> Result<Vec<StandingSegment>, BackupError> {
        loop {
            let standing = self.standing()?;
            let last_copied = self.copied.last_key_value().map_or(0, |(&id, _)| id);
            let ahead = &standing[standing.partition_point(|segment| segment.id <= last_copied)..];
            // One that was retired before its turn came took with it what is nowhere else in the
            // copy.
            let is_complete =
                self.due.is_none_or(|due| ahead.first().is_some_and(|next| next.id == due));
            match ahead {
                [] | [_] if is_complete => return Ok(standing),
                [next, ..] if is_complete && next.id >= end => return Ok(standing),
                [next, behind, ..] if is_complete && self.copy_one(*next)? => {
                    self.due = Some(behind.id)
                }
                _ => return Err(BackupError::TooFast { directory: self.source.clone() }),
            }
        }
    }

    /// Copies a full segment; whether it still stood in its place afterwards.
    fn copy_one(&mut self, segment: StandingSegment) -> Result<bool, BackupError> {
        let (path, target) = (self.path(segment.id), self.target.join(segment_name(segment.id)));
        let octets = match File::open(&path).and_then(|mut from| {
            let mut to = File::create(&target)?;
            // Synced with all the others: the next segment may be retired any moment.
            io::copy(&mut from, &mut to)
        }) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(&path)(error)),
        };
        self.copied.insert(segment.id, octets);
        Ok(self.still_stands(segment))
    }

    /// Copies the newest segment up to its last whole record; whether that was still it.
    fn copy_newest(&mut self, segment: StandingSegment) -> Result<bool, BackupError> {
        let path = self.path(segment.id);
        let mut octets = Vec::new();
        match File::open(&path) {
            Ok(file) => file
                .take(u64::from(SEGMENT_OCTETS_MAX))
                .read_to_end(&mut octets)
                .map_err(failed(&path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(&path)(error)),
        };
        let length = octets.len().next_multiple_of(FRAME_ALIGNMENT_OCTETS).max(HEADER_PAGE_OCTETS);
        let memory = Memory::copied_from(&octets, length);
        let PageSight::Readable(header) = SegmentHeader::sight(memory.octets()) else {
            return Ok(false);
        };
        // What was read behind the first place that was not written yet may lack what stands before
        // it.
        let tail = first_unwritten(memory.octets(), &header);
        octets[tail.min(length)..].fill(0);
        let target = self.target.join(segment_name(segment.id));
        File::create(&target)
            .and_then(|mut file| file.write_all(&octets))
            .map_err(failed(&target))?;
        if header.id != segment.id || !self.still_stands(segment) {
            return Ok(false);
        }
        self.copied.insert(segment.id, octets.len() as u64);
        Ok(true)
    }

    fn sync(&self) -> Result<u64, BackupError> {
        for &id in self.copied.keys() {
            let target = self.target.join(segment_name(id));
            File::open(&target).and_then(|file| file.sync_all()).map_err(failed(&target))?;
        }
        sync_directory(&self.target).map_err(failed(&self.target))?;
        Ok(self.copied.values().sum())
    }

    /// The segments in use, oldest first.
    fn standing(&self) -> Result<Vec<StandingSegment>, BackupError> {
        let mut standing = Vec::new();
        for entry in fs::read_dir(&self.source).map_err(failed(&self.source))? {
            let path = entry.map_err(failed(&self.source))?.path();
            let Some(id) =
                path.file_name().and_then(|name| name.to_str()).and_then(parse_segment_name)
            else {
                continue;
            };
            let mut page = [0; HEADER_PAGE_OCTETS];
            let read = File::open(&path).and_then(|mut file| {
                file.read_exact(&mut page)?;
                Ok(file.metadata()?.ino())
            });
            match read {
                // A spare is not in use yet.
                Ok(inode) if page.iter().any(|&octet| octet != 0) => {
                    standing.push(StandingSegment { id, inode })
                }
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
                    ) => {}
                Err(error) => return Err(failed(&path)(error)),
            }
        }
        standing.sort_by_key(|segment| segment.id);
        Ok(standing)
    }

    fn still_stands(&self, segment: StandingSegment) -> bool {
        fs::metadata(self.path(segment.id)).is_ok_and(|metadata| metadata.ino() == segment.inode)
    }

    fn path(&self, id: u32) -> PathBuf {
        self.source.join(segment_name(id))
    }
}

/// Where the records of a segment that is being written end, from the first one on.
fn first_unwritten(octets: &[u8], header: &SegmentHeader) -> usize {
    let owner = Owner { shard: header.shard, segment: header.id, epoch: Some(header.epoch) };
    let mut expected = header.first_sequence;
    walk(octets, owner, &mut expected, None, &mut |sighting| match sighting {
        Sighting::Frame(_) => ControlFlow::Continue(()),
        Sighting::Fault(_) => ControlFlow::Break(()),
    })
    .tail
}

fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_path_buf();
    move |source| BackupError::Io { path: path.clone(), source }
}
