//! What happened with a broadcast, in one document: to be kept, printed, and held against the
//! audit.
//!
//! **Invariant:** its figures are those of a snapshot of the same moment, made by the same place.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::acts::AuditExtract;
use super::desk::BroadcastDesk;
use super::documents::BroadcastDocument;
use super::figures::{ReasonFigures, Snapshot};
use super::handling::beside;
use super::refusal::{BroadcastRefusal, STATE, refused};
use super::snapshot;

/// A report.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BroadcastReport {
    /// The program that made it.
    pub program: String,
    /// CPUs of the machine that it ran on.
    pub cpus: usize,
    /// Shards of the engine.
    pub shards: usize,
    /// What was written, checked, approved, started.
    pub document: BroadcastDocument,
    /// The figures, with all areas.
    pub snapshot: Snapshot,
    /// Rows by outcome and code, all of them.
    pub reasons: Vec<ReasonFigures>,
    /// Rows by attempts; from 15 on they count as 15.
    pub attempts: BTreeMap<u8, u64>,
    /// What carried its octets: `uring` or `poll`.
    #[serde(default)]
    pub driver: String,
    /// What of it stands in the books.
    #[serde(default)]
    pub billed: BilledRows,
    /// Whether the closer look and the outcomes are as many as the targeted, both.
    pub adds_up: bool,
    /// Lines of the audit, and what proves them.
    pub audit: AuditExtract,
}

/// What of a broadcast is a push for the books: who was skipped, or had no turn, is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BilledRows {
    /// Recipients.
    pub recipients: u64,
    /// Short messages that arrived.
    pub segments: u64,
}

impl BroadcastDesk {
    /// The report of a broadcast as it stands now.
    ///
    /// # Errors
    /// It was never started; a shard or the disk does not answer.
    pub async fn report_of(
        self: Arc<Self>,
        broadcast: String,
    ) -> Result<BroadcastReport, BroadcastRefusal> {
        beside(self, move |desk| desk.report(&broadcast)).await
    }

    pub(super) fn report(&self, broadcast: &str) -> Result<BroadcastReport, BroadcastRefusal> {
        if self.standing().entry(broadcast)?.document.rows_are_gone {
            return Ok(self.shelf.report(broadcast)?);
        }
        let snapshot = self.snapshot(broadcast, true)?;
        let (document, tally) = {
            let mut standing = self.standing();
            let entry = standing.entry(broadcast)?;
            (entry.document.clone(), entry.watched.tally.clone())
        };
        if document.started.is_none() {
            return Err(refused(
                STATE,
                "the broadcast was never started: there is nothing to tell",
            ));
        }
        let reasons = tally.iter().flat_map(|tally| &tally.reasons);
        let reasons: Vec<ReasonFigures> = reasons
            .map(|((outcome, code), rows)| snapshot::reason(*outcome, *code, *rows))
            .collect();
        let attempts = tally.iter().flat_map(|tally| (0..).zip(tally.attempts));
        let billed = tally
            .as_ref()
            .map(|tally| BilledRows { recipients: tally.billed, segments: tally.segments });
        let counted: u64 = reasons.iter().map(|reason| reason.rows).sum();
        Ok(BroadcastReport {
            program: format!("hayauma {}", env!("CARGO_PKG_VERSION")),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            shards: self.engine.shards(),
            adds_up: snapshot.adds_up && counted + document.forgotten == snapshot.targeted,
            audit: self.acts.extract(&self.names_of(broadcast)?)?,
            driver: self.engine.driver().word().to_owned(),
            billed: billed.unwrap_or_default(),
            attempts: attempts.filter(|(_, rows)| *rows > 0).collect(),
            document,
            snapshot,
            reasons,
        })
    }
}
