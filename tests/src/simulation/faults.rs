//! What goes wrong with the engine and its clock, and the end of all that.

use super::Simulation;
use super::disk::End;
use super::engine::Station;
use super::events::Event;
use super::ledger::{Checked, Violation, rule};
use super::network::REACH_MS_MAX;
use super::sinks::Mood;
use hayauma::billing::EventKind;
use hayauma::shard::ParkedAction;
use wire::terms::pace::Pace;

/// The longest that the engine is down.
const OUTAGE_MS_MAX: u64 = 5 * 24 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;

impl Simulation {
    /// The process dies, all shards at once.
    pub(super) fn crash(&mut self) -> Checked {
        if self.is_down || !self.faults {
            return Ok(());
        }
        self.forget_stop();
        let end = self.draw_end();
        self.end_engine(end)
    }

    /// The process ends like this.
    pub(super) fn end_engine(&mut self, end: End) -> Checked {
        self.is_down = true;
        self.life += 1;
        let mut durable = Vec::new();
        for number in 0..self.stations.len() {
            durable.push(self.stations[number].up().durable());
            self.stations[number].books.die(&mut self.random);
            self.observe_books(number)?;
            let lost = self.stations[number].end(end, &mut self.random);
            for event in lost {
                if matches!(event.kind, EventKind::AcceptedMany | EventKind::FinalMany) {
                    self.rows.event_lost(&event);
                    continue;
                }
                let entry = self.stations[number].observer.entry_of(event.push_id);
                self.ledger.event_lost(entry, &event);
            }
        }
        self.desk_ends(&durable);
        self.ledger.crashed();
        let most_ms =
            if self.random.chance(self.scenario.long_outage) { OUTAGE_MS_MAX } else { 20_000 };
        let down_ms = self.random.between(REACH_MS_MAX + 1, most_ms);
        self.after(down_ms, Event::Restart);
        Ok(())
    }

    /// The process starts: every shard opens its journal.
    pub(super) fn open_all(&mut self) -> Checked {
        let (wall_ms, steady_ms) = (self.wall_ms(), self.steady_ms());
        self.pace = Pace::new(1, wall_ms);
        self.pace.see(wall_ms, steady_ms);
        self.ledger.wall_ms = wall_ms.ms();
        for station in &mut self.stations {
            let opened =
                station.open(&self.scenario, &self.common, wall_ms, steady_ms, &mut self.random);
            opened.map_err(|error| Violation(format!("the engine does not start: {error}")))?;
        }
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Checked {
        self.open_all()?;
        self.is_down = false;
        self.ledger.restarted(self.wall_ms().ms());
        let wall_ms = self.wall_ms();
        let mut found = Vec::new();
        for number in 0..self.stations.len() {
            let Station { shard: Some(shard), observer, .. } = &mut self.stations[number] else {
                continue;
            };
            let (held, lost) = observer.recovered(shard).map_err(Violation)?;
            if self.options.is_told {
                held.iter()
                    .chain(&lost)
                    .for_each(|noted| eprintln!("  shard {number} had {noted:?}"));
            }
            self.note(lost.len() as u64);
            self.ledger.lost(&lost)?;
            found.push(held);
        }
        self.ledger.forget_what_was_told();
        for (number, held) in found.iter().enumerate() {
            self.ledger.recovered(number, wall_ms.ms(), held);
        }
        for number in 0..self.stations.len() {
            self.observe(number)?;
        }
        self.tell_again()?;
        self.turn_all()
    }

    /// Somebody sets the clock, forward or back.
    pub(super) fn step_clock(&mut self) -> Checked {
        if !self.faults {
            return Ok(());
        }
        // An idle shard looks at the clock many times a second; here nothing happens between two
        // events.
        self.turn_all()?;
        let before_ms = self.center_ms();
        let most_ms = match self.random.below(10) {
            0..5 => 5_000,
            5..7 => HOUR_MS,
            7 if self.scenario.wide_steps => 24 * HOUR_MS,
            8..10 if self.scenario.wide_steps => 30 * 24 * HOUR_MS,
            _ => HOUR_MS,
        };
        let step_ms = self.random.between(1, most_ms);
        let is_back = !self.random.chance(500);
        let size = usize::from(step_ms >= HOUR_MS) + usize::from(step_ms >= 24 * HOUR_MS);
        self.ledger.counts.clock_steps[size][usize::from(is_back)] += 1;
        if is_back {
            self.wall_offset_ms -= step_ms;
            self.ledger.clock_set_back();
        } else {
            self.wall_offset_ms += step_ms;
        }
        let (wall_ms, steady_ms) = (self.wall_ms(), self.steady_ms());
        self.pace.see(wall_ms, steady_ms);
        // A step that is too small to be one moves the engine's own time.
        if self.center_ms() != before_ms {
            self.ledger.release_all();
        }
        self.ledger.wall_ms = self.center_ms().ms();
        self.turn_all()
    }

    /// The device becomes full, or has room again.
    pub(super) fn change_disk(&mut self) -> Checked {
        if !self.faults {
            return Ok(());
        }
        let is_full = self.random.chance(500);
        for station in &self.stations {
            station.disk.set_files_max(if is_full { 0 } else { usize::MAX });
            station.books.set_full(is_full);
        }
        let delay_ms = self.random.between(1, self.scenario.horizon_ms / 4 + 2);
        self.after(delay_ms, Event::DiskChange);
        if self.is_down { Ok(()) } else { self.turn_all() }
    }

    /// From now on nothing fails, and the operator replays what is parked.
    pub(super) fn end_faults(&mut self) -> Checked {
        if self.is_down {
            self.after(600_000, Event::FaultsEnd);
            return Ok(());
        }
        self.faults = false;
        self.faults_ended_ms = self.now_ms;
        self.heal_lines();
        self.heal_casts();
        for station in &self.stations {
            station.disk.set_files_max(usize::MAX);
            station.disk.end_laziness();
            station.books.set_full(false);
        }
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
        let wall_ms = self.wall_ms();
        for number in 0..self.stations.len() {
            if self.is_down {
                return Ok(any);
            }
            self.show_time(number);
            let shard = self.stations[number].up();
            for parked in shard.parked(None, usize::MAX) {
                let index = self.stations[number].observer.entry_of(parked.push_id);
                let entry = self.ledger.entry(index);
                rule!(entry.end.is_some(), "push {index} is listed as parked and has not ended");
                entry.replayed = true;
                self.ledger.may_notify(index);
                any = true;
            }
            self.stations[number].up().act_on_parked(
                ParkedAction::Replay,
                None,
                (0, usize::MAX),
                wall_ms,
            );
            self.observe(number)?;
            self.turn(number)?;
        }
        Ok(any)
    }

    fn turn_all(&mut self) -> Checked {
        for number in 0..self.stations.len() {
            self.turn(number)?;
        }
        Ok(())
    }
}
