//! SMS-STATUS-REPORTs that do not come with an attempt's outcome, and attempts whose outcome waits.
//!
//! Both are the simulation's faults: without a rate for them nothing is ever put here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::network::limits::{STATUS_REPORT_OCTETS_MAX, STATUS_REPORTS_WAITING_MAX};
use crate::network::port::{Reports, StatusReport};
use wire::sms::address::{Address, TYPE_UNKNOWN_ISDN};
use wire::sms::limits::TIME_OCTETS;
use wire::sms::relay;
use wire::terms::calendar;
use wire::terms::domain::Domain;
use wire::terms::ids::Msn;
use wire::terms::time::EvenMs;

/// TP-Status: received by the SME.
const DELIVERED: u8 = 0x00;

/// What a report will say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct PendingReport {
    pub(crate) msn: u64,
    pub(crate) reference: u8,
    pub(crate) scts: [u8; TIME_OCTETS],
    pub(crate) is_cs: bool,
}

/// The reports on their way.
pub(crate) struct PendingReports {
    /// Due time, order of sending, report.
    waiting: BinaryHeap<Reverse<(EvenMs, u64, PendingReport)>>,
    sequence: u64,
    tpdu: [u8; STATUS_REPORT_OCTETS_MAX],
}

impl PendingReports {
    pub(crate) fn new() -> Self {
        Self { waiting: BinaryHeap::new(), sequence: 0, tpdu: [0; STATUS_REPORT_OCTETS_MAX] }
    }

    /// The report arrives at `due_ms`; beyond [`STATUS_REPORTS_WAITING_MAX`] it is lost.
    pub(crate) fn push(&mut self, due_ms: EvenMs, report: PendingReport) {
        if self.waiting.len() < STATUS_REPORTS_WAITING_MAX {
            self.waiting.push(Reverse((due_ms, self.sequence, report)));
            self.sequence += 1;
        }
    }

    /// The next report that has arrived by `now_ms`.
    pub(crate) fn pop(&mut self, now_ms: EvenMs) -> Option<StatusReport<'_>> {
        if self.next_due_ms()? > now_ms {
            return None;
        }
        let Reverse((due_ms, _, report)) = self.waiting.pop()?;
        let recipient = Msn::from_value(report.msn)
            .and_then(|msn| Address::numeric(TYPE_UNKNOWN_ISDN, &msn.digits()).ok())?;
        let civil = calendar::jst(due_ms.ms());
        let discharge = relay::scts_jst(
            civil.year,
            civil.month,
            civil.day,
            civil.hour,
            civil.minute,
            civil.second,
        );
        let octets = relay::status_report_for(
            report.reference,
            &recipient,
            &report.scts,
            &discharge,
            DELIVERED,
            &mut self.tpdu,
        );
        let domain = if report.is_cs { Domain::Cs } else { Domain::Ps };
        octets.ok().map(|octets| StatusReport { tpdu: &self.tpdu[..octets], domain })
    }

    pub(crate) fn next_due_ms(&self) -> Option<EvenMs> {
        self.waiting.peek().map(|&Reverse((due_ms, _, _))| due_ms)
    }
}

/// Attempts that have been carried out and whose outcome the message center is not told yet; each
/// holds its slot.
pub(crate) struct DeferredOutcomes<T> {
    /// Due time, order of deferring, slot.
    waiting: BinaryHeap<Reverse<(EvenMs, u64, u32)>>,
    outcomes: HashMap<u32, (T, Box<Reports>)>,
    sequence: u64,
}

impl<T> DeferredOutcomes<T> {
    pub(crate) fn new() -> Self {
        Self { waiting: BinaryHeap::new(), outcomes: HashMap::new(), sequence: 0 }
    }

    pub(crate) fn push(&mut self, due_ms: EvenMs, slot: u32, outcome: T, reports: Reports) {
        self.waiting.push(Reverse((due_ms, self.sequence, slot)));
        self.sequence += 1;
        self.outcomes.insert(slot, (outcome, Box::new(reports)));
    }

    pub(crate) fn pop(&mut self, now_ms: EvenMs) -> Option<(u32, T, Box<Reports>)> {
        if self.next_due_ms()? > now_ms {
            return None;
        }
        let Reverse((_, _, slot)) = self.waiting.pop()?;
        self.outcomes.remove(&slot).map(|(outcome, reports)| (slot, outcome, reports))
    }

    pub(crate) fn next_due_ms(&self) -> Option<EvenMs> {
        self.waiting.peek().map(|&Reverse((due_ms, _, _))| due_ms)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
