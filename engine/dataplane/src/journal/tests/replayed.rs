//! What recovery hands out, held against what the engine knew of each push.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::*;

/// The outcome of a Notified record of a push that is parked.
pub(super) const PARKED: u8 = 1;

/// A push as the engine knows it.
#[derive(Clone, Debug)]
pub(super) struct Push {
    /// Where its Accepted record is; `None` once it is released.
    pub(super) position: Option<Position>,
    pub(super) submits: Vec<u8>,
    pub(super) attempts: u16,
    /// Where the last of its attempts was recorded first, and how many are durable.
    pub(super) progressed: u64,
    pub(super) attempts_durable: u16,
    /// Sequences of the first records that said so, and whether that is durable.
    pub(super) accepted: Mark,
    pub(super) cancelled: Option<Mark>,
    pub(super) ended: Option<Mark>,
    pub(super) parked: Option<Mark>,
    pub(super) notified: Option<Mark>,
    pub(super) ended_ms: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) sequence: u64,
    pub(super) durable: bool,
}

/// What recovery handed out.
#[derive(Default)]
pub(super) struct Replayed {
    accepted: HashMap<u64, Position>,
    /// Copies of pushes whose Ended record stood before them.
    copies: HashMap<u64, Position>,
    /// The last copy of a push whose earlier record stands.
    last_copy: Option<(u64, Position)>,
    cancelled: HashSet<u64>,
    ended: HashSet<u64>,
    parked: HashSet<u64>,
    notified: HashSet<u64>,
    attempts: HashMap<u64, u16>,
    last_sequence: u64,
}

impl Replayed {
    pub(super) fn take(
        &mut self,
        position: Position,
        sequence: u64,
        record: Record<'_>,
        written: &HashMap<u64, (RecordKind, u64)>,
        pushes: &BTreeMap<u64, Push>,
    ) {
        assert!(sequence > self.last_sequence, "sequences ascend");
        let follows = std::mem::replace(&mut self.last_sequence, sequence) + 1 == sequence;
        // A copy counts when what belongs behind it is whole: the record of another push follows.
        let of_another =
            |(copied, _): &mut (u64, Position)| !follows || record.push_id() != Some(*copied);
        if let Some((copied, position)) = self.last_copy.take_if(of_another)
            && follows
            && let Some(place) = self.accepted.get_mut(&copied)
        {
            *place = position;
        }
        let is = (record.kind(), record.push_id().unwrap_or(0));
        assert_eq!(
            written.get(&sequence),
            Some(&is),
            "record {sequence} was never written like this"
        );
        let push_id = is.1;
        match record {
            Record::Accepted(accepted) => {
                if let Some(push) = pushes.get(&push_id) {
                    assert!(
                        *accepted.submits == *push.submits,
                        "the content of push {push_id} changed"
                    );
                }
                if self.accepted.contains_key(&push_id) {
                    self.last_copy = Some((push_id, position));
                } else if self.ended.contains(&push_id) {
                    self.copies.insert(push_id, position);
                } else {
                    self.accepted.insert(push_id, position);
                }
            }
            Record::Progress(progress) => {
                self.attempts.insert(push_id, progress.attempts.to_native());
            }
            Record::Ended(_) => {
                self.ended.insert(push_id);
                self.accepted
                    .extend(self.copies.remove(&push_id).map(|position| (push_id, position)));
            }
            Record::Key(_) => {
                self.ended.insert(push_id);
                self.copies.remove(&push_id);
                self.accepted.remove(&push_id);
            }
            Record::Notified(notified) if notified.outcome == PARKED => {
                self.parked.insert(push_id);
            }
            Record::Notified(_) => {
                self.notified.insert(push_id);
                self.copies.remove(&push_id);
                self.accepted.remove(&push_id);
            }
            Record::CancelAccepted(_) => {
                self.cancelled.insert(push_id);
            }
            Record::Held(_) | Record::Handed(_) | Record::Broadcast(_) => {}
            Record::Opened(_) | Record::Cleaned(_) => {}
        }
    }

    /// What had to survive did.
    pub(super) fn check(&self, push_id: u64, push: &Push, now_ms: u64) {
        let survives = |mark: &Mark| mark.durable;
        let (is_accepted, is_ended) =
            (self.accepted.contains_key(&push_id), self.ended.contains(&push_id));
        let key_counts = now_ms < push.ended_ms + KEY_KEEP_MS;
        let must_end = push.ended.as_ref().is_some_and(survives);
        if must_end {
            assert!(
                is_ended || !is_accepted,
                "push {push_id} ended and came back to life: {push:?}"
            );
            assert!(is_ended || !key_counts, "the key of push {push_id} was forgotten: {push:?}");
        } else if survives(&push.accepted) {
            let is_done = self.notified.contains(&push_id);
            assert!(is_accepted || is_done, "push {push_id} was accepted and is lost: {push:?}");
        }
        if is_accepted && !is_ended {
            let attempts = self.attempts.get(&push_id).copied().unwrap_or(0);
            assert!(
                attempts >= push.attempts_durable,
                "attempts of push {push_id} are forgotten: {push:?}"
            );
        }
        if is_accepted && push.cancelled.as_ref().is_some_and(survives) {
            assert!(
                self.cancelled.contains(&push_id),
                "the cancel of push {push_id} is lost: {push:?}"
            );
        }
        if is_accepted && push.parked.as_ref().is_some_and(survives) {
            assert!(
                self.parked.contains(&push_id),
                "push {push_id} is not parked any more: {push:?}"
            );
        }
        if survives(&push.accepted) && push.notified.is_none() {
            assert!(
                is_accepted,
                "push {push_id} has yet to be notified and its content is lost: {push:?}"
            );
        }
    }

    /// Goes on with what was recovered of a push; whether its acceptance and its end were.
    pub(super) fn resume(&self, push_id: u64, push: &mut Push) -> (bool, bool) {
        let position = self.accepted.get(&push_id).copied();
        let (is_ended, is_notified) =
            (self.ended.contains(&push_id), self.notified.contains(&push_id));
        // Whatever a start finds it makes durable before it goes on.
        push.accepted.durable = true;
        let resumed = |mark: Option<Mark>, is: bool| {
            is.then(|| Mark { sequence: mark.map_or(0, |mark| mark.sequence), durable: true })
        };
        push.cancelled = resumed(push.cancelled, self.cancelled.contains(&push_id));
        push.ended = resumed(push.ended, is_ended);
        push.parked = resumed(push.parked, is_ended && self.parked.contains(&push_id));
        push.notified = resumed(push.notified, is_ended && (is_notified || position.is_none()));
        push.position = if push.notified.is_some() { None } else { position };
        push.attempts = self.attempts.get(&push_id).copied().unwrap_or(0);
        push.attempts_durable = push.attempts;
        (position.is_some(), is_ended)
    }
}
