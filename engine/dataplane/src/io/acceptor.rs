//! The acceptor: an ordinary thread that takes push clients' connections from the listeners
//! and deals them out.
//!
//! It accepts only what a shard has a place for: where all are full the listeners' backlogs hold
//! the others, and the client that has been silent longest is asked to go. When the engine drains
//! it closes the listeners and ends. It looks at no octet of a connection.

use crate::io::driver::Waker;
use crate::io::limits::{
    ACCEPT_PAUSE_MS, FULL_PAUSE_MS, LISTEN_BACKLOG, ROOM_PAUSE_MS, SILENT_MS_MIN,
};
use crate::io::places::Places;
use host::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, listen};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use wire::terms::time::SteadyMs;

/// Starts the acceptor off the shards' CPUs. It ends when `places` are closed.
///
/// # Errors
/// When the system has no room for another thread.
pub(super) fn start(
    listeners: Vec<TcpListener>,
    places: Arc<Places>,
    wakers: Vec<Waker>,
    shard_cpus: Vec<usize>,
) -> std::io::Result<JoinHandle<()>> {
    for listener in &listeners {
        listener.set_nonblocking(true)?;
        // The kernel cuts this down to what `net.core.somaxconn` allows.
        listen(listener, LISTEN_BACKLOG)?;
    }
    let acceptor = Acceptor { listeners, places, wakers, turn: 0, is_failing: false };
    std::thread::Builder::new().name("acceptor".to_owned()).spawn(move || {
        host::cpus::leave_cpus(&shard_cpus);
        acceptor.run();
    })
}

struct Acceptor {
    listeners: Vec<TcpListener>,
    places: Arc<Places>,
    wakers: Vec<Waker>,
    /// The listener that is looked at first: each in turn, so that none waits for another.
    turn: usize,
    /// The last accept failed, and was told of.
    is_failing: bool,
}

impl Acceptor {
    fn run(mut self) {
        while let Some(at) = self.client_waits() {
            match self.places.emptiest() {
                Some(shard) => self.accept(at, shard),
                None => self.make_room(),
            }
        }
    }

    /// Waits for a client, and says at which listener; `None`: no further one is taken.
    fn client_waits(&mut self) -> Option<usize> {
        let bell = PollFd::from_borrowed_fd(self.places.bell(), PollFlags::IN);
        let listeners = self.listeners.iter().map(|one| PollFd::new(one, PollFlags::IN));
        let mut waited: Vec<PollFd<'_>> = listeners.chain([bell]).collect();
        // An interruption is no client, and harmless: accepting does not wait.
        let _ = poll(&mut waited, None);
        if self.places.is_closed() {
            return None;
        }
        let count = self.listeners.len();
        let in_turn = (0..count).map(|step| (self.turn + step) % count);
        let at = in_turn.clone().find(|&at| !waited[at].revents().is_empty());
        let at = at.unwrap_or(self.turn);
        self.turn = (at + 1) % count;
        Some(at)
    }

    fn accept(&mut self, at: usize, shard: usize) {
        match accept_with(&self.listeners[at], SocketFlags::CLOEXEC) {
            Ok(socket) => {
                self.is_failing = false;
                self.places.deal(socket, shard, &self.wakers);
            }
            // The client has gone, or its connection failed before it was accepted: see accept(2).
            Err(error) if !is_lack(error) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(
                        %error,
                        "no connection can be accepted: clients wait until there is room"
                    );
                }
                self.pause(ACCEPT_PAUSE_MS);
            }
        }
    }

    fn make_room(&self) {
        let now_ms = SteadyMs::from_ns(clock::monotonic_ns());
        let asked = self.places.ask_for_room(now_ms.saturating_sub(SILENT_MS_MIN), &self.wakers);
        self.pause(if asked { ROOM_PAUSE_MS } else { FULL_PAUSE_MS });
    }

    /// Waits, but not for a drain.
    fn pause(&self, pause_ms: i64) {
        let mut bell = [PollFd::from_borrowed_fd(self.places.bell(), PollFlags::IN)];
        let time = Timespec { tv_sec: 0, tv_nsec: pause_ms * 1_000_000 };
        let _ = poll(&mut bell, Some(&time));
    }
}

/// Whether the system lacks what a connection needs: descriptors or memory.
fn is_lack(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
}
