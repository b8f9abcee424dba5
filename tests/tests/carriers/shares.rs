//! What carriers have of several push clients: one's flood costs another nothing.

use super::pace::push_all;
use super::{accepted, await_bound, msn, one_about, site};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::smsc::Smsc;
use tests::wait;

/// Places of the engine, of which half may be handed over.
const PLACES: u64 = 1_000;
const QUIET: &str = "00100000002";

#[test]
fn a_flood_that_awaits_its_receipts_ends_no_push_of_another_client_that_does_too() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let mut site = site(&recorder, &smsc, &["--window", "100"]);
    site.add_client(QUIET, &["--notify-url", &recorder.url()]);
    site.add_contracts(QUIET, &["09010000999"]);
    site.set("--pushes-max", &PLACES.to_string());
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let handed = || engine.admin().figure("pushes_handed_over");
    accepted(&engine, &Body::push(&msn(999), "quiet").with("svcid", QUIET));
    wait::until_true("the first is handed over", || handed() == 1);
    push_all(&engine, 0..PLACES * 7 / 10, PLACES / 2);
    let given_up = || {
        let notices = recorder.notices();
        notices.iter().filter(|notice| notice.get("code") == "6013").count() as u64
    };
    wait::until_true("the flood gives up its oldest", || {
        given_up() == PLACES * 2 / 10 + 1 && handed() == PLACES / 2
    });
    assert!(recorder.about("quiet").is_empty(), "it came first, and waits on");
    assert_eq!(one_about(&recorder, "push-0").get("svcid"), XPID);
    smsc.send_receipt(&smsc.sms()[0].id, "DELIVRD");
    assert_eq!(one_about(&recorder, "quiet").get("code"), "0000");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}
