//! What a carrier is set up with.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use wire::smpp::address::{Country, DestinationForm};
use wire::smpp::id::IdForms;

/// Most carriers of one engine.
pub const CARRIERS_MAX: u8 = 7;
/// Most sessions with one carrier.
pub const SESSIONS_MAX: u16 = 8;
/// Most requests outstanding on a session.
pub const WINDOW_MAX: u16 = 1_000;
/// Most SMS a second of one carrier.
pub const RATE_MAX: u32 = 100_000;

/// How a carrier is told when an SMS expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Validity {
    /// The time, UTC.
    #[default]
    Absolute,
    /// How long from now on.
    Relative,
    /// Not at all: some drop an SMS that says it.
    None,
}

/// What connections to a carrier are secured with.
#[derive(Clone, Debug)]
pub struct CarrierTls {
    /// The name or address that the certificate of each host has to be made for, in their order.
    pub names: Vec<String>,
    /// What TLS is spoken with: made beside the shards, and understood by whoever connects.
    pub spoken_with: Arc<dyn Any + Send + Sync>,
}

/// One carrier.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Its number, 1 to [`CARRIERS_MAX`]; records name it by that.
    pub number: u8,
    /// Its name, for the operator.
    pub name: String,
    /// Where it is reached, in the order in which the hosts are tried.
    pub hosts: Vec<SocketAddr>,
    /// What connections to them are secured with; `None`: nothing.
    pub tls: Option<CarrierTls>,
    /// Who we are there: 1 to 15 octets.
    pub system_id: String,
    /// Our password: at most 8 octets.
    pub password: String,
    /// What kind of system we are: at most 12 octets.
    pub system_type: String,
    /// Transceivers bound at a time, 1 to [`SESSIONS_MAX`].
    pub sessions: u16,
    /// Requests outstanding on each, 1 to [`WINDOW_MAX`].
    pub window: u16,
    /// SMS a second of all sessions together; 0: no limit.
    pub rate: u32,
    /// How it writes ids.
    pub ids: IdForms,
    /// The country whose numbers msns are.
    pub country: Country,
    /// How it wants destinations.
    pub destination: DestinationForm,
    /// How it is told of expiries.
    pub validity: Validity,
    /// Whether it sends receipts; where not, what it takes counts as delivered.
    pub receipts: bool,
    /// Whether it is told of priorities.
    pub priority: bool,
    /// Whether it packs text of its default alphabet: eight septets in seven octets.
    pub packs: bool,
    /// The data_coding of octets that are no text: 2 or 4.
    pub binary_coding: u8,
    /// service_type, at most 5 octets.
    pub service_type: String,
    /// After so long without an octet an enquire_link goes out, milliseconds; 0: never.
    pub enquire_link_ms: u64,
    /// How long an answer is waited for, milliseconds.
    pub response_ms: u64,
}

impl Carrier {
    /// Permits that each of so many shards has for it.
    pub fn permits(&self, shards: usize) -> usize {
        let most = usize::from(self.window) * usize::from(self.sessions) + self.rate as usize / 50;
        most.div_ceil(shards.max(1)).max(1)
    }

    /// The shard whose thread is its home.
    pub fn home(&self, shards: usize) -> usize {
        usize::from(self.number - 1) % shards.max(1)
    }
}
