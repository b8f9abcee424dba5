//! How a session is set: its role, windows and times.

use super::super::limits::{
    ENQUIRE_CARRIER_MS, ENQUIRE_CUSTOMER_MS, RESPONSE_MS, SESSION_INIT_MS, WINDOW_PDUS_MAX,
};
use super::state::Role;

/// The version of SMPP that knows optional parameters.
pub const VERSION_34: u8 = 0x34;
/// The highest version that is spoken.
pub const VERSION_50: u8 = 0x50;

/// Settings of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Which side this is.
    pub role: Role,
    /// Requests of ours that may be outstanding, 1 to 2,048. enquire_link and unbind do not count.
    pub window: u16,
    /// Requests of the peer that are read before they are answered, 1 to 2,048.
    pub inbound_window: u16,
    /// How long a connection may be unbound, in milliseconds.
    pub session_init_ms: u64,
    /// After so long without an octet an enquire_link is sent, in milliseconds; 0: never one.
    pub enquire_link_ms: u64,
    /// How long a request waits for its answer, in milliseconds.
    pub response_ms: u64,
    /// After so long without a request or an answer an SMSC unbinds, in milliseconds; 0: never.
    pub inactivity_ms: u64,
    /// The version of an SMSC whose bind_resp does not say one. SMPP 3.4 (3.5) has it count as 33h,
    /// without optional parameters; most SMSCs of 3.4 say nothing and know them all the same.
    pub unsaid_version: u8,
}

impl Config {
    /// To a carrier.
    pub const fn carrier() -> Self {
        Self {
            role: Role::Client,
            window: 10,
            inbound_window: WINDOW_PDUS_MAX as u16,
            session_init_ms: SESSION_INIT_MS,
            enquire_link_ms: ENQUIRE_CARRIER_MS,
            response_ms: RESPONSE_MS,
            inactivity_ms: 0,
            unsaid_version: VERSION_34,
        }
    }

    /// From a customer.
    pub const fn customer() -> Self {
        Self {
            role: Role::Server,
            inbound_window: 50,
            enquire_link_ms: ENQUIRE_CUSTOMER_MS,
            ..Self::carrier()
        }
    }
}
