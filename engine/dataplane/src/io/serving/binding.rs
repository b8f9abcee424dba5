//! Whether a customer may bind: an ordinary thread checks passwords, since that takes tens of
//! milliseconds, and keeps account of who fails.
//!
//! A shard asks over a bounded channel and finds the verdict in a queue of its own. A password that
//! was right before is known by a digest under a key of this process, so a customer that binds
//! again and again costs one check. Whoever fails five times within a minute is refused at accept
//! for a minute: the thread writes that into a small table of atomics, which shards read.
//!
//! **Never here:** a session. A password is kept nowhere.

use crate::gateway::smpp::PasswordDigest;
use crate::io::driver::Waker;
use crate::io::limits::{
    BINDS_ASKED_MAX, BINDS_FAILED_MAX, BINDS_FAILED_MS, BINDS_KNOWN_MAX, REFUSED_SOURCES,
    SOURCES_WATCHED_MAX,
};
use crossbeam::channel::{Receiver, Sender, bounded};
use crossbeam::queue::ArrayQueue;
use host::clock;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use wire::terms::mix::mix;
use wire::terms::time::SteadyMs;

/// Octets of the longest password that a bind carries.
const PASSWORD_OCTETS: usize = wire::smpp::limits::PASSWORD_OCTETS_MAX - 1;

/// A password on its way to be checked.
#[derive(Clone, Copy)]
pub(super) struct Password {
    octets: [u8; PASSWORD_OCTETS],
    length: u8,
}

impl Password {
    /// `None` where it is longer than any.
    pub(super) fn new(octets: &[u8]) -> Option<Self> {
        let mut password = Self { octets: [0; PASSWORD_OCTETS], length: octets.len() as u8 };
        password.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(password)
    }

    fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// A bind whose password is to be checked.
pub(super) struct Question {
    pub(super) shard: usize,
    /// Index and generation of the session.
    pub(super) session: (u32, u32),
    pub(super) source: Option<IpAddr>,
    pub(super) digests: Vec<PasswordDigest>,
    pub(super) password: Password,
}

/// What the thread found.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) session: (u32, u32),
    /// Which of the account's digests the password is of; `None`: it is wrong.
    pub(super) by: Option<PasswordDigest>,
}

enum Asked {
    Check(Question),
    /// A bind from this source was refused for another reason than its password.
    Failed(IpAddr),
}

/// Sources that are refused at accept: the thread writes, shards read. A source may push another
/// out, which then is refused at its next bind.
struct Blocklist {
    /// 24 bits of the source's number, and until when in 40 bits of steady milliseconds.
    places: Vec<AtomicU64>,
}

const UNTIL_BITS: u32 = 40;

impl Blocklist {
    fn new() -> Self {
        Self { places: (0..REFUSED_SOURCES).map(|_| AtomicU64::new(0)).collect() }
    }

    fn place(&self, source: u64) -> &AtomicU64 {
        &self.places[source as usize % self.places.len()]
    }

    fn refuse(&self, source: u64, until_ms: SteadyMs) {
        let until_ms = until_ms.ms() & ((1 << UNTIL_BITS) - 1);
        self.place(source).store(source >> UNTIL_BITS << UNTIL_BITS | until_ms, Ordering::Relaxed);
    }

    fn is_refused(&self, source: u64, now_ms: SteadyMs) -> bool {
        let known = self.place(source).load(Ordering::Relaxed);
        let is_its = known >> UNTIL_BITS == source >> UNTIL_BITS;
        is_its && known & ((1 << UNTIL_BITS) - 1) > now_ms.ms()
    }
}

/// A source's number: of IPv6 the first 64 bits are one source.
fn number_of(source: IpAddr) -> u64 {
    let bits = match source.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64 | 1 << 63,
    };
    mix(bits.wrapping_add(1))
}

/// A shard's way to the thread.
pub(in crate::io) struct Doorman {
    shard: usize,
    asks: Sender<Asked>,
    verdicts: Arc<ArrayQueue<Verdict>>,
    gate: Arc<Blocklist>,
}

impl Doorman {
    /// Has a password checked; `false`: too many others wait for that.
    pub(super) fn ask(
        &self,
        session: (u32, u32),
        source: Option<IpAddr>,
        digests: Vec<PasswordDigest>,
        password: Password,
    ) -> bool {
        let question = Question { shard: self.shard, session, source, digests, password };
        self.asks.try_send(Asked::Check(question)).is_ok()
    }

    /// Takes note of a bind that was refused.
    pub(super) fn note_failed(&self, source: Option<IpAddr>) {
        if let Some(source) = source {
            // Where so many wait, one that is not counted changes nothing.
            let _ = self.asks.try_send(Asked::Failed(source));
        }
    }

    pub(super) fn next_verdict(&self) -> Option<Verdict> {
        self.verdicts.pop()
    }

    pub(super) fn has_verdicts(&self) -> bool {
        !self.verdicts.is_empty()
    }

    /// Whether connections from here are refused at this moment.
    pub(super) fn refuses(&self, source: IpAddr, now_ms: SteadyMs) -> bool {
        self.gate.is_refused(number_of(source), now_ms)
    }
}

/// Starts the thread off the shards' CPUs; it ends with the last shard. It waits for the shards'
/// wakers first. `sessions_max`: how many of a shard may ask at a time.
///
/// # Errors
/// When the system has no room for another thread.
pub(in crate::io) fn start(
    shards: usize,
    sessions_max: usize,
    wakers: Receiver<Vec<Waker>>,
    shard_cpus: Vec<usize>,
) -> std::io::Result<(Vec<Doorman>, JoinHandle<()>)> {
    let (asks, asked) = bounded(BINDS_ASKED_MAX);
    let gate = Arc::new(Blocklist::new());
    let queue = || Arc::new(ArrayQueue::new(sessions_max.max(1)));
    let verdicts: Vec<_> = (0..shards).map(|_| queue()).collect();
    let doorman = |shard: usize| Doorman {
        shard,
        asks: asks.clone(),
        verdicts: Arc::clone(&verdicts[shard]),
        gate: Arc::clone(&gate),
    };
    let doormen = (0..shards).map(doorman).collect();
    let (gate, verdicts) = (Arc::clone(&gate), verdicts.clone());
    let thread = std::thread::Builder::new().name("binds".to_owned()).spawn(move || {
        host::cpus::leave_cpus(&shard_cpus);
        let wakers = wakers.recv().unwrap_or_default();
        let mut checker =
            Checker { gate, known: HashSet::new(), failures: HashMap::new(), key: key() };
        while let Ok(asked) = asked.recv() {
            match asked {
                Asked::Failed(source) => checker.note_failed(source, now()),
                Asked::Check(question) => {
                    let verdict = checker.check(&question);
                    // There is a place for each session that can ask.
                    let _ = verdicts[question.shard].push(verdict);
                    if let Some(waker) = wakers.get(question.shard) {
                        waker.wake();
                    }
                }
            }
        }
    })?;
    Ok((doormen, thread))
}

fn now() -> SteadyMs {
    SteadyMs::from_ns(clock::monotonic_ns())
}

/// What tells one process from another.
fn key() -> [u8; 16] {
    let numbers = [clock::unix_ms(), clock::monotonic_ns()].map(|number| mix(number).to_le_bytes());
    let mut key = [0; 16];
    key[..8].copy_from_slice(&numbers[0]);
    key[8..].copy_from_slice(&numbers[1]);
    key
}

/// The thread's own part.
struct Checker {
    gate: Arc<Blocklist>,
    /// Digests and passwords that go together, as far as they were asked for.
    known: HashSet<[u8; 32]>,
    /// How often binds from a source failed, and since when.
    failures: HashMap<u64, (u32, SteadyMs)>,
    key: [u8; 16],
}

impl Checker {
    fn check(&mut self, question: &Question) -> Verdict {
        let source = question.source.map(number_of);
        // One that was connected before it was refused has no more tries than the others.
        let is_refused = source.is_some_and(|source| self.gate.is_refused(source, now()));
        let password = question.password.as_bytes();
        let digests = if is_refused { &[][..] } else { &question.digests };
        let by = digests.iter().find(|digest| self.is_of(digest, password)).cloned();
        if by.is_none()
            && let Some(source) = question.source
        {
            self.note_failed(source, now());
        }
        Verdict { session: question.session, by }
    }

    fn is_of(&mut self, digest: &PasswordDigest, password: &[u8]) -> bool {
        let mut both = Sha256::new();
        both.update(self.key);
        both.update(digest.as_str());
        both.update([0]);
        both.update(password);
        let both: [u8; 32] = both.finalize().into();
        if self.known.contains(&both) {
            return true;
        }
        let is_right = digest.is_of(password);
        if is_right {
            if self.known.len() >= BINDS_KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(both);
        }
        is_right
    }

    fn note_failed(&mut self, source: IpAddr, now_ms: SteadyMs) {
        let is_over = |since_ms: SteadyMs| now_ms.since(since_ms) >= BINDS_FAILED_MS;
        if self.failures.len() >= SOURCES_WATCHED_MAX {
            self.failures.retain(|_, (_, since_ms)| !is_over(*since_ms));
        }
        let number = number_of(source);
        if self.failures.len() >= SOURCES_WATCHED_MAX && !self.failures.contains_key(&number) {
            // A flood from everywhere: each has failed within a minute, and is refused for one.
            self.gate.refuse(number, now_ms + BINDS_FAILED_MS);
            return;
        }
        let (count, since_ms) = self.failures.entry(number).or_insert((0, now_ms));
        if is_over(*since_ms) {
            (*count, *since_ms) = (0, now_ms);
        }
        *count += 1;
        if *count >= BINDS_FAILED_MAX {
            self.failures.remove(&number);
            self.gate.refuse(number, now_ms + BINDS_FAILED_MS);
            tracing::warn!(%source, "binds fail again and again: refused for a minute");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker() -> Checker {
        Checker {
            gate: Arc::new(Blocklist::new()),
            known: HashSet::new(),
            failures: HashMap::new(),
            key: [7; 16],
        }
    }

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_fifth_failure_within_a_minute_closes_the_door_for_a_minute() {
        let mut checker = checker();
        let at = |ms: u64| SteadyMs::new(1_000_000 + ms);
        let is_refused =
            |checker: &Checker, ms: u64| checker.gate.is_refused(number_of(source(1)), at(ms));
        (0..4).for_each(|step| checker.note_failed(source(1), at(step)));
        assert!(!is_refused(&checker, 4));
        // The minute is over: it is counted anew.
        checker.note_failed(source(1), at(60_000));
        assert!(!is_refused(&checker, 60_000));
        (1..5).for_each(|step| checker.note_failed(source(1), at(60_000 + step)));
        assert!(is_refused(&checker, 60_005) && is_refused(&checker, 120_003));
        assert!(!is_refused(&checker, 120_004));
        assert!(!checker.gate.is_refused(number_of(source(2)), at(60_005)), "another source");
    }

    #[test]
    fn an_address_of_ipv4_is_one_source_however_it_is_written() {
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(number_of(mapped), number_of(source(1)));
        let [one, two, other] = ["2001:db8::1", "2001:db8::2", "2001:db8:1::1"]
            .map(|text| number_of(text.parse().expect("an address")));
        assert!(one == two && one != other);
    }

    #[test]
    fn a_right_password_is_known_again_and_a_wrong_one_never() {
        let mut checker = checker();
        let digest = PasswordDigest::make("secret08", [1; 16]).expect("legal");
        assert!(checker.is_of(&digest, b"secret08") && checker.known.len() == 1);
        assert!(checker.is_of(&digest, b"secret08") && !checker.is_of(&digest, b"secret09"));
        assert_eq!(checker.known.len(), 1);
    }
}
