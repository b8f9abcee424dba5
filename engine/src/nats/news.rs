//! What the log answers, on its way to the guest.

use super::limits::NEWS_MAX;
use super::wake::NatsWake;
use crate::cluster::ports::LogNews;
use crossbeam::queue::ArrayQueue;
use std::sync::atomic::{AtomicU64, Ordering};

/// What has come in, for the guest.
#[derive(Debug)]
pub(super) struct NewsBox {
    news: ArrayQueue<LogNews>,
    lost: AtomicU64,
    wake: NatsWake,
}

impl NewsBox {
    pub(super) fn new(wake: NatsWake) -> Self {
        Self { news: ArrayQueue::new(NEWS_MAX), lost: AtomicU64::new(0), wake }
    }

    /// Puts in a piece of news; without room it is lost, as on the net.
    pub(super) fn put(&self, news: LogNews) {
        if self.news.push(news).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.wake.wake();
    }

    /// The oldest piece.
    pub(super) fn take(&self) -> Option<LogNews> {
        self.news.pop()
    }

    /// How many found no room.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
