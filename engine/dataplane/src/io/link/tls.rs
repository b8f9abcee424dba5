//! TLS 1.3 on a link: records in, the session's octets out, and back.
//!
//! The session never knows. What comes is kept until it is whole records; a handshake goes on only
//! when the shard has time for a step of it, for one takes 0.1 to 1.5 ms. What the session says is
//! sealed when the socket is free for it, 64 KiB at a time. Every buffer stands here or in the
//! link, where it is counted and given back.
//!
//! An end of the connection without the peer's `close_notify` may be anybody's: what is half there
//! counts for nothing then.
//!
//! Never here: a socket, or a certificate.

#[cfg(test)]
mod tests;

use crate::gateway::certificate::CertificateDigest;
use crate::io::limits::{
    HANDSHAKE_OCTETS_MAX, HOLLOW_RECORD_OCTETS, HOLLOW_RECORDS_MAX, SEAL_OCTETS_MAX,
    TLS_STATE_OCTETS,
};
use crate::io::tls::{Acceptance, Call};
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, HandshakeKind};
use wire::terms::time::SteadyMs;

/// A record's head: its kind, a version of old, and its length.
const RECORD_HEAD_OCTETS: usize = 5;
/// The longest record that TLS 1.3 knows, without its head.
const RECORD_OCTETS_MAX: usize = 16_384 + 256;
/// What sealing adds to 16 KiB at most, with room to spare.
const SEALING_OCTETS: usize = 64;
/// Kinds of records: change_cipher_spec, alert, handshake, application_data.
const RECORD_KINDS: std::ops::RangeInclusive<u8> = 20..=23;

/// What a client is told that speaks plain HTTP to a port that speaks TLS.
const SPEAKS_PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 55\r\nConnection: close\r\n\r\n\
    This port speaks TLS 1.3: use https:// and not http://\n";

/// What the records that came were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::io) enum Opened {
    /// It goes on.
    Goes,
    /// The peer says no more, in so many words.
    Ended,
    /// The connection is no good any more; what is left to be said, says why.
    Broken,
}

/// One side of TLS.
enum Side {
    /// A client is expected that has not said a whole record.
    Expected(Acceptance),
    /// A server is to be called.
    ToCall(Box<Call>),
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// What is said when there is leave.
enum Words<'a> {
    None,
    Octets(&'a [u8]),
    Goodbye,
}

/// What a look at the records came to.
enum Seen {
    /// There may be more.
    More,
    /// Nothing is left that is whole.
    Rest,
    /// The peer says no more.
    Closed,
}

/// Why a connection is no good.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::io) enum Failure {
    /// The peer speaks plain HTTP.
    Plain,
    /// The handshake is longer than any honest one.
    Endless,
    /// Too many records came that hold nothing.
    Hollow,
    /// TLS failed.
    Tls(rustls::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain => write!(formatter, "the client speaks plain HTTP to a port for TLS"),
            Self::Endless => write!(formatter, "the handshake is longer than any needs to be"),
            Self::Hollow => write!(formatter, "the other side sends records with nothing in them"),
            Self::Tls(error) => write!(formatter, "{}", crate::io::tls::clause(error)),
        }
    }
}

/// The state of TLS on one link.
pub(in crate::io) struct Tls {
    side: Side,
    /// Records that came and are not opened.
    records: Vec<u8>,
    /// Octets of them that were looked at, and are part of something that is not whole.
    looked_at: usize,
    /// Records to be sent.
    sealed: Vec<u8>,
    /// The first word of a call can leave.
    word_due: bool,
    /// It is broken, and why; nothing more is opened.
    failure: Option<Failure>,
    /// The peer said that it says no more.
    peer_closed: bool,
    /// The socket's half is to be closed once all is sent.
    finishing: bool,
    /// Records that were opened, those of them that held something for the session, and how much.
    opened: u64,
    full: u64,
    full_octets: u64,
    /// Octets of the certificates that the peer showed, which are kept with its state.
    shown_octets: usize,
    /// Stands in the shard's line of handshakes.
    pub(in crate::io) listed: bool,
    /// Counts among those whose handshake is not over.
    pub(in crate::io) counted: bool,
    /// Since when the peer's next word of the handshake is awaited; none while a step is due.
    pub(in crate::io) awaited_since_ms: Option<SteadyMs>,
    /// For how long its words before were awaited.
    pub(in crate::io) awaited_ms: u64,
    /// Steps that were taken.
    pub(in crate::io) steps: u8,
    /// Which of the shard's acceptances it came in by.
    pub(in crate::io) admission: u32,
}

impl Tls {
    /// Of a client that is about to say its first word.
    pub(in crate::io) fn accepting(acceptance: Acceptance) -> Self {
        Self::of(Side::Expected(acceptance))
    }

    /// Of a server that is about to be called.
    pub(in crate::io) fn calling(call: Call) -> Self {
        Self::of(Side::ToCall(Box::new(call)))
    }

    fn of(side: Side) -> Self {
        Self {
            side,
            records: Vec::new(),
            looked_at: 0,
            sealed: Vec::new(),
            word_due: false,
            failure: None,
            peer_closed: false,
            finishing: false,
            opened: 0,
            full: 0,
            full_octets: 0,
            shown_octets: 0,
            listed: false,
            counted: false,
            awaited_since_ms: None,
            awaited_ms: 0,
            steps: 0,
            admission: 0,
        }
    }

    /// Keeps octets that came, until they are opened.
    pub(in crate::io) fn put(&mut self, octets: &[u8]) {
        if self.is_shaking() {
            // Not twice as much as there is: nobody knows yet who that is.
            self.records.reserve_exact(octets.len());
        }
        self.records.extend_from_slice(octets);
    }

    /// Whether the handshake is not over.
    pub(in crate::io) fn is_shaking(&self) -> bool {
        self.side.state().is_none_or(CommonState::is_handshaking)
    }

    /// The server that is called can hear: the first word is a step that is due.
    pub(in crate::io) fn may_call(&mut self) {
        self.word_due = true;
    }

    /// Whether the handshake can go on: its first word can leave, or a whole record is there, or
    /// something that is none.
    pub(in crate::io) fn step_is_due(&self) -> bool {
        let has_news = self.records.len() > self.looked_at && has_record(&self.records);
        (has_news || self.word_due) && self.failure.is_none() && self.is_shaking()
    }

    /// Octets of records that came and are not opened.
    pub(in crate::io) fn unopened(&self) -> usize {
        self.records.len()
    }

    /// Whether the handshake was one by a ticket.
    pub(in crate::io) fn is_resumed(&self) -> bool {
        let kind = self.side.state().and_then(CommonState::handshake_kind);
        kind == Some(HandshakeKind::Resumed)
    }

    /// The certificate that the peer has proved to have, once the handshake is over; from then on
    /// it counts as held.
    pub(super) fn take_certificate(&mut self) -> Option<CertificateDigest> {
        let shown = self.side.state()?.peer_certificates()?;
        let first = shown.first().map(|first| CertificateDigest::of(first));
        self.shown_octets = shown.iter().map(|one| one.len()).sum();
        first
    }

    /// Why it is broken, if it is.
    pub(in crate::io) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether the peer said that it says no more.
    pub(super) fn is_closed_by_peer(&self) -> bool {
        self.peer_closed
    }

    /// Opens the records that are whole: what they hold is put behind `plain`.
    pub(super) fn open(&mut self, plain: &mut Vec<u8>) -> Opened {
        if self.failure.is_some() {
            return Opened::Broken;
        }
        if let Side::Expected(acceptance) = &self.side {
            if self.records.first().is_some_and(u8::is_ascii_alphabetic) {
                self.sealed.extend_from_slice(SPEAKS_PLAIN_HTTP);
                return self.fail(Failure::Plain);
            }
            match UnbufferedServerConnection::new(acceptance.config()) {
                Ok(connection) => self.side = Side::Server(Box::new(connection)),
                Err(error) => return self.fail(Failure::Tls(error)),
            }
        }
        self.word_due = false;
        if let Side::ToCall(call) = &self.side {
            match call.begin() {
                Ok(connection) => self.side = Side::Client(Box::new(connection)),
                Err(error) => return self.fail(Failure::Tls(error)),
            }
        }
        let held = plain.len();
        let seen = self.look(plain, &Words::None);
        self.full_octets += (plain.len() - held) as u64;
        let allowed = HOLLOW_RECORDS_MAX + self.full_octets / HOLLOW_RECORD_OCTETS;
        // Those of a handshake have a bound of their own.
        if !self.is_shaking() && self.opened.saturating_sub(self.full) > allowed {
            return self.fail(Failure::Hollow);
        }
        match seen {
            Ok(Seen::Closed) => {
                self.peer_closed = true;
                Opened::Ended
            }
            // Records stay until the message that they are a part of is whole.
            Ok(_) if self.is_shaking() && self.records.len() > HANDSHAKE_OCTETS_MAX => {
                self.fail(Failure::Endless)
            }
            Ok(Seen::More | Seen::Rest) => Opened::Goes,
            Err(error) => {
                // Its alert tells the peer. Never a look at the records: after an error the
                // library's notes of them may lead beyond their end.
                while self.side.state().is_some_and(CommonState::wants_write) {
                    let _ = self.look_once(0, plain, &Words::None);
                }
                self.fail(Failure::Tls(error))
            }
        }
    }

    fn fail(&mut self, failure: Failure) -> Opened {
        self.failure = Some(failure);
        self.records = Vec::new();
        Opened::Broken
    }

    /// Looks at the records until none is whole, and says the words then.
    fn look(&mut self, plain: &mut Vec<u8>, words: &Words<'_>) -> Result<Seen, rustls::Error> {
        let mut opened = 0;
        let seen = loop {
            let (octets, seen) = self.look_once(opened, plain, words);
            opened += octets;
            match seen {
                Ok(Seen::More) => {}
                other => break other,
            }
        };
        self.opened += records_in(&self.records[..opened]);
        self.records.drain(..opened);
        self.looked_at = self.records.len();
        seen
    }

    fn look_once(
        &mut self,
        at: usize,
        plain: &mut Vec<u8>,
        words: &Words<'_>,
    ) -> (usize, Result<Seen, rustls::Error>) {
        let records = &mut self.records[at..];
        match &mut self.side {
            Side::Expected(_) | Side::ToCall(_) => (0, Ok(Seen::Rest)),
            Side::Server(connection) => {
                let (sealed, full) = (&mut self.sealed, &mut self.full);
                act(connection.process_tls_records(records), (plain, full), sealed, words)
            }
            Side::Client(connection) => {
                let (sealed, full) = (&mut self.sealed, &mut self.full);
                act(connection.process_tls_records(records), (plain, full), sealed, words)
            }
        }
    }

    /// Seals the first octets of what the session says, once the handshake is over. Whatever is
    /// opened meanwhile is put behind `plain`.
    pub(super) fn seal(&mut self, output: &mut Vec<u8>, plain: &mut Vec<u8>) {
        if output.is_empty() || self.failure.is_some() || self.is_shaking() {
            return;
        }
        let piece = output.len().min(SEAL_OCTETS_MAX);
        let said = self.look(plain, &Words::Octets(&output[..piece]));
        output.drain(..piece);
        if let Err(error) = said {
            self.fail(Failure::Tls(error));
        }
    }

    /// Says that nothing more follows.
    pub(super) fn say_goodbye(&mut self, plain: &mut Vec<u8>) {
        if self.failure.is_none() && !self.is_shaking() {
            // A peer that is gone needs no goodbye.
            let _ = self.look(plain, &Words::Goodbye);
        }
    }

    /// Records to be sent.
    pub(super) fn sealed(&mut self) -> &mut Vec<u8> {
        &mut self.sealed
    }

    /// The socket's half is to be closed once everything is sent.
    pub(super) fn finish(&mut self) {
        self.finishing = true;
    }

    /// Whether that is now; once.
    pub(super) fn finishes(&mut self) -> bool {
        self.sealed.is_empty() && std::mem::take(&mut self.finishing)
    }

    /// Octets of memory that it holds.
    pub(super) fn held(&self) -> usize {
        TLS_STATE_OCTETS + self.shown_octets + self.records.capacity() + self.sealed.capacity()
    }

    /// Gives memory back: the connection is idle.
    pub(super) fn shrink(&mut self) {
        self.records.shrink_to_fit();
        self.sealed.shrink_to_fit();
    }
}

impl Side {
    fn state(&self) -> Option<&CommonState> {
        match self {
            Self::Expected(_) | Self::ToCall(_) => None,
            Self::Server(connection) => Some(connection),
            Self::Client(connection) => Some(connection),
        }
    }
}

/// Whether the octets begin with a whole record, or with something that is none.
fn has_record(octets: &[u8]) -> bool {
    match octets {
        [] => false,
        [kind, ..] if !RECORD_KINDS.contains(kind) => true,
        [_, _, _, high, low, ..] => {
            let octets_in_record = usize::from(u16::from_be_bytes([*high, *low]));
            octets_in_record > RECORD_OCTETS_MAX
                || octets.len() >= RECORD_HEAD_OCTETS + octets_in_record
        }
        _ => false,
    }
}

/// How many records these octets are: whole ones, one behind the other.
fn records_in(mut octets: &[u8]) -> u64 {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = octets {
        let octets_in_record = usize::from(u16::from_be_bytes([*high, *low]));
        octets = rest.get(octets_in_record..).unwrap_or_default();
        count += 1;
    }
    count
}

/// Does what the state of the connection asks for; how many octets of the records are done with.
fn act<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    (plain, full): (&mut Vec<u8>, &mut u64),
    sealed: &mut Vec<u8>,
    words: &Words<'_>,
) -> (usize, Result<Seen, rustls::Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let seen = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Seen::More),
                Some(Err(error)) => break Err(error),
                Some(Ok(record)) => {
                    discard += record.discard;
                    *full += u64::from(!record.payload.is_empty());
                    plain.extend_from_slice(record.payload);
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(data)) => encode(data, sealed).map(|()| Seen::More),
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // It stands among the sealed records, in order, and leaves with them.
            data.done();
            Ok(Seen::More)
        }
        Ok(ConnectionState::WriteTraffic(writer)) => {
            say(writer, sealed, words).map(|()| Seen::Rest)
        }
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Seen::Closed),
        Ok(ConnectionState::BlockedHandshake) => Ok(Seen::Rest),
        // Early data is not offered, so none comes; nor what later versions know.
        Ok(_) => Err(rustls::Error::General("an unknown state of TLS".to_owned())),
    };
    (discard, seen)
}

/// Puts a handshake's record behind the sealed ones.
fn encode<Data>(
    mut data: EncodeTlsData<'_, Data>,
    sealed: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    let at = sealed.len();
    let wanted = match data.encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(least)) => least.required_size,
        Err(error @ EncodeError::AlreadyEncoded) => return Err(bug(&error)),
    };
    sealed.resize(at + wanted, 0);
    data.encode(&mut sealed[at..]).map(drop).map_err(|error| bug(&error))
}

/// Seals the words behind the sealed records.
fn say<Data>(
    mut writer: WriteTraffic<'_, Data>,
    sealed: &mut Vec<u8>,
    words: &Words<'_>,
) -> Result<(), rustls::Error> {
    let plain = match words {
        Words::None => return Ok(()),
        Words::Octets(octets) => octets.len(),
        Words::Goodbye => 0,
    };
    let at = sealed.len();
    let mut wanted = plain + (plain / RECORD_OCTETS_MAX + 2) * SEALING_OCTETS;
    for _ in 0..2 {
        sealed.resize(at + wanted, 0);
        let said = match words {
            Words::Octets(octets) => writer.encrypt(octets, &mut sealed[at..]),
            _ => writer.queue_close_notify(&mut sealed[at..]),
        };
        match said {
            Ok(octets) => {
                sealed.truncate(at + octets);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(least)) => wanted = least.required_size,
            Err(EncryptError::EncryptExhausted) => break,
        }
    }
    sealed.truncate(at);
    Err(rustls::Error::EncryptError)
}

/// The library refuses what it asked for.
fn bug(error: &EncodeError) -> rustls::Error {
    rustls::Error::General(error.to_string())
}
