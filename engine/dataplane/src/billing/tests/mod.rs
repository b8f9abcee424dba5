//! Tests of billing as a whole.

use std::path::Path;

use super::*;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

mod books;
mod reconciling;
mod recovering;
mod writing;

const HOUR_MS: u64 = 3_600_000;

fn day_of(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

/// 2026-11-22 12:00 JST.
fn noon() -> WallMs {
    day_of("20261122").start_ms() + 12 * HOUR_MS
}

fn accepted(push_id: u64, xpid: u64, at_ms: WallMs) -> Event {
    Event {
        kind: EventKind::Accepted,
        push_id,
        at_ms,
        accepted_ms: at_ms,
        msn: 9_012_345_678,
        xpid,
        code: 0,
        class: 1,
        push_kind: 1,
        state: 0,
        segments: 3,
        delivered: 0,
        withdrawn: 0,
        domain: 0,
        shard: 0,
        count: 0,
    }
}

fn ended(push_id: u64, xpid: u64, at_ms: WallMs, code: u16) -> Event {
    let delivered = if code == 0 { 3 } else { 0 };
    Event { kind: EventKind::Final, code, delivered, domain: 2, ..accepted(push_id, xpid, at_ms) }
}

/// Of rows of a broadcast: accepted, or ended.
fn rows(kind: EventKind, number: u64, count: u32) -> Event {
    let delivered = if kind == EventKind::FinalMany { 3 } else { 0 };
    let push_id = 1 << 62 | number;
    Event { kind, count, delivered, domain: 2, ..accepted(push_id, 7, noon()) }
}

/// The log of shard 0 at noon.
fn open(data: &Path) -> BillingLog {
    open_at(data, 0, noon())
}

fn open_at(data: &Path, shard: u16, now_ms: WallMs) -> BillingLog {
    let directory = crate::journal::shards::shard_directory(data, usize::from(shard));
    BillingLog::open(&directory, shard, now_ms).expect("it opens")
}

#[track_caller]
fn append(log: &mut BillingLog, event: &Event) {
    append_at(log, event, noon());
}

/// Appends an event and has it written.
#[track_caller]
fn append_at(log: &mut BillingLog, event: &Event, now_ms: WallMs) {
    assert!(log.append(event, now_ms) && log.flush(now_ms), "the device takes it");
}

fn file_of(data: &Path, day: &str) -> std::path::PathBuf {
    data.join(format!("shard-000/billing/events-{day}.bin"))
}

fn row(report: &Report, xpid: u64) -> Row {
    *report.rows.iter().find(|row| row.xpid == xpid).expect("the contract has a row")
}

/// Enters what lacks of these events; how many that were.
#[track_caller]
fn recover(log: &mut BillingLog, events: &[(Event, bool)], now_ms: WallMs) -> u64 {
    let mut lacking = Lacking::default();
    for (event, is_foreign) in events {
        lacking.check(log, event, *is_foreign, now_ms).expect("readable");
    }
    let entered = lacking.finish(log, now_ms).expect("readable");
    assert_eq!(entered.left, 0);
    entered.events
}
