//! Registrations that know their client by its certificate: nobody else pushes for them, sees or
//! changes anything of theirs, whatever they ask.

use crate::{MSN, ask_for_certificates, use_certificate};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tests::engine::Engine;
use tests::push::Body;
use tests::site::Site;
use tests::tls::{Authority, Certified, Made, NAME, Secure};
use tests::wait;

const CITY: &str = "00100000002";
const TOWN: &str = "00100000003";
/// Asks for nothing.
const OPEN: &str = "00100000004";

/// An engine's place where two clients are known by these certificates; phones are absent until
/// told.
fn site(server: &Authority, city: &Certified, town: &Certified) -> Site {
    let mut site = Site::new(tests::programs!());
    site.set("--network-default-line-state", "absent");
    use_certificate(&mut site, &server.certify(&[NAME], Made::Well));
    let written = |certified: &Certified, name: &str| {
        certified.write(site.directory(), name).0.display().to_string()
    };
    let (city, town) = (written(city, "city"), written(town, "town"));
    for (xpid, client, more) in
        [(CITY, "city", Some(&city)), (TOWN, "town", Some(&town)), (OPEN, "open", None)]
    {
        let words = ["client", "add", xpid, "--client", client, "--class", "emergency"];
        let certificate = more.iter().flat_map(|path| ["--certificate", path.as_str()]);
        site.must(&words.into_iter().chain(certificate).collect::<Vec<_>>());
        site.add_contracts(xpid, &[MSN, "09000000000-09000000009"]);
    }
    site
}

/// The code and the HTTP status of what a body is answered on a connection of its own.
#[track_caller]
fn answer(address: SocketAddr, config: &Arc<ClientConfig>, body: &Body) -> (String, u16) {
    let mut client = Secure::open(address, config).expect("a handshake");
    let answer = client.ask(&body.request());
    (answer.code(), answer.status())
}

fn alert(body: Body) -> Body {
    body.with("comway", "1103").with("alertid", "alert-1").with("alertseq", "01")
}

/// Every command that there is, about what the first two have left.
fn commands(xpid: &str) -> [Body; 6] {
    let stop = Body::cancel_alert("alert-1", "stop").with("comway", "1103");
    [
        Body::push(MSN, "first"),
        Body::text(MSN, "second", "hello"),
        alert(Body::push("09000000001", "alarm")),
        Body::push(MSN, "first"),
        Body::cancel(MSN, "first"),
        stop,
    ]
    .map(|body| body.with("svcid", xpid))
}

#[test]
fn no_command_of_a_registration_is_taken_without_its_certificate() {
    // Who issued a client's certificate does not matter: it is known by itself.
    let (server, issuer) = (Authority::new(), Authority::new());
    let city = issuer.certify(&["city"], Made::Well);
    let town = Authority::new().certify(&["town"], Made::Well);
    let stranger = issuer.certify(&["city"], Made::Well);
    let site = site(&server, &city, &town);
    let engine = site.start();
    let ask = |shown: Option<&Certified>, body: &Body| {
        answer(engine.push_address(), &server.client(shown), body)
    };
    for body in &commands(CITY) {
        for (shown, expected) in [
            (None, ("2001".to_owned(), 401)),
            (Some(&stranger), ("2001".to_owned(), 401)),
            (Some(&town), ("2003".to_owned(), 403)),
        ] {
            assert_eq!(ask(shown, body), expected, "{body:?}");
        }
    }
    // Nothing has come of any of it.
    assert_eq!(engine.admin().figure("pushes_accepted"), 0);
    let codes = |shown: &Certified, xpid: &str| {
        commands(xpid).iter().map(|body| ask(Some(shown), body).0).collect::<Vec<_>>()
    };
    // The town's own commands bear the same names, and touch nothing of the city's.
    let of_city = commands(CITY);
    for body in &of_city[..3] {
        assert_eq!(ask(Some(&city), body).0, "0000");
    }
    let done = ["0000", "0000", "0000", "0001", "0000", "0000"];
    assert_eq!(codes(&town, TOWN), done);
    for (body, expected) in of_city[3..].iter().zip(&done[3..]) {
        assert_eq!(ask(Some(&city), body).0, *expected, "{body:?}");
    }
    // Who asks for no certificate is asked for none, whatever the client has.
    let open = Body::push(MSN, "open").with("svcid", OPEN);
    assert_eq!(ask(None, &open).0, "0000");
    assert_eq!(ask(Some(&stranger), &open).0, "0001");
    engine.stop();
}

#[test]
fn a_connection_that_resumes_has_the_certificate_of_the_first() {
    let server = Authority::new();
    let (city, town) =
        (server.certify(&["city"], Made::Well), server.certify(&["town"], Made::Well));
    let mut site = site(&server, &city, &town);
    site.shards(2);
    let engine = site.start();
    let config = server.client(Some(&city));
    for number in 0..4 {
        let mut client = Secure::open(engine.push_address(), &config).expect("a handshake");
        assert_eq!(client.is_resumed(), number > 0, "connection {number}");
        let push = Body::push(MSN, &format!("resumed-{number}"));
        assert_eq!(client.ask(&push.clone().with("svcid", CITY).request()).code(), "0000");
        assert_eq!(client.ask(&push.with("svcid", TOWN).request()).code(), "2003");
    }
    engine.stop();
}

#[test]
fn a_certificate_follows_another_on_a_running_engine_without_a_gap() {
    let server = Authority::new();
    let [city, town, next] =
        ["city", "town", "next"].map(|name| server.certify(&[name], Made::Well));
    let site = site(&server, &city, &town);
    let engine = site.start();
    let connect = |engine: &Engine, shown: &Certified| {
        Secure::open(engine.push_address(), &server.client(Some(shown))).expect("a handshake")
    };
    let (mut before, mut after) = (connect(&engine, &city), connect(&engine, &next));
    let push = Body::push(MSN, "kept").with("svcid", CITY).request();
    assert_eq!((before.ask(&push).code(), after.ask(&push).code()), ("0000".into(), "2001".into()));

    let path = |name: &str, certified: &Certified| {
        certified.write(site.directory(), name).0.display().to_string()
    };
    let (old, new) = (path("old", &city), path("new", &next));
    site.must(&["client", "set", CITY, "--certificate", &old, "--certificate", &new]);
    assert_eq!((before.ask(&push).code(), after.ask(&push).code()), ("0001".into(), "0001".into()));
    site.must(&["client", "set", CITY, "--certificate-sha256", &digest_of(Path::new(&new), &site)]);
    assert_eq!((before.ask(&push).code(), after.ask(&push).code()), ("2001".into(), "0001".into()));
    assert!(site.must(&["client", "show", CITY]).contains("required, SHA-256 "));

    // No other client may have it, and three are too many.
    let refused = site.run(&["client", "set", TOWN, "--certificate", &new]);
    assert!(refused.stderr.contains("already belongs to the client \"city\""), "{refused:?}");
    let three = ["client", "set", OPEN, "--certificate", &old, "--certificate", &new];
    let third = path("third", &town);
    let refused = site.run(&[&three[..], &["--certificate", &third]].concat());
    assert!(refused.stderr.contains("2 certificates at most"), "{refused:?}");
    let audit = site.must(&["audit"]);
    assert!(audit.contains(&format!("client set {CITY}")), "{audit}");

    site.must(&["client", "set", CITY, "--no-certificate"]);
    assert_eq!(before.ask(&push).code(), "0001");
    engine.stop();
}

/// The digest that the engine shows of a certificate, as it stands in the registration that has it.
fn digest_of(certificate: &Path, site: &Site) -> String {
    let shown = site.must(&["client", "show", CITY, "--json"]);
    let digests = shown.split_once("\"certificates\"").expect("named").1;
    let digests = digests.split_once(']').expect("a list").0;
    let last = digests.rsplit('"').nth(1).expect("a text").to_owned();
    assert_eq!(last.len(), 64, "{} {shown}", certificate.display());
    last
}

#[test]
fn a_certificate_counts_where_authorities_are_named_too() {
    let (server, clients) = (Authority::new(), Authority::new());
    let (city, town) =
        (clients.certify(&["city"], Made::Well), clients.certify(&["town"], Made::Well));
    let mut site = site(&server, &city, &town);
    ask_for_certificates(&mut site, &clients);
    let engine = site.start();
    let ask = |shown: &Certified| {
        let push = Body::push(MSN, "certified").with("svcid", CITY);
        answer(engine.push_address(), &server.client(Some(shown)), &push).0
    };
    assert_eq!((ask(&city), ask(&town)), ("0000".to_owned(), "2003".to_owned()));
    engine.stop();
}

#[test]
fn more_certificates_than_a_connection_may_hold_are_refused() {
    let server = Authority::new();
    let city = server.certify(&["city"], Made::Well);
    let site = site(&server, &city, &server.certify(&["town"], Made::Well));
    let engine = site.start();
    let chain = |copies: usize| Certified {
        certificate: city.certificate.repeat(copies),
        key: city.key.clone(),
    };
    let push = Body::push(MSN, "long").with("svcid", CITY).request();
    let ask = |shown: &Certified| {
        let mut client = Secure::open(engine.push_address(), &server.client(Some(shown)))?;
        client.try_send(&push)?;
        client.try_answer()
    };
    let taken = ask(&chain(6)).expect("a handshake").expect("an answer");
    assert_eq!(taken.code(), "0000");
    for copies in [7, 60] {
        let refused = ask(&chain(copies)).expect_err("too many");
        assert!(refused.to_string().contains("AccessDenied"), "{refused}");
    }
    let why = "more certificates are shown than five";
    wait::until_true(why, || engine.log().contains(why));
    engine.stop();
}

#[test]
fn a_plain_port_warns_of_registrations_that_ask_for_a_certificate() {
    let server = Authority::new();
    let city = server.certify(&["city"], Made::Well);
    let mut site = site(&server, &city, &server.certify(&["town"], Made::Well));
    site.unset("--tls-cert").unset("--tls-key");
    let engine = site.start();
    let answer = engine.connect().ask(&Body::push(MSN, "plain").with("svcid", CITY).request());
    assert_eq!((answer.code().as_str(), answer.status()), ("2001", 401));
    assert!(engine.log().contains("speaks no TLS"), "{}", engine.log());
    engine.stop();
}
