//! Clients that are slow, broken or hostile: each gets what it deserves, and the others are served
//! meanwhile.

use std::time::{Duration, Instant};
use tests::engine::Engine;
use tests::http::Connection;
use tests::push::{Body, Request, XPID};
use tests::seeded::Seeded;
use tests::site::Site;
use tests::wait;

const MSN: &str = "09012345678";
const SEED: u64 = 23;

fn site() -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN, "09000000000-09000000999"]);
    site
}

/// A push to an msn that follows from the reqid: so many for one msn would have to wait for each
/// other.
fn push(reqid: &str) -> Vec<u8> {
    let sum = reqid.bytes().fold(0u64, |sum, octet| (sum * 31 + u64::from(octet)) % 1_000);
    Body::push(&format!("{:011}", 9_000_000_000 + sum), reqid).request()
}

/// The engine takes a new connection and a new push.
#[track_caller]
fn check_serves(engine: &Engine, reqid: &str) {
    assert_eq!(engine.connect().ask(&push(reqid)).code(), "0000", "{reqid}");
}

//= push http time
#[test]
fn a_half_sent_request_times_out_and_others_are_served_meanwhile() {
    let mut site = site();
    site.set("--request-timeout-ms", "600");
    let engine = site.start();
    let whole = push("half");
    let head = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let begun = Instant::now();
    // Nothing but a first octet, half a head, a whole head, all but the last octet; and one that
    // first asks properly.
    let mut halves: Vec<Connection> = [1, head / 2, head, whole.len() - 1]
        .iter()
        .map(|&octets| {
            let mut connection = engine.connect();
            connection.send(&whole[..octets]);
            connection
        })
        .collect();
    let mut proper = engine.connect();
    assert_eq!(proper.ask(&push("proper")).code(), "0000");
    proper.send(&whole[..10]);
    halves.push(proper);
    let mut served = 0;
    while begun.elapsed() < Duration::from_millis(500) {
        check_serves(&engine, &format!("meanwhile-{served}"));
        served += 1;
    }
    assert!(served > 10, "only {served} pushes were served beside five half requests");
    for (number, connection) in halves.iter_mut().enumerate() {
        let answer = connection.answer();
        assert_eq!(answer.status(), 408, "{number}: {answer:?}");
        assert_eq!(answer.header("Connection"), Some("close"), "{number}");
        assert!(connection.is_closed_by_peer(), "{number}");
        let waited = begun.elapsed();
        assert!(
            (Duration::from_millis(550)..Duration::from_secs(6)).contains(&waited),
            "{number}: {waited:?}"
        );
    }
    engine.stop();
}

#[test]
fn a_request_that_drips_in_octet_by_octet_times_out_too() {
    let mut site = site();
    site.set("--request-timeout-ms", "500");
    let engine = site.start();
    let mut connection = engine.connect();
    let begun = Instant::now();
    let answer = push("drip").iter().find_map(|octet| {
        // Looking for an answer takes the few milliseconds between two octets: the whole would take
        // seconds.
        let is_taken = connection.try_send(&[*octet]).is_ok();
        connection.try_answer_if_due().or_else(|| {
            assert!(is_taken, "closed without a word after {:?}", begun.elapsed());
            None
        })
    });
    let answer = answer.expect("an answer before the last octet");
    assert_eq!(answer.status(), 408, "{answer:?}");
    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
    check_serves(&engine, "after-drip");
    engine.stop();
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let mut site = site();
    site.set("--idle-timeout-ms", "700");
    let engine = site.start();
    let (mut idle, mut fresh, mut busy) = (engine.connect(), engine.connect(), engine.connect());
    assert_eq!(idle.ask(&push("idle")).code(), "0000");
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < Duration::from_millis(1_500) {
        assert_eq!(busy.ask(&push(&format!("busy-{number}"))).code(), "0000");
        number += 1;
    }
    for connection in [&mut idle, &mut fresh] {
        connection.set_patience(Duration::from_secs(5));
        let ended = matches!(connection.try_answer(), Ok(None))
            || connection
                .try_answer()
                .is_ok_and(|answer| answer.is_none_or(|answer| answer.status() == 408));
        assert!(ended, "an idle connection still stands after {:?}", begun.elapsed());
    }
    assert_eq!(busy.ask(&push("busy-still")).code(), "0000");
    engine.stop();
}

#[test]
fn a_reader_that_reads_nothing_does_not_stop_the_others_and_gets_everything_in_the_end() {
    let site = site();
    let engine = site.start();
    let count = 30_000;
    let mut deaf = engine.connect();
    let mut sending = deaf.try_clone();
    let stream: Vec<u8> = (0..count).flat_map(|_| push("same")).collect();
    std::thread::scope(|scope| {
        // More answers than sockets hold: the engine has to stop reading, and then this thread
        // stops writing.
        scope.spawn(move || sending.send(&stream));
        for number in 0..200 {
            check_serves(&engine, &format!("others-{number}"));
        }
        for number in 0..count {
            let code = deaf.answer().code();
            assert_eq!(code, if number == 0 { "0000" } else { "0001" }, "answer {number}");
        }
    });
    engine.stop();
}

#[test]
fn clients_that_vanish_in_the_middle_of_everything_leave_nothing_behind() {
    let site = site();
    let engine = site.start();
    let mut chance = Seeded::new(SEED);
    for round in 0..200 {
        let mut connection = engine.connect();
        let requests: Vec<u8> =
            (0..1 + chance.below(20)).flat_map(|n| push(&format!("gone-{round}-{n}"))).collect();
        let octets = chance.below(requests.len() as u64 + 1) as usize;
        connection.send(&requests[..octets]);
        if chance.below(2) == 0 {
            // Closing with answers unread resets the connection.
            let _ = connection.try_answer_if_due();
        }
    }
    wait::until_true("an end of all connections", || engine.admin().figure("connections") == 0);
    check_serves(&engine, "after-all-that");
    engine.stop();
}

#[test]
fn a_head_without_end_is_refused_before_it_takes_memory() {
    let site = site();
    let engine = site.start();
    let endless = [
        ("one header of 64 KiB", format!("POST /smsgw/ HTTP/1.1\r\nX: {}", "a".repeat(65_536))),
        ("a path of 64 KiB", format!("POST /{} HTTP/1.1\r\n", "a".repeat(65_536))),
        ("thousands of headers", format!("POST /smsgw/ HTTP/1.1\r\n{}", "X: y\r\n".repeat(11_000))),
        ("65 headers", format!("POST /smsgw/ HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65))),
        ("64 KiB without a line end", "a".repeat(65_536)),
    ];
    for (number, (name, octets)) in endless.into_iter().enumerate() {
        let mut connection = engine.connect();
        // What is still on its way when the engine refuses takes the answer along no more.
        connection.send(octets.as_bytes());
        let answer = connection.answer();
        assert_eq!((answer.status(), answer.code().as_str()), (400, "1001"), "{name}");
        assert!(connection.is_closed_by_peer(), "{name}");
        check_serves(&engine, &format!("after-{number}"));
    }
    let blank_lines = [b"\r\n".repeat(10), push("blank-lines")].concat();
    assert_eq!(engine.connect().ask(&blank_lines).code(), "0000");
    engine.stop();
}

#[test]
fn noise_is_answered_or_cut_off_and_the_engine_goes_on() {
    let site = site();
    let engine = site.start();
    let mut chance = Seeded::new(SEED);
    for round in 0..400 {
        let length = 1 + chance.below(3_000);
        let noise: Vec<u8> = (0..length).map(|_| chance.next_number() as u8).collect();
        let mut connection = engine.connect();
        let _ = connection.try_send(&noise);
        connection.finish();
        while let Ok(Some(answer)) = connection.try_answer() {
            assert!(answer.status() >= 400, "round {round}: {answer:?}");
        }
    }
    check_serves(&engine, "after-noise");
    engine.stop();
}

#[test]
fn thousands_of_mutations_of_a_valid_request_never_hurt_the_engine() {
    let mut site = site();
    site.shards(2);
    let mut engine = site.start();
    let mut chance = Seeded::new(SEED);
    let mut codes = std::collections::BTreeMap::<String, u64>::new();
    let mut connection = engine.connect();
    for round in 0..6_000 {
        let reqid = format!("mutated-{round}");
        let body = match round % 4 {
            0 => Body::push(MSN, &reqid),
            1 => Body::text("09000000001", &reqid, "a &amp; \u{3042}")
                .with("oadr", "Hayauma")
                .with("dcs", "08"),
            2 => Body::push(MSN, &reqid)
                .with("udh", "06050415811581")
                .with("alertid", "a")
                .with("alertseq", "01"),
            _ => Body::cancel_alert("a", &reqid),
        };
        let mutated_body = chance.below(3) != 0;
        let octets = if mutated_body {
            // A right head round a wrong body: the connection stays.
            Request::post(&mutate(body.octets(), &mut chance)).octets()
        } else {
            mutate(body.request(), &mut chance)
        };
        if connection.try_send(&octets).is_err() {
            connection = engine.connect();
            continue;
        }
        if mutated_body {
            *codes.entry(connection.answer().code()).or_default() += 1;
            continue;
        }
        // Where this one ends nobody can tell: take what is said, and begin anew.
        connection.finish();
        while let Ok(Some(answer)) = connection.try_answer() {
            *codes.entry(answer.code()).or_default() += 1;
        }
        connection = engine.connect();
    }
    assert!(engine.is_running());
    assert!(codes.keys().all(|code| !code.starts_with('9')), "{codes:?}");
    assert!(codes.len() >= 12, "the mutations reach too little: {codes:?}");
    check_serves(&engine, "after-mutations");
    engine.stop();
}

/// Changes, drops, doubles or moves a few octets, or cuts the end off.
fn mutate(mut octets: Vec<u8>, chance: &mut Seeded) -> Vec<u8> {
    const TELLING: &[u8] = b"<>/&;\r\n\0 \"=?0:1aF\xff\xe3";
    for _ in 0..1 + chance.below(3) {
        let at = chance.below(octets.len() as u64) as usize;
        let count = (1 + chance.below(12) as usize).min(octets.len() - at);
        match chance.below(7) {
            0 => octets[at] = chance.next_number() as u8,
            1 => octets[at] = *chance.choose(TELLING),
            2 => drop(octets.drain(at..at + count)),
            3 => octets.splice(at..at, vec![*chance.choose(TELLING); count]).for_each(drop),
            4 => {
                let piece = octets[at..at + count].to_vec();
                let to = chance.below(octets.len() as u64) as usize;
                octets.splice(to..to, piece).for_each(drop);
            }
            5 => octets[at] ^= 1 << chance.below(8),
            _ => octets.truncate(at.max(1)),
        }
        if octets.is_empty() {
            octets.push(b'<');
        }
    }
    octets
}

#[test]
fn a_flood_of_connections_beyond_the_bound_waits_and_those_within_it_are_served() {
    let mut site = site();
    site.set("--connections-max", "40");
    let engine = site.start();
    let mut within: Vec<Connection> = (0..40).map(|_| engine.connect()).collect();
    for (number, connection) in within.iter_mut().enumerate() {
        assert_eq!(connection.ask(&push(&format!("within-{number}"))).code(), "0000");
    }
    let mut beyond: Vec<Connection> =
        (0..200).filter_map(|_| Connection::try_open(site.push_address()).ok()).collect();
    assert!(beyond.len() > 100, "the kernel keeps those that wait");
    for connection in &mut beyond {
        let _ = connection.try_send(&push("beyond"));
    }
    for (number, connection) in within.iter_mut().enumerate() {
        assert_eq!(connection.ask(&push(&format!("still-{number}"))).code(), "0000");
    }
    assert_eq!(engine.admin().figure("connections"), 40);
    for connection in &mut beyond {
        assert!(
            connection.try_answer_if_due().is_none(),
            "a connection beyond the bound is served"
        );
    }
    // Each that goes lets the next one in.
    within.truncate(20);
    let answered = beyond[0].try_answer().ok().flatten().expect("an answer for who waited longest");
    assert_eq!(answered.code(), "0000");
    drop(beyond);
    wait::until_true("room again", || {
        let mut connection = engine.connect();
        connection.try_send(&push("room")).is_ok() && matches!(connection.try_answer(), Ok(Some(_)))
    });
    engine.stop();
}
