//! The SMPP codec from outside: against two independent decoders, and against an allocator that
//! counts.

mod allocations;
#[path = "../counting/mod.rs"]
mod counting;
mod recipe;
mod rusmpp;
mod tshark;
#[path = "../wireshark/mod.rs"]
mod wireshark;
