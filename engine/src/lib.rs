//! Hayauma: an SMS push gateway and message center, one shard per core, loss-free. ARCHITECTURE.md is the map.

// A process that serves says everything by `log`, a command by `cli::output`: these macros wait, and panic when the
// output fails.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod billing;
pub mod calendar;
pub mod cli;
pub mod clock;
pub mod config;
pub mod fatal;
pub mod fingerprint_key;
pub mod gateway;
pub mod hostcheck;
mod huge_pages;
pub mod ids;
pub mod journal;
pub mod layout;
pub mod log;
pub mod network;
pub mod ops;
mod prefetch;
pub mod push;
pub mod rehearsal;
pub mod rt;
pub mod serve;
pub mod shard;
pub mod shield;
pub mod signals;
pub mod sms;
pub mod smsc;
pub mod time_scale;
