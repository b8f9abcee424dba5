//! A source of warnings as it is registered: who it is, what its warnings become, what of that may
//! start by itself.
//!
//! **Invariants:** without a word of the registration nothing starts by itself; a source has a
//! token of its own, by whose name its warnings are known as its own.

use serde::{Deserialize, Serialize};
use wire::cap::Profile;
use wire::cap::limits::SEGMENTS_MAX_DEFAULT;
use wire::sms::relay::OriginatingAddress;
use wire::terms::ids::{Class, Xpid};

use super::token::check_name;
use crate::broadcast::limits::{HOLD_SECONDS_MAX, SOURCE_NAMES_MAX};
use crate::broadcast::templates::name_and_version;

/// The profile of a source that sends JMA's reports.
pub const JMA: &str = "jma";
/// The profile of a source that sends messages of L-Alert.
pub const LALERT: &str = "lalert";
/// A sender or a list, in characters.
const NAME_CHARACTERS_MAX: usize = 1_000;

/// What a source is registered with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// The name of the token by which it posts.
    pub token: String,
    /// What it sends: `cap`, `ipaws`, `cap-cp`, `cap-au`, `meteoalarm`, `jma`, `lalert`.
    pub profile: String,
    /// Whose contracts its broadcasts stand on.
    pub xpid: String,
    /// Who phones show as their sender.
    pub sender: String,
    /// The lists of their recipients, by identifier.
    pub lists: Vec<String>,
    /// The names by which it calls itself in its warnings, all of them one sender; none: whatever
    /// it says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<String>,
    /// The template that its texts are put into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Classes whose warnings start by themselves: `03`, `09`. None: every one is a draft.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<String>,
    /// Seconds between such a start and the first attempt, in which one word stops it.
    #[serde(default)]
    pub hold_seconds: u64,
    /// More recipients than that start nothing by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients_max: Option<u64>,
    /// Whether its exercises are broadcasts of class 09; otherwise they are judged only.
    #[serde(default)]
    pub exercises: bool,
    /// Short messages that a text may take.
    #[serde(default = "segments_max")]
    pub segments_max: u8,
    /// Who registered it last, for the approval of what starts by itself.
    #[serde(default)]
    pub registered_by: String,
}

fn segments_max() -> u8 {
    SEGMENTS_MAX_DEFAULT
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            token: String::new(),
            profile: "cap".to_owned(),
            xpid: String::new(),
            sender: String::new(),
            lists: Vec::new(),
            senders: Vec::new(),
            template: None,
            starts: Vec::new(),
            hold_seconds: 0,
            recipients_max: None,
            exercises: false,
            segments_max: SEGMENTS_MAX_DEFAULT,
            registered_by: String::new(),
        }
    }
}

/// A source as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceDocument {
    /// Its name.
    pub source: String,
    /// What it is registered with.
    #[serde(flatten)]
    pub settings: SourceSettings,
}

impl SourceSettings {
    /// Checks all that they say by themselves.
    ///
    /// # Errors
    /// One sentence about the first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        check_name(&self.token)?;
        if self.cap_profile().is_none() && ![JMA, LALERT].contains(&self.profile.as_str()) {
            let known = Profile::ALL.map(|(name, _)| name).join(", ");
            return Err(format!("the profile is none: give {known}, {JMA} or {LALERT}"));
        }
        Xpid::parse(self.xpid.as_bytes()).ok_or("xpid is no XPID: give 11 digits")?;
        if OriginatingAddress::parse(&self.sender).is_err() {
            return Err("a phone cannot show this sender: give 1 to 11 letters or digits".into());
        }
        if !(1..=SOURCE_NAMES_MAX).contains(&self.lists.len()) {
            return Err(format!("a source has 1 to {SOURCE_NAMES_MAX} lists: name them"));
        }
        if self.senders.len() > SOURCE_NAMES_MAX {
            return Err(format!("a source has at most {SOURCE_NAMES_MAX} names of its own"));
        }
        let mut names = self.lists.iter().chain(&self.senders);
        if names.any(|name| name.is_empty() || name.chars().nth(NAME_CHARACTERS_MAX).is_some()) {
            return Err("a list or a name of the source is empty or too long".to_owned());
        }
        if self.template.as_deref().is_some_and(|name| name_and_version(name).is_none()) {
            return Err("the template's name is none: give letters, digits and hyphens".to_owned());
        }
        if let Some(wrong) = self.starts.iter().find(|class| class_of(class).is_none()) {
            return Err(format!("{wrong:?} is no class: give 01, 02, 03 or 09"));
        }
        if self.hold_seconds > HOLD_SECONDS_MAX {
            return Err(format!("a start is held for at most {HOLD_SECONDS_MAX} s"));
        }
        if !(1..=10).contains(&self.segments_max) {
            return Err("a text takes 1 to 10 short messages".to_owned());
        }
        Ok(())
    }

    /// The rules that it keeps beside those of CAP; `None`: it sends something else.
    pub fn cap_profile(&self) -> Option<Profile> {
        Profile::from_name(&self.profile)
    }

    /// Whether a warning of this class starts by itself.
    pub fn starts(&self, class: Class) -> bool {
        self.starts.iter().any(|known| class_of(known) == Some(class))
    }

    /// The one name of whoever calls itself so: all names of a source are one sender.
    pub fn sender_of<'a>(&'a self, sender: &'a str) -> Option<&'a str> {
        match self.senders.first() {
            None => Some(sender),
            Some(first) => self.senders.iter().any(|known| known == sender).then_some(first),
        }
    }
}

fn class_of(word: &str) -> Option<Class> {
    let number = (word.len() == 2).then(|| word.parse().ok()).flatten();
    number.and_then(Class::from_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SourceSettings {
        SourceSettings {
            token: "county-cap".to_owned(),
            xpid: "00100000001".to_owned(),
            sender: "Town".to_owned(),
            lists: vec!["li-1".to_owned()],
            ..SourceSettings::default()
        }
    }

    #[test]
    fn what_a_source_cannot_be_is_named() {
        assert_eq!(settings().check(), Ok(()));
        type Change = fn(&mut SourceSettings);
        let changes: [(Change, &str); 9] = [
            (|source| source.token.clear(), "name"),
            (|source| source.profile = "atom".to_owned(), "profile"),
            (|source| source.xpid = "1".to_owned(), "11 digits"),
            (|source| source.sender = "x".repeat(12), "sender"),
            (|source| source.lists.clear(), "lists"),
            (|source| source.senders = vec![String::new()], "empty"),
            (|source| source.template = Some("a b".to_owned()), "template"),
            (|source| source.starts = vec!["3".to_owned()], "no class"),
            (|source| source.hold_seconds = 601, "held"),
        ];
        for (change, part) in changes {
            let mut source = settings();
            change(&mut source);
            let error = source.check().expect_err(part);
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn nothing_starts_by_itself_but_what_is_named_and_aliases_are_one_sender() {
        let plain = settings();
        assert!(!plain.starts(Class::Emergency) && !plain.starts(Class::Exercise));
        assert_eq!(plain.sender_of("anybody"), Some("anybody"));
        let mut own = settings();
        own.starts = vec!["03".to_owned()];
        own.senders = vec!["desk@town".to_owned(), "100000".to_owned()];
        assert!(own.starts(Class::Emergency) && !own.starts(Class::Urgent));
        assert_eq!(own.sender_of("100000"), Some("desk@town"));
        assert_eq!(own.sender_of("anybody"), None);
    }
}
