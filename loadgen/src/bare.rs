//! A responder that does nothing but answer: the limit that a real gateway is measured against, and the wall that
//! shows how fast the load generator itself is.
//!
//! One thread, one poll. It reads no element; it copies the msn and the reqid from their fixed places in a canonical
//! request into the fixed answer, so that the generator can check its answers.

use crate::http::read_message;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const INPUT_OCTETS: usize = 64 * 1024;
const MSN_AT: usize = 75;
const REQID_AT: usize = 101;
const COPIED_OCTETS: usize = 49;
const ANSWER: &str = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 13:34:30 GMT\r\n\
    Content-Type: text/xml; charset=UTF-8\r\nContent-Length: 163\r\n\r\n<?xml version = \"1.0\" ?>\r\n\
    <msn>00000000000</msn>\r\n<reqid>00000000000000000000000</reqid>\r\n<svcid>00100000001</svcid>\r\n\
    <sepmaxnum>1</sepmaxnum>\r\n<code>0000</code>\r\n";
/// Where the answer's msn begins: from there on, `COPIED_OCTETS` are the same in request and answer.
const ANSWER_MSN_AT: usize = ANSWER.len() - 163 + 31;

const _: () = assert!(REQID_AT + 23 == MSN_AT + COPIED_OCTETS);

/// A responder; dropping it closes it.
pub struct Bare {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

struct Connection {
    stream: TcpStream,
    input: Box<[u8]>,
    filled: usize,
    output: Vec<u8>,
    written: usize,
}

impl Bare {
    /// Listens on `listen` (port 0: any free port) with a thread bound to `cpus` (none: not bound).
    pub fn start(listen: SocketAddr, cpus: &[usize]) -> io::Result<Self> {
        let mut listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop_here, answered_here, cpus) = (Arc::clone(&stop), Arc::clone(&answered), cpus.to_vec());
        let thread = std::thread::Builder::new().name("bare".to_owned()).spawn(move || {
            // A responder that may run anywhere is only slower.
            let _ = crate::os::pin_thread(&cpus);
            // A poll that fails ends the responder, and its clients see it gone.
            let _ = serve(poll, &listener, &stop_here, &answered_here);
        })?;
        Ok(Self { address, stop, answered, waker, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut poll: Poll, listener: &TcpListener, stop: &AtomicBool, answered: &AtomicU64) -> io::Result<()> {
    let mut events = Events::with_capacity(1_024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    while !stop.load(Relaxed) {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &events {
            match event.token() {
                WAKER => {}
                LISTENER => {
                    while let Ok((mut stream, _)) = listener.accept() {
                        stream.set_nodelay(true)?;
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        poll.registry().register(&mut stream, Token(connections.len()), interest)?;
                        connections.push(Some(Connection::new(stream)));
                    }
                }
                Token(at) => {
                    if let Some(connection) = &mut connections[at]
                        && (!connection.exchange(answered).unwrap_or(false) || event.is_read_closed())
                    {
                        connections[at] = None;
                    }
                }
            }
        }
    }
    Ok(())
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let input = vec![0; INPUT_OCTETS].into_boxed_slice();
        Self { stream, input, filled: 0, output: Vec::with_capacity(INPUT_OCTETS), written: 0 }
    }

    /// Answers all that has arrived; false when the client has gone or sends what is no request.
    fn exchange(&mut self, answered: &AtomicU64) -> io::Result<bool> {
        loop {
            if !self.flush()? {
                return Ok(true);
            }
            let octets = match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(octets) => octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            self.filled += octets;
            let emptied = self.filled < self.input.len();
            let mut at = 0;
            while let Ok(Some(head)) = read_message(&self.input[at..self.filled]) {
                let body = &self.input[at + head.head_octets..at + head.octets()];
                at += head.octets();
                let Some(copied) = body.get(MSN_AT..MSN_AT + COPIED_OCTETS) else {
                    return Ok(false);
                };
                let start = self.output.len();
                self.output.extend_from_slice(ANSWER.as_bytes());
                self.output[start + ANSWER_MSN_AT..][..COPIED_OCTETS].copy_from_slice(copied);
                answered.fetch_add(1, Relaxed);
            }
            if at == 0 && !emptied {
                return Ok(false);
            }
            self.input.copy_within(at..self.filled, 0);
            self.filled -= at;
            if emptied {
                return self.flush().map(|_| true);
            }
        }
    }

    /// Writes; false if the socket takes no more for now.
    fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(octets) => self.written += octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(true)
    }
}
