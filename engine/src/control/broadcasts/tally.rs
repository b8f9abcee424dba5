//! What became of all rows, counted one by one from their words: by code, area and language.
//!
//! **Invariant:** all rows are in it: its outcomes add up to the targeted.

use std::collections::BTreeMap;

use super::reach::{CURVE_POINTS_MAX, ReachCurve};
use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::recipients::Recipients;
use crate::shard::is_row_billed;
use wire::terms::time::WallMs;

/// Rows of one area or language.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Part {
    pub(super) targeted: u64,
    pub(super) delivered: u64,
    /// Those that have not ended.
    pub(super) open: u64,
}

impl Part {
    fn count(&mut self, outcome: Outcome) {
        self.targeted += 1;
        self.delivered += u64::from(outcome == Outcome::Delivered);
        self.open += u64::from(!outcome.is_final());
    }

    /// Rows that have ended and not arrived.
    pub(super) fn lost(&self) -> u64 {
        self.targeted - self.delivered - self.open
    }
}

/// All rows of a broadcast, counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    /// When.
    pub(super) at_ms: WallMs,
    /// Rows by outcome and code; 0 is none.
    pub(super) reasons: BTreeMap<(Outcome, u16), u64>,
    pub(super) areas: BTreeMap<String, Part>,
    pub(super) languages: BTreeMap<String, Part>,
    /// Segments that arrived.
    pub(super) segments: u64,
    /// Rows that the books have.
    pub(super) billed: u64,
    /// Rows by attempts, 0 to 15 and more.
    pub(super) attempts: [u64; 16],
    /// Rows delivered, by second since the start.
    seconds: BTreeMap<u32, u64>,
}

impl Tally {
    /// Attempts behind the first of a row.
    pub(super) fn retries(&self) -> u64 {
        (0..)
            .zip(self.attempts)
            .map(|(attempts, rows): (u64, u64)| attempts.saturating_sub(1) * rows)
            .sum()
    }

    /// Counts the words of these recipients.
    pub(super) fn of(recipients: &Recipients, words: &[u32], at_ms: WallMs) -> Self {
        let mut tally = Self { at_ms, ..Self::default() };
        let mut languages: BTreeMap<u16, Part> = BTreeMap::new();
        for run in recipients.runs() {
            let mut part = Part::default();
            for number in run.first..run.first + run.rows {
                let word = words.get(number as usize).copied().and_then(RowWord::from_bits);
                let Some(word) = word else { continue };
                *tally.reasons.entry((word.outcome, word.code)).or_default() += 1;
                part.count(word.outcome);
                languages.entry(recipients.row(number).language).or_default().count(word.outcome);
                tally.segments += u64::from(word.segments);
                tally.billed += u64::from(is_row_billed(word));
                tally.attempts[usize::from(word.attempts.min(15))] += 1;
                if word.outcome == Outcome::Delivered {
                    *tally.seconds.entry(word.seconds).or_default() += 1;
                }
            }
            let area = tally.areas.entry(named(recipients.area(run.area), "unknown")).or_default();
            area.targeted += part.targeted;
            area.delivered += part.delivered;
            area.open += part.open;
        }
        let by_tag = languages.into_iter();
        tally.languages = by_tag
            .map(|(number, part)| (named(recipients.language(number), "none"), part))
            .collect();
        tally
    }

    /// All of them.
    pub(super) fn rows(&self) -> u64 {
        self.reasons.values().sum()
    }

    /// How many were reached when, by the second: what is left of a curve when the engine was
    /// stopped meanwhile.
    pub(super) fn reach(&self) -> ReachCurve {
        let mut reached = 0;
        let step = self.seconds.len().div_ceil(CURVE_POINTS_MAX).max(1);
        let points = self.seconds.iter().map(|(second, rows)| {
            reached += rows;
            (u64::from(second + 1) * 1_000, reached)
        });
        let points: Vec<(u64, u64)> = points.collect();
        let last = points.last().copied();
        ReachCurve::of(points.into_iter().step_by(step).chain(last).collect())
    }
}

fn named(name: &str, otherwise: &str) -> String {
    if name.is_empty() { otherwise.to_owned() } else { name.to_owned() }
}
