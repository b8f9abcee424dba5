//! A carrier's limit is used, and not exceeded; and a start with much that is handed over.

use super::{BY_CARRIER, await_bound, carrier_figure, site};
use std::time::{Duration, Instant};
use tests::engine::Engine;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::smsc::Smsc;
use tests::wait;

/// Phones that every site has contracts for, and those of the push client of many.
const PHONES: u64 = 1_000;
const MANY_PHONES: u64 = 100_000;

/// Pushes these; what the engine has no room for at a moment comes again.
pub(super) fn push_all(engine: &Engine, numbers: std::ops::Range<u64>, phones: u64) {
    let mut connection = engine.connect();
    for first in numbers.clone().step_by(100) {
        let mut left: Vec<u64> = (first..(first + 100).min(numbers.end)).collect();
        while !left.is_empty() {
            let requests = left.iter().flat_map(|number| {
                let (phone, reqid) = (number % phones, format!("push-{number}"));
                Body::push(&format!("{BY_CARRIER}{phone:07}"), &reqid).request()
            });
            connection.send(&requests.collect::<Vec<u8>>());
            left.retain(|number| match connection.answer().code().as_str() {
                "0000" => false,
                "8002" => true,
                code => panic!("{code} to push {number}"),
            });
        }
    }
}

#[test]
fn a_limit_of_a_hundred_a_second_is_used_to_95_per_cent_and_hardly_ever_refused() {
    const RATE: u64 = 100;
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    // It counts the SMS of each second of its own clock, and takes not one more.
    smsc.limit(RATE);
    let site = site(&recorder, &smsc, &["--rate", "100"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    push_all(&engine, 0..1_400, PHONES);
    smsc.await_sms(1);
    let began = Instant::now();
    let wanted = RATE as usize * 12;
    wait::until_within(Duration::from_secs(20), "twelve seconds' worth", || {
        (smsc.sms().len() >= wanted).then_some(())
    });
    let seconds = began.elapsed().as_secs_f64();
    let throttled = smsc.sms().iter().filter(|sms| sms.status == Some(0x58)).count();
    let used = (smsc.sms().len() - throttled) as f64 / (RATE as f64 * seconds);
    println!("{:.1} % of the limit used, {throttled} refused", used * 100.0);
    assert!(used >= 0.95, "{used}");
    assert!(throttled * 100 <= wanted, "{throttled} of {wanted} refused");
    assert_eq!(carrier_figure(&engine, "alpha", "throttled"), throttled as u64);
    engine.stop();
}

#[test]
fn a_push_that_goes_whole_takes_of_the_rate_as_many_sms_as_it_has_segments() {
    const RATE: usize = 20;
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--rate", "20", "--long", "payload"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    // Three segments each.
    let text = "\u{5730}\u{9707}".repeat(80);
    let mut connection = engine.connect();
    for number in 0..20 {
        let (phone, reqid) = (format!("{BY_CARRIER}{number:07}"), format!("push-{number}"));
        connection.send(&Body::text(&phone, &reqid, &text).request());
        assert_eq!(connection.answer().code(), "0000");
    }
    let sms = smsc.await_sms(20);
    let took = sms[19].at.duration_since(sms[0].at).as_secs_f64();
    // What goes at once counts too: a tenth of a second's worth, and the last one.
    let least = (20 * 3 - 3 - RATE / 10) as f64 / RATE as f64;
    assert!(took >= least - 0.2, "60 segments within {took:.1} s");
    recorder.await_count(20);
    engine.stop();
}

/// How many turns took longer than each bound of the metrics, of those that any exceeded.
fn turns(engine: &Engine) -> String {
    let metrics = engine.admin().request("GET", "/metrics", "").text();
    let buckets = metrics.lines().filter(|line| line.starts_with("hayauma_turn_seconds_bucket"));
    let buckets: Vec<(&str, u64)> = buckets
        .filter_map(|line| {
            let bound = line.split_once("le=\"")?.1.split_once('"')?.0;
            Some((bound, line.rsplit(' ').next()?.parse().ok()?))
        })
        .collect();
    let all = buckets.iter().map(|&(_, count)| count).max().unwrap_or(0);
    let over = buckets.iter().filter(|&&(bound, count)| {
        count < all && bound.parse::<f64>().is_ok_and(|bound| bound >= 0.0005)
    });
    let over: Vec<String> =
        over.map(|(bound, count)| format!("{} over {bound} s", all - count)).collect();
    format!("{all}: {}", over.join(", "))
}

/// Pushes that are handed over when the engine ends; `HAYAUMA_TEST_HANDED` says otherwise.
fn handed() -> u64 {
    let said = std::env::var("HAYAUMA_TEST_HANDED").ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(3_000)
}

#[test]
fn a_carrier_is_bound_soon_after_a_start_however_much_is_handed_over() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let mut site = site(&recorder, &smsc, &["--window", "100"]);
    let handed = handed();
    site.add_contracts(XPID, &["09010001000-09010099999"]);
    site.set("--pushes-max", &(4 * handed).to_string()).set("--queue-bytes", "4GiB");
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    push_all(&engine, 0..handed, MANY_PHONES);
    let patience = Duration::from_secs(60 + handed / 500);
    wait::until_within(patience, "all of them handed over", || {
        (engine.admin().figure("pushes_handed_over") == handed).then_some(())
    });
    engine.admin().await_durable();
    println!("{handed} handed over: turns {}", turns(&engine));
    engine.kill();
    let engine = site.start();
    let began = Instant::now();
    await_bound(&engine, "alpha", 1);
    println!("{handed} handed over: bound {:?} after the start", began.elapsed());
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(carrier_figure(&engine, "alpha", "receipts_awaited"), handed);
    println!("{handed} handed over: turns since the start {}", turns(&engine));
    let first = smsc.sms()[0].id.clone();
    smsc.send_receipt(&first, "DELIVRD");
    recorder.await_count(1);
    engine.stop();
}
