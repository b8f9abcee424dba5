//! Bounds of the message center that no setting changes, units last.

use wire::terms::ids::Class;

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
/// An XPID takes no further place while it has this many times as many as its class has left: one
/// that takes all it gets leaves a ninth to the others.
pub const SHARE_OF_FREE: usize = 8;
/// Pushes that one look for the next attempt may end on its way.
pub const ENDED_PER_POLL_MAX: usize = 16;
/// Pushes whose begin one look for the next attempt may have journaled.
pub const BEGUN_PER_POLL_MAX: usize = 64;
/// Pushes for carriers whose begin is journaled and not durable yet. They count as begun if the
/// engine dies, though nothing of them was sent.
pub const BEGUN_AHEAD_MAX: usize = 32;

const _: () = assert!(CLIENTS_MAX < u16::MAX, "the highest number means nobody");

/// How far what is scarce may fill up before a class is refused, in per cent: whoever matters less
/// goes first, so that places are left for an emergency.
pub const fn admitted_percent(class: Class) -> usize {
    match class {
        Class::Exercise => 80,
        Class::Standard => 90,
        Class::Urgent => 95,
        Class::Emergency => 100,
    }
}
