//! Thousands of clients that come back at once: each of them gets in, and another client's
//! emergency pushes do not wait for them.
//!
//! `HAYAUMA_HANDSHAKES` says how many; `just heavy handshakes` lets 5,000 come to a release build.
//! It tells what it saw: how long clients waited, how many handshakes a second that makes, and of
//! those that were cut off how far each had come.

use crate::{MSN, use_certificate};
use rustix::event::{PollFd, PollFlags, poll};
use rustls::client::Tls13ClientSessionValue;
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, NamedGroup};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tests::admin::Admin;
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::tls::{Authority, Made, NAME, Secure};

/// How many come where nobody says how many: more than a shard keeps half done.
const CLIENTS: usize = 1_200;
/// How long all of them may take.
const DONE_WITHIN: Duration = Duration::from_secs(120);
/// How long a client of the field waits for its answer before it gives up.
const CLIENT_WITHIN: Duration = Duration::from_secs(30);
/// What an emergency push may take while they come, ninety-nine times in a hundred.
const EMERGENCY_WITHIN: Duration = Duration::from_millis(50);
/// Emergency pushes before the storm.
const CALM_PUSHES: usize = 300;
/// Threads of the clients.
const THREADS: usize = 2;

fn clients() -> usize {
    let named = std::env::var("HAYAUMA_HANDSHAKES").ok();
    named.map_or(CLIENTS, |text| text.parse().expect("a number of clients"))
}

/// Keeps every ticket there is, for whoever comes next.
#[derive(Debug, Default)]
struct Tickets {
    tickets: Mutex<Vec<Tls13ClientSessionValue>>,
    group: Mutex<Option<NamedGroup>>,
}

impl Tickets {
    fn count(&self) -> usize {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _name: ServerName<'static>, group: NamedGroup) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = Some(group);
    }

    fn kx_hint(&self, _name: &ServerName<'_>) -> Option<NamedGroup> {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_tls12_session(&self, _name: ServerName<'static>, _value: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _name: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }

    fn take_tls13_ticket(&self, _name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// One client that comes back.
struct Returning {
    tls: ClientConnection,
    socket: TcpStream,
    request: Option<Vec<u8>>,
    heard: Vec<u8>,
    knocked: Instant,
}

impl Returning {
    /// Goes on as far as its socket lets it; the code it was answered once it was.
    fn go_on(&mut self) -> Result<Option<String>, String> {
        loop {
            if !self.tls.is_handshaking()
                && let Some(request) = self.request.take()
            {
                self.tls.writer().write_all(&request).map_err(|error| error.to_string())?;
            }
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(format!("writing: {error}")),
                }
            }
            let _ = self.tls.reader().read_to_end(&mut self.heard);
            if let Some(at) = find(&self.heard, b"<code>") {
                let code = self.heard.get(at + 6..at + 10).unwrap_or_default();
                return Ok(Some(String::from_utf8_lossy(code).into_owned()));
            }
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(format!("cut off {}", self.stage())),
                Ok(_) => {
                    self.tls.process_new_packets().map_err(|error| error.to_string())?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(format!("{error} {}", self.stage())),
            }
        }
    }

    /// How far it has come.
    fn stage(&self) -> &'static str {
        match (self.tls.handshake_kind(), self.tls.is_handshaking()) {
            (None, _) => "before the engine's first word",
            (Some(_), true) => "in the middle of the handshake",
            (Some(_), false) => "behind the handshake, before its answer",
        }
    }
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|some| some == wanted)
}

/// What became of the clients of one thread.
#[derive(Default)]
struct Returned {
    accepted: usize,
    resumed: usize,
    refused: Vec<String>,
    /// How long each took that was answered, from its first knock on.
    times: Vec<Duration>,
}

/// Lets so many clients come back at once, and waits until each was answered or is gone.
fn come_back(address: SocketAddr, config: &Arc<ClientConfig>, numbers: Vec<usize>) -> Returned {
    let mut returned = Returned::default();
    let name = ServerName::try_from(NAME).expect("a name");
    // All that takes time of theirs is done before the first one knocks.
    let prepared: Vec<_> = numbers
        .into_iter()
        .map(|number| {
            let body = Body::push(MSN, &format!("returned-{number}"));
            let tls = ClientConnection::new(Arc::clone(config), name.clone()).expect("a client");
            (tls, body.request())
        })
        .collect();
    // Who has come answers while others still knock.
    let (sender, arrivals) = std::sync::mpsc::channel();
    let knocking = std::thread::spawn(move || {
        for (tls, request) in prepared {
            let knocked = Instant::now();
            let socket = TcpStream::connect(address).expect("room in the backlog");
            socket.set_nonblocking(true).expect("a socket");
            let (request, heard) = (Some(request), Vec::new());
            let mut client = Returning { tls, socket, request, heard, knocked };
            // A client says its first word as soon as it is connected, whatever others do.
            client.go_on().expect("its hello leaves");
            sender.send(client).expect("a thread that waits for it");
        }
    });
    let mut coming: Vec<Returning> = Vec::new();
    let deadline = Instant::now() + DONE_WITHIN;
    loop {
        let are_all_there = knocking.is_finished();
        coming.extend(arrivals.try_iter());
        if coming.is_empty() && are_all_there || Instant::now() > deadline {
            break;
        }
        let mut waited: Vec<PollFd<'_>> =
            coming.iter().map(|client| PollFd::new(&client.socket, PollFlags::IN)).collect();
        let time = rustix::event::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        poll(&mut waited, Some(&time)).expect("a poll");
        let ready: Vec<bool> = waited.iter().map(|one| !one.revents().is_empty()).collect();
        let mut at = 0;
        coming.retain_mut(|client| {
            at += 1;
            if !ready[at - 1] {
                return true;
            }
            match client.go_on() {
                Ok(None) => return true,
                Ok(Some(code)) if code == "0000" => {
                    returned.accepted += 1;
                    returned.times.push(client.knocked.elapsed());
                }
                Ok(Some(code)) => returned.refused.push(code),
                Err(why) => returned.refused.push(why),
            }
            returned.resumed +=
                usize::from(client.tls.handshake_kind() == Some(HandshakeKind::Resumed));
            false
        });
    }
    let unanswered = |client: &Returning| format!("left unanswered {}", client.stage());
    returned.refused.extend(coming.iter().map(unanswered));
    returned
}

/// Emergency pushes one after another, as long as `goes_on`; how long each took.
fn emergencies(
    client: &mut Secure,
    name: &str,
    mut goes_on: impl FnMut(usize) -> bool,
) -> Vec<Duration> {
    let mut times = Vec::new();
    while goes_on(times.len()) {
        let number = times.len();
        let msn = format!("0900000{:04}", number % 1_000);
        let body = Body::push(&msn, &format!("{name}-{number}")).with("comway", "1103");
        let begun = Instant::now();
        assert_eq!(client.ask(&body.request()).code(), "0000");
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times
}

fn p99(times: &[Duration]) -> Duration {
    times[(times.len() * 99).div_ceil(100) - 1]
}

/// What became of the clients, for whoever reads what the test saw.
fn told(all: &[Returned], admin: &Admin) -> String {
    let mut times: Vec<Duration> = all.iter().flat_map(|one| one.times.clone()).collect();
    times.sort_unstable();
    let mut fates: BTreeMap<&str, usize> = BTreeMap::new();
    for why in all.iter().flat_map(|one| &one.refused) {
        *fates.entry(why).or_default() += 1;
    }
    let figures = [
        "tls_handshakes",
        "tls_resumed",
        "tls_dropped",
        "tls_failed",
        "connections_evicted",
        "connections_silent",
    ];
    let figures: Vec<String> =
        figures.iter().map(|name| format!("{name} {}", admin.figure(name))).collect();
    let Some(&slowest) = times.last() else {
        return format!("none was answered; {fates:?}; {}", figures.join(", "));
    };
    format!(
        "{} answered within {slowest:?} ({:.0} handshakes a second), half of them within {:?}, 99 \
         % within {:?}; cut off: {fates:?}; the engine's figures: {}",
        times.len(),
        times.len() as f64 / slowest.as_secs_f64(),
        times[times.len() / 2],
        p99(&times),
        figures.join(", ")
    )
}

#[test]
fn clients_that_come_back_at_once_all_get_in_and_hold_up_no_emergency() {
    loadgen::os::raise_file_limit();
    let count = clients();
    let authority = Authority::new();
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &["--class", "emergency"]);
    site.add_contracts(XPID, &[MSN, "09000000000-09000000999"]);
    site.set("--waiting-per-msn-max", "60000");
    use_certificate(&mut site, &authority.certify(&[NAME], Made::Well));
    let engine = site.start();
    let address = engine.push_address();

    let mut config = ClientConfig::clone(&authority.client(None));
    let tickets = Arc::new(Tickets::default());
    config.resumption = Resumption::store(Arc::clone(&tickets) as Arc<dyn ClientSessionStore>);
    let config = Arc::new(config);
    // They were here before. Each visit leaves a ticket more than it took.
    while tickets.count() < count {
        let mut visitor = Secure::open(address, &config).expect("a handshake");
        visitor.ask(&Body::push(MSN, "before").request());
    }
    let shaken_before = engine.admin().figure("tls_resumed") as usize;

    let mut other = Secure::open(address, &authority.client(None)).expect("a handshake");
    let calm = emergencies(&mut other, "calm", |sent| sent < CALM_PUSHES);
    let over = Arc::new(AtomicBool::new(false));
    let storm: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (config, numbers) = (Arc::clone(&config), (thread..count).step_by(THREADS));
            let numbers = numbers.collect();
            std::thread::spawn(move || come_back(address, &config, numbers))
        })
        .collect();
    let watched = Arc::clone(&over);
    let joined = std::thread::spawn(move || {
        let all: Vec<Returned> =
            storm.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        watched.store(true, Ordering::Release);
        all
    });
    let times = emergencies(&mut other, "storm", |sent| sent < 10 || !over.load(Ordering::Acquire));
    let all = joined.join().expect("no panic");
    let accepted: usize = all.iter().map(|one| one.accepted).sum();
    let resumed: usize = all.iter().map(|one| one.resumed).sum();
    let admin = engine.admin();
    let seen = told(&all, &admin);
    println!(
        "{count} clients came back: {seen}\n99 % of {} emergency pushes took {:?}, without them \
         {:?}",
        times.len(),
        p99(&times),
        p99(&calm)
    );
    assert_eq!(accepted, count, "{seen}");
    assert_eq!(resumed, count, "{seen}");
    assert_eq!((admin.figure("tls_dropped"), admin.figure("tls_failed")), (0, 0), "{seen}");
    let slowest = all.iter().flat_map(|one| &one.times).max().copied().unwrap_or_default();
    assert!(cfg!(debug_assertions) || slowest < CLIENT_WITHIN, "{seen}");
    assert_eq!(admin.figure("tls_resumed") as usize, shaken_before + count);
    // An unoptimised handshake takes several times as long, and neighbours may have the CPUs.
    let slack = if cfg!(debug_assertions) { 5 } else { 1 };
    let most = EMERGENCY_WITHIN.max(2 * p99(&calm)) * slack;
    assert!(p99(&times) <= most, "{:?}, without them {:?}", p99(&times), p99(&calm));
    engine.stop();
}
