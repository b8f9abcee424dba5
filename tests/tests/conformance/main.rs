//! The push-client interface through the socket: every code that a request can be answered with,
//! its HTTP status, its headers, and whether the connection stays open.

mod content;
mod form;
mod framing;
mod later;
mod order_of_checks;
mod rights;
mod sample;
mod state;
mod strangers;

use std::collections::BTreeSet;
use tests::engine::Engine;
use tests::http::{Answer, Connection};
use tests::push::Body;
use tests::site::Site;
use wire::terms::code::Code;

/// A registered msn of every engine here.
const MSN: &str = "09012345678";
/// The last of the contracted range 09000000000 to here.
const MSNS: &str = "09000000000-09000000999";

/// A request and what it has to be answered with.
struct Case {
    name: String,
    request: Vec<u8>,
    status: u16,
    code: &'static str,
    /// Whether the connection takes another request afterwards.
    kept: bool,
}

impl Case {
    fn new(name: impl Into<String>, request: Vec<u8>, status: u16, code: &'static str) -> Self {
        Self { name: name.into(), request, status, code, kept: true }
    }

    fn closing(self) -> Self {
        Self { kept: false, ..self }
    }
}

/// An engine with the usual push client and its contracts.
fn site() -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(
        tests::push::XPID,
        &["--class", "urgent", "--class", "emergency", "--class", "exercise"],
    );
    site.add_contracts(tests::push::XPID, &[MSN, MSNS]);
    site
}

/// Sends each case on a connection of its own and checks everything about the answer; then sees to
/// it that the connection is kept or closed. Returns the codes that were seen.
#[track_caller]
fn check(engine: &Engine, cases: &[Case]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for case in cases {
        let mut connection = engine.connect();
        let answer = connection.ask(&case.request);
        check_answer(&case.name, &answer, case.status, case.code);
        seen.insert(answer.code());
        if case.kept {
            assert_eq!(answer.header("Connection"), None, "{}", case.name);
            let next = connection.ask(&probe());
            assert!(
                ["0000", "0001"].contains(&next.code().as_str()),
                "{}: afterwards {next:?}",
                case.name
            );
        } else {
            assert_eq!(answer.header("Connection"), Some("close"), "{}", case.name);
            assert!(connection.is_closed_by_peer(), "{}: still open", case.name);
        }
    }
    seen
}

/// Checks status, code, the form of the body and every header that belongs to the code.
#[track_caller]
fn check_answer(name: &str, answer: &Answer, status: u16, code: &str) {
    let elements = answer.elements();
    assert_eq!((answer.status(), elements.get("code")), (status, code), "{name}: {answer:?}");
    assert_eq!(elements.names(), ["msn", "reqid", "svcid", "sepmaxnum", "code"], "{name}");
    assert_eq!(answer.header("Content-Type"), Some("text/xml; charset=UTF-8"), "{name}");
    assert!(answer.header("Date").is_some_and(is_http_date), "{name}: {answer:?}");
    let asks_to_come_again = answer.header("Retry-After").map(str::parse::<u32>);
    match code.starts_with('8') {
        true => assert!(
            matches!(asks_to_come_again, Some(Ok(1..=60))),
            "{name}: {asks_to_come_again:?}"
        ),
        false => assert_eq!(asks_to_come_again, None, "{name}"),
    }
    assert_eq!(answer.header("Allow"), (status == 405).then_some("POST"), "{name}");
    assert_eq!(answer.header("WWW-Authenticate"), (status == 401).then_some("Bearer"), "{name}");
}

/// A valid push that no other test sends.
fn probe() -> Vec<u8> {
    Body::push(MSN, "probe").request()
}

/// `Sun, 22 Nov 2026 13:34:30 GMT`.
fn is_http_date(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|letter| match letter {
            '0'..='9' => '0',
            'a'..='z' => 'a',
            other => other,
        })
        .collect();
    text.len() == 29
        && shape.ends_with(" 0000 00:00:00 GMT")
        && text[3..5] == *", "
        && text[16..17] == *" "
}

/// Opens a connection, sends one request, gives the answer.
#[track_caller]
fn ask(engine: &Engine, request: &[u8]) -> Answer {
    let mut connection: Connection = engine.connect();
    connection.ask(request)
}

/// The engine shows its figures a moment late: waits until all it has done is counted and compares.
#[track_caller]
fn await_figure(engine: &Engine, name: &str, expected: u64) {
    // A request of its own, counted after everything before it.
    let form = engine.admin().figure("refused_form");
    assert_eq!(ask(engine, &Body::push("x", "marker").request()).code(), "1003");
    tests::wait::until_true("the marker in the figures", || {
        engine.admin().figure("refused_form") > form
    });
    let marker = u64::from(name == "requests");
    assert_eq!(engine.admin().figure(name), expected + marker, "{name}");
}

#[test]
fn the_tables_here_have_every_code_that_a_request_can_be_answered_with() {
    let tables = [form::CODES, rights::CODES, state::CODES, content::CODES, later::CODES];
    let covered: BTreeSet<&str> = tables.concat().into_iter().collect();
    let there_are: Vec<String> =
        Code::ALL.iter().filter(|code| code.http_status() != 0).map(ToString::to_string).collect();
    let there_are: BTreeSet<&str> = there_are.iter().map(String::as_str).collect();
    assert_eq!(covered, there_are);
}
