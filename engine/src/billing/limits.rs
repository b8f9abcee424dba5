//! Every bound of billing, units last.

/// Octets of a slot: one event, one cache line.
pub(super) const SLOT_OCTETS: usize = 64;
/// Slots that a file grows by at a time; the zero-filling of so many is short enough for a shard's
/// turn.
pub(super) const CHUNK_SLOTS: u64 = 4096;
/// Octets that a file grows by at a time.
pub(super) const CHUNK_OCTETS: usize = CHUNK_SLOTS as usize * SLOT_OCTETS;
/// Day files open at a time: today's, and yesterday's for what comes in about midnight.
pub(super) const DAYS_OPEN_MAX: usize = 2;
/// How long after its midnight a day still takes what happened in it, in milliseconds: ends whose
/// records were on their way to the device. Then it is closed for good.
pub(super) const CLOSING_MS: u64 = 500;
/// How long after a failed write the next one is tried, in milliseconds.
pub(super) const RETRY_MS: u64 = 500;
/// Counts of refused and repeated requests that a shard keeps at a time, by XPID, code and minute.
/// At the bound the oldest are written early; where the device takes nothing, further ones are
/// counted by code alone.
pub(super) const COUNTS_MAX: usize = 4096;
/// Counts by code alone that are kept beside them: more than there are codes.
pub(super) const COUNTS_BY_CODE_MAX: usize = 256;
/// Counts written in one turn.
pub(super) const COUNTS_PER_TURN_MAX: usize = 256;
/// Milliseconds over which refusals are counted.
pub(super) const MINUTE_MS: u64 = 60_000;
/// Events that recovery looks for at a time in files of other days or shards: 16 MiB.
pub(super) const LACKING_AT_ONCE_MAX: usize = 131_072;
/// Octets read at a time when files are added up.
pub(super) const READ_OCTETS: usize = 1024 * 1024;
/// Blocks of pushes that `reconcile` keeps in mind at a time: 512 MiB, for two thousand million
/// numbers of records. A directory with more is read several times.
pub(super) const BLOCKS_MAX: usize = 512 * 1024;

const _: () = assert!(CHUNK_OCTETS.is_multiple_of(4096), "chunks are mapped one by one");
const _: () = assert!(READ_OCTETS.is_multiple_of(SLOT_OCTETS));
