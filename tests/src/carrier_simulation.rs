//! A carrier in virtual time: the engine's own shard, carriers' port, home and sessions on one
//! side, an SMSC with its faults on the other, and kills of both.
//!
//! Everything follows from one seed. The SMSC throttles, fills up, loses answers, answers late,
//! sends receipts before their answers, twice, or never, stands still, cuts connections and goes
//! away; the engine dies at any turn and recovers from its journal. Then the faults end, and
//! everything must come to its end: each push is told once and as the SMSC knows it, none is lost,
//! and none is sent twice but for a doubt that was counted or a kill. The same holds of the rows of
//! a broadcast that goes out beside them.

mod rows;
mod smsc;

use crate::lone_shard::{self, Setup};
use crate::push::{Body, XPID};
use hayauma::billing::BillingLog;
use hayauma::broadcast::mutation::RowMutation;
use hayauma::gateway::registry::{Credential, Registry};
use hayauma::journal::SegmentFactory;
use hayauma::network::line_states::{Line as PhoneLine, LineStates};
use hayauma::network::port::ReceiptReply;
use hayauma::network::routes::{CarrierChoice, Routes, Rule};
use hayauma::network::side_by_side::SideBySide;
use hayauma::network::simulated::SimulatedNetwork;
use hayauma::network::simulation_config::SimulationConfig;
use hayauma::network::smpp::carrier::Carrier;
use hayauma::network::smpp::exchange::{CarrierPlan, KnownCarrier, Spread};
use hayauma::network::smpp::home::{Home, IdMutation};
use hayauma::network::smpp::port::CarrierPort;
use hayauma::shard::open::Ground;
use hayauma::shard::{NotificationResult, Origin, Reply, Shard, TurnBudget};
use hayauma::smsc::mutation::CoreMutation;
use smsc::{Copy, Line, Smsc};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wire::push::notify_url::NotifyUrl;
use wire::smpp::pdu::{Bind, BindKind};
use wire::smpp::session::{Config, Event, Session, SessionMutation, VERSION_34};
use wire::terms::time::{SteadyMs, WallMs};

/// Requests outstanding on a session, and sessions.
const WINDOW: u16 = 4;
const SESSIONS: usize = 2;
/// Pushes that come at once now and then.
const BURST: u64 = 40;
/// Phones that may go before one whose SMS was sent too fast: those outstanding on the sessions,
/// and those that waited for them.
const OVERTAKEN_MAX: usize = 3 * WINDOW as usize * SESSIONS;
/// Pushes that have begun by their records and are not sent when the engine dies: those whose
/// records are on their way, and those that have permits.
const BEGUN_MAX: u64 = 32 + 2 * (WINDOW as u64) * (SESSIONS as u64) + 200 / 50;
/// The faults end after so long.
const FAULTS_MS: u64 = 40_000;
/// By then all has come to its end: lifetime, grace, and some more.
const END_MS: u64 = (2 * 3_600 + 600) * 1_000;
const BUDGET: TurnBudget = TurnBudget {
    timers: 1_024,
    attempts: 64,
    outcomes: 64,
    records: 512,
    looks: 1_024,
    counted: 4_096,
};

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// Pushes, each to a phone of its own.
    pub pushes: u64,
    /// Rows of a broadcast beside them.
    pub rows: u64,
    /// A deliberate fault of the engine's sessions.
    pub session: SessionMutation,
    /// A deliberate fault of the message center.
    pub core: CoreMutation,
    /// A deliberate fault of the broadcast.
    pub cast: RowMutation,
    /// A deliberate fault in how ids are compared.
    pub ids: IdMutation,
    /// The push client wants nothing sent twice.
    pub never_twice: bool,
    /// The engine is stopped in good order where it would die.
    pub stops: bool,
}

/// What a run met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Met {
    /// Kills of the engine.
    pub kills: u64,
    /// Stops of it in good order.
    pub stops: u64,
    /// Connections that ended in other ways.
    pub cuts: u64,
    /// Answers that said too fast or full.
    pub throttled: u64,
    /// SMS in doubt.
    pub in_doubt: u64,
    /// SMS that a kill left in doubt: outstanding, or answered and not yet durable.
    pub exposed: u64,
    /// SMS that came twice.
    pub twice: u64,
    /// Receipts that never were sent.
    pub lost_receipts: u64,
    /// Pushes that ended since nothing may be sent twice.
    pub given_up: u64,
}

/// A seeded generator (splitmix64).
struct Chance(u64);

impl Chance {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// True so many times in a thousand.
    fn is(&mut self, parts: u64) -> bool {
        self.below(1_000) < parts
    }
}

/// The engine's side: what dies with it.
struct Station {
    shard: Shard,
    simulated: SimulatedNetwork,
    carriers: CarrierPort,
    home: Home,
    lines: Vec<Option<Line>>,
    dial_ms: [u64; SESSIONS],
}

struct World<'a> {
    options: Options,
    directory: &'a Path,
    factory: SegmentFactory,
    chance: Chance,
    now_ms: u64,
    smsc: Smsc,
    met: Met,
    next_generation: u32,
    /// By reqid: the code that was told.
    told: BTreeMap<String, String>,
    cast: rows::Cast,
    /// Answers since the last commit and the one before, which none may cover yet.
    answered: [u64; 2],
}

fn carrier() -> Carrier {
    Carrier {
        name: "alpha".to_owned(),
        host_names: vec!["127.0.0.1:1".to_owned()],
        hosts: vec![([127, 0, 0, 1], 1).into()],
        host_of: vec![0],
        system_id: "hayauma".to_owned(),
        sessions: SESSIONS as u16,
        window: WINDOW,
        rate: 200,
        response_ms: 5_000,
        ..Carrier::default()
    }
}

fn plan() -> CarrierPlan {
    let rule =
        Rule { prefix: "0".to_owned(), xpid: None, class: None, choice: CarrierChoice::of(1) };
    let carriers = vec![KnownCarrier::new(carrier(), Spread::even(1))].into();
    CarrierPlan { carriers, routes: Arc::new(Routes::new(vec![rule]).expect("one choice")) }
}

fn reqid(number: u64) -> String {
    format!("push-{number}")
}

fn phone(number: u64) -> String {
    format!("81{}", &lone_shard::msn(number)[1..])
}

/// Runs one simulation in `directory`, which is empty.
///
/// # Errors
/// The rule that was broken.
///
/// # Panics
/// On a bug of the engine that it notices itself.
pub fn run(directory: &Path, options: Options) -> Result<Met, String> {
    let mut world = World {
        options,
        directory,
        factory: SegmentFactory::start().expect("a thread"),
        chance: Chance(options.seed),
        now_ms: lone_shard::START_MS,
        smsc: Smsc::new(),
        met: Met::default(),
        next_generation: 1,
        told: BTreeMap::new(),
        cast: Default::default(),
        answered: [0; 2],
    };
    let mut station = world.open();
    let mut next = 0;
    let (began_ms, all) = (world.now_ms, options.pushes);
    while world.told.len() < all as usize || next < all || !world.rows_are_over(&station) {
        let age_ms = world.now_ms - began_ms;
        if age_ms > END_MS {
            let missing = (0..all).find(|&number| !world.told.contains_key(&reqid(number)));
            return Err(format!("push {missing:?}, or a row, never came to its end"));
        }
        let faulty = age_ms < FAULTS_MS;
        let burst = if world.chance.is(6) { BURST } else { u64::from(world.chance.is(300)) };
        for _ in 0..burst {
            next += u64::from(next < all && station.accept(next, world.now_ms));
        }
        if !world.turn(&mut station, faulty)? {
            station = if options.stops { world.stop(station) } else { world.kill(station) };
        }
        world.now_ms += if faulty { 5 + world.chance.below(20) } else { 200 };
    }
    world.note_doubts(&station);
    world.check_rows(&station)?;
    world.check()?;
    Ok(world.met)
}

impl Station {
    fn accept(&mut self, number: u64, now_ms: u64) -> bool {
        let body = Body::push(&lone_shard::msn(number), &reqid(number)).with("comway", "1103");
        let origin = Origin { authorization: None, credential: &mut Credential::default() };
        let reply = self.shard.handle_request(&body.octets(), origin, WallMs::new(now_ms));
        // What an answer promises has to be durable, and a kill may come before.
        let accepted = matches!(reply, Reply::WhenDurable(answer, _) if answer.code.number() == 0);
        accepted && self.shard.commit_blocking().is_ok()
    }
}

impl World<'_> {
    fn open(&mut self) -> Station {
        self.rows_open();
        let setup = Setup { absent: false, ..Setup::new(&[XPID]) };
        let plan = plan();
        let mut config = lone_shard::config(&setup);
        config.journal.hands_over = true;
        config.routes = Arc::clone(&plan.routes);
        let registry = Arc::new(self.registry(&setup));
        let now_ms = WallMs::new(self.now_ms);
        let journal = self.directory.join("journal");
        let ground = Ground {
            storage: Box::new(self.factory.storage(&journal)),
            directory: journal,
            billing: BillingLog::open(self.directory, 0, now_ms).expect("a billing log"),
            reference_seed: self.options.seed,
            mutation: self.options.core,
        };
        let opened = Shard::open_on(ground, &config, registry, now_ms);
        let mut shard = opened.unwrap_or_else(|error| panic!("{error}")).0;
        lone_shard::contract(&mut shard, &setup);
        shard.mutate_broadcasts(self.options.cast);
        let lines = LineStates::parse("", PhoneLine::HOME).expect("a good file");
        let simulated =
            SimulatedNetwork::new(SimulationConfig::default(), Arc::new(lines)).expect("good");
        let carriers = CarrierPort::new(0, &plan);
        let mut home = Home::new(&plan.carriers[0], 100_000, SteadyMs::new(self.now_ms));
        home.mutate_ids(self.options.ids);
        let lines = (0..SESSIONS).map(|_| None).collect();
        Station { shard, simulated, carriers, home, lines, dial_ms: [0; SESSIONS] }
    }

    fn registry(&self, setup: &Setup) -> Registry {
        let registry = lone_shard::registry(setup);
        let registrations = registry.iter().map(|registered| {
            let mut registration = registered.registration.clone();
            registration.doubt_is_final = self.options.never_twice;
            registration
        });
        Registry::new(registrations.collect())
    }

    fn note_doubts(&mut self, station: &Station) {
        let figures = &station.home.exchange().figures;
        self.met.in_doubt += figures.in_doubt.load(Ordering::Relaxed);
        self.met.throttled += figures.throttled.load(Ordering::Relaxed);
    }

    /// The engine dies; what its shard had not written is gone.
    fn kill(&mut self, mut station: Station) -> Station {
        self.note_doubts(&station);
        self.met.kills += 1;
        let lines = station.lines.iter().flatten();
        let outstanding: usize = lines.map(|line| line.client.outstanding()).sum();
        self.met.exposed += outstanding as u64 + self.answered.iter().sum::<u64>();
        for line in 0..SESSIONS {
            self.cut(&mut station, line, false);
        }
        drop(station);
        self.open()
    }

    /// The engine is stopped: it attempts nothing more, and what it has appended is written.
    fn stop(&mut self, mut station: Station) -> Station {
        self.met.stops += 1;
        for line in 0..SESSIONS {
            self.cut(&mut station, line, true);
        }
        let (wall_ms, steady_ms) = (WallMs::new(self.now_ms), SteadyMs::new(self.now_ms));
        let budget = TurnBudget { attempts: 0, ..BUDGET };
        station.shard.begin_to_take_back();
        let mut is_over = false;
        while !is_over {
            station.home.take_permits(steady_ms);
            station.home.pass_receipts();
            let Station { shard, simulated, carriers, .. } = &mut station;
            let mut network = SideBySide::lent(simulated, 0, carriers);
            is_over = !shard.turn(&mut network, wall_ms, &budget);
            shard.commit_blocking().expect("a device that writes");
            is_over &= shard.in_flight() == 0 && shard.has_taken_back() && shard.is_settled();
            self.take_notifications(&mut station);
        }
        assert!(station.shard.write_books_blocking(wall_ms), "a device with room");
        self.note_doubts(&station);
        self.answered = [0; 2];
        drop(station);
        self.open()
    }

    /// The connection ends; what the SMSC has no answer for it sends again.
    fn cut(&mut self, station: &mut Station, at: usize, tells: bool) {
        let Some(mut line) = station.lines[at].take() else { return };
        // What was not heard is in doubt, and waits for longer.
        self.smsc.throttled.clear();
        self.smsc.receipts.extend(line.under_way.drain().map(|(_, receipt)| receipt));
        if tells {
            self.met.cuts += 1;
            line.client.handle_end();
            while let Some(event) = line.client.poll_event() {
                if let Event::InDoubt { token } = event {
                    station.home.handle_doubt(token, SteadyMs::new(self.now_ms));
                }
            }
            station.home.session_lost(at, false);
            station.dial_ms[at] = self.now_ms + 1_000;
        }
    }

    /// One turn of everything; `false`: the engine dies in it.
    fn turn(&mut self, station: &mut Station, faulty: bool) -> Result<bool, String> {
        let now_ms = self.now_ms;
        if faulty && self.chance.is(2) {
            self.smsc.still_until_ms = now_ms + self.chance.below(20_000);
        }
        if faulty && self.chance.is(2) {
            self.smsc.away_until_ms = now_ms + self.chance.below(3_000);
        }
        for at in 0..SESSIONS {
            let is_cut = faulty && self.chance.is(4) || now_ms < self.smsc.away_until_ms;
            if is_cut {
                self.cut(station, at, true);
            }
            self.dial(station, at);
            self.serve(station, at, faulty);
            self.listen(station, at);
        }
        station.shard.keep_time(WallMs::new(now_ms), SteadyMs::new(now_ms));
        station.carriers.see(SteadyMs::new(now_ms));
        self.tell_rows(station, faulty);
        let mut network = SideBySide::lent(&mut station.simulated, 0, &mut station.carriers);
        station.shard.turn(&mut network, WallMs::new(now_ms), &BUDGET);
        self.take_notifications(station);
        if faulty && self.chance.is(3) {
            return Ok(false);
        }
        // A device takes its time now and then.
        if !faulty || self.chance.is(300) {
            station.shard.commit_blocking().expect("a device that writes");
            self.answered = [0, self.answered[0]];
        }
        assert!(station.shard.write_books_blocking(WallMs::new(now_ms)), "a device with room");
        if let Some(sync) = station.shard.begin_billing_sync() {
            station.shard.finish_billing_sync(&sync);
        }
        let home = &mut station.home;
        let steady_ms = SteadyMs::new(now_ms);
        home.take_permits(steady_ms);
        home.handle_time(steady_ms);
        home.pass_receipts();
        while let Some((ReceiptReply { session: (at, generation), .. }, request)) =
            home.take_reply()
        {
            let line = station.lines.get_mut(at as usize).and_then(Option::as_mut);
            if let Some(line) = line.filter(|line| line.generation == generation) {
                line.answer(request, now_ms);
            }
        }
        for at in 0..SESSIONS {
            if let Some(line) = &mut station.lines[at]
                && line.client.state().is_bound()
            {
                let Line { client, to_server, .. } = line;
                let times = (steady_ms, WallMs::new(now_ms));
                home.submit(at, client, (to_server, &mut |_, _| {}), times);
                if client.outstanding() > usize::from(WINDOW) {
                    return Err("more SMS outstanding than the window has".to_owned());
                }
            }
        }
        home.make_room(steady_ms);
        Ok(true)
    }

    fn dial(&mut self, station: &mut Station, at: usize) {
        let now_ms = self.now_ms;
        let ready = station.home.may_bind() && now_ms >= station.dial_ms[at];
        if station.lines[at].is_some() || !ready || now_ms < self.smsc.away_until_ms {
            return;
        }
        let config = Config { window: WINDOW, response_ms: 5_000, ..Config::carrier() };
        let mut client = Session::new(config, now_ms);
        client.mutate(self.options.session);
        let server = Session::new(Config { window: 50, ..Config::customer() }, now_ms);
        let bind = Bind {
            kind: BindKind::Transceiver,
            system_id: b"hayauma",
            password: b"",
            system_type: b"",
            interface_version: VERSION_34,
            addr_ton: 0,
            addr_npi: 0,
            address_range: &[],
        };
        self.next_generation += 1;
        let mut pdu = [0; 256];
        let octets = client.bind(&mut pdu, &bind, now_ms).expect("a bind");
        station.lines[at] = Some(Line {
            client,
            server,
            to_server: pdu[..octets].to_vec(),
            to_client: Vec::new(),
            was_bound: false,
            generation: self.next_generation,
            late: Vec::new(),
            under_way: HashMap::new(),
        });
    }

    /// The engine's end of a connection.
    fn listen(&mut self, station: &mut Station, at: usize) {
        let now_ms = self.now_ms;
        let steady_ms = SteadyMs::new(now_ms);
        let Some(line) = &mut station.lines[at] else { return };
        let home = &mut station.home;
        let input = std::mem::take(&mut line.to_client);
        let mut read = 0;
        loop {
            let taken = line.client.handle_octets(&input[read..], now_ms);
            read += taken.octets;
            match taken.event {
                Some(Event::Answer { token, status, body, oddities, waited_ms }) => {
                    self.answered[0] += 1;
                    home.handle_answer(token, status, &body, oddities, (waited_ms, steady_ms));
                }
                Some(Event::LateAnswer { token, status, body }) => {
                    home.handle_late_answer(token, status, &body);
                }
                Some(Event::Request { request, body, oddities }) => {
                    let session = (at as u32, line.generation);
                    let reply = ReceiptReply { carrier: 1, session, request: Some(request) };
                    if home.handle_message(&body, oddities, reply, steady_ms) {
                        line.answer(request, now_ms);
                    }
                }
                _ => {}
            }
            if taken.octets == 0 {
                break;
            }
        }
        line.to_client = input[read..].to_vec();
        line.client.handle_time(now_ms);
        home.set_silent(at, line.client.is_silent(now_ms));
        let mut own = [0; 512];
        let octets = line.client.poll_output(&mut own);
        line.to_server.extend_from_slice(&own[..octets]);
        let mut is_over = false;
        while let Some(event) = line.client.poll_event() {
            match event {
                Event::InDoubt { token } => home.handle_doubt(token, steady_ms),
                Event::Closed { .. } => is_over = true,
                _ => {}
            }
        }
        if line.client.state().is_bound() && !std::mem::replace(&mut line.was_bound, true) {
            home.session_bound(at);
        }
        if is_over {
            self.cut(station, at, true);
        }
    }

    fn take_notifications(&mut self, station: &mut Station) {
        let url = NotifyUrl::parse("http://127.0.0.1:9/").expect("a URL");
        while let Some(order) = station.shard.take_notification() {
            let mut octets = Vec::new();
            station.shard.write_notification(order, &url, &mut octets);
            let text = String::from_utf8_lossy(&octets).into_owned();
            let element = |name: &str| {
                let behind = text.split_once(&format!("<{name}>")).map(|(_, behind)| behind);
                behind.and_then(|text| text.split_once('<')).map_or("", |(value, _)| value)
            };
            self.told.insert(element("reqid").to_owned(), element("code").to_owned());
            let now_ms = WallMs::new(self.now_ms);
            station.shard.settle_notification(order, NotificationResult::Acknowledged, now_ms);
        }
    }

    /// What must hold at the end.
    fn check(&mut self) -> Result<(), String> {
        for number in 0..self.options.pushes {
            let Some(code) = self.told.get(&reqid(number)) else {
                return Err(format!("push {number} was never told of"));
            };
            let copies = self.smsc.copies.get(&phone(number)).map_or(&[][..], Vec::as_slice);
            self.met.twice += copies.len().saturating_sub(1) as u64;
            let any = |of: fn(&Copy) -> bool| copies.iter().any(of);
            let is_true = match code.as_str() {
                "0000" => any(|copy| copy.delivered && !copy.receipt_lost),
                "6012" => any(|copy| !copy.delivered && !copy.receipt_lost),
                "6013" => any(|copy| copy.receipt_lost),
                "6008" => self.options.never_twice,
                _ => false,
            };
            self.met.given_up += u64::from(code == "6008");
            if !is_true {
                let seen: Vec<_> =
                    copies.iter().map(|copy| (copy.delivered, copy.receipt_lost)).collect();
                return Err(format!("push {number} was told as {code}, and the SMSC has {seen:?}"));
            }
        }
        if self.smsc.overtaken > OVERTAKEN_MAX {
            return Err(format!("{} went before what was throttled", self.smsc.overtaken));
        }
        if self.options.never_twice && self.met.twice > 0 {
            return Err(format!("{} came twice, and none may", self.met.twice));
        }
        let most = self.met.in_doubt + self.met.exposed;
        if self.met.given_up > most + self.met.kills * BEGUN_MAX {
            return Err(format!("{} were given up, {most} in doubt", self.met.given_up));
        }
        if self.met.twice > most {
            return Err(format!("{} came twice, {most} at most: {:?}", self.met.twice, self.met));
        }
        Ok(())
    }
}
