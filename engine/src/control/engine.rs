//! What the control plane asks of the running shards.

use crate::gateway::registration::Registration;
use crate::io::driver::DriverKind;
use crate::io::figures::ControlError;
use crate::io::figures::Obstacle;
use crate::io::figures::ShardFigures;
use crate::shard::WaitingTally;
use wire::terms::ids::{Msn, Xpid};

/// The running engine as the control plane sees it.
///
/// The calls block until every shard concerned has the change, so they are made on the store thread, in the
/// order in which the store took the changes.
pub trait EngineControl: Send + Sync + 'static {
    /// Gives every shard this set of registrations in place of the last one.
    fn publish_registrations(&self, registrations: Vec<Registration>) -> Result<(), ControlError>;
    /// Adds contracts to the shards that own their msns; one that is there already is left as it is.
    fn add_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError>;
    /// Removes contracts from the shards that own their msns; one that is not there is passed over.
    fn remove_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError>;
    /// While paused, pushes are answered 8004; what was accepted before goes on.
    fn pause(&self, paused: bool);
    /// What carries the engine's octets.
    fn driver(&self) -> DriverKind;
    /// The shards without a turn within the last second.
    fn stalled_shards(&self) -> Vec<usize>;
    /// What stands in the way of new pushes in any shard, as far as the shards can tell.
    fn obstacles(&self) -> Vec<Obstacle>;
    /// Asks the engine to drain and end; returns at once.
    fn stop(&self);
    /// The shards' counters, gauges and durations: all that happened before the question is in them. A shard that stands still is
    /// shown as it last was, after half a second.
    fn figures(&self) -> Vec<ShardFigures>;
    /// What waits in each shard, as its last whole count has it.
    fn waiting(&self) -> Vec<WaitingTally>;
}
