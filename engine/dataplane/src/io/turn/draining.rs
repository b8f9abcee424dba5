//! How a thread ends: what is under way comes to its end, nothing new begins, and what waits stays
//! in the journals for the next start.

use super::ThreadTurn;
use crate::io::now::Now;
use host::fatal::{Fatal, FatalReason};

/// What is under way when a drain's time is over has so long, in milliseconds.
const UNANSWERED_MS: u64 = 2_000;

impl ThreadTurn {
    pub(super) fn begin_drain(&mut self, now: Now) {
        self.draining_since_ms = Some(now.steady_ms);
        self.parts.for_each(|part| {
            part.shard.pause(true);
            part.shard.begin_to_take_back();
            part.shard.begin_to_close_books();
        });
        self.front.close();
        self.customers.close();
    }

    /// Ends when nothing is owed to anybody at this moment; what waits stays in the journal for the
    /// next start.
    pub(super) fn drain(&mut self, now: Now) {
        let Some(since_ms) = self.draining_since_ms else { return };
        let deadline_ms = since_ms + self.limits.drain_timeout_ms;
        let over = now.steady_ms >= deadline_ms;
        // Receipts come as long as sessions are bound: these end first.
        let has_unbound = self.carriers.drain(now);
        if over && !has_unbound {
            self.carriers.hang_up(&mut self.driver, now);
        }
        let settled = self.parts.iter().all(|part| part.is_settled());
        let quiet = settled
            && self.parts.iter().all(|part| part.is_idle())
            && self.front.is_quiet(since_ms, now)
            && self.notifier.awaited(since_ms, now) == 0
            && !self.mesh.has_arrivals()
            && has_unbound
            && self.customers.drain(since_ms, now)
            && self.close_books(now);
        // A thread that has nothing left to do may still be asked by one that has.
        let all_quiet = self.mesh.all_quiet(quiet);
        // What sessions that were hung up had is settled by shards, which then know what it leaves
        // in doubt, and that all else is in none.
        let has_back = self.parts.iter().all(|part| part.is_lost() || !part.is_at_carriers());
        self.stopped = all_quiet || (over && has_back && settled && self.close_books(now));
        if !self.stopped && now.steady_ms >= deadline_ms + UNANSWERED_MS {
            self.stop_unanswered(settled);
        }
        if self.stopped {
            let news = &mut self.parked_news;
            self.parts.for_each(|part| part.shard.pass_parked_news(news));
            news.tell_now();
        }
    }

    /// Whether every shard's books are closed.
    fn close_books(&mut self, now: Now) -> bool {
        let mut closed = true;
        // The books of a shard that is lost are another node's.
        self.parts.for_each(|part| closed &= part.is_lost() || part.shard.close_books(now.wall_ms));
        closed
    }

    /// The drain's time is over, and the device has not answered: a stop waits for it no longer.
    /// Books that it does not take wait in the journal, as those of a full device do. What the
    /// kernel is writing this very moment is memory of this thread, which therefore must not go
    /// before the process does.
    fn stop_unanswered(&mut self, is_settled: bool) {
        if is_settled {
            self.stopped = true;
            return;
        }
        let unsettled = self.parts.iter().find(|part| !part.is_settled());
        let (commits, shard) =
            unsettled.map_or((false, 0), |part| (part.commits(), part.shard.number()));
        let what = if commits { "the journal" } else { "the billing log" };
        let cause = format!(
            "the drain's {} ms are over and the device has not answered a write to {what} of shard \
             {shard}; whoever waited for that was not answered 0000",
            self.limits.drain_timeout_ms
        );
        Fatal::new(FatalReason::SyncFailed, cause).end_process()
    }
}
