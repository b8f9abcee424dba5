//! Carriers of an engine under test, as its operator sets them up and sees them.

use crate::engine::Engine;
use crate::site::Site;
use crate::smsc::{PASSWORD, SYSTEM_ID};
use crate::wait;
use std::net::SocketAddr;

/// Sets up a carrier that listens there.
///
/// # Panics
/// When it is refused.
pub fn add_carrier(site: &Site, name: &str, address: SocketAddr, more: &[&str]) {
    let password = site.path("carrier.secret");
    std::fs::write(&password, PASSWORD).expect("a writable directory");
    let (host, password) = (address.to_string(), password.display().to_string());
    let settings = ["--host", &host, "--system-id", SYSTEM_ID, "--password-file", &password];
    site.must(&[&["carrier", "add", name], &settings[..], more].concat());
}

/// A carrier's figure as the engine shows it.
///
/// # Panics
/// When it shows none.
pub fn carrier_figure(engine: &Engine, carrier: &str, name: &str) -> u64 {
    let metrics = engine.admin().request("GET", "/metrics", "").text();
    let head = format!("hayauma_carrier_{name}");
    let label = format!("carrier=\"{carrier}\"");
    let line = metrics.lines().find(|line| line.starts_with(&head) && line.contains(&label));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    value.unwrap_or_else(|| panic!("no {head} of {carrier}")) as u64
}

/// Waits until so many sessions with a carrier are bound.
///
/// # Panics
/// When they are not.
pub fn await_bound(engine: &Engine, carrier: &str, sessions: u64) {
    wait::until_true(&format!("{sessions} sessions with {carrier}"), || {
        carrier_figure(engine, carrier, "sessions_bound") == sessions
    });
}
