//! Deliberate faults of the message center and of the shard round it, so that a test can prove that
//! the simulator would notice them.
//!
//! Nothing but a test ever sets one; without one each switch is a comparison off the hot path.

/// One way to break the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CoreMutation {
    /// As it should be.
    #[default]
    None,
    /// An expired push is attempted all the same.
    SkipExpiry,
    /// A recovered push is neither queued nor timed.
    LoseTimerAtRecovery,
    /// A cancel is accepted and the push delivered.
    DeliverAfterCancel,
    /// The latest push of an msn goes first.
    ReorderMsn,
    /// A push ends twice.
    DoubleFinalState,
    /// A report that comes after its attempt's end is thrown away.
    DropLateReport,
    /// A push of a higher alertseq leaves the lower ones alone.
    SkipReplacement,
    /// An acknowledged notification is forgotten to be followed by the next of its msn.
    StallNotifications,
    /// An ended push's key is forgotten at once.
    ForgetKey,
    /// A notification goes out before the push's end is durable.
    AnnounceEarly,
    /// Pushes of a cancelled alert that the cancel has not reached yet are attempted.
    AttemptAfterAlertCancel,
    /// The HLR's alert releases nothing.
    IgnoreAlert,
    /// A push client's Retry-After is not listened to.
    IgnoreRetryAfter,
    /// A notification is parked after a few tries.
    ParkEarly,
    /// A cancel that was accepted is forgotten in a crash.
    LoseCancelAtRecovery,
    /// Notifications of an msn do not wait for each other.
    NotifyOutOfOrder,
    /// A push whose first attempt was held waits for its lifetime.
    NeverRetry,
    /// After a crash nothing is in doubt but what a record says.
    TrustHeadsAtRecovery,
    /// What a record says of segments in doubt is forgotten in a crash.
    ForgetDoubtAtRecovery,
    /// After a crash every push that waits is in doubt.
    DoubtAllAtRecovery,
    /// After a crash every push that was held is tried at once.
    RetryAllAtRecovery,
    /// After a crash it is forgotten how often a push was held.
    ForgetHoldsAtRecovery,
    /// A push of lifetime 00 whose attempt had begun is tried again after a crash.
    AttemptAgainAtRecovery,
    /// An attempt that has to be recorded first begins without.
    BeginUnrecorded,
    /// After a crash notifications of an msn follow in the order of their times.
    NotifyByTimeAtRecovery,
    /// Intake: a repeat is answered before the first is durable.
    AnswerRepeatEarly,
    /// Intake: a cancel is accepted and no record says so.
    CancelUnrecorded,
    /// Delivery: what nobody answered for is taken for not sent.
    DropUnanswered,
    /// Endings: an end is billed before it is durable.
    BillEndEarly,
    /// Cleaning: a live push is moved without what has become of it.
    MoveWithoutTrail,
    /// Cleaning: keys of finished pushes go with their segment.
    ForgetKeysInCleaning,
    /// Cleaning: a segment goes before the books have what it says.
    CleanUnbilled,
    /// Opening: what the books lack is not entered.
    BillNothingAtOpen,
    /// Opening: the journal is not told of a push that goes on.
    LeaveUnheldAtOpen,
    /// What a carrier took of a push is forgotten in a crash.
    LoseHandedAtRecovery,
    /// What a carrier returned waits behind all that came later.
    ReturnToBack,
    /// A carrier's receipt is acknowledged before what it changed is durable.
    AcknowledgeReceiptEarly,
}

impl CoreMutation {
    /// Those that a network of carriers shows.
    pub const OF_CARRIERS: [Self; 4] = [
        Self::LoseHandedAtRecovery,
        Self::ReturnToBack,
        Self::AcknowledgeReceiptEarly,
        Self::AttemptAgainAtRecovery,
    ];

    /// Every other way.
    pub const ALL: [Self; 34] = [
        Self::SkipExpiry,
        Self::LoseTimerAtRecovery,
        Self::DeliverAfterCancel,
        Self::ReorderMsn,
        Self::DoubleFinalState,
        Self::DropLateReport,
        Self::SkipReplacement,
        Self::StallNotifications,
        Self::ForgetKey,
        Self::AnnounceEarly,
        Self::AttemptAfterAlertCancel,
        Self::IgnoreAlert,
        Self::IgnoreRetryAfter,
        Self::ParkEarly,
        Self::LoseCancelAtRecovery,
        Self::NotifyOutOfOrder,
        Self::NeverRetry,
        Self::TrustHeadsAtRecovery,
        Self::ForgetDoubtAtRecovery,
        Self::DoubtAllAtRecovery,
        Self::RetryAllAtRecovery,
        Self::ForgetHoldsAtRecovery,
        Self::AttemptAgainAtRecovery,
        Self::BeginUnrecorded,
        Self::NotifyByTimeAtRecovery,
        Self::AnswerRepeatEarly,
        Self::CancelUnrecorded,
        Self::DropUnanswered,
        Self::BillEndEarly,
        Self::MoveWithoutTrail,
        Self::ForgetKeysInCleaning,
        Self::CleanUnbilled,
        Self::BillNothingAtOpen,
        Self::LeaveUnheldAtOpen,
    ];
}
