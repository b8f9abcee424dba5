//! Connections that a thread makes to servers of others: carriers' sessions.

pub(super) mod smpp;
