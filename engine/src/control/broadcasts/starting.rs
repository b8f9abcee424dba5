//! The start of a broadcast: one rename decides it, and then the shards are told.
//!
//! **Invariants:** an ordinal is given once, for as long as the data directory or a copy of it
//! lives; nobody else waits for the desk while a shard, or a file of recipients, takes its time.

use std::fs;
use std::sync::Arc;

use super::beside::Answers;
use super::check::reqids_are_free;
use super::desk::{
    BroadcastDesk, check_stage, holding_check, takes_none_back, texts_of, wrong_manifest,
};
use super::documents::{BroadcastDocument, ScheduleDocument, Stage, StartDocument};
use super::due::due_later;
use super::now::Now;
use super::refusal::{
    APPROVAL, BroadcastRefusal, CHECK_OUTDATED, NOT_EXPECTED, NOT_HIGHER, STATE, TOO_MANY_LIVE,
    refused,
};
use super::standing::Standing;
use crate::broadcast::limits::{LIFETIME_SECONDS_MAX, LIVE_MAX};
use crate::broadcast::manifest::Manifest;
use crate::broadcast::running::RunningBroadcast;
use crate::control::now::wall_now;
use crate::gateway::broadcasting::People;
use crate::io::figures::ControlError;
use crate::testing::kill_points::{KillPoint, kill_point};
use wire::terms::rfc3339::parse_rfc3339;
use wire::terms::time::WallMs;

/// What somebody ordered to start.
struct Ordered<'a> {
    broadcast: &'a str,
    digest: &'a str,
    recipients: u64,
    by: &'a str,
}

/// What becomes of such an order.
enum Begun {
    /// It is done with: there is nothing to tell.
    Done(Box<BroadcastDocument>),
    /// It was started before: its shards are told once more.
    Again(Box<BroadcastDocument>),
    /// It may be started, as it is there.
    Now(Box<BroadcastDocument>),
}

/// What a start came to.
enum Decided {
    /// It is kept.
    Started(Box<BroadcastDocument>),
    /// Somebody has changed it since its files were read: it is this now.
    Changed(Box<BroadcastDocument>),
}

/// So often the files of one start are read anew, where somebody changes it meanwhile.
const READ_ANEW_MAX: usize = 8;

impl BroadcastDesk {
    /// Starts it: returns when every shard has that durable. A start that is repeated gets the same
    /// answer.
    pub(super) fn start(
        &self,
        broadcast: &str,
        digest: &str,
        recipients: u64,
        by: &str,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        self.does_not_look_on()?;
        let turns = self.turns_of(broadcast)?;
        let _turn = turns.start();
        self.may_begin(broadcast)?;
        let ordered = Ordered { broadcast, digest, recipients, by };
        let document = match self.begin(&ordered)? {
            Begun::Done(document) => return Ok(*document),
            // The answer says that every shard has it, whatever became of the one before.
            Begun::Again(document) => *document,
            Begun::Now(document) => self.carry_out(*document, &ordered)?,
        };
        self.tell_start(broadcast)?;
        Ok(document)
    }

    /// Whether this engine only looks on: nothing is sent from here.
    pub fn looks_on(&self) -> bool {
        self.engine.looks_on()
    }

    /// An engine that only looks on has nothing go on or go faster: it would not be true.
    pub(super) fn does_not_look_on(&self) -> Result<(), BroadcastRefusal> {
        if self.looks_on() { Err(ControlError::LooksOn.into()) } else { Ok(()) }
    }

    /// What was not started yet stands on lists that can be read, and on a registration that lets
    /// it be sent and asks for no more people than agreed.
    fn may_begin(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let (manifest, people) = {
            let mut standing = self.standing();
            let takes_back = takes_none_back(&standing, broadcast).is_err();
            let document = &standing.entry(broadcast)?.document;
            if document.started.is_some() {
                return Ok(());
            }
            // What was agreed to for a time, or with another, is held against no later rule.
            let is_new = matches!(document.stage, Stage::Checked | Stage::Approved) && !takes_back;
            let people = document.check.as_ref().filter(|_| is_new).map(|check| match check {
                check if check.needs_approval => check.people,
                _ => People::None,
            });
            (document.manifest.clone(), people)
        };
        if let Some(people) = people
            && self.check_registration(&manifest, wall_now())? > people
        {
            let sentence = "its registration asks for more people than at the dry run: check it \
                            again";
            return Err(refused(CHECK_OUTDATED, sentence));
        }
        self.heeds_suppression(&manifest)
    }

    /// Looks at what was ordered.
    fn begin(&self, ordered: &Ordered<'_>) -> Result<Begun, BroadcastRefusal> {
        let mut standing = self.standing();
        let now_ms = wall_now();
        let document = standing.entry(ordered.broadcast)?.document.clone();
        if document.started.is_some() {
            let same = document.check.as_ref().is_some_and(|check| check.digest == ordered.digest);
            if !same {
                return Err(refused(STATE, "the broadcast was started already"));
            }
            let is_over = document.stage == Stage::Ended;
            let document = Box::new(document);
            return Ok(if is_over { Begun::Done(document) } else { Begun::Again(document) });
        }
        let check_now_ms = standing.entry(ordered.broadcast)?.check_now_ms(Now::read());
        may_start(&standing, &document, ordered, (now_ms, check_now_ms))?;
        if let Some(due_ms) = due_later(&document.manifest, now_ms)? {
            let document = self.schedule(&mut standing, document, due_ms, ordered)?;
            return Ok(Begun::Done(Box::new(document)));
        }
        Ok(Begun::Now(Box::new(document)))
    }

    /// Reads the files of a start, and decides it by what they were read of: a dry run that came
    /// meanwhile has files of its own.
    fn carry_out(
        &self,
        mut seen: BroadcastDocument,
        ordered: &Ordered<'_>,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        for _ in 0..READ_ANEW_MAX {
            let read = self.prepare(&seen, ordered);
            match self.decide(&seen, read, ordered)? {
                Decided::Started(document) => return Ok(*document),
                Decided::Changed(document) => seen = *document,
            }
        }
        let sentence = "its dry run is made anew all the time: start it when that has come to rest";
        Err(refused(CHECK_OUTDATED, sentence))
    }

    /// What runs from a start on, but for its number, and the room for its end.
    fn prepare(
        &self,
        seen: &BroadcastDocument,
        ordered: &Ordered<'_>,
    ) -> Result<RunningBroadcast, BroadcastRefusal> {
        let start = start_of(seen, ordered, 0);
        let running = self.running_of(seen, &start)?;
        let rows = u64::from(running.recipients.rows());
        self.shelf.make_outcomes_room(ordered.broadcast, rows)?;
        Ok(running)
    }

    /// Gives a start its number and keeps it, if it still may be one when its files have been read.
    fn decide(
        &self,
        seen: &BroadcastDocument,
        read: Result<RunningBroadcast, BroadcastRefusal>,
        ordered: &Ordered<'_>,
    ) -> Result<Decided, BroadcastRefusal> {
        let before = Answers::of(&self.engine.figures());
        let mut standing = self.standing();
        let known = standing.entry(ordered.broadcast)?.document.clone();
        let file = |document: &BroadcastDocument| document.check.as_ref().map(|c| c.file.clone());
        let is_same = known.manifest == seen.manifest && file(&known) == file(seen);
        let check_now_ms = standing.entry(ordered.broadcast)?.check_now_ms(Now::read());
        let times = (wall_now(), check_now_ms);
        let may_start = may_start(&standing, &known, ordered, times);
        if may_start.is_ok() && !is_same {
            return Ok(Decided::Changed(Box::new(known)));
        }
        let running = may_start.and(read).inspect_err(|_| {
            // Nothing is to end that does not begin.
            if known.started.is_none() {
                let _ = fs::remove_file(self.shelf.outcomes_room(ordered.broadcast));
            }
        })?;
        let ordinal = standing.free_ordinal()?;
        // Before anything is done under it: an ordinal that is lost is no harm, one that is given
        // twice is.
        self.shelf.keep_next_ordinal(ordinal + 1)?;
        standing.next_ordinal = ordinal + 1;
        let start = StartDocument {
            ordinal,
            at_ms: running.terms.started_ms,
            deadline_ms: running.terms.deadline_ms,
            by: ordered.by.to_owned(),
        };
        let running = running.numbered(ordinal, &texts_of(&known)).ok_or_else(wrong_manifest)?;
        let (stage, started) = (Stage::Started, Some(start));
        let document = BroadcastDocument { stage, started, ..known };
        // This rename decides the start.
        self.shelf.keep_broadcast(ordered.broadcast, &document)?;
        kill_point(KillPoint::RowsKept);
        let entry = standing.entry(ordered.broadcast)?;
        entry.document = document.clone();
        entry.running = Some(Arc::new(running));
        entry.answers_before = Some(before);
        Ok(Decided::Started(Box::new(document)))
    }

    /// Keeps an order to start for its time. One that is repeated changes nothing.
    fn schedule(
        &self,
        standing: &mut Standing,
        document: BroadcastDocument,
        due_ms: WallMs,
        ordered: &Ordered<'_>,
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        if document.stage == Stage::Scheduled {
            return Ok(document);
        }
        let digest = document.check.as_ref().map(|check| check.digest.clone());
        let scheduled = ScheduleDocument {
            due_ms,
            by: ordered.by.to_owned(),
            ordered_ms: wall_now(),
            digest: digest.unwrap_or_default(),
            recipients: ordered.recipients,
            trouble: None,
        };
        let stage = Stage::Scheduled;
        let document = BroadcastDocument { stage, scheduled: Some(scheduled), ..document };
        self.shelf.keep_broadcast(&document.broadcast, &document)?;
        standing.entry(&document.broadcast)?.document = document.clone();
        Ok(document)
    }
}

fn may_start(
    standing: &Standing,
    document: &BroadcastDocument,
    ordered: &Ordered<'_>,
    (now_ms, check_now_ms): (WallMs, WallMs),
) -> Result<(), BroadcastRefusal> {
    check_stage(document, &[Stage::Checked, Stage::Approved, Stage::Scheduled])?;
    // What was ordered for a time is the dry run that held then.
    let ordered_ms = document.scheduled.as_ref().map_or(check_now_ms, |due| due.ordered_ms);
    let check = holding_check(document, ordered.digest, ordered_ms)?;
    let own = (document.broadcast.as_str(), document.stage);
    reqids_are_free(standing, own, &document.manifest, now_ms)?;
    let is_approved = document.approvals.iter().any(|approval| approval.digest == ordered.digest);
    if check.needs_approval && !is_approved {
        let who = match check.people {
            People::Two => "somebody who neither wrote nor changed it",
            People::One | People::None => "somebody",
        };
        return Err(refused(APPROVAL, format!("{who} has to approve it first")));
    }
    let found = check.addressed.targeted;
    if found != ordered.recipients {
        let who = if found == 1 { "recipient" } else { "recipients" };
        let sentence = format!("the dry run found {found} {who}: repeat that number");
        return Err(refused(NOT_EXPECTED, sentence));
    }
    // What follows another may find nobody left, and is done with then.
    let follows = document.manifest.legs.iter().any(|leg| leg.audience.of.is_some());
    if found == 0 && !follows && document.manifest.class != "09" {
        return Err(refused(NOT_EXPECTED, "nobody is addressed: look at the areas and the lists"));
    }
    let expect = &document.manifest.expect;
    if let Some([least, most]) = expect.recipients
        && !(least..=most).contains(&found)
    {
        let sentence = format!("{found} recipients were found, and {least} to {most} are expected");
        return Err(refused(NOT_EXPECTED, sentence));
    }
    let segments = check.addressed.texts.iter().map(|text| text.segments).max().unwrap_or(0);
    if expect.segments_max.is_some_and(|most| segments > most) {
        let sentence = format!("a text takes {segments} short messages, more than is expected");
        return Err(refused(NOT_EXPECTED, sentence));
    }
    if let (Some(cost), Some(most)) = (check.cost, expect.cost_max)
        && cost > most
    {
        let sentence = format!("it costs {cost} yen, and {most} are expected at most");
        return Err(refused(NOT_EXPECTED, sentence));
    }
    let live = standing.started().filter(|(other, _)| other.stage == Stage::Started).count();
    if live >= LIVE_MAX {
        return Err(refused(TOO_MANY_LIVE, format!("{LIVE_MAX} broadcasts are live: end one")));
    }
    let highest =
        standing.chain(&document.manifest).map(|(other, _)| other.manifest.alertseq).max();
    if highest.is_some_and(|highest| document.manifest.alertseq <= highest) {
        let sentence = "the chain has this alertseq, or a higher one: count on from it";
        return Err(refused(NOT_HIGHER, sentence));
    }
    Ok(())
}

/// A start at this moment.
fn start_of(document: &BroadcastDocument, ordered: &Ordered<'_>, ordinal: u32) -> StartDocument {
    let at_ms = wall_now();
    let deadline_ms = deadline_of(&document.manifest, at_ms);
    StartDocument { ordinal, by: ordered.by.to_owned(), at_ms, deadline_ms }
}

/// No attempt from then on.
pub(super) fn deadline_of(manifest: &Manifest, now_ms: WallMs) -> WallMs {
    let most = now_ms + LIFETIME_SECONDS_MAX * 1_000;
    let named = manifest.deadline.as_deref().and_then(parse_rfc3339);
    let own = manifest.lifetime.map(|seconds| now_ms + seconds * 1_000);
    named.or(own).unwrap_or(most).min(most)
}

#[cfg(test)]
mod tests {
    use super::super::sight::XpidSight;
    use super::super::tests::Bench;
    use super::super::wanted::PaceWanted;
    use super::*;
    use crate::broadcast::slice::Order;

    #[test]
    fn a_dry_run_beside_a_start_takes_no_file_away_under_it() {
        let bench = Bench::new(2, 100);
        let (broadcast, digest, recipients) = bench.checked("a", "");
        let (broadcast, digest) = (broadcast.as_str(), digest.as_str());
        let ordered = Ordered { broadcast, digest, recipients, by: "operator" };
        let Begun::Now(seen) = bench.desk.begin(&ordered).expect("it may start") else {
            panic!("it is started now");
        };
        // Somebody's second look ends between the look at the draft and the decision.
        bench.desk.check(broadcast).expect("a dry run");
        bench.desk.approve(broadcast, digest, "approver").expect("agreed");
        let started = bench.desk.carry_out(*seen, &ordered).expect("started");
        let file = &started.check.as_ref().expect("a dry run").file;
        let folder = bench.directory.path().join("broadcasts").join(broadcast);
        assert!(folder.join(file).exists(), "what it is sent from is there");
        bench.desk.tell_start(broadcast).expect("told");
        assert_eq!(bench.desk.words(broadcast).expect("readable").1.len(), 100);
    }

    #[test]
    fn an_engine_that_looks_on_starts_nothing_has_nothing_go_on_and_says_so() {
        let bench = Bench::new(1, 10);
        let running = bench.started("a", "");
        let (broadcast, digest, recipients) = bench.checked("b", "");
        assert!(!bench.desk.glance(&running).expect("there").looks_on);
        bench.engine.looks_on.store(true, std::sync::atomic::Ordering::Relaxed);
        let faster = PaceWanted { per_second: Some(9), ..Default::default() };
        for refused in [
            bench.desk.start(&broadcast, &digest, recipients, "operator").map(drop),
            bench.desk.order(&running, Order::Resume),
            bench.desk.set_pace(&running, &faster, ("operator", false)),
            bench.desk.open_wave(&running, 1, "operator"),
        ] {
            let sentence = refused.expect_err("it only looks on").sentence;
            assert!(sentence.contains("--take-over"), "{sentence}");
        }
        let all = bench.desk.all(&XpidSight::whole()).expect("looked at");
        assert!(all.len() == 2 && all.iter().all(|progress| progress.looks_on), "{all:?}");
        assert!(bench.desk.glance(&running).expect("there").looks_on);
    }

    #[test]
    fn phones_tell_a_broadcast_from_the_one_before_and_know_it_again_after_a_restart() {
        let mut bench = Bench::new(1, 10);
        let long = "Leave the valley for the school on the hill. ".repeat(5);
        let started = |bench: &Bench, reqid: &str| {
            let mut manifest = bench.manifest(reqid, "");
            manifest.legs[0].texts.variants.insert("en".to_owned(), long.clone());
            let new = BroadcastDesk::next_identifier();
            let draft = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
            let (digest, recipients) = bench.agreed(&draft);
            bench.desk.start(&draft, &digest, recipients, "operator").expect("started");
            draft
        };
        let texts = |bench: &Bench, broadcast: &str| {
            let mut standing = bench.desk.standing();
            let running = standing.entry(broadcast).expect("there").running.clone();
            let running = running.expect("it runs");
            (running.message_reference, running.texts.clone())
        };
        let both = [started(&bench, "a"), started(&bench, "b")];
        let before = both.each_ref().map(|broadcast| texts(&bench, broadcast));
        assert_eq!(before[0].1[0].segments(), 2);
        assert_ne!(before[0].0, before[1].0, "a status report names one of them");
        assert_ne!(before[0].1, before[1].1, "parts of one are never put to the other's");
        bench.restart(|_| true);
        assert_eq!(both.each_ref().map(|broadcast| texts(&bench, broadcast)), before);
    }

    #[test]
    fn a_start_that_is_refused_in_the_end_leaves_no_room_behind() {
        let bench = Bench::new(1, 100);
        let (broadcast, digest, recipients) = bench.checked("a", "");
        let (broadcast, digest) = (broadcast.as_str(), digest.as_str());
        let ordered = Ordered { broadcast, digest, recipients, by: "operator" };
        let Begun::Now(seen) = bench.desk.begin(&ordered).expect("it may start") else {
            panic!("it is started now");
        };
        let read = bench.desk.prepare(&seen, &ordered);
        bench.desk.end_unstarted(broadcast, "cancelled").expect("ended");
        assert!(bench.desk.decide(&seen, read, &ordered).is_err(), "it was ended");
        assert!(!bench.desk.shelf.outcomes_room(broadcast).exists());
    }
}
