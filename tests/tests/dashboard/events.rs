//! The stream of figures: whole snapshots, often while it is young, the newest for whoever is slow,
//! and a bound on those who listen.

use super::Office;
use hayauma::control::broadcasts::{SNAPSHOT_OCTETS_MAX, Snapshot};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tests::broadcasts::{Broadcaster, manifest, rows};

/// Somebody who listens.
struct Listener(BufReader<TcpStream>);

impl Listener {
    /// Asks for the events of a broadcast; the status.
    fn open(address: SocketAddr, token: &str, broadcast: &str) -> (Self, String) {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
        let request = format!(
            "GET /broadcasts/{broadcast}/events HTTP/1.1\r\nHost: {address}\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("taken");
        let mut stream = BufReader::new(stream);
        let mut status = String::new();
        stream.read_line(&mut status).expect("a status");
        (Self(stream), status)
    }

    /// The next line that begins so; `None` at the end.
    fn line(&mut self, prefix: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            if let Some(rest) = line.strip_prefix(prefix) {
                return Some(rest.trim_end().to_owned());
            }
        }
    }

    fn snapshot(&mut self) -> Option<(u64, Snapshot)> {
        let number = self.line("id: ")?.parse().expect("a number");
        let text = self.line("data: ")?;
        assert!(text.len() <= SNAPSHOT_OCTETS_MAX, "{} octets", text.len());
        Some((number, simd_json::from_slice(&mut text.into_bytes()).expect("a snapshot")))
    }
}

#[test]
fn events_are_whole_snapshots_that_count_up_and_add_up() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 1_500);
    let engine = office.site.start();
    let list = people.list(&rows(1_500));
    let pace = r#""pace":{"per_second":500},"#;
    let broadcast = people.started(&manifest(&list, "02", "watched", pace));
    let (mut listener, status) = Listener::open(office.address, &office.reader, &broadcast);
    assert!(status.contains("200"), "{status}");
    let begun = Instant::now();
    let (mut numbers, mut reached, mut young) = (Vec::new(), 0, 0);
    loop {
        let (number, snapshot) = listener.snapshot().expect("it goes on");
        let sum: u64 = snapshot.counts.values().sum();
        assert!(snapshot.adds_up && sum == 1_500 && snapshot.targeted == 1_500, "{snapshot:?}");
        assert!(snapshot.reached() >= reached, "nobody is taken back");
        assert!(snapshot.reach.curve.len() <= 300);
        reached = snapshot.reached();
        numbers.push(number);
        young += u64::from(begun.elapsed() < Duration::from_secs(2));
        if snapshot.is_over() {
            let last = snapshot.reach.of_targeted.last().expect("a mark");
            assert!(last.share == "last" && last.after_ms.is_some(), "{last:?}");
            let codes = snapshot.breakdown.expect("a closer look");
            assert!(codes.adds_up && codes.areas_in_all == 3, "{codes:?}");
            assert!(snapshot.acts.iter().any(|act| act.act.contains("start")));
            break;
        }
    }
    assert!(numbers.windows(2).all(|pair| pair[1] > pair[0]), "{numbers:?}");
    assert!((2..=11).contains(&young), "at most 5 a second: {young} in 2 s");
    assert_eq!(reached, 1_500);
    // The engine's end is theirs: it does not wait for listeners.
    let stopping = Instant::now();
    engine.stop();
    assert!(stopping.elapsed() < Duration::from_secs(5), "{:?}", stopping.elapsed());
    while listener.line("").is_some() {}
}

#[test]
fn two_hundred_listen_and_one_more_is_told_so_and_those_who_read_nothing_hold_up_nobody() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 10);
    let engine = office.site.start();
    let list = people.list(&rows(10));
    let broadcast = people.started(&manifest(&list, "02", "crowd", ""));
    people.ended(&broadcast);
    let open = || Listener::open(office.address, &office.reader, &broadcast);
    let mut crowd: Vec<Listener> = Vec::new();
    for place in 0..200 {
        let (listener, status) = open();
        assert!(status.contains("200"), "{place}: {status}");
        crowd.push(listener);
    }
    let (_, status) = open();
    assert!(status.contains("503"), "{status}");
    // None of them reads but one, which gets its figures all the same.
    let listener = crowd.last_mut().expect("somebody");
    let (first, _) = listener.snapshot().expect("a snapshot");
    let (second, _) = listener.snapshot().expect("another");
    assert!(second > first || first == 0, "{first} {second}");
    drop(crowd);
    tests::wait::until_true("a free place", || open().1.contains("200"));
    engine.stop();
}

#[test]
fn whoever_loses_its_token_hears_no_more() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 10);
    let engine = office.site.start();
    let list = people.list(&rows(10));
    let broadcast = people.started(&manifest(&list, "02", "heard", ""));
    let (mut listener, status) = Listener::open(office.address, &office.reader, &broadcast);
    assert!(status.contains("200"), "{status}");
    listener.snapshot().expect("it goes on");
    office.site.must(&["token", "remove", "press"]);
    let until = Instant::now() + Duration::from_secs(20);
    while listener.snapshot().is_some() {
        assert!(Instant::now() < until, "its stream goes on without a token");
    }
    engine.stop();
}
