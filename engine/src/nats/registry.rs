//! The log of the registry's changes: a stream that every node reads from its beginning, and to
//! whose end a change is put by the number that it expects there.
//!
//! It has a thread of its own, on which nobody waits but who changes the registry or follows it.

use super::connect::{GivenUp, connect_some_time};
use super::error::NatsError;
use super::hosting::runtime;
use super::limits::{CHANGE, CHANGE_AWAITED, CHANGES_AT_ONCE, CHANGES_READ_MAX, REOPEN};
use super::names::Names;
use crate::cluster::node::NodeName;
use crate::cluster::servers::{ClusterName, LogServers};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{Context, ContextBuilder};
use bytes::Bytes;
use crossbeam::channel::{Receiver, Sender, bounded};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Orders that wait: one asks at a time.
const ORDERS_MAX: usize = 4;

type Reply<T> = Sender<Result<T, String>>;

enum Order {
    Put { behind: u64, change: Vec<u8>, reply: Reply<bool> },
    Read { behind: u64, reply: Reply<Vec<Vec<u8>>> },
}

/// The log, for whoever changes the registry.
#[derive(Debug)]
pub struct RegistryLog {
    orders: mpsc::Sender<Order>,
}

impl RegistryLog {
    /// Begins to work for this node.
    ///
    /// # Errors
    /// The system has no room for another thread.
    pub fn open(
        servers: &LogServers,
        cluster: &ClusterName,
        me: NodeName,
    ) -> Result<Self, NatsError> {
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let (servers, names) = (servers.clone(), Names::new(cluster));
        let runtime = runtime()?;
        let thread = std::thread::Builder::new().name("registry-log".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(work(&servers, &names, me, waiting));
            runtime.shutdown_background();
        });
        thread.map_err(NatsError::Runtime)?;
        Ok(Self { orders })
    }

    /// Puts a change behind the one of this number; `false`: another one stands there.
    ///
    /// # Errors
    /// Nobody knows whether it is there, and why.
    pub fn put(&self, behind: u64, change: Vec<u8>) -> Result<bool, String> {
        self.ask(|reply| Order::Put { behind, change, reply })
    }

    /// The changes behind this number, some at a time; none where there are no more.
    ///
    /// # Errors
    /// Why it does not say.
    pub fn behind(&self, number: u64) -> Result<Vec<Vec<u8>>, String> {
        self.ask(|reply| Order::Read { behind: number, reply })
    }

    fn ask<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, String> {
        let (reply, answer): (_, Receiver<Result<T, String>>) = bounded(1);
        let gone = || "its thread has ended".to_owned();
        self.orders.blocking_send(order(reply)).map_err(|_| gone())?;
        answer.recv_timeout(CHANGE_AWAITED).map_err(|_| "nobody answers".to_owned())?
    }
}

/// Works until nobody asks any more.
async fn work(
    servers: &LogServers,
    names: &Names,
    me: NodeName,
    mut waiting: mpsc::Receiver<Order>,
) {
    let name = format!("hayauma {me} registry");
    loop {
        let given_up = GivenUp::default();
        let Ok(client) = connect_some_time(servers, &name, &given_up).await else { return };
        let context = ContextBuilder::new().timeout(CHANGE).build(client);
        let Ok(log) = context.get_stream_no_info(names.registry().0).await else { return };
        while !given_up.is_true() {
            let Some(order) = waiting.recv().await else { return };
            carry_out(&context, &log, names, order).await;
        }
        sleep(REOPEN).await;
    }
}

async fn carry_out(context: &Context, log: &Stream<()>, names: &Names, order: Order) {
    match order {
        Order::Put { behind, change, reply } => {
            let done = timeout(CHANGE, put(context, names, behind, change)).await;
            let _ = reply.send(done.unwrap_or_else(|_| Err("nobody answers".to_owned())));
        }
        Order::Read { behind, reply } => {
            let done = timeout(CHANGE, read(log, behind)).await;
            let _ = reply.send(done.unwrap_or_else(|_| Err("nobody answers".to_owned())));
        }
    }
}

async fn put(
    context: &Context,
    names: &Names,
    behind: u64,
    change: Vec<u8>,
) -> Result<bool, String> {
    let message =
        PublishMessage::build().payload(Bytes::from(change)).expected_last_sequence(behind);
    let answer = match context.send_publish(names.registry().1, message).await {
        Ok(answer) => answer.await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// What stands there the stream's leader says: nobody misses what was put there before.
async fn read(log: &Stream<()>, behind: u64) -> Result<Vec<Vec<u8>>, String> {
    let last = log.get_info().await.map_err(|error| error.to_string())?.state.last_sequence;
    if last < behind {
        return Err(format!("it ends with change {last}, and this node has made {behind} of it"));
    }
    let until = last.min(behind + CHANGES_READ_MAX);
    let one = |sequence: u64| async move {
        let message = log.get_raw_message(sequence).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(message.payload.to_vec())
    };
    stream::iter(behind + 1..=until).map(one).buffered(CHANGES_AT_ONCE).try_collect().await
}
