//! Bounds of the message center that no setting changes, units last.

/// Push clients of one shard that have numbers of their own at once; the others share one more.
pub const CLIENTS_MAX: u16 = u16::MAX - 1;
/// What a push client may send before the next one's turn in the same class: as much as the longest
/// push has.
pub const QUANTUM_SEGMENTS: i8 = 10;
/// Ended pushes that may wait for their notification, in per cent of those that may wait to be
/// delivered.
pub const ENDED_PERCENT: usize = 50;
/// Pushes of which notifications may be parked, in per cent of those that may wait to be delivered.
pub const PARKED_PERCENT: usize = 50;
/// The least that both may be.
pub const ENDED_MIN: usize = 1_024;

const _: () = assert!(CLIENTS_MAX < u16::MAX, "the highest number means nobody");
