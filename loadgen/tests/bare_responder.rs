//! The senders against a responder that does nothing but answer.

use loadgen::bare::Bare;
use loadgen::mix::Mix;
use loadgen::plan::{Load, Plan};
use loadgen::run::{Outcome, run};
use std::net::SocketAddr;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn send(change: impl FnOnce(&mut Plan)) -> Outcome {
    let bare = Bare::start(ANY, &[]).expect("a loopback port");
    let mut plan = Plan { notify: false, ..Plan::new(bare.address()) };
    change(&mut plan);
    let pushes = plan.pushes;
    let outcome = run(plan, None).expect("the responder is up");
    assert_eq!(bare.answered(), pushes);
    assert!(outcome.is_clean(), "{}", outcome.tally);
    assert_eq!((outcome.tally.attempted, outcome.tally.accepted), (pushes, pushes));
    assert_eq!(outcome.sent.answer_times.count(), pushes);
    outcome
}

#[test]
fn a_closed_loop_sends_every_push_once_at_any_depth_and_number_of_threads() {
    for (connections, pipeline, threads) in [(1, 1, 1), (64, 1, 1), (3, 16, 2), (4, 256, 4)] {
        let outcome = send(|plan| {
            plan.pushes = 20_011;
            (plan.connections, plan.pipeline, plan.threads) = (connections, pipeline, threads);
        });
        assert_eq!(outcome.sent.lateness.count(), 0);
    }
}

#[test]
fn an_open_loop_keeps_its_schedule() {
    let outcome = send(|plan| {
        plan.pushes = 4_000;
        plan.load = Load::Open { rate_per_second: 10_000 };
        plan.connections = 8;
    });
    // 4,000 pushes at 10,000 a second: the last is meant to go out 399.9 ms after the first, and
    // never before.
    assert!(outcome.answered_within.as_secs_f64() >= 0.3999, "{:?}", outcome.answered_within);
    assert_eq!(outcome.sent.lateness.count(), 4_000);
    let (answer, service) = (&outcome.sent.answer_times, &outcome.sent.service_times);
    assert!(answer.percentile_ns(50.0) >= service.percentile_ns(50.0));
}

#[test]
fn an_overloaded_open_loop_counts_the_wait_from_the_intended_send() {
    // One request at a time, all due at once: the last one's answer time is nearly the whole run.
    let outcome = send(|plan| {
        plan.pushes = 5_000;
        plan.load = Load::Open { rate_per_second: 100_000_000 };
        (plan.connections, plan.pipeline) = (1, 1);
        plan.mix = Mix::sample();
    });
    let whole_ns = outcome.answered_within.as_nanos() as u64;
    assert!(outcome.sent.answer_times.percentile_ns(100.0) >= whole_ns / 100 * 98);
    assert!(outcome.sent.service_times.percentile_ns(50.0) < whole_ns / 100);
    assert!(outcome.sent.late > 0);
}
