//! The desk over shards that only know where each broadcast stands.

use super::desk::BroadcastDesk;
use super::documents::{Stage, WantedLife};
use super::list_documents::ListWanted;
use super::lists::{ImportWanted, Piece};
use super::now::Now;
use super::sight::XpidSight;
use super::wanted::{FollowerWanted, UpdateWanted};
use crate::broadcast::life::{End, Life};
use crate::broadcast::lists::reader::ReaderOptions;
use crate::broadcast::manifest::{Manifest, OtherBroadcast, Texts};
use crate::broadcast::outcomes::Outcome;
use crate::broadcast::slice::{Order, Slice};
use crate::control::engine::Engine as _;
use crate::control::fake_engine::{FakeBroadcasts, FakeEngine};
use hyper::body::Bytes;
use std::sync::{Arc, Barrier};
use tempfile::TempDir;
use wire::terms::ids::{Msn, Xpid};

mod agreeing;
mod damaged;
mod forgetting;
mod untold;

const KEPT_DAYS: u32 = 400;
const DAY_MS: u64 = 24 * 3_600 * 1_000;
const CANCEL: Order = Order::End(End::Cancelled);

/// A desk with a list, in a directory of its own.
pub(super) struct Bench {
    pub(super) directory: TempDir,
    pub(super) engine: Arc<FakeEngine>,
    pub(super) desk: Arc<BroadcastDesk>,
    pub(super) list: String,
}

impl Bench {
    /// With so many shards, and so many rows in the list.
    pub(super) fn new(shards: usize, rows: u64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let engine = engine(shards);
        let desk =
            BroadcastDesk::open(directory.path(), engine.clone(), KEPT_DAYS).expect("a desk");
        let wanted = ListWanted { name: "all".to_owned(), ..ListWanted::default() };
        let list = desk.make_list(wanted).expect("a list").list;
        let mut text = "msn,area\n".to_owned();
        (0..rows).for_each(|row| text += &format!("{:011},13101\n", 9_000_000_000 + row));
        let bench = Self { directory, engine, desk, list };
        bench.import(&text);
        bench
    }

    pub(super) fn import(&self, text: &str) {
        self.import_into(&self.list, text);
    }

    pub(super) fn import_into(&self, list: &str, text: &str) {
        let (pieces, taken) = tokio::sync::mpsc::channel(2);
        pieces.try_send(Piece::Octets(Bytes::from(text.to_owned()))).expect("room");
        pieces.try_send(Piece::End).expect("room");
        let options = ReaderOptions::default();
        let (list, by) = (list.to_owned(), "somebody".to_owned());
        let wanted = ImportWanted { list, base: None, may_be_empty: false, options, by };
        self.desk.import(wanted, taken).expect("a version");
    }

    /// The engine starts anew: shards keep what they know where their journals are kept.
    pub(super) fn restart(&mut self, keeps: impl Fn(usize) -> bool) {
        let known = std::mem::take(&mut *self.engine.broadcasts.shards.lock().expect("no panic"));
        self.engine = engine(known.len());
        {
            let mut shards = self.engine.broadcasts.shards.lock().expect("no panic");
            for (number, before) in known.into_iter().enumerate().filter(|(at, _)| keeps(*at)) {
                shards[number].known = before.known;
            }
        }
        self.desk = BroadcastDesk::open(self.directory.path(), self.engine.clone(), KEPT_DAYS)
            .expect("a desk");
    }

    pub(super) fn stand(&self, shard: usize, stands: bool) {
        self.engine.broadcasts.shards.lock().expect("no panic")[shard].stands = stands;
    }

    /// These phones have contracts.
    pub(super) fn contract(&self, numbers: std::ops::Range<u64>) {
        let xpid = Xpid::parse(b"00100000001").expect("an XPID");
        let rows: Vec<(Msn, Xpid)> = numbers.map(|number| (msn(number), xpid)).collect();
        self.engine.add_contracts(&rows).expect("taken");
    }

    /// These phones are on a suppression list.
    pub(super) fn suppress(&self, numbers: std::ops::Range<u64>) -> String {
        let (name, purpose) = ("out".to_owned(), "suppression".to_owned());
        let wanted = ListWanted { name, purpose, ..ListWanted::default() };
        let list = self.desk.make_list(wanted).expect("a list").list;
        let rows: String = numbers.map(|number| format!("{}\n", msn(number))).collect();
        self.import_into(&list, &format!("msn\n{rows}"));
        list
    }

    pub(super) fn manifest(&self, reqid: &str, more: &str) -> Manifest {
        let list = &self.list;
        let end = if more.contains("deadline") { "" } else { r#""lifetime":3600,"# };
        let text = format!(
            r#"{{"xpid":"00100000001","sender":"Town","class":"02","reqid":"{reqid}",
            {end}{more}"legs":[{{"audience":{{"list":"{list}","areas":"everywhere"}},
            "texts":{{"variants":{{"en":"x"}},"fallback":["en"]}}}}]}}"#
        );
        Manifest::read(text.as_bytes()).expect("a manifest")
    }

    pub(super) fn draft(&self, reqid: &str, more: &str) -> String {
        let new = BroadcastDesk::next_identifier();
        self.desk.create(new, self.manifest(reqid, more), "author").expect("a draft").broadcast
    }

    /// A draft with its dry run: its identifier, the digest, whom it found.
    pub(super) fn checked(&self, reqid: &str, more: &str) -> (String, String, u64) {
        let broadcast = self.draft(reqid, more);
        let (digest, recipients) = self.agreed(&broadcast);
        (broadcast, digest, recipients)
    }

    /// Checks a draft and has somebody agree: the digest, whom it found.
    pub(super) fn agreed(&self, broadcast: &str) -> (String, u64) {
        let check = self.desk.check(broadcast).expect("a dry run").check.expect("a dry run");
        self.desk.approve(broadcast, &check.digest, "approver").expect("agreed");
        (check.digest, check.addressed.targeted)
    }

    pub(super) fn started(&self, reqid: &str, more: &str) -> String {
        let (broadcast, digest, recipients) = self.checked(reqid, more);
        self.desk.start(&broadcast, &digest, recipients, "operator").expect("started");
        broadcast
    }

    /// In these shards it has begun.
    pub(super) fn begin_in(&self, broadcast: &str, shards: &[usize]) {
        let ordinal = self.ordinal(broadcast);
        let mut known = self.engine.broadcasts.shards.lock().expect("no panic");
        for shard in shards {
            let (slice, _) = known[*shard].known.get_mut(&ordinal).expect("known");
            slice.order(Order::Start);
        }
    }

    /// The first shard delivers so many rows.
    pub(super) fn deliver(&self, broadcast: &str, rows: u32) {
        self.begin_in(broadcast, &[0]);
        let ordinal = self.ordinal(broadcast);
        self.with_slice(ordinal, |slice| slice.claim(rows));
        self.settle(broadcast);
        self.with_slice(ordinal, |slice| {
            while let Some(row) = slice.next_turn(0) {
                slice.ended(row, Outcome::Delivered, 1, 0);
            }
        });
        self.settle(broadcast);
    }

    /// What the first shard has to say of it is durable.
    fn settle(&self, broadcast: &str) {
        self.with_slice(self.ordinal(broadcast), |slice| {
            while slice.poll_record().is_some() {
                slice.appended(host::clock::monotonic_ns());
            }
            slice.durable(u64::MAX);
        });
    }

    fn with_slice(&self, ordinal: u32, work: impl FnOnce(&mut Slice)) {
        let mut shards = self.engine.broadcasts.shards.lock().expect("no panic");
        let (slice, _) = shards[0].known.get_mut(&ordinal).expect("known");
        work(slice);
    }

    /// A shard does not have it.
    pub(super) fn forget_in(&self, broadcast: &str, shard: usize) {
        let ordinal = self.ordinal(broadcast);
        let mut known = self.engine.broadcasts.shards.lock().expect("no panic");
        known[shard].known.remove(&ordinal);
    }

    pub(super) fn ordinal(&self, broadcast: &str) -> u32 {
        let mut standing = self.desk.standing();
        let document = &standing.entry(broadcast).expect("it is there").document;
        document.started.as_ref().expect("started").ordinal
    }
}

fn msn(number: u64) -> Msn {
    Msn::from_value(9_000_000_000 + number).expect("an msn")
}

fn engine(shards: usize) -> Arc<FakeEngine> {
    let mut engine = FakeEngine::default();
    engine.broadcasts = FakeBroadcasts::of(shards);
    Arc::new(engine)
}

/// It sends nothing, and never will.
fn is_stopped(life: &Option<Life>) -> bool {
    life.is_some_and(|life| life.end() == Some(End::Cancelled))
}

#[test]
fn what_was_started_is_never_ended_as_if_it_had_not_been() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    let refusal = bench.desk.end_unstarted(&broadcast, "cancelled").expect_err("it runs");
    assert!(refusal.sentence.contains("started"), "{}", refusal.sentence);
    assert_eq!(
        bench.desk.progress(&broadcast, false).expect("there").document.stage,
        Stage::Started
    );
}

#[test]
fn a_cancel_beside_a_start_stops_it_whichever_comes_first() {
    let bench = Bench::new(2, 10);
    for round in 0..60 {
        let (broadcast, digest, recipients) = bench.checked(&format!("r{round}"), "");
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                let _ = bench.desk.start(&broadcast, &digest, recipients, "operator");
            });
            both.wait();
            bench.desk.order(&broadcast, CANCEL).expect("whoever stops it is not refused");
        });
        let document = bench.desk.progress(&broadcast, false).expect("there").document;
        if document.started.is_some() {
            let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
            assert!(lives.iter().all(is_stopped), "round {round}: {lives:?}");
        } else {
            assert_eq!(document.stage, Stage::Ended, "round {round}");
        }
    }
}

#[test]
fn a_cancel_that_a_shard_did_not_hear_holds_there_after_a_restart() {
    let mut bench = Bench::new(2, 10);
    bench.stand(1, true);
    let (broadcast, digest, recipients) = bench.checked("a", "");
    let start = |bench: &Bench| bench.desk.start(&broadcast, &digest, recipients, "operator");
    start(&bench).expect_err("a shard stands");
    bench.desk.order(&broadcast, CANCEL).expect_err("a shard stands");
    let ordinal = bench.ordinal(&broadcast);
    let lives = bench.engine.broadcasts.lives(ordinal);
    assert!(is_stopped(&lives[0]) && lives[1].is_none(), "{lives:?}");
    bench.restart(|shard| shard == 0);
    let lives = bench.engine.broadcasts.lives(ordinal);
    assert!(lives.iter().all(is_stopped), "{lives:?}");
    // And whoever repeats the start starts nothing.
    start(&bench).expect("the same answer");
    assert!(bench.engine.broadcasts.lives(ordinal).iter().all(is_stopped));
}

#[test]
fn what_a_shard_did_not_hear_is_told_again_by_itself() {
    let bench = Bench::new(3, 30);
    bench.stand(1, true);
    let (broadcast, digest, recipients) = bench.checked("a", "");
    bench.desk.start(&broadcast, &digest, recipients, "operator").expect_err("a shard stands");
    let ordinal = bench.ordinal(&broadcast);
    let lives = bench.engine.broadcasts.lives(ordinal);
    assert!(lives[0].is_some() && lives[2].is_some(), "the others have begun: {lives:?}");
    let said = bench.desk.progress(&broadcast, false).expect("there").stopped_by;
    assert!(said.is_some_and(|said| said.contains("not in every shard")), "somebody can see it");
    bench.stand(1, false);
    let now = Now::read().steady;
    bench.desk.tell_untold(now);
    assert_eq!(bench.engine.broadcasts.lives(ordinal)[1], None, "it is too early");
    bench.desk.tell_untold(now + 60_000);
    assert_eq!(bench.engine.broadcasts.lives(ordinal)[1], Some(Life::Holding));
}

#[test]
fn an_order_reaches_a_shard_that_lacks_the_broadcast_together_with_it() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    let ordinal = bench.ordinal(&broadcast);
    let forgets = || {
        let mut shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        shards[1].known.clear();
    };
    let others = || {
        let mut shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        let (slice, _) = shards[0].known.get_mut(&ordinal).expect("known");
        slice.order(Order::Start);
    };
    others();
    forgets();
    bench.desk.order(&broadcast, Order::Pause).expect("paused everywhere");
    assert_eq!(bench.engine.broadcasts.lives(ordinal)[0], Some(Life::Paused));
    assert_eq!(bench.engine.broadcasts.lives(ordinal)[1], Some(Life::Paused));
    bench.desk.order(&broadcast, Order::Resume).expect("goes on");
    assert_eq!(bench.engine.broadcasts.lives(ordinal), vec![Some(Life::Running); 2]);
    let ordered = || {
        let mut standing = bench.desk.standing();
        standing.entry(&broadcast).expect("there").document.ordered.clone()
    };
    assert_eq!(ordered(), None, "what holds no more is not kept");
    forgets();
    bench.desk.order(&broadcast, CANCEL).expect("cancelled everywhere");
    let lives = bench.engine.broadcasts.lives(ordinal);
    assert!(lives.iter().all(is_stopped), "{lives:?}");
    assert_eq!(ordered().expect("kept").life, WantedLife::Cancelled);
}

#[test]
fn an_older_text_does_not_follow_the_newer_in_a_shard_that_hears_of_both_late() {
    let mut bench = Bench::new(2, 10);
    let older = bench.started("a", r#""alertid":"flood","alertseq":0,"#);
    let newer = bench.started("b", r#""alertid":"flood","alertseq":1,"#);
    bench.restart(|_| false);
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&older));
    let is_replaced = |life: &Option<Life>| life.is_some_and(|l| l.end() == Some(End::Replaced));
    assert!(lives.iter().all(is_replaced), "{lives:?}");
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&newer));
    assert_eq!(lives, vec![Some(Life::Holding); 2]);
}

#[test]
fn an_ordinal_is_given_once_whatever_a_copy_of_the_directory_lacks() {
    let bench = Bench::new(1, 10);
    let draft = bench.checked("a", "");
    let copy = tempfile::tempdir().expect("a directory");
    let copied = super::copy_broadcasts(bench.directory.path(), copy.path()).expect("copied");
    bench.desk.start(&draft.0, &draft.1, draft.2, "operator").expect("started");
    let given = bench.ordinal(&draft.0);
    // The journals are copied here: they have records of the start.
    super::copy_ends(bench.directory.path(), copy.path(), &copied).expect("copied");
    let mut restored = Bench::new(1, 10);
    restored.directory = copy;
    restored.list = bench.list.clone();
    restored.restart(|_| false);
    let other = restored.started("b", "");
    assert_ne!(restored.ordinal(&other), given, "its records would be read as this one's");
}

#[test]
fn an_ordinal_that_a_journal_has_is_not_given_again() {
    let mut bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    let given = bench.ordinal(&broadcast);
    std::fs::remove_dir_all(bench.directory.path().join("broadcasts")).expect("removed");
    bench.restart(|_| true);
    let other = bench.started("b", "");
    assert_ne!(bench.ordinal(&other), given);
}

#[test]
fn an_end_that_cannot_be_kept_waits_longer_each_time_and_keeps_no_other_from_its_end() {
    let bench = Bench::new(1, 10);
    let [stuck, other] = ["a", "b"].map(|reqid| bench.started(reqid, ""));
    let outcomes = bench.directory.path().join("broadcasts").join(&stuck).join("outcomes");
    // A file does not take a folder's name.
    std::fs::create_dir(&outcomes).expect("a folder");
    for broadcast in [&stuck, &other] {
        bench.desk.order(broadcast, CANCEL).expect("cancelled");
    }
    let now = Now::read().steady;
    let asked = || {
        let asked = bench.engine.broadcasts.words_asked.lock().expect("no panic");
        asked.get(&bench.ordinal(&stuck)).copied().unwrap_or_default()
    };
    let stage = |broadcast: &str| {
        let mut standing = bench.desk.standing();
        standing.entry(broadcast).expect("there").document.stage
    };
    bench.desk.look(now).expect_err("a folder is in the way");
    assert_eq!((stage(&stuck), stage(&other)), (Stage::Started, Stage::Ended));
    let tries = asked();
    for later_ms in [200, 5_000, 9_999] {
        bench.desk.look(now + later_ms).expect("nothing is tried");
    }
    assert_eq!(asked(), tries, "it is not tried again for ten seconds");
    bench.desk.look(now + 10_000).expect_err("still in the way");
    bench.desk.look(now + 29_999).expect("the second pause is twice the first");
    std::fs::remove_dir(&outcomes).expect("removed");
    bench.desk.look(now + 30_000).expect("kept");
    assert_eq!(stage(&stuck), Stage::Ended);
}

#[test]
fn what_a_broadcast_needs_at_its_end_is_there_from_its_start_on() {
    use std::os::unix::fs::MetadataExt as _;
    let bench = Bench::new(1, 5_000);
    let broadcast = bench.started("a", "");
    let folder = bench.directory.path().join("broadcasts").join(&broadcast);
    let room = std::fs::metadata(folder.join("outcomes.room")).expect("there is room");
    assert_eq!(room.len(), 5_000 * 4 + 4);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    let kept = std::fs::metadata(folder.join("outcomes")).expect("kept");
    assert_eq!((kept.ino(), kept.len()), (room.ino(), room.len()), "in the very place");
    let (_, words) = bench.desk.words(&broadcast).expect("readable");
    assert_eq!(words.len(), 5_000);
}

fn follower(reqid: &str) -> FollowerWanted {
    let texts = Texts {
        variants: [("en".to_owned(), "It was wrong".to_owned())].into(),
        fallback: vec!["en".to_owned()],
        ..Texts::default()
    };
    FollowerWanted { reqid: reqid.to_owned(), texts: Some(texts), lifetime: None }
}

pub(super) fn rfc3339(ms: u64) -> String {
    let text = wire::terms::calendar::jst_text(ms);
    format!("{}T{}+09:00", &text[..10], &text[11..19])
}

#[test]
fn a_retraction_has_nothing_of_what_would_keep_it_from_being_sent() {
    let bench = Bench::new(1, 10);
    let now_ms = host::clock::unix_ms();
    let hour_ms = 3_600_000;
    let (begin, end) = (rfc3339(now_ms - hour_ms), rfc3339(now_ms + 2_000));
    let more = format!(
        r#""start":"{begin}","too_late_after":86400,"hold_seconds":600,
        "expect":{{"recipients":[10,10]}},"alertid":"flood","alertseq":0,"deadline":"{end}","#
    );
    let broadcast = bench.draft("a", &more);
    let (digest, recipients) = bench.agreed(&broadcast);
    bench.desk.start(&broadcast, &digest, recipients, "operator").expect("started");
    {
        // As it would be some hours later.
        let mut standing = bench.desk.standing();
        let manifest = &mut standing.entry(&broadcast).expect("there").document.manifest;
        manifest.too_late_after = 60;
        manifest.deadline = Some(rfc3339(now_ms - 1_000));
    }
    bench.deliver(&broadcast, 4);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.settle(&broadcast);
    bench.desk.look(Now::read().steady).expect("kept");
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), follower("b"), "author").expect("a draft");
    let manifest = &made.manifest;
    assert_eq!((manifest.start.as_str(), manifest.hold_seconds), ("now", 0));
    assert_eq!((manifest.lifetime, manifest.deadline.as_ref()), (Some(24 * 3_600), None));
    assert_eq!(manifest.expect.recipients, None);
    let (digest, found) = bench.agreed(&made.broadcast);
    let started = bench.desk.start(&made.broadcast, &digest, found, "operator");
    let start = started.expect("it can be started").started.expect("started");
    assert!(start.deadline_ms > now_ms + 23 * hour_ms, "and has its time");
    let new = BroadcastDesk::next_identifier();
    let wanted = UpdateWanted {
        reqid: "c".to_owned(),
        texts: follower("c").texts,
        ..UpdateWanted::default()
    };
    let by = ("author", &XpidSight::whole());
    let made = bench.desk.update((&broadcast, new), wanted, by).expect("a draft");
    bench.desk.check(&made.broadcast).expect("an update can be checked too");
}

/// The phones of a broadcast's rows with this outcome.
fn outcomes_of(bench: &Bench, broadcast: &str, outcome: Outcome) -> Vec<u64> {
    let (recipients, words) = bench.desk.words(broadcast).expect("readable");
    let word = |bits: u32| crate::broadcast::outcomes::RowWord::from_bits(bits).expect("a word");
    let rows = (0..).zip(words).filter(|(_, bits)| word(*bits).outcome == outcome);
    rows.map(|(number, _)| recipients.row(number).msn.value()).collect()
}

#[test]
fn an_update_has_other_parts_of_the_manifest_where_it_says_so_and_the_rest_as_before() {
    let bench = Bench::new(1, 10);
    let more = r#""alertid":"flood","alertseq":4,"pace":{"per_second":5},"hold_seconds":9,"#;
    let broadcast = bench.started("a", more);
    let update = |text: &str| {
        let wanted: UpdateWanted = wire::json::read_exact(&mut text.as_bytes().to_vec())
            .unwrap_or_else(|error| panic!("{error}: {text}"));
        let new = BroadcastDesk::next_identifier();
        bench.desk.update((&broadcast, new), wanted, ("author", &XpidSight::whole()))
    };
    let (list, texts) = (&bench.list, r#"{"variants":{"en":"y"},"fallback":["en"]}"#);
    let legs = format!(r#"[{{"audience":{{"list":"{list}","areas":["13101"]}},"texts":{texts}}}]"#);
    let deadline = rfc3339(host::clock::unix_ms() + 3_600_000);
    let made = update(&format!(
        r#"{{"reqid":"b","legs":{legs},"class":"03","pace":{{"per_second":7}},
        "deadline":"{deadline}","expect":{{"recipients":[1,20]}}}}"#
    ));
    let made = made.expect("a draft");
    let manifest = &made.manifest;
    assert_eq!((manifest.alertseq, manifest.class.as_str()), (Some(5), "03"));
    assert_eq!((manifest.pace.per_second, manifest.hold_seconds), (7, 9));
    assert_eq!((manifest.deadline.as_ref(), manifest.lifetime), (Some(&deadline), None));
    assert_eq!(manifest.legs[0].texts.variants["en"], "y");
    let codes = vec!["13101".to_owned()];
    let areas = Some(crate::broadcast::manifest::Areas::Codes(codes));
    assert_eq!((&manifest.legs[0].audience.areas, manifest.legs.len()), (&areas, 1));
    assert_eq!(bench.agreed(&made.broadcast).1, 10);
    // Whom only the older one reached, and this one does not address, is told that it is over.
    bench.deliver(&broadcast, 4);
    let few = "msn,area\n09000000000,13101\n09000000099,13101\n";
    let other = bench.desk.make_list(ListWanted { name: "few".to_owned(), ..Default::default() });
    let other = other.expect("a list").list;
    bench.import_into(&other, few);
    let made = update(&format!(
        r#"{{"reqid":"r","legs":{},"release":{{"texts":{{"variants":{{"en":"over"}}}}}}}}"#,
        legs.replace(list.as_str(), &other)
    ));
    let made = made.expect("a draft").broadcast;
    let found = bench.desk.check(&made).expect("a dry run").check.expect("a dry run").addressed;
    let had = outcomes_of(&bench, &broadcast, Outcome::Delivered);
    let over = had.iter().filter(|phone| **phone != 9_000_000_000).count() as u64;
    let open = outcomes_of(&bench, &broadcast, Outcome::Waiting);
    let may_come = open.iter().filter(|phone| **phone != 9_000_000_000).count() as u64;
    assert_eq!((found.legs[0], found.legs[1]), (2, over + may_come));
    let made = update(&format!(r#"{{"reqid":"c","texts":{texts}}}"#)).expect("a draft");
    assert_eq!((made.manifest.pace.per_second, made.manifest.class.as_str()), (5, "02"));
    for wrong in [
        r#"{"reqid":"d"}"#.to_owned(),
        format!(r#"{{"reqid":"d","texts":{texts},"legs":{legs}}}"#),
        format!(r#"{{"reqid":"d","texts":{texts},"class":"04"}}"#),
        format!(r#"{{"reqid":"d","texts":{texts},"lifetime":5,"deadline":"{deadline}"}}"#),
    ] {
        assert!(update(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_version_that_a_retraction_stands_on_is_kept_when_others_go() {
    let bench = Bench::new(1, 10);
    let broadcast = bench.started("a", r#""alertid":"flood","alertseq":0,"#);
    let draft = bench.checked("draft", "").0;
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    {
        let mut standing = bench.desk.standing();
        let document = &mut standing.entry(&draft).expect("there").document;
        document.check.as_mut().expect("a dry run").at_ms = 0;
    }
    let version = |number: u64| format!("msn,area\n{:011},13101\n", 9_000_000_000 + number);
    (0..7).for_each(|number| bench.import(&version(number)));
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), follower("b"), "author").expect("a draft");
    bench.desk.check(&made.broadcast).expect("its version is there");
    bench.desk.order(&made.broadcast, CANCEL).expect("it is not wanted after all");
    {
        let mut standing = bench.desk.standing();
        let document = &mut standing.entry(&broadcast).expect("there").document;
        document.ended.as_mut().expect("ended").at_ms = 0;
    }
    bench.import(&version(8));
    let versions = bench.desk.list(&bench.list).expect("there").versions;
    assert_eq!(versions.len(), 5, "what nobody can start or take back any more pins nothing");
}

#[test]
fn a_change_of_a_refused_version_makes_no_usable_one() {
    let bench = Bench::new(1, 10);
    let bad: String = (0..40).map(|line| format!("{line},13101\n")).collect();
    bench.import(&format!("msn,area\n{bad}"));
    let (pieces, taken) = tokio::sync::mpsc::channel(2);
    pieces.try_send(Piece::End).expect("room");
    let options = ReaderOptions::default();
    let (list, by) = (bench.list.clone(), "somebody".to_owned());
    let wanted = ImportWanted { list, base: Some(2), may_be_empty: false, options, by };
    let refusal = bench.desk.import(wanted, taken).err().expect("refused");
    assert!(refusal.sentence.contains("too many lines"), "{}", refusal.sentence);
}

#[test]
fn rows_go_when_their_time_is_over_and_the_report_stays() {
    let mut bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    let now_ms = host::clock::unix_ms();
    bench.desk.look(Now::read().steady).expect("kept");
    let before = bench.desk.report(&broadcast).expect("a report");
    let folder = bench.directory.path().join("broadcasts").join(&broadcast);
    let files = || std::fs::read_dir(&folder).expect("there").count();
    let at = |days: u64| now_ms + days * DAY_MS;
    let kept = u64::from(KEPT_DAYS);
    bench.desk.retire(at(kept - 1), 0);
    bench.desk.retire(at(kept) - 1, DAY_MS);
    assert_eq!(files(), 3, "document, recipients, outcomes");
    bench.desk.retire(at(kept + 1), 2 * DAY_MS);
    assert_eq!(files(), 3, "the clock may have made a step");
    bench.desk.retire(at(0), 2 * DAY_MS + 60_000);
    bench.desk.retire(at(kept + 2), 3 * DAY_MS);
    assert_eq!(files(), 3, "it had made one, and was set right");
    bench.desk.retire(at(kept + 3), 4 * DAY_MS);
    assert_eq!(files(), 2, "document, report");
    let after = bench.desk.report(&broadcast).expect("a report");
    assert_eq!((after.reasons, after.adds_up), (before.reasons, true));
    let refusal = bench.desk.words(&broadcast).expect_err("no rows");
    assert!(refusal.sentence.contains("report"), "{}", refusal.sentence);
    let progress = bench.desk.progress(&broadcast, true).expect("it is still shown");
    assert_eq!((progress.state.as_str(), progress.adds_up), ("cancelled", true));
    bench.restart(|_| true);
    assert_eq!(bench.desk.report(&broadcast).expect("a report").snapshot.targeted, 10);
}

#[test]
fn drafts_have_a_bound_and_go_when_nobody_goes_on_with_them() {
    let bench = Bench::new(1, 10);
    let create = |by: &str, number: usize| {
        let manifest = bench.manifest(&format!("r{number}"), "");
        bench.desk.create(BroadcastDesk::next_identifier(), manifest, by)
    };
    for number in 0..200 {
        create("script", number).expect("there is room");
    }
    let refusal = create("script", 200).expect_err("too many");
    assert!(refusal.sentence.contains("200 drafts"), "{}", refusal.sentence);
    create("somebody", 0).expect("others have room");
    // The newest warning of a source always has a place.
    let first = create("source town", 0).expect("there is room").broadcast;
    for number in 1..=200 {
        create("source town", number).expect("there is room");
    }
    let now_ms = host::clock::unix_ms();
    let stage = |broadcast: &str| {
        let mut standing = bench.desk.standing();
        standing.entry(broadcast).ok().map(|entry| entry.document.stage)
    };
    assert_eq!(stage(&first), Some(Stage::Ended));
    bench.desk.retire(now_ms + 31 * DAY_MS, 0);
    bench.desk.retire(now_ms + 32 * DAY_MS, DAY_MS);
    assert_eq!(stage(&first), None, "what never began is not shown for ever");
    create("script", 201).expect("the old ones went");
}

/// As an audience has it: whoever may have another's text.
fn of(bench: &Bench, other: &str) -> String {
    let mut manifest = bench.manifest("follower", "");
    manifest.legs[0].audience.of = Some(OtherBroadcast {
        broadcast: other.to_owned(),
        outcomes: crate::broadcast::warnings::MAY_HAVE_IT.to_vec(),
        leg: None,
    });
    let new = BroadcastDesk::next_identifier();
    bench.desk.create(new, manifest, "author").expect("a draft").broadcast
}

#[test]
fn what_begins_and_is_stopped_while_its_rows_are_read_is_not_left_out() {
    let bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    let draft = of(&bench, &broadcast);
    let (engine, ordinal) = (bench.engine.clone(), bench.ordinal(&broadcast));
    *bench.engine.broadcasts.behind_words.lock().expect("no panic") = Some(Box::new(move || {
        engine.broadcasts.begin_all(ordinal, None);
        engine.broadcasts.end(ordinal, End::Cancelled);
    }));
    assert_eq!(bench.agreed(&draft).1, 10, "they may have the text");
}

#[test]
fn a_row_of_what_is_over_is_not_withdrawn_from_what_has_its_reqid_now() {
    let bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    let ordinal = bench.ordinal(&broadcast);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    let msn = Msn::parse(b"09000000000").expect("a phone");
    let refusal = bench.desk.withdraw(&broadcast, msn).expect_err("it is over");
    assert_eq!(refusal.code, wire::terms::code::Code::ALREADY_ENDED.number());
    let withdrawn = bench.engine.broadcasts.withdrawn.lock().expect("no panic");
    assert!(withdrawn.iter().all(|(asked, _)| *asked == ordinal), "its own rows alone");
}

#[test]
fn what_is_over_is_remembered_for_as_long_as_another_is_of_its_rows() {
    let mut bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    bench.engine.broadcasts.begin_all(bench.ordinal(&broadcast), Some(Outcome::Delivered));
    let draft = of(&bench, &broadcast);
    let (digest, found) = bench.agreed(&draft);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    let ordinal = bench.ordinal(&broadcast);
    bench.engine.broadcasts.settle(ordinal);
    let now_ms = host::clock::unix_ms();
    bench.desk.look(Now::read().steady).expect("kept");
    let outcomes = {
        let mut standing = bench.desk.standing();
        let mut document = standing.entry(&broadcast).expect("there").document.clone();
        document.ended.as_mut().expect("ended").at_ms = now_ms - 2 * DAY_MS;
        bench.desk.shelf.keep_broadcast(&broadcast, &document).expect("kept");
        standing.entry(&broadcast).expect("there").document = document;
        bench.desk.shelf.outcomes(&broadcast)
    };
    let is_remembered = |bench: &Bench| {
        let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        let until = shards[0].past.get(&ordinal);
        until.is_some_and(|until| until.ms() > now_ms + 3_000_000)
    };
    bench.engine.broadcasts.shards.lock().expect("no panic")[0].past.clear();
    // What became of its rows cannot be read for now.
    let hidden = outcomes.with_extension("hidden");
    std::fs::rename(&outcomes, &hidden).expect("moved");
    let refusal = bench.desk.start(&draft, &digest, found, "operator").expect_err("not told");
    assert!(refusal.sentence.contains(&broadcast), "{}", refusal.sentence);
    std::fs::rename(&hidden, &outcomes).expect("moved back");
    assert!(!is_remembered(&bench));
    bench.desk.tell_untold(Now::read().steady + 600_000);
    assert!(is_remembered(&bench), "its rows are asked for");
    bench.restart(|_| true);
    assert!(is_remembered(&bench), "and after a restart");
}

#[test]
fn whoever_has_a_legs_text_gets_what_takes_that_text_back() {
    let bench = Bench::new(2, 1);
    let rows: String = (0..30)
        .map(|number| {
            format!("{:011},{}\n", 9_000_000_000u64 + number, [13_101, 27_100][number as usize % 2])
        })
        .collect();
    bench.import(&format!("msn,area\n{rows}"));
    for (name, text) in [("flood", "Leave the valley"), ("quake", "Leave the houses")] {
        let wanted = format!(
            r#"{{"variants":{{"en":"{text}"}},"fallback":["en"],
            "retraction":{{"en":"Not: {text}"}}}}"#
        );
        let wanted = wire::json::read(&mut wanted.into_bytes()).expect("a template");
        bench.desk.put_template(name, wanted, "author").expect("kept");
    }
    let list = &bench.list;
    let leg = |area: &str, template: &str| {
        format!(
            r#"{{"audience":{{"list":"{list}","areas":["{area}"]}},
            "texts":{{"template":"{template}"}}}}"#
        )
    };
    let legs = [leg("13101", "flood"), leg("27100", "quake")].join(",");
    let text = format!(
        r#"{{"xpid":"00100000001","sender":"Town","class":"02","reqid":"a","lifetime":60,
        "retry":{{"schedule":"once"}},"legs":[{legs}]}}"#
    );
    let manifest = Manifest::read(text.as_bytes()).expect("a manifest");
    let new = BroadcastDesk::next_identifier();
    let broadcast = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
    let (digest, found) = bench.agreed(&broadcast);
    bench.desk.start(&broadcast, &digest, found, "operator").expect("started");
    bench.engine.broadcasts.begin_all(bench.ordinal(&broadcast), Some(Outcome::Delivered));
    let wanted = FollowerWanted { reqid: "b".to_owned(), texts: None, lifetime: None };
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), wanted, "author").expect("a draft");
    assert_eq!(made.manifest.lifetime, Some(24 * 3_600), "whoever is away is told too");
    let check = bench.desk.check(&made.broadcast).expect("a dry run").check.expect("one");
    assert_eq!(check.addressed.legs, [15, 15]);
    let texts: Vec<(&str, u64)> =
        check.addressed.texts.iter().map(|text| (text.text.as_str(), text.recipients)).collect();
    assert_eq!(texts, [("Not: Leave the valley", 15), ("Not: Leave the houses", 15)]);
    assert_eq!(check.addressed.areas["13101"], 15);
}

#[test]
fn what_is_over_is_forgotten_by_no_shard_that_does_not_remember_it() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    let ordinal = bench.ordinal(&broadcast);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    *bench.engine.broadcasts.forgets_to_remember.lock().expect("no panic") = true;
    bench.desk.look(Now::read().steady).expect("kept");
    let is_known = |bench: &Bench| {
        let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        shards.iter().all(|shard| shard.known.contains_key(&ordinal))
    };
    assert!(is_known(&bench), "a single push under its reqid finds it");
    *bench.engine.broadcasts.forgets_to_remember.lock().expect("no panic") = false;
    bench.desk.tell_untold(Now::read().steady + 600_000);
    assert!(!is_known(&bench), "and its memory by now");
}

#[test]
fn a_start_brings_those_along_who_want_none() {
    let bench = Bench::new(2, 10);
    let (broadcast, digest, found) = bench.checked("a", "");
    bench.stand(1, true);
    bench.suppress(0..3);
    bench.stand(1, false);
    bench.desk.start(&broadcast, &digest, found, "operator").expect("started");
    let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
    assert!(shards.iter().all(|shard| shard.suppressed.len() == 3), "no row goes to them");
}

#[test]
fn a_pause_of_what_runs_is_a_pause_whatever_the_clock_says() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    bench.begin_in(&broadcast, &[0, 1]);
    {
        // The clock was set back behind the start.
        let mut standing = bench.desk.standing();
        let start = &mut standing.entry(&broadcast).expect("there").document.started;
        start.as_mut().expect("started").at_ms += 60_000;
    }
    bench.desk.refresh().expect("figures");
    bench.desk.order(&broadcast, Order::Pause).expect("paused");
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
    assert_eq!(lives, [Some(Life::Paused); 2]);
}
