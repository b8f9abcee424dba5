//! The source itself: its floors, its libraries, its functions, its unsafe code and its output.
//!
//! Each rule stands in one file together with small sources that break it.

mod floors;
mod functions;
mod libraries;
mod outputs;
mod unsafe_code;
