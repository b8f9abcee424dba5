//! 1001 to 1011: what is no request.

use super::{Case, MSN, check, site};
use tests::flat::DECLARATION;
use tests::push::{Body, Request};

pub(super) const CODES: &[&str] =
    &["1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009", "1010", "1011"];

#[test]
fn what_is_no_request_gets_its_code_and_status() {
    let site = site();
    let engine = site.start();
    let cases = [no_flat_form(), missing(), bad_values(), other(), heads()].concat_all();
    let seen = check(&engine, &cases);
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), CODES);
    // Nothing but the probe was accepted.
    super::await_figure(&engine, "pushes_accepted", 1);
    engine.stop();
}

trait ConcatAll {
    fn concat_all(self) -> Vec<Case>;
}

impl<const N: usize> ConcatAll for [Vec<Case>; N] {
    fn concat_all(self) -> Vec<Case> {
        self.into_iter().flatten().collect()
    }
}

fn push() -> Body {
    Body::push(MSN, "form")
}

fn of_body(name: &str, body: &[u8], code: &'static str) -> Case {
    Case::new(name, Request::post(body).octets(), 400, code)
}

fn no_flat_form() -> Vec<Case> {
    let good = String::from_utf8(push().octets()).expect("ASCII");
    let first = "<fncid>0101</fncid>\r\n";
    let replaced = |with: &str| good.replace(first, with);
    [
        ("no body", String::new()),
        ("no declaration", good.replace(DECLARATION, "")),
        ("another version", good.replace("1.0", "1.1")),
        ("a blank before the declaration", format!(" {good}")),
        ("a document type", replaced(&format!("<!DOCTYPE a>\r\n{first}"))),
        ("a comment", replaced(&format!("<!-- a -->{first}"))),
        ("a CDATA section", good.replace("FFFFFFFFFF", "<![CDATA[FF]]>")),
        ("a processing instruction", replaced(&format!("<?a b?>{first}"))),
        ("an attribute", replaced("<fncid a=\"b\">0101</fncid>\r\n")),
        ("nesting", replaced(&format!("<a>{first}</a>"))),
        ("a root", format!("{DECLARATION}<push>{}</push>", &good[DECLARATION.len()..])),
        ("an empty-element tag", replaced("<fncid/>\r\n")),
        ("a wrong end tag", replaced("<fncid>0101</fncjd>\r\n")),
        ("no end", good.replace("</data>\r\n", "")),
        ("text between elements", replaced(&format!("{first}a"))),
        ("an element behind data", format!("{good}<pid>00</pid>\r\n")),
        ("a zero octet behind it", format!("{good}\0")),
        ("JSON", "{\"msn\":\"09012345678\"}".to_owned()),
    ]
    .map(|(name, body)| of_body(name, body.as_bytes(), "1001"))
    .into()
}

fn missing() -> Vec<Case> {
    let names = ["fncid", "comway", "msn", "reqid", "svcid", "lifetime", "ctrlflg", "data"];
    let mut cases: Vec<Case> = names
        .iter()
        .map(|name| of_body(&format!("no {name}"), &push().without(name).octets(), "1002"))
        .collect();
    cases.push(of_body("alertid alone", &push().with("alertid", "a").octets(), "1002"));
    cases.push(of_body("alertseq alone", &push().with("alertseq", "01").octets(), "1002"));
    for name in ["comway", "msn", "reqid", "svcid"] {
        let cancel = Body::cancel(MSN, "form").without(name);
        cases.push(of_body(&format!("a cancel without {name}"), &cancel.octets(), "1002"));
    }
    let all = Body::cancel("00000000000", "form");
    cases.push(of_body("a cancel of all without alertid", &all.octets(), "1002"));
    cases
}

fn bad_values() -> Vec<Case> {
    let longest = "a".repeat(23);
    let udh = "00".repeat(135);
    let values: &[(&str, &[&str])] = &[
        (
            "msn",
            &[
                "",
                "9012345678",
                "19012345678",
                "0901234567a",
                "090123456789",
                "00000000000",
                " 09012345678",
            ],
        ),
        ("reqid", &["", &format!("{longest}b"), "a b", "a/b", "a&amp;b"]),
        ("svcid", &["", "0010000000", "001000000011", "0010000000x"]),
        ("lifetime", &["", "1", "73", "99", "001", "-1", "0x"]),
        ("ctrlflg", &["", "2", "00", "x"]),
        ("pid", &["", "0", "000", "0g"]),
        ("dcs", &["", "4", "0x0", "zz"]),
        ("udh", &["", "0", "000", "0g", &udh]),
        ("oadr", &["", "123456789012", "a b", "\u{3042}"]),
        ("dlvntf", &["", "2", "01", "y"]),
        (
            "expiry",
            &[
                "",
                "2026112222343",
                "202611222234300",
                "20261322223430",
                "20260229000000",
                "20261122243430",
            ],
        ),
    ];
    let mut cases = Vec::new();
    for (element, texts) in values {
        for text in *texts {
            cases.push(of_body(
                &format!("{element} {text:?}"),
                &push().with(element, text).octets(),
                "1003",
            ));
        }
    }
    cases.extend(bad_texts());
    let alert =
        |id: &str, sequence: &str| push().with("alertid", id).with("alertseq", sequence).octets();
    for (id, sequence) in
        [("", "01"), (&"a".repeat(33), "01"), ("a b", "01"), ("a", ""), ("a", "1"), ("a", "100")]
    {
        cases.push(of_body(&format!("alert {id:?} {sequence:?}"), &alert(id, sequence), "1003"));
    }
    let cancel = Body::cancel(MSN, "form").with("reqid", "a b");
    cases.push(of_body("a cancel's reqid", &cancel.octets(), "1003"));
    cases
}

/// References and characters that XML does not allow.
fn bad_texts() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in [
        "&",
        "&amp",
        "&nbsp;",
        "&#x110000;",
        "&#xD800;",
        "&#;",
        "&#0;",
        "&#1;",
        "&#x1B;",
        "&#xFFFE;",
        "&#xffff;",
        "&#x00000;",
    ] {
        cases.push(of_body(
            &format!("reference {text:?}"),
            &Body::text(MSN, "form", text).octets(),
            "1003",
        ));
    }
    for text in ["\0", "a\u{1}b", "\u{1b}", "\u{c}", "\u{fffe}", "\u{3042}\u{ffff}"] {
        cases.push(of_body(
            &format!("character {text:?}"),
            &Body::text(MSN, "form", text).octets(),
            "1003",
        ));
    }
    cases
}

fn other() -> Vec<Case> {
    let mut cases = Vec::new();
    for fncid in ["", "0000", "0102", "0301", "0401", "101", "x"] {
        cases.push(of_body(
            &format!("fncid {fncid:?}"),
            &push().with("fncid", fncid).octets(),
            "1004",
        ));
    }
    for comway in ["", "1100", "1104", "2101", "1201", "101", "x"] {
        cases.push(of_body(
            &format!("comway {comway:?}"),
            &push().with("comway", comway).octets(),
            "1005",
        ));
    }
    for name in ["fncid", "comway", "msn", "reqid", "svcid", "lifetime", "ctrlflg", "data"] {
        cases.push(of_body(&format!("{name} twice"), &push().and(name, "x").octets(), "1006"));
    }
    for name in ["code", "MSN", "sepmaxnum", "x"] {
        cases.push(of_body(
            &format!("the element {name}"),
            &push().with(name, "x").octets(),
            "1006",
        ));
    }
    cases.push(of_body(
        "a cancel with data",
        &Body::cancel(MSN, "form").with("data", "00").octets(),
        "1006",
    ));
    for (name, octets) in [
        ("a lone octet", &b"\xff"[..]),
        ("cut short", b"\xe3\x81"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("overlong", b"\xc0\xaf"),
    ] {
        let body = Body::text(MSN, "form", "").with_octets("data", octets);
        cases.push(of_body(&format!("text {name}"), &body.octets(), "1007"));
    }
    let japanese = String::from_utf8(push().octets()).expect("ASCII");
    let japanese = japanese.replace("\"1.0\" ?>", "\"1.0\" encoding=\"Shift_JIS\" ?>");
    cases.push(of_body("another encoding", japanese.as_bytes(), "1007"));
    cases
}

fn heads() -> Vec<Case> {
    let body = push().octets();
    let post = || Request::post(&body);
    let mut cases = Vec::new();
    for media in ["text/plain", "application/xml", "text/xml; charset=Shift_JIS", "text/xmlx", ""] {
        let request = post().header("Content-Type", media).octets();
        cases.push(Case::new(format!("media type {media:?}"), request, 415, "1008"));
    }
    for coding in ["gzip", "br, gzip", "x"] {
        let request = post().header("Content-Encoding", coding).octets();
        cases.push(Case::new(format!("content coding {coding:?}"), request, 415, "1008"));
    }
    cases.push(Case::new("no media type", post().without("Content-Type").octets(), 415, "1008"));
    for path in ["/", "/smsgw", "/smsgw/x", "/smsgw/?a=b", "/SMSGW/", "/%53msgw/", "/smsgw%2F"] {
        let request = post().line(&format!("POST {path} HTTP/1.1")).octets();
        cases.push(Case::new(format!("path {path}"), request, 404, "1011"));
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "post"] {
        let request = post().line(&format!("{method} /smsgw/ HTTP/1.1")).octets();
        cases.push(Case::new(format!("method {method}"), request, 405, "1011"));
    }
    let unmeasured = post().without("Content-Length").octets();
    cases.push(Case::new("no length", unmeasured, 411, "1009").closing());
    let chunked =
        Request::post(b"").without("Content-Length").header("Transfer-Encoding", "chunked");
    let chunks =
        [&chunked.head()[..], format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"]
            .concat();
    cases.push(Case::new("chunked", chunks, 411, "1009").closing());
    let both = post().header("Transfer-Encoding", "chunked").octets();
    cases.push(Case::new("chunked with a length", both, 411, "1009").closing());
    for length in ["16385", "99999999999999999999999999"] {
        let request = post().header("Content-Length", length).head();
        cases.push(Case::new(format!("length {length}"), request, 413, "1010").closing());
    }
    for (name, request) in [
        ("no HTTP", b"hello\r\n\r\n".to_vec()),
        ("no version", post().line("POST /smsgw/").octets()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("no host", post().without("Host").octets()),
        ("an empty host", post().header("Host", "").octets()),
        ("a host that is none", post().header("Host", "a b").octets()),
        ("two hosts", post().line("POST /smsgw/ HTTP/1.1\r\nHost: gateway.example").octets()),
        ("an empty host in the target", post().line("POST http:///smsgw/ HTTP/1.1").octets()),
        ("a length that is no number", post().header("Content-Length", "1x").octets()),
        ("a negative length", post().header("Content-Length", "-1").octets()),
        ("a header without a colon", post().line("POST /smsgw/ HTTP/1.1\r\nbroken").octets()),
        (
            "two lengths",
            post()
                .line(&format!("POST /smsgw/ HTTP/1.1\r\nContent-Length: {}", body.len()))
                .octets(),
        ),
    ] {
        cases.push(Case::new(name, request, 400, "1001").closing());
    }
    cases
}

#[test]
fn other_ways_to_write_the_request_line_are_taken() {
    let site = site();
    let engine = site.start();
    for (number, line) in [
        "POST /%73msgw/ HTTP/1.1",
        "POST /%73%6D%73%67%77/ HTTP/1.1",
        "POST http://gateway.example/smsgw/ HTTP/1.1",
        "POST /smsgw/ HTTP/1.2",
        "POST /smsgw/ HTTP/1.9",
    ]
    .into_iter()
    .enumerate()
    {
        let mut connection = engine.connect();
        let request =
            |reqid: &str| Request::post(&Body::push(MSN, reqid).octets()).line(line).octets();
        for again in 0..2 {
            let answer = connection.ask(&request(&format!("line-{number}-{again}")));
            assert_eq!(
                (answer.status_line.as_str(), answer.code().as_str()),
                ("HTTP/1.1 200 OK", "0000"),
                "{line}"
            );
            assert_eq!(answer.header("Connection"), None, "{line}");
        }
    }
    let old = Request::post(&Body::push(MSN, "old").octets())
        .line("POST /smsgw/ HTTP/1.0")
        .without("Host");
    assert_eq!(engine.connect().ask(&old.octets()).code(), "0000", "HTTP/1.0 knows no host");
    engine.stop();
}
