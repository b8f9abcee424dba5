//! A broadcast in one request: a manifest and its recipients come in, are checked, and it starts.
//!
//! **Invariants:** only where its registration asks nobody to agree; each step is the same as by
//! itself, with its line in the audit; what is not started leaves neither a list nor a draft to be
//! started later.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::desk::BroadcastDesk;
use super::documents::BroadcastDocument;
use super::handling::{act, beside, stopping};
use super::list_documents::ListWanted;
use super::lists::{ImportWanted, Imported};
use super::parts::Parts;
use super::refusal::{APPROVAL, BroadcastRefusal, CHECK_OUTDATED, ROLE, TOO_MANY_REFUSED, refused};
use super::sight::XpidSight;
use super::taking_in::{options_of, take_in};
use super::wanted::StartWanted;
use crate::broadcast::areas::mesh::MESH_PARAMETER;
use crate::broadcast::limits::MANIFEST_OCTETS_MAX;
use crate::broadcast::manifest::{Leg, Manifest};
use crate::broadcast::variants::Text;
use crate::control::admin::Caller;
use crate::control::admin::reply::AdminError;
use crate::control::audit::Act;
use crate::control::now::wall_now;
use crate::control::roles::Role;
use crate::gateway::broadcasting::People;

/// What an audience calls the list that comes with it.
const UPLOAD: &str = "upload";
/// What such a list is for. A reqid may be any word, those that suppression lists have too.
const PURPOSE: &str = "one broadcast";
/// How a draft ended that one request was to start.
const FAILED: &str = "failed";
/// The parameter that every row has: the name of its area.
const OF_AREA: &str = "area";

/// How a manifest comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateQuery {
    /// `yes`: its recipients come with it, and it starts.
    start: Option<String>,
    charset: Option<String>,
    repair: Option<String>,
}

impl CreateQuery {
    /// Whether it says what only parts can be.
    pub(super) fn is_for_parts(&self) -> bool {
        self.start.is_some() || self.charset.is_some() || self.repair.is_some()
    }
}

/// What one request has started.
#[derive(Serialize)]
pub(super) struct Sent {
    #[serde(flatten)]
    document: BroadcastDocument,
    /// What became of the lines of its recipients' file.
    imported: Imported,
}

fn wrong(sentence: impl Into<String>) -> BroadcastRefusal {
    AdminError::bad_request(sentence).into()
}

/// Does all of it.
pub(super) async fn send(
    desk: Arc<BroadcastDesk>,
    caller: Caller,
    query: &CreateQuery,
    mut parts: Parts,
) -> Result<Sent, BroadcastRefusal> {
    if query.start.as_deref() != Some("yes") {
        return Err(wrong("parts are taken by ?start=yes alone: send the manifest by itself"));
    }
    if !caller.may(Role::Operator) {
        let sentence = "a start takes the role operator beside author: use such a token";
        return Err(refused(ROLE, sentence));
    }
    let options = options_of(query.charset.as_deref(), query.repair.as_deref())?;
    if parts.first().await?.as_deref() != Some("manifest") {
        return Err(wrong("the first part is the manifest: -F manifest=@FILE -F list=@FILE"));
    }
    let (octets, next) = parts.whole(MANIFEST_OCTETS_MAX).await?;
    if next.as_deref() != Some("list") {
        return Err(wrong("the part behind the manifest is the list: -F list=@FILE"));
    }
    let manifest = Manifest::read(&octets)?;
    let sight = XpidSight::of(&caller);
    let judged = manifest.clone();
    let wanted = beside(Arc::clone(&desk), move |desk| desk.may_send(&sight, &judged)).await?;
    // Whether the sender is still there or not, nothing is left half done.
    let task = tokio::spawn(async move {
        let line = Act::new("list create").after(&wanted);
        let make = move |desk: &BroadcastDesk, _: &str| desk.make_list_of_one(wanted);
        let list = act(&caller, Arc::clone(&desk), line, make).await?.list;
        let (of, by) = (list.clone(), caller.name.clone());
        let wanted = ImportWanted { list: of, base: None, may_be_empty: false, options, by };
        let sent = start(&desk, &caller, (manifest, wanted), parts.rest()).await;
        if sent.is_err() {
            let line = Act::new(format!("list remove {list}"));
            let removed = act(&caller, desk, line, move |desk, _| {
                desk.remove_list(&list, &XpidSight::whole())
            });
            if let Err(refusal) = removed.await {
                let error = refusal.sentence;
                tracing::warn!(error, "the list of a broadcast that did not start stays");
            }
        }
        sent
    });
    task.await.unwrap_or_else(|_| Err(stopping()))
}

async fn start(
    desk: &Arc<BroadcastDesk>,
    caller: &Caller,
    (mut manifest, wanted): (Manifest, ImportWanted),
    body: Body,
) -> Result<Sent, BroadcastRefusal> {
    let list = wanted.list.clone();
    let imported = take_in(Arc::clone(desk), caller.clone(), wanted, body).await?;
    if imported.is_refused() {
        let sentence = "too many lines of the list were refused, or it has no recipient, and \
                        nothing is sent: look at it with hayauma list check";
        return Err(refused(TOO_MANY_REFUSED, sentence));
    }
    for leg in manifest.legs.iter_mut().filter(|leg| leg.audience.list == UPLOAD) {
        leg.audience.list.clone_from(&list);
    }
    let draft = Arc::clone(desk).do_create(caller, manifest).await?.broadcast;
    match check_and_start(desk, caller, &draft).await {
        Ok(document) => Ok(Sent { document, imported }),
        Err(refusal) => {
            let (desk, broadcast) = (Arc::clone(desk), draft);
            // One that was started after all is not ended here.
            let ended = beside(desk, move |desk| desk.end_unstarted(&broadcast, FAILED));
            let _ = ended.await;
            Err(refusal)
        }
    }
}

async fn check_and_start(
    desk: &Arc<BroadcastDesk>,
    caller: &Caller,
    draft: &str,
) -> Result<BroadcastDocument, BroadcastRefusal> {
    let checked = Arc::clone(desk).do_check(caller, draft.to_owned()).await?;
    let Some(check) = checked.check else {
        return Err(refused(CHECK_OUTDATED, "its dry run was outdated meanwhile: send it again"));
    };
    let wanted = StartWanted { digest: check.digest, recipients: check.addressed.targeted };
    Arc::clone(desk).do_start(caller, draft.to_owned(), wanted).await
}

impl BroadcastDesk {
    /// Refuses what cannot be sent by one request, before its list is read; that list.
    fn may_send(
        &self,
        sight: &XpidSight,
        manifest: &Manifest,
    ) -> Result<ListWanted, BroadcastRefusal> {
        if !manifest.legs.iter().any(|leg| leg.audience.list == UPLOAD) {
            let place = Some("/legs/0/audience/list".to_owned());
            let sentence = "the list that comes with it is called upload: name it in a leg";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(BroadcastRefusal { place, status, ..wrong(sentence) });
        }
        let mut others = manifest.clone();
        others.legs.retain(|leg| leg.audience.list != UPLOAD);
        self.may_name(sight, &others)?;
        // They are read for the list's columns before all of it is looked at as a draft.
        manifest.legs.iter().try_for_each(|leg| sight.may_say(&leg.texts))?;
        if self.check_registration(manifest, wall_now())? != People::None {
            let sentence = format!(
                "somebody has to agree to broadcasts of {}: write a draft, check it and have it \
                 approved",
                manifest.xpid
            );
            return Err(refused(APPROVAL, sentence));
        }
        Ok(list_for(&self.written_out(manifest)?.0))
    }
}

/// The list that comes with a manifest: of its XPID, with the columns that its texts ask for.
fn list_for(manifest: &Manifest) -> ListWanted {
    let own = manifest.legs.iter().filter(|leg| leg.audience.list == UPLOAD);
    let parameters: BTreeSet<String> = own.flat_map(asked_of_rows).collect();
    ListWanted {
        name: format!("for {}", manifest.reqid),
        purpose: PURPOSE.to_owned(),
        consent: String::new(),
        parameters: parameters.into_iter().collect(),
        xpids: vec![manifest.xpid.clone()],
    }
}

/// Parameters of a leg's texts and conditions that nothing but a row can have.
fn asked_of_rows(leg: &Leg) -> Vec<String> {
    let texts = &leg.texts;
    let parsed: Vec<Text> =
        texts.variants.values().filter_map(|text| Text::parse(text).ok()).collect();
    let names = parsed.iter().flat_map(Text::parameters).map(str::to_owned);
    let is_rows = |name: &String| {
        let of_area = texts.area_parameters.values().any(|values| values.contains_key(name));
        name != OF_AREA && !texts.parameters.contains_key(name) && !of_area
    };
    // And the cell in which somebody lives, where shapes ask for that.
    let cell = leg.audience.within.as_ref().map(|_| MESH_PARAMETER.to_owned());
    names.filter(is_rows).chain(leg.audience.conditions.keys().cloned()).chain(cell).collect()
}
