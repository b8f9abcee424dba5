//! What a dry run foresees of the rows' turns: whether the registration lets them be sent, and how
//! many get nothing, as everything stands now.
//!
//! **Never here:** a change of anything. **Invariant:** at most [`LOOKED_AT_MAX`] rows are looked
//! at, evenly spread, so that a dry run of millions keeps no shard from its turns.

use std::fs::{self, File};
use std::path::Path;

use axum::http::StatusCode;

use super::desk::BroadcastDesk;
use super::documents::CheckDocument;
use super::foreseen_rows::ForeseenRows;
use super::refusal::{BroadcastRefusal, broken};
use super::starting::deadline_of;
use crate::broadcast::audience::Addressed;
use crate::broadcast::manifest::Manifest;
use crate::broadcast::recipients::{Recipient, Recipients};
use crate::control::now::wall_now;
use crate::control::ways::{ForeseenCarrier, WaysForeseen};
use crate::gateway::broadcasting::People;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::rfc3339::parse_rfc3339;
use wire::terms::time::WallMs;

/// Rows that are looked at.
const LOOKED_AT_MAX: u32 = 1 << 16;
impl BroadcastDesk {
    /// Refuses what the registration would stop at its first row; who has to agree to it.
    pub(super) fn check_registration(
        &self,
        manifest: &Manifest,
        now_ms: WallMs,
    ) -> Result<People, BroadcastRefusal> {
        let xpid = &manifest.xpid;
        let wrong = |place: &str, sentence: String| BroadcastRefusal {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: 0,
            sentence,
            place: Some(place.to_owned()),
        };
        let found = Xpid::parse(xpid.as_bytes()).and_then(|xpid| self.engine.calling_for(xpid));
        let Some((registration, _)) = found else {
            let sentence = format!("{xpid} is not registered (2002): hayauma client add {xpid}");
            return Err(wrong("/xpid", sentence));
        };
        let term = registration.valid_from_ms..registration.valid_until_ms;
        if registration.suspended || !term.contains(&now_ms) {
            let sentence = format!("{xpid} is suspended, or its term is over (2004)");
            return Err(wrong("/xpid", sentence));
        }
        if !registration.senders.contains(&manifest.sender) {
            let sentence = format!(
                "{:?} is no sender of {xpid} (2006); it has {}: name one of them, or allow it by \
                 hayauma client set {xpid} --sender",
                manifest.sender,
                registration.senders.join(", ")
            );
            return Err(wrong("/sender", sentence));
        }
        if manifest.class().is_some_and(|class| !registration.classes.contains(class)) {
            let sentence = format!(
                "{xpid} may not send class {} (2006): allow it by hayauma client set {xpid} \
                 --class",
                manifest.class
            );
            return Err(wrong("/class", sentence));
        }
        if !registration.kinds.contains(manifest.kind()) {
            let sentence = format!("{xpid} may not send this kind (2006): allow it");
            return Err(wrong("/xpid", sentence));
        }
        // What takes it back is found out before it is needed.
        let back = manifest.kind_of_retraction();
        if back.is_some_and(|kind| !registration.kinds.contains(kind)) {
            let sentence = format!(
                "{xpid} may not send the kind of its retraction (2006): allow it, or write another"
            );
            return Err(wrong("/retraction/texts", sentence));
        }
        if manifest.expect.cost_max.is_some() && registration.segment_price.is_none() {
            let sentence = format!(
                "no price of {xpid} is registered, so no cost can be told: hayauma client set \
                 {xpid} --segment-price YEN, or leave it out"
            );
            return Err(wrong("/expect/cost_max", sentence));
        }
        let people = registration.broadcasts.people(manifest.asks_for_two());
        people.ok_or_else(|| {
            let sentence = format!(
                "{xpid} may not send broadcasts (2006): allow it by hayauma client set {xpid} \
                 --broadcasts class"
            );
            wrong("/xpid", sentence)
        })
    }

    /// Looks at the rows of a file of recipients as their turns would.
    fn foresee(
        &self,
        (broadcast, manifest): (&str, &Manifest),
        addressed: &Addressed,
        file: &Path,
    ) -> Result<ForeseenRows, BroadcastRefusal> {
        let recipients = Recipients::open(&File::open(file)?);
        let recipients = recipients.map_err(|error| broken(error.to_string()))?;
        let step = recipients.rows().div_ceil(LOOKED_AT_MAX).max(1);
        let rows = (0..recipients.rows()).step_by(step as usize);
        let rows: Vec<Recipient> = rows.map(|number| recipients.row(number)).collect();
        let had_it = self.had_it((broadcast, manifest), addressed, (&recipients, &rows))?;
        let mut msns: Vec<Msn> = rows.iter().map(|row| row.msn).collect();
        let looked_at = msns.len() as u64;
        if !manifest.ignores_suppression() {
            self.retain_unsuppressed(&mut msns);
        }
        let suppressed = looked_at - msns.len() as u64;
        let (Some(xpid), Some(class)) = (Xpid::parse(manifest.xpid.as_bytes()), manifest.class())
        else {
            return Ok(ForeseenRows { looked_at, suppressed, had_it, ..ForeseenRows::default() });
        };
        let found = self.engine.foresee(xpid, class, &msns)?;
        let WaysForeseen { uncontracted, refused, unanswered, carriers } = found;
        // What the manifest bounds is slower than the carrier.
        let pace = messages_of(manifest.pace.per_carrier, addressed);
        let slower = |rate: u32| match (rate, pace) {
            (0, pace) => pace,
            (rate, 0) => rate,
            (rate, pace) => rate.min(pace),
        };
        let carriers = carriers.into_iter();
        let carriers = carriers.map(|of| ForeseenCarrier { rate: slower(of.rate), ..of }).collect();
        Ok(ForeseenRows {
            looked_at,
            suppressed,
            uncontracted,
            had_it,
            refused,
            unanswered,
            carriers,
        })
    }

    /// A dry run with what it foresees. What is refused leaves no file.
    pub(super) fn with_foreseen(
        &self,
        (broadcast, manifest): (&str, &Manifest),
        file: &Path,
        mut check: CheckDocument,
    ) -> Result<CheckDocument, BroadcastRefusal> {
        let foreseen = self.foresee((broadcast, manifest), &check.addressed, file);
        let foreseen = foreseen.and_then(|foreseen| foreseen.judge(manifest).map(|()| foreseen));
        let foreseen = foreseen.inspect_err(|_| drop(fs::remove_file(file)))?;
        check.warnings.extend(foreseen.warnings());
        let addressed = (check.addressed.targeted, check.addressed.segments);
        let forecast = self.foretell((broadcast, manifest), &check.addressed, &foreseen);
        let ends_after = seconds_of(manifest, wall_now());
        let sends_for = ends_after.saturating_sub(manifest.hold_seconds);
        check.warnings.extend(foreseen.too_slow(addressed, sends_for));
        check.warnings.extend(forecast.too_slow(ends_after));
        check.warnings.extend(self.volume_warning(manifest, check.addressed.targeted));
        check.forecast = Some(forecast);
        check.foreseen = Some(foreseen);
        Ok(check)
    }

    /// What so many short messages cost, in yen, where the registration has a price.
    pub(super) fn cost_of(&self, manifest: &Manifest, segments: u64) -> Option<u64> {
        let xpid = Xpid::parse(manifest.xpid.as_bytes())?;
        let price = self.engine.calling_for(xpid)?.0.segment_price?;
        Some(price.yen_of(segments))
    }

    /// What somebody should know of the volume of the day.
    pub(super) fn volume_warning(&self, manifest: &Manifest, targeted: u64) -> Option<String> {
        let xpid = Xpid::parse(manifest.xpid.as_bytes())?;
        let volume = self.engine.calling_for(xpid)?.0.volume_per_day;
        let is_too_little = volume > 0 && targeted > volume;
        is_too_little.then(|| {
            format!(
                "{targeted} recipients, and {xpid} may send {volume} a day: it pauses then (2007)"
            )
        })
    }
}

/// Short messages a second that so many rows a second are, on average.
fn messages_of(rows: u32, addressed: &Addressed) -> u32 {
    let messages = u64::from(rows) * addressed.segments;
    u32::try_from(messages.div_ceil(addressed.targeted.max(1))).unwrap_or(u32::MAX)
}

/// Seconds from a start to the end, where it starts as soon as it may.
fn seconds_of(manifest: &Manifest, now_ms: WallMs) -> u64 {
    let start_ms = parse_rfc3339(&manifest.start).map_or(now_ms, |start_ms| start_ms.max(now_ms));
    deadline_of(manifest, start_ms).since(start_ms) / 1_000
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bench, rfc3339};
    use crate::control::ways::ForeseenCarrier;
    use crate::gateway::broadcasting::BroadcastRule;
    use crate::gateway::permissions::KindSet;
    use crate::gateway::price::Price;
    use crate::gateway::registration::Registration;
    use wire::terms::ids::{Kind, Xpid};

    fn refusal(bench: &Bench, more: &str) -> (String, String) {
        let draft = bench.draft("a", more);
        let refusal = bench.desk.check(&draft).expect_err("refused");
        (refusal.place.unwrap_or_default(), refusal.sentence)
    }

    #[test]
    fn a_dry_run_says_what_the_registration_would_stop() {
        let bench = Bench::new(1, 10);
        let publish = |change: fn(&mut Registration)| {
            let xpid = Xpid::parse(b"00100000001").expect("an XPID");
            let mut registration = bench.engine.registration(xpid);
            change(&mut registration);
            *bench.engine.published.lock().expect("no panic") = vec![registration];
        };
        publish(|registration| registration.xpid = Xpid::parse(b"00100000077").expect("an XPID"));
        assert_eq!(refusal(&bench, "").0, "/xpid");
        publish(|registration| registration.suspended = true);
        assert!(refusal(&bench, "").1.contains("2004"));
        publish(|registration| registration.senders = vec!["Hayauma".to_owned()]);
        let (place, sentence) = refusal(&bench, "");
        assert_eq!(place, "/sender");
        assert!(sentence.contains("it has Hayauma"), "{sentence}");
        publish(|registration| registration.kinds = KindSet::NONE.with(Kind::Text));
        let ready = r#""retraction":{"reqid":"b","texts":{"control":"00"}},"#;
        let (place, sentence) = refusal(&bench, ready);
        assert_eq!(place, "/retraction/texts", "{sentence}");
        publish(|registration| registration.classes = Default::default());
        assert_eq!(refusal(&bench, "").0, "/class");
        publish(|registration| registration.broadcasts = BroadcastRule::No);
        assert!(refusal(&bench, "").1.contains("may not send broadcasts (2006)"));
        publish(|_| {});
        bench.desk.check(&bench.draft("b", "")).expect("a dry run");
    }

    #[test]
    fn an_exercise_says_so_in_every_text_and_a_text_in_another_script_is_warned_of() {
        let bench = Bench::new(1, 10);
        let texts = |class: &str, reqid: &str| {
            let mut manifest = bench.manifest(reqid, "");
            manifest.class = class.to_owned();
            let variants = &mut manifest.legs[0].texts.variants;
            variants.insert("en".to_owned(), "Leave".to_owned());
            variants.insert("ja".to_owned(), "Это не по-японски".to_owned());
            let new = super::BroadcastDesk::next_identifier();
            let draft = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
            let check = bench.desk.check(&draft).expect("a dry run").check.expect("a dry run");
            let texts = check.addressed.texts.iter().map(|text| text.text.clone());
            (texts.collect::<Vec<_>>(), check.warnings)
        };
        let (real, warnings) = texts("01", "real");
        assert!(real.contains(&"Leave".to_owned()), "{real:?}");
        assert!(warnings.iter().any(|line| line.contains("in ja is written in")), "{warnings:?}");
        let (drill, _) = texts("09", "drill");
        assert!(drill.contains(&"EXERCISE: Leave".to_owned()), "{drill:?}");
    }

    #[test]
    fn a_dry_run_tells_the_cost_and_what_costs_more_than_is_expected_does_not_start() {
        let bench = Bench::new(1, 10);
        assert_eq!(refusal(&bench, r#""expect":{"cost_max":5},"#).0, "/expect/cost_max");
        let xpid = Xpid::parse(b"00100000001").expect("an XPID");
        let mut registration = bench.engine.registration(xpid);
        registration.segment_price = Some(Price::parse("3.3").expect("a price"));
        *bench.engine.published.lock().expect("no panic") = vec![registration];
        for (most, may_start) in [(32, false), (33, true)] {
            let more = format!(r#""expect":{{"cost_max":{most}}},"#);
            let (broadcast, digest, recipients) = bench.checked(&format!("r{most}"), &more);
            let cost = {
                let mut standing = bench.desk.standing();
                let entry = standing.entry(&broadcast).expect("there");
                entry.document.check.as_ref().expect("a dry run").cost
            };
            assert_eq!(cost, Some(33), "ten short messages");
            let started = bench.desk.start(&broadcast, &digest, recipients, "operator");
            assert_eq!(started.is_ok(), may_start, "{most}");
            assert!(may_start || started.is_err_and(|refusal| refusal.code == 7106));
        }
    }

    #[test]
    fn a_dry_run_counts_who_gets_nothing() {
        let bench = Bench::new(2, 100);
        bench.contract(0..40);
        let check = bench.desk.check(&bench.draft("a", "")).expect("a dry run").check;
        let check = check.expect("a dry run");
        let foreseen = check.foreseen.clone().expect("looked at");
        assert_eq!((foreseen.looked_at, foreseen.uncontracted), (100, 60));
        assert!(check.warnings.iter().any(|line| line.starts_with("60 of 100")), "{check:?}");
        bench.suppress(0..30);
        let check = bench.desk.check(&bench.draft("b", "")).expect("a dry run").check;
        let foreseen = check.expect("a dry run").foreseen.expect("looked at");
        assert_eq!((foreseen.suppressed, foreseen.uncontracted), (30, 60));
        bench.contract(200..201);
        let bench = Bench::new(2, 100);
        bench.contract(200..201);
        assert!(refusal(&bench, "").1.contains("none of the recipients has a contract"));
    }

    #[test]
    fn a_shard_that_stands_keeps_nobody_from_a_dry_run() {
        let bench = Bench::new(2, 100);
        bench.contract(0..100);
        bench.stand(1, true);
        let check = bench.desk.check(&bench.draft("a", "")).expect("a dry run").check;
        let check = check.expect("a dry run");
        let foreseen = check.foreseen.clone().expect("looked at");
        assert!((20..80).contains(&foreseen.unanswered), "{foreseen:?}");
        let wanted = format!("{} of 100 recipients", foreseen.unanswered);
        assert!(check.warnings.iter().any(|line| line.starts_with(&wanted)), "{check:?}");
        bench.stand(0, true);
        bench.desk.check(&bench.draft("b", "")).expect("nobody answers, and it can be started");
    }

    #[test]
    fn a_dry_run_says_by_which_carriers_recipients_go_and_which_is_too_slow() {
        let bench = Bench::new(2, 100);
        let carrier =
            |carrier: &str, rows, rate| ForeseenCarrier { carrier: carrier.to_owned(), rows, rate };
        let set = |carriers: Vec<ForeseenCarrier>| {
            *bench.engine.broadcasts.carriers.lock().expect("no panic") = carriers;
        };
        set(vec![carrier("alpha", 60, 30), carrier("beta", 40, 0)]);
        let check = |name: &str, lifetime: u64| {
            let mut manifest = bench.manifest(name, "");
            manifest.lifetime = Some(lifetime);
            let new = super::BroadcastDesk::next_identifier();
            let draft = bench.desk.create(new, manifest, "author").expect("a draft");
            let checked = bench.desk.check(&draft.broadcast).expect("a dry run");
            checked.check.expect("a dry run")
        };
        let found = check("a", 3_600);
        let ways = found.foreseen.expect("looked at").ways((100, 100));
        let lines = [
            "60 of 100 by alpha, 30 SMS a second",
            "40 of 100 by beta, as fast as it takes them",
            "at least 2 s, for what goes by alpha",
        ];
        assert_eq!(ways, lines);
        assert!(!found.warnings.iter().any(|line| line.contains("6012")), "{:?}", found.warnings);
        set(vec![carrier("alpha", 100, 1)]);
        let found = check("b", 30);
        let slow = "100 recipients go by alpha at 1 SMS a second: that takes 100 s";
        assert!(found.warnings.iter().any(|line| line.starts_with(slow)), "{:?}", found.warnings);
        // An emergency has a moment at which it ends.
        let ends = crate::control::now::wall_now() + 30_000;
        let more = format!(r#""deadline":"{}","hold_seconds":10,"#, rfc3339(ends));
        let found = bench.desk.check(&bench.draft("c", &more)).expect("a dry run").check;
        let found = found.expect("a dry run").warnings;
        assert!(found.iter().any(|line| line.starts_with(slow)), "{found:?}");
    }

    #[test]
    fn what_is_slower_than_the_broadcast_lasts_is_warned_of_and_rows_are_no_messages() {
        let bench = Bench::new(1, 100);
        let xpid = Xpid::parse(b"00100000001").expect("an XPID");
        let mut registration = bench.engine.registration(xpid);
        registration.broadcast_rate = 2;
        *bench.engine.published.lock().expect("no panic") = vec![registration];
        let check = |name: &str, lifetime: u64| {
            let mut manifest = bench.manifest(name, "");
            manifest.lifetime = Some(lifetime);
            let new = super::BroadcastDesk::next_identifier();
            let draft = bench.desk.create(new, manifest, "author").expect("a draft");
            let checked = bench.desk.check(&draft.broadcast).expect("a dry run");
            checked.check.expect("a dry run")
        };
        let found = check("a", 30);
        let forecast = found.forecast.expect("foretold");
        assert_eq!((forecast.limited_by.as_str(), forecast.seconds["last"]), ("registration", 50));
        assert!(found.warnings.iter().any(|line| line.contains("6001")), "{:?}", found.warnings);
        let found = check("b", 60);
        assert!(!found.warnings.iter().any(|line| line.contains("6001")), "{:?}", found.warnings);
        // Rows of three short messages each, ten rows a second.
        let of = |targeted, segments| super::Addressed { targeted, segments, ..Default::default() };
        assert_eq!(super::messages_of(10, &of(100, 300)), 30);
        assert_eq!(super::messages_of(0, &of(100, 300)), 0);
    }

    #[test]
    fn an_emergency_that_suppression_would_silence_has_to_say_so() {
        let bench = Bench::new(1, 100);
        bench.suppress(0..11);
        let manifest = |more: &str| {
            let mut manifest = bench.manifest("a", more);
            manifest.class = "03".to_owned();
            manifest
        };
        let check = |more: &str| {
            let new = super::BroadcastDesk::next_identifier();
            let draft = bench.desk.create(new, manifest(more), "author").expect("a draft");
            bench.desk.check(&draft.broadcast)
        };
        let refusal = check("").expect_err("eleven of a hundred");
        assert_eq!(refusal.place.as_deref(), Some("/suppression"));
        check(r#""suppression":"heeded","#).expect("it is meant");
    }
}
