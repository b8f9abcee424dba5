//! Every bound of this room, with its unit.

use crate::cluster::limits::{
    ASK_MS, CHUNK_OCTETS_MAX, LOOK_MS, PARTITIONS_MAX, REPEAT_MS, REPLAY_CHUNKS_MAX,
};
use std::time::Duration;

/// The guest is called at least this often.
pub(super) const TURN: Duration = Duration::from_millis(50);
/// Without an answer for so long an order is over: whoever gave it gives it again.
pub(super) const ORDER: Duration = Duration::from_millis(1_000);
/// An acknowledgement that comes later than this is not waited for any more: what became of the
/// chunk was asked long before.
pub(super) const ACKNOWLEDGEMENT: Duration = Duration::from_millis(2_000);
/// Publishes of one partition that wait for their answer: the first, and those of the same octets
/// again.
pub(super) const PUBLISHES_MAX: usize = 8;
/// Octets of a replay that are on their way for one partition.
pub(super) const REPLAY_OCTETS_MAX: usize = 8 * 1024 * 1024;
/// Replays that bring something at the same time.
pub(super) const REPLAYS_MAX: usize = 4;
/// Tasks that run between two turns of the guest, at most: the runtime looks at what came from
/// outside, and at the guest, behind so many.
pub(super) const TASKS_BETWEEN_TURNS: u32 = 61;
/// News that wait for the guest. It takes all of them in each of its turns; what comes when there
/// is no room is lost, as on the net, and asked for again.
pub(super) const NEWS_MAX: usize = PARTITIONS_MAX * (PUBLISHES_MAX + 4) + NEWS_OF_REPLAYS_MAX;
const NEWS_OF_REPLAYS_MAX: usize = REPLAYS_MAX * (REPLAY_CHUNKS_MAX + 1);
/// Sights that wait for the guest.
pub(super) const SIGHTS_MAX: usize = 4_096;
/// Entries that one pull of the watch brings at most.
pub(super) const WATCHED_MAX: usize = 512;
/// A pull of the watch that brings nothing ends after this.
pub(super) const WATCH_PULL: Duration = Duration::from_millis(1_000);
/// A watch that says nothing at all for so long is begun anew.
pub(super) const WATCH_SILENCE: Duration = Duration::from_millis(1_400);
/// Before a watch is begun anew.
pub(super) const WATCH_PAUSE: Duration = Duration::from_millis(100);
/// A reader that nobody uses is forgotten by the servers after this.
pub(super) const READER_KEPT: Duration = Duration::from_secs(10);
/// Between two signs of life of a connection; after three without an answer it is made anew.
pub(super) const PING: Duration = Duration::from_millis(500);
/// To connect to a server.
pub(super) const CONNECT: Duration = Duration::from_millis(1_500);
/// Between two tries to connect, at most.
pub(super) const RECONNECT_MAX: Duration = Duration::from_millis(500);
/// Between two tries after the client has given up: refused credentials may be mended.
pub(super) const REOPEN: Duration = Duration::from_millis(1_000);
/// Orders that wait for the socket of one connection.
pub(super) const COMMANDS_MAX: usize = 1_024;
/// To look at all servers, or to make one stream.
pub(super) const SETUP: Duration = Duration::from_secs(10);
/// Between two tries of a set-up whose servers are still electing.
pub(super) const SETUP_AGAIN: Duration = Duration::from_millis(250);
/// How long a set-up tries, and how long the first answer of a server is waited for.
pub(super) const SETUP_TRIES_MAX: usize = 40;
/// What a monitor may say, in octets.
pub(super) const MONITOR_OCTETS_MAX: u64 = 1 << 20;
/// To ask a monitor.
pub(super) const MONITOR: Duration = Duration::from_secs(3);
/// How long beats are watched to see who is there.
pub(super) const BEATS_WATCHED: Duration = Duration::from_millis(1_300);
/// So often it is looked, where not all that there is has come.
pub(super) const WATCHES_MAX: u32 = 3;
/// Beats and entries that such a look takes in.
pub(super) const SURVEYED_MAX: usize = 2_048;
/// Servers of a set, at least.
pub(super) const SERVERS_MIN: usize = 3;
/// Copies of each stream.
pub(super) const REPLICAS: usize = 3;
/// The oldest server that is taken: what was before it can forget streams.
pub(super) const VERSION_MIN: (u32, u32, u32) = (2, 12, 3);
/// What a message may have beside a chunk: subjects and headers.
pub(super) const ENVELOPE_OCTETS_MAX: usize = 1_024;
/// How long billing events are kept, in seconds.
pub(super) const BILLING_KEPT: Duration = Duration::from_secs(62 * 86_400);
/// The shortest window for doubled messages that the server takes; none has an identity.
pub(super) const DOUBLED_WINDOW: Duration = Duration::from_millis(100);
/// To put a change of the registry into its log, or to read some: an election fits in.
pub(super) const CHANGE: Duration = Duration::from_secs(12);
/// How long whoever asked for that waits, behind what was asked before.
pub(super) const CHANGE_AWAITED: Duration = Duration::from_secs(30);
/// Changes of the registry that are read at a time.
pub(super) const CHANGES_READ_MAX: u64 = 256;
/// So many of them are asked for before the first has come.
pub(super) const CHANGES_AT_ONCE: usize = 16;
/// Cuts of logs whose books wait to be kept: one a partition at a time.
pub(super) const BOOKS_ORDERS_MAX: usize = PARTITIONS_MAX;
/// Events of one message, in octets, before those of one more chunk.
pub(super) const BOOKS_PIECE_OCTETS: usize = 256 * 1024;
/// How often the reading of a cluster's books is begun again where it stands still.
pub(super) const READINGS_MAX: u32 = 20;
/// Round trips that are measured.
pub(super) const ROUND_TRIPS: usize = 5;

// A task that runs once brings one pull of a replay at most.
const _: () = assert!(TASKS_BETWEEN_TURNS as usize * (REPLAY_CHUNKS_MAX + 1) <= NEWS_MAX);
const _: () = assert!(REPLAY_CHUNKS_MAX * CHUNK_OCTETS_MAX <= REPLAY_OCTETS_MAX);
const _: () = assert!(TURN.as_millis() as u64 * 2 <= LOOK_MS);
const _: () = assert!(ORDER.as_millis() as u64 <= REPEAT_MS);
const _: () = assert!(ACKNOWLEDGEMENT.as_millis() as u64 <= PUBLISHES_MAX as u64 * ASK_MS);
