//! The admin doors' connections, by the Unix socket and by ports: bounded, each with a time-out, so
//! that idle ones keep neither each other nor push clients out.
//!
//! Where every place is taken the connection that has been without a request for longest goes. One
//! whose request is being worked on stays, and one whose answer is still leaving, as long as it
//! does leave; one whose request was refused has none.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use super::tls::AdminTls;
use host::clock;

/// How long a client may take to a request's head, from its connection or from the last answer on.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// How long the octets of a body may stay away.
pub(super) const BODY_WAIT: Duration = Duration::from_secs(30);
/// How long an answer may not go on, because its reader takes nothing, and keep its place.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How long is read on behind the last answer, and how much.
const REST_WAIT: Duration = Duration::from_secs(2);
const REST_OCTETS_MAX: usize = 16 << 20;
/// How long a stopping admin port waits for the requests in progress.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);
/// And for connections without one: an answer may still be leaving, a half-sent request is owed
/// nothing.
const QUIET_WAIT: Duration = Duration::from_millis(500);
/// Between two looks whether one of the connections has ended.
const LOOK: Duration = Duration::from_millis(2);
/// Pause of accepting after the process ran out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come in.
pub(super) enum Door {
    Socket(UnixListener),
    Port(TcpListener),
    /// A port that speaks TLS.
    Secure(TcpListener, Arc<AdminTls>),
}

/// Who is at the other end of a connection, as far as the connection itself says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Visitor {
    /// A process of this user, by the socket.
    Peer {
        /// The user.
        uid: u32,
    },
    /// Somebody who reached a port.
    Stranger,
}

/// How a request came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Arrival {
    /// Over TLS.
    pub(super) secure: bool,
    /// The name that the client called the server by there.
    pub(super) called: Option<Arc<str>>,
}

/// A connection that came, before anything was said.
enum Newcomer {
    Plain(Box<dyn Octets>),
    Secure(TcpStream, Arc<AdminTls>),
}

impl Newcomer {
    /// What changes when the connection has to come in anew; none where nothing is asked for.
    fn admission(&self) -> Option<watch::Receiver<u64>> {
        match self {
            Self::Plain(_) => None,
            Self::Secure(_, tls) => Some(tls.admission()),
        }
    }

    /// The connection's octets in clear, and how they come; `None` where it ended before.
    async fn open(self) -> Option<(Box<dyn Octets>, Arrival)> {
        match self {
            Self::Plain(octets) => Some((octets, Arrival::default())),
            Self::Secure(socket, tls) => {
                let secured = tls.shake(socket).await?;
                let called = secured.get_ref().1.server_name().map(Arc::from);
                Some((Box::new(secured), Arrival { secure: true, called }))
            }
        }
    }
}

/// A connection's octets.
trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

impl Door {
    async fn accept(&self) -> std::io::Result<(Newcomer, Visitor)> {
        match self {
            Self::Socket(listener) => {
                let (socket, _) = listener.accept().await?;
                let uid = socket.peer_cred()?.uid();
                Ok((Newcomer::Plain(Box::new(socket)), Visitor::Peer { uid }))
            }
            Self::Port(listener) => {
                let (socket, _) = listener.accept().await?;
                Ok((Newcomer::Plain(Box::new(socket)), Visitor::Stranger))
            }
            Self::Secure(listener, tls) => {
                let (socket, _) = listener.accept().await?;
                Ok((Newcomer::Secure(socket, Arc::clone(tls)), Visitor::Stranger))
            }
        }
    }
}

/// What a connection does.
pub(super) struct Doing {
    /// A request is being worked on, or its answer is leaving.
    busy: AtomicBool,
    /// Its answer is leaving.
    answering: AtomicBool,
    /// Since when none is, or when the answer last went on, in nanoseconds of the monotonic clock.
    since_ns: AtomicU64,
}

struct Visit {
    task: JoinHandle<()>,
    doing: Arc<Doing>,
}

impl Doing {
    fn new() -> Self {
        let [busy, answering] = [false; 2].map(AtomicBool::new);
        Self { busy, answering, since_ns: AtomicU64::new(clock::monotonic_ns()) }
    }

    /// From now on the connection may go where its place is wanted.
    pub(super) fn rest(&self) {
        self.touch();
        self.answering.store(false, Ordering::Relaxed);
        self.busy.store(false, Ordering::Relaxed);
    }

    fn begin(&self) {
        self.busy.store(true, Ordering::Relaxed);
    }

    /// The answer is known. Whoever was refused has rested already.
    fn answer(&self) {
        self.touch();
        self.answering.store(self.busy.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn touch(&self) {
        self.since_ns.store(clock::monotonic_ns(), Ordering::Relaxed);
    }

    /// Since when the connection does nothing that counts; `None` while it does.
    fn idle_since_ns(&self) -> Option<u64> {
        let since_ns = self.since_ns.load(Ordering::Relaxed);
        let stuck_ns = ANSWER_WAIT.as_nanos() as u64;
        let is_stuck = self.answering.load(Ordering::Relaxed)
            && clock::monotonic_ns().saturating_sub(since_ns) > stuck_ns;
        let is_idle = !self.busy.load(Ordering::Relaxed);
        (is_idle || is_stuck).then_some(since_ns)
    }
}

/// A connection's octets, which says when an answer goes on and when all of it has left.
struct Watched {
    octets: Box<dyn Octets>,
    doing: Arc<Doing>,
    /// What is still read behind the last answer.
    rest: Option<Rest>,
}

/// Octets that come behind the last answer: they are dropped. Who still writes would not read why
/// it is refused where its connection broke.
struct Rest {
    ends: Pin<Box<Sleep>>,
    octets: usize,
}

impl Watched {
    fn new(octets: Box<dyn Octets>, doing: Arc<Doing>) -> Self {
        Self { octets, doing, rest: None }
    }

    /// Reads until the peer ends too, within bounds. The place is anybody's meanwhile.
    fn drop_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let rest = self.rest.get_or_insert_with(|| {
            self.doing.rest();
            Rest { ends: Box::pin(tokio::time::sleep(REST_WAIT)), octets: 0 }
        });
        let mut room = [0; 8 << 10];
        while rest.octets < REST_OCTETS_MAX && rest.ends.as_mut().poll(context).is_pending() {
            let mut into = ReadBuf::new(&mut room);
            match ready!(Pin::new(&mut self.octets).poll_read(context, &mut into)) {
                Ok(()) if !into.filled().is_empty() => rest.octets += into.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.octets).poll_read(context, into)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.octets).poll_write(context, octets);
        if written.is_ready() {
            self.doing.touch();
        }
        written
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let flushed = Pin::new(&mut self.octets).poll_flush(context);
        if flushed.is_ready() && self.doing.answering.load(Ordering::Relaxed) {
            self.doing.rest();
        }
        flushed
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.rest.is_none() {
            ready!(Pin::new(&mut self.octets).poll_shutdown(context))?;
        }
        self.drop_rest(context).map(Ok)
    }
}

/// The connections there are.
struct Visits {
    visits: Vec<Visit>,
    max: usize,
}

impl Visits {
    /// Whether one more may come, now that those that have ended are gone.
    fn have_room(&mut self) -> bool {
        self.visits.retain(|visit| !visit.task.is_finished());
        self.visits.len() < self.max
    }

    /// Ends the connection that has been idle for longest; one that is ended already counts until
    /// it is gone.
    fn dismiss_one(&mut self) {
        let idle =
            self.visits.iter().filter_map(|visit| Some((visit, visit.doing.idle_since_ns()?)));
        if let Some((visit, _)) = idle.min_by_key(|(_, since_ns)| *since_ns) {
            visit.task.abort();
        }
    }
}

/// Serves until the sender of `stopped` speaks or is dropped, and then a while longer for requests
/// in progress.
pub(super) async fn serve(
    door: Door,
    router: Router,
    connections_max: usize,
    mut stopped: watch::Receiver<()>,
) {
    let (stop, stopping) = watch::channel(());
    let mut visits = Visits { visits: Vec::new(), max: connections_max };
    let mut is_failing = false;
    'serving: loop {
        let accepted = tokio::select! {
            _ = stopped.changed() => break 'serving,
            accepted = door.accept() => accepted,
        };
        let (arrived, visitor) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(
                        %error,
                        "the admin port cannot accept a connection: clients wait"
                    );
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        is_failing = false;
        while !visits.have_room() {
            // Those that came just now show first whether they ask for anything.
            tokio::select! {
                _ = stopped.changed() => break 'serving,
                () = tokio::time::sleep(LOOK) => visits.dismiss_one(),
            }
        }
        let doing = Arc::new(Doing::new());
        let task = tokio::spawn(visit(
            (arrived, visitor),
            router.clone(),
            Arc::clone(&doing),
            stopping.clone(),
        ));
        visits.visits.push(Visit { task, doing });
    }
    drop(door);
    drop(stop);
    let end_all = async {
        for visit in visits.visits {
            let _ = visit.task.await;
        }
    };
    if tokio::time::timeout(SHUTDOWN_WAIT, end_all).await.is_err() {
        tracing::warn!("requests to the admin port were cut off at the stop");
    }
}

/// Waits until the connection has to come in anew; for ever where it never has.
async fn outdated(admission: &mut Option<watch::Receiver<u64>>) {
    if let Some(admission) = admission
        && admission.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// One connection from its first request to its last.
async fn visit(
    (arrived, visitor): (Newcomer, Visitor),
    router: Router,
    doing: Arc<Doing>,
    mut stopping: watch::Receiver<()>,
) {
    // Before the handshake: by which acceptance it comes in is told behind it.
    let mut admission = arrived.admission();
    let opened = tokio::select! {
        opened = arrived.open() => opened,
        _ = stopping.changed() => return,
    };
    let Some((socket, way)) = opened else { return };
    let socket = Watched::new(socket, Arc::clone(&doing));
    let router = TowerToHyperService::new(router);
    let at_work = Arc::clone(&doing);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(visitor);
        request.extensions_mut().insert(way.clone());
        request.extensions_mut().insert(Arc::clone(&doing));
        doing.begin();
        let (answer, doing) = (router.call(request.map(Body::new)), Arc::clone(&doing));
        async move {
            let answer = answer.await;
            doing.answer();
            answer
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    // What goes wrong on a connection is the client's to know, and ends it.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.changed() => {}
        () = outdated(&mut admission) => {}
    }
    connection.as_mut().graceful_shutdown();
    let busy = at_work.busy.load(Ordering::Relaxed);
    let wait = if busy { SHUTDOWN_WAIT } else { QUIET_WAIT };
    let _ = tokio::time::timeout(wait, connection).await;
}
