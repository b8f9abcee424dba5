//! What all handshakes have in common, whoever called whom: a step is listed once, the steps have
//! a bound, and what a port accepts connections with may change.
//!
//! A step takes a thread 0.1 to 1.5 ms, so each side of the thread keeps a line of its connections
//! and a turn takes one step at most. Never here: the lines, and how long anybody is waited for.

use super::tls::{Failure, Tls};
use super::{Fate, Link, Session, Takes};
use crate::io::limits::HANDSHAKE_STEPS_MAX;
use crate::io::tls::Acceptance;
use wire::terms::time::SteadyMs;

/// How often it is told that handshakes fail, and why one did.
const TROUBLE_TOLD_EVERY_MS: u64 = 60_000;

/// What connections of a port are accepted with.
#[derive(Default)]
pub(in crate::io) struct Accepting {
    /// From now on; none on a plain port.
    acceptance: Option<Acceptance>,
    /// Which one that is: counted up with each.
    admission: u32,
    /// When it was last told why a handshake failed.
    told_ms: Option<SteadyMs>,
}

impl Accepting {
    /// Connections that come from now on are accepted with this.
    pub(in crate::io) fn set(&mut self, acceptance: Acceptance) {
        self.acceptance = Some(acceptance);
        self.admission = self.admission.wrapping_add(1);
    }

    /// Has a connection that has just come speak TLS, where the port does; the layer then.
    pub(in crate::io) fn secure<'l, S: Session>(
        &self,
        link: &'l mut Link<S>,
    ) -> Option<&'l mut Tls> {
        let mut tls = Tls::accepting(self.acceptance.clone()?);
        tls.admission = self.admission;
        link.secure(tls);
        link.tls()
    }

    /// Whether the peer was let in by a certificate that is to be looked at anew: its authority may
    /// be trusted no more.
    pub(in crate::io) fn sends_away<S: Session>(&self, link: &mut Link<S>) -> bool {
        let needed = self.acceptance.as_ref().is_some_and(Acceptance::needs_certificates);
        needed && link.tls().is_some_and(|tls| tls.admission != self.admission)
    }

    /// Whether it is time to tell why a handshake failed, if one did; it counts as told then.
    pub(in crate::io) fn is_to_tell(&mut self, now_ms: SteadyMs) -> bool {
        let is_due = self.told_ms.is_none_or(|told_ms| now_ms >= told_ms + TROUBLE_TOLD_EVERY_MS);
        if is_due {
            self.told_ms = Some(now_ms);
        }
        is_due
    }
}

impl<S: Session> Link<S> {
    /// Whether a step of its handshake is due that stands in no line; from now on it does.
    pub(in crate::io) fn lists_step(&mut self) -> bool {
        let tls = self.tls.as_mut();
        tls.is_some_and(|tls| tls.step_is_due() && !std::mem::replace(&mut tls.listed, true))
    }

    /// The step that stood in a line is about to be taken; whether there is anything left to take
    /// it on.
    pub(in crate::io) fn begins_step(&mut self) -> bool {
        if let Some(tls) = &mut self.tls {
            tls.listed = false;
            tls.steps = tls.steps.saturating_add(1);
        }
        !self.stream.is_closing()
    }

    /// Takes it.
    ///
    /// # Errors
    /// Why the connection is no good: the handshake failed, or takes more steps than any honest
    /// one.
    pub(in crate::io) fn take_step<Desk>(&mut self, desk: &mut Desk) -> Result<Fate, Failure>
    where
        S: Takes<Desk>,
    {
        let fate = self.open(desk);
        let tls = self.tls.as_ref();
        let is_endless =
            tls.is_some_and(|tls| tls.is_shaking() && tls.steps >= HANDSHAKE_STEPS_MAX);
        if fate == Fate::Broken || is_endless {
            return Err(tls.and_then(|tls| tls.failure().cloned()).unwrap_or(Failure::Endless));
        }
        Ok(fate)
    }
}
