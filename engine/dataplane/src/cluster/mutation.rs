//! Deliberate faults of a cluster's node, so that a test can prove that its model would notice
//! them.
//!
//! Nothing but a test ever sets one.

/// One way to break it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum NodeMutation {
    /// As it should be.
    #[default]
    None,
    /// Two chunks of a partition are under way at a time.
    DepthTwo,
    /// A chunk is published whatever the last sequence is.
    NoExpectation,
    /// What is sent counts as acknowledged.
    SentIsAcknowledged,
    /// Whoever thinks that it owns a partition acts.
    NoActRule,
    /// What memory says is answered without asking the log.
    NoActRuleForDenials,
    /// The time of the last sending counts, though the log may have taken the first one.
    ActFromLastSending,
    /// A log is opened at once, however lately its owner wrote.
    NoWaitBeforeOpening,
    /// What is sent again has more in it than what was sent first.
    ResendOther,
    /// The log is cut before what was moved forward is acknowledged.
    PurgeBeforeAcknowledged,
    /// An owner goes on behind the highest number that the log knows.
    NoJump,
    /// What became of a chunk is asked of any replica.
    DoubtAskedAnywhere,
    /// Others are suspected as soon as the beats can be read again.
    SuspectWhileIll,
    /// A successor bills all that its log tells, whatever was billed.
    BillWithoutThrough,
    /// The log is cut before what it says is billed.
    PurgeUnbilled,
}

impl NodeMutation {
    /// Every way.
    pub const ALL: [Self; 14] = [
        Self::DepthTwo,
        Self::NoExpectation,
        Self::SentIsAcknowledged,
        Self::NoActRule,
        Self::NoActRuleForDenials,
        Self::ActFromLastSending,
        Self::NoWaitBeforeOpening,
        Self::ResendOther,
        Self::PurgeBeforeAcknowledged,
        Self::NoJump,
        Self::DoubtAskedAnywhere,
        Self::SuspectWhileIll,
        Self::BillWithoutThrough,
        Self::PurgeUnbilled,
    ];
}
