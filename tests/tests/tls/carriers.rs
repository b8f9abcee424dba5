//! Carriers over TLS: pushes go to no SMSC but the one that the certificate is made for.

use std::path::PathBuf;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::smsc::{PASSWORD, SYSTEM_ID, Smsc};
use tests::tls::{Authority, Made};
use tests::wait;

/// A phone that is reached by the carrier.
const MSN: &str = "09010000001";

/// A place with a push client and a carrier over TLS, of this authority.
fn site(recorder: &Recorder, smsc: &Smsc, trusted: &Authority, more: &[&str]) -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &[MSN]);
    let (password, ca) = (site.path("alpha.secret"), site.path("carriers.pem"));
    std::fs::write(&password, PASSWORD).expect("a writable directory");
    std::fs::write(&ca, trusted.pem()).expect("a writable directory");
    let host = format!("localhost:{}", smsc.address().port());
    let [password, ca] = [password, ca].map(|path: PathBuf| path.display().to_string());
    let settings =
        ["--host", &host, "--system-id", SYSTEM_ID, "--password-file", &password, "--tls", "true"];
    let words = [&["carrier", "add", "alpha"], &settings[..], &["--tls-ca", &ca], more].concat();
    site.must(&words);
    site.must(&["carrier", "route", "add", "0901", "alpha"]);
    site
}

#[test]
fn a_push_goes_to_a_carrier_over_tls_and_ends_with_its_receipt() {
    for driver in ["auto", "poll"] {
        let (authority, recorder) = (Authority::new(), Recorder::start());
        let certified = authority.certify(&["localhost"], Made::Well);
        let smsc = Smsc::secure(Authority::server(&certified, None));
        let mut site = site(&recorder, &smsc, &authority, &[]);
        site.set("--io", driver);
        let engine = site.start();
        for number in 0..20 {
            let push = Body::text(MSN, &format!("by-tls-{number}"), &"long ".repeat(60));
            assert_eq!(engine.connect().ask(&push.request()).code(), "0000");
        }
        for number in 0..20 {
            let notices = recorder.await_about(&format!("by-tls-{number}"), 1);
            assert_eq!(
                (notices[0].get("code"), notices[0].get("dlvnum")),
                ("0000", "2"),
                "{driver}"
            );
        }
        assert_eq!(smsc.sms().len(), 40, "{driver}");
        // A session that is lost is made again, its session of TLS resumed.
        smsc.hang_up();
        wait::until_true("a second bind", || smsc.binds() >= 2);
        let push = Body::push(MSN, "again").request();
        assert_eq!(engine.connect().ask(&push).code(), "0000");
        recorder.await_about("again", 1);
        assert!(site.must(&["carrier", "list"]).contains("true"));
        engine.stop();
    }
}

#[test]
fn a_test_of_a_carrier_speaks_tls_and_says_whose_certificate_is_no_good() {
    let (authority, other) = (Authority::new(), Authority::new());
    let recorder = Recorder::start();
    let certified = authority.certify(&["localhost"], Made::Well);
    let smsc = Smsc::secure(Authority::server(&certified, None));
    let trusting = site(&recorder, &smsc, &authority, &[]);
    let said = trusting.must(&["carrier", "test", "alpha"]);
    for part in ["and TLS 1.3 is spoken", "bound as a transceiver", "enquire_link is answered"] {
        assert!(said.contains(part), "{part} lacks: {said}");
    }
    let binds = smsc.binds();
    let finished = site(&recorder, &smsc, &other, &[]).run(&["carrier", "test", "alpha"]);
    assert_eq!(finished.status, Some(1), "{}", finished.stdout);
    let why = "no authority that is trusted has issued";
    assert!(finished.stderr.contains(why), "{}", finished.stderr);
    assert!(finished.stderr.contains("--tls-ca"), "{}", finished.stderr);
    assert_eq!(smsc.binds(), binds, "no password left");
}

#[test]
fn a_carrier_that_is_not_who_it_should_be_gets_neither_a_password_nor_a_push() {
    let (authority, other) = (Authority::new(), Authority::new());
    let named = |names: &[&str], made| Authority::server(&authority.certify(names, made), None);
    let foreign = Authority::server(&other.certify(&["localhost"], Made::Well), None);
    for (tls, why) in [
        (Some(named(&["elsewhere.example"], Made::Well)), "is made for another name"),
        (Some(named(&["localhost"], Made::Expired)), "has expired"),
        (Some(foreign), "no authority that is trusted has issued"),
        (None, ""),
    ] {
        let recorder = Recorder::start();
        let smsc = tls.map_or_else(Smsc::start, Smsc::secure);
        let site = site(&recorder, &smsc, &authority, &[]);
        let engine = site.start();
        assert_eq!(engine.connect().ask(&Body::push(MSN, "kept").request()).code(), "0000");
        if why.is_empty() {
            // A plain SMSC takes a hello for an endless PDU, and ends.
            wait::until_true("a lost session", || engine.log().contains("has ended"));
        } else {
            wait::until_true(why, || engine.log().contains(why));
        }
        assert_eq!((smsc.binds(), smsc.sms().len()), (0, 0), "{why}");
        engine.stop();
    }
}

#[test]
fn a_carrier_that_asks_for_a_certificate_is_shown_one_and_another_name_may_be_set() {
    let (authority, clients, recorder) = (Authority::new(), Authority::new(), Recorder::start());
    let certified = authority.certify(&["smsc.example"], Made::Well);
    let smsc = Smsc::secure(Authority::server(&certified, Some(&clients)));
    let site = site(&recorder, &smsc, &authority, &["--tls-name", "smsc.example"]);
    let engine = site.start();
    let push = Body::push(MSN, "certified").request();
    assert_eq!(engine.connect().ask(&push).code(), "0000");
    let why = "the other side asks for a client certificate";
    wait::until_true(why, || engine.log().contains(why));
    assert_eq!(smsc.binds(), 0);
    engine.stop();

    let shown = clients.certify(&["gateway"], Made::Well).write(site.directory(), "shown");
    let [certificate, key] = [shown.0, shown.1].map(|path| path.display().to_string());
    let alone = site.run(&["carrier", "set", "alpha", "--tls-cert", &certificate]);
    assert!(alone.stderr.contains("--tls-key"), "{alone:?}");
    site.must(&["carrier", "set", "alpha", "--tls-cert", &certificate, "--tls-key", &key]);
    let engine = site.start();
    recorder.await_about("certified", 1);
    assert_eq!((smsc.binds(), smsc.sms().len()), (1, 1));
    engine.stop();
}

#[test]
fn what_carriers_are_spoken_to_with_is_read_anew_and_bad_files_change_nothing() {
    let (before, after, recorder) = (Authority::new(), Authority::new(), Recorder::start());
    let certified = after.certify(&["localhost"], Made::Well);
    let smsc = Smsc::secure(Authority::server(&certified, None));
    let site = site(&recorder, &smsc, &before, &[]);
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "later").request()).code(), "0000");
    let why = "no authority that is trusted has issued";
    wait::until_true(why, || engine.log().contains(why));
    let path = site.path("carriers.pem");
    std::fs::write(&path, "no PEM").expect("a writable file");
    engine.signal(libc::SIGHUP);
    wait::until_true("a refusal", || {
        engine.log().contains("the new files are not taken")
            && engine.log().contains("carriers.pem")
    });
    assert_eq!(smsc.binds(), 0);
    std::fs::write(&path, after.pem()).expect("a writable file");
    engine.signal(libc::SIGHUP);
    recorder.await_about("later", 1);
    assert_eq!((smsc.binds(), smsc.sms().len()), (1, 1));
    // Whoever is bound stays so.
    engine.signal(libc::SIGHUP);
    let told = "the carrier's files of TLS were read anew";
    wait::until_true(told, || engine.log().matches(told).count() >= 2);
    assert_eq!(engine.connect().ask(&Body::push(MSN, "same").request()).code(), "0000");
    recorder.await_about("same", 1);
    assert_eq!(smsc.binds(), 1);
    engine.stop();
}

#[test]
fn a_file_of_a_carrier_that_is_gone_keeps_no_engine_from_starting_and_no_carrier_from_pausing() {
    let (authority, recorder) = (Authority::new(), Recorder::start());
    let certified = authority.certify(&["localhost"], Made::Well);
    let smsc = Smsc::secure(Authority::server(&certified, None));
    let site = site(&recorder, &smsc, &authority, &[]);
    let ca = site.path("carriers.pem");
    std::fs::remove_file(&ca).expect("there");
    let engine = site.start();
    let push = Body::push(MSN, "waits").request();
    assert_eq!(engine.connect().ask(&push).code(), "0000");
    for order in ["pause", "resume"] {
        site.must(&["carrier", order, "alpha"]);
    }
    let refused = site.run(&["carrier", "rebind", "alpha"]);
    assert_eq!(refused.status, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("the carrier's authority"), "{}", refused.stderr);
    // With the file it is bound by the order that is about its TLS, and what waited goes.
    std::fs::write(&ca, authority.pem()).expect("a writable directory");
    let ca = ca.display().to_string();
    site.must(&["carrier", "set", "alpha", "--tls-ca", &ca]);
    assert_eq!(recorder.await_about("waits", 1)[0].get("code"), "0000");
    assert_eq!(smsc.sms().len(), 1);
    engine.stop();
}

#[test]
fn a_file_that_holds_another_authority_under_the_same_name_counts_with_the_order_that_names_it() {
    let (authority, other, recorder) = (Authority::new(), Authority::new(), Recorder::start());
    let certified = authority.certify(&["localhost"], Made::Well);
    let smsc = Smsc::secure(Authority::server(&certified, None));
    for order in [&["carrier", "set", "alpha", "--tls-ca"][..], &["carrier", "rebind", "alpha"]] {
        let site = site(&recorder, &smsc, &other, &[]);
        let engine = site.start();
        let ca = site.path("carriers.pem");
        std::fs::write(&ca, authority.pem()).expect("a writable directory");
        let ca = ca.display().to_string();
        let names_file = order.last() == Some(&"--tls-ca");
        let file = if names_file { &[ca.as_str()][..] } else { &[] };
        let before = smsc.binds();
        site.must(&[order, file].concat());
        wait::until_true("a bind", || smsc.binds() > before);
        engine.stop();
    }
}
