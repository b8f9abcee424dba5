//! The control plane: the registry store, the admin port and the metrics.
//!
//! All of it runs on ordinary threads beside the shards and never on the data path: a push is
//! admitted from the shard's own copy of registrations and contracts. The store (SQLite in the data
//! directory) is the truth; every change goes into it first and then, through [`engine::Engine`],
//! to the running shards. Nothing here logs tokens, message text or data.

pub mod acts;
pub mod admin;
pub mod audit;
pub mod broadcasts;
pub mod carrier_orders;
pub mod carrier_plan;
pub mod carrier_tls;
pub mod carriers;
pub mod certificates;
pub mod demo;
pub mod document;
pub mod engine;
#[cfg(test)]
pub(crate) mod fake_engine;
pub mod gauges;
pub mod handle;
pub mod import;
pub mod limits;
pub mod lines;
pub mod metrics;
pub mod msn_range;
pub mod now;
pub mod pages;
pub mod parked;
pub mod pushes;
pub mod queue;
pub mod roles;
pub mod smpp_account;
pub mod smpp_trace;
pub mod sources;
pub mod store;
pub mod store_thread;
pub mod token;
pub mod ways;
pub mod webhooks;

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// What the engine shows and does at the admin port, beside registrations and contracts.
pub fn routes(engine: &std::sync::Arc<dyn engine::Engine>) -> axum::Router {
    parked::router(engine.clone())
        .merge(lines::router(engine.clone()))
        .merge(queue::router(engine.clone()))
        .merge(pushes::router(engine.clone()))
        .merge(carrier_orders::router(engine.clone()))
        .merge(smpp_trace::router(engine.clone()))
}

/// What it shows and does about broadcasts, to scripts and to browsers.
pub fn broadcast_routes(desk: &std::sync::Arc<broadcasts::BroadcastDesk>) -> axum::Router {
    broadcasts::router(desk.clone()).merge(pages::router(desk.clone()))
}

/// All of these, of an engine of its own or of a cluster's node: that one has neither broadcasts
/// nor carriers yet.
pub fn routes_of(
    engine: &std::sync::Arc<dyn engine::Engine>,
    desk: &std::sync::Arc<broadcasts::BroadcastDesk>,
    is_node: bool,
) -> (axum::Router, axum::Router) {
    let (own, broadcasts) = (routes(engine), broadcast_routes(desk));
    if !is_node {
        return (own, broadcasts);
    }
    let refuse = axum::middleware::from_fn(refuse_broadcasts);
    (own.layer(axum::middleware::from_fn(refuse_carriers)), broadcasts.layer(refuse))
}

async fn refuse_carriers(request: Request, next: axum::middleware::Next) -> Response {
    if request.uri().path() != "/carriers" || request.method() == Method::GET {
        return next.run(request).await;
    }
    refused("a cluster's node hands over to no carriers yet: use an engine of its own for them")
}

async fn refuse_broadcasts(_: Request, _: axum::middleware::Next) -> Response {
    refused("a cluster's node sends no broadcasts yet: use an engine of its own for them")
}

fn refused(sentence: &str) -> Response {
    admin::AdminError::new(StatusCode::CONFLICT, sentence).into_response()
}
