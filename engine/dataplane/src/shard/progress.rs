//! How far the opening of a shard is, for whoever waits for it: written by the thread that opens,
//! read by another.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Records between two notes.
const RECORDS_PER_NOTE: u64 = 1 << 14;

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum OpenStage {
    /// The journal is read.
    Reading = 0,
    /// What was unfinished is put back to work.
    Restoring = 1,
    /// The shard is open.
    Done = 2,
}

/// Counters of one opening.
#[derive(Debug, Default)]
pub struct OpenProgress {
    stage: AtomicU64,
    records: AtomicU64,
    octets: AtomicU64,
    octets_in_all: AtomicU64,
}

impl OpenProgress {
    /// Octets of the journal's files.
    pub(super) fn set_octets_in_all(&self, octets: u64) {
        self.octets_in_all.store(octets, Relaxed);
    }

    /// A record was read: so many are, and so many octets.
    pub(super) fn note_record(&self, records: u64, octets: u64) {
        if records.is_multiple_of(RECORDS_PER_NOTE) {
            self.records.store(records, Relaxed);
            self.octets.store(octets, Relaxed);
        }
    }

    pub(super) fn enter(&self, stage: OpenStage) {
        self.stage.store(stage as u64, Relaxed);
    }

    /// What is being done.
    pub fn stage(&self) -> OpenStage {
        match self.stage.load(Relaxed) {
            0 => OpenStage::Reading,
            1 => OpenStage::Restoring,
            _ => OpenStage::Done,
        }
    }

    /// Records read so far.
    pub fn records(&self) -> u64 {
        self.records.load(Relaxed)
    }

    /// The share of the journal's files that is read, in per cent; what they hold beyond the last
    /// record counts too.
    pub fn percent(&self) -> u64 {
        let (octets, in_all) = (self.octets.load(Relaxed), self.octets_in_all.load(Relaxed));
        (octets * 100).checked_div(in_all).unwrap_or(0).min(100)
    }
}
