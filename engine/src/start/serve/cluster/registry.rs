//! The log of the registry's changes, as the registry's store asks it.

use crate::control::store::ChangeOrder;
use crate::nats::RegistryLog;

/// The store's end of the log.
pub(super) struct RegistryOrder(pub(super) RegistryLog);

impl ChangeOrder for RegistryOrder {
    fn put(&mut self, behind: u64, change: &[u8]) -> Result<bool, String> {
        self.0.put(behind, change.to_vec())
    }

    fn behind(&mut self, number: u64) -> Result<Vec<Vec<u8>>, String> {
        self.0.behind(number)
    }
}
