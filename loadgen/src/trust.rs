//! Whether a run's figures can be trusted: VALID, or SUSPECT with the reasons.
//!
//! This is about the instrument and the machine, never about the target: a slow engine gives valid
//! figures.

use crate::format::{grouped, percent, time};
use crate::latency::Latencies;
use crate::run::Outcome;
use crate::summary::Percentiles;
use serde::Serialize;
use std::time::Duration;

/// Own lateness and hiccups up to this disturb no latency worth quoting.
const DISTURBANCE_NS_MIN: u64 = 200_000;
/// Own lateness and hiccups may be this share of the 99 % answer time.
const DISTURBANCE_SHARE_MAX: f64 = 0.1;
/// A single pause as long as this is suspect at any latency.
const PAUSE_NS_MAX: u64 = 100_000_000;
/// A pause in the spin before the load as long as this is suspect.
const BASELINE_PAUSE_NS_MAX: u64 = 5_000_000;
/// Time given to other guests.
const STEAL_MAX: f64 = 0.01;
/// A sending thread that computes more than this share of its time is a limit of its own.
const BUSY_MAX: f64 = 0.9;
/// A connection without an answer is odd where the others had so many each.
const SILENCE_ANSWERS_PER_CONNECTION: u64 = 10;
/// A percentile rests on at least so many measurements above it.
const SAMPLES_ABOVE_MIN: f64 = 10.0;

/// The three verdicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Nothing speaks against the figures.
    Valid,
    /// Something does.
    Suspect,
    /// The run was ended before its time; the figures are those of the part that was carried out.
    Interrupted,
}

/// A verdict and what it rests on.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Trust {
    /// VALID, SUSPECT or INTERRUPTED.
    pub verdict: Verdict,
    /// Why SUSPECT or INTERRUPTED, one sentence each.
    pub reasons: Vec<String>,
    /// By how much sleeps of a millisecond were too long during the load.
    pub hiccups: Percentiles,
    /// The longest pause of a spinning thread before the load.
    pub baseline_pause_ms: f64,
    /// Share, 0 to 1, of CPU time that went to other guests of the host.
    pub steal: f64,
    /// Share, 0 to 1, of all CPUs' time that was used.
    pub machine_busy: f64,
    /// Share, 0 to 1, of its time that each sending thread computed.
    pub sender_busy: Vec<f64>,
}

impl Verdict {
    /// `VALID`, `SUSPECT` or `INTERRUPTED`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Suspect => "SUSPECT",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

impl Trust {
    /// Judges a run; `open`: whether its loop was open.
    pub fn of(outcome: &Outcome, open: bool) -> Self {
        let (sent, conditions) = (&outcome.sent, &outcome.conditions);
        let mut trust = Self {
            verdict: Verdict::Valid,
            reasons: Vec::new(),
            hiccups: Percentiles::of(&conditions.hiccups),
            baseline_pause_ms: conditions.baseline_pause_ns as f64 / 1e6,
            steal: conditions.steal,
            machine_busy: conditions.machine_busy,
            sender_busy: sent.busy.clone(),
        };
        if let Some(cut_short) = &outcome.cut_short {
            trust.suspect(cut_short.sentence());
            trust.verdict = Verdict::Interrupted;
        }
        let answer_ns = sent.answer_times.percentile_ns(99.0);
        if open {
            trust.disturbance("the generator itself was late by", &sent.own_lateness, answer_ns);
        }
        trust.disturbance(
            "threads that slept a millisecond woke too late by",
            &conditions.hiccups,
            answer_ns,
        );
        let longest_ns = conditions.hiccups.percentile_ns(100.0);
        if longest_ns >= PAUSE_NS_MAX {
            trust.suspect(format!("the machine paused for {}.", nanoseconds(longest_ns)));
        }
        if conditions.baseline_pause_ns >= BASELINE_PAUSE_NS_MAX {
            let pause = nanoseconds(conditions.baseline_pause_ns);
            trust
                .suspect(format!("before the load a spinning thread was interrupted for {pause}."));
        }
        if conditions.steal > STEAL_MAX {
            let share = percent((conditions.steal * 1e6) as u64, 1_000_000);
            trust.suspect(format!("{share} of the CPU time went to other guests of the host."));
        }
        if let Some(busy) =
            sent.busy.iter().copied().reduce(f64::max).filter(|&busy| busy > BUSY_MAX)
        {
            let share = percent((busy * 1e6) as u64, 1_000_000);
            trust.suspect(format!(
                "a sending thread was busy for {share} of its time: the rate may be its own limit \
                 (--threads, --cpu)."
            ));
        }
        if sent.connections_lost > 0 {
            trust.suspect(format!(
                "{} connections were lost on the way.",
                grouped(sent.connections_lost)
            ));
        }
        if sent.connections_missing > 0 {
            let missing = grouped(sent.connections_missing);
            trust.suspect(format!("{missing} of the connections asked for could not be made."));
        }
        let (silent, answers) = (sent.connections_silent, outcome.ledger.progress().accepted);
        if silent > 0 && answers > SILENCE_ANSWERS_PER_CONNECTION * silent {
            trust.suspect(format!("{} connections never carried an answer.", grouped(silent)));
        }
        trust.samples("answers", sent.answer_times.count());
        trust.samples("notifications", outcome.notification_times.count());
        trust
    }

    /// Adds a reason not to trust the figures.
    pub fn suspect(&mut self, reason: String) {
        if self.verdict == Verdict::Valid {
            self.verdict = Verdict::Suspect;
        }
        self.reasons.push(reason);
    }

    fn disturbance(&mut self, what: &str, latencies: &Latencies, answer_ns: u64) {
        let disturbance_ns = latencies.percentile_ns(99.0);
        if latencies.count() > 0
            && disturbance_ns > DISTURBANCE_NS_MIN
            && disturbance_ns as f64 > answer_ns as f64 * DISTURBANCE_SHARE_MAX
        {
            let (by, answer) = (nanoseconds(disturbance_ns), nanoseconds(answer_ns));
            self.suspect(format!(
                "{what} {by} (99 %), more than a tenth of the answers' {answer}."
            ));
        }
    }

    /// The highest percentile that a report quotes and that `count` measurements do not carry.
    fn samples(&mut self, what: &str, count: u64) {
        let above = |share: f64| count as f64 * share;
        let weak = [(0.01, "99 %"), (0.001, "99.9 %")]
            .into_iter()
            .find(|(share, _)| count > 0 && above(*share) < SAMPLES_ABOVE_MIN);
        if let Some((_, name)) = weak {
            self.suspect(format!("{} {what} are too few for the {name} value.", grouped(count)));
        }
    }
}

fn nanoseconds(nanoseconds: u64) -> String {
    time(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bare::Bare;
    use crate::plan::Plan;
    use crate::run::run;
    use std::net::SocketAddr;

    /// A run of nothing wrong: its measurements are set by hand.
    fn outcome() -> Outcome {
        let bare =
            Bare::start(SocketAddr::from(([127, 0, 0, 1], 0)), &[]).expect("a loopback port");
        let plan = Plan { notify: false, pushes: 50, connections: 1, ..Plan::new(bare.address()) };
        let mut outcome = run(plan, None).expect("the responder is up");
        outcome.sent.answer_times = Latencies::default();
        outcome.sent.answer_times.record_n(5_000_000, 100_000);
        outcome.sent.busy = vec![0.4];
        outcome.conditions.hiccups = Latencies::default();
        outcome.conditions.hiccups.record_n(80_000, 1_000);
        (outcome.conditions.baseline_pause_ns, outcome.conditions.steal) = (100_000, 0.0);
        outcome
    }

    #[test]
    fn a_quiet_run_is_valid_and_each_disturbance_alone_makes_it_suspect() {
        let quiet = outcome();
        assert_eq!(Trust::of(&quiet, true).reasons, Vec::<String>::new());
        type Disturb = fn(&mut Outcome);
        let disturbances: [(Disturb, &str); 10] = [
            (
                |run| run.sent.own_lateness.record_n(900_000, 100),
                "generator itself was late by 900 µs",
            ),
            (|run| run.conditions.hiccups.record_n(2_000_000, 100), "woke too late by 2.0"),
            (|run| run.conditions.hiccups.record(200_000_000), "paused for 200 ms"),
            (|run| run.conditions.baseline_pause_ns = 8_000_000, "interrupted for 8.00 ms"),
            (|run| run.conditions.steal = 0.034, "3.4 % of the CPU time"),
            (|run| run.sent.busy.push(0.97), "busy for 97.0 %"),
            (|run| run.sent.connections_lost = 2, "2 connections were lost"),
            (
                |run| run.sent.connections_missing = 3,
                "3 of the connections asked for could not be made",
            ),
            (|run| run.sent.connections_silent = 4, "4 connections never carried an answer"),
            (
                |run| run.notification_times.record_n(9, 5_000),
                "5,000 notifications are too few for the 99.9 %",
            ),
        ];
        for (disturb, part) in disturbances {
            let mut outcome = quiet.clone();
            disturb(&mut outcome);
            let trust = Trust::of(&outcome, true);
            assert_eq!(
                (trust.verdict, trust.reasons.len()),
                (Verdict::Suspect, 1),
                "{part}: {:?}",
                trust.reasons
            );
            assert!(
                trust.reasons[0].contains(part) && trust.reasons[0].ends_with('.'),
                "{:?}",
                trust.reasons
            );
        }
    }

    #[test]
    fn lateness_below_a_tenth_of_the_answer_time_does_not_matter() {
        let mut outcome = outcome();
        outcome.sent.own_lateness.record_n(400_000, 100);
        assert_eq!(Trust::of(&outcome, true).verdict, Verdict::Valid);
    }
}
