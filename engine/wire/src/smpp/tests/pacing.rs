//! A carrier's rate in virtual time, and when a client connects.

use crate::smpp::dial::{Dialler, Dialling};
use crate::smpp::pace::CarrierPace;
use crate::smpp::status::Status;

/// SMS that go from `from_ms` until `until_ms` when as many are wanted as may go.
fn sent(pace: &mut CarrierPace, from_ms: u64, until_ms: u64) -> u64 {
    (from_ms..until_ms).map(|now_ms| u64::from(pace.take(1_000, now_ms))).sum()
}

#[test]
fn a_rate_is_used_whole_and_never_exceeded() {
    for rate in [1, 5, 100, 333, 20_000] {
        let mut pace = CarrierPace::new(rate, 0);
        let first = u64::from(pace.take(u32::MAX, 0));
        assert_eq!(first, u64::from(rate / 10).max(1), "100 ms' worth at once, and one at least");
        let total = first + sent(&mut pace, 0, 60_000);
        let expected = 60 * u64::from(rate);
        assert!((expected * 98 / 100..=expected).contains(&total), "{rate}: {total} in a minute");
    }
    let mut unlimited = CarrierPace::new(0, 0);
    assert_eq!(unlimited.take(1_000_000, 0), 1_000_000);
    assert_eq!(unlimited.next_ms(7), 7);
}

#[test]
fn no_second_has_more_sms_than_the_rate_however_it_is_cut() {
    for rate in [1, 7, 100, 2_000] {
        let mut pace = CarrierPace::new(rate, 0);
        // Bursts after times of rest: the bucket is full each time.
        let wanted = |now_ms: u64| if now_ms % 3_000 < 700 { 1_000 } else { 0 };
        let sent: Vec<u32> = (0..20_000).map(|now_ms| pace.take(wanted(now_ms), now_ms)).collect();
        let most = sent.windows(1_000).map(|second| second.iter().sum::<u32>()).max();
        assert!(most.is_some_and(|most| most <= rate), "{rate}: {most:?}");
        assert!(sent.iter().sum::<u32>() > 0);
    }
}

/// One message of ten segments is ten SMS to the carrier.
#[test]
fn messages_of_many_segments_go_at_the_rate_of_their_segments() {
    for rate in [5, 20, 400] {
        let mut pace = CarrierPace::new(rate, 0);
        let (mut segments, mut now_ms) = (0, 0);
        while now_ms < 60_000 {
            if pace.take(1, now_ms) == 1 {
                pace.owe(9, now_ms);
                segments += 10;
            }
            now_ms = pace.next_ms(now_ms).max(now_ms + 1);
        }
        let expected = 60 * rate;
        assert!((expected * 9 / 10..=expected + 10).contains(&segments), "{rate}: {segments}");
    }
    let mut unlimited = CarrierPace::new(0, 0);
    unlimited.owe(9, 0);
    assert_eq!((unlimited.take(5, 0), unlimited.next_ms(0)), (5, 0));
}

#[test]
fn the_next_sms_goes_when_it_was_said_and_not_before() {
    for rate in [1, 7, 100] {
        let mut pace = CarrierPace::new(rate, 0);
        pace.take(u32::MAX, 0);
        let mut now_ms = 0;
        for _ in 0..50 {
            let next_ms = pace.next_ms(now_ms);
            assert!(next_ms > now_ms, "{rate}");
            assert_eq!(pace.take(1, next_ms - 1), 0, "not before");
            assert_eq!(pace.take(1, next_ms), 1, "at its time");
            now_ms = next_ms;
        }
        pace.give_back(1);
        assert_eq!(pace.take(1, now_ms), 1, "what was given back is there");
    }
}

#[test]
fn throttling_rests_a_second_halves_the_rate_and_lets_it_grow_again() {
    let mut pace = CarrierPace::new(160, 0);
    sent(&mut pace, 0, 10_000);
    for late in 0..10 {
        pace.handle_throttled(10_000 + late);
    }
    assert_eq!(pace.factor_sixteenths(), 7, "ten answers to one burst halve it once");
    assert_eq!(pace.paused_until(10_500), Some(11_001), "a second from the second one on");
    assert_eq!((pace.next_ms(10_500), pace.take(1, 11_000)), (11_001, 0));
    assert!(pace.take(1, 11_001) > 0, "the first goes at the end of the rest");
    let second = sent(&mut pace, 11_002, 12_002);
    assert!((65..=100).contains(&second), "7/16 of 160 and what gathered: {second}");
    for step in 1..=9 {
        pace.take(0, 11_001 + step * 1_000);
        assert_eq!(u64::from(pace.factor_sixteenths()), 7 + step, "a sixteenth a second");
    }
    pace.take(0, 100_000);
    assert_eq!(pace.factor_sixteenths(), 16, "and no more than the whole");
    for round in 0..6 {
        pace.handle_throttled(200_000 + round * 1_000);
    }
    assert_eq!(pace.factor_sixteenths(), 1, "a sixteenth is the least");
}

/// A carrier that counts by seconds of its own refuses one now and then.
#[test]
fn a_lone_throttled_answer_costs_hardly_anything_and_a_second_one_soon_is_in_earnest() {
    let mut pace = CarrierPace::new(100, 0);
    let mut total = sent(&mut pace, 0, 10_000);
    for refused_ms in (10_000..60_000).step_by(10_000) {
        pace.handle_throttled(refused_ms);
        assert_eq!(pace.factor_sixteenths(), 15);
        assert_eq!(pace.paused_until(refused_ms), Some(refused_ms + 100));
        total += sent(&mut pace, refused_ms, refused_ms + 10_000);
        assert_eq!(pace.factor_sixteenths(), 16, "whole again");
    }
    assert!(total >= 60 * 95, "{total} of 6,000 with one of 1,000 refused");
    pace.handle_throttled(60_000);
    pace.handle_throttled(62_999);
    assert_eq!(pace.paused_until(63_000), Some(63_999), "two within three seconds");
    let mut full = CarrierPace::new(100, 0);
    full.handle_throttled(0);
    full.handle_queue_full(50);
    assert_eq!(full.paused_until(60), Some(5_050), "a full queue says more");
}

#[test]
fn a_full_carrier_rests_longer_each_time_and_is_choked_after_five_minutes() {
    let mut pace = CarrierPace::new(100, 0);
    let mut now_ms = 0;
    for rest_ms in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
        pace.handle_queue_full(now_ms);
        assert_eq!(pace.paused_until(now_ms), Some(now_ms + rest_ms));
        now_ms += rest_ms;
        assert!(!pace.is_choked(now_ms));
        assert!(pace.take(1, now_ms) == 1);
    }
    assert_eq!(pace.factor_sixteenths(), 16, "its rate stays");
    assert!(!pace.is_choked(299_999) && pace.is_choked(300_000));
    pace.handle_other();
    assert!(!pace.is_choked(1_000_000));
    pace.handle_queue_full(1_000_000);
    assert_eq!(pace.paused_until(1_000_000), Some(1_005_000), "the first rest is short again");
}

/// Waits between the connections of a dialler whose every connection is lost at once.
fn waits(dialler: &mut Dialler, refusal: Option<Status>, chance: u64, count: usize) -> Vec<u64> {
    let mut now_ms = dialler.poll_deadline().expect("waiting");
    let mut waits = Vec::new();
    for _ in 0..count {
        assert!(matches!(dialler.poll(now_ms, 0), Some(Dialling::Connect { .. })));
        dialler.handle_connected();
        assert_eq!(dialler.poll_deadline(), None);
        if let Some(status) = refusal {
            dialler.handle_refused(status);
        }
        dialler.handle_lost(now_ms, chance);
        let next_ms = dialler.poll_deadline().expect("waiting");
        assert_eq!(dialler.poll(next_ms - 1, 0), None, "not before its time");
        waits.push(next_ms - now_ms);
        now_ms = next_ms;
    }
    waits
}

#[test]
fn waits_grow_and_begin_again_when_a_session_was_bound() {
    let plain = |chance| waits(&mut Dialler::new(1, 0), None, chance, 7);
    assert_eq!(
        plain(0),
        [800, 1_600, 4_000, 8_000, 24_000, 48_000, 48_000],
        "20 % less at the least"
    );
    let most: Vec<u64> =
        [1_000, 2_000, 5_000, 10_000, 30_000, 60_000].iter().map(|wait| wait * 12 / 10).collect();
    let spread: Vec<u64> =
        (0..6).map(|at| waits(&mut Dialler::new(1, 0), None, most[at] / 3, 6)[at]).collect();
    assert_eq!(spread, most, "20 % more at the most");
    let mut dialler = Dialler::new(1, 0);
    waits(&mut dialler, None, 0, 4);
    dialler.handle_bound();
    assert_eq!(waits(&mut dialler, None, 0, 2), [800, 1_600]);
}

#[test]
fn a_refused_account_waits_a_minute_and_longer_and_a_held_session_half_of_one() {
    let mut dialler = Dialler::new(1, 0);
    let refused = waits(&mut dialler, Some(Status::INVALID_PASSWORD), 0, 5);
    assert_eq!(refused, [48_000, 96_000, 192_000, 384_000, 480_000]);
    assert!(dialler.is_refused());
    dialler.handle_bound();
    assert!(!dialler.is_refused());
    let held = waits(&mut dialler, Some(Status::ALREADY_BOUND), 0, 6);
    assert_eq!(held, [24_000, 24_000, 24_000, 24_000, 24_000, 48_000]);
}

#[test]
fn hosts_are_tried_in_their_order_and_a_connection_has_five_seconds() {
    let mut dialler = Dialler::new(3, 1_000);
    let mut hosts = Vec::new();
    for _ in 0..4 {
        let now_ms = dialler.poll_deadline().expect("waiting");
        match dialler.poll(now_ms, 0) {
            Some(Dialling::Connect { host }) => hosts.push(host),
            other => panic!("{other:?}"),
        }
        assert_eq!(dialler.poll_deadline(), Some(now_ms + 5_000));
        assert_eq!(dialler.poll(now_ms + 4_999, 0), None);
        assert_eq!(dialler.poll(now_ms + 5_000, 0), Some(Dialling::GiveUp));
    }
    assert_eq!(hosts, [0, 1, 2, 0]);
}
