//! What waits in a shard, by reason, class and age: counted by walking the slab of live pushes a
//! slice at a time, so that ten million of them never hold the shard up and the data path keeps no
//! count of them.
//!
//! A pass counts each push as it stands when the pass comes by it. A push that lives through the
//! whole pass is counted once; the sum may be off by what came and went meanwhile. The age of a
//! push is told by its number: the shard keeps [`AgeMarks`], which say from which number on pushes
//! were accepted when.

use super::Shard;
use crate::billing::Log;
use crate::journal::Position;
use crate::smsc::core::Core;
use crate::smsc::ended::EndedPush;
use crate::smsc::pushes::{Push, PushIndex};
use crate::smsc::state::State;
use crate::smsc::wait_reason::WaitReason;
use std::collections::VecDeque;
use wire::terms::ids::Class;
use wire::terms::time::WallMs;

/// The shortest time between two slices, milliseconds.
const SLICE_INTERVAL_MS: u64 = 1;
/// The shortest time from the start of a pass to that of the next, milliseconds.
const PASS_INTERVAL_MS: u64 = 1_000;
/// A pass is followed by a rest of so many times its own length: passes cost a small share of a
/// core, however long.
const REST_FACTOR: u64 = 10;
/// Ages end below these, milliseconds; the last bucket is for what is older.
pub const AGES_MS: [u64; 5] = [60_000, 600_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000];
/// How many buckets of ages there are.
const AGES: usize = AGES_MS.len() + 1;
/// The classes, in the order in which they are counted.
pub const CLASSES: [Class; 4] = Class::BY_WEIGHT;

/// Why a push is still here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// Not durable yet.
    Received,
    /// Behind another push to its msn.
    Behind,
    /// Its turn has come, and it waits for the core network.
    Queued,
    /// An attempt is under way.
    InFlight,
    /// An attempt did not deliver; the reason where it is known.
    Held(Option<WaitReason>),
    /// A carrier has it, and its receipts are awaited.
    HandedOver,
    /// It has ended, and the push client has not taken its notification yet.
    NotificationDue,
    /// Its notification was given up and waits for the operator.
    Parked,
}

/// How many standings there are.
pub const STANDINGS: usize = 17;

impl Standing {
    /// Every standing, in the order of its number.
    pub fn all() -> [Self; STANDINGS] {
        let [absent, full, busy, system, network, protocol, roaming, carrier, doubt] =
            WaitReason::ALL.map(|reason| Self::Held(Some(reason)));
        let (held, done) = (Self::Held(None), [Self::NotificationDue, Self::Parked]);
        [
            Self::Received,
            Self::Behind,
            Self::Queued,
            Self::InFlight,
            absent,
            full,
            busy,
            system,
            network,
            protocol,
            roaming,
            carrier,
            doubt,
            held,
            Self::HandedOver,
            done[0],
            done[1],
        ]
    }

    fn number(self) -> usize {
        match self {
            Self::Received => 0,
            Self::Behind => 1,
            Self::Queued => 2,
            Self::InFlight => 3,
            Self::Held(Some(reason)) => 3 + usize::from(reason.number()),
            Self::Held(None) => 13,
            Self::HandedOver => 14,
            Self::NotificationDue => 15,
            Self::Parked => 16,
        }
    }

    /// Its name as the operator reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "not durable yet",
            Self::Behind => "behind another",
            Self::Queued => "queued",
            Self::InFlight => "in flight",
            Self::Held(Some(reason)) => reason.name(),
            Self::Held(None) => "held",
            Self::HandedOver => "handed over",
            Self::NotificationDue => "notification due",
            Self::Parked => "notification parked",
        }
    }

    /// Whether the push is held after an attempt.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// Whether the push has ended, and only its push client is still to be told.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::NotificationDue | Self::Parked)
    }

    /// Where a push of a running engine stands.
    pub fn of(push: &Push) -> Self {
        match push.state {
            State::Received => Self::Received,
            State::Accepted => Self::Behind,
            State::Queued => Self::Queued,
            State::InFlight => Self::InFlight,
            State::Handed => Self::HandedOver,
            State::Held => Self::Held(WaitReason::from_number(push.hold_reason())),
            // Its end is not durable yet.
            _ => Self::NotificationDue,
        }
    }

    /// Where an ended push stands of which something is due or parked.
    pub fn of_ended(push: &EndedPush) -> Self {
        if push.due().is_none() { Self::Parked } else { Self::NotificationDue }
    }
}

/// Live pushes by standing, class and age, and the oldest of each standing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingTally {
    /// When the count was finished; 0 while there was none.
    pub at_ms: WallMs,
    /// By [`Standing::all`], [`CLASSES`] and age.
    pub counts: [[[u64; AGES]; CLASSES.len()]; STANDINGS],
    /// When the oldest push of each standing was accepted; 0 where there is none.
    pub oldest_ms: [WallMs; STANDINGS],
    /// Number and position of the oldest of each standing.
    pub oldest: [Option<(u64, u64)>; STANDINGS],
}

impl Default for WaitingTally {
    fn default() -> Self {
        Self {
            at_ms: WallMs::ZERO,
            counts: [[[0; AGES]; CLASSES.len()]; STANDINGS],
            oldest_ms: [WallMs::ZERO; STANDINGS],
            oldest: [None; STANDINGS],
        }
    }
}

impl WaitingTally {
    /// Counts one push; `age` is its bucket.
    pub(super) fn count(&mut self, push: &Push, standing: Standing, age: usize) {
        self.count_one((push.push_id, push.position), push.class, standing, age);
    }

    /// Counts one push that has ended.
    pub(super) fn count_ended(&mut self, push: &EndedPush, age: usize) {
        self.count_one((push.push_id, push.position), push.class, Standing::of_ended(push), age);
    }

    fn count_one(&mut self, push: (u64, u64), class: Class, standing: Standing, age: usize) {
        let class = CLASSES.iter().position(|known| *known == class).unwrap_or(0);
        let row = standing.number();
        self.counts[row][class][age] += 1;
        if self.oldest[row].is_none_or(|(push_id, _)| push.0 < push_id) {
            self.oldest[row] = Some(push);
        }
    }

    /// Counts a slice of what is there, so many places; where the next one begins.
    fn count_slice(
        &mut self,
        core: &Core,
        (first, places): (Next, usize),
        young_from: &[u64; AGES - 1],
    ) -> Option<Next> {
        let slice = places as u32;
        match first {
            Next::Live(first) => {
                let used = core.indices_used() as PushIndex;
                let end = used.min(first + slice);
                for push in (first..end).filter_map(|index| core.live_at(index)) {
                    self.count(push, Standing::of(push), age_of(push.push_id, young_from));
                }
                Some(if end < used { Next::Live(end) } else { Next::Ended(0) })
            }
            Next::Ended(first) => {
                let end = core.ended_places().min(first + slice);
                for push in (first..end).filter_map(|place| core.ended_at(place)) {
                    self.count_ended(push, age_of(push.push_id, young_from));
                }
                Some(if end < core.ended_places() { Next::Ended(end) } else { Next::Parked(0) })
            }
            Next::Parked(from) => {
                let mut parked = core.parked(from);
                for push in parked.by_ref().take(places) {
                    self.count_ended(push, age_of(push.push_id, young_from));
                }
                parked.next().map(|push| Next::Parked(push.push_id))
            }
        }
    }

    /// Asks for the times of acceptance of the oldest pushes that changed since the last time, by
    /// number and position.
    pub(super) fn date_oldest(&mut self, mut accepted_ms: impl FnMut(u64, u64) -> WallMs) {
        for (oldest, oldest_ms) in self.oldest.iter_mut().zip(&mut self.oldest_ms) {
            if let Some((push_id, position)) = oldest
                && *position != DATED
            {
                *oldest_ms = accepted_ms(*push_id, std::mem::replace(position, DATED));
            }
        }
    }

    /// All pushes of one standing.
    pub fn of(&self, standing: Standing) -> u64 {
        self.counts[standing.number()].iter().flatten().sum()
    }
}

/// A position that no record has: the time of the push is known already.
const DATED: u64 = u64::MAX;

/// From which push number on pushes were accepted when: a bounded list, a second apart at the young
/// end and further apart the older it gets.
#[derive(Default)]
pub(super) struct AgeMarks {
    /// Number and time, both ascending.
    marks: VecDeque<(u64, WallMs)>,
}

/// Marks kept; at the bound every second one of the older three quarters goes.
const MARKS_MAX: usize = 4096;
/// The shortest time between two marks, milliseconds.
const MARK_INTERVAL_MS: u64 = 1_000;

impl AgeMarks {
    /// A push was accepted.
    pub(super) fn note(&mut self, push_id: u64, accepted_ms: WallMs) {
        match self.marks.back() {
            Some(&(last_id, last_ms)) if push_id > last_id => {
                if accepted_ms >= last_ms + MARK_INTERVAL_MS {
                    self.marks.push_back((push_id, accepted_ms));
                    self.thin_out();
                }
            }
            Some(_) => self.note_older(push_id, accepted_ms),
            None => self.marks.push_back((push_id, accepted_ms)),
        }
    }

    /// As recovery meets them: cleaning has carried old pushes behind young ones.
    fn note_older(&mut self, push_id: u64, accepted_ms: WallMs) {
        let at = self.marks.partition_point(|&(known, _)| known < push_id);
        let is_far_from_next = accepted_ms + MARK_INTERVAL_MS <= self.marks[at].1;
        if at == 0 && !is_far_from_next {
            // No push may stand below the first mark: nothing would be known of its age.
            self.marks[0] = (push_id, accepted_ms);
        } else if is_far_from_next
            && (at == 0 || self.marks[at - 1].1 + MARK_INTERVAL_MS <= accepted_ms)
        {
            self.marks.insert(at, (push_id, accepted_ms));
            self.thin_out();
        }
    }

    fn thin_out(&mut self) {
        if self.marks.len() > MARKS_MAX {
            let young_from = MARKS_MAX * 3 / 4;
            let mut at = 0;
            self.marks.retain(|_| {
                at += 1;
                at > young_from || at % 2 == 1
            });
        }
    }

    /// The push numbers from which on pushes are younger than each of [`AGES_MS`].
    pub(super) fn young_from(&self, now_ms: WallMs) -> [u64; AGES - 1] {
        AGES_MS.map(|age_ms| {
            let since_ms = now_ms.saturating_sub(age_ms);
            let at = self.marks.partition_point(|&(_, marked_ms)| marked_ms <= since_ms);
            self.marks.get(at).map_or(u64::MAX, |&(push_id, _)| push_id)
        })
    }
}

/// The bucket of a push's age.
pub(super) fn age_of(push_id: u64, young_from: &[u64; AGES - 1]) -> usize {
    young_from.iter().position(|&from| push_id >= from).unwrap_or(AGES - 1)
}

/// The passes of a running shard.
#[derive(Default)]
pub(super) struct WaitingScan {
    pub(super) marks: AgeMarks,
    next: Option<Next>,
    tally: Box<WaitingTally>,
    shown: Box<WaitingTally>,
    began_ms: WallMs,
    stepped_ms: WallMs,
    rest_ms: u64,
}

/// Where a pass goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// In the slab of pushes that have not ended.
    Live(PushIndex),
    /// Among the places of those that have.
    Ended(u32),
    /// Among those of which something is parked, from this number on.
    Parked(u64),
}

impl WaitingScan {
    /// When the next slice is due, while a pass is under way.
    pub(super) fn next_due_ms(&self) -> Option<WallMs> {
        self.next.map(|_| self.stepped_ms + SLICE_INTERVAL_MS)
    }

    fn is_due(&self, now_ms: WallMs) -> bool {
        // A clock that was set back must not stop the counting.
        let since_ms = now_ms.abs_diff(self.stepped_ms);
        if self.next.is_some() { since_ms >= SLICE_INTERVAL_MS } else { since_ms >= self.rest_ms }
    }

    /// Counts the next slice; at the end of a pass it is shown.
    fn step(
        &mut self,
        core: &Core,
        accepted_ms: impl FnMut(u64, u64) -> WallMs,
        (places, now_ms): (usize, WallMs),
    ) {
        self.stepped_ms = now_ms;
        let first = self.next.unwrap_or_else(|| {
            *self.tally = WaitingTally::default();
            self.began_ms = now_ms;
            Next::Live(0)
        });
        let young_from = self.marks.young_from(now_ms);
        self.next = self.tally.count_slice(core, (first, places), &young_from);
        self.tally.date_oldest(accepted_ms);
        if self.next.is_some() {
            return;
        }
        self.rest_ms = (now_ms.since(self.began_ms) * REST_FACTOR).max(PASS_INTERVAL_MS);
        self.tally.at_ms = now_ms;
        std::mem::swap(&mut self.tally, &mut self.shown);
    }
}

impl<L: Log> Shard<L> {
    /// Goes on counting what waits, in so many places.
    pub(super) fn count_waiting(&mut self, now_ms: WallMs, places: usize) {
        if self.waiting.is_due(now_ms) {
            let journal = &self.journal;
            let broadcasts = &self.broadcasts;
            let accepted_ms = |_, position| match broadcasts.started_ms(position) {
                Some(started_ms) => started_ms,
                None => WallMs::new(journal.accepted(Position::from_bits(position)).accepted_ms),
            };
            self.waiting.step(&self.core, accepted_ms, (places, now_ms));
        }
    }

    /// What waits, as the last whole pass counted it.
    pub fn waiting(&self) -> &WaitingTally {
        &self.waiting.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: WallMs = WallMs::new(1_800_000_000_000);

    #[test]
    fn standings_are_numbered_in_their_order() {
        for (number, standing) in Standing::all().into_iter().enumerate() {
            assert_eq!(standing.number(), number, "{standing:?}");
        }
    }

    #[test]
    fn ages_are_told_by_the_numbers_of_pushes() {
        let mut marks = AgeMarks::default();
        // A push every ten seconds for two days.
        for number in 0..17_280 {
            marks.note(number, NOW_MS - (17_280 - number) * 10_000);
        }
        assert!(marks.marks.len() <= MARKS_MAX);
        let young_from = marks.young_from(NOW_MS);
        for (age_ms, bucket) in [
            (10_000, 0),
            (50_000, 0),
            (70_000, 1),
            (610_000, 2),
            (5 * 3_600_000, 3),
            (12 * 3_600_000, 4),
            (47 * 3_600_000, 5),
        ] {
            assert_eq!(age_of(17_280 - age_ms / 10_000, &young_from), bucket, "{age_ms} ms");
        }
    }

    #[test]
    fn pushes_that_cleaning_carried_forward_are_as_old_as_they_are() {
        let mut marks = AgeMarks::default();
        for number in 1_000..1_100 {
            marks.note(number, NOW_MS - (1_100 - number) * 1_000);
        }
        marks.note(7, NOW_MS - 30 * 3_600_000);
        marks.note(8, NOW_MS - 5 * 3_600_000);
        let young_from = marks.young_from(NOW_MS);
        let ages = [7, 8, 1_010, 1_090].map(|push_id| age_of(push_id, &young_from));
        assert_eq!(ages, [5, 3, 1, 0]);
        // One that was carried behind those that came a moment after it.
        let mut marks = AgeMarks::default();
        marks.note(9, NOW_MS - 500);
        marks.note(3, NOW_MS - 900);
        assert_eq!(age_of(3, &marks.young_from(NOW_MS)), 0);
    }

    #[test]
    fn without_marks_everything_is_old_and_marks_stay_few() {
        assert_eq!(age_of(5, &AgeMarks::default().young_from(NOW_MS)), AGES - 1);
        let mut marks = AgeMarks::default();
        for number in 0..100_000 {
            marks.note(number, NOW_MS + number * 1_000);
        }
        assert!(marks.marks.len() <= MARKS_MAX);
        assert!(
            marks
                .marks
                .iter()
                .zip(marks.marks.iter().skip(1))
                .all(|(earlier, later)| earlier < later)
        );
    }
}
