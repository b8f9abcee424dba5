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
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::reading::Parameters;
use super::reply::{AdminError, reply_json};
use crate::io::figures::Obstacle;
use wire::terms::ids::Class;

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

/// Which class is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadyQuery {
    class: Option<String>,
}

/// `ready` while pushes are taken, with their classes where not all are, else what stands in their
/// way. Of a class that is asked for, whether it is taken.
pub(super) async fn readyz(
    State(state): State<Arc<AdminState>>,
    Parameters(query): Parameters<ReadyQuery>,
) -> Result<Response, AdminError> {
    let class = query.class.as_deref().map(parse_class).transpose()?;
    let taken = state.control.classes_taken();
    let mut obstacles = state.control.obstacles();
    if !state.control.stalled_shards().is_empty() {
        obstacles.push(Obstacle::Stalled);
    }
    obstacles.sort_unstable();
    obstacles.dedup();
    if obstacles.is_empty() {
        return Ok(tell_classes(class, taken, &state.control.troubles()));
    }
    let mut error = "no new push is taken".to_owned();
    for (place, obstacle) in obstacles.iter().enumerate() {
        let _ = write!(error, "{} {}", if place == 0 { ":" } else { "," }, obstacle.clause());
    }
    let reasons = obstacles.iter().map(|obstacle| obstacle.word()).collect();
    Ok(reply_json(StatusCode::SERVICE_UNAVAILABLE, &NotReady { error, reasons }))
}

/// Pushes are taken, of these classes; and what of broadcasts cannot be read, a line each.
fn tell_classes(asked: Option<Class>, taken: &[Class], troubles: &[String]) -> Response {
    let lines: String = troubles.iter().map(|trouble| format!("broadcasts: {trouble}\n")).collect();
    let words: Vec<&str> = taken.iter().map(|class| class.word()).collect();
    match asked {
        Some(class) if !taken.contains(&class) => {
            let kept_for = words.join(" and ");
            let error = format!(
                "no new {} push is taken: the room left is kept for {kept_for}",
                class.word()
            );
            let reasons = vec!["room_kept"];
            reply_json(StatusCode::SERVICE_UNAVAILABLE, &NotReady { error, reasons })
        }
        None if taken.len() < Class::BY_WEIGHT.len() => {
            format!("ready for {} only\n{lines}", words.join(", ")).into_response()
        }
        _ => format!("ready\n{lines}").into_response(),
    }
}

fn parse_class(word: &str) -> Result<Class, AdminError> {
    let wrong =
        || AdminError::bad_request("no such class: use emergency, urgent, standard or exercise");
    Class::from_word(word).ok_or_else(wrong)
}
