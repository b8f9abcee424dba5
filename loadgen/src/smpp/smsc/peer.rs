//! One connection of an ESME to the SMSC, and the account that it bound to.

use super::super::link::{Link, Output};
use super::messages::Slot;
use std::collections::VecDeque;
use wire::smpp::pace::Pace;
use wire::smpp::session::Session;

/// A connection.
pub(super) struct Peer {
    pub(super) link: Link,
    /// Tells it from another one that has its place later.
    pub(super) serial: u64,
    /// Once it is bound.
    pub(super) account: Option<usize>,
}

/// What an answer needs of a connection.
pub(super) struct Desk<'a> {
    pub(super) session: &'a mut Session,
    pub(super) output: &'a mut Output,
    pub(super) at: usize,
    pub(super) serial: u64,
    pub(super) account: &'a mut Option<usize>,
}

/// Who may bind, and what is there for its receivers.
pub(super) struct Account {
    pub(super) system_id: Vec<u8>,
    /// `None`: any.
    pub(super) password: Option<Vec<u8>>,
    pub(super) sessions: usize,
    /// Connections that take receipts.
    pub(super) receivers: Vec<usize>,
    /// Whose turn it is.
    pub(super) turn: usize,
    /// Receipts that are due.
    pub(super) line: VecDeque<Slot>,
    /// Messages that are kept for it.
    pub(super) kept: usize,
    pub(super) pace: Pace,
}

impl Account {
    pub(super) fn new(system_id: &[u8], password: Option<&[u8]>, rate_per_s: u32) -> Self {
        Self {
            system_id: system_id.to_vec(),
            password: password.map(<[u8]>::to_vec),
            sessions: 0,
            receivers: Vec::new(),
            turn: 0,
            line: VecDeque::new(),
            kept: 0,
            pace: Pace::new(rate_per_s, 0),
        }
    }
}
