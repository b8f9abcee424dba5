//! The push clients' places: how many connections each shard has, and the sockets on their way to
//! it.
//!
//! The acceptor deals each new socket to the shard with the fewest connections and counts it there
//! at that moment, so a burst is dealt evenly too. The shard takes it from a bounded queue, and
//! gives the place back when the connection is gone. Where every place is taken the acceptor asks
//! the shard that has waited longest for a first request to make room.
//!
//! Never here: a lock, or a wait of a shard.

use crate::io::driver::Waker;
use crate::io::limits::DEALT_MAX;
use crossbeam::queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use wire::terms::time::SteadyMs;

/// No connection of the shard waits for its first request.
const NOBODY: u64 = u64::MAX;

/// One shard's places.
struct Share {
    taken: AtomicUsize,
    dealt: ArrayQueue<OwnedFd>,
    /// The acceptor asks for room.
    asked: AtomicBool,
    /// When the connection was opened that has waited longest for its first request, steady
    /// milliseconds.
    silent_since_ms: AtomicU64,
}

/// Every shard's places.
pub(super) struct Places {
    shares: Vec<Share>,
    /// Connections that one shard may have.
    share_max: usize,
    closed: AtomicBool,
    /// Rises when the places close.
    bell: OwnedFd,
}

impl Places {
    /// Places for so many connections in each of so many shards.
    ///
    /// # Errors
    /// When the kernel gives no eventfd.
    pub(super) fn new(shards: usize, share_max: usize) -> std::io::Result<Arc<Self>> {
        let share = || Share {
            taken: AtomicUsize::new(0),
            dealt: ArrayQueue::new(DEALT_MAX),
            asked: AtomicBool::new(false),
            silent_since_ms: AtomicU64::new(NOBODY),
        };
        let bell = eventfd(0, EventfdFlags::CLOEXEC)?;
        let shares = (0..shards).map(|_| share()).collect();
        Ok(Arc::new(Self { shares, share_max, closed: AtomicBool::new(false), bell }))
    }

    /// The shard's own way to its places.
    pub(super) fn door(self: &Arc<Self>, shard: usize) -> Door {
        Door { places: Arc::clone(self), shard }
    }

    /// The shard with the fewest connections, of those that can take one more.
    pub(super) fn emptiest(&self) -> Option<usize> {
        let taken = |shard: &usize| self.shares[*shard].taken.load(Ordering::Relaxed);
        let open = (0..self.shares.len()).filter(|shard| !self.shares[*shard].dealt.is_full());
        open.filter(|shard| taken(shard) < self.share_max).min_by_key(taken)
    }

    /// Gives the socket to a shard that can take it; only the acceptor deals.
    pub(super) fn deal(&self, socket: OwnedFd, shard: usize, wakers: &[Waker]) {
        let share = &self.shares[shard];
        share.taken.fetch_add(1, Ordering::Relaxed);
        let refused = share.dealt.push(socket);
        assert!(refused.is_ok(), "the acceptor looked for a place before");
        wakers[shard].wake();
    }

    /// Asks the shard whose client has been silent longest, since `before_ms` at least, for its
    /// place; whether there is one.
    pub(super) fn ask_for_room(&self, before_ms: SteadyMs, wakers: &[Waker]) -> bool {
        let silent = |shard: &usize| {
            SteadyMs::new(self.shares[*shard].silent_since_ms.load(Ordering::Relaxed))
        };
        let Some(shard) = (0..self.shares.len()).min_by_key(silent) else { return false };
        if silent(&shard) > before_ms {
            return false;
        }
        self.shares[shard].asked.store(true, Ordering::Release);
        wakers[shard].wake();
        true
    }

    /// No further connection is taken.
    pub(super) fn close(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            // The only possible failure is a count at its limit, which has rung already.
            let _ = rustix::io::write(&self.bell, &[1, 0, 0, 0, 0, 0, 0, 0]);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Readable once the places are closed.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// One shard's way to its places.
pub(super) struct Door {
    places: Arc<Places>,
    shard: usize,
}

impl Door {
    fn share(&self) -> &Share {
        &self.places.shares[self.shard]
    }

    /// The next socket that was dealt to this shard.
    pub(super) fn next(&self) -> Option<OwnedFd> {
        self.share().dealt.pop()
    }

    /// Whether a socket, or the question for room, waits for the shard.
    pub(super) fn has_arrivals(&self) -> bool {
        !self.share().dealt.is_empty() || self.share().asked.load(Ordering::Relaxed)
    }

    /// Whether the acceptor has asked for room since the last look.
    pub(super) fn is_asked_for_room(&self) -> bool {
        self.share().asked.load(Ordering::Relaxed)
            && self.share().asked.swap(false, Ordering::Acquire)
    }

    /// A connection is gone.
    pub(super) fn give_back(&self) {
        self.share().taken.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether three quarters of the shard's places are taken.
    pub(super) fn is_crowded(&self) -> bool {
        self.share().taken.load(Ordering::Relaxed) * 4 >= self.places.share_max * 3
    }

    /// Shows since when a connection has waited for its first request; `None`: none does.
    pub(super) fn show_silent_since(&self, since_ms: Option<SteadyMs>) {
        self.share()
            .silent_since_ms
            .store(since_ms.map_or(NOBODY, SteadyMs::ms), Ordering::Relaxed);
    }

    /// No shard takes a further connection.
    pub(super) fn close(&self) {
        self.places.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> OwnedFd {
        eventfd(0, EventfdFlags::CLOEXEC).expect("a descriptor")
    }

    fn wakers(shards: usize) -> Vec<Waker> {
        (0..shards).map(|_| Waker::into_the_void().expect("a waker")).collect()
    }

    #[test]
    fn a_burst_is_dealt_evenly_and_a_full_shard_gets_none() {
        let (places, wakers) = (Places::new(3, 2).expect("places"), wakers(3));
        let mut dealt = Vec::new();
        while let Some(shard) = places.emptiest() {
            places.deal(socket(), shard, &wakers);
            dealt.push(shard);
        }
        assert_eq!(dealt, [0, 1, 2, 0, 1, 2]);
        let door = places.door(1);
        assert!(door.next().is_some() && door.is_crowded() && door.has_arrivals());
        assert_eq!(places.emptiest(), None, "a place is free when its connection is gone");
        door.give_back();
        assert_eq!(places.emptiest(), Some(1));
    }

    #[test]
    fn the_shard_whose_client_has_been_silent_longest_is_asked_for_room() {
        let (places, wakers) = (Places::new(2, 1).expect("places"), wakers(2));
        assert!(!places.ask_for_room(SteadyMs::NEVER - 1, &wakers), "nobody is silent");
        places.door(0).show_silent_since(Some(SteadyMs::new(700)));
        places.door(1).show_silent_since(Some(SteadyMs::new(500)));
        assert!(!places.ask_for_room(SteadyMs::new(499), &wakers), "not for long enough");
        assert!(places.ask_for_room(SteadyMs::new(500), &wakers));
        assert!(!places.door(0).is_asked_for_room() && places.door(1).is_asked_for_room());
        assert!(!places.door(1).is_asked_for_room(), "once");
    }

    #[test]
    fn a_shard_that_takes_no_sockets_is_passed_over_when_its_queue_is_full() {
        let (places, wakers) = (Places::new(1, DEALT_MAX + 1).expect("places"), wakers(1));
        (0..DEALT_MAX).for_each(|_| places.deal(socket(), 0, &wakers));
        assert_eq!(places.emptiest(), None);
        assert!(places.door(0).next().is_some());
        assert_eq!(places.emptiest(), Some(0));
    }
}
