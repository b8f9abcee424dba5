//! TLS 1.3 of the generator's own, by rustls over its plain sockets: the engine's link is under
//! test and no part of the instrument.
//!
//! A [`TargetTls`] says with whom TLS is spoken and who is trusted; a `TargetStream` is a
//! connection that speaks it, or plainly. A connection that ends without the target's goodbye is an
//! error: what came before may be cut.

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Octets of a file of certificates or of a key, at most.
const PEM_OCTETS_MAX: u64 = 4 << 20;
/// Tickets of the target that a run keeps for connections that are made again.
const TICKETS_MAX: usize = 1_024;

/// The files that TLS is spoken with, PEM.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsIdentity {
    /// Authorities that are trusted beside those of this system.
    pub authorities: Option<PathBuf>,
    /// A certificate to be shown to a target that asks for one, and its key.
    pub shown: Option<(PathBuf, PathBuf)>,
}

/// Why TLS cannot be spoken: one sentence with its remedy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsFault(String);

/// With whom TLS is spoken, and who is trusted.
#[derive(Clone)]
pub struct TargetTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl std::fmt::Debug for TargetTls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TargetTls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TargetTls {
    /// TLS with a target whose certificate has to be made for this name or address.
    ///
    /// # Errors
    /// The first thing that is wrong with the files, or with the name.
    pub fn read(identity: &TlsIdentity, host: &str) -> Result<Self, TlsFault> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &identity.authorities {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| {
                    TlsFault(format!(
                        "{} holds a certificate that is no authority's ({error}): name a file of \
                         authorities.",
                        path.display()
                    ))
                })?;
            }
        }
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unset = |error: rustls::Error| TlsFault(format!("TLS cannot be set up ({error})."));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unset)?
            .with_root_certificates(roots);
        let mut config = match &identity.shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let (chain, signing) = (certificates(certificate)?, private_key(key)?);
                builder.with_client_auth_cert(chain, signing).map_err(|error| {
                    TlsFault(format!(
                        "the certificate {} and the key {} cannot be used ({error}): give a \
                         certificate and the key that it was made with.",
                        certificate.display(),
                        key.display()
                    ))
                })?
            }
        };
        config.resumption = Resumption::in_memory_sessions(TICKETS_MAX);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            TlsFault(format!("no certificate can be made for {host:?}: name the target's host."))
        })?;
        Ok(Self { config: Arc::new(config), name })
    }

    fn begin(&self) -> io::Result<Box<ClientConnection>> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
            .map(Box::new)
            .map_err(io::Error::other)
    }
}

/// A connection to a target, over a socket that waits or one that does not.
pub(crate) struct TargetStream<S> {
    pub(crate) socket: S,
    tls: Option<Box<ClientConnection>>,
}

impl TargetStream<std::net::TcpStream> {
    /// The same over a socket that does not wait.
    pub(crate) fn into_polled(self) -> io::Result<TargetStream<mio::net::TcpStream>> {
        self.socket.set_nonblocking(true)?;
        self.socket.set_nodelay(true)?;
        Ok(TargetStream { socket: mio::net::TcpStream::from_std(self.socket), tls: self.tls })
    }

    /// Shakes hands, over a socket that waits; each wait ends after `within`.
    pub(crate) fn shake_hands(&mut self, within: std::time::Duration) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        self.socket.set_read_timeout(Some(within))?;
        self.socket.set_write_timeout(Some(within))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut self.socket)?;
        }
        Ok(())
    }
}

impl<S: Read + Write> TargetStream<S> {
    /// Over a socket that is connected, or about to be.
    pub(crate) fn over(socket: S, tls: Option<&TargetTls>) -> io::Result<Self> {
        Ok(Self { socket, tls: tls.map(TargetTls::begin).transpose()? })
    }

    /// Whether it speaks no TLS: then a read that brings less than it could has emptied the socket.
    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Whether the socket has taken everything that was sealed.
    pub(crate) fn is_flushed(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.wants_write())
    }

    /// Writes until the socket takes no more; how many of the octets are done with. Under TLS they
    /// may still wait to be sent: a call with none sends on.
    pub(crate) fn write_now(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Self { socket, tls } = self;
        let Some(tls) = tls else { return write_plain(socket, octets) };
        let mut done = 0;
        loop {
            if !write_sealed(socket, tls)? || done == octets.len() {
                return Ok(done);
            }
            // Before the handshake is over it keeps some, and takes no more then.
            match tls.writer().write(&octets[done..])? {
                0 => return Ok(done),
                taken => done += taken,
            }
        }
    }

    /// Reads once; an end without a goodbye is an error under TLS.
    pub(crate) fn read_now(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Self { socket, tls } = self;
        let Some(tls) = tls else { return socket.read(space) };
        loop {
            match tls.reader().read(space) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            // An end is noted, and told by the next look.
            tls.read_tls(socket)?;
            let opened = tls.process_new_packets();
            // What has to be said: of the handshake, or why it failed.
            let written = write_sealed(socket, tls);
            opened.map_err(io::Error::other)?;
            written?;
        }
    }

    /// Says that nothing more follows, as far as the socket takes it at once.
    pub(crate) fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // A target that is gone needs no goodbye.
            let _ = write_sealed(&mut self.socket, tls);
        }
    }
}

fn write_plain(socket: &mut impl Write, octets: &[u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < octets.len() {
        match socket.write(&octets[done..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes what is sealed; whether the socket took all of it.
fn write_sealed(socket: &mut impl Write, tls: &mut ClientConnection) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let octets = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsFault(format!("{} holds no certificate: give a PEM file.", path.display()))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| {
        let shown = path.display();
        TlsFault(format!("{shown} holds no private key without a password: give a PEM file."))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    let read = host::reading::read_bounded(path, PEM_OCTETS_MAX).map(String::into_bytes);
    read.map_err(|error| {
        TlsFault(format!("{} cannot be read ({error}): correct the path.", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::generate_simple_self_signed;
    use rustls::{ServerConfig, ServerConnection};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, text).expect("a writable directory");
        path
    }

    /// A certificate for `gateway.example`, and a server that has it.
    fn made(directory: &Path) -> (PathBuf, Arc<ServerConfig>) {
        let made = generate_simple_self_signed(["gateway.example".to_owned()]).expect("made");
        let path = write(directory, "cert.pem", &made.cert.pem());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
        (path, Arc::new(config))
    }

    /// A server that sends back what comes, piece by piece, until the client says goodbye; then it
    /// says goodbye, or goes without a word.
    fn echo(config: Arc<ServerConfig>, says_goodbye: bool) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut tls = ServerConnection::new(config).expect("a server");
            let mut stream = rustls::Stream::new(&mut tls, &mut socket);
            let mut piece = [0; 1_000];
            while let Ok(octets @ 1..) = stream.read(&mut piece) {
                stream.write_all(&piece[..octets]).expect("a client that reads");
            }
            if says_goodbye {
                tls.send_close_notify();
                let _ = tls.write_tls(&mut socket);
            }
        });
        address
    }

    fn open(address: std::net::SocketAddr, tls: &TargetTls) -> io::Result<TargetStream<TcpStream>> {
        let mut stream = TargetStream::over(TcpStream::connect(address)?, Some(tls))?;
        stream.shake_hands(Duration::from_secs(10))?;
        Ok(stream)
    }

    #[test]
    fn octets_go_out_and_come_back_and_a_goodbye_is_an_end() {
        let place = tempfile::tempdir().expect("a directory");
        let (path, config) = made(place.path());
        let identity = TlsIdentity { authorities: Some(path), shown: None };
        let tls = TargetTls::read(&identity, "gateway.example").expect("good files");
        for says_goodbye in [true, false] {
            let address = echo(Arc::clone(&config), says_goodbye);
            let mut stream = open(address, &tls).expect("a handshake");
            let said: Vec<u8> = (0..100_000u32).map(|number| number as u8).collect();
            let mut heard = Vec::new();
            for piece in said.chunks(10_000) {
                assert_eq!(stream.write_now(piece).expect("written"), piece.len());
                let until = heard.len() + piece.len();
                while heard.len() < until {
                    let mut space = [0; 4_096];
                    let octets = stream.read_now(&mut space).expect("an echo");
                    heard.extend_from_slice(&space[..octets]);
                }
            }
            assert!(heard == said && stream.is_flushed());
            stream.say_goodbye();
            let ended = stream.read_now(&mut [0; 10]);
            assert_eq!(ended.as_ref().ok(), says_goodbye.then_some(&0), "{ended:?}");
        }
    }

    #[test]
    fn a_target_that_is_not_trusted_or_has_another_name_is_refused() {
        let place = tempfile::tempdir().expect("a directory");
        let (path, config) = made(place.path());
        let trusting = TlsIdentity { authorities: Some(path), shown: None };
        for (identity, host, part) in [
            (TlsIdentity::default(), "gateway.example", "UnknownIssuer"),
            (trusting, "elsewhere.example", "not valid for name"),
        ] {
            let tls = TargetTls::read(&identity, host).expect("good files");
            let refused = open(echo(Arc::clone(&config), true), &tls).err().expect(part);
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named_in_one_sentence() {
        let place = tempfile::tempdir().expect("a directory");
        let text = write(place.path(), "text.pem", "no PEM");
        let (path, _) = made(place.path());
        let gone = place.path().join("gone.pem");
        for identity in [
            TlsIdentity { authorities: Some(text.clone()), shown: None },
            TlsIdentity { authorities: Some(gone), shown: None },
            TlsIdentity { authorities: None, shown: Some((path.clone(), text.clone())) },
            TlsIdentity { authorities: None, shown: Some((text, path)) },
        ] {
            let refused = TargetTls::read(&identity, "localhost").expect_err("bad files");
            let sentence = refused.to_string();
            assert!(sentence.contains(".pem") && sentence.ends_with('.'), "{sentence}");
            assert!(!sentence.contains('\n'), "{sentence}");
        }
        let refused = TargetTls::read(&TlsIdentity::default(), "a b").expect_err("no name");
        assert!(refused.to_string().contains("\"a b\""), "{refused}");
    }
}
