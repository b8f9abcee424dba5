//! How often the simulated network does something else than deliver: rates as settings name them,
//! and what is drawn.

use crate::network::line_states::Terminal;
use crate::network::random::Random;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::str::FromStr;

/// A rate that strikes every attempt.
pub(super) const PARTS: u64 = 1_000_000;

/// Failures in parts per million of the attempts that would deliver, drawn once an attempt.
/// Settings give them by name, each from 0 to 1; together they are at most 1, but for the HLR's,
/// which is drawn by itself, and the four of the reports, which are drawn together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, f64>")]
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
    /// The reports of some segments come by themselves, before the attempt has timed out for want
    /// of them or after. This and the three that follow are drawn by themselves, of all attempts in
    /// which something arrived.
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
    pub(super) fn sum(&self) -> u64 {
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

    pub(super) fn reports_sum(&self) -> u64 {
        [self.report_late, self.report_lost, self.report_twice, self.report_early]
            .map(u64::from)
            .iter()
            .sum()
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

/// What each rate is called in settings.
const NAMES: [&str; 11] = [
    "absent",
    "memory-full",
    "busy",
    "failing",
    "protocol-error",
    "ps-failing",
    "hlr-failing",
    "report-late",
    "report-lost",
    "report-twice",
    "report-early",
];

impl OutcomeRates {
    fn in_order(&mut self) -> [&mut u32; NAMES.len()] {
        [
            &mut self.absent,
            &mut self.memory_full,
            &mut self.busy,
            &mut self.system_failure,
            &mut self.protocol_error,
            &mut self.ps_failure,
            &mut self.hlr_failure,
            &mut self.report_late,
            &mut self.report_lost,
            &mut self.report_twice,
            &mut self.report_early,
        ]
    }

    /// Each rate by its name in settings, from 0 to 1.
    pub fn named(mut self) -> Vec<(&'static str, f64)> {
        let rates = self.in_order().map(|rate| f64::from(*rate) / PARTS as f64);
        NAMES.into_iter().zip(rates).collect()
    }

    fn set(&mut self, name: &str, rate: f64) -> Result<(), String> {
        let Some(at) = NAMES.iter().position(|known| *known == name) else {
            return Err(format!("{name} is not an outcome: use {}", NAMES.join(", ")));
        };
        if !(0.0..=1.0).contains(&rate) {
            return Err(format!("the rate of {name} is {rate}, which is not from 0 to 1"));
        }
        *self.in_order()[at] = (rate * PARTS as f64).round() as u32;
        Ok(())
    }

    /// Whether the rates that are drawn together come to no more than 1.
    fn check_sums(&self) -> Result<(), String> {
        match self.sum().max(self.reports_sum()) {
            0..=PARTS => Ok(()),
            over => {
                Err(format!("the rates add up to {}, which is over 1", over as f64 / PARTS as f64))
            }
        }
    }
}

impl TryFrom<BTreeMap<String, f64>> for OutcomeRates {
    type Error = String;

    fn try_from(given: BTreeMap<String, f64>) -> Result<Self, String> {
        let mut rates = Self::default();
        given.iter().try_for_each(|(name, &rate)| rates.set(name, rate))?;
        rates.check_sums()?;
        Ok(rates)
    }
}

impl FromStr for OutcomeRates {
    type Err = String;

    /// Reads `NAME=RATE,NAME=RATE`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut rates = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, rate) =
                part.split_once('=').ok_or_else(|| format!("{part} is not NAME=RATE"))?;
            let rate =
                rate.trim().parse().map_err(|_| format!("{rate} is not a number from 0 to 1"))?;
            rates.set(name.trim(), rate)?;
        }
        rates.check_sums()?;
        Ok(rates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rate_is_read_by_its_name_and_nothing_else_is() {
        for (at, name) in NAMES.iter().enumerate() {
            let mut rates: OutcomeRates = format!(" {name} = 0.25 ,").parse().expect("a rate");
            for (other, rate) in rates.in_order().into_iter().enumerate() {
                assert_eq!(*rate, if other == at { 250_000 } else { 0 }, "{name}");
            }
            let given = BTreeMap::from([((*name).to_owned(), 0.25)]);
            assert_eq!(OutcomeRates::try_from(given), Ok(rates));
        }
        for (text, fault) in [
            ("absent", "NAME=RATE"),
            ("absent=much", "a number from 0 to 1"),
            ("absent=1.1", "the rate of absent is 1.1"),
            ("busy=-0.1", "the rate of busy is -0.1"),
            ("busy=NaN", "the rate of busy is NaN"),
            ("missing=0.1", "missing is not an outcome: use absent, memory-full"),
            ("absent=0.7,busy=0.7", "add up to 1.4"),
            ("report-late=0.7,report-lost=0.7", "add up to 1.4"),
        ] {
            let said = text.parse::<OutcomeRates>().expect_err(text);
            assert!(said.contains(fault), "{text}: {said}");
        }
        let apart = "absent=1,hlr-failing=1,report-late=1";
        assert!(apart.parse::<OutcomeRates>().is_ok(), "the three are drawn by themselves");
    }
}
