//! The instrument against a responder whose delays are known, both in virtual time: the clock goes
//! on only when neither has anything left to do, so that no neighbour on the machine can disturb
//! what is measured.

use super::*;
use crate::bare::{Behaviour, Server};
use crate::clock::Clock;
use crate::limits::LATENCY_NS_MIN;
use crate::mix::Mix;
use crate::plan::Load;
use crate::schedule::{Schedule, Stretch};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

const MS: u64 = 1_000_000;
/// Turns of one virtual run, at most: many times what any of these needs.
const TURNS_MAX: u32 = 5_000_000;

/// Carries out a plan on one thread; returns what was measured.
fn measure(behaviour: Behaviour, change: impl FnOnce(&mut Plan)) -> Sent {
    let (clock, time) = Clock::standing();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server::new(any, behaviour, clock).expect("a loopback port");
    let mut plan =
        Plan { notify: false, mix: Mix::sample(), ..Plan::new(server.address().expect("bound")) };
    (plan.connections, plan.pipeline) = (64, 1);
    change(&mut plan);
    let connect = |_| {
        let socket = std::net::TcpStream::connect(plan.target).expect("a listener");
        TargetStream::over(socket, None).expect("a plain one")
    };
    let streams = (0..plan.connections).map(connect).collect();
    let shared = crate::run::share(plan, clock);
    shared.ledger.start(clock.now_ns());
    let mut sender = Sender::new(Arc::clone(&shared), 0, streams).expect("a poll");
    let (mut events, mut server_events) = (Events::with_capacity(256), Events::with_capacity(256));
    sender.begin();
    for _ in 0..TURNS_MAX {
        if sender.turn(&mut events, false).expect("the responder is up") {
            let sent = sender.end();
            assert!(shared.ledger.tally().is_clean(), "{}", shared.ledger.tally());
            return sent;
        }
        server.turn(&mut server_events, Some(Duration::ZERO)).expect("a poll");
        let (read, released) = (server.read(), server.released());
        let settled = shared.ledger.progress().accepted;
        let rendered = settled + sender.in_flight as u64;
        // Octets that are still between the two arrive at this same moment.
        let now_ns = clock.now_ns();
        let in_transit = settled < released || (read < rendered && !server.is_stalled());
        let done = sender.work.is_done() && sender.in_flight == 0;
        if in_transit || done || sender.work.due(now_ns) > 0 && !sender.line.is_empty() {
            continue;
        }
        let dues =
            [server.next_due_ns(), sender.work.next_due_ns().filter(|&due_ns| due_ns > now_ns)];
        let next_ns = dues.into_iter().flatten().min().expect("something is due");
        time.store(next_ns.max(now_ns), Relaxed);
    }
    panic!("the run does not end");
}

fn at_rate(rate_per_second: u64, pushes: u64) -> impl FnOnce(&mut Plan) {
    move |plan| (plan.load, plan.pushes) = (Load::Open { rate_per_second }, pushes)
}

/// Whether `percent` of `latencies` is `truth_ms`, to two per cent.
fn assert_about(latencies: &Latencies, percent: f64, truth_ms: f64) {
    let measured_ms = latencies.percentile_ns(percent) as f64 / MS as f64;
    assert!(
        (measured_ms / truth_ms - 1.0).abs() < 0.02,
        "{percent} %: {measured_ms} ms for {truth_ms} ms"
    );
}

fn longer_than(latencies: &Latencies, nanoseconds: u64) -> u64 {
    latencies.histogram().count_between(nanoseconds, u64::MAX)
}

#[test]
fn a_constant_delay_comes_out_right_at_every_percentile() {
    let behaviour = Behaviour { delay: Duration::from_millis(20), ..Behaviour::default() };
    let sent = measure(behaviour, at_rate(1_000, 5_000));
    for percent in [0.0, 50.0, 99.0, 99.9, 100.0] {
        assert_about(&sent.answer_times, percent, 20.0);
        assert_about(&sent.service_times, percent, 20.0);
    }
    assert!(sent.lateness.percentile_ns(100.0) <= LATENCY_NS_MIN);
    assert_eq!((sent.held_back, sent.late), (0, 0));
}

#[test]
fn one_answer_in_a_hundred_of_fifty_milliseconds_is_told_from_the_others() {
    let behaviour = Behaviour {
        delay: Duration::from_millis(2),
        slow_every: 100,
        slow: Duration::from_millis(50),
        ..Behaviour::default()
    };
    let sent = measure(behaviour, at_rate(1_000, 10_000));
    for times in [&sent.answer_times, &sent.service_times] {
        for (percent, truth_ms) in
            [(50.0, 2.0), (98.9, 2.0), (99.1, 52.0), (99.9, 52.0), (100.0, 52.0)]
        {
            assert_about(times, percent, truth_ms);
        }
        assert_eq!(longer_than(times, 10 * MS), 100);
    }
}

/// A stall of half a second, 2,000 pushes a second: a push meant for t ms after its begin waits for
/// the rest of it.
#[test]
fn a_stall_is_counted_for_every_push_that_was_meant_to_be_sent_in_it() {
    let behaviour = Behaviour {
        delay: Duration::from_micros(100),
        stall_at: 1_000,
        stall: Duration::from_millis(500),
        ..Behaviour::default()
    };
    // With room for all of them, and with full connections that hold most of them back: the push
    // client waits alike.
    for pipeline in [64, 1] {
        let sent = measure(behaviour, |plan| {
            at_rate(2_000, 10_000)(plan);
            plan.pipeline = pipeline;
        });
        assert_about(&sent.answer_times, 100.0, 500.0);
        for waited_ms in [100, 200, 300, 400] {
            let counted = longer_than(&sent.answer_times, waited_ms * MS);
            let expected = (500 - waited_ms) * 2;
            assert!(
                counted.abs_diff(expected) <= expected / 50 + 2,
                "{counted} of {expected}: {waited_ms} ms"
            );
        }
        // 10 % of 10,000 pushes fell into the stall, evenly: the 95 % value is that of its middle.
        assert_about(&sent.answer_times, 95.0, 250.0);
        assert_about(&sent.answer_times, 50.0, 0.1);
        let own = sent.own_lateness.percentile_ns(100.0);
        assert!(
            own <= LATENCY_NS_MIN,
            "what the target holds back is not the generator's lateness"
        );
        assert_eq!(sent.held_back > 800, pipeline == 1, "{}", sent.held_back);
    }
}

#[test]
fn a_closed_loop_hides_the_stall_that_an_open_loop_shows() {
    let behaviour = Behaviour {
        delay: Duration::from_millis(1),
        stall_at: 1_000,
        stall: Duration::from_millis(500),
        ..Behaviour::default()
    };
    let closed = measure(behaviour, |plan| plan.pushes = 10_000);
    let open = measure(behaviour, at_rate(2_000, 10_000));
    // The closed loop sent nothing while the target stood still: only what was in flight waited.
    assert!((1..=64).contains(&longer_than(&closed.answer_times, 10 * MS)));
    assert_about(&closed.answer_times, 99.0, 1.0);
    assert!(longer_than(&open.answer_times, 10 * MS) >= 960);
    assert!(open.answer_times.percentile_ns(99.0) > 400 * MS);
}

#[test]
fn every_arrival_of_a_plan_is_sent_at_its_time() {
    let stretches = [
        Stretch::Poisson { rate_per_s: 2_000.0, seconds: 0.5 },
        Stretch::Ramp { from_per_s: 0.0, to_per_s: 3_000.0, seconds: 0.5 },
        Stretch::Burst { rate_per_s: 500.0, pushes: 60, every_s: 0.1, seconds: 0.5 },
    ];
    let behaviour = Behaviour { delay: Duration::from_micros(300), ..Behaviour::default() };
    let sent = measure(behaviour, |plan| {
        let schedule = Schedule::of(&stretches, 7);
        (plan.pushes, plan.pipeline) = (schedule.pushes().expect("a table"), 64);
        plan.load = Load::Planned(schedule);
    });
    assert!(sent.lateness.percentile_ns(100.0) <= LATENCY_NS_MIN);
    assert_about(&sent.answer_times, 100.0, 0.3);
    assert!(sent.answer_times.count() > 2_000);
}

#[test]
fn a_thread_that_spins_sleeps_until_the_spin_begins_and_not_at_all_within_it() {
    let spin = Duration::from_micros(80);
    assert_eq!(pause_ns(500_000, spin), Some(420_000));
    assert_eq!(pause_ns(80_001, spin), Some(1));
    assert_eq!(pause_ns(80_000, spin), None);
    assert_eq!(pause_ns(0, spin), None);
    assert_eq!(pause_ns(500_000, Duration::ZERO), Some(500_000));
    assert_eq!(pause_ns(0, Duration::ZERO), Some(PACING_QUANTUM_NS));
}
