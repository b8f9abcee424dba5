//! Which way recipients go: by the core network, or by which carriers, and how fast those take
//! them.
//!
//! **Never here:** the shards, or a row.

use crate::network::smpp::exchange::CarrierPlan;
use crate::shard::RowsForeseen;
use serde::{Deserialize, Serialize};

/// A carrier by which recipients go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForeseenCarrier {
    /// Its name.
    pub carrier: String,
    /// How many.
    pub rows: u64,
    /// Short messages a second that it takes; 0: no bound is known.
    pub rate: u32,
}

/// Which way recipients go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WaysForeseen {
    /// Without a contract.
    pub uncontracted: u64,
    /// By a carrier, though the XPID has to know the line: 2006.
    pub refused: u64,
    /// Those whose shards did not answer: nothing is known of them.
    pub unanswered: u64,
    /// The carriers that take the others, as their weights say; none where all go by the core
    /// network.
    pub carriers: Vec<ForeseenCarrier>,
}

impl WaysForeseen {
    /// What the shards found, by the carriers of their routes. Backups take nothing.
    pub fn of(rows: &RowsForeseen, plan: &CarrierPlan) -> Self {
        let mut carriers: Vec<ForeseenCarrier> = Vec::new();
        for (choice, rows) in plan.routes.choices().iter().zip(&rows.by_route[1..]) {
            let members = choice.members.iter().filter(|member| !member.backup);
            let weights: u64 = members.clone().map(|member| u64::from(member.weight)).sum();
            for member in members {
                let known =
                    plan.carriers.iter().find(|known| known.carrier.number == member.carrier);
                let Some(known) = known else { continue };
                let share = (rows * u64::from(member.weight)).div_ceil(weights.max(1));
                let (name, rate) = (&known.carrier.name, known.carrier.rate);
                match carriers.iter_mut().find(|other| other.carrier == *name) {
                    Some(other) => other.rows += share,
                    None => {
                        let carrier = name.clone();
                        carriers.push(ForeseenCarrier { carrier, rows: share, rate });
                    }
                }
            }
        }
        carriers.retain(|carrier| carrier.rows > 0);
        let (uncontracted, refused) = (rows.uncontracted, rows.refused);
        Self { uncontracted, refused, unanswered: 0, carriers }
    }
}
