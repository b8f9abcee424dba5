//! Taking a push: what its key says, whether there is room for it, and its place.

use crate::smsc::core::Core;
use crate::smsc::interface::{KeyVerdict, NewPush};
use crate::smsc::limits::{SHARE_OF_FREE, admitted_percent};
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::{Push, PushIndex, flag};
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn};
use wire::terms::time::CenterMs;

impl Core {
    /// What is known of `key`: the owner answers repeats from it. `digest_of` reads a live push's
    /// content digest from its Accepted record; it is asked only when the key is a live push's.
    pub fn key_verdict(
        &self,
        key: u64,
        content_digest: u64,
        digest_of: impl FnOnce(&Push) -> u64,
    ) -> KeyVerdict {
        let (is_same, segments) = if let Some(index) = self.keys.find_live(&self.pushes, key) {
            let push = &self.pushes[index];
            (digest_of(push) == content_digest, push.segments)
        } else if let Some(ended) = self.keys.find_ended(key) {
            (ended.has_content(content_digest), ended.segments())
        } else {
            return KeyVerdict::New;
        };
        if is_same { KeyVerdict::Repeat { segments } } else { KeyVerdict::Reused }
    }

    /// Whether a push of this class and client for `msn` can be taken: 8003 when the slab has no
    /// place left for the class, or the client has its share of them; 8005 when it is so of those
    /// that wait for the msn.
    pub fn room_for(&self, msn: Msn, class: Class, client: u64) -> Result<(), Code> {
        let client = self.clients.find(client);
        let free = self.free_places(class);
        if client.map_or(0, |client| self.clients.live(client)) >= SHARE_OF_FREE * free {
            return Err(Code::STORAGE_FULL);
        }
        // What is parked is never let go: whoever has most of it is to see to that first.
        if self.parked.len() >= self.limits.parked_max()
            && client.is_some_and(|client| self.parked.are_mostly_of(client))
        {
            return Err(Code::STORAGE_FULL);
        }
        let of_phone = self.limits.waiting_per_msn_max as usize;
        let places = (of_phone * admitted_percent(class)).div_ceil(100);
        let waiting = self.queues.waiting(&self.pushes, msn) as usize;
        let free = places.saturating_sub(waiting);
        // Nobody has more of them than there are: as a rule nothing needs to be counted.
        if waiting >= SHARE_OF_FREE * free
            && client.map_or(0, |client| self.queues.waiting_of(&self.pushes, msn, client))
                >= SHARE_OF_FREE * free
        {
            return Err(Code::TOO_MANY_WAITING);
        }
        Ok(())
    }

    /// Whether the slab has a place for one more push of this class, whoever's it is.
    pub fn has_place_for(&self, class: Class) -> bool {
        self.free_places(class) > 0
    }

    /// Places of the slab that are left for this class.
    fn free_places(&self, class: Class) -> usize {
        let places = (self.limits.pushes_max * admitted_percent(class)).div_ceil(100);
        places.saturating_sub(self.pushes.len())
    }

    /// Takes a push for which there is room.
    ///
    /// Its key must be new, as `verdict` says it: nobody looks again, and two live pushes of one
    /// key would each be found by half of the repeats and cancels.
    pub fn accept(&mut self, new: NewPush, now_ms: CenterMs) -> PushIndex {
        self.time.see(now_ms);
        let closed = new.alert.and_then(|alert| self.closed_alert(alert.alert));
        assert_eq!(closed, None, "closed_alert was asked before accepting");
        let index = self.enter(&new);
        self.keys.insert_new(&self.pushes, index);
        self.fresh.push_back(index);
        self.place_in_queue(index);
        self.start_timer(index, new.expires_ms.max(now_ms));
        if let Some(alert) = new.alert {
            self.pushes[index].set(flag::ALERT, true);
            if let Some(lower) = self.alerts.enter(&mut self.pushes, index, alert) {
                self.replace(lower, now_ms);
            }
        }
        index
    }

    /// Puts a push into the slab. Its key is the caller's to remember.
    pub(super) fn enter(&mut self, new: &NewPush) -> PushIndex {
        let mut push = Push {
            push_id: new.push_id,
            position: new.position,
            key: new.key,
            client: self.clients.enter(new.client),
            class: new.class,
            segments: new.segments,
            ..Push::EMPTY
        };
        push.set_msn(new.msn);
        push.set_expires_ms(new.expires_ms);
        push.set(flag::WANTS_NOTIFICATION, new.wants_notification);
        push.set(flag::SINGLE_ATTEMPT | flag::RECORD_BEGIN, new.single_attempt);
        push.set(flag::CONTROL, new.control);
        push.set(flag::BY_SMPP, new.by_smpp);
        push.set_route(new.route);
        let index = self.pushes.insert(push);
        let index = index.expect("room_for was asked before accepting");
        self.clients.add_live(push.client);
        index
    }

    pub(super) fn place_in_queue(&mut self, index: PushIndex) {
        let front = self.pushes[index].class == Class::Emergency
            || self.mutation == CoreMutation::ReorderMsn;
        if front {
            self.queues.push_front(&mut self.pushes, index);
        } else {
            self.queues.push_back(&mut self.pushes, index);
        }
    }
}
