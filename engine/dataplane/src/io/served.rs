//! The sessions behind one door of a thread, push clients or customers: their table, which of them
//! are looked at when the turn flushes, and which wait for a shard's durable mark.
//!
//! One mechanism for both doors. Who may come in, what octets mean and when a session is over is
//! the door's own affair, and the session's.
//!
//! Invariants: a session stands in each list once; what comes for one that is gone finds nobody.

use crate::io::budget::Budget;
use crate::io::driver::{Completion, Driver, Owner};
use crate::io::limits::{LINGER_MS_MAX, LINGER_OCTETS_MAX};
use crate::io::link::{Fate, Link, Session, Takes};
use crate::io::marks::Marks;
use crate::io::part::{Part, Waiters};
use crate::io::parts::Parts;
use crate::io::slots::Slots;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use wire::terms::time::SteadyMs;

/// What a session does when its last answer is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// It goes on.
    Not,
    /// It says no more, and the client may still be read from.
    ByHalf,
    AtOnce,
}

/// How a session leaves: behind its last answer it says no more, and what the client still sends is
/// read and dropped, within bounds, until the client closes too. Closed at once with octets unread,
/// the kernel would reset the connection, and the client might never see the answer.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Leaving {
    /// When nothing more will be said; zero before that.
    finished_ms: SteadyMs,
    /// Octets that came behind the last request that counts.
    dropped_octets: usize,
    /// The client has sent its last octet.
    peer_done: bool,
}

impl Leaving {
    /// The client has sent its last octet: what it asked may still be answered.
    pub(super) fn peer_ends(&mut self) {
        self.peer_done = true;
    }

    /// Whether the client has sent its last octet.
    pub(super) fn is_peer_done(&self) -> bool {
        self.peer_done
    }

    /// So many octets came that nobody looks at.
    pub(super) fn drop_octets(&mut self, octets: usize) {
        self.dropped_octets += octets;
    }

    /// Whether the client may be read from still.
    pub(super) fn reads_on(&self) -> bool {
        !self.peer_done && self.dropped_octets < LINGER_OCTETS_MAX
    }

    /// Whether the last answer has left.
    pub(super) fn has_finished(&self) -> bool {
        self.finished_ms != SteadyMs::ZERO
    }

    /// Until when the client may take to close; never while it may still be answered.
    pub(super) fn until_ms(&self) -> SteadyMs {
        if self.has_finished() { self.finished_ms + LINGER_MS_MAX } else { SteadyMs::NEVER }
    }

    /// All is said and written: how the connection ends.
    pub(super) fn end(&mut self, now_ms: SteadyMs) -> Ending {
        if !self.reads_on() {
            return Ending::AtOnce;
        }
        if self.has_finished() {
            return Ending::Not;
        }
        self.finished_ms = now_ms.max(SteadyMs::new(1));
        Ending::ByHalf
    }
}

/// In which of the door's lists a session stands.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Lists {
    /// Those to look at in this turn.
    touched: bool,
    /// Those that wait for a shard's durable mark.
    listed: bool,
}

/// A session that came through a door.
pub(super) trait ServedSession: Session {
    /// In which lists it stands.
    fn lists(&mut self) -> &mut Lists;

    /// Its connection is no good any more: nobody hears what it says.
    fn break_off(&mut self) {}

    /// Whether it ends now; `unsent` octets of what it said are on their way.
    fn ending(&mut self, unsent: usize, now_ms: SteadyMs) -> Ending;

    /// The place of the shard for whose durable mark its first answer waits.
    fn waits_for_durable(&self) -> Option<u32>;

    /// The shard in this place leaves the thread: nothing waits for it any more, and what its mark
    /// has not reached is 9002. Whether any answer waited for it.
    fn part_from(&mut self, place: u16, durable: &Marks) -> bool;

    /// Turns every answer that waits for the device into 9002: the sync failed.
    fn fail_durable(&mut self);
}

/// The sessions of one door.
pub(super) struct ServedSessions<S> {
    links: Slots<Link<S>>,
    budget: Rc<Budget>,
    /// Sessions to look at in this turn.
    touched: Vec<u32>,
    sweep_at: usize,
}

impl<S: ServedSession> ServedSessions<S> {
    /// So many at most, which hold what this budget has for them.
    pub(super) fn with_capacity(capacity: usize, budget: Rc<Budget>) -> Self {
        let links = Slots::with_capacity(capacity);
        Self { links, budget, touched: Vec::with_capacity(capacity.min(1024)), sweep_at: 0 }
    }

    /// What they may hold.
    pub(super) fn budget(&self) -> &Rc<Budget> {
        &self.budget
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Takes a connection that the acceptor has dealt to this thread.
    pub(super) fn insert(&mut self, socket: OwnedFd, owner: Owner, session: S) -> u32 {
        let budget = &self.budget;
        let make =
            |index, generation| Link::new(socket, (index, generation), owner, session, budget);
        let Some(index) = self.links.insert(make) else {
            unreachable!("the acceptor deals only what there are places for")
        };
        index
    }

    pub(super) fn get(&self, index: u32) -> Option<&Link<S>> {
        self.links.get(index)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Link<S>> {
        self.links.get_mut(index)
    }

    /// The session, if it is still the one of that generation.
    pub(super) fn of_generation(&mut self, index: u32, generation: u32) -> Option<&mut Link<S>> {
        self.links.of_generation(index, generation)
    }

    /// Every index in use.
    pub(super) fn indices(&self) -> Vec<u32> {
        self.links.indices()
    }

    /// It is over.
    pub(super) fn remove(&mut self, index: u32) {
        self.links.remove(index);
    }

    fn named_by(&mut self, completion: &Completion) -> Option<&mut Link<S>> {
        self.links.of_generation(completion.token.index, completion.token.generation)
    }

    /// Octets arrived on a connection, or it ended; whether it is there.
    pub(super) fn received<Desk>(
        &mut self,
        completion: &Completion,
        driver: &mut Driver,
        desk: &mut Desk,
    ) -> bool
    where
        S: Takes<Desk>,
    {
        let Some(link) = self.named_by(completion) else {
            completion.buffer.inspect(|&buffer| driver.recycle(buffer));
            return false;
        };
        if link.received(completion, driver, desk) == Fate::Broken {
            link.session.break_off();
            link.close();
        }
        self.touch(completion.token.index);
        true
    }

    /// The peer has ended the connection, or its half of it.
    pub(super) fn hung_up(&mut self, completion: &Completion, driver: &mut Driver) {
        let Some(link) = self.named_by(completion) else { return };
        if !link.stream.hung_up(completion.result, driver) {
            link.session.break_off();
            link.stream.close();
        }
        self.touch(completion.token.index);
    }

    /// A send completed.
    pub(super) fn sent(&mut self, completion: &Completion) {
        let Some(link) = self.named_by(completion) else { return };
        if !link.sent(completion) {
            link.session.break_off();
            link.stream.close();
        }
        self.touch(completion.token.index);
    }

    /// Closes a connection, whatever is still to be said on it.
    pub(super) fn dismiss(&mut self, index: u32) {
        if let Some(link) = self.links.get_mut(index) {
            link.session.break_off();
            link.stream.close();
        }
        self.touch(index);
    }

    /// Has the session looked at when the turn flushes, once.
    pub(super) fn touch(&mut self, index: u32) {
        if let Some(link) = self.links.get_mut(index)
            && !std::mem::replace(&mut link.session.lists().touched, true)
        {
            self.touched.push(index);
        }
    }

    /// Whether any is to be looked at.
    pub(super) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Those to look at now, each by [`Self::look_at`]; the list comes back by
    /// [`Self::keep_touched`].
    pub(super) fn take_touched(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.touched)
    }

    /// The memory of the list serves again; whether sessions were touched while it was away.
    pub(super) fn keep_touched(&mut self, mut list: Vec<u32>) -> bool {
        list.clear();
        std::mem::swap(&mut self.touched, &mut list);
        self.touched.append(&mut list);
        self.has_touched()
    }

    /// A session that was touched.
    pub(super) fn look_at(&mut self, index: u32) -> Option<&mut Link<S>> {
        let link = self.links.get_mut(index)?;
        link.session.lists().touched = false;
        Some(link)
    }

    /// Some sessions, from where the call before stopped; at most `budget` places are looked at.
    pub(super) fn sweep(&mut self, budget: usize) -> Vec<u32> {
        let (indices, next) = self.links.sweep(self.sweep_at, budget);
        self.sweep_at = next;
        indices
    }

    /// Puts the session into the list of the shard for whose durable mark its first answer waits;
    /// `waiters` is the door's list there.
    pub(super) fn list(
        &mut self,
        index: u32,
        parts: &mut Parts,
        waiters: impl FnOnce(&mut Part) -> &mut Waiters,
    ) {
        let Some(link) = self.links.get_mut(index) else { return };
        if let Some(place) = link.session.waits_for_durable()
            && !link.session.lists().listed
            && let Some(part) = parts.get_mut(place)
        {
            link.session.lists().listed = true;
            waiters(part).push(index);
        }
    }

    /// Has those looked at that wait for a shard's mark, if that has moved.
    pub(super) fn let_go(&mut self, waiters: &mut Waiters, durable: u64) {
        let mut waiting = waiters.take(durable);
        waiting.drain(..).for_each(|index| self.unlist(index));
        waiters.keep(waiting);
    }

    /// The session stands in no shard's list any more.
    fn unlist(&mut self, index: u32) {
        if let Some(link) = self.links.get_mut(index) {
            link.session.lists().listed = false;
            self.touch(index);
        }
    }

    /// The shard in this place leaves the thread: whoever waits for its mark waits no longer. Those
    /// `listed` stood in its list.
    pub(super) fn part_from(&mut self, place: u32, listed: Vec<u32>, marks: &Marks) {
        listed.into_iter().for_each(|index| self.unlist(index));
        for index in self.links.indices() {
            if let Some(link) = self.links.get_mut(index)
                && link.session.part_from(place as u16, marks)
            {
                self.touch(index);
            }
        }
    }

    /// What was appended is not to be relied on any more: whoever waits for it is told so.
    pub(super) fn doubt(&mut self) {
        for index in self.links.indices() {
            if let Some(link) = self.links.get_mut(index) {
                link.session.fail_durable();
                self.touch(index);
            }
        }
    }
}

impl<S: ServedSession> Link<S> {
    /// Sends what the session has to say, and ends the connection where the session does; whether
    /// it is over.
    pub(super) fn send_or_end(&mut self, driver: &mut Driver, now_ms: SteadyMs) -> bool {
        self.flush(driver, now_ms);
        let unsent = self.unsent();
        match self.session.ending(unsent, now_ms) {
            Ending::Not => {}
            Ending::ByHalf => self.finish(driver, now_ms),
            Ending::AtOnce => self.close(),
        }
        self.stream.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::driver::DriverKind;
    use std::os::unix::net::UnixStream;

    /// Waits for a mark, and ends as it is told.
    #[derive(Default)]
    struct Waiting {
        output: Vec<u8>,
        lists: Lists,
        broken: bool,
        failed: bool,
        ends: bool,
    }

    impl Session for Waiting {
        fn output(&mut self) -> &mut Vec<u8> {
            &mut self.output
        }

        fn due_ms(&self) -> SteadyMs {
            SteadyMs::NEVER
        }

        fn wants_more(&self, _unconsumed: usize, _most: usize) -> bool {
            true
        }

        fn held(&self) -> usize {
            0
        }

        fn shrink(&mut self) {}
    }

    impl ServedSession for Waiting {
        fn lists(&mut self) -> &mut Lists {
            &mut self.lists
        }

        fn break_off(&mut self) {
            self.broken = true;
        }

        fn ending(&mut self, _unsent: usize, _now_ms: SteadyMs) -> Ending {
            if self.ends { Ending::AtOnce } else { Ending::Not }
        }

        fn waits_for_durable(&self) -> Option<u32> {
            Some(0)
        }

        fn part_from(&mut self, place: u16, _durable: &Marks) -> bool {
            place == 0
        }

        fn fail_durable(&mut self) {
            self.failed = true;
        }
    }

    /// So many sessions, and the other ends of their connections.
    fn served(count: usize) -> (ServedSessions<Waiting>, Vec<UnixStream>) {
        let mut sessions = ServedSessions::with_capacity(count, Budget::new());
        let clients = (0..count).map(|_| {
            let (client, server) = UnixStream::pair().expect("a pair");
            sessions.insert(server.into(), Owner::Front, Waiting::default());
            client
        });
        let clients = clients.collect();
        (sessions, clients)
    }

    /// Looks at all that were touched.
    fn look(sessions: &mut ServedSessions<Waiting>) -> Vec<u32> {
        let touched = sessions.take_touched();
        touched.iter().for_each(|&index| assert!(sessions.look_at(index).is_some()));
        let looked_at = touched.clone();
        assert!(!sessions.keep_touched(touched), "nobody was touched meanwhile");
        looked_at
    }

    #[test]
    fn a_session_is_looked_at_once_however_often_it_is_touched_and_again_when_it_is_touched_again()
    {
        let (mut sessions, _clients) = served(2);
        for index in [1, 0, 1, 1, 7] {
            sessions.touch(index);
        }
        assert!(sessions.has_touched());
        assert_eq!(look(&mut sessions), [1, 0]);
        assert!(!sessions.has_touched());
        // What touches itself while it is looked at is looked at in the next turn.
        sessions.touch(0);
        let touched = sessions.take_touched();
        assert!(sessions.look_at(0).is_some());
        sessions.touch(0);
        assert!(sessions.keep_touched(touched));
        assert_eq!(look(&mut sessions), [0]);
    }

    #[test]
    fn who_waits_for_a_mark_is_looked_at_when_it_moves_and_stands_in_the_list_once() {
        let (mut sessions, _clients) = served(3);
        let mut waiters = Waiters::default();
        for index in [2, 2, 0] {
            let link = sessions.get_mut(index).expect("it is there");
            if !std::mem::replace(&mut link.session.lists.listed, true) {
                waiters.push(index);
            }
        }
        sessions.let_go(&mut waiters, 5);
        assert_eq!(look(&mut sessions), [2, 0]);
        sessions.let_go(&mut waiters, 6);
        assert!(look(&mut sessions).is_empty());
        let listed = |sessions: &mut ServedSessions<Waiting>, index| {
            sessions.get_mut(index).is_some_and(|link| link.session.lists.listed)
        };
        assert!((0..3).all(|index| !listed(&mut sessions, index)));
    }

    #[test]
    fn whoever_waits_for_a_shard_that_leaves_or_a_device_that_fails_is_looked_at() {
        let (mut sessions, _clients) = served(2);
        sessions.part_from(0, vec![1], &Marks::NONE);
        assert_eq!(look(&mut sessions), [1, 0]);
        sessions.part_from(3, Vec::new(), &Marks::NONE);
        assert!(look(&mut sessions).is_empty());
        sessions.doubt();
        assert_eq!(look(&mut sessions), [0, 1]);
        assert!((0..2).all(|index| sessions.get_mut(index).is_some_and(|it| it.session.failed)));
    }

    #[test]
    fn a_session_leaves_by_half_once_and_at_once_when_the_client_is_done_or_sends_too_much() {
        let now_ms = SteadyMs::new(5);
        let mut leaving = Leaving::default();
        assert_eq!((leaving.has_finished(), leaving.until_ms()), (false, SteadyMs::NEVER));
        leaving.drop_octets(LINGER_OCTETS_MAX - 1);
        assert_eq!(leaving.end(now_ms), Ending::ByHalf);
        assert_eq!(leaving.end(now_ms + 1), Ending::Not, "it has said so");
        assert_eq!(leaving.until_ms(), now_ms + LINGER_MS_MAX);
        let mut sends_on = leaving;
        sends_on.drop_octets(1);
        leaving.peer_ends();
        for mut over in [sends_on, leaving] {
            assert!(!over.reads_on());
            assert_eq!(over.end(now_ms + 2), Ending::AtOnce);
        }
        let mut at_zero = Leaving::default();
        assert_eq!(at_zero.end(SteadyMs::ZERO), Ending::ByHalf);
        assert!(at_zero.has_finished(), "whatever the clock says");
    }

    #[test]
    fn who_is_dismissed_hears_nothing_more_and_who_ends_is_over() {
        let (mut sessions, _clients) = served(2);
        let mut driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
        sessions.dismiss(0);
        assert_eq!(look(&mut sessions), [0]);
        let [dismissed, ended] = [0, 1].map(|index| {
            let link = sessions.get_mut(index).expect("it is there");
            link.session.ends |= index == 1;
            (link.session.broken, link.send_or_end(&mut driver, SteadyMs::ZERO))
        });
        assert_eq!((dismissed, ended), ((true, true), (false, true)));
    }
}
