//! 8001 to 8005, 9001 and 9002: what cannot be done now.

use super::{Case, MSN, ask, check, check_answer, site};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tests::push::Body;

pub(super) const CODES: &[&str] = &["8001", "8002", "8003", "8004", "8005", "9001", "9002"];

/// What the tests of this file have seen; the last to finish finds every code.
static SEEN: Mutex<(BTreeSet<String>, u32)> = Mutex::new((BTreeSet::new(), 0));
const TESTS: u32 = 4;

fn note(codes: impl IntoIterator<Item = String>) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.0.extend(codes);
    seen.1 += 1;
    if seen.1 == TESTS {
        assert_eq!(seen.0.iter().map(String::as_str).collect::<Vec<_>>(), CODES);
    }
}

//= push once rate
//= push code later
#[test]
fn a_push_over_the_rate_is_asked_to_come_again_and_is_then_taken() {
    let site = site();
    site.add_client("00100000010", &["--rate", "1"]);
    site.add_contracts("00100000010", &[MSN]);
    let engine = site.start();
    let push = |reqid: &str| Body::push(MSN, reqid).with("svcid", "00100000010").request();
    let mut connection = engine.connect();
    let begun = std::time::Instant::now();
    check_answer("the first", &connection.ask(&push("first")), 200, "0000");
    let second = connection.ask(&push("second"));
    // A machine that stood still for a second between the two owes nothing.
    if begun.elapsed().as_millis() < 900 {
        check_answer("the second", &second, 429, "8001");
        check_answer("a repeat costs no rate", &connection.ask(&push("first")), 200, "0001");
    }
    let code = tests::wait::until("room within the rate", || {
        let code = connection.ask(&push("third")).code();
        (code != "8001").then_some(code)
    });
    assert_eq!(code, "0000");
    note([second.code()]);
    engine.stop();
}

#[test]
fn a_paused_engine_refuses_pushes_and_still_takes_cancels() {
    let mut site = site();
    site.set_lines(&[(MSN, "absent")]);
    let engine = site.start();
    let push = Body::push(MSN, "before").request();
    check_answer("before", &ask(&engine, &push), 200, "0000");
    engine.admin().request("POST", "/pause", "");
    assert!(engine.admin().status().paused);
    let refused = Body::push(MSN, "during").request();
    let answer = tests::wait::until("a pause", || {
        let answer = ask(&engine, &refused);
        (answer.code() != "0001" && answer.code() != "0000").then_some(answer)
    });
    check_answer("during", &answer, 503, "8004");
    check_answer("a cancel", &ask(&engine, &Body::cancel(MSN, "before").request()), 200, "0000");
    engine.admin().request("POST", "/resume", "");
    tests::wait::until_true("an end of the pause", || ask(&engine, &refused).code() == "0000");
    note([answer.code()]);
    engine.stop();
}

//= push code later
#[test]
fn too_many_pushes_for_one_msn_are_asked_to_come_again_and_others_are_taken() {
    let mut site = site();
    site.set("--waiting-per-msn-max", "3").set_lines(&[("09000000001", "absent")]);
    let engine = site.start();
    let push = |number: u32| Body::push("09000000001", &format!("waits-{number}")).request();
    for number in 0..3 {
        check_answer("one that waits", &ask(&engine, &push(number)), 200, "0000");
    }
    let seen = check(&engine, &[Case::new("one too many", push(3), 429, "8005")]);
    check_answer("a repeat of one that waits", &ask(&engine, &push(1)), 200, "0001");
    check_answer(
        "another msn",
        &ask(&engine, &Body::push("09000000002", "free").request()),
        200,
        "0000",
    );
    check_answer(
        "a cancel",
        &ask(&engine, &Body::cancel("09000000001", "waits-1").request()),
        200,
        "0000",
    );
    check_answer("the freed place", &ask(&engine, &push(3)), 200, "0000");
    note(seen);
    engine.stop();
}

#[test]
fn what_the_engine_cannot_do_now_is_said_with_its_code_and_the_engine_goes_on() {
    let mut site = site();
    for fault in ["overload=2", "storage-full=3", "internal-error=4", "not-durable=5"] {
        site.inject(fault);
    }
    let engine = site.start();
    let push = |number: u32| Body::push(MSN, &format!("fault-{number}")).request();
    let mut connection = engine.connect();
    let mut seen = BTreeSet::new();
    for (number, status, code) in [
        (1, 200, "0000"),
        (2, 503, "8002"),
        (3, 503, "8003"),
        (4, 500, "9001"),
        (5, 500, "9002"),
        (6, 200, "0000"),
    ] {
        let answer = connection.ask(&push(number));
        check_answer(&format!("push {number}"), &answer, status, code);
        seen.insert(answer.code());
    }
    for number in 2..=5 {
        check_answer("what was refused is new", &connection.ask(&push(number)), 200, "0000");
    }
    seen.remove("0000");
    note(seen);
    engine.stop();
}
