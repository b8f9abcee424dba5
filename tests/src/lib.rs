//! What the tests of the whole engine are made of: an engine as a separate process on ports and in
//! a directory of its own, a push client down to the octets, a notification server that keeps what
//! it got, and waiting with a deadline.
//!
//! The requests, answers and notifications are written and read here a second time, from the
//! interface's description and not with the engine's own code: a mistake in one of the two does not
//! hide in the other.
//!
//! **Never here:** an assertion about the engine. Those stand in `tests/`, one file for each kind
//! of behaviour.

pub mod admin;
pub mod alive;
pub mod bare_thread;
pub mod bill;
pub mod broadcasts;
pub mod browser;
pub mod carrier_simulation;
pub mod carriers;
pub mod clauses;
pub mod clock;
pub mod cluster;
pub mod cluster_node;
pub mod cpus;
pub mod engine;
pub mod esme;
pub mod flat;
pub mod house;
pub mod html;
pub mod http;
pub mod lines;
pub mod load;
pub mod lone_shard;
pub mod nats;
pub mod nats_desk;
pub mod ports;
pub mod push;
pub mod recorder;
pub mod rig;
pub mod seccomp;
pub mod seeded;
pub mod seeds;
pub mod simulation;
pub mod site;
pub mod skips;
pub mod small_device;
pub mod smsc;
pub mod tcp_proxy;
pub mod terminals;
pub mod tls;
pub mod wait;

/// The executables that the calling test file was built with.
///
/// A macro because only an integration test is told where they are.
#[macro_export]
macro_rules! programs {
    () => {
        $crate::engine::Programs {
            engine: env!("CARGO_BIN_EXE_engine_under_test"),
            load: env!("CARGO_BIN_EXE_load_under_test"),
        }
    };
}
