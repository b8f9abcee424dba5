//! Handshakes of push clients on a port that speaks TLS: when they go on, and how many may be half
//! done.
//!
//! A step of one takes a shard 0.1 to 1.5 ms, so a turn takes one at most, and whoever waits for an
//! answer waits for no more than that. Steps are taken in the order in which they came due.
//! Connections whose handshake is not over stand in a line of their own: beyond
//! [`HANDSHAKES_MAX`] the oldest goes, and none may take longer than [`HANDSHAKE_MS_MAX`]. So
//! clients that begin and say no more keep no place of those that speak.

use super::Front;
use crate::io::desk::ShardDesk;
use crate::io::driver::Driver;
use crate::io::limits::{HANDSHAKE_MS_MAX, HANDSHAKES_MAX};
use crate::io::link::Fate;
use crate::io::link::tls::{Failure, Tls};
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::tls::Acceptance;
use crate::shard::Shard;
use std::collections::VecDeque;
use wire::terms::time::SteadyMs;

/// How often it is told that handshakes fail, and why one did.
const TROUBLE_TOLD_EVERY_MS: u64 = 60_000;

/// What the handshakes of a shard's push port stand on.
#[derive(Default)]
pub(super) struct Handshakes {
    /// What connections are accepted with from now on; none on a plain port.
    acceptance: Option<Acceptance>,
    /// Connections whose handshake can go on, each once, in the order in which they came due.
    due: VecDeque<(u32, u32)>,
    /// Connections in the order in which they came; those whose handshake is not over are all in
    /// it.
    begun: VecDeque<(u32, u32)>,
    /// Connections whose handshake is not over.
    half_done: usize,
    /// Why one failed, since that was told last.
    trouble: Option<Failure>,
    /// When that was.
    told_ms: Option<SteadyMs>,
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

impl Front {
    /// Connections that come from now on are accepted with this.
    pub(in crate::io) fn accept_with(&mut self, acceptance: Acceptance) {
        self.handshakes.acceptance = Some(acceptance);
    }

    /// Has a connection that has just come speak TLS, where the port does.
    pub(super) fn begin_handshake(&mut self, index: u32, now: Now) {
        let Some(acceptance) = self.handshakes.acceptance.clone() else { return };
        let Some(link) = self.connections.get_mut(index) else { return };
        let mut tls = Tls::accepting(acceptance);
        tls.counted = true;
        link.secure(tls);
        self.handshakes.begun.push_back(link.stream.name());
        self.handshakes.half_done += 1;
        self.drop_half_done(now);
    }

    /// Ends handshakes that take too long, and the oldest where there are too many.
    pub(super) fn drop_half_done(&mut self, now: Now) {
        while let Some(&(index, generation)) = self.handshakes.begun.front() {
            let link = self.connections.of_generation(index, generation);
            let half_done = link.filter(|link| !link.is_open() && !link.stream.is_closing());
            if let Some(link) = half_done {
                let since_ms = link.session.opened_ms();
                let is_one_too_many = self.handshakes.half_done > HANDSHAKES_MAX;
                if !is_one_too_many && now.steady_ms < since_ms + HANDSHAKE_MS_MAX {
                    return;
                }
                self.visits.shaken.dropped += 1;
                self.dismiss(index);
                self.count_out(index);
            }
            self.handshakes.begun.pop_front();
        }
    }

    /// Notes a connection whose handshake can go on.
    pub(super) fn note_handshake(&mut self, index: u32) {
        let Some(link) = self.connections.get_mut(index) else { return };
        let name = link.stream.name();
        if let Some(tls) = link.tls()
            && tls.step_is_due()
            && !std::mem::replace(&mut tls.listed, true)
        {
            self.handshakes.due.push_back(name);
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
        let told_ms = handshakes.told_ms;
        if told_ms.is_none_or(|told_ms| now.steady_ms >= told_ms + TROUBLE_TOLD_EVERY_MS)
            && let Some(failure) = handshakes.trouble.take()
        {
            handshakes.told_ms = Some(now.steady_ms);
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
        shard: &mut Shard,
        mesh: &mut Mesh,
        now: Now,
    ) -> bool {
        while let Some((index, generation)) = self.handshakes.due.pop_front() {
            let Some(link) = self.connections.of_generation(index, generation) else { continue };
            if let Some(tls) = link.tls() {
                tls.listed = false;
            }
            if link.stream.is_closing() {
                continue;
            }
            let mut desk = ShardDesk {
                shard,
                mesh,
                gatherings: &mut self.gatherings,
                gated: &mut self.gated,
                connection: index,
                generation,
                now,
                arrived: self.waits.moment(now.steady_ns),
            };
            let fate = link.open(&mut desk);
            if fate == Fate::Broken {
                self.visits.shaken.failed += 1;
                if let Some(failure) = link.tls().and_then(|tls| tls.failure().cloned()) {
                    self.handshakes.trouble.get_or_insert(failure);
                }
                link.close();
            } else if link.is_open() {
                self.visits.shaken.done += 1;
                let is_resumed = link.tls().is_some_and(|tls| tls.is_resumed());
                self.visits.shaken.resumed += u64::from(is_resumed);
            }
            link.read_on(driver);
            self.touch(index);
            self.note_handshake(index);
            return true;
        }
        false
    }
}
