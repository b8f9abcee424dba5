//! What a broadcast has to hold beside its speed, in the same engine: single pushes while it runs,
//! pauses and a cancel that hold from their answers on, and two that share.
//!
//! **Invariant:** what was not seen is a fault, and never passes for held. So these broadcasts have
//! a pace at which they last, however fast the engine is.

use super::broadcast::{Draft, command_at, counts_now};
use super::emergencies::{Emergencies, EmergencyFigures};
use super::engine::{Engine, order};
use super::{DrillError, XPID};
use crate::console::Console;
use crate::sink::Sink;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// Emergency pushes during a broadcast.
const SINGLES: u64 = 200;
/// Pauses of a broadcast.
const PAUSES: usize = 20;
/// How long a pause is looked at, and how long a broadcast runs between two.
const PAUSED_FOR: Duration = Duration::from_millis(150);
const RUNS_FOR: Duration = Duration::from_millis(50);
/// How long two broadcasts run before their shares are looked at.
const SETTLED_AFTER: Duration = Duration::from_millis(1_000);
/// How long two broadcasts are watched as they share.
const SHARED_FOR: Duration = Duration::from_millis(1_000);
/// How long a broadcast lasts at its pace, in seconds: singles, pauses and a cancel take less.
const LASTS_SECONDS: u64 = 20;
/// How long two last together at what their registration may send.
const TWO_LAST_SECONDS: u64 = 5;
/// What a registration may send at most, in rows a second; two broadcasts of more rows last without
/// any bound.
const RATE_MAX: u64 = 1_000_000;
/// Rows of one live broadcast that arrived, on the page of metrics.
const DELIVERED: &str = "hayauma_broadcast_delivered{";
const LOOK: Duration = Duration::from_millis(5);
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BesideFigures {
    /// Emergency pushes beside a broadcast with a pace.
    pub singles: EmergencyFigures,
    /// Rows still waited when the last of them was.
    pub singles_were_beside: bool,
    /// Pauses that were answered while rows waited.
    pub pauses: usize,
    /// The slowest of their answers, in milliseconds.
    pub pause_answer_max_ms: f64,
    /// Attempts that began after an answer to a pause.
    pub attempts_in_pauses: u64,
    /// The answer to the cancel, in milliseconds; `None` where all rows had their turns before.
    pub cancel_answer_ms: Option<f64>,
    /// Attempts that began after it.
    pub attempts_after_cancel: u64,
    /// By how much two broadcasts of one weight were apart, in percent of both; `None` where they
    /// ended too soon to be seen.
    pub shares_apart_percent: Option<f64>,
}

impl BesideFigures {
    /// What is to be held, its bound, and what was seen.
    pub(super) fn rows(&self) -> Vec<(&'static str, String, String)> {
        let ms = |ms: f64| format!("{ms:.1} ms");
        let seen = |value: Option<String>| value.unwrap_or_else(|| "not seen".to_owned());
        let pauses = (self.pauses > 0).then(|| ms(self.pause_answer_max_ms));
        let shares = self.shares_apart_percent.map(|percent| format!("{percent:.2} %"));
        let [delivered, answered] = self.singles.shown();
        vec![
            ("beside a paced one, delivered p99", String::new(), delivered),
            ("beside a paced one, answered p99", String::new(), answered),
            ("slowest answer of the pauses", "50 ms".to_owned(), seen(pauses)),
            ("attempts in pauses", "0".to_owned(), self.attempts_in_pauses.to_string()),
            ("answer of the cancel", "50 ms".to_owned(), seen(self.cancel_answer_ms.map(ms))),
            ("attempts after it", "0".to_owned(), self.attempts_after_cancel.to_string()),
            ("two of one weight, apart", "2 %".to_owned(), seen(shares)),
        ]
    }

    /// What it did not hold; times are told and judged by whoever reads them.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let unseen = [
            (
                self.singles.delivered < SINGLES,
                format!("{} of {SINGLES} pushes arrived", self.singles.delivered),
            ),
            (
                !self.singles_were_beside,
                "the broadcast was over before the pushes beside it".to_owned(),
            ),
            (
                self.pauses < PAUSES,
                format!("rows waited in {} of {PAUSES} pauses alone", self.pauses),
            ),
            (self.cancel_answer_ms.is_none(), "no row waited when it was cancelled".to_owned()),
            (
                self.shares_apart_percent.is_none(),
                "two broadcasts of one weight were not seen to share".to_owned(),
            ),
        ];
        let unseen = unseen.into_iter().filter(|(is_so, _)| *is_so);
        faults.extend(unseen.map(|(_, what)| format!("{what}: name more --recipients.")));
        if self.attempts_in_pauses > 0 {
            faults.push(format!("{} attempts began in pauses.", self.attempts_in_pauses));
        }
        if self.attempts_after_cancel > 0 {
            let began = self.attempts_after_cancel;
            faults.push(format!("{began} attempts began after the answer to the cancel."));
        }
        faults
    }
}

/// The place of it all.
pub(super) struct Stage<'a> {
    pub(super) data_dir: &'a Path,
    pub(super) engine: &'a mut Engine,
    pub(super) sink: &'a Sink,
    pub(super) generator_cpus: &'a [usize],
}

/// Rows a second at which a broadcast of so many lasts.
fn pace_of(recipients: u64) -> u32 {
    u32::try_from((recipients / LASTS_SECONDS).max(1)).unwrap_or(u32::MAX)
}

/// What a registration may send a second, so that two of so many rows share that as long as they
/// are watched; 0: no bound, they last as they are.
fn rate_of(recipients: u64) -> u64 {
    let rate = (2 * recipients / TWO_LAST_SECONDS).max(1);
    if rate > 2 * RATE_MAX { 0 } else { rate.min(RATE_MAX) }
}

impl<'a> Stage<'a> {
    /// Emergency pushes to some of so many recipients.
    pub(super) fn emergencies(&self, recipients: u64) -> Emergencies<'a> {
        let (sink, cpus) = (self.sink, self.generator_cpus);
        Emergencies { listen: self.engine.listen, sink, cpus, recipients }
    }

    /// Does it, with three more broadcasts to the same recipients.
    pub(super) fn measure(
        &mut self,
        recipients: u64,
        draft: &mut dyn FnMut(&str, u32) -> Result<Draft, DrillError>,
    ) -> Result<BesideFigures, DrillError> {
        let mut figures = BesideFigures::default();
        let held = draft("beside", pace_of(recipients))?;
        Console::step("single pushes, pauses and a cancel");
        self.start(&held)?;
        figures.singles = self.emergencies(recipients).send(SINGLES, self.engine)?;
        figures.singles_were_beside = self.waiting(&held) > 0;
        self.pause(&held, &mut figures)?;
        self.cancel(&held, &mut figures)?;
        Console::step("two broadcasts of one weight");
        let rate = rate_of(recipients).to_string();
        let xpid = format!("{XPID:011}");
        command_at(self.data_dir, &["client", "set", &xpid, "--broadcast-rate", &rate])?;
        let two = [draft("share-1", 0)?, draft("share-2", 0)?];
        self.share(&two, &mut figures)?;
        Ok(figures)
    }

    fn start(&self, draft: &Draft) -> Result<(), DrillError> {
        let targeted = draft.check.targeted.to_string();
        let words = ["broadcast", "start", &draft.broadcast, "--digest", &draft.check.digest];
        let words = [&words[..], &["--recipients", &targeted]].concat();
        command_at(self.data_dir, &words).map(drop)
    }

    fn attempts(&self) -> u64 {
        self.engine.metric("hayauma_attempts_total").unwrap_or_default()
    }

    /// Has an order carried out; how long its answer took, in milliseconds.
    fn order(&self, draft: &Draft, what: &str) -> Result<f64, DrillError> {
        let begun = Instant::now();
        order(self.data_dir, &format!("/broadcasts/{}/{what}", draft.broadcast))?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }

    /// Rows that wait for their turns. A busy engine may not say so at once, which is not none.
    fn waiting(&self, draft: &Draft) -> u64 {
        let since = Instant::now();
        while since.elapsed() < SETTLES_WITHIN {
            if let Some(counts) = counts_now(self.data_dir, &draft.broadcast) {
                return counts.get("waiting").copied().unwrap_or_default();
            }
            std::thread::park_timeout(LOOK);
        }
        0
    }

    fn pause(&self, draft: &Draft, figures: &mut BesideFigures) -> Result<(), DrillError> {
        for _ in 0..PAUSES {
            if self.waiting(draft) == 0 {
                break;
            }
            let answered_ms = self.order(draft, "pause")?;
            let before = self.attempts();
            std::thread::park_timeout(PAUSED_FOR);
            figures.attempts_in_pauses += self.attempts().saturating_sub(before);
            if self.waiting(draft) > 0 {
                figures.pauses += 1;
                figures.pause_answer_max_ms = figures.pause_answer_max_ms.max(answered_ms);
            }
            self.order(draft, "resume")?;
            std::thread::park_timeout(RUNS_FOR);
        }
        Ok(())
    }

    fn cancel(&self, draft: &Draft, figures: &mut BesideFigures) -> Result<(), DrillError> {
        let waited = self.waiting(draft) > 0;
        let answered_ms = self.order(draft, "cancel")?;
        let before = self.attempts();
        self.await_end(draft)?;
        figures.attempts_after_cancel = self.attempts().saturating_sub(before);
        figures.cancel_answer_ms = waited.then_some(answered_ms);
        Ok(())
    }

    /// Waits until no row is open.
    fn await_end(&self, draft: &Draft) -> Result<(), DrillError> {
        let since = Instant::now();
        while since.elapsed() < SETTLES_WITHIN {
            let counts = counts_now(self.data_dir, &draft.broadcast).unwrap_or_default();
            let open = ["waiting", "in_flight", "held", "handed_over"];
            let open: u64 = open.iter().filter_map(|name| counts.get(*name)).sum();
            if open == 0 && !counts.is_empty() {
                return Ok(());
            }
            std::thread::park_timeout(LOOK);
        }
        let expected = draft.check.targeted;
        Err(DrillError::AttemptsStall { expected, attempts: self.attempts() })
    }

    /// Rows of each that arrived, as of one look at the shards: two questions may have two looks
    /// between them, a fifth of a second apart.
    fn delivered(&self, two: &[Draft; 2]) -> [u64; 2] {
        let page = self.engine.metrics();
        two.each_ref().map(|draft| {
            let whose = format!("broadcast=\"{}\"", draft.broadcast);
            let is_it = |line: &&str| line.starts_with(DELIVERED) && line.contains(&whose);
            let value = page.lines().find(is_it).and_then(|line| line.rsplit_once(' '));
            value.and_then(|(_, value)| value.parse::<f64>().ok()).map_or(0, |value| value as u64)
        })
    }

    fn share(&self, two: &[Draft; 2], figures: &mut BesideFigures) -> Result<(), DrillError> {
        for draft in two {
            self.start(draft)?;
        }
        std::thread::park_timeout(SETTLED_AFTER);
        let before = self.delivered(two);
        std::thread::park_timeout(SHARED_FOR);
        let after = self.delivered(two);
        let run = two.iter().all(|draft| self.waiting(draft) > 0);
        let gained = [after[0].saturating_sub(before[0]), after[1].saturating_sub(before[1])];
        let both = gained[0] + gained[1];
        if run && both > 0 {
            let apart = gained[0].abs_diff(gained[1]) as f64;
            figures.shares_apart_percent = Some(apart / both as f64 * 100.0);
        }
        for draft in two {
            self.order(draft, "cancel")?;
            self.await_end(draft)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_a_fault_and_what_was_seen_and_held_is_none() {
        let unseen = BesideFigures::default();
        assert_eq!(unseen.faults().len(), 5, "{:?}", unseen.faults());
        let seen = BesideFigures {
            singles: EmergencyFigures { delivered: SINGLES, ..EmergencyFigures::default() },
            singles_were_beside: true,
            pauses: PAUSES,
            cancel_answer_ms: Some(1.0),
            shares_apart_percent: Some(0.1),
            ..BesideFigures::default()
        };
        assert_eq!(seen.faults(), [""; 0]);
        let broken = BesideFigures { attempts_in_pauses: 1, attempts_after_cancel: 1, ..seen };
        assert_eq!(broken.faults().len(), 2);
    }

    #[test]
    fn broadcasts_last_as_long_as_they_are_looked_at_however_many_recipients_they_have() {
        for recipients in [1, 1_000, 100_000, 2_500_000, 5_000_000] {
            let lasts = recipients / u64::from(pace_of(recipients));
            assert!((LASTS_SECONDS..2 * LASTS_SECONDS).contains(&lasts) || recipients == 1);
            let rate = rate_of(recipients);
            assert!((1..=RATE_MAX).contains(&rate), "{rate}");
            assert!(2 * recipients / rate >= TWO_LAST_SECONDS || recipients == 1);
        }
        assert_eq!((pace_of(10_000_000), rate_of(10_000_000)), (500_000, 0));
    }
}
