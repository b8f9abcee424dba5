//! What orders leave in the audit, and how one that was not done, or in part, is told.

use super::super::paths::PathRule;
use super::access::{api, body_of, target_of};
use super::*;
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn orders_stand_in_the_audit_under_the_name_of_whoever_gave_them() {
    let port = Port::open();
    let secret = port.token("night-shift", "operator", &[]);
    assert_eq!(port.send_as(&secret, "POST", "/pause", "").0, 200);
    assert_eq!(port.send_as(&secret, "POST", "/notifications/replay", "").0, 200);
    let lines = r#"{"msns":["09012345678"],"state":"absent"}"#;
    assert_eq!(port.send_as(&secret, "PUT", "/network/lines", lines).0, 200);
    assert_eq!(port.send_as(&secret, "POST", "/contracts", "{}").0, 403);
    assert_eq!(port.send_as(&secret, "POST", "/stop", "").0, 202);
    let text = std::fs::read_to_string(port.directory.path().join("audit.jsonl"));
    let text = text.expect("an audit");
    let of_it: Vec<&str> =
        text.lines().filter(|line| line.contains(r#""actor":"night-shift""#)).collect();
    assert_eq!(of_it.len(), 4, "{text}");
    assert!(
        of_it[0].contains(r#""act":"pause","before":{"paused":false},"after":{"paused":true}"#)
    );
    assert!(of_it[1].contains(r#""act":"notify replay all""#), "{text}");
    assert!(of_it[2].contains(r#""act":"network set absent""#), "{text}");
    assert!(of_it[3].contains(r#""act":"stop""#) && !text.contains(&secret), "{text}");
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    let port = Port::open();
    std::fs::create_dir(port.directory.path().join("audit.jsonl")).expect("writable");
    for (method, path, body) in [
        ("POST", "/clients", CLIENT),
        ("POST", "/pause", ""),
        ("POST", "/stop", ""),
        ("POST", "/tokens", r#"{"name":"a","roles":["read"]}"#),
    ] {
        let (status, text) = port.send(method, path, body);
        assert_eq!(status, 507, "{method} {path}: {text}");
        assert!(text.contains("nothing is done without it"), "{text}");
    }
    assert!(!port.engine.paused.load(Ordering::Relaxed));
    assert!(!port.engine.stopped.load(Ordering::Relaxed));
    assert_eq!(port.send("GET", "/clients", "").1, "[]\n");
}

impl Port {
    pub(super) fn audit(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("audit.jsonl")).unwrap_or_default()
    }

    /// Whether the store's thread has something in hand that waits.
    fn is_store_held(&self) -> bool {
        let mut asker = TcpStream::connect(self.address()).expect("a connection");
        asker.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
        let request = format!(
            "GET /clients HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n\r\n"
        );
        asker.write_all(request.as_bytes()).expect("written");
        asker.read(&mut [0]).is_err()
    }

    /// Sends a request, waits until it is in hand, and goes away while the registry is held by
    /// another process.
    fn ask_and_go_away(&self, method: &str, path: &str, line: &str) {
        let registry = self.directory.path().join("registry.sqlite");
        let other = rusqlite::Connection::open(registry).expect("a registry");
        other.execute_batch("BEGIN IMMEDIATE").expect("held");
        let mut asker = TcpStream::connect(self.address()).expect("a connection");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Hayauma-Order: 1\r\nAuthorization: \
             Bearer {SECRET}\r\n\r\n"
        );
        asker.write_all(request.as_bytes()).expect("written");
        while !self.is_store_held() {}
        drop(asker);
        // The port has one thread: it has seen the end before it answers these.
        for _ in 0..3 {
            assert_eq!(self.send("GET", "/healthz", "").0, 200);
        }
        assert!(
            !self.audit().contains(line),
            "the registry is told of a line before it is written"
        );
        other.execute_batch("ROLLBACK").expect("let go");
        // Behind the act, on the store's thread.
        assert_eq!(self.send("GET", "/clients", "").0, 200);
        assert!(self.audit().contains(line), "{}", self.audit());
    }
}

#[test]
fn an_act_is_done_to_its_end_when_whoever_asked_for_it_goes_away() {
    let port = Port::open();
    let stolen = port.token("stolen", "read", &[]);
    assert_eq!(port.send_as(&stolen, "GET", "/status", "").0, 200);
    port.ask_and_go_away("DELETE", "/tokens/stolen", "token remove stolen");
    assert_eq!(port.send("GET", "/tokens", "").1, "[]\n");
    assert_eq!(port.send_as(&stolen, "GET", "/status", "").0, 401);
    port.ask_and_go_away("POST", "/pause", r#""act":"pause""#);
    assert!(port.engine.paused.load(Ordering::Relaxed));
    port.ask_and_go_away("POST", "/stop", r#""act":"stop""#);
    assert!(port.engine.stopped.load(Ordering::Relaxed));
}

#[test]
fn an_act_that_was_not_done_or_in_part_has_a_second_line_and_a_wrong_one_has_none() {
    let port = Port::open();
    assert_eq!(port.send("POST", "/clients", CLIENT).0, 201);
    for (method, path) in [
        ("POST", "/notifications/replay?xpid=abc"),
        ("POST", "/notifications/discard?xpid=abc"),
        ("DELETE", "/tokens/a%0A2026-11-01%20root%20stop"),
    ] {
        assert_eq!(port.send(method, path, "").0, 400, "{method} {path}");
    }
    assert_eq!(port.audit().lines().count(), 1, "{}", port.audit());
    port.engine.refusing.store(true, Ordering::Relaxed);
    assert_eq!(port.send("POST", "/notifications/replay", "").0, 503);
    let contracts = r#"{"xpid":"00100000001","msns":["09012345678"]}"#;
    assert_eq!(port.send("POST", "/contracts", contracts).0, 503);
    let audit = port.audit();
    let acts: Vec<&str> = audit.lines().collect();
    assert_eq!(acts.len(), 5, "{audit}");
    assert!(acts[2].contains(r#""act":"not done: notify replay all""#), "{audit}");
    assert!(acts[4].contains(r#""act":"done in part: contract add 00100000001""#), "{audit}");
}

#[test]
fn a_registration_that_the_shards_did_not_take_is_said_to_be_done_in_part() {
    let port = Port::open();
    assert_eq!(port.send("POST", "/clients", CLIENT).0, 201);
    port.engine.refusing.store(true, Ordering::Relaxed);
    for (method, path, body) in [
        ("POST", "/clients", r#"{"xpid":"00100000002","client":"Town"}"#),
        ("PATCH", "/clients/00100000001", r#"{"token":"another"}"#),
        ("PUT", "/clients/00100000001", r#"{"client":"City"}"#),
        ("DELETE", "/clients/00100000001", ""),
    ] {
        assert_eq!(port.send(method, path, body).0, 503, "{method}");
        let audit = port.audit();
        let last = audit.lines().last().expect("a line");
        assert!(last.contains(r#""act":"done in part: client "#), "{method}: {last}");
    }
}

#[test]
fn a_carrier_that_a_shard_did_not_take_is_said_to_be_done_in_part() {
    let port = Port::open();
    let add = r#"{"do":"add","name":"a","settings":{"hosts":["127.0.0.1:1"],"system_id":"a"}}"#;
    let pause = r#"{"do":"pause","name":"a"}"#;
    let rebind = r#"{"do":"rebind","name":"a"}"#;
    port.engine.refusing.store(true, Ordering::Relaxed);
    for (order, word) in [(add, "add"), (pause, "pause"), (rebind, "rebind")] {
        let (status, text) = port.send("POST", "/carriers", order);
        assert_eq!(status, 503, "{word}: {text}");
        let audit = port.audit();
        let last = audit.lines().last().expect("a line");
        assert!(last.contains(&format!(r#""act":"done in part: carrier {word}"#)), "{last}");
    }
}

#[test]
fn a_pause_that_a_shard_does_not_take_is_no_pause() {
    let port = Port::open();
    port.engine.refusing.store(true, Ordering::Relaxed);
    assert_eq!(port.send("POST", "/pause", "").0, 503);
    assert!(port.audit().contains(r#""act":"not done: pause""#), "{}", port.audit());
    assert!(!read::<EngineStatus>(&port.send("GET", "/status", "").1).paused);
}

#[test]
fn an_import_that_breaks_off_says_how_far_it_came() {
    let port = Port::open();
    assert_eq!(port.send("POST", "/clients", CLIENT).0, 201);
    let mut sender = TcpStream::connect(port.address()).expect("a connection");
    let lines: String =
        (0..60_000).map(|at| format!("{:011},00100000001\n", 9_000_000_000u64 + at)).collect();
    let head = format!(
        "POST /contracts/import HTTP/1.1\r\nHost: localhost\r\nX-Hayauma-Order: 1\r\n\
         Authorization: Bearer {SECRET}\r\nContent-Length: {}\r\n\r\n",
        lines.len() + 1
    );
    sender.write_all((head + &lines).as_bytes()).expect("taken");
    while port.contracts().is_empty() {
        assert_eq!(port.send("GET", "/healthz", "").0, 200);
    }
    drop(sender);
    let broken = "done in part: contract import";
    while !port.audit().contains(broken) {
        assert_eq!(port.send("GET", "/clients", "").0, 200);
    }
    let audit = port.audit();
    let line = audit.lines().find(|line| line.contains(broken)).expect("a line");
    let imported = port.contracts().len();
    let part = format!(r#""imported":{imported},"already_there":0,"refused":0,"xpids":1"#);
    assert!(line.contains(&part), "{part}: {line}");
    assert!(line.contains(&format!(r#""00100000001":{imported}"#)), "{line}");
    assert!(!audit.contains("contract import ends"), "{audit}");
}

/// What every order leaves in the audit, as its line shows the act.
fn act_of(rule: &PathRule) -> String {
    let act = match (rule.method, rule.path) {
        ("POST", "/pause") => "pause",
        ("POST", "/resume") => "resume",
        ("POST", "/stop") => "stop",
        ("POST", "/clients") => "client add 00100000001",
        ("PUT" | "PATCH", "/clients/{xpid}") => "client set 00100000001",
        ("DELETE", "/clients/{xpid}") => "client remove 00100000001",
        ("POST", "/contracts") => "contract add 00100000001",
        ("DELETE", "/contracts") => "contract remove 00100000001",
        ("POST", "/contracts/import") => "contract import begins",
        ("POST", "/notifications/replay") => "notify replay 00100000001",
        ("POST", "/notifications/discard") => "notify discard 00100000001",
        ("PUT", "/network/lines") => "network set home",
        ("POST", "/tokens") => "token add another",
        ("DELETE", "/tokens/{name}") => "token remove another",
        ("POST", "/carriers") => "carrier add a",
        ("POST", "/backups") => "queue backup",
        ("POST", "/smpp/trace") => "smpp trace of the customer 00100000001",
        ("POST", "/lists") => "list create",
        ("DELETE", "/lists/{list}") => "list remove li-1",
        (_, "/lists/{list}/versions") => "list import li-1 begins",
        (_, "/lists/forget") => "list forget begins",
        (_, "/lists/{list}/versions/{version}/take") => "list take li-1 version 1",
        ("POST", "/broadcasts") => "broadcast create",
        ("PUT", "/broadcasts/{broadcast}") => "broadcast change br-1",
        ("PUT", "/areas") => "areas load begins",
        ("POST", "/areas/match") => "areas match",
        ("PUT", "/templates/{template}") => "template put flood",
        ("PUT", "/sources/{source}") => "source set town",
        ("DELETE", "/sources/{source}") => "source remove town",
        ("DELETE", "/broadcasts/{broadcast}/recipients/{msn}") => "broadcast withdraw br-1",
        (_, path) if path.starts_with("/broadcasts/{broadcast}/") => {
            return format!("broadcast {} br-1", path.rsplit('/').next().unwrap_or_default());
        }
        _ => panic!("{} {} is an order and has no line of the audit", rule.method, rule.path),
    };
    act.to_owned()
}

/// Orders that change nothing that stands, that are told when they have ended, or of which nobody
/// knows before what they meet; and the withdrawal of one phone, which the audit does not name.
const CHANGES_NOTHING: [(&str, &str); 11] = [
    ("POST", "/lists/forget"),
    ("POST", "/smpp/trace"),
    ("POST", "/contracts/import"),
    ("POST", "/notifications/replay"),
    ("POST", "/notifications/discard"),
    ("PUT", "/lists/{list}/versions"),
    ("POST", "/lists/{list}/versions"),
    ("PUT", "/areas"),
    ("POST", "/areas/match"),
    ("POST", "/broadcasts/{broadcast}/check"),
    ("DELETE", "/broadcasts/{broadcast}/recipients/{msn}"),
];

#[test]
fn every_order_leaves_its_line_in_the_audit_before_it_is_answered() {
    let port = Port::open();
    let secret = port.token("night-shift", "admin", &[]);
    let orders: Vec<&PathRule> = api().filter(|rule| rule.is_order()).collect();
    // What makes things, what changes them, what takes them away.
    let rank = |rule: &&PathRule| match (rule.method, rule.path) {
        ("POST", _) => 0,
        ("DELETE", "/clients/{xpid}") => 3,
        ("DELETE", _) => 2,
        _ => 1,
    };
    let mut in_order = orders.clone();
    in_order.sort_by_key(rank);
    for rule in in_order {
        let before = port.audit().lines().count();
        let target = match rule.path {
            "/notifications/replay" => "/notifications/replay?xpid=00100000001".to_owned(),
            "/clients/{xpid}" if rule.method == "DELETE" => target_of(rule) + "?contracts=true",
            _ => target_of(rule),
        };
        let (status, text) = port.send_as(&secret, rule.method, &target, body_of(rule));
        let what = format!("{} {}: {status} {text}", rule.method, rule.path);
        // Of lists and broadcasts there is none: the order has its line, and is not done.
        let of_desk = rule.path.starts_with("/lists") || rule.path.starts_with("/broadcasts");
        // A warning of no source does nothing.
        if ["/cap", "/jmaxml", "/lalert"].contains(&rule.path) {
            assert_eq!(status, 404, "{what}");
            continue;
        }
        assert!(status < 300 || of_desk && status < 500, "{what}");
        let audit = port.audit();
        let new: Vec<&str> = audit.lines().skip(before).collect();
        if rule.path.starts_with("/lists/") && status == 404 {
            continue;
        }
        assert!(!new.is_empty(), "{what}");
        assert!(
            new.iter().all(|line| line.contains(r#""actor":"night-shift""#)),
            "{what}: {new:?}"
        );
        let act = format!(r#""act":"{}"#, act_of(rule));
        assert!(new[0].contains(&act), "{what}: {act} in {new:?}");
        let is_told = !new[0].contains(r#""before":null,"after":null"#);
        assert!(is_told || CHANGES_NOTHING.contains(&(rule.method, rule.path)), "{what}: {new:?}");
    }
    let store = Store::open(port.directory.path()).expect("a store");
    assert_eq!(store.verify_audit().expect("readable").faults, Vec::<String>::new());
}
