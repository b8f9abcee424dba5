//! What the message center shows of itself to whoever looks: nothing here changes what it does.

use crate::smsc::core::Core;
use crate::smsc::ended::{EndedId, EndedPush};
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::state::State;
use crate::smsc::steady::TimerMs;
use wire::terms::ids::Msn;
use wire::terms::time::CenterMs;

/// A push that was sought by its key.
#[derive(Clone, Copy, Debug)]
pub enum Sought<'a> {
    /// It stands in the slab.
    Live(&'a Push),
    /// Its key is remembered.
    Ended {
        /// How it ended.
        state: State,
        /// Seconds since its end.
        age_s: u32,
    },
}

impl Core {
    /// The push with this key, while anything is known of it: of one that has ended, if it was this
    /// client's. Whose a live one is, its record says.
    pub fn seek(&self, key: u64, client: u64) -> Option<Sought<'_>> {
        if let Some(index) = self.keys.find_live(&self.pushes, key) {
            return Some(Sought::Live(&self.pushes[index]));
        }
        let (number, ended) = self.keys.find_owned(key)?;
        let age_s = ended.age_s(self.time.center()).max(0).cast_unsigned();
        let is_its = self.clients.find(client) == Some(number);
        is_its.then_some(Sought::Ended { state: ended.state(), age_s })
    }

    /// Every live push's index is below this.
    pub fn indices_used(&self) -> usize {
        self.pushes.high_water()
    }

    /// The live push at `index`, if there is one.
    pub fn live_at(&self, index: PushIndex) -> Option<&Push> {
        self.pushes.live_at(index)
    }

    /// At most `most` ended pushes of `msn` and this client whose notifications are due, in their
    /// order.
    pub fn ended_of(
        &self,
        msn: Msn,
        client: u64,
        most: usize,
    ) -> impl Iterator<Item = &EndedPush> + '_ {
        let found = self.clients.find(client).map(|client| self.ended.of(msn, client, most));
        found.into_iter().flatten().map(|index| &self.ended[index])
    }

    /// The ended push with this number of which something is due or parked.
    pub fn ended(&self, push_id: u64) -> Option<&EndedPush> {
        self.ended
            .find(push_id)
            .map(|index| &self.ended[index])
            .or_else(|| self.parked.find(push_id))
    }

    /// As [`Core::ended`], of a push that was named by a [`crate::smsc::core::Effect::Notify`].
    #[inline]
    pub fn ended_by(&self, id: EndedId) -> Option<&EndedPush> {
        match self.ended.at(id) {
            Some(index) => Some(&self.ended[index]),
            None => self.parked.find(id.push_id),
        }
    }

    /// Places of ended pushes: each that is due stands in one below.
    pub fn ended_places(&self) -> u32 {
        self.ended.used()
    }

    /// The ended push in this place, if there is one.
    pub fn ended_at(&self, place: u32) -> Option<&EndedPush> {
        self.ended.live_at(place)
    }

    /// When the notification of an ended push is sent again.
    pub fn resend_ms(&self, push_id: u64) -> Option<CenterMs> {
        let due_ms = self.resends.as_ref()?.due_ms(self.ended.find(push_id)?)?;
        Some(self.time.center_of(TimerMs(due_ms)))
    }

    /// The Accepted record of an ended push was copied forward to here.
    pub fn set_ended_position(&mut self, push_id: u64, position: u64) {
        if let Some(index) = self.ended.find(push_id) {
            self.ended[index].position = position;
        } else if let Some(push) = self.parked.find_mut(push_id) {
            push.position = position;
        }
    }

    /// An ended push of which something is due or parked ended at this time.
    pub(super) fn set_ended_time(&mut self, push_id: u64, ended_ms: CenterMs) {
        if let Some(index) = self.ended.find(push_id) {
            self.ended[index].set_ended_ms(ended_ms);
        } else if let Some(push) = self.parked.find_mut(push_id) {
            push.set_ended_ms(ended_ms);
        }
    }

    /// When the push's timer is due: its next attempt, or its expiry.
    pub fn due_ms(&self, index: PushIndex) -> Option<CenterMs> {
        self.timers.due_ms(index).map(|due_ms| self.time.center_of(TimerMs(due_ms)))
    }

    /// Keeps the owner's number for what holds this push.
    pub fn note_hold_reason(&mut self, index: PushIndex, reason: u8) {
        self.pushes[index].set_hold_reason(reason);
    }

    /// The journal has a Held record of this push that names when it is tried again.
    pub fn note_hold_recorded(&mut self, index: PushIndex) {
        self.pushes[index].set(flag::HOLD_RECORDED, true);
    }
}
