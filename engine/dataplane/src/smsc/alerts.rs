//! Alerts: pushes that belong together, where a higher alertseq takes the place of an undelivered
//! lower one.
//!
//! Only pushes that carry an alertid are kept here. Per msn and alert the highest accepted sequence
//! is remembered as long as the alert has live pushes or its table's bound allows:
//! [`REMEMBERED_OCTETS`] and five to ten octets of table. A live push costs eight octets more: its
//! place among its alert's members, and they theirs.

use crate::smsc::index_table::GrowingTable;
use crate::smsc::pushes::{NONE, PushIndex, Pushes};

/// (msn, alert) pairs remembered at most, those of live pushes aside; beyond it the oldest are
/// forgotten.
pub const ALERT_KEYS_MAX: usize = 16 * 1024 * 1024;

/// Octets that the memory of an (msn, alert) pair takes, the table's part aside.
pub const REMEMBERED_OCTETS: usize = 24;

/// Pairs that memory is taken for at a time.
const CHUNK: usize = 4096;
/// Pairs of live pushes that are passed over in search of one that may be forgotten.
const PASSED_OVER_MAX: usize = 8;

/// Which alert a push belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlertIdentity {
    /// Fingerprint of (svcid, msn, alertid).
    pub key: u64,
    /// Fingerprint of (svcid, alertid).
    pub alert: u64,
    /// alertseq, 0 to 99.
    pub sequence: u8,
}

/// What is remembered of an alert for one msn.
#[derive(Clone, Copy)]
struct Remembered {
    /// Fingerprint of (svcid, msn, alertid).
    key: u64,
    /// The live push of the highest sequence.
    push: PushIndex,
    /// Among the groups: the alert, while a live push says so.
    group: u32,
    /// The one that came next; of a free one, the next free one.
    next: u32,
    /// Live pushes that belong to it.
    users: u16,
    /// The highest sequence accepted.
    sequence: u8,
}

const _: () = assert!(size_of::<Remembered>() == REMEMBERED_OCTETS);

impl Default for Remembered {
    fn default() -> Self {
        Self::FREE
    }
}

impl Remembered {
    const FREE: Self = Self { key: 0, push: NONE, group: NONE, next: NONE, users: 0, sequence: 0 };
}

/// The live pushes of an alert.
#[derive(Clone, Default)]
struct Group {
    alert: u64,
    members: Vec<PushIndex>,
}

/// The alerts of one shard.
pub struct Alerts {
    remembered: Slab,
    table: GrowingTable,
    /// In the order in which they came.
    oldest: u32,
    latest: u32,
    remembered_max: usize,
    groups: Chunks<Group>,
    free_groups: Chunks<u32>,
    group_of: GrowingTable,
    /// By slab index: a live push's place among its alert's members, so that leaving costs O(1)
    /// however many phones the alert goes to.
    place_of: Places,
}

impl Alerts {
    /// Alerts of a slab of `pushes_max`.
    pub fn new(pushes_max: usize) -> Self {
        Self::with_bound(pushes_max, ALERT_KEYS_MAX)
    }

    fn with_bound(pushes_max: usize, remembered_max: usize) -> Self {
        Self {
            remembered: Slab::default(),
            table: GrowingTable::new(
                (pushes_max + remembered_max + 1).min(super::index_table::INDEX_MAX),
            ),
            oldest: NONE,
            latest: NONE,
            remembered_max,
            groups: Chunks::default(),
            free_groups: Chunks::default(),
            group_of: GrowingTable::new((pushes_max + 1).min(super::index_table::INDEX_MAX)),
            place_of: Places::default(),
        }
    }

    /// Whether this sequence or a higher one was accepted for the msn.
    pub fn knows(&self, alert: &AlertIdentity) -> bool {
        self.find(alert.key)
            .is_some_and(|known| self.remembered.at(known).sequence >= alert.sequence)
    }

    /// Whether a sequence is remembered under this fingerprint of (svcid, msn, alertid).
    pub fn remembers(&self, key: u64) -> bool {
        self.find(key).is_some()
    }

    /// The live push of the highest sequence under it.
    pub fn push_of(&self, key: u64) -> Option<PushIndex> {
        self.find(key).map(|number| self.remembered.at(number).push).filter(|&push| push != NONE)
    }

    /// Enters a push of a sequence that is not known yet; returns the live push with a lower one.
    pub fn enter(
        &mut self,
        pushes: &mut Pushes,
        index: PushIndex,
        alert: AlertIdentity,
    ) -> Option<PushIndex> {
        let lower = self.remember(alert.key, alert.sequence, Some(index));
        let Some(number) = self.find(alert.key) else {
            unreachable!("it was remembered a moment ago")
        };
        let group = self.join(index, alert.alert);
        let remembered = self.remembered.at_mut(number);
        remembered.group = group;
        remembered.users += 1;
        pushes[index].remembered_alert = number;
        lower
    }

    /// Remembers that this sequence was accepted for the (svcid, msn, alertid) behind `key`; at
    /// recovery there may be no live push of it any more. Returns the live push of a lower one.
    pub fn remember(
        &mut self,
        key: u64,
        sequence: u8,
        index: Option<PushIndex>,
    ) -> Option<PushIndex> {
        let push = index.unwrap_or(NONE);
        let Some(number) = self.find(key) else {
            self.begin(key, sequence, push);
            return None;
        };
        let known = self.remembered.at_mut(number);
        if known.sequence > sequence || (known.sequence == sequence && known.push != NONE) {
            return None;
        }
        let lower = known.sequence < sequence;
        known.sequence = sequence;
        let before = std::mem::replace(&mut known.push, push);
        (lower && before != NONE).then_some(before)
    }

    /// Whether another push's sequence stands above this push's for its msn.
    pub fn is_outdated(&self, pushes: &Pushes, index: PushIndex) -> bool {
        let number = pushes[index].remembered_alert;
        number != NONE && self.remembered.at(number).push != index
    }

    /// The push has ended.
    pub fn leave(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let number = std::mem::replace(&mut pushes[index].remembered_alert, NONE);
        if number == NONE {
            return;
        }
        let remembered = self.remembered.at_mut(number);
        remembered.users -= 1;
        if remembered.push == index {
            remembered.push = NONE;
        }
        let group = remembered.group;
        self.part(index, group);
    }

    /// The alert that the push belongs to; `None` from its end on.
    pub fn alert_of(&self, pushes: &Pushes, index: PushIndex) -> Option<u64> {
        let number = pushes[index].remembered_alert;
        (number != NONE).then(|| self.groups.at(self.remembered.at(number).group).alert)
    }

    /// How many pushes of an alert have not ended.
    pub fn member_count(&self, alert: u64) -> usize {
        self.members(alert).len()
    }

    /// One of them. When a push leaves, the last one takes its place.
    pub fn member(&self, alert: u64, at: usize) -> Option<PushIndex> {
        self.members(alert).get(at).copied()
    }

    /// The pushes of an alert that have not ended.
    fn members(&self, alert: u64) -> &[PushIndex] {
        self.find_group(alert).map_or(&[], |group| &self.groups.at(group).members)
    }

    fn find_group(&self, alert: u64) -> Option<u32> {
        self.group_of.find(alert, |group| self.groups.at(group).alert == alert)
    }

    fn find(&self, key: u64) -> Option<u32> {
        self.table.find(key, |number| self.remembered.at(number).key == key)
    }

    fn begin(&mut self, key: u64, sequence: u8, push: PushIndex) {
        if self.table.len() >= self.remembered_max {
            self.forget_one();
        }
        let number = self.remembered.take(Remembered { key, sequence, push, ..Remembered::FREE });
        self.link_as_latest(number);
        let remembered = &self.remembered;
        self.table.insert(key, number, |number| remembered.at(number).key);
    }

    fn link_as_latest(&mut self, number: u32) {
        self.remembered.at_mut(number).next = NONE;
        if self.latest == NONE {
            self.oldest = number;
        } else {
            self.remembered.at_mut(self.latest).next = number;
        }
        self.latest = number;
    }

    /// Forgets the oldest pair that has no live push. Where the oldest few all have, none goes:
    /// live pushes have a bound of their own.
    fn forget_one(&mut self) {
        for _ in 0..PASSED_OVER_MAX {
            let number = self.oldest;
            if number == NONE {
                return;
            }
            let Remembered { key, next, users, .. } = *self.remembered.at(number);
            self.oldest = next;
            if next == NONE {
                self.latest = NONE;
            }
            if users == 0 {
                self.table.remove(key, number);
                return self.remembered.give_back(number);
            }
            self.link_as_latest(number);
        }
    }

    /// Makes the push a member of its alert; the alert's number among the groups.
    fn join(&mut self, index: PushIndex, alert: u64) -> u32 {
        let group = self.find_group(alert).unwrap_or_else(|| self.found(alert));
        let members = &mut self.groups.at_mut(group).members;
        *self.place_of.at_mut(index) = members.len() as u32;
        members.push(index);
        group
    }

    /// A group for an alert that has none.
    fn found(&mut self, alert: u64) -> u32 {
        let group = self.free_groups.pop().unwrap_or_else(|| self.groups.push(Group::default()));
        self.groups.at_mut(group).alert = alert;
        let groups = &self.groups;
        self.group_of.insert(alert, group, |group| groups.at(group).alert);
        group
    }

    fn part(&mut self, index: PushIndex, group: u32) {
        let place = std::mem::replace(self.place_of.at_mut(index), NONE);
        let Group { alert, members } = self.groups.at_mut(group);
        let left = members.swap_remove(place as usize);
        assert_eq!(left, index, "a member stands at its place");
        if let Some(&moved) = members.get(place as usize) {
            *self.place_of.at_mut(moved) = place;
        }
        if members.is_empty() {
            // The memory of a large alert goes with it.
            *members = Vec::new();
            self.group_of.remove(*alert, group);
            self.free_groups.push(group);
        }
    }
}

/// Values in chunks, so that growing moves none of them and nobody waits for it.
struct Chunks<T> {
    chunks: Vec<Box<[T]>>,
    used: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), used: 0 }
    }
}

impl<T: Clone + Default> Chunks<T> {
    fn at(&self, number: u32) -> &T {
        &self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }

    fn at_mut(&mut self, number: u32) -> &mut T {
        &mut self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }

    /// Puts a value behind the last one; its number.
    fn push(&mut self, value: T) -> u32 {
        if self.used == self.chunks.len() * CHUNK {
            self.chunks.push(vec![T::default(); CHUNK].into());
        }
        let number = self.used as u32;
        self.used += 1;
        *self.at_mut(number) = value;
        number
    }

    /// Takes the last one out.
    fn pop(&mut self) -> Option<T> {
        self.used = self.used.checked_sub(1)?;
        let number = self.used as u32;
        Some(std::mem::take(self.at_mut(number)))
    }
}

/// A place for each slab index; those that nobody asks for take no memory.
#[derive(Default)]
struct Places {
    chunks: Vec<Option<Box<[u32]>>>,
}

impl Places {
    fn at_mut(&mut self, index: PushIndex) -> &mut u32 {
        let (chunk, place) = (index as usize / CHUNK, index as usize % CHUNK);
        if chunk >= self.chunks.len() {
            self.chunks.resize(chunk + 1, None);
        }
        &mut self.chunks[chunk].get_or_insert_with(|| vec![NONE; CHUNK].into())[place]
    }
}

/// What is remembered, and the list of those that are free.
#[derive(Default)]
struct Slab {
    entries: Chunks<Remembered>,
    /// The first free one, and one behind it, if there is any.
    free: Option<u32>,
}

impl Slab {
    fn at(&self, number: u32) -> &Remembered {
        self.entries.at(number)
    }

    fn at_mut(&mut self, number: u32) -> &mut Remembered {
        self.entries.at_mut(number)
    }

    fn take(&mut self, entry: Remembered) -> u32 {
        if let Some(number) = self.free {
            let place = self.at_mut(number);
            let next = place.next;
            *place = entry;
            self.free = (next != NONE).then_some(next);
            return number;
        }
        self.entries.push(entry)
    }

    fn give_back(&mut self, number: u32) {
        *self.at_mut(number) = Remembered { next: self.free.unwrap_or(NONE), ..Remembered::FREE };
        self.free = Some(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smsc::pushes::Push;
    use wire::terms::mix::mix;

    fn identity(alert: u64, msn: u64, sequence: u8) -> AlertIdentity {
        AlertIdentity { key: mix(alert << 32 | msn), alert: mix(alert), sequence }
    }

    fn push(pushes: &mut Pushes) -> PushIndex {
        pushes.insert(Push::EMPTY).expect("room")
    }

    #[test]
    fn a_higher_sequence_takes_the_place_of_a_lower_one() {
        let (mut pushes, mut alerts) = (Pushes::with_capacity(4), Alerts::new(4));
        let (first, second) = (push(&mut pushes), push(&mut pushes));
        assert_eq!(alerts.enter(&mut pushes, first, identity(1, 1, 3)), None);
        assert!(alerts.knows(&identity(1, 1, 3)) && !alerts.knows(&identity(1, 1, 4)));
        assert!(!alerts.is_outdated(&pushes, first));
        assert_eq!(alerts.enter(&mut pushes, second, identity(1, 1, 4)), Some(first));
        assert!(alerts.is_outdated(&pushes, first) && !alerts.is_outdated(&pushes, second));
        assert_eq!(alerts.members(mix(1)), [first, second]);
        alerts.leave(&mut pushes, first);
        assert_eq!(alerts.members(mix(1)), [second]);
        alerts.leave(&mut pushes, second);
        assert!(alerts.members(mix(1)).is_empty() && alerts.knows(&identity(1, 1, 4)));
    }

    #[test]
    fn what_recovery_says_of_an_ended_push_outdates_a_lower_live_one() {
        let (mut pushes, mut alerts) = (Pushes::with_capacity(4), Alerts::new(4));
        let low = push(&mut pushes);
        alerts.enter(&mut pushes, low, identity(1, 1, 3));
        alerts.remember(identity(1, 1, 3).key, 3, None);
        assert!(!alerts.is_outdated(&pushes, low), "its own end says nothing new");
        alerts.remember(identity(1, 1, 7).key, 7, None);
        assert!(alerts.is_outdated(&pushes, low));
        alerts.leave(&mut pushes, low);
    }

    #[test]
    fn at_the_bound_the_oldest_pair_without_a_live_push_is_forgotten() {
        let (mut pushes, mut alerts) = (Pushes::with_capacity(64), Alerts::with_bound(64, 100));
        let pinned = push(&mut pushes);
        alerts.enter(&mut pushes, pinned, identity(1, 0, 1));
        for msn in 1..1_000 {
            alerts.remember(identity(1, msn, 1).key, 1, None);
        }
        assert!(alerts.table.len() <= 100);
        assert!(alerts.knows(&identity(1, 0, 1)) && !alerts.is_outdated(&pushes, pinned));
        assert!(!alerts.knows(&identity(1, 1, 1)) && alerts.knows(&identity(1, 999, 1)));
        let many: Vec<_> = (0..60).map(|_| push(&mut pushes)).collect();
        for (&index, msn) in many.iter().zip(2_000..) {
            alerts.enter(&mut pushes, index, identity(1, msn, 1));
        }
        assert_eq!(alerts.members(mix(1)).len(), 61);
        for &index in &many {
            alerts.leave(&mut pushes, index);
        }
        assert_eq!(alerts.members(mix(1)), [pinned]);
    }
}
