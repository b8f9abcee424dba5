//! The wall clock is set while the engine serves. The clock is faked (libfaketime); where it is not
//! installed these tests say so and check nothing.

use super::{accepted, await_figure, msn};
use tests::clock::Clock;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;

#[test]
fn a_clock_that_is_set_forgets_no_key_stops_no_rate_and_holds_up_no_delivery() {
    let recorder = Recorder::start();
    let mut site = Site::new(tests::programs!());
    site.set("--network-latency-ms", "20");
    let Some(clock) = Clock::new(&site) else { return };
    site.add_client(XPID, &["--notify-url", &recorder.url(), "--rate", "5"]);
    site.add_contracts(XPID, &[&format!("{}-{}", msn(0), msn(99))]);
    let engine = clock.start(&site);
    let mut connection = engine.connect();
    for (number, offset) in ["+0", "-1h", "+26h", "-30h"].into_iter().enumerate() {
        clock.set(offset);
        let push = Body::push(&msn(number as u64), "once").with("lifetime", "02").request();
        // The rate has room again within a second, whatever the clock shows.
        let answer = tests::wait::until("a push that is taken", || {
            let answer = connection.ask(&push);
            (answer.code() != "8001").then_some(answer)
        });
        accepted(&answer);
        await_figure(&engine, "pushes_delivered", number as u64 + 1);
        assert_eq!(recorder.await_count(number + 1)[number].gist(), ("0301", "0000"));
        for before in 0..=number {
            let repeat = Body::push(&msn(before as u64), "once").with("lifetime", "02").request();
            let answer = connection.ask(&repeat);
            assert_eq!(
                answer.code(),
                "0001",
                "push {before} again, the clock at {offset}: {answer:?}"
            );
        }
    }
    engine.stop();
}
