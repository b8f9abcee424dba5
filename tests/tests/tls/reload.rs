//! Certificates are changed on a running engine.

use crate::{MSN, ask_for_certificates, site, use_certificate};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::tls::{Authority, Made, NAME, Secure};
use tests::wait;

#[test]
fn a_new_certificate_counts_from_the_next_connection_on_and_a_bad_one_never() {
    let (before, after) = (Authority::new(), Authority::new());
    let mut site = site(&before);
    let engine = site.start();
    let push = |reqid: &str| Body::push(MSN, reqid).request();
    let connect =
        |authority: &Authority| Secure::open(engine.push_address(), &authority.client(None));
    let mut old = connect(&before).expect("a handshake");
    assert_eq!(old.ask(&push("before")).code(), "0000");

    use_certificate(&mut site, &after.certify(&[NAME], Made::Well));
    engine.signal(libc::SIGHUP);
    wait::until_true("a connection with the new certificate", || connect(&after).is_ok());
    assert!(connect(&before).is_err(), "the old authority is of no use any more");
    assert_eq!(old.ask(&push("before")).code(), "0001", "a connection goes on");
    assert!(engine.log().contains("is in use for new connections"), "{}", engine.log());

    let key = site.path("server.key.pem");
    std::fs::write(&key, "no key").expect("a writable file");
    engine.signal(libc::SIGHUP);
    wait::until_true("a word about it", || {
        engine.log().contains("the certificate in use stays") && engine.log().contains("server.key")
    });
    let mut client = connect(&after).expect("a handshake with the certificate in use");
    assert_eq!(client.ask(&push("after")).code(), "0000");
    engine.stop();
}

#[test]
fn clients_of_an_authority_that_is_trusted_no_more_come_in_by_no_way() {
    let (server, before, after) = (Authority::new(), Authority::new(), Authority::new());
    let mut site = site(&server);
    ask_for_certificates(&mut site, &before);
    let engine = site.start();
    let push = |reqid: &str| Body::push(MSN, reqid).request();
    let (old, new) = (before.certify(&["old"], Made::Well), after.certify(&["new"], Made::Well));
    let config = server.client(Some(&old));
    let mut client = Secure::open(engine.push_address(), &config).expect("a handshake");
    assert_eq!(client.ask(&push("old")).code(), "0000");
    let mut second = Secure::open(engine.push_address(), &config).expect("a handshake");
    assert_eq!(second.ask(&push("old")).code(), "0001");
    assert!(!second.is_resumed(), "nobody would look at the certificate again");

    ask_for_certificates(&mut site, &after);
    engine.signal(libc::SIGHUP);
    for client in [&mut client, &mut second] {
        assert!(client.try_answer().expect("a goodbye, and no cut").is_none());
    }
    let refused = Secure::open(engine.push_address(), &config).and_then(|mut client| {
        client.try_send(&push("refused"))?;
        client.try_answer()
    });
    assert!(refused.is_err(), "{refused:?}");
    let mut client =
        Secure::open(engine.push_address(), &server.client(Some(&new))).expect("a handshake");
    assert_eq!(client.ask(&push("new")).code(), "0000");
    engine.stop();
}

#[test]
fn what_notifications_are_sent_with_is_read_anew() {
    let (before, after) = (Authority::new(), Authority::new());
    let recorder =
        Recorder::secure(Authority::server(&after.certify(&["localhost"], Made::Well), None));
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", &recorder.secure_url()]);
    site.add_contracts(XPID, &[MSN]);
    let path = site.path("trusted.pem");
    std::fs::write(&path, before.pem()).expect("a writable directory");
    site.set("--notify-ca", &path.display().to_string());
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "told").request()).code(), "0000");
    wait::until_true("a word about it", || engine.log().contains("no authority that is trusted"));
    assert!(recorder.notices().is_empty());

    std::fs::write(&path, "no PEM").expect("a writable file");
    engine.signal(libc::SIGHUP);
    wait::until_true("a refusal", || engine.log().contains("the new files are not taken"));
    std::fs::write(&path, after.pem()).expect("a writable file");
    engine.signal(libc::SIGHUP);
    recorder.await_about("told", 1);
    engine.stop();
}

#[test]
fn an_rsa_key_is_warned_of_at_the_start_and_at_a_reload_and_serves() {
    const RSA_KEY: &str = include_str!("rsa_key.pem");
    const SLOW: &str = "the key of the certificate is an RSA key";
    let authority = Authority::new();
    let mut site = site(&authority);
    let engine = site.start();
    assert!(!engine.log().contains(SLOW), "{}", engine.log());
    use_certificate(&mut site, &authority.certify_key(NAME, RSA_KEY));
    engine.signal(libc::SIGHUP);
    wait::until_true("a word about it", || engine.log().contains(SLOW));
    engine.stop();
    let engine = site.start();
    let log = engine.log();
    let warned = log.lines().find(|line| line.contains(SLOW)).unwrap_or_else(|| panic!("{log}"));
    assert!(warned.contains("WARN") && warned.contains("ms on this host"), "{warned}");
    let client = authority.client(None);
    let mut client = Secure::open(engine.push_address(), &client).expect("a handshake");
    assert_eq!(client.ask(&Body::push(MSN, "rsa").request()).code(), "0000");
    engine.stop();
}
