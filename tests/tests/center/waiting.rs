//! `hayauma queue` and the same gauges among the metrics: what waits, by reason and age.

use super::{accepted, await_figure, msn, site_for};
use tests::engine::Engine;
use tests::push::Body;
use tests::site::Site;

/// The row of `hayauma queue` that begins with `name`, as its cells; `None` when it is not there.
fn row(said: &str, name: &str) -> Option<Vec<String>> {
    let line = said.lines().find(|line| line.starts_with(name))?;
    Some(
        line.split("  ")
            .filter(|cell| !cell.is_empty())
            .map(|cell| cell.trim().to_owned())
            .collect(),
    )
}

/// How many shards have a line of their own.
fn shard_lines(said: &str) -> usize {
    said.lines().filter(|line| line.starts_with("shard ")).count()
}

/// How many pushes the row counts, and how many in each class.
fn counts(said: &str, name: &str) -> Option<[String; 5]> {
    row(said, name)
        .and_then(|cells| cells.get(1..6).and_then(|counts| counts.to_vec().try_into().ok()))
}

#[track_caller]
fn await_queue(site: &Site, what: &str, holds: impl Fn(&str) -> bool) -> String {
    tests::wait::until(what, || Some(site.must(&["queue"])).filter(|said| holds(said)))
}

/// Eight pushes that are held, each for a reason of its own or as absent, three that follow, and
/// one whose client takes no notification.
fn let_wait(site: &mut Site) -> Engine {
    let lines = [
        (msn(0), "absent"),
        (msn(1), "absent"),
        (msn(2), "memory-full"),
        (msn(3), "busy"),
        (msn(4), "system-failure"),
        (msn(5), "hlr-failure"),
        (msn(6), "protocol-error"),
        (msn(7), "roaming-ps+no-cs+operator-2"),
    ];
    site.set_lines(&lines);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..8 {
        accepted(&connection.ask(&Body::push(&msn(number), "one").request()));
    }
    accepted(&connection.ask(&Body::push(&msn(0), "two").request()));
    accepted(&connection.ask(&Body::push(&msn(1), "urgent").with("comway", "1103").request()));
    accepted(&connection.ask(&Body::push(&msn(9), "untold").request()));
    tests::wait::until_true("held", || engine.admin().figure("holds") >= 9);
    await_figure(&engine, "pushes_delivered", 1);
    engine
}

/// What the JSON form and the metrics say of the same.
#[track_caller]
fn check_json_and_metrics(site: &Site, engine: &Engine) {
    let json = site.must(&["queue", "show", "--json"]);
    let last_shard = format!("\"shard\":{}", site.partitions() - 1);
    for part in [
        "\"waiting\":10",
        "\"reason\":\"packet-roaming-out\"",
        "\"state\":\"notification-due\"",
        &last_shard,
    ] {
        assert!(json.contains(part), "{part} is not in {json}");
    }
    let page = engine.admin().request("GET", "/metrics", "").text();
    let sum = |part: &str| -> u64 {
        let lines = page
            .lines()
            .filter(|line| line.starts_with("hayauma_waiting_pushes{") && line.contains(part));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let sums = (sum("state=\"held\""), sum("reason=\"absent\""), sum("class=\"emergency\""));
    assert_eq!(sums, (9, 3, 1), "{page}");
}

#[test]
fn what_waits_is_counted_by_reason_class_and_age_running_or_stopped() {
    count_what_waits(1);
}

#[test]
fn what_waits_in_several_partitions_a_thread_is_counted_as_one_queue() {
    count_what_waits(4);
}

fn count_what_waits(partitions_a_thread: usize) {
    let nobody = tests::ports::free_address();
    let mut site = site_for(&format!("http://{nobody}/notify"), 1);
    site.unset("--rehearsal-time-scale").shards(2).partitions_a_thread(partitions_a_thread);
    let engine = let_wait(&mut site);
    let said = await_queue(&site, "all that waits", |said| {
        row(said, "all").is_some_and(|cells| cells[1] == "11") && row(said, "in flight").is_none()
    });
    let expect = |name: &str, expected: [&str; 5]| {
        assert_eq!(
            counts(&said, name).unwrap_or_default(),
            expected.map(str::to_owned),
            "{name} in\n{said}"
        );
    };
    // The emergency push has overtaken the other one of its phone, which stays held.
    expect("held: absent", ["3", "1", "-", "2", "-"]);
    expect("behind another", ["1", "-", "-", "1", "-"]);
    for name in
        ["memory full", "busy", "system failure", "hlr failure", "protocol error", "packet roaming"]
    {
        expect(&format!("held: {name}"), ["1", "-", "-", "1", "-"]);
    }
    expect("notification due", ["1", "-", "-", "1", "-"]);
    assert_eq!(row(&said, "all").expect("a sum")[6], "11", "all are younger than a minute: {said}");
    assert_eq!(shard_lines(&said), site.partitions(), "{said}");
    check_json_and_metrics(&site, &engine);
    engine.stop();
    let stopped = site.must(&["queue"]);
    for name in
        ["held: absent", "held: memory full", "held: protocol error", "notification due", "all"]
    {
        assert_eq!(counts(&stopped, name), counts(&said, name), "{name} in\n{stopped}");
    }
}

#[test]
fn an_idle_engine_has_nothing_waiting_and_says_so() {
    for partitions_a_thread in [1, 3] {
        let mut site = site_for("http://127.0.0.1:9/nobody", 1);
        site.partitions_a_thread(partitions_a_thread);
        let engine = site.start();
        let said = await_queue(&site, "a count", |said| !said.contains("not counted yet"));
        assert_eq!(row(&said, "all").expect("a sum")[1], "0", "{said}");
        assert_eq!(shard_lines(&said), partitions_a_thread, "{said}");
        assert_eq!(said.lines().count(), 2 + partitions_a_thread, "{said}");
        engine.stop();
    }
}
