//! What follows a broadcast: retractions, updates, and audiences of its rows.

use super::super::documents::BroadcastDocument;
use super::*;

#[test]
fn a_retraction_has_nothing_of_what_would_keep_it_from_being_sent() {
    let bench = Bench::new(1, 10);
    let now_ms = wall_now();
    let hour_ms = 3_600_000;
    let (begin, end) = (rfc3339(now_ms - hour_ms), rfc3339(now_ms + 2_000));
    let more = format!(
        r#""start":"{begin}","too_late_after":86400,"hold_seconds":600,
        "expect":{{"recipients":[10,10]}},"alertid":"flood","alertseq":0,"deadline":"{end}","#
    );
    let broadcast = bench.draft("a", &more);
    let (digest, recipients) = bench.agreed(&broadcast);
    bench.desk.start(&broadcast, &digest, recipients, "operator").expect("started");
    {
        // As it would be some hours later.
        let mut standing = bench.desk.standing();
        let manifest = &mut standing.entry(&broadcast).expect("there").document.manifest;
        manifest.too_late_after = 60;
        manifest.deadline = Some(rfc3339(now_ms - 1_000));
    }
    bench.deliver(&broadcast, 4);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.settle(&broadcast);
    bench.desk.look(Now::read().steady).expect("kept");
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), follower("b"), "author").expect("a draft");
    assert_eq!(made.taken_back(), Some(broadcast.as_str()));
    let manifest = &made.manifest;
    assert_eq!((manifest.start.as_str(), manifest.hold_seconds), ("now", 0));
    assert_eq!((manifest.lifetime, manifest.deadline.as_ref()), (Some(24 * 3_600), None));
    assert_eq!(manifest.expect.recipients, None);
    let (digest, found) = bench.agreed(&made.broadcast);
    let started = bench.desk.start(&made.broadcast, &digest, found, "operator");
    let start = started.expect("it can be started").started.expect("started");
    assert!(start.deadline_ms > now_ms + 23 * hour_ms, "and has its time");
    let new = BroadcastDesk::next_identifier();
    let wanted = UpdateWanted {
        reqid: "c".to_owned(),
        texts: follower("c").texts,
        ..UpdateWanted::default()
    };
    let by = ("author", &XpidSight::whole());
    let made = bench.desk.update((&broadcast, new), wanted, by).expect("a draft");
    bench.desk.check(&made.broadcast).expect("an update can be checked too");
}

/// The phones of a broadcast's rows with this outcome.
fn outcomes_of(bench: &Bench, broadcast: &str, outcome: Outcome) -> Vec<u64> {
    let (recipients, words) = bench.desk.words(broadcast).expect("readable");
    let word = |bits: u32| crate::broadcast::outcomes::RowWord::from_bits(bits).expect("a word");
    let rows = (0..).zip(words).filter(|(_, bits)| word(*bits).outcome == outcome);
    rows.map(|(number, _)| recipients.row(number).msn.value()).collect()
}

#[test]
fn an_update_has_other_parts_of_the_manifest_where_it_says_so_and_the_rest_as_before() {
    let bench = Bench::new(1, 10);
    let more = r#""alertid":"flood","alertseq":4,"pace":{"per_second":5},"hold_seconds":9,"#;
    let broadcast = bench.started("a", more);
    let update = |text: &str| {
        let wanted: UpdateWanted = wire::json::read_exact(&mut text.as_bytes().to_vec())
            .unwrap_or_else(|error| panic!("{error}: {text}"));
        let new = BroadcastDesk::next_identifier();
        bench.desk.update((&broadcast, new), wanted, ("author", &XpidSight::whole()))
    };
    let (list, texts) = (&bench.list, r#"{"variants":{"en":"y"},"fallback":["en"]}"#);
    let legs = format!(r#"[{{"audience":{{"list":"{list}","areas":["13101"]}},"texts":{texts}}}]"#);
    let deadline = rfc3339(wall_now() + 3_600_000);
    let made = update(&format!(
        r#"{{"reqid":"b","legs":{legs},"class":"03","pace":{{"per_second":7}},
        "deadline":"{deadline}","expect":{{"recipients":[1,20]}}}}"#
    ));
    let made = made.expect("a draft");
    let manifest = &made.manifest;
    assert_eq!((manifest.alertseq, manifest.class.as_str()), (Some(5), "03"));
    assert_eq!((manifest.pace.per_second, manifest.hold_seconds), (7, 9));
    assert_eq!((manifest.deadline.as_ref(), manifest.lifetime), (Some(&deadline), None));
    assert_eq!(manifest.legs[0].texts.variants["en"], "y");
    let codes = vec!["13101".to_owned()];
    let areas = Some(crate::broadcast::manifest::Areas::Codes(codes));
    assert_eq!((&manifest.legs[0].audience.areas, manifest.legs.len()), (&areas, 1));
    assert_eq!(bench.agreed(&made.broadcast).1, 10);
    // Whom only the older one reached, and this one does not address, is told that it is over.
    bench.deliver(&broadcast, 4);
    let few = "msn,area\n09000000000,13101\n09000000099,13101\n";
    let other = bench.desk.make_list(ListWanted { name: "few".to_owned(), ..Default::default() });
    let other = other.expect("a list").list;
    bench.import_into(&other, few);
    let made = update(&format!(
        r#"{{"reqid":"r","legs":{},"release":{{"texts":{{"variants":{{"en":"over"}}}}}}}}"#,
        legs.replace(list.as_str(), &other)
    ));
    let made = made.expect("a draft").broadcast;
    let found = bench.desk.check(&made).expect("a dry run").check.expect("a dry run").addressed;
    let had = outcomes_of(&bench, &broadcast, Outcome::Delivered);
    let over = had.iter().filter(|phone| **phone != 9_000_000_000).count() as u64;
    let open = outcomes_of(&bench, &broadcast, Outcome::Waiting);
    let may_come = open.iter().filter(|phone| **phone != 9_000_000_000).count() as u64;
    assert_eq!((found.legs[0], found.legs[1]), (2, over + may_come));
    let made = update(&format!(r#"{{"reqid":"c","texts":{texts}}}"#)).expect("a draft");
    assert_eq!((made.manifest.pace.per_second, made.manifest.class.as_str()), (5, "02"));
    for wrong in [
        r#"{"reqid":"d"}"#.to_owned(),
        format!(r#"{{"reqid":"d","texts":{texts},"legs":{legs}}}"#),
        format!(r#"{{"reqid":"d","texts":{texts},"class":"04"}}"#),
        format!(r#"{{"reqid":"d","texts":{texts},"lifetime":5,"deadline":"{deadline}"}}"#),
    ] {
        assert!(update(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_begins_and_is_stopped_while_its_rows_are_read_is_not_left_out() {
    let bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    let draft = of(&bench, &broadcast);
    let (engine, ordinal) = (bench.engine.clone(), bench.ordinal(&broadcast));
    *bench.engine.broadcasts.behind_words.lock().expect("no panic") = Some(Box::new(move || {
        engine.broadcasts.begin_all(ordinal, None);
        engine.broadcasts.end(ordinal, End::Cancelled);
    }));
    assert_eq!(bench.agreed(&draft).1, 10, "they may have the text");
}

#[test]
fn whoever_has_a_legs_text_gets_what_takes_that_text_back() {
    let bench = Bench::new(2, 1);
    let rows: String = (0..30)
        .map(|number| {
            format!("{:011},{}\n", 9_000_000_000u64 + number, [13_101, 27_100][number as usize % 2])
        })
        .collect();
    bench.import(&format!("msn,area\n{rows}"));
    for (name, text) in [("flood", "Leave the valley"), ("quake", "Leave the houses")] {
        let wanted = format!(
            r#"{{"variants":{{"en":"{text}"}},"fallback":["en"],
            "retraction":{{"en":"Not: {text}"}}}}"#
        );
        let wanted = wire::json::read(&mut wanted.into_bytes()).expect("a template");
        bench.desk.put_template(name, wanted, "author").expect("kept");
    }
    let list = &bench.list;
    let leg = |area: &str, template: &str| {
        format!(
            r#"{{"audience":{{"list":"{list}","areas":["{area}"]}},
            "texts":{{"template":"{template}"}}}}"#
        )
    };
    let legs = [leg("13101", "flood"), leg("27100", "quake")].join(",");
    let text = format!(
        r#"{{"xpid":"00100000001","sender":"Town","class":"02","reqid":"a","lifetime":60,
        "retry":{{"schedule":"once"}},"legs":[{legs}]}}"#
    );
    let manifest = Manifest::read(text.as_bytes()).expect("a manifest");
    let new = BroadcastDesk::next_identifier();
    let broadcast = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
    let (digest, found) = bench.agreed(&broadcast);
    bench.desk.start(&broadcast, &digest, found, "operator").expect("started");
    bench.engine.broadcasts.begin_all(bench.ordinal(&broadcast), Some(Outcome::Delivered));
    let wanted = FollowerWanted { reqid: "b".to_owned(), texts: None, lifetime: None };
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), wanted, "author").expect("a draft");
    assert_eq!(made.manifest.lifetime, Some(24 * 3_600), "whoever is away is told too");
    let check = bench.desk.check(&made.broadcast).expect("a dry run").check.expect("one");
    assert_eq!(check.addressed.legs, [15, 15]);
    let texts: Vec<(&str, u64)> =
        check.addressed.texts.iter().map(|text| (text.text.as_str(), text.recipients)).collect();
    assert_eq!(texts, [("Not: Leave the valley", 15), ("Not: Leave the houses", 15)]);
    assert_eq!(check.addressed.areas["13101"], 15);
}

#[test]
fn pages_name_what_takes_a_broadcast_back_and_nothing_that_only_goes_to_its_recipients() {
    let bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    let document = |name: &str| bench.desk.standing().entry(name).expect("there").document.clone();
    let by_hand = of(&bench, &broadcast);
    let taking = || bench.desk.taking_back_of(&document(&broadcast)).taken_back_by;
    assert_eq!(taking(), [], "somebody wrote that");
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), follower("b"), "author").expect("a draft");
    let name = |taking: Vec<super::super::followers::Named>| -> Vec<String> {
        taking.into_iter().map(|named| named.broadcast).collect()
    };
    assert_eq!(name(taking()), std::slice::from_ref(&made.broadcast));
    let taken = bench.desk.taking_back_of(&document(&made.broadcast)).takes_back;
    assert_eq!(taken.map(|named| named.broadcast), Some(broadcast.clone()));
    // One from before documents said it, of another XPID, that a bound reader does not see.
    {
        let mut standing = bench.desk.standing();
        let other = &mut standing.entry(&by_hand).expect("there").document;
        other.takes_back = super::super::takes_back::TakesBack::AsAddressed;
        other.manifest.xpid = "00100000002".to_owned();
    }
    assert_eq!(name(taking()), [made.broadcast]);
    assert_eq!(bench.desk.taking_back_of(&document(&by_hand)).takes_back, None);
    bench.desk.standing().entry(&by_hand).expect("there").document.manifest.xpid =
        "00100000001".to_owned();
    assert_eq!(taking().len(), 2);
}

#[test]
fn a_retraction_that_becomes_a_text_to_somebody_else_takes_nothing_back() {
    let bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), follower("b"), "author").expect("a draft");
    let mut manifest = made.manifest;
    manifest.lifetime = Some(600);
    let changed = bench.desk.change(&made.broadcast, manifest.clone(), "author").expect("changed");
    assert_eq!(changed.taken_back(), Some(broadcast.as_str()));
    let mut elsewhere = manifest.clone();
    let other = bench.started("other", "");
    elsewhere.legs[0].audience.of.as_mut().expect("one").broadcast = other;
    let new = BroadcastDesk::next_identifier();
    let second = bench.desk.retract((&broadcast, new), follower("c"), "author").expect("a draft");
    elsewhere.reqid = "c".to_owned();
    let moved = bench.desk.change(&second.broadcast, elsewhere, "author").expect("changed");
    assert_eq!(moved.taken_back(), None, "it goes to those who have another");
    manifest.legs[0].audience.of.as_mut().expect("one").outcomes = vec![Outcome::Delivered];
    let changed = bench.desk.change(&made.broadcast, manifest, "author").expect("changed");
    assert_eq!(changed.taken_back(), None);
}

#[test]
fn a_document_from_before_takes_back_whom_it_goes_to_and_a_new_one_what_it_says() {
    let bench = Bench::new(1, 1);
    let broadcast = bench.started("a", "");
    let by_hand = of(&bench, &broadcast);
    let document = bench.desk.standing().entry(&by_hand).expect("there").document.clone();
    let text = simd_json::to_string(&document).expect("JSON");
    let read = |text: String| -> BroadcastDocument {
        wire::json::read(&mut text.into_bytes()).expect("a document")
    };
    let unsaid = r#","takes_back":null"#;
    assert!(text.contains(unsaid), "{text}");
    assert_eq!(read(text.clone()).taken_back(), None, "it was written by hand");
    let before = read(text.replace(unsaid, ""));
    assert_eq!(before.taken_back(), Some(broadcast.as_str()));
    let again = simd_json::to_string(&before).expect("JSON");
    assert!(!again.contains("takes_back"), "what was not said is not said now: {again}");
    let said = read(text.replace(unsaid, r#","takes_back":"bc-2""#));
    assert_eq!(said.taken_back(), Some("bc-2"));
}
