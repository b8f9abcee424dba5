//! Opens the waves of what runs: by time, by how many of the one before were reached, by order.
//!
//! **Invariants:** that a wave is open is kept before any shard hears of it, and said again to
//! shards that did not; one opens at a time, in their order; only the time counts in which the wave
//! before has run.

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, Stage, WaveOpened};
use super::now::Now;
use super::refusal::{BroadcastRefusal, STATE, refused};
use super::standing::Entry;
use super::turns::Retry;
use super::watched::state_of;
use crate::broadcast::slice::{Order, WaveFigures};
use crate::control::admin::AdminError;
use crate::control::now::wall_now;

/// Whoever opens a wave without being asked.
const ITSELF: &str = "the manifest";

impl BroadcastDocument {
    /// How many of its waves have their turns, and how many there are; 1 of 1 where it has none.
    pub fn waves_open(&self) -> (u8, u8) {
        let all = self.manifest.waves().len().max(1) as u8;
        let open = if self.started.is_some() { self.waves.len() as u8 + 1 } else { 0 };
        (open.min(all), all)
    }
}

/// What is to be done with waves.
enum Due {
    /// A shard does not know what is open.
    Said { ordinal: u32, open: u8 },
    /// The next one is due.
    Next { wave: u8 },
}

impl Entry {
    fn due_wave(&mut self, now: Now) -> Option<Due> {
        let (document, figures) = (&self.document, &self.figures);
        let (open, all) = document.waves_open();
        let start = document.started.as_ref().filter(|_| document.stage == Stage::Started)?;
        if all == 1 {
            return None;
        }
        let runs = !figures.is_empty() && state_of(figures) == "running";
        self.wave_clock.look(open, runs, now.steady);
        if !runs || self.wave_clock.retry.is_some_and(|retry| !retry.is_due(now.steady)) {
            return None;
        }
        // What has come to its end in a shard has no further turns there.
        let mut lack = figures.iter().filter(|figures| figures.wave.open < open);
        if lack.any(|figures| !figures.life.is_over()) {
            return Some(Due::Said { ordinal: start.ordinal, open });
        }
        let after = document.manifest.waves().get(usize::from(open))?.after()?;
        let sum = |of: fn(&WaveFigures) -> u32| {
            let of_it = figures.iter().filter(|figures| figures.wave.open == open);
            of_it.map(|figures| u64::from(of(&figures.wave))).sum::<u64>()
        };
        let reached = (sum(|wave| wave.reached), sum(|wave| wave.rows));
        let is_due = after.is_due(self.wave_clock.ran_ms, reached);
        is_due.then_some(Due::Next { wave: open + 1 })
    }

    /// Rows whose wave has no turn yet.
    pub(super) fn rows_unopened(&self) -> u64 {
        self.figures.iter().map(|figures| u64::from(figures.wave.unopened)).sum()
    }
}

impl BroadcastDesk {
    /// Opens the waves that are due; what cannot be told is tried again, later each time. One
    /// thread alone calls this.
    pub(super) fn open_due_waves(&self, now: Now) {
        let due: Vec<(String, Due)> = {
            let mut standing = self.standing();
            let all = standing.broadcasts.iter_mut();
            all.filter_map(|(name, entry)| Some((name.clone(), entry.due_wave(now)?))).collect()
        };
        for (broadcast, due) in due {
            let opened = match due {
                Due::Said { ordinal, open } => self.tell_wave(ordinal, open),
                Due::Next { wave } => self.open_wave(&broadcast, wave, ITSELF),
            };
            if let Ok(entry) = self.standing().entry(&broadcast) {
                let clock = &mut entry.wave_clock;
                clock.retry = opened.is_err().then(|| Retry::after(clock.retry, now.steady));
            }
            if let Err(refusal) = opened {
                let error = refusal.sentence;
                tracing::warn!(broadcast, error, "a wave is not open in every shard yet");
            }
        }
    }

    /// Opens a wave, counted from 1; returns when every shard has that durable. One that is open
    /// stays so.
    pub(super) fn open_wave(
        &self,
        broadcast: &str,
        wave: u8,
        by: &str,
    ) -> Result<(), BroadcastRefusal> {
        self.does_not_look_on()?;
        let opened = self.alter(broadcast, |document| {
            let (open, all) = document.waves_open();
            if document.stage != Stage::Started {
                return Err(refused(STATE, "the broadcast is not running"));
            }
            if !(1..=all).contains(&wave) {
                let sentence = format!("it has {all} waves: name one of them");
                return Err(AdminError::bad_request(sentence).into());
            }
            if wave > open + 1 {
                let sentence = format!("wave {} comes before it: open that one first", open + 1);
                return Err(refused(STATE, sentence));
            }
            if wave == open + 1 {
                document.waves.push(WaveOpened { at_ms: wall_now(), by: by.to_owned() });
            }
            Ok(())
        })?;
        let Some(start) = &opened.started else { return Ok(()) };
        self.tell_wave(start.ordinal, opened.waves_open().0)
    }

    /// A shard that lacks the broadcast hears of its waves with the start.
    fn tell_wave(&self, ordinal: u32, open: u8) -> Result<(), BroadcastRefusal> {
        self.engine.order_broadcast(ordinal, &[Order::Wave { open }])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;
    use crate::broadcast::manifest::Wave;
    use crate::control::engine::Engine as _;

    fn wave(rows: Option<u32>, after_seconds: Option<u64>, after_order: bool) -> Wave {
        Wave { lists: Vec::new(), rows, after_percent: None, after_seconds, after_order }
    }

    fn started(bench: &Bench, waves: Vec<Wave>) -> String {
        let mut manifest = bench.manifest("a", "");
        manifest.legs[0].waves = waves;
        let new = BroadcastDesk::next_identifier();
        let broadcast = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
        let (digest, recipients) = bench.agreed(&broadcast);
        bench.desk.start(&broadcast, &digest, recipients, "operator").expect("started");
        broadcast
    }

    fn open(bench: &Bench, ordinal: u32) -> Vec<u8> {
        let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        shards.iter().map(|shard| shard.known[&ordinal].0.wave().open).collect()
    }

    fn hold_is_over(bench: &Bench, ordinal: u32) {
        bench.engine.order_broadcast(ordinal, &[Order::Start]).expect("every shard goes on");
    }

    fn look(bench: &Bench, now: Now) {
        bench.desk.refresh().expect("figures");
        bench.desk.open_due_waves(now);
    }

    #[test]
    fn a_wave_that_a_shard_did_not_hear_of_has_its_turns_there_later() {
        let mut bench = Bench::new(2, 10);
        let (first, rest) = (wave(Some(3), None, false), wave(None, Some(60), false));
        let broadcast = started(&bench, vec![first, wave(Some(3), None, true), rest]);
        let ordinal = bench.ordinal(&broadcast);
        hold_is_over(&bench, ordinal);
        let now = Now::read();
        look(&bench, now.later(600_000));
        assert_eq!(open(&bench, ordinal), [1, 1], "it waits for its order");
        bench.desk.open_wave(&broadcast, 3, "operator").expect_err("another comes before it");
        bench.stand(1, true);
        bench.desk.open_wave(&broadcast, 2, "operator").expect_err("a shard stands");
        bench.stand(1, false);
        assert_eq!(open(&bench, ordinal), [2, 1]);
        look(&bench, now);
        assert_eq!(open(&bench, ordinal), [2, 2]);
        bench.restart(|shard| shard == 0);
        assert_eq!(open(&bench, ordinal), [2, 2], "with the start");
        hold_is_over(&bench, ordinal);
        look(&bench, now);
        assert_eq!(open(&bench, ordinal), [2, 2]);
        look(&bench, Now::read().later(60_001));
        assert_eq!(open(&bench, ordinal), [3, 3], "by itself");
        let document = bench.desk.progress(&broadcast, false).expect("there").document;
        let by: Vec<&str> = document.waves.iter().map(|wave| wave.by.as_str()).collect();
        assert_eq!(by, ["operator", ITSELF]);
    }

    #[test]
    fn a_shard_that_has_nothing_to_do_keeps_no_wave_from_its_turn() {
        // One phone: it lies in one of the shards, and the others have no row at all.
        let bench = Bench::new(4, 1);
        let now = || wave(Some(1), Some(0), false);
        let rest = wave(None, Some(0), false);
        let broadcast = started(&bench, vec![wave(Some(1), None, false), now(), now(), rest]);
        let ordinal = bench.ordinal(&broadcast);
        hold_is_over(&bench, ordinal);
        bench.engine.broadcasts.settle(ordinal);
        let now = Now::read();
        for later_ms in [0, 1, 2, 3, 4] {
            look(&bench, now.later(later_ms));
        }
        let document = bench.desk.progress(&broadcast, false).expect("there").document;
        assert_eq!(document.waves.len(), 3, "each wave had its turn");
    }

    #[test]
    fn a_pause_is_no_part_of_the_time_that_a_wave_is_tried_for() {
        let bench = Bench::new(2, 10);
        let waves = vec![wave(Some(3), None, false), wave(None, Some(60), false)];
        let broadcast = started(&bench, waves);
        let ordinal = bench.ordinal(&broadcast);
        hold_is_over(&bench, ordinal);
        let now = Now::read();
        let at = |seconds: u64| look(&bench, now.later(seconds * 1_000));
        at(0);
        at(30);
        bench.desk.order(&broadcast, Order::Pause).expect("paused");
        at(31);
        at(600);
        bench.desk.order(&broadcast, Order::Resume).expect("goes on");
        at(601);
        at(625);
        assert_eq!(open(&bench, ordinal), [1, 1], "it has run for 55 seconds");
        at(630);
        assert_eq!(open(&bench, ordinal), [2, 2]);
    }

    #[test]
    fn a_shard_that_stands_is_asked_for_its_wave_later_each_time() {
        let bench = Bench::new(2, 10);
        let waves = vec![wave(Some(3), None, false), wave(None, Some(1), false)];
        let broadcast = started(&bench, waves);
        let ordinal = bench.ordinal(&broadcast);
        hold_is_over(&bench, ordinal);
        let now = Now::read();
        look(&bench, now);
        bench.stand(1, true);
        bench.desk.open_due_waves(now.later(1_000));
        bench.stand(1, false);
        assert_eq!(open(&bench, ordinal), [2, 1]);
        bench.desk.refresh().expect("figures");
        bench.desk.open_due_waves(now.later(10_900));
        assert_eq!(open(&bench, ordinal), [2, 1], "it is not asked five times a second");
        bench.desk.open_due_waves(now.later(11_000));
        assert_eq!(open(&bench, ordinal), [2, 2]);
    }
}
