//! What the simulated network is told: how long it takes and how often it fails.

use crate::network::limits::{
    ALERTS_WAITING_DEFAULT, ANSWER_TIMEOUT_MS_DEFAULT, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX,
    REPORT_DELAY_MS_DEFAULT, SIMULATED_DELAY_MS_MAX,
};
use crate::network::outcome_rates::{OutcomeRates, PARTS};
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
    /// How long an answer is waited for that does not come, in milliseconds: the attempt has timed
    /// out then.
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

/// A configured value out of its range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// Attempts in flight.
    #[error("{0} attempts in flight cannot be simulated; set 1 to {IN_FLIGHT_MAX}")]
    InFlight(usize),
    /// The sum of the rates.
    #[error(
        "the outcome rates add up to {0} parts per million; set them to {PARTS} or less in all"
    )]
    Rates(u64),
    /// The time scale.
    #[error("a time scale of 0 is no time; set 1 for real time or more to run faster")]
    TimeScale,
    /// A latency, a jitter or an absence.
    #[error("{0} ms is too long for a simulated time; set {SIMULATED_DELAY_MS_MAX} ms or less")]
    TooLong(u64),
}
