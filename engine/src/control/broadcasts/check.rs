//! The dry run: whom a broadcast addresses, with what, and what it stands on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;

use axum::http::StatusCode;

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, CheckDocument, Stage};
use super::due::due_later;
use super::list_documents::ListDocument;
use super::refusal::{
    BroadcastRefusal, LIST_NOT_READY, REUSED, STATE, TOO_MANY_REFUSED, disk, refused,
};
use super::shelf::{Part, RECIPIENTS, new_identifier};
use super::standing::Standing;
use crate::broadcast::audience::{Addressed, AddressedText, LegSources, PinnedList, address};
use crate::broadcast::lists::view::ListView;
use crate::broadcast::manifest::{
    BroadcastNotify, DuplicateAction, Manifest, OtherBroadcast, Schedule, Texts, Wave,
};
use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::recipients::RecipientsWriter;
use crate::broadcast::running::RowsOf;
use crate::control::now::wall_now;
use crate::gateway::broadcasting::People;
use crate::shard::SliceFigures;
use host::mapped::Mapped;
use sha2::{Digest as _, Sha256};
use wire::cap::foreign_script;
use wire::sms::relay::OriginatingAddress;
use wire::terms::ownership::shard_of;
use wire::terms::time::WallMs;

/// Broadcasts with the same text that a dry run names.
const DUPLICATES_NAMED: usize = 5;
/// A reqid that a broadcast used is its own for so long after its end.
const REQID_KEPT_MS: u64 = 24 * 3_600 * 1_000;

/// The file of a list's version, and which it is.
pub(super) struct OpenVersion {
    list: String,
    version: u32,
    /// What its list's document said of it.
    digest: String,
    octets: Mapped,
}

impl OpenVersion {
    /// Whether its list has it still, and as it was opened: no phone of it was forgotten since.
    fn is_as_opened(&self, standing: &Standing) -> bool {
        let mut versions = standing.lists.get(&self.list).into_iter().flat_map(|l| &l.versions);
        versions.any(|known| known.version == self.version && known.digest == self.digest)
    }

    pub(super) fn pinned(&self) -> Result<PinnedList<'_>, BroadcastRefusal> {
        let list = &self.list;
        let view = ListView::open(self.octets.as_ref())
            .and_then(|view| view.verify().map(|()| view))
            .map_err(|error| refused(LIST_NOT_READY, format!("{list}: {error}")))?;
        let digest = *view.digest();
        Ok(PinnedList { list: list.clone(), version: self.version, digest, view })
    }
}

fn all_pinned(lists: &[OpenVersion]) -> Result<Vec<PinnedList<'_>>, BroadcastRefusal> {
    lists.iter().map(OpenVersion::pinned).collect()
}

impl BroadcastDesk {
    /// Makes a dry run. It runs while traffic goes on, and changes nothing but the draft.
    pub(super) fn check(&self, broadcast: &str) -> Result<BroadcastDocument, BroadcastRefusal> {
        let manifest = {
            let mut standing = self.standing();
            let document = &standing.entry(broadcast)?.document;
            if is_ordered(document.stage) {
                return Err(refused(STATE, "the broadcast was started: write another"));
            }
            document.manifest.clone()
        };
        let people = self.check_manifest(broadcast, &manifest)?;
        let (written, templates) = self.written_out(&manifest)?;
        let catalogue = self.catalogue();
        let newest = |list: &String| self.open_version(Some(manifest.xpid.as_str()), list, None);
        let (mut legs, mut of_live) = (Vec::new(), Vec::new());
        for leg in &written.legs {
            let audience = &leg.audience;
            let except = audience.except.iter().map(newest);
            let except = except.collect::<Result<Vec<_>, _>>()?;
            let only = audience.of.as_ref().map(|of| self.recipients_of(of)).transpose()?;
            let (only, live) = only.unzip();
            of_live.push(live.flatten());
            let of_wave = |wave: &Wave| wave.lists.iter().map(newest).collect();
            let waves = leg.waves.iter().map(of_wave).collect::<Result<Vec<Vec<_>>, _>>()?;
            let list =
                self.open_version(Some(manifest.xpid.as_str()), &audience.list, audience.version)?;
            legs.push((list, except, only, waves));
        }
        let mut sources = Vec::new();
        for (list, except, only, waves) in &mut legs {
            let (list, except): (&OpenVersion, _) = (list, all_pinned(except)?);
            let waves = waves.iter().map(|lists| all_pinned(lists));
            let waves = waves.collect::<Result<Vec<_>, _>>()?;
            sources.push(LegSources { list: list.pinned()?, except, only: only.take(), waves });
        }
        // Two checks that begin in one moment have files of their own.
        let file = new_identifier(RECIPIENTS);
        let path = self.shelf.broadcast(broadcast).join(&file);
        let part = Part::of(&path)?;
        let writer = RecipientsWriter::new(part.file.try_clone()?)?;
        let mut writer = writer.with_own(&self.shelf.broadcast(broadcast));
        let addressed = address(&written, &sources, &catalogue, &mut writer)?;
        writer.finish()?;
        part.keep()?;
        let from = (&sources[..], &*catalogue);
        let retraction = self.check_retraction((broadcast, &manifest), &templates, from, &path);
        // What is refused leaves no file.
        let retraction = retraction.inspect_err(|_| drop(fs::remove_file(&path)))?;
        let check = self.check_of((&written, people), &sources, (addressed, retraction), file);
        let of = if of_live.iter().all(Option::is_none) { Vec::new() } else { of_live };
        let check = CheckDocument { templates, of, ..check };
        let mut check = self.with_foreseen((broadcast, &manifest), &path, check)?;
        check.warnings.extend(self.same_text_lately(broadcast, &manifest, &check.addressed));
        let lists: Vec<&OpenVersion> = legs.iter().map(|(list, ..)| list).collect();
        self.keep_check((broadcast, &manifest), &lists, (check, path))
    }

    /// Keeps a dry run with its file, unless what it was made of is another by now.
    fn keep_check(
        &self,
        (broadcast, manifest): (&str, &Manifest),
        lists: &[&OpenVersion],
        (check, path): (CheckDocument, PathBuf),
    ) -> Result<BroadcastDocument, BroadcastRefusal> {
        let mut before = None;
        let mut standing = self.standing();
        let are_as_opened = lists.iter().all(|list| list.is_as_opened(&standing));
        let checked = self.alter_in(&mut standing, broadcast, |document| {
            let is_same = document.manifest == *manifest && !is_ordered(document.stage);
            if !is_same {
                return Err(refused(STATE, "the broadcast was changed meanwhile: check it again"));
            }
            if !are_as_opened {
                return Err(refused(STATE, "a list of it was changed meanwhile: check it again"));
            }
            before = document.check.replace(check);
            document.approvals.clear();
            document.stage = Stage::Checked;
            Ok(())
        });
        drop(standing);
        // The file that no document names any more; one that stays costs room and nothing else.
        let before = before.map(|before| path.with_file_name(before.file));
        if let Some(unnamed) = if checked.is_err() { Some(path) } else { before } {
            let _ = fs::remove_file(unnamed);
        }
        // From now on it ages.
        self.check_now_ms(broadcast)?;
        checked
    }

    fn check_of(
        &self,
        (manifest, people): (&Manifest, People),
        sources: &[LegSources<'_>],
        (addressed, retraction): (Addressed, (Vec<AddressedText>, Vec<Texts>)),
        file: String,
    ) -> CheckDocument {
        let (retraction, retraction_texts) = retraction;
        let of_waves = |source: &'_ LegSources<'_>| {
            let lists = source.waves.iter().flatten();
            lists.map(|list| (list.list.clone(), list.digest)).collect::<Vec<_>>()
        };
        let mut lists: Vec<(String, [u8; 32])> =
            sources.iter().map(|source| (source.list.list.clone(), source.list.digest)).collect();
        lists.extend(sources.iter().flat_map(of_waves));
        let except = sources.iter().flat_map(|source| &source.except);
        lists.extend(except.map(|list| (list.list.clone(), list.digest)));
        if !retraction_texts.is_empty() {
            // What takes it back is approved with it.
            let texts = simd_json::to_vec(&retraction_texts).unwrap_or_default();
            lists.push(("retraction".to_owned(), Sha256::digest(texts).into()));
        }
        let addressed_segments = addressed.segments;
        let counts = [addressed.targeted, addressed.without_text, addressed.segments];
        let mut warnings = Vec::new();
        let mut warn = |holds: bool, sentence: &str| {
            if holds {
                warnings.push(sentence.to_owned());
            }
        };
        warn(addressed.targeted == 0, "nobody is addressed");
        warn(addressed.without_text > 0, "some recipients have no text in their language (7001)");
        warn(addressed.areas.contains_key("unknown"), "some recipients are of no known area");
        warn(
            manifest.deadline.is_none() && manifest.lifetime.is_none(),
            "no end is named: it ends after 72 hours",
        );
        warnings.extend(narrowed(&addressed));
        warnings.extend(foreign_scripts(manifest));
        let pinned = sources.iter().map(|source| {
            let list = &source.list;
            (list.list.clone(), list.version, hexadecimal(&list.digest))
        });
        CheckDocument {
            at_ms: wall_now(),
            digest: hexadecimal(&manifest.digest(&lists, &counts)),
            addressed,
            lists: pinned.collect(),
            templates: BTreeMap::new(),
            needs_approval: people != People::None,
            people,
            warnings,
            cost: self.cost_of(manifest, addressed_segments),
            foreseen: None,
            forecast: None,
            file,
            of: Vec::new(),
            retraction,
            retraction_texts,
        }
    }

    /// Broadcasts of the XPID that have sent one of the texts within the manifest's window: whoever
    /// is in both has it twice, unless the manifest skips that.
    fn same_text_lately(
        &self,
        broadcast: &str,
        manifest: &Manifest,
        addressed: &Addressed,
    ) -> Vec<String> {
        let same = self.with_the_same_text((broadcast, manifest), addressed, DUPLICATES_NAMED);
        let duplicates = &manifest.duplicates;
        let minutes = duplicates.window_seconds.div_ceil(60);
        let sentence = |other: &BroadcastDocument| {
            let broadcast = &other.broadcast;
            match duplicates.action {
                DuplicateAction::Warn => format!(
                    "{broadcast} has sent the same text within {minutes} minutes: who is in both \
                     gets it twice"
                ),
                DuplicateAction::Skip => format!(
                    "{broadcast} has sent the same text within {minutes} minutes: who had it is \
                     skipped (7003)"
                ),
            }
        };
        same.iter().map(sentence).collect()
    }

    /// What a manifest says against what there is beside it; who has to agree to it.
    fn check_manifest(
        &self,
        broadcast: &str,
        manifest: &Manifest,
    ) -> Result<People, BroadcastRefusal> {
        let wrong = |sentence: &str, place: &str| BroadcastRefusal {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: 0,
            sentence: sentence.to_owned(),
            place: Some(place.to_owned()),
        };
        if OriginatingAddress::parse(&manifest.sender).is_err() {
            let sentence = "a phone cannot show this sender: give 1 to 11 letters or digits";
            return Err(wrong(sentence, "/sender"));
        }
        if let Some((place, sentence)) = not_carried_out(manifest) {
            return Err(wrong(sentence, place));
        }
        self.heeds_suppression(manifest)?;
        let now_ms = wall_now();
        let people = self.check_registration(manifest, now_ms)?;
        due_later(manifest, now_ms)?;
        let standing = self.standing();
        reqids_are_free(&standing, (broadcast, Stage::Draft), manifest, now_ms)?;
        Ok(people)
    }

    /// A version of a list; where it is for a broadcast, of one that its XPID may use.
    pub(super) fn open_version(
        &self,
        xpid: Option<&str>,
        list: &str,
        version: Option<u32>,
    ) -> Result<OpenVersion, BroadcastRefusal> {
        let (version, digest) = {
            let standing = self.standing();
            let not_there = || {
                let whose = xpid.map(|xpid| format!(" that {xpid} may use"));
                let whose = whose.unwrap_or_default();
                refused(LIST_NOT_READY, format!("{list}: there is no such list{whose}"))
            };
            let is_for = |document: &&ListDocument| xpid.is_none_or(|xpid| document.is_for(xpid));
            let document = standing.lists.get(list).filter(is_for).ok_or_else(not_there)?;
            let found = match version {
                Some(version) => document.versions.iter().find(|known| known.version == version),
                // Where all were refused, the last says so.
                None => document.newest().or_else(|| document.versions.last()),
            };
            let empty = || refused(LIST_NOT_READY, format!("{list}: it has no such version"));
            let found = found.ok_or_else(empty)?;
            if found.is_refused {
                let sentence = format!(
                    "{list}: too many lines of version {} were refused: import a better one",
                    found.version
                );
                return Err(refused(TOO_MANY_REFUSED, sentence));
            }
            (found.version, found.digest.clone())
        };
        let file = File::open(self.shelf.version(list, version))?;
        Ok(OpenVersion { list: list.to_owned(), version, digest, octets: Mapped::open(&file)? })
    }

    /// The msns of another broadcast's rows that have these outcomes or may still come to one, in
    /// order; and where it is live, what is looked at again when a row's turn comes.
    fn recipients_of(
        &self,
        of: &OtherBroadcast,
    ) -> Result<(Vec<u64>, Option<RowsOf>), BroadcastRefusal> {
        // Looked at first: what ends meanwhile would be read as it was before its end.
        let live = {
            let mut standing = self.standing();
            let document = &standing.entry(&of.broadcast)?.document;
            let start = document.started.as_ref().filter(|_| document.stage == Stage::Started);
            start.map(|start| start.ordinal)
        };
        // Before the words: what begins behind them, and is stopped then, has begun.
        let ends = live.map(|ordinal| self.stopped_in(ordinal)).transpose()?;
        let (recipients, words) = self.words(&of.broadcast)?;
        let shards = self.engine.shards();
        let mut msns = Vec::new();
        for (number, word) in (0..).zip(words) {
            let word = RowWord::from_bits(word)
                .ok_or_else(|| disk("the other broadcast's outcomes are damaged"))?;
            let msn = recipients.row(number).msn;
            // What never began where the other is at its end never will.
            let may_come = |ends: &Vec<bool>| {
                let is_stopped = word.outcome == Outcome::Waiting && ends[shard_of(msn, shards)];
                !word.outcome.is_final() && !is_stopped
            };
            if of.leg.is_some_and(|leg| recipients.leg_of(number) != Some(leg)) {
                continue;
            }
            if of.outcomes.contains(&word.outcome) || ends.as_ref().is_some_and(may_come) {
                msns.push(msn.value());
            }
        }
        msns.sort_unstable();
        Ok((msns, live.map(|ordinal| RowsOf::new(ordinal, &of.outcomes))))
    }

    /// By shard, whether a live broadcast is at its end there.
    fn stopped_in(&self, ordinal: u32) -> Result<Vec<bool>, BroadcastRefusal> {
        let figures = self.engine.broadcast_figures()?;
        let is_stopped = |of_shard: Vec<SliceFigures>| {
            let mut own = of_shard.into_iter().filter(|figures| figures.ordinal == ordinal);
            own.any(|figures| figures.life.end().is_some())
        };
        Ok(figures.into_iter().map(is_stopped).collect())
    }
}

/// Texts that are written in a script that their language is not.
fn foreign_scripts(manifest: &Manifest) -> BTreeSet<String> {
    let variants = manifest.legs.iter().flat_map(|leg| &leg.texts.variants);
    let foreign = variants.filter_map(|(language, text)| {
        let script = foreign_script(text, language)?;
        Some(format!("the text in {language} is written in {script}: look at its language"))
    });
    foreign.collect()
}

/// Refuses a reqid that another broadcast of the XPID was started with, or is to be: each is sent
/// once. The dry run says so early; the start asks again, as two drafts may have been checked.
pub(super) fn reqids_are_free(
    standing: &Standing,
    own: (&str, Stage),
    manifest: &Manifest,
    now_ms: WallMs,
) -> Result<(), BroadcastRefusal> {
    reqid_is_free(standing, own, (&manifest.xpid, &manifest.reqid), now_ms)?;
    let Some(prepared) = &manifest.retraction else { return Ok(()) };
    let free = reqid_is_free(standing, own, (&manifest.xpid, &prepared.reqid), now_ms);
    let at = |refusal| BroadcastRefusal { place: Some("/retraction/reqid".to_owned()), ..refusal };
    free.map_err(at)
}

fn reqid_is_free(
    standing: &Standing,
    (broadcast, stage): (&str, Stage),
    (xpid, reqid): (&str, &str),
    now_ms: WallMs,
) -> Result<(), BroadcastRefusal> {
    let is_used = standing.broadcasts.values().any(|entry| {
        let other = &entry.document;
        let ended_ms = other.ended.as_ref().map_or(now_ms, |end| end.at_ms);
        // What takes it back has one too, but for itself.
        let prepared = other.manifest.retraction.as_ref().filter(|_| {
            let known = other.retracting.as_ref();
            let is_itself =
                known.is_some_and(|known| known.broadcast.as_deref() == Some(broadcast));
            !is_itself && known.is_none_or(|known| !known.is_done)
        });
        let holds =
            other.manifest.reqid == reqid || prepared.is_some_and(|other| other.reqid == reqid);
        // Of two that wait for their time the first to start has it.
        let waits_before = other.stage == Stage::Scheduled && stage != Stage::Scheduled;
        other.broadcast != broadcast
            && (other.started.is_some() || waits_before)
            && other.manifest.xpid == xpid
            && holds
            && now_ms.since(ended_ms) < REQID_KEPT_MS
    });
    if is_used {
        let sentence = "another broadcast of the XPID has this reqid: give one of its own";
        return Err(refused(REUSED, sentence));
    }
    Ok(())
}

/// Whether somebody has ordered it to start.
fn is_ordered(stage: Stage) -> bool {
    matches!(stage, Stage::Scheduled | Stage::Started | Stage::Ended)
}

/// The first thing of a manifest that nobody carries out: its place, and what to do. What is not
/// done is refused, and never passed over.
fn not_carried_out(manifest: &Manifest) -> Option<(&'static str, &'static str)> {
    let Manifest { pace, retry, notify, .. } = manifest;
    let asked = [
        (
            pace.per_hlr_group > 0,
            "/pace/per_hlr_group",
            "groups of numbers have no pace of their own yet: leave it out",
        ),
        (
            retry.schedule == Schedule::UntilDeadline,
            "/retry/schedule",
            "retries go by the class's schedule, or there are none: give class or once",
        ),
        (
            !retry.first_attempts_before_retries,
            "/retry/first_attempts_before_retries",
            "retries do not go before first attempts: leave it out",
        ),
        (
            *notify == BroadcastNotify::Each,
            "/notify",
            "recipients are not notified of one by one yet: give summary",
        ),
    ];
    asked.into_iter().find(|(is_asked, ..)| *is_asked).map(|(_, place, sentence)| (place, sentence))
}

/// What became of those whom shapes narrow.
fn narrowed(addressed: &Addressed) -> impl Iterator<Item = String> {
    let Addressed { outside, unplaced, .. } = *addressed;
    let outside = (outside > 0)
        .then(|| format!("{outside} left out: their cell of the mesh lies outside the shapes"));
    let unplaced = (unplaced > 0).then(|| {
        format!(
            "{unplaced} count with their area, which the shapes reach in part: they have no cell \
             of the mesh"
        )
    });
    outside.into_iter().chain(unplaced)
}

pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_carries_out_is_refused_by_its_place() {
        let manifest = |more: &str| {
            let text = format!(
                r#"{{"xpid":"00100000001","sender":"Town","class":"02","reqid":"r",{more}
                "legs":[{{"audience":{{"list":"l","areas":"everywhere"}},
                "texts":{{"variants":{{"en":"x"}}}}}}]}}"#
            );
            Manifest::read(text.as_bytes()).expect("a manifest")
        };
        assert_eq!(not_carried_out(&manifest("")), None);
        assert_eq!(
            not_carried_out(&manifest(r#""pace":{"per_area":1,"per_carrier":1,"share_max":50},"#)),
            None
        );
        for (more, place) in [
            (r#""pace":{"per_hlr_group":1},"#, "/pace/per_hlr_group"),
            (r#""retry":{"schedule":"until-deadline"},"#, "/retry/schedule"),
            (
                r#""retry":{"first_attempts_before_retries":false},"#,
                "/retry/first_attempts_before_retries",
            ),
            (r#""notify":"each","#, "/notify"),
        ] {
            assert_eq!(not_carried_out(&manifest(more)).map(|(place, _)| place), Some(place));
        }
    }
}
