//! The words, the SMS codec and both sides of the push interface: octets to values and back.
//!
//! What a push client and the engine have in common, and all that the load generator needs of the
//! engine; and the warnings that other systems send ([`cap`]).
//!
//! **Never here:** sockets, clocks, threads, files, or a decision about a push.

pub mod cap;
pub mod http;
pub mod json;
pub mod push;
pub mod smpp;
pub mod sms;
pub mod terms;
