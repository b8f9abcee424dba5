//! Cancels of whole alerts: asked of every shard, answered when each has made it durable.

use super::Simulation;
use super::clients::alert_identity;
use super::engine::{About, Answer};
use super::events::Event;
use super::journal::{NO_ENTRY, Record};
use super::ledger::Checked;
use hayauma::smsc::closed_alerts::ClosedAlert;
use wire::terms::code::Code;

/// How often a cancel that meets a dead engine is asked for again.
const TRIES_MAX: u8 = 3;
/// The longest that a request is on its way to another shard.
const MESH_MS_MAX: u64 = 60;
/// A repeated cancel closes the alert anew when the last one is older than this.
const FRESH_MS: u64 = 3_600_000;

/// A whole alert's cancel under way.
#[derive(Debug)]
pub(super) struct AlertCancel {
    alert: u32,
    /// Shards that have not made it durable yet.
    parts_left: usize,
}

impl Simulation {
    pub(super) fn take_alert_cancel(&mut self, alert: u32, tries: u8) -> Checked {
        if self.is_down {
            if tries < TRIES_MAX {
                self.after(5_000, Event::CancelAlert { alert, tries: tries + 1 });
            }
            return Ok(());
        }
        let number = self.alert_cancels.len() as u32;
        self.alert_cancels.push(AlertCancel { alert, parts_left: self.shards.len() });
        for shard in 0..self.shards.len() as u8 {
            let delay_ms = self.random.below(MESH_MS_MAX);
            self.after(delay_ms, Event::CancelAlertPart { number, shard, life: self.life });
        }
        Ok(())
    }

    pub(super) fn take_alert_cancel_part(&mut self, number: u32, shard: u8, life: u32) -> Checked {
        if life != self.life || self.is_down {
            return Ok(());
        }
        let alert = self.alert_cancels[number as usize].alert;
        let fingerprint = alert_identity(alert, 0, 0).alert;
        let wall_ms = self.wall_ms();
        self.ledger.alert_cancel_requested(alert);
        let state = &mut self.shards[usize::from(shard)];
        let known = state.core.closed_alert(fingerprint);
        if known.is_none_or(|known| wall_ms.abs_diff(known.at_ms) >= FRESH_MS) {
            let sequence = state.journal.next_sequence();
            let share = (alert % 3) as u16;
            let found = state.core.alert_members(fingerprint) > 0 || known.is_some_and(|known| known.found);
            let cancel = ClosedAlert { sequence, at_ms: wall_ms, share, found, told: true };
            state.journal.append(NO_ENTRY, Record::AlertCancel { fingerprint, cancel });
            state.core.cancel_alert(fingerprint, cancel);
        }
        let until = state.journal.next_sequence();
        state.answers.push_back(Answer { about: About::AlertCancel(number), code: Code::ACCEPTED, until });
        self.note(u64::from(alert) << 8 | u64::from(shard));
        self.turn(usize::from(shard))
    }

    /// One shard has made its part durable; after the last one the client is told.
    pub(super) fn alert_cancel_answered(&mut self, number: u32) -> Checked {
        let cancel = &mut self.alert_cancels[number as usize];
        cancel.parts_left -= 1;
        if cancel.parts_left == 0 {
            self.ledger.alert_cancel_answered(cancel.alert, self.now_ms);
        }
        Ok(())
    }
}
