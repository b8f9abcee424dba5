//! Why a document is not taken: the element, and one sentence with the remedy.

/// What kind of refusal it is, for whoever answers the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// No document that anybody should read further: HTTP 400.
    Document,
    /// No area, or one that cannot be told: 7103.
    Area,
    /// Not acceptable as an alert: 7108.
    Alert,
}

impl RefusalKind {
    /// The code of the broadcast interface; `None` where HTTP's 400 says it all.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::Document => None,
            Self::Area => Some(7103),
            Self::Alert => Some(7108),
        }
    }
}

/// A document that is not taken. Nothing of it is kept.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{element}: {sentence}")]
pub struct WarningRefusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// The element, as `info[2]/expires`, or `document`.
    pub element: String,
    /// Cause and remedy.
    pub sentence: String,
}

impl WarningRefusal {
    pub(super) fn document(sentence: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Document,
            element: "document".to_owned(),
            sentence: sentence.into(),
        }
    }

    pub(super) fn alert(element: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Alert, element: element.into(), sentence: sentence.into() }
    }

    pub(super) fn area(element: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Area, element: element.into(), sentence: sentence.into() }
    }
}
