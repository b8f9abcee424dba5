//! What a request is known by, and what becomes of it.

use crate::journal::AppendError;
use wire::push::response::Answer;
use wire::push::scan::{PushRequest, Request};
use wire::submission::form::FormOrder;
use wire::submission::{CancelTarget, Cancellation, Submission};
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Reqid, Xpid};

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// The answer may leave at once.
    Now(Answer),
    /// The answer may leave when the durable mark has passed this sequence.
    WhenDurable(Answer, u64),
    /// Another shard owns the msn; whose request it is, by the XPID's position in the registry.
    Owner { shard: usize, client: u32 },
    /// Every shard has to answer: the cancel of a whole alert by this client's XPID. This shard's
    /// part, the number of pushes it has withdrawn, and the sequence that must be durable. A shard
    /// that answers 3002 has not closed the alert: it is to be asked again where another shard
    /// knows it.
    EveryShard { client: u32, answer: Answer, withdrawn: u32, sequence: u64 },
}

/// Who has a whole alert cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Canceller {
    /// A push client.
    Client,
    /// Another shard, whose client cancels it; whether pushes of the alert wait in some shard.
    Shard { found_elsewhere: bool },
}

/// What an answer repeats of its request.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) msn: Msn,
    pub(super) reqid: Reqid,
    pub(super) xpid: Xpid,
    /// A push, not a cancellation: refused ones are in the books.
    pub(super) is_push: bool,
}

impl Named {
    pub(super) fn of_request(request: &Request<'_>) -> Self {
        match request {
            Request::Push(PushRequest { msn, reqid, xpid, .. }) => {
                Self { msn: *msn, reqid: *reqid, xpid: *xpid, is_push: true }
            }
            Request::Cancel(cancellation) => Self::of_cancellation(cancellation),
        }
    }

    pub(super) fn of_order(order: &FormOrder<'_>) -> Self {
        match order {
            FormOrder::Push(submission) => Self::of_submission(submission),
            FormOrder::Cancel(cancellation) => Self::of_cancellation(cancellation),
        }
    }

    pub(super) fn of_submission(submission: &Submission<'_>) -> Self {
        let Submission { msn, reqid, xpid, .. } = *submission;
        Self { msn, reqid, xpid, is_push: true }
    }

    /// The msn of a whole alert's cancel is [`Msn::ALL`].
    pub(super) fn of_cancellation(cancellation: &Cancellation<'_>) -> Self {
        let (msn, reqid) = match cancellation.target {
            CancelTarget::Push { msn, reqid } => (msn, reqid),
            CancelTarget::Alert { reqid, .. } => (Msn::ALL, reqid),
        };
        Self { msn, reqid, xpid: cancellation.xpid, is_push: false }
    }

    pub(super) fn answer(self, code: Code, segments: u8) -> Answer {
        let Self { msn, reqid, xpid, .. } = self;
        Answer { code, msn: Some(msn), reqid: Some(reqid), xpid: Some(xpid), segments }
    }
}

/// What a request is answered whose record finds no room.
pub(super) fn code_of(error: AppendError) -> Code {
    match error {
        AppendError::Full => Code::STORAGE_FULL,
        AppendError::NoSpare => Code::OVERLOAD,
    }
}
