//! TLS 1.3 over a plain socket that its caller waits for: how a command reaches an admin port.
//!
//! Never on a shard's thread. Nothing is sent to a server that is not who it should be.

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::{Calling, CallingFiles, TlsError, authorities, cause, clause, client_config};

/// Whom a command trusts at an admin port, and what it shows there.
#[derive(Clone)]
pub struct AdminTrust {
    config: Arc<ClientConfig>,
}

impl std::fmt::Debug for AdminTrust {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AdminTrust").finish_non_exhaustive()
    }
}

impl AdminTrust {
    /// Reads the files. Authorities that are named are trusted alone, and those of this system
    /// where none are.
    ///
    /// # Errors
    /// The first thing that is wrong with the files.
    pub fn read(files: &CallingFiles) -> std::result::Result<Self, TlsError> {
        let roots = match &files.authorities {
            Some(path) => authorities("admin authority", path)?,
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        let config = client_config(roots, files.shown.as_ref(), ["admin certificate", "admin key"]);
        Ok(Self { config: Arc::new(config?) })
    }

    /// Shakes hands with a server that has to have this name or address; within the socket's own
    /// time-outs.
    ///
    /// # Errors
    /// What the system said, or why the server is not who it should be, as a clause.
    pub fn secure(&self, host: &str, socket: TcpStream) -> Result<SecureStream> {
        shake_hands(&self.config, host, socket)
    }
}

impl Calling {
    /// The same with a server that is called: a carrier, by a command that tries it.
    ///
    /// # Errors
    /// As [`AdminTrust::secure`].
    pub fn over(&self, host: &str, socket: TcpStream) -> Result<SecureStream> {
        shake_hands(&self.config, host, socket)
    }
}

fn shake_hands(
    config: &Arc<ClientConfig>,
    host: &str,
    mut socket: TcpStream,
) -> Result<SecureStream> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::other(format!("no certificate can be made for the name {host}")))?;
    let mut connection = ClientConnection::new(Arc::clone(config), name)
        .map_err(|error| Error::other(clause(&error)))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).map_err(told)?;
    }
    Ok(SecureStream { stream: StreamOwned::new(connection, socket) })
}

/// A connection to a server that was found to be who it should be.
#[derive(Debug)]
pub struct SecureStream {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl SecureStream {
    /// The socket, for its time-outs.
    pub fn socket(&self) -> &TcpStream {
        &self.stream.sock
    }
}

impl Read for SecureStream {
    fn read(&mut self, octets: &mut [u8]) -> Result<usize> {
        self.stream.read(octets).map_err(told)
    }
}

impl Write for SecureStream {
    fn write(&mut self, octets: &[u8]) -> Result<usize> {
        self.stream.write(octets).map_err(told)
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.flush().map_err(told)
    }
}

/// The error in words that a person understands, where TLS is its cause.
fn told(error: Error) -> Error {
    match error.kind() {
        // How rustls hands on what it found.
        ErrorKind::InvalidData => Error::new(ErrorKind::InvalidData, cause(&error)),
        ErrorKind::UnexpectedEof => Error::new(
            ErrorKind::UnexpectedEof,
            "the other side closed the connection, as one does that speaks no TLS 1.3",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::path::PathBuf;

    #[test]
    fn a_server_that_speaks_no_tls_and_a_name_that_is_none_are_told_of_in_words() {
        let place = tempfile::tempdir().expect("a directory");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let file: PathBuf = place.path().join("ca.pem");
        std::fs::write(&file, made.cert.pem()).expect("writable");
        let files = CallingFiles { authorities: Some(file.clone()), shown: None };
        let trust = AdminTrust::read(&files).expect("good files");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            // What is left unread would make the end a reset.
            for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
                let (mut socket, _) = listener.accept().expect("a client");
                let _ = socket.read(&mut [0; 16_384]);
                let _ = socket.write_all(answer);
            }
        });
        let connect = || TcpStream::connect(address).expect("a connection");
        let refused = trust.secure("localhost", connect()).expect_err("no TLS").to_string();
        assert!(refused.contains("does not speak TLS"), "{refused}");
        let refused = trust.secure("localhost", connect()).expect_err("no TLS").to_string();
        assert!(refused.contains("closed the connection"), "{refused}");
        server.join().expect("no panic");
        std::fs::write(&file, "no PEM").expect("writable");
        let refused = AdminTrust::read(&files).expect_err("no PEM").to_string();
        assert!(refused.contains("admin authority") && refused.contains("ca.pem"), "{refused}");
    }
}
