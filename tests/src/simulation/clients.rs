//! The push clients: they make up pushes, ask again when no answer comes, repeat themselves and change their minds.

use super::Simulation;
use super::engine::{About, Answer};
use super::events::Event;
use super::journal::Record;
use super::ledger::{Checked, Entry, EntryIndex, REMEMBERED_MS, Violation, rule};
use super::network::msn_of;
use hayauma::smsc::alerts::AlertIdentity;
use hayauma::smsc::core::{KeyVerdict, NewPush};
use hayauma::smsc::pushes::Push;
use hayauma::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::mix::mix;

const HOUR_MS: u64 = 3_600_000;
/// How often a client asks for the same push before it gives up.
const REQUESTS_MAX: u8 = 40;
/// How often a cancel that meets a dead engine is asked for again.
const CANCELS_MAX: u8 = 5;

pub(super) fn key_of(entry: EntryIndex) -> u64 {
    mix(u64::from(entry) + 1)
}

fn digest_of(entry: EntryIndex, altered: bool) -> u64 {
    mix(u64::from(entry) + 1_000_000_007) ^ u64::from(altered)
}

pub(super) fn alert_identity(alert: u32, line: u32, sequence: u8) -> AlertIdentity {
    let number = u64::from(alert) << 32;
    AlertIdentity { key: mix(number | u64::from(line) | 1 << 63), alert: mix(number), sequence }
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
            let most_ms = if self.random.chance(500) { 3_000 } else { self.scenario.horizon_ms / 4 + 1 };
            let delay_ms = self.random.below(most_ms);
            self.after(delay_ms, Event::Cancel { entry: index, tries: 0 });
        }
        if self.random.chance(self.scenario.repeat) {
            let delay_ms = self.random.below(HOUR_MS);
            let altered = self.random.chance(300);
            self.after(delay_ms, Event::Request { entry: index, altered });
        }
        if self.ledger.counts.pushes < self.options.pushes {
            let mean_ms = self.scenario.horizon_ms / self.options.pushes;
            let delay_ms = if self.random.chance(300) { 0 } else { self.random.below(2 * mean_ms + 1) };
            self.after(delay_ms, Event::NextPush);
        }
        self.send(index)
    }

    fn draw_entry(&mut self) -> Entry {
        let random = &mut self.random;
        let line = random.below(u64::from(self.scenario.lines)) as u32;
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
        Entry {
            client: random.below(u64::from(self.scenario.clients)) as u16,
            line,
            shard: (mix(u64::from(line)) % self.scenario.shards as u64) as u8,
            class,
            segments: if random.chance(700) { 1 } else { random.between(2, 10) as u8 },
            control: random.chance(500),
            wants_notification: random.chance(800),
            single_attempt: hours == 0,
            lifetime_ms: match hours {
                0 => HOUR_MS,
                1 if random.chance(300) => random.between(1, 600_000),
                hours => hours * HOUR_MS,
            },
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
        if self.is_down {
            return Ok(());
        }
        let entry = self.ledger.at(index).clone();
        let number = usize::from(entry.shard);
        let shard = &mut self.shards[number];
        let until = shard.journal.next_sequence();
        let answer = |code| Answer { about: About::Push(index), code, until };
        let digest = |push: &Push| shard.accepted_of(push).content_digest;
        match shard.core.key_verdict(key_of(index), digest_of(index, altered), digest) {
            KeyVerdict::Reused => {
                rule!(altered, "push {index} was answered 3001 although its content is the same");
            }
            KeyVerdict::Repeat { segments } => {
                rule!(!altered, "push {index} was answered 0001 although its content is another");
                rule!(segments == entry.segments, "push {index} has {segments} segments on its repeat");
                self.ledger.counts.repeats += 1;
                shard.answers.push_back(answer(Code::REPEATED));
            }
            KeyVerdict::New if altered => {
                rule!(!entry.answered, "push {index} was answered 0000 and its key is unknown");
            }
            KeyVerdict::New => return self.take_new(index, &entry),
        }
        self.turn(number)
    }

    fn take_new(&mut self, index: EntryIndex, entry: &Entry) -> Checked {
        let number = usize::from(entry.shard);
        let wall_ms = self.wall_ms();
        let shard = &mut self.shards[number];
        let msn = msn_of(entry.line);
        if shard.core.room_for(msn, entry.class, entry.client.into()).is_err() {
            self.ledger.counts.refused += 1;
            return Ok(());
        }
        let alert = entry.alert.map(|(alert, sequence)| alert_identity(alert, entry.line, sequence));
        let refusal = alert.and_then(|alert| {
            let known = shard.core.knows_alert(&alert).then_some(Code::ALERT_KNOWN);
            known.or_else(|| shard.core.closed_alert(alert.alert).map(|_| Code::ALREADY_CANCELLED))
        });
        if let Some(code) = refusal {
            let until = shard.journal.next_sequence();
            shard.answers.push_back(Answer { about: About::Push(index), code, until });
            return self.turn(number);
        }
        let push_id = shard.journal.next_sequence();
        let new = NewPush {
            push_id,
            position: push_id << 32 | u64::from(index),
            key: key_of(index),
            content_digest: digest_of(index, false),
            msn,
            class: entry.class,
            segments: entry.segments,
            expires_ms: wall_ms + entry.lifetime_ms,
            control: entry.control,
            client: u64::from(entry.client),
            wants_notification: entry.wants_notification,
            single_attempt: entry.single_attempt,
            alert,
        };
        shard.journal.append(index, Record::Accepted(new));
        self.ledger.accepted(index, push_id, new.expires_ms)?;
        shard.core.accept(new, wall_ms);
        shard.answers.push_back(Answer {
            about: About::Push(index),
            code: Code::ACCEPTED,
            until: push_id + 1,
        });
        self.note(push_id);
        self.carry_out(number)?;
        self.turn(number)
    }

    pub(super) fn take_cancel(&mut self, index: EntryIndex, tries: u8) -> Checked {
        if self.is_down {
            if tries < CANCELS_MAX {
                self.after(5_000, Event::Cancel { entry: index, tries: tries + 1 });
            }
            return Ok(());
        }
        let number = usize::from(self.ledger.at(index).shard);
        let wall_ms = self.wall_ms();
        let shard = &mut self.shards[number];
        let code = match shard.core.cancel(key_of(index), true, wall_ms) {
            Ok((live, segments)) => {
                let push_id = shard.core.push(live).push_id;
                let entry = self.ledger.entry(index);
                rule!(
                    entry.is_open() && segments == entry.segments,
                    "the cancel of push {index} comes too late"
                );
                entry.cancel_accepted = true;
                shard.journal.append(index, Record::Cancel { push_id });
                Code::ACCEPTED
            }
            Err((code, _)) => code,
        };
        self.note(u64::from(code.number()));
        self.carry_out(number)?;
        if self.is_down {
            return Ok(());
        }
        let shard = &mut self.shards[number];
        let until = shard.journal.next_sequence();
        shard.answers.push_back(Answer { about: About::Cancel(index), code, until });
        self.turn(number)
    }

    /// An answer has left; it may get lost.
    pub(super) fn answered(&mut self, answer: &Answer) -> Checked {
        let lost = self.faults && self.random.chance(self.scenario.answer_lost);
        let (index, of_cancel) = match answer.about {
            About::Push(index) => (index, false),
            About::Cancel(index) => (index, true),
            About::AlertCancel(number) => return self.alert_cancel_answered(number),
        };
        let (alert_known, wall_ms) = (self.knows_better(index), self.wall_ms());
        let alert_cancelled = self.ledger.is_alert_cancelled(index);
        let entry = self.ledger.entry(index);
        if of_cancel {
            let state = entry.end.map(|end| end.state);
            let right = match answer.code {
                Code::ACCEPTED => entry.cancel_accepted,
                Code::PUSH_NOT_FOUND => {
                    !entry.answered || entry.end.is_some_and(|end| wall_ms >= end.ended_ms + REMEMBERED_MS)
                }
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
                rule!(entry.push_id.is_some(), "push {index} is answered {} and unknown", answer.code);
                entry.answered |= !lost;
            }
            Code::ALERT_KNOWN => {
                rule!(alert_known, "push {index} is answered 0002 and its alert has not gone as far");
                entry.given_up = true;
            }
            Code::ALREADY_CANCELLED => {
                rule!(alert_cancelled, "push {index} is answered 3004 and its alert was never cancelled");
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
            self.ledger.of_alert[alert as usize].iter().map(|&other| self.ledger.at(other)).any(|other| {
                other.push_id.is_some()
                    && other.line == entry.line
                    && other.alert.is_some_and(|(_, other)| other >= sequence)
            })
        })
    }
}
