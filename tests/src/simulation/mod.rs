//! The deterministic simulator: clients, shards, core network, HLR, terminals, sinks and disks in
//! virtual time.
//!
//! Everything follows from one seed. The shards are the engine's own, from the octets of a request
//! to those of a notification, each over a journal on a simulated disk; the decision is the
//! engine's own table. The world round them is made up here, with its faults: lines that go and
//! come, an HLR that fails, reports that come late, twice or never, lost answers, dead sinks, a
//! clock that is set, a device that is slow or full, an engine that dies at any turn and recovers
//! from what its disk kept. After every event the rules of [`ledger`] must hold. Then the faults
//! end, and everything must come to its end in bounded time.
//!
//! A run may have broadcasts beside the pushes, to the same phones (`broadcasts`): then the rules
//! of [`rows`] hold too.

mod alert_cancels;
mod bodies;
mod books;
mod broadcasts;
mod clients;
mod counts;
mod disk;
mod engine;
mod entry;
mod events;
mod faults;
pub mod ledger;
mod network;
mod number_map;
mod observer;
mod port;
mod random;
pub mod rows;
mod scenario;
mod sinks;
mod turn;

use alert_cancels::AlertCancel;
use broadcasts::Desk;
use engine::{Common, Station};
use events::{Event, Events};
use hayauma::broadcast::mutation::RowMutation;
use hayauma::smsc::mutation::CoreMutation;
use ledger::{Checked, Counts, Ledger, Violation, rule};
use network::SimulatedLine;
use random::Random;
use rows::{RowCounts, Rows};
use scenario::Scenario;
use wire::terms::pace::Pace;
use wire::terms::time::{CenterMs, SteadyMs, WallMs};

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// Pushes that the clients make up.
    pub pushes: u64,
    /// A deliberate fault of the engine.
    pub mutation: CoreMutation,
    /// Whether there are broadcasts beside the pushes.
    pub has_broadcasts: bool,
    /// A deliberate fault of the engine's broadcasts.
    pub row_mutation: RowMutation,
    /// Whether every event is told on stderr.
    pub is_told: bool,
}

/// The deliberate faults of broadcasts that shards can have: they use no checkpoints.
pub const ROW_MUTATIONS: [RowMutation; 9] = [
    RowMutation::ClaimNotAwaited,
    RowMutation::OutcomeBeforeDurability,
    RowMutation::CancelAtClaimOnly,
    RowMutation::AlertseqWrongWay,
    RowMutation::ForgetClaims,
    RowMutation::TrustClaims,
    RowMutation::RetryWhilePaused,
    RowMutation::ForgetMarks,
    RowMutation::WakingNotAwaited,
];

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The same for the same seed.
    pub trace_hash: u64,
    /// Virtual time that passed.
    pub virtual_ms: u64,
    /// What happened, in numbers.
    pub counts: Counts,
    /// The same of broadcasts.
    pub rows: RowCounts,
}

/// The one line that replays a run.
pub fn replay_command(options: &Options) -> String {
    let Options { seed, pushes, mutation, has_broadcasts, row_mutation, .. } = options;
    let mut mutation = match mutation {
        CoreMutation::None => String::new(),
        mutation => format!(" --mutation {mutation:?}"),
    };
    mutation += match has_broadcasts {
        true => " --broadcasts",
        false => "",
    };
    if *row_mutation != RowMutation::None {
        mutation += &format!(" --row-mutation {row_mutation:?}");
    }
    format!(
        "cargo run --release -p tests --bin simulate -- --seed {seed} --pushes {pushes}{mutation}"
    )
}

/// Wall time at the beginning: 2026-01-01 in Japan, give or take.
const WALL_START_MS: u64 = 1_767_193_200_000;
/// What the steady clock shows then.
const STEADY_START_MS: u64 = 7_000_000;
/// The longest that anything may take once all faults have ended: a lifetime and a day of resends.
const LIVENESS_MS_MAX: u64 = (72 + 26) * 3_600_000;

/// Runs one simulation to its end.
///
/// # Errors
/// The first rule that was broken.
pub fn run(options: &Options) -> Result<Report, Violation> {
    let mut simulation = Simulation::new(options);
    simulation.begin()?;
    simulation.go()?;
    simulation.check_end()?;
    Ok(Report {
        trace_hash: simulation.trace,
        virtual_ms: simulation.now_ms,
        counts: simulation.ledger.counts,
        rows: simulation.rows.counts,
    })
}

/// The simulated world.
struct Simulation {
    options: Options,
    scenario: Scenario,
    random: Random,
    events: Events,
    now_ms: u64,
    /// What the wall clock shows at the virtual time 0; it is set now and then.
    wall_offset_ms: u64,
    /// The engine's relation between the wall clock and its own time, in this life.
    pace: Pace,
    common: Common,
    stations: Vec<Station>,
    lines: Vec<SimulatedLine>,
    sinks: Vec<sinks::Mood>,
    ledger: Ledger,
    rows: Rows,
    desk: Desk,
    alert_cancels: Vec<AlertCancel>,
    /// The request that is being written.
    body: Vec<u8>,
    /// Crashes so far.
    life: u32,
    is_down: bool,
    faults: bool,
    faults_ended_ms: u64,
    trace: u64,
}

impl Simulation {
    fn new(options: &Options) -> Self {
        let mut random = Random::new(options.seed);
        let mut scenario = Scenario::draw(&mut random, options.pushes);
        let mut desk = Desk::default();
        if options.has_broadcasts {
            // Runs without broadcasts stay what they are.
            desk = Desk::draw(&mut Random::new(!options.seed), &mut scenario);
        }
        let (mutation, row_mutation) = (options.mutation, options.row_mutation);
        let common = Common::new(&scenario, &mut random, mutation, row_mutation);
        let stations: Vec<Station> = (0..scenario.shards)
            .map(|number| Station::new(number, &scenario, &mut random))
            .collect();
        let mut ledger = Ledger::default();
        ledger.open.resize(scenario.lines as usize, Vec::new());
        ledger.owing.resize(scenario.lines as usize, Vec::new());
        ledger.head_since_ms.resize(scenario.lines as usize, 0);
        ledger.full.resize(scenario.shards, false);
        Self {
            options: *options,
            pace: Pace::new(1, WallMs::new(WALL_START_MS)),
            common,
            stations,
            lines: (0..scenario.lines).map(|line| SimulatedLine::new(line, &mut random)).collect(),
            sinks: vec![sinks::Mood::Quick; usize::from(scenario.clients)],
            scenario,
            random,
            events: Events::default(),
            now_ms: 0,
            wall_offset_ms: WALL_START_MS,
            ledger,
            rows: Rows::default(),
            desk,
            alert_cancels: Vec::new(),
            body: Vec::new(),
            life: 0,
            is_down: false,
            faults: true,
            faults_ended_ms: 0,
            trace: 0xCBF2_9CE4_8422_2325,
        }
    }

    fn wall_ms(&self) -> WallMs {
        WallMs::new(self.wall_offset_ms + self.now_ms)
    }

    /// What a clock shows that nobody sets.
    fn steady_ms(&self) -> SteadyMs {
        SteadyMs::new(self.now_ms + STEADY_START_MS)
    }

    /// What the engine's own time is.
    fn center_ms(&self) -> CenterMs {
        self.pace.center(self.wall_ms())
    }

    fn after(&mut self, delay_ms: u64, event: Event) {
        self.events.schedule(self.now_ms + delay_ms, event);
    }

    fn note(&mut self, what: u64) {
        self.trace = (self.trace ^ what).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(29);
    }

    fn begin(&mut self) -> Checked {
        self.open_all()?;
        let horizon_ms = self.scenario.horizon_ms;
        self.after(0, Event::NextPush);
        for _ in 0..self.scenario.crashes {
            let at_ms = self.random.below(horizon_ms);
            self.after(at_ms, Event::Crash);
        }
        for _ in 0..self.scenario.clock_steps {
            let at_ms = self.random.below(horizon_ms);
            self.after(at_ms, Event::ClockStep);
        }
        for line in 0..self.scenario.lines {
            let at_ms = self.random.below(self.scenario.line_change_ms * 2);
            self.after(at_ms, Event::LineChange { line });
        }
        for client in 0..self.scenario.clients {
            let at_ms = self.random.below(self.scenario.sink_change_ms * 2);
            self.after(at_ms, Event::SinkChange { client });
        }
        if self.scenario.disk_changes {
            let at_ms = self.random.below(horizon_ms);
            self.after(at_ms, Event::DiskChange);
        }
        self.after(horizon_ms / 8 + 1, Event::Replay);
        self.plan_casts();
        let faults_ms = horizon_ms + self.random.below(horizon_ms / 4 + 1);
        self.after(faults_ms, Event::FaultsEnd);
        Ok(())
    }

    fn go(&mut self) -> Checked {
        self.go_until_quiet()?;
        // What was parked while its push had another notification to send waits for the operator
        // once more.
        while self.replay_parked()? {
            self.faults_ended_ms = self.now_ms;
            self.go_until_quiet()?;
        }
        Ok(())
    }

    fn go_until_quiet(&mut self) -> Checked {
        while let Some((at_ms, event)) = self.events.next() {
            if matches!(event, Event::Wake { life, .. } if life != self.life) {
                continue;
            }
            self.now_ms = at_ms;
            self.ledger.now_ms = at_ms;
            self.ledger.wall_ms = self.center_ms().ms();
            self.ledger.counts.events += 1;
            if !self.faults && at_ms > self.faults_ended_ms + LIVENESS_MS_MAX {
                // A timer may be left of a push whose end was days away by a clock that was set.
                return match self.ledger.unfinished() {
                    None => Ok(()),
                    unfinished => Err(Violation(format!(
                        "not everything ends within bounded time once all faults have \
                         ended: {unfinished:?}"
                    ))),
                };
            }
            if self.options.is_told {
                eprintln!("{at_ms} ms, {} on the wall: {event:?}", self.wall_ms());
            }
            self.happen(event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Checked {
        self.note(self.now_ms);
        match event {
            Event::NextPush => self.make_up_push(),
            Event::Request { entry, altered } => self.take_request(entry, altered),
            Event::Overdue { entry } => self.ask_again(entry),
            Event::Cancel { entry, tries } => self.take_cancel(entry, tries),
            Event::CancelAlert { alert, tries } => self.take_alert_cancel(alert, tries),
            Event::CancelAlertPart { number, shard, life } => {
                self.take_alert_cancel_part(number, shard, life)
            }
            Event::Synced { shard, life } => self.synced(shard, life),
            Event::BooksWritten { shard, life } => self.books_written(shard, life),
            Event::BooksSynced { shard, life } => self.books_synced(shard, life),
            Event::Wake { shard, life } => self.wake(shard, life),
            Event::Reach { attempt, route, row } => self.reach(attempt, route, row),
            Event::Outcome { attempt, result, mask, unanswered, domain } => {
                self.settle(attempt, result, mask, unanswered, domain)
            }
            Event::LateReport { attempt, mask, domain } => self.late_report(attempt, mask, domain),
            Event::LineChange { line } => self.change_line(line),
            Event::Alert { line } => self.alert(line),
            Event::Notification { shard, life, order, entry, code } => {
                self.notification_arrives(shard, life, order, entry, code)
            }
            Event::SinkChange { client } => self.change_sink(client),
            Event::ClockStep => self.step_clock(),
            Event::Crash => self.crash(),
            Event::Restart => self.restart(),
            Event::DiskChange => self.change_disk(),
            Event::Replay => self.replay_now_and_then(),
            Event::CastStart { cast } => self.start_cast(cast),
            Event::CastOrder { cast } => self.order_cast(cast),
            Event::DeskPart { script, shard, life } => self.take_desk_part(script, shard, life),
            Event::DeskLook => self.look_at_casts(),
            Event::Stop => self.stop(),
            Event::StopLook { looks, life } => self.look_at_stop(looks, life),
            Event::FaultsEnd => self.end_faults(),
        }
    }

    fn check_end(&mut self) -> Checked {
        self.ledger.check_finished()?;
        self.rows.check_finished()?;
        for (number, station) in self.stations.iter_mut().enumerate() {
            let live = station.up().core().live();
            rule!(
                live == 0,
                "shard {number} still holds {live} pushes when nothing happens any more"
            );
            let held = station.up().journal().figures();
            rule!(
                held.live_pushes == 0,
                "the journal of shard {number} still holds pushes: {held:?}"
            );
        }
        self.note(self.ledger.counts.segments_received);
        self.note(self.ledger.counts.notifications);
        Ok(())
    }
}
