//! Copies of the data directory: `/backups`. A copy is made by whoever may read the directory; here
//! it is said that it is, so that it stands in the audit, the copy's own too.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::AdminState;
use super::caller::Caller;
use super::reading::Document;
use super::reply::{AdminError, reply_json};
use crate::control::acts;
use crate::control::limits::BACKUP_TARGET_OCTETS_MAX;

/// What POST takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupOrder {
    /// Where the copy is to be.
    pub target: String,
}

/// What it answers: the copy may be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackupRecorded {
    /// Where the copy is to be.
    pub target: String,
}

pub(super) async fn add(
    State(_): State<Arc<AdminState>>,
    caller: Caller,
    Document(BackupOrder { target }): Document<BackupOrder>,
) -> Result<Response, AdminError> {
    if target.len() > BACKUP_TARGET_OCTETS_MAX {
        return Err(AdminError::bad_request("the target's name is longer than a path may be"));
    }
    caller.record(acts::backed_up(&target)).await?;
    Ok(reply_json(StatusCode::OK, &BackupRecorded { target }))
}
