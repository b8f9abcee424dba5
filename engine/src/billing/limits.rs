//! Every bound of billing, units last.

/// Octets of a slot: one event, one cache line.
pub(super) const SLOT_OCTETS: usize = 64;
/// Slots that a file grows by at a time; the zero-filling of so many is short enough for a shard's turn.
pub(super) const CHUNK_SLOTS: u64 = 4096;
/// Octets that a file grows by at a time.
pub(super) const CHUNK_OCTETS: usize = CHUNK_SLOTS as usize * SLOT_OCTETS;
/// Day files open at a time: today's, and yesterday's for what comes in about midnight.
pub(super) const DAYS_OPEN_MAX: usize = 2;
/// Events kept in memory while the device is full.
pub(super) const WAITING_EVENTS_MAX: usize = 65_536;
/// Events between two tries to grow a file on a full device.
pub(super) const RETRY_EVENTS: u32 = 1024;
/// Octets read at a time when files are added up.
pub(super) const READ_OCTETS: usize = 1024 * 1024;

const _: () = assert!(CHUNK_OCTETS.is_multiple_of(4096), "chunks are mapped one by one");
const _: () = assert!(READ_OCTETS.is_multiple_of(SLOT_OCTETS));
