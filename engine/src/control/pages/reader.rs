//! Who looks at a page: in which language, and as whom.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Here;
use super::tongue::Tongue;
use crate::broadcast::areas::AreaCatalogue;
use crate::control::admin::{AdminError, Caller, SignedIn};
use crate::control::roles::Role;

/// Whoever looks at a page.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) tongue: Tongue,
    /// The language was chosen by this request: it is remembered.
    pub(super) is_chosen: bool,
    /// `None` before it is known.
    pub(super) caller: Option<Caller>,
    /// What its forms carry; `None` where it cannot fill one in.
    pub(super) form_word: Option<Arc<str>>,
    /// The engine only looks on: nothing is sent from here.
    pub(super) looks_on: bool,
    /// What areas are called.
    pub(super) areas: Arc<AreaCatalogue>,
}

impl Reader {
    pub(super) fn say<'a>(&self, english: &'a str, japanese: &'a str) -> &'a str {
        self.tongue.say(english, japanese)
    }

    /// Whether it may do what this role lets do, by a form.
    pub(super) fn may(&self, role: Role) -> bool {
        self.form_word.is_some() && self.caller.as_ref().is_some_and(|caller| caller.may(role))
    }

    /// Whether it may see what people are told.
    pub(super) fn sees_texts(&self) -> bool {
        self.caller.as_ref().is_some_and(Caller::sees_texts)
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.caller.as_ref().map_or("", |caller| &caller.name)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        let here = parts.extensions.get::<Here>().cloned().unwrap_or_default();
        Ok(Self {
            tongue: Tongue::of(&parts.uri, &parts.headers),
            is_chosen: Tongue::chosen(&parts.uri).is_some(),
            caller: parts.extensions.get::<Caller>().cloned(),
            form_word: parts
                .extensions
                .get::<SignedIn>()
                .map(|signed_in| Arc::clone(&signed_in.form_word)),
            looks_on: here.looks_on,
            areas: here.areas,
        })
    }
}
