//! What a request of the admin port brings, read in one place: documents, parameters and names in
//! the path.
//!
//! Every handler takes its input by one of these types and by no other, so that each document,
//! present and future, is bounded in octets and depth, holds no field that nobody asked for, and is
//! refused as `{"error": "one sentence"}`. A test of the whole engine holds the list of routes
//! against the source and sends hostile bodies to each.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;

use super::reply::AdminError;
use super::sessions::{SignedIn, is_own_form};
use crate::control::limits::{
    ADMIN_BODY_MS_MAX, ADMIN_BODY_OCTETS_MAX, ADMIN_DROPPED_OCTETS_MAX, ADMIN_DROPPING_MS_MAX,
    ADMIN_STRANGER_DROPPED_OCTETS_MAX, ADMIN_STRANGER_DROPPING_MS_MAX, FORM_FIELDS_MAX,
};
use crate::control::token::check_name;
use wire::cap::limits::DOCUMENT_OCTETS_MAX;
use wire::json;
use wire::json::NothingElse;
use wire::terms::ids::{Msn, Xpid};

/// The body as a JSON object with exactly the fields of `T`.
pub struct Document<T>(pub T);

/// The query's parameters, exactly those of `T`.
pub struct Parameters<T>(pub T);

/// The XPID in the path.
pub struct XpidInPath(pub Xpid);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Document<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AdminError> {
        let mut octets = whole_body(request.into_body()).await?;
        json::read_exact(&mut octets).map(Self).map_err(|error| {
            AdminError::bad_request(format!("the body is not the JSON wanted here ({error})"))
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        match Query::<NothingElse<T>>::try_from_uri(&parts.uri) {
            Ok(Query(NothingElse(parameters))) => Ok(Self(parameters)),
            Err(error) => {
                let cause = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), ToString::to_string);
                Err(AdminError::bad_request(format!(
                    "the query is not the one wanted here ({cause})"
                )))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for XpidInPath {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let wrong = |_| AdminError::bad_request("the path names no XPID: use 11 digits");
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(wrong)?;
        parse_xpid(&text).map(Self)
    }
}

/// The body as a warning of another system: octets, at most as many as a document may have.
pub struct WarningInBody(pub Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for WarningInBody {
    type Rejection = AdminError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AdminError> {
        let too_long = || {
            let mebibytes = DOCUMENT_OCTETS_MAX >> 20;
            AdminError::bad_request(format!(
                "the warning is longer than {mebibytes} MiB: send it without what is embedded in it"
            ))
        };
        within_time(read_whole(request.into_body(), DOCUMENT_OCTETS_MAX, too_long)).await.map(Self)
    }
}

/// A page's form, exactly the fields of `T`, which are texts; from whoever is signed in, and with
/// the word of that session.
pub struct Filled<T>(pub T);

/// A form of whoever is not signed in yet.
pub struct FilledByStranger<T>(pub T);

/// The field of a form in which it carries its session's word.
pub const FORM_WORD: &str = "word";

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Filled<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        let (mut parts, body) = request.into_parts();
        let signed_in = match SignedIn::from_request_parts(&mut parts, state).await {
            Ok(signed_in) => signed_in,
            Err(error) => {
                // Whoever still writes does not read why it is refused.
                drop_body(body).await;
                return Err(error);
            }
        };
        let mut fields = fields_of(&whole_body(body).await?)?;
        let word = fields.remove(FORM_WORD).unwrap_or_default();
        if !is_own_form(&signed_in, &word) {
            let sentence =
                "the form is of another session: open the page again, and send it from there";
            return Err(AdminError::new(StatusCode::FORBIDDEN, sentence));
        }
        form_of(fields).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for FilledByStranger<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AdminError> {
        form_of(fields_of(&whole_body(request.into_body()).await?)?).map(Self)
    }
}

/// The whole body, within its bounds of octets and time.
async fn whole_body(body: Body) -> Result<Vec<u8>, AdminError> {
    let too_long = || {
        AdminError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the body is longer than {ADMIN_BODY_OCTETS_MAX} octets: send it in several \
                 requests"
            ),
        )
    };
    within_time(read_whole(body, ADMIN_BODY_OCTETS_MAX, too_long)).await
}

/// The whole body, of any document that there is.
pub(crate) async fn whole_octets(body: Body) -> Result<Vec<u8>, AdminError> {
    let too_long = || {
        let mebibytes = DOCUMENT_OCTETS_MAX >> 20;
        let sentence = format!("the body is longer than {mebibytes} MiB: no document is");
        AdminError::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    };
    within_time(read_whole(body, DOCUMENT_OCTETS_MAX, too_long)).await
}

/// The fields of a form, each once.
fn fields_of(octets: &[u8]) -> Result<BTreeMap<String, String>, AdminError> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(octets).take(FORM_FIELDS_MAX + 1) {
        let is_new = fields.insert(name.into_owned(), value.into_owned()).is_none();
        if !is_new || fields.len() > FORM_FIELDS_MAX {
            return Err(AdminError::bad_request("the form is not the one wanted here"));
        }
    }
    Ok(fields)
}

fn form_of<T: DeserializeOwned>(fields: BTreeMap<String, String>) -> Result<T, AdminError> {
    let fields = MapDeserializer::<_, serde::de::value::Error>::new(fields.into_iter());
    NothingElse::<T>::deserialize(fields).map(|NothingElse(form)| form).map_err(|error| {
        AdminError::bad_request(format!("the form is not the one wanted here ({error})"))
    })
}

/// Octets of an identifier in a path.
const IDENTIFIER_OCTETS_MAX: usize = 40;

/// The identifier of a list, a broadcast, a template or a source in the path.
pub struct IdentifierInPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdentifierInPath {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let wrong = || AdminError::bad_request("the path names nothing that can be there");
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| wrong())?;
        let is_one = (1..=IDENTIFIER_OCTETS_MAX).contains(&text.len())
            && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if is_one { Ok(Self(text)) } else { Err(wrong()) }
    }
}

/// The identifier of a list and the number of a version in the path.
pub struct VersionInPath(pub String, pub u32);

impl<S: Send + Sync> FromRequestParts<S> for VersionInPath {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let wrong = || AdminError::bad_request("the path names no list with a version behind it");
        let Path((list, version)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| wrong())?;
        let is_one = (1..=IDENTIFIER_OCTETS_MAX).contains(&list.len())
            && list.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        let version = version.parse().ok().filter(|_| is_one).ok_or_else(wrong)?;
        Ok(Self(list, version))
    }
}

/// The identifier of a broadcast and a phone's number in the path.
pub struct RecipientInPath(pub String, pub Msn);

impl<S: Send + Sync> FromRequestParts<S> for RecipientInPath {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let wrong = || AdminError::bad_request("the path names no broadcast with an msn behind it");
        let Path((broadcast, msn)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| wrong())?;
        let is_one = (1..=IDENTIFIER_OCTETS_MAX).contains(&broadcast.len())
            && broadcast.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        let msn = Msn::parse(msn.as_bytes()).filter(|_| is_one).ok_or_else(wrong)?;
        Ok(Self(broadcast, msn))
    }
}

/// The name of a token in the path, one that a token may have.
pub(super) struct NameInPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for NameInPath {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let wrong = |_| AdminError::bad_request("the path names nothing that can be read");
        let Path(name) = Path::<String>::from_request_parts(parts, state).await.map_err(wrong)?;
        check_name(&name).map_err(AdminError::bad_request)?;
        Ok(Self(name))
    }
}

/// A body, before whoever sends it has held a place for too long.
async fn within_time(
    body: impl Future<Output = Result<Vec<u8>, AdminError>>,
) -> Result<Vec<u8>, AdminError> {
    let limit = Duration::from_millis(ADMIN_BODY_MS_MAX);
    let late = |_| {
        AdminError::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {} s: send it anew", limit.as_secs()),
        )
    };
    tokio::time::timeout(limit, body).await.map_err(late)?
}

/// Memory grows with what arrives, never with what was announced.
async fn read_whole(
    mut body: Body,
    octets_max: usize,
    too_long: impl Fn() -> AdminError,
) -> Result<Vec<u8>, AdminError> {
    let mut octets = Vec::new();
    let announced = body.size_hint().lower();
    if announced <= octets_max as u64 {
        loop {
            match next_octets(&mut body).await? {
                None => return Ok(octets),
                Some(piece) if octets.len() + piece.len() <= octets_max => {
                    octets.extend_from_slice(&piece);
                }
                Some(_) => break,
            }
        }
    }
    drop(octets);
    // One that is still writing does not read: what it sends is taken off its hands for a while.
    drop_body(body).await;
    Err(too_long())
}

/// Takes what a refused request still brings off its sender's hands, within bounds.
pub(super) async fn drop_body(mut body: Body) {
    let limit = Duration::from_millis(ADMIN_DROPPING_MS_MAX);
    let _ = tokio::time::timeout(limit, drop_rest(&mut body, ADMIN_DROPPED_OCTETS_MAX)).await;
}

/// As [`drop_body`] for somebody who is not known: little, and not for long.
pub(super) async fn drop_body_of_stranger(mut body: Body) {
    let limit = Duration::from_millis(ADMIN_STRANGER_DROPPING_MS_MAX);
    let rest = drop_rest(&mut body, ADMIN_STRANGER_DROPPED_OCTETS_MAX);
    let _ = tokio::time::timeout(limit, rest).await;
}

async fn drop_rest(body: &mut Body, octets_max: usize) {
    let mut dropped = 0;
    while let Ok(Some(piece)) = next_octets(body).await {
        dropped += piece.len();
        if dropped > octets_max {
            return;
        }
    }
}

/// The next piece of the body; `None` at its end.
pub(crate) async fn next_octets(body: &mut Body) -> Result<Option<Bytes>, AdminError> {
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                return Err(AdminError::bad_request(format!("the body broke off ({error})")));
            }
            Some(Ok(frame)) => {
                if let Ok(octets) = frame.into_data() {
                    return Ok(Some(octets));
                }
            }
        }
    }
}

pub(super) fn parse_xpid(text: &str) -> Result<Xpid, AdminError> {
    Xpid::parse(text.as_bytes()).ok_or_else(|| {
        AdminError::bad_request(format!("{} is not an XPID: use 11 digits", shown(text)))
    })
}

pub(super) fn parse_msn(text: &str) -> Result<Msn, AdminError> {
    Msn::parse(text.as_bytes()).ok_or_else(|| {
        AdminError::bad_request(format!(
            "{} is not an msn: use 11 digits, the first 0",
            shown(text)
        ))
    })
}

/// Enough of a wrong word to find it by: the answer never holds what a whole body may.
fn shown(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 32;
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}
