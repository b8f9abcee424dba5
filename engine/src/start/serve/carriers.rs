//! Carriers at a start: what the registry says of them.

use crate::control::carrier_plan::{CarrierOrders, PlanError};
use crate::control::store::Store;
use crate::io::names::HostNames;
use crate::network::smpp::exchange::{CarrierPlan, Spread};
use host::fatal::{Fatal, FatalReason};

/// Reads them from the store. Whoever has no address yet is looked for once the engine runs.
pub(super) fn load(
    store: &Store,
    names: &HostNames,
    spread: Spread,
) -> Result<(CarrierOrders, CarrierPlan), Fatal> {
    let carriers = store.carriers().map_err(Fatal::from)?;
    let rules = store.routes().map_err(Fatal::from)?;
    let orders = CarrierOrders::new(carriers, rules);
    names.want_hosts(orders.carriers.iter().flat_map(|(_, settings)| settings.names()).collect());
    let look_up = |name: &str, port| names.addresses(name, port);
    let plan = orders.plan(&CarrierPlan::default(), spread, look_up).map_err(|error| {
        let remedy = match &error {
            PlanError::Settings { name, .. } => {
                format!("correct it with `hayauma carrier set {name}`")
            }
            PlanError::Routes(_) => "remove some with `hayauma carrier route remove`".to_owned(),
        };
        Fatal::with_remedy(FatalReason::Configuration, error.to_string(), remedy)
    })?;
    Ok((orders, plan))
}
