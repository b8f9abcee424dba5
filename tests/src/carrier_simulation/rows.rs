//! A broadcast beside the pushes: told once, and again some time after each death, as the control
//! plane would, and held against what the SMSC took.

use super::{Station, World, phone};
use crate::lone_shard;
use crate::push::XPID;
use hayauma::broadcast::outcomes::{Outcome, RowWord};
use hayauma::broadcast::recipients::{Recipient, Recipients, RecipientsWriter};
use hayauma::broadcast::running::{RunningBroadcast, RunningPace, RunningTerms};
use hayauma::broadcast::slice::OnDoubt;
use std::sync::Arc;
use wire::terms::ids::{Class, Kind, Msn, Xpid};
use wire::terms::mix::mix;
use wire::terms::time::WallMs;

/// Its number in the directory.
const ORDINAL: u32 = 1;
/// Its lifetime, as long as a push's.
const LIFETIME_MS: u64 = 3_600_000;
/// Between two chances of a pause.
const PAUSED_PARTS: u64 = 2;

/// The broadcast, and what the engine of this life knows of it.
#[derive(Default)]
pub(super) struct Cast {
    running: Option<Arc<RunningBroadcast>>,
    /// When the engine of this life is told of it; `None`: it is.
    tells_ms: Option<u64>,
    is_paused: bool,
}

fn recipients(first: u64, rows: u64) -> Recipients {
    let file = tempfile::tempfile().expect("a temporary file");
    let mut writer = RecipientsWriter::new(file.try_clone().expect("a file")).expect("a file");
    writer.begin_run((0, 0), "everywhere");
    let of = |number: u64| {
        let msn = Msn::parse(lone_shard::msn(number).as_bytes()).expect("an msn");
        Recipient { msn, text: Some(0), language: 0 }
    };
    let mut all: Vec<Recipient> = (first..first + rows).map(of).collect();
    all.sort_by_key(|row| mix(row.msn.value()));
    writer.push(&all).expect("written");
    writer.finish().expect("written");
    Recipients::open(&file).expect("recipients")
}

impl World<'_> {
    /// A life of the engine begins.
    pub(super) fn rows_open(&mut self) {
        let delay_ms = self.chance.below(2_000);
        self.cast.tells_ms = (self.options.rows > 0).then_some(self.now_ms + delay_ms);
    }

    /// Tells the engine when it is time, and has it pause now and then.
    pub(super) fn tell_rows(&mut self, station: &mut Station, faulty: bool) {
        let now_ms = WallMs::new(self.now_ms);
        if self.cast.tells_ms.is_some_and(|due_ms| self.now_ms >= due_ms) {
            self.cast.tells_ms = None;
            let running = self.cast.running.take().unwrap_or_else(|| self.draw_rows());
            station.shard.tell_broadcast(&running, now_ms);
            station.shard.all_broadcasts_told(&[ORDINAL]);
            station.shard.commit_blocking().expect("a device that writes");
            self.cast.running = Some(running);
        }
        let is_told = self.cast.running.is_some() && self.cast.tells_ms.is_none();
        let wants = self.cast.is_paused && !faulty || faulty && self.chance.is(PAUSED_PARTS);
        if is_told && wants {
            self.cast.is_paused ^= true;
            let order = match self.cast.is_paused {
                true => hayauma::broadcast::slice::Order::Pause,
                false => hayauma::broadcast::slice::Order::Resume,
            };
            station.shard.order_broadcast(ORDINAL, &[order], now_ms).expect("it is known");
            station.shard.commit_blocking().expect("a device that writes");
        }
    }

    fn draw_rows(&mut self) -> Arc<RunningBroadcast> {
        let xpid = Xpid::parse(XPID.as_bytes()).expect("an XPID");
        let leaves = self.options.seed % 4 == 2;
        let terms = RunningTerms {
            ordinal: ORDINAL,
            xpid,
            class: Class::Emergency,
            kind: Kind::Text,
            sender: xpid.to_string(),
            started_ms: WallMs::new(self.now_ms),
            hold_ms: 0,
            deadline_ms: WallMs::new(self.now_ms + LIFETIME_MS),
            alertseq: 0,
            on_doubt: if leaves { OnDoubt::Leave } else { OnDoubt::Again },
            pace: RunningPace::unlimited(),
            once: false,
            reqid: "rows".to_owned(),
            alertid: None,
            ignores_suppression: false,
            skips_had_within_ms: None,
            takes_back: false,
            of: Vec::new(),
        };
        let recipients = recipients(self.options.pushes, self.options.rows);
        let running = RunningBroadcast::new(terms, recipients, &["Leave now".to_owned()]);
        Arc::new(running.expect("a text that can be encoded"))
    }

    /// Whether every row has come to its end.
    pub(super) fn rows_are_over(&self, station: &Station) -> bool {
        let figures = station.shard.broadcast_figures();
        let is_over = figures.iter().all(|figures| figures.life.is_over());
        self.options.rows == 0 || self.cast.tells_ms.is_none() && !figures.is_empty() && is_over
    }

    /// What must hold of rows at the end.
    pub(super) fn check_rows(&mut self, station: &Station) -> Result<(), String> {
        let Some(running) = &self.cast.running else { return Ok(()) };
        let words = station.shard.broadcast_words(ORDINAL, 0, u32::MAX);
        if words.len() as u64 != self.options.rows {
            return Err(format!("{} rows of {}", words.len(), self.options.rows));
        }
        for (place, bits) in (0..).zip(words) {
            let word = RowWord::from_bits(bits).ok_or("a damaged word")?;
            let number = running.recipients.row(place).msn.value() - 9_000_000_000;
            let copies = self.smsc.copies.get(&phone(number)).map_or(&[][..], Vec::as_slice);
            self.met.twice += copies.len().saturating_sub(1) as u64;
            let lost = copies.iter().any(|copy| copy.receipt_lost);
            let told = |delivered: bool| {
                copies.iter().any(|copy| copy.delivered == delivered && !copy.receipt_lost)
            };
            let is_true = match (word.outcome, word.code) {
                (Outcome::Delivered, _) => told(true),
                (Outcome::Failed, 6012) => told(false),
                (Outcome::InDoubt, 6013) => lost,
                // Where an answer was lost it may have arrived before it failed.
                (Outcome::InDoubt, 7004) => {
                    let is_left = running.terms.on_doubt == OnDoubt::Leave;
                    is_left || self.options.never_twice || told(false)
                }
                _ => false,
            };
            if !is_true {
                let seen: Vec<_> =
                    copies.iter().map(|copy| (copy.delivered, copy.receipt_lost)).collect();
                return Err(format!("row {place} is {word:?}, and the SMSC has {seen:?}"));
            }
        }
        Ok(())
    }
}
