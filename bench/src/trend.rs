//! Draws the results of all runs as one page: for each bench its figures over the runs on the
//! machine of the latest run, the latest run in numbers, and the list of all runs.
//!
//! The page is drawn from the lines in `bench/results/` alone and knows no bench in particular:
//! every figure of several rounds (an object with `median`) is a line, named by the words that
//! stand beside it. `SHOWN` only says which of them deserve a chart, and what to say about it.

mod figures;

use crate::results::home;
use clap::Args;
use figures::{Run, read};
use loadgen::report::axis::{Scale, plain};
use loadgen::report::chart::{Chart, Line, Stroke};
use loadgen::report::framed;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What to draw.
#[derive(Args, Clone, Debug)]
pub struct Trend {
    /// Directory of the results [default: bench/results of the checkout]
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// Where to write the page [default: trend.html in the directory of the results]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A chart worth drawing.
struct Shown {
    bench: &'static str,
    metric: &'static str,
    title: &'static str,
    says: &'static str,
}

/// What each bench is, in the order of the page; others come behind them.
const BENCHES: [(&str, &str, &str); 5] = [
    (
        "limit",
        "Beside the limit",
        "The engine's CPU time per push beside that of a responder that parses nothing, keeps \
         nothing and answers at once.",
    ),
    (
        "peers",
        "Beside Kannel",
        "The same job in turn: take a text over HTTP, keep it, deliver it, tell the client.",
    ),
    (
        "append",
        "Beside the device",
        "The journal's append and commit beside plain writes and syncs of the same octets.",
    ),
    (
        "waiting",
        "With millions waiting",
        "An engine that keeps millions of pushes beside one that keeps few.",
    ),
    (
        "smpp",
        "SMPP by itself",
        "The codec and two sessions in memory, and the load generator's senders against its SMSC.",
    ),
];

const SHOWN: [Shown; 9] = [
    Shown {
        bench: "limit",
        metric: "ratio",
        title: "Times the limit",
        says: "The engine's CPU time over the responder's; 1 is the limit, less is better.",
    },
    Shown {
        bench: "limit",
        metric: "engine_us",
        title: "CPU time per push, µs",
        says: "The engine's whole process; less is better.",
    },
    Shown {
        bench: "peers",
        metric: "notified_per_s",
        title: "Messages accepted, delivered and notified per second",
        says: "Until the last receipt; more is better.",
    },
    Shown {
        bench: "peers",
        metric: "cpu_us",
        title: "CPU time per message, µs",
        says: "All processes of a side; less is better.",
    },
    Shown {
        bench: "append",
        metric: "ratio",
        title: "Of the device's rate",
        says: "The journal's rate over that of plain writes and syncs; 1 is the device.",
    },
    Shown {
        bench: "append",
        metric: "octets_per_s",
        title: "Octets per second",
        says: "Appended and committed; more is better.",
    },
    Shown {
        bench: "waiting",
        metric: "ratio",
        title: "Of the rate with few waiting",
        says: "The full engine's rate over the other's; 1 is no difference.",
    },
    Shown {
        bench: "waiting",
        metric: "full_us",
        title: "CPU time per push, µs",
        says: "With millions waiting; less is better.",
    },
    Shown {
        bench: "smpp",
        metric: "per_s",
        title: "Pushes per second, senders and SMSC",
        says: "Answered and receipted over loopback; more is better.",
    },
];

impl Trend {
    /// Draws the page and says where it is.
    ///
    /// # Errors
    /// One sentence: a result that cannot be read, or a page that cannot be written.
    pub fn run(&self) -> Result<(), String> {
        let directory = self.results.clone().unwrap_or_else(|| home().join("results"));
        let runs = read(&directory)?;
        let out = self.out.clone().unwrap_or_else(|| directory.join("trend.html"));
        write(&out, &page(&runs))?;
        println!("{} runs are drawn in {}", runs.len(), out.display());
        Ok(())
    }
}

fn write(path: &Path, page: &str) -> Result<(), String> {
    std::fs::write(path, page).map_err(|error| {
        format!("{} cannot be written ({error}): name another place with --out.", path.display())
    })
}

fn page(runs: &[Run]) -> String {
    let mut body = format!(
        "<header><div class=\"seal\" lang=\"ja\" aria-hidden=\"true\">早<br>馬</div>\
         <h1>Hayauma · bench results</h1>\
         <p>{} runs</p></header>\n",
        runs.len()
    );
    let mut names: Vec<&str> = BENCHES.iter().map(|(name, ..)| *name).collect();
    for run in runs {
        if !names.contains(&run.bench.as_str()) {
            names.push(&run.bench);
        }
    }
    for name in names {
        let of_bench: Vec<&Run> = runs.iter().filter(|run| run.bench == name).collect();
        if let Some(latest) = of_bench.last() {
            body.push_str(&section(name, latest, &of_bench));
        }
    }
    body.push_str(
        "<section><h2>How to read this</h2><dl>\
         <div><dt>Median and spread</dt><dd>A figure is the median of a run's rounds; the spread \
         is the distance from the least to the greatest, as a share of it. A change within the \
         spread is no change.</dd></div>\
         <div><dt>One machine</dt><dd>Lines hold the runs on the machine of the latest run only. \
         Absolute figures of a shared host drift from hour to hour; ratios drift \
         less.</dd></div></dl></section>\n\
         <footer>Hayauma <span lang=\"ja\">早馬</span> · drawn by bench trend from the lines in \
         bench/results</footer>\n",
    );
    framed("Hayauma bench results", &body)
}

fn section(name: &str, latest: &Run, runs: &[&Run]) -> String {
    let known = BENCHES.iter().find(|(bench, ..)| *bench == name);
    let (title, says) = known.map_or((name, ""), |(_, title, says)| (*title, *says));
    let here: Vec<&Run> =
        runs.iter().copied().filter(|run| run.machine == latest.machine).collect();
    let mut text = format!(
        "<section class=\"places latencies\"><h2>{}</h2><p class=\"summary\">{}</p>",
        escaped(title),
        escaped(says)
    );
    let charts: String = SHOWN
        .iter()
        .filter(|shown| shown.bench == name)
        .map(|shown| chart(shown, latest, &here).render())
        .collect();
    if charts.is_empty() {
        let note = "One run on this machine so far: a line needs two.";
        let _ = write!(text, "<p>{note}</p>");
    } else {
        let _ = write!(text, "<div class=\"charts\">{charts}</div>");
    }
    text.push_str(&latest_table(name, latest));
    text.push_str(&runs_table(runs));
    text.push_str("</section>\n");
    text
}

fn chart(shown: &Shown, latest: &Run, here: &[&Run]) -> Chart {
    let labels: Vec<&str> = latest
        .figures
        .iter()
        .filter(|f| f.metric == shown.metric)
        .map(|f| f.label.as_str())
        .collect();
    let strokes = [Stroke::Solid, Stroke::Dashed, Stroke::Dotted];
    let line = |(at, label): (usize, &&str)| Line {
        name: (*label).to_owned(),
        points: (1u32..)
            .zip(here)
            .filter_map(|(number, run)| Some((f64::from(number), run.median(label, shown.metric)?)))
            .collect(),
        colour: at,
        stroke: strokes[at % strokes.len()],
    };
    Chart {
        title: shown.title.to_owned(),
        says: shown.says,
        x_name: "run on this machine, oldest first",
        x: Scale::Whole,
        y: Scale::Linear,
        y_text: plain,
        lines: labels.iter().enumerate().map(line).collect(),
        band: None,
        wide: false,
    }
}

/// The latest run: a row for each label, a column for each metric that most rows have.
fn latest_table(bench: &str, latest: &Run) -> String {
    let mut labels: Vec<&str> = Vec::new();
    let mut metrics: Vec<&str> = Vec::new();
    for figure in &latest.figures {
        if !labels.contains(&figure.label.as_str()) {
            labels.push(&figure.label);
        }
        let worth = SHOWN.iter().any(|shown| shown.bench == bench && shown.metric == figure.metric);
        let known = SHOWN.iter().any(|shown| shown.bench == bench);
        if (worth || !known) && !metrics.contains(&figure.metric.as_str()) {
            metrics.push(&figure.metric);
        }
    }
    let head: String =
        metrics.iter().map(|metric| format!("<th>{}</th>", escaped(metric))).collect();
    let mut rows = String::new();
    for label in labels {
        let cells: Vec<_> = metrics.iter().map(|metric| latest.figure(label, metric)).collect();
        if cells.iter().any(Option::is_some) {
            let _ = write!(rows, "<tr><th>{}</th>", escaped(label));
            for cell in cells {
                let text = cell.map(|f| {
                    format!(
                        "{} <small class=\"spare\">± {:.0} %</small>",
                        short(f.median),
                        f.spread * 50.0
                    )
                });
                let _ = write!(rows, "<td>{}</td>", text.unwrap_or_default());
            }
            rows.push_str("</tr>");
        }
    }
    format!(
        "<h3>The latest run</h3><p>{} JST · {} · {} · {}</p><div class=\"wide\"><table><thead><tr>\
         <th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>",
        escaped(&latest.at),
        escaped(&latest.revision),
        escaped(&latest.machine),
        escaped(&latest.kernel)
    )
}

fn runs_table(runs: &[&Run]) -> String {
    let mut rows = String::new();
    for run in runs.iter().rev() {
        let _ = write!(
            rows,
            "<tr><th>{} JST</th><td>{}</td><td class=\"note\">{}</td></tr>",
            escaped(&run.at),
            escaped(&run.revision),
            escaped(&format!("{} · {}", run.machine, run.kernel))
        );
    }
    format!(
        "<h3>All runs</h3><div class=\"wide\"><table><thead><tr><th></th><th>revision</th>\
         <th class=\"note\">machine</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>"
    )
}

/// Three digits are enough.
fn short(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => plain(value.round()),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_make_a_line_and_another_machine_makes_none() {
        let place = tempfile::tempdir().expect("a place for temporary files");
        let line = |ratio: f64, cpus: u8| {
            format!(
                "{{\"bench\":\"limit\",\"at_unix_ms\":1795591904043,\"revision\":\"r<1>\",\
                 \"host\":{{\"cpu_model\":\"C\",\
                 \"cpus\":{cpus},\"memory_octets\":1,\"kernel\":\"Linux 6\"}},\
                 \"cases\":[{{\"case\":\"accept\",\"load\":\"pipelined\",\
                 \"ratio\":{{\"median\":{ratio},\"spread\":0.1,\"all\":[{ratio}]}}}}]}}\n"
            )
        };
        let draw = |lines: &[String]| {
            std::fs::write(place.path().join("limit.jsonl"), lines.concat()).expect("writable");
            page(&read(place.path()).expect("legal"))
        };
        let one = draw(&[line(5.0, 1), line(2.0, 2)]);
        assert!(
            one.contains("a line needs two") && one.contains("r&lt;1&gt;") && one.contains("2.00"),
            "{one}"
        );
        let two = draw(&[line(5.0, 2), line(2.0, 2)]);
        assert!(two.contains("class=\"line c0\"") && two.contains("accept pipelined"), "{two}");
        assert!(!two.contains("<script"));
    }

    #[test]
    fn a_line_that_is_no_result_is_named() {
        let place = tempfile::tempdir().expect("a place for temporary files");
        std::fs::write(place.path().join("limit.jsonl"), "{}\n").expect("writable");
        let fault = read(place.path()).expect_err("not a record");
        assert!(fault.contains("limit.jsonl") && fault.contains("line 1"), "{fault}");
    }
}
