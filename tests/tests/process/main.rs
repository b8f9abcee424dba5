//! The engine as a process among others: its outputs, its signals, its files, the names that it
//! looks up. None of them may stop it from serving, or keep it from stopping.

mod directory;
mod names;
mod outputs;
mod signals;
