//! The load generator of Hayauma: push clients on plain threads, a notification sink, and a ledger
//! that matches every accepted push with its one notification.
//!
//! It uses the engine's identifiers and nothing of its runtime: the measuring instrument is not the
//! scheduler under test. A [`plan::Plan`] says what to send, [`run::run`] sends it, a
//! [`sink::Sink`] takes the notifications, and the [`run::Outcome`] holds the ledger's balance and
//! the latencies.

// Nothing that runs waits for its output or fails by it, and a command says in one sentence why it
// failed: `console` and `cli::output` do both, these macros neither.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod acts;
pub mod bare;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod conditions;
pub mod console;
pub mod drill;
pub mod environment;
pub mod hdr;
pub mod latency;
pub mod ledger;
pub mod limits;
pub mod live;
pub mod machine;
pub mod mix;
pub mod msns;
pub mod nats_servers;
pub mod os;
pub mod plan;
pub mod quarters;
pub mod random;
pub mod report;
pub mod reqid;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod search;
pub mod sender;
pub mod sink;
pub mod smpp;
pub mod summary;
pub mod target;
pub mod text;
pub mod tls;
pub mod trust;
pub mod watched;

mod answer;
mod flat;
mod format;
mod http;
mod notification;
mod template;
mod texts;
