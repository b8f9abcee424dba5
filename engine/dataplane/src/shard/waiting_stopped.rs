//! What waits in the journal of an engine that does not run: its records are replayed into an empty
//! message center, as the next start will do it, and the pushes are counted there. Nothing is
//! written.

use super::open::octets_of_files;
use super::replay::replay_apart;
use super::waiting::{AgeMarks, Standing, WaitingTally, age_of};
use crate::journal::{JournalError, Record, survey};
use crate::smsc::core::{Core, CoreLimits};
use crate::smsc::pushes::PushIndex;
use crate::smsc::recovery::Recovery;
use crate::smsc::wait_reason::WaitReason;
use std::collections::HashMap;
use std::path::Path;
use wire::terms::pace::Pace;
use wire::terms::time::WallMs;

/// An Accepted record takes more than this, octets: bounds how many a journal can hold.
const ACCEPTED_OCTETS_MIN: u64 = 128;

/// Why a journal could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record whose checksum holds says something impossible.
    #[error("journal record {sequence} has an impossible {what}; keep the directory and report it")]
    Impossible {
        /// The record's sequence.
        sequence: u64,
        /// The field.
        what: &'static str,
    },
    /// More unfinished pushes than the journal has room for.
    #[error("the journal holds {0} pushes more than fit into it; keep the directory and report it")]
    TooManyPushes(u64),
}

/// Counts what waits in the journal in `directory`.
///
/// # Errors
/// The journal cannot be read or says something impossible.
pub fn count_stopped(directory: &Path, now_ms: WallMs) -> Result<WaitingTally, CountError> {
    let octets = octets_of_files(directory);
    let limits = CoreLimits {
        pushes_max: (octets / ACCEPTED_OCTETS_MIN) as usize + 1,
        waiting_per_msn_max: u32::MAX,
        ended_keys_max: 1,
    };
    let pace = Pace::new(1, now_ms);
    let mut recovery = Recovery::new(Core::new(limits, pace.center(now_ms)), 0);
    let mut marks = AgeMarks::default();
    let (mut accepted_ms, mut reasons) = (HashMap::new(), HashMap::new());
    let mut impossible = None;
    survey(directory, &mut |position, sequence, record| {
        match &record {
            Record::Accepted(accepted) => {
                let (push_id, at_ms) =
                    (accepted.push_id.to_native(), accepted.accepted_ms.to_native());
                marks.note(push_id, WallMs::new(at_ms));
                accepted_ms.insert(push_id, WallMs::new(at_ms));
            }
            Record::Held(held) => {
                let held = held.to_native();
                reasons.insert(held.push_id, WaitReason::from_number(held.reason));
            }
            // What cleaning had left of a hold before it carried the hold itself.
            Record::Progress(progress) if progress.attempts.to_native() > 0 => {
                let reason = WaitReason::from_code(progress.code.to_native());
                reasons.entry(progress.push_id.to_native()).or_insert(reason);
            }
            Record::Handed(handed) => {
                reasons.remove(&handed.to_native().push_id);
            }
            Record::Ended(ended) => {
                reasons.remove(&ended.push_id.to_native());
                if !ended.notification_due {
                    accepted_ms.remove(&ended.push_id.to_native());
                }
            }
            _ => {}
        }
        if let Err(what) = replay_apart(&mut recovery, pace, position, sequence, &record) {
            impossible.get_or_insert(CountError::Impossible { sequence, what });
        }
    })?;
    if let Some(error) = impossible {
        return Err(error);
    }
    let core = recovery.finish(pace.center(now_ms)).map_err(CountError::TooManyPushes)?;
    let young_from = marks.young_from(now_ms);
    let mut tally = WaitingTally::default();
    for index in 0..core.indices_used() as PushIndex {
        let Some(push) = core.live_at(index) else { continue };
        let standing = match reasons.get(&push.push_id) {
            Some(&reason) if !push.state.is_final() => Standing::Held(reason),
            _ => Standing::of(push),
        };
        tally.count(push, standing, age_of(push.push_id, &young_from));
    }
    for push in
        (0..core.ended_places()).filter_map(|place| core.ended_at(place)).chain(core.parked(0))
    {
        tally.count_ended(push, age_of(push.push_id, &young_from));
    }
    tally.date_oldest(|push_id, _| accepted_ms.get(&push_id).copied().unwrap_or(WallMs::ZERO));
    tally.at_ms = now_ms;
    Ok(tally)
}
