//! A shard's end of the carriers: which of a route's carriers takes the next push, and the permits
//! there and back.
//!
//! Those of a route that take pushes share them by weight; one that is full keeps its turn for a
//! second. Its backups take pushes when all others
//! have been down or choked for a while, an emergency as soon as no other takes any.
//!
//! Invariants: a permit is free, being filled, or at the carrier's home; the last free one is an
//! emergency's; a carrier that is gone stays here until its permits are back.

use crate::network::port::{
    AttemptHandle, AttemptOutcome, AttemptSlot, AwaitedSegment, CarrierQuestion, CarrierReceipt,
    Dealers, ReceiptReply, Reports,
};
use crate::network::routes::{CarrierChoice, MEMBERS_MAX};
use crate::network::smpp::awaited::Awaited;
use crate::network::smpp::carrier::Carrier;
use crate::network::smpp::exchange::{
    ANNOUNCED_TOGETHER, Announced, CarrierPlan, Exchange, KnownCarrier, Permit, next,
};
use crate::network::smpp::submit::is_writable;
use std::collections::VecDeque;
use std::sync::Arc;
use wire::terms::domain::Domain;
use wire::terms::ids::Msn;
use wire::terms::time::SteadyMs;

/// How long a carrier whose turn it is and that is full is waited for, milliseconds.
const FULL_WAITED_MS: u64 = 1_000;
/// The bit that tells a carrier's handle from one of the core network.
const CARRIER_HANDLE: u32 = 1 << 31;

/// One carrier.
struct End {
    exchange: Arc<Exchange>,
    /// Permits that there are to be, and that there are.
    permits_wanted: usize,
    permits: usize,
    #[allow(
        clippy::vec_box,
        reason = "the boxes travel: their addresses are what the rings carry"
    )]
    free: Vec<Box<Permit>>,
    filling: Option<Box<Permit>>,
    /// That one has taken room at the home.
    took_room: bool,
    /// What it is set up with; `None` of one that is gone.
    carrier: Option<Arc<Carrier>>,
    /// A receipt that came before all outcomes were taken.
    held: Option<CarrierReceipt>,
    announced: Vec<Vec<Announced>>,
}

impl End {
    fn new(known: &KnownCarrier) -> Self {
        Self {
            exchange: Arc::clone(&known.exchange),
            permits_wanted: 0,
            permits: 0,
            free: Vec::new(),
            filling: None,
            took_room: false,
            carrier: None,
            held: None,
            announced: Vec::new(),
        }
    }

    fn announce(&mut self, awaited: Announced) {
        match self.announced.last_mut().filter(|some| some.len() < ANNOUNCED_TOGETHER) {
            Some(some) => some.push(awaited),
            None => {
                let mut some = Vec::with_capacity(ANNOUNCED_TOGETHER);
                some.push(awaited);
                self.announced.push(some);
            }
        }
    }

    /// As many permits as the carrier is set up for; none of one that is gone.
    fn set_permits(&mut self, carrier: Option<&Arc<Carrier>>, shard: usize) {
        let shards = self.exchange.shards();
        self.carrier = carrier.cloned();
        self.permits_wanted = carrier.map_or(0, |carrier| carrier.permits(shards));
        while self.permits < self.permits_wanted {
            self.free.push(Box::new(Permit::new(shard)));
            self.permits += 1;
        }
        while self.permits > self.permits_wanted && self.free.pop().is_some() {
            self.permits -= 1;
        }
    }

    fn put_free(&mut self, permit: Box<Permit>) {
        if self.permits > self.permits_wanted {
            self.permits -= 1;
        } else {
            self.free.push(permit);
        }
    }
}

/// A carrier of a route.
#[derive(Clone, Copy)]
struct Candidate {
    end: usize,
    weight: i32,
    backup: bool,
    /// How far it is behind its share.
    credit: i32,
    /// Since when its turn has been waited for in vain; `None`: it is not.
    full_since_ms: Option<SteadyMs>,
}

/// The carriers of a route.
struct RouteEnd {
    candidates: Vec<Candidate>,
    failover_after_ms: u64,
    /// The credits before the last carrier was chosen: where nothing goes by it they count again.
    before: [i32; MEMBERS_MAX],
}

impl RouteEnd {
    fn new(choice: &CarrierChoice, ends: &[End]) -> Self {
        let candidates = choice.members.iter().filter_map(|member| {
            // A carrier that is gone may have had the same number.
            let end = ends.iter().rposition(|end| end.exchange.number() == member.carrier)?;
            let weight = i32::from(member.weight.max(1));
            Some(Candidate { end, weight, backup: member.backup, credit: 0, full_since_ms: None })
        });
        Self {
            candidates: candidates.take(MEMBERS_MAX).collect(),
            failover_after_ms: u64::from(choice.failover_after_s) * 1_000,
            before: [0; MEMBERS_MAX],
        }
    }

    /// The carrier whose turn it is: each has its share of the turns of those that take pushes, as
    /// closely as whole pushes allow. One that is full is waited for, but not for long, and not by
    /// an emergency.
    fn choose(&mut self, ends: &[End], emergency: bool, now_ms: SteadyMs) -> Option<usize> {
        let backups_too = self.need_backups(ends, emergency, now_ms);
        let mut total = 0;
        let mut best: Option<usize> = None;
        for at in 0..self.candidates.len() {
            self.before[at] = self.candidates[at].credit;
            let candidate = &mut self.candidates[at];
            let end = &ends[candidate.end];
            let has_space =
                end.free.len() > usize::from(!emergency) && (emergency || end.exchange.has_room());
            // What is kept for emergencies is no room for others.
            if has_space && !emergency {
                candidate.full_since_ms = None;
            }
            let is_given_up = !has_space
                && (emergency
                    || candidate
                        .full_since_ms
                        .is_some_and(|since_ms| now_ms >= since_ms + FULL_WAITED_MS));
            if is_given_up || candidate.backup && !backups_too || !end.exchange.is_dealing() {
                continue;
            }
            candidate.credit += candidate.weight;
            total += candidate.weight;
            let credit = candidate.credit;
            if best.is_none_or(|best| credit > self.candidates[best].credit) {
                best = Some(at);
            }
        }
        let candidate = &mut self.candidates[best?];
        candidate.credit -= total;
        let end = &ends[candidate.end];
        if end.free.len() > usize::from(!emergency) && (emergency || end.exchange.has_room()) {
            return Some(candidate.end);
        }
        candidate.full_since_ms.get_or_insert(now_ms);
        self.take_back_turn();
        None
    }

    /// Whether backups take this push too.
    fn need_backups(&self, ends: &[End], emergency: bool, now_ms: SteadyMs) -> bool {
        let others = || {
            let others = self.candidates.iter().filter(|candidate| !candidate.backup);
            others.map(|candidate| &ends[candidate.end].exchange)
        };
        others().all(|exchange| exchange.is_out_for(self.failover_after_ms, now_ms))
            || emergency && others().all(|exchange| !exchange.is_dealing())
    }

    fn take_back_turn(&mut self) {
        for (candidate, before) in self.candidates.iter_mut().zip(self.before) {
            candidate.credit = before;
        }
    }
}

/// A shard's end of every carrier.
pub struct CarrierPort {
    shard: usize,
    ends: Vec<End>,
    /// By route, from 1 on.
    routes: Vec<RouteEnd>,
    /// The route that a permit was reserved for last.
    reserved_for: usize,
    /// The permit that came back last, and whose it is.
    settled: Option<(usize, Box<Permit>)>,
    reports: Reports,
    /// Permits sent so far.
    sent: u64,
    /// Receipts that came with outcomes polled so far.
    came_along: VecDeque<CarrierReceipt>,
    /// The shard has told of all that it awaits.
    has_told: bool,
    /// Homes that something was put before since the last call.
    called: u64,
    now_ms: SteadyMs,
}

impl CarrierPort {
    /// Shard `shard`'s end of these carriers.
    pub fn new(shard: usize, plan: &CarrierPlan) -> Self {
        let mut port = Self {
            shard,
            ends: Vec::new(),
            routes: Vec::new(),
            reserved_for: 0,
            settled: None,
            reports: Reports::new(),
            sent: 0,
            came_along: VecDeque::new(),
            has_told: false,
            called: 0,
            now_ms: SteadyMs::ZERO,
        };
        port.change(plan);
        port
    }

    /// These are the carriers and routes from now on. One that is new has nothing of this shard's
    /// pushes, and is told so once the shard has told what it awaits of the others: not before, or
    /// a home would take the empty word for the true one.
    pub fn change(&mut self, plan: &CarrierPlan) {
        self.reclaim();
        for known in plan.carriers.iter() {
            let is_its = |end: &End| Arc::ptr_eq(&end.exchange, &known.exchange);
            if !self.ends.iter().any(is_its) {
                if self.has_told {
                    known.exchange.announce(self.shard, Vec::new());
                    self.called |= 1 << known.exchange.home();
                }
                self.ends.push(End::new(known));
            }
        }
        for end in &mut self.ends {
            let known =
                plan.carriers.iter().find(|known| Arc::ptr_eq(&known.exchange, &end.exchange));
            end.set_permits(known.map(|known| &known.carrier), self.shard);
        }
        self.ends.retain(|end| end.permits > 0);
        let routes = plan.routes.choices().iter();
        self.routes = routes.map(|choice| RouteEnd::new(choice, &self.ends)).collect();
    }

    /// The time of the home's clock, which tells how long a carrier has been down.
    pub fn see(&mut self, now_ms: SteadyMs) {
        self.now_ms = now_ms;
    }

    /// Whether there is any carrier.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The highest number of a route.
    #[inline]
    pub fn last_route(&self) -> u8 {
        self.routes.len() as u8
    }

    /// The carriers of a route that take pushes now, as they share them.
    pub fn dealers(&self, route: u8) -> Dealers {
        let at = usize::from(route).checked_sub(1);
        let Some(route) = at.and_then(|at| self.routes.get(at)) else { return Dealers::default() };
        let backups_too = route.need_backups(&self.ends, false, self.now_ms);
        let mut dealing = [(0, 0); MEMBERS_MAX];
        let deals = |candidate: &&Candidate| {
            let is_dealing = self.ends[candidate.end].exchange.is_dealing();
            is_dealing && (backups_too || !candidate.backup)
        };
        for (place, candidate) in dealing.iter_mut().zip(route.candidates.iter().filter(deals)) {
            let weight = candidate.weight.min(i32::from(u8::MAX)) as u8;
            *place = (self.ends[candidate.end].exchange.number(), weight);
        }
        Dealers::of(&dealing)
    }

    /// Whether the handle is one of these.
    pub fn is_its(handle: &AttemptHandle) -> bool {
        handle.slot() & CARRIER_HANDLE != 0
    }

    /// Takes a permit of one of the route's carriers; none where all of them take nothing now, or
    /// all their permits are under way.
    pub fn reserve(&mut self, route: u8, emergency: bool) -> Option<AttemptHandle> {
        self.reclaim();
        self.reserved_for = usize::from(route).checked_sub(1)?;
        let route = self.routes.get_mut(self.reserved_for)?;
        let at = route.choose(&self.ends, emergency, self.now_ms)?;
        let end = &mut self.ends[at];
        let mut permit = end.free.pop()?;
        permit.slot.clear();
        permit.slot.doubt_is_final = end.carrier.as_ref().is_some_and(|of| of.doubt_is_final);
        end.took_room = end.exchange.take_room();
        end.filling = Some(permit);
        Some(AttemptHandle::of_slot(CARRIER_HANDLE | at as u32))
    }

    fn end_of(&mut self, handle: &AttemptHandle) -> &mut End {
        &mut self.ends[(handle.slot() & !CARRIER_HANDLE) as usize]
    }

    /// The slot to be filled.
    pub fn slot(&mut self, handle: &AttemptHandle) -> &mut AttemptSlot {
        let permit = self.end_of(handle).filling.as_mut();
        &mut permit.expect("a handle is of a permit that is being filled").slot
    }

    /// The carrier of the permit that is being filled, where that cannot carry what is in it.
    pub fn unfit(&mut self, handle: &AttemptHandle) -> Option<u8> {
        let end = self.end_of(handle);
        let (permit, carrier) = (end.filling.as_ref()?, end.carrier.as_ref()?);
        (!is_writable(&permit.slot, carrier)).then_some(carrier.number)
    }

    /// Sends the permit to the carrier's home.
    pub fn submit(&mut self, handle: &AttemptHandle) {
        let shard = self.shard;
        self.sent += 1;
        let serial = self.sent;
        let end = self.end_of(handle);
        let mut permit = end.filling.take().expect("a permit is submitted once");
        permit.serial = serial;
        assert!(permit.slot.mask() != 0, "an attempt sends at least one segment");
        let refused = end.exchange.permits(shard).push(permit);
        assert!(refused.is_ok(), "there are as many permits as places");
        let home = end.exchange.home();
        self.called |= 1 << home;
    }

    /// Gives a permit back unused.
    pub fn release(&mut self, handle: &AttemptHandle) {
        let end = self.end_of(handle);
        let permit = end.filling.take().expect("a permit is released once");
        if std::mem::take(&mut end.took_room) {
            end.exchange.give_room_back();
        }
        end.free.push(permit);
        if let Some(route) = self.routes.get_mut(self.reserved_for) {
            route.take_back_turn();
        }
    }

    /// The shard wants this push back, or all, as far as they are not sent.
    pub fn recall(&mut self, push: Option<u32>) {
        for end in &self.ends {
            if end.permits > end.free.len() {
                end.exchange.recall(self.shard, push);
                self.called |= 1 << end.exchange.home();
            }
        }
    }

    /// Whether what was recalled is back, or sent.
    pub fn has_recalled(&self) -> bool {
        self.ends.iter().all(|end| end.exchange.has_recalled(self.shard))
    }

    /// Whether [`Self::poll`] has one.
    #[inline]
    pub fn has_outcomes(&self) -> bool {
        self.ends.iter().any(|end| !end.exchange.settled(self.shard).is_empty())
    }

    /// The outcome polled last has been read: its permit is free.
    fn reclaim(&mut self) {
        if let Some((at, permit)) = self.settled.take() {
            self.ends[at].put_free(permit);
        }
    }

    /// The next permit that came back.
    pub fn poll(&mut self) -> Option<AttemptOutcome<'_>> {
        self.reclaim();
        let shard = self.shard;
        let mut ends = self.ends.iter().enumerate();
        let (at, permit) =
            ends.find_map(|(at, end)| Some((at, next(end.exchange.settled(shard))?)))?;
        let carrier = self.ends[at].exchange.number();
        let (_, permit) = self.settled.insert((at, permit));
        self.came_along.extend(permit.receipts.drain(..));
        let verdict = permit.verdict;
        Some(AttemptOutcome {
            token: permit.slot.token,
            msn: permit.slot.msn,
            result: verdict.result(),
            domain: verdict.is_attempt().then_some(Domain::Carrier),
            row: 0,
            delivered_mask: verdict.delivered_mask,
            unanswered_mask: verdict.doubt_mask,
            taken_mask: verdict.taken_mask,
            carrier,
            ids: &permit.ids,
            reports: &self.reports,
        })
    }

    /// The next receipt, once every outcome that came before it has been taken. Those that came
    /// with an outcome are the first: they are to be recorded before anything of that is durable.
    pub fn receipts(&mut self) -> Option<CarrierReceipt> {
        if let Some(receipt) = self.came_along.pop_front() {
            return Some(receipt);
        }
        let shard = self.shard;
        self.ends.iter_mut().find_map(|end| {
            let receipt = end.held.take().or_else(|| next(end.exchange.receipts(shard)))?;
            // It was put there behind the permit that it is about.
            if end.exchange.settled(shard).is_empty() {
                return Some(receipt);
            }
            end.held = Some(receipt);
            None
        })
    }

    /// What a receipt changed is durable.
    pub fn acknowledge(&mut self, reply: ReceiptReply) {
        let at = self.ends.iter().rposition(|end| end.exchange.number() == reply.carrier);
        let Some(end) = at.map(|at| &self.ends[at]) else { return };
        // The home sends no more receipts than fit, so there is room for their replies.
        let _ = end.exchange.recorded(self.shard).push(reply);
        self.called |= 1 << end.exchange.home();
    }

    /// How many questions the carrier has room for now.
    pub fn room_for_questions(&self, carrier: u8) -> usize {
        let end = self.ends.iter().rfind(|end| end.exchange.number() == carrier);
        end.map_or(usize::MAX, |end| end.exchange.room_for_questions(self.shard))
    }

    /// A carrier is not asked about so many.
    pub fn let_go_of_questions(&mut self, carrier: u8, count: u64) {
        let end = self.ends.iter().rfind(|end| end.exchange.number() == carrier);
        if let Some(end) = end {
            end.exchange.figures.add(|figures| &figures.questions_let_go, count);
        }
    }

    /// Asks a carrier about an SMS that it has, where it has room for that; else nothing is asked:
    /// its receipts say it too.
    pub fn ask(&mut self, question: CarrierQuestion) {
        let at = self.ends.iter().rposition(|end| end.exchange.number() == question.carrier);
        let Some(end) = at.map(|at| &self.ends[at]) else { return };
        if end.exchange.questions(self.shard).push(question).is_ok() {
            self.called |= 1 << end.exchange.home();
        }
    }

    /// The shard starts with a segment that a carrier took before.
    pub fn await_receipt(&mut self, segment: AwaitedSegment<'_>) {
        let AwaitedSegment { token, push_id, msn, carrier, segment, id } = segment;
        let end = self.ends.iter_mut().rfind(|end| end.exchange.number() == carrier);
        if let Some(end) = end {
            let since_ms = SteadyMs::ZERO;
            end.announce((id.into(), Awaited { token, push_id, segment, msn, since_ms }));
        }
    }

    /// The shard has told of all that it awaits: carriers may bind. What it tells of later it is
    /// asked to say again.
    pub fn all_awaited(&mut self) {
        let tells_again = std::mem::replace(&mut self.has_told, true);
        for end in &mut self.ends {
            if tells_again && end.announced.is_empty() {
                continue;
            }
            end.exchange.announce(self.shard, std::mem::take(&mut end.announced));
            self.called |= 1 << end.exchange.home();
        }
    }

    /// The next phone that a carrier says is reachable again.
    pub fn reachable(&mut self) -> Option<Msn> {
        self.ends.iter().find_map(|end| next(end.exchange.reachable(self.shard)))
    }

    /// Whether anything waits for the shard.
    pub fn has_arrivals(&self) -> bool {
        !self.came_along.is_empty()
            || self.ends.iter().any(|end| end.held.is_some() || end.exchange.has_for(self.shard))
    }

    /// The threads, a bit each, that are homes and were put something before since the last call.
    pub fn take_called(&mut self) -> u64 {
        std::mem::take(&mut self.called)
    }
}
