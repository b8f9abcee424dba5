//! How pushes that wait follow when it is changed which of them go by which route.
//!
//! Order: [`Core::set_route`] for every push there is, in as many turns as that takes and with no
//! attempt by a carrier meanwhile; then [`Core::begin_sorting`], and [`Core::sort`] until nothing
//! is left. A push that comes in meanwhile has its new route from the start.
//!
//! Invariant: a push stands in one lane; the pushes of an msn keep their order, since one of them
//! at a time stands in any.

use crate::smsc::core::Core;
use crate::smsc::lanes::Lanes;
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::state::State;

impl Core {
    /// The push goes by this route from its next attempt on.
    pub fn set_route(&mut self, index: PushIndex, route: u8) {
        let push = &mut self.pushes[index];
        if !push.state.is_final() && push.route() != route {
            push.set_route(route);
        }
    }

    /// Every push has its route: what waits in lanes is to be sorted anew.
    pub fn begin_sorting(&mut self) {
        let lanes = self.lanes.iter_mut().map(std::mem::take);
        self.unsorted.extend(lanes.filter(Lanes::has_waiting));
    }

    /// Sorts at most `budget` pushes. Whether any are left.
    pub fn sort(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            let Some(lanes) = self.unsorted.last_mut() else { return false };
            match lanes.pop(&mut self.pushes) {
                Some(index) => self.sort_in(index),
                None => drop(self.unsorted.pop()),
            }
        }
        !self.unsorted.is_empty()
    }

    fn sort_in(&mut self, index: PushIndex) {
        let push = &self.pushes[index];
        if push.has(flag::GONE) {
            self.free_place(index);
        } else if push.state == State::Queued {
            let route = usize::from(push.route());
            self.lanes[route].push(&mut self.pushes, index);
        }
    }
}
