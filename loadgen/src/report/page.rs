//! The page: what came out, whether to believe it, how it went over time, where it was measured.

use super::Report;
use super::chart::{Chart, Line, Scale, plain};
use crate::format::{grouped, octets, three_digits, time};
use crate::latency::{Latencies, Series};
use crate::limits::INTERVAL_NS;
use hayauma::push::code::Code;
use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsArray, ValueAsObject, ValueAsScalar, ValueObjectAccess};
use std::fmt::Write;
use std::time::Duration;

/// Points of a line over time; longer runs are drawn in longer intervals.
const POINTS_MAX: u64 = 240;
const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(super) fn render(report: &Report) -> String {
    let command = report.text(&["command"]);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Hayauma {command} {}</title>\n<style>{STYLE}</style>\n<main>\n",
        escaped(report.text(&["plan", "run"]))
    );
    for part in
        [head(report), verdict(report), latencies(report), charts(report), accounts(report), place(report)]
    {
        page.push_str(&part);
    }
    page.push_str("</main>\n</html>\n");
    page
}

fn head(report: &Report) -> String {
    let pushes = grouped(report.number(&["plan", "pushes"]) as u64);
    let load = match report.text(&["plan", "load"]) {
        "open" => format!("open loop at {} a second", grouped(report.number(&["plan", "rate_per_s"]) as u64)),
        "planned" => "open loop, planned arrivals".to_owned(),
        _ => "closed loop".to_owned(),
    };
    let durability = match report.text(&["engine", "durability"]) {
        "" => String::new(),
        word => format!(" · durability {word}"),
    };
    let at = hayauma::calendar::jst_digits(report.number(&["reported_at_unix_ms"]) as u64);
    let at: String = at.iter().map(|&digit| char::from(digit)).collect();
    let mut text = format!(
        "<header><h1>Hayauma {}</h1><p>{pushes} pushes · {load}{durability} · {}-{}-{} {}:{} JST</p></header>\n",
        report.text(&["command"]),
        &at[..4],
        &at[4..6],
        &at[6..8],
        &at[8..10],
        &at[10..12]
    );
    let rate = |name: &str| format!("{} <small>/s</small>", grouped(report.number(&[name]).round() as u64));
    let answer = |name: &str| milliseconds(report.number(&["answer_times", name]));
    let ledger = |name: &str| report.number(&["ledger", name]) as u64;
    let mut cards = vec![("accepted", rate("accepted_per_s"))];
    if report.number(&["notification_times", "count"]) > 0.0 {
        cards.push(("delivered", rate("delivered_per_s")));
    }
    cards.push(("answer, median", answer("p50_ms")));
    cards.push(("answer, 99 %", answer("p99_ms")));
    if report.at(&["engine"]).is_some() {
        let cost = three_digits(report.number(&["engine", "cpu_us_per_push"]));
        cards.push(("engine CPU per push", format!("{cost} <small>µs</small>")));
    }
    let wrong = ledger("lost") + ledger("duplicated") + ledger("unexpected");
    cards.push(("lost, duplicated, unexpected", grouped(wrong)));
    text.push_str("<div class=\"cards\">");
    for (name, value) in cards {
        // Writing to a String cannot fail.
        let _ = write!(text, "<div><b>{value}</b><span>{name}</span></div>");
    }
    text.push_str("</div>\n");
    text
}

fn verdict(report: &Report) -> String {
    let word = report.text(&["trust", "verdict"]);
    let class = if word == "VALID" { "good" } else { "doubt" };
    let says = if word == "VALID" {
        "nothing that was watched speaks against these figures"
    } else {
        "something speaks against these figures"
    };
    let clean = report.at(&["clean"]).and_then(|value| value.as_bool()).unwrap_or_default();
    let (book_class, book) = if clean { ("good", "CLEAN") } else { ("bad", "NOT CLEAN") };
    format!(
        "<section class=\"verdicts\"><div class=\"{class}\"><b>{word}</b> {says}{}</div>\
         <div class=\"{book_class}\"><b>{book}</b> {}{}</div></section>\n",
        list(report, &["trust", "reasons"]),
        escaped(report.text(&["verdict"])),
        list(report, &["faults"])
    )
}

fn list(report: &Report, path: &[&str]) -> String {
    let sentences: Vec<&str> = report
        .at(path)
        .and_then(|value| value.as_array())
        .map(|all| all.iter().filter_map(|one| one.as_str()).collect())
        .unwrap_or_default();
    if sentences.is_empty() {
        return String::new();
    }
    let items: String = sentences.iter().map(|sentence| format!("<li>{}</li>", escaped(sentence))).collect();
    format!("<ul>{items}</ul>")
}

fn latencies(report: &Report) -> String {
    let rows = [
        ("answer", "answer_times", "from the intended send; in a closed loop from the send"),
        ("notification", "notification_times", "from the same"),
        ("service", "service_times", "answer, from the actual send"),
        ("lateness", "lateness", "actual send, from the intended one"),
        ("own lateness", "own_lateness", "without what the target held back"),
    ];
    let columns = ["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"];
    let mut text = String::from(
        "<section><h2>Latencies</h2><div class=\"wide\"><table><thead><tr><th></th><th>median</th><th>90 %</th>\
         <th>99 %</th><th>99.9 %</th><th>longest</th><th class=\"note\">measured</th></tr></thead><tbody>",
    );
    for (name, field, note) in rows.into_iter().filter(|(_, field, _)| report.number(&[field, "count"]) > 0.0)
    {
        let cells: String = columns
            .iter()
            .map(|column| format!("<td>{}</td>", milliseconds(report.number(&[field, column]))))
            .collect();
        let _ = write!(text, "<tr><th>{name}</th>{cells}<td class=\"note\">{note}</td></tr>");
    }
    text.push_str("</tbody></table></div></section>\n");
    text
}

fn charts(report: &Report) -> String {
    let stages = &report.phases.load;
    let curves = stages
        .named()
        .into_iter()
        .filter(|(_, series)| series.total().count() > 0)
        .map(|(name, series)| Line { name: name.to_owned(), points: curve(&series.total()) })
        .collect();
    let over_time = |title, series: &Series| Chart {
        title,
        x_name: "seconds since the start of the load",
        x: Scale::Linear,
        y: Scale::Logarithmic,
        y_text: milliseconds_short,
        lines: timeline(series),
    };
    let samples: &[OwnedValue] =
        report.at(&["timeline"]).and_then(|value| value.as_array()).map(Vec::as_slice).unwrap_or_default();
    let counters = |title, names: &[(&str, &str)], y_text: fn(f64) -> String, rate: bool| Chart {
        title,
        x_name: "seconds since the start of the load",
        x: Scale::Linear,
        y: Scale::Linear,
        y_text,
        lines: names
            .iter()
            .map(|(name, field)| Line { name: (*name).to_owned(), points: course(samples, field, rate) })
            .collect(),
    };
    let all = [
        Chart {
            title: "Latency by percentile",
            x_name: "share of the measurements, in nines",
            x: Scale::Nines,
            y: Scale::Logarithmic,
            y_text: milliseconds_short,
            lines: curves,
        },
        counters(
            "Pushes per second",
            &[("sent", "sent"), ("accepted", "accepted"), ("notified", "notified"), ("refused", "refused")],
            plain,
            true,
        ),
        over_time("Answer over time", &stages.answer),
        over_time("Notification over time", &stages.notification),
        over_time("Lateness of the generator over time", &stages.lateness),
        counters("CPUs in use", &[("engine", "engine_cpu_s"), ("generator", "generator_cpu_s")], plain, true),
        counters(
            "Memory of the engine",
            &[("own", "engine_own_octets"), ("with mapped files", "engine_resident_octets")],
            |value| octets(value as u64),
            false,
        ),
    ];
    let drawn: String = all.iter().map(Chart::render).collect();
    format!("<section class=\"charts\">{drawn}</section>\n")
}

/// The percentile curve in milliseconds, up to the last percentile that ten measurements carry.
fn curve(total: &Latencies) -> Vec<(f64, f64)> {
    let last = 1.0 - 1.0 / total.count() as f64;
    let shares = (0..=140).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 20.0));
    shares
        .filter(|&share| share <= last)
        .map(|share| (share, total.percentile_ns(share * 100.0) as f64 / 1e6))
        .collect()
}

/// Median, 99 % and longest of each interval; short intervals are merged by adding.
fn timeline(series: &Series) -> Vec<Line> {
    let intervals: Vec<(u64, Latencies)> = series.intervals().collect();
    let last = intervals.last().map_or(0, |(number, _)| *number);
    let width = (last + 1).div_ceil(POINTS_MAX);
    let mut merged: Vec<(u64, Latencies)> = Vec::new();
    for (number, latencies) in intervals {
        match merged.last_mut() {
            Some((at, sum)) if *at == number / width => sum.add(&latencies),
            _ => merged.push((number / width, latencies)),
        }
    }
    let line = |name: &str, percent: f64| Line {
        name: name.to_owned(),
        points: merged
            .iter()
            .map(|(at, latencies)| {
                let second = (at * width) as f64 * INTERVAL_NS as f64 / 1e9;
                (second, latencies.percentile_ns(percent) as f64 / 1e6)
            })
            .collect(),
    };
    vec![line("longest", 100.0), line("99 %", 99.0), line("median", 50.0)]
}

/// A counter of the samples: its growth per second, or itself. Lines that are 0 all along are left out.
fn course(samples: &[OwnedValue], field: &str, rate: bool) -> Vec<(f64, f64)> {
    let step = samples.len().div_ceil(POINTS_MAX as usize).max(1);
    let points: Vec<(f64, f64)> = samples
        .iter()
        .step_by(step)
        .filter_map(|sample| Some((sample.get("at_s")?.cast_f64()?, sample.get(field)?.cast_f64()?)))
        .collect();
    let course: Vec<(f64, f64)> = if rate {
        let grown = |pair: &[(f64, f64)]| (pair[1].0, (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0));
        points.windows(2).filter(|pair| pair[1].0 - pair[0].0 > 0.05).map(grown).collect()
    } else {
        points
    };
    if course.iter().all(|point| point.1 == 0.0) { Vec::new() } else { course }
}

fn accounts(report: &Report) -> String {
    let mut text = String::from("<section class=\"pair\">");
    for (title, field) in
        [("Answers by code", "answer_codes"), ("Notifications by code", "notification_codes")]
    {
        let Some(codes) =
            report.at(&[field]).and_then(|value| value.as_object()).filter(|codes| !codes.is_empty())
        else {
            continue;
        };
        let mut codes: Vec<(&str, u64)> =
            codes.iter().map(|(code, count)| (code.as_str(), count.as_u64().unwrap_or_default())).collect();
        codes.sort_unstable();
        let most = codes.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
        let _ = write!(text, "<div><h2>{title}</h2><table><tbody>");
        for (code, count) in codes {
            let meaning = Code::parse(code.as_bytes()).map_or("unknown", |code| code.meaning());
            let share = count as f64 * 100.0 / most as f64;
            let class = if code.starts_with("000") { "bar" } else { "bar error" };
            let _ = write!(
                text,
                "<tr><th>{code}</th><td>{}</td><td class=\"note\">{}<i class=\"{class}\" style=\"width:{share:.1}%\"></i></td></tr>",
                grouped(count),
                escaped(meaning)
            );
        }
        text.push_str("</tbody></table></div>");
    }
    text.push_str("</section>\n");
    text
}

fn place(report: &Report) -> String {
    let words = |path: &[&str]| {
        let all = report.at(path).and_then(|value| value.as_array());
        let one = |value: &OwnedValue| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        all.map(|all| all.iter().map(one).collect::<Vec<_>>().join(" ")).unwrap_or_default()
    };
    let whole = |path: &[&str]| grouped(report.number(path) as u64);
    let share = |path: &[&str]| format!("{:.1} %", report.number(path) * 100.0);
    let rows = [
        (
            "machine",
            format!(
                "{} · {} CPUs · {}",
                report.text(&["machine", "cpu_model"]),
                whole(&["machine", "cpus"]),
                octets(report.number(&["machine", "memory_octets"]) as u64)
            ),
        ),
        ("kernel", report.text(&["machine", "kernel"]).to_owned()),
        ("host", report.text(&["environment", "host"]).to_owned()),
        ("clock", report.text(&["environment", "clock_source"]).to_owned()),
        ("governor", report.text(&["environment", "governor"]).to_owned()),
        ("data on", report.text(&["machine", "file_system"]).to_owned()),
        ("engine's CPUs", words(&["engine", "cpus"])),
        ("generator's CPUs", words(&["plan", "cpus"])),
        (
            "connections",
            format!("{} × {} in flight", whole(&["plan", "connections"]), whole(&["plan", "pipeline"])),
        ),
        ("mix", report.text(&["plan", "mix"]).to_owned()),
        ("seed", format!("{}", report.number(&["plan", "seed"]))),
        (
            "revision",
            format!("{} (version {})", report.text(&["environment", "revision"]), report.text(&["version"])),
        ),
        ("arguments", words(&["environment", "arguments"])),
        ("machine in use", share(&["trust", "machine_busy"])),
        ("stolen CPU time", share(&["trust", "steal"])),
        ("hiccups, 99 %", milliseconds(report.number(&["trust", "hiccups", "p99_ms"]))),
        ("pause before the load", milliseconds(report.number(&["trust", "baseline_pause_ms"]))),
        (
            "generator CPU per push",
            format!("{} µs", three_digits(report.number(&["generator", "cpu_us_per_push"]))),
        ),
    ];
    let rows: String = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("<tr><th>{name}</th><td class=\"note\">{}</td></tr>", escaped(value)))
        .collect();
    format!("<section><h2>Where and how</h2><table class=\"place\"><tbody>{rows}</tbody></table></section>\n")
}

fn milliseconds(value: f64) -> String {
    time(Duration::from_secs_f64(value.max(0.0) / 1e3))
}

/// A tick of a logarithmic axis in milliseconds.
fn milliseconds_short(value: f64) -> String {
    match value {
        value if value >= 1_000.0 => format!("{} s", plain(value / 1e3)),
        value if value >= 1.0 => format!("{} ms", plain(value)),
        value => format!("{} µs", plain(value * 1e3)),
    }
}

/// Text that is safe between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
