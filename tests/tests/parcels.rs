//! Requests that come to one shard and belong to another: what one push client has under way
//! between them leaves the others their way.

use std::collections::BTreeMap;
use std::thread;
use tests::http::Connection;
use tests::push::Body;
use tests::site::Site;
use wire::terms::ids::Msn;
use wire::terms::ownership::shard_of;

const LOUD: &str = "00100000001";
const QUIET: &str = "00100000002";
const FIRST_MSN: u64 = 9_000_000_000;
/// Half of them land on each of two shards.
const CONNECTIONS: usize = 8;
/// What each of them asks without waiting.
const REQUESTS: usize = 6_000;
const QUIET_REQUESTS: usize = 200;

/// Msns that the second of two shards owns.
fn msns() -> Vec<String> {
    let owned = |&number: &u64| shard_of(Msn::from_value(number).expect("an msn"), 2) == 1;
    (FIRST_MSN..FIRST_MSN + 1_000).filter(owned).map(|number| format!("{number:011}")).collect()
}

fn count(answers: &mut BTreeMap<String, usize>, code: String) {
    *answers.entry(code).or_default() += 1;
}

/// Asks all of it at once while the answers are read; how many got which code.
fn flood(mut connection: Connection, of: usize) -> BTreeMap<String, usize> {
    let mut writer = connection.try_clone();
    let writing = thread::spawn(move || {
        let msns = msns();
        for number in 0..REQUESTS {
            let body = Body::push(&msns[number % msns.len()], &format!("loud-{of}-{number}"));
            writer.send(&body.with("svcid", LOUD).request());
        }
    });
    let mut answers = BTreeMap::new();
    (0..REQUESTS).for_each(|_| count(&mut answers, connection.answer().code()));
    writing.join().expect("all of it is taken");
    answers
}

#[test]
fn a_clients_flood_between_two_shards_is_not_refused_for_want_of_room_nor_is_anybody_elses() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set("--durability", "process").set("--queue-bytes", "256MiB");
    // What is refused takes the same way as what is taken.
    site.add_client(LOUD, &["--rate", "1"]);
    site.add_client(QUIET, &["--class", "emergency"]);
    let range = format!("{:011}-{:011}", FIRST_MSN, FIRST_MSN + 999);
    [LOUD, QUIET].iter().for_each(|xpid| site.add_contracts(xpid, &[&range]));
    let engine = site.start();
    let floods: Vec<_> = (0..CONNECTIONS)
        .map(|of| {
            let connection = engine.connect();
            thread::spawn(move || flood(connection, of))
        })
        .collect();
    let mut quiet = BTreeMap::new();
    let mut connections = [engine.connect(), engine.connect()];
    for (number, msn) in msns().iter().cycle().take(QUIET_REQUESTS).enumerate() {
        let class = ["1101", "1103"][number / 2 % 2];
        let body = Body::push(msn, &format!("quiet-{number}")).with("svcid", QUIET);
        let request = body.with("comway", class).request();
        count(&mut quiet, connections[number % 2].ask(&request).code());
    }
    assert_eq!(quiet, BTreeMap::from([("0000".to_owned(), QUIET_REQUESTS)]));
    for flood in floods {
        let answers = flood.join().expect("no panic");
        let known = |code: &String| ["0000", "8001"].contains(&code.as_str());
        assert!(answers.keys().all(known), "it waits in its own socket: {answers:?}");
    }
    engine.stop();
}
