//! The admin doors: registrations, contracts, state and orders over HTTP and JSON, for the command
//! line, for scripts and for a metrics scraper.
//!
//! | request | does |
//! |---|---|
//! | `GET /healthz` | says `ok`, or 503 when a shard made no turn within the last second |
//! | `GET /readyz` | says `ready`, also of which classes alone, or 503 with the reasons for which no new push is taken; `?class=` asks for one class |
//! | `GET /metrics` | every figure of every shard, for Prometheus |
//! | `GET /status` | [`EngineStatus`] |
//! | `POST /pause`, `POST /resume` | answers pushes with 8004, or takes them again |
//! | `POST /stop` | drains the engine and ends it |
//! | `GET /clients`, `POST /clients` | every registration; a new one |
//! | `GET`, `PUT`, `PATCH`, `DELETE /clients/XPID` | one registration: see, write whole, change in part, remove (`?contracts=true`: its contracts too) |
//! | `GET /contracts?msn=&xpid=&after=&limit=` | a [`ContractsPage`] |
//! | `GET /contracts/count` | a [`CountRow`] for each XPID |
//! | `POST`, `DELETE /contracts` | adds, removes what a [`ContractChange`] names |
//! | `POST /contracts/import?first_line=&lines=` | takes a CSV of `msn,xpid`, answers an [`ImportReply`] |
//! | `GET /tokens`, `POST /tokens`, `DELETE /tokens/NAME?older=` | who may come in by a token, and as what |
//! | `GET /carriers`, `POST /carriers` | carriers and routes, and orders about them (`control::carrier_orders`) |
//! | `POST /backups` | says that a copy of the directory is made |
//! | `GET /queue`, `GET /pushes?msn=` | what waits in all, and where one phone's pushes stand (`control::queue`, `control::pushes`) |
//! | `GET /notifications`, `POST /notifications/replay`, `…/discard` | parked notifications (`control::parked`) |
//! | `PUT /network/lines` | lines of the simulated network (`control::lines`) |
//!
//! A change is answered when it is in the store and every shard works by it. A refusal is
//! `{"error": "one sentence"}` with the fitting status. A document has at most 1 MiB and 16 levels
//! and no field but those wanted, and so has a query (`reading`); an import is read as it comes and
//! may have any length.
//!
//! There is a Unix socket, by which users of this host come in whom the file's mode lets, and where
//! it is asked for a port, which wants a token. What each may do, the table of paths says
//! (`paths`); it is checked before a handler sees the request (`guard`). Another port answers the
//! two questions of probes and nothing else.
//!
//! The port may speak TLS 1.3 (`tls`). Whatever changes something carries the header
//! `X-Hayauma-Order`.
//!
//! All of it runs on one ordinary thread of its own with the store thread beside it; the shards do
//! not know of it. It refuses requests that a web page of somebody else could make a browser send.
//! It shows no text and no data, and a token once: to whoever has just made it.

mod admission;
mod backups;
pub mod caller;
mod clients;
mod contracts;
mod door;
mod guard;
mod health;
mod orders;
pub mod paths;
pub(crate) mod reading;
pub(crate) mod reply;
mod sessions;
mod sign_in;
mod tls;
mod tokens;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, post};
use tokio::sync::watch;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::gauges::Gauges;
use super::metrics::Metrics;
use super::store::Store;
use super::store_thread::StoreHandle;
use super::token::AccessToken;
use crate::control::engine::Engine;
use host::threads::join_by;
use wire::terms::time::SteadyMs;

pub use admission::HeldAdmission;
pub use backups::{BackupOrder, BackupRecorded};
pub use caller::{Caller, user_actor};
pub use clients::ClientRemoval;
pub use contracts::{
    ContractChange, ContractChanged, ContractRow, ContractsPage, CountRow, ImportReply, RefusedRow,
};
pub use guard::ORDER_HEADER;
pub use orders::{EngineStatus, ShardDocument};
pub use paths::PATHS;
pub use reading::{
    Document, FORM_WORD, Filled, FilledByStranger, IdentifierInPath, Parameters, RecipientInPath,
    VersionInPath, WarningInBody, XpidInPath,
};
pub use reply::{AdminError, reply_json};
pub use sessions::{SignedIn, cookie_named};
pub use sign_in::SignIn;
pub use tls::AdminTls;

/// What the handlers share.
pub(crate) struct AdminState {
    store: StoreHandle,
    control: Arc<dyn Engine>,
    metrics: Metrics,
    access: Arc<caller::Access>,
    paused: AtomicBool,
    started_ms: SteadyMs,
    /// Names that requests may call the port by, beside addresses and localhost.
    names: Vec<String>,
}

impl AdminState {
    fn new(
        store: StoreHandle,
        control: Arc<dyn Engine>,
        access: Arc<caller::Access>,
        (names, gauges): (Vec<String>, Gauges),
    ) -> Self {
        Self {
            store,
            metrics: Metrics::new(Arc::clone(&control), gauges),
            control,
            access,
            paused: AtomicBool::new(false),
            started_ms: SteadyMs::from_ns(host::clock::monotonic_ns()),
            names,
        }
    }
}

/// Where the admin doors listen.
#[derive(Debug, Default)]
pub struct Doors {
    /// The socket of this host's users.
    pub socket: Option<UnixListener>,
    /// The port for whoever brings a token: one listener for each address of its name.
    pub port: Vec<TcpListener>,
    /// What that port is secured with; `None`: it speaks plain text.
    pub tls: Option<Arc<AdminTls>>,
    /// The port of broadcasts, likewise: their pages and requests, with a token too.
    pub broadcasts: Vec<TcpListener>,
    /// What that port is secured with.
    pub broadcasts_tls: Option<Arc<AdminTls>>,
    /// The port of probes, likewise.
    pub health: Vec<TcpListener>,
}

impl Doors {
    /// The ports' addresses.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        [&self.port, &self.broadcasts, &self.health]
            .into_iter()
            .flatten()
            .filter_map(|door| door.local_addr().ok())
    }
}

/// How the admin doors are kept.
#[derive(Debug, Default)]
pub struct Keeping {
    /// Names that requests may call the port by, beside addresses and localhost.
    pub names: Vec<String>,
    /// Connections that each door takes at a time.
    pub connections_max: usize,
    /// And that of broadcasts, whose pages listen for long.
    pub listeners_max: usize,
    /// The tokens that were made.
    pub tokens: Vec<AccessToken>,
    /// One that counts for as long as the engine runs.
    pub own_token: Option<AccessToken>,
    /// Figures that other rooms have for the metrics.
    pub gauges: Gauges,
}

/// The running admin doors.
pub struct AdminServer {
    port: Option<SocketAddr>,
    is_secure: bool,
    broadcasts: Option<(SocketAddr, bool)>,
    health: Option<SocketAddr>,
    stop: Option<watch::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl AdminServer {
    /// Opens the doors. `more` are routes of other rooms: the engine's, and those of broadcasts,
    /// which have a port of their own besides.
    ///
    /// # Errors
    ///
    /// When the system has no room for another thread or event queue.
    pub fn start(
        doors: Doors,
        keeping: Keeping,
        store: Store,
        control: Arc<dyn Engine>,
        more: (Router, Router),
    ) -> std::io::Result<Self> {
        let address = |port: &TcpListener| port.local_addr();
        let port = doors.port.first().map(address).transpose()?;
        let health = doors.health.first().map(address).transpose()?;
        let is_secure = doors.tls.is_some();
        let broadcasts = doors.broadcasts.first().map(address).transpose()?;
        let broadcasts = broadcasts.zip(Some(doors.broadcasts_tls.is_some()));
        let Keeping { names, connections_max, listeners_max, tokens, own_token, gauges } = keeping;
        let is_ordered = store.is_ordered();
        let (store, store_thread) = StoreHandle::start(store, Arc::clone(&control))?;
        let access = Arc::new(caller::Access::new(own_token, tokens));
        let follower = is_ordered.then(|| follow_others(&store, &access)).transpose()?;
        let state = Arc::new(AdminState::new(store, control, access, (names, gauges)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let opened = {
            let _inside = runtime.enter();
            open_doors(doors, &state, more)?
        };
        let (stop, stopped) = watch::channel(());
        let thread = std::thread::Builder::new().name("hayauma-admin".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(async move {
                let serving: Vec<_> = opened
                    .into_iter()
                    .map(|(door, router, is_of_listeners)| {
                        let max = if is_of_listeners { listeners_max } else { connections_max };
                        tokio::spawn(door::serve(door, router, max, stopped.clone()))
                    })
                    .collect();
                drop(stopped);
                for door in serving {
                    // A panic in a door has ended the process before this.
                    let _ = door.await;
                }
            });
            runtime.shutdown_timeout(Duration::ZERO);
        })?;
        tracing::info!(port = ?port, health = ?health, "the admin doors are open");
        let threads = [thread, store_thread].into_iter().chain(follower).collect();
        Ok(Self { port, is_secure, broadcasts, health, stop: Some(stop), threads })
    }

    /// Where the port listens that wants a token, if there is one.
    pub fn port(&self) -> Option<SocketAddr> {
        self.port
    }

    /// Whether that port speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Where the port of broadcasts listens, if there is one, and whether it speaks TLS.
    pub fn broadcasts(&self) -> Option<(SocketAddr, bool)> {
        self.broadcasts
    }

    /// Where the port of probes listens, if there is one.
    pub fn health(&self) -> Option<SocketAddr> {
        self.health
    }

    /// Stops taking requests, and waits until those in progress have ended, `within` this time at
    /// the most: the registry takes a change as a whole or not at all.
    pub fn shut_down(mut self, within: Duration) {
        self.stop = None;
        let deadline = host::clock::instant() + within;
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if !join_by(thread, deadline) {
                tracing::warn!(
                    thread = name,
                    "a request at an admin door is not finished in time, and its change is not made"
                );
            }
        }
    }
}

/// What other nodes of the cluster change of the registry is made here, and their tokens count.
fn follow_others(
    store: &StoreHandle,
    access: &Arc<caller::Access>,
) -> std::io::Result<JoinHandle<()>> {
    let access = Arc::clone(access);
    store.follow_others(move |store| match store.take_untold_tokens() {
        Ok(tokens) => tokens.into_iter().for_each(|tokens| access.replace(tokens)),
        Err(error) => tracing::error!(%error, "another node's tokens do not count here"),
    })
}

/// Each door with what it leads to, and whether pages listen there. To be called inside the
/// runtime.
fn open_doors(
    doors: Doors,
    state: &Arc<AdminState>,
    (of_engine, of_broadcasts): (Router, Router),
) -> std::io::Result<Vec<(door::Door, Router, bool)>> {
    let all = routes(state).merge(of_engine).merge(of_broadcasts.clone());
    let router = guarded(all, state);
    let mut opened = Vec::new();
    if let Some(socket) = doors.socket {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixListener::from_std(socket)?;
        opened.push((door::Door::Socket(socket), router.clone(), false));
    }
    let asynchronous = |listener: TcpListener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    };
    let door_of = |listener: TcpListener, tls: &Option<Arc<AdminTls>>| {
        let listener = asynchronous(listener)?;
        std::io::Result::Ok(match tls {
            Some(tls) => door::Door::Secure(listener, Arc::clone(tls)),
            None => door::Door::Port(listener),
        })
    };
    for listener in doors.port {
        opened.push((door_of(listener, &doors.tls)?, router.clone(), false));
    }
    let of_broadcasts = guarded(of_broadcasts, state);
    for listener in doors.broadcasts {
        let door = door_of(listener, &doors.broadcasts_tls)?;
        opened.push((door, of_broadcasts.clone(), true));
    }
    for listener in doors.health {
        opened.push((door_of(listener, &None)?, probes(Arc::clone(state)), false));
    }
    Ok(opened)
}

/// What probes are told, and nothing else.
fn probes(state: Arc<AdminState>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(orders::unknown_path)
        .method_not_allowed_fallback(orders::unknown_method)
        .with_state(state)
}

/// Routes that nobody gets to who may not: whoever asks is known before a handler hears of it.
fn guarded(routes: Router, state: &Arc<AdminState>) -> Router {
    routes
        .fallback(orders::unknown_path)
        .method_not_allowed_fallback(orders::unknown_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(state), guard::admit))
        .layer(RequestBodyTimeoutLayer::new(door::BODY_WAIT))
}

/// The handlers of this room, without the guard.
fn routes(state: &Arc<AdminState>) -> Router {
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
        .route("/backups", post(backups::add))
        .route("/tokens", get(tokens::list).post(tokens::add))
        .route("/tokens/{name}", delete(tokens::remove))
        .with_state(Arc::clone(state))
}

#[cfg(test)]
mod tests;
