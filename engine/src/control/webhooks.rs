//! Tells push clients' servers what happens with what is theirs: one POST for each event, signed as
//! notifications are, sent again until it is taken or too old.
//!
//! All of it runs on threads of its own, which nobody waits for. An address is held against the
//! guard of notifications after its name was looked up, each time.
//!
//! **Never here:** what is told. **Invariants:** at most `WAITING_MAX` wait to be taken over, at
//! most `CALLS_MAX` are on their way, one for each XPID: a server that is silent holds up its
//! own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use wire::push::notify_url::NotifyUrl;
use wire::push::sign::{Secret, write_signature};
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;

use crate::control::now::{steady_now, wall_now};
use crate::io::host_addresses::HostAddresses;
use crate::io::notifier::Outbound;
use host::clock;

/// Calls that wait.
const WAITING_MAX: usize = 2_048;
/// Calls on their way.
pub(crate) const CALLS_MAX: usize = 16;
/// How long a server may take to a whole call.
#[cfg(not(test))]
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
#[cfg(test)]
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// The first pause before a call is made again, in milliseconds; each is twice the one before.
const PAUSE_MS: u64 = 1_000;
/// The longest.
const PAUSE_MS_MAX: u64 = 300_000;
/// Older than this a call is given up, in milliseconds.
const AGE_MS_MAX: u64 = 24 * 3_600 * 1_000;
/// Between two lines of the log about one push client's server, in milliseconds.
const TOLD_EVERY_MS: u64 = 60_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// An answer's first octets that are read.
const ANSWER_OCTETS: usize = 512;

/// A call to be made.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Whose server it is.
    pub xpid: Xpid,
    /// JSON.
    pub body: String,
    /// What is told back when it was taken or given up.
    pub receipt: (String, String),
}

/// Where calls of an XPID go at this moment.
#[derive(Clone, Debug)]
pub struct CallingWay {
    /// Where to.
    pub url: NotifyUrl,
    /// Two at most.
    pub secrets: Vec<Secret>,
    /// With what, and where it may not go.
    pub outbound: Outbound,
}

/// What whoever has calls made is asked and told.
pub trait Callers: Send + Sync + 'static {
    /// Where calls of an XPID go now; `None`: it wants none, or may have none.
    fn way_of(&self, xpid: Xpid) -> Option<CallingWay>;
    /// A call was taken.
    fn taken(&self, receipt: (String, String));
    /// A call is given up: it was not taken, and is not made again.
    fn given_up(&self, receipt: (String, String));
}

#[derive(Clone)]
struct Waiting {
    hook: Webhook,
    since_ms: SteadyMs,
    due_ms: SteadyMs,
    pause_ms: u64,
}

/// The threads; dropping it ends them.
pub struct Webhooks {
    hooks: Option<Sender<Box<Webhook>>>,
    thread: Option<JoinHandle<()>>,
}

impl Webhooks {
    /// Starts them.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(callers: Arc<dyn Callers>) -> io::Result<Self> {
        let (hooks, wanted) = bounded(WAITING_MAX);
        let thread = std::thread::Builder::new().name("hayauma-webhooks".to_owned());
        let thread = thread.spawn(move || run(&wanted, &callers))?;
        Ok(Self { hooks: Some(hooks), thread: Some(thread) })
    }

    /// Has a call made; whether there is room for it.
    pub fn call(&self, hook: Webhook) -> bool {
        self.hooks.as_ref().is_some_and(|hooks| hooks.try_send(Box::new(hook)).is_ok())
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.hooks = None;
        // The last to know of it may be the thread itself.
        let own = std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != own) {
            // A panic in it has ended the process before this.
            let _ = thread.join();
        }
    }
}

/// What became of a call.
struct Called {
    waiting: Waiting,
    result: Result<(), String>,
}

fn run(wanted: &Receiver<Box<Webhook>>, callers: &Arc<dyn Callers>) {
    let (ended, calls) = bounded::<Called>(CALLS_MAX);
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut busy: BTreeSet<Xpid> = BTreeSet::new();
    let mut told: BTreeMap<Xpid, SteadyMs> = BTreeMap::new();
    loop {
        match wanted.recv_timeout(LOOK) {
            Ok(hook) => {
                let now_ms = steady_now();
                waiting.push(Waiting {
                    hook: *hook,
                    since_ms: now_ms,
                    due_ms: now_ms,
                    pause_ms: PAUSE_MS,
                });
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Calls on their way end by themselves.
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Ok(Called { waiting: mut called, result }) = calls.try_recv() {
            busy.remove(&called.hook.xpid);
            match result {
                Ok(()) => callers.taken(called.hook.receipt),
                Err(cause) => {
                    called.put_off(&cause, &mut told);
                    waiting.push(called);
                }
            }
        }
        let now_ms = steady_now();
        let is_young = |call: &Waiting| now_ms.since(call.since_ms) <= AGE_MS_MAX;
        let (young, old): (Vec<Waiting>, Vec<Waiting>) = waiting.into_iter().partition(is_young);
        waiting = young;
        for call in old {
            tracing::warn!(xpid = %call.hook.xpid, "a webhook was not taken for a day: given up");
            callers.given_up(call.hook.receipt);
        }
        while busy.len() < CALLS_MAX {
            let Some(at) = next_of(&waiting, &busy, now_ms) else { break };
            let call = waiting.remove(at);
            // As it is registered now: whoever has corrected a URL or a secret need not wait.
            let Some(way) = callers.way_of(call.hook.xpid) else {
                callers.given_up(call.hook.receipt);
                continue;
            };
            busy.insert(call.hook.xpid);
            begin(call, way, ended.clone());
        }
    }
}

/// The call that is made next: the newest subject's first, and of one subject in their order. What
/// is over holds up nothing that goes on.
fn next_of(waiting: &[Waiting], busy: &BTreeSet<Xpid>, now_ms: SteadyMs) -> Option<usize> {
    let is_next = |call: &Waiting| call.due_ms <= now_ms && !busy.contains(&call.hook.xpid);
    let due = waiting.iter().enumerate().filter(|(_, call)| is_next(call));
    let newest = due.rev().max_by_key(|(_, call)| &call.hook.receipt.0);
    newest.map(|(at, _)| at)
}

impl Waiting {
    /// Tries it again later. The log has a line a minute of each push client's server.
    fn put_off(&mut self, cause: &str, told: &mut BTreeMap<Xpid, SteadyMs>) {
        let xpid = self.hook.xpid;
        let now_ms = steady_now();
        if told.get(&xpid).is_none_or(|told_ms| now_ms >= *told_ms + TOLD_EVERY_MS) {
            tracing::warn!(%xpid, cause, "a webhook was not taken; it is called again");
            told.retain(|_, told_ms| now_ms < *told_ms + TOLD_EVERY_MS);
            told.insert(xpid, now_ms);
        }
        self.due_ms = now_ms + self.pause_ms;
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MS_MAX);
    }
}

/// Makes a call on a thread of its own.
fn begin(waiting: Waiting, way: CallingWay, ended: Sender<Called>) {
    let thread = std::thread::Builder::new().name("hayauma-webhook".to_owned());
    let (kept, told) = (waiting.clone(), ended.clone());
    let spawned = thread.spawn(move || {
        let result = post(&waiting.hook.body, &way);
        // Nobody waits for it any more where the engine has ended.
        let _ = ended.send(Called { waiting, result });
    });
    if let Err(error) = spawned {
        let _ = told.try_send(Called { waiting: kept, result: Err(error.to_string()) });
    }
}

/// Calls once.
fn post(body: &str, way: &CallingWay) -> Result<(), String> {
    let url = &way.url;
    let until = clock::instant() + CALL_TIMEOUT;
    let said = |error: io::Error| format!("{url}: {error}");
    let host = HostAddresses::read();
    let mut cause = format!("{url}: its name leads nowhere");
    for address in (url.host(), url.port()).to_socket_addrs().map_err(said)? {
        if let Some(forbidden) = way.outbound.guard.refusal(address, &host) {
            cause = forbidden.to_string();
            continue;
        }
        let connected = left(until).and_then(|left| TcpStream::connect_timeout(&address, left));
        let socket = match connected {
            Ok(socket) => Timed { socket, until },
            Err(error) => {
                cause = said(error);
                continue;
            }
        };
        if !url.is_secure() {
            return ask(socket, body, way).map_err(said)?;
        }
        let calling = way.outbound.calling.as_ref().ok_or("this engine has no TLS for calls")?;
        let secured =
            calling.call(url.host())?.over(socket).map_err(|error| format!("{url}: {error}"))?;
        return ask(secured, body, way).map_err(said)?;
    }
    Err(cause)
}

/// What is left of a call's time.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(clock::instant());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket that reads and writes until then, however many steps that takes.
struct Timed {
    socket: TcpStream,
    until: Instant,
}

impl Read for Timed {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.until)?))?;
        self.socket.read(octets)
    }
}

impl Write for Timed {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.until)?))?;
        self.socket.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Sends the request and reads the answer's status.
fn ask(
    mut stream: impl Read + Write,
    body: &str,
    way: &CallingWay,
) -> io::Result<Result<(), String>> {
    let (path, authority) = (way.url.path(), way.url.authority());
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nX-Hayauma-Event: broadcast\r\nContent-Length: {}\r\n",
        body.len()
    )
    .into_bytes();
    write_signature(&mut request, &way.secrets, wall_now().ms() / 1_000, body.as_bytes());
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body.as_bytes());
    stream.write_all(&request)?;
    stream.flush()?;
    let mut answer = [0; ANSWER_OCTETS];
    let mut octets = 0;
    while octets < ANSWER_OCTETS && !answer[..octets].contains(&b'\n') {
        match stream.read(&mut answer[octets..])? {
            0 => break,
            more => octets += more,
        }
    }
    let line = String::from_utf8_lossy(&answer[..octets]);
    let line = line.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let is_taken = is_http && words.next().is_some_and(|status| status.starts_with('2'));
    Ok(if is_taken { Ok(()) } else { Err(format!("{} answered {line:?}", way.url)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener};
    use std::sync::{Mutex, mpsc};

    const XPIDS: [&str; 2] = ["00100000001", "00100000002"];
    const WITHIN: Duration = Duration::from_secs(20);

    fn xpid(text: &str) -> Xpid {
        Xpid::parse(text.as_bytes()).expect("11 digits")
    }

    fn hook(of: &str, body: &str) -> Webhook {
        let receipt = ("bc-1".to_owned(), body.to_owned());
        Webhook { xpid: xpid(of), body: body.to_owned(), receipt }
    }

    fn way(address: SocketAddr, secret: &str) -> CallingWay {
        let mut outbound = Outbound::default();
        outbound.guard.allowed = crate::io::guard::loopback().to_vec();
        CallingWay {
            url: NotifyUrl::parse(&format!("http://{address}/hook")).expect("a URL"),
            secrets: vec![Secret::new(secret).expect("long enough")],
            outbound,
        }
    }

    /// Ways as they are registered, and what is told back.
    struct Registered {
        ways: Mutex<BTreeMap<Xpid, CallingWay>>,
        told: Mutex<mpsc::Sender<(&'static str, String)>>,
    }

    impl Registered {
        fn new(
            ways: impl IntoIterator<Item = (&'static str, CallingWay)>,
        ) -> (Arc<Self>, mpsc::Receiver<(&'static str, String)>) {
            let (told, heard) = mpsc::channel();
            let ways = ways.into_iter().map(|(of, way)| (xpid(of), way)).collect();
            (Arc::new(Self { ways: Mutex::new(ways), told: Mutex::new(told) }), heard)
        }

        fn tell(&self, word: &'static str, receipt: (String, String)) {
            let told = self.told.lock().expect("no panic");
            let _ = told.send((word, receipt.1));
        }
    }

    impl Callers for Registered {
        fn way_of(&self, xpid: Xpid) -> Option<CallingWay> {
            self.ways.lock().expect("no panic").get(&xpid).cloned()
        }

        fn taken(&self, receipt: (String, String)) {
            self.tell("taken", receipt);
        }

        fn given_up(&self, receipt: (String, String)) {
            self.tell("given up", receipt);
        }
    }

    fn server() -> (TcpListener, SocketAddr) {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        (server, address)
    }

    /// Reads a request and answers it; its text.
    fn answer(server: &TcpListener, status: &str) -> String {
        let (mut stream, _) = server.accept().expect("a call");
        let mut text = String::new();
        let mut octets = [0; 1_024];
        while !text.ends_with('}') {
            let read = stream.read(&mut octets).expect("octets");
            text += std::str::from_utf8(&octets[..read]).expect("text");
        }
        stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).expect("taken");
        text
    }

    #[test]
    fn a_call_is_signed_and_made_again_until_it_is_taken_and_a_silent_server_holds_up_its_own() {
        let [(silent, its), (server, own)] = [(); 2].map(|()| server());
        let ways =
            [(XPIDS[0], way(its, "0123456789abcdef")), (XPIDS[1], way(own, "fedcba9876543210"))];
        let (registered, told) = Registered::new(ways);
        let webhooks = Webhooks::start(registered).expect("threads");
        // The first server takes connections and says nothing.
        assert!(webhooks.call(hook(XPIDS[0], r#"{"event":"start"}"#)));
        assert!(webhooks.call(hook(XPIDS[1], r#"{"event":"end"}"#)));
        let first = answer(&server, "500 Oh");
        let second = answer(&server, "204 Good");
        for text in [&first, &second] {
            for part in ["POST /hook HTTP/1.1", "X-Hayauma-Event: broadcast", r#"{"event":"end"}"#]
            {
                assert!(text.contains(part), "{part} in {text}");
            }
            assert!(text.contains("X-Hayauma-Signature: t="), "{text}");
        }
        let receipt = told.recv_timeout(WITHIN).expect("a receipt");
        assert_eq!(receipt, ("taken", r#"{"event":"end"}"#.to_owned()));
        answer(&silent, "200 Late");
        assert_eq!(told.recv_timeout(WITHIN).expect("late").1, r#"{"event":"start"}"#);
    }

    #[test]
    fn a_call_is_made_again_as_its_client_is_registered_then() {
        let [(wrong, wrong_at), (right, right_at)] = [(); 2].map(|()| server());
        let (registered, told) = Registered::new([(XPIDS[0], way(wrong_at, "0123456789abcdef"))]);
        let webhooks = Webhooks::start(registered.clone()).expect("threads");
        assert!(webhooks.call(hook(XPIDS[0], r#"{"event":"start"}"#)));
        answer(&wrong, "404 Nobody");
        let corrected = way(right_at, "fedcba9876543210");
        registered.ways.lock().expect("no panic").insert(xpid(XPIDS[0]), corrected);
        answer(&right, "204 Good");
        assert_eq!(told.recv_timeout(WITHIN).expect("a receipt").0, "taken");
        // Whoever wants none any more gets none, and the call is not kept.
        registered.ways.lock().expect("no panic").clear();
        assert!(webhooks.call(hook(XPIDS[0], r#"{"event":"end"}"#)));
        assert_eq!(told.recv_timeout(WITHIN).expect("given up").0, "given up");
    }

    #[test]
    fn a_server_that_drips_its_answer_has_no_longer_than_any_other() {
        let (server, address) = server();
        let dripping = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().expect("a call");
            let begun = clock::instant();
            // An octet now and then, until the other side has enough of it.
            let (_silent, nothing) = mpsc::channel::<()>();
            while stream.write_all(b"H").is_ok() && begun.elapsed() < CALL_TIMEOUT * 3 {
                let _ = nothing.recv_timeout(CALL_TIMEOUT / 10);
            }
        });
        let begun = clock::instant();
        post("{}", &way(address, "0123456789abcdef")).expect_err("it is not taken");
        assert!(begun.elapsed() < CALL_TIMEOUT * 2, "{:?}", begun.elapsed());
        dripping.join().expect("it ends");
    }

    #[test]
    fn no_call_goes_where_no_notification_may() {
        let (_server, address) = server();
        let mut near = way(address, "0123456789abcdef");
        near.outbound.guard.allowed.clear();
        assert!(post("{}", &near).is_err_and(|cause| cause.contains("--notify-allow")));
        let mut own = way(address, "0123456789abcdef");
        own.outbound.guard.own = vec![address];
        assert!(post("{}", &own).is_err_and(|cause| cause.contains("port of the engine itself")));
    }

    #[test]
    fn what_goes_on_is_told_before_what_is_over_and_each_in_its_order() {
        let now_ms = SteadyMs::new(1_000);
        let call = |broadcast: &str, event: &str, due_ms: u64| Waiting {
            hook: Webhook {
                receipt: (broadcast.to_owned(), event.to_owned()),
                ..hook(XPIDS[0], "{}")
            },
            since_ms: now_ms,
            due_ms: SteadyMs::new(due_ms),
            pause_ms: PAUSE_MS,
        };
        let mut waiting = vec![
            call("bc-1", "start", 900),
            call("bc-1", "end", 900),
            call("bc-2", "start", 900),
            call("bc-2", "50", 900),
            call("bc-3", "start", 2_000),
        ];
        let mut order = Vec::new();
        while let Some(at) = next_of(&waiting, &BTreeSet::new(), now_ms) {
            let (broadcast, event) = waiting.remove(at).hook.receipt;
            order.push(format!("{broadcast} {event}"));
        }
        assert_eq!(order, ["bc-2 start", "bc-2 50", "bc-1 start", "bc-1 end"]);
        let busy = BTreeSet::from([xpid(XPIDS[0])]);
        assert_eq!(next_of(&waiting, &busy, SteadyMs::new(9_000)), None);
    }

    #[test]
    fn more_calls_than_have_room_are_refused() {
        let (hooks, _wanted) = bounded(1);
        let webhooks = Webhooks { hooks: Some(hooks), thread: None };
        assert!(webhooks.call(hook(XPIDS[0], "{}")));
        assert!(!webhooks.call(hook(XPIDS[0], "{}")));
    }
}
