//! Asks before an act: in other words for each act, and for the real thing and an exercise.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::PagesState;
use super::areas;
use super::frame::{Page, Tone, refusal_page};
use super::one::{texts, texts_are_for};
use super::reader::Reader;
use super::tongue::{Tongue, number};
use super::words;
use crate::broadcast::outcomes::Outcome;
use crate::control::admin::{AdminError, FORM_WORD, IdentifierInPath, Parameters};
use crate::control::broadcasts::{BroadcastDocument, ProgressDocument, Stage};
use crate::gateway::broadcasting::People;

/// A reqid has at most so many characters.
const REQID_CHARACTERS_MAX: usize = 23;

/// Which act.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActQuery {
    act: String,
    #[serde(default, rename = "lang")]
    _lang: Option<String>,
}

pub(super) async fn show(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    IdentifierInPath(broadcast): IdentifierInPath,
    Parameters(query): Parameters<ActQuery>,
) -> Response {
    let back = format!("/dashboard/{broadcast}");
    let progress = match Arc::clone(&state.desk).look_at(broadcast, false).await {
        Ok(progress) => progress,
        Err(refusal) => return refusal_page(&reader, &refusal, "/dashboard"),
    };
    let asked = match query.act.as_str() {
        "approve" => approve(&reader, &progress.document),
        "start" => start(&reader, &progress.document),
        "cancel" => cancel(&reader, &progress),
        "retract" => retract(&reader, &progress),
        _ => {
            let sentence = "act is approve, start, cancel or retract";
            let error = AdminError::new(StatusCode::BAD_REQUEST, sentence);
            return refusal_page(&reader, &error.into(), &back);
        }
    };
    let Asked { title, body } = asked;
    let tone = Tone::of_class(&progress.document.manifest.class);
    let shown = html! {
        p .crumb { a href=(back) { (progress.document.manifest.reqid) } }
        // What goes out stands above what sends it.
        @if query.act == "start" { (texts(&reader, &progress.document, tone)) }
        section .card .narrow .ask {
            h1 { (tone.mark(reader.tongue)) (title) }
            (body)
        }
        @if query.act != "start" { (texts(&reader, &progress.document, tone)) }
    };
    Page { reader: &reader, title: &title, tone, is_live: false, body: shown }.ok()
}

struct Asked {
    title: String,
    body: Markup,
}

fn is_drill(document: &BroadcastDocument) -> bool {
    document.manifest.class == "09"
}

/// Whom and what, in words that cannot be mistaken.
fn facts(reader: &Reader, document: &BroadcastDocument) -> Markup {
    let targeted = document.check.as_ref().map_or(0, |check| check.addressed.targeted);
    html! {
        dl .facts .strong {
            dt { (reader.say("Class", "区分")) }
            dd { (words::class(reader.tongue, &document.manifest.class)) }
            dt { (reader.say("Recipients", "件数")) } dd { (number(targeted)) }
            dt { (reader.say("Areas", "地域")) } dd { (areas::in_words(reader, &document.manifest)) }
            dt { (reader.say("Sender", "発信者")) } dd { (document.manifest.sender) }
        }
    }
}

fn form(reader: &Reader, document: &BroadcastDocument, act: &str, inside: Markup) -> Markup {
    html! {
        form method="post" action={ "/dashboard/" (document.broadcast) "/" (act) } {
            @if let Some(word) = &reader.form_word {
                input type="hidden" name=(FORM_WORD) value=(word);
            }
            (inside)
        }
    }
}

fn back(reader: &Reader, document: &BroadcastDocument) -> Markup {
    html! {
        a .button .plain href={ "/dashboard/" (document.broadcast) } {
            (reader.say("Back, do nothing", "何もせず戻る"))
        }
    }
}

fn digest_of(document: &BroadcastDocument) -> &str {
    document.check.as_ref().map_or("", |check| check.digest.as_str())
}

fn approve(reader: &Reader, document: &BroadcastDocument) -> Asked {
    let title = match is_drill(document) {
        true => reader.say("Approve this exercise?", "この訓練を承認しますか"),
        false => reader.say("Approve this REAL broadcast?", "この実配信を承認しますか"),
    };
    let digest = html! { input type="hidden" name="digest" value=(digest_of(document)); };
    let is_of_one = document.check.as_ref().is_some_and(|check| check.people == People::One);
    let what = match is_of_one {
        true => reader.say(
            "You agree to exactly this dry run. Approving starts nothing.",
            "この事前確認の内容に同意します。承認しても配信は始まりません。",
        ),
        false => reader.say(
            "You agree to exactly this dry run. Whoever wrote it cannot approve it. Approving \
             starts nothing.",
            "この事前確認の内容に同意します。作成者は承認できません。承認しても配信は始まりません。",
        ),
    };
    let body = html! {
        p .lead { (what) }
        (facts(reader, document))
        div .actions {
            (form(
                reader,
                document,
                "approve",
                html! {
                    (digest) button .primary type="submit" { (reader.say("Approve", "承認する")) }
                },
            ))
            (form(
                reader,
                document,
                "reject",
                html! {
                    (digest) button .warn type="submit" { (reader.say("Reject", "却下する")) }
                },
            ))
            (back(reader, document))
        }
    };
    Asked { title: title.to_owned(), body }
}

/// A field into which a number is typed that stands above it.
fn typed(reader: &Reader, name: &str, count: u64, what: &str) -> Markup {
    html! {
        label for=(name) {
            (what) " " strong { (number(count)) }
        }
        input id=(name) name=(name) inputmode="numeric" autocomplete="off" required
            pattern="[0-9, ]+" aria-describedby={ (name) "-hint" };
        p .muted .small id={ (name) "-hint" } {
            (reader.say("With or without commas.", "カンマの有無は問いません。"))
        }
    }
}

fn start(reader: &Reader, document: &BroadcastDocument) -> Asked {
    let targeted = document.check.as_ref().map_or(0, |check| check.addressed.targeted);
    let (title, lead, name) = match is_drill(document) {
        true => (
            reader.say("Start the exercise?", "訓練を開始しますか"),
            reader.say("The phones get it as an exercise.", "端末には訓練として届きます。"),
            reader.say("Start the exercise 訓練", "訓練を開始する"),
        ),
        false => (
            reader.say("Send this for real?", "本当に実配信しますか"),
            reader.say(
                "This is no exercise. Phones begin to ring within a second.",
                "これは訓練ではありません。1 秒以内に端末への送信が始まります。",
            ),
            reader.say("Start the REAL broadcast", "実配信を開始する"),
        ),
    };
    let inside = html! {
        input type="hidden" name="digest" value=(digest_of(document));
        (typed(
            reader,
            "recipients",
            targeted,
            reader.say("Type the number of recipients:", "件数を入力してください:"),
        ))
        div .actions {
            button .danger type="submit" { (name) }
            (back(reader, document))
        }
    };
    let body = html! {
        p .lead { (lead) }
        (facts(reader, document))
        (form(reader, document, "start", inside))
    };
    Asked { title: title.to_owned(), body }
}

fn waiting(progress: &ProgressDocument) -> u64 {
    progress.snapshot.as_ref().map_or(0, |snapshot| snapshot.count(Outcome::Waiting))
}

fn reached(progress: &ProgressDocument) -> u64 {
    progress.snapshot.as_ref().map_or(0, |snapshot| snapshot.count(Outcome::Delivered))
}

fn cancel_fields(reader: &Reader, progress: &ProgressDocument) -> Markup {
    let still = waiting(progress);
    html! {
        @if progress.document.stage == Stage::Ended {
            @let have = reached(progress);
            input type="hidden" name="shown" value=(have);
            (typed(
                reader,
                "typed",
                have,
                reader.say("Type the number of recipients who have it:", "届いた件数を入力してください:"),
            ))
        } @else if progress.document.started.is_some() {
            input type="hidden" name="shown" value=(still);
            (typed(
                reader,
                "typed",
                still,
                reader.say("Type the number of recipients still waiting:", "待機中の件数を入力してください:"),
            ))
        }
        label for="reason" { (reader.say("Reason, for the record", "理由（記録用）")) }
        input #reason name="reason" maxlength="500" required;
    }
}

fn cancel(reader: &Reader, progress: &ProgressDocument) -> Asked {
    let document = &progress.document;
    let is_started = document.started.is_some();
    let (title, lead, name) = match (is_started, is_drill(document)) {
        (false, _) => (
            reader.say("Discard this draft?", "この下書きを破棄しますか"),
            reader.say(
                "Nothing was sent. It can be looked at afterwards, not started.",
                "何も送信されていません。破棄後は閲覧のみ可能です。",
            ),
            reader.say("Discard the draft", "下書きを破棄する"),
        ),
        (true, true) => (
            reader.say("Cancel the exercise?", "訓練を中止しますか"),
            reader.say(
                "Nobody is sent it any more. Phones that have it keep it.",
                "以後は送信されません。届いた端末には残ります。",
            ),
            reader.say("Cancel the exercise", "訓練を中止する"),
        ),
        (true, false) => (
            reader.say("Cancel the REAL broadcast?", "実配信を中止しますか"),
            reader.say(
                "Whoever is still waiting does not get the alert. This cannot be undone. Phones \
                 that have it keep it.",
                "待機中の対象者に警報は届かなくなります。取り消せません。届いた端末には残ります。",
            ),
            reader.say("Cancel the REAL broadcast", "実配信を中止する"),
        ),
    };
    let inside = html! {
        (cancel_fields(reader, progress))
        div .actions { button .danger type="submit" { (name) } (back(reader, document)) }
    };
    let body = html! {
        p .lead { (lead) }
        (facts(reader, document))
        (form(reader, document, "cancel", inside))
    };
    Asked { title: title.to_owned(), body }
}

/// The text of a retraction as it is proposed.
fn proposed(language: &str, drill: bool) -> &'static str {
    match (Tongue::ALL.into_iter().find(|tongue| tongue.tag() == language), drill) {
        (Some(Tongue::Japanese), false) => "先ほどの配信は誤りです。取り消します。",
        (Some(Tongue::Japanese), true) => "【訓練】先ほどの配信を取り消します。",
        (_, false) => "The message before this one was sent in error. Please disregard it.",
        (_, true) => "EXERCISE: the message before this one is withdrawn.",
    }
}

/// What was prepared goes at once: its texts are shown, and nothing is asked for but the number.
fn retract_prepared(reader: &Reader, progress: &ProgressDocument, title: &str) -> Asked {
    let document = &progress.document;
    let texts = document.check.iter().flat_map(|check| &check.retraction);
    let inside = html! {
        (cancel_fields(reader, progress))
        div .actions {
            button .danger type="submit" {
                @if document.stage == Stage::Ended {
                    (reader.say("Send the retraction now", "直ちに訂正を送る"))
                } @else { (reader.say("Cancel and retract now", "直ちに中止し、訂正を送る")) }
            }
            (back(reader, document))
        }
    };
    let body = html! {
        p .lead { (reader.say(
            "The broadcast ends at once. What was prepared goes to exactly those who have the text \
             or may have it, without another approval.",
            "配信は直ちに終了します。事前に承認された次の訂正を、届いた（可能性のある）端末だけに送ります。",
        )) }
        (facts(reader, document))
        @if reader.sees_texts() {
            @for text in texts { blockquote lang=(text.language) { (text.text) } }
        } @else { (texts_are_for(reader)) }
        (form(reader, document, "retract", inside))
    };
    Asked { title: title.to_owned(), body }
}

fn retract(reader: &Reader, progress: &ProgressDocument) -> Asked {
    let document = &progress.document;
    let drill = is_drill(document);
    let title = match (document.stage == Stage::Ended, drill) {
        (true, true) => reader.say("Take the exercise back?", "訓練の訂正を送りますか"),
        (true, false) => reader.say("Take the REAL broadcast back?", "実配信の訂正を送りますか"),
        (false, true) => {
            reader.say("Cancel the exercise and retract?", "訓練を中止して訂正を送りますか")
        }
        (false, false) => {
            reader.say("Cancel the REAL broadcast and retract?", "実配信を中止して訂正を送りますか")
        }
    };
    if document.manifest.retraction.is_some() {
        return retract_prepared(reader, progress, title);
    }
    let mut reqid: String =
        document.manifest.reqid.chars().take(REQID_CHARACTERS_MAX - 2).collect();
    reqid += "-r";
    let inside = html! {
        (cancel_fields(reader, progress))
        @for language in ["ja", "en"] {
            @let field = format!("text_{language}");
            label for=(field) {
                (reader.say("Retraction in ", "訂正の文面 ")) (language)
            }
            textarea id=(field) name=(field) rows="3" maxlength="2000" lang=(language) required {
                (proposed(language, drill))
            }
        }
        label for="reqid" { (reader.say("Its reqid", "訂正の reqid")) }
        input #reqid name="reqid" value=(reqid) maxlength=(
            REQID_CHARACTERS_MAX
        ) pattern="[0-9A-Za-z._\\-]+" required;
        div .actions {
            button .danger type="submit" {
                @if document.stage == Stage::Ended {
                    (reader.say("Draft the retraction", "訂正の下書きを作る"))
                } @else {
                    (reader.say("Cancel now, and draft the retraction", "中止し、訂正の下書きを作る"))
                }
            }
            (back(reader, document))
        }
    };
    let body = html! {
        p .lead { (reader.say(
            "The broadcast ends at once. The retraction below becomes a draft to exactly those \
             who have the text or may have it; it is checked and started like any other.",
            "配信は直ちに終了します。下の訂正は、届いた（可能性のある）端末だけを宛先とする下書きになり、通常どおり確認・承認・開始します。",
        )) }
        (facts(reader, document))
        (form(reader, document, "retract", inside))
    };
    Asked { title: title.to_owned(), body }
}
