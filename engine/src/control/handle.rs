//! The running engine as the control plane holds it: tells every shard a change, and reads what
//! they show.

mod asked;
mod contracts;
mod figures;
mod host_addresses;
mod rows;
#[cfg(test)]
mod tests;

use crate::cluster::figures::NodeFigures;
use crate::control::carrier_plan::{CarrierOrders, with_addresses};
use crate::gateway::registration::Registration;
use crate::gateway::registry::Registry;
use crate::io::driver::DriverKind;
use crate::io::figures::ControlError;
use crate::io::mailbox::{Done, Ports, TAKEN_TIMEOUT, ThreadMessage, ThreadPort};
use crate::io::names::HostNames;
use crate::io::notifier::Outbound;
use crate::io::orders::BroadcastMessage;
use crate::io::pdu_trace::PduTrace;
use crate::io::shard_status::ShardStatus;
use crate::io::tls::Acceptance;
use crate::network::smpp::exchange::{CarrierPlan, Spread};
use contracts::OwedContracts;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use host::clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often it looks meanwhile whether a shard has ended.
const ENDED_LOOK: Duration = Duration::from_millis(50);

/// How long whoever asks for figures waits for a shard to give those of this moment; one that
/// stands still is shown as it last was.
const FIGURES_TIMEOUT: Duration = Duration::from_millis(500);

/// The running engine, as the control plane holds it.
pub struct EngineHandle {
    ports: Ports,
    /// Held while a change is told, so that the shards are told everything in one order.
    registry: Mutex<Arc<Registry>>,
    /// By thread: it has not taken them yet.
    unpublished: Vec<AtomicBool>,
    names: HostNames,
    stopping: AtomicBool,
    /// It was started to look on: nothing is taken, and nothing leaves.
    looks_on: AtomicBool,
    /// What a stop begins with in a cluster: the node gives away what it has.
    giving_away: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// What it shows as a cluster's node.
    node_figures: Arc<NodeFigures>,
    driver: DriverKind,
    /// The plan is the one that is wanted; who was not told of it is told again.
    carriers: Mutex<(CarrierOrders, CarrierPlan)>,
    /// The same plan and the same registrations, for whoever only looks: those above are held while
    /// a change is told, and so as long as a shard stands.
    known: Mutex<(CarrierPlan, Arc<Registry>)>,
    /// A thread has not taken it yet.
    carriers_untold: AtomicBool,
    owed_contracts: Mutex<OwedContracts>,
    outbound: Mutex<Outbound>,
    /// What of broadcasts cannot be read, for whoever asks whether all is well.
    troubles: Mutex<Vec<String>>,
    trace: Mutex<Option<Arc<PduTrace>>>,
    /// How long a shard is waited for.
    patience: Duration,
}

impl EngineHandle {
    pub(crate) fn new(
        ports: Ports,
        registry: Arc<Registry>,
        names: HostNames,
        (driver, mut orders, plan): (DriverKind, CarrierOrders, CarrierPlan),
    ) -> Arc<Self> {
        orders.note_planned();
        let known = Mutex::new((plan.clone(), Arc::clone(&registry)));
        let registry = Mutex::new(registry);
        let carriers = Mutex::new((orders, plan));
        let [stopping, carriers_untold, looks_on] = [false; 3].map(AtomicBool::new);
        let unpublished = ports.threads.iter().map(|_| AtomicBool::new(false)).collect();
        let (outbound, troubles) = (Mutex::default(), Mutex::default());
        Arc::new(Self {
            ports,
            registry,
            unpublished,
            names,
            stopping,
            looks_on,
            giving_away: OnceLock::new(),
            node_figures: Arc::default(),
            driver,
            carriers,
            known,
            carriers_untold,
            owed_contracts: Mutex::default(),
            outbound,
            troubles,
            trace: Mutex::default(),
            patience: TAKEN_TIMEOUT,
        })
    }

    /// From now on no push is taken, and nobody undoes that.
    ///
    /// # Errors
    /// A shard does not answer.
    pub(crate) fn look_on(&self) -> Result<(), ControlError> {
        self.looks_on.store(true, Ordering::Relaxed);
        self.tell_all(|done| ThreadMessage::Pause { paused: true, done })
    }

    fn spread(&self) -> Spread {
        Spread { threads: self.ports.threads.len(), shards: self.ports.shards.len() }
    }

    /// From now on the shards are told when the address of a notification host has changed.
    pub(crate) fn follow_names(self: &Arc<Self>) -> std::io::Result<()> {
        let handle = Arc::downgrade(self);
        self.names.start(move || handle.upgrade().is_none_or(|handle| handle.publish_addresses()))
    }

    /// Whether every thread that has not taken the registrations yet has room for them.
    fn publish_registrations_again(&self, registry: &Arc<Registry>) -> bool {
        let threads = self.unpublished.iter().zip(&self.ports.threads);
        let untold: Vec<_> =
            threads.filter(|(unpublished, _)| unpublished.load(Ordering::Relaxed)).collect();
        if untold.is_empty() {
            return true;
        }
        let registrations: Vec<Registration> =
            registry.iter().map(|registered| registered.registration.clone()).collect();
        let endpoints = Arc::new(self.names.plans(&registrations));
        // Nobody waits for it this time: what has a place in the mailbox is taken in its turn.
        let (done, _) = bounded(self.ports.threads.len());
        let mut taken = true;
        for (unpublished, port) in untold {
            let (registry, endpoints) = (Arc::clone(registry), Arc::clone(&endpoints));
            let done = Done(done.clone());
            let message = ThreadMessage::Registrations { registry, endpoints, done };
            let is_taken = port.sender.try_send(message).is_ok();
            unpublished.store(!is_taken, Ordering::Relaxed);
            taken &= is_taken;
            port.wake();
        }
        taken
    }

    /// Whether every shard has room for the addresses as they are known now.
    fn publish_addresses(&self) -> bool {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // A thread that does not take them keeps nothing else from the others.
        let registrations_taken = self.publish_registrations_again(&registry);
        let addresses = registry.iter().filter_map(|registered| {
            let url = registered.registration.notify_url.as_ref()?;
            Some((registered.registration.xpid, self.names.addresses(url.host(), url.port())))
        });
        let addresses = Arc::new(addresses.collect::<Vec<_>>());
        let mut taken = true;
        for port in &self.ports.threads {
            taken &= port.sender.try_send(ThreadMessage::Addresses(Arc::clone(&addresses))).is_ok();
            port.wake();
        }
        drop(registry);
        registrations_taken & taken & self.publish_hosts() & self.pay_contracts()
    }

    /// Tells the shards of carriers whose hosts have other addresses now, and of those that one has
    /// not taken. Whether every shard took that.
    fn publish_hosts(&self) -> bool {
        let mut carriers = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        let before = &mut carriers.1;
        let look_up = |name: &str, port| self.names.addresses(name, port);
        let untold = self.carriers_untold.load(Ordering::Relaxed);
        let plan = match with_addresses(before, look_up) {
            Some(plan) => plan,
            None if untold => before.clone(),
            None => return true,
        };
        let (done, _) = bounded(self.ports.threads.len());
        let mut taken = true;
        for port in &self.ports.threads {
            let message = ThreadMessage::Carriers { plan: plan.clone(), done: Done(done.clone()) };
            taken &= port.sender.try_send(message).is_ok();
            port.wake();
        }
        self.note_plan(&plan);
        *before = plan;
        self.carriers_untold.store(!taken, Ordering::Relaxed);
        taken
    }

    /// What is wanted from now on, and about to be told.
    fn note_plan(&self, plan: &CarrierPlan) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0 = plan.clone();
    }

    /// The carriers and routes that are wanted.
    fn known_plan(&self) -> CarrierPlan {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Tells every thread of this plan, whichever of them does not take it; that one is told again
    /// until it does.
    fn tell_plan(&self, plan: &CarrierPlan) -> Result<(), ControlError> {
        let told = self.tell_all(|done| ThreadMessage::Carriers { plan: plan.clone(), done });
        self.carriers_untold.store(told.is_err(), Ordering::Relaxed);
        if told.is_err() {
            self.names.publish_again();
        }
        told.map_err(ControlError::of_what_is_kept)
    }

    /// Tells every shard of these carriers and routes, and waits until all work by them.
    fn tell_carriers(
        &self,
        (orders, before): &mut (CarrierOrders, CarrierPlan),
    ) -> Result<(), ControlError> {
        let names = orders.carriers.iter().flat_map(|(_, settings)| settings.names());
        self.names.want_hosts(names.collect());
        let look_up = |name: &str, port| self.names.addresses(name, port);
        let plan = orders.plan(before, self.spread(), look_up);
        let plan = plan.map_err(|error| ControlError::NotTold(error.to_string()))?;
        self.note_plan(&plan);
        *before = plan.clone();
        orders.note_planned();
        self.tell_plan(&plan)
    }

    /// Of an engine that has drained: events that wait in the journal for room in the books, and
    /// requests whose counts found no room in them.
    pub fn unbilled(&self) -> (u64, u64) {
        let sum = |which: usize| {
            let shards = self.ports.shards.iter();
            shards.map(|status| status.unbilled[which].load(Ordering::Relaxed)).sum()
        };
        (sum(0), sum(1))
    }

    /// Whether the engine was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// A stop begins with this from now on: it has the node of a cluster give away what it has, and
    /// ends with [`Self::drain`].
    pub fn give_away_first(&self, give_away: impl Fn() + Send + Sync + 'static) {
        let _ = self.giving_away.set(Box::new(give_away));
    }

    /// Where the node of a cluster writes what it shows.
    pub fn figures_of_node(&self) -> Arc<NodeFigures> {
        Arc::clone(&self.node_figures)
    }

    /// Of a cluster's node: partitions have come or gone, and with them its share of limits.
    pub fn share_limits(&self) {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.share_limits_of(&registry);
    }

    fn share_limits_of(&self, registry: &Registry) {
        if self.ports.is_node() {
            let shards = self.ports.shards.len();
            let owned = (0..shards).filter(|&shard| self.ports.holds(shard)).count();
            registry.share_limits(owned, shards);
        }
    }

    /// Has the threads drain and end.
    pub fn drain(&self) {
        self.ports.threads.iter().for_each(|port| port.ask_to_drain());
    }

    /// Has every shard accept connections with this from now on.
    ///
    /// # Errors
    /// A shard does not take it.
    pub fn accept_with(&self, acceptance: &Acceptance) -> Result<(), ControlError> {
        let send =
            |port: &Arc<ThreadPort>| port.send(ThreadMessage::Acceptance(acceptance.clone()));
        let sent: Vec<Result<(), ControlError>> = self.ports.threads.iter().map(send).collect();
        sent.into_iter().collect()
    }

    /// Has every shard accept customers' connections with this from now on.
    ///
    /// # Errors
    /// A shard does not take it.
    pub fn accept_customers_with(&self, acceptance: &Acceptance) -> Result<(), ControlError> {
        let message = || ThreadMessage::CustomerAcceptance(acceptance.clone());
        let sent: Vec<Result<(), ControlError>> =
            self.ports.threads.iter().map(|port| port.send(message())).collect();
        sent.into_iter().collect()
    }

    /// Has the files of carriers' TLS read anew. Connections that are made from now on are secured
    /// with what they hold; files that cannot be used change nothing, and the log says why. Whether
    /// any carrier has such files.
    pub fn reread_carriers(&self) -> bool {
        let mut carriers = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        let (orders, before) = &*carriers;
        let Some(plan) = orders.reread_tls(before) else { return false };
        self.note_plan(&plan);
        if self.tell_plan(&plan).is_err() {
            tracing::warn!("SIGHUP: a shard has not taken the carriers yet: it is told again");
        }
        carriers.1 = plan;
        true
    }

    /// Tells every shard, whichever of them does not take it, and waits until those have it that
    /// do.
    fn tell_all(&self, message: impl Fn(Done) -> ThreadMessage) -> Result<(), ControlError> {
        let (done, taken) = bounded(self.ports.threads.len());
        let deadline = clock::instant() + self.patience;
        let told = self.ports.threads.iter().filter(|port| {
            let is_told = port.sender.send_deadline(message(Done(done.clone())), deadline).is_ok();
            port.wake();
            is_told
        });
        let told = told.count();
        self.wait(&taken, told)?;
        if told == self.ports.threads.len() { Ok(()) } else { Err(self.no_answer()) }
    }

    /// Broadcasts are told of with this from now on.
    pub fn call_with(&self, outbound: &Outbound) {
        *self.outbound.lock().unwrap_or_else(PoisonError::into_inner) = outbound.clone();
    }

    /// Has every shard send notifications with this from now on.
    pub fn notify_with(&self, outbound: &Outbound) {
        self.call_with(outbound);
        for port in &self.ports.threads {
            // One that is stopping sends none.
            let _ = port.send(ThreadMessage::Outbound(Box::new(outbound.clone())));
        }
    }

    fn wait(&self, done: &Receiver<()>, shards: usize) -> Result<(), ControlError> {
        (0..shards).try_for_each(|_| self.taken(done))
    }

    /// What a shard replies; a stop does not wait for the reply of one that has ended.
    fn taken<T>(&self, reply: &Receiver<T>) -> Result<T, ControlError> {
        self.taken_by(reply, clock::instant() + self.patience)
    }

    /// Why a shard gives no answer: it ends, or it does not say.
    fn no_answer(&self) -> ControlError {
        if self.is_stopping() || self.ports.threads.iter().any(|port| port.status.has_ended()) {
            ControlError::Stopping
        } else {
            ControlError::NoAnswer
        }
    }

    fn taken_by<T>(&self, reply: &Receiver<T>, deadline: Instant) -> Result<T, ControlError> {
        loop {
            match reply.recv_deadline(deadline.min(clock::instant() + ENDED_LOOK)) {
                Ok(reply) => return Ok(reply),
                // The shard has left its thread, or is not there: nobody answers.
                Err(RecvTimeoutError::Disconnected) => return Err(self.no_answer()),
                Err(_) if clock::instant() >= deadline => return Err(self.no_answer()),
                Err(_) if self.ports.threads.iter().any(|port| port.status.has_ended()) => {
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
        let (done, published) = bounded(self.ports.threads.len());
        let running = self.ports.threads.iter().filter(|port| !port.status.has_ended());
        let asked = running.filter(|port| {
            port.sender.try_send(ThreadMessage::Figures(Done(done.clone()))).is_ok()
        });
        let asked = asked.inspect(|port| port.wake()).count();
        let deadline = clock::instant() + FIGURES_TIMEOUT;
        for _ in 0..asked {
            if published.recv_deadline(deadline).is_err() {
                break;
            }
        }
    }

    /// Whether a shard counts here: of a cluster's node those that it has.
    fn is_asked(&self, shard: usize) -> bool {
        !self.ports.is_node() || self.ports.holds(shard)
    }

    /// What the shards show that threads of this engine hold.
    fn held(&self) -> impl Iterator<Item = &Arc<ShardStatus>> {
        let shards = self.ports.shards.iter().enumerate();
        shards.filter(|(shard, _)| self.ports.holds(*shard)).map(|(_, status)| status)
    }

    /// Asks every shard at once; the answers in the order of the shards, once those have answered
    /// that do.
    fn ask_all<T>(
        &self,
        message: impl Fn(Sender<T>) -> BroadcastMessage,
    ) -> Result<Vec<T>, ControlError> {
        self.ask_all_within(self.patience, message)
    }

    fn ask_all_within<T>(
        &self,
        patience: Duration,
        message: impl Fn(Sender<T>) -> BroadcastMessage,
    ) -> Result<Vec<T>, ControlError> {
        let deadline = clock::instant() + patience.min(self.patience);
        let asked = self.send_each(deadline, || {
            let (reply, taken) = bounded(1);
            (message(reply), taken)
        });
        let answers: Vec<Result<T, ControlError>> =
            asked.into_iter().map(|asked| self.taken_by(&asked?, deadline)).collect();
        answers.into_iter().collect()
    }
}
