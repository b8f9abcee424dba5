//! A bounded table of connections: an index is reused only with another generation, so a late
//! completion or answer for a connection that is gone finds nobody.

use crate::io::driver::GENERATION_MASK;

struct Slot<T> {
    generation: u32,
    item: Option<T>,
}

/// The table.
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    capacity: usize,
}

impl<T> Slots<T> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), capacity }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether nothing more goes in.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// Free places, an eighth of the table kept back.
    pub(super) fn spare(&self) -> usize {
        (self.capacity - self.capacity / 8).saturating_sub(self.len())
    }

    /// Puts in what `make` builds for (index, generation); `None` when the table is full.
    pub(super) fn insert(&mut self, make: impl FnOnce(u32, u32) -> T) -> Option<u32> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < self.capacity => {
                self.slots.push(Slot { generation: 0, item: None });
                (self.slots.len() - 1) as u32
            }
            None => return None,
        };
        let slot = &mut self.slots[index as usize];
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        slot.item = Some(make(index, slot.generation));
        Some(index)
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)?.item.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)?.item.as_mut()
    }

    /// The item, if the slot still holds that generation.
    pub(super) fn of_generation(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation == generation { slot.item.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let item = self.slots.get_mut(index as usize)?.item.take();
        if item.is_some() {
            self.free.push(index);
        }
        item
    }

    /// Indices in use, from `start` on, at most `budget` slots looked at; and where to go on.
    pub(super) fn sweep(&self, start: usize, budget: usize) -> (Vec<u32>, usize) {
        let end = (start + budget).min(self.slots.len());
        let used =
            (start..end).filter(|&at| self.slots[at].item.is_some()).map(|at| at as u32).collect();
        (used, if end == self.slots.len() { 0 } else { end })
    }

    /// Every index in use.
    pub(super) fn indices(&self) -> Vec<u32> {
        self.sweep(0, self.slots.len()).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_slot_has_another_generation() {
        let mut slots = Slots::with_capacity(1);
        let first = slots.insert(|_, generation| generation).expect("room");
        let generation = *slots.get_mut(first).expect("there");
        assert!(slots.insert(|_, g| g).is_none(), "full");
        assert_eq!(slots.remove(first), Some(generation));
        assert_eq!(slots.remove(first), None);
        let second = slots.insert(|_, g| g).expect("room again");
        assert_eq!(first, second);
        assert!(slots.of_generation(second, generation).is_none());
        assert_eq!(slots.len(), 1);
    }
}
