//! Where and how a run was measured: no figure without it.

use super::Report;
use super::page::{escaped, milliseconds};
use crate::format::{grouped, octets, three_digits};
use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsArray, ValueAsScalar, ValueObjectAccess};

/// The section.
pub(super) fn place(report: &Report) -> String {
    let tables: String =
        [("Machine", machine(report)), ("Run", run(report)), ("Conditions", conditions(report))]
            .into_iter()
            .map(|(title, rows)| table(title, &rows))
            .collect();
    format!(
        "<section class=\"places\"><h2>Where and how</h2><div class=\"pair\">{tables}</div>\
         </section>\n"
    )
}

type Rows = Vec<(&'static str, String)>;

fn table(title: &str, rows: &Rows) -> String {
    let rows: String = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            format!("<tr><th>{name}</th><td class=\"note\">{}</td></tr>", escaped(value))
        })
        .collect();
    format!("<div><h3>{title}</h3><table class=\"place\"><tbody>{rows}</tbody></table></div>")
}

fn machine(report: &Report) -> Rows {
    let text = |path: &[&str]| report.text(path).to_owned();
    let engine = if report.at(&["engine_process"]).is_some() { "engine_process" } else { "engine" };
    let disk = [report.text(&["machine", "file_system"]), report.text(&["machine", "device"])];
    vec![
        ("processor", text(&["machine", "cpu_model"])),
        (
            "CPUs",
            format!(
                "{} · engine on {} · generator on {}",
                whole(report, &["machine", "cpus"]),
                cpus(report, &[engine, "cpus"]),
                cpus(report, &["plan", "cpus"])
            ),
        ),
        ("memory", octets(report.number(&["machine", "memory_octets"]) as u64)),
        ("kernel", text(&["machine", "kernel"])),
        ("host", text(&["environment", "host"])),
        ("clock", text(&["environment", "clock_source"])),
        ("governor", text(&["environment", "governor"])),
        (
            "data on",
            disk.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" on "),
        ),
        ("locked memory", text(&["environment", "locked_memory_limit"])),
    ]
}

fn run(report: &Report) -> Rows {
    let plan = |name: &str| report.text(&["plan", name]).to_owned();
    let durability =
        ["engine", "engine_process"].map(|name| report.text(&[name, "durability"])).concat();
    vec![
        ("arguments", words(report, &["environment", "arguments"])),
        (
            "revision",
            format!(
                "{} (version {})",
                report.text(&["environment", "revision"]),
                report.text(&["version"])
            ),
        ),
        ("seed", format!("{}", report.number(&["plan", "seed"]))),
        ("durability", durability),
        ("driver", report.text(&["engine", "driver"]).to_owned()),
        ("engine", words(report, &["engine_process", "arguments"])),
        ("arrivals", arrivals(report)),
        (
            "connections",
            format!(
                "{}{} × {} in flight, {} sending {}",
                whole(report, &["plan", "connections"]),
                if plan("interface") == "https" { " over TLS 1.3" } else { "" },
                whole(report, &["plan", "pipeline"]),
                whole(report, &["plan", "threads"]),
                if report.number(&["plan", "threads"]) == 1.0 { "thread" } else { "threads" }
            ),
        ),
        (
            "window",
            if report.at(&["plan", "window"]).is_some() {
                whole(report, &["plan", "window"])
            } else {
                String::new()
            },
        ),
        ("mix", plan("mix")),
        (
            "phone numbers",
            format!("{}, {}", whole(report, &["plan", "msns"]), report.text(&["plan", "order"])),
        ),
        ("XPIDs", words(report, &["plan", "xpids"])),
        ("class", plan("class")),
    ]
}

fn conditions(report: &Report) -> Rows {
    let share = |path: &[&str]| format!("{:.1} %", report.number(path) * 100.0);
    let senders = report.at(&["trust", "sender_busy"]).and_then(|value| value.as_array());
    let busy = senders.into_iter().flatten().filter_map(|one| one.cast_f64()).fold(0.0, f64::max);
    vec![
        ("machine in use", share(&["trust", "machine_busy"])),
        ("stolen CPU time", share(&["trust", "steal"])),
        ("hiccups, 99 %", milliseconds(report.number(&["trust", "hiccups", "p99_ms"]))),
        ("longest hiccup", milliseconds(report.number(&["trust", "hiccups", "max_ms"]))),
        ("pause before", milliseconds(report.number(&["trust", "baseline_pause_ms"]))),
        ("busiest sender", format!("{:.1} %", busy * 100.0)),
        (
            "generator CPU",
            format!(
                "{} µs per push",
                three_digits(report.number(&["generator", "cpu_us_per_push"]))
            ),
        ),
        ("generator memory", octets(report.number(&["generator", "peak_octets"]) as u64)),
    ]
}

fn whole(report: &Report, path: &[&str]) -> String {
    grouped(report.number(path) as u64)
}

fn words(report: &Report, path: &[&str]) -> String {
    let all = report.at(path).and_then(|value| value.as_array());
    let one = |value: &OwnedValue| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    all.map(|all| all.iter().map(one).collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

fn cpus(report: &Report, path: &[&str]) -> String {
    match words(report, path) {
        none if none.is_empty() => "any".to_owned(),
        list => list.replace(' ', ", "),
    }
}

/// The stretches of a plan, in words.
fn arrivals(report: &Report) -> String {
    let all = report.at(&["plan", "arrivals"]).and_then(|value| value.as_array());
    let stretch = |stretch: &OwnedValue| -> Option<String> {
        let figure =
            |name: &str| stretch.get(name).and_then(|value| value.cast_f64()).unwrap_or_default();
        let rate = |name: &str| grouped(figure(name) as u64);
        let seconds = figure("seconds");
        let warm_up = stretch.get("warm_up")?.as_bool()?;
        let kind = stretch.get("arrivals")?.as_str()?;
        let what = match kind {
            "ramp" => format!("ramp {}–{}/s", rate("from_per_s"), rate("to_per_s")),
            "burst" => format!(
                "{}/s and bursts of {} every {} s",
                rate("rate_per_s"),
                rate("pushes"),
                figure("every_s")
            ),
            kind => format!("{kind} {}/s", rate("rate_per_s")),
        };
        Some(format!("{}{what} for {seconds} s", if warm_up { "warm-up: " } else { "" }))
    };
    all.into_iter().flatten().filter_map(stretch).collect::<Vec<_>>().join(" · ")
}
