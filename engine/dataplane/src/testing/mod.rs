//! Kill points and injected faults, for tests of the whole engine.
//!
//! **Never here:** anything that a running engine does unless it is asked to by its environment or
//! settings.

pub mod injection;
pub mod kill_points;
