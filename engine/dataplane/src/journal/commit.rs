//! Commits: carrying what was appended into the files, and on to the device.
//!
//! One commit is under way at a time. [`Journal::begin_commit`] names what is to be written where;
//! whoever drives the journal writes it, with a sync of the written range where the journal runs
//! with syncs, and calls [`Journal::finish_commit`]. A write or sync that fails is never tried
//! again.
//!
//! Behind every write goes the end mark, which the next write overwrites with its first frame: the
//! end of a segment's records is marked whenever a write is whole. The mark goes on to the end of
//! its page: a page that is written whole need not be read from the device first, whether or not
//! the factory brought it into memory before.

use crate::journal::write::END_MARK;
use crate::journal::write::Part;
use crate::journal::write::Write;
use crate::journal::write::mark_end;
use std::io;
use std::os::fd::AsRawFd;

use super::limits::{COMMIT_FILES_MAX, HEADER_PAGE_OCTETS};
use super::log::Journal;
use crate::testing::kill_points::{KillPoint, kill_after, kill_point};

/// A commit that has begun: what to write, and what has been made to last once that is done.
#[derive(Debug)]
pub struct Commit {
    /// Every sequence below this is written, or durable, once all is written.
    pub covers: u64,
    /// Whether each write is to be followed by a sync of what it wrote (`RWF_DSYNC`).
    pub with_sync: bool,
    /// The writes, one for each file, in the order of the segments, at most [`COMMIT_FILES_MAX`].
    /// Any order will do.
    pub writes: Vec<Write>,
}

impl Commit {
    /// Copies the frames that it carries behind what `target` holds, in their order: without header
    /// pages and end marks.
    ///
    /// # Safety
    /// Nothing of it was written yet, it is not finished, and its journal lives.
    pub unsafe fn copy_frames(&self, target: &mut Vec<u8>) {
        for write in &self.writes {
            let mut passed = HEADER_PAGE_OCTETS.saturating_sub(write.from);
            let mut left = (write.until - write.from).saturating_sub(passed);
            target.reserve(left);
            for part in &write.parts {
                // SAFETY: the caller's promise: the journal keeps them as they are.
                let octets = unsafe { part.seen() };
                let begin = passed.min(octets.len());
                passed -= begin;
                let taken = &octets[begin..][..left.min(octets.len() - begin)];
                target.extend_from_slice(taken);
                left -= taken.len();
            }
        }
    }

    /// Writes everything, and waits until it is done: for tools that do so beside the journal,
    /// never for a shard.
    ///
    /// # Safety
    /// It is not finished, and its journal lives.
    ///
    /// # Errors
    /// When a write or sync fails; the journal must not be used any more then.
    pub unsafe fn carry_out(&mut self) -> io::Result<()> {
        let with_sync = self.with_sync;
        // SAFETY: the caller's promise, handed on.
        self.writes.iter_mut().try_for_each(|write| unsafe { write.carry_out(with_sync) })
    }
}

impl Journal {
    /// Begins a commit of everything appended so far; `None` while one is under way or when nothing
    /// is new. The caller carries out every write and then calls [`Self::finish_commit`]; files and
    /// octets stay as they are meanwhile. If a write or sync fails the caller must end the process:
    /// the state of the device is unknown, and a second try proves nothing.
    pub fn begin_commit(&mut self) -> Option<Commit> {
        if self.committing || self.begun == self.next_sequence {
            return None;
        }
        let first = self.segment_index(self.dirty_from).unwrap_or(0);
        let with_sync = !self.config.without_syncs;
        let mut commit = Commit { covers: self.begun, with_sync, writes: Vec::with_capacity(2) };
        for segment in self.segments.range(first..) {
            self.dirty_from = segment.header.id;
            if commit.writes.len() == COMMIT_FILES_MAX {
                break;
            }
            let unwritten = segment.stage.unwritten();
            if unwritten.parts.is_empty() {
                continue;
            }
            commit.covers = unwritten.next_sequence;
            let mut parts = unwritten.parts;
            let mark = mark_end(unwritten.until, segment.memory.length()) - unwritten.until;
            parts.push(Part::of(&END_MARK[..mark]));
            commit.writes.push(Write {
                segment: segment.header.id,
                from: unwritten.from,
                until: unwritten.until,
                file: segment.file.as_ref().map(AsRawFd::as_raw_fd),
                offset: unwritten.from as u64,
                parts,
                parts_done: 0,
            });
            if !unwritten.is_all {
                break;
            }
        }
        assert!(
            commit.covers > self.begun && commit.covers <= self.next_sequence,
            "a commit covers something new, and nothing that was not appended"
        );
        self.begun = commit.covers;
        self.committing = true;
        kill_point(KillPoint::CommitBegun);
        kill_after(KillPoint::CommitTorn, || commit.tear());
        Some(commit)
    }

    /// Takes note that every write of `commit` was carried out.
    pub fn finish_commit(&mut self, commit: &Commit) {
        assert!(
            self.committing && commit.covers == self.begun,
            "a commit is finished once, after it was begun"
        );
        kill_point(KillPoint::CommitSynced);
        self.committing = false;
        self.written = commit.covers;
        if commit.with_sync {
            self.durable = commit.covers;
        }
        let active = self.segments.back().map_or(0, |active| active.header.id);
        for write in &commit.writes {
            let Some(index) = self.segment_index(write.segment) else { continue };
            let stage = &mut self.segments[index].stage;
            stage.note_written(write.until, write.segment == active, &mut self.pool);
        }
    }

    /// Whether a file that `commit` wrote to has no name any more. Asks the system, for each file,
    /// what it holds in memory.
    pub fn has_lost_a_name(&self, commit: &Commit) -> bool {
        let files = commit.writes.iter().filter_map(|write| self.segment_index(write.segment));
        let mut files = files.filter_map(|index| self.segments[index].file.as_ref());
        files.any(|file| rustix::fs::fstat(file).is_ok_and(|found| found.st_nlink == 0))
    }

    /// Begins, carries out and finishes commits until everything appended is written, and durable
    /// where the journal runs with syncs. Waits for the device: for tests and tools, never for a
    /// shard.
    ///
    /// # Errors
    /// When a write or sync fails; the journal must not be used any more then.
    pub fn commit_blocking(&mut self) -> io::Result<()> {
        while let Some(mut commit) = self.begin_commit() {
            self.carry_out(&mut commit)?;
            self.finish_commit(&commit);
        }
        Ok(())
    }

    /// Has the storage carry out a commit that has begun, and waits until that is done: for tests
    /// and tools, and the only way where segments are no files.
    ///
    /// # Errors
    /// When a write or sync fails; the journal must not be used any more then.
    pub fn carry_out(&mut self, commit: &mut Commit) -> io::Result<()> {
        let with_sync = commit.with_sync;
        for write in &mut commit.writes {
            if let Some(index) = self.segment_index(write.segment) {
                self.storage.write(&mut self.segments[index], write, with_sync)?;
            }
        }
        Ok(())
    }
}

impl Commit {
    /// What the death of the process may leave of it: the first half of the first write, whatever
    /// record that cuts.
    fn tear(&mut self) {
        let Some(write) = self.writes.first_mut() else { return };
        let half = (write.until - write.from) / 2;
        let mut left = half;
        write.parts.retain_mut(|part| {
            let kept = left.min(part.octets());
            left -= kept;
            part.0.iov_len = kept;
            kept > 0
        });
        // SAFETY: the commit has just begun, and its journal waits for this.
        let _ = unsafe { write.carry_out(false) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes as a device that takes at most so many octets at a time.
    fn write_by(octets_max: usize, write: &mut Write, target: &mut [u8]) {
        loop {
            let part = write.parts()[0];
            let octets = part.octets().min(octets_max);
            // SAFETY: the test's parts lie in a vector that outlives them.
            let from = unsafe { std::slice::from_raw_parts(part.0.iov_base.cast::<u8>(), octets) };
            target[write.offset() as usize..][..octets].copy_from_slice(from);
            if write.advance(octets) {
                return;
            }
        }
    }

    #[test]
    fn a_write_that_the_kernel_cuts_short_goes_on_where_it_was_cut() {
        let octets: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for octets_max in [1, 7, 64, 300, 999, 1_000] {
            let parts = [&octets[..300], &octets[300..301], &octets[301..]].map(Part::of).to_vec();
            let mut write = Write {
                segment: 1,
                from: 40,
                until: 1_040,
                file: None,
                offset: 40,
                parts,
                parts_done: 0,
            };
            let mut target = vec![0; 1_040];
            write_by(octets_max, &mut write, &mut target);
            assert_eq!(target[40..], octets[..], "{octets_max} octets at a time");
            assert_eq!(write.offset(), 1_040);
        }
    }
}
