//! `hayauma push show`: a push's life as an operator reads it, while the engine runs and when it
//! does not.

use super::{accepted, await_figure, msn, set_lines, site, site_for};
use std::process::Command;
use tests::engine::Engine;
use tests::push::{Body, XPID};
use tests::recorder::{Recorder, Reply};
use tests::site::Site;
use wire::terms::ids::Msn;
use wire::terms::ownership::shard_of;

/// Names and details of the events that `push show` prints, without the times.
fn events(said: &str) -> Vec<String> {
    let line = |line: &str| {
        line.get(34..).map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    said.lines().filter(|text| text.starts_with("  2")).filter_map(line).collect()
}

/// The times of the events: they never run backward.
#[track_caller]
fn check_times(said: &str) {
    let times: Vec<&str> =
        said.lines().filter(|text| text.starts_with("  2")).map(|line| &line[2..32]).collect();
    assert!(times.iter().all(|time| time.ends_with(" +09:00")), "{said}");
    assert!(times.is_sorted(), "{said}");
}

#[track_caller]
fn check_event(event: &str, parts: &[&str]) {
    let mut rest = event;
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => panic!("{part:?} is not where it should be in {event:?}"),
        }
    }
}

#[test]
fn the_life_of_a_push_is_told_event_by_event_running_or_stopped() {
    tell_a_life(1);
}

#[test]
fn the_life_of_a_push_is_told_out_of_several_partitions_of_a_thread() {
    tell_a_life(4);
}

fn tell_a_life(partitions_a_thread: usize) {
    let recorder =
        Recorder::answering(|notice| match (notice.get("reqid"), notice.get("trynum")) {
            ("second", "1" | "2") => Reply::Status(500, None),
            _ => Reply::Acknowledge,
        });
    // In real time: what is held is tried again after half a minute, which is not awaited.
    let mut site = site(&recorder, 1);
    site.partitions_a_thread(partitions_a_thread);
    site.set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    let alert = |reqid: &str, sequence: &str| {
        let push = Body::text(&msn(0), reqid, &"a".repeat(300))
            .with("lifetime", "72")
            .with("comway", "1103");
        push.with("alertid", "flood").with("alertseq", sequence)
    };
    accepted(&connection.ask(&alert("first", "01").request()));
    await_figure(&engine, "holds", 1);
    accepted(&connection.ask(&alert("second", "02").request()));
    recorder.await_about("first", 1);
    await_figure(&engine, "holds", 2);
    let waiting = site.must(&["push", "show", &msn(0), "second"]);
    let now = waiting.lines().last().expect("a line");
    check_event(now, &["now", "held", "absent; sent once", "again 2", "+09:00"]);
    set_lines(&site, "home", &[&msn(0)]);
    recorder.await_about("second", 3);
    accepted(&connection.ask(&Body::push(&msn(0), "third").with("dlvntf", "0").request()));
    await_two_delivered(&engine);
    let said = site.must(&["push", "show", &msn(0)]);
    check_times_of_each(&said);
    let lives: Vec<&str> = said.split("\n\n").collect();
    assert_eq!(lives.len(), 3, "{said}");
    let what = ": emergency text, 2 segments, from Hayauma, alert flood 01";
    check_event(lives[0], &["push to ", " reqid first xpid ", XPID, what]);
    let first = events(lives[0]);
    assert_eq!(first.len(), 4, "{first:?}");
    check_event(&first[0], &["accepted expires 2", "+09:00"]);
    check_event(
        &first[1],
        &["held absent; sent once by ", "; again 2", "or on alert; 6006 if it expires"],
    );
    check_event(
        &first[2],
        &["ended replaced 0011, by second, TP-Status 47, by ", "S, 0 of 2 segments arrived"],
    );
    check_event(&first[3], &["acknowledged E5 after 1 try"]);
    let second = events(lives[1]);
    let names: Vec<&str> = second.iter().filter_map(|event| event.split(' ').next()).collect();
    assert_eq!(names, ["accepted", "held", "ended", "acknowledged"], "{second:?}");
    check_event(
        &second[2],
        &["ended delivered 0000, TP-Status 00, by PS, 2 of 2 segments arrived"],
    );
    check_event(&second[3], &["acknowledged E5 after 3 tries"]);
    let third = events(lives[2]);
    check_event(&third[0], &["accepted", "no notification wanted"]);
    check_event(&third[1], &["ended delivered", "nobody is to be told"]);
    assert!(!said.contains("  now "), "nothing is left to be said of the present: {said}");
    assert!(!said.contains("aaa"), "a text is nobody's business");
    engine.kill();
    assert_eq!(site.must(&["push", "show", &msn(0)]), said);
}

/// Waits until two pushes are delivered and nothing is left to be done, and that outlives the
/// engine. A figure that was shown before the last push came says nothing of it.
#[track_caller]
fn await_two_delivered(engine: &Engine) {
    await_figure(engine, "pushes_delivered", 2);
    await_figure(engine, "pushes_live", 0);
    engine.admin().await_durable();
}

#[track_caller]
fn check_times_of_each(said: &str) {
    said.split("\n\n").for_each(check_times);
}

#[test]
fn cancels_partly_sent_segments_and_parked_notifications_are_part_of_a_life() {
    let address = tests::ports::free_address();
    let mut site = site_for(&format!("http://{address}/notify"), 86_400);
    site.set("--network-outcomes", "busy=1").set_lines(&[(msn(1), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    let long = Body::text(&msn(0), "part", &"a".repeat(1_530)).with("lifetime", "00");
    accepted(&connection.ask(&long.request()));
    accepted(&connection.ask(&Body::push(&msn(1), "withdrawn").with("lifetime", "72").request()));
    tests::wait::until_true("a hold", || engine.admin().figure("holds") >= 1);
    accepted(&connection.ask(&Body::cancel(&msn(1), "withdrawn").request()));
    tests::wait::until_true("parked", || engine.admin().figure("notifications_parked") == 2);
    let said = site.must(&["push", "show", &msn(1)]);
    let told = events(&said);
    let tail: Vec<&str> = told.iter().rev().take(3).map(String::as_str).collect();
    check_event(tail[2], &["cancel accepted"]);
    check_event(
        tail[1],
        &["ended cancelled 0000, TP-Status 47, 0 of 1 segment arrived, 1 segment withdrawn"],
    );
    check_event(tail[0], &["parked E7 after "]);
    let told = events(&site.must(&["push", "show", &msn(0), "part"]));
    check_event(&told[0], &["accepted", "one attempt only"]);
    check_event(&told[2], &["parked E5 after "]);
    engine.stop();
}

#[test]
fn a_script_reads_the_same_as_json() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 60);
    site.set_lines(&[(msn(0), "memory-full")]);
    let engine = site.start();
    accepted(&engine.connect().ask(&Body::push(&msn(0), "held").with("lifetime", "72").request()));
    await_figure(&engine, "holds", 1);
    let said = site.must(&["push", "show", &msn(0), "held", "--json"]);
    for part in [
        "\"reqid\":\"held\"",
        "\"state\":\"waiting\"",
        "\"event\":\"accepted\"",
        "\"event\":\"held\"",
        "\"reason\":\"memory-full\"",
        "\"code\":\"6007\"",
        "\"next_ms\":",
        "\"now\":{",
        "\"cancel_accepted\":false",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    engine.stop();
    let said = site.must(&["push", "show", &msn(0), "held", "--json"]);
    assert!(said.contains("\"reason\":\"memory-full\"") && !said.contains("\"now\""), "{said}");
    let finished = site.run(&["push", "show", &msn(0), "never-sent"]);
    assert!(
        finished
            .refusal()
            .contains("no push to 09000000000 with the request id never-sent is known"),
        "{finished:?}"
    );
    let finished = site.run(&["push", "show", &msn(7)]);
    assert!(finished.refusal().contains("remembered for 24 hours"), "{finished:?}");
    let finished = site.run(&["push", "show", "123"]);
    assert!(
        finished.refusal().contains("--help") || finished.stderr.contains("not a phone number"),
        "{finished:?}"
    );
}

#[test]
fn what_cleaning_has_moved_or_reduced_to_its_key_is_still_told() {
    clean(1);
}

#[test]
fn what_the_cleaning_of_one_of_several_partitions_has_moved_is_still_told() {
    clean(3);
}

/// Phones of one partition, and its number.
fn phones_of_one(partitions: usize) -> ([String; 3], usize) {
    let owner =
        |phone: &String| shard_of(Msn::parse(phone.as_bytes()).expect("an msn"), partitions);
    let first = msn(0);
    let partition = owner(&first);
    let mut others = (1..).map(msn).filter(|phone| owner(phone) == partition);
    let mut next = || others.next().expect("phones without end");
    ([first, next(), next()], partition)
}

fn clean(partitions_a_thread: usize) {
    let mut site = Site::new(tests::programs!());
    let queue = format!("{partitions_a_thread}MiB");
    site.set("--segment-bytes", "64KiB").set("--queue-bytes", &queue);
    site.partitions_a_thread(partitions_a_thread);
    let ([held, gone, busy], partition) = phones_of_one(site.partitions());
    site.add_client(XPID, &["--notify-url", "http://127.0.0.1:9/nobody"]);
    site.add_contracts(XPID, &[&format!("{}-{}", msn(0), msn(999))]);
    site.set_lines(&[(held.as_str(), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    accepted(&connection.ask(&Body::push(&held, "held").with("lifetime", "72").request()));
    accepted(&connection.ask(&Body::push(&gone, "gone").with("dlvntf", "0").request()));
    await_figure(&engine, "pushes_delivered", 1);
    let first = site.must(&["push", "show", &held, "held"]);
    let segment = format!("shard-{partition:03}/journal/segment-00000001.log");
    let first_segment = site.data_dir().join(segment);
    for round in 0.. {
        assert!(round < 200, "the first segment was never cleaned");
        let push = |number| {
            Body::push(&busy, &format!("more-{round}-{number}")).with("dlvntf", "0").request()
        };
        connection.send(&(0..50).flat_map(push).collect::<Vec<u8>>());
        (0..50).for_each(|_| accepted(&connection.answer()));
        let delivered = 1 + 50 * (round + 1);
        tests::wait::until_true("deliveries", || {
            engine.admin().figure("pushes_delivered") == delivered
        });
        if !first_segment.exists() {
            break;
        }
    }
    let said = site.must(&["push", "show", &held, "held"]);
    assert!(said.contains("moved by cleaning"), "{said}");
    let accepted_at =
        |said: &str| said.lines().find(|line| line.contains("accepted")).map(str::to_owned);
    assert_eq!(accepted_at(&said), accepted_at(&first));
    check_event(said.lines().last().expect("a line"), &["now", "held", "absent"]);
    let said = site.must(&["push", "show", &gone, "gone"]);
    check_event(&said, &["reqid gone xpid ", XPID, "moved by cleaning", "ended", "delivered 0000"]);
    engine.stop();
    check_event(
        &site.must(&["push", "show", &gone, "gone"]),
        &["reqid gone", "ended", "delivered 0000"],
    );
    check_event(&site.must(&["queue"]), &["held: absent", "1"]);
}

/// What the commands say of themselves is what the documents say of them.
#[test]
fn the_commands_are_in_the_help() {
    let help = |words: &[&str]| {
        let output = Command::new(tests::programs!().engine)
            .args(words)
            .arg("--help")
            .output()
            .expect("it runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    check_event(&help(&[]), &["push", "queue", "notify", "network"]);
    check_event(&help(&["push", "show"]), &["<MSN>", "[REQID]", "--json"]);
    check_event(&help(&["queue"]), &["show", "inspect", "verify", "--json"]);
    check_event(&help(&["serve"]), &["--rehearsal-time-scale"]);
}
