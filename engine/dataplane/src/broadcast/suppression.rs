//! Who wants no broadcasts: the numbers of all suppression lists, for a look when a row's turn
//! comes.

use wire::terms::ids::Msn;

/// A set of numbers, eight octets each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OptOuts {
    msns: Box<[u64]>,
    /// Of two sets the one with the higher number was made later.
    number: u64,
}

impl OptOuts {
    /// These numbers, in any order, each as often as it comes: the `number`th set since the start.
    pub fn of(msns: impl IntoIterator<Item = Msn>, number: u64) -> Self {
        let mut values: Vec<u64> = msns.into_iter().map(Msn::value).collect();
        values.sort_unstable();
        values.dedup();
        Self { msns: values.into_boxed_slice(), number }
    }

    /// Which set since the start it is.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// All of them.
    pub fn msns(&self) -> impl Iterator<Item = Msn> + '_ {
        self.msns.iter().filter_map(|value| Msn::from_value(*value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.msns.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.msns.is_empty()
    }

    /// Whether it is one of them.
    #[inline]
    pub fn contains(&self, msn: Msn) -> bool {
        !self.msns.is_empty() && self.msns.binary_search(&msn.value()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_suppressed_however_often_it_was_named() {
        let msn = |number: u64| Msn::from_value(9_000_000_000 + number).expect("an msn");
        let suppression = OptOuts::of([5, 1, 5, 9].map(msn), 1);
        assert_eq!(suppression.len(), 3);
        assert!([1, 5, 9].into_iter().all(|number| suppression.contains(msn(number))));
        assert!([0, 2, 10].into_iter().all(|number| !suppression.contains(msn(number))));
        assert!(!OptOuts::default().contains(msn(1)));
    }
}
