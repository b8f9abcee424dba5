//! Push clients that do not take their notifications: resends by the schedule, order kept, nobody
//! else delayed.

use super::{OTHER, accepted, add_client, await_figure, check_sooner, msn, site};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tests::push::{Body, XPID};
use tests::recorder::{Recorder, Reply};

#[test]
fn a_dead_sink_is_asked_by_the_schedule_and_gets_everything_in_order_when_it_is_back() {
    // The first five tries of the first notification fail; nothing of its msn may overtake it.
    let recorder = Recorder::answering(|notice| match notice.get("reqid") {
        "first" if notice.get("trynum") <= "5" => Reply::Status(503, None),
        _ => Reply::Acknowledge,
    });
    // 1, 5, 30 s, 2 and 10 min take 10, 50, 300 ms, 1.2 and 6 s, ±20 %.
    let engine_site = site(&recorder, 100);
    let engine = engine_site.start();
    let mut connection = engine.connect();
    for reqid in ["first", "second", "third"] {
        accepted(&connection.ask(&Body::push(&msn(0), reqid).request()));
    }
    accepted(&connection.ask(&Body::push(&msn(1), "elsewhere").request()));
    let notices = recorder.await_about("first", 6);
    recorder.await_about("third", 1);
    for ((earlier, later), least_ms) in
        notices.iter().zip(&notices[1..]).zip([8, 40, 240, 960, 4_800])
    {
        let pause = later.at - earlier.at;
        assert!(
            pause >= Duration::from_millis(least_ms),
            "try {} after {pause:?}",
            later.get("trynum")
        );
    }
    let tries: Vec<&str> = notices.iter().map(|notice| notice.get("trynum")).collect();
    assert_eq!(tries, ["1", "2", "3", "4", "5", "6"]);
    let all = recorder.notices();
    let place = |reqid: &str| all.iter().rposition(|notice| notice.get("reqid") == reqid);
    assert!(place("elsewhere") < place("first"), "another msn does not wait");
    assert!(
        place("first") < place("second") && place("second") < place("third"),
        "one msn keeps its order"
    );
    assert_eq!(recorder.about("second").len() + recorder.about("third").len(), 2);
    engine.stop();
}

#[test]
fn a_push_client_that_says_when_to_come_again_means_real_seconds() {
    let recorder = Recorder::answering(|notice| match notice.get("trynum") {
        "1" => Reply::Status(503, Some(2)),
        _ => Reply::Acknowledge,
    });
    let site = site(&recorder, 1_000);
    let engine = site.start();
    accepted(&engine.connect().ask(&Body::push(&msn(0), "later").request()));
    let notices = recorder.await_about("later", 2);
    let pause = notices[1].at - notices[0].at;
    // The engine counts in whole milliseconds, and one may have begun before the answer came.
    assert!(pause >= Duration::from_millis(1_999), "sent again after {pause:?}");
    engine.stop();
}

/// Notifications wait here until the test opens it.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let open = self.open.lock().expect("nobody panics with it");
        drop(self.opened.wait_while(open, |open| !*open).expect("nobody panics with it"));
    }

    fn open(&self) {
        *self.open.lock().expect("nobody panics with it") = true;
        self.opened.notify_all();
    }
}

#[test]
fn a_slow_push_client_and_a_dead_one_delay_nobody_else() {
    const PUSHES: u64 = 50;
    let gate = Arc::new(Gate::default());
    let slow = {
        let gate = Arc::clone(&gate);
        Recorder::answering(move |_| {
            gate.pass();
            Reply::Acknowledge
        })
    };
    let quick = Recorder::start();
    let site = site(&slow, 1);
    add_client(&site, OTHER, &quick.url());
    let dead = "00100000003";
    add_client(&site, dead, &format!("http://{}/nobody", tests::ports::free_address()));
    let mut site = site;
    site.unset("--rehearsal-time-scale");
    let engine = site.start();
    let mut connection = engine.connect();
    let begun = Instant::now();
    // All three push to the same phones: what one client does not take holds up none of the others.
    for number in 0..PUSHES {
        for xpid in [XPID, dead, OTHER] {
            let push = Body::push(&msn(number), &format!("push-{number}")).with("svcid", xpid);
            accepted(&connection.ask(&push.request()));
        }
    }
    let notices = quick.await_count(PUSHES as usize);
    check_sooner(begun, Duration::from_secs(20));
    assert!(notices.iter().all(|notice| notice.gist() == ("0301", "0000")), "{notices:?}");
    await_figure(&engine, "pushes_delivered", 3 * PUSHES);
    gate.open();
    slow.await_count(PUSHES as usize);
    engine.stop();
}
