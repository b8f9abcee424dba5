//! The SMPP codec from outside: against two independent decoders, and against an allocator that
//! counts.

mod allocations;
#[path = "../counting/mod.rs"]
mod counting;
mod recipe;
mod rusmpp;
#[path = "../../../tests/src/skips.rs"]
#[allow(unreachable_pub)]
mod skips;
mod tshark;
#[path = "../wireshark/mod.rs"]
mod wireshark;
