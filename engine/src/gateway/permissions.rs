//! The small sets that a registration is made of: service instruction values, classes and kinds.

use crate::ids::{Class, Kind};

/// Service instruction values: five delivery-control flags, per XPID, as digits `susp spam limit pscs roam`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Svcinst(u8);

impl Svcinst {
    /// The emergency preset 11111, by contract only.
    //= delivery flags preset
    pub const EMERGENCY: Self = Self(0b11111);

    /// Reads exactly five digits 0 or 1.
    //= delivery flags
    pub fn parse(text: &str) -> Option<Self> {
        let digits: &[u8; 5] = text.as_bytes().try_into().ok()?;
        digits
            .iter()
            .try_fold(0, |bits, digit| match digit {
                b'0' => Some(bits << 1),
                b'1' => Some(bits << 1 | 1),
                _ => None,
            })
            .map(Self)
    }

    /// The flags as the five lowest bits, `susp` the highest of them; other bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 0b11111)
    }

    /// The inverse of [`Self::from_bits`].
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Deliver although the operator suspended the line.
    pub fn suspended(self) -> bool {
        self.0 & 0b10000 != 0
    }

    /// Deliver although SMS spam blocking is set.
    pub fn spam(self) -> bool {
        self.0 & 0b01000 != 0
    }

    /// Deliver although the limit plan's usage is exceeded.
    pub fn limit(self) -> bool {
        self.0 & 0b00100 != 0
    }

    /// Send by the circuit-switched network while roaming out of the packet network, where the operator table
    /// says so.
    pub fn circuit_switched(self) -> bool {
        self.0 & 0b00010 != 0
    }

    /// Deliver while roaming internationally.
    pub fn roaming(self) -> bool {
        self.0 & 0b00001 != 0
    }

    /// The five digits.
    pub fn digits(self) -> [u8; 5] {
        [4, 3, 2, 1, 0].map(|bit| b'0' + (self.0 >> bit & 1))
    }
}

/// 00011: by operator information, and roaming allowed.
impl Default for Svcinst {
    fn default() -> Self {
        Self(0b00011)
    }
}

impl std::fmt::Display for Svcinst {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:05b}", self.0)
    }
}

impl std::fmt::Debug for Svcinst {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:05b}", self.0)
    }
}

const CLASSES: [(Class, &str); 4] = [
    (Class::Standard, "standard"),
    (Class::Urgent, "urgent"),
    (Class::Emergency, "emergency"),
    (Class::Exercise, "exercise"),
];

/// The classes that an XPID may push with; the standard class always belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClassSet(u8);

impl ClassSet {
    /// The standard class alone.
    pub const STANDARD: Self = Self(1);
    /// Every class.
    pub const ALL: Self = Self(0b1111);

    /// The set with `class` in it too.
    pub fn with(self, class: Class) -> Self {
        Self(self.0 | Self::bit(class))
    }

    /// Whether `class` belongs to it.
    pub fn contains(self, class: Class) -> bool {
        self.0 & Self::bit(class) != 0
    }

    /// Reads names separated by commas: `urgent,emergency`. `None` for an unknown name.
    pub fn parse(text: &str) -> Option<Self> {
        let mut set = Self::STANDARD;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            set = set.with(CLASSES.iter().find(|(_, known)| *known == name)?.0);
        }
        Some(set)
    }

    /// One bit a class, for storing: standard 1, urgent 2, emergency 4, exercise 8.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The inverse of [`Self::bits`]; other bits are dropped and the standard class is added.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0 | Self::STANDARD.0)
    }

    fn bit(class: Class) -> u8 {
        match class {
            Class::Standard => 1,
            Class::Urgent => 2,
            Class::Emergency => 4,
            Class::Exercise => 8,
        }
    }
}

impl Default for ClassSet {
    fn default() -> Self {
        Self::STANDARD
    }
}

impl std::fmt::Display for ClassSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = CLASSES.iter().filter(|(class, _)| self.contains(*class)).map(|(_, name)| *name);
        write_list(formatter, names)
    }
}

const KINDS: [(Kind, &str); 2] = [(Kind::Control, "control"), (Kind::Text, "text")];

/// The kinds that an XPID may push.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KindSet(u8);

impl KindSet {
    /// Control and text.
    pub const BOTH: Self = Self(0b11);
    /// Neither: a registration that can push nothing.
    pub const NONE: Self = Self(0);

    /// The set with `kind` in it too.
    pub fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind.number())
    }

    /// Whether `kind` belongs to it.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind.number() != 0
    }

    /// Reads names separated by commas: `control,text`. `None` for an unknown name.
    pub fn parse(text: &str) -> Option<Self> {
        let mut set = Self::NONE;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            set = set.with(KINDS.iter().find(|(_, known)| *known == name)?.0);
        }
        Some(set)
    }

    /// One bit a kind, for storing: control 1, text 2.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The inverse of [`Self::bits`]; other bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::BOTH.0)
    }
}

impl Default for KindSet {
    fn default() -> Self {
        Self::BOTH
    }
}

impl std::fmt::Display for KindSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = KINDS.iter().filter(|(kind, _)| self.contains(*kind)).map(|(_, name)| *name);
        write_list(formatter, names)
    }
}

fn write_list<'a>(
    formatter: &mut std::fmt::Formatter<'_>,
    names: impl Iterator<Item = &'a str>,
) -> std::fmt::Result {
    for (position, name) in names.enumerate() {
        formatter.write_str(if position == 0 { "" } else { "," })?;
        formatter.write_str(name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    //= delivery flags
    #[test]
    fn the_five_flags_are_five_digits() {
        let default = Svcinst::default();
        assert_eq!((&default.digits(), default.to_string().as_str()), (b"00011", "00011"));
        assert!(default.circuit_switched() && default.roaming());
        assert!(!default.suspended() && !default.spam() && !default.limit());
        assert_eq!(Svcinst::parse("11111"), Some(Svcinst::EMERGENCY));
        assert!(Svcinst::parse("10000").is_some_and(Svcinst::suspended));
        assert!(Svcinst::parse("01000").is_some_and(Svcinst::spam));
        assert!(Svcinst::parse("00100").is_some_and(Svcinst::limit));
        assert!(Svcinst::parse("00010").is_some_and(Svcinst::circuit_switched));
        assert!(Svcinst::parse("00001").is_some_and(Svcinst::roaming));
        for bits in 0..32 {
            let flags = Svcinst::from_bits(bits);
            assert_eq!(Svcinst::parse(&flags.to_string()), Some(flags));
            assert_eq!(Svcinst::from_bits(flags.bits() | 0xe0), flags);
        }
        for wrong in ["", "0001", "000111", "0002x", "00 11"] {
            assert_eq!(Svcinst::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sets_parse_what_they_print() {
        for bits in 0..16 {
            let set = ClassSet::from_bits(bits);
            assert!(set.contains(Class::Standard));
            assert_eq!(ClassSet::parse(&set.to_string()), Some(set));
        }
        assert_eq!(
            ClassSet::parse("urgent, exercise").map(|set| set.to_string()).as_deref(),
            Some("standard,urgent,exercise")
        );
        assert_eq!(ClassSet::parse("panic"), None);
        for bits in 0..4 {
            let set = KindSet::from_bits(bits);
            assert_eq!(KindSet::parse(&set.to_string()), Some(set));
        }
        assert_eq!(
            KindSet::parse("text").map(|set| (set.contains(Kind::Text), set.contains(Kind::Control))),
            Some((true, false))
        );
        assert_eq!(KindSet::parse("voice"), None);
    }
}
