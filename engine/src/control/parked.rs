//! Parked notifications (6101) on the admin port: `GET /notifications` lists them, `POST
//! /notifications/replay` sends them again, `POST /notifications/discard` lets them go. `?xpid=`
//! names one push client's; to discard those of all clients takes `?all=true`. The answer is a
//! list, oldest push of each shard first.

use crate::control::admin::{AdminError, Caller, Parameters, reply_json};
use crate::control::audit::Act;
use crate::control::engine::Engine;
use crate::shard::{ParkedAction, ParkedNotification};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wire::terms::calendar;
use wire::terms::ids::Xpid;

/// The routes.
pub fn router(control: Arc<dyn Engine>) -> Router {
    Router::new()
        .route("/notifications", get(list))
        .route("/notifications/replay", post(replay))
        .route("/notifications/discard", post(discard))
        .with_state(control)
}

/// Whose notifications.
#[derive(Deserialize)]
struct ParkedQuery {
    xpid: Option<String>,
}

async fn list(
    State(control): State<Arc<dyn Engine>>,
    Parameters(query): Parameters<ParkedQuery>,
) -> Result<Response, AdminError> {
    let xpid = xpid_of(query.xpid.as_deref())?;
    // The shards answer between two turns: waiting for them must not hold up the admin port.
    let listing = move || control.parked(xpid, ParkedAction::List);
    let parked = tokio::task::spawn_blocking(listing).await.map_err(|_| {
        AdminError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the listing ended badly: look into the log",
        )
    })??;
    Ok(answer(&parked))
}

async fn replay(
    caller: Caller,
    Parameters(query): Parameters<ParkedQuery>,
) -> Result<Response, AdminError> {
    let xpid = xpid_of(query.xpid.as_deref())?;
    let work = move |control: &dyn Engine| Ok(control.parked(xpid, ParkedAction::Replay)?);
    Ok(answer(&caller.act(act_on("replay", xpid), work).await?))
}

/// Whose notifications are let go.
#[derive(Deserialize)]
struct DiscardQuery {
    xpid: Option<String>,
    all: Option<bool>,
}

async fn discard(
    caller: Caller,
    Parameters(query): Parameters<DiscardQuery>,
) -> Result<Response, AdminError> {
    // What is discarded does not come back: nobody is to mean one client and forget to name it.
    if query.xpid.is_some() == query.all.unwrap_or_default() {
        return Err(AdminError::bad_request(
            "name whose notifications to discard: xpid=, or all=true",
        ));
    }
    let xpid = xpid_of(query.xpid.as_deref())?;
    let work = move |control: &dyn Engine| Ok(control.parked(xpid, ParkedAction::Discard)?);
    Ok(answer(&caller.act(act_on("discard", xpid), work).await?))
}

/// What the audit shows of an order about the parked notifications of one XPID, or of all.
fn act_on(verb: &str, xpid: Option<Xpid>) -> Act {
    let xpid = xpid.map_or_else(|| "all".to_owned(), |xpid| xpid.to_string());
    Act::new(format!("notify {verb} {xpid}"))
}

/// The XPID that the query names, if it names one.
fn xpid_of(text: Option<&str>) -> Result<Option<Xpid>, AdminError> {
    let wrong = || AdminError::bad_request("xpid is eleven digits");
    text.map(|text| Xpid::parse(text.as_bytes()).ok_or_else(wrong)).transpose()
}

fn answer(parked: &[ParkedNotification]) -> Response {
    reply_json(StatusCode::OK, &parked.iter().map(ParkedDocument::of).collect::<Vec<_>>())
}

/// A parked notification as the admin port shows it.
#[derive(Serialize, Deserialize, Debug)]
pub struct ParkedDocument {
    /// The shard that keeps it.
    pub shard: usize,
    /// The push's number within the shard.
    pub push: u64,
    /// Eleven digits.
    pub msn: String,
    /// Eleven digits.
    pub xpid: String,
    /// The client's reqid.
    pub reqid: String,
    /// The final code.
    pub code: String,
    /// The time in Japan, with its zone.
    pub ended: String,
    /// `E5`, `E7` or `E5+E7`.
    pub notifications: String,
    /// What stands in the way of its client's notifications at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl ParkedDocument {
    fn of(parked: &ParkedNotification) -> Self {
        let kinds = match (parked.complete, parked.cancellation) {
            (true, true) => "E5+E7",
            (true, false) => "E5",
            _ => "E7",
        };
        let reqid =
            parked.reqid.map(|reqid| String::from_utf8_lossy(reqid.as_bytes()).into_owned());
        Self {
            shard: parked.shard,
            push: parked.push_id,
            msn: parked.msn.to_string(),
            xpid: parked.xpid.to_string(),
            reqid: reqid.unwrap_or_default(),
            code: parked.code.to_string(),
            ended: calendar::jst_text(parked.ended_ms),
            notifications: kinds.to_owned(),
            why: parked.why.clone(),
        }
    }
}
