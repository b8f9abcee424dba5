//! What follows a broadcast in its chain: a retraction, an update.

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, FollowerWanted, ProgressDocument};
use super::refusal::{BroadcastRefusal, NOT_HIGHER, STATE, refused};
use crate::broadcast::manifest::{Areas, Manifest, OtherBroadcast};
use crate::broadcast::outcomes::Outcome;

/// Those who have a text, or may have it.
const MAY_HAVE_IT: [Outcome; 5] = [
    Outcome::Delivered,
    Outcome::Partial,
    Outcome::HandedOver,
    Outcome::InFlight,
    Outcome::InDoubt,
];
const ALERTSEQ_MAX: u8 = 99;

impl BroadcastDesk {
    /// A draft of a retraction: to exactly those who have the text, or may have it.
    pub(super) fn retract(
        &self,
        broadcast: &str,
        wanted: FollowerWanted,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let mut manifest = self.next_of_chain(broadcast, &wanted)?;
        for leg in &mut manifest.legs {
            leg.texts = wanted.texts.clone();
            // Whoever has it gets this, in whatever language.
            leg.audience.languages.clear();
            leg.audience.conditions.clear();
            leg.audience.of = Some(OtherBroadcast {
                broadcast: broadcast.to_owned(),
                outcomes: MAY_HAVE_IT.to_vec(),
            });
            leg.audience.areas = Some(Areas::Word("everywhere".to_owned()));
        }
        self.create(manifest, by)
    }

    /// A draft of the chain's next text, to the same audience.
    pub(super) fn update(
        &self,
        broadcast: &str,
        wanted: FollowerWanted,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let mut manifest = self.next_of_chain(broadcast, &wanted)?;
        for leg in &mut manifest.legs {
            leg.texts = wanted.texts.clone();
        }
        self.create(manifest, by)
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
        if wanted.lifetime.is_some() {
            (manifest.lifetime, manifest.deadline) = (wanted.lifetime, None);
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
        Ok(self.standing().broadcasts.values().map(|entry| entry.progress()).collect())
    }
}
