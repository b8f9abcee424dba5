//! Requests that are sent again with the same `Idempotency-Key`, through the admin port.

use super::lists::rows;
use super::*;
use crate::control::broadcasts::{BroadcastDocument, ProgressDocument};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Barrier;

impl Port {
    fn post_once(&self, key: &str, path: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        self.send_with("POST", path, body, &[("Idempotency-Key", key)])
    }

    fn drafts(&self) -> usize {
        read::<Vec<ProgressDocument>>(&self.send("GET", "/broadcasts", "").1).len()
    }
}

fn manifest(reqid: &str) -> String {
    format!(
        r#"{{"xpid":"00100000001","sender":"Town","class":"01","reqid":"{reqid}",
        "legs":[{{"audience":{{"list":"li-1","areas":["13101"]}},
        "texts":{{"variants":{{"en":"x"}}}}}}]}}"#
    )
}

#[test]
fn what_was_done_for_the_first_is_done_for_no_second() {
    let port = Port::open();
    let (status, first) = port.post_once("key-1", "/broadcasts", manifest("a"));
    assert_eq!(status, 201, "{first}");
    assert_eq!(port.post_once("key-1", "/broadcasts", manifest("a")), (201, first.clone()));
    assert_eq!(port.drafts(), 1);
    // Another body, another path.
    let broadcast = read::<BroadcastDocument>(&first).broadcast;
    for (path, body) in
        [("/broadcasts", manifest("b")), (&format!("/broadcasts/{broadcast}/cancel"), "{}".into())]
    {
        let (status, said) = port.post_once("key-1", path, body);
        assert_eq!(status, 409, "{said}");
        assert!(said.contains(r#""code":7109"#), "{said}");
    }
    assert_eq!(port.post_once("key-2", "/broadcasts", manifest("b")).0, 201);
    assert_eq!((port.drafts(), port.send("POST", "/broadcasts", manifest("b")).0), (2, 201));
    // Without a body of its own, and with one that nobody reads.
    let cancel = format!("/broadcasts/{broadcast}/cancel");
    let cancelled = port.post_once("key-3", &cancel, r#"{"reason":"x"}"#);
    assert_eq!(cancelled.0, 200, "{}", cancelled.1);
    assert_eq!(port.post_once("key-3", &cancel, r#"{"reason":"x"}"#), cancelled);
}

#[test]
fn a_refusal_is_not_kept_and_a_key_is_one_that_can_be_written() {
    let port = Port::open();
    let check = "/broadcasts/bc-1/check";
    assert_eq!(port.post_once("k", check, "").0, 404);
    assert_eq!(port.post_once("k", "/broadcasts", manifest("a")).0, 201, "nothing was done");
    for key in ["", "a b", &"k".repeat(65)] {
        let (status, said) = port.post_once(key, "/broadcasts", manifest("b"));
        assert_eq!(status, 400, "{key:?}: {said}");
    }
    assert_eq!(port.drafts(), 1);
}

#[test]
fn two_that_come_at_once_are_one() {
    let port = Port::open();
    for round in 0..10 {
        let both = Barrier::new(2);
        let send = || {
            both.wait();
            port.post_once(&format!("round-{round}"), "/broadcasts", manifest("a"))
        };
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(send);
            (send(), other.join().expect("no panic"))
        });
        assert_eq!(one, other, "round {round}");
        assert_eq!(port.drafts(), round + 1);
    }
}

#[test]
fn a_files_changes_are_made_once_however_long_they_are() {
    let port = Port::open();
    let list = port.list("news");
    port.fill(&list, "", &rows(10));
    let path = format!("/lists/{list}/versions?base=1");
    let change = |area: &str| {
        let line =
            |row| format!("{{\"op\":\"put\",\"msn\":\"080{row:08}\",\"area\":\"{area}\"}}\n");
        (0..20_000).map(line).collect::<String>()
    };
    let (status, first) = port.post_once("changes", &path, change("13101"));
    assert_eq!(status, 201, "{first}");
    assert_eq!(port.post_once("changes", &path, change("13101")), (201, first));
    assert_eq!(port.post_once("changes", &path, change("27100")).0, 409);
    assert_eq!(port.versions(&list), [(1, 10), (2, 20_010)]);
}

#[test]
fn a_file_that_is_longer_than_the_first_is_another_before_its_end() {
    let port = Port::open();
    let list = port.list("news");
    port.fill(&list, "", &rows(10));
    let path = format!("/lists/{list}/versions?base=1");
    let change = "{\"op\":\"remove\",\"msn\":\"09000000000\"}\n";
    assert_eq!(port.post_once("changes", &path, change).0, 201);
    // More was announced than ever comes: whoever waits for its end answers too late.
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET}\r\n\
         {ORDER_HEADER}: 1\r\nIdempotency-Key: changes\r\nContent-Length: 1000000000\r\n\r\n",
        port.address()
    );
    let mut stream = TcpStream::connect(port.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
    stream.write_all(head.as_bytes()).expect("taken");
    stream.write_all("\n".repeat(4_096).as_bytes()).expect("taken");
    let mut said = [0; 4_096];
    let octets = stream.read(&mut said).expect("an answer, before its end");
    let said = String::from_utf8_lossy(&said[..octets]).into_owned();
    assert!(said.starts_with("HTTP/1.1 409"), "{said}");
}
