//! JSON out, and refusals as `{"error": "one sentence"}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::control::store::StoreError;
use crate::control::store_thread::StoreGone;
use crate::io::figures::ControlError;

/// A refusal of the admin port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminError {
    /// Its HTTP status.
    pub status: StatusCode,
    /// Cause and remedy.
    pub sentence: String,
    /// Its code; 0 where it has none.
    pub code: u16,
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    code: u16,
}

fn is_zero(code: &u16) -> bool {
    *code == 0
}

/// A role that the caller has not.
pub(crate) const ROLE: u16 = 7112;

impl AdminError {
    /// A refusal with this status.
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into(), code: 0 }
    }

    /// 403: the caller has not the role for it.
    pub fn lacks_role(sentence: impl Into<String>) -> Self {
        Self { code: ROLE, ..Self::new(StatusCode::FORBIDDEN, sentence) }
    }

    /// 400: what was sent is wrong.
    pub fn bad_request(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }
}

impl std::fmt::Display for AdminError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let document = ErrorDocument { error: &self.sentence, code: self.code };
        let mut response = reply_json(self.status, &document);
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Exists(_)
            | StoreError::ChangedMeanwhile(_)
            | StoreError::HasContracts { .. }
            | StoreError::TokenOfAnother { .. }
            | StoreError::CertificateOfAnother { .. }
            | StoreError::TooManyTokens(_)
            | StoreError::TooManyTokensInAll
            | StoreError::CarrierExists(_)
            | StoreError::HasRoutes { .. }
            | StoreError::TooManyCarriers
            | StoreError::TooManyRoutes
            | StoreError::TooManyChoices(_)
            | StoreError::TooManySources
            | StoreError::TokenOfAnotherSource { .. }
            | StoreError::TooManyRegistrations => StatusCode::CONFLICT,
            StoreError::Audit(_) | StoreError::NoRoom(_) => StatusCode::INSUFFICIENT_STORAGE,
            StoreError::NotRegistered(_)
            | StoreError::NoCarrier(_)
            | StoreError::NoRoute
            | StoreError::NoSource(_)
            | StoreError::NoSuchToken { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ControlError> for AdminError {
    fn from(error: ControlError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<StoreGone> for AdminError {
    fn from(error: StoreGone) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

/// A response with this document.
pub fn reply_json(status: StatusCode, document: &impl Serialize) -> Response {
    match simd_json::to_vec(document) {
        Ok(mut body) => {
            body.push(b'\n');
            let media_type = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, media_type)], body).into_response()
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the answer cannot be written ({error})\n"))
                .into_response()
        }
    }
}
