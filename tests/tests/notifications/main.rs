//! E5 and E7 as the push client gets them: what each outcome of delivery control says, what a
//! cancellation says, and how often and in which order they come.

mod cancellation;
mod connections;
mod delivery;
mod outcomes;
mod parked;
mod reports;
mod resending;
mod signature;

use std::time::{Duration, SystemTime};
use tests::http::Answer;
use tests::push::{Body, XPID, expiry_in};
use tests::recorder::{Notice, Recorder};
use tests::site::Site;

/// The lowest msn of those that are contracted, 1,000 of them.
const FIRST_MSN: u64 = 9_000_000_000;

fn msn(number: u64) -> String {
    format!("{:011}", FIRST_MSN + number)
}

/// A place where the usual push client is registered with this recorder and all classes.
fn site(recorder: &Recorder) -> Site {
    let site = Site::new(tests::programs!());
    add_client(&site, XPID, recorder, &[]);
    site
}

fn add_client(site: &Site, xpid: &str, recorder: &Recorder, more: &[&str]) {
    let url = recorder.url();
    let arguments =
        ["--notify-url", &url, "--class", "urgent", "--class", "emergency", "--class", "exercise"];
    site.add_client(xpid, &[&arguments, more].concat());
    site.add_contracts(xpid, &[&format!("{}-{}", msn(0), msn(999))]);
}

#[track_caller]
fn accepted(answer: &Answer) {
    assert_eq!((answer.status(), answer.code().as_str()), (200, "0000"), "{answer:?}");
}

/// Checks what is the same in every notification: request line, headers, elements and their order,
/// the push they are about, the time.
#[track_caller]
fn check_form(notice: &Notice, push: &Body) {
    let elements = &notice.elements;
    assert_eq!(notice.request_line, "POST /notify HTTP/1.1");
    let header = |name: &str| {
        notice.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(header("content-type"), Some("text/xml; charset=UTF-8"));
    assert!(header("host").is_some_and(|host| host.starts_with("127.0.0.1:")));
    let is_cancellation = elements.get("fncid") == "0401";
    assert!(is_cancellation || elements.get("fncid") == "0301", "{elements:?}");
    let mut expected =
        vec!["fncid", "comway", "msn", "reqid", "svcid", "sepmaxnum", "code", "dlvnum"];
    expected.extend(is_cancellation.then_some("cnclnum"));
    expected.extend(["cmptime", "ntfid", "trynum"]);
    expected.extend(
        ["domain", "tpst", "alertid"].into_iter().filter(|name| elements.find(name).is_some()),
    );
    assert_eq!(elements.names(), expected);
    let sent = push.octets();
    let sent = String::from_utf8_lossy(&sent);
    let was_sent = |name: &str, text: &str| sent.contains(&format!("<{name}>{text}</{name}>"));
    for name in ["msn", "reqid", "svcid"] {
        assert!(was_sent(name, elements.get(name)), "{name} in {elements:?}");
    }
    let comway = elements.get("comway");
    assert!(
        comway.starts_with("21") && was_sent("comway", &comway.replacen("21", "11", 1)),
        "{comway}"
    );
    assert_eq!(elements.find("alertid").is_some(), sent.contains("<alertid>"), "{elements:?}");
    assert!(elements.find("alertid").is_none_or(|id| was_sent("alertid", id)));
    let id = elements.get("ntfid");
    assert!(
        (1..=20).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
        "{id}"
    );
    check_time(elements.get("cmptime"));
    assert!(
        elements.find("domain").is_none_or(|domain| ["CS", "PS"].contains(&domain)),
        "{elements:?}"
    );
    let status = elements.get("tpst");
    assert!(status.len() == 2 && status.chars().all(|c| c.is_ascii_hexdigit()), "{elements:?}");
}

/// The push ended in the last minute. Fourteen digits of one length order like the times they stand
/// for.
#[track_caller]
fn check_time(digits: &str) {
    assert!(
        *digits <= *expiry_in(1) && *digits >= *expiry_in(-60),
        "{digits}, now {}",
        expiry_in(0)
    );
}

/// A time `seconds` ahead for `expiry`, so late that a busy machine still gets the push in before
/// it.
fn soon() -> String {
    // Whole seconds are carried: what begins late in a second would otherwise have almost a second
    // less.
    let into_second = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_millis();
    expiry_in(if into_second > 500 { 3 } else { 2 })
}

/// How long nothing must come before it counts as not coming.
const QUIET: Duration = Duration::from_millis(300);
