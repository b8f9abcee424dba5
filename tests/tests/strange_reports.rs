//! Status reports that no push of the shard asked for.

use hayauma::network::port::{AttemptHandle, AttemptOutcome, AttemptSlot, Network, StatusReport};
use std::collections::VecDeque;
use tests::lone_shard::{LoneShard, START_MS, Setup, msn};
use tests::push::{Body, XPID};
use wire::sms::address::{Address, TYPE_UNKNOWN_ISDN};
use wire::sms::relay;
use wire::terms::calendar;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::Msn;
use wire::terms::time::EvenMs;

/// A network without a free slot, from which reports come.
struct Full {
    reports: VecDeque<Vec<u8>>,
    report: Vec<u8>,
}

impl Network for Full {
    fn reserve(&mut self, _: u8) -> Option<AttemptHandle> {
        None
    }

    fn slot(&mut self, _: &AttemptHandle) -> &mut AttemptSlot {
        unreachable!("no slot was given")
    }

    fn submit(&mut self, _: AttemptHandle, _: EvenMs) {
        unreachable!("no slot was given")
    }

    fn release(&mut self, _: AttemptHandle) {
        unreachable!("no slot was given")
    }

    fn poll(&mut self, _: EvenMs) -> Option<AttemptOutcome<'_>> {
        None
    }

    fn reports(&mut self, _: EvenMs) -> Option<StatusReport<'_>> {
        self.report = self.reports.pop_front()?;
        Some(StatusReport { tpdu: &self.report, domain: Domain::Cs })
    }

    fn reachable(&mut self, _: EvenMs) -> Option<Msn> {
        None
    }

    fn next_due_ms(&self) -> Option<EvenMs> {
        None
    }
}

/// A report of a segment that `phone` has, sent in the second of `START_MS`.
fn report(phone: &str, reference: u8) -> Vec<u8> {
    let recipient = Address::numeric(TYPE_UNKNOWN_ISDN, phone.as_bytes()).expect("an address");
    let civil = calendar::jst(START_MS);
    let scts =
        relay::scts_jst(civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second);
    let mut tpdu = vec![0; 64];
    let written = relay::status_report_for(reference, &recipient, &scts, &scts, 0, &mut tpdu);
    tpdu.truncate(written.expect("room for it"));
    tpdu
}

/// A clock that was set back makes a second come again. What the network says late of a push of the
/// first time has the msn, the time stamp and, once in 256, the reference of one of the second.
#[test]
fn what_was_never_sent_is_not_reported_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut shard = LoneShard::open(directory.path(), &Setup::new(&[XPID]), START_MS);
    let phone = msn(1);
    assert_eq!(shard.ask(&Body::push(&phone, "waits"), START_MS), Code::ACCEPTED);
    let reports = (0..=u8::MAX).map(|reference| report(&phone, reference)).collect();
    let mut network = Full { reports, report: Vec::new() };
    shard.work_over(&mut network, START_MS + 1);
    shard.work_over(&mut network, START_MS + 2);
    assert!(network.reports.is_empty(), "all were looked at");
    assert_eq!(shard.figure("status_reports_unmatched"), 256);
    assert_eq!(shard.figure("segments_delivered"), 0);
}
