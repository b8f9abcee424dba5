//! 2001 to 2007: who may push what to whom.

use super::{Case, MSN, ask, check, check_answer, site};
use tests::push::{Body, day_in};
use tests::site::Site;

pub(super) const CODES: &[&str] = &["2001", "2002", "2003", "2004", "2005", "2006", "2007"];

const WITH_TOKEN: &str = "00100000002";
const OF_ANOTHER: &str = "00100000003";
const SUSPENDED: &str = "00100000004";
const OVER: &str = "00100000005";
const NOT_BEGUN: &str = "00100000006";
const CONTROL_ONLY: &str = "00100000007";
const ONE_A_DAY: &str = "00100000008";

/// A site with a client for each thing that one may not do.
fn site_of_clients() -> Site {
    let site = site();
    for (xpid, client, arguments) in [
        (WITH_TOKEN, "one", &["--token-file", &site.token_file("secret-of-one")][..]),
        (OF_ANOTHER, "other", &["--token-file", &site.token_file("secret-of-other")]),
        (SUSPENDED, "late", &["--suspended"]),
        (OVER, "late", &["--until", &day_in(-1)]),
        (NOT_BEGUN, "late", &["--from", &day_in(1)]),
        (CONTROL_ONLY, "small", &["--kind", "control"]),
        (ONE_A_DAY, "small", &["--volume", "1"]),
    ] {
        let arguments =
            [&["client", "add", xpid, "--client", client, "--sender", "Hayauma"], arguments]
                .concat();
        site.must(&arguments);
        site.add_contracts(xpid, &[MSN]);
    }
    site
}

//= push once rate
//= push right identity
#[test]
fn what_a_push_client_may_not_do_gets_its_code_and_status() {
    let site = site_of_clients();
    let engine = site.start();
    let of = |xpid: &str| Body::push(MSN, "rights").with("svcid", xpid);
    let mut cases = vec![
        Case::new("no token", of(WITH_TOKEN).request(), 401, "2001"),
        Case::new(
            "a token that nobody has",
            of(WITH_TOKEN).request_with_token("secret"),
            401,
            "2001",
        ),
        Case::new("no such XPID", of("99999999999").request(), 403, "2002"),
        Case::new(
            "another's token",
            of(WITH_TOKEN).request_with_token("secret-of-other"),
            403,
            "2003",
        ),
        Case::new("suspended", of(SUSPENDED).request(), 403, "2004"),
        Case::new("its term is over", of(OVER).request(), 403, "2004"),
        Case::new("its term has not begun", of(NOT_BEGUN).request(), 403, "2004"),
        Case::new(
            "an msn without contract",
            Body::push("08011112222", "rights").request(),
            403,
            "2005",
        ),
        Case::new(
            "a contract of another XPID",
            of(CONTROL_ONLY).with("msn", "09000000000").request(),
            403,
            "2005",
        ),
        Case::new("a class", of(CONTROL_ONLY).with("comway", "1103").request(), 403, "2006"),
        Case::new(
            "a kind",
            of(CONTROL_ONLY).with("ctrlflg", "1").with("data", "text").request(),
            403,
            "2006",
        ),
        Case::new("a sender", of(CONTROL_ONLY).with("oadr", "Other").request(), 403, "2006"),
    ];
    let cancel = Body::cancel(MSN, "rights").with("svcid", "99999999999").request();
    cases.push(Case::new("a cancel of no XPID", cancel, 403, "2002"));
    let cancel = Body::cancel(MSN, "rights").with("svcid", WITH_TOKEN).request();
    cases.push(Case::new("a cancel without token", cancel, 401, "2001"));
    // The day's one push is used up by the first of these.
    let first = ask(&engine, &of(ONE_A_DAY).request());
    check_answer("the first of the day", &first, 200, "0000");
    let second = of(ONE_A_DAY).with("reqid", "second").request();
    cases.push(Case::new("the second of the day", second, 403, "2007"));
    let seen = check(&engine, &cases);
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), CODES);
    let again = ask(&engine, &of(ONE_A_DAY).request());
    check_answer("a repeat is not charged again", &again, 200, "0001");
    let right = ask(&engine, &of(WITH_TOKEN).request_with_token("secret-of-one"));
    check_answer("the right token", &right, 200, "0000");
    engine.stop();
}

#[test]
fn one_connection_may_carry_several_clients_and_each_request_is_judged_by_its_own_token() {
    let site = site();
    for (xpid, client, token) in
        [(WITH_TOKEN, "one", "secret-of-one"), (OF_ANOTHER, "other", "secret-of-other")]
    {
        site.must(&[
            "client",
            "add",
            xpid,
            "--client",
            client,
            "--sender",
            "Hayauma",
            "--token-file",
            &site.token_file(token),
        ]);
        site.add_contracts(xpid, &[MSN]);
    }
    let engine = site.start();
    let mut connection = engine.connect();
    for round in 0..3 {
        for (xpid, token, code) in [
            (WITH_TOKEN, Some("secret-of-one"), "0000"),
            (OF_ANOTHER, Some("secret-of-one"), "2003"),
            (OF_ANOTHER, Some("secret-of-other"), "0000"),
            (WITH_TOKEN, None, "2001"),
            (WITH_TOKEN, Some("secret-of-onf"), "2001"),
        ] {
            let body = Body::push(MSN, &format!("token-{round}")).with("svcid", xpid);
            let request =
                token.map_or_else(|| body.request(), |token| body.request_with_token(token));
            let answer = connection.ask(&request);
            assert_eq!(answer.code(), code, "round {round}: {xpid} with {token:?}");
        }
    }
    engine.stop();
}
