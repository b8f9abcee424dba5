//! The page of all broadcasts: what runs first, then what waits for somebody, then the past.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::PagesState;
use super::frame::{Page, Tone, refusal_page};
use super::reader::Reader;
use super::tongue::{moment, number, percent};
use super::words;
use crate::control::admin::{Caller, Parameters};
use crate::control::broadcasts::{ProgressDocument, Stage};
use crate::control::roles::Role;

/// Ended broadcasts that are shown unless all are asked for.
const ENDED_SHOWN: usize = 20;

/// What is shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AllQuery {
    #[serde(default)]
    all: bool,
    #[serde(default, rename = "lang")]
    _lang: Option<String>,
}

pub(super) async fn show(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    caller: Caller,
    Parameters(query): Parameters<AllQuery>,
) -> Response {
    let all = match Arc::clone(&state.desk).look_at_all(&caller).await {
        Ok(all) => all,
        Err(refusal) => return refusal_page(&reader, &refusal, "/dashboard"),
    };
    let title = reader.say("Broadcasts", "一斉配信");
    let body = body(&reader, &all, query.all);
    Page { reader: &reader, title, tone: Tone::Plain, is_live: true, body }.ok()
}

fn body(reader: &Reader, all: &[ProgressDocument], with_all: bool) -> Markup {
    let of = |wanted: &dyn Fn(Stage) -> bool| {
        let mut some: Vec<&ProgressDocument> =
            all.iter().filter(|progress| wanted(progress.document.stage)).collect();
        // Identifiers are in the order of time.
        some.sort_by(|one, other| other.document.broadcast.cmp(&one.document.broadcast));
        some
    };
    let live = of(&|stage| stage == Stage::Started);
    let drafts = of(&|stage| !matches!(stage, Stage::Started | Stage::Ended));
    let ended = of(&|stage| stage == Stage::Ended);
    let shown = if with_all { ended.len() } else { ended.len().min(ENDED_SHOWN) };
    html! {
        div .title-row #live data-reload="5" {
            h1 { (reader.say("Broadcasts", "一斉配信")) }
            @if reader.may(Role::Author) {
                a .button .primary href="/dashboard/new" { (reader.say("New draft", "新規下書き")) }
            }
        }
        section {
            h2 { (reader.say("Running now", "配信中")) " " span .muted { (live.len()) } }
            @if live.is_empty() {
                p .card .nothing .muted { (reader.say("Nothing runs.", "配信中のものはありません。")) }
            }
            @for progress in &live { (card(reader, progress)) }
        }
        @if !drafts.is_empty() {
            section {
                h2 {
                    (reader.say("Waiting for somebody", "手続き中")) " " span .muted { (drafts.len()) }
                }
                @for progress in &drafts { (card(reader, progress)) }
            }
        }
        @if !ended.is_empty() {
            section {
                h2 { (reader.say("Over", "終了")) " " span .muted { (ended.len()) } }
                @for progress in &ended[..shown] { (card(reader, progress)) }
                @if shown < ended.len() {
                    p { a href="?all=true" { (reader.say("Show all", "すべて表示")) } }
                }
            }
        }
    }
}

fn card(reader: &Reader, progress: &ProgressDocument) -> Markup {
    let document = &progress.document;
    let tone = Tone::of_class(&document.manifest.class);
    let reached = progress.counts.get("delivered").copied().unwrap_or_default();
    let started = document.started.as_ref().map(|start| moment(start.at_ms));
    let due = document.scheduled.as_ref().filter(|_| document.stage == Stage::Scheduled);
    let class = if tone == Tone::Exercise { "row-card drill" } else { "row-card real-card" };
    html! {
        article class={ "card " (class) } {
            div .row-main {
                h3 {
                    (tone.mark(reader.tongue))
                    a href={ "/dashboard/" (document.broadcast) } { (document.manifest.reqid) }
                }
                p .muted .small {
                    (words::class(reader.tongue, &document.manifest.class))
                    " · " (document.manifest.sender)
                    @if let Some(started) = started { " · " (started) }
                    @if let Some(due) = due {
                        " · " (reader.say("starts at ", "開始予定 ")) (moment(due.due_ms))
                    }
                }
                @if let Some(why) = due.and_then(|due| due.trouble.as_ref()) {
                    p .bad .small { (reader.say("Due, and not started: ", "開始できていません: ")) (why) }
                }
            }
            span class={ "state s-" (progress.state) } {
                (words::state(reader.tongue, &progress.state))
            }
            @if document.started.is_some() {
                p .row-figure {
                    (percent(reached, progress.targeted)) " %" span .muted .small {
                        (number(reached)) " / " (number(progress.targeted))
                    }
                }
            } @else if document.check.is_none() {
                p .row-figure {
                    "–" span .muted .small { (reader.say("not checked", "未確認")) }
                }
            } @else {
                p .row-figure {
                    (number(progress.targeted)) span .muted .small {
                        (reader.tongue.recipients(progress.targeted))
                    }
                }
            }
        }
    }
}
