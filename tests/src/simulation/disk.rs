//! The simulated disk of one shard's journal: segments as the file system shows them and as the
//! device holds them.
//!
//! The loss of power keeps what was synced and any part of the rest, torn at sectors. The death of
//! the process keeps what was written, and the beginning of the writes that were under way.
//! Segments are made and put aside in the order in which that was asked for, late by chance; what
//! was not carried out when the engine died is forgotten. A device may be full.

use super::random::Random;
use hayauma::journal::{FactoryError, Found, JournalError, Prepared, Segment, Storage, Write};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const PAGE_OCTETS: usize = 4096;
const SECTOR_OCTETS: usize = 512;
/// Octets of the end mark behind a write, which goes on to the end of its page.
const MARK_OCTETS: usize = 32;
/// Segments that were put aside and are used again.
const FREE_MAX: usize = 2;

/// How an engine ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The process dies.
    Killed,
    /// Power is lost.
    PowerLost,
}

/// A disk. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    /// Segments that fit on the device.
    files_max: usize,
    /// Segments may be late.
    is_lazy: bool,
    /// The engine ends with this write under way.
    ending: Option<End>,
    files: BTreeMap<u32, File>,
    free: Vec<Vec<u8>>,
    orders: VecDeque<Order>,
}

/// A segment's file.
#[derive(Debug)]
struct File {
    shown: Vec<u8>,
    held: Vec<u8>,
    /// Pages of which the device may hold something else than is shown.
    unheld: BTreeSet<usize>,
}

#[derive(Debug)]
enum Order {
    Make { id: u32, octets: u32 },
    Warm(Prepared),
    PutAside(u32),
    MakeRoom(Option<u32>),
}

impl Disk {
    pub(super) fn new(seed: u64, is_lazy: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed),
            files_max: usize::MAX,
            is_lazy,
            ending: None,
            files: BTreeMap::new(),
            free: Vec::new(),
            orders: VecDeque::new(),
        })))
    }

    /// So many segments fit on the device from now on; those that are there stay.
    pub(super) fn set_files_max(&self, files_max: usize) {
        self.state().files_max = files_max;
    }

    /// Segments come as soon as they are asked for.
    pub(super) fn end_laziness(&self) {
        self.state().is_lazy = false;
    }

    /// The engine ends like this; if a commit is under way, its writes are to be carried out once
    /// more, and reach the disk as far as chance will have it.
    pub(super) fn begin_end(&self, end: End) {
        self.state().ending = Some(end);
    }

    /// The engine has ended.
    pub(super) fn finish_end(&self) {
        let state = &mut *self.state();
        state.orders.clear();
        if state.ending.take() == Some(End::PowerLost) {
            for file in state.files.values_mut() {
                file.lose(&mut state.random);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    /// The device gets some of what it has not got, and is what the file system shows from now on.
    fn lose(&mut self, random: &mut Random) {
        for page in std::mem::take(&mut self.unheld) {
            let at = page * PAGE_OCTETS;
            let page = at..(at + PAGE_OCTETS).min(self.shown.len());
            if self.shown[page.clone()] == self.held[page.clone()] {
                continue;
            }
            let kept = match random.below(3) {
                0 => 0,
                1 => u64::MAX,
                _ => random.bits(),
            };
            for sector in (0..PAGE_OCTETS / SECTOR_OCTETS).filter(|sector| kept >> sector & 1 == 1)
            {
                let octets = at + sector * SECTOR_OCTETS..at + (sector + 1) * SECTOR_OCTETS;
                self.held[octets.clone()].copy_from_slice(&self.shown[octets]);
            }
            self.shown[page.clone()].copy_from_slice(&self.held[page]);
        }
    }
}

impl State {
    /// Carries out the oldest order; what the journal is told of it.
    fn step(&mut self) -> Option<Result<Prepared, FactoryError>> {
        match self.orders.pop_front()? {
            Order::PutAside(id) => {
                self.put_aside(id);
                None
            }
            Order::MakeRoom(spare) => {
                spare.and_then(|id| self.files.remove(&id));
                self.free.clear();
                None
            }
            Order::Warm(spare) => Some(Ok(spare)),
            Order::Make { id, octets } => Some(self.make(id, octets as usize)),
        }
    }

    fn put_aside(&mut self, id: u32) {
        if let Some(file) = self.files.remove(&id)
            && self.free.len() < FREE_MAX
        {
            self.free.push(file.shown);
        }
    }

    fn make(&mut self, id: u32, octets: usize) -> Result<Prepared, FactoryError> {
        let mut shown = match self.free.pop() {
            Some(free) => free,
            None if self.files.len() >= self.files_max => {
                let (directory, reason) = (PathBuf::from("simulated"), "no space left".to_owned());
                return Err(FactoryError { directory, reason, full: true });
            }
            None => vec![0; octets],
        };
        shown[..2 * PAGE_OCTETS].fill(0);
        let spare = Prepared::without_file(id, &shown);
        self.files.insert(id, File { held: shown.clone(), shown, unheld: BTreeSet::new() });
        Ok(spare)
    }

    /// Takes octets of a segment, as it shows them, into its file, and to the device.
    fn take(&mut self, segment: &Segment, octets: std::ops::Range<usize>, with_sync: bool) {
        let Some(file) = self.files.get_mut(&segment.number()) else {
            unreachable!("a segment in use has a file");
        };
        let from = &segment.octets()[octets.clone()];
        file.shown[octets.clone()].copy_from_slice(from);
        if with_sync {
            file.held[octets].copy_from_slice(from);
        } else {
            file.unheld.extend(octets.start / PAGE_OCTETS..octets.end.div_ceil(PAGE_OCTETS));
        }
    }
}

impl Storage for Disk {
    fn find(&mut self) -> Result<Vec<Found>, JournalError> {
        let state = self.state();
        Ok(state.files.iter().map(|(&id, file)| Found::without_file(id, &file.shown)).collect())
    }

    fn order(&mut self, id: u32, octets: u32, _: bool) {
        self.state().orders.push_back(Order::Make { id, octets });
    }

    fn collect(&mut self, wait: Duration) -> Option<Result<Prepared, FactoryError>> {
        let mut state = self.state();
        if wait.is_zero() && state.is_lazy && state.random.chance(500) {
            return None;
        }
        while !state.orders.is_empty() {
            if let Some(made) = state.step() {
                return Some(made);
            }
        }
        None
    }

    fn warm(&mut self, spare: Prepared) {
        self.state().orders.push_back(Order::Warm(spare));
    }

    fn set_urgent(&mut self, _: bool) {}

    fn make_room(&mut self, spare: Option<Prepared>) {
        self.state().orders.push_back(Order::MakeRoom(spare.map(|spare| spare.number())));
    }

    fn retire(&mut self, segment: Segment) {
        self.adopt(segment.number());
    }

    fn quarantine(&mut self, id: u32, offset: usize, _: &[u8]) -> io::Result<()> {
        panic!("segment {id} is damaged at {offset}: no end of an engine damages what was durable");
    }

    fn write(
        &mut self,
        segment: &mut Segment,
        write: &mut Write,
        with_sync: bool,
    ) -> io::Result<()> {
        let mut state = self.state();
        let (from, until) = (write.range().start, write.range().end);
        let reached = match (state.ending, state.random.below(3)) {
            (None, _) | (Some(End::PowerLost), _) | (Some(End::Killed), 0) => until,
            (Some(End::Killed), 1) => from,
            (Some(End::Killed), _) => {
                let reached = from + state.random.below((until - from) as u64) as usize;
                from.max(reached / SECTOR_OCTETS * SECTOR_OCTETS)
            }
        };
        segment.settle(from, reached, reached == until);
        let mark =
            (reached + MARK_OCTETS).next_multiple_of(PAGE_OCTETS).min(segment.octets().len());
        let end = if reached == until { mark } else { reached };
        let is_durable = with_sync && state.ending.is_none();
        state.take(segment, from..end, is_durable);
        Ok(())
    }

    fn sync(&mut self, segment: &Segment) -> io::Result<()> {
        self.state().take(segment, 0..segment.octets().len(), true);
        Ok(())
    }

    fn discard(&mut self, segment: Segment) -> io::Result<()> {
        self.state().put_aside(segment.number());
        Ok(())
    }

    fn put_aside(&mut self, id: u32) -> io::Result<()> {
        panic!("nothing of segment {id} can be read: no end of an engine does that");
    }

    fn adopt(&mut self, id: u32) {
        self.state().orders.push_back(Order::PutAside(id));
    }
}
