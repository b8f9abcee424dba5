//! What becomes of broadcasts: the desk's keeper, retractions, planned stops.

use super::{Document, Plan, Step};
use crate::simulation::Simulation;
use crate::simulation::disk::End as EngineEnd;
use crate::simulation::events::Event;
use crate::simulation::ledger::{Checked, rule};
use hayauma::broadcast::life::Life;
use hayauma::broadcast::outcomes::{OUTCOMES, Outcome, RowWord};
use hayauma::broadcast::past::{PastBroadcast, REMEMBERED_MS};
use hayauma::broadcast::running::RowsOf;
use hayauma::broadcast::slice::Order;
use host::mapped::Mapped;
use std::io::Write as _;
use std::sync::Arc;

/// A planned stop that does not come is given up after so many looks.
const STOP_LOOKS_MAX: u8 = 200;
/// No broadcast lasts longer once the faults have ended: its lifetime, a hold, and the steps of the
/// clock.
const ENDS_WITHIN_MS: u64 = 10 * 3_600_000;

impl Simulation {
    /// The keeper looks at what runs.
    pub(in crate::simulation) fn look_at_casts(&mut self) -> Checked {
        for cast in 0..self.desk.documents.len() {
            // The engine may die while it is looked at.
            if !self.is_desk_closed() && self.desk.documents[cast].is_started() {
                self.look_at_cast(cast)?;
            }
        }
        let late_ms = self.faults_ended_ms + ENDS_WITHIN_MS;
        rule!(
            self.faults || self.now_ms < late_ms,
            "a broadcast does not end once all faults have ended: {:?}",
            self.desk.documents.iter().find(|document| !document.is_over())
        );
        if self.desk.documents.iter().any(|document| !document.is_over()) {
            let delay_ms = self.desk.look_ms.max(200);
            self.after(delay_ms, Event::DeskLook);
        }
        Ok(())
    }

    fn look_at_cast(&mut self, cast: usize) -> Checked {
        if self.desk.is_told_now(cast) {
            // Whoever tells of it has the turn.
            return Ok(());
        }
        let ordinal = cast as u32 + 1;
        let (mut lives, mut doubts, mut is_behind) = (Vec::new(), 0, false);
        for shard in 0..self.stations.len() {
            let figures = self.stations[shard].up().broadcast_figures();
            let Some(figures) = figures.into_iter().find(|figures| figures.ordinal == ordinal)
            else {
                return Ok(());
            };
            self.rows.shown(cast, shard, &figures.counts)?;
            is_behind |= figures.wave.open < self.desk.documents[cast].waves_open;
            lives.push(figures.life);
            doubts += figures.doubts;
        }
        if !lives.iter().all(|life| life.is_over()) {
            let is_running = lives.iter().all(|life| *life == Life::Running);
            if is_behind && is_running {
                // A crash came between what was kept and what some shard heard.
                let open = self.desk.documents[cast].waves_open;
                return self.begin_script([Step::Order(cast, Order::Wave { open })].into());
            }
            return Ok(());
        }
        let words = self.words_of(cast, &lives);
        self.rows.kept(cast, &words, doubts)?;
        self.desk.documents[cast].is_kept = true;
        self.desk.documents[cast].past = self.past_of(cast, &words);
        let wall_ms = self.wall_ms();
        for shard in 0..self.stations.len() {
            self.show_time(shard);
            let past = self.desk.documents[cast].past.clone();
            let (shard, is_over) = (self.stations[shard].up(), past.is_some());
            past.into_iter().for_each(|past| shard.remember_broadcast(past, wall_ms));
            shard.forget_broadcast(ordinal, is_over, wall_ms);
        }
        self.note(u64::from(ordinal) << 32 | u64::from(doubts));
        if self.desk.documents[cast].plan.is_retracted && !self.is_followed(cast) {
            self.retract(cast, &words);
        }
        for shard in 0..self.stations.len() {
            self.turn(shard)?;
        }
        Ok(())
    }

    /// What is over, as the shards remember it.
    fn past_of(&self, cast: usize, words: &[RowWord]) -> Option<Arc<PastBroadcast>> {
        let running = self.desk.documents[cast].running.clone()?;
        let octets: Vec<u8> = words.iter().flat_map(|word| word.to_bits().to_le_bytes()).collect();
        let mut file = tempfile::tempfile().ok()?;
        file.write_all(&octets).ok()?;
        let until_ms = self.wall_ms() + REMEMBERED_MS;
        PastBroadcast::new(running, Mapped::open(&file).ok()?, until_ms).map(Arc::new)
    }

    /// The shards of a new life hear of what is over.
    pub(super) fn remember_past(&mut self) {
        let wall_ms = self.wall_ms();
        let past: Vec<_> =
            self.desk.documents.iter().filter_map(|document| document.past.clone()).collect();
        for station in &mut self.stations {
            let shard = station.up();
            past.iter().for_each(|past| shard.remember_broadcast(Arc::clone(past), wall_ms));
        }
    }

    /// Whether a newer one of its chain was started.
    fn is_followed(&self, cast: usize) -> bool {
        let plan = &self.desk.documents[cast].plan;
        let newer = |other: &Document| {
            other.running.is_some()
                && other.plan.chain == plan.chain
                && other.plan.alertseq > plan.alertseq
        };
        self.desk.documents.iter().any(newer)
    }

    /// The word of each row; what never began ended by arithmetic.
    fn words_of(&mut self, cast: usize, lives: &[Life]) -> Vec<RowWord> {
        let Some(running) = self.desk.documents[cast].running.clone() else { return Vec::new() };
        let (recipients, shards) = (&running.recipients, self.stations.len());
        let mut words = vec![RowWord::WAITING; recipients.rows() as usize];
        for (shard, life) in lives.iter().enumerate() {
            for run in recipients.of_shard(shard, shards) {
                let (from, rows) = (run.slice.first, run.slice.rows);
                let said = self.stations[shard].up().broadcast_words(cast as u32 + 1, from, rows);
                for (behind, bits) in said.into_iter().enumerate() {
                    let word = RowWord::from_bits(bits).unwrap_or(RowWord::WAITING);
                    words[run.first as usize + behind] = match (word.outcome, life.end()) {
                        (Outcome::Waiting, Some(end)) => word.becoming(end.into(), 0),
                        _ => word,
                    };
                }
            }
        }
        words
    }

    /// Another text to exactly those who may have the first one.
    fn retract(&mut self, cast: usize, words: &[RowWord]) {
        let Some(known) = self.rows.casts[cast].as_ref() else { return };
        let may_have =
            known.rows.iter().zip(words).filter(|(_, word)| word.outcome.may_have_arrived());
        let lines: Vec<u32> = may_have.map(|(row, _)| row.line).collect();
        self.follow(cast, lines, None);
    }

    /// The same while some of it is under way: what becomes of that is looked at row by row.
    pub(super) fn retract_at_once(&mut self, cast: usize) {
        let plan = &self.desk.documents[cast].plan;
        if !plan.is_retracted || !plan.is_retracted_at_once || self.is_followed(cast) {
            return;
        }
        let Some(known) = self.rows.casts[cast].as_ref() else { return };
        let lines: Vec<u32> = known.rows.iter().map(|row| row.line).collect();
        let meant: Vec<Outcome> =
            OUTCOMES.into_iter().filter(|outcome| outcome.may_have_arrived()).collect();
        self.desk.documents[cast].plan.is_retracted = false;
        self.follow(cast, lines, Some(RowsOf::new(cast as u32 + 1, &meant)));
    }

    fn follow(&mut self, cast: usize, lines: Vec<u32>, of: Option<RowsOf>) {
        let plan = &self.desk.documents[cast].plan;
        self.rows.counts.retracted += lines.len() as u64;
        let retraction = Plan {
            of,
            alertseq: plan.alertseq + 10,
            lines: vec![lines],
            has_waves: false,
            orders: Vec::new(),
            is_retracted: false,
            hold_ms: 0,
            ..plan.clone()
        };
        self.desk.documents.push(Document::of(retraction));
        let delay_ms = self.random.below(2_000);
        self.after(delay_ms, Event::CastStart { cast: self.desk.documents.len() - 1 });
    }

    /// Somebody stops the engine: nothing begins, and what is under way settles.
    pub(in crate::simulation) fn stop(&mut self) -> Checked {
        if self.is_desk_closed() || !self.faults || self.desk.is_stopping {
            return Ok(());
        }
        self.desk.is_stopping = true;
        self.after(50, Event::StopLook { looks: 0, life: self.life });
        Ok(())
    }

    pub(in crate::simulation) fn look_at_stop(&mut self, looks: u8, life: u32) -> Checked {
        if life != self.life || self.is_down || !self.desk.is_stopping {
            return Ok(());
        }
        for shard in 0..self.stations.len() {
            self.turn(shard)?;
            if self.is_down {
                return Ok(());
            }
        }
        let is_quiet = self.stations.iter_mut().all(|station| {
            let is_idle = station.commit.is_none() && station.world.queues().in_flight == 0;
            let shard = station.up();
            is_idle && shard.in_flight() == 0 && shard.is_settled()
        });
        if is_quiet {
            self.rows.counts.stops += 1;
            self.desk.doubts_at_stop = Some(self.doubts());
            return self.end_engine(EngineEnd::Killed);
        }
        if looks == STOP_LOOKS_MAX || !self.faults {
            // It goes on after all.
            self.desk.is_stopping = false;
            return Ok(());
        }
        self.after(100, Event::StopLook { looks: looks + 1, life });
        Ok(())
    }

    /// Rows in doubt, by broadcast.
    fn doubts(&mut self) -> Vec<u32> {
        let mut doubts = vec![0; self.desk.documents.len()];
        for station in &mut self.stations {
            for figures in station.up().broadcast_figures() {
                doubts[figures.ordinal as usize - 1] += figures.doubts;
            }
        }
        doubts
    }

    /// A planned stop leaves nothing in doubt.
    pub(super) fn check_planned_stop(&mut self) -> Checked {
        let Some(mut before) = self.desk.doubts_at_stop.take() else { return Ok(()) };
        let now = self.doubts();
        before.resize(now.len(), 0);
        let is_kept = |cast: &usize| self.desk.documents[*cast].is_kept;
        for cast in (0..now.len()).filter(|cast| !is_kept(cast)) {
            rule!(
                now[cast] == before[cast],
                "a planned stop left rows of broadcast {cast} in doubt: {} before, {} behind",
                before[cast],
                now[cast]
            );
        }
        Ok(())
    }

    /// The faults have ended: whatever is paused goes on, and nobody stops the engine.
    pub(in crate::simulation) fn heal_casts(&mut self) {
        self.desk.is_stopping = false;
        self.desk.look_ms = self.desk.look_ms.max(2_000);
        for cast in 0..self.desk.documents.len() {
            let plan = &mut self.desk.documents[cast].plan;
            if !matches!(plan.orders.last(), Some((_, Order::End(_)))) {
                plan.orders.push((1_000, Order::Resume));
                plan.orders.push((1_000, Order::Wave { open: plan.lines.len().max(1) as u8 }));
                self.after(1_000, Event::CastOrder { cast });
            }
        }
    }

    /// The engine has died anyhow: nothing is known of a stop.
    pub(in crate::simulation) fn forget_stop(&mut self) {
        self.desk.doubts_at_stop = None;
    }
}
