//! What the shards are told of broadcasts: that one began, that it pauses, goes on or ends.
//!
//! All shards are told at once; one that does not take it keeps nobody else from it. What did not
//! come to every shard is written down and told again, with the start and in one message, so that
//! no shard sends a row of what was stopped elsewhere.
//!
//! **Invariants:** of one broadcast starts are told one after the other, and so are orders; an
//! order never waits for a start that is being told; nobody holds the desk while a shard answers;
//! what never began is ended, and what began is told, never both; what was ordered last is what
//! holds in every shard, whatever was being told meanwhile, and whether the device had room to keep
//! it or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, EndDocument, OrderedDocument, Stage, WantedLife};
use super::now::Now;
use super::reach::ReachCurve;
use super::refusal::{BroadcastRefusal, STATE, refused};
use super::standing::Standing;
use super::turns::{Retry, Turns};
use crate::broadcast::life::{End, Life};
use crate::broadcast::running::RunningBroadcast;
use crate::broadcast::slice::Order;
use crate::control::now::wall_now;
use wire::terms::time::SteadyMs;

/// How it ends when somebody stops it.
const CANCELLED: &str = "cancelled";

/// What a start is told with.
struct Tale {
    document: BroadcastDocument,
    running: Option<Arc<RunningBroadcast>>,
    behind: Vec<Order>,
    /// How many orders there were by then.
    orders: u64,
    /// What was noted as untold until then is told with this.
    notes: u64,
}

impl BroadcastDesk {
    pub(super) fn turns_of(&self, broadcast: &str) -> Result<Arc<Turns>, BroadcastRefusal> {
        Ok(Arc::clone(&self.standing().entry(broadcast)?.turns))
    }

    /// Tells the shards of what was started before this start of the engine, of a chain the older
    /// ones first.
    pub(super) fn tell_again(&self) {
        let started: Vec<String> = {
            let mut standing = self.standing();
            let mut started: Vec<(u8, String)> = Vec::new();
            for (broadcast, entry) in &mut standing.broadcasts {
                if entry.document.stage == Stage::Started {
                    entry.watched.is_resumed = true;
                    let alertseq = entry.document.manifest.alertseq.unwrap_or_default();
                    started.push((alertseq, broadcast.clone()));
                }
            }
            started.sort();
            started.into_iter().map(|(_, broadcast)| broadcast).collect()
        };
        for broadcast in started {
            if let Err(refusal) = self.tell_start(&broadcast) {
                let error = refusal.sentence;
                tracing::error!(broadcast, error, "a started broadcast does not go on");
            }
        }
    }

    /// Tells once more what some shard may not have heard, and keeps what could not be kept, when
    /// it is time for that.
    pub(super) fn tell_untold(&self, now: SteadyMs) {
        let is_due = |retry: &Retry| retry.is_due(now);
        let (mut due, mut unkept) = (Vec::new(), Vec::new());
        for (name, entry) in &self.standing().broadcasts {
            if entry.untold.as_ref().is_some_and(|untold| is_due(&untold.retry)) {
                due.push((name.clone(), Arc::clone(&entry.turns), entry.document.clone()));
            }
            if entry.unkept_order.as_ref().is_some_and(is_due) {
                unkept.push(name.clone());
            }
        }
        for broadcast in unkept {
            if self.keep_document(&broadcast).is_ok() {
                tracing::info!(broadcast, "the last order of a broadcast is kept by now");
            }
        }
        for (broadcast, turns, document) in due {
            let _turn = turns.start();
            let is_over = document.stage == Stage::Ended;
            let told = if is_over { self.tell_end(&document) } else { self.tell_start(&broadcast) };
            if told.is_ok() {
                tracing::info!(broadcast, "every shard has heard of a broadcast by now");
            }
        }
        self.note_all_told();
    }

    /// The shards hear which broadcasts from before this start they may still be told of: what
    /// their journals have of others is dead.
    pub(super) fn note_all_told(&self) {
        let may_follow: Vec<u32> = {
            let standing = self.standing();
            if !standing.damaged.is_empty() {
                // Nobody knows which ordinals those have that cannot be read.
                return;
            }
            let started = standing.started();
            let live = started.filter(|(document, _)| document.stage == Stage::Started);
            let live: Vec<u32> = live.map(|(_, start)| start.ordinal).collect();
            match &standing.may_follow {
                None => live,
                Some(before) if before.iter().all(|ordinal| live.contains(ordinal)) => return,
                Some(before) => {
                    before.iter().copied().filter(|ordinal| live.contains(ordinal)).collect()
                }
            }
        };
        if self.engine.all_broadcasts_told(&may_follow).is_ok() {
            self.standing().may_follow = Some(may_follow);
        }
    }

    /// Notes what became of telling a broadcast: what was not told is told again, later each time.
    pub(super) fn note_untold(&self, broadcast: &str, refusal: Option<BroadcastRefusal>) {
        if let Ok(entry) = self.standing().entry(broadcast) {
            match refusal {
                Some(refusal) => entry.note_untold(refusal.sentence),
                None => entry.untold = None,
            }
        }
    }

    /// Tells every shard of a start and of all that was ordered since; nothing where it is over.
    /// The caller has its turn, or nobody else is there yet.
    pub(super) fn tell_start(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let Some(tale) = self.tale_of(broadcast)? else { return Ok(()) };
        let (orders, notes) = (tale.orders, tale.notes);
        let told = self.tell_tale(tale).and_then(|()| self.tell_orders_behind(broadcast, orders));
        if let Ok(entry) = self.standing().entry(broadcast) {
            match &told {
                Err(refusal) => entry.note_untold(refusal.sentence.clone()),
                Ok(()) if entry.untold_notes == notes => entry.untold = None,
                // Something was noted meanwhile that this did not tell.
                Ok(()) => {}
            }
        }
        told
    }

    fn tale_of(&self, broadcast: &str) -> Result<Option<Tale>, BroadcastRefusal> {
        let mut standing = self.standing();
        let entry = standing.entry(broadcast)?;
        if entry.document.stage != Stage::Started {
            return Ok(None);
        }
        let (document, running) = (entry.document.clone(), entry.running.clone());
        let (orders, notes) = (entry.orders, entry.untold_notes);
        let behind = orders_behind(&standing, &document);
        Ok(Some(Tale { document, running, behind, orders, notes }))
    }

    fn tell_tale(&self, tale: Tale) -> Result<(), BroadcastRefusal> {
        let Tale { document, running, behind, .. } = tale;
        let running = match running {
            Some(running) => running,
            None => {
                self.heeds_suppression(&document.manifest)?;
                let running = self.running(&document)?;
                let mut standing = self.standing();
                standing.entry(&document.broadcast)?.running = Some(Arc::clone(&running));
                running
            }
        };
        // A shard that hears of it stops the older ones of its chain before it begins: none waits
        // for another.
        self.remember_for(&document)?;
        self.engine.start_broadcast(&running, &behind, &self.wanting_none())?;
        // What a shard was told of long ago it has at the pace of that time. One that somebody has
        // set meanwhile is the newer one.
        let turns = self.turns_of(&document.broadcast)?;
        let _turn = turns.pace();
        let pace = {
            let mut standing = self.standing();
            let document = &standing.entry(&document.broadcast)?.document;
            document.pace.as_ref().map(|_| document.pace_now())
        };
        if let Some(pace) = pace {
            self.engine.pace_broadcast(running.terms.ordinal, pace)?;
        }
        Ok(())
    }

    /// What was ordered while a start was being told is told behind it: a shard may have heard
    /// the older order of the start last.
    fn tell_orders_behind(&self, broadcast: &str, orders: u64) -> Result<(), BroadcastRefusal> {
        let turns = self.turns_of(broadcast)?;
        let _turn = turns.order();
        let behind = {
            let mut standing = self.standing();
            let entry = standing.entry(broadcast)?;
            if entry.orders == orders || entry.document.stage != Stage::Started {
                return Ok(());
            }
            let ordinal = entry.document.started.as_ref().map(|start| start.ordinal);
            ordinal.zip(entry.wanted.map(orders_to))
        };
        let Some((ordinal, behind)) = behind else { return Ok(()) };
        Ok(self.engine.order_broadcast(ordinal, &behind).map(drop)?)
    }

    /// Pauses, resumes or ends what was started; returns when every shard has that durable.
    ///
    /// It holds from the moment on at which the shards hear of it. Where the device has no room to
    /// keep it beside them, it is kept as soon as there is.
    pub(super) fn order(&self, broadcast: &str, order: Order) -> Result<(), BroadcastRefusal> {
        if order == Order::Resume {
            self.does_not_look_on()?;
        }
        let turns = self.turns_of(broadcast)?;
        let turn = turns.order();
        let (ordinal, life) = {
            let mut standing = self.standing();
            let entry = standing.entry(broadcast)?;
            let document = &entry.document;
            match (&document.started, document.stage, order) {
                (Some(_), Stage::Started, Order::Pause | Order::Resume)
                    if entry.is_at_its_end() =>
                {
                    return Err(refused(STATE, AT_ITS_END));
                }
                (Some(start), Stage::Started, _) => {
                    let ordinal = start.ordinal;
                    let hold_ms = document.manifest.hold_seconds * 1_000;
                    let age_ms = entry.ages.start.since(start.at_ms, Now::read());
                    // What has been seen running does not hold, whatever the clocks say.
                    let seen = &entry.figures;
                    let was_running = seen.iter().any(|figures| figures.life != Life::Holding);
                    let life = life_of(order, age_ms < hold_ms && !was_running);
                    entry.wants(life);
                    (ordinal, life)
                }
                // Whoever stops it is never refused; what never began is over at once.
                (None, _, Order::End(End::Cancelled)) => {
                    return self.end_in(&mut standing, broadcast, CANCELLED);
                }
                (Some(_), _, Order::End(_)) => return Ok(()),
                _ => return Err(refused(STATE, "the broadcast is not running")),
            }
        };
        let told = self.engine.order_broadcast(ordinal, &orders_to(life));
        let is_everywhere = told == Ok(true);
        let kept = self.keep_order(broadcast, life, is_everywhere).map_err(|refusal| {
            let why = refusal.sentence;
            let sentence = format!("it holds, and is kept as soon as the device has room: {why}");
            BroadcastRefusal { sentence, ..refusal }
        });
        drop(turn);
        if is_everywhere {
            // The shards' journals have it. Where an older order is kept that a start would tell
            // them, it is not safe yet; an end is, whatever they are told.
            return if life == WantedLife::Cancelled { Ok(()) } else { kept };
        }
        if told == Ok(false) {
            // Some shard lacks the broadcast: it gets that and the order together.
            let _turn = turns.start();
            let told = self.tell_start(broadcast);
            if told.is_err() && life == WantedLife::Cancelled && self.is_nowhere(broadcast) {
                return self.end_unreadable(broadcast);
            }
            kept?;
            // What a shard lacks, it does not send; and it hears of the start with this behind it.
            return if life == WantedLife::Running { told } else { Ok(()) };
        }
        let why = refused(STATE, "a shard does not answer: it is told again");
        self.note_untold(broadcast, Some(why));
        kept?;
        Ok(told.map(drop)?)
    }

    /// Refuses to cancel what came to another end: nobody takes its figures for those of a cancel.
    /// A cancel that is repeated is no error.
    pub(super) fn is_there_to_cancel(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let mut standing = self.standing();
        let document = &standing.entry(broadcast)?.document;
        match document.ended.as_ref().filter(|_| document.stage == Stage::Ended) {
            Some(end) if end.life != CANCELLED => {
                let sentence = format!("it was over already ({}): nothing is cancelled", end.life);
                Err(refused(STATE, sentence))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is over.
    ///
    /// # Errors
    /// There is no such broadcast.
    pub fn is_over(&self, broadcast: &str) -> Result<bool, BroadcastRefusal> {
        Ok(self.standing().entry(broadcast)?.document.stage == Stage::Ended)
    }

    /// Whether no shard has it, and none can be told of it: its files do not say what it is.
    fn is_nowhere(&self, broadcast: &str) -> bool {
        let document = self.standing().entry(broadcast).map(|entry| entry.document.clone());
        let Ok(document) = document else { return false };
        let Some(start) = &document.started else { return false };
        let Ok(figures) = self.engine.broadcast_figures() else { return false };
        let mut known = figures.iter().flatten();
        !known.any(|figures| figures.ordinal == start.ordinal) && self.running(&document).is_err()
    }

    /// Ends what nobody can send any more: what became of its rows, nobody knows.
    fn end_unreadable(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        tracing::error!(broadcast, "cancelled; what became of its rows cannot be read any more");
        let ended = self.alter(broadcast, |document| {
            document.stage = Stage::Ended;
            document.ended = Some(ended_as(CANCELLED));
            Ok(())
        });
        self.note_untold(broadcast, None);
        ended.map(drop)
    }

    /// Keeps what was ordered where a shard may lack it, or where what is kept is another.
    fn keep_order(
        &self,
        broadcast: &str,
        life: WantedLife,
        is_everywhere: bool,
    ) -> Result<(), BroadcastRefusal> {
        let mut standing = self.standing();
        let entry = standing.entry(broadcast)?;
        let document = &mut entry.document;
        let known = document.ordered.as_ref().map(|ordered| ordered.life);
        // An end stays one.
        let is_known = known == Some(life) || known == Some(WantedLife::Cancelled);
        if is_known && entry.unkept_order.is_none() || document.stage != Stage::Started {
            return Ok(());
        }
        if !is_known {
            let wanted = OrderedDocument { life, at_ms: wall_now() };
            let goes_on = life == WantedLife::Running && is_everywhere;
            if is_everywhere && known.is_none() {
                return Ok(());
            }
            // It holds whether it can be kept or not.
            document.ordered = (!goes_on).then_some(wanted);
        }
        drop(standing);
        self.keep_document(broadcast)
    }

    /// Keeps a document as it is in memory; what fails is tried again, later each time.
    fn keep_document(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let mut standing = self.standing();
        let kept = self.alter_in(&mut standing, broadcast, |_| Ok(()));
        let entry = standing.entry(broadcast)?;
        let before = entry.unkept_order.take();
        match kept {
            Ok(_) => Ok(()),
            Err(refusal) => {
                entry.unkept_order = Some(Retry::after(before, Now::read().steady));
                if before.is_none() {
                    let error = &refusal.sentence;
                    tracing::error!(broadcast, error, "an order holds and is not kept yet");
                }
                Err(refusal)
            }
        }
    }

    /// What was never started is over: it stays to be looked at.
    pub(super) fn end_unstarted(
        &self,
        broadcast: &str,
        life: &str,
    ) -> Result<(), BroadcastRefusal> {
        self.end_in(&mut self.standing(), broadcast, life)
    }

    fn end_in(
        &self,
        standing: &mut Standing,
        broadcast: &str,
        life: &str,
    ) -> Result<(), BroadcastRefusal> {
        let ended = self.alter_in(standing, broadcast, |document| {
            if document.started.is_some() {
                return Err(refused(STATE, "the broadcast was started meanwhile: stop it"));
            }
            document.stage = Stage::Ended;
            document.ended.get_or_insert_with(|| ended_as(life));
            Ok(())
        });
        ended.map(drop)
    }
}

/// An end without any rows.
fn ended_as(life: &str) -> EndDocument {
    EndDocument {
        at_ms: wall_now(),
        life: life.to_owned(),
        outcomes: BTreeMap::new(),
        codes: BTreeMap::new(),
        doubts: 0,
        reach: ReachCurve::default(),
        answers_beside: None,
    }
}

/// Where an order leads what was started. One touch while it holds aborts it, in every shard alike,
/// whichever of them have begun by their own clocks.
fn life_of(order: Order, is_held: bool) -> WantedLife {
    match order {
        Order::Pause if is_held => WantedLife::Cancelled,
        Order::Pause => WantedLife::Paused,
        Order::Start | Order::Resume | Order::Wave { .. } => WantedLife::Running,
        Order::End(_) | Order::Chain { .. } => WantedLife::Cancelled,
    }
}

/// Said of what can only end any more.
const AT_ITS_END: &str =
    "the broadcast is at its end: nothing pauses it and nothing makes it go on";

/// The orders that lead a shard there, from wherever it stands.
fn orders_to(life: WantedLife) -> Vec<Order> {
    match life {
        // A shard that has not begun yet would end by a pause alone.
        WantedLife::Paused => vec![Order::Start, Order::Pause],
        WantedLife::Running => vec![Order::Resume],
        WantedLife::Cancelled => vec![Order::End(End::Cancelled)],
    }
}

/// What a shard that hears of the start has to do behind it, before any row has its turn.
fn orders_behind(standing: &Standing, document: &BroadcastDocument) -> Vec<Order> {
    let mut orders = Vec::new();
    // What is at its end opens none.
    if let (open @ 2.., _) = document.waves_open() {
        orders.push(Order::Wave { open });
    }
    // Whether it held then was looked at when it was ordered.
    orders.extend(document.ordered.iter().flat_map(|ordered| orders_to(ordered.life)));
    let own = document.manifest.alertseq.unwrap_or_default();
    let of_chain = standing.chain(&document.manifest);
    let highest = of_chain.filter_map(|(other, _)| other.manifest.alertseq).max();
    if let Some(alertseq) = highest.filter(|highest| *highest > own) {
        orders.push(Order::Chain { alertseq });
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::super::figures::Snapshot;
    use super::super::now::set_back;
    use super::super::tests::Bench;
    use super::*;

    fn of_chain(alertseq: u8) -> String {
        format!(r#""alertid":"flood","alertseq":{alertseq},"#)
    }

    fn is_replaced(life: &Option<Life>) -> bool {
        life.is_some_and(|life| life.end() == Some(End::Replaced))
    }

    #[test]
    fn a_start_that_is_told_behind_the_next_of_its_chain_has_no_turn() {
        let bench = Bench::new(2, 10);
        let broadcast = bench.started("a", &of_chain(1));
        bench.forget_in(&broadcast, 0);
        bench.forget_in(&broadcast, 1);
        // It is about to be told when the next one is started.
        let tale = bench.desk.tale_of(&broadcast).expect("there").expect("started");
        bench.started("b", &of_chain(2));
        bench.desk.tell_tale(tale).expect("told");
        let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
        assert!(lives.iter().all(is_replaced), "{lives:?}");
    }

    #[test]
    fn the_next_of_a_chain_begins_in_every_shard_that_takes_it() {
        let bench = Bench::new(2, 10);
        let broadcast = bench.started("a", &of_chain(1));
        let (next, digest, recipients) = bench.checked("b", &of_chain(2));
        bench.stand(1, true);
        bench.desk.start(&next, &digest, recipients, "operator").expect_err("a shard stands");
        let lives = bench.engine.broadcasts.lives(bench.ordinal(&next));
        assert_eq!(lives, [Some(Life::Holding), None], "the others go on");
        let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
        assert!(is_replaced(&lives[0]), "{lives:?}");
    }

    #[test]
    fn a_start_that_is_told_late_does_not_undo_what_was_ordered_meanwhile() {
        let bench = Bench::new(2, 10);
        let broadcast = bench.started("a", "");
        bench.begin_in(&broadcast, &[0]);
        bench.forget_in(&broadcast, 1);
        bench.desk.order(&broadcast, Order::Pause).expect("paused");
        // Somebody repeats the start, and before the shards hear it somebody else resumes.
        let tale = bench.desk.tale_of(&broadcast).expect("there").expect("started");
        let orders = tale.orders;
        bench.desk.order(&broadcast, Order::Resume).expect("goes on");
        bench.desk.tell_tale(tale).expect("told");
        bench.desk.tell_orders_behind(&broadcast, orders).expect("told");
        let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
        assert_eq!(lives, vec![Some(Life::Running); 2]);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_pause_an_end_and_puts_none_off() {
        const HOUR_MS: u64 = 3_600_000;
        let bench = Bench::new(2, 10);
        let broadcast = bench.started("a", "");
        bench.begin_in(&broadcast, &[0, 1]);
        bench.desk.refresh().expect("figures");
        let before = bench.desk.snapshot(&broadcast, false).expect("figures");
        let now = Now::read();
        // Its start lies an hour ahead from here on.
        set_back(HOUR_MS);
        bench.stand(1, true);
        bench.desk.order(&broadcast, Order::Pause).expect_err("a shard stands");
        let lives = || bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
        assert_eq!(lives(), [Some(Life::Paused), Some(Life::Running)], "a pause, and no end");
        bench.stand(1, false);
        bench.desk.tell_untold(now.steady + 9_000);
        assert_eq!(lives()[1], Some(Life::Running));
        bench.desk.tell_untold(Now::read().steady + 10_001);
        assert_eq!(lives()[1], Some(Life::Paused));
        // The closer look is not an hour away, and neither is the last.
        let looked = |snapshot: &Snapshot| snapshot.breakdown.as_ref().map(|look| look.at_ms);
        assert!(looked(&before).is_some_and(|at_ms| at_ms > now.wall_ms - 1_000));
        bench.desk.standing().entry(&broadcast).expect("there").watched.next_look = SteadyMs::ZERO;
        let after = bench.desk.snapshot(&broadcast, false).expect("figures");
        assert!(looked(&after).is_some_and(|at_ms| at_ms < now.wall_ms), "another look");
        let mut standing = bench.desk.standing();
        let next_look = standing.entry(&broadcast).expect("there").watched.next_look;
        assert!(next_look < Now::read().steady + 60_000, "and the next one comes soon");
    }
}
