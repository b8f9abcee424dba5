//! Carriers and routes: `/carriers`, `/carriers/NAME` and `/routes`. What is changed counts from
//! the engine's next start on.
//!
//! A password is taken and never shown: PUT with an empty one keeps the one there is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::caller::Caller;
use super::reading::{Document, NameInPath};
use super::reply::{AdminError, reply_json};
use crate::control::acts;
use crate::control::carriers::{CarrierDocument, CarrierSettings, RouteDocument};
use crate::control::store::Store;

/// What DELETE answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CarrierRemoval {
    /// What was there: a carrier's name, or a route's prefix.
    pub removed: String,
}

pub(super) async fn list(State(state): State<Arc<AdminState>>) -> Result<Response, AdminError> {
    let carriers = state.store.run(|store, _| CarrierDocument::all(store)).await??;
    Ok(reply_json(StatusCode::OK, &carriers))
}

pub(super) async fn add(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    Document(settings): Document<CarrierSettings>,
) -> Result<Response, AdminError> {
    settings.check().map_err(AdminError::bad_request)?;
    let made = state
        .store
        .run(move |store, _| -> Result<CarrierDocument, AdminError> {
            let act = acts::carrier_added(&settings);
            let number = store.act(&caller.name, &act, |store| store.add_carrier(&settings))?;
            Ok(CarrierDocument::of(number, &settings))
        })
        .await??;
    tracing::info!(name = made.settings.name, "carrier added");
    Ok(reply_json(StatusCode::CREATED, &made))
}

pub(super) async fn put(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    NameInPath(name): NameInPath,
    Document(mut settings): Document<CarrierSettings>,
) -> Result<Response, AdminError> {
    if settings.name != name {
        return Err(AdminError::bad_request(format!(
            "the document is about the carrier {:?}, the path about {name:?}",
            settings.name.chars().take(64).collect::<String>()
        )));
    }
    settings.check().map_err(AdminError::bad_request)?;
    let changed = state
        .store
        .run(move |store, _| -> Result<CarrierDocument, AdminError> {
            let (number, before) = store.carrier(&name)?;
            settings.keep_password(&before);
            let act = acts::carrier_changed(&before, &settings);
            store.act(&caller.name, &act, |store| store.put_carrier(number, &settings))?;
            Ok(CarrierDocument::of(number, &settings))
        })
        .await??;
    tracing::info!(name = changed.settings.name, "carrier changed");
    Ok(reply_json(StatusCode::OK, &changed))
}

pub(super) async fn remove(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    NameInPath(name): NameInPath,
) -> Result<Response, AdminError> {
    let removed = name.clone();
    let job = move |store: &mut Store| -> Result<(), AdminError> {
        let (_, before) = store.carrier(&name)?;
        let act = acts::carrier_removed(&before);
        Ok(store.act(&caller.name, &act, |store| store.remove_carrier(&name))?)
    };
    state.store.run(move |store, _| job(store)).await??;
    tracing::info!(name = removed, "carrier removed");
    Ok(reply_json(StatusCode::OK, &CarrierRemoval { removed }))
}

pub(super) async fn routes(State(state): State<Arc<AdminState>>) -> Result<Response, AdminError> {
    let routes = state.store.run(|store, _| RouteDocument::all(store)).await??;
    Ok(reply_json(StatusCode::OK, &routes))
}

pub(super) async fn put_route(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    Document(route): Document<RouteDocument>,
) -> Result<Response, AdminError> {
    let key = route.key().map_err(AdminError::bad_request)?;
    let carrier = route.carrier.clone();
    let carrier = carrier.ok_or_else(|| AdminError::bad_request("the route names no carrier"))?;
    let put = state
        .store
        .run(move |store, _| -> Result<RouteDocument, AdminError> {
            let (number, _) = store.carrier(&carrier)?;
            let act = acts::route_put(RouteDocument::find(store, &route)?.as_ref(), &route);
            store.act(&caller.name, &act, |store| store.put_route(&key.to(number)))?;
            Ok(route)
        })
        .await??;
    tracing::info!(prefix = put.prefix, "route put");
    Ok(reply_json(StatusCode::OK, &put))
}

pub(super) async fn remove_route(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    Document(route): Document<RouteDocument>,
) -> Result<Response, AdminError> {
    let key = route.key().map_err(AdminError::bad_request)?;
    let removed = route.prefix.clone();
    let job = move |store: &mut Store| -> Result<(), AdminError> {
        let before = RouteDocument::find(store, &route)?;
        let act = acts::route_removed(before.as_ref().unwrap_or(&route));
        let remove = |store: &mut Store| store.remove_route(&key.prefix, key.xpid, key.class);
        Ok(store.act(&caller.name, &act, remove)?)
    };
    state.store.run(move |store, _| job(store)).await??;
    tracing::info!(prefix = removed, "route removed");
    Ok(reply_json(StatusCode::OK, &CarrierRemoval { removed }))
}
