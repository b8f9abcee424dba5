//! Power cuts under a running broadcast: every row has one outcome on what the disk held, and what
//! the journal had said is sent to nobody again.
//!
//! Needs what `power_cut` needs; skipped with the reason elsewhere.
//! `HAYAUMA_TEST_BROADCAST_CUTS=20` is the full run, `HAYAUMA_TEST_POWER_SEED` the seed.

use hayauma::control::broadcasts::ProgressDocument;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;
use tests::broadcasts::{Broadcaster, manifest, rows};
use tests::rig::Rig;
use tests::seeded::Seeded;
use tests::site::Site;
use tests::skips::skip;
use tests::terminals::Terminals;
use tests::wait;

/// Cuts in the short run.
const CUTS: u64 = 2;
/// Rows for each cut, and at least.
const ROWS_A_CUT: u64 = 3_000;
const ROWS_MIN: u64 = 15_000;
const ENDS_WITHIN: Duration = Duration::from_secs(120);

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

fn site(data: &Path) -> Site {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set("--durability", "power").set("--log", "warn");
    site.set("--segment-bytes", "256KiB").set("--queue-bytes", "128MiB");
    symlink(data, site.data_dir()).expect("a writable directory");
    site
}

#[test]
fn power_cuts_under_a_broadcast_lose_no_row_and_repeat_only_what_is_in_doubt() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cuts = number("HAYAUMA_TEST_BROADCAST_CUTS").unwrap_or(CUTS);
    let seed = number("HAYAUMA_TEST_POWER_SEED").unwrap_or(20_261_130);
    let mut rig = match Rig::set_up() {
        Ok(rig) => rig,
        Err(reason) => return skip(format_args!("no power cuts on this host: {reason}")),
    };
    let mut chance = Seeded::new(seed);
    let recipients = (cuts * ROWS_A_CUT).max(ROWS_MIN);
    let data = rig.disk().join("data");
    std::fs::create_dir_all(&data).expect("a writable disk");
    let site_of_all = site(&data);
    let people = Broadcaster::new(&site_of_all, recipients);
    let book = site_of_all.path("terminals");
    let environment = [("HAYAUMA_TEST_TERMINALS", book.as_os_str())];
    let engine = site_of_all.spawn(&environment);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    let list = people.list(&rows(recipients));
    let pace = r#""pace":{"per_second":3000},"#;
    let broadcast = people.started(&manifest(&list, "02", "cut", pace));
    let (mut doubts, mut repeated) = (0, 0);
    for cut in 0..cuts {
        let before = count(&people.status(&broadcast), "delivered");
        let more = 500 + chance.below(500);
        wait::until_true("some rows", || {
            count(&people.status(&broadcast), "delivered") > before + more
        });
        // What is said by now is on the disk that is cut.
        let said = count(&people.status(&broadcast), "delivered");
        let seen = std::fs::read(&book).expect("the terminals' book");
        let photo = rig.cut();
        site_of_all.must(&["broadcast", "pause", &broadcast]);
        let again = site(&photo.path().join("data"));
        let own_book = again.path("terminals");
        std::fs::write(&own_book, whole_lines(&seen)).expect("a writable directory");
        let environment = [("HAYAUMA_TEST_TERMINALS", own_book.as_os_str())];
        let restarted = again.spawn(&environment);
        wait::until_true("a healthy engine", || restarted.admin().is_healthy());
        assert!(!restarted.log().contains("damaged"), "what power took is no damage");
        let text = again.must(&["broadcast", "status", &broadcast, "--json"]);
        let known: ProgressDocument =
            simd_json::from_slice(&mut text.into_bytes()).expect("a document");
        assert!(count(&known, "delivered") >= said, "cut {cut}: {said} had been told");
        let progress = wait::until_within(ENDS_WITHIN, "the broadcast's end", || {
            let text = again.must(&["broadcast", "status", &broadcast, "--json"]);
            let progress: ProgressDocument =
                simd_json::from_slice(&mut text.into_bytes()).expect("a document");
            progress.document.ended.is_some().then_some(progress)
        });
        restarted.stop();
        assert_eq!(count(&progress, "delivered"), recipients, "{:?}", progress.counts);
        let book = Terminals::read(&own_book);
        assert!(book.repeated.is_empty(), "sent again although recorded: {:?}", book.repeated);
        assert!(book.repeated_in_flight <= progress.doubts, "{book:?}: {}", progress.doubts);
        doubts += progress.doubts;
        repeated += book.repeated_in_flight;
        site_of_all.must(&["broadcast", "resume", &broadcast]);
    }
    println!("seed {seed}: {cuts} cuts, lost 0, {doubts} in doubt, {repeated} segments twice");
    engine.kill();
}

/// The book as it was at a moment: its last line may have been under way.
fn whole_lines(seen: &[u8]) -> &[u8] {
    let end = seen.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    &seen[..end]
}
