//! An engine for tests, which only writes down what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::broadcast::life::{End, Life};
use crate::broadcast::mutation::RowMutation;
use crate::broadcast::outcomes::Outcome;
use crate::broadcast::past::PastBroadcast;
use crate::broadcast::running::{RunningBroadcast, RunningPace, RunningTerms};
use crate::broadcast::slice::{Order, Plan, Slice};
use crate::broadcast::suppression::OptOuts;
use crate::control::carriers::CarrierSettings;
use crate::control::engine::Engine;
use crate::control::ways::{ForeseenCarrier, WaysForeseen};
use crate::gateway::broadcasting::BroadcastRule;
use crate::gateway::permissions::ClassSet;
use crate::gateway::registration::Registration;
use crate::io::driver::DriverKind;
use crate::io::figures::{ControlError, Figure, FigureKind, Obstacle, ShardFigures, Times};
use crate::io::notifier::Outbound;
use crate::io::pdu_trace::PduTrace;
use crate::network::line_states::Line;
use crate::network::routes::Rule;
use crate::network::smpp::figures::CarrierState;
use crate::shard::{
    CLASSES, LivePush, ParkedAction, ParkedNotification, SliceFigures, WaitingTally,
};
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::ownership::shard_of;
use wire::terms::time::WallMs;

#[derive(Default)]
pub(crate) struct FakeEngine {
    pub(crate) published: Mutex<Vec<Registration>>,
    contracts: Mutex<BTreeSet<(Msn, Xpid)>>,
    pub(crate) paused: AtomicBool,
    pub(crate) stopped: AtomicBool,
    /// Whether shard 1 stands still.
    pub(crate) stalled: AtomicBool,
    /// How many classes find no room, the one that matters least first.
    pub(crate) classes_refused: AtomicUsize,
    /// Whether a change is answered as by an engine that is stopping.
    pub(crate) refusing: AtomicBool,
    /// What is traced.
    trace: Mutex<Option<Arc<PduTrace>>>,
    /// So many removals of contracts are not taken.
    pub(crate) removals_refused: AtomicUsize,
    /// Who gets no broadcast.
    pub(crate) suppressed: Mutex<Arc<OptOuts>>,
    troubles: Mutex<Vec<String>>,
    /// It was started to look on.
    pub(crate) looks_on: AtomicBool,
    /// What its shards know of broadcasts.
    pub(crate) broadcasts: FakeBroadcasts,
}

/// Shards that only know where each broadcast stands.
pub(crate) struct FakeBroadcasts {
    pub(crate) shards: Mutex<Vec<FakeShard>>,
    /// The ordinals that may still be told of, once that was said.
    pub(crate) may_follow: Mutex<Option<Vec<u32>>>,
    /// By which carriers recipients go.
    pub(crate) carriers: Mutex<Vec<ForeseenCarrier>>,
    /// How often each broadcast's words were asked for.
    pub(crate) words_asked: Mutex<BTreeMap<u32, usize>>,
    /// The rows that were to be withdrawn.
    pub(crate) withdrawn: Mutex<Vec<(u32, Msn)>>,
    /// Nobody takes what is to be remembered.
    pub(crate) forgets_to_remember: Mutex<bool>,
    /// What happens once, right after a start was taken.
    pub(crate) behind_start: Mutex<Option<Meanwhile>>,
    /// What happens once, right after words were read.
    pub(crate) behind_words: Mutex<Option<Meanwhile>>,
}

/// What somebody else does between two calls.
pub(crate) type Meanwhile = Box<dyn FnOnce() + Send>;

fn happen(meanwhile: &Mutex<Option<Meanwhile>>) {
    let meanwhile = meanwhile.lock().expect("no panic").take();
    meanwhile.into_iter().for_each(|act| act());
}

#[derive(Default)]
pub(crate) struct FakeShard {
    /// It takes nothing.
    pub(crate) stands: bool,
    /// Who gets no broadcast.
    pub(crate) suppressed: Arc<OptOuts>,
    /// What is over and remembered, and until when.
    pub(crate) past: BTreeMap<u32, WallMs>,
    /// Each broadcast's part, and how many rows it has.
    pub(crate) known: BTreeMap<u32, (Slice, u32)>,
    /// The alert that each belongs to, and its place in that.
    chains: BTreeMap<u32, (Xpid, String, u8)>,
    /// The pace that it was told last.
    pub(crate) paces: BTreeMap<u32, RunningPace>,
}

impl FakeShard {
    /// As a shard does: of a chain the newest alone goes on.
    fn heed_chain(&mut self, terms: &RunningTerms) {
        let Some(alertid) = terms.alertid.clone() else { return };
        let own = (terms.xpid, alertid, terms.alertseq);
        self.chains.insert(terms.ordinal, own.clone());
        let of_chain = self.chains.iter().filter(|(_, (x, a, _))| (x, a) == (&own.0, &own.1));
        let highest = of_chain.clone().map(|(_, chain)| chain.2).max().unwrap_or_default();
        for ordinal in of_chain.map(|(ordinal, _)| ordinal) {
            if let Some((slice, _)) = self.known.get_mut(ordinal) {
                slice.order(Order::Chain { alertseq: highest });
            }
        }
    }
}

impl Default for FakeBroadcasts {
    fn default() -> Self {
        Self::of(1)
    }
}

impl FakeBroadcasts {
    pub(crate) fn of(shards: usize) -> Self {
        let shards = (0..shards).map(|_| FakeShard::default()).collect();
        Self {
            shards: Mutex::new(shards),
            may_follow: Mutex::default(),
            carriers: Mutex::default(),
            words_asked: Mutex::default(),
            withdrawn: Mutex::default(),
            forgets_to_remember: Mutex::default(),
            behind_start: Mutex::default(),
            behind_words: Mutex::default(),
        }
    }

    /// Where a broadcast stands in each shard.
    pub(crate) fn lives(&self, ordinal: u32) -> Vec<Option<Life>> {
        let shards = self.shards.lock().expect("no panic");
        shards
            .iter()
            .map(|shard| shard.known.get(&ordinal).map(|(slice, _)| slice.life()))
            .collect()
    }

    /// Every row of a broadcast begins, in each shard, and then ends with this, if anything.
    pub(crate) fn begin_all(&self, ordinal: u32, outcome: Option<Outcome>) {
        let mut shards = self.shards.lock().expect("no panic");
        for (slice, rows) in shards.iter_mut().filter_map(|shard| shard.known.get_mut(&ordinal)) {
            slice.order(Order::Start);
            slice.claim(*rows);
            write_down(slice);
            while let Some(row) = slice.next_turn(1) {
                outcome.into_iter().for_each(|outcome| slice.ended(row, outcome, 1, 1));
            }
            write_down(slice);
        }
    }

    /// What was ordered is durable in each shard.
    pub(crate) fn settle(&self, ordinal: u32) {
        let mut shards = self.shards.lock().expect("no panic");
        let known = shards.iter_mut().filter_map(|shard| shard.known.get_mut(&ordinal));
        known.for_each(|(slice, _)| write_down(slice));
    }

    /// A broadcast is at its end in each shard, as its deadline or another one brings it.
    pub(crate) fn end(&self, ordinal: u32, end: End) {
        let mut shards = self.shards.lock().expect("no panic");
        let known = shards.iter_mut().filter_map(|shard| shard.known.get_mut(&ordinal));
        known.for_each(|(slice, _)| slice.order(Order::End(end)));
    }

    fn start(
        &self,
        broadcast: &Arc<RunningBroadcast>,
        behind: &[Order],
    ) -> Result<(), ControlError> {
        let mut shards = self.shards.lock().expect("no panic");
        let count = shards.len();
        for (number, shard) in shards.iter_mut().enumerate().filter(|(_, shard)| !shard.stands) {
            let runs = broadcast.recipients.of_shard(number, count);
            let runs: Vec<_> = runs.iter().map(|run| run.slice).collect();
            let rows = runs.iter().map(|run| run.rows).sum();
            let (alertseq, on_doubt) = (broadcast.terms.alertseq, broadcast.terms.on_doubt);
            let plan = Plan { runs, alertseq, on_doubt, mutation: RowMutation::None };
            let known = shard.known.entry(broadcast.terms.ordinal);
            let (slice, _) = known.or_insert_with(|| (Slice::new(plan), rows));
            behind.iter().for_each(|order| slice.order(*order));
            shard.heed_chain(&broadcast.terms);
            let pace = broadcast.terms.pace;
            shard.paces.entry(broadcast.terms.ordinal).or_insert(pace);
        }
        answered(&shards)
    }

    fn order(&self, ordinal: u32, orders: &[Order]) -> Result<bool, ControlError> {
        let mut shards = self.shards.lock().expect("no panic");
        let mut is_known = true;
        for shard in shards.iter_mut().filter(|shard| !shard.stands) {
            match shard.known.get_mut(&ordinal) {
                Some((slice, _)) => orders.iter().for_each(|order| slice.order(*order)),
                None => is_known = false,
            }
        }
        answered(&shards).map(|()| is_known)
    }

    fn pace(&self, ordinal: u32, pace: RunningPace) -> Result<bool, ControlError> {
        let mut shards = self.shards.lock().expect("no panic");
        let mut is_known = true;
        for shard in shards.iter_mut().filter(|shard| !shard.stands) {
            is_known &= shard.known.contains_key(&ordinal);
            shard.paces.insert(ordinal, pace);
        }
        answered(&shards).map(|()| is_known)
    }

    fn forget(&self, ordinal: u32, remembered: bool) -> Result<(), ControlError> {
        self.each(|shard| {
            if !remembered || shard.past.contains_key(&ordinal) {
                shard.known.remove(&ordinal);
            }
        })
    }

    /// Tells all that take something.
    fn each(&self, tell: impl Fn(&mut FakeShard)) -> Result<(), ControlError> {
        let mut shards = self.shards.lock().expect("no panic");
        shards.iter_mut().filter(|shard| !shard.stands).for_each(tell);
        answered(&shards)
    }

    fn answered(&self) -> Result<(), ControlError> {
        answered(&self.shards.lock().expect("no panic"))
    }

    fn figures(&self) -> Vec<Vec<SliceFigures>> {
        let shards = self.shards.lock().expect("no panic");
        let of = |(ordinal, (slice, _)): (&u32, &(Slice, u32))| SliceFigures {
            ordinal: *ordinal,
            life: slice.life(),
            counts: *slice.counts(),
            doubts: slice.doubts(),
            claimed: slice.claimed(),
            wave: slice.wave(),
            stopped_by: None,
        };
        shards.iter().map(|shard| shard.known.iter().map(of).collect()).collect()
    }

    fn words(&self, shard: usize, ordinal: u32, places: Range<u32>) -> Vec<u32> {
        *self.words_asked.lock().expect("no panic").entry(ordinal).or_default() += 1;
        let shards = self.shards.lock().expect("no panic");
        let known = shards[shard].known.get(&ordinal);
        let words = known.map_or(&[][..], |(slice, _)| slice.words());
        words[places.start as usize..].iter().take(places.len()).copied().collect()
    }
}

/// All records of a part are durable.
fn write_down(slice: &mut Slice) {
    let mut sequence = 0;
    while slice.poll_record().is_some() {
        sequence += 1;
        slice.appended(sequence);
    }
    slice.durable(sequence);
}

/// Whether every shard has answered.
fn answered(shards: &[FakeShard]) -> Result<(), ControlError> {
    if shards.iter().any(|shard| shard.stands) { Err(ControlError::Stopping) } else { Ok(()) }
}

impl Engine for FakeEngine {
    fn publish_registrations(&self, registrations: Vec<Registration>) -> Result<(), ControlError> {
        self.check()?;
        *self.published.lock().expect("no panic") = registrations;
        Ok(())
    }

    fn add_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.check()?;
        self.contracts.lock().expect("no panic").extend(rows);
        Ok(())
    }

    fn remove_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        let refused = &self.removals_refused;
        let less = |left: usize| left.checked_sub(1);
        if refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Err(ControlError::Owed);
        }
        let mut contracts = self.contracts.lock().expect("no panic");
        let gone: BTreeSet<_> = rows.iter().collect();
        contracts.retain(|row| !gone.contains(row));
        Ok(())
    }

    fn pause(&self, paused: bool) -> Result<(), ControlError> {
        self.check()?;
        self.paused.store(paused, Ordering::Relaxed);
        Ok(())
    }

    fn driver(&self) -> DriverKind {
        DriverKind::Poll
    }

    fn stalled_shards(&self) -> Vec<usize> {
        if self.stalled.load(Ordering::Relaxed) { vec![1] } else { Vec::new() }
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        let told = [(&self.paused, Obstacle::Paused), (&self.stopped, Obstacle::Draining)];
        told.iter()
            .filter(|(flag, _)| flag.load(Ordering::Relaxed))
            .map(|&(_, obstacle)| obstacle)
            .collect()
    }

    fn classes_taken(&self) -> &'static [Class] {
        let taken = CLASSES.len() - self.classes_refused.load(Ordering::Relaxed);
        if self.obstacles().is_empty() { &CLASSES[..taken] } else { &[] }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn carriers(&self) -> Vec<CarrierState> {
        Vec::new()
    }

    fn publish_carriers(
        &self,
        _: Vec<(u8, CarrierSettings)>,
        _: Vec<Rule>,
        _: Option<u8>,
    ) -> Result<(), ControlError> {
        self.check()
    }

    fn rebind_carrier(&self, _: u8) -> Result<(), ControlError> {
        self.check()
    }

    fn trace(&self, trace: Arc<PduTrace>) -> Result<(), ControlError> {
        self.check()?;
        *self.trace.lock().expect("no panic") = Some(trace);
        Ok(())
    }

    fn traced(&self) -> Option<Arc<PduTrace>> {
        self.trace.lock().expect("no panic").clone()
    }

    fn waiting(&self) -> Vec<WaitingTally> {
        let mut tally =
            WaitingTally { at_ms: WallMs::new(1_800_000_000_000), ..WaitingTally::default() };
        // Seven standard pushes of less than an hour are held as absent.
        tally.counts[4][2][2] = 7;
        tally.oldest_ms[4] = WallMs::new(1_799_999_000_000);
        vec![tally, WaitingTally::default()]
    }

    fn figures(&self) -> Vec<ShardFigures> {
        let of_shard = |shard: usize| ShardFigures {
            shard,
            figures: vec![
                Figure {
                    name: "accepted",
                    help: "Pushes accepted",
                    kind: FigureKind::Counter,
                    value: 10 + shard as u64,
                },
                Figure {
                    name: "queue_pushes",
                    help: "Pushes kept now",
                    kind: FigureKind::Gauge,
                    value: 5,
                },
            ],
            times: vec![Times {
                name: "commit_seconds",
                help: "Commits",
                buckets: vec![(0.000_5, 3), (0.001, 2)],
                above: 1 + shard as u64,
                sum_s: 2.5,
            }],
        };
        vec![of_shard(0), of_shard(1)]
    }

    fn parked(
        &self,
        _xpid: Option<Xpid>,
        _action: ParkedAction,
    ) -> Result<Vec<ParkedNotification>, ControlError> {
        self.check()?;
        Ok(Vec::new())
    }

    fn live_pushes(&self, _msn: Msn) -> Result<Vec<LivePush>, ControlError> {
        Ok(Vec::new())
    }

    fn shards(&self) -> usize {
        self.broadcasts.figures().len()
    }

    fn highest_broadcast(&self) -> Result<u32, ControlError> {
        self.check()?;
        let shards = self.broadcasts.shards.lock().expect("no panic");
        let known = shards.iter().flat_map(|shard| shard.known.keys());
        Ok(known.max().copied().unwrap_or_default())
    }

    fn start_broadcast(
        &self,
        broadcast: &Arc<RunningBroadcast>,
        behind: &[Order],
        suppression: &Arc<OptOuts>,
    ) -> Result<(), ControlError> {
        self.check()?;
        let _ = self.broadcasts.each(|shard| shard.suppressed = Arc::clone(suppression));
        let started = self.broadcasts.start(broadcast, behind);
        happen(&self.broadcasts.behind_start);
        started
    }

    fn all_broadcasts_told(&self, may_follow: &[u32]) -> Result<(), ControlError> {
        self.check()?;
        *self.broadcasts.may_follow.lock().expect("no panic") = Some(may_follow.to_vec());
        self.broadcasts.answered()
    }

    fn order_broadcast(&self, ordinal: u32, orders: &[Order]) -> Result<bool, ControlError> {
        self.check()?;
        self.broadcasts.order(ordinal, orders)
    }

    fn pace_broadcast(&self, ordinal: u32, pace: RunningPace) -> Result<bool, ControlError> {
        self.check()?;
        self.broadcasts.pace(ordinal, pace)
    }

    fn withdraw_recipient(&self, ordinal: u32, msn: Msn) -> Result<Option<Code>, ControlError> {
        self.check()?;
        self.broadcasts.withdrawn.lock().expect("no panic").push((ordinal, msn));
        let shards = self.broadcasts.shards.lock().expect("no panic");
        let is_known = shards.iter().any(|shard| shard.known.contains_key(&ordinal));
        Ok(is_known.then_some(Code::ACCEPTED))
    }

    fn forget_broadcast(&self, ordinal: u32, remembered: bool) -> Result<(), ControlError> {
        self.broadcasts.forget(ordinal, remembered)
    }

    fn remember_broadcast(&self, past: &Arc<PastBroadcast>) -> Result<(), ControlError> {
        if *self.broadcasts.forgets_to_remember.lock().expect("no panic") {
            return Err(ControlError::NoAnswer);
        }
        let ordinal = past.running.terms.ordinal;
        self.broadcasts.each(|shard| {
            shard.past.insert(ordinal, past.until_ms);
        })
    }

    fn suppress(&self, suppression: &Arc<OptOuts>) -> Result<(), ControlError> {
        *self.suppressed.lock().expect("no panic") = Arc::clone(suppression);
        self.broadcasts.each(|shard| shard.suppressed = Arc::clone(suppression))
    }

    fn broadcast_figures(&self) -> Result<Vec<Vec<SliceFigures>>, ControlError> {
        self.check().map(|()| self.broadcasts.figures())
    }

    fn broadcast_words(
        &self,
        shard: usize,
        ordinal: u32,
        places: Range<u32>,
    ) -> Result<Vec<u32>, ControlError> {
        self.check()?;
        let words = self.broadcasts.words(shard, ordinal, places);
        happen(&self.broadcasts.behind_words);
        Ok(words)
    }

    fn calling_for(&self, xpid: Xpid) -> Option<(Registration, Outbound)> {
        let published = self.published.lock().expect("no panic");
        let found = published.iter().find(|registration| registration.xpid == xpid).cloned();
        // Where nobody has said who may send, everybody may.
        let found = found.or_else(|| published.is_empty().then(|| self.registration(xpid)));
        found.map(|registration| (registration, Outbound::default()))
    }

    fn looks_on(&self) -> bool {
        self.looks_on.load(Ordering::Relaxed)
    }

    fn note_troubles(&self, troubles: Vec<String>) {
        *self.troubles.lock().expect("no panic") = troubles;
    }

    fn troubles(&self) -> Vec<String> {
        self.troubles.lock().expect("no panic").clone()
    }

    fn foresee(&self, xpid: Xpid, _: Class, msns: &[Msn]) -> Result<WaysForeseen, ControlError> {
        self.check()?;
        let contracts = self.contracts.lock().expect("no panic");
        let shards = self.broadcasts.shards.lock().expect("no panic");
        let stands = |msn: &Msn| shards[shard_of(*msn, shards.len())].stands;
        let lacks = |msn: &&Msn| !contracts.is_empty() && !contracts.contains(&(**msn, xpid));
        let answered = || msns.iter().filter(|msn| !stands(msn));
        let unanswered = (msns.len() - answered().count()) as u64;
        let uncontracted = answered().filter(lacks).count() as u64;
        let carriers = self.broadcasts.carriers.lock().expect("no panic").clone();
        Ok(WaysForeseen { uncontracted, unanswered, carriers, ..WaysForeseen::default() })
    }

    fn set_lines(&self, msns: &[Msn], _line: Line) -> Result<u64, ControlError> {
        Ok(msns.len() as u64)
    }
}

impl FakeEngine {
    /// A registration that may send broadcasts.
    pub(crate) fn registration(&self, xpid: Xpid) -> Registration {
        let mut registration = Registration::new(xpid, "somebody");
        registration.classes = ClassSet::ALL;
        registration.senders = vec!["Town".to_owned()];
        registration.broadcasts = BroadcastRule::Class;
        registration
    }

    fn check(&self) -> Result<(), ControlError> {
        if self.refusing.load(Ordering::Relaxed) {
            return Err(ControlError::Stopping);
        }
        Ok(())
    }

    /// The contracts that the shards would have, as lines `msn,xpid`.
    pub(crate) fn contracts(&self) -> Vec<String> {
        let contracts = self.contracts.lock().expect("no panic");
        contracts.iter().map(|(msn, xpid)| format!("{msn},{xpid}")).collect()
    }
}
