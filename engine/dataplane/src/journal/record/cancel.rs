//! That a cancellation was accepted, of one push or of a whole alert: one body for both, told apart
//! by its highest bit.

use crate::journal::limits::SEQUENCE_END;
use rkyv::{Archive, Serialize};

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
const WHOLE_ALERT: u64 = 1 << 63;
/// The bit that says that pushes of the alert waited. No sequence reaches it.
const FOUND: u64 = 1 << 62;
/// The bit that says that nobody is told.
const UNTOLD: u64 = 1 << 63;
/// Bits of a time.
const TIME_BITS: u32 = 48;
/// Bits of an owner's share.
const SHARE_MASK: u64 = (1 << 15) - 1;

const _: () = assert!(SEQUENCE_END <= FOUND, "a sequence leaves both bits free");

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
    pub(in crate::journal) fn at_ms(&self) -> u64 {
        time_of(self.at)
    }

    /// Whether it is that of a whole alert.
    pub(in crate::journal) fn is_of_alert(&self) -> bool {
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
