//! What the control plane asks of the running shards.

use crate::broadcast::past::PastBroadcast;
use crate::broadcast::running::{RunningBroadcast, RunningPace};
use crate::broadcast::slice::Order;
use crate::broadcast::suppression::OptOuts;
use crate::cluster::figures::NODE_FIGURES;
use crate::control::carriers::CarrierSettings;
use crate::control::ways::WaysForeseen;
use crate::gateway::registration::Registration;
use crate::io::driver::DriverKind;
use crate::io::figures::{ControlError, Obstacle, ShardFigures};
use crate::io::notifier::Outbound;
use crate::io::pdu_trace::PduTrace;
use crate::network::line_states::Line;
use crate::network::routes::Rule;
use crate::network::smpp::figures::CarrierState;
use crate::shard::{LivePush, ParkedAction, ParkedNotification, SliceFigures, WaitingTally};
use std::ops::Range;
use std::sync::Arc;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn, Xpid};

/// The running engine as the control plane sees it.
///
/// The calls block until every shard concerned has the change, so they are made on the store
/// thread, in the order in which the store took the changes.
pub trait Engine: Send + Sync + 'static {
    /// Gives every shard this set of registrations in place of the last one. A shard that does not
    /// take it in time is given it again until it does.
    ///
    /// # Errors
    /// [`ControlError::Owed`] where some shard has not taken it yet; the engine is stopping.
    fn publish_registrations(&self, registrations: Vec<Registration>) -> Result<(), ControlError>;
    /// Adds contracts to the shards that own their msns; one that is there already is left as it
    /// is. A shard that does not take them in time is told again until it does.
    ///
    /// # Errors
    /// As [`Self::publish_registrations`].
    fn add_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError>;
    /// Removes contracts from the shards that own their msns; one that is not there is passed over.
    /// A shard that does not take that in time is told again until it does.
    ///
    /// # Errors
    /// As [`Self::publish_registrations`].
    fn remove_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError>;
    /// While paused, pushes are answered 8004; what was accepted before goes on.
    ///
    /// # Errors
    /// A shard does not answer, or the engine is stopping.
    fn pause(&self, paused: bool) -> Result<(), ControlError>;
    /// What carries the engine's octets.
    fn driver(&self) -> DriverKind;
    /// The shards without a turn within the last second.
    fn stalled_shards(&self) -> Vec<usize>;
    /// What stands in the way of new pushes in any shard, as far as the shards can tell.
    fn obstacles(&self) -> Vec<Obstacle>;
    /// The classes of which every shard takes new pushes, the one that matters most first.
    fn classes_taken(&self) -> &'static [Class];
    /// Asks the engine to drain and end; returns at once.
    fn stop(&self);
    /// The shards' counters, gauges and durations: all that happened before the question is in
    /// them. A shard that stands still is shown as it last was, after half a second.
    fn figures(&self) -> Vec<ShardFigures>;
    /// Every carrier, and what its home counts.
    fn carriers(&self) -> Vec<CarrierState>;
    /// Gives every shard these carriers, with their numbers, and these routes in place of the last
    /// ones. Files of TLS are read anew for the carrier of this number, if any.
    ///
    /// # Errors
    /// A shard does not answer, the engine is stopping, or settings cannot work.
    fn publish_carriers(
        &self,
        carriers: Vec<(u8, CarrierSettings)>,
        rules: Vec<Rule>,
        reread: Option<u8>,
    ) -> Result<(), ControlError>;
    /// Has the sessions of this carrier bound anew, each when its last answers are there; its files
    /// of TLS are read anew.
    ///
    /// # Errors
    /// A shard does not answer, the engine is stopping, or the files cannot be used.
    fn rebind_carrier(&self, number: u8) -> Result<(), ControlError>;
    /// Has the PDUs of one peer kept from now on, in place of those of the one before.
    ///
    /// # Errors
    /// A shard does not answer, or the engine is stopping.
    fn trace(&self, trace: Arc<PduTrace>) -> Result<(), ControlError>;
    /// The trace that was asked for last.
    fn traced(&self) -> Option<Arc<PduTrace>>;
    /// What the engine shows as a cluster's node, if it is one.
    fn node_figures(&self) -> Option<[u64; NODE_FIGURES.len()]> {
        None
    }
    /// What waits in each shard, as its last whole count has it.
    fn waiting(&self) -> Vec<WaitingTally>;
    /// Lists what is parked, sends it again or lets it go; only `xpid`'s if one is named.
    ///
    /// # Errors
    /// The engine is stopping or a shard does not answer.
    fn parked(
        &self,
        xpid: Option<Xpid>,
        action: ParkedAction,
    ) -> Result<Vec<ParkedNotification>, ControlError>;
    /// The live pushes to `msn`.
    ///
    /// # Errors
    /// The engine is stopping or the shard does not answer.
    fn live_pushes(&self, msn: Msn) -> Result<Vec<LivePush>, ControlError>;
    /// The registration of an XPID, and what its notifications are sent with; `None`: there is
    /// none.
    fn calling_for(&self, xpid: Xpid) -> Option<(Registration, Outbound)>;
    /// What would become of pushes of an XPID to these phones, as the shards know it now; whoever
    /// does not answer at once keeps nobody waiting.
    ///
    /// # Errors
    /// The engine is stopping.
    fn foresee(&self, xpid: Xpid, class: Class, msns: &[Msn])
    -> Result<WaysForeseen, ControlError>;
    /// Whether it was started to look on: nothing is taken, and nothing leaves.
    fn looks_on(&self) -> bool;
    /// What of broadcasts cannot be read, though pushes are taken: a sentence each.
    fn troubles(&self) -> Vec<String>;
    /// Notes that.
    fn note_troubles(&self, troubles: Vec<String>);
    /// How many shards there are.
    fn shards(&self) -> usize;
    /// The highest ordinal of a broadcast that a shard's journal had something of at the start; 0:
    /// of none.
    ///
    /// # Errors
    /// The engine is stopping or a shard does not answer.
    fn highest_broadcast(&self) -> Result<u32, ControlError>;
    /// Tells every shard of a broadcast that was started, what was ordered of it since, which a
    /// shard carries out before any row has its turn, and who wants none; returns when each has it
    /// durable. Of a chain a shard stops the older ones with it.
    ///
    /// # Errors
    /// The engine is stopping or a shard does not answer: all others have begun.
    fn start_broadcast(
        &self,
        broadcast: &Arc<RunningBroadcast>,
        behind: &[Order],
        suppression: &Arc<OptOuts>,
    ) -> Result<(), ControlError>;
    /// Of broadcasts that were started before this start of the engine none but these may still be
    /// told of: what the journals have of others is dead.
    ///
    /// # Errors
    /// A shard did not take it.
    fn all_broadcasts_told(&self, may_follow: &[u32]) -> Result<(), ControlError>;
    /// Has every shard carry out these orders, one behind the other; returns when they are durable
    /// in each. Whether all of them have the broadcast.
    ///
    /// # Errors
    /// As [`Self::start_broadcast`].
    fn order_broadcast(&self, ordinal: u32, orders: &[Order]) -> Result<bool, ControlError>;
    /// Has every shard go at another pace; returns when each does. Whether all of them have the
    /// broadcast.
    ///
    /// # Errors
    /// As [`Self::start_broadcast`].
    fn pace_broadcast(&self, ordinal: u32, pace: RunningPace) -> Result<bool, ControlError>;
    /// Withdraws the row to a phone of the broadcast with this ordinal; the answer's code comes
    /// when that is durable. `None`: there is no such row.
    ///
    /// # Errors
    /// The engine is stopping or the shard does not answer.
    fn withdraw_recipient(&self, ordinal: u32, msn: Msn) -> Result<Option<Code>, ControlError>;
    /// The outcomes of a broadcast are kept: the shards forget it; with `remembered`, those that
    /// remember it as over.
    ///
    /// # Errors
    /// A shard did not take it: all others have.
    fn forget_broadcast(&self, ordinal: u32, remembered: bool) -> Result<(), ControlError>;
    /// A broadcast is over: for a day the shards know its rows when a request means one.
    ///
    /// # Errors
    /// As [`Self::forget_broadcast`].
    fn remember_broadcast(&self, past: &Arc<PastBroadcast>) -> Result<(), ControlError>;
    /// From now on these numbers are sent nothing by broadcasts that heed opt-outs.
    ///
    /// # Errors
    /// As [`Self::forget_broadcast`].
    fn suppress(&self, suppression: &Arc<OptOuts>) -> Result<(), ControlError>;
    /// Where each broadcast stands in each shard.
    ///
    /// # Errors
    /// The engine is stopping or a shard does not answer.
    fn broadcast_figures(&self) -> Result<Vec<Vec<SliceFigures>>, ControlError>;
    /// Words of rows in a shard, by their places there.
    ///
    /// # Errors
    /// As [`Self::broadcast_figures`].
    fn broadcast_words(
        &self,
        shard: usize,
        ordinal: u32,
        places: Range<u32>,
    ) -> Result<Vec<u32>, ControlError>;
    /// Changes these lines, whichever shards own them; how many were changed.
    ///
    /// # Errors
    /// The engine is stopping, a shard does not answer, or the network is none that can be told.
    fn set_lines(&self, msns: &[Msn], line: Line) -> Result<u64, ControlError>;
}
