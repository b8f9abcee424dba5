//! Where a session stands, and what it does with each request there: the tables of the session.

use super::super::command::Command;
use super::super::pdu::BindKind;
use super::super::status::Status;

/// Which side of a session this is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// The ESME: binds, submits, takes receipts.
    Client,
    /// The SMSC: is bound to, takes submits, sends receipts.
    Server,
}

/// Where a session stands (SMPP 3.4, 2.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// The connection is there, nobody has bound.
    Open,
    /// A bind waits for its answer.
    Binding,
    /// Bound: the ESME sends.
    BoundTx,
    /// Bound: the ESME receives.
    BoundRx,
    /// Bound: both ways.
    BoundTrx,
    /// An unbind went either way: nothing new is sent.
    Unbinding,
    /// Over; the connection is to be closed.
    Closed,
}

impl State {
    /// The state that a bind of this kind leads to.
    pub const fn bound(kind: BindKind) -> Self {
        match kind {
            BindKind::Transmitter => Self::BoundTx,
            BindKind::Receiver => Self::BoundRx,
            BindKind::Transceiver => Self::BoundTrx,
        }
    }

    /// Whether it is one of the three bound ones.
    pub const fn is_bound(self) -> bool {
        matches!(self, Self::BoundTx | Self::BoundRx | Self::BoundTrx)
    }
}

/// What a session does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is an enquire_link or unbind, which the session answers by itself.
    Own,
    /// A bind that is to be decided.
    Decide,
    /// It goes to whoever owns the session.
    Take,
    /// It is answered with this status.
    Refuse(Status),
    /// Nobody knows it here: generic_nack with ESME_RINVCMDID; the session stays.
    Nack,
    /// It has no answer and nobody wants it.
    Ignore,
}

/// Requests that are treated alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// enquire_link, unbind.
    Link,
    Bind,
    /// submit_sm, submit_multi, query_sm, cancel_sm: to the SMSC.
    Submit,
    /// replace_sm: to the SMSC, which does not do it.
    Replace,
    /// deliver_sm: to the ESME.
    Deliver,
    /// data_sm: to either.
    Data,
    Alert,
    Other,
}

impl Kind {
    const fn of(command: Command) -> Self {
        match command {
            Command::ENQUIRE_LINK | Command::UNBIND => Self::Link,
            Command::SUBMIT_SM | Command::SUBMIT_MULTI | Command::QUERY_SM | Command::CANCEL_SM => {
                Self::Submit
            }
            Command::REPLACE_SM => Self::Replace,
            Command::DELIVER_SM => Self::Deliver,
            Command::DATA_SM => Self::Data,
            Command::ALERT_NOTIFICATION => Self::Alert,
            _ if BindKind::of_request(command).is_some() => Self::Bind,
            _ => Self::Other,
        }
    }
}

/// What is done with a request that arrives at a session of this role in this state (SMPP 3.4,
/// 2.3).
pub const fn verdict(role: Role, state: State, command: Command) -> Verdict {
    use State::{BoundRx, BoundTrx, BoundTx, Open};
    const NOT_NOW: Verdict = Verdict::Refuse(Status::INVALID_BIND_STATE);
    const NO_REPLACING: Verdict = Verdict::Refuse(Status::REPLACE_FAILED);
    match (role, Kind::of(command), state) {
        (_, Kind::Link, _) => Verdict::Own,
        (Role::Server, Kind::Bind, Open) => Verdict::Decide,
        (Role::Server, Kind::Bind, _) => Verdict::Refuse(Status::ALREADY_BOUND),
        (Role::Server, Kind::Submit | Kind::Data, BoundTx | BoundTrx) => Verdict::Take,
        (Role::Server, Kind::Replace, BoundTx | BoundTrx) => NO_REPLACING,
        (Role::Server, Kind::Submit | Kind::Data | Kind::Replace, _) => NOT_NOW,
        (Role::Client, Kind::Deliver | Kind::Data | Kind::Alert, BoundRx | BoundTrx) => {
            Verdict::Take
        }
        (Role::Client, Kind::Deliver | Kind::Data, _) => NOT_NOW,
        (Role::Client, Kind::Alert, _) => Verdict::Ignore,
        _ => Verdict::Nack,
    }
}

/// Whether a session of this role may send this request in this state.
pub const fn may_send(role: Role, state: State, command: Command) -> bool {
    match (role, Kind::of(command)) {
        (Role::Client, Kind::Submit | Kind::Replace | Kind::Data) => {
            matches!(state, State::BoundTx | State::BoundTrx)
        }
        (Role::Server, Kind::Deliver | Kind::Data | Kind::Alert) => {
            matches!(state, State::BoundRx | State::BoundTrx)
        }
        _ => false,
    }
}
