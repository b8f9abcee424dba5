//! Signals that other programs take as a message, and stops that wait for nobody who says nothing.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};
use tests::engine::Engine;
use tests::http::Connection;
use tests::push::{Body, XPID};
use tests::recorder::{Recorder, Reply};
use tests::site::Site;
use tests::wait;

const MSN: &str = "09012345678";
/// Below the drain's patience, which is ten seconds, and the admin port's, which is five.
const STOPS_WITHIN: Duration = Duration::from_millis(4_500);
/// How long a notification may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

fn site() -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    site
}

#[test]
fn signals_that_are_a_message_elsewhere_do_not_end_the_engine() {
    let site = site();
    let mut engine = site.start();
    let messages = [
        libc::SIGHUP,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGIO,
        libc::SIGPIPE,
        libc::SIGPWR,
        libc::SIGSTKFLT,
        libc::SIGWINCH,
        libc::SIGURG,
        libc::SIGXFSZ,
        libc::SIGRTMIN(),
        libc::SIGRTMAX(),
    ];
    for (number, signal) in messages.into_iter().enumerate() {
        engine.signal(signal);
        let push = Body::push(MSN, &format!("signal-{number}"));
        assert_eq!(engine.connect().ask(&push.request()).code(), "0000", "signal {signal}");
        assert_eq!(engine.ended(), None, "signal {signal}");
    }
    wait::until_true("a word about SIGHUP", || engine.log().contains("SIGHUP"));
    let said = engine.log().lines().filter(|line| line.contains("SIGHUP")).count();
    assert_eq!(said, 1, "{}", engine.log());
    engine.stop();
}

#[test]
fn a_hang_up_while_the_journal_is_read_does_not_end_the_start() {
    let site = site();
    let mut engine = site.spawn(&[]);
    await_lock(&site, &engine);
    wait::until_true("a healthy engine", || {
        engine.signal(libc::SIGHUP);
        assert_eq!(engine.ended(), None, "{}", engine.log());
        engine.admin().is_healthy()
    });
    engine.stop();
}

#[test]
fn a_stop_of_a_start_ends_it_with_0_and_harms_nothing() {
    let site = site();
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "before").request()).code(), "0000");
    engine.stop();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGTERM] {
        let engine = site.spawn(&[]);
        await_lock(&site, &engine);
        engine.signal(signal);
        let status = engine.wait();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "signal {signal}");
    }
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "before").request()).code(), "0001");
    engine.stop();
}

#[test]
fn a_stop_while_the_queue_moves_to_other_shards_ends_with_0_and_the_next_start_moves_it() {
    const PUSHES: usize = 3_000;
    let mut site = site();
    site.set("--network-default-line-state", "absent").set("--durability", "process").shards(1);
    site.add_contracts(XPID, &["09000000000-09000009999"]);
    let push = |number: usize| {
        Body::push(&format!("{:011}", 9_000_000_000_u64 + number as u64), "moves").request()
    };
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..PUSHES {
        assert_eq!(connection.ask(&push(number)).code(), "0000");
    }
    engine.stop();
    site.shards(2);
    let engine = site.spawn(&[]);
    let building = site.data_dir().join("resharding");
    wait::until_true("a layout on its way", || building.exists());
    engine.ask_to_stop();
    let status = engine.wait();
    assert_eq!((status.code(), status.signal()), (Some(0), None));
    let engine = site.start();
    assert!(!building.exists());
    let mut connection = engine.connect();
    for number in 0..PUSHES {
        assert_eq!(connection.ask(&push(number)).code(), "0001", "push {number}");
    }
    engine.stop();
}

/// Waits until the engine has the data directory: its start has begun, and is not done.
fn await_lock(site: &Site, engine: &Engine) {
    wait::until_true("a start that has begun", || {
        let text = std::fs::read_to_string(site.data_dir().join("lock")).unwrap_or_default();
        text.starts_with(&engine.pid().to_string())
    });
}

#[test]
fn a_stop_does_not_wait_for_push_clients_that_say_nothing() {
    let site = site();
    let engine = site.start();
    let request = Body::push(MSN, "whole").request();
    // Idle from the first moment; idle behind an answer; half a head; half a body.
    let idle = engine.connect();
    let mut answered = engine.connect();
    assert_eq!(answered.ask(&request).code(), "0000");
    let half = |octets: usize| {
        let mut connection = engine.connect();
        connection.send(&request[..octets]);
        connection
    };
    let others = [half(20), half(request.len() - 5)];
    let mut admin = site.admin().try_connect().expect("it listens");
    admin.send(b"GET /sta");
    let silent_admin = site.admin().try_connect().expect("it listens");
    wait::until_true("the connections", || engine.admin().figure("connections") >= 4);
    let begun = Instant::now();
    engine.stop();
    assert!(begun.elapsed() < STOPS_WITHIN, "a stop of {:?}", begun.elapsed());
    drop((idle, others, admin, silent_admin));
}

#[test]
fn a_stop_does_not_wait_for_a_notification_that_nobody_answers() {
    let site = site();
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", deaf.local_addr().expect("a bound listener"));
    site.must(&["client", "set", XPID, "--notify-url", &url]);
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "deaf").request()).code(), "0000");
    deaf.set_nonblocking(true).expect("a socket");
    let (mut taken, _) = wait::until("a connection", || deaf.accept().ok());
    taken.set_nonblocking(false).expect("a socket");
    taken.read_exact(&mut [0; 64]).expect("a notification that is under way");
    let begun = Instant::now();
    engine.stop();
    assert!(begun.elapsed() < STOPS_WITHIN, "a stop of {:?}", begun.elapsed());
}

#[test]
fn a_stop_waits_for_a_notification_that_is_answered_a_little_later() {
    let site = site();
    let (arrived, has_arrived) = mpsc::channel();
    let (at_work, may_answer) = mpsc::channel::<()>();
    let may_answer = Mutex::new(may_answer);
    let recorder = Recorder::answering(move |_| {
        let _ = arrived.send(());
        // A push client at work, until the test lets go.
        let _ = may_answer.lock().expect("no panic").recv();
        Reply::Acknowledge
    });
    site.must(&["client", "set", XPID, "--notify-url", &recorder.url()]);
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "late").request()).code(), "0000");
    has_arrived.recv_timeout(ARRIVES_WITHIN).expect("a notification that is under way");
    engine.ask_to_stop();
    // A drain begins by taking no more connections.
    let push = engine.push_address();
    wait::until_true("the drain", || Connection::try_open(push).is_err());
    drop(at_work);
    let status = engine.wait();
    assert!(status.success(), "{status}");
    let engine = site.start();
    wait::until_true("the journal", || engine.admin().figure("pushes_live") == 0);
    engine.stop();
    assert_eq!(
        recorder.about("late").len(),
        1,
        "what was acknowledged in the drain is not told again"
    );
}
