//! A cluster's node, the part that decides: who owns a partition, who may act, and what a reader of
//! the replicated log believes. `start::serve::cluster` runs it beside the shards; no setting
//! starts that yet.
//!
//! A partition is a slice of msn space with a replicated log of its own, in which the octets of its
//! journal stand as [`chunk`]s. [`ownership`] is one partition at one node, as a table of states
//! and happenings; [`following`] reads a log in front of taking it over. [`beats`] says whom to
//! suspect, [`rendezvous`] who comes next, [`table`] where a partition is. [`keeper`] joins them
//! for one node, over the two ports of [`ports`], and [`figures`] shows what became of it. The room
//! `nats` of the crate `hayauma` has these ports over NATS JetStream.
//!
//! **Never here:** sockets, clocks (times come in as `SteadyMs`), consensus or replication of our
//! own, the word of a push. **Invariants:**
//! - the log is the only fence: whoever publishes names the sequence that it expects to be the
//!   last, and one chunk of a partition is under way at a time;
//! - nobody acts who has not sent, lately, a chunk that the log has taken;
//! - a break in what the log gives back stops the partition, it is never skipped.

pub mod beats;
pub mod chunk;
pub mod figures;
pub mod flights;
pub mod following;
pub mod happening;
pub mod keeper;
mod kept;
pub mod limits;
pub mod mutation;
pub mod node;
pub mod ownership;
pub mod ports;
pub mod rendezvous;
pub mod servers;
pub mod succession;
pub mod table;
pub mod words;
