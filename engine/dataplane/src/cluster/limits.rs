//! Every bound of a cluster, with its unit.

/// Partitions of a cluster: the numbers of their records have eight bits for them.
pub const PARTITIONS_MAX: usize = 256;
/// Partitions of the smallest cluster.
pub const PARTITIONS_MIN: usize = 16;
/// Nodes of a cluster that are there at a time.
pub const NODES_MAX: usize = 64;
/// Where there are more names than that, one that has been silent for so many leases makes room.
pub const FORGOTTEN_LEASES: u64 = 10;
/// A node's name, in octets.
pub const NODE_NAME_OCTETS_MAX: usize = 16;
/// Octets of a chunk, its head included.
pub const CHUNK_OCTETS_MAX: usize = 512 * 1024;
/// Octets of a chunk's head.
pub const CHUNK_HEAD_OCTETS: usize = 64;
/// Chunks of one partition under way at a time. Two of them are no fence: where the first is
/// refused, the second may still fit behind the record that took the first one's place.
pub const IN_FLIGHT_MAX: usize = 1;
/// Chunks that one pull of a replay brings at most.
pub const REPLAY_CHUNKS_MAX: usize = 16;
/// From the highest number that its log knows to an owner's first: what the one before gave and
/// lost is never given again. As much as a journal jumps behind its last record when it is opened,
/// and the number of the record by which it says so: that one stays at home.
pub const RECORD_JUMP: u64 = (1 << 24) + 2;

/// Silence after which a node counts as dead, unless it is set.
pub const LEASE_MS_DEFAULT: u64 = 2_500;
/// How long the end of a log has to stand still before somebody else opens it, unless it is set.
pub const ACT_MS_DEFAULT: u64 = 1_500;
/// So much sooner nobody acts any more on the chunk that was sent last.
pub const ACT_MARGIN_MS: u64 = 500;
/// Between two beats of a node.
pub const BEAT_MS: u64 = 500;
/// A node whose own beat came back within this time may judge others' silence.
pub const JUDGE_MS: u64 = 1_000;
/// From this silence of its owner on the ends of a partition's log are looked at beforehand.
pub const EARLY_LOOK_MS: u64 = 700;
/// Between two looks at the end of a log.
pub const LOOK_MS: u64 = 250;
/// Without an acknowledgement for so long, the log is asked what it has.
pub const ASK_MS: u64 = 300;
/// An order to the log or to the beats that nobody answered for so long is given again.
pub const REPEAT_MS: u64 = 1_000;
/// A log whose end stays below what is known to be acknowledged for so long was cut or is another:
/// longer than the log takes to elect.
pub const SHORT_MS: u64 = 12_000;
/// Readings in a row that met messages missing. An owner who is there after all may cut the log
/// while it is read; once more than that it is damage.
pub const GAPS_MAX: u8 = 3;
/// Between two looks at who owns what.
pub const SWEEP_MS: u64 = 250;
/// So long a node must be there before partitions are moved to it, unless it is set.
pub const SETTLE_MS_DEFAULT: u64 = 30_000;
/// Partitions that a node gives away at a time while it drains; else it is one.
pub const MOVES_OF_DRAIN_MAX: usize = 4;
/// A move that has not ended for so long is given up.
pub const MOVE_MS: u64 = 10_000;

const _: () = assert!(PARTITIONS_MIN <= PARTITIONS_MAX && PARTITIONS_MAX - 1 <= u8::MAX as usize);
const _: () = assert!(IN_FLIGHT_MAX == 1, "the fence holds at depth 1 only");
// Clocks run within ten percent of each other: who acts has stopped when the next one may begin.
const _: () = assert!((ACT_MS_DEFAULT - ACT_MARGIN_MS) * 11 < ACT_MS_DEFAULT * 9);
const _: () =
    assert!(BEAT_MS < EARLY_LOOK_MS && EARLY_LOOK_MS + ACT_MS_DEFAULT <= LEASE_MS_DEFAULT);
const _: () = assert!(ASK_MS < ACT_MS_DEFAULT - ACT_MARGIN_MS && BEAT_MS < JUDGE_MS);
