//! Broadcasts as their people see them: lists come in, drafts are written, checked, approved by
//! somebody else, started, stopped; what became of every row is kept.
//!
//! | request | does |
//! |---|---|
//! | `GET`, `POST /lists` · `GET`, `DELETE /lists/LIST` | lists; a new one; one; removes it |
//! | `PUT /lists/LIST/versions` | takes a whole version in by stream (CSV, NDJSON), and accounts for every line |
//! | `POST /lists/LIST/versions?base=N` | version N with changes (NDJSON) |
//! | `GET …/versions/N` · `…/refused` · `…/rows?msn=` · `POST …/take` | what became of its file's lines; those refused; one row; uses one that was refused |
//! | `POST /lists/forget` | takes one phone out of lists and results |
//! | `GET`, `POST /broadcasts` · `GET`, `PUT /broadcasts/ID` | broadcasts; a draft from a manifest; one at this moment; changes a draft |
//! | `POST /broadcasts?start=yes` | a manifest and its list in parts: taken in, checked and started |
//! | `POST …/check` · `…/approve` · `…/reject` | dry run; agreed to or not by somebody else, by its digest |
//! | `POST …/start` · `…/pause` · `…/resume` · `…/cancel` | each answered when it is durable in every shard |
//! | `POST …/wave` · `PATCH …/pace` | begins a wave; slower or faster |
//! | `GET`, `DELETE …/recipients/MSN` | one recipient's row; withdraws it |
//! | `POST …/retract` · `…/update` | a draft of what follows it |
//! | `GET`, `PUT /areas` · `POST /areas/match` | the catalogue of areas; which of them codes and shapes reach, with how many rows |
//! | `GET /templates` · `GET`, `PUT /templates/NAME` | texts that are kept ready, by version |
//! | `GET /sources` · `PUT`, `DELETE /sources/NAME` | who may send warnings, and what of them may start by itself |
//! | `POST /cap`, `/jmaxml`, `/lalert` · `GET /warnings?source=` | a warning as a draft, or what its source is registered for; `?check=yes` only judges · the log of a source |
//! | `GET …/results?outcome=&area=&unreached=&format=` | a row a line |
//!
//! A refusal is `{"error": "one sentence", "code": 7104, "where": "/legs/0"}`.
//!
//! **Never here:** the data path. A shard is told of what was decided and written down.
//! **Invariants:** whoever wrote or changed a broadcast does not approve it; nothing starts but by
//! the digest of a dry run that holds; a start is decided by one rename, and told again after a
//! crash.

mod acts;
mod aging;
mod answered;
mod answers;
mod areas;
mod audited;
mod beside;
mod check;
mod copying;
mod desk;
mod documents;
mod doing;
mod doors;
mod due;
mod figures;
mod folders;
mod followers;
mod forecast;
mod foreseen;
mod foreseen_rows;
mod foretelling;
mod forgetting;
mod gauges;
mod handling;
mod keeper;
mod list_documents;
mod lists;
mod loaded;
mod memory;
mod now;
mod once;
mod one_recipient;
mod opted_out;
mod orders;
mod pacing;
mod parts;
mod places;
mod reach;
mod refusal;
mod refused_warnings;
mod report;
mod results;
mod retracting;
mod schedule;
mod sending;
mod settling;
mod shelf;
mod shown;
mod sight;
mod snapshot;
mod sources;
mod standing;
mod starting;
mod takes_back;
mod taking_in;
mod tally;
mod telling;
mod templates;
mod troubles;
mod turns;
mod uploading;
mod versions;
mod wanted;
mod warnings;
mod watched;
mod wave_clock;
mod waves;
mod whole_file;

#[cfg(test)]
mod tests;

pub use acts::{ActLine, AuditExtract};
pub use answers::{LoggedDocument, WarningAnswer, WarningRemark};
pub use areas::{MatchDocument, MatchWanted, MatchedArea};
pub use beside::AnswersBeside;
pub use copying::{CopiedBroadcasts, copy_broadcasts, copy_ends};
pub use desk::{BroadcastDesk, live_broadcasts};
pub use documents::{
    Approval, BroadcastDocument, CheckDocument, EndDocument, OrderedDocument, PaceSet,
    ProgressDocument, RetractingDocument, ScheduleDocument, Stage, StartDocument, WantedLife,
    WaveOpened,
};
pub use doing::{Halt, Judgement};
pub use doors::router;
pub use figures::{
    Breakdown, Mark, PaceFigures, PartFigures, RateFigures, ReachFigures, ReasonFigures,
    SNAPSHOT_OCTETS_MAX, Snapshot, TimeLeft, code_of_pause,
};
pub use followers::{Named, TakingBack};
pub use forecast::Forecast;
pub use foreseen_rows::ForeseenRows;
pub use keeper::BroadcastKeeper;
pub use list_documents::{
    ForgetWanted, Forgotten, ListDocument, ListWanted, RowShown, VersionAccount, VersionDocument,
    VersionShown,
};
pub use loaded::AreasLoaded;
pub use one_recipient::RecipientDocument;
pub use reach::ReachCurve;
pub use refusal::BroadcastRefusal;
pub use report::{BilledRows, BroadcastReport};
pub use shelf::interrupted_imports;
pub use shown::shown_to;
pub use sight::{XpidSight, look as look_within_sight};
pub use snapshot::meaning_of;
pub use troubles::{UNREADABLE_REMEDY, unreadable};
pub use wanted::{
    ApprovalWanted, CancelWanted, FollowerWanted, PaceWanted, ReleaseWanted, Retract, StartWanted,
    UpdateWanted, WaveWanted,
};
