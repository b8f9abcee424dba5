//! The admin port: registrations, contracts, state and orders over HTTP and JSON, for the command
//! line, for scripts and for a metrics scraper.
//!
//! | request | does |
//! |---|---|
//! | `GET /healthz` | says `ok`, or 503 when a shard made no turn within the last second |
//! | `GET /readyz` | says `ready`, or 503 with the reasons for which no new push is taken |
//! | `GET /metrics` | every figure of every shard, for Prometheus |
//! | `GET /status` | [`Status`] |
//! | `POST /pause`, `POST /resume` | answers pushes with 8004, or takes them again |
//! | `POST /stop` | drains the engine and ends it |
//! | `GET /clients`, `POST /clients` | every registration; a new one |
//! | `GET`, `PUT`, `PATCH`, `DELETE /clients/XPID` | one registration: see, write whole, change in part, remove (`?contracts=true`: its contracts too) |
//! | `GET /contracts?msn=&xpid=&after=&limit=` | a [`ContractsPage`] |
//! | `GET /contracts/count` | a [`CountRow`] for each XPID |
//! | `POST`, `DELETE /contracts` | adds, removes what a [`ContractChange`] names |
//! | `POST /contracts/import?first_line=&lines=` | takes a CSV of `msn,xpid`, answers an [`ImportReply`] |
//! | `GET /queue`, `GET /pushes?msn=` | what waits in all, and where one phone's pushes stand (`control::queue`, `control::pushes`) |
//! | `GET /notifications`, `POST /notifications/replay`, `…/discard` | parked notifications (`control::parked`) |
//! | `PUT /network/lines` | lines of the simulated network (`control::lines`) |
//!
//! A change is answered when it is in the store and every shard works by it. A refusal is
//! `{"error": "one sentence"}` with the fitting status. A document has at most 1 MiB and 16 levels
//! and no field but those wanted, and so has a query (`reading`); an import is read as it comes and
//! may have any length.
//!
//! It runs on one ordinary thread of its own with the store thread beside it; the shards do not
//! know of it. It is meant for the operator on this host: it asks for no password, listens on a
//! loopback address unless told otherwise, and refuses requests that a web page of somebody else
//! could make a browser send. It never shows a token, a text or data.

mod clients;
mod contracts;
mod door;
mod guard;
mod health;
mod orders;
mod reading;
pub(crate) mod reply;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::oneshot;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::metrics::Metrics;
use super::store::Store;
use super::store_thread::StoreHandle;
use crate::control::engine::Engine;
use host::fatal::{Fatal, FatalReason};
use wire::terms::time::SteadyMs;

pub use clients::ClientRemoval;
pub use contracts::{
    ContractChange, ContractChanged, ContractRow, ContractsPage, CountRow, ImportReply, RefusedRow,
};
pub use orders::{ShardStatus, Status};
pub use reading::{Document, Parameters, XpidInPath};
pub use reply::{AdminError, reply_json};

/// What the handlers share.
pub(crate) struct AdminState {
    store: StoreHandle,
    control: Arc<dyn Engine>,
    metrics: Metrics,
    paused: AtomicBool,
    started_ms: SteadyMs,
    open: bool,
}

/// The running admin port.
pub struct AdminServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Binds the admin port before anything else is started.
///
/// # Errors
///
/// [`FatalReason::PortUnavailable`] with address and cause.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Fatal> {
    TcpListener::bind(address).map_err(|error| {
        let cause = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("the admin port {address} is in use by another program")
            }
            _ => format!("the admin port {address} cannot be bound ({error})"),
        };
        Fatal::with_remedy(
            FatalReason::PortUnavailable,
            cause,
            "stop that program or choose another with --admin",
        )
    })
}

impl AdminServer {
    /// Serves on `listener`, so many connections at a time. `open` lets requests name any host;
    /// `more` are routes of other rooms.
    ///
    /// # Errors
    ///
    /// When the system has no room for another thread or event queue.
    pub fn start(
        listener: TcpListener,
        store: Store,
        control: Arc<dyn Engine>,
        open: bool,
        connections_max: usize,
        more: Router,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let (store, store_thread) = StoreHandle::start(store, Arc::clone(&control))?;
        let state = Arc::new(AdminState {
            store,
            metrics: Metrics::new(Arc::clone(&control)),
            control,
            paused: AtomicBool::new(false),
            started_ms: SteadyMs::from_ns(host::clock::monotonic_ns()),
            open,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let router = router(state, more);
        let thread =
            std::thread::Builder::new().name("hayauma-admin".to_owned()).spawn(move || {
                runtime.block_on(door::serve(listener, router, connections_max, stopped));
                runtime.shutdown_timeout(Duration::ZERO);
            })?;
        tracing::info!(%address, "the admin port is open");
        Ok(Self { address, stop: Some(stop), threads: vec![thread, store_thread] })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops taking requests, lets those in progress end and waits for the threads.
    pub fn shut_down(mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            // A panic in a handler has ended the process before this.
            let _ = thread.join();
        }
    }
}

fn router(state: Arc<AdminState>, more: Router) -> Router {
    let client =
        get(clients::show).put(clients::put).patch(clients::change).delete(clients::remove);
    let contract = get(contracts::list).post(contracts::add).delete(contracts::remove);
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(orders::metrics))
        .route("/status", get(orders::status))
        .route("/pause", post(orders::pause))
        .route("/resume", post(orders::resume))
        .route("/stop", post(orders::stop))
        .route("/clients", get(clients::list).post(clients::add))
        .route("/clients/{xpid}", client)
        .route("/contracts", contract)
        .route("/contracts/count", get(contracts::count))
        .route("/contracts/import", post(contracts::import))
        .fallback(orders::unknown_path)
        .method_not_allowed_fallback(orders::unknown_method)
        .with_state(Arc::clone(&state))
        .merge(more)
        .layer(axum::middleware::from_fn_with_state(state, guard::refuse_foreign))
        .layer(RequestBodyTimeoutLayer::new(door::BODY_WAIT))
}

#[cfg(test)]
mod tests;
