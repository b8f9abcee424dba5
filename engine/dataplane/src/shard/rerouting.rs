//! Which route each push goes by, once it is changed while pushes wait; and cancels of pushes that
//! carriers' homes have, which are answered when those have looked.
//!
//! Invariants: while pushes are given their new routes no carrier is handed one; the answer to a
//! cancel leaves when what was handed to a carrier before it is sent or has come back.

use super::Shard;
use super::questions::Questions;
use crate::billing::Log;
use crate::gateway::registration::Registration;
use crate::gateway::registry::{Registered, Registry};
use crate::journal::Position;
use crate::network::port::Network;
use crate::network::routes::CORE_NETWORK;
use crate::network::smpp::exchange::CarrierPlan;
use crate::smsc::core::Core;
use crate::smsc::pushes::PushIndex;
use crate::smsc::state::State;
use std::sync::Arc;
use wire::terms::ids::Xpid;
use wire::terms::time::EvenMs;

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
    /// There are XPIDs that want nothing sent twice.
    pub(super) any_for_good: bool,
    /// Cancels not told to the network: the pushes; `None` for all.
    untold: Vec<Option<PushIndex>>,
    /// Questions not put to the network.
    pub(super) questions: Questions,
    /// Answers that wait for a sequence above this one have to wait.
    gate: Option<u64>,
    /// Carriers have not been told of what they had of pushes from this index on before this start;
    /// `None`: they have, or the first turn is still to come.
    pub(super) awaits_from: Option<PushIndex>,
    /// Carriers were told of all that they had before this start.
    pub(super) has_announced: bool,
    /// By when they are, in even time, whatever is not told of then.
    pub(super) announces_by: Option<EvenMs>,
}

impl<L: Log> Shard<L> {
    /// These are the carriers and routes from now on.
    pub fn set_carriers(&mut self, plan: &CarrierPlan) {
        if !plan.carriers.is_empty() {
            self.journal.begin_handing_over();
        }
        let are_the_same = Arc::ptr_eq(&self.routes, &plan.routes);
        self.routes = Arc::clone(&plan.routes);
        self.core.set_asks(self.routes.any_queried());
        if !are_the_same {
            self.by_carriers.rerouting = Rerouting::Looking(0);
        }
    }

    /// At a start: the journal does not tell whose pushes go by no carrier, the registry does.
    pub(super) fn reroute_by_registry(&mut self) {
        let want_once = |registered: &Registered| registered.registration.doubt_is_final;
        self.by_carriers.any_for_good = self.registry.iter().any(want_once);
        let knows_lines = |registered: &Registered| registered.registration.line_state;
        if !self.routes.choices().is_empty() && self.registry.iter().any(knows_lines) {
            self.by_carriers.rerouting = Rerouting::Looking(0);
        }
    }

    /// These are about to be the registrations: what waits of an XPID that has to know the line of
    /// its phones from now on, or has to no more, goes by another route.
    pub(super) fn reroute_by_change(&mut self, after: &Registry) {
        let want_once = |registered: &Registered| registered.registration.doubt_is_final;
        self.by_carriers.any_for_good = after.iter().any(want_once);
        let is_changed = |registered: &Registered| {
            let Registration { xpid, line_state, .. } = registered.registration;
            let before = self.registry.find(xpid);
            before.is_some_and(|before| before.registration.line_state != line_state)
        };
        if !self.routes.choices().is_empty() && after.iter().any(is_changed) {
            self.by_carriers.rerouting = Rerouting::Looking(0);
        }
    }

    /// Gives pushes that wait their routes, some in each turn; whether there is more to do.
    pub(super) fn reroute(&mut self) -> bool {
        match self.by_carriers.rerouting {
            Rerouting::Done => return false,
            Rerouting::Looking(from) => {
                let to = (from + self.used.looks.max(1)).min(self.core.indices_used());
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
                if !self.core.sort(self.used.looks.max(1)) {
                    self.by_carriers.rerouting = Rerouting::Done;
                }
            }
        }
        true
    }

    fn reroute_push(&mut self, index: PushIndex) {
        let Some(push) = self.core.live_at(index) else { return };
        if push.state.is_final() || push.state == State::Handed {
            return;
        }
        if push.is_row() {
            return self.reroute_row(index);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fingerprint::{FingerprintKeys, Fingerprints};
    use crate::journal::{JournalConfig, SegmentFactory};
    use crate::network::routes::{CarrierChoice, Routes, Rule};
    use crate::network::smpp::carrier::Carrier;
    use crate::network::smpp::exchange::{KnownCarrier, Spread};
    use crate::shard::{Durability, ShardConfig};
    use crate::smsc::core::CoreLimits;
    use wire::terms::time::WallMs;

    /// The one client, which has to know the line of its phones or not.
    fn registry(line_state: bool) -> Arc<Registry> {
        let xpid = Xpid::from_value(100_000_001).expect("an XPID");
        let mut registration = Registration::new(xpid, "client");
        registration.line_state = line_state;
        Arc::new(Registry::new(vec![registration]))
    }

    /// A shard without a push, at work.
    fn with_shard(work: impl FnOnce(&mut Shard)) {
        let place = tempfile::tempdir().expect("a directory");
        let factory = SegmentFactory::start().expect("a thread");
        let mut journal = JournalConfig::new(0, 64 << 20);
        (journal.segment_octets, journal.without_syncs) = (4 << 20, true);
        let keyed = Fingerprints::new([7; 16]);
        let config = ShardConfig {
            number: 0,
            shards: 1,
            durability: Durability::Process,
            limits: CoreLimits { pushes_max: 100, waiting_per_msn_max: 10, ended_keys_max: 400 },
            journal,
            seed: 7,
            time_scale: 1,
            routes: Arc::default(),
            fingerprints: FingerprintKeys { keyed, older_until_ms: None },
            injections: Vec::new(),
            progress: Arc::default(),
        };
        let now_ms = WallMs::new(1_795_000_000_000);
        let opened = Shard::open(place.path(), &config, &factory, registry(false), now_ms);
        work(&mut opened.expect("a shard").0);
    }

    fn plan() -> CarrierPlan {
        let choice = CarrierChoice::of(1);
        let rule = Rule { prefix: "090".to_owned(), xpid: None, class: None, choice };
        CarrierPlan {
            carriers: vec![KnownCarrier::new(Carrier::of_tests(), Spread::even(1))].into(),
            routes: Arc::new(Routes::new(vec![rule]).expect("one choice")),
        }
    }

    #[test]
    fn carriers_that_are_told_with_the_same_routes_hold_up_nothing() {
        with_shard(|shard| {
            let told = plan();
            shard.set_carriers(&told);
            assert!(!shard.hands_out(), "each push is looked at first");
            while shard.reroute() {}
            shard.set_carriers(&told.clone());
            assert!(shard.hands_out(), "another address, another rate: nothing of the routes");
            shard.set_carriers(&plan());
            assert!(!shard.hands_out(), "other routes");
        });
    }

    #[test]
    fn who_has_to_know_the_line_is_looked_for_when_that_changes_and_there_are_routes() {
        with_shard(|shard| {
            shard.set_registry(registry(true));
            assert!(shard.hands_out(), "there is no carrier to keep them from");
            shard.set_carriers(&plan());
            while shard.reroute() {}
            shard.set_registry(registry(true));
            assert!(shard.hands_out(), "nothing has changed");
            for line_state in [false, true] {
                shard.set_registry(registry(line_state));
                assert!(!shard.hands_out(), "{line_state}");
                while shard.reroute() {}
            }
        });
    }
}
