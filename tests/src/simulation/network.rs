//! The simulated core network: an HLR with the lines' states, terminals, reports that come late,
//! twice or never, and alerts. Whether an attempt may go ahead is the engine's own decision table's
//! to say.

use super::Simulation;
use super::events::{Attempt, Event};
use super::ledger::{Checked, Violation, rule};
use super::port::{Submission, Told};
use super::random::Random;
use super::rows::RowName;
use hayauma::network::gmsc;
use hayauma::network::gmsc::{Decision, Route, Terms};
use hayauma::network::subscriber::{HlrAnswer, LineState, Location, OperatorTable};
use hayauma::smsc::outcome::HoldReason;
use hayauma::smsc::outcome::{AttemptResult, Failure};
use hayauma::smsc::retry::Cause;
use wire::sms::address::{Address, TYPE_UNKNOWN_ISDN};
use wire::sms::relay;
use wire::terms::calendar;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::ownership::shard_of;
use wire::terms::svcinst::Svcinst;

/// The longest that a terminal takes to answer; an engine that died is not back before.
pub(super) const REACH_MS_MAX: u64 = 800;

/// A subscriber's line.
#[derive(Debug)]
pub(super) struct SimulatedLine {
    state: LineState,
    unknown: bool,
    svcinst: Svcinst,
}

/// The phone number of a line.
pub(super) fn msn_of(line: u32) -> Msn {
    match Msn::from_value(9_000_000_000 + u64::from(line)) {
        Some(msn) => msn,
        None => unreachable!("a simulation has fewer lines than there are numbers"),
    }
}

impl SimulatedLine {
    pub(super) fn new(_line: u32, random: &mut Random) -> Self {
        let svcinst = if random.chance(300) {
            Svcinst::from_bits(random.below(32) as u8)
        } else {
            Svcinst::EMERGENCY
        };
        Self { state: LineState::HOME, unknown: random.chance(10), svcinst }
    }

    fn is_ready(&self) -> bool {
        !self.state.is_absent() && !self.state.memory_full
    }

    fn draw_state(random: &mut Random) -> LineState {
        let mut state = LineState::HOME;
        match random.below(100) {
            0..45 => {}
            45..70 => {
                state.not_reachable_cs = true;
                state.not_reachable_ps = true;
            }
            70..80 => state.memory_full = true,
            80..84 => state.cs = Location::None,
            84..88 => state.ps = Location::None,
            88..96 => {
                state.ps = Location::Visited;
                state.operator = random.below(3) as u8;
                state.cs = if random.chance(500) { Location::Visited } else { Location::None };
                state.not_reachable_ps = random.chance(200);
            }
            96 => state.suspended = true,
            97 => state.spam_block = true,
            98 => state.usage_limit = true,
            _ => state.barred = true,
        }
        state
    }
}

impl Simulation {
    /// A shard hands over an attempt.
    pub(super) fn begin_attempt(&mut self, number: usize, submission: &Submission) -> Checked {
        let &Submission { token, msn, class, attempts_before, mask: sent, reference, scts, entry } =
            submission;
        if let Some(text) = entry.and_then(RowName::of) {
            return self.begin_row(number, submission, text.cast);
        }
        let entry = self.entry_checked(entry)?;
        let known = self.ledger.at(entry);
        rule!(
            msn == msn_of(known.line) && class == known.class && reference == known.reference,
            "an attempt of push {entry} is not what was asked for: {submission:?}, {known:?}"
        );
        let row = self.rows.at_line(known.line);
        rule!(row.is_none(), "push {entry} was attempted beside {row:?} of its msn");
        let (durable, line) = (self.stations[number].up().durable(), known.line);
        let center_ms = self.center_ms();
        self.ledger.attempted(entry, durable, sent, center_ms.ms(), self.now_ms)?;
        let attempt =
            Attempt { shard: number as u8, life: self.life, token, entry, sent, reference, scts };
        self.ask_hlr(attempt, line, (class, attempts_before));
        Ok(())
    }

    /// A shard hands over an attempt of a row.
    fn begin_row(&mut self, number: usize, submission: &Submission, cast: usize) -> Checked {
        let &Submission { token, msn, class, attempts_before, mask: sent, reference, scts, .. } =
            submission;
        let line = (msn.value() - msn_of(0).value()) as u32;
        let name = self.rows.row_to(cast, line);
        let Some(name) = name else {
            return Err(Violation(format!(
                "an attempt carries a text of broadcast {cast} to whom it is not addressed"
            )));
        };
        let (durable, center_ms) = (self.stations[number].up().durable(), self.center_ms());
        let open = self.ledger.open[line as usize].iter();
        let other = open.copied().find(|&other| self.ledger.at(other).in_flight);
        rule!(other.is_none(), "{name:?} was attempted beside push {other:?} of its msn");
        if let Some(known) = self.rows.cast(cast) {
            rule!(
                class == known.class && reference == known.reference,
                "an attempt of {name:?} is not what was asked for: {submission:?}"
            );
        }
        self.rows.attempted(name, sent, durable, center_ms)?;
        let (life, entry) = (self.life, name.entry());
        let attempt = Attempt { shard: number as u8, life, token, entry, sent, reference, scts };
        self.ask_hlr(attempt, line, (class, attempts_before));
        Ok(())
    }

    /// What the HLR says of a line decides where an attempt goes.
    fn ask_hlr(&mut self, attempt: Attempt, line: u32, (class, attempts_before): (Class, u16)) {
        let line = &self.lines[line as usize];
        let terms = Terms { svcinst: line.svcinst, class, attempts_before };
        let (unknown, state, entry) = (line.unknown, line.state, attempt.entry);
        let fails = self.faults && self.random.chance(self.scenario.hlr_failure);
        let answer = match (fails, unknown) {
            (true, _) => HlrAnswer::Failure,
            (_, true) => HlrAnswer::UnknownSubscriber,
            _ => HlrAnswer::Known(state),
        };
        let decision = gmsc::decide(answer, &terms, &OperatorTable::default());
        let times_out = fails && self.random.chance(500);
        let (least_ms, most_ms) = if times_out { (10_000, 60_000) } else { (1, REACH_MS_MAX) };
        let delay_ms = self.random.between(least_ms, most_ms);
        self.note(u64::from(entry) << 8 | u64::from(decision.row()));
        let event = match decision {
            Decision::Deliver { route, row } => Event::Reach { attempt, route, row },
            Decision::Reject { code, .. } => {
                let result = AttemptResult::Refused(code);
                Event::Outcome { attempt, result, mask: 0, unanswered: 0, domain: 0 }
            }
            Decision::Hold { reason, code_at_expiry, .. } => {
                let result = AttemptResult::Held(reason, code_at_expiry);
                Event::Outcome { attempt, result, mask: 0, unanswered: 0, domain: 0 }
            }
        };
        self.after(delay_ms, event);
    }

    /// The line that an attempt goes to.
    fn line_of(&self, attempt: &Attempt) -> u32 {
        match RowName::of(attempt.entry) {
            Some(name) => self.rows.line_of(name),
            None => self.ledger.at(attempt.entry).line,
        }
    }

    pub(super) fn reach(&mut self, attempt: Attempt, route: Route, row: u8) -> Checked {
        let engine_died = attempt.life != self.life;
        if engine_died && self.random.chance(500) {
            return Ok(());
        }
        let (mut result, mask, domain) = self.terminal_answers(&attempt, route);
        let unreached = |failure: Failure| !failure.is_final() && failure != Failure::ProtocolError;
        if matches!(row, 12 | 13)
            && matches!(result, AttemptResult::Failed(failure) if unreached(failure))
        {
            result = AttemptResult::Held(HoldReason::PacketRoamingOut, Code::PACKET_ROAMING_OUT);
        }
        match RowName::of(attempt.entry) {
            Some(name) => self.rows.received(name, mask)?,
            None => self.ledger.received(attempt.entry, mask)?,
        }
        if engine_died {
            return Ok(());
        }
        let lost = if self.faults && mask != 0 && self.random.chance(self.scenario.report_lost) {
            mask & (self.random.bits() as u16 | 1 << mask.trailing_zeros())
        } else {
            0
        };
        if lost == 0 {
            return self.settle(attempt, result, mask, 0, domain);
        }
        let timeout_ms = self.random.between(10_000, 60_000);
        let result = AttemptResult::Failed(Failure::SystemFailure);
        let (mask, unanswered) = (mask & !lost, lost);
        self.after(timeout_ms, Event::Outcome { attempt, result, mask, unanswered, domain });
        for _ in 0..self.random.below(3) {
            let delay_ms = self.random.below(300_000);
            self.after(delay_ms, Event::LateReport { attempt, mask: lost, domain });
        }
        Ok(())
    }

    fn terminal_answers(&mut self, attempt: &Attempt, route: Route) -> (AttemptResult, u16, u8) {
        let line = &self.lines[self.line_of(attempt) as usize];
        let available = |domain| match domain {
            Domain::Cs => line.state.cs_available(),
            Domain::Ps => line.state.ps_available(),
            Domain::Carrier => false,
        };
        let number = |domain| if domain == Domain::Cs { 1 } else { 2 };
        let reached =
            [Some(route.first()), route.fallback()].into_iter().flatten().find(|&d| available(d));
        let Some(domain) = reached else {
            let last = route.fallback().unwrap_or_else(|| route.first());
            return (AttemptResult::Failed(Failure::Absent), 0, number(last));
        };
        let domain = number(domain);
        if line.state.memory_full {
            return (AttemptResult::Failed(Failure::MemoryFull), 0, domain);
        }
        if !(self.faults && self.random.chance(self.scenario.attempt_failure)) {
            return (AttemptResult::Delivered, attempt.sent, domain);
        }
        let failure = match self.random.below(40) {
            0 => Failure::Illegal,
            1 => Failure::NotEquipped,
            2..10 => Failure::Busy,
            10..25 => Failure::SystemFailure,
            25..30 => Failure::Absent,
            _ => Failure::ProtocolError,
        };
        // The segments before the one that fails have arrived.
        let mut mask = 0;
        let mut left = attempt.sent;
        for _ in 0..self.random.below(u64::from(attempt.sent.count_ones())) {
            mask |= 1 << left.trailing_zeros();
            left &= left - 1;
        }
        (AttemptResult::Failed(failure), mask, domain)
    }

    pub(super) fn settle(
        &mut self,
        attempt: Attempt,
        result: AttemptResult,
        mask: u16,
        unanswered: u16,
        domain: u8,
    ) -> Checked {
        if attempt.life != self.life || self.is_down {
            return Ok(());
        }
        let number = usize::from(attempt.shard);
        match RowName::of(attempt.entry) {
            Some(name) => {
                self.rows.settled(name, mask, unanswered);
                if mask != 0 {
                    // The next push to the phone may be tried before its time.
                    self.ledger.released(self.rows.line_of(name));
                }
            }
            None => self.ledger.settled(attempt.entry, result, mask, unanswered, self.now_ms),
        }
        let msn = msn_of(self.line_of(&attempt));
        let domain = domain_of(domain);
        let told = Told { token: attempt.token, msn, result, domain, mask, unanswered };
        self.stations[number].world.queues().outcomes.push_back(told);
        self.turn(number)
    }

    /// An SMS-STATUS-REPORT for each segment: whose they are the shard has to find out.
    pub(super) fn late_report(&mut self, attempt: Attempt, mask: u16, domain: u8) -> Checked {
        if self.is_down {
            return Ok(());
        }
        let number = usize::from(attempt.shard);
        let line = self.line_of(&attempt);
        let Some(domain) = domain_of(domain) else { return Ok(()) };
        let Ok(recipient) = Address::numeric(TYPE_UNKNOWN_ISDN, &msn_of(line).digits()) else {
            unreachable!("an msn is an address")
        };
        for segment in (0..16u8).filter(|segment| mask >> segment & 1 == 1) {
            let reference = attempt.reference.wrapping_add(segment);
            let mut tpdu = vec![0; 64];
            let written = relay::status_report_for(
                reference,
                &recipient,
                &attempt.scts,
                &attempt.scts,
                0,
                &mut tpdu,
            );
            let Ok(octets) = written else { unreachable!("there is room for it") };
            tpdu.truncate(octets);
            self.stations[number].world.queues().reports.push_back((tpdu, domain));
        }
        // The engine may have died meanwhile: the report counts if it finds its push, and no other
        // that it might be of.
        let is_push = RowName::of(attempt.entry).is_none();
        if !is_push {
            self.ledger.released(line);
        }
        if is_push && self.ledger.at(attempt.entry).is_open() && self.is_told_apart(&attempt) {
            self.ledger.entry(attempt.entry).reported_mask |= mask;
        }
        self.turn(number)
    }

    /// Whether no other push that waits for the phone could be meant by the attempt's reference and
    /// time stamp.
    fn is_told_apart(&self, attempt: &Attempt) -> bool {
        let line = self.ledger.at(attempt.entry).line;
        let could_be = |&&other: &&u32| {
            let entry = self.ledger.at(other);
            let civil = calendar::jst(entry.accepted_real_ms);
            let scts = relay::scts_jst(
                civil.year,
                civil.month,
                civil.day,
                civil.hour,
                civil.minute,
                civil.second,
            );
            let apart = attempt.reference.wrapping_sub(entry.reference);
            scts == attempt.scts && !(10..=246).contains(&apart)
        };
        self.ledger.open[line as usize].iter().filter(could_be).count() == 1
    }

    pub(super) fn change_line(&mut self, line: u32) -> Checked {
        if !self.faults {
            return Ok(());
        }
        self.lines[line as usize].state = SimulatedLine::draw_state(&mut self.random);
        if self.lines[line as usize].is_ready() && self.random.chance(900) {
            for _ in 0..self.random.between(1, 2) {
                let delay_ms = self.random.below(2_000);
                self.after(delay_ms, Event::Alert { line });
            }
        }
        // Nobody looks while the engine is down.
        let slower = if self.is_down { 64 } else { 1 };
        let delay_ms = slower * self.random.between(1, 2 * self.scenario.line_change_ms);
        self.after(delay_ms, Event::LineChange { line });
        Ok(())
    }

    pub(super) fn alert(&mut self, line: u32) -> Checked {
        if self.is_down {
            return Ok(());
        }
        self.ledger.alerted(line);
        let number = shard_of(msn_of(line), self.scenario.shards);
        self.stations[number].world.queues().alerts.push_back(msn_of(line));
        self.turn(number)
    }

    /// Every line is at home and reachable.
    pub(super) fn heal_lines(&mut self) {
        for line in &mut self.lines {
            line.state = LineState::HOME;
        }
    }
}

fn domain_of(number: u8) -> Option<Domain> {
    match number {
        1 => Some(Domain::Cs),
        2 => Some(Domain::Ps),
        _ => None,
    }
}

/// What an attempt that ended like this holds its push for.
pub(super) fn cause_of(result: AttemptResult) -> Option<Cause> {
    match result {
        AttemptResult::Held(reason, _) => Some(Cause::from(reason)),
        AttemptResult::Failed(failure) if !failure.is_final() => Some(Cause::from(failure)),
        _ => None,
    }
}
