//! The data plane of Hayauma: what carries a push from its request to its report.
//!
//! ```text
//! push client ──HTTP──▶ io ──▶ shard ──▶ smsc ──▶ network ──▶ terminal
//!                        │       │  intake: scan, identify, admit, record
//!                        │       ├──▶ journal   group commit; 0000 waits for the durable mark
//!                        │       └──▶ billing   one event accepted, one ended
//!                        └──▶ notifier ──▶ push client: how the push ended
//! ```
//!
//! The crate `hayauma` above it starts these threads, shows them to operators and has the command
//! line. **Never here:** an HTTP server, a database, settings, a command. **Invariant:** nothing on
//! a shard's thread waits for a log, a name, a disk or a lock.
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

// What serves says everything by `host::log`: these macros wait, and panic when the output fails.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod billing;
pub mod broadcast;
pub mod cluster;
pub mod gateway;
pub mod io;
pub mod journal;
pub mod network;
pub mod shard;
pub mod smsc;
pub mod testing;
