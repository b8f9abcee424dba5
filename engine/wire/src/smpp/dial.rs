//! When and where a client connects: hosts in their order, the back-off, and the time a connection
//! may take.
//!
//! Pure: it is told the time, in milliseconds of its owner's clock, and chance. One for each
//! session of a carrier, so there are never more connections than sessions: a new one is asked for
//! only when the old one is gone.

use super::limits::CONNECT_MS;
use super::status::Status;

/// Waits between tries, in milliseconds; the last one goes on.
const BACK_OFF_MS: [u64; 6] = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
/// Percent by which chance moves a wait either way.
const JITTER_PERCENT: u64 = 20;
/// First wait after ESME_RALYBND: the peer still holds the session that we lost.
const ALREADY_BOUND_MS: u64 = 30_000;
/// First wait after a refusal of the account, and the longest.
const REFUSED_MS: u64 = 60_000;
const REFUSED_MS_MAX: u64 = 600_000;

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting { until_ms: u64 },
    Connecting { until_ms: u64 },
    Up,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialling {
    /// Connect to the host of this place in the list.
    Connect {
        /// 0 for the first.
        host: usize,
    },
    /// The connection takes too long: let go of it. [`Dialler::handle_lost`] has been done.
    GiveUp,
}

/// The connections of one session, one after the other.
///
/// Order: [`Dialler::poll`] says to connect; then `handle_connected` or `handle_lost` is told; when
/// bound, `handle_bound`; a refused bind is told by `handle_refused` before `handle_lost`.
#[derive(Clone, Debug)]
pub struct Dialler {
    hosts: usize,
    host: usize,
    stage: Stage,
    tries: usize,
    refusal: Option<Status>,
    refused_ms: u64,
    is_refused: bool,
}

impl Dialler {
    /// For `hosts` hosts, 1 or more; the first connection is due at once.
    ///
    /// # Panics
    /// Without a host.
    pub fn new(hosts: usize, now_ms: u64) -> Self {
        assert!(hosts > 0, "a carrier has a host");
        Self {
            hosts,
            host: 0,
            stage: Stage::Waiting { until_ms: now_ms },
            tries: 0,
            refusal: None,
            refused_ms: REFUSED_MS,
            is_refused: false,
        }
    }

    /// There are so many hosts from now on, 1 or more.
    pub fn set_hosts(&mut self, hosts: usize) {
        self.hosts = hosts.max(1);
        self.host %= self.hosts;
    }

    /// The next connection is due at once: the one that ended was ended by us, or what it is made
    /// with has changed.
    pub fn begin_anew(&mut self, now_ms: u64) {
        (self.tries, self.host) = (0, 0);
        (self.refusal, self.is_refused) = (None, false);
        self.refused_ms = REFUSED_MS;
        self.stage = Stage::Waiting { until_ms: now_ms };
    }

    /// What is due; `chance` moves the wait that follows a connection that took too long.
    pub fn poll(&mut self, now_ms: u64, chance: u64) -> Option<Dialling> {
        match self.stage {
            Stage::Waiting { until_ms } if now_ms >= until_ms => {
                self.stage = Stage::Connecting { until_ms: now_ms + CONNECT_MS };
                Some(Dialling::Connect { host: self.host })
            }
            Stage::Connecting { until_ms } if now_ms >= until_ms => {
                self.handle_lost(now_ms, chance);
                Some(Dialling::GiveUp)
            }
            _ => None,
        }
    }

    /// When [`Dialler::poll`] has something to say; `None` while the connection is up.
    pub fn poll_deadline(&self) -> Option<u64> {
        match self.stage {
            Stage::Waiting { until_ms } | Stage::Connecting { until_ms } => Some(until_ms),
            Stage::Up => None,
        }
    }

    /// Whether a connection is being made.
    pub fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting { .. })
    }

    /// The connection is made; whoever made it begins a session.
    pub fn handle_connected(&mut self) {
        self.stage = Stage::Up;
    }

    /// The session is bound: the next loss begins with the shortest wait.
    pub fn handle_bound(&mut self) {
        self.tries = 0;
        self.refused_ms = REFUSED_MS;
        self.is_refused = false;
        self.refusal = None;
    }

    /// The bind was refused with this status.
    pub fn handle_refused(&mut self, status: Status) {
        self.refusal = Some(status);
        let account = [Status::BIND_FAILED, Status::INVALID_PASSWORD, Status::INVALID_SYSTEM_ID];
        self.is_refused = account.contains(&status);
    }

    /// The connection was not made, or ended, and its socket is closed: the next host is next,
    /// after the back-off. `chance` is any number, drawn anew each time.
    pub fn handle_lost(&mut self, now_ms: u64, chance: u64) {
        let wait_ms = match self.refusal.take() {
            Some(_) if self.is_refused => {
                let wait_ms = self.refused_ms;
                self.refused_ms = (wait_ms * 2).min(REFUSED_MS_MAX);
                wait_ms
            }
            Some(Status::ALREADY_BOUND) => ALREADY_BOUND_MS.max(self.next_wait()),
            _ => self.next_wait(),
        };
        let spread = wait_ms * JITTER_PERCENT / 100;
        let until_ms = now_ms + wait_ms - spread + chance % (2 * spread + 1);
        self.stage = Stage::Waiting { until_ms };
        self.host = (self.host + 1) % self.hosts;
    }

    fn next_wait(&mut self) -> u64 {
        let wait_ms = BACK_OFF_MS[self.tries.min(BACK_OFF_MS.len() - 1)];
        self.tries += 1;
        wait_ms
    }

    /// Whether the peer refuses the account, as operators are shown.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }
}
