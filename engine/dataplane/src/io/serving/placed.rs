//! What a session and its desk hand each other: who wants to bind, what an answer tells, what was
//! said of receipts.

use crate::shard::FoundPush;
use wire::smpp::pdu::BindKind;
use wire::smpp::status::Status;
use wire::terms::code::Code;
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;

/// What an answer tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum PlacedAnswer {
    /// What became of a push: its key, and the code.
    Submitted { key: u64, code: Code },
    /// There was no push in it.
    Refused(Status),
    /// What was found of a push of this id.
    Queried { id: u64, found: FoundPush },
    /// Whether it was cancelled.
    Cancelled { found: FoundPush },
}

/// A bind that waits for its verdict.
#[derive(Clone, Copy)]
pub(super) struct Applicant {
    pub(super) xpid: Xpid,
    pub(super) kind: BindKind,
    /// When it came.
    pub(super) since_ms: SteadyMs,
}

/// What sessions said of receipts since it was last settled.
#[derive(Default)]
pub(super) struct Settled {
    /// Receipts by their tokens, and how they were answered.
    pub(super) answered: Vec<(u64, Status)>,
    /// Those without an answer.
    pub(super) lost: Vec<u64>,
}
