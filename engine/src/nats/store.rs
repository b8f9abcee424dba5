//! The bucket in which the nodes find each other: the second port of the pure part over NATS.
//!
//! A value is written with the revision that it follows, so of two writers one wins. What changes
//! is watched by pulls: the watch begins anew when it missed something or says nothing, and then
//! tells every value once more. A node that hears nothing knows by that that it may judge nobody.

use super::entries::{read_beat, read_part, write_beat, write_part};
use super::limits::{
    ORDER, READER_KEPT, SIGHTS_MAX, WATCH_PAUSE, WATCH_PULL, WATCH_SILENCE, WATCHED_MAX,
};
use super::names::{Key, Names};
use super::wake::NatsWake;
use crate::cluster::beats::Beat;
use crate::cluster::node::NodeName;
use crate::cluster::ports::{Liveness, PartEntry, Sight};
use async_nats::Client;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{Context, ContextBuilder, Message};
use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What has been seen, for the guest.
#[derive(Debug)]
struct SightBox {
    sights: ArrayQueue<Sight>,
    wake: NatsWake,
}

impl SightBox {
    /// Puts in a sight; whether there was room.
    fn put(&self, sight: Sight) -> bool {
        let is_in = self.sights.push(sight).is_ok();
        self.wake.wake();
        is_in
    }
}

/// What this node's own beat stands at.
#[derive(Debug, Default)]
struct OwnBeat {
    /// The newest revision of its key that was seen or written.
    revision: AtomicU64,
    is_under_way: AtomicBool,
}

/// The bucket.
#[derive(Debug)]
pub struct NatsStore {
    context: Context,
    names: Names,
    own: Arc<OwnBeat>,
    sights: Arc<SightBox>,
    watch: JoinHandle<()>,
}

impl NatsStore {
    /// The bucket of a cluster as `me` sees it; the watch begins at once.
    pub(super) async fn new(
        client: Client,
        names: Names,
        me: NodeName,
        wake: &NatsWake,
    ) -> Option<Self> {
        let context = ContextBuilder::new().timeout(ORDER).build(client);
        let stream = context.get_stream_no_info(names.bucket_stream()).await.ok()?;
        let sights = ArrayQueue::new(SIGHTS_MAX);
        let sights = Arc::new(SightBox { sights, wake: wake.clone() });
        let own = Arc::new(OwnBeat::default());
        let watch = Watch {
            stream,
            names: names.clone(),
            me,
            own: Arc::clone(&own),
            sights: Arc::clone(&sights),
        };
        Some(Self { context, names, own, sights, watch: tokio::spawn(watch.run()) })
    }
}

impl Drop for NatsStore {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Writes a value behind a revision: the new revision, or none where it is another one. Nothing is
/// known where nobody answers.
async fn write(
    context: &Context,
    subject: String,
    value: String,
    revision: u64,
) -> Result<Option<u64>, ()> {
    let message =
        PublishMessage::build().payload(value.into()).expected_last_subject_sequence(revision);
    let answer = match context.send_publish(subject, message).await {
        Ok(answer) => answer.await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(ack) => Ok(Some(ack.sequence)),
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
        Err(_) => Err(()),
    }
}

impl Liveness for NatsStore {
    fn beat(&mut self, node: NodeName, beat: Beat) {
        // One at a time: the next beat says all that this one would have said.
        if self.own.is_under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let (context, own) = (self.context.clone(), Arc::clone(&self.own));
        let subject = self.names.key(Key::Node(node));
        tokio::spawn(async move {
            let revision = own.revision.load(Ordering::Acquire);
            if let Ok(Some(written)) = write(&context, subject, write_beat(beat), revision).await {
                own.revision.fetch_max(written, Ordering::AcqRel);
            }
            own.is_under_way.store(false, Ordering::Release);
        });
    }

    fn leave(&mut self, node: NodeName) {
        let context = self.context.clone();
        let subject = self.names.key(Key::Node(node));
        tokio::spawn(async move {
            // An empty value is no beat: whoever watches sees that the node is gone.
            let message = PublishMessage::build().payload(Bytes::new());
            if let Ok(answer) = context.send_publish(subject, message).await {
                let _ = answer.await;
            }
        });
    }

    fn take(&mut self, partition: u16, entry: PartEntry, revision: u64) {
        let (context, sights) = (self.context.clone(), Arc::clone(&self.sights));
        let subject = self.names.key(Key::Part(partition));
        tokio::spawn(async move {
            match write(&context, subject, write_part(&entry), revision).await {
                Ok(Some(revision)) => {
                    sights.put(Sight::Taken { partition, entry, revision });
                }
                Ok(None) => {
                    sights.put(Sight::NotTaken { partition, revision });
                }
                Err(()) => {}
            }
        });
    }

    fn seen(&mut self) -> Option<Sight> {
        self.sights.sights.pop()
    }
}

/// Looks at the bucket for as long as it is there.
struct Watch {
    stream: Stream<()>,
    names: Names,
    me: NodeName,
    own: Arc<OwnBeat>,
    sights: Arc<SightBox>,
}

impl Watch {
    async fn run(self) {
        loop {
            // Every value is told when it begins anew, so nothing is missed in between.
            let _ = self.watch().await;
            sleep(WATCH_PAUSE).await;
        }
    }

    /// Tells every value and then every change, until it is of no use any more.
    async fn watch(&self) -> Option<()> {
        let config = Config {
            deliver_policy: DeliverPolicy::LastPerSubject,
            filter_subject: self.names.all_keys(),
            ack_policy: AckPolicy::None,
            inactive_threshold: READER_KEPT,
            num_replicas: 1,
            memory_storage: true,
            ..Config::default()
        };
        let consumer = self.stream.create_consumer(config).await.ok()?;
        let mut due = 1;
        loop {
            let pull = consumer.batch().max_messages(WATCHED_MAX).expires(WATCH_PULL);
            let mut batch = timeout(WATCH_SILENCE, pull.messages()).await.ok()?.ok()?;
            while let Some(message) = timeout(WATCH_SILENCE, batch.next()).await.ok()? {
                let message = message.ok()?;
                let info = message.info().ok()?;
                if info.consumer_sequence != due {
                    return None;
                }
                due += 1;
                let revision = info.stream_sequence;
                if !self.tell(&message, revision) {
                    return None;
                }
            }
        }
    }

    /// Tells what a value says; whether there was room. One that this program cannot read says
    /// nothing.
    fn tell(&self, message: &Message, revision: u64) -> bool {
        let Some(key) = self.names.key_of(&message.subject) else { return true };
        let is_gone = message.payload.is_empty();
        let sight = match key {
            Key::Cluster => return true,
            Key::Node(node) => {
                if node == self.me {
                    self.own.revision.fetch_max(revision, Ordering::AcqRel);
                }
                if is_gone {
                    Some(Sight::Left(node))
                } else {
                    read_beat(&message.payload).map(|beat| Sight::Beat(node, beat))
                }
            }
            Key::Part(partition) => {
                read_part(&message.payload).map(|entry| Sight::Entry { partition, entry, revision })
            }
        };
        sight.is_none_or(|sight| self.sights.put(sight))
    }
}
