//! Every bound and size of the load generator, units last.

use std::time::Duration;

/// Most pushes of one run: the index must fit the thirteen digits of a reqid.
pub const PUSHES_MAX: u64 = 4_000_000_000;
/// Most pushes of a plan whose intended times are kept in a table.
pub const PUSHES_PLANNED_MAX: u64 = 100_000_000;
/// Most connections of one run.
pub const CONNECTIONS_MAX: usize = 50_000;
/// Most requests in flight on one connection.
pub const PIPELINE_REQUESTS_MAX: usize = 4_096;
/// Most requests per second of an open loop.
pub const RATE_PER_SECOND_MAX: u64 = 100_000_000;
/// Most sending threads.
pub const THREADS_MAX: usize = 256;

/// First size of a connection's receive buffer.
pub const RECEIVE_OCTETS: usize = 64 * 1024;
/// Longest answer or notification that is taken: head and body together.
pub const MESSAGE_OCTETS_MAX: usize = 64 * 1024;
/// Rendered requests that may wait in one connection's send buffer before no more are added.
pub const SEND_BACKLOG_OCTETS_MAX: usize = 256 * 1024;

/// Shortest latency the histograms tell apart.
pub const LATENCY_NS_MIN: u64 = 100;
/// Longest latency the histograms hold; longer ones count as this.
pub const LATENCY_NS_MAX: u64 = 600_000_000_000;
/// Significant decimal digits of the histograms.
pub const LATENCY_DIGITS: u8 = 3;

/// Length of one interval of a run's latencies over time.
pub const INTERVAL_NS: u64 = 250_000_000;

/// An open loop wakes at most this often; what fell due meanwhile goes out together.
pub const PACING_QUANTUM_NS: u64 = 50_000;
/// The longest that a sender may be asked to look for the moment of a send instead of sleeping
/// until it.
pub const SPIN_MAX: Duration = Duration::from_millis(100);
/// A sender that waits for the window looks again after this time.
pub const WINDOW_RECHECK_NS: u64 = 200_000;
/// Time-outs and stop requests are looked for at least this often.
pub const HOUSEKEEPING_NS: u64 = 50_000_000;
/// From this distance on a wait uses the poll's own millisecond time-out, below it the fine alarm.
pub const ALARM_NS_MAX: u64 = 5_000_000;

/// First pause before a lost connection is made again; doubles up to the longest.
pub const RECONNECT_PAUSE_NS_MIN: u64 = 10_000_000;
/// Longest pause between two attempts to connect.
pub const RECONNECT_PAUSE_NS_MAX: u64 = 250_000_000;
/// Times one push is sent in all where the answer says "come again later" (8xxx).
pub const ATTEMPTS_MAX: u32 = 1_000;
/// Connections that may be lost while the same push is the oldest without an answer: more, and it
/// is the cause.
pub const LOSSES_MAX: u32 = 20;
/// Pause before a push is sent again when the answer names none.
pub const RETRY_PAUSE_NS: u64 = 1_000_000_000;
/// Longest pause taken from a Retry-After.
pub const RETRY_PAUSE_NS_MAX: u64 = 60_000_000_000;

/// Most sessions of one run against an SMSC: each has its buffers.
pub const SESSIONS_MAX: usize = 1_024;
/// Messages that an SMSC under test can tell from each other; of more it does not say whether one
/// came twice.
pub const MESSAGES_WATCHED_MAX: usize = 32_000_000;
/// Accounts of an SMSC that takes everybody.
pub const SMSC_ACCOUNTS_MAX: usize = 1_024;
/// Connections of an SMSC.
pub const SMSC_CONNECTIONS_MAX: usize = 4_096;
/// Receipts that may wait for the answers that name their messages.
pub const EARLY_RECEIPTS_MAX: usize = 1_000_000;
/// How long an SMSC may take to answer the first binds.
pub const BIND_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to answer an unbind.
pub const UNBIND_WITHIN: Duration = Duration::from_secs(1);
/// How often an SMSC looks at its sessions' timers.
pub const SMSC_TIMERS_MS: u64 = 50;
/// How long an SMSC waits before it sends a receipt again that was refused.
pub const RECEIPT_AGAIN_MS: u64 = 1_000;

/// How long a target may refuse the very first connections before the run gives up.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a target may be away, by default, before the run gives up.
pub const RECONNECT_FOR: Duration = Duration::from_secs(30);
/// How long an answer may take, by default, before its connection counts as lost.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long notifications may make no progress, by default, before what is missing counts as lost.
pub const STALL_AFTER: Duration = Duration::from_secs(60);
/// How long a run that was interrupted still waits for answers and notifications under way.
pub const INTERRUPT_WITHIN: Duration = Duration::from_secs(2);
/// How long the run listens, by default, for surplus notifications once it has them all.
pub const LINGER: Duration = Duration::from_millis(250);

const _: () = assert!(PUSHES_MAX < 10_000_000_000_000, "a push index has thirteen digits");
const _: () = assert!(PUSHES_MAX <= u32::MAX as u64, "a push index fits 32 bits");
const _: () = assert!(RECONNECT_PAUSE_NS_MIN <= RECONNECT_PAUSE_NS_MAX);
const _: () = assert!(RECEIVE_OCTETS <= MESSAGE_OCTETS_MAX);
const _: () = assert!(PACING_QUANTUM_NS < ALARM_NS_MAX && WINDOW_RECHECK_NS < ALARM_NS_MAX);
const _: () = assert!(ALARM_NS_MAX < HOUSEKEEPING_NS);
