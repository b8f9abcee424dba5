//! What the handlers of lists and broadcasts have in common.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::desk::BroadcastDesk;
use super::memory::SUPPRESSION;
use super::refusal::{BroadcastRefusal, ROLE, refused};
use crate::control::admin::Caller;
use crate::control::admin::reply::AdminError;
use crate::control::audit::Act;
use crate::control::roles::Role;

/// What every handler is given.
pub(super) type Desk = State<Arc<BroadcastDesk>>;
/// What every handler answers.
pub(super) type Answer = Result<Response, BroadcastRefusal>;

/// Does what waits for disks and shards beside the doors.
pub(super) async fn beside<T: Send + 'static>(
    desk: Arc<BroadcastDesk>,
    work: impl FnOnce(&BroadcastDesk) -> Result<T, BroadcastRefusal> + Send + 'static,
) -> Result<T, BroadcastRefusal> {
    tokio::task::spawn_blocking(move || work(&desk)).await.unwrap_or_else(|_| Err(stopping()))
}

pub(super) fn stopping() -> BroadcastRefusal {
    AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "the control plane is stopping").into()
}

/// An act: its line, and then itself.
pub(super) async fn act<T: Send + 'static>(
    caller: &Caller,
    desk: Arc<BroadcastDesk>,
    act: Act,
    work: impl FnOnce(&BroadcastDesk, &str) -> Result<T, BroadcastRefusal> + Send + 'static,
) -> Result<T, BroadcastRefusal> {
    let name = caller.name.clone();
    // What a refusal says beside its sentence does not go through the audit's words.
    let refusal = Arc::new(Mutex::new(None));
    let said = Arc::clone(&refusal);
    let done = caller.act(act, move |_| {
        work(&desk, &name).map_err(|refused| {
            *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused.clone());
            AdminError::from(refused)
        })
    });
    done.await.map_err(|error| {
        let said = refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
        said.unwrap_or_else(|| error.into())
    })
}

/// Who may make and fill lists of a purpose: those on a suppression list get no broadcast, an
/// emergency neither, so whoever may only write drafts fills none.
pub(super) fn may_fill(caller: &Caller, purpose: &str) -> Result<(), BroadcastRefusal> {
    if purpose != SUPPRESSION || caller.may(Role::Operator) {
        return Ok(());
    }
    let sentence = "a suppression list takes the role operator or admin: use such a token";
    Err(refused(ROLE, sentence))
}
