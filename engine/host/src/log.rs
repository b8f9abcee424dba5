//! What a process that serves says: log lines, notes and last words.
//!
//! A line goes into a bounded queue and is written by a thread of its own, one for each stream.
//! Whoever says something never waits for the output and never fails by it: a line that finds no
//! room, or that the output does not take, is dropped and counted ([`lines_dropped`]), and the next
//! line that the output takes is followed by one that says how many. The locks of `std::io` are
//! never held here, so a thread that stands in a write holds up no other.
//!
//! Never here: what a command was asked for, which is `cli::output`'s; it waits for its reader as
//! every program does.

use crate::clock;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Lines that may wait for a stream.
const LINES_MAX: usize = 4096;
/// Octets that may wait for a stream.
const OCTETS_MAX: usize = 1 << 20;
/// How long the end of a process waits for what was said before, and as long again for its last
/// words.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(250);

/// Where something is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// What a person or a script asked for.
    Stdout,
    /// Everything else.
    Stderr,
}

static STDOUT: OnceLock<Option<Lines>> = OnceLock::new();
static STDERR: OnceLock<Option<Lines>> = OnceLock::new();
/// Lines that were dropped because no thread could be started for them.
static UNWRITTEN: AtomicU64 = AtomicU64::new(0);

/// Says `text`, whole lines, without waiting.
pub fn say(stream: Stream, text: &str) {
    say_octets(stream, text.as_bytes());
}

fn say_octets(stream: Stream, octets: &[u8]) {
    match lines(stream) {
        Some(lines) => lines.say(octets),
        None => {
            UNWRITTEN.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Lines that this process dropped since it started.
pub fn lines_dropped() -> u64 {
    let of = |lines: &OnceLock<Option<Lines>>| {
        lines.get().and_then(Option::as_ref).map_or(0, Lines::dropped)
    };
    of(&STDOUT) + of(&STDERR) + UNWRITTEN.load(Ordering::Relaxed)
}

/// Gives what was said before a moment to be written; the process is about to end.
pub fn settle() {
    let deadline = clock::instant() + LAST_WORDS_WITHIN;
    for lines in [&STDOUT, &STDERR].into_iter().filter_map(|lines| lines.get()?.as_ref()) {
        lines.settle(deadline);
    }
}

/// Says `text` on stderr behind everything said before, and returns when it is written, or after
/// half a second at the latest. The process is about to end, and its output may stand still.
pub fn last_words(text: &str) {
    settle();
    let (done, written) = bounded::<()>(1);
    let text = text.to_owned();
    let thread = Builder::new().name("last-words".to_owned()).spawn(move || {
        let _ = Raw(Stream::Stderr).write_all(text.as_bytes());
        let _ = done.try_send(());
    });
    if thread.is_ok() {
        let _ = written.recv_timeout(LAST_WORDS_WITHIN);
    }
}

/// The log's lines, for `tracing`; each write is one line.
#[derive(Clone, Copy, Debug)]
pub struct LogLine;

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        say_octets(Stream::Stderr, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the threads that write: they run where the caller may, and not where the first line is
/// said.
pub fn begin() {
    let _ = (lines(Stream::Stdout), lines(Stream::Stderr));
}

fn lines(stream: Stream) -> Option<&'static Lines> {
    let (lines, name) = match stream {
        Stream::Stdout => (&STDOUT, "stdout"),
        Stream::Stderr => (&STDERR, "log"),
    };
    lines.get_or_init(|| Lines::start(name, Raw(stream)).ok()).as_ref()
}

/// A stream without the buffer and the lock of `std::io`.
struct Raw(Stream);

impl Write for Raw {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let descriptor: BorrowedFd<'_> = match self.0 {
            Stream::Stdout => stdout.as_fd(),
            Stream::Stderr => stderr.as_fd(),
        };
        loop {
            match rustix::io::write(descriptor, octets) {
                // Whoever shares the stream has set it not to block: this thread waits as if it
                // were not.
                Err(Errno::AGAIN) => {
                    poll(&mut [PollFd::new(&descriptor, PollFlags::OUT)], None)?;
                }
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Item {
    Line(Vec<u8>),
    /// Everything before this was written or dropped.
    Mark(Sender<()>),
}

#[derive(Default)]
struct Counts {
    octets: AtomicUsize,
    dropped: AtomicU64,
}

/// The queue to one stream and its thread, which ends with the process or the queue.
struct Lines {
    items: Sender<Item>,
    counts: Arc<Counts>,
}

impl Lines {
    fn start(name: &str, output: impl Write + Send + 'static) -> io::Result<Self> {
        let (items, waiting) = bounded(LINES_MAX);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        Builder::new()
            .name(name.to_owned())
            .spawn(move || write_lines(output, &waiting, &shared))?;
        Ok(Self { items, counts })
    }

    fn say(&self, line: &[u8]) {
        let octets = line.len();
        if self.counts.octets.fetch_add(octets, Ordering::Relaxed) + octets > OCTETS_MAX
            || self.items.try_send(Item::Line(line.to_vec())).is_err()
        {
            self.counts.octets.fetch_sub(octets, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    fn settle(&self, deadline: Instant) {
        let (done, written) = bounded(1);
        let mut mark = Item::Mark(done);
        // A full queue is emptied soon or never.
        while let Err(TrySendError::Full(item)) = self.items.try_send(mark) {
            if clock::instant() >= deadline {
                return;
            }
            mark = item;
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let _ = written.recv_deadline(deadline);
    }
}

fn write_lines(mut output: impl Write, items: &Receiver<Item>, counts: &Counts) {
    let mut told = 0;
    for item in items {
        let line = match item {
            Item::Line(line) => line,
            Item::Mark(done) => {
                let _ = done.try_send(());
                continue;
            }
        };
        let written = output.write_all(&line).is_ok();
        counts.octets.fetch_sub(line.len(), Ordering::Relaxed);
        if !written {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let dropped = counts.dropped.load(Ordering::Relaxed);
        if dropped > told {
            let lines =
                if dropped - told == 1 { "1 line" } else { &format!("{} lines", dropped - told) };
            let sentence =
                format!("hayauma: {lines} of the log were dropped: the output took no more.\n");
            if output.write_all(sentence.as_bytes()).is_ok() {
                told = dropped;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// Gives what is written to a test, which says when the next write may go on.
    struct Gated {
        go_on: Receiver<io::Result<()>>,
        written: Sender<String>,
    }

    impl Write for Gated {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.go_on.recv().map_err(|_| io::ErrorKind::BrokenPipe)??;
            let _ = self.written.send(String::from_utf8_lossy(octets).into_owned());
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Lines, Sender<io::Result<()>>, Receiver<String>) {
        let (gate, go_on) = crossbeam::channel::unbounded();
        let (written, seen) = crossbeam::channel::unbounded();
        (Lines::start("test", Gated { go_on, written }).expect("a thread"), gate, seen)
    }

    #[test]
    fn an_output_that_stands_still_holds_nobody_up_and_what_it_lost_is_counted_and_told() {
        let (lines, gate, seen) = gated();
        let line = [b'x'; 1 << 10];
        (0..2 * OCTETS_MAX / line.len()).for_each(|_| lines.say(&line));
        let dropped = lines.dropped();
        assert!((1000..1100).contains(&dropped), "{dropped} of 2048");
        // The end of the process does not wait either.
        let begun = clock::instant();
        lines.settle(begun + Duration::from_millis(20));
        assert!(begun.elapsed() < Duration::from_secs(5));
        (0..3).for_each(|_| drop(gate.send(Ok(()))));
        assert_eq!(seen.recv().expect("a line").len(), line.len());
        let told = seen.recv().expect("a sentence about the lost ones");
        assert!(told.contains(&format!("{dropped} lines")), "{told}");
        assert_eq!(seen.recv().expect("the next line").len(), line.len());
    }

    #[test]
    fn many_short_lines_are_bounded_too() {
        let (lines, _gate, _seen) = gated();
        (0..2 * LINES_MAX).for_each(|_| lines.say(b"x\n"));
        let dropped = lines.dropped() as usize;
        assert!((LINES_MAX - 1..=LINES_MAX).contains(&dropped), "{dropped}");
    }

    #[test]
    fn a_failing_output_loses_its_lines_and_takes_later_ones() {
        let (lines, gate, seen) = gated();
        (0..2).for_each(|_| drop(gate.send(Err(io::ErrorKind::StorageFull.into()))));
        (0..2).for_each(|_| drop(gate.send(Ok(()))));
        ["one\n", "two\n", "three\n"].iter().for_each(|line| lines.say(line.as_bytes()));
        assert_eq!(seen.recv().as_deref(), Ok("three\n"));
        assert!(seen.recv().expect("a sentence").contains("2 lines"));
        lines.settle(clock::instant() + Duration::from_secs(30));
        assert_eq!(lines.dropped(), 2);
    }
}
