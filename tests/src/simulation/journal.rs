//! A model of one shard's journal: records in order, a durable mark, and what a crash leaves of them.

use super::ledger::EntryIndex;
use hayauma::smsc::closed_alerts::ClosedAlert;
use hayauma::smsc::core::NewPush;
use hayauma::smsc::recovery::{RecoveredEnd, RecoveredHold, RecoveredNotice, RecoveredProgress};
use std::collections::VecDeque;

/// A record of the journal.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record {
    Accepted(NewPush),
    Progress {
        push_id: u64,
        progress: RecoveredProgress,
    },
    Held {
        push_id: u64,
        hold: RecoveredHold,
    },
    Cancel {
        push_id: u64,
    },
    Ended {
        end: RecoveredEnd,
        delivered: u8,
    },
    Notified {
        push_id: u64,
        notice: RecoveredNotice,
    },
    Key(RecoveredEnd),
    /// The cancel of a whole alert; its frame's entry means nothing.
    AlertCancel {
        fingerprint: u64,
        cancel: ClosedAlert,
    },
}

/// The entry of a record that is about no push.
pub(super) const NO_ENTRY: EntryIndex = EntryIndex::MAX;

/// A record with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framed {
    pub(super) sequence: u64,
    pub(super) entry: EntryIndex,
    /// Cleaning moved it here; the original stands further ahead until this one is durable.
    pub(super) copy: bool,
    pub(super) record: Record,
}

/// One shard's journal.
#[derive(Debug, Default)]
pub(super) struct Journal {
    records: VecDeque<Framed>,
    next: u64,
    durable: u64,
    cleaning: Option<Cleaning>,
}

/// Records at the front that may go once what was moved is durable.
#[derive(Debug)]
struct Cleaning {
    records: usize,
    until: u64,
}

impl Journal {
    pub(super) fn next_sequence(&self) -> u64 {
        self.next
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    pub(super) fn append(&mut self, entry: EntryIndex, record: Record) -> u64 {
        self.put(entry, record, false)
    }

    pub(super) fn append_copy(&mut self, entry: EntryIndex, record: Record) -> u64 {
        self.put(entry, record, true)
    }

    fn put(&mut self, entry: EntryIndex, record: Record, copy: bool) -> u64 {
        let sequence = self.next;
        self.next += 1;
        self.records.push_back(Framed { sequence, entry, copy, record });
        sequence
    }

    /// Everything below `sequence` is on the device.
    pub(super) fn sync_to(&mut self, sequence: u64) {
        self.durable = self.durable.max(sequence);
        if self.cleaning.as_ref().is_some_and(|cleaning| self.durable >= cleaning.until)
            && let Some(cleaning) = self.cleaning.take()
        {
            self.records.drain(..cleaning.records);
        }
    }

    /// The oldest durable records, to be cleaned; `None` while a cleaning is under way.
    pub(super) fn cleaning_candidates(&self, records_max: usize) -> Option<Vec<Framed>> {
        if self.cleaning.is_some() {
            return None;
        }
        let durable = self.durable;
        Some(self.records.iter().take(records_max).take_while(|r| r.sequence < durable).copied().collect())
    }

    /// The first `records` have been moved forward where they matter.
    pub(super) fn moved(&mut self, records: usize) {
        self.cleaning = Some(Cleaning { records, until: self.next });
    }

    /// Power is lost, or the process dies: of what is not durable a prefix of `survivors` records stays. Returns what
    /// is lost, latest first.
    pub(super) fn crash(&mut self, survivors: u64) -> Vec<Framed> {
        self.cleaning = None;
        let end = (self.durable + survivors).min(self.next);
        let mut lost = Vec::new();
        while self.records.back().is_some_and(|record| record.sequence >= end) {
            lost.extend(self.records.pop_back());
        }
        self.durable = self.next;
        lost
    }

    /// The Accepted record that stands at `sequence`.
    pub(super) fn accepted(&self, sequence: u64) -> &NewPush {
        let at = self.records.partition_point(|framed| framed.sequence < sequence);
        match self.records.get(at) {
            Some(Framed { record: Record::Accepted(new), .. }) => new,
            other => unreachable!("a live push's Accepted record is not where it should be: {other:?}"),
        }
    }

    pub(super) fn not_durable(&self) -> u64 {
        self.next - self.durable
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Framed> {
        self.records.iter()
    }
}
