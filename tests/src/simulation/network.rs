//! The simulated core network: an HLR with the lines' states, terminals, reports that come late, twice or never, and
//! alerts. Whether an attempt may go ahead is the engine's own decision table's to say.

use super::Simulation;
use super::clients::key_of;
use super::engine::known_of;
use super::events::{Attempt, Event};
use super::ledger::{Checked, Violation};
use super::random::Random;
use hayauma::network::gmsc;
use hayauma::network::gmsc::{Decision, Route, Terms};
use hayauma::network::subscriber::{HlrAnswer, LineState, OperatorTable, Registered};
use hayauma::smsc::core::Settlement;
use hayauma::smsc::outcome::HoldReason;
use hayauma::smsc::outcome::{AttemptResult, Failure};
use hayauma::smsc::retry::Cause;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::Msn;
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
        let svcinst =
            if random.chance(300) { Svcinst::from_bits(random.below(32) as u8) } else { Svcinst::EMERGENCY };
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
            80..84 => state.cs = Registered::None,
            84..88 => state.ps = Registered::None,
            88..96 => {
                state.ps = Registered::Visited;
                state.operator = random.below(3) as u8;
                state.cs = if random.chance(500) { Registered::Visited } else { Registered::None };
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
    pub(super) fn start_attempts(&mut self, number: usize) -> Checked {
        while !self.is_down && self.shards[number].in_flight < self.scenario.attempts_max {
            let wall_ms = self.wall_ms();
            let shard = &mut self.shards[number];
            let Some(index) = shard.core.poll_attempt(wall_ms) else { break };
            // Pushes that had expired in front of it have ended.
            self.carry_out(number)?;
            if self.is_down {
                break;
            }
            let shard = &mut self.shards[number];
            let push = *shard.core.push(index);
            let (entry, sent) = (push.position as u32, push.full_mask() & !push.delivered_mask);
            self.ledger.attempted(entry, shard.journal.durable(), sent, wall_ms, self.now_ms)?;
            shard.in_flight += 1;
            let attempt =
                Attempt { shard: number as u8, life: self.life, index, push_id: push.push_id, entry, sent };
            let line = &self.lines[self.ledger.at(entry).line as usize];
            let terms = Terms {
                svcinst: line.svcinst,
                class: push.class,
                attempts_before: u16::from(push.attempts()),
            };
            let fails = self.faults && self.random.chance(self.scenario.hlr_failure);
            let answer = match (fails, line.unknown) {
                (true, _) => HlrAnswer::Failure,
                (_, true) => HlrAnswer::UnknownSubscriber,
                _ => HlrAnswer::Known(line.state),
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
        // With as many under way as there may be, nothing is late.
        self.ledger.full[number] = self.shards[number].in_flight >= self.scenario.attempts_max;
        Ok(())
    }

    pub(super) fn reach(&mut self, attempt: Attempt, route: Route, row: u8) -> Checked {
        let engine_died = attempt.life != self.life;
        if engine_died && self.random.chance(500) {
            return Ok(());
        }
        let (mut result, mask, domain) = self.terminal_answers(&attempt, route);
        if matches!(row, 12 | 13)
            && matches!(result, AttemptResult::Failed(f) if !f.is_final() && f != Failure::ProtocolError)
        {
            result = AttemptResult::Held(HoldReason::PacketRoamingOut, Code::PACKET_ROAMING_OUT);
        }
        self.ledger.received(attempt.entry, mask)?;
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
        let line = &self.lines[self.ledger.at(attempt.entry).line as usize];
        let available = |domain| match domain {
            Domain::Cs => line.state.cs_available(),
            Domain::Ps => line.state.ps_available(),
        };
        let number = |domain| if domain == Domain::Cs { 1 } else { 2 };
        let reached = [Some(route.first()), route.fallback()].into_iter().flatten().find(|&d| available(d));
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
        let (wall_ms, random) = (self.wall_ms(), self.random.bits());
        self.ledger.settled(attempt.entry, result, mask, unanswered, self.now_ms);
        let shard = &mut self.shards[number];
        shard.in_flight -= 1;
        let push = shard.core.push(attempt.index);
        if push.push_id != attempt.push_id {
            return Err(Violation(format!("push {} was given up while in flight", attempt.entry)));
        }
        let before = known_of(push);
        let settlement = Settlement { result, delivered_mask: mask, unanswered_mask: unanswered, domain };
        shard.core.handle_outcome(attempt.index, settlement, wall_ms, random);
        let cause = cause_of(result);
        let room = !(self.faults && self.random.chance(self.scenario.hold_unrecorded));
        let record = self.shards[number].note_if_held(attempt.index, before, cause, wall_ms, room);
        self.ledger.held(attempt.entry, record)?;
        self.after_delivery(&attempt);
        self.carry_out(number)?;
        self.turn(number)
    }

    pub(super) fn late_report(&mut self, attempt: Attempt, mask: u16, domain: u8) -> Checked {
        if self.is_down {
            return Ok(());
        }
        let number = usize::from(attempt.shard);
        let wall_ms = self.wall_ms();
        let open = self.ledger.at(attempt.entry).is_open();
        let core = &self.shards[number].core;
        // The engine may have died meanwhile: the report counts if it finds its push all the same.
        let same = core.find_live(key_of(attempt.entry), attempt.push_id) == Some(attempt.index);
        if open && same {
            self.ledger.entry(attempt.entry).reported_mask |= mask;
        }
        let core = &mut self.shards[number].core;
        core.handle_late_report(attempt.index, attempt.push_id, mask, domain, wall_ms);
        if same {
            self.after_delivery(&attempt);
        }
        self.carry_out(number)?;
        self.turn(number)
    }

    /// What was delivered shows that the line is there: the next push may be tried before its time.
    fn after_delivery(&mut self, attempt: &Attempt) {
        let core = &self.shards[usize::from(attempt.shard)].core;
        if core.push(attempt.index).is_complete() {
            let line = self.ledger.at(attempt.entry).line;
            self.ledger.released(line);
        }
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
        let delay_ms = self.random.between(1, 2 * self.scenario.line_change_ms);
        self.after(delay_ms, Event::LineChange { line });
        Ok(())
    }

    pub(super) fn alert(&mut self, line: u32) -> Checked {
        if self.is_down {
            return Ok(());
        }
        self.ledger.alerted(line);
        let (wall_ms, random) = (self.wall_ms(), self.random.bits());
        let number = self.shard_of(line);
        self.shards[number].core.handle_alert(msn_of(line), wall_ms, random);
        self.carry_out(number)?;
        self.turn(number)
    }

    /// Every line is at home and reachable.
    pub(super) fn heal_lines(&mut self) {
        for line in &mut self.lines {
            line.state = LineState::HOME;
        }
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
