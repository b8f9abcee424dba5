//! What a shard writes down, read from its journal as soon as it stands there: the ledger learns of
//! the engine's decisions by nothing else.

use super::bodies::entry_of;
use super::books::Books;
use super::ledger::EntryIndex;
use super::number_map::NumberMap;
use hayauma::broadcast::slice::{SliceRecord, codec};
use hayauma::journal::{Cursor, Record};
use hayauma::shard::Shard;
use hayauma::smsc::state::State;
use std::collections::VecDeque;
use wire::terms::code::Code;

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Accepted { expires_ms: u64, accepted_ms: u64, reference: u8 },
    Progress { begun: bool },
    Held(Hold),
    Cancel,
    Ended(Ending),
    Parked,
    Finished { let_go: bool },
    Key,
    AlertCancel,
}

/// What a Held record says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) holds: [u8; 3],
    pub(super) in_doubt: bool,
    pub(super) delivered_mask: u16,
    pub(super) code: Code,
    pub(super) at_ms: u64,
    pub(super) next_ms: u64,
}

/// What an Ended record says, and of which segments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) state: State,
    pub(super) code: Code,
    pub(super) delivered_mask: u16,
    pub(super) ended_ms: u64,
}

/// A record, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) sequence: u64,
    pub(super) push_id: u64,
    /// [`NO_ENTRY`] where it is about no push.
    pub(super) entry: EntryIndex,
    /// Cleaning appended it again.
    pub(super) copy: bool,
    pub(super) what: What,
}

/// The entry of a record that is about no push.
pub(super) const NO_ENTRY: EntryIndex = EntryIndex::MAX;

/// The reader of one shard's journal.
#[derive(Default, Debug)]
pub(super) struct Observer {
    cursor: Option<Cursor>,
    /// Below this everything is known.
    next: u64,
    /// The pushes by their numbers.
    pushes: NumberMap<u64, EntryIndex>,
    /// What may be lost when the engine ends.
    undurable: VecDeque<Noted>,
    /// What was written of broadcasts and nobody has taken note of: ordinal, sequence, record.
    notes: Vec<(u32, u64, SliceRecord)>,
}

impl Observer {
    /// The records that were not seen yet.
    pub(super) fn take(&mut self, shard: &Shard<Books>) -> Result<Vec<Noted>, String> {
        let appended = shard.journal().appended();
        let durable = shard.durable();
        while self.undurable.front().is_some_and(|noted| noted.sequence < durable) {
            self.undurable.pop_front();
        }
        if appended == self.next {
            return Ok(Vec::new());
        }
        let mut cursor = self.cursor.unwrap_or_else(|| shard.journal().cursor_before(self.next));
        let (mut taken, mut copied) = (Vec::new(), None);
        while let Some((position, _)) = shard.journal().step_on(&mut cursor) {
            let (sequence, record) =
                shard.journal().read(position).map_err(|error| error.to_string())?;
            if sequence < self.next {
                continue;
            }
            let Some(mut noted) = self.note(sequence, &record, Some(shard))? else { continue };
            // What stands behind a copy and is of the same push was moved with it.
            if noted.copy {
                copied = Some(noted.push_id);
            } else if copied == Some(noted.push_id) {
                noted.copy = true;
            }
            taken.push(noted);
        }
        self.cursor = Some(cursor);
        self.next = appended;
        self.undurable.extend(taken.iter().filter(|noted| !noted.copy).copied());
        Ok(taken)
    }

    /// What was written of broadcasts since this was asked last.
    pub(super) fn take_notes(&mut self) -> Vec<(u32, u64, SliceRecord)> {
        std::mem::take(&mut self.notes)
    }

    /// The push with this number.
    pub(super) fn entry_of(&self, push_id: u64) -> EntryIndex {
        self.pushes.get(&push_id).copied().unwrap_or(NO_ENTRY)
    }

    /// The engine ends.
    pub(super) fn end(&mut self) {
        self.cursor = None;
        self.notes.clear();
    }

    /// The engine is back: all that its journal holds, and what of the last life is lost, latest
    /// first.
    pub(super) fn recovered(
        &mut self,
        shard: &Shard<Books>,
    ) -> Result<(Vec<Noted>, Vec<Noted>), String> {
        let journal = shard.journal();
        let (mut found, mut end) = (Vec::new(), 0);
        let mut cursor = journal.cursor_before(0);
        while let Some((position, _)) = journal.step_on(&mut cursor) {
            let (sequence, record) = journal.read(position).map_err(|error| error.to_string())?;
            // What this life has recorded already is not what it found.
            if sequence >= self.next {
                break;
            }
            end = end.max(sequence + 1);
            found.extend(self.note(sequence, &record, None)?);
        }
        let lost: Vec<Noted> =
            self.undurable.drain(..).filter(|noted| noted.sequence >= end).rev().collect();
        // This life's numbers lie far above.
        self.next = self.next.max(journal.first_sequence());
        Ok((found, lost))
    }

    fn note(
        &mut self,
        sequence: u64,
        record: &Record<'_>,
        shard: Option<&Shard<Books>>,
    ) -> Result<Option<Noted>, String> {
        let push_id = record.push_id().unwrap_or(0);
        let mut copy = false;
        let what = match record {
            Record::Opened(_) | Record::Cleaned(_) => return Ok(None),
            Record::Broadcast(note) => {
                let note = note.to_native();
                let (read, _) = codec::read(note.octets).ok_or("an impossible record of rows")?;
                self.notes.push((note.ordinal, sequence, read));
                return Ok(None);
            }
            Record::Accepted(accepted) => {
                let entry =
                    entry_of(accepted.reqid()).ok_or("a record of a push that nobody made up")?;
                self.pushes.insert(push_id, entry);
                copy = sequence != push_id;
                What::Accepted {
                    expires_ms: accepted.expires_ms.to_native(),
                    accepted_ms: accepted.accepted_ms.to_native(),
                    reference: accepted.message_reference,
                }
            }
            Record::Progress(progress) => What::Progress { begun: progress.has_begun() },
            Record::Held(held) => {
                let held = held.to_native();
                What::Held(Hold {
                    holds: held.holds,
                    in_doubt: held.in_doubt,
                    delivered_mask: held.delivered_mask,
                    code: code(held.code)?,
                    at_ms: held.at_ms,
                    next_ms: held.next_ms,
                })
            }
            Record::Handed(_) => {
                return Err("a carrier's record, and there are no carriers".to_owned());
            }
            Record::CancelAccepted(cancel) if cancel.whole_alert().is_some() => What::AlertCancel,
            Record::CancelAccepted(_) => What::Cancel,
            Record::Ended(ended) => {
                let delivered_mask = shard.map(Shard::core).and_then(|core| {
                    let live = core.find_live(ended.key_fingerprint.to_native(), push_id);
                    live.map(|index| core.push(index).delivered_mask)
                        .or_else(|| core.ended(push_id).map(|push| push.delivered_mask))
                });
                What::Ended(Ending {
                    state: State::from_number(ended.state).ok_or("an impossible state")?,
                    code: code(ended.code.to_native())?,
                    delivered_mask: delivered_mask.unwrap_or(0),
                    ended_ms: ended.ended_ms.to_native(),
                })
            }
            Record::Notified(notified) if notified.outcome == 1 => What::Parked,
            Record::Notified(notified) => What::Finished { let_go: notified.outcome == 2 },
            Record::Key(_) => {
                copy = true;
                What::Key
            }
        };
        let entry = self.entry_of(push_id);
        Ok(Some(Noted { sequence, push_id, entry, copy, what }))
    }
}

fn code(number: u16) -> Result<Code, String> {
    Code::from_number(number).ok_or_else(|| "an impossible code".to_owned())
}
