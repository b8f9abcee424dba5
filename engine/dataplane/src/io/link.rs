//! A link: a connection, and the session that speaks on it.
//!
//! Everything that the shard speaks with comes through here: push clients and notification servers
//! today. The link has the one read loop: it hands what came to the session, keeps what the session
//! has not consumed, stops reading when the session says so, sends what the session has to say, and
//! counts what all that holds in the shard's budget. It knows no protocol; a session knows no
//! socket.
//!
//! On a port that speaks TLS there is a layer between ([`tls`]): the session never knows, and a
//! plain link pays a branch for it.
//!
//! Sending has a deadline on progress: a peer that takes nothing of what is sent to it for too long
//! is closed, and a drain does not wait for it.

pub(super) mod shaking;
pub(super) mod tls;

use crate::gateway::certificate::CertificateDigest;
use crate::io::budget::{Budget, Share};
use crate::io::driver::{Completion, Driver, Owner};
use crate::io::limits::{
    DRAIN_SILENCE_MS, INPUT_GROWTH_PART, RECEIVE_BUFFER_OCTETS, SEND_PROGRESS_MS_MAX,
    SMALL_RECEIVES_MIN,
};
use crate::io::stream::Stream;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tls::{Opened, Tls};
use wire::terms::time::SteadyMs;

/// The state machine of one connection.
pub(super) trait Session {
    /// What it has to say: the link sends it, in order.
    fn output(&mut self) -> &mut Vec<u8>;

    /// When it wants to be looked at, steady milliseconds.
    fn due_ms(&self) -> SteadyMs;

    /// Whether more octets may come, while so many are not consumed and the connection may hold
    /// `most`.
    fn wants_more(&self, unconsumed: usize, most: usize) -> bool;

    /// Octets of memory that it holds.
    fn held(&self) -> usize;

    /// Gives memory back: the connection is idle.
    fn shrink(&mut self);

    /// The peer has proved beneath it to have this certificate, or none: said once, before the
    /// first octet is handed over.
    fn certify(&mut self, _certificate: Option<CertificateDigest>) {}
}

/// A session that takes octets, and what it asks of the shard meanwhile.
pub(super) trait Takes<Desk>: Session {
    /// Takes what came and was not consumed before, oldest octet first; how many octets are done
    /// with. The others come again, with those that follow them. It may have `room` octets to say.
    /// `None`: the peer speaks something else, and the connection is no good.
    fn take(&mut self, octets: &[u8], room: usize, desk: &mut Desk) -> Option<usize>;

    /// The peer sends no more; so much was not consumed.
    fn end(&mut self, unconsumed: &[u8], desk: &mut Desk);
}

/// What a receive left of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It goes on.
    Goes,
    /// The peer sends no more.
    Ended,
    /// It is no good any more.
    Broken,
}

pub(super) struct Link<S> {
    pub(super) stream: Stream,
    pub(super) session: S,
    /// What it speaks beneath the session, if not plainly.
    tls: Option<Box<Tls>>,
    input: Vec<u8>,
    share: Share,
    /// Receives in a row that did not fill their buffer.
    small_receives: u8,
}

impl<S: Session> Link<S> {
    pub(super) fn new(
        socket: OwnedFd,
        (index, generation): (u32, u32),
        owner: Owner,
        session: S,
        budget: &Rc<Budget>,
    ) -> Self {
        let stream = Stream::new(socket, index, generation, owner);
        let share = Share::of(budget);
        Self { stream, session, tls: None, input: Vec::new(), share, small_receives: 0 }
    }

    /// Speaks TLS from now on: nothing has come or was said yet.
    pub(super) fn secure(&mut self, tls: Tls) {
        self.tls = Some(Box::new(tls));
    }

    /// What it speaks beneath the session, if not plainly.
    pub(super) fn tls(&mut self) -> Option<&mut Tls> {
        self.tls.as_deref_mut()
    }

    /// Whether the session's octets can flow: at once, but behind a handshake under TLS.
    pub(super) fn is_open(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.is_shaking())
    }

    /// A receive has brought something, or has ended: the one read loop.
    pub(super) fn received<Desk>(
        &mut self,
        completion: &Completion,
        driver: &mut Driver,
        desk: &mut Desk,
    ) -> Fate
    where
        S: Takes<Desk>,
    {
        if !completion.more {
            self.stream.receive_ended();
        }
        let fate = match (completion.result, completion.buffer) {
            (octets @ 1.., Some(buffer)) => {
                self.note_received(octets as usize);
                let octets = driver.received(buffer, octets as usize);
                if self.tls.is_some() {
                    self.take_records(octets, desk)
                } else if self.take(octets, desk) {
                    Fate::Goes
                } else {
                    Fate::Broken
                }
            }
            // Behind a step of the handshake that has not found time yet: it is read again then.
            (0, _) if self.tls.as_ref().is_some_and(|tls| tls.step_is_due()) => Fate::Goes,
            (0, _) => {
                self.end(desk);
                Fate::Ended
            }
            // Stopped, by the session's wish, because it had filled a buffer or to begin anew
            // because the peer hung up; or all buffers are taken.
            (error, _) if error == -libc::ENOBUFS || error == -libc::ECANCELED => Fate::Goes,
            _ => Fate::Broken,
        };
        if let Some(buffer) = completion.buffer {
            driver.recycle(buffer);
        }
        if fate == Fate::Goes && self.may_read() {
            self.receive(driver);
        } else {
            self.stream.stop_receiving(driver);
        }
        fate
    }

    /// The peer sends no more. Under TLS that may be anybody's doing, unless the peer has said so:
    /// what is half there counts for nothing.
    fn end<Desk>(&mut self, desk: &mut Desk)
    where
        S: Takes<Desk>,
    {
        let is_cut_off = self.tls.as_ref().is_some_and(|tls| !tls.is_closed_by_peer());
        self.session.end(if is_cut_off { &[] } else { &self.input }, desk);
    }

    /// Takes records; in a handshake they wait until the shard has time for a step of it.
    fn take_records<Desk>(&mut self, records: &[u8], desk: &mut Desk) -> Fate
    where
        S: Takes<Desk>,
    {
        let Some(tls) = &mut self.tls else { return Fate::Broken };
        tls.put(records);
        if tls.is_shaking() { Fate::Goes } else { self.open(desk) }
    }

    /// Opens the records that are whole, and hands the session what they hold.
    pub(super) fn open<Desk>(&mut self, desk: &mut Desk) -> Fate
    where
        S: Takes<Desk>,
    {
        let Some(tls) = &mut self.tls else { return Fate::Goes };
        let was_shaking = tls.is_shaking();
        let opened = tls.open(&mut self.input);
        if was_shaking && !tls.is_shaking() {
            // Its first request may have come with its last word of the handshake.
            self.session.certify(tls.take_certificate());
        }
        let is_good = self.input.is_empty() || self.take_input(desk);
        match opened {
            Opened::Goes if is_good => Fate::Goes,
            Opened::Ended => {
                self.end(desk);
                Fate::Ended
            }
            _ => Fate::Broken,
        }
    }

    /// Whether more octets may be received now.
    fn may_read(&self) -> bool {
        if self.tls.as_ref().is_some_and(|tls| tls.step_is_due() || tls.failure().is_some()) {
            return false;
        }
        self.session.wants_more(self.input.len(), self.share.most())
    }

    /// Hands the session what it has not consumed, and reads on where it may.
    pub(super) fn resume<Desk>(&mut self, driver: &mut Driver, desk: &mut Desk)
    where
        S: Takes<Desk>,
    {
        self.take_input(desk);
        self.read_on(driver);
    }

    /// Reads on where the session may be given more.
    pub(super) fn read_on(&mut self, driver: &mut Driver) {
        if self.may_read() {
            self.receive(driver);
        }
    }

    fn receive(&mut self, driver: &mut Driver) {
        if !self.stream.needs_no_receive() {
            let goes_on = self.small_receives >= SMALL_RECEIVES_MIN && self.share.take_burst();
            self.stream.receive(driver, goes_on);
        }
    }

    fn note_received(&mut self, octets: usize) {
        if octets < RECEIVE_BUFFER_OCTETS {
            self.small_receives = self.small_receives.saturating_add(1);
        } else {
            self.small_receives = 0;
            self.share.give_burst_back();
        }
    }

    fn take<Desk>(&mut self, octets: &[u8], desk: &mut Desk) -> bool
    where
        S: Takes<Desk>,
    {
        if !self.input.is_empty() {
            // Not twice as much as there is: a client that waits for its answers to leave has
            // thousands of its kind beside it. But not anew with each arrival: that copies all.
            if self.input.capacity() - self.input.len() < octets.len() {
                self.input.reserve_exact(octets.len().max(self.input.len() / INPUT_GROWTH_PART));
            }
            self.input.extend_from_slice(octets);
            return self.take_input(desk);
        }
        let consumed = self.session.take(octets, self.room(), desk);
        consumed.inspect(|&consumed| self.input.extend_from_slice(&octets[consumed..])).is_some()
    }

    fn take_input<Desk>(&mut self, desk: &mut Desk) -> bool
    where
        S: Takes<Desk>,
    {
        let consumed = self.session.take(&self.input, self.room(), desk);
        consumed.inspect(|&consumed| drop(self.input.drain(..consumed))).is_some()
    }

    /// What the session may have to say beside what is being sent already.
    fn room(&self) -> usize {
        self.share.most().saturating_sub(self.stream.sending())
    }

    /// Octets that the session has not consumed.
    pub(super) fn unconsumed(&self) -> usize {
        self.input.len()
    }

    /// As if so many octets had come and not been consumed.
    #[cfg(test)]
    pub(super) fn leave_unconsumed(&mut self, octets: usize) {
        self.input = vec![0; octets];
    }

    /// What was received is of no use any more.
    pub(super) fn forget_input(&mut self) {
        self.input = Vec::new();
    }

    /// Octets that wait to be sent or are being sent.
    pub(super) fn unsent(&mut self) -> usize {
        let sealed = self.tls.as_mut().map_or(0, |tls| tls.sealed().len());
        self.session.output().len() + sealed + self.stream.sending()
    }

    /// Sends what the session has to say, unless a send is under way.
    pub(super) fn flush(&mut self, driver: &mut Driver, now_ms: SteadyMs) {
        match &mut self.tls {
            None => self.stream.flush(driver, self.session.output(), now_ms),
            Some(tls) => {
                if self.stream.is_free() {
                    tls.seal(self.session.output(), &mut self.input);
                    if tls.finishes() {
                        self.stream.finish();
                    }
                }
                self.stream.flush(driver, tls.sealed(), now_ms);
            }
        }
        self.count();
    }

    /// Sends no more once everything is sent: the peer reads an end behind it, and may still be
    /// read from.
    pub(super) fn finish(&mut self, driver: &mut Driver, now_ms: SteadyMs) {
        match &mut self.tls {
            None => self.stream.finish(),
            Some(tls) => {
                tls.say_goodbye(&mut self.input);
                tls.finish();
                self.flush(driver, now_ms);
            }
        }
    }

    /// Begins to close; under TLS with a word of parting, as far as the socket takes it at once.
    pub(super) fn close(&mut self) {
        if let Some(tls) = &mut self.tls
            && !self.stream.is_closing()
        {
            tls.say_goodbye(&mut self.input);
            self.stream.send_now(tls.sealed());
        }
        self.stream.close();
    }

    /// A send completed; `false`: the peer is gone.
    pub(super) fn sent(&mut self, completion: &Completion) -> bool {
        self.stream.send_ended(completion.result)
    }

    /// Writes what the socket takes at once, without the driver: the last words of a process that
    /// ends.
    pub(super) fn send_now(&mut self) {
        let mut output = std::mem::take(self.session.output());
        if let Some(tls) = &mut self.tls {
            while !output.is_empty() && tls.failure().is_none() && !tls.is_shaking() {
                tls.seal(&mut output, &mut self.input);
            }
            return self.stream.send_now(tls.sealed());
        }
        self.stream.send_now(&output);
    }

    /// Whether the peer has taken nothing of what is being sent to it for so long, beginning no
    /// earlier than `since_ms`.
    fn takes_nothing(&mut self, since_ms: SteadyMs, now_ms: SteadyMs, longest_ms: u64) -> bool {
        let since = self.stream.takes_nothing_since_ms(now_ms);
        since.is_some_and(|taken_ms| now_ms >= taken_ms.max(since_ms) + longest_ms)
    }

    /// Whether the peer has taken nothing for too long, or as long as it may be idle.
    pub(super) fn is_stuck(&mut self, now_ms: SteadyMs, idle_timeout_ms: u64) -> bool {
        self.takes_nothing(SteadyMs::ZERO, now_ms, SEND_PROGRESS_MS_MAX.min(idle_timeout_ms))
    }

    /// Whether a drain that began then need not wait for the peer to take what is being sent to it.
    pub(super) fn is_given_up(&mut self, draining_since_ms: SteadyMs, now_ms: SteadyMs) -> bool {
        self.takes_nothing(draining_since_ms, now_ms, DRAIN_SILENCE_MS)
    }

    /// Gives the buffers of an idle connection back, and the leave of its receive to go on: it
    /// ends, and another one begins that does not.
    pub(super) fn shrink(&mut self, driver: &mut Driver) {
        if self.unsent() == 0 {
            self.small_receives = 0;
            if self.share.give_burst_back() {
                self.stream.stop_receiving(driver);
            }
            self.stream.shrink();
            self.session.shrink();
            if let Some(tls) = &mut self.tls {
                tls.shrink();
            }
            self.input.shrink_to_fit();
            self.count();
        }
    }

    /// Counts what the connection holds.
    pub(super) fn count(&mut self) {
        let layer = self.tls.as_ref().map_or(0, |tls| tls.held());
        let held = self.input.capacity() + self.stream.held() + self.session.held() + layer;
        self.share.note(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::driver::{DriverKind, Operation};
    use crate::io::limits::{SEND_LOOK_MS, SEND_OCTETS_MAX};
    use std::collections::VecDeque;
    use std::io::{Read, Write as _};
    use std::os::unix::net::UnixStream;

    /// Says what it is given, and consumes nothing.
    #[derive(Default)]
    struct Speaker(Vec<u8>);

    impl Session for Speaker {
        fn output(&mut self) -> &mut Vec<u8> {
            &mut self.0
        }

        fn due_ms(&self) -> SteadyMs {
            SteadyMs::NEVER
        }

        fn wants_more(&self, _unconsumed: usize, _most: usize) -> bool {
            true
        }

        fn held(&self) -> usize {
            self.0.capacity()
        }

        fn shrink(&mut self) {}
    }

    impl Takes<()> for Speaker {
        fn take(&mut self, _octets: &[u8], _room: usize, _desk: &mut ()) -> Option<usize> {
            Some(0)
        }

        fn end(&mut self, _unconsumed: &[u8], _desk: &mut ()) {}
    }

    /// A link of a budget of its own, its driver, and its peer.
    fn link() -> (Link<Speaker>, Driver, UnixStream) {
        let (client, server) = UnixStream::pair().expect("a pair");
        client.set_nonblocking(true).expect("a socket");
        let driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
        let link =
            Link::new(server.into(), (0, 1), Owner::Front, Speaker::default(), &Budget::new());
        (link, driver, client)
    }

    /// Hands the link the sends that have completed.
    fn complete_sends(link: &mut Link<Speaker>, driver: &mut Driver) -> usize {
        let mut completions = VecDeque::new();
        driver.turn(&mut completions).expect("a turn");
        completions.retain(|completion| completion.token.operation == Operation::Send);
        assert!(completions.iter().all(|completion| link.sent(completion)));
        completions.len()
    }

    #[test]
    fn last_words_stand_behind_what_was_half_sent() {
        let (mut link, mut driver, mut client) = link();
        link.session.0 = vec![1; SEND_OCTETS_MAX + 1_000];
        link.flush(&mut driver, SteadyMs::ZERO);
        assert_eq!(complete_sends(&mut link, &mut driver), 1, "a piece of it");
        link.session.0 = b"the last words".to_vec();
        link.send_now();
        let mut read = Vec::new();
        let _ = client.read_to_end(&mut read);
        assert_eq!(read.len(), SEND_OCTETS_MAX + 1_000 + 14);
        assert!(
            read.ends_with(b"the last words")
                && read[..SEND_OCTETS_MAX + 1_000].iter().all(|&o| o == 1)
        );
    }

    #[test]
    fn a_peer_that_reads_slowly_is_not_given_up_and_one_that_stops_is() {
        let (mut link, mut driver, mut client) = link();
        link.session.0 = vec![1; 1 << 20];
        let began_ms = SteadyMs::new(1_000);
        let mut now_ms = began_ms;
        link.flush(&mut driver, now_ms);
        let mut look = |link: &mut Link<Speaker>| {
            now_ms = now_ms + SEND_LOOK_MS;
            (link.is_given_up(began_ms, now_ms), link.is_stuck(now_ms, 3_000), now_ms)
        };
        let (mut read, mut pieces) = (0, 0);
        // 30 KiB in a second.
        while read < 1 << 19 {
            read += client.read(&mut [0; 6 * 1024]).expect("there is more");
            let (is_given_up, is_stuck, now_ms) = look(&mut link);
            assert!(!is_given_up && !is_stuck, "{read} octets read");
            pieces += complete_sends(&mut link, &mut driver);
            link.flush(&mut driver, now_ms);
        }
        assert!(pieces < 16, "some pieces took longer than a drain waits");
        let looks = (0..100).position(|_| look(&mut link).0).expect("it is given up");
        assert!((9..=11).contains(&looks), "{looks}");
        let looks = (0..100).position(|_| look(&mut link).1).expect("it is stuck");
        assert!((3..=5).contains(&looks), "{looks}");
    }

    #[test]
    fn what_comes_octet_by_octet_is_not_copied_with_each_of_them() {
        let (mut link, _driver, _client) = link();
        let mut capacities = std::collections::HashSet::new();
        for _ in 0..60_000 {
            assert!(link.take(&[1], &mut ()));
            capacities.insert(link.input.capacity());
        }
        assert!(capacities.len() < 100, "moved {} times", capacities.len());
        assert!(link.input.capacity() <= 60_000 * 5 / 4, "{} octets", link.input.capacity());
    }

    #[test]
    fn a_connection_that_falls_idle_gives_the_leave_of_its_receive_to_another_one() {
        let (mut link, mut driver, mut client) = link();
        let mut completions = VecDeque::new();
        link.read_on(&mut driver);
        let mut reap = |link: &mut Link<Speaker>, driver: &mut Driver| {
            driver.turn(&mut completions).expect("a turn");
            completions.retain(|completion| completion.token.operation == Operation::Receive);
            for completion in completions.drain(..) {
                assert_eq!(link.received(&completion, driver, &mut ()), Fate::Goes);
            }
        };
        for _ in 0..=SMALL_RECEIVES_MIN {
            client.write_all(&[1]).expect("room in the socket");
            // Each receive ends, as under a driver that is asked anew for each.
            link.stream.stop_receiving(&mut driver);
            reap(&mut link, &mut driver);
            reap(&mut link, &mut driver);
        }
        assert!(link.share.give_burst_back(), "it sends little at a time");
        assert!(link.share.take_burst());
        link.shrink(&mut driver);
        assert!(!link.share.give_burst_back(), "it is idle");
        reap(&mut link, &mut driver);
        let waiting = link.input.len();
        client.write_all(&[1]).expect("room in the socket");
        reap(&mut link, &mut driver);
        assert_eq!(link.input.len(), waiting + 1, "it is still received from");
        assert!(!link.share.give_burst_back(), "by receives that do not go on");
    }
}
