//! A new draft, by a form: what most broadcasts need. A manifest can say more, and is sent by
//! `hayauma broadcast create`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use wire::json;

use super::PagesState;
use super::frame::{Page, Tone, refusal_page, see};
use super::one::PageQuery;
use super::reader::Reader;
use super::tongue::number;
use super::words;
use crate::broadcast::manifest::Manifest;
use crate::control::admin::{AdminError, Caller, FORM_WORD, Filled, Parameters};
use crate::control::broadcasts::{ListDocument, XpidSight};

const PATH: &str = "/dashboard/new";
/// What a reqid is made of.
const NAME: &str = "[0-9A-Za-z._\\-]+";
/// The classes, the harmless one first.
const CLASSES: [&str; 4] = ["09", "01", "02", "03"];

/// What the form has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftForm {
    class: String,
    xpid: String,
    sender: String,
    reqid: String,
    list: String,
    areas: String,
    text_ja: String,
    text_en: String,
    minutes: String,
    per_second: String,
}

pub(super) async fn show(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    caller: Caller,
    Parameters(_): Parameters<PageQuery>,
) -> Response {
    let title = reader.say("New draft", "新規下書き");
    let body = html! {
        p .crumb { a href="/dashboard" { (reader.say("All broadcasts", "一斉配信の一覧")) } }
        section .card .narrow {
            h1 { (title) }
            p .muted {
                (
                    reader.say(
                        "A draft sends nothing. It is checked next, and started after that.",
                        "下書きでは何も送信されません。次に確認、その後に開始します。",
                    )
                )
            }
            (form(&reader, &state.desk.lists(&XpidSight::of(&caller))))
        }
    };
    Page { reader: &reader, title, tone: Tone::Plain, is_live: false, body }.ok()
}

/// A field with its label; a hint where it is not empty.
fn field(name: &str, label: &str, hint: &str, input: Markup) -> Markup {
    html! {
        div .field {
            label for=(name) { (label) }
            (input)
            @if !hint.is_empty() { p .muted .small id={ (name) "-hint" } { (hint) } }
        }
    }
}

/// A line of text that is needed, of at most so many characters.
fn line(name: &str, label: &str, characters_max: usize, pattern: &str, value: &str) -> Markup {
    let is_number = pattern.starts_with("[0-9]");
    let mode = if is_number { "numeric" } else { "text" };
    let input = html! {
        input id=(name) name=(name) required maxlength=(characters_max) pattern=(pattern)
            inputmode=(mode) autocomplete="off" value=(value);
    };
    field(name, label, "", input)
}

fn text(name: &str, language: &str, label: &str) -> Markup {
    let input = html! {
        textarea id=(name) name=(name) rows="4" maxlength="2000" lang=(language) {}
    };
    field(name, label, "", input)
}

fn class_field(reader: &Reader) -> Markup {
    let input = html! {
        select #class name="class" aria-describedby="class-hint" {
            @for class in CLASSES {
                option value=(class) { (words::class(reader.tongue, class)) }
            }
        }
    };
    let hint = reader
        .say("An exercise says so on every page.", "訓練であることはすべての画面に表示されます。");
    field("class", reader.say("Class", "区分"), hint, input)
}

fn audience_fields(reader: &Reader, lists: &[ListDocument]) -> Markup {
    let list = html! {
        select #list name="list" required {
            @for list in lists {
                @let rows = list.newest().map_or(0, |version| version.rows);
                option value=(list.list) { (list.name) " · " (number(rows)) }
            }
        }
    };
    let areas = html! {
        input #areas name="areas" required autocomplete="off" aria-describedby="areas-hint";
    };
    let hint = reader.say(
        "Codes, apart by blanks or commas; or the word everywhere.",
        "コードを空白かカンマで区切って入力。全地域は everywhere。",
    );
    html! {
        (field("list", reader.say("List of recipients", "宛先リスト"), "", list))
        (field("areas", reader.say("Areas", "地域"), hint, areas))
    }
}

fn form(reader: &Reader, lists: &[ListDocument]) -> Markup {
    const ANY: &str = ".*";
    const DIGITS: &str = "[0-9]+";
    let pace = reader.say("Recipients a second; 0: no limit", "毎秒の件数（0: 制限なし）");
    html! {
        form method="post" action=(PATH) {
            @if let Some(word) = &reader.form_word {
                input type="hidden" name=(FORM_WORD) value=(word);
            }
            (class_field(reader))
            (audience_fields(reader, lists))
            (text("text_ja", "ja", reader.say("Text in Japanese", "日本語の文面")))
            (text("text_en", "en", reader.say("Text in English", "英語の文面")))
            div .pair {
                (line("sender", reader.say("Sender", "発信者"), 20, ANY, ""))
                (line("xpid", "XPID", 11, "[0-9]{11}", ""))
                (line("reqid", reader.say("Name (reqid)", "名称（reqid）"), 23, NAME, ""))
                (line("minutes", reader.say("Ends after, minutes", "終了まで（分）"), 5, DIGITS, "60"))
                (line("per_second", pace, 9, DIGITS, "0"))
            }
            div .actions {
                button .primary type="submit" { (reader.say("Keep the draft", "下書きを保存")) }
                a .button .plain href="/dashboard" { (reader.say("Back", "戻る")) }
            }
        }
    }
}

/// The manifest of a form, as somebody would write it.
fn manifest(form: &DraftForm) -> Result<Manifest, AdminError> {
    let wrong = |sentence: &str| AdminError::bad_request(sentence);
    let number =
        |text: &str, sentence: &str| text.trim().parse::<u64>().map_err(|_| wrong(sentence));
    let minutes = number(&form.minutes, "the minutes until its end are no number: give one")?;
    let per_second = number(&form.per_second, "recipients a second are no number: give one, or 0")?;
    let areas = form.areas.trim();
    let areas = match areas {
        "everywhere" => simd_json::to_string("everywhere"),
        _ => {
            let codes = areas.split([',', ' ', '、', '\n']).filter(|code| !code.is_empty());
            simd_json::to_string(&codes.collect::<Vec<&str>>())
        }
    };
    let texts = [("ja", &form.text_ja), ("en", &form.text_en)];
    let texts = texts.into_iter().filter(|(_, text)| !text.trim().is_empty());
    // A browser's line ends are two characters, and a short message has room for one.
    let variants: BTreeMap<&str, String> =
        texts.map(|(language, text)| (language, text.replace("\r\n", "\n"))).collect();
    let fallback: Vec<&str> = variants.keys().copied().collect();
    let quoted = |text: &str| simd_json::to_string(text).unwrap_or_default();
    let text = format!(
        r#"{{"xpid":{},"sender":{},"class":{},"reqid":{},"lifetime":{},
        "pace":{{"per_second":{per_second}}},"legs":[{{"audience":{{"list":{},"areas":{}}},
        "texts":{{"variants":{},"fallback":{}}}}}]}}"#,
        quoted(form.xpid.trim()),
        quoted(form.sender.trim()),
        quoted(&form.class),
        quoted(form.reqid.trim()),
        minutes.saturating_mul(60),
        quoted(&form.list),
        areas.unwrap_or_default(),
        simd_json::to_string(&variants).unwrap_or_default(),
        simd_json::to_string(&fallback).unwrap_or_default(),
    );
    json::read_exact(&mut text.into_bytes())
        .map_err(|error| AdminError::bad_request(format!("this is no draft ({error})")))
}

pub(super) async fn create(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    caller: Caller,
    Filled(form): Filled<DraftForm>,
) -> Response {
    let manifest = match manifest(&form) {
        Ok(manifest) => manifest,
        Err(error) => return refusal_page(&reader, &error.into(), PATH),
    };
    match Arc::clone(&state.desk).do_create(&caller, manifest).await {
        Ok(document) => see(&format!("/dashboard/{}", document.broadcast)),
        Err(refusal) => refusal_page(&reader, &refusal, PATH),
    }
}
