//! One version of a list: what became of its file's lines, one phone's row, the lines that were
//! refused; and that somebody takes it as it is, or that it is too old.
//!
//! **Never here:** how a file is read (`broadcast::lists`). **Invariants:** a version never changes
//! but by who may use it; nobody's number is shown without the role for that.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use serde::Deserialize;

use super::desk::BroadcastDesk;
use super::handling::{Answer, Desk, act, beside, may_fill};
use super::list_documents::{ListDocument, RowShown, VersionDocument, VersionShown};
use super::lists::pinned_versions;
use super::now::Now;
use super::refusal::{BroadcastRefusal, LIST_NOT_READY, STATE, refused, unknown};
use crate::broadcast::lists::view::ListView;
use crate::control::admin::reply::{AdminError, reply_json};
use crate::control::admin::{Caller, Parameters, VersionInPath};
use crate::control::audit::Act;
use host::mapped::Mapped;
use wire::terms::ids::Msn;
use wire::terms::time::WallMs;

/// A version is kept for so long once a newer one is used, in milliseconds.
const RETIRED_KEPT_MS: u64 = 30 * 24 * 3_600 * 1_000;
/// What stands between a list and its version where both are one word.
const OF_LIST: char = '@';

/// The routes of versions.
pub(super) fn router(desk: Arc<BroadcastDesk>) -> Router {
    Router::new()
        .route("/lists/{list}/versions/{version}", get(show))
        .route("/lists/{list}/versions/{version}/refused", get(show_refused))
        .route("/lists/{list}/versions/{version}/rows", get(show_row))
        .route("/lists/{list}/versions/{version}/take", post(take))
        .with_state(desk)
}

async fn show(State(desk): Desk, VersionInPath(list, version): VersionInPath) -> Answer {
    let shown = beside(desk, move |desk| desk.version_shown(&list, version)).await?;
    Ok(reply_json(StatusCode::OK, &shown))
}

async fn show_refused(State(desk): Desk, VersionInPath(list, version): VersionInPath) -> Answer {
    let table = beside(desk, move |desk| desk.refused_lines(&list, version)).await?;
    let media_type = HeaderValue::from_static("text/csv; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, media_type)], table).into_response())
}

/// Whose row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowQuery {
    msn: String,
}

async fn show_row(
    State(desk): Desk,
    VersionInPath(list, version): VersionInPath,
    Parameters(query): Parameters<RowQuery>,
) -> Answer {
    let msn = Msn::parse(query.msn.as_bytes());
    let msn = msn.ok_or_else(|| AdminError::bad_request("msn is a phone's number, 11 digits"))?;
    let shown = beside(desk, move |desk| desk.row_of(&list, version, msn)).await?;
    Ok(reply_json(StatusCode::OK, &shown))
}

async fn take(
    State(desk): Desk,
    caller: Caller,
    VersionInPath(list, version): VersionInPath,
) -> Answer {
    may_fill(&caller, &desk.list(&list)?.purpose)?;
    let line = Act::new(format!("list take {list} version {version}"));
    let work = move |desk: &BroadcastDesk, by: &str| desk.take_as_it_is(&list, version, by);
    Ok(reply_json(StatusCode::OK, &act(&caller, desk, line, work).await?))
}

/// The word for a version of a list.
pub(super) fn version_word(list: &str, version: u32) -> String {
    format!("{list}{OF_LIST}{version}")
}

/// And what it says.
pub(super) fn of_version_word(word: &str) -> Option<(&str, u32)> {
    let (list, version) = word.split_once(OF_LIST)?;
    Some((list, version.parse().ok()?))
}

impl BroadcastDesk {
    fn version_of(&self, list: &str, version: u32) -> Result<VersionDocument, BroadcastRefusal> {
        let document = self.list(list)?;
        let found = document.versions.into_iter().find(|known| known.version == version);
        found.ok_or_else(|| unknown("version"))
    }

    fn version_shown(&self, list: &str, version: u32) -> Result<VersionShown, BroadcastRefusal> {
        let document = self.version_of(list, version)?;
        let account = match self.shelf.read_account(list, version) {
            Ok(account) => Some(account),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // What the reading of a document says has lost its kind.
            Err(_) if !self.shelf.account(list, version).exists() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(VersionShown { list: list.to_owned(), version: document, account })
    }

    fn refused_lines(&self, list: &str, version: u32) -> Result<String, BroadcastRefusal> {
        self.version_of(list, version)?;
        match fs::read_to_string(self.shelf.refused_lines(list, version)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let sentence = "an earlier program took it in, and kept no refused lines";
                Err(AdminError::new(StatusCode::NOT_FOUND, sentence).into())
            }
            table => Ok(table?),
        }
    }

    fn row_of(&self, list: &str, version: u32, msn: Msn) -> Result<RowShown, BroadcastRefusal> {
        self.version_of(list, version)?;
        let octets = Mapped::open(&File::open(self.shelf.version(list, version))?)?;
        let view = ListView::open(octets.as_ref())
            .map_err(|error| refused(LIST_NOT_READY, error.to_string()))?;
        let number = view.find(msn).ok_or_else(|| unknown("row"))?;
        let row = view.row(number).ok_or_else(|| {
            refused(LIST_NOT_READY, "the row is damaged: import the list again, or restore it")
        })?;
        let names = view.parameter_names().iter().map(|name| (*name).to_owned());
        let values = row.parameters.iter().map(|value| (*value).to_owned());
        Ok(RowShown {
            list: list.to_owned(),
            version,
            row: number,
            msn: row.msn.to_string(),
            area: row.area.unwrap_or_default(),
            lang: row.language.to_owned(),
            params: names.zip(values).collect::<BTreeMap<_, _>>(),
        })
    }

    /// A version of which too many lines were refused is used from now on.
    fn take_as_it_is(
        &self,
        list: &str,
        version: u32,
        by: &str,
    ) -> Result<ListDocument, BroadcastRefusal> {
        let taken = {
            let mut standing = self.standing();
            let known = standing.lists.get_mut(list).ok_or_else(|| unknown("list"))?;
            let mut taken = known.clone();
            let mut versions = taken.versions.iter_mut();
            let found = versions.find(|known| known.version == version);
            let found = found.ok_or_else(|| unknown("version"))?;
            if !found.is_refused {
                return Err(refused(STATE, "the version is used already: nothing is changed"));
            }
            (found.is_refused, found.taken_by) = (false, Some(by.to_owned()));
            self.shelf.keep_list(list, &taken)?;
            *known = taken.clone();
            taken
        };
        self.retire_versions(list, &[]);
        self.publish_suppression(Now::read().steady);
        Ok(taken)
    }

    /// Versions in whose place another is used for longer than they are kept, each as a word.
    pub(super) fn old_versions(&self, now_ms: WallMs) -> Vec<String> {
        let standing = self.standing();
        let mut old = Vec::new();
        for list in standing.lists.values() {
            let pinned = pinned_versions(&standing, &list.list, now_ms);
            let mut followed_ms = None;
            for version in list.versions.iter().rev() {
                let is_old = followed_ms.is_some_and(|at_ms: WallMs| {
                    at_ms > WallMs::ZERO && now_ms.since(at_ms) > RETIRED_KEPT_MS
                });
                if is_old && !pinned.contains(&version.version) {
                    old.push(version_word(&list.list, version.version));
                }
                if !version.is_refused {
                    followed_ms = Some(version.at_ms);
                }
            }
        }
        old
    }
}
