//! Giving space back: which segment to clean, walking its records, retiring it.
//!
//! The order for the caller, in as many steps as it likes, appending in between:
//! 1. [`Journal::cleaning_candidate`] names the oldest segment when cleaning it is worth it.
//! 2. With [`Journal::cursor`] and [`Journal::step`] it walks the segment's records. An Accepted
//!    record whose push is held *at this position* is moved forward, and what has become of it
//!    behind it ([`Journal::move_forward`]). Of a push that is not held any more, a record that
//!    says that it ended ([`Record::key`]) is appended again as a Key until its 24 hours are over.
//!    All else is dead: of a push that is held, what the other records said stands behind the copy.
//! 3. [`Journal::cleaned`] says that the walk is done. Everything in the segment that was to be
//!    kept elsewhere (the billing events of its records) must be durable by then.
//! 4. [`Journal::retire_cleaned`], called after each commit, gives the segment back once what was
//!    moved is durable.
//!
//! Only the oldest segment is ever cleaned. That keeps every reader right: a push's Accepted record
//! never outlives, on disk, the record of its end.

use std::time::Duration;

use super::factory::segment_name;
use super::frame::{RecordKind, frame_octets};
use super::limits::{
    HEADER_PAGE_OCTETS, HELD_FRAME_OCTETS, KEY_KEEP_MS, RESERVE_SEGMENTS, STAGED_OCTETS_MAX,
};
use super::log::{Journal, Position, SegmentId};
use super::record::{ArchivedKey, ArchivedProgress, Cleaned, Record};
use super::recovery::find_frame;
use super::segment::Segment;
use crate::testing::kill_points::{KillPoint, kill_point};
use wire::terms::time::WallMs;

/// How far a journal reached at some moment, in octets since its first segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Reach(u64);

/// A place in the walk through a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    segment: u32,
    offset: usize,
}

impl Journal {
    /// The push at `position` is finished and its client told: its record is needed no more.
    ///
    /// # Panics
    /// When nothing is held in that segment: a push was released twice.
    pub fn release(&mut self, position: Position) {
        let segments = self.segments_at(position);
        let Some(index) = self.segment_index(position.segment) else {
            panic!("released a record of segment {}, which is retired", position.segment);
        };
        let segment = &mut self.segments[index];
        let Some(octets) = segment.frame_octets_at(position.offset as usize) else {
            self.panic_of_damage(position)
        };
        let octets = octets as u64;
        assert!(
            segment.live_octets >= octets,
            "a push was released twice in segment {}",
            position.segment
        );
        segment.live_octets -= octets;
        self.live_octets -= octets;
        self.live_pushes -= 1;
        // Of pushes from before there were carriers more may have been counted, and never less.
        self.live_segments =
            if self.live_pushes == 0 { 0 } else { self.live_segments.saturating_sub(segments) };
    }

    /// After opening: the push at `position` lives. (Appending holds by itself.)
    pub fn hold(&mut self, position: Position) {
        let Some(index) = self.segment_index(position.segment) else {
            self.panic_of_damage(position)
        };
        let segments = self.segments_at(position);
        let segment = &mut self.segments[index];
        let Some(octets) = segment.frame_octets_at(position.offset as usize) else {
            self.panic_of_damage(position)
        };
        let octets = octets as u64;
        segment.live_octets += octets;
        // It was to be given back, yet the copy that was moved forward is lost: it must be
        // walked again.
        segment.cleaned = None;
        self.live_octets += octets;
        self.live_pushes += 1;
        self.live_segments += segments;
    }

    /// The oldest segment, when cleaning it is worth while: nothing in it is needed; or twice of
    /// what is needed is about to have been filled; or space is short and there is dead matter to
    /// gain.
    ///
    /// The files of the segments in use are to take no more than twice what is needed plus two
    /// segments. On top of what is filled come the rest of the active one, a copy of the oldest
    /// where all of it is needed, and what is appended until that copy is durable and the oldest
    /// may go: cleaning begins two segments early. Where little is needed it begins at one and a
    /// half times that: cleaning, which leaves what is needed, must not be a reason to clean again.
    pub fn cleaning_candidate(&self, now_ms: WallMs) -> Option<SegmentId> {
        let oldest = self
            .segments
            .front()
            .filter(|oldest| self.segments.len() > 1 && oldest.cleaned.is_none())?;
        let id = SegmentId(oldest.header.id);
        if self.needed_octets_in(0, now_ms) == 0 {
            return Some(id);
        }
        if self.are_spares_coming() && !self.has_room_to_move(self.needed_octets_in(0, now_ms)) {
            // What was retired before is not back yet: cleaning must not use up what a crash now
            // would leave.
            return None;
        }
        let needed = self.needed_octets(now_ms);
        let slack = RESERVE_SEGMENTS * u64::from(self.config.segment_octets);
        // Before the classes that matter less are refused for what is dead.
        let early_room = slack.max(self.room_octets() / 10);
        let short = self.free_octets() < self.reserved_octets() + early_room;
        let early = slack.min(needed / 2);
        let wasteful = self.filled_octets() + early > 2 * needed;
        (wasteful || short && self.used_octets() > needed + slack).then_some(id)
    }

    /// Whether what is on the device takes records of so many octets again, each push's with its
    /// hold, and after that the first record of a start and what is left over where one segment
    /// ends. What the live pushes were promised is not counted: where a crash comes before the
    /// factory has put the retired files aside, the next start finds those as they were, and has no
    /// room but what is left here. Trails are counted as half of the octets. The longest one, of a
    /// cancelled push that has ended with both notifications parked, takes 304 octets, so that more
    /// of those than are usual draw on what is reserved for their pushes.
    fn has_room_to_move(&self, octets: u64) -> bool {
        let with_trails = octets + octets / 2;
        let left_over = self.config.frames_octets() / 8;
        !self.spares.is_empty()
            && self.present_octets() >= self.promised_octets() + with_trails + left_over
    }

    /// Octets of the segments in use up to where the next record goes.
    fn filled_octets(&self) -> u64 {
        let beyond =
            self.segments.back().map_or(0, |active| active.header.octets as usize - active.tail);
        self.used_octets() - beyond as u64
    }

    /// Whether an eighth of a segment or more was appended since the journal reached as far as
    /// `reach`.
    pub fn has_grown_since(&self, reach: Reach) -> bool {
        self.reach().0.saturating_sub(reach.0) >= u64::from(self.config.segment_octets) / 8
    }

    /// How far the journal reaches.
    pub fn reach(&self) -> Reach {
        let active = self.segments.back();
        let filled = |active: &Segment| {
            u64::from(active.header.id) * u64::from(self.config.segment_octets) + active.tail as u64
        };
        Reach(active.map_or(0, filled))
    }

    /// Octets up to where the next record goes, of all segments that there ever were.
    pub(super) fn reached_octets(&self) -> u64 {
        self.reach().0
    }

    /// The beginning of a segment's records.
    pub fn cursor(&self, segment: SegmentId) -> Cursor {
        Cursor { segment: segment.0, offset: HEADER_PAGE_OCTETS }
    }

    /// The next intact record of a push behind `cursor`: where it lies and what it is; `None` at
    /// the segment's end. Damaged places, and records about the journal itself, are stepped over.
    pub fn step(&self, cursor: &mut Cursor) -> Option<(Position, RecordKind)> {
        self.step_to(cursor).map(|(position, kind, _)| (position, kind))
    }

    /// As [`Self::step`], with the record itself, which is checked once; `None` of one that says
    /// nothing that this version reads.
    pub fn step_record(&self, cursor: &mut Cursor) -> Option<(Position, Option<Record<'_>>)> {
        let (position, kind, body) = self.step_to(cursor)?;
        Some((position, Record::read(kind, body)))
    }

    fn step_to(&self, cursor: &mut Cursor) -> Option<(Position, RecordKind, &[u8])> {
        let segment = &self.segments[self.segment_index(cursor.segment)?];
        while cursor.offset < segment.tail {
            if let Some((header, body)) = segment.frame(cursor.offset) {
                let position = Position { segment: cursor.segment, offset: cursor.offset as u32 };
                cursor.offset += frame_octets(body.len());
                match RecordKind::from_number(header.kind) {
                    None | Some(RecordKind::Opened | RecordKind::Cleaned) => continue,
                    Some(kind) => return Some((position, kind, body)),
                }
            }
            let written = segment.octets_in_file();
            let from = cursor.offset + 16;
            let found =
                (from < written.len()).then(|| find_frame(written, from, &segment.owner(), 0));
            cursor.offset = found.flatten().map_or_else(|| written.len().max(from), |(at, _)| at);
        }
        None
    }

    /// A place from which [`Self::step_on`] meets every record of `sequence` and those behind it,
    /// and maybe some before.
    pub fn cursor_before(&self, sequence: u64) -> Cursor {
        let begun =
            self.segments.partition_point(|segment| segment.header.first_sequence <= sequence);
        let id = self.segments.get(begun.saturating_sub(1)).map_or(0, |segment| segment.header.id);
        self.cursor(SegmentId(id))
    }

    /// As [`Self::step`], on into the segments that follow; `None` behind the last record of all,
    /// from where it goes on when more was appended.
    pub fn step_on(&self, cursor: &mut Cursor) -> Option<(Position, RecordKind)> {
        loop {
            if let Some(found) = self.step(cursor) {
                return Some(found);
            }
            let behind =
                self.segments.partition_point(|segment| segment.header.id <= cursor.segment);
            *cursor = self.cursor(SegmentId(self.segments.get(behind)?.header.id));
        }
    }

    /// Hands every intact record of a push in `segment` to `view`: its place, its sequence, and
    /// itself.
    pub fn visit(&self, segment: SegmentId, view: &mut dyn FnMut(Position, u64, Record<'_>)) {
        let mut cursor = self.cursor(segment);
        while let Some((position, _)) = self.step(&mut cursor) {
            if let Ok((sequence, record)) = self.read(position) {
                view(position, sequence, record);
            }
        }
    }

    /// Everything in the oldest segment that is still needed has been appended again. Says so in
    /// the journal, too: should a crash leave the file where it is, the next start gives it back
    /// without walking it again.
    ///
    /// # Panics
    /// When it is not the oldest one, or a push is still held in it: retiring it would lose that
    /// push.
    pub fn cleaned(&mut self, segment: SegmentId) {
        let is_oldest = self.segments.len() > 1;
        let oldest =
            self.segments.front().filter(|oldest| is_oldest && oldest.header.id == segment.0);
        let Some(oldest) = oldest else { panic!("segment {} is not the oldest one", segment.0) };
        assert_eq!(
            oldest.live_octets, 0,
            "segment {} still holds records of live pushes",
            segment.0
        );
        if oldest.noted_octets > 0 {
            // Whoever walked it met fewer records of broadcasts than were written to it.
            tracing::error!(
                shard = self.config.shard,
                segment = segment.0,
                octets = oldest.noted_octets,
                "records of broadcasts cannot be read any more while their segment is cleaned: the \
                 device has damaged them, and rows whose outcomes they held count as in doubt at \
                 the next start"
            );
        }
        kill_point(KillPoint::CleanWalked);
        // Where there is no room for it the next start walks the segment again.
        let _ = self.append(&Cleaned { segment: segment.0 }, Duration::ZERO);
        kill_point(KillPoint::CleanDone);
        let next_sequence = self.next_sequence;
        if let Some(oldest) = self.segments.front_mut() {
            oldest.cleaned = Some(next_sequence);
        }
    }

    /// Gives the oldest segment back if it was cleaned, what was moved forward is durable, and no
    /// commit under way writes to its file. Never waits.
    pub fn retire_cleaned(&mut self) -> Option<SegmentId> {
        let oldest = self.segments.front()?;
        let moved_until = oldest.cleaned?;
        let reached = if self.config.without_syncs { self.written } else { self.durable };
        if self.committing || reached < moved_until || self.segments.len() < 2 {
            return None;
        }
        let retired = self.segments.pop_front()?;
        let id = SegmentId(retired.header.id);
        self.storage.retire(retired);
        kill_point(KillPoint::CleanRetired);
        self.order_spares(true);
        Some(id)
    }

    /// To be called at a start, when the live pushes are [held](Self::hold): gives back the oldest
    /// segments that a run before had cleaned and whose files a crash left where they were. What
    /// the factory was told to do by and by is done here and now. Otherwise each of many crashes in
    /// a row would leave them once more, and what a start and cleaning append beside them would use
    /// the reserve up.
    pub fn give_back_cleaned(&mut self) {
        let reached = if self.config.without_syncs { self.written } else { self.durable };
        while self.segments.len() > 1
            && let Some(oldest) = self.segments.front()
            && oldest.cleaned.is_some_and(|moved_until| moved_until <= reached)
            && let Some(cleaned) = self.segments.pop_front()
        {
            let id = cleaned.header.id;
            if let Err(error) = self.storage.discard(cleaned) {
                let file = self.directory.join(segment_name(id));
                tracing::warn!(
                    file = %file.display(),
                    %error,
                    "a cleaned journal segment could not be put aside; the next start tries again"
                );
                return;
            }
            kill_point(KillPoint::CleanRetired);
        }
    }

    /// Whether so much is taken of what pushes may take: all but the reserve. What cleaning gains,
    /// `dead`, counts as free as long as half of what is to be kept is free by itself.
    pub fn is_filled_to(&self, percent: u64, dead: impl FnOnce() -> u64) -> bool {
        let free = self.free_octets().saturating_sub(self.reserved_octets());
        let kept = self.room_octets() * (100 - percent);
        free * 100 < kept && (free * 200 < kept || (free + dead()) * 100 < kept)
    }

    /// Octets that records of pushes may take: all but the reserve of segments.
    fn room_octets(&self) -> u64 {
        let segments = self.config.segments_max().saturating_sub(RESERVE_SEGMENTS);
        segments * self.config.frames_octets()
    }

    /// Octets that cleaning would give back of those that are filled.
    pub fn dead_octets(&self, now_ms: WallMs) -> u64 {
        self.filled_octets().saturating_sub(self.needed_octets(now_ms))
    }

    /// Whether so much waits to be written of what may wait.
    pub fn is_staged_to(&self, percent: u64) -> bool {
        self.pool.octets_in_use() * 100 >= STAGED_OCTETS_MAX * percent
    }

    /// Octets that would be left if all segments were cleaned now: records of live pushes, keys
    /// that are not forgotten yet.
    pub fn needed_octets(&self, now_ms: WallMs) -> u64 {
        let in_segments: u64 =
            (0..self.segments.len()).map(|index| self.needed_octets_in(index, now_ms)).sum();
        // How far a push has come is needed too, though no segment counts it.
        in_segments + self.live_pushes * HELD_FRAME_OCTETS
    }

    /// Octets in the segment at `index` that cleaning it would have to append again.
    fn needed_octets_in(&self, index: usize, now_ms: WallMs) -> u64 {
        let segment = &self.segments[index];
        let keys_count =
            segment.keys > 0 && now_ms.ms() < segment.keys_ended_ms_max.saturating_add(KEY_KEEP_MS);
        let keys = if keys_count { u64::from(segment.keys) * KEY_FRAME_OCTETS } else { 0 };
        segment.live_octets + keys + segment.noted_octets
    }
}

const KEY_FRAME_OCTETS: u64 = frame_octets(size_of::<ArchivedKey>()) as u64;
const _: () = assert!(
    frame_octets(size_of::<ArchivedProgress>()) as u64 <= HELD_FRAME_OCTETS,
    "a push's progress takes no more than its hold"
);
