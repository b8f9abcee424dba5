//! A carrier's home: what is submitted on which session, what answers and receipts mean, and which
//! shard is told.
//!
//! Its owner has the sessions and the clock. Order, in each of its turns: [`Home::take_permits`];
//! events of sessions by [`Home::handle_answer`], [`Home::handle_doubt`], [`Home::handle_message`]
//! and [`Home::session_lost`]; then [`Home::submit`] for each session that is bound; then
//! [`Home::pass_receipts`] and [`Home::take_reply`].
//!
//! Invariants: a permit comes back once, when nothing of it is outstanding; all segments of a push
//! go by one session, in their order; a receipt is passed on when the permit whose answer named its
//! id has come back, and not before; what waits has a bound, beyond which the oldest is let go and
//! counted.

use crate::network::port::ReceiptReply;
use crate::network::smpp::carrier::Carrier;
use crate::network::smpp::exchange::{AwaitedSegment, Exchange, Permit, RECEIPTS_UNDER_WAY_MAX};
use crate::network::smpp::outcome::{Verdict, failure_of, receipt_of};
use crate::network::smpp::receipts::{Awaited, Receipts, Received};
use crate::network::smpp::submit::Submit;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wire::smpp::command::Command;
use wire::smpp::oddities::Oddities;
use wire::smpp::pace::Pace;
use wire::smpp::pdu::Body;
use wire::smpp::receipt::Receipt;
use wire::smpp::session::{RequestId, Session};
use wire::smpp::status::{Consequence, Status};
use wire::terms::ids::Class;
use wire::terms::mix::mix;

/// Room for one submit_sm.
const SUBMIT_OCTETS_MAX: usize = 1_024;
/// Bits of a token that are the segment.
const SEGMENT_BITS: u32 = 8;

/// The id of a segment that the carrier took.
type TakenId = (u8, Box<[u8]>);

/// A permit that is being worked off.
struct InHand {
    permit: Box<Permit>,
    session: usize,
    unsent_mask: u16,
    outstanding_mask: u16,
    ids: Vec<TakenId>,
}

/// One carrier, at its home.
pub struct Home {
    exchange: Arc<Exchange>,
    pace: Pace,
    hands: Vec<Option<InHand>>,
    free: Vec<u32>,
    /// By session: permits that have something to send, the first one first.
    waiting: Vec<VecDeque<u32>>,
    /// Which sessions are bound.
    bound: Vec<bool>,
    /// Shards that have not said yet what they await.
    unannounced: Vec<usize>,
    receipts: Receipts,
    /// By shard: receipts passed on whose record is not told of yet.
    under_way: Vec<usize>,
    /// Shards that something was put before since the last call.
    called: u64,
    rotation: usize,
}

impl Home {
    /// The carrier of this exchange; at most `awaited_max` segments are awaited at a time.
    pub fn new(exchange: Arc<Exchange>, awaited_max: usize, now_ms: u64) -> Self {
        let sessions = usize::from(exchange.carrier.sessions);
        let shards = exchange.shards();
        Self {
            pace: Pace::new(exchange.carrier.rate, now_ms),
            hands: Vec::new(),
            free: Vec::new(),
            waiting: (0..sessions).map(|_| VecDeque::new()).collect(),
            bound: vec![false; sessions],
            unannounced: (0..shards).collect(),
            receipts: Receipts::new(exchange.carrier.ids, awaited_max),
            under_way: vec![0; shards],
            called: 0,
            rotation: 0,
            exchange,
        }
    }

    /// What the carrier is set up with.
    pub fn carrier(&self) -> &Carrier {
        &self.exchange.carrier
    }

    /// The rings to the shards.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Whether the ids of all pushes that were handed over before are here: only then may the
    /// carrier be bound to.
    pub fn may_bind(&mut self) -> bool {
        let exchange = Arc::clone(&self.exchange);
        let mut unannounced = std::mem::take(&mut self.unannounced);
        unannounced.retain(|&shard| match exchange.take_announced(shard) {
            Some(awaited) => {
                awaited.into_iter().for_each(|segment| self.await_announced(segment));
                false
            }
            None => true,
        });
        self.unannounced = unannounced;
        self.unannounced.is_empty()
    }

    fn await_announced(&mut self, segment: AwaitedSegment) {
        let AwaitedSegment { token, push_id, segment, id } = segment;
        self.receipts.await_id(&id, Awaited { token, push_id, segment });
    }

    /// Permits in hand.
    pub fn in_hand(&self) -> usize {
        self.hands.len() - self.free.len()
    }

    /// A session is bound.
    pub fn session_bound(&mut self, session: usize) {
        self.bound[session] = true;
        let figures = &self.exchange.figures;
        figures.add(|figures| &figures.binds, 1);
        self.show_bound();
    }

    /// A session is not bound any more; its requests without an answer have been told of by
    /// [`Home::handle_doubt`]. What was not sent goes back.
    pub fn session_lost(&mut self, session: usize, refused: bool) {
        self.bound[session] = false;
        if refused {
            self.exchange.figures.add(|figures| &figures.bind_refusals, 1);
        }
        self.show_bound();
        self.return_waiting(session);
    }

    fn show_bound(&self) {
        let bound = self.bound.iter().filter(|&&bound| bound).count() as u64;
        self.exchange.figures.sessions_bound.store(bound, Ordering::Relaxed);
    }

    fn return_waiting(&mut self, session: usize) {
        for hand in std::mem::take(&mut self.waiting[session]) {
            self.stop(hand);
            self.settle_if_done(hand);
        }
    }

    /// Takes the permits that shards have sent; each goes to a session by its msn. Says whether the
    /// carrier takes more.
    pub fn take_permits(&mut self, now_ms: u64) -> bool {
        let is_paused = self.pace.paused_until(now_ms).is_some();
        let is_bound = self.bound.contains(&true);
        self.exchange.set_dealing(is_bound && !is_paused);
        let exchange = Arc::clone(&self.exchange);
        let mut busy = false;
        for owner in 0..exchange.shards() {
            while let Some(permit) = exchange.permits(owner).pop() {
                busy = true;
                self.take(permit, is_bound && !is_paused);
            }
        }
        if is_paused {
            // They wait where an emergency can go before them.
            for session in 0..self.waiting.len() {
                self.return_waiting(session);
            }
        }
        self.exchange.figures.in_hand.store(self.in_hand() as u64, Ordering::Relaxed);
        busy
    }

    fn take(&mut self, mut permit: Box<Permit>, is_taken: bool) {
        permit.verdict = Verdict::default();
        permit.ids.clear();
        let bound = self.bound.iter().filter(|&&bound| bound).count();
        if !is_taken || bound == 0 {
            permit.verdict.returned = true;
            return self.give_back(permit);
        }
        let nth = (mix(permit.slot.msn.value()) % bound as u64) as usize;
        let places = self.bound.iter().enumerate().filter(|(_, bound)| **bound);
        let session = places.map(|(session, _)| session).nth(nth).unwrap_or(0);
        let first = permit.slot.class == Class::Emergency;
        let unsent_mask = permit.slot.mask();
        let in_hand = InHand { permit, session, unsent_mask, outstanding_mask: 0, ids: Vec::new() };
        let hand = self.free.pop().unwrap_or_else(|| {
            self.hands.push(None);
            self.hands.len() as u32 - 1
        });
        self.hands[hand as usize] = Some(in_hand);
        let waiting = &mut self.waiting[session];
        if !first {
            waiting.push_back(hand);
        } else {
            // Not before the rest of a push that has been sent in part.
            let hands = &self.hands;
            let begun = waiting.front().is_some_and(|&front| {
                hands[front as usize].as_ref().is_some_and(|hand| hand.outstanding_mask != 0)
            });
            waiting.insert(usize::from(begun), hand);
        }
    }

    fn give_back(&mut self, permit: Box<Permit>) {
        let owner = permit.owner;
        let refused = self.exchange.settled(owner).push(permit);
        assert!(refused.is_ok(), "there are as many places as permits");
        self.called |= 1 << owner;
    }

    /// Writes submit_sm's for what waits for its session, as long as window and rate allow;
    /// whether it wrote any.
    pub fn submit(
        &mut self,
        at: usize,
        session: &mut Session,
        output: &mut Vec<u8>,
        (now_ms, wall_ms): (u64, u64),
    ) -> bool {
        let exchange = Arc::clone(&self.exchange);
        let mut busy = false;
        while let Some(&hand) = self.waiting[at].front()
            && session.room() > 0
            && self.pace.take(1, now_ms) == 1
        {
            let Some(in_hand) = &mut self.hands[hand as usize] else {
                unreachable!("what waits is in hand")
            };
            let segment = in_hand.unsent_mask.trailing_zeros() as usize;
            let submit = Submit::new(&in_hand.permit.slot, segment, &exchange.carrier, wall_ms);
            let body = Body::Message(submit.message(&exchange.carrier));
            let token = u64::from(hand) << SEGMENT_BITS | segment as u64;
            let mut pdu = [0; SUBMIT_OCTETS_MAX];
            match session.request(&mut pdu, Command::SUBMIT_SM, &body, token, now_ms) {
                Ok(octets) => {
                    output.extend_from_slice(&pdu[..octets]);
                    in_hand.unsent_mask &= !(1 << segment);
                    in_hand.outstanding_mask |= 1 << segment;
                    exchange.figures.add(|figures| &figures.submits, 1);
                    busy = true;
                    if in_hand.unsent_mask == 0 {
                        self.waiting[at].pop_front();
                    }
                }
                Err(_) => {
                    // The session ends; what waits for it goes back then.
                    self.pace.give_back(1);
                    break;
                }
            }
        }
        busy
    }

    /// When [`Home::submit`] may write again, of what waits; `None` where nothing does.
    pub fn next_due_ms(&mut self, now_ms: u64) -> Option<u64> {
        let waits = self.waiting.iter().any(|waiting| !waiting.is_empty());
        let paced_ms = waits.then(|| self.pace.next_ms(now_ms));
        let resumes_ms = self.pace.paused_until(now_ms);
        let early_ms = self.receipts.next_due_ms();
        [paced_ms, resumes_ms, early_ms].into_iter().flatten().min()
    }

    /// The answer to a submit_sm. Whether its session is to be bound anew.
    pub fn handle_answer(
        &mut self,
        token: u64,
        status: Status,
        body: &Body<'_>,
        oddities: Oddities,
        now_ms: u64,
    ) -> bool {
        let (hand, segment) = self.answered(token);
        let exchange = Arc::clone(&self.exchange);
        let figures = &exchange.figures;
        if !oddities.is_empty() {
            figures.add(|figures| &figures.oddities, 1);
        }
        let Some(in_hand) = &mut self.hands[hand as usize] else { return false };
        let bit = 1u16 << segment;
        let consequence = status.consequence();
        match consequence {
            Consequence::Taken => {
                figures.add(|figures| &figures.taken, 1);
                let id = match body {
                    Body::MessageResp(answer) => answer.id(),
                    _ => None,
                };
                match id.filter(|_| exchange.carrier.receipts) {
                    Some(id) => {
                        in_hand.permit.verdict.taken_mask |= bit;
                        in_hand.ids.push((segment, id.into()));
                    }
                    None => in_hand.permit.verdict.delivered_mask |= bit,
                }
            }
            Consequence::SlowDown | Consequence::QueueFull | Consequence::Rebind => {
                figures.add(
                    |figures| &figures.throttled,
                    u64::from(consequence != Consequence::Rebind),
                );
                in_hand.permit.verdict.returned = true;
            }
            _ => {
                figures.add(|figures| &figures.refused, 1);
                in_hand.permit.verdict.failure = failure_of(consequence);
            }
        }
        match consequence {
            Consequence::SlowDown => self.pace.handle_throttled(now_ms),
            Consequence::QueueFull => self.pace.handle_queue_full(now_ms),
            _ => self.pace.handle_other(),
        }
        if consequence != Consequence::Taken {
            self.stop(hand);
        }
        self.settle_if_done(hand);
        consequence == Consequence::Rebind
    }

    /// A submit_sm has no answer: nobody knows whether the carrier took it.
    pub fn handle_doubt(&mut self, token: u64) {
        let (hand, segment) = self.answered(token);
        self.exchange.figures.add(|figures| &figures.in_doubt, 1);
        if let Some(in_hand) = &mut self.hands[hand as usize] {
            in_hand.permit.verdict.doubt_mask |= 1 << segment;
        }
        self.stop(hand);
        self.settle_if_done(hand);
    }

    fn answered(&mut self, token: u64) -> (u32, u8) {
        let (hand, segment) = ((token >> SEGMENT_BITS) as u32, token as u8);
        if let Some(in_hand) = &mut self.hands[hand as usize] {
            in_hand.outstanding_mask &= !(1 << segment);
        }
        (hand, segment)
    }

    /// Nothing more of this permit is sent.
    fn stop(&mut self, hand: u32) {
        let Some(in_hand) = &mut self.hands[hand as usize] else { return };
        if in_hand.unsent_mask != 0 {
            in_hand.unsent_mask = 0;
            in_hand.permit.verdict.returned = true;
            let session = in_hand.session;
            self.waiting[session].retain(|&other| other != hand);
        }
    }

    /// A permit of which nothing is outstanding comes back, and its ids are awaited.
    fn settle_if_done(&mut self, hand: u32) {
        let place = &mut self.hands[hand as usize];
        let is_done = |in_hand: &mut InHand| in_hand.outstanding_mask | in_hand.unsent_mask == 0;
        let Some(mut in_hand) = place.take_if(is_done) else { return };
        self.free.push(hand);
        in_hand.ids.sort_by_key(|&(segment, _)| segment);
        for (_, id) in &in_hand.ids {
            in_hand.permit.ids.push(id.len() as u8);
            in_hand.permit.ids.extend_from_slice(id);
        }
        let token = in_hand.permit.slot.token;
        let push_id = in_hand.permit.slot.push_id;
        self.give_back(in_hand.permit);
        for (segment, id) in &in_hand.ids {
            let awaited = Awaited { token, push_id, segment: *segment };
            let is_early = self.receipts.await_id(id, awaited);
            self.exchange.figures.add(|figures| &figures.early, u64::from(is_early));
        }
    }

    /// A message of the carrier, which `reply` would answer. Whether it is to be answered at once;
    /// what is not is answered by [`Home::take_reply`].
    pub fn handle_message(
        &mut self,
        body: &Body<'_>,
        oddities: Oddities,
        reply: ReceiptReply,
        now_ms: u64,
    ) -> bool {
        let figures = &self.exchange.figures;
        if !oddities.is_empty() {
            figures.add(|figures| &figures.oddities, 1);
        }
        let receipt = match body {
            Body::Message(message) => Receipt::of_message(message),
            Body::Data(data) => Receipt::of_data(data),
            _ => None,
        };
        let Some(receipt) = receipt else {
            figures.add(|figures| &figures.messages, 1);
            return true;
        };
        let says = receipt.state.filter(|_| !receipt.is_intermediate).and_then(receipt_of);
        let (Some(id), Some(says)) = (receipt.id, says) else { return true };
        self.receipts.receive(id, says, reply, now_ms) == Received::Again
    }

    /// Receipts that came early and whose ids stay unknown.
    pub fn handle_time(&mut self, now_ms: u64) {
        self.receipts.handle_time(now_ms);
        let figures = &self.exchange.figures;
        figures.awaited.store(self.receipts.awaited() as u64, Ordering::Relaxed);
        figures.unmatched.store(self.receipts.unmatched, Ordering::Relaxed);
    }

    /// Passes receipts on to their shards, as many as their rings take.
    pub fn pass_receipts(&mut self) -> bool {
        let mut busy = false;
        for _ in 0..self.receipts.matched.len() {
            let Some(receipt) = self.receipts.matched.pop_front() else { break };
            let owner = receipt.token.partition as usize;
            if self.under_way[owner] >= RECEIPTS_UNDER_WAY_MAX {
                self.receipts.matched.push_back(receipt);
                continue;
            }
            let refused = self.exchange.receipts(owner).push(receipt);
            assert!(refused.is_ok(), "no more are under way than there are places");
            self.under_way[owner] += 1;
            self.exchange.figures.add(|figures| &figures.receipts, 1);
            self.called |= 1 << owner;
            busy = true;
        }
        busy
    }

    /// The next message of the carrier that may be answered.
    pub fn take_reply(&mut self) -> Option<(ReceiptReply, RequestId)> {
        loop {
            let reply = self.next_reply()?;
            if let Some(request) = reply.request {
                return Some((reply, request));
            }
        }
    }

    fn next_reply(&mut self) -> Option<ReceiptReply> {
        if let Some(reply) = self.receipts.replies.pop_front() {
            return Some(reply);
        }
        let shards = self.exchange.shards();
        for _ in 0..shards {
            let owner = self.rotation % shards;
            if let Some(reply) = self.exchange.recorded(owner).pop() {
                self.under_way[owner] -= 1;
                return Some(reply);
            }
            self.rotation = self.rotation.wrapping_add(1);
        }
        None
    }

    /// The shards that something was put before since the last call.
    pub fn take_called(&mut self) -> u64 {
        std::mem::take(&mut self.called)
    }
}
