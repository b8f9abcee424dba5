//! How long a broadcast would take as everything stands at its dry run, and what holds it back
//! most.
//!
//! **Never here:** the desk, a file or a clock. **Invariant:** no time is told where nothing bounds
//! the rate: what nobody measured is not guessed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Percent of the recipients whose time is told; 100 is the last.
const TOLD: [u64; 3] = [50, 85, 100];
/// The share of its pace that a ramp begins with, in percent.
const RAMP_FROM_PERCENT: f64 = 10.0;
/// A time is found to this many seconds.
const EXACT_SECONDS: f64 = 0.05;
/// Longer than any broadcast lasts.
const SECONDS_MAX: f64 = 1e6;

/// What bounds a broadcast, each in rows a second.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Bounds {
    /// Of all of it; 0: none.
    pub(super) per_second: u32,
    /// In each area; 0: none.
    pub(super) per_area: u32,
    /// Seconds until that of all is reached.
    pub(super) ramp_seconds: u32,
    /// What the network took of a broadcast lately; `None`: nobody knows.
    pub(super) network: Option<f64>,
    /// The share of that which is left beside live broadcasts of its class, by their weights.
    pub(super) share: f64,
    /// What its registration may send, as far as others of its XPID leave that; 0: no bound.
    pub(super) registration: f64,
    /// What carriers take: the share of the recipients that goes by each, and rows a second.
    pub(super) carriers: Vec<(f64, f64)>,
    /// Recipients by area.
    pub(super) areas: Vec<u64>,
    /// Of them those who are not sent to, in all.
    pub(super) skipped: u64,
    /// Seconds between the start and the first attempt.
    pub(super) hold_seconds: u64,
}

/// How long it would take.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Forecast {
    /// Seconds from the start until so many percent of those who are sent to had their first
    /// attempt; `last` is the last of them. Empty where nothing bounds the rate.
    pub seconds: BTreeMap<String, u64>,
    /// What takes longest: `pace`, `area_pace`, `registration`, `carriers`, `network`,
    /// `other_broadcasts`, or `unknown`.
    pub limited_by: String,
    /// Rows a second that the network took of a broadcast within a day; `None`: none went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_per_second: Option<u64>,
    /// Live broadcasts of its class that it competes with, as far as the caller's XPID has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// And how many are of other XPIDs.
    #[serde(default)]
    pub beside_of_others: usize,
    /// How many are skipped, by code, as things stand: 2005, 7001, 7002, 7003.
    pub skipped: BTreeMap<String, u64>,
}

impl Forecast {
    /// What somebody should look at, where it ends so many seconds behind its start.
    pub(super) fn too_slow(&self, ends_after: u64) -> Option<String> {
        // What goes by the slowest carrier is warned of by its name.
        let last = self.seconds.get("last").filter(|_| self.limited_by != "carriers")?;
        (*last > ends_after).then(|| {
            format!(
                "the last of them has a turn after {last} s ({}), and it ends after {ends_after} s \
                 (6001): give it longer, or have it go faster",
                self.limited_by
            )
        })
    }
}

impl Bounds {
    fn rows(&self) -> f64 {
        let rows: u64 = self.areas.iter().sum();
        rows.saturating_sub(self.skipped) as f64
    }

    /// Rows whose turn has come after so many seconds, by each bound.
    fn begun(&self, bound: Bound, seconds: f64) -> f64 {
        match bound {
            Bound::Pace => {
                let (full, ramp) = (f64::from(self.per_second), f64::from(self.ramp_seconds));
                let first = full * RAMP_FROM_PERCENT / 100.0;
                let within = seconds.min(ramp);
                let slope = if ramp > 0.0 { (full - first) / ramp } else { 0.0 };
                within * first + slope * within * within / 2.0 + (seconds - within) * full
            }
            Bound::AreaPace => {
                let in_area = f64::from(self.per_area) * seconds;
                let in_all: f64 = self.areas.iter().map(|rows| in_area.min(*rows as f64)).sum();
                // Who is skipped is so in every area alike.
                let all: u64 = self.areas.iter().sum();
                in_all * self.rows() / (all as f64).max(1.0)
            }
            Bound::Registration => self.registration * seconds,
            Bound::Carriers => {
                let behind =
                    |(share, rate): &(f64, f64)| (share * self.rows() - rate * seconds).max(0.0);
                self.rows() - self.carriers.iter().map(behind).sum::<f64>()
            }
            Bound::Network => self.network.unwrap_or_default() * seconds,
            Bound::Others => self.network.unwrap_or_default() * self.share * seconds,
        }
    }

    /// The bounds that there are.
    fn all(&self) -> impl Iterator<Item = Bound> + '_ {
        let is_there = |bound: &Bound| match bound {
            Bound::Pace => self.per_second > 0,
            Bound::AreaPace => self.per_area > 0,
            Bound::Registration => self.registration > 0.0,
            Bound::Carriers => !self.carriers.is_empty(),
            Bound::Network => self.network.is_some(),
            Bound::Others => self.network.is_some() && self.share < 1.0,
        };
        Bound::ALL.into_iter().filter(is_there)
    }

    /// Seconds until so many rows have begun by all of these bounds.
    fn until(&self, rows: f64, bounds: &[Bound]) -> f64 {
        let has = |seconds: f64| {
            bounds.iter().all(|bound| self.begun(*bound, seconds) >= rows * 0.999_999)
        };
        let (mut low, mut high) = (0.0, SECONDS_MAX);
        while high - low > EXACT_SECONDS {
            let middle = (low + high) / 2.0;
            if has(middle) { high = middle } else { low = middle }
        }
        high
    }

    /// What that comes to.
    pub(super) fn forecast(&self) -> Forecast {
        let bounds: Vec<Bound> = self.all().collect();
        let rows = self.rows();
        let slowest = bounds
            .iter()
            .copied()
            .max_by(|one, other| self.until(rows, &[*one]).total_cmp(&self.until(rows, &[*other])));
        let mut seconds = BTreeMap::new();
        for percent in TOLD.into_iter().filter(|_| !bounds.is_empty()) {
            let name = if percent == 100 { "last".to_owned() } else { percent.to_string() };
            let after = self.until(rows * percent as f64 / 100.0, &bounds);
            seconds.insert(name, self.hold_seconds + after.round() as u64);
        }
        Forecast {
            seconds,
            limited_by: slowest.map_or("unknown", Bound::word).to_owned(),
            network_per_second: self.network.map(|rate| rate.round() as u64),
            ..Forecast::default()
        }
    }
}

/// What may bound a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bound {
    Pace,
    AreaPace,
    Registration,
    Carriers,
    Network,
    Others,
}

impl Bound {
    const ALL: [Self; 6] = [
        Self::Pace,
        Self::AreaPace,
        Self::Registration,
        Self::Carriers,
        Self::Network,
        Self::Others,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Pace => "pace",
            Self::AreaPace => "area_pace",
            Self::Registration => "registration",
            Self::Carriers => "carriers",
            Self::Network => "network",
            Self::Others => "other_broadcasts",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        Bounds { areas: vec![6_000, 3_000, 1_000], share: 1.0, ..Bounds::default() }
    }

    fn told(bounds: &Bounds) -> (Vec<u64>, String) {
        let forecast = bounds.forecast();
        let of = |name: &str| forecast.seconds.get(name).copied();
        (["50", "85", "last"].into_iter().filter_map(of).collect(), forecast.limited_by)
    }

    #[test]
    fn what_takes_longest_is_named_and_the_times_are_of_all_bounds() {
        assert_eq!(told(&bounds()), (vec![], "unknown".to_owned()), "nothing is guessed");
        let paced = Bounds { per_second: 100, ..bounds() };
        assert_eq!(told(&paced), (vec![50, 85, 100], "pace".to_owned()));
        let held = Bounds { hold_seconds: 60, ..paced.clone() };
        assert_eq!(told(&held).0, [110, 145, 160]);
        let skipped = Bounds { skipped: 5_000, ..paced.clone() };
        assert_eq!(told(&skipped).0, [25, 43, 50]);
        // Ten percent at first: half as much again of the ramp's time is lost.
        let ramped = Bounds { ramp_seconds: 20, ..paced.clone() };
        assert_eq!(told(&ramped).0, [59, 94, 109]);
        // 60 a second until the small area is done, then 40, then 20 for the large one alone.
        let by_area = Bounds { per_area: 20, ..paced.clone() };
        assert_eq!(told(&by_area), (vec![100, 225, 300], "area_pace".to_owned()));
        // Three of four by a carrier that takes 25 a second, the others by one that takes them all.
        let by_carriers = Bounds { carriers: vec![(0.75, 25.0)], ..paced.clone() };
        assert_eq!(told(&by_carriers), (vec![100, 240, 300], "carriers".to_owned()));
        let slow = Bounds { network: Some(50.0), ..paced.clone() };
        assert_eq!(told(&slow), (vec![100, 170, 200], "network".to_owned()));
        let shared = Bounds { share: 0.25, ..slow.clone() };
        assert_eq!(told(&shared), (vec![400, 680, 800], "other_broadcasts".to_owned()));
        let registered = Bounds { registration: 25.0, ..paced.clone() };
        assert_eq!(told(&registered), (vec![200, 340, 400], "registration".to_owned()));
        let fast = Bounds { network: Some(5_000.0), ..paced };
        assert_eq!(told(&fast).1, "pace");
    }

    #[test]
    fn nobody_to_send_to_takes_no_time() {
        let nobody = Bounds { per_second: 1, areas: Vec::new(), share: 1.0, ..Bounds::default() };
        assert_eq!(told(&nobody).0, [0, 0, 0]);
        let all_skipped = Bounds { per_second: 1, skipped: 10_000, ..bounds() };
        assert_eq!(told(&all_skipped).0, [0, 0, 0]);
    }
}
