//! What waits for a shard's durable mark besides the answers of connections.

use crate::io::gathering::Saying;
use crate::io::mesh::Parcel;
use crate::io::waits::Moment;

/// One of them.
pub(super) enum Gated {
    /// A peer's request, and when it arrived here.
    Parcel(Box<Parcel>, Moment),
    /// A shard's part of a whole alert's cancel.
    Saying(u32, Saying),
}
