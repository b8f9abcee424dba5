//! The push clients' notification sinks: quick, slow, flaky or dead.

use super::Simulation;
use super::bodies::read_notification;
use super::events::Event;
use super::ledger::{Checked, EntryIndex, Violation};
use hayauma::shard::{NotificationOrder, NotificationResult};
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
        let slower = if self.is_down { 64 } else { 1 };
        let delay_ms = slower * self.random.between(1, 2 * self.scenario.sink_change_ms);
        self.after(delay_ms, Event::SinkChange { client });
        Ok(())
    }

    pub(super) fn send_notification(
        &mut self,
        number: usize,
        order: NotificationOrder,
        request: &[u8],
    ) -> Checked {
        let read = read_notification(request)
            .filter(|&(entry, _)| (entry as usize) < self.ledger.entries.len());
        let Some((entry, code)) = read else {
            let text = String::from_utf8_lossy(request);
            return Err(Violation(format!("a notification that no push client can read: {text}")));
        };
        let durable = self.ledger.at(entry).end_sequence < self.stations[number].up().durable();
        self.ledger.notifies(entry, order.kind, durable)?;
        let most_ms = match self.sinks[usize::from(self.ledger.at(entry).client)] {
            Mood::Quick | Mood::Flaky => 50,
            Mood::Slow => 20_000,
            Mood::Dead => 30_000,
        };
        let delay_ms = self.random.between(1, most_ms);
        self.after(
            delay_ms,
            Event::Notification { shard: number as u8, life: self.life, order, entry, code },
        );
        Ok(())
    }

    pub(super) fn notification_arrives(
        &mut self,
        shard: u8,
        life: u32,
        order: NotificationOrder,
        entry: EntryIndex,
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
            self.ledger.notified(entry, order.kind, code)?;
            self.note(u64::from(entry) << 20 | u64::from(code.number()));
        }
        if life != self.life || self.is_down {
            return Ok(());
        }
        let number = usize::from(shard);
        let asks = mood == Mood::Flaky && self.random.chance(200);
        let retry_after_seconds = asks.then(|| self.random.below(4_000) as u32);
        let result = if acknowledged {
            self.ledger.may_notify(entry);
            NotificationResult::Acknowledged
        } else {
            self.ledger.notification_failed(entry, retry_after_seconds);
            NotificationResult::Failed { retry_after_seconds }
        };
        self.show_time(number);
        let wall_ms = self.wall_ms();
        self.stations[number].up().settle_notification(order, result, wall_ms);
        self.observe(number)?;
        self.turn(number)
    }
}
