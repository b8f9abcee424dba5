//! What a run of the simulation adds up to.

/// Counts for the report.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// Pushes that the clients made up.
    pub pushes: u64,
    /// Accepted by the message center.
    pub accepted: u64,
    /// Ended, by the number of the final state.
    pub ended: [u64; 11],
    /// Delivery attempts.
    pub attempts: u64,
    /// Segments that a terminal took.
    pub segments_received: u64,
    /// Segments that a terminal took although it had them.
    pub segments_repeated: u64,
    /// Notifications that a push client took.
    pub notifications: u64,
    /// Notifications parked.
    pub parked: u64,
    /// Identical repeats.
    pub repeats: u64,
    /// Requests refused.
    pub refused: u64,
    /// Pushes that cleaning moved forward.
    pub moved: u64,
    /// Crashes.
    pub crashes: u64,
    /// Times somebody set the clock: by less than an hour, by less than a day, and by more, forward
    /// and back.
    pub clock_steps: [[u64; 2]; 3],
    /// Records lost in crashes.
    pub records_lost: u64,
    /// Events.
    pub events: u64,
}

impl Counts {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        self.pushes += other.pushes;
        self.accepted += other.accepted;
        for (sum, count) in self.ended.iter_mut().zip(other.ended) {
            *sum += count;
        }
        let steps = self.clock_steps.iter_mut().flatten();
        steps.zip(other.clock_steps.iter().flatten()).for_each(|(sum, count)| *sum += count);
        self.attempts += other.attempts;
        self.segments_received += other.segments_received;
        self.segments_repeated += other.segments_repeated;
        self.notifications += other.notifications;
        self.parked += other.parked;
        self.repeats += other.repeats;
        self.refused += other.refused;
        self.moved += other.moved;
        self.crashes += other.crashes;
        self.records_lost += other.records_lost;
        self.events += other.events;
    }
}
