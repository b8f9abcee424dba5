//! The fence: of two owners at full speed one goes on, and nothing of the other stands behind what
//! it opened with. With two chunks under way it is no fence.

use crate::{CLUSTER, PARTITIONS, cluster};
use hayauma::cluster::ports::{LogNews, ReplicatedLog as _};
use hayauma::nats::{NatsGuest, NatsLog, NatsStore, NatsWake, host};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use tests::nats::NatsServers;
use tests::nats_desk::{NatsDesk, setup};
use tests::wait;

/// Take-overs of the everyday run.
const TAKE_OVERS: u64 = 20;
/// Names another number of them.
const TAKE_OVERS_VARIABLE: &str = "HAYAUMA_TEST_FENCES";
/// Octets of a chunk.
const OCTETS: usize = 2_000;

/// The term of a message of these tests.
fn said(octets: &[u8]) -> u64 {
    octets[..8].try_into().map_or(0, u64::from_le_bytes)
}

fn chunk(term: u64, number: u64) -> Arc<[u8]> {
    let mut octets = [term.to_le_bytes(), number.to_le_bytes()].concat();
    octets.resize(OCTETS, 0);
    octets.into()
}

/// An owner that publishes as fast as it may, with so many chunks under way.
struct Writer {
    partition: u16,
    depth: u64,
    term: u64,
    /// The sequence of its first chunk, and the next chunk's number and expectation.
    next: (u64, u64),
    under_way: u64,
    acknowledged: Arc<AtomicU64>,
    is_fenced: bool,
}

impl NatsGuest for Writer {
    fn turn(&mut self, log: &mut NatsLog, _: &mut NatsStore) -> ControlFlow<()> {
        while let Some(news) = log.news() {
            match news {
                LogNews::Stored { sequence, .. } => {
                    self.under_way -= 1;
                    self.acknowledged.store(sequence, Ordering::Release);
                }
                LogNews::Refused { .. } => {
                    self.under_way -= 1;
                    self.is_fenced = true;
                }
                _ => {}
            }
        }
        while self.under_way < self.depth && !self.is_fenced {
            let (number, expected) = self.next;
            log.publish(self.partition, expected, chunk(self.term, number));
            self.next = (number + 1, expected + 1);
            self.under_way += 1;
        }
        if self.is_fenced && self.under_way == 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// A writer on a thread of its own that goes on behind `end`; what is acknowledged to it.
fn write(
    servers: &NatsServers,
    partition: u16,
    depth: u64,
    term: u64,
    end: u64,
) -> (JoinHandle<()>, Arc<AtomicU64>) {
    let setup = setup(&servers.addresses(), CLUSTER, PARTITIONS, "writer");
    let acknowledged: Arc<AtomicU64> = Arc::default();
    let (next, shared) = ((0, end), Arc::clone(&acknowledged));
    let thread = std::thread::spawn(move || {
        let mut writer = Writer {
            partition,
            depth,
            term,
            next,
            under_way: 0,
            acknowledged: shared,
            is_fenced: false,
        };
        host(&setup, &NatsWake::default(), &mut writer).expect("a thread of NATS");
    });
    (thread, acknowledged)
}

/// Opens behind a writer at full speed: where its chunk stands.
fn open(desk: &NatsDesk, partition: u16, term: u64) -> u64 {
    let mut end = desk.end(partition);
    loop {
        let octets = chunk(term, 0);
        match desk.published(partition, end, &octets) {
            Some(sequence) => return sequence,
            None => end = desk.end(partition).max(end + 1),
        }
    }
}

/// Takes a partition over so often from writers with so many chunks under way; chunks that stand
/// behind the fence though an older owner wrote them.
fn intruders(servers: &NatsServers, partition: u16, depth: u64, times: u64) -> usize {
    let desk = NatsDesk::open(setup(&servers.addresses(), CLUSTER, PARTITIONS, "desk"));
    let mut opened = Vec::new();
    let mut end = 0;
    for term in 0..times {
        let (writer, acknowledged) = write(servers, partition, depth, 2 * term, end);
        wait::until_true("some chunks", || acknowledged.load(Ordering::Acquire) > end + 20);
        opened.push((open(&desk, partition, 2 * term + 1), 2 * term + 1));
        writer.join().expect("a writer that is fenced");
        end = desk.end(partition);
    }
    let mut intruders = 0;
    let mut term = 0;
    for (sequence, octets) in desk.replayed(partition, 1) {
        let wrote = said(&octets);
        let fence = opened.iter().rfind(|(opened, _)| *opened <= sequence);
        term = term.max(fence.map_or(0, |(_, term)| *term));
        intruders += usize::from(wrote < term);
    }
    intruders
}

#[test]
fn no_chunk_of_an_owner_stands_behind_the_one_that_took_its_place() {
    let Some(servers) = cluster() else { return };
    let times = std::env::var(TAKE_OVERS_VARIABLE).ok().and_then(|times| times.parse().ok());
    let times: u64 = times.unwrap_or(TAKE_OVERS);
    assert_eq!(intruders(&servers, 0, 1, times), 0, "{times} take-overs");
    // The negative control: the second chunk under way fits behind what took the first one's place.
    let with_two = intruders(&servers, 1, 2, TAKE_OVERS);
    assert!(with_two > 0, "two chunks under way are a fence all of a sudden");
}
