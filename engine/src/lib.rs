//! Hayauma: an SMS push gateway and message center, one shard per core, loss-free.
//!
//! ```text
//! push client ──HTTP──▶ io ──▶ shard ──▶ smsc ──▶ network ──▶ terminal
//!                        │       │  intake: scan, identify, admit, record
//!                        │       ├──▶ journal   group commit; 0000 waits for the durable mark
//!                        │       └──▶ billing   one event accepted, one ended
//!                        └──▶ notifier ──▶ push client: how the push ended
//! control: admin port, registry, metrics · start: settings, layout, serve · cli: commands
//! ```
//!
//! ARCHITECTURE.md is the map, with every room and its floor. A room imports rooms of lower floors
//! only. Begin where your question lies:
//!
//! - what a push looks like on the wire: the crate `wire`, whose front page has examples;
//! - what happens to an accepted push: [`smsc`], a pure state machine;
//! - how nothing is lost: [`journal`], then [`shard`], which puts the rooms together;
//! - how one thread serves a CPU: [`io`].
//!
//! A shard is made of parts that are given to it, so all of it runs in virtual time too. The words
//! that every room shares stand in `wire::terms`:
//!
//! ```
//! use wire::terms::ids::Msn;
//! use wire::terms::ownership::shard_of;
//!
//! let msn = Msn::parse(b"09012345678").expect("eleven digits");
//! assert_eq!(shard_of(msn, 4), shard_of(msn, 4)); // one owner for each msn
//! assert!(shard_of(msn, 4) < 4);
//! ```

// A process that serves says everything by `log`, a command by `cli::output`: these macros wait,
// and panic when the output fails.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod billing;
pub mod broadcast;
pub mod cli;
pub mod cluster;
pub mod control;
pub mod gateway;
pub mod io;
pub mod journal;
pub mod network;
pub mod shard;
pub mod smsc;
pub mod start;
pub mod testing;
