//! Hayauma: an SMS push gateway and message center, one shard per core, loss-free. ARCHITECTURE.md
//! is the map.

// A process that serves says everything by `log`, a command by `cli::output`: these macros wait,
// and panic when the output fails.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod billing;
pub mod cli;
pub mod control;
pub mod gateway;
pub mod io;
pub mod journal;
pub mod network;
pub mod shard;
pub mod smsc;
pub mod start;
pub mod testing;
