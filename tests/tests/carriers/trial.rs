//! `carrier test`: what it finds of a carrier, step by step, and that it takes nothing from an
//! engine that runs.

use super::{
    accepted, add_carrier, as_told, await_bound, carrier_figure, msn, one_about, site, told,
};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::smsc::{Sms, Smsc};
use tests::wait;

#[test]
fn a_test_says_of_each_step_how_it_went_and_how_ids_are_to_be_set() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    let said = site.must(&["carrier", "test", "alpha"]);
    for part in [
        &format!("{} is reached in ", smsc.address()),
        "bound as a transceiver in ",
        "the carrier calls itself \"smsc\"; it speaks SMPP 3.4",
        "enquire_link is answered in ",
        ": unbound\n",
    ] {
        assert!(said.contains(part), "{part} lacks: {said}");
    }
    assert!(smsc.sms().is_empty(), "nothing that costs anything is sent unasked");
    // With an SMS; the carrier writes ids in hexadecimal, and in receipts in decimal.
    smsc.send_receipts(None);
    let said = std::thread::scope(|scope| {
        scope.spawn(|| {
            let sms = smsc.await_sms(1).remove(0);
            let id = u64::from_str_radix(&sms.id, 16).expect("a number").to_string();
            smsc.send_receipt_with_reference(&Sms { id, ..sms }, "DELIVRD");
        });
        let sends = ["carrier", "test", "alpha", "--to", &msn(1), "--from", "Ueda"];
        site.must(&[&sends[..], &["--text", "One @ a time"]].concat())
    });
    let sms = smsc.sms().remove(0);
    assert_eq!((sms.to.as_str(), sms.from.as_str()), ("819010000001", "Ueda"));
    assert_eq!((&sms.text[..], sms.registered_delivery), (&b"One \0 a time"[..], 1));
    for part in [
        "the SMS is taken in ",
        &format!("its id is \"{}\"", sms.id),
        "its receipt came ",
        "DELIVRD",
        "say `hayauma carrier set alpha --response-ids hex --receipt-ids decimal`",
    ] {
        assert!(said.contains(part), "{part} lacks: {said}");
    }
    wait::until_true("its session's end", || smsc.bound() == 0);
}

#[test]
fn a_test_takes_no_receipt_of_a_running_engine() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    for number in 0..40 {
        accepted(&engine, &Body::push(&msn(number), &format!("push-{number}")));
    }
    let sms = smsc.await_sms(40);
    let finished = std::thread::scope(|scope| {
        scope.spawn(|| {
            wait::until_true("the test's session", || smsc.bound() == 2 && smsc.sms().len() == 41);
            // One after the other: whichever session looks first has it.
            for sms in &sms {
                let before = smsc.acknowledged();
                smsc.send_receipt(&sms.id, "DELIVRD");
                wait::until_true("an acknowledged receipt", || smsc.acknowledged() > before);
            }
        });
        site.run(&["carrier", "test", "alpha", "--to", &msn(50), "--wait", "5"])
    });
    // Its own receipt never comes.
    assert_eq!(finished.status, Some(1), "{}", finished.stdout);
    for part in ["no receipt came within 5 s", "given it to a session of the engine"] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    assert!(finished.stdout.contains("were sent back"), "{}", finished.stdout);
    for number in 0..40 {
        let notice = one_about(&recorder, &format!("push-{number}"));
        assert_eq!(told(&notice), as_told("0000", "1", "00"), "{number}");
    }
    engine.stop();
}

#[test]
fn a_test_says_so_when_the_engine_has_taken_a_receipt_that_it_does_not_know() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let finished = std::thread::scope(|scope| {
        scope.spawn(|| {
            smsc.await_sms(1);
            // The test sends it back, and the engine keeps it.
            smsc.send_receipt("nobodys", "DELIVRD");
            wait::until_true("an acknowledged receipt", || smsc.acknowledged() == 1);
        });
        site.run(&["carrier", "test", "alpha", "--to", &msn(50), "--wait", "8"])
    });
    assert_eq!(finished.status, Some(1), "{}", finished.stdout);
    let words = "a receipt that the engine does not know has come";
    assert!(finished.stderr.contains(words), "{}", finished.stderr);
    assert_eq!(carrier_figure(&engine, "alpha", "receipts_unknown"), 1);
    engine.stop();
}

/// Takes a connection, says this, and reads until the other side has gone.
fn says(octets: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    // It ends with the process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(octets);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

#[test]
fn a_step_that_fails_is_told_with_what_to_do() {
    let smsc = Smsc::start();
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    add_carrier(&site, "gone", gone.expect("a port"), &[]);
    add_carrier(&site, "web", says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), &[]);
    add_carrier(&site, "tls", says(&[0x15, 3, 3, 0, 2, 2, 40]), &[]);
    add_carrier(&site, "wrong", smsc.address(), &[]);
    let secret = site.path("wrong.secret");
    std::fs::write(&secret, "wrong").expect("a writable directory");
    let secret = secret.display().to_string();
    site.must(&["carrier", "set", "wrong", "--password-file", &secret]);
    for (carrier, parts) in [
        ("gone", ["cannot be reached", "the firewalls between"]),
        ("web", ["speaks HTTP and not SMPP", "check the port"]),
        ("tls", ["speaks no SMPP", "check the port"]),
        ("wrong", ["ESME_RINVPASWD", "`hayauma carrier set wrong --password-file`"]),
        ("nobody", ["nobody", "carrier"]),
    ] {
        let finished = site.run(&["carrier", "test", carrier]);
        assert_eq!(finished.status, Some(1), "{carrier}: {}", finished.stdout);
        for part in parts {
            assert!(finished.stderr.contains(part), "{carrier}: {part}: {}", finished.stderr);
        }
    }
}

#[test]
fn a_trace_shows_what_a_carrier_says_and_is_told_but_no_password_and_no_text() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let traced = std::thread::scope(|scope| {
        let trace = ["smpp", "trace", "--carrier", "alpha", "--seconds", "4"];
        let site = &site;
        let trace = scope.spawn(move || site.must(&trace));
        wait::until_true("the trace", || {
            let shown = engine.admin().request("GET", "/smpp/trace", "").text();
            shown.contains("the carrier alpha")
        });
        smsc.hang_up();
        accepted(&engine, &Body::text(&msn(1), "traced", "meet me at nine"));
        assert_eq!(told(&one_about(&recorder, "traced")), as_told("0000", "1", "00"));
        trace.join().expect("no panic")
    });
    for part in ["(bind_transceiver)", "(submit_sm)", "(submit_sm_resp)", "(deliver_sm)", "…0001"]
    {
        assert!(traced.contains(part), "{part} lacks: {traced}");
    }
    for part in [tests::smsc::PASSWORD, "meet me", "819010000001", "09010000001"] {
        assert!(!traced.contains(part), "{part}: {traced}");
    }
    let refused = site.run(&["smpp", "trace", "--carrier", "nobody"]);
    assert_eq!(refused.status, Some(1), "{}", refused.stdout);
    assert!(site.must(&["audit"]).contains("smpp trace of the carrier alpha for 4 s"));
    engine.stop();
}
