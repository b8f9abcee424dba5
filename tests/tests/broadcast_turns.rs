//! Broadcasts in one shard that is driven by hand: how much is claimed ahead, how much one turn
//! ends, and what the end of an alert leaves.

use hayauma::broadcast::life::{End, Life};
use hayauma::broadcast::outcomes::Outcome;
use hayauma::broadcast::recipients::{Recipient, Recipients, RecipientsWriter};
use hayauma::broadcast::running::{RunningBroadcast, RunningPace, RunningTerms};
use hayauma::broadcast::slice::{OnDoubt, Order};
use hayauma::network::line_states::{Line, LineStates};
use hayauma::network::simulated::SimulatedNetwork;
use hayauma::network::simulation_config::SimulationConfig;
use hayauma::shard::SliceFigures;
use std::ops::Range;
use std::sync::Arc;
use tests::lone_shard::{BUDGET, LoneShard, START_MS, Setup, msn};
use tests::push::{Body, XPID};
use wire::terms::code::Code;
use wire::terms::ids::{Class, Kind, Msn, Xpid};
use wire::terms::mix::mix;
use wire::terms::time::WallMs;

/// Held rows that one turn of a shard ends at most.
const ENDED_PER_TURN_MAX: u32 = 4_096;

fn phone(number: u64) -> Msn {
    Msn::parse(msn(number).as_bytes()).expect("an msn")
}

/// A broadcast to these phones, in one area.
fn broadcast(
    ordinal: u32,
    phones: Range<u64>,
    change: impl FnOnce(&mut RunningTerms),
) -> Arc<RunningBroadcast> {
    let file = tempfile::tempfile().expect("a file");
    let mut writer = RecipientsWriter::new(file.try_clone().expect("another")).expect("begun");
    writer.begin_run((0, 0), "13101");
    let row = |number| Recipient { msn: phone(number), text: Some(0), language: 0 };
    let mut rows: Vec<Recipient> = phones.map(row).collect();
    rows.sort_by_key(|row| mix(row.msn.value()));
    writer.push(&rows).expect("written");
    writer.finish().expect("finished");
    let mut terms = RunningTerms {
        ordinal,
        xpid: Xpid::parse(XPID.as_bytes()).expect("an XPID"),
        class: Class::Urgent,
        kind: Kind::Text,
        sender: XPID.to_owned(),
        started_ms: WallMs::new(START_MS),
        hold_ms: 0,
        deadline_ms: WallMs::new(START_MS + 3_600_000),
        alertseq: 0,
        on_doubt: OnDoubt::Again,
        pace: RunningPace::unlimited(),
        once: false,
        reqid: format!("r{ordinal}"),
        alertid: None,
        ignores_suppression: false,
        skips_had_within_ms: None,
        takes_back: false,
        of: Vec::new(),
    };
    change(&mut terms);
    let recipients = Recipients::open(&file).expect("whole");
    let running = RunningBroadcast::new(terms, recipients, &["x".to_owned()]);
    Arc::new(running.expect("a text that can be sent"))
}

fn figures(lone: &LoneShard, ordinal: u32) -> SliceFigures {
    let mut all = lone.shard.broadcast_figures().into_iter();
    all.find(|figures| figures.ordinal == ordinal).expect("the shard has it")
}

fn network(absent: u64, config: SimulationConfig) -> SimulatedNetwork {
    let states = format!("{}-{},absent\n", msn(0), msn(absent.max(1) - 1));
    let states = if absent == 0 { "" } else { states.as_str() };
    let lines = LineStates::parse(states, Line::HOME).expect("a good file");
    SimulatedNetwork::new(config, Arc::new(lines)).expect("a network")
}

#[test]
fn what_waits_for_the_pace_of_its_areas_has_no_other_claim_more_than_it_sends() {
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(&[XPID]);
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    // Some hundred a second.
    let slow = SimulationConfig { latency_ms: 100, in_flight_max: 10, ..Default::default() };
    let mut network = network(0, slow);
    let by_area = broadcast(1, 0..100, |terms| terms.pace.per_area = 1);
    let slowly = broadcast(2, 100..1_000, |_| {});
    for running in [&by_area, &slowly] {
        lone.shard.tell_broadcast(running, WallMs::new(START_MS));
    }
    for now_ms in START_MS..START_MS + 2_500 {
        lone.work_over(&mut network, now_ms);
        let figures = figures(&lone, 2);
        let ahead = figures.claimed - figures.counts.of(Outcome::Delivered);
        assert!(ahead <= 200, "{ahead} claimed after {} ms", now_ms - START_MS);
    }
    let sent = figures(&lone, 2).counts.of(Outcome::Delivered);
    assert!((150..400).contains(&sent), "{sent} sent");
}

#[test]
fn a_pace_is_kept_on_a_device_that_takes_its_time() {
    const PER_SECOND: u32 = 400;
    const COMMIT_MS: u64 = 150;
    const SECONDS: u64 = 2;
    let directory = tempfile::tempdir().expect("a directory");
    let mut lone = LoneShard::open(directory.path(), &Setup::new(&[XPID]), START_MS);
    let mut network = network(0, SimulationConfig::default());
    let paced = broadcast(1, 0..1_000, |terms| terms.pace.per_second = PER_SECOND);
    lone.shard.tell_broadcast(&paced, WallMs::new(START_MS));
    for ms in 0..SECONDS * 1_000 {
        let now_ms = WallMs::new(START_MS + ms);
        lone.shard.turn(&mut network, now_ms, &BUDGET);
        if ms % COMMIT_MS == 0 {
            lone.shard.commit_blocking().expect("a device that writes");
            assert!(lone.shard.write_books_blocking(now_ms), "a device that takes events");
        }
    }
    let sent = figures(&lone, 1).counts.of(Outcome::Delivered);
    // What the first and the last commits have does not count.
    let least = u64::from(PER_SECOND) * (SECONDS * 1_000 - 3 * COMMIT_MS) / 1_000;
    assert!(u64::from(sent) >= least, "{sent} sent, and {least} were to be");
}

#[test]
fn rows_that_were_held_before_a_start_end_some_in_a_turn() {
    const ROWS: u64 = 10_000;
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup { pushes_max: 40_000, ..Setup::new(&[XPID]) };
    let running = broadcast(1, 0..ROWS, |_| {});
    let mut network = network(ROWS, SimulationConfig::default());
    let mut now_ms = START_MS;
    {
        let mut lone = LoneShard::open(directory.path(), &setup, now_ms);
        let xpid = Xpid::parse(XPID.as_bytes()).expect("an XPID");
        for number in tests::lone_shard::PHONES..ROWS {
            lone.shard.contracts_mut().insert(phone(number), xpid).expect("a contract more");
        }
        lone.shard.tell_broadcast(&running, WallMs::new(now_ms));
        while figures(&lone, 1).counts.of(Outcome::Held) < ROWS as u32 {
            now_ms += 1;
            lone.work_over(&mut network, now_ms);
            assert!(now_ms < START_MS + 10_000, "{:?}", figures(&lone, 1).counts);
        }
    }
    let mut lone = LoneShard::open(directory.path(), &setup, now_ms);
    lone.shard.tell_broadcast(&running, WallMs::new(now_ms));
    let end = [Order::End(End::Cancelled)];
    lone.shard.order_broadcast(1, &end, WallMs::new(now_ms)).expect("the shard has it");
    let (mut ended, mut turns) = (0, 0);
    while ended < ROWS as u32 {
        (now_ms, turns) = (now_ms + 1, turns + 1);
        lone.work_over(&mut network, now_ms);
        let more = figures(&lone, 1).counts.of(Outcome::Cancelled) - ended;
        assert!(more <= ENDED_PER_TURN_MAX, "{more} in one turn");
        ended += more;
        assert!(turns < 20, "{ended} after {turns} turns");
    }
    assert_eq!(figures(&lone, 1).life, Life::Ended(End::Cancelled));
}

#[test]
fn the_cancel_of_a_whole_alert_ends_its_broadcasts_and_not_what_takes_them_back() {
    for takes_back in [false, true] {
        let directory = tempfile::tempdir().expect("a directory");
        let setup = Setup { absent: false, ..Setup::new(&[XPID]) };
        let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
        let running = broadcast(1, 0..20, |terms| {
            terms.alertid = Some("flood".to_owned());
            terms.takes_back = takes_back;
        });
        lone.shard.tell_broadcast(&running, WallMs::new(START_MS));
        let cancel = Body::cancel_alert("flood", "all");
        assert_eq!(lone.ask_patiently(&cancel, START_MS), Code::ACCEPTED);
        for now_ms in START_MS..START_MS + 200 {
            lone.work(now_ms);
        }
        let figures = figures(&lone, 1);
        let reached = figures.counts.of(Outcome::Delivered);
        let expected = match takes_back {
            true => (Life::Finished, 20),
            false => (Life::Ended(End::Cancelled), 0),
        };
        assert_eq!((figures.life, reached), expected, "takes back: {takes_back}");
    }
}
