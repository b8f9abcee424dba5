//! Sources of warnings: registered by an administrator, shown, removed.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, put};

use super::handling::Answer;
use crate::control::admin::reply::{AdminError, reply_json};
use crate::control::admin::{Caller, Document, IdentifierInPath};
use crate::control::audit::Act;
use crate::control::sources::{SourceDocument, SourceSettings};
use crate::control::store::StoreError;

/// The routes of sources.
pub(super) fn router() -> Router {
    Router::new()
        .route("/sources", get(show_all))
        .route("/sources/{source}", put(set).delete(remove))
}

async fn show_all(caller: Caller) -> Answer {
    let sources = caller.look(|store| store.sources()).await?;
    let sources = sources.map_err(AdminError::from)?;
    let document = |(source, settings)| SourceDocument { source, settings };
    Ok(reply_json(StatusCode::OK, &sources.into_iter().map(document).collect::<Vec<_>>()))
}

async fn set(
    caller: Caller,
    IdentifierInPath(source): IdentifierInPath,
    Document(settings): Document<SourceSettings>,
) -> Answer {
    settings.check().map_err(AdminError::bad_request)?;
    let set = caller.change(move |store, _, by| -> Result<_, AdminError> {
        let settings = SourceSettings { registered_by: by.to_owned(), ..settings };
        let document = SourceDocument { source, settings };
        let sources = store.sources()?;
        let before = sources.iter().find(|(name, _)| *name == document.source);
        let act = Act::new(format!("source set {}", document.source));
        let act = act.before(&before.map(|(_, settings)| settings)).after(&document.settings);
        store.act(by, &act, |store| store.put_source(&document.source, &document.settings))?;
        Ok(document)
    });
    Ok(reply_json(StatusCode::OK, &set.await??))
}

async fn remove(caller: Caller, IdentifierInPath(source): IdentifierInPath) -> Answer {
    let removed = caller.change(move |store, _, by| -> Result<_, AdminError> {
        let found = store.sources()?.into_iter().find(|(name, _)| *name == source);
        let (source, settings) = found.ok_or(StoreError::NoSource(source))?;
        let act = Act::new(format!("source remove {source}")).before(&settings);
        store.act(by, &act, |store| store.remove_source(&source))?;
        Ok(SourceDocument { source, settings })
    });
    Ok(reply_json(StatusCode::OK, &removed.await??))
}
