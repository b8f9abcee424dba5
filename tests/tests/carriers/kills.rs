//! Kills of the engine and of the SMSC under load: nothing is lost, and what comes twice is
//! counted.
//!
//! `HAYAUMA_TEST_CARRIER_KILLS` says how many; `just heavy carriers` has a hundred.

use super::{BY_CARRIER, add_carrier, await_bound, carrier_figure};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tests::engine::Engine;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::smsc::Smsc;
use tests::wait;

/// Requests outstanding on a session, and sessions.
const WINDOW: usize = 10;
const SESSIONS: usize = 2;
/// Pushes between two kills.
const PUSHES: u64 = 150;
/// SMS that may be answered between two commits, of each of two shards: a fiftieth of a second's.
const PER_COMMIT_MAX: usize = 2 * RATE / 50;
/// SMS of both sessions in a second.
const RATE: usize = 500;

fn kills() -> u64 {
    let said = std::env::var("HAYAUMA_TEST_CARRIER_KILLS").ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(6)
}

fn msn(number: u64) -> String {
    format!("{BY_CARRIER}{number:07}")
}

/// Emergencies: those in doubt are held for ten seconds only.
fn push(number: u64) -> Body {
    Body::push(&msn(number), &format!("push-{number}")).with("comway", "1103")
}

fn push_all(engine: &Engine, numbers: std::ops::Range<u64>) {
    let mut connection = engine.connect();
    connection.send(&numbers.clone().flat_map(|number| push(number).request()).collect::<Vec<_>>());
    for number in numbers {
        assert_eq!(connection.answer().code(), "0000", "push {number}");
    }
}

#[test]
fn kills_of_either_side_under_load_lose_nothing_and_what_comes_twice_is_bounded() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    site.add_client(XPID, &["--notify-url", &recorder.url(), "--class", "emergency"]);
    site.add_contracts(XPID, &["09010000000-09010099999"]);
    let (window, sessions) = (WINDOW.to_string(), SESSIONS.to_string());
    let rate = RATE.to_string();
    let more = ["--window", &window, "--sessions", &sessions, "--rate", &rate];
    add_carrier(&site, "alpha", smsc.address(), &more);
    site.must(&["carrier", "route", "add", BY_CARRIER, "alpha"]);
    let mut engine = site.start();
    let (kills, mut in_doubt, mut killed) = (kills(), 0, 0);
    for kill in 0..kills {
        await_bound(&engine, "alpha", SESSIONS as u64);
        let before = smsc.sms().len();
        push_all(&engine, kill * PUSHES..(kill + 1) * PUSHES);
        smsc.await_sms(before + PUSHES as usize / 3);
        if kill % 2 == 0 {
            in_doubt += carrier_figure(&engine, "alpha", "in_doubt");
            killed += 1;
            engine.kill();
            engine = site.start();
        } else {
            smsc.go_away(true);
            wait::until_true("lost sessions", || {
                carrier_figure(&engine, "alpha", "sessions_bound") == 0
            });
            smsc.go_away(false);
        }
    }
    let all = kills * PUSHES;
    let patience = Duration::from_secs(180);
    wait::until_within(patience, "the end of every push", || {
        let notices = recorder.notices();
        let ended: HashSet<_> = notices.iter().map(|notice| notice.get("reqid")).collect();
        (ended.len() as u64 >= all).then_some(())
    });
    in_doubt += carrier_figure(&engine, "alpha", "in_doubt");
    let mut copies: HashMap<String, usize> = HashMap::new();
    smsc.sms().into_iter().for_each(|sms| *copies.entry(sms.to).or_default() += 1);
    let lost = (0..all).filter(|&number| !copies.contains_key(&format!("81{}", &msn(number)[1..])));
    assert_eq!(lost.count(), 0, "lost pushes");
    let failed = recorder.notices().iter().filter(|notice| notice.get("code") != "0000").count();
    assert_eq!(failed, 0, "pushes that ended otherwise");
    let twice: usize = copies.values().map(|copies| copies - 1).sum();
    println!("{kills} kills, {all} pushes: 0 lost, {in_doubt} in doubt, {twice} came twice");
    // What a lost session leaves in doubt is counted; what a kill does, nobody is left to count.
    assert!(in_doubt as usize <= kills as usize * WINDOW * SESSIONS, "{in_doubt} in doubt");
    let bound = in_doubt as usize + killed * (WINDOW * SESSIONS + PER_COMMIT_MAX);
    assert!(twice <= bound, "{twice} came twice, {bound} at most");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}
