//! How the control plane reaches the shards: bounded message queues in, published figures out.

use crate::gateway::registry::Registry;
use crate::io::driver::Waker;
use crate::io::durations::{BOUNDED, BUCKETS, Durations, bound_us};
use crate::io::figures::{ControlError, Times};
use crate::io::front::Visits;
use crate::io::host_addresses::HostAddresses;
use crate::io::limits::CONTROL_MESSAGES_MAX;
use crate::io::notifier::{EndpointPlan, Outbound, Troubles};
use crate::io::now::Now;
use crate::io::orders::BroadcastMessage;
use crate::io::serving::Counts;
use crate::io::tls::Acceptance;
use crate::io::waits::Waits;
use crate::network::line_states::Line;
use crate::network::smpp::exchange::CarrierPlan;
use crate::shard::figures::NAMES;
use crate::shard::{LivePush, Obstacles, ParkedAction, ParkedPage, WaitingTally};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::time::SteadyMs;

/// How long the control plane waits for a shard to take a change.
pub(crate) const TAKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A shard that rests makes a turn far more often.
pub(crate) const HEALTHY_TURN_MS_MAX: u64 = 1_000;

/// What became of push clients' connections, in the order in which a shard shows it.
pub(crate) const VISITS: [(&str, &str); 9] = [
    ("connections_accepted", "Push clients' connections taken"),
    ("connections_refused", "Push clients' connections closed unserved in a drain"),
    (
        "connections_evicted",
        "Connections closed before their first request to make room for others",
    ),
    ("connections_silent", "Connections closed because their first request did not come in time"),
    ("connections_stuck", "Connections closed because their answers were not taken in time"),
    ("tls_handshakes", "TLS handshakes of push clients completed"),
    ("tls_resumed", "Of these those by a ticket of an earlier one"),
    ("tls_failed", "TLS handshakes of push clients that failed"),
    ("tls_dropped", "TLS handshakes that took too long, or were too many half done at once"),
];

/// What customers of SMPP did, in the order in which a shard shows it; the second is whether it
/// only grows.
pub(crate) const CUSTOMERS: [(&str, bool, &str); 13] = [
    ("smpp_sessions", false, "Sessions that customers have bound"),
    ("smpp_binds", true, "Binds of customers that were taken"),
    ("smpp_bind_refusals", true, "Binds of customers that were refused"),
    ("smpp_turned_away", true, "Connections of customers closed at accept"),
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
pub(crate) const TROUBLES: [(&str, &str); 2] = [
    ("notify_tls_failed", "Connections to notification servers on which TLS failed"),
    ("notify_forbidden", "Notifications parked because they may not go where their URL leads"),
];

/// Tells the control plane that a shard has taken a change.
#[derive(Clone)]
pub(crate) struct Done(pub(crate) Sender<()>);

impl Done {
    pub(crate) fn signal(&self) {
        // A control plane that gave up waiting is no concern of the shard.
        let _ = self.0.try_send(());
    }
}

/// What a shard can be told.
pub(crate) enum ShardMessage {
    Registrations {
        registry: Arc<Registry>,
        endpoints: Arc<Vec<EndpointPlan>>,
        done: Done,
    },
    Addresses(Arc<Vec<(Xpid, Vec<SocketAddr>)>>),
    /// This host has these addresses from now on.
    HostAddresses(HostAddresses),
    AddContracts {
        rows: Vec<(Msn, Xpid)>,
        done: Done,
    },
    RemoveContracts {
        rows: Vec<(Msn, Xpid)>,
        done: Done,
    },
    Parked {
        xpid: Option<Xpid>,
        action: ParkedAction,
        from: u64,
        reply: Sender<ParkedPage>,
    },
    Live {
        msn: Msn,
        reply: Sender<Vec<LivePush>>,
    },
    Lines {
        msns: Vec<Msn>,
        line: Line,
        reply: Sender<Result<(), String>>,
    },
    /// These are the carriers and routes from now on.
    Carriers {
        plan: CarrierPlan,
        done: Done,
    },
    Figures(Done),
    Broadcast(BroadcastMessage),
    Pause {
        paused: bool,
        done: Done,
    },
    /// Push clients' connections that come from now on are accepted with this.
    Acceptance(Acceptance),
    /// Customers' connections that come from now on are accepted with this.
    CustomerAcceptance(Acceptance),
    /// Notifications are sent with this from now on.
    Outbound(Box<Outbound>),
}

/// Durations as a shard shows them.
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

/// What a shard shows of itself.
pub(crate) struct ShardStatus {
    /// The system's number of the shard's thread; 0 before it runs.
    pub(crate) thread: AtomicU32,
    pub(crate) turns: AtomicU64,
    /// When the last turn began, steady milliseconds.
    pub(crate) turned_ms: AtomicU64,
    pub(crate) paused: AtomicBool,
    pub(crate) full: AtomicBool,
    pub(crate) crowded: AtomicBool,
    pub(crate) behind: AtomicBool,
    pub(crate) lost: AtomicBool,
    /// How many classes find room, the one that matters most first.
    pub(crate) classes_taken: AtomicU8,
    pub(crate) figures: Vec<AtomicU64>,
    pub(crate) connections: AtomicU64,
    pub(crate) visits: [AtomicU64; VISITS.len()],
    pub(crate) troubles: [AtomicU64; TROUBLES.len()],
    pub(crate) customers: [AtomicU64; CUSTOMERS.len()],
    /// Octets that connections hold.
    pub(crate) held: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) wakes: AtomicU64,
    pub(crate) ended: AtomicBool,
    /// At the end: events that wait in the journal for room in the books, and requests whose counts
    /// are lost.
    pub(crate) unbilled: [AtomicU64; 2],
    pub(crate) waiting: Mutex<WaitingTally>,
    answers: ShownDurations,
    own: ShownDurations,
    commits: ShownDurations,
    commits_by_answers: ShownDurations,
    working: ShownDurations,
}

impl ShardStatus {
    pub(crate) const PUBLISH_INTERVAL_MS: u64 = 50;

    fn new() -> Self {
        Self {
            thread: AtomicU32::new(0),
            turns: AtomicU64::new(0),
            turned_ms: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            full: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            classes_taken: AtomicU8::new(Class::BY_WEIGHT.len() as u8),
            figures: NAMES.iter().map(|_| AtomicU64::new(0)).collect(),
            connections: AtomicU64::new(0),
            visits: [const { AtomicU64::new(0) }; VISITS.len()],
            troubles: [const { AtomicU64::new(0) }; TROUBLES.len()],
            customers: [const { AtomicU64::new(0) }; CUSTOMERS.len()],
            held: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            wakes: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            unbilled: Default::default(),
            waiting: Mutex::default(),
            answers: ShownDurations::new(),
            own: ShownDurations::new(),
            commits: ShownDurations::new(),
            commits_by_answers: ShownDurations::new(),
            working: ShownDurations::new(),
        }
    }

    /// The shard runs on the calling thread.
    pub(crate) fn note_thread(&self) {
        self.thread.store(host::threads::this_thread(), Ordering::Relaxed);
    }

    /// The system's number of the thread on which the shard runs; `None` before it does.
    pub(crate) fn thread(&self) -> Option<u32> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|&thread| thread != 0)
    }

    pub(crate) fn note_turn(&self, now_ms: SteadyMs) {
        self.turned_ms.store(now_ms.ms(), Ordering::Relaxed);
        // Only this shard writes: a plain add, not a locked one.
        self.turns.store(self.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// What of the books could not be written before the end.
    pub(crate) fn note_unbilled(&self, (events, requests): (u64, u64)) {
        self.unbilled[0].store(events, Ordering::Relaxed);
        self.unbilled[1].store(requests, Ordering::Relaxed);
    }

    /// Whether the shard should have made a turn within the last second, and has not.
    pub(crate) fn is_stalled(&self) -> bool {
        let since_ms =
            Now::read().steady_ms.ms().saturating_sub(self.turned_ms.load(Ordering::Relaxed));
        since_ms > HEALTHY_TURN_MS_MAX && !self.has_ended()
    }

    /// Shows what stands in the way of new pushes.
    pub(crate) fn show_obstacles(&self, obstacles: Obstacles) {
        self.paused.store(obstacles.paused, Ordering::Relaxed);
        self.full.store(obstacles.full, Ordering::Relaxed);
        self.crowded.store(obstacles.crowded, Ordering::Relaxed);
        self.behind.store(obstacles.behind, Ordering::Relaxed);
        self.classes_taken.store(obstacles.classes_taken, Ordering::Relaxed);
        self.lost.store(obstacles.lost, Ordering::Relaxed);
    }

    /// The shard has drained: it makes no more turns.
    pub(crate) fn note_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn note_watchdog_wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn publish(&self, values: &[u64], connections: u64, visits: Visits, syncs: u64) {
        for (shown, value) in self.figures.iter().zip(values) {
            shown.store(*value, Ordering::Relaxed);
        }
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
        self.syncs.store(syncs, Ordering::Relaxed);
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

    pub(crate) fn times(&self) -> Vec<Times> {
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

    /// Shows a count of what waits; whether it could: somebody may be looking at the last one.
    pub(crate) fn publish_waiting(&self, tally: &WaitingTally) -> bool {
        self.waiting.try_lock().map(|mut shown| shown.clone_from(tally)).is_ok()
    }
}

/// One shard's mailbox and status.
pub(crate) struct ShardPort {
    pub(crate) sender: Sender<ShardMessage>,
    pub(crate) receiver: Receiver<ShardMessage>,
    pub(crate) status: ShardStatus,
    waker: OnceLock<Waker>,
    /// Set once: a full mailbox must not lose the order to end.
    drain_asked: AtomicBool,
}

impl ShardPort {
    pub(crate) fn new() -> Arc<Self> {
        let (sender, receiver) = bounded(CONTROL_MESSAGES_MAX);
        Arc::new(Self {
            sender,
            receiver,
            status: ShardStatus::new(),
            waker: OnceLock::new(),
            drain_asked: AtomicBool::new(false),
        })
    }

    /// The shard runs: it can be woken.
    pub(super) fn set_waker(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    pub(crate) fn next_message(&self) -> Option<ShardMessage> {
        self.receiver.try_recv().ok()
    }

    pub(crate) fn has_messages(&self) -> bool {
        !self.receiver.is_empty()
    }

    /// Whether the shard is to drain.
    pub(crate) fn is_drain_asked(&self) -> bool {
        // In one order with the waker's and the sleeper's words, as every look before a sleep.
        self.drain_asked.load(Ordering::SeqCst)
    }

    pub(crate) fn ask_to_drain(&self) {
        self.drain_asked.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// Ends the shard's rest, whatever it says of itself.
    pub(crate) fn rouse(&self) {
        if let Some(waker) = self.waker.get() {
            waker.rouse();
        }
    }

    pub(crate) fn send(&self, message: ShardMessage) -> Result<(), ControlError> {
        self.sender.send_timeout(message, TAKEN_TIMEOUT).map_err(|_| ControlError::Stopping)?;
        self.wake();
        Ok(())
    }
}
