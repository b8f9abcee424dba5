//! The embedded simulated core network: an HLR and terminals behind the port, one for each thread.
//!
//! The slots are the thread's. What is under way of each of its shards stands apart
//! ([`InNetwork`]), so that a shard to which the network is lent meets its own attempts only. No
//! shard takes all slots where there are others.
//!
//! An attempt rests in its slot for the configured latency. When it is due, the GMSC asks the
//! simulated HLR for the line's state at that moment, decides, and walks the segments through the
//! domains of the route; the terminal reads each SMS-DELIVER and answers it with an
//! SMS-DELIVER-REPORT. Lines that ended an attempt absent or full are remembered, and `reachable`
//! names them when they are ready again. Reports may be made to come late, early, twice or never;
//! an attempt that misses one times out.
//!
//! Never here: a socket, a clock, a thread, an allocation per attempt but for those whose reports
//! go astray. The same seed, calls and times yield the same outcomes.
//!
//! Invariants:
//! - every attempt submitted yields exactly one outcome, unless its shard is closed before;
//! - an attempt without a latency is due at once; attempts due at the same time end in the order of
//!   submission;
//! - whatever waits (slots, delays, alerts) has room that was taken at construction.

use std::sync::Arc;

use crate::network::gmsc;
use crate::network::gmsc::{Decision, ROWS, Route};
use crate::network::limits::{CHANGED_LINES_MAX, SLOTS_PORTION_OF_FREE};
use crate::network::line_states::{Line, LineMap, LineStates, Terminal};
use crate::network::outcome_rates::{ReportFate, Strike};
use crate::network::pending::{AwaitedLines, Delays};
use crate::network::port::{
    AttemptHandle, AttemptOutcome, AttemptSlot, AttemptToken, Network, Reports, StatusReport,
};
use crate::network::random::Random;
use crate::network::reports::{DeferredOutcomes, PendingReport, PendingReports};
use crate::network::simulation_config::{ConfigurationError, SimulationConfig};
use crate::network::subscriber::{HlrAnswer, LineState};
use crate::network::terminal::{self, TerminalAnswer};
use crate::smsc::outcome::HoldReason;
use crate::smsc::outcome::{AttemptResult, Failure};
use host::huge_pages;
use host::prefetch::prefetch;
use wire::sms::relay;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::Msn;
use wire::terms::time::EvenMs;

/// The simulated core network of one thread.
pub struct SimulatedNetwork {
    configuration: SimulationConfig,
    line_states: Arc<LineStates>,
    changed_lines: LineMap,
    slots: Box<[AttemptSlot]>,
    free: Vec<u32>,
    /// Of the shard that it is lent to.
    own: InNetwork,
    lent_to: usize,
    /// Of the other shards, by their places; nothing stands in the place of the one above.
    others: Vec<Option<InNetwork>>,
    shards: usize,
    random: Random,
    /// The reports of the attempt polled last.
    reports: Reports,
    decisions_by_row: [u64; ROWS as usize + 1],
    delivers_sent: u64,
}

/// What of one shard is under way in a network.
pub struct InNetwork {
    delays: Delays,
    alerts: AwaitedLines,
    status_reports: PendingReports,
    deferred: DeferredOutcomes<Attempted>,
}

impl InNetwork {
    /// Of one shard among so many of a thread; takes its room at once.
    pub fn new(configuration: &SimulationConfig, shards: usize) -> Self {
        Self::with_room(
            configuration.in_flight_max,
            configuration.latency_jitter_ms > 0,
            configuration.alerts_waiting_max.div_ceil(shards.max(1)),
        )
    }

    fn with_room(in_flight_max: usize, has_jitter: bool, alerts_max: usize) -> Self {
        Self {
            delays: Delays::new(in_flight_max, has_jitter),
            alerts: AwaitedLines::new(alerts_max),
            status_reports: PendingReports::new(),
            deferred: DeferredOutcomes::new(),
        }
    }

    /// Slots that it has.
    fn taken(&self) -> usize {
        self.delays.len() + self.deferred.len()
    }
}

/// The network is lent to nobody.
const NOBODY: usize = usize::MAX;

impl SimulatedNetwork {
    /// A network with room for `configuration.in_flight_max` attempts, lent to one shard, in the
    /// first place.
    ///
    /// # Errors
    /// A configured value out of its range.
    pub fn new(
        configuration: SimulationConfig,
        line_states: Arc<LineStates>,
    ) -> Result<Self, ConfigurationError> {
        let mut network = Self::of_nobody(configuration, line_states)?;
        network.open(0, InNetwork::new(&network.configuration, 1));
        network.lend_to(0);
        Ok(network)
    }

    /// A network as above, of a thread that has no shard yet.
    ///
    /// # Errors
    /// A configured value out of its range.
    pub fn of_nobody(
        configuration: SimulationConfig,
        line_states: Arc<LineStates>,
    ) -> Result<Self, ConfigurationError> {
        configuration.check()?;
        let in_flight_max = configuration.in_flight_max;
        let mut slots = Vec::with_capacity(in_flight_max);
        huge_pages::advise(&mut slots);
        slots.extend((0..in_flight_max).map(|_| AttemptSlot::new()));
        Ok(Self {
            line_states,
            changed_lines: LineMap::default(),
            slots: slots.into_boxed_slice(),
            free: (0..in_flight_max as u32).rev().collect(),
            own: InNetwork::with_room(0, false, 0),
            lent_to: NOBODY,
            others: Vec::new(),
            shards: 0,
            random: Random::new(configuration.seed),
            reports: Reports::new(),
            decisions_by_row: [0; ROWS as usize + 1],
            delivers_sent: 0,
            configuration,
        })
    }

    /// A shard comes to the thread, in this place; `own` was made for it.
    ///
    /// # Panics
    /// When there is one in that place.
    pub fn open(&mut self, place: usize, own: InNetwork) {
        if self.others.len() <= place {
            self.others.resize_with(place + 1, || None);
        }
        assert!(self.lent_to != place && self.others[place].is_none(), "a place has one shard");
        self.others[place] = Some(own);
        self.shards += 1;
    }

    /// The shard in this place leaves the thread: nothing comes back of what it has under way.
    pub fn close(&mut self, place: usize) {
        self.lend_to(place);
        let mut own = std::mem::replace(&mut self.own, InNetwork::with_room(0, false, 0));
        self.lent_to = NOBODY;
        self.shards -= 1;
        while let Some(slot) = own.delays.pop(EvenMs::new(u64::MAX)) {
            self.free.push(slot);
        }
        while let Some((slot, ..)) = own.deferred.pop(EvenMs::new(u64::MAX)) {
            self.free.push(slot);
        }
    }

    /// Whatever is asked of the network from now on, the shard in this place asks.
    ///
    /// # Panics
    /// When there is none.
    #[inline]
    pub fn lend_to(&mut self, place: usize) {
        if self.lent_to != place {
            self.pass_to(place);
        }
    }

    fn pass_to(&mut self, place: usize) {
        let Some(next) = self.others.get_mut(place).and_then(Option::take) else {
            panic!("the network is lent to the shard in place {place}, where there is none");
        };
        let before = std::mem::replace(&mut self.own, next);
        if self.lent_to != NOBODY {
            self.others[self.lent_to] = Some(before);
        }
        self.lent_to = place;
    }

    /// Whether the shard has as many slots as it may while others want some.
    fn has_its_portion(&self) -> bool {
        self.shards > 1 && self.own.taken() > SLOTS_PORTION_OF_FREE * self.free.len()
    }

    /// Changes a line from now on. When that makes it ready and an attempt at it has failed for
    /// absence or memory since its last alert, the HLR raises the alert.
    ///
    /// # Errors
    /// [`TooManyChangedLines`]: the line stays as it was.
    pub fn set_line_state(
        &mut self,
        msn: Msn,
        line: Line,
        now_ms: EvenMs,
    ) -> Result<(), TooManyChangedLines> {
        if self.changed_lines.len() >= CHANGED_LINES_MAX && self.changed_lines.find(msn).is_none() {
            return Err(TooManyChangedLines);
        }
        self.changed_lines.insert(msn, line);
        if line.is_ready() {
            self.own.alerts.raise(msn, now_ms);
        }
        Ok(())
    }

    /// The state of a line at present.
    pub fn line_state(&self, msn: Msn) -> Line {
        self.changed_lines.find(msn).unwrap_or_else(|| self.line_states.find(msn))
    }

    /// Attempts decided so far by each row of the decision table; index 0 is never used.
    pub fn decisions_by_row(&self) -> &[u64; ROWS as usize + 1] {
        &self.decisions_by_row
    }

    /// Attempts submitted and not yet polled, of the shard that it is lent to.
    pub fn in_flight(&self) -> usize {
        self.own.taken()
    }

    /// SMS-DELIVERs sent to terminals so far.
    pub fn delivers_sent(&self) -> u64 {
        self.delivers_sent
    }

    fn carry_out(&mut self, index: u32, now_ms: EvenMs) -> Attempted {
        let slot = &self.slots[index as usize];
        let msn = slot.msn;
        let line = self.line_state(msn);
        let answer = match self.configuration.rates.draw_hlr_failure(&mut self.random) {
            true => HlrAnswer::Failure,
            false => line.answer,
        };
        let decision = gmsc::decide(answer, &slot.terms(), &self.configuration.operators);
        let row = decision.row();
        self.decisions_by_row[usize::from(row)] += 1;
        let mut attempted = match decision {
            Decision::Reject { code, .. } => {
                Attempted::without_delivery(AttemptResult::Refused(code), row)
            }
            Decision::Hold { reason, code_at_expiry, .. } => {
                Attempted::without_delivery(AttemptResult::Held(reason, code_at_expiry), row)
            }
            Decision::Deliver { route, row } => self.deliver(index, line, route, row),
        };
        if matches!(row, 12 | 13) {
            attempted.result = hold_for_packet_roaming(attempted.result);
        }
        self.remember_alert(msn, &attempted, now_ms);
        attempted
    }

    /// Sends the segments by the route's first domain and, where that domain fails, what is left by
    /// its second.
    fn deliver(&mut self, index: u32, line: Line, route: Route, row: u8) -> Attempted {
        let HlrAnswer::Known(state) = line.answer else {
            unreachable!("only a known line is delivered to")
        };
        let drawn =
            self.configuration.rates.draw(&mut self.random, self.slots[index as usize].mask());
        let mut attempted = Attempted::without_delivery(AttemptResult::Delivered, row);
        let mut next = Some(route.first());
        while let Some(domain) = next {
            attempted.domain = Some(domain);
            let strike = match behaviour_in_domain(&state, line.terminal, domain) {
                Terminal::Accepts => drawn,
                behaviour => Some(Strike { mask: u16::MAX, behaviour, is_passing: false }),
            };
            let failure = self.send(index, strike, domain, &mut attempted);
            attempted.result = failure.map_or(AttemptResult::Delivered, AttemptResult::Failed);
            let falls_back = failure.is_some_and(Failure::is_of_the_domain);
            next = route.fallback().filter(|&fallback| falls_back && fallback != domain);
        }
        attempted
    }

    /// Sends what is not yet delivered by one domain, up to the first failure.
    fn send(
        &mut self,
        index: u32,
        strike: Option<Strike>,
        domain: Domain,
        attempted: &mut Attempted,
    ) -> Option<Failure> {
        let slot = &self.slots[index as usize];
        let mut pending = slot.mask() & !attempted.delivered_mask;
        while pending != 0 {
            let segment = pending.trailing_zeros() as usize;
            let behaviour = match strike {
                Some(strike) if strike.mask >> segment & 1 == 1 => strike.behaviour,
                _ => Terminal::Accepts,
            };
            self.delivers_sent += 1;
            let failure = match terminal::answer(behaviour, domain, slot.tpdu(segment)) {
                TerminalAnswer::Acknowledged => {
                    self.reports.put(segment, false, relay::deliver_report_ack);
                    None
                }
                TerminalAnswer::Error(cause) => {
                    self.reports.put(segment, true, |out| relay::deliver_report_error(cause, out));
                    Failure::from_cause(cause)
                }
                TerminalAnswer::None(failure) => Some(failure),
            };
            if failure.is_some() {
                attempted.is_passing = strike.is_some_and(|strike| strike.is_passing);
                return failure;
            }
            attempted.delivered_mask |= 1 << segment;
            pending &= pending - 1;
        }
        None
    }

    /// Lets the reports of an attempt go astray; when its outcome is due, should it have to wait.
    fn lead_reports_astray(
        &mut self,
        index: u32,
        attempted: &mut Attempted,
        now_ms: EvenMs,
    ) -> Option<EvenMs> {
        let fate =
            self.configuration.rates.draw_reports(&mut self.random, attempted.delivered_mask);
        let timeout_ms = self.configuration.scaled(self.configuration.answer_timeout_ms);
        match fate {
            ReportFate::Prompt => None,
            ReportFate::Late(mask) | ReportFate::Lost(mask) => {
                attempted.delivered_mask &= !mask;
                attempted.unanswered_mask = mask;
                attempted.result = AttemptResult::Failed(Failure::SystemFailure);
                if matches!(fate, ReportFate::Late(_)) {
                    let delay_ms = self.configuration.scaled(self.configuration.report_delay_ms);
                    let delay_ms = self.random.below(delay_ms + 1);
                    self.send_reports(index, mask, attempted.domain, now_ms + delay_ms);
                }
                Some(now_ms + timeout_ms)
            }
            ReportFate::Twice => {
                let delay_ms = self.configuration.scaled(self.configuration.report_delay_ms);
                let delay_ms = self.random.below(delay_ms + 1);
                self.send_reports(
                    index,
                    attempted.delivered_mask,
                    attempted.domain,
                    now_ms + delay_ms,
                );
                None
            }
            ReportFate::Early => {
                self.send_reports(index, attempted.delivered_mask, attempted.domain, now_ms);
                Some(now_ms + self.random.below(timeout_ms + 1))
            }
        }
    }

    fn send_reports(&mut self, index: u32, mask: u16, domain: Option<Domain>, due_ms: EvenMs) {
        let slot = &self.slots[index as usize];
        for segment in (0..u16::BITS).filter(|segment| mask >> segment & 1 == 1) {
            let report = PendingReport {
                msn: slot.msn.value(),
                reference: slot.message_reference.wrapping_add(segment as u8),
                scts: slot.scts,
                is_cs: domain == Some(Domain::Cs),
            };
            self.own.status_reports.push(due_ms, report);
        }
    }

    /// What fails for absence or memory waits for the HLR's alert, as does what roams out.
    fn remember_alert(&mut self, msn: Msn, attempted: &Attempted, now_ms: EvenMs) {
        let waits = match attempted.result {
            AttemptResult::Held(reason, _) => {
                matches!(
                    reason,
                    HoldReason::Absent | HoldReason::MemoryFull | HoldReason::PacketRoamingOut
                )
            }
            AttemptResult::Failed(failure) => {
                matches!(failure, Failure::Absent | Failure::MemoryFull)
            }
            AttemptResult::Delivered
            | AttemptResult::Refused(_)
            | AttemptResult::HandedOver
            | AttemptResult::Returned
            | AttemptResult::Doubted => false,
        };
        if waits {
            let returns_after_ms = self.configuration.scaled(self.configuration.returns_after_ms);
            let due_ms =
                (attempted.is_passing && returns_after_ms > 0).then(|| now_ms + returns_after_ms);
            self.own.alerts.await_line(msn, due_ms);
        }
    }
}

impl Network for SimulatedNetwork {
    fn slots(&self) -> usize {
        self.slots.len().div_ceil(self.shards.max(1))
    }

    fn reserve(&mut self, _route: u8) -> Option<AttemptHandle> {
        if self.has_its_portion() {
            return None;
        }
        let index = self.free.pop()?;
        self.slots[index as usize].clear();
        Some(AttemptHandle(index))
    }

    fn slot(&mut self, handle: &AttemptHandle) -> &mut AttemptSlot {
        &mut self.slots[handle.0 as usize]
    }

    fn submit(&mut self, handle: AttemptHandle, now_ms: EvenMs) {
        assert!(self.slots[handle.0 as usize].mask() != 0, "an attempt sends at least one segment");
        let jitter_ms = match self.configuration.latency_jitter_ms {
            0 => 0,
            jitter_ms => self.random.below(jitter_ms + 1),
        };
        let latency_ms = self.configuration.scaled(self.configuration.latency_ms + jitter_ms);
        self.own.delays.push(now_ms + latency_ms, handle.0);
    }

    fn release(&mut self, handle: AttemptHandle) {
        self.free.push(handle.0);
    }

    fn poll(&mut self, now_ms: EvenMs) -> Option<AttemptOutcome<'_>> {
        let (index, attempted) = loop {
            if let Some((index, attempted, reports)) = self.own.deferred.pop(now_ms) {
                self.reports = *reports;
                break (index, attempted);
            }
            let index = self.own.delays.pop(now_ms)?;
            if let Some(next) = self.own.delays.next_slot() {
                prefetch(&self.slots[next as usize]);
            }
            self.reports.clear();
            let mut attempted = self.carry_out(index, now_ms);
            match self.lead_reports_astray(index, &mut attempted, now_ms) {
                None => break (index, attempted),
                Some(due_ms) => {
                    let reports = std::mem::take(&mut self.reports);
                    self.own.deferred.push(due_ms, index, attempted, reports);
                }
            }
        };
        // The outcome borrows the network, so nobody can reserve the slot while the outcome is
        // read.
        self.free.push(index);
        let slot = &self.slots[index as usize];
        Some(AttemptOutcome {
            token: slot.token,
            msn: slot.msn,
            result: attempted.result,
            domain: attempted.domain,
            row: attempted.row,
            delivered_mask: attempted.delivered_mask,
            unanswered_mask: attempted.unanswered_mask,
            taken_mask: 0,
            carrier: 0,
            ids: &[],
            reports: &self.reports,
        })
    }

    fn next_token(&self) -> Option<AttemptToken> {
        self.own.delays.next_slot().map(|slot| self.slots[slot as usize].token)
    }

    fn reports(&mut self, now_ms: EvenMs) -> Option<StatusReport<'_>> {
        self.own.status_reports.pop(now_ms)
    }

    fn await_reachable(&mut self, msn: Msn, now_ms: EvenMs) {
        let is_ready = self.line_state(msn).is_ready();
        self.own.alerts.await_line(msn, is_ready.then_some(now_ms));
    }

    fn reachable(&mut self, now_ms: EvenMs) -> Option<Msn> {
        self.own.alerts.pop(now_ms)
    }

    fn next_due_ms(&self) -> Option<EvenMs> {
        [
            self.own.delays.next_due_ms(),
            self.own.alerts.next_due_ms(),
            self.own.deferred.next_due_ms(),
            self.own.status_reports.next_due_ms(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// More lines are to be changed than one simulated network keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{CHANGED_LINES_MAX} lines have been changed already; put further states into the line-state \
     file"
)]
pub struct TooManyChangedLines;

/// What one attempt came to.
#[derive(Clone, Copy)]
struct Attempted {
    result: AttemptResult,
    domain: Option<Domain>,
    row: u8,
    delivered_mask: u16,
    unanswered_mask: u16,
    /// The failure was drawn for this attempt only and is not the line's state.
    is_passing: bool,
}

impl Attempted {
    fn without_delivery(result: AttemptResult, row: u8) -> Self {
        Self { result, domain: None, row, delivered_mask: 0, unanswered_mask: 0, is_passing: false }
    }
}

/// The terminal's behaviour as seen through one domain.
fn behaviour_in_domain(line: &LineState, terminal: Terminal, domain: Domain) -> Terminal {
    let available = match domain {
        Domain::Cs => line.cs_available(),
        Domain::Ps => line.ps_available(),
        Domain::Carrier => false,
    };
    if !available {
        return Terminal::Absent;
    }
    if line.memory_full { Terminal::MemoryFull } else { terminal }
}

/// Rows 12 and 13 leave the packet network only: what fails there for now is held, and at expiry it
/// is 5004.
fn hold_for_packet_roaming(result: AttemptResult) -> AttemptResult {
    match result {
        AttemptResult::Failed(
            Failure::Absent | Failure::MemoryFull | Failure::Busy | Failure::SystemFailure,
        ) => AttemptResult::Held(HoldReason::PacketRoamingOut, Code::PACKET_ROAMING_OUT),
        other => other,
    }
}
