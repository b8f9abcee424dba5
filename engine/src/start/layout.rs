//! How a data directory is laid out: for how many shards, where each keeps its files, and which
//! numbers its journal gives; and how one layout takes the place of another.
//!
//! Everything made here is synced, names included, before anybody relies on it. A new layout's
//! journals are built in `DATA/resharding`; renaming that to `DATA/resharded` is the one step that
//! decides. Before it the old layout stands and what was built is thrown away; behind it every
//! start first carries the exchange to its end. Billing logs stay where they are, those of shards
//! that are no more too: their files are read by every report.
//!
//! Sequences: shard n of layout g numbers its records from g · 2^54 + n · 2^46 on, the first 2^40
//! of them being the records that were copied when the layout was made. So a push's number is its
//! own in the whole data directory, for ever, and a record's number says whether it was copied.

use crate::journal::numbering::COPIED_BITS;
use crate::journal::numbering::LAYOUT_BITS;
use crate::journal::numbering::SHARD_BITS;
use crate::journal::shards::has_journals;
use crate::journal::shards::shard_directory;
use crate::journal::shards::shard_numbers;
use crate::journal::{SEQUENCE_END, first_sequence_max, has_segments};
use crate::testing::kill_points::{KillPoint, kill_point};
use host::directory::sync_directory;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The file that says for how many shards a data directory is laid out, and how often that was
/// changed.
const SHARDS_FILE: &str = "shards";
/// Where a new layout is built.
const BUILDING: &str = "resharding";
/// Where it is once it counts, until everything is in its place.
const DECIDED: &str = "resharded";
/// Layouts that one data directory can have had: the journal reads no sequence from
/// [`SEQUENCE_END`] on.
const GENERATIONS_MAX: u64 = SEQUENCE_END >> LAYOUT_BITS;
/// How often a data directory can be laid out for another number of shards.
pub const RESHARDINGS_MAX: u64 = GENERATIONS_MAX - 1;

const _: () =
    assert!(crate::start::config::PARTITIONS_MAX as u64 <= 1 << (LAYOUT_BITS - SHARD_BITS));
const _: () = assert!(RESHARDINGS_MAX == 255, "FORMAT.md says so");

/// The layout of a data directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// For how many shards.
    pub shards: usize,
    /// How many layouts the directory had before.
    pub generation: u64,
}

impl Layout {
    /// A fresh directory's.
    pub fn fresh(shards: usize) -> Self {
        Self { shards, generation: 0 }
    }

    /// The one behind this, for another number of shards; `None` when there were as many as can be
    /// numbered.
    pub fn next(self, shards: usize) -> Option<Self> {
        let generation = self.generation + 1;
        (generation < GENERATIONS_MAX).then_some(Self { shards, generation })
    }

    /// The first sequence of a shard's journal in use.
    pub fn first_sequence(self, shard: usize) -> u64 {
        match self.generation {
            0 => self.start(shard) + 1,
            _ => self.start(shard) + (1 << COPIED_BITS),
        }
    }

    /// The first sequence of what is copied into a shard's journal while the layout is made.
    pub fn first_copied(self, shard: usize) -> u64 {
        self.start(shard) + 1
    }

    fn start(self, shard: usize) -> u64 {
        self.generation << LAYOUT_BITS | (shard as u64) << SHARD_BITS
    }
}

/// Where a shard's journal is built for the next layout.
pub fn building_directory(data_dir: &Path, number: usize) -> PathBuf {
    shard_directory(&data_dir.join(BUILDING), number)
}

/// Whether no engine ever served in the directory.
pub fn is_fresh(data_dir: &Path) -> bool {
    !data_dir.join(SHARDS_FILE).exists() && !has_journals(data_dir)
}

/// The layout that the journals tell where the file does not: as many shards as have segments, and
/// the layout that their sequences belong to. `None` where there are no journals.
///
/// # Errors
/// When a journal cannot be read, or one is missing among the others.
pub fn derive(data_dir: &Path) -> io::Result<Option<Layout>> {
    let (mut shards, mut last, mut generation) = (0, None, 0);
    for number in shard_numbers(data_dir)? {
        let journal = shard_directory(data_dir, number).join("journal");
        if has_segments(&journal)? {
            shards += 1;
            last = last.max(Some(number));
            generation = first_sequence_max(&journal)?
                .map_or(0, |first| first >> LAYOUT_BITS)
                .max(generation);
        }
    }
    let Some(last) = last else { return Ok(None) };
    if shards != last + 1 {
        let message = format!(
            "{shards} shards have a journal and shard {last} is one of them: one is missing"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(Some(Layout { shards, generation }))
}

/// Whether one layout is taking the place of another, or a crash interrupted that.
pub fn is_on_its_way(data_dir: &Path) -> bool {
    [BUILDING, DECIDED].iter().any(|name| data_dir.join(name).exists())
}

/// The layout as it stands, after a change that a crash interrupted was carried to its end or
/// thrown away; `None` where the directory is fresh.
///
/// # Errors
/// What the system said, or that the file says nothing sensible.
pub fn settle(data_dir: &Path) -> io::Result<Option<Layout>> {
    if read(&data_dir.join(DECIDED))?.is_some() {
        finish_exchange(data_dir)?;
    }
    for leftover in
        [BUILDING, DECIDED].map(|name| data_dir.join(name)).iter().filter(|path| path.exists())
    {
        fs::remove_dir_all(leftover)?;
        sync_directory(data_dir)?;
    }
    let path = data_dir.join(SHARDS_FILE);
    let lost = match fs::read_to_string(&path) {
        Ok(text) if text.trim().is_empty() => "empty",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "missing",
        _ => return read(data_dir),
    };
    let Some(layout) = derive(data_dir)? else {
        return if lost == "empty" { read(data_dir) } else { Ok(None) };
    };
    write(data_dir, layout)?;
    let Layout { shards, generation } = layout;
    tracing::warn!(
        file = %path.display(),
        shards,
        generation,
        "the file that says for how many shards the directory is laid out was {lost}; it is made \
         again from the journals"
    );
    Ok(Some(layout))
}

/// Lays out a fresh directory: makes the shards' directories, and then says how many there are.
///
/// # Errors
/// What the system said.
pub fn lay_out(data_dir: &Path, layout: Layout) -> io::Result<()> {
    for number in 0..layout.shards {
        fs::create_dir_all(shard_directory(data_dir, number))?;
    }
    write(data_dir, layout)?;
    // The directory itself may be new.
    match data_dir.canonicalize()?.parent() {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// The journals in [`building_directory`] take the place of the ones that are there. They are
/// synced; whoever had them open has closed them.
///
/// # Errors
/// What the system said: the next start goes on from there.
pub fn exchange(data_dir: &Path, layout: Layout) -> io::Result<()> {
    let building = data_dir.join(BUILDING);
    for number in 0..layout.shards {
        sync_directory(&building_directory(data_dir, number))?;
    }
    write(&building, layout)?;
    kill_point(KillPoint::ReshardWritten);
    fs::rename(&building, data_dir.join(DECIDED))?;
    sync_directory(data_dir)?;
    finish_exchange(data_dir)?;
    fs::remove_dir_all(data_dir.join(DECIDED))?;
    sync_directory(data_dir)
}

/// Each step leaves what tells the next one what is left to do: a journal that still stands in the
/// decided directory is not in its place yet, so that what stands there is the old one.
fn finish_exchange(data_dir: &Path) -> io::Result<()> {
    let decided = data_dir.join(DECIDED);
    let Some(layout) = read(&decided)? else { return Ok(()) };
    let mut numbers: Vec<usize> = shard_numbers(data_dir)?;
    numbers.extend(0..layout.shards);
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let (place, fresh) = (shard_directory(data_dir, number), shard_directory(&decided, number));
        let (standing, coming) = (place.join("journal"), fresh.join("journal"));
        let is_coming = coming.exists();
        if standing.exists() && (is_coming || number >= layout.shards) {
            fs::rename(&standing, decided.join(format!("old-{number:03}")))?;
            sync_directory(&place)?;
            sync_directory(&decided)?;
            kill_point(KillPoint::ReshardExchanged);
        }
        if is_coming {
            fs::create_dir_all(&place)?;
            fs::rename(&coming, &standing)?;
            sync_directory(&place)?;
            sync_directory(&fresh)?;
            kill_point(KillPoint::ReshardExchanged);
        }
    }
    write(data_dir, layout)?;
    kill_point(KillPoint::ReshardExchanged);
    fs::remove_file(decided.join(SHARDS_FILE))?;
    sync_directory(&decided)
}

/// What the directory says of its layout.
pub(crate) fn read(directory: &Path) -> io::Result<Option<Layout>> {
    let text = match fs::read_to_string(directory.join(SHARDS_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut words = text.split_ascii_whitespace();
    let shards = words.next().and_then(|word| word.parse().ok()).filter(|&shards| shards > 0);
    let generation = words.next().map_or(Some(0), |word| word.parse().ok());
    match (shards, generation, words.next()) {
        (Some(shards), Some(generation), None) if generation < GENERATIONS_MAX => {
            Ok(Some(Layout { shards, generation }))
        }
        _ => {
            let message = format!(
                "{} says {:?} and not a number of shards with the number of layouts before, at \
                 most {RESHARDINGS_MAX}",
                directory.join(SHARDS_FILE).display(),
                text.trim()
            );
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
    }
}

/// What was said before stands until the new word is durable.
pub(crate) fn write(directory: &Path, layout: Layout) -> io::Result<()> {
    let fresh = directory.join("shards.tmp");
    let mut file = File::create(&fresh)?;
    writeln!(file, "{} {}", layout.shards, layout.generation)?;
    file.sync_all()?;
    fs::rename(&fresh, directory.join(SHARDS_FILE))?;
    sync_directory(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::numbering::{generation, is_copied, origin};

    #[test]
    fn every_shard_of_every_layout_has_numbers_of_its_own() {
        let mut layout = Layout::fresh(3);
        assert_eq!(layout.first_sequence(0), 1);
        let mut last = 0;
        for _ in 0..20 {
            for shard in 0..layout.shards {
                let (copied, first) = (layout.first_copied(shard), layout.first_sequence(shard));
                assert!(last < copied && copied <= first, "{layout:?}");
                assert_eq!((origin(first), is_copied(first)), (shard as u8, false));
                assert!(layout.generation == 0 || is_copied(copied) && is_copied(first - 1));
                last = first + (1 << 45);
                assert!(!is_copied(last) && origin(last) == shard as u8);
            }
            layout =
                layout.next(crate::start::config::PARTITIONS_MAX).expect("far from the last one");
        }
    }

    #[test]
    fn every_sequence_of_the_last_layout_is_one_that_the_journal_reads() {
        let last = Layout { shards: 1, generation: 254 }
            .next(crate::start::config::PARTITIONS_MAX)
            .expect("the 255th");
        assert_eq!(last.next(2), None);
        let beyond = last.start(last.shards - 1) + (1 << SHARD_BITS);
        assert!(beyond <= SEQUENCE_END && generation(beyond - 1) == RESHARDINGS_MAX);
        // One more would reach beyond what can be read.
        assert!(Layout { generation: 256, ..last }.start(0) >= SEQUENCE_END);
    }

    #[test]
    fn a_fresh_directory_is_laid_out_and_found_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(settle(directory.path()).expect("readable"), None);
        lay_out(directory.path(), Layout::fresh(2)).expect("writable");
        assert_eq!(settle(directory.path()).expect("readable"), Some(Layout::fresh(2)));
        fs::write(directory.path().join(SHARDS_FILE), "2\n").expect("writable");
        assert_eq!(settle(directory.path()).expect("readable"), Some(Layout::fresh(2)));
        fs::write(directory.path().join(SHARDS_FILE), "").expect("writable");
        let error = settle(directory.path()).expect_err("nothing sensible");
        assert!(error.to_string().contains("not a number of shards"), "{error}");
    }

    /// A directory of `old` shards, with a new layout for `new` built beside it and decided.
    fn decided(old: usize, new: usize) -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path();
        lay_out(data, Layout::fresh(old)).expect("writable");
        for number in 0..old {
            fs::create_dir_all(shard_directory(data, number).join("journal")).expect("writable");
            fs::write(shard_directory(data, number).join("journal/old"), "").expect("writable");
        }
        let layout = Layout::fresh(old).next(new).expect("a second layout");
        for number in 0..new {
            fs::create_dir_all(building_directory(data, number).join("journal")).expect("writable");
            fs::write(building_directory(data, number).join("journal/new"), "").expect("writable");
        }
        write(&data.join(BUILDING), layout).expect("writable");
        fs::rename(data.join(BUILDING), data.join(DECIDED)).expect("writable");
        (directory, layout)
    }

    fn check(data: &Path, old: usize, layout: Layout) {
        assert_eq!(settle(data).expect("readable"), Some(layout));
        for number in 0..old.max(layout.shards) {
            let journal = shard_directory(data, number).join("journal");
            assert_eq!(journal.join("new").exists(), number < layout.shards, "{number}");
            assert!(!journal.join("old").exists(), "{number}");
        }
        assert!(!data.join(DECIDED).exists() && !data.join(BUILDING).exists());
    }

    #[test]
    fn a_decided_layout_is_carried_to_its_end_from_every_step() {
        for (old, new) in [(1, 2), (2, 1), (2, 3), (3, 2)] {
            let (directory, layout) = decided(old, new);
            check(directory.path(), old, layout);
            // Interrupted behind every step in the order in which they come.
            for steps in 1..=2 * old.max(new) {
                let (directory, layout) = decided(old, new);
                let (data, mut left) = (directory.path(), steps);
                for number in 0..old.max(new) {
                    let decided = data.join(DECIDED);
                    let standing = shard_directory(data, number).join("journal");
                    let moves = [
                        (standing.clone(), decided.join(format!("old-{number:03}"))),
                        (shard_directory(&decided, number).join("journal"), standing),
                    ];
                    for (from, to) in moves.iter().filter(|(from, _)| from.exists()) {
                        if left > 0 {
                            left -= 1;
                            fs::create_dir_all(to.parent().expect("a parent")).expect("writable");
                            fs::rename(from, to).expect("writable");
                        }
                    }
                }
                check(data, old, layout);
            }
        }
    }

    #[test]
    fn what_was_built_and_not_decided_is_thrown_away() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        lay_out(directory.path(), Layout::fresh(2)).expect("writable");
        fs::create_dir_all(building_directory(directory.path(), 0)).expect("writable");
        assert_eq!(settle(directory.path()).expect("readable"), Some(Layout::fresh(2)));
        assert!(!directory.path().join(BUILDING).exists());
    }
}
