//! One client floods the engine through its sockets; another one's emergency pushes are accepted,
//! delivered and told as fast as without the flood, and its cancel of an alert is taken.
//!
//! The floods: pushes that wait for absent phones, ended pushes of which nobody can be told,
//! cancels of alerts that never were, pushes at fifty times the client's rate, and a sink that
//! answers one octet a second. The ordinary tests send a part of each to an engine with less room,
//! so that every flood reaches the bound that keeps it off; `HAYAUMA_TEST_FLOOD=full` sends two
//! million pushes, seventy thousand cancels and fifty thousand pushes a second, and holds the time
//! to an emergency's notification: 50 ms at 99 % of a thousand, or twice what the same engine takes
//! without the flood where that is more than 25 ms.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tests::engine::Engine;
use tests::http::Connection;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::wait;

/// The client that is not to suffer.
const QUIET: &str = "00100000002";
const SHARDS: u64 = 2;
/// Requests in flight on a connection of the flood.
const DEPTH: u64 = 64;
/// Phones of the flood: absent ones, and ones that are there.
const ABSENT_PHONES: u64 = 40_000;
const HOME_PHONES: u64 = 10_000;
const QUIET_PHONE: u64 = 90_000;
const QUIET_PHONES: u64 = 1_000;
/// Pushes of the quiet client that are no emergencies.
const ORDINARY: u64 = 200;
/// Between two emergencies.
const PROBE_PACE: Duration = Duration::from_millis(5);
/// The longest that the fill of a flood may take.
const FILLED_WITHIN: Duration = Duration::from_secs(400);

/// How large the floods are.
#[derive(Clone, Copy)]
struct Size {
    /// Places for pushes.
    pushes_max: u64,
    waiting: u64,
    untold: u64,
    cancels: u64,
    /// Pushes a second.
    rate: u64,
    /// Pushes whose sink is slow.
    slow: u64,
    probes: u64,
    /// The share of the probes that is held to the limit, in hundredths.
    share: usize,
    /// The most that share may take, and the most beside the same without the flood.
    most: Duration,
    times: u32,
}

const FULL: Size = Size {
    pushes_max: 4_000_000,
    waiting: 2_000_000,
    untold: 2_000_000,
    cancels: 70_000,
    rate: 1_000,
    slow: 50_000,
    probes: 1_000,
    share: 99,
    most: Duration::from_millis(50),
    times: 2,
};

/// What runs beside everything else, in a build without optimisation.
const SMALL: Size = Size {
    pushes_max: 10_000,
    waiting: 12_000,
    untold: 12_000,
    cancels: 7_000,
    rate: 20,
    slow: 1_000,
    probes: 100,
    share: 90,
    most: Duration::from_millis(300),
    times: 4,
};

fn size() -> Size {
    if std::env::var("HAYAUMA_TEST_FLOOD").is_ok_and(|told| told == "full") { FULL } else { SMALL }
}

fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

fn loud_push(phone: u64, number: u64) -> Body {
    Body::push(&msn(phone), &format!("loud-{number}")).with("lifetime", "72")
}

/// What one client sends at all times of a test, over one connection.
struct Flood<'a> {
    request: &'a (dyn Fn(u64) -> Body + Sync),
    /// The answers that belong to it.
    codes: &'a [&'a str],
    /// Requests a second; `None`: as fast as they are answered.
    per_second: Option<u64>,
    /// As many as these, and then no more.
    most: u64,
    sent: AtomicU64,
    taken: AtomicU64,
    is_over: AtomicBool,
}

impl<'a> Flood<'a> {
    fn new(
        request: &'a (dyn Fn(u64) -> Body + Sync),
        codes: &'a [&'a str],
        per_second: Option<u64>,
        most: u64,
    ) -> Self {
        let (sent, taken, is_over) = Default::default();
        Self { request, codes, per_second, most, sent, taken, is_over }
    }

    fn pour(&self, address: SocketAddr) {
        let mut connection = Connection::open(address);
        let begun = Instant::now();
        while !self.is_over.load(Ordering::Relaxed) {
            let first = self.sent.load(Ordering::Relaxed);
            let due = self.per_second.map_or(u64::MAX, |per_second| {
                (begun.elapsed().as_secs_f64() * per_second as f64) as u64
            });
            if first >= self.most || first >= due {
                std::thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            let behind = self.most.min(due).min(first + DEPTH);
            let requests: Vec<u8> =
                (first..behind).flat_map(|number| (self.request)(number).request()).collect();
            connection.send(&requests);
            let mut again = 0;
            for _ in first..behind {
                let code = connection.answer().code();
                match code.as_str() {
                    "0000" => drop(self.taken.fetch_add(1, Ordering::Relaxed)),
                    // The next segment is being made.
                    "8002" => again += 1,
                    _ => assert!(self.codes.contains(&code.as_str()), "{code}"),
                }
            }
            self.sent.fetch_add(behind - first, Ordering::Relaxed);
            if again > 0 {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
    }

    fn await_sent(&self) {
        wait::until_within(FILLED_WITHIN, "the whole flood", || {
            (self.sent.load(Ordering::Relaxed) >= self.most).then_some(())
        });
    }
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The place, with the loud client's notifications going to `sink`.
fn site(size: Size, recorder: &Recorder, sink: Option<&str>, rate: u64) -> Site {
    let mut site = Site::new(tests::programs!());
    site.set("--pushes-max", &size.pushes_max.to_string()).shards(SHARDS as usize);
    if size.waiting > SMALL.waiting {
        site.set("--queue-bytes", "6GiB").set("--segment-bytes", "64MiB");
    } else {
        site.set("--segment-bytes", "4MiB").set("--queue-bytes", "256MiB");
        site.set("--durability", "process");
    }
    let rate = rate.to_string();
    let mut loud = vec!["--notify-depth", "16"];
    if let Some(sink) = sink {
        loud.extend(["--notify-url", sink]);
    }
    if rate != "0" {
        loud.extend(["--rate", &rate]);
    }
    site.add_client(XPID, &loud);
    let quiet = ["--notify-url", &recorder.url(), "--notify-depth", "16", "--class", "emergency"];
    site.add_client(QUIET, &quiet);
    for xpid in [XPID, QUIET] {
        site.add_contracts(xpid, &["09000000000-09000099999"]);
    }
    let absent = format!("{}-{}", msn(0), msn(ABSENT_PHONES - 1));
    let alert = msn(QUIET_PHONE + QUIET_PHONES);
    site.set_lines(&[(absent.as_str(), "absent"), (alert.as_str(), "absent")]);
    site
}

/// Emergencies of the quiet client, one after another: how long each took from its sending to the
/// notification of its delivery, ascending.
fn probe(engine: &Engine, recorder: &Recorder, name: &str, probes: u64) -> Vec<Duration> {
    let mut connection = engine.connect();
    let mut sent = Vec::new();
    let mut due = Instant::now();
    for number in 0..probes {
        while Instant::now() < due {
            std::thread::park_timeout(due - Instant::now());
        }
        let push =
            Body::push(&msn(QUIET_PHONE + number % QUIET_PHONES), &format!("{name}-{number}"))
                .with("svcid", QUIET)
                .with("comway", "1103");
        due = Instant::now() + PROBE_PACE;
        sent.push(Instant::now());
        let answer = connection.ask(&push.request());
        assert_eq!(answer.code(), "0000", "emergency {number} {name}: {answer:?}");
    }
    let is_of_these =
        |reqid: &str| reqid.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let notices = wait::until("the notifications of all emergencies", || {
        let mut notices = recorder.notices();
        notices.retain(|notice| is_of_these(notice.get("reqid")));
        (notices.len() as u64 == probes).then_some(notices)
    });
    let mut took: Vec<Duration> = notices
        .iter()
        .map(|notice| {
            assert_eq!(notice.gist(), ("0301", "0000"));
            let number = notice.get("reqid")[name.len() + 1..].parse::<usize>().expect("a number");
            notice.at - sent[number]
        })
        .collect();
    took.sort_unstable();
    took
}

/// The time that so many hundredths of these take at most.
fn at_share(took: &[Duration], share: usize) -> Duration {
    took[(took.len() * share / 100).min(took.len() - 1)]
}

/// An alert of the quiet client, of which a push waits.
fn begin_alert(engine: &Engine) {
    let push = Body::push(&msn(QUIET_PHONE + QUIET_PHONES), "of-the-alert")
        .with("svcid", QUIET)
        .with("lifetime", "72")
        .with("alertid", "quake")
        .with("alertseq", "01");
    assert_eq!(engine.connect().ask(&push.request()).code(), "0000");
}

/// The flood is at its height: the quiet client is served as without it.
#[track_caller]
fn check_quiet(engine: &Engine, recorder: &Recorder, size: Size, without: &[Duration], name: &str) {
    let with = probe(engine, recorder, "beside", size.probes);
    let (before, beside) = (at_share(without, size.share), at_share(&with, size.share));
    let most = if before > size.most / 2 { before * size.times } else { size.most };
    println!(
        "{name}: {} % of {} emergencies within {beside:?}, {before:?} without the flood \
         (medians {:?} and {:?}); {most:?} are allowed",
        size.share,
        size.probes,
        at_share(&with, 50),
        at_share(without, 50)
    );
    // Its ordinary pushes have places too: the flood has its share of them and no more.
    let mut connection = engine.connect();
    for number in 0..ORDINARY {
        let push = Body::push(&msn(QUIET_PHONE + number), &format!("ordinary-{number}"));
        let answer = connection.ask(&push.with("svcid", QUIET).request());
        assert_eq!(answer.code(), "0000", "{name}: an ordinary push: {answer:?}");
    }
    let cancel = Body::cancel_alert("quake", "all").with("svcid", QUIET);
    let answer = connection.ask(&cancel.request());
    assert_eq!(answer.code(), "0000", "{name}: the cancel of an alert: {answer:?}");
    recorder.await_about("of-the-alert", 1);
    assert!(beside <= most, "{name}: {beside:?}");
}

/// Runs a flood beside the quiet client; `is_filled` says when it is at its height.
fn run(
    engine: &Engine,
    recorder: &Recorder,
    size: Size,
    name: &str,
    flood: &Flood<'_>,
    is_filled: impl Fn(),
) {
    begin_alert(engine);
    let without = probe(engine, recorder, "without", size.probes);
    std::thread::scope(|scope| {
        scope.spawn(|| flood.pour(engine.push_address()));
        let _over = Ends(&flood.is_over);
        is_filled();
        check_quiet(engine, recorder, size, &without, name);
    });
}

#[test]
fn two_million_waiting_pushes_of_one_client_leave_another_ones_emergencies_as_they_are() {
    let (size, recorder) = (size(), Recorder::start());
    let site = site(size, &recorder, None, 0);
    let engine = site.start();
    let request = |number: u64| loud_push(number % ABSENT_PHONES, number);
    let flood = Flood::new(&request, &["8003", "8005"], None, size.waiting);
    run(&engine, &recorder, size, "waiting pushes", &flood, || flood.await_sent());
    let (taken, waiting) =
        (flood.taken.load(Ordering::Relaxed), engine.admin().figure("pushes_live"));
    println!("{taken} of {} taken, {waiting} wait", size.waiting);
    // Of the nine tenths that standard pushes may have, it leaves a ninth.
    let share = size.pushes_max * 8 / 10;
    assert!(waiting >= taken && taken > size.waiting.min(share) * 9 / 10, "{taken}, {waiting}");
    assert!(taken <= share, "{taken} taken, more than a share");
    engine.kill();
}

#[test]
fn two_million_ended_pushes_that_nobody_is_told_of_leave_another_ones_emergencies_as_they_are() {
    let (size, recorder) = (size(), Recorder::start());
    // Nobody listens there.
    let sink = format!("http://{}/notify", tests::ports::free_address());
    let site = site(size, &recorder, Some(&sink), 0);
    let engine = site.start();
    let request = |number: u64| loud_push(ABSENT_PHONES + number % HOME_PHONES, number);
    let flood = Flood::new(&request, &["8003", "8005"], None, size.untold);
    run(&engine, &recorder, size, "pushes nobody is told of", &flood, || {
        flood.await_sent();
        let taken = flood.taken.load(Ordering::Relaxed);
        wait::until_within(FILLED_WITHIN, "the ends of the flood", || {
            (engine.admin().figure("pushes_delivered") >= taken).then_some(())
        });
    });
    let taken = flood.taken.load(Ordering::Relaxed);
    println!("{taken} of {} taken", size.untold);
    // Half as many as may wait are kept to be told, and as many parked.
    assert!(taken > size.untold.min(size.pushes_max) * 9 / 10, "{taken} taken");
    engine.kill();
}

#[test]
fn a_flood_of_alert_cancels_leaves_another_ones_emergencies_and_its_own_cancel_as_they_are() {
    let (size, recorder) = (size(), Recorder::start());
    let site = site(size, &recorder, None, 0);
    let engine = site.start();
    let request = |number: u64| Body::cancel_alert(&format!("never-{number}"), "all");
    // It goes on while the other is looked at.
    let flood = Flood::new(&request, &["3002"], None, u64::MAX);
    run(&engine, &recorder, size, "alert cancels", &flood, || {
        wait::until_within(FILLED_WITHIN, "the cancels", || {
            (flood.sent.load(Ordering::Relaxed) >= size.cancels).then_some(())
        });
    });
    // That of the quiet client, in each shard; the others left nothing.
    let closed = engine.admin().figure("alerts_closed");
    assert!((1..=SHARDS).contains(&closed), "{closed} alerts are closed");
    engine.kill();
}

#[test]
fn a_flood_at_fifty_times_a_clients_rate_leaves_another_ones_emergencies_as_they_are() {
    let (size, recorder) = (size(), Recorder::start());
    let site = site(size, &recorder, None, size.rate);
    let engine = site.start();
    let request = |number: u64| loud_push(ABSENT_PHONES + number % HOME_PHONES, number);
    let flood = Flood::new(&request, &["8001"], Some(50 * size.rate), u64::MAX);
    run(&engine, &recorder, size, "fifty times the rate", &flood, || {
        wait::until_true("the flood", || flood.sent.load(Ordering::Relaxed) > 50 * size.rate);
    });
    let (sent, taken) = (flood.sent.load(Ordering::Relaxed), flood.taken.load(Ordering::Relaxed));
    println!("{sent} sent, {taken} taken");
    assert!(taken > 0 && taken < sent / 5, "{taken} of {sent} at a rate");
    engine.kill();
}

/// A sink that answers each notification one octet a second, as long as the test runs.
fn slow_sink() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer_slowly(stream));
        }
    });
    address
}

fn answer_slowly(mut stream: TcpStream) {
    let mut request = [0; 64 * 1024];
    if !stream.read(&mut request).is_ok_and(|octets| octets > 0) {
        return;
    }
    for octet in b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 4000\r\n\r\n"
        .iter()
        .chain([b' '; 4_000].iter())
    {
        if stream.write_all(&[*octet]).is_err() {
            return;
        }
        std::thread::park_timeout(Duration::from_secs(1));
    }
}

#[test]
fn a_sink_of_one_octet_a_second_leaves_another_ones_emergencies_as_they_are() {
    let (size, recorder) = (size(), Recorder::start());
    let site = site(size, &recorder, Some(&format!("http://{}/notify", slow_sink())), 0);
    let engine = site.start();
    let request = |number: u64| loud_push(ABSENT_PHONES + number % HOME_PHONES, number);
    let flood = Flood::new(&request, &["8003", "8005"], None, size.slow);
    run(&engine, &recorder, size, "a slow sink", &flood, || flood.await_sent());
    assert!(engine.admin().figure("pushes_live") > 0, "the slow sink has taken nothing");
    engine.kill();
}
