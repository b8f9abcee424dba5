//! What one push client does never takes from another what it needs: places of cancelled alerts, of
//! waiting pushes, of pushes for one phone, turns, remembered keys. And what a cancel withdrew
//! stays withdrawn, whatever the clock does and however long the engine is down.
//!
//! The shard is the engine's own, with its journal, driven in virtual time.

use hayauma::journal::{JournalConfig, SegmentFactory};
use hayauma::shard::{NotificationResult, ParkedAction, Standing};
use hayauma::start::layout::Layout;
use hayauma::start::reshard;
use hayauma::start::reshard::{Source, Target};
use tests::lone_shard::{Client, LoneShard, START_MS, Setup, journal, limits, msn};
use tests::push::Body;
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::time::WallMs;

const LOUD: &str = "00100000001";
const QUIET: &str = "00100000002";
const DAY_MS: u64 = 24 * 3_600_000;

fn of(xpid: &str, body: Body) -> Body {
    body.with("svcid", xpid)
}

/// A push of an alert that waits for an absent phone.
fn alert_push(number: u64, alert: &str) -> Body {
    Body::push(&msn(number), &format!("{alert}-{number}"))
        .with("lifetime", "72")
        .with("alertid", alert)
        .with("alertseq", "01")
}

#[test]
fn seventy_thousand_cancels_of_alerts_that_never_were_leave_other_clients_theirs() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut lone = LoneShard::open(directory.path(), &Setup::new(&[LOUD, QUIET]), START_MS);
    assert_eq!(lone.ask_patiently(&of(QUIET, alert_push(0, "quake")), START_MS), Code::ACCEPTED);
    lone.work(START_MS);
    for number in 0..70_000 {
        let cancel = of(LOUD, Body::cancel_alert(&format!("never-{number}"), "c"));
        assert_eq!(lone.ask_patiently(&cancel, START_MS), Code::PUSH_NOT_FOUND, "cancel {number}");
        if number % 1_024 == 0 {
            lone.work(START_MS);
        }
    }
    assert_eq!(lone.figure("alerts_closed"), 0, "an alert that never was is not closed");
    let cancel = of(QUIET, Body::cancel_alert("quake", "all"));
    assert_eq!(lone.ask_patiently(&cancel, START_MS), Code::ACCEPTED);
    assert_eq!(lone.ask_patiently(&cancel, START_MS), Code::REPEATED);
    let never = of(QUIET, Body::cancel_alert("never", "c"));
    assert_eq!(lone.ask_patiently(&never, START_MS), Code::PUSH_NOT_FOUND);
    // Nor does the loud client's own flood stand in its way.
    assert_eq!(lone.ask_patiently(&alert_push(1, "tsunami"), START_MS), Code::ACCEPTED);
    assert_eq!(lone.ask_patiently(&Body::cancel_alert("tsunami", "all"), START_MS), Code::ACCEPTED);
}

//= push cancel again
#[test]
fn cancels_count_against_the_rate_and_a_repeat_of_an_answered_one_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[LOUD]);
    setup.clients[0].rate_per_second = 3;
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    assert_eq!(lone.ask_patiently(&alert_push(0, "quake"), START_MS), Code::ACCEPTED);
    let later_ms = START_MS + 5_000;
    assert_eq!(lone.ask(&Body::cancel_alert("quake", "all"), later_ms), Code::ACCEPTED);
    assert_eq!(lone.ask(&Body::cancel(&msn(0), "never"), later_ms), Code::PUSH_NOT_FOUND);
    assert_eq!(lone.ask(&Body::cancel_alert("never", "c"), later_ms), Code::PUSH_NOT_FOUND);
    assert_eq!(lone.ask(&Body::cancel_alert("nor-this", "c"), later_ms), Code::RATE);
    assert_eq!(lone.ask(&Body::cancel(&msn(0), "never"), later_ms), Code::RATE);
    assert_eq!(lone.ask(&Body::cancel_alert("quake", "all"), later_ms), Code::REPEATED);
}

#[test]
fn a_clock_set_back_by_an_hour_stops_no_rate_and_one_set_forward_by_a_day_forgets_no_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[LOUD]);
    (setup.clients[0].rate_per_second, setup.absent) = (1, false);
    setup.clients[0].notified = false;
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    let mut steady_ms = 1_000;
    for (number, wall_ms) in [START_MS, START_MS - 3_600_000, START_MS + 26 * 3_600_000, START_MS]
        .into_iter()
        .enumerate()
    {
        // Ten seconds go by between the steps.
        let mut now_ms = wall_ms;
        steady_ms += 10_000;
        let push = Body::push(&msn(number as u64), "once");
        let needed = lone.figure("journal_needed_octets");
        lone.keep_time(now_ms, steady_ms);
        lone.work(now_ms);
        assert_eq!(lone.figure("journal_needed_octets"), needed, "the clock shows {wall_ms}");
        assert_eq!(lone.ask_patiently(&push, now_ms), Code::ACCEPTED, "the clock shows {wall_ms}");
        for _ in 0..1_000 {
            (now_ms, steady_ms) = (now_ms + 1, steady_ms + 1);
            lone.keep_time(now_ms, steady_ms);
            lone.work(now_ms);
        }
        assert_eq!(lone.figure("pushes_delivered"), number as u64 + 1, "the clock shows {wall_ms}");
        assert_eq!(lone.figure("pushes_live"), 0);
        for before in 0..=number {
            let repeat = Body::push(&msn(before as u64), "once");
            assert_eq!(
                lone.ask(&repeat, now_ms),
                Code::REPEATED,
                "push {before}, the clock shows {wall_ms}"
            );
        }
    }
    // A day later by any clock they are forgotten.
    let now_ms = START_MS + DAY_MS + 60_000;
    lone.keep_time(now_ms, steady_ms + DAY_MS + 60_000);
    lone.work(now_ms);
    assert_eq!(lone.figure("keys_remembered"), 0);
}

#[test]
fn cancelled_pushes_of_a_client_without_a_notification_url_hold_no_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[]);
    setup.clients = vec![Client { xpid: LOUD, notified: false, rate_per_second: 0 }];
    setup.pushes_max = 1_000;
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    for round in 0..3 {
        for number in 0..700 {
            let reqid = format!("round-{round}-{number}");
            assert_eq!(
                lone.ask_patiently(&Body::push(&msn(number), &reqid), START_MS),
                Code::ACCEPTED
            );
        }
        lone.work(START_MS);
        for number in 0..700 {
            let cancel = Body::cancel(&msn(number), &format!("round-{round}-{number}"));
            assert_eq!(lone.ask(&cancel, START_MS), Code::ACCEPTED);
        }
        for later_ms in 0..1_000 {
            lone.work(START_MS + later_ms);
        }
        assert_eq!(lone.figure("pushes_live"), 0, "round {round}");
    }
    drop(lone);
    let lone = LoneShard::open(directory.path(), &setup, START_MS + 1_000);
    assert_eq!(lone.figure("pushes_live"), 0, "nor does a restart bring one back");
}

#[test]
fn whatever_waits_of_one_client_leaves_places_to_another_and_the_last_ones_to_an_emergency() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[LOUD, QUIET]);
    setup.pushes_max = 1_000;
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    let mut refused = |push: &dyn Fn(u64) -> Body| {
        (0u64..).find_map(|number| match lone.ask_patiently(&push(number), START_MS) {
            Code::ACCEPTED => None,
            code => Some((number, code)),
        })
    };
    let to_one = |xpid, class: &str, number: u64| {
        let reqid = format!("one-{class}-{number}");
        of(xpid, Body::push(&msn(0), &reqid)).with("comway", class)
    };
    let to_each = |xpid, class: &str, number: u64| {
        let reqid = format!("each-{class}-{number}");
        of(xpid, Body::push(&msn(number % 1_000), &reqid)).with("comway", class)
    };
    let at_phone = refused(&|number| to_one(LOUD, "1101", number));
    assert_eq!(at_phone, Some((80, Code::TOO_MANY_WAITING)), "of a hundred places for one phone");
    assert!(refused(&|number| to_one(QUIET, "1103", number)).is_some_and(|(taken, _)| taken >= 10));
    let (taken, code) =
        refused(&|number| to_each(LOUD, "1101", number + 1)).unwrap_or((0, Code::INTERNAL));
    assert!(taken > 500 && code == Code::STORAGE_FULL, "{taken} {code:?}");
    let (taken, _) =
        refused(&|number| to_each(QUIET, "1101", number + 1)).unwrap_or((0, Code::INTERNAL));
    assert!(taken > 50, "{taken} standard pushes of the other client");
    let (taken, _) =
        refused(&|number| to_each(QUIET, "1103", number + 1)).unwrap_or((0, Code::INTERNAL));
    assert!(taken > 50, "{taken} emergency pushes of the other client");
}

/// Whether the push that waits for this phone is in the core network.
fn is_under_way(lone: &LoneShard, phone: u64) -> bool {
    let msn = Msn::parse(msn(phone).as_bytes()).expect("an msn");
    lone.shard.live_pushes(msn, 1).first().is_some_and(|push| push.standing == Standing::InFlight)
}

#[test]
fn one_clients_flood_keeps_no_other_client_and_no_lower_class_but_the_exercise_from_its_turn() {
    // Of emergencies, then of urgent pushes: nine hundred phones, of which a turn attempts 512.
    let classes = ["1103", "1102", "1101", "1109"];
    for flood in ["1103", "1102"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut setup = Setup::new(&[LOUD, QUIET]);
        setup.absent = false;
        let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
        for number in 0..900 {
            let push = Body::push(&msn(number), "loud").with("comway", flood);
            assert_eq!(lone.ask_patiently(&push, START_MS), Code::ACCEPTED);
        }
        for (phone, class) in (900..).zip(classes) {
            let push = of(QUIET, Body::push(&msn(phone), "quiet")).with("comway", class);
            assert_eq!(lone.ask_patiently(&push, START_MS), Code::ACCEPTED);
        }
        lone.shard.commit_blocking().expect("a device that writes");
        lone.work(START_MS);
        let seen: Vec<bool> = (900..904).map(|phone| is_under_way(&lone, phone)).collect();
        assert_eq!(
            seen,
            [true, true, true, false],
            "emergency, urgent, standard, exercise beside a flood of {flood}"
        );
        assert!(!is_under_way(&lone, 899), "the flood is not through yet");
    }
}

#[test]
fn one_clients_flood_forgets_no_key_of_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[LOUD, QUIET]);
    (setup.absent, setup.pushes_max) = (false, 300);
    setup.clients.iter_mut().for_each(|client| client.notified = false);
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    let quiet = |number| of(QUIET, Body::push(&msn(number), "quiet"));
    for number in 0..200 {
        assert_eq!(lone.ask_patiently(&quiet(number), START_MS), Code::ACCEPTED);
    }
    // Room for the keys of 1,200 ended pushes.
    let mut now_ms = START_MS;
    for number in 0..3_000 {
        let push = Body::push(&msn(number % 1_000), &format!("loud-{number}"));
        while lone.ask(&push, now_ms) != Code::ACCEPTED {
            now_ms += 1;
            lone.work(now_ms);
        }
    }
    for later_ms in 0..1_000 {
        lone.work(now_ms + later_ms);
    }
    assert_eq!(lone.figure("pushes_live"), 0);
    assert_eq!(lone.figure("keys_forgotten_early"), 2_000);
    for number in 0..200 {
        assert_eq!(lone.ask(&quiet(number), now_ms), Code::REPEATED, "push {number}");
    }
    assert_eq!(lone.ask(&Body::push(&msn(999), "loud-2999"), now_ms), Code::REPEATED, "its latest");
}

/// Pushes one after another, each to a phone that is there, until one is refused; a sink that
/// answers for nobody but the quiet client. How many were taken, and the code that ended it.
fn sent(lone: &mut LoneShard, xpid: &str, most: u64, now_ms: &mut u64) -> (u64, Code) {
    for number in 0..most {
        let push = of(xpid, Body::push(&msn(number % 1_000), &format!("{}-{number}", *now_ms)));
        match lone.ask_patiently(&push, *now_ms) {
            Code::ACCEPTED => {}
            code => return (number, code),
        }
        if number % 32 == 0 {
            for _ in 0..8 {
                *now_ms += 1;
                lone.work(*now_ms);
                take_notifications(lone, *now_ms);
            }
        }
    }
    for _ in 0..200 {
        *now_ms += 1;
        lone.work(*now_ms);
        take_notifications(lone, *now_ms);
    }
    (most, Code::ACCEPTED)
}

fn take_notifications(lone: &mut LoneShard, now_ms: u64) {
    while let Some(order) = lone.shard.take_notification() {
        if lone.shard.notification_xpid(order).to_string() == QUIET {
            lone.shard.settle_notification(
                order,
                NotificationResult::Acknowledged,
                WallMs::new(now_ms),
            );
        }
    }
}

#[test]
fn a_client_that_takes_no_notifications_costs_others_no_place_and_loses_none_of_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[LOUD, QUIET]);
    (setup.absent, setup.pushes_max) = (false, 4_000);
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    let mut now_ms = START_MS;
    // Two thousand wait to be taken, and as many are parked before it is refused.
    let (loud, code) = sent(&mut lone, LOUD, 10_000, &mut now_ms);
    assert!((4_000..4_200).contains(&loud) && code == Code::STORAGE_FULL, "{loud}, {code:?}");
    let parked = lone.figure("notifications_parked_for_room");
    assert!((2_000..2_200).contains(&parked), "{parked}");
    assert_eq!(sent(&mut lone, QUIET, 30_000, &mut now_ms), (30_000, Code::ACCEPTED));
    let emergency = of(QUIET, Body::push(&msn(7), "emergency")).with("comway", "1103");
    assert_eq!(lone.ask_patiently(&emergency, now_ms), Code::ACCEPTED);
    assert_eq!(sent(&mut lone, QUIET, 1, &mut now_ms), (1, Code::ACCEPTED));
    assert_eq!(lone.figure("notifications_acknowledged"), 30_002);
    assert_eq!(lone.figure("pushes_live"), loud, "all of the loud one, and nothing else");
    // Their records were moved: of 16 MB and more the latest segments are left. Cleaning goes on
    // when the factory has given files back, which is a thread of its own, in real time.
    tests::wait::until_true("three segments at most", || {
        now_ms += 1;
        lone.work(now_ms);
        lone.figure("journal_segments") <= 3
    });
    assert_eq!(
        lone.shard.parked(None, 10_000).len() as u64,
        lone.figure("notifications_parked_for_room")
    );
    // A start finds them all again.
    let parked = lone.shard.parked(None, 10_000).len();
    drop(lone);
    let mut lone = LoneShard::open(directory.path(), &setup, now_ms);
    assert_eq!((lone.figure("pushes_live"), lone.shard.parked(None, 10_000).len()), (loud, parked));
    let mut due = 0;
    while let Some(order) = lone.shard.take_notification() {
        due += 1;
        lone.shard.settle_notification(
            order,
            NotificationResult::Acknowledged,
            WallMs::new(now_ms),
        );
    }
    assert_eq!(due + parked as u64, loud);
    // Whoever asks for another client's costs a turn no record of the journal.
    let page = lone.shard.parked_page(Xpid::parse(QUIET.as_bytes()), 0, 1);
    assert!(page.parked.is_empty() && page.next.is_none(), "{page:?}");
    let (mut from, mut in_pages) = (Some(0), Vec::new());
    while let Some(at) = from {
        let page = lone.shard.parked_page(None, at, 300);
        assert!(page.parked.len() <= 300);
        in_pages.extend(page.parked.iter().map(|one| one.push_id));
        from = page.next;
    }
    let all: Vec<u64> = lone.shard.parked(None, 10_000).iter().map(|one| one.push_id).collect();
    assert_eq!(in_pages, all);
    let (all, now) = ((0, 10_000), WallMs::new(now_ms));
    let replayed = lone.shard.act_on_parked(ParkedAction::Replay, None, all, now).parked.len();
    while let Some(order) = lone.shard.take_notification() {
        lone.shard.settle_notification(order, NotificationResult::Acknowledged, now);
    }
    assert_eq!(replayed.min(2_000), 2_000.min(parked));
    lone.shard.act_on_parked(ParkedAction::Discard, None, all, now);
    assert_eq!(lone.figure("pushes_live"), 0);
    assert_eq!(sent(&mut lone, LOUD, 100, &mut now_ms), (100, Code::ACCEPTED));
}

/// A shard in which the cancel of an alert with ten waiting pushes was answered and nothing more
/// was done: as it stands when the engine dies in that moment.
fn cancelled_and_died(directory: &std::path::Path, setup: &Setup) {
    let mut lone = LoneShard::open(directory, setup, START_MS);
    for number in 0..10 {
        assert_eq!(lone.ask_patiently(&alert_push(number, "quake"), START_MS), Code::ACCEPTED);
    }
    lone.work(START_MS);
    assert_eq!(lone.ask_patiently(&Body::cancel_alert("quake", "all"), START_MS), Code::ACCEPTED);
    lone.shard.commit_blocking().expect("a device that writes");
}

#[test]
fn a_cancelled_alert_stays_cancelled_through_an_outage_of_more_than_a_day() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[LOUD]);
    cancelled_and_died(directory.path(), &setup);
    setup.absent = false;
    let later_ms = START_MS + DAY_MS + 3_600_000;
    let mut lone = LoneShard::open(directory.path(), &setup, later_ms);
    for now_ms in later_ms..later_ms + 500 {
        lone.work(now_ms);
    }
    assert_eq!((lone.figure("pushes_cancelled"), lone.figure("segments_delivered")), (10, 0));
}

#[test]
fn a_cancelled_alert_stays_cancelled_when_the_directory_is_laid_out_anew_after_more_than_a_day() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[LOUD]);
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    for path in [&old, &new] {
        std::fs::create_dir(path).expect("a directory");
    }
    cancelled_and_died(&old, &setup);
    let later_ms = START_MS + DAY_MS + 3_600_000;
    let factory = SegmentFactory::start().expect("a thread");
    let layout = Layout::fresh(1).next(1).expect("the second of many layouts");
    let copied = JournalConfig { first_sequence: layout.first_copied(0), ..journal() };
    let target = Target::begin(&new.join("journal"), copied, &factory);
    let mut targets = [target.unwrap_or_else(|error| panic!("{error}"))];
    let source = Source {
        directory: &old,
        number: 0,
        limits: limits(&setup),
        journal: journal(),
        time_scale: 1,
    };
    let copied = reshard::copy(&source, &mut targets, &factory, WallMs::new(later_ms));
    assert_eq!(copied.unwrap_or_else(|error| panic!("{error}")).pushes, 10);
    let [target] = targets;
    target.finish().unwrap_or_else(|error| panic!("{error}"));
    (setup.absent, setup.first_sequence) = (false, layout.first_sequence(0));
    let mut lone = LoneShard::open(&new, &setup, later_ms);
    for now_ms in later_ms..later_ms + 500 {
        lone.work(now_ms);
    }
    assert_eq!((lone.figure("pushes_cancelled"), lone.figure("segments_delivered")), (10, 0));
}
