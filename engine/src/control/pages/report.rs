//! The report as a page that prints well, and as JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::PagesState;
use super::areas;
use super::frame::{Page, Tone, refusal_page};
use super::one::{PageQuery, texts};
use super::parts;
use super::reader::Reader;
use super::tongue::{clock_time, moment, number};
use super::words;
use crate::broadcast::outcomes::Outcome;
use crate::control::admin::reply::reply_json;
use crate::control::admin::{Caller, IdentifierInPath, Parameters};
use crate::control::broadcasts::{BroadcastRefusal, BroadcastReport, shown_to};
use wire::terms::time::WallMs;

/// The report as JSON.
pub(super) async fn json(
    State(state): State<Arc<PagesState>>,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Result<Response, BroadcastRefusal> {
    let report = Arc::clone(&state.desk).report_of(broadcast).await?;
    Ok(reply_json(StatusCode::OK, &shown_to(&caller, report)))
}

/// The report as a page.
pub(super) async fn show(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    IdentifierInPath(broadcast): IdentifierInPath,
    Parameters(_): Parameters<PageQuery>,
) -> Response {
    let back = format!("/dashboard/{broadcast}");
    let report = match Arc::clone(&state.desk).report_of(broadcast).await {
        Ok(report) => report,
        Err(refusal) => return refusal_page(&reader, &refusal, &back),
    };
    let manifest = &report.document.manifest;
    let tone = Tone::of_class(&manifest.class);
    let title = format!("{} {}", reader.say("Report", "報告書"), manifest.reqid);
    let body = body(&reader, &report, tone, &back);
    Page { reader: &reader, title: &title, tone, is_live: false, body }.ok()
}

fn body(reader: &Reader, report: &BroadcastReport, tone: Tone, back: &str) -> Markup {
    let tongue = reader.tongue;
    let (document, snapshot) = (&report.document, &report.snapshot);
    let parts = parts::all(tongue, snapshot, &reader.areas);
    let part = |place: &str| parts::find(&parts, place).clone();
    let heading = |english, japanese| {
        html! { h2 { (tone.mark(tongue)) (tongue.say(english, japanese)) } }
    };
    html! {
        p .crumb { a href=(back) { (document.manifest.reqid) } }
        div .title-row {
            div {
                h1 {
                    (tone.mark(tongue)) (reader.say("Report: ", "報告書: ")) (document.manifest.reqid)
                }
                p .muted {
                    strong .class-word { (words::class(tongue, &document.manifest.class)) }
                    " · " (document.manifest.sender) " · " (
                        areas::in_words(reader, &document.manifest)
                    )
                }
                p .muted .small { (reader.say("As of ", "作成時点 ")) (moment(snapshot.at_ms)) " JST" }
            }
            p .now { (part("p-state")) }
        }
        div .actions {
            a .button .plain href={ "/broadcasts/" (document.broadcast) "/report.json" } {
                (reader.say("As JSON, for the proof", "JSON（検証用）"))
            }
        }
        @if document.manifest.ignores_suppression() {
            p .note .warn {
                (reader.say(
                    "Suppression lists were ignored: it went to those who want no broadcasts too.",
                    "配信停止リストを無視して送信しました。",
                ))
            }
        }
        (part("p-notes"))
        div .big { (part("p-big")) }
        section .card { (heading("Timeline", "経過")) (timeline(reader, report)) }
        (texts(reader, document, tone))
        section .card {
            (heading("Reach", "到達の推移")) div .curve-row { (part("p-curve")) (part("p-marks")) }
            (part("p-curve-table"))
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
            section .card { (heading("Attempts", "試行回数")) (attempts(reader, report)) }
        }
        section .card { (heading("Proof", "証跡")) (proof(reader, report)) }
    }
}

/// When what was done, by whom.
fn timeline(reader: &Reader, report: &BroadcastReport) -> Markup {
    let document = &report.document;
    let mut rows: Vec<(WallMs, String)> = Vec::new();
    if let Some(check) = &document.check {
        rows.push((check.at_ms, reader.say("checked", "確認").to_owned()));
    }
    for approval in &document.approvals {
        rows.push((
            approval.at_ms,
            format!("{} {}", reader.say("approved by", "承認"), approval.by),
        ));
    }
    if let Some(start) = &document.started {
        rows.push((start.at_ms, format!("{} {}", reader.say("started by", "開始"), start.by)));
        for mark in &report.snapshot.reach.of_targeted {
            if let Some(after_ms) = mark.after_ms {
                let share = if mark.share == "last" {
                    reader.say("the last phone that was reached", "最後の到達").to_owned()
                } else {
                    format!("{} % {}", mark.share, reader.say("reached", "到達"))
                };
                rows.push((start.at_ms + after_ms, share));
            }
        }
    }
    for set in &document.paces {
        let what = reader.say("another pace or deadline by", "速度・期限の変更");
        let per_second = match set.per_second {
            0 => String::new(),
            rate => format!(", {} {}", number(u64::from(rate)), reader.say("a second", "件/秒")),
        };
        rows.push((set.at_ms, format!("{what} {}{per_second}", set.by)));
    }
    for wave in &document.waves {
        rows.push((wave.at_ms, format!("{} {}", reader.say("a wave by", "次の波"), wave.by)));
    }
    if let Some(end) = &document.ended {
        rows.push((end.at_ms, words::state(reader.tongue, &end.life).to_owned()));
    }
    rows.sort();
    html! {
        p .muted {
            (reader.say("Written by ", "作成者 "))
                    (document.author) @for other in &document.changed_by { ", " (other) }
        }
        table {
            caption { (reader.say("What happened when", "時系列")) }
            tbody {
                @for (at_ms, what) in rows {
                    tr { th scope="row" { time { (clock_time(at_ms)) } } td { (what) } }
                }
            }
        }
    }
}

fn attempts(reader: &Reader, report: &BroadcastReport) -> Markup {
    html! {
        table {
            caption { (reader.say("Recipients by attempts", "試行回数別の件数")) }
            tbody { @for (attempts, rows) in &report.attempts {
                tr {
                    th scope="row" { (attempts) @if *attempts == 15 { "+" } }
                    td .n { (number(*rows)) }
                }
            } }
        }
    }
}

fn proof(reader: &Reader, report: &BroadcastReport) -> Markup {
    let (document, audit) = (&report.document, &report.audit);
    let unreached = report.snapshot.targeted - report.snapshot.count(Outcome::Delivered);
    let billed = report.billed.recipients;
    html! {
        dl .facts {
            dt { (reader.say("Identity", "件数の照合")) }
            dd {
                @if report.adds_up {
                    span .good {
                        (reader.say(
                            "the outcomes are all of the targeted, counted twice",
                            "結果の合計は対象数と一致（二重に集計）",
                        ))
                    }
                }
                @else {
                    span .bad {
                        (reader.say(
                            "the outcomes are not all of the targeted: report this",
                            "結果の合計が対象数と一致しません",
                        ))
                    }
                }
            }
            dt { (reader.say("Not reached", "未達")) } dd { (number(unreached)) }
            dt { (reader.say("Short messages delivered", "到達したSMS通数")) }
            dd {
                (number(
                    report.snapshot.breakdown.as_ref().map_or(0, |breakdown| breakdown.segments)
                ))
            }
            @if let Some(beside) = document.ended.as_ref().and_then(|end| end.answers_beside) {
                dt { (reader.say("Single pushes answered meanwhile", "同時間帯の個別送信の応答")) }
                dd {
                    (number(beside.answers)) ", p50 ≤ " (number(beside.p50_us)) " µs, p99 ≤ "
                    (number(beside.p99_us)) " µs"
                }
            }
            dt { (reader.say("In the books", "課金対象")) }
            dd { (number(billed)) " " (reader.tongue.recipients(billed)) }
            dt { (reader.say("Digest", "ダイジェスト")) }
            dd { code .digest { (report.snapshot.digest.as_deref().unwrap_or("–")) } }
            @for (list, version, digest) in document.check.iter().flat_map(|check| &check.lists) {
                dt { (reader.say("List", "リスト")) }
                dd { code .digest { (list) " v" (version) " " (digest) } }
            }
            dt { (reader.say("Program", "プログラム")) }
            dd {
                (report.program) " · " (report.shards) " " (reader.say("shards on", "シャード /"))
                    " " (report.cpus) " CPU"
            }
            dt { (reader.say("Audit", "監査記録")) }
            dd {
                (audit.lines) " " (reader.say("lines, the last with SHA-256", "行、最終行の SHA-256"))
                    " " code .digest { (audit.digest) }
            }
        }
        p .muted .small {
            (reader.say(
                "Keep the JSON: hayauma audit verify --report FILE holds these lines against \
                 the audit.",
                "JSON を保管してください。hayauma audit verify --report FILE で監査記録と照合できます。",
            ))
        }
        h3 { (reader.say("Lines of the audit", "監査記録の抜粋")) }
        @for line in &audit.extract { p .line { (line) } }
    }
}
