//! A broadcast's life as a table: what may be asked of it in which state.

use serde::Serialize;

/// Why a broadcast ends before all its rows have had their turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Somebody stopped it.
    Cancelled,
    /// Its deadline came.
    Expired,
    /// A higher alertseq of its chain began.
    Replaced,
}

/// Where a broadcast stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// Being written.
    Draft,
    /// A dry run holds for it.
    Checked,
    /// Whoever has to has approved the dry run.
    Approved,
    /// Started; nothing is attempted yet.
    Holding,
    /// Rows have their turns.
    Running,
    /// No row has a turn.
    Paused,
    /// No row has a first turn any more; what is under way settles.
    Closing(End),
    /// Every row has ended.
    Finished,
    /// Ended before its time.
    Ended(End),
}

/// What is asked of it, or happens to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Its manifest is changed: dry run and approvals are outdated.
    Change,
    /// A dry run was made.
    Check,
    /// The last approval that it needs.
    Approve,
    /// The start; the approval rule has been looked at.
    Start,
    /// The seconds between start and first attempt are over.
    HoldOver,
    /// Stop for now.
    Pause,
    /// Go on.
    Resume,
    /// It ends early.
    End(End),
    /// No row waits, is in flight, held or handed over.
    Settled,
}

/// A step that the state does not allow: 7107.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the broadcast is {state:?} and cannot take the step {step:?}")]
pub struct IllegalStep {
    /// Where it stands.
    pub state: Life,
    /// What was asked.
    pub step: Step,
}

impl Life {
    /// The state behind a step.
    ///
    /// Ending is never refused while anything could still be sent, and whoever asks for it twice is
    /// answered alike: who stops it must not be told to look first. The first reason stays.
    ///
    /// # Errors
    /// The step is illegal here.
    pub fn after(self, step: Step) -> Result<Self, IllegalStep> {
        use Life::{Approved, Checked, Closing, Draft, Ended, Finished, Holding, Paused, Running};
        let next = match (self, step) {
            (Draft | Checked | Approved, Step::Change) => Draft,
            (Draft | Checked | Approved, Step::Check) => Checked,
            (Checked | Approved, Step::Approve) => Approved,
            (Checked | Approved, Step::Start) => Holding,
            (Draft | Checked | Approved | Holding, Step::End(end)) => Ended(end),
            (Holding, Step::HoldOver) => Running,
            // One touch while it holds aborts it: going on from a pause would skip the hold.
            (Holding, Step::Pause) => Ended(End::Cancelled),
            (Running | Paused, Step::Pause) => Paused,
            (Paused | Running, Step::Resume) => Running,
            (Running | Paused, Step::End(end)) => Closing(end),
            (Closing(first), Step::End(_)) => Closing(first),
            (Ended(first), Step::End(_)) => Ended(first),
            (Running | Paused, Step::Settled) => Finished,
            (Closing(end), Step::Settled) => Ended(end),
            (state, step) => return Err(IllegalStep { state, step }),
        };
        Ok(next)
    }

    /// Whether a row may have its first turn.
    pub fn begins_rows(self) -> bool {
        self == Self::Running
    }

    /// Whether a row that was held may be tried again.
    pub fn retries_rows(self) -> bool {
        self == Self::Running
    }

    /// Why it ends or ended before its time.
    pub fn end(self) -> Option<End> {
        match self {
            Self::Closing(end) | Self::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Whether nothing happens to it any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Ended(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: [End; 3] = [End::Cancelled, End::Expired, End::Replaced];

    fn states() -> Vec<Life> {
        use Life::*;
        let plain = [Draft, Checked, Approved, Holding, Running, Paused, Finished];
        plain.into_iter().chain(ENDS.map(Closing)).chain(ENDS.map(Ended)).collect()
    }

    fn steps() -> Vec<Step> {
        use Step::*;
        let plain = [Change, Check, Approve, Start, HoldOver, Pause, Resume, Settled];
        plain.into_iter().chain(ENDS.map(End)).collect()
    }

    #[test]
    fn what_can_still_send_can_be_stopped_and_stopping_twice_is_no_error() {
        for state in states().into_iter().filter(|state| *state != Life::Finished) {
            for end in ENDS {
                let stopped = state.after(Step::End(end)).expect("never refused");
                assert!(!stopped.begins_rows() && !stopped.retries_rows(), "{state:?}");
                assert_eq!(
                    stopped.after(Step::End(End::Cancelled)),
                    Ok(stopped),
                    "the first reason stays"
                );
            }
        }
    }

    #[test]
    fn nothing_starts_without_a_check_and_a_change_outdates_it() {
        for state in states() {
            if let Ok(Life::Holding) = state.after(Step::Start) {
                assert!(matches!(state, Life::Checked | Life::Approved));
            }
        }
        assert_eq!(Life::Approved.after(Step::Change), Ok(Life::Draft));
        assert_eq!(
            Life::Approved.after(Step::Check),
            Ok(Life::Checked),
            "approvals are of the old one"
        );
        assert!(
            Life::Draft.after(Step::Start).is_err() && Life::Draft.after(Step::Approve).is_err()
        );
    }

    #[test]
    fn what_is_over_stays_over() {
        for state in states().into_iter().filter(|state| state.is_over()) {
            for step in steps() {
                assert!(
                    state.after(step).is_err() || state.after(step) == Ok(state),
                    "{state:?} {step:?}"
                );
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_leads_to_an_end() {
        let (mut reached, mut last) = (vec![Life::Draft], 0);
        while last < reached.len() {
            let state = reached[last];
            let next = steps().into_iter().filter_map(|step| state.after(step).ok());
            for next in next.collect::<Vec<_>>() {
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
            last += 1;
        }
        assert_eq!(reached.len(), states().len());
        assert!(Life::Finished.after(Step::Pause).is_err());
    }
}
