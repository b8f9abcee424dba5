//! A data directory that an earlier program left behind is read as it stands, and each later
//! program goes on with it: its pushes, its books, its registry.
//!
//! The directory is revision 91d5a24's, of 22 November 2026 (`fixtures/directory-of-91d5a24.txt`).
//! Where nobody can set an engine's clock it is read, and not gone on with.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::bill::Bill;
use tests::clock::Clock;
use tests::engine::{Engine, Finished};
use tests::push::Body;
use tests::recorder::Recorder;
use tests::site::Site;
use tests::wait;

const CITY: &str = "00100000001";
const CITY_TOKEN: &str = "old-city-token";
const FLEET: &str = "00100000002";
const DAY: &str = "2026-11-22";
/// When the earlier program had ended: 12:00:10 of that day in Japan, Unix seconds.
const LEFT: Duration = Duration::from_secs(1_795_316_410);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);
/// The phones of the pushes, in the order in which they came.
const ENDED_1: &str = "09010000000";
const ENDED_2: &str = "09010000001";
const WAITING_1: &str = "09010000002";
/// Of waiting-2, and of waiting-3 behind it.
const WAITING_2: &str = "09010000003";
const CANCELLED: &str = "09010000004";
const REFUSED: &str = "09010000005";
const TOLD: &str = "09020000000";
const WAITING_4: &str = "09020000001";

/// Writes the files of the directory, each with its octets where they stood.
fn unpack(into: &Path) {
    let text = include_str!("../fixtures/directory-of-91d5a24.txt");
    let (mut path, mut octets) = (None, Vec::new());
    let write = |path: Option<&str>, octets: &[u8]| {
        let Some(path) = path.map(|path| into.join(path)) else { return };
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, octets).expect("written");
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (first, rest) = line.split_once(' ').expect("two words");
        if first == "file" {
            write(path, &octets);
            let (name, length) = rest.split_once(' ').expect("a name and a length");
            (path, octets) = (Some(name), vec![0; length.parse().expect("a length")]);
            continue;
        }
        let at = usize::from_str_radix(first, 16).expect("an offset");
        for (place, pair) in (at..).zip(rest.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).expect("two digits");
            octets[place] = u8::from_str_radix(pair, 16).expect("two digits");
        }
    }
    write(path, &octets);
}

/// A place with the directory in it, for an engine of two shards as it was made with.
fn site() -> Site {
    let mut site = Site::new(tests::programs!());
    unpack(&site.data_dir());
    let states = [WAITING_1, CANCELLED, WAITING_4].map(|phone| (phone, "absent"));
    site.shards(2).set_lines(&[&states[..], &[(WAITING_2, "memory-full")]].concat());
    site
}

/// The same with a server that takes the notifications of both push clients.
fn told() -> (Site, Recorder) {
    let (site, recorder) = (site(), Recorder::start());
    for xpid in [CITY, FLEET] {
        site.must(&["client", "set", xpid, "--notify-url", &recorder.url()]);
    }
    (site, recorder)
}

/// An engine that serves the directory when the clock shows this.
fn start(site: &Site, shows: Duration) -> Option<Engine> {
    let clock = Clock::new(site)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    clock.set(&format!("{:+}", shows.as_secs() as i64 - now.as_secs() as i64));
    Some(clock.start(site))
}

/// How many pushes wait for this reason, as `hayauma queue` counts them.
fn waiting(site: &Site, reason: &str) -> u64 {
    let queue = site.must(&["queue"]);
    let row = queue.lines().find_map(|line| line.strip_prefix(reason));
    let count = row.and_then(|row| row.split_whitespace().next());
    count.map_or(0, |count| count.parse().expect("a count"))
}

/// What a push of the city is answered.
fn answer(engine: &Engine, push: &Body) -> String {
    engine.connect().ask(&push.request_with_token(CITY_TOKEN)).code()
}

/// As it was sent to the earlier program.
fn sent(msn: &str, reqid: &str) -> Body {
    Body::push(msn, reqid).with("lifetime", "72")
}

/// The sums of both push clients of the directory's day.
fn sums(site: &Site, columns: &[&str]) -> Vec<(u64, u64)> {
    let bill = Bill::read(&site.must(&["billing", "day", DAY]));
    columns.iter().map(|column| (bill.sum(CITY, column), bill.sum(FLEET, column))).collect()
}

fn check_books(site: &Site) {
    let said = site.must(&["billing", "reconcile"]);
    assert!(said.contains("the books add up"), "{said}");
}

#[test]
fn what_an_earlier_program_wrote_is_read_as_it_was_left() {
    let site = site();
    let directory = site.data_dir().display().to_string();
    let verified = Finished::of(site.command(&["queue", "verify", &directory]), "queue verify");
    assert!(verified.stdout.contains("no damage"), "{verified:?}");
    for (reason, count) in [
        ("behind another push to the phone", 1),
        ("held: absent", 2),
        ("held: memory full", 1),
        ("notification due", 2),
        ("all", 6),
    ] {
        assert_eq!(waiting(&site, reason), count, "{reason}");
    }
    for (msn, lives) in [
        (ENDED_1, &["reqid ended-1", "delivered 0000", "1 of 1 segment arrived"][..]),
        (ENDED_2, &["reqid ended-2", "standard text", "2 of 2 segments arrived"]),
        (WAITING_1, &["reqid waiting-1", "held             absent", "12:05:46.966"]),
        (WAITING_2, &["reqid waiting-2", "alert flood 00", "memory full", "reqid waiting-3"]),
        (CANCELLED, &["reqid cancelled-1", "cancel accepted", "1 segment withdrawn"]),
        (REFUSED, &["reqid refused-1", "refused 6003"]),
        (TOLD, &["reqid told-1", "delivered 0000"]),
        (WAITING_4, &["reqid waiting-4", "expires 2026-11-25 12:00:00"]),
    ] {
        let shown = site.must(&["push", "show", msn]);
        for word in lives {
            assert!(shown.contains(word), "{word:?} of {msn}: {shown}");
        }
    }
    let columns = ["accepted", "delivered", "failed", "cancelled", "closing", "segments"];
    assert_eq!(sums(&site, &columns), [(7, 2), (2, 1), (1, 0), (1, 0), (3, 1), (3, 1)]);
    assert_eq!(sums(&site, &["rejected", "replayed"]), [(1, 0), (1, 0)]);
    check_books(&site);
    let clients = site.must(&["client", "list"]);
    for word in ["city", "fleet", "0570", "11011", "standard,urgent,emergency"] {
        assert!(clients.contains(word), "{word}: {clients}");
    }
    let contracts = site.must(&["contract", "count"]);
    let counts: Vec<&str> = contracts.split_whitespace().collect();
    assert!(counts.windows(2).any(|pair| pair == ["all", "30"]), "{contracts}");
}

#[test]
fn pushes_of_an_earlier_program_are_known_again_and_arrive() {
    let (site, recorder) = told();
    let Some(engine) = start(&site, LEFT) else { return };
    // What had ended, and what waits, is sent no second time.
    assert_eq!(answer(&engine, &sent(ENDED_1, "ended-1")), "0001");
    assert_eq!(answer(&engine, &sent(ENDED_1, "ended-1").with("data", "00")), "3001");
    assert_eq!(answer(&engine, &sent(WAITING_1, "waiting-1")), "0001");
    let again = sent(WAITING_2, "again").with("alertid", "flood").with("alertseq", "00");
    assert_eq!(answer(&engine, &again), "0002", "the phone has this alert");
    assert_eq!(answer(&engine, &Body::cancel(WAITING_1, "waiting-1")), "0000");
    assert_eq!(recorder.await_about("told-1", 1)[0].gist(), ("0301", "0000"));
    assert_eq!(recorder.await_about("cancelled-1", 1)[0].gist(), ("0401", "0000"));
    site.must(&["network", "set", "home", WAITING_2, WAITING_4]);
    assert_eq!(recorder.await_about("waiting-4", 1)[0].gist(), ("0301", "0000"));
    wait::until_true("an end of each", || engine.admin().figure("pushes_live") == 0);
    wait::until_true("books", || engine.admin().figure("billing_events_owed") == 0);
    engine.stop();
    let columns = ["accepted", "delivered", "cancelled", "closing", "segments"];
    assert_eq!(sums(&site, &columns), [(7, 2), (4, 2), (2, 0), (0, 0), (7, 2)]);
    check_books(&site);
}

#[test]
fn pushes_of_an_earlier_program_whose_time_is_over_end_and_are_billed() {
    let (site, recorder) = told();
    let Some(engine) = start(&site, LEFT + MONTH) else { return };
    assert_eq!(recorder.await_about("waiting-4", 1)[0].gist(), ("0301", "6006"));
    wait::until_true("an end of each", || engine.admin().figure("pushes_live") == 0);
    wait::until_true("books", || engine.admin().figure("billing_events_owed") == 0);
    // Its key is a month old: it is another push.
    assert_eq!(answer(&engine, &sent(ENDED_1, "ended-1")), "0000");
    engine.stop();
    assert_eq!(sums(&site, &["accepted", "closing"]), [(7, 2), (3, 1)], "that day is closed");
    for (msn, end) in [(WAITING_1, "expired 6006"), (WAITING_2, "expired 6007")] {
        let shown = site.must(&["push", "show", msn]);
        assert!(shown.contains(end), "{end}: {shown}");
    }
    check_books(&site);
}
