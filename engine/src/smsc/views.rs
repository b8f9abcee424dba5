//! What the message center shows of itself to whoever looks: nothing here changes what it does.

use crate::smsc::core::{Core, NotificationKind};
use crate::smsc::pushes::{Push, PushIndex};
use wire::terms::ids::Msn;

impl Core {
    /// Every live push's index is below this.
    pub fn indices_used(&self) -> usize {
        self.pushes.high_water()
    }

    /// The live push at `index`, if there is one.
    pub fn live_at(&self, index: PushIndex) -> Option<&Push> {
        self.pushes.live_at(index)
    }

    /// At most `most` live pushes of `msn`: those that wait, in their order, then those of each of `clients` whose
    /// notifications are due.
    pub fn pushes_of(&self, msn: Msn, clients: impl Iterator<Item = u64>, most: usize) -> Vec<PushIndex> {
        let clients = clients.filter_map(|client| self.clients.find(client));
        self.queues.pushes_of(&self.pushes, msn, clients, most)
    }

    /// When the push's timer is due: its next attempt or resend, or its expiry. Milliseconds of the caller's clock.
    pub fn due_ms(&self, index: PushIndex) -> Option<u64> {
        self.timers.due_ms(index).map(|due_ms| self.time.wall_of(due_ms))
    }

    /// The notification that is due for an ended push.
    pub fn notification_of(&self, index: PushIndex) -> Option<NotificationKind> {
        let push = &self.pushes[index];
        if push.state.is_final() { Self::notification_due(push) } else { None }
    }

    /// Keeps the owner's number for what holds this push.
    pub fn note_hold_reason(&mut self, index: PushIndex, reason: u8) {
        self.pushes[index].set_hold_reason(reason);
    }
}
