//! Who has most of something of which there is only so much: where it runs out, that one gives up
//! its oldest.
//!
//! Clients are counted, and stand in lists by the power of two that their count has reached, so
//! that everything costs the same however many clients there are. "Most" is meant to a factor of
//! two: whoever has less than half as much as the one with most gives up nothing. Below [`FEW`] all
//! are alike.
//!
//! Never here: what is counted.

use crate::smsc::clients::ByClient;

/// No client.
const NOBODY: u16 = u16::MAX;
/// Less than this, a power of two, is not worth telling apart.
const FEW: u32 = 16;
/// A list for each power of two, and one for none.
const LISTS: usize = 33;

#[derive(Clone, Copy)]
struct Share {
    count: u32,
    /// The neighbours in its list.
    next: u16,
    previous: u16,
}

impl Share {
    const NONE: Self = Self { count: 0, next: NOBODY, previous: NOBODY };

    /// The list in which it stands.
    fn list(self) -> usize {
        (u32::BITS - (self.count | (FEW - 1)).leading_zeros()) as usize
    }
}

/// Shares of one scarce thing.
pub(super) struct Shares {
    clients: ByClient<Share>,
    firsts: [u16; LISTS],
    /// One bit for each list that has somebody.
    occupied: u64,
    total: usize,
}

impl Default for Shares {
    fn default() -> Self {
        Self { clients: ByClient::default(), firsts: [NOBODY; LISTS], occupied: 0, total: 0 }
    }
}

impl Shares {
    /// What all clients have.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// It has one more.
    #[inline]
    pub(super) fn add(&mut self, client: u16) {
        self.clients.reach(client, Share::NONE);
        self.total += 1;
        let share = &mut self.clients[client];
        share.count += 1;
        if begins_list(share.count) {
            let count = share.count;
            self.move_on(client, count - 1, count);
        }
    }

    /// It has one less.
    #[inline]
    pub(super) fn take(&mut self, client: u16) {
        self.total -= 1;
        let share = &mut self.clients[client];
        share.count -= 1;
        if begins_list(share.count + 1) {
            let count = share.count;
            self.move_on(client, count + 1, count);
        }
    }

    /// The client stands in another list than before.
    fn move_on(&mut self, client: u16, before: u32, count: u32) {
        self.clients[client].count = before;
        self.unlink(client);
        self.clients[client].count = count;
        self.link(client);
    }

    /// Who gives up one so that `asking` gets one: itself, unless another has more by a factor of
    /// two. `None` when nobody has any.
    pub(super) fn gives_up(&self, asking: u16) -> Option<u16> {
        let fullest = self.occupied.checked_ilog2()? as usize;
        let own = self
            .clients
            .find(asking)
            .filter(|share| share.count > 0)
            .map_or(0, |share| share.list());
        Some(if own == fullest { asking } else { self.firsts[fullest] })
    }

    fn unlink(&mut self, client: u16) {
        let share = self.clients[client];
        if share.count == 0 {
            return;
        }
        if share.previous == NOBODY {
            let list = share.list();
            self.firsts[list] = share.next;
            if share.next == NOBODY {
                self.occupied &= !(1 << list);
            }
        } else {
            self.clients[share.previous].next = share.next;
        }
        if share.next != NOBODY {
            self.clients[share.next].previous = share.previous;
        }
    }

    fn link(&mut self, client: u16) {
        let share = self.clients[client];
        if share.count == 0 {
            return;
        }
        let list = share.list();
        let next = std::mem::replace(&mut self.firsts[list], client);
        self.occupied |= 1 << list;
        (self.clients[client].next, self.clients[client].previous) = (next, NOBODY);
        if next != NOBODY {
            self.clients[next].previous = client;
        }
    }
}

/// Whether whoever reaches this count leaves a list for the next.
fn begins_list(count: u32) -> bool {
    count == 1 || count >= FEW && count.is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::terms::mix::mix;

    #[test]
    fn whoever_gives_up_has_more_than_half_of_what_the_one_with_most_has() {
        const CLIENTS: u64 = 40;
        let mut shares = Shares::default();
        let mut model = [0usize; CLIENTS as usize];
        let mut random = 3u64;
        assert_eq!(shares.gives_up(0), None);
        for step in 0..100_000u64 {
            random = mix(random.wrapping_add(1));
            let client = (random % CLIENTS * (random >> 32) % CLIENTS) as u16;
            if random >> 16 & 127 < 64 + (step >> 13 & 1) * 4 {
                shares.add(client);
                model[usize::from(client)] += 1;
            } else if model[usize::from(client)] > 0 {
                shares.take(client);
                model[usize::from(client)] -= 1;
            }
            assert_eq!(shares.total(), model.iter().sum::<usize>());
            let most = model.iter().copied().max().unwrap_or(0);
            match shares.gives_up(client) {
                None => assert_eq!(most, 0),
                Some(giving) => {
                    let given = model[usize::from(giving)];
                    let is_most = given * 2 > most || most < FEW as usize;
                    assert!(given > 0 && is_most, "step {step}: {giving} of {model:?}");
                    let own = model[usize::from(client)];
                    let list = |count: usize| (count | (FEW as usize - 1)).ilog2();
                    if own > 0 && list(own) == list(most) {
                        assert_eq!(giving, client, "step {step}: it has as much as anybody");
                    }
                }
            }
        }
    }

    #[test]
    fn among_those_that_have_alike_whoever_asks_gives_up_its_own() {
        let mut shares = Shares::default();
        for client in [1, 2, 3] {
            (0..100).for_each(|_| shares.add(client));
        }
        assert_eq!([1, 2, 3].map(|asking| shares.gives_up(asking)), [Some(1), Some(2), Some(3)]);
        assert!(shares.gives_up(4).is_some_and(|giving| (1..=3).contains(&giving)));
        (0..100).for_each(|_| shares.add(2));
        assert_eq!([1, 2, 3].map(|asking| shares.gives_up(asking)), [Some(2); 3], "twice as much");
    }
}
