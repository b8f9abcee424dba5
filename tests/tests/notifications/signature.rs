//! Notifications are signed, so that a push client knows who sent them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::skips::skip;
use tests::wait;
use wire::push::sign::{Secret, write_signature};

const MSN: &str = "09012345678";
const SECRET: &str = "a-secret-of-the-tests";

/// An engine's place that notifies this URL, signed under these secrets.
fn site(url: &str, secrets: &str) -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", url]);
    site.add_contracts(XPID, &[MSN]);
    set_secrets(&site, secrets);
    site
}

fn set_secrets(site: &Site, secrets: &str) {
    let path = site.path("secrets");
    std::fs::write(&path, secrets).expect("a writable directory");
    site.must(&["client", "set", XPID, "--notify-secret-file", &path.display().to_string()]);
}

fn unix_s() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// The engine itself, led to a receiver of somebody's choice, gives no order anywhere.
#[test]
fn a_notification_carries_no_header_of_an_order() {
    let recorder = Recorder::start();
    let site = site(&recorder.url(), SECRET);
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "plain").request()).code(), "0000");
    let notice = recorder.await_about("plain", 1).remove(0);
    let order = hayauma::control::admin::ORDER_HEADER;
    assert!(notice.headers.iter().all(|(name, _)| name != order), "{:?}", notice.headers);
    assert!(notice.headers.iter().any(|(name, _)| name == "x-hayauma-signature"));
    engine.stop();
}

#[test]
fn a_notification_carries_a_signature_for_each_secret_and_none_where_there_is_none() {
    let recorder = Recorder::start();
    let site = site(&recorder.url(), &format!("{SECRET}\nanother-secret-of-them\n"));
    let engine = site.start();
    let signature = |reqid: &str| {
        assert_eq!(engine.connect().ask(&Body::push(MSN, reqid).request()).code(), "0000");
        let notice = recorder.await_about(reqid, 1).remove(0);
        let header = notice.headers.into_iter().find(|(name, _)| name == "x-hayauma-signature");
        header.map(|(_, value)| value)
    };
    let two = signature("two").expect("a signature");
    let fields: Vec<&str> = two.split(',').collect();
    let now = unix_s();
    let time: u64 = fields[0].strip_prefix("t=").expect(&two).parse().expect(&two);
    assert!(now.abs_diff(time) < 60 && fields.len() == 3, "{two}");
    for field in &fields[1..] {
        let hex = field.strip_prefix("v1=").expect(&two);
        assert!(hex.len() == 64 && hex.bytes().all(|octet| octet.is_ascii_hexdigit()), "{two}");
    }
    assert_ne!(fields[1], fields[2]);
    set_secrets(&site, SECRET);
    let one = signature("one").expect("a signature");
    assert_eq!(one.split(',').count(), 2, "{one}");
    let shown = site.must(&["client", "show", XPID, "--json"]).replace(' ', "");
    assert!(!shown.contains(SECRET) && shown.contains("\"notify_signatures\":1"), "{shown}");
    assert!(!engine.log().contains(SECRET));
    site.must(&["client", "set", XPID, "--no-notify-secret"]);
    assert_eq!(signature("none"), None);
    engine.stop();
}

#[test]
fn a_secret_that_is_too_short_or_one_of_three_is_refused_without_being_shown() {
    let site = site("http://127.0.0.1:9/", SECRET);
    for (secrets, why) in [
        ("too-short", "16 to 128"),
        ("one-secret-of-three\nanother-one-of-three\nthe-third-of-them\n", "at most 2"),
        ("\n\n", "holds no notification secret"),
    ] {
        let path = site.path("secrets");
        std::fs::write(&path, secrets).expect("a writable directory");
        let path = path.display().to_string();
        let finished = site.run(&["client", "set", XPID, "--notify-secret-file", &path]);
        let refusal = finished.refusal();
        assert!(refusal.contains(why), "{refusal}");
        assert!(!refusal.contains("too-short") && !refusal.contains("three"), "{refusal}");
    }
}

/// The example receiver, as a process of its own.
struct Receiver {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Receiver {
    /// Starts it with this secret; `None` without Python.
    fn start(secret: &str) -> Option<Self> {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/clients/python/receive.py");
        let there = Command::new("python3").arg("--version").output();
        if !there.is_ok_and(|output| output.status.success()) {
            skip("there is no Python here, and so no example of a receiver");
            return None;
        }
        let mut child = Command::new("python3")
            .arg(script)
            .args(["--port", "0"])
            .env("HAYAUMA_NOTIFY_SECRET", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Some(Self { child, lines })
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("text")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Posts an event of a broadcast as the engine does; the answer.
fn posted(port: &str, event: &str) -> String {
    let secrets = [Secret::new(SECRET).expect("long enough")];
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {}\r\n\
         X-Hayauma-Event: broadcast\r\n",
        event.len()
    )
    .into_bytes();
    write_signature(&mut request, &secrets, unix_s(), event.as_bytes());
    request.extend_from_slice(format!("\r\n{event}").as_bytes());
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("a receiver");
    stream.write_all(&request).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_example_receiver_takes_what_is_signed_and_refuses_the_rest() {
    let Some(mut receiver) = Receiver::start(SECRET) else { return };
    let line = receiver.line();
    let port = line.rsplit(' ').next().expect("a port").to_owned();
    let site = site(&format!("http://127.0.0.1:{port}/"), &format!("not-its-secret-yet\n{SECRET}"));
    let engine = site.start();
    let push = |reqid: &str| {
        assert_eq!(engine.connect().ask(&Body::push(MSN, reqid).request()).code(), "0000");
    };
    push("signed");
    let line = receiver.line();
    assert!(line.ends_with(" signed 0000"), "{line}");
    let admin = engine.admin();
    wait::until_true("an acknowledgement", || admin.figure("notifications_acknowledged") == 1);
    set_secrets(&site, "another-secret-than-its");
    push("forged");
    assert_eq!(receiver.line(), "refused");
    let event = r#"{"event":"start","reqid":"flood-1","state":"running"}"#;
    let answer = posted(&port, event);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(receiver.line(), "start flood-1 running");
    wait::until_true("a failed notification", || admin.figure("notifications_failed") > 0);
    engine.stop();
}
