//! The rings between a carrier's home and the shards whose pushes it takes: permits there and back,
//! receipts one way, and the word that a receipt is recorded the other way. A shard that cancels a
//! push *recalls* it: the home gives it back where it is not sent yet, and says when it has looked.
//!
//! Invariants: as many places as permits, whatever the carrier's settings become; a receipt is
//! taken only behind the permit whose answer it is about, or comes with it; a ring that is full
//! holds up its carrier's session and nothing else; what is recalled is not sent once the recall is
//! done.

use crate::network::port::{AttemptSlot, CarrierQuestion, CarrierReceipt, ReceiptReply};
use crate::network::routes::Routes;
use crate::network::smpp::awaited::Awaited;
use crate::network::smpp::carrier::{Carrier, permits_max};
use crate::network::smpp::figures::{CarrierFigures, CarrierState};
use crate::network::smpp::outcome::Verdict;
use crossbeam::queue::ArrayQueue;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wire::terms::ids::Msn;
use wire::terms::time::SteadyMs;

/// Receipts under way from a carrier to one shard; also those recorded and not answered.
pub(super) const RECEIPTS_UNDER_WAY_MAX: usize = 2_048;
/// Recalls of one push that a home has not looked at; beyond it all pushes of the shard are.
const RECALLS_MAX: usize = 256;

/// Questions of one shard that a home has not looked at.
const QUESTIONS_MAX: usize = 1_024;

/// Phones of one shard that a carrier says are reachable again; of more it is not said.
const REACHABLE_MAX: usize = 1_024;

/// Leave to submit one push, filled with it; comes back with what the carrier answered.
pub(super) struct Permit {
    pub(super) owner: usize,
    /// Which of the shard's it is: what goes out later has a higher one.
    pub(super) serial: u64,
    pub(super) slot: AttemptSlot,
    pub(super) verdict: Verdict,
    /// The carrier's ids of the segments taken, in their order, each behind its length.
    pub(super) ids: Vec<u8>,
    /// Receipts of those segments that came before the answer and are acknowledged by now: nobody
    /// sends them again, so they are recorded with it.
    pub(super) receipts: Vec<CarrierReceipt>,
}

impl Permit {
    /// One of this shard's that is free.
    pub(super) fn new(owner: usize) -> Self {
        let (slot, verdict) = (AttemptSlot::new(), Verdict::default());
        Self { owner, serial: 0, slot, verdict, ids: Vec::new(), receipts: Vec::new() }
    }

    /// It has come to the home: nothing is known yet.
    pub(super) fn begin(&mut self) {
        self.verdict = Verdict::default();
        self.ids.clear();
        self.receipts.clear();
    }
}

/// What a shard awaits at its start: the carrier's id of a segment, and whose it is.
pub(super) type Announced = (Box<[u8]>, Awaited);
/// So many of them are taken in one turn of the home, and have memory together.
pub(super) const ANNOUNCED_TOGETHER: usize = 512;

/// Pushes that a shard wants back.
struct Recalls {
    pushes: ArrayQueue<u32>,
    /// All of them.
    all: AtomicBool,
    asked: AtomicU64,
    done: AtomicU64,
}

impl Recalls {
    fn new() -> Self {
        Self {
            pushes: ArrayQueue::new(RECALLS_MAX),
            all: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }
    }

    fn are_done(&self) -> bool {
        self.asked.load(Ordering::Acquire) == self.done.load(Ordering::Acquire)
    }
}

/// What is next in a ring, most of which are empty most of the time: to see that is cheap, and to
/// take from them is not.
pub(super) fn next<T>(ring: &ArrayQueue<T>) -> Option<T> {
    if ring.is_empty() { None } else { ring.pop() }
}

/// What passes between the home and one shard.
struct Lane {
    permits: ArrayQueue<Box<Permit>>,
    settled: ArrayQueue<Box<Permit>>,
    receipts: ArrayQueue<CarrierReceipt>,
    recorded: ArrayQueue<ReceiptReply>,
    questions: ArrayQueue<CarrierQuestion>,
    reachable: ArrayQueue<Msn>,
    recalls: Recalls,
    /// What the shard awaits from before its start, as it tells of it; taken by the home.
    awaited: Mutex<Option<Vec<Vec<Announced>>>>,
}

/// A shard's bit among those that something was put before: the 64th after the first has the same.
pub(super) fn bit_of(shard: usize) -> u64 {
    1 << (shard % u64::BITS as usize)
}

/// How many threads and shards an engine has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spread {
    /// Threads: any may be a carrier's home.
    pub threads: usize,
    /// Shards: each has its own way to every home.
    pub shards: usize,
}

impl Spread {
    /// As many threads as shards.
    pub fn even(shards: usize) -> Self {
        Self { threads: shards, shards }
    }
}

/// One carrier, as every thread is told of it.
#[derive(Clone)]
pub struct KnownCarrier {
    /// The rings, which stay as long as the carrier is there.
    pub exchange: Arc<Exchange>,
    /// What it is set up with now.
    pub carrier: Arc<Carrier>,
}

impl KnownCarrier {
    /// A carrier that is new, in an engine of this spread.
    pub fn new(carrier: Carrier, spread: Spread) -> Self {
        let exchange = Exchange::new(&carrier, spread);
        Self { exchange, carrier: Arc::new(carrier) }
    }

    /// How it is with this carrier at `now_ms` of the steady clock.
    pub fn state(&self, now_ms: SteadyMs) -> CarrierState {
        CarrierState::of(&self.carrier.name, &self.exchange.figures, now_ms)
    }
}

/// All carriers and routes, as every thread is told of them at once.
#[derive(Clone, Default)]
pub struct CarrierPlan {
    /// The carriers.
    pub carriers: Arc<[KnownCarrier]>,
    /// Which pushes go by which.
    pub routes: Arc<Routes>,
}

/// One carrier between its home and all shards.
pub struct Exchange {
    /// What its home counts.
    pub figures: CarrierFigures,
    number: u8,
    home: usize,
    lanes: Vec<Lane>,
    dealing: AtomicBool,
    takes_questions: AtomicBool,
    /// A shard has said what it awaits, and the home has not looked.
    announces: AtomicBool,
    /// Pushes that may go to the home now and be sent in a moment.
    room: AtomicU32,
    /// Since when it is down or choked, milliseconds of the home's clock; 0: it is not.
    out_since_ms: AtomicU64,
}

impl Exchange {
    /// Between one of the threads and all shards.
    pub fn new(carrier: &Carrier, Spread { threads, shards }: Spread) -> Arc<Self> {
        let permits = permits_max(shards);
        let lane = |_| Lane {
            permits: ArrayQueue::new(permits),
            settled: ArrayQueue::new(permits),
            receipts: ArrayQueue::new(RECEIPTS_UNDER_WAY_MAX),
            recorded: ArrayQueue::new(RECEIPTS_UNDER_WAY_MAX),
            questions: ArrayQueue::new(QUESTIONS_MAX),
            reachable: ArrayQueue::new(REACHABLE_MAX),
            recalls: Recalls::new(),
            awaited: Mutex::new(None),
        };
        Arc::new(Self {
            figures: CarrierFigures::default(),
            number: carrier.number,
            home: carrier.home(threads),
            lanes: (0..shards).map(lane).collect(),
            dealing: AtomicBool::new(false),
            takes_questions: AtomicBool::new(true),
            announces: AtomicBool::new(false),
            room: AtomicU32::new(0),
            out_since_ms: AtomicU64::new(0),
        })
    }

    /// The carrier's number.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The thread that is the carrier's home.
    pub fn home(&self) -> usize {
        self.home
    }

    pub(super) fn shards(&self) -> usize {
        self.lanes.len()
    }

    /// Whether the carrier takes pushes now.
    pub fn is_dealing(&self) -> bool {
        self.dealing.load(Ordering::Relaxed)
    }

    /// Whether what goes to the home now is sent in a moment.
    pub(super) fn has_room(&self) -> bool {
        self.room.load(Ordering::Relaxed) > 0
    }

    /// A push goes to the home. Whether that takes room: an emergency goes where there is none.
    pub(super) fn take_room(&self) -> bool {
        let less = |room: u32| room.checked_sub(1);
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// One that took room does not go after all.
    pub(super) fn give_room_back(&self) {
        self.room.fetch_add(1, Ordering::Relaxed);
    }

    /// So many pushes may come.
    pub(super) fn set_room(&self, room: u32) {
        self.room.store(room, Ordering::Relaxed);
    }

    /// Whether the carrier has been down or choked for so long.
    pub fn is_out_for(&self, least_ms: u64, now_ms: SteadyMs) -> bool {
        let since_ms = self.out_since_ms.load(Ordering::Relaxed);
        since_ms != 0 && now_ms >= SteadyMs::new(since_ms) + least_ms
    }

    /// From now on it takes none, until its home says otherwise.
    pub(super) fn stop_dealing(&self) {
        self.dealing.store(false, Ordering::Relaxed);
    }

    /// Whether it takes pushes, and whether it is down or choked.
    pub(super) fn set_condition(&self, dealing: bool, out: bool, now_ms: SteadyMs) {
        self.dealing.store(dealing, Ordering::Relaxed);
        let since_ms = self.out_since_ms.load(Ordering::Relaxed);
        if out != (since_ms != 0) {
            let since_ms = if out { now_ms.ms().max(1) } else { 0 };
            self.out_since_ms.store(since_ms, Ordering::Relaxed);
        }
    }

    pub(super) fn permits(&self, owner: usize) -> &ArrayQueue<Box<Permit>> {
        &self.lanes[owner].permits
    }

    pub(super) fn settled(&self, owner: usize) -> &ArrayQueue<Box<Permit>> {
        &self.lanes[owner].settled
    }

    pub(super) fn receipts(&self, owner: usize) -> &ArrayQueue<CarrierReceipt> {
        &self.lanes[owner].receipts
    }

    pub(super) fn recorded(&self, owner: usize) -> &ArrayQueue<ReceiptReply> {
        &self.lanes[owner].recorded
    }

    pub(super) fn questions(&self, owner: usize) -> &ArrayQueue<CarrierQuestion> {
        &self.lanes[owner].questions
    }

    /// How many more the home takes of shard `owner`.
    pub(super) fn room_for_questions(&self, owner: usize) -> usize {
        QUESTIONS_MAX - self.lanes[owner].questions.len().min(QUESTIONS_MAX)
    }

    /// Whether the home takes any questions now: what is before it counts as an arrival only then.
    pub(super) fn set_takes_questions(&self, takes: bool) {
        self.takes_questions.store(takes, Ordering::Relaxed);
    }

    pub(super) fn reachable(&self, owner: usize) -> &ArrayQueue<Msn> {
        &self.lanes[owner].reachable
    }

    /// Shard `owner` wants this push back, or all of them, as far as they are not sent.
    pub(super) fn recall(&self, owner: usize, push: Option<u32>) {
        let recalls = &self.lanes[owner].recalls;
        if push.is_none_or(|push| recalls.pushes.push(push).is_err()) {
            recalls.all.store(true, Ordering::Relaxed);
        }
        recalls.asked.fetch_add(1, Ordering::Release);
    }

    /// Whether the home has looked at all that shard `owner` wants back.
    pub(super) fn has_recalled(&self, owner: usize) -> bool {
        self.lanes[owner].recalls.are_done()
    }

    /// For the home, before it takes permits: how many recalls it will have looked at afterwards.
    pub(super) fn recalls_asked(&self, owner: usize) -> u64 {
        self.lanes[owner].recalls.asked.load(Ordering::Acquire)
    }

    /// Whether all pushes of shard `owner` are wanted back; once.
    pub(super) fn take_recall_of_all(&self, owner: usize) -> bool {
        self.lanes[owner].recalls.all.swap(false, Ordering::Relaxed)
    }

    /// A push that shard `owner` wants back.
    pub(super) fn next_recalled(&self, owner: usize) -> Option<u32> {
        next(&self.lanes[owner].recalls.pushes)
    }

    /// The home has looked at so many recalls of shard `owner`.
    pub(super) fn recalls_done(&self, owner: usize, done: u64) {
        self.lanes[owner].recalls.done.store(done, Ordering::Release);
    }

    /// Shard `owner` has started: these it awaits. Told again, these besides.
    pub(super) fn announce(&self, owner: usize, awaited: Vec<Vec<Announced>>) {
        let mut place = self.lanes[owner].awaited.lock().unwrap_or_else(PoisonError::into_inner);
        place.get_or_insert_default().extend(awaited);
        self.announces.store(true, Ordering::Release);
    }

    /// Whether any shard has said what it awaits since this was asked last.
    pub(super) fn take_announces(&self) -> bool {
        self.announces.load(Ordering::Relaxed) && self.announces.swap(false, Ordering::Acquire)
    }

    /// What a shard awaits, once it has said so.
    pub(super) fn take_announced(&self, owner: usize) -> Option<Vec<Vec<Announced>>> {
        self.lanes[owner].awaited.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether anything waits for shard `owner`.
    pub fn has_for(&self, owner: usize) -> bool {
        !self.settled(owner).is_empty()
            || !self.receipts(owner).is_empty()
            || !self.reachable(owner).is_empty()
    }

    /// Whether anything waits for the home.
    pub fn has_for_home(&self) -> bool {
        self.lanes.iter().any(|lane| {
            !lane.permits.is_empty()
                || !lane.recorded.is_empty()
                || !lane.questions.is_empty() && self.takes_questions.load(Ordering::Relaxed)
                || !lane.recalls.are_done()
        })
    }
}
