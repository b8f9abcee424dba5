//! Every way in which a push ends by itself, and its E5.

use super::{accepted, add_client, check_form, msn, site, soon};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;

const EMERGENCY: &str = "00100000002";
const STAYS_HOME: &str = "00100000003";
const PS_ONLY: &str = "00100000004";

/// A line, a push to it, and what the push client is told.
struct Outcome {
    line: &'static str,
    xpid: &'static str,
    code: &'static str,
    /// `None`: not known, and so not told.
    domain: Option<&'static str>,
    status: &'static str,
    push: fn(Body) -> Body,
}

fn outcome(
    line: &'static str,
    code: &'static str,
    status: &'static str,
    push: fn(Body) -> Body,
) -> Outcome {
    Outcome { line, xpid: XPID, code, domain: None, status, push }
}

fn as_it_is(push: Body) -> Body {
    push
}

fn expiring(push: Body) -> Body {
    push.with("expiry", &soon())
}

fn once(push: Body) -> Body {
    push.with("lifetime", "00")
}

/// Codes, domains as the decision table has them, TP-Status as 3GPP TS 23.040, 9.2.3.15 names the
/// end.
fn table() -> Vec<Outcome> {
    let by = |domain, outcome| Outcome { domain: Some(domain), ..outcome };
    let of = |xpid, outcome| Outcome { xpid, ..outcome };
    vec![
        by("PS", outcome("home", "0000", "00", as_it_is)),
        by("CS", outcome("no-ps", "0000", "00", as_it_is)),
        by("CS", outcome("ps-failure", "0000", "00", as_it_is)),
        by("CS", outcome("roaming-ps+roaming-cs+operator-0", "0000", "00", as_it_is)),
        by("PS", outcome("roaming-ps+roaming-cs+operator-1", "0000", "00", as_it_is)),
        outcome("suspended", "5001", "63", as_it_is),
        outcome("spam", "5002", "63", as_it_is),
        outcome("limit", "5003", "63", as_it_is),
        by("PS", of(EMERGENCY, outcome("suspended+spam+limit", "0000", "00", as_it_is))),
        outcome("roaming-ps+no-cs+operator-2", "5004", "46", expiring),
        by("PS", of(PS_ONLY, outcome("roaming-ps+ps-failure", "5004", "46", expiring))),
        of(STAYS_HOME, outcome("roaming-ps", "5005", "63", as_it_is)),
        of(STAYS_HOME, outcome("roaming-cs", "5005", "63", as_it_is)),
        outcome("unknown", "6002", "43", as_it_is),
        outcome("barred", "6003", "45", as_it_is),
        outcome("not-provisioned", "6003", "45", as_it_is),
        by("PS", outcome("illegal", "6004", "41", as_it_is)),
        by("PS", outcome("not-equipped", "6004", "41", as_it_is)),
        by("PS", outcome("protocol-error", "6005", "40", expiring)),
        outcome("absent", "6006", "46", expiring),
        by("CS", outcome("absent-after-accept", "6006", "46", expiring)),
        outcome("memory-full", "6007", "46", expiring),
        by("PS", outcome("memory-full-after-accept", "6007", "46", expiring)),
        by("PS", outcome("sim-full-after-accept", "6007", "46", expiring)),
        by("CS", outcome("busy", "6008", "46", expiring)),
        by("CS", outcome("system-failure", "6008", "46", expiring)),
        outcome("hlr-failure", "6008", "46", expiring),
        by("CS", outcome("busy", "6009", "62", once)),
        outcome("absent", "6009", "62", once),
        outcome("hlr-failure", "6009", "62", once),
    ]
}

//= TS 23.040 9.2.3.15 end
#[test]
fn every_end_of_a_push_is_told_with_its_code() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    add_client(&site, EMERGENCY, &recorder, &["--svcinst", "11111"]);
    add_client(&site, STAYS_HOME, &recorder, &["--svcinst", "00010"]);
    add_client(&site, PS_ONLY, &recorder, &["--svcinst", "00001"]);
    let table = table();
    let lines: Vec<(String, &str)> =
        (0..).zip(&table).map(|(number, row)| (msn(number), row.line)).collect();
    site.set_lines(&lines);
    let engine = site.start();
    let mut connection = engine.connect();
    let mut pushes = Vec::new();
    for (number, row) in (0..).zip(&table) {
        let push = Body::push(&msn(number), &format!("outcome-{number}")).with("svcid", row.xpid);
        let push = (row.push)(push);
        accepted(&connection.ask(&push.request()));
        pushes.push(push);
    }
    for ((number, row), push) in (0..).zip(&table).zip(&pushes) {
        let notices = recorder.await_about(&format!("outcome-{number}"), 1);
        let [notice] = &notices[..] else { panic!("{}: {notices:?}", row.line) };
        check_form(notice, push);
        let told = (notice.get("code"), notice.elements.find("domain"), notice.get("tpst"));
        assert_eq!(told, (row.code, row.domain, row.status), "{} under {}", row.line, row.xpid);
        let delivered = if row.code == "0000" { "1" } else { "0" };
        assert_eq!(
            (notice.get("sepmaxnum"), notice.get("dlvnum")),
            ("1", delivered),
            "{}",
            row.line
        );
        assert_eq!((notice.get("fncid"), notice.get("trynum")), ("0301", "1"), "{}", row.line);
    }
    engine.stop();
}

#[test]
fn a_push_that_expires_behind_another_was_never_tried() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set_lines(&[(msn(0), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    let push = |reqid: &str| Body::push(&msn(0), reqid).with("expiry", &soon());
    for reqid in ["first", "second"] {
        accepted(&connection.ask(&push(reqid).request()));
    }
    assert_eq!(recorder.await_about("first", 1)[0].get("code"), "6006");
    assert_eq!(recorder.await_about("second", 1)[0].get("code"), "6001");
    engine.stop();
}

#[test]
fn a_push_of_which_some_segments_arrived_is_partial() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    // Every attempt is struck from one of its segments on.
    site.set("--network-outcomes", "busy=1");
    let engine = site.start();
    let mut connection = engine.connect();
    let segments_of = |number: u64| if number < 20 { 10 } else { 2 };
    for number in 0..40 {
        let text = "a".repeat(153 * segments_of(number));
        let push =
            Body::text(&msn(number), &format!("part-{number}"), &text).with("lifetime", "00");
        accepted(&connection.ask(&push.request()));
    }
    let mut codes = std::collections::BTreeMap::new();
    for notice in recorder.await_count(40) {
        let [segments, delivered] =
            ["sepmaxnum", "dlvnum"].map(|name| notice.get(name).parse::<u32>().expect("a number"));
        let expected = if delivered == 0 { "6009" } else { "6011" };
        assert!(delivered < segments && notice.get("code") == expected, "{notice:?}");
        *codes.entry(expected).or_insert(0) += 1;
    }
    assert_eq!(codes.len(), 2, "{codes:?}");
    engine.stop();
    let bill = tests::bill::Bill::of_these_days(&site);
    let billed = ["accepted", "partial", "failed"].map(|column| bill.sum(XPID, column));
    assert_eq!(billed, [40, codes["6011"], codes["6009"]]);
}
