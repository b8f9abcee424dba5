//! The source itself: floors, libraries, functions, columns, unsafe code and output.
//!
//! Each rule stands in one file together with small sources that break it.

mod columns;
mod floors;
mod functions;
mod libraries;
mod outputs;
mod unsafe_code;
