//! A shard's turns, driven as the engine's loop drives them: a turn, what it recorded, what it
//! sent, a commit.

use super::Simulation;
use super::disk::End;
use super::events::Event;
use super::ledger::{Checked, EntryIndex, Violation, rule};
use super::observer::{NO_ENTRY, Noted, What};
use hayauma::billing::EventKind;
use hayauma::shard::TurnBudget;
use hayauma::smsc::state::State;
use wire::terms::time::WallMs;

/// Turns that follow each other at once; a shard that has more to do goes on a millisecond later.
const TURNS_AT_ONCE: usize = 64;
/// Turns at once after which timers that are still due are a bug.
const TURNS_MAX: usize = 10_000;
/// When events that the books did not take are tried again.
const BOOKS_RETRY_MS: u64 = 60_000;
/// Turns that clean after one of which the engine dies.
const CLEANING_TURNS_PER_DEATH: u64 = 12;

impl Simulation {
    pub(super) fn turn(&mut self, number: usize) -> Checked {
        let turns_max = if self.faults { TURNS_AT_ONCE } else { TURNS_MAX };
        for _ in 0..turns_max {
            if self.is_down {
                return Ok(());
            }
            self.settle_durable(number)?;
            let busy = self.turn_once(number)?;
            if self.is_down {
                return Ok(());
            }
            let goes_on = self.commit(number) | self.sync_books(number);
            if !busy && !goes_on && !self.is_due(number) {
                return self.schedule_wake(number, false);
            }
        }
        rule!(self.faults, "shard {number} works without end");
        self.schedule_wake(number, true)
    }

    pub(super) fn wake(&mut self, shard: u8, life: u32) -> Checked {
        let number = usize::from(shard);
        if life != self.life || self.is_down {
            return Ok(());
        }
        if self.stations[number].wake_at_ms <= self.now_ms {
            self.stations[number].wake_at_ms = u64::MAX;
        }
        self.turn(number)
    }

    /// The device has what the commit under way names.
    pub(super) fn synced(&mut self, shard: u8, life: u32) -> Checked {
        if life != self.life || self.is_down {
            return Ok(());
        }
        let number = usize::from(shard);
        if let Some(mut commit) = self.stations[number].commit.take() {
            let shard = self.stations[number].up();
            shard.carry_out_commit(&mut commit).map_err(|error| Violation(error.to_string()))?;
            shard.finish_commit(&commit);
        }
        // The engine may die behind the commit, before it goes on.
        if self.dies_here(self.scenario.crash_at_turn_of) {
            self.crash()
        } else {
            self.turn(number)
        }
    }

    pub(super) fn books_written(&mut self, shard: u8, life: u32) -> Checked {
        if life != self.life || self.is_down {
            return Ok(());
        }
        let (number, wall_ms) = (usize::from(shard), self.wall_ms());
        let station = &mut self.stations[number];
        if let Some(mut write) = station.billing_write.take() {
            let outcome = station.books.carry_out(&mut write, &mut self.random);
            station.up().finish_billing_write(&write, outcome, wall_ms);
        }
        self.turn(number)
    }

    pub(super) fn books_synced(&mut self, shard: u8, life: u32) -> Checked {
        if life != self.life || self.is_down {
            return Ok(());
        }
        let number = usize::from(shard);
        if let Some(sync) = self.stations[number].billing_sync.take() {
            self.stations[number].up().finish_billing_sync(&sync);
        }
        self.turn(number)
    }

    fn dies_here(&mut self, odds: u64) -> bool {
        let may_die = self.faults && self.scenario.crash_at_turn_of > 0;
        may_die && odds > 0 && self.random.below(odds) == 0
    }

    fn turn_once(&mut self, number: usize) -> Result<bool, Violation> {
        let timers = if self.faults { self.random.between(1, 4) as usize * 4 } else { 64 };
        // In a stop nothing begins.
        let attempts = if self.desk.is_stopping { 0 } else { self.scenario.attempts_max + 1 };
        // Hours pass between two turns: nearly each one counts some of what waits.
        let (looks, counted) = (1_024, 512);
        let budget = TurnBudget { timers, attempts, outcomes: 64, records: 512, looks, counted };
        self.show_time(number);
        let wall_ms = self.wall_ms();
        let busy = self.stations[number].turn(wall_ms, &budget);
        let cleaned = self.observe(number)?;
        let odds = if cleaned { CLEANING_TURNS_PER_DEATH } else { self.scenario.crash_at_turn_of };
        if self.dies_here(odds) {
            // What the turn sent may not have left.
            if self.random.chance(500) {
                self.stations[number].world.queues().submitted.clear();
            } else {
                self.send_out(number)?;
            }
            self.crash()?;
            return Ok(false);
        }
        self.send_out(number)?;
        Ok(busy)
    }

    /// Attempts and notifications leave.
    fn send_out(&mut self, number: usize) -> Checked {
        self.ledger.rows_are_live = self.desk.is_open;
        let submitted = std::mem::take(&mut self.stations[number].world.queues().submitted);
        for submission in &submitted {
            self.begin_attempt(number, submission)?;
        }
        let in_flight = self.stations[number].world.queues().in_flight;
        // With as many under way as there may be, nothing is late.
        self.ledger.full[number] = in_flight >= self.scenario.attempts_max;
        while !self.is_down
            && let Some((order, request)) =
                self.stations[number].take_notification(&self.common.url)
        {
            self.send_notification(number, order, &request)?;
        }
        Ok(())
    }

    /// Shows the shard both clocks, as the engine's loop does before each call.
    pub(super) fn show_time(&mut self, number: usize) {
        let (wall_ms, steady_ms) = (self.wall_ms(), self.steady_ms());
        self.stations[number].up().keep_time(wall_ms, steady_ms);
    }

    fn is_due(&mut self, number: usize) -> bool {
        let center_ms = self.center_ms();
        self.stations[number].up().core().next_due_ms().is_some_and(|due_ms| due_ms <= center_ms)
    }

    /// Begins a commit of what was recorded; whether it is done already.
    fn commit(&mut self, number: usize) -> bool {
        let is_under_way = self.stations[number].commit.is_some();
        let Some(mut commit) = self.stations[number].up().begin_commit().filter(|_| !is_under_way)
        else {
            return false;
        };
        if self.scenario.power {
            self.stations[number].commit = Some(commit);
            let delay_ms =
                if self.faults { self.random.below(self.scenario.sync_ms_max) } else { 1 };
            self.after(delay_ms, Event::Synced { shard: number as u8, life: self.life });
            return false;
        }
        let shard = self.stations[number].up();
        let written = shard.carry_out_commit(&mut commit).is_ok();
        shard.finish_commit(&commit);
        written
    }

    /// Begins to write the books, and to sync them where cleaning waits for that; whether cleaning
    /// goes on at once.
    fn sync_books(&mut self, number: usize) -> bool {
        let wall_ms = self.wall_ms();
        if let Some(write) = self.stations[number].up().begin_billing_write(wall_ms) {
            self.stations[number].billing_write = Some(write);
            let delay_ms =
                if self.faults { self.random.below(self.scenario.sync_ms_max) } else { 1 };
            self.after(delay_ms, Event::BooksWritten { shard: number as u8, life: self.life });
        }
        let appended = self.stations[number].up().journal().appended();
        if let Some(sync) = self.stations[number].up().begin_billing_sync() {
            self.stations[number].billing_sync = Some(sync);
            let delay_ms =
                if self.faults { self.random.below(self.scenario.sync_ms_max) } else { 1 };
            self.after(delay_ms, Event::BooksSynced { shard: number as u8, life: self.life });
        }
        self.stations[number].up().journal().appended() != appended
    }

    fn schedule_wake(&mut self, number: usize, at_once: bool) -> Checked {
        let center_ms = self.center_ms();
        let shard = self.stations[number].up();
        let owes = shard.unbilled().0 > 0;
        let due_ms = shard.core().next_due_ms();
        rule!(
            due_ms.is_none_or(|due_ms| due_ms > center_ms) || self.faults,
            "shard {number} has a timer that is due and does not go away"
        );
        let core_ms = due_ms.map(|due_ms| due_ms.max(center_ms + 1).since(center_ms));
        // An engine that stops looks when it is asked whether it is done.
        let core_ms = core_ms.filter(|_| !self.desk.is_stopping);
        let rows_ms = self.rows.are_live().then(|| self.rows_due_in_ms(number)).flatten();
        let delays = [core_ms, owes.then_some(BOOKS_RETRY_MS), at_once.then_some(1), rows_ms];
        let Some(delay_ms) = delays.into_iter().flatten().min() else { return Ok(()) };
        let at_ms = self.now_ms + delay_ms;
        if at_ms < self.stations[number].wake_at_ms {
            self.stations[number].wake_at_ms = at_ms;
            self.events.schedule(at_ms, Event::Wake { shard: number as u8, life: self.life });
        }
        Ok(())
    }

    /// When broadcasts want a turn of a shard.
    fn rows_due_in_ms(&self, number: usize) -> Option<u64> {
        let due_ms = self.stations[number].next_due_ms()?;
        let in_ms = due_ms.ms().saturating_sub(self.wall_ms().ms());
        Some(in_ms.max(self.desk.look_ms))
    }

    /// What is durable may be attempted, and answers leave.
    fn settle_durable(&mut self, number: usize) -> Checked {
        let durable = self.stations[number].up().durable();
        while let Some(&(_, entry)) =
            self.stations[number].undurable.front().filter(|(sequence, _)| *sequence < durable)
        {
            self.stations[number].undurable.pop_front();
            self.ledger.entry(entry).ready_ms = self.now_ms;
        }
        // Each client has a connection of its own: no answer waits for another.
        let ready = self.stations[number].answers.take_durable(durable);
        ready.iter().try_for_each(|answer| self.answered(answer))
    }

    /// Takes note of what the shard has written down since; whether it has moved pushes forward.
    pub(super) fn observe(&mut self, number: usize) -> Result<bool, Violation> {
        let records = self.stations[number].take_records().map_err(Violation)?;
        let is_moved = |noted: &&Noted| noted.copy && matches!(noted.what, What::Accepted { .. });
        self.ledger.counts.moved += records.iter().filter(is_moved).count() as u64;
        let moved = records.iter().any(|noted| noted.copy);
        for noted in records.iter().filter(|noted| !noted.copy) {
            self.note_record(number, noted)?;
        }
        for (ordinal, sequence, record) in self.stations[number].observer.take_notes() {
            let there = self.rows.noted(number, (ordinal, sequence), &record)?;
            // The next push to a phone that took a row may be tried before its time.
            there.into_iter().for_each(|line| self.ledger.released(line));
        }
        self.observe_books(number)?;
        Ok(moved)
    }

    /// Takes note of what has come into the books' files since.
    pub(super) fn observe_books(&mut self, number: usize) -> Checked {
        for event in self.stations[number].books.take_new() {
            let entry = self.stations[number].observer.entry_of(event.push_id);
            match event.kind {
                EventKind::Accepted => self.ledger.accepted_billed(entry)?,
                EventKind::Final => self.ledger.end_billed(entry, &event)?,
                EventKind::AcceptedMany | EventKind::FinalMany => self.rows.billed(&event)?,
                EventKind::Rejected | EventKind::Replayed => {}
            }
        }
        Ok(())
    }

    fn note_record(&mut self, number: usize, noted: &Noted) -> Checked {
        let &Noted { sequence, push_id, entry, what, .. } = noted;
        if matches!(what, What::AlertCancel) {
            return Ok(());
        }
        rule!(
            entry != NO_ENTRY,
            "a record of push number {push_id}, which was never accepted: {noted:?}"
        );
        match what {
            What::Accepted { expires_ms, accepted_ms, reference } => {
                let center_ms = self.pace.center(WallMs::new(expires_ms)).ms();
                self.ledger.accepted(entry, push_id, (center_ms, expires_ms))?;
                let known = self.ledger.entry(entry);
                (known.accepted_real_ms, known.reference) = (accepted_ms, reference);
                self.stations[number].undurable.push_back((sequence, entry));
            }
            What::Progress { begun } => {
                if begun {
                    // Nothing is late while the record is not durable.
                    self.ledger.entry(entry).ready_ms = u64::MAX;
                    self.stations[number].undurable.push_back((sequence, entry));
                }
            }
            What::Held(hold) => self.ledger.held(entry, &hold)?,
            What::Cancel => {
                let known = self.ledger.entry(entry);
                rule!(known.is_open(), "the cancel of push {entry} comes too late");
                known.cancel_accepted = true;
            }
            What::Ended(ending) => {
                let center_ms = self.pace.center(WallMs::new(ending.ended_ms)).ms();
                self.ledger.ended(entry, &ending, center_ms)?;
                self.ledger.entry(entry).end_sequence = sequence;
                // What was delivered shows that the line is there: the next push may be tried
                // before its time.
                if ending.state == State::Delivered {
                    let line = self.ledger.at(entry).line;
                    self.ledger.released(line);
                }
                self.note(u64::from(entry) << 16 | u64::from(ending.code.number()));
            }
            What::Parked => {
                self.ledger.parks(entry)?;
                self.ledger.settled_notifications(entry, true);
                self.ledger.counts.parked += 1;
            }
            What::Finished { let_go } => {
                self.ledger.entry(entry).let_go |= let_go;
                self.ledger.settled_notifications(entry, false);
            }
            What::Key | What::AlertCancel => {}
        }
        Ok(())
    }

    /// How an engine of this run ends: where nothing is synced only a process can die.
    pub(super) fn draw_end(&mut self) -> End {
        if self.scenario.power && self.random.chance(700) { End::PowerLost } else { End::Killed }
    }

    /// The push whose segments an attempt carries.
    pub(super) fn entry_checked(&self, entry: Option<EntryIndex>) -> Result<EntryIndex, Violation> {
        match entry.filter(|&entry| (entry as usize) < self.ledger.entries.len()) {
            Some(entry) => Ok(entry),
            None => Err(Violation(
                "an attempt carries segments that are no push's of their own".to_owned(),
            )),
        }
    }
}
