//! Deliberate faults of a broadcast, so that a test can prove that its model would notice them.
//!
//! Nothing but a test ever sets one.

/// One way to break it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RowMutation {
    /// As it should be.
    #[default]
    None,
    /// Rows are attempted before their claim is durable.
    ClaimNotAwaited,
    /// Figures change before the outcome is durable.
    OutcomeBeforeDurability,
    /// A checkpoint is used before all that it stands on is durable.
    CheckpointTooNew,
    /// A cancel is looked at when rows are claimed, not when they are attempted.
    CancelAtClaimOnly,
    /// A lower alertseq replaces a higher one.
    AlertseqWrongWay,
    /// After a crash what was claimed is taken for done.
    ForgetClaims,
    /// After a crash what was claimed is sent again and not counted as in doubt.
    TrustClaims,
    /// What is held is tried again while it is paused.
    RetryWhilePaused,
    /// What may have arrived is forgotten with a crash.
    ForgetMarks,
    /// What carriers have is forgotten with a crash.
    ForgetHanded,
    /// After a planned stop rows begin before a record says that they do.
    WakingNotAwaited,
    /// A row that was deferred begins before a record says that it is no longer.
    RecallNotAwaited,
}
