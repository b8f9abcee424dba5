//! A broadcast is taken back by what was prepared for that: looked at in its dry run, agreed to
//! with it, and started by itself once every shard has stopped the broadcast. What is under way
//! then is put off, row by row, until it has settled.
//!
//! **Invariants:** that it is to be taken back is kept before it is answered, and done over a
//! restart; it is taken back once; nobody has to agree again, as what was agreed to has not
//! changed: its texts are kept as the dry run wrote them out, and nobody changes the draft.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::desk::{BroadcastDesk, check_stage};
use super::documents::{Approval, BroadcastDocument, RetractingDocument, Stage};
use super::followers::retraction_of;
use super::now::Now;
use super::refusal::{BroadcastRefusal, NOT_HIGHER, STATE, broken, refused};
use super::shelf::Part;
use super::standing::Standing;
use super::takes_back::TakesBack;
use super::turns::Retry;
use super::wanted::FollowerWanted;
use crate::broadcast::areas::AreaCatalogue;
use crate::broadcast::audience::{AddressedText, LegSources, address};
use crate::broadcast::manifest::{Manifest, PreparedRetraction, Texts};
use crate::broadcast::recipients::{Recipients, RecipientsWriter};
use crate::control::now::wall_now;

/// What could not be started for so long is given up, in milliseconds.
const TRIED_MS_MAX: u64 = 24 * 3_600 * 1_000;
/// How a retraction ends that nobody is addressed by.
const NOBODY: &str = "nobody";

impl BroadcastDesk {
    /// Makes the dry run of what a manifest has ready to take it back: as if everybody had the
    /// text. What each would get, and the texts of each leg, written out. `addressed` is the file
    /// of those whom the broadcast itself addresses.
    pub(super) fn check_retraction(
        &self,
        (broadcast, manifest): (&str, &Manifest),
        templates: &BTreeMap<String, u32>,
        (sources, catalogue): (&[LegSources<'_>], &AreaCatalogue),
        addressed: &Path,
    ) -> Result<(Vec<AddressedText>, Vec<Texts>), BroadcastRefusal> {
        let Some(prepared) = &manifest.retraction else { return Ok((Vec::new(), Vec::new())) };
        let at = |refusal: BroadcastRefusal| {
            let place = Some("/retraction/texts".to_owned());
            BroadcastRefusal { place, ..refusal }
        };
        let mut taken_back = manifest.clone();
        for leg in &mut taken_back.legs {
            leg.texts = match &prepared.texts {
                Some(texts) => texts.clone(),
                None => retraction_of(&leg.texts, templates).map_err(at)?,
            };
        }
        let (written, _) = self.written_out(&taken_back).map_err(at)?;
        let folder = self.shelf.broadcast(broadcast);
        let part = Part::of(&folder.join("retraction"))?;
        let mut writer = RecipientsWriter::new(part.file.try_clone()?)?.with_own(&folder);
        let found = address(&written, sources, catalogue, &mut writer);
        let found = found.map_err(|error| at(error.into()))?;
        if found.without_text > 0 {
            writer.finish()?;
            let lacking = lacking(&File::open(addressed)?, &part.file)?;
            if lacking > 0 {
                let sentence = format!(
                    "{lacking} recipients have no retraction in their language: name a fallback"
                );
                return Err(at(refused(STATE, sentence)));
            }
        }
        Ok((found.texts, written.legs.into_iter().map(|leg| leg.texts).collect()))
    }

    /// Whether a broadcast has what takes it back ready: nobody else is asked.
    ///
    /// # Errors
    /// There is no such broadcast.
    pub fn has_retraction(&self, broadcast: &str) -> Result<bool, BroadcastRefusal> {
        let mut standing = self.standing();
        Ok(standing.entry(broadcast)?.document.manifest.retraction.is_some())
    }

    /// Notes that a broadcast is to be taken back. That nothing is prepared for it is said when it
    /// has been stopped. Where it was tried in vain, it is tried anew; what was taken back is not
    /// taken back again.
    pub(super) fn take_back(&self, broadcast: &str, by: &str) -> Result<(), BroadcastRefusal> {
        let mut standing = self.standing();
        let may_begin_anew = match standing.entry(broadcast)?.document.retracting.clone() {
            None => true,
            Some(known) => {
                let follower = known.broadcast.and_then(|new| standing.broadcasts.get(&new));
                match follower.map(|entry| &entry.document) {
                    None => known.is_done,
                    Some(follower) if was_ended_in_vain(follower) => true,
                    Some(follower) => known.is_done && is_unstarted(follower),
                }
            }
        };
        if may_begin_anew {
            is_newest(&standing, broadcast)?;
        }
        let noted = self.alter_in(&mut standing, broadcast, |document| {
            if document.started.is_none() {
                // Nobody has it.
                return Ok(());
            }
            if document.manifest.retraction.is_none() {
                let sentence = "it is stopped, and no retraction was prepared in its manifest: \
                                write one, as with `hayauma broadcast retract`";
                return Err(refused(STATE, sentence));
            }
            if !may_begin_anew {
                return Ok(());
            }
            document.retracting = Some(RetractingDocument {
                by: by.to_owned(),
                at_ms: wall_now(),
                // Whoever orders it is told where to look.
                broadcast: Some(Self::next_identifier()),
                is_done: false,
                trouble: None,
            });
            Ok(())
        });
        let noted = noted.map(drop);
        if noted.is_ok() && may_begin_anew {
            standing.entry(broadcast)?.unretracted = None;
        }
        noted
    }

    /// Starts what takes back whatever is over by now. One thread alone calls this.
    pub(super) fn take_back_due(&self, now: Now) {
        let due: Vec<String> = {
            let standing = self.standing();
            let due = standing.broadcasts.iter().filter(|(_, entry)| {
                let document = &entry.document;
                let is_stopped = document.stage == Stage::Ended || entry.is_stopped();
                let is_wanted = document.retracting.as_ref().is_some_and(|due| !due.is_done);
                let is_due = entry.unretracted.is_none_or(|retry| retry.is_due(now.steady));
                is_stopped && is_wanted && is_due
            });
            due.map(|(name, _)| name.clone()).collect()
        };
        for broadcast in due {
            let done = self.take_back_now(&broadcast);
            let noted = self.note_taken_back(&broadcast, done, now);
            if let Err(refusal) = noted {
                let error = refusal.sentence;
                tracing::error!(broadcast, error, "what became of a retraction is not kept");
            }
        }
    }

    fn note_taken_back(
        &self,
        broadcast: &str,
        done: Result<(), BroadcastRefusal>,
        now: Now,
    ) -> Result<(), BroadcastRefusal> {
        let mut standing = self.standing();
        let entry = standing.entry(broadcast)?;
        entry.unretracted = done.is_err().then(|| Retry::after(entry.unretracted, now.steady));
        let Some(known) = &entry.document.retracting else { return Ok(()) };
        let is_late = entry.ages.retracting.since(known.at_ms, now) > TRIED_MS_MAX;
        let trouble = done.err().map(|refusal| refusal.sentence);
        let is_done = trouble.is_none() || is_late;
        if known.trouble == trouble && !is_done {
            return Ok(());
        }
        match &trouble {
            None => tracing::info!(broadcast, "a broadcast is taken back"),
            Some(error) => {
                tracing::error!(broadcast, error, is_late, "a retraction is not started yet");
            }
        }
        let noted = self.alter_in(&mut standing, broadcast, |document| {
            if let Some(known) = &mut document.retracting {
                (known.is_done, known.trouble) = (is_done, trouble);
            }
            Ok(())
        });
        noted.map(drop)
    }

    fn take_back_now(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let document = self.with_follower(broadcast)?;
        let Some(RetractingDocument { by, broadcast: Some(new), .. }) = &document.retracting else {
            return Ok(());
        };
        let Some(prepared) = &document.manifest.retraction else { return Ok(()) };
        let follower = self.standing().broadcasts.get(new).map(|entry| entry.document.clone());
        if follower.as_ref().is_some_and(was_ended_in_vain) {
            let sentence = "what takes it back was ended before it began: order it again";
            return Err(refused(STATE, sentence));
        }
        let stage = follower.map(|follower| follower.stage);
        if matches!(stage, Some(Stage::Started | Stage::Ended)) {
            return Ok(());
        }
        let agreed = self.agreed_retraction(broadcast, prepared, &document)?;
        match stage {
            Some(_) => self.put_back(new, &agreed)?,
            None => {
                let of = (document.author.as_str(), TakesBack::Other(broadcast.to_owned()));
                self.create_in_place(new.clone(), agreed.clone(), of).map(drop)?;
            }
        }
        // Whoever has it by now: a dry run from before a crash may be of other rows.
        let checked = self.check(new)?;
        let Some(check) = checked.check else { return Ok(()) };
        if check.addressed.targeted == 0 {
            return self.end_unstarted(new, NOBODY);
        }
        self.agree_as_before(new, &document, &agreed)?;
        self.start(new, &check.digest, check.addressed.targeted, by).map(drop)
    }

    /// The document, with an identifier of what takes it back: a crash makes no second one.
    fn with_follower(&self, broadcast: &str) -> Result<BroadcastDocument, BroadcastRefusal> {
        self.alter(broadcast, |document| {
            if let Some(known) = &mut document.retracting {
                known.broadcast.get_or_insert_with(Self::next_identifier);
            }
            Ok(())
        })
    }

    /// What takes it back, as its dry run showed that.
    fn agreed_retraction(
        &self,
        broadcast: &str,
        prepared: &PreparedRetraction,
        document: &BroadcastDocument,
    ) -> Result<Manifest, BroadcastRefusal> {
        let PreparedRetraction { reqid, texts } = prepared.clone();
        let wanted = FollowerWanted { reqid, texts, lifetime: None };
        let mut manifest = self.manifest_of_retraction(broadcast, &wanted)?;
        // A template may say something else by now.
        let written = document.check.iter().flat_map(|check| &check.retraction_texts);
        for (leg, texts) in manifest.legs.iter_mut().zip(written) {
            leg.texts.clone_from(texts);
        }
        Ok(manifest.checked()?)
    }

    /// A draft from before, as it is to be: a deadline may have passed since it was written.
    fn put_back(&self, new: &str, agreed: &Manifest) -> Result<(), BroadcastRefusal> {
        let mut standing = self.standing();
        if standing.entry(new)?.document.manifest == *agreed {
            return Ok(());
        }
        let put_back = self.alter_in(&mut standing, new, |follower| {
            check_stage(follower, &[Stage::Draft, Stage::Checked, Stage::Approved])?;
            (follower.manifest, follower.stage) = (agreed.clone(), Stage::Draft);
            follower.check = None;
            follower.approvals.clear();
            Ok(())
        });
        put_back.map(drop)
    }

    /// What takes a broadcast back is agreed to by those who agreed to the broadcast.
    fn agree_as_before(
        &self,
        new: &str,
        document: &BroadcastDocument,
        manifest: &Manifest,
    ) -> Result<(), BroadcastRefusal> {
        let before = document.check.as_ref();
        let agreed = self.alter(new, |follower| {
            check_stage(follower, &[Stage::Checked, Stage::Approved])?;
            if follower.manifest != *manifest {
                return Err(refused(STATE, "it is not what was agreed to"));
            }
            let Some(check) = &mut follower.check else { return Ok(()) };
            check.needs_approval = before.is_none_or(|before| before.needs_approval);
            check.people = before.map(|before| before.people).unwrap_or_default();
            let digest = &check.digest;
            let agreed = |known: &Approval| Approval { digest: digest.clone(), ..known.clone() };
            follower.approvals = document.approvals.iter().map(agreed).collect();
            if !follower.approvals.is_empty() {
                follower.stage = Stage::Approved;
            }
            Ok(())
        });
        agreed.map(drop)
    }
}

/// Refuses to take back what is not the newest of its chain: whoever has its text has the newer one
/// by now, or is to get it.
fn is_newest(standing: &Standing, broadcast: &str) -> Result<(), BroadcastRefusal> {
    let Some(entry) = standing.broadcasts.get(broadcast) else { return Ok(()) };
    let manifest = &entry.document.manifest;
    let newer = standing.chain(manifest).filter(|(other, _)| {
        other.manifest.alertseq > manifest.alertseq && other.taken_back().is_none()
    });
    let newest = newer.max_by_key(|(other, _)| other.manifest.alertseq);
    let Some((newest, _)) = newest.filter(|_| entry.document.started.is_some()) else {
        return Ok(());
    };
    let sentence =
        format!("it is stopped, and its chain went on: take its newest back, {}", newest.broadcast);
    Err(refused(NOT_HIGHER, sentence))
}

/// Whether somebody ended it before it began, though there is somebody whom it would have told.
fn was_ended_in_vain(follower: &BroadcastDocument) -> bool {
    let life = follower.ended.as_ref().map(|end| end.life.as_str());
    follower.started.is_none() && life.is_some_and(|life| life != NOBODY)
}

fn is_unstarted(follower: &BroadcastDocument) -> bool {
    !matches!(follower.stage, Stage::Started | Stage::Ended)
}

/// How many get a text and nothing that takes it back. Both files are of the same rows.
fn lacking(texts: &File, retraction: &File) -> Result<u64, BroadcastRefusal> {
    let open = |file| Recipients::open(file).map_err(|error| broken(error.to_string()));
    let (texts, retraction) = (open(texts)?, open(retraction)?);
    let lacks = |row: &u32| texts.row(*row).text.is_some() && retraction.row(*row).text.is_none();
    Ok((0..texts.rows().min(retraction.rows())).filter(lacks).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;
    use crate::broadcast::life::End;
    use crate::broadcast::slice::Order;

    const PREPARED: &str = r#""retraction":{"reqid":"r","texts":{"variants":{"en":"It was wrong"},
        "fallback":["en"]}},"#;

    fn document(bench: &Bench, broadcast: &str) -> BroadcastDocument {
        bench.desk.standing().entry(broadcast).expect("there").document.clone()
    }

    fn cancel(bench: &Bench, broadcast: &str) {
        bench.desk.order(broadcast, Order::End(End::Cancelled)).expect("never refused");
    }

    #[test]
    fn what_is_to_be_taken_back_is_so_over_a_restart_and_once() {
        let mut bench = Bench::new(2, 10);
        let broadcast = bench.started("a", PREPARED);
        cancel(&bench, &broadcast);
        bench.desk.take_back(&broadcast, "operator").expect("noted");
        let told = document(&bench, &broadcast).retracting.expect("noted").broadcast;
        bench.restart(|_| true);
        let now = Now::read();
        bench.desk.take_back_due(now);
        assert_eq!(bench.desk.standing().broadcasts.len(), 1, "it has not come to its end");
        bench.desk.look(now.steady).expect("its end is kept");
        bench.desk.take_back_due(now);
        let known = document(&bench, &broadcast).retracting.expect("noted");
        assert!(known.is_done && known.trouble.is_none(), "{known:?}");
        let new = known.broadcast.expect("it has one");
        assert_eq!(told.as_ref(), Some(&new), "whoever ordered it knows where to look");
        let follower = document(&bench, &new);
        // Nobody had the text.
        assert_eq!(follower.ended.map(|end| end.life).as_deref(), Some(NOBODY));
        assert_eq!((follower.manifest.reqid.as_str(), follower.author.as_str()), ("r", "author"));
        bench.desk.take_back(&broadcast, "operator").expect("noted before");
        bench.desk.take_back_due(now.later(600_000));
        assert_eq!(document(&bench, &broadcast).retracting.expect("noted").broadcast, Some(new));
        assert_eq!(bench.desk.standing().broadcasts.len(), 2);
    }

    #[test]
    fn what_cannot_be_started_is_tried_again_and_says_why() {
        let bench = Bench::new(1, 10);
        let broadcast = bench.started("a", PREPARED);
        let other = somebody_takes(&bench, "r");
        cancel(&bench, &broadcast);
        bench.desk.take_back(&broadcast, "operator").expect("noted");
        let now = Now::read();
        bench.desk.look(now.steady).expect("its end is kept");
        bench.desk.take_back_due(now);
        let known = document(&bench, &broadcast).retracting.expect("noted");
        assert!(!known.is_done && known.trouble.is_some_and(|why| why.contains("reqid")));
        bench.desk.take_back_due(now.later(TRIED_MS_MAX + 1));
        assert!(document(&bench, &broadcast).retracting.expect("noted").is_done, "given up");
        // What was in the way is gone, and somebody orders it again.
        bench.desk.standing().entry(&other).expect("there").document.manifest.reqid =
            "x".to_owned();
        bench.desk.take_back(&broadcast, "operator").expect("noted anew");
        bench.desk.take_back_due(now);
        let known = document(&bench, &broadcast).retracting.expect("noted");
        assert!(known.is_done && known.trouble.is_none(), "{known:?}");
        assert!(known.broadcast.is_some_and(|new| document(&bench, &new).ended.is_some()));
    }

    #[test]
    fn a_retraction_that_somebody_discarded_is_told_and_may_be_ordered_again() {
        let bench = Bench::new(1, 10);
        let (broadcast, new) = taken_back_in_vain(&bench);
        bench.desk.order(&new, Order::End(End::Cancelled)).expect("discarded");
        {
            let mut standing = bench.desk.standing();
            let others = standing.broadcasts.values_mut();
            others.for_each(|other| {
                let reqid = &mut other.document.manifest.reqid;
                if reqid == "r" {
                    reqid.push('2');
                }
            });
        }
        bench.desk.take_back_due(Now::read().later(600_000));
        let known = document(&bench, &broadcast).retracting.expect("noted");
        assert!(!known.is_done && known.trouble.is_some(), "nobody was told: {known:?}");
        bench.desk.take_back(&broadcast, "operator").expect("noted anew");
        bench.desk.take_back_due(Now::read());
        let known = document(&bench, &broadcast).retracting.expect("noted");
        let again = known.broadcast.expect("it has one");
        assert!(known.is_done && again != new, "{:?}", known.trouble);
        assert_eq!(document(&bench, &again).stage, Stage::Started);
    }

    #[test]
    fn of_a_chain_the_newest_is_taken_back() {
        let bench = Bench::new(1, 10);
        let of_chain = |alertseq: u8| format!(r#"{PREPARED}"alertid":"f","alertseq":{alertseq},"#);
        let older = bench.started("a", &of_chain(1));
        let newer = bench.started("b", &of_chain(2).replace("\"r\"", "\"s\""));
        let refusal = bench.desk.take_back(&older, "operator").expect_err("it went on");
        assert!(refusal.sentence.contains(&newer), "{}", refusal.sentence);
        bench.desk.take_back(&newer, "operator").expect("noted");
    }

    #[test]
    fn two_broadcasts_have_no_reqid_in_common_nor_what_takes_them_back() {
        let bench = Bench::new(1, 10);
        bench.started("a", PREPARED);
        let refusal = bench.desk.check(&bench.draft("b", PREPARED)).expect_err("r is taken");
        assert_eq!(refusal.place.as_deref(), Some("/retraction/reqid"), "{}", refusal.sentence);
        let refusal = bench.desk.check(&bench.draft("r", "")).expect_err("r is taken");
        assert_eq!(refusal.place, None, "{}", refusal.sentence);
    }

    /// Somebody else's broadcast has this reqid, as one from before a change of the rules may.
    fn somebody_takes(bench: &Bench, reqid: &str) -> String {
        let (other, digest, recipients) = bench.checked("other", "");
        bench.desk.start(&other, &digest, recipients, "operator").expect("started");
        let mut standing = bench.desk.standing();
        reqid.clone_into(&mut standing.entry(&other).expect("there").document.manifest.reqid);
        drop(standing);
        other
    }

    #[test]
    fn a_retraction_that_could_not_be_sent_is_said_by_the_dry_run() {
        let bench = Bench::new(1, 10);
        let draft = bench.draft("a", &PREPARED.replace("It was", "{{nothing}}"));
        let refusal = bench.desk.check(&draft).expect_err("a parameter that nobody has");
        assert_eq!(refusal.place.as_deref(), Some("/retraction/texts"), "{}", refusal.sentence);
        let draft = bench.draft("b", &PREPARED.replace("[\"en\"]", "[]"));
        let refusal = bench.desk.check(&draft).expect_err("nobody has a language");
        assert!(refusal.sentence.contains("in their language"), "{}", refusal.sentence);
        // Who has no text needs nothing that takes it back.
        let mut manifest = bench.manifest("e", PREPARED);
        manifest.legs[0].texts.fallback.clear();
        manifest.retraction.as_mut().and_then(|r| r.texts.as_mut()).expect("one").fallback.clear();
        let new = BroadcastDesk::next_identifier();
        let draft = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
        let check = bench.desk.check(&draft).expect("a dry run").check.expect("one");
        assert_eq!(check.addressed.without_text, 10);
        let broadcast = bench.started("c", "");
        cancel(&bench, &broadcast);
        let refusal = bench.desk.take_back(&broadcast, "operator").expect_err("nothing prepared");
        assert_eq!(refusal.code, STATE);
        let check = bench.desk.check(&bench.draft("d", PREPARED)).expect("a dry run").check;
        assert_eq!(check.expect("one").retraction[0].text, "It was wrong");
    }

    /// A broadcast that was cancelled and that another takes back, which cannot be started yet.
    fn taken_back_in_vain(bench: &Bench) -> (String, String) {
        let broadcast = bench.started("a", PREPARED);
        somebody_takes(bench, "r");
        deliver(bench, &broadcast);
        end(bench, &broadcast);
        bench.desk.take_back_due(Now::read());
        let known = document(bench, &broadcast).retracting.expect("noted");
        assert!(!known.is_done, "another has its reqid");
        (broadcast, known.broadcast.expect("it has one"))
    }

    /// Everybody has it.
    fn deliver(bench: &Bench, broadcast: &str) {
        let delivered = Some(crate::broadcast::outcomes::Outcome::Delivered);
        bench.engine.broadcasts.begin_all(bench.ordinal(broadcast), delivered);
    }

    /// It is stopped, and its end is kept.
    fn end(bench: &Bench, broadcast: &str) {
        cancel(bench, broadcast);
        bench.desk.take_back(broadcast, "operator").expect("noted");
        bench.engine.broadcasts.settle(bench.ordinal(broadcast));
        bench.desk.look(Now::read().steady).expect("its end is kept");
    }

    #[test]
    fn what_takes_a_broadcast_back_is_changed_by_nobody() {
        let bench = Bench::new(1, 10);
        let (_, new) = taken_back_in_vain(&bench);
        let other = bench.manifest("other", "");
        let refusal = bench.desk.change(&new, other, "author").expect_err("it was agreed to");
        assert_eq!(refusal.code, STATE, "{}", refusal.sentence);
        let digest = document(&bench, &new).check.map(|check| check.digest).unwrap_or_default();
        let refusal = bench.desk.reject(&new, &digest, "approver").expect_err("it was agreed to");
        assert_eq!(refusal.code, STATE, "{}", refusal.sentence);
    }

    #[test]
    fn a_broadcast_is_taken_back_as_was_agreed_whatever_became_of_the_draft() {
        let bench = Bench::new(1, 10);
        let (broadcast, new) = taken_back_in_vain(&bench);
        {
            let mut standing = bench.desk.standing();
            let follower = &mut standing.entry(&new).expect("there").document;
            follower.manifest = bench.manifest("other", "");
            // The one that had the reqid is long over.
            let others = standing.broadcasts.values_mut();
            others.filter(|other| other.document.manifest.reqid == "r").for_each(|other| {
                other.document.manifest.reqid = "free".to_owned();
            });
        }
        bench.desk.take_back_due(Now::read().later(60_000));
        let known = document(&bench, &broadcast).retracting.expect("noted");
        assert!(known.is_done, "{known:?}");
        let follower = document(&bench, &new);
        assert_eq!((follower.stage, follower.manifest.reqid.as_str()), (Stage::Started, "r"));
        let texts = &follower.check.expect("a dry run").addressed.texts;
        assert_eq!(texts.first().map(|text| text.text.as_str()), Some("It was wrong"));
    }

    #[test]
    fn a_retraction_says_what_its_template_said_when_it_was_agreed_to() {
        let bench = Bench::new(1, 10);
        let put = |text: &str| {
            let wanted = format!(r#"{{"variants":{{"en":"{text}"}},"fallback":["en"]}}"#);
            let mut wanted = wanted.into_bytes();
            let wanted = wire::json::read(&mut wanted).expect("a template");
            bench.desk.put_template("sorry", wanted, "author").expect("kept");
        };
        put("It was wrong");
        let of_template = r#""retraction":{"reqid":"r","texts":{"template":"sorry"}},"#;
        let (broadcast, first, recipients) = bench.checked("a", of_template);
        put("Never mind");
        let (second, _) = bench.agreed(&broadcast);
        assert_ne!(first, second, "an approval is of what would take it back too");
        put("It was wrong");
        let (digest, _) = bench.agreed(&broadcast);
        bench.desk.start(&broadcast, &digest, recipients, "operator").expect("started");
        put("Something that nobody has agreed to");
        deliver(&bench, &broadcast);
        end(&bench, &broadcast);
        bench.desk.take_back_due(Now::read());
        let known = document(&bench, &broadcast).retracting.expect("noted");
        assert!(known.is_done, "{known:?}");
        let follower = document(&bench, &known.broadcast.expect("it has one"));
        let texts = &follower.check.expect("a dry run").addressed.texts;
        assert_eq!(texts.first().map(|text| text.text.as_str()), Some("It was wrong"));
    }
}
