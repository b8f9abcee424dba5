//! Files that come as the body of a request: a list's version, the areas' boundaries.
//!
//! **Never here:** what a file says. **Invariants:** a file is read on a thread of its own, which
//! stands back behind everything else; at most [`PIECES_WAITING_MAX`] pieces wait for it; a body
//! without an end is never said to have one.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use hyper::body::Bytes;
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::handling::stopping;
use super::lists::Piece;
use super::refusal::BroadcastRefusal;
use crate::control::admin::reading::next_octets;
use crate::control::admin::reply::AdminError;
use host::background::step_back;
use host::clock;

/// Pieces of a file that wait for their reader.
const PIECES_WAITING_MAX: usize = 64;

/// What a sender has to bring at least: so many octets in so long. One that trickles would keep
/// others from their places.
const LEAST_PACE: (usize, Duration) = (64 << 10, Duration::from_secs(30));

fn too_slow() -> BroadcastRefusal {
    let (octets, time) = LEAST_PACE;
    let sentence = format!(
        "less than {} KiB came in {} seconds, and nothing is kept: send it faster, from a file",
        octets >> 10,
        time.as_secs()
    );
    AdminError::new(StatusCode::REQUEST_TIMEOUT, sentence).into()
}

/// Why there is no next piece.
enum TooSlow {
    /// The sender brings too little.
    Slow,
    /// It is gone.
    CutOff(AdminError),
}

impl From<TooSlow> for BroadcastRefusal {
    fn from(why: TooSlow) -> Self {
        match why {
            TooSlow::Slow => too_slow(),
            TooSlow::CutOff(error) => error.into(),
        }
    }
}

/// How fast a body comes: only the time that its sender takes counts.
struct UploadPace {
    least: (usize, Duration),
    octets: usize,
    left: Duration,
}

impl UploadPace {
    fn new(least: (usize, Duration)) -> Self {
        Self { least, octets: 0, left: least.1 }
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, TooSlow> {
        let asked = clock::instant();
        let came = timeout(self.left, next_octets(body)).await.map_err(|_| TooSlow::Slow)?;
        let came = came.map_err(TooSlow::CutOff)?;
        self.left = self.left.saturating_sub(clock::instant().duration_since(asked));
        self.octets += came.as_ref().map_or(0, Bytes::len);
        if self.octets >= self.least.0 {
            (self.octets, self.left) = (0, self.least.1);
        }
        if self.left.is_zero() && came.is_some() { Err(TooSlow::Slow) } else { Ok(came) }
    }
}

/// A body whose sender has to bring as much as any file's.
pub(super) struct Upload {
    body: Body,
    pace: UploadPace,
}

impl Upload {
    pub(super) fn new(body: Body) -> Self {
        Self { body, pace: UploadPace::new(LEAST_PACE) }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BroadcastRefusal> {
        Ok(self.pace.next(&mut self.body).await?)
    }
}

/// Hands the body, piece by piece, to `work` on a thread of this name; what `work` came to.
///
/// # Errors
/// What `work` refuses; the engine is stopping.
pub(super) async fn upload<T: Send + 'static>(
    thread: &str,
    mut body: Body,
    work: impl FnOnce(Receiver<Piece>) -> Result<T, BroadcastRefusal> + Send + 'static,
) -> Result<T, BroadcastRefusal> {
    let (pieces, taken) = mpsc::channel(PIECES_WAITING_MAX);
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name(thread.to_owned())
        .spawn(move || {
            step_back();
            let _ = answer.send(work(taken));
        })
        .map_err(|_| stopping())?;
    let (mut is_taken, mut pace) = (true, UploadPace::new(LEAST_PACE));
    loop {
        let (piece, is_last) = match pace.next(&mut body).await {
            Ok(Some(octets)) => (Piece::Octets(octets), false),
            Ok(None) => (Piece::End, true),
            // Without an end nothing is kept.
            Err(TooSlow::Slow) => {
                drop(pieces);
                let _ = answered.await;
                return Err(too_slow());
            }
            Err(TooSlow::CutOff(_)) => break,
        };
        // Work that has failed takes no more: the rest is read and dropped.
        is_taken = is_taken && pieces.send(piece).await.is_ok();
        if is_last {
            break;
        }
    }
    drop(pieces);
    answered.await.map_err(|_| stopping())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::HttpBody;
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// An octet each time it is asked, as long as the clock has not come that far.
    struct Trickle;

    impl HttpBody for Trickle {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"9")))))
        }
    }

    #[tokio::test]
    async fn a_sender_that_trickles_is_given_up_and_one_that_is_fast_enough_is_not() {
        let mut body = Body::new(Trickle);
        let mut pace = UploadPace::new((1 << 24, Duration::from_millis(20)));
        let mut octets = 0;
        while let Ok(came) = pace.next(&mut body).await {
            octets += came.map_or(0, |came| came.len());
            assert!(octets < 1 << 24, "it trickles for ever");
        }
        let mut pace = UploadPace::new((100, Duration::from_secs(5)));
        for _ in 0..10_000 {
            assert!(pace.next(&mut body).await.is_ok());
        }
        assert!(pace.left > Duration::ZERO);
    }
}
