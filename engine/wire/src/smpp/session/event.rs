//! What a session tells its owner.

use super::super::command::Command;
use super::super::error::PduError;
use super::super::frame::FrameError;
use super::super::oddities::Oddities;
use super::super::pdu::{Bind, Body};
use super::super::status::Status;

/// A request of the peer, to be answered once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId {
    /// What was asked.
    pub command: Command,
    /// The peer's number, which its answer carries.
    pub sequence: u32,
}

/// What happened. Bodies borrow from the octets that were handed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// A client wants to bind: check it and call [`super::Session::answer_bind`].
    BindRequested {
        /// What it says of itself.
        bind: Bind<'a>,
    },
    /// Our bind was taken.
    Bound {
        /// What the SMSC calls itself; may be empty.
        system_id: &'a [u8],
    },
    /// A request that [`super::Session::answer`] is to be called for, once.
    Request {
        /// What to answer to.
        request: RequestId,
        /// What it asks.
        body: Body<'a>,
        /// What was read around.
        oddities: Oddities,
    },
    /// A phone is reachable again; there is no answer.
    Alert {
        /// An [`Body::Alert`].
        body: Body<'a>,
    },
    /// The answer to a request of ours.
    Answer {
        /// What the request was sent with.
        token: u64,
        /// How it fared; never `ESME_ROK` for a generic_nack.
        status: Status,
        /// What was answered; [`Body::Empty`] where there is no body, or one that cannot be read.
        body: Body<'a>,
        /// What was read around.
        oddities: Oddities,
        /// How long it took, in milliseconds.
        waited_ms: u64,
    },
    /// A request got no answer in its time, or its session ended: the peer may have done it or not.
    InDoubt {
        /// What the request was sent with.
        token: u64,
    },
    /// The answer to a request of ours that was told of as in doubt, on the same session.
    LateAnswer {
        /// What the request was sent with.
        token: u64,
        /// How it fared.
        status: Status,
        /// What was answered.
        body: Body<'a>,
    },
    /// The peer unbinds: nothing more can be sent, what it asked is to be answered within five
    /// seconds.
    Unbinding,
    /// The session is over and the connection to be closed. The last event there is.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CloseReason {
    /// After an unbind, from either side.
    #[error("unbound")]
    Unbound,
    /// The connection ended.
    #[error("the peer closed the connection")]
    Ended,
    /// Its owner closed it.
    #[error("closed")]
    Closed,
    /// The bind was refused, ours or the peer's.
    #[error("the bind was refused with {0}")]
    Refused(Status),
    /// Nobody bound in time, or the bind was not answered.
    #[error("not bound in time")]
    NotBound,
    /// An enquire_link was not answered.
    #[error("no answer to enquire_link")]
    Silent,
    /// Several requests in a row were not answered.
    #[error("no answers to several requests")]
    Unanswered,
    /// A PDU took too long.
    #[error("a PDU stayed incomplete")]
    Partial,
    /// What came is no SMPP.
    #[error("{0}")]
    NoPdu(FrameError),
    /// Too many requests in a row could not be read.
    #[error("too many bad requests, the last: {0}")]
    BadRequests(PduError),
}

/// Why a request cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The session is not bound so that it may be sent.
    #[error("the session is not bound for it")]
    NotBound,
    /// As many requests are outstanding as may be.
    #[error("the window is full")]
    WindowFull,
    /// The peer knows no optional parameters, and the message is one.
    #[error("the peer does not know message_payload")]
    NeedsTlvs,
    /// It cannot be written.
    #[error("{0}")]
    Pdu(#[from] PduError),
}
