//! What stands in the way of new pushes of this shard: of all of them, or of those of the classes
//! that matter less.

use super::Shard;
use crate::billing::Log;
use crate::smsc::core::admitted_percent;
use wire::terms::ids::Class;

/// What a shard says of itself when it takes no new push, or not of every class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Obstacles {
    /// It was told to pause, or drains.
    pub paused: bool,
    /// The journal has no room for one more push.
    pub full: bool,
    /// Every place for a waiting push is taken.
    pub crowded: bool,
    /// The device does not keep up: as much waits to be written as may.
    pub behind: bool,
    /// The files of the journals have lost their names.
    pub lost: bool,
    /// How many of [`Class::BY_WEIGHT`] find room, counted from the first: what is left is kept for
    /// them.
    pub classes_taken: u8,
}

impl<L: Log> Shard<L> {
    /// What stands in the way of new pushes at this moment.
    pub fn obstacles(&self) -> Obstacles {
        let has_room = |class: &&Class| self.has_room_for_class(**class);
        let full = !self.journal.has_room_for_a_push();
        let classes = Class::BY_WEIGHT.iter().take_while(has_room).count();
        Obstacles {
            paused: self.intake_paused,
            full,
            crowded: !self.core.has_place_for(Class::Emergency),
            behind: self.journal.is_staged_to(100),
            lost: self.has_lost_names(),
            classes_taken: if full { 0 } else { classes as u8 },
        }
    }

    /// Whether slab, journal and what waits to be written have room for a push of this class.
    fn has_room_for_class(&self, class: Class) -> bool {
        let percent = admitted_percent(class) as u64;
        self.core.has_place_for(class)
            && !self.journal.is_staged_to(percent)
            && !self.journal.is_filled_to(percent, || self.cleanable_octets())
    }
}
