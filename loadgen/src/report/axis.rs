//! The axes of charts: where a value lies, and which round numbers stand there.

/// A scale of one axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From 0 on.
    Linear,
    /// Numbers of things, from the first to the last.
    Whole,
    /// From 0 on, in steps that are round in binary units.
    Octets,
    /// Tenfold steps; values of 0 and less are left out.
    Logarithmic,
    /// Shares of a whole below 1, spread by their nines.
    Nines,
}

/// One axis.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

/// Steps between a power of ten and the next.
const ROUND: [f64; 3] = [1.0, 2.0, 5.0];
/// Decades from which only the powers of ten are named.
const DECADES_MANY: f64 = 2.4;
/// Marks that an axis has about.
const MARKS: f64 = 5.0;

impl Axis {
    /// An axis that holds all values.
    pub(super) fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let usable = values
            .filter(|value| value.is_finite() && (scale != Scale::Logarithmic || *value > 0.0));
        let (low, high) = usable
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { scale, low: 0.1, high: 1.0 };
        }
        match scale {
            Scale::Linear | Scale::Octets => {
                Self { scale, low: low.min(0.0), high: if high > 0.0 { high * 1.05 } else { 1.0 } }
            }
            Scale::Whole => Self { scale, low, high: high.max(low + 1.0) },
            Scale::Logarithmic => {
                let (low, high) = (round_below(low), round_above(high));
                Self { scale, low, high: high.max(low * 2.0) }
            }
            Scale::Nines => Self { scale, low: 0.0, high: high.max(0.9) },
        }
    }

    /// Whether the value is on it.
    pub(super) fn has(&self, value: f64) -> bool {
        value >= self.low * (1.0 - 1e-9) && value <= self.high * (1.0 + 1e-9)
    }

    /// Where the value lies, 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let bent = |value: f64| match self.scale {
            Scale::Linear | Scale::Whole | Scale::Octets => value,
            Scale::Logarithmic => value.log10(),
            Scale::Nines => -(1.0 - value).log10(),
        };
        (bent(value) - bent(self.low)) / (bent(self.high) - bent(self.low))
    }

    /// The values that are named.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Logarithmic => {
                let steps = if (self.high / self.low).log10() > DECADES_MANY {
                    &ROUND[..1]
                } else {
                    &ROUND[..]
                };
                let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
                let marks =
                    powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
                marks.filter(|&mark| self.has(mark)).collect()
            }
            Scale::Nines => {
                let more = (1..=7).map(|nines| 1.0 - 10f64.powi(-nines));
                std::iter::once(0.5)
                    .chain(more)
                    .filter(|&value| value <= self.high + 1e-12)
                    .collect()
            }
            Scale::Linear => {
                let rough = (self.high - self.low) / MARKS;
                let power = 10f64.powf(rough.log10().floor());
                let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
                let step =
                    factors.map(|factor| factor * power).into_iter().find(|&step| step >= rough);
                self.multiples(step.unwrap_or(power))
            }
            Scale::Whole => {
                let step = ((self.high - self.low) / MARKS).ceil().max(1.0);
                (0..)
                    .map(|number| self.low + f64::from(number) * step)
                    .take_while(|&value| value <= self.high)
                    .collect()
            }
            Scale::Octets => self.multiples(((self.high - self.low) / MARKS).log2().ceil().exp2()),
        }
    }

    fn multiples(&self, step: f64) -> Vec<f64> {
        (0..)
            .map(|number| f64::from(number) * step)
            .take_while(|&value| value <= self.high)
            .collect()
    }
}

/// The nearest of 1, 2, 5 × 10^n not above a value above 0.
fn round_below(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    ROUND
        .iter()
        .rev()
        .map(|step| step * power)
        .find(|&mark| mark <= value * (1.0 + 1e-9))
        .unwrap_or(power)
}

/// The nearest of 1, 2, 5 × 10^n not below a value above 0.
fn round_above(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    ROUND
        .iter()
        .map(|step| step * power)
        .find(|&mark| mark >= value * (1.0 - 1e-9))
        .unwrap_or(power * 10.0)
}

/// `0.999` as `99.9`, per cent.
pub(super) fn nines(share: f64) -> String {
    format!("{}", (share * 1e9).round() / 1e7)
}

/// A number without needless digits.
pub fn plain(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value >= 1_000.0 {
        return crate::format::grouped(value.round() as u64);
    }
    format!("{}", (value * 1e6).round() / 1e6)
}

/// Milliseconds in the unit that fits.
pub fn milliseconds(value: f64) -> String {
    match value {
        value if value >= 1_000.0 => format!("{} s", plain(value / 1e3)),
        value if value >= 1.0 => format!("{} ms", plain(value)),
        value => format!("{} µs", plain(value * 1e3)),
    }
}

/// Octets in the binary unit that fits, whole where they are.
pub fn octets(value: f64) -> String {
    crate::format::octets(value as u64).replace(".00 ", " ").replace(".0 ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nine_takes_the_same_width_and_is_named() {
        let axis = Axis::over(Scale::Nines, [0.0, 0.9999].into_iter());
        let places: Vec<f64> = [0.0, 0.9, 0.99, 0.999].map(|share| axis.place(share)).to_vec();
        for pair in places.windows(2) {
            assert!((pair[1] - pair[0] - 0.25).abs() < 1e-9, "{places:?}");
        }
        assert_eq!(
            axis.ticks().into_iter().map(nines).collect::<Vec<_>>(),
            ["50", "90", "99", "99.9", "99.99"]
        );
    }

    #[test]
    fn axes_have_round_numbers_and_hold_all_values() {
        let linear = Axis::over(Scale::Linear, [3.0, 47.0].into_iter());
        assert_eq!(linear.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0]);
        let logarithmic = Axis::over(Scale::Logarithmic, [0.0, 0.3, 470.0].into_iter());
        assert_eq!(logarithmic.ticks(), [1.0, 10.0, 100.0]);
        assert!(logarithmic.has(0.3) && logarithmic.has(470.0) && !logarithmic.has(0.0));
        let narrow = Axis::over(Scale::Logarithmic, [21.0, 93.0].into_iter());
        assert_eq!(narrow.ticks(), [20.0, 50.0, 100.0]);
        let memory = Axis::over(Scale::Octets, [0.0, 200.0 * 1_048_576.0].into_iter());
        let named: Vec<String> = memory.ticks().into_iter().map(octets).collect();
        assert_eq!(named, ["0 B", "64 MiB", "128 MiB", "192 MiB"]);
        assert_eq!([0.05, 2.0, 5_000.0].map(milliseconds), ["50 µs", "2 ms", "5 s"]);
    }
}
