//! One-bit facts about a push: a type for those of a live one and a type for those of an ended one,
//! so that neither is asked for what only the other has.

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        #[repr(transparent)]
        pub struct $name(u16);

        impl $name {
            /// No fact.
            pub const NONE: Self = Self(0);

            /// The fact that has this bit, 0 to 15.
            pub(super) const fn bit(number: u32) -> Self {
                Self(1 << number)
            }

            /// Both: these facts and those.
            pub const fn and(self, others: Self) -> Self {
                Self(self.0 | others.0)
            }

            /// Whether any of these facts is among them.
            pub const fn has(self, any: Self) -> bool {
                self.0 & any.0 != 0
            }

            /// Has all of these facts hold, or none.
            pub(super) const fn set(&mut self, all: Self, on: bool) {
                if on {
                    self.0 |= all.0;
                } else {
                    self.0 &= !all.0;
                }
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, others: Self) -> Self {
                self.and(others)
            }
        }
    )*};
}

flags! {
    /// What holds of a push in the slab; see [`flag`](crate::smsc::pushes::flag).
    PushFlags;
    /// What holds of a push that has ended; see [`ended_flag`](crate::smsc::ended::ended_flag).
    EndedFlags;
}

impl EndedFlags {
    /// The same bits: facts that a push keeps when it ends.
    pub(super) const fn of(push: PushFlags) -> Self {
        Self(push.0)
    }

    /// Those of them that are among these.
    pub(super) const fn only(self, these: Self) -> Self {
        Self(self.0 & these.0)
    }
}
