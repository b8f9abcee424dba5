//! What every page has around it: head, header, footer, the headers of its answer.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::reader::Reader;
use super::tongue::{self, Tongue};
use crate::control::admin::FORM_WORD;
use crate::control::broadcasts::BroadcastRefusal;

/// The one style sheet.
pub(super) const STYLE: &str = include_str!("style.css");
/// The one script.
pub(super) const SCRIPT: &str = include_str!("live.js");
const ICON: &str = include_str!("icon.svg");
/// A script takes no more octets.
const SCRIPT_OCTETS_MAX: usize = 20 << 10;
const _: () = assert!(SCRIPT.len() <= SCRIPT_OCTETS_MAX);
/// Nothing but the page's own style, script, picture, stream and forms; and no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                      img-src 'self'; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
/// Without the script a page of something that moves is loaded anew after so many seconds.
const RELOAD_SECONDS: &str = "5";

/// What a page is about: it decides colour, stripes and words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    /// No one broadcast.
    Plain,
    /// The real thing.
    Real,
    /// An exercise.
    Exercise,
}

impl Tone {
    pub(super) fn of_class(class: &str) -> Self {
        if class == "09" { Self::Exercise } else { Self::Real }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Real => "real",
            Self::Exercise => "exercise",
        }
    }

    /// In front of every heading of an exercise.
    pub(super) fn mark(self, tongue: Tongue) -> Markup {
        html! {
            @if self == Self::Exercise {
                span .drill-mark { (tongue.say("Exercise 訓練", "訓練")) } " "
            }
        }
    }

    fn band(self, reader: &Reader) -> Markup {
        html! {
            @match self {
                Self::Plain => {}
                Self::Real => p .band { strong { (reader.say("REAL BROADCAST", "実配信")) } }
                Self::Exercise => p .band {
                    strong { (reader.say("EXERCISE 訓練", "訓練")) }
                    span { (reader.say("Nothing here is a real alert", "これは訓練です。実際の警報ではありません")) }
                },
            }
        }
    }
}

/// A page.
pub(super) struct Page<'a> {
    pub(super) reader: &'a Reader,
    pub(super) title: &'a str,
    pub(super) tone: Tone,
    /// Whether what it shows moves.
    pub(super) is_live: bool,
    pub(super) body: Markup,
}

impl Page<'_> {
    fn markup(&self) -> Markup {
        let Self { reader, title, tone, is_live, body } = self;
        html! {
            (DOCTYPE)
            html lang=(reader.tongue.tag()) class=(tone.word()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title {
                        @if *tone == Tone::Exercise { (reader.say("EXERCISE ", "【訓練】")) }
                        (title) " · Hayauma"
                    }
                    link rel="stylesheet" href="/dashboard/style.css";
                    link rel="icon" href="/dashboard/icon.svg" type="image/svg+xml";
                    @if *is_live {
                        script src="/dashboard/live.js" defer {}
                        noscript { meta http-equiv="refresh" content=(RELOAD_SECONDS); }
                    }
                }
                body {
                    a .skip href="#main" { (reader.say("To the content", "本文へ")) }
                    (header(reader))
                    (looking_on(reader))
                    (tone.band(reader))
                    main #main tabindex="-1" { (body) }
                    (footer(reader))
                }
            }
        }
    }

    /// The page as an answer.
    pub(super) fn answer(&self, status: StatusCode) -> Response {
        let mut response =
            (status, guarded("text/html; charset=utf-8"), self.markup().into_string())
                .into_response();
        if self.reader.is_chosen {
            let tag = self.reader.tongue.tag();
            let line =
                format!("{}={tag}; Path=/; SameSite=Strict; Max-Age=31536000", tongue::COOKIE);
            if let Ok(line) = HeaderValue::from_str(&line) {
                response.headers_mut().append(header::SET_COOKIE, line);
            }
        }
        response
    }

    /// The page as a good answer.
    pub(super) fn ok(&self) -> Response {
        self.answer(StatusCode::OK)
    }
}

/// The headers that every page has.
fn guarded(media_type: &'static str) -> [(HeaderName, HeaderValue); 6] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}

fn header(reader: &Reader) -> Markup {
    html! {
        header .top {
            a .brand href="/dashboard" { (reader.say("Hayauma broadcasts", "Hayauma 一斉配信")) }
            nav aria-label=(reader.say("Language and session", "言語とセッション")) {
                @for other in Tongue::ALL {
                    @let name = match other {
                        Tongue::English => "English", Tongue::Japanese => "日本語"
                    };
                    @if other == reader.tongue {
                        span .lang aria-current="true" lang=(other.tag()) { (name) }
                    } @else {
                        a .lang href={
                            "?lang=" (other.tag())
                        } lang=(other.tag()) hreflang=(other.tag()) { (name) }
                    }
                }
                @if let Some(word) = &reader.form_word {
                    form .inline method="post" action="/logout" {
                        input type="hidden" name=(FORM_WORD) value=(word);
                        span .who { (reader.name()) }
                        button .quiet type="submit" { (reader.say("Sign out", "サインアウト")) }
                    }
                }
            }
        }
    }
}

/// Nobody takes a page of a copy for the original's.
fn looking_on(reader: &Reader) -> Markup {
    html! {
        @if reader.looks_on {
            p .looks-on role="alert" {
                strong { (reader.say(
                    "This engine only looks on. Nothing is sent from here.",
                    "このエンジンは閲覧専用です。ここからは何も送信されません。",
                )) }
            }
        }
    }
}

fn footer(reader: &Reader) -> Markup {
    html! {
        footer .foot {
            span { "Hayauma " (env!("CARGO_PKG_VERSION")) }
            span { (reader.say("Times are those of Japan (JST)", "時刻は日本時間（JST）")) }
        }
    }
}

/// A way to the page that asks before an act.
pub(super) fn ask(broadcast: &str, act: &str, kind: &str, name: &str) -> Markup {
    html! {
        a class={ "button " (kind) } href={
            "/dashboard/" (broadcast) "/confirm?act=" (act)
        } { (name) }
    }
}

/// Why something was not done, as a page.
pub(super) fn refusal_page(reader: &Reader, refusal: &BroadcastRefusal, back: &str) -> Response {
    let title = reader.say("Not done", "実行されませんでした");
    let body = html! {
        section .card .narrow role="alert" {
            h1 { (title) }
            p .lead { (refusal.sentence) }
            @if refusal.code > 0 {
                p .muted { (reader.say("Code", "コード")) " " (format!("{:04}", refusal.code)) }
            }
            @if let Some(place) = &refusal.place {
                p .muted { (reader.say("Where", "箇所")) " " code { (place) } }
            }
            p { a .button href=(back) { (reader.say("Back", "戻る")) } }
        }
    };
    let page = Page { reader, title, tone: Tone::Plain, is_live: false, body };
    page.answer(refusal.status)
}

/// To another page.
pub(super) fn see(path: &str) -> Response {
    let to = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/dashboard"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

pub(super) async fn to_dashboard() -> Response {
    see("/dashboard")
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let mut response = (guarded(media_type), text).into_response();
    let kept = HeaderValue::from_static("max-age=300");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    response
}

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}
