//! The registry store: registrations and contracts in SQLite, `registry.sqlite` in the data directory.
//!
//! The store is the truth about who may push to whom. It never holds a push, a message text or a token in clear.
//! Invariants, kept by every method: a contract names a registered XPID; an msn has at most
//! [`XPIDS_PER_MSN_MAX`] of them; a method that returns an error has changed nothing.

mod rows;
mod schema;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::limits::{REGISTRATIONS_MAX, STORE_BUSY_MS_MAX, STORE_CACHE_KIB};
use crate::fatal::{Fatal, FatalReason};
use crate::gateway::limits::XPIDS_PER_MSN_MAX;
use crate::gateway::registration::Registration;
use crate::hostcheck;
use crate::ids::{Msn, Xpid};

/// The store's file in the data directory.
pub const STORE_FILE_NAME: &str = "registry.sqlite";

/// One contract: this msn may be pushed to under this XPID.
pub type Contract = (Msn, Xpid);

/// The open store.
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

/// Why the store did not do what was asked; each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its directory cannot be opened or made.
    #[error("the registry {path} cannot be opened ({detail}): check the directory's permissions and free space", path = .path.display())]
    Unopenable {
        /// The file.
        path: PathBuf,
        /// What opening it said.
        detail: String,
    },
    /// A later version of the program wrote the file.
    #[error("the registry {path} has form {found}, this program knows up to {known}: use the newer program", path = .path.display())]
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
        "the registry's row for XPID {xpid} is damaged ({detail}): restore registry.sqlite from a copy, or register the client again"
    )]
    DamagedRow {
        /// The row's key.
        xpid: i64,
        /// What is wrong in it.
        detail: String,
    },
    /// SQLite refused.
    #[error("the registry could not be read or written ({0}): check the device and free space")]
    Sqlite(#[from] rusqlite::Error),
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
    #[error("the token already belongs to the client {client:?}: give each client a token of its own")]
    TokenOfAnother {
        /// Whose it is.
        client: String,
    },
    /// No room for another registration.
    #[error("there are {REGISTRATIONS_MAX} registrations already, the most that are kept: remove one first")]
    TooManyRegistrations,
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
    /// The msn has [`XPIDS_PER_MSN_MAX`] others.
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
    /// Opens the store in `data_dir`, making the directory and the file if absent and bringing an older form up to date.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join(STORE_FILE_NAME);
        let unopenable = |detail: String| StoreError::Unopenable { path: path.clone(), detail };
        hostcheck::make_data_dir(data_dir).map_err(|error| unopenable(error.to_string()))?;
        let mut connection = Connection::open(&path).map_err(|error| unopenable(error.to_string()))?;
        connection.busy_timeout(Duration::from_millis(STORE_BUSY_MS_MAX))?;
        // The first statement that reads the file tells whether it is a database at all.
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(|error| unopenable(error.to_string()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Negative: in KiB.
        connection.pragma_update(None, "cache_size", -STORE_CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(32);
        schema::bring_up_to_date(&mut connection, &path)?;
        Ok(Self { connection, path })
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
        rows::write(&transaction, registration)?;
        Ok(transaction.commit()?)
    }

    /// Removes a registration; with `with_contracts` its contracts too, which are returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotRegistered`]; [`StoreError::HasContracts`] when there are some and `with_contracts` is off.
    pub fn remove_registration(
        &mut self,
        xpid: Xpid,
        with_contracts: bool,
    ) -> Result<Vec<Contract>, StoreError> {
        let transaction = self.begin()?;
        if !is_registered(&transaction, xpid)? {
            return Err(StoreError::NotRegistered(xpid));
        }
        let removed = delete_contracts_of(&transaction, xpid)?;
        if !removed.is_empty() && !with_contracts {
            // Dropping the transaction takes the deletion back.
            return Err(StoreError::HasContracts { xpid, contracts: removed.len() as u64 });
        }
        transaction.execute("DELETE FROM client WHERE xpid = ?1", [integer(xpid.value())])?;
        transaction.commit()?;
        Ok(removed)
    }

    /// Adds contracts in one transaction and says of each row, in the rows' order, what became of it.
    ///
    /// Rows of one msn count in the order in which they come: the eleventh XPID is the refused one.
    pub fn add_contracts(&mut self, rows: &[Contract]) -> Result<Vec<ContractOutcome>, StoreError> {
        let transaction = self.begin()?;
        let registered = registered_xpids(&transaction)?;
        let mut outcomes = vec![ContractOutcome::NotRegistered; rows.len()];
        // In the order of msns neighbouring rows meet the same page of the tree, whatever the order of the file.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&at| rows[at].0);
        {
            let mut select = transaction.prepare_cached("SELECT xpid FROM contract WHERE msn = ?1")?;
            let mut insert =
                transaction.prepare_cached("INSERT INTO contract (msn, xpid) VALUES (?1, ?2)")?;
            let mut of_msn: Vec<i64> = Vec::with_capacity(XPIDS_PER_MSN_MAX);
            let mut current = None;
            for &at in &order {
                let (msn, xpid) = rows[at];
                if current != Some(msn) {
                    of_msn.clear();
                    let mut found = select.query([integer(msn.value())])?;
                    while let Some(row) = found.next()? {
                        of_msn.push(row.get(0)?);
                    }
                    current = Some(msn);
                }
                let number = integer(xpid.value());
                outcomes[at] = if !registered.contains(&number) {
                    ContractOutcome::NotRegistered
                } else if of_msn.contains(&number) {
                    ContractOutcome::AlreadyThere
                } else if of_msn.len() >= XPIDS_PER_MSN_MAX {
                    ContractOutcome::TooManyXpids
                } else {
                    insert.execute([integer(msn.value()), number])?;
                    of_msn.push(number);
                    ContractOutcome::Added
                };
            }
        }
        transaction.commit()?;
        Ok(outcomes)
    }

    /// Removes contracts in one transaction and returns those that were there.
    pub fn remove_contracts(&mut self, rows: &[Contract]) -> Result<Vec<Contract>, StoreError> {
        let transaction = self.begin()?;
        let mut removed = Vec::new();
        {
            let mut delete =
                transaction.prepare_cached("DELETE FROM contract WHERE msn = ?1 AND xpid = ?2")?;
            for &(msn, xpid) in rows {
                if delete.execute([integer(msn.value()), integer(xpid.value())])? > 0 {
                    removed.push((msn, xpid));
                }
            }
        }
        transaction.commit()?;
        Ok(removed)
    }

    /// Removes every contract of this XPID and returns them.
    pub fn remove_contracts_of(&mut self, xpid: Xpid) -> Result<Vec<Contract>, StoreError> {
        let transaction = self.begin()?;
        if !is_registered(&transaction, xpid)? {
            return Err(StoreError::NotRegistered(xpid));
        }
        let removed = delete_contracts_of(&transaction, xpid)?;
        transaction.commit()?;
        Ok(removed)
    }

    /// The first `limit` contracts that `filter` lets through, in the order of msn, then XPID.
    pub fn contracts(&self, filter: &ContractFilter, limit: usize) -> Result<Vec<Contract>, StoreError> {
        let mut conditions = vec!["TRUE"];
        let mut values: Vec<i64> = Vec::new();
        if let Some((msn, xpid)) = filter.after {
            conditions.push("(msn, xpid) > (?, ?)");
            values.extend([integer(msn.value()), integer(xpid.value())]);
        }
        if let Some(msn) = filter.msn {
            conditions.push("msn = ?");
            values.push(integer(msn.value()));
        }
        if let Some(xpid) = filter.xpid {
            conditions.push("xpid = ?");
            values.push(integer(xpid.value()));
        }
        values.push(i64::try_from(limit).unwrap_or(i64::MAX));
        let sql = format!(
            "SELECT msn, xpid FROM contract WHERE {} ORDER BY msn, xpid LIMIT ?",
            conditions.join(" AND ")
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found = statement.query(rusqlite::params_from_iter(values))?;
        let mut contracts = Vec::new();
        while let Some(row) = found.next()? {
            contracts.extend(contract_of(row.get(0)?, row.get(1)?));
        }
        Ok(contracts)
    }

    /// How many contracts each XPID has, registered ones without any included, in the order of XPIDs.
    pub fn contract_counts(&self) -> Result<Vec<(Xpid, u64)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT client.xpid, coalesce(counted.contracts, 0) FROM client LEFT JOIN \
             (SELECT xpid, count(*) AS contracts FROM contract GROUP BY xpid) AS counted USING (xpid) ORDER BY client.xpid",
        )?;
        let mut found = statement.query([])?;
        let mut counts = Vec::new();
        while let Some(row) = found.next()? {
            let (xpid, contracts): (i64, i64) = (row.get(0)?, row.get(1)?);
            if let Some(xpid) = xpid_of(xpid) {
                counts.push((xpid, contracts.unsigned_abs()));
            }
        }
        Ok(counts)
    }

    /// Calls `each` for every contract, in the order of msn, then XPID; returns how many there were.
    pub fn for_each_contract(&self, mut each: impl FnMut(Msn, Xpid)) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare("SELECT msn, xpid FROM contract")?;
        let mut found = statement.query([])?;
        let mut contracts = 0;
        while let Some(row) = found.next()? {
            if let Some((msn, xpid)) = contract_of(row.get(0)?, row.get(1)?) {
                each(msn, xpid);
                contracts += 1;
            }
        }
        Ok(contracts)
    }

    /// A transaction that holds the store for writing from its first moment, so that what it reads stays true.
    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        Ok(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

fn is_registered(transaction: &Transaction<'_>, xpid: Xpid) -> Result<bool, StoreError> {
    let found: Option<i64> = transaction
        .query_row("SELECT 1 FROM client WHERE xpid = ?1", [integer(xpid.value())], |row| row.get(0))
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
fn check_token(transaction: &Transaction<'_>, registration: &Registration) -> Result<(), StoreError> {
    let Some(token_sha256) = registration.token_sha256 else { return Ok(()) };
    let other: Option<String> = transaction
        .query_row(
            "SELECT client FROM client WHERE token_sha256 = ?1 AND client <> ?2 AND xpid <> ?3 LIMIT 1",
            params![token_sha256, registration.client, integer(registration.xpid.value())],
            |row| row.get(0),
        )
        .optional()?;
    other.map_or(Ok(()), |client| Err(StoreError::TokenOfAnother { client }))
}

fn registered_xpids(transaction: &Transaction<'_>) -> Result<HashSet<i64>, StoreError> {
    let mut statement = transaction.prepare_cached("SELECT xpid FROM client")?;
    let found = statement.query_map([], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn delete_contracts_of(transaction: &Transaction<'_>, xpid: Xpid) -> Result<Vec<Contract>, StoreError> {
    let mut statement = transaction.prepare_cached("DELETE FROM contract WHERE xpid = ?1 RETURNING msn")?;
    let mut found = statement.query(params![integer(xpid.value())])?;
    let mut removed = Vec::new();
    while let Some(row) = found.next()? {
        removed.extend(contract_of(row.get(0)?, integer(xpid.value())));
    }
    Ok(removed)
}

/// SQLite's integers are signed; ids stay far below the sign.
fn integer(value: u64) -> i64 {
    value.cast_signed()
}

fn xpid_of(value: i64) -> Option<Xpid> {
    u64::try_from(value).ok().and_then(Xpid::from_value)
}

/// `None` for numbers outside the ids' range, which the table's checks keep out.
fn contract_of(msn: i64, xpid: i64) -> Option<Contract> {
    Some((u64::try_from(msn).ok().and_then(Msn::from_value)?, xpid_of(xpid)?))
}

impl From<StoreError> for Fatal {
    fn from(error: StoreError) -> Self {
        Self::told(FatalReason::StoreUnusable, error.to_string())
    }
}

#[cfg(test)]
mod tests;
