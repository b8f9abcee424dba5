//! One partition's log, read by pulls: so many octets at a time, and the next ones when they are
//! asked for.
//!
//! A reader lives at one of the servers, which may be behind; what it brings is in order and
//! without a gap, or it is given up and begun anew: so is one whose news found no room.

use super::limits::{ORDER, READER_KEPT, REPLAY_OCTETS_MAX};
use super::news::NewsBox;
use crate::cluster::limits::REPLAY_CHUNKS_MAX;
use crate::cluster::ports::LogNews;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::stream::Stream;
use futures_util::StreamExt as _;
use std::sync::Arc;
use tokio::time::timeout;

/// A reader at a server, and the sequence that it brings next.
#[derive(Debug)]
struct Reader {
    consumer: Consumer<Config>,
    due: u64,
    is_fresh: bool,
}

/// One partition's replay.
#[derive(Debug)]
pub(super) struct Replay {
    partition: u16,
    stream: Arc<Stream<()>>,
    news: Arc<NewsBox>,
    reader: Option<Reader>,
}

impl Replay {
    pub(super) fn new(partition: u16, stream: Arc<Stream<()>>, news: Arc<NewsBox>) -> Self {
        Self { partition, stream, news, reader: None }
    }

    /// Brings the next messages from `from` on, and the log's last sequence as the reader's server
    /// knows it. Whether it could; where not, nothing says that the end was told.
    pub(super) async fn read_on(&mut self, from: u64) -> bool {
        let mut reader = match self.reader.take() {
            Some(reader) if reader.due == from => reader,
            _ => match self.begin(from).await {
                Some(reader) => reader,
                None => return false,
            },
        };
        let last = match self.pull(&mut reader).await {
            None => return false,
            Some(Some(last)) => last,
            Some(None) => match self.stream.get_info().await {
                Ok(info) => info.state.last_sequence,
                Err(_) => return false,
            },
        };
        self.reader = Some(reader);
        self.news.put(LogNews::End { partition: self.partition, last });
        true
    }

    async fn begin(&self, from: u64) -> Option<Reader> {
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ack_policy: AckPolicy::None,
            inactive_threshold: READER_KEPT,
            num_replicas: 1,
            memory_storage: true,
            ..Config::default()
        };
        let consumer = self.stream.create_consumer(config).await.ok()?;
        Some(Reader { consumer, due: from, is_fresh: true })
    }

    /// One pull: the last sequence as the last message tells it, none without a message; nothing
    /// where the reader is of no use any more.
    async fn pull(&self, reader: &mut Reader) -> Option<Option<u64>> {
        let consumer = reader.consumer.clone();
        let fetch = consumer.fetch().max_messages(REPLAY_CHUNKS_MAX).max_bytes(REPLAY_OCTETS_MAX);
        let mut batch = timeout(ORDER, fetch.messages()).await.ok()?.ok()?;
        let mut last: Option<u64> = None;
        while let Some(message) = timeout(ORDER, batch.next()).await.ok()? {
            let Ok(message) = message else {
                // The next message has no room in this pull; without one the reader is gone.
                last?;
                break;
            };
            let info = message.info().ok()?;
            let sequence = info.stream_sequence;
            // Behind a purge the first one that is left comes first.
            if sequence != reader.due && !(reader.is_fresh && sequence > reader.due) {
                return None;
            }
            (reader.due, reader.is_fresh) = (sequence + 1, false);
            last = Some(sequence + info.pending);
            let octets = Arc::from(&message.payload[..]);
            // One that is lost leaves a gap behind which nothing may come: the reader is given up,
            // and what is due is asked for again.
            if !self.news.put(LogNews::Message { partition: self.partition, sequence, octets }) {
                return None;
            }
        }
        Some(last)
    }
}
