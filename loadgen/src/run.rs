//! One run: senders, the sink's ledger, the wait for the last notification, the outcome.

use crate::clock::Clock;
use crate::conditions::{Conditions, Observer};
use crate::format::{grouped, percent, time};
use crate::latency::Latencies;
use crate::ledger::{Ledger, Progress, Tally};
use crate::limits::{CONNECT_WITHIN, INTERRUPT_WITHIN, RECONNECT_PAUSE_NS_MAX};
use crate::live::{Board, View};
use crate::os;
use crate::plan::{Plan, PlanError};
use crate::sender::esme::{Esme, Submitting};
use crate::sender::{Sender, Sent, Shared};
use crate::sink::Sink;
use crate::template::Templates;
use crate::tls::TargetStream;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a waiting run looks at its progress.
const LOOK: Duration = Duration::from_millis(10);

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan cannot be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The target takes no connections.
    #[error("{target} takes no connection ({source}): is the engine running and listening there?")]
    Connect {
        /// Where it should be.
        target: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The target takes connections and no handshake.
    #[error(
        "{target} and this run do not come to speak TLS ({source}): is it a port for TLS, and is \
         its certificate's authority named with --tls-ca?"
    )]
    Handshake {
        /// Who it is.
        target: SocketAddr,
        /// What either side says.
        source: io::Error,
    },
    /// The target is an SMSC and lets nobody bind.
    #[error("{0}")]
    Bind(String),
    /// A thread, poll or socket could not be had.
    #[error("the load generator could not set itself up: {0}.")]
    Setup(#[from] io::Error),
}

/// A run under way.
pub struct Run<'sink> {
    shared: Arc<Shared>,
    sink: Option<&'sink Sink>,
    threads: Vec<JoinHandle<Sent>>,
    cpu_before: Duration,
    connections_missing: u64,
    observer: Option<Observer>,
    interrupted_at: Option<Instant>,
}

/// Ends the sending of a run early.
#[derive(Clone)]
pub struct Stopper {
    shared: Arc<Shared>,
}

impl Stopper {
    /// Begins no further push; what is sent is brought to its end.
    pub fn stop(&self) {
        self.shared.stop.store(true, Relaxed);
    }

    /// Begins no further push and waits for what is under way for two seconds more; the outcome
    /// says how far the run came.
    pub fn interrupt(&self) {
        self.shared.interrupted.store(true, Relaxed);
        self.stop();
    }

    /// Waits for nothing any more: what is not answered and notified by now stays so.
    pub fn give_up(&self) {
        self.shared.give_up.store(true, Relaxed);
    }
}

/// What came of a run.
#[derive(Clone)]
pub struct Outcome {
    /// The book; later notifications still go into it while the sink lives.
    pub ledger: Arc<Ledger>,
    /// Its balance when the run ended.
    pub tally: Tally,
    /// What the senders measured, over all threads.
    pub sent: Sent,
    /// From the intended (open loop) or actual (closed loop) send to the first notification.
    pub notification_times: Latencies,
    /// From the first send to the last final answer.
    pub answered_within: Duration,
    /// From the first send to the last first notification, or the last answer where none were asked
    /// for.
    pub settled_within: Duration,
    /// CPU time of this process from the start of the load to the end of the run.
    pub generator_cpu: Duration,
    /// What the machine did to the run.
    pub conditions: Conditions,
    /// How far it had come when it was interrupted; `None` if it came to its end.
    pub cut_short: Option<CutShort>,
}

/// A run that was interrupted before its end.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct CutShort {
    /// From the first send to the interruption.
    pub after_s: f64,
    /// Requests that were sent.
    pub requests_sent: u64,
    /// Requests that the plan had.
    pub requests_planned: u64,
    /// Requests that were sent and had no answer yet.
    pub unanswered: u64,
    /// Accepted pushes that were not yet notified.
    pub not_awaited: u64,
}

impl Outcome {
    /// Whether the ledger is clean, every answer came in its turn and could be read, and no thread
    /// gave up.
    pub fn is_clean(&self) -> bool {
        self.tally.is_clean() && self.sent.misordered == 0 && self.sent.failure.is_none()
    }
}

impl CutShort {
    /// How much was carried out.
    pub fn sentence(&self) -> String {
        let mut sentence = format!(
            "the run was interrupted after {}: {} of {} requests were sent ({})",
            time(Duration::from_secs_f64(self.after_s)),
            grouped(self.requests_sent),
            grouped(self.requests_planned),
            percent(self.requests_sent, self.requests_planned)
        );
        for (count, what) in
            [(self.unanswered, "not answered"), (self.not_awaited, "not yet notified")]
        {
            if count > 0 {
                sentence += &format!(", {} {what}", grouped(count));
            }
        }
        sentence + "."
    }
}

/// Carries out `plan`, from the first connection to the last notification.
pub fn run(plan: Plan, sink: Option<&Sink>) -> Result<Outcome, RunError> {
    Ok(Run::start(plan, sink)?.wait())
}

impl<'sink> Run<'sink> {
    /// Makes all connections and starts sending.
    pub fn start(plan: Plan, sink: Option<&'sink Sink>) -> Result<Self, RunError> {
        plan.check()?;
        if plan.notify && plan.smpp.is_none() && sink.is_none() {
            return Err(PlanError::NoSink.into());
        }
        let shared = share(plan, Clock::start());
        let (senders, connections_missing) = connect(&shared)?;
        if let Some(sink) = sink {
            sink.attach(Arc::clone(&shared.ledger));
        }
        let observe = || Observer::prepare(Arc::clone(&shared.ledger), &shared.plan);
        let observer = shared.plan.observed.then(observe).transpose()?;
        let cpu_before = os::own_cpu_time();
        // All threads exist before the clock starts.
        let barrier = Arc::new(Barrier::new(senders.len() + 1));
        let mut threads = Vec::with_capacity(senders.len());
        for (number, sender) in senders.into_iter().enumerate() {
            let cpu: Vec<usize> =
                shared.plan.cpus.iter().copied().cycle().skip(number).take(1).collect();
            let barrier = Arc::clone(&barrier);
            threads.push(std::thread::Builder::new().name(format!("sender-{number}")).spawn(
                move || {
                    // A sender that may run anywhere is only slower.
                    let _ = os::pin_thread(&cpu);
                    barrier.wait();
                    barrier.wait();
                    sender.run()
                },
            )?);
        }
        barrier.wait();
        shared.ledger.start(shared.ledger.clock().now_ns());
        barrier.wait();
        observer.iter().for_each(Observer::begin);
        Ok(Self {
            shared,
            sink,
            threads,
            cpu_before,
            connections_missing,
            observer,
            interrupted_at: None,
        })
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.shared.ledger.progress()
    }

    /// What is to be seen of it now.
    pub fn view(&self) -> View {
        let ledger = &self.shared.ledger;
        let since_start_ns = ledger.clock().now_ns().saturating_sub(ledger.start_ns());
        let target = ledger.schedule().map(|schedule| {
            let due = |at_ns| schedule.due(at_ns).min(self.shared.plan.pushes);
            let second_ns = since_start_ns.clamp(1, 1_000_000_000);
            let fell_due =
                due(since_start_ns) - due(since_start_ns - second_ns.min(since_start_ns));
            fell_due as f64 * 1e9 / second_ns as f64
        });
        View {
            at_s: since_start_ns as f64 / 1e9,
            target_per_s: target,
            in_flight: ledger.in_flight(),
            outstanding: if self.shared.plan.notify { ledger.outstanding() } else { 0 },
            answers: self.shared.board.last_second(),
            notifications: self.sink.map(Sink::last_second).unwrap_or_default(),
            classes: ledger.answer_classes(),
            http_errors: ledger.http_errors().iter().map(|(_, count)| count).sum(),
            connections_lost: self.shared.connections_lost.load(Relaxed),
        }
    }

    /// Its book.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.shared.ledger)
    }

    /// A handle that can end the sending early.
    pub fn stopper(&self) -> Stopper {
        Stopper { shared: Arc::clone(&self.shared) }
    }

    /// Waits until all pushes are answered and notified, or notifications make no progress any
    /// more.
    pub fn wait(self) -> Outcome {
        self.wait_and_watch(|_| ())
    }

    /// As `wait`, calling `watch` with the progress every few milliseconds.
    pub fn wait_and_watch(self, mut watch: impl FnMut(Progress)) -> Outcome {
        self.wait_and_look(|run| watch(run.progress()))
    }

    /// As `wait`, calling `look` with the run every few milliseconds.
    pub fn wait_and_look(mut self, mut look: impl FnMut(&Self)) -> Outcome {
        let mut sent = Sent { connections_missing: self.connections_missing, ..Sent::default() };
        while !self.threads.iter().all(JoinHandle::is_finished) {
            look(&self);
            self.mind_interruption();
            std::thread::park_timeout(LOOK);
        }
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(measured) => sent.add(&measured),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        // Receipts of an SMSC come to the senders, which have waited for them.
        if self.shared.plan.notify && self.shared.plan.smpp.is_none() {
            self.await_notifications(&mut look);
        }
        look(&self);
        self.outcome(sent)
    }

    /// Gives up what is still under way a while after the run was interrupted.
    fn mind_interruption(&mut self) {
        if self.shared.interrupted.load(Relaxed) {
            let since = *self.interrupted_at.get_or_insert_with(Instant::now);
            if since.elapsed() >= INTERRUPT_WITHIN {
                self.shared.give_up.store(true, Relaxed);
            }
        }
    }

    fn await_notifications(&mut self, look: &mut impl FnMut(&Self)) {
        let patience = self.shared.plan.patience;
        let mut seen = self.progress();
        let mut seen_at = Instant::now();
        loop {
            let progress = self.progress();
            look(self);
            self.mind_interruption();
            if progress.notified != seen.notified {
                (seen, seen_at) = (progress, Instant::now());
            }
            let complete =
                progress.notified >= progress.accepted && self.shared.ledger.missing() == 0;
            let limit = if complete { patience.linger } else { patience.stall_after };
            if seen_at.elapsed() >= limit || self.shared.give_up.load(Relaxed) {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// How far the run had come, if it was interrupted before its end; the ledger is told.
    fn cut_short(&self) -> Option<CutShort> {
        let at = self.interrupted_at?;
        let ledger = &self.shared.ledger;
        let (tally, not_awaited) = (ledger.tally(), ledger.missing());
        let sent = tally.attempted + tally.other_requests;
        if sent == self.shared.plan.pushes && tally.unanswered + not_awaited == 0 {
            return None;
        }
        ledger.cut_short();
        let since_start_ns = ledger.clock().now_ns().saturating_sub(ledger.start_ns());
        Some(CutShort {
            after_s: (since_start_ns as f64 / 1e9 - at.elapsed().as_secs_f64()).max(0.0),
            requests_sent: sent,
            requests_planned: self.shared.plan.pushes,
            unanswered: tally.unanswered,
            not_awaited,
        })
    }

    fn outcome(self, mut sent: Sent) -> Outcome {
        let generator_cpu = os::own_cpu_time().saturating_sub(self.cpu_before);
        let cut_short = self.cut_short();
        let conditions = self.observer.map(Observer::end).unwrap_or_default();
        let ledger = Arc::clone(&self.shared.ledger);
        let (start_ns, answer_ns, notification_ns) = ledger.milestones_ns();
        let within = |end_ns: u64| Duration::from_nanos(end_ns.saturating_sub(start_ns));
        sent.phases.add(&self.sink.map(Sink::times).unwrap_or_default());
        Outcome {
            tally: ledger.tally(),
            notification_times: sent.phases.load.notification.total(),
            conditions,
            cut_short,
            answered_within: within(answer_ns),
            settled_within: within(answer_ns.max(notification_ns)),
            generator_cpu,
            ledger,
            sent,
        }
    }
}

/// What the threads of a run of `plan` share.
pub(crate) fn share(plan: Plan, clock: Clock) -> Arc<Shared> {
    let templates = Templates::new(&plan);
    let ledger = Arc::new(Ledger::new(&plan, clock));
    Arc::new(Shared {
        ledger,
        templates,
        submitting: plan.smpp.as_ref().map(|account| Arc::new(Submitting::new(&plan, account))),
        board: Board::default(),
        connections_lost: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        interrupted: AtomicBool::new(false),
        give_up: AtomicBool::new(false),
        plan,
    })
}

/// Makes every connection before anything is sent. The first must come about; how many others did
/// not is returned, for a run with fewer than it asked for measures something else.
fn connect(shared: &Arc<Shared>) -> Result<(Vec<Worker>, u64), RunError> {
    let plan = &shared.plan;
    let deadline = Instant::now() + CONNECT_WITHIN;
    let mut streams: Vec<Vec<_>> = (0..plan.threads).map(|_| Vec::new()).collect();
    let mut missing = 0;
    for number in 0..plan.connections {
        match connect_one(plan, deadline) {
            Ok(stream) => streams[number % plan.threads].push(stream),
            Err(error) if number < plan.threads => return Err(error),
            Err(_) => missing += 1,
        }
    }
    let mut workers = Vec::with_capacity(streams.len());
    for (number, streams) in streams.into_iter().enumerate() {
        let shared = Arc::clone(shared);
        workers.push(match shared.submitting.clone() {
            None => Worker::Http(Box::new(Sender::new(shared, number, streams)?)),
            Some(submitting) => {
                let sockets = streams.into_iter().map(|stream| stream.socket).collect();
                let mut esme = Esme::new(shared, submitting, number, sockets)?;
                missing += esme.bind_all().map_err(RunError::Bind)?;
                Worker::Smpp(Box::new(esme))
            }
        });
    }
    Ok((workers, missing))
}

/// A sending thread that is ready.
enum Worker {
    Http(Box<Sender>),
    Smpp(Box<Esme>),
}

impl Worker {
    fn run(self) -> Sent {
        match self {
            Self::Http(sender) => sender.run(),
            Self::Smpp(esme) => esme.run(),
        }
    }
}

/// A connection on which requests can be sent at once: under TLS with its handshake behind it.
fn connect_one(plan: &Plan, deadline: Instant) -> Result<TargetStream<TcpStream>, RunError> {
    let target = plan.target;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(LOOK);
        match TcpStream::connect_timeout(&target, left) {
            Ok(socket) => {
                let secured = TargetStream::over(socket, plan.tls.as_ref());
                let shaken = secured
                    .and_then(|mut stream| stream.shake_hands(CONNECT_WITHIN).map(|()| stream));
                return shaken.map_err(|source| RunError::Handshake { target, source });
            }
            Err(_) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_nanos(RECONNECT_PAUSE_NS_MAX));
            }
            Err(source) => return Err(RunError::Connect { target, source }),
        }
    }
}
