//! The segment factory: one thread that makes segments ahead of need, so that no shard ever waits
//! for a disk to take a fresh file. It creates, has them zero-filled by writing (`filling`; extents
//! that were only allocated commit ten times slower), syncs file and directory, maps, and hands
//! over. Retired files are taken back, renamed and used again. A spare that is used next is given
//! back for a moment, and comes again with its pages in memory.
//!
//! A file's way through its names, each step synced before the next begins: `fresh-N.tmp` (being
//! zero-filled) or `free-N.tmp` (retired, old content) → `segment-N.log` (header page zero) → in
//! use → `free-N.tmp` → … What has a `.tmp` name after a crash holds nothing that is needed.
//!
//! Never does: touching a segment in use or a spare that a journal has in hand, deciding when one
//! is retired. Invariant: of one directory, files are retired in the order given, each synced
//! before the next is touched: a crash never leaves a record on disk whose end, in a later segment,
//! is gone already.

use host::clock;
use host::directory::sync_directory;
use host::threads::{END_WITHIN, join_by};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::filling::{Filler, Filling, Urgency};
use super::limits::{
    FACTORY_ORDERS_MAX, HEADER_PAGE_OCTETS, ORDERED_MAX, RECYCLED_FILES_MAX,
    SEGMENT_GRANULE_OCTETS, SEGMENT_OCTETS_MAX,
};
use super::memory::Memory;
use super::segment::Segment;
use super::storage::{FactoryError, Found, Prepared, Storage};
use crate::journal::error::JournalError;
use crate::journal::write::Write;
use crate::testing::kill_points::{KillPoint, kill_point};

/// Makes segments for every journal of an engine, on threads of its own. Dropping it ends them;
/// journals must not outlive it by more than their spares last.
#[derive(Debug)]
pub struct SegmentFactory {
    orders: Option<Sender<Order>>,
    urgency: Arc<Urgency>,
    worker: Option<JoinHandle<()>>,
}

impl SegmentFactory {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Self> {
        Self::start_off(Vec::new())
    }

    /// As [`Self::start`], on other CPUs than `shard_cpus` where this process may use others:
    /// filling a segment with zeros is a third of the work of accepting into it, and no shard's
    /// business.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_off(shard_cpus: Vec<usize>) -> io::Result<Self> {
        let (orders, inbox) = bounded(FACTORY_ORDERS_MAX);
        let urgency = Arc::new(Urgency::default());
        let filler = Filler::start(Arc::clone(&urgency), shard_cpus.clone())?;
        let worker =
            std::thread::Builder::new().name("segment-factory".into()).spawn(move || {
                host::cpus::leave_cpus(&shard_cpus);
                Worker { pools: BTreeMap::new(), filler }.run(&inbox);
            })?;
        Ok(Self { orders: Some(orders), urgency, worker: Some(worker) })
    }

    /// The storage of the journal in `directory`, with a line to the factory.
    pub fn storage(&self, directory: &Path) -> FileStorage {
        let Some(orders) = self.orders.clone() else {
            unreachable!("the line is cut only by dropping the factory")
        };
        let (reply, replies) = bounded(ORDERED_MAX + 1);
        FileStorage {
            directory: Arc::from(directory),
            orders,
            backlog: VecDeque::new(),
            reply,
            replies,
            urgency: Arc::clone(&self.urgency),
            is_urgent: false,
        }
    }
}

impl Drop for SegmentFactory {
    fn drop(&mut self) {
        if let (Some(orders), Some(worker)) = (self.orders.take(), self.worker.take()) {
            let deadline = clock::instant() + END_WITHIN;
            self.urgency.stop();
            // Journals may still hold lines of their own: the stop order ends the thread all the
            // same.
            let _ = orders.send_deadline(Order::Stop, deadline);
            drop(orders);
            // What it has in hand is room, and no record.
            if !join_by(worker, deadline) {
                tracing::warn!("the device does not answer: a journal segment is left half made");
            }
        }
    }
}

/// A journal's directory, with new files from a [`SegmentFactory`].
pub struct FileStorage {
    directory: Arc<Path>,
    orders: Sender<Order>,
    /// Orders that found the line full, in order.
    backlog: VecDeque<Order>,
    reply: Sender<Result<Prepared, FactoryError>>,
    replies: Receiver<Result<Prepared, FactoryError>>,
    urgency: Arc<Urgency>,
    is_urgent: bool,
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        self.set_urgent(false);
    }
}

enum Order {
    Make {
        directory: Arc<Path>,
        id: u32,
        octets: u32,
        warm: bool,
        reply: Sender<Result<Prepared, FactoryError>>,
    },
    Warm {
        spare: Prepared,
        reply: Sender<Result<Prepared, FactoryError>>,
    },
    Retire {
        directory: Arc<Path>,
        path: PathBuf,
        memory: Option<Memory>,
    },
    MakeRoom {
        directory: Arc<Path>,
        spare: Option<Prepared>,
    },
    Stop,
}

impl FileStorage {
    /// A file without records goes back to the factory.
    fn take_back(&mut self, path: PathBuf) {
        let directory = self.directory.clone();
        self.send(Order::Retire { directory, path, memory: None });
    }

    fn send(&mut self, order: Order) {
        self.backlog.push_back(order);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(order) = self.backlog.pop_front() {
            match self.orders.try_send(order) {
                Ok(()) => {}
                Err(TrySendError::Full(order)) => {
                    self.backlog.push_front(order);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }
}

impl FileStorage {
    fn wait_for_reply(&mut self, wait: Duration) -> Option<Result<Prepared, FactoryError>> {
        let mut left = wait;
        while !left.is_zero() {
            let slice = left.min(WAIT_SLICE);
            match self.replies.recv_timeout(slice) {
                Ok(reply) => return Some(reply),
                Err(RecvTimeoutError::Timeout) => left -= slice,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            self.flush();
        }
        None
    }
}

/// How often a waiting journal looks whether orders that found the line full can go out now.
const WAIT_SLICE: Duration = Duration::from_millis(5);

impl Storage for FileStorage {
    fn find(&mut self) -> Result<Vec<Found>, JournalError> {
        let directory = Arc::clone(&self.directory);
        let io_error = |path: &Path| {
            let path = path.to_path_buf();
            move |source| JournalError::Io { path, source }
        };
        if !directory.is_dir() {
            fs::create_dir_all(&directory).map_err(io_error(&directory))?;
            if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty())
            {
                sync_directory(parent).map_err(io_error(parent))?;
            }
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&directory).map_err(io_error(&directory))? {
            let path = entry.map_err(io_error(&directory))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(".tmp") && (name.starts_with("free-") || name.starts_with("fresh-")) {
                self.take_back(path);
            } else if let Some(id) = parse_segment_name(name) {
                found.extend(find_segment(id, &path).map_err(io_error(&path))?);
            }
        }
        Ok(found)
    }

    fn order(&mut self, id: u32, octets: u32, warm: bool) {
        let (directory, reply) = (self.directory.clone(), self.reply.clone());
        self.send(Order::Make { directory, id, octets, warm, reply });
    }

    fn collect(&mut self, wait: Duration) -> Option<Result<Prepared, FactoryError>> {
        self.flush();
        if let Ok(reply) = self.replies.try_recv() {
            return Some(reply);
        }
        let was_urgent = self.is_urgent;
        self.set_urgent(!wait.is_zero() || was_urgent);
        let reply = self.wait_for_reply(wait);
        self.set_urgent(was_urgent);
        reply
    }

    fn warm(&mut self, spare: Prepared) {
        let reply = self.reply.clone();
        self.send(Order::Warm { spare, reply });
    }

    fn set_urgent(&mut self, is_urgent: bool) {
        match (self.is_urgent, is_urgent) {
            (false, true) => self.urgency.begin(),
            (true, false) => self.urgency.end(),
            _ => {}
        }
        self.is_urgent = is_urgent;
    }

    fn make_room(&mut self, spare: Option<Prepared>) {
        let directory = self.directory.clone();
        self.send(Order::MakeRoom { directory, spare });
    }

    fn retire(&mut self, segment: Segment) {
        let path = self.directory.join(segment_name(segment.header.id));
        let directory = self.directory.clone();
        self.send(Order::Retire { directory, path, memory: Some(segment.memory) });
    }

    fn quarantine(&mut self, id: u32, offset: usize, octets: &[u8]) -> io::Result<()> {
        fs::write(self.directory.join(format!("damaged-{id:08}-{offset:08x}.bin")), octets)?;
        sync_directory(&self.directory)
    }

    fn discard(&mut self, segment: Segment) -> io::Result<()> {
        let id = segment.header.id;
        drop(segment);
        let free = self.directory.join(free_name(id));
        fs::rename(self.directory.join(segment_name(id)), &free)?;
        sync_directory(&self.directory)?;
        self.take_back(free);
        Ok(())
    }

    fn write(&mut self, _: &mut Segment, write: &mut Write, with_sync: bool) -> io::Result<()> {
        // SAFETY: the journal has this done of a commit that it has begun and not finished.
        unsafe { write.carry_out(with_sync) }
    }

    fn sync(&mut self, segment: &Segment) -> io::Result<()> {
        segment.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    fn put_aside(&mut self, id: u32) -> io::Result<()> {
        let path = self.directory.join(segment_name(id));
        if path.exists() { fs::rename(&path, path.with_extension("damaged")) } else { Ok(()) }
    }

    fn adopt(&mut self, id: u32) {
        self.take_back(self.directory.join(segment_name(id)));
    }
}

/// The segment in a file of this name; `None` where it is put aside, having a size that no segment
/// has.
fn find_segment(id: u32, path: &Path) -> io::Result<Option<Found>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let octets = file.metadata()?.len();
    let granule = u64::from(SEGMENT_GRANULE_OCTETS);
    if octets < 2 * granule
        || !octets.is_multiple_of(granule)
        || octets > u64::from(SEGMENT_OCTETS_MAX)
    {
        tracing::warn!(file = %path.display(), octets, "not the size of a segment: put aside");
        fs::rename(path, path.with_extension("damaged"))?;
        return Ok(None);
    }
    let memory = Memory::map(&file)?;
    Ok(Some(Found { id, memory, file: Some(file) }))
}

/// The thread's state: the free files of each directory, and who fills new ones.
struct Worker {
    pools: BTreeMap<Arc<Path>, VecDeque<PathBuf>>,
    filler: Filler,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Order>) {
        while let Ok(order) = inbox.recv() {
            match order {
                Order::Make { directory, id, octets, warm, reply } => {
                    let outcome =
                        self.make(&directory, id, octets, warm).map_err(|error| FactoryError {
                            directory: directory.to_path_buf(),
                            reason: error.to_string(),
                            full: error.kind() == io::ErrorKind::StorageFull
                                || error.kind() == io::ErrorKind::QuotaExceeded,
                        });
                    // A journal that is gone leaves its segment on disk as a spare for the next
                    // start.
                    let _ = reply.try_send(outcome);
                }
                Order::Warm { spare, reply } => {
                    let _ = reply.try_send(Ok(self.warm(spare)));
                }
                Order::Retire { directory, path, memory } => {
                    drop(memory);
                    if let Err(error) = self.take_back(&directory, &path) {
                        tracing::warn!(
                            file = %path.display(),
                            %error,
                            "a retired journal segment could not be put aside"
                        );
                    }
                }
                Order::MakeRoom { directory, spare } => {
                    let spare = spare.map(|spare| spare.id);
                    if let Err(error) = self.make_room(&directory, spare) {
                        let directory = directory.display();
                        tracing::warn!(
                            %directory,
                            %error,
                            "a spare journal segment could not be removed"
                        );
                    }
                }
                Order::Stop => return,
            }
        }
    }

    /// Removes a spare without records, and the files that are kept for use again. A segment never
    /// goes under its own name: whoever watches the names would take it for lost.
    fn make_room(&mut self, directory: &Arc<Path>, spare: Option<u32>) -> io::Result<()> {
        let mut kept = self.pools.remove(directory).unwrap_or_default();
        if let Some(id) = spare {
            let free = directory.join(free_name(id));
            fs::rename(directory.join(segment_name(id)), &free)?;
            kept.push_back(free);
        }
        kept.into_iter().try_for_each(fs::remove_file)?;
        sync_directory(directory)
    }

    fn make(
        &mut self,
        directory: &Arc<Path>,
        id: u32,
        octets: u32,
        warm: bool,
    ) -> io::Result<Prepared> {
        let name = directory.join(segment_name(id));
        let (file, is_warm) = match self.recycle(directory, octets)? {
            Some((file, path)) => {
                fs::rename(path, &name)?;
                kill_point(KillPoint::RecycleRenamed);
                (file, false)
            }
            None => {
                let path = directory.join(format!("fresh-{id:08}.tmp"));
                let created = self.create_zero_filled(&path, octets, warm).inspect_err(|_| {
                    let _ = fs::remove_file(&path);
                })?;
                kill_point(KillPoint::FreshFilled);
                fs::rename(path, &name)?;
                created
            }
        };
        sync_directory(directory)?;
        let memory = Memory::map(&file)?;
        let spare = Prepared { id, memory, file: Some(file), warm: is_warm };
        Ok(if warm && !is_warm { self.warm(spare) } else { spare })
    }

    /// Brings a spare's pages into memory by writing them, where they are not there already as
    /// those of a recycled one mostly are. Without them a commit goes on as well, and takes longer.
    fn warm(&self, spare: Prepared) -> Prepared {
        let Prepared { id, memory, file: Some(file), .. } = spare else { return spare };
        let (filling, filled) = match file.try_clone() {
            Ok(duplicate) => self.filler.fill(Filling::of_absent(duplicate, memory)),
            Err(error) => {
                tracing::debug!(segment = id, %error, "a spare journal segment is used as it is");
                return Prepared { id, memory, file: Some(file), warm: true };
            }
        };
        if let Err(error) = filled {
            tracing::debug!(segment = id, %error, "a spare journal segment is used as it is");
        }
        let Some(memory) = filling.into_memory() else {
            unreachable!("it was given with its octets")
        };
        Prepared { id, memory, file: Some(file), warm: true }
    }

    /// A file of zeros on the device, and whether its pages are in memory. Where they need not be,
    /// the zeros go to the device past the page cache, if the file system can do that: pages full
    /// of zeros that nobody reads would take as much memory as all the records, and ten times the
    /// processor time (10 µs a page instead of 0.4 on a virtual machine whose memory is touched for
    /// the first time; ext4, Linux 6.18).
    fn create_zero_filled(&self, path: &Path, octets: u32, warm: bool) -> io::Result<(File, bool)> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        allocate(&file, octets)?;
        let is_warm = warm || !self.fill_directly(path, octets)?;
        if is_warm {
            self.filler.fill(Filling::of_new(file.try_clone()?, octets)).1?;
        }
        file.sync_all()?;
        Ok((file, is_warm))
    }

    /// Past the page cache; `false` where the file system has no way there.
    fn fill_directly(&self, path: &Path, octets: u32) -> io::Result<bool> {
        let refuses = |error: &io::Error| error.kind() == io::ErrorKind::InvalidInput;
        let file = match OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path) {
            Err(error) if refuses(&error) => return Ok(false),
            opened => opened?,
        };
        match self.filler.fill(Filling::of_new(file, octets)) {
            (filling, Err(error)) if filling.is_at_its_beginning() && refuses(&error) => Ok(false),
            (_, filled) => filled.map(|()| true),
        }
    }

    /// A free file of the right size with its header page cleared, if there is one.
    fn recycle(
        &mut self,
        directory: &Arc<Path>,
        octets: u32,
    ) -> io::Result<Option<(File, PathBuf)>> {
        while let Some(path) = self.pools.get_mut(directory).and_then(VecDeque::pop_front) {
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            if file.metadata()?.len() == u64::from(octets) {
                file.write_all_at(&[0; 2 * HEADER_PAGE_OCTETS], 0)?;
                kill_point(KillPoint::RecycleCleared);
                file.sync_data()?;
                kill_point(KillPoint::RecycleSynced);
                return Ok(Some((file, path)));
            }
            fs::remove_file(&path)?;
        }
        Ok(None)
    }

    /// Renames a retired file out of the way, durably, and keeps it for reuse if there are not
    /// enough already.
    fn take_back(&mut self, directory: &Arc<Path>, path: &Path) -> io::Result<()> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let free = match parse_segment_name(name) {
            Some(id) => {
                let free = directory.join(free_name(id));
                fs::rename(path, &free)?;
                kill_point(KillPoint::Retired);
                free
            }
            None => path.to_path_buf(),
        };
        let pool = self.pools.entry(directory.clone()).or_default();
        if name.starts_with("fresh-") || pool.len() >= RECYCLED_FILES_MAX {
            fs::remove_file(&free)?;
        } else {
            pool.push_back(free);
        }
        sync_directory(directory)
    }
}

/// The name of the segment with this number.
pub(super) fn segment_name(id: u32) -> String {
    format!("segment-{id:08}.log")
}

fn free_name(id: u32) -> String {
    format!("free-{id:08}.tmp")
}

/// The number in a segment's file name.
pub(super) fn parse_segment_name(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".log")?;
    (digits.len() >= 8 && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// Takes the room all at once, so that it lies together and a device that is full says so at once.
/// A file system that cannot do it takes the room as it is written.
fn allocate(file: &File, octets: u32) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, u64::from(octets)) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCTETS: u32 = 4 << 20;
    /// What `statfs(2)` calls the file system that is nothing but memory.
    const TMPFS_MAGIC: u64 = 0x0102_1994;

    fn worker() -> Worker {
        let filler = Filler::start(Arc::default(), Vec::new()).expect("a thread");
        Worker { pools: BTreeMap::new(), filler }
    }

    fn is_present(spare: &Prepared) -> bool {
        spare.memory.is_present(0, spare.memory.length()).expect("a mapping")
    }

    #[test]
    fn a_new_spare_takes_no_memory_until_it_is_wanted_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let place: Arc<Path> = Arc::from(directory.path());
        let mut worker = worker();
        let spare = worker.make(&place, 1, OCTETS, false).expect("room");
        let file = spare.file.as_ref().expect("a file");
        let kind = rustix::fs::fstatfs(file).expect("a file system").f_type as u64;
        if kind == TMPFS_MAGIC || spare.warm {
            return println!("skipped: no way past the page cache here");
        }
        assert!(!is_present(&spare));
        let spare = worker.warm(spare);
        assert!(is_present(&spare) && spare.warm);
        assert!(spare.memory.octets().iter().all(|&octet| octet == 0));
        let spare = worker.make(&place, 2, OCTETS, true).expect("room");
        assert!(is_present(&spare) && spare.warm);
    }

    #[test]
    fn octets_of_this_process_that_a_device_has_read_stay_none_while_spares_are_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let place: Arc<Path> = Arc::from(directory.path());
        let mut worker = worker();
        let read_octets = || -> u64 {
            let told = fs::read_to_string("/proc/self/io").unwrap_or_default();
            let line = told.lines().find_map(|line| line.strip_prefix("read_bytes: "));
            line.and_then(|octets| octets.parse().ok()).unwrap_or(0)
        };
        let before = read_octets();
        let spare = worker.make(&place, 1, OCTETS, false).expect("room");
        drop(worker.warm(spare));
        // Other tests of this process may read files meanwhile, none of them a segment's length.
        assert!(read_octets() - before < u64::from(OCTETS) / 2, "spares are written, never read");
    }
}
