//! Parked notifications (6101) on the admin port: `GET /notifications` lists them, `POST /notifications/replay` sends
//! them again. `?xpid=` names one push client's. The answer is a list, oldest push of
//! each shard first.

use crate::calendar;
use crate::ids::Xpid;
use crate::ops::control::ControlError;
use crate::shard::ParkedNotification;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// What a listing or a replay takes at most from each shard; the next one takes the rest.
pub const PARKED_LISTED_MAX: usize = 10_000;

/// The running engine, as far as parked notifications go.
pub trait ParkedControl: Send + Sync {
    /// Lists what is parked, or sends it again; only `xpid`'s if one is named.
    ///
    /// # Errors
    /// The engine is stopping or a shard does not answer.
    fn parked(&self, xpid: Option<Xpid>, replay: bool) -> Result<Vec<ParkedNotification>, ControlError>;
}

/// The routes.
pub fn router(control: Arc<dyn ParkedControl>) -> Router {
    Router::new()
        .route("/notifications", get(list))
        .route("/notifications/replay", post(replay))
        .with_state(control)
}

async fn list(
    State(control): State<Arc<dyn ParkedControl>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    answer(control, &query, false).await
}

async fn replay(
    State(control): State<Arc<dyn ParkedControl>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    answer(control, &query, true).await
}

async fn answer(control: Arc<dyn ParkedControl>, query: &HashMap<String, String>, replay: bool) -> Response {
    let xpid = match query.get("xpid").map(|text| Xpid::parse(text.as_bytes())) {
        None => None,
        Some(Some(xpid)) => Some(xpid),
        Some(None) => return refusal(StatusCode::BAD_REQUEST, "xpid is eleven digits"),
    };
    // The shards answer between two turns: waiting for them must not hold up the admin port.
    match tokio::task::spawn_blocking(move || control.parked(xpid, replay)).await {
        Ok(Ok(parked)) => json(StatusCode::OK, &parked.iter().map(ParkedDocument::of).collect::<Vec<_>>()),
        Ok(Err(error)) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the listing ended badly"),
    }
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
    /// YYYYMMDDhhmmss, Japan.
    pub ended: String,
    /// `E5`, `E7` or `E5+E7`.
    pub notifications: String,
}

impl ParkedDocument {
    fn of(parked: &ParkedNotification) -> Self {
        let kinds = match (parked.complete, parked.cancellation) {
            (true, true) => "E5+E7",
            (true, false) => "E5",
            _ => "E7",
        };
        let reqid = parked.reqid.map(|reqid| String::from_utf8_lossy(reqid.as_bytes()).into_owned());
        Self {
            shard: parked.shard,
            push: parked.push_id,
            msn: parked.msn.to_string(),
            xpid: parked.xpid.to_string(),
            reqid: reqid.unwrap_or_default(),
            code: parked.code.to_string(),
            ended: String::from_utf8_lossy(&calendar::jst_digits(parked.ended_ms)).into_owned(),
            notifications: kinds.to_owned(),
        }
    }
}

fn refusal(status: StatusCode, sentence: &str) -> Response {
    json(status, &HashMap::from([("error", sentence)]))
}

fn json(status: StatusCode, document: &impl Serialize) -> Response {
    match simd_json::to_vec(document) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
