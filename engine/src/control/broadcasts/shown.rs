//! What of broadcasts and templates is shown to whom: figures to every role, what people are told
//! to whoever writes, agrees to or runs broadcasts alone.
//!
//! **Invariant:** every answer that holds a text goes through [`shown_to`]; a warning that nobody
//! was sent yet is no figure.

use super::audited::{digest_of, hide, hide_all};
use super::documents::{BroadcastDocument, ProgressDocument};
use super::report::BroadcastReport;
use crate::broadcast::audience::AddressedText;
use crate::broadcast::templates::TemplateDocument;
use crate::control::admin::Caller;

/// What may hold texts.
pub trait Telling {
    /// Puts the digest of every text in its place.
    fn hide_texts(&mut self);
}

/// What this one may see of it.
pub fn shown_to<T: Telling>(caller: &Caller, mut told: T) -> T {
    if !caller.sees_texts() {
        told.hide_texts();
    }
    told
}

impl<T: Telling> Telling for Vec<T> {
    fn hide_texts(&mut self) {
        self.iter_mut().for_each(T::hide_texts);
    }
}

impl Telling for AddressedText {
    fn hide_texts(&mut self) {
        self.text = digest_of(&self.text);
    }
}

impl Telling for BroadcastDocument {
    fn hide_texts(&mut self) {
        self.manifest = super::audited::manifest(&self.manifest);
        if let Some(check) = &mut self.check {
            check.addressed.texts.hide_texts();
            check.retraction.hide_texts();
            check.retraction_texts.iter_mut().for_each(hide);
        }
    }
}

impl Telling for ProgressDocument {
    fn hide_texts(&mut self) {
        self.document.hide_texts();
    }
}

impl Telling for BroadcastReport {
    fn hide_texts(&mut self) {
        self.document.hide_texts();
    }
}

impl Telling for TemplateDocument {
    fn hide_texts(&mut self) {
        for version in &mut self.versions {
            let texts = &mut version.texts;
            let all = [&mut texts.variants, &mut texts.retraction, &mut texts.release];
            all.into_iter().for_each(hide_all);
        }
    }
}
