//! The wall clock is set by an hour, a day and thirty days, forward and back, under an engine that
//! serves: a stream of pushes with attempts in flight, a metered client, pushes that wait for
//! absent phones, cancels, an alert that is closed and one that is open, and the billing days.
//!
//! No key is forgotten early, no meter stands, nothing in flight hangs, no push ends early, and the
//! books add up. The clock is faked (libfaketime); where it is not installed this says so and
//! checks nothing. The simulator steps the clock too (`Event::ClockStep`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tests::bill::Bill;
use tests::broadcasts::{Broadcaster, manifest, rows};
use tests::clock::Clock;
use tests::engine::Engine;
use tests::http::Connection;
use tests::push::{Body, XPID, day_in};
use tests::recorder::{Recorder, Reply};
use tests::site::Site;
use tests::wait;

/// The offsets of the wall clock, one after another: steps of each size in both directions.
const OFFSETS: [&str; 12] =
    ["+1h", "+0", "-1h", "+0", "+1d", "+0", "-1d", "+0", "+30d", "+0", "-30d", "+0"];
/// Those under a broadcast, which has an hour to live.
const BROADCAST_OFFSETS: [&str; 7] = ["-1h", "+0", "-1d", "-2h", "+0", "+50m", "+0"];
/// Its rows, and so many a second.
const BROADCAST_ROWS: u64 = 1_200;
const BROADCAST_PACE: &str = r#""pace":{"per_second":40},"#;
/// Days from today that the clock may show.
const DAYS: [i64; 5] = [-30, -1, 0, 1, 30];
const METERED: &str = "00100000002";
const RATE: u64 = 20;
/// Phones of the stream, of the metered client, and absent ones.
const STREAM_PHONES: u64 = 600;
const METERED_PHONE: u64 = 700;
const HELD_PHONE: u64 = 900;
const HELD: u64 = 60;
/// Between two pushes of the stream.
const STREAM_PACE: Duration = Duration::from_millis(3);

fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

fn stream_push(number: u64) -> Body {
    Body::push(&msn(number % STREAM_PHONES), &format!("stream-{number}"))
}

/// One that waits, half of them with a lifetime of one hour.
fn held_push(number: u64) -> Body {
    let lifetime = if number.is_multiple_of(2) { "01" } else { "72" };
    Body::push(&msn(HELD_PHONE + number), &format!("held-{number}")).with("lifetime", lifetime)
}

fn alert_push(alert: &str, number: u64) -> Body {
    Body::push(&msn(HELD_PHONE + HELD + number), &format!("{alert}-{number}"))
        .with("lifetime", "72")
        .with("alertid", alert)
        .with("alertseq", "01")
}

/// What the client was told of each push: how often.
type Told = Arc<Mutex<HashMap<String, u32>>>;

/// The place and its client's books.
struct Stand {
    site: Site,
    clock: Clock,
    told: Told,
    stream: AtomicU64,
    metered: AtomicU64,
    is_over: AtomicBool,
}

impl Stand {
    fn is_told(&self, reqid: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).contains_key(reqid)
    }

    /// Pushes at an even pace, each of which must be taken.
    fn send_stream(&self, address: SocketAddr) {
        let mut connection = Connection::open(address);
        while !self.is_over.load(Ordering::Relaxed) {
            let push = stream_push(self.stream.load(Ordering::Relaxed)).request();
            match connection.ask(&push).code().as_str() {
                "0000" => self.stream.fetch_add(1, Ordering::Release),
                // The next segment is being made.
                "8002" => 0,
                other => panic!("a push of the stream: {other}"),
            };
            std::thread::park_timeout(STREAM_PACE);
        }
    }

    /// Pushes above the client's rate.
    fn send_metered(&self, address: SocketAddr) {
        let mut connection = Connection::open(address);
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.metered.load(Ordering::Relaxed);
            let push = Body::push(&msn(METERED_PHONE + number % 100), &format!("metered-{number}"))
                .with("svcid", METERED);
            match connection.ask(&push.request()).code().as_str() {
                "0000" => self.metered.fetch_add(1, Ordering::Release),
                "8001" | "8002" => 0,
                other => panic!("a push of the metered client: {other}"),
            };
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Sets the clock while attempts are in flight, and holds every promise behind the step.
    fn step(&self, number: u64, offset: &str, engine: &Engine, connection: &mut Connection) {
        let (stream, metered) =
            (self.stream.load(Ordering::Acquire), self.metered.load(Ordering::Acquire));
        self.clock.set(offset);
        let what = |what: &str| format!("{what}, the clock at {offset}");
        wait::until_true(&what("the notifications of all before"), || {
            (stream.saturating_sub(100)..stream).all(|push| self.is_told(&format!("stream-{push}")))
        });
        let wanted = stream + 100;
        wait::until_true(&what("what came behind the step"), || {
            self.is_told(&format!("stream-{wanted}"))
        });
        let begun = Instant::now();
        wait::until_true(&what("a rate that has room again"), || {
            self.metered.load(Ordering::Acquire) >= metered + RATE / 2
        });
        assert!(begun.elapsed() < Duration::from_secs(10), "{offset}: {:?}", begun.elapsed());
        let mut ask = |body: &Body, code: &str| {
            let answer = connection.ask(&body.request());
            assert_eq!(answer.code(), code, "{body:?}, the clock at {offset}: {answer:?}");
        };
        for push in (0..stream).step_by(97) {
            ask(&stream_push(push), "0001");
        }
        // Two waiting pushes are withdrawn at each step, the others wait on.
        for cancelled in [2 * number, 2 * number + 1] {
            let reqid = format!("held-{cancelled}");
            let cancel = Body::cancel(&msn(HELD_PHONE + cancelled), &reqid);
            ask(&cancel, "0000");
            ask(&cancel, "3004");
            wait::until_true(&what("the word of the cancel"), || self.is_told(&reqid));
        }
        for push in 2 * number + 2..HELD {
            ask(&held_push(push), "0001");
        }
        let waiting = HELD - 2 * number - 2 + 4;
        assert!(engine.admin().figure("pushes_live") >= waiting, "{offset}: none ended early");
        ask(&Body::cancel_alert("closed", "all"), "0001");
        ask(&alert_push("closed", 10 + number), "3004");
    }

    /// Nothing waits any more, and each push has been told once.
    fn check_end(&self, engine: &Engine) {
        let address = engine.push_address();
        let mut connection = Connection::open(address);
        let cancel = Body::cancel_alert("open", "all").request();
        assert_eq!(connection.ask(&cancel).code(), "0000");
        let phones = format!("{}-{}", msn(HELD_PHONE), msn(HELD_PHONE + 99));
        self.site.must(&["network", "set", "home", &phones]);
        wait::until_true("an empty queue", || engine.admin().figure("pushes_live") == 0);
        wait::until_true("books", || engine.admin().figure("billing_events_owed") == 0);
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let twice: Vec<_> = told.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "told more than once: {twice:?}");
        let lacking: Vec<u64> = (0..self.stream.load(Ordering::Relaxed))
            .filter(|push| !told.contains_key(&format!("stream-{push}")))
            .collect();
        assert!(lacking.is_empty(), "never told: {lacking:?}");
        let metered = self.metered.load(Ordering::Relaxed);
        let expected = self.stream.load(Ordering::Relaxed) + metered + HELD + 8;
        assert_eq!(told.len() as u64, expected);
    }

    fn check_books(&self) {
        let (stream, metered) =
            (self.stream.load(Ordering::Relaxed), self.metered.load(Ordering::Relaxed));
        let said = self.site.must(&["billing", "reconcile"]);
        assert!(said.contains("the books add up"), "{said}");
        let mut days: Vec<i64> = DAYS.iter().flat_map(|day| day - 1..=day + 1).collect();
        days.sort_unstable();
        days.dedup();
        let bills: Vec<Bill> = days
            .iter()
            .map(|day| Bill::read(&self.site.must(&["billing", "day", &day_in(*day)])))
            .collect();
        let sum = |xpid, column| bills.iter().map(|bill| bill.sum(xpid, column)).sum::<u64>();
        let cancelled = 2 * OFFSETS.len() as u64;
        assert_eq!(sum(XPID, "accepted"), stream + HELD + 8);
        assert_eq!(sum(XPID, "delivered"), stream + HELD - cancelled);
        assert_eq!((sum(METERED, "accepted"), sum(METERED, "delivered")), (metered, metered));
    }
}

fn set_up() -> Option<(Stand, Recorder)> {
    let told = Told::default();
    let heard = Arc::clone(&told);
    let recorder = Recorder::answering(move |notice| {
        let mut told = heard.lock().unwrap_or_else(PoisonError::into_inner);
        *told.entry(notice.get("reqid").to_owned()).or_default() += 1;
        Reply::Acknowledge
    });
    let mut site = Site::new(tests::programs!());
    // So long that attempts are under way at each step, whenever it comes.
    site.shards(2).set("--network-latency-ms", "150");
    let absent = format!("{}-{}", msn(HELD_PHONE), msn(HELD_PHONE + 99));
    site.set_lines(&[(absent, "absent")]);
    let clock = Clock::new(&site)?;
    let client = ["--notify-url", &recorder.url(), "--notify-depth", "16"];
    site.add_client(XPID, &client);
    site.add_client(METERED, &[&client[..], &["--rate", &RATE.to_string()]].concat());
    for xpid in [XPID, METERED] {
        site.add_contracts(xpid, &["09000000000-09000000999"]);
    }
    let (stream, metered, is_over) = Default::default();
    Some((Stand { site, clock, told, stream, metered, is_over }, recorder))
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn steps_of_an_hour_a_day_and_a_month_under_load_lose_hang_and_double_nothing() {
    let Some((stand, _recorder)) = set_up() else { return };
    let engine = stand.clock.start(&stand.site);
    let mut connection = engine.connect();
    for number in 0..HELD {
        assert_eq!(connection.ask(&held_push(number).request()).code(), "0000");
    }
    for alert in ["closed", "open"] {
        for number in 0..4 {
            let number = number + if alert == "open" { 4 } else { 0 };
            assert_eq!(connection.ask(&alert_push(alert, number).request()).code(), "0000");
        }
    }
    let cancel = Body::cancel_alert("closed", "all").request();
    assert_eq!(connection.ask(&cancel).code(), "0000");
    wait::until_true("the withdrawn alert", || stand.is_told("closed-3"));
    let (begun, address) = (Instant::now(), engine.push_address());
    std::thread::scope(|scope| {
        scope.spawn(|| stand.send_stream(address));
        scope.spawn(|| stand.send_metered(address));
        let over = Ends(&stand.is_over);
        wait::until_true("a stream", || stand.is_told("stream-100"));
        for (number, offset) in (0..).zip(OFFSETS) {
            stand.step(number, offset, &engine, &mut connection);
        }
        drop(over);
    });
    let most = RATE * (begun.elapsed().as_secs() + 2) * 101 / 100;
    let metered = stand.metered.load(Ordering::Relaxed);
    assert!(metered <= most, "{metered} of a rate of {RATE}, in {:?}", begun.elapsed());
    stand.check_end(&engine);
    engine.stop();
    stand.check_books();
    // A start goes on with what was left, and enters nothing twice.
    let engine = stand.site.start();
    assert_eq!(engine.admin().figure("pushes_live"), 0);
    engine.stop();
    stand.check_books();
}

#[test]
fn a_broadcast_pauses_goes_on_and_tells_its_pace_whatever_the_clock_is_set_to() {
    let site = Site::new(tests::programs!());
    let Some(clock) = Clock::new(&site) else { return };
    let people = Broadcaster::new(&site, BROADCAST_ROWS);
    let engine = clock.start(&site);
    let list = people.list(&rows(BROADCAST_ROWS));
    let begun = Instant::now();
    let broadcast = people.started(&manifest(&list, "02", "a", BROADCAST_PACE));
    wait::until_true("its first recipients", || people.status(&broadcast).delivered_per_second > 0);
    for offset in BROADCAST_OFFSETS {
        clock.set(offset);
        site.must(&["broadcast", "pause", &broadcast]);
        let paused = people.status(&broadcast);
        assert_eq!(paused.state, "paused", "the clock at {offset}");
        site.must(&["broadcast", "resume", &broadcast]);
        wait::until_true(&format!("more recipients, the clock at {offset}"), || {
            let now = people.status(&broadcast);
            assert_eq!(now.state, "running", "the clock at {offset}");
            now.counts["delivered"] >= paused.counts["delivered"] + 40
                && now.delivered_per_second > 0
        });
    }
    site.must(&["broadcast", "pace", &broadcast, "--per-second", "0"]);
    let ended = people.ended(&broadcast);
    assert_eq!(ended.counts["delivered"], BROADCAST_ROWS, "{ended:?}");
    let took_ms = begun.elapsed().as_millis() as u64;
    let reach = ended.document.ended.expect("over").reach;
    let (last_ms, reached) = *reach.points().last().expect("a curve");
    assert!(reached == BROADCAST_ROWS && last_ms <= took_ms, "{reach:?} within {took_ms} ms");
    let half_ms = reach.points().iter().find(|(_, reached)| *reached >= BROADCAST_ROWS / 2);
    assert!(half_ms.is_some_and(|(at_ms, _)| *at_ms > 1_000), "{reach:?}");
    engine.stop();
}
