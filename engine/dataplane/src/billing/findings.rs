//! What a reconciliation finds.

use std::collections::BTreeMap;

/// Findings that a report lists one by one; further ones are only counted.
const FINDINGS_LISTED_MAX: usize = 100;

/// What was proved, and what was not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReconcileReport {
    /// Events read.
    pub events: u64,
    /// Days with events.
    pub days: u64,
    /// Contracts with events.
    pub xpids: u64,
    /// Requests: accepted, replayed, suppressed, and rejected by code.
    pub accepted: u64,
    /// Answered 0001.
    pub replayed: u64,
    /// Answered 0002.
    pub suppressed: u64,
    /// Refused, by code.
    pub rejected: BTreeMap<u16, u64>,
    /// Accepted and not ended.
    pub open: u64,
    /// By XPID, pushes that were entered as accepted again, and as ended again.
    pub twice: BTreeMap<u64, (u64, u64)>,
    /// Accepted pushes and ends that stand in the journal and not in the books.
    pub lacking: (u64, u64),
    /// Whether an engine serves in the directory: it enters what is lacking, and no start can.
    pub is_served: bool,
    /// What does not fit, in plain sentences, the first hundred.
    pub findings: Vec<String>,
    /// How many there are in all.
    pub findings_in_all: u64,
}

impl ReconcileReport {
    /// Whether the books are right.
    pub fn is_clean(&self) -> bool {
        self.findings_in_all == 0
    }

    pub fn find(&mut self, finding: impl FnOnce() -> String) {
        self.findings_in_all += 1;
        if self.findings.len() < FINDINGS_LISTED_MAX {
            self.findings.push(finding());
        }
    }

    /// Adds what a reading found about the pushes with numbers of its range.
    pub fn add_pushes_of(&mut self, part: Self) {
        self.open += part.open;
        for (xpid, (accepted, ended)) in part.twice {
            let sum = self.twice.entry(xpid).or_default();
            *sum = (sum.0 + accepted, sum.1 + ended);
        }
        self.lacking = (self.lacking.0 + part.lacking.0, self.lacking.1 + part.lacking.1);
        self.findings_in_all += part.findings_in_all;
        let room = FINDINGS_LISTED_MAX - self.findings.len();
        self.findings.extend(part.findings.into_iter().take(room));
    }
}
