//! What a dry run can say of the time ahead: what went lately, what goes beside it, who had the
//! text already.
//!
//! **Never here:** how that is put together (`forecast`). **Invariant:** a broadcast of another
//! XPID is counted and not named.

use std::collections::BTreeSet;

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, Stage};
use super::forecast::{Bounds, Forecast};
use super::foreseen_rows::ForeseenRows;
use super::refusal::BroadcastRefusal;
use super::snapshot::reach_of;
use super::standing::Entry;
use crate::broadcast::audience::Addressed;
use crate::broadcast::manifest::{DuplicateAction, Manifest};
use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::recipients::{Recipient, Recipients};
use crate::control::now::wall_now;
use wire::terms::ids::Xpid;
use wire::terms::time::WallMs;

/// What went longer ago says nothing of the network today, in milliseconds.
const TODAY_MS: u64 = 24 * 3_600 * 1_000;
/// Fewer recipients that were reached say nothing of a rate.
const REACHED_MIN: u64 = 1_000;
/// A shorter time neither, in milliseconds.
const RAN_MS_MIN: u64 = 500;
/// Broadcasts with the same text that are looked into.
const LOOKED_INTO_MAX: usize = 5;
/// Those beside it that are named.
const NAMED_MAX: usize = 20;

impl BroadcastDesk {
    /// How long it would take.
    pub(super) fn foretell(
        &self,
        (broadcast, manifest): (&str, &Manifest),
        addressed: &Addressed,
        foreseen: &ForeseenRows,
    ) -> Forecast {
        let now_ms = wall_now();
        let (network, registration) =
            (self.network_rate(broadcast, now_ms), self.rate_of(manifest));
        let skipped = foreseen.skipped(addressed.targeted, addressed.without_text);
        let standing = self.standing();
        let is_other = |entry: &&Entry| entry.document.broadcast != broadcast;
        let others = || standing.broadcasts.values().filter(is_other);
        let live: Vec<&BroadcastDocument> = others()
            .filter(|entry| entry.document.stage == Stage::Started && !entry.is_stopped())
            .map(|entry| &entry.document)
            .collect();
        let of_class = |document: &&&BroadcastDocument| document.manifest.class == manifest.class;
        let beside: Vec<&BroadcastDocument> = live.iter().filter(of_class).copied().collect();
        // A lower class takes nothing away from it.
        let of_xpid = |document: &&&BroadcastDocument| {
            let other = &document.manifest;
            other.xpid == manifest.xpid && rank(&other.class) >= rank(&manifest.class)
        };
        let of_xpid: Vec<&BroadcastDocument> = live.iter().filter(of_xpid).copied().collect();
        let share = |others: &[&BroadcastDocument]| {
            let weights = others.iter().map(|other| f64::from(other.pace_now().weight));
            let own = f64::from(manifest.pace.weight);
            own / (own + weights.sum::<f64>())
        };
        let bounds = Bounds {
            per_second: manifest.pace.per_second,
            per_area: manifest.pace.per_area,
            ramp_seconds: manifest.pace.ramp_seconds,
            network,
            share: share(&beside),
            registration: f64::from(registration) * share(&of_xpid),
            carriers: foreseen.carriers_of((addressed.targeted, addressed.segments)),
            areas: addressed.areas.values().copied().collect(),
            skipped: skipped.values().sum(),
            hold_seconds: manifest.hold_seconds,
        };
        let is_own = |other: &&&BroadcastDocument| other.manifest.xpid == manifest.xpid;
        let named = beside.iter().filter(is_own).take(NAMED_MAX);
        Forecast {
            beside: named.map(|other| other.broadcast.clone()).collect(),
            beside_of_others: beside.iter().filter(|other| !is_own(other)).count(),
            skipped,
            ..bounds.forecast()
        }
    }

    /// What a manifest's registration lets all its broadcasts send, in rows a second; 0: no bound.
    pub(super) fn rate_of(&self, manifest: &Manifest) -> u32 {
        let found = Xpid::parse(manifest.xpid.as_bytes());
        let found = found.and_then(|xpid| self.engine.calling_for(xpid));
        found.map_or(0, |(registration, _)| registration.broadcast_rate)
    }

    /// Rows a second that the network took lately of a broadcast, this one left out.
    fn network_rate(&self, broadcast: &str, now_ms: WallMs) -> Option<f64> {
        let rates: Vec<(Manifest, f64)> = {
            let standing = self.standing();
            let others = standing.broadcasts.values();
            let others = others.filter(|entry| entry.document.broadcast != broadcast);
            let rated = others.filter_map(|entry| Some((entry, rate_of(entry, now_ms)?)));
            rated.map(|(entry, rate)| (entry.document.manifest.clone(), rate)).collect()
        };
        // Of what a registration holds back nobody knows how fast it might have gone.
        let free = rates.into_iter().filter(|(manifest, _)| self.rate_of(manifest) == 0);
        free.map(|(_, rate)| rate).reduce(f64::max)
    }

    /// How many of these rows are skipped because their phones had the same text.
    pub(super) fn had_it(
        &self,
        (broadcast, manifest): (&str, &Manifest),
        addressed: &Addressed,
        (own, rows): (&Recipients, &[Recipient]),
    ) -> Result<u64, BroadcastRefusal> {
        let duplicates = &manifest.duplicates;
        if duplicates.action != DuplicateAction::Skip {
            return Ok(0);
        }
        let texts = ready_texts(addressed);
        let same = self.with_the_same_text((broadcast, manifest), addressed, LOOKED_INTO_MAX);
        let mut had: BTreeSet<u64> = BTreeSet::new();
        for other in same {
            let known = other.check.as_ref().map(|check| ready_texts(&check.addressed));
            let known = known.unwrap_or_default();
            // What cannot be read is not told of: a dry run goes on without it.
            let Ok((recipients, words)) = self.words(&other.broadcast) else { continue };
            for row in rows {
                let Some(number) = recipients.find(row.msn) else { continue };
                let word = words.get(number as usize).and_then(|word| RowWord::from_bits(*word));
                let has_it = word.is_some_and(|word| may_have_it(word.outcome));
                let text = text_of(row.text, own, &texts);
                let theirs = recipients.row(number).text;
                let is_same = text.is_some() && text_of(theirs, &recipients, &known) == text;
                if has_it && is_same {
                    had.insert(row.msn.value());
                }
            }
        }
        Ok(had.len() as u64)
    }

    /// Broadcasts of the XPID that have sent one of these texts within the manifest's window, the
    /// newest first. Rows with values of their own have the same where what was written is.
    pub(super) fn with_the_same_text(
        &self,
        (broadcast, manifest): (&str, &Manifest),
        addressed: &Addressed,
        most: usize,
    ) -> Vec<BroadcastDocument> {
        let window_ms = manifest.duplicates.window_seconds.saturating_mul(1_000);
        let (now_ms, texts) = (wall_now(), &addressed.texts);
        let texts: BTreeSet<&str> = texts.iter().map(|text| text.text.as_str()).collect();
        let standing = self.standing();
        // Identifiers are in the order of time.
        let documents = standing.broadcasts.values().rev().map(|entry| &entry.document);
        let same = documents.filter(|other| {
            let started_ms = other.started.as_ref().map_or(WallMs::ZERO, |start| start.at_ms);
            let mut sent = other.check.iter().flat_map(|check| &check.addressed.texts);
            other.broadcast != broadcast
                && other.manifest.xpid == manifest.xpid
                && now_ms.since(started_ms) < window_ms
                && sent.any(|text| texts.contains(text.text.as_str()))
        });
        same.take(most).cloned().collect()
    }
}

/// Which of two classes goes first: the one with the higher number.
fn rank(class: &str) -> u8 {
    match class {
        "03" => 3,
        "02" => 2,
        "01" => 1,
        _ => 0,
    }
}

/// The texts that rows share, by their numbers.
fn ready_texts(addressed: &Addressed) -> Vec<&str> {
    addressed.texts.iter().map(|text| text.text.as_str()).collect()
}

/// The text of this number: a row's own, or one that it shares.
fn text_of<'a>(number: Option<u32>, own: &'a Recipients, shared: &[&'a str]) -> Option<&'a str> {
    let number = number?;
    let own = own.own_text(number).map(|own| own.text);
    own.or_else(|| shared.get(number as usize).copied())
}

/// A row with this outcome keeps another with the same text from its phone.
fn may_have_it(outcome: Outcome) -> bool {
    // What is held is sent when its phone is back.
    outcome.may_have_arrived() || outcome == Outcome::Held
}

/// Rows a second that the network took of a broadcast that nothing else held back.
fn rate_of(entry: &Entry, now_ms: WallMs) -> Option<f64> {
    let document = &entry.document;
    let start = document.started.as_ref()?;
    let pace = document.pace_now();
    let is_paced = pace.per_second > 0 || pace.per_area > 0 || pace.per_carrier > 0;
    // Carriers have rates of their own, which are not the network's.
    let foreseen = document.check.as_ref().and_then(|check| check.foreseen.as_ref());
    let is_paced = is_paced || foreseen.is_some_and(|foreseen| !foreseen.carriers.is_empty());
    let has_waves = !document.manifest.waves().is_empty();
    if now_ms.since(start.at_ms) > TODAY_MS || is_paced || has_waves {
        return None;
    }
    let reach = reach_of(entry);
    let reached = reach.points().last().map_or(0, |(_, reached)| *reached);
    // The last few come by retries, which say nothing of the network's rate.
    let most = reached * 9 / 10;
    let hold_ms = document.manifest.hold_seconds * 1_000;
    let ran_ms = reach.running_ms(reach.first_at(most)?).saturating_sub(hold_ms);
    (reached >= REACHED_MIN && ran_ms >= RAN_MS_MIN).then(|| most as f64 * 1_000.0 / ran_ms as f64)
}

#[cfg(test)]
mod tests {
    use super::super::list_documents::ListWanted;
    use super::super::reach::ReachCurve;
    use super::super::tests::Bench;
    use super::*;
    use crate::control::ways::ForeseenCarrier;

    fn checked(bench: &Bench, reqid: &str, more: &str) -> Forecast {
        let draft = bench.draft(reqid, more);
        let check = bench.desk.check(&draft).expect("a dry run").check.expect("a dry run");
        check.forecast.expect("it was foretold")
    }

    #[test]
    fn a_dry_run_says_how_long_it_would_take_what_goes_beside_it_and_who_is_skipped() {
        let bench = Bench::new(1, 1_000);
        bench.contract(0..900);
        bench.suppress(0..100);
        let forecast = checked(&bench, "a", r#""pace":{"per_second":10},"#);
        assert_eq!(forecast.skipped, [("2005".into(), 100), ("7002".into(), 100)].into());
        assert_eq!((forecast.limited_by.as_str(), forecast.seconds["last"]), ("pace", 80));
        assert_eq!((forecast.beside.len(), forecast.network_per_second), (0, None));
        let live = bench.started("live", r#""pace":{"weight":3},"#);
        let forecast = checked(&bench, "b", "");
        assert_eq!(forecast.beside, std::slice::from_ref(&live));
        assert_eq!((forecast.limited_by.as_str(), forecast.seconds.len()), ("unknown", 0));
        // It has shown what the network takes: a thousand a second until the last tenth.
        {
            let mut standing = bench.desk.standing();
            let entry = standing.entry(&live).expect("there");
            entry.watched.reach = ReachCurve::of(vec![(0, 0), (1_000, 1_000), (2_000, 2_000)]);
        }
        let forecast = checked(&bench, "c", "");
        assert_eq!(forecast.network_per_second, Some(1_000));
        // It would have a quarter of that beside the other.
        assert_eq!(forecast.limited_by, "other_broadcasts");
        assert_eq!(forecast.seconds["last"], 3, "800 at 250 a second");
        // What carriers or a registration held back says nothing of the network.
        let foreseen = |change: fn(&mut ForeseenRows)| {
            let mut standing = bench.desk.standing();
            let check = &mut standing.entry(&live).expect("there").document.check;
            change(check.as_mut().and_then(|check| check.foreseen.as_mut()).expect("one"));
        };
        foreseen(|rows| {
            let carrier = "alpha".to_owned();
            rows.carriers = vec![ForeseenCarrier { carrier, rows: 800, rate: 10 }];
        });
        assert_eq!(checked(&bench, "d", "").network_per_second, None);
        foreseen(|rows| rows.carriers.clear());
        let paced = |per_carrier: u32| {
            let mut standing = bench.desk.standing();
            let manifest = &mut standing.entry(&live).expect("there").document.manifest;
            manifest.pace.per_carrier = per_carrier;
        };
        paced(10);
        assert_eq!(checked(&bench, "per", "").network_per_second, None);
        paced(0);
        assert_eq!(checked(&bench, "free", "").network_per_second, Some(1_000));
        let xpid = Xpid::parse(b"00100000001").expect("an XPID");
        let mut registration = bench.engine.registration(xpid);
        registration.broadcast_rate = 400;
        *bench.engine.published.lock().expect("no panic") = vec![registration];
        let forecast = checked(&bench, "e", "");
        assert_eq!(
            (forecast.network_per_second, forecast.limited_by.as_str()),
            (None, "registration")
        );
        assert_eq!(forecast.seconds["last"], 8, "a quarter of it is left beside the other");
        // What goes before the other has all of it.
        let mut manifest = bench.manifest("f", "");
        manifest.class = "03".to_owned();
        let new = BroadcastDesk::next_identifier();
        let draft = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
        let check = bench.desk.check(&draft).expect("a dry run").check.expect("a dry run");
        assert_eq!(check.forecast.expect("foretold").seconds["last"], 2);
    }

    #[test]
    fn rows_with_values_of_their_own_are_counted_where_they_had_just_that_text() {
        const ROWS: u64 = 5_000;
        const CHANGED: u64 = 1_000;
        let bench = Bench::new(1, 1);
        let wanted = ListWanted { parameters: vec!["code".to_owned()], ..ListWanted::default() };
        let wanted = ListWanted { name: "codes".to_owned(), ..wanted };
        let list = bench.desk.make_list(wanted).expect("a list").list;
        let fill = |changed: u64| {
            let row = |row: u64| {
                let code = if row < changed { row + ROWS } else { row };
                format!("{:011},13101,{code}\n", 9_000_000_000 + row)
            };
            let rows: String = (0..ROWS).map(row).collect();
            bench.import_into(&list, &format!("msn,area,code\n{rows}"));
        };
        let draft = |reqid: &str, more: &str| {
            let mut manifest = bench.manifest(reqid, more);
            let leg = &mut manifest.legs[0];
            leg.audience.list.clone_from(&list);
            leg.texts.variants = [("en".to_owned(), "Code {{code}}".to_owned())].into();
            let new = BroadcastDesk::next_identifier();
            bench.desk.create(new, manifest, "author").expect("a draft").broadcast
        };
        fill(0);
        let before = draft("before", "");
        let (digest, recipients) = bench.agreed(&before);
        bench.desk.start(&before, &digest, recipients, "operator").expect("started");
        bench.deliver(&before, ROWS as u32);
        fill(CHANGED);
        let skips = r#""duplicates":{"window_seconds":600,"action":"skip"},"#;
        let check = bench.desk.check(&draft("a", skips)).expect("a dry run").check;
        let check = check.expect("a dry run");
        assert!(check.addressed.texts[0].is_own, "{:?}", check.addressed.texts);
        let skipped = check.forecast.expect("foretold").skipped;
        assert_eq!(skipped.get("7003"), Some(&(ROWS - CHANGED)));
    }

    #[test]
    fn who_has_a_text_at_a_carrier_had_it() {
        let had = [Outcome::HandedOver, Outcome::Held, Outcome::Delivered, Outcome::Failed];
        assert_eq!(had.map(may_have_it), [true, true, true, false]);
    }

    #[test]
    fn those_who_had_the_text_are_counted_where_they_are_skipped() {
        let bench = Bench::new(1, 100);
        let before = bench.started("before", "");
        bench.deliver(&before, 30);
        let skips = r#""duplicates":{"window_seconds":600,"action":"skip"},"#;
        let forecast = checked(&bench, "a", skips);
        assert_eq!(forecast.skipped.get("7003"), Some(&30));
        assert_eq!(checked(&bench, "b", "").skipped.get("7003"), None, "they are sent to again");
    }
}
