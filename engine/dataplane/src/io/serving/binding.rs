//! Whether a customer may bind: an ordinary thread checks passwords, since that takes tens of
//! milliseconds, and keeps account of who fails.
//!
//! A shard asks over a bounded channel and finds the verdict in a queue of its own. A password that
//! was right before is known by a digest under a key of this process, so a customer that binds
//! again and again costs one check, and waits for nobody's. Of the others each source has its turn,
//! and where a session is gone its password is not checked. Whoever fails five times within a
//! minute is refused at accept for a minute. That stands in tables of atomics beside what else is
//! known of sources, which all threads read.
//!
//! **Never here:** a session. A password is kept nowhere.

use crate::gateway::smpp::PasswordDigest;
use crate::io::driver::Waker;
use crate::io::limits::{
    BINDS_ASKED_MAX, BINDS_FAILED_MAX, BINDS_FAILED_MS, BINDS_KNOWN_MAX, SOURCES_WATCHED_MAX,
};
use crate::io::serving::question::{Asker, Password, Question};
use crate::io::serving::repute::{Repute, Reputes};
use crate::io::serving::source::Source;
use crate::io::serving::turns::Waiting;
use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use crossbeam::queue::ArrayQueue;
use host::clock;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use wire::terms::time::SteadyMs;

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

/// A shard's way to the thread.
pub(in crate::io) struct Doorman {
    shard: usize,
    asks: Sender<Asked>,
    verdicts: Arc<ArrayQueue<Verdict>>,
    reputes: Arc<Reputes>,
}

impl Doorman {
    /// Has a password checked, as long as what it gives back is kept; `None`: too many others wait
    /// for that.
    pub(super) fn ask(
        &self,
        session: (u32, u32),
        source: Option<IpAddr>,
        digests: Vec<PasswordDigest>,
        password: Password,
    ) -> Option<Asker> {
        let (asker, shard) = (Asker::new(), self.shard);
        let question = Question { shard, session, source, digests, password, asker: asker.seen() };
        self.asks.try_send(Asked::Check(question)).is_ok().then_some(asker)
    }

    /// Takes note of where a customer has bound from.
    pub(super) fn note_bound(&self, source: Option<IpAddr>) {
        if let Some(source) = source {
            self.reputes.note_bound(Source::of(source));
        }
    }

    /// What a source is known for at this moment.
    pub(super) fn repute(&self, source: Source, now_ms: SteadyMs) -> Repute {
        self.reputes.of(source, now_ms)
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
    pub(super) fn refuses(&self, source: Source, now_ms: SteadyMs) -> bool {
        self.reputes.is_refused(source, now_ms)
    }
}

/// Starts the thread off the shards' CPUs; it ends with the last shard. It waits for the shards'
/// wakers first. `sessions_max`: how many of a shard may ask in one of its turns.
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
    let reputes = Arc::new(Reputes::new());
    // Whatever waits, here and on its way here, may be one shard's, and is told between two of its
    // turns: sessions that made room for others leave their questions behind.
    let verdicts_max = 2 * BINDS_ASKED_MAX + sessions_max + 1;
    let queue = || Arc::new(ArrayQueue::new(verdicts_max));
    let verdicts: Vec<_> = (0..shards).map(|_| queue()).collect();
    let doorman = |shard: usize| Doorman {
        shard,
        asks: asks.clone(),
        verdicts: Arc::clone(&verdicts[shard]),
        reputes: Arc::clone(&reputes),
    };
    let doormen = (0..shards).map(doorman).collect();
    let (reputes, verdicts) = (Arc::clone(&reputes), verdicts.clone());
    let thread = std::thread::Builder::new().name("binds".to_owned()).spawn(move || {
        host::cpus::leave_cpus(&shard_cpus);
        let wakers = wakers.recv().unwrap_or_default();
        let checker =
            Checker { reputes, known: HashSet::new(), failures: HashMap::new(), key: key() };
        let mut desk = Desk { checker, waiting: Waiting::default(), verdicts, wakers };
        while desk.work(&asked) {}
    })?;
    Ok((doormen, thread))
}

fn now() -> SteadyMs {
    SteadyMs::from_ns(clock::monotonic_ns())
}

/// What tells one process from another, and nobody guesses.
fn key() -> [u8; 16] {
    let mut key = [0; 16];
    for part in key.chunks_exact_mut(8) {
        part.copy_from_slice(&RandomState::new().hash_one(0u8).to_le_bytes());
    }
    key
}

/// What the thread works with.
struct Desk {
    checker: Checker,
    waiting: Waiting,
    verdicts: Vec<Arc<ArrayQueue<Verdict>>>,
    wakers: Vec<Waker>,
}

impl Desk {
    /// Takes in what is asked, and checks one password; `false`: nobody asks any more. However many
    /// wait, the next is looked at: it may be one that need not.
    fn work(&mut self, asked: &Receiver<Asked>) -> bool {
        for _ in 0..BINDS_ASKED_MAX {
            let next = match self.waiting.len() {
                0 => asked.recv().map_err(|_| TryRecvError::Disconnected),
                _ => asked.try_recv(),
            };
            match next {
                Ok(Asked::Failed(source)) => self.checker.note_failed(source, now()),
                Ok(Asked::Check(question)) => match self.checker.know(&question) {
                    Some(verdict) => self.tell(question.shard, verdict),
                    None if !question.is_asked() => {}
                    None => self.put(question),
                },
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        if let Some(question) = self.waiting.next() {
            let verdict = self.checker.check(&question);
            self.tell(question.shard, verdict);
        }
        true
    }

    fn put(&mut self, question: Question) {
        let source = question.source.map(Source::of);
        let repute = source.map_or(Repute::New, |source| self.checker.reputes.of(source, now()));
        self.waiting.put(question, repute);
    }

    fn tell(&self, shard: usize, verdict: Verdict) {
        // There is a place for each question that can be under way.
        let _ = self.verdicts[shard].push(verdict);
        if let Some(waker) = self.wakers.get(shard) {
            waker.wake();
        }
    }
}

/// The thread's own part.
struct Checker {
    reputes: Arc<Reputes>,
    /// Digests and passwords that go together, as far as they were asked for.
    known: HashSet<[u8; 32]>,
    /// How often binds from a source failed, and since when.
    failures: HashMap<u64, (u32, SteadyMs)>,
    key: [u8; 16],
}

impl Checker {
    /// What is to be said without a check: a password that was right before, or a source that was
    /// refused since it has connected and has no more tries than the others.
    fn know(&mut self, question: &Question) -> Option<Verdict> {
        if let Some(source) = question.source
            && self.reputes.is_refused(Source::of(source), now())
        {
            self.note_failed(source, now());
            return Some(Verdict { session: question.session, by: None });
        }
        let password = question.password.as_bytes();
        let is_known = |digest: &&PasswordDigest| self.known.contains(&self.mark(digest, password));
        let by = question.digests.iter().find(is_known).cloned()?;
        Some(Verdict { session: question.session, by: Some(by) })
    }

    fn check(&mut self, question: &Question) -> Verdict {
        if let Some(verdict) = self.know(question) {
            return verdict;
        }
        let password = question.password.as_bytes();
        let by = question.digests.iter().find(|digest| self.is_of(digest, password)).cloned();
        if by.is_none()
            && let Some(source) = question.source
        {
            self.note_failed(source, now());
        }
        Verdict { session: question.session, by }
    }

    /// What a digest and a password that go together are known by.
    fn mark(&self, digest: &PasswordDigest, password: &[u8]) -> [u8; 32] {
        let mut both = Sha256::new();
        both.update(self.key);
        both.update(digest.as_str());
        both.update([0]);
        both.update(password);
        both.finalize().into()
    }

    fn is_of(&mut self, digest: &PasswordDigest, password: &[u8]) -> bool {
        let both = self.mark(digest, password);
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
        let from = Source::of(source);
        self.reputes.note_failed(from, now_ms);
        let number = from.number();
        if self.failures.len() >= SOURCES_WATCHED_MAX && !self.failures.contains_key(&number) {
            // A flood from everywhere: each has failed within a minute, and is refused for one.
            self.reputes.refuse(from, now_ms + BINDS_FAILED_MS);
            return;
        }
        let (count, since_ms) = self.failures.entry(number).or_insert((0, now_ms));
        if is_over(*since_ms) {
            (*count, *since_ms) = (0, now_ms);
        }
        *count += 1;
        if *count >= BINDS_FAILED_MAX {
            self.failures.remove(&number);
            self.reputes.refuse(from, now_ms + BINDS_FAILED_MS);
            tracing::warn!(%source, "binds fail again and again: refused for a minute");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker() -> Checker {
        Checker {
            reputes: Arc::new(Reputes::new()),
            known: HashSet::new(),
            failures: HashMap::new(),
            key: [7; 16],
        }
    }

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn from(last: u8) -> Source {
        Source::of(source(last))
    }

    #[test]
    fn the_fifth_failure_within_a_minute_closes_the_door_for_a_minute() {
        let mut checker = checker();
        let at = |ms: u64| SteadyMs::new(1_000_000 + ms);
        let is_refused = |checker: &Checker, ms: u64| checker.reputes.is_refused(from(1), at(ms));
        (0..4).for_each(|step| checker.note_failed(source(1), at(step)));
        assert!(!is_refused(&checker, 4));
        // The minute is over: it is counted anew.
        checker.note_failed(source(1), at(60_000));
        assert!(!is_refused(&checker, 60_000));
        (1..5).for_each(|step| checker.note_failed(source(1), at(60_000 + step)));
        assert!(is_refused(&checker, 60_005) && is_refused(&checker, 120_003));
        assert!(!is_refused(&checker, 120_004));
        assert!(!checker.reputes.is_refused(from(2), at(60_005)), "another source");
    }

    #[test]
    fn a_right_password_is_known_again_and_a_wrong_one_never() {
        let mut checker = checker();
        let digest = PasswordDigest::make("secret08", [1; 16]).expect("legal");
        assert!(checker.is_of(&digest, b"secret08") && checker.known.len() == 1);
        assert!(checker.is_of(&digest, b"secret08") && !checker.is_of(&digest, b"secret09"));
        assert_eq!(checker.known.len(), 1);
    }

    #[test]
    fn a_customer_that_has_bound_before_waits_for_nobody_however_many_ask() {
        let digest = PasswordDigest::make("secret08", [1; 16]).expect("legal");
        let mut checker = checker();
        assert!(checker.is_of(&digest, b"secret08"));
        let asker = Asker::new();
        let question = |session: u32, source: IpAddr, password: &[u8]| {
            let password = Password::new(password).expect("short enough");
            let (digests, source) = (vec![digest.clone()], Some(source));
            let (session, asker) = ((session, 0), asker.seen());
            Question { shard: 0, session, source, digests, password, asker }
        };
        let mut waiting = Waiting::default();
        for number in 0..BINDS_ASKED_MAX as u32 {
            let stranger = IpAddr::from([0x2001, 0xdb8, 0, number as u16, 0, 0, 0, 1]);
            waiting.put(question(number, stranger, b"guess"), Repute::New);
        }
        let verdicts = vec![Arc::new(ArrayQueue::new(16))];
        let mut desk = Desk { checker, waiting, verdicts, wakers: Vec::new() };
        let (asks, asked) = bounded(16);
        asks.send(Asked::Check(question(9_000, source(2), b"secret08"))).expect("room");
        assert!(desk.work(&asked));
        let verdict = desk.verdicts[0].pop().expect("a verdict");
        assert_eq!((verdict.session.0, verdict.by.is_some()), (9_000, true));
        // A stop waits for none of their checks.
        drop(asks);
        let told = desk.verdicts[0].len();
        assert!(!desk.work(&asked) && desk.waiting.len() > 1_000);
        assert_eq!(desk.verdicts[0].len(), told);
    }

    #[test]
    fn a_customer_that_has_bound_before_waits_for_no_check_of_anothers_password() {
        let digest = PasswordDigest::make("secret08", [1; 16]).expect("legal");
        let mut checker = checker();
        assert!(checker.is_of(&digest, b"secret08"));
        let verdicts = vec![Arc::new(ArrayQueue::new(16))];
        let mut desk = Desk { checker, waiting: Waiting::default(), verdicts, wakers: Vec::new() };
        let (asks, asked) = bounded(16);
        let asker = Asker::new();
        let ask = |session: u32, last: u8, password: &[u8]| {
            let password = Password::new(password).expect("short enough");
            let (digests, source) = (vec![digest.clone()], Some(source(last)));
            let (session, asker) = ((session, 0), asker.seen());
            let question = Question { shard: 0, session, source, digests, password, asker };
            asks.send(Asked::Check(question)).expect("room");
        };
        (0..6).for_each(|session| ask(session, 1, b"guess"));
        ask(6, 2, b"secret08");
        assert!(desk.work(&asked));
        let said = |desk: &Desk| {
            let verdict = desk.verdicts[0].pop()?;
            Some((verdict.session.0, verdict.by.is_some()))
        };
        assert_eq!(said(&desk), Some((6, true)));
        assert_eq!((said(&desk), said(&desk)), (Some((0, false)), None), "one check at a time");
        (1..6).for_each(|_| assert!(desk.work(&asked)));
        assert!((1..6).all(|session| said(&desk) == Some((session, false))));
        // Five failed: the sixth had no check any more.
        assert!(desk.checker.reputes.is_refused(from(1), now()));
        drop(asks);
        assert!(!desk.work(&asked));
    }
}
