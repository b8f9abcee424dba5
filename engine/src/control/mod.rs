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
pub mod handle;
pub mod import;
pub mod limits;
pub mod lines;
pub mod metrics;
pub mod msn_range;
pub mod pages;
pub mod parked;
pub mod pushes;
pub mod queue;
pub mod roles;
pub mod smpp_account;
pub mod sources;
pub mod store;
pub mod store_thread;
pub mod token;
pub mod webhooks;

/// What the engine shows and does at the admin port, beside registrations and contracts.
pub fn routes(engine: &std::sync::Arc<dyn engine::Engine>) -> axum::Router {
    parked::router(engine.clone())
        .merge(lines::router(engine.clone()))
        .merge(queue::router(engine.clone()))
        .merge(pushes::router(engine.clone()))
        .merge(carrier_orders::router(engine.clone()))
}

/// What it shows and does about broadcasts, to scripts and to browsers.
pub fn broadcast_routes(desk: &std::sync::Arc<broadcasts::BroadcastDesk>) -> axum::Router {
    broadcasts::router(desk.clone()).merge(pages::router(desk.clone()))
}
