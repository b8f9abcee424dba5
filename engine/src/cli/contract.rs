//! `hayauma contract`: which msns may be pushed to under which XPID.

use clap::{Args, Subcommand};

use super::client::parse_xpid;
use super::contract_import::ImportCommand;
use super::place::{Place, RegistryPlace};
use super::table::{self, grouped};
use super::{CliError, Output};
use crate::control::acts;
use crate::control::admin::{
    ContractChange, ContractChanged, ContractRow, ContractsPage, CountRow,
};
use crate::control::limits::{CONTRACT_PAGE_ROWS_MAX, MSN_WORDS_PER_REQUEST_MAX};
use crate::control::msn_range::parse_msns;
use crate::control::store::{Contract, ContractFilter, Store};
use crate::gateway::limits::XPIDS_PER_MSN_MAX;
use wire::terms::ids::{Msn, Xpid};

/// Tie phone numbers to push clients: who may push to whom
///
/// A running engine works by a change at once.
#[derive(Subcommand, Debug)]
pub(super) enum ContractCommand {
    /// Add contracts of one XPID
    Add(AddCommand),
    Import(ImportCommand),
    /// List contracts, in the order of phone numbers
    List(ListCommand),
    /// Count the contracts of each XPID
    Count(CountCommand),
    /// Remove contracts of one XPID
    Remove(RemoveCommand),
}

#[derive(Args, Debug)]
pub(super) struct AddCommand {
    /// The XPID: 11 digits
    #[arg(value_parser = parse_xpid)]
    xpid: Xpid,
    /// Phone numbers, 11 digits each, or ranges such as 09000000000-09000099999
    #[arg(required = true, value_name = "MSN")]
    msns: Vec<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct RemoveCommand {
    /// The XPID: 11 digits
    #[arg(value_parser = parse_xpid)]
    xpid: Xpid,
    /// Phone numbers, 11 digits each, or ranges such as 09000000000-09000099999
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "MSN")]
    msns: Vec<String>,
    /// Remove every contract of the XPID
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct ListCommand {
    /// Only contracts of this phone number
    #[arg(long, value_name = "MSN", value_parser = parse_msn)]
    msn: Option<Msn>,
    /// Only contracts of this XPID
    #[arg(long, value_name = "XPID", value_parser = parse_xpid)]
    xpid: Option<Xpid>,
    /// At most this many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u64,
    /// Print the contracts as JSON instead of the CSV that `contract import` takes
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct CountCommand {
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl ContractCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Add(command) => command.run(output),
            Self::Import(command) => command.run(output),
            Self::List(command) => command.run(output),
            Self::Count(command) => command.run(output),
            Self::Remove(command) => command.run(output),
        }
    }
}

impl AddCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let rows = rows(&self.msns, self.xpid)?;
        let changed = match self.place.registry_to_change()? {
            RegistryPlace::Running(engine) => {
                let mut changed = ContractChanged::default();
                for change in changes(self.xpid, &self.msns) {
                    changed.add(engine.post("/contracts", &change)?);
                }
                changed
            }
            RegistryPlace::Stopped(mut store) => {
                store.registration(self.xpid)?;
                let mut changed = ContractChanged::default();
                let act = acts::contracts_added(self.xpid, &self.msns);
                let outcomes = store.act(&act, |store| Ok(store.add_contracts(&rows)?))?;
                changed.count(&rows, &outcomes);
                changed
            }
        };
        output.print(&format!(
            "added {}, already there {}\n",
            grouped(changed.changed),
            grouped(changed.unchanged)
        ))?;
        refused_as_error(&changed)
    }
}

impl RemoveCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let rows = rows(&self.msns, self.xpid)?;
        let changed = match self.place.registry_to_change()? {
            RegistryPlace::Running(engine) => {
                let mut changed = ContractChanged::default();
                let all =
                    ContractChange { xpid: self.xpid.to_string(), all: true, ..Default::default() };
                for change in
                    self.all.then_some(all).into_iter().chain(changes(self.xpid, &self.msns))
                {
                    changed.add(engine.delete_named("/contracts", &change)?);
                }
                changed
            }
            RegistryPlace::Stopped(mut store) => {
                store.registration(self.xpid)?;
                let msns = (!self.all).then_some(self.msns.as_slice());
                let act = acts::contracts_removed(self.xpid, msns);
                store.act(&act, |store| remove_from_store(store, self.xpid, &rows, self.all))?
            }
        };
        output.print(&format!(
            "removed {}, not there {}\n",
            grouped(changed.changed),
            grouped(changed.unchanged)
        ))
    }
}

impl ListCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let mut filter = ContractFilter { msn: self.msn, xpid: self.xpid, after: None };
        let mut left = if self.limit == 0 { u64::MAX } else { self.limit };
        let mut registry = self.place.registry_to_read()?;
        let mut listed = Vec::new();
        while left > 0 {
            let page_rows = left.min(CONTRACT_PAGE_ROWS_MAX as u64) as usize;
            let page = read_page(&mut registry, &filter, page_rows)?;
            left -= page.len() as u64;
            filter.after = page.last().copied();
            let is_last = page.len() < page_rows;
            if self.json {
                listed.extend(page.iter().map(|(msn, xpid)| ContractRow {
                    msn: msn.to_string(),
                    xpid: xpid.to_string(),
                }));
            } else {
                output.print(
                    &page.iter().map(|(msn, xpid)| format!("{msn},{xpid}\n")).collect::<String>(),
                )?;
            }
            if is_last || !output.has_reader() {
                break;
            }
        }
        if left == 0 && !read_page(&mut registry, &filter, 1)?.is_empty() {
            output.note("there are more: see them with --limit 0");
        }
        if self.json { output.print_json(&listed) } else { Ok(()) }
    }
}

impl CountCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let counts: Vec<CountRow> = match self.place.registry_to_read()? {
            RegistryPlace::Running(engine) => engine.get("/contracts/count")?,
            RegistryPlace::Stopped(store) => store
                .contract_counts()?
                .into_iter()
                .map(|(xpid, contracts)| CountRow { xpid: xpid.to_string(), contracts })
                .collect(),
        };
        if self.json {
            return output.print_json(&counts);
        }
        let mut rows = vec![vec!["XPID".to_owned(), "CONTRACTS".to_owned()]];
        rows.extend(counts.iter().map(|count| vec![count.xpid.clone(), grouped(count.contracts)]));
        rows.push(vec![
            "all".to_owned(),
            grouped(counts.iter().map(|count| count.contracts).sum()),
        ]);
        output.print(&table::render(&rows, &[1]))
    }
}

fn remove_from_store(
    store: &mut Store,
    xpid: Xpid,
    rows: &[Contract],
    all: bool,
) -> Result<ContractChanged, CliError> {
    let removed =
        if all { store.remove_contracts_of(xpid)? } else { store.remove_contracts(rows)? };
    let unchanged = if all { 0 } else { rows.len() - removed.len() };
    Ok(ContractChanged {
        changed: removed.len() as u64,
        unchanged: unchanged as u64,
        ..ContractChanged::default()
    })
}

fn read_page(
    registry: &mut RegistryPlace,
    filter: &ContractFilter,
    rows: usize,
) -> Result<Vec<Contract>, CliError> {
    let engine = match registry {
        RegistryPlace::Stopped(store) => return Ok(store.contracts(filter, rows)?),
        RegistryPlace::Running(engine) => engine,
    };
    let mut path = format!("/contracts?limit={rows}");
    if let Some(msn) = filter.msn {
        path += &format!("&msn={msn}");
    }
    if let Some(xpid) = filter.xpid {
        path += &format!("&xpid={xpid}");
    }
    if let Some((msn, xpid)) = filter.after {
        path += &format!("&after={msn}-{xpid}");
    }
    let page: ContractsPage = engine.get(&path)?;
    let read = |row: &ContractRow| {
        Some((Msn::parse(row.msn.as_bytes())?, Xpid::parse(row.xpid.as_bytes())?))
    };
    page.contracts
        .iter()
        .map(|row| {
            read(row).ok_or_else(|| CliError::new("the engine's answer holds what is no contract"))
        })
        .collect()
}

fn rows(msns: &[String], xpid: Xpid) -> Result<Vec<Contract>, CliError> {
    Ok(parse_msns(msns)?.into_iter().map(|msn| (msn, xpid)).collect())
}

/// The msns in as many requests as they need.
fn changes(xpid: Xpid, msns: &[String]) -> impl Iterator<Item = ContractChange> {
    let pieces = msns.chunks(MSN_WORDS_PER_REQUEST_MAX);
    pieces.map(move |msns| ContractChange {
        xpid: xpid.to_string(),
        msns: msns.to_vec(),
        all: false,
    })
}

fn refused_as_error(changed: &ContractChanged) -> Result<(), CliError> {
    let Some(first) = changed.refused.first() else { return Ok(()) };
    Err(CliError::new(format!(
        "{} msns, the first of them {first}, have {XPIDS_PER_MSN_MAX} XPIDs already: remove one of \
         those contracts first",
        grouped(changed.refused_count)
    )))
}

fn parse_msn(text: &str) -> Result<Msn, String> {
    Msn::parse(text.as_bytes()).ok_or_else(|| "an msn has 11 digits, the first 0".to_owned())
}
