//! The push that is asked for.

use std::collections::HashMap;
use wire::terms::ids::{Msn, Reqid, Xpid};

/// Which pushes are looked for.
pub(super) struct Wanted {
    pub(super) msn: Msn,
    pub(super) reqid: Option<Reqid>,
    /// With a request id: the keys it makes with every registered XPID. A key outlives the record
    /// of the push.
    pub(super) keys: HashMap<u64, Xpid>,
}
