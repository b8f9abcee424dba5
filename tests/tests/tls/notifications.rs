//! Notifications over TLS, to servers that are who they say; and no notification to where none may
//! go.

use crate::MSN;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use tests::push::{Body, XPID};
use tests::recorder::{Recorder, Reply};
use tests::site::Site;
use tests::skips::skip;
use tests::tls::{Authority, Certified, Made};
use tests::wait;

/// An engine's place that notifies this URL and trusts this authority.
fn site(url: &str, trusted: &Authority) -> Site {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", url]);
    site.add_contracts(XPID, &[MSN]);
    let path = site.path("trusted.pem");
    std::fs::write(&path, trusted.pem()).expect("a writable directory");
    site.set("--notify-ca", &path.display().to_string());
    site
}

fn push(reqid: &str) -> Vec<u8> {
    Body::push(MSN, reqid).request()
}

#[test]
fn a_notification_over_tls_arrives_on_a_connection_that_is_kept() {
    for driver in ["auto", "poll"] {
        let authority = Authority::new();
        let certified = authority.certify(&["localhost"], Made::Well);
        let recorder = Recorder::secure(Authority::server(&certified, None));
        let mut site = site(&recorder.secure_url(), &authority);
        site.set("--io", driver);
        let engine = site.start();
        for number in 0..5 {
            let reqid = format!("secure-{number}");
            assert_eq!(engine.connect().ask(&push(&reqid)).code(), "0000");
            recorder.await_about(&reqid, 1);
        }
        let admin = engine.admin();
        wait::until_true("acknowledgements", || admin.figure("notifications_acknowledged") == 5);
        assert_eq!(recorder.connections(), 1, "{driver}");
        assert_eq!(admin.figure("notify_tls_failed"), 0);
        engine.stop();
    }
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    let authority = Authority::new();
    let certified = authority.certify(&["localhost"], Made::Well);
    let recorder = Recorder::secure(Authority::server(&certified, None));
    let site = site(&recorder.secure_url(), &authority);
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push("first")).code(), "0000");
    recorder.await_about("first", 1);
    // The server ends the connection.
    recorder.end_connections();
    assert_eq!(engine.connect().ask(&push("second")).code(), "0000");
    recorder.await_about("second", 1);
    wait::until_true("a resumed session", || recorder.resumed() > 0);
    engine.stop();
}

#[test]
fn a_server_that_is_not_who_it_should_be_gets_nothing_and_the_log_says_why() {
    let (authority, other) = (Authority::new(), Authority::new());
    let named = |names: &[&str], made| Authority::server(&authority.certify(names, made), None);
    let foreign = Authority::server(&other.certify(&["localhost"], Made::Well), None);
    for (tls, why) in [
        (named(&["elsewhere.example"], Made::Well), "is made for another name"),
        (named(&["localhost"], Made::Expired), "has expired"),
        (foreign, "no authority that is trusted has issued"),
    ] {
        let recorder = Recorder::secure(tls);
        // The path of a web hook is known to its owner alone.
        let site = site(&format!("{}/hook?key=SECRET", recorder.secure_url()), &authority);
        let engine = site.start();
        assert_eq!(engine.connect().ask(&push("untold")).code(), "0000");
        wait::until_true(why, || engine.log().contains(why));
        let listed = site.must(&["notify", "list"]);
        for said in [engine.log(), listed] {
            assert!(!said.contains("SECRET"), "{said}");
        }
        let server = recorder.secure_url();
        let server = server.trim_start_matches("https://").split('/').next().unwrap_or_default();
        assert!(engine.log().contains(&format!("TLS with {server} failed")), "{}", engine.log());
        wait::until_true("a count", || engine.admin().figure("notify_tls_failed") > 0);
        assert!(recorder.notices().is_empty(), "{why}");
        engine.stop();
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_is_shown_the_one_there_is() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let certified = authority.certify(&["localhost"], Made::Well);
    let recorder = Recorder::secure(Authority::server(&certified, Some(&clients)));
    let mut site = site(&recorder.secure_url(), &authority);
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push("certified")).code(), "0000");
    let why = "the other side asks for a client certificate";
    wait::until_true(why, || engine.log().contains(why));
    assert!(recorder.notices().is_empty());
    engine.stop();

    let Certified { certificate, key } = clients.certify(&["gateway"], Made::Well);
    let paths = (site.path("shown.pem"), site.path("shown.key.pem"));
    std::fs::write(&paths.0, certificate).expect("a writable directory");
    std::fs::write(&paths.1, key).expect("a writable directory");
    site.set("--notify-cert", &paths.0.display().to_string());
    site.set("--notify-key", &paths.1.display().to_string());
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push("certified-2")).code(), "0000");
    recorder.await_about("certified-2", 1);
    engine.stop();
}

#[test]
fn a_notification_to_this_host_is_parked_unless_it_is_allowed_and_goes_once_it_is() {
    let recorder = Recorder::start();
    let mut site = site(&recorder.url(), &Authority::new());
    site.unset("--notify-allow");
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push("near")).code(), "0000");
    let admin = engine.admin();
    wait::until_true("a parked notification", || admin.figure("notify_forbidden") == 1);
    let listed = site.must(&["notify", "list"]);
    assert!(listed.contains("near") && listed.contains("--notify-allow"), "{listed}");
    assert!(engine.log().contains("where no notification may go"), "{}", engine.log());
    assert_eq!((recorder.connections(), recorder.notices().len()), (0, 0));
    engine.stop();

    site.set("--notify-allow", "127.0.0.0/8");
    let engine = site.start();
    site.must(&["notify", "replay"]);
    recorder.await_about("near", 1);
    engine.stop();
}

#[test]
fn no_registration_leads_a_notification_to_the_engines_own_ports() {
    let mut site = Site::new(tests::programs!());
    let (push_port, health) = (site.push_address(), tests::ports::free_address());
    site.set("--health", &health.to_string());
    let urls = [
        (XPID, format!("http://{push_port}/smsgw/")),
        ("00100000002", format!("http://{health}/healthz")),
        ("00100000003", format!("http://localhost:{}/healthz", health.port())),
        ("00100000004", format!("http://[::ffff:127.0.0.1]:{}/healthz", health.port())),
    ];
    site.set("--notify-allow", "0.0.0.0/0");
    for (xpid, url) in &urls {
        site.add_client(xpid, &["--notify-url", url]);
        site.add_contracts(xpid, &[MSN]);
    }
    let mut engine = site.start();
    for (number, (xpid, _)) in urls.iter().enumerate() {
        let body = Body::push(MSN, &format!("own-{number}")).with("svcid", xpid);
        assert_eq!(engine.connect().ask(&body.request()).code(), "0000");
    }
    let admin = engine.admin();
    wait::until_true("parked notifications", || admin.figure("notify_forbidden") == 4);
    assert!(engine.log().contains("is a port of the engine itself"), "{}", engine.log());
    assert!(engine.is_running());
    engine.stop();
}

/// An address of this host by which others reach it.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Chooses a way and sends nothing.
    socket.connect((Ipv4Addr::new(192, 0, 2, 213), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn none_goes_to_any_other_address_of_this_host_unless_it_is_allowed() {
    let Some(outer) = outer_address() else {
        skip("this host has its loopback alone");
        return;
    };
    let recorder = Recorder::start_at((outer, 0).into(), |_| Reply::Acknowledge);
    let mut site = site(&recorder.url(), &Authority::new());
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push("outer")).code(), "0000");
    let admin = engine.admin();
    wait::until_true("a parked notification", || admin.figure("notify_forbidden") == 1);
    let listed = site.must(&["notify", "list"]);
    assert!(listed.contains("outer") && listed.contains("is this host"), "{listed}");
    assert_eq!(recorder.connections(), 0);
    engine.stop();

    site.set("--notify-allow", &format!("{outer}/32"));
    let engine = site.start();
    site.must(&["notify", "replay"]);
    recorder.await_about("outer", 1);
    engine.stop();
}
