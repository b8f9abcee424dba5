//! Errors that a session could have, for the tests to catch: a test that catches none of them shows
//! nothing.

/// What a session does wrong on purpose. Outside of tests it is always `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionMutation {
    /// Nothing.
    None,
    /// A request is acknowledged when it comes, before its owner answers.
    AcknowledgeEarly,
    /// A request more than the window allows.
    OverrunWindow,
    /// The number behind 7FFFFFFF is 0.
    SequenceZero,
    /// An answer counts for the oldest request.
    MatchOldest,
    /// A generic_nack without a status counts as success.
    NackIsSuccess,
    /// What is outstanding when a session ends is forgotten.
    ForgetAtClose,
    /// A request waits for its answer for ever.
    WaitForEver,
    /// Requests that get no answer never end the session.
    GoOnUnanswered,
    /// No enquire_link is ever sent.
    NeverEnquire,
    /// An enquire_link that nobody answers changes nothing.
    EnquireUnanswered,
    /// A PDU may take as long as it likes.
    PartialForEver,
    /// A connection may stay unbound.
    NeverBound,
    /// TLVs go to peers that do not know them.
    TlvsToAll,
    /// New requests go out after an unbind.
    SendAfterUnbind,
    /// The answer to an unbind goes before those to requests.
    UnbindOvertakes,
    /// An unbind may stay unanswered.
    UnbindForEver,
    /// An unknown command ends the session.
    UnknownCloses,
    /// A length that no PDU has is skipped.
    SkipBadLength,
    /// An enquire_link before the bind is refused.
    RefuseEarlyEnquire,
    /// Requests are read without end.
    ReadOn,
    /// Requests that cannot be read may go on for ever.
    ForgiveBad,
}

impl SessionMutation {
    /// Every error.
    pub const ALL: [Self; 21] = [
        Self::AcknowledgeEarly,
        Self::OverrunWindow,
        Self::SequenceZero,
        Self::MatchOldest,
        Self::NackIsSuccess,
        Self::ForgetAtClose,
        Self::WaitForEver,
        Self::GoOnUnanswered,
        Self::NeverEnquire,
        Self::EnquireUnanswered,
        Self::PartialForEver,
        Self::NeverBound,
        Self::TlvsToAll,
        Self::SendAfterUnbind,
        Self::UnbindOvertakes,
        Self::UnbindForEver,
        Self::UnknownCloses,
        Self::SkipBadLength,
        Self::RefuseEarlyEnquire,
        Self::ReadOn,
        Self::ForgiveBad,
    ];
}
