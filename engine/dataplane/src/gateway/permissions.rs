//! The small sets that a registration is made of: service instruction values, classes and kinds.

use wire::terms::ids::{Class, Kind};

/// The order in which a set names its classes.
const CLASSES: [Class; 4] = [Class::Standard, Class::Urgent, Class::Emergency, Class::Exercise];

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
            set = set.with(Class::from_word(name)?);
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
        let names = CLASSES.into_iter().filter(|class| self.contains(*class)).map(Class::word);
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
            KindSet::parse("text")
                .map(|set| (set.contains(Kind::Text), set.contains(Kind::Control))),
            Some((true, false))
        );
        assert_eq!(KindSet::parse("voice"), None);
    }
}
