//! `hayauma queue`, `hayauma queue show`: what waits, by reason, class and age, in a running engine
//! or in the data directory of a stopped one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::table::{self, grouped, plural};
use super::{CliError, Place, print};
use crate::control::now::wall_now;
use crate::control::queue::{QueueDocument, ShardQueue, WaitRow};
use crate::shard::count_stopped;
use wire::terms::time::WallMs;

/// Prints what waits.
pub(super) fn show(
    place: &Place,
    journals: impl FnOnce() -> Result<BTreeMap<u16, PathBuf>, CliError>,
    json: bool,
) -> Result<(), CliError> {
    let document: QueueDocument = match place.running_engine()? {
        Some(engine) => engine.get("/queue")?,
        None => stopped(&journals()?)?,
    };
    if json {
        return super::output::with_standard_output(|output| output.print_json(&document));
    }
    print(&render(&document, wall_now()))
}

fn stopped(journals: &BTreeMap<u16, PathBuf>) -> Result<QueueDocument, CliError> {
    let now_ms = wall_now();
    let mut tallies = Vec::new();
    for (&shard, directory) in journals {
        let tally =
            count_stopped(directory, now_ms).map_err(|error| CliError::new(error.to_string()))?;
        tallies.push((usize::from(shard), tally));
    }
    Ok(QueueDocument::of(&tallies))
}

const HEADS: [&str; 13] = [
    "WAITS",
    "PUSHES",
    "EMERGENCY",
    "URGENT",
    "STANDARD",
    "EXERCISE",
    "<1MIN",
    "<10MIN",
    "<1H",
    "<6H",
    "<1D",
    "OLDER",
    "OLDEST",
];

fn render(document: &QueueDocument, now_ms: WallMs) -> String {
    let mut rows = vec![HEADS.map(str::to_owned).to_vec()];
    rows.extend(
        document
            .total
            .rows
            .iter()
            .filter(|row| row.pushes > 0)
            .map(|row| cells(&name(row), row, now_ms)),
    );
    rows.push(cells("all", &sum(&document.total), now_ms));
    let mut text = table::render(&rows, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    for shard in &document.shards {
        let due = |state: &str| {
            shard.rows.iter().filter(|row| row.state == state).map(|row| row.pushes).sum()
        };
        let _ = writeln!(
            text,
            "shard {}: {} {}, {} {} due, {} parked",
            shard.shard.unwrap_or_default(),
            grouped(shard.waiting),
            plural(shard.waiting, "push waits", "pushes wait"),
            grouped(due("notification-due")),
            plural(due("notification-due"), "notification", "notifications"),
            grouped(due("notification-parked")),
        );
    }
    let age_ms = now_ms.since(document.total.counted_ms);
    if document.total.counted_ms == WallMs::ZERO {
        text.push_str("not counted yet: the engine has just started\n");
    } else if age_ms >= 10_000 {
        let _ = writeln!(text, "counted {} ago", age(age_ms));
    }
    text
}

fn name(row: &WaitRow) -> String {
    match (row.state.as_str(), &row.reason) {
        ("received", _) => "not durable yet".to_owned(),
        ("behind", _) => "behind another push to the phone".to_owned(),
        ("queued", _) => "queued for an attempt".to_owned(),
        ("held", Some(reason)) => format!("held: {}", reason.replace('-', " ")),
        (state, _) => state.replace('-', " "),
    }
}

fn sum(queue: &ShardQueue) -> WaitRow {
    let mut all = WaitRow {
        state: String::new(),
        reason: None,
        pushes: 0,
        by_class: [0; 4],
        by_age: [0; 6],
        oldest_ms: queue.rows.iter().filter_map(|row| row.oldest_ms).min(),
        oldest: None,
    };
    for row in &queue.rows {
        all.pushes += row.pushes;
        all.by_class.iter_mut().zip(row.by_class).for_each(|(count, more)| *count += more);
        all.by_age.iter_mut().zip(row.by_age).for_each(|(count, more)| *count += more);
    }
    all
}

fn cells(name: &str, row: &WaitRow, now_ms: WallMs) -> Vec<String> {
    let mut cells = vec![name.to_owned(), grouped(row.pushes)];
    cells.extend(row.by_class.iter().chain(&row.by_age).map(|&count| match count {
        0 => "-".to_owned(),
        count => grouped(count),
    }));
    cells.push(
        row.oldest_ms.map_or_else(|| "-".to_owned(), |oldest_ms| age(now_ms.since(oldest_ms))),
    );
    cells
}

/// `12 s`, `3 min`, `5.2 h`, `3.1 d`.
fn age(span_ms: u64) -> String {
    let seconds = span_ms as f64 / 1000.0;
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7_200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} d", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::WaitingTally;

    #[test]
    fn rows_without_pushes_are_left_out_and_shards_are_summed() {
        let now_ms = WallMs::new(1_800_000_000_000);
        let mut first = WaitingTally { at_ms: now_ms, ..WaitingTally::default() };
        // Four emergency pushes held as absent, three of them in the first minute.
        first.counts[4][0][0] = 3;
        first.counts[4][0][5] = 1;
        first.oldest_ms[4] = now_ms - 3 * 86_400_000;
        let mut second = WaitingTally { at_ms: now_ms - 60_000, ..WaitingTally::default() };
        second.counts[4][2][1] = 10;
        second.oldest_ms[4] = now_ms - 300_000;
        second.counts[16][2][4] = 2;
        second.oldest_ms[16] = now_ms - 7_200_000;
        let document = QueueDocument::of(&[(0, first), (1, second)]);
        assert_eq!((document.total.waiting, document.total.counted_ms), (14, now_ms - 60_000));
        let text = render(&document, now_ms);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").filter(|c| !c.is_empty()).map(str::trim).collect())
            .collect();
        assert_eq!(
            lines[1],
            ["held: absent", "14", "4", "-", "10", "-", "3", "10", "-", "-", "-", "1", "3.0 d"]
        );
        assert_eq!(lines[2][..2], ["notification parked", "2"]);
        assert_eq!(lines[3][..3], ["all", "16", "4"]);
        assert_eq!(
            text.lines().nth(4),
            Some("shard 0: 4 pushes wait, 0 notifications due, 0 parked")
        );
        assert_eq!(
            text.lines().nth(5),
            Some("shard 1: 10 pushes wait, 0 notifications due, 2 parked")
        );
        assert!(text.ends_with("counted 60 s ago\n"), "{text}");
    }
}
