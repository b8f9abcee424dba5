//! Signing in with a token, and out.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::html;
use serde::Deserialize;

use super::frame::{Page, Tone, see};
use super::reader::Reader;
use crate::control::admin::{AdminError, FilledByStranger, SignIn};

/// What the form has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenForm {
    token: String,
}

fn page(reader: &Reader, is_refused: bool, status: StatusCode) -> Response {
    let title = reader.say("Sign in", "サインイン");
    let body = html! {
        section .card .narrow {
            h1 { (title) }
            p .muted { (reader.say(
                "Give the token that an administrator made for you. The session lasts 12 hours.",
                "管理者から受け取ったトークンを入力してください。12 時間有効です。",
            )) }
            @if is_refused {
                p .note .bad role="alert" { (reader.say(
                    "This token is none of this engine's. Ask an administrator for a new one.",
                    "このトークンは登録されていません。",
                )) }
            }
            form method="post" action="/login" {
                label for="token" { (reader.say("Token", "トークン")) }
                input #token type="password" name="token" required
                    autocomplete="current-password" spellcheck="false";
                button .primary type="submit" { (title) }
            }
        }
    };
    Page { reader, title, tone: Tone::Plain, is_live: false, body }.answer(status)
}

pub(super) async fn show(reader: Reader) -> Response {
    page(&reader, false, StatusCode::OK)
}

pub(super) async fn enter(
    reader: Reader,
    sign_in: SignIn,
    FilledByStranger(form): FilledByStranger<TokenForm>,
) -> Result<Response, AdminError> {
    match sign_in.enter(form.token.trim()).await? {
        Some(cookie) => Ok(([(header::SET_COOKIE, cookie)], see("/dashboard")).into_response()),
        None => Ok(page(&reader, true, StatusCode::FORBIDDEN)),
    }
}

pub(super) async fn leave(sign_in: SignIn, headers: HeaderMap) -> Response {
    let gone = sign_in.leave(&headers);
    ([(header::SET_COOKIE, gone)], see("/login")).into_response()
}
