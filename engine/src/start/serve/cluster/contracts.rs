//! The contracts of partitions that come to this node together: one look at the registry has those
//! of all that are wanted by then, for it takes as long for many as for one.
//!
//! Invariant: what a partition is given was read behind the moment from which on it is told of what
//! changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is wanted, and what was read and is not fetched yet.
#[derive(Debug)]
pub(super) struct Looks<T> {
    wanted: Mutex<BTreeSet<u16>>,
    /// Whoever holds this looks.
    read: Mutex<BTreeMap<u16, T>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self { wanted: Mutex::default(), read: Mutex::default() }
    }
}

impl<T> Looks<T> {
    /// A partition is told of changes from now on, and what was there before will be fetched.
    pub(super) fn want(&self, partition: u16) {
        lock(&self.wanted).insert(partition);
    }

    /// What was there of a partition that was wanted. `look` reads it of all of these partitions,
    /// and gives it in their order.
    ///
    /// # Errors
    /// What `look` says.
    ///
    /// # Panics
    /// When the partition was not wanted.
    pub(super) fn fetch<E>(
        &self,
        partition: u16,
        look: impl FnOnce(&[u16]) -> Result<Vec<T>, E>,
    ) -> Result<T, E> {
        let mut read = lock(&self.read);
        if !read.contains_key(&partition) {
            let wanted: Vec<u16> = std::mem::take(&mut *lock(&self.wanted)).into_iter().collect();
            let found = look(&wanted)?;
            read.extend(wanted.into_iter().zip(found));
        }
        let Some(found) = read.remove(&partition) else {
            panic!("partition {partition} fetches what it never wanted")
        };
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_all(numbers: &[u16]) -> Result<Vec<String>, ()> {
        Ok(numbers.iter().map(|number| format!("those of {number}")).collect())
    }

    #[test]
    fn what_is_wanted_together_is_read_once_and_each_has_its_own() {
        let looks = Looks::default();
        for partition in [7, 3, 9] {
            looks.want(partition);
        }
        let seen = Mutex::new(Vec::new());
        let look = |numbers: &[u16]| {
            lock(&seen).push(numbers.to_vec());
            of_all(numbers)
        };
        assert_eq!(looks.fetch(9, look).as_deref(), Ok("those of 9"));
        // One that comes later was not read yet, and those that were are not read again.
        looks.want(4);
        for partition in [3, 7, 4] {
            assert_eq!(looks.fetch(partition, look), Ok(format!("those of {partition}")));
        }
        assert_eq!(*lock(&seen), [vec![3, 7, 9], vec![4]]);
    }

    #[test]
    fn what_is_wanted_again_is_read_again() {
        let looks = Looks::default();
        for nth in 1..=2 {
            looks.want(5);
            assert_eq!(looks.fetch(5, |_| Ok::<_, ()>(vec![nth])), Ok(nth));
        }
    }
}
