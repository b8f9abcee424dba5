//! What tests do to a running engine that no configuration can: end it by SIGKILL at a named place
//! of its code, and keep the book of what reached the simulated terminals outside of it.
//!
//! Only builds with debug assertions have any of this: in a release build every function here is
//! empty and costs nothing. Two variables of the environment, read once, say what is wanted:
//! * `HAYAUMA_TEST_KILL_AT=NAME:N` ends the process when it passes the kill point of that name for
//!   the N-th time;
//! * `HAYAUMA_TEST_TERMINALS=FILE` appends what each attempt came to, by writes that outlive the
//!   process.

/// A place at which a test can have the process die. Each stands between two steps that must both
/// survive, or both be done again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KillPoint {
    /// A record's body is staged, its header is not.
    AppendBody,
    /// A record is staged whole, and nobody knows of it yet.
    AppendWhole,
    /// A segment is full, the next one not begun.
    SwitchBefore,
    /// The next segment's header page is staged, no record of it.
    SwitchAfter,
    /// A commit's writes are about to be asked for.
    CommitBegun,
    /// Half of the first one has reached its file.
    CommitTorn,
    /// They are done and synced, the durable mark has not moved.
    CommitSynced,
    /// An attempt came back, nothing of it is written.
    Outcome,
    /// An Ended record is durable, its billing event not appended.
    EndedUnbilled,
    /// The billing event is appended, nobody is told.
    EndedBilled,
    /// A write of billing events is about to be asked for.
    BooksBegun,
    /// They stand in their file, the shard does not know.
    BooksWritten,
    /// A push client acknowledged a notification, nothing of it is written.
    Acknowledged,
    /// A retired file's header page is cleared, not synced.
    RecycleCleared,
    /// It is synced, and has its old name.
    RecycleSynced,
    /// It has its new name, the directory is not synced.
    RecycleRenamed,
    /// A fresh file is zero-filled and has a temporary name.
    FreshFilled,
    /// A retired file has its new name, the directory is not synced.
    Retired,
    /// A record of the oldest segment was appended again.
    CleanMoved,
    /// Everything of it was.
    CleanWalked,
    /// The Cleaned record is written.
    CleanDone,
    /// The cleaned segment is given back.
    CleanRetired,
    /// Recovery has mapped the segments.
    RecoverMapped,
    /// Recovery hands out a record.
    RecoverRecord,
    /// Recovery has mended and dropped what it had to.
    RecoverMended,
    /// The run's first record is written, not synced.
    RecoverGone,
    /// The shard is open, the engine does not serve yet.
    RecoverOpened,
    /// Re-sharding has begun: the plan is written.
    ReshardBegun,
    /// Re-sharding has written a record to its new shard.
    ReshardRecord,
    /// Re-sharding has written everything, and the old directories stand under their names.
    ReshardWritten,
    /// One of the directories is exchanged.
    ReshardExchanged,
    /// The rename that decides a broadcast's start is done, no shard knows.
    RowsKept,
    /// A shard has staged that a broadcast has started.
    RowsTold,
    /// A shard has staged a claim of rows.
    RowsClaimed,
    /// A row of a claim that is durable has its first turn.
    RowTurn,
    /// A row's attempt was handed to the network.
    RowOut,
    /// What became of rows is staged.
    RowsEnded,
    /// A shard has staged an order.
    RowsOrdered,
    /// The outcomes of a broadcast that is over are written, the document does not say so.
    RowsWritten,
}

impl KillPoint {
    /// All of them with their names.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::AppendBody, "append-body"),
        (Self::AppendWhole, "append-whole"),
        (Self::SwitchBefore, "switch-before"),
        (Self::SwitchAfter, "switch-after"),
        (Self::CommitBegun, "commit-begun"),
        (Self::CommitTorn, "commit-torn"),
        (Self::CommitSynced, "commit-synced"),
        (Self::Outcome, "outcome"),
        (Self::EndedUnbilled, "ended-unbilled"),
        (Self::EndedBilled, "ended-billed"),
        (Self::BooksBegun, "books-begun"),
        (Self::BooksWritten, "books-written"),
        (Self::Acknowledged, "acknowledged"),
        (Self::RecycleCleared, "recycle-cleared"),
        (Self::RecycleSynced, "recycle-synced"),
        (Self::RecycleRenamed, "recycle-renamed"),
        (Self::FreshFilled, "fresh-filled"),
        (Self::Retired, "retired"),
        (Self::CleanMoved, "clean-moved"),
        (Self::CleanWalked, "clean-walked"),
        (Self::CleanDone, "clean-done"),
        (Self::CleanRetired, "clean-retired"),
        (Self::RecoverMapped, "recover-mapped"),
        (Self::RecoverRecord, "recover-record"),
        (Self::RecoverMended, "recover-mended"),
        (Self::RecoverGone, "recover-gone"),
        (Self::RecoverOpened, "recover-opened"),
        (Self::ReshardBegun, "reshard-begun"),
        (Self::ReshardRecord, "reshard-record"),
        (Self::ReshardWritten, "reshard-written"),
        (Self::ReshardExchanged, "reshard-exchanged"),
        (Self::RowsKept, "rows-kept"),
        (Self::RowsTold, "rows-told"),
        (Self::RowsClaimed, "rows-claimed"),
        (Self::RowTurn, "row-turn"),
        (Self::RowOut, "row-out"),
        (Self::RowsEnded, "rows-ended"),
        (Self::RowsOrdered, "rows-ordered"),
        (Self::RowsWritten, "rows-written"),
    ];
}

/// Passes a kill point.
#[inline(always)]
pub fn kill_point(point: KillPoint) {
    #[cfg(debug_assertions)]
    armed::pass(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

/// Passes a kill point at which the process does something before it dies.
#[inline(always)]
pub fn kill_after(point: KillPoint, last_act: impl FnOnce()) {
    #[cfg(debug_assertions)]
    armed::pass_after(point, last_act);
    #[cfg(not(debug_assertions))]
    let _ = (point, last_act);
}

/// An attempt came back from the terminal with these segments delivered; nothing of it is recorded
/// yet.
#[inline(always)]
pub fn arrived(shard: usize, push_id: u64, delivered_mask: u16) {
    #[cfg(debug_assertions)]
    armed::note('A', shard, push_id, delivered_mask);
    #[cfg(not(debug_assertions))]
    let _ = (shard, push_id, delivered_mask);
}

/// What [`arrived`] said is appended to the journal, below this sequence.
#[inline(always)]
pub fn appended(shard: usize, sequence: u64, push_id: u64, delivered_mask: u16) {
    #[cfg(debug_assertions)]
    armed::keep_note(shard, sequence, push_id, delivered_mask);
    #[cfg(not(debug_assertions))]
    let _ = (shard, sequence, push_id, delivered_mask);
}

/// What was appended below this sequence stands in the journal's files: no death of the process
/// takes it back.
#[inline(always)]
pub fn recorded(shard: usize, below: u64) {
    #[cfg(debug_assertions)]
    armed::note_kept(shard, below);
    #[cfg(not(debug_assertions))]
    let _ = (shard, below);
}

#[cfg(debug_assertions)]
mod armed {
    use super::KillPoint;
    use std::collections::VecDeque;
    use std::fs::File;
    use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError};

    const BOOK: &str = "HAYAUMA_TEST_TERMINALS";

    struct Armed {
        point: KillPoint,
        passes_left: AtomicU64,
    }

    /// What is to be noted once it is written.
    struct Kept {
        shard: usize,
        sequence: u64,
        push_id: u64,
        delivered_mask: u16,
    }

    static KEPT: Mutex<VecDeque<Kept>> = Mutex::new(VecDeque::new());
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    static TERMINALS: OnceLock<Option<File>> = OnceLock::new();

    pub(super) fn pass(point: KillPoint) {
        pass_after(point, || {});
    }

    pub(super) fn pass_after(point: KillPoint, last_act: impl FnOnce()) {
        let Some(armed) = ARMED.get_or_init(read) else { return };
        if armed.point == point && armed.passes_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            last_act();
            let _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
            unreachable!("nobody outlives SIGKILL");
        }
    }

    fn read() -> Option<Armed> {
        let text = std::env::var("HAYAUMA_TEST_KILL_AT").ok()?;
        let parsed = text.split_once(':').and_then(|(name, passes)| {
            let (point, _) = KillPoint::ALL.iter().find(|(_, known)| *known == name)?;
            Some((*point, passes.parse().ok().filter(|&passes| passes > 0)?))
        });
        let Some((point, passes)) = parsed else {
            panic!("HAYAUMA_TEST_KILL_AT={text} is no NAME:N")
        };
        Some(Armed { point, passes_left: AtomicU64::new(passes) })
    }

    pub(super) fn keep_note(shard: usize, sequence: u64, push_id: u64, delivered_mask: u16) {
        if std::env::var_os(BOOK).is_some() {
            let kept = Kept { shard, sequence, push_id, delivered_mask };
            KEPT.lock().unwrap_or_else(PoisonError::into_inner).push_back(kept);
        }
    }

    pub(super) fn note_kept(shard: usize, below: u64) {
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).retain(|kept| {
            let is_written = kept.shard == shard && kept.sequence <= below;
            if is_written {
                note('R', shard, kept.push_id, kept.delivered_mask);
            }
            !is_written
        });
    }

    pub(super) fn note(what: char, shard: usize, push_id: u64, delivered_mask: u16) {
        if delivered_mask == 0 {
            return;
        }
        let book =
            TERMINALS.get_or_init(|| {
                let path = std::env::var_os(BOOK)?;
                Some(open_book(Path::new(&path)).unwrap_or_else(|error| {
                    panic!("{} cannot be written: {error}", path.display())
                }))
            });
        if let Some(mut file) = book.as_ref() {
            // One write of one line: it is there whole or not at all, whenever the process dies.
            let line = format!("{what} {shard} {push_id} {delivered_mask}\n");
            file.write_all(line.as_bytes())
                .unwrap_or_else(|error| panic!("the terminals' book: {error}"));
        }
    }

    /// Opens the book to write behind what is there. A line that a death tore, on whatever device,
    /// is marked and ended, so that the next one stands by itself.
    pub(super) fn open_book(path: &Path) -> io::Result<File> {
        let mut file = File::options().create(true).read(true).append(true).open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::Start(length - 1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"~\n")?;
            }
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kill_point_has_a_name_of_its_own() {
        let mut names: Vec<&str> = KillPoint::ALL.iter().map(|(_, name)| *name).collect();
        assert!((0..names.len()).all(|place| KillPoint::ALL[place].0 as usize == place));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KillPoint::ALL.len());
    }
    #[cfg(debug_assertions)]
    #[test]
    fn a_line_that_a_death_tore_is_marked_before_the_next_is_written() {
        use std::io::Write as _;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("book");
        for (before, after) in [("", ""), ("A 0 1 1\n", "A 0 1 1\n"), ("A 0 1", "A 0 1~\n")] {
            std::fs::write(&path, before).expect("written");
            let mut file = armed::open_book(&path).expect("opened");
            file.write_all(b"R 0 1 1\n").expect("written");
            let text = std::fs::read_to_string(&path).expect("read");
            assert_eq!(text, format!("{after}R 0 1 1\n"));
        }
    }
}
