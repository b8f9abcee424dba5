//! Contracts: `/contracts`, `/contracts/count` and `/contracts/import`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::caller::Caller;
use super::reading::{Document, Parameters, next_octets, parse_msn, parse_xpid};
use super::reply::{AdminError, reply_json};
use crate::control::acts;
use crate::control::engine::Engine;
use crate::control::import::{ContractImport, RefusedContract};
use crate::control::limits::{
    CONTRACT_PAGE_ROWS_DEFAULT, CONTRACT_PAGE_ROWS_MAX, IMPORT_BATCH_ROWS_MAX,
    REFUSED_LINES_SHOWN_DEFAULT, REFUSED_LINES_SHOWN_MAX,
};
use crate::control::msn_range::parse_msns;
use crate::control::store::{Contract, ContractFilter, ContractOutcome};

/// Contracts of one XPID to add or remove.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContractChange {
    /// The XPID.
    pub xpid: String,
    /// Msns and ranges `FIRST-LAST`.
    pub msns: Vec<String>,
    /// DELETE only: every contract of the XPID, instead of `msns`.
    pub all: bool,
}

/// What became of a [`ContractChange`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ContractChanged {
    /// Contracts that were added, or removed.
    pub changed: u64,
    /// Contracts that were there already, or were not there.
    pub unchanged: u64,
    /// Msns that have all the XPIDs they may have; the first 100 of them.
    pub refused: Vec<String>,
    /// How many such msns there are.
    pub refused_count: u64,
}

/// One contract as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ContractRow {
    /// Eleven digits.
    pub msn: String,
    /// Eleven digits.
    pub xpid: String,
}

/// A page of contracts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ContractsPage {
    /// In the order of msn, then XPID.
    pub contracts: Vec<ContractRow>,
    /// What to give as `after` for the next page; absent on the last.
    pub next: Option<String>,
}

/// How many contracts an XPID has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CountRow {
    /// Eleven digits.
    pub xpid: String,
    /// How many.
    pub contracts: u64,
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ImportReply {
    /// Contracts that are new.
    pub imported: u64,
    /// Contracts that were there already.
    pub already_there: u64,
    /// Lines refused.
    pub refused: u64,
    /// The first of them.
    pub lines: Vec<RefusedRow>,
}

/// A refused line as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefusedRow {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// Which contracts to show.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    msn: Option<String>,
    xpid: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// How to read an import.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    /// Number of the body's first line, for a file that comes in pieces.
    first_line: Option<u64>,
    /// How many refused lines to name.
    lines: Option<usize>,
}

pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Response, AdminError> {
    let filter = ContractFilter {
        msn: query.msn.as_deref().map(parse_msn).transpose()?,
        xpid: query.xpid.as_deref().map(parse_xpid).transpose()?,
        after: query.after.as_deref().map(parse_cursor).transpose()?,
    };
    let limit = query.limit.unwrap_or(CONTRACT_PAGE_ROWS_DEFAULT).clamp(1, CONTRACT_PAGE_ROWS_MAX);
    let contracts = state.store.run(move |store, _| store.contracts(&filter, limit)).await??;
    let next = contracts.get(limit - 1).map(|(msn, xpid)| format!("{msn}-{xpid}"));
    let contracts = contracts
        .iter()
        .map(|(msn, xpid)| ContractRow { msn: msn.to_string(), xpid: xpid.to_string() })
        .collect();
    Ok(reply_json(StatusCode::OK, &ContractsPage { contracts, next }))
}

pub(super) async fn count(State(state): State<Arc<AdminState>>) -> Result<Response, AdminError> {
    let counts = state.store.run(|store, _| store.contract_counts()).await??;
    let rows: Vec<CountRow> = counts
        .into_iter()
        .map(|(xpid, contracts)| CountRow { xpid: xpid.to_string(), contracts })
        .collect();
    Ok(reply_json(StatusCode::OK, &rows))
}

pub(super) async fn add(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    Document(change): Document<ContractChange>,
) -> Result<Response, AdminError> {
    let xpid = parse_xpid(&change.xpid)?;
    let rows: Vec<Contract> = parse_msns(&change.msns)
        .map_err(AdminError::bad_request)?
        .into_iter()
        .map(|msn| (msn, xpid))
        .collect();
    let changed = state
        .store
        .run(move |store, control| -> Result<ContractChanged, AdminError> {
            store.catch_up()?;
            store.registration(xpid)?;
            let act = acts::contracts_added(xpid, &change.msns);
            store.act_in_steps(&caller.name, &act, |store, step| {
                let mut changed = ContractChanged::default();
                for rows in rows.chunks(IMPORT_BATCH_ROWS_MAX) {
                    let outcomes = store.add_contracts(rows)?;
                    *step += 1;
                    changed.count(rows, &outcomes);
                    add_to_shards(control, rows, &outcomes)?;
                }
                Ok(changed)
            })
        })
        .await??;
    tracing::info!(%xpid, added = changed.changed, "contracts added");
    Ok(reply_json(StatusCode::OK, &changed))
}

pub(super) async fn remove(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    Document(change): Document<ContractChange>,
) -> Result<Response, AdminError> {
    let xpid = parse_xpid(&change.xpid)?;
    if change.all != change.msns.is_empty() {
        return Err(AdminError::bad_request(
            "name the msns to remove, or say that all of the XPID's go",
        ));
    }
    let rows: Vec<Contract> = parse_msns(&change.msns)
        .map_err(AdminError::bad_request)?
        .into_iter()
        .map(|msn| (msn, xpid))
        .collect();
    let changed = state
        .store
        .run(move |store, control| -> Result<ContractChanged, AdminError> {
            store.catch_up()?;
            store.registration(xpid)?;
            let msns = (!change.all).then_some(change.msns.as_slice());
            let act = acts::contracts_removed(xpid, msns);
            let removed = store.act_in_steps(&caller.name, &act, |store, step| {
                let removed = if change.all {
                    store.remove_contracts_of(xpid)?
                } else {
                    store.remove_contracts(&rows)?
                };
                *step += 1;
                remove_from_shards(control, &removed)?;
                Ok::<_, AdminError>(removed)
            })?;
            let unchanged = if change.all { 0 } else { rows.len() - removed.len() };
            Ok(ContractChanged {
                changed: removed.len() as u64,
                unchanged: unchanged as u64,
                ..ContractChanged::default()
            })
        })
        .await??;
    tracing::info!(%xpid, removed = changed.changed, "contracts removed");
    Ok(reply_json(StatusCode::OK, &changed))
}

/// An import on its way: where it ends before its end, its sender gone or a batch refused, the
/// audit says how far it came.
struct ImportOnItsWay {
    /// Batches are counted on the store's thread, whether the sender still listens or not.
    import: Arc<Mutex<ContractImport>>,
    caller: Caller,
    is_over: bool,
}

impl ImportOnItsWay {
    fn import(&self) -> MutexGuard<'_, ContractImport> {
        locked(&self.import)
    }
}

impl Drop for ImportOnItsWay {
    fn drop(&mut self) {
        if !self.is_over {
            let import = Arc::clone(&self.import);
            self.caller.leave_word(move || acts::import_broken(&locked(&import).sum()));
        }
    }
}

fn locked(import: &Mutex<ContractImport>) -> MutexGuard<'_, ContractImport> {
    import.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the body as it comes, one transaction per batch; the shards have each batch before the
/// next is read.
pub(super) async fn import(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    Parameters(query): Parameters<ImportQuery>,
    mut body: Body,
) -> Result<Response, AdminError> {
    let lines_max = query.lines.unwrap_or(REFUSED_LINES_SHOWN_DEFAULT).min(REFUSED_LINES_SHOWN_MAX);
    let mut refused = Vec::new();
    caller.record(acts::import_begun()).await?;
    let import = ContractImport::new(query.first_line.unwrap_or(1));
    let import = Arc::new(Mutex::new(import));
    let mut on_its_way = ImportOnItsWay { import, caller: caller.clone(), is_over: false };
    while let Some(octets) = next_octets(&mut body).await? {
        on_its_way.import().feed(&octets);
        take_in(&state, &on_its_way, IMPORT_BATCH_ROWS_MAX, &mut refused, lines_max).await?;
    }
    on_its_way.import().finish();
    take_in(&state, &on_its_way, 1, &mut refused, lines_max).await?;
    let (totals, sum) = {
        let import = on_its_way.import();
        (import.totals(), import.sum())
    };
    on_its_way.is_over = true;
    caller.note(acts::import_ended(&sum)).await?;
    tracing::info!(imported = totals.imported, refused = totals.refused, "contracts imported");
    let reply = ImportReply {
        imported: totals.imported,
        already_there: totals.already_there,
        refused: totals.refused,
        lines: refused,
    };
    Ok(reply_json(StatusCode::OK, &reply))
}

/// Adds the lines that wait, once there are so many.
async fn take_in(
    state: &AdminState,
    on_its_way: &ImportOnItsWay,
    least: usize,
    refused: &mut Vec<RefusedRow>,
    lines_max: usize,
) -> Result<(), AdminError> {
    if on_its_way.import().lines_waiting() < least {
        return Ok(());
    }
    let import = Arc::clone(&on_its_way.import);
    let room = lines_max.saturating_sub(refused.len());
    let named = state
        .store
        .run(move |store, control| -> Result<Vec<RefusedRow>, AdminError> {
            let mut import = locked(&import);
            let batch = import.take_batch();
            let rows = batch.rows();
            let outcomes = store.add_contracts(&rows)?;
            let mut named = Vec::new();
            import.record(batch, &outcomes, |RefusedContract { line, refusal }| {
                if named.len() < room {
                    named.push(RefusedRow { line, reason: refusal.to_string() });
                }
            });
            add_to_shards(control, &rows, &outcomes)?;
            Ok(named)
        })
        .await??;
    refused.extend(named);
    Ok(())
}

/// Gives the shards the rows that are new.
fn add_to_shards(
    control: &dyn Engine,
    rows: &[Contract],
    outcomes: &[ContractOutcome],
) -> Result<(), AdminError> {
    let added: Vec<Contract> = rows
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| **outcome == ContractOutcome::Added)
        .map(|(row, _)| *row)
        .collect();
    if !added.is_empty() {
        control.add_contracts(&added)?;
    }
    Ok(())
}

/// Tells the shards, a bounded number of rows at a time. The store has none of the rows any more,
/// so nobody would tell them later: a batch that a shard does not take keeps no other back.
pub(super) fn remove_from_shards(
    control: &dyn Engine,
    rows: &[Contract],
) -> Result<(), AdminError> {
    let mut told = Ok(());
    for rows in rows.chunks(IMPORT_BATCH_ROWS_MAX) {
        // Whatever became of those before.
        let sent = control.remove_contracts(rows);
        told = told.and(sent);
    }
    Ok(told?)
}

fn parse_cursor(text: &str) -> Result<Contract, AdminError> {
    let (msn, xpid) =
        text.split_once('-').ok_or_else(|| AdminError::bad_request("after is not MSN-XPID"))?;
    Ok((parse_msn(msn)?, parse_xpid(xpid)?))
}

impl ContractChanged {
    /// Adds what became of a further piece of the same change.
    pub fn add(&mut self, more: Self) {
        self.changed += more.changed;
        self.unchanged += more.unchanged;
        self.refused_count += more.refused_count;
        let room = REFUSED_LINES_SHOWN_DEFAULT.saturating_sub(self.refused.len());
        self.refused.extend(more.refused.into_iter().take(room));
    }

    /// Counts what became of `rows`.
    pub fn count(&mut self, rows: &[Contract], outcomes: &[ContractOutcome]) {
        for ((msn, _), outcome) in rows.iter().zip(outcomes) {
            match outcome {
                ContractOutcome::Added => self.changed += 1,
                ContractOutcome::AlreadyThere => self.unchanged += 1,
                ContractOutcome::TooManyXpids | ContractOutcome::NotRegistered => {
                    self.refused_count += 1;
                    if self.refused.len() < REFUSED_LINES_SHOWN_DEFAULT {
                        self.refused.push(msn.to_string());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fake_engine::FakeEngine;
    use std::sync::atomic::Ordering;
    use wire::terms::ids::{Msn, Xpid};

    #[test]
    fn what_follows_a_batch_that_a_shard_does_not_take_is_told_all_the_same() {
        let xpid = Xpid::from_value(100_000_001).expect("a legal XPID");
        let numbers = 9_010_000_000..=9_010_000_000 + IMPORT_BATCH_ROWS_MAX as u64;
        let rows: Vec<Contract> =
            numbers.map(|number| (Msn::from_value(number).expect("a legal msn"), xpid)).collect();
        let engine = FakeEngine::default();
        engine.add_contracts(&rows).expect("taken");
        engine.removals_refused.store(1, Ordering::Relaxed);
        let error = remove_from_shards(&engine, &rows).expect_err("the first batch is not taken");
        assert!(error.sentence.contains("told until it does"), "{}", error.sentence);
        assert_eq!(engine.contracts().len(), IMPORT_BATCH_ROWS_MAX, "the others are gone");
    }
}
