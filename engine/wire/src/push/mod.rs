//! The push-client interface: the bytes that push clients and the gateway exchange, both sides of
//! it.
//!
//! A request's path through the room: [`crate::http`] reads the head, [`scan`] the flat body,
//! [`submit`] makes a [`crate::submission`] of it, and [`response`] writes the answer; [`notify`]
//! is the way back to the push client and [`client`] the push client's own side, for the load
//! generator and the tests.
//!
//! **Never here:** sockets, clocks, threads, or a look at a registration (that is the engine's
//! gateway). **Invariants:** no input makes these functions panic; nothing allocates per push but
//! the growth of a caller's output vector; a parsed value borrows from the buffer it was read from.

pub mod client;
pub mod entities;
mod flat;
pub mod limits;
mod message;
pub mod notify;
pub mod notify_url;
pub mod request;
pub mod response;
#[doc(hidden)]
pub mod samples;
pub mod scan;
pub mod sign;
pub mod submit;

#[cfg(test)]
pub(crate) mod tests;
