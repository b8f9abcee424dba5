//! The source itself: floors, libraries, names, functions, columns, unsafe code and output.
//!
//! Each rule stands in one file together with small sources that break it.

mod columns;
mod floors;
mod functions;
mod libraries;
mod names;
mod outputs;
mod unsafe_code;
