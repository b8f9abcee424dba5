//! Files that come as the body of a request: a list's version, the areas' boundaries.
//!
//! **Never here:** what a file says. **Invariants:** a file is read on a thread of its own, which
//! stands back behind everything else; at most [`PIECES_WAITING_MAX`] pieces wait for it; a body
//! without an end is never said to have one.

use axum::body::Body;
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::oneshot;

use super::handling::stopping;
use super::lists::Piece;
use super::refusal::BroadcastRefusal;
use crate::control::admin::reading::next_octets;
use host::background::step_back;

/// Pieces of a file that wait for their reader.
const PIECES_WAITING_MAX: usize = 64;

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
    let mut is_taken = true;
    loop {
        let (piece, is_last) = match next_octets(&mut body).await {
            Ok(Some(octets)) => (Piece::Octets(octets), false),
            Ok(None) => (Piece::End, true),
            // Without an end nothing is kept.
            Err(_) => break,
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
