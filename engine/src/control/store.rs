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
mod error;
mod ordered;
mod rows;
mod schema;
mod sources;
mod tokens;

pub use audit::LostLines;
pub use error::StoreError;
pub use ordered::{ChangeOrder, Untold};
pub use sources::LoggedWarning;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params,
};

use super::audit::{AuditKnown, AuditLog, Head};
use super::limits::{REGISTRATIONS_MAX, STORE_BUSY_MS_MAX, STORE_CACHE_KIB};
use super::smpp_account;
use crate::gateway::broadcasting::BroadcastRule;
use crate::gateway::registration::Registration;
use ordered::{Effect, Effects, Ordered, Table};
use wire::terms::ids::{Msn, Xpid};

/// The store's file in the data directory.
pub const STORE_FILE_NAME: &str = "registry.sqlite";

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
    /// How many lines the audit lacks for good.
    lost_lines: LostLines,
    /// In a cluster: the order in which all nodes make changes.
    order: Option<Ordered>,
    /// What others have changed, and nobody was told of.
    untold: Untold,
    untold_tokens: bool,
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
        Ok(Self {
            connection,
            path,
            data_dir,
            audit: None,
            uncounted: None,
            owed: VecDeque::new(),
            lost_lines: LostLines::default(),
            order: None,
            untold: Untold::default(),
            untold_tokens: false,
        })
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

    /// The first registrations that may send broadcasts, in the order of XPIDs; where XPIDs are
    /// named, of these alone. Nobody reads thousands of rows for the sake of a page.
    pub fn broadcasters(
        &self,
        xpids: &[Xpid],
        most: usize,
    ) -> Result<Vec<Registration>, StoreError> {
        if xpids.is_empty() {
            let mut statement = self.connection.prepare_cached(rows::SELECT_BROADCASTERS)?;
            let mut found = statement.query(params![BroadcastRule::No.word(), most as i64])?;
            let mut registrations = Vec::new();
            while let Some(row) = found.next()? {
                registrations.push(rows::read(row)?);
            }
            return Ok(registrations);
        }
        let own = xpids.iter().take(most).map(|xpid| self.registration(*xpid));
        let is_there = |found: &Result<Registration, StoreError>| match found {
            Ok(registration) => registration.broadcasts != BroadcastRule::No,
            Err(error) => !matches!(error, StoreError::NotRegistered(_)),
        };
        own.filter(is_there).collect()
    }

    /// The registration of this XPID.
    pub fn registration(&self, xpid: Xpid) -> Result<Registration, StoreError> {
        read_registration(&self.connection, xpid)
    }

    /// Adds a registration whose XPID must be new.
    pub fn add_registration(&mut self, registration: &Registration) -> Result<(), StoreError> {
        self.change(|transaction, effects| {
            if is_registered(transaction, registration.xpid)? {
                return Err(StoreError::Exists(registration.xpid));
            }
            check_room(transaction)?;
            write_checked(transaction, registration, effects)
        })
    }

    /// Writes a registration in place of the one that its change began with, or adds it where there
    /// was none.
    ///
    /// # Errors
    ///
    /// [`StoreError::ChangedMeanwhile`] where another one stands there by now; and why else it is
    /// not written.
    pub fn put_registration(
        &mut self,
        before: Option<&Registration>,
        registration: &Registration,
    ) -> Result<(), StoreError> {
        let xpid = registration.xpid;
        self.change(|transaction, effects| {
            // In a cluster another node may have come between. A row that nobody can read is none.
            if read_registration(transaction, xpid).ok().as_ref() != before {
                return Err(StoreError::ChangedMeanwhile(xpid));
            }
            if !is_registered(transaction, xpid)? {
                check_room(transaction)?;
            }
            write_checked(transaction, registration, effects)
        })
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
        let key = integer(xpid.value());
        self.change(|transaction, effects| {
            if !is_registered(transaction, xpid)? {
                return Err(StoreError::NotRegistered(xpid));
            }
            let removed = delete_all_of(transaction, xpid)?;
            if !removed.is_empty() && !with_contracts {
                // Dropping the transaction takes the deletion back.
                return Err(StoreError::HasContracts { xpid, contracts: removed.len() as u64 });
            }
            transaction.execute("DELETE FROM client WHERE xpid = ?1", [key])?;
            effects.note(|| Effect::ClientRemoved(key));
            Ok(removed)
        })
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

fn read_registration(connection: &Connection, xpid: Xpid) -> Result<Registration, StoreError> {
    let mut statement = connection.prepare_cached(rows::SELECT_ONE)?;
    let mut found = statement.query([integer(xpid.value())])?;
    let row = found.next()?.ok_or(StoreError::NotRegistered(xpid))?;
    rows::read(row)
}

/// Writes a registration that goes together with the others.
fn write_checked(
    transaction: &Transaction<'_>,
    registration: &Registration,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    check_token(transaction, registration)?;
    check_certificates(transaction, registration)?;
    check_system_id(transaction, registration)?;
    rows::write(transaction, registration)?;
    effects.note_row(transaction, Table::Client, &integer(registration.xpid.value()))
}

/// Deletes every contract of this XPID and returns them.
fn delete_all_of(transaction: &Transaction<'_>, xpid: Xpid) -> Result<Vec<Contract>, StoreError> {
    let mut statement =
        transaction.prepare_cached("DELETE FROM contract WHERE xpid = ?1 RETURNING msn")?;
    let mut found = statement.query(params![integer(xpid.value())])?;
    let mut removed = Vec::new();
    while let Some(row) = found.next()? {
        removed.extend(contract_of(row.get(0)?, integer(xpid.value())));
    }
    Ok(removed)
}

/// `None` for numbers outside the ids' range, which the table's checks keep out.
fn contract_of(msn: i64, xpid: i64) -> Option<Contract> {
    Some((u64::try_from(msn).ok().and_then(Msn::from_value)?, xpid_of(xpid)?))
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

#[cfg(test)]
mod tests;
