//! Broadcasts: one text to many recipients. The parts that decide, with files and without sockets.
//!
//! [`lists`] reads recipients' files, accounts for every line, and keeps a version of a list as one
//! checked file. [`manifest`] says what a broadcast is, [`variants`] which text a row gets and what
//! it costs, [`life`] what may be asked of it when. [`audience`] takes the rows that it addresses
//! out of their lists, [`recipients`] keeps them as one file for all shards, and [`running`] is
//! what every shard is told. `slice` is one shard's part: which rows have their turns ([`claims`]),
//! what became of them ([`outcomes`]), and how that survives a crash. [`pace`] says how fast,
//! [`shares`] who of several goes first, [`suppression`] who wants none. [`past`] is one that is
//! over and that requests may still mean. [`areas`] knows which areas there are, [`templates`]
//! which texts are kept ready, [`warnings`] what a warning of another system becomes.
//! [`control_sms`] is what devices get in place of a text.
//!
//! **Never here:** sockets, clocks, the queue of pushes. **Invariants:** a row's number in a
//! version never changes; every line of a file is a row, a duplicate, refused, blank, or the
//! header; all outcomes together are always as many as there are rows.

pub mod areas;
pub mod audience;
pub mod claims;
pub mod control_sms;
pub mod csv_field;
pub mod life;
pub mod limits;
pub mod lists;
pub mod manifest;
pub mod mutation;
pub mod outcomes;
pub mod pace;
pub mod past;
pub mod recipients;
pub mod running;
pub mod shares;
pub mod slice;
pub mod stakes;
pub mod suppression;
pub mod templates;
pub mod variants;
pub mod warnings;
