//! What senders of either interface note alike when a push goes out and when it is answered.

use super::work::{Job, Work};
use super::{LATE_NS, Sent, Shared};

/// When something happens, and since when the sender had room for what falls due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now_ns: u64,
    pub(super) start_ns: u64,
    pub(super) unblocked_ns: u64,
}

/// A push goes out for the first time.
pub(super) fn note_first_send(
    shared: &Shared,
    work: &Work,
    sent: &mut Sent,
    at: Moment,
    job: &mut Job,
) {
    let now_ns = at.now_ns;
    job.first_sent_ns = now_ns;
    shared.ledger.note_sent(job.index, now_ns);
    if shared.ledger.schedule().is_none() {
        return;
    }
    let intended_ns = work.intended_ns(job.index);
    let late_ns = now_ns.saturating_sub(intended_ns);
    let warm_up = job.index < shared.plan.warm_up;
    let stages = sent.phases.of(warm_up);
    stages.lateness.record(now_ns.saturating_sub(at.start_ns), late_ns);
    if !warm_up {
        sent.late += u64::from(late_ns > LATE_NS);
        sent.held_back += u64::from(intended_ns < at.unblocked_ns);
        let own_ns = now_ns.saturating_sub(intended_ns.max(at.unblocked_ns));
        sent.own_lateness.record(own_ns);
        sent.own_quarters.record(now_ns.saturating_sub(at.start_ns), own_ns);
    }
}

/// When the push was meant to be sent; in a closed loop, when it was first.
pub(super) fn since_ns(shared: &Shared, work: &Work, job: &Job) -> u64 {
    match shared.ledger.schedule() {
        Some(_) => work.intended_ns(job.index),
        None => job.first_sent_ns,
    }
}
