//! What follows a broadcast in its chain: a retraction, an update.

use std::collections::BTreeMap;

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, ProgressDocument, Stage};
use super::refusal::{BroadcastRefusal, NOT_HIGHER, STATE, refused};
use super::sight::XpidSight;
use super::standing::{DAMAGED_REMEDY, Entry};
use super::takes_back::TakesBack;
use super::wanted::{FollowerWanted, ReleaseWanted, UpdateWanted};
use crate::broadcast::manifest::{Areas, Expect, Leg, Manifest, OtherBroadcast, Retry, Texts};
use crate::broadcast::templates::TemplatePart;
use crate::broadcast::warnings::MAY_HAVE_IT;
use crate::control::admin::reply::AdminError;
use crate::control::now::wall_now;
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
        self.create_follower(new, manifest, (by, TakesBack::Other(broadcast.to_owned())))
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
        if wanted.lifetime.is_none() {
            // Who is away for a minute is told all the same.
            manifest.lifetime = manifest.lifetime.map(|own| own.max(LIFETIME_SECONDS));
        }
        manifest.retry = Retry::default();
        for (number, leg) in (0..).zip(&mut manifest.legs) {
            leg.texts = match &wanted.texts {
                Some(texts) => with_fallback(texts, &leg.texts),
                None => retraction_of(&leg.texts, &templates)?,
            };
            to_whoever_may_have_it((number, leg), broadcast);
        }
        Ok(manifest)
    }

    /// A draft of the chain's next text: to the same audience, or to another.
    pub(super) fn update(
        &self,
        (broadcast, new): (&str, String),
        wanted: UpdateWanted,
        (by, sight): (&str, &XpidSight),
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let has_legs = wanted.legs.is_some();
        if has_legs == wanted.texts.is_some() {
            let sentence = "an update says something else: give its texts, or legs with theirs";
            return Err(AdminError::bad_request(sentence).into());
        }
        let release = wanted.release.clone();
        let released = release.iter().filter_map(|release| release.texts.as_ref());
        let prepared = wanted.retraction.iter().filter_map(|prepared| prepared.texts.as_ref());
        let mut said = wanted.texts.iter().chain(released).chain(prepared);
        said.try_for_each(|texts| sight.may_say(texts))?;
        let mut manifest = self.manifest_of_update(broadcast, wanted)?;
        if has_legs {
            self.may_name(sight, &manifest)?;
        }
        if let Some(release) = release {
            // A recipient of several legs gets the first one's text: these are the last.
            manifest.legs.extend(self.released_legs(broadcast, &release)?);
        }
        self.create_follower(new, manifest, (by, TakesBack::Nothing))
    }

    /// Legs to those who have a broadcast's text, or may have it, and are told that it is over.
    fn released_legs(
        &self,
        broadcast: &str,
        release: &ReleaseWanted,
    ) -> Result<Vec<Leg>, BroadcastRefusal> {
        let templates = self.templates_of(broadcast)?;
        let next = FollowerWanted { reqid: String::new(), texts: None, lifetime: None };
        let mut legs = self.next_of_chain(broadcast, &next)?.legs;
        for (number, leg) in (0..).zip(&mut legs) {
            leg.texts = match &release.texts {
                Some(texts) => with_fallback(texts, &leg.texts),
                None => part_of(&leg.texts, &templates, TemplatePart::Release)?,
            };
            to_whoever_may_have_it((number, leg), broadcast);
        }
        Ok(legs)
    }

    fn manifest_of_update(
        &self,
        broadcast: &str,
        wanted: UpdateWanted,
    ) -> Result<Manifest, BroadcastRefusal> {
        let next = FollowerWanted {
            reqid: wanted.reqid,
            texts: None,
            lifetime: wanted.lifetime.filter(|_| wanted.deadline.is_none()),
        };
        let mut manifest = self.next_of_chain(broadcast, &next)?;
        if let Some(deadline) = wanted.deadline {
            // Both are refused as both of a manifest's are.
            (manifest.deadline, manifest.lifetime) = (Some(deadline), wanted.lifetime);
        }
        match (wanted.texts, wanted.legs) {
            (Some(texts), _) => {
                manifest.legs.iter_mut().for_each(|leg| leg.texts = texts.clone());
            }
            (None, Some(legs)) => manifest.legs = legs,
            (None, None) => {}
        }
        set(&mut manifest.class, wanted.class);
        set(&mut manifest.sender, wanted.sender);
        set(&mut manifest.start, wanted.start);
        set(&mut manifest.hold_seconds, wanted.hold_seconds);
        set(&mut manifest.pace, wanted.pace);
        set(&mut manifest.retry, wanted.retry);
        set(&mut manifest.expect, wanted.expect);
        set(&mut manifest.duplicates, wanted.duplicates);
        set(&mut manifest.segments_max, wanted.segments_max);
        manifest.on_doubt = wanted.on_doubt.or(manifest.on_doubt);
        manifest.suppression = wanted.suppression.or(manifest.suppression);
        manifest.retraction = wanted.retraction;
        Ok(manifest)
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

    /// What a broadcast takes back, and what takes it back: everybody who has its text, or may have
    /// it, and nobody else.
    pub fn taking_back_of(&self, document: &BroadcastDocument) -> TakingBack {
        let standing = self.standing();
        let named = |document: &BroadcastDocument| Named {
            broadcast: document.broadcast.clone(),
            reqid: document.manifest.reqid.clone(),
        };
        // A hand-written one may be of another's: whoever sees one of them may not see the other.
        let is_own = |other: &&BroadcastDocument| other.manifest.xpid == document.manifest.xpid;
        let takes_back = document.taken_back().and_then(|other| standing.broadcasts.get(other));
        let takes_back = takes_back.map(|entry| &entry.document).filter(is_own);
        let all = standing.broadcasts.values().map(|entry| &entry.document).filter(is_own);
        let others = all.filter(|other| other.taken_back() == Some(document.broadcast.as_str()));
        TakingBack { takes_back: takes_back.map(named), taken_back_by: others.map(named).collect() }
    }

    /// Every broadcast that somebody sees, at this moment. Of one whose document cannot be read
    /// nobody knows whose it is.
    pub(super) fn all(&self, sight: &XpidSight) -> Result<Vec<ProgressDocument>, BroadcastRefusal> {
        self.refresh_if_answered();
        let standing = self.standing();
        let damaged = standing.damaged.iter().filter(|_| sight.is_whole());
        let damaged = damaged.filter_map(|(broadcast, why)| damaged_progress(broadcast, why));
        let seen = standing.broadcasts.values();
        let seen = seen.filter(|entry| sight.sees_broadcast(&entry.document));
        let all = seen.map(Entry::progress).chain(damaged);
        Ok(all.map(|progress| self.as_here(progress)).collect())
    }
}

/// A broadcast by both its names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The identifier.
    pub broadcast: String,
    /// What its author calls it.
    pub reqid: String,
}

/// How a broadcast stands to those that take back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakingBack {
    /// The one that it takes back.
    pub takes_back: Option<Named>,
    /// Those that take it back, drafts too.
    pub taken_back_by: Vec<Named>,
}

/// A leg of a broadcast to those of its audience who have its text, or may have it.
fn to_whoever_may_have_it((number, leg): (u32, &mut Leg), broadcast: &str) {
    leg.waves.clear();
    // Whoever has it gets this, in whatever language, and wherever it is known to be by now.
    leg.audience.languages.clear();
    leg.audience.within = None;
    leg.audience.conditions.clear();
    // Whom the lists that are left out kept from it does not have it; whoever was put on one since
    // has it all the same.
    leg.audience.except.clear();
    leg.audience.of = Some(OtherBroadcast {
        broadcast: broadcast.to_owned(),
        outcomes: MAY_HAVE_IT.to_vec(),
        // Whoever got this leg's text, in the words that belong to it.
        leg: Some(number),
    });
    leg.audience.areas = Some(Areas::Word("everywhere".to_owned()));
}

fn set<T>(field: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *field = wanted;
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
        rejected_by: Vec::new(),
        manifest,
        check: None,
        approvals: Vec::new(),
        scheduled: None,
        started: None,
        ordered: None,
        pace: None,
        paces: Vec::new(),
        forgotten: 0,
        waves: Vec::new(),
        takes_back: TakesBack::Nothing,
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
    deadline.is_some_and(|deadline| deadline > wall_now())
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
    part_of(texts, versions, TemplatePart::Retraction)
}

/// Another part of the template of these texts, of the version that was sent.
fn part_of(
    texts: &Texts,
    versions: &BTreeMap<String, u32>,
    part: TemplatePart,
) -> Result<Texts, BroadcastRefusal> {
    let Some(template) = &texts.template else {
        let sentence = "the broadcast is of no template that has a retraction or a release: give \
                        its texts";
        return Err(AdminError::bad_request(sentence).into());
    };
    let name = template.split('@').next().unwrap_or_default();
    let version = versions.get(name).map(|version| format!("{name}@{version}"));
    Ok(Texts { template: Some(version.unwrap_or_else(|| template.clone())), part, ..texts.clone() })
}
