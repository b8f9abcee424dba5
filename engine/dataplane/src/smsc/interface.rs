//! What the message center is told, and what it asks its owner to do.

use crate::smsc::alerts::AlertIdentity;
use crate::smsc::ended::{EndedId, NotificationKind};
use crate::smsc::outcome::AttemptResult;
use crate::smsc::pushes::PushIndex;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::time::CenterMs;

/// What the owner has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Journal a Progress record: a report says of a waiting push that segments of it arrived.
    Progress(PushIndex),
    /// Journal a Progress record that says that an attempt begins, and call
    /// `Core::handle_begin_journaled`: the attempt waits until the record is durable.
    Begin(PushIndex),
    /// Journal a Handed record: a carrier says what became of segments of a push that goes on.
    Handed(PushIndex),
    /// Journal a Handed record that says that these segments of the push go by another carrier
    /// than `Core::avoided`.
    Elsewhere(PushIndex, u16),
    /// Ask the carriers that have segments of the push what became of them.
    Ask(PushIndex),
    /// Journal a CancelAccepted record: the cancel of its whole alert has reached this push.
    CancelAccepted(PushIndex),
    /// Journal an Ended record; once it is durable write the billing event and call
    /// `Core::handle_end_durable`.
    Ended(PushIndex),
    /// Send this notification now.
    Notify(EndedId, NotificationKind),
    /// The same of a push that came by SMPP: its push client is told by a receipt.
    NotifyBySmpp(EndedId, NotificationKind),
    /// Resends were given up after 24 hours, or for want of a place: journal it as parked. The push
    /// is listed by `Core::parked` until `Core::replay` sends what is parked again. It may be
    /// gone by the time that this is carried out: what the owner needs is here.
    Parked {
        /// The push's number.
        push_id: u64,
        /// Where its Accepted record stands.
        position: u64,
        /// Which notification.
        kind: NotificationKind,
        /// Failed tries of it.
        tries: u8,
    },
    /// The push has left: journal a Notified record unless nothing was ever due, and release its
    /// Accepted record. The entry is gone: what the owner needs is here.
    Finished {
        /// The push.
        push_id: u64,
        /// Where its Accepted record stands.
        position: u64,
        /// What has become of its notifications.
        outcome: FinishOutcome,
        /// Tries of the last one.
        tries: u8,
    },
}

/// What has become of the notifications of a push that leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FinishOutcome {
    /// None was due.
    NothingDue,
    /// All were acknowledged.
    Acknowledged,
    /// Something parked was let go.
    LetGo,
}

/// What a push's key says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyVerdict {
    /// Never seen.
    New,
    /// An identical repeat: the number of segments it was accepted with.
    Repeat { segments: u8 },
    /// The reqid was used with other content.
    Reused,
}

/// A push to be accepted; its Accepted record stands in the journal.
#[derive(Clone, Copy, Debug)]
pub struct NewPush {
    /// Sequence of the Accepted record.
    pub push_id: u64,
    /// Packed position of the Accepted record.
    pub position: u64,
    /// Fingerprint of (svcid, msn, reqid).
    pub key: u64,
    /// Digest of the content.
    pub content_digest: u64,
    /// Destination.
    pub msn: Msn,
    /// Class.
    pub class: Class,
    /// Segments, 1 to 10.
    pub segments: u8,
    /// No delivery from then on.
    pub expires_ms: CenterMs,
    /// A control SMS, not a text.
    pub control: bool,
    /// Who takes turns with others, has a share, and is notified in order: the number of the XPID.
    pub client: u64,
    /// Whether an E5 is wanted and can be sent.
    pub wants_notification: bool,
    /// lifetime 00.
    pub single_attempt: bool,
    /// It came by SMPP: receipts tell of it.
    pub by_smpp: bool,
    /// The alert it belongs to.
    pub alert: Option<AlertIdentity>,
    /// Where it goes: 0 the core network, or the number of a carrier.
    pub route: u8,
}

/// How an attempt went, as far as the message center acts on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// How it ended.
    pub result: AttemptResult,
    /// The segments that arrived in it: bit 0 is the first.
    pub delivered_mask: u16,
    /// The segments that were sent and that nobody answered for in time: they may have arrived, and
    /// their reports may still come.
    pub unanswered_mask: u16,
    /// The segments that a carrier took in it: receipts will say what becomes of them.
    pub taken_mask: u16,
    /// What it went through last; `None` where nothing was sent.
    pub domain: Option<Domain>,
}
