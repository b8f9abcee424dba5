//! When the HLR says that a line that was waited for is ready.

use super::*;

//= TS 23.040 3.2.6
#[test]
fn the_hlr_alerts_once_when_a_line_that_was_waited_for_is_ready() {
    for (from, to) in [
        ("absent", "home"),
        ("memory-full", "home"),
        ("absent-after-accept", "home"),
        ("sim-full-after-accept", "home"),
        ("roaming-ps+no-cs+operator-2", "home"),
        ("absent", "roaming-ps+roaming-cs"),
    ] {
        let mut network = network(from);
        network.set_line_state(msn(NUMBER), line(to), NOW).expect("room");
        assert_eq!(network.reachable(NOW), None, "{from}: nobody waits");
        network.set_line_state(msn(NUMBER), line(from), NOW).expect("room");
        assert_ne!(try_once(&mut network, &ATTEMPT).result, AttemptResult::Delivered);
        assert_ne!(try_once(&mut network, &ATTEMPT).result, AttemptResult::Delivered);
        network.set_line_state(msn(NUMBER), line("absent"), NOW).expect("room");
        assert_eq!(
            (network.reachable(NOW), network.next_due_ms()),
            (None, None),
            "{from}: not ready yet"
        );
        network.set_line_state(msn(NUMBER), line(to), NOW + 5).expect("room");
        assert_eq!(network.next_due_ms(), Some(NOW + 5));
        assert_eq!(network.reachable(NOW + 5), Some(msn(NUMBER)), "{from}");
        assert_eq!(network.reachable(NOW + 5), None, "{from}: once");
        assert_eq!(try_once(&mut network, &ATTEMPT).result, AttemptResult::Delivered);
    }
}

#[test]
fn a_drawn_absence_ends_by_itself_with_an_alert() {
    let rates = OutcomeRates { absent: 1_000_000, ..OutcomeRates::default() };
    let configuration = SimulationConfig {
        rates,
        returns_after_ms: 60_000,
        time_scale: 60,
        ..SimulationConfig::default()
    };
    let mut network = network_with(configuration, "");
    assert_eq!(try_once(&mut network, &ATTEMPT).result, AttemptResult::Failed(Failure::Absent));
    assert_eq!(network.next_due_ms(), Some(NOW + 1_000));
    assert_eq!(network.reachable(NOW + 999), None);
    assert_eq!(network.reachable(NOW + 1_000), Some(msn(NUMBER)));
    assert_eq!(network.next_due_ms(), None);
}

#[test]
fn a_line_made_ready_before_its_own_time_alerts_once() {
    let rates = OutcomeRates { memory_full: 1_000_000, ..OutcomeRates::default() };
    let configuration =
        SimulationConfig { rates, returns_after_ms: 60_000, ..SimulationConfig::default() };
    let mut network = network_with(configuration, "");
    assert_eq!(try_once(&mut network, &ATTEMPT).result, AttemptResult::Failed(Failure::MemoryFull));
    network.set_line_state(msn(NUMBER), Line::HOME, NOW + 10).expect("room");
    assert_eq!(network.reachable(NOW + 10), Some(msn(NUMBER)));
    assert_eq!(network.reachable(NOW + 60_000), None);
    assert_eq!(network.next_due_ms(), None);
}

#[test]
fn alerts_beyond_their_room_are_not_raised() {
    let configuration = SimulationConfig { alerts_waiting_max: 1, ..SimulationConfig::default() };
    let mut network = network_with(configuration, "09000000000-09000000009,absent\n");
    for digits in ["09000000001", "09000000002"] {
        submit(&mut network, &ATTEMPT, msn(digits), NOW);
        assert!(poll(&mut network, NOW).is_some());
        network.set_line_state(msn(digits), line("home"), NOW).expect("room");
    }
    assert_eq!(network.reachable(NOW), Some(msn("09000000001")));
    assert_eq!(network.reachable(NOW), None);
}
