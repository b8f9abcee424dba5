//! The runtime room: what carries octets between the world and the shards.
//!
//! A thread per CPU runs the turns of its shards, one or several; its driver carries its sockets
//! and its shards' commits: its own io_uring, or an epoll and a thread beside it. Nothing outside
//! this room names a socket or the executor, nothing inside decides about a push.

mod acceptor;
mod block_queue;
mod budget;
mod calling;
mod connecting;
mod connection;
mod desk;
pub mod driver;
mod durations;
mod executor;
pub mod figures;
mod front;
mod gate;
mod gated;
mod gathering;
pub mod guard;
pub mod host_addresses;
pub mod limits;
mod link;
pub mod mailbox;
mod marks;
mod mesh;
pub mod names;
pub mod neighbours;
pub mod notifier;
mod now;
pub mod orders;
mod pace;
mod part;
mod parts;
pub mod pdu_trace;
mod places;
mod portions;
pub mod replica;
mod served;
mod serving;
pub mod shard_status;
mod sifting;
mod slots;
mod stream;
mod taking_part;
#[cfg(test)]
mod tests;
pub mod tls;
mod turn;
mod waits;
mod watchdog;

pub use mesh::HandOver;

use crate::gateway::registry::Registry;
use crate::io::connection::Patience;
use crate::io::driver::{Driver, DriverKind, DriverRefusal, Waker};
use crate::io::executor::ShardThread;
use crate::io::front::FrontLimits;
use crate::io::mailbox::{OpenedShard, Ports, ThreadPort};
use crate::io::mesh::{Lanes, Mesh};
use crate::io::neighbours::{Neighbourhood, PeerLink, RunningLink};
use crate::io::notifier::{EndpointPlan, Outbound};
use crate::io::part::Faults;
use crate::io::parts::Parts;
use crate::io::places::{Door, Places};
use crate::io::serving::Reception;
use crate::io::serving::binding;
use crate::io::serving::receipts::Rings;
use crate::io::shard_status::ShardStatus;
use crate::io::tls::Acceptance;
use crate::io::turn::{Fitting, ThreadTurn, TurnLimits};
use crate::network::simulated::SimulatedNetwork;
use crate::network::smpp::exchange::CarrierPlan;
use crate::shard::Durability;
use crossbeam::channel::{Receiver, Sender, bounded};
use host::fatal::{Fatal, FatalReason};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why the driver `uring` cannot work here, a ring or the executor that is to own its thread;
/// `None`: it can.
pub fn uring_refusal() -> Option<DriverRefusal> {
    driver::ring_refusal()
        .or_else(|| executor::refusal().map(|error| driver::executor_refusal(&error)))
}

/// The shards' threads.
pub struct Runtime {
    ports: Ports,
    threads: Vec<ShardThread>,
    acceptor: std::thread::JoinHandle<()>,
    /// What serves customers, if there is a port for them.
    counter: Option<Counter>,
    /// What speaks to the other nodes of a cluster.
    link: Option<RunningLink>,
    watchdog: std::thread::JoinHandle<()>,
    stop_watching: Arc<AtomicBool>,
}

/// The threads that serve customers beside the shards.
struct Counter {
    acceptor: std::thread::JoinHandle<()>,
    binds: std::thread::JoinHandle<()>,
}

/// What a thread begins with.
pub struct ThreadShards {
    /// The network that it lends to its shards.
    pub network: SimulatedNetwork,
    /// Its shards: those whose numbers [`thread_of`](wire::terms::ownership::thread_of) deals to
    /// it.
    pub shards: Vec<OpenedShard>,
}

/// What every thread starts from.
struct Start {
    thread: usize,
    port: Arc<ThreadPort>,
    ports: Ports,
    registry: Arc<Registry>,
    lanes: Arc<Lanes>,
    /// Who takes what other nodes of a cluster hold.
    link: Option<usize>,
    door: Door,
    reception: Option<Reception>,
    driver: DriverKind,
    limits: TurnLimits,
    acceptance: Option<Acceptance>,
    customer_acceptance: Option<Acceptance>,
    outbound: Outbound,
    looks_on: bool,
    /// Where the kernel's workers may write this thread's commits, if not on its own CPU alone.
    worker_cpus: Option<Vec<usize>>,
    endpoints: Vec<EndpointPlan>,
    ready: Sender<(usize, Waker)>,
    wakers: Receiver<Vec<Waker>>,
}

/// What the runtime is set up with.
#[derive(Clone)]
pub struct Setup {
    /// What carries octets.
    pub driver: DriverKind,
    /// The threads' CPUs; with fewer than threads they share them in turn.
    pub cpus: Vec<usize>,
    /// Connections of push clients that one thread holds.
    pub push_connections_max: usize,
    /// Connections to notification servers that one thread holds.
    pub notification_connections_max: usize,
    /// Sessions of customers that one thread holds.
    pub customer_sessions_max: usize,
    /// How long a request may take to come, and a connection to be idle; milliseconds.
    pub request_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    /// How long a drain may take, in milliseconds.
    pub drain_timeout_ms: u64,
    /// When answers may leave.
    pub durability: Durability,
    /// How long a commit may wait for more records, in microseconds.
    pub commit_delay_us_max: u32,
    /// How long a shard polls before it sleeps, in microseconds.
    pub idle_poll_us: u32,
    /// What push clients' connections are secured with; none on a plain port.
    pub acceptance: Option<Acceptance>,
    /// What customers' connections are secured with; none on a plain port.
    pub customer_acceptance: Option<Acceptance>,
    /// What notifications are sent with, and where they may not go.
    pub outbound: Outbound,
    /// The sync that fails, for tests; counted from 1.
    pub inject_sync_failure: Option<u64>,
    /// For rehearsals: the device never answers the n-th sync of a shard.
    pub inject_sync_hangs: Option<u64>,
    /// The carriers between their homes and the shards.
    pub carriers: CarrierPlan,
    /// Receipts that one carrier awaits at most.
    pub receipts_awaited_max: usize,
    /// No push is taken, no carrier bound, and no attempt and no notification begins: somebody only
    /// looks at what there is.
    pub looks_on: bool,
    /// The other nodes of the cluster, if it is one's node: then no thread starts with a shard.
    pub neighbours: Option<Neighbourhood>,
}

impl Runtime {
    /// Starts the threads on their CPUs, each with its shards and its network; they take requests
    /// from `listeners` at once, and from customers those of `for_customers`. `endpoints` is where
    /// notifications go for now.
    ///
    /// # Errors
    /// When the threads or their drivers cannot be set up.
    pub fn start(
        setup: &Setup,
        threads: Vec<ThreadShards>,
        registry: &Arc<Registry>,
        endpoints: Vec<EndpointPlan>,
        (listeners, for_customers): (Vec<TcpListener>, Vec<TcpListener>),
    ) -> Result<Self, Fatal> {
        let count = threads.len();
        let shards = threads.iter().map(|thread| thread.shards.len()).sum();
        let ports = match &setup.neighbours {
            None => Ports::new(count, shards),
            Some(neighbours) => Ports::of_nobody(count, neighbours.partitions),
        };
        let (ready_sender, ready) = bounded(count);
        let link = setup.neighbours.as_ref().map(|_| count);
        let lanes = Lanes::new(count + link.iter().count());
        let limits = turn_limits(setup);
        let places = Places::new(count, limits.front.connections_max)
            .map_err(|error| lacks("a wake-up of the acceptor", &error))?;
        let mut opening = Opening::of(setup, count, for_customers)?;
        let mut running = Vec::with_capacity(count);
        let mut waker_senders = Vec::with_capacity(count);
        for (number, shards) in threads.into_iter().enumerate() {
            let cpu = setup.cpus[number % setup.cpus.len()];
            let (waker_sender, wakers) = bounded(1);
            waker_senders.push(waker_sender);
            let start = Start {
                thread: number,
                port: Arc::clone(&ports.threads[number]),
                ports: ports.clone(),
                registry: Arc::clone(registry),
                lanes: Arc::clone(&lanes),
                link,
                door: places.door(number),
                reception: opening.as_mut().and_then(Opening::next_reception),
                driver: setup.driver,
                limits: limits.clone(),
                acceptance: setup.acceptance.clone(),
                customer_acceptance: setup.customer_acceptance.clone(),
                outbound: setup.outbound.clone(),
                looks_on: setup.looks_on,
                worker_cpus: worker_cpus(cpu, &setup.cpus),
                endpoints: endpoints.clone(),
                ready: ready_sender.clone(),
                wakers,
            };
            let thread =
                ShardThread::start(setup.driver, number, cpu, move || prepare(shards, start));
            running.push(thread.map_err(|error| {
                Fatal::new(
                    FatalReason::HostUnfit,
                    format!("thread {number} cannot start ({error})"),
                )
            })?);
        }
        let wakers = gather_wakers(&ready, count)?;
        let link = start_link(setup, &ports, &lanes, &wakers, &waker_senders)?;
        let counter = opening.map(|opening| opening.open(&wakers, &setup.cpus)).transpose()?;
        let acceptor = acceptor::start(listeners, places, wakers, setup.cpus.clone());
        let acceptor = acceptor.map_err(|error| lacks("the acceptor's thread", &error))?;
        let stop_watching = Arc::new(AtomicBool::new(false));
        let watchdog = start_watchdog(ports.threads.clone(), Arc::clone(&stop_watching))?;
        Ok(Self { ports, threads: running, acceptor, counter, link, watchdog, stop_watching })
    }

    /// The mailboxes of threads and shards, for the control plane.
    pub fn ports(&self) -> Ports {
        self.ports.clone()
    }

    /// Waits until every shard has drained.
    pub fn join(self) {
        for thread in self.threads {
            if let Err(error) = thread.join() {
                Fatal::new(FatalReason::Bug, format!("a shard's thread ended badly ({error})"))
                    .end_process();
            }
        }
        let _ = self.acceptor.join();
        if let Some(Counter { acceptor, binds }) = self.counter {
            let _ = (acceptor.join(), binds.join());
        }
        if let Some(link) = self.link {
            link.end();
        }
        self.stop_watching.store(true, Ordering::Relaxed);
        self.watchdog.thread().unpark();
        let _ = self.watchdog.join();
    }
}

/// The customers' port while the engine starts.
struct Opening {
    listeners: Vec<TcpListener>,
    places: Arc<Places>,
    receptions: std::vec::IntoIter<Reception>,
    binds: std::thread::JoinHandle<()>,
    wakers: Sender<Vec<Waker>>,
}

impl Opening {
    /// `None` where there is no such port.
    fn of(
        setup: &Setup,
        shards: usize,
        listeners: Vec<TcpListener>,
    ) -> Result<Option<Self>, Fatal> {
        if listeners.is_empty() {
            return Ok(None);
        }
        let sessions_max = setup.customer_sessions_max;
        let places = Places::new(shards, sessions_max)
            .map_err(|error| lacks("a wake-up of the customers' acceptor", &error))?;
        let (wakers, given) = bounded(1);
        let (doormen, binds) = binding::start(shards, sessions_max, given, setup.cpus.clone())
            .map_err(|error| lacks("the thread that checks binds", &error))?;
        let rings = Rings::new(shards);
        let receptions: Vec<Reception> = doormen
            .into_iter()
            .enumerate()
            .map(|(number, doorman)| {
                let (door, rings) = (places.door(number), Arc::clone(&rings));
                Reception { door, doorman, rings, sessions_max }
            })
            .collect();
        let receptions = receptions.into_iter();
        Ok(Some(Self { listeners, places, receptions, binds, wakers }))
    }

    /// What the next thread serves customers with.
    fn next_reception(&mut self) -> Option<Reception> {
        self.receptions.next()
    }

    /// The shards run: customers may come.
    fn open(self, wakers: &[Waker], cpus: &[usize]) -> Result<Counter, Fatal> {
        let _ = self.wakers.send(wakers.to_vec());
        let acceptor = acceptor::start(self.listeners, self.places, wakers.to_vec(), cpus.to_vec());
        let acceptor = acceptor.map_err(|error| lacks("the customers' acceptor", &error))?;
        Ok(Counter { acceptor, binds: self.binds })
    }
}

/// Tells the threads what all are woken by, and starts what speaks to other nodes of a cluster, if
/// it is one's: the last of them.
fn start_link(
    setup: &Setup,
    ports: &Ports,
    lanes: &Arc<Lanes>,
    wakers: &[Waker],
    threads: &[Sender<Vec<Waker>>],
) -> Result<Option<RunningLink>, Fatal> {
    let link = setup.neighbours.as_ref().map(PeerLink::open).transpose()?;
    let of_all: Vec<Waker> =
        wakers.iter().cloned().chain(link.iter().map(PeerLink::waker)).collect();
    for thread in threads {
        let _ = thread.send(of_all.clone());
    }
    let started = link.map(|link| link.start(ports, lanes, of_all, setup.cpus.clone()));
    started.transpose().map_err(|error| lacks("the thread of the peer link", &error))
}

/// What the threads are woken by, in their order, once all of them are there.
fn gather_wakers(ready: &Receiver<(usize, Waker)>, count: usize) -> Result<Vec<Waker>, Fatal> {
    let mut wakers: Vec<Option<Waker>> = vec![None; count];
    for _ in 0..count {
        let Ok((number, waker)) = ready.recv() else {
            return Err(Fatal::new(
                FatalReason::HostUnfit,
                "a shard's thread ended while it was starting",
            ));
        };
        wakers[number] = Some(waker);
    }
    Ok(wakers.into_iter().flatten().collect())
}

/// On the thread itself: its driver, its end of the mesh, its sockets, its shards.
fn prepare(ThreadShards { network, shards }: ThreadShards, start: Start) -> ThreadTurn {
    let number = start.thread;
    let driver =
        Driver::new(start.driver, number, start.worker_cpus.as_deref()).unwrap_or_else(|error| {
            let cause = format!(
                "the driver {} could not be set up for thread {number} ({error})",
                start.driver
            );
            Fatal::new(FatalReason::HostUnfit, cause).end_process()
        });
    start.port.set_waker(driver.waker());
    let _ = start.ready.send((number, driver.waker()));
    let wakers = start.wakers.recv().unwrap_or_default();
    let mesh = Mesh::new(number, start.lanes, Arc::clone(&start.ports.holders), wakers)
        .with_link(start.link);
    let parts = Parts::new(start.ports.shards.len(), start.registry).looking_on(start.looks_on);
    let fitting = Fitting { thread: number, network, port: start.port, parts };
    let doors = (start.door, start.reception);
    let mut turn = ThreadTurn::new(driver, fitting, mesh, doors, start.limits, &start.endpoints);
    for opened in shards {
        let status: &Arc<ShardStatus> = &start.ports.shards[opened.shard.number()];
        turn.start_with(opened, Arc::clone(status));
    }
    turn.notify_with(start.outbound);
    if let Some(acceptance) = start.acceptance {
        turn.accept_with(acceptance);
    }
    if let Some(acceptance) = start.customer_acceptance {
        turn.accept_customers_with(acceptance);
    }
    turn
}

/// Under `uring` a commit is written by a worker of the kernel, which runs on the CPU of its shard
/// unless it is told otherwise: there it takes up to a quarter of a busy CPU. Where CPUs are left
/// that no shard runs on it may take one of those; that it must would make a commit of few records
/// wait for another CPU to wake up.
fn worker_cpus(cpu: usize, shard_cpus: &[usize]) -> Option<Vec<usize>> {
    let mut cpus = host::cpus::cpus_beside(shard_cpus);
    if cpus.is_empty() {
        return None;
    }
    cpus.push(cpu);
    Some(cpus)
}

fn start_watchdog(
    ports: Vec<Arc<ThreadPort>>,
    stop: Arc<AtomicBool>,
) -> Result<std::thread::JoinHandle<()>, Fatal> {
    let thread = std::thread::Builder::new().name("watchdog".to_owned());
    let thread = thread.spawn(move || watchdog::watch(&ports, &stop));
    thread.map_err(|error| lacks("the watchdog's thread", &error))
}

fn lacks(what: &str, error: &std::io::Error) -> Fatal {
    Fatal::new(FatalReason::HostUnfit, format!("{what} cannot be set up ({error})"))
}

fn turn_limits(setup: &Setup) -> TurnLimits {
    TurnLimits {
        front: FrontLimits {
            connections_max: setup.push_connections_max,
            patience: Patience {
                request_ms: setup.request_timeout_ms,
                idle_ms: setup.idle_timeout_ms,
            },
        },
        notification_connections_max: setup.notification_connections_max,
        drain_timeout_ms: setup.drain_timeout_ms,
        // Where nothing is synced there is nothing to gather for.
        commit_delay_us_max: match setup.durability {
            Durability::Power => u64::from(setup.commit_delay_us_max),
            Durability::Process => 0,
        },
        idle_poll_us: u64::from(setup.idle_poll_us),
        faults: Faults {
            sync_failure: setup.inject_sync_failure,
            sync_hangs: setup.inject_sync_hangs,
        },
        carriers: setup.carriers.clone(),
        receipts_awaited_max: setup.receipts_awaited_max,
    }
}
