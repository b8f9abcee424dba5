//! Every bound of the gateway, units last.

use wire::push::limits::SENDER_OCTETS_MAX;

/// Most XPIDs that one msn has contracts with.
pub const XPIDS_PER_MSN_MAX: usize = 10;
/// Most different XPIDs in one shard's contract table: what its entries have bits for.
pub const XPIDS_PER_TABLE_MAX: usize = (1 << 22) - 1;
/// Most senders of one registration; an accepted push keeps the sender's position in one octet.
pub const SENDERS_MAX: usize = 16;
/// Longest sender, in characters.
pub const SENDER_CHARACTERS_MAX: usize = SENDER_OCTETS_MAX;
/// Longest value of `Authorization` that is looked at; a longer one authenticates nobody.
pub const AUTHORIZATION_OCTETS_MAX: usize = 1024;
/// Highest rate that can be set for an XPID, pushes a second.
pub const RATE_PER_SECOND_MAX: u32 = 1_000_000;
/// Highest volume that can be set for an XPID, pushes a day.
pub const VOLUME_PER_DAY_MAX: u64 = (1 << 44) - 1;
/// Longest name of a push client, in octets.
pub const CLIENT_NAME_OCTETS_MAX: usize = 64;

/// How long a push of lifetime 00 may wait for its single attempt: an hour, the shortest other
/// lifetime.
pub const SINGLE_ATTEMPT_MS_MAX: u64 = HOUR_MS;
/// One hour.
pub const HOUR_MS: u64 = 3_600_000;

const _: () = assert!(SENDERS_MAX <= u8::MAX as usize + 1, "a sender's position fits one octet");
const _: () = assert!(
    1_000_000_000 / RATE_PER_SECOND_MAX as u64 > 0,
    "the interval between pushes is not zero"
);
/// Networks that one registration may name.
pub const NETWORKS_MAX: usize = 64;
/// Certificates that one registration may name: the one in use, and the one that is to follow it.
pub const CERTIFICATES_MAX: usize = 2;
/// Sessions of SMPP that one registration may have bound at a time.
pub const BINDS_MAX: u8 = 64;
/// Passwords of SMPP that one registration may have: two while one takes the other's place.
pub const SMPP_PASSWORDS_MAX: usize = 2;
/// Requests of a session of SMPP that may wait for their answers.
pub const SMPP_WINDOW_MAX: u16 = wire::smpp::limits::WINDOW_PDUS_MAX as u16;
