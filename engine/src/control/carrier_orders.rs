//! Orders about carriers and routes: the same by whichever door they come, on the registry alone or
//! on a running engine.
//!
//! `GET /carriers` shows carriers and routes, `POST /carriers` takes one [`CarrierOrder`]. An order
//! is carried out when its answer comes: every thread of the engine works by it then. What carriers
//! have of pushes is awaited whatever is ordered.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use wire::terms::ids::{Class, Xpid};

use super::admin::{AdminError, Caller, Document, reply_json};
use super::audit::{Act, Paused};
use super::carriers::{AlphabetSetting, CarrierChange, CarrierSettings};
use super::engine::Engine;
use super::store::{Store, StoreError};
use crate::network::routes::{
    CarrierChoice, FAILOVER_AFTER_S, MEMBERS_MAX, Member, Rule, WEIGHT_MAX,
};
use crate::network::smpp::figures::{CarrierFigure, CarrierState};

/// Longest time until backups take over, seconds.
const FAILOVER_AFTER_S_MAX: u16 = 3_600;

/// Which pushes a route is for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteKey {
    /// The first digits of the msns, their 0 in front.
    pub prefix: String,
    /// Only pushes of this XPID: eleven digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xpid: Option<String>,
    /// Only pushes of this class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// A carrier of a route.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteCarrier {
    /// Its name.
    pub name: String,
    /// Its share; absent: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
    /// It takes pushes only where the others do not.
    pub backup: bool,
}

/// A route as it is ordered and shown.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteDocument {
    /// The first digits of the msns, their 0 in front.
    pub prefix: String,
    /// Only pushes of this XPID: eleven digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xpid: Option<String>,
    /// Only pushes of this class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The carriers.
    pub carriers: Vec<RouteCarrier>,
    /// Seconds until backups take over; absent: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover_after_s: Option<u16>,
    /// What one of them could not deliver goes by another, once.
    pub elsewhere: bool,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CarrierOrder {
    /// Add a carrier.
    Add {
        /// Its name.
        name: String,
        /// Its settings; what is absent has its default.
        settings: CarrierChange,
    },
    /// Change a carrier.
    Set {
        /// Its name.
        name: String,
        /// What of its settings.
        settings: CarrierChange,
    },
    /// Remove a carrier by which no push goes.
    Remove {
        /// Its name.
        name: String,
        /// Though receipts of it are awaited, which nobody will take then.
        #[serde(default)]
        forget_receipts: bool,
    },
    /// Hand it no more pushes; what it has is awaited.
    Pause {
        /// Its name.
        name: String,
    },
    /// Hand it pushes again.
    Resume {
        /// Its name.
        name: String,
    },
    /// Bind its sessions anew, each when its last answers are there.
    Rebind {
        /// Its name.
        name: String,
    },
    /// Add a route, or put it in the place of the one for the same pushes.
    RouteAdd {
        /// The route.
        route: RouteDocument,
    },
    /// Remove a route.
    RouteRemove {
        /// For which pushes.
        route: RouteKey,
    },
}

/// A carrier as it is shown: all but its password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CarrierDocument {
    /// Its number.
    pub number: u8,
    /// Its settings, the password empty.
    pub settings: CarrierSettings,
    /// What the running engine says of it, by name; none where no engine runs.
    #[serde(default)]
    pub figures: std::collections::BTreeMap<String, u64>,
    /// Why a session of it ended last, in this life of the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// All carriers and routes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CarriersDocument {
    /// In the order of their numbers.
    pub carriers: Vec<CarrierDocument>,
    /// In the order of their prefixes.
    pub routes: Vec<RouteDocument>,
}

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CarrierReply {
    /// One sentence.
    pub done: String,
    /// What is to be watched out for; empty: nothing.
    #[serde(default)]
    pub warning: String,
}

/// Why an order is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The registry.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is ordered cannot work.
    #[error("{0}")]
    Refused(String),
}

impl From<String> for OrderError {
    fn from(sentence: String) -> Self {
        Self::Refused(sentence)
    }
}

impl CarriersDocument {
    /// What the registry has, and what a running engine says of it.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub fn of(store: &Store, live: &[CarrierState]) -> Result<Self, StoreError> {
        let carriers = store.carriers()?;
        let names: Vec<(u8, String)> =
            carriers.iter().map(|(number, settings)| (*number, settings.name.clone())).collect();
        let routes = store.routes()?.iter().map(|rule| route_document(rule, &names)).collect();
        let shown = carriers.into_iter().map(|(number, mut settings)| {
            settings.password.clear();
            let live = live.iter().find(|state| state.name == settings.name);
            let figures = live.map_or(&[][..], |state| &state.figures[..]);
            let figures = figures.iter().map(|CarrierFigure { name, value, .. }| {
                (name.trim_start_matches("carrier_").to_owned(), *value)
            });
            let last_error = live.and_then(|state| state.last_error.clone());
            CarrierDocument { number, figures: figures.collect(), last_error, settings }
        });
        Ok(Self { carriers: shown.collect(), routes })
    }
}

impl CarriersDocument {
    /// The rules that these routes are.
    ///
    /// # Errors
    /// A route that cannot be.
    pub fn rules(&self) -> Result<Vec<Rule>, OrderError> {
        let carriers: Vec<_> =
            self.carriers.iter().map(|one| (one.number, one.settings.clone())).collect();
        self.routes.iter().map(|route| route.rule(&carriers)).collect()
    }
}

fn route_document(rule: &Rule, names: &[(u8, String)]) -> RouteDocument {
    let name = |number: u8| {
        let known = names.iter().find(|(other, _)| *other == number);
        known.map_or_else(|| number.to_string(), |(_, name)| name.clone())
    };
    let carriers = rule.choice.members.iter().map(|member| RouteCarrier {
        name: name(member.carrier),
        weight: Some(member.weight),
        backup: member.backup,
    });
    RouteDocument {
        prefix: rule.prefix.clone(),
        xpid: rule.xpid.map(|xpid| xpid.to_string()),
        class: rule.class.map(|class| class.word().to_owned()),
        carriers: carriers.collect(),
        failover_after_s: Some(rule.choice.failover_after_s),
        elsewhere: rule.choice.elsewhere,
    }
}

/// Which pushes are meant.
fn key_of(
    prefix: &str,
    xpid: Option<&str>,
    class: Option<&str>,
) -> Result<(Option<Xpid>, Option<Class>), String> {
    let is_prefix = prefix.starts_with('0')
        && prefix.len() <= 11
        && prefix.bytes().all(|octet| octet.is_ascii_digit());
    if !is_prefix {
        return Err(format!("{prefix:?} is no prefix: give 1 to 11 digits, a 0 in front"));
    }
    let xpid = xpid.map(|text| {
        Xpid::parse(text.as_bytes()).ok_or_else(|| format!("{text:?} is no XPID of 11 digits"))
    });
    let class = class.map(|text| {
        Class::from_word(text)
            .ok_or_else(|| format!("{text:?} is no class: standard, urgent, emergency or exercise"))
    });
    Ok((xpid.transpose()?, class.transpose()?))
}

impl RouteDocument {
    fn rule(&self, carriers: &[(u8, CarrierSettings)]) -> Result<Rule, OrderError> {
        let (xpid, class) = key_of(&self.prefix, self.xpid.as_deref(), self.class.as_deref())?;
        if self.carriers.is_empty() || self.carriers.len() > MEMBERS_MAX {
            return Err(format!("a route has 1 to {MEMBERS_MAX} carriers: name them").into());
        }
        let mut members: Vec<Member> = Vec::new();
        for RouteCarrier { name, weight, backup } in &self.carriers {
            let found = carriers.iter().find(|(_, settings)| settings.name == *name);
            let carrier = found.ok_or_else(|| StoreError::NoCarrier(name.clone()))?.0;
            let weight = weight.unwrap_or(1);
            if !(1..=WEIGHT_MAX).contains(&weight) {
                return Err(
                    format!("the weight is {weight}: give one from 1 to {WEIGHT_MAX}").into()
                );
            }
            if members.iter().any(|member| member.carrier == carrier) {
                return Err(format!("the carrier {name:?} is named twice: name it once").into());
            }
            members.push(Member { carrier, weight, backup: *backup });
        }
        if members.iter().all(|member| member.backup) {
            return Err("a route has a carrier that is no backup: name one".to_owned().into());
        }
        let failover_after_s = self.failover_after_s.unwrap_or(FAILOVER_AFTER_S);
        if failover_after_s > FAILOVER_AFTER_S_MAX {
            let most = FAILOVER_AFTER_S_MAX;
            return Err(format!("backups take over after {most} seconds at most").into());
        }
        if self.elsewhere && members.len() == 1 {
            return Err("what goes elsewhere needs a second carrier: name one".to_owned().into());
        }
        let choice = CarrierChoice { members, failover_after_s, elsewhere: self.elsewhere };
        Ok(Rule { prefix: self.prefix.clone(), xpid, class, choice })
    }
}

impl CarrierOrder {
    /// The order in the words of the audit: what stood there before, and what is to.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub fn act(&self, store: &Store) -> Result<Act, StoreError> {
        let before = CarriersDocument::of(store, &[])?;
        let carrier = |name: &str| before.carriers.iter().find(|one| one.settings.name == *name);
        let with_before = |act: Act, name: &str| match carrier(name) {
            Some(carrier) => act.before(&carrier.settings),
            None => act,
        };
        let with_pause = |act: Act, name: &str, paused: bool| match carrier(name) {
            Some(carrier) => {
                act.before(&Paused { paused: carrier.settings.paused }).after(&Paused { paused })
            }
            None => act,
        };
        let secret = |settings: &CarrierChange| {
            if settings.password.is_some() { ", its password too" } else { "" }
        };
        let shown = |settings: &CarrierChange| CarrierChange { password: None, ..settings.clone() };
        Ok(match self {
            Self::Add { name, settings } => {
                Act::new(format!("carrier add {name}")).after(&shown(settings))
            }
            Self::Set { name, settings } => {
                let act = Act::new(format!("carrier set {name}{}", secret(settings)));
                with_before(act, name).after(&shown(settings))
            }
            Self::Remove { name, forget_receipts } => {
                let more = if *forget_receipts { ", its receipts forgotten" } else { "" };
                with_before(Act::new(format!("carrier remove {name}{more}")), name)
            }
            Self::Pause { name } => {
                with_pause(Act::new(format!("carrier pause {name}")), name, true)
            }
            Self::Resume { name } => {
                with_pause(Act::new(format!("carrier resume {name}")), name, false)
            }
            // Nothing that stands is changed.
            Self::Rebind { name } => Act::new(format!("carrier rebind {name}")),
            Self::RouteAdd { route } => {
                let act = Act::new(format!("carrier route add {}", route.prefix));
                act.before(&before.routes).after(route)
            }
            Self::RouteRemove { route } => {
                let act = Act::new(format!("carrier route remove {}", route.prefix));
                act.before(&before.routes).after(route)
            }
        })
    }

    /// Carries the order out in the registry; `awaited` says how many receipts a carrier awaits.
    ///
    /// # Errors
    /// The registry cannot be changed, or what is ordered cannot work.
    pub fn obey(
        &self,
        store: &mut Store,
        awaited: impl Fn(&str) -> u64,
    ) -> Result<CarrierReply, OrderError> {
        let done = match self {
            Self::Add { name, settings: change } => {
                let mut settings =
                    CarrierSettings { name: name.clone(), ..CarrierSettings::default() };
                change.apply(&mut settings);
                settings.carrier(1, |_, _| Vec::new())?;
                let number = store.add_carrier(&settings)?;
                return Ok(told(
                    format!("The carrier {name} is there, as number {number}."),
                    &settings,
                ));
            }
            Self::Set { name, settings: change } => {
                return set_carrier(store, name, change);
            }
            Self::Remove { name, forget_receipts } => {
                let awaited = awaited(name);
                if awaited > 0 && !forget_receipts {
                    return Err(format!(
                        "{awaited} receipts of the carrier {name:?} are awaited: pause it and \
                         wait, or say --forget-receipts, and their pushes end as 6013"
                    )
                    .into());
                }
                store.remove_carrier(name)?;
                format!("The carrier {name} is removed.")
            }
            Self::Pause { name } => {
                change_settings(store, name, false, |settings| settings.paused = true)?;
                format!("The carrier {name} is handed no more pushes.")
            }
            Self::Resume { name } => {
                change_settings(store, name, false, |settings| settings.paused = false)?;
                format!("The carrier {name} is handed pushes.")
            }
            Self::Rebind { name } => {
                let (_, settings) = store.carrier(name)?;
                settings.tls.resolve(&settings.hosts)?;
                format!("The sessions of the carrier {name} are bound anew.")
            }
            Self::RouteAdd { route } => return add_route(store, route),
            Self::RouteRemove { route: RouteKey { prefix, xpid, class } } => {
                let (xpid, class) = key_of(prefix, xpid.as_deref(), class.as_deref())?;
                store.remove_route(prefix, xpid, class)?;
                "The route is removed.".to_owned()
            }
        };
        Ok(CarrierReply { done, warning: String::new() })
    }
}

/// What waits was encoded for the carriers that were there.
const POORER: &str = "pushes that wait and have characters that the carrier's alphabet lacks go \
                      there as UCS-2; those of which a part has no room for that wait for the \
                      route's other carriers, or end as 6005 where none of them is richer";

/// Whether the alphabet lacks characters of GSM 7-bit.
fn is_poorer(alphabet: AlphabetSetting) -> bool {
    matches!(alphabet, AlphabetSetting::Latin1 | AlphabetSetting::Ascii)
}

impl CarrierReply {
    fn warn(&mut self, warning: &str) {
        let more = if self.warning.is_empty() { "" } else { "; " };
        self.warning = format!("{}{more}{warning}", self.warning);
    }
}

fn set_carrier(
    store: &mut Store,
    name: &str,
    change: &CarrierChange,
) -> Result<CarrierReply, OrderError> {
    let was_poorer = is_poorer(store.carrier(name)?.1.alphabet);
    let rereads = change.tls.is_some();
    let settings = change_settings(store, name, rereads, |settings| change.apply(settings))?;
    let mut reply = told(format!("The carrier {name} is changed."), &settings);
    if !was_poorer && is_poorer(settings.alphabet) {
        reply.warn(POORER);
    }
    Ok(reply)
}

fn add_route(store: &mut Store, route: &RouteDocument) -> Result<CarrierReply, OrderError> {
    let carriers = store.carriers()?;
    store.put_route(&route.rule(&carriers)?)?;
    let twice = match route.elsewhere {
        true => {
            " What a carrier could not deliver is submitted to another one, once: it is paid twice."
        }
        false => "",
    };
    let done = format!(
        "The route is there. The state of the lines is the carrier's to know: no HLR is asked, and \
         svcinst does not count.{twice}"
    );
    let mut reply = CarrierReply { done, warning: String::new() };
    let is_of_route = |name: &str| route.carriers.iter().any(|one| one.name == name);
    let lacks =
        |settings: &CarrierSettings| is_of_route(&settings.name) && is_poorer(settings.alphabet);
    if carriers.iter().any(|(_, settings)| lacks(settings)) {
        reply.warn(POORER);
    }
    Ok(reply)
}

fn told(done: String, settings: &CarrierSettings) -> CarrierReply {
    CarrierReply { done, warning: settings.warning().unwrap_or_default() }
}

/// Changes a carrier. Its files of TLS are looked at where the order is about them: what is wrong
/// with them at another moment keeps nobody from pausing it.
fn change_settings(
    store: &mut Store,
    name: &str,
    rereads: bool,
    change: impl FnOnce(&mut CarrierSettings),
) -> Result<CarrierSettings, OrderError> {
    let (number, mut settings) = store.carrier(name)?;
    let tls_before = settings.tls.clone();
    change(&mut settings);
    settings.check()?;
    settings.tls.check_names(&settings.hosts)?;
    if rereads || settings.tls != tls_before {
        settings.tls.resolve(&settings.hosts)?;
    }
    store.put_carrier(number, &settings)?;
    Ok(settings)
}

/// The routes of the admin doors.
pub fn router(control: Arc<dyn Engine>) -> Router {
    Router::new().route("/carriers", get(show).post(order)).with_state(control)
}

async fn show(
    State(control): State<Arc<dyn Engine>>,
    caller: Caller,
) -> Result<Response, AdminError> {
    let live = control.carriers();
    let document = caller.look(move |store| CarriersDocument::of(store, &live)).await??;
    Ok(reply_json(StatusCode::OK, &document))
}

async fn order(
    caller: Caller,
    Document(order): Document<CarrierOrder>,
) -> Result<Response, AdminError> {
    let reply = caller
        .change(move |store, control, name| -> Result<CarrierReply, AdminError> {
            let live = control.carriers();
            let awaited = |name: &str| {
                let state = live.iter().find(|state| state.name == name);
                let figures = state.map_or(&[][..], |state| &state.figures[..]);
                let of = |wanted: &str| {
                    figures
                        .iter()
                        .find(|figure| figure.name.ends_with(wanted))
                        .map_or(0, |f| f.value)
                };
                of("receipts_awaited") + of("in_hand")
            };
            let act = order.act(store)?;
            let (rebound, reread) = match &order {
                CarrierOrder::Rebind { name } => (Some(store.carrier(name)?.0), None),
                CarrierOrder::Set { name, settings } if settings.tls.is_some() => {
                    (None, Some(store.carrier(name)?.0))
                }
                _ => (None, None),
            };
            store.act_in_steps(name, &act, |store, step| -> Result<_, AdminError> {
                let reply = order.obey(store, awaited)?;
                *step += 1;
                match rebound {
                    Some(number) => control.rebind_carrier(number)?,
                    None => control.publish_carriers(store.carriers()?, store.routes()?, reread)?,
                }
                Ok(reply)
            })
        })
        .await??;
    tracing::info!(done = reply.done, "carriers changed");
    Ok(reply_json(StatusCode::OK, &reply))
}

impl From<OrderError> for AdminError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Store(error) => error.into(),
            OrderError::Refused(sentence) => Self::bad_request(sentence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::carrier_tls::CarrierTlsSettings;

    #[test]
    fn a_file_that_is_gone_keeps_nobody_from_pausing_the_carrier() {
        let place = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(place.path()).expect("a store");
        let ca = place.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        std::fs::write(&ca, made.cert.pem()).expect("writable");
        let tls = CarrierTlsSettings { on: true, ca: ca.clone(), ..CarrierTlsSettings::default() };
        let name = || "beta".to_owned();
        let settings = CarrierChange {
            hosts: Some(vec!["localhost:3550".to_owned()]),
            system_id: Some("us".to_owned()),
            tls: Some(tls.clone()),
            ..CarrierChange::default()
        };
        let mut obey = |order: CarrierOrder| order.obey(&mut store, |_| 0);
        obey(CarrierOrder::Add { name: name(), settings }).expect("added");
        std::fs::remove_file(&ca).expect("there");
        obey(CarrierOrder::Pause { name: name() }).expect("the brake works");
        obey(CarrierOrder::Resume { name: name() }).expect("and is let go");
        let elsewhere = CarrierChange {
            hosts: Some(vec!["[::1]:3550".to_owned()]),
            rate: Some(1),
            ..CarrierChange::default()
        };
        obey(CarrierOrder::Set { name: name(), settings: elsewhere }).expect("set");
        let named = CarrierChange { tls: Some(tls), ..CarrierChange::default() };
        for order in [
            CarrierOrder::Set { name: name(), settings: named },
            CarrierOrder::Rebind { name: name() },
        ] {
            let refused = obey(order).expect_err("its files are what the order is about");
            assert!(refused.to_string().contains("the carrier's authority"), "{refused}");
        }
    }
}
