//! What became of each row, as a table that is made while it is read.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::recipients::Recipients;
use crate::control::admin::reply::AdminError;

/// Rows that are put together at once.
const ROWS_AT_ONCE: u32 = 4_096;
/// Pieces that wait for their reader.
const PIECES_WAITING_MAX: usize = 4;
/// A reader that takes no piece for so long is given up: others wait for its place.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const HEADER: &str = "msn,area,lang,leg,outcome,code,segments,attempts,seconds\n";

/// Which rows, and how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResultsQuery {
    outcome: Option<String>,
    area: Option<String>,
    format: Option<String>,
    /// Those who were not reached.
    unreached: Option<bool>,
}

/// The same, read.
pub(super) struct ResultsWanted {
    outcome: Option<Outcome>,
    area: Option<String>,
    is_json: bool,
    unreached: bool,
}

impl ResultsQuery {
    pub(super) fn wanted(self) -> Result<ResultsWanted, AdminError> {
        let outcome = match self.outcome.as_deref() {
            None => None,
            Some(word) => Some(Outcome::parse(word).ok_or_else(|| {
                AdminError::bad_request("outcome is none of a broadcast's, as delivered or failed")
            })?),
        };
        let is_json = match self.format.as_deref() {
            None | Some("csv") => false,
            Some("ndjson") => true,
            Some(_) => return Err(AdminError::bad_request("format is csv or ndjson")),
        };
        let unreached = self.unreached.unwrap_or_default();
        Ok(ResultsWanted { outcome, area: self.area, is_json, unreached })
    }
}

impl ResultsWanted {
    fn takes(&self, word: RowWord, area: &str) -> bool {
        self.outcome.is_none_or(|outcome| outcome == word.outcome)
            && self.area.as_deref().is_none_or(|wanted| wanted == area)
            && !(self.unreached && word.outcome == Outcome::Delivered)
    }
}

/// The table, and its media type; its place is given back when it has been read.
pub(super) fn stream(
    recipients: Arc<Recipients>,
    words: Vec<u32>,
    wanted: ResultsWanted,
    (place, patience): (OwnedSemaphorePermit, Duration),
) -> (&'static str, Body) {
    let (pieces, made) = mpsc::channel(PIECES_WAITING_MAX);
    let media_type =
        if wanted.is_json { "application/x-ndjson" } else { "text/csv; charset=utf-8" };
    let reader = Reader { pieces, patience, runtime: Handle::current() };
    // A reader that goes away ends it, and so does one that takes nothing for too long.
    tokio::task::spawn_blocking(move || {
        make(&recipients, &words, &wanted, &reader);
        drop(place);
    });
    (media_type, Body::new(Made(made)))
}

fn make(
    recipients: &Recipients,
    words: &[u32],
    wanted: &ResultsWanted,
    reader: &Reader,
) -> Option<()> {
    let mut text = if wanted.is_json { String::new() } else { HEADER.to_owned() };
    for run in recipients.runs() {
        let area = recipients.area(run.area);
        for number in run.first..run.first + run.rows {
            let word = RowWord::from_bits(*words.get(number as usize)?)?;
            if wanted.takes(word, area) {
                put(recipients, (number, run.leg), (word, area), wanted.is_json, &mut text).ok()?;
            }
            if number % ROWS_AT_ONCE == 0 && !text.is_empty() {
                reader.take(std::mem::take(&mut text))?;
            }
        }
    }
    reader.take(text)
}

/// Whoever reads a table, seen from the thread that makes it.
struct Reader {
    pieces: mpsc::Sender<Bytes>,
    /// So long it may take no piece.
    patience: Duration,
    runtime: Handle,
}

impl Reader {
    fn take(&self, text: String) -> Option<()> {
        let sent = self.pieces.send_timeout(Bytes::from(text), self.patience);
        self.runtime.block_on(sent).ok()
    }
}

fn put(
    recipients: &Recipients,
    (number, leg): (u32, u32),
    (word, area): (RowWord, &str),
    is_json: bool,
    text: &mut String,
) -> std::fmt::Result {
    let row = recipients.row(number);
    let (msn, language) = (row.msn, recipients.language(row.language));
    let RowWord { outcome, code, segments, attempts, seconds } = word;
    let outcome = outcome.word();
    // An area's code is what somebody wrote into a list.
    if is_json {
        let area = in_json(area);
        writeln!(
            text,
            "{{\"msn\":\"{msn}\",\"area\":{area},\"lang\":\"{language}\",\"leg\":{leg},\
             \"outcome\":\"{outcome}\",\"code\":\"{code:04}\",\"segments\":{segments},\
             \"attempts\":{attempts},\"seconds\":{seconds}}}"
        )
    } else {
        let area = in_csv(area);
        writeln!(
            text,
            "{msn},{area},{language},{leg},{outcome},{code:04},{segments},{attempts},{seconds}"
        )
    }
}

/// A text as JSON has it.
fn in_json(text: &str) -> Cow<'static, str> {
    simd_json::to_string(text).map_or(Cow::Borrowed("\"\""), Cow::Owned)
}

/// A text as a field of CSV (RFC 4180). What a spreadsheet would take for a formula stands behind
/// an apostrophe.
fn in_csv(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !text.contains([',', '"', '\n', '\r', ';']) {
        return Cow::Borrowed(text);
    }
    let front = if is_formula { "'" } else { "" };
    Cow::Owned(format!("\"{front}{}\"", text.replace('"', "\"\"")))
}

/// Octets that somebody reads as they are made.
struct Made(mpsc::Receiver<Bytes>);

impl axum::body::HttpBody for Made {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(context)
            .map(|octets| octets.map(|octets| Ok(hyper::body::Frame::data(octets))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;
    use tokio::sync::Semaphore;

    #[test]
    fn a_reader_that_takes_nothing_gives_its_place_back() {
        let bench = Bench::new(1, 40_000);
        let broadcast = bench.started("a", "");
        let (recipients, words) = bench.desk.words(&broadcast).expect("readable");
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().expect("a place");
        let query = ResultsQuery { outcome: None, area: None, format: None, unreached: None };
        let wanted = query.wanted().expect("wanted");
        let patience = Duration::from_millis(50);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let (_, unread) = stream(recipients, words, wanted, (place, patience));
            // It comes back although the answer is still held.
            let again = tokio::time::timeout(Duration::from_secs(30), places.acquire()).await;
            assert!(again.is_ok(), "it comes back");
            drop(unread);
        });
    }

    #[test]
    fn a_field_is_one_field_whatever_is_in_it() {
        assert_eq!(in_csv("13101"), "13101");
        assert_eq!(in_csv("x:a,b"), "\"x:a,b\"");
        assert_eq!(in_csv("x:\"y"), "\"x:\"\"y\"");
        assert_eq!(in_csv("=HYPERLINK(1):1"), "\"'=HYPERLINK(1):1\"");
        assert_eq!(in_json("x:1\",\"outcome\":\"y"), r#""x:1\",\"outcome\":\"y""#);
    }
}
