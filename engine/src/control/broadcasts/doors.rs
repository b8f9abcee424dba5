//! The requests: who may what stands in the table of paths; each act is a line of the audit first.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use serde::Deserialize;

use super::desk::BroadcastDesk;
use super::doing::{Halt, Judgement};
use super::handling::{Answer, Desk, act, beside, may_fill};
use super::list_documents::ListWanted;
use super::once::once;
use super::parts::{Parts, boundary_of};
use super::results::{self, ResultsQuery};
use super::sending::{CreateQuery, send};
use super::shown::shown_to;
use super::sight::{XpidSight, within_sight};
use super::taking_in::{ImportQuery, place_in, take_version};
use super::wanted::{
    ApprovalWanted, CancelWanted, FollowerWanted, PaceWanted, StartWanted, UpdateWanted, WaveWanted,
};
use super::{areas, forgetting, sources, templates, versions, warnings};
use crate::broadcast::limits::READINGS_MAX;
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
        .merge(versions::router(Arc::clone(&desk)))
        .merge(forgetting::router(Arc::clone(&desk)))
        .merge(areas::router(Arc::clone(&desk)))
        .merge(templates::router(Arc::clone(&desk)))
        .merge(sources::router())
        .merge(warnings::router(Arc::clone(&desk)))
        .route_layer(axum::middleware::from_fn_with_state(Arc::clone(&desk), once))
        .route_layer(axum::middleware::from_fn_with_state(desk, within_sight))
}

async fn show_lists(State(desk): Desk, caller: Caller) -> Response {
    reply_json(StatusCode::OK, &desk.lists(&XpidSight::of(&caller)))
}

async fn make_list(
    State(desk): Desk,
    caller: Caller,
    Document(wanted): Document<ListWanted>,
) -> Answer {
    may_fill(&caller, &wanted.purpose)?;
    let wanted = XpidSight::of(&caller).own(wanted)?;
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
    let sight = XpidSight::of(&caller);
    let removed = act(&caller, desk, line, move |desk, _| desk.remove_list(&list, &sight)).await?;
    Ok(reply_json(StatusCode::OK, &removed))
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
    let imported = take_version(desk, caller, (list, None), &query, body).await?;
    Ok(reply_json(StatusCode::CREATED, &imported))
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
    let imported = take_version(desk, caller, (list, Some(base)), &query, body).await?;
    Ok(reply_json(StatusCode::CREATED, &imported))
}

async fn show_all(State(desk): Desk, caller: Caller) -> Answer {
    let all = desk.look_at_all(&caller).await?;
    Ok(reply_json(StatusCode::OK, &shown_to(&caller, all)))
}

/// A draft, or with its recipients a broadcast that starts.
async fn create(
    State(desk): Desk,
    caller: Caller,
    Parameters(query): Parameters<CreateQuery>,
    request: Request,
) -> Answer {
    if let Some(boundary) = boundary_of(request.headers()) {
        let parts = Parts::new(request.into_body(), &boundary);
        let sent = send(desk, caller, &query, parts).await?;
        return Ok(reply_json(StatusCode::ACCEPTED, &sent));
    }
    if query.is_for_parts() {
        let sentence = "?start=yes takes parts: -F manifest=@FILE -F list=@FILE";
        return Err(AdminError::bad_request(sentence).into());
    }
    let Document(manifest) = Document::<Manifest>::from_request(request, &()).await?;
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
    glance(desk, broadcast).await
}

/// The answer to what is done: no error of a look stands behind it.
async fn glance(desk: Arc<BroadcastDesk>, broadcast: String) -> Answer {
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
    glance(desk, broadcast).await
}

async fn open_wave(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<WaveWanted>,
) -> Answer {
    Arc::clone(&desk).do_open_wave(&caller, broadcast.clone(), wanted).await?;
    glance(desk, broadcast).await
}

async fn retract(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<FollowerWanted>,
) -> Answer {
    Ok(reply_json(StatusCode::CREATED, &desk.do_retract(&caller, broadcast, wanted).await?))
}

async fn update(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<UpdateWanted>,
) -> Answer {
    Ok(reply_json(StatusCode::CREATED, &desk.do_update(&caller, broadcast, wanted).await?))
}

async fn show_row(
    State(desk): Desk,
    caller: Caller,
    RecipientInPath(broadcast, msn): RecipientInPath,
) -> Answer {
    let place = desk.place_to_search(&broadcast, &caller.name)?;
    let look = move |desk: &BroadcastDesk| {
        let _place = place;
        desk.recipient(&broadcast, msn)
    };
    let found = beside(desk, look).await?;
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
    let table = beside(desk, move |desk| desk.table(&broadcast)).await?;
    let (media_type, body): (&str, Body) =
        results::stream(table, wanted, (place, results::PATIENCE));
    let media_type = HeaderValue::from_str(media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Ok(([(header::CONTENT_TYPE, media_type)], body).into_response())
}
