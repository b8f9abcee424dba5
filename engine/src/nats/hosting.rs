//! The thread of NATS: an ordinary thread with a runtime of its own, which calls its guest whenever
//! something came in.
//!
//! Three connections: one for what is published and asked about it, one for replays, one for the
//! bucket. What is lost in between is made up for by whoever asked for it.

use super::connect::{GivenUp, connect_some_time};
use super::error::NatsError;
use super::limits::{REOPEN, TASKS_BETWEEN_TURNS, TURN};
use super::log::NatsLog;
use super::names::Names;
use super::store::NatsStore;
use super::wake::NatsWake;
use crate::cluster::node::NodeName;
use crate::cluster::servers::{ClusterName, LogServers};
use std::ops::ControlFlow;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

/// Who works with the two ports, on the thread of NATS. It must not wait for anything.
pub trait NatsGuest {
    /// Something came in, somebody woke the thread, or time has gone by. Breaks when it is over.
    fn turn(&mut self, log: &mut NatsLog, nodes: &mut NatsStore) -> ControlFlow<()>;
}

/// What a node needs of NATS.
#[derive(Clone, Debug)]
pub struct NatsSetup {
    /// The servers.
    pub servers: LogServers,
    /// The cluster.
    pub cluster: ClusterName,
    /// Its partitions.
    pub partitions: u16,
    /// This node.
    pub me: NodeName,
}

/// The runtime of a thread that works for NATS.
pub(super) fn runtime() -> Result<Runtime, NatsError> {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().event_interval(TASKS_BETWEEN_TURNS);
    builder.build().map_err(NatsError::Runtime)
}

/// Works on the calling thread until the guest says that it is over. Servers that cannot be reached
/// are waited for.
///
/// # Errors
/// The thread cannot work at all: addresses or credentials are none.
pub fn host(
    setup: &NatsSetup,
    wake: &NatsWake,
    guest: &mut impl NatsGuest,
) -> Result<(), NatsError> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        while serve(setup, wake, guest).await?.is_continue() {
            tracing::warn!("NATS has closed the connection for good: it is opened anew");
            sleep(REOPEN).await;
        }
        Ok(())
    });
    // What is under way has nobody who waits for it.
    runtime.shutdown_background();
    done
}

/// Serves the guest by one set of connections, until it is over or one of them has given up.
async fn serve(
    setup: &NatsSetup,
    wake: &NatsWake,
    guest: &mut impl NatsGuest,
) -> Result<ControlFlow<()>, NatsError> {
    let given_up = GivenUp::default();
    let connect = |what: &str| {
        let name = format!("hayauma {} {what}", setup.me);
        let (servers, given_up) = (&setup.servers, &given_up);
        async move { connect_some_time(servers, &name, given_up).await }
    };
    let publisher = connect("log").await?;
    let reader = connect("replay").await?;
    let keeper = connect("nodes").await?;
    let names = Names::new(&setup.cluster);
    let log = NatsLog::new(publisher, reader, &names, setup.partitions, wake).await;
    let nodes = NatsStore::new(keeper, names, setup.me, wake).await;
    let (Some(mut log), Some(mut nodes)) = (log, nodes) else {
        return Err(NatsError::NoCluster(setup.cluster.clone()));
    };
    loop {
        if guest.turn(&mut log, &mut nodes).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if given_up.is_true() {
            return Ok(ControlFlow::Continue(()));
        }
        // Late or woken, the guest is called.
        let _ = timeout(TURN, wake.woken()).await;
    }
}
