//! One turn of a thread: reap, serve, decide, commit, send; each of its shards has its part of it.
//! Nothing in a turn waits.
//!
//! Sockets, notifications, carriers' and customers' sessions are the thread's, and so is the
//! network, which is lent to each shard at its turn. The shards take their turns in an order that
//! moves on by one each time, so that whatever they share none comes last always.

mod allotment;
mod completing;
mod draining;
mod messages;
mod moving;
mod resting;

use crate::io::budget::Budget;
use crate::io::calling::smpp::Carriers;
use crate::io::driver::{Completion, Driver};
use crate::io::front::{Front, FrontLimits};
use crate::io::mailbox::{OpenedShard, ThreadPort, ThreadStatus};
use crate::io::mesh::Mesh;
use crate::io::notifier::{EndpointPlan, Notifier, Outbound};
use crate::io::now::Now;
use crate::io::pace::TurnPace;
use crate::io::part::{Carrying, Faults};
use crate::io::parts::Parts;
use crate::io::places::Door;
use crate::io::serving::{Customers, Reception};
use crate::io::shard_status::ShardStatus;
use crate::io::tls::Acceptance;
use crate::network::side_by_side::SideBySide;
use crate::network::simulated::SimulatedNetwork;
use crate::network::smpp::exchange::CarrierPlan;
use crate::shard::ParkedNews;
use allotment::Allotment;
use host::clock;
use host::fatal::{Fatal, FatalReason};
use moving::Leaving;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use wire::terms::calendar;
use wire::terms::time::SteadyMs;

/// Connections looked at for time-outs in one sweep.
const SWEEP_CONNECTIONS: usize = 256;
const SWEEP_INTERVAL_MS: u64 = 100;

/// A thread that has worked for so long while a commit is under way lets the kernel's worker that
/// carries it out onto its CPU, if it waits for that: it needs it to begin, after the write and
/// after the flush, for some tens of microseconds each time, and all answers wait for it.
const COMMIT_YIELD_NS: u64 = 100_000;

/// How long a drain waits for what is under way.
#[derive(Clone)]
pub(super) struct TurnLimits {
    pub(super) front: FrontLimits,
    pub(super) notification_connections_max: usize,
    pub(super) drain_timeout_ms: u64,
    /// The longest that records gather for a commit, in microseconds; 0 where nothing is synced.
    pub(super) commit_delay_us_max: u64,
    /// How long a thread looks for work without sleeping after it last had some, in microseconds.
    pub(super) idle_poll_us: u64,
    /// For rehearsals: syncs that fail or hang.
    pub(super) faults: Faults,
    /// The carriers, and the receipts that each awaits at most.
    pub(super) carriers: CarrierPlan,
    pub(super) receipts_awaited_max: usize,
}

/// What a thread starts with.
pub(super) struct Fitting {
    /// The thread's number.
    pub(super) thread: usize,
    pub(super) network: SimulatedNetwork,
    pub(super) port: Arc<ThreadPort>,
    pub(super) parts: Parts,
}

/// A thread with its shards and its sockets.
pub(super) struct ThreadTurn {
    driver: Driver,
    parts: Parts,
    /// Lent to each shard for its turns.
    simulated: SimulatedNetwork,
    /// The carriers whose home this thread is.
    carriers: Carriers,
    mesh: Mesh,
    front: Front,
    customers: Customers,
    notifier: Notifier,
    budget: Rc<Budget>,
    port: Arc<ThreadPort>,
    limits: TurnLimits,
    completions: VecDeque<Completion>,
    pace: TurnPace,
    /// When others last had a chance to get on this CPU while a commit is under way.
    yielded_ns: u64,
    /// Rests since there was last anything to do.
    rests: u32,
    date: [u8; 29],
    date_second: u64,
    swept_ms: SteadyMs,
    published_ms: SteadyMs,
    draining_since_ms: Option<SteadyMs>,
    /// A shard that is to leave.
    leaving: Option<Leaving>,
    /// Notifications that its shards have parked, to be told to the log.
    parked_news: ParkedNews,
    /// The operator has paused the engine, or it was started to look on.
    paused: bool,
    stopped: bool,
    /// Whose step of a handshake is looked for first in the next turn; see `shake_hands`.
    shakes_first: usize,
}

impl ThreadTurn {
    pub(super) fn new(
        driver: Driver,
        Fitting { thread, network: simulated, port, parts }: Fitting,
        mesh: Mesh,
        (door, reception): (Door, Option<Reception>),
        limits: TurnLimits,
        endpoints: &[EndpointPlan],
    ) -> Self {
        let budget = Budget::new();
        let carriers = Carriers::new(
            thread,
            &limits.carriers,
            limits.receipts_awaited_max,
            Rc::clone(&budget),
            Now::read(),
        )
        .looking_on(parts.looks_on());
        let customers = Customers::new(thread, reception, Rc::clone(&budget), Now::read());
        let pace = TurnPace::new(limits.commit_delay_us_max, limits.idle_poll_us);
        let paused = parts.looks_on();
        let mut turn = Self {
            driver,
            parts,
            simulated,
            carriers,
            mesh,
            front: Front::new(limits.front, door, Rc::clone(&budget)),
            customers,
            notifier: Notifier::new(limits.notification_connections_max, Rc::clone(&budget)),
            budget,
            port,
            limits,
            completions: VecDeque::with_capacity(8192),
            pace,
            yielded_ns: 0,
            rests: 0,
            date: [b' '; 29],
            date_second: 0,
            swept_ms: SteadyMs::ZERO,
            published_ms: SteadyMs::ZERO,
            draining_since_ms: None,
            leaving: None,
            parked_news: ParkedNews::default(),
            paused,
            stopped: false,
            shakes_first: 0,
        };
        turn.notifier.set_plans(endpoints);
        turn
    }

    /// A shard takes its place on the thread, before its first turn or while it runs.
    pub(super) fn start_with(&mut self, mut opened: OpenedShard, status: Arc<ShardStatus>) {
        // Before the first push can come.
        opened.shard.pause(self.paused);
        self.seat(opened, status);
        self.read_clocks();
    }

    /// Puts a shard into its place, which is there.
    fn seat(&mut self, opened: OpenedShard, status: Arc<ShardStatus>) {
        let OpenedShard { shard, carriers, in_network, replica } = opened;
        let Some(place) = self.parts.open(shard, carriers, status, replica) else {
            unreachable!("a thread is given no more shards than it has places for")
        };
        self.simulated.open(place as usize, in_network);
    }

    /// Push clients speak TLS to this thread.
    pub(super) fn accept_with(&mut self, acceptance: Acceptance) {
        self.front.accept_with(acceptance);
    }

    /// Customers of SMPP do.
    pub(super) fn accept_customers_with(&mut self, acceptance: Acceptance) {
        self.customers.accept_with(acceptance);
    }

    /// Notifications are sent with this.
    pub(super) fn notify_with(&mut self, outbound: Outbound) {
        self.notifier.send_with(outbound);
    }

    /// One step of one handshake: notification servers', customers' and push clients' take turns.
    fn shake_hands(&mut self, now: Now) -> bool {
        let (parts, driver, mesh) = (&mut self.parts, &mut self.driver, &mut self.mesh);
        for whose in [0, 1, 2].map(|step| (self.shakes_first + step) % 3) {
            let has_shaken = match whose {
                0 => self.notifier.shake_hands(parts, driver, now),
                1 => self.customers.shake_hands(driver, parts, mesh, now),
                _ => self.front.shake_hands(driver, parts, mesh, now),
            };
            if has_shaken {
                self.shakes_first = whose + 1;
                return true;
            }
        }
        false
    }

    /// The thread runs: the watchdog is told which it is.
    pub(super) fn show_thread(&self) {
        self.port.status.note_thread();
    }

    /// Whether the thread has drained and may end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Reads the clocks, and shows the shards both of them.
    fn read_clocks(&mut self) -> Now {
        let now = Now::read();
        self.parts.for_each(|part| part.shard.keep_time(now.wall_ms, now.steady_ms));
        now
    }

    /// One turn; whether it found work.
    pub(super) fn turn(&mut self) -> bool {
        let began_ns = clock::monotonic_ns();
        let busy = self.work();
        let ended_ns = clock::monotonic_ns();
        self.pace.note_turn(began_ns, ended_ns, busy);
        if busy {
            self.front.waits.turns.record(ended_ns.saturating_sub(began_ns));
            self.rests = 0;
        }
        busy
    }

    fn work(&mut self) -> bool {
        self.parts.rotate();
        let now = self.read_clocks();
        self.port.status.note_turn(now.steady_ms);
        self.refresh_date(now);
        let mut busy = self.reap(now);
        busy |= self.see_logs(now);
        self.doubt_if_names_are_lost();
        busy |= self.answer(now);
        busy |= self.take_messages(now);
        busy |= self.front.take_visitors(&mut self.driver, now);
        busy |= self.shake_hands(now);
        busy |= self.front.take_parcels(&mut self.parts, &mut self.mesh, now);
        self.fill_for_customers();
        self.let_commit_on();
        busy |= self.turn_shards(now);
        if self.draining_since_ms.is_none() {
            self.let_commit_on();
            busy |= self.notifier.send_orders(&mut self.parts, &mut self.driver, now);
        }
        busy |= self.work_for_carriers(now);
        let (driver, parts) = (&mut self.driver, &mut self.parts);
        busy |= self.customers.work(driver, parts, &mut self.mesh, now);
        self.let_commit_on();
        busy |= self.start_commits();
        let driver = &mut self.driver;
        self.parts.for_each(|part| part.keep_books(driver, now.wall_ms));
        if now.steady_ms >= self.swept_ms + SWEEP_INTERVAL_MS {
            self.swept_ms = now.steady_ms;
            self.front.sweep(&mut self.driver, now, SWEEP_CONNECTIONS);
            self.notifier.sweep(&mut self.parts, &mut self.driver, now, SWEEP_CONNECTIONS);
            self.customers.sweep(&mut self.driver, &mut self.parts, now, SWEEP_CONNECTIONS);
            self.give_up_answers();
        }
        // Without syncs a commit has ended in this very turn.
        self.doubt_if_names_are_lost();
        busy |= self.flush(now);
        self.parts.for_each(|part| part.orders.settle(part.shard.answerable()));
        self.look_after_leaving(now);
        self.mesh.wake_peers();
        self.publish(now);
        self.drain(now);
        busy
    }

    /// Each shard's turn, in which it does its part of what a turn may do. In a drain, and where it
    /// is to leave, what is under way ends and nothing new begins.
    fn turn_shards(&mut self, now: Now) -> bool {
        let shards = self.parts.len().max(1);
        let mut allotment = Allotment::among(shards);
        let (drains, mut busy) = (self.draining_since_ms.is_some(), false);
        for nth in 0..self.parts.len() {
            let Some(part) = self.parts.at(nth) else { continue };
            let begins_none = drains || part.closes() || !part.may_act(now.steady_ms);
            let mut budget = allotment.next();
            if begins_none {
                budget.attempts = 0;
            }
            let place = part.place() as usize;
            let mut network = SideBySide::lent(&mut self.simulated, place, &mut part.carriers);
            busy |= part.shard.turn(&mut network, now.wall_ms, &budget);
            allotment.take_records(part.shard.cleaned_in_turn());
            part.shard.pass_parked_news(&mut self.parked_news);
            if nth + 1 < shards {
                self.let_commit_on();
            }
        }
        self.parked_news.tell(now.wall_ms);
        busy
    }

    /// Looks at what the replicated logs of shards have said; nothing where there are none.
    fn see_logs(&mut self, now: Now) -> bool {
        let mut has_said = false;
        let waits = &mut self.front.waits;
        self.parts.for_each(|part| has_said |= part.see_log(now.steady_ms, waits));
        has_said
    }

    /// Whoever waits for a replicated log that does not answer is told that nobody knows; nothing
    /// where there are none.
    fn give_up_answers(&mut self) {
        for nth in 0..self.parts.len() {
            let Some(part) = self.parts.at(nth) else { continue };
            if !part.gives_up_answers(clock::monotonic_ns()) {
                continue;
            }
            let place = part.place();
            // What its mark has reached leaves as it is.
            self.parts.see_marks();
            self.front.part_from(place, &mut self.parts, &mut self.mesh);
            self.customers.part_from(place, &mut self.parts);
        }
    }

    /// What the thread does for carriers: nothing where there are none.
    fn work_for_carriers(&mut self, now: Now) -> bool {
        let has_any = self.parts.iter().any(|part| !part.carriers.is_empty());
        if !has_any && self.carriers.is_empty() {
            return false;
        }
        let mut called = 0;
        self.parts.for_each(|part| {
            part.carriers.see(now.steady_ms);
            called |= part.carriers.take_called();
        });
        let busy = self.carriers.work(&mut self.driver, now);
        // What the homes of other threads are called for, and whose shards this thread's called.
        self.mesh.note_called(called);
        self.mesh.note_called_shards(self.carriers.take_called());
        busy
    }

    fn doubt_if_names_are_lost(&mut self) {
        let mut are_lost = false;
        self.parts.for_each(|part| are_lost |= part.shard.notices_lost_names());
        if are_lost {
            self.front.doubt(&mut self.parts, &mut self.mesh);
            self.customers.doubt();
        }
    }

    /// Answers that a commit has just let go leave before anything else is done: nobody waits for
    /// an attempt or a notification as a push client does for its answer.
    fn answer(&mut self, now: Now) -> bool {
        if !self.parts.iter().any(|part| part.holds_answers()) {
            return false;
        }
        self.flush(now);
        self.mesh.wake_peers();
        if let Err(error) = self.driver.submit() {
            refused("submission", &error);
        }
        true
    }

    fn flush(&mut self, now: Now) -> bool {
        self.parts.see_marks();
        let (driver, parts, mesh) = (&mut self.driver, &mut self.parts, &mut self.mesh);
        let busy = self.front.flush(driver, parts, mesh, &self.date, now);
        busy | self.customers.flush(driver, parts, mesh, &mut self.front.waits, now)
    }

    /// Gives customers what peers answered to their requests.
    fn fill_for_customers(&mut self) {
        for (origin, answer, found) in self.front.for_customers.drain(..) {
            self.customers.fill(origin, answer, found);
        }
    }

    /// Whether a commit of any shard is under way.
    fn commits(&self) -> bool {
        self.parts.iter().any(|part| part.commits())
    }

    /// Lets the kernel's worker get on, if a commit is under way and the thread has worked for some
    /// time. To yield where nobody waits takes a third of a microsecond.
    fn let_commit_on(&mut self) {
        if !self.commits()
            || clock::monotonic_ns().saturating_sub(self.yielded_ns) < COMMIT_YIELD_NS
        {
            return;
        }
        std::thread::yield_now();
        self.yielded_ns = clock::monotonic_ns();
    }

    /// Begins the commits that are due; whether there was any.
    fn start_commits(&mut self) -> bool {
        let drains = self.draining_since_ms.is_some();
        let mut busy = false;
        for nth in 0..self.parts.len() {
            let mut carrying = Carrying {
                driver: &mut self.driver,
                waits: &mut self.front.waits,
                faults: self.limits.faults,
            };
            let Some(part) = self.parts.at(nth) else { continue };
            match part.start_commit(&mut carrying, &self.pace, drains || part.closes()) {
                Ok(None) => {}
                Ok(Some(began_ns)) => {
                    self.yielded_ns = began_ns;
                    busy = true;
                }
                Err(error) => self.fail_durable(&error),
            }
        }
        busy
    }

    /// The last words: sends that were queued in the turn that ended the thread.
    pub(super) fn end(&mut self) {
        self.enter();
        self.parts.for_each(|part| part.note_unbilled());
        self.port.status.note_ended();
    }

    fn refresh_date(&mut self, now: Now) {
        if now.wall_ms.ms() / 1000 != self.date_second {
            self.date_second = now.wall_ms.ms() / 1000;
            self.date = calendar::http_date(now.wall_ms.ms());
        }
    }

    fn publish(&mut self, now: Now) {
        if now.steady_ms >= self.published_ms + ThreadStatus::PUBLISH_INTERVAL_MS {
            self.published_ms = now.steady_ms;
            self.publish_figures();
            self.parts.for_each(|part| part.publish_waiting());
        }
    }

    fn publish_figures(&mut self) {
        self.front.waits.settle();
        self.parts.for_each(|part| part.publish_figures());
        let status = &self.port.status;
        status.publish(self.front.connections() as u64, self.front.visits);
        status.publish_troubles(self.notifier.troubles);
        status.publish_customers(self.customers.counts());
        status.publish_held(self.budget.held() as u64);
        status.publish_waits(&self.front.waits);
    }
}

/// The kernel does not do what it promised when the driver was set up.
fn refused(what: &str, error: &std::io::Error) -> ! {
    Fatal::new(FatalReason::Bug, format!("the kernel refused a {what} of the thread ({error})"))
        .end_process()
}
