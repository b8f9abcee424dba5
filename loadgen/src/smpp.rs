//! SMPP for the load generator: an SMSC that ESMEs are tried against, and what its own senders put
//! into submit_sm.
//!
//! [`smsc`] is a message center of nothing but its interface: it takes submits, sends receipts,
//! misbehaves as it is told, and keeps a book of all that. [`account`] and `compose` belong to
//! the senders (`sender::esme`), which submit the pushes of a plan and take their receipts.
//! Both use the codec and the session of `wire::smpp` over plain sockets, as the engine does over
//! its own.

pub mod account;
pub mod faults;
pub mod smsc;

pub(crate) mod compose;
pub(crate) mod link;
pub(crate) mod matching;
