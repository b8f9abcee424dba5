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

    /// Puts in a piece of news; without room it is lost, as on the net. Whether it is in.
    pub(super) fn put(&self, news: LogNews) -> bool {
        let is_in = self.news.push(news).is_ok();
        if !is_in {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.wake.wake();
        is_in
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_lost_and_told_to_whoever_brought_it() {
        let news = NewsBox::new(NatsWake::default());
        let end = |last| LogNews::End { partition: 0, last };
        for last in 0..NEWS_MAX as u64 {
            assert!(news.put(end(last)));
        }
        assert!(!news.put(end(0)), "there is no room");
        assert_eq!((news.lost(), news.take()), (1, Some(end(0))));
        assert!(news.put(end(1)), "there is room again");
    }
}
