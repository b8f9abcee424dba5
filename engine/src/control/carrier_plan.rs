//! The carriers and routes of the registry, as the engine's threads are told of them.
//!
//! Nothing here waits for a name: a carrier whose host has no address yet is there and not dialled,
//! and the names' own thread finds it later.

use super::carrier_tls::is_set_up;
use super::carriers::{CarrierSettings, addresses_of};
use crate::network::routes::{Routes, Rule, TooManyChoices};
use crate::network::smpp::carrier::{Carrier, CarrierTls};
use crate::network::smpp::exchange::{CarrierPlan, KnownCarrier, Spread};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What the registry says of carriers, and what the operator had done since the start.
#[derive(Clone, Default)]
pub struct CarrierOrders {
    /// Every carrier with its number.
    pub carriers: Vec<(u8, CarrierSettings)>,
    /// Every rule.
    pub rules: Vec<Rule>,
    /// By number: how often a carrier's sessions were to be bound anew.
    pub rebinds: BTreeMap<u8, u32>,
    /// By number: what the plan before was made of. Files of TLS are read for what is new in it:
    /// those of another carrier may be under change at this moment.
    planned: BTreeMap<u8, CarrierSettings>,
    /// The carrier whose files of TLS the next plan reads anew: the order names it.
    pub reread: Option<u8>,
}

/// Why there is no plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// A carrier's settings cannot work.
    #[error("{sentence}")]
    Settings {
        /// The carrier.
        name: String,
        /// What is wrong.
        sentence: String,
    },
    /// The routes.
    #[error(transparent)]
    Routes(#[from] TooManyChoices),
}

impl CarrierOrders {
    /// What the registry says at a start.
    pub fn new(carriers: Vec<(u8, CarrierSettings)>, rules: Vec<Rule>) -> Self {
        Self { carriers, rules, ..Self::default() }
    }

    /// The plan that follows `before`: a carrier that was there keeps its rings. One whose files of
    /// TLS cannot be used at a start is there and not called, and keeps nothing else from starting.
    ///
    /// # Errors
    /// Settings that cannot work.
    pub fn plan(
        &self,
        before: &CarrierPlan,
        spread: Spread,
        look_up: impl Fn(&str, u16) -> Vec<SocketAddr>,
    ) -> Result<CarrierPlan, PlanError> {
        let mut carriers = Vec::new();
        for (number, settings) in &self.carriers {
            let known = before.carriers.iter().find(|known| known.exchange.number() == *number);
            let tls = self.tls_of(*number, settings, known);
            let made = tls.and_then(|tls| settings.carrier_over(*number, &look_up, tls));
            let mut carrier = made.map_err(|sentence| PlanError::Settings {
                name: settings.name.clone(),
                sentence,
            })?;
            carrier.rebinds = self.rebinds.get(number).copied().unwrap_or_default();
            let hosts_before = known.map(|known| &known.carrier.hosts);
            if hosts_before != Some(&carrier.hosts) {
                warn_of_hosts(&carrier);
            }
            carriers.push(match known {
                Some(known) => {
                    let exchange = Arc::clone(&known.exchange);
                    KnownCarrier { exchange, carrier: Arc::new(carrier) }
                }
                None => KnownCarrier::new(carrier, spread),
            });
        }
        let mut rules = self.rules.clone();
        for rule in &mut rules {
            let is_there = |number: u8| self.carriers.iter().any(|(there, _)| *there == number);
            rule.choice.members.retain(|member| is_there(member.carrier));
        }
        // A carrier that is gone takes nothing: its pushes would wait for ever.
        rules.retain(|rule| !rule.choice.members.is_empty());
        let queried = self.carriers.iter().filter(|(_, settings)| settings.query);
        let queried = queried.map(|(number, _)| *number).collect();
        let alphabets = self.carriers.iter();
        let alphabets =
            alphabets.map(|(number, settings)| (*number, settings.alphabet.alphabet())).collect();
        let routes = Routes::new(rules)?.with_queried(queried).with_alphabets(alphabets);
        // The same ones stay: shards look at no push then.
        let is_as_before = routes == *before.routes;
        let routes = if is_as_before { Arc::clone(&before.routes) } else { Arc::new(routes) };
        Ok(CarrierPlan { carriers: carriers.into(), routes })
    }

    /// What a carrier is spoken to with. Files are read where the settings say others than before,
    /// where the order names the carrier, and where they could not be used before.
    fn tls_of(
        &self,
        number: u8,
        settings: &CarrierSettings,
        known: Option<&KnownCarrier>,
    ) -> Result<Option<CarrierTls>, String> {
        settings.check()?;
        if !settings.tls.on {
            return Ok(None);
        }
        let before = known.and_then(|known| known.carrier.tls.as_ref());
        let usable = before.filter(|tls| is_set_up(tls));
        let planned = self.planned.get(&number);
        let is_as_before = planned.is_some_and(|planned| planned.tls == settings.tls);
        if let Some(tls) = usable.filter(|_| is_as_before && self.reread != Some(number)) {
            settings.tls.check_names(&settings.hosts)?;
            return Ok(Some(settings.tls.over(&settings.hosts, tls)));
        }
        let was_never_called = known.is_none() || before.is_some_and(|tls| !is_set_up(tls));
        match settings.tls.resolve(&settings.hosts) {
            Err(error) if was_never_called => {
                let carrier = &settings.name;
                tracing::error!(
                    carrier,
                    "the carrier is not called, and its pushes wait, until its files of TLS can \
                     be used and the engine is sent SIGHUP: {error}"
                );
                Ok(Some(settings.tls.not_set_up(&settings.hosts)))
            }
            resolved => resolved,
        }
    }
}

impl CarrierOrders {
    /// What the orders say now is what was planned last.
    pub fn note_planned(&mut self) {
        self.planned = self.carriers.iter().cloned().collect();
        self.reread = None;
    }

    /// The plan with the files of each carrier's TLS read anew; `None` where no carrier speaks it.
    /// One whose files cannot be used goes on with what it has, and the log says why.
    pub fn reread_tls(&self, before: &CarrierPlan) -> Option<CarrierPlan> {
        let mut carriers = before.carriers.to_vec();
        let mut is_any = false;
        for known in &mut carriers {
            let number = known.exchange.number();
            let settings = self.carriers.iter().find(|(there, _)| *there == number);
            let Some((_, settings)) = settings.filter(|(_, settings)| settings.tls.on) else {
                continue;
            };
            is_any = true;
            let carrier = &settings.name;
            match settings.tls.resolve(&settings.hosts) {
                Ok(tls) => {
                    known.carrier = Arc::new(Carrier { tls, ..Carrier::clone(&known.carrier) });
                    tracing::info!(carrier, "SIGHUP: the carrier's files of TLS were read anew");
                }
                Err(error) => tracing::error!(
                    carrier,
                    "SIGHUP: what the carrier is spoken to with stays, the new files are not \
                     taken: {error}"
                ),
            }
        }
        is_any
            .then(|| CarrierPlan { carriers: carriers.into(), routes: Arc::clone(&before.routes) })
    }
}

/// The plan with the addresses that its hosts have now; `None` where they have the same.
pub fn with_addresses(
    before: &CarrierPlan,
    look_up: impl Fn(&str, u16) -> Vec<SocketAddr>,
) -> Option<CarrierPlan> {
    let mut carriers = before.carriers.to_vec();
    let mut has_news = false;
    for known in &mut carriers {
        let (host_of, hosts) = addresses_of(&known.carrier.host_names, &look_up);
        if hosts != known.carrier.hosts {
            has_news = true;
            known.carrier = Arc::new(Carrier { hosts, host_of, ..Carrier::clone(&known.carrier) });
            warn_of_hosts(&known.carrier);
        }
    }
    has_news.then(|| CarrierPlan { carriers: carriers.into(), routes: Arc::clone(&before.routes) })
}

/// Whether nobody listens on the way to this address but who belongs there.
pub(crate) fn is_closed(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Plain SMPP to an address that others may listen on the way to is said, and that there is none.
fn warn_of_hosts(carrier: &Carrier) {
    let (name, hosts) = (&carrier.name, &carrier.hosts);
    if hosts.is_empty() {
        tracing::warn!(
            carrier = name,
            "no host of the carrier has an address yet: its pushes wait"
        );
    }
    let open = hosts.iter().find(|host| carrier.tls.is_none() && !is_closed(host.ip()));
    if let Some(host) = open {
        tracing::warn!(
            carrier = name,
            %host,
            "the carrier is spoken to without TLS on a public address"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, host: &str) -> CarrierSettings {
        CarrierSettings {
            name: name.to_owned(),
            hosts: vec![host.to_owned()],
            system_id: "hayauma".to_owned(),
            ..CarrierSettings::default()
        }
    }

    #[test]
    fn files_of_tls_are_read_for_what_is_new_and_for_no_address() {
        let place = tempfile::tempdir().expect("a directory");
        let ca = place.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        std::fs::write(&ca, made.cert.pem()).expect("writable");
        let mut secure = settings("beta", "beta.example:3550");
        (secure.tls.on, secure.tls.ca) = (true, ca.clone());
        let carriers = vec![(1, settings("alpha", "alpha.example:2775")), (2, secure)];
        let mut orders = CarrierOrders { carriers, ..CarrierOrders::default() };
        let nowhere = |_: &str, _: u16| Vec::new();
        let plan = orders.plan(&CarrierPlan::default(), Spread::even(1), nowhere).expect("a plan");
        orders.note_planned();
        // Somebody is about to put another file in its place.
        std::fs::remove_file(&ca).expect("there");
        let found = |_: &str, port| vec![SocketAddr::from(([192, 0, 2, 1], port))];
        let moved = with_addresses(&plan, found).expect("both have addresses now");
        assert!(moved.carriers.iter().all(|known| known.carrier.hosts.len() == 1));
        assert!(with_addresses(&moved, found).is_none(), "the same ones");
        orders.carriers[0].1.paused = true;
        let paused = orders.plan(&moved, Spread::even(1), found).expect("beta is as it was");
        assert!(paused.carriers[0].carrier.paused && paused.carriers[1].carrier.tls.is_some());
        orders.carriers[1].1.tls.name = "other.example".to_owned();
        let refused = orders.plan(&moved, Spread::even(1), found).map(drop);
        assert!(matches!(refused, Err(PlanError::Settings { name, .. }) if name == "beta"));
    }

    /// A carrier that trusts an authority in this file.
    fn secure(name: &str, ca: &std::path::Path) -> CarrierSettings {
        let mut secure = settings(name, "[::1]:3550");
        (secure.tls.on, secure.tls.ca) = (true, ca.to_owned());
        secure
    }

    fn write_authority(file: &std::path::Path) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        std::fs::write(file, made.cert.pem()).expect("writable");
    }

    fn spoken_with(plan: &CarrierPlan, at: usize) -> &CarrierTls {
        plan.carriers[at].carrier.tls.as_ref().expect("over TLS")
    }

    #[test]
    fn a_file_of_a_carrier_that_is_gone_keeps_nothing_else_from_starting() {
        let place = tempfile::tempdir().expect("a directory");
        let ca = place.path().join("ca.pem");
        let carriers = vec![(1, settings("alpha", "[::1]:2775")), (2, secure("beta", &ca))];
        let mut orders = CarrierOrders { carriers, ..CarrierOrders::default() };
        let nowhere = |_: &str, _: u16| Vec::new();
        let plan = orders.plan(&CarrierPlan::default(), Spread::even(1), nowhere).expect("a plan");
        orders.note_planned();
        assert!(!is_set_up(spoken_with(&plan, 1)), "it is called by nobody");
        // Nor does it keep another carrier from being paused.
        orders.carriers[0].1.paused = true;
        let paused = orders.plan(&plan, Spread::even(1), nowhere).expect("a plan");
        orders.note_planned();
        assert!(paused.carriers[0].carrier.paused);
        write_authority(&ca);
        let plan = orders.reread_tls(&paused).expect("one speaks TLS");
        assert!(is_set_up(spoken_with(&plan, 1)));
    }

    #[test]
    fn files_of_the_carrier_that_an_order_names_are_read_and_no_others() {
        let place = tempfile::tempdir().expect("a directory");
        let ca = place.path().join("ca.pem");
        write_authority(&ca);
        let carriers = vec![(1, secure("alpha", &ca)), (2, secure("beta", &ca))];
        let mut orders = CarrierOrders { carriers, ..CarrierOrders::default() };
        let nowhere = |_: &str, _: u16| Vec::new();
        let plan = orders.plan(&CarrierPlan::default(), Spread::even(1), nowhere).expect("a plan");
        orders.note_planned();
        orders.reread = Some(2);
        let next = orders.plan(&plan, Spread::even(1), nowhere).expect("a plan");
        let is_kept = |at| {
            let [before, after] = [&plan, &next].map(|plan| spoken_with(plan, at));
            Arc::ptr_eq(&before.spoken_with, &after.spoken_with)
        };
        assert_eq!([is_kept(0), is_kept(1)], [true, false]);
        // Another host needs no file.
        orders.note_planned();
        std::fs::remove_file(&ca).expect("there");
        orders.carriers[1].1.hosts = vec!["192.0.2.7:3550".to_owned()];
        let moved = orders.plan(&next, Spread::even(1), nowhere).expect("a plan");
        assert_eq!(spoken_with(&moved, 1).names, ["192.0.2.7"]);
    }

    #[test]
    fn routes_that_say_the_same_stay_the_same_ones() {
        let carriers = vec![(1, settings("alpha", "[::1]:2775"))];
        let choice = crate::network::routes::CarrierChoice::of(1);
        let rules = vec![Rule { prefix: "090".to_owned(), xpid: None, class: None, choice }];
        let mut orders = CarrierOrders { carriers, rules, ..CarrierOrders::default() };
        let nowhere = |_: &str, _: u16| Vec::new();
        let plan = orders.plan(&CarrierPlan::default(), Spread::even(1), nowhere).expect("a plan");
        (orders.carriers[0].1.paused, orders.carriers[0].1.rate) = (true, 7);
        let paused = orders.plan(&plan, Spread::even(1), nowhere).expect("a plan");
        assert!(Arc::ptr_eq(&plan.routes, &paused.routes), "no shard looks at its pushes");
        orders.carriers[0].1.query = true;
        let queried = orders.plan(&plan, Spread::even(1), nowhere).expect("a plan");
        assert!(!Arc::ptr_eq(&plan.routes, &queried.routes));
    }

    #[test]
    fn a_host_without_an_address_keeps_nothing_else_from_starting() {
        let carriers =
            vec![(1, settings("alpha", "alpha.example:2775")), (4, settings("beta", "[::1]:2775"))];
        let rules = Vec::new();
        let orders = CarrierOrders { carriers, rules, ..CarrierOrders::default() };
        let asked = std::cell::RefCell::new(Vec::new());
        let look_up = |name: &str, port| {
            asked.borrow_mut().push((name.to_owned(), port));
            name.parse().map(|ip: IpAddr| vec![SocketAddr::new(ip, port)]).unwrap_or_default()
        };
        let plan = orders.plan(&CarrierPlan::default(), Spread::even(2), look_up).expect("a plan");
        let hosts: Vec<_> = plan.carriers.iter().map(|known| known.carrier.hosts.len()).collect();
        assert_eq!(hosts, [0, 1]);
        assert_eq!(asked.borrow()[1], ("::1".to_owned(), 2775));
        let found = |_: &str, port| vec![SocketAddr::from(([192, 0, 2, 1], port))];
        let next = orders.plan(&plan, Spread::even(2), found).expect("a plan");
        assert!(Arc::ptr_eq(&plan.carriers[0].exchange, &next.carriers[0].exchange));
        assert_eq!(next.carriers[0].carrier.hosts.len(), 1);
        assert!(!next.carriers[0].carrier.rebinds_for(&plan.carriers[0].carrier), "found at last");
    }
}
