//! Moving a live push out of the segment that is being cleaned.
//!
//! Its Accepted record is appended again as it stands, and behind it what has become of the push:
//! its trail, in the order in which those records were appended first. These are records of their
//! own, so the end of a run may part them. That harms nothing, because the segment goes only when
//! all of it is durable: until then a start finds the push where it was. A start keeps to two rules
//! (`smsc::recovery`, and the model in `tests`):
//! * while an earlier Accepted record of a push stands, a copy counts once a record that is not of
//!   this push follows in the next sequence: its trail is whole then, and the push stands there. So
//!   cleaning goes on where the end of a run broke it off. One such record does not make it count:
//!   one that was copied from another layout;
//! * a copy that comes after the push's Ended record, and is followed by no other, is of a push
//!   that has ended.
//!
//! Never does: deciding which push lives, or what has become of it.

use super::append::{AppendError, spare_wait};
use super::frame::RecordKind;
use super::log::{DamagedRecord, Journal, Position};
use super::record::{CancelAccepted, Ended, Held, Notified, Progress};
use crate::testing::kill_points::{KillPoint, kill_point};

/// What has become of a push since it was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trail {
    /// A cancellation was accepted.
    pub cancel: Option<CancelAccepted>,
    /// How far it has come.
    pub reached: Reached,
}

/// How far a push has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// Nothing is to be said of it.
    Acceptance,
    /// It was attempted, or an attempt may be under way.
    Attempt(Progress),
    /// It was held. Where it is not held any more, `next_ms` is 0: no clock that was set back makes
    /// it seem to wait.
    Hold(Held),
    /// It ended; these of its notifications are parked.
    End(Ended, [Option<Notified>; 2]),
}

/// Where a push stands that was moved forward.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Its Accepted record.
    pub position: Position,
    /// The sequence of its Ended record, if it has ended.
    pub ended: Option<u64>,
}

impl Journal {
    /// Appends the Accepted record at `position` again, as it is, and its trail behind it; releases
    /// the old place and holds the new one.
    ///
    /// # Errors
    /// `Ok(Err(_))` when the record cannot be read; `Err(_)` as [`Self::append_ended`].
    pub fn move_forward(
        &mut self,
        position: Position,
        trail: &Trail,
    ) -> Result<Result<Moved, DamagedRecord>, AppendError> {
        let mut copy = std::mem::take(&mut self.scratch);
        let read = self.accepted_body(position).map(|body| {
            copy.octets_mut()[..body.len()].copy_from_slice(body);
            body.len()
        });
        let appended = read.map(|octets| {
            self.append_with(RecordKind::Accepted, octets, spare_wait(), |place| {
                place.copy_from_slice(&copy.octets()[..octets]);
                octets
            })
        });
        self.scratch = copy;
        let (moved, _, octets) = match appended {
            Ok(appended) => appended?,
            Err(damaged) => return Ok(Err(damaged)),
        };
        let segments = self.segments_at(position);
        self.note_held(octets, segments);
        self.release(position);
        kill_point(KillPoint::CleanMoved);
        Ok(Ok(Moved { position: moved, ended: self.append_trail(trail)? }))
    }

    /// Appends the records of a trail; the sequence of the Ended record, if there is one.
    fn append_trail(&mut self, trail: &Trail) -> Result<Option<u64>, AppendError> {
        if let Some(cancel) = &trail.cancel {
            self.append_cancel(cancel)?;
        }
        match &trail.reached {
            Reached::Acceptance => {}
            Reached::Attempt(progress) => drop(self.append_progress(progress)?),
            // It takes the place of one that cleaning gives back.
            Reached::Hold(held) => drop(self.append_reserved(held)?),
            Reached::End(end, parked) => {
                let (_, sequence) = self.append_ended(end)?;
                for notified in parked.iter().flatten() {
                    self.append_notified(notified)?;
                }
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }
}
