//! What a shard shows of itself to the control plane, wherever it is.

use crate::shard::figures::NAMES;
use crate::shard::{Obstacles, WaitingTally};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use wire::terms::ids::Class;

/// Its figures, and what stands in the way of new pushes.
pub struct ShardStatus {
    pub paused: AtomicBool,
    pub full: AtomicBool,
    pub crowded: AtomicBool,
    pub behind: AtomicBool,
    pub lost: AtomicBool,
    /// How many classes find room, the one that matters most first.
    pub classes_taken: AtomicU8,
    pub figures: Vec<AtomicU64>,
    pub syncs: AtomicU64,
    /// At the end: events that wait in the journal for room in the books, and requests whose counts
    /// are lost.
    pub unbilled: [AtomicU64; 2],
    /// At the end: rows of broadcasts that were still under way.
    pub rows_in_doubt: AtomicU64,
    pub waiting: Mutex<WaitingTally>,
}

impl ShardStatus {
    /// Of a shard of which nothing is known yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            paused: AtomicBool::new(false),
            full: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            classes_taken: AtomicU8::new(Class::BY_WEIGHT.len() as u8),
            figures: NAMES.iter().map(|_| AtomicU64::new(0)).collect(),
            syncs: AtomicU64::new(0),
            unbilled: Default::default(),
            rows_in_doubt: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    /// What of the books could not be written before the end.
    pub(crate) fn note_unbilled(&self, (events, requests): (u64, u64)) {
        self.unbilled[0].store(events, Ordering::Relaxed);
        self.unbilled[1].store(requests, Ordering::Relaxed);
    }

    /// Rows of broadcasts that were still under way at the end.
    pub(crate) fn note_rows_in_doubt(&self, rows: u64) {
        self.rows_in_doubt.store(rows, Ordering::Relaxed);
    }

    /// Shows what stands in the way of new pushes.
    pub(crate) fn show_obstacles(&self, obstacles: Obstacles) {
        self.paused.store(obstacles.paused, Ordering::Relaxed);
        self.full.store(obstacles.full, Ordering::Relaxed);
        self.crowded.store(obstacles.crowded, Ordering::Relaxed);
        self.behind.store(obstacles.behind, Ordering::Relaxed);
        self.classes_taken.store(obstacles.classes_taken, Ordering::Relaxed);
        self.lost.store(obstacles.lost, Ordering::Relaxed);
    }

    /// Shows its figures, in the order of their names.
    pub(crate) fn publish(&self, values: &[u64], syncs: u64) {
        for (shown, value) in self.figures.iter().zip(values) {
            shown.store(*value, Ordering::Relaxed);
        }
        self.syncs.store(syncs, Ordering::Relaxed);
    }

    /// Shows a count of what waits; whether it could: somebody may be looking at the last one.
    pub(crate) fn publish_waiting(&self, tally: &WaitingTally) -> bool {
        self.waiting.try_lock().map(|mut shown| shown.clone_from(tally)).is_ok()
    }
}
