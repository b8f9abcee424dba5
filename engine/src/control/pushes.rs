//! The live pushes to one phone: `GET /pushes?msn=`. The journal tells the rest of their lives;
//! `hayauma push show` puts both together.

use crate::control::engine::Engine;
use crate::control::queue::{reason_word, state_word};
use crate::shard::LivePush;
use crate::smsc::core::NotificationKind;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wire::terms::ids::Msn;
use wire::terms::time::WallMs;

use super::admin::{AdminError, Parameters, reply_json};

/// A live push as the admin port shows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LivePushDocument {
    /// The shard that keeps it.
    pub shard: usize,
    /// The push's number within the shard.
    pub push: u64,
    /// As in the rows of `GET /queue`.
    pub state: String,
    /// What holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Pushes to the same phone that come before it.
    pub ahead: usize,
    /// Attempts in which something was sent.
    pub attempts: u8,
    /// Segments that arrived.
    pub arrived: u32,
    /// When it expires; absent once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<WallMs>,
    /// When it is attempted again, or its notification sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_ms: Option<WallMs>,
    /// Whether a cancel was accepted.
    pub cancel_accepted: bool,
    /// The notification that is due: `E5` or `E7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification: Option<String>,
    /// Tries of that notification that failed.
    pub tries: u8,
    /// Whether the push client has been handed it and has not answered yet.
    pub under_way: bool,
}

impl LivePushDocument {
    fn of(live: &LivePush) -> Self {
        let notification = live.notification.map(|kind| match kind {
            NotificationKind::Complete => "E5".to_owned(),
            NotificationKind::Cancellation => "E7".to_owned(),
        });
        Self {
            shard: live.shard,
            push: live.push_id,
            state: state_word(live.standing).to_owned(),
            reason: reason_word(live.standing),
            ahead: live.ahead,
            attempts: live.attempts,
            arrived: live.delivered_mask.count_ones(),
            expires_ms: live.expires_ms,
            next_ms: live.next_ms,
            cancel_accepted: live.cancel_accepted,
            notification,
            tries: live.tries,
            under_way: live.under_way,
        }
    }
}

/// The routes.
pub fn router(control: Arc<dyn Engine>) -> Router {
    Router::new().route("/pushes", get(show)).with_state(control)
}

/// Whose pushes.
#[derive(Deserialize)]
struct PushesQuery {
    msn: String,
}

async fn show(
    State(control): State<Arc<dyn Engine>>,
    Parameters(query): Parameters<PushesQuery>,
) -> Result<Response, AdminError> {
    let msn = Msn::parse(query.msn.as_bytes());
    let msn = msn.ok_or_else(|| AdminError::bad_request("msn is eleven digits, the first a 0"))?;
    // The shard answers between two turns: waiting for it must not hold up the admin port.
    let live =
        tokio::task::spawn_blocking(move || control.live_pushes(msn)).await.map_err(|_| {
            AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "the look ended badly: see the log")
        })??;
    Ok(reply_json(StatusCode::OK, &live.iter().map(LivePushDocument::of).collect::<Vec<_>>()))
}
