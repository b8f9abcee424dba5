//! Why the registry did not do what was asked.

use super::STORE_FILE_NAME;
use crate::broadcast::limits::SOURCES_MAX;
use crate::control::audit::AuditError;
use crate::control::limits::{REGISTRATIONS_MAX, ROUTES_MAX, TOKENS_MAX};
use crate::network::routes::TooManyChoices;
use crate::network::smpp::carrier::CARRIERS_MAX;
use host::fatal::{Fatal, FatalReason};
use rusqlite::{ErrorCode, ffi};
use std::path::{Path, PathBuf};
use wire::terms::ids::Xpid;

/// Why the store did not do what was asked; each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its directory cannot be opened or made.
    #[error(
        "the registry {} cannot be opened ({detail}): check the directory's permissions and free \
         space",
        path.display()
    )]
    Unopenable {
        /// The file.
        path: PathBuf,
        /// What opening it said.
        detail: String,
    },
    /// There are pushes, and no registrations for them.
    #[error(
        "the registry {} is {state}, and there is a queue of pushes beside it; without \
         registrations every push would be refused for good: restore registry.sqlite from a copy, \
         or register the clients again with `hayauma client add`",
        path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// `missing` or `empty`.
        state: &'static str,
    },
    /// A later version of the program wrote the file.
    #[error(
        "the registry {} has form {found}, this program knows up to {known}: use the newer program",
        path.display()
    )]
    NewerForm {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The last form known here.
        known: i64,
    },
    /// A row holds what this program never writes.
    #[error(
        "the registry's row for XPID {xpid} is damaged ({detail}): restore registry.sqlite from a \
         copy, or register the client again"
    )]
    DamagedRow {
        /// The row's key.
        xpid: i64,
        /// What is wrong in it.
        detail: String,
    },
    /// The device does not take what is written.
    #[error(
        "the registry cannot be written ({0}): free some space on the device of the data \
         directory, then try again"
    )]
    NoRoom(rusqlite::Error),
    /// SQLite refused.
    #[error("the registry could not be read or written ({0}): check the device and free space")]
    Sqlite(rusqlite::Error),
    /// The XPID is registered already.
    #[error("XPID {0} is registered already: change it with `hayauma client set {0}`")]
    Exists(Xpid),
    /// The XPID is not registered.
    #[error("XPID {0} is not registered: add it with `hayauma client add {0} --client NAME`")]
    NotRegistered(Xpid),
    /// The registration is not the one that a change of it began with.
    #[error(
        "another node has changed XPID {0} meanwhile: look at it with `hayauma client show {0}`, \
         and give the order again"
    )]
    ChangedMeanwhile(Xpid),
    /// The XPID still has contracts.
    #[error(
        "XPID {xpid} still has {}: remove them too with --with-contracts",
        counted(*contracts, "contract")
    )]
    HasContracts {
        /// The XPID.
        xpid: Xpid,
        /// How many.
        contracts: u64,
    },
    /// The token belongs to another client.
    #[error(
        "the token already belongs to the client {client:?}: give each client a token of its own"
    )]
    TokenOfAnother {
        /// Whose it is.
        client: String,
    },
    /// The certificate belongs to another client.
    #[error(
        "the certificate already belongs to the client {client:?}: give each client one of its own"
    )]
    CertificateOfAnother {
        /// Whose it is.
        client: String,
    },
    /// The system_id belongs to another registration.
    #[error(
        "the system_id {system_id:?} is that of XPID {xpid}: give each registration one of its own"
    )]
    SystemIdOfAnother {
        /// Which.
        system_id: String,
        /// Whose it is.
        xpid: String,
    },
    /// A carrier of this name is there already.
    #[error("the carrier {0:?} is there already: change it with `hayauma carrier set {0}`")]
    CarrierExists(String),
    /// There is no carrier of this name.
    #[error("there is no carrier {0:?}: add it with `hayauma carrier add {0}`")]
    NoCarrier(String),
    /// No number is left for another carrier.
    #[error(
        "there are {CARRIERS_MAX} carriers already, the most that there can be: remove one first"
    )]
    TooManyCarriers,
    /// No number is left for another rule.
    #[error("there are {ROUTES_MAX} routes already, the most that are kept: remove one first")]
    TooManyRoutes,
    /// Pushes still go by it.
    #[error(
        "{} still {} by the carrier {name:?}: remove them first with `hayauma carrier route \
         remove`",
        counted(*routes, "route"),
        if *routes == 1 { "goes" } else { "go" }
    )]
    HasRoutes {
        /// The carrier.
        name: String,
        /// How many.
        routes: u64,
    },
    /// The rules have more different choices of carriers than there can be.
    #[error(transparent)]
    TooManyChoices(#[from] TooManyChoices),
    /// A rule is not what this program writes.
    #[error("the route {prefix:?} is damaged ({detail}): remove it and add it again")]
    DamagedRoute {
        /// Its prefix.
        prefix: String,
        /// What is wrong in it.
        detail: String,
    },
    /// There is no such rule.
    #[error("there is no such route: `hayauma carrier route list` shows those that there are")]
    NoRoute,
    /// A carrier's settings are not what this program writes.
    #[error(
        "the settings of the carrier {name:?} are damaged ({detail}): remove it and add it again"
    )]
    DamagedCarrier {
        /// The carrier.
        name: String,
        /// What is wrong in them.
        detail: String,
    },
    /// No room for another registration.
    #[error(
        "there are {REGISTRATIONS_MAX} registrations already, the most that are kept: remove one \
         first"
    )]
    TooManyRegistrations,
    /// A name has as many tokens as it may.
    #[error(
        "the name {0:?} has two tokens already: remove the one with `hayauma token remove {0} \
         --older`"
    )]
    TooManyTokens(String),
    /// No room for another token.
    #[error("there are {TOKENS_MAX} tokens already, the most that are kept: remove one first")]
    TooManyTokensInAll,
    /// Nothing to remove.
    #[error(
        "there are no {}tokens of the name {name:?}: `hayauma token list` shows all",
        if *older_only { "two " } else { "" }
    )]
    NoSuchToken {
        /// The name.
        name: String,
        /// Whether the older of two was meant.
        older_only: bool,
    },
    /// There is no source of this name.
    #[error("there is no source {0:?}: `hayauma source list` shows those that there are")]
    NoSource(String),
    /// No room for another source.
    #[error("there are {SOURCES_MAX} sources already, the most that are kept: remove one first")]
    TooManySources,
    /// The token is another source's.
    #[error(
        "the token of the name {token:?} is that of the source {source_name:?}: give each source \
         one of its own"
    )]
    TokenOfAnotherSource {
        /// The token's name.
        token: String,
        /// Whose it is.
        source_name: String,
    },
    /// A source's settings are not what this program writes.
    #[error(
        "the settings of the source {name:?} are damaged ({detail}): remove it and set it again"
    )]
    DamagedSource {
        /// The source.
        name: String,
        /// What is wrong in them.
        detail: String,
    },
    /// There is no line of an act.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The audit cannot be read.
    #[error("the audit cannot be read ({0}): correct the files' permissions")]
    AuditUnreadable(std::io::Error),
    /// The log of a cluster's changes does not do what it should.
    #[error(
        "the cluster's log of registry changes cannot be used ({0}): see `hayauma cluster doctor`, \
         and look whether the change was made before it is given again"
    )]
    Unordered(String),
    /// A change without the log of the registry's cluster.
    #[error(
        "this registry is that of a cluster's node, which alone can change it: start the node with \
         --cluster, or give the order to another node"
    )]
    OfCluster,
    /// Both this registry and the cluster's have rows.
    #[error(
        "{} has registrations of its own, and the cluster has others: choose an empty --data-dir, \
         the registry comes from the other nodes",
        .0.display()
    )]
    OwnRegistry(PathBuf),
    /// A token's row holds what this program never writes.
    #[error(
        "the registry's row of a token of {name:?} is damaged ({detail}): restore registry.sqlite \
         from a copy, or remove it with `hayauma token remove {name}`"
    )]
    DamagedToken {
        /// The name.
        name: String,
        /// What is wrong.
        detail: String,
    },
}

/// So many of what is called so.
fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// What SQLite says of a file that cannot be written or grow: the log beside the store, and the
/// memory that processes share over it.
const WRITING_FAILED: [i32; 7] = [
    ffi::SQLITE_IOERR_WRITE,
    ffi::SQLITE_IOERR_FSYNC,
    ffi::SQLITE_IOERR_DIR_FSYNC,
    ffi::SQLITE_IOERR_TRUNCATE,
    ffi::SQLITE_IOERR_SHMOPEN,
    ffi::SQLITE_IOERR_SHMSIZE,
    ffi::SQLITE_IOERR_SHMMAP,
];

impl StoreError {
    /// [`StoreError::Lost`] where the registry of a directory is missing or empty and there are
    /// journals beside it: a first start makes the registry before it makes a journal.
    pub fn lost(data_dir: &Path) -> Option<Self> {
        let path = data_dir.join(STORE_FILE_NAME);
        let state = match std::fs::metadata(&path) {
            Ok(standing) if standing.len() == 0 => "empty",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "missing",
            _ => return None,
        };
        crate::journal::shards::has_journals(data_dir).then_some(Self::Lost { path, state })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let extended = error.sqlite_error().map(|refused| refused.extended_code);
        let is_writing = extended.is_some_and(|code| WRITING_FAILED.contains(&code));
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::CannotOpen) => Self::NoRoom(error),
            Some(ErrorCode::SystemIoFailure) if is_writing => Self::NoRoom(error),
            _ => Self::Sqlite(error),
        }
    }
}

impl From<StoreError> for Fatal {
    fn from(error: StoreError) -> Self {
        Self::told(FatalReason::StoreUnusable, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_more_are_many() {
        let of = |routes| StoreError::HasRoutes { name: "alpha".to_owned(), routes }.to_string();
        assert!(of(1).starts_with("1 route still goes by the carrier \"alpha\""), "{}", of(1));
        assert!(of(2).starts_with("2 routes still go by"), "{}", of(2));
        let xpid = Xpid::from_value(1).expect("an XPID");
        let of = |contracts| StoreError::HasContracts { xpid, contracts }.to_string();
        assert!(of(1).contains("still has 1 contract:") && of(0).contains("0 contracts:"));
    }
}
