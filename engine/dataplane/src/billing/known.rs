//! Which pushes have their Accepted and their Final event: two bits a push, in blocks where there
//! are any.

use std::collections::BTreeMap;

use super::event::EventKind;

const WORDS: usize = 64;
/// Numbers of one block, which takes a kibibyte.
const BLOCK_PUSHES: u64 = WORDS as u64 * 64;

/// A set of events, by push and kind.
#[derive(Debug, Default)]
pub struct Known {
    blocks: BTreeMap<u64, Box<[[u64; WORDS]; 2]>>,
}

impl Known {
    /// Notes an event; whether it is new. Events that are counts are not kept and never new.
    pub fn note(&mut self, kind: EventKind, push_id: u64) -> bool {
        let Some(table) = table_of(kind) else { return false };
        let block =
            self.blocks.entry(push_id / BLOCK_PUSHES).or_insert_with(|| Box::new([[0; WORDS]; 2]));
        let (word, bit) = place_of(push_id);
        let is_new = block[table][word] & bit == 0;
        block[table][word] |= bit;
        is_new
    }

    /// Forgets an event.
    pub(super) fn forget(&mut self, kind: EventKind, push_id: u64) {
        if let Some(table) = table_of(kind)
            && let Some(block) = self.blocks.get_mut(&(push_id / BLOCK_PUSHES))
        {
            let (word, bit) = place_of(push_id);
            block[table][word] &= !bit;
        }
    }

    /// Whether an event was noted.
    pub fn contains(&self, kind: EventKind, push_id: u64) -> bool {
        let (word, bit) = place_of(push_id);
        let block = self.blocks.get(&(push_id / BLOCK_PUSHES));
        table_of(kind).zip(block).is_some_and(|(table, block)| block[table][word] & bit != 0)
    }

    /// Hands every event to `view`.
    pub(super) fn visit(&self, view: &mut dyn FnMut(EventKind, u64)) {
        for (number, block) in &self.blocks {
            for (table, kind) in [EventKind::Accepted, EventKind::Final].into_iter().enumerate() {
                for (place, word) in block[table].iter().enumerate().filter(|(_, word)| **word != 0)
                {
                    for bit in (0..64).filter(|bit| word >> bit & 1 != 0) {
                        view(kind, number * BLOCK_PUSHES + place as u64 * 64 + bit);
                    }
                }
            }
        }
    }

    /// Forgets the upper half of the pushes once there are more blocks than `blocks_max`: the
    /// lowest number that is not kept from then on.
    pub(super) fn halve(&mut self, blocks_max: usize) -> Option<u64> {
        if self.blocks.len() <= blocks_max {
            return None;
        }
        let middle = *self.blocks.keys().nth(blocks_max.div_ceil(2))?;
        self.blocks.split_off(&middle);
        Some(middle * BLOCK_PUSHES)
    }
}

fn table_of(kind: EventKind) -> Option<usize> {
    match kind {
        EventKind::Accepted | EventKind::AcceptedMany => Some(0),
        EventKind::Final | EventKind::FinalMany => Some(1),
        EventKind::Rejected | EventKind::Replayed => None,
    }
}

fn place_of(push_id: u64) -> (usize, u64) {
    let place = push_id % BLOCK_PUSHES;
    ((place / 64) as usize, 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_events_of_a_push_are_kept_apart_and_the_upper_half_goes_at_the_bound() {
        let mut known = Known::default();
        for push_id in [1, 4095, 4096, 1 << 40] {
            assert!(known.note(EventKind::Accepted, push_id));
            assert!(!known.note(EventKind::Accepted, push_id));
            assert!(known.note(EventKind::Final, push_id));
        }
        assert!(!known.note(EventKind::Rejected, 7));
        known.forget(EventKind::Final, 4095);
        assert!(
            !known.contains(EventKind::Final, 4095) && known.contains(EventKind::Accepted, 4095)
        );
        assert_eq!(known.halve(3), None);
        assert_eq!(known.halve(2), Some(4096));
        assert!(
            known.contains(EventKind::Accepted, 1) && !known.contains(EventKind::Accepted, 4096)
        );
    }
}
