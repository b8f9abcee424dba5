//! Broadcasts in a browser: one page for all, one for each, the forms by which people act, the
//! report; and the stream of figures that scripts and pages listen to.
//!
//! | request | does |
//! |---|---|
//! | `GET`, `POST /login` · `POST /logout` | a token for a session of 12 hours; its end |
//! | `GET /dashboard` · `/dashboard/new` · `/dashboard/ID` | all broadcasts; a new draft; one |
//! | `GET /dashboard/ID/confirm?act=` · `POST /dashboard/ID/…` | asks before an act; does it |
//! | `GET /dashboard/ID/live` | the page's changing parts, as they change |
//! | `GET /broadcasts/ID/events` | the figures as server-sent events |
//! | `GET /broadcasts/ID/report` · `/report.json` | what happened, to keep and to prove |
//!
//! Everything works without the script, by reloading; with it, parts are put in place as they come.
//! Nothing is loaded from elsewhere, and nothing of a page's own markup is script or style.
//!
//! **Never here:** a phone's number; what an act does (`control::broadcasts`); who may do it
//! (`control::admin`). **Invariants:** real and exercise differ in colour, words and form on every
//! page; no page answers with figures that `control::broadcasts` has not made.

mod acting;
mod all;
mod areas;
mod asking;
mod curve;
mod draft;
mod draft_form;
mod dry_run;
mod frame;
mod hub;
mod one;
mod parts;
mod reader;
mod report;
mod sentences;
mod sign_in;
mod taking_back;
mod tongue;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::broadcasts::{BroadcastDesk, look_within_sight};
use crate::broadcast::areas::AreaCatalogue;
use frame::refusal_page;
use reader::Reader;

pub use hub::Hub;
pub use tongue::Tongue;

/// What the pages share.
pub(crate) struct PagesState {
    desk: Arc<BroadcastDesk>,
    hub: Arc<Hub>,
}

/// The routes of pages and events.
pub fn router(desk: Arc<BroadcastDesk>) -> Router {
    let hub = Hub::new(Arc::clone(&desk));
    Router::new()
        .route("/", get(frame::to_dashboard))
        .route("/login", get(sign_in::show).post(sign_in::enter))
        .route("/logout", post(sign_in::leave))
        .route("/dashboard/style.css", get(frame::style))
        .route("/dashboard/live.js", get(frame::script))
        .route("/dashboard/icon.svg", get(frame::icon))
        .route("/dashboard", get(all::show))
        .route("/dashboard/new", get(draft::show).post(draft::create))
        .route("/dashboard/{broadcast}", get(one::show))
        .route("/dashboard/{broadcast}/live", get(one::live))
        .route("/dashboard/{broadcast}/confirm", get(asking::show))
        .route("/dashboard/{broadcast}/check", post(acting::check))
        .route("/dashboard/{broadcast}/approve", post(acting::approve))
        .route("/dashboard/{broadcast}/reject", post(acting::reject))
        .route("/dashboard/{broadcast}/start", post(acting::start))
        .route("/dashboard/{broadcast}/pause", post(acting::pause))
        .route("/dashboard/{broadcast}/resume", post(acting::resume))
        .route("/dashboard/{broadcast}/cancel", post(acting::cancel))
        .route("/dashboard/{broadcast}/pace", post(acting::set_pace))
        .route("/dashboard/{broadcast}/wave", post(acting::open_wave))
        .route("/dashboard/{broadcast}/retract", post(acting::retract))
        .route("/broadcasts/{broadcast}/events", get(hub::events))
        .route("/broadcasts/{broadcast}/report", get(report::show))
        .route("/broadcasts/{broadcast}/report.json", get(report::json))
        .route_layer(axum::middleware::from_fn_with_state(Arc::clone(&desk), within_sight))
        .with_state(Arc::new(PagesState { desk, hub }))
}

/// What every page of this engine goes by.
#[derive(Clone, Default)]
struct Here {
    /// It only looks on: nothing is sent from here, and every page says so.
    looks_on: bool,
    /// What areas are called.
    areas: Arc<AreaCatalogue>,
}

/// As `broadcasts::within_sight`, with a page for people.
async fn within_sight(
    State(desk): State<Arc<BroadcastDesk>>,
    reader: Reader,
    names: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let here = Here { looks_on: desk.looks_on(), areas: desk.catalogue() };
    let reader = Reader { looks_on: here.looks_on, ..reader };
    request.extensions_mut().insert(here);
    match look_within_sight(&desk, &names, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) if request.uri().path().starts_with("/dashboard") => {
            refusal_page(&reader, &refusal, "/dashboard")
        }
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests;
