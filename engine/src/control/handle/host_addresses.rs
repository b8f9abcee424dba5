//! Keeps the shards told which addresses this host has: an interface may come or go at any time.

use super::EngineHandle;
use crate::io::host_addresses::HostAddresses;
use crate::io::mailbox::{ThreadMessage, ThreadPort};
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::Duration;

/// How often the kernel is asked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl EngineHandle {
    /// From now on the shards are told when this host's addresses have changed.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(crate) fn follow_host_addresses(self: &Arc<Self>) -> std::io::Result<()> {
        let handle = Arc::downgrade(self);
        Builder::new().name("addresses".to_owned()).spawn(move || follow(&handle)).map(drop)
    }
}

/// Until the engine is gone.
fn follow(handle: &Weak<EngineHandle>) {
    let mut told = Vec::new();
    while let Some(handle) = handle.upgrade() {
        tell(&handle.ports.threads, &HostAddresses::read(), &mut told);
        drop(handle);
        #[expect(clippy::disallowed_methods, reason = "a thread of its own that nobody waits for")]
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Tells the shards that have been told something else; one whose mailbox is full is told the next
/// time.
fn tell(ports: &[Arc<ThreadPort>], host: &HostAddresses, told: &mut Vec<Option<HostAddresses>>) {
    told.resize(ports.len(), None);
    for (port, told) in ports.iter().zip(told) {
        let is_news = told.as_ref() != Some(host);
        if is_news && port.sender.try_send(ThreadMessage::HostAddresses(host.clone())).is_ok() {
            *told = Some(host.clone());
            port.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_told_of_other_addresses_once_and_later_where_it_has_no_room() {
        let ports = [ThreadPort::new(), ThreadPort::new()];
        let [here, there] = ["192.0.2.1", "192.0.2.2"]
            .map(|text| HostAddresses::of(vec![text.parse().expect("an address")]));
        let mut told = Vec::new();
        tell(&ports, &here, &mut told);
        tell(&ports, &here, &mut told);
        assert!(ports.iter().all(|port| port.receiver.len() == 1), "told once");
        let again = || ThreadMessage::HostAddresses(here.clone());
        while ports[1].sender.try_send(again()).is_ok() {}
        tell(&ports, &there, &mut told);
        assert_eq!(ports[0].receiver.len(), 2);
        while ports[1].next_message().is_some() {}
        tell(&ports, &there, &mut told);
        assert!(matches!(ports[1].next_message(),
            Some(ThreadMessage::HostAddresses(host)) if host == there));
    }
}
