//! The instrument against a responder whose delays are known.

mod quiet;

use loadgen::bare::{Bare, Behaviour};
use loadgen::latency::Latencies;
use loadgen::mix::Mix;
use loadgen::plan::{Load, Plan};
use loadgen::run::{Outcome, run};
use std::net::SocketAddr;
use std::time::Duration;

const MS: u64 = 1_000_000;

/// The outcome, and how long the responder says it kept answers back.
fn measure(behaviour: Behaviour, change: impl FnOnce(&mut Plan)) -> (Outcome, Latencies) {
    let bare =
        Bare::behaving(SocketAddr::from(([127, 0, 0, 1], 0)), &[], behaviour).expect("a loopback port");
    let mut plan = Plan { notify: false, mix: Mix::sample(), ..Plan::new(bare.address()) };
    (plan.connections, plan.pipeline) = (64, 1);
    change(&mut plan);
    let outcome = run(plan, None).expect("the responder is up");
    assert!(outcome.is_clean(), "{}", outcome.tally);
    let kept_back = bare.kept_back();
    assert_eq!(kept_back.count(), outcome.tally.accepted);
    (outcome, kept_back)
}

fn at_rate(rate_per_second: u64, pushes: u64) -> impl FnOnce(&mut Plan) {
    move |plan| (plan.load, plan.pushes) = (Load::Open { rate_per_second }, pushes)
}

fn assert_same(what: &str, measured: &Latencies, truth: &Latencies, percent: f64) {
    let (measured, truth) = (measured.percentile_ns(percent), truth.percentile_ns(percent));
    let deviation = measured as f64 / truth as f64 - 1.0;
    assert!((-0.002..0.02).contains(&deviation), "{what} at {percent} %: {measured} ns for {truth} ns");
}

fn longer_than(latencies: &Latencies, nanoseconds: u64) -> u64 {
    latencies.histogram().count_between(nanoseconds, u64::MAX)
}

#[test]
fn a_constant_delay_comes_out_right_to_two_per_cent() {
    if !quiet::is_asked_for("a_constant_delay_comes_out_right_to_two_per_cent") {
        return;
    }
    let behaviour = Behaviour { delay: Duration::from_millis(100), ..Behaviour::default() };
    let (outcome, truth) = measure(behaviour, at_rate(500, 1_000));
    for percent in [10.0, 50.0, 90.0] {
        assert_same("service", &outcome.sent.service_times, &truth, percent);
        assert_same("answer", &outcome.sent.answer_times, &truth, percent);
    }
    assert!(outcome.sent.answer_times.percentile_ns(0.0) >= 99 * MS);
}

#[test]
fn one_answer_in_a_hundred_that_takes_fifty_milliseconds_is_told_from_the_others() {
    if !quiet::is_asked_for("one_answer_in_a_hundred_that_takes_fifty_milliseconds_is_told_from_the_others") {
        return;
    }
    let behaviour = Behaviour { slow_every: 100, slow: Duration::from_millis(50), ..Behaviour::default() };
    let (outcome, truth) = measure(behaviour, at_rate(1_000, 3_000));
    for times in [&outcome.sent.service_times, &outcome.sent.answer_times] {
        assert_same("slow answers", times, &truth, 99.5);
        assert!(times.percentile_ns(50.0) < 5 * MS && times.percentile_ns(99.5) >= 50 * MS);
        let slow = longer_than(times, 49 * MS);
        assert!((30..=36).contains(&slow), "{slow} slow answers of 30");
    }
}

#[test]
fn a_stall_is_counted_for_every_push_that_was_meant_to_be_sent_in_it() {
    if !quiet::is_asked_for("a_stall_is_counted_for_every_push_that_was_meant_to_be_sent_in_it") {
        return;
    }
    let behaviour = Behaviour { stall_at: 1_000, stall: Duration::from_millis(500), ..Behaviour::default() };
    let (outcome, _) = measure(behaviour, |plan| {
        at_rate(2_000, 4_000)(plan);
        plan.pipeline = 64;
    });
    let answers = &outcome.sent.answer_times;
    let longest_ms = answers.percentile_ns(100.0) / MS;
    assert!((499..520).contains(&longest_ms), "{longest_ms} ms");
    // A push meant for t milliseconds after the stall's begin waits for the rest of it: 2 pushes a millisecond.
    for waited_ms in [100, 200, 300, 400] {
        let expected = (longest_ms - waited_ms) * 2;
        let counted = longer_than(answers, waited_ms * MS);
        assert!(counted.abs_diff(expected) <= 20, "{counted} of {expected} waited {waited_ms} ms");
    }
}

#[test]
fn pushes_that_full_connections_hold_back_are_counted_and_are_not_the_generators_lateness() {
    if !quiet::is_asked_for(
        "pushes_that_full_connections_hold_back_are_counted_and_are_not_the_generators_lateness",
    ) {
        return;
    }
    let behaviour = Behaviour { stall_at: 1_000, stall: Duration::from_millis(500), ..Behaviour::default() };
    let (outcome, _) = measure(behaviour, at_rate(2_000, 4_000));
    assert!(outcome.sent.held_back > 800, "{}", outcome.sent.held_back);
    assert!(longer_than(&outcome.sent.answer_times, 100 * MS) >= 780);
    assert!(longer_than(&outcome.sent.service_times, 100 * MS) <= 64);
    let (own, all) = (&outcome.sent.own_lateness, &outcome.sent.lateness);
    assert!(longer_than(own, 100 * MS) == 0 && longer_than(all, 100 * MS) > 700);
}

#[test]
fn a_closed_loop_hides_the_stall_that_an_open_loop_shows() {
    if !quiet::is_asked_for("a_closed_loop_hides_the_stall_that_an_open_loop_shows") {
        return;
    }
    let behaviour = Behaviour { stall_at: 1_000, stall: Duration::from_millis(500), ..Behaviour::default() };
    let (outcome, _) = measure(behaviour, |plan| plan.pushes = 4_000);
    let stalled = longer_than(&outcome.sent.answer_times, 100 * MS);
    assert!((1..=64).contains(&stalled), "{stalled} pushes of 64 in flight");
}

#[test]
fn warm_up_pushes_are_kept_apart() {
    let (outcome, _) =
        measure(Behaviour { delay: Duration::from_millis(1), ..Behaviour::default() }, |plan| {
            at_rate(2_000, 1_000)(plan);
            plan.warm_up = 400;
        });
    assert_eq!(outcome.sent.answer_times.count(), 600);
    assert_eq!(outcome.sent.phases.warm_up.answer.total().count(), 400);
    assert_eq!(outcome.sent.phases.load.lateness.total().count(), 600);
}
