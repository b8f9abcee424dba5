//! What threads and their shards show, as figures.

use crate::io::figures::{Figure, FigureKind};
use crate::io::mailbox::{CUSTOMERS, TROUBLES, ThreadPort, ThreadStatus, VISITS};
use crate::io::shard_status::ShardStatus;
use crate::shard::figures::{NAMES, Rises};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a shard shows, and its syncs.
pub(super) fn shard_figures(status: &ShardStatus) -> Vec<Figure> {
    let named = NAMES.iter().zip(&status.figures);
    let mut figures: Vec<Figure> = named
        .map(|(&(name, help, rises), value)| {
            let grows = rises == Rises::Always;
            figure((name, grows, help), value.load(Ordering::Relaxed))
        })
        .collect();
    figures.push(figure(("syncs", true, "Journal syncs"), status.syncs.load(Ordering::Relaxed)));
    figures
}

/// What a thread shows; zeros where there is none.
pub(super) fn thread_figures(port: Option<&ThreadPort>) -> Vec<Figure> {
    let status = port.map(|port| &port.status);
    let of = |value: &dyn Fn(&ThreadStatus) -> u64| status.map_or(0, value);
    let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
    let held = "Octets that connections hold: not parsed, waiting to be answered, not sent";
    let mut figures = vec![
        figure(
            ("connections", false, "Push clients' connections"),
            of(&|status| load(&status.connections)),
        ),
        figure(("connection_octets", false, held), of(&|status| load(&status.held))),
    ];
    for (at, &(name, help)) in VISITS.iter().enumerate() {
        figures.push(figure((name, true, help), of(&|status| load(&status.visits[at]))));
    }
    for (at, &(name, help)) in TROUBLES.iter().enumerate() {
        figures.push(figure((name, true, help), of(&|status| load(&status.troubles[at]))));
    }
    for (at, &said) in CUSTOMERS.iter().enumerate() {
        figures.push(figure(said, of(&|status| load(&status.customers[at]))));
    }
    let turns = ("turns", true, "Turns of the shards' loop");
    figures.push(figure(turns, of(&|status| status.turns())));
    let wakes = ("watchdog_wakes", true, "Times the watchdog woke the shards' thread");
    figures.push(figure(wakes, of(&|status| load(&status.wakes))));
    figures
}

/// One figure, by its name, whether it only grows, and what it says.
fn figure((name, grows, help): (&'static str, bool, &'static str), value: u64) -> Figure {
    let kind = if grows { FigureKind::Counter } else { FigureKind::Gauge };
    Figure { name, help, kind, value }
}
