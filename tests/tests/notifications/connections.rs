//! The connections on which notifications leave: how many there are, how much each carries, whose
//! they are.

use super::{accepted, msn};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tests::flat::{DECLARATION, Elements};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::wait;

/// A push client's server that reads notifications and keeps its answers back until it is told to
/// answer.
struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: AtomicBool,
    /// Connections made and ended.
    made: AtomicUsize,
    ended: AtomicUsize,
    /// Notifications read.
    read: AtomicUsize,
    /// The most that stood unanswered on one connection.
    ahead: AtomicUsize,
}

impl Sink {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let shared = Arc::<Shared>::default();
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let server = Arc::clone(&server);
                server.made.fetch_add(1, Relaxed);
                std::thread::spawn(move || {
                    server.serve(stream);
                    server.ended.fetch_add(1, Relaxed);
                });
            }
        });
        Self { address, shared }
    }

    fn url(&self) -> String {
        format!("http://{}/notify", self.address)
    }

    fn figure(&self, which: impl Fn(&Shared) -> &AtomicUsize) -> usize {
        which(&self.shared).load(Relaxed)
    }

    fn answer(&self) {
        self.shared.answers.store(true, Relaxed);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_millis(2))).expect("a time above zero");
        let (mut input, mut waiting) = (Vec::new(), Vec::new());
        loop {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(octets) => input.extend_from_slice(&buffer[..octets]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
            while let Some(answer) = take_notification(&mut input) {
                self.read.fetch_add(1, Relaxed);
                waiting.push(answer);
            }
            self.ahead.fetch_max(waiting.len(), Relaxed);
            if self.answers.load(Relaxed)
                && waiting.drain(..).any(|answer| stream.write_all(&answer).is_err())
            {
                return;
            }
        }
    }
}

/// The answer to the next whole notification in `input`, which is taken out.
fn take_notification(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(input).into_owned();
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.expect("a length").parse().expect("a number");
    let body = rest.get(..length)?;
    let elements = Elements::read(body.as_bytes()).expect("the flat form");
    input.drain(..head.len() + 4 + length);
    let named = ["msn", "reqid", "svcid"]
        .map(|name| format!("<{name}>{}</{name}>\r\n", elements.get(name)));
    let answer = format!("{DECLARATION}{}<code>0000</code>\r\n", named.concat());
    Some(
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).into_bytes(),
    )
}

/// A place whose push client has this URL and these further settings.
fn place(url: &str, more: &[&str]) -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[&["--notify-url", url], more].concat());
    site.add_contracts(XPID, &[&format!("{}-{}", msn(0), msn(999))]);
    site
}

#[test]
fn a_new_notification_url_gets_as_many_at_a_time_as_the_old_one_got() {
    const DEPTH: usize = 8;
    let (old, new) = (Sink::start(), Sink::start());
    let site = place(&old.url(), &["--notify-connections", "1", "--notify-depth", "8"]);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..30 {
        accepted(&connection.ask(&Body::push(&msn(number), &format!("moved-{number}")).request()));
    }
    wait::until_true("a full connection", || old.figure(|sink| &sink.read) == DEPTH);
    site.must(&["client", "set", XPID, "--notify-url", &new.url()]);
    old.answer();
    wait::until_true("the old connection's end", || old.figure(|sink| &sink.ended) == 1);
    wait::until_true("a full connection to the new place", || {
        new.figure(|sink| &sink.ahead) == DEPTH
    });
    new.answer();
    wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    let told = (old.figure(|sink| &sink.read), new.figure(|sink| &sink.read));
    assert_eq!(told, (DEPTH, 30 - DEPTH), "each was told once");
    engine.stop();
}

#[test]
fn fewer_connections_for_notifications_end_the_surplus() {
    let sink = Sink::start();
    let site = place(&sink.url(), &["--notify-connections", "4", "--notify-depth", "1"]);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..8 {
        accepted(&connection.ask(&Body::push(&msn(number), &format!("fewer-{number}")).request()));
    }
    wait::until_true("four connections", || sink.figure(|sink| &sink.read) == 4);
    site.must(&["client", "set", XPID, "--notify-connections", "1"]);
    sink.answer();
    wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    wait::until_true("three ended connections", || sink.figure(|sink| &sink.ended) == 3);
    assert_eq!(
        (sink.figure(|sink| &sink.made), sink.figure(|sink| &sink.read)),
        (4, 8),
        "each was told once"
    );
    engine.stop();
}

#[test]
fn clients_beyond_the_room_for_connections_are_notified_too() {
    const CLIENTS: u64 = 12;
    let recorder = Recorder::start();
    let mut site = place(&recorder.url(), &["--notify-connections", "4", "--notify-depth", "1"]);
    site.set("--connections-max", "4");
    let xpid = |number: u64| format!("{:011}", 100_000_001 + number);
    for number in 1..CLIENTS {
        site.add_client(&xpid(number), &["--notify-url", &recorder.url()]);
        site.add_contracts(&xpid(number), &[&msn(number)]);
    }
    let engine = site.start();
    let mut connection = engine.connect();
    // One with much to say is told on several connections, and then come all the others, each once.
    for number in 0..20 {
        accepted(
            &connection.ask(&Body::push(&msn(100 + number), &format!("many-{number}")).request()),
        );
    }
    for number in 1..CLIENTS {
        let push = Body::push(&msn(number), &format!("one-{number}")).with("svcid", &xpid(number));
        accepted(&connection.ask(&push.request()));
    }
    let notices = recorder.await_count(20 + CLIENTS as usize - 1);
    assert!(notices.iter().all(|notice| notice.get("trynum") == "1"), "nobody was given up");
    wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    engine.stop();
}
