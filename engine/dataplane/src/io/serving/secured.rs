//! Customers over TLS: what their connections are accepted with, and the steps of their handshakes.
//!
//! A step takes a shard 0.1 to 1.5 ms, and a turn takes one at most, of whomever. Connections that
//! have not bound are few (`UNBOUND_MAX`), so few handshakes are half done; they end with the time
//! that a customer has to bind.

use super::Customers;
use crate::io::driver::Driver;
use crate::io::link::shaking::Accepting;
use crate::io::link::tls::Failure;
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::served::ServedSession as _;
use crate::io::tls::Acceptance;
use crate::io::waits::Moment;
use std::collections::VecDeque;

/// What the handshakes of a shard's customers stand on.
#[derive(Default)]
pub(super) struct Securing {
    pub(super) accepting: Accepting,
    /// Connections of which a step is due, each once.
    due: VecDeque<(u32, u32)>,
}

impl Customers {
    /// Connections that come from now on are accepted with this.
    pub(in crate::io) fn accept_with(&mut self, acceptance: Acceptance) {
        self.securing.accepting.set(acceptance);
    }

    /// Has a connection that has just come speak TLS, where the port does.
    pub(super) fn secure(&mut self, index: u32) {
        if let Some(link) = self.sessions.get_mut(index) {
            self.securing.accepting.secure(link);
        }
    }

    /// Notes a connection whose handshake can go on.
    pub(super) fn note_handshake(&mut self, index: u32) {
        if let Some(link) = self.sessions.get_mut(index)
            && link.lists_step()
        {
            self.securing.due.push_back(link.stream.name());
        }
    }

    /// Takes one step of one handshake; whether one was due.
    pub(in crate::io) fn shake_hands(
        &mut self,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) -> bool {
        while let Some((index, generation)) = self.securing.due.pop_front() {
            let Some(link) = self.sessions.of_generation(index, generation) else { continue };
            if !link.begins_step() {
                continue;
            }
            let (settled, name) = (&mut self.receipts.settled, (index, generation));
            let arrived = Moment::default();
            let mut desk = self.means.desk(settled, (parts, mesh), name, now, arrived);
            match link.take_step(&mut desk) {
                Ok(_) => link.read_on(driver),
                Err(failure) => {
                    link.session.break_off();
                    link.close();
                    self.tell_failure(&failure, now);
                }
            }
            self.sessions.touch(index);
            self.note_handshake(index);
            return true;
        }
        false
    }

    fn tell_failure(&mut self, failure: &Failure, now: Now) {
        self.means.counts.handshakes_failed += 1;
        if self.securing.accepting.is_to_tell(now.steady_ms) {
            let failed = self.means.counts.handshakes_failed;
            tracing::warn!(
                failed,
                "TLS handshakes of customers of SMPP fail, one of them because {failure}"
            );
        }
    }
}

impl Securing {
    /// Whether a handshake can go on.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }
}
