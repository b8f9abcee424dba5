//! What follows a broadcast in its chain: a retraction, an update.

use std::collections::BTreeMap;

use super::desk::{BroadcastDesk, DAMAGED_REMEDY, Entry};
use super::documents::{BroadcastDocument, FollowerWanted, ProgressDocument, Stage};
use super::refusal::{BroadcastRefusal, NOT_HIGHER, STATE, refused};
use crate::broadcast::manifest::{Areas, Expect, Manifest, OtherBroadcast, Texts};
use crate::broadcast::templates::TemplatePart;
use crate::broadcast::warnings::MAY_HAVE_IT;
use crate::control::admin::reply::AdminError;
use host::clock;
use wire::json;
use wire::terms::rfc3339::parse_rfc3339;

/// How long what follows is sent where the one before named a moment, in seconds.
const LIFETIME_SECONDS: u64 = 24 * 3_600;
/// The last number of a chain.
pub(super) const ALERTSEQ_MAX: u8 = 99;

impl BroadcastDesk {
    /// A draft of a retraction: to exactly those who have the text, or may have it.
    pub(super) fn retract(
        &self,
        (broadcast, new): (&str, String),
        wanted: FollowerWanted,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let manifest = self.manifest_of_retraction(broadcast, &wanted)?;
        self.create_follower(new, manifest, by)
    }

    /// What goes to exactly those who have the text, or may have it.
    pub(super) fn manifest_of_retraction(
        &self,
        broadcast: &str,
        wanted: &FollowerWanted,
    ) -> Result<Manifest, BroadcastRefusal> {
        let mut manifest = self.next_of_chain(broadcast, wanted)?;
        // Whoever has the text is to know as soon as can be, however few they are.
        manifest.hold_seconds = 0;
        manifest.expect = Expect::default();
        if manifest.deadline.take().is_some() {
            manifest.lifetime = Some(LIFETIME_SECONDS);
        }
        let templates = self.templates_of(broadcast)?;
        for leg in &mut manifest.legs {
            leg.waves.clear();
            leg.texts = match &wanted.texts {
                Some(texts) => with_fallback(texts, &leg.texts),
                None => retraction_of(&leg.texts, &templates)?,
            };
            // Whoever has it gets this, in whatever language.
            leg.audience.languages.clear();
            leg.audience.conditions.clear();
            // Whom the lists that are left out kept from it does not have it; whoever was put on
            // one since has it all the same.
            leg.audience.except.clear();
            leg.audience.of = Some(OtherBroadcast {
                broadcast: broadcast.to_owned(),
                outcomes: MAY_HAVE_IT.to_vec(),
            });
            leg.audience.areas = Some(Areas::Word("everywhere".to_owned()));
        }
        Ok(manifest)
    }

    /// A draft of the chain's next text, to the same audience.
    pub(super) fn update(
        &self,
        (broadcast, new): (&str, String),
        wanted: FollowerWanted,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let mut manifest = self.next_of_chain(broadcast, &wanted)?;
        let Some(texts) = wanted.texts else {
            let sentence = "an update says something else: give its texts, or another template";
            return Err(AdminError::bad_request(sentence).into());
        };
        for leg in &mut manifest.legs {
            leg.texts = texts.clone();
        }
        self.create_follower(new, manifest, by)
    }

    /// The versions of the templates that a started broadcast's texts are of.
    fn templates_of(&self, broadcast: &str) -> Result<BTreeMap<String, u32>, BroadcastRefusal> {
        let mut standing = self.standing();
        let check = standing.entry(broadcast)?.document.check.as_ref();
        Ok(check.map(|check| check.templates.clone()).unwrap_or_default())
    }

    fn next_of_chain(
        &self,
        broadcast: &str,
        wanted: &FollowerWanted,
    ) -> Result<Manifest, BroadcastRefusal> {
        let mut standing = self.standing();
        let document = &standing.entry(broadcast)?.document;
        if document.started.is_none() {
            return Err(refused(STATE, "the broadcast was never started"));
        }
        let mut manifest = document.manifest.clone();
        // The versions that it stood on: nobody else has its text.
        let pinned = document.check.iter().flat_map(|check| &check.lists);
        for (leg, (_, version, _)) in manifest.legs.iter_mut().zip(pinned) {
            leg.audience.version = Some(*version);
        }
        manifest.reqid.clone_from(&wanted.reqid);
        manifest.retraction = None;
        // A time of the one before is over by now, or about to be.
        "now".clone_into(&mut manifest.start);
        if wanted.lifetime.is_some() || !has_future(manifest.deadline.as_deref()) {
            let of_deadline = manifest.deadline.as_ref().map(|_| LIFETIME_SECONDS);
            let own = manifest.lifetime.or(of_deadline);
            (manifest.lifetime, manifest.deadline) = (wanted.lifetime.or(own), None);
        }
        if let Some(alertseq) = manifest.alertseq {
            if alertseq >= ALERTSEQ_MAX {
                return Err(refused(NOT_HIGHER, "the chain has come to 99: begin another"));
            }
            manifest.alertseq = Some(alertseq + 1);
        }
        Ok(manifest)
    }

    /// Every broadcast at this moment.
    pub(super) fn all(&self) -> Result<Vec<ProgressDocument>, BroadcastRefusal> {
        self.refresh()?;
        let standing = self.standing();
        let damaged = standing.damaged.iter();
        let damaged = damaged.filter_map(|(broadcast, why)| damaged_progress(broadcast, why));
        Ok(standing.broadcasts.values().map(Entry::progress).chain(damaged).collect())
    }
}

/// What is shown of a broadcast whose document cannot be read.
fn damaged_progress(broadcast: &str, why: &str) -> Option<ProgressDocument> {
    let nothing = br#"{"xpid":"","sender":"","class":"","reqid":"","legs":[]}"#;
    let manifest: Manifest = json::read(&mut nothing.to_vec()).ok()?;
    let document = BroadcastDocument {
        broadcast: broadcast.to_owned(),
        stage: Stage::Ended,
        author: String::new(),
        changed_by: Vec::new(),
        manifest,
        check: None,
        approvals: Vec::new(),
        scheduled: None,
        started: None,
        ordered: None,
        pace: None,
        waves: Vec::new(),
        retracting: None,
        ended: None,
        rows_are_gone: true,
        told: Vec::new(),
    };
    let progress = Entry::of(document).progress();
    let stopped_by = Some(format!("its document is damaged ({why}): {DAMAGED_REMEDY}"));
    Some(ProgressDocument { state: "damaged".to_owned(), stopped_by, ..progress })
}

/// Whether a deadline is still to come.
fn has_future(deadline: Option<&str>) -> bool {
    let deadline = deadline.and_then(parse_rfc3339);
    deadline.is_some_and(|deadline| deadline.ms() > clock::unix_ms())
}

/// Texts that reach everybody whom the ones before did: who got those by a fallback has no text in
/// a language of their own.
fn with_fallback(texts: &Texts, before: &Texts) -> Texts {
    let mut texts = texts.clone();
    if texts.fallback.is_empty() && texts.template.is_none() {
        let is_there = |language: &&String| texts.variants.contains_key(*language);
        texts.fallback = before.fallback.iter().filter(is_there).cloned().collect();
        if texts.fallback.is_empty() && texts.variants.len() == 1 {
            texts.fallback = texts.variants.keys().cloned().collect();
        }
    }
    texts
}

/// What the template of these texts has to take them back, of the version that was sent.
pub(super) fn retraction_of(
    texts: &Texts,
    versions: &BTreeMap<String, u32>,
) -> Result<Texts, BroadcastRefusal> {
    let Some(template) = &texts.template else {
        let sentence = "the broadcast is of no template that has a retraction: give its texts";
        return Err(AdminError::bad_request(sentence).into());
    };
    let name = template.split('@').next().unwrap_or_default();
    let version = versions.get(name).map(|version| format!("{name}@{version}"));
    Ok(Texts {
        template: Some(version.unwrap_or_else(|| template.clone())),
        part: TemplatePart::Retraction,
        ..texts.clone()
    })
}
