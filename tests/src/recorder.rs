//! The push client's notification server: keeps every notification as it came and answers as the
//! test says.

use crate::flat::{DECLARATION, Elements};
use crate::tls::Wire;
use crate::wait;
use rustls::ServerConfig;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One notification as it came.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When it was whole.
    pub at: Instant,
    /// The request line.
    pub request_line: String,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The elements of the body.
    pub elements: Elements,
}

impl Notice {
    /// The text of an element; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.elements.get(name)
    }

    /// fncid and code.
    pub fn gist(&self) -> (&str, &str) {
        (self.get("fncid"), self.get("code"))
    }
}

/// What a notification is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// 200 and 0000.
    Acknowledge,
    /// 200 and this code.
    Code(&'static str),
    /// 200 and 0000, but the element of this name has this text.
    Naming(&'static str, &'static str),
    /// This status and no body; Retry-After in seconds where given.
    Status(u16, Option<u32>),
    /// This status and these header lines, each with its line end, and no body.
    Headed(u16, &'static str),
    /// The connection is closed.
    Close,
}

type Policy = dyn Fn(&Notice) -> Reply + Send + Sync;

/// The server; dropping it closes the port and every connection.
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    /// What it speaks beneath HTTP, if not plainly.
    tls: Option<Arc<ServerConfig>>,
    resumed: AtomicUsize,
    policy: Box<Policy>,
    notices: Mutex<Vec<Notice>>,
    faults: Mutex<Vec<String>>,
    streams: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
}

impl Recorder {
    /// Listens on any free port and acknowledges everything.
    ///
    /// # Panics
    /// When the system has no port to give.
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), |_| Reply::Acknowledge)
    }

    /// Listens on any free port and answers as `policy` says.
    ///
    /// # Panics
    /// As [`Recorder::start`].
    pub fn answering(policy: impl Fn(&Notice) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), policy)
    }

    /// Listens at `address`.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn start_at(
        address: SocketAddr,
        policy: impl Fn(&Notice) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(address, None, policy)
    }

    /// Listens on any free port, speaks TLS with this, and acknowledges everything.
    ///
    /// # Panics
    /// As [`Recorder::start`].
    pub fn secure(tls: Arc<ServerConfig>) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_with(any, Some(tls), |_| Reply::Acknowledge)
    }

    fn start_with(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        policy: impl Fn(&Notice) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let shared = Arc::new(Shared {
            tls,
            resumed: AtomicUsize::new(0),
            policy: Box::new(policy),
            notices: Mutex::default(),
            faults: Mutex::default(),
            streams: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let Ok(second) = stream.try_clone() else { continue };
                lock(&server.streams).push(second);
                let server = Arc::clone(&server);
                std::thread::spawn(move || server.serve(stream));
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The notification URL to register.
    pub fn url(&self) -> String {
        format!("http://{}/notify", self.address)
    }

    /// The URL over TLS, by the name `localhost`.
    pub fn secure_url(&self) -> String {
        format!("https://localhost:{}/notify", self.address.port())
    }

    /// Ends every connection there is.
    pub fn end_connections(&self) {
        for stream in lock(&self.shared.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Connections that were resumed by a ticket.
    pub fn resumed(&self) -> usize {
        self.shared.resumed.load(Ordering::Relaxed)
    }

    /// Every notification so far, in the order in which they came.
    ///
    /// # Panics
    /// When something came that is no notification.
    #[track_caller]
    pub fn notices(&self) -> Vec<Notice> {
        let faults = lock(&self.shared.faults);
        assert!(faults.is_empty(), "{faults:?}");
        lock(&self.shared.notices).clone()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        lock(&self.shared.streams).len()
    }

    /// Those about the push with this reqid.
    #[track_caller]
    pub fn about(&self, reqid: &str) -> Vec<Notice> {
        self.notices().into_iter().filter(|notice| notice.get("reqid") == reqid).collect()
    }

    /// Waits until there are `count` about the push with this reqid.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn await_about(&self, reqid: &str, count: usize) -> Vec<Notice> {
        wait::until(&format!("{count} notifications about {reqid}"), || {
            Some(self.about(reqid)).filter(|notices| notices.len() >= count)
        })
    }

    /// Waits until there are `count` in all.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn await_count(&self, count: usize) -> Vec<Notice> {
        wait::until(&format!("{count} notifications"), || {
            Some(self.notices()).filter(|notices| notices.len() >= count)
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        for stream in lock(&self.shared.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let Ok(socket) = stream.try_clone() else { return };
        let wire = Wire::of(stream, self.tls.as_ref());
        let mut reader = BufReader::new(wire);
        let mut is_first = true;
        while let Some(request) = read_request(&mut reader) {
            let notice = match request {
                Ok(notice) => notice,
                Err(fault) => {
                    lock(&self.faults).push(fault);
                    break;
                }
            };
            if std::mem::take(&mut is_first) && reader.get_ref().is_resumed() {
                self.resumed.fetch_add(1, Ordering::Relaxed);
            }
            let reply = (self.policy)(&notice);
            let answer = reply.octets(&notice);
            lock(&self.notices).push(notice);
            if reply == Reply::Close || reader.get_mut().write_all(&answer).is_err() {
                break;
            }
        }
        let _ = socket.shutdown(Shutdown::Both);
    }
}

impl Reply {
    fn octets(self, notice: &Notice) -> Vec<u8> {
        let code = match self {
            Self::Acknowledge | Self::Naming(..) => "0000",
            Self::Code(code) => code,
            Self::Status(status, retry_after) => {
                let retry = retry_after
                    .map_or_else(String::new, |seconds| format!("Retry-After: {seconds}\r\n"));
                return format!("HTTP/1.1 {status} As told\r\n{retry}Content-Length: 0\r\n\r\n")
                    .into_bytes();
            }
            Self::Headed(status, lines) => {
                return format!("HTTP/1.1 {status} As told\r\n{lines}Content-Length: 0\r\n\r\n")
                    .into_bytes();
            }
            Self::Close => return Vec::new(),
        };
        let named = |name: &str| match self {
            Self::Naming(other, text) if other == name => text.to_owned(),
            _ => notice.get(name).to_owned(),
        };
        let (msn, reqid, svcid) = (named("msn"), named("reqid"), named("svcid"));
        let body = format!(
            "{DECLARATION}<msn>{msn}</msn>\r\n<reqid>{reqid}</reqid>\r\n<svcid>{svcid}</svcid>\r\n\
             <code>{code}</code>\r\n"
        );
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-Length: {}\r\n\r\n\
             {body}",
            body.len()
        )
        .into_bytes()
    }
}

/// The next request; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> Option<Result<Notice, String>> {
    let request_line = read_line(reader)?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => return Some(Err(format!("no header line: {line:?}"))),
        }
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse());
    let Some(Ok(length)) = length else {
        return Some(Err(format!("no length: {request_line} {headers:?}")));
    };
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Elements::read(&body).map(|elements| Notice {
        at: Instant::now(),
        request_line,
        headers,
        elements,
    }))
}

/// A line without its CRLF.
fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&octets| octets > 0)?;
    Some(line.trim_end_matches("\r\n").to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
