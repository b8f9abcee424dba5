//! Every bound of billing, units last.

/// Octets of a slot: one event, one cache line.
pub(super) const SLOT_OCTETS: usize = 64;
/// Slots of room that a file is given at a time.
pub(super) const CHUNK_SLOTS: u64 = 4096;
/// Octets of those.
pub(super) const CHUNK_OCTETS: usize = CHUNK_SLOTS as usize * SLOT_OCTETS;
/// A file with room for fewer slots than this is given more.
pub(super) const ROOM_SLOTS_MIN: u64 = CHUNK_SLOTS / 2;
/// Events that wait in memory for the next write. At the bound none is taken: the journal has them
/// all, and they are read from there again.
pub(super) const STAGED_EVENTS_MAX: usize = 16_384;
/// Most events of one write.
pub(super) const WRITE_EVENTS_MAX: usize = 4096;
/// So many events are written at once...
pub(super) const WRITE_EVENTS_FAIR: usize = 1024;
/// ...and fewer when the first of them has waited so long, in milliseconds.
pub(super) const GATHER_MS: u64 = 20;
/// Day files open at a time: today's, and yesterday's for what comes in about midnight.
pub(super) const DAYS_OPEN_MAX: usize = 2;
/// Orders that wait for the thread that makes files.
pub(super) const FILE_ORDERS_MAX: usize = 256;
/// Its answers that one log has not taken yet: a day that is opened, one that is settled, and those
/// that are given room.
pub(super) const FILE_REPLIES_MAX: usize = 2 + DAYS_OPEN_MAX;
/// How long a write waits for the file of its day before it looks again, in milliseconds.
pub(super) const FILE_LOOK_MS: u64 = 2;
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

const _: () = assert!(CHUNK_OCTETS.is_multiple_of(4096), "files end at a page");
const _: () = assert!(WRITE_EVENTS_FAIR <= WRITE_EVENTS_MAX);
const _: () = assert!(WRITE_EVENTS_MAX <= STAGED_EVENTS_MAX);
const _: () = assert!(READ_OCTETS.is_multiple_of(SLOT_OCTETS));
