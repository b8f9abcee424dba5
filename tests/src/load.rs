//! A push client at work for as long as a test wants, and its ledger: which pushes were
//! acknowledged, and when.

use crate::http::Connection;
use crate::push::Body;
use crate::wait;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Requests in flight on a connection.
pub const DEPTH: usize = 64;

/// The client, its senders' threads being the test's.
pub struct Load {
    push: fn(u64) -> Body,
    acked: Box<[AtomicBool]>,
    next: AtomicU64,
    count: AtomicU64,
    refused: AtomicU64,
    full: AtomicU64,
    is_paused: AtomicBool,
    is_over: AtomicBool,
}

impl Load {
    /// At most `pushes_max` pushes, each as `push` writes the one of that number.
    pub fn new(pushes_max: usize, push: fn(u64) -> Body) -> Self {
        Self {
            push,
            acked: (0..pushes_max).map(|_| AtomicBool::new(false)).collect(),
            next: AtomicU64::new(0),
            count: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            full: AtomicU64::new(0),
            is_paused: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    /// Sends over one connection until it is over. To be called by a thread for each sender.
    ///
    /// # Panics
    /// When an answer is neither 0000 nor one that asks to come again.
    pub fn send(&self, address: SocketAddr) {
        let mut connection = Connection::open(address);
        while !self.is_over.load(Ordering::Relaxed) {
            if self.is_paused.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            let first = self.next.fetch_add(DEPTH as u64, Ordering::Relaxed);
            let last = first + DEPTH as u64;
            if last > self.acked.len() as u64 {
                return;
            }
            self.batch(&mut connection, first..last);
        }
    }

    /// Sends what was refused once more, as a client does that is asked to come again.
    ///
    /// # Panics
    /// As [`Self::send`].
    pub fn send_again(&self, address: SocketAddr) {
        let mut connection = Connection::open(address);
        let is_open = |number: &u64| !self.acked[*number as usize].load(Ordering::Acquire);
        let open: Vec<u64> = (0..self.acked.len() as u64).filter(is_open).collect();
        for numbers in open.chunks(DEPTH) {
            self.batch(&mut connection, numbers.iter().copied());
        }
    }

    fn batch(&self, connection: &mut Connection, numbers: impl Iterator<Item = u64> + Clone) {
        let requests: Vec<u8> =
            numbers.clone().flat_map(|number| (self.push)(number).request()).collect();
        connection.send(&requests);
        for number in numbers {
            let code = connection.answer().code();
            if code == "0000" {
                self.acked[number as usize].store(true, Ordering::Release);
                self.count.fetch_add(1, Ordering::Relaxed);
            } else {
                assert!(code == "8002" || code == "8003", "{code}");
                self.refused.fetch_add(1, Ordering::Relaxed);
                self.full.fetch_add(u64::from(code == "8003"), Ordering::Relaxed);
            }
        }
    }

    /// Waits until so many more are acknowledged.
    ///
    /// # Panics
    /// When they are not in time.
    #[track_caller]
    pub fn await_more(&self, more: u64) {
        let wanted = self.count.load(Ordering::Relaxed) + more;
        wait::until_true("acknowledgements", || self.count.load(Ordering::Relaxed) >= wanted);
    }

    /// How many were acknowledged.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many of those because there is no room (8003).
    pub fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// The numbers of the pushes acknowledged by now.
    pub fn acked(&self) -> Vec<u64> {
        let is_acked = |(_, acked): &(u64, &AtomicBool)| acked.load(Ordering::Acquire);
        (0..).zip(&self.acked).filter(is_acked).map(|(number, _)| number).collect()
    }

    /// Sends nothing until it is told to go on.
    pub fn pause(&self, paused: bool) {
        self.is_paused.store(paused, Ordering::Relaxed);
    }

    /// The senders end when this goes, however the test does.
    pub fn ends_with_this(&self) -> EndsLoad<'_> {
        EndsLoad(&self.is_over)
    }

    /// Asks an engine again for the pushes of these numbers; how many it does not know.
    ///
    /// # Panics
    /// When it answers anything else, or asks to come again for too long.
    #[track_caller]
    pub fn count_unknown(&self, address: SocketAddr, numbers: &[u64]) -> u64 {
        let mut connection = Connection::open(address);
        let (mut unknown, mut left) = (0, numbers.to_vec());
        wait::until("answers that say whether a push is known", || {
            let mut again = Vec::new();
            for part in left.chunks(DEPTH) {
                let requests: Vec<u8> =
                    part.iter().flat_map(|&number| (self.push)(number).request()).collect();
                connection.send(&requests);
                for &number in part {
                    match connection.answer().code().as_str() {
                        "0001" => {}
                        // It is taken as new: it was forgotten.
                        "0000" => unknown += 1,
                        // The next segment is being made, which is asked before what is known.
                        "8002" => again.push(number),
                        other => panic!("push {number} asked for again: {other}"),
                    }
                }
            }
            left = again;
            left.is_empty().then_some(())
        });
        unknown
    }
}

/// See [`Load::ends_with_this`].
pub struct EndsLoad<'a>(&'a AtomicBool);

impl Drop for EndsLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
