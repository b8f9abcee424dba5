//! The source itself: its floors, its libraries, its functions, its columns, its unsafe code and its output.
//!
//! Each rule stands in one file together with small sources that break it.

mod columns;
mod floors;
mod functions;
mod libraries;
mod outputs;
mod unsafe_code;
