//! Where several codes apply, the first in the interface's order is answered.

use super::{MSN, ask, site};
use tests::engine::Engine;
use tests::push::Body;
use tests::wait;

const LIMITED: &str = "00100000011";
/// Of its own: one push may wait for an msn here, and one of another XPID may just be on its way.
const LIMITED_MSN: &str = "09000000003";

fn push(reqid: &str) -> Body {
    Body::push(MSN, reqid)
}

/// A push to an msn without a contract.
fn strange(reqid: &str) -> Body {
    Body::push("08011112222", reqid)
}

#[track_caller]
fn check(engine: &Engine, cases: &[(&str, Vec<u8>, &str)]) {
    for (name, request, code) in cases {
        assert_eq!(ask(engine, request).code(), *code, "{name}");
    }
}

//= push answer checks
#[test]
fn the_first_code_that_applies_is_answered() {
    let mut site = site();
    site.add_client(LIMITED, &["--volume", "1", "--token-file", &site.token_file("secret")]);
    site.add_contracts(LIMITED, &[LIMITED_MSN]);
    site.set("--waiting-per-msn-max", "1").set_lines(&[("09000000001", "absent")]);
    let engine = site.start();
    let limited = |reqid: &str| Body::push(LIMITED_MSN, reqid).with("svcid", LIMITED);
    assert_eq!(ask(&engine, &limited("used").request_with_token("secret")).code(), "0000");
    assert_eq!(ask(&engine, &Body::push("09000000001", "waits").request()).code(), "0000");
    assert_eq!(ask(&engine, &Body::push(MSN, "used").request()).code(), "0000");
    wait::until_true("the end of both deliveries", || {
        engine.admin().figure("pushes_delivered") == 2
    });
    let cases = [
        ("form before authentication", limited("a").with("lifetime", "99").request(), "1003"),
        (
            "unknown fncid before a bad value",
            push("a").with("fncid", "9999").with("msn", "1").request(),
            "1004",
        ),
        (
            "comway before an unknown element",
            push("a").with("comway", "9").with("code", "1").request(),
            "1005",
        ),
        ("unknown before missing", push("a").without("msn").with("code", "1").request(), "1006"),
        ("missing before bad", push("a").without("msn").with("lifetime", "99").request(), "1002"),
        (
            "authentication before registration",
            strange("a").with("svcid", LIMITED).request(),
            "2001",
        ),
        (
            "registration before contract",
            strange("a").with("svcid", "99999999999").request(),
            "2002",
        ),
        (
            "waiting before contract and content",
            Body::push("09000000001", "b").with("data", "F").request(),
            "8005",
        ),
        ("contract before sender", strange("a").with("oadr", "Other").request(), "2005"),
        ("contract before content", strange("a").with("data", "").request(), "2005"),
        (
            "sender before volume",
            limited("a").with("oadr", "Other").request_with_token("secret"),
            "2006",
        ),
        (
            "volume before content",
            limited("a").with("data", "F").request_with_token("secret"),
            "2007",
        ),
        ("empty before bad udh", push("a").with("data", "").with("udh", "01").request(), "4003"),
        ("content before a reused reqid", push("used").with("data", "F").request(), "4004"),
        ("a reused reqid before a repeat", push("used").with("data", "00").request(), "3001"),
    ];
    check(&engine, &cases);
    engine.admin().request("POST", "/pause", "");
    wait::until_true("a pause", || ask(&engine, &push("paused").request()).code() == "8004");
    let paused = [
        ("form before pause", push("a").with("lifetime", "99").request(), "1003"),
        ("registration before pause", push("a").with("svcid", "99999999999").request(), "2002"),
        ("pause before contract", strange("a").request(), "8004"),
        ("pause before content", push("a").with("data", "").request(), "8004"),
    ];
    check(&engine, &paused);
    engine.stop();
}
