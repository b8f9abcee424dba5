//! What one carrier or one customer says and is told, PDU by PDU, kept for an operator who asks for
//! it, for a while and up to a bound.
//!
//! Threads put PDUs before whoever looks, and wait for nobody: what finds no room is counted. A
//! session that is not traced has nothing to do but to see that.

use crossbeam::queue::ArrayQueue;
use host::clock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wire::smpp::frame::first_pdu;
use wire::terms::ids::Xpid;

/// PDUs that wait to be looked at.
const COMING_MAX: usize = 4_096;
/// Octets of one trace, each PDU with some more beside its own.
const OCTETS_MAX: usize = 4 << 20;
const OCTETS_BESIDE: usize = 64;
/// The longest trace, in seconds.
pub const TRACE_SECONDS_MAX: u32 = 3_600;

/// Whose PDUs are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TracedPeer {
    /// Those of the carrier with this name.
    Carrier(String),
    /// Those of the customer with this registration.
    Customer(Xpid),
}

/// One PDU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TracedPdu {
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// It went to the peer.
    pub is_sent: bool,
    /// On which of its sessions.
    pub session: u32,
    /// Its octets; those of a bind have a password.
    pub octets: Box<[u8]>,
}

/// A trace that an operator has asked for.
pub struct PduTrace {
    /// Whose.
    pub peer: TracedPeer,
    /// Whether texts and whole numbers of phones may be shown.
    pub shows_content: bool,
    until_ns: u64,
    coming: ArrayQueue<TracedPdu>,
    octets: AtomicUsize,
    lost: AtomicU64,
    kept: Mutex<Vec<TracedPdu>>,
}

/// A part of what was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TracePage {
    /// The number of the first, from 0 on.
    pub first: usize,
    /// The PDUs.
    pub pdus: Vec<TracedPdu>,
    /// PDUs that found no room.
    pub lost: u64,
    /// Nothing is kept any more.
    pub is_over: bool,
}

impl PduTrace {
    /// From now on, for so many seconds.
    pub fn new(peer: TracedPeer, shows_content: bool, seconds: u32) -> Arc<Self> {
        let seconds = u64::from(seconds.min(TRACE_SECONDS_MAX));
        Arc::new(Self {
            peer,
            shows_content,
            until_ns: clock::monotonic_ns() + seconds * 1_000_000_000,
            coming: ArrayQueue::new(COMING_MAX),
            octets: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            kept: Mutex::new(Vec::new()),
        })
    }

    /// Nothing more is kept, and nobody looks: what there is goes now, with whoever calls this, and
    /// not with the last thread that has it. For no thread that serves.
    pub fn forget(&self) {
        self.octets.store(OCTETS_MAX, Ordering::Relaxed);
        while self.coming.pop().is_some() {}
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Vec::new();
    }

    fn is_over(&self) -> bool {
        clock::monotonic_ns() >= self.until_ns || self.octets.load(Ordering::Relaxed) >= OCTETS_MAX
    }

    /// This PDU went to the peer or came from it.
    pub fn keep(&self, is_sent: bool, session: u32, pdu: &[u8]) {
        let taken = pdu.len() + OCTETS_BESIDE;
        if self.octets.fetch_add(taken, Ordering::Relaxed) + taken > OCTETS_MAX {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let traced = TracedPdu { at_ms: clock::unix_ms(), is_sent, session, octets: pdu.into() };
        if self.coming.push(traced).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// At most so many of those that were kept, from this one on. For whoever looks, no thread that
    /// serves.
    pub fn page(&self, first: usize, most: usize) -> TracePage {
        // Before the last of them is looked for: none comes behind it.
        let is_over = self.is_over();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(traced) = self.coming.pop() {
            kept.push(traced);
        }
        let first = first.min(kept.len());
        let pdus: Vec<TracedPdu> = kept[first..].iter().take(most).cloned().collect();
        let is_all = first + pdus.len() == kept.len();
        let lost = self.lost.load(Ordering::Relaxed);
        TracePage { first, pdus, lost, is_over: is_over && is_all }
    }
}

/// What a session that is traced puts its PDUs into.
pub(super) struct Tracer {
    trace: Arc<PduTrace>,
    session: u32,
}

impl Tracer {
    /// For one SMPP connection, where it is the traced peer's and the trace goes on.
    pub(super) fn of(
        trace: Option<&Arc<PduTrace>>,
        session: u32,
        is_its: impl FnOnce(&TracedPeer) -> bool,
    ) -> Option<Self> {
        let trace = trace.filter(|trace| !trace.is_over() && is_its(&trace.peer))?;
        Some(Self { trace: Arc::clone(trace), session })
    }

    /// These PDUs go to the peer.
    #[cold]
    pub(super) fn sent(&self, pdus: &[u8]) {
        self.note(true, pdus);
    }

    /// These came from it.
    #[cold]
    pub(super) fn received(&self, pdus: &[u8]) {
        self.note(false, pdus);
    }

    fn note(&self, is_sent: bool, pdus: &[u8]) {
        if self.trace.is_over() {
            return;
        }
        let mut rest = pdus;
        while let Ok(Some(pdu)) = first_pdu(rest) {
            self.trace.keep(is_sent, self.session, pdu);
            rest = &rest[pdu.len()..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An enquire_link of this number.
    fn enquiry(number: u32) -> Vec<u8> {
        [16, 0x15, 0, number].iter().flat_map(|word: &u32| word.to_be_bytes()).collect()
    }

    fn alpha() -> TracedPeer {
        TracedPeer::Carrier("alpha".to_owned())
    }

    #[test]
    fn pdus_are_kept_in_their_order_by_session_and_way_and_nobody_elses() {
        let trace = PduTrace::new(alpha(), false, 60);
        let is_alpha = |peer: &TracedPeer| *peer == alpha();
        assert!(Tracer::of(Some(&trace), 1, |peer| !is_alpha(peer)).is_none());
        let tracer = Tracer::of(Some(&trace), 1, is_alpha).expect("it is its");
        tracer.sent(&[enquiry(1), enquiry(2)].concat());
        tracer.received(&enquiry(3));
        let page = trace.page(0, 2);
        let seen = |page: &TracePage| -> Vec<(bool, u8)> {
            page.pdus.iter().map(|pdu| (pdu.is_sent, pdu.octets[15])).collect()
        };
        assert_eq!((seen(&page), page.is_over), (vec![(true, 1), (true, 2)], false));
        assert_eq!(seen(&trace.page(2, 9)), [(false, 3)]);
        assert!(trace.page(9, 9).pdus.is_empty());
    }

    #[test]
    fn of_a_trace_that_is_forgotten_its_threads_have_nothing() {
        let trace = PduTrace::new(alpha(), false, 60);
        let tracer = Tracer::of(Some(&trace), 1, |_| true).expect("it is its");
        tracer.sent(&enquiry(1));
        trace.page(0, 1);
        tracer.sent(&enquiry(2));
        trace.forget();
        tracer.sent(&enquiry(3));
        assert!(trace.coming.is_empty(), "nothing comes behind it");
        let page = trace.page(0, 9);
        assert!(page.pdus.is_empty() && page.is_over);
        assert!(Tracer::of(Some(&trace), 1, |_| true).is_none(), "no session begins with it");
    }

    #[test]
    fn a_trace_ends_with_its_time_and_with_its_room() {
        let over = PduTrace::new(alpha(), false, 0);
        assert!(Tracer::of(Some(&over), 1, |_| true).is_none());
        assert!(over.page(0, 1).is_over);
        let trace = PduTrace::new(alpha(), false, 60);
        let tracer = Tracer::of(Some(&trace), 1, |_| true).expect("it goes on");
        let mut octets = 0;
        while octets < 2 * OCTETS_MAX {
            tracer.sent(&enquiry(7));
            octets += 16 + OCTETS_BESIDE;
            if octets % (COMING_MAX / 2 * 80) == 0 {
                trace.page(0, 0);
            }
        }
        let page = trace.page(0, usize::MAX);
        let kept: usize = page.pdus.iter().map(|pdu| pdu.octets.len() + OCTETS_BESIDE).sum();
        assert!(page.is_over && kept <= OCTETS_MAX && kept > OCTETS_MAX / 2, "{kept}");
    }
}
