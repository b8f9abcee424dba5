//! Carriers: accounts at SMSCs of others, which pushes are submitted to by SMPP.
//!
//! A carrier has a *home*: the thread that has its sessions, its rate and its ids. [`home`] is what
//! that thread decides, [`port`] the end of every shard whose pushes it takes, and [`exchange`] the
//! rings between them, [`figures`] what operators see of it. [`submit`] makes an SMS-DELIVER into a
//! submit_sm, [`outcome`] says what a carrier's words mean.
//!
//! A push stays in the lanes of its shard until the carrier can take it. Then it goes in a
//! *permit*, a box of which each shard has a fixed number for each carrier, and comes back with
//! what the carrier answered. A shard is told of no receipt before it is told of the answer that
//! the receipt is for.
//!
//! Never here: sockets, clocks, the journal. Nothing is allocated for a push but the carrier's ids.

mod awaited;
pub mod carrier;
mod doubts;
pub mod exchange;
pub mod figures;
pub mod home;
pub mod meanings;
pub mod outcome;
pub mod port;
mod receipts;
pub mod submit;
