//! The page of a comparison: the curves of several runs over each other, and which figures differ.

use super::Report;
use super::axis::{Scale, milliseconds, plain};
use super::chart::{COLOURS, Chart, Line, Stroke};
use super::figures::{accepted_over_time, curve, percentile_over_time};
use super::page::{escaped, frame};
use crate::compare::Difference;
use crate::format::{grouped, three_digits};
use std::fmt::Write;

/// Runs that can be told apart by colour; more are drawn in the same colours again, with other
/// strokes.
const STROKES: [Stroke; 3] = [Stroke::Solid, Stroke::Dashed, Stroke::Dotted];

/// The page; `differences` holds those of each run but the first.
pub(super) fn render(runs: &[(String, Report)], differences: &[Vec<Difference>]) -> String {
    let names: Vec<String> = runs.iter().map(|(name, _)| escaped(name)).collect();
    let differ = differences.iter().flatten().any(|difference| difference.differs);
    let sentence = if differ {
        "At least one figure differs by more than run-to-run noise."
    } else {
        "No figure differs by more than run-to-run noise."
    };
    let mut body = format!(
        "<header><div class=\"seal\" lang=\"ja\" aria-hidden=\"true\">早<br>馬</div>\
         <h1>Hayauma · {} runs compared</h1>\
         <p>{}</p></header>\n<p class=\"summary\">{sentence}</p>\n",
        runs.len(),
        names.join(" · ")
    );
    for ((name, _), found) in runs.iter().skip(1).zip(differences) {
        body.push_str(&table(&runs[0].0, name, found));
    }
    body.push_str("<section><h2>Over each other</h2><div class=\"charts\">");
    for chart in charts(runs) {
        body.push_str(&chart.render());
    }
    body.push_str("</div></section>\n");
    frame(&format!("Hayauma: {} runs compared", runs.len()), &body)
}

fn table(first: &str, other: &str, differences: &[Difference]) -> String {
    let (first, other) = (escaped(first), escaped(other));
    let mut text = format!(
        "<section class=\"latencies\"><h2>{other} beside {first}</h2><div class=\"wide\"><table>\
         <thead><tr><th></th><th>{first}</th>\
         <th>{other}</th><th>change</th><th class=\"spare\">noise</th><th></th></tr></thead><tbody>"
    );
    for difference in differences {
        let change = (difference.other / difference.first - 1.0) * 100.0;
        let (class, word) =
            if difference.differs { ("doubt", "<strong>differs</strong>") } else { ("", "same") };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "<tr class=\"{class}\"><th>{}</th><td>{}</td><td>{}</td><td>{change:+.1} %</td>\
             <td class=\"spare\">± {}</td><td>{word}</td></tr>",
            escaped(difference.figure),
            figure(difference.first),
            figure(difference.other),
            figure(difference.noise)
        );
    }
    text.push_str("</tbody></table></div></section>\n");
    text
}

fn figure(value: f64) -> String {
    if value >= 1_000.0 { grouped(value.round() as u64) } else { three_digits(value) }
}

fn charts(runs: &[(String, Report)]) -> Vec<Chart> {
    let lines = |points: &dyn Fn(&Report) -> Vec<(f64, f64)>| -> Vec<Line> {
        let line = |(number, (name, report)): (usize, &(String, Report))| Line {
            name: name.clone(),
            points: points(report),
            colour: number,
            stroke: STROKES[number / COLOURS % STROKES.len()],
        };
        runs.iter().enumerate().map(line).collect()
    };
    let by_percentile = |title: &str, lines| Chart {
        title: title.to_owned(),
        says: "99 of 100 took at most what stands above 99 %.",
        x_name: "per cent of the requests",
        x: Scale::Nines,
        y: Scale::Logarithmic,
        y_text: milliseconds,
        lines,
        band: None,
        wide: true,
    };
    let over_time = |title: &str, y, y_text: fn(f64) -> String, lines| Chart {
        title: title.to_owned(),
        says: "One line a run.",
        x_name: "seconds since the start of the load",
        x: Scale::Linear,
        y,
        y_text,
        lines,
        band: None,
        wide: false,
    };
    vec![
        by_percentile("Answer by percentile", lines(&|run| curve(&run.phases.load.answer.total()))),
        over_time(
            "Answer over time, 99 %",
            Scale::Logarithmic,
            milliseconds,
            lines(&|run| percentile_over_time(&run.phases.load.answer, 99.0)),
        ),
        over_time(
            "Accepted per second",
            Scale::Linear,
            plain,
            lines(&|run| accepted_over_time(run)),
        ),
        by_percentile(
            "Notification by percentile",
            lines(&|run| curve(&run.phases.load.notification.total())),
        ),
    ]
}
