//! The SMS gateway's judgement: who the push client is, what its registration allows, which msns
//! are contracted, and whether a push can become SMS-SUBMITs.
//!
//! **Never here:** sockets, files, clocks, threads; the store of registrations (that is the control
//! plane, which hands over snapshots) or a push's life after it was accepted.
//!
//! **Invariants:** a [`registry::Registry`] never changes once built and is shared between the
//! shards; a [`contracts::ContractTable`] belongs to one shard; nothing allocates per push.

pub mod admit;
pub mod broadcasting;
pub mod certificate;
mod contract_slots;
pub mod contracts;
pub mod fingerprint;
pub mod limits;
pub mod meter;
mod networks;
pub mod permissions;
pub mod price;
pub mod registration;
pub mod registry;
pub mod smpp;

#[cfg(test)]
pub(crate) mod tests;
