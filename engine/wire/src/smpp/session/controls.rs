//! PDUs that a session makes by itself, until somebody writes them.

use super::super::command::Command;
use super::super::limits::CONTROLS_MAX;
use super::super::status::Status;

/// A PDU of nothing but a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Control {
    pub(super) command: Command,
    pub(super) status: Status,
    pub(super) sequence: u32,
}

/// A queue of a fixed size.
#[derive(Clone, Debug)]
pub(super) struct Controls {
    ring: [Control; CONTROLS_MAX],
    first: usize,
    length: usize,
}

/// Places that reading leaves free for what time makes: an enquire_link and an unbind, and their
/// like.
const KEPT: usize = 4;

impl Controls {
    pub(super) fn new() -> Self {
        let none = Control { command: Command(0), status: Status::OK, sequence: 0 };
        Self { ring: [none; CONTROLS_MAX], first: 0, length: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether another PDU may be read, which adds two at most.
    pub(super) fn has_room(&self) -> bool {
        self.length + KEPT <= CONTROLS_MAX
    }

    /// Adds one; one that finds no room is dropped, which [`Controls::has_room`] keeps from
    /// happening.
    pub(super) fn push(&mut self, control: Control) {
        debug_assert!(self.length < CONTROLS_MAX, "room is asked for before a PDU is read");
        if self.length < CONTROLS_MAX {
            self.ring[(self.first + self.length) % CONTROLS_MAX] = control;
            self.length += 1;
        }
    }

    pub(super) fn front(&self) -> Option<Control> {
        (self.length > 0).then(|| self.ring[self.first])
    }

    pub(super) fn pop(&mut self) {
        assert!(self.length > 0);
        self.first = (self.first + 1) % CONTROLS_MAX;
        self.length -= 1;
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }
}
