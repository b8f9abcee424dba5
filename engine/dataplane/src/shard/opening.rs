//! What a shard is opened with, what it reports then, and why it cannot be opened.

use super::Durability;
use super::progress::OpenProgress;
use crate::billing::BillingError;
use crate::gateway::fingerprint::FingerprintKeys;
use crate::journal::{AppendError, JournalConfig, JournalError, RecoveryReport};
use crate::network::routes::Routes;
use crate::smsc::core::CoreLimits;
use crate::testing::injection::Injection;
use std::sync::Arc;

/// What a shard is made of.
pub struct ShardConfig {
    /// This shard, from 0.
    pub number: usize,
    /// All shards.
    pub shards: usize,
    /// When answers may leave.
    pub durability: Durability,
    /// Bounds of the message center.
    pub limits: CoreLimits,
    /// The journal's sizes.
    pub journal: JournalConfig,
    /// Seed of the jitter.
    pub seed: u64,
    /// How many seconds of the message center's schedules pass in a real one; 1 but for rehearsals.
    pub time_scale: u64,
    /// Which pushes go by which carrier.
    pub routes: Arc<Routes>,
    /// How fingerprints are made, and were.
    pub fingerprints: FingerprintKeys,
    /// Faults to rehearse.
    pub injections: Vec<Injection>,
    /// Where the opening says how far it is.
    pub progress: Arc<OpenProgress>,
}

/// What recovery found.
#[derive(Debug)]
pub struct ShardReport {
    /// The journal's own report.
    pub journal: RecoveryReport,
    /// Pushes that go on.
    pub live: usize,
    /// Billing events that were missing and have been added.
    pub billed: u64,
}

/// Why a shard could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The billing log.
    #[error(transparent)]
    Billing(#[from] BillingError),
    /// More unfinished pushes than the configuration allows.
    #[error(
        "the journal holds {0} more unfinished pushes than --pushes-max allows; start with a \
         larger one"
    )]
    TooManyPushes(u64),
    /// What was copied to another shard's journal cannot be made durable.
    #[error(
        "the billing log or a journal cannot be made durable ({0}); check the device and start \
         again"
    )]
    Copy(std::io::Error),
    /// The device takes no billing events, and what is copied must have its own before.
    #[error(
        "{0} billing events cannot be written before the queue moves; free some disk space and \
         start again"
    )]
    Unbilled(u64),
    /// What still matters does not fit into the new shards' journals.
    #[error("the queue does not fit into as many shards ({0})")]
    NoRoomToReshard(AppendError),
    /// The key of the fingerprints is not the one that the journal was written under.
    #[error(
        "the file `key` of the data directory is not the one that its journals were written with; \
         put it back from a backup: without it repeats would be sent twice and cancels find nothing"
    )]
    ForeignKey,
    /// A record whose checksum holds says something impossible.
    #[error("journal record {sequence} has an impossible {what}; keep the directory and report it")]
    Impossible {
        /// The record's sequence.
        sequence: u64,
        /// The field.
        what: &'static str,
    },
}
