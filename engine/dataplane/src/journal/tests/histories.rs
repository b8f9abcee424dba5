//! Random histories: an engine at work, crashing again and again. Every history follows from its
//! seed.

use super::disk::{Crash, Disk, Random};
use super::model::{Model, SEGMENT_OCTETS};
use crate::journal::limits::KEY_KEEP_MS;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::terms::time::EvenMs;

/// Histories in one run of the tests. `JOURNAL_HISTORIES` sets another number, `JOURNAL_FIRST_SEED`
/// where they begin, `JOURNAL_SEED` a single one.
const HISTORIES: u64 = 20_000;
const STEPS: u64 = 300;

#[test]
fn random_histories_lose_nothing_and_invent_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("JOURNAL_SEED") {
        return history(seed);
    }
    let first = number("JOURNAL_FIRST_SEED").unwrap_or(0);
    let behind = first + number("JOURNAL_HISTORIES").unwrap_or(HISTORIES);
    println!("histories {first} to {}: JOURNAL_SEED=n replays the one of that number", behind - 1);
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= behind {
                        return;
                    }
                    if std::panic::catch_unwind(|| history(seed)).is_err() {
                        next.store(behind, Ordering::Relaxed);
                        panic!(
                            "history {seed} failed: JOURNAL_SEED={seed} cargo test -p dataplane \
                             random_histories"
                        );
                    }
                }
            });
        }
    });
}

fn history(seed: u64) {
    let mut random = Random::new(seed);
    let segments_max = 6 + random.below(30);
    // Some devices are smaller than the budget says.
    let files_max =
        if random.once_in(3) { 5 + random.below(segments_max) as usize } else { usize::MAX };
    let largest = [40, 400, 1600][random.below(3) as usize];
    let mut model = Model::new(Disk::new(random.next(), files_max, true), segments_max);
    for _ in 0..STEPS {
        model = step(model, &mut random, largest);
    }
    settle(model);
}

fn step(mut model: Model, random: &mut Random, largest: u64) -> Model {
    match random.below(100) {
        0..40 => {
            for _ in 0..=random.below(4) {
                // Refused is refused: the push does not exist.
                let _ = model.accept(20 + random.below(largest) as usize);
            }
        }
        40..48 => {
            if let Some(push_id) = any(model.live(), random) {
                if random.once_in(2) { model.cancel(push_id) } else { model.progress(push_id) }
            }
        }
        48..63 => {
            if let Some(push_id) = any(model.live(), random) {
                model.end(push_id);
            }
        }
        63..74 => {
            if let Some(push_id) = any(model.unnotified(), random) {
                if random.once_in(2) { model.park(push_id) } else { model.notify(push_id) }
            }
        }
        74..80 => model.begin_commit(random.once_in(2)),
        80..85 => model.finish_commit(),
        85..90 => model.write_something(),
        90..95 => {
            model.clean(1 + random.below(40) as usize);
        }
        95..97 => model.journal.poll(EvenMs::new(model.now_ms)),
        97 => match random.below(4) {
            // Room runs out, or comes back.
            0 => model.disk.set_files_max(3 + random.below(20) as usize),
            _ => model.now_ms += random.below(2 * KEY_KEEP_MS / 10),
        },
        98 | 99 if random.once_in(2) => {
            model.begin_commit(false);
            model.write_something();
        }
        98 => match random.below(4) {
            0 => return model.fail_commit(),
            1 => {
                model.disk.fail_after(Some(random.below(4) as u32));
                let model = model.crash(Crash::Power);
                model.disk.fail_after(None);
                return model;
            }
            _ => return model.crash(Crash::Power),
        },
        _ => return model.crash(if random.once_in(2) { Crash::Power } else { Crash::Kill }),
    }
    // Short of space, the engine commits and cleans on every turn.
    loop {
        let figures = model.journal.figures();
        if figures.free_octets >= figures.reserved_octets {
            break;
        }
        let cleaned = model.clean(64);
        model.commit_all();
        if !cleaned {
            break;
        }
    }
    model
}

/// The faults are over: everything finishes, space comes back, and pushes are accepted again.
fn settle(mut model: Model) {
    model.disk.set_files_max(usize::MAX);
    model.now_ms += 10_000;
    for push_id in model.live().to_vec() {
        model.end(push_id);
    }
    for push_id in model.unnotified().to_vec() {
        model.notify(push_id);
    }
    model.clean_everything();
    let figures = model.journal.figures();
    assert_eq!((figures.live_pushes, figures.live_octets), (0, 0));
    model.now_ms += KEY_KEEP_MS + 1;
    model.clean_everything();
    let figures = model.journal.figures();
    assert!(figures.segments <= 1, "dead segments stay: {figures:?}");
    model.journal.poll(EvenMs::new(model.now_ms));
    model.journal.wait_for_spares(std::time::Duration::from_secs(1));
    model.accept(100).expect("there is room again");
    assert!(figures.used_octets <= 3 * u64::from(SEGMENT_OCTETS));
    model.commit_all();
    let model = model.crash(Crash::Power);
    assert_eq!(model.live().len(), 1);
}

fn any(pushes: &[u64], random: &mut Random) -> Option<u64> {
    (!pushes.is_empty()).then(|| pushes[random.below(pushes.len() as u64) as usize])
}
