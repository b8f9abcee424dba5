//! The admin port: registrations, contracts, state and orders over HTTP and JSON, for the command line, for
//! scripts and for a metrics scraper.
//!
//! | request | does |
//! |---|---|
//! | `GET /healthz` | says `ok` |
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
//! | `GET /queue`, `GET /pushes?msn=` | what waits in all, and where one phone's pushes stand (`ops::queue`, `ops::pushes`) |
//! | `GET /notifications`, `POST /notifications/replay` | parked notifications (`ops::parked`) |
//! | `PUT /network/lines` | lines of the simulated network (`ops::lines`) |
//!
//! A change is answered when it is in the store and every shard works by it. A refusal is
//! `{"error": "one sentence"}` with the fitting status. A document has at most 1 MiB and 16 levels and no field but
//! those wanted, and so has a query (`reading`); an import is read as it comes and may have any length.
//!
//! It runs on one ordinary thread of its own with the store thread beside it; the shards do not know of it. It is
//! meant for the operator on this host: it asks for no password, listens on a loopback address unless told
//! otherwise, and refuses requests that a web page of somebody else could make a browser send. It never shows a
//! token, a text or data.

mod clients;
mod contracts;
mod guard;
mod orders;
mod reading;
mod reply;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::oneshot;

use super::control::EngineControl;
use super::metrics::Metrics;
use super::store::Store;
use super::store_thread::StoreHandle;
use crate::config::Config;
use crate::fatal::{Fatal, FatalReason};

pub use clients::ClientRemoval;
pub use contracts::{
    ContractChange, ContractChanged, ContractRow, ContractsPage, CountRow, ImportReply, RefusedRow,
};
pub use orders::{ShardStatus, Status};
pub use reading::{Document, Parameters, XpidInPath};
pub use reply::{AdminError, reply_json};

/// How long a stopping admin port waits for the requests in progress.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

/// What the handlers share.
pub(crate) struct AdminState {
    store: StoreHandle,
    control: Arc<dyn EngineControl>,
    metrics: Metrics,
    paused: AtomicBool,
    started_ms: u64,
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
pub fn bind(config: &Config) -> Result<TcpListener, Fatal> {
    TcpListener::bind(config.admin).map_err(|error| {
        let cause = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("the admin port {} is in use by another program", config.admin)
            }
            _ => format!("the admin port {} cannot be bound ({error})", config.admin),
        };
        Fatal::with_remedy(
            FatalReason::PortUnavailable,
            cause,
            "stop that program or choose another with --admin",
        )
    })
}

impl AdminServer {
    /// Serves on `listener`. `open` lets requests name any host; `more` are routes of other rooms.
    ///
    /// # Errors
    ///
    /// When the system has no room for another thread or event queue.
    pub fn start(
        listener: TcpListener,
        store: Store,
        control: Arc<dyn EngineControl>,
        open: bool,
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
            started_ms: crate::clock::unix_ms(),
            open,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let router = router(state, more);
        let thread = std::thread::Builder::new().name("hayauma-admin".to_owned()).spawn(move || {
            runtime.block_on(serve(listener, router, stopped));
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

/// Serves until the sender of `stopped` speaks or is dropped, and then a while longer for requests in
/// progress.
async fn serve(listener: tokio::net::TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let (draining, drained) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _ = stopped.await;
        let _ = draining.send(());
    });
    tokio::select! {
        result = async { server.await } => {
            if let Err(error) = result {
                tracing::error!(%error, "the admin port ended");
            }
        }
        () = async { let _ = drained.await; tokio::time::sleep(SHUTDOWN_WAIT).await } => {
            tracing::warn!("requests to the admin port were cut off at the stop");
        }
    }
}

fn router(state: Arc<AdminState>, more: Router) -> Router {
    let client = get(clients::show).put(clients::put).patch(clients::change).delete(clients::remove);
    let contract = get(contracts::list).post(contracts::add).delete(contracts::remove);
    Router::new()
        .route("/healthz", get(orders::healthz))
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
}

#[cfg(test)]
mod tests;
