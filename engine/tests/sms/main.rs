//! The SMS codec from outside: against vectors of other test suites, against an independent
//! decoder, against its own properties, against what the fuzzer once tried, against an allocator
//! that counts, and with input that is seldom seen.

mod allocations;
#[path = "../counting/mod.rs"]
mod counting;
mod fuzz_corpus;
mod properties;
mod recipe;
#[path = "../../../tests/src/skips.rs"]
#[allow(unreachable_pub)]
mod skips;
mod tshark;
mod unusual;
mod vectors;
#[path = "../wireshark/mod.rs"]
mod wireshark;
