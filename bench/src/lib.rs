//! Measurements of Hayauma that set it beside something: the physical limit, its peers, its own
//! past.
//!
//! A bench is a file here with a clap `Args` of its own name; `main.rs` lists them. What they
//! share: the two sides' CPUs ([`cpus`]), the kernel's threads kept off them ([`shield`]), the
//! responder that only answers ([`responder`]), rounds with median and spread ([`spread`]), and the
//! line a run leaves behind ([`results`]).

pub mod append;
pub mod broadcast;
pub mod cpus;
pub mod limit;
pub mod peers;
pub mod responder;
pub mod results;
pub mod shield;
pub mod smpp;
pub mod spread;
pub mod tls;
pub mod trend;
pub mod waiting;
