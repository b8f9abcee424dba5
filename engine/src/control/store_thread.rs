//! The thread that owns the store while the engine runs.
//!
//! Every change goes through here, one after the other: first into SQLite, then to the shards. So
//! the shards see changes in the order in which the store took them, and the admin port's runtime
//! never waits for a disk.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::limits::{FOLLOWED_EVERY, IMPORT_BATCH_ROWS_MAX, STORE_JOBS_WAITING_MAX};
use super::store::{Store, Untold};
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
                    tell_untold(&mut store, control.as_ref());
                }
                // Lines of the audit that are owed: there may be room for them by now.
                store.settle_at_end();
            })?;
        Ok((Self { jobs }, thread))
    }

    /// Of a cluster's node: has what other nodes change made here, again and again, as long as the
    /// control plane lives; `and_then` is done behind it.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn follow_others(
        &self,
        and_then: impl Fn(&mut Store) + Send + Sync + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let (jobs, and_then) = (self.jobs.downgrade(), Arc::new(and_then));
        let thread = std::thread::Builder::new().name("registry".to_owned());
        thread.spawn(move || {
            let mut last = None;
            while let Some(jobs) = jobs.upgrade() {
                let (and_then, (told, failed)) =
                    (Arc::clone(&and_then), std::sync::mpsc::channel());
                let job: Job = Box::new(move |store, _| {
                    let done = store.catch_up().map_err(|error| error.to_string());
                    and_then(store);
                    let _ = told.send(done.err());
                });
                // Where there is no room somebody works, and this waits its turn.
                let is_given = jobs.try_send(job).is_ok();
                drop(jobs);
                if is_given && let Ok(error) = failed.recv() {
                    if let Some(error) = error.as_ref().filter(|_| error != last) {
                        tracing::warn!("{error}");
                    }
                    last = error;
                }
                std::thread::park_timeout(FOLLOWED_EVERY);
            }
        })
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

/// Tells the shards what other nodes have changed. The registry has the last word about each
/// contract, whatever the shards were told meanwhile. What it does not say is told the next time.
fn tell_untold(store: &mut Store, control: &dyn Engine) {
    let Untold { clients, contracts } = store.take_untold();
    let (mut left, mut failed) = (Untold::default(), None);
    if clients {
        match store.registrations() {
            Ok(all) => {
                failed = control.publish_registrations(all).err().map(|error| error.to_string())
            }
            Err(error) => (left.clients, failed) = (true, Some(error.to_string())),
        }
    }
    for rows in contracts.chunks(IMPORT_BATCH_ROWS_MAX) {
        match store.there_of(rows) {
            Ok((there, gone)) => {
                let told = [control.add_contracts(&there), control.remove_contracts(&gone)];
                let untold = told.into_iter().find_map(Result::err);
                failed = untold.map(|error| error.to_string()).or(failed);
            }
            Err(error) => {
                left.contracts.extend(rows);
                failed = Some(error.to_string());
            }
        }
    }
    store.put_back_untold(left);
    if let Some(error) = failed {
        tracing::error!("what another node has changed of the registry: {error}");
    }
}
