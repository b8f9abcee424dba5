//! A thread that opens the billing files of days and gives them room, so that no shard waits for a
//! device: one for all shards of an engine.
//!
//! Never does: writing events, deciding which day an event stands in.
//!
//! Invariant: of a file that grows, no more than two chunks of slots wait for a sync, so that the
//! sync before a journal segment goes is a short one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::day_file::{DayFile, Growth, make_next_day};
use super::limits::{FILE_ORDERS_MAX, FILE_REPLIES_MAX};
use host::clock;
use host::fatal::{Fatal, FatalReason};
use host::threads::{END_WITHIN, join_by};
use wire::terms::calendar::Day;

/// The thread. Dropping this ends it.
#[derive(Debug)]
pub struct BillingFiles {
    orders: Sender<Order>,
    worker: Option<JoinHandle<()>>,
}

/// What the thread is asked for.
#[derive(Debug)]
enum Order {
    Open { directory: Arc<Path>, shard: u16, day: Day, reply: Sender<Made> },
    Grow { growth: Growth, reply: Sender<Made> },
    PrepareNextDay { directory: Arc<Path> },
    Settle { file: Arc<File>, path: PathBuf, reply: Sender<Made> },
    Stop,
}

/// What it answers.
#[derive(Debug)]
pub(super) enum Made {
    Opened(Day, io::Result<DayFile>),
    /// A day's file has room for so many slots; `None`: for no more than before.
    Grown(Day, Option<u64>),
    /// A file that takes no more events is durable.
    Settled,
}

impl BillingFiles {
    /// Starts the thread, on other CPUs than the shards' where this process may use others.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_off(shard_cpus: Vec<usize>) -> io::Result<Self> {
        let (orders, inbox) = bounded(FILE_ORDERS_MAX);
        let worker = std::thread::Builder::new().name("billing-files".into()).spawn(move || {
            host::cpus::leave_cpus(&shard_cpus);
            work(&inbox);
        })?;
        Ok(Self { orders, worker: Some(worker) })
    }

    /// A line to the thread, for the log in `directory`.
    pub(super) fn line(&self, directory: &Path, shard: u16) -> Line {
        let (reply, replies) = bounded(FILE_REPLIES_MAX);
        let directory = Arc::from(directory);
        Line { directory, shard, orders: self.orders.clone(), reply, replies }
    }
}

impl Drop for BillingFiles {
    fn drop(&mut self) {
        let deadline = clock::instant() + END_WITHIN;
        // Logs may still hold lines of their own: the order ends the thread all the same.
        let _ = self.orders.send_deadline(Order::Stop, deadline);
        // What it has in hand holds no event that the journal lacks.
        if let Some(worker) = self.worker.take()
            && !join_by(worker, deadline)
        {
            tracing::warn!(
                "the device does not answer: billing files that were being opened are left as they \
                 are"
            );
        }
    }
}

/// One log's line to the thread. Nothing of it waits.
#[derive(Debug)]
pub(super) struct Line {
    directory: Arc<Path>,
    shard: u16,
    orders: Sender<Order>,
    reply: Sender<Made>,
    replies: Receiver<Made>,
}

impl Line {
    /// Whether the day's file will be opened.
    pub(super) fn open(&self, day: Day) -> bool {
        let (directory, reply) = (Arc::clone(&self.directory), self.reply.clone());
        self.order(Order::Open { directory, shard: self.shard, day, reply })
    }

    /// Whether the file will be given room.
    pub(super) fn grow(&self, growth: Growth) -> bool {
        self.order(Order::Grow { growth, reply: self.reply.clone() })
    }

    /// A file for the next day is to be there.
    pub(super) fn prepare_next_day(&self) {
        self.order(Order::PrepareNextDay { directory: Arc::clone(&self.directory) });
    }

    /// Whether a file that takes no more events will be made durable: if it cannot, the process
    /// ends.
    pub(super) fn settle(&self, day: &DayFile) -> bool {
        let (file, path) = (Arc::clone(day.file()), day.path().to_path_buf());
        self.order(Order::Settle { file, path, reply: self.reply.clone() })
    }

    pub(super) fn next_made(&self) -> Option<Made> {
        self.replies.try_recv().ok()
    }

    fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}

fn work(inbox: &Receiver<Order>) {
    while let Ok(order) = inbox.recv() {
        match order {
            Order::Open { directory, shard, day, reply } => {
                let opened = DayFile::open(&directory, shard, day);
                // A log that is gone needs no file.
                let _ = reply.try_send(Made::Opened(day, opened));
                prepare_next_day(&directory);
            }
            Order::Grow { growth, reply } => {
                let slots = growth.carry_out().ok();
                let _ = reply.try_send(Made::Grown(growth.day, slots));
                // The events are on the device piece by piece. A sync of a whole segment's events
                // would be one write of megabytes, and a commit would wait behind it.
                make_durable(&growth.file, &growth.path);
            }
            Order::PrepareNextDay { directory } => prepare_next_day(&directory),
            Order::Settle { file, path, reply } => {
                make_durable(&file, &path);
                let _ = reply.try_send(Made::Settled);
            }
            Order::Stop => return,
        }
    }
}

/// Ends the process where that fails: the system tells of a failed sync only once, and nobody knows
/// then which events the device has.
fn make_durable(file: &File, path: &Path) {
    if let Err(error) = file.sync_data() {
        let path = path.display();
        let cause = format!("billing events in {path} could not be made durable ({error})");
        Fatal::new(FatalReason::SyncFailed, cause).end_process();
    }
}

fn prepare_next_day(directory: &Path) {
    if let Err(error) = make_next_day(directory) {
        let directory = directory.display();
        tracing::debug!(
            %directory,
            %error,
            "the next day's billing file is made when it is needed"
        );
    }
}
