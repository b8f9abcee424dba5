//! Browsers sign in with a token and get a cookie for it, and sign out.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use super::caller::{Access, Caller};
use super::door::Arrival;
use super::reply::AdminError;
use super::sessions::{COOKIE, SESSION_SECONDS, cookie_of, no_session};
use crate::control::audit::Act;
use crate::control::now::steady_now;
use crate::control::store_thread::StoreHandle;

/// Where browsers sign in and out.
#[derive(Clone)]
pub struct SignIn {
    access: Arc<Access>,
    store: StoreHandle,
    is_secure: bool,
}

impl SignIn {
    pub(super) fn new(access: Arc<Access>, store: StoreHandle, way: &Arrival) -> Self {
        Self { access, store, is_secure: way.secure }
    }

    /// Opens a session for whoever has this token: the line that sets its cookie. `None`: the token
    /// is none of this engine's.
    ///
    /// # Errors
    /// The audit cannot be written, or the system gives no random octets.
    pub async fn enter(&self, secret: &str) -> Result<Option<HeaderValue>, AdminError> {
        let Some((identity, token_sha256)) = self.access.of_secret(secret) else {
            return Ok(None);
        };
        Caller::new(identity, self.store.clone(), self.is_secure)
            .record(Act::new("sign in"))
            .await?;
        let opened = self.access.sessions().open(token_sha256, steady_now());
        let broken = |sentence| AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, sentence);
        let line = self.cookie(&opened.map_err(broken)?, SESSION_SECONDS);
        HeaderValue::from_str(&line).map(Some).map_err(|_| broken("no cookie".to_owned()))
    }

    /// Ends a request's session: the line that takes its cookie away.
    pub fn leave(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(cookie) = cookie_of(headers) {
            self.access.sessions().close(cookie);
        }
        let line = self.cookie("", 0);
        HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""))
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignIn {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(no_session)
    }
}
