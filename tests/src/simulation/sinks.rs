//! The push clients' notification sinks: quick, slow, flaky or dead.

use super::Simulation;
use super::events::Event;
use super::ledger::{Checked, EntryIndex};
use hayauma::smsc::core::NotificationKind;
use hayauma::smsc::ended::EndedId;
use wire::terms::code::Code;

/// How a sink takes notifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mood {
    Quick,
    Slow,
    Flaky,
    Dead,
}

impl Simulation {
    pub(super) fn change_sink(&mut self, client: u16) -> Checked {
        if !self.faults {
            return Ok(());
        }
        let mood = match self.random.below(10) {
            _ if self.scenario.dead_client == Some(client) => Mood::Dead,
            0..5 => Mood::Quick,
            5..6 => Mood::Slow,
            6..8 => Mood::Flaky,
            _ => Mood::Dead,
        };
        self.sinks[usize::from(client)] = mood;
        let delay_ms = self.random.between(1, 2 * self.scenario.sink_change_ms);
        self.after(delay_ms, Event::SinkChange { client });
        Ok(())
    }

    pub(super) fn send_notification(
        &mut self,
        number: usize,
        index: EndedId,
        entry: EntryIndex,
        kind: NotificationKind,
    ) {
        let Some(push) = self.shards[number].core.ended_by(index) else { return };
        let code = match kind {
            NotificationKind::Complete => push.code,
            NotificationKind::Cancellation => push.cancel_code(),
        };
        let most_ms = match self.sinks[usize::from(self.ledger.at(entry).client)] {
            Mood::Quick | Mood::Flaky => 50,
            Mood::Slow => 20_000,
            Mood::Dead => 30_000,
        };
        let delay_ms = self.random.between(1, most_ms);
        let event = Event::Notification { shard: number as u8, life: self.life, index, entry, kind, code };
        self.after(delay_ms, event);
    }

    pub(super) fn notification_arrives(
        &mut self,
        shard: u8,
        life: u32,
        index: EndedId,
        entry: EntryIndex,
        kind: NotificationKind,
        code: Code,
    ) -> Checked {
        let mood = self.sinks[usize::from(self.ledger.at(entry).client)];
        // Taken by the sink, and the answer arrives at the engine.
        let (taken, acknowledged) = match mood {
            Mood::Quick | Mood::Slow => (true, true),
            Mood::Flaky => {
                let taken = self.random.chance(600);
                (taken, taken && self.random.chance(700))
            }
            Mood::Dead => (false, false),
        };
        if taken {
            self.ledger.notified(entry, kind, code)?;
            self.note(u64::from(entry) << 20 | u64::from(code.number()));
        }
        if life != self.life || self.is_down {
            return Ok(());
        }
        let number = usize::from(shard);
        let (wall_ms, random) = (self.wall_ms(), self.random.bits());
        let retry_after = (mood == Mood::Flaky && self.random.chance(200)).then_some(random as u32 % 4_000);
        let core = &mut self.shards[number].core;
        if acknowledged {
            self.ledger.may_notify(entry);
            core.handle_acknowledged(index, kind);
        } else {
            self.ledger.notification_failed(entry, retry_after);
            core.handle_notification_failed(index, kind, retry_after, wall_ms, random);
        }
        self.carry_out(number)?;
        self.turn(number)
    }
}
