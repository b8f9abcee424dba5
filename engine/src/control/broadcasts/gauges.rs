//! Broadcasts on the metrics page: by state and class, their rows by outcome, and each live one.
//!
//! **Invariants:** the figures are those of the last look at the shards, at most a fifth of a
//! second old; no more than [`NAMED_MAX`] broadcasts have lines of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::desk::BroadcastDesk;
use super::documents::Stage;
use super::snapshot::state_word;
use super::standing::{Entry, Standing};
use crate::broadcast::outcomes::Outcome;
use crate::control::gauges::{GaugeFamily, Gauges};
use wire::terms::ids::Class;

/// Live broadcasts that have lines of their own, the newest.
const NAMED_MAX: usize = 64;

/// What one line of a live broadcast has.
type Figure = fn(&Entry) -> u64;

fn class_of(entry: &Entry) -> String {
    let class = entry.document.manifest.class();
    class.map_or("unknown", Class::word).to_owned()
}

fn delivered(entry: &Entry) -> u64 {
    entry.counts().get(Outcome::Delivered.word()).copied().unwrap_or_default()
}

const OF_ONE: [(&str, &str, Figure); 4] = [
    ("broadcast_targeted", "Recipients of a live broadcast", |entry| {
        entry.document.check.as_ref().map_or(0, |check| check.addressed.targeted)
    }),
    ("broadcast_delivered", "Recipients that a live broadcast has reached", delivered),
    ("broadcast_delivered_per_second", "And in the last second", |entry| entry.watched.speed().now),
    ("broadcast_doubts", "Recipients that a crash left in doubt", Entry::doubts),
];

impl BroadcastDesk {
    /// What a scrape asks for.
    pub fn gauges(self: &Arc<Self>) -> Gauges {
        let desk = Arc::clone(self);
        Gauges::of(move || families(&desk.standing()))
    }
}

fn families(standing: &Standing) -> Vec<GaugeFamily> {
    let mut by_state: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut by_outcome: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut live: Vec<&Entry> = Vec::new();
    for entry in standing.broadcasts.values() {
        let class = class_of(entry);
        *by_state.entry((state_word(entry).to_owned(), class.clone())).or_default() += 1;
        if entry.document.stage == Stage::Started {
            for (outcome, rows) in entry.counts() {
                *by_outcome.entry((outcome, class.clone())).or_default() += rows;
            }
            live.push(entry);
        }
    }
    let lines = |counts: BTreeMap<(String, String), u64>, name: &'static str| {
        let line = |((word, class), count)| (vec![(name, word), ("class", class)], count);
        counts.into_iter().map(line).collect()
    };
    let mut families = vec![
        GaugeFamily {
            name: "broadcast_count",
            help: "Broadcasts by state and class",
            lines: lines(by_state, "state"),
        },
        GaugeFamily {
            name: "broadcast_rows",
            help: "Recipients of live broadcasts by outcome and class",
            lines: lines(by_outcome, "outcome"),
        },
    ];
    // Identifiers are in the order of time.
    let named = &live[live.len().saturating_sub(NAMED_MAX)..];
    families.extend(OF_ONE.map(|(name, help, figure)| {
        let line = |entry: &&Entry| {
            let broadcast = entry.document.broadcast.clone();
            (vec![("broadcast", broadcast), ("class", class_of(entry))], figure(entry))
        };
        GaugeFamily { name, help, lines: named.iter().map(line).collect() }
    }));
    families
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;

    fn line(families: &[GaugeFamily], name: &str, wanted: &[(&str, &str)]) -> Option<u64> {
        let family = families.iter().find(|family| family.name == name)?;
        let is_it = |labels: &[(&'static str, String)]| {
            labels.iter().map(|(name, value)| (*name, value.as_str())).eq(wanted.iter().copied())
        };
        family.lines.iter().find(|(labels, _)| is_it(labels)).map(|(_, value)| *value)
    }

    #[test]
    fn broadcasts_are_counted_by_state_and_class_and_the_newest_live_ones_named() {
        let bench = Bench::new(1, 10);
        bench.draft("draft", "");
        let first = bench.started("a", "");
        bench.deliver(&first, 4);
        bench.desk.refresh().expect("looked at");
        let families = || families(&bench.desk.standing());
        let found = families();
        let count =
            |state: &str| line(&found, "broadcast_count", &[("state", state), ("class", "urgent")]);
        assert_eq!((count("draft"), count("running")), (Some(1), Some(1)));
        let rows = |outcome: &str| {
            line(&found, "broadcast_rows", &[("outcome", outcome), ("class", "urgent")])
        };
        assert_eq!((rows("delivered"), rows("waiting")), (Some(4), Some(6)));
        let own = [("broadcast", first.as_str()), ("class", "urgent")];
        assert_eq!(line(&found, "broadcast_targeted", &own), Some(10));
        assert_eq!(line(&found, "broadcast_delivered", &own), Some(4));
        for number in 0..NAMED_MAX {
            bench.started(&format!("r{number}"), "");
        }
        let found = families();
        assert_eq!(line(&found, "broadcast_targeted", &own), None, "there are newer ones");
        let targeted = found.iter().find(|family| family.name == "broadcast_targeted");
        assert_eq!(targeted.expect("it is there").lines.len(), NAMED_MAX);
    }
}
