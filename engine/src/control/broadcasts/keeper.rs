//! Watches what runs, and keeps what became of it when it is over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::beside::Answers;
use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, EndDocument, ProgressDocument, Stage};
use super::now::Now;
use super::refusal::{BroadcastRefusal, STATE, broken, refused};
use super::shelf::{Part, octets_of_outcomes};
use super::snapshot;
use super::standing::Entry;
use super::tally::Tally;
use super::turns::Retry;
use super::watched::state_of;
use crate::broadcast::life::Life;
use crate::broadcast::outcomes::{OUTCOMES, Outcome, RowWord};
use crate::broadcast::recipients::Recipients;
use crate::control::now::wall_now;
use crate::shard::SliceFigures;
use crate::testing::kill_points::{KillPoint, kill_point};
use wire::terms::time::{SteadyMs, WallMs};

/// How often what runs is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Percent of the targeted whose time the command line tells.
const REACHED: [u64; 5] = [50, 85, 90, 95, 99];
/// Whoever looks on does not ask again so soon where a shard did not answer: who watches does.
const NOT_ASKED_MS: u64 = 3_000;
/// Words that a shard is asked for at once.
const WORDS_AT_ONCE: u32 = 1 << 16;

/// The threads that watch; dropping it ends them. What takes a broadcast back makes a dry run
/// first, and nothing else waits for that.
pub struct BroadcastKeeper {
    stop: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl BroadcastKeeper {
    /// Starts them.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(desk: &Arc<BroadcastDesk>) -> std::io::Result<Self> {
        let (stop, stopped) = bounded(0);
        let mut keeper = Self { stop: Some(stop), threads: Vec::new() };
        type Watch = fn(&Weak<BroadcastDesk>, &Receiver<()>);
        let threads: [(&str, Watch); 2] =
            [("hayauma-broadcasts", watch), ("hayauma-retractions", take_back)];
        for (name, watch) in threads {
            let (desk, stopped) = (Arc::downgrade(desk), stopped.clone());
            let thread = std::thread::Builder::new().name(name.to_owned());
            keeper.threads.push(thread.spawn(move || watch(&desk, &stopped))?);
        }
        Ok(keeper)
    }
}

impl Drop for BroadcastKeeper {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            // A panic in it has ended the process before this.
            let _ = thread.join();
        }
    }
}

fn watch(desk: &Weak<BroadcastDesk>, stopped: &Receiver<()>) {
    let mut told = None;
    while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let Some(desk) = desk.upgrade() else { return };
        if desk.engine.looks_on() {
            // Of a copy nothing goes on by itself.
            desk.note_troubles();
            continue;
        }
        desk.start_due(Now::read());
        desk.tell_untold(Now::read().steady);
        desk.publish_suppression_again(Now::read().steady);
        // What goes wrong in the same way for hours is said once.
        let wrong = desk.look(Now::read().steady).err().map(|refusal| refusal.sentence);
        if let Some(error) = wrong.as_ref().filter(|_| wrong != told) {
            tracing::warn!(error, "a broadcast's outcomes are not kept yet: tried again");
        }
        told = wrong;
        desk.open_due_waves(Now::read());
        desk.tell();
        desk.note_troubles();
        desk.retire(Now::read());
    }
}

fn take_back(desk: &Weak<BroadcastDesk>, stopped: &Receiver<()>) {
    while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let Some(desk) = desk.upgrade() else { return };
        if desk.engine.looks_on() {
            continue;
        }
        desk.take_back_due(Now::read());
    }
}

impl BroadcastDesk {
    /// Looks at what runs, and keeps the outcomes of what is over. One that cannot be kept is tried
    /// again later, and keeps no other from its end; what went wrong first is told.
    pub(super) fn look(&self, now: SteadyMs) -> Result<(), BroadcastRefusal> {
        let runs = |entry: &Entry| entry.document.stage == Stage::Started;
        if !self.standing().broadcasts.values().any(runs) {
            return Ok(());
        }
        self.refresh()?;
        let over: Vec<String> = {
            let standing = self.standing();
            let over = standing.broadcasts.iter().filter(|(_, entry)| {
                runs(entry)
                    && entry.figures.len() == self.engine.shards()
                    && entry.figures.iter().all(|figures| figures.life.is_over())
            });
            over.map(|(broadcast, _)| broadcast.clone()).collect()
        };
        let mut wrong = Ok(());
        for broadcast in &over {
            let mut unkept = self.standing().entry(broadcast)?.unkept;
            if unkept.is_some_and(|retry| !retry.is_due(now)) {
                continue;
            }
            let kept = self.keep(broadcast);
            // What it writes, others may need the room for: it waits longer each time.
            unkept = kept.is_err().then(|| Retry::after(unkept, now));
            self.standing().entry(broadcast)?.unkept = unkept;
            wrong = wrong.and(kept);
        }
        wrong
    }

    /// As [`Self::refresh`], for whoever only looks: a shard that does not answer keeps nobody from
    /// what is known of the others. Whether all have answered.
    pub(super) fn refresh_if_answered(&self) -> bool {
        let (now, failed) = (Now::read().steady, *self.figures_failed());
        let lately = failed.is_some_and(|at| now.since(at) < NOT_ASKED_MS);
        !lately && self.refresh().is_ok()
    }

    fn figures_failed(&self) -> MutexGuard<'_, Option<SteadyMs>> {
        self.figures_failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the shards where everything stands.
    pub(super) fn refresh(&self) -> Result<(), BroadcastRefusal> {
        let all = self.engine.broadcast_figures();
        let now = Now::read();
        *self.figures_failed() = all.is_err().then_some(now.steady);
        let all = all?;
        let mut standing = self.standing();
        for entry in standing.broadcasts.values_mut() {
            let Some(start) = &entry.document.started else { continue };
            if entry.document.stage != Stage::Started {
                continue;
            }
            let (ordinal, at_ms) = (start.ordinal, start.at_ms);
            let of_shard = |figures: &Vec<SliceFigures>| {
                figures.iter().find(|figures| figures.ordinal == ordinal).cloned()
            };
            let figures: Vec<SliceFigures> = all.iter().filter_map(of_shard).collect();
            // Some shards' figures are not those of all rows: it is being told to them.
            entry.figures = if figures.len() == all.len() { figures } else { Vec::new() };
            let state = state_of(&entry.figures);
            let age_ms = entry.ages.start.since(at_ms, now);
            entry.watched.look(&entry.figures, state, (age_ms, now));
        }
        Ok(())
    }

    /// Writes what became of every row, and has the shards forget the broadcast.
    fn keep(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let (recipients, words) = self.words(broadcast)?;
        self.keep_words(broadcast, &words)?;
        kill_point(KillPoint::RowsWritten);
        let mut codes: BTreeMap<String, u64> = BTreeMap::new();
        for word in words.iter().filter_map(|word| RowWord::from_bits(*word)) {
            *codes.entry(format!("{:04}", word.code)).or_default() += 1;
        }
        debug_assert_eq!(recipients.rows() as usize, words.len());
        let now = Answers::of(&self.engine.figures());
        let (figures, reach, answers_beside) = {
            let mut standing = self.standing();
            let entry = standing.entry(broadcast)?;
            let seen = entry.watched.reach.clone();
            // What was seen before this start of the engine is in the rows alone.
            let is_whole = !entry.watched.is_resumed;
            let reach =
                if is_whole { seen } else { Tally::of(&recipients, &words, WallMs::ZERO).reach() };
            let beside = entry.answers_before.as_ref().map(|before| now.since(before));
            (entry.figures.clone(), reach, beside)
        };
        let counted = counts_of(&words);
        let end = EndDocument {
            at_ms: wall_now(),
            life: state_of(&figures).to_owned(),
            outcomes: counted,
            codes,
            doubts: figures.iter().map(|figures| u64::from(figures.doubts)).sum(),
            reach,
            answers_beside,
        };
        // Nobody tells the shards of it from here on.
        let turns = self.turns_of(broadcast)?;
        let _turn = turns.start();
        let document = self.alter(broadcast, |document| {
            document.stage = Stage::Ended;
            document.ended = Some(end);
            Ok(())
        })?;
        self.standing().entry(broadcast)?.running = None;
        tracing::info!(broadcast, "a broadcast is over, and its outcomes are kept");
        // What a shard does not take it is told again.
        let _ = self.tell_end(&document);
        Ok(())
    }

    /// The shards hear that a broadcast is over, and that its outcomes are kept.
    pub(super) fn tell_end(&self, document: &BroadcastDocument) -> Result<(), BroadcastRefusal> {
        // Between the two a shard knows it twice, and never not at all.
        let (is_over, remembered) = self.remember(document, self.asked_for_until_ms(document));
        // A shard that did not hear the one keeps no other from the second.
        let forgotten = match &document.started {
            Some(start) => self.engine.forget_broadcast(start.ordinal, is_over),
            None => Ok(()),
        };
        let told = remembered.and_then(|()| forgotten.map_err(BroadcastRefusal::from));
        self.note_untold(&document.broadcast, told.as_ref().err().cloned());
        told
    }

    /// Writes the words of all rows, which are final, unless they are written already: into the
    /// room that the start made for them.
    fn keep_words(&self, broadcast: &str, words: &[u32]) -> Result<(), BroadcastRefusal> {
        let path = self.shelf.outcomes(broadcast);
        let before = std::fs::read(&path).ok();
        if before.as_deref().and_then(read_outcomes).is_some_and(|known| known == words) {
            return Ok(());
        }
        let mut part = Part::in_room(&self.shelf.outcomes_room(broadcast), &path)?;
        let octets = octets_of_outcomes(words);
        part.file.write_all(&octets)?;
        part.file.set_len(octets.len() as u64)?;
        part.file.sync_all()?;
        Ok(part.keep()?)
    }

    /// The recipients of a broadcast that was started, and the word of each.
    pub(super) fn words(
        &self,
        broadcast: &str,
    ) -> Result<(Arc<Recipients>, Vec<u32>), BroadcastRefusal> {
        let (document, running) = {
            let mut standing = self.standing();
            let entry = standing.entry(broadcast)?;
            (entry.document.clone(), entry.running.clone())
        };
        let (Some(check), Some(start)) = (&document.check, &document.started) else {
            return Err(refused(STATE, "the broadcast was never started"));
        };
        if document.rows_are_gone {
            let sentence = "its rows are gone, and its report is kept: `broadcast report` shows it";
            return Err(refused(STATE, sentence));
        }
        let file = File::open(self.shelf.broadcast(broadcast).join(&check.file))?;
        let recipients =
            Arc::new(Recipients::open(&file).map_err(|error| broken(error.to_string()))?);
        if document.stage == Stage::Ended {
            let words = read_outcomes(&std::fs::read(self.shelf.outcomes(broadcast))?);
            let words = words.filter(|words| words.len() == recipients.rows() as usize);
            let damaged =
                || broken("the outcomes are damaged: restore the directory from a backup");
            return Ok((recipients, words.ok_or_else(damaged)?));
        }
        drop(running);
        let words = self.live_words(start.ordinal, &recipients);
        if words.is_err() && self.standing().entry(broadcast)?.document.stage == Stage::Ended {
            // It came to its end meanwhile, and shards forget it then: its end is kept.
            return self.words(broadcast);
        }
        Ok((recipients, words?))
    }

    fn live_words(
        &self,
        ordinal: u32,
        recipients: &Recipients,
    ) -> Result<Vec<u32>, BroadcastRefusal> {
        let figures = self.engine.broadcast_figures()?;
        let shards = self.engine.shards();
        let mut words = vec![RowWord::WAITING.to_bits(); recipients.rows() as usize];
        for (shard, figures) in figures.iter().enumerate() {
            let life = figures.iter().find(|figures| figures.ordinal == ordinal);
            // While receipts are awaited too: a row that has not begun by then never does.
            let ended = life.and_then(|figures| figures.life.end()).map(Outcome::from);
            for run in recipients.of_shard(shard, shards) {
                let (mut place, end) = (run.slice.first, run.slice.first + run.slice.rows);
                while place < end {
                    let until = end.min(place + WORDS_AT_ONCE);
                    let some = self.engine.broadcast_words(shard, ordinal, place..until)?;
                    let at = (run.first + (place - run.slice.first)) as usize;
                    for (word, said) in words[at..].iter_mut().zip(&some) {
                        *word = match (RowWord::from_bits(*said), ended) {
                            // Rows that never began ended by arithmetic.
                            (Some(RowWord { outcome: Outcome::Waiting, .. }), Some(outcome)) => {
                                RowWord::WAITING.becoming(outcome, 0).to_bits()
                            }
                            _ => *said,
                        };
                    }
                    if some.len() < (until - place) as usize {
                        return Err(refused(STATE, "a shard does not know the broadcast"));
                    }
                    place = until;
                }
            }
        }
        Ok(words)
    }

    /// A broadcast as its shards' figures are, as far as they can be had: the answer to an order
    /// that was carried out, whatever is wrong with its files.
    pub(super) fn glance(&self, broadcast: &str) -> Result<ProgressDocument, BroadcastRefusal> {
        self.refresh_if_answered();
        let progress = self.standing().entry(broadcast)?.progress();
        Ok(self.as_here(progress))
    }

    /// An engine that only looks on sends nothing, whatever state its broadcasts are in.
    pub(super) fn as_here(&self, progress: ProgressDocument) -> ProgressDocument {
        ProgressDocument { looks_on: self.looks_on(), ..progress }
    }

    /// A broadcast at this moment, with the figures of all its areas if that is asked for.
    pub(super) fn progress(
        &self,
        broadcast: &str,
        with_all_areas: bool,
    ) -> Result<ProgressDocument, BroadcastRefusal> {
        let snapshot = self.snapshot(broadcast, with_all_areas)?;
        let mut standing = self.standing();
        let progress = standing.entry(broadcast)?.progress();
        Ok(self.as_here(ProgressDocument { snapshot: Some(snapshot), ..progress }))
    }
}

fn read_outcomes(octets: &[u8]) -> Option<Vec<u32>> {
    let (octets, checksum) = octets.split_last_chunk::<4>()?;
    (crc32c::crc32c(octets) == u32::from_le_bytes(*checksum)).then(|| {
        let words = octets.chunks_exact(4).filter_map(|word| word.first_chunk());
        words.map(|word| u32::from_le_bytes(*word)).collect()
    })
}

fn counts_of(words: &[u32]) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for word in words.iter().filter_map(|word| RowWord::from_bits(*word)) {
        *counts.entry(word.outcome.word().to_owned()).or_default() += 1;
    }
    counts
}

impl Entry {
    /// What is shown of it, beside its snapshot.
    pub(super) fn progress(&self) -> ProgressDocument {
        let document = self.document.clone();
        let targeted = document.check.as_ref().map_or(0, |check| check.addressed.targeted);
        let counts = self.counts();
        let reach = snapshot::reach_of(self);
        let reached_after_s = REACHED.into_iter().filter_map(|percent| {
            let after_ms = reach.first_at((targeted * percent).div_ceil(100))?;
            Some((percent.to_string(), (after_ms / 1_000) as u32))
        });
        let is_known = document.started.is_some();
        let is_started = document.stage == Stage::Started;
        ProgressDocument {
            state: snapshot::state_word(self).to_owned(),
            targeted,
            adds_up: !is_known || counts.values().sum::<u64>() == targeted,
            doubts: self.doubts(),
            delivered_per_second: if is_started { self.watched.speed().now } else { 0 },
            reached_after_s: reached_after_s.collect(),
            stopped_by: self.stopped_by(),
            looks_on: false,
            snapshot: None,
            counts,
            document,
        }
    }

    /// Rows that crashes left in doubt.
    pub(super) fn doubts(&self) -> u64 {
        self.document.ended.as_ref().map_or_else(
            || self.figures.iter().map(|figures| u64::from(figures.doubts)).sum(),
            |end| end.doubts,
        )
    }

    /// Whether every shard has stopped it: nothing of it begins any more.
    pub(super) fn is_stopped(&self) -> bool {
        let is_ended = |figures: &SliceFigures| figures.life.end().is_some();
        !self.figures.is_empty() && self.figures.iter().all(is_ended)
    }

    /// Why a shard has paused it by itself.
    pub(super) fn stopped_by(&self) -> Option<String> {
        let paused = self.figures.iter().filter(|figures| figures.life == Life::Paused);
        let stopped_by = paused.filter_map(|figures| figures.stopped_by).next();
        let stopped_by = stopped_by.map(|code| format!("{code} {}", code.meaning()));
        stopped_by.or_else(|| self.untold_why())
    }

    /// Why some shard may not have heard of it yet.
    fn untold_why(&self) -> Option<String> {
        let untold = self.untold.as_ref().filter(|_| self.document.stage == Stage::Started);
        untold.map(|untold| format!("not in every shard yet: {}", untold.why))
    }

    /// Rows by outcome.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        if let Some(end) = &self.document.ended {
            return end.outcomes.clone();
        }
        if self.figures.is_empty() {
            // Before its shards have said anything no row has had its turn.
            let check = self.document.check.as_ref().filter(|_| self.document.started.is_some());
            let waiting = check.map(|check| check.addressed.targeted);
            let word = Outcome::Waiting.word().to_owned();
            return waiting.map(|rows| (word, rows)).into_iter().collect();
        }
        let of = |outcome: Outcome| {
            self.figures.iter().map(|figures| u64::from(figures.counts.of(outcome))).sum()
        };
        OUTCOMES.into_iter().map(|outcome| (outcome.word().to_owned(), of(outcome))).collect()
    }
}
