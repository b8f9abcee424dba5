//! Other people's SMPP against ours, in both roles: what they send is read, what we send they read,
//! and both sides count the same.
//!
//! The programs are those that `tests/peers/install` installs; the scripts that use them are ours
//! and say what they saw in one line of JSON. A peer that is not installed is skipped with a
//! sentence. Each test holds the peer's words against the book of our SMSC or of our senders, or
//! against the bill of an engine whose customer the peer is.

mod customers;
mod esmes;
mod kannel;
mod peer;
mod smscs;
