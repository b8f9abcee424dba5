//! Tells push clients' servers what happens with what is theirs: one POST for each event, signed as
//! notifications are, sent again until it is taken or too old.
//!
//! All of it runs on threads of its own, which nobody waits for. An address is held against the
//! guard of notifications after its name was looked up, each time.
//!
//! **Never here:** what is told. **Invariants:** at most `WAITING_MAX` wait to be taken over, at
//! most `CALLS_MAX` are on their way, one for each XPID: a server that is silent holds up its
//! own.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use wire::push::notify_url::NotifyUrl;
use wire::push::sign::{Secret, write_signature};
use wire::terms::ids::Xpid;

use crate::io::host_addresses::HostAddresses;
use crate::io::notifier::Outbound;
use host::clock;

/// Calls that wait.
const WAITING_MAX: usize = 2_048;
/// Calls on their way.
const CALLS_MAX: usize = 16;
/// How long a server may take to each step.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause before a call is made again, in milliseconds; each is twice the one before.
const PAUSE_MS: u64 = 1_000;
/// The longest.
const PAUSE_MS_MAX: u64 = 300_000;
/// Older than this a call is given up, in milliseconds.
const AGE_MS_MAX: u64 = 24 * 3_600 * 1_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// An answer's first octets that are read.
const ANSWER_OCTETS: usize = 512;

/// A call to be made.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Whose server it is.
    pub xpid: Xpid,
    /// Where to.
    pub url: NotifyUrl,
    /// Two at most.
    pub secrets: Vec<Secret>,
    /// JSON.
    pub body: String,
    /// What is told back when it was taken.
    pub receipt: (String, String),
    /// With what, and where it may not go.
    pub outbound: Outbound,
}

#[derive(Clone)]
struct Waiting {
    hook: Webhook,
    since_ms: u64,
    due_ms: u64,
    pause_ms: u64,
}

/// The threads; dropping it ends them.
pub struct Webhooks {
    hooks: Option<Sender<Box<Webhook>>>,
    thread: Option<JoinHandle<()>>,
}

impl Webhooks {
    /// Starts them. `taken` is told the receipt of each call that was taken.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(taken: impl Fn((String, String)) + Send + 'static) -> io::Result<Self> {
        let (hooks, wanted) = bounded(WAITING_MAX);
        let thread = std::thread::Builder::new().name("hayauma-webhooks".to_owned());
        let thread = thread.spawn(move || run(&wanted, &taken))?;
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

fn run(wanted: &Receiver<Box<Webhook>>, taken: &impl Fn((String, String))) {
    let (ended, calls) = bounded::<Called>(CALLS_MAX);
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut busy: BTreeSet<Xpid> = BTreeSet::new();
    loop {
        match wanted.recv_timeout(LOOK) {
            Ok(hook) => {
                let now_ms = clock::unix_ms();
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
                Ok(()) => taken(called.hook.receipt),
                Err(cause) => {
                    called.put_off(&cause);
                    waiting.push(called);
                }
            }
        }
        let now_ms = clock::unix_ms();
        waiting.retain(|call| now_ms.saturating_sub(call.since_ms) <= AGE_MS_MAX);
        while busy.len() < CALLS_MAX {
            let is_next = |call: &Waiting| call.due_ms <= now_ms && !busy.contains(&call.hook.xpid);
            let Some(at) = waiting.iter().position(is_next) else { break };
            let call = waiting.remove(at);
            busy.insert(call.hook.xpid);
            begin(call, ended.clone());
        }
    }
}

impl Waiting {
    fn put_off(&mut self, cause: &str) {
        let xpid = self.hook.xpid;
        if self.pause_ms == PAUSE_MS {
            tracing::warn!(%xpid, cause, "a webhook was not taken; it is called again");
        }
        self.due_ms = clock::unix_ms() + self.pause_ms;
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MS_MAX);
    }
}

/// Makes a call on a thread of its own.
fn begin(waiting: Waiting, ended: Sender<Called>) {
    let thread = std::thread::Builder::new().name("hayauma-webhook".to_owned());
    let (kept, told) = (waiting.clone(), ended.clone());
    let spawned = thread.spawn(move || {
        let result = post(&waiting.hook);
        // Nobody waits for it any more where the engine has ended.
        let _ = ended.send(Called { waiting, result });
    });
    if let Err(error) = spawned {
        let _ = told.try_send(Called { waiting: kept, result: Err(error.to_string()) });
    }
}

/// Calls once.
fn post(hook: &Webhook) -> Result<(), String> {
    let url = &hook.url;
    let said = |error: io::Error| format!("{url}: {error}");
    let host = HostAddresses::read();
    let mut cause = format!("{url}: its name leads nowhere");
    for address in (url.host(), url.port()).to_socket_addrs().map_err(said)? {
        if let Some(forbidden) = hook.outbound.guard.refusal(address, &host) {
            cause = forbidden.to_string();
            continue;
        }
        let socket = match TcpStream::connect_timeout(&address, STEP_TIMEOUT) {
            Ok(socket) => socket,
            Err(error) => {
                cause = said(error);
                continue;
            }
        };
        socket.set_read_timeout(Some(STEP_TIMEOUT)).map_err(said)?;
        socket.set_write_timeout(Some(STEP_TIMEOUT)).map_err(said)?;
        if !url.is_secure() {
            return ask(socket, hook).map_err(said)?;
        }
        let calling = hook.outbound.calling.as_ref().ok_or("this engine has no TLS for calls")?;
        let secured =
            calling.call(url.host())?.over(socket).map_err(|error| format!("{url}: {error}"))?;
        return ask(secured, hook).map_err(said)?;
    }
    Err(cause)
}

/// Sends the request and reads the answer's status.
fn ask(mut stream: impl Read + Write, hook: &Webhook) -> io::Result<Result<(), String>> {
    let (path, authority, body) = (hook.url.path(), hook.url.authority(), &hook.body);
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nX-Hayauma-Event: broadcast\r\nContent-Length: {}\r\n",
        body.len()
    )
    .into_bytes();
    write_signature(&mut request, &hook.secrets, clock::unix_ms() / 1_000, body.as_bytes());
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
    Ok(if is_taken { Ok(()) } else { Err(format!("{} answered {line:?}", hook.url)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener};
    use std::sync::mpsc;

    const XPIDS: [&str; 2] = ["00100000001", "00100000002"];

    fn hook(xpid: &str, address: SocketAddr, body: &str) -> Webhook {
        let mut outbound = Outbound::default();
        outbound.guard.allowed = crate::io::guard::loopback().to_vec();
        Webhook {
            xpid: Xpid::parse(xpid.as_bytes()).expect("11 digits"),
            url: NotifyUrl::parse(&format!("http://{address}/hook")).expect("a URL"),
            secrets: vec![Secret::new("0123456789abcdef").expect("long enough")],
            body: body.to_owned(),
            receipt: ("bc-1".to_owned(), body.to_owned()),
            outbound,
        }
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
        let servers = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let addresses = servers.each_ref().map(|server| server.local_addr().expect("an address"));
        let (told, receipts) = mpsc::channel();
        let webhooks = Webhooks::start(move |receipt| drop(told.send(receipt))).expect("threads");
        // The first server takes connections and says nothing.
        assert!(webhooks.call(hook(XPIDS[0], addresses[0], r#"{"event":"start"}"#)));
        assert!(webhooks.call(hook(XPIDS[1], addresses[1], r#"{"event":"end"}"#)));
        let first = answer(&servers[1], "500 Oh");
        let second = answer(&servers[1], "204 Good");
        for text in [&first, &second] {
            for part in ["POST /hook HTTP/1.1", "X-Hayauma-Event: broadcast", r#"{"event":"end"}"#]
            {
                assert!(text.contains(part), "{part} in {text}");
            }
            assert!(text.contains("X-Hayauma-Signature: t="), "{text}");
        }
        let receipt = receipts.recv_timeout(Duration::from_secs(20)).expect("a receipt");
        assert_eq!(receipt.1, r#"{"event":"end"}"#);
        answer(&servers[0], "200 Late");
        assert_eq!(receipts.recv_timeout(Duration::from_secs(20)).expect("late").0, "bc-1");
    }

    #[test]
    fn no_call_goes_where_no_notification_may() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let mut near = hook(XPIDS[0], address, "{}");
        near.outbound.guard.allowed.clear();
        assert!(post(&near).is_err_and(|cause| cause.contains("--notify-allow")));
        let mut own = hook(XPIDS[0], address, "{}");
        own.outbound.guard.own = vec![address];
        assert!(post(&own).is_err_and(|cause| cause.contains("port of the engine itself")));
    }

    #[test]
    fn more_calls_than_have_room_are_refused() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let (hooks, _wanted) = bounded(1);
        let webhooks = Webhooks { hooks: Some(hooks), thread: None };
        assert!(webhooks.call(hook(XPIDS[0], address, "{}")));
        assert!(!webhooks.call(hook(XPIDS[0], address, "{}")));
    }
}
