//! What the shards are told of broadcasts: that one began, that it pauses, goes on or ends.
//!
//! All shards are told at once; one that does not take it keeps nobody else from it. What did not
//! come to every shard is written down and told again, with the start and in one message, so that
//! no shard sends a row of what was stopped elsewhere.
//!
//! **Invariants:** of one broadcast starts are told one after the other, and so are orders; an
//! order never waits for a start that is being told; nobody holds the desk while a shard answers;
//! what never began is ended, and what began is told, never both.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::desk::{BroadcastDesk, Standing};
use super::documents::{BroadcastDocument, EndDocument, OrderedDocument, Stage, WantedLife};
use super::reach::ReachCurve;
use super::refusal::{BroadcastRefusal, STATE, refused};
use super::turns::{Turns, Untold};
use crate::broadcast::life::End;
use crate::broadcast::running::RunningBroadcast;
use crate::broadcast::slice::Order;
use host::clock;

/// What some shard may not have heard is told again so much later, in milliseconds.
const TOLD_AGAIN_MS: u64 = 10_000;

/// What a start is told with.
struct Tale {
    document: BroadcastDocument,
    running: Option<Arc<RunningBroadcast>>,
    behind: Vec<Order>,
    lower: Vec<(u32, u8)>,
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
        self.note_all_told();
    }

    /// Tells once more what some shard may not have heard, when it is time for that.
    pub(super) fn tell_untold(&self, now_ms: u64) {
        let due: Vec<(String, Arc<Turns>)> = {
            let standing = self.standing();
            let entries = standing.broadcasts.iter();
            let due = entries.filter(|(_, entry)| {
                entry.untold.as_ref().is_some_and(|untold| untold.again_ms <= now_ms)
            });
            due.map(|(name, entry)| (name.clone(), Arc::clone(&entry.turns))).collect()
        };
        if due.is_empty() {
            return;
        }
        for (broadcast, turns) in due {
            let _turn = turns.start();
            if self.tell_start(&broadcast).is_ok() {
                tracing::info!(broadcast, "every shard has heard of a broadcast by now");
            }
        }
        self.note_all_told();
    }

    /// The shards hear that all they may have records of has been told, once that is so.
    fn note_all_told(&self) {
        let mut standing = self.standing();
        let is_told = standing.broadcasts.values().all(|entry| entry.untold.is_none());
        if is_told && !standing.is_all_told {
            standing.is_all_told = true;
            drop(standing);
            self.engine.all_broadcasts_told();
        }
    }

    /// Tells every shard of a start and of all that was ordered since; nothing where it is over.
    /// The caller has its turn, or nobody else is there yet.
    pub(super) fn tell_start(&self, broadcast: &str) -> Result<(), BroadcastRefusal> {
        let Some(tale) = self.tale_of(broadcast)? else { return Ok(()) };
        let told = self.tell_tale(tale);
        let mut standing = self.standing();
        if let Ok(entry) = standing.entry(broadcast) {
            let again_ms = clock::unix_ms() + TOLD_AGAIN_MS;
            let why = told.as_ref().err().map(|refusal| refusal.sentence.clone());
            entry.untold = why.map(|why| Untold { again_ms, why });
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
        let (behind, lower) = (orders_behind(&standing, &document), standing.lower_of(&document));
        Ok(Some(Tale { document, running, behind, lower }))
    }

    fn tell_tale(&self, tale: Tale) -> Result<(), BroadcastRefusal> {
        let Tale { document, running, behind, lower } = tale;
        let running = match running {
            Some(running) => running,
            None => {
                let running = self.running(&document)?;
                let mut standing = self.standing();
                standing.entry(&document.broadcast)?.running = Some(Arc::clone(&running));
                running
            }
        };
        // The older ones of its chain hear of it before it begins. Whoever lacks an older one gets
        // it with that.
        for (ordinal, alertseq) in lower {
            self.engine.order_broadcast(ordinal, Order::Chain { alertseq })?;
        }
        self.engine.start_broadcast(&running, &behind)?;
        // What a shard was told of long ago it has at the pace of that time.
        if document.pace.is_some() {
            self.engine.pace_broadcast(running.terms.ordinal, document.pace_now())?;
        }
        Ok(())
    }

    /// Pauses, resumes or ends what was started; returns when every shard has that durable.
    pub(super) fn order(&self, broadcast: &str, order: Order) -> Result<(), BroadcastRefusal> {
        let turns = self.turns_of(broadcast)?;
        let _turn = turns.order();
        let ordinal = {
            let mut standing = self.standing();
            let document = &standing.entry(broadcast)?.document;
            match (&document.started, document.stage, order) {
                (Some(start), Stage::Started, _) => start.ordinal,
                // Whoever stops it is never refused; what never began is over at once.
                (None, _, Order::End(End::Cancelled)) => {
                    return self.end_in(&mut standing, broadcast, "cancelled");
                }
                (Some(_), _, Order::End(_)) => return Ok(()),
                _ => return Err(refused(STATE, "the broadcast is not running")),
            }
        };
        let told = self.engine.order_broadcast(ordinal, order);
        let is_everywhere = told == Ok(true);
        let kept = self.keep_order(broadcast, order, is_everywhere);
        if is_everywhere {
            if let Err(refusal) = kept {
                let error = refusal.sentence;
                tracing::warn!(broadcast, error, "the last order of a broadcast is not kept");
            }
            return Ok(());
        }
        kept?;
        if told.is_err() {
            let again_ms = clock::unix_ms() + TOLD_AGAIN_MS;
            let why = "a shard does not answer: it is told again".to_owned();
            self.standing().entry(broadcast)?.untold = Some(Untold { again_ms, why });
        }
        told?;
        // Some shard lacks the broadcast: it gets that and the order together.
        let _turn = turns.start();
        self.tell_start(broadcast)
    }

    /// Keeps what was ordered where a shard may lack it, or where what is kept is another.
    fn keep_order(
        &self,
        broadcast: &str,
        order: Order,
        is_everywhere: bool,
    ) -> Result<(), BroadcastRefusal> {
        let life = match order {
            Order::Pause => Some(WantedLife::Paused),
            Order::End(_) => Some(WantedLife::Cancelled),
            _ => None,
        };
        let mut standing = self.standing();
        let document = &standing.entry(broadcast)?.document;
        let known = document.ordered.as_ref().map(|ordered| ordered.life);
        // An end stays one.
        if known == life || known == Some(WantedLife::Cancelled) {
            return Ok(());
        }
        if is_everywhere && known.is_none() || document.stage != Stage::Started {
            return Ok(());
        }
        let ordered = life.map(|life| OrderedDocument { life, at_ms: clock::unix_ms() });
        let kept = self.alter_in(&mut standing, broadcast, |document| {
            document.ordered = ordered;
            Ok(())
        });
        kept.map(drop)
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
            document.ended.get_or_insert_with(|| EndDocument {
                at_ms: clock::unix_ms(),
                life: life.to_owned(),
                outcomes: BTreeMap::new(),
                codes: BTreeMap::new(),
                doubts: 0,
                reach: ReachCurve::default(),
            });
            Ok(())
        });
        ended.map(drop)
    }
}

/// What a shard that hears of the start has to do behind it, before any row has its turn.
fn orders_behind(standing: &Standing, document: &BroadcastDocument) -> Vec<Order> {
    let mut orders = Vec::new();
    let hold_ms = document.manifest.hold_seconds * 1_000;
    let begins_ms = document.started.as_ref().map_or(0, |start| start.at_ms + hold_ms);
    // What is at its end opens none.
    if let (open @ 2.., _) = document.waves_open() {
        orders.push(Order::Wave { open });
    }
    match &document.ordered {
        Some(OrderedDocument { life: WantedLife::Cancelled, .. }) => {
            orders.push(Order::End(End::Cancelled));
        }
        // While it holds, one touch ends it; later it is paused, wherever the hold still is.
        Some(OrderedDocument { at_ms, .. }) if *at_ms < begins_ms => orders.push(Order::Pause),
        Some(_) => orders.extend([Order::Start, Order::Pause]),
        None => {}
    }
    let own = document.manifest.alertseq.unwrap_or_default();
    let of_chain = standing.chain(&document.manifest);
    let highest = of_chain.filter_map(|(other, _)| other.manifest.alertseq).max();
    if let Some(alertseq) = highest.filter(|highest| *highest > own) {
        orders.push(Order::Chain { alertseq });
    }
    orders
}
