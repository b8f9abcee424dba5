//! What a shard's part and whoever keeps its replicated log have in common: records on their way
//! to the log, and how far the log has acknowledged them.
//!
//! One commit of a journal is one parcel of records, and no other is under way: what the journal
//! names stays as it is until the log has it. The words of either side are seen by the other at its
//! next look; each wakes the other when it has said something.
//!
//! **Never here:** what a log is, who owns a partition. **Invariants:** what is acknowledged only
//! grows; once lost, a replica stays lost; a part acts before `acts_until` and never later.

use crossbeam::queue::ArrayQueue;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use wire::terms::time::SteadyMs;

/// Parcels of records that wait: one commit is under way at a time.
const PARCELS_MAX: usize = 1;
/// So long whoever waits for the log waits for its answer: an election fits in.
const PATIENCE: Duration = Duration::from_secs(10);

/// The records of one commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Records {
    /// Their frames, one behind the other.
    pub frames: Vec<u8>,
    /// The number of the first.
    pub first: u64,
    /// The number behind the last.
    pub next: u64,
}

/// Both ends.
pub struct Replica {
    records: ArrayQueue<Records>,
    /// Every record below this number is in the log.
    acknowledged: AtomicU64,
    /// Steady milliseconds.
    acts_until: AtomicU64,
    is_lost: AtomicBool,
    wants_to_act: AtomicBool,
    /// Something was said that the part has not looked at.
    has_news: AtomicBool,
    /// Records below this number are not needed any more.
    needed_from: AtomicU64,
    /// So long its answer is waited for.
    patience: Duration,
    wake_log: Box<dyn Fn() + Send + Sync>,
}

impl Replica {
    /// Of a part whose records are numbered from `first` on; `wake_log` has the keeper of the log
    /// look.
    pub fn new(first: u64, wake_log: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            records: ArrayQueue::new(PARCELS_MAX),
            acknowledged: AtomicU64::new(first),
            acts_until: AtomicU64::new(0),
            is_lost: AtomicBool::new(false),
            wants_to_act: AtomicBool::new(false),
            has_news: AtomicBool::new(true),
            needed_from: AtomicU64::new(0),
            patience: PATIENCE,
            wake_log: Box::new(wake_log),
        }
    }

    /// The same with another patience.
    #[cfg(test)]
    pub(super) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long the log's answer is waited for by whoever is to be answered.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// The part gives records to the log.
    pub(super) fn send(&self, records: Records) {
        let refused = self.records.push(records);
        assert!(refused.is_ok(), "one commit is under way at a time");
        (self.wake_log)();
    }

    /// The part cannot act as things are: the log is to be asked whether it may.
    pub(super) fn ask_to_act(&self) {
        if !self.wants_to_act.swap(true, Ordering::AcqRel) {
            (self.wake_log)();
        }
    }

    /// Records below this number stand further on, or are of no use any more.
    pub(super) fn note_needed_from(&self, number: u64) {
        self.needed_from.store(number, Ordering::Release);
    }

    /// Every record below this number is in the log.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Whether the part may begin an attempt, send a notification, or answer from memory.
    pub(super) fn may_act(&self, now: SteadyMs) -> bool {
        now.ms() < self.acts_until.load(Ordering::Acquire) && !self.is_lost()
    }

    /// Whether the partition is somebody else's.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Whether something was said since the last [`Self::take_news`].
    pub(super) fn has_news(&self) -> bool {
        // In one order with the waker's and the sleeper's words, as every look before a sleep.
        self.has_news.load(Ordering::SeqCst)
    }

    /// The part looks now.
    pub(super) fn take_news(&self) -> bool {
        self.has_news() && self.has_news.swap(false, Ordering::SeqCst)
    }

    /// The records that the part has given.
    pub fn next_records(&self) -> Option<Records> {
        self.records.pop()
    }

    /// Whether the part wants to act and may not; it is taken for told.
    pub fn take_wish(&self) -> bool {
        self.wants_to_act.swap(false, Ordering::AcqRel)
    }

    /// Every record below this number is in the log.
    pub fn acknowledge(&self, next: u64) {
        self.acknowledged.fetch_max(next, Ordering::AcqRel);
        self.has_news.store(true, Ordering::SeqCst);
    }

    /// The part may act before this moment; whether that is another one than before.
    pub fn let_act(&self, until: SteadyMs) -> bool {
        let is_new = self.acts_until.swap(until.ms(), Ordering::AcqRel) != until.ms();
        if is_new {
            self.has_news.store(true, Ordering::SeqCst);
        }
        is_new
    }

    /// The partition is somebody else's: nothing of it is acknowledged any more.
    pub fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
        self.has_news.store(true, Ordering::SeqCst);
    }

    /// Whether the part has not looked yet at what was said: it is to be woken.
    pub fn has_word(&self) -> bool {
        self.has_news()
    }

    /// The log may go below the record of this number; 0: nothing is known.
    pub fn needed_from(&self) -> u64 {
        self.needed_from.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = (self.acknowledged(), self.is_lost());
        formatter.debug_tuple("Replica").field(&shown).finish()
    }
}
