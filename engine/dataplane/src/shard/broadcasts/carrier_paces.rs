//! The pace that each carrier has of one broadcast, held where rows come into the message center.
//!
//! Which carrier takes a row is known when a permit is there; here it is taken as those that deal
//! share by weight. **Invariant:** no carrier is meant for more rows than its pace lets through.

use super::Part;
use super::by_route::ByRoute;
use crate::broadcast::pace::Bucket;
use crate::network::port::Dealers;
use std::collections::BTreeMap;
use wire::terms::time::SteadyMs;

/// How often shares of paces are looked at, milliseconds.
const REBALANCED_EVERY_MS: u64 = 1_000;

/// The paces of a part's carriers.
pub(super) struct CarrierPaces {
    /// Rows a second by each, of this shard.
    per_second: u32,
    buckets: BTreeMap<u8, Bucket>,
    /// By route and carrier: how far it is behind its share.
    credits: BTreeMap<(u8, u8), i32>,
    /// The carrier that the last row was let through for.
    last: Option<u8>,
}

impl CarrierPaces {
    /// So many rows a second by each carrier, of this shard; `None` for 0.
    pub(super) fn new(per_second: u32) -> Option<Self> {
        let (buckets, credits) = (BTreeMap::new(), BTreeMap::new());
        (per_second > 0).then_some(Self { per_second, buckets, credits, last: None })
    }

    fn set_share(&mut self, per_second: u32) {
        self.per_second = per_second;
        self.buckets.values_mut().for_each(|bucket| bucket.set_share(per_second));
    }

    /// Whether a row may go by a route whose carriers deal so: the one whose turn it is has room.
    fn take(&mut self, route: u8, dealers: &Dealers, now: SteadyMs) -> bool {
        let credit_of = |credits: &BTreeMap<(u8, u8), i32>, carrier: u8, weight: u8| {
            credits.get(&(route, carrier)).copied().unwrap_or_default() + i32::from(weight)
        };
        let next = dealers.iter().max_by_key(|&(carrier, weight)| {
            (credit_of(&self.credits, carrier, weight), std::cmp::Reverse(carrier))
        });
        let Some((next, _)) = next else { return false };
        let per_second = self.per_second;
        let bucket = self.buckets.entry(next).or_insert_with(|| Bucket::new(per_second, 0, now));
        if bucket.take(now, 1) == 0 {
            return false;
        }
        let mut all = 0;
        for (carrier, weight) in dealers.iter() {
            let credit = credit_of(&self.credits, carrier, weight);
            self.credits.insert((route, carrier), credit);
            all += i32::from(weight);
        }
        *self.credits.entry((route, next)).or_default() -= all;
        self.last = Some(next);
        true
    }

    /// The row that was let through last does not go: its carrier's turn comes again.
    fn give_back(&mut self, route: u8, dealers: &Dealers) {
        let Some(last) = self.last.take() else { return };
        if let Some(bucket) = self.buckets.get_mut(&last) {
            bucket.give_back(1);
        }
        let mut all = 0;
        for (carrier, weight) in dealers.iter() {
            *self.credits.entry((route, carrier)).or_default() -= i32::from(weight);
            all += i32::from(weight);
        }
        *self.credits.entry((route, last)).or_default() += all;
    }
}

impl Part {
    /// Whether the paces of carriers let a row go by a route of theirs now.
    pub(super) fn may_go_by(&mut self, route: u8, by_route: &ByRoute, now: SteadyMs) -> bool {
        match &mut self.carriers {
            Some(paces) => paces.take(route, by_route.dealers(route), now),
            None => true,
        }
    }

    /// A row may not go on after all that was let through by this route: what its carrier has of
    /// the pace is for others.
    pub(super) fn does_not_go_by(&mut self, route: u8, by_route: &ByRoute) {
        if let Some(paces) = &mut self.carriers {
            paces.give_back(route, by_route.dealers(route));
        }
    }

    /// Once a second: the shares of its paces are those of what it has left.
    pub(super) fn rebalance(&mut self, now: SteadyMs) {
        if now.since(self.staked) < REBALANCED_EVERY_MS {
            return;
        }
        self.staked = now;
        self.stake.set_left(self.slice.without_turn());
        self.bucket.set_share(self.stake.share(self.per_second));
        let per_carrier = self.stake.share(self.broadcast.terms.pace.per_carrier);
        if let Some(carriers) = &mut self.carriers {
            carriers.set_share(per_carrier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that go in ten seconds, by somebody who looks every five milliseconds.
    fn in_ten_seconds(paces: &mut CarrierPaces, dealers: &Dealers, from_ms: u64) -> u32 {
        let looks = (0..2_000).map(|look| SteadyMs::new(from_ms + look * 5));
        looks.map(|now| (0..1_000).take_while(|_| paces.take(1, dealers, now)).count() as u32).sum()
    }

    #[test]
    fn each_carrier_has_its_pace_and_the_heaviest_one_binds() {
        let mut paces = CarrierPaces::new(100).expect("a pace");
        let both = Dealers::of(&[(1, 70), (2, 30)]);
        let rows = in_ten_seconds(&mut paces, &both, 1_000);
        assert!((1_400..=1_460).contains(&rows), "a hundred a second are 70 percent: {rows}");
        let one = Dealers::of(&[(2, 30)]);
        let rows = in_ten_seconds(&mut paces, &one, 12_000);
        assert!((990..=1_010).contains(&rows), "it has its own pace and no more: {rows}");
        assert_eq!(in_ten_seconds(&mut paces, &Dealers::of(&[]), 30_000), 0, "none deals");
        assert!(CarrierPaces::new(0).is_none());
    }

    #[test]
    fn what_is_let_through_and_does_not_go_is_another_rows() {
        let mut paces = CarrierPaces::new(100).expect("a pace");
        let both = Dealers::of(&[(1, 70), (2, 30)]);
        let mut gone = 0;
        // Every second row waits for its area: it costs its carrier nothing.
        for look in 0..2_000 {
            let now = SteadyMs::new(1_000 + look * 5);
            for row in 0..1_000 {
                if !paces.take(1, &both, now) {
                    break;
                }
                if row % 2 == 1 {
                    paces.give_back(1, &both);
                    break;
                }
                gone += 1;
            }
        }
        assert!((1_400..=1_460).contains(&gone), "as many as if none waited: {gone}");
    }
}
