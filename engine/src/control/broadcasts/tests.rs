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
use crate::control::now::wall_now;
use hyper::body::Bytes;
use std::sync::{Arc, Barrier};
use tempfile::TempDir;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::time::{SteadyMs, WallMs};

mod agreeing;
mod damaged;
mod drafts;
mod ending;
mod followers;
mod forgetting;
mod orders;
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

    /// What is old goes, by this time of both clocks; `steady_ms` is milliseconds.
    pub(super) fn retire(&self, wall_ms: WallMs, steady_ms: u64) {
        self.desk.retire(Now { wall_ms, steady: SteadyMs::new(steady_ms) });
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

fn follower(reqid: &str) -> FollowerWanted {
    let texts = Texts {
        variants: [("en".to_owned(), "It was wrong".to_owned())].into(),
        fallback: vec!["en".to_owned()],
        ..Texts::default()
    };
    FollowerWanted { reqid: reqid.to_owned(), texts: Some(texts), lifetime: None }
}

pub(super) fn rfc3339(at_ms: WallMs) -> String {
    let text = wire::terms::calendar::jst_text(at_ms.ms());
    format!("{}T{}+09:00", &text[..10], &text[11..19])
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
