//! Does what a form asks for, and leads back to the broadcast's page.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::PagesState;
use super::frame::{refusal_page, see};
use super::reader::Reader;
use crate::broadcast::manifest::Texts;
use crate::control::admin::{AdminError, Caller, Filled, IdentifierInPath};
use crate::control::broadcasts::{
    ApprovalWanted, BroadcastRefusal, CancelWanted, FollowerWanted, Halt, Judgement, PaceWanted,
    Retract, StartWanted, WaveWanted,
};
use crate::control::roles::Role;

type Pages = State<Arc<PagesState>>;

/// A form with nothing in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NothingForm {}

/// Whoever approves names what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DigestForm {
    digest: String,
}

/// Whoever starts repeats what was found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartForm {
    digest: String,
    recipients: String,
}

/// Whoever makes it slower or faster says how fast.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaceForm {
    per_second: u32,
}

/// Whoever opens a wave says which.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaveForm {
    wave: u8,
}

/// Whoever cancels repeats how many wait.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelForm {
    #[serde(default)]
    shown: String,
    #[serde(default)]
    typed: String,
    reason: String,
}

/// And says what those are told who have the text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetractForm {
    #[serde(default)]
    shown: String,
    #[serde(default)]
    typed: String,
    reason: String,
    #[serde(default)]
    reqid: String,
    #[serde(default)]
    text_ja: String,
    #[serde(default)]
    text_en: String,
}

fn page_of(broadcast: &str) -> String {
    format!("/dashboard/{broadcast}")
}

fn done<T>(reader: &Reader, broadcast: &str, done: Result<T, BroadcastRefusal>) -> Response {
    match done {
        Ok(_) => see(&page_of(broadcast)),
        Err(refusal) => refusal_page(reader, &refusal, &page_of(broadcast)),
    }
}

/// A number as people type it.
fn typed_number(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(|letter| ![',', ' ', '，'].contains(letter)).collect();
    digits.parse().ok()
}

fn check_typed(shown: &str, typed: &str) -> Result<(), BroadcastRefusal> {
    if typed_number(shown) == typed_number(typed) {
        return Ok(());
    }
    let sentence =
        "the number that was typed is not the one that was shown: look again, and repeat it";
    Err(AdminError::new(StatusCode::CONFLICT, sentence).into())
}

pub(super) async fn check(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(NothingForm {}): Filled<NothingForm>,
) -> Response {
    let checked = Arc::clone(&state.desk).do_check(&caller, broadcast.clone()).await;
    done(&reader, &broadcast, checked)
}

async fn judge(
    (state, reader, caller): (Arc<PagesState>, Reader, Caller),
    (judgement, broadcast): (Judgement, String),
    form: DigestForm,
) -> Response {
    let wanted = ApprovalWanted { digest: form.digest };
    let desk = Arc::clone(&state.desk);
    let judged = desk.do_judge(&caller, (judgement, broadcast.clone()), wanted).await;
    done(&reader, &broadcast, judged)
}

pub(super) async fn approve(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(form): Filled<DigestForm>,
) -> Response {
    judge((state, reader, caller), (Judgement::Approve, broadcast), form).await
}

pub(super) async fn reject(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(form): Filled<DigestForm>,
) -> Response {
    judge((state, reader, caller), (Judgement::Reject, broadcast), form).await
}

pub(super) async fn start(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(form): Filled<StartForm>,
) -> Response {
    let Some(recipients) = typed_number(&form.recipients) else {
        let error = AdminError::bad_request("the number of recipients is no number: repeat it");
        return refusal_page(&reader, &error.into(), &page_of(&broadcast));
    };
    let wanted = StartWanted { digest: form.digest, recipients };
    let started = Arc::clone(&state.desk).do_start(&caller, broadcast.clone(), wanted).await;
    done(&reader, &broadcast, started)
}

async fn halt(
    (state, reader, caller): (Arc<PagesState>, Reader, Caller),
    broadcast: String,
    halt: Halt,
) -> Response {
    let halted = Arc::clone(&state.desk).do_halt(&caller, broadcast.clone(), halt).await;
    done(&reader, &broadcast, halted)
}

pub(super) async fn pause(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(NothingForm {}): Filled<NothingForm>,
) -> Response {
    halt((state, reader, caller), broadcast, Halt::Pause).await
}

pub(super) async fn resume(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(NothingForm {}): Filled<NothingForm>,
) -> Response {
    halt((state, reader, caller), broadcast, Halt::Resume).await
}

pub(super) async fn set_pace(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(form): Filled<PaceForm>,
) -> Response {
    let wanted = PaceWanted { per_second: Some(form.per_second), ..PaceWanted::default() };
    let paced = Arc::clone(&state.desk).do_pace(&caller, broadcast.clone(), wanted).await;
    done(&reader, &broadcast, paced)
}

pub(super) async fn open_wave(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(form): Filled<WaveForm>,
) -> Response {
    let wanted = WaveWanted { wave: form.wave };
    let opened = Arc::clone(&state.desk).do_open_wave(&caller, broadcast.clone(), wanted).await;
    done(&reader, &broadcast, opened)
}

pub(super) async fn cancel(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(form): Filled<CancelForm>,
) -> Response {
    if let Err(refusal) = check_typed(&form.shown, &form.typed) {
        return refusal_page(&reader, &refusal, &page_of(&broadcast));
    }
    let why = CancelWanted { reason: form.reason, ..CancelWanted::default() };
    halt((state, reader, caller), broadcast, Halt::Cancel(why)).await
}

pub(super) async fn retract(
    State(state): Pages,
    reader: Reader,
    caller: Caller,
    IdentifierInPath(broadcast): IdentifierInPath,
    Filled(form): Filled<RetractForm>,
) -> Response {
    let followed = cancel_and_retract(&state, &caller, &broadcast, form).await;
    match followed {
        Ok(new) => see(&page_of(&new)),
        Err(refusal) => refusal_page(&reader, &refusal, &page_of(&broadcast)),
    }
}

/// Ends it first, whatever becomes of the draft.
async fn cancel_and_retract(
    state: &PagesState,
    caller: &Caller,
    broadcast: &str,
    form: RetractForm,
) -> Result<String, BroadcastRefusal> {
    check_typed(&form.shown, &form.typed)?;
    let desk = &state.desk;
    if desk.has_retraction(broadcast)? {
        let why = CancelWanted { reason: form.reason, retract: Retract::Yes };
        Arc::clone(desk).do_halt(caller, broadcast.to_owned(), Halt::Cancel(why)).await?;
        return Ok(broadcast.to_owned());
    }
    if !caller.may(Role::Author) {
        let sentence = "a retraction is a draft, and takes the role author: cancel it, and ask one";
        return Err(AdminError::lacks_role(sentence).into());
    }
    let why = CancelWanted { reason: form.reason, ..CancelWanted::default() };
    let stopped = Arc::clone(desk).do_halt(caller, broadcast.to_owned(), Halt::Cancel(why)).await;
    // What is over is taken back as well.
    if !desk.is_over(broadcast)? {
        stopped?;
    }
    let texts = [("ja", form.text_ja), ("en", form.text_en)];
    let variants: BTreeMap<String, String> =
        texts.into_iter().map(|(language, text)| (language.to_owned(), text)).collect();
    let fallback = variants.keys().cloned().collect();
    let texts = Texts { variants, fallback, ..Texts::default() };
    let wanted = FollowerWanted { reqid: form.reqid, texts: Some(texts), lifetime: None };
    let draft = Arc::clone(desk).do_retract(caller, broadcast.to_owned(), wanted).await?;
    Ok(draft.broadcast)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_type_it_and_has_to_be_the_one_that_was_shown() {
        assert_eq!(typed_number("10,000,000"), Some(10_000_000));
        assert_eq!(typed_number(" 1 200 "), Some(1_200));
        assert_eq!([typed_number(""), typed_number("-1"), typed_number("x")], [None; 3]);
        assert!(check_typed("120", "120").is_ok() && check_typed("1200", "1,200").is_ok());
        assert!(check_typed("120", "12").is_err() && check_typed("120", "").is_err());
        assert!(check_typed("", "").is_ok(), "a draft has nobody waiting");
    }
}
