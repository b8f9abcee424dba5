//! How the control plane reaches the shards: a bounded message queue into each thread, published
//! figures out.
//!
//! A message to a shard goes to the thread that holds it. One that has left meanwhile answers
//! nothing: whoever waits sees at once that nobody will.

use crate::gateway::registry::Registry;
use crate::io::driver::Waker;
use crate::io::durations::{BOUNDED, BUCKETS, Durations, bound_us};
use crate::io::figures::{ControlError, Times};
use crate::io::front::Visits;
use crate::io::host_addresses::HostAddresses;
use crate::io::limits::{CLOSED_MS_MAX, CONTROL_MESSAGES_MAX};
use crate::io::notifier::{EndpointPlan, Outbound, Troubles};
use crate::io::now::Now;
use crate::io::orders::BroadcastMessage;
use crate::io::pdu_trace::PduTrace;
use crate::io::replica::Replica;
use crate::io::serving::Counts;
use crate::io::shard_status::ShardStatus;
use crate::io::tls::Acceptance;
use crate::io::waits::Waits;
use crate::network::line_states::Line;
use crate::network::simulated::InNetwork;
use crate::network::smpp::exchange::CarrierPlan;
use crate::network::smpp::port::CarrierPort;
use crate::shard::{LivePush, ParkedAction, ParkedPage, Shard};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use wire::terms::ids::{Msn, Xpid};
use wire::terms::ownership::{Holder, Holders};
use wire::terms::time::SteadyMs;

/// How long the control plane waits for a shard to take a change.
pub const TAKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A shard that rests makes a turn far more often.
pub(crate) const HEALTHY_TURN_MS_MAX: u64 = 1_000;

/// What became of push clients' connections, in the order in which a shard shows it.
pub const VISITS: [(&str, &str); 9] = [
    ("connections_accepted", "Push clients' connections taken"),
    ("connections_refused", "Push clients' connections closed unserved in a drain"),
    (
        "connections_evicted",
        "Connections closed before a registered client's first request to make room for others",
    ),
    (
        "connections_silent",
        "Connections closed because no request of a registered client came in time",
    ),
    ("connections_stuck", "Connections closed because their answers were not taken in time"),
    ("tls_handshakes", "TLS handshakes of push clients completed"),
    ("tls_resumed", "Of these those by a ticket of an earlier one"),
    ("tls_failed", "TLS handshakes of push clients that failed"),
    ("tls_dropped", "TLS handshakes that took too long, or were too many half done at once"),
];

/// What customers of SMPP did, in the order in which a shard shows it; the second is whether it
/// only grows.
pub const CUSTOMERS: [(&str, bool, &str); 13] = [
    ("smpp_sessions", false, "Sessions that customers have bound"),
    ("smpp_binds", true, "Binds of customers that were taken"),
    ("smpp_bind_refusals", true, "Binds of customers that were refused"),
    (
        "smpp_turned_away",
        true,
        "Connections to the SMPP port closed at accept, or unbound to make room",
    ),
    ("smpp_tls_failed", true, "TLS handshakes of customers that failed"),
    ("smpp_submits", true, "submit_sm and data_sm of customers"),
    ("smpp_queries", true, "query_sm of customers"),
    ("smpp_cancels", true, "cancel_sm of customers"),
    ("smpp_customer_oddities", true, "PDUs of customers in which something was read around"),
    ("smpp_receipts", true, "Receipts sent to customers"),
    ("smpp_receipts_acknowledged", true, "Receipts that customers took"),
    ("smpp_receipts_failed", true, "Receipts that customers refused or did not answer"),
    ("smpp_receipts_waiting", false, "Receipts that wait for customers, or for their answers"),
];

/// What stood in the way of notifications, in the order in which a shard shows it.
pub const TROUBLES: [(&str, &str); 2] = [
    ("notify_tls_failed", "Connections to notification servers on which TLS failed"),
    ("notify_forbidden", "Notifications parked because they may not go where their URL leads"),
];

/// Tells the control plane that a shard has taken a change.
#[derive(Clone)]
pub struct Done(pub Sender<()>);

impl Done {
    /// Says so.
    pub fn signal(&self) {
        // A control plane that gave up waiting is no concern of the shard.
        let _ = self.0.try_send(());
    }
}

/// What a shard can be told.
pub enum ShardMessage {
    AddContracts { rows: Vec<(Msn, Xpid)>, done: Done },
    RemoveContracts { rows: Vec<(Msn, Xpid)>, done: Done },
    Parked { xpid: Option<Xpid>, action: ParkedAction, from: u64, reply: Sender<ParkedPage> },
    Live { msn: Msn, reply: Sender<Vec<LivePush>> },
    Lines { msns: Vec<Msn>, line: Line, reply: Sender<Result<(), String>> },
    Broadcast(BroadcastMessage),
}

/// A shard on its way to a thread, whole: it was opened and given its room beside the threads.
pub struct OpenedShard {
    /// The shard.
    pub shard: Shard,
    /// Its end of the carriers.
    pub carriers: CarrierPort,
    /// What it will have under way in the network.
    pub in_network: InNetwork,
    /// Where its records go besides, in a cluster.
    pub replica: Option<Arc<Replica>>,
}

/// Why a shard did not come to a thread, or did not leave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotMoved {
    /// The thread has as many shards as it can have.
    #[error("the thread has as many shards as it can have")]
    NoPlace,
    /// The shard is there already, or is none of this engine's.
    #[error("the shard is there already, or none of this engine")]
    NotExpected,
    /// Another shard is leaving the thread.
    #[error("another shard is leaving the thread: ask again")]
    NotYet,
    /// The shard is not there.
    #[error("the shard is not there")]
    NotHere,
    /// The engine drains.
    #[error("the engine is stopping")]
    Stopping,
}

impl From<NotMoved> for ControlError {
    fn from(why: NotMoved) -> Self {
        match why {
            NotMoved::Stopping => Self::Stopping,
            _ => Self::NotTold(why.to_string()),
        }
    }
}

/// What a thread can be told.
pub enum ThreadMessage {
    /// A word to the shard with this number.
    To(usize, ShardMessage),
    Registrations {
        registry: Arc<Registry>,
        endpoints: Arc<Vec<EndpointPlan>>,
        done: Done,
    },
    Addresses(Arc<Vec<(Xpid, Vec<SocketAddr>)>>),
    /// This host has these addresses from now on.
    HostAddresses(HostAddresses),
    /// These are the carriers and routes from now on.
    Carriers {
        plan: CarrierPlan,
        done: Done,
    },
    Figures(Done),
    Pause {
        paused: bool,
        done: Done,
    },
    /// Push clients' connections that come from now on are accepted with this.
    Acceptance(Acceptance),
    /// Customers' connections that come from now on are accepted with this.
    CustomerAcceptance(Acceptance),
    /// The PDUs of one peer are kept from now on.
    Trace(Arc<PduTrace>),
    /// Notifications are sent with this from now on.
    Outbound(Box<Outbound>),
    /// A shard comes to the thread; it comes back where it finds no place.
    Open {
        opened: Box<OpenedShard>,
        status: Arc<ShardStatus>,
        reply: Sender<Result<(), (NotMoved, Box<OpenedShard>)>>,
    },
    /// A shard is to leave the thread: it comes back once nothing of it is under way, or is to be
    /// waited for.
    Close {
        shard: usize,
        reply: Sender<Result<Box<Shard>, NotMoved>>,
    },
}

/// Durations as a thread shows them.
struct ShownDurations {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl ShownDurations {
    fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS], sum_ns: AtomicU64::new(0) }
    }

    fn show(&self, durations: &Durations) {
        for (shown, count) in self.counts.iter().zip(durations.counts()) {
            shown.store(*count, Ordering::Relaxed);
        }
        self.sum_ns.store(durations.sum_ns(), Ordering::Relaxed);
    }

    pub(crate) fn times(&self, name: &'static str, help: &'static str) -> Times {
        let counts: Vec<u64> =
            self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let bounded = counts.iter().enumerate().take(BOUNDED);
        let buckets =
            bounded.map(|(bucket, &count)| (bound_us(bucket) as f64 / 1e6, count)).collect();
        let sum_s = self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        Times { name, help, buckets, above: counts[BOUNDED], sum_s }
    }
}

/// What a thread shows of itself.
pub struct ThreadStatus {
    /// The system's number of the thread; 0 before it runs.
    pub(crate) thread: AtomicU32,
    pub(crate) turns: AtomicU64,
    /// When the last turn began, steady milliseconds.
    pub(crate) turned_ms: AtomicU64,
    pub connections: AtomicU64,
    pub visits: [AtomicU64; VISITS.len()],
    pub troubles: [AtomicU64; TROUBLES.len()],
    pub customers: [AtomicU64; CUSTOMERS.len()],
    /// Octets that connections hold.
    pub held: AtomicU64,
    pub wakes: AtomicU64,
    pub(crate) ended: AtomicBool,
    answers: ShownDurations,
    own: ShownDurations,
    commits: ShownDurations,
    commits_by_answers: ShownDurations,
    working: ShownDurations,
}

impl ThreadStatus {
    pub(crate) const PUBLISH_INTERVAL_MS: u64 = 50;

    fn new() -> Self {
        Self {
            thread: AtomicU32::new(0),
            turns: AtomicU64::new(0),
            turned_ms: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            visits: [const { AtomicU64::new(0) }; VISITS.len()],
            troubles: [const { AtomicU64::new(0) }; TROUBLES.len()],
            customers: [const { AtomicU64::new(0) }; CUSTOMERS.len()],
            held: AtomicU64::new(0),
            wakes: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            answers: ShownDurations::new(),
            own: ShownDurations::new(),
            commits: ShownDurations::new(),
            commits_by_answers: ShownDurations::new(),
            working: ShownDurations::new(),
        }
    }

    /// It is the calling thread.
    pub(crate) fn note_thread(&self) {
        self.thread.store(host::threads::this_thread(), Ordering::Relaxed);
    }

    /// The system's number of the thread; `None` before it runs.
    pub(crate) fn thread(&self) -> Option<u32> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|&thread| thread != 0)
    }

    pub(crate) fn note_turn(&self, now_ms: SteadyMs) {
        self.turned_ms.store(now_ms.ms(), Ordering::Relaxed);
        // Only this thread writes: a plain add, not a locked one.
        self.turns.store(self.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Whether the thread should have made a turn within the last second, and has not.
    pub fn is_stalled(&self) -> bool {
        let since_ms =
            Now::read().steady_ms.ms().saturating_sub(self.turned_ms.load(Ordering::Relaxed));
        since_ms > HEALTHY_TURN_MS_MAX && !self.has_ended()
    }

    /// The thread has drained: it makes no more turns.
    pub fn note_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn note_watchdog_wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn publish(&self, connections: u64, visits: Visits) {
        self.connections.store(connections, Ordering::Relaxed);
        let shaken = visits.shaken;
        let visits = [
            visits.taken,
            visits.refused,
            visits.evicted,
            visits.silent,
            visits.stuck,
            shaken.done,
            shaken.resumed,
            shaken.failed,
            shaken.dropped,
        ];
        self.visits
            .iter()
            .zip(visits)
            .for_each(|(shown, count)| shown.store(count, Ordering::Relaxed));
    }

    pub(super) fn publish_troubles(&self, troubles: Troubles) {
        let counts = [troubles.insecure, troubles.forbidden];
        let shown = self.troubles.iter().zip(counts);
        shown.for_each(|(shown, count)| shown.store(count, Ordering::Relaxed));
    }

    pub(super) fn publish_customers(&self, counts: Counts) {
        let counts = [
            counts.sessions,
            counts.binds,
            counts.bind_refusals,
            counts.turned_away,
            counts.handshakes_failed,
            counts.submits,
            counts.queries,
            counts.cancels,
            counts.oddities,
            counts.receipts,
            counts.receipts_acknowledged,
            counts.receipts_failed,
            counts.receipts_waiting,
        ];
        let shown = self.customers.iter().zip(counts);
        shown.for_each(|(shown, count)| shown.store(count, Ordering::Relaxed));
    }

    pub(super) fn publish_held(&self, octets: u64) {
        self.held.store(octets, Ordering::Relaxed);
    }

    pub(super) fn publish_waits(&self, waits: &Waits) {
        self.answers.show(&waits.answers);
        self.own.show(&waits.own);
        self.commits.show(&waits.commits);
        self.commits_by_answers.show(&waits.commits_by_answers);
        self.working.show(&waits.turns);
    }

    pub fn times(&self) -> Vec<Times> {
        vec![
            self.answers.times(
                "answer_seconds",
                "From a request's arrival to its answer, which waited for the device",
            ),
            self.own.times(
                "answer_own_seconds",
                "Of these answers the part in which no commit was under way",
            ),
            self.commits.times(
                "commit_seconds",
                "From a commit's begin until the shard knew that it was done",
            ),
            self.commits_by_answers.times(
                "commit_seconds_by_answers",
                "The same, each commit as often as answers waited for it",
            ),
            self.working
                .times("turn_seconds", "Turns of the shard's loop that found anything to do"),
        ]
    }
}

/// One thread's mailbox and status.
pub struct ThreadPort {
    pub sender: Sender<ThreadMessage>,
    pub receiver: Receiver<ThreadMessage>,
    pub status: ThreadStatus,
    waker: OnceLock<Waker>,
    /// Set once: a full mailbox must not lose the order to end.
    drain_asked: AtomicBool,
}

impl ThreadPort {
    pub fn new() -> Arc<Self> {
        let (sender, receiver) = bounded(CONTROL_MESSAGES_MAX);
        Arc::new(Self {
            sender,
            receiver,
            status: ThreadStatus::new(),
            waker: OnceLock::new(),
            drain_asked: AtomicBool::new(false),
        })
    }

    /// The thread runs: it can be woken.
    pub(super) fn set_waker(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    pub fn next_message(&self) -> Option<ThreadMessage> {
        self.receiver.try_recv().ok()
    }

    pub(crate) fn has_messages(&self) -> bool {
        !self.receiver.is_empty()
    }

    /// Whether the thread is to drain.
    pub fn is_drain_asked(&self) -> bool {
        // In one order with the waker's and the sleeper's words, as every look before a sleep.
        self.drain_asked.load(Ordering::SeqCst)
    }

    pub fn ask_to_drain(&self) {
        self.drain_asked.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// Ends the thread's rest, whatever it says of itself.
    pub(crate) fn rouse(&self) {
        if let Some(waker) = self.waker.get() {
            waker.rouse();
        }
    }

    pub fn send(&self, message: ThreadMessage) -> Result<(), ControlError> {
        self.sender.send_timeout(message, TAKEN_TIMEOUT).map_err(|_| self.no_answer())?;
        self.wake();
        Ok(())
    }

    /// Why the thread gives no answer: it ends, or it does not say.
    pub fn no_answer(&self) -> ControlError {
        if self.status.has_ended() || self.is_drain_asked() {
            ControlError::Stopping
        } else {
            ControlError::NoAnswer
        }
    }
}

/// All threads and shards of an engine, as whoever is beside them reaches them.
#[derive(Clone)]
pub struct Ports {
    pub threads: Vec<Arc<ThreadPort>>,
    /// By the shards' numbers.
    pub shards: Vec<Arc<ShardStatus>>,
    /// Who holds each shard.
    pub holders: Arc<Holders>,
    is_node: bool,
}

impl Ports {
    /// So many shards, dealt to so many threads.
    pub fn new(threads: usize, shards: usize) -> Self {
        Self {
            threads: (0..threads).map(|_| ThreadPort::new()).collect(),
            shards: (0..shards).map(|_| ShardStatus::new()).collect(),
            holders: Arc::new(Holders::dealt(shards, threads)),
            is_node: false,
        }
    }

    /// So many threads, and none of so many shards is held by anybody.
    pub fn of_nobody(threads: usize, shards: usize) -> Self {
        let nobody = (0..shards).map(|_| Holder::Nobody);
        let holders = Arc::new(Holders::new(nobody));
        Self { holders, is_node: true, ..Self::new(threads, shards) }
    }

    /// Whether it is a cluster's node: then shards come and go.
    pub fn is_node(&self) -> bool {
        self.is_node
    }

    /// Whether a thread of this engine holds a shard.
    pub fn holds(&self, shard: usize) -> bool {
        self.holders.thread_of(shard).is_some()
    }

    /// Another node of the cluster holds a shard, or nobody: where no thread does.
    pub fn show_elsewhere(&self, shard: usize, node: Option<u16>) {
        let holder = node.map_or(Holder::Nobody, Holder::Node);
        let standing = self.holders.of(shard);
        if !matches!(standing, Holder::Thread(_)) && standing != holder {
            self.holders.set(shard, holder);
        }
    }

    /// Has the thread that holds a shard look at what its replicated log has said.
    pub fn wake(&self, shard: usize) {
        if let Some(port) = self.of_shard(shard) {
            port.wake();
        }
    }

    /// Whether the threads are to drain.
    pub(crate) fn are_draining(&self) -> bool {
        self.threads.iter().any(|port| port.is_drain_asked())
    }

    /// The thread that holds a shard.
    pub fn of_shard(&self, shard: usize) -> Option<&Arc<ThreadPort>> {
        self.threads.get(self.holders.thread_of(shard)?)
    }

    /// Sends a word to a shard.
    ///
    /// # Errors
    /// Its thread does not take it, or none holds the shard.
    pub fn send(&self, shard: usize, message: ShardMessage) -> Result<(), ControlError> {
        let port = self.of_shard(shard).ok_or(ControlError::Elsewhere(shard))?;
        port.send(ThreadMessage::To(shard, message))
    }

    /// As [`Self::send`], waiting no longer than that for a place.
    pub fn send_by(
        &self,
        shard: usize,
        message: ShardMessage,
        deadline: Instant,
    ) -> Result<(), ControlError> {
        let port = self.of_shard(shard).ok_or(ControlError::Elsewhere(shard))?;
        let message = ThreadMessage::To(shard, message);
        port.sender.send_deadline(message, deadline).map_err(|_| port.no_answer())?;
        port.wake();
        Ok(())
    }

    /// The shards that a thread holds, in the order of their numbers.
    pub fn held_by(&self, thread: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.shards.len()).filter(move |&shard| self.holders.thread_of(shard) == Some(thread))
    }

    /// Has a shard come to a thread, which takes it whole.
    ///
    /// # Errors
    /// Why it did not; the shard is gone then, and whoever opened it opens it anew.
    pub fn open(&self, thread: usize, opened: OpenedShard) -> Result<(), ControlError> {
        let number = opened.shard.number();
        let port = self.threads.get(thread).ok_or(ControlError::Elsewhere(number))?;
        let status = self.shards.get(number).ok_or(ControlError::Elsewhere(number))?;
        let (reply, taken) = bounded(1);
        let (opened, status) = (Box::new(opened), Arc::clone(status));
        port.send(ThreadMessage::Open { opened, status, reply })?;
        match taken.recv_timeout(TAKEN_TIMEOUT) {
            Ok(Ok(())) => Ok(()),
            Ok(Err((why, _))) => Err(why.into()),
            Err(_) => Err(port.no_answer()),
        }
    }

    /// Has a shard leave the thread that holds it; it comes back whole.
    ///
    /// # Errors
    /// Why it did not.
    pub fn close(&self, shard: usize) -> Result<Box<Shard>, ControlError> {
        let port = self.of_shard(shard).ok_or(ControlError::Elsewhere(shard))?;
        let (reply, taken) = bounded(1);
        port.send(ThreadMessage::Close { shard, reply })?;
        match taken.recv_timeout(TAKEN_TIMEOUT + Duration::from_millis(CLOSED_MS_MAX)) {
            Ok(Ok(shard)) => Ok(shard),
            Ok(Err(why)) => Err(why.into()),
            Err(_) => Err(port.no_answer()),
        }
    }
}
