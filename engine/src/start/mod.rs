//! The start: settings, the host's check, the directory's layout, re-sharding, and the engine's
//! whole life.

mod certificates;
pub mod check;
pub mod config;
pub mod driver;
pub mod fingerprint_key;
pub mod layout;
pub mod origin;
pub mod reshard;
pub mod serve;
pub mod signals;
pub mod time_scale;
