//! The ports over NATS for a test: orders from the test's thread to the thread of NATS, and what
//! comes in back.

use crate::nats::urls;
use crate::wait::PATIENCE;
use hayauma::cluster::node::NodeName;
use hayauma::cluster::ports::{Liveness, LogNews, PartEntry, ReplicatedLog, Sight};
use hayauma::cluster::servers::{ClusterName, LogServers};
use hayauma::nats::{NatsGuest, NatsLog, NatsSetup, NatsStore, NatsWake, host};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So long an answer is waited for, before it is asked what became of a chunk.
const UNANSWERED: Duration = Duration::from_millis(2_500);

/// What one test orders and hears.
#[derive(Debug)]
pub struct NatsDesk {
    orders: Option<Sender<Order>>,
    news: Receiver<LogNews>,
    sights: Receiver<Sight>,
    wake: NatsWake,
    thread: Option<JoinHandle<()>>,
}

type Order = Box<dyn FnOnce(&mut NatsLog, &mut NatsStore) + Send>;

struct DeskGuest {
    orders: Receiver<Order>,
    news: Sender<LogNews>,
    sights: Sender<Sight>,
}

impl NatsGuest for DeskGuest {
    fn turn(&mut self, log: &mut NatsLog, nodes: &mut NatsStore) -> ControlFlow<()> {
        loop {
            match self.orders.try_recv() {
                Ok(order) => order(log, nodes),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
            }
        }
        while let Some(news) = log.news() {
            let _ = self.news.send(news);
        }
        while let Some(sight) = nodes.seen() {
            let _ = self.sights.send(sight);
        }
        ControlFlow::Continue(())
    }
}

/// What a node of this name needs.
///
/// # Panics
/// When a name is none.
pub fn setup(addresses: &[SocketAddr], cluster: &str, partitions: u16, node: &str) -> NatsSetup {
    NatsSetup {
        servers: LogServers { addresses: urls("nats", addresses), ..LogServers::default() },
        cluster: ClusterName::parse(cluster).expect("a name"),
        partitions,
        me: NodeName::parse(node).expect("a name"),
    }
}

impl NatsDesk {
    /// Begins to work.
    pub fn open(setup: NatsSetup) -> Self {
        let (orders, ordered) = channel();
        let (tell_news, news) = channel();
        let (tell_sights, sights) = channel();
        let wake = NatsWake::default();
        let woken = wake.clone();
        let thread = std::thread::spawn(move || {
            let mut guest = DeskGuest { orders: ordered, news: tell_news, sights: tell_sights };
            host(&setup, &woken, &mut guest).expect("a thread of NATS");
        });
        Self { orders: Some(orders), news, sights, wake, thread: Some(thread) }
    }

    fn order(&self, order: impl FnOnce(&mut NatsLog, &mut NatsStore) + Send + 'static) {
        if let Some(orders) = &self.orders {
            orders.send(Box::new(order)).expect("the thread of NATS");
        }
        self.wake.wake();
    }

    /// See [`ReplicatedLog::publish`].
    pub fn publish(&self, partition: u16, expected: u64, chunk: &[u8]) {
        let chunk: Arc<[u8]> = chunk.into();
        self.order(move |log, _| log.publish(partition, expected, chunk));
    }

    /// Publishes and waits: where it was stored, or none if it was refused or has no room.
    ///
    /// # Panics
    /// When nobody answers.
    #[track_caller]
    pub fn published(&self, partition: u16, expected: u64, chunk: &[u8]) -> Option<u64> {
        let deadline = Instant::now() + PATIENCE;
        self.publish(partition, expected, chunk);
        while Instant::now() < deadline {
            match self.news_within(UNANSWERED) {
                Some(LogNews::Stored { partition: stored, expected: named, sequence }) => {
                    assert_eq!((stored, named), (partition, expected));
                    return Some(sequence);
                }
                Some(LogNews::Refused { .. } | LogNews::Full { .. }) => return None,
                // The answer to something that was asked twice.
                Some(_) => {}
                // A busy machine: what became of it is asked, as an owner would.
                None => match self.behind(partition, expected + 1) {
                    (Some(found), _) => return (found == chunk).then_some(expected + 1),
                    (None, end) if end == expected => self.publish(partition, expected, chunk),
                    (None, _) => return None,
                },
            }
        }
        panic!("nobody says what became of a chunk of partition {partition}");
    }

    /// See [`ReplicatedLog::read_behind`].
    pub fn read_behind(&self, partition: u16, sequence: u64) {
        self.order(move |log, _| log.read_behind(partition, sequence));
    }

    /// Asks the leader until it answers: the message, and the log's end.
    ///
    /// # Panics
    /// When nobody answers.
    #[track_caller]
    pub fn behind(&self, partition: u16, sequence: u64) -> (Option<Vec<u8>>, u64) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.read_behind(partition, sequence);
            if let Some(LogNews::Behind { message, end, .. }) =
                self.news_within(Duration::from_millis(1_200))
            {
                return (message.map(|octets| octets.to_vec()), end);
            }
        }
        panic!("the leader of partition {partition} does not answer");
    }

    /// Replays all from `from` on: the messages with their sequences.
    ///
    /// # Panics
    /// When nobody answers.
    #[track_caller]
    pub fn replayed(&self, partition: u16, from: u64) -> Vec<(u64, Vec<u8>)> {
        let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let next = found.last().map_or(from, |(sequence, _)| sequence + 1);
            self.order(move |log, _| log.replay(partition, next));
            while let Some(news) = self.news_within(Duration::from_millis(1_500)) {
                match news {
                    LogNews::Message { sequence, octets, .. } => {
                        found.push((sequence, octets.to_vec()));
                    }
                    LogNews::End { last, .. } => {
                        if found.last().map_or(from - 1, |(sequence, _)| *sequence) >= last {
                            return found;
                        }
                        break;
                    }
                    _ => {}
                }
            }
        }
        panic!("the replay of partition {partition} does not end");
    }

    /// See [`ReplicatedLog::look_at_end`]; asked until somebody answers.
    ///
    /// # Panics
    /// When nobody does.
    #[track_caller]
    pub fn end(&self, partition: u16) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.order(move |log, _| log.look_at_end(partition));
            while let Some(news) = self.news_within(Duration::from_millis(1_200)) {
                if let LogNews::End { last, .. } = news {
                    return last;
                }
            }
        }
        panic!("nobody knows the end of partition {partition}");
    }

    /// See [`ReplicatedLog::purge`].
    pub fn purge(&self, partition: u16, below: u64) {
        self.order(move |log, _| log.purge(partition, below));
    }

    /// See [`Liveness::take`].
    pub fn take(&self, partition: u16, entry: PartEntry, revision: u64) {
        self.order(move |_, nodes| nodes.take(partition, entry, revision));
    }

    /// Does something with the store.
    pub fn with_store(&self, work: impl FnOnce(&mut NatsStore) + Send + 'static) {
        self.order(move |_, nodes| work(nodes));
    }

    /// The next piece of news within this time.
    pub fn news_within(&self, patience: Duration) -> Option<LogNews> {
        self.news.recv_timeout(patience).ok()
    }

    /// The next piece of news.
    ///
    /// # Panics
    /// When there is none in time.
    #[track_caller]
    pub fn news(&self, what: &str) -> LogNews {
        self.news.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waited for {what}"))
    }

    /// The next sight within this time.
    pub fn sight_within(&self, patience: Duration) -> Option<Sight> {
        self.sights.recv_timeout(patience).ok()
    }

    /// The next sight that this finds something in.
    ///
    /// # Panics
    /// When there is none in time.
    #[track_caller]
    pub fn sight<T>(&self, what: &str, mut look: impl FnMut(Sight) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let sight =
                self.sights.recv_timeout(left).unwrap_or_else(|_| panic!("waited for {what}"));
            if let Some(found) = look(sight) {
                return found;
            }
        }
    }
}

impl Drop for NatsDesk {
    fn drop(&mut self) {
        self.orders = None;
        self.wake.wake();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the thread of NATS has failed");
        }
    }
}
