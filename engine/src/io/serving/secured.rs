//! Customers over TLS: what their connections are accepted with, and the steps of their handshakes.
//!
//! A step takes a shard 0.1 to 1.5 ms, and a turn takes one at most, of whomever. Connections that
//! have not bound are few (`UNBOUND_MAX`), so few handshakes are half done; they end with the time
//! that a customer has to bind.

use super::Customers;
use super::desk::CustomerDesk;
use crate::io::driver::Driver;
use crate::io::limits::HANDSHAKE_STEPS_MAX;
use crate::io::link::tls::{Failure, Tls};
use crate::io::link::{Fate, Link};
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::serving::session::Serving;
use crate::io::tls::Acceptance;
use crate::io::waits::Moment;
use std::collections::VecDeque;
use wire::terms::time::SteadyMs;

/// How often it is told why a handshake failed.
const TROUBLE_TOLD_EVERY_MS: u64 = 60_000;

/// What the handshakes of a shard's customers stand on.
#[derive(Default)]
pub(super) struct Securing {
    /// What connections are accepted with from now on; none on a plain port.
    acceptance: Option<Acceptance>,
    /// Which one that is: counted up with each.
    admission: u32,
    /// Connections of which a step is due, each once.
    due: VecDeque<(u32, u32)>,
    /// When it was last told why one failed.
    told_ms: Option<SteadyMs>,
}

impl Customers {
    /// Connections that come from now on are accepted with this.
    pub(in crate::io) fn accept_with(&mut self, acceptance: Acceptance) {
        self.securing.acceptance = Some(acceptance);
        self.securing.admission = self.securing.admission.wrapping_add(1);
    }

    /// Has a connection that has just come speak TLS, where the port does.
    pub(super) fn secure(&mut self, index: u32) {
        let Some(acceptance) = self.securing.acceptance.clone() else { return };
        let Some(link) = self.sessions.get_mut(index) else { return };
        let mut tls = Tls::accepting(acceptance);
        tls.admission = self.securing.admission;
        link.secure(tls);
    }

    /// Notes a connection whose handshake can go on.
    pub(super) fn note_handshake(&mut self, index: u32) {
        if self.securing.acceptance.is_none() {
            return;
        }
        let Some(link) = self.sessions.get_mut(index) else { return };
        let name = link.stream.name();
        if let Some(tls) = link.tls()
            && tls.step_is_due()
            && !std::mem::replace(&mut tls.listed, true)
        {
            self.securing.due.push_back(name);
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
            if let Some(tls) = link.tls() {
                tls.listed = false;
                tls.steps = tls.steps.saturating_add(1);
            }
            if link.stream.is_closing() {
                continue;
            }
            let mut desk = CustomerDesk {
                parts,
                mesh,
                doorman: self.reception.as_ref().map(|(_, doorman)| doorman),
                refusals: &mut self.refusals,
                settled: &mut self.receipts.settled,
                scratch: &mut self.scratch,
                reqids: &mut self.reqids,
                counts: &mut self.counts,
                session: (index, generation),
                now,
                arrived: Moment::default(),
            };
            let fate = link.open(&mut desk);
            let is_endless = link.tls().is_some_and(|tls| tls.steps >= HANDSHAKE_STEPS_MAX);
            if fate == Fate::Broken || is_endless && !link.is_open() {
                let failure = link.tls().and_then(|tls| tls.failure().cloned());
                link.session.end_session();
                link.close();
                self.tell_failure(&failure.unwrap_or(Failure::Endless), now);
            } else {
                link.read_on(driver);
            }
            self.touch(index);
            self.note_handshake(index);
            return true;
        }
        false
    }

    fn tell_failure(&mut self, failure: &Failure, now: Now) {
        self.counts.handshakes_failed += 1;
        let told_ms = self.securing.told_ms;
        if told_ms.is_none_or(|told_ms| now.steady_ms >= told_ms + TROUBLE_TOLD_EVERY_MS) {
            self.securing.told_ms = Some(now.steady_ms);
            let failed = self.counts.handshakes_failed;
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

    /// Whether the customer was let in by a certificate that is to be looked at anew: its authority
    /// may be trusted no more.
    pub(super) fn sends_away(&self, link: &mut Link<Serving>) -> bool {
        let needed = self.acceptance.as_ref().is_some_and(Acceptance::needs_certificates);
        needed && link.tls().is_some_and(|tls| tls.admission != self.admission)
    }
}
