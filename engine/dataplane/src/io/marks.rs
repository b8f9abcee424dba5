//! How far the journals of a thread's shards are durable: one mark a shard, by its place.

/// The marks, as they were looked at last.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<u64>);

impl Marks {
    /// Marks by which whatever waits goes on waiting.
    pub(super) const NONE: Self = Self(Vec::new());

    /// Everything of the shard in this place that is not above `durable` may leave.
    pub(super) fn set(&mut self, place: usize, durable: u64) {
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        self.0[place] = durable;
    }

    /// Whether the mark of the shard in this place has reached this sequence.
    #[inline]
    pub(super) fn have_reached(&self, place: u16, sequence: u64) -> bool {
        self.0.get(usize::from(place)).is_some_and(|&durable| sequence <= durable)
    }
}
