//! A partition's replicated log in memory, with the one promise that the engine relies on: of all
//! publishes that expect the same last sequence it stores at most one.
//!
//! It has a leader, which is away for seconds now and then, and replicas that are behind. What is
//! stored is read again as a reader would, so whatever cannot stand there is noticed at once.

use hayauma::cluster::chunk::{Chunk, ChunkHead};
use hayauma::cluster::succession::Succession;
use std::sync::Arc;

/// A message and when it was stored.
#[derive(Clone, Debug)]
pub(super) struct StoredChunk {
    pub(super) octets: Arc<[u8]>,
    pub(super) head: ChunkHead,
    pub(super) at_ms: u64,
}

/// One partition's log.
#[derive(Debug)]
pub(super) struct SimulatedLog {
    partition: u16,
    /// The sequence of the first message that is kept.
    first: u64,
    chunks: Vec<StoredChunk>,
    reader: Succession,
    /// The leader is away until then.
    pub(super) away_until_ms: u64,
    /// The sequence of the newest term chunk.
    pub(super) term: u64,
}

impl SimulatedLog {
    pub(super) fn new(partition: u16) -> Self {
        let reader = Succession::from_floor(1);
        Self { partition, first: 1, chunks: Vec::new(), reader, away_until_ms: 0, term: 0 }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn last(&self) -> u64 {
        self.first + self.chunks.len() as u64 - 1
    }

    /// Stores a message, if its expectation holds; `None` is no expectation. What a reader would
    /// say of it comes back, too.
    pub(super) fn publish(
        &mut self,
        now_ms: u64,
        expected: Option<u64>,
        octets: &Arc<[u8]>,
    ) -> Result<u64, Option<String>> {
        if expected.is_some_and(|expected| expected != self.last()) {
            return Err(None);
        }
        let sequence = self.last() + 1;
        let chunk = Chunk::read(octets, self.partition).map_err(|error| Some(error.to_string()))?;
        let taken = self.reader.take(sequence, chunk.head, &chunk.body);
        taken.map_err(|found| Some(format!("partition {}: {found}", self.partition)))?;
        if chunk.head.term == 0 {
            self.term = sequence;
        }
        let octets = Arc::clone(octets);
        self.chunks.push(StoredChunk { octets, head: chunk.head, at_ms: now_ms });
        Ok(sequence)
    }

    /// The message of this sequence, if it is there.
    pub(super) fn get(&self, sequence: u64) -> Option<&StoredChunk> {
        self.chunks.get(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }

    /// The last sequence that a replica knows which is behind by so much.
    pub(super) fn last_as_of(&self, at_ms: u64) -> u64 {
        let kept = self.chunks.iter().take_while(|chunk| chunk.at_ms <= at_ms).count() as u64;
        (self.first + kept - 1).max(self.first.saturating_sub(1))
    }

    /// Up to `count` messages from `from` on, as far as `last`.
    pub(super) fn from(
        &self,
        from: u64,
        last: u64,
        count: usize,
    ) -> impl Iterator<Item = (u64, &StoredChunk)> {
        let from = from.max(self.first);
        let messages = (from..=last).take(count);
        messages.filter_map(|sequence| Some((sequence, self.get(sequence)?)))
    }

    /// Every message that is kept.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &StoredChunk)> {
        self.from(self.first, self.last(), usize::MAX)
    }

    pub(super) fn purge(&mut self, below: u64) {
        let until = below.clamp(self.first, self.last() + 1);
        self.chunks.drain(..(until - self.first) as usize);
        self.first = until;
    }
}
