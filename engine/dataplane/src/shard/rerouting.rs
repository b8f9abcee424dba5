//! Which route each push goes by, once it is changed while pushes wait; and cancels of pushes that
//! carriers' homes have, which are answered when those have looked.
//!
//! Invariants: while pushes are given their new routes no carrier is handed one; the answer to a
//! cancel leaves when what was handed to a carrier before it is sent or has come back.

use super::Shard;
use crate::billing::Log;
use crate::journal::Position;
use crate::network::port::{CarrierQuestion, Network};
use crate::network::routes::CORE_NETWORK;
use crate::network::smpp::exchange::CarrierPlan;
use crate::smsc::core::Core;
use crate::smsc::pushes::PushIndex;
use crate::smsc::state::State;
use std::sync::Arc;
use wire::terms::ids::Xpid;

/// Places of the slab that a turn looks at.
const LOOKED_AT_PER_TURN: usize = 1_024;
/// Pushes that a turn sorts into their lanes.
const SORTED_PER_TURN: usize = 1_024;

/// How far the pushes have their new routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Rerouting {
    /// All of them have.
    #[default]
    Done,
    /// Those below this place of the slab have.
    Looking(usize),
    /// All have, and some are not in their lanes.
    Sorting,
}

/// What a shard has under way with carriers.
#[derive(Default)]
pub(super) struct ByCarriers {
    /// Attempts submitted and not settled.
    pub(super) in_flight: usize,
    rerouting: Rerouting,
    /// Cancels not told to the network: the pushes; `None` for all.
    untold: Vec<Option<PushIndex>>,
    /// Questions not put to the network.
    pub(super) questions: Vec<CarrierQuestion>,
    /// Answers that wait for a sequence above this one have to wait.
    gate: Option<u64>,
}

impl<L: Log> Shard<L> {
    /// These are the carriers and routes from now on.
    pub fn set_carriers(&mut self, plan: &CarrierPlan) {
        if !plan.carriers.is_empty() {
            self.journal.begin_handing_over();
        }
        self.routes = Arc::clone(&plan.routes);
        self.core.set_asks(self.routes.any_queried());
        self.by_carriers.rerouting = Rerouting::Looking(0);
    }

    /// At a start: the journal does not tell whose pushes go by no carrier, the registry does.
    pub(super) fn reroute_by_registry(&mut self) {
        if self.registry.iter().any(|registered| registered.registration.line_state) {
            self.by_carriers.rerouting = Rerouting::Looking(0);
        }
    }

    /// Gives pushes that wait their routes, some in each turn; whether there is more to do.
    pub(super) fn reroute(&mut self) -> bool {
        match self.by_carriers.rerouting {
            Rerouting::Done => return false,
            Rerouting::Looking(from) => {
                let to = (from + LOOKED_AT_PER_TURN).min(self.core.indices_used());
                for index in from..to {
                    self.reroute_push(index as PushIndex);
                }
                self.by_carriers.rerouting = if to < self.core.indices_used() {
                    Rerouting::Looking(to)
                } else {
                    self.core.begin_sorting();
                    Rerouting::Sorting
                };
            }
            Rerouting::Sorting => {
                if !self.core.sort(SORTED_PER_TURN) {
                    self.by_carriers.rerouting = Rerouting::Done;
                }
            }
        }
        true
    }

    fn reroute_push(&mut self, index: PushIndex) {
        let Some(push) = self.core.live_at(index) else { return };
        // Rows of broadcasts go by the core network; no record of the journal is theirs.
        if push.is_row() || push.state.is_final() || push.state == State::Handed {
            return;
        }
        let accepted = self.journal.accepted(Position::from_bits(push.position));
        let Some(xpid) = Xpid::from_value(accepted.xpid) else { return };
        let knows_line = self.registry.find(xpid).is_some_and(|of| of.registration.line_state);
        let route = if knows_line {
            CORE_NETWORK
        } else {
            self.routes.route_of(push.msn(), xpid, push.class)
        };
        let elsewhere = match self.core.avoided(index) {
            0 => None,
            carrier => self.routes.elsewhere_of(route, carrier),
        };
        self.core.set_route(index, elsewhere.unwrap_or(route));
    }

    /// Whether carriers may be handed pushes.
    pub(super) fn hands_out(&self) -> bool {
        !matches!(self.by_carriers.rerouting, Rerouting::Looking(_))
    }

    /// A cancel of this push, or of several, has been accepted: what carriers' homes have of it is
    /// wanted back.
    pub(super) fn want_back(&mut self, push: Option<PushIndex>) {
        if self.by_carriers.in_flight == 0
            || !push.is_none_or(|push| is_in_flight(&self.core, push))
        {
            return;
        }
        self.by_carriers.untold.push(push);
        self.by_carriers.gate.get_or_insert_with(|| self.journal.appended());
    }

    /// Tells the network what is wanted back, and opens the gate when it has looked.
    pub(super) fn recall(&mut self, network: &mut impl Network) {
        for question in self.by_carriers.questions.drain(..) {
            network.ask(question);
        }
        if self.by_carriers.gate.is_none() {
            return;
        }
        for push in self.by_carriers.untold.drain(..) {
            network.recall(push);
        }
        if network.has_recalled() {
            self.by_carriers.gate = None;
        }
    }

    /// What may be answered: what is durable, but for cancels of pushes that carriers' homes have
    /// not looked for.
    pub fn answerable(&self) -> u64 {
        let durable = self.durable();
        self.by_carriers.gate.map_or(durable, |gate| gate.min(durable))
    }
}

fn is_in_flight(core: &Core, index: PushIndex) -> bool {
    core.live_at(index).is_some_and(|push| push.state == State::InFlight)
}
