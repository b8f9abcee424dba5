//! What somebody at a door of the engine may do: one set of roles for every door.

use std::fmt;

/// What a token, or a peer, is let do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Sees figures: no msn, no text.
    Read,
    /// Sees msns.
    Numbers,
    /// Sees what is billed.
    Billing,
    /// Writes broadcasts.
    Author,
    /// Posts warnings of another system.
    Source,
    /// Approves broadcasts.
    Approver,
    /// Runs the engine: pauses and stops it, replays notifications, changes simulated lines.
    Operator,
    /// Everything, but approving what it wrote.
    Admin,
}

/// Every role with its name.
const NAMES: [(Role, &str); 8] = [
    (Role::Read, "read"),
    (Role::Numbers, "numbers"),
    (Role::Billing, "billing"),
    (Role::Author, "author"),
    (Role::Source, "source"),
    (Role::Approver, "approver"),
    (Role::Operator, "operator"),
    (Role::Admin, "admin"),
];

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Numbers,
        Self::Billing,
        Self::Author,
        Self::Source,
        Self::Approver,
        Self::Operator,
        Self::Admin,
    ];

    /// Its name in commands and documents.
    pub fn word(self) -> &'static str {
        NAMES.iter().find(|(role, _)| *role == self).map_or("", |(_, name)| name)
    }

    /// The role of this name; else one sentence.
    ///
    /// # Errors
    /// An unknown name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(role, _)| *role).ok_or_else(|| {
            let names = NAMES.map(|(_, name)| name).join(", ");
            format!("{text:?} is no role: use {names}")
        })
    }

    /// Whether whoever has this role may do what `asked` lets do.
    fn includes(self, asked: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operator => matches!(asked, Self::Read | Self::Numbers | Self::Operator),
            // A person may bring a warning too, as a draft.
            Self::Author => matches!(asked, Self::Read | Self::Source | Self::Author),
            other => asked == other || asked == Self::Read,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Roles that somebody has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RoleSet(u8);

impl RoleSet {
    /// The roles of these names, at least one; else one sentence.
    ///
    /// # Errors
    /// No name, or an unknown one.
    pub fn parse(names: &[impl AsRef<str>]) -> Result<Self, String> {
        if names.is_empty() {
            return Err("a token needs at least one role: name it with --role".to_owned());
        }
        let mut set = Self::default();
        for name in names {
            set = set.with(Role::parse(name.as_ref())?);
        }
        Ok(set)
    }

    /// With this role too.
    #[must_use]
    pub fn with(self, role: Role) -> Self {
        Self(self.0 | role.bit())
    }

    /// Whether these roles let do what `asked` lets do.
    pub fn allow(self, asked: Role) -> bool {
        self.roles().any(|role| role.includes(asked))
    }

    /// The names, in one order.
    pub fn words(self) -> Vec<String> {
        self.roles().map(|role| role.word().to_owned()).collect()
    }

    fn roles(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.0 & role.bit() != 0)
    }
}

impl fmt::Display for RoleSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_read_what_they_print_and_each_lets_do_its_own() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.word()), Ok(role));
            let set = RoleSet::default().with(role);
            assert!(set.allow(role) && set.allow(Role::Read), "{}", role.word());
            assert_eq!(RoleSet::parse(&set.words()), Ok(set));
        }
        assert_eq!(Role::ALL.map(Role::word), NAMES.map(|(_, name)| name));
        assert!(Role::parse("root").is_err_and(|said| said.contains("read, numbers")));
        assert!(RoleSet::parse(&[""; 0]).is_err());
        assert!(!RoleSet::default().allow(Role::Read));
    }

    #[test]
    fn only_the_administrator_has_everything() {
        let of = |role| RoleSet::default().with(role);
        for asked in Role::ALL {
            assert!(of(Role::Admin).allow(asked));
            assert_eq!(of(Role::Read).allow(asked), asked == Role::Read);
        }
        assert!(of(Role::Operator).allow(Role::Numbers) && !of(Role::Operator).allow(Role::Admin));
        assert!(!of(Role::Author).allow(Role::Approver) && !of(Role::Billing).allow(Role::Numbers));
    }
}
