//! Two questions of whoever watches the engine: does it live, and does it take pushes at this
//! moment?
//!
//! Both are answered from what the shards show of themselves, without asking them: one that stands
//! still is told at once.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::AdminState;
use super::reply::{AdminError, reply_json};
use crate::io::figures::Obstacle;

#[derive(Serialize)]
struct NotReady {
    error: String,
    reasons: Vec<&'static str>,
}

/// `ok` while every shard makes its turns.
pub(super) async fn healthz(State(state): State<Arc<AdminState>>) -> Response {
    let stalled = state.control.stalled_shards();
    if stalled.is_empty() {
        return "ok\n".into_response();
    }
    let shards: Vec<String> = stalled.iter().map(usize::to_string).collect();
    let sentence = format!("no turn within the last second on shards: {}", shards.join(", "));
    AdminError::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
}

/// `ready` while pushes are taken, else what stands in their way.
pub(super) async fn readyz(State(state): State<Arc<AdminState>>) -> Response {
    let mut obstacles = state.control.obstacles();
    if !state.control.stalled_shards().is_empty() {
        obstacles.push(Obstacle::Stalled);
    }
    obstacles.sort_unstable();
    obstacles.dedup();
    if obstacles.is_empty() {
        return "ready\n".into_response();
    }
    let mut error = "no new push is taken".to_owned();
    for (place, obstacle) in obstacles.iter().enumerate() {
        let _ = write!(error, "{} {}", if place == 0 { ":" } else { "," }, obstacle.clause());
    }
    let reasons = obstacles.iter().map(|obstacle| obstacle.word()).collect();
    reply_json(StatusCode::SERVICE_UNAVAILABLE, &NotReady { error, reasons })
}
