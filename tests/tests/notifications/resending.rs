//! What happens to a notification that is not acknowledged.

use super::{accepted, check_form, msn, site};
use std::time::Duration;
use tests::push::{Body, expiry_in};
use tests::recorder::{Notice, Recorder, Reply};

fn is_try(notice: &Notice, number: &str) -> bool {
    notice.get("trynum") == number
}

//= push notify acknowledged
//= push notify same
#[test]
fn a_notification_is_sent_again_until_it_is_acknowledged() {
    let recorder = Recorder::answering(|notice| match notice.get("reqid") {
        _ if !is_try(notice, "1") => Reply::Acknowledge,
        "status-500" => Reply::Status(500, None),
        "status-404" => Reply::Status(404, None),
        "not-0000" => Reply::Code("9001"),
        "hung-up" => Reply::Close,
        _ => Reply::Acknowledge,
    });
    let site = site(&recorder);
    let engine = site.start();
    let mut connection = engine.connect();
    let reqids = ["status-500", "status-404", "not-0000", "hung-up"];
    for (number, reqid) in (0..).zip(reqids) {
        accepted(&connection.ask(&Body::push(&msn(number), reqid).request()));
    }
    for (number, reqid) in (0..).zip(reqids) {
        let notices = recorder.await_about(reqid, 2);
        notices.iter().for_each(|notice| check_form(notice, &Body::push(&msn(number), reqid)));
        let tries: Vec<&str> = notices.iter().map(|notice| notice.get("trynum")).collect();
        assert_eq!(tries, ["1", "2"], "{reqid}");
        for name in ["ntfid", "code", "cmptime", "dlvnum", "tpst"] {
            assert_eq!(notices[0].get(name), notices[1].get(name), "{name} of {reqid}");
        }
        let pause = notices[1].at - notices[0].at;
        assert!(
            pause >= Duration::from_millis(500),
            "{reqid} after {pause:?}, the schedule says 1 s with jitter"
        );
    }
    tests::wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    engine.stop();
}

//= push notify acknowledged
#[test]
fn an_acknowledgement_counts_only_for_the_push_that_it_names() {
    let recorder = Recorder::answering(|notice| match notice.get("reqid") {
        _ if !is_try(notice, "1") => Reply::Acknowledge,
        "another-msn" => Reply::Naming("msn", "09099999999"),
        "another-reqid" => Reply::Naming("reqid", "another"),
        "another-reqi" => Reply::Naming("reqid", "another-reqid"),
        "another-xpid" => Reply::Naming("svcid", "00100000009"),
        _ => Reply::Acknowledge,
    });
    let site = site(&recorder);
    let engine = site.start();
    let mut connection = engine.connect();
    let reqids = ["another-msn", "another-reqid", "another-reqi", "another-xpid", "its-own"];
    for (number, reqid) in (0..).zip(reqids) {
        accepted(&connection.ask(&Body::push(&msn(number), reqid).request()));
    }
    for reqid in &reqids[..4] {
        let tries: Vec<String> = recorder
            .await_about(reqid, 2)
            .iter()
            .map(|notice| notice.get("trynum").to_owned())
            .collect();
        assert_eq!(tries, ["1", "2"], "{reqid}");
    }
    tests::wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    assert_eq!(recorder.about("its-own").len(), 1);
    engine.stop();
}

#[test]
fn a_push_client_that_says_when_to_come_again_is_listened_to() {
    let recorder = Recorder::answering(|notice| match is_try(notice, "1") {
        true => Reply::Status(503, Some(3)),
        false => Reply::Acknowledge,
    });
    let site = site(&recorder);
    let engine = site.start();
    accepted(&engine.connect().ask(&Body::push(&msn(0), "later").request()));
    let notices = recorder.await_about("later", 2);
    let pause = notices[1].at - notices[0].at;
    assert!(pause >= Duration::from_secs(3), "sent again after {pause:?}");
    engine.stop();
}

#[test]
fn a_date_to_come_again_at_is_read_in_every_form_of_http() {
    // Three seconds after the answer's own date, or after now where it has none.
    let later = expiry_as_asctime(5);
    let recorder =
        Recorder::answering(move |notice| match (notice.get("reqid"), notice.get("trynum")) {
            ("fixdate", "1") => Reply::Headed(
                503,
                "Date: Sun, 22 Nov 2026 13:34:30 GMT\r\n\
                 Retry-After: Sun, 22 Nov 2026 13:34:33 GMT\r\n",
            ),
            ("rfc850", "1") => Reply::Headed(
                503,
                "Date: Sun, 22 Nov 2026 13:34:30 GMT\r\n\
                 Retry-After: Sunday, 22-Nov-26 13:34:33 GMT\r\n",
            ),
            ("no-date", "1") => Reply::Headed(503, later),
            _ => Reply::Acknowledge,
        });
    let site = site(&recorder);
    let engine = site.start();
    let reqids = ["fixdate", "rfc850", "no-date"];
    for (number, reqid) in (0..).zip(reqids) {
        accepted(&engine.connect().ask(&Body::push(&msn(number), reqid).request()));
    }
    for reqid in reqids {
        let notices = recorder.await_about(reqid, 2);
        let pause = notices[1].at - notices[0].at;
        assert!(pause >= Duration::from_secs(2), "{reqid}: sent again after {pause:?}");
    }
    engine.stop();
}

/// A `Retry-After` line in the form of C's asctime, so many seconds from now.
fn expiry_as_asctime(seconds: i64) -> &'static str {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // The clock of Greenwich is nine hours behind Japan's.
    let at = expiry_in(seconds - 9 * 3_600);
    let (year, month, day) = (&at[..4], &at[4..6], &at[6..8]);
    let month = MONTHS[month.parse::<usize>().expect("a month") - 1];
    let day: u32 = day.parse().expect("a day");
    let clock = format!("{}:{}:{}", &at[8..10], &at[10..12], &at[12..14]);
    format!("Retry-After: Mon {month} {day:2} {clock} {year}\r\n").leak()
}

//= push notify in order
#[test]
fn notifications_of_one_msn_come_in_the_order_of_the_ends_even_when_one_is_refused() {
    let recorder =
        Recorder::answering(|notice| match (notice.get("reqid"), notice.get("trynum")) {
            ("order-0", "1") => Reply::Status(500, None),
            _ => Reply::Acknowledge,
        });
    let site = site(&recorder);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..5 {
        accepted(&connection.ask(&Body::push(&msn(0), &format!("order-{number}")).request()));
    }
    accepted(&connection.ask(&Body::push(&msn(1), "another-msn").request()));
    let notices = recorder.await_count(7);
    let of_first = notices.iter().filter(|notice| notice.get("msn") == msn(0));
    let order: Vec<(&str, &str)> =
        of_first.map(|notice| (notice.get("reqid"), notice.get("trynum"))).collect();
    let expected = [
        ("order-0", "1"),
        ("order-0", "2"),
        ("order-1", "1"),
        ("order-2", "1"),
        ("order-3", "1"),
        ("order-4", "1"),
    ];
    assert_eq!(order, expected);
    let place = |reqid: &str| notices.iter().position(|notice| notice.get("reqid") == reqid);
    assert!(place("another-msn") < place("order-1"), "another msn does not wait");
    engine.stop();
}

#[test]
fn a_push_client_that_was_down_is_told_when_it_is_up() {
    let address = tests::ports::free_address();
    let site = {
        // Registered, and gone again.
        let recorder = Recorder::start_at(address, |_| Reply::Acknowledge);
        site(&recorder)
    };
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..20 {
        accepted(&connection.ask(&Body::push(&msn(number), &format!("down-{number}")).request()));
    }
    tests::wait::until_true("20 deliveries", || engine.admin().figure("pushes_delivered") == 20);
    let recorder = Recorder::start_at(address, |_| Reply::Acknowledge);
    let notices = recorder.await_count(20);
    assert!(notices.iter().all(|notice| notice.gist() == ("0301", "0000")));
    tests::wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    assert_eq!(recorder.notices().len(), 20, "each was told once");
    engine.stop();
}
