//! The records: what the message center writes down of a push, from acceptance to the last
//! acknowledgement.
//!
//! Bodies are rkyv archives, little-endian, 32-bit relative pointers, fields in the order of
//! declaration (`repr(C)`), padding zero. Borrowed octets are archived in place, in front of the
//! fixed part, so that appending allocates nothing; reading borrows from the mapping.

use rkyv::api::low;
use rkyv::rancor::Failure;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

use super::frame::Kind;
use super::note::ArchivedBroadcastNote;

/// A push was accepted: all that delivering it and telling its client needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted<'a> {
    /// The push's number: the sequence of the first frame that carried this record.
    pub push_id: u64,
    /// Fingerprint of (XPID, msn, reqid).
    pub key_fingerprint: u64,
    /// Digest of every element that makes the content.
    pub content_digest: u64,
    /// The destination, without the leading 0.
    pub msn: u64,
    /// The contract.
    pub xpid: u64,
    /// When it was accepted, Unix milliseconds.
    pub accepted_ms: u64,
    /// When it expires, Unix milliseconds.
    pub expires_ms: u64,
    /// Fingerprint of (XPID, msn, alertid); 0 where there is no alert.
    pub alert_key_fingerprint: u64,
    /// Fingerprint of (XPID, alertid); 0 where there is no alert.
    pub alert_fingerprint: u64,
    /// The client's reqid, `reqid_length` octets of it.
    pub reqid: [u8; 23],
    /// 1 to 23.
    pub reqid_length: u8,
    /// The class's number.
    pub class: u8,
    /// The kind's number: 0 control, 1 text.
    pub kind: u8,
    /// Whether the client wants the push delivery complete notification.
    pub wants_notification: bool,
    /// Lifetime 00: one attempt.
    pub single_attempt: bool,
    /// Segments, 1 to 10.
    pub segments: u8,
    /// TP-MR of the first segment.
    pub message_reference: u8,
    /// Reference of the concatenation header.
    pub concatenation_reference: u8,
    /// The XPID's service instruction values at acceptance.
    pub svcinst: u8,
    /// Which of the XPID's senders.
    pub sender_index: u8,
    /// `alertseq`; 0 where there is no alert.
    pub alert_sequence: u8,
    /// The door that it came through and what was asked there, as `Door::bits` gives it; 0: HTTP.
    pub door: u32,
    /// The originating address as digits or letters.
    pub sender: &'a [u8],
    /// `alertid`; empty where there is no alert.
    pub alert_id: &'a [u8],
    /// The SMS-SUBMIT TPDUs, each behind one octet that says its length.
    pub submits: &'a [u8],
}

/// The body of an Accepted record: what [`Accepted`] says.
#[derive(Archive, Serialize)]
#[rkyv(archived = ArchivedAccepted, resolver = AcceptedResolver)]
pub struct AcceptedBody<'a> {
    /// See [`Accepted`].
    pub push_id: u64,
    /// See [`Accepted`].
    pub key_fingerprint: u64,
    /// See [`Accepted`].
    pub content_digest: u64,
    /// See [`Accepted`].
    pub msn: u64,
    /// See [`Accepted`].
    pub xpid: u64,
    /// See [`Accepted`].
    pub accepted_ms: u64,
    /// See [`Accepted`].
    pub expires_ms: u64,
    /// See [`Accepted`].
    pub alert_key_fingerprint: u64,
    /// See [`Accepted`].
    pub alert_fingerprint: u64,
    /// See [`Accepted`].
    pub door: u32,
    /// Zero: room for what a later version says of a push.
    pub reserved: [u32; 5],
    /// See [`Accepted`].
    pub reqid: [u8; 23],
    /// See [`Accepted`].
    pub reqid_length: u8,
    /// See [`Accepted`].
    pub class: u8,
    /// See [`Accepted`].
    pub kind: u8,
    /// See [`Accepted`].
    pub wants_notification: bool,
    /// See [`Accepted`].
    pub single_attempt: bool,
    /// See [`Accepted`].
    pub segments: u8,
    /// See [`Accepted`].
    pub message_reference: u8,
    /// See [`Accepted`].
    pub concatenation_reference: u8,
    /// See [`Accepted`].
    pub svcinst: u8,
    /// See [`Accepted`].
    pub sender_index: u8,
    /// See [`Accepted`].
    pub alert_sequence: u8,
    /// See [`Accepted`].
    #[rkyv(with = InlineAsBox)]
    pub sender: &'a [u8],
    /// See [`Accepted`].
    #[rkyv(with = InlineAsBox)]
    pub alert_id: &'a [u8],
    /// See [`Accepted`].
    #[rkyv(with = InlineAsBox)]
    pub submits: &'a [u8],
}

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
    /// From here on an attempt may be under way: the only one of lifetime 00, or one that begins
    /// before the time that the push's last Held record names.
    pub begun: bool,
}

/// An attempt did not deliver, and the push waits for its next one. Of a push that waits the newest
/// one counts: a start takes from it when the push is tried next and how often it was held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The push.
    pub push_id: u64,
    /// When the attempt ended, Unix milliseconds.
    pub at_ms: u64,
    /// When the next one is due unless an alert comes first, Unix milliseconds.
    pub next_ms: u64,
    /// Bit n: segment n has arrived.
    pub delivered_mask: u16,
    /// Attempts made so far in which something was sent.
    pub attempts: u16,
    /// The code that expiry would carry now.
    pub code: u16,
    /// The number of what holds it.
    pub reason: u8,
    /// The domain that the attempt went through last: 0 none, 1 circuit-switched, 2
    /// packet-switched.
    pub domain: u8,
    /// How often it was held for each cause, four bits each in the order of the message center's
    /// numbers; saturating.
    pub holds: [u8; 3],
    /// A segment may have arrived of which nobody said so.
    pub in_doubt: bool,
}

/// A carrier has taken segments of a push, or has said of some what became of them. The records of
/// a push add up. One that names a carrier and has no ids says the contrary: that carrier could not
/// deliver, and the segments of `failed_mask` go by another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handed<'a> {
    /// The push.
    pub push_id: u64,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Bit n: the carrier took segment n under an id that stands here.
    pub taken_mask: u16,
    /// Bit n: segment n will not arrive.
    pub failed_mask: u16,
    /// Bit n: segment n has arrived.
    pub delivered_mask: u16,
    /// Attempts made so far.
    pub attempts: u16,
    /// The code of the segments that will not arrive; 0 where there are none.
    pub code: u16,
    /// The carrier's number; 0 where receipts alone are told of.
    pub carrier: u8,
    /// A segment may have arrived of which nobody said so.
    pub in_doubt: bool,
    /// The carrier's ids of the segments taken, in their order, each behind an octet that says its
    /// length.
    pub ids: &'a [u8],
}

impl Handed<'_> {
    /// Whether it says that segments go by another carrier.
    pub fn goes_elsewhere(&self) -> bool {
        self.carrier != 0 && self.taken_mask == 0
    }
}

/// The body of a Handed record: what [`Handed`] says.
#[derive(Archive, Serialize)]
#[rkyv(archived = ArchivedHanded, resolver = HandedResolver)]
pub struct HandedBody<'a> {
    push_id: u64,
    at_ms: u64,
    taken_mask: u16,
    failed_mask: u16,
    delivered_mask: u16,
    attempts: u16,
    code: u16,
    carrier: u8,
    in_doubt: bool,
    #[rkyv(with = InlineAsBox)]
    ids: &'a [u8],
}

impl HandedBody<'_> {
    pub(super) fn ids_octets(&self) -> usize {
        self.ids.len()
    }
}

impl<'a> Handed<'a> {
    pub(super) fn body(&self) -> HandedBody<'a> {
        HandedBody {
            push_id: self.push_id,
            at_ms: self.at_ms,
            taken_mask: self.taken_mask,
            failed_mask: self.failed_mask,
            delivered_mask: self.delivered_mask,
            attempts: self.attempts,
            code: self.code,
            carrier: self.carrier,
            in_doubt: self.in_doubt,
            ids: self.ids,
        }
    }
}

impl ArchivedHanded<'_> {
    /// The values.
    pub fn to_native(&self) -> Handed<'_> {
        Handed {
            push_id: self.push_id.to_native(),
            at_ms: self.at_ms.to_native(),
            taken_mask: self.taken_mask.to_native(),
            failed_mask: self.failed_mask.to_native(),
            delivered_mask: self.delivered_mask.to_native(),
            attempts: self.attempts.to_native(),
            code: self.code.to_native(),
            carrier: self.carrier,
            in_doubt: self.in_doubt,
            ids: &self.ids,
        }
    }
}

/// The body of a Held record. Times take 48 bits; what stands above them was zero in records from
/// before it was kept.
#[derive(Archive, Serialize)]
#[rkyv(archived = ArchivedHeld, resolver = HeldResolver)]
pub struct HeldBody {
    push_id: u64,
    /// Above the time the first two octets of the holds.
    at: u64,
    /// Above the time the third octet of the holds, and above that the in-doubt bit.
    next: u64,
    delivered_mask: u16,
    attempts: u16,
    code: u16,
    reason: u8,
    domain: u8,
}

/// Bits of a time in a Held record.
const HELD_TIME_BITS: u32 = 48;
const HELD_TIME_MASK: u64 = (1 << HELD_TIME_BITS) - 1;

impl Held {
    pub(super) fn body(&self) -> HeldBody {
        let [first, second, third] = self.holds;
        HeldBody {
            push_id: self.push_id,
            at: self.at_ms & HELD_TIME_MASK
                | u64::from(u16::from_le_bytes([first, second])) << HELD_TIME_BITS,
            next: self.next_ms & HELD_TIME_MASK
                | u64::from(u16::from_le_bytes([third, u8::from(self.in_doubt)])) << HELD_TIME_BITS,
            delivered_mask: self.delivered_mask,
            attempts: self.attempts,
            code: self.code,
            reason: self.reason,
            domain: self.domain,
        }
    }
}

impl ArchivedHeld {
    /// The values.
    pub fn to_native(&self) -> Held {
        let (at, next) = (self.at.to_native(), self.next.to_native());
        let [first, second] = ((at >> HELD_TIME_BITS) as u16).to_le_bytes();
        let [third, flags] = ((next >> HELD_TIME_BITS) as u16).to_le_bytes();
        Held {
            push_id: self.push_id.to_native(),
            at_ms: at & HELD_TIME_MASK,
            next_ms: next & HELD_TIME_MASK,
            delivered_mask: self.delivered_mask.to_native(),
            attempts: self.attempts.to_native(),
            code: self.code.to_native(),
            reason: self.reason,
            domain: self.domain,
            holds: [first, second, third],
            in_doubt: flags & 1 != 0,
        }
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

/// A cancellation was accepted.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelAccepted {
    /// The push it withdraws; or, of a whole alert's, the highest bit, the bit below it where
    /// pushes of the alert waited here, and the sequence of its first record: the alert's pushes of
    /// lower numbers are withdrawn.
    push: u64,
    /// When, Unix milliseconds in 48 bits. Above them, of a whole alert's, 15 bits of its owner's
    /// share; the highest bit says that nobody is told: the XPID had no notification URL.
    at: u64,
    /// Fingerprint of (XPID, msn, reqid); of a whole alert's, that of (XPID, alertid).
    fingerprint: u64,
}

/// What the journal keeps of the cancellation of a whole alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlertCancel {
    /// Sequence of its first record.
    pub sequence: u64,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Fingerprint of (XPID, alertid).
    pub fingerprint: u64,
    /// Whose share of the closed alerts it counts against, 15 bits; 0 in records from before there
    /// were shares.
    pub share: u16,
    /// Whether pushes of the alert waited in this shard.
    pub found: bool,
    /// Whether the push client is told of each withdrawn push.
    pub told: bool,
}

/// The bit that tells the cancellation of a whole alert from that of a push.
pub(super) const WHOLE_ALERT: u64 = 1 << 63;
/// The bit that says that pushes of the alert waited. No sequence reaches it.
const FOUND: u64 = 1 << 62;
/// The bit that says that nobody is told.
const UNTOLD: u64 = 1 << 63;
/// Bits of a time.
const TIME_BITS: u32 = 48;
/// Bits of an owner's share.
const SHARE_MASK: u64 = (1 << 15) - 1;

const _: () = assert!(super::limits::SEQUENCE_END <= FOUND, "a sequence leaves both bits free");

impl CancelAccepted {
    /// The cancellation of one push; `told` says whether its client will be told.
    pub fn of_push(push_id: u64, at_ms: u64, fingerprint: u64, told: bool) -> Self {
        let untold = if told { 0 } else { UNTOLD };
        Self { push: push_id, at: time_of(at_ms) | untold, fingerprint }
    }

    /// The cancellation of a whole alert.
    pub fn of_alert(cancel: &AlertCancel) -> Self {
        let found = if cancel.found { FOUND } else { 0 };
        let untold = if cancel.told { 0 } else { UNTOLD };
        let share = (u64::from(cancel.share) & SHARE_MASK) << TIME_BITS;
        Self {
            push: WHOLE_ALERT | found | cancel.sequence,
            at: time_of(cancel.at_ms) | share | untold,
            fingerprint: cancel.fingerprint,
        }
    }

    /// When, Unix milliseconds.
    pub(super) fn at_ms(&self) -> u64 {
        time_of(self.at)
    }

    /// Whether it is that of a whole alert.
    pub(super) fn is_of_alert(&self) -> bool {
        self.push & WHOLE_ALERT != 0
    }
}

impl ArchivedCancelAccepted {
    /// When, Unix milliseconds.
    pub fn at_ms(&self) -> u64 {
        time_of(self.at.to_native())
    }

    /// The push that is withdrawn, of the cancellation of one.
    pub fn push_id(&self) -> Option<u64> {
        let push = self.push.to_native();
        (push & WHOLE_ALERT == 0).then_some(push)
    }

    /// Whether the push client is told.
    pub fn told(&self) -> bool {
        self.at.to_native() & UNTOLD == 0
    }

    /// What it says of a whole alert, where it is the cancellation of one.
    pub fn whole_alert(&self) -> Option<AlertCancel> {
        let push = self.push.to_native();
        (push & WHOLE_ALERT != 0).then(|| AlertCancel {
            sequence: push & !(WHOLE_ALERT | FOUND),
            at_ms: self.at_ms(),
            fingerprint: self.fingerprint.to_native(),
            share: (self.at.to_native() >> TIME_BITS & SHARE_MASK) as u16,
            found: push & FOUND != 0,
            told: self.told(),
        })
    }
}

fn time_of(at: u64) -> u64 {
    at & ((1 << TIME_BITS) - 1)
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
    pub(super) fn read(kind: Kind, body: &'a [u8]) -> Option<Self> {
        match kind {
            Kind::Accepted => low::access::<ArchivedAccepted<'a>, Failure>(body)
                .ok()
                .filter(|accepted| (1..=23).contains(&accepted.reqid_length))
                .map(Self::Accepted),
            Kind::Progress => low::access::<_, Failure>(body).ok().map(Self::Progress),
            Kind::Ended => low::access::<_, Failure>(body).ok().map(Self::Ended),
            Kind::CancelAccepted => low::access::<_, Failure>(body).ok().map(Self::CancelAccepted),
            Kind::Notified => low::access::<_, Failure>(body).ok().map(Self::Notified),
            Kind::Key => low::access::<_, Failure>(body).ok().map(Self::Key),
            Kind::Opened => low::access::<_, Failure>(body).ok().map(Self::Opened),
            Kind::Held => low::access::<_, Failure>(body).ok().map(Self::Held),
            Kind::Handed => low::access::<ArchivedHanded<'a>, Failure>(body).ok().map(Self::Handed),
            Kind::Broadcast => {
                low::access::<ArchivedBroadcastNote<'a>, Failure>(body).ok().map(Self::Broadcast)
            }
            Kind::Cleaned => None,
        }
    }

    /// What the record is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Accepted(_) => Kind::Accepted,
            Self::Progress(_) => Kind::Progress,
            Self::Ended(_) => Kind::Ended,
            Self::CancelAccepted(_) => Kind::CancelAccepted,
            Self::Notified(_) => Kind::Notified,
            Self::Key(_) => Kind::Key,
            Self::Opened(_) => Kind::Opened,
            Self::Held(_) => Kind::Held,
            Self::Handed(_) => Kind::Handed,
            Self::Cleaned(_) => Kind::Cleaned,
            Self::Broadcast(_) => Kind::Broadcast,
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

impl ArchivedAccepted<'_> {
    /// The client's reqid.
    pub fn reqid(&self) -> &[u8] {
        &self.reqid[..usize::from(self.reqid_length)]
    }

    /// The values.
    pub fn to_native(&self) -> Accepted<'_> {
        Accepted {
            push_id: self.push_id.to_native(),
            key_fingerprint: self.key_fingerprint.to_native(),
            content_digest: self.content_digest.to_native(),
            msn: self.msn.to_native(),
            xpid: self.xpid.to_native(),
            accepted_ms: self.accepted_ms.to_native(),
            expires_ms: self.expires_ms.to_native(),
            alert_key_fingerprint: self.alert_key_fingerprint.to_native(),
            alert_fingerprint: self.alert_fingerprint.to_native(),
            reqid: self.reqid,
            reqid_length: self.reqid_length,
            class: self.class,
            kind: self.kind,
            wants_notification: self.wants_notification,
            single_attempt: self.single_attempt,
            segments: self.segments,
            message_reference: self.message_reference,
            concatenation_reference: self.concatenation_reference,
            svcinst: self.svcinst,
            sender_index: self.sender_index,
            alert_sequence: self.alert_sequence,
            door: self.door.to_native(),
            sender: &self.sender,
            alert_id: &self.alert_id,
            submits: &self.submits,
        }
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

impl<'a> Accepted<'a> {
    /// The body of the push's first record.
    pub(super) fn body(&self) -> AcceptedBody<'a> {
        AcceptedBody {
            door: self.door,
            reserved: [0; 5],
            push_id: self.push_id,
            key_fingerprint: self.key_fingerprint,
            content_digest: self.content_digest,
            msn: self.msn,
            xpid: self.xpid,
            accepted_ms: self.accepted_ms,
            expires_ms: self.expires_ms,
            alert_key_fingerprint: self.alert_key_fingerprint,
            alert_fingerprint: self.alert_fingerprint,
            reqid: self.reqid,
            reqid_length: self.reqid_length,
            class: self.class,
            kind: self.kind,
            wants_notification: self.wants_notification,
            single_attempt: self.single_attempt,
            segments: self.segments,
            message_reference: self.message_reference,
            concatenation_reference: self.concatenation_reference,
            svcinst: self.svcinst,
            sender_index: self.sender_index,
            alert_sequence: self.alert_sequence,
            sender: self.sender,
            alert_id: self.alert_id,
            submits: self.submits,
        }
    }
}
