//! Power cuts under load: what was answered 0000 under durability power is there again, whatever of the unwritten
//! pages the device had got; and under durability process it is not, which shows that the rig takes something away.
//!
//! Needs the superuser, loop devices and `mkfs.xfs`; skipped with the reason elsewhere. A short run belongs to the
//! ordinary tests; `HAYAUMA_POWER_CUTS=20 cargo test -p tests --test power_cut -- --nocapture` is the full one.
//! `HAYAUMA_POWER_SEED` sets the seed, which is printed.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tests::engine::Engine;
use tests::http::Connection;
use tests::push::{Body, XPID};
use tests::rig::{Photo, Rig};
use tests::seeded::Seeded;
use tests::site::Site;
use tests::wait;

/// Cuts of each kind in the short run: as the disk was, and with its unwritten sectors arriving in part.
const CUTS: u64 = 2;
/// Push clients.
const SENDERS: usize = 4;
/// Acknowledgements between two cuts, at least.
const ACKED_PER_CUT: u64 = 400;
/// Most pushes of one run.
const PUSHES_MAX: usize = 200_000;
/// Requests in flight.
const DEPTH: usize = 64;
/// Phone numbers.
const LINES: u64 = 5_000;

#[test]
fn power_cuts_lose_nothing_acknowledged_and_the_rig_does_take_away_what_was_not_synced() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cuts = number("HAYAUMA_POWER_CUTS").unwrap_or(CUTS);
    let seed = number("HAYAUMA_POWER_SEED").unwrap_or(20_261_122);
    let mut rig = match Rig::set_up() {
        Ok(rig) => rig,
        Err(reason) => return eprintln!("no power cuts on this host: {reason}"),
    };
    let mut chance = Seeded::new(seed);
    let kept = play(&mut rig, "power", cuts, &mut chance);
    println!("power: {kept} · seed {seed}");
    assert_eq!(kept.lost, 0, "acknowledged under durability power and lost");
    assert!(kept.torn > 0, "no sector was torn: {kept}");
    let control = play(&mut rig, "process", cuts.div_ceil(5), &mut chance);
    println!("process, the negative control: {control} · seed {seed}");
    assert!(control.lost > 0, "a rig that takes nothing away proves nothing: {control}");
}

/// What came of some cuts.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    cuts: u64,
    acked: u64,
    lost: u64,
    torn: u64,
    dirty: u64,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cuts, acked, lost, torn, dirty } = self;
        write!(
            formatter,
            "{cuts} cuts · acked before them, added up, {acked} · lost {lost} · {torn} of {dirty} unsynced sectors torn away"
        )
    }
}

impl Kept {
    /// A cut while the engine stands still: nothing that the device gets meanwhile was ever acknowledged.
    fn cut_and_tear(
        &mut self,
        rig: &mut Rig,
        durability: &str,
        engine: &Engine,
        chance: &mut Seeded,
    ) -> Photo {
        pause_engine(engine, true);
        let directories = ["0", "1"].map(|shard| format!("{durability}/data/shard-00{shard}/journal"));
        let (photo, torn, dirty) = rig.cut_and_tear(&directories.each_ref().map(String::as_str), chance);
        pause_engine(engine, false);
        (self.torn, self.dirty) = (self.torn + torn, self.dirty + dirty);
        photo
    }
}

fn play(rig: &mut Rig, durability: &str, cuts: u64, chance: &mut Seeded) -> Kept {
    let home = rig.disk().join(durability);
    std::fs::create_dir_all(home.join("data")).expect("a writable disk");
    let site = site(durability);
    symlink(home.join("data"), site.data_dir()).expect("a writable directory");
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000004999"]);
    let engine = site.start();
    let load = Load::default();
    let mut kept = Kept::default();
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| load.send(&engine));
        }
        // However this ends, the load does not go on for ever.
        let _ended = EndsWith(&load.is_over);
        for _ in 0..cuts {
            load.await_more(ACKED_PER_CUT + chance.below(ACKED_PER_CUT));
            for torn in [false, true] {
                // Read before the power goes: whatever is acknowledged later may be lost.
                let acked = load.acked();
                let photo =
                    if torn { kept.cut_and_tear(rig, durability, &engine, chance) } else { rig.cut() };
                load.is_paused.store(true, Ordering::Relaxed);
                kept.cuts += 1;
                kept.acked += acked.len() as u64;
                kept.lost += check(&photo.path().join(durability).join("data"), durability, &acked);
                load.is_paused.store(false, Ordering::Relaxed);
                load.await_more(ACKED_PER_CUT);
            }
        }
    });
    engine.stop();
    kept
}

fn site(durability: &str) -> Site {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set("--durability", durability).set("--log", "warn");
    site.set("--segment-bytes", "256KiB").set("--queue-bytes", "128MiB");
    site
}

/// Starts an engine on what the cut left, and counts the acknowledged pushes that it does not know.
fn check(data: &Path, durability: &str, acked: &[u64]) -> u64 {
    let site = site(durability);
    symlink(data, site.data_dir()).expect("a writable directory");
    let engine = site.start();
    let mut connection = engine.connect();
    let mut lost = 0;
    for numbers in acked.chunks(DEPTH) {
        let requests: Vec<u8> = numbers.iter().flat_map(|&number| push(number).request()).collect();
        connection.send(&requests);
        for number in numbers {
            match connection.answer().code().as_str() {
                "0001" => {}
                // It is taken as new, or would be if a segment were ready: it was forgotten.
                "0000" | "8002" => lost += 1,
                other => panic!("push {number} after the cut: {other}"),
            }
        }
    }
    let log = engine.log();
    if durability == "power" {
        assert!(!log.contains("damaged"), "what power took is no damage: {log}");
        let proof = site.run(&["billing", "reconcile"]);
        assert!(!proof.stdout.contains("accepted twice"), "{proof:?}");
    }
    engine.kill();
    lost
}

fn push(number: u64) -> Body {
    Body::push(&format!("{:011}", 9_000_000_000 + number % LINES), &format!("cut-{number}"))
}

fn pause_engine(engine: &Engine, paused: bool) {
    let signal = if paused { libc::SIGSTOP } else { libc::SIGCONT };
    // SAFETY: no memory is involved; the process is our child and not waited for, so the id is its.
    unsafe { libc::kill(engine.pid() as libc::pid_t, signal) };
}

/// One push client at work, and its ledger, which lies outside of the rig.
struct Load {
    acked: Box<[AtomicBool]>,
    next: AtomicU64,
    count: AtomicU64,
    is_paused: AtomicBool,
    is_over: AtomicBool,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            acked: (0..PUSHES_MAX).map(|_| AtomicBool::new(false)).collect(),
            next: AtomicU64::new(0),
            count: AtomicU64::new(0),
            is_paused: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }
}

impl Load {
    fn send(&self, engine: &Engine) {
        let mut connection = engine.connect();
        while !self.is_over.load(Ordering::Relaxed) {
            if self.is_paused.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            let first = self.next.fetch_add(DEPTH as u64, Ordering::Relaxed);
            let last = first + DEPTH as u64;
            if last > PUSHES_MAX as u64 {
                return;
            }
            self.batch(&mut connection, first..last);
        }
    }

    fn batch(&self, connection: &mut Connection, numbers: std::ops::Range<u64>) {
        let requests: Vec<u8> = numbers.clone().flat_map(|number| push(number).request()).collect();
        connection.send(&requests);
        for number in numbers {
            let code = connection.answer().code();
            if code == "0000" {
                self.acked[number as usize].store(true, Ordering::Release);
                self.count.fetch_add(1, Ordering::Relaxed);
            } else {
                assert!(code == "8002" || code == "8003", "{code}");
            }
        }
    }

    fn await_more(&self, more: u64) {
        let wanted = self.count.load(Ordering::Relaxed) + more;
        wait::until_true("acknowledgements", || self.count.load(Ordering::Relaxed) >= wanted);
    }

    fn acked(&self) -> Vec<u64> {
        let is_acked = |(_, acked): &(u64, &AtomicBool)| acked.load(Ordering::Acquire);
        (0..).zip(&self.acked).filter(is_acked).map(|(number, _)| number).collect()
    }
}

struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
