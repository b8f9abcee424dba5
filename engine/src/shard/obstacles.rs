//! What stands in the way of every new push of this shard.

use super::Shard;
use crate::billing::Log;

/// What a shard says of itself when it takes no new push.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Obstacles {
    /// It was told to pause, or drains.
    pub paused: bool,
    /// The journal has no room for one more push.
    pub full: bool,
    /// The files of the journals have lost their names.
    pub lost: bool,
}

impl<L: Log> Shard<L> {
    /// What stands in the way of new pushes at this moment.
    pub fn obstacles(&self) -> Obstacles {
        Obstacles {
            paused: self.intake_paused,
            full: !self.journal.has_room_for_a_push(),
            lost: self.names_lost,
        }
    }
}
