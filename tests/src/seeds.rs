//! Many seeds of a simulation on every CPU: in parts, with word of how far they are, and going on
//! where an earlier run was cut off.
//!
//! Seeds are dealt out in pieces. A file may say below which seed all are done; a run that is
//! begun again with it goes on from there.
//!
//! **Never here:** what a seed means.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Seeds that a thread takes at a time.
pub const SEEDS_PER_PIECE: u64 = 64;
/// How often word is given and the file is written.
const WORD_EVERY: Duration = Duration::from_secs(10);

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    /// Every seed below this one is done.
    pub all_below: u64,
    /// Seeds done in this run, those behind a gap too.
    pub done: u64,
}

/// The file that says how far a run came.
#[derive(Clone, Debug)]
pub struct Bookmark {
    path: PathBuf,
    /// What was run: a bookmark of something else is not taken.
    what: String,
}

impl Bookmark {
    /// The file at `path`, of a run of `what`, in one line.
    pub fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into() }
    }

    /// The seed to go on from; `None` where there is no file yet.
    ///
    /// # Errors
    /// One sentence: the file cannot be read, or is of another run.
    pub fn read(&self) -> Result<Option<u64>, String> {
        let shown = self.path.display();
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{shown} cannot be read ({error}).")),
        };
        let (what, seed) = text.trim_end().rsplit_once(": ").unwrap_or_default();
        if what != self.what {
            return Err(format!("{shown} is of another run ({what:?}): name another file."));
        }
        seed.parse().map(Some).map_err(|_| format!("{shown} names no seed: remove it."))
    }

    /// Every seed below this one is done.
    ///
    /// # Errors
    /// One sentence.
    pub fn write(&self, all_below: u64) -> Result<(), String> {
        let beside = self.path.with_extension("part");
        fs::write(&beside, format!("{}: {all_below}\n", self.what))
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|error| format!("{} cannot be written ({error}).", self.path.display()))
    }
}

/// What the threads share.
struct Work {
    seeds: Range<u64>,
    /// The first seed that nobody has taken.
    next: u64,
    /// Pieces that are done behind one that is not, by their first seeds.
    done_behind: BTreeSet<u64>,
    reached: Reached,
    threads_left: usize,
}

impl Work {
    fn take_piece(&mut self) -> Range<u64> {
        let piece = self.next..(self.next + SEEDS_PER_PIECE).min(self.seeds.end);
        self.next = piece.end;
        piece
    }

    fn note_done(&mut self, piece: Range<u64>) {
        self.reached.done += piece.end - piece.start;
        self.done_behind.insert(piece.start);
        while self.done_behind.remove(&self.reached.all_below) {
            let end = self.reached.all_below + SEEDS_PER_PIECE;
            self.reached.all_below = end.min(self.seeds.end);
        }
    }
}

fn locked(work: &Mutex<Work>) -> MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs every seed once on so many threads. `run` is asked for each; `false` ends the whole run.
/// `word` hears now and then, and at the end, how far it is; an error of it ends the run too.
///
/// # Errors
/// What `word` says.
pub fn run_all(
    seeds: Range<u64>,
    threads: usize,
    run: impl Fn(u64) -> bool + Sync,
    mut word: impl FnMut(Reached, Duration) -> Result<(), String>,
) -> Result<Reached, String> {
    let begun = Instant::now();
    let reached = Reached { all_below: seeds.start, done: 0 };
    let next = seeds.start;
    let threads = threads.max(1);
    let work = Work { seeds, next, done_behind: BTreeSet::new(), reached, threads_left: threads };
    let (work, ended, is_over) = (Mutex::new(work), Condvar::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _leaves = Leaves { work: &work, ended: &ended };
                while !is_over.load(Ordering::Relaxed) {
                    let piece = locked(&work).take_piece();
                    if piece.is_empty() {
                        return;
                    }
                    for seed in piece.clone() {
                        if is_over.load(Ordering::Relaxed) || !run(seed) {
                            is_over.store(true, Ordering::Relaxed);
                            return;
                        }
                    }
                    locked(&work).note_done(piece);
                }
            });
        }
        loop {
            let waited = ended
                .wait_timeout_while(locked(&work), WORD_EVERY, |work| work.threads_left > 0)
                .unwrap_or_else(PoisonError::into_inner);
            let (reached, has_ended) = (waited.0.reached, waited.0.threads_left == 0);
            drop(waited);
            if let Err(error) = word(reached, begun.elapsed()) {
                is_over.store(true, Ordering::Relaxed);
                return Err(error);
            }
            if has_ended {
                return Ok(reached);
            }
        }
    })
}

/// A thread that ends, by a panic too, is waited for no longer.
struct Leaves<'a> {
    work: &'a Mutex<Work>,
    ended: &'a Condvar,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        locked(self.work).threads_left -= 1;
        self.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn a_run_that_is_cut_off_goes_on_where_all_before_is_done() {
        const SEEDS: Range<u64> = 5..5 + 10 * SEEDS_PER_PIECE + 3;
        let place = tempfile::tempdir().expect("a directory");
        let bookmark = Bookmark::new(&place.path().join("mark"), "pushes 60");
        assert_eq!(bookmark.read(), Ok(None));
        let times: Vec<AtomicU64> = SEEDS.map(|_| AtomicU64::new(0)).collect();
        let count =
            |seed: u64| times[(seed - SEEDS.start) as usize].fetch_add(1, Ordering::Relaxed);
        let cut = SEEDS.start + 4 * SEEDS_PER_PIECE;
        let run = |seed| {
            count(seed);
            seed != cut
        };
        let reached = run_all(SEEDS, 3, run, |at, _| bookmark.write(at.all_below)).expect("run");
        assert!(
            reached.all_below <= cut && reached.all_below % SEEDS_PER_PIECE == 5,
            "{reached:?}"
        );
        let from = bookmark.read().expect("a bookmark").expect("a seed");
        assert_eq!(from, reached.all_below);
        let before: Vec<u64> = times.iter().map(|times| times.load(Ordering::Relaxed)).collect();
        let again = |seed| {
            count(seed);
            true
        };
        let reached = run_all(from..SEEDS.end, 2, again, |at, _| bookmark.write(at.all_below));
        let done = SEEDS.end - from;
        assert_eq!(reached, Ok(Reached { all_below: SEEDS.end, done }));
        for (seed, (times, before)) in SEEDS.zip(times.iter().zip(before)) {
            let again = times.load(Ordering::Relaxed) - before;
            assert_eq!((again, before.max(again)), (u64::from(seed >= from), 1), "seed {seed}");
        }
        assert_eq!(bookmark.read(), Ok(Some(SEEDS.end)));
    }

    #[test]
    fn a_bookmark_of_another_run_is_refused() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("mark");
        Bookmark::new(&path, "pushes 60").write(17).expect("written");
        assert_eq!(Bookmark::new(&path, "pushes 60").read(), Ok(Some(17)));
        let other = Bookmark::new(&path, "pushes 61").read();
        assert!(other.is_err_and(|error| error.contains("another run")));
    }

    #[test]
    fn a_panic_of_a_seed_ends_the_run() {
        let run = |seed: u64| {
            assert_ne!(seed, 70);
            true
        };
        let ran = std::panic::catch_unwind(|| run_all(0..1_000, 2, run, |_, _| Ok(())));
        assert!(ran.is_err());
    }
}
