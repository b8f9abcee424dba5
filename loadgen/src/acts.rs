//! What a request of a run is beside a plain push, and which answer it must get.
//!
//! A repeat sends an earlier push again, octet by octet the same; a cancel withdraws one; a bad
//! request breaks one rule of the interface and must be answered with that rule's code. The ledger
//! holds every answer against `Fault::code`.

/// Requests that a repeat or cancel looks back for its push, beyond the distance it was given.
pub const SUBJECT_STEPS_MAX: u64 = 64;

/// A share of a mix that is no plain push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// The same push again.
    Repeat {
        /// So many requests later, at least.
        after: u64,
    },
    /// A cancel of an earlier push.
    Cancel {
        /// So many requests later, at least.
        after: u64,
    },
    /// A request that must be refused.
    Bad(Fault),
}

/// What one request of a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// A push of its own.
    Push {
        /// Its shape in the mix.
        shape: usize,
    },
    /// Push `of` again.
    Repeat {
        /// Which.
        of: u64,
        /// Its shape.
        shape: usize,
    },
    /// The cancel of push `of`.
    Cancel {
        /// Which.
        of: u64,
        /// Its shape.
        shape: usize,
    },
    /// A request that must be refused.
    Bad(Fault),
}

impl Deed {
    /// The push that an answer to request `index` names.
    pub fn subject(&self, index: u64) -> u64 {
        match *self {
            Self::Repeat { of, .. } | Self::Cancel { of, .. } => of,
            Self::Push { .. } | Self::Bad(_) => index,
        }
    }

    /// What a report calls it, and the code it must get where there is only one.
    pub fn name(&self) -> (&'static str, Option<u16>) {
        match self {
            Self::Push { .. } => ("push", None),
            Self::Repeat { .. } => ("repeat", Some(1)),
            Self::Cancel { .. } => ("cancel", None),
            Self::Bad(fault) => (fault.name(), Some(fault.code())),
        }
    }
}

/// A rule that a bad request breaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// The body is not the flat form.
    NotFlat,
    /// `lifetime` is missing.
    ElementMissing,
    /// `lifetime` is 99.
    BadValue,
    /// `fncid` is 0901.
    UnknownFunction,
    /// `comway` is 9999.
    UnknownWay,
    /// `lifetime` twice.
    ElementTwice,
    /// The text is not UTF-8.
    NotUtf8,
    /// An XPID that is registered for nobody.
    UnknownXpid,
    /// An msn without a contract.
    NotContracted,
    /// The cancel of a push that was never sent.
    NoSuchPush,
    /// A text of more than ten segments.
    TooLong,
    /// No data.
    DataEmpty,
    /// Hex digits of an odd number.
    OddHex,
}

/// Every fault with its name in plans and the code that it must get.
pub const FAULTS: [(Fault, &str, u16); 13] = [
    (Fault::NotFlat, "not-flat", 1001),
    (Fault::ElementMissing, "element-missing", 1002),
    (Fault::BadValue, "bad-value", 1003),
    (Fault::UnknownFunction, "unknown-fncid", 1004),
    (Fault::UnknownWay, "unknown-comway", 1005),
    (Fault::ElementTwice, "element-twice", 1006),
    (Fault::NotUtf8, "not-utf-8", 1007),
    (Fault::UnknownXpid, "unknown-xpid", 2002),
    (Fault::NotContracted, "not-contracted", 2005),
    (Fault::NoSuchPush, "no-such-push", 3002),
    (Fault::TooLong, "too-long", 4001),
    (Fault::DataEmpty, "data-empty", 4003),
    (Fault::OddHex, "odd-hex", 4004),
];

impl Fault {
    /// The fault with this name; else a sentence.
    pub fn named(name: &str) -> Result<Self, String> {
        FAULTS.iter().find(|(_, known, _)| *known == name).map(|(fault, ..)| *fault).ok_or_else(
            || {
                let names: Vec<&str> = FAULTS.iter().map(|(_, name, _)| *name).collect();
                format!("\"{name}\" is no fault: choose {}.", names.join(", "))
            },
        )
    }

    /// Its name in plans.
    pub fn name(self) -> &'static str {
        FAULTS[self as usize].1
    }

    /// The code that a request with this fault must get.
    pub fn code(self) -> u16 {
        FAULTS[self as usize].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::{Mix, control_data};
    use wire::terms::code::Code;

    #[test]
    fn every_fault_has_its_own_name_and_a_code_that_the_interface_knows() {
        for (at, (fault, name, code)) in FAULTS.into_iter().enumerate() {
            assert_eq!((fault as usize, Fault::named(name)), (at, Ok(fault)));
            assert!(Code::parse(format!("{code:04}").as_bytes()).is_some(), "{code}");
        }
        assert!(Fault::named("odd").expect_err("no such fault").ends_with("odd-hex."));
    }

    #[test]
    fn repeats_and_cancels_are_about_an_earlier_push_and_have_their_share() {
        let shapes = Mix::sample().shapes().to_vec();
        let acts = [
            (Act::Repeat { after: 5 }, 1),
            (Act::Cancel { after: 30 }, 1),
            (Act::Bad(Fault::OddHex), 1),
        ];
        let mut shape = shapes[0].clone();
        (shape.weight, shape.data) = (7, control_data(9));
        let mix = Mix::with("own", vec![shape], &acts);
        for index in 0..10_000 {
            match mix.deed(3, index) {
                Deed::Repeat { of, .. } => {
                    assert!(of + 5 <= index && mix.deed(3, of) == Deed::Push { shape: 0 })
                }
                Deed::Cancel { of, .. } => {
                    assert!(of + 30 <= index && mix.deed(3, of).subject(of) == of)
                }
                Deed::Push { .. } | Deed::Bad(_) => {}
            }
        }
        let made = mix.composition(3, 10_000);
        assert_eq!(made.pushes + made.repeats + made.cancels + made.bad, 10_000);
        for share in [made.repeats, made.cancels, made.bad] {
            assert!((900..1_100).contains(&share), "{made:?}");
        }
    }
}
