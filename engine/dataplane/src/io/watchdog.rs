//! The watchdog: an ordinary thread that looks whether each shard makes turns.
//!
//! It counts each look that finds a shard without a turn, and wakes the shard. Where that does not
//! help for ten seconds it ends the process: every push answered 0000 is in the journal, and a
//! start mends what a standing shard cannot. It never ends the process for want of a CPU. A shard
//! that would run but is given no CPU is as well as the machine lets it be, and a start would get
//! no CPU either.

use crate::io::mailbox::ThreadPort;
use host::clock;
use host::fatal::{Fatal, FatalReason};
use host::threads::ThreadMoment;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A shard without a turn for so long stands still.
const STALL: Duration = Duration::from_millis(100);
/// A look of the watchdog that comes so late tells nothing of the shards: the machine stood still.
const LATE_LOOK_NS: u64 = 2 * STALL.as_nanos() as u64;
/// Looks at a standing shard after which the process ends.
const STALLED_LOOKS_MAX: u32 = 100;
/// Looks in a row at a shard that lacks a CPU after which the log says so, once each time.
const STARVED_LOOKS_TOLD: u32 = 10;

/// What the watchdog knows of one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Seen {
    turns: u64,
    /// Looks that found it standing since its last turn.
    stalled: u32,
    /// Those that found it without a CPU.
    starved: u32,
    moment: Option<ThreadMoment>,
}

/// What a look is followed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Alarm {
    /// It makes turns, or has not begun to.
    None,
    /// It stands: it is woken and counted.
    Wake,
    /// The same, and the log says that it lacks a CPU.
    TellStarved,
    /// It stands, and waking it does not help.
    End,
}

impl Seen {
    /// Looks at a shard that has made so many turns and whose thread is at `moment`, where the
    /// system says so. `is_late`: the look itself came late.
    fn look(&mut self, turns: u64, moment: Option<ThreadMoment>, is_late: bool) -> Alarm {
        if turns != self.turns || turns == 0 {
            *self = Self { turns, moment, ..Self::default() };
            return Alarm::None;
        }
        let before = std::mem::replace(&mut self.moment, moment);
        if is_late {
            return Alarm::None;
        }
        let is_starved =
            moment.zip(before).is_some_and(|(now, before)| now.lacked_a_cpu_since(before));
        if is_starved {
            self.starved += 1;
            let is_to_be_told = self.starved == STARVED_LOOKS_TOLD;
            return if is_to_be_told { Alarm::TellStarved } else { Alarm::Wake };
        }
        self.stalled += 1;
        if self.stalled >= STALLED_LOOKS_MAX { Alarm::End } else { Alarm::Wake }
    }
}

/// Watches the shards from an ordinary thread until `stop`.
pub(super) fn watch(ports: &[Arc<ThreadPort>], stop: &AtomicBool) {
    let mut seen = vec![Seen::default(); ports.len()];
    let mut looked_ns = clock::monotonic_ns();
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(STALL);
        let now_ns = clock::monotonic_ns();
        let is_late = now_ns - std::mem::replace(&mut looked_ns, now_ns) > LATE_LOOK_NS;
        for (shard, (port, seen)) in ports.iter().zip(&mut seen).enumerate() {
            let turns = port.status.turns();
            if port.status.has_ended() {
                continue;
            }
            // Procfs is read only for a shard that has made no turn.
            let is_still = turns == seen.turns;
            let moment = port.status.thread().filter(|_| is_still).and_then(ThreadMoment::of);
            act(shard, port, seen.look(turns, moment, is_late));
        }
    }
}

fn act(shard: usize, port: &ThreadPort, alarm: Alarm) {
    if alarm == Alarm::None {
        return;
    }
    port.status.note_watchdog_wake();
    port.rouse();
    let ms = STALL.as_millis();
    if alarm == Alarm::TellStarved {
        tracing::warn!(
            shard,
            "the shard has been given no CPU for {} ms: other programs, or a limit on this one, \
             take its CPU; leave it to the engine, or name another by --cpus",
            u128::from(STARVED_LOOKS_TOLD) * ms
        );
    }
    if alarm == Alarm::End {
        let seconds = u128::from(STALLED_LOOKS_MAX) * ms / 1_000;
        let cause = format!("shard {shard} made no turn for {seconds} s and could not be woken");
        Fatal::new(FatalReason::ShardStalled, cause).end_process();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(is_runnable: bool, cpu_ticks: u64) -> Option<ThreadMoment> {
        Some(ThreadMoment { is_runnable, cpu_ticks })
    }

    /// The first alarm other than a wake in so many looks at a shard without a turn.
    fn first_alarm(looks: u32, mut moment: impl FnMut(u64) -> Option<ThreadMoment>) -> Alarm {
        let mut seen = Seen::default();
        assert_eq!(seen.look(5, None, false), Alarm::None);
        let mut alarms = (0..looks).map(|look| seen.look(5, moment(look.into()), false));
        alarms.find(|&alarm| alarm != Alarm::Wake).unwrap_or(Alarm::None)
    }

    #[test]
    fn a_shard_that_stands_in_a_call_or_goes_round_a_loop_ends_the_process() {
        let until_the_end = STALLED_LOOKS_MAX;
        assert_eq!(first_alarm(until_the_end, |_| at(false, 3)), Alarm::End);
        assert_eq!(first_alarm(until_the_end, |look| at(true, look)), Alarm::End);
        assert_eq!(first_alarm(until_the_end, |_| None), Alarm::End, "where procfs is silent");
        assert_eq!(first_alarm(until_the_end - 1, |_| at(false, 3)), Alarm::None);
    }

    #[test]
    fn a_shard_that_is_given_no_cpu_is_told_of_and_never_ends_the_process() {
        assert_eq!(first_alarm(100, |_| at(true, 3)), Alarm::TellStarved);
        let mut seen = Seen::default();
        seen.look(5, None, false);
        let alarms = (0..10_000).map(|_| seen.look(5, at(true, 3), false));
        let told: Vec<Alarm> = alarms.filter(|&alarm| alarm != Alarm::Wake).collect();
        assert_eq!(told, [Alarm::TellStarved], "once, and no end");
    }

    #[test]
    fn a_turn_forgives_everything_and_a_late_look_accuses_nobody() {
        let mut seen = Seen::default();
        assert_eq!(seen.look(0, None, false), Alarm::None, "it has not begun");
        for turns in 1..5 {
            assert_eq!(seen.look(turns, None, false), Alarm::None, "it turns");
            for _ in 1..STALLED_LOOKS_MAX {
                assert_eq!(seen.look(turns, at(false, 3), false), Alarm::Wake);
                assert_eq!(seen.look(turns, at(false, 3), true), Alarm::None, "a late look");
            }
        }
    }
}
