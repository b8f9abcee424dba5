//! Whether the journals' files are still under their names while the engine runs. What is written
//! to a file without a name is durable on the device and gone with the process: nobody may be told
//! 0000 for it.
//!
//! A thread waits for the kernel's word that a name went (inotify), which comes within a fraction
//! of a millisecond, and looks ten times a second whether the directories are those that were
//! opened: one of a parent's names may have gone. What no thread can tell in time, a shard sees for
//! itself: after each commit, before an answer leaves, it asks whether a file that was written to
//! has a name at all. What remains is a file moved elsewhere a moment before a commit of records
//! ended.
//!
//! What follows is the shards' part: they take nothing more, and answer whoever waits that it could
//! not be made durable. The process goes on, because it alone still has what was accepted before:
//! that is delivered and notified.
//!
//! Never does: renaming or removing anything. The engine's own changes are told from others': it
//! renames a segment within its directory to `free-N.tmp`, and removes none under a segment's name.

use host::clock;
use host::threads::{END_WITHIN, join_by};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::factory::parse_segment_name;

/// How often the directories are looked at, and the longest that a rename waits for its other half.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const OTHER_HALF_WAIT: Duration = Duration::from_millis(2);
/// Octets of one reading of events.
const EVENTS_OCTETS: usize = 4096;

/// Whether the names of an engine's journals are all there. Once lost they stay lost until the next
/// start.
#[derive(Debug, Default)]
pub struct Names {
    lost: AtomicBool,
}

impl Names {
    /// A file or directory of the journals lost its name, or its place.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Whether that has happened.
    #[inline]
    pub fn are_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// A directory, as it was when the engine began, and whose names in it must stay.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
    keeps: fn(&str) -> bool,
    watch: Option<i32>,
}

/// The thread that looks. It ends with the engine.
#[derive(Debug)]
pub struct NamesWatch {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl NamesWatch {
    /// Begins to watch the data directory and these shards' directories in it.
    ///
    /// # Errors
    /// When a directory cannot be looked at, or the system gives no thread. A kernel that gives no
    /// events is none: then the directories alone are looked at.
    pub fn start(
        data_dir: &Path,
        shard_directories: &[PathBuf],
        names: Arc<Names>,
    ) -> io::Result<Self> {
        let mut places = vec![Place::of(data_dir, |name| name.starts_with("shard-"))?];
        for directory in shard_directories {
            places.push(Place::of(directory, |name| name == "journal")?);
            places.push(Place::of(&directory.join("journal"), |name| {
                parse_segment_name(name).is_some()
            })?);
        }
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        let events = events.inspect_err(|error| {
            tracing::debug!(%error, "names are looked at, and not watched");
        });
        let mut watcher = Watcher { places, events: events.ok(), half: None };
        watcher.watch_places();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("names-watch".into()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let loss = watcher.wait();
                if loss.is_some() {
                    names.lose();
                }
                if names.are_lost() {
                    return tell(loss.as_deref());
                }
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for NamesWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It only looks.
        if let Some(thread) = self.thread.take() {
            let _ = join_by(thread, clock::instant() + END_WITHIN);
        }
    }
}

/// The one line about it.
fn tell(what: Option<&str>) {
    tracing::error!(
        what = what.unwrap_or("a file of the journal"),
        "the data directory was deleted or moved while the engine runs: no push is accepted any \
         more (8003), what was accepted before is still delivered and notified, and nothing of it \
         outlives this process; let the queue drain, then stop the engine, put the directory back \
         from a backup or choose another, and start again"
    );
}

impl Place {
    fn of(path: &Path, keeps: fn(&str) -> bool) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
            keeps,
            watch: None,
        })
    }

    /// Whether its name leads to another directory, or nowhere. What cannot be asked is not taken
    /// for lost.
    fn is_lost(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(found) => (found.dev(), found.ino()) != (self.device, self.inode),
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
        }
    }
}

/// What an event says, as far as it matters.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Sign {
    /// A name that must stay went from this directory.
    Gone(String),
    /// The first half of a rename of such a name.
    MovedFrom {
        watch: i32,
        cookie: u32,
        name: String,
    },
    /// The second half of a rename of any.
    MovedTo {
        watch: i32,
        cookie: u32,
        name: String,
    },
    Nothing,
}

struct Watcher {
    places: Vec<Place>,
    events: Option<OwnedFd>,
    /// A name that went by a rename of which it is not known yet where to.
    half: Option<(i32, u32, String)>,
}

impl Watcher {
    fn watch_places(&mut self) {
        let Some(events) = &self.events else { return };
        let wanted = WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        for place in &mut self.places {
            place.watch = inotify::add_watch(events, &place.path, wanted).ok();
        }
    }

    /// Waits for a moment; what was lost meanwhile, if anything was.
    fn wait(&mut self) -> Option<String> {
        let limit = if self.half.is_some() { OTHER_HALF_WAIT } else { LOOK_INTERVAL };
        let has_events = match &self.events {
            Some(events) => {
                let limit = Timespec { tv_sec: 0, tv_nsec: limit.as_nanos() as i64 };
                poll(&mut [PollFd::new(events, PollFlags::IN)], Some(&limit))
                    .is_ok_and(|ready| ready > 0)
            }
            None => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the thread that watches names, without inotify"
                )]
                std::thread::sleep(limit);
                false
            }
        };
        if has_events {
            return self.signs().into_iter().find_map(|sign| self.judge(sign));
        }
        // Its other half would have come: it went to another directory.
        if let Some((_, _, name)) = self.half.take() {
            return Some(name);
        }
        self.places
            .iter()
            .find(|place| place.is_lost())
            .map(|place| place.path.display().to_string())
    }

    /// All that the kernel has to say now.
    fn signs(&self) -> Vec<Sign> {
        let Some(events) = &self.events else { return Vec::new() };
        let mut buffer = [MaybeUninit::uninit(); EVENTS_OCTETS];
        let mut reader = inotify::Reader::new(events, &mut buffer);
        let mut signs = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
                    signs.push(self.sign(event.wd(), event.events(), event.cookie(), name));
                }
                Err(Errno::INTR) => {}
                Err(_) => return signs,
            }
        }
    }

    fn sign(&self, watch: i32, events: ReadFlags, cookie: u32, name: Option<String>) -> Sign {
        let Some(place) = self.places.iter().find(|place| place.watch == Some(watch)) else {
            return Sign::Nothing;
        };
        if events.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT) {
            return Sign::Gone(place.path.display().to_string());
        }
        let Some(name) = name else { return Sign::Nothing };
        let path = || place.path.join(&name).display().to_string();
        if events.contains(ReadFlags::MOVED_TO) {
            Sign::MovedTo { watch, cookie, name }
        } else if !(place.keeps)(&name) {
            Sign::Nothing
        } else if events.contains(ReadFlags::MOVED_FROM) {
            Sign::MovedFrom { watch, cookie, name: path() }
        } else {
            Sign::Gone(path())
        }
    }

    /// What is lost by this sign, if anything is.
    fn judge(&mut self, sign: Sign) -> Option<String> {
        let half = self.half.take();
        match sign {
            Sign::MovedTo { watch, cookie, name } => match half {
                // The factory put a segment aside that is needed no more.
                Some((from, same, _))
                    if (from, same) == (watch, cookie) && name.starts_with("free-") =>
                {
                    None
                }
                half => half.map(|(_, _, lost)| lost),
            },
            Sign::MovedFrom { watch, cookie, name } => {
                self.half = Some((watch, cookie, name));
                half.map(|(_, _, lost)| lost)
            }
            Sign::Gone(name) => Some(name),
            Sign::Nothing => {
                self.half = half;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        root: tempfile::TempDir,
        names: Arc<Names>,
        _watch: NamesWatch,
    }

    impl Scene {
        /// A data directory of one shard with three segments, watched.
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a directory");
            let journal = root.path().join("data/shard-000/journal");
            fs::create_dir_all(&journal).expect("writable");
            (1..=3).for_each(|id| {
                fs::write(journal.join(format!("segment-{id:08}.log")), [0; 16]).expect("writable")
            });
            let names = Arc::new(Names::default());
            let data = root.path().join("data");
            let watch = NamesWatch::start(&data, &[data.join("shard-000")], Arc::clone(&names));
            Self { root, names, _watch: watch.expect("a thread") }
        }

        fn data(&self) -> PathBuf {
            self.root.path().join("data")
        }

        fn segment(&self, id: u32) -> PathBuf {
            self.data().join(format!("shard-000/journal/segment-{id:08}.log"))
        }

        fn are_lost_within(&self, limit: Duration) -> bool {
            let began = clock::instant();
            while !self.names.are_lost() && began.elapsed() < limit {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            self.names.are_lost()
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn whatever_takes_a_segments_name_away_is_noticed() {
        let losses: [fn(&Scene); 6] = [
            |scene| fs::remove_file(scene.segment(2)).expect("removed"),
            |scene| {
                fs::rename(scene.segment(2), scene.root.path().join("elsewhere")).expect("renamed")
            },
            |scene| {
                fs::rename(scene.segment(2), scene.segment(2).with_extension("old"))
                    .expect("renamed")
            },
            |scene| fs::rename(scene.data(), scene.root.path().join("moved")).expect("renamed"),
            |scene| fs::remove_dir_all(scene.data()).expect("removed"),
            |scene| {
                let shard = scene.data().join("shard-000");
                fs::rename(&shard, scene.data().join("old")).expect("renamed");
            },
        ];
        for (number, lose) in losses.into_iter().enumerate() {
            let scene = Scene::new();
            lose(&scene);
            assert!(scene.are_lost_within(LONG), "loss {number}");
        }
    }

    #[test]
    fn a_name_of_a_parent_that_went_is_noticed() {
        let root = tempfile::tempdir().expect("a directory");
        let data = root.path().join("above/data");
        fs::create_dir_all(data.join("shard-000/journal")).expect("writable");
        let names = Arc::new(Names::default());
        let _watch = NamesWatch::start(&data, &[data.join("shard-000")], Arc::clone(&names));
        fs::rename(root.path().join("above"), root.path().join("aside")).expect("renamed");
        let began = clock::instant();
        while !names.are_lost() && began.elapsed() < LONG {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        assert!(names.are_lost());
    }

    #[test]
    fn what_the_engine_does_with_its_files_is_no_loss() {
        let scene = Scene::new();
        let journal = scene.data().join("shard-000/journal");
        for id in 4..40 {
            let (fresh, free) =
                (journal.join("fresh-00000009.tmp"), journal.join("free-00000009.tmp"));
            fs::write(&fresh, [0; 16]).expect("writable");
            fs::rename(&fresh, scene.segment(id)).expect("taken into use");
            fs::rename(scene.segment(id), &free).expect("put aside");
            fs::rename(&free, scene.segment(id + 100)).expect("used again");
            fs::rename(scene.segment(id + 100), &free).expect("put aside");
            fs::remove_file(&free).expect("removed");
        }
        fs::write(scene.data().join("lock"), "1").expect("writable");
        fs::remove_file(scene.data().join("lock")).expect("removed");
        // Three looks at the directories' identities, and all events, have passed by then.
        assert!(!scene.are_lost_within(4 * LOOK_INTERVAL));
    }
}
