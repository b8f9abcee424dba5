//! The page: what came out, whether to believe it, how it went over time, where it was measured.

use super::Report;
use super::figures;
use super::place::place;
use crate::format::{grouped, three_digits, time};
use crate::text::reason;
use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsArray, ValueAsObject, ValueAsScalar, ValueObjectAccess};
use std::fmt::Write;
use std::time::Duration;
use wire::terms::code::Code;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(super) fn render(report: &Report) -> String {
    let drawn: String = figures::of(report).iter().map(super::chart::Chart::render).collect();
    let charts =
        format!("<section><h2>How it went</h2><div class=\"charts\">{drawn}</div></section>\n");
    let parts = [
        head(report),
        summary(report),
        cards(report),
        verdict(report),
        latencies(report),
        charts,
        codes(report),
        asked(report),
        place(report),
        words(),
    ];
    let title = format!("Hayauma {} {}", report.text(&["command"]), report.text(&["plan", "run"]));
    frame(&escaped(&title), &parts.concat())
}

/// A page without scripts that needs no other file.
pub(super) fn frame(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         </body>\n</html>\n"
    )
}

fn head(report: &Report) -> String {
    let load = match report.text(&["plan", "load"]) {
        "open" => format!(
            "open loop at {} a second",
            grouped(report.number(&["plan", "rate_per_s"]) as u64)
        ),
        "planned" => "open loop, planned arrivals".to_owned(),
        _ => "closed loop".to_owned(),
    };
    let durability = match report.text(&["engine", "durability"]) {
        "" => String::new(),
        word => format!(" · durability {}", escaped(word)),
    };
    let at = wire::terms::calendar::jst_digits(report.number(&["reported_at_unix_ms"]) as u64);
    let at: String = at.iter().map(|&digit| char::from(digit)).collect();
    format!(
        "<header><div class=\"seal\" lang=\"ja\" aria-hidden=\"true\">早<br>馬</div>\
         <h1>Hayauma load report · {}</h1>\
         <p>{load}{durability} · {}-{}-{} {}:{} JST · run {}</p></header>\n",
        escaped(report.text(&["command"])),
        &at[..4],
        &at[4..6],
        &at[6..8],
        &at[8..10],
        &at[10..12],
        escaped(report.text(&["plan", "run"]))
    )
}

/// What happened, in two sentences for who reads no further.
fn summary(report: &Report) -> String {
    let ledger = |name: &str| report.number(&["ledger", name]) as u64;
    let notified = asked_for_notifications(report);
    let (sent, accepted) = (ledger("attempted"), ledger("accepted"));
    let within = time(Duration::from_secs_f64(report.number(&["settled_within_s"]).max(0.0)));
    let accepted = match (accepted == sent, notified) {
        (true, true) => "every one was accepted".to_owned(),
        (true, false) => "every one was accepted, and none asked to be notified".to_owned(),
        (false, _) => format!("{} were accepted", grouped(accepted)),
    };
    let delivered = if notified {
        format!(
            "; {} delivered and {} notified",
            said(ledger("delivered"), sent),
            said(ledger("notified"), ledger("accepted"))
        )
    } else {
        String::new()
    };
    let wrong =
        ledger("lost") + ledger("duplicated") + ledger("unexpected") + ledger("http_errors");
    let cut_short = report.at(&["cut_short"]).is_some();
    let books = match (wrong == 0, notified && !cut_short) {
        (true, true) => "Nothing was lost, nothing came twice.",
        (true, false) => "",
        (false, _) => "The books do not balance: see below.",
    };
    let interrupted =
        if cut_short { "<strong>The run was interrupted before its end.</strong> " } else { "" };
    let answer = |name: &str| milliseconds(report.number(&["answer_times", name]));
    format!(
        "<p class=\"summary\">{interrupted}{} pushes were sent; {accepted}{delivered}, the last \
         after {within}. {books} Half of the answers came within {}, 99 of 100 within {}.</p>\n",
        grouped(sent),
        answer("p50_ms"),
        answer("p99_ms")
    )
}

/// `all`, or how many.
fn said(count: u64, of: u64) -> String {
    if count == of { "all were".to_owned() } else { format!("{} were", grouped(count)) }
}

fn cards(report: &Report) -> String {
    let rate = |name: &str| {
        format!("{} <small>/s</small>", grouped(report.number(&[name]).round() as u64))
    };
    let answer = |name: &str| value_and_unit(&milliseconds(report.number(&["answer_times", name])));
    let ledger = |name: &str| report.number(&["ledger", name]) as u64;
    let mut cards = vec![("accepted", rate("accepted_per_s"))];
    let notified = asked_for_notifications(report);
    if notified {
        cards.push(("delivered and notified", rate("notified_per_s")));
    }
    cards.push(("answer, median", answer("p50_ms")));
    cards.push(("answer, 99 %", answer("p99_ms")));
    if let Some(engine) =
        ["engine", "engine_process"].into_iter().find(|name| report.at(&[name]).is_some())
    {
        let cost = three_digits(report.number(&[engine, "cpu_us_per_push"]));
        cards.push(("engine CPU per push", format!("{cost} <small>µs</small>")));
    }
    let wrong = ledger("lost") + ledger("duplicated") + ledger("unexpected");
    if report.at(&["ledger", "lost"]).is_some() {
        cards.push(("lost, duplicated, unexpected", grouped(wrong)));
    } else if notified {
        cards.push(("not notified when interrupted", grouped(ledger("not_awaited"))));
    }
    if ledger("http_errors") > 0 {
        cards.push(("HTTP errors", grouped(ledger("http_errors"))));
    }
    let mut text = String::from("<div class=\"cards\">");
    for (name, value) in cards {
        // Writing to a String cannot fail.
        let _ = write!(text, "<div><b>{value}</b><span>{name}</span></div>");
    }
    text.push_str("</div>\n");
    text
}

/// Whether the pushes of the run asked for notifications.
fn asked_for_notifications(report: &Report) -> bool {
    report.at(&["plan", "notify"]).and_then(|value| value.as_bool()).unwrap_or_default()
}

fn value_and_unit(text: &str) -> String {
    text.split_once(' ')
        .map_or_else(|| text.to_owned(), |(value, unit)| format!("{value} <small>{unit}</small>"))
}

fn verdict(report: &Report) -> String {
    let word = report.text(&["trust", "verdict"]);
    let (class, says) = match word {
        "VALID" => ("good", "Nothing that was watched speaks against these figures."),
        "INTERRUPTED" => ("bad", "These figures are those of the part that was carried out:"),
        _ => ("doubt", "Something speaks against these figures:"),
    };
    let clean = report.at(&["clean"]).and_then(|value| value.as_bool()).unwrap_or_default();
    let (book_class, book) = if clean { ("good", "CLEAN") } else { ("bad", "NOT CLEAN") };
    format!(
        "<section class=\"verdicts\"><div class=\"{class}\"><strong>{}</strong> {says}{}</div>\
         <div class=\"{book_class}\"><strong>{book}</strong> {}{}</div></section>\n",
        escaped(word),
        list(report, &["trust", "reasons"]),
        escaped(&in_groups(report.text(&["verdict"]))),
        list(report, &["faults"])
    )
}

/// The same text with separators in its numbers, which stay on the line of the word before them.
fn in_groups(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        word.parse()
            .map_or_else(|_| format!(" {word}"), |number| format!("\u{a0}{}", grouped(number)))
    });
    words.collect::<String>().trim_start().to_owned()
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
    let items: String =
        sentences.iter().map(|sentence| format!("<li>{}</li>", escaped(sentence))).collect();
    format!("<ul>{items}</ul>")
}

fn latencies(report: &Report) -> String {
    let open = report.text(&["plan", "load"]) != "closed";
    let since = if open { "from the intended send" } else { "from the send" };
    let service = if open { "service_times" } else { "none: a closed loop has one time" };
    let rows = [
        ("answer", "answer_times", since),
        ("answer, service", service, "from the actual send"),
        ("delivery", "delivery_times", "at the latest: E5 names seconds"),
        ("delivery, service", "delivery_service_times", "from the actual send, at the latest"),
        ("notification", "notification_times", since),
        ("notification, service", "notification_service_times", "from the actual send"),
        ("lateness", "lateness", "from the intended to the actual send"),
        ("own lateness", "own_lateness", "without what the target held back"),
    ];
    let columns = ["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"];
    let mut text = String::from(
        "<section class=\"latencies\"><h2>How long it took</h2><div class=\"wide\"><table><thead>\
         <tr><th></th><th>median</th>\
         <th class=\"spare\">90 %</th><th>99 %</th><th>99.9 %</th><th>longest</th>\
         <th class=\"note\"></th></tr></thead><tbody>",
    );
    for (name, field, note) in
        rows.into_iter().filter(|(_, field, _)| report.number(&[field, "count"]) > 0.0)
    {
        let cells: String = columns
            .iter()
            .map(|column| {
                // A phone has no room for all of them.
                let class = if *column == "p90_ms" { " class=\"spare\"" } else { "" };
                format!("<td{class}>{}</td>", milliseconds(report.number(&[field, column])))
            })
            .collect();
        let _ = write!(text, "<tr><th>{name}</th>{cells}<td class=\"note\">{note}</td></tr>");
    }
    text.push_str("</tbody></table></div></section>\n");
    text
}

fn codes(report: &Report) -> String {
    let mut text = String::from("<section class=\"pair\">");
    for (title, field) in [
        ("Answers by code", "answer_codes"),
        ("Answers by HTTP status, without a push response", "http_errors"),
        ("Answers of the SMSC that say no, by command_status", "smpp_statuses"),
        ("Notifications by code", "notification_codes"),
    ] {
        let Some(codes) = report
            .at(&[field])
            .and_then(|value| value.as_object())
            .filter(|codes| !codes.is_empty())
        else {
            continue;
        };
        let mut codes: Vec<(&str, u64)> = codes
            .iter()
            .map(|(code, count)| (code.as_str(), count.as_u64().unwrap_or_default()))
            .collect();
        codes.sort_unstable();
        let most = codes.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
        let _ = write!(text, "<div><h2>{title}</h2><table><tbody>");
        for (code, count) in codes {
            let meaning = match (field, Code::parse(code.as_bytes())) {
                ("http_errors", _) => reason(code).trim_start(),
                ("smpp_statuses", _) => "",
                ("answer_codes", Some(Code::ACCEPTED)) => "accepted",
                (_, Some(Code::ACCEPTED)) => "delivered",
                (_, code) => code.map_or("unknown", |code| code.meaning()),
            };
            let share = count as f64 * 100.0 / most as f64;
            let class = if code.starts_with("000") { "bar" } else { "bar error" };
            let _ = write!(
                text,
                "<tr><th>{code}</th><td>{}</td><td class=\"note\">{}\
                 <i class=\"{class}\" style=\"width:{share:.1}%\"></i></td></tr>",
                grouped(count),
                escaped(meaning)
            );
        }
        text.push_str("</tbody></table></div>");
    }
    text.push_str("</section>\n");
    text
}

/// Repeats, cancels and bad requests: what came back, and whether it was right.
fn asked(report: &Report) -> String {
    let all = report
        .at(&["answers"])
        .and_then(|value| value.as_array())
        .map(Vec::as_slice)
        .unwrap_or_default();
    if all.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "<section><h2>Repeats, cancels and bad requests</h2><div class=\"wide\"><table><thead><tr>\
         <th></th><th>must get</th>\
         <th>right</th><th>wrong</th><th class=\"note\">came</th></tr></thead><tbody>",
    );
    for answers in all {
        let word = |name: &str| answers.get(name).and_then(|value| value.as_str()).unwrap_or("–");
        let count =
            |name: &str| answers.get(name).and_then(|value| value.as_u64()).unwrap_or_default();
        let codes = answers.get("codes").and_then(|value| value.as_object());
        let mut codes: Vec<String> = codes
            .into_iter()
            .flatten()
            .map(|(code, count): (&String, &OwnedValue)| {
                format!("{code} × {}", grouped(count.as_u64().unwrap_or_default()))
            })
            .collect();
        codes.sort_unstable();
        let _ = write!(
            text,
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td class=\"note\">{}</td></tr>",
            escaped(word("request")),
            escaped(word("expected")),
            grouped(count("right")),
            grouped(count("wrong")),
            escaped(&codes.join(" · "))
        );
    }
    text.push_str("</tbody></table></div></section>\n");
    text
}

fn words() -> String {
    let words = [
        (
            "From the intended send",
            "An open loop fixes beforehand when each push is meant to leave. Times are counted \
             from there, so that a push that had to wait behind a standstill counts with its wait.",
        ),
        ("Service", "The same time from the moment at which the request really left."),
        (
            "99 %",
            "99 of 100 took at most so long. Percentiles are computed from all measurements, never \
             averaged.",
        ),
        (
            "VALID, SUSPECT",
            "Whether the instrument and the machine were fit to measure: a late generator, pauses \
             of the machine, time taken by other guests, missing connections or too few \
             measurements make a run suspect.",
        ),
        (
            "INTERRUPTED",
            "The run was ended by Ctrl-C: how much of it was carried out stands beside the word, \
             and the figures are those of that part.",
        ),
        ("CLEAN", "Each accepted push was notified once, and nothing else was."),
    ];
    let list: String = words
        .iter()
        .map(|(word, meaning)| format!("<div><dt>{word}</dt><dd>{meaning}</dd></div>"))
        .collect();
    format!(
        "<section><h2>How to read this</h2><dl>{list}</dl></section>\n\
         <footer>Hayauma <span lang=\"ja\">早馬</span> · drawn by hayauma-load from summary.json and \
         latencies.hlog beside this page</footer>\n"
    )
}

/// A time given in milliseconds, in the unit that fits.
pub(super) fn milliseconds(value: f64) -> String {
    time(Duration::from_secs_f64(value.max(0.0) / 1e3))
}

/// Text that is safe between tags and in attributes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
