//! Appending records to the active segment, and beginning the next one.

use std::time::Duration;

use super::body::Body;
use super::frame::{RecordKind, frame_octets, lag_of};
use super::limits::{
    BODY_OCTETS_MAX, FIRST_SEGMENT_WAIT_MS, HELD_FRAME_OCTETS, SPARE_WAIT_MS, STAGED_OCTETS_MAX,
    WARM_SPARES,
};
use super::log::{Journal, Position};
use super::record::{
    Accepted, CancelAccepted, Ended, Handed, Held, Key, Notified, Opened, Progress,
};
use super::segment::{Segment, SegmentHeader};
use crate::testing::kill_points::{KillPoint, kill_point};

/// Why a record was not appended. Nothing was written then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// What is free is reserved for finishing what was accepted (code 8003), or, for a record that
    /// draws on the reserve, nothing is free at all.
    #[error("the journal is full; raise --queue-bytes or let the waiting pushes drain")]
    Full,
    /// No spare segment is ready, or too much is staged: the device is slower than the records come
    /// (code 8002).
    #[error(
        "no journal segment is ready; the device of the data directory is too slow or too busy"
    )]
    NoSpare,
}

/// Octets of the Accepted record of a push of usual length.
const USUAL_PUSH_OCTETS: u64 = 512;

impl Journal {
    /// Appends an Accepted record and holds it: its segment stays until [`Self::release`].
    /// `accepted.push_id` must be [`Self::next_sequence`]. Never waits. Returns where it lies and
    /// its sequence.
    ///
    /// # Errors
    /// [`AppendError::Full`] when only the reserve is left, [`AppendError::NoSpare`] when the
    /// factory is behind.
    pub fn append_accepted(
        &mut self,
        accepted: &Accepted<'_>,
    ) -> Result<(Position, u64), AppendError> {
        assert_eq!(
            accepted.push_id, self.next_sequence,
            "a push is named by the sequence of its Accepted record"
        );
        let body = accepted.body();
        let frame = frame_octets(body.body_octets_max()) as u64;
        let needed = self.reserved_octets()
            + super::limits::RESERVE_OCTETS_PER_PUSH
            + self.handing_octets(1, u64::from(accepted.segments))
            + frame;
        if self.pool.octets_in_use() >= STAGED_OCTETS_MAX {
            return Err(AppendError::NoSpare);
        }
        if !self.has_present(needed) {
            self.order_spares(false);
            return Err(if self.free_octets() < needed {
                AppendError::Full
            } else {
                AppendError::NoSpare
            });
        }
        let (position, sequence, octets) = self.append(&body, Duration::ZERO)?;
        let segments = if self.config.hands_over { u64::from(accepted.segments) } else { 0 };
        self.note_held(octets, segments);
        Ok((position, sequence))
    }

    /// Whether so many octets can be appended whatever the device says from now on. Takes what the
    /// factory has ready before it says no.
    pub(super) fn has_present(&mut self, needed: u64) -> bool {
        if self.present_octets() < needed {
            self.take_spares(Duration::ZERO);
        }
        self.present_octets() >= needed
    }

    /// Whether budget and device leave room for one more push of usual length.
    pub fn has_room_for_a_push(&self) -> bool {
        let needed = super::limits::RESERVE_OCTETS_PER_PUSH + USUAL_PUSH_OCTETS;
        self.free_octets() >= self.reserved_octets() + needed
    }

    /// Appends a Progress record.
    ///
    /// # Errors
    /// As [`Self::append_ended`].
    pub fn append_progress(&mut self, progress: &Progress) -> Result<(Position, u64), AppendError> {
        self.append_reserved(progress)
    }

    /// Appends a Held record where there is room for it beside what is reserved for other records;
    /// `false` where there is none: cleaning has not given back yet what the holds before it took.
    /// Never waits.
    pub fn append_held(&mut self, held: &Held) -> bool {
        let reserved = self.reserved_octets() - HELD_FRAME_OCTETS * self.live_pushes;
        self.present_octets() >= reserved + HELD_FRAME_OCTETS
            && self.append(held, Duration::ZERO).is_ok()
    }

    /// Appends a Handed record.
    ///
    /// # Errors
    /// As [`Self::append_ended`].
    pub fn append_handed(&mut self, handed: &Handed<'_>) -> Result<(Position, u64), AppendError> {
        self.append_reserved(&handed.body())
    }

    /// Appends an Ended record. Draws on the reserve; where the active segment is full and no spare
    /// is ready, it waits for the factory, up to five seconds.
    ///
    /// # Errors
    /// Only when even the reserve is used up or the factory made nothing in that time: the engine
    /// cannot go on then.
    pub fn append_ended(&mut self, ended: &Ended) -> Result<(Position, u64), AppendError> {
        let outcome = self.append_reserved(ended)?;
        self.note_key(ended.ended_ms);
        Ok(outcome)
    }

    /// Appends a CancelAccepted record.
    ///
    /// # Errors
    /// As [`Self::append_ended`].
    pub fn append_cancel(
        &mut self,
        cancel: &CancelAccepted,
    ) -> Result<(Position, u64), AppendError> {
        let outcome = self.append_reserved(cancel)?;
        if cancel.is_of_alert() {
            // Like a key it matters for a day.
            self.note_key(cancel.at_ms());
        }
        Ok(outcome)
    }

    /// Appends the CancelAccepted record of a whole alert, for which nothing is reserved. Never
    /// waits.
    ///
    /// # Errors
    /// As [`Self::append_accepted`].
    pub fn append_alert_cancel(
        &mut self,
        cancel: &CancelAccepted,
    ) -> Result<(Position, u64), AppendError> {
        let needed = self.reserved_octets() + frame_octets(cancel.body_octets_max()) as u64;
        if !self.has_present(needed) {
            self.order_spares(false);
            return Err(if self.free_octets() < needed {
                AppendError::Full
            } else {
                AppendError::NoSpare
            });
        }
        let (position, sequence, _) = self.append(cancel, Duration::ZERO)?;
        self.note_key(cancel.at_ms());
        Ok((position, sequence))
    }

    /// Appends a Notified record.
    ///
    /// # Errors
    /// As [`Self::append_ended`].
    pub fn append_notified(&mut self, notified: &Notified) -> Result<(Position, u64), AppendError> {
        self.append_reserved(notified)
    }

    /// Appends the key of a finished push while its segment is being cleaned.
    ///
    /// # Errors
    /// As [`Self::append_ended`].
    pub fn append_key(&mut self, key: &Key) -> Result<(Position, u64), AppendError> {
        let outcome = self.append_reserved(key)?;
        self.note_key(key.ended_ms);
        Ok(outcome)
    }

    /// Waits until the device holds what is reserved for the live pushes, or has no room for it.
    ///
    /// To be called at a start, when the live pushes are [held](Self::hold). A queue that was moved
    /// into new journals has a reserve and no spares for it yet: until they were made, every push
    /// would be answered 8002.
    pub fn prepare_reserve(&mut self) {
        self.wait_for_spares(Duration::from_millis(FIRST_SEGMENT_WAIT_MS));
    }

    /// Waits until the reserve is on the device, up to `wait` for each of its segments: for tests
    /// and tools that append faster than a device takes files.
    pub fn wait_for_spares(&mut self, wait: Duration) {
        loop {
            self.order_up_to(1, WARM_SPARES);
            if self.ordered == 0 {
                return;
            }
            let Some(reply) = self.storage.collect(wait) else { return };
            let is_refused = reply.is_err();
            self.take_reply(reply);
            if is_refused {
                return;
            }
        }
    }

    /// Appends a record of another copy of this journal under the number that it had there: how a
    /// journal is made again from a replicated log. Where numbers are missing before it, they were
    /// given to nobody. Waits for the factory.
    ///
    /// # Errors
    /// As [`Self::append_ended`].
    ///
    /// # Panics
    /// When a record with that number, or a higher one, was appended before.
    pub fn append_as(
        &mut self,
        kind: RecordKind,
        number: u64,
        body: &[u8],
    ) -> Result<(), AppendError> {
        assert!(number >= self.next_sequence, "numbers ascend in every copy");
        if number > self.next_sequence {
            let (previous_end, without_syncs) = (self.next_sequence, self.config.without_syncs);
            let opened = Opened { previous_end, without_syncs };
            if !self.active().has_room_for(opened.body_octets_max()) {
                self.switch(spare_wait())?;
            }
            self.next_sequence = number - 1;
            self.append(&opened, spare_wait())?;
        }
        let write = |place: &mut [u8]| {
            place[..body.len()].copy_from_slice(body);
            body.len()
        };
        self.append_with(kind, body.len(), spare_wait(), write).map(drop)
    }

    pub(super) fn append_reserved<B: Body>(
        &mut self,
        record: &B,
    ) -> Result<(Position, u64), AppendError> {
        let (position, sequence, _) = self.append(record, spare_wait())?;
        Ok((position, sequence))
    }

    /// Appends one record: where it lies, its sequence, and the octets of its frame.
    pub(super) fn append<B: Body>(
        &mut self,
        record: &B,
        wait: Duration,
    ) -> Result<(Position, u64, usize), AppendError> {
        self.append_with(B::KIND, record.body_octets_max(), wait, |body| record.write(body))
    }

    /// As [`Self::append`], with the body written by `write`, which returns its octets.
    pub(super) fn append_with(
        &mut self,
        kind: RecordKind,
        body_octets_max: usize,
        wait: Duration,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(Position, u64, usize), AppendError> {
        assert!(
            body_octets_max <= BODY_OCTETS_MAX,
            "a record of {body_octets_max} octets is more than a push can be"
        );
        if !self.active().has_room_for(body_octets_max) {
            self.switch(wait)?;
        }
        let (sequence, durable) = (self.next_sequence, self.durable);
        let Some(active) = self.segments.back_mut() else {
            unreachable!("a journal always has an active segment")
        };
        let lag = lag_of(sequence, durable);
        let (offset, octets) = active.append_with(
            kind.number(),
            lag,
            sequence,
            body_octets_max,
            &mut self.pool,
            write,
        );
        let position = Position { segment: active.header.id, offset: offset as u32 };
        self.next_sequence = sequence + 1;
        Ok((position, sequence, octets))
    }

    /// Makes the next spare the active segment.
    pub(super) fn switch(&mut self, wait: Duration) -> Result<(), AppendError> {
        if self.spares.is_empty() {
            self.take_spares(Duration::ZERO);
            self.order_spares(!wait.is_zero());
        }
        if self.spares.is_empty() && self.are_spares_coming() {
            self.take_spares(wait);
        }
        if self.spares.is_empty() && !wait.is_zero() {
            // Orders from before a file went back to the factory failed on a full device. Another
            // one gets that file.
            self.order_spares(true);
            self.take_spares(wait);
        }
        let Some(spare) = self.spares.pop_front() else {
            let possible = self.are_spares_coming() || self.trouble.is_some();
            return Err(if possible { AppendError::NoSpare } else { AppendError::Full });
        };
        kill_point(KillPoint::SwitchBefore);
        self.begin_segment(spare, self.next_sequence);
        kill_point(KillPoint::SwitchAfter);
        self.order_spares(false);
        self.warm_spares(false);
        self.tell_urgency();
        Ok(())
    }

    pub(super) fn begin_segment(&mut self, spare: super::storage::Prepared, previous_end: u64) {
        if let Some(full) = self.segments.back_mut() {
            full.stage.note_written(0, false, &mut self.pool);
        }
        let header = SegmentHeader {
            shard: self.config.shard,
            id: spare.id,
            octets: spare.memory.length() as u32,
            epoch: random_epoch(),
            first_sequence: self.next_sequence,
            previous_end,
            sequence_floor: 0,
        };
        self.segments.push_back(Segment::begin(header, spare.memory, spare.file, &mut self.pool));
    }

    pub(super) fn note_held(&mut self, octets: usize, segments: u64) {
        self.active().live_octets += octets as u64;
        self.live_octets += octets as u64;
        self.live_pushes += 1;
        self.live_segments += segments;
    }

    fn note_key(&mut self, ended_ms: u64) {
        let active = self.active();
        active.keys += 1;
        active.keys_ended_ms_max = active.keys_ended_ms_max.max(ended_ms);
    }
}

pub(super) fn spare_wait() -> Duration {
    Duration::from_millis(SPARE_WAIT_MS)
}

/// A number that nobody outside can guess, from the keys that the system gives to every process.
fn random_epoch() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish() as u32
}

/// The record at a place of another journal, as it stands there.
struct Transplanted<'a> {
    kind: RecordKind,
    body: &'a [u8],
}

impl Journal {
    /// Appends the record at `position` to `target` as it is, under a sequence of its own there:
    /// how a directory is laid out for another number of shards. `target` does not hold it.
    ///
    /// # Errors
    /// As [`Self::append_ended`].
    ///
    /// # Panics
    /// When no intact record begins there.
    pub fn copy_to(&self, position: Position, target: &mut Self) -> Result<(), AppendError> {
        let frame = self
            .segment_index(position.segment)
            .and_then(|index| self.segments[index].frame(position.offset as usize))
            .and_then(|(header, body)| {
                Some(Transplanted { kind: RecordKind::from_number(header.kind)?, body })
            });
        let Some(Transplanted { kind, body }) = frame else { panic!("{}", self.damaged(position)) };
        target
            .append_with(kind, body.len(), spare_wait(), |place| {
                place.copy_from_slice(body);
                body.len()
            })
            .map(drop)
    }
}
