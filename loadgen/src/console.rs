//! Progress while a run is under way: a bar on a terminal, a plain line now and then elsewhere. All of it goes to
//! stderr; stdout is the summary's.

use crate::format::grouped;
use crate::ledger::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(100);
const PLAIN_LINE: Duration = Duration::from_secs(5);

/// Shows how far a run is.
pub struct Console {
    bar: Option<ProgressBar>,
    pushes: u64,
    notify: bool,
    began: Instant,
    shown: Instant,
    /// Time and count of the last look, for the rate.
    last: (Instant, u64),
}

impl Console {
    /// For a run of `pushes`, which ends with the last notification, or without `notify` with the last answer.
    pub fn new(pushes: u64, notify: bool) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("  {bar:20.cyan/blue} {percent:>3} %  {msg}");
            ProgressBar::new(pushes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let now = Instant::now();
        Self { bar, pushes, notify, began: now, shown: now, last: (now, 0) }
    }

    /// To be called often; draws seldom.
    pub fn show(&mut self, progress: Progress) {
        let interval = if self.bar.is_some() { REDRAW } else { PLAIN_LINE };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let done = if self.notify { progress.notified } else { progress.accepted };
        let rate = done.saturating_sub(self.last.1) as f64 / self.last.0.elapsed().as_secs_f64().max(1e-9);
        let refused = if progress.refused > 0 {
            format!(" · refused {}", grouped(progress.refused))
        } else {
            String::new()
        };
        // Short enough for a terminal of eighty columns, the bar included.
        let done_named = format!("{} {}", if self.notify { "notified" } else { "accepted" }, grouped(done));
        let line = format!(
            "{:>9} /s · sent {} · {done_named}{refused}",
            grouped(rate as u64),
            grouped(progress.attempted)
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(line);
            }
            None => {
                eprintln!("{:>6.0} s  {line} of {}", self.began.elapsed().as_secs_f64(), grouped(self.pushes))
            }
        }
        // The bar's rate is that of the last second or so, so that it can be read.
        if self.bar.is_none() || self.last.0.elapsed() > Duration::from_secs(1) {
            self.last = (Instant::now(), done);
        }
    }

    /// Says what is being done now.
    pub fn step(text: &str) {
        eprintln!("  {text}");
    }

    /// Says something without disturbing the bar.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("  {text}")),
            None => Self::step(text),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
