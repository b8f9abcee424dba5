//! Why something is not done with a list or a broadcast: a code of its own, one sentence, a place.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::broadcast::audience::AudienceError;
use crate::broadcast::life::IllegalStep;
use crate::broadcast::lists::delta::DeltaError;
use crate::broadcast::lists::import::ImportError;
use crate::broadcast::manifest::ManifestError;
pub(super) use crate::control::admin::reply::ROLE;
use crate::control::admin::reply::{AdminError, reply_json};
use crate::io::figures::ControlError;

/// A list is not ready.
pub(super) const LIST_NOT_READY: u16 = 7101;
/// Too many lines of it were refused.
pub(super) const TOO_MANY_REFUSED: u16 = 7102;
/// An area that is not known, or none at all.
pub(super) const AREA: u16 = 7103;
/// The dry run lacks, or is outdated.
pub(super) const CHECK_OUTDATED: u16 = 7104;
/// An approval lacks, or is one's own, or of something else.
pub(super) const APPROVAL: u16 = 7105;
/// Not what was expected.
pub(super) const NOT_EXPECTED: u16 = 7106;
/// A warning that is not acceptable as one.
pub(super) const ALERT: u16 = 7108;
/// Not in this state.
pub(super) const STATE: u16 = 7107;
/// An identifier that was used with other content.
pub(super) const REUSED: u16 = 7109;
/// Too many are live.
pub(super) const TOO_MANY_LIVE: u16 = 7110;
/// The alertseq is not higher than the chain's.
pub(super) const NOT_HIGHER: u16 = 7111;

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BroadcastRefusal {
    /// Its HTTP status.
    pub status: StatusCode,
    /// Its code; 0 where there is none.
    pub code: u16,
    /// Cause and remedy.
    pub sentence: String,
    /// Where in the manifest.
    pub place: Option<String>,
}

#[derive(Serialize)]
struct RefusalDocument<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none", rename = "where")]
    place: Option<&'a str>,
}

fn is_zero(code: &u16) -> bool {
    *code == 0
}

/// A refusal with the status that goes with its code.
pub(super) fn refused(code: u16, sentence: impl Into<String>) -> BroadcastRefusal {
    let status = match code {
        TOO_MANY_REFUSED | AREA | ALERT => StatusCode::UNPROCESSABLE_ENTITY,
        APPROVAL | ROLE => StatusCode::FORBIDDEN,
        TOO_MANY_LIVE => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    BroadcastRefusal { status, code, sentence: sentence.into(), place: None }
}

/// What is named is not there.
pub(super) fn unknown(what: &str) -> BroadcastRefusal {
    let sentence = format!("there is no {what} of this identifier");
    BroadcastRefusal { status: StatusCode::NOT_FOUND, code: 0, sentence, place: None }
}

impl IntoResponse for BroadcastRefusal {
    fn into_response(self) -> Response {
        let Self { status, code, sentence, place } = self;
        reply_json(status, &RefusalDocument { error: &sentence, code, place: place.as_deref() })
    }
}

impl From<AdminError> for BroadcastRefusal {
    fn from(error: AdminError) -> Self {
        Self { status: error.status, code: error.code, sentence: error.sentence, place: None }
    }
}

impl From<BroadcastRefusal> for AdminError {
    fn from(refusal: BroadcastRefusal) -> Self {
        Self { status: refusal.status, sentence: refusal.sentence, code: refusal.code }
    }
}

impl From<ControlError> for BroadcastRefusal {
    fn from(error: ControlError) -> Self {
        AdminError::from(error).into()
    }
}

impl From<ManifestError> for BroadcastRefusal {
    fn from(error: ManifestError) -> Self {
        let status = match error.code {
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
            None => StatusCode::BAD_REQUEST,
        };
        let code = error.code.unwrap_or_default();
        Self { status, code, sentence: error.to_string(), place: Some(error.place) }
    }
}

impl From<AudienceError> for BroadcastRefusal {
    fn from(error: AudienceError) -> Self {
        match error {
            AudienceError::Manifest(error) => error.into(),
            AudienceError::Disk(_) => disk(error.to_string()),
        }
    }
}

impl From<ImportError> for BroadcastRefusal {
    fn from(error: ImportError) -> Self {
        if error.is_of_disk() {
            return disk(error.to_string());
        }
        AdminError::bad_request(error.to_string()).into()
    }
}

impl From<DeltaError> for BroadcastRefusal {
    fn from(error: DeltaError) -> Self {
        match error {
            DeltaError::Import(error) => error.into(),
            DeltaError::Base { .. } => AdminError::bad_request(error.to_string()).into(),
        }
    }
}

impl From<IllegalStep> for BroadcastRefusal {
    fn from(error: IllegalStep) -> Self {
        refused(STATE, error.to_string())
    }
}

/// The disk does not take it, or does not give it back.
pub(super) fn disk(sentence: impl Into<String>) -> BroadcastRefusal {
    let status = StatusCode::INSUFFICIENT_STORAGE;
    BroadcastRefusal { status, code: 0, sentence: sentence.into(), place: None }
}

/// What the device gives back is not what was written.
pub(super) fn broken(sentence: impl Into<String>) -> BroadcastRefusal {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    BroadcastRefusal { status, code: 0, sentence: sentence.into(), place: None }
}

impl From<std::io::Error> for BroadcastRefusal {
    fn from(error: std::io::Error) -> Self {
        disk(format!(
            "the data directory cannot be written or read ({error}): free some space on its device \
             or correct its permissions, then try again"
        ))
    }
}
