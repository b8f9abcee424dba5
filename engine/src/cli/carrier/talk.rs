//! One connection to a carrier that its caller waits for: a request, its answer, and what comes in
//! between.
//!
//! Messages that are not the caller's are sent back: the carrier gives them to the sessions of a
//! running engine, which has the same account. Never here: what an answer means.

use crate::io::tls::{Calling, SecureStream};
use host::clock;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wire::smpp::command::Command;
use wire::smpp::frame::{Foreign, FrameError, Header, first_pdu};
use wire::smpp::pdu::{Body, MessageResp, Pdu, decode_leniently, encode};
use wire::smpp::receipt::Receipt;
use wire::smpp::status::Status;

/// How long a connection, a handshake and a write may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Room for any PDU that is written here.
const PDU_OCTETS_MAX: usize = 1_024;

/// How the octets go.
enum Stream {
    Plain(TcpStream),
    Secure(Box<SecureStream>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secure(stream) => stream.socket(),
        }
    }

    fn read(&mut self, octets: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(octets),
            Self::Secure(stream) => stream.read(octets),
        }
    }

    fn write_all(&mut self, octets: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(octets),
            Self::Secure(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }
}

/// A receipt that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Came {
    /// The id that it names.
    pub(super) id: Vec<u8>,
    /// The word for how the SMS ended.
    pub(super) word: String,
    /// The addresses that it stands between.
    pub(super) numbers: [Vec<u8>; 2],
}

/// An answer to a request, or the want of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    /// How the request fared.
    pub(super) status: Status,
    /// The whole PDU.
    pub(super) octets: Vec<u8>,
    /// How long it took.
    pub(super) waited: Duration,
}

/// What the caller says of a receipt: whether it is about its SMS.
pub(super) type IsOwn<'a> = &'a dyn Fn(&Came) -> bool;

/// The connection.
pub(super) struct Talk {
    stream: Stream,
    input: Vec<u8>,
    sequence: u32,
    /// Final receipts of the caller's SMS.
    pub(super) receipts: Vec<Came>,
    /// Messages that were sent back.
    pub(super) sent_back: u32,
}

impl Talk {
    /// Connects, and shakes hands where there is TLS to be spoken; how long the connect took.
    ///
    /// # Errors
    /// A clause that says what failed.
    pub(super) fn connect(
        address: SocketAddr,
        tls: Option<(&Calling, &str)>,
    ) -> Result<(Self, Duration), String> {
        let begun = clock::instant();
        let socket =
            TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| error.to_string())?;
        let took = clock::instant().duration_since(begun);
        let set = socket.set_nodelay(true);
        let set = set.and_then(|()| socket.set_read_timeout(Some(PATIENCE)));
        set.and_then(|()| socket.set_write_timeout(Some(PATIENCE)))
            .map_err(|error| error.to_string())?;
        let stream = match tls {
            None => Stream::Plain(socket),
            Some((calling, name)) => {
                let secure = calling.over(name, socket).map_err(|error| format!("TLS: {error}"))?;
                Stream::Secure(Box::new(secure))
            }
        };
        let (input, receipts) = (Vec::new(), Vec::new());
        Ok((Self { stream, input, sequence: 0, receipts, sent_back: 0 }, took))
    }

    /// Sends a request and waits for its answer; `None` where none comes in time.
    ///
    /// # Errors
    /// A clause that says what failed.
    pub(super) fn ask(
        &mut self,
        command: Command,
        body: &Body<'_>,
        patience: Duration,
        is_own: IsOwn<'_>,
    ) -> Result<Option<Answer>, String> {
        self.sequence += 1;
        let (begun, sequence) = (clock::instant(), self.sequence);
        self.say(command, Status::OK, sequence, body)?;
        while let Some(octets) = self.next(begun + patience)? {
            let Some(header) = Header::read(&octets) else { continue };
            let is_answer =
                header.command == command.response() || header.command == Command::GENERIC_NACK;
            if is_answer && header.sequence == sequence {
                let waited = clock::instant().duration_since(begun);
                return Ok(Some(Answer { status: header.status, octets, waited }));
            }
            self.take(&header, &octets, is_own)?;
        }
        Ok(None)
    }

    /// Waits until there is a receipt of the caller's SMS, or so late it is.
    ///
    /// # Errors
    /// A clause that says what failed.
    pub(super) fn await_receipt(
        &mut self,
        deadline: Instant,
        is_own: IsOwn<'_>,
    ) -> Result<(), String> {
        while self.receipts.is_empty() {
            let Some(octets) = self.next(deadline)? else { break };
            if let Some(header) = Header::read(&octets) {
                self.take(&header, &octets, is_own)?;
            }
        }
        Ok(())
    }

    /// Does what is to be done with something that was not asked for.
    fn take(&mut self, header: &Header, octets: &[u8], is_own: IsOwn<'_>) -> Result<(), String> {
        let (command, sequence) = (header.command, header.sequence);
        match command {
            Command::ENQUIRE_LINK => {
                self.say(command.response(), Status::OK, sequence, &Body::Empty)
            }
            Command::UNBIND => {
                self.say(command.response(), Status::OK, sequence, &Body::Empty)?;
                Err("the carrier unbinds".to_owned())
            }
            Command::DELIVER_SM | Command::DATA_SM => {
                let came = decode_leniently(octets).ok().and_then(|pdu| receipt_in(&pdu));
                let own = came.filter(|came| is_own(came));
                let answer = Body::MessageResp(MessageResp::default());
                let (status, body) = match own {
                    Some(_) => (Status::OK, &answer),
                    None => (Status::RECEIVER_TEMPORARY, &Body::Empty),
                };
                self.sent_back += u32::from(own.is_none());
                self.receipts.extend(own);
                self.say(command.response(), status, sequence, body)
            }
            _ => Ok(()),
        }
    }

    fn say(
        &mut self,
        command: Command,
        status: Status,
        sequence: u32,
        body: &Body<'_>,
    ) -> Result<(), String> {
        let mut pdu = [0; PDU_OCTETS_MAX];
        let octets = encode(&mut pdu, command, status, sequence, body, true);
        let octets = octets.map_err(|error| error.to_string())?;
        self.stream.write_all(&pdu[..octets]).map_err(|error| error.to_string())
    }

    /// The next PDU; `None` where it is too late.
    fn next(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, String> {
        loop {
            match first_pdu(&self.input) {
                Ok(None) => {}
                Ok(Some(pdu)) => {
                    let pdu = pdu.to_vec();
                    self.input.drain(..pdu.len());
                    return Ok(Some(pdu));
                }
                Err(error) => return Err(foreign(&error)),
            }
            let left = deadline.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return Ok(None);
            }
            let socket = self.stream.socket();
            socket.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
            let mut octets = [0; 4_096];
            match self.stream.read(&mut octets) {
                Ok(0) => return Err("the carrier closed the connection".to_owned()),
                Ok(count) => self.input.extend_from_slice(&octets[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

fn foreign(error: &FrameError) -> String {
    match error.foreign {
        Some(Foreign::Http) => "what answers there speaks HTTP and not SMPP".to_owned(),
        Some(Foreign::Tls) => "what answers there speaks TLS".to_owned(),
        None => format!("what answers there speaks no SMPP: it begins with {error}"),
    }
}

/// A final receipt.
fn receipt_in(pdu: &Pdu<'_>) -> Option<Came> {
    let (receipt, source, destination) = match &pdu.body {
        Body::Message(message) => {
            (Receipt::of_message(message)?, message.source, message.destination)
        }
        Body::Data(data) => (Receipt::of_data(data)?, data.source, data.destination),
        _ => return None,
    };
    let state = receipt.state.filter(|_| !receipt.is_intermediate)?;
    let numbers = [source, destination].map(|address| address.digits.to_vec());
    Some(Came { id: receipt.id?.to_vec(), word: state.word().to_owned(), numbers })
}
