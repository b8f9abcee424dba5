//! What a warning becomes: a draft of a broadcast, which names all that keeps it from starting by
//! itself.

use serde::{Serialize, Serializer};

use super::area::Area;
use super::message::{Format, Reference, Status, Warnings, instant};
use crate::terms::ids::Class;
use crate::terms::time::WallMs;

/// What the document asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum WarningAct {
    /// A new chain.
    NewChain,
    /// The chain's next text.
    Update,
    /// Every live broadcast of the chain ends.
    Cancel,
    /// Whom the chain may have reached hears that it is over.
    AllClear,
    /// A line in the chain's log.
    Note,
}

/// Whether anything may be sent at all.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Disposition {
    /// What is in the draft.
    Draft,
    /// Nothing, ever: why.
    NothingIsSent(String),
}

/// What keeps a draft from starting by itself: a person decides it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Hold {
    /// It updates or ends something and does not say what.
    #[error("it refers to no earlier message: say which chain it belongs to (7108)")]
    NoReferences,
    /// Its author says that it is not ready.
    #[error("its status is Draft: approve it")]
    NotReady,
    /// Urgency, severity and certainty, or the kind of report, give no class.
    #[error("no class can be told: give it one")]
    ClassUnknown,
    /// There is nothing to send.
    #[error("there is no text in {language}: write it, or set a template")]
    NoText {
        /// The language.
        language: String,
    },
    /// Nothing is ever cut.
    #[error(
        "the text in {language} takes {segments} short messages and {most} are allowed: shorten it"
    )]
    TooLong {
        /// The language.
        language: String,
        /// What it takes; 0 where ten are not enough.
        segments: u8,
        /// What is allowed.
        most: u8,
    },
    /// It holds for some and is over for others.
    #[error("it says both that a danger holds and that one is over: say who hears which")]
    BothWays,
    /// The catalogue of areas has to know the system.
    #[error(
        "areas are named in {system:?}, a system of codes that is not built in: load it (7103)"
    )]
    UnknownSystem {
        /// Its name in the document.
        system: String,
    },
    /// It is for some only.
    #[error("its scope is not Public: name the lists of those it is for")]
    NotPublic,
}

impl Serialize for Hold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a template may put in, each on one line.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Parts {
    /// What happens, in a word.
    pub event: String,
    /// Who says it.
    pub sender_name: String,
    /// The headline.
    pub headline: String,
    /// What to do.
    pub instruction: String,
    /// Where to read more.
    pub web: String,
    /// Where, for a person to read.
    pub area_desc: String,
}

impl Parts {
    /// The names that a template calls them by, with their values.
    pub fn named(&self) -> [(&'static str, &str); 6] {
        [
            ("event", &self.event),
            ("senderName", &self.sender_name),
            ("headline", &self.headline),
            ("instruction", &self.instruction),
            ("web", &self.web),
            ("areaDesc", &self.area_desc),
        ]
    }
}

/// One text, ready for its language.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Variant {
    /// A language tag.
    pub language: String,
    /// The text, on one line.
    pub text: String,
    /// The elements that it was made of.
    pub made_of: Vec<String>,
    /// `GSM 7-bit`, `UCS-2`; empty where there is no text.
    pub alphabet: String,
    /// Short messages it takes; 0 where it takes more than ten or there is no text.
    pub segments: u8,
    /// What it could be made of instead.
    #[serde(skip)]
    pub parts: Parts,
}

/// An audience and its texts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WarnedLeg {
    /// The class that its infos ask for by themselves.
    #[serde(serialize_with = "class_number")]
    pub class: Option<Class>,
    /// Who: those in these areas.
    pub area: Area,
    /// The texts, one a language.
    pub variants: Vec<Variant>,
}

/// A draft.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Draft {
    /// The form that the document came in.
    pub format: Format,
    /// Who sent it.
    pub sender: String,
    /// Its name at the sender.
    pub identifier: String,
    /// When it was sent.
    #[serde(serialize_with = "sent")]
    pub sent: WallMs,
    /// Whether it is meant.
    pub status: Status,
    /// What it asks for.
    pub act: WarningAct,
    /// Whether anything may be sent.
    pub disposition: Disposition,
    /// The chain's name on the air. `None` where it is that of the messages referred to, which
    /// the source's log knows.
    pub alertid: Option<String>,
    /// The source's own number of this message in its chain; a lower one that comes late is
    /// dropped.
    pub revision: Option<u32>,
    /// The messages referred to.
    pub references: Vec<Reference>,
    /// The class of the broadcast.
    #[serde(serialize_with = "class_number")]
    pub class: Option<Class>,
    /// What happens, in a word of the source's; empty where it does not say.
    pub event: String,
    /// When it starts; `None`: at once.
    #[serde(serialize_with = "instant")]
    pub start: Option<WallMs>,
    /// From when on nothing of it is attempted.
    #[serde(serialize_with = "instant")]
    pub deadline: Option<WallMs>,
    /// Lists of recipients that it is restricted to.
    pub lists: Vec<String>,
    /// Audiences with their texts, the gravest first: a recipient gets the first that it is in.
    pub legs: Vec<WarnedLeg>,
    /// Why its signature proves nothing: never a reason to refuse, and never enough to start.
    pub not_verified: &'static str,
    /// What keeps it from starting by itself.
    pub holds: Vec<Hold>,
    /// What was odd.
    pub warnings: Warnings,
}

fn class_number<S: Serializer>(class: &Option<Class>, serializer: S) -> Result<S::Ok, S::Error> {
    class.map(|class| format!("{:02}", class.number())).serialize(serializer)
}

fn sent<S: Serializer>(sent: &WallMs, serializer: S) -> Result<S::Ok, S::Error> {
    sent.ms().serialize(serializer)
}
