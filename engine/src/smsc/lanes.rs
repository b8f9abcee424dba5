//! The attempt queue: one lane per class, emergency before urgent before standard before exercise.
//!
//! A push stands in its lane at most once. Every twentieth turn goes to the lowest lane that has anything, so
//! that no lane starves.

use crate::ids::Class;
use crate::smsc::pushes::{NONE, PushIndex, Pushes, flag};

const LANES: usize = 4;
/// One turn in this many is given to the lowest waiting lane: a floor of 5 %.
const FLOOR_TURNS: u32 = 20;

#[derive(Clone, Copy)]
struct Lane {
    head: PushIndex,
    tail: PushIndex,
}

/// The lanes of one shard.
pub struct Lanes {
    lanes: [Lane; LANES],
    turn: u32,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: [Lane { head: NONE, tail: NONE }; LANES], turn: 0 }
    }
}

impl Lanes {
    /// Puts `index` at the end of its class's lane, unless it already stands there.
    pub fn push(&mut self, pushes: &mut Pushes, index: PushIndex) {
        if pushes[index].has(flag::IN_LANE) {
            return;
        }
        pushes[index].set(flag::IN_LANE, true);
        pushes[index].next_in_lane = NONE;
        let lane = &mut self.lanes[lane_of(pushes[index].class)];
        if lane.tail == NONE {
            lane.head = index;
        } else {
            pushes[lane.tail].next_in_lane = index;
        }
        lane.tail = index;
    }

    /// Takes the next push out.
    pub fn pop(&mut self, pushes: &mut Pushes) -> Option<PushIndex> {
        self.turn = (self.turn + 1) % FLOOR_TURNS;
        let waiting = |lane: &&mut Lane| lane.head != NONE;
        let lane = if self.turn == 0 {
            self.lanes.iter_mut().rev().find(waiting)
        } else {
            self.lanes.iter_mut().find(waiting)
        }?;
        let index = lane.head;
        lane.head = pushes[index].next_in_lane;
        if lane.head == NONE {
            lane.tail = NONE;
        }
        pushes[index].set(flag::IN_LANE, false);
        Some(index)
    }
}

fn lane_of(class: Class) -> usize {
    match class {
        Class::Emergency => 0,
        Class::Urgent => 1,
        Class::Standard => 2,
        Class::Exercise => 3,
    }
}
