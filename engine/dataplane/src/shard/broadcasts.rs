//! Broadcasts in a shard: its part of each, put to work beside the pushes.
//!
//! The control plane tells of a broadcast ([`Shard::tell_broadcast`]); from then on each turn
//! claims rows, writes down what became of others, and puts rows whose claims are durable into the
//! message center, by class, weight and pace (`feed`). There they are pushes; `rows` answers for
//! them what an Accepted record answers for others. `notes` is the way into the journal and back.
//!
//! **Never here:** which row is next or what may be asked when: `broadcast::slice` decides. Nothing
//! waits: the control plane is answered by a sequence that has to be durable. **Invariants:** a row
//! is attempted only behind the durability of its claim; every row that leaves the message center
//! has an outcome in its slice.

mod areas;
mod asking;
mod by_route;
mod carried;
mod carrier_paces;
mod claiming;
mod feed;
mod lane_room;
mod notes;
mod places;
mod registered_rates;
mod rows;
mod untold;

use super::Shard;
use crate::billing::Log;
use crate::broadcast::claims::RunSlice;
use crate::broadcast::life::Life;
use crate::broadcast::limits::CLAIMED_AHEAD_MIN;
use crate::broadcast::mutation::RowMutation;
use crate::broadcast::outcomes::{Counts, Outcome, RowWord};
use crate::broadcast::pace::Bucket;
use crate::broadcast::past::PastBroadcast;
use crate::broadcast::recipients::ShardRun;
use crate::broadcast::running::{RowsOf, RunningBroadcast, RunningPace, RunningTerms};
use crate::broadcast::shares::Shares;
use crate::broadcast::slice::codec::RecordBooks;
use crate::broadcast::slice::{OnDoubt, Order, Plan, Slice, WaveFigures};
use crate::broadcast::stakes::Stake;
use crate::broadcast::suppression::OptOuts;
use crate::journal::{Journal, Position, SegmentId};
use crate::smsc::pushes::PushIndex;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::time::{CenterMs, SteadyMs, WallMs};

use areas::AreaPaces;
pub use asking::RowsForeseen;
use by_route::ByRoute;
use carried::Carried;
use carrier_paces::CarrierPaces;
use claiming::ClaimTimes;
pub(super) use notes::events_of;
use registered_rates::Want;
pub(super) use untold::UntoldNotes;
pub use untold::is_billed as is_row_billed;

/// A shard's part of a broadcast, for whoever looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SliceFigures {
    /// The broadcast.
    pub ordinal: u32,
    /// Where the part stands.
    pub life: Life,
    /// Its rows by outcome, as far as records are durable.
    pub counts: Counts,
    /// Rows that crashes left in doubt.
    pub doubts: u32,
    /// Rows that were claimed.
    pub claimed: u32,
    /// Which waves have their turns, and how far the last of them is.
    pub wave: WaveFigures,
    /// Why the shard has paused it by itself: what is wrong with the registration.
    pub stopped_by: Option<Code>,
}

/// What the books get of a record with outcomes.
struct OwedRows {
    /// The record's sequence.
    sequence: u64,
    at_ms: WallMs,
    books: RecordBooks,
    /// How many of its events they have.
    entered: usize,
}

/// One broadcast's part.
pub(super) struct Part {
    broadcast: Arc<RunningBroadcast>,
    runs: Vec<ShardRun>,
    slice: Slice,
    /// When it was started, in the message center's time.
    started: CenterMs,
    expires: CenterMs,
    /// What becomes of rows that a crash leaves in doubt, or a carrier that does not answer.
    on_doubt: OnDoubt,
    bucket: Bucket,
    /// Rows a second, of all shards; 0: as the network takes them.
    per_second: u32,
    /// What it has of all that is left, and when that was looked at.
    stake: Stake,
    staked: SteadyMs,
    /// Where carriers have paces of their own.
    carriers: Option<CarrierPaces>,
    /// Where areas have paces of their own.
    areas: Option<AreaPaces>,
    /// Rows that the pace lets through and that have not had their turns.
    tokens: u32,
    /// What its registration may send was dealt in this turn.
    is_dealt: bool,
    /// Millionths of a row that it is owed of that.
    owed_of_rate: i64,
    /// How many rows are claimed ahead.
    ahead: u32,
    /// How long claims take.
    claims: ClaimTimes,
    /// Rows that were fed in the second that is running, and when that began.
    fed: (u32, WallMs),
    /// More are claimed ahead once this sequence is durable, should they have been too few.
    grown_at: u64,
    /// It could have fed a row and had none.
    is_starved: bool,
    /// Rows in the message center.
    in_center: u32,
    /// Held rows whose time came while nothing is tried again, or from before this start.
    parked: VecDeque<u32>,
    /// How many of them are from before this start.
    restored: usize,
    /// Of rows that go by carriers.
    carried: Carried,
    /// How far the message center was looked through for rows that are to end.
    sweep: Option<PushIndex>,
    /// How far the rows in the message center have heard of another deadline.
    respite: Option<PushIndex>,
    /// Octets of the journal that it needs, by segment.
    needed: BTreeMap<SegmentId, u64>,
    /// Records with outcomes so far.
    records: u32,
    /// One bit for each row that the books know of.
    accepted: Vec<u64>,
    /// What the books get when a record is durable.
    owed: VecDeque<OwedRows>,
    stopped_by: Option<Code>,
    /// Its outcomes are kept elsewhere; it goes once the books have their events.
    is_forgotten: bool,
}

impl Part {
    fn ordinal(&self) -> u32 {
        self.broadcast.terms.ordinal
    }

    /// Seconds since the start.
    fn seconds(&self, now: CenterMs) -> u32 {
        (now.since(self.started) / 1_000).min(u64::from(u32::MAX)) as u32
    }

    /// Rows that were held when the engine ended wait on.
    fn restore_held(&mut self) {
        let words = self.slice.words().iter().enumerate();
        let is_held =
            |bits: u32| RowWord::from_bits(bits).is_some_and(|word| word.outcome == Outcome::Held);
        let held = words.filter(|(_, bits)| is_held(**bits)).map(|(place, _)| place as u32);
        self.parked = held.collect();
        self.restored = self.parked.len();
    }

    /// The run of a row, by its place among the shard's.
    fn run_of(&self, place: u32) -> usize {
        self.runs.partition_point(|run| run.slice.first <= place) - 1
    }

    /// A row's number in the whole broadcast, by its place among the shard's.
    fn number_of(&self, place: u32) -> u32 {
        let run = &self.runs[self.run_of(place)];
        run.first + (place - run.slice.first)
    }

    /// The rows of another broadcast that a row's leg is for, where that is so.
    fn rows_of(&self, place: u32) -> Option<RowsOf> {
        let of = &self.broadcast.terms.of;
        if of.is_empty() {
            return None;
        }
        let leg = self.broadcast.recipients.runs()[self.run_of(place)].leg;
        of.get(leg as usize).copied().flatten()
    }
}

/// All parts of a shard.
#[derive(Default)]
pub(super) struct Broadcasts {
    parts: Vec<Part>,
    /// Records of broadcasts of which nobody has told since this start.
    untold: BTreeMap<u32, UntoldNotes>,
    /// The highest ordinal that the journal had at the start; 0: none.
    highest: u32,
    /// By place of the class.
    shares: [Shares; Class::BY_WEIGHT.len()],
    /// Rows whose attempts are under way in the core network.
    in_flight: usize,
    /// Slots of the network, as of the last turn.
    slots: usize,
    /// Rows that wait in its lanes and have not begun, by place of the class.
    queued: [usize; Class::BY_WEIGHT.len()],
    /// The same of the carriers' lanes.
    by_route: ByRoute,
    due_ms: Option<WallMs>,
    /// Those that are over and that requests may still mean.
    past: Vec<Arc<PastBroadcast>>,
    /// Who wants none.
    suppression: Arc<OptOuts>,
    /// How often lists of recipients were searched for a phone in this turn.
    searched: Cell<usize>,
    /// A deliberate fault: none but in a test.
    mutation: RowMutation,
    /// What is dealt in a turn; kept for its memory.
    wants: Vec<Want>,
}

fn class_place(class: Class) -> usize {
    Class::BY_WEIGHT.iter().position(|other| *other == class).unwrap_or_default()
}

impl Broadcasts {
    /// Nothing is told yet of what the journal has.
    pub(super) fn with_untold(
        mut untold: BTreeMap<u32, UntoldNotes>,
        journal: &mut Journal,
    ) -> Self {
        untold.values_mut().for_each(|notes| notes.hold(journal));
        let highest = untold.keys().next_back().copied().unwrap_or_default();
        Self { untold, highest, ..Self::default() }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// When a turn is wanted for them.
    pub(super) fn due_ms(&self) -> Option<WallMs> {
        self.due_ms
    }

    /// Those whose outcomes are kept elsewhere go, once the books have all of them.
    fn drop_forgotten(&mut self, journal: &mut Journal) {
        let goes = |part: &Part| part.is_forgotten && part.owed.is_empty();
        while let Some(at) = self.parts.iter().position(goes) {
            let part = self.parts.swap_remove(at);
            self.shares[class_place(part.broadcast.terms.class)].remove(part.ordinal());
            for (segment, octets) in part.needed {
                journal.release_broadcast(segment, octets);
            }
        }
    }

    /// Whether the books have the events of every record below this sequence.
    pub(super) fn are_billed_below(&self, sequence: u64) -> bool {
        let owes = |part: &Part| part.owed.front().is_some_and(|owed| owed.sequence < sequence);
        !self.parts.iter().any(owes)
    }

    /// Events that the books are to get.
    pub(super) fn events_owed(&self) -> u64 {
        let owed = self.parts.iter().flat_map(|part| &part.owed);
        owed.map(|owed| (owed.books.lines.len() - owed.entered) as u64).sum()
    }

    fn find(&self, ordinal: u32) -> Option<&Part> {
        self.parts.iter().find(|part| part.ordinal() == ordinal)
    }

    fn find_mut(&mut self, ordinal: u32) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.ordinal() == ordinal)
    }
}

impl<L: Log> Shard<L> {
    /// Takes a broadcast that was started, be it just now or before this start; one that is known
    /// is left as it is. Everything below the sequence that is returned has to be durable before
    /// anybody is told that it has started.
    pub fn tell_broadcast(&mut self, broadcast: &Arc<RunningBroadcast>, now_ms: WallMs) -> u64 {
        let ordinal = broadcast.terms.ordinal;
        if self.broadcasts.find(ordinal).is_some() {
            return self.journal.appended();
        }
        let untold = self.broadcasts.untold.remove(&ordinal);
        let is_new = untold.is_none();
        let mut part = self.part_of(broadcast, untold, now_ms);
        if is_new {
            self.note_start(&mut part, now_ms);
        } else {
            part.restore_held();
            part.restore_handed();
        }
        let (class, weight) = (class_place(broadcast.terms.class), broadcast.terms.pace.weight);
        if !self.broadcasts.shares[class].add(ordinal, weight.max(1)) {
            tracing::warn!(ordinal, "more broadcasts are live than share a class");
        }
        self.heed_chain(&mut part, now_ms);
        self.flush(&mut part, now_ms);
        self.broadcasts.parts.push(part);
        self.broadcasts.due_ms = Some(now_ms);
        self.await_journal()
    }

    /// Of a chain the newest alone goes on, in whichever order a shard hears of them: the older
    /// ones stop before the newer has its turns, and one that comes late has none.
    fn heed_chain(&mut self, part: &mut Part, now_ms: WallMs) {
        let Some(alertid) = part.broadcast.terms.alertid.clone() else { return };
        let (xpid, own) = (part.broadcast.terms.xpid, part.broadcast.terms.alertseq);
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        let of_chain = |other: &&mut Part| {
            let terms = &other.broadcast.terms;
            terms.xpid == xpid && terms.alertid.as_ref() == Some(&alertid)
        };
        let mut highest = own;
        for other in broadcasts.parts.iter_mut().filter(of_chain) {
            highest = highest.max(other.broadcast.terms.alertseq);
            other.slice.order(Order::Chain { alertseq: own });
            self.flush(other, now_ms);
            // What carriers' homes have of the older and have not sent comes back.
            self.want_back(None);
        }
        if highest > own {
            part.slice.order(Order::Chain { alertseq: highest });
        }
        self.broadcasts = broadcasts;
    }

    /// The highest ordinal of a broadcast of which the journal had something at the start; 0: it
    /// had nothing of any.
    pub fn highest_broadcast(&self) -> u32 {
        self.broadcasts.highest
    }

    /// Of broadcasts from before this start nobody tells any more, but of these: what the journal
    /// has of others is dead.
    pub fn all_broadcasts_told(&mut self, may_follow: &[u32]) {
        let is_dead = |ordinal: &u32, _: &mut UntoldNotes| !may_follow.contains(ordinal);
        for (ordinal, notes) in self.broadcasts.untold.extract_if(.., is_dead) {
            tracing::info!(shard = self.number, ordinal, "records of a broadcast that is over");
            for (segment, octets) in notes.needed {
                self.journal.release_broadcast(segment, octets);
            }
        }
    }

    /// Has orders carried out, one behind the other: from this moment on they hold. `None`: the
    /// shard has no such broadcast. It is answered when everything below the sequence is durable.
    pub fn order_broadcast(
        &mut self,
        ordinal: u32,
        orders: &[Order],
        now_ms: WallMs,
    ) -> Option<u64> {
        let begins =
            |order: &Order| matches!(order, Order::Start | Order::Resume | Order::Wave { .. });
        if !orders.iter().all(begins) {
            // What carriers' homes have of it is to come back before that is answered.
            self.want_back(None);
        }
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        let known = broadcasts.find_mut(ordinal).map(|part| {
            for order in orders {
                part.slice.order(*order);
                if matches!(order, Order::Resume) {
                    part.stopped_by = None;
                }
            }
            self.flush(part, now_ms);
        });
        broadcasts.due_ms = Some(now_ms);
        self.broadcasts = broadcasts;
        known.map(|()| self.await_journal())
    }

    /// Makes a broadcast slower or faster, or gives it another deadline, from the next row on;
    /// whether there is one. Nothing of
    /// it is written down here: whoever tells of it at a start knows its pace.
    pub fn pace_broadcast(&mut self, ordinal: u32, pace: RunningPace, now_ms: WallMs) -> bool {
        let expires = pace.deadline_ms.map(|at_ms| self.pace.center(at_ms));
        let Some(part) = self.broadcasts.find_mut(ordinal) else { return false };
        if let Some(expires) = expires.filter(|expires| *expires != part.expires) {
            part.expires = expires;
            part.respite = Some(0);
        }
        part.per_second = pace.per_second;
        part.bucket.set_pace(part.stake.share(pace.per_second));
        let class = class_place(part.broadcast.terms.class);
        self.broadcasts.shares[class].set_weight(ordinal, pace.weight.max(1));
        self.broadcasts.due_ms = Some(now_ms);
        true
    }

    /// Breaks broadcasts that are told of from now on, for the test that proves that the simulator
    /// would notice.
    #[doc(hidden)]
    pub fn mutate_broadcasts(&mut self, mutation: RowMutation) {
        self.broadcasts.mutation = mutation;
    }

    /// From now on these numbers are sent nothing by broadcasts that heed opt-outs; an older set
    /// than the shard has changes nothing.
    pub fn suppress(&mut self, suppression: Arc<OptOuts>) {
        if suppression.number() >= self.broadcasts.suppression.number() {
            self.broadcasts.suppression = suppression;
        }
    }

    /// The outcomes of a broadcast that is over are kept elsewhere: the shard forgets it, once the
    /// books have the events of its rows. With `remembered`, only where it remembers it as one that
    /// is over: requests find its rows.
    pub fn forget_broadcast(&mut self, ordinal: u32, remembered: bool, now_ms: WallMs) {
        let is_past = |past: &Arc<PastBroadcast>| past.running.terms.ordinal == ordinal;
        if remembered && !self.broadcasts.past.iter().any(is_past) {
            return;
        }
        if let Some(part) = self.broadcasts.find_mut(ordinal) {
            part.is_forgotten = true;
            let class = class_place(part.broadcast.terms.class);
            // Another may have its place while the books are behind.
            self.broadcasts.shares[class].remove(ordinal);
            self.broadcasts.due_ms = Some(now_ms);
        }
    }

    /// At the end: rows of which the next start will not know whether they arrived.
    pub fn rows_in_doubt_at_end(&self) -> u64 {
        let known = self.broadcasts.parts.iter().filter(|part| !part.is_forgotten);
        known.map(|part| part.slice.in_doubt_at_end()).sum()
    }

    /// Where each broadcast stands here.
    pub fn broadcast_figures(&self) -> Vec<SliceFigures> {
        let known = self.broadcasts.parts.iter().filter(|part| !part.is_forgotten);
        let figures = known.map(|part| SliceFigures {
            ordinal: part.ordinal(),
            life: part.slice.life(),
            counts: *part.slice.counts(),
            doubts: part.slice.doubts(),
            claimed: part.slice.claimed(),
            wave: part.slice.wave(),
            stopped_by: part.stopped_by,
        });
        figures.collect()
    }

    /// The words of rows, by their places in this shard from `from` on, at most so many; as
    /// `RowWord::to_bits` has them. Rows that were ended by arithmetic have no word of their own.
    pub fn broadcast_words(&self, ordinal: u32, from: u32, most: u32) -> Vec<u32> {
        let words = self.broadcasts.find(ordinal).map_or(&[][..], |part| part.slice.words());
        let from = (from as usize).min(words.len());
        words[from..].iter().take(most as usize).copied().collect()
    }

    /// A part as it is at its start, or after a crash.
    fn part_of(
        &mut self,
        broadcast: &Arc<RunningBroadcast>,
        untold: Option<UntoldNotes>,
        now_ms: WallMs,
    ) -> Part {
        let terms = &broadcast.terms;
        let runs = broadcast.recipients.of_shard(self.number, self.shards);
        let slices: Vec<RunSlice> = runs.iter().map(|run| run.slice).collect();
        let rows: u32 = slices.iter().map(|run| run.rows).sum();
        let on_doubt = self.on_doubt_of(terms);
        let plan = Plan {
            runs: slices,
            alertseq: terms.alertseq,
            on_doubt,
            mutation: self.broadcasts.mutation,
        };
        // A time that lies ahead, because the clock was set back, counts as now.
        let started = self.pace.center(terms.started_ms).min(self.pace.center(now_ms));
        let seconds = self.seconds_of_start((terms, started), untold.as_ref(), now_ms);
        let (needed, records, slice, accepted) = match untold {
            None => (BTreeMap::new(), 0, Slice::new(plan), vec![0; (rows as usize).div_ceil(64)]),
            Some(notes) => notes.recover(plan, seconds),
        };
        let stake = Stake::new(&broadcast.stakes, (rows, broadcast.recipients.rows()));
        let (per_area, steady) = (terms.pace.per_area, self.pace.steady(now_ms));
        let per_second = stake.share(terms.pace.per_second);
        let bucket = Bucket::new(per_second, terms.pace.ramp_seconds, steady);
        let carriers = CarrierPaces::new(stake.share(terms.pace.per_carrier));
        let areas = AreaPaces::new(per_area, &broadcast.recipients, &runs, steady);
        Part {
            broadcast: Arc::clone(broadcast),
            runs,
            slice,
            started,
            expires: self.pace.center(terms.deadline_ms),
            on_doubt,
            bucket,
            per_second: terms.pace.per_second,
            stake,
            staked: steady,
            carriers,
            areas,
            tokens: 0,
            is_dealt: false,
            owed_of_rate: 0,
            ahead: CLAIMED_AHEAD_MIN,
            claims: ClaimTimes::default(),
            fed: (0, now_ms),
            grown_at: 0,
            is_starved: false,
            in_center: 0,
            carried: Carried::default(),
            parked: VecDeque::new(),
            restored: 0,
            sweep: None,
            respite: None,
            needed,
            records,
            accepted,
            owed: VecDeque::new(),
            stopped_by: None,
            is_forgotten: false,
        }
    }

    /// What becomes of rows in doubt. Of some XPIDs nothing is ever to be sent twice, whatever the
    /// manifest says.
    fn on_doubt_of(&self, terms: &RunningTerms) -> OnDoubt {
        let registered = self.registry.find(terms.xpid);
        match registered.is_some_and(|of| of.registration.doubt_is_final) {
            true => OnDoubt::Leave,
            false => terms.on_doubt,
        }
    }

    /// How long ago it was started, by what a start has to go by. The clock may have been set back:
    /// nobody knows how long ago that was then.
    fn seconds_of_start(
        &self,
        (terms, started): (&RunningTerms, CenterMs),
        untold: Option<&UntoldNotes>,
        now_ms: WallMs,
    ) -> u32 {
        let newest_ms = untold.map_or(WallMs::ZERO, |notes| notes.newest_ms);
        let newest_ms = newest_ms.max(terms.started_ms);
        let seconds_at = |center: CenterMs, started: CenterMs| {
            (center.since(started) / 1_000).min(u64::from(u32::MAX)) as u32
        };
        if newest_ms <= now_ms {
            return seconds_at(self.pace.center(now_ms), started);
        }
        let center = |at_ms| self.pace.center(at_ms);
        let newest = seconds_at(center(newest_ms), center(terms.started_ms));
        untold.map_or(newest, |notes| notes.may_have_begun_by(newest))
    }

    /// An answer waits for all that was appended.
    fn await_journal(&mut self) -> u64 {
        let appended = self.journal.appended();
        self.awaited = self.awaited.max(appended);
        appended
    }

    /// Where a record of a broadcast lies that is needed.
    fn need(&mut self, part: &mut Part, position: Position) {
        let octets = self.journal.note_octets(position);
        *part.needed.entry(position.segment()).or_default() += octets;
    }
}
