//! Every class of the ledger, one by one.

use super::*;
use crate::acts::{Act, Fault};
use crate::reqid::REQID_OCTETS;
use std::net::SocketAddr;

fn plan(pushes: u64) -> Plan {
    let mut plan = Plan::new(SocketAddr::from(([127, 0, 0, 1], 1)));
    plan.pushes = pushes;
    plan
}

fn notify(ledger: &Ledger, index: u64, code: u16, id: &[u8]) -> Noted {
    let mut reqid = [0; REQID_OCTETS];
    ledger.run.write(index, &mut reqid);
    let notification = Notification {
        cancellation: false,
        msn: &ledger.destinations.of(index).digits(),
        reqid: &reqid,
        xpid: b"00100000001",
        code,
        delivered_segments: 1,
        notification_id: id,
        completed_unix_s: None,
    };
    ledger.note_notification(&notification, 5_000_000)
}

fn first(notification_ns: u64, late_ns: u64) -> Noted {
    Noted::First(Times { notification_ns, late_ns, ..Times::default() })
}

#[test]
fn every_class_of_the_ledger_is_told_apart() {
    let ledger = Ledger::new(&plan(10), Clock::start());
    for index in 0..8 {
        ledger.note_sent(index, 1_000_000);
    }
    for index in 0..6 {
        ledger.note_answer(index, u16::from(index == 1), false, 2_000_000);
    }
    ledger.note_answer(6, 2005, false, 2_000_000);
    assert_eq!(notify(&ledger, 0, 0, b"a"), first(4_000_000, 0));
    assert_eq!(notify(&ledger, 0, 0, b"a"), Noted::Resent);
    assert_eq!(notify(&ledger, 1, 0, b"b"), first(4_000_000, 0));
    assert_eq!(notify(&ledger, 1, 0, b"other"), Noted::Duplicated);
    assert_eq!(notify(&ledger, 1, 6001, b"b"), Noted::Duplicated);
    notify(&ledger, 2, 6001, b"c");
    notify(&ledger, 6, 0, b"refused");
    notify(&ledger, 7, 0, b"unanswered");
    notify(&ledger, 9, 0, b"never sent");
    assert_eq!(notify(&ledger, 10, 0, b"beyond"), Noted::Foreign);
    let tally = ledger.tally();
    let expected = Tally {
        attempted: 8,
        accepted: 6,
        refused: 1,
        unanswered: 1,
        delivered: 5,
        notified: 6,
        lost: Some(3),
        duplicated: 2,
        unexpected: 3,
        resent: 1,
        repeated: 1,
        recovered: 1,
        ..Tally::default()
    };
    assert_eq!(tally, expected);
    assert!(!tally.is_clean());
    assert_eq!(
        tally.to_string(),
        "attempted 8 · accepted 6 · delivered 5 · notified 6 · lost 3 · duplicated 2 · unexpected 3"
    );
    assert_eq!(
        (ledger.lost(2), ledger.is_duplicated(1), ledger.is_duplicated(0)),
        (vec![3, 4], true, false)
    );
    assert_eq!(ledger.notification_codes(), [(0, 5), (6001, 1)]);
}

#[test]
fn an_http_error_is_no_answer_and_a_notification_tells_that_the_push_was_accepted_all_the_same() {
    let ledger = Ledger::new(&plan(2), Clock::start());
    for index in 0..2 {
        ledger.note_sent(index, 1_000_000);
        ledger.note_http_error(index, 502 + index as u16, 2_000_000);
    }
    assert_eq!((ledger.in_flight(), ledger.outstanding()), (0, 0));
    assert_eq!(notify(&ledger, 1, 0, b"a"), first(4_000_000, 0));
    let tally = ledger.tally();
    let expected = Tally {
        attempted: 2,
        http_errors: 2,
        delivered: 1,
        notified: 1,
        recovered: 1,
        lost: Some(0),
        ..Tally::default()
    };
    assert_eq!((tally, tally.is_clean()), (expected, false));
    assert_eq!(ledger.http_errors(), [(502, 1), (503, 1)]);
    // What is missing when a run is cut short was not lost.
    ledger.note_answer(0, 0, false, 3_000_000);
    assert_eq!(ledger.tally().lost, Some(1));
    ledger.cut_short();
    assert_eq!((ledger.tally().lost, ledger.tally().not_awaited), (None, 1));
}

#[test]
fn a_notification_that_names_another_msn_xpid_or_event_is_nobodys() {
    let ledger = Ledger::new(&plan(1), Clock::start());
    let mut reqid = [0; REQID_OCTETS];
    ledger.run.write(0, &mut reqid);
    let digits = ledger.destinations.of(0).digits();
    let right = Notification {
        cancellation: false,
        msn: &digits,
        reqid: &reqid,
        xpid: b"00100000001",
        code: 0,
        delivered_segments: 1,
        notification_id: b"",
        completed_unix_s: None,
    };
    for wrong in [
        Notification { msn: b"09999999999", ..right },
        Notification { xpid: b"00100000002", ..right },
        Notification { cancellation: true, ..right },
    ] {
        assert_eq!(ledger.note_notification(&wrong, 0), Noted::Foreign, "{wrong:?}");
    }
    assert!(matches!(ledger.note_notification(&right, 0), Noted::First(_)));
}

#[test]
fn a_notification_may_come_before_the_answer_and_an_open_loop_counts_from_the_schedule() {
    let mut plan = plan(4);
    plan.load = Load::Open { rate_per_second: 1_000 };
    let ledger = Ledger::new(&plan, Clock::start());
    ledger.start(1_000_000);
    ledger.note_sent(3, 4_900_000);
    assert_eq!(notify(&ledger, 3, 0, b"a"), first(1_000_000, 900_000));
    assert_eq!(ledger.outstanding(), 0);
    ledger.note_answer(3, 0, false, 6_000_000);
    assert!(ledger.tally().is_clean());
}

/// Request 0 is a push; the others are about it, or bad.
fn mixed() -> (Ledger, Vec<u64>, Vec<u64>, Vec<u64>) {
    let acts = [
        (Act::Repeat { after: 1 }, 1),
        (Act::Cancel { after: 1 }, 1),
        (Act::Bad(Fault::OddHex), 1),
    ];
    let mut shape = Mix::sample().shapes()[0].clone();
    shape.weight = 3;
    let plan = Plan { mix: Mix::with("own", vec![shape], &acts), ..plan(400) };
    let ledger = Ledger::new(&plan, Clock::start());
    let (mut repeats, mut cancels, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..400 {
        match ledger.deed(index) {
            Deed::Repeat { .. } => repeats.push(index),
            Deed::Cancel { .. } => cancels.push(index),
            Deed::Bad(_) => bad.push(index),
            Deed::Push { .. } => {}
        }
        ledger.note_sent(index, 1_000_000);
    }
    (ledger, repeats, cancels, bad)
}

fn answer(ledger: &Ledger, index: u64, code: u16) {
    ledger.note_answer(index, code, false, 2_000_000);
}

#[test]
fn an_answer_that_a_request_must_not_get_is_counted() {
    let (ledger, repeats, cancels, bad) = mixed();
    for (index, right, wrong) in
        [(repeats[0], 1, 3001), (cancels[0], 3003, 3002), (bad[0], 4004, 0)]
    {
        let before = ledger.tally().wrongly_answered;
        let subject = ledger.deed(index).subject(index);
        if subject != index {
            answer(&ledger, subject, 0);
        }
        answer(&ledger, index, right);
        assert_eq!(ledger.tally().wrongly_answered, before, "{right}");
        answer(&ledger, index, wrong);
        assert_eq!(ledger.tally().wrongly_answered, before + 1, "{wrong}");
    }
    // A cancel may come before the push that it is about has its answer.
    ledger.note_answer(cancels[1], 3002, true, 2_000_000);
    assert_eq!(ledger.tally().wrongly_answered, 3);
    assert!(!ledger.tally().is_clean());
    let told = ledger.answers();
    assert_eq!(told.iter().map(|answers| answers.wrong).sum::<u64>(), 3);
    assert_eq!(told.iter().map(|answers| answers.right).sum::<u64>(), 4);
}

#[test]
fn a_push_answered_0000_together_with_its_repeat_was_accepted_twice() {
    let (ledger, repeats, ..) = mixed();
    let of = ledger.deed(repeats[0]).subject(repeats[0]);
    answer(&ledger, of, 0);
    answer(&ledger, repeats[0], 1);
    assert_eq!(ledger.tally().accepted_twice, 0);
    answer(&ledger, repeats[0], 0);
    assert_eq!((ledger.tally().accepted_twice, ledger.tally().wrongly_answered), (1, 0));
}

#[test]
fn a_cancel_must_be_told_and_a_push_withdrawn_by_it_may_not_be_delivered_as_well() {
    let (ledger, _, cancels, _) = mixed();
    let tell = |index: u64, code: u16, cancellation: bool| {
        let mut reqid = [0; REQID_OCTETS];
        ledger.run.write(index, &mut reqid);
        let notification = Notification {
            cancellation,
            msn: &ledger.destinations.of(index).digits(),
            reqid: &reqid,
            xpid: b"00100000001",
            code,
            delivered_segments: 0,
            notification_id: if cancellation { b"c" } else { b"p" },
            completed_unix_s: None,
        };
        ledger.note_notification(&notification, 5_000_000)
    };
    let of = ledger.deed(cancels[0]).subject(cancels[0]);
    answer(&ledger, of, 0);
    answer(&ledger, cancels[0], 0);
    assert_eq!(ledger.tally().lost, Some(1));
    assert_eq!(tell(of, 0, true), Noted::Cancel);
    let tally = ledger.tally();
    assert_eq!((tally.lost, tally.withdrawn, tally.delivered), (Some(0), 1, 0));
    assert_eq!((tell(of, 0, true), tell(of, 0, false)), (Noted::Resent, Noted::Duplicated));
    // Another, whose cancel came too late: its own notification and that of the cancel belong to
    // it.
    let late =
        cancels.iter().find(|&&cancel| ledger.deed(cancel).subject(cancel) != of).expect("another");
    let of = ledger.deed(*late).subject(*late);
    answer(&ledger, of, 0);
    answer(&ledger, *late, 0);
    assert!(matches!(tell(of, 0, false), Noted::First(_)));
    assert_eq!(ledger.tally().lost, Some(1), "the cancel was not told yet");
    assert_eq!(tell(of, 3003, true), Noted::Cancel);
    assert_eq!((ledger.tally().lost, ledger.tally().duplicated), (Some(0), 1));
    // Nobody cancelled this one.
    let quiet = (0..400).find(|&index| {
        matches!(ledger.deed(index), Deed::Push { .. })
            && cancels.iter().all(|&cancel| ledger.deed(cancel).subject(cancel) != index)
    });
    assert_eq!(tell(quiet.expect("a push"), 0, true), Noted::Foreign);
}
