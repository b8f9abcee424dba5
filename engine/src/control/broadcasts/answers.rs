//! What is answered to a warning, and kept in its source's log.

use serde::{Deserialize, Serialize};
use wire::cap::alertid;
use wire::cap::draft::Draft;

/// Something odd, or something that a person has to know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WarningRemark {
    /// The element.
    pub element: String,
    /// What it is.
    pub sentence: String,
}

/// What became of a warning.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WarningAnswer {
    /// The source.
    pub source: String,
    /// Its sender and its name there.
    pub sender: String,
    /// Its name at the sender.
    pub identifier: String,
    /// `draft`, `scheduled`, `started`, `cancelled`, `waiting`, `judged`, `noted`, `dropped`.
    pub state: String,
    /// The broadcast that it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<String>,
    /// The broadcasts that it ended, or that a person has to end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<String>,
    /// The chain's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// Its place in the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertseq: Option<u8>,
    /// The class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Audiences with their texts.
    pub legs: usize,
    /// What keeps it from starting by itself.
    pub waits: Vec<String>,
    /// What was odd.
    pub warnings: Vec<WarningRemark>,
    /// Whether its signature proves anything.
    pub verified: String,
}

/// A line of a source's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoggedDocument {
    /// When it came, in Japan.
    pub at: String,
    /// What happens, in the source's word.
    pub event: String,
    /// What was answered.
    #[serde(flatten)]
    pub answer: WarningAnswer,
}

impl WarningAnswer {
    /// What can be said of every warning.
    pub(super) fn of(source: &str, draft: &Draft, state: &str) -> Self {
        let remark = |warning: &wire::cap::Warning| WarningRemark {
            element: warning.element.clone(),
            sentence: warning.sentence.clone(),
        };
        Self {
            source: source.to_owned(),
            sender: draft.sender.clone(),
            identifier: draft.identifier.clone(),
            state: state.to_owned(),
            broadcast: None,
            ends: Vec::new(),
            chain: draft.alertid.clone(),
            alertseq: None,
            class: draft.class.map(|class| format!("{:02}", class.number())),
            legs: draft.legs.len(),
            waits: draft.holds.iter().map(ToString::to_string).collect(),
            warnings: draft.warnings.all().iter().map(remark).collect(),
            verified: format!("not verified: {}", draft.not_verified),
        }
    }
}

/// The chain that a warning begins.
pub(super) fn own_chain(draft: &Draft) -> String {
    alertid(&draft.sender, &draft.identifier)
}
