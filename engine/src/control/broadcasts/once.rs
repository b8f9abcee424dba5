//! Requests with an `Idempotency-Key`: what was done for the first is done for no second, and both
//! get the same answer, for a day.
//!
//! **Never here:** who may ask what: the guard has let the request through. **Invariants:** the
//! first is finished whether its asker still waits or not; a refusal is not kept, as nothing was
//! done; a body of any length is heard and never kept.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Bytes, Frame, SizeHint};
use sha2::{Digest as _, Sha256};

use super::answered::{AnswerKey, KeptAnswer};
use super::check::hexadecimal;
use super::desk::BroadcastDesk;
use super::handling::{Desk, beside, stopping};
use super::now::Now;
use super::parts::{Cutter, boundary_of};
use super::refusal::{BroadcastRefusal, REUSED, refused};
use crate::control::admin::Caller;
use crate::control::admin::reading::{next_octets, whole_octets};
use crate::control::admin::reply::AdminError;
use crate::control::limits::{ANSWER_KEPT_OCTETS_MAX, IDEMPOTENCY_KEY_OCTETS_MAX};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Whose bodies are files: they are heard as they pass.
const FILES: &str = "/lists/{list}/versions";
/// And those where they have parts.
const WITH_FILES: &str = "/broadcasts";

/// Answers a request that has a key, as it was answered before if it was.
pub(super) async fn once(State(desk): Desk, request: Request, next: Next) -> Response {
    match key_of(&request) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => match tokio::spawn(answer(desk, key, request, next)).await {
            Ok(answer) => answer.unwrap_or_else(|refusal| refusal.into_response()),
            Err(_) => stopping().into_response(),
        },
        Err(refusal) => refusal.into_response(),
    }
}

/// The key of a request that is to be done once.
fn key_of(request: &Request) -> Result<Option<AnswerKey>, BroadcastRefusal> {
    let mut found = request.headers().get_all(KEY).iter();
    let caller = request.extensions().get::<Caller>();
    let caller = caller.filter(|_| *request.method() == Method::POST);
    let (Some(key), Some(caller)) = (found.next(), caller) else { return Ok(None) };
    let octets = key.as_bytes();
    let is_one = found.next().is_none()
        && (1..=IDEMPOTENCY_KEY_OCTETS_MAX).contains(&octets.len())
        && octets.iter().all(u8::is_ascii_graphic);
    if is_one {
        return Ok(Some(AnswerKey::of(&caller.name, octets)));
    }
    let sentence = format!(
        "an Idempotency-Key is 1 to {IDEMPOTENCY_KEY_OCTETS_MAX} visible characters of ASCII, and \
         stands once"
    );
    Err(AdminError::bad_request(sentence).into())
}

async fn answer(
    desk: Arc<BroadcastDesk>,
    key: AnswerKey,
    request: Request,
    next: Next,
) -> Result<Response, BroadcastRefusal> {
    let _turn = desk.answered.turn(&key).await;
    let wanted = key.clone();
    let known =
        beside(Arc::clone(&desk), move |desk| Ok(desk.answered.find(&wanted, Now::read())?));
    let known = known.await?;
    let (parts, body) = request.into_parts();
    if let Some(known) = known {
        return again(&known, hear_all(&parts, body).await?);
    }
    let (hearing, body) = hear(&parts, body).await?;
    let response = next.run(Request::from_parts(parts, body)).await;
    Ok(keep(desk, key, &hearing, response).await)
}

/// The same answer to the same request.
fn again(known: &KeptAnswer, request: String) -> Result<Response, BroadcastRefusal> {
    if known.request != request {
        let sentence = "this Idempotency-Key was another request's within a day: give one of its \
                        own";
        return Err(refused(REUSED, sentence));
    }
    let status = StatusCode::from_u16(known.status).unwrap_or(StatusCode::OK);
    let mut response = (status, known.text.clone()).into_response();
    if let Ok(content_type) = HeaderValue::from_str(&known.content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    Ok(response)
}

/// Keeps what was done, and hands on its answer.
async fn keep(
    desk: Arc<BroadcastDesk>,
    key: AnswerKey,
    hearing: &Mutex<Hearing>,
    response: Response,
) -> Response {
    let request = hearing.lock().unwrap_or_else(PoisonError::into_inner).digest();
    let is_short = response.body().size_hint().exact();
    let is_short = is_short.is_some_and(|octets| octets <= ANSWER_KEPT_OCTETS_MAX as u64);
    let Some(request) = request.filter(|_| is_short && response.status().is_success()) else {
        return response;
    };
    let (parts, mut body) = response.into_parts();
    let mut octets = Vec::new();
    while let Ok(Some(piece)) = next_octets(&mut body).await {
        octets.extend_from_slice(&piece);
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|name| name.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    if let Ok(text) = String::from_utf8(octets.clone()) {
        let answer = KeptAnswer { request, status: parts.status.as_u16(), content_type, text };
        let kept = beside(desk, move |desk| Ok(desk.answered.keep(&key, &answer, Now::read())?));
        if let Err(refusal) = kept.await {
            let error = refusal.sentence;
            tracing::warn!(error, "an answer is not kept: sent again, its request is done again");
        }
    }
    Response::from_parts(parts, Body::from(octets))
}

/// What was heard of a request.
struct Hearing {
    heard: Sha256,
    /// Of a body in parts, what is heard instead.
    parts: Option<HeardParts>,
    /// All of it was.
    is_whole: bool,
}

/// A body in parts, each heard by itself: whoever sends it again has another boundary.
#[derive(Clone)]
struct HeardParts {
    cutter: Cutter,
    /// The part that has begun.
    part: Sha256,
}

impl HeardParts {
    /// Hears octets; the parts that end with them are told to `heard`.
    fn hear(&mut self, octets: &[u8], heard: &mut Sha256) {
        self.cutter.put(octets);
        loop {
            let (piece, is_end) = self.cutter.take();
            self.part.update(&piece);
            if !is_end {
                return;
            }
            heard.update(std::mem::take(&mut self.part).finalize());
        }
    }

    /// What stands behind the last boundary.
    fn end(mut self, heard: &mut Sha256) {
        self.part.update(self.cutter.held());
        heard.update(self.part.finalize());
    }
}

impl Hearing {
    fn of(parts: &Parts) -> Self {
        let mut heard = Sha256::new();
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        heard.update(format!("{} {path}\n", parts.method));
        let boundary = boundary_of(&parts.headers).filter(|_| is_at(parts, WITH_FILES));
        let cutter = boundary.map(|boundary| Cutter::new(&boundary));
        let parts = cutter.map(|cutter| HeardParts { cutter, part: Sha256::new() });
        Self { heard, parts, is_whole: false }
    }

    fn hear(&mut self, octets: &[u8]) {
        match &mut self.parts {
            Some(parts) => parts.hear(octets, &mut self.heard),
            None => self.heard.update(octets),
        }
    }

    /// Of the whole request.
    fn digest(&self) -> Option<String> {
        self.is_whole.then(|| {
            let mut heard = self.heard.clone();
            self.parts.clone().into_iter().for_each(|parts| parts.end(&mut heard));
            hexadecimal(&heard.finalize())
        })
    }
}

fn is_at(parts: &Parts, wanted: &str) -> bool {
    parts.extensions.get::<MatchedPath>().is_some_and(|path| path.as_str() == wanted)
}

fn is_file(parts: &Parts) -> bool {
    let of_parts = boundary_of(&parts.headers).is_some();
    is_at(parts, FILES) || is_at(parts, WITH_FILES) && of_parts
}

/// Hears a body that is to be read by somebody else.
async fn hear(parts: &Parts, body: Body) -> Result<(Arc<Mutex<Hearing>>, Body), BroadcastRefusal> {
    let mut hearing = Hearing::of(parts);
    if is_file(parts) {
        let hearing = Arc::new(Mutex::new(hearing));
        let heard = Heard { body, hearing: Arc::clone(&hearing) };
        return Ok((hearing, Body::new(heard)));
    }
    // Whoever reads it may read none of it.
    let octets = whole_octets(body).await?;
    hearing.hear(&octets);
    hearing.is_whole = true;
    Ok((Arc::new(Mutex::new(hearing)), Body::from(octets)))
}

/// Hears a body that nobody else reads.
async fn hear_all(parts: &Parts, mut body: Body) -> Result<String, BroadcastRefusal> {
    let mut hearing = Hearing::of(parts);
    if is_file(parts) {
        while let Some(octets) = next_octets(&mut body).await? {
            hearing.hear(&octets);
        }
    } else {
        hearing.hear(&whole_octets(body).await?);
    }
    hearing.is_whole = true;
    Ok(hearing.digest().unwrap_or_default())
}

/// A body that is heard as it passes.
struct Heard {
    body: Body,
    hearing: Arc<Mutex<Hearing>>,
}

impl HttpBody for Heard {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let mut hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        match &frame {
            Poll::Ready(None) => hearing.is_whole = true,
            Poll::Ready(Some(Ok(frame))) => {
                frame.data_ref().into_iter().for_each(|octets| hearing.hear(octets));
            }
            _ => {}
        }
        drop(hearing);
        frame
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
