//! The SMS codec from outside: against vectors of other test suites, against an independent decoder, against its own
//! properties, against what the fuzzer once tried, and against an allocator that counts.

mod allocations;
mod fuzz_corpus;
mod properties;
mod recipe;
mod tshark;
mod vectors;
