//! What goes wrong with the engine and its clock, and the end of all that.

use super::Simulation;
use super::events::Event;
use super::ledger::{Checked, Violation, rule};
use super::network::REACH_MS_MAX;
use super::sinks::Mood;
use wire::terms::mix::mix;

/// The longest that the engine is down.
const OUTAGE_MS_MAX: u64 = 50 * 3_600_000;

impl Simulation {
    pub(super) fn shard_of(&self, line: u32) -> usize {
        (mix(u64::from(line)) % self.scenario.shards as u64) as usize
    }

    /// The process dies, all shards at once.
    pub(super) fn crash(&mut self) -> Checked {
        if self.is_down || !self.faults {
            return Ok(());
        }
        self.is_down = true;
        self.life += 1;
        let mut lost = Vec::new();
        for number in 0..self.shards.len() {
            let not_durable = self.shards[number].journal.not_durable();
            let survivors =
                if self.scenario.power { self.random.below(not_durable + 1) } else { not_durable };
            lost.append(&mut self.shards[number].crash(survivors));
        }
        self.ledger.crashed(&lost)?;
        self.note(lost.len() as u64);
        let most_ms = if self.random.chance(self.scenario.long_outage) { OUTAGE_MS_MAX } else { 20_000 };
        let down_ms = self.random.between(REACH_MS_MAX + 1, most_ms);
        self.after(down_ms, Event::Restart);
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Checked {
        self.is_down = false;
        let wall_ms = self.wall_ms();
        for number in 0..self.shards.len() {
            let random = self.random.bits();
            self.shards[number].recover(wall_ms, random).map_err(Violation)?;
            self.ledger.recovered(number, wall_ms, self.shards[number].journal.iter().copied());
        }
        for number in 0..self.shards.len() {
            self.carry_out(number)?;
            self.turn(number)?;
        }
        Ok(())
    }

    /// Somebody sets the clock, forward or back.
    pub(super) fn step_clock(&mut self) -> Checked {
        if !self.faults {
            return Ok(());
        }
        // An idle shard looks at the clock many times a second; here nothing happens between two events.
        self.turn_all()?;
        let most_ms = if self.random.chance(500) { 5_000 } else { 3_600_000 };
        let step_ms = self.random.between(1, most_ms);
        if self.random.chance(500) {
            self.wall_offset_ms += step_ms;
        } else {
            self.wall_offset_ms -= step_ms;
            self.ledger.clock_set_back();
        }
        self.ledger.release_all();
        self.ledger.wall_ms = self.wall_ms();
        self.turn_all()
    }

    pub(super) fn clean(&mut self) -> Checked {
        if !self.faults {
            return Ok(());
        }
        let wall_ms = self.wall_ms();
        for number in 0..self.shards.len() {
            if !self.is_down {
                self.shards[number].clean(wall_ms);
                self.turn(number)?;
            }
        }
        let delay_ms = self.random.between(1, self.scenario.horizon_ms / 8 + 2);
        self.after(delay_ms, Event::Clean);
        Ok(())
    }

    /// From now on nothing fails, and the operator replays what is parked.
    pub(super) fn end_faults(&mut self) -> Checked {
        if self.is_down {
            self.after(60_000, Event::FaultsEnd);
            return Ok(());
        }
        self.faults = false;
        self.faults_ended_ms = self.now_ms;
        self.heal_lines();
        self.sinks.fill(Mood::Quick);
        self.replay_parked()?;
        self.turn_all()
    }

    pub(super) fn replay_now_and_then(&mut self) -> Checked {
        if !self.faults {
            return Ok(());
        }
        if !self.is_down {
            self.replay_parked()?;
        }
        let delay_ms = self.random.between(1, self.scenario.horizon_ms / 2 + 2);
        self.after(delay_ms, Event::Replay);
        Ok(())
    }

    /// The operator replays what is parked; whether there was anything.
    pub(super) fn replay_parked(&mut self) -> Result<bool, Violation> {
        let mut any = false;
        for number in 0..self.shards.len() {
            let core = &mut self.shards[number].core;
            let parked: Vec<u64> = core.parked(0).map(|push| push.push_id).collect();
            for push_id in parked {
                if let Some(push) = core.parked(push_id).next() {
                    let entry = push.position as u32;
                    self.ledger.entry(entry).replayed = true;
                    self.ledger.may_notify(entry);
                }
                rule!(core.replay(push_id), "what is listed as parked cannot be replayed");
                any = true;
            }
            self.turn(number)?;
        }
        Ok(any)
    }

    fn turn_all(&mut self) -> Checked {
        for number in 0..self.shards.len() {
            self.turn(number)?;
        }
        Ok(())
    }
}
