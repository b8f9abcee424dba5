//! Tokens that are bound to XPIDs beside what is of another: every path, and what it answers.

use super::access::{api_or_pages, body_of, target_of};
use super::*;
use crate::control::admin::paths::{PathRule, PathScope};
use crate::control::broadcasts::{BroadcastDocument, ListDocument};

const OWN: &str = "00100000001";
const OTHERS: &str = "00100000002";

fn manifest(xpid: &str, reqid: &str, list: &str) -> String {
    format!(
        r#"{{"xpid":"{xpid}","sender":"Town","class":"01","reqid":"{reqid}","legs":[{{"audience":
        {{"list":"{list}","areas":["13101"]}},"texts":
        {{"variants":{{"en":"{reqid}"}},"fallback":["en"]}}}}]}}"#
    )
}

impl Port {
    /// A list with a version, of this XPID, made by whoever sees everything.
    fn list_of(&self, xpids: &str) -> String {
        let wanted = format!(r#"{{"name":"x","xpids":[{xpids}]}}"#);
        let (status, text) = self.send("POST", "/lists", wanted);
        assert_eq!(status, 201, "{text}");
        let list = read::<ListDocument>(&text).list;
        assert!(!self.fill(&list, "", &lists::rows(100)));
        list
    }

    fn draft_of(&self, xpid: &str, reqid: &str, list: &str) -> String {
        let (status, text) = self.send("POST", "/broadcasts", manifest(xpid, reqid, list));
        assert_eq!(status, 201, "{text}");
        read::<BroadcastDocument>(&text).broadcast
    }
}

fn target(rule: &PathRule, list: &str, broadcast: &str) -> String {
    let path = target_of(rule).replace("/li-1", &format!("/{list}"));
    path.replace("/br-1", &format!("/{broadcast}"))
}

#[test]
fn what_is_of_another_xpid_is_answered_at_every_path_as_what_is_not_there() {
    let port = Port::open();
    let list = port.list_of(&format!(r#""{OTHERS}""#));
    let broadcast = port.draft_of(OTHERS, "theirs", &list);
    let of_all = port.list_of("");
    let secret = port.token("bound", "admin", &[OWN]);
    let before = port.audit();
    let nothing = ("li-0000000000", "bc-0000000000");
    let mut named = 0;
    for rule in api_or_pages().filter(|rule| rule.needs.is_some()) {
        let what = format!("{} {}", rule.method, rule.path);
        let send = |list: &str, broadcast: &str| {
            port.send_as(&secret, rule.method, &target(rule, list, broadcast), body_of(rule))
        };
        let names_one = rule.path.contains("{list}") || rule.path.contains("{broadcast}");
        match rule.scope {
            PathScope::Own if names_one => {
                let unseen = send(&list, &broadcast);
                assert_eq!(unseen.0, 404, "{what}: {unseen:?}");
                let absent = send(nothing.0, nothing.1);
                assert_eq!(unseen, absent, "{what}");
                assert_eq!(send(&of_all, &broadcast), absent, "{what}");
                named += 1;
            }
            PathScope::Whole => assert_eq!(send(&list, &broadcast).0, 403, "{what}"),
            _ => {}
        }
    }
    assert!(named > 30, "{named} paths name a list or a broadcast");
    assert_eq!(port.audit(), before, "and none of it is an act");
    for path in ["/lists", "/broadcasts"] {
        assert_eq!(port.send_as(&secret, "GET", path, ""), (200, "[]\n".to_owned()), "{path}");
    }
    for path in ["/dashboard", "/dashboard/new"] {
        let (status, text) = port.send_as(&secret, "GET", path, "");
        assert_eq!(status, 200, "{path}");
        for name in [&list, &broadcast, &of_all] {
            assert!(!text.contains(name.as_str()), "{path} shows {name}");
        }
    }
}

#[test]
fn a_bound_token_acts_as_the_author_of_its_xpid_with_its_own_lists() {
    let port = Port::open();
    let theirs = port.list_of(&format!(r#""{OTHERS}""#));
    let their_draft = port.draft_of(OTHERS, "theirs", &theirs);
    let secret = port.token("bound", "author", &[OWN]);
    let send = |method: &str, path: &str, body: &str| port.send_as(&secret, method, path, body);
    let (status, text) = send("POST", "/lists", r#"{"name":"own"}"#);
    assert_eq!(status, 201, "{text}");
    let own = read::<ListDocument>(&text);
    assert_eq!(own.xpids, [OWN], "it is of the token's XPIDs");
    let own = own.list;
    assert_eq!(send("PUT", &format!("/lists/{own}/versions"), &lists::rows(20)).0, 201);
    let (status, text) = send("POST", "/lists", &format!(r#"{{"name":"x","xpids":["{OTHERS}"]}}"#));
    assert!(status == 403 && text.contains("7112"), "{text}");
    let (status, text) = send("POST", "/broadcasts", &manifest(OWN, "own", &own));
    assert_eq!(status, 201, "{text}");
    let draft = read::<BroadcastDocument>(&text).broadcast;
    let (status, text) = send("POST", &format!("/broadcasts/{draft}/check"), "");
    assert_eq!(status, 200, "{text}");
    assert_eq!(read::<BroadcastDocument>(&text).check.expect("a dry run").addressed.targeted, 20);
    let shown = send("GET", "/broadcasts", "").1;
    assert!(shown.contains(&draft) && !shown.contains(&their_draft), "{shown}");
    // It writes nothing of another's, nor about another's.
    let of =
        format!(r#""list":"{own}","of":{{"broadcast":"{their_draft}","outcomes":["delivered"]}}"#);
    let own_list = format!(r#""list":"{own}""#);
    for (wrong, place) in [
        (manifest(OTHERS, "a", &own), "/xpid"),
        (manifest(OWN, "b", &theirs), "/legs/0/audience/list"),
        (manifest(OWN, "c", &own).replace(&own_list, &of), "/legs/0/audience/of"),
        (
            manifest(OWN, "d", &own)
                .replace(&own_list, &format!(r#"{own_list},"except":["{theirs}"]"#)),
            "/legs/0/audience/except",
        ),
        (
            manifest(OWN, "e", &own)
                .replace(r#""variants":{"en":"e"},"fallback":["en"]"#, r#""template":"flood""#),
            "/legs/0/texts/template",
        ),
    ] {
        for (method, path) in
            [("POST", "/broadcasts".to_owned()), ("PUT", format!("/broadcasts/{draft}"))]
        {
            let (status, text) = send(method, &path, &wrong);
            assert!((400..500).contains(&status) && text.contains(place), "{status} {text}");
        }
    }
    let wanted = format!(r#"{{"codes":["13101"],"lists":["{theirs}"]}}"#);
    assert_eq!(send("POST", "/areas/match", &wanted).0, 404);
}

#[test]
fn a_list_of_some_xpids_is_used_by_them_alone_and_nobody_suppresses_for_others() {
    let port = Port::open();
    let theirs = port.list_of(&format!(r#""{OTHERS}""#));
    // Whoever sees everything may write it, and is told that the XPID may not use the list.
    let draft = port.draft_of(OWN, "crossed", &theirs);
    let (status, text) = port.send("POST", &format!("/broadcasts/{draft}/check"), "");
    assert!(status == 409 && text.contains("7101") && text.contains(OWN), "{text}");
    let bound = port.token("bound", "operator", &[OWN]);
    let both = port.token("both", "admin", &[OWN]);
    for (secret, wanted) in [
        (&both, r#"{"name":"x","purpose":"suppression"}"#),
        (&both, r#"{"name":"x","purpose":"suppression","xpids":["00100000001"]}"#),
    ] {
        let (status, text) = port.send_as(secret, "POST", "/lists", wanted);
        assert!(status == 403 && text.contains("7112"), "{text}");
    }
    assert_eq!(port.send_as(&bound, "POST", "/lists", r#"{"name":"x"}"#).0, 403);
    let wanted = format!(r#"{{"name":"x","purpose":"suppression","xpids":["{OWN}"]}}"#);
    assert_eq!(port.send("POST", "/lists", wanted).0, 400);
    assert_eq!(port.send("POST", "/lists", r#"{"name":"x","xpids":["1"]}"#).0, 400);
}

#[test]
fn a_bound_token_says_by_no_update_what_a_template_has() {
    let port = Port::open();
    let theirs = r#"{"variants":{"en":"Only for others"},"fallback":["en"]}"#;
    assert_eq!(port.send("PUT", "/templates/theirs", theirs).0, 200);
    let own = port.list_of(&format!(r#""{OWN}""#));
    let broadcast = port.draft_of(OWN, "first", &own);
    let (status, text) = port.send("POST", &format!("/broadcasts/{broadcast}/check"), "");
    assert_eq!(status, 200, "{text}");
    let check = read::<BroadcastDocument>(&text).check.expect("a dry run");
    let start =
        format!(r#"{{"digest":"{}","recipients":{}}}"#, check.digest, check.addressed.targeted);
    let (status, text) = port.send("POST", &format!("/broadcasts/{broadcast}/start"), start);
    assert_eq!(status, 202, "{text}");
    let secret = port.token("bound", "author", &[OWN]);
    let texts = r#""texts":{"variants":{"en":"next"},"fallback":["en"]}"#;
    let of_template = r#""texts":{"template":"theirs"}"#;
    for update in [
        format!(r#"{{"reqid":"u",{of_template}}}"#),
        format!(r#"{{"reqid":"u",{texts},"release":{{{of_template}}}}}"#),
        format!(r#"{{"reqid":"u",{texts},"retraction":{{"reqid":"r",{of_template}}}}}"#),
    ] {
        let path = format!("/broadcasts/{broadcast}/update");
        let (status, text) = port.send_as(&secret, "POST", &path, &update);
        assert!(status == 403 && text.contains("7112"), "{update}: {status} {text}");
    }
}
