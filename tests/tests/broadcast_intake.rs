//! What comes in before a broadcast: areas, templates, and warnings of other systems, in a whole
//! engine.

use hayauma::control::broadcasts::{LoggedDocument, MatchDocument, WarningAnswer};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::broadcasts::{Broadcaster, manifest, rows};
use tests::engine::Finished;
use tests::ports;
use tests::push::XPID;
use tests::site::Site;
use tests::wait;
use wire::terms::calendar;

/// Feature, feature: two squares of one degree, the second with an alias of another system.
const AREAS: &str = concat!(
    r#"{"type":"Feature","properties":{"N03_007":"13101"},"geometry":{"type":"Polygon","#,
    r#""coordinates":[[[139,35],[140,35],[140,36],[139,36],[139,35]]]}}"#,
    "\n",
    r#"{"type":"Feature","properties":{"N03_007":"27100","aliases":["JMA tsunami:801"]},"#,
    r#""geometry":{"type":"Polygon","#,
    r#""coordinates":[[[140,35],[141,35],[141,36],[140,36],[140,35]]]}}"#,
    "\n",
);

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    simd_json::from_slice(&mut text.as_bytes().to_vec())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn write(site: &Site, name: &str, text: &str) -> String {
    let path = site.path(name);
    std::fs::write(&path, text).expect("a writable directory");
    path.display().to_string()
}

/// So many seconds from now, as warnings write it.
fn in_seconds(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let text = calendar::jst_text(now.saturating_add_signed(seconds) * 1_000);
    format!("{}T{}+09:00", &text[..10], &text[11..19])
}

#[test]
fn areas_are_loaded_once_and_say_whom_a_shape_reaches() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 9);
    let engine = site.start();
    let list = people.list(&rows(9));
    let shape = ["area", "match", "--polygon", "35,139.2 36,139.2 36,140.5 35,140.5"];
    let nothing = site.run(&[&shape[..], &["--list", &list, "--json"]].concat());
    let found: MatchDocument = read(&nothing.stdout);
    assert_eq!(found.areas, [], "no boundary is there yet");
    let file = write(&site, "areas.geojsonl", AREAS);
    let wrong = site.run(&["area", "load", &file]);
    assert!(wrong.stderr.contains("name the property"), "{}", wrong.stderr);
    let loaded = site.must(&["area", "load", &file, "--code-property", "N03_007"]);
    assert_eq!(loaded, "2 features, 0 without a code; 1788 areas\n");
    engine.stop();
    let engine = site.start();
    let found: MatchDocument =
        read(&site.must(&[&shape[..], &["--list", &list, "--code", "01100", "--json"]].concat()));
    let codes: Vec<&str> = found.areas.iter().map(|area| area.code.as_str()).collect();
    assert_eq!(codes, ["01100", "13101", "27100"]);
    assert_eq!((found.areas[1].rows.as_slice(), found.rows), (&[3][..], vec![9]));
    let half = site.must(&[&shape[..], &["--covers", "0.6"]].concat());
    assert!(half.contains("80.0 %") && half.contains("1 area"), "{half}");
    let text = manifest(&list, "02", "a", "").replace("\"13101\",\"27100\"", "\"JMA tsunami:801\"");
    let broadcast = people.draft(&text);
    assert_eq!(people.check(&broadcast).addressed.targeted, 6, "the alias and 01100");
    let broadcast = people.draft(&text.replace("tsunami:801", "tsunami:899"));
    let checked = site.run(&["broadcast", "check", &broadcast]);
    assert!(checked.stderr.contains("nearest are"), "{}", checked.stderr);
    engine.stop();
}

#[test]
fn a_template_is_sent_by_its_version_and_taken_back_by_its_retraction() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 6);
    let engine = site.start();
    let list = people.list(&rows(6));
    let template = r#"{"variants":{"ja":"{{area}}は避難","en":"{{area}}: leave"},
        "retraction":{"ja":"誤報","en":"That was wrong"}}"#;
    let file = write(&site, "template.json", template);
    let kept = site.must(&["template", "put", "flood", &file]);
    assert!(kept.starts_with("flood version 1\n"), "{kept}");
    let text = manifest(&list, "02", "a", "");
    let (front, _) = text.split_once(r#""texts":"#).expect("texts");
    let broadcast = people.draft(&format!("{front}\"texts\":{{\"template\":\"flood\"}}}}]}}"));
    let check = people.check(&broadcast);
    assert_eq!((check.addressed.texts.len(), check.templates.get("flood")), (6, Some(&1)));
    assert!(check.addressed.texts.iter().any(|text| text.text == "千代田区: leave"));
    let newer = template.replace("誤報", "取り消し").replace("{{area}}は", "");
    site.must(&["template", "put", "flood", &write(&site, "newer.json", &newer)]);
    let again = people.check(&broadcast);
    assert_ne!(again.digest, check.digest, "another version is another dry run");
    people.start(&broadcast);
    assert_eq!(people.ended(&broadcast).counts["delivered"], 6);
    let third = template.replace("誤報", "third");
    site.must(&["template", "put", "flood", &write(&site, "third.json", &third)]);
    let follower = write(&site, "retraction.json", r#"{"reqid":"b"}"#);
    let retraction = site.must(&["broadcast", "retract", &broadcast, &follower]);
    let check = people.check(retraction.trim());
    let texts: Vec<&str> = check.addressed.texts.iter().map(|text| text.text.as_str()).collect();
    assert!(texts.contains(&"取り消し"), "of the version that was sent: {texts:?}");
    let front = front.replace("\"a\"", "\"c\"");
    let missing = people.draft(&format!("{front}\"texts\":{{\"template\":\"fire\"}}}}]}}"));
    let refused = site.run(&["broadcast", "check", &missing]);
    assert!(refused.stderr.contains("there is no template"), "{}", refused.stderr);
    engine.stop();
}

#[test]
fn a_start_waits_for_its_time_over_a_restart_and_a_missed_one_is_not_made_up_for() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 6);
    let engine = site.start();
    let list = people.list(&rows(6));
    let starting =
        |seconds: i64| format!(r#""start":"{}","too_late_after":1,"#, in_seconds(seconds));
    let past = people.draft(&manifest(&list, "02", "past", &starting(-60)));
    let refused = site.run(&["broadcast", "check", &past]);
    assert!(refused.stderr.contains("longer ago"), "{}", refused.stderr);
    let due = SystemTime::now() + Duration::from_secs(5);
    let kept = starting(600).replace("\"too_late_after\":1,", "");
    let kept = people.started(&manifest(&list, "02", "kept", &kept));
    let missed = people.started(&manifest(&list, "02", "missed", &starting(4)));
    for broadcast in [&kept, &missed] {
        assert_eq!(people.status(broadcast).state, "scheduled");
    }
    let path = write(&site, "other.json", &manifest(&list, "02", "other", ""));
    let changed = site.run(&["broadcast", "change", &kept, &path]);
    assert!(changed.stderr.contains("is scheduled"), "{}", changed.stderr);
    engine.stop();
    wait::until_true("the start to be missed", || SystemTime::now() > due + Duration::from_secs(1));
    let engine = site.start();
    let ended = people.ended(&missed);
    assert_eq!((ended.state.as_str(), engine.admin().figure("attempts")), ("missed", 0));
    assert_eq!(people.status(&kept).state, "scheduled", "over the restart");
    site.must(&["broadcast", "cancel", &kept]);
    assert_eq!(people.ended(&kept).state, "cancelled");
    let soon = people.started(&manifest(&list, "02", "soon", &starting(2)));
    assert_eq!(people.ended(&soon).counts["delivered"], 6);
    let again = people.draft(&manifest(&list, "02", "again", ""));
    let warnings = people.check(&again).warnings;
    assert!(warnings.iter().any(|warning| warning.contains("the same text")), "{warnings:?}");
    engine.stop();
}

/// A source that posts by its own token.
struct Posting<'a> {
    site: &'a Site,
    token: String,
}

impl<'a> Posting<'a> {
    fn new(site: &'a Site, name: &str) -> Self {
        let token = site.must(&["token", "add", name, "--role", "source"]);
        let token = token.split_whitespace().last().expect("a token").to_owned();
        Self { site, token: write(site, name, &token) }
    }

    fn try_send(&self, text: &str, more: &[&str]) -> Finished {
        let file = write(self.site, "warning", text);
        let arguments = ["cap", "send", &file, "--json", "--admin-token", &self.token];
        self.site.run(&[&arguments[..], more].concat())
    }

    fn send(&self, text: &str) -> WarningAnswer {
        let sent = self.try_send(text, &[]);
        assert_eq!(sent.status, Some(0), "{}", sent.stderr);
        read(&sent.stdout)
    }
}

/// An alert of class 03 to the area of a third of the rows; its references are whole elements.
fn alert(identifier: &str, kind: &str, references: &str, headline: &str) -> String {
    let (sent, expires) = (in_seconds(-60), in_seconds(3_600));
    format!(
        "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>{identifier}\
         </identifier><sender>desk@town.test</sender><sent>{sent}</sent><status>Actual</status>\
         <msgType>{kind}</msgType><scope>Public</scope>{references}<info><language>ja</language>\
         <category>Met</category><event>flood</event><urgency>Immediate</urgency>\
         <severity>Extreme</severity><certainty>Observed</certainty><expires>{expires}</expires>\
         <headline>{headline}</headline><area><areaDesc>x</areaDesc><geocode><valueName>JIS X0402\
         </valueName><value>13101</value></geocode></area></info></alert>"
    )
}

fn reference(identifier: &str) -> String {
    format!("<references>desk@town.test,{identifier},{}</references>", in_seconds(-600))
}

fn register(site: &Site, token: &str, list: &str, more: &[&str]) {
    let sender = ["--sender", "Hayauma"];
    let sender: &[&str] = if more.contains(&"--sender") { &[] } else { &sender };
    let arguments = ["source", "set", token, "--token", token, "--xpid", XPID, "--list", list];
    site.must(&[&arguments[..], sender, more].concat());
}

#[test]
fn a_registered_source_starts_updates_and_cancels_and_says_the_same_twice() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 30);
    let town = Posting::new(&site, "town");
    let engine = site.start();
    let list = people.list(&rows(30).replace(",en", ",ja"));
    register(&site, "town", &list, &["--start", "03", "--alias", "desk@town.test"]);
    let text = alert("K-1", "Alert", "", "避難してください");
    let judged = town.try_send(&text, &["--check"]);
    assert_eq!(read::<WarningAnswer>(&judged.stdout).state, "judged");
    let first = town.send(&text);
    assert_eq!((first.state.as_str(), first.waits.len()), ("started", 0), "{first:?}");
    let broadcast = first.broadcast.clone().expect("a broadcast");
    assert_eq!(people.ended(&broadcast).counts["delivered"], 10);
    assert_eq!(town.send(&text), first, "the same again");
    let all = engine.admin().request("GET", "/broadcasts", "").text();
    assert_eq!(all.matches("\"author\"").count(), 1, "nothing is started twice");
    let other = town.try_send(&text.replace("避難", "待機"), &[]);
    assert!(other.stderr.contains("another warning under the identifier"), "{}", other.stderr);
    let update = town.send(&alert("K-2", "Update", &reference("K-1"), "高い所へ"));
    assert_eq!((update.state.as_str(), update.alertseq), ("started", Some(1)), "{update:?}");
    assert_eq!(update.chain, first.chain);
    assert!(update.warnings.iter().any(|warning| warning.sentence.contains("another time")));
    people.ended(update.broadcast.as_ref().expect("a broadcast"));
    // Held, so that it is still there when it is called off.
    register(&site, "town", &list, &["--start", "03", "--hold-seconds", "600"]);
    let held = town.send(&alert("K-3", "Update", &reference("K-2"), "三度目"));
    let held = held.broadcast.expect("a broadcast");
    wait::until_true("held", || people.status(&held).state == "holding");
    let cancel = alert("K-4", "Cancel", &reference("K-3"), "x");
    let (head, _) = cancel.split_once("<info>").expect("an info");
    let cancelled = town.send(&format!("{head}</alert>"));
    assert_eq!((cancelled.state.as_str(), &cancelled.ends[..]), ("cancelled", &[held.clone()][..]));
    let ended = people.ended(&held);
    assert_eq!((ended.state.as_str(), ended.counts["cancelled"]), ("cancelled", 10));
    let log: Vec<LoggedDocument> = read(&site.must(&["source", "log", "town", "--json"]));
    // The four, and the one that was another under the same identifier.
    assert_eq!(log.len(), 5, "{log:?}");
    engine.stop();
    let audit = site.must(&["audit"]);
    assert!(audit.contains("source set town") && audit.contains("warning of town"), "{audit}");
}

#[test]
fn nothing_starts_by_itself_but_what_is_whole_trusted_and_in_its_sources_rights() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 30);
    let (town, stranger) = (Posting::new(&site, "town"), Posting::new(&site, "stranger"));
    let engine = site.start();
    let list = people.list(&rows(30));
    let none = stranger.try_send(&alert("S-1", "Alert", "", "避難"), &[]);
    assert!(none.stderr.contains("no source's token"), "{}", none.stderr);
    register(&site, "town", &list, &["--start", "03", "--recipients-max", "10"]);
    // A person brings a warning of the source: never more than a draft.
    let file = write(&site, "warning", &alert("P-1", "Alert", "", "避難してください"));
    let brought = site.must(&["cap", "send", &file, "--source", "town", "--json"]);
    assert_eq!(read::<WarningAnswer>(&brought).state, "draft");
    // A signature makes no more of it: nobody verifies one here, and the answer says so.
    let signature = "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo/>\
                     </Signature></alert>";
    let signed = alert("P-2", "Alert", "", "避難してください").replace("</alert>", signature);
    let file = write(&site, "signed", &signed);
    let brought = site.must(&["cap", "send", &file, "--source", "town", "--json"]);
    let brought = read::<WarningAnswer>(&brought);
    assert_eq!(brought.state, "draft", "{brought:?}");
    assert_eq!(brought.verified, "not verified: this build verifies no signatures");
    let missing = town.send(&alert("K-1", "Update", "", "避難してください"));
    assert_eq!(missing.state, "draft");
    assert!(missing.waits[0].contains("7108"), "{:?}", missing.waits);
    let unheard = town.send(&alert("K-2", "Update", &reference("K-0"), "避難してください"));
    assert_eq!(unheard.state, "draft");
    assert!(unheard.waits.iter().any(|why| why.contains("as a new alert")), "{unheard:?}");
    let other_class = alert("K-3", "Alert", "", "避難").replace("Extreme", "Moderate");
    assert_eq!(town.send(&other_class).state, "draft", "class 02 is not in its rights");
    let nobody_reads = alert("K-4", "Alert", "", "x").replace(">ja<", ">ko<");
    assert_eq!(town.send(&nobody_reads).state, "started", "7001 is a row's own affair");
    let wide = alert("K-5", "Alert", "", "避難").replace("13101", "27100");
    let wide = wide.replace(
        "<area>",
        "<area><areaDesc>y</areaDesc><geocode><valueName>JIS X0402</valueName><value>01100</value>\
         </geocode></area><area>",
    );
    let wide = town.send(&wide);
    assert_eq!(wide.state, "draft", "more than ten recipients");
    assert!(wide.waits[0].contains("1 to 10 are expected"), "{:?}", wide.waits);
    for (change, part) in [
        (("13101", "13199"), "nearest are"),
        (("<msgType>Alert", "<msgType>Alarm"), "none of Alert"),
        (("<alert ", "<!DOCTYPE alert><alert "), "DOCTYPE"),
        (("desk@town.test", ""), "sender"),
    ] {
        let text = alert("K-9", "Alert", "", "避難").replacen(change.0, change.1, 1);
        let refused = town.try_send(&text, &[]);
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    for (status, state) in [("Test", "judged"), ("Exercise", "judged"), ("Draft", "draft")] {
        let text = alert(&format!("K-{status}"), "Alert", "", "避難").replace("Actual", status);
        assert_eq!(town.send(&text).state, state, "{status}");
    }
    register(&site, "town", &list, &["--start", "03", "--sender", "Elsewhere"]);
    let strange = town.send(&alert("K-6", "Alert", "", "避難"));
    assert!(strange.state == "draft" && strange.waits[0].contains("2006"), "{strange:?}");
    let huge = town.try_send(&"<alert>".repeat(700_000), &[]);
    assert!(huge.stderr.contains("longer than 4 MiB"), "{}", huge.stderr);
    let deep = town.try_send(&"<a>".repeat(1_000_000), &[]);
    assert!(deep.stderr.contains("nest deeper than 16"), "{}", deep.stderr);
    engine.stop();
}

#[test]
fn japans_sources_keep_their_chains_and_late_revisions_are_dropped() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 30);
    let (lalert, jma) = (Posting::new(&site, "lalert"), Posting::new(&site, "jma"));
    let engine = site.start();
    let list = people.list(&rows(30));
    register(&site, "lalert", &list, &["--profile", "lalert", "--start", "03"]);
    register(&site, "jma", &list, &["--profile", "jma", "--exercises"]);
    let message = |revision: u32, status: &str, mode: &str| {
        format!(
            r#"{{"docid":"d-1","revision":"{revision}","mode":"{mode}","citycode":"131016",
            "status":"{status}","kind":"避難情報","level":"4","text":"避難してください"}}"#
        )
        .replace('\n', "")
    };
    let first = lalert.send(&message(3, "新規", "本番"));
    assert_eq!(
        (first.state.as_str(), first.class.as_deref()),
        ("started", Some("03")),
        "{first:?}"
    );
    let late = lalert.send(&message(2, "更新", "本番"));
    assert_eq!(late.state, "dropped", "{late:?}");
    let drill = lalert.send(&message(4, "更新", "訓練"));
    assert_eq!(drill.state, "judged", "an exercise is another chain, and not sent");
    let newer = lalert.send(&message(4, "更新", "本番"));
    assert_eq!((newer.state.as_str(), newer.alertseq), ("started", Some(1)), "{newer:?}");
    assert_eq!(newer.chain, first.chain);
    let over = lalert.send(&message(5, "取消", "本番"));
    assert_eq!((over.state.as_str(), &over.chain), ("cancelled", &first.chain));
    let wrong_door = lalert.try_send(&alert("K-1", "Alert", "", "x"), &[]);
    assert!(wrong_door.stderr.contains("registered for lalert"), "{}", wrong_door.stderr);
    let file = write(&site, "areas", AREAS);
    site.must(&["area", "load", &file, "--code-property", "N03_007"]);
    let report = |status: &str, code: &str| {
        let at = in_seconds(-10);
        format!(
            "<Report xmlns=\"http://xml.kishou.go.jp/jmaxml1/\"><Control><Title>x</Title>\
             <DateTime>{at}</DateTime><Status>{status}</Status><PublishingOffice>気象庁\
             </PublishingOffice></Control>\
             <Head xmlns=\"http://xml.kishou.go.jp/jmaxml1/informationBasis1/\"><Title>x</Title>\
             <ReportDateTime>{at}</ReportDateTime><EventID>20270301</EventID><InfoType>発表\
             </InfoType><Serial></Serial><InfoKind>津波警報・注意報・予報</InfoKind><Headline>\
             <Text>海岸から離れてください。</Text><Information type=\"津波予報領域表現\"><Item>\
             <Kind><Name>津波警報</Name><Code>51</Code></Kind><Areas codeType=\"津波予報区\"><Area>\
             <Name>見本沿岸</Name><Code>{code}</Code></Area></Areas></Item></Information></Headline>\
             </Head></Report>"
        )
    };
    let unmapped = jma.try_send(&report("通常", "310"), &[]);
    assert!(unmapped.stderr.contains("JMA tsunami:310"), "{}", unmapped.stderr);
    let drill = jma.send(&report("訓練", "801"));
    assert_eq!((drill.state.as_str(), drill.class.as_deref()), ("draft", Some("09")));
    site.must(&["client", "set", XPID, "--class", "exercise"]);
    let check = people.check(drill.broadcast.as_ref().expect("a draft"));
    assert_eq!(check.addressed.targeted, 10, "the rows of the alias's area");
    assert!(check.addressed.texts.iter().all(|text| text.text.starts_with("【訓練】")));
    engine.stop();
}

#[test]
fn a_source_that_hangs_up_and_asks_again_makes_one_broadcast() {
    let mut site = Site::new(tests::programs!());
    let address = ports::free_address();
    site.set("--broadcast", &address.to_string());
    let people = Broadcaster::new(&site, 3_000);
    let town = Posting::new(&site, "town");
    let engine = site.start();
    let list = people.list(&rows(3_000).replace(",en", ",ja"));
    register(&site, "town", &list, &[]);
    let token = std::fs::read_to_string(&town.token).expect("a token");
    for number in 0..8 {
        let text = alert(&format!("K-{number}"), "Alert", "", "避難してください");
        let request = format!(
            "POST /cap HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             X-Hayauma-Order: 1\r\nContent-Type: application/cap+xml\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        );
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(request.as_bytes()).expect("taken");
        // It never hears what became of it, and asks again.
        drop(stream);
        let answer = town.send(&text);
        assert_eq!(answer.state, "draft", "{answer:?}");
        let all = engine.admin().request("GET", "/broadcasts", "").text();
        assert_eq!(all.matches("\"author\"").count(), number + 1, "another for the same warning");
    }
    engine.stop();
}

#[test]
fn a_warning_by_areas_that_were_loaded_starts_by_itself() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 30);
    let town = Posting::new(&site, "town");
    let engine = site.start();
    let list = people.list(&rows(30).replace(",en", ",ja"));
    let file = write(&site, "areas", &AREAS.replace("JMA tsunami:801", "Town wards:7"));
    site.must(&["area", "load", &file, "--code-property", "N03_007"]);
    register(&site, "town", &list, &["--start", "03", "--recipients-max", "10"]);
    let by_wards = |identifier: &str, ward: &str| {
        let text = alert(identifier, "Alert", "", "避難してください");
        text.replace("JIS X0402", "Town wards").replace("13101", ward)
    };
    let started = town.send(&by_wards("K-1", "7"));
    assert_eq!((started.state.as_str(), &started.waits[..]), ("started", &[][..]), "{started:?}");
    let broadcast = started.broadcast.expect("a broadcast");
    assert_eq!(people.ended(&broadcast).counts["delivered"], 10);
    let unknown = town.try_send(&by_wards("K-2", "8"), &[]);
    assert!(unknown.stderr.contains("Town wards:8"), "{}", unknown.stderr);
    engine.stop();
}

#[test]
fn an_upload_that_is_refused_before_its_end_says_why() {
    let site = Site::new(tests::programs!());
    let engine = site.start();
    let file = write(&site, "long.csv", &rows(300_000));
    let refused = site.run(&["list", "import", "li-nobody", &file]);
    assert!(refused.stderr.contains("there is no list"), "{}", refused.stderr);
    engine.stop();
}

#[test]
fn an_import_in_which_the_engine_dies_has_its_end_in_the_audit() {
    let mut site = Site::new(tests::programs!());
    let address = ports::free_address();
    site.set("--broadcast", &address.to_string());
    let author = site.must(&["token", "add", "author", "--role", "author"]);
    let token = author.split_whitespace().last().expect("a token").to_owned();
    let engine = site.start();
    let list = site.must(&["list", "create", "everybody"]).trim().to_owned();
    let head = format!(
        "PUT /lists/{list}/versions HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {token}\r\nX-Hayauma-Order: 1\r\nContent-Type: text/csv\r\n\
         Content-Length: 1000000\r\n\r\nmsn\r\n"
    );
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(head.as_bytes()).expect("taken");
    let audit = || std::fs::read_to_string(site.data_dir().join("audit.jsonl")).expect("the audit");
    let act = |verb: &str| format!(r#""act":"{verb}list import {list}"#);
    wait::until_true("the import's begin", || audit().contains(&act("")));
    engine.kill();
    drop(stream);
    let engine = site.start();
    let lines = audit();
    // A kill behind the writing of the begin's line may leave that line uncounted, and so with a
    // line of its own.
    let end = format!("{}\"", act("not done: "));
    assert_eq!(lines.matches(&end).count(), 1, "{lines}");
    engine.stop();
    let engine = site.start();
    assert_eq!(audit().matches(&end).count(), 1, "once");
    site.must(&["audit", "verify"]);
    engine.stop();
}
