//! Requests that wait for their answers: found by sequence number, kept by age.
//!
//! Never grows: as many places as the window has are made when the session is. A table of places by
//! sequence number, twice as large, finds one at once, since numbers that follow each other do not
//! meet in it.

use super::super::command::Command;

/// No place.
const NONE: u16 = u16::MAX;

/// A request without an answer so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outstanding {
    pub(super) sequence: u32,
    pub(super) command: Command,
    pub(super) token: u64,
    pub(super) sent_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    request: Outstanding,
    older: u16,
    /// The next younger one, or of a free place the next free one.
    newer: u16,
}

/// The outstanding requests of one direction.
#[derive(Clone, Debug)]
pub(super) struct Window {
    places: Vec<Place>,
    free: u16,
    oldest: u16,
    newest: u16,
    length: usize,
    /// Places by sequence number, open addressing.
    table: Vec<u16>,
}

impl Window {
    /// A window of `capacity` requests.
    pub(super) fn new(capacity: usize) -> Self {
        assert!(capacity < usize::from(NONE));
        let request = Outstanding { sequence: 0, command: Command(0), token: 0, sent_ms: 0 };
        let places = (0..capacity).map(|at| {
            let next = if at + 1 < capacity { at as u16 + 1 } else { NONE };
            Place { request, older: NONE, newer: next }
        });
        let slots = (2 * capacity.max(1)).next_power_of_two();
        Self {
            places: places.collect(),
            free: if capacity == 0 { NONE } else { 0 },
            oldest: NONE,
            newest: NONE,
            length: 0,
            table: vec![NONE; slots],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn oldest(&self) -> Option<&Outstanding> {
        self.places.get(usize::from(self.oldest)).map(|place| &place.request)
    }

    pub(super) fn has(&self, sequence: u32) -> bool {
        self.find(sequence).is_some()
    }

    /// Adds the youngest. `false` where the window is full.
    pub(super) fn insert(&mut self, request: Outstanding) -> bool {
        debug_assert!(!self.has(request.sequence), "a number is outstanding once");
        let at = self.free;
        let Some(place) = self.places.get_mut(usize::from(at)) else { return false };
        self.free = place.newer;
        *place = Place { request, older: self.newest, newer: NONE };
        match self.places.get_mut(usize::from(self.newest)) {
            Some(newest) => newest.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
        self.length += 1;
        let mut slot = self.home(request.sequence);
        while self.table[slot] != NONE {
            slot = self.next_slot(slot);
        }
        self.table[slot] = at;
        true
    }

    /// Takes out the one with this number.
    pub(super) fn remove(&mut self, sequence: u32) -> Option<Outstanding> {
        let slot = self.find(sequence)?;
        let at = self.table[slot];
        self.empty_slot(slot);
        let Place { request, older, newer } = self.places[usize::from(at)];
        match self.places.get_mut(usize::from(older)) {
            Some(place) => place.newer = newer,
            None => self.oldest = newer,
        }
        match self.places.get_mut(usize::from(newer)) {
            Some(place) => place.older = older,
            None => self.newest = older,
        }
        self.places[usize::from(at)].newer = self.free;
        self.free = at;
        self.length -= 1;
        Some(request)
    }

    /// Takes out the oldest.
    pub(super) fn remove_oldest(&mut self) -> Option<Outstanding> {
        let sequence = self.oldest()?.sequence;
        self.remove(sequence)
    }

    /// The request with this number, left where it is.
    pub(super) fn peek(&self, sequence: u32) -> Option<&Outstanding> {
        let slot = self.find(sequence)?;
        Some(&self.places[usize::from(self.table[slot])].request)
    }

    fn home(&self, sequence: u32) -> usize {
        sequence as usize & (self.table.len() - 1)
    }

    fn next_slot(&self, slot: usize) -> usize {
        (slot + 1) & (self.table.len() - 1)
    }

    fn find(&self, sequence: u32) -> Option<usize> {
        let mut slot = self.home(sequence);
        // The table is at most half full, so an empty slot ends every search.
        while let Some(place) = self.places.get(usize::from(self.table[slot])) {
            if place.request.sequence == sequence {
                return Some(slot);
            }
            slot = self.next_slot(slot);
        }
        None
    }

    /// Empties a slot and moves up those behind it that were turned away from it.
    fn empty_slot(&mut self, slot: usize) {
        let mask = self.table.len() - 1;
        let (mut hole, mut next) = (slot, self.next_slot(slot));
        while let Some(place) = self.places.get(usize::from(self.table[next])) {
            let home = self.home(place.request.sequence);
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                self.table[hole] = self.table[next];
                hole = next;
            }
            next = self.next_slot(next);
        }
        self.table[hole] = NONE;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(sequence: u32) -> Outstanding {
        let token = u64::from(sequence) * 3;
        Outstanding { sequence, command: Command::SUBMIT_SM, token, sent_ms: token }
    }

    proptest! {
        #[test]
        fn a_window_holds_what_a_list_would(
            capacity in 0_usize..20,
            steps in proptest::collection::vec((0_u8..3, 0_u32..64), 0..300),
        ) {
            let mut window = Window::new(capacity);
            let mut list: Vec<Outstanding> = Vec::new();
            for (step, sequence) in steps {
                match step {
                    0 if !list.iter().any(|other| other.sequence == sequence) => {
                        let fits = list.len() < capacity;
                        prop_assert_eq!(window.insert(request(sequence)), fits);
                        if fits {
                            list.push(request(sequence));
                        }
                    }
                    1 => {
                        let at = list.iter().position(|other| other.sequence == sequence);
                        prop_assert_eq!(window.remove(sequence), at.map(|at| list.remove(at)));
                    }
                    _ => {
                        let oldest = (!list.is_empty()).then(|| list.remove(0));
                        prop_assert_eq!(window.remove_oldest(), oldest);
                    }
                }
                prop_assert_eq!(window.len(), list.len());
                prop_assert_eq!(window.oldest(), list.first());
                for other in 0..64 {
                    let there = list.iter().find(|request| request.sequence == other);
                    prop_assert_eq!(window.peek(other), there);
                }
            }
        }
    }
}
