//! One version of a list through the admin port: its account, its rows, its refused lines, taken as
//! it is; a phone that is forgotten.

use super::lists::rows;
use super::*;
use crate::control::broadcasts::{BroadcastDocument, Forgotten, ListDocument, RowShown};
use crate::control::broadcasts::{VersionDocument, VersionShown};

const BAD: &str = "msn,area,lang,shelter\n09000000001,13101,ja,hall\n118,13101,en,\n\
    =1+1,13101,en,\n090-0000-0002,27100,,\"a, b\"\n";

#[test]
fn a_version_tells_its_account_its_refused_lines_and_one_phones_row() {
    let port = Port::open();
    let (status, text) = port.send("POST", "/lists", r#"{"name":"x","parameters":["shelter"]}"#);
    assert_eq!(status, 201, "{text}");
    let list = read::<ListDocument>(&text).list;
    assert!(!port.fill(&list, "", BAD));
    let at = |more: &str| format!("/lists/{list}/versions/1{more}");
    let figures = port.token("figures", "read", &[]);
    let (status, text) = port.send_as(&figures, "GET", &at(""), "");
    assert_eq!(status, 200, "{text}");
    assert!(!text.contains("0900000000"), "no number: {text}");
    let shown: VersionShown = read(&text);
    let account = shown.account.expect("it was kept");
    assert_eq!((shown.version.rows, shown.version.refused, account.records), (2, 2, 4));
    assert_eq!(account.areas.get("13101"), Some(&1));
    assert_eq!(account.languages.get("ja"), Some(&1));
    assert_eq!(account.refused.get("short_code"), Some(&1));
    assert_eq!(account.spellings.get("separated"), Some(&1));
    assert_eq!(port.send_as(&figures, "GET", &at("/refused"), "").0, 403);
    let (status, table) = port.send("GET", &at("/refused"), "");
    assert_eq!(status, 200, "{table}");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "line,reason,sentence,text");
    assert!(lines[1].starts_with("3,short_code,") && lines[1].contains("118"), "{table}");
    assert!(lines[2].starts_with("4,") && lines[2].contains("\"'=1+1"), "{table}");
    let (status, text) = port.send("GET", &at("/rows?msn=09000000002"), "");
    assert_eq!(status, 200, "{text}");
    let row: RowShown = read(&text);
    assert_eq!((row.area.as_str(), row.lang.as_str()), ("27100", ""));
    assert_eq!(row.params.get("shelter").map(String::as_str), Some("a, b"));
    assert_eq!(port.send("GET", &at("/rows?msn=09000000003"), "").0, 404);
    assert_eq!(port.send("GET", &at("/rows?msn=1"), "").0, 400);
    assert_eq!(port.send("GET", &format!("/lists/{list}/versions/2"), "").0, 404);
}

#[test]
fn a_version_that_was_refused_is_used_once_an_approver_takes_it_as_it_is() {
    let port = Port::open();
    let list = port.list("news");
    let file = format!("{}{}", rows(100), "x\n".repeat(30));
    assert!(port.fill(&list, "", &file));
    let draft = port.draft(&list, "a");
    let check = format!("/broadcasts/{draft}/check");
    let (status, text) = port.send("POST", &check, "");
    assert!(status == 422 && text.contains("7102"), "{text}");
    let take = format!("/lists/{list}/versions/1/take");
    let [author, approver] = ["author", "approver"].map(|role| port.token(role, role, &[]));
    assert_eq!(port.send_as(&author, "POST", &take, "").0, 403);
    let (status, text) = port.send_as(&approver, "POST", &take, "");
    assert_eq!(status, 200, "{text}");
    let versions = read::<ListDocument>(&text).versions;
    let taken = |version: &VersionDocument| version.taken_by.clone();
    assert_eq!((versions[0].is_refused, taken(&versions[0])), (false, Some("approver".into())));
    assert!(port.audit().contains(&format!("list take {list} version 1")));
    assert_eq!(port.send("POST", &check, "").0, 200);
    let (status, text) = port.send_as(&approver, "POST", &take, "");
    assert!(status == 409 && text.contains("7107"), "twice: {text}");
    // Whoever may not fill a suppression list lets none be used either.
    let list = port.list("suppression");
    assert!(port.fill(&list, "", &file));
    let take = format!("/lists/{list}/versions/1/take");
    let (status, text) = port.send_as(&approver, "POST", &take, "");
    assert!(status == 403 && text.contains("7112"), "{text}");
}

#[test]
fn a_phone_that_is_forgotten_is_in_no_version_and_the_audit_does_not_name_it() {
    let port = Port::open();
    let list = port.list("news");
    port.fill(&list, "", &rows(100));
    port.fill(&list, "", &rows(50));
    let out = port.list("suppression");
    port.fill(&out, "", &format!("{}x,09000000007\n", rows(20)));
    assert!(port.is_suppressed("09000000007"));
    let draft = port.draft(&list, "a");
    assert_eq!(port.send("POST", &format!("/broadcasts/{draft}/check"), "").0, 200);
    let forget = |msn: &str| port.send("POST", "/lists/forget", format!(r#"{{"msn":"{msn}"}}"#));
    let (status, text) = forget("09000000007");
    assert_eq!(status, 200, "{text}");
    let forgotten: Forgotten = read(&text);
    let mut versions = [format!("{list}@1"), format!("{list}@2"), format!("{out}@1")];
    versions.sort();
    assert_eq!(forgotten.versions, versions);
    assert_eq!((forgotten.suppression, forgotten.drafts), (vec![out.clone()], vec![draft.clone()]));
    assert_eq!(port.versions(&list), [(1, 99), (2, 49)]);
    for (list, version) in [(&list, 1), (&list, 2), (&out, 1)] {
        let row = |msn: &str| {
            let path = format!("/lists/{list}/versions/{version}/rows?msn={msn}");
            port.send("GET", &path, "").0
        };
        assert_eq!((row("09000000007"), row("09000000008")), (404, 200), "{list} {version}");
    }
    let refused = port.send("GET", &format!("/lists/{out}/versions/1/refused"), "").1;
    assert!(!refused.contains("09000000007"), "{refused}");
    assert!(!port.is_suppressed("09000000007") && port.is_suppressed("09000000008"));
    let audit = port.audit();
    assert!(audit.contains("list forget ends") && !audit.contains("09000000007"), "{audit}");
    let (_, text) = port.send("GET", &format!("/broadcasts/{draft}"), "");
    assert!(read::<BroadcastDocument>(&text).check.is_none(), "it is to be checked again");
    let (status, text) = forget("09000000007");
    assert_eq!((status, read::<Forgotten>(&text)), (200, Forgotten::default()), "again: nothing");
    assert_eq!(forget("12").0, 400);
}
