//! Every class of the ledger, told by an engine that errs on purpose, and the way back after lost
//! connections.

mod common;

use common::{DELIVERED, FakeEngine, Notice, Reply, Script};
use loadgen::ledger::Tally;
use loadgen::plan::{Load, Plan};
use loadgen::run::{Outcome, Run, run};
use loadgen::sink::{Misbehaviour, Sink};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const PUSHES: u64 = 400;
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn sink() -> Sink {
    Sink::start(ANY, &[]).expect("a loopback port")
}

fn plan(target: SocketAddr) -> Plan {
    let mut plan = Plan { pushes: PUSHES, window: Some(100), ..Plan::new(target) };
    plan.patience.stall_after = Duration::from_millis(300);
    plan.patience.linger = Duration::from_millis(100);
    plan
}

fn drive(script: Script) -> Outcome {
    let sink = sink();
    let engine = FakeEngine::start(script, Some(sink.address()));
    run(plan(engine.address), Some(&sink)).expect("the engine is up")
}

/// What a run in which everything went well would give.
fn clean() -> Tally {
    Tally {
        attempted: PUSHES,
        accepted: PUSHES,
        delivered: PUSHES,
        notified: PUSHES,
        lost: Some(0),
        ..Tally::default()
    }
}

#[test]
fn a_run_in_which_all_goes_well_is_clean() {
    let outcome = drive(Script::default());
    assert_eq!(outcome.tally, clean());
    assert!(outcome.is_clean());
    assert_eq!(
        outcome.tally.to_string(),
        "attempted 400 · accepted 400 · delivered 400 · notified 400 · lost 0 · duplicated 0 · \
         unexpected 0"
    );
    assert_eq!(outcome.notification_times.count(), PUSHES);
    assert_eq!(outcome.ledger.segments_delivered(), PUSHES);
    assert!(outcome.settled_within >= outcome.answered_within);
}

#[test]
fn an_open_loop_with_two_threads_is_clean_too() {
    let sink = sink();
    let engine = FakeEngine::start(Script::default(), Some(sink.address()));
    let mut plan = plan(engine.address);
    plan.load = Load::Open { rate_per_second: 4_000 };
    plan.threads = 2;
    let outcome = run(plan, Some(&sink)).expect("the engine is up");
    assert_eq!(outcome.tally, clean());
}

#[test]
fn a_notification_that_never_comes_is_a_lost_push() {
    let outcome = drive(Script {
        notices: |i| if i == 17 { vec![] } else { vec![DELIVERED] },
        ..Script::default()
    });
    assert_eq!(
        outcome.tally,
        Tally { delivered: PUSHES - 1, notified: PUSHES - 1, lost: Some(1), ..clean() }
    );
    assert!(!outcome.is_clean());
    assert_eq!(outcome.ledger.lost(10), [17]);
}

#[test]
fn the_same_notification_again_is_allowed_and_another_one_is_not() {
    let outcome = drive(Script {
        notices: |i| match i {
            3 => vec![DELIVERED, DELIVERED, DELIVERED],
            5 => vec![DELIVERED, Notice { id: "n2", ..DELIVERED }],
            7 => vec![DELIVERED, Notice { code: "6001", ..DELIVERED }],
            _ => vec![DELIVERED],
        },
        ..Script::default()
    });
    assert_eq!(outcome.tally, Tally { resent: 2, duplicated: 2, ..clean() });
    assert!(
        outcome.ledger.is_duplicated(5)
            && outcome.ledger.is_duplicated(7)
            && !outcome.ledger.is_duplicated(3)
    );
}

#[test]
fn a_push_that_failed_is_notified_but_not_delivered() {
    let outcome = drive(Script {
        notices: |i| {
            vec![if i % 4 == 0 { Notice { code: "6002", ..DELIVERED } } else { DELIVERED }]
        },
        ..Script::default()
    });
    assert_eq!(outcome.tally, Tally { delivered: 300, ..clean() });
    assert!(outcome.is_clean());
    assert_eq!(outcome.ledger.notification_codes(), [(0, 300), (6002, 100)]);
}

#[test]
fn notifications_for_refused_pushes_or_another_run_are_unexpected() {
    let outcome = drive(Script {
        answer: |i, _| match i {
            10 => Reply::RefuseAndNotify("2006"),
            11 => Reply::Refuse("2005", None),
            _ => Reply::Accept,
        },
        notices: |i| {
            if i == 20 {
                vec![DELIVERED, Notice { foreign: true, ..DELIVERED }]
            } else {
                vec![DELIVERED]
            }
        },
    });
    let expected = Tally {
        accepted: PUSHES - 2,
        refused: 2,
        delivered: PUSHES - 1,
        notified: PUSHES - 1,
        unexpected: 2,
        ..clean()
    };
    assert_eq!(outcome.tally, expected);
    assert_eq!(outcome.ledger.answer_codes(), [(0, PUSHES - 2), (2005, 1), (2006, 1)]);
}

#[test]
fn a_push_whose_answer_was_lost_with_its_connection_is_sent_again_and_counts_once() {
    let outcome = drive(Script {
        answer: |i, n| match (i % 50, n) {
            (20, 0) => Reply::AcceptAndHangUp,
            (40, 0) => Reply::HangUp,
            _ => Reply::Accept,
        },
        ..Script::default()
    });
    assert!(
        outcome.tally.repeated > 0 && outcome.sent.resent > 0 && outcome.sent.connections_lost > 0
    );
    assert_eq!(outcome.tally, Tally { repeated: outcome.tally.repeated, ..clean() });
    assert!(outcome.is_clean());
}

#[test]
fn an_engine_that_is_killed_and_comes_back_on_its_port_leaves_a_clean_ledger() {
    let sink = sink();
    let mut engine = FakeEngine::start(Script::default(), Some(sink.address()));
    let mut plan = plan(engine.address);
    plan.load = Load::Open { rate_per_second: 1_000 };
    let run = Run::start(plan, Some(&sink)).expect("the engine is up");
    for part in 1..=3 {
        while run.progress().accepted < part * 80 {
            std::thread::yield_now();
        }
        engine.kill();
        engine.restart();
    }
    let outcome = run.wait();
    assert_eq!(
        outcome.tally,
        Tally { repeated: outcome.tally.repeated, resent: outcome.tally.resent, ..clean() }
    );
    // A process that is killed with nothing unread says the same as one that closes in order.
    assert!(outcome.sent.connections_lost + outcome.sent.connections_closed >= 3);
    assert_eq!(engine.accepted() as u64, PUSHES);
}

#[test]
fn an_engine_that_stays_away_ends_the_run_with_a_sentence_and_unanswered_pushes() {
    let sink = sink();
    let mut engine = FakeEngine::start(Script::default(), Some(sink.address()));
    let mut plan = plan(engine.address);
    plan.load = Load::Open { rate_per_second: 1_000 };
    plan.patience.reconnect_for = Duration::from_millis(150);
    let run = Run::start(plan, Some(&sink)).expect("the engine is up");
    while run.progress().accepted < 50 {
        std::thread::yield_now();
    }
    engine.kill();
    let outcome = run.wait();
    let sentence = outcome.sent.failure.clone().expect("the thread gave up");
    assert!(sentence.contains("is the engine still running?"), "{sentence}");
    assert!(!outcome.is_clean() && outcome.tally.attempted < PUSHES);
}

#[test]
fn a_push_told_to_come_again_is_sent_again_after_its_pause() {
    let outcome = drive(Script {
        answer: |i, n| match (i, n) {
            (0..=9, 0..=2) => Reply::Refuse("8001", Some(0)),
            (10, 0) => Reply::Refuse("8002", Some(1)),
            _ => Reply::Accept,
        },
        ..Script::default()
    });
    assert_eq!(outcome.tally, clean());
    assert_eq!(outcome.sent.retried, 31);
    assert_eq!(outcome.ledger.answer_codes(), [(0, PUSHES), (8001, 30), (8002, 1)]);
    assert!(outcome.sent.answer_times.percentile_ns(100.0) >= 1_000_000_000);
}

#[test]
fn answers_in_pieces_are_put_together_and_answers_out_of_turn_are_found_out() {
    let outcome = drive(Script { answer: |_, _| Reply::AcceptInPieces, ..Script::default() });
    assert_eq!(outcome.tally, clean());
    // Push 32 is somewhere inside a pipeline, so its answer comes behind its follower's.
    let outcome = drive(Script {
        answer: |i, n| if (i, n) == (32, 0) { Reply::AcceptOutOfTurn } else { Reply::Accept },
        ..Script::default()
    });
    assert_eq!(outcome.tally, clean());
    assert!(outcome.sent.misordered > 0 && !outcome.is_clean());
}

#[test]
fn something_that_is_not_http_costs_the_connection_and_nothing_else() {
    let outcome = drive(Script {
        answer: |i, n| if (i, n) == (100, 0) { Reply::Nonsense } else { Reply::Accept },
        ..Script::default()
    });
    assert_eq!(outcome.tally, Tally { repeated: outcome.tally.repeated, ..clean() });
    assert_eq!(outcome.sent.malformed, 1);
}

#[test]
fn a_sink_that_misbehaves_gets_every_notification_in_the_end() {
    for misbehaviour in [
        Misbehaviour { fail_every: 3, ..Misbehaviour::default() },
        Misbehaviour { close_every: 7, ..Misbehaviour::default() },
        Misbehaviour {
            delay: Duration::from_millis(1),
            fail_every: 5,
            close_every: 11,
            down: false,
        },
    ] {
        let sink = sink();
        sink.misbehave(misbehaviour);
        let engine = FakeEngine::start(Script::default(), Some(sink.address()));
        let outcome = run(plan(engine.address), Some(&sink)).expect("the engine is up");
        assert_eq!(
            outcome.tally,
            Tally { resent: outcome.tally.resent, ..clean() },
            "{misbehaviour:?}"
        );
        let received = sink.received();
        assert!(received.failed > 0 && outcome.tally.resent > 0, "{misbehaviour:?}");
        assert_eq!(received.malformed, 0);
    }
}

#[test]
fn a_sink_that_was_down_comes_back_on_its_address() {
    let sink = sink();
    sink.misbehave(Misbehaviour { down: true, ..Misbehaviour::default() });
    let engine = FakeEngine::start(Script::default(), Some(sink.address()));
    let mut plan = plan(engine.address);
    plan.window = None;
    let run = Run::start(plan, Some(&sink)).expect("the engine is up");
    while run.progress().accepted < PUSHES {
        std::thread::yield_now();
    }
    assert_eq!(run.progress().notified, 0);
    sink.misbehave(Misbehaviour::default());
    assert_eq!(run.wait().tally, clean());
}

#[test]
fn a_window_bounds_what_is_sent_and_not_yet_notified() {
    let sink = sink();
    sink.misbehave(Misbehaviour { down: true, ..Misbehaviour::default() });
    let engine = FakeEngine::start(Script::default(), Some(sink.address()));
    let run = Run::start(plan(engine.address), Some(&sink)).expect("the engine is up");
    while run.progress().accepted < 100 {
        std::thread::yield_now();
    }
    assert_eq!((run.progress().attempted, engine.accepted()), (100, 100));
    sink.misbehave(Misbehaviour::default());
    assert_eq!(run.wait().tally, clean());
}

#[test]
fn a_run_that_is_stopped_brings_what_it_sent_to_its_end() {
    let sink = sink();
    let engine = FakeEngine::start(Script::default(), Some(sink.address()));
    let mut plan = plan(engine.address);
    plan.pushes = 1_000_000;
    plan.load = Load::Open { rate_per_second: 2_000 };
    let run = Run::start(plan, Some(&sink)).expect("the engine is up");
    while run.progress().accepted < 50 {
        std::thread::yield_now();
    }
    run.stopper().stop();
    let outcome = run.wait();
    assert!(
        outcome.is_clean() && (50..100_000).contains(&outcome.tally.attempted),
        "{}",
        outcome.tally
    );
}
