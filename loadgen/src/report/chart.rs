//! Charts as inline SVG: lines over time or over the percentiles, axes with round numbers, a
//! legend.
//!
//! A chart belongs into a page of [`super::framed`]: colours are classes of that page's style, so
//! that they follow light, dark and paper; lines differ by their strokes as well, for who sees or
//! prints no colour.

use super::axis::{Axis, Scale, nines};
use std::fmt::Write;

const WIDTH: f64 = 560.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 54.0;

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// The main lines.
    Solid,
    /// What belongs to a main line of the same colour.
    Dashed,
    /// A third kind beside them.
    Dotted,
    /// Extremes, which must not drown the others.
    Thin,
}

/// One line.
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Which of the style's colours.
    pub colour: usize,
    /// How it is drawn.
    pub stroke: Stroke,
}

/// One chart.
pub struct Chart {
    /// What stands above it.
    pub title: String,
    /// One line below the title: what is to be seen.
    pub says: &'static str,
    /// What stands below the x axis.
    pub x_name: &'static str,
    /// The x axis.
    pub x: Scale,
    /// The y axis.
    pub y: Scale,
    /// Writes a value of the y axis with its unit.
    pub y_text: fn(f64) -> String,
    /// The lines; those of fewer than two points are left out.
    pub lines: Vec<Line>,
    /// The area between the lines at these two positions is tinted.
    pub band: Option<(usize, usize)>,
    /// Over the whole width of the page.
    pub wide: bool,
}

/// Colours of the style; lines beyond them take the same ones again.
pub const COLOURS: usize = 6;

/// Turns a point into a place on the paper; `None` outside the axes.
struct Frame {
    x: Axis,
    y: Axis,
    width: f64,
    height: f64,
    /// What a digit takes at most, on whichever screen this drawing is for.
    letter: f64,
}

/// A digit's width on a page that is wide enough for two charts side by side, and on a phone.
const LETTER: f64 = 7.5;
const LETTER_NARROW: f64 = 11.5;

impl Frame {
    fn across(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (self.width - LEFT - RIGHT)
    }

    fn up(&self, value: f64) -> f64 {
        self.height - BOTTOM - self.y.place(value) * (self.height - TOP - BOTTOM)
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        for (across, up) in points.filter(|point| self.x.has(point.0) && self.y.has(point.1)) {
            let command = if path.is_empty() { 'M' } else { 'L' };
            // Writing to a String cannot fail.
            let _ = write!(path, "{command}{:.1} {:.1}", self.across(across), self.up(up));
        }
        path
    }
}

impl Chart {
    /// The figure; empty if no line has two points.
    pub fn render(&self) -> String {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| line.points.len() > 1).collect();
        if lines.is_empty() {
            return String::new();
        }
        let values = |pick: fn(&(f64, f64)) -> f64| {
            lines.iter().flat_map(move |line| line.points.iter().map(pick))
        };
        let x = Axis::over(self.x, values(|point| point.0));
        let y = Axis::over(self.y, values(|point| point.1));
        let class = if self.wide { " class=\"whole\"" } else { "" };
        let mut figure = format!(
            "<figure{class}><h3>{}</h3><p>{}</p>",
            super::page::escaped(&self.title),
            self.says
        );
        if self.wide {
            // A phone gets a drawing of its own: this one's letters would be too small there.
            figure.push_str(&self.draw(
                &lines,
                &Frame { x, y, width: WIDTH * 1.9, height: 370.0, letter: LETTER },
                " class=\"broad\"",
            ));
            figure.push_str(&self.draw(
                &lines,
                &Frame { x, y, width: WIDTH, height: 380.0, letter: LETTER_NARROW },
                " class=\"narrow\"",
            ));
        } else {
            figure.push_str(&self.draw(
                &lines,
                &Frame { x, y, width: WIDTH, height: 270.0, letter: LETTER_NARROW },
                "",
            ));
        }
        if lines.len() > 1 {
            figure.push_str(&legend(&lines));
        }
        figure.push_str("</figure>\n");
        figure
    }

    fn draw(&self, lines: &[&Line], frame: &Frame, class: &str) -> String {
        let mut svg = format!(
            "<svg{class} viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
            frame.width,
            frame.height,
            super::page::escaped(&self.title)
        );
        self.draw_axes(frame, &mut svg);
        if let Some((low, high)) = self.band
            && let (Some(low), Some(high)) = (self.lines.get(low), self.lines.get(high))
        {
            let around = low.points.iter().copied().chain(high.points.iter().rev().copied());
            let _ = writeln!(
                svg,
                "<path class=\"band f{}\" d=\"{}Z\"/>",
                high.colour,
                frame.path(around)
            );
        }
        for line in lines {
            let path = frame.path(line.points.iter().copied());
            let _ = writeln!(svg, "<path class=\"{}\" d=\"{path}\"/>", line.class());
        }
        svg.push_str("</svg>");
        svg
    }

    fn draw_axes(&self, frame: &Frame, svg: &mut String) {
        let (right, base) = (frame.width - RIGHT, frame.height - BOTTOM);
        for value in frame.y.ticks() {
            let at = frame.up(value);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>\
                 <text class=\"y\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                at + 4.0,
                (self.y_text)(value)
            );
        }
        let mut free_from = 0.0;
        for value in frame.x.ticks() {
            let at = frame.across(value);
            let text =
                if self.x == Scale::Nines { nines(value) } else { super::axis::plain(value) };
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{at:.1} {TOP}V{base}\"/>");
            // A number that would run into the one before it, or off the paper, is left out.
            let half = text.len() as f64 * frame.letter / 2.0;
            if at - half >= free_from && at + half <= frame.width {
                let _ = writeln!(
                    svg,
                    "<text class=\"x\" x=\"{at:.1}\" y=\"{}\">{text}</text>",
                    base + 19.0
                );
                free_from = at + half + frame.letter;
            }
        }
        let _ = writeln!(
            svg,
            "<path class=\"base\" d=\"M{LEFT} {base}H{right}\"/>\
             <text class=\"x name\" x=\"{}\" y=\"{}\">{}</text>",
            (LEFT + right) / 2.0,
            frame.height - 5.0,
            self.x_name
        );
    }
}

impl Line {
    fn class(&self) -> String {
        let stroke = match self.stroke {
            Stroke::Solid => "",
            Stroke::Dashed => " dashed",
            Stroke::Dotted => " dotted",
            Stroke::Thin => " thin",
        };
        format!("line c{}{stroke}", self.colour % COLOURS)
    }
}

fn legend(lines: &[&Line]) -> String {
    let mut text = String::from("<figcaption>");
    for line in lines {
        let _ = write!(
            text,
            "<span><svg class=\"key\" viewBox=\"0 0 30 8\" aria-hidden=\"true\">\
             <path class=\"{}\" d=\"M1 4H29\"/></svg><b>{}</b></span> ",
            line.class(),
            super::page::escaped(&line.name)
        );
    }
    text.push_str("</figcaption>");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::axis::plain;

    fn chart(points: Vec<Vec<(f64, f64)>>) -> Chart {
        let line = |(colour, points)| Line {
            name: format!("<{colour}>"),
            points,
            colour,
            stroke: Stroke::Solid,
        };
        Chart {
            title: "t".to_owned(),
            says: "s",
            x_name: "x",
            x: Scale::Linear,
            y: Scale::Linear,
            y_text: plain,
            lines: points.into_iter().enumerate().map(line).collect(),
            band: Some((0, 1)),
            wide: false,
        }
    }

    #[test]
    fn a_chart_without_points_is_left_out() {
        assert_eq!(chart(vec![vec![(1.0, 1.0)]]).render(), "");
    }

    #[test]
    fn lines_have_their_colours_and_escaped_names_and_a_band_between_them() {
        let svg = chart(vec![vec![(0.0, 1.0), (1.0, 1.0)], vec![(0.0, 2.0), (1.0, 3.0)]]).render();
        for part in ["line c0", "line c1", "&lt;1&gt;", "band f1", "<title", "aria-label"] {
            assert_eq!(svg.contains(part), part != "<title", "{part} in {svg}");
        }
    }
}
