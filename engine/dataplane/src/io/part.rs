//! One shard on its thread, with what is its own: the commit under way, its books, what waits for
//! its durable mark.
//!
//! Never here: a socket. Invariants: a shard has one commit, one write and one sync of its books
//! under way at most; while any of them is, it stays where it is, because the kernel reads what is
//! the shard's.

use crate::billing::{BillingSync, BillingWrite};
use crate::io::driver::{Driver, Operation, Token};
use crate::io::gated::Gated;
use crate::io::orders::WaitingOrders;
use crate::io::pace::{Rhythm, TurnPace};
use crate::io::replica::{Records, Replica};
use crate::io::shard_status::ShardStatus;
use crate::io::waits::Waits;
use crate::journal::Commit;
use crate::network::smpp::port::CarrierPort;
use crate::shard::{Shard, Uncommitted};
use host::clock;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use wire::terms::time::{SteadyMs, WallMs};

/// A write without a sync that is no longer than this is carried out by the thread itself.
const WRITE_AT_ONCE_OCTETS_MAX: usize = 64 * 1024;
/// A token's index has a write's place in its commit below this, and the part's place above.
const WRITE_BITS: u32 = 8;

/// Faults to rehearse; see `TurnLimits`.
#[derive(Clone, Copy)]
pub(super) struct Faults {
    /// The n-th sync fails.
    pub(super) sync_failure: Option<u64>,
    /// The device never answers the n-th sync.
    pub(super) sync_hangs: Option<u64>,
}

/// What a part carries its writes out with.
pub(super) struct Carrying<'a> {
    pub(super) driver: &'a mut Driver,
    pub(super) waits: &'a mut Waits,
    pub(super) faults: Faults,
}

struct CommitUnderWay {
    commit: Commit,
    writes_left: usize,
    /// Its records are on their way to the replicated log.
    awaits_log: bool,
    /// Since when whoever waits for it does: from its begin, or from when they were told last that
    /// nobody knows.
    awaited_ns: u64,
}

/// Connections whose front answer waits for a shard's durable mark.
#[derive(Default)]
pub(super) struct Waiters {
    indices: Vec<u32>,
    /// How far the mark had come when they were last looked at.
    flushed: u64,
}

impl Waiters {
    pub(super) fn push(&mut self, index: u32) {
        self.indices.push(index);
    }

    /// Whether somebody waits, and the mark has moved since.
    pub(super) fn are_due(&self, durable: u64) -> bool {
        durable > self.flushed && !self.indices.is_empty()
    }

    /// Those to be looked at, if the mark has moved; hand the list back with [`Self::keep`].
    pub(super) fn take(&mut self, durable: u64) -> Vec<u32> {
        if durable <= self.flushed {
            return Vec::new();
        }
        self.flushed = durable;
        std::mem::take(&mut self.indices)
    }

    /// All of them: nobody waits here any more.
    pub(super) fn take_all(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.indices)
    }

    /// The memory of the list serves again.
    pub(super) fn keep(&mut self, mut list: Vec<u32>) {
        if self.indices.is_empty() && list.capacity() > self.indices.capacity() {
            list.clear();
            self.indices = list;
        }
    }
}

/// A shard on its thread.
pub(super) struct Part {
    pub(super) shard: Shard,
    /// Its end of the carriers.
    pub(super) carriers: CarrierPort,
    pub(super) orders: WaitingOrders,
    pub(super) gated: VecDeque<(u64, Gated)>,
    /// Push clients' connections.
    pub(super) clients: Waiters,
    /// Customers' sessions.
    pub(super) customers: Waiters,
    status: Arc<ShardStatus>,
    place: u32,
    commit: Option<CommitUnderWay>,
    billing_write: Option<BillingWrite>,
    billing_sync: Option<(BillingSync, u32)>,
    /// When a commit is to begin for which records gather.
    commit_due_ns: Option<u64>,
    rhythm: Rhythm,
    syncs: u64,
    waiting_shown_ms: WallMs,
    closes: bool,
    /// Somebody only looks at what there is: nothing begins.
    pub(super) looks_on: bool,
    /// Where its records go besides, in a cluster.
    replica: Option<Arc<Replica>>,
}

impl Part {
    /// This shard in this place of its thread, with its end of the carriers.
    pub(super) fn new(
        place: u32,
        shard: Shard,
        carriers: CarrierPort,
        status: Arc<ShardStatus>,
        replica: Option<Arc<Replica>>,
    ) -> Self {
        Self {
            shard,
            carriers,
            orders: WaitingOrders::default(),
            gated: VecDeque::with_capacity(1024),
            clients: Waiters::default(),
            customers: Waiters::default(),
            status,
            place,
            commit: None,
            billing_write: None,
            billing_sync: None,
            commit_due_ns: None,
            rhythm: Rhythm::default(),
            syncs: 0,
            waiting_shown_ms: WallMs::ZERO,
            closes: false,
            looks_on: false,
            replica,
        }
    }

    /// It is to leave its thread: it takes no push, and begins nothing.
    pub(super) fn begin_to_close(&mut self) {
        self.closes = true;
        self.shard.pause(true);
        if self.replica.is_some() {
            self.shard.begin_to_leave();
        }
        self.shard.begin_to_take_back();
        self.shard.begin_to_close_books();
        self.show_obstacles();
    }

    /// Whether it is to leave its thread.
    pub(super) fn closes(&self) -> bool {
        self.closes
    }

    /// Its place on its thread.
    pub(super) fn place(&self) -> u32 {
        self.place
    }

    /// Its place as gates have it: a thread has no more parts than that counts.
    pub(super) fn gate_place(&self) -> u16 {
        self.place as u16
    }

    /// Whether a commit is under way.
    pub(super) fn commits(&self) -> bool {
        self.commit.is_some()
    }

    /// Whether nothing of its books is under way.
    pub(super) fn has_books(&self) -> bool {
        self.billing_write.is_none() && self.billing_sync.is_none()
    }

    /// Whether nothing that was appended waits for the device, nor the device for the shard. What a
    /// shard that is lost has appended waits for nobody: another node serves it.
    pub(super) fn is_settled(&self) -> bool {
        let is_written = self.is_lost() || self.shard.is_settled();
        self.commit.is_none() && self.has_books() && is_written
    }

    /// Whether nothing is under way that a drain waits for.
    pub(super) fn is_idle(&self) -> bool {
        let is_over = self.shard.in_flight() == 0 && self.shard.has_taken_back();
        self.is_lost() || is_over && self.gated.is_empty()
    }

    /// Whether carriers have attempts of it that are not settled.
    pub(super) fn is_at_carriers(&self) -> bool {
        self.shard.in_flight_by_carriers() > 0
    }

    /// When a commit begins for which records gather, on the monotonic clock.
    pub(super) fn commit_due_ns(&self) -> Option<u64> {
        self.commit_due_ns
    }

    /// Whether somebody waits here for what has become durable since the last flush.
    pub(super) fn holds_answers(&self) -> bool {
        let durable = self.shard.answerable();
        let gated = self.gated.front().is_some_and(|(sequence, _)| *sequence <= durable);
        gated || self.clients.are_due(durable) || self.customers.are_due(durable)
    }

    /// Begins a commit if one is due; when it began. In a drain records do not gather.
    ///
    /// # Errors
    /// The device did not take it.
    pub(super) fn start_commit(
        &mut self,
        carrying: &mut Carrying<'_>,
        pace: &TurnPace,
        drains: bool,
    ) -> io::Result<Option<u64>> {
        if self.commit.is_some() || self.is_lost() {
            return Ok(None);
        }
        let uncommitted = self.shard.uncommitted();
        if uncommitted == Uncommitted::Nothing {
            self.commit_due_ns = None;
            return Ok(None);
        }
        let now_ns = clock::monotonic_ns();
        self.commit_due_ns = pace.commit_due_ns(&mut self.rhythm, uncommitted, now_ns);
        if self.commit_due_ns.is_none_or(|due_ns| now_ns < due_ns && !drains) {
            return Ok(None);
        }
        let first = self.shard.journal().begun();
        let Some(commit) = self.shard.begin_commit() else { return Ok(None) };
        let awaits_log = self.send_to_log(&commit, first);
        self.commit_due_ns = None;
        self.rhythm.note_commit(now_ns);
        carrying.waits.commit_begins(self.place as usize, now_ns);
        let writes_left = commit.writes.len();
        debug_assert!(writes_left <= 1 << WRITE_BITS, "a commit writes to a few segments");
        self.commit = Some(CommitUnderWay { commit, writes_left, awaits_log, awaited_ns: now_ns });
        for at in 0..writes_left {
            self.write_to_journal(at, carrying)?;
        }
        Ok(Some(now_ns))
    }

    /// Carries out, or asks for, what is left of a write of the commit under way.
    fn write_to_journal(&mut self, at: usize, carrying: &mut Carrying<'_>) -> io::Result<()> {
        let Some(CommitUnderWay { commit, .. }) = &self.commit else { return Ok(()) };
        let write = &commit.writes[at];
        if !commit.with_sync && write.octets_left() <= WRITE_AT_ONCE_OCTETS_MAX {
            // Into the page cache: that takes no longer than to hand it to a worker of the kernel.
            // SAFETY: the commit under way is not finished, and the shard keeps the journal.
            let written = unsafe { write.write(false) };
            return self.written(at, written, carrying);
        }
        let token = Token::of_turn(Operation::Commit, self.place << WRITE_BITS | at as u32);
        // SAFETY: the journal keeps the octets as they are until the commit is finished, and the
        // commit keeps the list of parts as it is until the completion changes it; both come after
        // the completion was reaped. A part leaves its thread only with no commit under way, and a
        // thread that ends before that ends the process.
        unsafe { carrying.driver.write(write, commit.with_sync, token) };
        Ok(())
    }

    /// A write of the commit under way, in this place among its writes, has come to this.
    ///
    /// # Errors
    /// The device did not make it durable.
    pub(super) fn written(
        &mut self,
        at: usize,
        written: io::Result<usize>,
        carrying: &mut Carrying<'_>,
    ) -> io::Result<()> {
        let is_reached = |nth: u64| self.syncs + 1 >= nth;
        if carrying.faults.sync_hangs.is_some_and(is_reached) {
            return Ok(());
        }
        let octets = written?;
        if octets == 0 || carrying.faults.sync_failure.is_some_and(is_reached) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let Some(under_way) = &mut self.commit else { return Ok(()) };
        if !under_way.commit.writes[at].advance(octets) {
            return self.write_to_journal(at, carrying);
        }
        self.syncs += 1;
        under_way.writes_left -= 1;
        if under_way.writes_left > 0 {
            return Ok(());
        }
        if !under_way.awaits_log {
            self.finish_commit(carrying.waits);
        } else if self.is_lost() {
            self.abandon_commit(carrying.waits);
        }
        Ok(())
    }

    /// Everything of the commit under way is done.
    fn finish_commit(&mut self, waits: &mut Waits) {
        let Some(done) = self.commit.take() else { return };
        waits.commit_done(self.place as usize, clock::monotonic_ns());
        self.shard.finish_commit(&done.commit);
    }

    /// Gives the records of a commit that has just begun to the replicated log, if there is one.
    fn send_to_log(&self, commit: &Commit, first: u64) -> bool {
        let Some(replica) = &self.replica else { return false };
        let mut frames = Vec::new();
        // SAFETY: the commit has just begun: nothing of it is written, and the shard keeps the
        // journal.
        unsafe { commit.copy_frames(&mut frames) };
        replica.send(Records { frames, first, next: commit.covers });
        true
    }

    /// Looks at what the replicated log has said, before each turn; whether it said anything.
    pub(super) fn see_log(&mut self, now: SteadyMs, waits: &mut Waits) -> bool {
        let Some(replica) = &self.replica else { return false };
        let (is_news, may_act) = (replica.take_news(), replica.may_act(now));
        self.shard.let_act(may_act);
        if !may_act && !replica.is_lost() && self.shard.wants_to_act() {
            replica.ask_to_act();
        }
        if !is_news {
            return false;
        }
        let (acknowledged, is_lost) = (replica.acknowledged(), replica.is_lost());
        let Some(under_way) = &mut self.commit else { return true };
        under_way.awaits_log &= acknowledged < under_way.commit.covers;
        if under_way.writes_left == 0 && !under_way.awaits_log {
            self.finish_commit(waits);
        } else if is_lost {
            self.abandon_commit(waits);
        }
        true
    }

    /// The log will not take what is under way: it ends once the device has it. Nobody is answered
    /// for it.
    fn abandon_commit(&mut self, waits: &mut Waits) {
        if self.commit.as_ref().is_some_and(|under_way| under_way.writes_left == 0) {
            self.commit = None;
            waits.commit_done(self.place as usize, clock::monotonic_ns());
        }
    }

    /// Whether the replicated log has not answered for too long: whoever waits is told now that
    /// nobody knows, and who comes later waits as long again.
    pub(super) fn gives_up_answers(&mut self, now_ns: u64) -> bool {
        let (Some(replica), Some(under_way)) = (&self.replica, &mut self.commit) else {
            return false;
        };
        let waited_ns = now_ns.saturating_sub(under_way.awaited_ns);
        let is_over =
            under_way.awaits_log && u128::from(waited_ns) >= replica.patience().as_nanos();
        if is_over {
            under_way.awaited_ns = now_ns;
        }
        is_over
    }

    /// Whether it may begin an attempt, send a notification, or answer from memory.
    pub(super) fn may_act(&self, now: SteadyMs) -> bool {
        !self.looks_on && self.replica.as_ref().is_none_or(|replica| replica.may_act(now))
    }

    /// Something waits until it may act.
    pub(super) fn ask_to_act(&self) {
        if let Some(replica) = &self.replica {
            replica.ask_to_act();
        }
    }

    /// Whether its partition is another node's by now.
    pub(super) fn is_lost(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| replica.is_lost())
    }

    /// Whether the replicated log has said anything.
    pub(super) fn has_log_news(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| replica.has_news())
    }

    /// Billing events are written some together, beside the journal's commits and never by the
    /// thread itself. The books are synced only when a journal segment is about to go.
    pub(super) fn keep_books(&mut self, driver: &mut Driver, now_ms: WallMs) {
        if self.billing_write.is_none() {
            self.billing_write = self.shard.begin_billing_write(now_ms);
            self.write_to_books(driver);
        }
        if self.billing_sync.is_some() {
            return;
        }
        let Some(sync) = self.shard.begin_billing_sync() else { return };
        let mut left = 0;
        for file in sync.files.into_iter().flatten() {
            driver.sync(file, Token::of_turn(Operation::BillingSync, self.place));
            left += 1;
        }
        self.billing_sync = Some((sync, left));
    }

    /// Asks for what is left of the write under way.
    fn write_to_books(&mut self, driver: &mut Driver) {
        let Some(BillingWrite { write }) = &self.billing_write else { return };
        let token = Token::of_turn(Operation::BillingWrite, self.place);
        // SAFETY: the billing log keeps the octets as they are, and the file open, until the write
        // is finished, and the list of parts stays here until then; that comes after the completion
        // was reaped. A part leaves its thread only with no such write under way, and a thread that
        // ends before that ends the process.
        unsafe { driver.write(write, false, token) };
    }

    /// The write to the books under way has come to this. A device that takes no events keeps
    /// nobody waiting: the journal has them.
    pub(super) fn billing_written(
        &mut self,
        written: io::Result<usize>,
        driver: &mut Driver,
        now_ms: WallMs,
    ) {
        let Some(under_way) = &mut self.billing_write else { return };
        let outcome = match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(octets) if !under_way.write.advance(octets) => return self.write_to_books(driver),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some(done) = self.billing_write.take() {
            self.shard.finish_billing_write(&done, outcome, now_ms);
        }
    }

    /// A sync of the books under way has come to this.
    ///
    /// # Errors
    /// The device did not make it durable.
    pub(super) fn billing_synced(&mut self, result: i32) -> io::Result<()> {
        if result < 0 {
            return Err(io::Error::from_raw_os_error(-result));
        }
        let Some((_, left)) = &mut self.billing_sync else { return Ok(()) };
        *left -= 1;
        if *left == 0
            && let Some((sync, _)) = self.billing_sync.take()
        {
            self.shard.finish_billing_sync(&sync);
        }
        Ok(())
    }

    /// Shows its figures.
    pub(super) fn publish_figures(&self) {
        if let Some(replica) = &self.replica {
            replica.note_needed_from(self.shard.journal().kept_from());
        }
        let figures = self.shard.figures().values();
        self.status.publish(&figures, self.syncs);
        self.status.show_obstacles(self.shard.obstacles());
    }

    /// Shows what stands in the way of new pushes.
    pub(super) fn show_obstacles(&self) {
        self.status.show_obstacles(self.shard.obstacles());
    }

    /// Shows the last count of what waits, if it is another than was shown.
    pub(super) fn publish_waiting(&mut self) {
        let waiting = self.shard.waiting();
        if waiting.at_ms != self.waiting_shown_ms && self.status.publish_waiting(waiting) {
            self.waiting_shown_ms = waiting.at_ms;
        }
    }

    /// Shows at its end what of the books could not be written, and what was still under way.
    pub(super) fn note_unbilled(&self) {
        self.status.note_rows_in_doubt(self.shard.rows_in_doubt_at_end());
        self.status.note_unbilled(self.shard.unbilled_at_end());
    }

    /// Takes it apart: it leaves its thread. Nothing of it is under way.
    pub(super) fn into_shard(self) -> Shard {
        assert!(self.commit.is_none() && self.has_books(), "the kernel has nothing of its own");
        self.shard
    }
}

/// Of a token of [`Operation::Commit`]: the part's place, and the write's in its commit.
pub(super) fn places_of_write(index: u32) -> (u32, usize) {
    (index >> WRITE_BITS, (index & ((1 << WRITE_BITS) - 1)) as usize)
}
