//! What a push client's server is told of its broadcasts: each event, signed, until it is taken.

use super::Office;
use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsScalar as _, ValueObjectAccess as _};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;
use tests::broadcasts::{Broadcaster, manifest, rows};
use tests::push::XPID;
use wire::push::sign::{Secret, write_signature};

const SECRETS: [&str; 2] = ["a-secret-of-the-tests", "another-one-of-theirs"];

/// The head and the body of a request.
fn request(stream: &mut TcpStream) -> (String, String) {
    let mut text = String::new();
    let mut octets = [0; 4_096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.and_then(|text| text.parse().ok()).expect("a length");
            if body.len() >= length {
                return (head.to_owned(), body.to_owned());
            }
        }
        let read = stream.read(&mut octets).expect("octets");
        assert!(read > 0, "{text}");
        text += std::str::from_utf8(&octets[..read]).expect("text");
    }
}

/// Whether both secrets signed it.
fn is_signed(head: &str, body: &str) -> bool {
    let line = head.lines().find_map(|line| line.strip_prefix("X-Hayauma-Signature: "));
    let line = line.expect("a signature");
    let time = line.strip_prefix("t=").and_then(|rest| rest.split(',').next());
    let time = time.and_then(|time| time.parse().ok()).expect("a time");
    let secrets = SECRETS.map(|secret| Secret::new(secret).expect("long enough"));
    let mut expected = Vec::new();
    write_signature(&mut expected, &secrets, time, body.as_bytes());
    String::from_utf8_lossy(&expected).contains(line)
}

#[test]
fn a_server_is_told_each_event_once_it_takes_it_over_a_restart_too() {
    let office = Office::new();
    let site = &office.site;
    let people = Broadcaster::new(site, 300);
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", server.local_addr().expect("an address"));
    let path = site.path("secrets");
    std::fs::write(&path, SECRETS.join("\n")).expect("a writable directory");
    let path = path.display().to_string();
    site.must(&["client", "set", XPID, "--notify-url", &url, "--notify-secret-file", &path]);
    let (told, calls) = mpsc::channel();
    std::thread::spawn(move || {
        for (place, stream) in server.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let (head, body) = request(&mut stream);
            // The first two calls meet a server that has its troubles.
            let is_taken = place >= 2;
            let status = if is_taken { "200 OK" } else { "503 Not now" };
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
            if told.send((head, body, is_taken)).is_err() {
                return;
            }
        }
    });
    let engine = site.start();
    let list = people.list(&rows(300));
    let broadcast = people.started(&manifest(&list, "02", "told", ""));
    people.ended(&broadcast);
    let mut taken = BTreeSet::new();
    let mut refused = 0;
    while taken.len() < 5 {
        let (head, body, is_taken) =
            calls.recv_timeout(Duration::from_secs(60)).expect("another call");
        assert!(head.starts_with("POST /hook HTTP/1.1") && is_signed(&head, &body), "{head}");
        let document: OwnedValue =
            simd_json::from_slice(&mut body.clone().into_bytes()).expect("a document");
        let text = |name: &str| document.get(name).and_then(|value| value.as_str());
        assert_eq!(text("broadcast"), Some(broadcast.as_str()));
        assert_eq!(document.get("adds_up").and_then(|value| value.as_bool()), Some(true));
        if is_taken {
            assert!(taken.insert(text("event").expect("an event").to_owned()), "{body}");
        } else {
            refused += 1;
        }
    }
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), ["50", "85", "95", "end", "start"]);
    assert_eq!(refused, 2);
    tests::wait::until_true("what was taken is kept", || {
        people.status(&broadcast).document.told.len() == 5
    });
    engine.stop();
    // What was taken is not told again.
    let engine = site.start();
    assert_eq!(people.status(&broadcast).document.told.len(), 5);
    assert!(calls.recv_timeout(Duration::from_millis(700)).is_err(), "it was taken already");
    engine.stop();
}
