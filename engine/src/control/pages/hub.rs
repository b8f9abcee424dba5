//! Streams of what changes: each is made once for all who listen to it, and each listener is sent
//! the newest that there is.
//!
//! **Never here:** what is in them. **Invariants:** whoever would not be let in any more is sent
//! nothing more; at most [`LISTENERS_MAX`] listeners; whoever
//! reads slowly gets fewer pieces and holds up nobody; nothing is kept for anybody but one piece on
//! its way; nobody listens, nothing is made.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use tokio::sync::{mpsc, watch};

use super::PagesState;
use super::parts;
use super::tongue::Tongue;
use crate::broadcast::areas::AreaCatalogue;
use crate::control::admin::{AdminError, HeldAdmission, IdentifierInPath};
use crate::control::broadcasts::{BroadcastDesk, BroadcastRefusal, Snapshot};
use crate::control::limits::LISTENERS_MAX;

/// Between two pieces.
const EVERY: Duration = Duration::from_secs(1);
/// And while a broadcast is young.
const EVERY_WHILE_YOUNG: Duration = Duration::from_millis(200);
/// Until so long after its start, in milliseconds.
const YOUNG_MS: u64 = 10_000;
/// A stream without a piece says that it is alive.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
const ALIVE: &[u8] = b": alive\n\n";

/// What a stream is of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Topic {
    /// The figures of a broadcast.
    Figures(String),
    /// The changing parts of its page.
    Parts(String, Tongue),
}

impl Topic {
    fn broadcast(&self) -> &str {
        match self {
            Self::Figures(broadcast) | Self::Parts(broadcast, _) => broadcast,
        }
    }

    /// A piece: one event.
    fn piece(&self, number: u64, snapshot: &Snapshot, catalogue: &AreaCatalogue) -> Bytes {
        let (name, data) = match self {
            Self::Figures(_) => ("progress", simd_json::to_string(snapshot).unwrap_or_default()),
            Self::Parts(_, tongue) => ("parts", parts::live(*tongue, snapshot, catalogue)),
        };
        Bytes::from(format!("event: {name}\nid: {number}\ndata: {data}\n\n"))
    }
}

/// All streams.
pub struct Hub {
    desk: Arc<BroadcastDesk>,
    feeds: Mutex<BTreeMap<Topic, watch::Sender<Bytes>>>,
    listeners: Arc<AtomicUsize>,
}

/// A listener's place, given back when it goes.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hub {
    pub(super) fn new(desk: Arc<BroadcastDesk>) -> Arc<Self> {
        Arc::new(Self { desk, feeds: Mutex::default(), listeners: Arc::default() })
    }

    fn feeds(&self) -> MutexGuard<'_, BTreeMap<Topic, watch::Sender<Bytes>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> Result<Place, AdminError> {
        let taken = self.listeners.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.listeners));
        if taken >= LISTENERS_MAX {
            let sentence = format!(
                "{LISTENERS_MAX} listen already: close another page, or ask for the figures once"
            );
            return Err(AdminError::new(StatusCode::SERVICE_UNAVAILABLE, sentence));
        }
        Ok(place)
    }

    /// A stream as an answer.
    pub(super) async fn listen(
        self: &Arc<Self>,
        topic: Topic,
        admission: HeldAdmission,
    ) -> Result<Response, BroadcastRefusal> {
        let place = self.place()?;
        // Whoever asks for what is not there is told so at once.
        let broadcast = topic.broadcast().to_owned();
        let snapshot = Arc::clone(&self.desk).figures_of(broadcast).await?;
        let first = topic.piece(0, &snapshot, &self.desk.catalogue());
        let newest = self.subscribe(&topic, first);
        // One piece on its way: whoever does not take it gets a newer one later.
        let (pieces, made) = mpsc::channel(1);
        tokio::spawn(pump(newest, pieces, admission, place));
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        Ok((headers, Body::new(Pieces(made))).into_response())
    }

    fn subscribe(self: &Arc<Self>, topic: &Topic, first: Bytes) -> watch::Receiver<Bytes> {
        let mut feeds = self.feeds();
        if let Some(feed) = feeds.get(topic) {
            let mut newest = feed.subscribe();
            newest.mark_changed();
            return newest;
        }
        let (feed, mut newest) = watch::channel(first);
        newest.mark_changed();
        feeds.insert(topic.clone(), feed);
        tokio::spawn(Arc::clone(self).make(topic.clone()));
        newest
    }

    /// Makes the pieces of a stream for as long as somebody listens.
    async fn make(self: Arc<Self>, topic: Topic) {
        for number in 1.. {
            let broadcast = topic.broadcast().to_owned();
            let made = Arc::clone(&self.desk).figures_of(broadcast).await;
            let Ok(snapshot) = made else { break };
            let piece = topic.piece(number, &snapshot, &self.desk.catalogue());
            {
                let mut feeds = self.feeds();
                let Some(feed) = feeds.get(&topic) else { return };
                if feed.receiver_count() == 0 {
                    feeds.remove(&topic);
                    return;
                }
                feed.send_replace(piece);
            }
            tokio::time::sleep(pause_behind(&snapshot)).await;
        }
        // The engine stops, or the broadcast is gone: the listeners' streams end.
        self.feeds().remove(&topic);
    }
}

fn pause_behind(snapshot: &Snapshot) -> Duration {
    let age_ms = snapshot.started_ms.map(|at_ms| snapshot.at_ms.since(at_ms));
    let is_young = age_ms.is_some_and(|age_ms| age_ms < YOUNG_MS) && !snapshot.is_over();
    if is_young { EVERY_WHILE_YOUNG } else { EVERY }
}

/// Sends one listener the newest piece whenever it has taken the one before.
async fn pump(
    mut newest: watch::Receiver<Bytes>,
    pieces: mpsc::Sender<Bytes>,
    admission: HeldAdmission,
    _place: Place,
) {
    let mut alive = tokio::time::interval(ALIVE_EVERY);
    alive.reset();
    loop {
        let piece = tokio::select! {
            () = pieces.closed() => return,
            changed = newest.changed() => {
                if changed.is_err() {
                    return;
                }
                newest.borrow_and_update().clone()
            }
            _ = alive.tick() => Bytes::from_static(ALIVE),
        };
        // A token that was removed, a session that was ended: nothing more is for them.
        if !admission.holds() || pieces.send(piece).await.is_err() {
            return;
        }
    }
}

/// Pieces that somebody reads as they are made.
struct Pieces(mpsc::Receiver<Bytes>);

impl axum::body::HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| Ok(hyper::body::Frame::data(piece))))
    }
}

/// The figures of a broadcast as they change.
pub(super) async fn events(
    State(state): State<Arc<PagesState>>,
    admission: HeldAdmission,
    IdentifierInPath(broadcast): IdentifierInPath,
) -> Result<Response, BroadcastRefusal> {
    state.hub.listen(Topic::Figures(broadcast), admission).await
}
