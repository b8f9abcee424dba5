//! Whether an engine only looks at what there is, since that was said or since its directory is a
//! copy, and when a copy goes on in the original's place.
//!
//! Invariant: a start that fails takes nothing over. No start fails for want of room to note where
//! the directory was made: what was accepted is served all the same, and it is noted once there is
//! room.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::start::config::Config;
use crate::start::origin::{self, Birthplace};
use host::background::step_back;
use host::fatal::{Fatal, FatalReason};

/// Between two tries to note that a directory was taken over.
const TRIED_EVERY: Duration = Duration::from_secs(5);

/// What is said of such an engine first, in place of what it would take.
pub(super) const ANNOUNCED: &str = "LOOKS ON: it takes no push, sends nothing, and answers 8004";

/// Whether somebody is only to look. A directory that does not say where it was made is from here
/// from now on.
///
/// # Errors
/// What it says cannot be read.
pub(super) fn looks_on(config: &Config) -> Result<bool, Fatal> {
    let directory = config.data_dir.display();
    let origin = origin::look(&config.data_dir).map_err(|error| {
        let cause = format!("where {directory} was made cannot be told ({error})");
        Fatal::new(FatalReason::DataDirUnusable, cause)
    })?;
    match origin {
        Birthplace::Elsewhere(why) if !config.take_over => {
            tracing::warn!(
                %directory,
                why,
                "LOOKING ON: no push is taken, no carrier is bound, and no attempt, notification \
                 or broadcast begins; --take-over goes on in the original's place, which must not \
                 run beside it"
            );
            return Ok(true);
        }
        Birthplace::Unsaid => note_here(config),
        Birthplace::Here | Birthplace::Elsewhere(_) => {}
    }
    if config.paused {
        tracing::warn!(%directory, "LOOKING ON, as --paused says: nothing is taken or begins");
    }
    Ok(config.paused)
}

/// A copy goes on in the original's place, if somebody says so. For when everything else is there:
/// beside the original, whose ports are taken, it is not. What cannot be noted now is noted as soon
/// as it can be.
pub(super) fn take_over(config: &Config, is_alone: bool) {
    if !is_alone || !config.take_over {
        return;
    }
    let Err(error) = origin::note_here(&config.data_dir) else { return };
    tracing::error!(directory = %config.data_dir.display(), %error, "{}", NOT_TAKEN_OVER);
    let directory = config.data_dir.clone();
    let work = move || {
        step_back();
        note_later(&directory, TRIED_EVERY, origin::note_here);
    };
    // Without a thread it is as it was said.
    let _ = std::thread::Builder::new().name("hayauma-origin".to_owned()).spawn(work);
}

const NOT_TAKEN_OVER: &str = "TAKEN OVER, which cannot be noted: until it is, a start without \
                              --take-over only looks on and answers 8004; make room on the device";

/// Tries it again and again until it is noted; the process may end meanwhile.
fn note_later(directory: &Path, every: Duration, note: impl Fn(&Path) -> io::Result<()>) {
    while note(directory).is_err() {
        std::thread::park_timeout(every);
    }
    tracing::info!(directory = %directory.display(), "taken over, and noted by now");
}

fn note_here(config: &Config) {
    if let Err(error) = origin::note_here(&config.data_dir) {
        tracing::warn!(
            directory = %config.data_dir.display(),
            %error,
            "it cannot be noted where this directory was made: until it can, at a start, no copy \
             of it is told from it"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_take_over_that_found_no_room_to_be_noted_is_noted_once_there_is() {
        let place = tempfile::tempdir().expect("a directory");
        origin::mark_backup(place.path()).expect("noted");
        let tries = Cell::new(0);
        note_later(place.path(), Duration::ZERO, |directory| {
            tries.set(tries.get() + 1);
            match tries.get() {
                ..3 => Err(io::ErrorKind::StorageFull.into()),
                _ => origin::note_here(directory),
            }
        });
        let found = origin::look(place.path()).expect("readable");
        assert_eq!((tries.get(), found), (3, Birthplace::Here));
        assert!(NOT_TAKEN_OVER.contains("8004"));
    }
}
