//! Certificates are changed on a running engine.

use crate::{MSN, site, use_certificate};
use tests::push::Body;
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
