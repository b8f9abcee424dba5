//! Handshakes of push clients on a port that speaks TLS: when they go on, and how many may be half
//! done.
//!
//! A step of one takes a shard 0.1 to 1.5 ms, so a turn takes one at most, and whoever waits for an
//! answer waits for no more than that. What is due is done: while many steps are, no further client
//! is taken, and those that come wait in the kernel, in their order. A handshake that has begun is
//! brought to its end before others begin.
//!
//! Only those that wait for their *client* may go: beyond [`HANDSHAKES_MAX`] the one that has
//! waited longest, and any that has waited for [`HANDSHAKE_MS_MAX`] in all. The time that a step
//! waits for the shard counts for nobody, nor does it count towards the time for a first request,
//! which begins behind the handshake. So clients that begin and say no more keep no place of those
//! that speak, however many of either there are; and of those that come back at once nobody is cut
//! off for want of the shard's own time.

use super::{Front, desk};
use crate::io::connection::Connection;
use crate::io::driver::Driver;
use crate::io::limits::{
    HALF_REQUEST_OCTETS_KEPT, HANDSHAKE_KEPT_MS_MIN, HANDSHAKE_MS_MAX, HANDSHAKE_PLACES,
    HANDSHAKE_STEPS_DUE_MAX, HANDSHAKE_STEPS_PREFERRED, HANDSHAKES_MAX, SILENT_MS_MIN,
};
use crate::io::link::shaking::Accepting;
use crate::io::link::tls::Failure;
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::served::ServedSessions;
use crate::io::tls::Acceptance;
use std::collections::VecDeque;
use wire::terms::time::SteadyMs;

/// Awaited clients, and those that were, that are kept before the latter are taken out.
const AWAITED_MAX: usize = 4 * HANDSHAKES_MAX;

/// Index and generation of a connection.
type Name = (u32, u32);

/// What the handshakes of a shard's push port stand on.
#[derive(Default)]
pub(super) struct Handshakes {
    pub(super) accepting: Accepting,
    /// Connections of which the first step is due, each once, in the order in which it came due.
    due_first: VecDeque<Name>,
    /// Those of which one behind it is.
    due_next: VecDeque<Name>,
    /// Connections whose client is awaited, and since when: the longest awaited first. Those that
    /// are awaited no more are taken out when they come to the front.
    awaited: VecDeque<(Name, SteadyMs)>,
    /// Connections whose handshake is not over.
    half_done: usize,
    /// Why one failed, since that was told last.
    trouble: Option<Failure>,
}

/// How handshakes came out.
#[derive(Clone, Copy, Default)]
pub(in crate::io) struct Shaken {
    /// Completed, those by a ticket among them.
    pub(in crate::io) done: u64,
    /// Completed by a ticket of an earlier one.
    pub(in crate::io) resumed: u64,
    /// Failed, by what either side said.
    pub(in crate::io) failed: u64,
    /// Ended because they took too long, or because too many were half done.
    pub(in crate::io) dropped: u64,
}

/// Whether the connection's client is awaited since then.
fn is_awaited(
    connections: &mut ServedSessions<Connection>,
    (index, generation): Name,
    since_ms: SteadyMs,
) -> Option<u64> {
    let link = connections.of_generation(index, generation)?;
    let is_closing = link.stream.is_closing();
    let tls = link.tls()?;
    let is_so = !is_closing && tls.awaited_since_ms == Some(since_ms);
    is_so.then_some(tls.awaited_ms)
}

impl Front {
    /// Connections that come from now on are accepted with this.
    pub(in crate::io) fn accept_with(&mut self, acceptance: Acceptance) {
        self.handshakes.accepting.set(acceptance);
    }

    /// Has a connection that has just come speak TLS, where the port does; whether it does.
    pub(super) fn begin_handshake(&mut self, index: u32, now: Now) -> bool {
        let Some(link) = self.connections.get_mut(index) else { return false };
        let Some(tls) = self.handshakes.accepting.secure(link) else { return false };
        tls.counted = true;
        self.handshakes.half_done += 1;
        self.await_client(index, now);
        self.drop_half_done(now);
        true
    }

    /// Handshakes that may be half done at a time.
    fn half_done_max(&self) -> usize {
        let (part, of) = HANDSHAKE_PLACES;
        HANDSHAKES_MAX.min(self.limits.connections_max * part / of).max(1)
    }

    /// Ends the handshake whose client is awaited longest, if that is long enough, because every
    /// place is taken; whether it did.
    pub(super) fn drop_longest_awaited(&mut self, now: Now) -> bool {
        let Some((index, since_ms, _)) = self.longest_awaited() else { return false };
        if now.steady_ms < since_ms + HANDSHAKE_KEPT_MS_MIN {
            return false;
        }
        self.drop_awaited(index);
        true
    }

    /// Since when somebody waits who may go for want of a place, were it a client that is silent
    /// behind its handshake.
    pub(super) fn may_go_since_ms(&mut self) -> Option<SteadyMs> {
        let (_, since_ms, _) = self.longest_awaited()?;
        Some(since_ms + (HANDSHAKE_KEPT_MS_MIN - SILENT_MS_MIN))
    }

    fn drop_awaited(&mut self, index: u32) {
        self.visits.shaken.dropped += 1;
        self.handshakes.awaited.pop_front();
        self.connections.dismiss(index);
        self.count_out(index);
    }

    /// Ends a handshake of which half a message is there since then, if it takes more than a little
    /// of what connections may hold.
    pub(super) fn hurry_handshake(&mut self, index: u32, half_until_ms: SteadyMs) {
        let Some(link) = self.connections.get_mut(index) else { return };
        let is_hurried = !link.stream.is_closing()
            && link.tls().is_some_and(|tls| {
                let is_late = tls.awaited_since_ms.is_some_and(|since| since <= half_until_ms);
                is_late && tls.counted && tls.unopened() > HALF_REQUEST_OCTETS_KEPT
            });
        if is_hurried {
            self.visits.shaken.dropped += 1;
            self.connections.dismiss(index);
            self.count_out(index);
        }
    }

    /// The client's next word is awaited from now on.
    fn await_client(&mut self, index: u32, now: Now) {
        let Some(link) = self.connections.get_mut(index) else { return };
        let name = link.stream.name();
        let Some(tls) = link.tls() else { return };
        tls.awaited_since_ms = Some(now.steady_ms);
        self.handshakes.awaited.push_back((name, now.steady_ms));
        if self.handshakes.awaited.len() > AWAITED_MAX {
            let connections = &mut self.connections;
            self.handshakes
                .awaited
                .retain(|&(name, since_ms)| is_awaited(connections, name, since_ms).is_some());
        }
    }

    /// The client that is awaited longest of all: since when, and how long it was before that.
    fn longest_awaited(&mut self) -> Option<(u32, SteadyMs, u64)> {
        while let Some(&(name, since_ms)) = self.handshakes.awaited.front() {
            if let Some(before_ms) = is_awaited(&mut self.connections, name, since_ms) {
                return Some((name.0, since_ms, before_ms));
            }
            self.handshakes.awaited.pop_front();
        }
        None
    }

    /// Ends handshakes whose clients take too long, and the longest awaited where there are too
    /// many.
    pub(super) fn drop_half_done(&mut self, now: Now) {
        while let Some((index, since_ms, before_ms)) = self.longest_awaited() {
            let is_one_too_many = self.handshakes.half_done > self.half_done_max();
            let awaited_ms = before_ms + now.steady_ms.since(since_ms);
            if !is_one_too_many && awaited_ms < HANDSHAKE_MS_MAX {
                return;
            }
            self.drop_awaited(index);
        }
    }

    /// Whether further clients have to wait: too many steps are due, or as many handshakes are half
    /// done as may be, and the clients of all of them have just been answered.
    pub(super) fn is_busy_with_handshakes(&mut self, now: Now) -> bool {
        let handshakes = &self.handshakes;
        if handshakes.due_first.len() + handshakes.due_next.len() >= HANDSHAKE_STEPS_DUE_MAX {
            return true;
        }
        handshakes.half_done >= self.half_done_max()
            && self
                .longest_awaited()
                .is_none_or(|(_, since_ms, _)| now.steady_ms < since_ms + HANDSHAKE_KEPT_MS_MIN)
    }

    /// Notes a connection whose handshake can go on.
    pub(super) fn note_handshake(&mut self, index: u32, now: Now) {
        let Some(link) = self.connections.get_mut(index) else { return };
        let name = link.stream.name();
        if link.lists_step()
            && let Some(tls) = link.tls()
        {
            if let Some(since_ms) = tls.awaited_since_ms.take() {
                tls.awaited_ms += now.steady_ms.since(since_ms);
            }
            // Whoever cuts a handshake into many steps waits with those that begin.
            let goes_before = (1..=HANDSHAKE_STEPS_PREFERRED).contains(&tls.steps);
            let Handshakes { due_first, due_next, .. } = &mut self.handshakes;
            if goes_before { due_next } else { due_first }.push_back(name);
        }
    }

    /// Whether any handshake is not over.
    pub(super) fn shakes_hands(&self) -> bool {
        self.handshakes.half_done > 0
    }

    /// Counts a connection no more among those whose handshake is not over, once it is or the
    /// connection closes.
    pub(super) fn count_out(&mut self, index: u32) {
        let Some(link) = self.connections.get_mut(index) else { return };
        let is_over = link.is_open() || link.stream.is_closing();
        if let Some(tls) = link.tls()
            && is_over
            && std::mem::take(&mut tls.counted)
        {
            self.handshakes.half_done -= 1;
        }
    }

    /// Says why handshakes fail, once a minute.
    pub(super) fn tell_trouble(&mut self, now: Now) {
        let handshakes = &mut self.handshakes;
        if handshakes.trouble.is_some()
            && handshakes.accepting.is_to_tell(now.steady_ms)
            && let Some(failure) = handshakes.trouble.take()
        {
            let failed = self.visits.shaken.failed;
            tracing::warn!(
                failed,
                "TLS handshakes of push clients fail, one of them because {failure}"
            );
        }
    }

    /// Takes one step of one handshake.
    pub(in crate::io) fn shake_hands(
        &mut self,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) -> bool {
        while let Some((index, generation)) = self.handshakes.next_due() {
            let Some(link) = self.connections.of_generation(index, generation) else { continue };
            if !link.begins_step() {
                continue;
            }
            let arrived = self.waits.moment(now.steady_ns);
            let name = (index, generation);
            let mut desk = desk(&mut self.gatherings, (parts, mesh), name, now, arrived);
            if let Err(failure) = link.take_step(&mut desk) {
                self.visits.shaken.failed += 1;
                self.handshakes.trouble.get_or_insert(failure);
                link.close();
            } else if link.is_open() {
                self.visits.shaken.done += 1;
                let is_resumed = link.tls().is_some_and(|tls| tls.is_resumed());
                self.visits.shaken.resumed += u64::from(is_resumed);
                link.session.opens(now.steady_ms);
            }
            let is_open = link.is_open();
            link.read_on(driver);
            if is_open {
                self.note_silent((index, generation));
            }
            self.connections.touch(index);
            self.await_or_note(index, now);
            return true;
        }
        false
    }

    /// Behind a step: the next one is due, or the client is awaited, or the handshake is over.
    fn await_or_note(&mut self, index: u32, now: Now) {
        let Some(link) = self.connections.get_mut(index) else { return };
        let goes_on = !link.is_open() && !link.stream.is_closing();
        if goes_on && link.tls().is_some_and(|tls| !tls.step_is_due()) {
            self.await_client(index, now);
        }
        self.note_handshake(index, now);
    }
}

impl Handshakes {
    /// The connection whose step is taken next.
    fn next_due(&mut self) -> Option<Name> {
        self.due_next.pop_front().or_else(|| self.due_first.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, visited_over};
    use super::*;
    use crate::io::budget::Share;
    use crate::io::limits::{HALF_REQUEST_MS_MAX, HELD_OCTETS_MAX};
    use crate::io::tls::TlsFiles;
    use rcgen::generate_simple_self_signed;
    use std::os::unix::net::UnixStream;

    /// A record of a handshake that says it has so many octets.
    fn head(octets: u16) -> Vec<u8> {
        [&[22, 3, 1][..], &octets.to_be_bytes()].concat()
    }

    /// A shard of four places, some taken at 1,000 ms by clients that are to shake hands.
    fn shaking(clients: usize) -> (Front, Driver, Vec<UnixStream>) {
        let made = generate_simple_self_signed(["gateway".to_owned()]).expect("a certificate");
        let place = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: String| {
            let path = place.path().join(name);
            std::fs::write(&path, text).expect("a writable directory");
            path
        };
        let files = TlsFiles {
            certificate: write("cert.pem", made.cert.pem()),
            key: write("key.pem", made.signing_key.serialize_pem()),
            client_ca: None,
        };
        let acceptance = Acceptance::read(&files, None).expect("good files");
        visited_over(clients, Some(acceptance))
    }

    fn say(front: &mut Front, index: u32, octets: &[u8], now: Now) {
        let link = front.connections.get_mut(index).expect("a place that is taken");
        link.tls().expect("TLS").put(octets);
        front.note_handshake(index, now);
    }

    #[test]
    fn nobody_is_cut_off_while_its_step_waits_for_the_shard() {
        let (mut front, mut driver, _clients) = shaking(3);
        for index in 0..3 {
            say(&mut front, index, &[&head(1)[..], &[1]].concat(), at(1_100));
        }
        for now_ms in [2_000, 11_000, 12_000, 61_000, 62_000] {
            front.make_room(at(now_ms));
            front.sweep(&mut driver, at(now_ms), 256);
        }
        let visits = front.visits;
        assert_eq!((visits.evicted, visits.silent, visits.shaken.dropped), (0, 0, 0));
        assert!(front.is_busy_with_handshakes(at(62_000)), "three quarters of the places");
    }

    #[test]
    fn whoever_says_no_more_in_a_handshake_makes_room_once_it_had_its_time_for_a_word() {
        let (mut front, mut driver, _clients) = shaking(3);
        let kept_ms = 1_000 + HANDSHAKE_KEPT_MS_MIN;
        assert!(front.is_busy_with_handshakes(at(kept_ms - 1)));
        front.make_room(at(kept_ms - 1));
        assert_eq!(front.visits.shaken.dropped, 0);
        assert!(!front.is_busy_with_handshakes(at(kept_ms)));
        front.make_room(at(kept_ms));
        assert_eq!((front.visits.shaken.dropped, front.handshakes.half_done), (1, 2));
        front.sweep(&mut driver, at(1_000 + HANDSHAKE_MS_MAX), 256);
        assert_eq!((front.visits.shaken.dropped, front.handshakes.half_done), (3, 0));
    }

    #[test]
    fn half_a_message_has_a_second_while_connections_hold_more_than_they_may() {
        let half = |octets: usize| [head(16_000), vec![0; octets]].concat();
        for (held, octets, is_dropped) in [
            (HELD_OCTETS_MAX, 15_000, false),
            (HELD_OCTETS_MAX + 1, 100, false),
            (HELD_OCTETS_MAX + 1, 15_000, true),
        ] {
            let (mut front, mut driver, _clients) = shaking(1);
            let mut others = Share::of(front.connections.budget());
            others.note(held);
            say(&mut front, 0, &half(octets), at(1_100));
            front.sweep(&mut driver, at(999 + HALF_REQUEST_MS_MAX), 256);
            assert_eq!(front.visits.shaken.dropped, 0);
            front.sweep(&mut driver, at(1_000 + HALF_REQUEST_MS_MAX), 256);
            let dropped = front.visits.shaken.dropped;
            assert_eq!(dropped, u64::from(is_dropped), "{held} held, {octets} octets");
        }
    }
}
