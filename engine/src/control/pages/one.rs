//! The page of one broadcast: what it says, how far it is, what may be done with it now.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::PagesState;
use super::dry_run::{facts_of, table_of, times_ahead};
use super::frame::{Page, Tone, ask, refusal_page};
use super::hub::Topic;
use super::parts;
use super::reader::Reader;
use super::tongue::{clock_time, number};
use super::{areas, taking_back, words};
use crate::control::admin::{FORM_WORD, HeldAdmission, IdentifierInPath, Parameters};
use crate::control::broadcasts::{
    BroadcastDocument, BroadcastRefusal, ProgressDocument, Snapshot, Stage, TakingBack,
};
use crate::control::roles::Role;

/// What a page takes beside its path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    #[serde(default, rename = "lang")]
    _lang: Option<String>,
}

pub(super) async fn show(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    IdentifierInPath(broadcast): IdentifierInPath,
    Parameters(_): Parameters<PageQuery>,
) -> Response {
    let progress = match Arc::clone(&state.desk).look_at(broadcast, false).await {
        Ok(progress) => progress,
        Err(refusal) => return refusal_page(&reader, &refusal, "/dashboard"),
    };
    let document = &progress.document;
    let tone = Tone::of_class(&document.manifest.class);
    let taking = state.desk.taking_back_of(document);
    let body = html! {
        (head(&reader, &progress, tone, &taking))
        @match &progress.snapshot {
            Some(snapshot) if document.started.is_some() => (
                under_way(&reader, document, snapshot, tone)
            ),
            _ => (before_start(&reader, document, tone)),
        }
    };
    let is_live = document.stage == Stage::Started;
    Page { reader: &reader, title: &document.manifest.reqid, tone, is_live, body }.ok()
}

/// The parts that change, as they change.
pub(super) async fn live(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    admission: HeldAdmission,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Result<Response, BroadcastRefusal> {
    state.hub.listen(Topic::Parts(broadcast, reader.tongue), admission).await
}

fn head(reader: &Reader, progress: &ProgressDocument, tone: Tone, taking: &TakingBack) -> Markup {
    let document = &progress.document;
    let manifest = &document.manifest;
    html! {
        p .crumb { a href="/dashboard" { (reader.say("All broadcasts", "一斉配信の一覧")) } }
        div .title-row {
            div {
                h1 { (tone.mark(reader.tongue)) (manifest.reqid) }
                p .muted {
                    strong .class-word { (words::class(reader.tongue, &manifest.class)) }
                    " · " (reader.say("from ", "発信者 ")) (manifest.sender)
                    " · " (reader.say("to ", "対象 ")) (areas::in_words(reader, manifest))
                    @if let Some(alertid) = &manifest.alertid {
                        " · " (reader.say("alert ", "警報 ")) (alertid) " / " (
                            manifest.alertseq.unwrap_or_default()
                        )
                    }
                }
                (taking_back::links(reader, taking))
            }
            p .now #p-state {
                @match &progress.snapshot {
                    Some(snapshot) => (parts::state(reader.tongue, snapshot)),
                    None => (words::state(reader.tongue, &progress.state)),
                }
            }
        }
        (steps(reader, document))
        (buttons(reader, progress))
    }
}

/// How far the people are.
fn steps(reader: &Reader, document: &BroadcastDocument) -> Markup {
    let needs_approval = document.check.as_ref().is_none_or(|check| check.needs_approval);
    let names = [
        (Stage::Draft, reader.say("Written", "作成")),
        (Stage::Checked, reader.say("Checked", "確認")),
        (Stage::Approved, reader.say("Approved", "承認")),
        (Stage::Started, reader.say("Started", "配信")),
        (Stage::Ended, reader.say("Ended", "終了")),
    ];
    let rank =
        |stage: Stage| names.iter().position(|(other, _)| *other == stage).unwrap_or_default();
    let stage = if document.stage == Stage::Scheduled { Stage::Approved } else { document.stage };
    let now = rank(stage);
    html! {
        ol .steps aria-label=(reader.say("How far it is", "進行状況")) {
            @for (place, (stage, name)) in names.iter().enumerate() {
                @let is_now = place == now;
                @let is_needless = !needs_approval && document.approvals.is_empty();
                @let is_left_out = *stage == Stage::Approved && is_needless;
                @if !is_left_out {
                    li class=(
                        if place <= now { "done" } else { "" }
                    ) aria-current=[is_now.then_some("step")] {
                        span { (name) }
                    }
                }
            }
        }
    }
}

/// A form of one button: an act by one touch.
fn touch(reader: &Reader, broadcast: &str, act: &str, kind: &str, name: &str) -> Markup {
    html! {
        form .inline method="post" action={ "/dashboard/" (broadcast) "/" (act) } {
            @if let Some(word) = &reader.form_word {
                input type="hidden" name=(FORM_WORD) value=(word);
            }
            button class=(kind) type="submit" { (name) }
        }
    }
}

/// Half as fast and twice as fast, by one touch each; what has no pace gets one by half of what it
/// does now.
fn slower_and_faster(reader: &Reader, progress: &ProgressDocument) -> Markup {
    let now = progress.document.pace_now().per_second;
    let going = match now {
        0 => progress.delivered_per_second.min(u64::from(u32::MAX)) as u32,
        pace => pace,
    };
    let choices = [
        (going / 2, reader.say("Slower", "減速"), going > 1),
        (now.saturating_mul(2), reader.say("Faster", "加速"), now > 0),
    ];
    html! {
        @for (per_second, name, is_offered) in choices {
            @if is_offered {
                form .inline method="post" action={
                    "/dashboard/" (progress.document.broadcast) "/pace"
                } {
                    @if let Some(word) = &reader.form_word {
                        input type="hidden" name=(FORM_WORD) value=(word);
                    }
                    input type="hidden" name="per_second" value=(per_second);
                    button .plain type="submit" {
                        (name) " · " (number(u64::from(per_second))) (reader.say(" /s", " 件/秒"))
                    }
                }
            }
        }
    }
}

/// What is changed while it runs or is paused.
fn while_it_runs(reader: &Reader, progress: &ProgressDocument) -> Markup {
    html! {
        @if matches!(progress.state.as_str(), "running" | "paused") {
            (slower_and_faster(reader, progress))
            (next_wave(reader, &progress.document))
        }
    }
}

/// Opens the next wave by one touch, where there is one.
fn next_wave(reader: &Reader, document: &BroadcastDocument) -> Markup {
    let (open, all) = document.waves_open();
    let wave = open + 1;
    let id = &document.broadcast;
    html! {
        @if wave <= all {
            form .inline method="post" action={ "/dashboard/" (id) "/wave" } {
                @if let Some(word) = &reader.form_word {
                    input type="hidden" name=(FORM_WORD) value=(word);
                }
                input type="hidden" name="wave" value=(wave);
                button .plain type="submit" {
                    (reader.say("Begin wave ", "次の段階を開始 ")) (wave) " / " (all)
                }
            }
        }
    }
}

/// What may be done now, by whoever looks.
fn buttons(reader: &Reader, progress: &ProgressDocument) -> Markup {
    let document = &progress.document;
    let id = &document.broadcast;
    let is_drill = document.manifest.class == "09";
    let needs_approval = document.check.as_ref().is_some_and(|check| check.needs_approval);
    let may_start =
        document.stage == Stage::Approved || document.stage == Stage::Checked && !needs_approval;
    let start = match is_drill {
        true => reader.say("Start the exercise…", "訓練を開始…"),
        false => reader.say("Start for real…", "実配信を開始…"),
    };
    let is_before = !matches!(document.stage, Stage::Started | Stage::Ended);
    let is_written = is_before && document.stage != Stage::Scheduled;
    let is_checked = matches!(document.stage, Stage::Checked | Stage::Approved);
    let state = progress.state.as_str();
    // Where nothing is sent there is nothing to start, stop or take back.
    let operates = reader.may(Role::Operator) && !reader.looks_on;
    html! {
        div .actions role="group" aria-label=(reader.say("What can be done", "操作")) {
            @if is_written && reader.may(Role::Author) {
                @let again = document.stage != Stage::Draft;
                @let name = if again { reader.say("Check again", "再確認") }
                else { reader.say("Check", "確認を実行") };
                (touch(reader, id, "check", if again { "plain" } else { "primary" }, name))
            }
            @if is_checked && reader.may(Role::Approver) {
                (ask(id, "approve", "plain", reader.say("Approve or reject…", "承認または却下…")))
            }
            @if may_start && operates { (ask(id, "start", "danger", start)) }
            @if document.stage == Stage::Started && operates {
                @match state {
                    "holding" => (
                        touch(
                            reader,
                            id,
                            "pause",
                            "warn",
                            reader.say("Abort before it begins", "開始前に中止"),
                        )
                    ),
                    "paused" => (
                        touch(reader, id, "resume", "primary", reader.say("Resume", "再開"))
                    ),
                    "running" | "untold" => (
                        touch(reader, id, "pause", "warn", reader.say("Pause", "一時停止"))
                    ),
                    _ => {}
                }
                (while_it_runs(reader, progress))
                @if state != "closing" {
                    (ask(id, "cancel", "plain", reader.say("Cancel…", "中止…")))
                }
            }
            @if operates { (taking_back::button(reader, progress)) }
            @if is_before && operates {
                (ask(id, "cancel", "plain", reader.say("Discard…", "破棄…")))
            }
            @if document.started.is_some() {
                a .button .plain href={
                    "/broadcasts/" (id) "/report"
                } { (reader.say("Report", "報告書")) }
            }
            @if document.started.is_some() && reader.may(Role::Numbers) {
                a .button .plain href={ "/broadcasts/" (id) "/results" } {
                    (reader.say("Results (CSV, with numbers)", "結果（CSV、番号あり）"))
                }
            }
        }
    }
}

fn under_way(
    reader: &Reader,
    document: &BroadcastDocument,
    snapshot: &Snapshot,
    tone: Tone,
) -> Markup {
    let tongue = reader.tongue;
    let parts = parts::all(tongue, snapshot, &reader.areas);
    let heading =
        |english, japanese| html! { h2 { (tone.mark(tongue)) (tongue.say(english, japanese)) } };
    let part = |place: &'static str| html! { div id=(place) { (parts::find(&parts, place)) } };
    let is_live = document.stage == Stage::Started;
    let listen =
        is_live.then(|| format!("/dashboard/{}/live?lang={}", document.broadcast, tongue.tag()));
    html! {
        div .live #live data-listen=[listen] data-state=(snapshot.state) {
            p .stale #stale hidden role="status" {
                (reader.say(
                    "No figures for more than 3 seconds: what you see is old.",
                    "3 秒以上更新がありません。表示は古い可能性があります。",
                ))
            }
            p .hidden #spoken role="status" aria-live="polite" {}
            p hidden #p-say { (parts::find(&parts, "p-say")) }
            (part("p-notes"))
            div .big #p-big { (parts::find(&parts, "p-big")) }
            section .card {
                (heading("Reach", "到達の推移"))
                div .curve-row { (part("p-curve")) (part("p-marks")) }
                details {
                    summary { (reader.say("The curve as a table", "推移を表で見る")) }
                    (part("p-curve-table"))
                }
            }
            div .columns {
                section .card { (heading("Recipients", "対象者")) (part("p-counts")) }
                section .card {
                    (heading("Not delivered", "保留と未達")) (part("p-held")) (part("p-failures"))
                }
            }
            section .card { (heading("Areas", "地域")) (part("p-areas")) }
            div .columns {
                section .card { (heading("Pace", "速度")) (part("p-pace")) (part("p-languages")) }
                (texts(reader, document, tone))
            }
            section .card { (heading("Who did what", "操作の記録")) (part("p-acts")) }
            (particulars(reader, document, tone))
        }
    }
}

/// The texts as phones show them.
pub(super) fn texts(reader: &Reader, document: &BroadcastDocument, tone: Tone) -> Markup {
    let found = document.check.as_ref().map(|check| check.addressed.texts.as_slice());
    html! {
        section .card {
            h2 { (tone.mark(reader.tongue)) (reader.say("Text", "文面")) }
            @match found {
                _ if !reader.sees_texts() => (texts_are_for(reader)),
                Some(texts) if !texts.is_empty() => @for text in texts {
                    figure .text {
                        blockquote lang=(text.language) { (text.text) }
                        figcaption .muted .small {
                            (text.language) " · " (text.segments) " "
                            (reader.say("SMS", "通")) " · "
                            (number(text.recipients)) " "
                            (reader.tongue.recipients(text.recipients))
                            @if text.is_own {
                                " · " (reader.say("each with values of its own", "宛先ごとの値を差し込み"))
                            }
                        }
                    }
                },
                _ => @for (language, text) in document.manifest.legs.iter().flat_map(
                    |leg| &leg.texts.variants
                ) {
                    figure .text {
                        blockquote lang=(language) { (text) }
                        figcaption .muted .small { (language) }
                    }
                },
            }
            (taking_back::prepared(reader, document))
        }
    }
}

/// Said where whoever looks may see figures alone.
pub(super) fn texts_are_for(reader: &Reader) -> Markup {
    html! {
        p .muted .nothing { (reader.say(
            "Shown to the roles author, approver, operator and admin.",
            "作成者・承認者・運用者・管理者の役割にのみ表示されます。",
        )) }
    }
}

fn before_start(reader: &Reader, document: &BroadcastDocument, tone: Tone) -> Markup {
    let heading = |english, japanese| {
        html! {
            h2 { (tone.mark(reader.tongue)) (reader.say(english, japanese)) }
        }
    };
    html! {
        div .columns {
            section .card {
                (heading("Dry run", "事前確認"))
                @match &document.check {
                    None => p .muted .nothing {
                        (reader.say(
                            "Not checked yet. A check says whom it addresses, and starts \
                             nothing.",
                            "未確認です。確認は宛先を集計するだけで、配信は始まりません。",
                        ))
                    },
                    Some(check) => {
                        p .value {
                            (number(check.addressed.targeted)) span .unit {
                                " " (reader.tongue.recipients(check.addressed.targeted))
                            }
                        }
                        @for warning in &check.warnings {
                            p .note .warn { (words::warning(reader.tongue, warning)) }
                        }
                        (facts_of(reader, check))
                    }
                }
            }
            (texts(reader, document, tone))
        }
        @if let Some(check) = &document.check {
            div .columns {
                section .card {
                    (heading("Areas", "地域"))
                    (table_of(
                        &areas::named_counts(reader, &check.addressed.areas),
                        reader.say("Recipients by area", "地域別の件数"),
                    ))
                }
                section .card {
                    (heading("Languages", "言語")) (
                        table_of(
                            &check.addressed.languages,
                            reader.say("Recipients by language", "言語別の件数"),
                        )
                    )
                }
            }
        }
        (particulars(reader, document, tone))
    }
}

/// Who wrote, approved and started it, and what it stands on.
fn particulars(reader: &Reader, document: &BroadcastDocument, tone: Tone) -> Markup {
    html! {
        section .card {
            h2 { (tone.mark(reader.tongue)) (reader.say("Particulars", "詳細")) }
            dl .facts {
                dt { (reader.say("Written by", "作成者")) }
                dd { (document.author) @for other in &document.changed_by { ", " (other) } }
                @for approval in &document.approvals {
                    dt { (reader.say("Approved by", "承認者")) }
                    dd { (approval.by) " · " (clock_time(approval.at_ms)) }
                }
                @if let Some(start) = &document.started {
                    dt { (reader.say("Started by", "開始者")) }
                    dd { (start.by) " · " (clock_time(start.at_ms)) }
                    dt { (reader.say("No attempt after", "送信期限")) }
                    @let deadline_ms = document.deadline_now().unwrap_or(start.deadline_ms);
                    dd { (super::tongue::moment(deadline_ms)) }
                } @else if document.stage != Stage::Ended { (times_ahead(reader, document)) }
                dt { (reader.say("Identifier", "識別子")) } dd { code { (document.broadcast) } }
                dt { "XPID" } dd { code { (document.manifest.xpid) } }
                @if let Some(check) = &document.check {
                    dt { (reader.say("Digest", "ダイジェスト")) } dd { code .digest { (check.digest) } }
                    @for (list, version, _) in &check.lists {
                        dt { (reader.say("List", "リスト")) } dd { code { (list) } " v" (version) }
                    }
                }
            }
        }
    }
}
