//! Charts as inline SVG: lines over time or over the percentiles, axes with round numbers, a legend.

use std::fmt::Write;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 40.0;
/// Colours that all kinds of colour vision tell apart (Okabe and Ito), dark enough for paper.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#007a5a", "#a8487f"];
/// Dashes tell the lines apart on paper without colour.
const DASHES: [&str; 4] = ["", "6 3", "2 3", "8 3 2 3"];

/// A scale of one axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From 0 on.
    Linear,
    /// Tenfold steps; values of 0 and less are left out.
    Logarithmic,
    /// Shares of a whole below 1, spread by their nines.
    Nines,
}

/// One line.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// One chart.
pub struct Chart {
    pub title: &'static str,
    pub x_name: &'static str,
    pub x: Scale,
    pub y: Scale,
    /// Writes a value of the y axis with its unit.
    pub y_text: fn(f64) -> String,
    pub lines: Vec<Line>,
}

struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Chart {
    /// The SVG element; empty if no line has two points.
    pub fn render(&self) -> String {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| line.points.len() > 1).collect();
        if lines.is_empty() {
            return String::new();
        }
        let x = Axis::over(self.x, lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)));
        let y = Axis::over(self.y, lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)));
        let mut svg = format!(
            "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n\
             <text class=\"title\" x=\"0\" y=\"14\">{}</text>\n",
            self.title, self.title
        );
        // Writing to a String cannot fail.
        for value in y.ticks() {
            let at = HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{}\"/><text class=\"y\" x=\"{}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0,
                (self.y_text)(value)
            );
        }
        for value in x.ticks() {
            let at = LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
            let text = if self.x == Scale::Nines { nines(value) } else { plain(value) };
            let base = HEIGHT - BOTTOM;
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{base}\"/><text class=\"x\" x=\"{at:.1}\" y=\"{}\">{text}</text>",
                base + 15.0
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"x\" x=\"{}\" y=\"{}\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 6.0,
            self.x_name
        );
        for (number, line) in lines.iter().enumerate() {
            let mut path = String::new();
            for &(across, up) in line.points.iter().filter(|point| x.has(point.0) && y.has(point.1)) {
                let command = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(
                    path,
                    "{command}{:.1} {:.1}",
                    LEFT + x.place(across) * (WIDTH - LEFT - RIGHT),
                    HEIGHT - BOTTOM - y.place(up) * (HEIGHT - TOP - BOTTOM)
                );
            }
            let (colour, dash) = (COLOURS[number % COLOURS.len()], DASHES[number % DASHES.len()]);
            let _ = writeln!(
                svg,
                "<path class=\"line\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\" d=\"{path}\"/>"
            );
        }
        svg.push_str("</svg>");
        if lines.len() > 1 {
            svg.push_str("<figcaption>");
            for (number, line) in lines.iter().enumerate() {
                let (colour, dash) = (COLOURS[number % COLOURS.len()], DASHES[number % DASHES.len()]);
                let _ = write!(
                    svg,
                    "<span><svg class=\"key\" viewBox=\"0 0 26 8\"><path class=\"line\" stroke=\"{colour}\" \
                     stroke-dasharray=\"{dash}\" d=\"M1 4H25\"/></svg>{}</span> ",
                    super::page::escaped(&line.name)
                );
            }
            svg.push_str("</figcaption>");
        }
        svg.push_str("</figure>\n");
        svg
    }
}

impl Axis {
    fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let usable =
            values.filter(|value| value.is_finite() && (scale != Scale::Logarithmic || *value > 0.0));
        let (low, high) =
            usable.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { scale, low: 0.1, high: 1.0 };
        }
        match scale {
            Scale::Linear => {
                Self { scale, low: low.min(0.0), high: if high > 0.0 { high * 1.05 } else { 1.0 } }
            }
            Scale::Logarithmic => {
                let (low, high) = (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
                Self { scale, low, high: high.max(low * 10.0) }
            }
            Scale::Nines => Self { scale, low: 0.0, high: high.max(0.9) },
        }
    }

    fn has(&self, value: f64) -> bool {
        value >= self.low && value <= self.high
    }

    /// Where the value lies, 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let bent = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.log10(),
            Scale::Nines => -(1.0 - value).log10(),
        };
        (bent(value) - bent(self.low)) / (bent(self.high) - bent(self.low))
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Logarithmic => {
                let first = self.low.log10().round() as i32;
                let last = self.high.log10().round() as i32;
                (first..=last).map(|power| 10f64.powi(power)).collect()
            }
            Scale::Nines => {
                let more = (1..=7).map(|nines| 1.0 - 10f64.powi(-nines));
                std::iter::once(0.5).chain(more).filter(|&value| value <= self.high + 1e-12).collect()
            }
            Scale::Linear => {
                let rough = (self.high - self.low) / 5.0;
                let power = 10f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 2.5, 5.0, 10.0]
                    .into_iter()
                    .map(|factor| factor * power)
                    .find(|&step| step >= rough)
                    .unwrap_or(power);
                (0..).map(|number| number as f64 * step).take_while(|&value| value <= self.high).collect()
            }
        }
    }
}

/// `0.999` as `99.9 %`.
fn nines(share: f64) -> String {
    let percent = (share * 1e9).round() / 1e7;
    format!("{percent} %")
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
            ["50 %", "90 %", "99 %", "99.9 %", "99.99 %"]
        );
    }

    #[test]
    fn axes_have_round_numbers_and_hold_all_values() {
        let linear = Axis::over(Scale::Linear, [3.0, 47.0].into_iter());
        assert_eq!(linear.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0]);
        let logarithmic = Axis::over(Scale::Logarithmic, [0.0, 0.3, 47.0].into_iter());
        assert_eq!(logarithmic.ticks(), [0.1, 1.0, 10.0, 100.0]);
        assert!(logarithmic.has(0.3) && !logarithmic.has(0.0));
    }

    #[test]
    fn a_chart_without_points_is_left_out() {
        let lines = vec![Line { name: "a".to_owned(), points: vec![(1.0, 1.0)] }];
        let chart =
            Chart { title: "t", x_name: "x", x: Scale::Linear, y: Scale::Linear, y_text: plain, lines };
        assert_eq!(chart.render(), "");
    }
}
