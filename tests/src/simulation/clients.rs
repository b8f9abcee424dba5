//! The push clients: they make up pushes, ask again when no answer comes, repeat themselves and
//! change their minds.

use super::Simulation;
use super::bodies::{cancel_body, push_body};
use super::engine::{About, Answer};
use super::events::Event;
use super::ledger::{Checked, Entry, EntryIndex, Violation, rule};
use super::network::msn_of;
use hayauma::gateway::registry::Credential;
use hayauma::shard::{Origin, Reply};
use hayauma::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::ownership::shard_of;

const HOUR_MS: u64 = 3_600_000;
/// How often a client asks for the same push before it gives up.
const REQUESTS_MAX: u8 = 40;
/// How often a cancel that meets a dead engine is asked for again.
const CANCELS_MAX: u8 = 5;

/// Who asks a shard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A push client.
    Client,
    /// Another shard; of a whole alert's cancel, whether pushes of the alert wait in another one.
    Peer { found_elsewhere: bool },
}

impl Simulation {
    pub(super) fn make_up_push(&mut self) -> Checked {
        if !self.faults {
            return Ok(());
        }
        let index = self.ledger.entries.len() as EntryIndex;
        let entry = self.draw_entry();
        if let Some((alert, _)) = entry.alert {
            let alerts = &mut self.ledger.of_alert;
            if alerts.len() <= alert as usize {
                alerts.resize(alert as usize + 1, Vec::new());
            }
            alerts[alert as usize].push(index);
            if self.random.chance(10) {
                let delay_ms = self.random.below(self.scenario.horizon_ms / 4 + 1);
                self.after(delay_ms, Event::CancelAlert { alert, tries: 0 });
            }
        }
        self.ledger.entries.push(entry);
        self.ledger.counts.pushes += 1;
        if self.random.chance(self.scenario.cancel) {
            let most_ms =
                if self.random.chance(500) { 3_000 } else { self.scenario.horizon_ms / 4 + 1 };
            let delay_ms = self.random.below(most_ms);
            self.after(delay_ms, Event::Cancel { entry: index, tries: 0 });
        }
        if self.random.chance(self.scenario.repeat) {
            let most_ms = if self.random.chance(400) { 3_000 } else { HOUR_MS };
            let delay_ms = self.random.below(most_ms);
            let altered = self.random.chance(300);
            self.after(delay_ms, Event::Request { entry: index, altered });
        }
        if self.ledger.counts.pushes < self.options.pushes {
            let mean_ms = self.scenario.horizon_ms / self.options.pushes;
            let delay_ms =
                if self.random.chance(300) { 0 } else { self.random.below(2 * mean_ms + 1) };
            self.after(delay_ms, Event::NextPush);
        }
        self.send(index)
    }

    fn draw_entry(&mut self) -> Entry {
        let wall_ms = self.wall_ms().ms();
        let random = &mut self.random;
        let line = random.below(u64::from(self.scenario.lines)) as u32;
        let shard = shard_of(msn_of(line), self.scenario.shards) as u8;
        let class = match random.below(1000) {
            part if part < self.scenario.emergency => Class::Emergency,
            900..950 => Class::Urgent,
            950.. => Class::Exercise,
            _ => Class::Standard,
        };
        let alert = random.chance(self.scenario.alert).then(|| {
            // The latest alerts are the ones that are still being sent.
            let latest = self.ledger.entries.len() as u32 / 24;
            (latest.saturating_sub(random.below(3) as u32), random.below(4) as u8)
        });
        let hours = match random.below(10) {
            0 => 0,
            1..=4 => 1,
            5..=7 => random.between(2, 24),
            _ => random.between(24, 72),
        };
        let client = random.below(u64::from(self.scenario.clients)) as u16;
        // The wire carries whole seconds.
        let soon = hours == 1 && random.chance(300);
        let expiry_ms =
            soon.then(|| (wall_ms + random.between(1, 600_000)).next_multiple_of(1_000));
        Entry {
            // An alert is of one client.
            client: alert
                .map_or(client, |(alert, _)| (alert % u32::from(self.scenario.clients)) as u16),
            line,
            shard,
            class,
            segments: if random.chance(700) { 1 } else { random.between(2, 10) as u8 },
            control: random.chance(500),
            wants_notification: random.chance(800),
            single_attempt: hours == 0,
            lifetime_hours: hours as u8,
            expiry_ms,
            alert,
            ..Entry::unknown()
        }
    }

    fn send(&mut self, index: EntryIndex) -> Checked {
        let wait_ms = self.random.between(5_000, 30_000);
        self.ledger.entry(index).requests += 1;
        self.after(wait_ms, Event::Overdue { entry: index });
        self.take_request(index, false)
    }

    pub(super) fn ask_again(&mut self, index: EntryIndex) -> Checked {
        let entry = self.ledger.entry(index);
        if entry.answered || entry.given_up {
            return Ok(());
        }
        if entry.requests >= REQUESTS_MAX {
            entry.given_up = true;
            return Ok(());
        }
        self.send(index)
    }

    pub(super) fn take_request(&mut self, index: EntryIndex, altered: bool) -> Checked {
        let entry = self.ledger.at(index).clone();
        let center_ms = self.center_ms().ms();
        let is_known = entry.push_id.is_some();
        let is_remembered = entry.is_remembered(center_ms);
        // A key that may be forgotten, or is not known yet, may be used anew: no client does that.
        if self.is_down || (is_known && !is_remembered) || (altered && !is_known) {
            return Ok(());
        }
        let number = usize::from(entry.shard);
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        push_body(index, &entry, altered, &mut body);
        let reply = self.ask(number, &body, Asker::Client);
        self.body = body;
        self.observe(number)?;
        let (answer, until) = match reply {
            Reply::Now(answer) => (answer, 0),
            Reply::WhenDurable(answer, until) => (answer, until),
            other => return Err(Violation(format!("push {index} is answered {other:?}"))),
        };
        let right = match answer.code {
            Code::REQID_REUSED => altered,
            Code::ACCEPTED | Code::REPEATED => !altered && answer.segments == entry.segments,
            Code::ALERT_KNOWN | Code::ALREADY_CANCELLED => !altered && !is_known,
            Code::OVERLOAD | Code::STORAGE_FULL | Code::TOO_MANY_WAITING => !is_known,
            Code::ALREADY_EXPIRED => {
                entry.expiry_ms.is_some_and(|expiry_ms| expiry_ms <= self.wall_ms().ms())
            }
            _ => false,
        };
        rule!(right, "push {index} (altered: {altered}) is answered {answer:?}: {entry:?}");
        match answer.code {
            Code::REQID_REUSED => {}
            Code::OVERLOAD | Code::STORAGE_FULL | Code::TOO_MANY_WAITING => {
                self.ledger.counts.refused += 1
            }
            Code::ALREADY_EXPIRED => self.ledger.entry(index).given_up |= !altered,
            code => {
                self.ledger.counts.repeats += u64::from(code == Code::REPEATED);
                let answer = Answer { about: About::Push(index), code, until };
                self.stations[number].answers.push_back(answer);
            }
        }
        self.note(u64::from(answer.code.number()));
        self.turn(number)
    }

    /// Hands a request to a shard: a client's, or another shard's in its binary form.
    pub(super) fn ask(&mut self, number: usize, body: &[u8], asker: Asker) -> Reply {
        self.show_time(number);
        let wall_ms = self.wall_ms();
        let shard = self.stations[number].up();
        match asker {
            Asker::Client => {
                let credential = &mut Credential::default();
                shard.handle_request(body, Origin { authorization: None, credential }, wall_ms)
            }
            Asker::Peer { found_elsewhere } => {
                let mut form = Vec::new();
                let foreseen = shard.foresee(body);
                shard.write_form(&foreseen, &mut form);
                shard.handle_form(&form, found_elsewhere, wall_ms)
            }
        }
    }

    pub(super) fn take_cancel(&mut self, index: EntryIndex, tries: u8) -> Checked {
        if self.is_down {
            if tries < CANCELS_MAX {
                self.after(5_000, Event::Cancel { entry: index, tries: tries + 1 });
            }
            return Ok(());
        }
        let entry = self.ledger.at(index).clone();
        let number = usize::from(entry.shard);
        let mut body = Vec::new();
        cancel_body(index, &entry, &mut body);
        let reply = self.ask(number, &body, Asker::Client);
        self.observe(number)?;
        let Reply::WhenDurable(answer, until) = reply else {
            return Err(Violation(format!("the cancel of push {index} is answered {reply:?}")));
        };
        if answer.code == Code::ACCEPTED {
            let recorded = self.ledger.at(index).cancel_accepted;
            rule!(
                recorded && answer.segments == entry.segments,
                "the cancel of push {index} is accepted and not recorded: {entry:?}"
            );
        }
        self.note(u64::from(answer.code.number()));
        let code = answer.code;
        self.stations[number].answers.push_back(Answer {
            about: About::Cancel(index),
            code,
            until,
        });
        self.turn(number)
    }

    /// An answer has left; it may get lost.
    pub(super) fn answered(&mut self, answer: &Answer) -> Checked {
        let lost = self.faults && self.random.chance(self.scenario.answer_lost);
        let (index, of_cancel) = match answer.about {
            About::Push(index) => (index, false),
            About::Cancel(index) => (index, true),
            About::AlertCancel(number, shard) => {
                return self.alert_cancel_part_answered(number, shard, answer.code);
            }
            About::Desk(number) => return self.desk_part_answered(number),
        };
        let (alert_known, wall_ms) = (self.knows_better(index), self.center_ms().ms());
        let alert_cancelled = self.ledger.is_alert_cancelled(index);
        let entry = self.ledger.entry(index);
        if of_cancel {
            let state = entry.end.map(|end| end.state);
            let right = match answer.code {
                Code::ACCEPTED => entry.cancel_accepted,
                Code::PUSH_NOT_FOUND => !entry.answered || !entry.is_remembered(wall_ms),
                Code::ALREADY_DELIVERED => state == Some(State::Delivered),
                Code::ALREADY_CANCELLED => entry.cancel_accepted,
                Code::ALREADY_ENDED => state.is_some(),
                _ => false,
            };
            rule!(right, "the cancel of push {index} is answered {}: {entry:?}", answer.code);
            entry.cancel_answered |= answer.code == Code::ACCEPTED;
            return Ok(());
        }
        match answer.code {
            Code::ACCEPTED | Code::REPEATED => {
                rule!(
                    entry.push_id.is_some(),
                    "push {index} is answered {} and unknown",
                    answer.code
                );
                entry.answered |= !lost;
            }
            Code::ALERT_KNOWN => {
                rule!(
                    alert_known,
                    "push {index} is answered 0002 and its alert has not gone as far"
                );
                entry.given_up = true;
            }
            Code::ALREADY_CANCELLED => {
                rule!(
                    alert_cancelled,
                    "push {index} is answered 3004 and its alert was never cancelled"
                );
                entry.given_up = true;
            }
            code => return Err(Violation(format!("push {index} is answered {code}"))),
        }
        Ok(())
    }

    /// Whether the alert of this push has gone as far on its line.
    fn knows_better(&self, index: EntryIndex) -> bool {
        let entry = self.ledger.at(index);
        entry.alert.is_some_and(|(alert, sequence)| {
            self.ledger.of_alert[alert as usize].iter().map(|&other| self.ledger.at(other)).any(
                |other| {
                    other.push_id.is_some()
                        && other.line == entry.line
                        && other.alert.is_some_and(|(_, other)| other >= sequence)
                },
            )
        })
    }
}
