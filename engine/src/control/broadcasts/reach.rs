//! How many recipients were reached when: a curve of few points, and its pauses.
//!
//! **Never here:** clocks. Times are milliseconds since the first start. **Invariants:** the curve
//! never falls and has at most [`CURVE_POINTS_MAX`] points; what is dropped is what changes its
//! form least, so it is finer where it bends.

use serde::{Deserialize, Serialize};

/// Points of a curve.
pub(super) const CURVE_POINTS_MAX: usize = 64;
/// Pauses that are told apart; a later one counts as part of the last.
pub(super) const PAUSES_MAX: usize = 100;

/// The curve.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReachCurve {
    /// Milliseconds since the start, and rows delivered until then.
    points: Vec<(u64, u64)>,
    /// From when until when nothing was attempted.
    pauses: Vec<(u64, u64)>,
}

impl ReachCurve {
    /// A curve of these points, which rise.
    pub(super) fn of(points: Vec<(u64, u64)>) -> Self {
        let mut reach = Self::default();
        points.into_iter().for_each(|(at_ms, reached)| reach.note(at_ms, reached, false));
        reach
    }

    /// The points.
    pub fn points(&self) -> &[(u64, u64)] {
        &self.points
    }

    /// So many were reached by now.
    pub(super) fn note(&mut self, at_ms: u64, reached: u64, is_paused: bool) {
        let before = self.points.last().copied().unwrap_or_default();
        let (at_ms, reached) = (at_ms.max(before.0), reached.max(before.1));
        if is_paused {
            self.note_pause(before.0, at_ms);
        }
        if self.points.is_empty() && at_ms > 0 {
            self.points.push((0, 0));
        }
        match self.points.as_mut_slice() {
            // A level part is two points, and a moment is one.
            [.., (_, earlier), (last_ms, last)] if *earlier == reached && *last == reached => {
                *last_ms = at_ms;
            }
            [.., (last_ms, last)] if *last_ms == at_ms => *last = reached,
            _ => self.points.push((at_ms, reached)),
        }
        if self.points.len() > CURVE_POINTS_MAX {
            self.drop_one();
        }
    }

    /// Takes another curve's points, and keeps its own pauses.
    pub(super) fn replace(&mut self, other: Self) {
        self.points = other.points;
    }

    fn note_pause(&mut self, from_ms: u64, until_ms: u64) {
        let is_full = self.pauses.len() >= PAUSES_MAX;
        match self.pauses.last_mut() {
            Some((_, end)) if *end == from_ms || is_full => *end = until_ms,
            _ => self.pauses.push((from_ms, until_ms)),
        }
    }

    /// Drops the point between whose neighbours the line differs least from it.
    fn drop_one(&mut self) {
        let area = |three: &[(u64, u64)]| {
            let [a, b, c] = [0, 1, 2].map(|at| (three[at].0 as i128, three[at].1 as i128));
            ((b.0 - a.0) * (c.1 - a.1) - (c.0 - a.0) * (b.1 - a.1)).unsigned_abs()
        };
        let areas = self.points.windows(3).map(area).enumerate();
        if let Some((at, _)) = areas.min_by_key(|(_, area)| *area) {
            self.points.remove(at + 1);
        }
    }

    /// When so many were reached, in milliseconds since the start; between two points as on a line.
    pub(super) fn first_at(&self, wanted: u64) -> Option<u64> {
        let at = self.points.iter().position(|(_, reached)| *reached >= wanted && wanted > 0)?;
        let (end_ms, end) = self.points[at];
        let Some((from_ms, from)) = at.checked_sub(1).map(|before| self.points[before]) else {
            return Some(end_ms);
        };
        let part = u128::from(end_ms - from_ms) * u128::from(wanted - from);
        Some(from_ms + part.div_ceil(u128::from(end - from).max(1)) as u64)
    }

    /// Milliseconds until then in which nothing was paused.
    pub(super) fn running_ms(&self, at_ms: u64) -> u64 {
        let within =
            self.pauses.iter().map(|(from, until)| until.min(&at_ms).saturating_sub(*from));
        at_ms.saturating_sub(within.sum())
    }

    /// Milliseconds of pauses.
    pub(super) fn paused_ms(&self) -> u64 {
        self.pauses.iter().map(|(from, until)| until - from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_keeps_its_bends_and_its_ends_whatever_is_dropped() {
        let mut reach = ReachCurve::default();
        let reached = |at_ms: u64| if at_ms < 50_000 { at_ms * 3 } else { 150_000 + at_ms / 10 };
        for at_ms in (0..200_000).step_by(100) {
            reach.note(at_ms, reached(at_ms), false);
        }
        assert!(reach.points().len() <= CURVE_POINTS_MAX, "{}", reach.points().len());
        assert_eq!(reach.points().last(), Some(&(199_900, reached(199_900))));
        assert!(reach.points().windows(2).all(|pair| pair[0].1 <= pair[1].1));
        for at_ms in [10_000, 49_900, 60_000, 150_000] {
            let found = reach.first_at(reached(at_ms)).expect("reached");
            assert!(found.abs_diff(at_ms) <= 200, "{found} for {at_ms}");
        }
        assert_eq!(reach.first_at(1_000_000), None);
        assert_eq!(reach.first_at(0), None);
    }

    #[test]
    fn what_is_level_takes_two_points_and_nothing_falls() {
        let mut reach = ReachCurve::default();
        for at_ms in 1..1_000 {
            reach.note(at_ms, 7, false);
        }
        reach.note(1_000, 3, false);
        assert_eq!(reach.points(), [(0, 0), (1, 7), (1_000, 7)]);
    }

    #[test]
    fn times_are_told_with_pauses_and_without() {
        let mut reach = ReachCurve::default();
        for (at_ms, reached, is_paused) in [
            (1_000, 10, false),
            (2_000, 10, true),
            (3_000, 10, true),
            (4_000, 20, false),
            (5_000, 20, true),
        ] {
            reach.note(at_ms, reached, is_paused);
        }
        assert_eq!(reach.paused_ms(), 3_000);
        assert_eq!(
            [1_000, 2_500, 4_000].map(|at_ms| reach.running_ms(at_ms)),
            [1_000, 1_000, 2_000]
        );
        assert_eq!(reach.first_at(20), Some(4_000));
    }

    #[test]
    fn pauses_without_end_are_bounded() {
        let mut reach = ReachCurve::default();
        for at_ms in 0..1_000 {
            reach.note(2 * at_ms, at_ms, false);
            reach.note(2 * at_ms + 1, at_ms, true);
        }
        assert!(reach.pauses.len() <= PAUSES_MAX && reach.points.len() <= CURVE_POINTS_MAX);
    }
}
