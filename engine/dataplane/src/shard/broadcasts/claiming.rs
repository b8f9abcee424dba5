//! How many rows are claimed ahead of their turns: as many as are taken in the time that a commit
//! needs, and no more than the pace lets through and the journal has room for.
//!
//! **Never here:** which rows are the next: `broadcast::claims` knows. **Invariant:** whoever waits
//! for its commits has no smaller window than another of its class, each for its weight.

use super::by_route::ByRoute;
use super::{Part, Shard, class_place};
use crate::billing::Log;
use crate::broadcast::life::Life;
use crate::broadcast::limits::{
    CLAIMED_AHEAD_CARRIERS_MIN, CLAIMED_AHEAD_LEFT_MAX, CLAIMED_AHEAD_MAX, CLAIMED_AHEAD_MIN,
    CLAIMED_AHEAD_MS, CLAIMED_AHEAD_MS_MAX, JOURNAL_OCTETS_PER_ROW, PIECE_ROWS,
};
use crate::broadcast::slice::OnDoubt;
use wire::terms::ids::Class;
use wire::terms::time::{SteadyMs, WallMs};

/// Octets of the journal beside what rows need, so that claims have their own.
const CLAIM_OCTETS: u64 = 8_192;
const SECOND_MS: u64 = 1_000;

/// How long claims take to become durable.
#[derive(Default)]
pub(super) struct ClaimTimes {
    /// The sequence behind which the oldest stand of which that is not known, and since when.
    under_way: Option<(u64, SteadyMs)>,
    /// What the last ones took.
    took_ms: u64,
    /// As many as went out meanwhile, by what was taken in the last second.
    at_last: u32,
}

impl ClaimTimes {
    /// Claims are durable once this sequence is, and are begun now.
    fn begin(&mut self, sequence: u64, now: SteadyMs) {
        self.under_way.get_or_insert((sequence, now));
    }

    fn see_durable(&mut self, durable: u64, now: SteadyMs) {
        if let Some((_, since)) = self.under_way.take_if(|(sequence, _)| *sequence <= durable) {
            self.took_ms = now.since(since);
        }
    }

    /// As many rows as go out while claims become durable, twice over, at so many a second. Half of
    /// them are claimed anew while the other half goes.
    fn ahead_at(&self, per_second: u32) -> u32 {
        let in_ms = (2 * self.took_ms).clamp(CLAIMED_AHEAD_MS, CLAIMED_AHEAD_MS_MAX);
        (u64::from(per_second) * in_ms / SECOND_MS).min(CLAIMED_AHEAD_MAX.into()) as u32
    }
}

impl<L: Log> Shard<L> {
    /// Claims rows ahead, as many as the pace at which they are taken wants, and the journal has
    /// room for. `window` is what others of its class claim for each of their weight.
    pub(super) fn claim(
        &mut self,
        part: &mut Part,
        (by_route, window): (&ByRoute, u32),
        promised: &mut u64,
        now_ms: WallMs,
    ) {
        let steady = self.pace.steady(now_ms);
        part.rebalance(steady);
        part.claims.see_durable(self.durable(), steady);
        let (fed, since_ms) = part.fed;
        if now_ms.abs_diff(since_ms) >= SECOND_MS {
            // What waits behind a lane that is full is in doubt after a crash as well.
            let least = match part.goes_by_carriers() {
                true => CLAIMED_AHEAD_CARRIERS_MIN,
                false => CLAIMED_AHEAD_MIN,
            };
            part.claims.at_last = part.claims.ahead_at(fed);
            part.ahead = part.ahead.min(part.claims.at_last.max(least));
            part.fed = (0, now_ms);
        }
        let most = part.claimed_ahead_max(by_route);
        // Once for each time that claims became durable: no sooner can anybody know whether they
        // were too few.
        let is_known = self.durable() >= part.grown_at;
        if std::mem::take(&mut part.is_starved) && is_known {
            let fair = match part.goes_by_carriers() {
                // Its carriers give it its share, whatever others have claimed.
                true => 0,
                false => window.saturating_mul(u32::from(part.broadcast.terms.pace.weight)),
            };
            part.grown_at = self.journal.appended() + 1;
            part.ahead = (part.ahead * 2).max(fair).min(most);
        }
        // What a pace lets through until the next claims are durable is enough.
        let paced = part.bucket.rate(steady);
        let paced = paced.map_or(most, |rate| part.claims.ahead_at(rate).max(1));
        part.ahead = part.ahead.min(paced.max(CLAIMED_AHEAD_MIN)).min(most);
        let ahead = part.ahead.min(paced);
        if part.slice.life() != Life::Running {
            return;
        }
        let wanted = ahead.saturating_sub(part.slice.claimed_ahead() as u32);
        // What was claimed before is promised already.
        let octets = *promised + u64::from(wanted) * JOURNAL_OCTETS_PER_ROW;
        let is_worth_it = wanted >= (ahead / 2).clamp(1, PIECE_ROWS);
        if is_worth_it && self.journal.has_room_for_rows(octets + CLAIM_OCTETS) {
            let before = part.slice.claimed_ahead();
            match &mut part.areas {
                None => part.slice.claim(wanted),
                Some(areas) => {
                    if areas.is_due(steady) {
                        let granted = |run, rows| areas.grant(run, rows, steady);
                        part.slice.claim_within(wanted, granted);
                    }
                }
            }
            *promised = octets;
            // Nobody waits for what is claimed where areas let none through.
            if part.slice.claimed_ahead() > before {
                part.claims.begin(self.journal.appended() + 1, steady);
            }
        }
    }
}

impl Part {
    /// The most that is claimed ahead. Where all of its rows go by carriers that is what their
    /// lanes have room for, or what was taken while claims became durable: what carriers take at
    /// once while their windows fill is no measure of what they take then.
    fn claimed_ahead_max(&self, by_route: &ByRoute) -> u32 {
        let most = match self.on_doubt {
            OnDoubt::Again => CLAIMED_AHEAD_MAX,
            // What a crash leaves in doubt would never be sent.
            OnDoubt::Leave => CLAIMED_AHEAD_LEFT_MAX,
        };
        match self.room_in_lanes(by_route) {
            None => most,
            Some(room) => most.min(self.claims.at_last.max(room as u32)),
        }
    }
}

/// For each class the most that one of its broadcasts claims ahead for each of its weight: whoever
/// of them has too few may have as much. Where commits are what rows wait for, shares are as
/// windows are; and who begins beside another is not held back until its own window has grown.
/// What waits for the pace of areas, or for another broadcast's rows, has too few for ever, and is
/// no measure.
pub(super) fn windows_of(parts: &[Part]) -> [u32; Class::BY_WEIGHT.len()] {
    let mut windows = [0; Class::BY_WEIGHT.len()];
    let waits_for_commits = |part: &&Part| {
        let waits_for_others = part.areas.is_some() || part.slice.deferred().0 > 0;
        part.slice.life() == Life::Running && !waits_for_others
    };
    for part in parts.iter().filter(waits_for_commits) {
        let window = &mut windows[class_place(part.broadcast.terms.class)];
        *window = (*window).max(part.ahead / u32::from(part.broadcast.terms.pace.weight).max(1));
    }
    windows
}
