//! Every bound of the core-network room.

use wire::sms::limits as sms;

/// Most segments one push has.
pub const SEGMENTS_MAX: usize = sms::SEGMENTS_MAX as usize;

/// Octets of a sender in a slot: digits or letters.
pub const SENDER_OCTETS_MAX: usize = 20;

/// Room for one SMS-DELIVER in a slot.
pub const DELIVER_TPDU_OCTETS_MAX: usize = sms::TPDU_OCTETS_MAX;

/// Room for one SMS-DELIVER-REPORT without user data: first octet, TP-FCS, TP-PI, TP-PID, TP-DCS.
pub const DELIVER_REPORT_OCTETS_MAX: usize = 16;

/// Room for one SMS-STATUS-REPORT without optional parameters.
pub const STATUS_REPORT_OCTETS_MAX: usize = 2 + sms::ADDRESS_OCTETS_MAX + 2 * sms::TIME_OCTETS + 1;

/// SMS-STATUS-REPORTs that wait in one simulated network for their time; beyond it they are lost.
pub const STATUS_REPORTS_WAITING_MAX: usize = 65_536;

/// How long the simulated network waits for a terminal's answer, in milliseconds.
pub const ANSWER_TIMEOUT_MS_DEFAULT: u64 = 10_000;

/// The longest that a report which comes by itself is on its way, in milliseconds.
pub const REPORT_DELAY_MS_DEFAULT: u64 = 60_000;

/// Most attempts in flight in one simulated network.
pub const IN_FLIGHT_MAX: usize = 65_536;

/// Attempts in flight of a simulated network unless configured otherwise.
pub const IN_FLIGHT_DEFAULT: usize = 4_096;

/// Subscribers whose alert one simulated HLR remembers unless configured otherwise.
pub const ALERTS_WAITING_DEFAULT: usize = 131_072;

/// Lines that may be changed while the simulated network runs.
pub const CHANGED_LINES_MAX: usize = 1_048_576;

/// Longest latency, jitter or absence the simulation accepts: ten days.
pub const SIMULATED_DELAY_MS_MAX: u64 = 864_000_000;

/// Bad lines of a line-state file that are named one by one; the rest is only counted.
pub const BAD_LINES_NAMED_MAX: usize = 20;

/// A shard takes no further slot of its thread's network while it has so many times as many as are
/// free, where the thread has other shards.
pub const SLOTS_PORTION_OF_FREE: usize = 8;

/// Longest line-state file in octets: some fifty million lines.
pub const LINE_STATES_OCTETS_MAX: u64 = 1 << 30;

/// Longest line of a line-state file.
pub const LINE_OCTETS_MAX: usize = 512;

const _: () =
    assert!(SEGMENTS_MAX <= u16::BITS as usize, "a push's segments are a mask of 16 bits");
const _: () =
    assert!(DELIVER_TPDU_OCTETS_MAX <= u8::MAX as usize, "a slot keeps TPDU lengths in one octet");
const _: () =
    assert!(DELIVER_TPDU_OCTETS_MAX >= sms::DELIVER_OCTETS_MAX, "the longest SMS-DELIVER fits");
const _: () = assert!(IN_FLIGHT_DEFAULT <= IN_FLIGHT_MAX, "the default is a legal value");
const _: () = assert!(IN_FLIGHT_MAX <= u32::MAX as usize, "slots are numbered in 32 bits");
