//! Broadcasts of a run: what they are, the operator who starts, pauses, resumes, cancels and
//! follows them, and the desk that hands that to every shard and waits until it is durable.
//!
//! The desk is the control plane in small: it keeps that a broadcast was started, tells the shards
//! again after a crash before anybody may order anything, keeps the outcomes of what is over, and
//! has the shards forget it. An operator who is not answered asks again.

mod keeping;

use super::Simulation;
use super::bodies::{row_text, xpid_of};
use super::engine::{About, Answer};
use super::events::Event;
use super::ledger::Checked;
use super::network::msn_of;
use super::random::Random;
use super::rows::{Cast, RowName};
use super::scenario::Scenario;
use hayauma::broadcast::life::End;
use hayauma::broadcast::past::PastBroadcast;
use hayauma::broadcast::recipients::{Recipient, Recipients, RecipientsWriter};
use hayauma::broadcast::running::{RowsOf, RunningBroadcast, RunningPace, RunningTerms};
use hayauma::broadcast::slice::{OnDoubt, Order};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Kind};
use wire::terms::mix::mix;
use wire::terms::time::WallMs;

/// The longest that a message is on its way to a shard.
const HOP_MS_MAX: u64 = 60;
/// An operator who has no answer asks again.
const ASKS_AGAIN_MS: u64 = 20_000;
/// One who cannot ask tries again.
const TRIES_AGAIN_MS: u64 = 500;

/// What somebody plans.
#[derive(Clone, Debug)]
struct Plan {
    chain: u32,
    alertseq: u8,
    client: u16,
    class: Class,
    segments: u8,
    /// Those addressed, by area.
    lines: Vec<Vec<u32>>,
    /// Each area is a wave behind the one before.
    has_waves: bool,
    start_ms: u64,
    hold_ms: u64,
    lifetime_ms: u64,
    per_second: u32,
    per_area: u32,
    share_max: u8,
    on_doubt: OnDoubt,
    once: bool,
    /// Orders, each so long after the answer to the one before.
    orders: Vec<(u64, Order)>,
    /// Whoever may have it gets another text once it is over, or once it is stopped.
    is_retracted: bool,
    is_retracted_at_once: bool,
    /// It is for rows of another one, by what becomes of these.
    of: Option<RowsOf>,
}

/// A broadcast as the desk has it.
#[derive(Debug)]
struct Document {
    plan: Plan,
    running: Option<Arc<RunningBroadcast>>,
    /// The operator knows that it was started.
    is_answered: bool,
    /// Waves that have their turns.
    waves_open: u8,
    /// A newer one of its chain came first: it is never started.
    is_refused: bool,
    is_kept: bool,
    /// What the shards remember of it.
    past: Option<Arc<PastBroadcast>>,
    /// Orders that were answered.
    orders_done: usize,
}

/// Something to be done, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    Tell(usize, Option<Order>),
    Order(usize, Order),
    /// The broadcast hears of a newer one: nothing of it begins from then on.
    Stopped(usize),
    Started(usize),
    Ordered(usize, usize),
    AllTold,
}

/// Steps under way.
#[derive(Debug)]
struct Script {
    now: Option<Step>,
    next: VecDeque<Step>,
    parts_left: usize,
}

/// The desk and its operator.
#[derive(Debug, Default)]
pub(super) struct Desk {
    documents: Vec<Document>,
    scripts: BTreeMap<u32, Script>,
    scripts_begun: u32,
    /// The shards are being told again.
    is_telling: bool,
    /// How often a shard that has nothing else to do looks at its broadcasts.
    pub(super) look_ms: u64,
    /// The engine is to stop.
    pub(super) is_stopping: bool,
    /// Doubts as they were at a planned stop.
    doubts_at_stop: Option<Vec<u32>>,
    /// Whether there are any.
    pub(super) is_open: bool,
}

impl Desk {
    /// Draws the broadcasts of a run, and makes it one for broadcasts.
    pub(super) fn draw(random: &mut Random, scenario: &mut Scenario) -> Self {
        let is_large = random.chance(150);
        scenario.lines =
            if is_large { random.between(300, 700) } else { random.between(8, 90) } as u32;
        scenario.horizon_ms = 60_000 * random.between(1, 15);
        scenario.line_change_ms =
            scenario.horizon_ms / if is_large { 2 } else { random.between(2, 10) };
        // The rows' share of a slab counts in hundreds.
        scenario.limits.pushes_max =
            scenario.limits.pushes_max.max(random.between(100, 900) as usize);
        scenario.wide_steps = false;
        scenario.long_outage = 0;
        let mut documents = Vec::new();
        for chain in 0..random.between(1, 2) as u32 {
            let mut start_ms = random.below(scenario.horizon_ms / 2 + 1);
            for alertseq in 0..random.between(1, 3) as u8 {
                documents.push(Document::of(Plan::draw(
                    random,
                    scenario,
                    (chain, alertseq),
                    start_ms,
                )));
                let most_ms = [2_000, 60_000][random.below(2) as usize];
                start_ms += random.below(most_ms);
            }
        }
        let look_ms = [100, 1_000, 5_000][random.below(3) as usize];
        Self { documents, look_ms, is_open: true, ..Self::default() }
    }
}

impl Desk {
    /// Whether the shards are being told of a broadcast.
    fn is_told_now(&self, cast: usize) -> bool {
        let is_its = |step: &Step| matches!(step, Step::Tell(told, _) if *told == cast);
        self.scripts.values().any(|script| script.now.iter().chain(&script.next).any(is_its))
    }
}

impl Document {
    fn of(plan: Plan) -> Self {
        let (is_answered, is_refused, is_kept) = (false, false, false);
        let (running, past, waves_open, orders_done) = (None, None, 1, 0);
        Self { plan, running, is_answered, waves_open, is_refused, is_kept, past, orders_done }
    }

    fn is_started(&self) -> bool {
        self.running.is_some() && !self.is_kept
    }

    fn is_over(&self) -> bool {
        self.is_kept || self.is_refused
    }
}

impl Plan {
    fn draw(random: &mut Random, scenario: &Scenario, chain: (u32, u8), start_ms: u64) -> Self {
        let areas = random.between(1, 3);
        let part = random.between(300, 1_000);
        let mut lines = vec![Vec::new(); areas as usize];
        for line in 0..scenario.lines {
            if random.chance(part) {
                lines[random.below(areas) as usize].push(line);
            }
        }
        let classes = [Class::Standard, Class::Urgent, Class::Emergency, Class::Exercise];
        let soon = |random: &mut Random| {
            let most_ms = [300, 3_000, 40_000][random.below(3) as usize];
            random.below(most_ms)
        };
        let has_waves = areas > 1 && random.chance(300);
        let mut orders = Vec::new();
        if has_waves {
            let waves = 2..=areas as u8;
            orders.extend(waves.map(|open| (soon(random), Order::Wave { open })));
        }
        for _ in 0..random.below(3) {
            orders.push((soon(random), Order::Pause));
            if random.chance(850) {
                orders.push((soon(random), Order::Resume));
            }
        }
        let is_cancelled = random.chance(400);
        if is_cancelled {
            orders.push((soon(random), Order::End(End::Cancelled)));
        }
        let longest = if random.chance(300) { 60 } else { 1_800 };
        Self {
            chain: chain.0,
            alertseq: chain.1,
            // A chain is of one client.
            client: (chain.0 % u32::from(scenario.clients)) as u16,
            class: classes[random.below(4) as usize],
            segments: if random.chance(600) { 1 } else { random.between(2, 4) as u8 },
            lines,
            has_waves,
            start_ms,
            hold_ms: if random.chance(250) { random.below(10_000) } else { 0 },
            lifetime_ms: 1_000 * random.between(5, longest),
            per_second: if random.chance(400) { random.between(2, 60) as u32 } else { 0 },
            per_area: if random.chance(200) { random.between(1, 20) as u32 } else { 0 },
            share_max: [100, 90, random.between(1, 60) as u8][random.below(3) as usize],
            on_doubt: if random.chance(300) { OnDoubt::Leave } else { OnDoubt::Again },
            once: random.chance(150),
            orders,
            is_retracted: is_cancelled && random.chance(700),
            is_retracted_at_once: random.chance(600),
            of: None,
        }
    }

    fn wave_of(&self, area: usize) -> u8 {
        if self.has_waves { area as u8 } else { 0 }
    }

    /// Those addressed as the shards read them; `None` for nobody.
    fn recipients(&self) -> Option<Recipients> {
        let file = tempfile::tempfile().ok()?;
        let mut writer = RecipientsWriter::new(file.try_clone().ok()?).ok()?;
        for (area, lines) in self.lines.iter().enumerate() {
            writer.begin_run((0, self.wave_of(area)), &format!("area{area}"));
            let mut rows: Vec<Recipient> = lines
                .iter()
                .map(|&line| Recipient { msn: msn_of(line), text: Some(0), language: 0 })
                .collect();
            rows.sort_by_key(|row| mix(row.msn.value()));
            writer.push(&rows).ok()?;
        }
        writer.finish().ok()?;
        Recipients::open(&file).ok()
    }

    fn running(&self, cast: usize, started_ms: u64) -> Option<RunningBroadcast> {
        let terms = RunningTerms {
            ordinal: cast as u32 + 1,
            xpid: xpid_of(self.client),
            class: self.class,
            kind: Kind::Text,
            sender: xpid_of(self.client).to_string(),
            started_ms: WallMs::new(started_ms),
            hold_ms: self.hold_ms,
            deadline_ms: WallMs::new(started_ms + self.lifetime_ms),
            alertseq: self.alertseq,
            on_doubt: self.on_doubt,
            pace: RunningPace {
                per_second: self.per_second,
                per_area: self.per_area,
                share_max: self.share_max,
                ..RunningPace::unlimited()
            },
            once: self.once,
            reqid: format!("r{cast}"),
            // Not one of the single pushes' alerts: those have rules of their own.
            alertid: Some(format!("chain{}", self.chain)),
            ignores_suppression: false,
            skips_had_within_ms: None,
            takes_back: false,
            of: self.of.into_iter().map(Some).collect(),
        };
        let text = row_text(RowName::text_mark(cast), self.segments);
        RunningBroadcast::new(terms, self.recipients()?, &[text])
    }
}

impl Simulation {
    /// The operator's first acts.
    pub(super) fn plan_casts(&mut self) {
        for cast in 0..self.desk.documents.len() {
            let start_ms = self.desk.documents[cast].plan.start_ms;
            self.after(start_ms, Event::CastStart { cast });
        }
        if self.desk.is_open {
            self.after(self.desk.look_ms, Event::DeskLook);
            for _ in 0..self.random.below(4) {
                let at_ms = self.random.below(self.scenario.horizon_ms);
                self.after(at_ms, Event::Stop);
            }
        }
    }

    /// Whether nobody can ask the desk now.
    fn is_desk_closed(&self) -> bool {
        self.is_down || self.desk.is_telling
    }

    /// The operator starts a broadcast, or asks again.
    pub(super) fn start_cast(&mut self, cast: usize) -> Checked {
        let document = &self.desk.documents[cast];
        if document.is_answered || document.is_over() {
            return Ok(());
        }
        if self.is_desk_closed() {
            self.after(TRIES_AGAIN_MS, Event::CastStart { cast });
            return Ok(());
        }
        let plan = document.plan.clone();
        if document.running.is_none() {
            let of_chain = |other: &&Document| other.plan.chain == plan.chain;
            let started = self.desk.documents.iter().filter(|other| other.running.is_some());
            let highest = started.filter(of_chain).map(|other| other.plan.alertseq).max();
            let running = plan.running(cast, self.wall_ms().ms());
            let Some(running) = running.filter(|_| highest.is_none_or(|seq| seq < plan.alertseq))
            else {
                self.desk.documents[cast].is_refused = true;
                return Ok(());
            };
            self.keep_started(cast, running);
        }
        let mut steps: VecDeque<Step> = self.steps_of_lower(cast).collect();
        steps.extend([Step::Tell(cast, self.order_for(cast)), Step::Started(cast)]);
        self.after(ASKS_AGAIN_MS, Event::CastStart { cast });
        self.begin_script(steps)
    }

    /// From this moment on it is started, whatever happens.
    fn keep_started(&mut self, cast: usize, running: RunningBroadcast) {
        let plan = &self.desk.documents[cast].plan;
        let recipients = &running.recipients;
        let shards = self.scenario.shards;
        let runs = (0..shards).map(|shard| recipients.of_shard(shard, shards)).collect();
        let line_of = |row: u32| (recipients.row(row).msn.value() - msn_of(0).value()) as u32;
        let lines: Vec<u32> = (0..recipients.rows()).map(line_of).collect();
        let mut known = Cast::new(&lines, runs, (plan.chain, plan.alertseq));
        (known.class, known.segments) = (plan.class, plan.segments);
        known.slots_max = (self.scenario.attempts_max * usize::from(plan.share_max) / 100).max(1);
        known.reference = running.message_reference;
        known.of = plan.of.map(|of| of.ordinal as usize - 1);
        self.rows.casts.resize_with(self.desk.documents.len(), || None);
        self.rows.casts[cast] = Some(known);
        self.desk.documents[cast].running = Some(Arc::new(running));
    }

    /// Those of its chain that are lower hear of it before it begins.
    fn steps_of_lower(&self, cast: usize) -> impl Iterator<Item = Step> + use<> {
        let plan = &self.desk.documents[cast].plan;
        let (chain, alertseq) = (plan.chain, plan.alertseq);
        let is_lower = |other: &Document| {
            other.is_started() && other.plan.chain == chain && other.plan.alertseq < alertseq
        };
        let documents = self.desk.documents.iter().enumerate();
        let lower: Vec<usize> =
            documents.filter(|(_, other)| is_lower(other)).map(|(cast, _)| cast).collect();
        lower.into_iter().flat_map(move |lower| {
            [Step::Tell(lower, Some(Order::Chain { alertseq })), Step::Stopped(lower)]
        })
    }

    /// What holds for a broadcast before any row of it has a turn.
    fn order_for(&self, cast: usize) -> Option<Order> {
        let plan = &self.desk.documents[cast].plan;
        let started = self.desk.documents.iter().filter(|other| other.running.is_some());
        let of_chain = started.filter(|other| other.plan.chain == plan.chain);
        let highest = of_chain.map(|other| other.plan.alertseq).max();
        highest.filter(|seq| *seq > plan.alertseq).map(|alertseq| Order::Chain { alertseq })
    }

    /// The operator's next order to a broadcast, or the last one again.
    pub(super) fn order_cast(&mut self, cast: usize) -> Checked {
        let document = &self.desk.documents[cast];
        let next = document.orders_done;
        let Some((_, order)) = document.plan.orders.get(next).copied() else { return Ok(()) };
        if document.is_over() {
            return Ok(());
        }
        if self.is_desk_closed() || !document.is_answered {
            self.after(TRIES_AGAIN_MS, Event::CastOrder { cast });
            return Ok(());
        }
        if let (Order::Resume, Some(known)) = (order, self.rows.cast(cast)) {
            known.is_paused = false;
        }
        self.after(ASKS_AGAIN_MS, Event::CastOrder { cast });
        if let Order::Wave { open } = order {
            self.open_wave(cast, open);
        }
        self.begin_script([Step::Order(cast, order), Step::Ordered(cast, next)].into())
    }

    /// It is open whatever shard hears of it when.
    fn open_wave(&mut self, cast: usize, open: u8) {
        let document = &mut self.desk.documents[cast];
        document.waves_open = document.waves_open.max(open);
        if let Some(known) = self.rows.cast(cast) {
            known.waves_open = known.waves_open.max(open);
        }
    }

    fn begin_script(&mut self, next: VecDeque<Step>) -> Checked {
        self.desk.scripts_begun += 1;
        let script = self.desk.scripts_begun;
        self.desk.scripts.insert(script, Script { now: None, next, parts_left: 0 });
        self.go_on_with(script)
    }

    fn go_on_with(&mut self, number: u32) -> Checked {
        loop {
            let Some(script) = self.desk.scripts.get_mut(&number) else { return Ok(()) };
            script.now = script.next.pop_front();
            let Some(step) = script.now else {
                self.desk.scripts.remove(&number);
                return Ok(());
            };
            match step {
                Step::Tell(..) | Step::Order(..) => {
                    script.parts_left = self.stations.len();
                    for shard in 0..self.stations.len() as u8 {
                        let delay_ms = self.random.below(HOP_MS_MAX);
                        let life = self.life;
                        self.after(delay_ms, Event::DeskPart { script: number, shard, life });
                    }
                    return Ok(());
                }
                step => self.note_step(step)?,
            }
        }
    }

    /// What is known once the steps before are done.
    fn note_step(&mut self, step: Step) -> Checked {
        match step {
            Step::Stopped(cast) => {
                self.rows.cast(cast).into_iter().for_each(|known| known.is_stopped = true);
            }
            Step::Started(cast) => {
                let document = &mut self.desk.documents[cast];
                if !std::mem::replace(&mut document.is_answered, true) {
                    self.plan_order(cast);
                }
            }
            Step::Ordered(cast, at) if self.desk.documents[cast].orders_done == at => {
                self.rows.counts.orders += 1;
                let document = &mut self.desk.documents[cast];
                document.orders_done += 1;
                let order = document.plan.orders[at].1;
                if let Some(known) = self.rows.cast(cast) {
                    known.is_paused |= order == Order::Pause;
                    known.is_stopped |= matches!(order, Order::End(_));
                }
                if matches!(order, Order::End(_)) {
                    self.retract_at_once(cast);
                }
                self.plan_order(cast);
            }
            Step::AllTold => {
                self.stations.iter_mut().for_each(|station| station.up().all_broadcasts_told(&[]));
                self.desk.is_telling = false;
                self.check_planned_stop()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn plan_order(&mut self, cast: usize) {
        let document = &self.desk.documents[cast];
        if let Some((delay_ms, _)) = document.plan.orders.get(document.orders_done) {
            self.after(*delay_ms, Event::CastOrder { cast });
        }
    }

    /// A step reaches one shard.
    pub(super) fn take_desk_part(&mut self, number: u32, shard: u8, life: u32) -> Checked {
        let step = self.desk.scripts.get(&number).and_then(|script| script.now);
        let Some(step) = step.filter(|_| life == self.life && !self.is_down) else {
            return Ok(());
        };
        let (at, wall_ms) = (usize::from(shard), self.wall_ms());
        self.show_time(at);
        let until = match step {
            Step::Tell(cast, then) => {
                let Some(running) = self.desk.documents[cast].running.clone() else {
                    unreachable!("what is told was started");
                };
                let terms = &running.terms;
                // What lies ahead counts as now.
                let started = self.pace.center(terms.started_ms);
                let begins = started.min(self.center_ms()) + terms.hold_ms;
                let ends = self.pace.center(terms.deadline_ms);
                if let Some(known) = self.rows.cast(cast) {
                    known.told(at, begins, ends);
                }
                let open = self.desk.documents[cast].waves_open;
                let waves = (open > 1).then_some(Order::Wave { open });
                let shard = self.stations[at].up();
                let mut until = shard.tell_broadcast(&running, wall_ms);
                for order in waves.into_iter().chain(then) {
                    let ordered = shard.order_broadcast(terms.ordinal, &[order], wall_ms);
                    until = ordered.unwrap_or(until);
                }
                Some(until)
            }
            Step::Order(cast, order) => {
                self.stations[at].up().order_broadcast(cast as u32 + 1, &[order], wall_ms)
            }
            _ => None,
        };
        self.observe(at)?;
        match until {
            Some(until) => {
                let (about, code) = (About::Desk(number), Code::ACCEPTED);
                self.stations[at].answers.push_back(Answer { about, code, until });
            }
            None => self.desk_part_answered(number)?,
        }
        self.turn(at)
    }

    /// One shard has a step durable.
    pub(super) fn desk_part_answered(&mut self, number: u32) -> Checked {
        let Some(script) = self.desk.scripts.get_mut(&number) else { return Ok(()) };
        script.parts_left -= 1;
        if script.parts_left > 0 { Ok(()) } else { self.go_on_with(number) }
    }

    /// The engine has died, and the desk with it.
    pub(super) fn desk_ends(&mut self, durable: &[u64]) {
        self.desk.scripts.clear();
        self.desk.is_stopping = false;
        for (shard, durable) in durable.iter().enumerate() {
            self.rows.ended(shard, *durable);
        }
    }

    /// The engine is back: the shards are told of what was started, the older ones of a chain
    /// first, and that there are newer ones.
    pub(super) fn tell_again(&mut self) -> Checked {
        for shard in 0..self.stations.len() {
            self.rows.recovered(shard)?;
        }
        self.remember_past();
        let documents = self.desk.documents.iter().enumerate();
        let started = documents.filter(|(_, document)| document.is_started());
        let mut started: Vec<(u8, usize)> =
            started.map(|(cast, document)| (document.plan.alertseq, cast)).collect();
        started.sort_unstable();
        let mut steps = VecDeque::new();
        for (_, cast) in started {
            steps.push_back(Step::Tell(cast, self.order_for(cast)));
        }
        steps.push_back(Step::AllTold);
        self.desk.is_telling = true;
        self.begin_script(steps)
    }
}
