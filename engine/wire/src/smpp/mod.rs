//! SMPP 3.4 and 5.0: the codec of its PDUs and the session of both roles, ESME and SMSC.
//!
//! A PDU's path in: [`frame`] cuts it out of what was received, [`pdu`] reads its fields,
//! [`session`] says what it means where the session stands; out: [`pdu`] writes it into the
//! caller's buffer. [`receipt`], [`id`], [`address`], [`coding`] and [`time`] read and write what
//! the fields hold. [`customer`] is what a customer's PDUs say of pushes, and what it is told.
//! [`dial`] says when and where a client connects, and [`pace`] how fast it may
//! send.
//!
//! `now_ms` of a session, its dialling and its pace is milliseconds of the owner's clock, which
//! never goes back and may count from any moment: the engine gives its steady clock, the load
//! generator its own. A time in a PDU or a receipt is Unix milliseconds, and says so.
//!
//! **Never here:** sockets, clocks, threads, randomness, or a decision about a push.
//! **Invariants:** no octets make these functions panic or read beyond their PDU; nothing allocates
//! but a session when it is made; a decoded value borrows from the PDU that it was read from; no
//! password and no text is ever printed.

pub mod address;
pub mod coding;
pub mod command;
pub mod customer;
pub mod describe;
pub mod dial;
pub mod error;
pub mod frame;
pub mod id;
pub mod limits;
pub mod oddities;
pub mod pace;
pub mod pdu;
mod reader;
pub mod receipt;
pub mod session;
pub mod status;
pub mod time;
pub mod tlv;
mod words;
mod writer;

#[cfg(test)]
mod tests;
