//! Customers that bind by SMPP over TLS: who gets in, with which certificate, and that certificates
//! are changed on a running engine.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use tests::engine::Engine;
use tests::esme::{Esme, Submit, command};
use tests::ports::free_address;
use tests::push::XPID;
use tests::site::Site;
use tests::tls::{Authority, Certified, Made, NAME};
use tests::wait;

/// The customer's system_id and password.
const ID: &str = "client1";
const PASSWORD: &str = "secret08";
/// One of its phones.
const MSN: &str = "09010000001";
const BIND_FAILED: u32 = 0x0D;

struct Office {
    site: Site,
    smpp: SocketAddr,
}

impl Office {
    /// A port for customers with a certificate of this authority, and one customer.
    fn new(authority: &Authority, more: &[&str]) -> Self {
        let mut site = Site::new(tests::programs!());
        let smpp = free_address();
        site.set("--smpp", &smpp.to_string());
        let mut office = Self { site, smpp };
        office.use_certificate(&authority.certify(&[NAME], Made::Well));
        let file = office.site.path("password");
        std::fs::write(&file, PASSWORD).expect("a writable directory");
        let file = file.display().to_string();
        let account = ["--system-id", ID, "--smpp-password-file", &file];
        let account = [&account, &["--network", "127.0.0.0/8"][..], more].concat();
        office.site.add_client(XPID, &account);
        office.site.add_contracts(XPID, &[MSN]);
        office
    }

    fn use_certificate(&mut self, certified: &Certified) {
        let (certificate, key) = certified.write(self.site.directory(), "smpp");
        self.site.set("--smpp-tls-cert", &certificate.display().to_string());
        self.site.set("--smpp-tls-key", &key.display().to_string());
    }

    fn ask_for_certificates(&mut self, authority: &Authority) {
        let path = self.site.path("customers.pem");
        std::fs::write(&path, authority.pem()).expect("a writable directory");
        self.site.set("--smpp-tls-client-ca", &path.display().to_string());
    }

    fn connect(&self, authority: &Authority, shown: Option<&Certified>) -> std::io::Result<Esme> {
        Esme::connect_secure(self.smpp, &authority.client(shown))
    }

    /// What a bind over TLS is answered.
    fn bind(&self, authority: &Authority, shown: Option<&Certified>) -> (Esme, u32) {
        let mut esme = self.connect(authority, shown).expect("a handshake");
        let status = esme.bind(command::BIND_TRANSCEIVER, ID, PASSWORD, 0x34).status;
        (esme, status)
    }
}

fn figure(engine: &Engine, name: &str) -> u64 {
    engine.admin().figure(name)
}

#[test]
fn a_customer_binds_pushes_and_gets_receipts_over_tls_by_either_driver() {
    for driver in ["auto", "poll"] {
        let authority = Authority::new();
        let mut office = Office::new(&authority, &[]);
        office.site.set("--io", driver);
        let engine = office.site.start();
        let (mut esme, status) = office.bind(&authority, None);
        assert_eq!(status, 0, "{driver}");
        for number in 0..30 {
            let id = esme.accepted(&Submit::text(MSN, &format!("{number} {}", "x".repeat(99))));
            assert_eq!(esme.take_receipt().field("id"), id, "{driver}");
        }
        esme.unbind();
        let said = engine.log();
        assert!(!said.contains("without TLS"), "{said}");
        engine.stop();
    }
}

#[test]
fn who_speaks_plainly_or_only_begins_a_handshake_at_the_smpp_port_gets_nothing_and_stops_nobody() {
    let authority = Authority::new();
    let office = Office::new(&authority, &[]);
    let engine = office.site.start();
    // A bind in plain text is an alert and an end.
    let mut plain = TcpStream::connect(office.smpp).expect("a listener");
    let bind = tests::esme::pdu(command::BIND_TRANSCEIVER, 1, b"client1\0secret08\0\0\x34\0\0\0");
    plain.write_all(&bind).expect("taken");
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert_eq!(said.first(), Some(&21), "an alert: {said:?}");
    wait::until_true("a failed handshake", || figure(&engine, "smpp_tls_failed") == 1);
    assert_eq!(figure(&engine, "smpp_binds"), 0);
    wait::until_true("a word", || engine.log().contains("customers of SMPP fail"));
    // Places for those that have not bound are few, and come back.
    let begun: Vec<TcpStream> = (0..7)
        .map(|at| {
            let mut socket = TcpStream::connect(office.smpp).expect("a listener");
            socket.write_all(&[22, 3, 1, 2, 0, 1][..at % 6]).expect("taken");
            socket
        })
        .collect();
    let (esme, status) = office.bind(&authority, None);
    assert_eq!(status, 0);
    drop(begun);
    esme.unbind();
    engine.stop();
}

#[test]
fn a_registration_that_names_a_certificate_is_bound_to_with_it_alone() {
    let (server, clients) = (Authority::new(), Authority::new());
    let own = clients.certify(&["own"], Made::Well);
    let other = clients.certify(&["other"], Made::Well);
    let mut office = Office::new(&server, &[]);
    let file = |site: &Site, name: &str, certified: &Certified| {
        certified.write(site.directory(), name).0.display().to_string()
    };
    let (own_file, other_file) =
        (file(&office.site, "own", &own), file(&office.site, "other", &other));
    office.site.must(&["client", "set", XPID, "--certificate", &own_file]);
    let engine = office.site.start();
    for shown in [None, Some(&other)] {
        assert_eq!(office.bind(&server, shown).1, BIND_FAILED, "{shown:?}");
        let mut esme = office.connect(&server, shown).expect("a handshake");
        let guessed = esme.bind(command::BIND_TRANSCEIVER, ID, "guess", 0x34);
        assert_eq!(guessed.status, BIND_FAILED, "{shown:?}: it learns nothing of the password");
    }
    let (mut esme, status) = office.bind(&server, Some(&own));
    assert_eq!(status, 0);
    esme.accepted(&Submit::text(MSN, "with the certificate"));
    // It counts at once, for those who have bound too.
    office.site.must(&["client", "set", XPID, "--certificate", &other_file]);
    esme.await_one("an unbind", |pdu| pdu.command == command::UNBIND);
    assert_eq!(office.bind(&server, Some(&other)).1, 0);
    engine.stop();

    // A port in plain text proves nothing: nobody binds, and the start says so.
    for name in ["--smpp-tls-cert", "--smpp-tls-key"] {
        office.site.unset(name);
    }
    let push = server.certify(&[NAME], Made::Well).write(office.site.directory(), "push");
    office.site.set("--tls-cert", &push.0.display().to_string());
    office.site.set("--tls-key", &push.1.display().to_string());
    let engine = office.site.start();
    let mut esme = Esme::connect(office.smpp);
    let answer = esme.bind(command::BIND_TRANSCEIVER, ID, PASSWORD, 0x34);
    assert_eq!(answer.status, BIND_FAILED);
    assert!(engine.log().contains("the SMPP port speaks no TLS"), "{}", engine.log());
    engine.stop();
}

#[test]
fn certificates_of_the_smpp_port_follow_each_other_and_authorities_of_customers_count() {
    let (before, after) = (Authority::new(), Authority::new());
    let (trusted, next) = (Authority::new(), Authority::new());
    let mut office = Office::new(&before, &[]);
    office.ask_for_certificates(&trusted);
    let engine = office.site.start();
    let (own, new) = (trusted.certify(&["own"], Made::Well), next.certify(&["new"], Made::Well));
    let (mut old, status) = office.bind(&before, Some(&own));
    assert_eq!(status, 0);
    // In TLS 1.3 a client learns of it behind its own last word.
    let refused = |authority: &Authority, shown| match office.connect(authority, shown) {
        Err(_) => true,
        Ok(mut esme) => {
            esme.request(command::ENQUIRE_LINK, &[]);
            esme.await_end().is_empty()
        }
    };
    assert!(refused(&before, None) && refused(&before, Some(&new)));
    let swap = |path: &Path, text: &str| std::fs::write(path, text).expect("a writable file");
    swap(&office.site.path("smpp.key.pem"), "no key");
    engine.signal(libc::SIGHUP);
    wait::until_true("a refusal", || engine.log().contains("the certificate in use stays"));
    assert_eq!(old.ask(command::ENQUIRE_LINK, &[]).status, 0);

    after.certify(&[NAME], Made::Well).write(office.site.directory(), "smpp");
    swap(&office.site.path("customers.pem"), &next.pem());
    engine.signal(libc::SIGHUP);
    old.await_one("an unbind", |pdu| pdu.command == command::UNBIND);
    assert!(refused(&after, Some(&own)));
    let (mut esme, status) = office.bind(&after, Some(&new));
    assert_eq!(status, 0);
    esme.accepted(&Submit::text(MSN, "anew"));
    engine.stop();
}
