//! Progress while a run is under way: on a terminal a view that is drawn again and again, elsewhere
//! a plain line now and then. All of it goes to stderr; stdout is the summary's. A run never waits
//! for a plain line, and loses it rather.

use crate::format::{grouped, time};
use crate::latency::Latencies;
use crate::ledger::Progress;
use crate::live::View;
use crate::run::Run;
use host::log;
use host::log::Stream;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(200);
const PLAIN_LINE: Duration = Duration::from_secs(5);
/// Rates are those of the last second.
const RATE_OVER: Duration = Duration::from_secs(1);

/// Shows how far a run is.
pub struct Console {
    bar: Option<ProgressBar>,
    pushes: u64,
    notify: bool,
    shown: Option<Instant>,
    /// Earlier looks, for the rates.
    looks: VecDeque<(Instant, Progress)>,
}

/// What happened in the last second, per second.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    sent: u64,
    accepted: u64,
    notified: u64,
}

impl Console {
    /// For a run of `pushes`, which ends with the last notification, or without `notify` with the
    /// last answer.
    pub fn new(pushes: u64, notify: bool) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("  {bar:32.cyan/blue} {percent:>3} %\n{msg}");
            ProgressBar::new(pushes)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, pushes, notify, shown: None, looks: VecDeque::new() }
    }

    /// To be called often; draws seldom.
    pub fn show(&mut self, run: &Run<'_>) {
        let interval = if self.bar.is_some() { REDRAW } else { PLAIN_LINE };
        let shown = *self.shown.get_or_insert_with(Instant::now);
        let progress = run.progress();
        if self.looks.back().is_none_or(|(at, _)| at.elapsed() >= REDRAW) {
            self.looks.push_back((Instant::now(), progress));
            while self.looks.len() > 2 && self.looks[1].0.elapsed() >= RATE_OVER {
                self.looks.pop_front();
            }
        }
        if shown.elapsed() < interval {
            return;
        }
        self.shown = Some(Instant::now());
        let (view, rates) = (run.view(), self.rates(progress));
        let failed = progress.refused + progress.http_errors;
        let settled = failed + if self.notify { progress.notified } else { progress.accepted };
        match &self.bar {
            Some(bar) => {
                bar.set_position(settled.min(self.pushes));
                bar.set_message(block(&view, progress, rates, self.notify));
            }
            None => Self::say(&line(&view, progress, rates, self.notify)),
        }
    }

    fn rates(&self, now: Progress) -> Rates {
        let Some((since, before)) = self.looks.front() else {
            return Rates::default();
        };
        let per_second = |now: u64, before: u64| {
            (now.saturating_sub(before) as f64 / since.elapsed().as_secs_f64().max(1e-3)).round()
                as u64
        };
        Rates {
            sent: per_second(now.attempted, before.attempted),
            accepted: per_second(now.accepted, before.accepted),
            notified: per_second(now.notified, before.notified),
        }
    }

    /// Says what is being done now.
    pub fn step(text: &str) {
        Self::say(&format!("  {text}"));
    }

    fn say(line: &str) {
        log::say(Stream::Stderr, &format!("{line}\n"));
    }

    /// Says something without disturbing the view.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("  {text}")),
            None => Self::step(text),
        }
    }

    /// Takes the view away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The view: lines short enough for a terminal of eighty columns.
fn block(view: &View, progress: Progress, rates: Rates, notify: bool) -> String {
    let target = view
        .target_per_s
        .map_or_else(|| "closed loop".to_owned(), |rate| grouped(rate.round() as u64));
    let mut lines = vec![
        format!("  {:<14}{:>12}   target {target}", "time", format!("{:.1} s", view.at_s)),
        format!(
            "  {:<14}{:>12}{:>12} /s",
            "sent",
            grouped(progress.attempted),
            grouped(rates.sent)
        ),
        format!(
            "  {:<14}{:>12}{:>12} /s",
            "accepted",
            grouped(progress.accepted),
            grouped(rates.accepted)
        ),
    ];
    let flight = |count| format!("{:>12}", grouped(count));
    if notify {
        let (count, rate) = (grouped(progress.notified), grouped(rates.notified));
        lines.push(format!("  {:<14}{count:>12}{rate:>12} /s", "notified"));
        let (requests, pushes) = (flight(view.in_flight), grouped(view.outstanding));
        lines.push(format!(
            "  {:<14}{requests}   requests · {pushes} pushes not yet notified",
            "in flight"
        ));
    } else {
        lines.push(format!("  {:<14}{}   requests", "in flight", flight(view.in_flight)));
    }
    lines.push(format!("  {:<14}{}", "errors", errors(view)));
    lines.push(format!(
        "  {:<14}{:>12}{:>12}{:>12}{:>12}",
        "last second", "median", "99 %", "99.9 %", "longest"
    ));
    lines.push(percentiles("  answer", &view.answers));
    if notify {
        lines.push(percentiles("  notification", &view.notifications));
    }
    lines.join("\n")
}

/// The same for a file or a pipe.
fn line(view: &View, progress: Progress, rates: Rates, notify: bool) -> String {
    let target = view
        .target_per_s
        .map_or_else(|| "closed loop".to_owned(), |rate| grouped(rate.round() as u64));
    let done = if notify {
        format!("notified {} ({} /s)", grouped(progress.notified), grouped(rates.notified))
    } else {
        format!("accepted {} ({} /s)", grouped(progress.accepted), grouped(rates.accepted))
    };
    let p99 = short(&view.answers, 99.0);
    let (sent, rate, flight) =
        (grouped(progress.attempted), grouped(rates.sent), grouped(view.in_flight));
    format!(
        "{:>6.0} s  target {target} · sent {sent} ({rate} /s) · {done} · in flight {flight} · \
         answer 99 % {p99} · errors {}",
        view.at_s,
        errors(view)
    )
}

/// Answers that refuse, by the class of their code, and connections lost.
fn errors(view: &View) -> String {
    let mut parts: Vec<String> = (1..10)
        .filter(|&class| view.classes[class] > 0)
        .map(|class| format!("{class}xxx × {}", grouped(view.classes[class])))
        .collect();
    if view.http_errors > 0 {
        parts.push(format!("HTTP errors × {}", grouped(view.http_errors)));
    }
    if view.connections_lost > 0 {
        parts.push(format!("connections lost × {}", grouped(view.connections_lost)));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(" · ") }
}

fn percentiles(label: &str, latencies: &Latencies) -> String {
    let cells: String = [50.0, 99.0, 99.9, 100.0]
        .map(|percent| format!("{:>12}", short(latencies, percent)))
        .concat();
    format!("  {label:<14}{cells}")
}

fn short(latencies: &Latencies, percent: f64) -> String {
    if latencies.count() == 0 {
        return "–".to_owned();
    }
    time(Duration::from_nanos(latencies.percentile_ns(percent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let mut view =
            View { at_s: 12.3, target_per_s: Some(40_000.0), in_flight: 312, ..View::default() };
        view.answers.record_n(1_100_000, 500);
        view.classes[8] = 31;
        view.connections_lost = 2;
        view.outstanding = 12_345_678;
        view
    }

    #[test]
    fn the_view_names_target_rates_flight_errors_and_percentiles_within_eighty_columns() {
        let progress =
            Progress { attempted: 123_456_789, accepted: 123_456_700, ..Progress::default() };
        let rates = Rates { sent: 1_039_998, accepted: 1_039_990, notified: 1_039_870 };
        let text = block(&view(), progress, rates, true);
        for part in [
            "target 40,000",
            "1,039,998 /s",
            "312   requests",
            "8xxx × 31",
            "connections lost × 2",
            "1.10 ms",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
    }

    #[test]
    fn a_plain_line_says_the_same_in_one() {
        let line = line(&view(), Progress::default(), Rates::default(), false);
        assert!(
            !line.contains('\n') && line.contains("target 40,000") && line.contains("8xxx × 31"),
            "{line}"
        );
    }
}
