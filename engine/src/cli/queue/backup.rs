//! `hayauma queue backup`: a copy of a data directory as it stood at one moment, while an engine
//! may be at work in it. The engine is asked for a line of the audit, and not disturbed.
//!
//! Order matters: lists and broadcasts, the full segments of each journal, then the billing logs,
//! then the rest of the journals, then what broadcasts came to meanwhile. So every event in the
//! copy has its record there, and every record whose event came later enters it when the copy is
//! opened. The copy is made under another name, synced, read again and checked, and only then given
//! its own.

use std::fs;
use std::path::{Path, PathBuf};

use super::table::{grouped, plural};
use super::{CliError, Place};
use crate::billing;
use crate::cli::output::with_standard_output;
use crate::cli::place::RegistryPlace;
use crate::control::acts;
use crate::control::admin::{BackupOrder, BackupRecorded};
use crate::control::audit;
use crate::control::broadcasts::{copy_broadcasts, copy_ends};
use crate::control::store::{STORE_FILE_NAME, Store};
use crate::journal::{BackupError, JournalCopy, JournalError, survey};
use crate::start::fingerprint_key;
use crate::start::layout;
use crate::start::origin;
use crate::start::time_scale::REHEARSAL_FILE;
use host::directory::sync_directory;

/// How often a journal that changes faster than it is copied is tried again.
const TRIES_MAX: u32 = 20;

/// Has the audit say that a copy is made, the copy's own too. A copy is made all the same where
/// that cannot be: on a full device, and beside an engine that does not answer, it is needed most.
pub(super) fn record(place: &Place, data_dir: &Path, target: &Path) -> Result<(), CliError> {
    if !data_dir.join(STORE_FILE_NAME).exists() {
        return Ok(());
    }
    let target = target.display().to_string();
    let recorded = place.registry_to_change().and_then(|registry| match registry {
        RegistryPlace::Running(engine) => {
            engine.post("/backups", &BackupOrder { target }).map(|_: BackupRecorded| ())
        }
        RegistryPlace::Stopped(mut store) => store.record(&acts::backed_up(&target)),
    });
    let Err(error) = recorded else { return Ok(()) };
    with_standard_output(|output| {
        output.note(&format!("this copy stands in no audit: {error}"));
        Ok(())
    })
}

/// Copies `data_dir` to `target`; what to tell the operator.
pub(super) fn run(data_dir: &Path, target: &Path) -> Result<String, CliError> {
    let is_taken = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => target.exists(),
    };
    if is_taken {
        return Err(CliError::new(format!(
            "{} is there already: name a new directory",
            target.display()
        )));
    }
    if layout::is_on_its_way(data_dir) {
        return Err(CliError::new(format!(
            "{} is being laid out for another number of shards: wait until its engine serves",
            data_dir.display()
        )));
    }
    let mut partial = target.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let outcome = copy(data_dir, &partial).and_then(|octets| {
        let records = check(&partial)?;
        fs::rename(&partial, target).map_err(|error| cannot(target, &error))?;
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(parent).map_err(|error| cannot(parent, &error))?;
        }
        Ok(format!(
            "{} {}, {} octets in all, copied to {}, read again and found intact\n",
            grouped(records),
            plural(records, "record", "records"),
            grouped(octets),
            target.display()
        ))
    });
    if outcome.is_err() {
        // Half a copy is of no use to anybody.
        let _ = fs::remove_dir_all(&partial);
    }
    outcome
}

fn copy(data_dir: &Path, partial: &Path) -> Result<u64, CliError> {
    for attempt in 1.. {
        if partial.exists() {
            fs::remove_dir_all(partial).map_err(|error| cannot(partial, &error))?;
        }
        host::directory::make_data_dir(partial).map_err(|error| cannot(partial, &error))?;
        match copy_once(data_dir, partial) {
            Ok(octets) => return Ok(octets),
            Err(CopyError::Journal(BackupError::TooFast { .. })) if attempt < TRIES_MAX => {}
            Err(CopyError::Journal(error)) => return Err(CliError::new(error.to_string())),
            Err(CopyError::Other(error)) => return Err(error),
        }
    }
    unreachable!("the last attempt returned")
}

enum CopyError {
    Journal(BackupError),
    Other(CliError),
}

fn copy_once(data_dir: &Path, partial: &Path) -> Result<u64, CopyError> {
    let other = |path: &Path, error: &std::io::Error| CopyError::Other(cannot(path, error));
    let numbers =
        crate::journal::shards::shard_numbers(data_dir).map_err(|error| other(data_dir, &error))?;
    let broadcasts = copy_broadcasts(data_dir, partial).map_err(|error| other(data_dir, &error))?;
    let mut journals = Vec::new();
    for &number in &numbers {
        let [from, to] = [data_dir, partial]
            .map(|place| crate::journal::shards::shard_directory(place, number).join("journal"));
        if from.is_dir() {
            journals.push(JournalCopy::begin(&from, &to).map_err(CopyError::Journal)?);
        }
    }
    let mut octets = broadcasts.octets;
    for &number in &numbers {
        let [from, to] = [data_dir, partial]
            .map(|place| crate::journal::shards::shard_directory(place, number).join("billing"));
        octets += billing::copy_log(&from, &to).map_err(|error| other(&from, &error))?;
    }
    for journal in journals {
        octets += journal.finish().map_err(CopyError::Journal)?;
    }
    octets += copy_ends(data_dir, partial, &broadcasts).map_err(|error| other(data_dir, &error))?;
    let lines = Store::copy(data_dir, partial).map_err(|error| CopyError::Other(error.into()))?;
    // Behind the registry, which knows how much there is of it at least; what came later goes.
    octets += copy_audit(data_dir, partial).map_err(|error| other(data_dir, &error))?;
    audit::cut_behind(partial, lines).map_err(|error| other(partial, &error))?;
    if let Some(standing) = layout::read(data_dir).map_err(|error| other(data_dir, &error))? {
        layout::write(partial, standing).map_err(|error| other(partial, &error))?;
    }
    fingerprint_key::copy(data_dir, partial).map_err(|error| other(data_dir, &error))?;
    origin::mark_backup(partial).map_err(|error| other(partial, &error))?;
    let mark = data_dir.join(REHEARSAL_FILE);
    if mark.exists() {
        fs::copy(&mark, partial.join(REHEARSAL_FILE)).map_err(|error| other(&mark, &error))?;
    }
    for number in numbers {
        let directory = crate::journal::shards::shard_directory(partial, number);
        fs::create_dir_all(&directory)
            .and_then(|()| sync_directory(&directory))
            .map_err(|e| other(&directory, &e))?;
    }
    sync_directory(partial).map_err(|error| other(partial, &error))?;
    Ok(octets)
}

/// Copies the audit's files; once more where a month ended meanwhile and a file got its name.
fn copy_audit(data_dir: &Path, partial: &Path) -> std::io::Result<u64> {
    let mut moved = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
    for _ in 0..TRIES_MAX {
        for stale in audit::files(partial)? {
            fs::remove_file(stale)?;
        }
        let files = audit::files(data_dir)?;
        let copied: std::io::Result<u64> = files
            .iter()
            .map(|file| copy_synced(file, &partial.join(file.file_name().unwrap_or_default())))
            .sum();
        match copied {
            Ok(octets) if audit::files(data_dir)? == files => return Ok(octets),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => moved = error,
            Err(error) => return Err(error),
        }
    }
    Err(moved)
}

fn copy_synced(from: &Path, to: &Path) -> std::io::Result<u64> {
    let octets = fs::copy(from, to)?;
    fs::File::open(to)?.sync_all()?;
    Ok(octets)
}

/// Reads the copy; how many records its journals hold.
fn check(partial: &Path) -> Result<u64, CliError> {
    let unreadable = |error: JournalError| CliError::new(error.to_string());
    let mut records = 0;
    for number in
        crate::journal::shards::shard_numbers(partial).map_err(|error| cannot(partial, &error))?
    {
        let journal = crate::journal::shards::shard_directory(partial, number).join("journal");
        if !journal.is_dir() {
            continue;
        }
        let found = survey(&journal, &mut |_, _, _| {}).map_err(unreadable)?;
        records += found.records();
        if let Some(damage) = found.damages.iter().chain(&found.gaps).next() {
            return Err(CliError::new(format!(
                "the copy is not intact at offset {} of {}: run `hayauma queue verify` on the \
                 original",
                damage.offset,
                damage.file.display()
            )));
        }
    }
    Ok(records)
}

fn cannot(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!(
        "{} cannot be copied or written ({error}): check permissions and free space",
        path.display()
    ))
}
