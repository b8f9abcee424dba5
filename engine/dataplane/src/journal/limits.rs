//! Every bound of the journal, units last, checked against its neighbours at compile time.

/// Octets of the header page at the start of a segment; frames begin behind it.
pub(super) const HEADER_PAGE_OCTETS: usize = 4096;
/// Octets of a segment's header, which lies twice in the header page.
pub(super) const SEGMENT_HEADER_OCTETS: usize = 64;
/// Where the second copy of the segment header lies: another sector than the first, so that one
/// torn sector never takes both.
pub(super) const SEGMENT_HEADER_COPY_OFFSET: usize = 2048;
/// Octets of a frame's header.
pub(super) const FRAME_HEADER_OCTETS: usize = 32;
/// Frames begin at multiples of this; it satisfies the alignment of every record body.
pub(super) const FRAME_ALIGNMENT_OCTETS: usize = 16;
/// The longest record body: ten SMS-SUBMITs with their length octets, a sender, an alert id and the
/// fixed part.
pub(super) const BODY_OCTETS_MAX: usize = 4096;

/// The smallest segment: what tests use.
pub const SEGMENT_OCTETS_MIN: u32 = 64 * 1024;
/// The largest segment: offsets stay well below 2^31, which rkyv's relative pointers need.
pub const SEGMENT_OCTETS_MAX: u32 = 1024 * 1024 * 1024;
/// The segment size used when the configuration says nothing.
pub const SEGMENT_OCTETS_DEFAULT: u32 = 64 * 1024 * 1024;
/// The page of memory, of the page cache and of the mapping.
pub(super) const PAGE_OCTETS: usize = 4096;
/// Segment size must be a multiple of this.
pub(super) const SEGMENT_GRANULE_OCTETS: u32 = PAGE_OCTETS as u32;

/// Octets reserved for each accepted push: to write its progress, its newest hold, a cancellation,
/// the end and both notifications.
pub const RESERVE_OCTETS_PER_PUSH: u64 = 448;
/// Octets of those that are there for its newest hold: holds draw on nothing else that is reserved.
pub(super) const HELD_FRAME_OCTETS: u64 = 64;
/// Beside those, where there are carriers, octets reserved for each push to write that one took it.
pub(super) const HANDING_OCTETS_PER_PUSH: u64 = 128;
/// And for each of its segments, to write its id, and what became of it.
pub(super) const HANDING_OCTETS_PER_SEGMENT: u64 = 192;
/// Most octets of one id in a Handed record, its length octet included.
pub(super) const HANDED_ID_OCTETS_MAX: usize = 66;
/// Most SMS segments of one push.
pub(super) const SEGMENTS_PER_PUSH_MAX: u64 = 10;
/// Segments reserved beside that, so that cleaning can always move records before it frees any.
pub const RESERVE_SEGMENTS: u64 = 2;
/// The fewest segments a budget must hold: the active one, the reserve, and one to accept into.
pub const BUDGET_SEGMENTS_MIN: u64 = RESERVE_SEGMENTS + 2;
/// Segments on order at a time.
pub(super) const ORDERED_MAX: usize = 4;
/// Spares beside the reserve that a quiet journal has ready, so that a burst after it is not held
/// up by the making of more. A journal under load orders one, as the last of them comes into use.
pub(super) const SPARES_AHEAD: usize = 3;
/// A journal to which nothing was appended for so long is quiet, in milliseconds.
pub(super) const QUIET_MS: u64 = 20;
/// Spares, of those that are used next, whose pages are in memory before they are used. The others
/// take none.
pub(super) const WARM_SPARES: usize = 2;
/// A journal under load uses a new spare soon: while it has fewer than this, the new one's pages
/// stay in memory.
pub(super) const WARM_SPARES_UNDER_LOAD: usize = 4;
/// Retired files kept for reuse by one directory; further ones are removed.
pub(super) const RECYCLED_FILES_MAX: usize = 2;
/// Octets of zeros that are written at a time, and synced before the next: a commit that comes in
/// between waits for one of these pieces, not for the segment.
pub(super) const FILL_PIECE_OCTETS: usize = 256 * 1024;
/// Between two pieces whoever fills in the background rests so many times as long as the piece
/// took...
pub(super) const FILL_REST_TIMES: u32 = 2;
/// ...but no longer than this, in microseconds.
pub(super) const FILL_REST_MAX_US: u64 = 5_000;
/// How long an append that draws on the reserve waits for a spare segment, in milliseconds.
pub const SPARE_WAIT_MS: u64 = 5_000;
/// How long opening a journal waits for its first segment, in milliseconds.
pub(super) const FIRST_SEGMENT_WAIT_MS: u64 = 120_000;
/// After a failed attempt to make a spare segment the next one is made this much later, in
/// milliseconds.
pub(super) const SPARE_RETRY_MS: u64 = 1_000;
/// Orders that wait for the factory's thread.
pub(super) const FACTORY_ORDERS_MAX: usize = 256;

/// Files that one commit writes to. More unwritten segments than this are covered by the commits
/// after it.
pub const COMMIT_FILES_MAX: usize = 4;
/// Octets of a chunk, of which stages are made: small enough that a shard that commits in time goes
/// on working in the chunks which its processor's caches hold.
pub(super) const CHUNK_OCTETS: usize = 256 * 1024;
/// Chunks of one file that one commit writes; the rest is covered by the commit after it.
pub(super) const COMMIT_CHUNKS_MAX: usize = 64;
/// Chunks that are there before anything is appended.
pub(super) const CHUNKS_READY: usize = 4;
/// Chunks kept for use again; further ones are given back to the system.
pub(super) const CHUNKS_KEPT_MAX: usize = 32;
/// Octets of chunks in use from which no push is accepted: the device does not take what was
/// accepted before.
pub(super) const STAGED_OCTETS_MAX: u64 = 64 << 20;
/// By how much the sequence jumps when a journal is opened: more than could have been appended and
/// lost unsynced before, so that no number which may be known outside is ever given twice.
pub(super) const SEQUENCE_JUMP_AT_OPEN: u64 = 1 << 24;
/// No sequence reaches this: ten million records a second take 14,000 years. What names a higher
/// one, or says that as many are missing, was not written by us, whatever its checksum says.
pub const SEQUENCE_END: u64 = 1 << 62;
/// How long the key of a finished push is remembered after its end, in milliseconds.
pub const KEY_KEEP_MS: u64 = 24 * 60 * 60 * 1000;
/// Damaged ranges that a recovery report lists one by one; further ones are only counted.
pub const DAMAGES_LISTED_MAX: usize = 1024;

const _: () = assert!(SEGMENT_HEADER_COPY_OFFSET + SEGMENT_HEADER_OCTETS <= HEADER_PAGE_OCTETS);
const _: () = assert!(SEGMENT_HEADER_COPY_OFFSET >= 512, "the copy must lie in another sector");
const _: () = assert!(FRAME_HEADER_OCTETS.is_multiple_of(FRAME_ALIGNMENT_OCTETS));
const _: () = assert!(HEADER_PAGE_OCTETS.is_multiple_of(FRAME_ALIGNMENT_OCTETS));
const _: () = assert!(
    HEADER_PAGE_OCTETS + 2 * FRAME_HEADER_OCTETS + BODY_OCTETS_MAX <= SEGMENT_OCTETS_MIN as usize,
    "an empty segment must take the longest record and the end mark behind it"
);
const _: () = assert!(SEGMENT_OCTETS_MIN.is_multiple_of(SEGMENT_GRANULE_OCTETS));
const _: () = assert!(
    SEGMENT_OCTETS_DEFAULT >= SEGMENT_OCTETS_MIN && SEGMENT_OCTETS_DEFAULT <= SEGMENT_OCTETS_MAX
);
const _: () = assert!(ORDERED_MAX < FACTORY_ORDERS_MAX);
const _: () = assert!(FILL_PIECE_OCTETS.is_multiple_of(PAGE_OCTETS), "pages are written whole");
const _: () = assert!(WARM_SPARES <= WARM_SPARES_UNDER_LOAD);
const _: () = assert!(
    HEADER_PAGE_OCTETS + FRAME_HEADER_OCTETS + BODY_OCTETS_MAX <= CHUNK_OCTETS,
    "a chunk must take the header page and the longest record"
);
const _: () = assert!(STAGED_OCTETS_MAX > (CHUNKS_KEPT_MAX * CHUNK_OCTETS) as u64);
