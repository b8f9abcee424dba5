//! The push client's notification server: takes E5 and E7 over kept-alive connections, enters them
//! into the ledger of the run and answers E6 and E8. For tests it can misbehave: answer late, fail,
//! hang up, be down.

mod connection;
mod server;

use crate::latency::{Latencies, Phases};
use crate::ledger::Ledger;
use crate::live::INTERVALS_SHOWN;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running sink; dropping it closes the server and all its connections.
pub struct Sink {
    shared: Arc<Shared>,
    waker: Arc<mio::Waker>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// How to misbehave; the default behaves well. Can be changed while the sink runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Misbehaviour {
    /// Answers come this much later.
    pub delay: Duration,
    /// Every N-th notification is answered with status 500; 0: none. It still counts as received.
    pub fail_every: u64,
    /// On every N-th notification the connection is closed without an answer; 0: never. It still
    /// counts as received.
    pub close_every: u64,
    /// Connections are refused and those that stood are closed.
    pub down: bool,
}

/// Counts over all that came in, whatever run it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Received {
    /// Notifications that could be read.
    pub notifications: u64,
    /// Those that were answered with 500 or a closed connection on purpose.
    pub failed: u64,
    /// Messages that were no notifications.
    pub malformed: u64,
    /// Connections accepted.
    pub connections: u64,
}

/// What the sink's thread and its owner share.
pub(crate) struct Shared {
    stop: AtomicBool,
    /// Counts up when the ledger or the misbehaviour changes.
    generation: AtomicU64,
    book: Mutex<Book>,
    notifications: AtomicU64,
    failed: AtomicU64,
    malformed: AtomicU64,
    connections: AtomicU64,
}

/// What the sink's thread looks up when the generation has changed, and where it leaves its
/// measurements.
#[derive(Default)]
struct Book {
    ledger: Option<Arc<Ledger>>,
    misbehaviour: Misbehaviour,
    times: Phases,
}

impl Sink {
    /// Listens on `listen` (port 0: any free port) with a thread bound to `cpus` (none: not bound).
    pub fn start(listen: SocketAddr, cpus: &[usize]) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            generation: AtomicU64::new(1),
            book: Mutex::default(),
            notifications: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let server = server::Server::new(Arc::clone(&shared), listener)?;
        let waker = server.waker();
        let cpus = cpus.to_vec();
        let thread = std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            // A sink that may run anywhere is only slower.
            let _ = crate::os::pin_thread(&cpus);
            server.run();
        })?;
        Ok(Self { shared, waker, address, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The notification URL to register.
    pub fn url(&self) -> String {
        format!("http://{}/notify", self.address)
    }

    /// Changes how it misbehaves.
    pub fn misbehave(&self, misbehaviour: Misbehaviour) {
        self.change(|book| book.misbehaviour = misbehaviour);
    }

    /// What has come in.
    pub fn received(&self) -> Received {
        Received {
            notifications: self.shared.notifications.load(Relaxed),
            failed: self.shared.failed.load(Relaxed),
            malformed: self.shared.malformed.load(Relaxed),
            connections: self.shared.connections.load(Relaxed),
        }
    }

    /// From now on notifications go into `ledger`; the times measured so far are forgotten.
    pub(crate) fn attach(&self, ledger: Arc<Ledger>) {
        self.change(|book| {
            book.ledger = Some(ledger);
            book.times = Phases::default();
        });
    }

    /// The times to notification of the attached run, so far.
    pub(crate) fn times(&self) -> Phases {
        self.shared.book().times.clone()
    }

    /// The times to notification of the last second.
    pub(crate) fn last_second(&self) -> Latencies {
        let book = self.shared.book();
        let mut sum = Latencies::default();
        let stages = &book.times.load.notification;
        stages.ended(INTERVALS_SHOWN).for_each(|(_, counts)| sum.add_counts(counts));
        sum
    }

    fn change(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.shared.book());
        self.shared.generation.fetch_add(1, Relaxed);
        // If the thread is gone there is nobody to wake.
        let _ = self.waker.wake();
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
