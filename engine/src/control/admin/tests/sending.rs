//! A broadcast in one request, through the admin port.

use super::*;
use crate::control::broadcasts::{BroadcastDocument, ListDocument, ProgressDocument, Stage};
use crate::gateway::broadcasting::BroadcastRule;
use wire::terms::ids::Xpid;

const MANIFEST: &str = r#"{"xpid":"00100000001","sender":"Town","class":"03","reqid":"now",
    "lifetime":60,"legs":[{"audience":{"list":"upload","areas":"everywhere"},
    "texts":{"variants":{"en":"Go to {{shelter}}"},"fallback":["en"]}}]}"#;

impl Port {
    fn rule(&self, rule: BroadcastRule) {
        let xpid = Xpid::parse(b"00100000001").expect("an XPID");
        let mut registration = self.engine.registration(xpid);
        registration.broadcasts = rule;
        *self.engine.published.lock().expect("no panic") = vec![registration];
    }

    fn send_parts(
        &self,
        secret: &str,
        parts: &[(&str, &str)],
        more: &[(&str, &str)],
    ) -> (u16, String) {
        self.send_parted((secret, "B"), parts, more)
    }

    /// The same with this boundary.
    fn send_parted(
        &self,
        (secret, boundary): (&str, &str),
        parts: &[(&str, &str)],
        more: &[(&str, &str)],
    ) -> (u16, String) {
        let part = |(name, text): &(&str, &str)| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n"
            )
        };
        let body = parts.iter().map(part).collect::<String>() + &format!("--{boundary}--\r\n");
        let bearer = format!("Bearer {secret}");
        let kind = format!("multipart/form-data; boundary={boundary}");
        let kind = ("Content-Type", kind.as_str());
        let headers = [&[("Authorization", bearer.as_str()), kind], more].concat();
        self.send_to(self.address(), "POST", "/broadcasts?start=yes", body, &headers)
    }

    fn lists_there(&self) -> usize {
        read::<Vec<ListDocument>>(&self.send("GET", "/lists", "").1).len()
    }

    fn broadcasts_there(&self) -> Vec<(Stage, Option<String>)> {
        let all: Vec<ProgressDocument> = read(&self.send("GET", "/broadcasts", "").1);
        let all = all.into_iter().map(|progress| progress.document);
        all.map(|one| (one.stage, one.ended.map(|end| end.life))).collect()
    }
}

fn file() -> String {
    let rows = (0..100).map(|row| format!("0{},13101,hall {row}\n", 9_000_000_000u64 + row));
    format!("msn,area,shelter\n{}", rows.collect::<String>())
}

#[test]
fn a_manifest_and_its_recipients_are_a_broadcast_under_way_with_one_request() {
    let port = Port::open();
    port.rule(BroadcastRule::None);
    let secret = port.token("siren", "admin", &[]);
    let file = file();
    let parts = [("manifest", MANIFEST), ("list", file.as_str())];
    let key = [("Idempotency-Key", "once")];
    let (status, text) = port.send_parts(&secret, &parts, &key);
    assert_eq!(status, 202, "{text}");
    let sent: BroadcastDocument = read(&text);
    assert_eq!(sent.stage, Stage::Started);
    let check = sent.check.expect("a dry run");
    assert_eq!((check.addressed.targeted, check.addressed.texts.len()), (100, 100));
    assert!(text.contains(r#""rows":100"#), "what became of the file: {text}");
    let list: ListDocument =
        read(&port.send("GET", &format!("/lists/{}", sent.manifest.legs[0].audience.list), "").1);
    assert_eq!((list.parameters, list.xpids), (vec!["shelter".into()], vec!["00100000001".into()]));
    // The same once more is answered and not done, whatever its sender puts between the parts.
    for boundary in ["B", "------------------------d74496d66958873e"] {
        let again = port.send_parted((&secret, boundary), &parts, &key);
        assert_eq!(again, (202, text.clone()), "{boundary}");
    }
    let more = format!("{file}09000000100,13101,hall\n");
    let another = port.send_parts(&secret, &[parts[0], ("list", more.as_str())], &key);
    assert!(another.0 == 409 && another.1.contains("7109"), "{another:?}");
    assert_eq!(port.broadcasts_there().len(), 1);
    let audit = port.audit();
    for act in
        ["list create", "list import", "broadcast create", "broadcast check", "broadcast start"]
    {
        assert!(audit.contains(act), "{act} in {audit}");
    }
}

#[test]
fn what_is_not_started_leaves_neither_list_nor_draft() {
    let port = Port::open();
    let secret = port.token("siren", "admin", &[]);
    let author = port.token("author", "author", &[]);
    let (good, file) = (MANIFEST, file());
    let bad = format!("msn\n{}", "x\n".repeat(50));
    let send = |secret: &str, parts: &[(&str, &str)]| port.send_parts(secret, parts, &[]);
    for rule in [BroadcastRule::Class, BroadcastRule::One, BroadcastRule::Two] {
        port.rule(rule);
        let (status, text) = send(&secret, &[("manifest", good), ("list", file.as_str())]);
        assert!(status == 403 && text.contains("7105"), "{status} {text}");
    }
    port.rule(BroadcastRule::None);
    let (status, text) = send(&author, &[("manifest", good), ("list", file.as_str())]);
    assert!(status == 403 && text.contains("7112"), "{status} {text}");
    let other = good.replace("upload", "li-1");
    let nowhere = good.replace("everywhere", "here");
    for (parts, wanted) in [
        (&[("list", file.as_str()), ("manifest", good)][..], 400),
        (&[("manifest", good)], 400),
        (&[("manifest", good), ("list", file.as_str()), ("more", "x")], 400),
        (&[("manifest", other.as_str()), ("list", file.as_str())], 422),
        (&[("manifest", nowhere.as_str()), ("list", file.as_str())], 422),
        (&[("manifest", good), ("list", bad.as_str())], 422),
        (&[("manifest", good), ("list", "not a list")], 400),
    ] {
        let (status, text) = send(&secret, parts);
        assert_eq!(status, wanted, "{parts:?}: {text}");
    }
    assert_eq!((port.lists_there(), port.broadcasts_there()), (0, Vec::new()));
    // What its dry run refuses is a draft that is over.
    let expected =
        good.replace(r#""lifetime":60,"#, r#""lifetime":60,"expect":{"recipients":[1,9]},"#);
    let (status, text) = send(&secret, &[("manifest", expected.as_str()), ("list", file.as_str())]);
    assert!(status == 409 && text.contains("7106"), "{status} {text}");
    assert_eq!(port.lists_there(), 0);
    assert_eq!(port.broadcasts_there(), [(Stage::Ended, Some("failed".to_owned()))]);
    // A manifest by itself is a draft, and says nothing of a start.
    let alone = good.replace("upload", "li-1");
    assert_eq!(port.send("POST", "/broadcasts?start=yes", alone.clone()).0, 400);
    assert_eq!(port.send("POST", "/broadcasts", alone).0, 201);
    assert_eq!(port.lists_there(), 0);
}

#[test]
fn a_reqid_may_be_any_word() {
    let port = Port::open();
    port.rule(BroadcastRule::None);
    let secret = port.token("siren", "admin", &[]);
    let file = file();
    for reqid in ["do-not-cross", "optout-1", "stop", "suppression"] {
        let manifest = MANIFEST.replace(r#""now""#, &format!(r#""{reqid}""#));
        let parts = [("manifest", manifest.as_str()), ("list", file.as_str())];
        let (status, text) = port.send_parts(&secret, &parts, &[]);
        assert_eq!(status, 202, "{reqid}: {text}");
    }
}

#[test]
fn a_bound_sender_is_told_nothing_of_templates() {
    let port = Port::open();
    port.rule(BroadcastRule::None);
    let secret = port.token("bound", "admin", &["00100000001"]);
    let file = file();
    let texts = r#"{"variants":{"en":"Go to {{shelter}}"},"fallback":["en"]}"#;
    let manifest = MANIFEST.replace(texts, r#"{"template":"nothing"}"#);
    let parts = [("manifest", manifest.as_str()), ("list", file.as_str())];
    let (status, text) = port.send_parts(&secret, &parts, &[]);
    assert!(status == 403 && text.contains("7112"), "whether it is there or not: {status} {text}");
}
