//! Cancels of whole alerts: asked of every shard, answered when each has made it durable.

use super::Simulation;
use super::bodies::cancel_alert_body;
use super::clients::Asker;
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
    /// Shards that know no push of the alert.
    unknowing: Vec<u8>,
    /// Some shard knows pushes of it: the others close it too.
    found: bool,
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
        let (parts_left, unknowing) = (self.stations.len(), Vec::new());
        self.alert_cancels.push(AlertCancel { alert, parts_left, unknowing, found: false });
        (0..self.stations.len() as u8).for_each(|shard| self.send_alert_cancel(number, shard));
        Ok(())
    }

    fn send_alert_cancel(&mut self, number: u32, shard: u8) {
        let delay_ms = self.random.below(MESH_MS_MAX);
        self.after(delay_ms, Event::CancelAlertPart { number, shard, life: self.life });
    }

    pub(super) fn take_alert_cancel_part(&mut self, number: u32, shard: u8, life: u32) -> Checked {
        if life != self.life || self.is_down {
            return Ok(());
        }
        let AlertCancel { alert, found, .. } = self.alert_cancels[number as usize];
        let client = (alert % u32::from(self.scenario.clients)) as u16;
        let mut body = Vec::new();
        cancel_alert_body(alert, client, number, &mut body);
        let is_first = self.ledger.alert_cancel_requested(alert);
        // One shard has it from the client, and asks the others.
        let by_client = shard == 0 && !found;
        let asker = if by_client { Asker::Client } else { Asker::Peer { found_elsewhere: found } };
        let reply = self.ask(usize::from(shard), &body, asker);
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
        if answer.code == Code::PUSH_NOT_FOUND && is_first && !found {
            self.ledger.alert_left_alone(alert);
        }
        let (about, code) = (About::AlertCancel(number, shard), answer.code);
        self.stations[usize::from(shard)].answers.push_back(Answer { about, code, until });
        self.note(u64::from(alert) << 8 | u64::from(shard));
        self.turn(usize::from(shard))
    }

    /// One shard has made its part durable. After the last one, those that know no push of the
    /// alert are asked to close it where others know some; then the client is told.
    pub(super) fn alert_cancel_part_answered(
        &mut self,
        number: u32,
        shard: u8,
        code: Code,
    ) -> Checked {
        let cancel = &mut self.alert_cancels[number as usize];
        cancel.parts_left -= 1;
        if code == Code::PUSH_NOT_FOUND && !cancel.found {
            cancel.unknowing.push(shard);
        }
        if cancel.parts_left > 0 {
            return Ok(());
        }
        let unknowing = std::mem::take(&mut cancel.unknowing);
        if unknowing.len() == self.stations.len() {
            // It is answered 3002.
            return Ok(());
        }
        let cancel = &mut self.alert_cancels[number as usize];
        cancel.found = true;
        if unknowing.is_empty() {
            let alert = cancel.alert;
            let times = (self.center_ms().ms(), self.wall_ms().ms());
            self.ledger.alert_cancel_answered(alert, times);
            return Ok(());
        }
        cancel.parts_left = unknowing.len();
        unknowing.into_iter().for_each(|shard| self.send_alert_cancel(number, shard));
        Ok(())
    }
}
