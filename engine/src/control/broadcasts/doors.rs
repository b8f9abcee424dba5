//! The requests: who may what stands in the table of paths; each act is a line of the audit first.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::desk::BroadcastDesk;
use super::documents::{
    ApprovalWanted, CancelWanted, FollowerWanted, ListWanted, PaceWanted, StartWanted, WaveWanted,
};
use super::doing::{Follower, Halt, Judgement};
use super::handling::{Answer, Desk, act, beside, stopping};
use super::lists::ImportWanted;
use super::memory::SUPPRESSION;
use super::once::once;
use super::refusal::{BroadcastRefusal, ROLE, refused};
use super::results::{self, ResultsQuery};
use super::shown::shown_to;
use super::uploading::upload;
use super::{areas, sources, templates, warnings};
use crate::broadcast::limits::{IMPORTS_MAX, READINGS_MAX};
use crate::broadcast::lists::encoding::Charset;
use crate::broadcast::lists::reader::ReaderOptions;
use crate::broadcast::manifest::Manifest;
use crate::control::admin::reply::{AdminError, reply_json};
use crate::control::admin::{Caller, Document, IdentifierInPath, Parameters, RecipientInPath};
use crate::control::audit::Act;
use crate::control::roles::Role;

/// The routes of lists and broadcasts.
pub fn router(desk: Arc<BroadcastDesk>) -> Router {
    Router::new()
        .route("/lists", get(show_lists).post(make_list))
        .route("/lists/{list}", get(show_list).delete(remove_list))
        .route("/lists/{list}/versions", put(import).post(change_list))
        .route("/broadcasts", get(show_all).post(create))
        .route("/broadcasts/{broadcast}", get(show).put(change))
        .route("/broadcasts/{broadcast}/check", post(check))
        .route("/broadcasts/{broadcast}/approve", post(approve))
        .route("/broadcasts/{broadcast}/reject", post(reject))
        .route("/broadcasts/{broadcast}/start", post(start))
        .route("/broadcasts/{broadcast}/pause", post(pause))
        .route("/broadcasts/{broadcast}/resume", post(resume))
        .route("/broadcasts/{broadcast}/cancel", post(cancel))
        .route("/broadcasts/{broadcast}/pace", patch(set_pace))
        .route("/broadcasts/{broadcast}/wave", post(open_wave))
        .route("/broadcasts/{broadcast}/retract", post(retract))
        .route("/broadcasts/{broadcast}/update", post(update))
        .route("/broadcasts/{broadcast}/recipients/{msn}", get(show_row).delete(withdraw_row))
        .route("/broadcasts/{broadcast}/results", get(show_results))
        .with_state(Arc::clone(&desk))
        .merge(areas::router(Arc::clone(&desk)))
        .merge(templates::router(Arc::clone(&desk)))
        .merge(sources::router())
        .merge(warnings::router(Arc::clone(&desk)))
        .route_layer(axum::middleware::from_fn_with_state(desk, once))
}

async fn show_lists(State(desk): Desk) -> Response {
    reply_json(StatusCode::OK, &desk.lists())
}

async fn make_list(
    State(desk): Desk,
    caller: Caller,
    Document(wanted): Document<ListWanted>,
) -> Answer {
    may_fill(&caller, &wanted.purpose)?;
    let line = Act::new("list create").after(&wanted);
    let made = act(&caller, desk, line, move |desk, _| desk.make_list(wanted)).await?;
    Ok(reply_json(StatusCode::CREATED, &made))
}

async fn show_list(State(desk): Desk, IdentifierInPath(list): IdentifierInPath) -> Answer {
    Ok(reply_json(StatusCode::OK, &desk.list(&list)?))
}

async fn remove_list(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(list): IdentifierInPath,
) -> Answer {
    let line = Act::new(format!("list remove {list}")).before(&desk.list(&list)?);
    let removed = act(&caller, desk, line, move |desk, _| desk.remove_list(&list)).await?;
    Ok(reply_json(StatusCode::OK, &removed))
}

/// Who may make and fill lists of a purpose: those on a suppression list get no broadcast, an
/// emergency neither, so whoever may only write drafts fills none.
fn may_fill(caller: &Caller, purpose: &str) -> Result<(), BroadcastRefusal> {
    if purpose != SUPPRESSION || caller.may(Role::Operator) {
        return Ok(());
    }
    let sentence = "a suppression list takes the role operator or admin: use such a token";
    Err(refused(ROLE, sentence))
}

/// How the file of a list is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    charset: Option<String>,
    repair: Option<String>,
    /// The version that is changed.
    base: Option<u32>,
    /// A version without any row is meant.
    #[serde(default)]
    empty: bool,
}

impl ImportQuery {
    fn options(&self) -> Result<ReaderOptions, AdminError> {
        let charset = match self.charset.as_deref() {
            None => Charset::default(),
            Some(name) => Charset::from_name(name).ok_or_else(|| {
                AdminError::bad_request("charset is utf-8, shift_jis, euc-jp or iso-8859-1")
            })?,
        };
        match self.repair.as_deref() {
            None | Some("leading-zero") => {}
            Some(_) => return Err(AdminError::bad_request("repair is leading-zero or nothing")),
        }
        let puts_zero_back = self.repair.is_some();
        Ok(ReaderOptions { charset, puts_zero_back, ..ReaderOptions::default() })
    }
}

async fn import(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(list): IdentifierInPath,
    Parameters(query): Parameters<ImportQuery>,
    body: Body,
) -> Answer {
    if query.base.is_some() {
        let sentence = "PUT brings a whole list: send changes of a version by POST";
        return Err(AdminError::bad_request(sentence).into());
    }
    take_version(desk, caller, (list, None), &query, body).await
}

async fn change_list(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(list): IdentifierInPath,
    Parameters(query): Parameters<ImportQuery>,
    body: Body,
) -> Answer {
    let Some(base) = query.base else {
        let sentence = "POST brings changes: say of which version, as ?base=3";
        return Err(AdminError::bad_request(sentence).into());
    };
    take_version(desk, caller, (list, Some(base)), &query, body).await
}

/// Hands the body to an import of its own thread, which stands back behind everything else.
async fn take_version(
    desk: Arc<BroadcastDesk>,
    caller: Caller,
    (list, base): (String, Option<u32>),
    query: &ImportQuery,
    body: Body,
) -> Answer {
    let (options, may_be_empty) = (query.options()?, query.empty);
    may_fill(&caller, &desk.list(&list)?.purpose)?;
    let Some(place) = place_in(&desk.imports, caller.may(Role::Operator)) else {
        let sentence = format!("{IMPORTS_MAX} lists are being taken in: wait until one is");
        return Err(AdminError::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into());
    };
    caller.record(Act::new(format!("list import {list} begins"))).await?;
    let by = caller.name.clone();
    let wanted = ImportWanted { list: list.clone(), base, may_be_empty, options, by };
    // It has its place until it is over, and its end is a line, whether the sender is still there
    // or not.
    let task = tokio::spawn(async move {
        let _place = place;
        let work = move |pieces| desk.import(wanted, pieces);
        let imported = upload("hayauma-import", body, work).await;
        let line = match &imported {
            Ok(imported) => Act::new(format!("list import {list} ends")).after(&imported.audited()),
            Err(refusal) => Act::new(format!("list import {list}")).failed(&refusal.sentence),
        };
        caller.note(line).await?;
        imported
    });
    let imported = task.await.unwrap_or_else(|_| Err(stopping()))?;
    Ok(reply_json(StatusCode::CREATED, &imported))
}

/// A place among those of one kind; the last one is kept for operators, whose lists and tables
/// others must not keep waiting.
fn place_in(places: &Arc<Semaphore>, is_operator: bool) -> Option<OwnedSemaphorePermit> {
    let place = Arc::clone(places).try_acquire_owned().ok()?;
    (is_operator || places.available_permits() > 0).then_some(place)
}

async fn show_all(State(desk): Desk, caller: Caller) -> Answer {
    Ok(reply_json(StatusCode::OK, &shown_to(&caller, desk.look_at_all().await?)))
}

async fn create(
    State(desk): Desk,
    caller: Caller,
    Document(manifest): Document<Manifest>,
) -> Answer {
    Ok(reply_json(StatusCode::CREATED, &desk.do_create(&caller, manifest).await?))
}

/// How much of a broadcast is shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    /// The figures of all of its areas.
    #[serde(default)]
    areas: bool,
}

async fn show(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Parameters(query): Parameters<ShowQuery>,
) -> Answer {
    let progress = desk.look_at(broadcast, query.areas).await?;
    Ok(reply_json(StatusCode::OK, &shown_to(&caller, progress)))
}

async fn change(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(manifest): Document<Manifest>,
) -> Answer {
    Ok(reply_json(StatusCode::OK, &desk.do_change(&caller, broadcast, manifest).await?))
}

async fn check(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Answer {
    Ok(reply_json(StatusCode::OK, &desk.do_check(&caller, broadcast).await?))
}

async fn approve(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<ApprovalWanted>,
) -> Answer {
    let of = (Judgement::Approve, broadcast);
    Ok(reply_json(StatusCode::OK, &desk.do_judge(&caller, of, wanted).await?))
}

async fn reject(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<ApprovalWanted>,
) -> Answer {
    let of = (Judgement::Reject, broadcast);
    Ok(reply_json(StatusCode::OK, &desk.do_judge(&caller, of, wanted).await?))
}

async fn start(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<StartWanted>,
) -> Answer {
    Ok(reply_json(StatusCode::ACCEPTED, &desk.do_start(&caller, broadcast, wanted).await?))
}

async fn pause(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Answer {
    halt(desk, caller, broadcast, Halt::Pause).await
}

async fn resume(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Answer {
    halt(desk, caller, broadcast, Halt::Resume).await
}

async fn cancel(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<CancelWanted>,
) -> Answer {
    halt(desk, caller, broadcast, Halt::Cancel(wanted)).await
}

async fn halt(desk: Arc<BroadcastDesk>, caller: Caller, broadcast: String, halt: Halt) -> Answer {
    Arc::clone(&desk).do_halt(&caller, broadcast.clone(), halt).await?;
    let progress = beside(desk, move |desk| desk.glance(&broadcast)).await?;
    Ok(reply_json(StatusCode::OK, &progress))
}

async fn set_pace(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<PaceWanted>,
) -> Answer {
    Arc::clone(&desk).do_pace(&caller, broadcast.clone(), wanted).await?;
    Ok(reply_json(StatusCode::OK, &desk.look_at(broadcast, false).await?))
}

async fn open_wave(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<WaveWanted>,
) -> Answer {
    Arc::clone(&desk).do_open_wave(&caller, broadcast.clone(), wanted).await?;
    Ok(reply_json(StatusCode::OK, &desk.look_at(broadcast, false).await?))
}

async fn retract(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<FollowerWanted>,
) -> Answer {
    let of = (Follower::Retraction, broadcast);
    Ok(reply_json(StatusCode::CREATED, &desk.do_follow(&caller, of, wanted).await?))
}

async fn update(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<FollowerWanted>,
) -> Answer {
    let of = (Follower::Update, broadcast);
    Ok(reply_json(StatusCode::CREATED, &desk.do_follow(&caller, of, wanted).await?))
}

async fn show_row(State(desk): Desk, RecipientInPath(broadcast, msn): RecipientInPath) -> Answer {
    let found = beside(desk, move |desk| desk.recipient(&broadcast, msn)).await?;
    Ok(reply_json(StatusCode::OK, &found))
}

async fn withdraw_row(
    State(desk): Desk,
    caller: Caller,
    RecipientInPath(broadcast, msn): RecipientInPath,
) -> Answer {
    Arc::clone(&desk).do_withdraw(&caller, broadcast.clone(), msn).await?;
    let found = beside(desk, move |desk| desk.recipient(&broadcast, msn)).await?;
    Ok(reply_json(StatusCode::OK, &found))
}

async fn show_results(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Parameters(query): Parameters<ResultsQuery>,
) -> Answer {
    let wanted = query.wanted()?;
    let Some(place) = place_in(&desk.readings, caller.may(Role::Operator)) else {
        let sentence = format!("{READINGS_MAX} tables are being read: wait until one is");
        return Err(AdminError::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into());
    };
    let (recipients, words) = beside(desk, move |desk| desk.words(&broadcast)).await?;
    let (media_type, body): (&str, Body) =
        results::stream(recipients, words, wanted, (place, results::PATIENCE));
    let media_type = HeaderValue::from_str(media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Ok(([(header::CONTENT_TYPE, media_type)], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_an_operators() {
        let places = Arc::new(Semaphore::new(2));
        let first = place_in(&places, false);
        assert!(first.is_some());
        assert!(place_in(&places, false).is_none(), "it is kept");
        assert!(place_in(&places, false).is_none(), "and was given back");
        let operators = place_in(&places, true);
        assert!(operators.is_some());
        assert!(place_in(&places, true).is_none());
        drop(first);
        assert!(place_in(&places, true).is_some());
    }
}
