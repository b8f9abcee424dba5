//! The load generator against the whole engine, as a newcomer starts it: the drill, an open loop,
//! and what it says when something is wrong.

use std::process::Command;
use tests::engine::Finished;
use tests::push::XPID;
use tests::site::Site;

/// Runs the load generator in the place's directory.
#[track_caller]
fn load(site: &Site, arguments: &[&str]) -> Finished {
    let mut command = Command::new(tests::programs!().load);
    command.args(arguments).current_dir(site.directory()).stdin(std::process::Stdio::null());
    Finished::of(command, &arguments.join(" "))
}

/// The figure behind this name in a JSON file: the first one, which is enough for names that occur
/// once.
#[track_caller]
fn figure(json: &str, name: &str) -> String {
    let rest =
        json.split(&format!("\"{name}\":")).nth(1).unwrap_or_else(|| panic!("no {name} in {json}"));
    rest.trim_start().split([',', '\n', '}']).next().unwrap_or_default().trim().to_owned()
}

#[test]
fn a_drill_of_20000_pushes_is_clean() {
    let site = Site::new(tests::programs!());
    let finished = load(
        &site,
        &["drill", "--pushes", "20000", "--json", "drill.json", "--", "--queue-bytes", "256MiB"],
    );
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let verdict = "attempted 20000 · accepted 20000 · delivered 20000 · notified 20000 · lost 0 · \
        duplicated 0 · unexpected 0";
    assert!(finished.stdout.contains(verdict), "{}", finished.stdout);
    let json = std::fs::read_to_string(site.path("drill.json")).expect("the figures");
    assert_eq!(
        (figure(&json, "clean").as_str(), figure(&json, "faults").as_str()),
        ("true", "[]"),
        "{json}"
    );
    assert!(json.contains(verdict), "{json}");
    for name in ["cpu_us_per_push", "peak_octets", "answered_per_s", "notified_per_s"] {
        let value: f64 = figure(&json, name).parse().expect("a number");
        assert!(value > 0.0, "{name} = {value}");
    }
    assert_eq!(figure(&json, "durability"), "\"power\"");
}

#[test]
fn a_drill_of_a_broadcast_tells_what_its_journals_took() {
    let site = Site::new(tests::programs!());
    let drill = ["drill", "--broadcast", "--recipients", "20000", "--shards", "2", "--no-beside"];
    let more = ["--json", "drill.json", "--", "--queue-bytes", "256MiB"];
    let finished = load(&site, &[&drill[..], &more].concat());
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let json = std::fs::read_to_string(site.path("drill.json")).expect("the figures");
    let octets: f64 = figure(&json, "journal_octets_per_recipient").parse().expect("a number");
    // Eight for its outcome, and what stands around that.
    assert!((8.0..64.0).contains(&octets), "{octets} for each");
}

#[test]
fn a_drill_of_a_broadcast_sees_pauses_a_cancel_and_shares_however_fast_it_goes() {
    let site = Site::new(tests::programs!());
    // Two seconds, in which emergencies are due.
    let paced = ["--recipients", "20000", "--per-second", "10000"];
    let drill = [&["drill", "--broadcast", "--shards", "2"][..], &paced].concat();
    let more = ["--json", "drill.json", "--", "--queue-bytes", "256MiB"];
    let finished = load(&site, &[&drill[..], &more].concat());
    assert_eq!(finished.status, Some(0), "what was not seen is a fault: {finished:?}");
    let json = std::fs::read_to_string(site.path("drill.json")).expect("the figures");
    let [sent, delivered] = ["sent", "delivered"].map(|name| figure(&json, name));
    let many: u64 = sent.parse().expect("a number");
    assert!((50..=200).contains(&many) && sent == delivered, "{sent} sent, {delivered} arrived");
    for line in ["emergencies beside it, delivered p99", "beside a paced one, delivered p99"] {
        let line = finished.stdout.lines().find(|shown| shown.contains(line)).expect("a line");
        assert!(line.contains(" ms of "), "{line}");
        assert_eq!(line.contains("50 ms"), line.contains("beside it"), "{line}");
    }
    assert_eq!(figure(&json, "pauses"), "20", "{json}");
    assert_eq!(figure(&json, "attempts_in_pauses"), "0", "{json}");
    let apart: f64 = figure(&json, "shares_apart_percent").parse().expect("they were seen");
    // They share what their registration may send; one alone had all of it once.
    assert!((0.0..=10.0).contains(&apart), "{apart} % apart");
}

#[test]
fn the_engine_tells_of_every_answer_what_its_own_part_was_whichever_shard_has_the_connection() {
    let site = Site::new(tests::programs!());
    let drill = ["drill", "--pushes", "5000", "--shards", "3", "--json", "drill.json"];
    let finished = load(&site, &[&drill[..], &["--", "--queue-bytes", "256MiB"]].concat());
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let json = std::fs::read_to_string(site.path("drill.json")).expect("the figures");
    let times = |of: &str, name: &str| -> f64 {
        let behind =
            json.split_once(&format!("\"{of}\":")).unwrap_or_else(|| panic!("no {of} in {json}")).1;
        figure(behind, name).parse().expect("a number")
    };
    assert_eq!(times("own_times", "count"), 5_000.0, "{json}");
    assert!(times("commit_times", "count") > 0.0, "{json}");
    // An answer waits for at least one commit, of which the shard's own part has nothing in it.
    let (answer_ms, own_ms) = (times("answer_times", "p50_ms"), times("own_times", "p50_ms"));
    assert!(own_ms < answer_ms, "own {own_ms} of {answer_ms}");
}

#[test]
fn an_open_loop_keeps_its_rate_and_is_clean() {
    let (site, sink) = site_with_sink();
    let engine = site.start();
    let target = site.push_address().to_string();
    let finished = load(
        &site,
        &[
            "push",
            "--target",
            &target,
            "--sink",
            &sink,
            "--rate",
            "2000",
            "--pushes",
            "6000",
            "--json",
            "open.json",
        ],
    );
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let json = std::fs::read_to_string(site.path("open.json")).expect("the figures");
    assert_eq!(figure(&json, "load"), "\"open\"");
    let seconds: f64 = figure(&json, "answered_within_s").parse().expect("a number");
    assert!(
        (2.9..6.0).contains(&seconds),
        "6000 pushes at 2000 a second were answered within {seconds} s"
    );
    engine.stop();
    let bill = tests::bill::Bill::of_these_days(&site);
    assert_eq!(["accepted", "delivered"].map(|column| bill.sum(XPID, column)), [6_000; 2]);
}

#[test]
fn what_is_lost_is_counted_and_the_exit_status_says_so() {
    let (mut site, sink) = site_with_sink();
    // Half of them stay where they are.
    site.set_lines(&[("09000000000-09000000049", "absent")]);
    let engine = site.start();
    let target = site.push_address().to_string();
    let finished = load(
        &site,
        &[
            "push",
            "--target",
            &target,
            "--sink",
            &sink,
            "--msns",
            "09000000000:100",
            "--pushes",
            "100",
            "--stall",
            "1",
        ],
    );
    assert_eq!(finished.status, Some(1), "{finished:?}");
    let verdict = "attempted 100 · accepted 100 · delivered 50 · notified 50 · lost 50 · \
        duplicated 0 · unexpected 0";
    assert!(finished.stdout.contains(verdict), "{}", finished.stdout);
    engine.stop();
}

#[test]
fn a_drill_whose_engine_ends_says_so() {
    let site = Site::new(tests::programs!());
    let arguments =
        ["drill", "--pushes", "5000", "--", "--queue-bytes", "256MiB", "--inject", "panic=2000"];
    let finished = load(&site, &arguments);
    assert_eq!(finished.status, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("the engine ended by itself (exit status: 23)"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("a rehearsed panic") && !finished.stderr.contains("panicked"),
        "{}",
        finished.stderr
    );
}

fn site_with_sink() -> (Site, String) {
    let site = Site::new(tests::programs!());
    let sink = tests::ports::free_address().to_string();
    site.add_client(XPID, &["--notify-url", &format!("http://{sink}/notify")]);
    site.add_contracts(XPID, &["09000000000-09000099999"]);
    (site, sink)
}
