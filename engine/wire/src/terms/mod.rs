//! The words that every room uses: numbers and names, codes, times, and who owns an msn.
//!
//! **Never here:** anything that reads, writes, waits or decides.

pub mod calendar;
pub mod code;
pub mod domain;
pub mod ids;
pub mod mix;
pub mod municipality;
pub mod ownership;
pub mod pace;
pub mod rfc3339;
pub mod svcinst;
pub mod time;
