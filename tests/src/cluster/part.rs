//! What a node knows of a partition that it owns or reads: a shard as small as it can be. Pushes
//! are accepted, attempted, ended and billed by the records of the log, and nothing else.

use super::store::Billed;
use hayauma::cluster::chunk::Chunk;
use hayauma::journal::{LooseFrame, RecordKind, append_loose};
use std::collections::{BTreeMap, BTreeSet};

/// A record: what it says of which push, and whether cleaning has moved it forward.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Said {
    pub(super) push: u64,
    pub(super) is_end: bool,
    pub(super) is_copy: bool,
}

impl Said {
    /// The records of a chunk, with their numbers.
    pub(super) fn all(chunk: &Chunk<'_>) -> Vec<(u64, Self)> {
        let frames = chunk.frames().filter_map(Result::ok);
        let read = frames.map(|frame| {
            let push = frame.body.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets));
            let is_copy = frame.body.get(8) == Some(&1);
            (frame.sequence, Self { push, is_end: frame.kind == RecordKind::Ended, is_copy })
        });
        read.collect()
    }

    fn append(&self, target: &mut Vec<u8>, partition: u16, sequence: u64) {
        let mut body = self.push.to_le_bytes().to_vec();
        body.push(u8::from(self.is_copy));
        let kind = if self.is_end { RecordKind::Ended } else { RecordKind::Accepted };
        append_loose(target, partition, LooseFrame { kind, sequence, body: &body });
    }
}

/// A push as its owner knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// Its record is acknowledged.
    pub(super) is_durable: bool,
    pub(super) in_flight: bool,
    /// Its end is known, and whether that is acknowledged.
    pub(super) ended: Option<bool>,
}

/// A question from a push client that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Question {
    pub(super) push: u64,
    /// Whether to accept the push, or to say what is known of it.
    pub(super) is_request: bool,
    pub(super) asked_ms: u64,
}

/// One partition at one node.
#[derive(Debug, Default)]
pub(super) struct ModelPart {
    pub(super) partition: u16,
    pub(super) term: u64,
    pub(super) pushes: BTreeMap<u64, Known>,
    /// The number of the next record.
    pub(super) next: u64,
    /// What no chunk has yet, with its numbers.
    pub(super) staged: Vec<(u64, Said)>,
    /// What is under way.
    pub(super) under_way: Vec<(u64, Said)>,
    pub(super) questions: Vec<Question>,
    /// Pushes whose 0000 waits for the log.
    pub(super) unanswered: BTreeSet<u64>,
    /// Events that no batch includes, with the sequence of their chunk.
    pub(super) unbilled: Vec<(u64, Billed)>,
    pub(super) batch: Batch,
    /// Copies of all that matters end below this number; then the log may be cut below that
    /// sequence.
    pub(super) cleaning: Option<(u64, u64)>,
    pub(super) cleaned: u64,
    /// What may be cut once billing includes it.
    pub(super) clean_below: u64,
    pub(super) reached: u64,
    pub(super) is_closing: bool,
    pub(super) closing_since_ms: u64,
}

/// A batch of billing events, as its owner knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Batch {
    pub(super) last: u64,
    pub(super) through: u64,
    pub(super) made_ms: u64,
}

impl ModelPart {
    pub(super) fn new(partition: u16) -> Self {
        Self { partition, ..Self::default() }
    }

    /// A chunk of the log is read in its turn.
    pub(super) fn read(&mut self, sequence: u64, chunk: &Chunk<'_>) {
        for (_, said) in Said::all(chunk) {
            let known = self.pushes.entry(said.push).or_insert(Known {
                is_durable: true,
                in_flight: false,
                ended: None,
            });
            if said.is_end {
                known.ended = Some(true);
            }
            if !said.is_copy {
                self.unbilled.push((sequence, (said.push, said.is_end)));
            }
        }
        self.reached = sequence;
    }

    /// The frames of all that is staged, which is under way from now on.
    pub(super) fn take_staged(&mut self) -> Vec<u8> {
        let staged = std::mem::take(&mut self.staged);
        let frames = self.frames(&staged);
        self.under_way.extend(staged);
        frames
    }

    /// The frames of these records.
    pub(super) fn frames(&self, records: &[(u64, Said)]) -> Vec<u8> {
        let mut frames = Vec::new();
        for (number, said) in records {
            said.append(&mut frames, self.partition, *number);
        }
        frames
    }

    /// What was under way and is acknowledged: all below this number.
    pub(super) fn release(&mut self, next: u64) -> Vec<Said> {
        let released = self.under_way.iter().take_while(|(number, _)| *number < next).count();
        self.under_way.drain(..released).map(|(_, said)| said).collect()
    }

    /// Stages a record; the number that it has.
    pub(super) fn stage(&mut self, said: Said) -> u64 {
        self.staged.push((self.next, said));
        self.next += 1;
        self.next - 1
    }

    /// Stages copies of all that is known and acknowledged.
    pub(super) fn stage_copies(&mut self) -> Vec<u64> {
        let durable: Vec<(u64, bool)> = self
            .pushes
            .iter()
            .filter(|(_, known)| known.is_durable)
            .map(|(push, known)| (*push, known.ended == Some(true)))
            .collect();
        let mut numbers = Vec::new();
        for (push, has_ended) in durable {
            numbers.push(self.stage(Said { push, is_end: false, is_copy: true }));
            if has_ended {
                numbers.push(self.stage(Said { push, is_end: true, is_copy: true }));
            }
        }
        numbers
    }
}
