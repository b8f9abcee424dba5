//! Templates: kept by name and version, and put in where a manifest names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::audited;
use super::desk::BroadcastDesk;
use super::handling::{Answer, Desk, act};
use super::refusal::{BroadcastRefusal, STATE, refused, unknown};
use super::shown::shown_to;
use crate::broadcast::limits::{TEMPLATE_VERSIONS_KEPT, TEMPLATES_MAX};
use crate::broadcast::manifest::{Manifest, Texts};
use crate::broadcast::templates::{
    TemplateDocument, TemplatePart, TemplateVersion, TemplateWanted, is_name, name_and_version,
};
use crate::control::admin::reply::{AdminError, reply_json};
use crate::control::admin::{Caller, Document, IdentifierInPath};
use crate::control::audit::Act;
use host::clock;
use wire::cap::missing_prefix;
use wire::terms::calendar;
use wire::terms::ids::Class;

/// The routes of templates.
pub(super) fn router(desk: Arc<BroadcastDesk>) -> Router {
    Router::new()
        .route("/templates", get(show_all))
        .route("/templates/{template}", get(show).put(put))
        .with_state(desk)
}

async fn show_all(State(desk): Desk, caller: Caller) -> Answer {
    let all: Vec<TemplateDocument> = desk.standing().templates.values().cloned().collect();
    Ok(reply_json(StatusCode::OK, &shown_to(&caller, all)))
}

async fn show(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(template): IdentifierInPath,
) -> Answer {
    let found = desk.standing().templates.get(&template).cloned();
    let found = found.ok_or_else(|| unknown("template"))?;
    Ok(reply_json(StatusCode::OK, &shown_to(&caller, found)))
}

async fn put(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(template): IdentifierInPath,
    Document(wanted): Document<TemplateWanted>,
) -> Answer {
    let line = desk.template_line(&template, &wanted);
    let work = move |desk: &BroadcastDesk, by: &str| desk.put_template(&template, wanted, by);
    Ok(reply_json(StatusCode::OK, &act(&caller, desk, line, work).await?))
}

/// Puts the word for an exercise in front of texts that do not begin with it.
fn say_exercise(texts: &mut Texts) {
    for (language, text) in &mut texts.variants {
        if let Some(prefix) = missing_prefix(text, language) {
            text.insert_str(0, prefix);
        }
    }
}

impl BroadcastDesk {
    /// What the audit has of another version of a template: no text, and what tells them apart.
    fn template_line(&self, name: &str, wanted: &TemplateWanted) -> Act {
        let before = {
            let standing = self.standing();
            let last = standing.templates.get(name).and_then(|known| known.versions.last());
            last.map(|last| audited::template(last.version, &last.texts))
        };
        let act = Act::new(format!("template put {name}"));
        let next = before.as_ref().map_or(1, |before| before.following(wanted));
        let act = before.iter().fold(act, Act::before);
        act.after(&audited::template(next, wanted))
    }

    /// Keeps another version of a template; the same texts again are no other version.
    pub(super) fn put_template(
        &self,
        name: &str,
        texts: TemplateWanted,
        by: &str,
    ) -> Result<TemplateDocument, BroadcastRefusal> {
        if !is_name(name) {
            let sentence = "a template's name is 1 to 40 letters, digits and hyphens";
            return Err(AdminError::bad_request(sentence).into());
        }
        texts.check().map_err(|error| {
            let sentence = error.to_string();
            BroadcastRefusal::from(AdminError::new(StatusCode::UNPROCESSABLE_ENTITY, sentence))
        })?;
        let mut standing = self.standing();
        let is_new = !standing.templates.contains_key(name);
        if is_new && standing.templates.len() >= TEMPLATES_MAX {
            return Err(refused(STATE, format!("there are {TEMPLATES_MAX} templates already")));
        }
        let mut document = standing.templates.get(name).cloned().unwrap_or_else(|| {
            TemplateDocument { template: name.to_owned(), versions: Vec::new() }
        });
        if document.versions.last().is_some_and(|last| last.texts == texts) {
            return Ok(document);
        }
        let version = document.versions.last().map_or(1, |last| last.version + 1);
        let at = calendar::jst_text(clock::unix_ms());
        document.versions.push(TemplateVersion { version, by: by.to_owned(), at, texts });
        let too_many = document.versions.len().saturating_sub(TEMPLATE_VERSIONS_KEPT);
        document.versions.drain(..too_many);
        self.shelf.make(&self.shelf.templates())?;
        self.shelf.keep_template(name, &document)?;
        standing.templates.insert(name.to_owned(), document.clone());
        Ok(document)
    }

    /// The version of a template that a manifest names.
    pub(super) fn template(&self, name: &str) -> Option<TemplateVersion> {
        let (name, version) = name_and_version(name)?;
        let standing = self.standing();
        let document = standing.templates.get(name)?;
        let found = match version {
            None => document.versions.last(),
            Some(version) => document.versions.iter().find(|known| known.version == version),
        };
        found.cloned()
    }

    /// A manifest with the texts of its templates written out, and the word for an exercise in
    /// front of those of one, which is what is checked, approved and sent; and the templates'
    /// versions.
    pub(super) fn written_out(
        &self,
        manifest: &Manifest,
    ) -> Result<(Manifest, BTreeMap<String, u32>), BroadcastRefusal> {
        let (mut manifest, mut versions) = (manifest.clone(), BTreeMap::new());
        for (at, leg) in manifest.legs.iter_mut().enumerate() {
            if leg.texts.template.is_some() {
                let place = format!("/legs/{at}/texts");
                let (name, version, texts) = self.texts_of_template(&leg.texts, &place)?;
                versions.insert(name, version);
                leg.texts = texts;
            }
        }
        if manifest.class() == Some(Class::Exercise) {
            manifest.legs.iter_mut().for_each(|leg| say_exercise(&mut leg.texts));
        }
        Ok((manifest, versions))
    }

    /// The template that texts name, its version, and the texts written out.
    fn texts_of_template(
        &self,
        texts: &Texts,
        place: &str,
    ) -> Result<(String, u32, Texts), BroadcastRefusal> {
        let wrong = |sentence: String| BroadcastRefusal {
            place: Some(format!("{place}/template")),
            ..AdminError::new(StatusCode::UNPROCESSABLE_ENTITY, sentence).into()
        };
        let name = texts.template.clone().unwrap_or_default();
        let version = self.template(&name).ok_or_else(|| {
            wrong(format!("there is no template {name:?}, or not that version: write it first"))
        })?;
        let what = match texts.part {
            TemplatePart::Variants => "text",
            TemplatePart::Retraction => "retraction",
            TemplatePart::Release => "release",
        };
        let variants = version.texts.part(texts.part).ok_or_else(|| {
            wrong(format!("the template {name:?} has no {what}: write one, or give texts"))
        })?;
        let fallback = match texts.fallback.is_empty() {
            true => version.texts.fallback.clone(),
            false => texts.fallback.clone(),
        };
        let written = Texts {
            variants: variants.clone(),
            fallback,
            template: None,
            part: TemplatePart::Variants,
            ..texts.clone()
        };
        let name = name_and_version(&name).map_or("", |(name, _)| name).to_owned();
        Ok((name, version.version, written))
    }
}
