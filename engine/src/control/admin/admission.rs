//! Whether whoever was let in still would be: for answers that go on for as long as somebody reads.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::caller::Access;
use super::door::Visitor;
use super::paths::PathRule;
use super::reply::AdminError;

/// What somebody was let in with.
#[derive(Clone)]
pub struct HeldAdmission {
    access: Arc<Access>,
    /// The token, or the session's cookie.
    headers: HeaderMap,
    visitor: Option<Visitor>,
    rule: &'static PathRule,
}

impl HeldAdmission {
    pub(super) fn new(
        access: Arc<Access>,
        headers: &HeaderMap,
        visitor: Option<Visitor>,
        rule: &'static PathRule,
    ) -> Self {
        let mut kept = HeaderMap::new();
        for name in [header::AUTHORIZATION, header::COOKIE] {
            for value in headers.get_all(&name) {
                kept.append(&name, value.clone());
            }
        }
        Self { access, headers: kept, visitor, rule }
    }

    /// Whether the token or the session counts still, and has the role.
    pub fn holds(&self) -> bool {
        let identified = self.access.identify(&self.headers, self.visitor.as_ref());
        identified.is_ok_and(|(identity, _)| {
            self.rule.needs.is_none_or(|role| identity.roles.allow(role))
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for HeldAdmission {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        let admission = parts.extensions.get::<Self>().cloned();
        admission.ok_or_else(|| {
            let sentence = "the request says not what it was let in with";
            AdminError::new(StatusCode::UNAUTHORIZED, sentence)
        })
    }
}
