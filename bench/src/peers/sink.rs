//! Takes the receipts of either server and enters them into the book: Kannel's `GET
//! /dlr?id=N&type=T` and the engine's delivery complete notification (E5). One thread, kept-alive
//! connections.

use super::book::Book;
use super::wire::write_out;
use loadgen::os;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use wire::push::client::{
    NotificationHead, read_notification, read_notification_head, write_acknowledgement,
    write_acknowledgement_response,
};
use wire::terms::code::Code;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const INPUT_OCTETS: usize = 16 * 1024;
/// Kannel's receipt that says "delivered to the handset".
const DELIVERED: &[u8] = b"1";

/// A running sink; dropping it closes it.
pub(super) struct Sink {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
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

impl Sink {
    /// On any free port of loopback, with a thread bound to `cpus`.
    pub(super) fn start(cpus: &[usize], book: Arc<Book>) -> io::Result<Self> {
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stop_here, cpus) = (Arc::clone(&stop), cpus.to_vec());
        let thread = std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            // A sink that may run anywhere is only slower.
            let _ = os::pin_thread(&cpus);
            // A poll that fails ends the sink, and its run sees no receipts any more.
            let _ = serve(poll, &listener, &stop_here, &book);
        })?;
        Ok(Self { address, stop, waker, thread: Some(thread) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut poll: Poll, listener: &TcpListener, stop: &AtomicBool, book: &Book) -> io::Result<()> {
    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    while !stop.load(Relaxed) {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                WAKER => {}
                LISTENER => {
                    while let Ok((mut stream, _)) = listener.accept() {
                        stream.set_nodelay(true)?;
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        poll.registry().register(
                            &mut stream,
                            Token(connections.len()),
                            interest,
                        )?;
                        connections.push(Some(Connection::new(stream)));
                    }
                }
                Token(at) => {
                    if let Some(connection) = &mut connections[at]
                        && !connection.exchange(book).unwrap_or(false)
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
        Self { stream, input, filled: 0, output: Vec::new(), written: 0 }
    }

    /// Answers all that has come; false when the other side has closed or sends what is no receipt.
    fn exchange(&mut self, book: &Book) -> io::Result<bool> {
        loop {
            self.flush()?;
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(octets) => self.filled += octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let mut at = 0;
            loop {
                match take(&self.input[at..self.filled], &mut self.output) {
                    Taken::Receipt { octets, number } => {
                        book.note_receipt(number);
                        at += octets;
                    }
                    Taken::Partial if at == 0 && self.filled == self.input.len() => {
                        return Ok(false);
                    }
                    Taken::Partial => break,
                    Taken::Malformed => return Ok(false),
                }
            }
            self.input.copy_within(at..self.filled, 0);
            self.filled -= at;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        write_out(&mut self.stream, &self.output, &mut self.written)?;
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
        Ok(())
    }
}

/// What the received octets begin with.
#[derive(PartialEq, Eq, Debug)]
enum Taken {
    /// A receipt, answered. `number`: whose, if it says "delivered" of a message that can be read.
    Receipt {
        octets: usize,
        number: Option<u64>,
    },
    Partial,
    Malformed,
}

fn take(input: &[u8], output: &mut Vec<u8>) -> Taken {
    if input.starts_with(b"GET ") {
        take_report(input, output)
    } else {
        take_notification(input, output)
    }
}

/// Kannel's delivery report.
fn take_report(input: &[u8], output: &mut Vec<u8>) -> Taken {
    let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Taken::Partial;
    };
    let target = input[4..end].split(|&octet| octet == b' ').next().unwrap_or_default();
    let query = target.split(|&octet| octet == b'?').nth(1).unwrap_or_default();
    let value = |name: &[u8]| {
        let mut fields = query.split(|&octet| octet == b'&');
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix(b"="))
    };
    let number = value(b"id").filter(|_| value(b"type") == Some(DELIVERED)).and_then(parse);
    output.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    Taken::Receipt { octets: end + 4, number }
}

/// The engine's notification.
fn take_notification(input: &[u8], output: &mut Vec<u8>) -> Taken {
    let (head_octets, body_octets) = match read_notification_head(input) {
        NotificationHead::Complete { head_octets, body_octets, .. } => (head_octets, body_octets),
        NotificationHead::Partial => return Taken::Partial,
        NotificationHead::Malformed => return Taken::Malformed,
    };
    let octets = head_octets + body_octets;
    let Some(body) = input.get(head_octets..octets) else { return Taken::Partial };
    let Ok(notification) = read_notification(body) else { return Taken::Malformed };
    let mut answer = Vec::with_capacity(256);
    write_acknowledgement(
        &mut answer,
        notification.msn,
        notification.reqid,
        notification.xpid,
        Code::ACCEPTED,
    );
    write_acknowledgement_response(output, &answer);
    let delivered = notification.code == Code::ACCEPTED && !notification.cancellation;
    Taken::Receipt { octets, number: parse(notification.reqid).filter(|_| delivered) }
}

fn parse(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_only_when_it_says_delivered() {
        let request =
            |kind: &str| format!("GET /dlr?id=17&type={kind} HTTP/1.1\r\nHost: x\r\n\r\nGET ");
        let mut output = Vec::new();
        let delivered = request("1");
        let octets = delivered.len() - 4;
        assert_eq!(
            take(delivered.as_bytes(), &mut output),
            Taken::Receipt { octets, number: Some(17) }
        );
        assert_eq!(
            take(request("2").as_bytes(), &mut output),
            Taken::Receipt { octets, number: None }
        );
        assert_eq!(take(&delivered.as_bytes()[..20], &mut output), Taken::Partial);
        assert_eq!(output.windows(8).filter(|window| window == b"HTTP/1.1").count(), 2);
    }

    #[test]
    fn a_notification_counts_only_when_it_says_delivered() {
        let request = |code: &str| {
            let body = format!(
                "<?xml version = \"1.0\" ?>\r\n<fncid>0301</fncid>\r\n<comway>2101</comway>\r\n\
                 <msn>09012345678</msn>\r\n<reqid>0000000000042</reqid>\r\n\
                 <svcid>00100000001</svcid>\r\n<sepmaxnum>1</sepmaxnum>\r\n<code>{code}</code>\r\n\
                 <dlvnum>1</dlvnum>\r\n<cmptime>20261122223430</cmptime>\r\n<ntfid>n7</ntfid>\r\n\
                 <trynum>1</trynum>\r\n"
            );
            format!("POST /notify HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        let mut output = Vec::new();
        for (code, number) in [("0000", Some(42)), ("6001", None)] {
            let request = request(code);
            let octets = request.len();
            assert_eq!(take(request.as_bytes(), &mut output), Taken::Receipt { octets, number });
        }
        assert_eq!(take(b"PUT / HTTP/1.1\r\n\r\n", &mut output), Taken::Malformed);
    }
}
