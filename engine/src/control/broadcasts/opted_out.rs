//! Who wants no broadcasts, as the shards were told of it.
//!
//! **Never here:** a file, or the desk.

use super::turns::Retry;
use crate::broadcast::suppression::OptOuts;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the shards know of those who want no broadcasts.
#[derive(Default)]
pub(super) struct OptedOut {
    /// The versions that were read for it; `None`: nobody has looked yet.
    pub(super) files: Option<Vec<(String, u32)>>,
    pub(super) known: Arc<OptOuts>,
    /// Lists of which a version is in that.
    pub(super) counted: BTreeSet<String>,
    /// Lists that could not be read, and why.
    pub(super) unread: BTreeMap<String, String>,
    /// When that is tried again, or told again to shards that did not take it.
    pub(super) retry: Option<Retry>,
}
