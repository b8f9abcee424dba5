//! The requests: who may what stands in the table of paths; each act is a line of the audit first.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::desk::BroadcastDesk;
use super::documents::{
    ApprovalWanted, BroadcastDocument, CancelWanted, FollowerWanted, ListWanted, StartWanted,
};
use super::handling::{Answer, Desk, act, beside, stopping};
use super::lists::{ImportWanted, Piece};
use super::refusal::BroadcastRefusal;
use super::results::{self, ResultsQuery};
use super::{areas, sources, templates, warnings};
use crate::broadcast::life::End;
use crate::broadcast::lists::encoding::Charset;
use crate::broadcast::lists::reader::ReaderOptions;
use crate::broadcast::manifest::Manifest;
use crate::broadcast::slice::Order;
use crate::control::admin::reading::next_octets;
use crate::control::admin::reply::{AdminError, reply_json};
use crate::control::admin::{Caller, Document, IdentifierInPath, Parameters};
use crate::control::audit::Act;
use host::background::step_back;

/// Pieces of a file that wait for the import.
const PIECES_WAITING_MAX: usize = 64;

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
        .route("/broadcasts/{broadcast}/retract", post(retract))
        .route("/broadcasts/{broadcast}/update", post(update))
        .route("/broadcasts/{broadcast}/results", get(show_results))
        .with_state(Arc::clone(&desk))
        .merge(areas::router(Arc::clone(&desk)))
        .merge(templates::router(Arc::clone(&desk)))
        .merge(sources::router())
        .merge(warnings::router(desk))
}

/// As [`act`], of a broadcast, answered by its document.
async fn act_on(
    caller: &Caller,
    desk: Arc<BroadcastDesk>,
    (verb, broadcast): (&str, &str),
    work: impl FnOnce(&BroadcastDesk, &str) -> Result<BroadcastDocument, BroadcastRefusal>
    + Send
    + 'static,
) -> Answer {
    let line = Act::new(format!("broadcast {verb} {broadcast}"));
    let document = act(caller, desk, line, work).await?;
    Ok(reply_json(StatusCode::OK, &document))
}

async fn show_lists(State(desk): Desk) -> Response {
    reply_json(StatusCode::OK, &desk.lists())
}

async fn make_list(
    State(desk): Desk,
    caller: Caller,
    Document(wanted): Document<ListWanted>,
) -> Answer {
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

/// How the file of a list is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    charset: Option<String>,
    repair: Option<String>,
    /// The version that is changed.
    base: Option<u32>,
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
    take_version(desk, caller, (list, None), query.options()?, body).await
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
    take_version(desk, caller, (list, Some(base)), query.options()?, body).await
}

/// Hands the body to an import of its own thread, which stands back behind everything else.
async fn take_version(
    desk: Arc<BroadcastDesk>,
    caller: Caller,
    (list, base): (String, Option<u32>),
    options: ReaderOptions,
    mut body: Body,
) -> Answer {
    desk.list(&list)?;
    caller.record(Act::new(format!("list import {list} begins"))).await?;
    let (pieces, taken) = mpsc::channel(PIECES_WAITING_MAX);
    let (answer, answered) = tokio::sync::oneshot::channel();
    let wanted = ImportWanted { list: list.clone(), base, options, by: caller.name.clone() };
    let thread = std::thread::Builder::new().name("hayauma-import".to_owned());
    thread
        .spawn(move || {
            step_back();
            let _ = answer.send(desk.import(wanted, taken));
        })
        .map_err(|_| stopping())?;
    let mut is_taken = true;
    loop {
        let piece = next_octets(&mut body).await;
        let (piece, is_last) = match piece {
            Ok(Some(octets)) => (Piece::Octets(octets), false),
            Ok(None) => (Piece::End, true),
            // Without an end nothing is kept.
            Err(_) => break,
        };
        // An import that has failed takes no more: the rest is read and dropped.
        is_taken = is_taken && pieces.send(piece).await.is_ok();
        if is_last {
            break;
        }
    }
    drop(pieces);
    let imported = answered.await.map_err(|_| stopping())??;
    caller.note(Act::new(format!("list import {list} ends")).after(&imported)).await?;
    Ok(reply_json(StatusCode::CREATED, &imported))
}

async fn show_all(State(desk): Desk) -> Answer {
    Ok(reply_json(StatusCode::OK, &beside(desk, BroadcastDesk::all).await?))
}

async fn create(
    State(desk): Desk,
    caller: Caller,
    Document(manifest): Document<Manifest>,
) -> Answer {
    let line = Act::new("broadcast create").after(&manifest);
    let made = act(&caller, desk, line, move |desk, by| desk.create(manifest, by)).await?;
    Ok(reply_json(StatusCode::CREATED, &made))
}

async fn show(State(desk): Desk, IdentifierInPath(broadcast): IdentifierInPath) -> Answer {
    let progress = beside(desk, move |desk| desk.progress(&broadcast)).await?;
    Ok(reply_json(StatusCode::OK, &progress))
}

async fn change(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(manifest): Document<Manifest>,
) -> Answer {
    let line = Act::new(format!("broadcast change {broadcast}")).after(&manifest);
    let work = move |desk: &BroadcastDesk, by: &str| desk.change(&broadcast, manifest, by);
    Ok(reply_json(StatusCode::OK, &act(&caller, desk, line, work).await?))
}

async fn check(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Answer {
    caller.record(Act::new(format!("broadcast check {broadcast}"))).await?;
    let checked = beside(desk, move |desk| desk.check(&broadcast)).await?;
    Ok(reply_json(StatusCode::OK, &checked))
}

async fn approve(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<ApprovalWanted>,
) -> Answer {
    let named = broadcast.clone();
    act_on(&caller, desk, ("approve", &named), move |desk, by| {
        desk.approve(&broadcast, &wanted.digest, by)
    })
    .await
}

async fn reject(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<ApprovalWanted>,
) -> Answer {
    let named = broadcast.clone();
    act_on(&caller, desk, ("reject", &named), move |desk, _| {
        desk.reject(&broadcast, &wanted.digest)
    })
    .await
}

async fn start(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<StartWanted>,
) -> Answer {
    let line = Act::new(format!("broadcast start {broadcast}")).after(&wanted);
    let work = move |desk: &BroadcastDesk, by: &str| {
        desk.start(&broadcast, &wanted.digest, wanted.recipients, by)
    };
    Ok(reply_json(StatusCode::ACCEPTED, &act(&caller, desk, line, work).await?))
}

async fn pause(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Answer {
    order(desk, caller, ("pause", broadcast), Order::Pause, None).await
}

async fn resume(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Answer {
    order(desk, caller, ("resume", broadcast), Order::Resume, None).await
}

async fn cancel(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<CancelWanted>,
) -> Answer {
    let end = Order::End(End::Cancelled);
    order(desk, caller, ("cancel", broadcast), end, Some(wanted)).await
}

async fn order(
    desk: Arc<BroadcastDesk>,
    caller: Caller,
    (verb, broadcast): (&str, String),
    order: Order,
    why: Option<CancelWanted>,
) -> Answer {
    let line = Act::new(format!("broadcast {verb} {broadcast}"));
    let line = match &why {
        Some(why) => line.after(why),
        None => line,
    };
    let named = broadcast.clone();
    act(&caller, Arc::clone(&desk), line, move |desk, _| desk.order(&named, order)).await?;
    let progress = beside(desk, move |desk| desk.progress(&broadcast)).await?;
    Ok(reply_json(StatusCode::OK, &progress))
}

async fn retract(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<FollowerWanted>,
) -> Answer {
    let line = Act::new(format!("broadcast retract {broadcast}")).after(&wanted);
    let work = move |desk: &BroadcastDesk, by: &str| desk.retract(&broadcast, wanted, by);
    Ok(reply_json(StatusCode::CREATED, &act(&caller, desk, line, work).await?))
}

async fn update(
    State(desk): Desk,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Document(wanted): Document<FollowerWanted>,
) -> Answer {
    let line = Act::new(format!("broadcast update {broadcast}")).after(&wanted);
    let work = move |desk: &BroadcastDesk, by: &str| desk.update(&broadcast, wanted, by);
    Ok(reply_json(StatusCode::CREATED, &act(&caller, desk, line, work).await?))
}

async fn show_results(
    State(desk): Desk,
    IdentifierInPath(broadcast): IdentifierInPath,
    Parameters(query): Parameters<ResultsQuery>,
) -> Answer {
    let wanted = query.wanted()?;
    let (recipients, words) = beside(desk, move |desk| desk.words(&broadcast)).await?;
    let (media_type, body): (&str, Body) = results::stream(recipients, words, wanted);
    let media_type = HeaderValue::from_str(media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Ok(([(header::CONTENT_TYPE, media_type)], body).into_response())
}
