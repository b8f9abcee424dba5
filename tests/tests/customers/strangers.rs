//! Two customers that push by HTTP and by SMPP, with contracts for the same phones: neither sees,
//! cancels or is told of anything of the other's, by whichever door it asks.

use crate::office::msn;
use crate::receipts::{cancel, query};
use std::time::Duration;
use tests::engine::Engine;
use tests::esme::{Esme, Submit, command, tag};
use tests::ports::free_address;
use tests::push::Body;
use tests::recorder::Recorder;
use tests::site::Site;

const CITY: &str = "00100000002";
const TOWN: &str = "00100000003";
const QUERY_FAILED: u32 = 0x67;
const CANCEL_FAILED: u32 = 0x11;
const INVALID_MESSAGE_ID: u32 = 0x0C;
const INVALID_PASSWORD: u32 = 0x0E;

/// A code by HTTP.
fn code(engine: &Engine, token: &str, body: Body, xpid: &str) -> String {
    engine.connect().ask(&body.with("svcid", xpid).request_with_token(token)).code()
}

/// A text with a reqid of the customer's own.
fn named(number: u64, reqid: &str) -> Submit {
    Submit::text(&msn(number), "hello").with(tag::REQID, reqid.as_bytes())
}

/// A client that pushes by HTTP with its token and by SMPP with its password, to the same phones as
/// the other.
fn register(site: &Site, xpid: &str, name: &str, recorder: &Recorder) {
    let password = site.path(&format!("{name}.password"));
    std::fs::write(&password, format!("{name}-pw")).expect("a writable directory");
    let (token, password) = (site.token_file(name), password.display().to_string());
    let known = ["client", "add", xpid, "--client", name, "--sender", "Hayauma"];
    let proofs = ["--token-file", &token, "--system-id", name, "--smpp-password-file"];
    let rest = [&password, "--network", "127.0.0.0/8", "--notify-url", &recorder.url()];
    site.must(&[&known[..], &proofs, &rest].concat());
    site.add_contracts(xpid, &["09010000000-09010000099"]);
}

/// Waits for the six notifications of this client's own pushes by HTTP.
fn are_all_own(recorder: &Recorder, xpid: &str) {
    let told = recorder.await_count(6);
    let is_own = told.iter().all(|one| one.get("svcid") == xpid && one.get("reqid") == "by-http");
    assert!(is_own, "{told:?}");
}

#[test]
fn neither_customer_sees_cancels_or_is_told_of_what_is_the_others_by_any_door() {
    let (of_city, of_town) = (Recorder::start(), Recorder::start());
    let mut site = Site::new(tests::programs!());
    let smpp = free_address();
    site.shards(2).set("--smpp", &smpp.to_string());
    site.set("--network-default-line-state", "absent");
    register(&site, CITY, "city", &of_city);
    register(&site, TOWN, "town", &of_town);
    let engine = site.start();
    let bound = |id: &str| {
        let password = format!("{id}-pw");
        Esme::bound(smpp, command::BIND_TRANSCEIVER, id, &password)
    };
    let (mut city, mut town) = (bound("city"), bound("town"));
    let mut thief = Esme::connect(smpp);
    let answer = thief.bind(command::BIND_TRANSCEIVER, "city", "town-pw", 0x34);
    assert_eq!(answer.status, INVALID_PASSWORD);

    // The same reqids to the same phones by both, and by both doors: each is a push of its own.
    for number in 0..6 {
        let id = city.accepted(&named(number, "same"));
        let other = town.accepted(&named(number, "same"));
        assert_ne!(id, other);
        // By its id, with the phone and without: whichever shard is asked.
        assert_eq!(query(&mut town, &id).status, QUERY_FAILED);
        for phone in [None, Some(msn(number))] {
            assert_eq!(cancel(&mut town, &id, phone.as_deref()), INVALID_MESSAGE_ID);
        }
        let own = Body::push(&msn(number), "by-http");
        for (token, xpid) in [("city", CITY), ("town", TOWN)] {
            assert_eq!(code(&engine, token, own.clone(), xpid), "0000");
        }
        // By HTTP under its own name it reaches its own alone, under the other's nothing.
        let stop = |reqid: &str| Body::cancel(&msn(number), reqid);
        for reqid in ["same", "by-http"] {
            assert_eq!(code(&engine, "town", stop(reqid), CITY), "2003");
            assert_eq!(code(&engine, "town", stop(reqid), TOWN), "0000");
        }
        assert_eq!(query(&mut city, &id).status, 0, "it waits as it did");
        assert_eq!(cancel(&mut town, &other, None), CANCEL_FAILED, "its own, and cancelled");
    }
    // What the other has cancelled under these names is there: it can be cancelled.
    for number in [0, 2, 4] {
        for reqid in ["same", "by-http"] {
            let body = Body::cancel(&msn(number), reqid);
            assert_eq!(code(&engine, "city", body, CITY), "0000");
        }
    }
    let phones: Vec<String> = (0..6).map(msn).collect();
    let home: Vec<&str> = phones.iter().map(String::as_str).collect();
    site.must(&[&["network", "set", "home"][..], &home].concat());

    // Each is told of its own alone, at its own door.
    let fates = |esme: &mut Esme| {
        let mut fates: Vec<String> =
            (0..6).map(|_| esme.take_receipt().field("stat").to_owned()).collect();
        fates.sort();
        fates
    };
    let (cancelled, delivered) = ("DELETED".to_owned(), "DELIVRD".to_owned());
    assert_eq!(fates(&mut town), vec![cancelled.clone(); 6]);
    assert_eq!(fates(&mut city), [vec![cancelled; 3], vec![delivered; 3]].concat());
    are_all_own(&of_city, CITY);
    are_all_own(&of_town, TOWN);
    for esme in [&mut city, &mut town] {
        assert!(esme.gets_no_receipt_for(Duration::from_millis(100)));
    }
    assert_eq!((of_city.notices().len(), of_town.notices().len()), (6, 6));
    engine.stop();
}
