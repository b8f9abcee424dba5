//! The attempt queue: emergency before urgent before standard before exercise.
//!
//! A push stands in its lane at most once. Standard pushes have two lanes, control and text, that take turns; every
//! twentieth turn goes to standard control SMS, so that devices are reached however many alerts are under way.
//! Exercise comes when nobody else waits.

use crate::smsc::pushes::{NONE, Push, PushIndex, Pushes, flag};
use wire::terms::ids::Class;

const LANES: usize = 5;
const STANDARD_CONTROL: usize = 2;
const STANDARD_TEXT: usize = 3;
/// One turn in this many is given to standard control SMS: a floor of 5 %.
const FLOOR_TURNS: u32 = 20;

#[derive(Clone, Copy)]
struct Lane {
    head: PushIndex,
    tail: PushIndex,
}

impl Lane {
    fn is_waiting(&self) -> bool {
        self.head != NONE
    }
}

/// The lanes of one shard.
pub struct Lanes {
    lanes: [Lane; LANES],
    turn: u32,
    /// Whether the last standard push was a text.
    text_last: bool,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: [Lane { head: NONE, tail: NONE }; LANES], turn: 0, text_last: false }
    }
}

impl Lanes {
    /// Puts `index` at the end of its lane, unless it already stands there.
    pub fn push(&mut self, pushes: &mut Pushes, index: PushIndex) {
        if pushes[index].has(flag::IN_LANE) {
            return;
        }
        pushes[index].set(flag::IN_LANE, true);
        pushes[index].next_in_lane = NONE;
        let lane = &mut self.lanes[lane_of(&pushes[index])];
        if lane.tail == NONE {
            lane.head = index;
        } else {
            pushes[lane.tail].next_in_lane = index;
        }
        lane.tail = index;
    }

    /// Takes the next push out.
    pub fn pop(&mut self, pushes: &mut Pushes) -> Option<PushIndex> {
        let chosen = self.choose()?;
        let lane = &mut self.lanes[chosen];
        let index = lane.head;
        lane.head = pushes[index].next_in_lane;
        if lane.head == NONE {
            lane.tail = NONE;
        }
        pushes[index].set(flag::IN_LANE, false);
        Some(index)
    }

    fn choose(&mut self) -> Option<usize> {
        self.turn = (self.turn + 1) % FLOOR_TURNS;
        if self.turn == 0 && self.lanes[STANDARD_CONTROL].is_waiting() {
            return Some(STANDARD_CONTROL);
        }
        let first = self.lanes.iter().position(Lane::is_waiting)?;
        if first == STANDARD_CONTROL && self.lanes[STANDARD_TEXT].is_waiting() {
            self.text_last = !self.text_last;
            return Some(if self.text_last { STANDARD_TEXT } else { STANDARD_CONTROL });
        }
        Some(first)
    }
}

fn lane_of(push: &Push) -> usize {
    match push.class {
        Class::Emergency => 0,
        Class::Urgent => 1,
        Class::Standard if push.has(flag::CONTROL) => STANDARD_CONTROL,
        Class::Standard => STANDARD_TEXT,
        Class::Exercise => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slab(kinds: &[(Class, bool)]) -> (Pushes, Lanes) {
        let mut pushes = Pushes::with_capacity(kinds.len());
        let mut lanes = Lanes::default();
        for &(class, control) in kinds {
            let flags = if control { flag::CONTROL } else { 0 };
            let index = pushes.insert(Push { class, flags, ..Push::EMPTY }).expect("room");
            lanes.push(&mut pushes, index);
        }
        (pushes, lanes)
    }

    /// How many of the next `turns` pushes are control SMS.
    fn control_among(turns: usize, pushes: &mut Pushes, lanes: &mut Lanes) -> usize {
        let order: Vec<_> = (0..turns).filter_map(|_| lanes.pop(pushes)).collect();
        order.into_iter().filter(|&index| pushes[index].has(flag::CONTROL)).count()
    }

    #[test]
    fn emergency_comes_first_and_exercise_last() {
        let kinds =
            [Class::Exercise, Class::Standard, Class::Urgent, Class::Emergency].map(|class| (class, false));
        let (mut pushes, mut lanes) = slab(&kinds);
        let order: Vec<_> = std::iter::from_fn(|| lanes.pop(&mut pushes)).collect();
        assert_eq!(order, [3, 2, 1, 0]);
    }

    #[test]
    fn standard_control_has_a_floor_of_one_in_twenty_under_a_flood_of_emergencies() {
        let mut kinds = vec![(Class::Emergency, false); 2_000];
        kinds.extend([(Class::Standard, true); 100]);
        let (mut pushes, mut lanes) = slab(&kinds);
        assert_eq!(control_among(1_000, &mut pushes, &mut lanes), 50);
    }

    #[test]
    fn standard_text_and_control_take_turns() {
        let mut kinds = vec![(Class::Standard, false); 10];
        kinds.extend([(Class::Standard, true); 10]);
        let (mut pushes, mut lanes) = slab(&kinds);
        assert_eq!(control_among(10, &mut pushes, &mut lanes), 5);
    }

    #[test]
    fn a_push_stands_in_its_lane_once() {
        let (mut pushes, mut lanes) = slab(&[(Class::Standard, true)]);
        lanes.push(&mut pushes, 0);
        assert_eq!(lanes.pop(&mut pushes), Some(0));
        assert_eq!(lanes.pop(&mut pushes), None);
        lanes.push(&mut pushes, 0);
        assert_eq!(lanes.pop(&mut pushes), Some(0));
    }
}
