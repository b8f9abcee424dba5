//! The thread that owns the store while the engine runs.
//!
//! Every change goes through here, one after the other: first into SQLite, then to the shards. So
//! the shards see changes in the order in which the store took them, and the admin port's runtime
//! never waits for a disk.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::limits::STORE_JOBS_WAITING_MAX;
use super::store::Store;
use crate::control::engine::Engine;

type Job = Box<dyn FnOnce(&mut Store, &dyn Engine) + Send>;

/// Hands work to the store thread; the thread ends when the last handle is gone.
#[derive(Clone)]
pub struct StoreHandle {
    jobs: mpsc::Sender<Job>,
}

/// The store thread has ended, because the engine is stopping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the control plane is stopping")]
pub struct StoreGone;

impl StoreHandle {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has no room for another thread.
    pub fn start(
        store: Store,
        control: Arc<dyn Engine>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(STORE_JOBS_WAITING_MAX);
        let thread =
            std::thread::Builder::new().name("hayauma-store".to_owned()).spawn(move || {
                let mut store = store;
                while let Some(job) = waiting.blocking_recv() {
                    job(&mut store, control.as_ref());
                }
                // Lines of the audit that are owed: there may be room for them by now.
                store.settle_at_end();
            })?;
        Ok((Self { jobs }, thread))
    }

    /// Does `work` on the store thread, after what was handed over before, and gives back what it
    /// returns.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store, &dyn Engine) -> T + Send + 'static,
    ) -> Result<T, StoreGone> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |store, control| {
            // An asker that has gone away does not undo the work.
            let _ = answer.send(work(store, control));
        });
        self.jobs.send(job).await.map_err(|_| StoreGone)?;
        answered.await.map_err(|_| StoreGone)
    }

    /// Has the store thread do `work`, after what was handed over before, for nobody who waits: for
    /// somebody who has gone away. Where the control plane is ending and has no room, it is not
    /// done.
    pub fn leave(&self, work: impl FnOnce(&mut Store, &dyn Engine) + Send + 'static) {
        let Err(refused) = self.jobs.try_send(Box::new(work)) else { return };
        let (TrySendError::Full(job) | TrySendError::Closed(job)) = refused;
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let jobs = self.jobs.clone();
            runtime.spawn(async move { drop(jobs.send(job).await) });
        }
    }
}
