//! Broadcasts in a browser: the whole life by forms, without scripts; the stream of figures; the
//! report and its proof. And in a headless Chromium, where there is one.

mod chromium;
mod drafts;
mod events;
mod webhooks;

use hayauma::control::broadcasts::{BroadcastReport, ProgressDocument};
use std::net::SocketAddr;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::browser::{Browser, Sight, header};
use tests::html;
use tests::ports;
use tests::push::XPID;
use tests::site::Site;
use tests::wait;

/// A site whose engine has a port of broadcasts, and the tokens of two people.
pub(crate) struct Office {
    pub(crate) site: Site,
    pub(crate) address: SocketAddr,
    /// Writes and starts.
    pub(crate) author: String,
    /// Agrees.
    pub(crate) approver: String,
    /// Looks on.
    pub(crate) reader: String,
}

impl Office {
    pub(crate) fn new() -> Self {
        let mut site = Site::new(tests::programs!());
        let address = ports::free_address();
        site.set("--broadcast", &address.to_string());
        let token = |name: &str, roles: &[&str]| {
            let roles: Vec<&str> = roles.iter().flat_map(|role| ["--role", *role]).collect();
            let made = site.must(&[&["token", "add", name], roles.as_slice()].concat());
            made.split_whitespace().last().expect("a token").to_owned()
        };
        let author = token("mayor", &["author", "operator"]);
        let approver = token("deputy", &["approver"]);
        let reader = token("press", &["read"]);
        Self { site, address, author, approver, reader }
    }
}

/// A page as it has to be.
#[track_caller]
pub(crate) fn good(sight: Sight) -> Sight {
    assert_eq!(sight.status, 200, "{}: {}", sight.path, sight.text());
    let faults = html::faults(&sight.text());
    assert_eq!(faults, Vec::<String>::new(), "{}: {}", sight.path, sight.text());
    let policy = header(&sight.answer, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    sight
}

/// The fields of a draft's form.
pub(crate) fn draft_fields<'a>(
    list: &'a str,
    class: &'a str,
    reqid: &'a str,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("class", class),
        ("from", "00100000001 Hayauma"),
        ("reqid", reqid),
        ("list", list),
        ("areas", "13101, 27100 01100"),
        ("text_ja", "高台へ避難してください"),
        ("text_en", "Go to <b>high</b> ground & stay"),
        ("minutes", "60"),
        ("per_second", "400"),
    ]
}

/// A manifest of a broadcast whose retraction is prepared.
fn with_retraction(list: &str, class: &str) -> String {
    let ready = r#""retraction":{"reqid":"sorry","texts":{"variants":{"ja":"誤りです"},
        "fallback":["ja"]}},"#;
    manifest(list, class, "wrong", ready)
}

#[test]
fn a_broadcast_lives_its_whole_life_by_forms_without_a_script() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 2_000);
    let engine = office.site.start();
    let list = people.list(&rows(2_000));
    let mayor = Browser::signed_in(office.address, &office.author, "en");
    let deputy = Browser::signed_in(office.address, &office.approver, "ja");
    let new = good(mayor.see("/dashboard/new"));
    let draft = good(mayor.send(&new, "/dashboard/new", &draft_fields(&list, "03", "flood-1")));
    assert!(draft.text().contains("REAL BROADCAST") && !draft.text().contains("EXERCISE"));
    assert!(
        draft.text().contains("&lt;b&gt;high&lt;/b&gt; ground &amp; stay"),
        "a text is no markup"
    );
    let page = draft.path.clone();
    let at = |act: &str| format!("{page}/{act}");
    let checked = good(mayor.send(&draft, &at("check"), &[]));
    assert!(checked.text().contains("2,000"), "{}", checked.text());
    let asked = good(deputy.see(&at("confirm?act=approve")));
    for word in ["実配信", "緊急", "2,000", "13101", "高台へ避難してください"] {
        assert!(asked.text().contains(word), "{word} in {}", asked.text());
    }
    let digest = asked.hidden("digest");
    let own = mayor.send(&checked, &at("approve"), &[("digest", &digest)]);
    assert_eq!(own.status, 403, "the mayor has not that role");
    good(deputy.send(&asked, &at("approve"), &[("digest", &digest)]));
    let asked = good(mayor.see(&at("confirm?act=start")));
    let fields = [("digest", digest.as_str()), ("recipients", "1,999")];
    let wrong = mayor.send(&asked, &at("start"), &fields);
    assert!(wrong.status == 409 && wrong.text().contains("repeat that number"), "{}", wrong.text());
    let running = good(mayor.send(&asked, &at("start"), &[fields[0], ("recipients", "2,000")]));
    assert!(running.text().contains("http-equiv=\"refresh\""), "it reloads by itself");
    wait::until_true("some reached", || people.status(id_of(&page)).counts["delivered"] > 200);
    let paused = good(mayor.send(&running, &at("pause"), &[]));
    assert!(paused.text().contains("s-paused") && paused.text().contains("/resume"));
    let resumed = good(mayor.send(&paused, &at("resume"), &[]));
    assert!(resumed.text().contains("s-running"), "{}", resumed.text());
    good(mayor.send(&resumed, &at("pause"), &[]));
    let asked = good(mayor.see(&at("confirm?act=cancel")));
    let shown = asked.hidden("shown");
    assert!(shown.parse::<u64>().expect("a number") > 0);
    let fields = [("shown", shown.as_str()), ("typed", "1"), ("reason", "wrong town")];
    assert_eq!(mayor.send(&asked, &at("cancel"), &fields).status, 409, "the number is repeated");
    good(mayor.see(&at("confirm?act=retract")));
    let ended = good(mayor.send(&asked, &at("cancel"), &[fields[0], ("typed", &shown), fields[2]]));
    assert!(ended.text().contains("/report"), "{}", ended.text());
    let progress = people.ended(id_of(&page));
    assert_eq!(progress.state, "cancelled");
    prove(&office, &mayor, &progress);
    engine.stop();
    let audit = office.site.must(&["audit"]);
    let acts = ["create", "check", "approve", "start", "pause", "resume", "pause", "cancel"];
    let mut at = 0;
    for act in acts {
        let line = format!("broadcast {act} {}", id_of(&page));
        at += audit[at..].find(&line).unwrap_or_else(|| panic!("{line} in {audit}"));
    }
    assert!(audit.contains("wrong town") && audit.contains("deputy sign in"), "{audit}");
}

#[test]
fn whoever_approves_and_starts_sees_what_takes_it_back() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 30);
    let engine = office.site.start();
    let list = people.list(&rows(30));
    let broadcast = people.draft(&with_retraction(&list, "03"));
    people.check(&broadcast);
    let deputy = Browser::signed_in(office.address, &office.approver, "ja");
    let mayor = Browser::signed_in(office.address, &office.author, "en");
    for (who, path) in [
        (&deputy, format!("/dashboard/{broadcast}")),
        (&deputy, format!("/dashboard/{broadcast}/confirm?act=approve")),
        (&mayor, format!("/dashboard/{broadcast}/confirm?act=start")),
    ] {
        let text = good(who.see(&path)).text();
        assert!(text.contains("誤りです") && text.contains("sorry"), "{path}: {text}");
    }
    engine.stop();
}

#[test]
fn what_is_over_is_taken_back_in_the_browser_and_the_two_pages_lead_to_each_other() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 30);
    let engine = office.site.start();
    let list = people.list(&rows(30));
    let broadcast = people.started(&with_retraction(&list, "02"));
    people.ended(&broadcast);
    let mayor = Browser::signed_in(office.address, &office.author, "en");
    let page = format!("/dashboard/{broadcast}");
    let over = good(mayor.see(&page)).text();
    assert!(over.contains("Take it back") && !over.contains("Taken back by"), "{over}");
    let asked = good(mayor.see(&format!("{page}/confirm?act=retract")));
    assert!(asked.text().contains("REAL broadcast back"), "{}", asked.text());
    let shown = asked.hidden("shown");
    let fields = [("shown", shown.as_str()), ("typed", &shown), ("reason", "wrong town")];
    good(mayor.send(&asked, &format!("{page}/retract"), &fields));
    wait::until_true("a link", || mayor.see(&page).text().contains("Taken back by"));
    wait::until_true("an end", || {
        people.status(&broadcast).document.retracting.is_some_and(|known| known.is_done)
    });
    let over = good(mayor.see(&page)).text();
    assert!(over.contains("<q>wrong town</q>") && !over.contains("Take it back"), "{over}");
    let known = people.status(&broadcast).document.retracting.expect("it was ordered");
    let other = known.broadcast.expect("it was started");
    let text = good(mayor.see(&format!("/dashboard/{other}"))).text();
    assert!(text.contains("Takes back") && text.contains(&page), "{text}");
    engine.stop();
}

#[test]
fn every_page_of_an_engine_that_looks_on_says_so() {
    let mut office = Office::new();
    office.site.set("--paused", "true");
    let people = Broadcaster::new(&office.site, 10);
    let engine = office.site.start();
    let draft = people.draft(&with_retraction(&people.list(&rows(10)), "02"));
    let mayor = Browser::signed_in(office.address, &office.author, "en");
    let (one, asking) =
        (format!("/dashboard/{draft}"), format!("/dashboard/{draft}/confirm?act=cancel"));
    for path in ["/dashboard", "/dashboard/new", &one, &asking] {
        let text = good(mayor.see(path)).text();
        assert!(text.contains("This engine only looks on"), "{path}: {text}");
    }
    assert!(engine.admin().status().looks_on);
    let said = std::fs::read_to_string(office.site.path("engine.out")).expect("what it said");
    assert!(said.contains("LOOKS ON") && !said.contains("takes pushes"), "{said}");
    engine.stop();
}

fn id_of(page: &str) -> &str {
    page.rsplit('/').next().unwrap_or_default()
}

/// The report says what the figures say, and the audit what the report says.
fn prove(office: &Office, mayor: &Browser, progress: &ProgressDocument) {
    let id = &progress.document.broadcast;
    let report = good(mayor.see(&format!("/broadcasts/{id}/report")));
    let json = mayor.see(&format!("/broadcasts/{id}/report.json"));
    let whole: BroadcastReport =
        simd_json::from_slice(&mut json.answer.body.clone()).expect("a report");
    let last = progress.snapshot.clone().expect("figures");
    assert_eq!(whole.snapshot.counts, last.counts);
    assert_eq!((&whole.snapshot.reach, &whole.snapshot.rate), (&last.reach, &last.rate));
    assert!(whole.adds_up && whole.snapshot.adds_up, "{whole:?}");
    let reasons: u64 = whole.reasons.iter().map(|reason| reason.rows).sum();
    assert_eq!(reasons, progress.targeted);
    let delivered = last.counts["delivered"].to_string();
    assert!(report.text().replace(',', "").contains(&delivered), "{}", report.text());
    assert!(report.text().contains(&whole.audit.digest), "the chain's end is on the page");
    let path = office.site.path("report.json");
    std::fs::write(&path, &json.answer.body).expect("writable");
    let path = path.display().to_string();
    let verify = ["audit", "verify", "--report", path.as_str()];
    let said = office.site.must(&verify);
    assert!(said.contains("each is what stands there"), "{said}");
    let changed = String::from_utf8_lossy(&json.answer.body).replace("wrong town", "right town");
    std::fs::write(&path, changed).expect("writable");
    let refused = office.site.run(&verify);
    assert!(refused.stderr.contains("does not say what the audit says"), "{}", refused.stderr);
}

#[test]
fn an_exercise_says_so_in_every_heading_and_nobody_takes_it_for_the_real_thing() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 30);
    office.site.must(&["client", "set", XPID, "--class", "exercise"]);
    let engine = office.site.start();
    let list = people.list(&rows(30));
    let mayor = Browser::signed_in(office.address, &office.author, "en");
    let new = mayor.see("/dashboard/new");
    let fields = draft_fields(&list, "09", "drill-1");
    let draft = good(mayor.send(&new, "/dashboard/new", &fields));
    let page = draft.path.clone();
    let at = |act: &str| format!("{page}/{act}");
    let checked = good(mayor.send(&draft, &at("check"), &[]));
    let asked = good(mayor.see(&at("confirm?act=start")));
    let digest = asked.hidden("digest");
    let fields = [("digest", digest.as_str()), ("recipients", "30")];
    let running = good(mayor.send(&asked, &at("start"), &fields));
    people.ended(id_of(&page));
    let report = good(mayor.see(&format!("/broadcasts/{}/report", id_of(&page))));
    for sight in [&draft, &checked, &asked, &running, &report] {
        let text = sight.text();
        assert!(text.contains("class=\"exercise\"") && text.contains("<title>EXERCISE"), "{text}");
        assert!(!text.contains("REAL"), "{}", sight.path);
        for heading in text.split("<h1").chain(text.split("<section class=\"card\"><h2")).skip(1) {
            let heading = heading.split("</h").next().unwrap_or_default();
            assert!(heading.contains("訓練") || !heading.starts_with('>'), "{heading}");
        }
    }
    engine.stop();
}

#[test]
fn no_page_shows_a_phones_number_and_who_may_only_look_has_no_button() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 20);
    let engine = office.site.start();
    let list = people.list(&rows(20));
    let broadcast = people.started(&manifest(&list, "02", "quiet", ""));
    people.ended(&broadcast);
    let press = Browser::signed_in(office.address, &office.reader, "ja");
    for path in [
        "/dashboard".to_owned(),
        format!("/dashboard/{broadcast}"),
        format!("/broadcasts/{broadcast}/report"),
    ] {
        let text = good(press.see(&path)).text();
        assert!(!text.contains(&msn(0)[..8]), "{path}");
        for act in ["/results", "/pause", "/cancel", "confirm?act"] {
            assert!(!text.contains(act), "{act} at {path}");
        }
    }
    assert_eq!(press.see(&format!("/broadcasts/{broadcast}/results")).status, 403);
    engine.stop();
}
