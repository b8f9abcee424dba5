//! Tests of SMPP: the codec alone, and two sessions with each other.

mod codec;
mod dialects;
mod manners;
mod pacing;
mod pair;
mod roundtrip;
mod samples;
mod session;
