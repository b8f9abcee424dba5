//! The table of contracts: adding with the bound of XPIDs per msn, removing, paging, counting,
//! loading.

use std::collections::HashSet;

use rusqlite::Transaction;

use super::ordered::{Effect, Effects, ORDERED_ROWS_MAX, pairs};
use super::{
    Contract, ContractFilter, ContractOutcome, Store, StoreError, contract_of, delete_all_of,
    integer, is_registered, xpid_of,
};
use crate::gateway::limits::XPIDS_PER_MSN_MAX;
use wire::terms::ids::{Msn, Xpid};

impl Store {
    /// Adds contracts in one transaction and says of each row, in the rows' order, what became of
    /// it. In a cluster some rows are a change of their own.
    ///
    /// Rows of one msn count in the order in which they come: the eleventh XPID is the refused one.
    pub fn add_contracts(&mut self, rows: &[Contract]) -> Result<Vec<ContractOutcome>, StoreError> {
        self.change_some(rows, add)
    }

    /// Removes contracts in one transaction and returns those that were there.
    pub fn remove_contracts(&mut self, rows: &[Contract]) -> Result<Vec<Contract>, StoreError> {
        self.change_some(rows, remove)
    }

    /// Does a change of all these rows, or in a cluster of some after the other. Where one of those
    /// fails, the shards are told of the ones before it all the same.
    fn change_some<T>(
        &mut self,
        rows: &[Contract],
        work: impl Fn(&Transaction<'_>, &[Contract], &mut Effects) -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let at_once = if self.is_ordered() { ORDERED_ROWS_MAX } else { rows.len().max(1) };
        let mut done = Vec::with_capacity(rows.len());
        for (nth, some) in rows.chunks(at_once).enumerate() {
            match self.change(|transaction, effects| work(transaction, some, effects)) {
                Ok(more) => done.extend(more),
                Err(error) => {
                    self.note_untold(&rows[..nth * at_once]);
                    return Err(error);
                }
            }
        }
        Ok(done)
    }

    /// Removes every contract of this XPID and returns them.
    pub fn remove_contracts_of(&mut self, xpid: Xpid) -> Result<Vec<Contract>, StoreError> {
        self.change(|transaction, effects| {
            if !is_registered(transaction, xpid)? {
                return Err(StoreError::NotRegistered(xpid));
            }
            let removed = delete_all_of(transaction, xpid)?;
            if !removed.is_empty() {
                effects.note(|| Effect::ContractsOfRemoved(integer(xpid.value())));
            }
            Ok(removed)
        })
    }

    /// The first `limit` contracts that `filter` lets through, in the order of msn, then XPID.
    pub fn contracts(
        &self,
        filter: &ContractFilter,
        limit: usize,
    ) -> Result<Vec<Contract>, StoreError> {
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

    /// How many contracts each XPID has, registered ones without any included, in the order of
    /// XPIDs.
    pub fn contract_counts(&self) -> Result<Vec<(Xpid, u64)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT client.xpid, coalesce(counted.contracts, 0) FROM client LEFT JOIN (SELECT \
             xpid, count(*) AS contracts FROM contract GROUP BY xpid) AS counted USING (xpid) \
             ORDER BY client.xpid",
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

    /// How many contracts there are.
    pub fn contracts_in_all(&self) -> Result<u64, StoreError> {
        let count: i64 =
            self.connection.query_row("SELECT count(*) FROM contract", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Calls `each` for every contract, in the order of msn, then XPID; returns how many there
    /// were.
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
}

/// Adds contracts; what became of each.
fn add(
    transaction: &Transaction<'_>,
    rows: &[Contract],
    effects: &mut Effects,
) -> Result<Vec<ContractOutcome>, StoreError> {
    let registered = registered_xpids(transaction)?;
    let mut outcomes = vec![ContractOutcome::NotRegistered; rows.len()];
    // In the order of msns neighbouring rows meet the same page of the tree, whatever the order of
    // the file.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&at| rows[at].0);
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
    let is_added =
        |(_, outcome): &(&Contract, &ContractOutcome)| **outcome == ContractOutcome::Added;
    if outcomes.contains(&ContractOutcome::Added) {
        effects.note(|| {
            let added = rows.iter().zip(&outcomes).filter(is_added).map(|(row, _)| *row);
            Effect::ContractsAdded(pairs(&added.collect::<Vec<_>>()))
        });
    }
    Ok(outcomes)
}

/// Removes contracts; those that were there.
fn remove(
    transaction: &Transaction<'_>,
    rows: &[Contract],
    effects: &mut Effects,
) -> Result<Vec<Contract>, StoreError> {
    let mut removed = Vec::new();
    let mut delete =
        transaction.prepare_cached("DELETE FROM contract WHERE msn = ?1 AND xpid = ?2")?;
    for &(msn, xpid) in rows {
        if delete.execute([integer(msn.value()), integer(xpid.value())])? > 0 {
            removed.push((msn, xpid));
        }
    }
    if !removed.is_empty() {
        effects.note(|| Effect::ContractsRemoved(pairs(&removed)));
    }
    Ok(removed)
}

fn registered_xpids(transaction: &Transaction<'_>) -> Result<HashSet<i64>, StoreError> {
    let mut statement = transaction.prepare_cached("SELECT xpid FROM client")?;
    let found = statement.query_map([], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}
