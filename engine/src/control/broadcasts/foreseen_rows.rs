//! How many rows of a dry run get nothing, by which carriers the others go, what of that is worth a
//! warning, and what is refused.
//!
//! **Never here:** the desk, or a row.

use super::refusal::{BroadcastRefusal, NOT_EXPECTED, refused};
use crate::broadcast::manifest::Manifest;
use crate::control::ways::ForeseenCarrier;
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
    /// Their route is a carrier, and the XPID has to know the line: 2006.
    #[serde(default)]
    pub refused: u64,
    /// Whether they have a contract, and which route, nobody said: their shards did not answer.
    #[serde(default)]
    pub unanswered: u64,
    /// The carriers that take the others; none where all go by the core network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carriers: Vec<ForeseenCarrier>,
}

/// The carrier that takes longest.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Slowest<'a> {
    carrier: &'a ForeseenCarrier,
    /// Recipients that go by it, of all.
    recipients: u64,
    seconds: u64,
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
            (
                self.refused,
                "go by a carrier and get nothing, as the XPID needs the line state (2006)",
            ),
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

    /// The share of those that go by each carrier that has a rate, and rows a second that it takes,
    /// where so many of all recipients take so many short messages.
    pub(super) fn carriers_of(&self, (targeted, segments): (u64, u64)) -> Vec<(f64, f64)> {
        let of_each = segments as f64 / targeted.max(1) as f64;
        let silent = self.suppressed + self.uncontracted + self.had_it + self.refused;
        let sent = self.looked_at.saturating_sub(silent).max(1) as f64;
        let has_rate = self.carriers.iter().filter(|carrier| carrier.rate > 0);
        has_rate
            .map(|carrier| {
                (
                    carrier.rows as f64 / sent,
                    f64::from(carrier.rate) / of_each.max(f64::MIN_POSITIVE),
                )
            })
            .collect()
    }

    /// The carrier whose rate is the bottleneck, where so many of all recipients take so many short
    /// messages.
    fn slowest(&self, (targeted, segments): (u64, u64)) -> Option<Slowest<'_>> {
        let of_all = |rows: u64| (rows * targeted).div_ceil(self.looked_at.max(1));
        let has_rate = self.carriers.iter().filter(|carrier| carrier.rate > 0);
        let all = has_rate.map(|carrier| {
            let messages = (of_all(carrier.rows) * segments).div_ceil(targeted.max(1));
            let seconds = messages.div_ceil(u64::from(carrier.rate));
            Slowest { carrier, recipients: of_all(carrier.rows), seconds }
        });
        all.max_by_key(|slow| slow.seconds)
    }

    /// Which way the recipients go, a line for each carrier, and what that takes at least.
    pub fn ways(&self, addressed: (u64, u64)) -> Vec<String> {
        let all = self.looked_at;
        let rate = |carrier: &ForeseenCarrier| match carrier.rate {
            0 => "as fast as it takes them".to_owned(),
            rate => format!("{rate} SMS a second"),
        };
        let line = |carrier: &ForeseenCarrier| {
            format!("{} of {all} by {}, {}", carrier.rows, carrier.carrier, rate(carrier))
        };
        let mut lines: Vec<String> = self.carriers.iter().map(line).collect();
        if let Some(slow) = self.slowest(addressed) {
            let Slowest { carrier, seconds, .. } = slow;
            lines.push(format!("at least {seconds} s, for what goes by {}", carrier.carrier));
        }
        lines
    }

    /// What cannot be sent before the end, at the carriers' rates; there are so many seconds.
    pub(super) fn too_slow(&self, addressed: (u64, u64), sends_for: u64) -> Option<String> {
        let slow = self.slowest(addressed).filter(|slow| slow.seconds > sends_for)?;
        Some(format!(
            "{} recipients go by {} at {} SMS a second: that takes {} s, and it ends after \
             {sends_for} s (6001): give it longer, or them another carrier",
            slow.recipients, slow.carrier.carrier, slow.carrier.rate, slow.seconds
        ))
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
