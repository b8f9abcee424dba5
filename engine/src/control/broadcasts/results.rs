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

use super::desk::BroadcastDesk;
use super::refusal::BroadcastRefusal;
use crate::broadcast::csv_field::csv_field;
use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::recipients::Recipients;
use crate::control::admin::reply::AdminError;
use wire::terms::rfc3339::rfc3339_of;
use wire::terms::time::WallMs;

/// Rows that are put together at once.
const ROWS_AT_ONCE: u32 = 4_096;
/// Pieces that wait for their reader.
const PIECES_WAITING_MAX: usize = 4;
/// A reader that takes no piece for so long is given up: others wait for its place.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const HEADER: &str = "msn,area,lang,leg,outcome,code,segments,delivered,attempts,ended_at\n";

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

/// What became of the rows of a broadcast.
pub(super) struct Table {
    pub(super) recipients: Arc<Recipients>,
    pub(super) words: Vec<u32>,
    /// Short messages of each text.
    pub(super) segments: Vec<u8>,
    /// When it was started.
    pub(super) started_ms: WallMs,
}

/// The table, and its media type; its place is given back when it has been read.
pub(super) fn stream(
    table: Table,
    wanted: ResultsWanted,
    (place, patience): (OwnedSemaphorePermit, Duration),
) -> (&'static str, Body) {
    let (pieces, made) = mpsc::channel(PIECES_WAITING_MAX);
    let media_type =
        if wanted.is_json { "application/x-ndjson" } else { "text/csv; charset=utf-8" };
    let reader = Reader { pieces, patience, runtime: Handle::current() };
    // A reader that goes away ends it, and so does one that takes nothing for too long.
    tokio::task::spawn_blocking(move || {
        make(&table, &wanted, &reader);
        drop(place);
    });
    (media_type, Body::new(Made(made)))
}

fn make(table: &Table, wanted: &ResultsWanted, reader: &Reader) -> Option<()> {
    let recipients = &table.recipients;
    let mut moments = Moments { started_ms: table.started_ms, last: (u32::MAX, String::new()) };
    let mut text = if wanted.is_json { String::new() } else { HEADER.to_owned() };
    for run in recipients.runs() {
        let area = recipients.area(run.area);
        for number in run.first..run.first + run.rows {
            let word = RowWord::from_bits(*table.words.get(number as usize)?)?;
            if wanted.takes(word, area) {
                let ended_at = moments.of(word);
                let row = Row { number, leg: run.leg, word, area, ended_at };
                put(table, &row, wanted.is_json, &mut text).ok()?;
            }
            if number % ROWS_AT_ONCE == 0 && !text.is_empty() {
                reader.take(std::mem::take(&mut text))?;
            }
        }
    }
    reader.take(text)
}

impl BroadcastDesk {
    /// What became of the rows of a broadcast that was started.
    pub(super) fn table(&self, broadcast: &str) -> Result<Table, BroadcastRefusal> {
        let (recipients, words) = self.words(broadcast)?;
        let mut standing = self.standing();
        let document = &standing.entry(broadcast)?.document;
        let texts = document.check.iter().flat_map(|check| &check.addressed.texts);
        let segments = texts.map(|text| text.segments).collect();
        let started_ms = document.started.as_ref().map_or(WallMs::ZERO, |start| start.at_ms);
        Ok(Table { recipients, words, segments, started_ms })
    }
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

/// When rows ended, as text: most end in the second of the one before.
struct Moments {
    started_ms: WallMs,
    last: (u32, String),
}

impl Moments {
    /// Empty where it has not ended.
    fn of(&mut self, word: RowWord) -> &str {
        if !word.outcome.is_final() {
            return "";
        }
        if self.last.0 != word.seconds {
            let at_ms = self.started_ms + u64::from(word.seconds) * 1_000;
            self.last = (word.seconds, rfc3339_of(at_ms));
        }
        &self.last.1
    }
}

/// A line of the table.
struct Row<'a> {
    number: u32,
    leg: u32,
    word: RowWord,
    area: &'a str,
    ended_at: &'a str,
}

fn put(table: &Table, row: &Row<'_>, is_json: bool, text: &mut String) -> std::fmt::Result {
    let Row { number, leg, word, area, ended_at } = *row;
    let recipients = &table.recipients;
    let row = recipients.row(number);
    let (msn, language) = (row.msn, recipients.language(row.language));
    let segments = row.text.and_then(|text| match recipients.own_text(text) {
        Some(own) => Some(own.segments),
        None => table.segments.get(text as usize).copied(),
    });
    let segments = segments.unwrap_or_default();
    let RowWord { outcome, code, segments: delivered, attempts, .. } = word;
    let outcome = outcome.word();
    // An area's code is what somebody wrote into a list.
    if is_json {
        let area = in_json(area);
        writeln!(
            text,
            "{{\"msn\":\"{msn}\",\"area\":{area},\"lang\":\"{language}\",\"leg\":{leg},\
             \"outcome\":\"{outcome}\",\"code\":\"{code:04}\",\"segments\":{segments},\
             \"delivered\":{delivered},\"attempts\":{attempts},\"ended_at\":\"{ended_at}\"}}"
        )
    } else {
        let area = csv_field(area);
        writeln!(
            text,
            "{msn},{area},{language},{leg},{outcome},{code:04},{segments},{delivered},{attempts},\
             {ended_at}"
        )
    }
}

/// A text as JSON has it.
fn in_json(text: &str) -> Cow<'static, str> {
    simd_json::to_string(text).map_or(Cow::Borrowed("\"\""), Cow::Owned)
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
            let (segments, started_ms) = (vec![1], WallMs::ZERO);
            let table = Table { recipients, words, segments, started_ms };
            let (_, unread) = stream(table, wanted, (place, patience));
            // It comes back although the answer is still held.
            let again = tokio::time::timeout(Duration::from_secs(30), places.acquire()).await;
            assert!(again.is_ok(), "it comes back");
            drop(unread);
        });
    }

    #[test]
    fn a_text_in_json_ends_where_it_ends() {
        assert_eq!(in_json("x:1\",\"outcome\":\"y"), r#""x:1\",\"outcome\":\"y""#);
    }
}
