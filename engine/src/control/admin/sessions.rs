//! Who is signed in with a browser: a token is given once, and a cookie stands for it for 12 hours.
//!
//! The cookie's value is kept as its SHA-256 only. It counts for as long as its token does: one
//! that is removed ends its sessions. Every form of a page carries a word of its sign-in alone,
//! so that no page of another site can fill one in.
//!
//! **Invariants:** at most [`SESSIONS_MAX`] sessions, [`SESSIONS_OF_ONE_MAX`] of one token; the
//! oldest goes. They end with the engine, and by the steady clock: one that is set back lengthens
//! none.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::reply::AdminError;
use crate::control::token;
use wire::terms::time::SteadyMs;

/// Sessions at a time.
const SESSIONS_MAX: usize = 1_000;
/// And of one token.
const SESSIONS_OF_ONE_MAX: usize = 20;
/// How long one lasts, in seconds.
pub(super) const SESSION_SECONDS: u64 = 12 * 3_600;
/// The cookie.
pub(super) const COOKIE: &str = "hayauma-session";

/// One browser.
#[derive(Debug)]
struct SignedInBrowser {
    cookie_sha256: [u8; 32],
    token_sha256: [u8; 32],
    form_word: Arc<str>,
    ends: SteadyMs,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions(VecDeque<SignedInBrowser>);

/// A request that came with a session's cookie.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What its forms carry.
    pub form_word: Arc<str>,
}

impl Sessions {
    /// Opens one for a token; the cookie's value.
    pub(super) fn open(&mut self, token_sha256: [u8; 32], now: SteadyMs) -> Result<String, String> {
        let (cookie, word) = (token::random_secret()?, token::random_secret()?);
        self.0.retain(|session| session.ends > now);
        // Whoever signs in again and again puts out nobody's sessions but its own.
        let is_own = |session: &SignedInBrowser| session.token_sha256 == token_sha256;
        if self.0.iter().filter(|session| is_own(session)).count() >= SESSIONS_OF_ONE_MAX {
            let oldest = self.0.iter().position(is_own);
            oldest.and_then(|oldest| self.0.remove(oldest));
        }
        if self.0.len() >= SESSIONS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(SignedInBrowser {
            cookie_sha256: Sha256::digest(&cookie).into(),
            token_sha256,
            form_word: word.into(),
            ends: now + SESSION_SECONDS * 1_000,
        });
        Ok(cookie)
    }

    /// The token of a cookie, and what its forms carry.
    pub(super) fn find(&self, cookie: &str, now: SteadyMs) -> Option<([u8; 32], SignedIn)> {
        let sha256: [u8; 32] = Sha256::digest(cookie).into();
        let is_it = |session: &&SignedInBrowser| {
            bool::from(session.cookie_sha256.ct_eq(&sha256)) && session.ends > now
        };
        let found = self.0.iter().find(is_it)?;
        Some((found.token_sha256, SignedIn { form_word: Arc::clone(&found.form_word) }))
    }

    pub(super) fn close(&mut self, cookie: &str) {
        let sha256: [u8; 32] = Sha256::digest(cookie).into();
        self.0.retain(|session| session.cookie_sha256 != sha256);
    }
}

/// The session's cookie among a request's.
pub(super) fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, COOKIE)
}

/// The value of a request's cookie of this name.
pub fn cookie_named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(no_session)
    }
}

pub(super) fn no_session() -> AdminError {
    AdminError::new(
        StatusCode::FORBIDDEN,
        "this is a page for browsers: sign in at /login; scripts use the paths without /dashboard",
    )
}

/// Whether a form carries its session's word.
pub(super) fn is_own_form(signed_in: &SignedIn, word: &str) -> bool {
    signed_in.form_word.as_bytes().ct_eq(word.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const AT: SteadyMs = SteadyMs::new(1);

    #[test]
    fn a_cookie_stands_for_its_token_until_its_time_is_over() {
        let mut sessions = Sessions::default();
        let cookie = sessions.open([7; 32], SteadyMs::new(1_000)).expect("random octets");
        let end = SteadyMs::new(1_000 + SESSION_SECONDS * 1_000);
        let (token, signed_in) = sessions.find(&cookie, end - 1).expect("it counts");
        assert!(token == [7; 32] && is_own_form(&signed_in, &signed_in.form_word));
        assert!(!is_own_form(&signed_in, "") && !is_own_form(&signed_in, &cookie));
        assert!(sessions.find(&cookie, end).is_none() && sessions.find("x", AT).is_none());
        sessions.close(&cookie);
        assert!(sessions.find(&cookie, AT).is_none());
    }

    #[test]
    fn sessions_without_end_put_the_oldest_out() {
        let mut sessions = Sessions::default();
        let first = sessions.open([1; 32], AT).expect("random octets");
        for number in 0..SESSIONS_MAX {
            let mut token = [2; 32];
            token[..8].copy_from_slice(&(number as u64).to_le_bytes());
            sessions.open(token, AT).expect("random octets");
        }
        assert!(sessions.0.len() == SESSIONS_MAX && sessions.find(&first, AT).is_none());
    }

    #[test]
    fn whoever_signs_in_without_end_puts_out_its_own_sessions_only() {
        let mut sessions = Sessions::default();
        let others = sessions.open([1; 32], AT).expect("random octets");
        let own = sessions.open([2; 32], AT).expect("random octets");
        for _ in 0..SESSIONS_MAX {
            sessions.open([2; 32], AT).expect("random octets");
        }
        assert!(sessions.find(&others, AT).is_some() && sessions.find(&own, AT).is_none());
        assert_eq!(sessions.0.len(), SESSIONS_OF_ONE_MAX + 1);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        for line in ["a=b; hayauma-session=one ; c=d", "hayauma-sessions=two"] {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        assert_eq!(cookie_of(&headers), Some("one"));
        assert_eq!(cookie_named(&headers, "c"), Some("d"));
        assert_eq!(cookie_named(&headers, "x"), None);
    }
}
