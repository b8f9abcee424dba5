//! What the driver has carried out, and what failed.

use super::{ThreadTurn, refused};
use crate::io::driver::{Completion, Operation, Owner};
use crate::io::limits::RECEIVED_PER_TURN_OCTETS_MAX;
use crate::io::now::Now;
use crate::io::part::{Carrying, Part, places_of_write};
use host::fatal::{Fatal, FatalReason};
use std::io;
use wire::terms::code::Code;

/// After so many completions it looks whether a commit is to be let on.
const COMPLETIONS_PER_LOOK: usize = 16;

impl ThreadTurn {
    /// Takes what has been carried out; whether there was any.
    pub(super) fn reap(&mut self, now: Now) -> bool {
        if self.completions.is_empty() {
            self.enter();
        }
        let busy = !self.completions.is_empty();
        let (mut received, mut looked_at) = (0, 0);
        while let Some(completion) = self.completions.pop_front() {
            looked_at += 1;
            if looked_at % COMPLETIONS_PER_LOOK == 0 {
                self.let_commit_on();
            }
            if completion.buffer.is_some() {
                received += completion.result.max(0) as usize;
            }
            self.complete(&completion, now);
            if received >= RECEIVED_PER_TURN_OCTETS_MAX {
                break;
            }
        }
        busy
    }

    pub(super) fn enter(&mut self) {
        if let Err(error) = self.driver.turn(&mut self.completions) {
            refused("turn", &error);
        }
    }

    fn complete(&mut self, completion: &Completion, now: Now) {
        let operation = completion.token.operation;
        match (completion.token.owner, operation) {
            (_, Operation::Cancel) => {}
            (Owner::Front, Operation::Send) => self.front.sent(completion),
            (Owner::Front, Operation::HangUp) => self.front.hung_up(completion, &mut self.driver),
            (Owner::Front, _) => {
                self.front.received(
                    completion,
                    &mut self.driver,
                    &mut self.parts,
                    &mut self.mesh,
                    now,
                );
            }
            (Owner::Notifier, _) => {
                self.notifier.completed(completion, &mut self.driver, &mut self.parts, now);
            }
            (Owner::Carrier, _) => self.carriers.completed(completion, &mut self.driver, now),
            (Owner::Customer, _) => self.complete_for_customers(completion, now),
            (Owner::Turn, Operation::Call) => self.driver.listen(),
            (Owner::Turn, _) => {
                if let Err(error) = self.complete_for_part(completion, now) {
                    self.fail_durable(&error);
                }
            }
        }
    }

    fn complete_for_customers(&mut self, completion: &Completion, now: Now) {
        let driver = &mut self.driver;
        match completion.token.operation {
            Operation::Send => self.customers.sent(completion),
            Operation::HangUp => self.customers.hung_up(completion, driver),
            _ => {
                let (parts, mesh) = (&mut self.parts, &mut self.mesh);
                let arrived = self.front.waits.moment(now.steady_ns);
                self.customers.received(completion, driver, parts, mesh, now, arrived);
            }
        }
    }

    /// A write or a sync of a part. It stays in its place until all of them are carried out.
    fn complete_for_part(&mut self, completion: &Completion, now: Now) -> io::Result<()> {
        let (operation, index) = (completion.token.operation, completion.token.index);
        match operation {
            Operation::Commit => {
                let (place, at) = places_of_write(index);
                let mut carrying = Carrying {
                    driver: &mut self.driver,
                    waits: &mut self.front.waits,
                    faults: self.limits.faults,
                };
                let part = self.parts.get_mut(place);
                part.map_or(Ok(()), |part| part.written(at, completion.outcome(), &mut carrying))
            }
            Operation::BillingWrite => {
                if let Some(part) = self.parts.get_mut(index) {
                    part.billing_written(completion.outcome(), &mut self.driver, now.wall_ms);
                }
                Ok(())
            }
            Operation::BillingSync => {
                let synced = |part: &mut Part| part.billing_synced(completion.result);
                self.parts.get_mut(index).map_or(Ok(()), synced)
            }
            _ => unreachable!("a thread asks for no {operation:?} of its own"),
        }
    }

    /// What was written since the last good sync may be lost: say so to everybody who waits, and
    /// end. One journal's device is every journal's.
    pub(super) fn fail_durable(&mut self, error: &io::Error) -> ! {
        // A socket whose send has completed takes its last words; that was not looked at yet.
        let _ = self.driver.turn(&mut self.completions);
        for completion in &self.completions {
            match (completion.token.owner, completion.token.operation) {
                (Owner::Front, Operation::Send) => self.front.sent(completion),
                (Owner::Customer, Operation::Send) => self.customers.sent(completion),
                _ => {}
            }
        }
        self.front.fail_durable(&self.date);
        self.customers.fail_durable(Now::read().steady_ms);
        let cause = format!(
            "the device could not make journal records durable ({error}, code {})",
            Code::NOT_DURABLE
        );
        Fatal::new(FatalReason::SyncFailed, cause).end_process()
    }
}
