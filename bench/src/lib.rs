//! Measurements of Hayauma; see `benches/`.
