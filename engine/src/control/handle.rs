//! The running engine as the control plane holds it: tells every shard a change, and reads what
//! they show.

mod host_addresses;

use crate::broadcast::running::RunningBroadcast;
use crate::broadcast::slice::Order;
use crate::control::carrier_plan::CarrierOrders;
use crate::control::carriers::CarrierSettings;
use crate::control::engine::Engine;
use crate::gateway::registration::Registration;
use crate::gateway::registry::Registry;
use crate::io::driver::DriverKind;
use crate::io::figures::{ControlError, Figure, FigureKind, Obstacle, ShardFigures};
use crate::io::limits::PARKED_LISTED_MAX;
use crate::io::mailbox::{
    CUSTOMERS, Done, ShardMessage, ShardPort, ShardStatus, TAKEN_TIMEOUT, TROUBLES, VISITS,
};
use crate::io::names::HostNames;
use crate::io::notifier::Outbound;
use crate::io::orders::BroadcastMessage;
use crate::io::tls::Acceptance;
use crate::network::line_states::Line;
use crate::network::routes::Rule;
use crate::network::smpp::exchange::{CarrierPlan, CarrierState};
use crate::shard::figures::{NAMES, Rises};
use crate::shard::{
    CLASSES, LivePush, ParkedAction, ParkedNotification, SliceFigures, WaitingTally,
};
use crossbeam::channel::{Receiver, Sender, bounded};
use host::clock;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::ownership::shard_of;

/// How often it looks meanwhile whether a shard has ended.
const ENDED_LOOK: Duration = Duration::from_millis(50);

/// How long whoever asks for figures waits for a shard to give those of this moment; one that
/// stands still is shown as it last was.
const FIGURES_TIMEOUT: Duration = Duration::from_millis(500);

/// Contracts sent to a shard in one message, which it takes in one turn: in less than a millisecond
/// while its table grows.
const CONTRACTS_PER_MESSAGE: usize = 1024;

/// Lines of the simulated network sent to a shard in one message.
const LINES_PER_MESSAGE: usize = 1024;

/// The running engine, as the control plane holds it.
pub struct EngineHandle {
    ports: Vec<Arc<ShardPort>>,
    /// Held while a change is told, so that the shards are told everything in one order.
    registry: Mutex<Arc<Registry>>,
    /// A shard has not taken it yet.
    unpublished: AtomicBool,
    names: HostNames,
    stopping: AtomicBool,
    driver: DriverKind,
    carriers: Mutex<(CarrierOrders, CarrierPlan)>,
}

impl EngineHandle {
    pub(crate) fn new(
        ports: Vec<Arc<ShardPort>>,
        registry: Arc<Registry>,
        names: HostNames,
        (driver, orders, plan): (DriverKind, CarrierOrders, CarrierPlan),
    ) -> Arc<Self> {
        let registry = Mutex::new(registry);
        let carriers = Mutex::new((orders, plan));
        let [unpublished, stopping] = [false; 2].map(AtomicBool::new);
        Arc::new(Self { ports, registry, unpublished, names, stopping, driver, carriers })
    }

    /// From now on the shards are told when the address of a notification host has changed.
    pub(crate) fn follow_names(self: &Arc<Self>) -> std::io::Result<()> {
        let handle = Arc::downgrade(self);
        self.names.start(move || handle.upgrade().is_none_or(|handle| handle.publish_addresses()))
    }

    /// Whether every shard has room for the registrations, where one has not taken them yet.
    fn publish_registrations_again(&self, registry: &Arc<Registry>) -> bool {
        if !self.unpublished.load(Ordering::Relaxed) {
            return true;
        }
        let registrations: Vec<Registration> =
            registry.iter().map(|registered| registered.registration.clone()).collect();
        let endpoints = Arc::new(self.names.plans(&registrations));
        // Nobody waits for it this time: what has a place in the mailbox is taken in its turn.
        let (done, _) = bounded(self.ports.len());
        let mut taken = true;
        for port in &self.ports {
            let (registry, endpoints) = (Arc::clone(registry), Arc::clone(&endpoints));
            let done = Done(done.clone());
            let message = ShardMessage::Registrations { registry, endpoints, done };
            taken &= port.sender.try_send(message).is_ok();
            port.wake();
        }
        self.unpublished.store(!taken, Ordering::Relaxed);
        taken
    }

    /// Whether every shard has room for the addresses as they are known now.
    fn publish_addresses(&self) -> bool {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.publish_registrations_again(&registry) {
            return false;
        }
        let addresses = registry.iter().filter_map(|registered| {
            let url = registered.registration.notify_url.as_ref()?;
            Some((registered.registration.xpid, self.names.addresses(url.host(), url.port())))
        });
        let addresses = Arc::new(addresses.collect::<Vec<_>>());
        let mut taken = true;
        for port in &self.ports {
            taken &= port.sender.try_send(ShardMessage::Addresses(Arc::clone(&addresses))).is_ok();
            port.wake();
        }
        drop(registry);
        taken & self.publish_hosts()
    }

    /// Tells the shards of carriers whose hosts have other addresses now. Whether every shard took
    /// that.
    fn publish_hosts(&self) -> bool {
        let mut carriers = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        let (orders, before) = &mut *carriers;
        let look_up = |name: &str, port| self.names.addresses(name, port);
        let Ok(plan) = orders.plan(before, self.ports.len(), look_up) else { return true };
        let hosts = |plan: &CarrierPlan| {
            plan.carriers.iter().map(|known| known.carrier.hosts.clone()).collect::<Vec<_>>()
        };
        if hosts(&plan) == hosts(before) {
            return true;
        }
        let (done, _) = bounded(self.ports.len());
        let mut taken = true;
        for port in &self.ports {
            let message = ShardMessage::Carriers { plan: plan.clone(), done: Done(done.clone()) };
            taken &= port.sender.try_send(message).is_ok();
            port.wake();
        }
        if taken {
            *before = plan;
        }
        taken
    }

    /// Tells every shard of these carriers and routes, and waits until all work by them.
    fn tell_carriers(
        &self,
        (orders, before): &mut (CarrierOrders, CarrierPlan),
    ) -> Result<(), ControlError> {
        let names = orders.carriers.iter().flat_map(|(_, settings)| settings.names());
        self.names.want_hosts(names.collect());
        let look_up = |name: &str, port| self.names.addresses(name, port);
        let plan = orders.plan(before, self.ports.len(), look_up);
        let plan = plan.map_err(|error| ControlError::NotTold(error.to_string()))?;
        *before = plan.clone();
        let (done, taken) = bounded(self.ports.len());
        for port in &self.ports {
            let done = Done(done.clone());
            port.send(ShardMessage::Carriers { plan: plan.clone(), done })?;
        }
        self.wait(&taken, self.ports.len())
    }

    /// Of an engine that has drained: events that wait in the journal for room in the books, and
    /// requests whose counts found no room in them.
    pub fn unbilled(&self) -> (u64, u64) {
        let sum = |which: usize| {
            self.ports.iter().map(|port| port.status.unbilled[which].load(Ordering::Relaxed)).sum()
        };
        (sum(0), sum(1))
    }

    /// Whether the engine was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Has every shard accept connections with this from now on.
    ///
    /// # Errors
    /// A shard does not take it.
    pub fn accept_with(&self, acceptance: &Acceptance) -> Result<(), ControlError> {
        let send = |port: &Arc<ShardPort>| port.send(ShardMessage::Acceptance(acceptance.clone()));
        let sent: Vec<Result<(), ControlError>> = self.ports.iter().map(send).collect();
        sent.into_iter().collect()
    }

    /// Has every shard accept customers' connections with this from now on.
    ///
    /// # Errors
    /// A shard does not take it.
    pub fn accept_customers_with(&self, acceptance: &Acceptance) -> Result<(), ControlError> {
        let message = || ShardMessage::CustomerAcceptance(acceptance.clone());
        let sent: Vec<Result<(), ControlError>> =
            self.ports.iter().map(|port| port.send(message())).collect();
        sent.into_iter().collect()
    }

    /// Has the files of carriers' TLS read anew. Connections that are made from now on are secured
    /// with what they hold; files that cannot be used change nothing, and the log says why. Whether
    /// any carrier has such files.
    pub fn reread_carriers(&self) -> bool {
        let mut carriers = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        let (orders, before) = &*carriers;
        let Some(plan) = orders.reread_tls(before) else { return false };
        let (done, taken) = bounded(self.ports.len());
        let told = self.ports.iter().try_for_each(|port| {
            port.send(ShardMessage::Carriers { plan: plan.clone(), done: Done(done.clone()) })
        });
        match told.and_then(|()| self.wait(&taken, self.ports.len())) {
            Ok(()) => carriers.1 = plan,
            Err(_) => tracing::error!("SIGHUP: a shard took no carriers: send SIGHUP again"),
        }
        true
    }

    /// Tells every shard, whichever of them does not take it, and waits until those have it that
    /// do.
    fn tell_all(&self, message: impl Fn(Done) -> ShardMessage) -> Result<(), ControlError> {
        let (done, taken) = bounded(self.ports.len());
        let deadline = clock::instant() + TAKEN_TIMEOUT;
        let told = self.ports.iter().filter(|port| {
            let is_told = port.sender.send_deadline(message(Done(done.clone())), deadline).is_ok();
            port.wake();
            is_told
        });
        let told = told.count();
        self.wait(&taken, told)?;
        if told == self.ports.len() { Ok(()) } else { Err(ControlError::Stopping) }
    }

    /// Has every shard send notifications with this from now on.
    pub fn notify_with(&self, outbound: &Outbound) {
        for port in &self.ports {
            // One that is stopping sends none.
            let _ = port.send(ShardMessage::Outbound(Box::new(outbound.clone())));
        }
    }

    fn wait(&self, done: &Receiver<()>, shards: usize) -> Result<(), ControlError> {
        (0..shards).try_for_each(|_| self.taken(done))
    }

    /// What a shard replies; a stop does not wait for the reply of one that has ended.
    fn taken<T>(&self, reply: &Receiver<T>) -> Result<T, ControlError> {
        let deadline = clock::instant() + TAKEN_TIMEOUT;
        loop {
            match reply.recv_deadline(deadline.min(clock::instant() + ENDED_LOOK)) {
                Ok(reply) => return Ok(reply),
                Err(_) if clock::instant() >= deadline => return Err(ControlError::Stopping),
                Err(_) if self.ports.iter().any(|port| port.status.has_ended()) => {
                    // It may have replied as the last thing it did.
                    return reply.try_recv().map_err(|_| ControlError::Stopping);
                }
                Err(_) => {}
            }
        }
    }

    /// Has every shard publish its figures now: what happened before the question is counted in the
    /// answer.
    fn refresh_figures(&self) {
        let (done, published) = bounded(self.ports.len());
        let running = self.ports.iter().filter(|port| !port.status.has_ended());
        let asked = running
            .filter(|port| port.sender.try_send(ShardMessage::Figures(Done(done.clone()))).is_ok());
        let asked = asked.inspect(|port| port.wake()).count();
        let deadline = clock::instant() + FIGURES_TIMEOUT;
        for _ in 0..asked {
            if published.recv_deadline(deadline).is_err() {
                break;
            }
        }
    }

    /// Asks every shard at once; the answers in the order of the shards.
    fn ask_all<T>(
        &self,
        message: impl Fn(Sender<T>) -> BroadcastMessage,
    ) -> Result<Vec<T>, ControlError> {
        let mut asked = Vec::with_capacity(self.ports.len());
        for port in &self.ports {
            let (reply, taken) = bounded(1);
            port.send(ShardMessage::Broadcast(message(reply)))?;
            asked.push(taken);
        }
        asked.iter().map(|taken| self.taken(taken)).collect()
    }

    fn send_contracts(
        &self,
        rows: &[(Msn, Xpid)],
        message: impl Fn(Vec<(Msn, Xpid)>, Done) -> ShardMessage,
    ) -> Result<(), ControlError> {
        let mut slices: Vec<Vec<(Msn, Xpid)>> = self.ports.iter().map(|_| Vec::new()).collect();
        for &row in rows {
            slices[shard_of(row.0, self.ports.len())].push(row);
        }
        for (port, slice) in self.ports.iter().zip(slices) {
            for rows in slice.chunks(CONTRACTS_PER_MESSAGE) {
                let (done, taken) = bounded(1);
                port.send(message(rows.to_vec(), Done(done)))?;
                self.wait(&taken, 1)?;
            }
        }
        Ok(())
    }
}

impl Engine for EngineHandle {
    fn publish_registrations(&self, registrations: Vec<Registration>) -> Result<(), ControlError> {
        let mut current = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoints = Arc::new(self.names.plans(&registrations));
        let registry = Arc::new(current.succeed(registrations));
        for (xpid, error) in registry.refused() {
            tracing::error!(%xpid, %error, "a registration cannot be used and is left out");
        }
        *current = Arc::clone(&registry);
        let told = self.tell_all(|done| ShardMessage::Registrations {
            registry: Arc::clone(&registry),
            endpoints: Arc::clone(&endpoints),
            done,
        });
        self.unpublished.store(told.is_err(), Ordering::Relaxed);
        if told.is_err() {
            // A token that was taken away is to count no longer than a shard stands still.
            self.names.publish_again();
        }
        told
    }

    fn add_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.send_contracts(rows, |rows, done| ShardMessage::AddContracts { rows, done })
    }

    fn remove_contracts(&self, rows: &[(Msn, Xpid)]) -> Result<(), ControlError> {
        self.send_contracts(rows, |rows, done| ShardMessage::RemoveContracts { rows, done })
    }

    fn pause(&self, paused: bool) -> Result<(), ControlError> {
        self.tell_all(|done| ShardMessage::Pause { paused, done })
    }

    fn driver(&self) -> DriverKind {
        self.driver
    }

    fn carriers(&self) -> Vec<CarrierState> {
        let carriers = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        carriers.1.carriers.iter().map(CarrierState::of).collect()
    }

    fn publish_carriers(
        &self,
        carriers: Vec<(u8, CarrierSettings)>,
        rules: Vec<Rule>,
    ) -> Result<(), ControlError> {
        let mut known = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        (known.0.carriers, known.0.rules) = (carriers, rules);
        self.tell_carriers(&mut known)
    }

    fn rebind_carrier(&self, number: u8) -> Result<(), ControlError> {
        let mut known = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        *known.0.rebinds.entry(number).or_default() += 1;
        self.tell_carriers(&mut known)
    }

    fn stalled_shards(&self) -> Vec<usize> {
        (0..self.ports.len()).filter(|&shard| self.ports[shard].status.is_stalled()).collect()
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        let any = |flag: fn(&ShardStatus) -> &AtomicBool| {
            self.ports.iter().any(|port| flag(&port.status).load(Ordering::Relaxed))
        };
        let stopping = self.is_stopping();
        let told = [
            (stopping, Obstacle::Draining),
            (!stopping && any(|status| &status.paused), Obstacle::Paused),
            (any(|status| &status.full), Obstacle::StorageFull),
            (any(|status| &status.crowded), Obstacle::QueueFull),
            (any(|status| &status.behind), Obstacle::Overload),
            (any(|status| &status.lost), Obstacle::DataLost),
        ];
        told.into_iter().filter(|&(is_so, _)| is_so).map(|(_, obstacle)| obstacle).collect()
    }

    fn classes_taken(&self) -> &'static [Class] {
        let of_shard = |port: &Arc<ShardPort>| port.status.classes_taken.load(Ordering::Relaxed);
        let taken = self.ports.iter().map(of_shard).min().unwrap_or_default();
        if self.obstacles().is_empty() { &CLASSES[..usize::from(taken)] } else { &[] }
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.ports.iter().for_each(|port| port.ask_to_drain());
    }

    fn waiting(&self) -> Vec<WaitingTally> {
        let tallies = self.ports.iter().map(|port| port.status.waiting.lock());
        tallies.map(|tally| tally.unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    fn figures(&self) -> Vec<ShardFigures> {
        self.refresh_figures();
        let counter = |name, help, value| Figure { name, help, kind: FigureKind::Counter, value };
        self.ports
            .iter()
            .enumerate()
            .map(|(shard, port)| {
                let status = &port.status;
                let mut figures: Vec<Figure> = NAMES
                    .iter()
                    .zip(&status.figures)
                    .map(|(&(name, help, rises), value)| Figure {
                        name,
                        help,
                        kind: if rises == Rises::Always {
                            FigureKind::Counter
                        } else {
                            FigureKind::Gauge
                        },
                        value: value.load(Ordering::Relaxed),
                    })
                    .collect();
                figures.push(Figure {
                    name: "connections",
                    help: "Push clients' connections",
                    kind: FigureKind::Gauge,
                    value: status.connections.load(Ordering::Relaxed),
                });
                figures.push(Figure {
                    name: "connection_octets",
                    help: "Octets that connections hold: not parsed, waiting to be answered, not \
                        sent",
                    kind: FigureKind::Gauge,
                    value: status.held.load(Ordering::Relaxed),
                });
                let troubles = TROUBLES.iter().zip(&status.troubles);
                for (&(name, help), count) in VISITS.iter().zip(&status.visits).chain(troubles) {
                    figures.push(counter(name, help, count.load(Ordering::Relaxed)));
                }
                for (&(name, grows, help), count) in CUSTOMERS.iter().zip(&status.customers) {
                    let kind = if grows { FigureKind::Counter } else { FigureKind::Gauge };
                    let value = count.load(Ordering::Relaxed);
                    figures.push(Figure { name, help, kind, value });
                }
                figures.push(counter(
                    "syncs",
                    "Journal syncs",
                    status.syncs.load(Ordering::Relaxed),
                ));
                figures.push(counter("turns", "Turns of the shard's loop", status.turns()));
                let wakes = status.wakes.load(Ordering::Relaxed);
                figures.push(counter("watchdog_wakes", "Times the watchdog woke the shard", wakes));
                ShardFigures { shard, figures, times: status.times() }
            })
            .collect()
    }

    fn parked(
        &self,
        xpid: Option<Xpid>,
        action: ParkedAction,
    ) -> Result<Vec<ParkedNotification>, ControlError> {
        let mut all = Vec::new();
        for port in &self.ports {
            let (mut from, mut of_shard) = (Some(0), 0);
            while let Some(at) = from.filter(|_| of_shard < PARKED_LISTED_MAX) {
                let (reply, taken) = bounded(1);
                port.send(ShardMessage::Parked { xpid, action, from: at, reply })?;
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
        self.ports[shard_of(msn, self.ports.len())].send(ShardMessage::Live { msn, reply })?;
        self.taken(&taken)
    }

    fn shards(&self) -> usize {
        self.ports.len()
    }

    fn start_broadcast(&self, broadcast: &Arc<RunningBroadcast>) -> Result<(), ControlError> {
        self.ask_all(|reply| BroadcastMessage::Started { broadcast: Arc::clone(broadcast), reply })
            .map(drop)
    }

    fn all_broadcasts_told(&self) {
        for port in &self.ports {
            // One that is stopping cleans nothing.
            let _ = port.send(ShardMessage::Broadcast(BroadcastMessage::AllTold));
        }
    }

    fn order_broadcast(&self, ordinal: u32, order: Order) -> Result<bool, ControlError> {
        let known = self.ask_all(|reply| BroadcastMessage::Ordered { ordinal, order, reply })?;
        Ok(known.contains(&true))
    }

    fn forget_broadcast(&self, ordinal: u32) {
        for port in &self.ports {
            let _ = port.send(ShardMessage::Broadcast(BroadcastMessage::Forget(ordinal)));
        }
    }

    fn broadcast_figures(&self) -> Result<Vec<Vec<SliceFigures>>, ControlError> {
        self.ask_all(BroadcastMessage::Figures)
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
        self.ports[shard].send(ShardMessage::Broadcast(message))?;
        self.taken(&taken)
    }

    fn set_lines(&self, msns: &[Msn], line: Line) -> Result<u64, ControlError> {
        let mut slices: Vec<Vec<Msn>> = self.ports.iter().map(|_| Vec::new()).collect();
        for &msn in msns {
            slices[shard_of(msn, self.ports.len())].push(msn);
        }
        for (port, slice) in self.ports.iter().zip(slices) {
            for msns in slice.chunks(LINES_PER_MESSAGE) {
                let (reply, taken) = bounded(1);
                port.send(ShardMessage::Lines { msns: msns.to_vec(), line, reply })?;
                let told = self.taken(&taken)?;
                told.map_err(ControlError::NotTold)?;
            }
        }
        Ok(msns.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::names::{Hanging, INTERVALS};

    /// Leaves no room in a mailbox.
    fn fill(port: &ShardPort) {
        let (done, _) = bounded(1);
        let pause = || ShardMessage::Pause { paused: false, done: Done(done.clone()) };
        while port.sender.try_send(pause()).is_ok() {}
    }

    #[test]
    fn the_order_to_drain_reaches_a_shard_whose_mailbox_is_full() {
        let port = ShardPort::new();
        fill(&port);
        let names = HostNames::new(Hanging, INTERVALS);
        let registry = Arc::new(Registry::new(Vec::new()));
        let handle = EngineHandle::new(
            vec![Arc::clone(&port)],
            registry,
            names,
            (DriverKind::Uring, CarrierOrders::default(), CarrierPlan::default()),
        );
        let begun = clock::instant();
        handle.stop();
        assert!(port.is_drain_asked() && handle.is_stopping());
        assert!(begun.elapsed() < TAKEN_TIMEOUT / 2, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_change_does_not_wait_for_a_shard_that_has_ended() {
        let port = ShardPort::new();
        port.status.note_ended();
        let names = HostNames::new(Hanging, INTERVALS);
        let registry = Arc::new(Registry::new(Vec::new()));
        let handle = EngineHandle::new(
            vec![port],
            registry,
            names,
            (DriverKind::Uring, CarrierOrders::default(), CarrierPlan::default()),
        );
        let begun = clock::instant();
        assert_eq!(handle.publish_registrations(Vec::new()), Err(ControlError::Stopping));
        assert!(begun.elapsed() < TAKEN_TIMEOUT / 2, "{:?}", begun.elapsed());
    }
}
