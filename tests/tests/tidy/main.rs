//! The source itself: floors, libraries, features, names, lengths, columns, unsafe code, output.
//!
//! Each rule stands in one file together with small sources that break it.

mod columns;
mod features;
mod floors;
mod functions;
mod lengths;
mod libraries;
mod names;
mod outputs;
mod unsafe_code;
