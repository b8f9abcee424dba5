//! The admin port over TLS: who is let in, who holds no place, and what a reload changes.

use super::*;
use crate::io::tls::{Acceptance, AdminTrust, CallingFiles, SecureStream, TlsFiles};
use std::net::TcpStream;
use std::path::Path;

/// An admin port that speaks TLS under the name localhost.
struct SecurePort {
    server: Option<AdminServer>,
    tls: Arc<AdminTls>,
    directory: tempfile::TempDir,
}

/// Writes a new certificate for localhost, its key, and gives what the port takes of them. The
/// certificate is its own authority.
fn certify(directory: &Path) -> Acceptance {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("writable");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("writable");
    Acceptance::read(&TlsFiles { certificate, key, client_ca: None }, None).expect("a pair")
}

impl SecurePort {
    fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let tls = AdminTls::new(certify(directory.path()));
        let doors = Doors {
            port: vec![TcpListener::bind("127.0.0.1:0").expect("a port")],
            tls: Some(Arc::clone(&tls)),
            ..Doors::default()
        };
        let change = TokenChange {
            name: "tests".to_owned(),
            roles: vec!["admin".to_owned()],
            ..TokenChange::default()
        };
        let own_token = change.token(SECRET, WallMs::ZERO).ok();
        let keeping = Keeping { connections_max: CONNECTIONS, own_token, ..Keeping::default() };
        let store = Store::open(directory.path()).expect("a store");
        let engine: Arc<dyn Engine> = Arc::new(FakeEngine::default());
        let server = AdminServer::start(doors, keeping, store, engine, Default::default());
        Self { server: Some(server.expect("started")), tls, directory }
    }

    fn socket(&self) -> TcpStream {
        let address = self.server.as_ref().and_then(AdminServer::port).expect("a port");
        TcpStream::connect(address).expect("a connection")
    }

    fn connect(&self) -> std::io::Result<SecureStream> {
        let authorities = Some(self.directory.path().join("cert.pem"));
        let files = CallingFiles { authorities, shown: None };
        AdminTrust::read(&files).expect("good files").secure("localhost", self.socket())
    }
}

impl Drop for SecurePort {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shut_down(Duration::from_secs(10));
        }
    }
}

/// The first line of the answer to a question under the tests' token.
fn ask(stream: &mut (impl std::io::Read + std::io::Write), host: &str) -> String {
    let request = format!(
        "GET /status HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {SECRET}\r\nConnection: \
         close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer and a goodbye");
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_client_over_tls_is_answered_and_one_in_plain_text_is_told_so() {
    let port = SecurePort::open();
    assert_eq!(ask(&mut port.connect().expect("a handshake"), "localhost"), "HTTP/1.1 200 OK");
    let other = ask(&mut port.connect().expect("a handshake"), "rebound.example");
    assert_eq!(other, "HTTP/1.1 403 Forbidden");
    let mut plain = port.socket();
    plain.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("taken");
    let mut answer = vec![0; 512];
    let octets = plain.read(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..octets]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("use https://"), "{answer}");
}

#[test]
fn clients_that_begin_a_handshake_at_the_admin_port_and_say_no_more_hold_no_place() {
    let port = SecurePort::open();
    let half: Vec<TcpStream> = (0..4 * CONNECTIONS)
        .map(|at| {
            let mut socket = port.socket();
            // The head of a record of the handshake, or not a word.
            let begun: &[u8] = if at % 2 == 0 { &[22, 3, 1, 1, 0, 1] } else { &[] };
            socket.write_all(begun).expect("taken");
            socket
        })
        .collect();
    assert_eq!(ask(&mut port.connect().expect("a handshake"), "localhost"), "HTTP/1.1 200 OK");
    drop(half);
}

#[test]
fn a_certificate_of_the_admin_port_is_changed_while_it_is_open() {
    let port = SecurePort::open();
    let mut old = port.connect().expect("a handshake");
    let acceptance = certify(port.directory.path());
    assert!(port.connect().is_err(), "the new certificate is not in use yet");
    port.tls.accept_with(acceptance);
    assert_eq!(ask(&mut port.connect().expect("a handshake"), "localhost"), "HTTP/1.1 200 OK");
    assert_eq!(ask(&mut old, "localhost"), "HTTP/1.1 200 OK", "a connection goes on");
}

#[test]
fn a_connection_from_before_an_authority_was_changed_ends_and_answers_nothing_more() {
    let port = SecurePort::open();
    let mut old = port.connect().expect("a handshake");
    let request = format!(
        "GET /status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n\r\n"
    );
    old.write_all(request.as_bytes()).expect("taken");
    let mut answer = [0; 12];
    old.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    certify(port.directory.path());
    let path = |name: &str| port.directory.path().join(name);
    let files = TlsFiles {
        certificate: path("cert.pem"),
        key: path("key.pem"),
        client_ca: Some(path("cert.pem")),
    };
    port.tls.accept_with(Acceptance::read(&files, None).expect("a pair"));
    // The rest of the answer, and a goodbye.
    let mut rest = Vec::new();
    old.read_to_end(&mut rest).expect("a goodbye");
    let _ = old.write_all(request.as_bytes());
    assert_eq!(old.read(&mut answer).unwrap_or(0), 0, "nothing more is answered");
}
