//! Reading event files: of a stopped engine, or of one that is writing them this very moment.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::event::{Event, Slot, foreign_version};
use super::limits::{READ_OCTETS, SLOT_OCTETS};
use wire::terms::calendar::Day;

/// One event file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct EventFile {
    pub(super) day: Day,
    pub(super) shard: u16,
    pub(super) path: PathBuf,
    /// So many of its slots are looked at. A running engine goes on writing, and two readings that
    /// are compared must see the same.
    pub(super) slots: u64,
}

/// What a file holds beside events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct FileState {
    /// The slot behind the last one that holds anything readable.
    pub(super) end: u64,
    /// Slots before the end that hold something unreadable.
    pub(super) damaged: u64,
    /// Slots before the end that hold nothing: pages that never reached the device before a loss of
    /// power.
    pub(super) empty: u64,
}

/// The name of a day's file.
pub(super) fn file_name(day: Day) -> String {
    format!("events-{day}.bin")
}

/// The event files of one shard's `directory`, oldest first.
pub(super) fn files_of_shard(directory: &Path, shard: u16) -> io::Result<Vec<EventFile>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let digits = name.strip_prefix("events-").and_then(|rest| rest.strip_suffix(".bin"));
        // What is no file takes no events.
        if let Some(day) = digits.and_then(Day::parse).filter(|_| path.is_file()) {
            files.push(EventFile { day, shard, path, slots: u64::MAX });
        }
    }
    files.sort();
    Ok(files)
}

/// The event files of all shards of a data directory, oldest first.
pub(super) fn files_of_engine(data_directory: &Path) -> io::Result<Vec<EventFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(data_directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(shard) = name.strip_prefix("shard-").and_then(|digits| digits.parse().ok()) {
            files.extend(files_of_shard(&path.join("billing"), shard)?);
        }
    }
    files.sort();
    Ok(files)
}

/// As [`files_of_engine`], each file as far as it is written now: what a running engine appends
/// later is in no reading of them. The newest is looked at first: what a push's acceptance is
/// written to is looked at behind the file of its end, so no end is seen without it.
pub(super) fn files_as_they_stand(data_directory: &Path) -> io::Result<Vec<EventFile>> {
    files_looked_at(data_directory, slots_written)
}

/// The same, where `look` says how far a file is written.
pub(super) fn files_looked_at(
    data_directory: &Path,
    mut look: impl FnMut(&Path) -> io::Result<u64>,
) -> io::Result<Vec<EventFile>> {
    let mut files = files_of_engine(data_directory)?;
    for file in files.iter_mut().rev() {
        file.slots = look(&file.path)?;
    }
    Ok(files)
}

/// The slot behind the last whole one, looked for from the file's end: room ahead is zeros.
pub(super) fn slots_written(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    let mut buffer = vec![0; READ_OCTETS];
    let mut end = file.metadata()?.len() / SLOT_OCTETS as u64;
    while end > 0 {
        let first = end.saturating_sub((READ_OCTETS / SLOT_OCTETS) as u64);
        let part = &mut buffer[..(end - first) as usize * SLOT_OCTETS];
        file.read_exact_at(part, first * SLOT_OCTETS as u64)?;
        let (places, _) = part.as_chunks::<SLOT_OCTETS>();
        // A slot that is only half there is none yet, and never the half of a reading.
        let is_whole = |at: usize, place| {
            matches!(Event::decode(place, (first + at as u64) as u32), Slot::Head | Slot::Event(_))
        };
        let whole = places.iter().enumerate().rev().find(|(at, place)| is_whole(*at, place));
        if let Some((at, _)) = whole {
            return Ok(first + at as u64 + 1);
        }
        end = first;
    }
    Ok(0)
}

/// The event files of the shard whose billing `directory` this is, and of all shards beside it.
pub(super) fn files_of_all_shards(directory: &Path) -> io::Result<Vec<EventFile>> {
    let mut files = files_of_shard(directory, u16::MAX)?;
    if let Some(data_directory) = directory.ancestors().nth(2) {
        let others = files_of_engine(data_directory)?;
        files.extend(others.into_iter().filter(|file| file.path.parent() != Some(directory)));
    }
    Ok(files)
}

/// The version of a file, where it is one that this engine does not read.
pub(super) fn version_of(path: &Path) -> io::Result<Option<u16>> {
    let mut head = [0; SLOT_OCTETS];
    match File::open(path)?.read_exact(&mut head) {
        Ok(()) => Ok(foreign_version(&head)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Hands every event of a file to `view`, in order. A half-written last slot is not there yet;
/// unreadable slots before it are counted.
pub(super) fn read_events(path: &Path, view: &mut dyn FnMut(&Event)) -> io::Result<FileState> {
    read_within(path, u64::MAX, view)
}

/// As [`read_events`], of the first `slots` of the file alone.
pub(super) fn read_within(
    path: &Path,
    slots: u64,
    view: &mut dyn FnMut(&Event),
) -> io::Result<FileState> {
    let mut file = File::open(path)?.take(slots.saturating_mul(SLOT_OCTETS as u64));
    let mut buffer = vec![0; READ_OCTETS];
    let mut state = FileState::default();
    // Unreadable and empty slots count only once something readable follows.
    let (mut damaged, mut empty) = (0, 0);
    let mut slot = 0u64;
    loop {
        let octets = read_full(&mut file, &mut buffer)?;
        let (slots, _) = buffer[..octets].as_chunks::<SLOT_OCTETS>();
        for place in slots {
            if slot == 0
                && let Some(version) = foreign_version(place)
            {
                let message = format!("format version {version} is not one that this engine reads");
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
            match Event::decode(place, slot as u32) {
                Slot::Empty => empty += 1,
                Slot::Damaged => damaged += 1,
                sight @ (Slot::Head | Slot::Event(_)) => {
                    if let Slot::Event(event) = sight {
                        view(&event);
                    }
                    state = FileState { end: slot + 1, damaged, empty };
                }
            }
            slot += 1;
        }
        if octets < buffer.len() {
            return Ok(state);
        }
    }
}

fn read_full(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(octets) => filled += octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
