//! The SMS codec from outside: against vectors of other test suites, against an independent decoder, against its own
//! properties, and against what the fuzzer once tried.

mod fuzz_corpus;
mod properties;
mod recipe;
mod tshark;
mod vectors;
