//! The records: what the message center writes down of a push, from acceptance to the last
//! acknowledgement.
//!
//! Bodies are rkyv archives, little-endian, 32-bit relative pointers, fields in the order of
//! declaration (`repr(C)`), padding zero. Borrowed octets are archived in place, in front of the
//! fixed part, so that appending allocates nothing; reading borrows from the mapping.

mod accepted;
mod cancel;
mod handed;
mod held;

use rkyv::api::low;
use rkyv::rancor::Failure;
use rkyv::{Archive, Serialize};

use super::frame::RecordKind;
use super::note::ArchivedBroadcastNote;
pub use accepted::{Accepted, AcceptedBody, ArchivedAccepted};
pub use cancel::{AlertCancel, ArchivedCancelAccepted, CancelAccepted};
pub use handed::{ArchivedHanded, Handed, HandedBody};
pub use held::{ArchivedHeld, Held, HeldBody};

/// An attempt was made and the push goes on.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The push.
    pub push_id: u64,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Bit n: segment n has arrived.
    pub delivered_mask: u16,
    /// Attempts made so far.
    pub attempts: u16,
    /// The code that expiry would carry now.
    pub code: u16,
    /// A segment may have arrived of which nobody said so.
    pub in_doubt: bool,
    /// Whether an attempt may be under way from here on: one of [`Progress::NOT_BEGUN`],
    /// [`Progress::BEGUN`], [`Progress::BEGUN_FOR_GOOD`] and [`Progress::TAKEN_BACK`].
    pub begun: u8,
}

impl Progress {
    /// Nothing is said of attempts to come.
    pub const NOT_BEGUN: u8 = 0;
    /// The only one of lifetime 00, or one that begins before the time that the push's last Held
    /// record names.
    pub const BEGUN: u8 = 1;
    /// What it sends is never sent again: should the engine die before its outcome is recorded, the
    /// push has had its end.
    pub const BEGUN_FOR_GOOD: u8 = 2;
    /// The attempt that had begun was never made: the engine ended in good order before.
    pub const TAKEN_BACK: u8 = 3;
}

impl ArchivedProgress {
    /// Whether an attempt may be under way from here on.
    pub fn has_begun(&self) -> bool {
        matches!(self.begun, Progress::BEGUN | Progress::BEGUN_FOR_GOOD)
    }

    /// Whether what that sends is never sent again.
    pub fn has_begun_for_good(&self) -> bool {
        self.begun == Progress::BEGUN_FOR_GOOD
    }

    /// Whether the attempt that had begun was never made.
    pub fn was_taken_back(&self) -> bool {
        self.begun == Progress::TAKEN_BACK
    }
}

/// A push reached its final state.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The push.
    pub push_id: u64,
    /// As in [`Accepted`].
    pub key_fingerprint: u64,
    /// As in [`Accepted`].
    pub content_digest: u64,
    /// As in [`Accepted`]: a key outlives the Accepted record, and with it the memory of the
    /// alert's sequence.
    pub alert_key_fingerprint: u64,
    /// As in [`Accepted`].
    pub msn: u64,
    /// As in [`Accepted`].
    pub xpid: u64,
    /// As in [`Accepted`].
    pub accepted_ms: u64,
    /// When it ended, Unix milliseconds.
    pub ended_ms: u64,
    /// The result code.
    pub code: u16,
    /// The message center's number of the final state.
    pub state: u8,
    /// The class's number.
    pub class: u8,
    /// The kind's number.
    pub kind: u8,
    /// Segments in all.
    pub segments: u8,
    /// Segments that arrived.
    pub delivered: u8,
    /// Segments withdrawn by a cancellation.
    pub withdrawn: u8,
    /// The domain of the last delivery: 0 none, 1 circuit-switched, 2 packet-switched.
    pub domain: u8,
    /// TP-Status of the report.
    pub tp_status: u8,
    /// `alertseq`; 0 where there is no alert.
    pub alert_sequence: u8,
    /// Whether a notification is to go out.
    pub notification_due: bool,
    /// Which of the shard's ends it is: notifications of an msn leave in this order. It counts on
    /// over starts and begins anew behind the highest number; 0 in records from before ends were
    /// numbered.
    pub end_number: u32,
}

/// A notification was acknowledged by the client, or parked.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notified {
    /// The push.
    pub push_id: u64,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Tries made.
    pub tries: u16,
    /// 0 acknowledged, 1 parked, 2 let go: discarded by the operator, or for want of room.
    pub outcome: u8,
    /// Whether it was the cancellation's notification (E7) and not the delivery's (E5).
    pub cancellation: bool,
}

/// The key of a finished push, moved forward by cleaning until its 24 hours are over.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Fingerprint of (XPID, msn, reqid).
    pub fingerprint: u64,
    /// As in [`Accepted`].
    pub content_digest: u64,
    /// As in [`Accepted`]; 0 where there is no alert.
    pub alert_key_fingerprint: u64,
    /// The push.
    pub push_id: u64,
    /// When it ended, Unix milliseconds.
    pub ended_ms: u64,
    /// The result code.
    pub code: u16,
    /// The message center's number of the final state.
    pub state: u8,
    /// Segments in all.
    pub segments: u8,
    /// `alertseq`; 0 where there is no alert.
    pub alert_sequence: u8,
}

/// The engine opened the journal.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The sequence at which the previous run ended: the first one that it never used or that was
    /// lost unsynced.
    pub previous_end: u64,
    /// Whether the run syncs nothing, so that its records say nothing about what was durable.
    pub without_syncs: bool,
}

/// Everything that is still needed of a segment has been moved forward.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cleaned {
    /// The segment's number; the ones before it are cleaned too.
    pub(super) segment: u32,
}

/// A record as it lies in the journal.
#[derive(Clone, Copy)]
pub enum Record<'a> {
    /// See [`Accepted`].
    Accepted(&'a ArchivedAccepted<'a>),
    /// See [`Progress`].
    Progress(&'a ArchivedProgress),
    /// See [`Ended`].
    Ended(&'a ArchivedEnded),
    /// See [`CancelAccepted`].
    CancelAccepted(&'a ArchivedCancelAccepted),
    /// See [`Notified`].
    Notified(&'a ArchivedNotified),
    /// See [`Key`].
    Key(&'a ArchivedKey),
    /// See [`Opened`].
    Opened(&'a ArchivedOpened),
    /// See [`Held`].
    Held(&'a ArchivedHeld),
    /// See [`Handed`].
    Handed(&'a ArchivedHanded<'a>),
    /// All that was needed of the segment of this number stands further on. Only a start is handed
    /// this.
    Cleaned(u32),
    /// See [`super::BroadcastNote`].
    Broadcast(&'a ArchivedBroadcastNote<'a>),
}

impl<'a> Record<'a> {
    /// Validates `body` as a record of this kind; `None` if it is none, or one that only the
    /// journal itself reads. `body` must begin at a multiple of 16.
    pub(super) fn read(kind: RecordKind, body: &'a [u8]) -> Option<Self> {
        match kind {
            RecordKind::Accepted => low::access::<ArchivedAccepted<'a>, Failure>(body)
                .ok()
                .filter(|accepted| (1..=23).contains(&accepted.reqid_length))
                .map(Self::Accepted),
            RecordKind::Progress => low::access::<_, Failure>(body).ok().map(Self::Progress),
            RecordKind::Ended => low::access::<_, Failure>(body).ok().map(Self::Ended),
            RecordKind::CancelAccepted => {
                low::access::<_, Failure>(body).ok().map(Self::CancelAccepted)
            }
            RecordKind::Notified => low::access::<_, Failure>(body).ok().map(Self::Notified),
            RecordKind::Key => low::access::<_, Failure>(body).ok().map(Self::Key),
            RecordKind::Opened => low::access::<_, Failure>(body).ok().map(Self::Opened),
            RecordKind::Held => low::access::<_, Failure>(body).ok().map(Self::Held),
            RecordKind::Handed => {
                low::access::<ArchivedHanded<'a>, Failure>(body).ok().map(Self::Handed)
            }
            RecordKind::Broadcast => {
                low::access::<ArchivedBroadcastNote<'a>, Failure>(body).ok().map(Self::Broadcast)
            }
            RecordKind::Cleaned => None,
        }
    }

    /// What the record is.
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Accepted(_) => RecordKind::Accepted,
            Self::Progress(_) => RecordKind::Progress,
            Self::Ended(_) => RecordKind::Ended,
            Self::CancelAccepted(_) => RecordKind::CancelAccepted,
            Self::Notified(_) => RecordKind::Notified,
            Self::Key(_) => RecordKind::Key,
            Self::Opened(_) => RecordKind::Opened,
            Self::Held(_) => RecordKind::Held,
            Self::Handed(_) => RecordKind::Handed,
            Self::Cleaned(_) => RecordKind::Cleaned,
            Self::Broadcast(_) => RecordKind::Broadcast,
        }
    }

    /// The key that cleaning has to append, for a record that says that a push ended; `None` for
    /// all others. It is to be appended while the key counts and unless the push is still held.
    pub fn key(&self) -> Option<Key> {
        Some(match self {
            Self::Ended(ended) => Key {
                fingerprint: ended.key_fingerprint.to_native(),
                content_digest: ended.content_digest.to_native(),
                alert_key_fingerprint: ended.alert_key_fingerprint.to_native(),
                push_id: ended.push_id.to_native(),
                ended_ms: ended.ended_ms.to_native(),
                code: ended.code.to_native(),
                state: ended.state,
                segments: ended.segments,
                alert_sequence: ended.alert_sequence,
            },
            Self::Key(key) => Key {
                fingerprint: key.fingerprint.to_native(),
                content_digest: key.content_digest.to_native(),
                alert_key_fingerprint: key.alert_key_fingerprint.to_native(),
                push_id: key.push_id.to_native(),
                ended_ms: key.ended_ms.to_native(),
                code: key.code.to_native(),
                state: key.state,
                segments: key.segments,
                alert_sequence: key.alert_sequence,
            },
            _ => return None,
        })
    }

    /// The push that the record speaks of; `None` for records about the journal itself, a whole
    /// alert or a broadcast.
    pub fn push_id(&self) -> Option<u64> {
        Some(match self {
            Self::Accepted(record) => record.push_id.to_native(),
            Self::Progress(record) => record.push_id.to_native(),
            Self::Ended(record) => record.push_id.to_native(),
            Self::CancelAccepted(record) => return record.push_id(),
            Self::Notified(record) => record.push_id.to_native(),
            Self::Key(record) => record.push_id.to_native(),
            Self::Held(record) => record.push_id.to_native(),
            Self::Handed(record) => record.push_id.to_native(),
            Self::Opened(_) | Self::Cleaned(_) | Self::Broadcast(_) => return None,
        })
    }
}

impl ArchivedCleaned {
    /// Validates `body` as a Cleaned record and returns the segment it names.
    pub(super) fn read(body: &[u8]) -> Option<u32> {
        low::access::<Self, Failure>(body).ok().map(|cleaned| cleaned.segment.to_native())
    }
}

impl ArchivedEnded {
    /// The values.
    pub fn to_native(&self) -> Ended {
        Ended {
            push_id: self.push_id.to_native(),
            key_fingerprint: self.key_fingerprint.to_native(),
            content_digest: self.content_digest.to_native(),
            alert_key_fingerprint: self.alert_key_fingerprint.to_native(),
            msn: self.msn.to_native(),
            xpid: self.xpid.to_native(),
            accepted_ms: self.accepted_ms.to_native(),
            ended_ms: self.ended_ms.to_native(),
            code: self.code.to_native(),
            state: self.state,
            class: self.class,
            kind: self.kind,
            segments: self.segments,
            delivered: self.delivered,
            withdrawn: self.withdrawn,
            domain: self.domain,
            tp_status: self.tp_status,
            alert_sequence: self.alert_sequence,
            notification_due: self.notification_due,
            end_number: self.end_number.to_native(),
        }
    }
}
