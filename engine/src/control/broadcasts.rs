//! Broadcasts as their people see them: lists come in, drafts are written, checked, approved by
//! somebody else, started, stopped; what became of every row is kept.
//!
//! | request | does |
//! |---|---|
//! | `GET`, `POST /lists` · `GET`, `DELETE /lists/LIST` | lists; a new one; one; removes it |
//! | `PUT /lists/LIST/versions` | takes a whole version in by stream (CSV, NDJSON), and accounts for every line |
//! | `POST /lists/LIST/versions?base=N` | version N with changes (NDJSON) |
//! | `GET`, `POST /broadcasts` · `GET`, `PUT /broadcasts/ID` | broadcasts; a draft from a manifest; one at this moment; changes a draft |
//! | `POST …/check` · `…/approve` · `…/reject` | dry run; agreed to or not by somebody else, by its digest |
//! | `POST …/start` · `…/pause` · `…/resume` · `…/cancel` | each answered when it is durable in every shard |
//! | `POST …/retract` · `…/update` | a draft of what follows it |
//! | `GET …/results?outcome=&area=&unreached=&format=` | a row a line |
//!
//! A refusal is `{"error": "one sentence", "code": 7104, "where": "/legs/0"}`.
//!
//! **Never here:** the data path. A shard is told of what was decided and written down.
//! **Invariants:** whoever wrote or changed a broadcast does not approve it; nothing starts but by
//! the digest of a dry run that holds; a start is decided by one rename, and told again after a
//! crash.

mod check;
mod desk;
mod documents;
mod doors;
mod followers;
mod keeper;
mod lists;
mod refusal;
mod results;
mod shelf;

pub use desk::{BroadcastDesk, live_broadcasts};
pub use documents::{
    Approval, ApprovalWanted, BroadcastDocument, CancelWanted, CheckDocument, EndDocument,
    FollowerWanted, ListDocument, ListWanted, ProgressDocument, Stage, StartDocument, StartWanted,
    VersionDocument,
};
pub use doors::router;
pub use keeper::BroadcastKeeper;
pub use refusal::BroadcastRefusal;
