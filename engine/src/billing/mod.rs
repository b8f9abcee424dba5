//! Billing: one event for each accepted push, one for its final state, one for each rejected or repeated
//! request; days and months added up from them.
//!
//! `DATA/shard-NNN/billing/events-YYYYMMDD.bin` holds the events of one shard and one JST day in slots of 64
//! octets, mapped into memory: an event survives the death of the process from the moment it is appended.
//! After a crash [`BillingLog::ensure`] writes the ones that the journal knows and the file does not, and no
//! other: each journal record is billed once.
//!
//! What it never does: deciding what a push's outcome is, reading a clock, editing a slot that was written.
//!
//! Invariants:
//! - an Accepted and a Final event carry the push's id, so the same push is never entered twice however often
//!   its records are moved forward in the journal;
//! - events stand in the file of the JST day of their own time: acceptance for Accepted, the end for Final;
//! - events are synced before the journal segments that they come from are retired;
//! - exercises are counted in columns of their own and never billed.

mod columns;
mod copy;
mod csv_out;
mod event;
mod limits;
mod log;
mod read;
mod reconcile;
mod sums;
#[cfg(test)]
mod tests;

pub use columns::{Column, column_of};
pub use copy::copy_log;
pub use csv_out::write_csv;
pub use event::{Event, EventKind};
pub use log::{BillingError, BillingLog, BillingSync, SYNC_FILES_MAX};
pub use reconcile::{ReconcileReport, reconcile};
pub use sums::{Counts, Report, ReportError, Row, day, month};
