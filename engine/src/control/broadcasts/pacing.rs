//! Slower and faster while it runs, and until another deadline: what somebody set, in place of the
//! manifest's.
//!
//! **Invariants:** the pace is kept before any shard hears of it, so a start of the engine goes on
//! with it; of two that are set at once, the shards have the one that is kept. A dry run's digest
//! is of the manifest, which stays as it was approved.

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, PaceSet, Stage};
use super::refusal::{BroadcastRefusal, ROLE, STATE, refused};
use super::wanted::PaceWanted;
use crate::broadcast::limits::LIFETIME_SECONDS_MAX;
use crate::broadcast::running::RunningPace;
use crate::control::admin::AdminError;
use crate::control::now::wall_now;
use wire::terms::rfc3339::parse_rfc3339;
use wire::terms::time::WallMs;

/// Changes of the pace that a report has.
const PACES_MAX: usize = 64;
/// The weights that a manifest lets through.
const WEIGHTS: std::ops::RangeInclusive<u16> = 1..=1_000;

impl BroadcastDocument {
    /// How fast it goes now, as it was asked for last.
    pub fn pace_now(&self) -> RunningPace {
        let asked = &self.manifest.pace;
        let set = self.pace.as_ref().map(|set| (set.per_second, set.weight));
        let (per_second, weight) = set.unwrap_or((asked.per_second, asked.weight));
        let (per_area, per_carrier) = (asked.per_area, asked.per_carrier);
        let (ramp_seconds, share_max) = (asked.ramp_seconds, asked.share_max);
        let deadline_ms = self.pace.as_ref().and_then(|set| set.deadline_ms);
        RunningPace {
            per_second,
            per_area,
            per_carrier,
            ramp_seconds,
            weight,
            share_max,
            deadline_ms,
        }
    }

    /// No attempt from then on; of what was started.
    pub fn deadline_now(&self) -> Option<WallMs> {
        let set = self.pace.as_ref().and_then(|set| set.deadline_ms);
        set.or_else(|| self.started.as_ref().map(|start| start.deadline_ms))
    }
}

impl BroadcastDesk {
    /// Makes it slower or faster, or gives it another deadline, a later one only where the caller
    /// `may_postpone`; returns when every shard has it.
    pub(super) fn set_pace(
        &self,
        broadcast: &str,
        wanted: &PaceWanted,
        (by, may_postpone): (&str, bool),
    ) -> Result<(), BroadcastRefusal> {
        self.does_not_look_on()?;
        if *wanted == PaceWanted::default() {
            let sentence =
                "give per_second, weight or deadline: nothing else changes while it runs";
            return Err(AdminError::bad_request(sentence).into());
        }
        if wanted.weight.is_some_and(|weight| !WEIGHTS.contains(&weight)) {
            return Err(AdminError::bad_request("a weight is 1 to 1000").into());
        }
        let turns = self.turns_of(broadcast)?;
        let _turn = turns.pace();
        let is_ending = {
            let mut standing = self.standing();
            let mut figures = standing.entry(broadcast)?.figures.iter();
            figures.any(|figures| figures.life.end().is_some())
        };
        if wanted.deadline.is_some() && is_ending {
            return Err(refused(STATE, "the broadcast is coming to its end: write another"));
        }
        let set = self.alter(broadcast, |document| {
            if document.stage != Stage::Started {
                let sentence = "the broadcast is not running: a draft's pace is its manifest's";
                return Err(refused(STATE, sentence));
            }
            let now = document.pace_now();
            let deadline_ms = match &wanted.deadline {
                Some(deadline) => Some(other_deadline(document, deadline, may_postpone)?),
                None => now.deadline_ms,
            };
            let set = PaceSet {
                per_second: wanted.per_second.unwrap_or(now.per_second),
                weight: wanted.weight.unwrap_or(now.weight),
                deadline_ms,
                at_ms: wall_now(),
                by: by.to_owned(),
            };
            document.paces.push(set.clone());
            let too_many = document.paces.len().saturating_sub(PACES_MAX);
            document.paces.drain(..too_many);
            document.pace = Some(set);
            Ok(())
        })?;
        let Some(start) = &set.started else { return Ok(()) };
        if wanted.deadline.is_some()
            && let Err(refusal) = self.remember_for(&set)
        {
            // The rows that it is of are asked for as long as it lasts: told again with its pace.
            let why = refusal.sentence;
            self.standing().entry(broadcast)?.note_untold(why);
        }
        let told = self.engine.pace_broadcast(start.ordinal, set.pace_now());
        if told != Ok(true) {
            let mut standing = self.standing();
            let why = "a shard does not answer: it is told its pace again".to_owned();
            standing.entry(broadcast)?.note_untold(why);
        }
        told?;
        Ok(())
    }
}

/// Another deadline, if it may be: earlier, or by an approver later, and never beyond what a
/// broadcast may last.
fn other_deadline(
    document: &BroadcastDocument,
    wanted: &str,
    may_postpone: bool,
) -> Result<WallMs, BroadcastRefusal> {
    let wrong = |sentence: &str| {
        let place = Some("/deadline".to_owned());
        BroadcastRefusal { place, ..AdminError::bad_request(sentence).into() }
    };
    let at = parse_rfc3339(wanted).ok_or_else(|| {
        wrong("give a date and time with an offset, as 2026-11-28T19:00:00+09:00")
    })?;
    if at <= wall_now() {
        return Err(wrong("it is over by then: cancel the broadcast"));
    }
    let started_ms = document.started.as_ref().map_or(WallMs::ZERO, |start| start.at_ms);
    if at > started_ms.saturating_add(LIFETIME_SECONDS_MAX * 1_000) {
        return Err(wrong("no broadcast lasts longer than 72 h: give an earlier one"));
    }
    if document.deadline_now().is_some_and(|known| at > known) && !may_postpone {
        let sentence = "a later deadline takes the role approver beside operator: use such a token";
        return Err(refused(ROLE, sentence));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::super::now::Now;
    use super::super::tests::{Bench, rfc3339};
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
        let faster = PaceWanted { per_second: Some(9), ..PaceWanted::default() };
        bench.desk.set_pace(&broadcast, &faster, ("operator", false)).expect_err("a shard stands");
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
        let faster = PaceWanted { per_second: Some(9), ..PaceWanted::default() };
        let refusal =
            bench.desk.set_pace(&broadcast, &faster, ("operator", false)).expect_err("a draft");
        assert_eq!(refusal.code, STATE);
        for wanted in [PaceWanted::default(), PaceWanted { weight: Some(0), ..faster }] {
            bench
                .desk
                .set_pace(&broadcast, &wanted, ("operator", false))
                .expect_err("nothing to do");
        }
    }

    #[test]
    fn a_pace_that_is_set_while_a_start_is_told_again_stays() {
        let bench = Bench::new(2, 10);
        let broadcast = bench.started("a", r#""pace":{"per_second":5},"#);
        let ordinal = bench.ordinal(&broadcast);
        let set = |bench: &Bench, per_second: u32| {
            let wanted = PaceWanted { per_second: Some(per_second), ..PaceWanted::default() };
            bench.desk.set_pace(&broadcast, &wanted, ("operator", false)).expect("set");
        };
        set(&bench, 2_000);
        let (desk, slower) = (std::sync::Arc::clone(&bench.desk), broadcast.clone());
        *bench.engine.broadcasts.behind_start.lock().expect("no panic") =
            Some(Box::new(move || {
                let wanted = PaceWanted { per_second: Some(100), ..PaceWanted::default() };
                desk.set_pace(&slower, &wanted, ("operator", false)).expect("every shard has it");
            }));
        bench.desk.tell_start(&broadcast).expect("told");
        assert_eq!(paces(&bench, ordinal), [Some(100); 2], "as it was answered");
    }

    #[test]
    fn a_deadline_is_moved_nearer_by_whoever_operates_and_away_by_an_approver() {
        let mut bench = Bench::new(2, 10);
        let broadcast = bench.started("a", "");
        let ordinal = bench.ordinal(&broadcast);
        let now_ms = wall_now();
        let set = |bench: &Bench, in_seconds: u64, may_postpone: bool| {
            let deadline = Some(rfc3339(now_ms + in_seconds * 1_000));
            let wanted = PaceWanted { deadline, ..PaceWanted::default() };
            bench.desk.set_pace(&broadcast, &wanted, ("operator", may_postpone))
        };
        let told = |bench: &Bench| {
            let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
            let minutes = |deadline_ms: WallMs| deadline_ms.since(now_ms) / 60_000;
            let deadline = |pace: &RunningPace| pace.deadline_ms.map(minutes);
            [0, 1].map(|shard| shards[shard].paces.get(&ordinal).and_then(deadline))
        };
        assert_eq!(set(&bench, 7_200, false).expect_err("later").code, ROLE);
        set(&bench, 1_860, false).expect("earlier");
        assert_eq!(told(&bench), [Some(30); 2]);
        assert_eq!(set(&bench, 3_000, false).expect_err("later than now").code, ROLE);
        set(&bench, 7_260, true).expect("later, by an approver");
        assert_eq!(told(&bench), [Some(120); 2]);
        for (in_seconds, why) in [(0, "cancel"), (73 * 3_600, "72 h")] {
            let refusal = set(&bench, in_seconds, true).expect_err("not at all");
            assert!(refusal.sentence.contains(why), "{}", refusal.sentence);
        }
        // A pace that is set alone leaves it, and so does a restart.
        let slower = PaceWanted { per_second: Some(9), ..PaceWanted::default() };
        bench.desk.set_pace(&broadcast, &slower, ("operator", false)).expect("set");
        bench.restart(|_| false);
        assert_eq!(told(&bench), [Some(120); 2]);
        let snapshot = bench.desk.snapshot(&broadcast, false).expect("figures");
        assert_eq!(snapshot.deadline_ms.map(|at_ms| at_ms.since(now_ms) / 60_000), Some(120));
    }

    #[test]
    fn what_a_shard_did_not_hear_while_a_start_is_told_is_told_again() {
        let bench = Bench::new(2, 10);
        let broadcast = bench.started("a", r#""pace":{"per_second":5},"#);
        let ordinal = bench.ordinal(&broadcast);
        let (desk, engine, known) = (bench.desk.clone(), bench.engine.clone(), broadcast.clone());
        *bench.engine.broadcasts.behind_start.lock().expect("no panic") =
            Some(Box::new(move || {
                engine.broadcasts.shards.lock().expect("no panic")[1].stands = true;
                let slower = PaceWanted { per_second: Some(1), ..PaceWanted::default() };
                desk.set_pace(&known, &slower, ("operator", false)).expect_err("a shard stands");
                engine.broadcasts.shards.lock().expect("no panic")[1].stands = false;
            }));
        bench.desk.tell_start(&broadcast).expect("told");
        let is_noted = |bench: &Bench| {
            bench.desk.standing().entry(&broadcast).expect("there").untold.is_some()
        };
        assert!(is_noted(&bench), "a note of what this did not tell stays");
        bench.desk.tell_untold(Now::read().steady + 600_000);
        assert!(!is_noted(&bench));
        assert_eq!(paces(&bench, ordinal), [Some(1); 2]);
    }
}
