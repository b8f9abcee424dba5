//! Two push clients of one engine, with contracts for the same phones: neither sees nor changes
//! anything of the other's, whatever it asks; and where pushes may come from.

use super::MSN;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use std::net::SocketAddr;
use tests::engine::Engine;
use tests::http::Connection;
use tests::push::Body;
use tests::recorder::Recorder;
use tests::site::Site;

const CITY: &str = "00100000002";
const TOWN: &str = "00100000003";

/// Both clients, each with a token and a receiver of its own; phones are absent until told.
fn site(city: &Recorder, town: &Recorder) -> Site {
    let mut site = Site::new(tests::programs!());
    site.set("--network-default-line-state", "absent");
    for (xpid, client, recorder) in [(CITY, "city", city), (TOWN, "town", town)] {
        let token = site.token_file(client);
        site.must(&[
            "client",
            "add",
            xpid,
            "--client",
            client,
            "--sender",
            "Hayauma",
            "--class",
            "emergency",
            "--token-file",
            &token,
            "--notify-url",
            &recorder.url(),
        ]);
        site.add_contracts(xpid, &[MSN, "09000000000-09000000009"]);
    }
    site
}

#[track_caller]
fn code(engine: &Engine, token: &str, body: &Body) -> String {
    engine.connect().ask(&body.request_with_token(token)).code()
}

#[test]
fn neither_client_sees_or_changes_what_is_the_others() {
    let (city, town) = (Recorder::start(), Recorder::start());
    let site = site(&city, &town);
    let engine = site.start();
    let of_city = |body: Body| body.with("svcid", CITY);
    let of_town = |body: Body| body.with("svcid", TOWN);
    let alert =
        |body: Body| body.with("comway", "1103").with("alertid", "alert-1").with("alertseq", "01");
    let stop = Body::cancel_alert("alert-1", "stop").with("comway", "1103");
    let first = of_city(Body::push(MSN, "first"));
    let alarm = of_city(alert(Body::push("09000000001", "alarm")));
    assert_eq!(code(&engine, "city", &first), "0000");
    assert_eq!(code(&engine, "city", &alarm), "0000");

    // Under the other's name: refused before anything is looked up.
    for body in [
        first.clone(),
        of_city(Body::push(MSN, "new")),
        of_city(Body::cancel(MSN, "first")),
        of_city(stop.clone()),
    ] {
        assert_eq!(code(&engine, "town", &body), "2003");
    }
    // Under its own name: there is nothing of that.
    assert_eq!(code(&engine, "town", &of_town(Body::cancel(MSN, "first"))), "3002");
    // The same names are its own pushes, neither repeats nor conflicts, and its alert is its own.
    assert_eq!(code(&engine, "town", &of_town(Body::push(MSN, "first"))), "0000");
    let higher = of_town(Body::push("09000000001", "alarm"));
    let higher = higher.with("comway", "1103").with("alertid", "alert-1").with("alertseq", "09");
    assert_eq!(code(&engine, "town", &higher), "0000");
    assert_eq!(code(&engine, "town", &of_town(Body::cancel(MSN, "first"))), "0000");
    assert_eq!(code(&engine, "town", &of_town(stop)), "0000");
    for body in [&first, &alarm] {
        assert_eq!(code(&engine, "city", body), "0001", "it is there as it was");
    }

    // Each is told of its own alone: what was cancelled of the one, what is delivered of the other.
    site.must(&["network", "set", "home", MSN, "09000000001"]);
    let told_city = city.await_count(2);
    let told_town = town.await_count(2);
    for (told, xpid) in [(&told_city, CITY), (&told_town, TOWN)] {
        assert!(told.iter().all(|notice| notice.get("svcid") == xpid), "{told:?}");
    }
    let fates = |told: &[tests::recorder::Notice], reqid: &str| -> Vec<String> {
        let about = told.iter().filter(|notice| notice.get("reqid") == reqid);
        about.map(|notice| notice.get("fncid").to_owned()).collect()
    };
    assert_eq!(fates(&told_city, "first"), ["0301"], "delivered");
    assert_eq!(fates(&told_town, "first"), ["0401"], "cancelled");
    assert_eq!(fates(&told_city, "alarm"), ["0301"], "delivered");
    assert_eq!(fates(&told_town, "alarm"), ["0401"], "cancelled with its alert");
    engine.stop();
}

/// A connection to the engine from this address of loopback.
fn from_address(engine: &Engine, source: [u8; 4]) -> Connection {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::from((source, 0))).expect("an address of loopback");
    connect(&socket, &engine.push_address()).expect("it listens");
    Connection::of(socket)
}

#[test]
fn pushes_come_from_the_networks_of_the_registration_alone() {
    let (city, town) = (Recorder::start(), Recorder::start());
    let site = site(&city, &town);
    site.must(&["client", "set", CITY, "--network", "127.0.0.2/31", "--network", "2001:db8::/32"]);
    let engine = site.start();
    let ask = |source, reqid: &str, token| {
        let body = Body::push(MSN, reqid).with("svcid", CITY);
        let mut connection = from_address(&engine, source);
        connection.ask(&body.request_with_token(token)).code()
    };
    assert_eq!(ask([127, 0, 0, 3], "inside", "city"), "0000");
    assert_eq!(ask([127, 0, 0, 3], "no-token", "none"), "2001");
    assert_eq!(ask([127, 0, 0, 4], "outside", "city"), "2003");
    let other = Body::push(MSN, "other").with("svcid", TOWN);
    let answer = from_address(&engine, [127, 0, 0, 4]).ask(&other.request_with_token("town"));
    assert_eq!(answer.code(), "0000", "nobody asks where that one comes from");
    // A change counts at once, on connections that there are too.
    let mut open = from_address(&engine, [127, 0, 0, 4]);
    let body = |reqid: &str| Body::push(MSN, reqid).with("svcid", CITY).request_with_token("city");
    assert_eq!(open.ask(&body("before")).code(), "2003");
    site.must(&["client", "set", CITY, "--any-network"]);
    assert_eq!(open.ask(&body("after")).code(), "0000");
    engine.stop();
}

#[test]
fn a_token_follows_another_and_an_open_registration_is_told_of() {
    let (city, town) = (Recorder::start(), Recorder::start());
    let site = site(&city, &town);
    let engine = site.start();
    let ask = |reqid: &str, token| {
        let push = Body::push(MSN, reqid).with("svcid", CITY);
        code(&engine, token, &push)
    };
    assert!(!site.run(&["client", "list"]).stderr.contains("warning"));
    site.must(&["client", "set", CITY, "--next-token-file", &site.token_file("following")]);
    assert_eq!((ask("a", "city"), ask("b", "following")), ("0000".into(), "0000".into()));
    site.must(&["client", "set", CITY, "--retire-token"]);
    assert_eq!((ask("c", "city"), ask("d", "following")), ("2001".into(), "0000".into()));
    site.must(&["client", "set", TOWN, "--no-token"]);
    let listed = site.run(&["client", "list"]);
    assert!(listed.stdout.contains("active, open"), "{listed:?}");
    assert!(listed.stderr.contains(TOWN) && !listed.stderr.contains(CITY), "{listed:?}");
    let doctor = site.run(&["doctor", "--listen", "127.0.0.1:0"]);
    let warned = doctor.stdout.lines().find(|line| line.contains("registrations"));
    assert!(
        warned.is_some_and(|line| line.starts_with("warning") && line.contains(TOWN)),
        "{doctor:?}"
    );
    let on_the_line = site.run(&["client", "set", CITY, "--token", "secret"]);
    assert_eq!(on_the_line.status, Some(2), "no secret on a command line: {on_the_line:?}");
    engine.stop();
}
