//! A customer that speaks SMPP down to the octets: its PDUs are written and read here a second
//! time, from the specification and not with the engine's own code.

mod pdus;

pub use pdus::{MultiAnswer, Pdu, Receipt, Submit, command, pdu, tag};

use crate::tls::NAME;
use pdus::{answer_pdu, put_text};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one look for octets takes.
const LOOK: Duration = Duration::from_millis(20);

/// What a customer speaks on.
#[derive(Debug)]
enum Line {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Line {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => &stream.sock,
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(octets),
            Self::Secure(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

/// A connection of a customer.
#[derive(Debug)]
pub struct Esme {
    stream: Line,
    octets: Vec<u8>,
    sequence: u32,
    /// What came while something else was waited for.
    aside: VecDeque<Pdu>,
    is_over: bool,
}

impl Esme {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::plain(TcpStream::connect(address).expect("a listener"))
    }

    /// Connects from an address of this host.
    ///
    /// # Panics
    /// When nobody listens, or the address is none of this host.
    #[track_caller]
    pub fn connect_from(from: IpAddr, address: SocketAddr) -> Self {
        let family = if from.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket(family, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddr::new(from, 0)).expect("an address of this host");
        connect(&socket, &address).expect("a listener");
        Self::plain(TcpStream::from(socket))
    }

    fn plain(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(LOOK)).expect("a socket");
        Self::on(Line::Plain(stream))
    }

    /// Connects and shakes hands over TLS with a server of the tests' name.
    ///
    /// # Errors
    /// What the other side or TLS said.
    pub fn connect_secure(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
    ) -> std::io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(NAME).map_err(std::io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name);
        let mut tls = tls.map_err(std::io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        socket.set_read_timeout(Some(LOOK))?;
        Ok(Self::on(Line::Secure(Box::new(StreamOwned::new(tls, socket)))))
    }

    fn on(stream: Line) -> Self {
        Self { stream, octets: Vec::new(), sequence: 0, aside: VecDeque::new(), is_over: false }
    }

    /// Connects and binds.
    ///
    /// # Panics
    /// When the bind is refused.
    #[track_caller]
    pub fn bound(address: SocketAddr, kind: u32, system_id: &str, password: &str) -> Self {
        let mut esme = Self::connect(address);
        let answer = esme.bind(kind, system_id, password, 0x34);
        assert_eq!(answer.status, 0, "a bind that is taken");
        esme
    }

    /// Binds; what that is answered.
    #[track_caller]
    pub fn bind(&mut self, kind: u32, system_id: &str, password: &str, version: u8) -> Pdu {
        let mut body = Vec::new();
        for text in [system_id, password, "test"] {
            put_text(&mut body, text);
        }
        body.extend([version, 0, 0, 0]);
        self.ask(kind, &body)
    }

    /// Sends octets as they are; whether they were taken.
    pub fn send(&mut self, octets: &[u8]) -> bool {
        self.stream.write_all(octets).is_ok()
    }

    /// Sends a request; its number.
    pub fn request(&mut self, command: u32, body: &[u8]) -> u32 {
        self.sequence += 1;
        let octets = pdu(command, self.sequence, body);
        self.send(&octets);
        self.sequence
    }

    /// Sends a request and waits for its answer; receipts that come meanwhile are kept.
    #[track_caller]
    pub fn ask(&mut self, command: u32, body: &[u8]) -> Pdu {
        let sequence = self.request(command, body);
        self.await_answer(sequence)
    }

    /// Waits for the answer to the request of this number.
    #[track_caller]
    pub fn await_answer(&mut self, sequence: u32) -> Pdu {
        let is_it = |pdu: &Pdu| pdu.command & command::ANSWER != 0 && pdu.sequence == sequence;
        self.await_one("an answer", is_it)
    }

    /// Submits, and gives the status and the id.
    #[track_caller]
    pub fn submit(&mut self, submit: &Submit) -> (u32, String) {
        let answer = self.ask(command::SUBMIT_SM, &submit.body());
        assert_eq!(answer.command, command::ANSWER | command::SUBMIT_SM);
        (answer.status, answer.id())
    }

    /// Submits what is taken, and gives its id.
    #[track_caller]
    pub fn accepted(&mut self, submit: &Submit) -> String {
        let (status, id) = self.submit(submit);
        assert_eq!(status, 0, "a submit that is taken");
        id
    }

    /// Waits for a receipt and leaves it unanswered.
    #[track_caller]
    pub fn await_receipt(&mut self) -> Receipt {
        let pdu = self.await_one("a receipt", |pdu| pdu.command == command::DELIVER_SM);
        Receipt::read(&pdu)
    }

    /// Waits for a receipt and acknowledges it.
    #[track_caller]
    pub fn take_receipt(&mut self) -> Receipt {
        let receipt = self.await_receipt();
        self.answer(command::DELIVER_SM, receipt.sequence, 0);
        receipt
    }

    /// Answers a request of the SMSC.
    pub fn answer(&mut self, command: u32, sequence: u32, status: u32) {
        let body: &[u8] = if command == command::DELIVER_SM { &[0] } else { &[] };
        let octets = answer_pdu(command | command::ANSWER, status, sequence, body);
        self.send(&octets);
    }

    /// Whether no receipt has come, and none comes for so long.
    pub fn gets_no_receipt_for(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.read_more();
            while let Some(pdu) = self.next_whole() {
                self.aside.push_back(pdu);
            }
        }
        self.aside.iter().all(|pdu| pdu.command != command::DELIVER_SM)
    }

    /// Waits for the first PDU for which `is_it` holds; the others are kept.
    #[track_caller]
    pub fn await_one(&mut self, what: &str, is_it: impl Fn(&Pdu) -> bool) -> Pdu {
        let until = Instant::now() + PATIENCE;
        if let Some(at) = self.aside.iter().position(&is_it) {
            return self.aside.remove(at).expect("just found");
        }
        loop {
            while let Some(pdu) = self.next_whole() {
                if is_it(&pdu) {
                    return pdu;
                }
                self.aside.push_back(pdu);
            }
            assert!(!self.is_over, "the connection ended before {what}: {:?}", self.aside);
            assert!(Instant::now() < until, "waited for {what}: {:?}", self.aside);
            self.read_more();
        }
    }

    /// Whether the request of this number is answered before the connection ends or a second is
    /// over.
    pub fn answers(&mut self, sequence: u32) -> bool {
        let until = Instant::now() + Duration::from_secs(1);
        while !self.is_over && Instant::now() < until {
            self.read_more();
            while let Some(pdu) = self.next_whole() {
                if pdu.command & command::ANSWER != 0 && pdu.sequence == sequence {
                    return true;
                }
            }
        }
        false
    }

    /// What has come so far, and what was kept.
    pub fn drain(&mut self) -> Vec<Pdu> {
        self.read_more();
        while let Some(pdu) = self.next_whole() {
            self.aside.push_back(pdu);
        }
        self.aside.drain(..).collect()
    }

    /// Gives up sending after so long.
    ///
    /// # Panics
    /// When the socket is none any more.
    pub fn set_write_timeout(&self, time: Duration) {
        self.stream.socket().set_write_timeout(Some(time)).expect("a socket");
    }

    /// Waits until the SMSC ends the connection; what it said before.
    #[track_caller]
    pub fn await_end(&mut self) -> Vec<Pdu> {
        let until = Instant::now() + PATIENCE;
        while !self.is_over {
            assert!(Instant::now() < until, "waited for the end of a connection");
            self.read_more();
        }
        while let Some(pdu) = self.next_whole() {
            self.aside.push_back(pdu);
        }
        self.aside.drain(..).collect()
    }

    /// Unbinds and waits for the end.
    #[track_caller]
    pub fn unbind(mut self) {
        assert_eq!(self.ask(command::UNBIND, &[]).status, 0);
        self.await_end();
    }

    fn read_more(&mut self) {
        let mut space = [0; 16 * 1024];
        match self.stream.read(&mut space) {
            Ok(0) => self.is_over = true,
            Ok(octets) => self.octets.extend_from_slice(&space[..octets]),
            Err(error) => {
                let waits = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                self.is_over |= !waits;
            }
        }
    }

    fn next_whole(&mut self) -> Option<Pdu> {
        let number = |at: usize| {
            let octets = self.octets.get(at..at + 4)?;
            Some(u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]))
        };
        let (length, command) = (number(0)? as usize, number(4)?);
        let (status, sequence) = (number(8)?, number(12)?);
        assert!((16..=1 << 16).contains(&length), "a PDU of {length} octets");
        if self.octets.len() < length {
            return None;
        }
        let body = self.octets[16..length].to_vec();
        self.octets.drain(..length);
        Some(Pdu { command, status, sequence, body })
    }
}
