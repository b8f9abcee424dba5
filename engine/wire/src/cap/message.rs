//! What a document says, in one form for all sources: [`super::judge`] turns it into a draft.

use serde::{Serialize, Serializer};

use super::area::Area;
use super::limits::WARNINGS_MAX;
use crate::terms::ids::Class;
use crate::terms::time::WallMs;

/// The form that a document came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Format {
    /// OASIS CAP 1.0 to 1.2.
    #[serde(rename = "CAP")]
    Cap,
    /// JMA's disaster information XML.
    #[serde(rename = "JMA")]
    Jma,
    /// L-Alert as its receivers hand it on.
    #[serde(rename = "L-Alert")]
    Lalert,
}

/// Whether it is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Status {
    /// The real thing.
    Actual,
    /// An exercise that its audience sees.
    Exercise,
    /// For the systems on the way.
    System,
    /// A test of the way: nobody else sees it.
    Test,
    /// Not ready.
    Draft,
}

/// What the document is to what came before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(super) enum Kind {
    /// Something new.
    Alert,
    /// Replaces what it refers to.
    Update,
    /// Takes back what it refers to.
    Cancel,
    /// One system's word to another: acknowledged, or an error.
    Note,
}

/// For whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Scope {
    /// Everybody.
    Public,
    /// Those that a rule names.
    Restricted,
    /// Those that are addressed.
    Private,
}

/// An earlier message that a document refers to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reference {
    /// Its sender.
    pub sender: String,
    /// Its identifier: together with the sender its name.
    pub identifier: String,
    /// When it was sent; `None` where that cannot be read. Another instant than the message has is
    /// worth a warning and no refusal.
    #[serde(serialize_with = "instant")]
    pub sent: Option<WallMs>,
}

/// How grave an info is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gravity {
    /// It asks for this class.
    Class(Class),
    /// The danger is over.
    AllClear,
    /// Nothing that anybody is alarmed for.
    Nothing,
    /// Cannot be told.
    Unknown,
}

/// A text that a source made for short messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Parameter {
    /// Its name at the source.
    pub name: String,
    /// The text.
    pub value: String,
}

/// One description of what happens, in one language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Info {
    /// A language tag, as `ja` or `fr-CA`.
    pub language: String,
    /// How grave it is.
    pub gravity: Gravity,
    /// From when on.
    pub effective: Option<WallMs>,
    /// Until when.
    pub expires: Option<WallMs>,
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
    /// Texts that the source made for short messages.
    pub parameters: Vec<Parameter>,
    /// Where.
    pub area: Area,
}

/// What a document says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Message {
    /// The form it came in.
    pub format: Format,
    /// Who sent it.
    pub sender: String,
    /// Its name at the sender.
    pub identifier: String,
    /// When it was sent.
    pub sent: WallMs,
    /// Whether it is meant.
    pub status: Status,
    /// What it is to what came before.
    pub kind: Kind,
    /// For whom.
    pub scope: Scope,
    /// Who is addressed, where it is not for everybody.
    pub addresses: Vec<String>,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// The name of its chain at the sender, where the source has one.
    pub chain: Option<String>,
    /// Its number within that chain, where the source counts.
    pub revision: Option<u32>,
    /// Its descriptions.
    pub infos: Vec<Info>,
    /// Whether it has a signature.
    pub is_signed: bool,
    /// What was odd and read all the same.
    pub warnings: Warnings,
}

/// Something odd that was read all the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Warning {
    /// The element.
    pub element: String,
    /// What was odd, and what was made of it.
    pub sentence: String,
}

/// The warnings about one document, bounded.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Warnings(Vec<Warning>);

impl Warnings {
    /// One more; beyond the bound the last one says that there are more.
    pub(super) fn add(&mut self, element: impl Into<String>, sentence: impl Into<String>) {
        let warning = Warning { element: element.into(), sentence: sentence.into() };
        match self.0.len() + 1 {
            count if count < WARNINGS_MAX => self.0.push(warning),
            WARNINGS_MAX => self.0.push(Warning {
                element: "document".to_owned(),
                sentence: "there are more warnings than are shown".to_owned(),
            }),
            _ => {}
        }
    }

    /// The warnings, in the order of the document.
    pub fn all(&self) -> &[Warning] {
        &self.0
    }
}

/// An instant as Unix milliseconds.
pub(super) fn instant<S: Serializer>(
    instant: &Option<WallMs>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    instant.map(WallMs::ms).serialize(serializer)
}
