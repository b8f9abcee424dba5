//! The reach over time as a picture: a path that is put in place as it is.
//!
//! The picture has no text: labels stand beside it, so that they are as large on a small screen.

use maud::{Markup, html};

use super::tongue::{Tongue, number, percent};
use crate::control::broadcasts::Snapshot;

/// The picture's own measures.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 400;
/// Shares that have a line.
const LINES: [u64; 2] = [85, 90];
/// Rows of the table that says the same.
const TABLE_ROWS_MAX: usize = 12;

/// Where a point lies.
struct Scale {
    end_ms: u64,
    targeted: u64,
}

impl Scale {
    fn of(snapshot: &Snapshot) -> Self {
        let end_ms = snapshot.reach.curve.last().map_or(0, |(at_ms, _)| *at_ms).max(1_000);
        Self { end_ms, targeted: snapshot.targeted.max(1) }
    }

    fn x(&self, at_ms: u64) -> u64 {
        (u128::from(at_ms.min(self.end_ms)) * u128::from(WIDTH) / u128::from(self.end_ms)) as u64
    }

    /// In tenths: a curve of ten million has fine steps.
    fn y_tenths(&self, reached: u64) -> u64 {
        let reached = u128::from(reached.min(self.targeted));
        HEIGHT * 10 - (reached * u128::from(HEIGHT) * 10 / u128::from(self.targeted)) as u64
    }

    fn path(&self, curve: &[(u64, u64)]) -> String {
        let mut path = String::new();
        for (place, (at_ms, reached)) in curve.iter().enumerate() {
            let tenths = self.y_tenths(*reached);
            let step = if place == 0 { 'M' } else { 'L' };
            path += &format!("{step}{} {}.{}", self.x(*at_ms), tenths / 10, tenths % 10);
        }
        path
    }
}

/// The picture with its labels.
pub(super) fn picture(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let scale = Scale::of(snapshot);
    let path = scale.path(&snapshot.reach.curve);
    let last = snapshot.reach.curve.last().copied();
    // A short one ends before its axis does: nobody is lost after that.
    let end = scale.x(last.map_or(0, |(at_ms, _)| at_ms));
    let area = format!("{path}L{end} {HEIGHT}L0 {HEIGHT}Z");
    let reached = percent(snapshot.reached(), snapshot.targeted);
    let what = match tongue {
        Tongue::English => {
            format!("Reached over time, now {reached} %. The table below has the figures.")
        }
        Tongue::Japanese => format!("到達率の推移、現在 {reached} %。数値は下の表にあります。"),
    };
    let marks = snapshot
        .reach
        .of_targeted
        .iter()
        .filter(|mark| LINES.iter().any(|line| mark.share == line.to_string()));
    html! {
        div .curve {
            div .plot {
                svg viewBox=(
                    format!("0 0 {WIDTH} {HEIGHT}")
                ) preserveAspectRatio="none" role="img" aria-label=(what) {
                    @if !snapshot.reach.curve.is_empty() { path .under d=(area) {} }
                    @for line in LINES {
                        @let y = HEIGHT - HEIGHT * line / 100;
                        line .goal x1="0" y1=(y) x2=(WIDTH) y2=(y) {}
                    }
                    @if !snapshot.reach.curve.is_empty() { path .reach d=(path) {} }
                    @if let Some(at_ms) = snapshot.goal_ms.filter(|at_ms| *at_ms <= scale.end_ms) {
                        line .goal x1=(scale.x(at_ms)) y1="0" x2=(scale.x(at_ms)) y2=(HEIGHT) {}
                    }
                    @for at_ms in marks.filter_map(|mark| mark.after_ms) {
                        line .when x1=(scale.x(at_ms)) y1="0" x2=(scale.x(at_ms)) y2=(HEIGHT) {}
                    }
                }
                span .y .y100 aria-hidden="true" { "100 %" }
                span .y .y90 aria-hidden="true" { "90 %" }
                span .y .y85 aria-hidden="true" { "85 %" }
                span .y .y50 aria-hidden="true" { "50 %" }
                span .y .y0 aria-hidden="true" { "0 %" }
            }
            div .times aria-hidden="true" {
                span { "0" }
                span { (tongue.duration(scale.end_ms / 2)) }
                span { (tongue.duration(scale.end_ms)) }
            }
        }
    }
}

/// The same as a table.
pub(super) fn table(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let curve = &snapshot.reach.curve;
    let step = curve.len().div_ceil(TABLE_ROWS_MAX).max(1);
    let mut rows: Vec<(u64, u64)> = curve.iter().copied().step_by(step).collect();
    if rows.last() != curve.last() {
        rows.extend(curve.last());
    }
    html! {
        table {
            caption { (tongue.say("Reached over time", "到達の推移")) }
            thead { tr {
                th scope="col" { (tongue.say("After", "経過")) }
                th scope="col" .n { (tongue.say("Reached", "到達数")) }
                th scope="col" .n { "%" }
            } }
            tbody {
                @for (at_ms, reached) in rows {
                    tr {
                        th scope="row" { (tongue.duration(at_ms)) }
                        td .n { (number(reached)) }
                        td .n { (percent(reached, snapshot.targeted)) }
                    }
                }
            }
        }
    }
}
