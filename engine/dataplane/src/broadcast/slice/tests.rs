//! The machine against a model: random turns, syncs, orders and crashes, two broadcasts of one
//! chain, and a ledger of what phones received. Each deliberate fault has to be noticed.
//!
//! `HAYAUMA_BROADCASTS=100000` is the heavy run.

use std::collections::BTreeSet;

use super::*;
use crate::broadcast::claims::RunSlice;

const HISTORIES: u64 = 400;
const ROWS: u32 = 60;

/// SplitMix64.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

enum Entry {
    Of(usize, SliceRecord),
    /// A checkpoint's file is whole and has its name.
    Named(usize, u64),
}

/// One broadcast and what the world knows of it.
struct Side {
    plan: Plan,
    slice: Slice,
    files: Vec<Checkpoint>,
    /// How often each row's phone received the text.
    received: Vec<u32>,
    began: BTreeSet<u32>,
    in_flight: BTreeSet<u32>,
    /// Rows that a carrier has brought to their phones: it does so once, however often it says so.
    brought: BTreeSet<u32>,
    /// Rows that a crash left in doubt.
    doubted: BTreeSet<u32>,
    /// Rows of claims that are durable.
    claimed: BTreeSet<u32>,
    /// An order, and the sequence that answers it.
    stop: Option<u64>,
    pause: Option<u64>,
    start: Option<u64>,
    /// The second wave has its turns.
    wave: Option<u64>,
}

struct World {
    random: Seeded,
    journal: Vec<Entry>,
    durable: usize,
    sides: [Side; 2],
    now: u32,
}

type Verdict = Result<(), String>;

impl World {
    fn new(seed: u64, mutation: RowMutation) -> Self {
        let mut random = Seeded(seed);
        let side = |alertseq: u8, random: &mut Seeded| {
            let cut = random.below(u64::from(ROWS)) as u32;
            let runs = vec![
                RunSlice { first: 0, rows: cut, wave: 0 },
                RunSlice { first: cut, rows: ROWS - cut, wave: random.below(2) as u8 },
            ];
            let on_doubt = if random.chance(3) { OnDoubt::Leave } else { OnDoubt::Again };
            let plan = Plan { runs, alertseq, on_doubt, mutation };
            Side {
                slice: Slice::new(plan.clone()),
                plan,
                files: Vec::new(),
                received: vec![0; ROWS as usize],
                began: BTreeSet::new(),
                in_flight: BTreeSet::new(),
                brought: BTreeSet::new(),
                doubted: BTreeSet::new(),
                claimed: BTreeSet::new(),
                stop: None,
                pause: None,
                start: None,
                wave: None,
            }
        };
        let sides = [side(3, &mut random), side(4, &mut random)];
        Self { random, journal: Vec::new(), durable: 0, sides, now: 0 }
    }

    fn run(mut self) -> Verdict {
        self.order(0, Order::Start);
        for _ in 0..self.random.below(250) {
            self.step()?;
            self.check()?;
        }
        self.finish()
    }

    fn step(&mut self) -> Verdict {
        let at = self.random.below(2) as usize;
        self.now += 1;
        let seconds = self.now;
        match self.random.below(16) {
            0..=2 => self.sides[at].slice.claim(1 + self.journal.len() as u32 % 40),
            3..=4 => self.append(),
            5 => self.turn(),
            6..=7 => self.sync(),
            8..=10 => return self.attempt(at, seconds),
            11..=12 => self.end_one(at, seconds),
            13 => return self.retry_one(at, seconds),
            14 => self.some_order(at),
            _ if self.random.chance(4) => return self.crash(),
            _ if self.random.chance(4) => return self.stop(),
            _ => self.checkpoint(at),
        }
        Ok(())
    }

    fn some_order(&mut self, at: usize) {
        match self.random.below(12) {
            0 if self.random.chance(3) => self.order(at, Order::Wave { open: 2 }),
            0 if self.sides[1].start.is_none() => {
                // The older one hears of the newer before that begins.
                self.order(0, Order::Chain { alertseq: 4 });
                self.order(1, Order::Start);
                self.order(1, Order::Chain { alertseq: 3 });
            }
            1 => self.order(at, Order::End(End::Cancelled)),
            2 => self.order(at, Order::End(End::Expired)),
            3..=6 => self.order(at, Order::Pause),
            _ => self.order(at, Order::Resume),
        }
    }

    fn order(&mut self, at: usize, order: Order) {
        let side = &mut self.sides[at];
        let before = side.slice.life();
        side.slice.order(order);
        self.append();
        let answered = self.journal.len() as u64;
        let side = &mut self.sides[at];
        match order {
            Order::Start if before == Life::Holding => side.start = Some(answered),
            Order::Pause if before == Life::Running => side.pause = Some(answered),
            Order::Resume => side.pause = None,
            Order::Wave { .. } => {
                side.wave.get_or_insert(answered);
            }
            Order::End(_) if side.stop.is_none() && !before.is_over() => side.stop = Some(answered),
            _ => {}
        }
    }

    /// As a shard's turn: what is paused rests when nothing of it is under way any more.
    fn turn(&mut self) {
        for side in &mut self.sides {
            match side.slice.life() {
                Life::Paused if !side.slice.is_under_way() => side.slice.rest(),
                _ => side.slice.end_rest(),
            }
        }
        self.append();
    }

    fn append(&mut self) {
        for at in 0..2 {
            while let Some(record) = self.sides[at].slice.poll_record() {
                self.journal.push(Entry::Of(at, record));
                self.sides[at].slice.appended(self.journal.len() as u64);
            }
        }
    }

    /// Makes some of what is appended durable.
    fn sync(&mut self) {
        let more = (self.journal.len() - self.durable) as u64;
        self.durable += self.random.below(more + 1) as usize;
        self.tell_durable();
    }

    fn tell_durable(&mut self) {
        for at in 0..2 {
            self.sides[at].claimed.clear();
            self.sides[at].slice.durable(self.durable as u64);
        }
        for entry in &self.journal[..self.durable] {
            if let Entry::Of(at, SliceRecord::Claimed(pieces)) = entry {
                self.sides[*at].claimed.extend(pieces.iter().flat_map(|piece| piece.numbers()));
            }
        }
    }

    /// Whether the phone is free: one attempt at a time.
    fn is_free(&self, row: u32) -> bool {
        self.sides.iter().all(|side| !side.in_flight.contains(&row))
    }

    fn attempt(&mut self, at: usize, seconds: u32) -> Verdict {
        // The queue of a phone puts a row off; here it waits for the other to end.
        let other = 1 - at;
        while let Some(row) = self.sides[other].in_flight.first().copied() {
            self.end_row(other, row, seconds);
        }
        let slice = &mut self.sides[at].slice;
        slice.look_again(self.random.below(4) as usize);
        while let Some(row) = slice.take_ready(seconds) {
            // Some wait for what becomes of another broadcast's.
            if row.is_multiple_of(5) && slice.mark(row) & RECALLED == 0 && self.random.chance(2) {
                slice.defer(row);
            } else if slice.is_deferred(row) {
                slice.recall(row);
            } else if slice.begin(row, seconds) == Turn::Attempt {
                return self.begin(at, row);
            }
        }
        Ok(())
    }

    fn begin(&mut self, at: usize, row: u32) -> Verdict {
        let durable = self.durable as u64;
        let is_free = self.is_free(row);
        let newer_received = at == 0 && self.sides[1].received[row as usize] > 0;
        let newer_began = at == 0 && self.sides[1].start.is_some_and(|start| start <= durable);
        let side = &mut self.sides[at];
        let is_of = |run: &RunSlice| run.first <= row && row < run.first + run.rows;
        let run = side.plan.runs.iter().find(|run| is_of(run));
        let early_wave = side.wave.is_none() && run.is_some_and(|run| run.wave > 0);
        let is_first = side.began.insert(row);
        let is_answered = |order: Option<u64>| order.is_some_and(|sequence| sequence <= durable);
        side.in_flight.insert(row);
        let wrong = [
            (!side.claimed.contains(&row), "it was attempted before its claim was durable"),
            (is_first && is_answered(side.stop), "it began after the stop was answered"),
            (is_answered(side.pause), "it was attempted after the pause was answered"),
            (!is_free, "two attempts at one phone"),
            (early_wave, "its wave had no turn yet"),
            (newer_received, "the older text came after the newer"),
            (newer_began, "the older one goes on though the newer has begun"),
        ];
        match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, what)) => Err(format!("row {row} of {at}: {what}")),
            None => Ok(()),
        }
    }

    fn end_one(&mut self, at: usize, seconds: u32) {
        let side = &self.sides[at];
        let count = side.in_flight.len() as u64;
        if count > 0 {
            let nth = self.random.below(count) as usize;
            let row = side.in_flight.iter().nth(nth).copied();
            row.into_iter().for_each(|row| self.end_row(at, row, seconds));
        }
        let handed: Vec<u32> = self.rows_that_are(at, Outcome::HandedOver);
        if let Some(row) = handed.first().filter(|_| self.random.chance(2)) {
            let given_back = self.random.chance(3) && !self.sides[at].brought.contains(row);
            let (outcome, seconds) = match given_back {
                true => (Outcome::Held, seconds + 20),
                false => (Outcome::Delivered, seconds),
            };
            let arrived = u8::from(!given_back);
            if !given_back && self.sides[at].brought.insert(*row) {
                self.sides[at].received[*row as usize] += 1;
            }
            self.sides[at].slice.ended(*row, outcome, arrived, seconds);
        }
    }

    fn end_row(&mut self, at: usize, row: u32, seconds: u32) {
        let outcome = match self.random.below(10) {
            0..=5 => Outcome::Delivered,
            6..=7 => Outcome::Held,
            8 => Outcome::HandedOver,
            _ => Outcome::Failed,
        };
        let side = &mut self.sides[at];
        side.in_flight.remove(&row);
        side.received[row as usize] += u32::from(outcome == Outcome::Delivered);
        side.brought.remove(&row);
        let seconds =
            seconds + if outcome == Outcome::Held { self.random.below(40) as u32 } else { 0 };
        side.slice.ended(row, outcome, u8::from(outcome == Outcome::Delivered), seconds);
    }

    fn rows_that_are(&self, at: usize, outcome: Outcome) -> Vec<u32> {
        (0..ROWS).filter(|row| self.sides[at].slice.word(*row).outcome == outcome).collect()
    }

    fn retry_one(&mut self, at: usize, seconds: u32) -> Verdict {
        let held = self.rows_that_are(at, Outcome::Held);
        let free: Vec<u32> = held.into_iter().filter(|row| self.is_free(*row)).collect();
        if free.is_empty() {
            return Ok(());
        }
        let row = free[self.random.below(free.len() as u64) as usize];
        if self.random.chance(3) {
            self.sides[at].slice.release(row, seconds);
        }
        match self.sides[at].slice.retry(row, seconds) {
            Turn::Attempt => self.begin(at, row),
            Turn::NotNow | Turn::Ended => Ok(()),
        }
    }

    /// Writes a checkpoint into the older of two files; its name is a record of its own.
    fn checkpoint(&mut self, at: usize) {
        self.append();
        let sequence = self.journal.len() as u64;
        let checkpoint = self.sides[at].slice.checkpoint(sequence);
        let is_ready = self.durable as u64 >= sequence
            || self.sides[at].plan.mutation == RowMutation::CheckpointTooNew;
        if !is_ready && self.random.chance(2) {
            // It may still be lost with all that it stands on.
            self.durable = self.journal.len();
            self.tell_durable();
        }
        let files = &mut self.sides[at].files;
        if files.len() == 2 {
            files.remove(0);
        }
        files.push(checkpoint);
        self.journal.push(Entry::Named(at, sequence));
    }

    /// A planned stop and the start behind it: all that is in flight settles, and nothing is in
    /// doubt that was not.
    fn stop(&mut self) -> Verdict {
        for at in 0..2 {
            while let Some(row) = self.sides[at].in_flight.first().copied() {
                self.end_row(at, row, self.now);
            }
            self.sides[at].slice.rest();
        }
        self.append();
        self.durable = self.journal.len();
        self.tell_durable();
        let doubts = |sides: &[Side; 2]| sides.each_ref().map(|side| side.slice.doubts());
        let before = doubts(&self.sides);
        self.crash()?;
        if doubts(&self.sides) != before {
            return Err(format!("a planned stop left rows in doubt: {before:?} before"));
        }
        Ok(())
    }

    fn rests(&self, at: usize) -> bool {
        let last = self.journal.iter().rev().find_map(|entry| match entry {
            Entry::Of(of, record) if *of == at => Some(record),
            _ => None,
        });
        last == Some(&SliceRecord::Rests)
    }

    fn crash(&mut self) -> Verdict {
        let more = (self.journal.len() - self.durable) as u64;
        let kept = self.durable + self.random.below(more + 1) as usize;
        self.journal.truncate(kept);
        self.durable = kept;
        let named: Vec<(usize, u64)> = self
            .journal
            .iter()
            .filter_map(|entry| match entry {
                Entry::Named(at, sequence) => Some((*at, *sequence)),
                Entry::Of(..) => None,
            })
            .collect();
        for at in 0..2 {
            self.recover(at, &named)?;
        }
        self.tell_durable();
        self.check_doubts()
    }

    fn recover(&mut self, at: usize, named: &[(usize, u64)]) -> Verdict {
        let replays_all = self.random.chance(2);
        let side = &mut self.sides[at];
        let is_too_new = side.plan.mutation == RowMutation::CheckpointTooNew;
        let mut files = side.files.iter().rev();
        let checkpoint = files.find(|file| is_too_new || named.contains(&(at, file.sequence)));
        let checkpoint = checkpoint.cloned();
        let covered = checkpoint.as_ref().map_or(0, |file| file.sequence as usize);
        let behind = if replays_all { 0 } else { covered.min(self.journal.len()) };
        let records = self.journal[behind..].iter().filter_map(|entry| match entry {
            Entry::Of(of, record) if *of == at => Some(record),
            _ => None,
        });
        side.slice = Slice::recover(side.plan.clone(), checkpoint.as_ref(), records, self.now);
        side.files = checkpoint.into_iter().collect();
        // Orders that were never answered are gone with the crash, or hold all the same.
        let kept = self.journal.len() as u64;
        let is_kept = |order: &u64| *order <= kept;
        side.stop = side.stop.filter(is_kept);
        side.pause = side.pause.filter(is_kept);
        side.start = side.start.filter(is_kept);
        side.wave = side.wave.filter(is_kept);
        if side.slice.life() == Life::Running {
            side.pause = None;
        }
        Ok(())
    }

    /// What may have been sent when the engine died is in doubt, counted, and was claimed.
    fn check_doubts(&mut self) -> Verdict {
        for at in 0..2 {
            if self.rests(at) {
                if !self.sides[at].in_flight.is_empty() {
                    return Err(format!("{at}: it began before a record said so"));
                }
                continue;
            }
            let side = &mut self.sides[at];
            let in_flight = std::mem::take(&mut side.in_flight);
            for row in &in_flight {
                // Whether it arrived is anybody's guess.
                side.received[*row as usize] += self.random.below(2) as u32;
            }
            if let Some(row) = in_flight.iter().find(|row| side.slice.is_deferred(**row)) {
                return Err(format!("row {row} of {at} began before a record recalled it"));
            }
            let is_unresolved = |row: &u32| match side.slice.word(*row) {
                RowWord { outcome: Outcome::Waiting, .. } => {
                    side.claimed.contains(row) && !side.slice.is_deferred(*row)
                }
                RowWord { outcome: Outcome::Held, seconds, .. } => seconds <= self.now,
                RowWord { outcome, .. } => outcome == Outcome::InDoubt,
            };
            let unresolved: Vec<u32> = (0..ROWS).filter(is_unresolved).collect();
            if let Some(row) = unresolved.iter().find(|row| !side.claimed.contains(row)) {
                return Err(format!("row {row} of {at} is in doubt and was never claimed"));
            }
            side.doubted.extend(unresolved);
            if side.slice.doubts() < side.doubted.len() as u32 {
                return Err(format!(
                    "{at}: {} rows in doubt, {} counted",
                    side.doubted.len(),
                    side.slice.doubts()
                ));
            }
        }
        Ok(())
    }

    fn check(&self) -> Verdict {
        if self.sides[1].slice.life().end() == Some(End::Replaced) {
            return Err("the newer one is replaced, and there is none that is newer".to_owned());
        }
        for (at, side) in self.sides.iter().enumerate() {
            let counts = side.slice.counts();
            if counts.sum() != ROWS {
                return Err(format!("{at}: the outcomes are {} rows", counts.sum()));
            }
            let mut ended = BTreeSet::new();
            for entry in &self.journal[..self.durable] {
                if let Entry::Of(of, SliceRecord::Outcomes(entries)) = entry
                    && *of == at
                {
                    let delivered =
                        entries.iter().filter(|(_, word)| word.outcome == Outcome::Delivered);
                    ended.extend(delivered.map(|(row, _)| *row));
                }
            }
            if counts.of(Outcome::Delivered) > ended.len() as u32 {
                return Err(format!("{at}: figures say more than is durable"));
            }
        }
        Ok(())
    }

    /// Everybody gets what they wait for: all has to end.
    fn finish(&mut self) -> Verdict {
        for _ in 0..10_000 {
            self.now += 1;
            let round = self.now;
            if self.sides.iter().all(|side| side.slice.life().is_over() || side.start.is_none()) {
                return self.check_end();
            }
            for at in 0..2 {
                let life = self.sides[at].slice.life();
                if life == Life::Holding && self.sides[at].start.is_some() {
                    self.order(at, Order::Start);
                }
                if life == Life::Paused {
                    self.order(at, Order::Resume);
                }
                self.order(at, Order::Wave { open: 2 });
                self.sides[at].slice.claim(64);
                self.append();
                self.durable = self.journal.len();
                self.tell_durable();
                self.check()?;
                self.attempt(at, round)?;
                self.retry_one(at, round)?;
                self.end_one(at, round);
            }
        }
        let lives: Vec<_> =
            self.sides.iter().map(|side| (side.slice.life(), *side.slice.counts())).collect();
        Err(format!("it never ends: {lives:?}"))
    }

    fn check_end(&self) -> Verdict {
        for (at, side) in self.sides.iter().enumerate().filter(|(_, side)| side.start.is_some()) {
            if side.slice.counts().open() > 0 {
                return Err(format!("{at}: rows are open at the end"));
            }
            for row in 0..ROWS {
                let (outcome, received) =
                    (side.slice.word(row).outcome, side.received[row as usize]);
                let is_doubted = side.doubted.contains(&row);
                let is_right = match outcome {
                    Outcome::Delivered => received == 1 || (received > 1 && is_doubted),
                    Outcome::InDoubt => is_doubted,
                    // Whoever may have the text is told of by its outcome.
                    Outcome::Cancelled | Outcome::Replaced | Outcome::Expired => received == 0,
                    _ => received == 0 || is_doubted,
                };
                if !is_right {
                    return Err(format!(
                        "row {row} of {at}: {outcome:?}, received {received} times"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn histories() -> u64 {
    std::env::var("HAYAUMA_BROADCASTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(HISTORIES)
}

#[test]
fn whatever_happens_no_row_is_lost_and_none_is_sent_twice_but_in_doubt() {
    for seed in 0..histories() {
        if let Err(what) = World::new(seed, RowMutation::None).run() {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn every_deliberate_fault_is_noticed() {
    for mutation in [
        RowMutation::ClaimNotAwaited,
        RowMutation::OutcomeBeforeDurability,
        RowMutation::CheckpointTooNew,
        RowMutation::CancelAtClaimOnly,
        RowMutation::AlertseqWrongWay,
        RowMutation::ForgetClaims,
        RowMutation::TrustClaims,
        RowMutation::RetryWhilePaused,
        RowMutation::WakingNotAwaited,
        RowMutation::ForgetMarks,
        RowMutation::RecallNotAwaited,
    ] {
        let noticed = (0..HISTORIES).find_map(|seed| World::new(seed, mutation).run().err());
        assert!(noticed.is_some(), "{mutation:?} is not noticed");
    }
}
