//! A disk that exists in memory twice: as the file system shows it and as the device holds it. The
//! loss of power keeps any subset of the pages that were not synced, and tears some of them at
//! sectors; the death of the process keeps all that was written, and the beginning of each write
//! that was under way. Files come and go in the steps of the real factory, each of which a crash
//! may come before; syncs and renames may fail, and room runs out and comes back.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::super::commit::Commit;
use super::super::limits::{HEADER_PAGE_OCTETS, RECYCLED_FILES_MAX};
use super::super::log::Journal;
use super::super::memory::Memory;
use super::super::segment::Segment;
use super::super::storage::FactoryError;
use super::super::storage::{Found, Prepared, Storage};
use crate::journal::error::JournalError;
use crate::journal::write::Write;

pub(super) const PAGE_OCTETS: usize = 4096;
const SECTOR_OCTETS: usize = 512;

/// A small generator (splitmix64): every history follows from its seed.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Crash {
    /// The process dies: what it stored is there.
    Kill,
    /// Power goes: what was synced is there, and some of the rest.
    Power,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<State>>);

struct State {
    random: Random,
    /// Files that fit on the device.
    files_max: usize,
    /// Whether the factory may be late; it never is where a test counts on it.
    lazy: bool,
    /// How many more syncs and renames of recovery succeed; the next one fails.
    fails_after: Option<u32>,
    /// What the device holds under each segment's name.
    names: BTreeMap<u32, Vec<u8>>,
    /// Files put aside.
    free: Vec<Vec<u8>>,
    orders: VecDeque<Order>,
}

enum Order {
    Retire { id: u32, memory: Option<Memory> },
    Make { id: u32, octets: u32, warm: bool },
    Warm { spare: Prepared },
    MakeRoom { spare: Option<u32> },
}

impl Disk {
    pub(super) fn new(seed: u64, files_max: usize, lazy: bool) -> Self {
        let random = Random::new(seed);
        let (names, free, orders) = Default::default();
        let fails_after = None;
        Self(Arc::new(Mutex::new(State {
            random,
            files_max,
            lazy,
            fails_after,
            names,
            free,
            orders,
        })))
    }

    pub(super) fn supply(&self) -> Box<dyn Storage> {
        Box::new(self.clone())
    }

    pub(super) fn set_files_max(&self, files_max: usize) {
        self.state().files_max = files_max;
    }

    /// The device takes so many more syncs and renames that somebody waits for, and fails the one
    /// behind them.
    pub(super) fn fail_after(&self, operations: Option<u32>) {
        self.state().fails_after = operations;
    }

    /// As [`Self::sync`] that fails: the device got the first of the writes, and of the others
    /// nobody knows what.
    pub(super) fn fail_sync(&self, journal: &mut Journal, commit: &Commit) {
        let whole = self.state().random.below(commit.writes.len().max(1) as u64) as usize;
        self.sync_writes(journal, &commit.writes[..whole]);
    }

    /// Files on the device, whatever their names.
    pub(super) fn files(&self) -> usize {
        let state = self.state();
        state.names.len() + state.free.len()
    }

    /// The file system takes what the commit names, and the device too.
    pub(super) fn sync(&self, journal: &mut Journal, commit: &Commit) {
        self.sync_writes(journal, &commit.writes);
    }

    fn sync_writes(&self, journal: &mut Journal, writes: &[Write]) {
        for write in writes {
            let segment = segment_of(journal, write);
            segment.settle(write.from, write.until, true);
            self.state().names.insert(write.segment, segment.memory.octets().to_vec());
        }
    }

    /// Some of a commit under way reaches the file system.
    pub(super) fn write_something(&self, journal: &mut Journal, commit: &Commit) {
        for write in &commit.writes {
            let octets = (write.until - write.from) as u64;
            let until = write.from + self.state().random.below(octets + 1) as usize;
            let until = until / SECTOR_OCTETS * SECTOR_OCTETS;
            segment_of(journal, write).settle(write.from, until.max(write.from), false);
        }
    }

    /// The kernel writes back a page nobody asked it to.
    pub(super) fn write_back_something(&self, journal: &Journal) {
        let mut state = self.state();
        let index = state.random.below(journal.segments.len() as u64) as usize;
        let segment = &journal.segments[index];
        let live = segment.memory.octets();
        let page = state.random.below((live.len() / PAGE_OCTETS) as u64) as usize * PAGE_OCTETS;
        let device = state.names.get_mut(&segment.header.id).expect("a segment in use has a name");
        device[page..page + PAGE_OCTETS].copy_from_slice(&live[page..page + PAGE_OCTETS]);
    }

    /// Ends the run, with this commit under way: what the next one finds. Orders that the factory
    /// had not carried out are forgotten.
    pub(super) fn crash(
        &self,
        mut journal: Journal,
        commit: Option<Commit>,
        crash: Crash,
    ) -> Vec<Found> {
        let mut state = self.state();
        for write in commit.iter().flat_map(|commit| &commit.writes) {
            let (from, until) = (write.from, write.until);
            let reached = match (crash, state.random.below(3)) {
                // Which of its pages reach the device is chosen below.
                (Crash::Power, _) | (Crash::Kill, 0) => until,
                (Crash::Kill, 1) => from,
                (Crash::Kill, _) => {
                    let reached = from + state.random.below((until - from) as u64) as usize;
                    from.max(reached / SECTOR_OCTETS * SECTOR_OCTETS)
                }
            };
            segment_of(&mut journal, write).settle(from, reached, reached == until);
        }
        let mut keep = state.random.clone();
        let found =
            self.crash_keeping(&mut state, journal, crash, &mut |_, _| match keep.below(3) {
                0 => 0,
                1 => u8::MAX,
                _ => keep.next() as u8,
            });
        state.random.next();
        found
    }

    /// What the next run finds when this one ended while it was recovering: nothing of that had
    /// reached the device but what was waited for.
    pub(super) fn found(&self) -> Vec<Found> {
        let mut state = self.state();
        state.orders.clear();
        let copies = state.names.iter().map(|(id, device)| Found {
            id: *id,
            memory: Memory::copied_from(device, device.len()),
            file: None,
        });
        copies.collect()
    }

    /// As [`Self::crash`], with `choose` deciding for each dirty page (segment, offset) of a loss
    /// of power: bit n says whether its sector n is kept.
    pub(super) fn crash_choosing(
        &self,
        mut journal: Journal,
        commit: Option<Commit>,
        choose: &mut dyn FnMut(u32, usize) -> u8,
    ) -> Vec<Found> {
        for write in commit.iter().flat_map(|commit| &commit.writes) {
            segment_of(&mut journal, write).settle(write.from, write.until, true);
        }
        self.crash_keeping(&mut self.state(), journal, Crash::Power, choose)
    }

    fn crash_keeping(
        &self,
        state: &mut State,
        journal: Journal,
        crash: Crash,
        choose: &mut dyn FnMut(u32, usize) -> u8,
    ) -> Vec<Found> {
        let mut live: BTreeMap<u32, Memory> = BTreeMap::new();
        live.extend(
            journal.segments.into_iter().map(|segment| (segment.header.id, segment.memory)),
        );
        live.extend(journal.spares.into_iter().map(|spare| (spare.id, spare.memory)));
        for order in state.orders.drain(..) {
            match order {
                Order::Retire { id, memory: Some(memory) }
                | Order::Warm { spare: Prepared { id, memory, .. } } => {
                    drop(live.insert(id, memory))
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        for (id, device) in &mut state.names {
            if crash == Crash::Power
                && let Some(memory) = live.remove(id)
            {
                lose(*id, memory.octets(), device, choose);
            }
            let memory =
                live.remove(id).unwrap_or_else(|| Memory::copied_from(device, device.len()));
            found.push(Found { id: *id, memory, file: None });
        }
        found
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the disk")
    }
}

fn segment_of<'a>(journal: &'a mut Journal, write: &Write) -> &'a mut Segment {
    let index = journal.segment_index(write.segment).expect("a segment under commit is in use");
    &mut journal.segments[index]
}

/// Brings to the device what it keeps of the pages that differ.
fn lose(id: u32, live: &[u8], device: &mut [u8], choose: &mut dyn FnMut(u32, usize) -> u8) {
    for at in (0..live.len()).step_by(PAGE_OCTETS) {
        let (page, held) = (&live[at..at + PAGE_OCTETS], &mut device[at..at + PAGE_OCTETS]);
        if page == &*held {
            continue;
        }
        let kept = choose(id, at);
        for sector in (0..PAGE_OCTETS / SECTOR_OCTETS).filter(|sector| kept >> sector & 1 == 1) {
            let octets = sector * SECTOR_OCTETS..(sector + 1) * SECTOR_OCTETS;
            held[octets.clone()].copy_from_slice(&page[octets]);
        }
    }
}

impl State {
    /// An operation that somebody waits for.
    fn operate(&mut self) -> std::io::Result<()> {
        match &mut self.fails_after {
            Some(0) => Err(std::io::Error::from_raw_os_error(libc::EIO)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Carries out the oldest order; what a journal is to be told of it.
    fn step(&mut self) -> Option<Result<Prepared, FactoryError>> {
        match self.orders.pop_front()? {
            Order::Retire { id, memory } => {
                let device = self.names.remove(&id).expect("only what has a name is retired");
                if self.free.len() < RECYCLED_FILES_MAX {
                    self.free.push(memory.map_or(device, |memory| memory.octets().to_vec()));
                }
                None
            }
            Order::Make { id, octets, warm } => Some(self.make(id, octets, warm)),
            Order::MakeRoom { spare } => {
                spare.and_then(|id| self.names.remove(&id));
                self.free.clear();
                None
            }
            Order::Warm { spare } => Some(Ok(Prepared { warm: true, ..spare })),
        }
    }

    fn make(&mut self, id: u32, octets: u32, warm: bool) -> Result<Prepared, FactoryError> {
        let mut content = match self.free.pop() {
            Some(content) => content,
            None if self.names.len() >= self.files_max => {
                let directory = PathBuf::from("simulated");
                return Err(FactoryError { directory, reason: "no space left".into(), full: true });
            }
            None => vec![0; octets as usize],
        };
        content[..2 * HEADER_PAGE_OCTETS].fill(0);
        let memory = Memory::copied_from(&content, content.len());
        self.names.insert(id, content);
        Ok(Prepared { id, memory, file: None, warm })
    }
}

impl Storage for Disk {
    fn find(&mut self) -> Result<Vec<Found>, JournalError> {
        Ok(self.found())
    }

    fn order(&mut self, id: u32, octets: u32, warm: bool) {
        self.state().orders.push_back(Order::Make { id, octets, warm });
    }

    fn collect(&mut self, wait: Duration) -> Option<Result<Prepared, FactoryError>> {
        let mut state = self.state();
        if wait.is_zero() && state.lazy && state.random.once_in(2) {
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
        self.state().orders.push_back(Order::Warm { spare });
    }

    fn set_urgent(&mut self, _: bool) {}

    fn make_room(&mut self, spare: Option<Prepared>) {
        self.state().orders.push_back(Order::MakeRoom { spare: spare.map(|spare| spare.id) });
    }

    fn retire(&mut self, segment: Segment) {
        let (id, memory) = (segment.header.id, Some(segment.memory));
        self.state().orders.push_back(Order::Retire { id, memory });
    }

    fn quarantine(&mut self, _: u32, _: usize, _: &[u8]) -> std::io::Result<()> {
        panic!("power does not damage what is durable");
    }

    fn discard(&mut self, segment: Segment) -> std::io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.names.remove(&segment.header.id).expect("only what has a name is put aside");
        if state.free.len() < RECYCLED_FILES_MAX {
            state.free.push(segment.memory.octets().to_vec());
        }
        Ok(())
    }

    fn write(
        &mut self,
        segment: &mut Segment,
        write: &mut Write,
        with_sync: bool,
    ) -> std::io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        segment.settle(write.from, write.until, true);
        if with_sync {
            state.names.insert(segment.header.id, segment.memory.octets().to_vec());
        }
        Ok(())
    }

    fn sync(&mut self, segment: &Segment) -> std::io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.names.insert(segment.header.id, segment.memory.octets().to_vec());
        Ok(())
    }

    fn put_aside(&mut self, _: u32) -> std::io::Result<()> {
        panic!("power leaves no segment of which nothing can be read");
    }

    fn adopt(&mut self, id: u32) {
        self.state().orders.push_back(Order::Retire { id, memory: None });
    }
}

/// Where simulated journals say they are.
pub(super) fn nowhere() -> &'static Path {
    Path::new("simulated")
}
