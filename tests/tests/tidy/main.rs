//! The source itself: floors, libraries, names, lengths, columns, unsafe code and output.
//!
//! Each rule stands in one file together with small sources that break it.

mod columns;
mod floors;
mod functions;
mod lengths;
mod libraries;
mod names;
mod outputs;
mod unsafe_code;
