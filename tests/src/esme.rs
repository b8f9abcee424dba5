//! A customer that speaks SMPP down to the octets: its PDUs are written and read here a second
//! time, from the specification and not with the engine's own code.

use crate::tls::NAME;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// command_ids of requests.
pub mod command {
    pub const BIND_RECEIVER: u32 = 0x01;
    pub const BIND_TRANSMITTER: u32 = 0x02;
    pub const QUERY_SM: u32 = 0x03;
    pub const SUBMIT_SM: u32 = 0x04;
    pub const DELIVER_SM: u32 = 0x05;
    pub const UNBIND: u32 = 0x06;
    pub const REPLACE_SM: u32 = 0x07;
    pub const CANCEL_SM: u32 = 0x08;
    pub const BIND_TRANSCEIVER: u32 = 0x09;
    pub const OUTBIND: u32 = 0x0B;
    pub const ENQUIRE_LINK: u32 = 0x15;
    pub const SUBMIT_MULTI: u32 = 0x21;
    pub const BROADCAST_SM: u32 = 0x111;
    pub const DATA_SM: u32 = 0x103;
    /// The bit of answers.
    pub const ANSWER: u32 = 0x8000_0000;
    pub const GENERIC_NACK: u32 = ANSWER;
}

/// Tags of optional parameters.
pub mod tag {
    pub const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
    pub const USER_MESSAGE_REFERENCE: u16 = 0x0204;
    pub const SAR_MSG_REF_NUM: u16 = 0x020C;
    pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
    pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
    pub const SC_INTERFACE_VERSION: u16 = 0x0210;
    pub const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub const MESSAGE_STATE: u16 = 0x0427;
    pub const MESSAGE_IDS: u16 = 0x1504;
    pub const REQID: u16 = 0x1501;
}

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one look for octets takes.
const LOOK: Duration = Duration::from_millis(20);

/// A PDU that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pdu {
    pub command: u32,
    pub status: u32,
    pub sequence: u32,
    pub body: Vec<u8>,
}

impl Pdu {
    /// The text at the front of the body, up to its NUL: the id of an answer to a message.
    pub fn id(&self) -> String {
        let end = self.body.iter().position(|&octet| octet == 0).unwrap_or(self.body.len());
        String::from_utf8_lossy(&self.body[..end]).into_owned()
    }
}

/// What a submit_multi_resp holds (SMPP 3.4, 4.5.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MultiAnswer {
    pub id: String,
    /// Who was not taken, and why.
    pub failed: Vec<(String, u32)>,
    /// Of each destination the id, or nothing.
    pub ids: Vec<String>,
}

impl MultiAnswer {
    /// Reads it.
    ///
    /// # Panics
    /// When it is none.
    pub fn read(pdu: &Pdu) -> Self {
        assert_eq!(pdu.command, command::SUBMIT_MULTI | command::ANSWER);
        let id = pdu.id();
        let mut rest = &pdu.body[id.len() + 1..];
        let count = rest[0];
        rest = &rest[1..];
        let mut failed = Vec::new();
        for _ in 0..count {
            let end = 2 + rest[2..].iter().position(|&octet| octet == 0).expect("a NUL");
            let name = String::from_utf8(rest[2..end].to_vec()).expect("ASCII");
            let status = rest[end + 1..end + 5].try_into().expect("four octets");
            failed.push((name, u32::from_be_bytes(status)));
            rest = &rest[end + 5..];
        }
        let ids = tlvs_of(rest).into_iter().find(|(tag, _)| *tag == tag::MESSAGE_IDS);
        let ids = String::from_utf8(ids.map(|(_, value)| value).unwrap_or_default());
        let ids = ids.expect("ASCII").split(',').map(str::to_owned).collect();
        Self { id, failed, ids }
    }
}

/// A receipt: what its deliver_sm holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub sequence: u32,
    pub from: String,
    pub to: String,
    pub esm_class: u8,
    pub text: String,
    tlvs: Vec<(u16, Vec<u8>)>,
}

impl Receipt {
    /// Reads the body of a deliver_sm (SMPP 3.4, 4.6.1).
    ///
    /// # Panics
    /// When it is none.
    pub fn read(pdu: &Pdu) -> Self {
        assert_eq!(pdu.command, command::DELIVER_SM);
        let mut at = 0;
        let text = |at: &mut usize| {
            let begun = *at;
            while pdu.body[*at] != 0 {
                *at += 1;
            }
            *at += 1;
            String::from_utf8(pdu.body[begun..*at - 1].to_vec()).expect("ASCII")
        };
        text(&mut at);
        at += 2;
        let from = text(&mut at);
        at += 2;
        let to = text(&mut at);
        let esm_class = pdu.body[at];
        at += 3;
        text(&mut at);
        text(&mut at);
        at += 4;
        let length = usize::from(pdu.body[at]);
        // Latin-1, which ASCII is a part of.
        let text =
            pdu.body[at + 1..at + 1 + length].iter().map(|&octet| char::from(octet)).collect();
        let tlvs = tlvs_of(&pdu.body[at + 1 + length..]);
        Self { sequence: pdu.sequence, from, to, esm_class, text, tlvs }
    }

    /// A field of the text, such as `stat`.
    pub fn field(&self, name: &str) -> &str {
        let begins = format!("{name}:");
        let at = self.text.find(&begins).unwrap_or_else(|| panic!("no {name}: {}", self.text));
        self.text[at + begins.len()..].split(' ').next().unwrap_or_default()
    }

    /// The value of an optional parameter.
    pub fn tlv(&self, tag: u16) -> Option<&[u8]> {
        self.tlvs.iter().find(|(known, _)| *known == tag).map(|(_, value)| &value[..])
    }
}

fn tlvs_of(mut octets: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut tlvs = Vec::new();
    while octets.len() >= 4 {
        let length = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
        let tag = u16::from_be_bytes([octets[0], octets[1]]);
        tlvs.push((tag, octets[4..4 + length].to_vec()));
        octets = &octets[4 + length..];
    }
    tlvs
}

/// A submit_sm under construction; by default a receipt is wanted of every end.
#[derive(Clone, Debug)]
pub struct Submit {
    pub source: (u8, u8, String),
    pub destination: (u8, u8, String),
    pub esm_class: u8,
    pub priority: u8,
    pub schedule: String,
    pub validity: String,
    pub registered_delivery: u8,
    pub replace: u8,
    pub data_coding: u8,
    pub default_message: u8,
    pub text: Vec<u8>,
    pub tlvs: Vec<(u16, Vec<u8>)>,
}

impl Submit {
    /// A text to this msn, with the country code.
    pub fn text(msn: &str, text: &str) -> Self {
        Self {
            source: (0, 0, String::new()),
            destination: (1, 1, format!("81{}", &msn[1..])),
            esm_class: 0,
            priority: 0,
            schedule: String::new(),
            validity: String::new(),
            registered_delivery: 1,
            replace: 0,
            data_coding: 0,
            default_message: 0,
            text: text.as_bytes().to_vec(),
            tlvs: Vec::new(),
        }
    }

    /// Adds an optional parameter.
    #[must_use]
    pub fn with(mut self, tag: u16, value: &[u8]) -> Self {
        self.tlvs.push((tag, value.to_vec()));
        self
    }

    /// The body of the PDU (SMPP 3.4, 4.4.1).
    pub fn body(&self) -> Vec<u8> {
        let mut body = vec![0];
        for (ton, npi, digits) in [&self.source, &self.destination] {
            body.extend([*ton, *npi]);
            put_text(&mut body, digits);
        }
        body.extend([self.esm_class, 0, self.priority]);
        put_text(&mut body, &self.schedule);
        put_text(&mut body, &self.validity);
        body.extend([self.registered_delivery, self.replace, self.data_coding]);
        body.extend([self.default_message, self.text.len() as u8]);
        body.extend_from_slice(&self.text);
        put_tlvs(&mut body, &self.tlvs);
        body
    }

    /// The same as the body of a submit_multi to these phones and then to these lists (SMPP 3.4,
    /// 4.5.1).
    pub fn multi_body(&self, msns: &[&str], lists: &[&str]) -> Vec<u8> {
        let (ton, npi, digits) = &self.source;
        let mut body = vec![0, *ton, *npi];
        put_text(&mut body, digits);
        body.push((msns.len() + lists.len()) as u8);
        for msn in msns {
            body.extend([1, 1, 1]);
            put_text(&mut body, &format!("81{}", &msn[1..]));
        }
        for list in lists {
            body.push(2);
            put_text(&mut body, list);
        }
        let single = self.body();
        let heads: usize =
            [&self.source, &self.destination].iter().map(|(.., digits)| 3 + digits.len()).sum();
        body.extend_from_slice(&single[1 + heads..]);
        body
    }

    /// The same as the body of a data_sm (SMPP 3.4, 4.7.1): the text is a parameter.
    pub fn data_body(&self) -> Vec<u8> {
        let mut body = vec![0];
        for (ton, npi, digits) in [&self.source, &self.destination] {
            body.extend([*ton, *npi]);
            put_text(&mut body, digits);
        }
        body.extend([self.esm_class, self.registered_delivery, self.data_coding]);
        put_tlvs(&mut body, &[(tag::MESSAGE_PAYLOAD, self.text.clone())]);
        put_tlvs(&mut body, &self.tlvs);
        body
    }
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

fn put_tlvs(body: &mut Vec<u8>, tlvs: &[(u16, Vec<u8>)]) {
    for (tag, value) in tlvs {
        body.extend(tag.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend_from_slice(value);
    }
}

/// A PDU's octets.
pub fn pdu(command: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    answer_pdu(command, 0, sequence, body)
}

fn answer_pdu(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(16 + body.len());
    for number in [16 + body.len() as u32, command, status, sequence] {
        octets.extend(number.to_be_bytes());
    }
    octets.extend_from_slice(body);
    octets
}

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
