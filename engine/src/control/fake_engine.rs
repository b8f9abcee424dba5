//! An engine for tests, which only writes down what it is told.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::broadcast::past::PastBroadcast;
use crate::broadcast::running::RunningBroadcast;
use crate::broadcast::slice::Order;
use crate::broadcast::suppression::OptOuts;
use crate::control::carriers::CarrierSettings;
use crate::control::engine::Engine;
use crate::gateway::registration::Registration;
use crate::io::driver::DriverKind;
use crate::io::figures::{ControlError, Figure, FigureKind, Obstacle, ShardFigures, Times};
use crate::io::notifier::Outbound;
use crate::network::line_states::Line;
use crate::network::routes::Rule;
use crate::network::smpp::exchange::CarrierState;
use crate::shard::{
    CLASSES, LivePush, ParkedAction, ParkedNotification, SliceFigures, WaitingTally,
};
use wire::terms::ids::{Class, Msn, Xpid};

#[derive(Default)]
pub(crate) struct FakeEngine {
    pub(crate) published: Mutex<Vec<Registration>>,
    contracts: Mutex<BTreeSet<(Msn, Xpid)>>,
    pub(crate) paused: AtomicBool,
    pub(crate) stopped: AtomicBool,
    /// Whether shard 1 stands still.
    pub(crate) stalled: AtomicBool,
    /// How many classes find no room, the one that matters least first.
    pub(crate) classes_refused: AtomicUsize,
    /// Whether a change is answered as by an engine that is stopping.
    pub(crate) refusing: AtomicBool,
}

impl Engine for FakeEngine {
    fn publish_registrations(&self, registrations: Vec<Registration>) -> Result<(), ControlError> {
        self.check()?;
        *self.published.lock().expect("no panic") = registrations;
        Ok(())
    }

    fn add_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.check()?;
        self.contracts.lock().expect("no panic").extend(rows);
        Ok(())
    }

    fn remove_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.contracts.lock().expect("no panic").retain(|row| !rows.contains(row));
        Ok(())
    }

    fn pause(&self, paused: bool) -> Result<(), ControlError> {
        self.check()?;
        self.paused.store(paused, Ordering::Relaxed);
        Ok(())
    }

    fn driver(&self) -> DriverKind {
        DriverKind::Poll
    }

    fn stalled_shards(&self) -> Vec<usize> {
        if self.stalled.load(Ordering::Relaxed) { vec![1] } else { Vec::new() }
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        let told = [(&self.paused, Obstacle::Paused), (&self.stopped, Obstacle::Draining)];
        told.iter()
            .filter(|(flag, _)| flag.load(Ordering::Relaxed))
            .map(|&(_, obstacle)| obstacle)
            .collect()
    }

    fn classes_taken(&self) -> &'static [Class] {
        let taken = CLASSES.len() - self.classes_refused.load(Ordering::Relaxed);
        if self.obstacles().is_empty() { &CLASSES[..taken] } else { &[] }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn carriers(&self) -> Vec<CarrierState> {
        Vec::new()
    }

    fn publish_carriers(
        &self,
        _: Vec<(u8, CarrierSettings)>,
        _: Vec<Rule>,
    ) -> Result<(), ControlError> {
        self.check()
    }

    fn rebind_carrier(&self, _: u8) -> Result<(), ControlError> {
        self.check()
    }

    fn waiting(&self) -> Vec<WaitingTally> {
        let mut tally = WaitingTally { at_ms: 1_800_000_000_000, ..WaitingTally::default() };
        // Seven standard pushes of less than an hour are held as absent.
        tally.counts[4][2][2] = 7;
        tally.oldest_ms[4] = 1_799_999_000_000;
        vec![tally, WaitingTally::default()]
    }

    fn figures(&self) -> Vec<ShardFigures> {
        let of_shard = |shard: usize| ShardFigures {
            shard,
            figures: vec![
                Figure {
                    name: "accepted",
                    help: "Pushes accepted",
                    kind: FigureKind::Counter,
                    value: 10 + shard as u64,
                },
                Figure {
                    name: "queue_pushes",
                    help: "Pushes kept now",
                    kind: FigureKind::Gauge,
                    value: 5,
                },
            ],
            times: vec![Times {
                name: "commit_seconds",
                help: "Commits",
                buckets: vec![(0.000_5, 3), (0.001, 2)],
                above: 1 + shard as u64,
                sum_s: 2.5,
            }],
        };
        vec![of_shard(0), of_shard(1)]
    }

    fn parked(
        &self,
        _xpid: Option<Xpid>,
        _action: ParkedAction,
    ) -> Result<Vec<ParkedNotification>, ControlError> {
        self.check()?;
        Ok(Vec::new())
    }

    fn live_pushes(&self, _msn: Msn) -> Result<Vec<LivePush>, ControlError> {
        Ok(Vec::new())
    }

    fn shards(&self) -> usize {
        1
    }

    fn start_broadcast(&self, _: &Arc<RunningBroadcast>) -> Result<(), ControlError> {
        self.check()
    }

    fn all_broadcasts_told(&self) {}

    fn order_broadcast(&self, _: u32, _: Order) -> Result<bool, ControlError> {
        self.check().map(|()| false)
    }

    fn forget_broadcast(&self, _: u32) {}

    fn remember_broadcast(&self, _: Arc<PastBroadcast>) {}

    fn suppress(&self, _: Arc<OptOuts>) {}

    fn broadcast_figures(&self) -> Result<Vec<Vec<SliceFigures>>, ControlError> {
        self.check().map(|()| vec![Vec::new()])
    }

    fn broadcast_words(&self, _: usize, _: u32, _: Range<u32>) -> Result<Vec<u32>, ControlError> {
        self.check().map(|()| Vec::new())
    }

    fn calling_for(&self, _xpid: Xpid) -> Option<(Registration, Outbound)> {
        None
    }

    fn set_lines(&self, msns: &[Msn], _line: Line) -> Result<u64, ControlError> {
        Ok(msns.len() as u64)
    }
}

impl FakeEngine {
    fn check(&self) -> Result<(), ControlError> {
        if self.refusing.load(Ordering::Relaxed) {
            return Err(ControlError::Stopping);
        }
        Ok(())
    }

    /// The contracts that the shards would have, as lines `msn,xpid`.
    pub(crate) fn contracts(&self) -> Vec<String> {
        let contracts = self.contracts.lock().expect("no panic");
        contracts.iter().map(|(msn, xpid)| format!("{msn},{xpid}")).collect()
    }
}
