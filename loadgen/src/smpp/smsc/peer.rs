//! One connection of an ESME to the SMSC, and the account that it bound to.

use super::super::link::{Link, Output};
use super::messages::Slot;
use std::collections::VecDeque;
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
    pub(super) limit: Limit,
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
            limit: Limit::new(rate_per_s),
        }
    }
}

/// How many messages an account may send in each second of the SMSC's clock.
pub(super) struct Limit {
    /// 0: as many as it likes.
    rate_per_s: u32,
    second: u64,
    taken: u32,
}

impl Limit {
    pub(super) fn new(rate_per_s: u32) -> Self {
        Self { rate_per_s, second: 0, taken: 0 }
    }

    /// Whether a message that comes at this moment is taken.
    pub(super) fn takes(&mut self, now_ms: u64) -> bool {
        let second = now_ms / 1_000;
        if second != self.second {
            (self.second, self.taken) = (second, 0);
        }
        let takes = self.rate_per_s == 0 || self.taken < self.rate_per_s;
        self.taken += u32::from(takes);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_takes_as_many_as_the_limit_and_not_one_more() {
        let mut limit = Limit::new(3);
        let taken = |limit: &mut Limit, at_ms| (0..5).filter(|_| limit.takes(at_ms)).count();
        assert_eq!(taken(&mut limit, 0), 3);
        assert_eq!(taken(&mut limit, 999), 0, "the same second");
        assert_eq!(taken(&mut limit, 1_000), 3);
        assert_eq!(taken(&mut limit, 9_500), 3, "what was not used is not kept");
        let mut none = Limit::new(0);
        assert_eq!(taken(&mut none, 0), 5);
    }
}
