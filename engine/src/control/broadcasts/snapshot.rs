//! Makes the figures of a broadcast: the one place, so all who show them show the same.
//!
//! The shards count by outcome as they go. The closer look counts every row; for a broadcast that
//! runs it is made while somebody looks on, and takes no more than a fiftieth of the time. So its
//! figures are those of its own moment, which it names.
//!
//! **Invariant:** the outcomes are as many as the targeted, which is checked here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, Stage};
use super::figures::{
    Breakdown, Mark, PaceFigures, PartFigures, RateFigures, ReachFigures, ReasonFigures, Snapshot,
    TimeLeft, is_end,
};
use super::now::Now;
use super::reach::ReachCurve;
use super::refusal::BroadcastRefusal;
use super::standing::Entry;
use super::tally::{Part, Tally};
use super::watched::state_of;
use crate::broadcast::outcomes::Outcome;
use crate::broadcast::recipients::Recipients;
use crate::control::queue::QueueDocument;
use crate::io::figures::Obstacle;
use crate::shard::{CLASSES, WaitingTally};
use wire::terms::time::{SteadyMs, WallMs};

/// Between two closer looks, so many times as long as the last took.
const REST: u64 = 50;
/// And at least so long, in milliseconds.
const REST_MS_MIN: u64 = 1_000;
/// Areas that it names, the worst first.
const AREAS_MAX: usize = 20;
/// Codes that it names, those of most rows first.
const REASONS_MAX: usize = 8;
/// Languages that it names.
const LANGUAGES_MAX: usize = 8;
/// Acts that it names, the newest.
const ACTS_MAX: usize = 4;
/// Warnings that it repeats.
const WARNINGS_MAX: usize = 3;
/// Shards whose rate it names.
const SHARDS_MAX: usize = 16;
/// Percent of the recipients whose time is told.
const MARKS: [u64; 5] = [50, 85, 90, 95, 99];
/// The state of what waits for its turn.
const QUEUED: &str = "queued";
/// Percent of the recipients whose foretold time is shown.
const GOAL: &str = "85";
/// A rate is held back by the pace from so many percent of it on.
const AT_PACE_PERCENT: u64 = 85;

/// The state of a broadcast in one word.
pub(super) fn state_word(entry: &Entry) -> &str {
    let document = &entry.document;
    match document.stage {
        Stage::Draft => "draft",
        Stage::Checked => "checked",
        Stage::Approved => "approved",
        Stage::Scheduled => "scheduled",
        // Nobody can say how far it is.
        Stage::Started if entry.figures.is_empty() && entry.untold.is_some() => "untold",
        Stage::Started => state_of(&entry.figures),
        Stage::Ended => document.ended.as_ref().map_or("ended", |end| end.life.as_str()),
    }
}

/// The curve of a broadcast: as it was watched, or as it was kept.
pub(super) fn reach_of(entry: &Entry) -> ReachCurve {
    match &entry.document.ended {
        Some(end) => end.reach.clone(),
        None => entry.watched.reach.clone(),
    }
}

fn marks(reach: &ReachCurve, of: u64, is_over: bool) -> Vec<Mark> {
    let mark = |share: String, after_ms: Option<u64>| Mark {
        share,
        after_ms,
        running_ms: after_ms.map(|at_ms| reach.running_ms(at_ms)),
    };
    let shares = MARKS
        .into_iter()
        .map(|percent| mark(percent.to_string(), reach.first_at((of * percent).div_ceil(100))));
    let reached = reach.points().last().map_or(0, |(_, reached)| *reached);
    let last = reach.first_at(reached).filter(|_| is_over);
    shares.chain([mark("last".to_owned(), last)]).collect()
}

/// What waits for its turn in all shards, by class.
fn lanes_of(tallies: &[WaitingTally]) -> BTreeMap<String, u64> {
    let tallies: Vec<(usize, WaitingTally)> = tallies.iter().cloned().enumerate().collect();
    let queue = QueueDocument::of(&tallies);
    let queued = queue.total.rows.iter().filter(|row| row.state == QUEUED);
    let mut lanes = BTreeMap::new();
    for row in queued {
        for (class, pushes) in CLASSES.iter().zip(row.by_class) {
            *lanes.entry(class.word().to_owned()).or_default() += pushes;
        }
    }
    lanes
}

/// When its dry run foretold [`GOAL`] percent, in milliseconds since the start.
fn goal_of(document: &BroadcastDocument) -> Option<u64> {
    let forecast = document.check.as_ref()?.forecast.as_ref()?;
    forecast.seconds.get(GOAL).map(|seconds| seconds * 1_000)
}

/// What a row's code means, those of broadcasts alone too; empty where nobody knows it.
pub fn meaning_of(code: u16) -> &'static str {
    match code {
        7001 => "no text in its language",
        7002 => "on a list of those who want none",
        7003 => "had this text already",
        7004 => "may have arrived, and nobody said so; not sent again",
        7005 => "the other broadcast came to another end with it",
        code => wire::terms::code::Code::from_number(code).map_or("", |code| code.meaning()),
    }
}

pub(super) fn reason(outcome: Outcome, code: u16, rows: u64) -> ReasonFigures {
    let meaning = match (outcome, code) {
        (Outcome::Cancelled, 0) => "withdrawn before its turn",
        (Outcome::Expired, 0 | 6001) => "its time was over",
        (_, 0) => "no code",
        (_, code) => meaning_of(code),
    };
    let (outcome, code) = (outcome.word().to_owned(), format!("{code:04}"));
    ReasonFigures { outcome, code, meaning: meaning.to_owned(), rows }
}

/// The parts, the one with the smallest share delivered first.
fn worst_first(parts: &BTreeMap<String, Part>, most: usize) -> Vec<PartFigures> {
    let mut found: Vec<(&String, &Part)> = parts.iter().collect();
    let share =
        |part: &Part| u128::from(part.delivered) * 1_000_000 / u128::from(part.targeted.max(1));
    found.sort_by_key(|(_, part)| (share(part), std::cmp::Reverse(part.targeted)));
    let figures = found.into_iter().take(most).map(|(name, part)| PartFigures {
        name: name.clone(),
        targeted: part.targeted,
        delivered: part.delivered,
        open: part.open,
        lost: part.lost(),
    });
    figures.collect()
}

fn breakdown(tally: &Tally, targeted: u64, areas_max: usize) -> Breakdown {
    let some = |wanted: fn(Outcome) -> bool| {
        let reasons = tally.reasons.iter().filter(|((outcome, _), _)| wanted(*outcome));
        let mut found: Vec<ReasonFigures> =
            reasons.map(|((outcome, code), rows)| reason(*outcome, *code, *rows)).collect();
        found.sort_by_key(|figures| std::cmp::Reverse(figures.rows));
        found.truncate(REASONS_MAX);
        found
    };
    Breakdown {
        at_ms: tally.at_ms,
        adds_up: tally.rows() == targeted,
        held: some(|outcome| outcome == Outcome::Held),
        failures: some(|outcome| outcome.is_final() && outcome != Outcome::Delivered),
        areas: worst_first(&tally.areas, areas_max),
        areas_in_all: tally.areas.len(),
        languages: worst_first(&tally.languages, LANGUAGES_MAX),
        segments: tally.segments,
    }
}

/// What may hold a broadcast back.
struct Bounds {
    /// Rows a second that are asked for, and those that go.
    paced: (u32, u64),
    /// The same of all broadcasts that share what their registration may send.
    registered: (u32, u64),
    /// Areas, or carriers, have paces of their own.
    by_part: bool,
    /// Rows of waves that have not begun.
    unopened: u64,
    /// Nothing moves.
    stands_still: bool,
    /// The device has no room.
    has_no_room: bool,
}

/// Whether as much goes as may, or nearly.
fn is_reached((bound, now): (u32, u64)) -> bool {
    bound > 0 && now * 100 >= u64::from(bound) * AT_PACE_PERCENT
}

/// What holds a broadcast back, in one word.
fn limit(state: &str, counts: &BTreeMap<String, u64>, bounds: &Bounds) -> &'static str {
    let of = |outcome: Outcome| counts.get(outcome.word()).copied().unwrap_or_default();
    let Bounds { paced, registered, by_part, unopened, stands_still, has_no_room } = *bounds;
    let is_all_sent = of(Outcome::Waiting) + of(Outcome::InFlight) + of(Outcome::Held) == 0;
    let waits_for_wave = unopened > 0 && of(Outcome::Waiting) == unopened;
    match state {
        "paused" => "pause",
        "holding" => "hold",
        "running" | "closing" if has_no_room => "storage",
        "running" if waits_for_wave && of(Outcome::InFlight) == 0 => "wave",
        "running" if of(Outcome::Waiting) == 0 && of(Outcome::Held) > 0 => "retries",
        "running" | "closing" if is_all_sent && of(Outcome::HandedOver) > 0 => "receipts",
        "running" if of(Outcome::Waiting) > 0 && stands_still => "stall",
        "running" if is_reached(paced) => "pace",
        "running" if of(Outcome::Waiting) > unopened && is_reached(registered) => "registration",
        // What waits has not been let out by its area's pace, or its carrier's.
        "running" if by_part && of(Outcome::Waiting) > unopened => "pace",
        "running" if of(Outcome::Waiting) + of(Outcome::InFlight) > 0 => "network",
        _ => "nothing",
    }
}

impl Entry {
    fn time_left(&self, counts: &BTreeMap<String, u64>, state: &str) -> Option<TimeLeft> {
        let of = |outcome: Outcome| counts.get(outcome.word()).copied().unwrap_or_default();
        let rows = of(Outcome::Waiting) + of(Outcome::InFlight);
        let speed = self.watched.speed();
        if state != "running" || speed.now == 0 {
            return None;
        }
        let at = |rate: u64| rows.div_ceil(rate.max(1));
        let most = (speed.least > 0).then(|| at(speed.least));
        Some(TimeLeft { seconds: at(speed.now), least: at(speed.most), most })
    }

    fn rate(&self, reach: &ReachCurve, reached: u64) -> RateFigures {
        let speed = self.watched.speed();
        let end_ms = reach.points().last().map_or(0, |(at_ms, _)| *at_ms);
        let last_ms = reach.first_at(reached).filter(|_| self.document.ended.is_some());
        let ran_ms = reach.running_ms(last_ms.unwrap_or(end_ms));
        let mean = (reached * 1_000).checked_div(ran_ms).unwrap_or_default();
        if self.document.stage != Stage::Started {
            return RateFigures { mean, ..RateFigures::default() };
        }
        let mut shards = speed.shards;
        shards.truncate(SHARDS_MAX);
        RateFigures { now: speed.now, mean, shards }
    }

    /// Whether areas, or carriers that have some of it, have paces of their own.
    fn is_paced_by_part(&self) -> bool {
        let pace = self.document.pace_now();
        let foreseen = self.document.check.as_ref().and_then(|check| check.foreseen.as_ref());
        let has_carriers = foreseen.is_some_and(|foreseen| !foreseen.carriers.is_empty());
        pace.per_area > 0 || pace.per_carrier > 0 && has_carriers
    }

    /// The figures of this moment. `registered`: what its registration lets all its broadcasts send
    /// in a second, and what goes of them.
    fn snapshot(
        &self,
        (has_no_room, registered): (bool, (u32, u64)),
        areas_max: usize,
        now: Now,
    ) -> Snapshot {
        let document = &self.document;
        let state = state_word(self).to_owned();
        let check = document.check.as_ref();
        let targeted = check.map_or(0, |check| check.addressed.targeted);
        let counts = self.counts();
        let (reach, is_over) = (reach_of(self), is_end(&state));
        let of = |outcome: Outcome| counts.get(outcome.word()).copied().unwrap_or_default();
        let unreachable = of(Outcome::Refused) + of(Outcome::Skipped);
        let rate = self.rate(&reach, of(Outcome::Delivered));
        let pace = document.pace_now();
        let bounds = Bounds {
            paced: (pace.per_second, rate.now),
            registered,
            by_part: self.is_paced_by_part(),
            unopened: self.rows_unopened(),
            stands_still: self.watched.stands_still(now.steady),
            has_no_room,
        };
        let tally = self.watched.tally.as_deref();
        Snapshot {
            broadcast: document.broadcast.clone(),
            at_ms: now.wall_ms,
            since_ms: since_ms(document).or_else(|| self.watched.since_ms()),
            started_ms: document.started.as_ref().map(|start| start.at_ms),
            deadline_ms: document.deadline_now(),
            class: document.manifest.class.clone(),
            digest: check.map(|check| check.digest.clone()),
            targeted,
            adds_up: document.started.is_none() || counts.values().sum::<u64>() == targeted,
            pace: PaceFigures {
                per_second: pace.per_second,
                weight: pace.weight,
                waves: document.waves_open(),
                limited_by: limit(&state, &counts, &bounds).to_owned(),
            },
            lanes: BTreeMap::new(),
            retries_per_second: self.watched.retries_per_second,
            goal_ms: goal_of(document),
            left: self.time_left(&counts, &state),
            reach: ReachFigures {
                curve: reach.points().to_vec(),
                of_targeted: marks(&reach, targeted, is_over),
                of_reachable: marks(&reach, targeted.saturating_sub(unreachable), is_over),
                paused_ms: reach.paused_ms(),
            },
            rate,
            breakdown: tally
                .map(|tally| breakdown(tally, targeted - document.forgotten, areas_max)),
            doubts: self.doubts(),
            warnings: few_reached(document).chain(some_warnings(document)).collect(),
            stopped_by: self.stopped_by(),
            acts: Vec::new(),
            state,
            counts,
        }
    }
}

fn some_warnings(document: &BroadcastDocument) -> impl Iterator<Item = String> + '_ {
    let all = document.check.iter().flat_map(|check| &check.warnings);
    all.take(WARNINGS_MAX).cloned()
}

/// What ended of which few have the text is not simply finished.
fn few_reached(document: &BroadcastDocument) -> impl Iterator<Item = String> + use<> {
    let targeted = document.check.as_ref().map_or(0, |check| check.addressed.targeted);
    let delivered = document
        .ended
        .as_ref()
        .filter(|end| end.life == "finished")
        .map(|end| end.outcomes.get(Outcome::Delivered.word()).copied().unwrap_or_default());
    let few = delivered.filter(|delivered| delivered * 2 < targeted);
    few.map(|delivered| {
        format!("{delivered} of {targeted} recipients have the text: fewer than half")
    })
    .into_iter()
}

fn since_ms(document: &BroadcastDocument) -> Option<WallMs> {
    match document.stage {
        Stage::Ended => document.ended.as_ref().map(|end| end.at_ms),
        Stage::Approved => document.approvals.last().map(|approval| approval.at_ms),
        Stage::Checked => document.check.as_ref().map(|check| check.at_ms),
        Stage::Draft | Stage::Scheduled | Stage::Started => None,
    }
}

/// How often a closer look is made anew where phones are forgotten meanwhile.
const LOOKS_AGAIN_MAX: usize = 3;

/// A closer look that has begun.
pub(super) struct CloserLook {
    begun: Now,
    /// The broadcast was over then, so no other look is wanted.
    is_over: bool,
    /// So many phones had been forgotten of it.
    forgotten: u64,
}

impl BroadcastDesk {
    /// The newest closer look; another one where its time has come.
    fn tally(&self, broadcast: &str) -> Result<Option<Arc<Tally>>, BroadcastRefusal> {
        for _ in 0..LOOKS_AGAIN_MAX {
            let Some(look) = self.begin_look(broadcast)? else { break };
            let found = self.words(broadcast);
            let of_words = |(recipients, words): (Arc<Recipients>, Vec<u32>)| {
                Tally::of(&recipients, &words, look.begun.wall_ms)
            };
            if let Some(tally) = self.end_look(broadcast, &look, found.map(of_words))? {
                return Ok(Some(tally));
            }
        }
        Ok(self.standing().entry(broadcast)?.watched.tally.clone())
    }

    /// Begins a closer look; `None`: the newest is new enough.
    pub(super) fn begin_look(
        &self,
        broadcast: &str,
    ) -> Result<Option<CloserLook>, BroadcastRefusal> {
        let begun = Now::read();
        let mut standing = self.standing();
        let entry = standing.entry(broadcast)?;
        let is_over = entry.document.stage == Stage::Ended;
        let is_last = entry.watched.is_last_look;
        let rests = entry.watched.tally.is_some() && begun.steady < entry.watched.next_look;
        let is_gone = entry.document.rows_are_gone || entry.document.started.is_none();
        if is_gone || is_last || !is_over && rests {
            return Ok(None);
        }
        // Whoever else asks meanwhile gets the one before.
        entry.watched.next_look = SteadyMs::NEVER;
        Ok(Some(CloserLook { begun, is_over, forgotten: entry.document.forgotten }))
    }

    /// Keeps what a closer look has found; `None` where a phone was forgotten meanwhile, which may
    /// be in it.
    pub(super) fn end_look(
        &self,
        broadcast: &str,
        look: &CloserLook,
        found: Result<Tally, BroadcastRefusal>,
    ) -> Result<Option<Arc<Tally>>, BroadcastRefusal> {
        let took_ms = Now::read().steady.since(look.begun.steady);
        let mut standing = self.standing();
        let entry = standing.entry(broadcast)?;
        entry.watched.next_look = look.begun.steady + (took_ms * REST).max(REST_MS_MIN);
        if entry.document.forgotten != look.forgotten {
            return Ok(None);
        }
        let tally = Arc::new(found?);
        entry.watched.is_last_look = look.is_over;
        if entry.watched.is_resumed {
            entry.watched.reach.replace(tally.reach());
        }
        entry.watched.note_tally(Arc::clone(&tally));
        Ok(Some(tally))
    }

    /// What its registration lets all its broadcasts send in a second, 0 for no bound, and what
    /// goes of those that are live.
    fn registered_rate(&self, broadcast: &str) -> Result<(u32, u64), BroadcastRefusal> {
        let manifest = self.standing().entry(broadcast)?.document.manifest.clone();
        let rate = self.rate_of(&manifest);
        let standing = self.standing();
        let others = standing.broadcasts.values();
        let live = others.filter(|entry| entry.document.stage == Stage::Started);
        let of_xpid = live.filter(|entry| entry.document.manifest.xpid == manifest.xpid);
        Ok((rate, of_xpid.map(|entry| entry.watched.speed().now).sum()))
    }

    /// The figures of a broadcast at this moment; all of its areas, if that is asked for.
    pub(super) fn snapshot(
        &self,
        broadcast: &str,
        with_all_areas: bool,
    ) -> Result<Snapshot, BroadcastRefusal> {
        let answered = self.refresh_if_answered();
        let is_live = self.standing().entry(broadcast)?.document.stage == Stage::Started;
        // What a shard does not say, nobody waits for twice.
        let looked = if answered || !is_live { self.tally(broadcast) } else { Ok(None) };
        let is_known = {
            let mut standing = self.standing();
            let entry = standing.entry(broadcast)?;
            entry.untold.is_none() && entry.document.stage != Stage::Ended
        };
        // A shard that has not heard of it yet keeps nobody from seeing that, nor do damaged files
        // from seeing how it ended.
        if is_known {
            looked?;
        }
        let has_no_room = self.engine.obstacles().iter().any(|obstacle| {
            matches!(obstacle, Obstacle::StorageFull | Obstacle::Overload | Obstacle::DataLost)
        });
        let lanes = lanes_of(&self.engine.waiting());
        let acts = self.acts.newest(&self.names_of(broadcast)?, ACTS_MAX);
        let acts = acts.unwrap_or_else(|error| {
            tracing::warn!(broadcast, %error, "the acts are not shown: the audit cannot be read");
            Vec::new()
        });
        let areas_max = if with_all_areas { usize::MAX } else { AREAS_MAX };
        let registered = self.registered_rate(broadcast)?;
        let mut standing = self.standing();
        let entry = standing.entry(broadcast)?;
        let found = entry.snapshot((has_no_room, registered), areas_max, Now::read());
        let stopped_by = found.stopped_by.clone().or_else(|| {
            let sentence = "a shard does not answer: what is shown is what was known before";
            (is_live && !answered).then(|| sentence.to_owned())
        });
        Ok(Snapshot { acts, lanes, stopped_by, ..found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registration_or_a_carriers_pace_holds_back_is_not_laid_to_the_network() {
        let counts = [("waiting".to_owned(), 10), ("in_flight".to_owned(), 1)].into();
        let of = |paced, registered, by_part| {
            let (unopened, stands_still, has_no_room) = (0, false, false);
            let bounds = Bounds { paced, registered, by_part, unopened, stands_still, has_no_room };
            limit("running", &counts, &bounds)
        };
        assert_eq!(of((0, 90), (0, 90), false), "network");
        assert_eq!(of((0, 90), (100, 90), false), "registration");
        assert_eq!(of((0, 40), (100, 90), false), "registration", "beside others of its XPID");
        assert_eq!(of((0, 10), (100, 10), false), "network", "it might send more");
        assert_eq!(of((100, 90), (1_000, 90), false), "pace");
        assert_eq!(of((0, 90), (0, 90), true), "pace");
    }
}
