//! 0000 to 0002 and 3001 to 3005: what earlier requests make of a request.

use super::{Case, MSN, ask, check, check_answer, site};
use std::collections::BTreeSet;
use tests::engine::Engine;
use tests::push::Body;
use tests::wait;

pub(super) const CODES: &[&str] = &["0000", "0001", "0002", "3001", "3002", "3003", "3004", "3005"];

const ABSENT: &str = "09000000001";
const UNKNOWN: &str = "09000000002";

//= push once key
//= push cancel refused
#[test]
fn what_went_before_decides_about_repeats_and_cancels() {
    let mut site = site();
    site.set_lines(&[(ABSENT, "absent"), (UNKNOWN, "unknown")]);
    let engine = site.start();
    let mut seen = BTreeSet::new();
    let mut step = |name: &str, request: Vec<u8>, status: u16, code: &'static str| {
        seen.extend(check(&engine, &[Case::new(name, request, status, code)]));
    };
    let delivered = || Body::push(MSN, "delivered");
    step("a push", delivered().request(), 200, "0000");
    step("its repeat", delivered().request(), 200, "0001");
    step("its reqid with other data", delivered().with("data", "00").request(), 409, "3001");
    step(
        "its reqid with another lifetime",
        delivered().with("lifetime", "02").request(),
        409,
        "3001",
    );
    step("its reqid to another msn", Body::push("09000000009", "delivered").request(), 200, "0000");
    let alert = |reqid: &str, sequence: &str| {
        Body::push(ABSENT, reqid).with("alertid", "quake").with("alertseq", sequence).request()
    };
    step("an alert", alert("alert-5", "05"), 200, "0000");
    step("the same sequence under another reqid", alert("alert-5-again", "05"), 200, "0002");
    step("a lower sequence", alert("alert-4", "04"), 200, "0002");
    step("a higher sequence", alert("alert-6", "06"), 200, "0000");
    step("a cancel of nothing", Body::cancel(MSN, "never").request(), 404, "3002");
    step("a cancel of no alert", Body::cancel_alert("never", "c1").request(), 404, "3002");
    await_ended(&engine, "pushes_delivered", 1);
    step("a cancel too late", Body::cancel(MSN, "delivered").request(), 409, "3003");
    step("a push that waits", Body::push(ABSENT, "waits").request(), 200, "0000");
    step("its cancel", Body::cancel(ABSENT, "waits").request(), 200, "0000");
    step("its cancel again", Body::cancel(ABSENT, "waits").request(), 409, "3004");
    step("the cancelled push again", Body::push(ABSENT, "waits").request(), 200, "0001");
    step("a push that fails", Body::push(UNKNOWN, "fails").request(), 200, "0000");
    await_ended(&engine, "pushes_refused", 1);
    step("its cancel", Body::cancel(UNKNOWN, "fails").request(), 409, "3005");
    step("the cancel of an alert", Body::cancel_alert("quake", "c2").request(), 200, "0000");
    step("its repeat", Body::cancel_alert("quake", "c2").request(), 200, "0001");
    step("a cancel of no alert again", Body::cancel_alert("never", "c1").request(), 404, "3002");
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), CODES);
    engine.stop();
}

//= push element echo
#[test]
fn an_answer_repeats_the_identifiers_and_says_the_number_of_segments() {
    let site = site();
    let engine = site.start();
    let long = Body::text(MSN, "long", &"a".repeat(300));
    for (name, request, segments) in [
        ("two segments", long.request(), "2"),
        ("its repeat", long.request(), "2"),
        ("a refusal", long.with("data", "b").request(), "0"),
        ("ten segments", Body::text(MSN, "ten", &"\u{3042}".repeat(670)).request(), "10"),
        ("a cancel of nothing", Body::cancel(MSN, "never").request(), "0"),
    ] {
        let answer = ask(&engine, &request);
        let elements = answer.elements();
        assert_eq!(elements.get("sepmaxnum"), segments, "{name}: {answer:?}");
        assert_eq!(
            (elements.get("msn"), elements.get("svcid")),
            (MSN, tests::push::XPID),
            "{name}"
        );
        let text = String::from_utf8_lossy(&request).into_owned();
        assert!(text.contains(&format!("<reqid>{}</reqid>", elements.get("reqid"))), "{name}");
    }
    let partly = Body::push(MSN, "partly").with("lifetime", "x").without("svcid").request();
    let answer = ask(&engine, &partly);
    check_answer("what could not be read is empty", &answer, 400, "1002");
    let elements = answer.elements();
    assert_eq!(
        (elements.get("msn"), elements.get("reqid"), elements.get("svcid")),
        (MSN, "partly", "")
    );
    engine.stop();
}

fn await_ended(engine: &Engine, figure: &str, at_least: u64) {
    wait::until_true(figure, || engine.admin().figure(figure) >= at_least);
}
