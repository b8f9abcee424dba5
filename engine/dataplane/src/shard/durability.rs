//! What an answer promises: a word that settings, shards and the runtime share.

use serde::Deserialize;
use std::fmt;

/// What the answer `0000` promises, and so when it may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Synced to the device: survives the loss of power.
    Power,
    /// Written to the journal's file: survives the death of the process, not the loss of power.
    Process,
}

impl fmt::Display for Durability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Power => "power",
            Self::Process => "process",
        })
    }
}
