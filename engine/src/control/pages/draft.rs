//! A new draft, by a form: what most broadcasts need. A manifest can say more, and is sent by
//! `hayauma broadcast create`. What is refused comes back as it was filled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;
use wire::json;

use super::PagesState;
use super::draft_form::{Choices, DraftForm, Fault, Filling, Origin};
use super::frame::{Page, Tone, refusal_page, see};
use super::one::PageQuery;
use super::reader::Reader;
use crate::broadcast::manifest::Manifest;
use crate::control::admin::{AdminError, Caller, Filled, Parameters};
use crate::control::broadcasts::{BroadcastRefusal, XpidSight};
use crate::control::store::StoreError;
use crate::gateway::registration::Registration;

/// Registrations that the form offers; another one is named in a manifest.
const ORIGINS_MAX: usize = 1_000;

pub(super) async fn show(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    caller: Caller,
    Parameters(_): Parameters<PageQuery>,
) -> Response {
    page(&state, &reader, &caller, (&DraftForm::empty(), None)).await
}

/// The form, and why it was refused.
async fn page(
    state: &PagesState,
    reader: &Reader,
    caller: &Caller,
    (form, refusal): (&DraftForm, Option<&BroadcastRefusal>),
) -> Response {
    let origins = match origins(caller).await {
        Ok(origins) => origins,
        Err(error) => return refusal_page(reader, &error.into(), "/dashboard"),
    };
    let lists = state.desk.lists(&XpidSight::of(caller));
    let fault = refusal.map(Fault::of);
    let filling = Filling { reader, form, fault: fault.as_ref() };
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
            (filling.markup(&Choices { origins, lists }))
        }
    };
    let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
    Page { reader, title, tone: Tone::Plain, is_live: false, body }.answer(status)
}

/// What the caller may send broadcasts as.
async fn origins(caller: &Caller) -> Result<Vec<Origin>, AdminError> {
    let xpids = caller.xpids();
    let found = caller.look(move |store| {
        let all = store.broadcasters(&xpids, ORIGINS_MAX)?.into_iter();
        Ok::<Vec<Origin>, StoreError>(all.map(origin_of).collect())
    });
    Ok(found.await??)
}

fn origin_of(registration: Registration) -> Origin {
    let Registration { xpid, client, senders, .. } = registration;
    Origin { xpid: xpid.to_string(), client, senders }
}

fn wrong(place: &str, sentence: &str) -> BroadcastRefusal {
    let refusal = BroadcastRefusal::from(AdminError::bad_request(sentence));
    BroadcastRefusal { place: Some(place.to_owned()), ..refusal }
}

fn number(text: &str, (place, sentence): (&str, &str)) -> Result<u32, BroadcastRefusal> {
    text.trim().parse().map_err(|_| wrong(place, sentence))
}

/// The manifest of a form, as somebody would write it.
fn manifest(form: &DraftForm) -> Result<Manifest, BroadcastRefusal> {
    let minutes = number(&form.minutes, ("/lifetime", "give the minutes until its end"))?;
    let per_second = ("/pace/per_second", "give a number of recipients, 0 for no limit");
    let per_second = number(&form.per_second, per_second)?;
    let (xpid, sender) = form.from.split_once(' ').unwrap_or((&form.from, ""));
    if xpid.is_empty() {
        return Err(wrong("/xpid", "choose who sends it"));
    }
    let areas = form.areas.trim();
    let areas = match areas {
        "everywhere" => simd_json::to_string("everywhere"),
        _ => {
            let codes = areas.split([',', ' ', '、', '　', '\n']).filter(|code| !code.is_empty());
            simd_json::to_string(&codes.collect::<Vec<&str>>())
        }
    };
    let texts = [("ja", &form.text_ja), ("en", &form.text_en)];
    let texts = texts.into_iter().filter(|(_, text)| !text.trim().is_empty());
    // A browser's line ends are two characters, and a short message has room for one.
    let variants: BTreeMap<&str, String> =
        texts.map(|(language, text)| (language, text.replace("\r\n", "\n"))).collect();
    if variants.is_empty() {
        return Err(wrong("/legs/0/texts", "write it in one language at least"));
    }
    let fallback: Vec<&str> = variants.keys().copied().collect();
    let quoted = |text: &str| simd_json::to_string(text).unwrap_or_default();
    let text = format!(
        r#"{{"xpid":{},"sender":{},"class":{},"reqid":{},"lifetime":{},
        "pace":{{"per_second":{per_second}}},"legs":[{{"audience":{{"list":{},"areas":{}}},
        "texts":{{"variants":{},"fallback":{}}}}}]}}"#,
        quoted(xpid),
        quoted(sender),
        quoted(&form.class),
        quoted(form.reqid.trim()),
        u64::from(minutes) * 60,
        quoted(&form.list),
        areas.unwrap_or_default(),
        simd_json::to_string(&variants).unwrap_or_default(),
        simd_json::to_string(&fallback).unwrap_or_default(),
    );
    json::read_exact(&mut text.into_bytes())
        .map_err(|error| AdminError::bad_request(format!("this is no draft ({error})")).into())
}

pub(super) async fn create(
    State(state): State<Arc<PagesState>>,
    reader: Reader,
    caller: Caller,
    Filled(form): Filled<DraftForm>,
) -> Response {
    let made = match manifest(&form) {
        Ok(manifest) => Arc::clone(&state.desk).do_create(&caller, manifest).await,
        Err(refusal) => Err(refusal),
    };
    match made {
        Ok(document) => see(&format!("/dashboard/{}", document.broadcast)),
        Err(refusal) => page(&state, &reader, &caller, (&form, Some(&refusal))).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> DraftForm {
        DraftForm {
            class: "02".to_owned(),
            from: "00100000001 Town Hall".to_owned(),
            reqid: "flood-1".to_owned(),
            list: "li-1".to_owned(),
            areas: "13101、27100".to_owned(),
            text_ja: "避難\r\n".to_owned(),
            ..DraftForm::empty()
        }
    }

    fn place(form: &DraftForm) -> Option<String> {
        let read = manifest(form);
        let checked = read.and_then(|manifest| Ok(manifest.checked()?));
        checked.expect_err("it is refused").place
    }

    #[test]
    fn a_form_is_the_manifest_that_somebody_would_write() {
        let manifest = manifest(&form()).expect("a manifest").checked().expect("a whole one");
        let found = (manifest.xpid.as_str(), manifest.sender.as_str(), manifest.lifetime);
        assert_eq!(found, ("00100000001", "Town Hall", Some(3_600)));
        let texts = &manifest.legs[0].texts;
        assert_eq!(texts.variants["ja"], "避難\n");
        assert_eq!(texts.fallback, ["ja"]);
    }

    #[test]
    fn what_is_wrong_with_a_form_has_its_place() {
        let silent = manifest(&DraftForm { text_ja: " ".to_owned(), ..form() });
        let said = silent.expect_err("nothing is said").sentence;
        assert_eq!(said, "write it in one language at least");
        for (wrong, wanted) in [
            (DraftForm { from: String::new(), ..form() }, "/xpid"),
            (DraftForm { from: "7 Town".to_owned(), ..form() }, "/xpid"),
            (DraftForm { reqid: "a b".to_owned(), ..form() }, "/reqid"),
            (DraftForm { areas: " ".to_owned(), ..form() }, "/legs/0/audience/areas"),
            (DraftForm { areas: "13101 x".to_owned(), ..form() }, "/legs/0/audience/areas/1"),
            (DraftForm { text_ja: " ".to_owned(), ..form() }, "/legs/0/texts"),
            (DraftForm { minutes: "0".to_owned(), ..form() }, "/lifetime"),
            (DraftForm { minutes: "an hour".to_owned(), ..form() }, "/lifetime"),
            (DraftForm { per_second: "-1".to_owned(), ..form() }, "/pace/per_second"),
        ] {
            assert_eq!(place(&wrong).as_deref(), Some(wanted), "{wrong:?}");
        }
    }
}
