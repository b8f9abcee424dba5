//! What the control plane asks of the engine, through its handle.

use super::EngineHandle;
use super::contracts::ContractsChange;
use super::figures::{shard_figures, thread_figures};
use crate::broadcast::past::PastBroadcast;
use crate::broadcast::running::{RunningBroadcast, RunningPace};
use crate::broadcast::slice::Order;
use crate::broadcast::suppression::OptOuts;
use crate::cluster::figures::NODE_FIGURES;
use crate::control::carriers::CarrierSettings;
use crate::control::engine::Engine;
use crate::control::ways::WaysForeseen;
use crate::gateway::registration::Registration;
use crate::io::driver::DriverKind;
use crate::io::figures::{ControlError, Obstacle, ShardFigures};
use crate::io::limits::PARKED_LISTED_MAX;
use crate::io::mailbox::{ShardMessage, ThreadMessage};
use crate::io::notifier::Outbound;
use crate::io::orders::BroadcastMessage;
use crate::io::pdu_trace::PduTrace;
use crate::io::shard_status::ShardStatus;
use crate::network::line_states::Line;
use crate::network::routes::Rule;
use crate::network::smpp::figures::CarrierState;
use crate::shard::{
    CLASSES, LivePush, ParkedAction, ParkedNotification, SliceFigures, WaitingTally,
};
use crossbeam::channel::bounded;
use host::clock;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::ownership::shard_of;
use wire::terms::time::SteadyMs;

/// Nobody waits longer for figures of broadcasts: starts, waves and pages wait behind whoever does.
const FIGURES_PATIENCE: Duration = Duration::from_secs(2);
/// Lines of the simulated network sent to a shard in one message.
const LINES_PER_MESSAGE: usize = 1024;

impl Engine for EngineHandle {
    fn publish_registrations(&self, registrations: Vec<Registration>) -> Result<(), ControlError> {
        let mut current = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoints = Arc::new(self.names.plans(&registrations));
        let registry = Arc::new(current.succeed(registrations));
        self.share_limits_of(&registry);
        for (xpid, error) in registry.refused() {
            tracing::error!(%xpid, %error, "a registration cannot be used and is left out");
        }
        *current = Arc::clone(&registry);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).1 = Arc::clone(&registry);
        let told = self.tell_all(|done| ThreadMessage::Registrations {
            registry: Arc::clone(&registry),
            endpoints: Arc::clone(&endpoints),
            done,
        });
        let is_told = told.is_ok();
        self.unpublished.iter().for_each(|one| one.store(!is_told, Ordering::Relaxed));
        if told.is_err() {
            // A token that was taken away is to count no longer than a shard stands still.
            self.names.publish_again();
        }
        told.map_err(ControlError::of_what_is_kept)
    }

    fn add_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.send_contracts(rows, ContractsChange::Add)
    }

    fn remove_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.send_contracts(rows, ContractsChange::Remove)
    }

    fn pause(&self, paused: bool) -> Result<(), ControlError> {
        if self.looks_on() && !paused {
            return Err(ControlError::LooksOn);
        }
        self.tell_all(|done| ThreadMessage::Pause { paused, done })
    }

    fn driver(&self) -> DriverKind {
        self.driver
    }

    fn carriers(&self) -> Vec<CarrierState> {
        let now_ms = SteadyMs::from_ns(clock::monotonic_ns());
        self.known_plan().carriers.iter().map(|known| known.state(now_ms)).collect()
    }

    fn publish_carriers(
        &self,
        carriers: Vec<(u8, CarrierSettings)>,
        rules: Vec<Rule>,
        reread: Option<u8>,
    ) -> Result<(), ControlError> {
        let mut known = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        (known.0.carriers, known.0.rules, known.0.reread) = (carriers, rules, reread);
        self.tell_carriers(&mut known)
    }

    fn rebind_carrier(&self, number: u8) -> Result<(), ControlError> {
        let mut known = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.0.clone();
        *known.0.rebinds.entry(number).or_default() += 1;
        known.0.reread = Some(number);
        let told = self.tell_carriers(&mut known);
        if matches!(told, Err(ControlError::NotTold(_))) {
            known.0 = before;
        }
        told
    }

    fn trace(&self, trace: Arc<PduTrace>) -> Result<(), ControlError> {
        let mut place = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        let before = place.replace(Arc::clone(&trace));
        drop(place);
        before.inspect(|before| before.forget());
        let sent = self.ports.threads.iter().map(|port| {
            let trace = Arc::clone(&trace);
            port.send(ThreadMessage::Trace(trace))
        });
        // Each is told, whatever the others say.
        let sent: Vec<Result<(), ControlError>> = sent.collect();
        sent.into_iter().collect()
    }

    fn traced(&self) -> Option<Arc<PduTrace>> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stalled_shards(&self) -> Vec<usize> {
        let stalled = self.ports.threads.iter().enumerate();
        let stalled = stalled.filter(|(_, port)| port.status.is_stalled());
        let mut shards: Vec<usize> =
            stalled.flat_map(|(thread, _)| self.ports.held_by(thread)).collect();
        shards.sort_unstable();
        shards
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        let any = |flag: fn(&ShardStatus) -> &AtomicBool| {
            self.held().any(|status| flag(status).load(Ordering::Relaxed))
        };
        let (stopping, looks_on) = (self.is_stopping(), self.looks_on());
        let is_paused = !stopping && !looks_on && any(|status| &status.paused);
        let told = [
            (stopping, Obstacle::Draining),
            (is_paused, Obstacle::Paused),
            (looks_on, Obstacle::LooksOn),
            (any(|status| &status.full), Obstacle::StorageFull),
            (any(|status| &status.crowded), Obstacle::QueueFull),
            (any(|status| &status.behind), Obstacle::Overload),
            (any(|status| &status.lost), Obstacle::DataLost),
        ];
        told.into_iter().filter(|&(is_so, _)| is_so).map(|(_, obstacle)| obstacle).collect()
    }

    fn classes_taken(&self) -> &'static [Class] {
        let of_shard = |status: &Arc<ShardStatus>| status.classes_taken.load(Ordering::Relaxed);
        let taken = self.held().map(of_shard).min().unwrap_or_default();
        if self.obstacles().is_empty() { &CLASSES[..usize::from(taken)] } else { &[] }
    }

    fn looks_on(&self) -> bool {
        self.looks_on.load(Ordering::Relaxed)
    }

    fn note_troubles(&self, troubles: Vec<String>) {
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles;
    }

    fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stop(&self) {
        let is_first = !self.stopping.swap(true, Ordering::Relaxed);
        match self.giving_away.get().filter(|_| is_first) {
            Some(give_away) => give_away(),
            // Who says it again waits for nobody.
            None => self.drain(),
        }
    }

    fn node_figures(&self) -> Option<[u64; NODE_FIGURES.len()]> {
        self.ports.is_node().then(|| self.node_figures.read())
    }

    fn waiting(&self) -> Vec<WaitingTally> {
        let tallies = self.ports.shards.iter().enumerate().map(|(shard, status)| {
            // What a node showed last of a partition that it gave up waits elsewhere.
            let tally = status.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_asked(shard) { tally.clone() } else { WaitingTally::default() }
        });
        tallies.collect()
    }

    /// What a thread shows stands with the first of its shards: sums over the shards are right, and
    /// where each thread has one shard it is that one's.
    fn figures(&self) -> Vec<ShardFigures> {
        self.refresh_figures();
        let threads = 0..self.ports.threads.len();
        let firsts: Vec<_> = threads.map(|thread| self.ports.held_by(thread).next()).collect();
        let mut all: Vec<ShardFigures> = Vec::with_capacity(self.ports.shards.len());
        let shards = self.ports.shards.iter().enumerate();
        for (shard, status) in shards.filter(|(shard, _)| self.is_asked(*shard)) {
            let thread = firsts.iter().position(|&first| first == Some(shard));
            let port = thread.map(|thread| &*self.ports.threads[thread]);
            let mut figures = shard_figures(status);
            figures.append(&mut thread_figures(port));
            let times = port.map(|port| port.status.times()).unwrap_or_default();
            all.push(ShardFigures { shard, figures, times });
        }
        all
    }

    fn parked(
        &self,
        xpid: Option<Xpid>,
        action: ParkedAction,
    ) -> Result<Vec<ParkedNotification>, ControlError> {
        let mut all = Vec::new();
        for shard in (0..self.ports.shards.len()).filter(|&shard| self.is_asked(shard)) {
            let (mut from, mut of_shard) = (Some(0), 0);
            while let Some(at) = from.filter(|_| of_shard < PARKED_LISTED_MAX) {
                let (reply, taken) = bounded(1);
                self.ports.send(shard, ShardMessage::Parked { xpid, action, from: at, reply })?;
                let page = self.taken(&taken)?;
                from = page.next;
                of_shard += page.parked.len();
                all.extend(page.parked);
            }
        }
        Ok(all)
    }

    fn live_pushes(&self, msn: Msn) -> Result<Vec<LivePush>, ControlError> {
        let (reply, taken) = bounded(1);
        let shard = shard_of(msn, self.ports.shards.len());
        self.ports.send(shard, ShardMessage::Live { msn, reply })?;
        self.taken(&taken)
    }

    fn foresee(
        &self,
        xpid: Xpid,
        class: Class,
        msns: &[Msn],
    ) -> Result<WaysForeseen, ControlError> {
        let (rows, unanswered) = self.foresee_rows(xpid, class, msns)?;
        Ok(WaysForeseen { unanswered, ..WaysForeseen::of(&rows, &self.known_plan()) })
    }

    fn shards(&self) -> usize {
        self.ports.shards.len()
    }

    fn highest_broadcast(&self) -> Result<u32, ControlError> {
        let highest = self.ask_all(BroadcastMessage::Highest)?;
        Ok(highest.into_iter().max().unwrap_or_default())
    }

    fn start_broadcast(
        &self,
        broadcast: &Arc<RunningBroadcast>,
        behind: &[Order],
        suppression: &Arc<OptOuts>,
    ) -> Result<(), ControlError> {
        let told = self.ask_all(|reply| {
            let (broadcast, behind) = (Arc::clone(broadcast), behind.to_vec());
            let suppression = Arc::clone(suppression);
            BroadcastMessage::Started { broadcast, behind, suppression, reply }
        });
        told.map(drop)
    }

    fn all_broadcasts_told(&self, may_follow: &[u32]) -> Result<(), ControlError> {
        self.tell_each(|| BroadcastMessage::AllTold(may_follow.to_vec()))
    }

    fn order_broadcast(&self, ordinal: u32, orders: &[Order]) -> Result<bool, ControlError> {
        let known = self.ask_all(|reply| {
            let orders = orders.to_vec();
            BroadcastMessage::Ordered { ordinal, orders, reply }
        })?;
        Ok(!known.contains(&false))
    }

    fn pace_broadcast(&self, ordinal: u32, pace: RunningPace) -> Result<bool, ControlError> {
        let known = self.ask_all(|reply| BroadcastMessage::Paced { ordinal, pace, reply })?;
        Ok(!known.contains(&false))
    }

    fn withdraw_recipient(&self, ordinal: u32, msn: Msn) -> Result<Option<Code>, ControlError> {
        let (reply, taken) = bounded(1);
        let shard = shard_of(msn, self.ports.shards.len());
        let message = BroadcastMessage::Withdrawn { ordinal, msn, reply };
        self.ports.send(shard, ShardMessage::Broadcast(message))?;
        self.taken(&taken)
    }

    fn forget_broadcast(&self, ordinal: u32, remembered: bool) -> Result<(), ControlError> {
        self.tell_each(|| BroadcastMessage::Forget { ordinal, remembered })
    }

    fn remember_broadcast(&self, past: &Arc<PastBroadcast>) -> Result<(), ControlError> {
        self.tell_each(|| BroadcastMessage::Over(Arc::clone(past)))
    }

    fn suppress(&self, suppression: &Arc<OptOuts>) -> Result<(), ControlError> {
        self.tell_each(|| BroadcastMessage::Suppressed(Arc::clone(suppression)))
    }

    fn broadcast_figures(&self) -> Result<Vec<Vec<SliceFigures>>, ControlError> {
        self.ask_all_within(FIGURES_PATIENCE, BroadcastMessage::Figures)
    }

    fn broadcast_words(
        &self,
        shard: usize,
        ordinal: u32,
        places: Range<u32>,
    ) -> Result<Vec<u32>, ControlError> {
        let (reply, taken) = bounded(1);
        let (from, most) = (places.start, places.end - places.start);
        let message = BroadcastMessage::Words { ordinal, from, most, reply };
        self.ports.send(shard, ShardMessage::Broadcast(message))?;
        self.taken(&taken)
    }

    fn calling_for(&self, xpid: Xpid) -> Option<(Registration, Outbound)> {
        let registry = self.known.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        let registration = registry.find(xpid)?.registration.clone();
        let outbound = self.outbound.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some((registration, outbound))
    }

    fn set_lines(&self, msns: &[Msn], line: Line) -> Result<u64, ControlError> {
        let shards = self.ports.shards.len();
        let mut slices: Vec<Vec<Msn>> = (0..shards).map(|_| Vec::new()).collect();
        for &msn in msns {
            slices[shard_of(msn, shards)].push(msn);
        }
        for (shard, slice) in slices.into_iter().enumerate() {
            for msns in slice.chunks(LINES_PER_MESSAGE) {
                let (reply, taken) = bounded(1);
                let lines = ShardMessage::Lines { msns: msns.to_vec(), line, reply };
                self.ports.send(shard, lines)?;
                let told = self.taken(&taken)?;
                told.map_err(ControlError::NotTold)?;
            }
        }
        Ok(msns.len() as u64)
    }
}
