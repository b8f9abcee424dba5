//! The message center: it stores, retries, expires, cancels and replaces pushes, and says when to
//! notify.
//!
//! Pure: no I/O, no clock, no threads. [`core::Core`] is the state machine; the other files are its
//! parts.

pub mod alerts;
mod attempts;
mod bucket;
pub mod by_push;
mod cancels;
mod clients;
pub mod closed_alerts;
pub mod core;
pub mod ended;
mod endings;
pub mod flags;
pub mod handed;
pub mod handing_over;
pub mod index_table;
pub mod interface;
pub mod keys;
pub mod lanes;
pub mod limits;
pub mod msn_queues;
pub mod mutation;
pub mod notification_schedule;
mod notifications;
pub mod outcome;
pub mod pushes;
pub mod recovery;
mod rerouting;
pub mod retry;
pub mod row_ids;
pub mod rows;
mod shares;
pub mod state;
pub mod steady;
mod taking;
#[cfg(test)]
mod tests;
pub mod timer_wheel;
pub mod views;
pub mod wait_reason;
