//! The registry of a cluster: every change goes through a log that all nodes read in one order, and
//! none is made otherwise.
//!
//! A change is tried on the registry as it stands, and taken back. What it would do to the rows is
//! published behind the change that was made here last. Where another one came between, that is
//! made first, and the change is tried anew. Once the log has it, its rows are written here as at
//! every other node, with its number in the same transaction.
//!
//! A process that ends in between finds its own change in the log when it starts again, and makes
//! it then. The change names the line of the audit that was written for it, which counts from then.
//!
//! **Never here:** what carries the log. **Invariants:** a row changes only by a change of the log,
//! in the order of their numbers, each once; what the shards have not been told of is remembered;
//! an engine of its own has no log and notices nothing of all this.

use super::{Contract, Store, StoreError, delete_all_of, integer, xpid_of};
use crate::control::audit::{AuditKnown, Head};
use crate::control::token::AccessToken;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, ToSql, Transaction, params, params_from_iter};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;
use wire::terms::ids::Msn;

/// Rows of contracts that one change has at most, so that a message has room for them.
pub(super) const ORDERED_ROWS_MAX: usize = 8_192;
/// How often a change is tried that others come before.
const TRIES_MAX: u32 = 100;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Where changes are put in the order that all nodes have.
pub trait ChangeOrder: Send {
    /// Puts a change behind the one of this number; `false`: another one stands there.
    ///
    /// # Errors
    /// Nobody knows whether it was put there, and why.
    fn put(&mut self, behind: u64, change: &[u8]) -> Result<bool, String>;
    /// The changes behind this number, some at a time; none where there are no more.
    ///
    /// # Errors
    /// Why it does not say.
    fn behind(&mut self, number: u64) -> Result<Vec<Vec<u8>>, String>;
}

/// The log, and how much of it was made here.
pub(super) struct Ordered {
    log: Box<dyn ChangeOrder>,
    applied: u64,
}

/// A value of a row.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Octets, as hexadecimal digits.
    Octets(String),
}

/// Tables whose rows are written as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Table {
    /// Registrations.
    Client,
    /// Tokens of the admin doors.
    Token,
}

/// What a change does to rows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) enum Effect {
    /// A row is written, in place of one with its key.
    Row(Table, Vec<(String, Cell)>),
    /// A registration goes, with its contracts.
    ClientRemoved(i64),
    /// Contracts come: msn and XPID.
    ContractsAdded(Vec<(i64, i64)>),
    /// Contracts go.
    ContractsRemoved(Vec<(i64, i64)>),
    /// Every contract of an XPID goes.
    ContractsOfRemoved(i64),
    /// A token goes, by its SHA-256.
    TokenRemoved(String),
}

/// A change of the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// SHA-256 of the audit's line of it, at the node where it was ordered.
    #[serde(default)]
    line: Option<String>,
    effects: Vec<Effect>,
}

/// What a change that is being tried would do.
#[derive(Debug, Default)]
pub(super) struct Effects {
    is_wanted: bool,
    all: Vec<Effect>,
}

impl Effects {
    /// One more.
    pub(super) fn note(&mut self, effect: impl FnOnce() -> Effect) {
        if self.is_wanted {
            self.all.push(effect());
        }
    }

    /// A row that was written, as it stands now.
    pub(super) fn note_row(
        &mut self,
        transaction: &Transaction<'_>,
        table: Table,
        key: &dyn ToSql,
    ) -> Result<(), StoreError> {
        if self.is_wanted {
            let row = read_row(transaction, table, key)?;
            self.all.push(Effect::Row(table, row));
        }
        Ok(())
    }
}

/// What was changed by others and the shards were not told of.
#[derive(Debug, Default)]
pub struct Untold {
    /// Registrations.
    pub clients: bool,
    /// Contracts that came or went: which of both, the registry says.
    pub contracts: Vec<Contract>,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Token => "admin_token",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Client => "xpid",
            Self::Token => "sha256",
        }
    }
}

fn read_row(
    transaction: &Transaction<'_>,
    table: Table,
    key: &dyn ToSql,
) -> Result<Vec<(String, Cell)>, StoreError> {
    let sql = format!("SELECT * FROM {} WHERE {} = ?1", table.name(), table.key());
    let mut statement = transaction.prepare_cached(&sql)?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let read = |row: &rusqlite::Row<'_>| {
        let cell = |(at, column): (usize, &String)| Ok((column.clone(), cell_of(row.get(at)?)));
        columns.iter().enumerate().map(cell).collect::<rusqlite::Result<Vec<_>>>()
    };
    Ok(statement.query_row([key], read)?)
}

fn cell_of(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Integer(number) => Cell::Integer(number),
        // No column is one.
        Value::Real(number) => Cell::Text(number.to_string()),
        Value::Text(text) => Cell::Text(text),
        Value::Blob(octets) => Cell::Octets(hex(&octets)),
    }
}

fn value_of(cell: &Cell) -> Result<Value, StoreError> {
    Ok(match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => Value::Integer(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Octets(digits) => Value::Blob(unhex(digits)?),
    })
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(digits: &str) -> Result<Vec<u8>, StoreError> {
    let octet = |at: usize| {
        let pair = digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        pair.ok_or_else(|| StoreError::Unordered("a change has octets that are none".to_owned()))
    };
    (0..digits.len()).step_by(2).map(octet).collect()
}

fn write_row(
    transaction: &Transaction<'_>,
    table: Table,
    row: &[(String, Cell)],
) -> Result<(), StoreError> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
    };
    if row.is_empty() || !row.iter().all(|(column, _)| is_name(column)) {
        return Err(StoreError::Unordered("a change has columns that are none".to_owned()));
    }
    let columns: Vec<&str> = row.iter().map(|(column, _)| column.as_str()).collect();
    let places = vec!["?"; row.len()].join(", ");
    let sql = format!(
        "INSERT OR REPLACE INTO {} ({}) VALUES ({places})",
        table.name(),
        columns.join(", ")
    );
    let values = row.iter().map(|(_, cell)| value_of(cell)).collect::<Result<Vec<_>, _>>()?;
    transaction.execute(&sql, params_from_iter(values))?;
    Ok(())
}

impl Effect {
    /// Does it; the contracts that came or went.
    fn apply(&self, transaction: &Transaction<'_>) -> Result<Vec<Contract>, StoreError> {
        let removed = |xpid: i64| match xpid_of(xpid) {
            Some(xpid) => delete_all_of(transaction, xpid),
            None => Ok(Vec::new()),
        };
        match self {
            Self::Row(table, row) => {
                write_row(transaction, *table, row)?;
                Ok(Vec::new())
            }
            Self::ClientRemoved(xpid) => {
                let contracts = removed(*xpid)?;
                transaction.execute("DELETE FROM client WHERE xpid = ?1", [xpid])?;
                Ok(contracts)
            }
            Self::ContractsOfRemoved(xpid) => removed(*xpid),
            Self::ContractsAdded(rows) => {
                let sql = "INSERT OR IGNORE INTO contract (msn, xpid) VALUES (?1, ?2)";
                each_row(transaction, sql, rows)
            }
            Self::ContractsRemoved(rows) => {
                let sql = "DELETE FROM contract WHERE msn = ?1 AND xpid = ?2";
                each_row(transaction, sql, rows)
            }
            Self::TokenRemoved(digits) => {
                let sql = "DELETE FROM admin_token WHERE sha256 = ?1";
                transaction.execute(sql, [unhex(digits)?])?;
                Ok(Vec::new())
            }
        }
    }

    fn is_of_clients(&self) -> bool {
        matches!(self, Self::Row(Table::Client, _) | Self::ClientRemoved(_))
    }

    fn is_of_tokens(&self) -> bool {
        matches!(self, Self::Row(Table::Token, _) | Self::TokenRemoved(_))
    }
}

fn each_row(
    transaction: &Transaction<'_>,
    sql: &str,
    rows: &[(i64, i64)],
) -> Result<Vec<Contract>, StoreError> {
    let mut statement = transaction.prepare_cached(sql)?;
    let mut touched = Vec::with_capacity(rows.len());
    for &(msn, xpid) in rows {
        statement.execute([msn, xpid])?;
        let msn = u64::try_from(msn).ok().and_then(Msn::from_value);
        touched.extend(msn.zip(xpid_of(xpid)));
    }
    Ok(touched)
}

/// Contracts as a change names them.
pub(super) fn pairs(rows: &[Contract]) -> Vec<(i64, i64)> {
    rows.iter().map(|(msn, xpid)| (integer(msn.value()), integer(xpid.value()))).collect()
}

fn write_change(change: &Change) -> Result<Vec<u8>, StoreError> {
    simd_json::to_vec(change).map_err(|error| StoreError::Unordered(error.to_string()))
}

fn read_change(octets: &[u8]) -> Result<Change, StoreError> {
    let read = simd_json::from_slice(&mut octets.to_vec());
    read.map_err(|error| {
        let words = "a change was written by another program, a newer one perhaps";
        StoreError::Unordered(format!("{words}: {error}"))
    })
}

impl Store {
    /// From now on every change goes through this log. What others have changed is made here now.
    /// A registry that has rows of its own and has never followed a log becomes the cluster's where
    /// that has none yet.
    ///
    /// # Errors
    /// The log says nothing, or both have rows.
    pub fn follow_order(&mut self, log: Box<dyn ChangeOrder>) -> Result<(), StoreError> {
        let applied = self.applied()?;
        self.order = Some(Ordered { log, applied: applied.unwrap_or(0) });
        if applied.is_none() {
            // Nothing is written without the log from here on, though it be empty.
            let given = if self.has_rows()? { self.give_rows()? } else { 0 };
            self.apply(given, &[])?;
        }
        self.catch_up()?;
        (self.untold, self.untold_tokens) = (Untold::default(), false);
        Ok(())
    }

    /// Whether changes go through a log.
    pub fn is_ordered(&self) -> bool {
        self.order.is_some()
    }

    /// Does a change: at once, or in the order of the log.
    pub(super) fn change<T>(
        &mut self,
        work: impl Fn(&Transaction<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.order.is_none() {
            let transaction = self.begin()?;
            if is_of_cluster(&transaction)? {
                return Err(StoreError::OfCluster);
            }
            let value = work(&transaction, &mut Effects::default())?;
            transaction.commit()?;
            return Ok(value);
        }
        for _ in 0..TRIES_MAX {
            self.catch_up()?;
            let mut effects = Effects { is_wanted: true, all: Vec::new() };
            // It is taken back: what counts is what the log has.
            let value = work(&self.begin()?, &mut effects)?;
            if effects.all.is_empty() {
                return Ok(value);
            }
            let line = self.uncounted.map(|head| hex(&head.last_sha256));
            let change = Change { line, effects: effects.all };
            let octets = write_change(&change)?;
            let Some(Ordered { log, applied }) = &mut self.order else { return Ok(value) };
            let number = *applied + 1;
            if log.put(*applied, &octets).map_err(StoreError::Unordered)? {
                let made = self.apply(number, &change.effects);
                let later = |error| format!("it has the change, which is made here later: {error}");
                return made.map(|_| value).map_err(|error| StoreError::Unordered(later(error)));
            }
            std::thread::park_timeout(PAUSE);
        }
        Err(StoreError::Unordered("others change the registry without a pause".to_owned()))
    }

    /// Makes what others have changed.
    ///
    /// # Errors
    /// The log says nothing, or a change cannot be made.
    pub fn catch_up(&mut self) -> Result<(), StoreError> {
        // The line of an act that is being done is not counted by what others did.
        let uncounted = self.uncounted.take();
        let done = self.catch_up_uncounted();
        self.uncounted = uncounted;
        done
    }

    fn catch_up_uncounted(&mut self) -> Result<(), StoreError> {
        loop {
            let Some(Ordered { log, applied }) = &mut self.order else { return Ok(()) };
            let mut number = *applied;
            let more = log.behind(number).map_err(StoreError::Unordered)?;
            if more.is_empty() {
                return Ok(());
            }
            for octets in more {
                number += 1;
                let Change { line, effects } = read_change(&octets)?;
                self.uncounted = self.own_line(line)?;
                let touched = self.apply(number, &effects);
                self.uncounted = None;
                let touched = touched?;
                self.untold.clients |= effects.iter().any(Effect::is_of_clients);
                self.untold_tokens |= effects.iter().any(Effect::is_of_tokens);
                self.untold.contracts.extend(touched);
            }
        }
    }

    /// The audit's line of a change that was ordered here and not made before this process ended:
    /// it is the last line, and does not count yet.
    fn own_line(&self, line: Option<String>) -> Result<Option<Head>, StoreError> {
        let AuditKnown { head, next_sha256 } = self.audit_known()?;
        let next = next_sha256.filter(|next| line.is_some_and(|line| line == hex(next)));
        Ok(next.map(|last_sha256| Head { lines: head.lines + 1, last_sha256 }))
    }

    /// Writes the rows of the change with this number; the contracts that came or went.
    fn apply(&mut self, number: u64, effects: &[Effect]) -> Result<Vec<Contract>, StoreError> {
        let transaction = self.begin()?;
        let mut touched = Vec::new();
        for effect in effects {
            touched.extend(effect.apply(&transaction)?);
        }
        note_applied(&transaction, number)?;
        transaction.commit()?;
        if let Some(order) = &mut self.order {
            order.applied = number;
        }
        Ok(touched)
    }

    /// How much of a log was made here; none where it never followed one.
    fn applied(&self) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT applied FROM cluster_registry";
        let applied = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).optional()?;
        Ok(applied.map(i64::unsigned_abs))
    }

    fn has_rows(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM client) OR EXISTS (SELECT 1 FROM admin_token)";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Puts all rows into the log, which has to be empty, or to begin with what an earlier try has
    /// put there: how many changes that are.
    fn give_rows(&mut self) -> Result<u64, StoreError> {
        let (mut given, mut there) = (0, VecDeque::new());
        let mut is_at_end = false;
        for effects in self.rows_as_effects()? {
            let change = write_change(&Change { line: None, effects })?;
            let Some(Ordered { log, .. }) = &mut self.order else { return Ok(given) };
            if there.is_empty() && !is_at_end {
                there.extend(log.behind(given).map_err(StoreError::Unordered)?);
                is_at_end = there.is_empty();
            }
            let is_ours = match there.pop_front() {
                Some(other) => other == change,
                None => log.put(given, &change).map_err(StoreError::Unordered)?,
            };
            if !is_ours {
                return Err(StoreError::OwnRegistry(self.path.clone()));
            }
            given += 1;
        }
        Ok(given)
    }

    fn rows_as_effects(&mut self) -> Result<Vec<Vec<Effect>>, StoreError> {
        let xpids: Vec<i64> = self
            .registrations()?
            .iter()
            .map(|registration| integer(registration.xpid.value()))
            .collect();
        let tokens: Vec<[u8; 32]> = self.tokens()?.iter().map(|token| token.sha256).collect();
        let mut contracts = Vec::new();
        self.for_each_contract(|msn, xpid| contracts.push((msn, xpid)))?;
        let transaction = self.begin()?;
        let mut effects = Vec::new();
        for xpid in xpids {
            let row = read_row(&transaction, Table::Client, &xpid)?;
            effects.push(vec![Effect::Row(Table::Client, row)]);
        }
        for sha256 in tokens {
            let row = read_row(&transaction, Table::Token, &sha256)?;
            effects.push(vec![Effect::Row(Table::Token, row)]);
        }
        let chunks = contracts.chunks(ORDERED_ROWS_MAX);
        effects.extend(chunks.map(|rows| vec![Effect::ContractsAdded(pairs(rows))]));
        Ok(effects)
    }

    /// What others have changed, and the shards are to be told of now.
    pub fn take_untold(&mut self) -> Untold {
        std::mem::take(&mut self.untold)
    }

    /// They could not be told: this waits until they are.
    pub fn put_back_untold(&mut self, untold: Untold) {
        self.untold.clients |= untold.clients;
        self.untold.contracts.extend(untold.contracts);
    }

    /// These contracts came or went here, and whoever ordered it was told of an error.
    pub(super) fn note_untold<'a>(&mut self, rows: impl IntoIterator<Item = &'a Contract>) {
        self.untold.contracts.extend(rows);
    }

    /// All tokens, if others have changed some since this was asked last.
    ///
    /// # Errors
    /// The registry cannot be read: then it is asked again.
    pub fn take_untold_tokens(&mut self) -> Result<Option<Vec<AccessToken>>, StoreError> {
        if !self.untold_tokens {
            return Ok(None);
        }
        let tokens = self.tokens()?;
        self.untold_tokens = false;
        Ok(Some(tokens))
    }

    /// Which of these contracts are there; the others are not.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub fn there_of(
        &self,
        rows: &[Contract],
    ) -> Result<(Vec<Contract>, Vec<Contract>), StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM contract WHERE msn = ?1 AND xpid = ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for &row in rows {
            let key = params![integer(row.0.value()), integer(row.1.value())];
            let is_there: bool = statement.query_row(key, |found| found.get(0))?;
            if is_there { there.push(row) } else { gone.push(row) }
        }
        Ok((there, gone))
    }
}

/// Whether changes have come by a cluster's log: then none is made without it.
fn is_of_cluster(transaction: &Transaction<'_>) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM cluster_registry)";
    Ok(transaction.query_row(sql, [], |row| row.get(0))?)
}

fn note_applied(transaction: &Transaction<'_>, number: u64) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO cluster_registry (one, applied) VALUES (1, ?1)";
    transaction.execute(sql, [integer(number)])?;
    Ok(())
}

#[cfg(test)]
mod tests;
