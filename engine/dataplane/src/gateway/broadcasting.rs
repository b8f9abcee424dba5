//! Whether a push client may send broadcasts, and how many people have to agree to one.

use serde::{Deserialize, Serialize};

/// What a registration says of broadcasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BroadcastRule {
    /// It sends none.
    #[default]
    No,
    /// Two people for an emergency and for what goes everywhere, else nobody has to agree.
    Class,
    /// Two people for each.
    Two,
    /// Somebody has to agree, and may be who wrote it.
    One,
    /// Nobody has to.
    None,
}

const WORDS: [(BroadcastRule, &str); 5] = [
    (BroadcastRule::No, "no"),
    (BroadcastRule::Class, "class"),
    (BroadcastRule::Two, "two"),
    (BroadcastRule::One, "one"),
    (BroadcastRule::None, "none"),
];

/// How many people stand behind a broadcast.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum People {
    /// Nobody has to agree.
    None,
    /// Somebody has to, and may be who wrote it.
    One,
    /// Who wrote it, and another who agrees.
    #[default]
    Two,
}

impl People {
    /// Whether they are two.
    pub fn are_two(&self) -> bool {
        *self == Self::Two
    }
}

impl BroadcastRule {
    /// Its word.
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(rule, _)| *rule == self).map_or("", |(_, word)| word)
    }

    /// The rule of this word; else one sentence.
    ///
    /// # Errors
    /// There is none.
    pub fn parse(word: &str) -> Result<Self, String> {
        let found = WORDS.iter().find(|(_, known)| *known == word).map(|(rule, _)| *rule);
        found.ok_or_else(|| format!("{word:?} is no rule of broadcasts: no, class, two, one, none"))
    }

    /// Who has to agree to a broadcast; `asks_for_two` says what its class and areas want. `None`:
    /// there may be none.
    pub fn people(self, asks_for_two: bool) -> Option<People> {
        match self {
            Self::No => None,
            Self::Class if asks_for_two => Some(People::Two),
            Self::Class | Self::None => Some(People::None),
            Self::Two => Some(People::Two),
            Self::One => Some(People::One),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_who_has_to_agree_and_is_read_as_it_is_written() {
        for (rule, word) in WORDS {
            assert_eq!((rule.word(), BroadcastRule::parse(word)), (word, Ok(rule)));
        }
        assert!(BroadcastRule::parse("three").is_err());
        let people = |rule: BroadcastRule| [false, true].map(|asks| rule.people(asks));
        assert_eq!(people(BroadcastRule::No), [None, None]);
        assert_eq!(people(BroadcastRule::Class), [Some(People::None), Some(People::Two)]);
        assert_eq!(people(BroadcastRule::Two), [Some(People::Two); 2]);
        assert_eq!(people(BroadcastRule::One), [Some(People::One); 2]);
        assert_eq!(people(BroadcastRule::None), [Some(People::None); 2]);
    }
}
