//! The engine dies by SIGKILL at named places inside append, commit, recycle, clean and recover,
//! again and again under load: nothing accepted is lost, and a phone gets an SMS twice only where
//! its report was in flight.
//!
//! `HAYAUMA_TEST_KILLS=N` sets another number of kills, `HAYAUMA_TEST_KILL_SEED=S` the seed, which
//! is printed.

use hayauma::testing::kill_points::KillPoint;
use loadgen::msns::Msns;
use loadgen::plan::{Load, Plan};
use loadgen::run::{Outcome, Run};
use loadgen::sink::{Misbehaviour, Sink};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tests::bill::Bill;
use tests::engine::Engine;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::seeded::Seeded;
use tests::site::Site;
use tests::terminals::Terminals;
use tests::wait;

/// Kills in one run of the tests, over all scenes.
const KILLS: u64 = 200;
/// An engine that does not come by its kill point in this time is killed wherever it is.
const PASSES_WITHIN: Duration = Duration::from_secs(3);
/// Pushes per second while the engine dies and comes back.
const RATE: u64 = 1_200;
/// More than are sent before the kills are done: the run is stopped then.
const PUSHES_MAX: u64 = 2_000_000;
/// Pushes to lines that are absent until the kills are over: cleaning has to move them forward.
const HELD: u64 = 200;
/// The contract of those, whose client wants no notifications.
const HELD_XPID: &str = "00100000002";

/// One engine's life and deaths.
struct Scene {
    name: &'static str,
    durability: &'static str,
    shards: usize,
    misbehaviour: Misbehaviour,
}

#[test]
fn kills_at_named_points_under_load_lose_nothing() {
    let has_kill_points = cfg!(debug_assertions);
    assert!(
        has_kill_points,
        "builds without debug assertions have no kill points: test without --release"
    );
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (seed, kills) = (
        number("HAYAUMA_TEST_KILL_SEED").unwrap_or(20_261_122),
        number("HAYAUMA_TEST_KILLS").unwrap_or(KILLS),
    );
    let failing = Misbehaviour { fail_every: 29, close_every: 211, ..Misbehaviour::default() };
    let well = Misbehaviour::default();
    let scenes = [
        Scene { name: "power, two shards", durability: "power", shards: 2, misbehaviour: well },
        Scene {
            name: "process, two shards",
            durability: "process",
            shards: 2,
            misbehaviour: failing,
        },
        Scene { name: "power, one shard", durability: "power", shards: 1, misbehaviour: failing },
        Scene { name: "process, one shard", durability: "process", shards: 1, misbehaviour: well },
    ];
    let mut chance = Seeded::new(seed);
    let mut deaths: BTreeMap<&str, u64> = BTreeMap::new();
    for (place, scene) in (0..).zip(&scenes) {
        let share = kills * (place + 1) / scenes.len() as u64 - kills * place / scenes.len() as u64;
        scene.play(share, &mut chance, &mut deaths, seed);
    }
    let at_points: u64 =
        deaths.iter().filter(|(name, _)| **name != OUTSIDE).map(|(_, count)| count).sum();
    println!("seed {seed}: {kills} kills, {at_points} of them at named points: {deaths:?}");
    assert_eq!(deaths.values().sum::<u64>(), kills);
    // Of few kills chance may have more miss their points.
    let least = if kills < KILLS { 5 } else { 8 };
    assert!(at_points * 10 >= kills * least, "most kills miss their points: {deaths:?}");
    // Those of other stories have tests of their own.
    let others = |name: &str| name.starts_with("reshard") || name.starts_with("row");
    let points = KillPoint::ALL.iter().filter(|(_, name)| !others(name)).count();
    assert!(kills < KILLS || deaths.len() + 3 > points, "points that nothing dies at: {deaths:?}");
}

/// An engine whose only phone is at home, that dies at this place of its code.
fn doomed(order: &str) -> (Recorder, Site, Engine) {
    let recorder = Recorder::start();
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &[PHONE]);
    let engine = site.spawn(&[("HAYAUMA_TEST_KILL_AT", OsStr::new(order))]);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    (recorder, site, engine)
}

const PHONE: &str = "09012345678";

#[track_caller]
fn dies(mut engine: Engine) {
    let status = wait::until("the engine's death", || engine.ended());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{}", engine.log());
}

#[test]
fn what_a_phone_may_have_is_not_called_withdrawn_over_two_kills() {
    // The phone has it, and nobody wrote that down.
    let (recorder, mut site, engine) = doomed("outcome:1");
    let push = Body::push(PHONE, "doubt").with("lifetime", "72");
    assert_eq!(engine.connect().ask(&push.request()).code(), "0000");
    dies(engine);
    site.set_lines(&[(PHONE, "absent")]);
    let engine = site.start();
    wait::until_true("a second attempt", || engine.admin().figure("holds") == 1);
    engine.admin().await_durable();
    engine.kill();
    // It waits for its next attempt: whether the first one arrived is in doubt all the same.
    let engine = site.start();
    wait::until_true("a push that waits", || engine.admin().figure("pushes_live") == 1);
    assert_eq!(engine.connect().ask(&Body::cancel(PHONE, "doubt").request()).code(), "0000");
    let notices = recorder.await_about("doubt", 1);
    assert_eq!(notices[0].gist(), ("0401", "0012"), "{notices:?}");
    assert_eq!(["dlvnum", "cnclnum"].map(|name| notices[0].get(name)), ["0", "0"]);
    assert_eq!(engine.admin().figure("attempts"), 0);
    engine.stop();
}

//= push time once
#[test]
fn the_one_attempt_of_lifetime_00_is_made_once_over_a_kill() {
    let single = Body::push(PHONE, "single").with("lifetime", "00");
    // Once the attempt has begun nobody can tell what has become of it.
    let (recorder, site, engine) = doomed("outcome:1");
    assert_eq!(engine.connect().ask(&single.request()).code(), "0000");
    dies(engine);
    let engine = site.start();
    assert_eq!(recorder.await_about("single", 1)[0].gist(), ("0301", "6008"));
    assert_eq!(engine.admin().figure("attempts"), 0, "it had its attempt");
    engine.stop();
    // Where the record that it begins is cut off, it had none: records are that of the opening, the
    // push, and that one.
    let (recorder, site, engine) = doomed("append-body:3");
    let answer = engine.connect().ask(&single.request());
    assert_eq!(answer.code(), "0000", "{answer:?}");
    dies(engine);
    let engine = site.start();
    assert_eq!(recorder.await_about("single", 1)[0].gist(), ("0301", "0000"));
    engine.stop();
}

/// The name under which kills at no named point are counted.
const OUTSIDE: &str = "anywhere";

/// A kill point and by which pass of it the engine dies.
struct Order {
    name: &'static str,
    passes: u64,
}

impl Order {
    fn draw(chance: &mut Seeded) -> Self {
        loop {
            let (point, name) = *chance.choose(KillPoint::ALL);
            let rarely = match point {
                KillPoint::ReshardBegun
                | KillPoint::ReshardRecord
                | KillPoint::ReshardWritten
                | KillPoint::ReshardExchanged
                | KillPoint::RowsKept
                | KillPoint::RowsTold
                | KillPoint::RowsClaimed
                | KillPoint::RowTurn
                | KillPoint::RowOut
                | KillPoint::RowsEnded
                | KillPoint::RowsOrdered
                | KillPoint::RowsWritten => continue,
                KillPoint::AppendBody
                | KillPoint::AppendWhole
                | KillPoint::Outcome
                | KillPoint::EndedUnbilled
                | KillPoint::EndedBilled
                | KillPoint::Acknowledged
                | KillPoint::RecoverRecord => 10,
                KillPoint::CommitBegun
                | KillPoint::CommitSynced
                | KillPoint::BooksBegun
                | KillPoint::BooksWritten
                | KillPoint::CleanMoved => 5,
                KillPoint::FreshFilled | KillPoint::SwitchBefore | KillPoint::SwitchAfter => 2,
                KillPoint::RecoverMapped
                | KillPoint::RecoverMended
                | KillPoint::RecoverGone
                | KillPoint::RecoverOpened => 0,
                _ => 1,
            };
            // As many kills among the first passes as among the last thousand.
            let magnitude = 1 << chance.below(rarely + 1);
            return Self { name, passes: 1 + chance.below(magnitude) };
        }
    }

    fn text(&self) -> String {
        format!("{}:{}", self.name, self.passes)
    }
}

impl Scene {
    fn play(&self, kills: u64, chance: &mut Seeded, deaths: &mut BTreeMap<&str, u64>, seed: u64) {
        if kills == 0 {
            return;
        }
        let sink = Sink::start(SocketAddr::from(([127, 0, 0, 1], 0)), &[]).expect("a free port");
        sink.misbehave(self.misbehaviour);
        let mut site = self.site(&sink);
        let book = site.path("terminals.txt");
        let environment = |order: &str| [("HAYAUMA_TEST_KILL_AT", order.to_owned())];
        let spawn = |site: &Site, order: Option<&Order>| {
            let armed = order.map(|order| environment(&order.text()));
            let mut variables = vec![("HAYAUMA_TEST_TERMINALS", book.as_os_str())];
            variables
                .extend(armed.iter().flatten().map(|(name, value)| (*name, OsStr::new(value))));
            (site.spawn(&variables), Instant::now())
        };
        let (mut engine, mut since) = spawn(&site, None);
        wait::until_true("a healthy engine", || engine.admin().is_healthy());
        hold_pushes(&engine);
        let run = Run::start(plan(&site), Some(&sink)).expect("a running engine");
        let (stopper, begun) = (run.stopper(), Instant::now());
        let (mut killed, mut order, mut under_way) = (0, None, 0);
        let outcome = run.wait_and_watch(|progress| {
            if killed == kills {
                return;
            }
            let late = since.elapsed() > PASSES_WITHIN;
            match engine.ended() {
                None if order.is_some() && !late => return,
                // The first one serves for a moment before it has to die.
                None if order.is_none() && progress.notified < 500 => return,
                Some(status) => {
                    let was = order.as_ref().map_or("none", |order: &Order| order.name);
                    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
                    assert_eq!(signal, Some(9), "ended by itself at {was}: {}", engine.log());
                    *deaths.entry(point_name(was)).or_default() += 1;
                }
                None => {
                    std::mem::replace(&mut engine, spawn(&site, None).0).kill();
                    *deaths.entry(OUTSIDE).or_default() += 1;
                }
            }
            killed += 1;
            under_way += u64::from(progress.attempted > progress.notified);
            order = (killed < kills).then(|| Order::draw(chance));
            (engine, since) = spawn(&site, order.as_ref());
            if killed == kills {
                stopper.stop();
            }
        });
        let took = begun.elapsed();
        assert_eq!(killed, kills, "{}", outcome.tally);
        assert!(under_way * 2 > kills, "{under_way} of {kills} kills hit a load");
        wait::until_true("a healthy engine", || engine.admin().is_healthy());
        let repeats = release_pushes(&mut site, engine, &book);
        assert_eq!(repeats, HELD, "held pushes that are known after all kills");
        let run = format!("{kills} kills in {:.1} s, seed {seed}", took.as_secs_f32());
        self.check(&outcome, &book, kills, &run);
        let segments = outcome.ledger.segments_delivered();
        self.check_books(&site, outcome.tally.accepted, segments);
    }

    /// What the clients counted and what the phones got belong together.
    fn check(&self, outcome: &Outcome, book: &Path, kills: u64, run: &str) {
        let tally = outcome.tally;
        assert!(outcome.is_clean(), "{}: {run}: {tally}; {:?}", self.name, outcome.sent.failure);
        assert_eq!(
            [tally.accepted, tally.notified, tally.delivered],
            [tally.attempted; 3],
            "{tally}"
        );
        let terminals = Terminals::read(book);
        let in_flight = terminals.repeated_in_flight;
        println!(
            "{}: {tally}; duplicated {in_flight} (their reports were in flight); {run}",
            self.name,
        );
        assert!(
            terminals.repeated.is_empty(),
            "delivered again though recorded: {:?}",
            terminals.repeated
        );
        assert_eq!(terminals.pushes, tally.accepted + HELD, "what the phones got");
        assert!(terminals.repeated_in_flight <= 200 * kills, "{terminals:?}");
    }

    fn site(&self, sink: &Sink) -> Site {
        let mut site = Site::new(tests::programs!());
        site.shards(self.shards).set("--durability", self.durability);
        // Small segments: many are begun, cleaned and given back between two kills.
        site.set("--segment-bytes", "128KiB").set("--queue-bytes", "64MiB").set("--log", "warn");
        site.add_client(XPID, &["--notify-url", &sink.url(), "--notify-depth", "8"]);
        site.add_contracts(XPID, &["09000000000-09000004999"]);
        site.add_client(HELD_XPID, &[]);
        site.add_contracts(HELD_XPID, &["09100000000-09100000999"]);
        site.set_lines(&[("09100000000-09100000999", "absent")]);
        site
    }

    /// The bill says what the ledger says, proves itself, and the journal is intact.
    fn check_books(&self, site: &Site, accepted: u64, segments: u64) {
        let bill = Bill::of_these_days(site);
        let billed = ["accepted", "delivered", "segments"].map(|column| bill.sum(XPID, column));
        assert_eq!(billed, [accepted, accepted, segments], "{}", self.name);
        let held = ["accepted", "delivered"].map(|column| bill.sum(HELD_XPID, column));
        assert_eq!(held, [HELD; 2], "{}", self.name);
        let proof = site.must(&["billing", "reconcile"]);
        assert!(proof.contains("open pushes: 0") && proof.contains("the books add up"), "{proof}");
        let verified = site.must(&["queue", "verify"]);
        assert!(verified.contains("no damage"), "{verified}");
    }
}

fn point_name(name: &str) -> &'static str {
    KillPoint::ALL.iter().find(|(_, known)| *known == name).map_or("none", |(_, known)| known)
}

fn plan(site: &Site) -> Plan {
    let mut plan = Plan::new(site.push_address());
    plan.pushes = PUSHES_MAX;
    plan.load = Load::Open { rate_per_second: RATE };
    plan.msns = Msns::parse("09000000000:5000").expect("a range");
    plan.window = Some(2_000);
    plan.patience.stall_after = Duration::from_secs(60);
    // Longer than the first resends: what would be told twice is told within it.
    plan.patience.linger = Duration::from_millis(1_500);
    plan
}

fn held(number: u64) -> Body {
    Body::push(&format!("{:011}", 9_100_000_000 + number), &format!("held-{number}"))
        .with("svcid", HELD_XPID)
        .with("lifetime", "72")
}

fn hold_pushes(engine: &Engine) {
    let mut connection = engine.connect();
    for number in 0..HELD {
        assert_eq!(connection.ask(&held(number).request()).code(), "0000");
    }
}

/// The absent lines come home: how many of the held pushes the engine knew before. Stops the
/// engine.
fn release_pushes(site: &mut Site, engine: Engine, book: &Path) -> u64 {
    let mut connection = engine.connect();
    let known = (0..HELD)
        .filter(|&number| connection.ask(&held(number).request()).code() == "0001")
        .count();
    engine.stop();
    site.set_lines(&[("09100000000-09100000999", "home")]);
    let engine = site.spawn(&[("HAYAUMA_TEST_TERMINALS", book.as_os_str())]);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    // Figures are all zero until the shards have published some.
    wait::until_true("all held pushes delivered", || {
        engine.admin().figure("contracts") > 0 && engine.admin().figure("pushes_live") == 0
    });
    engine.stop();
    known as u64
}
