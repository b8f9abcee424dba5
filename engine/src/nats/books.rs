//! The books of a cluster in its log: what billing events the records of a partition have is kept
//! in a stream of its own before the partition's log is cut, so that no node's disk is needed for
//! a bill.
//!
//! An event may be there twice, where a node was told to keep it again: it has one identity.

use super::connect::{GivenUp, connect, connect_some_time};
use super::error::NatsError;
use super::hosting::runtime;
use super::limits::{
    BOOKS_ORDERS_MAX, BOOKS_PIECE_OCTETS, CHANGE, CHANGES_AT_ONCE, ORDER, READER_KEPT,
    READINGS_MAX, REOPEN, REPLAY_OCTETS_MAX, SETUP,
};
use super::names::Names;
use super::setup::{cluster_entry, refused, streams_there};
use super::wake::NatsWake;
use crate::cluster::limits::REPLAY_CHUNKS_MAX;
use crate::cluster::node::NodeName;
use crate::cluster::servers::{ClusterName, LogServers};
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ContextBuilder};
use bytes::Bytes;
use crossbeam::channel::{Receiver, Sender, unbounded};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// What events a chunk's records have, as octets; or why it cannot be read.
pub type EventsOfChunk = fn(partition: u16, chunk: &[u8]) -> Result<Vec<u8>, String>;

/// Keep the events of these sequences of a partition's log: from the first, below the second.
type Order = (u16, u64, u64);

/// Who keeps events before a log is cut.
#[derive(Debug)]
pub struct BooksKeeper {
    orders: mpsc::Sender<Order>,
    done: Receiver<(u16, u64)>,
}

impl BooksKeeper {
    /// Begins to work on a thread of its own; `wake` is woken by what is done.
    ///
    /// # Errors
    /// The system has no room for another thread.
    pub fn start(
        (servers, cluster, me): (&LogServers, &ClusterName, NodeName),
        events: EventsOfChunk,
        wake: NatsWake,
    ) -> Result<Self, NatsError> {
        let (orders, waiting) = mpsc::channel(BOOKS_ORDERS_MAX);
        // As many as orders, at most.
        let (told, done) = unbounded();
        let (servers, names) = (servers.clone(), Names::new(cluster));
        let runtime = runtime()?;
        let thread = std::thread::Builder::new().name("books-log".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(work(&servers, &names, me, events, waiting, (told, wake)));
            runtime.shutdown_background();
        });
        thread.map_err(NatsError::Runtime)?;
        Ok(Self { orders, done })
    }

    /// Has the events of these sequences kept, which [`Self::done`] tells of. Whether there was
    /// room for the order; what fails is not told of, and is to be ordered again.
    pub fn keep(&self, partition: u16, from: u64, below: u64) -> bool {
        self.orders.try_send((partition, from, below)).is_ok()
    }

    /// A partition whose events below this sequence are kept.
    pub fn done(&self) -> Option<(u16, u64)> {
        self.done.try_recv().ok()
    }
}

async fn work(
    servers: &LogServers,
    names: &Names,
    me: NodeName,
    events: EventsOfChunk,
    mut waiting: mpsc::Receiver<Order>,
    (told, wake): (Sender<(u16, u64)>, NatsWake),
) {
    let name = format!("hayauma {me} books");
    loop {
        let given_up = GivenUp::default();
        let Ok(client) = connect_some_time(servers, &name, &given_up).await else { return };
        let context = ContextBuilder::new().timeout(CHANGE).build(client);
        while !given_up.is_true() {
            let Some((partition, from, below)) = waiting.recv().await else { return };
            match keep(&context, names, events, (partition, from, below)).await {
                Ok(()) => {
                    let _ = told.send((partition, below));
                    wake.wake();
                }
                Err(error) => {
                    tracing::warn!(partition, "the books of a log cannot be kept yet: {error}");
                }
            }
        }
        sleep(REOPEN).await;
    }
}

async fn keep(
    context: &Context,
    names: &Names,
    events: EventsOfChunk,
    (partition, from, below): Order,
) -> Result<(), String> {
    let log = context.get_stream_no_info(names.part_stream(partition)).await;
    let log = log.map_err(|error| error.to_string())?;
    let one = |sequence: u64| {
        let log = &log;
        async move {
            match log.get_raw_message(sequence).await {
                Ok(message) => Ok(Some(message.payload)),
                // What is gone was kept before it went.
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        }
    };
    let mut chunks = stream::iter(from..below).map(one).buffered(CHANGES_AT_ONCE);
    let mut piece = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        let Some(chunk) = chunk else { continue };
        piece.extend(events(partition, &chunk)?);
        if piece.len() >= BOOKS_PIECE_OCTETS {
            put(context, names, partition, std::mem::take(&mut piece)).await?;
        }
    }
    if piece.is_empty() { Ok(()) } else { put(context, names, partition, piece).await }
}

async fn put(
    context: &Context,
    names: &Names,
    partition: u16,
    piece: Vec<u8>,
) -> Result<(), String> {
    let answer = context.publish(names.billing_subject(partition), Bytes::from(piece)).await;
    let answer = answer.map_err(|error| error.to_string())?;
    answer.await.map(drop).map_err(|error| error.to_string())
}

/// A piece of the books of a cluster.
#[derive(Clone, Copy, Debug)]
pub enum BooksPiece<'a> {
    /// A chunk of the partition's log.
    Chunk(&'a [u8]),
    /// Events that were kept before the log was cut.
    Events(&'a [u8]),
}

/// A cluster whose books are read.
#[derive(Debug)]
pub struct ClusterBooks {
    runtime: tokio::runtime::Runtime,
    context: Context,
    names: Names,
    /// Its partitions.
    pub partitions: u16,
}

impl ClusterBooks {
    /// Connects to a cluster.
    ///
    /// # Errors
    /// No server answers, or there is no such cluster.
    pub fn open(servers: &LogServers, cluster: &ClusterName) -> Result<Self, NatsError> {
        let (runtime, names) = (runtime()?, Names::new(cluster));
        let (context, partitions) = runtime.block_on(async {
            let client = connect(servers, "hayauma books").await?;
            let context = ContextBuilder::new().timeout(SETUP).build(client);
            let none = || NatsError::NoCluster(cluster.clone());
            if !streams_there(&context).await?.contains(&names.bucket_stream()) {
                return Err(none());
            }
            let entry = cluster_entry(&context, &names).await?.ok_or_else(none)?;
            Ok::<_, NatsError>((context, entry.partitions))
        })?;
        Ok(Self { runtime, context, names, partitions })
    }

    /// Hands out all that the cluster has of a partition's books: its log first, for what goes from
    /// there was kept before.
    ///
    /// # Errors
    /// A server does not say.
    pub fn read(
        &self,
        partition: u16,
        mut each: impl FnMut(BooksPiece<'_>),
    ) -> Result<(), NatsError> {
        let (log, subject) =
            (self.names.part_stream(partition), self.names.part_subject(partition));
        let kept = (self.names.billing().0, self.names.billing_subject(partition));
        self.runtime.block_on(async {
            read_all(&self.context, log, subject, &mut |octets| each(BooksPiece::Chunk(octets)))
                .await?;
            read_all(&self.context, kept.0, kept.1, &mut |octets| each(BooksPiece::Events(octets)))
                .await
        })
    }
}

/// Reads every message of a subject that is there now.
async fn read_all(
    context: &Context,
    name: String,
    subject: String,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), NatsError> {
    let failed = refused("show the books");
    let log = context.get_stream_no_info(name).await;
    let log = log.map_err(|error| failed(error.to_string()))?;
    let mut reading = Reading { log, subject, next: 0, until: None };
    let mut in_vain = 0;
    loop {
        let before = reading.next;
        let why = match reading.go_on(each).await {
            Ok(true) => return Ok(()),
            Ok(false) => "a pull brings nothing".to_owned(),
            Err(why) => why,
        };
        in_vain = if reading.next > before { 0 } else { in_vain + 1 };
        if in_vain >= READINGS_MAX {
            let Reading { subject, next, .. } = reading;
            return Err(failed(format!("{subject} stands still at message {next}: {why}")));
        }
        sleep(REOPEN).await;
    }
}

/// A subject that is being read.
struct Reading {
    log: Stream<()>,
    subject: String,
    /// The sequence that comes next, or a later one.
    next: u64,
    /// The last one that was there when this began.
    until: Option<u64>,
}

impl Reading {
    /// Reads on behind what was read, by a reader of its own; whether to the end.
    async fn go_on(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<bool, String> {
        // The stream's leader knows the end. The server at which a reader lives may be behind, and
        // takes its own end for that of the stream.
        let Some(last) = self.last().await? else { return Ok(true) };
        let until = *self.until.get_or_insert(last);
        if self.next > until {
            return Ok(true);
        }
        let reader = self.reader().await?;
        while self.next <= until {
            let before = self.next;
            self.pull(&reader, each).await?;
            if self.next == before {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The last message's sequence; none where there is none, or none any more.
    async fn last(&self) -> Result<Option<u64>, String> {
        match self.log.get_last_raw_message_by_subject(&self.subject).await {
            Ok(message) => Ok(Some(message.sequence)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn reader(&self) -> Result<Consumer<Config>, String> {
        let config = Config {
            deliver_policy: match self.next {
                0 => DeliverPolicy::All,
                start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
            },
            filter_subject: self.subject.clone(),
            ack_policy: AckPolicy::None,
            inactive_threshold: READER_KEPT,
            num_replicas: 1,
            memory_storage: true,
            ..Config::default()
        };
        self.log.create_consumer(config).await.map_err(|error| error.to_string())
    }

    /// One pull. It is an error where that is said instead of the first message.
    async fn pull(
        &mut self,
        reader: &Consumer<Config>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), String> {
        let fetch = reader.fetch().max_messages(REPLAY_CHUNKS_MAX).max_bytes(REPLAY_OCTETS_MAX);
        let mut batch = fetch.messages().await.map_err(|error| error.to_string())?;
        let before = self.next;
        loop {
            match timeout(ORDER, batch.next()).await {
                Ok(Some(Ok(message))) => {
                    let info = message.info().map_err(|error| error.to_string())?;
                    self.next = info.stream_sequence + 1;
                    each(&message.payload);
                }
                // Behind some messages it says that the next has no room in this pull.
                _ if self.next > before => return Ok(()),
                Ok(Some(Err(error))) => return Err(error.to_string()),
                Ok(None) => return Ok(()),
                Err(_) => return Err("nobody answers a pull".to_owned()),
            }
        }
    }
}
