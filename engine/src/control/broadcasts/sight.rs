//! Whose lists and broadcasts somebody sees: a token that is bound to XPIDs its own, as if there
//! were no others.
//!
//! **Never here:** what a role lets do (`control::admin`). **Invariants:** what is another's is
//! answered as what is not there, before anything is read of the request or written of it; whatever
//! a manifest names was seen by whoever wrote that into it.

use std::sync::Arc;

use axum::extract::{RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::desk::BroadcastDesk;
use super::documents::BroadcastDocument;
use super::handling::Desk;
use super::list_documents::{ListDocument, ListWanted};
use super::memory::SUPPRESSION;
use super::refusal::{BroadcastRefusal, LIST_NOT_READY, ROLE, refused, unknown};
use crate::broadcast::manifest::{Leg, Manifest, Texts};
use crate::control::admin::Caller;
use wire::terms::ids::Xpid;

/// What somebody sees.
#[derive(Clone, Debug)]
pub struct XpidSight {
    /// Of these XPIDs; none: of all.
    xpids: Arc<[Xpid]>,
}

impl XpidSight {
    /// Of whoever was let in.
    pub fn of(caller: &Caller) -> Self {
        Self { xpids: caller.xpids() }
    }

    /// Of everything.
    pub fn whole() -> Self {
        Self { xpids: Arc::default() }
    }

    /// Whether it is of everything.
    pub(super) fn is_whole(&self) -> bool {
        self.xpids.is_empty()
    }

    fn has(&self, xpid: &str) -> bool {
        let xpid = Xpid::parse(xpid.as_bytes());
        self.is_whole() || xpid.is_some_and(|xpid| self.xpids.contains(&xpid))
    }

    pub(super) fn sees_list(&self, list: &ListDocument) -> bool {
        self.is_whole() || list.xpids.iter().any(|xpid| self.has(xpid))
    }

    pub(super) fn sees_broadcast(&self, document: &BroadcastDocument) -> bool {
        self.has(&document.manifest.xpid)
    }

    /// Refuses texts that are somebody else's.
    pub(super) fn may_say(&self, texts: &Texts) -> Result<(), BroadcastRefusal> {
        if self.is_whole() || texts.template.is_none() { Ok(()) } else { Err(no_template()) }
    }

    /// A list as it is to be made: one that a bound token makes is of its XPIDs.
    pub(super) fn own(&self, wanted: ListWanted) -> Result<ListWanted, BroadcastRefusal> {
        if self.is_whole() {
            return Ok(wanted);
        }
        if wanted.purpose == SUPPRESSION {
            let sentence = "a suppression list holds for all XPIDs, and this token is bound to \
                            some: ask an operator";
            return Err(refused(ROLE, sentence));
        }
        let xpids = match wanted.xpids.is_empty() {
            true => self.xpids.iter().map(Xpid::to_string).collect(),
            false => wanted.xpids,
        };
        match xpids.iter().find(|xpid| !self.has(xpid)) {
            Some(xpid) => Err(not_own(xpid)),
            None => Ok(ListWanted { xpids, ..wanted }),
        }
    }
}

fn not_own(xpid: &str) -> BroadcastRefusal {
    let sentence = format!("this token is bound to XPIDs, and {xpid} is none of them: name one");
    refused(ROLE, sentence)
}

/// Answers as for what is not there, where a path names what somebody does not see.
pub(super) async fn within_sight(
    State(desk): Desk,
    names: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    match look(&desk, &names, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Whether whoever sends it sees what its path names.
///
/// # Errors
/// 404: there is nothing of that name, for this one.
pub fn look(
    desk: &BroadcastDesk,
    names: &RawPathParams,
    request: &Request,
) -> Result<(), BroadcastRefusal> {
    let Some(caller) = request.extensions().get::<Caller>() else { return Ok(()) };
    let sight = XpidSight::of(caller);
    for (kind, name) in names {
        match kind {
            "list" => desk.see_list(&sight, name)?,
            "broadcast" => desk.see_broadcast(&sight, name)?,
            _ => {}
        }
    }
    Ok(())
}

impl BroadcastDesk {
    /// # Errors
    /// It is not there, for this one.
    pub(super) fn see_list(&self, sight: &XpidSight, list: &str) -> Result<(), BroadcastRefusal> {
        let standing = self.standing();
        // Who sees everything is told by whoever looks for it.
        let is_seen = standing.lists.get(list).is_some_and(|list| sight.sees_list(list));
        if is_seen || sight.is_whole() { Ok(()) } else { Err(unknown("list")) }
    }

    fn see_broadcast(&self, sight: &XpidSight, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let standing = self.standing();
        let entry = standing.broadcasts.get(broadcast);
        let is_seen = entry.is_some_and(|entry| sight.sees_broadcast(&entry.document));
        if is_seen || sight.is_whole() { Ok(()) } else { Err(unknown("broadcast")) }
    }

    /// Refuses a manifest that names what its writer does not see.
    pub(super) fn may_name(
        &self,
        sight: &XpidSight,
        manifest: &Manifest,
    ) -> Result<(), BroadcastRefusal> {
        if !sight.has(&manifest.xpid) {
            let place = Some("/xpid".to_owned());
            return Err(BroadcastRefusal { place, ..not_own(&manifest.xpid) });
        }
        if sight.is_whole() {
            return Ok(());
        }
        for (at, leg) in manifest.legs.iter().enumerate() {
            self.may_name_in(sight, leg).map_err(|(within, refusal)| BroadcastRefusal {
                place: Some(format!("/legs/{at}/{within}")),
                ..refusal
            })?;
        }
        let prepared = manifest.retraction.as_ref().and_then(|prepared| prepared.texts.as_ref());
        prepared.map_or(Ok(()), |texts| sight.may_say(texts)).map_err(|refusal| {
            let place = Some("/retraction/texts/template".to_owned());
            BroadcastRefusal { place, ..refusal }
        })
    }

    fn may_name_in(
        &self,
        sight: &XpidSight,
        leg: &Leg,
    ) -> Result<(), (&'static str, BroadcastRefusal)> {
        let audience = &leg.audience;
        let of_waves = leg.waves.iter().flat_map(|wave| &wave.lists);
        let lists = [("audience/list", &audience.list)]
            .into_iter()
            .chain(audience.except.iter().map(|list| ("audience/except", list)))
            .chain(of_waves.map(|list| ("waves", list)));
        for (place, list) in lists {
            // As for a list that is not there.
            let not_there = |_| refused(LIST_NOT_READY, format!("{list}: there is no such list"));
            self.see_list(sight, list).map_err(not_there).map_err(|refusal| (place, refusal))?;
        }
        if let Some(of) = &audience.of {
            self.see_broadcast(sight, &of.broadcast).map_err(|refusal| ("audience/of", refusal))?;
        }
        sight.may_say(&leg.texts).map_err(|refusal| ("texts/template", refusal))
    }
}

fn no_template() -> BroadcastRefusal {
    let sentence = "templates are of all XPIDs, and this token is bound to some: write the texts";
    refused(ROLE, sentence)
}
