//! A body of several parts (multipart/form-data, RFC 7578), read as it comes: one part at a time,
//! in the order in which they were sent.
//!
//! **Never here:** what a part says. **Invariants:** memory is bounded by one piece of the body,
//! one head and one delimiter, whatever is sent; each octet is looked at and copied a fixed number
//! of times, however many parts a body is cut into; a part without its delimiter is said to be cut
//! off, never to have ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use hyper::body::{Bytes, Frame};
use memchr::memmem;

use super::refusal::BroadcastRefusal;
use crate::control::admin::reading::next_octets;
use crate::control::admin::reply::AdminError;

/// A boundary, in octets (RFC 2046 section 5.1.1).
pub(super) const BOUNDARY_OCTETS_MAX: usize = 70;
/// What stands in front of a part, in octets.
const HEAD_OCTETS_MAX: usize = 4_096;

fn wrong(sentence: &str) -> AdminError {
    AdminError::bad_request(sentence)
}

fn cut_off() -> AdminError {
    wrong("the body was cut off between its parts, and nothing of it is kept: send it again")
}

/// The boundary of such a body; `None` where it is none.
pub(super) fn boundary_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=BOUNDARY_OCTETS_MAX).contains(&boundary.len()).then(|| boundary.to_owned())
}

/// A parameter's value, with or without quotes.
fn parameter<'a>(parameters: &'a str, wanted: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let value =
            value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        name.trim().eq_ignore_ascii_case(wanted).then_some(value)
    })
}

/// Cuts octets at a delimiter.
#[derive(Clone)]
pub(super) struct Cutter {
    delimiter: memmem::Finder<'static>,
    octets: Vec<u8>,
    /// So many of them were taken. They go when more come: what is left is copied once for each
    /// piece of the body, and not once for each delimiter in it.
    taken: usize,
}

impl Cutter {
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            delimiter: memmem::Finder::new(delimiter.as_bytes()).into_owned(),
            // The first delimiter may stand at the very beginning.
            octets: b"\r\n".to_vec(),
            taken: 0,
        }
    }

    /// More octets came.
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.octets.drain(..self.taken);
        self.taken = 0;
        self.octets.extend_from_slice(octets);
    }

    /// What is held and may be the beginning of a delimiter: all there is where none comes.
    pub(super) fn held(&self) -> &[u8] {
        &self.octets[self.taken..]
    }

    /// Lets go of all that is held.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.taken = 0;
    }

    /// What certainly is in front of the next delimiter, and whether that was reached.
    pub(super) fn take(&mut self) -> (&[u8], bool) {
        let (held, from) = (&self.octets[self.taken..], self.taken);
        let delimiter = self.delimiter.needle().len();
        let at = self.delimiter.find(held);
        let until = at.unwrap_or_else(|| held.len().saturating_sub(delimiter - 1));
        self.taken += until + at.map_or(0, |_| delimiter);
        (&self.octets[from..from + until], at.is_some())
    }

    /// The name of the part that follows a delimiter; `None`: there are more octets to come.
    fn head(&mut self) -> Result<Option<Option<String>>, AdminError> {
        let held = self.held();
        if held.starts_with(b"--") {
            return Ok(Some(None));
        }
        let Some(end) = memmem::find(held, b"\r\n\r\n") else {
            let is_too_long = held.len() > HEAD_OCTETS_MAX;
            let sentence = "a part of the body has no head of a form: name it, as curl -F does";
            return if is_too_long { Err(wrong(sentence)) } else { Ok(None) };
        };
        let head = String::from_utf8_lossy(&held[..end]).into_owned();
        self.taken += end + 4;
        let line = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let name = line.and_then(|line| line.split_once(';'));
        let name = name.and_then(|(_, parameters)| parameter(parameters, "name"));
        Ok(Some(Some(name.unwrap_or_default().to_owned())))
    }
}

/// The parts of a body.
pub(super) struct Parts {
    body: Body,
    cutter: Cutter,
}

impl Parts {
    pub(super) fn new(body: Body, boundary: &str) -> Self {
        Self { body, cutter: Cutter::new(boundary) }
    }

    async fn more(&mut self) -> Result<(), BroadcastRefusal> {
        let octets = next_octets(&mut self.body).await?.ok_or_else(cut_off)?;
        self.cutter.put(&octets);
        Ok(())
    }

    /// The name of the first part; what stands before it is passed by.
    pub(super) async fn first(&mut self) -> Result<Option<String>, BroadcastRefusal> {
        while !self.cutter.take().1 {
            self.more().await?;
        }
        self.name().await
    }

    /// The name of the part behind a delimiter; `None`: there is none.
    async fn name(&mut self) -> Result<Option<String>, BroadcastRefusal> {
        loop {
            // Two octets tell the last delimiter.
            if self.cutter.held().len() >= 2
                && let Some(name) = self.cutter.head()?
            {
                return Ok(name);
            }
            self.more().await?;
        }
    }

    /// A whole part, of so many octets at most, and the name of the next one.
    pub(super) async fn whole(
        &mut self,
        octets_max: usize,
    ) -> Result<(Vec<u8>, Option<String>), BroadcastRefusal> {
        let mut whole = Vec::new();
        loop {
            let (octets, is_end) = self.cutter.take();
            whole.extend_from_slice(octets);
            if whole.len() > octets_max {
                let sentence = format!("the part is longer than {octets_max} octets: shorten it");
                return Err(AdminError::bad_request(sentence).into());
            }
            if is_end {
                return Ok((whole, self.name().await?));
            }
            self.more().await?;
        }
    }

    /// The part that has begun, as a body of its own; nothing may stand behind it.
    pub(super) fn rest(self) -> Body {
        Body::new(Rest { parts: self, place: Place::Within })
    }
}

/// How far the last part is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Within,
    /// Its delimiter was there.
    Behind,
    /// And it was the last one.
    Over,
}

/// The last part of a body.
struct Rest {
    parts: Parts,
    place: Place,
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        loop {
            match this.place {
                Place::Within => {
                    let (octets, is_end) = this.parts.cutter.take();
                    let octets = Bytes::copy_from_slice(octets);
                    if is_end {
                        this.place = Place::Behind;
                    }
                    if !octets.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(octets))));
                    }
                    if is_end {
                        continue;
                    }
                }
                // Two octets tell the last delimiter.
                Place::Behind if this.parts.cutter.held().len() >= 2 => {
                    this.place = Place::Over;
                    if this.parts.cutter.held().starts_with(b"--") {
                        continue;
                    }
                    let error = axum::Error::new("nothing may stand behind the list");
                    return Poll::Ready(Some(Err(error)));
                }
                Place::Behind => {}
                // What stands behind is heard and dropped: only then has the body ended.
                Place::Over => this.parts.cutter.clear(),
            }
            match ready!(Pin::new(&mut this.parts.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(octets) = frame.into_data() {
                        this.parts.cutter.put(&octets);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if this.place == Place::Over => return Poll::Ready(None),
                None => {
                    let error = axum::Error::new(cut_off().sentence);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"manifest\"\r\n\
        Content-Type: application/json\r\n\r\n{\"a\":1}\r\n--b\r\n\
        content-disposition: form-data; filename=\"l.csv\"; name=list\r\n\r\n\
        msn\r\n--bx\r\n-\r\n--b--\r\n";

    /// A body that comes in pieces of so many octets.
    struct Pieces(Vec<u8>, usize);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let length = self.1.min(self.0.len());
            let piece: Vec<u8> = self.0.drain(..length).collect();
            let frame = (!piece.is_empty()).then(|| Ok(Frame::data(Bytes::from(piece))));
            Poll::Ready(frame)
        }
    }

    async fn read(text: &str, piece: usize) -> Result<(String, Vec<u8>), BroadcastRefusal> {
        let body = Body::new(Pieces(text.as_bytes().to_vec(), piece));
        let mut parts = Parts::new(body, "b");
        assert_eq!(parts.first().await?.as_deref(), Some("manifest"));
        let (manifest, next) = parts.whole(100).await?;
        assert_eq!(next.as_deref(), Some("list"));
        let (mut list, mut rest) = (Vec::new(), parts.rest());
        while let Some(octets) = next_octets(&mut rest).await? {
            list.extend_from_slice(&octets);
        }
        Ok((String::from_utf8(manifest).expect("text"), list))
    }

    #[tokio::test]
    async fn parts_are_the_same_in_whatever_pieces_the_body_comes() {
        for piece in 1..BODY.len() {
            // What only begins like a delimiter is part of the text.
            let text = BODY.replace("--bx", "--c");
            let (manifest, list) = read(&text, piece).await.expect("two parts");
            assert_eq!((manifest.as_str(), &list[..]), (r#"{"a":1}"#, &b"msn\r\n--c\r\n-"[..]));
        }
    }

    #[tokio::test]
    async fn a_body_that_is_cut_off_never_ends_a_part() {
        let text = BODY.replace("--bx", "--c");
        let whole = text.find("\r\n--b--").expect("an end") + "\r\n--b".len();
        for length in [20, 60, 110, whole - 5, whole - 1] {
            let refusal = read(&text[..length], 7).await.expect_err("cut off");
            assert!(refusal.sentence.contains("cut off") || refusal.sentence.contains("broke off"));
        }
        let more = text.replace("--b--", "--b\r\n\r\nmore\r\n--b--");
        assert!(read(&more, 7).await.is_err(), "a part that nobody reads");
        let long = format!("--b\r\n{}", "x".repeat(5_000));
        assert!(read(&long, 100).await.is_err(), "a head without an end");
    }

    #[test]
    fn what_is_left_of_a_piece_is_copied_for_no_delimiter_in_it() {
        let mut cutter = Cutter::new("b");
        cutter.put(&b"\r\n--b".repeat(80_000));
        let place = |cutter: &Cutter| (cutter.octets.as_ptr(), cutter.octets.len());
        let before = place(&cutter);
        let cut = std::iter::from_fn(|| cutter.take().1.then_some(())).count();
        assert_eq!((cut, place(&cutter)), (80_000, before));
        // The next piece takes the place of what was taken.
        cutter.put(b"more");
        assert_eq!(cutter.octets, b"more");
    }

    #[test]
    fn the_boundary_is_told_by_the_type_of_the_body() {
        let boundary = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
            boundary_of(&headers)
        };
        assert_eq!(boundary("multipart/form-data; boundary=b").as_deref(), Some("b"));
        assert_eq!(boundary("Multipart/Form-Data; boundary=\"b c\"").as_deref(), Some("b c"));
        for none in ["application/json", "multipart/form-data", "multipart/mixed; boundary=b"] {
            assert_eq!(boundary(none), None, "{none}");
        }
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        assert_eq!(boundary(&long), None);
    }
}
