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
use crate::broadcast::manifest::Manifest;
use crate::broadcast::recipients::Recipients;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::time::WallMs;

/// Rows that are looked at.
const LOOKED_AT_MAX: u32 = 1 << 16;
impl BroadcastDesk {
    /// Refuses what the registration would stop at its first row.
    pub(super) fn check_registration(
        &self,
        manifest: &Manifest,
        now_ms: u64,
    ) -> Result<(), BroadcastRefusal> {
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
        if registration.suspended || !term.contains(&WallMs::new(now_ms)) {
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
        Ok(())
    }

    /// Looks at the rows of a file of recipients as their turns would.
    fn foresee(&self, manifest: &Manifest, file: &Path) -> Result<ForeseenRows, BroadcastRefusal> {
        let recipients = Recipients::open(&File::open(file)?);
        let recipients = recipients.map_err(|error| broken(error.to_string()))?;
        let step = recipients.rows().div_ceil(LOOKED_AT_MAX).max(1);
        let rows = (0..recipients.rows()).step_by(step as usize);
        let mut msns: Vec<Msn> = rows.map(|number| recipients.row(number).msn).collect();
        let looked_at = msns.len() as u64;
        if !manifest.ignores_suppression() {
            self.retain_unsuppressed(&mut msns);
        }
        let suppressed = looked_at - msns.len() as u64;
        let (Some(xpid), Some(class)) = (Xpid::parse(manifest.xpid.as_bytes()), manifest.class())
        else {
            return Ok(ForeseenRows { looked_at, suppressed, ..ForeseenRows::default() });
        };
        let (uncontracted, by_carrier) = self.engine.foresee(xpid, class, &msns)?;
        Ok(ForeseenRows { looked_at, suppressed, uncontracted, by_carrier })
    }

    /// A dry run with what it foresees. What is refused leaves no file.
    pub(super) fn with_foreseen(
        &self,
        manifest: &Manifest,
        file: &Path,
        mut check: CheckDocument,
    ) -> Result<CheckDocument, BroadcastRefusal> {
        let foreseen = self.foresee(manifest, file);
        let foreseen = foreseen.and_then(|foreseen| foreseen.judge(manifest).map(|()| foreseen));
        let foreseen = foreseen.inspect_err(|_| drop(fs::remove_file(file)))?;
        check.warnings.extend(foreseen.warnings());
        check.warnings.extend(self.volume_warning(manifest, check.addressed.targeted));
        check.foreseen = Some(foreseen);
        Ok(check)
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

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use crate::gateway::registration::Registration;
    use wire::terms::ids::Xpid;

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
        publish(|registration| registration.classes = Default::default());
        assert_eq!(refusal(&bench, "").0, "/class");
        publish(|_| {});
        bench.desk.check(&bench.draft("b", "")).expect("a dry run");
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
