//! The SMPP codec from outside: against two independent decoders, and against an allocator that
//! counts.

mod allocations;
mod recipe;
mod rusmpp;
mod tshark;
