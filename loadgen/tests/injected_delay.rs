//! The instrument over real sockets and the real clock, against a responder that says how long it
//! kept each answer back. (The same claims are proved exactly, in virtual time, in
//! `src/sender/tests.rs`.)

mod judged;

use judged::{disturbance_ns, judge};
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
    let bare = Bare::behaving(SocketAddr::from(([127, 0, 0, 1], 0)), &[], behaviour)
        .expect("a loopback port");
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

/// Whether both percentiles are the same to two per cent of the truth and what the machine added.
fn same(
    outcome: &Outcome,
    measured: &Latencies,
    truth: &Latencies,
    percent: f64,
) -> Result<(), String> {
    let (measured, truth) = (measured.percentile_ns(percent), truth.percentile_ns(percent));
    let allowed = truth / 50 + disturbance_ns(&outcome.conditions);
    // The responder's part of an answer's time cannot be longer than the whole, but for rounding.
    let right = measured + truth / 500 >= truth && measured <= truth + allowed;
    if right {
        Ok(())
    } else {
        Err(format!("{percent} %: {measured} ns for {truth} ns, {allowed} ns allowed"))
    }
}

fn longer_than(latencies: &Latencies, nanoseconds: u64) -> u64 {
    latencies.histogram().count_between(nanoseconds, u64::MAX)
}

/// An error unless `right`.
fn expect(right: bool, otherwise: String) -> Result<(), String> {
    if right { Ok(()) } else { Err(otherwise) }
}

#[test]
fn a_constant_delay_comes_out_right_to_two_per_cent() {
    judge("a constant delay", || {
        let behaviour = Behaviour { delay: Duration::from_millis(100), ..Behaviour::default() };
        let (outcome, truth) = measure(behaviour, at_rate(500, 1_000));
        for percent in [10.0, 50.0, 90.0] {
            same(&outcome, &outcome.sent.service_times, &truth, percent)?;
            same(&outcome, &outcome.sent.answer_times, &truth, percent)?;
        }
        let shortest = outcome.sent.answer_times.percentile_ns(0.0);
        expect(shortest >= 99 * MS, format!("an answer after {shortest} ns"))
    });
}

#[test]
fn one_answer_in_a_hundred_that_takes_fifty_milliseconds_is_told_from_the_others() {
    judge("slow answers", || {
        let behaviour =
            Behaviour { slow_every: 100, slow: Duration::from_millis(50), ..Behaviour::default() };
        let (outcome, truth) = measure(behaviour, at_rate(1_000, 3_000));
        for times in [&outcome.sent.service_times, &outcome.sent.answer_times] {
            same(&outcome, times, &truth, 99.5)?;
            let median = times.percentile_ns(50.0);
            expect(median < 5 * MS, format!("a median of {median} ns"))?;
            let slow = longer_than(times, 49 * MS);
            expect((30..=36).contains(&slow), format!("{slow} slow answers of 30"))?;
        }
        Ok(())
    });
}

#[test]
fn a_stall_is_counted_for_every_push_that_was_meant_to_be_sent_in_it() {
    judge("a stall", || {
        let behaviour = Behaviour {
            stall_at: 1_000,
            stall: Duration::from_millis(500),
            ..Behaviour::default()
        };
        let (outcome, _) = measure(behaviour, |plan| {
            at_rate(2_000, 4_000)(plan);
            plan.pipeline = 64;
        });
        let answers = &outcome.sent.answer_times;
        let longest_ms = answers.percentile_ns(100.0) / MS;
        expect(
            (499..520).contains(&longest_ms),
            format!("the longest answer took {longest_ms} ms"),
        )?;
        // A push meant for t milliseconds after the stall's begin waits for the rest of it: 2
        // pushes a millisecond.
        for waited_ms in [100, 200, 300, 400] {
            let (expected, counted) =
                ((longest_ms - waited_ms) * 2, longer_than(answers, waited_ms * MS));
            let right = counted.abs_diff(expected) <= expected / 50 + 20;
            expect(right, format!("{counted} of {expected} waited {waited_ms} ms"))?;
        }
        Ok(())
    });
}

#[test]
fn pushes_that_full_connections_hold_back_are_counted_and_are_not_the_generators_lateness() {
    judge("pushes held back", || {
        let behaviour = Behaviour {
            stall_at: 1_000,
            stall: Duration::from_millis(500),
            ..Behaviour::default()
        };
        let (outcome, _) = measure(behaviour, at_rate(2_000, 4_000));
        let sent = &outcome.sent;
        expect(sent.held_back > 800, format!("{} held back", sent.held_back))?;
        let (answers, services) =
            (longer_than(&sent.answer_times, 100 * MS), longer_than(&sent.service_times, 100 * MS));
        expect(
            answers >= 780 && services <= 64,
            format!("{answers} answers, {services} services"),
        )?;
        let (own, all) =
            (longer_than(&sent.own_lateness, 100 * MS), longer_than(&sent.lateness, 100 * MS));
        expect(own == 0 && all > 700, format!("{own} late by themselves of {all}"))
    });
}

#[test]
fn a_closed_loop_hides_the_stall_that_an_open_loop_shows() {
    judge("a closed loop", || {
        let behaviour = Behaviour {
            stall_at: 1_000,
            stall: Duration::from_millis(500),
            ..Behaviour::default()
        };
        let (outcome, _) = measure(behaviour, |plan| plan.pushes = 4_000);
        let stalled = longer_than(&outcome.sent.answer_times, 100 * MS);
        expect((1..=64).contains(&stalled), format!("{stalled} pushes of 64 in flight"))
    });
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
