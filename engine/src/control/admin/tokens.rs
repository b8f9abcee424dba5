//! Tokens of the admin doors: `/tokens` and `/tokens/NAME`.
//!
//! A token is told once, in the answer that made it. It counts from that answer on, and no more
//! from the moment on in which the registry has lost it, whether its remover still listens or not.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::AdminState;
use super::caller::Caller;
use super::reading::{Document, NameInPath, Parameters};
use super::reply::{AdminError, reply_json};
use crate::control::acts;
use crate::control::now::wall_now;
use crate::control::token::{TokenChange, TokenDocument, TokenMade, TokensRemoved};

/// Which tokens DELETE removes.
#[derive(Deserialize)]
pub(super) struct RemovalQuery {
    /// The older of two alone.
    #[serde(default)]
    older: bool,
}

pub(super) async fn list(State(state): State<Arc<AdminState>>) -> Result<Response, AdminError> {
    let tokens = state.store.run(|store, _| store.tokens()).await??;
    let documents: Vec<TokenDocument> = tokens.iter().map(TokenDocument::of).collect();
    Ok(reply_json(StatusCode::OK, &documents))
}

pub(super) async fn add(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    Document(change): Document<TokenChange>,
) -> Result<Response, AdminError> {
    let (token, secret) = change.make(wall_now()).map_err(AdminError::bad_request)?;
    let made = TokenDocument::of(&token);
    let access = Arc::clone(&state.access);
    state
        .store
        .run(move |store, _| -> Result<_, AdminError> {
            store.act(&caller.name, &acts::token_made(&token), |store| store.add_token(&token))?;
            access.add(token);
            Ok(())
        })
        .await??;
    tracing::info!(name = made.name, "token made");
    Ok(reply_json(StatusCode::CREATED, &TokenMade { token: secret, made }))
}

pub(super) async fn remove(
    State(state): State<Arc<AdminState>>,
    caller: Caller,
    NameInPath(name): NameInPath,
    Parameters(query): Parameters<RemovalQuery>,
) -> Result<Response, AdminError> {
    let named = name.clone();
    let access = Arc::clone(&state.access);
    let removed = state
        .store
        .run(move |store, _| -> Result<_, AdminError> {
            // A damaged row keeps no other from being removed, nor itself.
            let tokens = store.tokens().unwrap_or_default();
            let act = acts::tokens_removed(&named, query.older, &tokens);
            let removed =
                store.act(&caller.name, &act, |store| store.remove_tokens(&named, query.older))?;
            access.remove(&removed);
            Ok(removed.len())
        })
        .await??;
    tracing::info!(name, removed, "tokens removed");
    Ok(reply_json(StatusCode::OK, &TokensRemoved { removed }))
}
