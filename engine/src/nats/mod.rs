//! The two ports of a cluster's node over NATS JetStream: a stream for each partition, and a bucket
//! in which the nodes find each other. And what makes and looks after them: [`init`], [`survey`].
//!
//! [`host()`] works on an ordinary thread and calls its guest, which has the ports; nothing of it
//! is on a shard's thread. This room counts as one of the fourth floor, above all that serves from
//! one machine; it is compiled with the feature `cluster` only.
//!
//! **Never here:** who owns a partition, what a chunk says, consensus or replication of our own.
//! **Invariants:**
//! - the client of NATS is named in this room and nowhere else;
//! - a publish always names the sequence that it expects;
//! - what stands behind a sequence is asked of the stream's leader, never of a copy;
//! - a replay has a bound of octets on its way; an order that failed has no answer, and whoever
//!   gave it gives it again;
//! - what is lost is made up for by asking again, and no queue grows without a bound.

mod books;
mod connect;
mod entries;
mod error;
mod hosting;
mod limits;
mod log;
mod monitor;
mod names;
mod news;
mod registry;
mod replay;
mod setup;
mod store;
mod survey;
mod wake;

pub use books::{BooksKeeper, BooksPiece, ClusterBooks, EventsOfChunk};
pub use error::NatsError;
pub use hosting::{NatsGuest, NatsSetup, host};
pub use log::{NatsFigures, NatsLog};
pub use monitor::ServerSeen;
pub use registry::RegistryLog;
pub use setup::{ClusterPlan, InitDone, init};
pub use store::NatsStore;
pub use survey::{ClusterSurvey, LogState, NodeSeen, survey};
pub use wake::NatsWake;
