//! The replicated log of each partition as a stream: the port of the pure part over NATS.
//!
//! An order becomes a task of its own and an answer a piece of news; an order that failed, or that
//! nobody answered in time, has none. Whoever gave it gives it again. A publish names the sequence
//! that it expects, and the stream refuses it otherwise: that is the fence. What stands behind a
//! sequence is asked of the stream's leader.

use super::limits::{ACKNOWLEDGEMENT, ORDER, PUBLISHES_MAX, REPLAYS_MAX};
use super::names::Names;
use super::news::NewsBox;
use super::replay::Replay;
use super::wake::NatsWake;
use crate::cluster::ports::{LogNews, ReplicatedLog};
use async_nats::Client;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ContextBuilder};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{Mutex, Semaphore};

/// One partition's stream, and what is under way to it.
#[derive(Debug)]
struct PartLog {
    subject: String,
    stream: Arc<Stream<()>>,
    publishes: Arc<AtomicUsize>,
    asks: Arc<AtomicUsize>,
    looks: Arc<AtomicUsize>,
    replay: Arc<Mutex<Replay>>,
}

/// What became of orders, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NatsFigures {
    /// Orders that failed, or that nobody answered in time.
    pub failed: u64,
    /// News that found no room.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Failures {
    failed: AtomicU64,
}

/// The logs of a cluster's partitions.
#[derive(Debug)]
pub struct NatsLog {
    publisher: Context,
    parts: Vec<PartLog>,
    replays: Arc<Semaphore>,
    news: Arc<NewsBox>,
    failures: Arc<Failures>,
}

impl NatsLog {
    /// The logs of so many partitions, over two connections: what is read does not hold up what is
    /// published.
    pub(super) async fn new(
        publisher: Client,
        reader: Client,
        names: &Names,
        partitions: u16,
        wake: &NatsWake,
    ) -> Option<Self> {
        let news = Arc::new(NewsBox::new(wake.clone()));
        let asker = ContextBuilder::new().timeout(ORDER).build(publisher.clone());
        let publisher = ContextBuilder::new().timeout(ACKNOWLEDGEMENT).build(publisher);
        let reader = ContextBuilder::new().timeout(ORDER).build(reader);
        let mut parts = Vec::new();
        for partition in 0..partitions {
            let name = names.part_stream(partition);
            let stream = Arc::new(asker.get_stream_no_info(&name).await.ok()?);
            let read = Arc::new(reader.get_stream_no_info(&name).await.ok()?);
            parts.push(PartLog {
                subject: names.part_subject(partition),
                stream,
                publishes: Arc::default(),
                asks: Arc::default(),
                looks: Arc::default(),
                replay: Arc::new(Mutex::new(Replay::new(partition, read, Arc::clone(&news)))),
            });
        }
        let replays = Arc::new(Semaphore::new(REPLAYS_MAX));
        Some(Self { publisher, parts, replays, news, failures: Arc::default() })
    }

    /// What became of orders so far.
    pub fn figures(&self) -> NatsFigures {
        NatsFigures { failed: self.failures.failed.load(Ordering::Relaxed), lost: self.news.lost() }
    }
}

/// Does `work` in a task of its own, unless `most` are under way already.
fn begin(
    under_way: &Arc<AtomicUsize>,
    most: usize,
    work: impl Future<Output = ()> + Send + 'static,
) {
    if under_way.load(Ordering::Relaxed) >= most {
        return;
    }
    under_way.fetch_add(1, Ordering::Relaxed);
    let under_way = Arc::clone(under_way);
    tokio::spawn(async move {
        work.await;
        under_way.fetch_sub(1, Ordering::Relaxed);
    });
}

impl ReplicatedLog for NatsLog {
    fn publish(&mut self, partition: u16, expected: u64, chunk: Arc<[u8]>) {
        let Some(part) = self.parts.get(usize::from(partition)) else { return };
        let message = PublishMessage::build()
            .payload(Bytes::from_owner(chunk))
            .expected_last_sequence(expected);
        let (publisher, subject) = (self.publisher.clone(), part.subject.clone());
        let (news, failures) = (Arc::clone(&self.news), Arc::clone(&self.failures));
        begin(&part.publishes, PUBLISHES_MAX, async move {
            let answer = match publisher.send_publish(subject, message).await {
                Ok(answer) => answer.await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(ack) => {
                    news.put(LogNews::Stored { partition, expected, sequence: ack.sequence });
                }
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    news.put(LogNews::Refused { partition, expected });
                }
                Err(error) if is_full(&error) => {
                    news.put(LogNews::Full { partition, expected });
                }
                Err(_) => {
                    failures.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    fn read_behind(&mut self, partition: u16, sequence: u64) {
        let Some(part) = self.parts.get(usize::from(partition)) else { return };
        let stream = Arc::clone(&part.stream);
        let (news, failures) = (Arc::clone(&self.news), Arc::clone(&self.failures));
        begin(&part.asks, 1, async move {
            match behind(&stream, sequence).await {
                Some((message, end)) => {
                    news.put(LogNews::Behind { partition, sequence, message, end });
                }
                None => {
                    failures.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    fn replay(&mut self, partition: u16, from: u64) {
        let Some(part) = self.parts.get(usize::from(partition)) else { return };
        // One that is still under way answers, too.
        let Ok(mut replay) = Arc::clone(&part.replay).try_lock_owned() else { return };
        let (replays, failures) = (Arc::clone(&self.replays), Arc::clone(&self.failures));
        tokio::spawn(async move {
            let Ok(_permit) = replays.acquire().await else { return };
            if !replay.read_on(from).await {
                failures.failed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    fn look_at_end(&mut self, partition: u16) {
        let Some(part) = self.parts.get(usize::from(partition)) else { return };
        let stream = Arc::clone(&part.stream);
        let (news, failures) = (Arc::clone(&self.news), Arc::clone(&self.failures));
        begin(&part.looks, 1, async move {
            match stream.get_info().await {
                Ok(info) => {
                    news.put(LogNews::End { partition, last: info.state.last_sequence });
                }
                Err(_) => {
                    failures.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    fn purge(&mut self, partition: u16, below: u64) {
        let Some(part) = self.parts.get(usize::from(partition)) else { return };
        let (stream, failures) = (Arc::clone(&part.stream), Arc::clone(&self.failures));
        tokio::spawn(async move {
            // One that fails is made up for by the next: nothing but room depends on it.
            if stream.purge().sequence(below).await.is_err() {
                failures.failed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    fn news(&mut self) -> Option<LogNews> {
        self.news.take()
    }
}

/// Whether the log has no room for what was published.
fn is_full(error: &async_nats::jetstream::context::PublishError) -> bool {
    let source = std::error::Error::source(error);
    let refusal = source.and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    refusal.is_some_and(|refusal| refusal.error_code().0 == STORE_FULL)
}

/// The server's code for a stream that has no room.
const STORE_FULL: u64 = 10_077;

/// What the leader has at a sequence, and the log's last one; none where it does not say.
///
/// The end is asked first. What the log has grown to since then makes no difference: a message that
/// was there then and is not there now was purged.
async fn behind(stream: &Stream<()>, sequence: u64) -> Option<(Option<Arc<[u8]>>, u64)> {
    let state = stream.get_info().await.ok()?.state;
    match stream.get_raw_message(sequence).await {
        Ok(message) => Some((Some(Arc::from(&message.payload[..])), state.last_sequence)),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
            // Two leaders that contradict each other: the next question meets one that is right.
            let is_purged = sequence < state.first_sequence;
            let is_ahead = sequence > state.last_sequence;
            (is_purged || is_ahead).then_some((None, state.last_sequence))
        }
        Err(_) => None,
    }
}
