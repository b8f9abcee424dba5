//! Whether an engine only looks at what there is, since that was said or since its directory is a
//! copy, and when a copy goes on in the original's place.
//!
//! Invariant: a start that fails takes nothing over. No start fails for want of room to note where
//! the directory was made: what was accepted is served all the same.

use crate::start::config::Config;
use crate::start::origin::{self, Birthplace};
use host::fatal::{Fatal, FatalReason};

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
/// beside the original, whose ports are taken, it is not.
pub(super) fn take_over(config: &Config, is_alone: bool) {
    if is_alone && config.take_over {
        note_here(config);
    }
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
