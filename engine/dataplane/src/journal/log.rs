//! The journal's state, reading by position, and its figures.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use super::factory::segment_name;
use super::frame::RecordKind;
use super::limits::{
    HANDING_OCTETS_PER_PUSH, HANDING_OCTETS_PER_SEGMENT, HEADER_PAGE_OCTETS, ORDERED_MAX, QUIET_MS,
    RESERVE_OCTETS_PER_PUSH, RESERVE_SEGMENTS, SEGMENT_OCTETS_DEFAULT, SEGMENTS_PER_PUSH_MAX,
    SPARE_RETRY_MS, SPARES_AHEAD, WARM_SPARES, WARM_SPARES_UNDER_LOAD,
};
use super::memory::Memory;
pub use super::position::{DamagedRecord, Position, SegmentId};
use super::record::{Accepted, ArchivedAccepted, Record};
use super::segment::Segment;
use super::stage::ChunkPool;
use super::storage::{FactoryError, Prepared, Storage};
use wire::terms::time::EvenMs;

/// What a journal is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalConfig {
    /// Octets of a segment, a multiple of 4096 between [`super::SEGMENT_OCTETS_MIN`] and
    /// [`super::SEGMENT_OCTETS_MAX`].
    pub segment_octets: u32,
    /// Octets that this shard's segments may take in all, spares included; at least
    /// [`super::BUDGET_SEGMENTS_MIN`] segments.
    pub budget_octets: u64,
    /// The shard.
    pub shard: u16,
    /// For an engine that runs without syncs: cleaned segments are retired as soon as what was
    /// moved forward is appended, and the loss of power may lose pushes.
    pub without_syncs: bool,
    /// No sequence below this is given from now on: those of other shards' journals lie elsewhere.
    pub first_sequence: u64,
    /// Carriers take pushes: room is kept to write down what they take.
    pub hands_over: bool,
}

impl JournalConfig {
    /// Segments of the default size within `budget_octets`.
    pub fn new(shard: u16, budget_octets: u64) -> Self {
        Self {
            segment_octets: SEGMENT_OCTETS_DEFAULT,
            budget_octets,
            shard,
            without_syncs: false,
            first_sequence: 1,
            hands_over: false,
        }
    }

    pub(super) fn segments_max(&self) -> u64 {
        self.budget_octets / u64::from(self.segment_octets)
    }

    /// Octets that frames can take in one segment.
    pub(super) fn frames_octets(&self) -> u64 {
        u64::from(self.segment_octets) - HEADER_PAGE_OCTETS as u64
    }
}

/// One shard's journal. See the room's head for the rules.
pub struct Journal {
    pub(super) config: JournalConfig,
    pub(super) directory: PathBuf,
    pub(super) storage: Box<dyn Storage>,
    /// In use, oldest first; the last one is the active one. Never empty.
    pub(super) segments: VecDeque<Segment>,
    /// Ready for use, in the order of their numbers.
    pub(super) spares: VecDeque<Prepared>,
    /// Spares ordered and not yet here.
    pub(super) ordered: usize,
    /// The spare that the factory has back, to bring its pages into memory.
    pub(super) lent: Option<u32>,
    pub(super) next_segment: u32,
    pub(super) trouble: Option<FactoryError>,
    pub(super) retry_at_ms: EvenMs,
    /// Others lack room on the device: nothing is ordered that is not reserved.
    pub(super) makes_room: bool,

    /// What was appended when it was last looked, and since when nothing was, in milliseconds.
    pub(super) quiet_since: (u64, EvenMs),

    pub(super) next_sequence: u64,
    /// Where the records of earlier runs end.
    pub(super) previous_end: u64,
    /// Every sequence below is written to the files.
    pub(super) written: u64,
    /// Every sequence below is durable.
    pub(super) durable: u64,
    /// Every sequence below was covered by a commit that has begun.
    pub(super) begun: u64,
    pub(super) committing: bool,
    /// The oldest segment that may have records which no begun commit covers.
    pub(super) dirty_from: u32,

    pub(super) live_pushes: u64,
    /// Their segments, where carriers take pushes.
    pub(super) live_segments: u64,
    pub(super) live_octets: u64,
    /// What is kept for rows of broadcasts that were claimed.
    pub(super) row_octets: u64,
    /// Room for one body, aligned as a segment is.
    pub(super) scratch: Memory,
    /// Where the segments' stages get their memory from.
    pub(super) pool: ChunkPool,
}

/// How full a journal is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalFigures {
    /// Segments in use, the active one included.
    pub segments: u64,
    /// Segments ready for use.
    pub spares: u64,
    /// Octets of the files in use.
    pub used_octets: u64,
    /// Octets up to where the next record goes, of all segments that there ever were.
    pub reached_octets: u64,
    /// Octets of the records of pushes that live.
    pub live_octets: u64,
    /// Pushes that live: accepted or held, and not released.
    pub live_pushes: u64,
    /// Octets that can still be appended within the budget and the device.
    pub free_octets: u64,
    /// Octets of those that are reserved for finishing what was accepted.
    pub reserved_octets: u64,
    /// The sequence that the next record gets.
    pub next_sequence: u64,
    /// Every sequence below is durable.
    pub durable: u64,
    /// Why no spare segment could be made lately.
    pub trouble: Option<FactoryError>,
}

impl Journal {
    /// The sequence that the next record gets; a push's id is the sequence of its Accepted record.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The first sequence that this layout's journal gives.
    pub fn first_sequence(&self) -> u64 {
        self.config.first_sequence
    }

    /// No record below this sequence is in the journal any more.
    pub fn kept_from(&self) -> u64 {
        self.segments.front().map_or(0, |oldest| oldest.header.first_sequence)
    }

    /// Every sequence below this has been appended.
    pub fn appended(&self) -> u64 {
        self.next_sequence
    }

    /// Every sequence below this is covered by a commit that has begun.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Every sequence below this is written to its file: it survives the death of the process.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Every sequence below this is on the device: it survives the loss of power.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The Accepted record at `position`, where recovery or appending left one. Its checksums are
    /// checked again where it is read from the file: the device may have been asked for the page
    /// since.
    ///
    /// # Panics
    /// When the record is damaged or no Accepted record begins there: then memory or disk are not
    /// to be trusted, and the message names file and offset. [`Self::try_accepted`] returns that
    /// instead.
    #[inline(always)]
    pub fn accepted(&self, position: Position) -> Accepted<'_> {
        match Accepted::read(self.known_body(position)) {
            Some(accepted) => accepted,
            None => self.panic_of_damage(position),
        }
    }

    fn known_body(&self, position: Position) -> &[u8] {
        let body = self
            .segment_of(position.segment)
            .and_then(|segment| segment.known_body(RecordKind::Accepted, position.offset as usize));
        body.unwrap_or_else(|| self.panic_of_damage(position))
    }

    #[cold]
    pub(super) fn panic_of_damage(&self, position: Position) -> ! {
        panic!("{}", self.damaged(position))
    }

    /// The Accepted record at `position`, checked as if nothing were known of it.
    ///
    /// # Errors
    /// [`DamagedRecord`] when no intact Accepted record begins there.
    pub fn try_accepted(&self, position: Position) -> Result<&ArchivedAccepted<'_>, DamagedRecord> {
        match self.read(position)? {
            (_, Record::Accepted(accepted)) => Ok(accepted),
            _ => Err(self.damaged(position)),
        }
    }

    /// The record at `position` and its sequence.
    ///
    /// # Errors
    /// [`DamagedRecord`] when no intact record begins there.
    pub fn read(&self, position: Position) -> Result<(u64, Record<'_>), DamagedRecord> {
        self.segment_index(position.segment)
            .and_then(|index| self.segments[index].frame(position.offset as usize))
            .and_then(|(header, body)| {
                Some((header.sequence, Record::read(RecordKind::from_number(header.kind)?, body)?))
            })
            .ok_or_else(|| self.damaged(position))
    }

    /// The body of the Accepted record at `position`.
    pub(super) fn accepted_body(&self, position: Position) -> Result<&[u8], DamagedRecord> {
        self.segment_index(position.segment)
            .and_then(|index| self.segments[index].frame(position.offset as usize))
            .filter(|(header, body)| {
                RecordKind::from_number(header.kind) == Some(RecordKind::Accepted)
                    && Record::read(RecordKind::Accepted, body).is_some()
            })
            .map(|(_, body)| body)
            .ok_or_else(|| self.damaged(position))
    }

    /// To be called about every millisecond: takes spares from the factory and orders new ones.
    /// Never waits. What can wait for a moment in which nothing is appended does: a device that
    /// fills files keeps commits waiting.
    pub fn poll(&mut self, now_ms: EvenMs) {
        self.take_spares(Duration::ZERO);
        if self.quiet_since.0 != self.next_sequence {
            self.quiet_since = (self.next_sequence, now_ms);
        }
        if let Some(trouble) = &self.trouble
            && self.retry_at_ms == EvenMs::ZERO
        {
            tracing::warn!(
                %trouble,
                "the journal cannot grow; once what it has is used, new pushes are refused until \
                 it can"
            );
            self.retry_at_ms = now_ms + SPARE_RETRY_MS;
        }
        if self.trouble.is_some() && now_ms >= self.retry_at_ms {
            self.retry_at_ms = now_ms + SPARE_RETRY_MS;
            self.order_spares(true);
            self.probe_device();
        } else {
            self.order_spares(false);
        }
        let quiet = self.trouble.is_none() && self.is_quiet(now_ms);
        if quiet {
            self.order_up_to(SPARES_AHEAD, WARM_SPARES);
        }
        self.warm_spares(quiet);
        self.tell_urgency();
    }

    /// Orders one spare more than is wanted, where nothing else would tell that the device has room
    /// again: pushes of which some room is kept from are refused long before the spares that are
    /// there are used up.
    fn probe_device(&mut self) {
        let coming = self.spares_present() + self.ordered;
        if self.makes_room {
            return;
        }
        if self.ordered == 0 && ((self.segments.len() + coming) as u64) < self.config.segments_max()
        {
            self.storage.order(self.next_segment, self.config.segment_octets, false);
            self.next_segment += 1;
            self.ordered += 1;
        }
    }

    /// Something else lacks room on the device, without which the oldest segments cannot go: a
    /// spare beyond what is reserved is given back, and no more are ordered than are reserved until
    /// [`Self::take_room`]. Never waits.
    pub fn make_room(&mut self) {
        self.makes_room = true;
        let kept = self.reserved_octets() + self.config.frames_octets();
        let spare = (self.present_octets() >= kept).then(|| self.spares.pop_back()).flatten();
        if let Some(spare) = &spare {
            tracing::warn!(
                shard = self.config.shard,
                segment = spare.id,
                "a spare journal segment gives its room on the full device to the billing log"
            );
        }
        self.storage.make_room(spare);
    }

    /// Nothing else lacks room: spares are ordered as usual.
    pub fn take_room(&mut self) {
        self.makes_room = false;
    }

    /// Spares on order come at once where what is left would not last until they come by and by.
    pub(super) fn tell_urgency(&mut self) {
        let enough = self.reserved_octets() + self.config.frames_octets() / 2;
        let is_short = self.spares.is_empty() || self.present_octets() < enough;
        self.storage.set_urgent(is_short && (self.ordered > 0 || self.lent.is_some()));
    }

    /// Spares that are on the device: in hand, or back with the factory for a moment.
    pub(super) fn spares_present(&self) -> usize {
        self.spares.len() + usize::from(self.lent.is_some())
    }

    /// Whether nothing was appended for some time: a moment for what can wait.
    pub fn is_quiet(&self, now_ms: EvenMs) -> bool {
        self.quiet_since.0 == self.next_sequence && now_ms.since(self.quiet_since.1) >= QUIET_MS
    }

    /// How full the journal is.
    pub fn figures(&self) -> JournalFigures {
        JournalFigures {
            segments: self.segments.len() as u64,
            spares: self.spares_present() as u64,
            used_octets: self.used_octets(),
            reached_octets: self.reached_octets(),
            live_octets: self.live_octets,
            live_pushes: self.live_pushes,
            free_octets: self.free_octets(),
            reserved_octets: self.reserved_octets(),
            next_sequence: self.next_sequence,
            durable: self.durable,
            trouble: self.trouble.clone(),
        }
    }

    pub(super) fn used_octets(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.header.octets)).sum()
    }

    /// Octets that can still be appended: the rest of the active segment, the spares, and the
    /// segments that budget and device still allow.
    pub(super) fn free_octets(&self) -> u64 {
        let present = (self.segments.len() + self.spares_present()) as u64;
        let possible = if self.trouble.is_some() {
            0
        } else {
            self.config.segments_max().saturating_sub(present)
        };
        let active = self.segments.back().map_or(0, Segment::room) as u64;
        active + (self.spares_present() as u64 + possible) * self.config.frames_octets()
    }

    /// Octets that can be appended whatever the device says from now on: the rest of the active
    /// segment, and the spares.
    pub(super) fn present_octets(&self) -> u64 {
        let active = self.segments.back().map_or(0, Segment::room) as u64;
        active + self.spares_present() as u64 * self.config.frames_octets()
    }

    pub(super) fn reserved_octets(&self) -> u64 {
        RESERVE_SEGMENTS * self.config.frames_octets() + self.promised_octets()
    }

    /// Octets of those that the live pushes may still take until each of them has left. The others
    /// are there for cleaning.
    pub(super) fn promised_octets(&self) -> u64 {
        RESERVE_OCTETS_PER_PUSH * self.live_pushes
            + self.handing_octets(self.live_pushes, self.live_segments)
            + self.row_octets
    }

    /// Octets that are kept to write down what carriers take of so many pushes and segments.
    pub(super) fn handing_octets(&self, pushes: u64, segments: u64) -> u64 {
        if !self.config.hands_over {
            return 0;
        }
        HANDING_OCTETS_PER_PUSH * pushes + HANDING_OCTETS_PER_SEGMENT * segments
    }

    /// Segments of the push whose Accepted record begins there, where they count.
    pub(super) fn segments_at(&self, position: Position) -> u64 {
        if self.config.hands_over { u64::from(self.accepted(position).segments) } else { 0 }
    }

    /// There are carriers from now on. Nobody has counted the segments of the pushes there are: as
    /// if each had as many as one can have.
    pub fn begin_handing_over(&mut self) {
        if !self.config.hands_over {
            self.config.hands_over = true;
            self.live_segments = self.live_pushes * SEGMENTS_PER_PUSH_MAX;
        }
    }

    /// Whether what a carrier takes can be written down: pushes from before there were carriers
    /// have no room kept for that.
    pub fn may_hand_over(&self) -> bool {
        self.present_octets() >= self.reserved_octets()
    }

    /// Takes what the factory has ready, waiting up to `wait` for each answer until there is a
    /// spare.
    pub(super) fn take_spares(&mut self, wait: Duration) {
        loop {
            let is_waiting = self.spares.is_empty() && self.are_spares_coming();
            let Some(reply) = self.storage.collect(if is_waiting { wait } else { Duration::ZERO })
            else {
                return;
            };
            self.take_reply(reply);
        }
    }

    /// Whether the factory has anything to hand over yet.
    pub(super) fn are_spares_coming(&self) -> bool {
        self.ordered > 0 || self.lent.is_some()
    }

    pub(super) fn take_reply(&mut self, reply: Result<Prepared, FactoryError>) {
        match reply {
            Ok(spare) if self.lent == Some(spare.id) => {
                self.lent = None;
                self.keep(spare);
            }
            Ok(spare) => {
                self.ordered = self.ordered.saturating_sub(1);
                self.keep(spare);
                self.trouble = None;
                self.retry_at_ms = EvenMs::ZERO;
            }
            Err(trouble) => {
                self.ordered = self.ordered.saturating_sub(1);
                self.trouble = Some(trouble);
            }
        }
    }

    /// Puts a spare among the others, in the order of their numbers. One that was lent when its
    /// turn came cannot be used under its name any more: it goes back, and its file comes again
    /// under another name. It has counted as room all the time, so this asks whatever the device
    /// said last: a file that is there already needs none.
    fn keep(&mut self, spare: Prepared) {
        let in_use = self.segments.back().map_or(0, |active| active.header.id);
        if spare.id < in_use {
            let id = spare.id;
            // Its file and memory first: another may be made under the number at once.
            drop(spare);
            self.storage.adopt(id);
            return self.order_spares(true);
        }
        let place = self.spares.partition_point(|other| other.id < spare.id);
        self.spares.insert(place, spare);
    }

    /// Orders spares up to the wanted number within the budget; after a failure only when `again`.
    /// Wanted is what makes the whole reserve exist on the device, and one to accept into.
    pub(super) fn order_spares(&mut self, again: bool) {
        if self.trouble.is_none() || again {
            self.order_up_to(1, WARM_SPARES_UNDER_LOAD);
        }
    }

    /// Orders spares until there are so many beside the reserve, within the budget; of all that are
    /// there then the first `warm` are to have their pages in memory.
    pub(super) fn order_up_to(&mut self, ahead: usize, warm: usize) {
        if self.makes_room && self.present_octets() >= self.reserved_octets() {
            return;
        }
        let coming = self.spares_present() + self.ordered;
        let allowed =
            self.config.segments_max().saturating_sub((self.segments.len() + coming) as u64);
        let reserve = self.reserved_octets().div_ceil(self.config.frames_octets()) as usize;
        let wanted = (reserve + ahead).saturating_sub(coming);
        for _ in 0..wanted.min(allowed as usize).min(ORDERED_MAX - self.ordered) {
            let warm = self.spares_present() + self.ordered < warm;
            self.storage.order(self.next_segment, self.config.segment_octets, warm);
            self.next_segment += 1;
            self.ordered += 1;
        }
    }

    /// Has a spare that is used soon brought into memory, so that no commit waits while the system
    /// looks for pages. It is out of hand meanwhile: under load not the one that is used next.
    pub(super) fn warm_spares(&mut self, quiet: bool) {
        if self.lent.is_some() || self.spares.len() < 2 {
            return;
        }
        let first = usize::from(!quiet);
        let cold = self.spares.iter().take(WARM_SPARES).skip(first).position(|spare| !spare.warm);
        if let Some(spare) = cold.and_then(|place| self.spares.remove(first + place)) {
            self.lent = Some(spare.id);
            self.storage.warm(spare);
        }
    }

    #[inline]
    pub(super) fn segment_index(&self, id: u32) -> Option<usize> {
        // What is asked for was mostly appended lately.
        match self.segments.back() {
            Some(active) if active.header.id == id => Some(self.segments.len() - 1),
            _ => self.index_of_older(id),
        }
    }

    /// The segment of this number.
    #[inline]
    pub(super) fn segment_of(&self, id: u32) -> Option<&Segment> {
        match self.segments.back() {
            Some(active) if active.header.id == id => Some(active),
            _ => self.segments.get(self.index_of_older(id)?),
        }
    }

    fn index_of_older(&self, id: u32) -> Option<usize> {
        let first = self.segments.front()?.header.id;
        let guess = id.checked_sub(first)? as usize;
        match self.segments.get(guess) {
            Some(segment) if segment.header.id == id => Some(guess),
            // A number was skipped: by a spare that was dropped at a restart.
            _ => self.segments.binary_search_by_key(&id, |segment| segment.header.id).ok(),
        }
    }

    pub(super) fn damaged(&self, position: Position) -> DamagedRecord {
        DamagedRecord {
            file: self.directory.join(segment_name(position.segment)),
            offset: position.offset,
        }
    }

    pub(super) fn active(&mut self) -> &mut Segment {
        match self.segments.back_mut() {
            Some(active) => active,
            None => unreachable!("a journal always has an active segment"),
        }
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Journal")
            .field("directory", &self.directory)
            .field("figures", &self.figures())
            .finish()
    }
}
