//! Rehearsals: an engine whose message center's schedules run many times as fast as real ones.
//!
//! At such a pace a push expires, a notification is parked and a key is forgotten within seconds.
//! With real traffic that would lose SMS and send others twice, so a data directory is for the one
//! or for the other: one that was ever used at real pace is refused, and one of a rehearsal says so
//! in a file.
//!
//! Never here: what the pace does; that is `shard::Pace`.

use std::io::ErrorKind;
use std::path::Path;

use host::fatal::{Fatal, FatalReason};

/// The file that marks the data directory of a rehearsal.
pub const REHEARSAL_FILE: &str = "rehearsal";

const REHEARSAL_TEXT: &str = "Rehearsed with a time scale: what is in here is no real traffic.\n";

/// Refuses a time scale where there is, or was, real traffic; marks a fresh directory, of which
/// `is_fresh` says that no engine ever served in it. Logs loudly that a rehearsal begins.
///
/// # Errors
/// The directory is not a rehearsal's, or the mark cannot be read or written.
pub fn check(data_dir: &Path, time_scale: u64, is_fresh: bool) -> Result<(), Fatal> {
    let path = data_dir.join(REHEARSAL_FILE);
    let unusable = |error: std::io::Error| {
        let cause = format!("{} cannot be used ({error})", path.display());
        let remedy = "correct its permissions or check the device, and start again";
        Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy)
    };
    let is_marked = match std::fs::metadata(&path) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(unusable(error)),
    };
    if time_scale == 1 {
        if is_marked {
            tracing::warn!(
                directory = %data_dir.display(),
                "this data directory was used in a rehearsal: what waits in it is no real traffic"
            );
        }
        return Ok(());
    }
    if !is_marked && !is_fresh {
        let cause = format!(
            "the data directory {} has served real traffic, and a rehearsal at {time_scale} times \
             the pace would expire its pushes and forget its keys",
            data_dir.display()
        );
        let remedy = "leave out --rehearsal-time-scale or choose a fresh --data-dir";
        return Err(Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy));
    }
    if !is_marked {
        std::fs::write(&path, REHEARSAL_TEXT).map_err(unusable)?;
    }
    tracing::warn!(
        time_scale,
        "REHEARSAL: retries, lifetimes, resends, parking and the memory of keys run {time_scale} \
         times as fast; never with real traffic"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_for_rehearsals_or_for_real_traffic() {
        let fresh = tempfile::tempdir().expect("a temporary directory");
        check(fresh.path(), 60, true).expect("nothing was ever served here");
        check(fresh.path(), 3_600, false).expect("a rehearsal may go on at another pace");
        check(fresh.path(), 1, false).expect("real pace harms nothing");
        let real = tempfile::tempdir().expect("a temporary directory");
        check(real.path(), 1, true).expect("real pace");
        let refusal = check(real.path(), 2, false).expect_err("real traffic");
        assert!(refusal.to_string().contains("fresh --data-dir"), "{refusal}");
        assert!(!real.path().join(REHEARSAL_FILE).exists());
    }
}
