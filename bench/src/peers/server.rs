//! What the comparison needs of a server, whichever it is.

use super::client::Dialect;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Messages that left for the network, where the server lets it be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Delivered {
    /// How many, warm-up and all.
    pub(super) count: u64,
    /// When the last one did, on the book's clock.
    pub(super) last_ns: u64,
}

/// A running server.
pub(super) trait Server {
    /// Where it takes messages.
    fn address(&self) -> SocketAddr;
    /// How it is spoken to.
    fn dialect(&self) -> Arc<dyn Dialect>;
    /// Its processes by name.
    fn processes(&self) -> Vec<(&'static str, u32)>;
    /// What it has delivered; `None` where a delivery is only seen by its receipt.
    fn delivered(&self) -> Option<Delivered>;
    /// The last lines that it logged.
    fn log_end(&self) -> String;
    /// Ends it in order.
    ///
    /// # Errors
    /// One sentence, when it does not.
    fn stop(self: Box<Self>) -> Result<(), String>;
}

/// Sends SIGTERM to a child of ours.
pub(super) fn terminate(child: &Child) {
    // A child that was not waited for keeps its id, so no other process is meant; one that has
    // ended does not mind.
    let _ = Command::new("kill").arg(child.id().to_string()).stderr(Stdio::null()).status();
}
