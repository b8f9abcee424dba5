//! An engine of a few threads that does what a test tells it, right or wrong.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What the engine does with a push; the numbers are those of the run's pushes.
#[derive(Clone)]
pub(crate) struct Script {
    /// The answer to the n-th request for push i (n from 0).
    pub(crate) answer: fn(i: u64, n: u64) -> Reply,
    /// The notifications for push i, once it is accepted or, if `Reply` says so, anyway.
    pub(crate) notices: fn(i: u64) -> Vec<Notice>,
}

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// 0000, or 0001 on a repeat.
    Accept,
    /// Accepted, and the connection closed without an answer.
    AcceptAndHangUp,
    /// The connection closed before anything is done.
    HangUp,
    /// Accepted, in pieces of a few octets.
    AcceptInPieces,
    /// Refused with this code; with Retry-After where given.
    Refuse(&'static str, Option<u32>),
    /// Refused with this code, and notified all the same.
    RefuseAndNotify(&'static str),
    /// Accepted, but the answer stays behind the next one.
    AcceptOutOfTurn,
    /// Something that is not HTTP.
    Nonsense,
}

/// A notification.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) id: &'static str,
    pub(crate) code: &'static str,
    /// For a run that nobody knows.
    pub(crate) foreign: bool,
}

pub(crate) const DELIVERED: Notice = Notice { id: "n1", code: "0000", foreign: false };

impl Default for Script {
    fn default() -> Self {
        Self { answer: |_, _| Reply::Accept, notices: |_| vec![DELIVERED] }
    }
}

/// What survives a restart.
#[derive(Default)]
struct Memory {
    accepted: HashSet<u64>,
    requests: Vec<u64>,
}

/// A listening engine; `kill` and `restart` keep address and memory.
pub(crate) struct FakeEngine {
    pub(crate) address: SocketAddr,
    script: Script,
    memory: Arc<Mutex<Memory>>,
    notify: Sender<String>,
    listener: Option<(TcpListener, JoinHandle<()>)>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl FakeEngine {
    /// Notifies `sink`, if there is one.
    pub(crate) fn start(script: Script, sink: Option<SocketAddr>) -> Self {
        let (notify, notices) = channel();
        if let Some(sink) = sink {
            std::thread::spawn(move || send_notices(sink, &notices));
        }
        let mut engine = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            script,
            memory: Arc::default(),
            notify,
            listener: None,
            streams: Arc::default(),
        };
        engine.restart();
        engine
    }

    pub(crate) fn restart(&mut self) {
        let listener = TcpListener::bind(self.address).expect("a loopback port");
        self.address = listener.local_addr().expect("a bound listener");
        let accepting = listener.try_clone().expect("a second handle");
        let (script, memory) = (self.script.clone(), Arc::clone(&self.memory));
        let (notify, streams) = (self.notify.clone(), Arc::clone(&self.streams));
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                streams
                    .lock()
                    .expect("no panic")
                    .push(stream.try_clone().expect("a second handle"));
                let (script, memory, notify) =
                    (script.clone(), Arc::clone(&memory), notify.clone());
                std::thread::spawn(move || serve(&stream, &script, &memory, &notify));
            }
        });
        self.listener = Some((listener, thread));
    }

    /// Everything closed at once, whatever is under way.
    pub(crate) fn kill(&mut self) {
        if let Some((listener, thread)) = self.listener.take() {
            // Shutting a listener down ends the accept that waits on it.
            use std::os::fd::AsRawFd;
            // SAFETY: the descriptor is open while `listener` lives, and no memory is involved.
            unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
            thread.join().expect("the accepting thread does not panic");
        }
        for stream in self.streams.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.memory.lock().expect("no panic").accepted.len()
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Push {
    index: u64,
    msn: String,
    reqid: String,
}

fn serve(stream: &TcpStream, script: &Script, memory: &Mutex<Memory>, notify: &Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    let mut kept_back = None;
    stream.set_nodelay(true).expect("a TCP socket");
    while let Some(push) = read_push(&mut reader) {
        let nth = {
            let mut memory = memory.lock().expect("no panic");
            memory.requests.push(push.index);
            memory.requests.iter().filter(|&&index| index == push.index).count() as u64 - 1
        };
        let reply = (script.answer)(push.index, nth);
        let accepts = matches!(
            reply,
            Reply::Accept | Reply::AcceptAndHangUp | Reply::AcceptInPieces | Reply::AcceptOutOfTurn
        );
        let first = accepts && memory.lock().expect("no panic").accepted.insert(push.index);
        if first || matches!(reply, Reply::RefuseAndNotify(_)) {
            for notice in (script.notices)(push.index) {
                let _ = notify.send(notification(&push, notice));
            }
        }
        let accepted = answer("200 OK", "", &push, if first { "0000" } else { "0001" });
        let octets = match reply {
            Reply::Accept | Reply::AcceptInPieces => accepted,
            Reply::AcceptAndHangUp | Reply::HangUp => {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Reply::Refuse(code, Some(seconds)) => {
                answer("429 Too Many Requests", &format!("Retry-After: {seconds}\r\n"), &push, code)
            }
            Reply::Refuse(code, None) | Reply::RefuseAndNotify(code) => {
                answer("403 Forbidden", "", &push, code)
            }
            Reply::Nonsense => "HTTP over, or not at all\r\n\r\n".to_owned(),
            Reply::AcceptOutOfTurn => {
                kept_back = Some(accepted);
                continue;
            }
        };
        let piece = if reply == Reply::AcceptInPieces { 7 } else { octets.len() };
        let mut all = octets.into_bytes();
        all.extend(kept_back.take().unwrap_or_default().into_bytes());
        if all.chunks(piece).any(|chunk| writer.write_all(chunk).is_err()) {
            return;
        }
    }
}

fn read_body(reader: &mut impl BufRead) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&octets| octets > 0)?;
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(String::from_utf8(body).expect("UTF-8"))
}

fn read_push(reader: &mut impl BufRead) -> Option<Push> {
    let body = read_body(reader)?;
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>")).expect("the element");
        rest.split_once("</").expect("the element's end").0.to_owned()
    };
    let reqid = element("reqid");
    let index = reqid[reqid.len() - 13..].parse().expect("the push's number");
    Some(Push { index, msn: element("msn"), reqid })
}

fn answer(status: &str, field: &str, push: &Push, code: &str) -> String {
    let body = format!(
        "<?xml version = \"1.0\" ?>\r\n<msn>{}</msn>\r\n<reqid>{}</reqid>\r\n\
         <svcid>00100000001</svcid>\r\n<sepmaxnum>1</sepmaxnum>\r\n<code>{code}</code>\r\n",
        push.msn, push.reqid
    );
    format!("HTTP/1.1 {status}\r\n{field}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn notification(push: &Push, notice: Notice) -> String {
    let reqid = if notice.foreign { "another-run" } else { &push.reqid };
    let body = format!(
        "<?xml version = \"1.0\" ?>\r\n<fncid>0301</fncid>\r\n<comway>2101</comway>\r\n\
         <msn>{}</msn>\r\n<reqid>{reqid}</reqid>\r\n<svcid>00100000001</svcid>\r\n\
         <sepmaxnum>1</sepmaxnum>\r\n<code>{}</code>\r\n<dlvnum>1</dlvnum>\r\n\
         <cmptime>20261122223430</cmptime>\r\n<ntfid>{}</ntfid>\r\n",
        push.msn, notice.code, notice.id
    );
    format!("POST /notify HTTP/1.1\r\nHost: sink\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Sends each notification until it is acknowledged, over one connection as long as it lasts.
fn send_notices(sink: SocketAddr, notices: &Receiver<String>) {
    let mut connection: Option<BufReader<TcpStream>> = None;
    for notice in notices {
        while !acknowledged(&mut connection, sink, &notice) {
            std::thread::yield_now();
        }
    }
}

fn acknowledged(
    connection: &mut Option<BufReader<TcpStream>>,
    sink: SocketAddr,
    notice: &str,
) -> bool {
    if connection.is_none() {
        *connection = TcpStream::connect(sink).ok().map(BufReader::new);
    }
    let Some(reader) = connection else { return false };
    let mut line = String::new();
    let answered = reader.get_mut().write_all(notice.as_bytes()).is_ok()
        && reader.read_line(&mut line).is_ok_and(|octets| octets > 0)
        && read_body(reader).is_some();
    if !answered {
        *connection = None;
    }
    answered && line.starts_with("HTTP/1.1 200")
}
