//! Slower and faster while it runs: the pace that somebody set, in place of the manifest's.
//!
//! **Invariants:** the pace is kept before any shard hears of it, so a start of the engine goes on
//! with it; of two that are set at once, the shards have the one that is kept. A dry run's digest
//! is of the manifest, which stays as it was approved.

use host::clock;

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, PaceSet, PaceWanted, Stage};
use super::now::Now;
use super::refusal::{BroadcastRefusal, STATE, refused};
use super::turns::{Retry, Untold};
use crate::broadcast::running::RunningPace;
use crate::control::admin::AdminError;

/// The weights that a manifest lets through.
const WEIGHTS: std::ops::RangeInclusive<u16> = 1..=1_000;

impl BroadcastDocument {
    /// How fast it goes now, as it was asked for last.
    pub fn pace_now(&self) -> RunningPace {
        let asked = &self.manifest.pace;
        let set = self.pace.as_ref().map(|set| (set.per_second, set.weight));
        let (per_second, weight) = set.unwrap_or((asked.per_second, asked.weight));
        let (per_area, ramp_seconds) = (asked.per_area, asked.ramp_seconds);
        let share_max = asked.share_max;
        RunningPace { per_second, per_area, ramp_seconds, weight, share_max }
    }
}

impl BroadcastDesk {
    /// Makes it slower or faster; returns when every shard has it.
    pub(super) fn set_pace(
        &self,
        broadcast: &str,
        wanted: &PaceWanted,
        by: &str,
    ) -> Result<(), BroadcastRefusal> {
        if wanted.per_second.is_none() && wanted.weight.is_none() {
            let sentence = "give per_second, weight or both: nothing else changes while it runs";
            return Err(AdminError::bad_request(sentence).into());
        }
        if wanted.weight.is_some_and(|weight| !WEIGHTS.contains(&weight)) {
            return Err(AdminError::bad_request("a weight is 1 to 1000").into());
        }
        let turns = self.turns_of(broadcast)?;
        let _turn = turns.pace();
        let set = self.alter(broadcast, |document| {
            if document.stage != Stage::Started {
                let sentence = "the broadcast is not running: a draft's pace is its manifest's";
                return Err(refused(STATE, sentence));
            }
            let now = document.pace_now();
            document.pace = Some(PaceSet {
                per_second: wanted.per_second.unwrap_or(now.per_second),
                weight: wanted.weight.unwrap_or(now.weight),
                at_ms: clock::unix_ms(),
                by: by.to_owned(),
            });
            Ok(())
        })?;
        let Some(start) = &set.started else { return Ok(()) };
        let told = self.engine.pace_broadcast(start.ordinal, set.pace_now());
        if told != Ok(true) {
            let mut standing = self.standing();
            let why = "a shard does not answer: it is told its pace again".to_owned();
            let untold = &mut standing.entry(broadcast)?.untold;
            let retry = Retry::after(None, Now::read().steady);
            untold.get_or_insert(Untold { retry, why });
        }
        told?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;

    fn paces(bench: &Bench, ordinal: u32) -> Vec<Option<u32>> {
        let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        let pace = |pace: &RunningPace| pace.per_second;
        shards.iter().map(|shard| shard.paces.get(&ordinal).map(pace)).collect()
    }

    #[test]
    fn a_pace_that_a_shard_did_not_take_is_told_again_and_holds_over_a_restart() {
        let mut bench = Bench::new(2, 10);
        let broadcast = bench.started("a", r#""pace":{"per_second":5},"#);
        let ordinal = bench.ordinal(&broadcast);
        assert_eq!(paces(&bench, ordinal), [Some(5); 2]);
        bench.stand(1, true);
        let faster = PaceWanted { per_second: Some(9), weight: None };
        bench.desk.set_pace(&broadcast, &faster, "operator").expect_err("a shard stands");
        bench.stand(1, false);
        assert_eq!(paces(&bench, ordinal), [Some(9), Some(5)]);
        bench.desk.tell_untold(Now::read().steady + 60_000);
        assert_eq!(paces(&bench, ordinal), [Some(9); 2]);
        bench.restart(|_| false);
        assert_eq!(paces(&bench, ordinal), [Some(9); 2], "what was set, not what was written");
    }

    #[test]
    fn what_does_not_run_has_the_pace_of_its_manifest() {
        let bench = Bench::new(1, 3);
        let (broadcast, _, _) = bench.checked("a", "");
        let faster = PaceWanted { per_second: Some(9), weight: None };
        let refusal = bench.desk.set_pace(&broadcast, &faster, "operator").expect_err("a draft");
        assert_eq!(refusal.code, STATE);
        for wanted in [PaceWanted::default(), PaceWanted { weight: Some(0), ..faster }] {
            bench.desk.set_pace(&broadcast, &wanted, "operator").expect_err("nothing to do");
        }
    }

    #[test]
    fn a_pace_that_is_set_while_a_start_is_told_again_stays() {
        let bench = Bench::new(2, 10);
        let broadcast = bench.started("a", r#""pace":{"per_second":5},"#);
        let ordinal = bench.ordinal(&broadcast);
        let set = |bench: &Bench, per_second: u32| {
            let wanted = PaceWanted { per_second: Some(per_second), weight: None };
            bench.desk.set_pace(&broadcast, &wanted, "operator").expect("set");
        };
        set(&bench, 2_000);
        let (desk, slower) = (std::sync::Arc::clone(&bench.desk), broadcast.clone());
        *bench.engine.broadcasts.behind_start.lock().expect("no panic") =
            Some(Box::new(move || {
                let wanted = PaceWanted { per_second: Some(100), weight: None };
                desk.set_pace(&slower, &wanted, "operator").expect("every shard has it");
            }));
        bench.desk.tell_start(&broadcast).expect("told");
        assert_eq!(paces(&bench, ordinal), [Some(100); 2], "as it was answered");
    }
}
