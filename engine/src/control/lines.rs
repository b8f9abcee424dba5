//! Lines of the simulated network, changed while the engine runs: `PUT /network/lines` with
//! `{"msns": [...], "state": "..."}`. An msn is eleven digits or a range of them, the state is in
//! the words of a line-state file. A line that becomes reachable, or has memory again, raises the
//! HLR's alert. With another core network there is nothing to change here, and the answer says so.

use crate::control::admin::{AdminError, Caller, Document, reply_json};
use crate::control::audit::{Act, some_msns};
use crate::control::engine::Engine;
use crate::control::msn_range::parse_msns;
use crate::network::line_states::Line;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::put;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What `PUT /network/lines` takes.
#[derive(Serialize, Deserialize, Debug)]
pub struct LineChange {
    /// Msns and ranges of msns.
    pub msns: Vec<String>,
    /// Words of a line state, joined by `+`.
    pub state: String,
}

/// What it answers.
#[derive(Serialize, Deserialize, Debug)]
pub struct LinesChanged {
    /// Lines that are in the new state.
    pub changed: u64,
}

/// The routes.
pub fn router(control: Arc<dyn Engine>) -> Router {
    Router::new().route("/network/lines", put(change)).with_state(control)
}

async fn change(
    caller: Caller,
    Document(change): Document<LineChange>,
) -> Result<Response, AdminError> {
    let msns = parse_msns(&change.msns).map_err(AdminError::bad_request)?;
    let line = Line::parse(&change.state).map_err(AdminError::bad_request)?;
    let act = Act::new(format!("network set {}", change.state));
    let act = act.after(&some_msns(&change.msns));
    let changed = caller.act(act, move |control| Ok(control.set_lines(&msns, line)?)).await?;
    Ok(reply_json(StatusCode::OK, &LinesChanged { changed }))
}
