//! What the shards show of themselves: figures, durations, obstacles; and why a change was not
//! taken.

/// Why new pushes are not taken at this moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Obstacle {
    /// The engine drains.
    Draining,
    /// An operator paused it.
    Paused,
    /// It was started to look on.
    LooksOn,
    /// A shard makes no turns.
    Stalled,
    /// A shard's journal has no room.
    StorageFull,
    /// Every place of a shard for waiting pushes is taken.
    QueueFull,
    /// A shard's device does not take what was accepted as fast as it comes.
    Overload,
    /// The data directory, or a file of a journal, was deleted or moved.
    DataLost,
}

impl Obstacle {
    /// One word for scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Paused => "paused",
            Self::LooksOn => "looks_on",
            Self::Stalled => "stalled",
            Self::StorageFull => "storage_full",
            Self::QueueFull => "queue_full",
            Self::Overload => "overload",
            Self::DataLost => "data_lost",
        }
    }

    /// The cause, as a clause.
    pub fn clause(self) -> &'static str {
        match self {
            Self::Draining => "the engine is stopping",
            Self::Paused => "it is paused (resume with POST /resume)",
            Self::LooksOn => {
                "it was started to look on (start it without --paused, and with --take-over where \
                 the directory is a copy)"
            }
            Self::Stalled => "a shard stands still",
            Self::DataLost => {
                "the data directory was deleted or moved (stop the engine when the queue has \
                 drained)"
            }
            Self::StorageFull => {
                "the journal is full (make room on the device or raise --queue-bytes)"
            }
            Self::QueueFull => {
                "as many pushes wait as may (see `hayauma queue`, or raise --pushes-max)"
            }
            Self::Overload => "the device does not keep up with what was accepted",
        }
    }
}

/// Why the shards did not take a change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ControlError {
    /// The engine is draining; the store has the change, the next start will find it.
    #[error(
        "the engine is stopping: what was changed is in the store and counts from the next start on"
    )]
    Stopping,
    /// A shard that runs gives no answer. Who asks for something that is kept for it says
    /// [`Self::Owed`] instead.
    #[error("a shard does not answer at this moment, all others have heard of it: ask again")]
    NoAnswer,
    /// A shard that runs has not said that it works by the change.
    #[error(
        "a shard does not answer at this moment: the change is in the store, all other shards work \
         by it, and this one is told until it does"
    )]
    Owed,
    /// The engine was started to look on.
    #[error(
        "the engine was started to look on: start it without --paused, and with --take-over where \
         its directory is a copy"
    )]
    LooksOn,
    /// The core network cannot be told.
    #[error("{0}")]
    NotTold(String),
    /// No thread of this engine holds the shard.
    #[error("shard {0} is not served here at this moment: ask again")]
    Elsewhere(usize),
    /// A shard has no room for the change.
    #[error(
        "a shard has no room for it ({0}): the change is in the store and counts from the next \
         start on"
    )]
    NoRoom(String),
}

impl ControlError {
    /// The same where the change is kept for the shard until it takes it.
    #[must_use]
    pub fn of_what_is_kept(self) -> Self {
        if self == Self::NoAnswer { Self::Owed } else { self }
    }
}

/// One shard's counters, gauges and durations.
#[derive(Clone, PartialEq, Debug)]
pub struct ShardFigures {
    /// The shard's number.
    pub shard: usize,
    /// Its figures; every shard gives the same names in the same order.
    pub figures: Vec<Figure>,
    /// Its durations; every shard gives the same names and bounds in the same order.
    pub times: Vec<Times>,
}

/// How long something took, each time, counted in buckets.
#[derive(Clone, PartialEq, Debug)]
pub struct Times {
    /// Its name in the metrics, without the prefix `hayauma_`.
    pub name: &'static str,
    /// What it says, one clause.
    pub help: &'static str,
    /// Bounds in seconds, ascending, and how many took no longer than that and longer than the
    /// bound before.
    pub buckets: Vec<(f64, u64)>,
    /// How many took longer than all bounds.
    pub above: u64,
    /// The sum of all, in seconds.
    pub sum_s: f64,
}

/// A counter or gauge at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figure {
    /// Its name in the metrics, without the prefix `hayauma_` and without `_total`.
    pub name: &'static str,
    /// What it says, one clause.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: FigureKind,
    /// Its value.
    pub value: u64,
}

/// Whether a figure only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FigureKind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
}
