//! Time for timers that goes on evenly when the message center's does not.
//!
//! Timers count on a time of their own that never runs backward and does not stand still either:
//! when the time that the owner tells goes back by an hour, a retry due in five minutes stays due
//! in five minutes. When it leaps ahead, timers come early, which does no harm. Expiry is a matter
//! of the message center's time: whoever is woken asks it again.
//!
//! Never here: a clock. The caller brings the message center's time.

use wire::terms::time::CenterMs;

/// A time of the timers: milliseconds that never go back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct TimerMs(pub(super) u64);

/// The timers' own time, made of the message center's times as they are told.
#[derive(Clone, Copy, Debug)]
pub struct SteadyTime {
    center: CenterMs,
    /// What the message center's time has lost by going back, in all.
    ahead_ms: u64,
}

impl SteadyTime {
    /// Begins at a time of the message center's.
    pub fn new(center: CenterMs) -> Self {
        Self { center, ahead_ms: 0 }
    }

    /// Is told the time; gives the timers' time of this moment.
    pub(super) fn see(&mut self, center: CenterMs) -> TimerMs {
        self.ahead_ms += self.center.since(center);
        self.center = center;
        self.timer_of(center)
    }

    /// Whether the time was ever told to go back.
    pub fn was_set_back(&self) -> bool {
        self.ahead_ms > 0
    }

    /// The time that was told last.
    pub fn center(&self) -> CenterMs {
        self.center
    }

    /// The timers' time of this moment.
    pub(super) fn now(&self) -> TimerMs {
        self.timer_of(self.center)
    }

    /// The timers' time at one of the message center's, if that does not go back before.
    pub(super) fn timer_of(&self, center: CenterMs) -> TimerMs {
        TimerMs(center.saturating_add(self.ahead_ms).ms())
    }

    /// The message center's time at one of the timers', if it does not go back before.
    pub(super) fn center_of(&self, timer: TimerMs) -> CenterMs {
        CenterMs::new(timer.0).saturating_sub(self.ahead_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> CenterMs {
        CenterMs::new(ms)
    }

    #[test]
    fn a_time_that_goes_back_neither_stops_nor_turns_the_timers() {
        let mut time = SteadyTime::new(at(10_000));
        assert_eq!(time.see(at(12_000)), TimerMs(12_000));
        assert_eq!(time.see(at(2_000)), TimerMs(12_000), "the step itself takes no time");
        assert_eq!(time.see(at(2_500)), TimerMs(12_500));
        assert_eq!(time.center_of(TimerMs(13_000)), at(3_000));
        assert_eq!(time.timer_of(at(3_000)), TimerMs(13_000));
    }

    #[test]
    fn a_time_that_leaps_ahead_carries_the_timers_along() {
        let mut time = SteadyTime::new(at(0));
        assert_eq!(time.see(at(3_600_000)), TimerMs(3_600_000));
        assert_eq!(time.see(at(0)), TimerMs(3_600_000));
        assert_eq!(time.see(at(3_600_000)), TimerMs(7_200_000));
    }
}
