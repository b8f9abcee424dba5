//! One shard's engine: gateway, message center, journal and billing put together.
//!
//! It owns everything about its slice of msn space and knows no socket and no clock: requests come
//! in as octets with the time, answers go out as values that say from when on they may be sent.
//! `io` carries the octets and lends it the thread's network; tests drive the same type directly.
//!
//! Invariants:
//! * an answer 0000 is released only when the journal's durable mark has passed its record;
//! * a billing event is written only for a record that is durable, once (`books`);
//! * an attempt starts only for a durable push.

mod asked;
pub mod books;
mod broadcasts;
mod cancels;
mod cleaning;
mod customers;
mod delivery;
mod durability;
mod endings;
pub mod events;
pub mod figures;
mod fingerprints;
mod handed;
mod intake;
mod live;
mod moved_before;
mod obstacles;
pub mod open;
mod opening;
mod parked;
mod progress;
mod questions;
mod reading;
mod records;
pub mod replay;
mod replicated;
mod rerouting;
mod submission;
mod taking_back;
mod waiting;
mod waiting_stopped;

pub use crate::smsc::wait_reason::WaitReason;
pub use asked::Reply;
pub use broadcasts::{RowsForeseen, SliceFigures, is_row_billed};
pub use customers::{FoundPush, Seek};
pub use durability::Durability;
pub use endings::NotificationResult;
pub use intake::{Foreseen, Origin};
pub use live::LivePush;
pub use obstacles::Obstacles;
pub use open::Ground;
pub use opening::{OpenError, ShardConfig, ShardReport};
pub use parked::{ParkedAction, ParkedNews, ParkedNotification, ParkedPage};
pub use progress::{OpenProgress, OpenStage};
pub use waiting::{AGES_MS, CLASSES, STANDINGS, Standing, WaitingTally};
pub use waiting_stopped::{CountError, count_stopped};
pub use wire::terms::pace::{Pace, TIME_SCALE_MAX};

use crate::billing::{BillingLog, Log};
use crate::gateway::contracts::ContractTable;
use crate::gateway::fingerprint::Fingerprints;
use crate::gateway::registry::Registry;
use crate::journal::{AppendError, Commit, Journal, Names, Reach};
use crate::network::port::{Network, ReceiptReply};
use crate::network::routes::Routes;
use crate::smsc::core::{Core, NotificationKind};
use crate::smsc::ended::EndedId;
use crate::smsc::mutation::CoreMutation;
use crate::testing::injection::InjectionKind::{NameLookUp, SyncFailure, SyncHangs};
use crate::testing::injection::{Injection, InjectionKind};
use crate::testing::kill_points;
use host::fatal::{Fatal, FatalReason};
use replicated::doubt;
use std::collections::VecDeque;
use std::sync::Arc;
use wire::push::submit::Scratch;
use wire::sms::segment::SUBMITS_OCTETS_MAX;
use wire::terms::code::Code;
use wire::terms::time::{EvenMs, SteadyMs, WallMs};

/// What was appended to the journal and is covered by no commit yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Uncommitted {
    /// There is no such record.
    Nothing,
    /// No push client's answer waits for any of it: endings, holds, notifications that were taken.
    Unawaited,
    /// An answer waits for some of it.
    Awaited,
}

/// A notification that wants to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotificationOrder {
    /// The push, which has ended.
    pub push: EndedId,
    /// E5 or E7.
    pub kind: NotificationKind,
}

/// What a turn does beside its own work.
#[derive(Default)]
struct TurnUse {
    /// Records that cleaning has looked at.
    cleaned: usize,
    /// Pushes or records that may be looked at.
    looks: usize,
}

/// One shard's engine, with its books in a log of this kind.
pub struct Shard<L = BillingLog> {
    number: usize,
    shards: usize,
    durability: Durability,
    pace: Pace,
    registry: Arc<Registry>,
    contracts: ContractTable,
    fingerprints: Fingerprints,
    /// Until when, in even time, older fingerprints are asked for too.
    older_until_ms: Option<EvenMs>,
    /// Whether the directory has alerts from before fingerprints had a key, or had.
    alerts_had_older: bool,
    core: Core,
    journal: Journal,
    billing: L,
    /// Events that the billing log did not take.
    owed: Option<books::Owed>,
    /// Ended records that cleaning appended again and that may not be durable yet.
    moved_ends: VecDeque<u64>,
    /// Attempts submitted to the network and not settled.
    in_flight: usize,
    /// What carriers call the segments that they took.
    ids: handed::Ids,
    /// Of those, the ones by carriers, and what is under way about them.
    by_carriers: rerouting::ByCarriers,
    /// How far what was never sent has its begin taken back.
    taking_back: taking_back::TakingBack,
    /// Receipts whose records may not be durable yet: the sequence behind each.
    receipts: VecDeque<(u64, ReceiptReply)>,
    routes: Arc<Routes>,
    /// The network is still to be told of the lines that pushes were held for before this start.
    resuming: bool,
    intake_paused: bool,
    names: Arc<Names>,
    /// Why answers are not what they seem: see [`replicated::doubt`].
    doubts: u8,
    /// Each start begins elsewhere: from 0 again, a clock that was set back would give a push what
    /// another had.
    message_reference: u8,
    /// The first push that was accepted since this start has this id or a later one.
    first_of_run: u64,
    /// Of the push that is being taken.
    concatenation_reference: u8,
    /// What concatenation references are drawn by, beside what the contracts keep.
    reference_seed: u64,
    mutation: CoreMutation,
    /// Where content is decoded; elsewhere while a push is taken whose content lies in it.
    scratch: Option<Box<Scratch>>,
    submits: Box<[u8; SUBMITS_OCTETS_MAX]>,
    stamps: records::Stamps,
    /// Ended records that are not durable yet, in the order of their sequences.
    ended: VecDeque<endings::Ending>,
    notifications: VecDeque<NotificationOrder>,
    /// The same of pushes that came by SMPP.
    customer_orders: VecDeque<NotificationOrder>,
    cleaning: Option<cleaning::Cleaning>,
    /// What cleaning had moved out of the oldest segment before this start.
    moved_before: moved_before::MovedBefore,
    /// Octets that cleaning would gain, as of when a candidate was looked for.
    dead_octets: u64,
    /// When a candidate was looked for, and how far the journal reached then.
    cleaning_looked: (WallMs, Reach),
    appended_at_last_turn: u64,
    /// Records that cleaning has to look at to keep its pace.
    cleaning_owed: u64,
    /// What is used of the last turn's budget beside its own work.
    used: TurnUse,
    /// Answers wait for sequences up to this one.
    awaited: u64,
    journal_polled_ms: WallMs,
    random: u64,
    /// Faults to rehearse.
    injections: Vec<Injection>,
    /// New pushes seen, for the rehearsals.
    pushes_seen: u64,
    counted: figures::Counted,
    parked_news: ParkedNews,
    waiting: waiting::WaitingScan,
    broadcasts: broadcasts::Broadcasts,
}

impl<L: Log> Shard<L> {
    /// This shard's number, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The journal's durable mark: answers gated by a lower sequence may leave.
    pub fn durable(&self) -> u64 {
        match self.durability {
            Durability::Power => self.journal.durable(),
            Durability::Process => self.journal.written(),
        }
    }

    /// Takes new registrations.
    pub fn set_registry(&mut self, registry: Arc<Registry>) {
        self.reroute_by_change(&registry);
        self.registry = registry;
    }

    /// The registrations in force.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The contracts of this shard's slice.
    pub fn contracts_mut(&mut self) -> &mut ContractTable {
        &mut self.contracts
    }

    /// Puts a whole table of contracts in the place of the present one.
    pub fn set_contracts(&mut self, contracts: ContractTable) {
        self.contracts = contracts;
    }

    /// Whether the names of the engine's journals are there.
    pub fn set_names(&mut self, names: Arc<Names>) {
        self.names = names;
    }

    /// To be asked before answers leave. True once, when the files of the journals have lost their
    /// names: from then on the shard takes no push (8003), and whatever waits for the journal
    /// cannot be made durable any more (9002).
    pub fn notices_lost_names(&mut self) -> bool {
        let notices = !self.has_lost_names() && self.names.are_lost();
        self.doubts |= u8::from(notices) * doubt::NAMES_LOST;
        notices
    }

    /// While paused, new pushes are answered 8004.
    pub fn pause(&mut self, paused: bool) {
        self.intake_paused = paused;
    }

    /// The time by which its network works, which no step of the wall clock moves.
    pub fn network_ms(&self, now_ms: WallMs) -> EvenMs {
        self.pace.even(now_ms)
    }

    /// Its message center, to be looked at.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Its journal, to be read.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What a commit that begins now would cover.
    pub fn uncommitted(&self) -> Uncommitted {
        let begun = self.journal.begun();
        if self.journal.appended() == begun {
            Uncommitted::Nothing
        } else if self.awaited > begun {
            Uncommitted::Awaited
        } else {
            Uncommitted::Unawaited
        }
    }

    /// What must be written next; `None` when nothing new was appended, or a commit is under way.
    pub fn begin_commit(&mut self) -> Option<Commit> {
        self.journal.begin_commit()
    }

    /// Has the journal's storage carry out a commit that has begun, and waits until that is done:
    /// where the journal has no files.
    ///
    /// # Errors
    /// When a write or sync fails; the shard must not be used any more then.
    pub fn carry_out_commit(&mut self, commit: &mut Commit) -> std::io::Result<()> {
        self.journal.carry_out(commit)
    }

    /// Everything that `commit` names is written.
    pub fn finish_commit(&mut self, commit: &Commit) {
        if self.journal.has_lost_a_name(commit) {
            self.names.lose();
        }
        self.journal.finish_commit(commit);
        kill_points::recorded(self.number, self.journal.written());
    }

    /// Writes everything appended, as [`Self::durable`] needs it, and waits until that is done: for
    /// tests and measurements that drive a shard without a ring.
    ///
    /// # Errors
    /// When a write or sync fails; the shard must not be used any more then.
    pub fn commit_blocking(&mut self) -> std::io::Result<()> {
        self.journal.commit_blocking()?;
        kill_points::recorded(self.number, self.journal.written());
        Ok(())
    }

    /// Sees the wall clock and a steady one at the same moment: before anything else is asked for
    /// with a new time. Without it the shard takes the wall clock for one that nobody sets.
    pub fn keep_time(&mut self, wall_ms: WallMs, steady_ms: SteadyMs) {
        self.pace.see(wall_ms, steady_ms);
    }

    /// One turn of work that is due by `now_ms`, bounded; whether there was any. `network` is lent
    /// for the turn, and the same in every turn.
    pub fn turn(
        &mut self,
        network: &mut impl Network,
        now_ms: WallMs,
        budget: &TurnBudget,
    ) -> bool {
        self.used = TurnUse { looks: budget.looks, cleaned: 0 };
        if std::mem::take(&mut self.resuming) {
            self.resume(network, now_ms);
        }
        let awaits = self.by_carriers.awaits_from.is_some();
        let mut busy = awaits && self.await_receipts(network);
        busy |= self.settle_durable(now_ms);
        busy |= self.acknowledge_receipts(network);
        self.core.handle_time(self.pace.center(now_ms), budget.timers);
        busy |= self.take_outcomes(network, now_ms, budget.outcomes);
        busy |= self.take_receipts(network, now_ms, budget.outcomes);
        self.recall(network);
        self.put_questions(network, now_ms);
        busy |= self.reroute();
        busy |= self.run_broadcasts(network, now_ms, budget.attempts > 0);
        self.announce_awaited(network, now_ms);
        busy |= self.start_attempts(network, now_ms, budget.attempts);
        busy |= self.carry_out_effects(now_ms);
        busy |= self.take_back(now_ms);
        busy |= self.clean(now_ms, budget.records);
        self.count_waiting(now_ms, budget.counted);
        self.appended_at_last_turn = self.journal.appended();
        self.forget_older_fingerprints(now_ms);
        busy
    }

    /// Records of the journal that cleaning has looked at in the last turn.
    pub fn cleaned_in_turn(&self) -> usize {
        self.used.cleaned
    }

    /// When [`Shard::turn`] with this network has work again if nothing else happens.
    pub fn next_due_ms(&self, network: &impl Network) -> Option<WallMs> {
        let center_ms = self.core.next_due_ms().map(|due_ms| self.pace.real(due_ms));
        let network_ms = network.next_due_ms().map(|due_ms| self.pace.wall(due_ms));
        let billing_ms = self.billing.next_due_ms(self.owed.is_some());
        let due = [center_ms, network_ms, self.waiting.next_due_ms(), billing_ms];
        let told_by = self.by_carriers.announces_by.filter(|_| !self.by_carriers.has_announced);
        let told_ms = told_by.map(|even_ms| self.pace.wall(even_ms));
        let due = due.into_iter().chain([self.broadcasts.due_ms(), told_ms]).flatten().min();
        // Seldom there, and then the first.
        match self.by_carriers.questions.due_ms() {
            Some(asked_ms) => Some(due.map_or(asked_ms, |due| due.min(asked_ms))),
            None => due,
        }
    }

    /// Attempts in the network.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Those of them that carriers have.
    pub fn in_flight_by_carriers(&self) -> usize {
        self.by_carriers.in_flight
    }

    /// Whether everything appended is durable and every durable ending is settled.
    pub fn is_settled(&self) -> bool {
        self.durable() >= self.journal.appended()
            && self.ended.is_empty()
            && self.receipts.is_empty()
    }

    /// The counters and gauges of this shard.
    pub fn figures(&self) -> figures::Figures<'_, L> {
        figures::Figures { shard: self }
    }

    /// The fault that is to be rehearsed on this new push.
    #[inline]
    fn rehearse(&mut self) -> Result<(), Code> {
        if self.injections.is_empty() {
            return Ok(());
        }
        self.pushes_seen += 1;
        let due = self.injections.iter().find(|injection| {
            let is_pushs = !matches!(injection.kind, SyncFailure | SyncHangs | NameLookUp);
            injection.at == self.pushes_seen && is_pushs
        });
        match due.map(|injection| injection.kind) {
            None | Some(SyncFailure | SyncHangs | NameLookUp) => Ok(()),
            Some(InjectionKind::InternalError) => Err(Code::INTERNAL),
            Some(InjectionKind::NotDurable) => Err(Code::NOT_DURABLE),
            Some(InjectionKind::Overload) => Err(Code::OVERLOAD),
            Some(InjectionKind::StorageFull) => Err(Code::STORAGE_FULL),
            Some(InjectionKind::Panic) => panic!("a rehearsed panic (--inject panic)"),
            Some(InjectionKind::Stall) => loop {
                std::thread::park();
            },
        }
    }

    /// A step of a small generator (xorshift64*): jitter needs no more.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// The journal keeps a reserve for everything that follows from what it accepted; if even that is
/// gone, going on would mean forgetting.
fn fatal_if_full<T>(appended: Result<T, AppendError>) -> T {
    appended.unwrap_or_else(|error| {
        Fatal::new(
            FatalReason::StorageFull,
            format!("the journal has no room to finish what was accepted ({error})"),
        )
        .end_process()
    })
}

/// How much one turn may do.
#[derive(Clone, Copy, Debug)]
pub struct TurnBudget {
    /// Timers expired.
    pub timers: usize,
    /// Attempts begun.
    pub attempts: usize,
    /// Outcomes taken.
    pub outcomes: usize,
    /// Records of the journal that cleaning looks at, and may have to append again.
    pub records: usize,
    /// Pushes that wait that are looked at while routes change, and records while books are behind.
    pub looks: usize,
    /// Places of pushes that are looked at to count what waits.
    pub counted: usize,
}

/// Seconds that a refused push client is asked to wait; `None` for codes without Retry-After.
//= push code later
pub fn retry_after_seconds(code: Code) -> Option<u16> {
    match code {
        Code::RATE | Code::OVERLOAD => Some(1),
        Code::TOO_MANY_WAITING => Some(5),
        Code::PAUSED => Some(10),
        Code::STORAGE_FULL => Some(30),
        _ => None,
    }
}
