//! What a shard's connections may hold in memory, all together: octets that came and are not
//! parsed, answers that wait, and octets that are not sent.
//!
//! There is one budget for all. A connection may have an eighth of what is left, so a few that need
//! much get it, and thousands that leave their answers unread share out what there is; a little of
//! its own each keeps whatever the others hold.
//!
//! A request that is half there counts like everything else. It is read to its end whatever the
//! others hold, or it could never be answered: that is a head and a body at most for each
//! connection. So while more is held than the budget has, such a request has little time.
//!
//! A receive that goes on may bring a megabyte before it can be stopped. So only some connections
//! have one at a time, of those that have sent little at a time for a while, and none while much of
//! the budget is taken.

use crate::io::limits::{BURSTS_MAX, HELD_OCTETS_MAX, HELD_PER_LINK_MAX, HELD_PER_LINK_MIN};
use std::cell::Cell;
use std::rc::Rc;

/// One part in so many of what is left is one connection's, as a power of two.
const SHARE_SHIFT: u32 = 3;

/// A shard's budget.
#[derive(Debug, Default)]
pub(super) struct Budget {
    held: Cell<usize>,
    /// Connections whose receive goes on.
    bursts: Cell<usize>,
}

impl Budget {
    pub(super) fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Octets that all connections hold.
    pub(super) fn held(&self) -> usize {
        self.held.get()
    }

    /// Whether connections hold more than the budget has: all that has a bound of its own.
    pub(super) fn is_overdrawn(&self) -> bool {
        self.held.get() > HELD_OCTETS_MAX
    }

    /// What one connection may hold at this moment.
    fn share(&self) -> usize {
        let left = HELD_OCTETS_MAX.saturating_sub(self.held.get());
        (left >> SHARE_SHIFT).clamp(HELD_PER_LINK_MIN, HELD_PER_LINK_MAX)
    }
}

/// What one connection holds; nothing any more once it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Rc<Budget>,
    held: usize,
    may_burst: bool,
}

impl Share {
    pub(super) fn of(budget: &Rc<Budget>) -> Self {
        Self { budget: Rc::clone(budget), held: 0, may_burst: false }
    }

    /// Whether the connection's receive may go on: it keeps that leave until it gives it back.
    pub(super) fn take_burst(&mut self) -> bool {
        let (held, bursts) = (self.budget.held.get(), self.budget.bursts.get());
        if !self.may_burst && held < HELD_OCTETS_MAX / 2 && bursts < BURSTS_MAX {
            self.budget.bursts.set(bursts + 1);
            self.may_burst = true;
        }
        self.may_burst
    }

    /// Whether it had that leave.
    pub(super) fn give_burst_back(&mut self) -> bool {
        let had = std::mem::take(&mut self.may_burst);
        self.budget.bursts.set(self.budget.bursts.get() - usize::from(had));
        had
    }

    /// What the connection may hold at this moment.
    pub(super) fn most(&self) -> usize {
        self.budget.share()
    }

    /// The connection holds so many octets now.
    pub(super) fn note(&mut self, held: usize) {
        if held != self.held {
            self.budget.held.set(self.budget.held.get() - self.held + held);
            self.held = held;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.note(0);
        self.give_burst_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_gets_all_it_may_have_and_a_thousand_share_the_budget() {
        let budget = Budget::new();
        let mut one = Share::of(&budget);
        assert_eq!(one.most(), HELD_PER_LINK_MAX);
        one.note(HELD_PER_LINK_MAX);
        let mut shares: Vec<Share> = (0..1_000).map(|_| Share::of(&budget)).collect();
        for share in &mut shares {
            let most = share.most();
            share.note(most);
        }
        assert!(budget.held() <= HELD_OCTETS_MAX + 1_000 * HELD_PER_LINK_MIN, "{}", budget.held());
        assert_eq!(shares[999].most(), HELD_PER_LINK_MIN);
        assert!(!shares[0].take_burst(), "nothing may burst where little is left");
        drop(shares);
        assert_eq!(budget.held(), HELD_PER_LINK_MAX);
        assert_eq!(one.most(), HELD_PER_LINK_MAX, "what was given back is there for others");
    }

    #[test]
    fn so_many_may_burst_and_one_that_gives_it_back_or_goes_makes_room() {
        let budget = Budget::new();
        let mut shares: Vec<Share> = (0..=BURSTS_MAX).map(|_| Share::of(&budget)).collect();
        let granted =
            shares.iter_mut().filter_map(|share| share.take_burst().then_some(())).count();
        assert_eq!(granted, BURSTS_MAX);
        assert!(shares[0].take_burst(), "it has it already");
        assert!(!shares[BURSTS_MAX].take_burst());
        shares[0].give_burst_back();
        shares[0].give_burst_back();
        assert!(shares[BURSTS_MAX].take_burst() && !shares[0].take_burst());
        shares.remove(1);
        assert!(shares[0].take_burst());
    }
}
