//! What a warning comes to in a desk, and the end of a chain.

use super::super::now::Now;
use super::super::tests::{Bench, rfc3339};
use super::*;
use wire::cap::{Profile, Rules, check_xml};

fn arrived(bench: &Bench, identifier: &str, starts_itself: bool) -> Arrived {
    let now_ms = wall_now();
    let (sent, expires) = (rfc3339(now_ms - 60_000), rfc3339(now_ms + 7_200_000));
    let text = format!(
        "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>{identifier}\
         </identifier><sender>desk@town.test</sender><sent>{sent}</sent><status>Actual</status>\
         <msgType>Alert</msgType><scope>Public</scope><info><language>en</language>\
         <category>Geo</category><event>slide</event><urgency>Immediate</urgency>\
         <severity>Severe</severity><certainty>Likely</certainty><expires>{expires}</expires>\
         <headline>Leave now</headline><area><areaDesc>Chiyoda</areaDesc><geocode>\
         <valueName>JIS X 0402</valueName><value>13101</value></geocode></area></info></alert>"
    );
    let rules = Rules { profile: Profile::Cap, now: now_ms, segments_max: 3 };
    let draft = check_xml(text.as_bytes(), &rules).unwrap_or_else(|refusal| panic!("{refusal}"));
    let settings = SourceSettings {
        token: "town".to_owned(),
        profile: "cap".to_owned(),
        xpid: "00100000001".to_owned(),
        sender: "Town".to_owned(),
        lists: vec![bench.list.clone()],
        senders: Vec::new(),
        template: None,
        starts: ["01", "02", "03"].map(str::to_owned).to_vec(),
        hold_seconds: 30,
        recipients_max: Some(5_000),
        exercises: false,
        segments_max: 3,
        registered_by: "somebody".to_owned(),
    };
    Arrived {
        source: "town".to_owned(),
        sender: draft.sender.clone(),
        settings,
        draft,
        chains: Vec::new(),
        is_known: false,
        newest_revision: None,
        remarks: Vec::new(),
        waits: Vec::new(),
        starts_itself,
        may_stop: true,
        is_look: false,
    }
}

#[test]
fn a_warning_that_a_crash_cut_off_before_its_start_starts_when_it_comes_again() {
    let bench = Bench::new(2, 100);
    // As a crash leaves it: the draft is there, and nobody has started it.
    let first = bench.desk.settle(arrived(&bench, "K-1", false)).expect("settled");
    assert_eq!((first.state.as_str(), first.waits.len()), ("draft", 1), "{first:?}");
    let again = bench.desk.settle(arrived(&bench, "K-1", true)).expect("settled");
    assert_eq!(again.state, "started", "{:?}", again.waits);
    assert_eq!(again.broadcast, first.broadcast, "and is no second one");
    let third = bench.desk.settle(arrived(&bench, "K-1", true)).expect("settled");
    assert_eq!((third.state, third.broadcast), (again.state, again.broadcast));
}

#[test]
fn a_warning_that_might_have_started_by_itself_says_why_it_did_not() {
    let bench = Bench::new(2, 100);
    // As over a port in plain text.
    let plain = bench.desk.settle(arrived(&bench, "K-1", false)).expect("settled");
    assert_eq!(plain.state, "draft");
    assert!(plain.waits.iter().any(|why| why.contains("over TLS")), "{:?}", plain.waits);
    let mut of_another_class = arrived(&bench, "K-2", true);
    of_another_class.settings.starts = vec!["01".to_owned()];
    let answer = bench.desk.settle(of_another_class).expect("settled");
    assert!(answer.waits.iter().any(|why| why.contains("no class")), "{:?}", answer.waits);
    let mut of_too_many = arrived(&bench, "K-3", true);
    of_too_many.settings.recipients_max = Some(1);
    let answer = bench.desk.settle(of_too_many).expect("settled");
    assert_eq!((answer.state.as_str(), answer.waits.len()), ("draft", 1), "{answer:?}");
    // A source of which nothing starts by itself has nothing to say about that.
    let mut of_none = arrived(&bench, "K-4", false);
    of_none.settings.starts.clear();
    assert_eq!(bench.desk.settle(of_none).expect("settled").waits, Vec::<String>::new());
}

#[test]
fn a_draft_that_a_person_has_changed_is_theirs_to_start() {
    let bench = Bench::new(2, 100);
    let first = bench.desk.settle(arrived(&bench, "K-1", false)).expect("settled");
    let broadcast = first.broadcast.expect("a draft");
    let manifest = {
        let mut standing = bench.desk.standing();
        standing.entry(&broadcast).expect("there").document.manifest.clone()
    };
    bench.desk.change(&broadcast, manifest, "a person").expect("changed");
    let again = bench.desk.settle(arrived(&bench, "K-1", true)).expect("settled");
    assert_eq!((again.state.as_str(), again.broadcast), ("draft", Some(broadcast)));
}

#[test]
fn a_warning_that_a_shard_did_not_take_is_answered_as_what_it_is() {
    let bench = Bench::new(2, 100);
    bench.stand(1, true);
    let answer = bench.desk.settle(arrived(&bench, "K-1", true)).expect("settled");
    assert_eq!(answer.state, "started", "one shard sends it");
    assert_eq!(answer.waits.len(), 1, "and a person sees that another does not");
}

#[test]
fn a_draft_that_a_person_said_no_to_does_not_start_when_the_warning_comes_again() {
    let bench = Bench::new(1, 100);
    let first = bench.desk.settle(arrived(&bench, "K-1", false)).expect("settled");
    let broadcast = first.broadcast.expect("a draft");
    let (digest, _) = bench.agreed(&broadcast);
    bench.desk.reject(&broadcast, &digest, "approver").expect("a draft again");
    let again = bench.desk.settle(arrived(&bench, "K-1", true)).expect("settled");
    assert_eq!((again.state.as_str(), again.broadcast), ("draft", Some(broadcast)));
}

#[test]
fn the_end_of_an_alert_does_not_end_what_takes_it_back() {
    let bench = Bench::new(1, 10);
    let more = r#""alertid":"flood","alertseq":0,"retraction":{"reqid":"r",
        "texts":{"variants":{"en":"It was wrong"},"fallback":["en"]}},"#;
    let broadcast = bench.started("a", more);
    let ordinal = bench.ordinal(&broadcast);
    let delivered = Some(crate::broadcast::outcomes::Outcome::Delivered);
    bench.engine.broadcasts.begin_all(ordinal, delivered);
    bench.desk.order(&broadcast, Order::End(End::Cancelled)).expect("cancelled");
    bench.desk.take_back(&broadcast, "operator").expect("noted");
    bench.engine.broadcasts.settle(ordinal);
    bench.desk.look(Now::read().steady).expect("kept");
    bench.desk.take_back_due(Now::read());
    let retracting = {
        let mut standing = bench.desk.standing();
        standing.entry(&broadcast).expect("there").document.retracting.clone()
    };
    let new = retracting.and_then(|known| known.broadcast).expect("it is taken back");
    let arrived = arrived(&bench, "K-9", true);
    let answer = WarningAnswer::of("town", &arrived.draft, "judged");
    let answer = bench.desk.cancel_chain(&arrived, Some("flood".to_owned()), answer);
    assert_eq!(answer.expect("answered").ends, Vec::<String>::new());
    let progress = bench.desk.progress(&new, false).expect("there");
    assert_eq!(progress.state, "holding", "it goes on");
}

#[test]
fn the_end_of_an_alert_ends_what_goes_on_from_it_to_those_who_were_reached() {
    use crate::broadcast::manifest::OtherBroadcast;
    use crate::broadcast::outcomes::Outcome;
    use crate::broadcast::warnings::MAY_HAVE_IT;
    let bench = Bench::new(1, 10);
    let first = bench.started("a", r#""alertid":"flood","alertseq":0,"#);
    bench.engine.broadcasts.begin_all(bench.ordinal(&first), Some(Outcome::Delivered));
    let follow = |reqid: &str, alertseq: u8, outcomes: &[Outcome]| {
        let more = format!(r#""alertid":"flood","alertseq":{alertseq},"#);
        let mut manifest = bench.manifest(reqid, &more);
        let of = (first.clone(), outcomes.to_vec());
        manifest.legs[0].audience.of =
            Some(OtherBroadcast { broadcast: of.0, outcomes: of.1, leg: None });
        let new = BroadcastDesk::next_identifier();
        let draft = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
        let (digest, recipients) = bench.agreed(&draft);
        bench.desk.start(&draft, &digest, recipients, "operator").expect("started");
        draft
    };
    let reached = follow("b", 1, &[Outcome::Delivered]);
    let holders = follow("c", 2, &MAY_HAVE_IT);
    for goes_on in [&reached, &holders] {
        let document = bench.desk.standing().entry(goes_on).expect("there").document.clone();
        let running = bench.desk.running(&document).expect("it runs");
        assert!(!running.terms.takes_back, "E3 for the alert ends it too");
    }
    let arrived = arrived(&bench, "K-9", true);
    let answer = WarningAnswer::of("town", &arrived.draft, "judged");
    let answer = bench.desk.cancel_chain(&arrived, Some("flood".to_owned()), answer);
    let ends = answer.expect("answered").ends;
    assert!([&first, &reached, &holders].iter().all(|end| ends.contains(end)), "{ends:?}");
}

#[test]
fn a_cancel_that_an_engine_takes_which_only_looks_on_is_not_said_to_be_done() {
    let bench = Bench::new(1, 10);
    bench.started("a", r#""alertid":"flood","alertseq":0,"#);
    bench.engine.looks_on.store(true, std::sync::atomic::Ordering::Relaxed);
    let arrived = arrived(&bench, "K-9", true);
    let answer = WarningAnswer::of("town", &arrived.draft, "judged");
    let answer = bench.desk.cancel_chain(&arrived, Some("flood".to_owned()), answer);
    let answer = answer.expect("answered");
    assert_eq!((answer.state.as_str(), answer.ends.len()), ("waiting", 1));
    assert!(answer.waits.iter().any(|why| why.contains("only looks on")), "{answer:?}");
}

#[test]
fn the_end_of_a_chain_stops_the_newest_whatever_is_wrong_with_an_older_one() {
    let mut bench = Bench::new(2, 100);
    let chain = |seq: u8| format!(r#""alertid":"flood","alertseq":{seq},"#);
    let older = bench.started("a", &chain(0));
    let newer = bench.started("b", &chain(1));
    let file = {
        let mut standing = bench.desk.standing();
        let document = &standing.entry(&older).expect("there").document;
        document.check.as_ref().expect("a dry run").file.clone()
    };
    let folder = bench.directory.path().join("broadcasts").join(&older);
    std::fs::remove_file(folder.join(file)).expect("removed");
    bench.restart(|_| false);
    // Nor can anything of it be kept any more.
    std::fs::remove_dir_all(folder).expect("removed");
    let arrived = arrived(&bench, "K-9", true);
    let answer = WarningAnswer::of("town", &arrived.draft, "judged");
    let refusal = bench.desk.cancel_chain(&arrived, Some("flood".to_owned()), answer);
    assert!(refusal.is_err(), "what could not be ended is told");
    let progress = bench.desk.progress(&newer, false).expect("there");
    assert_eq!(progress.state, "cancelled");
}
