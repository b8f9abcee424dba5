//! Requests with an `Idempotency-Key`: what was done for the first is done for no second, and both
//! get the same answer, for a day.
//!
//! **Never here:** who may ask what: the guard has let the request through. **Invariants:** the
//! first is finished whether its asker still waits or not; a refusal is not kept, as nothing was
//! done; a body of any length is heard and never kept, each octet once; one that is sent again is
//! heard no further than the first one went.

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
use super::parts::{BOUNDARY_OCTETS_MAX, Cutter, boundary_of};
use super::refusal::{BroadcastRefusal, REUSED, refused};
use super::uploading::Upload;
use crate::control::admin::Caller;
use crate::control::admin::reading::{next_octets, whole_octets};
use crate::control::admin::reply::AdminError;
use crate::control::limits::{ANSWER_KEPT_OCTETS_MAX, IDEMPOTENCY_KEY_OCTETS_MAX};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Whose bodies are files: they are heard as they pass.
const FILES: &str = "/lists/{list}/versions";
/// And those where they have parts.
const WITH_FILES: &str = "/broadcasts";
/// Parts of a body that are heard by themselves. No request has more: the rest is heard as it is.
const PARTS_HEARD_MAX: usize = 16;
/// Octets by which the same body is longer with another boundary: it stands in front of its two
/// parts, and behind them.
const LONGER_BY_MAX: u64 = 3 * BOUNDARY_OCTETS_MAX as u64;

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
        return again(&known, hear_all(&parts, body, known.octets).await?);
    }
    let (hearing, body) = hear(&parts, body).await?;
    let response = next.run(Request::from_parts(parts, body)).await;
    Ok(keep(desk, key, &hearing, response).await)
}

fn reused() -> BroadcastRefusal {
    let sentence = "this Idempotency-Key was another request's within a day: give one of its own";
    refused(REUSED, sentence)
}

/// The same answer to the same request.
fn again(known: &KeptAnswer, request: String) -> Result<Response, BroadcastRefusal> {
    if known.request != request {
        return Err(reused());
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
    let (request, octets) = {
        let hearing = hearing.lock().unwrap_or_else(PoisonError::into_inner);
        (hearing.digest(), Some(hearing.octets))
    };
    let is_short = response.body().size_hint().exact();
    let is_short = is_short.is_some_and(|octets| octets <= ANSWER_KEPT_OCTETS_MAX as u64);
    let Some(request) = request.filter(|_| is_short && response.status().is_success()) else {
        return response;
    };
    let (parts, mut body) = response.into_parts();
    let mut answered = Vec::new();
    while let Ok(Some(piece)) = next_octets(&mut body).await {
        answered.extend_from_slice(&piece);
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|name| name.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    if let Ok(text) = String::from_utf8(answered.clone()) {
        let status = parts.status.as_u16();
        let answer = KeptAnswer { request, octets, status, content_type, text };
        let kept = beside(desk, move |desk| Ok(desk.answered.keep(&key, &answer, Now::read())?));
        if let Err(refusal) = kept.await {
            let error = refusal.sentence;
            tracing::warn!(error, "an answer is not kept: sent again, its request is done again");
        }
    }
    Response::from_parts(parts, Body::from(answered))
}

/// What was heard of a request.
struct Hearing {
    heard: Sha256,
    /// Of a body in parts, what is heard instead.
    parts: Option<HeardParts>,
    /// How long its body is, as far as it was heard.
    octets: u64,
    /// All of it was.
    is_whole: bool,
}

/// A body in parts, each heard by itself: whoever sends it again has another boundary.
#[derive(Clone)]
struct HeardParts {
    cutter: Cutter,
    /// The part that has begun.
    part: Sha256,
    /// How many there were before it.
    before: usize,
}

impl HeardParts {
    /// Hears octets; the parts that end with them are told to `heard`.
    fn hear(&mut self, octets: &[u8], heard: &mut Sha256) {
        if self.before == PARTS_HEARD_MAX {
            return self.part.update(octets);
        }
        self.cutter.put(octets);
        while self.before < PARTS_HEARD_MAX {
            let (piece, is_end) = self.cutter.take();
            self.part.update(piece);
            if !is_end {
                return;
            }
            heard.update(std::mem::take(&mut self.part).finalize());
            self.before += 1;
        }
        self.part.update(self.cutter.held());
        self.cutter.clear();
    }

    /// What stands behind the last boundary.
    fn end(mut self, heard: &mut Sha256) {
        self.part.update(self.cutter.held());
        heard.update(self.part.finalize());
    }
}

impl Hearing {
    fn of(parts: &Parts) -> Self {
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let boundary = boundary_of(&parts.headers).filter(|_| is_at(parts, WITH_FILES));
        Self::begun(&format!("{} {path}\n", parts.method), boundary.as_deref())
    }

    fn begun(line: &str, boundary: Option<&str>) -> Self {
        let heard = Sha256::new_with_prefix(line);
        let cutter = boundary.map(Cutter::new);
        let parts = cutter.map(|cutter| HeardParts { cutter, part: Sha256::new(), before: 0 });
        Self { heard, parts, octets: 0, is_whole: false }
    }

    fn hear(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
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

/// Hears a body that nobody else reads; one that is longer than the first one was is another, which
/// is known before its end.
async fn hear_all(
    parts: &Parts,
    body: Body,
    first: Option<u64>,
) -> Result<String, BroadcastRefusal> {
    let mut hearing = Hearing::of(parts);
    if is_file(parts) {
        let mut upload = Upload::new(body);
        while let Some(octets) = upload.next().await? {
            hearing.hear(&octets);
            if first.is_some_and(|first| hearing.octets > first + LONGER_BY_MAX) {
                return Err(reused());
            }
            // Whoever else asks has a turn between two pieces, however fast they come.
            tokio::task::yield_now().await;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of a body that comes in pieces of so many octets, and how many parts were heard.
    fn heard(body: &str, boundary: &str, piece: usize) -> (String, usize) {
        let mut hearing = Hearing::begun("POST /broadcasts\n", Some(boundary));
        body.as_bytes().chunks(piece).for_each(|piece| hearing.hear(piece));
        hearing.is_whole = true;
        assert_eq!(hearing.octets, body.len() as u64);
        let parts = hearing.parts.as_ref().map_or(0, |parts| parts.before);
        (hearing.digest().expect("whole"), parts)
    }

    fn body(boundary: &str, parts: usize) -> String {
        let part = |number| format!("--{boundary}\r\nname={number}\r\n\r\nsaid\r\n");
        (0..parts).map(part).chain([format!("--{boundary}--\r\n")]).collect()
    }

    #[test]
    fn a_body_is_the_same_whatever_stands_between_its_parts_and_in_whatever_pieces_it_comes() {
        let (first, parts) = heard(&body("b", 2), "b", 1_000);
        assert_eq!(parts, 3);
        for piece in [1, 7, 20] {
            assert_eq!(heard(&body("b", 2), "b", piece).0, first, "{piece}");
            assert_eq!(heard(&body("another", 2), "another", piece).0, first, "{piece}");
        }
        assert_ne!(heard(&body("b", 2).replace("said", "says"), "b", 7).0, first);
    }

    #[test]
    fn of_a_body_of_delimiters_alone_the_first_parts_are_heard_by_themselves() {
        let delimiters = "\r\n--b".repeat(80_000);
        let (whole, parts) = heard(&delimiters, "b", delimiters.len());
        assert_eq!(parts, PARTS_HEARD_MAX);
        for piece in [1, 7, 417_792] {
            assert_eq!(heard(&delimiters, "b", piece), (whole.clone(), parts), "{piece}");
        }
        assert_ne!(heard(&format!("{delimiters}more"), "b", 7).0, whole);
    }
}
