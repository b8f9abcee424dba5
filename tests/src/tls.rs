//! Certificates of the tests' own authority, and a push client that speaks TLS by rustls over a
//! plain socket.

use crate::http::{Answer, Heard, expected};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The name that servers of the tests have.
pub const NAME: &str = "gateway.example";

/// An authority that certifies what the tests want.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// What a certificate is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Made {
    /// Good for years.
    Well,
    /// Its time was over long ago.
    Expired,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When no key can be made.
    #[allow(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server or client with these names.
    ///
    /// # Panics
    /// When a name is none.
    pub fn certify(&self, names: &[&str], made: Made) -> Certified {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if made == Made::Expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A certificate for a server with this name, for a key that is there already, PEM.
    ///
    /// # Panics
    /// When that is none, or the name.
    pub fn certify_key(&self, name: &str, key: &str) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let pair = KeyPair::from_pem(key).expect("a key");
        let certificate = params.signed_by(&pair, &self.issuer).expect("a certificate");
        Certified { certificate: certificate.pem(), key: key.to_owned() }
    }

    /// What a server is set up with that has this certificate, and asks for one of this authority's
    /// clients where one is named.
    ///
    /// # Panics
    /// When the certificate and its key do not go together.
    pub fn server(certified: &Certified, clients: Option<&Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = match clients {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                let certificate = CertificateDer::from(authority.issuer.der().to_vec());
                roots.add(certificate).expect("an authority");
                let roots = Arc::new(roots);
                WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                    .build()
                    .expect("an authority")
            }
        };
        let (chain, key) = certified.read();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .expect("a pair");
        Arc::new(config)
    }

    /// What a client is set up with that trusts this authority, and shows this certificate if any.
    ///
    /// # Panics
    /// When the certificate and its key do not go together.
    pub fn client(&self, shown: Option<&Certified>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.issuer.der().to_vec())).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let (chain, key) = shown.read();
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        config.resumption = Resumption::in_memory_sessions(64);
        Arc::new(config)
    }
}

impl Certified {
    fn read(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("PEM");
        (chain, PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM"))
    }

    /// Writes both into files of the directory that begin with the name.
    ///
    /// # Panics
    /// When the directory takes no file.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths =
            (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key.pem")));
        std::fs::write(&paths.0, &self.certificate).expect("a writable directory");
        std::fs::write(&paths.1, &self.key).expect("a writable directory");
        paths
    }
}

/// A connection that speaks TLS.
pub struct Secure {
    /// The TLS state, for tests that send records by hand.
    pub tls: ClientConnection,
    /// The socket.
    pub socket: TcpStream,
    heard: Heard,
}

impl Secure {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// What the other side or TLS said.
    pub fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let mut secure = Self::begin(address, config)?;
        while secure.tls.is_handshaking() {
            secure.tls.complete_io(&mut secure.socket)?;
        }
        Ok(secure)
    }

    /// Connects, and says nothing yet.
    ///
    /// # Errors
    /// What the system said.
    pub fn begin(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_WITHIN))?;
        socket.set_write_timeout(Some(ANSWER_WITHIN))?;
        let name = ServerName::try_from(NAME).map_err(std::io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
        Ok(Self { tls, socket, heard: Heard::default() })
    }

    /// Whether the handshake was one by a ticket.
    pub fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The records of these octets, and of whatever TLS has to say before them, not sent.
    ///
    /// # Panics
    /// When TLS takes none.
    pub fn seal(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        let mut drain = |tls: &mut ClientConnection| {
            while tls.wants_write() {
                tls.write_tls(&mut sealed).expect("a vector takes all");
            }
        };
        drain(&mut self.tls);
        for piece in octets.chunks(16 * 1024) {
            self.tls.writer().write_all(piece).expect("room");
            drain(&mut self.tls);
        }
        sealed
    }

    /// Sends octets.
    ///
    /// # Errors
    /// What the system said.
    pub fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        let sealed = self.seal(octets);
        self.socket.write_all(&sealed)
    }

    /// Sends octets and reads the answer.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn ask(&mut self, octets: &[u8]) -> Answer {
        self.try_send(octets).expect("a connection that takes octets");
        self.answer()
    }

    /// Reads the next answer.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        expected(self.try_answer())
    }

    /// Reads the next answer; `None` when the other side said that it says no more.
    ///
    /// # Errors
    /// A time-out, an alert, or an end without a goodbye.
    pub fn try_answer(&mut self) -> std::io::Result<Option<Answer>> {
        let Self { tls, socket, heard } = self;
        heard.answer(|octets| receive(tls, socket, octets))
    }

    /// Says that nothing more follows.
    ///
    /// # Panics
    /// When the connection takes nothing.
    pub fn say_goodbye(&mut self) {
        self.tls.send_close_notify();
        let sealed = self.seal(b"");
        self.socket.write_all(&sealed).expect("a connection that takes octets");
    }
}

/// Takes what came, once something has: 0 behind a goodbye.
fn receive(
    tls: &mut ClientConnection,
    socket: &mut TcpStream,
    heard: &mut Vec<u8>,
) -> std::io::Result<usize> {
    let mut buffer = [0; 64 * 1024];
    loop {
        match tls.reader().read(&mut buffer) {
            Ok(octets) => {
                heard.extend_from_slice(&buffer[..octets]);
                return Ok(octets);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        tls.read_tls(socket)?;
        tls.process_new_packets().map_err(std::io::Error::other)?;
    }
}

/// A server's end of a connection, plain or over TLS.
pub enum Wire {
    /// Octets as they are.
    Plain(TcpStream),
    /// In records.
    Secure(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    /// Of an accepted socket.
    ///
    /// # Panics
    /// When the configuration makes no server.
    pub fn of(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Self {
        match tls {
            None => Self::Plain(stream),
            Some(config) => {
                let tls = ServerConnection::new(Arc::clone(config)).expect("a server");
                Self::Secure(Box::new(StreamOwned::new(tls, stream)))
            }
        }
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => &stream.sock,
        }
    }

    /// Whether its handshake was one by a ticket.
    pub fn is_resumed(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Secure(stream) => stream.conn.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
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
