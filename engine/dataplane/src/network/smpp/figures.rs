//! What a carrier's home counts, and how its operators see the carrier.
//!
//! The home alone writes, and waits for nobody: whoever reads may see figures of two moments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use wire::smpp::oddities::Oddities;
use wire::smpp::receipt::MessageState;
use wire::smpp::status::Consequence;
use wire::terms::time::SteadyMs;

/// Upper bounds of what SMS take, milliseconds.
const BOUNDS_MS: [u64; 15] = [
    1, 5, 10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 3_600_000,
    21_600_000,
];
/// What answers mean, by the order of [`answer_at`].
const ANSWERS: [&str; 8] = [
    "taken",
    "throttled",
    "queue_full",
    "rebind",
    "system_failure",
    "unknown_number",
    "refused",
    "protocol_error",
];
/// States of receipts, by their numbers.
const STATES: [&str; 10] = [
    "scheduled",
    "enroute",
    "delivered",
    "expired",
    "deleted",
    "undeliverable",
    "accepted",
    "unknown",
    "rejected",
    "skipped",
];

fn answer_at(consequence: Consequence) -> usize {
    match consequence {
        Consequence::Taken => 0,
        Consequence::SlowDown => 1,
        Consequence::QueueFull => 2,
        Consequence::Rebind => 3,
        Consequence::SystemFailure => 4,
        Consequence::UnknownNumber => 5,
        Consequence::Final => 6,
        Consequence::ProtocolError => 7,
    }
}

/// The home alone writes.
fn add(figure: &AtomicU64, count: u64) {
    figure.store(figure.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}

/// How it is with a carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// No session is bound that takes pushes, or an operator has paused it.
    Down,
    /// It has refused everything for load for minutes.
    Choked,
    /// It rests after a refusal for load.
    Resting,
    /// It takes pushes.
    Up,
}

/// How long something took.
#[derive(Default, Debug)]
struct Times {
    /// By bound, and above all of them.
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_ms: AtomicU64,
}

impl Times {
    fn note(&self, took_ms: u64) {
        let at = BOUNDS_MS.iter().take_while(|&&bound_ms| bound_ms < took_ms).count();
        add(&self.counts[at], 1);
        add(&self.sum_ms, took_ms);
    }

    fn seen(&self, name: &'static str, help: &'static str) -> CarrierTimes {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let bounds = BOUNDS_MS.iter().map(|&bound_ms| bound_ms as f64 / 1_000.0);
        let [.., above] = counts;
        let sum_s = self.sum_ms.load(Ordering::Relaxed) as f64 / 1_000.0;
        CarrierTimes { name, help, buckets: bounds.zip(counts).collect(), above, sum_s }
    }
}

/// Counts by kind.
#[derive(Debug)]
struct Kinds<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Kinds<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Kinds<N> {
    fn seen(&self, labels: impl Iterator<Item = &'static str>) -> Vec<(&'static str, u64)> {
        labels.zip(self.0.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }
}

/// What a carrier's home tells beside single figures.
#[derive(Default, Debug)]
pub(super) struct Details {
    answers: Kinds<{ ANSWERS.len() }>,
    receipts: Kinds<{ STATES.len() }>,
    oddities: Kinds<{ Oddities::ALL.len() }>,
    answered: Times,
    receipted: Times,
    /// How it is, and since when by a steady clock.
    condition: AtomicU64,
    since_ms: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Details {
    /// An SMS was answered.
    pub(super) fn note_answer(&self, consequence: Consequence, took_ms: u64) {
        add(&self.answers.0[answer_at(consequence)], 1);
        self.answered.note(took_ms);
    }

    /// A receipt says this.
    pub(super) fn note_receipt(&self, state: MessageState) {
        if let Some(count) = self.receipts.0.get(state as usize) {
            add(count, 1);
        }
    }

    /// A receipt came so long after its SMS was taken.
    pub(super) fn note_receipted(&self, took_ms: u64) {
        self.receipted.note(took_ms);
    }

    /// These were read around.
    #[cold]
    pub(super) fn note_oddities(&self, oddities: Oddities) {
        for (count, (one, _)) in self.oddities.0.iter().zip(Oddities::ALL) {
            add(count, u64::from(oddities.has(*one)));
        }
    }

    /// How it is now; whether that is news.
    pub(super) fn note_condition(&self, condition: Condition, now_ms: SteadyMs) -> bool {
        let number = condition as u64;
        let is_news = self.condition.load(Ordering::Relaxed) != number;
        if is_news || self.since_ms.load(Ordering::Relaxed) == 0 {
            self.condition.store(number, Ordering::Relaxed);
            self.since_ms.store(now_ms.ms().max(1), Ordering::Relaxed);
        }
        is_news
    }

    /// Why a session ended. Where somebody reads the one before at this very moment it is not kept.
    pub(super) fn note_error(&self, reason: String) {
        if let Ok(mut place) = self.last_error.try_lock() {
            *place = Some(reason);
        }
    }
}

macro_rules! figures {
    ($($field:ident $name:literal $rises:literal $help:literal;)*) => {
        /// What a carrier's home counts.
        #[derive(Default, Debug)]
        pub struct CarrierFigures {
            $(#[doc = $help] pub $field: AtomicU64,)*
            pub(super) details: Details,
        }

        impl CarrierFigures {
            pub(super) fn values(&self) -> Vec<CarrierFigure> {
                let value = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
                vec![$(CarrierFigure {
                    name: concat!("carrier_", $name),
                    help: $help,
                    only_rises: $rises,
                    value: value(&self.$field),
                },)*]
            }
        }
    };
}

figures! {
    sessions_bound "sessions_bound" false "Sessions that are bound";
    binds "binds" true "Binds that were taken";
    bind_refusals "bind_refusals" true "Binds that were refused";
    submits "submits" true "SMS submitted";
    taken "taken" true "SMS that the carrier took";
    refused "refused" true "SMS that the carrier refused, or that cannot be written for it";
    returned "returned" true "Pushes that came back, in whole or in part, and count no attempt";
    taken_late "taken_late" true "SMS in doubt of which an answer or a receipt came all the same";
    ids_given_again "ids_given_again" true "Ids that were given again while a receipt was awaited";
    dealing "dealing" false "Whether it takes pushes: 1 or 0";
    rate_sixteenths "rate_sixteenths" false "Sixteenths of its rate that are used";
    throttled "throttled" true "Answers that said too fast, or that the carrier's queue is full";
    in_doubt "in_doubt" true "SMS sent and not answered";
    resent_in_doubt "resent_in_doubt" true "SMS sent that some carrier may have from before";
    in_hand "in_hand" false "Pushes under way";
    awaited "receipts_awaited" false "Segments whose receipts are awaited";
    receipts "receipts" true "Final receipts of segments that were awaited";
    cancels "cancels" true "cancel_sm sent";
    queries "queries" true "query_sm sent";
    questions_let_go "questions_let_go" true "Of those, not sent for want of room, or not answered";
    early "receipts_early" true "Receipts that came before their answer";
    unknown "receipts_unknown" true "Receipts that came with an id that nobody awaits yet";
    unmatched "receipts_unmatched" true "Receipts of ids that nobody awaits";
    oddities "peer_oddities" true "PDUs in which something was read around";
    alerts "alerts" true "Phones that it said are reachable again";
    messages "messages" true "Messages of phones, which are acknowledged and kept nowhere";
}

impl CarrierFigures {
    pub(super) fn add(&self, figure: impl FnOnce(&Self) -> &AtomicU64, count: u64) {
        add(figure(self), count);
    }
}

/// One figure of a carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CarrierFigure {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Whether it only ever rises.
    pub only_rises: bool,
    /// Its value.
    pub value: u64,
}

/// Counts of a carrier that only rise, one a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarrierKinds {
    /// Their name.
    pub name: &'static str,
    /// What they count.
    pub help: &'static str,
    /// What tells them apart.
    pub label: &'static str,
    /// Each kind and its count.
    pub counts: Vec<(&'static str, u64)>,
}

/// How long something took, in seconds.
#[derive(Clone, PartialEq, Debug)]
pub struct CarrierTimes {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Upper bounds, and how many took no longer, above the bound before.
    pub buckets: Vec<(f64, u64)>,
    /// How many took longer than all of them.
    pub above: u64,
    /// All of them together.
    pub sum_s: f64,
}

/// A carrier as its operators see it.
#[derive(Clone, Debug)]
pub struct CarrierState {
    /// Its name.
    pub name: String,
    /// Every figure, the same of each carrier.
    pub figures: Vec<CarrierFigure>,
    /// Counts by kind, the same of each carrier.
    pub kinds: Vec<CarrierKinds>,
    /// Times, the same of each carrier.
    pub times: Vec<CarrierTimes>,
    /// Why a session ended last.
    pub last_error: Option<String>,
}

impl CarrierState {
    /// Of this carrier, at `now_ms` of the steady clock.
    pub(super) fn of(name: &str, figures: &CarrierFigures, now_ms: SteadyMs) -> Self {
        let details = &figures.details;
        let since_ms = details.since_ms.load(Ordering::Relaxed);
        let seconds = if since_ms == 0 { 0 } else { now_ms.ms().saturating_sub(since_ms) / 1_000 };
        let since = CarrierFigure {
            name: "carrier_condition_seconds",
            help: "For how long it has been as it is: up, resting, choked or down",
            only_rises: false,
            value: seconds,
        };
        let choked = CarrierFigure {
            name: "carrier_choked",
            help: "Whether it has refused everything for load for five minutes: 1 or 0",
            only_rises: false,
            value: u64::from(details.condition.load(Ordering::Relaxed) == Condition::Choked as u64),
        };
        let kinds = |name, help, label, counts| CarrierKinds { name, help, label, counts };
        let last_error = details.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            name: name.to_owned(),
            figures: figures.values().into_iter().chain([choked, since]).collect(),
            kinds: vec![
                kinds(
                    "carrier_answers",
                    "Answers to SMS by what they mean",
                    "meaning",
                    details.answers.seen(ANSWERS.into_iter()),
                ),
                kinds(
                    "carrier_receipts_by_state",
                    "Receipts by what they say, those that come again and unknown ones too",
                    "state",
                    details.receipts.seen(STATES.into_iter()),
                ),
                kinds(
                    "carrier_oddities",
                    "What was read around in PDUs",
                    "kind",
                    details.oddities.seen(Oddities::ALL.iter().map(|(_, name)| *name)),
                ),
            ],
            times: vec![
                details.answered.seen("carrier_answer_seconds", "From an SMS to its answer"),
                details.receipted.seen(
                    "carrier_receipt_seconds",
                    "From the answer to an SMS to its receipt, of those taken in this life",
                ),
            ],
            last_error: last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_by_kind_and_by_time() {
        let figures = CarrierFigures::default();
        figures.details.note_answer(Consequence::Taken, 0);
        figures.details.note_answer(Consequence::SlowDown, 50);
        figures.details.note_answer(Consequence::Taken, 22_000_000);
        figures.details.note_receipt(MessageState::Skipped);
        figures.details.note_oddities(Oddities::SEQUENCE.with(Oddities::TIME_LENGTH));
        let state = CarrierState::of("alpha", &figures, SteadyMs::ZERO);
        let of = |at: usize| -> Vec<_> {
            let counts = state.kinds[at].counts.iter();
            counts.filter(|(_, count)| *count > 0).copied().collect()
        };
        assert_eq!(of(0), [("taken", 2), ("throttled", 1)]);
        assert_eq!(of(1), [("skipped", 1)]);
        assert_eq!(of(2), [("time_length", 1), ("sequence", 1)]);
        let answered = &state.times[0];
        assert_eq!((answered.buckets[0], answered.buckets[3]), ((0.001, 1), (0.05, 1)));
        assert_eq!((answered.above, answered.sum_s), (1, 22_000.05));
    }

    #[test]
    fn a_condition_is_told_with_how_long_it_has_lasted() {
        let figures = CarrierFigures::default();
        let seconds = |now_ms: u64| {
            let state = CarrierState::of("alpha", &figures, SteadyMs::new(now_ms));
            let of = |name: &str| state.figures.iter().find(|one| one.name == name);
            let value = |name: &str| of(name).expect("a figure").value;
            (value("carrier_choked"), value("carrier_condition_seconds"))
        };
        assert_eq!(seconds(50_000), (0, 0), "its home has not said yet");
        assert!(
            !figures.details.note_condition(Condition::Down, SteadyMs::new(1_000)),
            "no news at first"
        );
        assert!(figures.details.note_condition(Condition::Choked, SteadyMs::new(2_000)));
        assert!(!figures.details.note_condition(Condition::Choked, SteadyMs::new(9_000)));
        assert_eq!(seconds(12_000), (1, 10));
        figures.details.note_error("closed".to_owned());
        let last = CarrierState::of("alpha", &figures, SteadyMs::ZERO).last_error;
        assert_eq!(last.as_deref(), Some("closed"));
    }
}
