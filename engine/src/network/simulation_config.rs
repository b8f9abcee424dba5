//! What the simulated network is told: how long it takes and how often it fails.

use crate::network::limits::{
    ALERTS_WAITING_DEFAULT, ANSWER_TIMEOUT_MS_DEFAULT, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX,
    REPORT_DELAY_MS_DEFAULT, SIMULATED_DELAY_MS_MAX,
};
use crate::network::line_states::Terminal;
use crate::network::random::Random;
use crate::network::subscriber::OperatorTable;

/// The simulated network's configuration.
#[derive(Clone, Debug)]
pub struct SimulationConfig {
    /// From submission to outcome, in milliseconds; 0 = due at once.
    pub latency_ms: u64,
    /// Added to the latency, uniform from 0 to this, in milliseconds.
    pub latency_jitter_ms: u64,
    /// Failures drawn for lines whose state would deliver.
    pub rates: OutcomeRates,
    /// How long after a drawn absence or full memory the alert comes, in milliseconds; 0 = never.
    pub returns_after_ms: u64,
    /// How long an answer is waited for that does not come, in milliseconds: the attempt has timed out then.
    pub answer_timeout_ms: u64,
    /// The longest that a report which comes by itself is on its way, in milliseconds.
    pub report_delay_ms: u64,
    /// Seed of all that is drawn.
    pub seed: u64,
    /// Attempts in flight at once, 1 to 65,536.
    pub in_flight_max: usize,
    /// Lines that an alert can be owed to at once.
    pub alerts_waiting_max: usize,
    /// Divides every time above: 60 makes a minute a second. At least 1.
    pub time_scale: u64,
    /// The rule of each visited operator.
    pub operators: OperatorTable,
}

impl Default for SimulationConfig {
    /// Delivers at once, never fails of itself.
    fn default() -> Self {
        Self {
            latency_ms: 0,
            latency_jitter_ms: 0,
            rates: OutcomeRates::default(),
            returns_after_ms: 0,
            answer_timeout_ms: ANSWER_TIMEOUT_MS_DEFAULT,
            report_delay_ms: REPORT_DELAY_MS_DEFAULT,
            seed: 1,
            in_flight_max: IN_FLIGHT_DEFAULT,
            alerts_waiting_max: ALERTS_WAITING_DEFAULT,
            time_scale: 1,
            operators: OperatorTable::default(),
        }
    }
}

impl SimulationConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first value out of its range.
    pub fn check(&self) -> Result<(), ConfigurationError> {
        if !(1..=IN_FLIGHT_MAX).contains(&self.in_flight_max) {
            return Err(ConfigurationError::InFlight(self.in_flight_max));
        }
        let rates = &self.rates;
        let most = rates.sum().max(rates.reports_sum()).max(rates.hlr_failure.into());
        if most > PARTS {
            return Err(ConfigurationError::Rates(most));
        }
        if self.time_scale == 0 {
            return Err(ConfigurationError::TimeScale);
        }
        let times = [
            self.latency_ms,
            self.latency_jitter_ms,
            self.returns_after_ms,
            self.answer_timeout_ms,
            self.report_delay_ms,
        ];
        if let Some(&long) = times.iter().find(|&&time| time > SIMULATED_DELAY_MS_MAX) {
            return Err(ConfigurationError::TooLong(long));
        }
        Ok(())
    }

    /// A simulated time in real milliseconds.
    pub(crate) fn scaled(&self, time_ms: u64) -> u64 {
        if self.time_scale == 1 { time_ms } else { time_ms / self.time_scale }
    }
}

const PARTS: u64 = 1_000_000;

/// Failures in parts per million of the attempts that would deliver, drawn once an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutcomeRates {
    /// No answer to the page.
    pub absent: u32,
    /// Memory capacity exceeded.
    pub memory_full: u32,
    /// Subscriber busy.
    pub busy: u32,
    /// System failure of the serving network.
    pub system_failure: u32,
    /// Protocol error.
    pub protocol_error: u32,
    /// System failure of the packet network alone: CS delivers where the route falls back on it.
    pub ps_failure: u32,
    /// The HLR does not answer. Drawn by itself, of all attempts.
    pub hlr_failure: u32,
    /// The reports of some segments come by themselves, before the attempt has timed out for want of them or after.
    /// This and the three that follow are drawn by themselves, of all attempts in which something arrived.
    pub report_late: u32,
    /// The reports of some segments never come.
    pub report_lost: u32,
    /// The reports come once more.
    pub report_twice: u32,
    /// The reports come before the attempt's outcome.
    pub report_early: u32,
}

/// What becomes of the reports of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReportFate {
    /// They come with its outcome.
    Prompt,
    /// Those of these segments come by themselves.
    Late(u16),
    /// Those of these segments never come.
    Lost(u16),
    /// They come with its outcome and once more.
    Twice,
    /// They come before its outcome.
    Early,
}

/// A drawn failure and the segments it strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Strike {
    pub(crate) mask: u16,
    pub(crate) behaviour: Terminal,
    /// Drawn for this attempt only, not the line's state.
    pub(crate) is_passing: bool,
}

impl OutcomeRates {
    fn sum(&self) -> u64 {
        self.table().iter().map(|&(rate, _)| u64::from(rate)).sum()
    }

    fn table(&self) -> [(u32, Terminal); 6] {
        [
            (self.absent, Terminal::Absent),
            (self.memory_full, Terminal::MemoryFull),
            (self.busy, Terminal::Busy),
            (self.system_failure, Terminal::SystemFailure),
            (self.protocol_error, Terminal::ProtocolError),
            (self.ps_failure, Terminal::PsFailure),
        ]
    }

    /// Whether the HLR fails to answer this attempt.
    pub(crate) fn draw_hlr_failure(&self, random: &mut Random) -> bool {
        self.hlr_failure > 0 && random.below(PARTS) < u64::from(self.hlr_failure)
    }

    fn reports_sum(&self) -> u64 {
        [self.report_late, self.report_lost, self.report_twice, self.report_early].map(u64::from).iter().sum()
    }

    /// Draws what becomes of the reports of the segments that arrived.
    pub(crate) fn draw_reports(&self, random: &mut Random, arrived: u16) -> ReportFate {
        if self.reports_sum() == 0 || arrived == 0 {
            return ReportFate::Prompt;
        }
        let mut drawn = random.below(PARTS);
        for (rate, fate) in [
            (self.report_late, ReportFate::Late as fn(u16) -> ReportFate),
            (self.report_lost, ReportFate::Lost),
            (self.report_twice, |_| ReportFate::Twice),
            (self.report_early, |_| ReportFate::Early),
        ] {
            if drawn < u64::from(rate) {
                let some = arrived & random.next() as u16;
                return fate(if some == 0 { arrived } else { some });
            }
            drawn -= u64::from(rate);
        }
        ReportFate::Prompt
    }

    /// Draws one attempt's fate: mostly none; else a failure from one of its `segments` on.
    pub(crate) fn draw(&self, random: &mut Random, segments: u16) -> Option<Strike> {
        if self.table().iter().all(|&(rate, _)| rate == 0) {
            return None;
        }
        let mut drawn = random.below(PARTS);
        for (rate, behaviour) in self.table() {
            if drawn < u64::from(rate) {
                let mut mask = segments;
                for _ in 0..random.below(u64::from(segments.count_ones().max(1))) {
                    mask &= mask - 1;
                }
                return Some(Strike { mask, behaviour, is_passing: true });
            }
            drawn -= u64::from(rate);
        }
        None
    }
}

/// A configured value out of its range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// Attempts in flight.
    #[error("{0} attempts in flight cannot be simulated; set 1 to {IN_FLIGHT_MAX}")]
    InFlight(usize),
    /// The sum of the rates.
    #[error("the outcome rates add up to {0} parts per million; set them to {PARTS} or less in all")]
    Rates(u64),
    /// The time scale.
    #[error("a time scale of 0 is no time; set 1 for real time or more to run faster")]
    TimeScale,
    /// A latency, a jitter or an absence.
    #[error("{0} ms is too long for a simulated time; set {SIMULATED_DELAY_MS_MAX} ms or less")]
    TooLong(u64),
}
