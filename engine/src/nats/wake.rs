//! What wakes the thread of NATS: an answer from the net, or another thread with something for the
//! guest.

use std::sync::Arc;
use tokio::sync::Notify;

/// Wakes the guest; any thread may.
#[derive(Clone, Debug, Default)]
pub struct NatsWake(Arc<Notify>);

impl NatsWake {
    /// Has the guest called soon. Many calls may become one.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits for the next call of [`Self::wake`], or takes one that nobody has waited for.
    pub(super) async fn woken(&self) {
        self.0.notified().await;
    }
}
