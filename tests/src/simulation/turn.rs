//! A shard's turn, in the engine's order: what is durable, what is due, what may be attempted, what has to be done.

use super::Simulation;
use super::engine::{Shard, has_begun, progress_record};
use super::events::Event;
use super::journal::Record;
use super::ledger::{Checked, EntryIndex, rule};
use hayauma::smsc::core::{Effect, FinishOutcome};
use hayauma::smsc::ended::EndedPush;
use hayauma::smsc::recovery::RecoveredNotice;

/// Timers that one call may let expire; more calls follow at once.
const TIMERS_AT_ONCE: usize = 4;
/// Calls after which timers that are still due are a bug.
const TIMER_CALLS_MAX: usize = 10_000;

impl Simulation {
    pub(super) fn turn(&mut self, number: usize) -> Checked {
        if self.is_down {
            return Ok(());
        }
        self.settle_durable(number)?;
        self.expire_timers(number)?;
        self.start_attempts(number)?;
        self.carry_out(number)?;
        if self.is_down {
            return Ok(());
        }
        self.commit(number);
        self.schedule_wake(number)
    }

    pub(super) fn wake(&mut self, shard: u8, life: u32) -> Checked {
        let number = usize::from(shard);
        if life != self.life || self.is_down {
            return Ok(());
        }
        if self.shards[number].wake_at_ms <= self.now_ms {
            self.shards[number].wake_at_ms = u64::MAX;
        }
        self.turn(number)
    }

    pub(super) fn synced(&mut self, shard: u8, life: u32, until: u64) -> Checked {
        if life != self.life || self.is_down {
            return Ok(());
        }
        let shard_state = &mut self.shards[usize::from(shard)];
        shard_state.journal.sync_to(until);
        shard_state.commit_under_way = false;
        self.turn(usize::from(shard))
    }

    fn commit(&mut self, number: usize) {
        let shard = &mut self.shards[number];
        if shard.journal.not_durable() == 0 || shard.commit_under_way {
            return;
        }
        shard.commit_under_way = true;
        let until = shard.journal.next_sequence();
        let delay_ms = if self.faults { self.random.below(self.scenario.sync_ms_max) } else { 1 };
        self.after(delay_ms, Event::Synced { shard: number as u8, life: self.life, until });
    }

    fn schedule_wake(&mut self, number: usize) -> Checked {
        let wall_ms = self.wall_ms();
        let Some(due_ms) = self.shards[number].core.next_due_ms() else { return Ok(()) };
        rule!(due_ms > wall_ms || self.faults, "shard {number} has a timer that is due and does not go away");
        let due_ms = due_ms.max(wall_ms + 1);
        let at_ms = self.now_ms + (due_ms - wall_ms);
        if at_ms < self.shards[number].wake_at_ms {
            self.shards[number].wake_at_ms = at_ms;
            self.events.schedule(at_ms, Event::Wake { shard: number as u8, life: self.life });
        }
        Ok(())
    }

    fn settle_durable(&mut self, number: usize) -> Checked {
        let shard = &mut self.shards[number];
        if !self.scenario.power {
            let appended = shard.journal.next_sequence();
            shard.journal.sync_to(appended);
        }
        let durable = shard.journal.durable();
        let mut billed = Vec::new();
        shard.core.handle_durable(durable, |push| billed.push(push.position as EntryIndex));
        for entry in billed {
            self.ledger.durable(entry)?;
        }
        let shard = &mut self.shards[number];
        while let Some(&(_, entry)) = shard.beginning.front().filter(|(sequence, _)| *sequence < durable) {
            shard.beginning.pop_front();
            self.ledger.entry(entry).ready_ms = self.now_ms;
        }
        while let Some(&answer) = self.shards[number].answers.front() {
            if answer.until > durable {
                break;
            }
            self.shards[number].answers.pop_front();
            self.answered(&answer)?;
        }
        while let Some(&(sequence, index)) = self.shards[number].ended.front() {
            if sequence >= durable {
                break;
            }
            self.shards[number].ended.pop_front();
            let entry = self.shards[number].core.push(index).position as EntryIndex;
            self.ledger.end_durable(entry)?;
            let shard = &mut self.shards[number];
            let digest = shard.accepted_of(shard.core.push(index)).content_digest;
            shard.core.handle_end_durable(index, digest);
            self.carry_out(number)?;
            if self.is_down {
                break;
            }
        }
        Ok(())
    }

    /// Lets timers expire; while there are faults, a turn may leave the rest to the next one.
    fn expire_timers(&mut self, number: usize) -> Checked {
        let calls_max = if self.faults { self.random.between(1, 4) as usize } else { TIMER_CALLS_MAX };
        for _ in 0..calls_max {
            if self.is_down {
                return Ok(());
            }
            let wall_ms = self.wall_ms();
            let core = &mut self.shards[number].core;
            core.handle_time(wall_ms, TIMERS_AT_ONCE);
            let more = core.next_due_ms().is_some_and(|due_ms| due_ms <= wall_ms);
            self.carry_out(number)?;
            if !more {
                return Ok(());
            }
        }
        rule!(self.faults, "shard {number} lets timers expire without end");
        Ok(())
    }

    /// Does what the message center asks for; the engine may die before any of it.
    pub(super) fn carry_out(&mut self, number: usize) -> Checked {
        while !self.is_down
            && let Some(effect) = self.shards[number].core.take_effect()
        {
            let odds = self.scenario.crash_at_effect_of;
            if self.faults && odds > 0 && self.random.below(odds) == 0 {
                return self.crash();
            }
            self.carry_out_one(number, effect)?;
        }
        Ok(())
    }

    fn carry_out_one(&mut self, number: usize, effect: Effect) -> Checked {
        let wall_ms = self.wall_ms();
        let shard = &mut self.shards[number];
        match effect {
            Effect::Progress(index) => {
                let push = *shard.core.push(index);
                shard.journal.append(push.position as EntryIndex, progress_record(&push, has_begun(&push)));
            }
            Effect::Begin(index) => {
                let push = *shard.core.push(index);
                let sequence =
                    shard.journal.append(push.position as EntryIndex, progress_record(&push, true));
                shard.core.handle_begin_journaled(index, sequence);
                shard.beginning.push_back((sequence, push.position as EntryIndex));
                // Nothing is late while the record is not durable.
                self.ledger.entry(push.position as EntryIndex).ready_ms = u64::MAX;
            }
            Effect::CancelAccepted(index) => {
                let push = shard.core.push(index);
                let (push_id, entry) = (push.push_id, push.position as EntryIndex);
                shard.journal.append(entry, Record::Cancel { push_id });
                self.ledger.entry(entry).cancel_accepted = true;
            }
            Effect::Ended(index) => {
                let push = *shard.core.push(index);
                let entry = push.position as EntryIndex;
                self.ledger.ended(entry, &push, wall_ms)?;
                let new = shard.accepted_of(&push);
                let alert = new.alert.map(|alert| (alert.key, alert.sequence));
                let record = Shard::end_record(&EndedPush::of(&push), alert, &new);
                let sequence = shard.journal.append(entry, record);
                self.ledger.entry(entry).end_sequence = sequence;
                shard.ended.push_back((sequence, index));
                self.note(u64::from(entry) << 16 | u64::from(push.code.number()));
            }
            Effect::Notify(index, kind) => {
                let Some(push) = shard.core.ended_by(index) else { return Ok(()) };
                let entry = push.position as EntryIndex;
                let durable = self.ledger.at(entry).end_sequence < shard.journal.durable();
                self.ledger.notifies(entry, kind, durable)?;
                self.send_notification(number, index, entry, kind);
            }
            Effect::Parked { push_id, position, kind, .. } => {
                let entry = position as EntryIndex;
                let notice = RecoveredNotice::Parked(kind);
                self.ledger.parks(entry, wall_ms)?;
                shard.journal.append(entry, Record::Notified { push_id, notice });
                self.ledger.settled_notifications(entry, notice);
                self.ledger.counts.parked += 1;
            }
            Effect::Finished { push_id, position, outcome, .. } => {
                let entry = position as EntryIndex;
                if let Some(record) = Shard::finished_record(push_id, outcome) {
                    shard.journal.append(entry, record);
                }
                self.ledger.entry(entry).let_go |= outcome == FinishOutcome::LetGo;
                self.ledger.settled_notifications(entry, RecoveredNotice::Finished);
            }
        }
        Ok(())
    }
}
