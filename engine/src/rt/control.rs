//! How the control plane reaches the shards: bounded message queues in, published figures out.

use crate::gateway::registration::{Registration, Registry};
use crate::ids::{Msn, Xpid};
use crate::network::line_states::Line;
use crate::ops::control::{ControlError, EngineControl, Figure, FigureKind, Obstacle, ShardFigures, Times};
use crate::ops::lines::LineControl;
use crate::ops::parked::{PARKED_DISCARDED_MAX, PARKED_LISTED_MAX, ParkedControl};
use crate::ops::pushes::PushControl;
use crate::rt::durations::{BOUNDED, BUCKETS, Durations, bound_us};
use crate::rt::front::Visits;
use crate::rt::limits::CONTROL_MESSAGES_MAX;
use crate::rt::names::Names;
use crate::rt::notifier::EndpointPlan;
use crate::rt::now::Now;
use crate::rt::ring::Waker;
use crate::rt::waits::Waits;
use crate::shard::figures::{NAMES, Rises};
use crate::shard::{LivePush, Obstacles, ParkedAction, ParkedNotification, WaitingTally, shard_of};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long the control plane waits for a shard to take a change.
const TAKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it looks meanwhile whether a shard has ended.
const ENDED_LOOK: Duration = Duration::from_millis(50);
/// How long whoever asks for figures waits for a shard to give those of this moment; one that stands still is shown as it
/// last was.
const FIGURES_TIMEOUT: Duration = Duration::from_millis(500);
/// A shard that rests makes a turn far more often.
const HEALTHY_TURN_MS_MAX: u64 = 1_000;
/// Contracts sent to a shard in one message, which it takes in one turn: in less than a millisecond while its table grows.
const CONTRACTS_PER_MESSAGE: usize = 1024;
/// Lines of the simulated network sent to a shard in one message.
const LINES_PER_MESSAGE: usize = 1024;

/// What became of push clients' connections, in the order in which a shard shows it.
const VISITS: [(&str, &str); 4] = [
    ("connections_accepted", "Push clients' connections taken"),
    ("connections_refused", "Push clients' connections closed unserved in a drain"),
    ("connections_evicted", "Connections closed before their first request to make room for others"),
    ("connections_silent", "Connections closed because their first request did not come in time"),
];

/// Tells the control plane that a shard has taken a change.
#[derive(Clone)]
pub(super) struct Done(Sender<()>);

impl Done {
    pub(super) fn signal(&self) {
        // A control plane that gave up waiting is no concern of the shard.
        let _ = self.0.try_send(());
    }
}

/// What a shard can be told.
pub(super) enum ShardMessage {
    Registrations { registry: Arc<Registry>, endpoints: Arc<Vec<EndpointPlan>>, done: Done },
    Addresses(Arc<Vec<(Xpid, Vec<SocketAddr>)>>),
    AddContracts { rows: Vec<(Msn, Xpid)>, done: Done },
    RemoveContracts { rows: Vec<(Msn, Xpid)>, done: Done },
    Parked { xpid: Option<Xpid>, action: ParkedAction, most: usize, reply: Sender<Vec<ParkedNotification>> },
    Live { msn: Msn, reply: Sender<Vec<LivePush>> },
    Lines { msns: Vec<Msn>, line: Line, reply: Sender<Result<(), String>> },
    Figures(Done),
    Pause(bool),
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

    fn times(&self, name: &'static str, help: &'static str) -> Times {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let bounded = counts.iter().enumerate().take(BOUNDED);
        let buckets = bounded.map(|(bucket, &count)| (bound_us(bucket) as f64 / 1e6, count)).collect();
        let sum_s = self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        Times { name, help, buckets, above: counts[BOUNDED], sum_s }
    }
}

/// What a shard shows of itself.
pub(super) struct ShardStatus {
    turns: AtomicU64,
    /// When the last turn began, steady milliseconds.
    turned_ms: AtomicU64,
    paused: AtomicBool,
    full: AtomicBool,
    lost: AtomicBool,
    figures: Vec<AtomicU64>,
    connections: AtomicU64,
    visits: [AtomicU64; 4],
    syncs: AtomicU64,
    wakes: AtomicU64,
    ended: AtomicBool,
    /// At the end: events that wait in the journal for room in the books, and requests whose counts are lost.
    unbilled: [AtomicU64; 2],
    waiting: Mutex<WaitingTally>,
    answers: ShownDurations,
    own: ShownDurations,
    commits: ShownDurations,
    commits_by_answers: ShownDurations,
    working: ShownDurations,
}

impl ShardStatus {
    pub(super) const PUBLISH_INTERVAL_MS: u64 = 50;

    fn new() -> Self {
        Self {
            turns: AtomicU64::new(0),
            turned_ms: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            full: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            figures: NAMES.iter().map(|_| AtomicU64::new(0)).collect(),
            connections: AtomicU64::new(0),
            visits: [const { AtomicU64::new(0) }; 4],
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

    pub(super) fn note_turn(&self, now_ms: u64) {
        self.turned_ms.store(now_ms, Ordering::Relaxed);
        // Only this shard writes: a plain add, not a locked one.
        self.turns.store(self.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// What of the books could not be written before the end.
    pub(super) fn note_unbilled(&self, (events, requests): (u64, u64)) {
        self.unbilled[0].store(events, Ordering::Relaxed);
        self.unbilled[1].store(requests, Ordering::Relaxed);
    }

    /// Whether the shard should have made a turn within the last second, and has not.
    fn is_stalled(&self) -> bool {
        let since_ms = Now::read().steady_ms.saturating_sub(self.turned_ms.load(Ordering::Relaxed));
        since_ms > HEALTHY_TURN_MS_MAX && !self.has_ended()
    }

    /// Shows what stands in the way of new pushes.
    pub(super) fn show_obstacles(&self, obstacles: Obstacles) {
        self.paused.store(obstacles.paused, Ordering::Relaxed);
        self.full.store(obstacles.full, Ordering::Relaxed);
        self.lost.store(obstacles.lost, Ordering::Relaxed);
    }

    /// The shard has drained: it makes no more turns.
    pub(super) fn note_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(super) fn note_watchdog_wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn publish(&self, values: &[u64], connections: u64, visits: Visits, syncs: u64) {
        for (shown, value) in self.figures.iter().zip(values) {
            shown.store(*value, Ordering::Relaxed);
        }
        self.connections.store(connections, Ordering::Relaxed);
        let visits = [visits.taken, visits.refused, visits.evicted, visits.silent];
        self.visits.iter().zip(visits).for_each(|(shown, count)| shown.store(count, Ordering::Relaxed));
        self.syncs.store(syncs, Ordering::Relaxed);
    }

    pub(super) fn publish_waits(&self, waits: &Waits) {
        self.answers.show(&waits.answers);
        self.own.show(&waits.own);
        self.commits.show(&waits.commits);
        self.commits_by_answers.show(&waits.commits_by_answers);
        self.working.show(&waits.turns);
    }

    fn times(&self) -> Vec<Times> {
        vec![
            self.answers.times(
                "answer_seconds",
                "From a request's arrival to its answer, which waited for the device",
            ),
            self.own
                .times("answer_own_seconds", "Of these answers the part in which no commit was under way"),
            self.commits
                .times("commit_seconds", "From a commit's begin until the shard knew that it was done"),
            self.commits_by_answers.times(
                "commit_seconds_by_answers",
                "The same, each commit as often as answers waited for it",
            ),
            self.working.times("turn_seconds", "Turns of the shard's loop that found anything to do"),
        ]
    }

    /// Shows a count of what waits; whether it could: somebody may be looking at the last one.
    pub(super) fn publish_waiting(&self, tally: &WaitingTally) -> bool {
        self.waiting.try_lock().map(|mut shown| shown.clone_from(tally)).is_ok()
    }
}

/// One shard's mailbox and status.
pub(super) struct ShardPort {
    sender: Sender<ShardMessage>,
    receiver: Receiver<ShardMessage>,
    pub(super) status: ShardStatus,
    waker: OnceLock<Waker>,
    /// Set once: a full mailbox must not lose the order to end.
    drain_asked: AtomicBool,
}

impl ShardPort {
    pub(super) fn new() -> Arc<Self> {
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

    pub(super) fn next_message(&self) -> Option<ShardMessage> {
        self.receiver.try_recv().ok()
    }

    pub(super) fn has_messages(&self) -> bool {
        !self.receiver.is_empty()
    }

    /// Whether the shard is to drain.
    pub(super) fn is_drain_asked(&self) -> bool {
        // In one order with the waker's and the sleeper's words, as every look before a sleep.
        self.drain_asked.load(Ordering::SeqCst)
    }

    fn ask_to_drain(&self) {
        self.drain_asked.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// Ends the shard's rest, whatever it says of itself.
    pub(super) fn rouse(&self) {
        if let Some(waker) = self.waker.get() {
            waker.rouse();
        }
    }

    fn send(&self, message: ShardMessage) -> Result<(), ControlError> {
        self.sender.send_timeout(message, TAKEN_TIMEOUT).map_err(|_| ControlError::Stopping)?;
        self.wake();
        Ok(())
    }
}

/// The running engine, as the control plane holds it.
pub struct EngineHandle {
    ports: Vec<Arc<ShardPort>>,
    /// Held while a change is told, so that the shards are told everything in one order.
    registry: Mutex<Arc<Registry>>,
    names: Names,
    stopping: AtomicBool,
}

impl EngineHandle {
    pub(super) fn new(ports: Vec<Arc<ShardPort>>, registry: Arc<Registry>, names: Names) -> Arc<Self> {
        Arc::new(Self { ports, registry: Mutex::new(registry), names, stopping: AtomicBool::new(false) })
    }

    /// From now on the shards are told when the address of a notification host has changed.
    pub(super) fn follow_names(self: &Arc<Self>) -> std::io::Result<()> {
        let handle = Arc::downgrade(self);
        self.names.start(move || handle.upgrade().is_none_or(|handle| handle.publish_addresses()))
    }

    /// Whether every shard has room for the addresses as they are known now.
    fn publish_addresses(&self) -> bool {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = registry.iter().filter_map(|registered| {
            let url = registered.registration.notify_url.as_ref()?;
            Some((registered.registration.xpid, self.names.addresses(url.host(), url.port())))
        });
        let addresses = Arc::new(addresses.collect::<Vec<_>>());
        let mut taken = true;
        for port in &self.ports {
            taken &= port.sender.try_send(ShardMessage::Addresses(Arc::clone(&addresses))).is_ok();
            port.wake();
        }
        taken
    }

    /// Of an engine that has drained: events that wait in the journal for room in the books, and requests whose counts
    /// found no room in them.
    pub fn unbilled(&self) -> (u64, u64) {
        let sum = |which: usize| {
            self.ports.iter().map(|port| port.status.unbilled[which].load(Ordering::Relaxed)).sum()
        };
        (sum(0), sum(1))
    }

    /// Whether the engine was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn wait(&self, done: &Receiver<()>, shards: usize) -> Result<(), ControlError> {
        (0..shards).try_for_each(|_| self.taken(done))
    }

    /// What a shard replies; a stop does not wait for the reply of one that has ended.
    fn taken<T>(&self, reply: &Receiver<T>) -> Result<T, ControlError> {
        let deadline = Instant::now() + TAKEN_TIMEOUT;
        loop {
            match reply.recv_deadline(deadline.min(Instant::now() + ENDED_LOOK)) {
                Ok(reply) => return Ok(reply),
                Err(_) if Instant::now() >= deadline => return Err(ControlError::Stopping),
                Err(_) if self.ports.iter().any(|port| port.status.has_ended()) => {
                    // It may have replied as the last thing it did.
                    return reply.try_recv().map_err(|_| ControlError::Stopping);
                }
                Err(_) => {}
            }
        }
    }

    /// Has every shard publish its figures now: what happened before the question is counted in the answer.
    fn refresh_figures(&self) {
        let (done, published) = bounded(self.ports.len());
        let running = self.ports.iter().filter(|port| !port.status.has_ended());
        let asked =
            running.filter(|port| port.sender.try_send(ShardMessage::Figures(Done(done.clone()))).is_ok());
        let asked = asked.inspect(|port| port.wake()).count();
        let deadline = Instant::now() + FIGURES_TIMEOUT;
        for _ in 0..asked {
            if published.recv_deadline(deadline).is_err() {
                break;
            }
        }
    }

    fn send_contracts(
        &self,
        rows: &[(Msn, Xpid)],
        message: impl Fn(Vec<(Msn, Xpid)>, Done) -> ShardMessage,
    ) -> Result<(), ControlError> {
        let mut slices: Vec<Vec<(Msn, Xpid)>> = self.ports.iter().map(|_| Vec::new()).collect();
        for &row in rows {
            slices[shard_of(row.0, self.ports.len())].push(row);
        }
        for (port, slice) in self.ports.iter().zip(slices) {
            for rows in slice.chunks(CONTRACTS_PER_MESSAGE) {
                let (done, taken) = bounded(1);
                port.send(message(rows.to_vec(), Done(done)))?;
                self.wait(&taken, 1)?;
            }
        }
        Ok(())
    }
}

impl ParkedControl for EngineHandle {
    fn parked(
        &self,
        xpid: Option<Xpid>,
        action: ParkedAction,
    ) -> Result<Vec<ParkedNotification>, ControlError> {
        // What is discarded is listed no more, so a shard does that in parts between which it serves.
        let most = if action == ParkedAction::Discard { PARKED_DISCARDED_MAX } else { PARKED_LISTED_MAX };
        let mut all = Vec::new();
        for port in &self.ports {
            for _ in 0..PARKED_LISTED_MAX / most {
                let (reply, taken) = bounded(1);
                port.send(ShardMessage::Parked { xpid, action, most, reply })?;
                let part = self.taken(&taken)?;
                let rest = part.len() == most;
                all.extend(part);
                if !rest {
                    break;
                }
            }
        }
        Ok(all)
    }
}

impl PushControl for EngineHandle {
    fn live_pushes(&self, msn: Msn) -> Result<Vec<LivePush>, ControlError> {
        let (reply, taken) = bounded(1);
        self.ports[shard_of(msn, self.ports.len())].send(ShardMessage::Live { msn, reply })?;
        self.taken(&taken)
    }
}

impl LineControl for EngineHandle {
    fn set_lines(&self, msns: &[Msn], line: Line) -> Result<u64, ControlError> {
        let mut slices: Vec<Vec<Msn>> = self.ports.iter().map(|_| Vec::new()).collect();
        for &msn in msns {
            slices[shard_of(msn, self.ports.len())].push(msn);
        }
        for (port, slice) in self.ports.iter().zip(slices) {
            for msns in slice.chunks(LINES_PER_MESSAGE) {
                let (reply, taken) = bounded(1);
                port.send(ShardMessage::Lines { msns: msns.to_vec(), line, reply })?;
                let told = self.taken(&taken)?;
                told.map_err(ControlError::NotTold)?;
            }
        }
        Ok(msns.len() as u64)
    }
}

impl EngineControl for EngineHandle {
    fn publish_registrations(&self, registrations: Vec<Registration>) -> Result<(), ControlError> {
        let mut current = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoints = Arc::new(self.names.plans(&registrations));
        let registry = Arc::new(current.succeed(registrations));
        for (xpid, error) in registry.refused() {
            tracing::error!(%xpid, %error, "a registration cannot be used and is left out");
        }
        *current = Arc::clone(&registry);
        let (done, taken) = bounded(self.ports.len());
        for port in &self.ports {
            port.send(ShardMessage::Registrations {
                registry: Arc::clone(&registry),
                endpoints: Arc::clone(&endpoints),
                done: Done(done.clone()),
            })?;
        }
        self.wait(&taken, self.ports.len())
    }

    fn add_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.send_contracts(rows, |rows, done| ShardMessage::AddContracts { rows, done })
    }

    fn remove_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.send_contracts(rows, |rows, done| ShardMessage::RemoveContracts { rows, done })
    }

    fn pause(&self, paused: bool) {
        for port in &self.ports {
            let _ = port.send(ShardMessage::Pause(paused));
        }
    }

    fn stalled_shards(&self) -> Vec<usize> {
        (0..self.ports.len()).filter(|&shard| self.ports[shard].status.is_stalled()).collect()
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        let any = |flag: fn(&ShardStatus) -> &AtomicBool| {
            self.ports.iter().any(|port| flag(&port.status).load(Ordering::Relaxed))
        };
        let stopping = self.is_stopping();
        let told = [
            (stopping, Obstacle::Draining),
            (!stopping && any(|status| &status.paused), Obstacle::Paused),
            (any(|status| &status.full), Obstacle::StorageFull),
            (any(|status| &status.lost), Obstacle::DataLost),
        ];
        told.into_iter().filter(|&(is_so, _)| is_so).map(|(_, obstacle)| obstacle).collect()
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.ports.iter().for_each(|port| port.ask_to_drain());
    }

    fn waiting(&self) -> Vec<WaitingTally> {
        let tallies = self.ports.iter().map(|port| port.status.waiting.lock());
        tallies.map(|tally| tally.unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    fn figures(&self) -> Vec<ShardFigures> {
        self.refresh_figures();
        let counter = |name, help, value| Figure { name, help, kind: FigureKind::Counter, value };
        self.ports
            .iter()
            .enumerate()
            .map(|(shard, port)| {
                let status = &port.status;
                let mut figures: Vec<Figure> = NAMES
                    .iter()
                    .zip(&status.figures)
                    .map(|(&(name, help, rises), value)| Figure {
                        name,
                        help,
                        kind: if rises == Rises::Always { FigureKind::Counter } else { FigureKind::Gauge },
                        value: value.load(Ordering::Relaxed),
                    })
                    .collect();
                figures.push(Figure {
                    name: "connections",
                    help: "Push clients' connections",
                    kind: FigureKind::Gauge,
                    value: status.connections.load(Ordering::Relaxed),
                });
                for (&(name, help), count) in VISITS.iter().zip(&status.visits) {
                    figures.push(counter(name, help, count.load(Ordering::Relaxed)));
                }
                figures.push(counter("syncs", "Journal syncs", status.syncs.load(Ordering::Relaxed)));
                figures.push(counter("turns", "Turns of the shard's loop", status.turns()));
                let wakes = status.wakes.load(Ordering::Relaxed);
                figures.push(counter("watchdog_wakes", "Times the watchdog woke the shard", wakes));
                ShardFigures { shard, figures, times: status.times() }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::names::{Hanging, INTERVALS};

    #[test]
    fn the_order_to_drain_reaches_a_shard_whose_mailbox_is_full() {
        let port = ShardPort::new();
        while port.sender.try_send(ShardMessage::Pause(false)).is_ok() {}
        let names = Names::new(Hanging, INTERVALS);
        let handle = EngineHandle::new(vec![Arc::clone(&port)], Arc::new(Registry::new(Vec::new())), names);
        let begun = Instant::now();
        handle.stop();
        assert!(port.is_drain_asked() && handle.is_stopping());
        assert!(begun.elapsed() < TAKEN_TIMEOUT / 2, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_change_does_not_wait_for_a_shard_that_has_ended() {
        let port = ShardPort::new();
        port.status.note_ended();
        let names = Names::new(Hanging, INTERVALS);
        let handle = EngineHandle::new(vec![port], Arc::new(Registry::new(Vec::new())), names);
        let begun = Instant::now();
        assert_eq!(handle.publish_registrations(Vec::new()), Err(ControlError::Stopping));
        assert!(begun.elapsed() < TAKEN_TIMEOUT / 2, "{:?}", begun.elapsed());
    }
}
