//! The simulated network through its port.

use std::sync::Arc;

use crate::network::line_states::{Line, LineStates};
use crate::network::outcome_rates::OutcomeRates;
use crate::network::port::{AttemptToken, Network};
use crate::network::simulated::{InNetwork, SimulatedNetwork};
use crate::network::simulation_config::{ConfigurationError, SimulationConfig};
use crate::network::tests::deliver;
use crate::smsc::outcome::HoldReason;
use crate::smsc::outcome::{AttemptResult, Failure};
use wire::sms::relay::read_deliver_report;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::svcinst::Svcinst;
use wire::terms::time::EvenMs;

mod drawn;
mod lent;
mod reachable;

const NOW: EvenMs = EvenMs::new(1_795_000_000_000);
const NUMBER: &str = "09012345678";

fn msn(digits: &str) -> Msn {
    Msn::parse(digits.as_bytes()).expect("an msn")
}

fn line(state: &str) -> Line {
    Line::parse(state).expect("a state")
}

fn network_with(configuration: SimulationConfig, lines: &str) -> SimulatedNetwork {
    let states = LineStates::parse(lines, Line::HOME).expect("a good file");
    SimulatedNetwork::new(configuration, Arc::new(states)).expect("a good configuration")
}

fn network(state: &str) -> SimulatedNetwork {
    network_with(SimulationConfig::default(), &format!("{NUMBER},{state}\n"))
}

struct Attempt {
    token: u32,
    segments: usize,
    class: Class,
    svcinst: &'static str,
    attempts_before: u16,
}

const ATTEMPT: Attempt =
    Attempt { token: 1, segments: 1, class: Class::Standard, svcinst: "00011", attempts_before: 0 };

fn submit(network: &mut SimulatedNetwork, attempt: &Attempt, to: Msn, now_ms: EvenMs) {
    let handle = network.reserve(0).expect("a free slot");
    let slot = network.slot(&handle);
    (slot.token, slot.msn, slot.class) =
        (AttemptToken { partition: 0, push: attempt.token }, to, attempt.class);
    slot.svcinst = Svcinst::parse(attempt.svcinst).expect("five flags");
    slot.attempts_before = attempt.attempts_before;
    for segment in 0..attempt.segments {
        let tpdu = deliver(0x04, 0x04, 3, &[1, 2, 3]);
        slot.encode(segment, |out| {
            out[..tpdu.len()].copy_from_slice(&tpdu);
            Ok::<_, ()>(tpdu.len())
        })
        .expect("it fits");
    }
    network.submit(handle, now_ms);
}

/// The end of one attempt, without its borrowed parts.
#[derive(Clone, PartialEq, Debug)]
struct End {
    token: u32,
    result: AttemptResult,
    domain: Option<Domain>,
    row: u8,
    delivered_mask: u16,
    reports: Vec<(usize, bool, Vec<u8>)>,
}

fn poll(network: &mut SimulatedNetwork, now_ms: EvenMs) -> Option<End> {
    let outcome = network.poll(now_ms)?;
    Some(End {
        token: outcome.token.push,
        result: outcome.result,
        domain: outcome.domain,
        row: outcome.row,
        delivered_mask: outcome.delivered_mask,
        reports: outcome
            .reports
            .iter()
            .map(|r| (r.segment, r.in_rp_error, r.tpdu.to_vec()))
            .collect(),
    })
}

fn try_once(network: &mut SimulatedNetwork, attempt: &Attempt) -> End {
    submit(network, attempt, msn(NUMBER), NOW);
    poll(network, NOW).expect("due at once")
}

#[test]
fn a_push_to_a_line_at_home_arrives_by_ps_with_a_report_for_each_segment() {
    let end = try_once(&mut network("home"), &Attempt { segments: 3, ..ATTEMPT });
    assert_eq!((end.result, end.domain, end.row), (AttemptResult::Delivered, Some(Domain::Ps), 14));
    assert_eq!(end.delivered_mask, 0b111);
    let answered: Vec<_> =
        end.reports.iter().map(|(segment, error, _)| (*segment, *error)).collect();
    assert_eq!(answered, [(0, false), (1, false), (2, false)]);
}

#[test]
fn refusals_and_holds_send_nothing() {
    let packet_roaming =
        AttemptResult::Held(HoldReason::PacketRoamingOut, Code::PACKET_ROAMING_OUT);
    for (state, result, row) in [
        ("unknown", AttemptResult::Refused(Code::UNKNOWN_SUBSCRIBER), 1),
        ("barred", AttemptResult::Refused(Code::BARRED), 2),
        ("suspended", AttemptResult::Refused(Code::LINE_SUSPENDED), 3),
        ("spam", AttemptResult::Refused(Code::SPAM_BLOCK), 4),
        ("limit", AttemptResult::Refused(Code::USAGE_LIMIT), 5),
        ("hlr-failure", AttemptResult::Held(HoldReason::NetworkFailure, Code::EXPIRED_BUSY), 7),
        ("absent", AttemptResult::Held(HoldReason::Absent, Code::EXPIRED_ABSENT), 8),
        ("memory-full", AttemptResult::Held(HoldReason::MemoryFull, Code::EXPIRED_MEMORY_FULL), 9),
        ("roaming-ps+no-cs+operator-2", packet_roaming, 12),
    ] {
        let end = try_once(&mut network(state), &ATTEMPT);
        assert_eq!((end.result, end.row), (result, row), "{state}");
        assert_eq!((end.domain, end.delivered_mask, end.reports), (None, 0, vec![]), "{state}");
    }
    let end = try_once(&mut network("roaming-cs"), &Attempt { svcinst: "00010", ..ATTEMPT });
    assert_eq!((end.result, end.row), (AttemptResult::Refused(Code::INTERNATIONAL_ROAMING), 6));
}

//= delivery other domain
#[test]
fn routes_are_walked_as_their_rows_say() {
    let delivered = AttemptResult::Delivered;
    let held = AttemptResult::Held(HoldReason::PacketRoamingOut, Code::PACKET_ROAMING_OUT);
    let failed = AttemptResult::Failed(Failure::SystemFailure);
    for (state, svcinst, result, domain, row) in [
        ("roaming-ps+roaming-cs", "00011", delivered, Domain::Cs, 10),
        ("roaming-ps+roaming-cs+operator-1", "00011", delivered, Domain::Ps, 11),
        ("roaming-ps+roaming-cs+operator-1+ps-failure", "00011", delivered, Domain::Cs, 11),
        ("roaming-ps+roaming-cs+operator-1+absent-ps", "00011", delivered, Domain::Cs, 11),
        ("roaming-ps+no-cs", "00011", delivered, Domain::Ps, 12),
        ("roaming-ps+no-cs+ps-failure", "00011", held, Domain::Ps, 12),
        ("roaming-ps", "00001", delivered, Domain::Ps, 13),
        ("roaming-ps+ps-failure", "00001", held, Domain::Ps, 13),
        ("roaming-ps+absent-ps", "00001", held, Domain::Ps, 13),
        ("roaming-ps+busy", "00001", held, Domain::Ps, 13),
        ("ps-failure", "00011", delivered, Domain::Cs, 14),
        ("ps-failure+no-cs", "00011", failed, Domain::Ps, 14),
        ("system-failure", "00011", failed, Domain::Cs, 14),
        ("no-ps", "00011", delivered, Domain::Cs, 15),
        ("absent-ps", "00011", delivered, Domain::Cs, 15),
    ] {
        let end = try_once(&mut network(state), &Attempt { svcinst, ..ATTEMPT });
        assert_eq!(
            (end.result, end.domain, end.row),
            (result, Some(domain), row),
            "{state} {svcinst}"
        );
        assert_eq!(end.delivered_mask, u16::from(result == delivered), "{state} {svcinst}");
    }
}

#[test]
fn terminals_fail_in_each_way_of_the_outcome_table() {
    for (state, failure, domain, cause) in [
        ("busy", Failure::Busy, Domain::Cs, None),
        ("absent-after-accept", Failure::Absent, Domain::Cs, None),
        ("system-failure", Failure::SystemFailure, Domain::Cs, None),
        // What the terminal itself refuses is not tried by the other domain.
        ("illegal", Failure::Illegal, Domain::Ps, None),
        ("not-equipped", Failure::NotEquipped, Domain::Ps, None),
        ("protocol-error", Failure::ProtocolError, Domain::Ps, Some(0x8f)),
        ("memory-full-after-accept", Failure::MemoryFull, Domain::Ps, Some(0xd3)),
        ("sim-full-after-accept", Failure::MemoryFull, Domain::Ps, Some(0xd0)),
    ] {
        let end = try_once(&mut network(state), &Attempt { segments: 2, ..ATTEMPT });
        assert_eq!(
            (end.result, end.domain),
            (AttemptResult::Failed(failure), Some(domain)),
            "{state}"
        );
        assert_eq!(end.delivered_mask, 0, "{state}");
        match cause {
            None => assert!(end.reports.is_empty(), "{state}"),
            Some(cause) => {
                let [(0, true, tpdu)] = &end.reports[..] else {
                    unreachable!("{state}: {:?}", end.reports)
                };
                assert_eq!(read_deliver_report(tpdu, true), Ok(Some(cause)), "{state}");
            }
        }
    }
}

#[test]
fn a_wrong_tpdu_is_a_protocol_error() {
    let mut network = network("home");
    let handle = network.reserve(0).expect("a free slot");
    let slot = network.slot(&handle);
    slot.msn = msn(NUMBER);
    slot.encode(0, |_| Ok::<_, ()>(3)).expect("it fits");
    network.submit(handle, NOW);
    let end = poll(&mut network, NOW).expect("due at once");
    assert_eq!(end.result, AttemptResult::Failed(Failure::ProtocolError));
    assert_eq!(read_deliver_report(&end.reports[0].2, true), Ok(Some(0xb0)), "TPDU not supported");
}

#[test]
fn an_emergency_push_is_tried_once_although_the_line_is_absent_or_full() {
    let emergency = Attempt { class: Class::Emergency, svcinst: "11111", ..ATTEMPT };
    let again = Attempt { attempts_before: 1, ..emergency };
    let mut absent = network("absent");
    assert_eq!(try_once(&mut absent, &emergency).result, AttemptResult::Failed(Failure::Absent));
    let held = AttemptResult::Held(HoldReason::Absent, Code::EXPIRED_ABSENT);
    assert_eq!(try_once(&mut absent, &again).result, held);
    let mut full = network("memory-full");
    assert_eq!(try_once(&mut full, &emergency).result, AttemptResult::Failed(Failure::MemoryFull));
    let held = AttemptResult::Held(HoldReason::MemoryFull, Code::EXPIRED_MEMORY_FULL);
    assert_eq!(try_once(&mut full, &again).result, held);
}

#[test]
fn what_the_gateway_segments_and_the_message_center_relays_is_what_terminals_accept() {
    use wire::sms::relay;
    use wire::sms::relay::OriginatingAddress;
    use wire::sms::segment::{
        Content, PlanOptions, SUBMITS_OCTETS_MAX, SubmitTemplate, encode_submits, plan,
    };

    let text = "\u{7dca}\u{6025}\u{5730}\u{9707}\u{901f}\u{5831}".repeat(30);
    let template = SubmitTemplate {
        destination: b"09012345678",
        first_message_reference: 250,
        concatenation_reference: 7,
        protocol_identifier: 0,
        validity_relative: Some(143),
        status_report_requested: true,
        reject_duplicates: false,
    };
    let originating = OriginatingAddress::parse("0570").expect("digits");
    let scts = relay::scts_jst(2026, 11, 22, 13, 34, 30);
    for content in
        [Content::Text(&text), Content::Text("A short one"), Content::Octets(&[0xab; 1_340])]
    {
        let options = PlanOptions::default();
        let plan = plan(content, &options).expect("at most ten segments");
        let mut submits = [0; SUBMITS_OCTETS_MAX];
        let octets =
            encode_submits(&plan, content, &options, &template, &mut submits).expect("room");
        let mut network = network("home");
        let handle = network.reserve(0).expect("a free slot");
        let slot = network.slot(&handle);
        slot.msn = msn(NUMBER);
        for (segment, submit) in relay::submits(&submits[..octets]).enumerate() {
            let more = segment + 1 < usize::from(plan.segments());
            slot.encode(segment, |out| {
                relay::deliver_from_submit(submit, &originating, &scts, more, out)
            })
            .expect("a good SUBMIT");
        }
        network.submit(handle, NOW);
        let end = poll(&mut network, NOW).expect("due at once");
        assert_eq!(end.result, AttemptResult::Delivered, "{content:?}");
        assert_eq!(end.delivered_mask.count_ones(), u32::from(plan.segments()));
        for (_, in_rp_error, report) in end.reports {
            assert_eq!(read_deliver_report(&report, in_rp_error), Ok(None));
        }
    }
}

#[test]
fn only_the_segments_of_the_slot_are_sent() {
    let mut network = network("home");
    let handle = network.reserve(0).expect("a free slot");
    let slot = network.slot(&handle);
    slot.msn = msn(NUMBER);
    let tpdu = deliver(0x04, 0x04, 1, &[1]);
    for segment in [2, 9] {
        slot.encode(segment, |out| {
            out[..tpdu.len()].copy_from_slice(&tpdu);
            Ok::<_, ()>(tpdu.len())
        })
        .expect("it fits");
    }
    network.submit(handle, NOW);
    assert_eq!(poll(&mut network, NOW).expect("due").delivered_mask, 1 << 2 | 1 << 9);
}

#[test]
fn a_full_network_pushes_back_until_an_outcome_is_polled() {
    let configuration =
        SimulationConfig { in_flight_max: 2, latency_ms: 10, ..SimulationConfig::default() };
    let mut network = network_with(configuration, "");
    submit(&mut network, &ATTEMPT, msn(NUMBER), NOW);
    let unused = network.reserve(0).expect("the second slot");
    assert!(network.reserve(0).is_none());
    network.release(unused);
    submit(&mut network, &ATTEMPT, msn(NUMBER), NOW);
    assert!(network.reserve(0).is_none());
    assert_eq!(network.in_flight(), 2);
    assert!(poll(&mut network, NOW + 9).is_none());
    assert!(poll(&mut network, NOW + 10).is_some());
    assert!(network.reserve(0).is_some());
    assert_eq!(network.in_flight(), 1);
}

#[test]
fn latency_and_jitter_bound_the_time_of_every_outcome() {
    for (time_scale, first_ms, last_ms) in [(1, 100, 300), (10, 10, 30)] {
        let configuration = SimulationConfig {
            latency_ms: 100,
            latency_jitter_ms: 200,
            time_scale,
            ..SimulationConfig::default()
        };
        let mut network = network_with(configuration, "");
        for token in 0..1_000 {
            submit(&mut network, &Attempt { token, ..ATTEMPT }, msn(NUMBER), NOW);
        }
        let (mut seen, mut times) = (vec![false; 1_000], Vec::new());
        while let Some(due_ms) = network.next_due_ms() {
            assert!(poll(&mut network, due_ms - 1).is_none());
            let end = poll(&mut network, due_ms).expect("due");
            assert!(
                !std::mem::replace(&mut seen[end.token as usize], true),
                "one outcome an attempt"
            );
            times.push(due_ms.since(NOW));
        }
        assert!(seen.iter().all(|&seen| seen));
        assert!(times.is_sorted());
        assert_eq!((times[0], times[999]), (first_ms, last_ms), "both ends of 1,000 draws");
    }
}

#[test]
fn outcomes_of_one_time_come_in_the_order_of_submission() {
    for latency_jitter_ms in [0, 3] {
        let configuration = SimulationConfig { latency_jitter_ms, ..SimulationConfig::default() };
        let mut network = network_with(configuration, "");
        for token in 0..100 {
            submit(&mut network, &Attempt { token, ..ATTEMPT }, msn(NUMBER), NOW);
        }
        for now_ms in (0..=latency_jitter_ms).map(|span_ms| NOW + span_ms) {
            let mut last_token = None;
            while network.next_due_ms() == Some(now_ms) {
                let token = poll(&mut network, now_ms).map(|end| end.token);
                assert!(token > last_token);
                last_token = token;
            }
        }
        assert_eq!(network.in_flight(), 0);
    }
}

#[test]
fn decisions_are_counted_by_row() {
    let mut network = network("spam");
    try_once(&mut network, &ATTEMPT);
    try_once(&mut network, &ATTEMPT);
    assert_eq!(network.decisions_by_row()[4], 2);
    assert_eq!(network.decisions_by_row().iter().sum::<u64>(), 2);
}

#[test]
fn configured_values_out_of_range_are_refused() {
    let default = SimulationConfig::default;
    let rates = OutcomeRates { busy: 600_000, absent: 600_000, ..OutcomeRates::default() };
    for (configuration, error) in [
        (SimulationConfig { in_flight_max: 0, ..default() }, ConfigurationError::InFlight(0)),
        (
            SimulationConfig { in_flight_max: 1 << 20, ..default() },
            ConfigurationError::InFlight(1 << 20),
        ),
        (SimulationConfig { rates, ..default() }, ConfigurationError::Rates(1_200_000)),
        (SimulationConfig { time_scale: 0, ..default() }, ConfigurationError::TimeScale),
        (
            SimulationConfig { latency_ms: u64::MAX, ..default() },
            ConfigurationError::TooLong(u64::MAX),
        ),
    ] {
        let states = Arc::new(LineStates::default());
        assert_eq!(SimulatedNetwork::new(configuration, states).err(), Some(error));
    }
}
