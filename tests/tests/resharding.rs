//! A data directory starts with another number of shards: its queue moves, nothing is lost and
//! nothing happens twice, though the engine is killed at every step of it and comes back with the
//! old number or the new one.

use hayauma::testing::kill_points::KillPoint;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tests::bill::Bill;
use tests::engine::Engine;
use tests::http::Connection;
use tests::push::{Body, XPID};
use tests::recorder::{Recorder, Reply};
use tests::seeded::Seeded;
use tests::site::Site;
use tests::terminals::Terminals;
use tests::wait;

/// Pushes that are delivered and told before anything moves: their keys are remembered.
const DONE: u64 = 60;
/// Pushes to lines that are absent: they wait.
const WAITING: u64 = 90;
/// Pushes delivered whose client takes no notification yet.
const UNTOLD: u64 = 30;
/// Pushes of an alert, which wait too.
const ALERTED: u64 = 20;
/// The client of the pushes that are not told yet.
const DEAF_XPID: &str = "00100000002";

fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

fn done(number: u64) -> Body {
    Body::push(&msn(number), &format!("done-{number}"))
}

fn waiting(number: u64) -> Body {
    Body::text(
        &msn(200 + number),
        &format!("waits-{number}"),
        &"\u{5730}\u{9707}".repeat(10 * (1 + number as usize % 9)),
    )
    .with("lifetime", "72")
}

fn untold(number: u64) -> Body {
    Body::push(&msn(400 + number), &format!("untold-{number}")).with("svcid", DEAF_XPID)
}

fn alerted(number: u64) -> Body {
    Body::push(&msn(300 + number), &format!("alert-{number}"))
        .with("alertid", "quake-1")
        .with("alertseq", "05")
        .with("lifetime", "72")
}

/// A push of the same alert with a lower sequence: not sent, because the higher one is remembered.
fn outdated(number: u64) -> Body {
    alerted(number).with("reqid", &format!("late-{number}")).with("alertseq", "04")
}

fn code(engine: &Engine, body: &Body) -> String {
    engine.connect().ask(&body.request()).code()
}

/// Everything that was accepted is known, and waits where it has to.
#[track_caller]
fn check(engine: &Engine, untold_left: u64) {
    for body in
        (0..DONE).map(done).chain((0..WAITING).map(waiting)).chain((0..ALERTED).map(alerted))
    {
        assert_eq!(code(engine, &body), "0001", "{body:?}");
    }
    for number in 0..ALERTED {
        assert_eq!(code(engine, &outdated(number)), "0002", "the alert's sequence is remembered");
    }
    assert_eq!(code(engine, &done(3).with("data", "00")), "3001");
    let live = WAITING + ALERTED + untold_left;
    wait::until_true("what waits", || engine.admin().figure("pushes_live") == live);
}

/// Two clients, one of which is deaf, and phones that are away.
fn site(recorder: &Recorder, deaf: &Recorder) -> Site {
    let mut site = Site::new(tests::programs!());
    site.set("--segment-bytes", "256KiB").set("--queue-bytes", "64MiB").set("--log", "warn");
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_client(DEAF_XPID, &["--notify-url", &deaf.url()]);
    site.add_contracts(XPID, &["09000000000-09000000399"]);
    site.add_contracts(DEAF_XPID, &["09000000400-09000000499"]);
    site.set_lines(&[("09000000200-09000000399", "absent")]);
    site
}

#[test]
fn a_queue_moves_to_other_numbers_of_shards_over_kills_at_every_step() {
    let recorder = Recorder::start();
    // Takes nothing until the very end.
    let address = tests::ports::free_address();
    let deaf = Recorder::start_at(address, |_| Reply::Status(503, Some(1)));
    let mut site = site(&recorder, &deaf);
    let book = site.path("terminals.txt");
    let terminals = [("HAYAUMA_TEST_TERMINALS", book.as_os_str())];

    let engine = site.spawn(&terminals);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    let all = (0..DONE).map(done).chain((0..WAITING).map(waiting)).chain((0..UNTOLD).map(untold));
    for body in all.chain((0..ALERTED).map(alerted)) {
        assert_eq!(code(&engine, &body), "0000", "{body:?}");
    }
    recorder.await_count(DONE as usize);
    let ids_before = ids(&deaf.await_count(UNTOLD as usize));
    assert_eq!(ids_before.len() as u64, UNTOLD);
    check(&engine, UNTOLD);
    engine.admin().await_durable();
    engine.kill();

    let (mut shards, mut deaths) = (1, BTreeMap::new());
    let mut chance = Seeded::new(7);
    for (step, target) in [2, 1, 3, 2].into_iter().enumerate() {
        for (place, order) in orders().enumerate() {
            // Now with the number that is wanted, now with the one that was.
            site.shards(if place > 0 && chance.below(3) == 0 { shards } else { target });
            let armed = [terminals[0], ("HAYAUMA_TEST_KILL_AT", OsStr::new(&order))];
            if dies_as_ordered(&site, &armed, &order) {
                *deaths.entry(order).or_insert(0) += 1;
            }
        }
        site.shards(target);
        let engine = site.spawn(&terminals);
        wait::until_true("a healthy engine", || engine.admin().is_healthy());
        assert_eq!(engine.admin().status().shards.len(), target);
        check(&engine, UNTOLD + step as u64);
        // One accepted in each layout has to get through the later ones.
        assert_eq!(code(&engine, &untold(50 + step as u64)), "0000");
        wait::until_true("one more to tell", || {
            deaf.notices()
                .iter()
                .any(|notice| notice.get("reqid") == format!("untold-{}", 50 + step))
        });
        engine.admin().await_durable();
        engine.kill();
        shards = target;
        break_even(&mut site, &terminals, shards);
    }
    println!("killed at {deaths:?}");
    assert!(deaths.values().sum::<u64>() > 20, "{deaths:?}");

    drop(deaf);
    let hearing = Recorder::start_at(address, |_| Reply::Acknowledge);
    site.set_lines(&[("09000000200-09000000399", "home")]);
    let engine = site.spawn(&terminals);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    // Figures are all zero until the shards have published some.
    wait::until_true("nothing left", || {
        engine.admin().figure("contracts") > 0 && engine.admin().figure("pushes_live") == 0
    });
    engine.stop();
    let told = ids(&hearing.notices());
    for (reqid, id) in &ids_before {
        assert_eq!(told.get(reqid), Some(id), "the notification about {reqid} keeps its ntfid");
    }
    check_waiting_were_told(&recorder);
    check_books(&site, &Terminals::read(&book));
}

/// Whether the engine died where it was told to; one that came up instead is killed.
fn dies_as_ordered(site: &Site, armed: &[(&str, &OsStr)], order: &str) -> bool {
    let mut engine = site.spawn(armed);
    let status = wait::until("a death or a healthy engine", || match engine.ended() {
        Some(status) => Some(Some(status)),
        None => engine.admin().is_healthy().then_some(None),
    });
    match status {
        Some(status) => {
            assert_eq!(status.signal(), Some(9), "{order}: {}", engine.log());
            true
        }
        None => {
            engine.kill();
            false
        }
    }
}

fn check_waiting_were_told(recorder: &Recorder) {
    let notices = recorder.notices();
    for reqid in (0..WAITING).map(|number| format!("waits-{number}")) {
        let about: Vec<_> = notices.iter().filter(|notice| notice.get("reqid") == reqid).collect();
        assert!(
            !about.is_empty() && about.iter().all(|notice| notice.gist() == ("0301", "0000")),
            "{about:?}"
        );
    }
}

/// Every push arrived once, was billed once, and the books add up.
fn check_books(site: &Site, book: &Terminals) {
    let accepted = DONE + WAITING + ALERTED + UNTOLD + 4;
    assert_eq!((book.pushes, &book.repeated), (accepted, &vec![]), "each arrived, and none twice");
    let bill = Bill::of_these_days(site);
    for column in ["accepted", "delivered"] {
        assert_eq!(bill.sum(XPID, column) + bill.sum(DEAF_XPID, column), accepted, "{column}");
    }
    let proof = site.must(&["billing", "reconcile"]);
    assert!(proof.contains("open pushes: 0") && proof.contains("the books add up"), "{proof}");
    assert!(site.must(&["queue", "verify"]).contains("no damage"));
}

/// The lowest and the highest number of a shard's journal files.
fn segments(site: &Site, shard: usize) -> (u64, u64) {
    let directory = site.data_dir().join(format!("shard-{shard:03}/journal"));
    let names = std::fs::read_dir(directory)
        .expect("a journal")
        .map(|entry| entry.expect("a file").file_name());
    let numbers = names.filter_map(|name| {
        name.to_str()?.strip_prefix("segment-")?.strip_suffix(".log")?.parse::<u64>().ok()
    });
    numbers.fold((u64::MAX, 0), |(low, high), number| (low.min(number), high.max(number)))
}

/// Requests in flight on the connection of a load.
const DEPTH: u64 = 32;
/// Pushes in a layout at most until cleaning is through with what was copied.
const LOAD_MAX: u64 = 60_000;

/// A client that pushes on and on, over deaths of the engine: what was not answered is asked for
/// again.
#[derive(Default)]
struct Load {
    /// All below were sent.
    sent: u64,
    /// Those of them that nobody has answered.
    open: Vec<u64>,
    taken: AtomicU64,
}

impl Load {
    fn push(number: u64) -> Body {
        Body::push(&msn(number % 200), &format!("fill-{number}"))
    }

    /// Sends these and reads their answers; those that came to none. A push that an earlier life
    /// has taken is known.
    fn batch(&self, connection: &mut Connection, numbers: &[u64]) -> Vec<u64> {
        let requests: Vec<u8> =
            numbers.iter().flat_map(|number| Self::push(*number).request()).collect();
        let mut open = numbers.to_vec();
        if connection.try_send(&requests).is_err() {
            return open;
        }
        for number in numbers {
            let Ok(Some(answer)) = connection.try_answer() else { break };
            match answer.code().as_str() {
                "0000" | "0001" => {
                    open.retain(|other| other != number);
                    self.taken.fetch_add(1, Ordering::Relaxed);
                }
                // The next segment is on its way, or cleaning is.
                "8002" | "8003" => {}
                code => panic!("push {number}: {code}"),
            }
        }
        open
    }

    /// Sends until `is_enough`, with what is open first; whether the engine was there to the end.
    fn send(&mut self, address: SocketAddr, is_enough: &(dyn Fn(u64) -> bool + Sync)) -> bool {
        let Ok(mut connection) = Connection::try_open(address) else { return false };
        let begun = self.taken.load(Ordering::Relaxed);
        while !is_enough(self.taken.load(Ordering::Relaxed) - begun) || !self.open.is_empty() {
            let mut numbers: Vec<u64> = self.open.drain(..).collect();
            while (numbers.len() as u64) < DEPTH {
                numbers.push(self.sent);
                self.sent += 1;
            }
            let taken = self.taken.load(Ordering::Relaxed);
            self.open = self.batch(&mut connection, &numbers);
            let is_refused = self.taken.load(Ordering::Relaxed) == taken;
            if is_refused && Connection::try_open(address).is_err() {
                return false;
            }
        }
        true
    }

    /// Sends, and kills the engine in the middle of it.
    fn send_into_a_kill(&mut self, engine: Engine, behind: u64) {
        let address = engine.push_address();
        let taken = self.taken.load(Ordering::Relaxed);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let load = &mut *self;
            let over = &is_over;
            let (seen, watched) = std::sync::mpsc::channel();
            let sender = scope.spawn(move || {
                load.send(address, &|more| {
                    if more >= behind {
                        let _ = seen.send(());
                    }
                    over.load(Ordering::Relaxed)
                })
            });
            watched.recv().expect("a load that goes on");
            engine.kill();
            is_over.store(true, Ordering::Relaxed);
            let _ = sender.join().expect("no panic");
        });
        assert!(self.taken.load(Ordering::Relaxed) >= taken + behind);
    }
}

/// Starts, and sends until cleaning has been through all that was copied.
fn clean_all_that_was_copied(site: &Site, shards: usize, load: &mut Load) -> Engine {
    let engine = site.start();
    let copied: Vec<u64> = (0..shards).map(|shard| segments(site, shard).1).collect();
    let is_through = |more: u64| {
        assert!(more < LOAD_MAX, "cleaning does not get through {copied:?}");
        more % 500 < DEPTH
            && (0..).zip(&copied).all(|(shard, until)| segments(site, shard).0 > *until)
    };
    assert!(load.send(engine.push_address(), &is_through), "it died by itself");
    engine
}

#[test]
fn a_push_is_billed_once_from_2_to_1_to_3_to_1_shards_under_load_kills_and_cleaning() {
    let recorder = Recorder::start();
    let deaf = Recorder::start_at(tests::ports::free_address(), |_| Reply::Status(503, Some(60)));
    let mut site = Site::new(tests::programs!());
    site.set("--segment-bytes", "64KiB").set("--queue-bytes", "16MiB").set("--log", "warn");
    site.add_client(XPID, &["--notify-url", &recorder.url(), "--notify-depth", "16"]);
    site.add_client(DEAF_XPID, &["--notify-url", &deaf.url()]);
    site.add_contracts(XPID, &["09000000000-09000000399"]);
    site.add_contracts(DEAF_XPID, &["09000000400-09000000499"]);
    site.set_lines(&[("09000000200-09000000399", "absent")]);
    let engine = site.shards(2).start();
    for body in (0..20).map(waiting).chain((0..20).map(untold)) {
        assert_eq!(code(&engine, &body), "0000", "{body:?}");
    }
    deaf.await_count(20);
    let mut load = Load::default();
    load.send_into_a_kill(engine, 500);
    for shards in [1, 3, 1] {
        let engine = site.shards(shards).start();
        load.send_into_a_kill(engine, 500);
        let engine = clean_all_that_was_copied(&site, shards, &mut load);
        load.send_into_a_kill(engine, 200);
        // What cleaning appended again looks like any record of this layout.
        let engine = site.start();
        assert!(load.send(engine.push_address(), &|more| more >= 100), "it died by itself");
        wait::until_true("what waits", || engine.admin().figure("pushes_live") == 40);
        engine.stop();
        site.start().stop();
        let bill = Bill::of_these_days(&site);
        let sum = |column: &str| bill.sum(XPID, column) + bill.sum(DEAF_XPID, column);
        let billed = (sum("accepted"), sum("delivered"));
        assert_eq!(billed, (40 + load.sent, 20 + load.sent), "in {shards} shards");
        let proof = site.must(&["billing", "reconcile"]);
        assert!(proof.contains("open pushes: 20") && proof.contains("the books add up"), "{proof}");
    }
    println!("{} pushes of the load", load.sent);
}

#[test]
fn a_directory_is_laid_out_anew_255_times_and_no_more() {
    let recorder = Recorder::start();
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &["09000000000-09000000399"]);
    site.set_lines(&[("09000000200-09000000399", "absent")]);
    site.start().stop();
    let shards = site.data_dir().join("shards");
    std::fs::write(&shards, "1 254\n").expect("writable");
    let engine = site.start();
    assert_eq!(code(&engine, &waiting(1)), "0000");
    engine.stop();
    // The 255th: what is copied and what comes later is read again.
    let engine = site.shards(2).start();
    assert_eq!(
        (code(&engine, &waiting(1)), code(&engine, &waiting(2))),
        ("0001".into(), "0000".into())
    );
    engine.stop();
    let refused = site.shards(1).serve_and_fail(&[]);
    let sentence = refused.refusal();
    assert!(sentence.contains("255 times") && sentence.contains("--shards 2"), "{sentence}");
    assert!(!site.data_dir().join("resharding").exists(), "nothing was copied");
    assert_eq!(std::fs::read_to_string(&shards).expect("readable"), "2 255\n");
    let engine = site.shards(2).start();
    assert_eq!(
        (code(&engine, &waiting(1)), code(&engine, &waiting(2))),
        ("0001".into(), "0001".into())
    );
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

/// Kill points of the move, early and late passes of each.
fn orders() -> impl Iterator<Item = String> {
    let names =
        KillPoint::ALL.iter().map(|(_, name)| *name).filter(|name| name.starts_with("reshard"));
    names.flat_map(|name| {
        let passes: &[u64] = match name {
            "reshard-record" => &[1, 77, 240],
            "reshard-exchanged" => &[1, 2, 3, 4],
            _ => &[1],
        };
        passes.iter().map(move |passes| format!("{name}:{passes}"))
    })
}

/// A start and a stop in between change nothing.
fn break_even(site: &mut Site, terminals: &[(&str, &OsStr)], shards: usize) {
    site.shards(shards);
    let engine = site.spawn(terminals);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    engine.stop();
}

/// The `ntfid` by request id.
fn ids(notices: &[tests::recorder::Notice]) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for notice in notices {
        let (reqid, id) = (notice.get("reqid").to_owned(), notice.get("ntfid").to_owned());
        let earlier = ids.insert(reqid.clone(), id.clone());
        assert!(earlier.is_none_or(|earlier| earlier == id), "another ntfid for {reqid}");
    }
    ids
}
