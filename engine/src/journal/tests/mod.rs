//! Tests of the journal as a whole.

mod roundtrip;
