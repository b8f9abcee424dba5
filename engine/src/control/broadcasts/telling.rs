//! What a push client's server is told of a broadcast: that it began, how far it is, that it stands
//! still, how it ended. Each once, until it is taken; what was taken is kept.

use std::sync::{Arc, Weak};

use serde::Serialize;

use super::desk::BroadcastDesk;
use super::documents::Stage;
use super::now::Now;
use super::snapshot::state_word;
use super::standing::Entry;
use crate::broadcast::manifest::BroadcastNotify;
use crate::broadcast::outcomes::Outcome;
use crate::control::webhooks::{Callers, CallingWay, Webhook, Webhooks};
use wire::terms::calendar;
use wire::terms::ids::Xpid;
use wire::terms::time::WallMs;

/// Percent of the targeted that are told of.
const SHARES: [(u64, &str); 3] = [(50, "50"), (85, "85"), (95, "95")];
/// How a broadcast ended is told for so long, in milliseconds.
const END_TOLD_MS: u64 = 24 * 3_600 * 1_000;

/// What is told.
#[derive(Serialize)]
struct Told<'a> {
    event: &'a str,
    broadcast: &'a str,
    xpid: &'a str,
    reqid: &'a str,
    class: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alertid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alertseq: Option<u8>,
    at: String,
    state: &'a str,
    targeted: u64,
    counts: &'a std::collections::BTreeMap<String, u64>,
    adds_up: bool,
    doubts: u64,
}

/// What is due of a broadcast: events with their bodies.
struct Due {
    broadcast: String,
    xpid: Xpid,
    events: Vec<(&'static str, String)>,
}

impl Entry {
    fn targeted(&self) -> u64 {
        self.document.check.as_ref().map_or(0, |check| check.addressed.targeted)
    }

    /// The events that are due and were neither taken nor are on their way.
    fn due_events(&mut self, now: Now) -> Vec<&'static str> {
        let document = &self.document;
        let ended_ms = document.ended.as_ref().map(|end| end.at_ms);
        let is_old = ended_ms.is_some_and(|at_ms| self.ages.end.since(at_ms, now) > END_TOLD_MS);
        if document.started.is_none()
            || is_old
            || document.manifest.notify != BroadcastNotify::Summary
        {
            return Vec::new();
        }
        let delivered = self.counts().get(Outcome::Delivered.word()).copied().unwrap_or_default();
        let targeted = self.targeted();
        let mut due = vec!["start"];
        let reached = SHARES.into_iter().filter(|(percent, _)| {
            targeted > 0 && u128::from(delivered) * 100 >= u128::from(targeted * percent)
        });
        due.extend(reached.map(|(_, event)| event));
        let is_running = document.stage == Stage::Started && state_word(self) == "running";
        // Rows of a wave that has not begun wait for that, and nothing stands still.
        let waiting = self.counts().get(Outcome::Waiting.word()).copied().unwrap_or_default();
        let waits = waiting > self.rows_unopened();
        if is_running && waits && self.watched.stands_still(now.steady) {
            due.push("stall");
        }
        if ended_ms.is_some() {
            due.push("end");
        }
        due.retain(|event| {
            let was_taken = document.told.iter().any(|told| told == event);
            !was_taken && !self.watched.telling.contains(event)
        });
        due
    }

    fn body(&self, event: &str, now_ms: WallMs) -> String {
        let manifest = &self.document.manifest;
        let counts = self.counts();
        let told = Told {
            event,
            broadcast: &self.document.broadcast,
            xpid: &manifest.xpid,
            reqid: &manifest.reqid,
            class: &manifest.class,
            alertid: manifest.alertid.as_deref(),
            alertseq: manifest.alertseq,
            at: calendar::jst_text(now_ms.ms()),
            state: state_word(self),
            targeted: self.targeted(),
            adds_up: counts.values().sum::<u64>() == self.targeted(),
            counts: &counts,
            doubts: self.doubts(),
        };
        simd_json::to_string(&told).unwrap_or_default()
    }
}

impl BroadcastDesk {
    /// Tells whoever wants to know what is due. One thread alone calls this.
    pub(super) fn tell(&self) {
        let Some(webhooks) = self.webhooks.get() else { return };
        for due in self.due(Now::read()) {
            // Nobody waits for the desk meanwhile: the registry may be changing.
            if self.way_of(due.xpid).is_none() {
                if !self.has_url(due.xpid) {
                    self.pass_over(&due);
                }
                continue;
            }
            for (event, body) in due.events {
                let receipt = (due.broadcast.clone(), event.to_owned());
                let hook = Webhook { xpid: due.xpid, body, receipt };
                // One for which there is no room is told at the next look.
                if webhooks.call(hook)
                    && let Ok(entry) = self.standing().entry(&due.broadcast)
                {
                    entry.watched.telling.insert(event);
                }
            }
        }
    }

    /// Where calls of an XPID go, as it is registered now.
    fn way_of(&self, xpid: Xpid) -> Option<CallingWay> {
        let (registration, outbound) = self.engine.calling_for(xpid)?;
        let is_told = registration.notify && !registration.suspended;
        let url = registration.notify_url.filter(|_| is_told)?;
        Some(CallingWay { url, secrets: registration.notify_secrets, outbound })
    }

    /// Whether an XPID has named a server, however it may be with it.
    fn has_url(&self, xpid: Xpid) -> bool {
        let known = self.engine.calling_for(xpid);
        known.is_some_and(|(registration, _)| {
            registration.notify && registration.notify_url.is_some()
        })
    }

    /// Nobody wanted to know: a URL that is set later is told of what happens from then on.
    fn pass_over(&self, due: &Due) {
        if let Ok(entry) = self.standing().entry(&due.broadcast) {
            entry.watched.telling.extend(due.events.iter().map(|(event, _)| *event));
        }
    }

    /// An event was not taken, and nobody calls for it any more: it is due again.
    fn forget_call(&self, broadcast: &str, event: &str) {
        if let Ok(entry) = self.standing().entry(broadcast) {
            entry.watched.telling.remove(event);
        }
    }

    fn due(&self, now: Now) -> Vec<Due> {
        let mut standing = self.standing();
        let entries = standing.broadcasts.values_mut().filter_map(|entry| {
            let xpid = Xpid::parse(entry.document.manifest.xpid.as_bytes())?;
            let events = entry.due_events(now).into_iter();
            let events = events.map(|event| (event, entry.body(event, now.wall_ms))).collect();
            Some(Due { broadcast: entry.document.broadcast.clone(), xpid, events })
        });
        entries.filter(|due| !due.events.is_empty()).collect()
    }

    /// An event was taken: it is told no more.
    fn told(&self, broadcast: &str, event: String) {
        let told = event.clone();
        let kept = self.alter(broadcast, |document| {
            document.told.push(event);
            Ok(())
        });
        if let Err(refusal) = kept {
            let error = refusal.sentence;
            tracing::warn!(broadcast, error, "a webhook was taken and is called again");
            self.forget_call(broadcast, &told);
        }
    }

    /// From now on push clients' servers are told.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start_telling(self: &Arc<Self>) -> std::io::Result<()> {
        let webhooks = Webhooks::start(Arc::new(OfDesk(Arc::downgrade(self))))?;
        // There is one for as long as the desk is there.
        let _ = self.webhooks.set(webhooks);
        Ok(())
    }
}

/// The desk, for as long as it is there.
struct OfDesk(Weak<BroadcastDesk>);

impl Callers for OfDesk {
    fn way_of(&self, xpid: Xpid) -> Option<CallingWay> {
        self.0.upgrade()?.way_of(xpid)
    }

    fn taken(&self, (broadcast, event): (String, String)) {
        if let Some(desk) = self.0.upgrade() {
            desk.told(&broadcast, event);
        }
    }

    fn given_up(&self, (broadcast, event): (String, String)) {
        if let Some(desk) = self.0.upgrade() {
            desk.forget_call(&broadcast, &event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::desk::BroadcastDesk;
    use super::super::tests::Bench;
    use super::*;
    use crate::broadcast::manifest::Wave;

    #[test]
    fn a_server_that_is_named_later_is_told_of_what_happens_from_then_on() {
        let bench = Bench::new(1, 10);
        let broadcast = bench.started("a", "");
        bench.desk.start_telling().expect("threads");
        let due = |bench: &Bench| {
            let mut standing = bench.desk.standing();
            standing.entry(&broadcast).expect("there").due_events(Now::read())
        };
        assert_eq!(due(&bench), ["start"]);
        bench.desk.tell();
        assert!(due(&bench).is_empty(), "nobody wanted to know");
        bench.deliver(&broadcast, 6);
        bench.desk.refresh().expect("figures");
        assert_eq!(due(&bench), ["50"], "and now somebody may");
    }

    #[test]
    fn a_wave_that_waits_for_its_order_is_no_stall() {
        let bench = Bench::new(1, 10);
        let wave = |rows, after_order| Wave {
            lists: Vec::new(),
            rows,
            after_percent: None,
            after_seconds: None,
            after_order,
        };
        let mut manifest = bench.manifest("a", "");
        manifest.legs[0].waves = vec![wave(Some(3), false), wave(None, true)];
        let new = BroadcastDesk::next_identifier();
        let broadcast = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
        let (digest, recipients) = bench.agreed(&broadcast);
        bench.desk.start(&broadcast, &digest, recipients, "operator").expect("started");
        bench.deliver(&broadcast, 3);
        bench.desk.refresh().expect("figures");
        let events = || {
            let mut standing = bench.desk.standing();
            let entry = standing.entry(&broadcast).expect("there");
            assert_eq!(state_word(entry), "running");
            entry.due_events(Now::read().later(60_000))
        };
        assert_eq!(events(), ["start"], "seven wait for somebody's word");
        bench.desk.open_wave(&broadcast, 2, "operator").expect("every shard has it");
        bench.desk.refresh().expect("figures");
        assert_eq!(events(), ["start", "stall"], "now they could go");
    }
}
