//! What a judged warning does: a draft, a start by itself, the end of its chain's broadcasts, or
//! nothing.

use super::aging::SOURCE;
use super::answers::{WarningAnswer, WarningRemark, own_chain};
use super::desk::{BroadcastDesk, check_stage};
use super::documents::{Approval, BroadcastDocument, Stage};
use super::followers::ALERTSEQ_MAX;
use super::refusal::{ALERT, BroadcastRefusal, NOT_HIGHER, refused};
use super::takes_back::TakesBack;
use crate::broadcast::life::End;
use crate::broadcast::manifest::{Manifest, Suppression};
use crate::broadcast::slice::Order;
use crate::broadcast::warnings::{ChainBroadcast, ChainPlace, SourceTerms, propose};
use crate::control::now::wall_now;
use crate::control::sources::SourceSettings;
use axum::http::StatusCode;
use wire::cap::Status;
use wire::cap::draft::{Disposition, Draft, Hold, WarningAct};

/// A warning that is judged and new, with what its source's log knows.
pub(super) struct Arrived {
    pub(super) source: String,
    /// The one name of its sender.
    pub(super) sender: String,
    pub(super) settings: SourceSettings,
    pub(super) draft: Draft,
    /// The chains that it may belong to; the first is the newest.
    pub(super) chains: Vec<String>,
    /// The source has told of one of them before.
    pub(super) is_known: bool,
    /// The highest revision that was told of the chain.
    pub(super) newest_revision: Option<u32>,
    pub(super) remarks: Vec<WarningRemark>,
    /// What the registration that it would be sent by does not allow.
    pub(super) waits: Vec<String>,
    /// It came as the source's own, by a way on which nobody could change it.
    pub(super) starts_itself: bool,
    /// Whoever brought it may stop what runs.
    pub(super) may_stop: bool,
    /// It is only asked what would become of it.
    pub(super) is_look: bool,
}

impl BroadcastDesk {
    /// Does what a warning asks for, within its source's rights.
    pub(super) fn settle(&self, arrived: Arrived) -> Result<WarningAnswer, BroadcastRefusal> {
        let draft = &arrived.draft;
        let mut answer = WarningAnswer::of(&arrived.source, draft, "judged");
        answer.sender.clone_from(&arrived.sender);
        answer.warnings.extend(arrived.remarks.iter().cloned());
        if let Disposition::NothingIsSent(why) = &draft.disposition {
            // What was never meant begins no chain that a later warning could go on with.
            answer.chain = None;
            if draft.act == WarningAct::Note {
                answer.state = "noted".to_owned();
                answer.chain = arrived.chains.first().cloned();
            }
            answer.waits.push(format!("nothing is sent: {why}"));
            return Ok(answer);
        }
        if draft.status == Status::Exercise && !arrived.settings.exercises {
            answer.chain = None;
            answer.waits.push("the source is not registered to send exercises".to_owned());
            return Ok(answer);
        }
        let chain = self.chain_of_warning(&arrived)?;
        let known = |newest| draft.revision.is_some_and(|revision| revision <= newest);
        if arrived.newest_revision.is_some_and(known) {
            answer.state = "dropped".to_owned();
            answer.chain = chain;
            answer.waits.push("a later revision of it came before".to_owned());
            return Ok(answer);
        }
        if draft.act == WarningAct::Cancel {
            return self.cancel_chain(&arrived, chain, answer);
        }
        if draft.act == WarningAct::AllClear && chain.is_none() {
            answer.state = "waiting".to_owned();
            answer.waits.push("nobody knows what is over: no chain of it is known".to_owned());
            return Ok(answer);
        }
        if draft.act == WarningAct::Update && !arrived.is_known {
            let why = "it updates nothing that is known: start it as a new alert";
            answer.waits.push(why.to_owned());
        }
        let chain = chain.unwrap_or_else(|| own_chain(draft));
        self.draft_of_warning(&arrived, chain, answer)
    }

    /// The chain that a warning belongs to, among those that its references name.
    fn chain_of_warning(&self, arrived: &Arrived) -> Result<Option<String>, BroadcastRefusal> {
        let chains = &arrived.chains;
        let live: Vec<&String> = chains
            .iter()
            .filter(|chain| !self.of_chain(chain, &arrived.settings.xpid, true).is_empty())
            .collect();
        if live.len() > 1 {
            let sentence = "it refers to several alerts that are live: a person decides which of \
                            them it changes";
            let refusal = refused(ALERT, sentence);
            return Err(BroadcastRefusal { place: Some("references".to_owned()), ..refusal });
        }
        Ok(live.first().copied().or_else(|| chains.first()).cloned())
    }

    /// The broadcasts of a chain, oldest first: those that run, or those that wait to be started.
    fn of_chain(&self, chain: &str, xpid: &str, started: bool) -> Vec<BroadcastDocument> {
        let standing = self.standing();
        let all = standing.broadcasts.values().map(|entry| &entry.document);
        let of_chain = all.filter(|document| {
            document.manifest.alertid.as_deref() == Some(chain)
                && document.manifest.xpid == xpid
                && document.stage != Stage::Ended
                && document.started.is_some() == started
        });
        of_chain.cloned().collect()
    }

    fn cancel_chain(
        &self,
        arrived: &Arrived,
        chain: Option<String>,
        mut answer: WarningAnswer,
    ) -> Result<WarningAnswer, BroadcastRefusal> {
        let Some(chain) = chain else {
            answer.state = "waiting".to_owned();
            answer.waits.push("no chain is known that it could end: look what runs".to_owned());
            return Ok(answer);
        };
        let xpid = &arrived.settings.xpid;
        let ends = [self.of_chain(&chain, xpid, true), self.of_chain(&chain, xpid, false)];
        // What takes one of them back says what the end of the alert says.
        let ends = ends.concat().into_iter().filter(|document| document.taken_back().is_none());
        answer.ends = ends.map(|document| document.broadcast).collect();
        answer.chain = Some(chain);
        if !arrived.may_stop {
            answer.state = "waiting".to_owned();
            answer.waits.push(
                "it did not come over TLS as the source's own: cancel its broadcasts".to_owned(),
            );
            return Ok(answer);
        }
        if arrived.is_look {
            return Ok(answer);
        }
        // The newest first: it is what is being sent. One that cannot be ordered keeps no other
        // from its end.
        let newest_first = answer.ends.iter().rev();
        let ordered = newest_first.map(|end| self.order(end, Order::End(End::Cancelled)));
        let ordered: Vec<Result<(), BroadcastRefusal>> = ordered.collect();
        ordered.into_iter().collect::<Result<(), BroadcastRefusal>>()?;
        if self.looks_on() {
            // Here they have ended, should it go on; what another engine sends has not.
            answer.state = "waiting".to_owned();
            answer.waits.push(
                "this engine only looks on: cancel its broadcasts at the one that sends".to_owned(),
            );
            return Ok(answer);
        }
        answer.state = "cancelled".to_owned();
        Ok(answer)
    }

    /// Where the next warning of a chain stands.
    fn place_in(&self, chain: &str, xpid: &str) -> Result<ChainPlace, BroadcastRefusal> {
        let standing = self.standing();
        let mut started: Vec<(u32, Option<u8>, ChainBroadcast)> = Vec::new();
        for document in standing.broadcasts.values().map(|entry| &entry.document) {
            let manifest = &document.manifest;
            let is_of_it = manifest.alertid.as_deref() == Some(chain) && manifest.xpid == xpid;
            let (Some(start), Some(check), true) = (&document.started, &document.check, is_of_it)
            else {
                continue;
            };
            let mut lists: Vec<(String, u32)> =
                check.lists.iter().map(|(list, version, _)| (list.clone(), *version)).collect();
            lists.dedup();
            let known = ChainBroadcast { broadcast: document.broadcast.clone(), lists };
            started.push((start.ordinal, manifest.alertseq, known));
        }
        started.sort_by_key(|(ordinal, ..)| *ordinal);
        let highest = started.iter().filter_map(|(_, alertseq, _)| *alertseq).max();
        if highest.is_some_and(|highest| highest >= ALERTSEQ_MAX) {
            let sentence = "the chain has come to 99: a person begins another";
            return Err(refused(NOT_HIGHER, sentence));
        }
        Ok(ChainPlace {
            alertid: chain.to_owned(),
            alertseq: highest.map_or(0, |highest| highest + 1),
            started: started.into_iter().map(|(.., known)| known).collect(),
        })
    }

    fn draft_of_warning(
        &self,
        arrived: &Arrived,
        chain: String,
        mut answer: WarningAnswer,
    ) -> Result<WarningAnswer, BroadcastRefusal> {
        let settings = &arrived.settings;
        if settings.template.is_some() {
            // The template's texts count, and the dry run counts them.
            let of_text = |hold: &Hold| matches!(hold, Hold::NoText { .. } | Hold::TooLong { .. });
            drop_holds(&arrived.draft, of_text, &mut answer);
        }
        let place = self.place_in(&chain, &settings.xpid)?;
        let lists: Vec<(String, String)> = {
            let standing = self.standing();
            let name = |list: &String| standing.lists.get(list).map(|known| known.name.clone());
            settings.lists.iter().map(|l| (l.clone(), name(l).unwrap_or_default())).collect()
        };
        let template = settings.template.as_deref().map(|name| {
            self.template(name).ok_or_else(|| {
                refused(ALERT, format!("the source's template {name:?} is not there: write it"))
            })
        });
        let template = template.transpose()?;
        let terms = SourceTerms {
            xpid: &settings.xpid,
            sender: &settings.sender,
            lists: &lists,
            template: template.as_ref().map(|version| &version.texts),
            hold_seconds: settings.hold_seconds,
            recipients_max: settings.recipients_max,
            segments_max: settings.segments_max,
        };
        let proposal = propose(&arrived.draft, &terms, &self.catalogue(), &place)?;
        // It knows all areas that were named: systems that are not built in are loaded.
        if arrived.draft.act != WarningAct::AllClear {
            let of_system = |hold: &Hold| matches!(hold, Hold::UnknownSystem { .. });
            drop_holds(&arrived.draft, of_system, &mut answer);
        }
        answer.waits.extend(proposal.waits);
        answer.waits.extend(arrived.waits.iter().cloned());
        let remark = |sentence| WarningRemark { element: "area".to_owned(), sentence };
        answer.warnings.extend(proposal.warnings.into_iter().map(remark));
        answer.legs = proposal.manifest.legs.len();
        answer.chain = Some(chain);
        answer.alertseq = Some(place.alertseq);
        let mut manifest = proposal.manifest;
        if manifest.class == "03" {
            // Nobody is asked whom opt-outs may keep from it: it is not to wait for that.
            manifest.suppression.get_or_insert(Suppression::Heeded);
        }
        if arrived.is_look {
            return Ok(answer);
        }
        let newest = place.started.last().map(|known| known.broadcast.clone());
        let takes_back = match arrived.draft.act {
            WarningAct::AllClear => TakesBack::from(newest),
            _ => TakesBack::Nothing,
        };
        self.begin_draft(arrived, (manifest, takes_back), answer)
    }

    /// Makes a warning's draft, or goes on with the one that a crash left, and starts it where its
    /// source is registered for that.
    fn begin_draft(
        &self,
        arrived: &Arrived,
        (manifest, takes_back): (Manifest, TakesBack),
        mut answer: WarningAnswer,
    ) -> Result<WarningAnswer, BroadcastRefusal> {
        let settings = &arrived.settings;
        let by = format!("{SOURCE}{}", arrived.source);
        let before = self.made_of(&manifest, &by);
        let is_ordered = |before: &BroadcastDocument| {
            matches!(before.stage, Stage::Scheduled | Stage::Started | Stage::Ended)
        };
        if let Some(before) = before.as_ref().filter(|before| is_ordered(before)) {
            return Ok(answered_with(answer, before.clone()));
        }
        // What a crash left half done is gone on with, unless a person has taken it over.
        let is_untouched = before
            .as_ref()
            .is_none_or(|before| before.changed_by.is_empty() && before.rejected_by.is_empty());
        let document = match before {
            Some(before) => before,
            None => {
                self.make_place(&by, 0)?;
                self.create_in_place(Self::next_identifier(), manifest, (&by, takes_back))?
            }
        };
        answer.alertseq = document.manifest.alertseq;
        answer.broadcast = Some(document.broadcast.clone());
        answer.state = "draft".to_owned();
        let may_start = answer.waits.is_empty()
            && matches!(arrived.draft.act, WarningAct::NewChain | WarningAct::Update);
        let why_not = may_start.then(|| why_not_by_itself(arrived, is_untouched)).flatten();
        answer.waits.extend(why_not.clone());
        if may_start && why_not.is_none() && !settings.starts.is_empty() {
            let started = self.start_by_itself(&document.broadcast, settings, &by);
            let stage = self.standing().entry(&document.broadcast)?.document.stage;
            if let Err(refusal) = &started
                && refusal.status == StatusCode::SERVICE_UNAVAILABLE
                && !matches!(stage, Stage::Scheduled | Stage::Started | Stage::Ended)
            {
                // Nothing is wrong with it: whoever sends it again has it started then.
                return Err(refusal.clone());
            }
            // Where it does not, a person sees why. It may have begun all the same: what some
            // shard did not take is told it again.
            answer.waits.extend(started.err().map(|refusal| refusal.sentence));
            answer.state = state_of_stage(stage).to_owned();
        }
        Ok(answer)
    }

    /// What was made of the same warning before, if it may still be sent or was.
    fn made_of(&self, manifest: &Manifest, by: &str) -> Option<BroadcastDocument> {
        let standing = self.standing();
        let documents = standing.broadcasts.values().map(|entry| &entry.document);
        let mut same = documents.filter(|document| {
            document.author == by
                && document.manifest.xpid == manifest.xpid
                && document.manifest.reqid == manifest.reqid
                && (document.started.is_some() || document.stage != Stage::Ended)
        });
        same.next().cloned()
    }

    /// Checks a draft and starts it. Whoever registered the source has agreed to that beforehand.
    fn start_by_itself(
        &self,
        broadcast: &str,
        settings: &SourceSettings,
        by: &str,
    ) -> Result<Stage, BroadcastRefusal> {
        let checked = self.check(broadcast)?;
        let Some(check) = checked.check else {
            return Err(refused(ALERT, "its dry run was outdated meanwhile: check it again"));
        };
        if check.addressed.targeted == 0 {
            return Err(refused(ALERT, "nobody is addressed: look at the areas and the lists"));
        }
        if check.needs_approval {
            let agreed = format!("{by}, as {} registered it", settings.registered_by);
            self.alter(broadcast, |document| {
                // Somebody may have changed or ended it meanwhile.
                check_stage(document, &[Stage::Checked])?;
                let digest = check.digest.clone();
                let at_ms = wall_now();
                document.approvals.push(Approval { by: agreed, digest, at_ms });
                document.stage = Stage::Approved;
                Ok(())
            })?;
        }
        let started = self.start(broadcast, &check.digest, check.addressed.targeted, by)?;
        Ok(started.stage)
    }
}

/// Why a warning for which nothing else is missing does not start by itself, where its source has
/// some that do.
fn why_not_by_itself(arrived: &Arrived, is_untouched: bool) -> Option<String> {
    let settings = &arrived.settings;
    let is_started = |class| settings.starts(class);
    let why = if settings.starts.is_empty() {
        return None;
    } else if !arrived.draft.class.is_some_and(is_started) {
        "it is of no class that its source starts by itself: approve and start it"
    } else if !is_untouched {
        "a person has changed or rejected its draft: it is theirs to start"
    } else if !arrived.starts_itself {
        "it did not come with the source's own token over TLS or the gateway's socket: approve and \
         start it, and have its sender come so; a proxy that ends TLS in front of the port does not"
    } else {
        return None;
    };
    Some(why.to_owned())
}

/// What was made of a warning that its source's log lacks: the engine ended before it was written
/// there.
fn answered_with(answer: WarningAnswer, before: BroadcastDocument) -> WarningAnswer {
    let state = state_of_stage(before.stage);
    let alertseq = before.manifest.alertseq;
    let broadcast = Some(before.broadcast);
    WarningAnswer { alertseq, state: state.to_owned(), broadcast, ..answer }
}

/// What a warning has come to, by how far its broadcast is.
fn state_of_stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Started | Stage::Ended => "started",
        Stage::Scheduled => "scheduled",
        Stage::Draft | Stage::Checked | Stage::Approved => "draft",
    }
}

/// What is settled keeps a warning waiting no more.
fn drop_holds(draft: &Draft, is_settled: impl Fn(&Hold) -> bool, answer: &mut WarningAnswer) {
    let holds = draft.holds.iter().filter(|hold| is_settled(hold)).map(ToString::to_string);
    let holds: Vec<String> = holds.collect();
    answer.waits.retain(|why| !holds.contains(why));
}

#[cfg(test)]
mod tests;
