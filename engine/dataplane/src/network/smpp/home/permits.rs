//! Permits as they come and go back: which session each goes to, and what shards want back.

use super::{AHEAD_MS, Home, InHand, Place};
use crate::network::smpp::exchange::{Permit, bit_of, next};
use crate::network::smpp::figures::Condition;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wire::terms::ids::{Class, Msn};
use wire::terms::mix::mix;
use wire::terms::time::SteadyMs;

impl Home {
    /// The last one first, so that they stand as before in their shards' lanes.
    pub(super) fn return_waiting(&mut self, session: usize) {
        while let Some(hand) = self.places[session].waiting.pop_back() {
            self.stop(hand);
            self.settle_if_done(hand);
        }
    }

    /// Nothing new goes to the carrier for a while. What is not sent goes back, of all sessions and
    /// shards the one first that went out last, so that they stand as before in their lanes: they
    /// wait where an emergency can go before them, or another carrier takes them. What was refused
    /// goes back behind them, and stands before them then.
    pub(super) fn take_back(&mut self) {
        let exchange = Arc::clone(&self.exchange);
        exchange.stop_dealing();
        for owner in 0..exchange.shards() {
            self.refuse_permits(owner);
        }
        self.return_all_waiting();
    }

    fn note_condition(&mut self, condition: Condition) {
        let before = std::mem::replace(&mut self.condition, condition);
        if self.exchange.figures.details.note_condition(condition, self.now_ms) {
            let [was, is] = [before, condition].map(|one| one == Condition::Choked);
            if was != is {
                self.choking = Some(is);
            }
        }
    }

    fn return_all_waiting(&mut self) {
        let hands = &self.hands;
        let serial = |hand: u32| hands[hand as usize].as_ref().map(|of| of.permit.serial);
        let waiting = self.places.iter().flat_map(|place| place.waiting.iter());
        let mut waiting: Vec<_> = waiting.map(|&hand| (serial(hand), hand)).collect();
        waiting.sort_unstable();
        for (_, hand) in waiting.into_iter().rev() {
            self.stop(hand);
            self.settle_if_done(hand);
        }
    }

    /// Gives back what a shard has sent and nobody has looked at; whether there was any.
    fn refuse_permits(&mut self, owner: usize) -> bool {
        let exchange = Arc::clone(&self.exchange);
        let came: Vec<_> = std::iter::from_fn(|| next(exchange.permits(owner))).collect();
        let busy = !came.is_empty();
        for mut permit in came.into_iter().rev() {
            permit.begin();
            permit.verdict.returned = true;
            self.give_back(permit);
        }
        busy
    }

    /// Takes the permits that shards have sent, each to a session by its msn, and gives back what
    /// they recall. Whether there were any.
    pub fn take_permits(&mut self, now_ms: SteadyMs) -> bool {
        let is_paused = self.pace.paused_until(now_ms.ms()).is_some();
        let is_up = self.places.iter().any(Place::takes) && !self.carrier.paused;
        let is_out = !is_up || self.pace.is_choked(now_ms.ms());
        let is_dealing = is_up && !is_paused;
        self.exchange.set_condition(is_dealing, is_out, now_ms);
        self.now_ms = now_ms;
        self.note_condition(match (is_up, is_out, is_dealing) {
            (false, ..) => Condition::Down,
            (true, true, _) => Condition::Choked,
            (true, false, false) => Condition::Resting,
            (true, false, true) => Condition::Up,
        });
        self.take_questions();
        let exchange = Arc::clone(&self.exchange);
        let mut busy = false;
        for owner in 0..exchange.shards() {
            // What a shard recalls it has sent before.
            let asked = exchange.recalls_asked(owner);
            if !is_dealing {
                busy |= self.refuse_permits(owner);
            }
            while is_dealing && let Some(permit) = next(exchange.permits(owner)) {
                busy = true;
                self.take(permit);
            }
            if !exchange.has_recalled(owner) {
                busy = true;
                self.recall(owner);
                exchange.recalls_done(owner, asked);
                self.called |= bit_of(owner);
            }
        }
        if !is_dealing {
            self.return_all_waiting();
        }
        let figures = &self.exchange.figures;
        figures.in_hand.store(self.in_hand() as u64, Ordering::Relaxed);
        figures.dealing.store(u64::from(is_dealing), Ordering::Relaxed);
        let sixteenths = u64::from(self.pace.factor_sixteenths());
        figures.rate_sixteenths.store(sixteenths, Ordering::Relaxed);
        busy
    }

    /// Lets shards send as many pushes as can go in a moment: as many again as the windows hold,
    /// and no more than the rate lets go meanwhile. What waits in a lane can be overtaken,
    /// cancelled or taken by another carrier; what waits here cannot.
    pub fn make_room(&mut self, now_ms: SteadyMs) {
        let window = usize::from(self.carrier.window);
        let taking = self.places.iter().filter(|place| place.takes());
        let room: usize = taking.map(|place| (2 * window).saturating_sub(place.load())).sum();
        let waiting: usize = self.places.iter().map(|place| place.waiting.len()).sum();
        let soon = self.pace.within(AHEAD_MS, now_ms.ms()) as usize;
        let room = room.min(soon.saturating_sub(waiting));
        self.exchange.set_room(room.min(u32::MAX as usize) as u32);
    }

    /// Gives back what a shard wants back, as far as it is not sent.
    fn recall(&mut self, owner: usize) {
        let exchange = Arc::clone(&self.exchange);
        let all = exchange.take_recall_of_all(owner);
        let mut wanted = Vec::new();
        while let Some(push) = exchange.next_recalled(owner) {
            wanted.push(push);
        }
        for hand in (0..self.hands.len() as u32).rev() {
            let is_wanted = self.hands[hand as usize].as_ref().is_some_and(|in_hand| {
                let Permit { owner: its, slot, .. } = &*in_hand.permit;
                *its == owner && (all || wanted.contains(&slot.token.push))
            });
            if is_wanted {
                self.stop(hand);
                self.settle_if_done(hand);
            }
        }
    }

    fn take(&mut self, mut permit: Box<Permit>) {
        permit.begin();
        let session = self.idlest(permit.slot.msn);
        let first = permit.slot.class == Class::Emergency;
        self.expires_ms = self.expires_ms.min(permit.slot.leaves_by_ms);
        let unsent_mask = permit.slot.mask();
        let in_hand = InHand { permit, session, unsent_mask, outstanding_mask: 0, ids: Vec::new() };
        let hand = self.free.pop().unwrap_or_else(|| {
            self.hands.push(None);
            self.hands.len() as u32 - 1
        });
        self.hands[hand as usize] = Some(in_hand);
        if first {
            self.put_first(session, hand);
        } else {
            self.places[session].waiting.push_back(hand);
        }
    }

    /// The session that has least to do, so that one whose answers do not come holds up nothing; of
    /// several one by the msn. One push of an msn is under way at a time, so they keep their order.
    fn idlest(&self, msn: Msn) -> usize {
        let sessions = self.places.len() as u64;
        let taking = self.places.iter().enumerate().filter(|(_, place)| place.takes());
        let rank = |session: usize| mix(msn.value() ^ mix(session as u64)) % (sessions * 1_024);
        let least = taking.min_by_key(|&(session, place)| (place.load(), rank(session)));
        least.map_or(0, |(session, _)| session)
    }

    /// An emergency waits behind emergencies, and behind the rest of a push that has been sent in
    /// part, and before all others.
    fn put_first(&mut self, session: usize, hand: u32) {
        let hands = &self.hands;
        let waiting = &mut self.places[session].waiting;
        let goes_before = |other: &u32| {
            hands[*other as usize].as_ref().is_some_and(|other| {
                let begun = other.permit.slot.mask() != other.unsent_mask;
                begun || other.permit.slot.class == Class::Emergency
            })
        };
        let at = waiting.iter().take_while(|other| goes_before(other)).count();
        waiting.insert(at, hand);
    }

    pub(super) fn give_back(&mut self, permit: Box<Permit>) {
        let owner = permit.owner;
        let refused = self.exchange.settled(owner).push(permit);
        assert!(refused.is_ok(), "there are as many places as permits");
        self.called |= bit_of(owner);
    }
}
