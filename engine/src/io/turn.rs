//! One turn of a shard: reap, serve, decide, commit, send. Nothing in a turn waits.

use crate::billing::{BillingSync, BillingWrite};
use crate::io::budget::Budget;
use crate::io::calling::smpp::Carriers;
use crate::io::driver::{Completion, Driver, Operation, Owner, Token};
use crate::io::front::{Front, FrontLimits};
use crate::io::limits::{ATTEMPTS_PER_TURN_MAX, RECEIVED_PER_TURN_OCTETS_MAX, TIMERS_PER_TURN_MAX};
use crate::io::limits::{LIVE_LISTED_MAX, PARKED_PAGE_MAX};
use crate::io::mailbox::{ShardMessage, ShardPort, ShardStatus};
use crate::io::mesh::Mesh;
use crate::io::notifier::{EndpointPlan, Notifier, Outbound};
use crate::io::now::Now;
use crate::io::orders::WaitingOrders;
use crate::io::pace::{PACED_COMPLETIONS, PACED_WAIT_NS, Pace};
use crate::io::places::Door;
use crate::io::serving::{Customers, Reception};
use crate::io::tls::Acceptance;
use crate::journal::Commit;
use crate::network::line_states::Line;
use crate::network::port::Network as _;
use crate::network::side_by_side::SideBySide;
use crate::network::smpp::exchange::CarrierPlan;
use crate::shard::{Shard, TurnBudget};
use host::clock;
use host::fatal::{Fatal, FatalReason};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use wire::terms::calendar;
use wire::terms::code::Code;
use wire::terms::ids::Msn;
use wire::terms::time::{SteadyMs, WallMs};

const BUDGET: TurnBudget = TurnBudget {
    timers: TIMERS_PER_TURN_MAX,
    attempts: ATTEMPTS_PER_TURN_MAX,
    outcomes: ATTEMPTS_PER_TURN_MAX,
};
/// Connections looked at for time-outs in one sweep.
const SWEEP_CONNECTIONS: usize = 256;
const SWEEP_INTERVAL_MS: u64 = 100;

/// A write without a sync that is no longer than this is carried out by the shard itself.
const WRITE_AT_ONCE_OCTETS_MAX: usize = 64 * 1024;
/// A shard that has worked for so long while a commit is under way lets the kernel's worker that
/// carries it out onto its CPU, if it waits for that: it needs it to begin, after the write and
/// after the flush, for some tens of microseconds each time, and all answers wait for it.
const COMMIT_YIELD_NS: u64 = 100_000;
/// After so many completions it looks whether it has.
const COMPLETIONS_PER_LOOK: usize = 16;
/// How long a shard rests at a time when it has just become idle: what is due by itself is known to
/// the millisecond.
const REST_NS: u64 = 1_000_000;
/// After so many rests of one length in a row it rests twice as long...
const RESTS_OF_ONE_LENGTH: u32 = 8;
/// ...up to this: well within the times in which the watchdog and `/healthz` expect a turn.
const REST_NS_MAX: u64 = 25_000_000;

/// What is under way when a drain's time is over has so long, in milliseconds.
const UNANSWERED_MS: u64 = 2_000;

/// How long a drain waits for what is under way.
#[derive(Clone)]
pub(super) struct TurnLimits {
    pub(super) front: FrontLimits,
    pub(super) notification_connections_max: usize,
    pub(super) drain_timeout_ms: u64,
    /// The longest that records gather for a commit, in microseconds; 0 where nothing is synced.
    pub(super) commit_delay_us_max: u64,
    /// How long a shard looks for work without sleeping after it last had some, in microseconds.
    pub(super) idle_poll_us: u64,
    /// For rehearsals: the n-th sync fails.
    pub(super) inject_sync_failure: Option<u64>,
    /// For rehearsals: the device never answers the n-th sync.
    pub(super) inject_sync_hangs: Option<u64>,
    /// The carriers, and the receipts that each awaits at most.
    pub(super) carriers: CarrierPlan,
    pub(super) receipts_awaited_max: usize,
}

struct CommitUnderWay {
    commit: Commit,
    writes_left: usize,
}

/// A shard with its sockets.
pub(super) struct ShardTurn {
    driver: Driver,
    shard: Shard,
    /// The thread's, lent to the shard for its turns.
    network: SideBySide,
    /// The carriers whose home this thread is.
    carriers: Carriers,
    mesh: Mesh,
    front: Front,
    customers: Customers,
    notifier: Notifier,
    budget: Rc<Budget>,
    port: Arc<ShardPort>,
    limits: TurnLimits,
    completions: VecDeque<Completion>,
    commit: Option<CommitUnderWay>,
    billing_write: Option<BillingWrite>,
    billing_sync: Option<(BillingSync, u32)>,
    /// When a commit is to begin for which records gather.
    commit_due_ns: Option<u64>,
    pace: Pace,
    /// When others last had a chance to get on this CPU while a commit is under way.
    yielded_ns: u64,
    /// Rests since there was last anything to do.
    rests: u32,
    syncs: u64,
    date: [u8; 29],
    date_second: u64,
    swept_ms: SteadyMs,
    published_ms: SteadyMs,
    waiting_shown_ms: u64,
    draining_since_ms: Option<SteadyMs>,
    stopped: bool,
    /// Whose step of a handshake is looked for first in the next turn; see `shake_hands`.
    shakes_first: usize,
    orders: WaitingOrders,
}

impl ShardTurn {
    pub(super) fn new(
        driver: Driver,
        (shard, network): (Shard, SideBySide),
        mesh: Mesh,
        port: Arc<ShardPort>,
        (door, reception): (Door, Option<Reception>),
        limits: TurnLimits,
        endpoints: &[EndpointPlan],
    ) -> Self {
        let budget = Budget::new();
        let carriers = Carriers::new(
            shard.number(),
            &limits.carriers,
            limits.receipts_awaited_max,
            Rc::clone(&budget),
            Now::read(),
        );
        let customers = Customers::new(shard.number(), reception, Rc::clone(&budget), Now::read());
        let pace = Pace::new(limits.commit_delay_us_max, limits.idle_poll_us);
        let mut turn = Self {
            driver,
            shard,
            network,
            carriers,
            mesh,
            front: Front::new(limits.front, door, Rc::clone(&budget)),
            customers,
            notifier: Notifier::new(limits.notification_connections_max, Rc::clone(&budget)),
            budget,
            port,
            limits,
            completions: VecDeque::with_capacity(8192),
            commit: None,
            billing_write: None,
            billing_sync: None,
            commit_due_ns: None,
            pace,
            yielded_ns: 0,
            rests: 0,
            syncs: 0,
            date: [b' '; 29],
            date_second: 0,
            swept_ms: SteadyMs::ZERO,
            published_ms: SteadyMs::ZERO,
            waiting_shown_ms: 0,
            draining_since_ms: None,
            stopped: false,
            shakes_first: 0,
            orders: WaitingOrders::default(),
        };
        turn.read_clocks();
        turn.notifier.set_plans(endpoints);
        turn
    }

    /// Push clients speak TLS to this shard.
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
        let (shard, driver, mesh) = (&mut self.shard, &mut self.driver, &mut self.mesh);
        for whose in [0, 1, 2].map(|step| (self.shakes_first + step) % 3) {
            let has_shaken = match whose {
                0 => self.notifier.shake_hands(shard, driver, now),
                1 => self.customers.shake_hands(driver, shard, mesh, now),
                _ => self.front.shake_hands(driver, shard, mesh, now),
            };
            if has_shaken {
                self.shakes_first = whose + 1;
                return true;
            }
        }
        false
    }

    /// The shard runs on the calling thread from now on.
    pub(super) fn show_thread(&self) {
        self.port.status.note_thread();
    }

    /// Whether the shard has drained and may end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Reads the clocks, and shows the shard both of them.
    fn read_clocks(&mut self) -> Now {
        let now = Now::read();
        self.shard.keep_time(now.wall_ms, now.steady_ms);
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
        let now = self.read_clocks();
        self.port.status.note_turn(now.steady_ms);
        self.refresh_date(now);
        let mut busy = self.reap(now);
        self.doubt_if_names_are_lost();
        busy |= self.answer(now);
        busy |= self.take_messages(now);
        busy |= self.front.take_visitors(&mut self.driver, now);
        busy |= self.shake_hands(now);
        busy |= self.front.take_parcels(&mut self.shard, &mut self.mesh, now);
        self.fill_for_customers();
        self.let_commit_on();
        if self.draining_since_ms.is_none() {
            busy |= self.shard.turn(&mut self.network, now.wall_ms, &BUDGET);
            self.let_commit_on();
            busy |= self.notifier.send_orders(&mut self.shard, &mut self.driver, now);
        } else {
            // What is under way ends; nothing new begins.
            let budget = TurnBudget { attempts: 0, ..BUDGET };
            busy |= self.shard.turn(&mut self.network, now.wall_ms, &budget);
        }
        busy |= self.work_for_carriers(now);
        let (driver, shard) = (&mut self.driver, &mut self.shard);
        busy |= self.customers.work(driver, shard, &mut self.mesh, now);
        self.let_commit_on();
        busy |= self.start_commit();
        self.start_billing_write(now);
        self.start_billing_sync();
        if now.steady_ms >= self.swept_ms + SWEEP_INTERVAL_MS {
            self.swept_ms = now.steady_ms;
            self.front.sweep(&mut self.driver, now, SWEEP_CONNECTIONS);
            self.notifier.sweep(&mut self.shard, &mut self.driver, now, SWEEP_CONNECTIONS);
            self.customers.sweep(&mut self.driver, &mut self.shard, now, SWEEP_CONNECTIONS);
        }
        // Without syncs a commit has ended in this very turn.
        self.doubt_if_names_are_lost();
        busy |= self.flush(now);
        self.mesh.wake_peers();
        self.orders.settle(self.shard.durable());
        self.publish(now);
        self.drain(now);
        busy
    }

    /// What the thread does for carriers: nothing where there are none.
    fn work_for_carriers(&mut self, now: Now) -> bool {
        if self.network.carriers.is_empty() && self.carriers.is_empty() {
            return false;
        }
        self.network.carriers.see(now.steady_ms);
        let busy = self.carriers.work(&mut self.driver, now);
        let called = self.carriers.take_called() | self.network.carriers.take_called();
        self.mesh.note_called(called);
        busy
    }

    fn doubt_if_names_are_lost(&mut self) {
        if self.shard.notices_lost_names() {
            self.front.doubt(&mut self.mesh);
            self.customers.doubt();
        }
    }

    /// Answers that a commit has just let go leave before anything else is done: nobody waits for
    /// an attempt or a notification as a push client does for its answer.
    fn answer(&mut self, now: Now) -> bool {
        let answerable = self.shard.answerable();
        let holds = self.front.holds_answers_for(answerable);
        if !holds && !self.customers.holds_answers_for(answerable) {
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
        let (driver, shard, mesh) = (&mut self.driver, &mut self.shard, &mut self.mesh);
        let busy = self.front.flush(driver, shard, mesh, &self.date, now);
        busy | self.customers.flush(driver, shard, mesh, &mut self.front.waits, now)
    }

    /// Gives customers what peers answered to their requests.
    fn fill_for_customers(&mut self) {
        for (origin, answer, found) in self.front.for_customers.drain(..) {
            self.customers.fill(origin, answer, found);
        }
    }

    /// Nothing to do at this moment: rests in the driver until a completion, a call, or something
    /// due by itself.
    pub(super) fn rest(&mut self) {
        if self.pace.is_paced() && (self.commit.is_some() || !self.shard.is_settled()) {
            // No answer can leave before a sync is done, and more is on its way: what comes within
            // a moment is taken together.
            return self.wait(PACED_COMPLETIONS, PACED_WAIT_NS);
        }
        let poll_until_ns = self.pace.poll_until_ns();
        // Not while a commit is under way: the kernel's worker that issues its flush would wait,
        // and yielding lets only threads of the engine's own scheduling group go first.
        if self.commit.is_none() && clock::monotonic_ns() < poll_until_ns {
            return self.poll(poll_until_ns);
        }
        self.rests = self.rests.saturating_add(1);
        self.driver.begin_rest();
        if !self.has_arrivals() {
            let rest_ns = self.rest_ns();
            self.wait(1, rest_ns);
        }
        self.driver.wake_up();
    }

    /// Looks for arrivals again and again without sleeping, until then or as long as an idle shard
    /// may rest.
    fn poll(&mut self, until_ns: u64) {
        let until_ns = until_ns.min(clock::monotonic_ns() + self.rest_ns());
        loop {
            self.enter();
            if !self.completions.is_empty()
                || self.has_arrivals()
                || clock::monotonic_ns() >= until_ns
            {
                return;
            }
            // Whoever shares this CPU gets on.
            std::thread::yield_now();
        }
    }

    /// How long the shard may rest: longer the longer it is idle, and never beyond what is due by
    /// itself.
    fn rest_ns(&mut self) -> u64 {
        if let Some(due_ns) = self.commit_due_ns {
            return due_ns.saturating_sub(clock::monotonic_ns()).clamp(1, REST_NS);
        }
        let idle = self.rests / RESTS_OF_ONE_LENGTH;
        if idle == 0 || self.draining_since_ms.is_some() {
            return REST_NS;
        }
        let longest_ns = (REST_NS << idle.min(u64::BITS - REST_NS.ilog2() - 2)).min(REST_NS_MAX);
        let due_ms = self.shard.next_due_ms(&self.network);
        let due_in_ms =
            due_ms.map_or(u64::MAX, |due_ms| due_ms.since(WallMs::new(clock::unix_ms())));
        let due_in_ms = due_in_ms.min(self.carriers_due_in_ms());
        due_in_ms.saturating_mul(1_000_000).clamp(REST_NS, longest_ns)
    }

    fn carriers_due_in_ms(&mut self) -> u64 {
        if self.carriers.is_empty() {
            return u64::MAX;
        }
        let now = Now::read();
        let due_ms = self.carriers.next_due_ms(now);
        due_ms.map_or(u64::MAX, |due_ms| due_ms.saturating_sub(now.steady_ms.ms()))
    }

    /// Whether another shard or the control plane has put anything before this one.
    fn has_arrivals(&self) -> bool {
        let drain_asked = self.draining_since_ms.is_none() && self.port.is_drain_asked();
        let has_carriers = !self.network.carriers.is_empty() || !self.carriers.is_empty();
        drain_asked
            || self.mesh.has_arrivals()
            || self.port.has_messages()
            || self.front.has_visitors()
            || self.customers.has_arrivals()
            || has_carriers && self.network.carriers.has_arrivals()
            || has_carriers && self.carriers.has_arrivals()
    }

    fn wait(&mut self, completions: usize, wait_ns: u64) {
        if let Err(error) = self.driver.wait(completions, wait_ns) {
            refused("wait", &error);
        }
    }

    fn reap(&mut self, now: Now) -> bool {
        if self.completions.is_empty() {
            self.enter();
        }
        let busy = !self.completions.is_empty();
        let (mut received, mut looked_at) = (0, 0);
        while let Some(completion) = self.completions.pop_front() {
            looked_at += 1;
            if looked_at % COMPLETIONS_PER_LOOK == 0 {
                self.let_commit_on();
            }
            if completion.buffer.is_some() {
                received += completion.result.max(0) as usize;
            }
            self.complete(&completion, now);
            if received >= RECEIVED_PER_TURN_OCTETS_MAX {
                break;
            }
        }
        busy
    }

    fn enter(&mut self) {
        if let Err(error) = self.driver.turn(&mut self.completions) {
            refused("turn", &error);
        }
    }

    /// The last words: sends that were queued in the turn that ended the shard.
    pub(super) fn end(&mut self) {
        self.enter();
        self.port.status.note_unbilled(self.shard.unbilled_at_end());
        self.port.status.note_ended();
    }

    fn complete(&mut self, completion: &Completion, now: Now) {
        let operation = completion.token.operation;
        match (completion.token.owner, operation) {
            (_, Operation::Cancel) => {}
            (Owner::Front, Operation::Send) => self.front.sent(completion),
            (Owner::Front, Operation::HangUp) => self.front.hung_up(completion, &mut self.driver),
            (Owner::Front, _) => {
                self.front.received(
                    completion,
                    &mut self.driver,
                    &mut self.shard,
                    &mut self.mesh,
                    now,
                );
            }
            (Owner::Notifier, _) => {
                self.notifier.completed(completion, &mut self.driver, &mut self.shard, now);
            }
            (Owner::Carrier, _) => self.carriers.completed(completion, &mut self.driver, now),
            (Owner::Customer, _) => self.complete_for_customers(completion, now),
            (Owner::Turn, Operation::Commit) => {
                self.written(completion.token.index as usize, completion.outcome());
            }
            (Owner::Turn, Operation::BillingWrite) => {
                self.billing_written(completion.outcome(), now)
            }
            (Owner::Turn, Operation::BillingSync) => self.billing_synced(completion.result),
            (Owner::Turn, Operation::Call) => self.driver.listen(),
            (Owner::Turn, _) => unreachable!("a shard asks for no {operation:?} of its own"),
        }
    }

    fn complete_for_customers(&mut self, completion: &Completion, now: Now) {
        let driver = &mut self.driver;
        match completion.token.operation {
            Operation::Send => self.customers.sent(completion),
            Operation::HangUp => self.customers.hung_up(completion, driver),
            _ => {
                let (shard, mesh) = (&mut self.shard, &mut self.mesh);
                let arrived = self.front.waits.moment(now.steady_ns);
                self.customers.received(completion, driver, shard, mesh, now, arrived);
            }
        }
    }

    /// Lets the kernel's worker get on, if a commit is under way and the shard has worked for some
    /// time. To yield where nobody waits takes a third of a microsecond.
    fn let_commit_on(&mut self) {
        if self.commit.is_none()
            || clock::monotonic_ns().saturating_sub(self.yielded_ns) < COMMIT_YIELD_NS
        {
            return;
        }
        std::thread::yield_now();
        self.yielded_ns = clock::monotonic_ns();
    }

    fn start_commit(&mut self) -> bool {
        if self.commit.is_some() {
            return false;
        }
        let now_ns = clock::monotonic_ns();
        self.commit_due_ns = self.pace.commit_due_ns(self.shard.uncommitted(), now_ns);
        // Records may gather, but not in a drain.
        if self
            .commit_due_ns
            .is_none_or(|due_ns| now_ns < due_ns && self.draining_since_ms.is_none())
        {
            return false;
        }
        let Some(commit) = self.shard.begin_commit() else { return false };
        self.commit_due_ns = None;
        self.pace.note_commit(now_ns);
        self.front.waits.commit_begins(now_ns);
        self.yielded_ns = now_ns;
        let writes_left = commit.writes.len();
        self.commit = Some(CommitUnderWay { commit, writes_left });
        (0..writes_left).for_each(|place| self.write_to_journal(place));
        true
    }

    /// Carries out, or asks for, what is left of a write of the commit under way.
    fn write_to_journal(&mut self, place: usize) {
        let Some(CommitUnderWay { commit, .. }) = &self.commit else { return };
        let write = &commit.writes[place];
        if !commit.with_sync && write.octets_left() <= WRITE_AT_ONCE_OCTETS_MAX {
            // Into the page cache: that takes no longer than to hand it to a worker of the kernel.
            // SAFETY: the commit under way is not finished, and the shard keeps the journal.
            let written = unsafe { write.write(false) };
            return self.written(place, written);
        }
        let token = Token::of_turn(Operation::Commit, place as u32);
        // SAFETY: the journal keeps the octets as they are until the commit is finished, and the
        // commit keeps the list of parts as it is until the completion changes it; both come after
        // the completion was reaped, and a shard that ends before that ends the process.
        unsafe { self.driver.write(write, commit.with_sync, token) };
    }

    fn written(&mut self, place: usize, written: std::io::Result<usize>) {
        let is_reached = |nth: u64| self.syncs + 1 >= nth;
        if self.limits.inject_sync_hangs.is_some_and(is_reached) {
            return;
        }
        let injected = self.limits.inject_sync_failure.is_some_and(is_reached);
        let octets = match written {
            Ok(octets) if octets > 0 && !injected => octets,
            Ok(_) => self.fail_durable(&std::io::Error::from_raw_os_error(libc::EIO)),
            Err(error) => self.fail_durable(&error),
        };
        let Some(under_way) = &mut self.commit else { return };
        if !under_way.commit.writes[place].advance(octets) {
            return self.write_to_journal(place);
        }
        self.syncs += 1;
        under_way.writes_left -= 1;
        if under_way.writes_left == 0
            && let Some(done) = self.commit.take()
        {
            self.front.waits.commit_done(clock::monotonic_ns());
            self.shard.finish_commit(&done.commit);
        }
    }

    /// Billing events are written some together, beside the journal's commits and never by the
    /// shard's own thread.
    fn start_billing_write(&mut self, now: Now) {
        if self.billing_write.is_none() {
            self.billing_write = self.shard.begin_billing_write(now.wall_ms);
            self.write_to_books();
        }
    }

    /// Asks for what is left of the write under way.
    fn write_to_books(&mut self) {
        let Some(BillingWrite { write }) = &self.billing_write else { return };
        // SAFETY: the billing log keeps the octets as they are, and the file open, until the write
        // is finished, and the list of parts stays here until then; that comes after the completion
        // was reaped, and a shard that ends before that ends the process.
        unsafe { self.driver.write(write, false, Token::of_turn(Operation::BillingWrite, 0)) };
    }

    /// A device that takes no events keeps nobody waiting: the journal has them.
    fn billing_written(&mut self, written: std::io::Result<usize>, now: Now) {
        let Some(under_way) = &mut self.billing_write else { return };
        let outcome = match written {
            Ok(0) => Err(std::io::ErrorKind::WriteZero.into()),
            Ok(octets) if !under_way.write.advance(octets) => return self.write_to_books(),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some(done) = self.billing_write.take() {
            self.shard.finish_billing_write(&done, outcome, now.wall_ms);
        }
    }

    /// The billing log is synced only when a journal segment is about to go.
    fn start_billing_sync(&mut self) {
        if self.billing_sync.is_some() {
            return;
        }
        let Some(sync) = self.shard.begin_billing_sync() else { return };
        let mut left = 0;
        for file in sync.files.into_iter().flatten() {
            self.driver.sync(file, Token::of_turn(Operation::BillingSync, 0));
            left += 1;
        }
        self.billing_sync = Some((sync, left));
    }

    fn billing_synced(&mut self, result: i32) {
        if result < 0 {
            self.fail_durable(&std::io::Error::from_raw_os_error(-result));
        }
        let Some((_, left)) = &mut self.billing_sync else { return };
        *left -= 1;
        if *left == 0
            && let Some((sync, _)) = self.billing_sync.take()
        {
            self.shard.finish_billing_sync(&sync);
        }
    }

    /// What was written since the last good sync may be lost: say so to everybody who waits, and
    /// end.
    fn fail_durable(&mut self, error: &std::io::Error) -> ! {
        // A socket whose send has completed takes its last words; that was not looked at yet.
        let _ = self.driver.turn(&mut self.completions);
        for completion in &self.completions {
            match (completion.token.owner, completion.token.operation) {
                (Owner::Front, Operation::Send) => self.front.sent(completion),
                (Owner::Customer, Operation::Send) => self.customers.sent(completion),
                _ => {}
            }
        }
        self.front.fail_durable(&self.date);
        self.customers.fail_durable(Now::read().steady_ms);
        let cause = format!(
            "the device could not make journal records durable ({error}, code {})",
            Code::NOT_DURABLE
        );
        Fatal::new(FatalReason::SyncFailed, cause).end_process()
    }

    fn take_messages(&mut self, now: Now) -> bool {
        let mut busy = false;
        while let Some(message) = self.port.next_message() {
            busy = true;
            match message {
                ShardMessage::Registrations { registry, endpoints, done } => {
                    self.shard.set_registry(registry);
                    self.notifier.set_plans(&endpoints);
                    done.signal();
                }
                ShardMessage::Addresses(addresses) => self.notifier.set_addresses(&addresses),
                ShardMessage::HostAddresses(host) => self.notifier.live_at(host),
                ShardMessage::AddContracts { rows, done } => {
                    for &(msn, xpid) in &rows {
                        // The store holds the bound of ten XPIDs per msn; the table refuses what it
                        // would refuse.
                        let _ = self.shard.contracts_mut().insert(msn, xpid);
                    }
                    done.signal();
                }
                ShardMessage::RemoveContracts { rows, done } => {
                    for &(msn, xpid) in &rows {
                        self.shard.contracts_mut().remove(msn, xpid);
                    }
                    done.signal();
                }
                ShardMessage::Parked { xpid, action, from, reply } => {
                    let part = (from, PARKED_PAGE_MAX);
                    let mut page = self.shard.act_on_parked(action, xpid, part, now.wall_ms);
                    for one in &mut page.parked {
                        one.why = self.notifier.trouble_of(one.xpid);
                    }
                    // A control plane that gave up waiting is no concern of the shard.
                    let _ = reply.try_send(page);
                }
                ShardMessage::Live { msn, reply } => {
                    let _ = reply.try_send(self.shard.live_pushes(msn, LIVE_LISTED_MAX));
                }
                ShardMessage::Lines { msns, line, reply } => {
                    let _ = reply.try_send(self.set_lines(&msns, line, now));
                }
                ShardMessage::Figures(done) => {
                    self.publish_figures();
                    done.signal();
                }
                ShardMessage::Carriers { plan, done } => {
                    self.change_carriers(&plan, now);
                    done.signal();
                }
                ShardMessage::Broadcast(message) => {
                    let (shard, network) = (&mut self.shard, &mut self.network);
                    self.orders.take(message, shard, network, now.wall_ms);
                }
                ShardMessage::Acceptance(acceptance) => self.front.accept_with(acceptance),
                ShardMessage::CustomerAcceptance(acceptance) => {
                    self.customers.accept_with(acceptance);
                }
                ShardMessage::Outbound(outbound) => self.notifier.send_with(*outbound),
                ShardMessage::Pause { paused, done } => {
                    self.shard.pause(paused || self.draining_since_ms.is_some());
                    self.port.status.show_obstacles(self.shard.obstacles());
                    done.signal();
                }
            }
        }
        if self.draining_since_ms.is_none() && self.port.is_drain_asked() {
            self.begin_drain(now);
            busy = true;
        }
        busy
    }

    /// These are the carriers and routes from now on.
    fn change_carriers(&mut self, plan: &CarrierPlan, now: Now) {
        self.network.carriers.change(plan);
        // A carrier that is new has nothing of this shard's pushes; one that was there knows.
        self.network.all_awaited();
        self.shard.set_carriers(plan);
        self.carriers.change(plan, now);
    }

    /// Puts these lines of the simulated network into another state.
    fn set_lines(&mut self, msns: &[Msn], line: Line, now: Now) -> Result<(), String> {
        let now_ms = self.shard.network_ms(now.wall_ms);
        let mut set =
            msns.iter().map(|&msn| self.network.simulated.set_line_state(msn, line, now_ms));
        set.try_for_each(|set| set.map_err(|error| error.to_string()))
    }

    fn begin_drain(&mut self, now: Now) {
        self.draining_since_ms = Some(now.steady_ms);
        self.shard.pause(true);
        self.shard.begin_to_close_books();
        self.front.close();
        self.customers.close();
    }

    /// Ends when nothing is owed to anybody at this moment; what waits stays in the journal for the
    /// next start.
    fn drain(&mut self, now: Now) {
        let Some(since_ms) = self.draining_since_ms else { return };
        let deadline_ms = since_ms + self.limits.drain_timeout_ms;
        let over = now.steady_ms >= deadline_ms;
        // Receipts come as long as sessions are bound: these end first.
        let has_unbound = self.carriers.drain(now);
        if over && !has_unbound {
            self.carriers.hang_up(&mut self.driver, now);
        }
        let has_books = self.billing_write.is_none() && self.billing_sync.is_none();
        let settled = self.commit.is_none() && has_books && self.shard.is_settled();
        let quiet = settled
            && self.shard.in_flight() == 0
            && self.front.is_quiet(since_ms, now)
            && self.notifier.awaited(since_ms, now) == 0
            && !self.mesh.has_arrivals()
            && has_unbound
            && self.customers.drain(since_ms, now)
            && self.shard.close_books(now.wall_ms);
        // A shard that has nothing left to do may still be asked by one that has.
        let all_quiet = self.mesh.all_quiet(quiet);
        self.stopped = all_quiet || (over && settled && self.shard.close_books(now.wall_ms));
        if !self.stopped && now.steady_ms >= deadline_ms + UNANSWERED_MS {
            self.stop_unanswered(settled);
        }
        if self.stopped {
            self.shard.tell_parked();
        }
    }

    /// The drain's time is over, and the device has not answered: a stop waits for it no longer.
    /// Books that it does not take wait in the journal, as those of a full device do. What the
    /// kernel is writing this very moment is memory of this shard, which therefore must not go
    /// before the process does.
    fn stop_unanswered(&mut self, is_settled: bool) {
        if is_settled {
            self.stopped = true;
            return;
        }
        let what = if self.commit.is_some() { "the journal" } else { "the billing log" };
        let cause = format!(
            "the drain's {} ms are over and the device has not answered a write to {what} of shard \
             {}; whoever waited for that was not answered 0000",
            self.limits.drain_timeout_ms,
            self.shard.number()
        );
        Fatal::new(FatalReason::SyncFailed, cause).end_process()
    }

    fn refresh_date(&mut self, now: Now) {
        if now.wall_ms.ms() / 1000 != self.date_second {
            self.date_second = now.wall_ms.ms() / 1000;
            self.date = calendar::http_date(now.wall_ms.ms());
        }
    }

    fn publish(&mut self, now: Now) {
        if now.steady_ms >= self.published_ms + ShardStatus::PUBLISH_INTERVAL_MS {
            self.published_ms = now.steady_ms;
            self.publish_figures();
            let waiting = self.shard.waiting();
            if waiting.at_ms != self.waiting_shown_ms && self.port.status.publish_waiting(waiting) {
                self.waiting_shown_ms = waiting.at_ms;
            }
        }
    }

    fn publish_figures(&mut self) {
        self.front.waits.settle();
        let figures = self.shard.figures().values();
        self.port.status.publish(
            &figures,
            self.front.connections() as u64,
            self.front.visits,
            self.syncs,
        );
        self.port.status.publish_troubles(self.notifier.troubles);
        self.port.status.publish_customers(self.customers.counts());
        self.port.status.publish_held(self.budget.held() as u64);
        self.port.status.publish_waits(&self.front.waits);
        self.port.status.show_obstacles(self.shard.obstacles());
    }
}

/// The kernel does not do what it promised when the driver was set up.
fn refused(what: &str, error: &std::io::Error) -> ! {
    Fatal::new(FatalReason::Bug, format!("the kernel refused a {what} of the shard ({error})"))
        .end_process()
}
