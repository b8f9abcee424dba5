//! Registrations: `/clients` and `/clients/XPID`.
//!
//! POST adds (409 when the XPID is there), PUT writes the whole (fields that are absent get their
//! defaults), PATCH changes the fields that are there, DELETE removes. Each answers when every
//! shard works by the change.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::caller::Caller;
use super::contracts::remove_from_shards;
use super::reading::{Document, Parameters, XpidInPath, parse_xpid};
use super::reply::{AdminError, reply_json};
use crate::control::acts;
use crate::control::audit::Act;
use crate::control::document::{ClientChange, ClientDocument};
use crate::control::engine::Engine;
use crate::control::store::Store;
use crate::gateway::registration::Registration;
use wire::terms::ids::Xpid;

/// What DELETE may be told.
#[derive(Deserialize)]
pub(super) struct RemovalQuery {
    /// Whether the contracts go too.
    #[serde(default)]
    contracts: bool,
}

/// What DELETE answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientRemoval {
    /// The XPID that was registered.
    pub removed: String,
    /// How many contracts went with it.
    pub contracts: usize,
}

pub(super) async fn list(State(state): State<Arc<AdminState>>) -> Result<Response, AdminError> {
    let registrations = state.store.run(|store, _| store.registrations()).await??;
    let documents: Vec<ClientDocument> = registrations.iter().map(ClientDocument::of).collect();
    Ok(reply_json(StatusCode::OK, &documents))
}

pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    XpidInPath(xpid): XpidInPath,
) -> Result<Response, AdminError> {
    let registration = state.store.run(move |store, _| store.registration(xpid)).await??;
    Ok(reply_json(StatusCode::OK, &ClientDocument::of(&registration)))
}

pub(super) async fn add(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    Document(change): Document<ClientChange>,
) -> Result<Response, AdminError> {
    let text = change.xpid.as_deref();
    let text = text.ok_or_else(|| AdminError::bad_request("the document names no xpid"))?;
    let registration = change.create(parse_xpid(text)?).map_err(AdminError::bad_request)?;
    write(&state, StatusCode::CREATED, caller, move |_, _| {
        let act = acts::client_added(&registration);
        Ok(ClientAct { act, before: None, registration, is_new: true })
    })
    .await
}

pub(super) async fn put(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    XpidInPath(xpid): XpidInPath,
    Document(change): Document<ClientChange>,
) -> Result<Response, AdminError> {
    check_xpid(&change, xpid)?;
    write(&state, StatusCode::OK, caller, move |store, caller| {
        let before = store.registration(xpid).ok();
        let registration = change.create_over(xpid, before.as_ref());
        let registration = registration.map_err(AdminError::bad_request)?;
        caller.check_client(store, before.as_ref(), &registration)?;
        let act = match &before {
            Some(before) => acts::client_changed(before, &registration),
            None => acts::client_added(&registration),
        };
        Ok(ClientAct { act, before, registration, is_new: false })
    })
    .await
}

pub(super) async fn change(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    XpidInPath(xpid): XpidInPath,
    Document(change): Document<ClientChange>,
) -> Result<Response, AdminError> {
    check_xpid(&change, xpid)?;
    write(&state, StatusCode::OK, caller, move |store, caller| {
        let before = store.registration(xpid)?;
        let mut registration = before.clone();
        change.apply(&mut registration).map_err(AdminError::bad_request)?;
        caller.check_client(store, Some(&before), &registration)?;
        let act = acts::client_changed(&before, &registration);
        Ok(ClientAct { act, before: Some(before), registration, is_new: false })
    })
    .await
}

pub(super) async fn remove(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    XpidInPath(xpid): XpidInPath,
    Parameters(query): Parameters<RemovalQuery>,
) -> Result<Response, AdminError> {
    let contracts = state
        .store
        .run(move |store, control| -> Result<usize, AdminError> {
            store.catch_up()?;
            let act = acts::client_removed(&store.registration(xpid)?, query.contracts);
            store.act_in_steps(&caller.name, &act, |store, step| {
                let removed = store.remove_registration(xpid, query.contracts)?;
                *step += 1;
                // One that does not take the registrations is to have the contracts no longer all
                // the same.
                let published = publish(store, control);
                remove_from_shards(control, &removed)?;
                published?;
                Ok(removed.len())
            })
        })
        .await??;
    tracing::info!(%xpid, contracts, "registration removed");
    Ok(reply_json(StatusCode::OK, &ClientRemoval { removed: xpid.to_string(), contracts }))
}

/// A registration as it was, if it was, and as it is to be.
struct ClientAct {
    act: Act,
    before: Option<Registration>,
    registration: Registration,
    /// It must not be there yet.
    is_new: bool,
}

/// Does the change in the store, then gives the shards the whole set, then shows what is registered
/// now. Where the shards do not take it, the audit says that it was done in part.
async fn write(
    state: &AdminState,
    status: StatusCode,
    caller: Caller,
    change: impl FnOnce(&Store, &Caller) -> Result<ClientAct, AdminError> + Send + 'static,
) -> Result<Response, AdminError> {
    let document = state
        .store
        .run(move |store, control| -> Result<ClientDocument, AdminError> {
            // In a cluster another node may have changed what this order begins with.
            store.catch_up()?;
            let ClientAct { act, before, registration, is_new } = change(store, &caller)?;
            store.act_in_steps(&caller.name, &act, |store, step| {
                if is_new {
                    store.add_registration(&registration)?;
                } else {
                    store.put_registration(before.as_ref(), &registration)?;
                }
                *step += 1;
                let all = store.registrations()?;
                let document = match &before {
                    Some(before) => ClientDocument::of_change(before, &registration, &all),
                    None => ClientDocument::of(&registration),
                };
                control.publish_registrations(all)?;
                Ok(document)
            })
        })
        .await??;
    tracing::info!(xpid = document.xpid, "registration changed");
    Ok(reply_json(status, &document))
}

fn publish(store: &Store, control: &dyn Engine) -> Result<(), AdminError> {
    Ok(control.publish_registrations(store.registrations()?)?)
}

/// A document that names an XPID names the path's.
fn check_xpid(change: &ClientChange, xpid: Xpid) -> Result<(), AdminError> {
    match change.xpid.as_deref().map(parse_xpid).transpose()? {
        Some(named) if named != xpid => Err(AdminError::bad_request(format!(
            "the document is about XPID {named}, the path about {xpid}"
        ))),
        _ => Ok(()),
    }
}
