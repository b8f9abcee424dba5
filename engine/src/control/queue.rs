//! What waits, for the operator: `GET /queue` on the admin port, the same document that `hayauma
//! queue --json` prints.

use crate::control::engine::Engine;
use crate::shard::{AGES_MS, CLASSES, STANDINGS, Standing, WaitingTally};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wire::terms::calendar;
use wire::terms::time::WallMs;

use super::admin::reply::reply_json;

/// What waits in an engine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct QueueDocument {
    /// All shards together; `shard` is absent.
    pub total: ShardQueue,
    /// Each shard.
    pub shards: Vec<ShardQueue>,
}

/// What waits in one shard.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ShardQueue {
    /// The shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<usize>,
    /// When it was counted; in the total the earliest of the shards. 0: not yet.
    pub counted_ms: WallMs,
    /// Pushes that have not ended.
    pub waiting: u64,
    /// One row for each way of waiting, none left out.
    pub rows: Vec<WaitRow>,
}

/// Pushes that wait for the same.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WaitRow {
    /// `received` (not durable yet), `behind` (another push to the same phone), `queued`,
    /// `in-flight`, `held`, `notification-due` or `notification-parked`.
    pub state: String,
    /// What holds it; for `held` alone, and absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many.
    pub pushes: u64,
    /// Of them by class: emergency, urgent, standard, exercise.
    pub by_class: [u64; CLASSES.len()],
    /// Of them by age: below a minute, ten minutes, an hour, six hours, a day, and older.
    pub by_age: [u64; AGES_MS.len() + 1],
    /// When the oldest was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<WallMs>,
    /// The same as a time in Japan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

impl QueueDocument {
    /// The document of these shards, in the order of their numbers.
    pub fn of(tallies: &[(usize, WaitingTally)]) -> Self {
        let shards: Vec<ShardQueue> =
            tallies.iter().map(|(shard, tally)| ShardQueue::of(Some(*shard), tally)).collect();
        let mut total = ShardQueue::of(None, &WaitingTally::default());
        for shard in &shards {
            total.add(shard);
        }
        // As long as one shard has not counted, nobody knows the whole.
        total.counted_ms =
            shards.iter().map(|shard| shard.counted_ms).min().unwrap_or(WallMs::ZERO);
        Self { total, shards }
    }
}

impl ShardQueue {
    fn of(shard: Option<usize>, tally: &WaitingTally) -> Self {
        let rows: Vec<WaitRow> = (0..STANDINGS)
            .zip(Standing::all())
            .map(|(at, standing)| WaitRow::of(tally, at, standing))
            .collect();
        let waiting = Standing::all().into_iter().filter(|standing| !standing.has_ended());
        Self {
            shard,
            counted_ms: tally.at_ms,
            waiting: waiting.map(|standing| tally.of(standing)).sum(),
            rows,
        }
    }

    fn add(&mut self, other: &Self) {
        self.waiting += other.waiting;
        for (row, more) in self.rows.iter_mut().zip(&other.rows) {
            row.pushes += more.pushes;
            row.by_class.iter_mut().zip(more.by_class).for_each(|(count, more)| *count += more);
            row.by_age.iter_mut().zip(more.by_age).for_each(|(count, more)| *count += more);
            let oldest_ms = [row.oldest_ms, more.oldest_ms].into_iter().flatten().min();
            row.set_oldest(oldest_ms);
        }
    }
}

impl WaitRow {
    fn of(tally: &WaitingTally, at: usize, standing: Standing) -> Self {
        let counts = &tally.counts[at];
        let mut row = Self {
            state: state_word(standing).to_owned(),
            reason: reason_word(standing),
            pushes: counts.iter().flatten().sum(),
            by_class: std::array::from_fn(|class| counts[class].iter().sum()),
            by_age: std::array::from_fn(|age| counts.iter().map(|ages| ages[age]).sum()),
            oldest_ms: None,
            oldest: None,
        };
        row.set_oldest(Some(tally.oldest_ms[at]).filter(|&oldest_ms| oldest_ms > WallMs::ZERO));
        row
    }

    fn set_oldest(&mut self, oldest_ms: Option<WallMs>) {
        self.oldest_ms = oldest_ms;
        self.oldest = oldest_ms.map(|oldest_ms| calendar::jst_text(oldest_ms.ms()));
    }
}

/// The standing in one word.
pub fn state_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Received => "received",
        Standing::Behind => "behind",
        Standing::Queued => "queued",
        Standing::InFlight => "in-flight",
        Standing::Held(_) => "held",
        Standing::HandedOver => "handed-over",
        Standing::NotificationDue => "notification-due",
        Standing::Parked => "notification-parked",
    }
}

/// What holds it in one word, where something is known to.
pub fn reason_word(standing: Standing) -> Option<String> {
    match standing {
        Standing::Held(Some(reason)) => Some(reason.name().to_ascii_lowercase().replace(' ', "-")),
        _ => None,
    }
}

/// The routes.
pub fn router(control: Arc<dyn Engine>) -> Router {
    Router::new().route("/queue", get(show)).with_state(control)
}

async fn show(State(control): State<Arc<dyn Engine>>) -> Response {
    let tallies: Vec<(usize, WaitingTally)> = control.waiting().into_iter().enumerate().collect();
    reply_json(StatusCode::OK, &QueueDocument::of(&tallies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_counted_once_every_shard_is_and_as_early_as_the_earliest() {
        let tally = |ms| WaitingTally { at_ms: WallMs::new(ms), ..WaitingTally::default() };
        let counted_ms = |at: &[u64]| {
            let tallies: Vec<_> = at.iter().map(|&ms| tally(ms)).enumerate().collect();
            QueueDocument::of(&tallies).total.counted_ms.ms()
        };
        assert_eq!(counted_ms(&[700, 500, 600]), 500);
        for one_has_not in [[0, 5, 6], [5, 0, 6], [5, 6, 0]] {
            assert_eq!(counted_ms(&one_has_not), 0, "{one_has_not:?}");
        }
    }
}
