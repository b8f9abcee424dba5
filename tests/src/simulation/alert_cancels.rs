//! Cancels of whole alerts: asked of every shard, answered when each has made it durable.

use super::Simulation;
use super::bodies::cancel_alert_body;
use super::engine::{About, Answer};
use super::events::Event;
use super::ledger::{Checked, Violation};
use hayauma::shard::Reply;
use wire::terms::code::Code;

/// How often a cancel that meets a dead engine is asked for again.
const TRIES_MAX: u8 = 3;
/// The longest that a request is on its way to another shard.
const MESH_MS_MAX: u64 = 60;
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
        self.alert_cancels.push(AlertCancel { alert, parts_left: self.stations.len() });
        for shard in 0..self.stations.len() as u8 {
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
        let client = (alert % u32::from(self.scenario.clients)) as u16;
        let mut body = Vec::new();
        cancel_alert_body(alert, client, number, &mut body);
        self.ledger.alert_cancel_requested(alert);
        // One shard has it from the client, and asks the others.
        let reply = self.ask(usize::from(shard), &body, shard == 0);
        self.observe(usize::from(shard))?;
        let (answer, until) = match reply {
            Reply::EveryShard { answer, sequence, .. } => (answer, sequence),
            Reply::WhenDurable(answer, until) => (answer, until),
            // No room for it, now.
            Reply::Now(answer) if matches!(answer.code, Code::STORAGE_FULL | Code::OVERLOAD) => {
                return Ok(());
            }
            other => {
                return Err(Violation(format!(
                    "the cancel of alert {alert} is answered {other:?}"
                )));
            }
        };
        let is_an_answer =
            matches!(answer.code, Code::ACCEPTED | Code::REPEATED | Code::PUSH_NOT_FOUND);
        if !is_an_answer {
            return Err(Violation(format!("the cancel of alert {alert} is answered {answer:?}")));
        }
        let (about, code) = (About::AlertCancel(number), answer.code);
        self.stations[usize::from(shard)].answers.push_back(Answer { about, code, until });
        self.note(u64::from(alert) << 8 | u64::from(shard));
        self.turn(usize::from(shard))
    }

    /// One shard has made its part durable; after the last one the client is told.
    pub(super) fn alert_cancel_answered(&mut self, number: u32) -> Checked {
        let cancel = &mut self.alert_cancels[number as usize];
        cancel.parts_left -= 1;
        if cancel.parts_left == 0 {
            let alert = cancel.alert;
            let times = (self.center_ms().ms(), self.wall_ms().ms());
            self.ledger.alert_cancel_answered(alert, times);
        }
        Ok(())
    }
}
