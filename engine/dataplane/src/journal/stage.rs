//! The staged end of a segment: what was appended and waits for a commit to carry it into the file.
//! Records are put together here, in plain memory, because a store into a mapped file costs far
//! more than the octets: the page's first store after every sync enters the kernel, each sync has
//! to take the page away from every processor again, and either may have to wait for the file
//! system's own journal. A commit writes a whole stage by one system call instead.
//!
//! A stage is a row of chunks from the journal's pool. A chunk goes back when all of it was written
//! and another one is being filled; from then on its records are read from the mapping of the file,
//! which shows what was written.
//!
//! Never does: any input or output, deciding when to write. Invariants: chunks stand in the order
//! of the file and without gaps between them; a frame lies in one chunk whole; octets below
//! `written` are never changed again, nor those that a commit under way names.

use std::collections::VecDeque;

use super::limits::{CHUNK_OCTETS, CHUNKS_KEPT_MAX, COMMIT_CHUNKS_MAX};
use super::memory::Memory;
use crate::journal::write::Part;

/// Chunks that no segment uses, and how many are in use.
#[derive(Debug, Default)]
pub(super) struct ChunkPool {
    free: Vec<Memory>,
    in_use: usize,
}

impl ChunkPool {
    /// A pool with so many chunks ready.
    pub(super) fn with_ready(chunks: usize) -> Self {
        Self {
            free: (0..chunks).map(|_| Memory::copied_from(&[], CHUNK_OCTETS)).collect(),
            in_use: 0,
        }
    }

    /// Octets of memory in use.
    pub(super) fn octets_in_use(&self) -> u64 {
        (self.in_use * CHUNK_OCTETS) as u64
    }

    fn take(&mut self) -> Memory {
        self.in_use += 1;
        self.free.pop().unwrap_or_else(|| Memory::copied_from(&[], CHUNK_OCTETS))
    }

    fn give_back(&mut self, memory: Memory) {
        self.in_use -= 1;
        // Last in, first out: the chunk that was used last is the one that the processor's caches
        // still hold.
        if self.free.len() < CHUNKS_KEPT_MAX {
            self.free.push(memory);
        }
    }
}

/// A piece of a segment's file that is being filled, or was and is not written yet.
#[derive(Debug)]
struct Chunk {
    /// Where in the file it begins.
    start: usize,
    /// Octets filled.
    used: usize,
    /// The sequence behind its last record.
    next_sequence: u64,
    memory: Memory,
}

impl Chunk {
    fn end(&self) -> usize {
        self.start + self.used
    }
}

/// What a commit is to write of one stage.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// Where in the file it begins and ends.
    pub(super) from: usize,
    pub(super) until: usize,
    pub(super) parts: Vec<Part>,
    /// The sequence behind the last record among it.
    pub(super) next_sequence: u64,
    /// Whether it is all there is.
    pub(super) is_all: bool,
}

/// The staged end of one segment.
#[derive(Debug)]
pub(super) struct Stage {
    chunks: VecDeque<Chunk>,
    /// Everything before this offset of the file was written to it.
    written: usize,
}

impl Stage {
    /// Nothing is staged; the file is written up to this offset.
    pub(super) fn new(written: usize) -> Self {
        Self { chunks: VecDeque::new(), written }
    }

    /// Where the part that is read from here begins; from there on nothing is read from the
    /// mapping. `tail` where nothing is staged.
    pub(super) fn start(&self, tail: usize) -> usize {
        self.chunks.front().map_or(tail, |first| first.start)
    }

    /// Makes room for `octets` more from `tail` on.
    pub(super) fn make_room(&mut self, octets: usize, tail: usize, pool: &mut ChunkPool) {
        if self.chunks.back().is_none_or(|last| last.used + octets > CHUNK_OCTETS) {
            self.chunks.push_back(Chunk {
                start: tail,
                used: 0,
                next_sequence: 0,
                memory: pool.take(),
            });
        }
    }

    /// The room behind what is filled; [`Self::make_room`] made it.
    pub(super) fn room(&mut self) -> &mut [u8] {
        match self.chunks.back_mut() {
            Some(last) => &mut last.memory.octets_mut()[last.used..],
            None => &mut [],
        }
    }

    /// So many octets of the room are filled now; `next_sequence` is the one behind the record that
    /// they are.
    pub(super) fn fill(&mut self, octets: usize, next_sequence: u64) {
        if let Some(last) = self.chunks.back_mut() {
            last.used += octets;
            last.next_sequence = next_sequence;
        }
    }

    /// What stands from this offset of the file to the end of its chunk, if it is staged.
    pub(super) fn octets_at(&self, offset: usize) -> Option<&[u8]> {
        let holds = |chunk: &&Chunk| chunk.start <= offset;
        // Mostly it is the one that is being filled.
        let last = self.chunks.back().filter(holds);
        let chunk = last.or_else(|| self.chunks.iter().rev().find(holds))?;
        chunk.memory.octets()[..chunk.used].get(offset - chunk.start..)
    }

    /// What is not written yet, as much of it as one commit takes.
    pub(super) fn unwritten(&self) -> Unwritten {
        let from = self.written;
        let mut unwritten =
            Unwritten { from, until: from, parts: Vec::new(), next_sequence: 0, is_all: true };
        for chunk in self.chunks.iter().filter(|chunk| chunk.end() > from) {
            if unwritten.parts.len() == COMMIT_CHUNKS_MAX {
                unwritten.is_all = false;
                break;
            }
            let begin = from.saturating_sub(chunk.start);
            unwritten.parts.push(Part::of(&chunk.memory.octets()[begin..chunk.used]));
            unwritten.until = chunk.end();
            unwritten.next_sequence = chunk.next_sequence;
        }
        unwritten
    }

    /// Hands what is staged between two offsets of the file to `view`, piece by piece: the offset,
    /// and the octets.
    pub(super) fn view(&self, from: usize, until: usize, view: &mut dyn FnMut(usize, &[u8])) {
        for chunk in &self.chunks {
            let (begin, end) = (from.max(chunk.start), until.min(chunk.end()));
            if begin < end {
                view(begin, &chunk.memory.octets()[begin - chunk.start..end - chunk.start]);
            }
        }
    }

    /// Everything before `written` has reached the file. What is no longer needed goes back to
    /// `pool`: all of it but the chunk that is being filled, and that one too where nothing more
    /// will be appended.
    pub(super) fn note_written(&mut self, written: usize, is_active: bool, pool: &mut ChunkPool) {
        self.written = self.written.max(written);
        while let Some(first) = self.chunks.front()
            && first.end() <= self.written
            && (self.chunks.len() > 1 || !is_active)
        {
            if let Some(done) = self.chunks.pop_front() {
                pool.give_back(done.memory);
            }
        }
    }
}
