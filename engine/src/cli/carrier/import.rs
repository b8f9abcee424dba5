//! `hayauma carrier import`: carriers and routes as a file of TOML has them.
//!
//! A carrier that is there already is changed, one that is not is added, and so are routes; what
//! the file does not name stays. The whole file is read before anything is done.

use super::{Place, RouteCarrier, RouteDocument, Where, carry_out, documents};
use crate::cli::CliError;
use crate::cli::secret::named_secret;
use crate::control::carrier_orders::{CarrierDocument, CarrierOrder};
use crate::control::carriers::CarrierChange;
use clap::Args;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Octets of such a file.
const FILE_OCTETS_MAX: u64 = 1 << 20;

#[derive(Args, Debug)]
pub(in crate::cli) struct ImportCommand {
    /// The file: `[[carrier]]` with the settings of `carrier add`, and `[[route]]`
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// The file.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Imported {
    carrier: Vec<toml::Table>,
    route: Vec<ImportedRoute>,
}

/// A route of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportedRoute {
    prefix: String,
    xpid: Option<String>,
    class: Option<String>,
    carriers: Vec<RouteCarrier>,
    failover_after: Option<u16>,
    #[serde(default)]
    elsewhere: bool,
}

/// How a carrier's ids are written, in one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    response: Option<toml::Value>,
    receipt: Option<toml::Value>,
}

impl ImportCommand {
    pub(super) fn run(self) -> Result<String, CliError> {
        let imported = read(&self.file)?;
        let before = documents(&self.place);
        let known = before.as_ref().map(|all| all.carriers.as_slice()).unwrap_or_default();
        let mut orders = Vec::new();
        for table in imported.carrier {
            let (name, settings) = carrier(table, &self.file)?;
            let is_there = known.iter().any(|one| one.settings.name == name);
            orders.push(match is_there {
                true => CarrierOrder::Set { name, settings },
                false => CarrierOrder::Add { name, settings },
            });
        }
        for route in imported.route {
            let ImportedRoute { prefix, xpid, class, carriers, failover_after, elsewhere } = route;
            let failover_after_s = failover_after;
            let route =
                RouteDocument { prefix, xpid, class, carriers, failover_after_s, elsewhere };
            orders.push(CarrierOrder::RouteAdd { route });
        }
        if let Ok(before) = &before
            && let Some((prefix, name)) = unknown_carrier(&orders, &before.carriers)
        {
            let sentence = format!(
                "the route {prefix} names the carrier {name:?}, which is neither in the file nor \
                 there: nothing was changed; add it to the file, or with `hayauma carrier add`"
            );
            return Err(fault(&self.file, sentence));
        }
        let mut text = String::new();
        for order in &orders {
            text.push_str(&carry_out(&self.place, order, Where::Anywhere)?);
        }
        Ok(text)
    }
}

/// A carrier that a route names and nobody knows, with the route's prefix.
fn unknown_carrier<'a>(
    orders: &'a [CarrierOrder],
    known: &[CarrierDocument],
) -> Option<(&'a str, &'a str)> {
    let is_added = |wanted: &str| {
        let mut added = orders.iter();
        added.any(|order| matches!(order, CarrierOrder::Add { name, .. } if name == wanted))
    };
    let is_known = |wanted: &str| known.iter().any(|one| one.settings.name == wanted);
    orders.iter().find_map(|order| {
        let CarrierOrder::RouteAdd { route } = order else { return None };
        let unknown =
            route.carriers.iter().find(|one| !is_added(&one.name) && !is_known(&one.name));
        unknown.map(|one| (route.prefix.as_str(), one.name.as_str()))
    })
}

fn fault(file: &Path, what: impl std::fmt::Display) -> CliError {
    CliError::new(format!("{}: {what}", file.display()))
}

fn read(file: &Path) -> Result<Imported, CliError> {
    let length = std::fs::metadata(file).map_err(|error| fault(file, error))?.len();
    if length > FILE_OCTETS_MAX {
        return Err(fault(file, "it has more than 1 MiB: give carriers and routes only"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| fault(file, error))?;
    toml::from_str(&text).map_err(|error| fault(file, error.to_string().trim()))
}

/// A carrier's name, and what of its settings the file says.
fn carrier(mut table: toml::Table, file: &Path) -> Result<(String, CarrierChange), CliError> {
    let mut word = |name: &str| match table.remove(name) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(fault(file, format!("{name} of a carrier is a text"))),
    };
    let name = word("name")?.ok_or_else(|| fault(file, "a carrier has no name: give it one"))?;
    let (password_file, password_env) = (word("password_file")?, word("password_env")?);
    let password_file = password_file.map(|path| beside(file, &path));
    if let Some(ids) = table.remove("ids") {
        let Ids { response, receipt } =
            ids.try_into().map_err(|error: toml::de::Error| fault(file, error.message()))?;
        table.extend(response.map(|form| ("response_ids".to_owned(), form)));
        table.extend(receipt.map(|form| ("receipt_ids".to_owned(), form)));
    }
    for (named, kept) in [("enquire_link", "enquire_link_s"), ("response", "response_s")] {
        table = renamed(table, named, kept);
    }
    let mut settings: CarrierChange =
        toml::Value::Table(table).try_into().map_err(|error: toml::de::Error| {
            fault(file, format!("the carrier {name}: {}", error.message()))
        })?;
    let password = named_secret("password", password_file.as_deref(), password_env.as_deref())?;
    settings.password = password.or(settings.password);
    Ok((name, settings))
}

/// A file that a file names lies beside it, unless its whole path is given.
fn beside(file: &Path, named: &str) -> PathBuf {
    file.with_file_name("").join(named)
}

fn renamed(mut table: toml::Table, named: &str, kept: &str) -> toml::Table {
    let value = table.remove(named);
    table.extend(value.map(|value| (kept.to_owned(), value)));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::carriers::IdsSetting;

    #[test]
    fn a_route_over_a_carrier_that_nobody_knows_is_found_before_anything_is_changed() {
        let over = |names: &[&str]| {
            let one = |name: &&str| RouteCarrier {
                name: (*name).to_owned(),
                weight: None,
                backup: false,
            };
            let route = RouteDocument {
                prefix: "090".to_owned(),
                xpid: None,
                class: None,
                carriers: names.iter().map(one).collect(),
                failover_after_s: None,
                elsewhere: false,
            };
            CarrierOrder::RouteAdd { route }
        };
        let alpha =
            CarrierOrder::Add { name: "alpha".to_owned(), settings: CarrierChange::default() };
        let orders = [alpha, over(&["alpha", "beta"])];
        assert_eq!(unknown_carrier(&orders, &[]), Some(("090", "beta")));
        assert_eq!(unknown_carrier(&[orders[0].clone(), over(&["alpha"])], &[]), None);
    }

    #[test]
    fn a_carrier_of_a_file_has_the_settings_that_it_names() {
        let table: toml::Table = toml::from_str(
            "name = \"alpha\"\nhosts = [\"192.0.2.10:2775\"]\nsystem_id = \"hayauma1\"\n\
             rate = 100\nids = { response = \"hex\", receipt = \"decimal\" }\n\
             statuses = { \"0x45\" = \"retry\" }\nenquire_link = 15\n",
        )
        .expect("TOML");
        let file = Path::new("carriers.toml");
        let (name, settings) = carrier(table.clone(), file).expect("settings");
        assert_eq!((name.as_str(), settings.rate, settings.window), ("alpha", Some(100), None));
        assert_eq!(settings.response_ids, Some(IdsSetting::Hex));
        assert_eq!(
            (settings.receipt_ids, settings.enquire_link_s),
            (Some(IdsSetting::Decimal), Some(15))
        );
        for (key, value) in [("windows", "1"), ("rate", "\"fast\""), ("name", "1")] {
            let mut table = table.clone();
            table.extend(toml::from_str::<toml::Table>(&format!("{key} = {value}")).expect("TOML"));
            assert!(carrier(table, file).is_err(), "{key}");
        }
        assert_eq!(beside(Path::new("a/b.toml"), "c"), Path::new("a/c"));
        assert_eq!(beside(Path::new("a/b.toml"), "/c"), Path::new("/c"));
    }
}
