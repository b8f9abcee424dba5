//! What the answers hold: under every role every path that shows something, read to its end.

use super::access::api_or_pages;
use super::lists::rows;
use super::*;
use crate::control::broadcasts::BroadcastDocument;
use crate::control::roles::{Role, RoleSet};
use std::net::TcpStream;

/// Stands in every text, and in what texts are filled in with.
const TOLD: &str = "LEAVE-BY-THE-NORTH-GATE";
/// A phone of the list, with a contract.
const PHONE: &str = "09000000001";

/// Which texts there are, as JSON.
fn texts(of: &str) -> String {
    format!(
        r#"{{"variants":{{"en":"{TOLD} {of} {{{{gate}}}}"}},"fallback":["en"],
        "parameters":{{"gate":"{TOLD}"}},"area_parameters":{{"13101":{{"gate":"{TOLD}"}}}}}}"#
    )
}

impl Port {
    /// A draft whose every text is told apart; its identifier.
    fn telling(&self, list: &str, reqid: &str) -> String {
        let manifest = format!(
            r#"{{"xpid":"00100000001","sender":"Town","class":"01","reqid":"{reqid}",
            "legs":[{{"audience":{{"list":"{list}","areas":["13101"]}},"texts":{}}}],
            "retraction":{{"reqid":"{reqid}-r","texts":{}}}}}"#,
            texts("now"),
            texts("back")
        );
        let (status, text) = self.send("POST", "/broadcasts", manifest);
        assert_eq!(status, 201, "{text}");
        read::<BroadcastDocument>(&text).broadcast
    }

    fn look_over(&self, broadcast: &str) -> (String, u64) {
        let (status, text) = self.send("POST", &format!("/broadcasts/{broadcast}/check"), "");
        assert_eq!(status, 200, "{text}");
        let check = read::<BroadcastDocument>(&text).check.expect("a dry run");
        (check.digest, check.addressed.targeted)
    }

    /// One that runs, one that was looked over, one that is written; and a template.
    fn tell(&self, list: &str) -> [String; 3] {
        let all = ["a", "b", "c"].map(|reqid| self.telling(list, reqid));
        let (digest, recipients) = self.look_over(&all[0]);
        self.look_over(&all[1]);
        let wanted = format!(r#"{{"digest":"{digest}","recipients":{recipients}}}"#);
        let path = format!("/broadcasts/{}/start", all[0]);
        let (status, text) = self.send("POST", &path, wanted);
        assert_eq!(status, 202, "{text}");
        let template = format!(
            r#"{{"variants":{{"en":"{TOLD}"}},"fallback":["en"],"retraction":{{"en":"{TOLD}"}},
            "release":{{"en":"{TOLD}"}}}}"#
        );
        let (status, text) = self.send("PUT", "/templates/flood", template);
        assert_eq!(status, 200, "{text}");
        all
    }

    /// The first piece of an answer that goes on.
    fn first_piece(&self, secret: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).expect("a connection");
        let host = self.address();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("taken");
        let mut octets = Vec::new();
        let mut piece = [0; 4_096];
        loop {
            let taken = stream.read(&mut piece).expect("an answer");
            octets.extend_from_slice(&piece[..taken]);
            let text = String::from_utf8_lossy(&octets).into_owned();
            let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            if taken == 0 || body.contains("\n\n") || status >= 300 && !body.is_empty() {
                return (status, text);
            }
        }
    }
}

/// What is asked of a path: about each broadcast, and for each act that is asked before.
fn targets(path: &str, list: &str, broadcasts: &[String; 3]) -> Vec<String> {
    let path = path.replace("{xpid}", "00100000001").replace("{list}", list);
    let path = path.replace("{template}", "flood").replace("{msn}", PHONE);
    let path = path.replace("{version}", "1");
    let path = match path.as_str() {
        "/warnings" => path + "?source=town",
        "/pushes" => path + &format!("?msn={PHONE}"),
        _ if path.ends_with("/rows") => path + &format!("?msn={PHONE}"),
        _ => path,
    };
    if !path.contains("{broadcast}") {
        return vec![path];
    }
    let of = |broadcast: &String| path.replace("{broadcast}", broadcast);
    let all = broadcasts.iter().map(of);
    if !path.ends_with("/confirm") {
        return all.collect();
    }
    let acts = ["approve", "start", "cancel", "retract"];
    all.flat_map(|path| acts.map(|act| format!("{path}?act={act}"))).collect()
}

#[test]
fn no_answer_holds_what_its_reader_may_not_see() {
    let port = Port::open();
    let client = r#"{"xpid":"00100000001","client":"City","classes":["standard"],
        "senders":["Town"],"broadcasts":"class"}"#;
    assert_eq!(port.send("POST", "/clients", client).0, 201);
    let contract = format!(r#"{{"xpid":"00100000001","msns":["{PHONE}"]}}"#);
    assert_eq!(port.send("POST", "/contracts", contract).0, 200);
    let source = r#"{"token":"town-cap","profile":"cap","xpid":"00100000001","sender":"Town",
        "lists":["li-1"]}"#;
    assert_eq!(port.send("PUT", "/sources/town", source).0, 200);
    let list = port.list("news");
    assert!(!port.fill(&list, "", &rows(10)));
    let broadcasts = port.tell(&list);
    for role in Role::ALL {
        let may = |wanted: Role| RoleSet::default().with(role).allow(wanted);
        let sees_texts = [Role::Author, Role::Approver, Role::Operator].into_iter().any(may);
        let secret = port.token(&format!("a-{}", role.word()), role.word(), &[]);
        let (mut told, mut named) = (Vec::new(), Vec::new());
        for rule in api_or_pages().filter(|rule| !rule.is_order()) {
            for target in targets(rule.path, &list, &broadcasts) {
                let what = format!("{target} as {}", role.word());
                let (status, text) = match rule.goes_on() {
                    true => port.first_piece(&secret, &target),
                    false => port.send_as(&secret, "GET", &target, ""),
                };
                let is_let = rule.needs.is_none_or(may);
                assert!(!is_let || [200, 404, 409].contains(&status), "{what}: {status} {text}");
                if text.contains(TOLD) {
                    assert!(sees_texts, "{what} shows what people are told: {text}");
                    told.push(rule.path);
                }
                // Whoever is refused may be told of what it asked for itself.
                if is_let && text.contains(PHONE) {
                    assert!(may(Role::Numbers), "{what} shows a phone: {text}");
                    named.push(rule.path);
                }
            }
        }
        told.dedup();
        let all = [
            "/broadcasts",
            "/broadcasts/{broadcast}",
            "/templates",
            "/templates/{template}",
            "/broadcasts/{broadcast}/report.json",
            "/broadcasts/{broadcast}/report",
            "/dashboard/{broadcast}",
            "/dashboard/{broadcast}/confirm",
        ];
        assert_eq!(told, if sees_texts { all.as_slice() } else { &[] }, "as {}", role.word());
        assert_eq!(named.is_empty(), !may(Role::Numbers), "{named:?} as {}", role.word());
    }
}
