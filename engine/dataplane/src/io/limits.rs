//! Every bound of the runtime room.

/// Entries of the shard's submission queue.
pub(super) const RING_ENTRIES: u32 = 1024;
/// Entries of its completion queue: a turn's worth of receives, sends and syncs.
pub(super) const RING_COMPLETIONS: u32 = 8192;
/// Shards of one thread.
pub(super) const PARTS_PER_THREAD_MAX: usize = 256;
/// What the committing thread of the driver `poll` may be asked for at a time: of each shard the
/// writes of a commit, and a write or the syncs of the billing log.
pub(super) const COMMITTING_MAX: usize = 16 * PARTS_PER_THREAD_MAX;
/// Receive buffers of a shard; a power of two.
pub(super) const RECEIVE_BUFFERS: u16 = 512;
/// Octets of one receive buffer: holds a whole request of the largest size.
pub(super) const RECEIVE_BUFFER_OCTETS: usize = 32 * 1024;
/// Requests of a connection that are read before the first of them is taken, so that memory brings
/// what they ask for.
pub(super) const FORESEEN_MAX: usize = 8;
/// Answers that a connection may have outstanding; reading stops there until they are sent.
pub(super) const ANSWERS_OUTSTANDING_MAX: usize = 2048;
/// Octets of unparsed input kept for a connection before reading stops.
pub(super) const INPUT_PENDING_OCTETS_MAX: usize = 64 * 1024;
/// The memory for it grows by at least one part in so many of what there is.
pub(super) const INPUT_GROWTH_PART: usize = 4;
/// Octets that all connections of a shard hold before each gets no more than a little: unparsed,
/// waiting to be answered, unsent.
pub(super) const HELD_OCTETS_MAX: usize = 64 * 1024 * 1024;
/// The most that one connection may have to say before its requests wait.
pub(super) const HELD_PER_LINK_MAX: usize = 1024 * 1024;
/// The same whatever the others hold.
pub(super) const HELD_PER_LINK_MIN: usize = 16 * 1024;
/// What a receive that goes on may bring before it ends: the kernel fills so many buffers in one
/// go.
pub(super) const BURST_OCTETS_MAX: usize = 32 * RECEIVE_BUFFER_OCTETS;
/// Connections of a shard whose receive may go on.
pub(super) const BURSTS_MAX: usize = 64;
/// Receives in a row that did not fill their buffer, after which one may go on.
pub(super) const SMALL_RECEIVES_MIN: u8 = 16;
/// What an answer that is outstanding counts as of what a connection has to say.
pub(super) const ANSWER_OCTETS: usize = 256;
/// One part in so many of what a connection may have is kept of the requests of one whose answers
/// wait.
pub(super) const BLOCKED_INPUT_PART: usize = 16;
/// What the kernel may keep of what was sent to a peer that does not read. It lets megabytes gather
/// if it is not told.
pub(super) const SEND_SOCKET_OCTETS: usize = 256 * 1024;
/// Octets of one send: that they were taken is progress.
pub(super) const SEND_OCTETS_MAX: usize = 64 * 1024;
/// Octets of what a session says that are sealed for TLS at a time.
pub(super) const SEAL_OCTETS_MAX: usize = 64 * 1024;
/// What TLS keeps of a connection beside its records: keys, and where its handshake stands.
pub(super) const TLS_STATE_OCTETS: usize = 4 * 1024;
/// Connections of a shard whose handshake is not over; beyond that the longest awaited of them
/// goes. Thousands of clients that come back at once have room while their next words are on the
/// way.
pub(super) const HANDSHAKES_MAX: usize = 4096;
/// How long a client may take to its words of a handshake, all of them together, where nobody else
/// wants its place: as long as clients themselves wait for an answer.
pub(super) const HANDSHAKE_MS_MAX: u64 = 30_000;
/// How long the longest awaited of too many is given to its next word all the same: a lost packet
/// comes again within a second.
pub(super) const HANDSHAKE_KEPT_MS_MIN: u64 = 1_500;
/// Octets of a handshake's message that is not whole.
pub(super) const HANDSHAKE_OCTETS_MAX: usize = 20 * 1024;
/// Steps that a handshake may take: an honest one has two or three, and one for each record that
/// its client cuts it into.
pub(super) const HANDSHAKE_STEPS_MAX: u8 = 32;
/// Steps of one handshake, behind the first, that are taken before first steps of others.
pub(super) const HANDSHAKE_STEPS_PREFERRED: u8 = 3;
/// Steps that may be due before no further client is taken.
pub(super) const HANDSHAKE_STEPS_DUE_MAX: usize = 256;
/// Records of a connection that hold nothing for the session: an honest one has a few, for new keys
/// and its goodbye. A new key costs a shard as much as a request...
pub(super) const HOLLOW_RECORDS_MAX: u64 = 256;
/// ...and one more for each so many octets that it was sent.
pub(super) const HOLLOW_RECORD_OCTETS: u64 = 64 * 1024;
/// How often the kernel is asked whether a peer takes anything of what is being sent to it.
pub(super) const SEND_LOOK_MS: u64 = 200;
/// When the first such look is late.
pub(super) const SEND_LOOK_LATE_MS: u64 = 1_000;
/// How long a peer may take nothing of what is sent to it.
pub(super) const SEND_PROGRESS_MS_MAX: u64 = 60_000;
/// How long a request may be half there while connections hold more than the budget has...
pub(super) const HALF_REQUEST_MS_MAX: u64 = 1_000;
/// ...if it takes more than so much of it.
pub(super) const HALF_REQUEST_OCTETS_KEPT: usize = 4 * 1024;
/// A connection without traffic for so long gives its buffers back.
pub(super) const BUFFERS_KEPT_MS: u64 = 1_000;
/// Completions looked at, attempts begun and outcomes taken in one turn: bounds a turn's length.
pub(super) const ATTEMPTS_PER_TURN_MAX: usize = 512;
/// Octets of a client that is being left which are read and dropped, so that it comes to read its
/// last answer.
pub(super) const LINGER_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// How long a client may take to close after its last answer was sent.
pub(super) const LINGER_MS_MAX: u64 = 3_000;
/// Octets of requests taken in one turn; the rest stays for the next one.
pub(super) const RECEIVED_PER_TURN_OCTETS_MAX: usize = 1024 * 1024;
/// Requests of other shards taken in one turn.
pub(super) const PARCELS_PER_TURN_MAX: usize = 2048;
/// Task-work items that one `enter` of this kernel runs; after as many completions there may be
/// more.
pub(super) const COMPLETIONS_PER_ENTER: usize = 20;
/// Completions gathered in one turn before they are served.
pub(super) const COMPLETIONS_PER_TURN_MAX: usize = 256;
/// Clients that may wait in the kernel to be accepted; `net.core.somaxconn` may allow fewer.
pub(super) const LISTEN_BACKLOG: i32 = 65_535;
/// Accepted sockets on their way to one shard.
pub(super) const DEALT_MAX: usize = 1024;
/// Sockets that a shard takes in one turn.
pub(super) const ACCEPTED_PER_TURN_MAX: usize = 64;
/// Pause of accepting after the process ran out of descriptors.
pub(super) const ACCEPT_PAUSE_MS: i64 = 100;
/// Pause of accepting while every place is taken.
pub(super) const FULL_PAUSE_MS: i64 = 10;
/// The same once a shard was asked to make room.
pub(super) const ROOM_PAUSE_MS: i64 = 1;
/// A client is not asked to make room before it has been silent for so long.
pub(super) const SILENT_MS_MIN: u64 = 1_000;
/// How long a client may take to its first request: one of a registered client.
pub(super) const FIRST_REQUEST_MS: u64 = 60_000;
/// The same while three quarters of the places are taken.
pub(super) const FIRST_REQUEST_CROWDED_MS: u64 = 10_000;
/// Half-done handshakes take this part of a shard's places at most, numerator and denominator.
pub(super) const HANDSHAKE_PLACES: (usize, usize) = (3, 4);
/// Timers expired in one turn.
pub(super) const TIMERS_PER_TURN_MAX: usize = 1024;
/// Records of journals that cleaning looks at in one turn: a fraction of a millisecond, should each
/// have to be appended again.
pub(super) const CLEANED_PER_TURN_MAX: usize = 512;
/// Pushes that wait, and records, that shards look at in one turn while routes change or books are
/// behind.
pub(super) const LOOKS_PER_TURN_MAX: usize = 1_024;
/// Places of pushes that are looked at in a turn to count what waits: some ten microseconds.
pub(super) const COUNTED_PER_TURN_MAX: usize = 4_096;
/// Of all these a shard may do so many in a turn, however many shards its thread has.
pub(super) const WORK_PER_SHARD_MIN: usize = 16;
/// Parcels that one thread may have under way to all others together.
const PARCELS_PER_THREAD: usize = 8192;
/// Fewest parcels to one other thread, however many there are.
const PARCELS_PER_PEER_MIN: usize = 256;
/// Most parcels to one other thread.
const PARCELS_PER_PEER_MAX: usize = 4096;

/// Parcels that may be under way from one thread to one other, in an engine of `threads`.
pub(super) fn parcels_per_peer(threads: usize) -> usize {
    (PARCELS_PER_THREAD / threads.saturating_sub(1).max(1))
        .clamp(PARCELS_PER_PEER_MIN, PARCELS_PER_PEER_MAX)
}

/// A client takes no more of them while it has so many times as many as are free.
pub(super) const PORTION_OF_FREE: usize = 8;
/// One part in so many of them is for emergency pushes and the cancels of whole alerts alone.
pub(super) const URGENT_PARCELS_PART: usize = 8;

/// Connections that wait for such a box and are looked at in one sweep, whether one came home or
/// not.
pub(super) const BOXLESS_PER_SWEEP: usize = 64;

/// Connections of other nodes of a cluster that are taken.
pub(super) const NEIGHBOUR_CONNECTIONS_MAX: usize = 256;
/// Push clients of other nodes that have portions of their own.
pub(super) const NEIGHBOUR_CLIENTS_MAX: u32 = u16::MAX as u32;

/// How long a shard that is to leave its thread is waited for: attempts that are under way, and
/// notifications that are not answered.
pub(super) const CLOSED_MS_MAX: u64 = 5_000;
/// Control messages that may wait for a thread.
pub(super) const CONTROL_MESSAGES_MAX: usize = 1024;
/// Threads that look up the names of notification hosts at a time: so many look-ups may hang
/// without holding up others.
pub(super) const NAME_THREADS_MAX: usize = 16;
/// How long such a thread waits for another name before it ends.
pub(super) const NAME_IDLE_MS: u64 = 10_000;
/// Addresses of a host that are kept.
pub(super) const NAME_ADDRESSES_MAX: usize = 32;
/// How often the name of a notification host is looked up anew.
pub(super) const NAME_REFRESH_MS: u64 = 30_000;
/// How long after a name was not found it is looked up again; doubles up to the interval above.
pub(super) const NAME_RETRY_MS: u64 = 1_000;
/// How long a notification may wait for its answer.
pub(super) const NOTIFICATION_TIMEOUT_MS: u64 = 30_000;
/// Connections to push clients that are begun in one turn: each takes calls of the kernel.
pub(super) const CONNECTS_PER_TURN_MAX: usize = 64;
/// Notifications that are taken from the shard in one turn.
pub(super) const ORDERS_PER_TURN_MAX: usize = 512;
/// Notifications that waited in vain for a push client and are given back to the schedule in one
/// sweep.
pub(super) const QUEUED_FAILED_PER_SWEEP_MAX: usize = 4096;
/// Blocks of queues that are looked through in one turn for what is a shard's that is to leave.
pub(super) const SIFTED_BLOCKS_PER_TURN_MAX: usize = 4;
/// How long a connection to a push client may take to come up.
pub(super) const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// How long a drain waits for a push client that says nothing to a notification.
pub(super) const DRAIN_SILENCE_MS: u64 = 2_000;
/// Between two lines of the log that say of a notification server that it takes nothing.
pub(super) const TROUBLE_TOLD_EVERY_MS: u64 = 60_000;
/// How long a connection to a push client is kept without a notification on it.
pub(super) const NOTIFIER_IDLE_MS_MAX: u64 = 60_000;
/// Connections to push clients that are ended in one sweep because others wait for their places.
pub(super) const EVICTED_PER_SWEEP_MAX: usize = 256;
/// Longest pause after failed connections to an endpoint.
pub(super) const ENDPOINT_PAUSE_MS_MAX: u64 = 10_000;
/// Octets of an acknowledgement's body; a longer one is no acknowledgement.
pub(super) const ACKNOWLEDGEMENT_OCTETS_MAX: usize = 4096;
/// Octets of an unparsed notification response kept before the connection is given up.
pub(super) const RESPONSE_OCTETS_MAX: usize = 64 * 1024;

const _: () = assert!(RECEIVE_BUFFERS.is_power_of_two());
const _: () = assert!(
    ANSWERS_OUTSTANDING_MAX * ANSWER_OCTETS < HELD_PER_LINK_MAX,
    "a lone client may have as many answers outstanding as any"
);
const _: () = assert!(
    BURSTS_MAX * BURST_OCTETS_MAX <= HELD_OCTETS_MAX,
    "bursts have room beside what is held"
);
const _: () = assert!(
    SEND_LOOK_MS + SEND_LOOK_LATE_MS < DRAIN_SILENCE_MS,
    "a peer is looked at often enough to be judged"
);
const _: () = assert!(HELD_PER_LINK_MAX / BLOCKED_INPUT_PART == INPUT_PENDING_OCTETS_MAX);
const _: () = assert!(
    SILENT_MS_MIN < FIRST_REQUEST_CROWDED_MS && FIRST_REQUEST_CROWDED_MS < FIRST_REQUEST_MS
);
const _: () = assert!(
    SILENT_MS_MIN <= HANDSHAKE_KEPT_MS_MIN && HANDSHAKE_KEPT_MS_MIN < HANDSHAKE_MS_MAX,
    "whoever is asked for room has somebody that may go"
);
const _: () = assert!(
    RECEIVE_BUFFER_OCTETS
        >= wire::push::limits::HEAD_OCTETS_MAX + wire::push::limits::BODY_OCTETS_MAX,
    "a request that came in one piece is parsed where it lies"
);
const _: () = assert!(
    INPUT_PENDING_OCTETS_MAX >= 2 * RECEIVE_BUFFER_OCTETS,
    "reading never stops before a whole request is there"
);

/// Sessions of SMPP that one shard holds at most.
pub const SMPP_SESSIONS_MAX: usize = 1024;
/// Connections of SMPP of one shard that have not bound...
pub(super) const UNBOUND_MAX: usize = 64;
/// ...and of these those from one source.
pub(super) const UNBOUND_PER_SOURCE_MAX: usize = 8;
/// How long a bind that is refused waits for its answer, whatever was wrong with it.
pub(super) const BIND_REFUSED_AFTER_MS: u64 = 1_000;
/// Refused binds of a shard that wait for their answers.
pub(super) const REFUSALS_MAX: usize = 1024;
/// How often it is told that somebody came who can be no customer.
pub(super) const OUTSIDER_TOLD_EVERY_MS: u64 = 60_000;
/// Binds that fail within this time...
pub(super) const BINDS_FAILED_MS: u64 = 60_000;
/// ...until their source is refused at accept for as long.
pub(super) const BINDS_FAILED_MAX: u32 = 5;
/// Binds that wait for their passwords to be checked.
pub(super) const BINDS_ASKED_MAX: usize = 4096;
/// Passwords that are known to be right.
pub(super) const BINDS_KNOWN_MAX: usize = 4096;
/// Sources whose failures are counted at a time.
pub(super) const SOURCES_WATCHED_MAX: usize = 4096;
/// Sources that may be refused at a time.
pub(super) const REFUSED_SOURCES: usize = 1024;
/// Nets that are known to have failed at a time.
pub(super) const FAILED_NETS: usize = 16_384;
/// Sources and nets that customers have bound from, as far as they are remembered.
pub(super) const BOUND_FROM_MAX: usize = 8192;
/// Octets that a session of SMPP keeps unread before it reads no more: a PDU and what came with it.
pub(super) const SMPP_INPUT_OCTETS_MAX: usize = 2 * wire::smpp::limits::PDU_OCTETS_MAX;
/// What an answer that is outstanding counts as of what a session of SMPP has to say.
pub(super) const SMPP_ANSWER_OCTETS: usize = 64;
/// Receipts of one customer that a shard has given to other shards at a time.
pub(super) const RECEIPTS_AFIELD_MAX: usize = 256;
/// Receipts that may be under way from one shard to one other.
pub(super) const RECEIPTS_PER_PEER_MAX: usize = 512;
/// Receipts looked at in one turn.
pub(super) const RECEIPTS_PER_TURN_MAX: usize = 2048;
/// Receipts that nobody took for a day, given up in one sweep.
pub(super) const RECEIPTS_GIVEN_UP_MAX: usize = 4096;

/// What a listing or a replay takes at most from each shard; the next one takes the rest.
pub const PARKED_LISTED_MAX: usize = 10_000;
/// What a shard lists, replays or discards of it in a turn: each takes a record of the journal,
/// which may have to come from the device.
pub const PARKED_PAGE_MAX: usize = 200;
/// Live pushes of one phone that one answer tells of.
pub const LIVE_LISTED_MAX: usize = 10_000;
