//! What a broadcast takes back: what was written to take another back says so in its document.
//!
//! Whoever takes back what was wrong goes on when the alert's end stops all else of it. **Never
//! here:** who starts it. **Invariants:** to whom a broadcast goes tells nobody what it says, so
//! that is asked of documents alone that were written before they said it; a manifest of another
//! audience takes nothing back any more.

use serde::{Deserialize, Serialize};

use crate::broadcast::manifest::{Manifest, OtherBroadcast};
use crate::broadcast::warnings::MAY_HAVE_IT;

/// Which broadcast one takes back.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub enum TakesBack {
    /// Its document is from before they said it: the one whose text exactly those have, or may
    /// have, to whom it goes.
    #[default]
    AsAddressed,
    /// None.
    Nothing,
    /// The one of this identifier; of a whole chain its newest.
    Other(String),
}

impl From<Option<String>> for TakesBack {
    fn from(said: Option<String>) -> Self {
        said.map_or(Self::Nothing, Self::Other)
    }
}

impl From<TakesBack> for Option<String> {
    fn from(known: TakesBack) -> Self {
        match known {
            TakesBack::Other(other) => Some(other),
            TakesBack::AsAddressed | TakesBack::Nothing => None,
        }
    }
}

impl TakesBack {
    /// The broadcast that one of this manifest takes back.
    pub(super) fn of<'a>(&'a self, manifest: &'a Manifest) -> Option<&'a str> {
        match self {
            Self::AsAddressed => addressed(manifest),
            Self::Nothing => None,
            Self::Other(other) => Some(other),
        }
    }

    /// Whether a document does not say it.
    pub(super) fn is_unsaid(&self) -> bool {
        *self == Self::AsAddressed
    }

    /// The same of a draft of one manifest that has become another: to somebody else it takes
    /// nothing back.
    pub(super) fn changed_to(self, (before, after): (&Manifest, &Manifest)) -> Self {
        let is_same = addressed(after).is_some() && addressed(after) == addressed(before);
        if is_same { self } else { Self::Nothing }
    }
}

/// The broadcast to whose holders a manifest goes, and to nobody else; the first of several.
fn addressed(manifest: &Manifest) -> Option<&str> {
    let is_to_holders = |of: &&OtherBroadcast| of.outcomes == MAY_HAVE_IT;
    let mut all = manifest.legs.iter().map(|leg| leg.audience.of.as_ref().filter(is_to_holders));
    let first = all.next()??;
    all.all(|of| of.is_some()).then_some(first.broadcast.as_str())
}
