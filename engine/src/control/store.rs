//! The registry store: registrations and contracts in SQLite, `registry.sqlite` in the data
//! directory.
//!
//! The store is the truth about who may push to whom. It never holds a push, a message text or a
//! token in clear. Invariants, kept by every method: a contract names a registered XPID; an msn has
//! at most [`crate::gateway::limits::XPIDS_PER_MSN_MAX`] of them; a method that returns an error
//! has changed nothing.

mod audit;
mod carriers;
mod contracts;
mod rows;
mod schema;
mod sources;
mod tokens;

pub use sources::LoggedWarning;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, ffi, params,
};

use super::audit::{AuditError, AuditKnown, AuditLog, Head};
use super::limits::{
    REGISTRATIONS_MAX, ROUTES_MAX, STORE_BUSY_MS_MAX, STORE_CACHE_KIB, TOKENS_MAX,
};
use super::smpp_account;
use crate::broadcast::limits::SOURCES_MAX;
use crate::gateway::registration::Registration;
use crate::network::routes::TooManyChoices;
use crate::network::smpp::carrier::CARRIERS_MAX;
use host::fatal::{Fatal, FatalReason};
use wire::terms::ids::{Msn, Xpid};

/// The store's file in the data directory.
pub const STORE_FILE_NAME: &str = "registry.sqlite";

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

/// One contract: this msn may be pushed to under this XPID.
pub type Contract = (Msn, Xpid);

/// The open store.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    data_dir: PathBuf,
    /// Opened by the first act.
    audit: Option<AuditLog>,
    /// The audit with the line of the act that is being done, which its transaction counts.
    uncounted: Option<Head>,
    /// Lines of the audit that there was no room for.
    owed: VecDeque<audit::OwedLine>,
}

impl Store {
    /// Copies the registry of one data directory, of a running engine too, as it stands at one
    /// moment, to another that has none yet. Nothing is copied where there is none. Gives how many
    /// lines of the audit the copy knows.
    ///
    /// # Errors
    /// The registry cannot be read, or the copy not be written.
    pub fn copy(from: &Path, to: &Path) -> Result<u64, StoreError> {
        if !from.join(STORE_FILE_NAME).exists() {
            return Ok(u64::MAX);
        }
        let store = Self::open(from)?;
        let target = to.join(STORE_FILE_NAME);
        store.connection.execute("VACUUM INTO ?1", params![target.to_string_lossy()])?;
        let unopenable = |error: std::io::Error| StoreError::Unopenable {
            path: target.clone(),
            detail: error.to_string(),
        };
        let lines = audit::lines_known(&Connection::open(&target)?)?;
        std::fs::File::open(&target).and_then(|file| file.sync_all()).map_err(unopenable)?;
        Ok(lines)
    }
}

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
    /// The XPID still has contracts.
    #[error("XPID {xpid} still has {contracts} contracts: remove them too with --with-contracts")]
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
        "{routes} routes still go by the carrier {name:?}: remove them first with \
         `hayauma carrier route remove`"
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

/// What became of one contract that was to be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContractOutcome {
    /// It is there now.
    Added,
    /// It was there already.
    AlreadyThere,
    /// The XPID is not registered.
    NotRegistered,
    /// The msn has [`crate::gateway::limits::XPIDS_PER_MSN_MAX`] others.
    TooManyXpids,
}

/// Which contracts a page shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ContractFilter {
    /// Only of this msn.
    pub msn: Option<Msn>,
    /// Only of this XPID.
    pub xpid: Option<Xpid>,
    /// Only those that come after this one, in the order of msn, then XPID.
    pub after: Option<Contract>,
}

impl Store {
    /// Opens the store in `data_dir`, making the directory and the file if absent and bringing an
    /// older form up to date.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join(STORE_FILE_NAME);
        let unopenable = |detail: String| StoreError::Unopenable { path: path.clone(), detail };
        host::directory::make_data_dir(data_dir).map_err(|error| unopenable(error.to_string()))?;
        let connected =
            connect(&path, false).or_else(|refused| match refused.sqlite_error_code() {
                Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
                    connect(&path, true).map_err(|_| refused)
                }
                _ => Err(refused),
            });
        let mut connection = connected.map_err(|error| unopenable(error.to_string()))?;
        connection.set_prepared_statement_cache_capacity(32);
        schema::bring_up_to_date(&mut connection, &path)?;
        let data_dir = data_dir.to_owned();
        Ok(Self { connection, path, data_dir, audit: None, uncounted: None, owed: VecDeque::new() })
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every registration, in the order of XPIDs.
    pub fn registrations(&self) -> Result<Vec<Registration>, StoreError> {
        let mut statement = self.connection.prepare_cached(rows::SELECT_ALL)?;
        let mut found = statement.query([])?;
        let mut registrations = Vec::new();
        while let Some(row) = found.next()? {
            registrations.push(rows::read(row)?);
        }
        Ok(registrations)
    }

    /// The registration of this XPID.
    pub fn registration(&self, xpid: Xpid) -> Result<Registration, StoreError> {
        let mut statement = self.connection.prepare_cached(rows::SELECT_ONE)?;
        let mut found = statement.query([integer(xpid.value())])?;
        let row = found.next()?.ok_or(StoreError::NotRegistered(xpid))?;
        rows::read(row)
    }

    /// Adds a registration whose XPID must be new.
    pub fn add_registration(&mut self, registration: &Registration) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        if is_registered(&transaction, registration.xpid)? {
            return Err(StoreError::Exists(registration.xpid));
        }
        check_room(&transaction)?;
        check_token(&transaction, registration)?;
        check_certificates(&transaction, registration)?;
        check_system_id(&transaction, registration)?;
        rows::write(&transaction, registration)?;
        Ok(transaction.commit()?)
    }

    /// Writes a registration in place of the one with its XPID, or adds it.
    pub fn put_registration(&mut self, registration: &Registration) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        if !is_registered(&transaction, registration.xpid)? {
            check_room(&transaction)?;
        }
        check_token(&transaction, registration)?;
        check_certificates(&transaction, registration)?;
        check_system_id(&transaction, registration)?;
        rows::write(&transaction, registration)?;
        Ok(transaction.commit()?)
    }

    /// Removes a registration; with `with_contracts` its contracts too, which are returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotRegistered`]; [`StoreError::HasContracts`] when there are some and
    /// `with_contracts` is off.
    pub fn remove_registration(
        &mut self,
        xpid: Xpid,
        with_contracts: bool,
    ) -> Result<Vec<Contract>, StoreError> {
        let transaction = self.begin()?;
        if !is_registered(&transaction, xpid)? {
            return Err(StoreError::NotRegistered(xpid));
        }
        let removed = contracts::delete_all_of(&transaction, xpid)?;
        if !removed.is_empty() && !with_contracts {
            // Dropping the transaction takes the deletion back.
            return Err(StoreError::HasContracts { xpid, contracts: removed.len() as u64 });
        }
        transaction.execute("DELETE FROM client WHERE xpid = ?1", [integer(xpid.value())])?;
        transaction.commit()?;
        Ok(removed)
    }

    /// A transaction that holds the store for writing from its first moment, so that what it reads
    /// stays true. With it the line of its act counts.
    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        let uncounted = self.uncounted;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(head) = uncounted {
            audit::keep(&transaction, AuditKnown { head, next_sha256: None })?;
        }
        Ok(transaction)
    }
}

fn is_registered(transaction: &Transaction<'_>, xpid: Xpid) -> Result<bool, StoreError> {
    let found: Option<i64> = transaction
        .query_row("SELECT 1 FROM client WHERE xpid = ?1", [integer(xpid.value())], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.is_some())
}

fn check_room(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let count: i64 = transaction.query_row("SELECT count(*) FROM client", [], |row| row.get(0))?;
    if count as usize >= REGISTRATIONS_MAX {
        return Err(StoreError::TooManyRegistrations);
    }
    Ok(())
}

/// A token says which client a request comes from, so no two clients have the same.
fn check_token(
    transaction: &Transaction<'_>,
    registration: &Registration,
) -> Result<(), StoreError> {
    for token in registration.tokens() {
        let other: Option<String> = transaction
            .query_row(
                "SELECT client FROM client WHERE (token_sha256 = ?1 OR second_token_sha256 = ?1)
                    AND client <> ?2 AND xpid <> ?3 LIMIT 1",
                params![token, registration.client, integer(registration.xpid.value())],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(client) = other {
            return Err(StoreError::TokenOfAnother { client });
        }
    }
    Ok(())
}

/// Nor do two clients have the same certificate.
fn check_certificates(
    transaction: &Transaction<'_>,
    registration: &Registration,
) -> Result<(), StoreError> {
    for certificate in &registration.certificates {
        let other: Option<String> = transaction
            .query_row(
                "SELECT client FROM client WHERE instr(certificate, ?1) > 0
                    AND client <> ?2 AND xpid <> ?3 LIMIT 1",
                params![
                    certificate.to_string(),
                    registration.client,
                    integer(registration.xpid.value())
                ],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(client) = other {
            return Err(StoreError::CertificateOfAnother { client });
        }
    }
    Ok(())
}

/// A system_id says which registration binds, so no two have the same.
fn check_system_id(
    transaction: &Transaction<'_>,
    registration: &Registration,
) -> Result<(), StoreError> {
    let Some(account) = &registration.smpp else { return Ok(()) };
    let mut statement =
        transaction.prepare("SELECT xpid, smpp FROM client WHERE smpp IS NOT NULL")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (xpid, text): (i64, String) = (row.get(0)?, row.get(1)?);
        let damaged = |detail| StoreError::DamagedRow { xpid, detail };
        let other = smpp_account::from_text(text).map_err(damaged)?;
        if xpid != integer(registration.xpid.value()) && other.system_id == account.system_id {
            return Err(StoreError::SystemIdOfAnother {
                system_id: other.system_id,
                xpid: format!("{xpid:011}"),
            });
        }
    }
    Ok(())
}

/// SQLite's integers are signed; ids stay far below the sign.
fn integer(value: u64) -> i64 {
    value.cast_signed()
}

/// Connects to the file. Alone it needs no file beside it through which processes share it, for
/// which a full device may have no room: then no other process can read the store as long as this
/// one has it.
fn connect(path: &Path, alone: bool) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_millis(STORE_BUSY_MS_MAX))?;
    if alone {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    // The first statement that reads the file tells whether it is a database at all.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Negative: in KiB.
    connection.pragma_update(None, "cache_size", -STORE_CACHE_KIB)?;
    let _: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(connection)
}

fn xpid_of(value: i64) -> Option<Xpid> {
    u64::try_from(value).ok().and_then(Xpid::from_value)
}

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
mod tests;
