//! A list's file on its way in: a place, a thread of its own that stands back, two lines of the
//! audit.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::desk::BroadcastDesk;
use super::handling::{may_fill, stopping};
use super::lists::{ImportWanted, Imported};
use super::refusal::BroadcastRefusal;
use super::uploading::upload;
use crate::broadcast::limits::IMPORTS_MAX;
use crate::broadcast::lists::encoding::Charset;
use crate::broadcast::lists::reader::ReaderOptions;
use crate::control::admin::Caller;
use crate::control::admin::reply::AdminError;
use crate::control::audit::Act;
use crate::control::roles::Role;

/// How the file of a list is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    charset: Option<String>,
    repair: Option<String>,
    /// The version that is changed.
    pub(super) base: Option<u32>,
    /// A version without any row is meant.
    #[serde(default)]
    empty: bool,
}

impl ImportQuery {
    fn options(&self) -> Result<ReaderOptions, AdminError> {
        options_of(self.charset.as_deref(), self.repair.as_deref())
    }
}

/// How a file is read that is in this, with what is lost put back.
pub(super) fn options_of(
    charset: Option<&str>,
    repair: Option<&str>,
) -> Result<ReaderOptions, AdminError> {
    let charset = match charset {
        None => Charset::default(),
        Some(name) => Charset::from_name(name).ok_or_else(|| {
            AdminError::bad_request("charset is utf-8, shift_jis, euc-jp or iso-8859-1")
        })?,
    };
    match repair {
        None | Some("leading-zero") => {}
        Some(_) => return Err(AdminError::bad_request("repair is leading-zero or nothing")),
    }
    let puts_zero_back = repair.is_some();
    Ok(ReaderOptions { charset, puts_zero_back, ..ReaderOptions::default() })
}

/// Takes a version in, whose sender may go away meanwhile.
pub(super) async fn take_version(
    desk: Arc<BroadcastDesk>,
    caller: Caller,
    (list, base): (String, Option<u32>),
    query: &ImportQuery,
    body: Body,
) -> Result<Imported, BroadcastRefusal> {
    let (by, options, may_be_empty) = (caller.name.clone(), query.options()?, query.empty);
    take_in(desk, caller, ImportWanted { list, base, may_be_empty, options, by }, body).await
}

/// Hands the body to an import of its own thread, which stands back behind everything else.
pub(super) async fn take_in(
    desk: Arc<BroadcastDesk>,
    caller: Caller,
    wanted: ImportWanted,
    body: Body,
) -> Result<Imported, BroadcastRefusal> {
    let list = wanted.list.clone();
    may_fill(&caller, &desk.list(&list)?.purpose)?;
    let Some(place) = place_in(&desk.imports, caller.may(Role::Operator)) else {
        let sentence = format!("{IMPORTS_MAX} lists are being taken in: wait until one is");
        return Err(AdminError::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into());
    };
    // Should the engine die in it, the next one says so; where that cannot be written, nobody does.
    let mark = desk.shelf.mark_import(&list).ok();
    // It has its place until it is over, and its end is a line, whether the sender is still there
    // or not.
    let task = tokio::spawn(async move {
        let _place = place;
        caller.record(Act::new(format!("list import {list} begins"))).await?;
        let work = move |pieces| desk.import(wanted, pieces);
        let imported = upload("hayauma-import", body, work).await;
        let line = match &imported {
            Ok(imported) => Act::new(format!("list import {list} ends")).after(&imported.audited()),
            Err(refusal) => Act::new(format!("list import {list}")).failed(&refusal.sentence),
        };
        caller.note(line).await?;
        drop(mark);
        imported
    });
    task.await.unwrap_or_else(|_| Err(stopping()))
}

/// A place among those of one kind; the last one is kept for operators, whose lists and tables
/// others must not keep waiting.
pub(super) fn place_in(places: &Arc<Semaphore>, is_operator: bool) -> Option<OwnedSemaphorePermit> {
    let place = Arc::clone(places).try_acquire_owned().ok()?;
    (is_operator || places.available_permits() > 0).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_an_operators() {
        let places = Arc::new(Semaphore::new(2));
        let first = place_in(&places, false);
        assert!(first.is_some());
        assert!(place_in(&places, false).is_none(), "it is kept");
        assert!(place_in(&places, false).is_none(), "and was given back");
        let operators = place_in(&places, true);
        assert!(operators.is_some());
        assert!(place_in(&places, true).is_none());
        drop(first);
        assert!(place_in(&places, true).is_some());
    }
}
