//! Partitions on their way to their threads, and back: what takes its time is done here, by a few
//! workers, so that the thread of NATS waits for nothing.
//!
//! Invariants: all that is to be done about one partition is done by one worker, in the order in
//! which it was said; what cannot be opened although it is owned, or finds no thread, ends the
//! process.

use super::contracts::Looks;
use super::rebuild::{clear_journal, journal_directory, rebuild};
use crate::control::store::Store;
use crate::gateway::contracts::ContractTable;
use crate::io::figures::ControlError;
use crate::io::mailbox::{NotMoved, OpenedShard};
use crate::io::replica::Replica;
use crate::journal::JournalConfig;
use crate::journal::shards::shard_directory;
use crate::nats::NatsWake;
use crate::network::smpp::port::CarrierPort;
use crate::shard::Shard;
use crate::start::serve::opening::{
    Opening, contracts_of, in_network, journal_config, open_with, tell,
};
use crossbeam::channel::{Receiver, Sender, unbounded};
use host::fatal::{Fatal, FatalReason};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wire::terms::ownership::thread_of;

/// Workers: so many partitions are opened at a time.
const WORKERS: usize = 4;
/// Before a thread that lets another partition go is asked again.
const ASKED_AGAIN: Duration = Duration::from_millis(20);
/// How often it is looked whether a thread has taken a partition that it said nothing of.
const COMES_LOOKS_MAX: u32 = 500;

/// What is to be done about a partition.
pub(super) enum Job {
    /// It is owned: its journal is made of this file, its records are numbered from `first` on.
    Open { partition: u16, first: u64, spool: PathBuf, replica: Arc<Replica> },
    /// It is somebody else's.
    Drop { partition: u16 },
    /// It is to be given away: it stops, and is kept until that is settled.
    Close { partition: u16 },
    /// It was given away.
    Forget { partition: u16 },
    /// It stays after all.
    Stay { partition: u16, replica: Arc<Replica> },
}

impl Job {
    fn partition(&self) -> u16 {
        match *self {
            Self::Open { partition, .. }
            | Self::Drop { partition }
            | Self::Close { partition }
            | Self::Forget { partition }
            | Self::Stay { partition, .. } => partition,
        }
    }
}

/// The workers' end for who gives jobs. They end with it.
pub(super) struct Movers {
    jobs: Vec<Sender<Job>>,
    stopped: Receiver<u16>,
}

impl Movers {
    /// Starts the workers.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub(super) fn start(mover: &Arc<Mover>, wake: NatsWake) -> io::Result<Self> {
        let (told, stopped) = unbounded();
        let mut jobs = Vec::with_capacity(WORKERS);
        for number in 0..WORKERS {
            // A partition has few jobs at a time, and there are at most 256.
            let (sender, inbox) = unbounded::<Job>();
            let (mover, told, wake) = (Arc::clone(mover), told.clone(), wake.clone());
            let name = format!("mover-{number}");
            std::thread::Builder::new().name(name).spawn(move || {
                host::cpus::leave_cpus(&mover.opening.config.cpus);
                while let Ok(job) = inbox.recv() {
                    if let Some(partition) = mover.carry_out(job) {
                        let _ = told.send(partition);
                        wake.wake();
                    }
                }
            })?;
            jobs.push(sender);
        }
        Ok(Self { jobs, stopped })
    }

    /// Has something done about a partition.
    pub(super) fn order(&self, job: Job) {
        let _ = self.jobs[usize::from(job.partition()) % self.jobs.len()].send(job);
    }

    /// A partition that was to be given away has stopped.
    pub(super) fn next_stopped(&self) -> Option<u16> {
        self.stopped.try_recv().ok()
    }
}

/// What the workers work with.
pub(super) struct Mover {
    opening: Opening,
    /// Those that have stopped and are not given away yet.
    stopped: Mutex<BTreeMap<u16, Box<Shard>>>,
    contracts: Looks<ContractTable>,
}

impl Mover {
    pub(super) fn new(opening: Opening) -> Self {
        Self { opening, stopped: Mutex::default(), contracts: Looks::default() }
    }

    /// Does it; the partition, where it has stopped to be given away.
    fn carry_out(&self, job: Job) -> Option<u16> {
        match job {
            Job::Open { partition, first, spool, replica } => {
                if let Err(fatal) = self.open(partition, first, &spool, replica) {
                    fatal.end_process();
                }
                None
            }
            Job::Drop { partition } => {
                drop(self.close(partition));
                // It may have stopped already, to be given away.
                self.lock_stopped().remove(&partition);
                self.opening.handle.pay_shard(usize::from(partition));
                self.opening.handle.share_limits();
                self.forget(partition);
                None
            }
            Job::Close { partition } => {
                // Should it stay, it has missed what changed meanwhile.
                self.opening.handle.expect_shard(usize::from(partition));
                let shard = self.close(partition)?;
                self.opening.handle.share_limits();
                self.lock_stopped().insert(partition, shard);
                Some(partition)
            }
            Job::Forget { partition } => {
                self.lock_stopped().remove(&partition);
                self.opening.handle.pay_shard(usize::from(partition));
                self.forget(partition);
                None
            }
            Job::Stay { partition, replica } => {
                let shard = self.lock_stopped().remove(&partition)?;
                self.seat(*shard, replica);
                None
            }
        }
    }

    fn lock_stopped(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, Box<Shard>>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(&self, partition: u16) -> PathBuf {
        shard_directory(&self.opening.config.data_dir, usize::from(partition))
    }

    fn open(
        &self,
        partition: u16,
        first: u64,
        spool: &Path,
        replica: Arc<Replica>,
    ) -> Result<(), Fatal> {
        let Opening { config, keys, factory, registry, carriers, billing_files, .. } =
            &self.opening;
        let (number, directory) = (usize::from(partition), self.directory(partition));
        self.opening.handle.expect_shard(number);
        self.contracts.want(partition);
        let unusable = |why: &dyn std::fmt::Display| {
            let cause = format!("partition {partition} cannot be opened from its log ({why})");
            let remedy = "free space on the device of --data-dir or raise --queue-bytes, and start \
                          again: another node serves the partition meanwhile";
            Fatal::with_remedy(FatalReason::JournalUnusable, cause, remedy)
        };
        // The record by which the journal is opened has the number before, and stays here.
        let journal = journal_config(config, number, config.partitions, first - 1);
        let journals = journal_directory(&directory);
        clear_journal(&directory).map_err(|error| unusable(&error))?;
        // Whatever the log holds must find room: what is not needed of it goes when it is cleaned.
        let roomy = JournalConfig { budget_octets: 2 * journal.budget_octets, ..journal };
        let records =
            rebuild(spool, &journals, roomy, factory).map_err(|error| unusable(&error))?;
        let _ = std::fs::remove_file(spool);
        let own = (Arc::clone(registry), carriers);
        let opened = open_with(config, (journal, *keys), number, factory, own, Arc::default());
        let (mut shard, report) = opened?;
        tell(number, &report);
        let next = shard.journal().next_sequence();
        if next != first {
            let cause =
                format!("partition {partition} goes on with record {next}, and {first} is due");
            return Err(Fatal::new(FatalReason::Bug, cause));
        }
        let contracts = self.contracts.fetch(partition, |wanted| {
            let store = Store::open(&config.data_dir).map_err(Fatal::from)?;
            contracts_of(&store, wanted, config.partitions)
        });
        shard.set_contracts(contracts?);
        shard.make_billing_files_ahead(billing_files);
        tracing::info!(partition, records, unfinished = report.live, "partition opened");
        self.seat(shard, replica);
        Ok(())
    }

    /// Brings a shard to its thread.
    fn seat(&self, shard: Shard, replica: Arc<Replica>) {
        let Opening { config, carriers, ports, .. } = &self.opening;
        let number = shard.number();
        let opened = OpenedShard {
            shard,
            carriers: CarrierPort::new(number, carriers),
            in_network: in_network(config, number),
            replica: Some(replica),
        };
        let thread = usize::from(thread_of(number, config.shards));
        match ports.open(thread, opened) {
            // A stop: another node takes it.
            Ok(()) | Err(ControlError::Stopping) => {}
            // The thread took it, and was too late to say so.
            Err(ControlError::NoAnswer) if self.comes(number) => {}
            Err(error) => {
                let cause = format!("partition {number} did not come to its thread ({error})");
                Fatal::new(FatalReason::Bug, cause).end_process();
            }
        }
        self.opening.handle.pay_shard(number);
        self.opening.handle.share_limits();
    }

    /// Whether a shard that a thread says nothing of comes there all the same.
    fn comes(&self, number: usize) -> bool {
        (0..COMES_LOOKS_MAX).any(|_| {
            std::thread::park_timeout(ASKED_AGAIN);
            self.opening.ports.holds(number)
        })
    }

    /// Has a shard leave its thread; none where it is not there, or all stops.
    fn close(&self, partition: u16) -> Option<Box<Shard>> {
        let not_yet = NotMoved::NotYet.to_string();
        loop {
            match self.opening.ports.close(usize::from(partition)) {
                Ok(shard) => return Some(shard),
                Err(ControlError::NotTold(why)) if why == not_yet => {
                    std::thread::park_timeout(ASKED_AGAIN);
                }
                Err(_) => return None,
            }
        }
    }

    fn forget(&self, partition: u16) {
        if let Err(error) = clear_journal(&self.directory(partition)) {
            tracing::warn!(partition, %error, "the journal of a partition cannot be removed");
        }
    }
}
