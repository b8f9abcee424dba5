//! Places for work that is dear: so many at once, and of one caller fewer.
//!
//! **Never here:** the work, or waiting for a place. **Invariants:** a place is given back when its
//! holder is dropped; no caller has all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places of one kind.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    of_one: usize,
    held: Mutex<BTreeMap<String, usize>>,
}

/// A place that somebody has.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    caller: String,
}

impl Places {
    /// So many in all, and so many of them for one caller.
    pub(super) fn new(all: usize, of_one: usize) -> Arc<Self> {
        Arc::new(Self { all, of_one, held: Mutex::default() })
    }

    /// A place for this caller; `None` where there is none.
    pub(super) fn take(self: &Arc<Self>, caller: &str) -> Option<Place> {
        let mut held = self.held();
        let of_all: usize = held.values().sum();
        let of_caller = held.get(caller).copied().unwrap_or_default();
        if of_all >= self.all || of_caller >= self.of_one {
            return None;
        }
        held.insert(caller.to_owned(), of_caller + 1);
        drop(held);
        Some(Place { places: Arc::clone(self), caller: caller.to_owned() })
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if let Some(count) = held.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_all_places_and_what_is_given_back_is_there_again() {
        let places = Places::new(3, 2);
        let own: Vec<Place> = (0..2).map_while(|_| places.take("script")).collect();
        assert_eq!((own.len(), places.take("script").is_none()), (2, true));
        let other = places.take("somebody").expect("others have one");
        assert!(places.take("third").is_none(), "all are held");
        drop(own);
        assert!(places.take("script").is_some() && places.take("third").is_some());
        drop(other);
        assert_eq!(places.held().len(), 0);
    }
}
