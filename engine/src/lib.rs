//! Hayauma: an SMS push gateway and message center, one shard per core, loss-free.
//!
//! ```text
//! cli: commands ──▶ start: settings, layout, serve ──▶ control: admin port, registry, metrics
//!                                   └──▶ the crate dataplane: io, shard, smsc, journal …
//! ```
//!
//! ARCHITECTURE.md is the map, with every room and its floor. A room imports rooms of lower floors
//! only; the rooms that carry pushes are a crate of their own, which cannot name this one. Begin
//! where your question lies:
//!
//! - what a push looks like on the wire: the crate `wire`, whose front page has examples;
//! - what happens to an accepted push: [`smsc`], a pure state machine;
//! - how nothing is lost: [`journal`], then [`shard`], which puts the rooms together;
//! - how one thread serves a CPU: [`io`];
//! - how all of it starts and ends: [`start`].

// A process that serves says everything by `log`, a command by `cli::output`: these macros wait,
// and panic when the output fails.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod control;
#[cfg(feature = "cluster")]
pub mod nats;
pub mod start;

pub use dataplane::{
    billing, broadcast, cluster, gateway, io, journal, network, shard, smsc, testing,
};
