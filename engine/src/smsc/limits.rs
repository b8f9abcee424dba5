//! Bounds of the message center that no setting changes, units last.

/// Push clients of one shard that have numbers of their own at once; the others share one more.
pub const CLIENTS_MAX: u16 = u16::MAX - 1;
/// What a push client may send before the next one's turn in the same class: as much as the longest push has.
pub const QUANTUM_SEGMENTS: i8 = 10;

const _: () = assert!(CLIENTS_MAX < u16::MAX, "the highest number means nobody");
