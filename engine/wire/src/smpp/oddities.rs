//! What a peer does otherwise than the specification says and was read all the same.

use std::fmt;

/// A set of oddities of one PDU; each is read around and counted.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Oddities(u16);

macro_rules! oddities {
    ($($constant:ident $bit:literal $name:literal $meaning:literal;)*) => {
        impl Oddities {
            $(#[doc = $meaning] pub const $constant: Self = Self(1 << $bit);)*

            /// Each one by itself with its name, as metrics have it.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$constant, $name)),*];
        }
    };
}

oddities! {
    SURPLUS_OCTET 0 "surplus_octet" "One octet stands behind the body.";
    NEEDLESS_BODY 1 "needless_body" "A body where none belongs.";
    MISSING_BODY 2 "missing_body" "An answer without error and without its body.";
    UNREADABLE_BODY 3 "unreadable_body" "An answer's body cannot be read.";
    UNTERMINATED 4 "unterminated" "The last text of a PDU has no NUL.";
    ADDRESS_OCTETS 5 "address_octets" "An address has octets beyond ASCII.";
    TIME_LENGTH 6 "time_length" "A time has not 16 characters.";
    TLV_LENGTH 7 "tlv_length" "A TLV's value has another length than its kind.";
    MESSAGE_CUT 8 "message_cut" "The short message or a TLV of a receipt is cut short.";
    SEQUENCE 9 "sequence" "The sequence number is 0 or above 7FFFFFFF.";
}

impl Oddities {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` are in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both where `so` holds.
    #[must_use]
    pub const fn with_if(self, so: bool, other: Self) -> Self {
        if so { self.with(other) } else { self }
    }

    /// The names of those that are in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().filter(move |(one, _)| self.has(*one)).map(|&(_, name)| name)
    }
}

impl fmt::Debug for Oddities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.names()).finish()
    }
}
