//! Shards that come to a thread while it runs, and those that leave it.
//!
//! One that comes was opened beside the threads and is taken whole: the turn only puts it into its
//! place. One that leaves is given back once nothing of it is under way, and after a bounded time
//! as soon as the device has answered. Meanwhile it takes no push and begins nothing.
//!
//! Invariants: one shard leaves at a time; what waits for its durable mark is answered before it is
//! gone, with 9002 where the mark has not come; what comes back for it later finds nobody.

use super::ThreadTurn;
use crate::io::limits::CLOSED_MS_MAX;
use crate::io::mailbox::{NotMoved, OpenedShard};
use crate::io::now::Now;
use crate::io::shard_status::ShardStatus;
use crate::shard::Shard;
use crossbeam::channel::Sender;
use std::sync::Arc;
use wire::terms::time::SteadyMs;

/// A shard that is to leave.
pub(super) struct Leaving {
    shard: usize,
    since_ms: SteadyMs,
    reply: Sender<Result<Box<Shard>, NotMoved>>,
}

impl ThreadTurn {
    /// Takes a shard, if there is a place for it.
    ///
    /// # Errors
    /// Why there is none, and the shard.
    pub(super) fn open_shard(
        &mut self,
        opened: Box<OpenedShard>,
        status: Arc<ShardStatus>,
    ) -> Result<(), (NotMoved, Box<OpenedShard>)> {
        let number = opened.shard.number();
        let refusal = if self.draining_since_ms.is_some() {
            Some(NotMoved::Stopping)
        } else if self.parts.is_full() {
            Some(NotMoved::NoPlace)
        } else if !self.parts.expects(number) {
            Some(NotMoved::NotExpected)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return Err((refusal, opened));
        }
        let mut opened = *opened;
        opened.shard.set_registry(Arc::clone(self.parts.registry()));
        opened.shard.pause(self.paused);
        opened.shard.stay();
        self.seat(opened, status);
        self.mesh.show_held(number, true);
        Ok(())
    }

    /// Has a shard leave.
    pub(super) fn close_shard(
        &mut self,
        shard: usize,
        reply: Sender<Result<Box<Shard>, NotMoved>>,
        now: Now,
    ) {
        let refusal = match (self.draining_since_ms, &self.leaving) {
            (Some(_), _) => NotMoved::Stopping,
            (None, Some(_)) => NotMoved::NotYet,
            (None, None) => NotMoved::NotHere,
        };
        let part = self.parts.of_number(shard).filter(|_| refusal == NotMoved::NotHere);
        let Some(part) = part else {
            let _ = reply.try_send(Err(refusal));
            return;
        };
        part.begin_to_close();
        // From now on nobody hands it anything; what is on its way is answered 8002.
        self.mesh.show_held(shard, false);
        self.leaving = Some(Leaving { shard, since_ms: now.steady_ms, reply });
    }

    /// Looks whether the shard that is to leave can go.
    pub(super) fn look_after_leaving(&mut self, now: Now) {
        let Some(&Leaving { shard, since_ms, .. }) = self.leaving.as_ref() else { return };
        let is_over = now.steady_ms >= since_ms + CLOSED_MS_MAX;
        let Some(name) = self.parts.name_of(shard) else { return };
        let parts = &mut self.parts;
        let are_told =
            [self.notifier.give_back(name, parts, now), self.customers.give_back(name, parts, now)];
        let Some(part) = self.parts.named(name) else { return };
        let has_done = part.is_settled()
            && part.shard.in_flight() == 0
            && are_told == [true; 2]
            && part.shard.close_books(now.wall_ms);
        // Nothing comes of it any more, where its partition is another node's: but what it has
        // counted of refused requests stands nowhere else.
        let is_lost = part.is_lost() && part.shard.close_books(now.wall_ms);
        let is_idle = !part.commits() && part.has_books();
        if has_done || (is_over || is_lost) && is_idle {
            self.let_leave(now);
        }
    }

    /// The shard goes.
    fn let_leave(&mut self, now: Now) {
        let Some(Leaving { shard, reply, .. }) = self.leaving.take() else { return };
        let Some(place) = self.parts.place_of(shard) else { return };
        // What its mark has reached leaves as it is.
        self.parts.see_marks();
        self.flush(now);
        self.front.part_from(place, &mut self.parts, &mut self.mesh);
        self.customers.part_from(place, &mut self.parts);
        self.simulated.close(place as usize);
        if let Some(mut part) = self.parts.close(place) {
            part.shard.pass_parked_news(&mut self.parked_news);
            part.note_unbilled();
            part.publish_figures();
            let _ = reply.try_send(Ok(Box::new(part.into_shard())));
        }
    }
}
