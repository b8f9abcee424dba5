//! Tests of the journal as a whole: on files, and on a simulated disk that loses, tears and
//! refuses.

mod damage;
mod disk;
mod exhaustive;
mod full;
mod histories;
mod interpreted;
mod model;
mod replayed;
mod roundtrip;
mod spares;
