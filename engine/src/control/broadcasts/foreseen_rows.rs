//! How many rows of a dry run get nothing, what of that is worth a warning, and what is refused.
//!
//! **Never here:** the desk, or a row.

use super::refusal::{BroadcastRefusal, NOT_EXPECTED, refused};
use crate::broadcast::manifest::Manifest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// From so many percent on somebody has to look at those who get nothing.
const NAMED_PERCENT: u64 = 1;
/// More percent of an emergency's recipients than that on suppression lists have to be meant.
const EMERGENCY_PERCENT: u64 = 10;

/// How many of the rows that were looked at get nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ForeseenRows {
    /// Rows that were looked at: all, or of many some.
    pub looked_at: u64,
    /// On a suppression list that counts: 7002.
    pub suppressed: u64,
    /// Without a contract: 2005.
    pub uncontracted: u64,
    /// Had the same text within the manifest's window, and are skipped for that: 7003.
    #[serde(default)]
    pub had_it: u64,
    /// Their route is a carrier: 6012.
    pub by_carrier: u64,
    /// Whether they have a contract, and which route, nobody said: their shards did not answer.
    #[serde(default)]
    pub unanswered: u64,
}

impl ForeseenRows {
    /// What somebody should look at.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let all = self.looked_at;
        let unanswered = (self.unanswered > 0).then(|| {
            format!(
                "{} of {all} recipients are of a shard that did not answer: nobody looked whether \
                 they have contracts",
                self.unanswered
            )
        });
        let named = [
            (self.suppressed, "are on a suppression list and get nothing (7002)"),
            (self.uncontracted, "have no contract with the XPID and get nothing (2005)"),
            (self.by_carrier, "go by a carrier and fail (6012): broadcasts go by the core network"),
        ];
        let named = named.into_iter().filter(move |(rows, _)| *rows * 100 >= all * NAMED_PERCENT);
        let named = named.filter(|(rows, _)| *rows > 0);
        let named = named.map(move |(rows, what)| {
            format!("{rows} of {all} recipients that were looked at {what}")
        });
        named.chain(unanswered)
    }

    /// How many of so many are skipped, by code: those that were looked at stand for all.
    pub(super) fn skipped(&self, targeted: u64, without_text: u64) -> BTreeMap<String, u64> {
        let of_all = |rows: u64| {
            let rows = u128::from(rows) * u128::from(targeted);
            (rows / u128::from(self.looked_at.max(1))) as u64
        };
        let counted = [
            ("2005", of_all(self.uncontracted)),
            ("7001", without_text),
            ("7002", of_all(self.suppressed)),
            ("7003", of_all(self.had_it)),
        ];
        let counted = counted.into_iter().filter(|(_, rows)| *rows > 0);
        counted.map(|(code, rows)| (code.to_owned(), rows)).collect()
    }

    /// What nobody can mean is refused.
    pub(super) fn judge(&self, manifest: &Manifest) -> Result<(), BroadcastRefusal> {
        let (all, xpid) = (self.looked_at, &manifest.xpid);
        // What nobody answered is 0 here.
        if all > 0 && self.uncontracted == all {
            let sentence = format!(
                "none of the recipients has a contract with {xpid} (2005): register contracts, or \
                 name another XPID"
            );
            return Err(refused(NOT_EXPECTED, sentence));
        }
        let is_many = |rows: u64| rows * 100 > all * EMERGENCY_PERCENT;
        if manifest.class == "03" && manifest.suppression.is_none() && is_many(self.suppressed) {
            let sentence = format!(
                "{} of {all} recipients are on suppression lists, and an emergency would not reach \
                 them: say \"suppression\":\"ignored\", or \"heeded\" if that is meant",
                self.suppressed
            );
            let place = Some("/suppression".to_owned());
            return Err(BroadcastRefusal { place, ..refused(NOT_EXPECTED, sentence) });
        }
        Ok(())
    }
}
