//! The addresses of notification hosts: their names are looked up beside the shards, again and
//! again, and never in the way of a start, a change of registrations or a stop.
//!
//! `getaddrinfo` looks up, so that /etc/hosts and whatever else this host knows names by count. It
//! tells no time to live (the host's own resolver keeps to that), so a name is asked for anew after
//! `Intervals::refresh`, and after a failure sooner. A look-up may hang for minutes: it does so
//! on one of a few threads that nobody joins, and holds up no other name while one of them is free.
//! What was found last stays until something else is found.

use crate::gateway::registration::Registration;
use crate::io::limits::{
    NAME_ADDRESSES_MAX, NAME_IDLE_MS, NAME_REFRESH_MS, NAME_RETRY_MS, NAME_THREADS_MAX,
};
use crate::io::notifier::EndpointPlan;
use host::clock;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Octets of a look-up thread's stack: `getaddrinfo` wants some.
const STACK_OCTETS: usize = 256 * 1024;

/// Where names are looked up.
pub trait LookUp: Send + Sync + 'static {
    /// The addresses of a host; may take as long as it likes.
    fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As every program of this host looks names up.
pub(crate) struct System;

impl LookUp for System {
    fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (host, port).to_socket_addrs().map(Iterator::collect)
    }
}

/// For rehearsals: a resolver that never answers.
pub struct Hanging;

impl LookUp for Hanging {
    fn look_up(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        loop {
            std::thread::park();
        }
    }
}

/// How often a name is looked up.
#[derive(Clone, Copy)]
pub struct Intervals {
    /// After it was found, and at the longest after it was not.
    pub(crate) refresh: Duration,
    /// After it was not found the first time; doubles each time.
    pub(crate) retry: Duration,
}

pub const INTERVALS: Intervals = Intervals {
    refresh: Duration::from_millis(NAME_REFRESH_MS),
    retry: Duration::from_millis(NAME_RETRY_MS),
};

type Name = (String, u16);

struct Known {
    addresses: Vec<SocketAddr>,
    due: Instant,
    failures: u32,
    is_under_way: bool,
}

#[derive(Default)]
struct State {
    names: BTreeMap<Name, Known>,
    /// Those of registrations, and those of carriers.
    wanted: [Vec<Name>; 2],
    jobs: VecDeque<Name>,
    threads: usize,
    idle: usize,
    /// Addresses have changed since they were last published.
    has_news: bool,
    is_over: bool,
}

struct Shared {
    look_up: Box<dyn LookUp>,
    intervals: Intervals,
    state: Mutex<State>,
    /// Something for the thread that keeps time.
    timer: Condvar,
    /// Something for the threads that look up.
    work: Condvar,
}

/// The names of the registrations in force.
pub struct HostNames {
    shared: Arc<Shared>,
}

impl HostNames {
    /// Names that are looked up as the system does.
    pub fn of_the_system() -> Self {
        Self::new(System, INTERVALS)
    }

    /// Names that are looked up in vain, for tests.
    pub fn hanging() -> Self {
        Self::new(Hanging, INTERVALS)
    }

    /// Names that are looked up there and so often, once [`HostNames::start`] was called.
    pub fn new(look_up: impl LookUp, intervals: Intervals) -> Self {
        let shared = Shared {
            look_up: Box::new(look_up),
            intervals,
            state: Mutex::default(),
            timer: Condvar::new(),
            work: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Has `publish` called on a thread of its own whenever addresses have changed; it says whether
    /// everybody took them.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn start(&self, publish: impl Fn() -> bool + Send + 'static) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        Builder::new().name("names".to_owned()).spawn(move || keep_time(&shared, publish)).map(drop)
    }

    /// From now on the names of these registrations are looked up, and those of carriers.
    pub(crate) fn want(&self, registrations: &[Registration]) {
        let urls = registrations.iter().filter_map(|registration| registration.notify_url.as_ref());
        self.want_of(0, urls.map(|url| (url.host().to_owned(), url.port())).collect());
    }

    /// From now on these names of carriers' hosts are looked up, and those of registrations.
    pub fn want_hosts(&self, hosts: Vec<(String, u16)>) {
        self.want_of(1, hosts);
    }

    fn want_of(&self, kind: usize, names: Vec<Name>) {
        let mut state = lock(&self.shared.state);
        state.wanted[kind] = names;
        let mut before = std::mem::take(&mut state.names);
        for name in state.wanted.concat() {
            if state.names.contains_key(&name) {
                continue;
            }
            let known = before.remove(&name).unwrap_or_else(|| Known {
                addresses: Vec::new(),
                due: clock::instant(),
                failures: 0,
                is_under_way: false,
            });
            if literal(&name.0, name.1).is_none() {
                state.names.insert(name, known);
            }
        }
        self.shared.timer.notify_one();
    }

    /// Has what is known published again, and until it is taken.
    pub fn publish_again(&self) {
        lock(&self.shared.state).has_news = true;
        self.shared.timer.notify_one();
    }

    /// The addresses of a host as they were found last; none while it was not.
    pub fn addresses(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        if let Some(address) = literal(host, port) {
            return vec![address];
        }
        let state = lock(&self.shared.state);
        state
            .names
            .get(&(host.to_owned(), port))
            .map(|known| known.addresses.clone())
            .unwrap_or_default()
    }

    /// The endpoints of these registrations, with what is known of their addresses now.
    pub fn plans(&self, registrations: &[Registration]) -> Vec<EndpointPlan> {
        self.want(registrations);
        let plan = |registration: &Registration| {
            let url = registration.notify_url.as_ref()?;
            EndpointPlan::of(registration, self.addresses(url.host(), url.port()))
        };
        registrations.iter().filter_map(plan).collect()
    }
}

impl Drop for HostNames {
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
        self.shared.timer.notify_all();
        self.shared.work.notify_all();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An address needs no look-up.
fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port))
}

/// Orders the look-ups that are due and publishes what they found, until it is over.
fn keep_time(shared: &Arc<Shared>, publish: impl Fn() -> bool) {
    let mut state = lock(&shared.state);
    while !state.is_over {
        if std::mem::take(&mut state.has_news) {
            drop(state);
            let taken = publish();
            state = lock(&shared.state);
            state.has_news |= !taken;
        }
        order_due(shared, &mut state);
        let now = clock::instant();
        let due =
            state.names.values().filter(|known| !known.is_under_way).map(|known| known.due).min();
        let mut pause =
            due.map_or(shared.intervals.refresh, |due| due.saturating_duration_since(now));
        // Somebody may not have taken the last news yet.
        let is_offered = state.has_news;
        if is_offered {
            pause = pause.min(shared.intervals.retry);
        }
        let is_quiet =
            |state: &mut State| !state.is_over && state.has_news == is_offered && !state.is_due();
        let waited = shared.timer.wait_timeout_while(state, pause, is_quiet);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

impl State {
    fn is_due(&self) -> bool {
        let now = clock::instant();
        self.names.values().any(|known| !known.is_under_way && known.due <= now)
    }
}

fn order_due(shared: &Arc<Shared>, state: &mut State) {
    let now = clock::instant();
    let State { names, jobs, .. } = state;
    for (name, known) in
        names.iter_mut().filter(|(_, known)| !known.is_under_way && known.due <= now)
    {
        known.is_under_way = true;
        jobs.push_back(name.clone());
    }
    while state.jobs.len() > state.idle && state.threads < NAME_THREADS_MAX {
        let shared = Arc::clone(shared);
        let thread = Builder::new().name("look-up".to_owned()).stack_size(STACK_OCTETS);
        if thread.spawn(move || look_up_jobs(&shared)).is_err() {
            // Those that run take one name after the other; the next round tries again.
            break;
        }
        state.threads += 1;
        // It counts as idle until it has its first name.
        state.idle += 1;
    }
    shared.work.notify_all();
}

fn look_up_jobs(shared: &Shared) {
    let mut state = lock(&shared.state);
    loop {
        let idle = Duration::from_millis(NAME_IDLE_MS);
        let waited = shared
            .work
            .wait_timeout_while(state, idle, |state| !state.is_over && state.jobs.is_empty());
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.idle -= 1;
        let name = if state.is_over { None } else { state.jobs.pop_front() };
        let Some(name) = name else {
            state.threads -= 1;
            return;
        };
        // One that nobody wants any more needs no answer.
        if state.names.contains_key(&name) {
            drop(state);
            let found = shared.look_up.look_up(&name.0, name.1);
            state = lock(&shared.state);
            if take(&mut state, &name, found, shared.intervals) {
                state.has_news = true;
            }
            shared.timer.notify_one();
        }
        state.idle += 1;
    }
}

/// The first of each, in the order in which the system prefers them.
fn distinct(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if distinct.len() < NAME_ADDRESSES_MAX && !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    distinct
}

/// Takes what a look-up found; whether the addresses have changed.
fn take(
    state: &mut State,
    name: &Name,
    found: io::Result<Vec<SocketAddr>>,
    intervals: Intervals,
) -> bool {
    let Some(known) = state.names.get_mut(name) else { return false };
    known.is_under_way = false;
    let host = &name.0;
    let why = match found {
        Ok(addresses) if addresses.is_empty() => "it has no address".to_owned(),
        Err(error) => error.to_string(),
        Ok(addresses) => {
            let addresses = distinct(addresses);
            known.due = clock::instant() + intervals.refresh;
            if std::mem::take(&mut known.failures) > 0 {
                tracing::info!(host, "the notification host is found again");
            }
            // In whatever order the name service gives them today: it is no other host for that.
            let is_known = |address| known.addresses.contains(address);
            let has_changed =
                addresses.len() != known.addresses.len() || !addresses.iter().all(is_known);
            if has_changed {
                known.addresses = addresses;
            }
            return has_changed;
        }
    };
    if known.failures == 0 {
        tracing::warn!(
            host,
            why,
            "a notification host is not found; it is looked up again until it is, and its \
             notifications wait"
        );
    }
    known.due =
        clock::instant() + intervals.refresh.min(intervals.retry * (1 << known.failures.min(10)));
    known.failures += 1;
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::{Receiver, Sender, unbounded};

    const QUICK: Intervals =
        Intervals { refresh: Duration::from_millis(20), retry: Duration::from_millis(5) };
    const PATIENCE: Duration = Duration::from_secs(30);

    /// What each name is found by at this moment; one that is not in it makes the look-up hang.
    type Book = Arc<Mutex<BTreeMap<String, io::Result<Vec<SocketAddr>>>>>;

    struct Scripted(Book);

    impl LookUp for Scripted {
        fn look_up(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            loop {
                match self.0.lock().expect("no panic").get(host) {
                    Some(Ok(addresses)) => return Ok(addresses.clone()),
                    Some(Err(error)) => return Err(error.kind().into()),
                    None => {}
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
    }

    fn registration(number: u64, url: &str) -> Registration {
        let xpid = wire::terms::ids::Xpid::from_value(number).expect("an XPID");
        let mut registration = Registration::new(xpid, "names");
        registration.notify_url =
            Some(wire::push::notify_url::NotifyUrl::parse(url).expect("a URL"));
        registration
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    struct Rig {
        names: Arc<HostNames>,
        book: Book,
        published: Receiver<()>,
        publisher: Sender<()>,
    }

    fn rig(urls: &[&str]) -> Rig {
        let book = Book::default();
        let names = Arc::new(HostNames::new(Scripted(Arc::clone(&book)), QUICK));
        let registrations: Vec<Registration> =
            urls.iter().enumerate().map(|(at, url)| registration(at as u64 + 1, url)).collect();
        names.want(&registrations);
        let (publisher, published) = unbounded();
        Rig { names, book, published, publisher }
    }

    impl Rig {
        fn start(&self) {
            let publisher = self.publisher.clone();
            self.names.start(move || publisher.send(()).is_ok()).expect("a thread");
        }

        fn say(&self, host: &str, found: io::Result<Vec<SocketAddr>>) {
            self.book.lock().expect("no panic").insert(host.to_owned(), found);
        }

        /// Waits for news until the host has these addresses.
        #[track_caller]
        fn await_addresses(&self, host: &str, expected: &[SocketAddr]) {
            while self.names.addresses(host, 80) != expected {
                self.published.recv_timeout(PATIENCE).expect("news");
            }
        }
    }

    #[test]
    fn a_look_up_that_hangs_holds_up_neither_a_start_nor_a_change_nor_another_name() {
        let urls = ["http://hangs-1/", "http://hangs-2/", "http://found/", "http://192.0.2.9/"];
        let rig = rig(&urls);
        let begun = clock::instant();
        rig.say("found", Ok(vec![address(1)]));
        rig.start();
        let registrations =
            [registration(1, urls[0]), registration(2, urls[2]), registration(3, urls[3])];
        let plans = rig.names.plans(&registrations);
        assert_eq!(plans.len(), 3);
        assert_eq!(plans[2].addresses, [address(9)], "an address needs no look-up");
        rig.await_addresses("found", &[address(1)]);
        assert!(rig.names.addresses("hangs-1", 80).is_empty());
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_host_that_moved_and_a_resolver_that_came_up_later_are_found() {
        let rig = rig(&["http://sink/"]);
        rig.say("sink", Err(io::ErrorKind::TimedOut.into()));
        rig.start();
        rig.say("sink", Ok(vec![address(2), address(1), address(2)]));
        rig.await_addresses("sink", &[address(2), address(1)]);
        rig.say("sink", Ok(vec![address(3)]));
        rig.await_addresses("sink", &[address(3)]);
        // What was found last stays while nothing is.
        rig.say("sink", Err(io::ErrorKind::TimedOut.into()));
        while lock(&rig.names.shared.state).names.values().all(|known| known.failures < 3) {
            std::thread::yield_now();
        }
        assert_eq!(rig.names.addresses("sink", 80), [address(3)]);
        rig.say("sink", Ok(vec![address(4)]));
        rig.await_addresses("sink", &[address(4)]);
    }

    #[test]
    fn addresses_keep_the_systems_order_and_another_order_is_no_news() {
        let name = ("sink".to_owned(), 80);
        let mut state = State::default();
        let known =
            Known { addresses: Vec::new(), due: clock::instant(), failures: 0, is_under_way: true };
        state.names.insert(name.clone(), known);
        let mut found = |lasts: &[u8]| {
            let addresses = lasts.iter().map(|&last| address(last)).collect();
            let has_changed = take(&mut state, &name, Ok(addresses), QUICK);
            (has_changed, state.names[&name].addresses.clone())
        };
        assert_eq!(found(&[2, 1, 2]), (true, vec![address(2), address(1)]));
        assert_eq!(found(&[1, 2]), (false, vec![address(2), address(1)]));
        assert_eq!(found(&[1]), (true, vec![address(1)]));
        let many: Vec<u8> = (0..200).collect();
        assert_eq!(found(&many).1.len(), NAME_ADDRESSES_MAX);
    }

    #[test]
    fn more_names_than_threads_are_all_found_and_one_that_hangs_takes_one_thread() {
        let urls: Vec<String> =
            (0..5 * NAME_THREADS_MAX).map(|number| format!("http://host-{number}/")).collect();
        let rig = rig(&urls.iter().map(String::as_str).collect::<Vec<_>>());
        (1..urls.len()).for_each(|number| rig.say(&format!("host-{number}"), Ok(vec![address(7)])));
        rig.start();
        (1..urls.len())
            .for_each(|number| rig.await_addresses(&format!("host-{number}"), &[address(7)]));
        assert!(lock(&rig.names.shared.state).threads <= NAME_THREADS_MAX);
    }

    #[test]
    fn news_that_a_shard_did_not_take_are_offered_again() {
        let rig = rig(&["http://sink/"]);
        rig.say("sink", Ok(vec![address(1)]));
        let (publisher, refused) = (rig.publisher.clone(), std::sync::atomic::AtomicUsize::new(0));
        let publish = move || {
            let _ = publisher.send(());
            refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2
        };
        rig.names.start(publish).expect("a thread");
        (0..3).for_each(|_| rig.published.recv_timeout(PATIENCE).expect("an offer"));
    }
}
