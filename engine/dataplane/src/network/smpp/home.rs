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
//! id has come back, or with it, and not before; what is not sent comes back in the order in which
//! it has its place in its lane again, before what was refused for load; what waits has a bound,
//! beyond which the oldest is let go and counted.

mod permits;
mod questions;
mod receiving;
#[cfg(test)]
mod tests;

use crate::network::port::{ALL_SEGMENTS, AttemptSlot, CarrierReceipt};
use crate::network::smpp::awaited::Awaited;
use crate::network::smpp::carrier::Carrier;
use crate::network::smpp::doubts::Doubts;
use crate::network::smpp::exchange::{Announced, Exchange, KnownCarrier, Permit};
use crate::network::smpp::figures::Condition;
use crate::network::smpp::outcome::failure_of;
pub use crate::network::smpp::receipts::IdMutation;
use crate::network::smpp::receipts::Receipts;
use crate::network::smpp::submit::{Submit, SubmitSpace, next_of};
use crate::smsc::outcome::Failure;
use questions::{Questions, is_question};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wire::smpp::command::Command;
use wire::smpp::oddities::Oddities;
use wire::smpp::pace::CarrierPace;
use wire::smpp::pdu::{BindKind, Body};
use wire::smpp::session::{Refusal, Session};
use wire::smpp::status::{Consequence, Status};
use wire::terms::time::{SteadyMs, WallMs};

/// What an SMS is sent with: the segment in the lowest bits, the place of its permit above them,
/// and above that a number that no other one has for long.
const SEGMENT_BITS: u32 = 8;
const HAND_BITS: u32 = 24;
/// Pushes are let come that can be sent in so long.
const AHEAD_MS: u64 = 100;

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

impl InHand {
    /// The segments that a message has: one of them, or all.
    fn segments(&self, segment: u8) -> u16 {
        if segment == ALL_SEGMENTS { self.permit.slot.mask() } else { 1 << segment }
    }
}

/// What the home knows of one session.
#[derive(Default)]
struct Place {
    bound: bool,
    /// Nothing comes on it though answers are outstanding.
    silent: bool,
    /// It is to be unbound: nothing new goes by it.
    retiring: bool,
    /// Nothing can be submitted on it.
    receives_only: bool,
    /// Permits that have something to send, the first one first.
    waiting: VecDeque<u32>,
    /// SMS without an answer.
    outstanding: usize,
    /// Questions without one.
    asked: usize,
    /// The last that went was one.
    asked_last: bool,
}

impl Place {
    fn takes(&self) -> bool {
        self.bound && !self.silent && !self.retiring && !self.receives_only
    }

    fn load(&self) -> usize {
        self.outstanding + self.waiting.len()
    }
}

/// One carrier, at its home.
pub struct Home {
    exchange: Arc<Exchange>,
    carrier: Arc<Carrier>,
    pace: CarrierPace,
    hands: Vec<Option<InHand>>,
    free: Vec<u32>,
    /// By session.
    places: Vec<Place>,
    /// Shards that have not said yet what they await.
    unannounced: Vec<usize>,
    /// What others said, as far as it is not taken in yet.
    announced: VecDeque<Vec<Announced>>,
    receipts: Receipts,
    doubts: Doubts,
    questions: Questions,
    /// SMS sent so far.
    sent: u32,
    /// By shard: receipts passed on whose record is not told of yet.
    under_way: Vec<usize>,
    /// Shards, a bit each, that something was put before since the last call.
    called: u64,
    rotation: usize,
    /// Before then no push that waits for a session expires; the first may, and may have gone.
    expires_ms: SteadyMs,
    /// It has become choked, or is not any more, and nobody has been told.
    choking: Option<bool>,
    condition: Condition,
    /// The time of its last turn or answer.
    now_ms: SteadyMs,
    space: Box<SubmitSpace>,
}

impl Home {
    /// This carrier; at most `awaited_max` segments are awaited at a time.
    pub fn new(known: &KnownCarrier, awaited_max: usize, now_ms: SteadyMs) -> Self {
        let (exchange, carrier) = (Arc::clone(&known.exchange), Arc::clone(&known.carrier));
        let sessions = carrier.lines();
        let shards = exchange.shards();
        Self {
            pace: CarrierPace::new(carrier.rate, now_ms.ms()),
            hands: Vec::new(),
            free: Vec::new(),
            places: (0..sessions).map(|_| Place::default()).collect(),
            unannounced: (0..shards).collect(),
            announced: VecDeque::new(),
            receipts: Receipts::new(carrier.ids, awaited_max),
            doubts: Doubts::default(),
            questions: Questions::default(),
            sent: 0,
            under_way: vec![0; shards],
            called: 0,
            rotation: 0,
            expires_ms: SteadyMs::NEVER,
            choking: None,
            condition: Condition::Down,
            now_ms,
            space: SubmitSpace::new(),
            exchange,
            carrier,
        }
    }

    /// Makes an error on purpose, for tests.
    #[doc(hidden)]
    pub fn mutate_ids(&mut self, mutation: IdMutation) {
        self.receipts.mutate(mutation);
    }

    /// What the carrier is set up with.
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// The carrier has these settings from now on. Sessions that it has no more are retired before;
    /// those that it has besides are there.
    pub fn change(&mut self, carrier: Arc<Carrier>, now_ms: SteadyMs) {
        self.pace.set_rate(carrier.rate, now_ms.ms());
        self.receipts.set_forms(carrier.ids);
        let sessions = carrier.lines();
        while self.places.len() < sessions {
            self.places.push(Place::default());
        }
        self.carrier = carrier;
    }

    /// Nothing new goes by the session, which is to be unbound; what waits for it goes back.
    pub fn retire(&mut self, session: usize) {
        self.places[session].retiring = true;
        self.return_waiting(session);
    }

    /// The session stands still though answers are outstanding, or comes to life again.
    pub fn set_silent(&mut self, session: usize, silent: bool) {
        if std::mem::replace(&mut self.places[session].silent, silent) != silent && silent {
            self.return_waiting(session);
        }
    }

    /// The rings to the shards.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Whether these are its rings: another carrier's of the same number are not.
    pub fn is_of(&self, exchange: &Arc<Exchange>) -> bool {
        Arc::ptr_eq(&self.exchange, exchange)
    }

    /// Whether nobody else has the rings any more: no shard will put anything there.
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.exchange) == 1
    }

    /// SMS without an answer on a session.
    pub fn outstanding(&self, session: usize) -> usize {
        self.places[session].outstanding
    }

    /// Permits in hand.
    pub fn in_hand(&self) -> usize {
        self.hands.len() - self.free.len()
    }

    /// A session is bound.
    pub fn session_bound(&mut self, session: usize) {
        let place = &mut self.places[session];
        (place.bound, place.silent, place.retiring) = (true, false, false);
        place.receives_only = self.carrier.kind_of(session) == BindKind::Receiver;
        let figures = &self.exchange.figures;
        figures.add(|figures| &figures.binds, 1);
        self.show_bound();
    }

    /// A session is not bound any more; its requests without an answer have been told of by
    /// [`Home::handle_doubt`]. What was not sent goes back.
    pub fn session_lost(&mut self, session: usize, refused: bool) {
        let place = &mut self.places[session];
        (place.bound, place.silent) = (false, false);
        if refused {
            self.exchange.figures.add(|figures| &figures.bind_refusals, 1);
        }
        self.show_bound();
        self.return_waiting(session);
    }

    fn show_bound(&self) {
        let bound = self.places.iter().filter(|place| place.bound).count() as u64;
        self.exchange.figures.sessions_bound.store(bound, Ordering::Relaxed);
    }

    /// What waits for a session and whose push has expired goes back, whatever the session does.
    fn return_expired(&mut self, now_ms: SteadyMs) {
        if now_ms < self.expires_ms {
            return;
        }
        let hands = &self.hands;
        let leaves_by = |hand: u32| {
            hands[hand as usize].as_ref().map(|in_hand| in_hand.permit.slot.leaves_by_ms)
        };
        let waiting = self.places.iter().flat_map(|place| place.waiting.iter().copied());
        let (mut expired, mut first_ms) = (Vec::new(), SteadyMs::NEVER);
        for hand in waiting {
            match leaves_by(hand) {
                Some(due_ms) if now_ms >= due_ms => expired.push(hand),
                Some(due_ms) => first_ms = first_ms.min(due_ms),
                None => {}
            }
        }
        self.expires_ms = first_ms;
        for hand in expired {
            self.stop(hand);
            self.settle_if_done(hand);
        }
    }

    /// Writes submit_sm's for what waits for its session, as long as window and rate allow, and
    /// questions before them. Tells `written` of the octets and the token of each PDU: of all that
    /// goes into `output`. Whether there was anything to do.
    pub fn submit(
        &mut self,
        at: usize,
        session: &mut Session,
        (output, written): (&mut Vec<u8>, &mut dyn FnMut(usize, u64)),
        (now_ms, wall_ms): (SteadyMs, WallMs),
    ) -> bool {
        let exchange = Arc::clone(&self.exchange);
        let mut busy = false;
        if !self.places[at].receives_only && !self.places[at].retiring {
            busy |= self.ask(at, session, output, written, now_ms);
        }
        while let Some(&hand) = self.places[at].waiting.front()
            && session.room() > 0
            && self.pace.take(1, now_ms.ms()) == 1
        {
            let Some(in_hand) = &mut self.hands[hand as usize] else {
                unreachable!("what waits is in hand")
            };
            let segment = next_of(&in_hand.permit.slot, in_hand.unsent_mask, &self.carrier);
            let (slot, SubmitSpace { text, tlvs, pdu }) = (&in_hand.permit.slot, &mut *self.space);
            let Some(submit) = Submit::new(slot, segment, &self.carrier, wall_ms, text) else {
                // It was made for another carrier's alphabet, and has no room in this one's.
                self.reject(hand);
                busy = true;
                continue;
            };
            let tlvs = submit.tlvs(&self.carrier, tlvs);
            let body = Body::Message(submit.message(&self.carrier, tlvs));
            let place = u64::from(hand) << SEGMENT_BITS | u64::from(segment);
            let token = u64::from(self.sent) << (SEGMENT_BITS + HAND_BITS) | place;
            match session.request(pdu, Command::SUBMIT_SM, &body, token, now_ms.ms()) {
                Ok(octets) => {
                    output.extend_from_slice(&pdu[..octets]);
                    written(octets, token);
                    self.sent = self.sent.wrapping_add(1);
                    self.places[at].outstanding += 1;
                    let segments = in_hand.segments(segment);
                    // The carrier counts segments, and one message may have all of them.
                    self.pace.owe(segments.count_ones().saturating_sub(1), now_ms.ms());
                    in_hand.unsent_mask &= !segments;
                    in_hand.outstanding_mask |= segments;
                    exchange.figures.add(|figures| &figures.submits, 1);
                    let is_again = u64::from(in_hand.permit.slot.in_doubt);
                    exchange.figures.add(|figures| &figures.resent_in_doubt, is_again);
                    busy = true;
                    if in_hand.unsent_mask == 0 {
                        self.places[at].waiting.pop_front();
                    }
                }
                Err(Refusal::NotBound | Refusal::WindowFull) => {
                    // The session ends; what waits for it goes back then.
                    self.pace.give_back(1);
                    break;
                }
                Err(Refusal::NeedsTlvs | Refusal::Pdu(_)) => {
                    // It would not be written another time either.
                    self.reject(hand);
                    busy = true;
                }
            }
        }
        busy
    }

    /// What was about to be written for this push cannot be, at this carrier.
    fn reject(&mut self, hand: u32) {
        self.pace.give_back(1);
        self.exchange.figures.add(|figures| &figures.refused, 1);
        if let Some(in_hand) = &mut self.hands[hand as usize] {
            in_hand.permit.verdict.failure = Some(Failure::Rejected);
        }
        self.stop(hand);
        self.settle_if_done(hand);
    }

    /// When [`Home::submit`] may write again, of what waits, or something that waits expires;
    /// `None` where nothing does.
    pub fn next_due_ms(&mut self, now_ms: SteadyMs) -> Option<SteadyMs> {
        let waits = self.places.iter().any(|place| !place.waiting.is_empty());
        let paced_ms = waits.then(|| SteadyMs::new(self.pace.next_ms(now_ms.ms())));
        let resumes_ms = self.pace.paused_until(now_ms.ms()).map(SteadyMs::new);
        let expires_ms = waits.then_some(self.expires_ms);
        let early_ms = self.receipts.next_due_ms();
        let announced_ms = (!self.announced.is_empty()).then_some(now_ms);
        [paced_ms, resumes_ms, expires_ms, early_ms, announced_ms].into_iter().flatten().min()
    }

    /// The answer to a submit_sm, which took `waited_ms`. Whether its session is to be bound anew.
    pub fn handle_answer(
        &mut self,
        token: u64,
        status: Status,
        body: &Body<'_>,
        oddities: Oddities,
        (waited_ms, now_ms): (u64, SteadyMs),
    ) -> bool {
        if is_question(token) {
            self.question_answered(token, status, body);
            return false;
        }
        self.now_ms = now_ms;
        let (hand, segment) = self.answered(token);
        let exchange = Arc::clone(&self.exchange);
        let figures = &exchange.figures;
        self.note_oddities(oddities);
        let Some(in_hand) = &mut self.hands[hand as usize] else { return false };
        let (session, segments) = (in_hand.session, in_hand.segments(segment));
        let (consequence, own_failure) = self.carrier.meanings.of_answer(status);
        figures.details.note_answer(consequence, waited_ms);
        match consequence {
            Consequence::Taken => {
                figures.add(|figures| &figures.taken, 1);
                let id = match body {
                    Body::MessageResp(answer) => answer.id(),
                    _ => None,
                };
                match id.filter(|_| self.carrier.receipts) {
                    Some(id) => {
                        in_hand.permit.verdict.taken_mask |= segments;
                        let each = (0..u16::BITS as u8).filter(|at| segments >> at & 1 == 1);
                        in_hand.ids.extend(each.map(|segment| (segment, id.into())));
                    }
                    None => in_hand.permit.verdict.delivered_mask |= segments,
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
                in_hand.permit.verdict.failure = own_failure.or_else(|| failure_of(consequence));
            }
        }
        match consequence {
            Consequence::SlowDown => self.pace.handle_throttled(now_ms.ms()),
            Consequence::QueueFull => self.pace.handle_queue_full(now_ms.ms()),
            _ => self.pace.handle_other(),
        }
        match consequence {
            Consequence::Taken => {}
            Consequence::SlowDown | Consequence::QueueFull => {
                self.take_back();
                self.stop(hand);
            }
            Consequence::Rebind => {
                self.return_waiting(session);
                self.stop(hand);
            }
            _ => self.stop(hand),
        }
        self.settle_if_done(hand);
        consequence == Consequence::Rebind
    }

    /// A submit_sm has no answer: nobody knows whether the carrier took it.
    pub fn handle_doubt(&mut self, token: u64, now_ms: SteadyMs) {
        if is_question(token) {
            return self.question_lost(token);
        }
        let (hand, segment) = self.answered(token);
        self.exchange.figures.add(|figures| &figures.in_doubt, 1);
        if let Some(in_hand) = &mut self.hands[hand as usize] {
            in_hand.permit.verdict.doubt_mask |= in_hand.segments(segment);
            in_hand.permit.verdict.doubt_is_final =
                self.carrier.doubt_is_final || in_hand.permit.slot.doubt_is_final;
            let awaited = awaited_of(&in_hand.permit, segment, SteadyMs::ZERO);
            self.doubts.note(token, awaited, now_ms);
        }
        self.stop(hand);
        self.settle_if_done(hand);
    }

    /// A submit_sm has not left: the carrier never saw it.
    pub fn handle_unsent(&mut self, token: u64) {
        if is_question(token) {
            return self.question_unsent(token);
        }
        let (hand, _) = self.answered(token);
        if let Some(in_hand) = &mut self.hands[hand as usize] {
            in_hand.permit.verdict.returned = true;
        }
        self.stop(hand);
        self.settle_if_done(hand);
    }

    /// The answer to a submit_sm that was in doubt.
    pub fn handle_late_answer(&mut self, token: u64, status: Status, body: &Body<'_>) {
        if is_question(token) || status.consequence() != Consequence::Taken {
            // The push waits for its next try as it is.
            return;
        }
        let id = match body {
            Body::MessageResp(answer) => answer.id(),
            _ => None,
        };
        let Some(id) = id.filter(|_| self.carrier.receipts) else { return };
        if let Some(awaited) = self.doubts.take(token) {
            self.exchange.figures.add(|figures| &figures.taken_late, 1);
            self.receipts.await_late(self.exchange.number(), id, awaited);
        }
    }

    fn note_oddities(&self, oddities: Oddities) {
        if !oddities.is_empty() {
            self.exchange.figures.add(|figures| &figures.oddities, 1);
            self.exchange.figures.details.note_oddities(oddities);
        }
    }

    fn answered(&mut self, token: u64) -> (u32, u8) {
        let hand = (token >> SEGMENT_BITS) as u32 & ((1 << HAND_BITS) - 1);
        let segment = token as u8;
        if let Some(in_hand) = &mut self.hands[hand as usize] {
            in_hand.outstanding_mask &= !in_hand.segments(segment);
            let place = &mut self.places[in_hand.session];
            place.outstanding = place.outstanding.saturating_sub(1);
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
            self.places[session].waiting.retain(|&other| other != hand);
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
        let whose = awaited_of(&in_hand.permit, 0, self.now_ms);
        let returned = u64::from(in_hand.permit.verdict.returned);
        self.exchange.figures.add(|figures| &figures.returned, returned);
        for (segment, id) in &in_hand.ids {
            let awaited = Awaited { segment: *segment, ..whose };
            let Some(early) = self.receipts.await_id(id, awaited) else { continue };
            self.exchange.figures.add(|figures| &figures.early, 1);
            match early.reply.request {
                // The carrier sends it again should it be lost. It is passed on behind the permit.
                Some(_) => self.receipts.matched.push_back(early),
                None => {
                    self.exchange.figures.add(|figures| &figures.receipts, 1);
                    in_hand.permit.receipts.push(CarrierReceipt { is_answered: true, ..early });
                }
            }
        }
        self.give_back(in_hand.permit);
    }

    /// A session has ended so.
    pub fn note_error(&self, reason: String) {
        self.exchange.figures.details.note_error(reason);
    }

    /// Whether it has just become choked, or is not any more; once.
    pub fn take_choking(&mut self) -> Option<bool> {
        self.choking.take()
    }

    /// The shards that something was put before since the last call: a bit each, the 64th after the
    /// first.
    pub fn take_called(&mut self) -> u64 {
        std::mem::take(&mut self.called)
    }
}

fn awaited_of(permit: &Permit, segment: u8, since_ms: SteadyMs) -> Awaited {
    let AttemptSlot { token, push_id, msn, .. } = permit.slot;
    Awaited { token, push_id, segment, msn, since_ms }
}
