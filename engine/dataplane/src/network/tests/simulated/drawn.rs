//! Outcomes that are drawn by their rates.

use super::*;

#[test]
fn what_ps_delivered_is_not_sent_again_by_cs() {
    let rates = OutcomeRates { ps_failure: 1_000_000, ..OutcomeRates::default() };
    let mut network = network_with(SimulationConfig { rates, ..SimulationConfig::default() }, "");
    for attempt in 1..=100 {
        let end = try_once(&mut network, &Attempt { segments: 10, ..ATTEMPT });
        assert_eq!((end.result, end.domain), (AttemptResult::Delivered, Some(Domain::Cs)));
        assert_eq!(end.delivered_mask, 0b11_1111_1111);
        assert_eq!(network.delivers_sent(), 11 * attempt, "ten and the one that failed by PS");
    }
}

fn run_with_rates(seed: u64) -> Vec<End> {
    let rates = OutcomeRates {
        absent: 100_000,
        memory_full: 50_000,
        busy: 40_000,
        system_failure: 200_000,
        protocol_error: 20_000,
        ps_failure: 100_000,
        hlr_failure: 100_000,
        ..OutcomeRates::default()
    };
    let configuration =
        SimulationConfig { rates, seed, latency_jitter_ms: 5, ..SimulationConfig::default() };
    let mut network = network_with(configuration, "");
    let mut ends = Vec::new();
    for token in 0..20_000 {
        submit(&mut network, &Attempt { token, segments: 4, ..ATTEMPT }, msn(NUMBER), NOW);
        while let Some(end) = poll(&mut network, NOW + 5) {
            ends.push(end);
        }
    }
    ends
}

#[test]
fn drawn_outcomes_keep_to_their_rates() {
    let ends = run_with_rates(1);
    let share = |matches: &dyn Fn(&End) -> bool| {
        ends.iter().filter(|end| matches(end)).count() as f64 / ends.len() as f64
    };
    let answered = 0.9;
    let delivered_by =
        |domain| share(&|end| end.result == AttemptResult::Delivered && end.domain == Some(domain));
    for (what, share, rate) in [
        ("HLR failure", share(&|end| end.row == 7), 0.1),
        (
            "absent",
            share(&|end| end.result == AttemptResult::Failed(Failure::Absent)),
            0.1 * answered,
        ),
        (
            "memory full",
            share(&|end| end.result == AttemptResult::Failed(Failure::MemoryFull)),
            0.05 * answered,
        ),
        ("busy", share(&|end| end.result == AttemptResult::Failed(Failure::Busy)), 0.04 * answered),
        (
            "system",
            share(&|end| end.result == AttemptResult::Failed(Failure::SystemFailure)),
            0.2 * answered,
        ),
        (
            "protocol",
            share(&|end| end.result == AttemptResult::Failed(Failure::ProtocolError)),
            0.02 * answered,
        ),
        ("fallback to CS", delivered_by(Domain::Cs), 0.1 * answered),
        ("delivered by PS", delivered_by(Domain::Ps), 0.49 * answered),
    ] {
        assert!((share - rate).abs() < 0.01, "{what}: {share} is not about {rate}");
    }
}

#[test]
fn a_drawn_failure_may_strike_any_segment_and_keeps_what_arrived() {
    let ends = run_with_rates(2);
    for prefix in [0b0000, 0b0001, 0b0011, 0b0111] {
        let has =
            |end: &End| end.result != AttemptResult::Delivered && end.delivered_mask == prefix;
        assert!(ends.iter().any(has), "{prefix:04b}");
    }
    for end in &ends {
        let is_complete = end.delivered_mask == 0b1111;
        assert_eq!(is_complete, end.result == AttemptResult::Delivered, "{end:?}");
        let acknowledged = end.reports.iter().filter(|(_, in_rp_error, _)| !in_rp_error);
        assert_eq!(acknowledged.count() as u32, end.delivered_mask.count_ones(), "{end:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert!(run_with_rates(3) == run_with_rates(3));
    assert!(run_with_rates(3) != run_with_rates(4));
}
