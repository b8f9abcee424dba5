//! What the machine gives: clock, CPUs, directories, huge pages, the log's output, and the end of
//! the process.
//!
//! **Never here:** a word of the push interface or of the message center.

pub mod address;
pub mod background;
pub mod clock;
pub mod cpu_list;
pub mod cpus;
pub mod directory;
pub mod fatal;
pub mod huge_pages;
pub mod log;
pub mod mapped;
pub mod prefetch;
pub mod reading;
pub mod shield;
pub mod threads;
pub mod unix_socket;
