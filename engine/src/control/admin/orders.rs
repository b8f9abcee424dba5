//! State and orders: metrics, status, pause, resume, stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::caller::Caller;
use super::reply::{AdminError, reply_json};
use crate::control::audit::{Act, Paused};
use crate::control::engine::Engine;
use crate::control::metrics::METRICS_MEDIA_TYPE;
use crate::control::store::Store;
use host::clock;
use wire::terms::time::SteadyMs;

/// The engine at one moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Version of the program.
    pub version: String,
    /// What carries its octets: `uring` or `poll`.
    pub driver: String,
    /// Its process id.
    pub pid: u32,
    /// Since the admin port opened, in milliseconds.
    pub uptime_ms: u64,
    /// Whether pushes are answered 8004.
    pub paused: bool,
    /// Whether it only looks on: nothing is taken, nothing begins, and no `/resume` changes that.
    #[serde(default)]
    pub looks_on: bool,
    /// The classes of which every shard takes new pushes, the one that matters most first.
    pub classes_taken: Vec<String>,
    /// Each shard's figures.
    pub shards: Vec<ShardDocument>,
    /// The same figures, all shards added up.
    pub totals: BTreeMap<String, u64>,
}

/// One shard at one moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ShardDocument {
    /// Its number.
    pub shard: usize,
    /// Its counters and gauges by name.
    pub figures: BTreeMap<String, u64>,
}

pub(super) async fn metrics(State(state): State<Arc<AdminState>>) -> Response {
    // The shards answer between two turns: waiting for them must not hold up the admin port.
    match tokio::task::spawn_blocking(move || state.metrics.render()).await {
        Ok(Ok(page)) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_MEDIA_TYPE))], page)
                .into_response()
        }
        _ => AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be rendered")
            .into_response(),
    }
}

pub(super) async fn status(State(state): State<Arc<AdminState>>) -> Response {
    tell_status(state, StatusCode::OK).await
}

pub(super) async fn pause(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
) -> Result<Response, AdminError> {
    set_paused(state, caller, true).await
}

pub(super) async fn resume(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
) -> Result<Response, AdminError> {
    set_paused(state, caller, false).await
}

pub(super) async fn stop(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
) -> Result<Response, AdminError> {
    let by = caller.name.clone();
    let stop = move |control: &dyn Engine| {
        tracing::info!(by, "told to stop");
        control.stop();
        Ok(())
    };
    let act =
        Act::new("stop").before(&Serving { serving: true }).after(&Serving { serving: false });
    caller.act(act, stop).await?;
    Ok(tell_status(state, StatusCode::ACCEPTED).await)
}

pub(super) async fn unknown_path(uri: Uri) -> AdminError {
    nothing_at(&uri)
}

pub(super) fn nothing_at(uri: &Uri) -> AdminError {
    AdminError::new(StatusCode::NOT_FOUND, format!("the admin port has nothing at {}", uri.path()))
}

pub(super) async fn unknown_method(uri: Uri) -> AdminError {
    AdminError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take this method", uri.path()),
    )
}

async fn set_paused(
    state: Arc<AdminState>,
    caller: Caller,
    paused: bool,
) -> Result<Response, AdminError> {
    let (of_all, by) = (Arc::clone(&state), caller.name);
    let job = move |store: &mut Store, control: &dyn Engine| {
        let before = Paused { paused: of_all.paused.load(Ordering::Relaxed) };
        let act = Act::new(if paused { "pause" } else { "resume" });
        let act = act.before(&before).after(&Paused { paused });
        store.act_elsewhere(&by, &act, || {
            control.pause(paused)?;
            of_all.paused.store(paused, Ordering::Relaxed);
            tracing::info!(paused, by, "pause changed");
            Ok::<(), AdminError>(())
        })
    };
    state.store.run(job).await??;
    Ok(tell_status(state, StatusCode::OK).await)
}

/// What the audit says of a stop.
#[derive(Serialize)]
struct Serving {
    serving: bool,
}

/// The shards give their figures between two turns: waiting for them must not hold up the admin
/// port.
async fn tell_status(state: Arc<AdminState>, code: StatusCode) -> Response {
    match tokio::task::spawn_blocking(move || state.status()).await {
        Ok(status) => reply_json(code, &status),
        Err(_) => AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be told")
            .into_response(),
    }
}

impl AdminState {
    fn status(&self) -> EngineStatus {
        let classes = self.control.classes_taken();
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        let mut shards = Vec::new();
        for shard in self.control.figures() {
            let mut figures = BTreeMap::new();
            for figure in &shard.figures {
                figures.insert(figure.name.to_owned(), figure.value);
                let total = totals.entry(figure.name.to_owned()).or_default();
                *total = total.saturating_add(figure.value);
            }
            shards.push(ShardDocument { shard: shard.shard, figures });
        }
        EngineStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            driver: self.control.driver().word().to_owned(),
            pid: std::process::id(),
            uptime_ms: SteadyMs::from_ns(clock::monotonic_ns()).since(self.started_ms),
            paused: self.paused.load(Ordering::Relaxed) || self.control.looks_on(),
            looks_on: self.control.looks_on(),
            classes_taken: classes.iter().map(|class| class.word().to_owned()).collect(),
            shards,
            totals,
        }
    }
}
