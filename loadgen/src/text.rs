//! The summary that a person reads: aligned, with units, the verdict last.

use crate::format::{grouped, octets, per_second, percent, three_digits, time};
use crate::os::format_cpus;
use crate::summary::{EngineFigures, Percentiles, Summary};
use std::fmt::Write;
use std::time::Duration;
use wire::terms::code::Code;

const LABEL: usize = 15;

/// Renders `summary`; ends with the verdict line.
pub fn render(summary: &Summary) -> String {
    let mut page = Page { text: String::new() };
    page.header(summary);
    page.rates(summary);
    page.latencies(summary);
    page.costs(summary);
    page.accounts(summary);
    for fault in &summary.faults {
        page.line("not clean", fault);
    }
    page.trust(summary);
    page.text.push_str(&summary.verdict);
    page.text.push('\n');
    page.text
}

struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, label: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "  {label:<LABEL$}{value}");
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn header(&mut self, summary: &Summary) {
        let plan = &summary.plan;
        let durability = summary.engine.as_ref().map(|engine| {
            format!(" · durability {} · driver {}", engine.durability, engine.driver)
        });
        let _ = writeln!(
            self.text,
            "\nHayauma {} · {} pushes{} · seed {} · run {}\n",
            summary.command,
            grouped(plan.pushes),
            durability.unwrap_or_default(),
            plan.seed,
            plan.run,
        );
        let machine = &summary.machine;
        let disk = machine
            .file_system
            .as_ref()
            .map(|kind| format!(" · data on {kind}"))
            .unwrap_or_default();
        let cpus =
            if machine.cpus == 1 { "1 CPU".to_owned() } else { format!("{} CPUs", machine.cpus) };
        let memory = octets(machine.memory_octets);
        self.line(
            "machine",
            &format!("{} · {cpus} · {memory} · {}{disk}", machine.cpu_model, machine.kernel),
        );
        if let Some(engine) = &summary.engine {
            self.line("engine", &engine_place(engine));
        }
        let place = if plan.cpus.is_empty() {
            String::new()
        } else {
            format!(" on {}", cpus_named(&plan.cpus))
        };
        let sink = if plan.notify { " and the sink" } else { "" };
        self.line(
            "generator",
            &format!("{}{place}{sink}", counted(plan.threads as u64, "sending thread")),
        );
        let load = match plan.rate_per_s {
            Some(rate) => format!("open loop at {} /s", grouped(rate)),
            None if plan.arrivals.is_empty() => "closed loop".to_owned(),
            None => format!("open loop · {}", counted(plan.arrivals.len() as u64, "stretch")),
        };
        let window =
            plan.window.map(|window| format!(" · window {}", grouped(window))).unwrap_or_default();
        let connections = counted(plan.connections as u64, "connection");
        let tls = if plan.interface == "https" { " over TLS 1.3" } else { "" };
        let load = format!("{load} · {connections}{tls} × {} in flight{window}", plan.pipeline);
        self.line("load", &load);
        let parts = &plan.composition;
        let text = percent(parts.texts, parts.pushes);
        let control = percent(parts.pushes - parts.texts, parts.pushes);
        let several = percent(parts.segmented, parts.pushes);
        self.line(
            "mix",
            &format!(
                "{} · text {text} · control {control} · of several segments {several}",
                plan.mix
            ),
        );
        self.blank();
    }

    fn rates(&mut self, summary: &Summary) {
        let ledger = &summary.ledger;
        let within = |seconds: f64| time(Duration::from_secs_f64(seconds));
        let (answered, settled) =
            (within(summary.answered_within_s), within(summary.settled_within_s));
        let last = if summary.plan.notify { told(summary) } else { "answer" };
        self.line(
            "end to end",
            &format!(
                "{settled} from the first send to the last {last}; the rates are over this time"
            ),
        );
        self.blank();
        self.line("", &format!("{:>11} {:>14}", "pushes", "per second"));
        let answered = format!("the last answer came after {answered}");
        self.rate("accepted", ledger.accepted, summary.accepted_per_s, &answered);
        if summary.plan.notify {
            let segments = counted(summary.segments_delivered, "SMS segment");
            self.rate("delivered", ledger.delivered, summary.delivered_per_s, &segments);
            let settled = format!("the last {} came after {settled}", told(summary));
            self.rate("notified", ledger.notified, summary.notified_per_s, &settled);
        }
        self.blank();
    }

    fn rate(&mut self, label: &str, count: u64, per_second: f64, note: &str) {
        let per_second = grouped(per_second.round() as u64);
        self.line(label, &format!("{:>11} {per_second:>14}    {note}", grouped(count)));
    }

    fn latencies(&mut self, summary: &Summary) {
        let names = ["median", "90 %", "99 %", "99.9 %", "longest"];
        let heads: String = names.iter().map(|name| format!("{name:>11}")).collect();
        self.line("", &heads);
        let open = summary.lateness.is_some();
        let since = if open { "  from the intended send time" } else { "  from the send" };
        self.latency("answer", &summary.answer_times, since);
        self.latency(
            "delivery",
            &summary.delivery_times,
            "  the last moment it can have been: E5 names seconds",
        );
        self.latency(told(summary), &summary.notification_times, since);
        if let Some(lateness) = &summary.lateness {
            self.latency("service", &summary.service_times, "  answer, from the actual send");
            if let Some(service) = &summary.notification_service_times {
                let note = format!("  {}, from the actual send", told(summary));
                self.latency("", service, &note);
            }
            self.latency("lateness", lateness, "  actual send, from the intended one");
            if let Some(own) = summary.own_lateness.as_ref().filter(|_| summary.held_back > 0) {
                self.latency("own lateness", own, "  without what the target held back");
            }
        }
        self.quarters(summary);
        if let Some(engine) = &summary.engine {
            self.latency(
                "commit",
                &engine.commit_times,
                "  at the device, as the engine's metrics have it",
            );
            self.latency(
                "own part",
                &engine.own_times,
                "  the engine's, of an answer: no commit under way",
            );
        }
        if summary.lateness.is_none() {
            self.line(
                "",
                "  (a closed loop keeps the engine busy: these are times of waiting; \
                 --rate R shows those at a rate)",
            );
        }
        self.blank();
    }

    /// Whether it stood still for some milliseconds now and then.
    fn quarters(&mut self, summary: &Summary) {
        let Some(quarters) = &summary.quarters else { return };
        let ms = |ms: f64| time(Duration::from_secs_f64(ms / 1e3));
        let slow = summary.engine.as_ref().map(|engine| engine.slow_commits);
        let slow = slow.map(|slow| format!(" · {slow} commits over 2 ms")).unwrap_or_default();
        self.line(
            "quarters",
            &format!(
                "{:>8} of {} in time · 99 % {} in the median one, {} in the worst · {} over three \
                 times the median{slow}",
                quarters.in_time,
                quarters.counted,
                ms(quarters.median_p99_ms).trim(),
                ms(quarters.worst_p99_ms).trim(),
                quarters.beyond,
            ),
        );
    }

    fn latency(&mut self, label: &str, percentiles: &Percentiles, note: &str) {
        if percentiles.count == 0 {
            return;
        }
        let values = [
            percentiles.p50_ms,
            percentiles.p90_ms,
            percentiles.p99_ms,
            percentiles.p999_ms,
            percentiles.max_ms,
        ];
        let cells: String = values
            .iter()
            .map(|ms| format!("{:>11}", time(Duration::from_secs_f64(ms / 1e3))))
            .collect();
        self.line(label, &format!("{cells}  {note}"));
    }

    fn costs(&mut self, summary: &Summary) {
        if let Some(engine) = &summary.engine {
            let memory = &engine.memory;
            self.line(
                "engine",
                &format!(
                    "{:>8} µs of CPU per push · peak memory {} ({} own, {} of mapped files)",
                    three_digits(engine.cpu_us_per_push),
                    octets(memory.peak_octets),
                    octets(memory.anonymous_octets),
                    octets(memory.file_octets),
                ),
            );
        }
        if let Some(engine) = &summary.engine_process {
            let (cost, own) =
                (three_digits(engine.cpu_us_per_push), octets(engine.memory.anonymous_octets));
            let (process, peak) = (engine.process, octets(engine.memory.peak_octets));
            self.line(
                "engine",
                &format!(
                    "{cost:>8} µs of CPU per push · peak memory {peak} ({own} own) · \
                     process {process}"
                ),
            );
        }
        let generator = &summary.generator;
        let cost = three_digits(generator.cpu_us_per_push);
        self.line(
            "generator",
            &format!(
                "{cost:>8} µs of CPU per push · peak memory {}",
                octets(generator.peak_octets)
            ),
        );
        if let Some(engine) = &summary.engine {
            let seconds = |seconds: f64| time(Duration::from_secs_f64(seconds));
            let imports =
                per_second(engine.contracts, Duration::from_secs_f64(engine.imported_within_s));
            self.line(
                "around it",
                &format!(
                    "started in {} · {} contracts imported in {} ({} /s) · stopped in {} · {} on \
                     the device",
                    seconds(engine.started_within_s),
                    grouped(engine.contracts),
                    seconds(engine.imported_within_s),
                    grouped(imports.round() as u64),
                    seconds(engine.stopped_within_s),
                    octets(engine.data_octets),
                ),
            );
        }
        self.blank();
    }

    fn accounts(&mut self, summary: &Summary) {
        self.codes("answers", &summary.answer_codes);
        let mut label = if summary.answer_codes.is_empty() { "answers" } else { "" };
        for (status, count) in &summary.http_errors {
            let reason = reason(status);
            self.line(
                std::mem::take(&mut label),
                &format!(
                    "{:>12} × HTTP {status}{reason}, without a push response",
                    grouped(*count)
                ),
            );
        }
        for (name, count) in &summary.smpp_statuses {
            self.line(std::mem::take(&mut label), &format!("{:>12} × {name}", grouped(*count)));
        }
        self.codes("notifications", &summary.notification_codes);
        for answers in &summary.answers {
            let must =
                answers.expected.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            let codes: Vec<String> = answers
                .codes
                .iter()
                .map(|(code, count)| format!("{code} × {}", grouped(*count)))
                .collect();
            let wrong = if answers.wrong > 0 {
                format!(" · {} WRONG", grouped(answers.wrong))
            } else {
                String::new()
            };
            self.line(
                "asked",
                &format!(
                    "{:>12} × {}{must}: {}{wrong}",
                    grouped(answers.right + answers.wrong),
                    answers.request,
                    codes.join(" · ")
                ),
            );
        }
        let troubles = [
            (summary.connections_lost, "lost connection"),
            (summary.connections_closed, "connection closed by the target in order and made again"),
            (summary.resent_requests, "request sent again on another connection"),
            (summary.retried_requests, "request sent again later as told (8xxx)"),
            (summary.smpp_nameless, "message taken without an id, which no receipt can name"),
            (summary.ledger.taken_twice, "message taken twice: it was submitted again in doubt"),
            (summary.ledger.repeated, "push accepted before its answer was lost (0001)"),
            (summary.ledger.resent, "notification received again (same ntfid)"),
            (summary.ledger.withdrawn, "push withdrawn by its cancel (E7)"),
            (summary.malformed_answers, "unreadable answer"),
            (summary.late_sends, "send over 1 ms late"),
            (summary.held_back, "send held back by the window or full connections"),
        ];
        for (count, what) in troubles.into_iter().filter(|(count, _)| *count > 0) {
            self.line("besides", &format!("{:>12} × {what}", grouped(count)));
        }
        if let Some(billing) = &summary.billing {
            let segments = billing
                .segments
                .map(|count| format!(" · segments {}", grouped(count)))
                .unwrap_or_default();
            let (accepted, delivered) = (grouped(billing.accepted), grouped(billing.delivered));
            self.line("billed", &format!("accepted {accepted} · delivered {delivered}{segments}"));
        }
        self.blank();
    }

    fn trust(&mut self, summary: &Summary) {
        self.line("figures", summary.trust.verdict.name());
        for reason in &summary.trust.reasons {
            self.line("", reason);
        }
        self.blank();
    }

    fn codes(&mut self, label: &str, codes: &std::collections::BTreeMap<String, u64>) {
        let mut label = label;
        for (digits, count) in codes {
            let meaning = match (label, Code::parse(digits.as_bytes())) {
                ("notifications", Some(Code::ACCEPTED)) => "delivered",
                ("answers", Some(Code::ACCEPTED)) => "accepted",
                (_, Some(code)) => code.meaning(),
                (_, None) => "unknown code",
            };
            self.line(label, &format!("{:>12} × {digits} {meaning}", grouped(*count)));
            label = "";
        }
    }
}

/// What tells a push client how its push ended.
fn told(summary: &Summary) -> &'static str {
    if summary.plan.interface == "smpp" { "receipt" } else { "notification" }
}

/// What an HTTP status is called, behind a blank; nothing for those that are seldom seen.
pub(crate) fn reason(status: &str) -> &'static str {
    match status {
        "200" => " OK",
        "301" => " Moved Permanently",
        "302" => " Found",
        "400" => " Bad Request",
        "401" => " Unauthorized",
        "403" => " Forbidden",
        "404" => " Not Found",
        "405" => " Method Not Allowed",
        "408" => " Request Timeout",
        "413" => " Content Too Large",
        "415" => " Unsupported Media Type",
        "429" => " Too Many Requests",
        "500" => " Internal Server Error",
        "502" => " Bad Gateway",
        "503" => " Service Unavailable",
        "504" => " Gateway Timeout",
        _ => "",
    }
}

fn engine_place(engine: &EngineFigures) -> String {
    let shards = counted(engine.shards as u64, "shard");
    if engine.cpus.is_empty() {
        shards
    } else {
        format!("{shards} on {}", cpus_named(&engine.cpus))
    }
}

fn cpus_named(cpus: &[usize]) -> String {
    format!("CPU{} {}", if cpus.len() == 1 { "" } else { "s" }, format_cpus(cpus))
}

/// `1 shard`, `2 shards`, `3 stretches`.
fn counted(count: u64, thing: &str) -> String {
    let ending = match count {
        1 => "",
        _ if thing.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{} {thing}{ending}", grouped(count))
}
