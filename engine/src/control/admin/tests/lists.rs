//! Lists and their versions, and broadcasts that stand on them, through the admin port.

use super::*;
use crate::control::broadcasts::{BroadcastDocument, ListDocument};
use wire::terms::ids::Msn;

/// A file of so many rows.
pub(super) fn rows(count: u64) -> String {
    let rows = (0..count).map(|row| format!("0{},13101\n", 9_000_000_000 + row));
    format!("msn,area\n{}", rows.collect::<String>())
}

impl Port {
    pub(super) fn list(&self, purpose: &str) -> String {
        let wanted =
            format!(r#"{{"name":"x","purpose":"{purpose}","consent":"","parameters":[]}}"#);
        let (status, text) = self.send("POST", "/lists", wanted);
        assert_eq!(status, 201, "{text}");
        read::<ListDocument>(&text).list
    }

    /// Imports a file; whether it is refused.
    pub(super) fn fill(&self, list: &str, more: &str, file: &str) -> bool {
        let (status, text) = self.send("PUT", &format!("/lists/{list}/versions{more}"), file);
        assert_eq!(status, 201, "{text}");
        text.contains(r#""is_refused":true"#)
    }

    /// Versions of a list with their rows.
    pub(super) fn versions(&self, list: &str) -> Vec<(u32, u64)> {
        let document: ListDocument = read(&self.send("GET", &format!("/lists/{list}"), "").1);
        document.versions.iter().map(|version| (version.version, version.rows)).collect()
    }

    /// A draft with this reqid.
    pub(super) fn draft(&self, list: &str, reqid: &str) -> String {
        self.draft_with(list, reqid, "")
    }

    fn draft_with(&self, list: &str, reqid: &str, more: &str) -> String {
        let manifest = format!(
            r#"{{"xpid":"00100000001","sender":"Town","class":"01","reqid":"{reqid}",{more}
            "legs":[{{"audience":{{"list":"{list}","areas":["13101"]}},
            "texts":{{"variants":{{"en":"x"}},"fallback":["en"]}}}}]}}"#
        );
        let (status, text) = self.send("POST", "/broadcasts", manifest);
        assert_eq!(status, 201, "{text}");
        read::<BroadcastDocument>(&text).broadcast
    }

    /// The same, checked; its identifier, digest and recipients.
    pub(super) fn checked(&self, list: &str, reqid: &str, more: &str) -> (String, String, u64) {
        let broadcast = self.draft_with(list, reqid, more);
        let (status, text) = self.send("POST", &format!("/broadcasts/{broadcast}/check"), "");
        assert_eq!(status, 200, "{text}");
        let check = read::<BroadcastDocument>(&text).check.expect("a dry run");
        assert!(!check.needs_approval);
        (broadcast, check.digest, check.addressed.targeted)
    }

    pub(super) fn start(
        &self,
        (broadcast, digest, recipients): &(String, String, u64),
    ) -> (u16, String) {
        let wanted = format!(r#"{{"digest":"{digest}","recipients":{recipients}}}"#);
        self.send("POST", &format!("/broadcasts/{broadcast}/start"), wanted)
    }

    pub(super) fn is_suppressed(&self, msn: &str) -> bool {
        let msn = Msn::parse(msn.as_bytes()).expect("an msn");
        self.engine.suppressed.lock().expect("no panic").contains(msn)
    }
}

#[test]
fn refused_versions_are_not_used_and_push_no_good_ones_out() {
    let port = Port::open();
    let list = port.list("news");
    assert!(!port.fill(&list, "", &rows(100)));
    for _ in 0..7 {
        assert!(port.fill(&list, "", &format!("msn\n{}", "x\n".repeat(100))));
    }
    assert_eq!(port.versions(&list), [(1, 100), (8, 0)], "the last refused one is told of");
    assert_eq!(port.checked(&list, "a", "").2, 100, "the newest that can be used");
    for _ in 0..6 {
        assert!(!port.fill(&list, "", &rows(10)));
    }
    let kept: Vec<u32> = port.versions(&list).iter().map(|version| version.0).collect();
    assert_eq!(kept, [1, 10, 11, 12, 13, 14], "five, and the one that a dry run stands on");
}

#[test]
fn a_refused_or_empty_upload_leaves_suppression_as_it_is() {
    let port = Port::open();
    let list = port.list("suppression");
    assert!(!port.fill(&list, "", &rows(50)));
    // Nothing understood, a broken export, an encoding of which no line is understood.
    for file in [format!("msn\n{}", "x\n".repeat(100)), "msn\n".to_owned(), "msn\n?\n".to_owned()] {
        assert!(port.fill(&list, "", &file), "{file}");
        assert!(port.is_suppressed("09000000049"), "{file}");
    }
    let half = format!("{}x\nx\nx\n", rows(2));
    assert!(port.fill(&list, "", &half), "more refused than taken");
    assert!(!port.fill(&list, "?empty=true", "msn\n"), "where that is meant");
    assert!(!port.is_suppressed("09000000049"));
    // Where none can be used those who were understood want none.
    let other = port.list("suppression");
    assert!(port.fill(&other, "", &half) && port.is_suppressed("09000000001"));
}

#[test]
fn a_list_that_keeps_people_from_broadcasts_takes_more_than_an_author() {
    let port = Port::open();
    let author = port.token("writer", "author", &[]);
    let wanted = |purpose: &str| {
        format!(r#"{{"name":"x","purpose":"{purpose}","consent":"","parameters":[]}}"#)
    };
    let (status, text) = port.send_as(&author, "POST", "/lists", &wanted("suppression"));
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("operator or admin"), "{text}");
    assert_eq!(port.send_as(&author, "POST", "/lists", &wanted("news")).0, 201);
    let list = port.list("suppression");
    let versions = format!("/lists/{list}/versions");
    assert_eq!(port.send_as(&author, "PUT", &versions, &rows(5)).0, 403);
    assert_eq!(port.send_as(&author, "POST", &format!("{versions}?base=1"), "").0, 403);
    assert_eq!(port.versions(&list), []);
    for purpose in ["Suppression", "suppressions", " suppression", "opt-out", "Opt out", "配信停止"]
    {
        let (status, text) = port.send("POST", "/lists", wanted(purpose));
        assert_eq!(status, 400, "{purpose}: {text}");
    }
}

#[test]
fn one_reqid_is_started_once_by_whichever_draft_comes_first() {
    let port = Port::open();
    let list = port.list("news");
    port.fill(&list, "", &rows(10));
    let (first, second) = (port.checked(&list, "a", ""), port.checked(&list, "a", ""));
    assert_eq!(port.start(&first).0, 202);
    assert_eq!(port.start(&first).0, 202, "the same order again");
    let (status, text) = port.start(&second);
    assert!(status == 409 && text.contains("7109"), "{status} {text}");
    // One that waits for its time has it too.
    let later = r#""start":"2099-01-01T00:00:00Z","#;
    let (first, second) = (port.checked(&list, "b", later), port.checked(&list, "b", ""));
    assert_eq!(port.start(&first).0, 202);
    assert_eq!(port.start(&first).0, 202, "the same order again");
    assert_eq!(port.start(&second).0, 409);
    assert_eq!(
        port.send("POST", &format!("/broadcasts/{}/cancel", first.0), r#"{"reason":"x"}"#).0,
        200
    );
    assert_eq!(port.start(&second).0, 202, "it is free again");
}

#[test]
fn the_audit_says_how_every_import_ended() {
    let port = Port::open();
    let list = port.list("news");
    assert!(!port.fill(&list, "", &rows(3)));
    let (status, text) = port.send("PUT", &format!("/lists/{list}/versions"), "no header\n");
    assert_eq!(status, 400, "{text}");
    let audit = port.directory.path().join("audit.jsonl");
    let audit = std::fs::read_to_string(audit).expect("an audit");
    let lines = |what: &str| audit.lines().filter(|line| line.contains(what)).count();
    assert_eq!(lines(&format!("list import {list} begins")), 2, "{audit}");
    assert_eq!(lines(&format!("list import {list} ends")), 1, "{audit}");
    assert_eq!(lines(&format!("not done: list import {list}")), 1, "{audit}");
}

#[test]
fn an_import_whose_sender_hangs_up_at_its_end_is_in_the_audit() {
    use std::io::Write as _;
    let port = Port::open();
    let list = port.list("news");
    let body = rows(20_000);
    let mut stream = std::net::TcpStream::connect(port.address()).expect("a connection");
    let head = format!(
        "PUT /lists/{list}/versions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET}\r\n\
         {ORDER_HEADER}: 1\r\nContent-Length: {}\r\n\r\n",
        port.address(),
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("taken");
    stream.write_all(body.as_bytes()).expect("taken");
    drop(stream);
    let audit = port.directory.path().join("audit.jsonl");
    let until = host::clock::instant() + Duration::from_secs(60);
    while port.versions(&list).is_empty() && host::clock::instant() < until {
        std::thread::yield_now();
    }
    let has_end = || {
        let audit = std::fs::read_to_string(&audit).expect("an audit");
        audit.contains(&format!("list import {list} ends"))
    };
    while !has_end() && host::clock::instant() < until {
        std::thread::yield_now();
    }
    assert!(has_end(), "a version is there, and nobody knows by whom");
}

#[test]
fn a_file_that_is_refused_before_it_is_read_is_told_so_to_whoever_writes_it_whole_first() {
    let port = Port::open();
    let list = port.list("recipients");
    let file = vec![b'0'; 6 << 20];
    let head = format!(
        "PUT /lists/{list}/versions?charset=ebcdic HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {SECRET}\r\nX-Hayauma-Order: 1\r\nContent-Length: {}\r\n\r\n",
        port.address(),
        file.len()
    );
    let mut stream = std::net::TcpStream::connect(port.address()).expect("a connection");
    stream.write_all(head.as_bytes()).expect("taken");
    stream.write_all(&file).expect("nobody cuts it off");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("charset"), "{answer}");
}

#[test]
fn a_phone_that_was_forgotten_for_somebody_who_hung_up_is_in_the_audit() {
    use std::io::Write as _;
    let port = Port::open();
    let list = port.list("news");
    port.fill(&list, "", &rows(200_000));
    let body = r#"{"msn":"09000000000"}"#;
    let head = format!(
        "POST /lists/forget HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET}\r\n\
         {ORDER_HEADER}: 1\r\nContent-Length: {}\r\n\r\n",
        port.address(),
        body.len()
    );
    let audit = port.directory.path().join("audit.jsonl");
    let has = |line: &str| std::fs::read_to_string(&audit).is_ok_and(|text| text.contains(line));
    let until = host::clock::instant() + Duration::from_secs(60);
    let await_line = |line: &str| {
        while !has(line) && host::clock::instant() < until {
            std::thread::yield_now();
        }
        assert!(has(line), "{line}");
    };
    let mut stream = std::net::TcpStream::connect(port.address()).expect("a connection");
    stream.write_all(format!("{head}{body}").as_bytes()).expect("taken");
    await_line("list forget begins");
    drop(stream);
    await_line("list forget ends");
    let (status, said) = port.send("POST", "/lists/forget", r#"{"msn":"00000000000"}"#);
    assert_eq!(status, 400, "every phone is none: {said}");
}
