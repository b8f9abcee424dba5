//! Every bound of the control plane, units last. What a registration may hold at most is the
//! gateway's to say.

use crate::gateway::limits::AUTHORIZATION_OCTETS_MAX;

/// Rows that one transaction of an import takes; also what one change of the running shards
/// carries.
pub const IMPORT_BATCH_ROWS_MAX: usize = 50_000;
/// Octets that one step of an import reads and cuts into lines.
pub const IMPORT_BLOCK_OCTETS: usize = 1 << 20;
/// Longest line of an import, in octets; a longer one is no CSV of two numbers.
pub const IMPORT_LINE_OCTETS_MAX: usize = 4_096;
/// Refused lines that an import names unless asked for more.
pub const REFUSED_LINES_SHOWN_DEFAULT: usize = 100;
/// Refused lines that one answer of the admin port can name; the command line sends no more lines
/// at once.
pub const REFUSED_LINES_SHOWN_MAX: usize = 100_000;
/// Rows of one page of `GET /contracts` unless asked for fewer.
pub const CONTRACT_PAGE_ROWS_DEFAULT: usize = 1_000;
/// Most rows of one page of `GET /contracts`.
pub const CONTRACT_PAGE_ROWS_MAX: usize = 100_000;
/// Most msns that one `contract add` or `contract remove` names, ranges counted out.
pub const CONTRACT_CHANGE_MSNS_MAX: u64 = 1_000_000;
/// Longest body of an admin request other than an import, in octets.
pub const ADMIN_BODY_OCTETS_MAX: usize = 1 << 20;
/// Fields of a page's form.
pub const FORM_FIELDS_MAX: usize = 64;
/// Longest `Idempotency-Key`, in octets.
pub const IDEMPOTENCY_KEY_OCTETS_MAX: usize = 64;
/// Answers that are kept for requests that are sent again.
pub const ANSWERS_KEPT_MAX: usize = if cfg!(test) { 64 } else { 4_096 };
/// Octets of one of them: the request of a longer one is done again.
pub const ANSWER_KEPT_OCTETS_MAX: usize = 4 << 20;
/// Octets of all of them.
pub const ANSWERS_KEPT_OCTETS_MAX: u64 = if cfg!(test) { 64 << 10 } else { 256 << 20 };
/// Who listen to broadcasts at a time.
pub const LISTENERS_MAX: usize = 200;
/// How long such a body may take, in milliseconds.
pub const ADMIN_BODY_MS_MAX: u64 = if cfg!(test) { 5_000 } else { 60_000 };
/// Msns and ranges that the command line names in one request; more go in several.
pub const MSN_WORDS_PER_REQUEST_MAX: usize = 32_768;
/// Octets of a refused body that are read and dropped, so that its sender comes to read the
/// refusal.
pub const ADMIN_DROPPED_OCTETS_MAX: usize = 64 << 20;
/// How long that may take, in milliseconds.
pub const ADMIN_DROPPING_MS_MAX: u64 = 5_000;
/// The same for one who is not known: one whole document.
pub const ADMIN_STRANGER_DROPPED_OCTETS_MAX: usize = 2 << 20;
/// And for how long, in milliseconds.
pub const ADMIN_STRANGER_DROPPING_MS_MAX: u64 = 1_000;
/// Between two lines of the log about handshakes that failed at the admin port, in milliseconds.
pub const ADMIN_TLS_TOLD_EVERY_MS: u64 = 60_000;
/// Jobs that wait for the store thread; more make their askers wait.
pub const STORE_JOBS_WAITING_MAX: usize = 64;
/// How long a statement waits for another process that writes the store, in milliseconds.
pub const STORE_BUSY_MS_MAX: u64 = 10_000;
/// How often a cluster's node looks whether others have changed the registry.
pub const FOLLOWED_EVERY: std::time::Duration = std::time::Duration::from_millis(500);
/// SQLite's page cache for the store, in KiB.
pub const STORE_CACHE_KIB: i64 = 64 << 10;
/// Longest bearer token, in octets.
pub const TOKEN_OCTETS_MAX: usize = 512;
/// Most connections to one notification URL per shard that a registration may ask for.
pub const NOTIFY_CONNECTIONS_MAX: u16 = 64;
/// Most notifications pipelined on one connection that a registration may ask for.
pub const NOTIFY_DEPTH_MAX: u16 = 256;
/// Longest name of a backup's target that is recorded, in octets: a path's.
pub const BACKUP_TARGET_OCTETS_MAX: usize = 4_096;
/// Longest line of the audit, in octets.
pub const AUDIT_LINE_OCTETS_MAX: usize = 1 << 20;
/// Lines of the audit about what has happened that wait for room; no act is done meanwhile.
pub const AUDIT_LINES_OWED_MAX: usize = 64;
/// Msns, or ranges of them, that one act shows.
pub const AUDIT_MSNS_SHOWN_MAX: usize = 10;
/// XPIDs whose new contracts the line of an import counts one by one.
pub const AUDIT_XPIDS_SHOWN_MAX: usize = 10;
/// Faults of the audit that are told one by one.
pub const AUDIT_FAULTS_MAX: usize = 100;
/// Longest name of a token of the admin doors, in octets.
pub const TOKEN_NAME_OCTETS_MAX: usize = 64;
/// Most XPIDs that such a token is bound to.
pub const TOKEN_XPIDS_MAX: usize = 1_000;
/// Tokens that one name has at a time: the one in use, and the one that is to follow it.
pub const TOKENS_PER_NAME_MAX: usize = 2;
/// Most tokens in one store.
pub const TOKENS_MAX: usize = 1_000;
/// Most registrations in one store.
pub const REGISTRATIONS_MAX: usize = 10_000;

const _: () = assert!(IMPORT_LINE_OCTETS_MAX < IMPORT_BLOCK_OCTETS);
const _: () = assert!(REFUSED_LINES_SHOWN_DEFAULT <= REFUSED_LINES_SHOWN_MAX);
const _: () = assert!(CONTRACT_PAGE_ROWS_DEFAULT <= CONTRACT_PAGE_ROWS_MAX);
// As many ranges as the command line names at once fit an admin body: 26 octets each with quotes
// and comma.
const _: () = assert!(MSN_WORDS_PER_REQUEST_MAX * 26 + 256 <= ADMIN_BODY_OCTETS_MAX);
// An answer can name every line of one batch.
const _: () = assert!(IMPORT_BATCH_ROWS_MAX <= REFUSED_LINES_SHOWN_MAX);
// A token fits the header that brings it, with the scheme's name before it.
const _: () = assert!(TOKEN_OCTETS_MAX + "Bearer ".len() <= AUTHORIZATION_OCTETS_MAX);

/// Rules that say which pushes go by which carrier. Each push is held against them.
pub const ROUTES_MAX: usize = 64;
