//! The gateway's judgement, code by code.

mod admission;
pub(crate) mod allocations;
mod identity;

use super::registration::Registration;
use crate::gateway::registry::{Registered, Registry};
use wire::push::notify_url::NotifyUrl;
use wire::terms::ids::Xpid;

/// 2026-11-22 22:34:30 JST.
const NOW_MS: u64 = 1_795_354_470_000;

fn xpid(value: u64) -> Xpid {
    Xpid::from_value(value).expect("below 10^11")
}

/// The sample's registration, open to everybody.
fn registration() -> Registration {
    let notify_url = NotifyUrl::parse("http://127.0.0.1:9000/notify").expect("legal");
    Registration {
        notify_url: Some(notify_url),
        senders: vec!["0312345678".into(), "Hayauma".into()],
        ..Registration::new(xpid(100_000_001), "demo")
    }
}

/// A snapshot with this one registration.
fn registry_of(registration: Registration) -> Registry {
    let registry = Registry::new(vec![registration]);
    assert_eq!(registry.refused(), []);
    registry
}

fn only(registry: &Registry) -> &Registered {
    registry.iter().next().expect("one registration")
}
