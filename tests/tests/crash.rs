//! kill -9 in the middle of a run, and the restart: nothing accepted is lost, nothing is told
//! twice, the books add up.

use loadgen::ledger::Tally;
use loadgen::msns::Msns;
use loadgen::plan::Plan;
use loadgen::run::Run;
use loadgen::sink::{Misbehaviour, Sink};
use std::net::SocketAddr;
use std::time::Duration;
use tests::bill::Bill;
use tests::engine::Engine;
use tests::push::XPID;
use tests::site::Site;

/// Pushes of one run.
const PUSHES: u64 = 24_000;
/// Kills in one run, evenly spread over its pushes.
const KILLS: u64 = 4;

/// A run that is killed.
struct Scene {
    durability: &'static str,
    shards: usize,
    misbehaviour: Misbehaviour,
    /// More of serve's options.
    options: &'static [(&'static str, &'static str)],
}

#[test]
fn under_durability_power_four_kills_in_one_run_lose_nothing() {
    Scene { durability: "power", shards: 2, misbehaviour: Misbehaviour::default(), options: &[] }
        .play();
}

#[test]
fn under_durability_process_four_kills_in_one_run_lose_nothing() {
    Scene { durability: "process", shards: 2, misbehaviour: Misbehaviour::default(), options: &[] }
        .play();
}

#[test]
fn kills_while_the_push_client_fails_and_the_journal_is_cleaned_lose_nothing() {
    let misbehaviour = Misbehaviour { fail_every: 97, close_every: 501, ..Misbehaviour::default() };
    // Small segments and little room: many are begun, cleaned and given back between two kills.
    let options = &[("--segment-bytes", "256KiB"), ("--queue-bytes", "8MiB")];
    Scene { durability: "process", shards: 1, misbehaviour, options }.play();
}

impl Scene {
    fn play(&self) {
        let sink = Sink::start(SocketAddr::from(([127, 0, 0, 1], 0)), &[]).expect("a free port");
        sink.misbehave(self.misbehaviour);
        let site = self.site(&sink);
        let mut engine = Some(site.start());
        let run = Run::start(plan(&site), Some(&sink)).expect("a running engine");
        let (mut kills, mut under_way) = (0, 0);
        let outcome = run.wait_and_watch(|progress| {
            // The engine dies while pushes are sent, stored, delivered and notified.
            if kills < KILLS && progress.accepted >= (kills + 1) * PUSHES / (KILLS + 1) {
                kills += 1;
                // A push is notified before its answer is read, now and then.
                under_way += progress.accepted.saturating_sub(progress.notified);
                engine.take().expect("a running engine").kill();
                engine = Some(site.start());
            }
        });
        let tally = outcome.tally;
        assert_eq!(kills, KILLS, "{tally}");
        assert!(outcome.is_clean(), "{tally}; {:?}", outcome.sent.failure);
        let expected = [PUSHES; 4];
        assert_eq!(
            [tally.attempted, tally.accepted, tally.notified, tally.delivered],
            expected,
            "{tally}"
        );
        assert!(under_way > 0, "no kill hit the middle of the run");
        let recovered = engine.as_ref().map(Engine::log).unwrap_or_default();
        let unfinished =
            recovered.split("unfinished=").skip(1).filter(|rest| !rest.starts_with("0 ")).count();
        assert!(unfinished > 0, "no start found anything unfinished: {recovered}");
        let engine = engine.take().expect("a running engine");
        check_books(&site, engine, &tally, outcome.ledger.segments_delivered());
    }

    fn site(&self, sink: &Sink) -> Site {
        let mut site = Site::new(tests::programs!());
        site.shards(self.shards).set("--durability", self.durability);
        for (name, value) in self.options {
            site.set(name, value);
        }
        site.add_client(XPID, &["--notify-url", &sink.url(), "--notify-depth", "8"]);
        site.add_contracts(XPID, &["09000000000-09000004999"]);
        site
    }
}

fn plan(site: &Site) -> Plan {
    let mut plan = Plan::new(site.push_address());
    plan.pushes = PUSHES;
    plan.msns = Msns::parse("09000000000:5000").expect("a range");
    plan.window = Some(3_000);
    plan.patience.stall_after = Duration::from_secs(40);
    // Longer than the first resends: what would be told twice is told within it.
    plan.patience.linger = Duration::from_millis(1_500);
    plan
}

/// The bill says what the ledger says, and proves itself, of a running engine and of a stopped one.
/// (What found no room was refused and came again later; of these counts a kill takes those of its
/// minute.)
#[track_caller]
fn check_books(site: &Site, engine: Engine, tally: &Tally, segments: u64) {
    let compare = || {
        let bill = Bill::of_these_days(site);
        let billed = ["accepted", "delivered", "segments"].map(|column| bill.sum(XPID, column));
        assert_eq!(billed, [tally.accepted, tally.delivered, segments]);
        let others = ["partial", "refused", "expired", "failed", "cancelled", "replaced"];
        assert_eq!(others.map(|column| bill.sum(XPID, column)), [0; 6]);
    };
    compare();
    engine.stop();
    compare();
    let proof = site.must(&["billing", "reconcile"]);
    assert!(proof.contains("open pushes: 0") && proof.contains("the books add up"), "{proof}");
}
