//! Measurements of Hayauma that set it beside something: the physical limit, its peers, its own past.

pub mod limit;
pub mod spread;
