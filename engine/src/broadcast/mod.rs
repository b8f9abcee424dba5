//! Broadcasts: one text to many recipients. The parts that decide, with files and without sockets.
//!
//! [`lists`] reads recipients' files, accounts for every line, and keeps a version of a list as one
//! checked file.
//!
//! **Never here:** sockets, clocks, the queue of pushes. **Invariants:** a row's number in a version
//! never changes; every line of a file is a row, a duplicate, refused, blank, or the header.

pub mod limits;
pub mod lists;
