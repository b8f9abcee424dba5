//! Billing: one event for each accepted push, one for its final state, counts of rejected and
//! repeated requests by XPID, code and minute; days and months added up from them.
//!
//! `DATA/shard-NNN/billing/events-YYYYMMDD.bin` holds the events of one shard and one JST day in
//! slots of 64 octets. Events gather in memory for some milliseconds and are written together,
//! beside the journal's commits. The journal has every Accepted and Final event: what the device
//! did not take, and what a crash cut off, is entered from there ([`Lacking`], and the shard while
//! it serves), and nothing twice: each push is billed once. Counts wait in memory until their
//! minute is over; a crash loses those of the minute in which it came, and nothing is billed by
//! them.
//!
//! Files are opened and given room ahead of need by a thread of their own ([`BillingFiles`]); the
//! next day's is there before its midnight.
//!
//! What it never does: deciding what a push's outcome is, reading a clock, editing an event that
//! was written.
//!
//! Invariants:
//! - an Accepted and a Final event carry the push's id, so the same push is never entered twice
//!   however often its records are moved forward in the journal or to another shard's;
//! - days are closed half a second after their midnight and never open again, whatever the clock
//!   says and wherever an event comes from. An event stands in the file of the JST day of its own
//!   time (acceptance for Accepted, the end for Final), or, where that is closed, in the oldest
//!   open one: there it is an adjustment, and told apart by its time;
//! - no event's day lies before its push's acceptance;
//! - events are synced before the journal segments that they come from are retired;
//! - an event is appended only when its record is durable: no file says more than the journal;
//! - exercises are counted in columns of their own and never billed.

mod columns;
mod copy;
mod counts;
mod csv_out;
mod day_file;
mod event;
mod expected;
mod files;
pub mod findings;
mod follow;
mod gather;
mod known;
mod lacking;
mod limits;
mod log;
mod port;
mod read;
mod reconcile;
mod stage;
mod sums;
#[cfg(test)]
mod tests;

pub use crate::billing::findings::ReconcileReport;
pub use columns::{Column, column_of, column_of_end};
pub use copy::copy_log;
pub use csv_out::write_csv;
pub use event::{Event, EventKind};
pub use expected::EventsOfRows;
pub use files::BillingFiles;
pub use gather::{Gathered, OfLog, gather, gather_all};
pub use known::Known;
pub use lacking::{Entered, Lacking};
pub use log::BillingLog;
pub use port::{BillingError, BillingSync, BillingWrite, Log, SYNC_FILES_MAX};
pub use reconcile::reconcile;
pub use sums::{Report, ReportError, Row, SpanCounts, day, month};
