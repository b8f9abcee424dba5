//! Reports that go astray: late, lost, twice, early.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::network::line_states::{Line, LineStates};
use crate::network::outcome_rates::OutcomeRates;
use crate::network::port::{AttemptToken, Network};
use crate::network::simulated::SimulatedNetwork;
use crate::network::simulation_config::SimulationConfig;
use crate::network::tests::deliver;
use crate::smsc::outcome::{AttemptResult, Failure};
use wire::sms::relay::{read_status_report, scts_jst};
use wire::terms::domain::Domain;
use wire::terms::ids::Msn;
use wire::terms::time::EvenMs;

const NOW: EvenMs = EvenMs::new(1_795_000_000_000);
const ALWAYS: u32 = 1_000_000;
const NUMBER: &str = "09012345678";
const SEGMENTS: usize = 3;
const FULL: u16 = 0b111;
/// TP-MR of the first segment: the third wraps.
const REFERENCE: u8 = 254;
const TIMEOUT_MS: u64 = 10_000;
const DELAY_MS: u64 = 60_000;

fn network(rates: OutcomeRates) -> SimulatedNetwork {
    let configuration = SimulationConfig { rates, ..SimulationConfig::default() };
    SimulatedNetwork::new(configuration, Arc::new(LineStates::uniform(Line::HOME))).expect("good")
}

fn submit(network: &mut SimulatedNetwork) {
    let handle = network.reserve(0).expect("a free slot");
    let slot = network.slot(&handle);
    (slot.token, slot.msn) =
        (AttemptToken { partition: 0, push: 7 }, Msn::parse(NUMBER.as_bytes()).expect("an msn"));
    (slot.message_reference, slot.scts) = (REFERENCE, scts_jst(2026, 11, 22, 13, 34, 30));
    for segment in 0..SEGMENTS {
        let tpdu = deliver(0x04, 0x04, 3, &[1, 2, 3]);
        slot.encode(segment, |out| {
            out[..tpdu.len()].copy_from_slice(&tpdu);
            Ok::<_, ()>(tpdu.len())
        })
        .expect("it fits");
    }
    network.submit(handle, NOW);
}

/// What an outcome says: result, delivered, unanswered.
type End = (AttemptResult, u16, u16);

fn outcome(network: &mut SimulatedNetwork, now_ms: EvenMs) -> Option<End> {
    network
        .poll(now_ms)
        .map(|outcome| (outcome.result, outcome.delivered_mask, outcome.unanswered_mask))
}

/// The segments whose reports arrive by `now_ms`, with how many there are of each.
fn reports(network: &mut SimulatedNetwork, now_ms: EvenMs) -> BTreeMap<u8, u32> {
    let mut segments = BTreeMap::new();
    while let Some(report) = network.reports(now_ms) {
        assert_eq!(report.domain, Domain::Ps);
        let view = read_status_report(report.tpdu).expect("a status report");
        assert_eq!((view.recipient_digits().as_str(), view.status), (NUMBER, 0));
        assert_eq!(view.scts, scts_jst(2026, 11, 22, 13, 34, 30));
        *segments.entry(view.message_reference.wrapping_sub(REFERENCE)).or_default() += 1;
    }
    segments
}

fn mask(segments: &BTreeMap<u8, u32>) -> u16 {
    assert!(segments.values().all(|&count| count == 1), "each once: {segments:?}");
    segments.keys().fold(0, |mask, segment| mask | 1 << segment)
}

#[test]
fn a_late_report_comes_by_itself_and_its_attempt_times_out() {
    let mut network = network(OutcomeRates { report_late: ALWAYS, ..OutcomeRates::default() });
    let mut before = 0;
    for _ in 0..50 {
        submit(&mut network);
        assert_eq!(outcome(&mut network, NOW), None, "its answer is waited for");
        assert_eq!(network.in_flight(), 1);
        let early = mask(&reports(&mut network, NOW + TIMEOUT_MS - 1));
        before += u32::from(early != 0);
        let (result, delivered, unanswered) =
            outcome(&mut network, NOW + TIMEOUT_MS).expect("timed out");
        assert_eq!(result, AttemptResult::Failed(Failure::SystemFailure));
        assert!(unanswered != 0 && delivered | unanswered == FULL && delivered & unanswered == 0);
        assert_eq!(early | mask(&reports(&mut network, NOW + DELAY_MS)), unanswered);
        assert_eq!((network.next_due_ms(), network.in_flight()), (None, 0));
    }
    assert!((1..50).contains(&before), "some come before the time-out and some after: {before}");
}

#[test]
fn a_lost_report_never_comes() {
    let mut network = network(OutcomeRates { report_lost: ALWAYS, ..OutcomeRates::default() });
    submit(&mut network);
    assert_eq!(outcome(&mut network, NOW), None);
    assert_eq!(network.next_due_ms(), Some(NOW + TIMEOUT_MS));
    let (_, delivered, unanswered) = outcome(&mut network, NOW + TIMEOUT_MS).expect("timed out");
    assert!(unanswered != 0 && delivered | unanswered == FULL);
    assert_eq!((network.next_due_ms(), network.reports(EvenMs::NEVER)), (None, None));
}

#[test]
fn a_report_that_comes_twice_comes_with_the_outcome_and_once_more() {
    let mut network = network(OutcomeRates { report_twice: ALWAYS, ..OutcomeRates::default() });
    submit(&mut network);
    assert_eq!(outcome(&mut network, NOW), Some((AttemptResult::Delivered, FULL, 0)));
    assert_eq!(mask(&reports(&mut network, NOW + DELAY_MS)), FULL);
}

#[test]
fn an_early_report_comes_before_the_outcome() {
    let mut network = network(OutcomeRates { report_early: ALWAYS, ..OutcomeRates::default() });
    submit(&mut network);
    let prompt = outcome(&mut network, NOW);
    assert_eq!(mask(&reports(&mut network, NOW)), FULL);
    assert_eq!(
        prompt.or_else(|| outcome(&mut network, NOW + TIMEOUT_MS)),
        Some((AttemptResult::Delivered, FULL, 0))
    );
    assert_eq!(network.in_flight(), 0);
}

#[test]
fn without_a_rate_no_chance_is_drawn_and_nothing_goes_astray() {
    let mut network = network(OutcomeRates::default());
    submit(&mut network);
    assert_eq!(outcome(&mut network, NOW), Some((AttemptResult::Delivered, FULL, 0)));
    assert_eq!(network.next_due_ms(), None);
}
