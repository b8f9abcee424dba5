//! The destination numbers of a run.

use crate::random::{below, splitmix};
use std::sync::Arc;
use wire::terms::ids::Msn;

/// Which msns the pushes go to.
#[derive(Clone, Debug)]
pub enum Msns {
    /// `count` consecutive numbers from `first` on.
    Range {
        /// The lowest number.
        first: Msn,
        /// How many; at least one, and `first` + `count` stays within the eleven digits.
        count: u64,
    },
    /// Exactly these, at least one.
    List(Arc<[Msn]>),
}

impl Msns {
    /// A range given as `FIRST`, `FIRST:COUNT` or `FIRST-LAST`, e.g. `09000000000:100000`; else a
    /// sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || {
            format!(
                "\"{text}\" is not a range of msns: write FIRST:COUNT or FIRST-LAST, \
                 e.g. 09000000000:100000."
            )
        };
        let msn = |digits: &str| Msn::parse(digits.as_bytes()).ok_or_else(refuse);
        let (first, count) = if let Some((first, count)) = text.split_once(':') {
            (msn(first)?, count.parse().map_err(|_| refuse())?)
        } else if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (msn(first)?, msn(last)?);
            (first, (last.value() + 1).saturating_sub(first.value()))
        } else {
            (msn(text)?, 1)
        };
        let fits = first
            .value()
            .checked_add(count)
            .is_some_and(|end| Msn::from_value(end.wrapping_sub(1)).is_some());
        if count == 0 || !fits {
            return Err(refuse());
        }
        Ok(Self::Range { first, count })
    }

    /// How many different numbers there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(list) => list.len() as u64,
        }
    }

    /// The number at `position`, which is below `count`.
    pub fn at(&self, position: u64) -> Msn {
        match self {
            Self::Range { first, .. } => {
                Msn::from_value(first.value() + position).unwrap_or(*first)
            }
            Self::List(list) => list[position as usize],
        }
    }
}

/// In which order the pushes go to the msns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Each number comes up once before any comes up again, in an order that jumps about the range,
    /// so that neighbours in time are strangers in the table.
    #[default]
    Scattered,
    /// One after the other.
    Sequential,
    /// Each push to any number, all alike.
    Uniform,
    /// Each push to any number, the n-th most popular with a weight of 1/n: a few numbers get most
    /// pushes.
    Zipf,
}

impl Order {
    /// The order with this name; else a sentence.
    pub fn named(name: &str) -> Result<Self, String> {
        match name {
            "scattered" => Ok(Self::Scattered),
            "sequential" => Ok(Self::Sequential),
            "uniform" => Ok(Self::Uniform),
            "zipf" => Ok(Self::Zipf),
            _ => Err(format!(
                "\"{name}\" is no order: choose scattered, sequential, uniform or zipf."
            )),
        }
    }
}

/// The msn of every push of a run, a function of the push's index.
#[derive(Clone, Debug)]
pub struct Destinations {
    msns: Msns,
    order: Order,
    seed: u64,
    count: u64,
    stride: u64,
    offset: u64,
}

impl Destinations {
    /// The `order` of `msns` under `seed`. There must be at least one msn.
    pub fn new(msns: Msns, order: Order, seed: u64) -> Self {
        let count = msns.count();
        assert!(count > 0, "a run needs an msn");
        let mut stride = splitmix(seed) % count;
        // A stride without a common divisor visits every position before it returns to the first.
        while greatest_common_divisor(stride, count) != 1 {
            stride = (stride + 1) % count.max(2);
        }
        Self { msns, order, seed, count, stride, offset: splitmix(seed.wrapping_add(1)) % count }
    }

    /// The msn of push `index`.
    pub fn of(&self, index: u64) -> Msn {
        self.msns.at(match self.order {
            Order::Sequential => index % self.count,
            Order::Uniform => below(self.seed.wrapping_add(2), index, self.count),
            Order::Scattered => self.scattered(index % self.count),
            // The popular numbers are strangers in the table as well.
            Order::Zipf => self.scattered(self.popularity(index)),
        })
    }

    fn scattered(&self, position: u64) -> u64 {
        let position = (u128::from(position) * u128::from(self.stride) + u128::from(self.offset))
            % u128::from(self.count);
        position as u64
    }

    /// How many numbers are more popular than that of push `index`: rejection from the continuous
    /// density 1/x over the integers (Devroye, "Non-Uniform Random Variate Generation", 1986, X.6).
    fn popularity(&self, index: u64) -> u64 {
        let whole = self.count as f64;
        let mut state = splitmix(self.seed.wrapping_add(3)) ^ index;
        let mut uniform = || {
            state = splitmix(state);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        loop {
            // Under the curve 1 on [0, 1] and 1/x beyond: the area is 1 + ln(count).
            let area = uniform() * (1.0 + whole.ln());
            let (x, cover) =
                if area < 1.0 { (area, 1.0) } else { ((area - 1.0).exp(), (1.0 - area).exp()) };
            let rank = (x.floor() + 1.0).min(whole);
            if uniform() * cover <= 1.0 / rank {
                return rank as u64 - 1;
            }
        }
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_senseless_ones_are_refused_in_one_sentence() {
        assert_eq!(Msns::parse("09000000000:100000").expect("legal").count(), 100_000);
        assert_eq!(Msns::parse("09000000000-09000000009").expect("legal").count(), 10);
        assert_eq!(Msns::parse("09012345678").expect("legal").at(0).to_string(), "09012345678");
        for wrong in [
            "",
            "19000000000:5",
            "09000000000:0",
            "09000000009-09000000000",
            "09999999999:2",
            "090:x",
            "09000000000:18446744073709551615",
        ] {
            let sentence = Msns::parse(wrong).expect_err(wrong);
            assert!(sentence.ends_with('.') && sentence.contains(wrong), "{sentence}");
        }
    }

    #[test]
    fn every_msn_comes_up_once_before_any_comes_up_again() {
        for count in [1, 2, 3, 10, 97, 1_000] {
            for seed in 0..5 {
                let range =
                    Msns::Range { first: Msn::from_value(9_000_000_000).expect("legal"), count };
                let order = Destinations::new(range, Order::Scattered, seed);
                let mut seen: Vec<u64> = (0..count).map(|index| order.of(index).value()).collect();
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len() as u64, count, "count {count} seed {seed}");
                assert_eq!(order.of(count), order.of(0));
            }
        }
    }

    #[test]
    fn zipf_gives_each_number_its_share_and_uniform_gives_all_the_same() {
        let shares = |order: Order| -> Vec<f64> {
            let range =
                Msns::Range { first: Msn::from_value(9_000_000_000).expect("legal"), count: 100 };
            let destinations = Destinations::new(range, order, 7);
            let mut counts = vec![0u32; 100];
            for index in 0..100_000 {
                counts[(destinations.of(index).value() - 9_000_000_000) as usize] += 1;
            }
            counts.sort_unstable_by(|a, b| b.cmp(a));
            counts.into_iter().map(|count| f64::from(count) / 100_000.0).collect()
        };
        let harmonic: f64 = (1..=100).map(|rank| 1.0 / f64::from(rank)).sum();
        let zipf = shares(Order::Zipf);
        for rank in [1, 2, 4, 10] {
            let expected = 1.0 / f64::from(rank) / harmonic;
            assert!((zipf[rank as usize - 1] / expected - 1.0).abs() < 0.06, "{rank}: {zipf:?}");
        }
        let uniform = shares(Order::Uniform);
        assert!(uniform[0] < 0.012 && uniform[99] > 0.008, "{uniform:?}");
        assert_eq!(shares(Order::Sequential), vec![0.01; 100]);
    }
}
