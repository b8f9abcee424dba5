//! Filling spare segments with zeros, a piece at a time: each is written in whole pages and synced
//! before the next, so that a commit which comes in between waits for one piece at most. Nothing is
//! ever read: what the system reads ahead of a reader queues before commits in the device, and a
//! commit writes whole pages, for which nothing has to be read either.
//!
//! A thread of its own fills, below every other of this process: at the lowest niceness, after
//! everybody else at the device, and with a rest after each piece. As soon as a journal is about to
//! run out of spares that thread gives what it has begun back, and the factory's own thread carries
//! it to its end, at normal priority and without rest: an append may wait for it. (The system lets
//! no thread take a higher priority than it gave itself: that is why there are two.)
//!
//! Never does: touching a file that a journal has in hand. Invariant: when [`Filler::fill`]
//! returns, nobody writes to the file any more.

use host::clock;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::limits::{FILL_PIECE_OCTETS, FILL_REST_MAX_US, FILL_REST_TIMES};
use super::memory::Memory;

/// How many journals are about to run out of spares, and whether the engine stops: what those who
/// fill look at between two pieces.
#[derive(Debug, Default)]
pub(super) struct Urgency {
    journals: AtomicUsize,
    stopping: AtomicBool,
}

impl Urgency {
    /// A journal is about to run out of spares.
    pub(super) fn begin(&self) {
        self.journals.fetch_add(1, Ordering::Relaxed);
    }

    /// It has some again, or is gone.
    pub(super) fn end(&self) {
        self.journals.fetch_sub(1, Ordering::Relaxed);
    }

    /// The engine stops: nothing is filled any more.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_urgent(&self) -> bool {
        self.journals.load(Ordering::Relaxed) > 0 || self.is_stopping()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A file that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    file: File,
    octets: usize,
    done: usize,
    /// The file, where it was used before: what of it the page cache holds need not be written
    /// again.
    held: Option<Memory>,
}

impl Filling {
    /// All of a new file.
    pub(super) fn of_new(file: File, octets: u32) -> Self {
        Self { file, octets: octets as usize, done: 0, held: None }
    }

    /// What of a file without records is not in the page cache; `memory` is all of it.
    pub(super) fn of_absent(file: File, memory: Memory) -> Self {
        Self { file, octets: memory.length(), done: 0, held: Some(memory) }
    }

    /// The file's octets, as they were handed over.
    pub(super) fn into_memory(self) -> Option<Memory> {
        self.held
    }

    /// Whether it can be used with what was written until now.
    fn may_stay_as_it_is(&self) -> bool {
        self.held.is_some()
    }

    /// Whether nothing was written yet.
    pub(super) fn is_at_its_beginning(&self) -> bool {
        self.done == 0
    }

    /// Writes the next piece, unless it is there; `false` when nothing is left.
    fn step(&mut self, zeros: &[u8]) -> io::Result<bool> {
        let piece = zeros.len().min(self.octets - self.done);
        let is_there = match &self.held {
            Some(memory) => memory.is_present(self.done, piece)?,
            None => false,
        };
        if !is_there && piece > 0 {
            self.file.write_all_at(&zeros[..piece], self.done as u64)?;
            // Piece by piece, past the page cache too: the device, or a virtual machine's host, has
            // a cache of its own, and one flush of a whole segment held commits up for 10 to 27 ms.
            self.file.sync_data()?;
        }
        self.done += piece;
        Ok(self.done < self.octets)
    }

    /// Writes to the end, or until `pause`, which is told how long the last piece took, says that
    /// it is enough.
    fn go_on(&mut self, zeros: &[u8], pause: impl Fn(Duration) -> bool) -> io::Result<()> {
        loop {
            let began = clock::instant();
            if !self.step(zeros)? || pause(clock::instant() - began) {
                return Ok(());
            }
        }
    }
}

/// The thread that fills in the background, and the way to it.
#[derive(Debug)]
pub(super) struct Filler {
    urgency: Arc<Urgency>,
    begun: Sender<Filling>,
    left: Receiver<(Filling, io::Result<()>)>,
    zeros: Memory,
    _thread: JoinHandle<()>,
}

impl Filler {
    /// Starts the thread, on other CPUs than `shard_cpus` where there are any.
    ///
    /// # Errors
    /// When the system gives no thread or no memory.
    pub(super) fn start(urgency: Arc<Urgency>, shard_cpus: Vec<usize>) -> io::Result<Self> {
        let (begun, inbox) = bounded::<Filling>(1);
        let (outbox, left) = bounded(1);
        let zeros = Memory::zeros_in_pages(FILL_PIECE_OCTETS)?;
        let (own_zeros, own_urgency) =
            (Memory::zeros_in_pages(FILL_PIECE_OCTETS)?, Arc::clone(&urgency));
        let thread =
            std::thread::Builder::new().name("segment-filler".into()).spawn(move || {
                host::cpus::leave_cpus(&shard_cpus);
                host::background::step_back();
                while let Ok(mut filling) = inbox.recv() {
                    let filled = filling.go_on(own_zeros.octets(), |took| rest(took, &own_urgency));
                    if outbox.send((filling, filled)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { urgency, begun, left, zeros, _thread: thread })
    }

    /// Fills all of it, and gives it back; one that was used before also as it is, where somebody
    /// waits.
    pub(super) fn fill(&self, filling: Filling) -> (Filling, io::Result<()>) {
        let (mut filling, filled) = match self.in_background(filling) {
            Ok(outcome) => outcome,
            Err(filling) => (filling, Ok(())),
        };
        if filled.is_err() || filling.done == filling.octets || filling.may_stay_as_it_is() {
            return (filling, filled);
        }
        let filled = filling.go_on(self.zeros.octets(), |_| self.urgency.is_stopping());
        match filled {
            Ok(()) if filling.done < filling.octets => {
                (filling, Err(io::ErrorKind::Interrupted.into()))
            }
            outcome => (filling, outcome),
        }
    }

    /// As much of it as is done before anybody waits for it; `Err` when somebody does already.
    fn in_background(&self, filling: Filling) -> Result<(Filling, io::Result<()>), Filling> {
        if self.urgency.is_urgent() {
            return Err(filling);
        }
        self.begun.send(filling).map_err(|refused| refused.0)?;
        match self.left.recv() {
            Ok(outcome) => Ok(outcome),
            Err(_) => unreachable!("the thread gives back what it was given"),
        }
    }
}

/// Rests after a piece; whether somebody waits.
fn rest(piece_took: Duration, urgency: &Urgency) -> bool {
    if !urgency.is_urgent() {
        #[expect(clippy::disallowed_methods, reason = "a thread of its own, which is to rest")]
        std::thread::sleep(
            (piece_took * FILL_REST_TIMES).min(Duration::from_micros(FILL_REST_MAX_US)),
        );
    }
    urgency.is_urgent()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    const OCTETS: u32 = 8 * FILL_PIECE_OCTETS as u32 + 4096;

    fn file_with(octets: &[u8]) -> File {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(octets, 0).expect("room");
        file
    }

    fn content(file: &File) -> Vec<u8> {
        let mut octets = vec![1; file.metadata().expect("a length").len() as usize];
        file.read_exact_at(&mut octets, 0).expect("all of it");
        octets
    }

    fn filler() -> (Arc<Urgency>, Filler) {
        let urgency = Arc::new(Urgency::default());
        let filler = Filler::start(Arc::clone(&urgency), Vec::new()).expect("a thread");
        (urgency, filler)
    }

    #[test]
    fn a_new_file_is_zeros_from_end_to_end_whoever_fills_it() {
        let (urgency, filler) = filler();
        for urgent in [false, true] {
            if urgent {
                urgency.begin();
            }
            let file = file_with(&[7; 100]);
            let (filling, filled) =
                filler.fill(Filling::of_new(file.try_clone().expect("a duplicate"), OCTETS));
            filled.expect("room");
            assert!(filling.into_memory().is_none());
            assert!(content(&file) == vec![0; OCTETS as usize], "urgent: {urgent}");
        }
    }

    #[test]
    fn what_the_page_cache_holds_of_a_used_file_is_not_written_again() {
        let (_urgency, filler) = filler();
        let file = file_with(&vec![7; OCTETS as usize]);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file)))
            .expect("the same file");
        let memory = Memory::map(&file).expect("a mapping");
        let all_there = memory.is_present(0, OCTETS as usize).expect("an answer");
        let (filling, filled) =
            filler.fill(Filling::of_absent(file.try_clone().expect("a duplicate"), memory));
        filled.expect("room");
        assert!(filling.into_memory().is_some());
        assert!(
            !all_there || content(&file) == vec![7; OCTETS as usize],
            "it was just written: it is there"
        );
    }

    #[test]
    fn what_is_in_the_background_is_given_up_as_soon_as_somebody_waits() {
        let (urgency, _filler) = filler();
        let zeros = vec![0; FILL_PIECE_OCTETS];
        let mut filling = Filling::of_new(file_with(&[]), OCTETS);
        let pieces = std::cell::Cell::new(0);
        let until_the_third = |took| {
            pieces.set(pieces.get() + 1);
            if pieces.get() == 3 {
                urgency.begin();
            }
            rest(took, &urgency)
        };
        filling.go_on(&zeros, until_the_third).expect("room");
        assert_eq!((pieces.get(), filling.done), (3, 3 * FILL_PIECE_OCTETS));
    }

    #[test]
    fn a_stop_ends_what_is_being_filled() {
        let (urgency, filler) = filler();
        urgency.stop();
        let (filling, filled) = filler.fill(Filling::of_new(file_with(&[]), OCTETS));
        assert!(filled.is_err() && filling.done <= FILL_PIECE_OCTETS);
    }
}
