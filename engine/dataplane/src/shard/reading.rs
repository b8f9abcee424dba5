//! A journal while it is read at a start: each record goes into the recovery, its event is held
//! against the books, and what cannot be is remembered until all is read.
//!
//! **Never here:** the decision what becomes of a push; that is the recovery's.

use super::books::EventHome;
use super::broadcasts::UntoldNotes;
use super::handed::ReadIds;
use super::moved_before::{MovedBefore, Moves};
use super::opening::{OpenError, ShardConfig};
use super::replay::replay;
use super::waiting::WaitingScan;
use crate::billing::{BillingError, Entered, Lacking, Log};
use crate::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use crate::journal::{ArchivedAccepted, BroadcastNote, Position, Record};
use crate::network::routes::Routes;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::recovery::Recovery;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::terms::ids::{Msn, Reqid, Xpid};
use wire::terms::pace::Pace;
use wire::terms::time::WallMs;

/// What a start knows when the journal is read.
pub(super) struct Read {
    /// The pushes and keys that the records told of.
    pub(super) recovery: Recovery,
    /// Events that were entered into the books, and those that are owed to them.
    pub(super) entered: Entered,
    /// What waits.
    pub(super) waiting: WaitingScan,
    /// What cleaning had moved out of the oldest segment.
    pub(super) moved_before: MovedBefore,
    /// What carriers call the segments that they took.
    pub(super) ids: ReadIds,
    /// Records of broadcasts, by their ordinals.
    pub(super) untold: BTreeMap<u32, UntoldNotes>,
}

/// A journal that is being read.
pub(super) struct Reading<'a, L> {
    /// Records read so far.
    pub(super) records: u64,
    /// Octets of the journal read so far.
    pub(super) octets: u64,
    recovery: Recovery,
    ids: ReadIds,
    untold: BTreeMap<u32, UntoldNotes>,
    routes: Arc<Routes>,
    pace: Pace,
    home: EventHome,
    billing: &'a mut L,
    lacking: Lacking,
    waiting: WaitingScan,
    moves: Moves,
    foreign: KeyCheck,
    /// The first record that says something impossible.
    impossible: Option<(u64, &'static str)>,
    /// Why the books could not be read, the first time.
    unread: Option<BillingError>,
    last: Option<Position>,
    segments_before: u64,
    segment_octets: u64,
    mutation: CoreMutation,
    now_ms: WallMs,
}

impl<'a, L: Log> Reading<'a, L> {
    /// Nothing is read yet; `recovery` is empty.
    pub(super) fn new(
        config: &ShardConfig,
        recovery: Recovery,
        billing: &'a mut L,
        mutation: CoreMutation,
        now_ms: WallMs,
    ) -> Self {
        Self {
            records: 0,
            octets: 0,
            recovery,
            ids: ReadIds::default(),
            untold: BTreeMap::new(),
            routes: Arc::clone(&config.routes),
            pace: Pace::new(config.time_scale, now_ms),
            home: EventHome::new(config.journal.first_sequence, config.number as u16),
            billing,
            lacking: Lacking::default(),
            waiting: WaitingScan::default(),
            moves: Moves::default(),
            foreign: KeyCheck::new(&config.fingerprints),
            impossible: None,
            unread: None,
            last: None,
            segments_before: 0,
            segment_octets: u64::from(config.journal.segment_octets),
            mutation,
            now_ms,
        }
    }

    /// Takes the next record.
    pub(super) fn take(&mut self, position: Position, sequence: u64, record: &Record<'_>) {
        if let Record::Accepted(accepted) = record {
            self.foreign.look(accepted);
            self.waiting
                .marks
                .note(accepted.push_id.to_native(), WallMs::new(accepted.accepted_ms.to_native()));
        }
        // The crash may have come between the record and its event.
        if self.mutation != CoreMutation::BillNothingAtOpen
            && let Some((event, is_foreign)) = self.home.event(record, sequence)
            && let Err(error) = self.lacking.check(self.billing, &event, is_foreign, self.now_ms)
        {
            self.unread.get_or_insert(error);
        }
        if let Record::Broadcast(note) = record {
            self.take_note(position, sequence, &note.to_native());
        }
        if let Err(what) =
            replay(&mut self.recovery, (self.pace, &self.routes), position, sequence, record)
        {
            self.impossible.get_or_insert((sequence, what));
        }
        self.ids.look(record);
        self.moves.look(position, record);
        self.records += 1;
        if self.last.is_some_and(|last| last.segment() != position.segment()) {
            self.segments_before += self.segment_octets;
        }
        self.last = Some(position);
        self.octets = self.segments_before + u64::from(position.offset());
    }

    /// Takes what the journal has of a broadcast.
    fn take_note(&mut self, position: Position, sequence: u64, note: &BroadcastNote<'_>) {
        for event in self.home.many(note, sequence) {
            if let Err(error) = self.lacking.check(self.billing, &event, false, self.now_ms) {
                self.unread.get_or_insert(error);
            }
        }
        if !self.untold.entry(note.ordinal).or_default().take(position, note) {
            self.impossible.get_or_insert((sequence, "broadcast"));
        }
    }

    /// All is read: enters what the books lack.
    ///
    /// # Errors
    /// A record that says something impossible, a foreign key, or books that cannot be read.
    pub(super) fn finish(self) -> Result<Read, OpenError> {
        if let Some((sequence, what)) = self.impossible {
            return Err(OpenError::Impossible { sequence, what });
        }
        if self.foreign.is_found() {
            return Err(OpenError::ForeignKey);
        }
        if let Some(error) = self.unread {
            return Err(error.into());
        }
        let entered = self.lacking.finish(self.billing, self.now_ms)?;
        let moved_before = self.moves.finish();
        let (recovery, ids, untold) = (self.recovery, self.ids, self.untold);
        Ok(Read { recovery, entered, waiting: self.waiting, moved_before, ids, untold })
    }
}

/// Accepted records whose fingerprints are calculated again at a start.
const CHECKED_MAX: u32 = 256;

/// Looks whether a journal's fingerprints were made under the key that there is.
struct KeyCheck {
    made_by: [Fingerprints; 2],
    left: u32,
    is_foreign: bool,
}

impl KeyCheck {
    fn new(keys: &FingerprintKeys) -> Self {
        Self { made_by: [keys.keyed, Fingerprints::open()], left: CHECKED_MAX, is_foreign: false }
    }

    fn look(&mut self, accepted: &ArchivedAccepted<'_>) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let (xpid, msn) = (
            Xpid::from_value(accepted.xpid.to_native()),
            Msn::from_value(accepted.msn.to_native()),
        );
        let (Some(xpid), Some(msn), Some(reqid)) = (xpid, msn, Reqid::parse(accepted.reqid()))
        else {
            return;
        };
        let known = accepted.key_fingerprint.to_native();
        self.is_foreign |= self.made_by.iter().all(|by| by.push_key(xpid, msn, reqid) != known);
    }

    fn is_found(&self) -> bool {
        self.is_foreign
    }
}
