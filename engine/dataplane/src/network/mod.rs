//! The network: the port the message center delivers through, and the network that stands behind
//! it.
//!
//! `gmsc` is the decision whether and how a push goes to the terminal; `port` is what the message
//! center names; `simulated` is the embedded network of HLR and terminals that answers it. What
//! only that one has, the states of its lines above all, is no part of the port. `smpp` is the
//! carriers' part, `routes` says which pushes go by one, and `side_by_side` is the network of a
//! thread that has both.
//!
//! Never here: a socket, a file, a clock, a thread. The caller brings the time in Unix
//! milliseconds.
//!
//! Invariants:
//! - one verdict an attempt, taken for the whole push, never per segment;
//! - a failing HLR is never permission;
//! - nothing allocates per attempt: slots, delays, alerts and reports are sized at construction.

mod due_ring;
pub mod gmsc;
pub mod limits;
pub mod line_states;
pub mod outcome_rates;
mod pending;
pub mod port;
mod random;
mod reports;
pub mod routes;
pub mod side_by_side;
pub mod simulated;
pub mod simulation_config;
pub mod smpp;
pub mod subscriber;
mod terminal;

pub use port::Network;

#[cfg(test)]
mod tests;
