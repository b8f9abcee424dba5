//! Watches what runs, and keeps what became of it when it is over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::desk::{BroadcastDesk, Entry};
use super::documents::{EndDocument, ProgressDocument, Stage};
use super::refusal::{BroadcastRefusal, STATE, disk, refused};
use super::shelf::Part;
use crate::broadcast::life::{End, Life};
use crate::broadcast::outcomes::{OUTCOMES, Outcome, RowWord};
use crate::broadcast::recipients::Recipients;
use crate::shard::SliceFigures;
use crate::testing::kill_points::{KillPoint, kill_point};
use host::clock;

/// How often what runs is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Points of a curve; beyond them every second one goes.
const CURVE_POINTS_MAX: usize = 300;
/// Words that a shard is asked for at once.
const WORDS_AT_ONCE: u32 = 1 << 16;
/// Percent of the targeted whose time is told.
const REACHED: [u64; 5] = [50, 85, 90, 95, 99];

/// The thread that watches; dropping it ends the thread.
pub struct BroadcastKeeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl BroadcastKeeper {
    /// Starts it.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(desk: &Arc<BroadcastDesk>) -> std::io::Result<Self> {
        let (stop, stopped) = bounded(0);
        let desk = Arc::downgrade(desk);
        let thread = std::thread::Builder::new()
            .name("hayauma-broadcasts".to_owned())
            .spawn(move || watch(&desk, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for BroadcastKeeper {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has ended the process before this.
            let _ = thread.join();
        }
    }
}

fn watch(desk: &Weak<BroadcastDesk>, stopped: &Receiver<()>) {
    let mut told = None;
    while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let Some(desk) = desk.upgrade() else { return };
        desk.start_due();
        // What goes wrong in the same way for hours is said once.
        let wrong = desk.look().err().map(|refusal| refusal.sentence);
        if let Some(error) = wrong.as_ref().filter(|_| wrong != told) {
            tracing::warn!(error, "a broadcast's outcomes are not kept yet: tried again");
        }
        told = wrong;
    }
}

impl BroadcastDesk {
    /// Looks at what runs, and keeps the outcomes of what is over.
    pub(super) fn look(&self) -> Result<(), BroadcastRefusal> {
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
        over.iter().try_for_each(|broadcast| self.keep(broadcast))
    }

    /// Asks the shards where everything stands.
    pub(super) fn refresh(&self) -> Result<(), BroadcastRefusal> {
        let all = self.engine.broadcast_figures()?;
        let now_ms = clock::unix_ms();
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
            entry.figures = all.iter().filter_map(of_shard).collect();
            entry.note_reach((now_ms.saturating_sub(at_ms) / 1_000) as u32);
        }
        Ok(())
    }

    /// Writes what became of every row, and has the shards forget the broadcast.
    fn keep(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let (recipients, words) = self.words(broadcast)?;
        let path = self.shelf.outcomes(broadcast);
        let mut part = Part::of(&path)?;
        let mut octets: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let checksum = crc32c::crc32c(&octets);
        octets.extend_from_slice(&checksum.to_le_bytes());
        part.file.write_all(&octets)?;
        part.file.sync_all()?;
        part.keep()?;
        kill_point(KillPoint::RowsWritten);
        let mut codes: BTreeMap<String, u64> = BTreeMap::new();
        for word in words.iter().filter_map(|word| RowWord::from_bits(*word)) {
            *codes.entry(format!("{:04}", word.code)).or_default() += 1;
        }
        debug_assert_eq!(recipients.rows() as usize, words.len());
        let (figures, curve) = {
            let mut standing = self.standing();
            let entry = standing.entry(broadcast)?;
            (entry.figures.clone(), entry.curve.clone())
        };
        let counted = counts_of(&words);
        let end = EndDocument {
            at_ms: clock::unix_ms(),
            life: state_of(&figures).to_owned(),
            outcomes: counted,
            codes,
            doubts: figures.iter().map(|figures| u64::from(figures.doubts)).sum(),
            curve,
        };
        let document = self.alter(broadcast, |document| {
            document.stage = Stage::Ended;
            document.ended = Some(end);
            Ok(())
        })?;
        self.remember(&document);
        if let Some(start) = document.started {
            self.engine.forget_broadcast(start.ordinal);
        }
        self.standing().entry(broadcast)?.running = None;
        tracing::info!(broadcast, "a broadcast is over, and its outcomes are kept");
        Ok(())
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
        let file = File::open(self.shelf.broadcast(broadcast).join(&check.file))?;
        let recipients =
            Arc::new(Recipients::open(&file).map_err(|error| disk(error.to_string()))?);
        if document.stage == Stage::Ended {
            let words = read_outcomes(&std::fs::read(self.shelf.outcomes(broadcast))?);
            let words = words.filter(|words| words.len() == recipients.rows() as usize);
            let damaged = || disk("the outcomes are damaged: restore the directory from a backup");
            return Ok((recipients, words.ok_or_else(damaged)?));
        }
        drop(running);
        let words = self.live_words(start.ordinal, &recipients)?;
        Ok((recipients, words))
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
            let ended = life.and_then(|figures| match figures.life {
                Life::Ended(end) => Some(Outcome::from(end)),
                _ => None,
            });
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

    /// A broadcast at this moment.
    pub(super) fn progress(&self, broadcast: &str) -> Result<ProgressDocument, BroadcastRefusal> {
        self.refresh()?;
        let mut standing = self.standing();
        Ok(standing.entry(broadcast)?.progress())
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

/// Where a started broadcast stands, all shards together.
fn state_of(figures: &[SliceFigures]) -> &'static str {
    let lives: Vec<Life> = figures.iter().map(|figures| figures.life).collect();
    let any = |life: Life| lives.contains(&life);
    let ended = |end| any(Life::Ended(end));
    if !lives.is_empty() && lives.iter().all(|life| life.is_over()) {
        let ends =
            [(End::Cancelled, "cancelled"), (End::Replaced, "replaced"), (End::Expired, "expired")];
        let found = ends.into_iter().find(|(end, _)| ended(*end));
        return found.map_or("finished", |(_, word)| word);
    }
    if lives.iter().any(|life| matches!(life, Life::Closing(_) | Life::Ended(_))) {
        "closing"
    } else if any(Life::Paused) {
        "paused"
    } else if any(Life::Holding) || lives.is_empty() {
        "holding"
    } else {
        "running"
    }
}

impl Entry {
    fn delivered(&self) -> u64 {
        self.figures.iter().map(|figures| u64::from(figures.counts.of(Outcome::Delivered))).sum()
    }

    /// Another point of the curve, once a second.
    fn note_reach(&mut self, seconds: u32) {
        let delivered = self.delivered();
        match self.curve.last_mut() {
            Some((last, reached)) if *last == seconds => *reached = delivered,
            Some((last, reached)) => {
                let since = u64::from(seconds.saturating_sub(*last)).max(1);
                self.per_second = delivered.saturating_sub(*reached) / since;
                self.curve.push((seconds, delivered));
            }
            None => self.curve.push((seconds, delivered)),
        }
        if self.curve.len() > CURVE_POINTS_MAX {
            let mut place = 0;
            self.curve.retain(|_| {
                place += 1;
                place % 2 == 1 || place > CURVE_POINTS_MAX
            });
        }
    }

    /// What is shown of it.
    pub(super) fn progress(&self) -> ProgressDocument {
        let document = self.document.clone();
        let targeted = document.check.as_ref().map_or(0, |check| check.addressed.targeted);
        let (counts, curve) = match &document.ended {
            Some(end) => (end.outcomes.clone(), &end.curve),
            None => (self.counts(), &self.curve),
        };
        let state = match document.stage {
            Stage::Draft => "draft",
            Stage::Checked => "checked",
            Stage::Approved => "approved",
            Stage::Scheduled => "scheduled",
            Stage::Started => state_of(&self.figures),
            Stage::Ended => document.ended.as_ref().map_or("ended", |end| end.life.as_str()),
        };
        let state = state.to_owned();
        let reached_after_s = REACHED.into_iter().filter_map(|percent| {
            let wanted = (targeted * percent).div_ceil(100);
            let first = curve.iter().find(|(_, reached)| *reached >= wanted && wanted > 0)?;
            Some((format!("{percent}"), first.0))
        });
        let is_known = document.started.is_some();
        let stopped_by = self.figures.iter().find_map(|figures| figures.stopped_by);
        ProgressDocument {
            state,
            targeted,
            adds_up: !is_known || counts.values().sum::<u64>() == targeted,
            doubts: document.ended.as_ref().map_or_else(
                || self.figures.iter().map(|figures| u64::from(figures.doubts)).sum(),
                |end| end.doubts,
            ),
            delivered_per_second: if document.stage == Stage::Started {
                self.per_second
            } else {
                0
            },
            reached_after_s: reached_after_s.collect(),
            stopped_by: stopped_by.map(|code| format!("{code} {}", code.meaning())),
            counts,
            document,
        }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        if self.figures.is_empty() {
            return BTreeMap::new();
        }
        let of = |outcome: Outcome| {
            self.figures.iter().map(|figures| u64::from(figures.counts.of(outcome))).sum()
        };
        OUTCOMES.into_iter().map(|outcome| (outcome.word().to_owned(), of(outcome))).collect()
    }
}
