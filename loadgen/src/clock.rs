//! The only reader of the time: nanoseconds since the run's origin.

use std::time::Instant;

/// A monotonic clock that all threads of a run share.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// The system's, since then.
    System(Instant),
    /// A test's, which goes on when the test says so.
    #[cfg(test)]
    Test(&'static std::sync::atomic::AtomicU64),
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Self { source: Source::System(Instant::now()) }
    }

    /// A clock that stands at 0 until it is set.
    #[cfg(test)]
    pub(crate) fn standing() -> (Self, &'static std::sync::atomic::AtomicU64) {
        let time: &'static std::sync::atomic::AtomicU64 = Box::leak(Box::default());
        (Self { source: Source::Test(time) }, time)
    }

    /// Nanoseconds since the origin.
    pub fn now_ns(&self) -> u64 {
        match self.source {
            Source::System(origin) => {
                u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
            }
            #[cfg(test)]
            Source::Test(time) => time.load(std::sync::atomic::Ordering::Relaxed),
        }
    }
}
