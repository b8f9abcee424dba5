//! Power cuts under load: what was answered 0000 under durability power is there again, whatever of
//! the unwritten pages the device had got; and under durability process it is not, which shows that
//! the rig takes something away.
//!
//! Needs the superuser and loop devices; skipped with the reason elsewhere. A short run
//! belongs to the ordinary tests; `HAYAUMA_TEST_POWER_CUTS=20 cargo test -p tests --test power_cut
//! -- --nocapture` is the full one. `HAYAUMA_TEST_POWER_SEED` sets the seed, which is printed.

use std::os::unix::fs::symlink;
use std::path::Path;
use tests::load::Load;
use tests::push::{Body, XPID};
use tests::rig::{Photo, Rig};
use tests::seeded::Seeded;
use tests::site::Site;
use tests::skips::skip;

/// Cuts of each kind in the short run: as the disk was, and with its unwritten sectors arriving in
/// part.
const CUTS: u64 = 2;
/// So many times as many rounds at most, until some sector was torn.
const MORE_ROUNDS: u64 = 5;
/// Push clients.
const SENDERS: usize = 4;
/// Acknowledgements between two cuts, at least.
const ACKED_PER_CUT: u64 = 400;
/// Most pushes of one run.
const PUSHES_MAX: usize = 2_000_000;
/// Phone numbers.
const LINES: u64 = 5_000;

#[test]
fn power_cuts_lose_nothing_acknowledged_and_the_rig_does_take_away_what_was_not_synced() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cuts = number("HAYAUMA_TEST_POWER_CUTS").unwrap_or(CUTS);
    let seed = number("HAYAUMA_TEST_POWER_SEED").unwrap_or(20_261_122);
    let mut rig = match Rig::set_up() {
        Ok(rig) => rig,
        Err(reason) => return skip(format_args!("no power cuts on this host: {reason}")),
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
            "{cuts} cuts · acked before them, added up, {acked} · lost {lost} · {torn} of {dirty} \
             unsynced sectors torn away"
        )
    }
}

impl Kept {
    /// The cut, and what was acknowledged by then.
    fn cut_and_tear(
        &mut self,
        rig: &mut Rig,
        durability: &str,
        chance: &mut Seeded,
        load: &Load,
    ) -> (Photo, Vec<u64>) {
        let directories =
            ["0", "1"].map(|shard| format!("{durability}/data/shard-00{shard}/journal"));
        let mut acked = Vec::new();
        // An engine that answered before the device has it goes on answering while the device
        // stands still.
        let mut look = || acked = load.acked();
        let directories = directories.each_ref().map(String::as_str);
        let (photo, torn, dirty) = rig.cut_and_tear(&directories, chance, &mut look);
        (self.torn, self.dirty) = (self.torn + torn, self.dirty + dirty);
        (photo, acked)
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
    let load = Load::new(PUSHES_MAX, push);
    let mut kept = Kept::default();
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| load.send(engine.push_address()));
        }
        // However this ends, the load does not go on for ever.
        let _ended = load.ends_with_this();
        // A cut that finds nothing on its way to the device tears nothing: then there are more of
        // them.
        for round in 0..cuts * MORE_ROUNDS {
            if round >= cuts && kept.torn > 0 {
                break;
            }
            load.await_more(ACKED_PER_CUT + chance.below(ACKED_PER_CUT));
            for torn in [false, true] {
                let (photo, acked) = if torn {
                    kept.cut_and_tear(rig, durability, chance, &load)
                } else {
                    // Read before the power goes: whatever is acknowledged later may be lost.
                    let acked = load.acked();
                    (rig.cut(), acked)
                };
                load.pause(true);
                kept.cuts += 1;
                kept.acked += acked.len() as u64;
                kept.lost +=
                    check(&photo.path().join(durability).join("data"), durability, &load, &acked);
                load.pause(false);
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
fn check(data: &Path, durability: &str, load: &Load, acked: &[u64]) -> u64 {
    let site = site(durability);
    symlink(data, site.data_dir()).expect("a writable directory");
    let engine = site.start();
    let lost = load.count_unknown(engine.push_address(), acked);
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
