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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::tls::TlsFiles;
    use rcgen::generate_simple_self_signed;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::io::{Read as _, Write as _};
    use std::sync::Arc;

    /// A side that accepts, and a client that trusts it.
    fn pair() -> (Tls, ClientConnection) {
        pair_where(false)
    }

    /// The same; the client may have to show a certificate, and has none.
    fn pair_where(clients_are_certified: bool) -> (Tls, ClientConnection) {
        let made = generate_simple_self_signed(["gateway".to_owned()]).expect("a certificate");
        let place = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = place.path().join(name);
            std::fs::write(&path, text).expect("a writable directory");
            path
        };
        let files = TlsFiles {
            certificate: write("cert.pem", &made.cert.pem()),
            key: write("key.pem", &made.signing_key.serialize_pem()),
            client_ca: clients_are_certified.then(|| place.path().join("cert.pem")),
        };
        let acceptance = Acceptance::read(&files, None).expect("good files");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(made.cert.der().to_vec())).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("gateway").expect("a name");
        (
            Tls::accepting(acceptance),
            ClientConnection::new(Arc::new(config), name).expect("a client"),
        )
    }

    /// What the client has to send.
    fn said(client: &mut ClientConnection) -> Vec<u8> {
        let mut octets = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut octets).expect("a vector takes all");
        }
        octets
    }

    /// Hands the client what the other side has sealed; what it reads of it.
    fn heard(client: &mut ClientConnection, tls: &mut Tls) -> Vec<u8> {
        let sealed = std::mem::take(tls.sealed());
        let (mut rest, mut plain) = (&sealed[..], Vec::new());
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("a slice");
            client.process_new_packets().expect("good records");
            let mut buffer = [0; 1 << 16];
            while let Ok(octets @ 1..) = client.reader().read(&mut buffer) {
                plain.extend_from_slice(&buffer[..octets]);
            }
        }
        plain
    }

    /// Takes octets in pieces of that length, a step of the handshake whenever one is due.
    fn take(tls: &mut Tls, octets: &[u8], piece: usize, plain: &mut Vec<u8>) -> Opened {
        let mut opened = Opened::Goes;
        for octets in octets.chunks(piece) {
            tls.put(octets);
            if !tls.is_shaking() || tls.step_is_due() {
                opened = tls.open(plain);
            }
        }
        opened
    }

    /// Shakes hands, in pieces of that length.
    fn shake_hands(tls: &mut Tls, client: &mut ClientConnection, piece: usize) {
        let mut plain = Vec::new();
        assert_eq!(take(tls, &said(client), piece, &mut plain), Opened::Goes);
        assert!(heard(client, tls).is_empty() && tls.is_shaking());
        assert_eq!(take(tls, &said(client), piece, &mut plain), Opened::Goes);
        assert!(!tls.is_shaking() && !client.is_handshaking() && plain.is_empty());
    }

    #[test]
    fn what_comes_in_pieces_of_any_length_is_what_was_said() {
        for piece in [1, 2, 3, 4, 5, 6, 7, 100, 1_000, 1 << 20] {
            let (mut tls, mut client) = pair();
            shake_hands(&mut tls, &mut client, piece);
            let mut plain = Vec::new();
            for word in [&b"one"[..], b"", b"another", &[7; 40_000]] {
                client.writer().write_all(word).expect("room");
            }
            assert_eq!(take(&mut tls, &said(&mut client), piece, &mut plain), Opened::Goes);
            assert_eq!(plain, [&b"oneanother"[..], &[7; 40_000]].concat(), "pieces of {piece}");
            assert!(tls.records.is_empty());
        }
    }

    #[test]
    fn a_hello_in_many_records_is_put_together() {
        for piece in [1, 3, 50] {
            let (mut tls, mut client) = pair();
            let hello = said(&mut client);
            let mut steps = 0;
            for octets in hello[RECORD_HEAD_OCTETS..].chunks(piece) {
                let head = [&hello[..3], &(octets.len() as u16).to_be_bytes()].concat();
                for octets in [&head, octets] {
                    tls.put(octets);
                    steps += usize::from(tls.step_is_due());
                    if tls.step_is_due() {
                        assert_eq!(tls.open(&mut Vec::new()), Opened::Goes);
                    }
                    assert!(!tls.step_is_due(), "nothing new has come");
                }
            }
            assert!(steps >= hello.len() / piece, "{steps} steps");
            heard(&mut client, &mut tls);
            assert_eq!(take(&mut tls, &said(&mut client), 7, &mut Vec::new()), Opened::Goes);
            assert!(!tls.is_shaking() && !client.is_handshaking());
        }
    }

    #[test]
    fn a_record_that_is_cut_anywhere_waits_for_its_rest() {
        let (mut tls, mut client) = pair();
        shake_hands(&mut tls, &mut client, 1 << 20);
        let record = |client: &mut ClientConnection| {
            client.writer().write_all(b"a word").expect("room");
            said(client)
        };
        let mut plain = Vec::new();
        let length = record(&mut client).len();
        // The first one was not sent: another number of the sequence would not be opened.
        let (mut tls, mut client) = pair();
        shake_hands(&mut tls, &mut client, 1 << 20);
        for at in 1..length {
            let octets = record(&mut client);
            tls.put(&octets[..at]);
            assert_eq!(tls.open(&mut plain), Opened::Goes);
            assert!(plain.is_empty(), "cut at {at}");
            tls.put(&octets[at..]);
            assert_eq!(tls.open(&mut plain), Opened::Goes);
            assert_eq!(std::mem::take(&mut plain), b"a word", "cut at {at}");
        }
    }

    #[test]
    fn an_answer_of_any_length_is_sealed_piece_by_piece_and_read_whole() {
        let (mut tls, mut client) = pair();
        shake_hands(&mut tls, &mut client, 1 << 20);
        let answer: Vec<u8> = (0..300_000u32).map(|number| number as u8).collect();
        let (mut output, mut read, mut pieces) = (answer.clone(), Vec::new(), 0);
        while !output.is_empty() {
            let before = output.len();
            tls.seal(&mut output, &mut Vec::new());
            assert!(before - output.len() <= SEAL_OCTETS_MAX);
            pieces += 1;
            read.extend(heard(&mut client, &mut tls));
        }
        assert_eq!((read == answer, pieces), (true, 5));
        assert!(tls.held() < 3 * SEAL_OCTETS_MAX, "{}", tls.held());
        tls.shrink();
        assert_eq!(tls.held(), TLS_STATE_OCTETS);
    }

    #[test]
    fn nothing_is_said_before_the_handshake_is_over() {
        let (mut tls, mut client) = pair();
        let mut output = b"too early".to_vec();
        tls.seal(&mut output, &mut Vec::new());
        assert!(tls.sealed().is_empty() && output == b"too early");
        shake_hands(&mut tls, &mut client, 1 << 20);
        tls.seal(&mut output, &mut Vec::new());
        assert_eq!(heard(&mut client, &mut tls), b"too early");
    }

    #[test]
    fn a_goodbye_is_said_and_heard_and_what_was_said_before_it_counts() {
        let (mut tls, mut client) = pair();
        shake_hands(&mut tls, &mut client, 1 << 20);
        client.writer().write_all(b"the last word").expect("room");
        client.send_close_notify();
        let mut plain = Vec::new();
        assert!(!tls.is_closed_by_peer());
        assert_eq!(take(&mut tls, &said(&mut client), 1 << 20, &mut plain), Opened::Ended);
        assert!(tls.is_closed_by_peer() && plain == b"the last word");
        tls.seal(&mut b"an answer".to_vec(), &mut plain);
        tls.say_goodbye(&mut plain);
        assert_eq!(heard(&mut client, &mut tls), b"an answer");
        let state = client.process_new_packets().expect("good records");
        assert!(state.peer_has_closed());
    }

    #[test]
    fn plain_http_and_noise_are_refused_in_words_that_the_client_understands() {
        let (mut tls, _) = pair();
        tls.put(b"POST /smsgw/ HTTP/1.1");
        assert!(tls.step_is_due());
        assert_eq!(tls.open(&mut Vec::new()), Opened::Broken);
        let said = String::from_utf8(tls.sealed().clone()).expect("text");
        let (head, body) = said.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("https://"), "{said}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{said}");
        let (mut tls, _) = pair();
        tls.put(&[22, 3, 1, 0, 4, 1, 0, 0, 0]);
        assert_eq!(tls.open(&mut Vec::new()), Opened::Broken);
        assert_eq!(tls.sealed()[0], 21, "an alert");
        assert!(!tls.step_is_due() && tls.open(&mut Vec::new()) == Opened::Broken);
    }

    /// Seeded noise: whatever a peer sends, it breaks its own connection and nothing else. A panic
    /// here would end the engine.
    #[test]
    fn records_that_are_changed_cut_doubled_or_made_up_break_nothing_but_the_connection() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % below.max(1)
        };
        let mut broken = 0;
        for round in 0..600 {
            let (mut tls, mut client) = pair_where(round % 3 == 0);
            for flight in 0..4 {
                if flight >= 2 && !client.is_handshaking() {
                    let _ = client.writer().write_all(&vec![7; random(20_000)]);
                }
                let mut octets = said(&mut client);
                match random(6) {
                    0 => octets.truncate(random(octets.len())),
                    1 => {
                        let from = random(octets.len());
                        octets.extend_from_within(from..);
                    }
                    2 if !octets.is_empty() => {
                        let at = random(octets.len());
                        octets[at] ^= 1 << random(8);
                    }
                    3 => {
                        let made_up: Vec<u8> =
                            (0..random(300)).map(|_| random(256) as u8).collect();
                        let at = random(octets.len());
                        let kind = [20 + random(4) as u8, 3, 3, 0, random(256) as u8];
                        octets.splice(at..at, [&kind[..], &made_up].concat());
                    }
                    _ => {}
                }
                let piece = 1 + random(octets.len() + 1);
                take(&mut tls, &octets, piece, &mut Vec::new());
                tls.seal(&mut b"an answer".to_vec(), &mut Vec::new());
                let sealed = std::mem::take(tls.sealed());
                let _ = client.read_tls(&mut &sealed[..]).and_then(|_| {
                    client.process_new_packets().map(drop).map_err(std::io::Error::other)
                });
            }
            tls.say_goodbye(&mut Vec::new());
            broken += usize::from(tls.failure().is_some());
        }
        assert!((100..600).contains(&broken), "{broken} of 600");
    }

    #[test]
    fn a_client_that_shows_no_certificate_is_told_so() {
        let (mut tls, mut client) = pair_where(true);
        tls.put(&said(&mut client));
        assert_eq!(tls.open(&mut Vec::new()), Opened::Goes);
        assert!(heard(&mut client, &mut tls).is_empty() && !client.is_handshaking());
        tls.put(&said(&mut client));
        assert_eq!(tls.open(&mut Vec::new()), Opened::Broken);
        let sealed = std::mem::take(tls.sealed());
        client.read_tls(&mut &sealed[..]).expect("a slice");
        let told = client.process_new_packets().expect_err("an alert");
        assert!(told.to_string().contains("CertificateRequired"), "{told}");
    }

    /// Each new key costs as much as a dozen requests, and holds nothing.
    #[test]
    fn records_with_nothing_in_them_break_the_connection_and_honest_ones_never_do() {
        let (mut tls, mut client) = pair();
        shake_hands(&mut tls, &mut client, 1 << 20);
        let mut plain = Vec::new();
        // A letter a record, and a new key every now and then.
        for number in 0..5_000u32 {
            client.writer().write_all(b"x").expect("room");
            if number % 50 == 0 {
                client.refresh_traffic_keys().expect("a key");
            }
            let octets = said(&mut client);
            assert_eq!(take(&mut tls, &octets, 1 << 20, &mut plain), Opened::Goes, "{number}");
            tls.seal(&mut b"x".to_vec(), &mut plain);
            heard(&mut client, &mut tls);
        }
        let mut opened = Opened::Goes;
        let mut keys = 0;
        while opened == Opened::Goes && keys < 10_000 {
            if keys % 30 == 0 {
                client.writer().write_all(b"x").expect("room");
            }
            client.refresh_traffic_keys().expect("a key");
            keys += 1;
            opened = take(&mut tls, &said(&mut client), 1 << 20, &mut plain);
            tls.seal(&mut b"x".to_vec(), &mut plain);
            tls.sealed().clear();
        }
        assert_eq!((opened, tls.failure()), (Opened::Broken, Some(&Failure::Hollow)));
        assert!(keys < 1_000, "{keys} keys");
    }

    #[test]
    fn a_changed_record_is_refused() {
        let (mut tls, mut client) = pair();
        shake_hands(&mut tls, &mut client, 1 << 20);
        client.writer().write_all(b"a word").expect("room");
        let mut octets = said(&mut client);
        *octets.last_mut().expect("an octet") ^= 1;
        let mut plain = Vec::new();
        assert_eq!(take(&mut tls, &octets, 1 << 20, &mut plain), Opened::Broken);
        assert!(plain.is_empty() && tls.sealed()[0] == 23, "a sealed alert");
    }
}
