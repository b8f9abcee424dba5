//! The core network as one shard sees it: what it submits is handed to the simulated world, and
//! what the world has settled comes back when the shard asks.

use super::bodies::marked_entry;
use super::ledger::EntryIndex;
use hayauma::network::port::{
    AttemptHandle, AttemptOutcome, AttemptSlot, AttemptToken, Network, Reports, StatusReport,
};
use hayauma::smsc::outcome::AttemptResult;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::time::EvenMs;

/// An attempt that the shard has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Submission {
    pub(super) token: AttemptToken,
    pub(super) msn: Msn,
    pub(super) class: Class,
    pub(super) attempts_before: u16,
    pub(super) mask: u16,
    pub(super) reference: u8,
    pub(super) scts: [u8; 7],
    /// Whose message the SMS-DELIVERs carry; `None` where they carry another's, or each another.
    pub(super) entry: Option<EntryIndex>,
}

/// How an attempt went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) token: AttemptToken,
    pub(super) msn: Msn,
    pub(super) result: AttemptResult,
    pub(super) domain: Option<Domain>,
    pub(super) mask: u16,
    pub(super) unanswered: u16,
}

/// What passes between a shard and the world.
#[derive(Default, Debug)]
pub(super) struct Queues {
    pub(super) submitted: Vec<Submission>,
    pub(super) outcomes: VecDeque<Told>,
    pub(super) reports: VecDeque<(Vec<u8>, Domain)>,
    pub(super) alerts: VecDeque<Msn>,
    pub(super) in_flight: usize,
}

/// The world's end of a port.
#[derive(Clone, Default, Debug)]
pub(super) struct World(Arc<Mutex<Queues>>);

impl World {
    pub(super) fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shard's end.
    pub(super) fn port(&self, attempts_max: usize) -> Port {
        Port {
            world: self.clone(),
            attempts_max,
            slots: Vec::new(),
            free: Vec::new(),
            reports: Reports::new(),
            report: Vec::new(),
        }
    }
}

/// The shard's end.
pub(super) struct Port {
    world: World,
    attempts_max: usize,
    slots: Vec<AttemptSlot>,
    free: Vec<u32>,
    reports: Reports,
    report: Vec<u8>,
}

impl Network for Port {
    fn slots(&self) -> usize {
        self.attempts_max
    }

    fn reserve(&mut self, _: u8) -> Option<AttemptHandle> {
        if self.world.queues().in_flight >= self.attempts_max {
            return None;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(AttemptSlot::new());
            self.slots.len() as u32 - 1
        });
        self.slots[number as usize].clear();
        Some(AttemptHandle::of_slot(number))
    }

    fn slot(&mut self, handle: &AttemptHandle) -> &mut AttemptSlot {
        &mut self.slots[handle.slot() as usize]
    }

    fn submit(&mut self, handle: AttemptHandle, _: EvenMs) {
        let slot = &self.slots[handle.slot() as usize];
        let submission = Submission {
            token: slot.token,
            msn: slot.msn,
            class: slot.class,
            attempts_before: slot.attempts_before,
            mask: slot.mask(),
            reference: slot.message_reference,
            scts: slot.scts,
            entry: marked_entry(slot),
        };
        let mut queues = self.world.queues();
        queues.in_flight += 1;
        queues.submitted.push(submission);
        drop(queues);
        self.free.push(handle.slot());
    }

    fn release(&mut self, handle: AttemptHandle) {
        self.free.push(handle.slot());
    }

    fn poll(&mut self, _: EvenMs) -> Option<AttemptOutcome<'_>> {
        let mut queues = self.world.queues();
        let Told { token, msn, result, domain, mask, unanswered } = queues.outcomes.pop_front()?;
        queues.in_flight -= 1;
        let (delivered_mask, unanswered_mask) = (mask, unanswered);
        Some(AttemptOutcome {
            token,
            msn,
            result,
            domain,
            row: 1,
            delivered_mask,
            unanswered_mask,
            taken_mask: 0,
            carrier: 0,
            ids: &[],
            reports: &self.reports,
        })
    }

    fn reports(&mut self, _: EvenMs) -> Option<StatusReport<'_>> {
        let (tpdu, domain) = self.world.queues().reports.pop_front()?;
        self.report = tpdu;
        Some(StatusReport { tpdu: &self.report, domain })
    }

    fn reachable(&mut self, _: EvenMs) -> Option<Msn> {
        self.world.queues().alerts.pop_front()
    }

    fn next_due_ms(&self) -> Option<EvenMs> {
        None
    }
}
